from __future__ import annotations

import math
from typing import Any

import lucid

from .location_scale import LocationScale
from .utils import _uniform

__all__ = ["Laplace"]


class Laplace(LocationScale):
    """The Laplace distribution, of density ``exp(-|x - loc| / scale) / (2 scale)``.

    >>> import lucid
    >>> lucid.distributions.Laplace(0.0, 1.0).log_prob(lucid.tensor(0.0))
    tensor(-0.6931)
    """

    _standard_entropy = 1 + math.log(2)

    @property
    def variance(self) -> Any:
        return 2 * self.scale * self.scale

    @property
    def stddev(self) -> Any:
        return math.sqrt(2) * self.scale

    def _standard_sample(self, shape: Any) -> Any:
        u = 2 * _uniform(shape, self.loc) - 1  # in [-1, 1)
        return -u.sign() * lucid.log1p(-u.abs().clamp(max=1 - lucid.finfo(u.dtype).eps / 2))

    def _standard_log_prob(self, z: Any) -> Any:
        return -z.abs() - math.log(2)

    def _standard_cdf(self, z: Any) -> Any:
        return 0.5 - 0.5 * z.sign() * lucid.expm1(-z.abs())

    def _standard_icdf(self, p: Any) -> Any:
        term = p - 0.5
        return -term.sign() * lucid.log1p(-2 * term.abs())
