from __future__ import annotations

import math
from typing import Any

import lucid

from ..core.tensor import Size
from . import constraints
from .distribution import Distribution
from .utils import _uniform

__all__ = ["GeneralizedPareto"]


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
