from __future__ import annotations

import math
from typing import Any

import lucid

from .exp_family import ExponentialFamily
from .location_scale import LocationScale
from .utils import _standard_normal

__all__ = ["Normal"]


class Normal(LocationScale, ExponentialFamily):
    """The normal distribution of mean ``loc`` and standard deviation ``scale``.

    >>> import lucid
    >>> lucid.distributions.Normal(0.0, 1.0).log_prob(lucid.tensor(0.0))
    tensor(-0.9189)
    """

    _mean_carrier_measure = 0
    _standard_entropy = 0.5 + 0.5 * math.log(2 * math.pi)

    @property
    def stddev(self) -> Any:
        return self.scale

    @property
    def variance(self) -> Any:
        return self.scale * self.scale

    def _standard_sample(self, shape: Any) -> Any:
        return _standard_normal(shape, self.loc.dtype, self.loc.device)

    def _standard_log_prob(self, z: Any) -> Any:
        return -0.5 * z * z - 0.5 * math.log(2 * math.pi)

    def _standard_cdf(self, z: Any) -> Any:
        return 0.5 * (1 + lucid.erf(z * math.sqrt(0.5)))

    def _standard_icdf(self, p: Any) -> Any:
        return lucid.erfinv(2 * p - 1) * math.sqrt(2)

    @property
    def _natural_params(self) -> tuple:
        return self.loc / self.variance, -0.5 / self.variance

    def _log_normalizer(self, x: Any, y: Any) -> Any:
        return -0.25 * x * x / y + 0.5 * lucid.log(-math.pi / y)
