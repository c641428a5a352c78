from __future__ import annotations

import math
from typing import Any

import lucid

from .location_scale import LocationScale
from .utils import _uniform, euler_constant

__all__ = ["Gumbel"]


class Gumbel(LocationScale):
    """The Gumbel distribution of maxima, of distribution function ``exp(-exp(-(x - loc) / scale))``.

    >>> import lucid
    >>> lucid.distributions.Gumbel(0.0, 1.0).mean
    tensor(0.5772)
    """

    _standard_entropy = 1 + euler_constant

    @property
    def mean(self) -> Any:
        return self.loc + self.scale * euler_constant

    @property
    def stddev(self) -> Any:
        return math.pi / math.sqrt(6) * self.scale

    @property
    def variance(self) -> Any:
        return self.stddev * self.stddev

    def _standard_sample(self, shape: Any) -> Any:
        info = lucid.finfo(self.loc.dtype)
        return self._standard_icdf(_uniform(shape, self.loc).clamp(min=info.tiny, max=1 - info.eps))

    def _standard_log_prob(self, z: Any) -> Any:
        return -z - lucid.exp(-z)

    def _standard_cdf(self, z: Any) -> Any:
        return lucid.exp(-lucid.exp(-z))

    def _standard_icdf(self, p: Any) -> Any:
        return -lucid.log(-lucid.log(p))
