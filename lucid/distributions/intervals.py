"""Distributions on an interval, a circle and above a threshold."""

from __future__ import annotations

import math
from typing import Any

import lucid

from ..core.tensor import Size
from . import constraints
from .distribution import Distribution
from .utils import _uniform, _wide

__all__ = ["GeneralizedPareto", "Uniform", "VonMises"]


class Uniform(Distribution):
    """Every number in ``[low, high)`` alike.

    Raises ValueError unless ``low < high``.

    >>> import lucid
    >>> lucid.distributions.Uniform(0.0, 4.0).entropy()
    tensor(1.3863)
    """

    has_rsample = True
    low: Any
    high: Any

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None):
        self._broadcast(validate_args, low=low, high=high)

    @property
    def arg_constraints(self) -> Any:
        return {"low": constraints.less_than(self.high), "high": constraints.greater_than(self.low)}

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        return constraints.interval(self.low, self.high)

    @property
    def mean(self) -> Any:
        return (self.high + self.low) / 2

    @property
    def mode(self) -> Any:
        return math.nan * self.high

    @property
    def stddev(self) -> Any:
        return (self.high - self.low) / 12**0.5

    @property
    def variance(self) -> Any:
        return (self.high - self.low).square() / 12

    def rsample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        return self.low + _uniform(self._extended_shape(sample_shape), self.low) * (self.high - self.low)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        inside = ((self.low <= value) & (self.high > value)).to(self.low.dtype)
        return lucid.log(inside) - lucid.log(self.high - self.low)

    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return ((value - self.low) / (self.high - self.low)).clamp(min=0, max=1)

    def icdf(self, value: Any) -> Any:
        return value * (self.high - self.low) + self.low

    def entropy(self) -> Any:
        return lucid.log(self.high - self.low)


class VonMises(Distribution):
    """Angles of density proportional to ``exp(concentration cos(x - loc))``; samples lie in [-pi, pi).

    ``variance`` is the circular one. Reference for the sampler: Best and Fisher (1979), Efficient simulation of the
    von Mises distribution.

    >>> import lucid
    >>> lucid.distributions.VonMises(0.0, 1.0).log_prob(lucid.tensor(0.0)).exp()
    tensor(0.3417)
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    loc: Any
    concentration: Any

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None):
        self._broadcast(validate_args, loc=loc, concentration=concentration)

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        return 1 - lucid.special.i1e(self.concentration) / lucid.special.i0e(self.concentration)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        # log I0(k) = k + log i0e(k), and cos - 1 does not cancel for a large concentration
        falling = -2 * lucid.sin((value - self.loc) * 0.5).square()
        return self.concentration * falling - math.log(2 * math.pi) - lucid.special.i0e(self.concentration).log()

    def sample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        with lucid.no_grad():
            shape = self._extended_shape(sample_shape)
            kappa = _wide(self.concentration)
            tau = 1 + (1 + 4 * kappa * kappa).sqrt()
            rho = (tau - (2 * tau).sqrt()) / (2 * kappa)
            r = lucid.where(kappa < 1e-5, 1 / kappa + kappa, (1 + rho * rho) / (2 * rho))
            x = lucid.zeros(shape, dtype=kappa.dtype, device=kappa.device)
            done = lucid.zeros(shape, dtype=lucid.bool, device=kappa.device)
            while not done.all():
                u1, u2, u3 = (_uniform(shape, kappa) for _ in range(3))
                z = lucid.cos(math.pi * u1)
                f = (1 + r * z) / (r + z)
                c = kappa * (r - f)
                accept = ((c * (2 - c) - u2 > 0) | ((c / u2).log() + 1 - c >= 0)) & ~done
                x = lucid.where(accept, (u3 - 0.5).sign() * f.clamp(min=-1, max=1).acos(), x)
                done = done | accept
            turned = lucid.remainder(x + math.pi + _wide(self.loc), 2 * math.pi) - math.pi
            return turned.to(self.loc.dtype)


class GeneralizedPareto(Distribution):
    """Exceedances over ``loc``: survival ``(1 + concentration z)^(-1 / concentration)``, ``z = (x - loc) / scale``.

    Concentration 0 gives the exponential distribution.

    >>> import lucid
    >>> lucid.distributions.GeneralizedPareto(0.0, 1.0, 0.5).mean
    tensor(2.)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive, "concentration": constraints.real}
    has_rsample = True
    loc: Any
    scale: Any
    concentration: Any

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None):
        self._broadcast(validate_args, loc=loc, scale=scale, concentration=concentration)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        end = self.loc - self.scale / lucid.where(self.concentration < 0, self.concentration, -1.0)
        return constraints.interval(self.loc, lucid.where(self.concentration < 0, end, math.inf))

    def _split(self) -> tuple[Any, Any]:
        """Where the concentration counts as 0, and the concentration with 1 in those places."""
        zero = lucid.isclose(self.concentration, lucid.zeros_like(self.concentration))
        return zero, lucid.where(zero, 1.0, self.concentration)

    def rsample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        return self.icdf(_uniform(self._extended_shape(sample_shape), self.loc))

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        z = (value - self.loc) / self.scale
        zero, c = self._split()
        power = 1 / c + 1
        fall = lucid.where(power == 0, 0.0, power * lucid.log1p(c * z))  # concentration -1: uniform
        return -self.scale.log() - lucid.where(zero, z, fall)

    def log_survival_function(self, value: Any) -> Any:
        """The logarithm of the probability of a sample above ``value``."""
        if self._validate_args:
            self._validate_sample(value)
        z = (value - self.loc) / self.scale
        zero, c = self._split()
        return lucid.where(zero, -z, -lucid.log1p(c * z) / c)

    def log_cdf(self, value: Any) -> Any:
        """The logarithm of ``cdf``."""
        return lucid.log1p(-lucid.exp(self.log_survival_function(value)))

    def cdf(self, value: Any) -> Any:
        return lucid.exp(self.log_cdf(value))

    def icdf(self, value: Any) -> Any:
        zero, c = self._split()
        log_above = lucid.log1p(-value)
        return self.loc + self.scale * lucid.where(zero, -log_above, lucid.expm1(-c * log_above) / c)

    @property
    def mean(self) -> Any:
        c = lucid.where(self.concentration < 1, self.concentration, math.nan)
        return self.loc + self.scale / (1 - c)

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        c = lucid.where(self.concentration < 0.5, self.concentration, math.nan)
        return self.scale.square() / ((1 - c).square() * (1 - 2 * c))

    def entropy(self) -> Any:
        return lucid.log(self.scale) + self.concentration + 1
