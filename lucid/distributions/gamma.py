from __future__ import annotations

from typing import Any

import lucid

from ..core.tensor import Size
from . import constraints
from .exp_family import ExponentialFamily

__all__ = ["Gamma"]


class Gamma(ExponentialFamily):
    """Density proportional to ``x^(concentration - 1) exp(-rate x)``; samples are differentiable in both parameters.

    Reference for the derivative: Figurnov et al. (2018), https://arxiv.org/abs/1805.08498.

    >>> import lucid
    >>> lucid.distributions.Gamma(2.0, 4.0).mean
    tensor(0.5000)
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0
    concentration: Any
    rate: Any

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None):
        self._broadcast(validate_args, concentration=concentration, rate=rate)

    @property
    def mean(self) -> Any:
        return self.concentration / self.rate

    @property
    def mode(self) -> Any:
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Any:
        return self.concentration / self.rate.square()

    def rsample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        concentration = self.concentration.expand(self._extended_shape(sample_shape))
        value = lucid._standard_gamma(concentration) / self.rate
        return value.clamp(min=lucid.finfo(value.dtype).tiny)

    def log_prob(self, value: Any) -> Any:
        value = lucid.as_tensor(value, dtype=self.rate.dtype, device=self.rate.device)
        if self._validate_args:
            self._validate_sample(value)
        a, b = self.concentration, self.rate
        return lucid.xlogy(a, b) + lucid.xlogy(a - 1, value) - b * value - lucid.lgamma(a)

    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return lucid.special.gammainc(self.concentration, self.rate * value)

    def entropy(self) -> Any:
        a = self.concentration
        return a - lucid.log(self.rate) + lucid.lgamma(a) + (1.0 - a) * lucid.digamma(a)

    @property
    def _natural_params(self) -> tuple:
        return self.concentration - 1, -self.rate

    def _log_normalizer(self, x: Any, y: Any) -> Any:
        return lucid.lgamma(x + 1) - (x + 1) * lucid.log(-y)
