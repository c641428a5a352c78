"""Location-scale families: a standard variable z, stretched and moved."""

from __future__ import annotations

import math
from typing import Any

import lucid

from ..core.tensor import Size
from . import constraints
from .distribution import Distribution
from .exp_family import ExponentialFamily
from .utils import _full, _standard_normal, _uniform, euler_constant

__all__ = ["Cauchy", "Gumbel", "Laplace", "Normal"]


class LocationScale(Distribution):
    """``x = loc + scale z``: a subclass describes only the standard variable z (loc 0, scale 1)."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True
    loc: Any
    scale: Any
    _standard_entropy: float

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        self._broadcast(validate_args, loc=loc, scale=scale)

    def _standard_sample(self, shape: Any) -> Any:
        raise NotImplementedError

    def _standard_log_prob(self, z: Any) -> Any:
        raise NotImplementedError

    def _standard_cdf(self, z: Any) -> Any:
        raise NotImplementedError

    def _standard_icdf(self, p: Any) -> Any:
        raise NotImplementedError

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    def rsample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        return self.loc + self.scale * self._standard_sample(self._extended_shape(sample_shape))

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return self._standard_log_prob((value - self.loc) / self.scale) - self.scale.log()

    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return self._standard_cdf((value - self.loc) / self.scale)

    def icdf(self, value: Any) -> Any:
        return self.loc + self.scale * self._standard_icdf(value)

    def entropy(self) -> Any:
        return self.scale.log() + self._standard_entropy


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
