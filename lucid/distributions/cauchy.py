from __future__ import annotations

import math
from typing import Any

import lucid

from .location_scale import LocationScale
from .utils import _full, _uniform

__all__ = ["Cauchy"]


class Cauchy(LocationScale):
    """The Cauchy distribution: the ratio of two centred normals, of median ``loc``; its mean does not exist.

    >>> import lucid
    >>> lucid.distributions.Cauchy(0.0, 1.0).cdf(lucid.tensor(1.0))
    tensor(0.7500)
    """

    _standard_entropy = math.log(4 * math.pi)

    @property
    def mean(self) -> Any:
        return _full(self, math.nan, self.loc)

    @property
    def variance(self) -> Any:
        return _full(self, math.inf, self.loc)

    def _standard_sample(self, shape: Any) -> Any:
        return self._standard_icdf(_uniform(shape, self.loc))

    def _standard_log_prob(self, z: Any) -> Any:
        return -math.log(math.pi) - (z * z).log1p()

    def _standard_cdf(self, z: Any) -> Any:
        return lucid.atan(z) / math.pi + 0.5

    def _standard_icdf(self, p: Any) -> Any:
        return lucid.tan(math.pi * (p - 0.5))
