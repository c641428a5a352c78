"""Distributions folded at 0: of absolute values."""

from __future__ import annotations

import math
from typing import Any

import lucid

from . import constraints
from .location_scale import Cauchy, Normal
from .transformed import TransformedDistribution
from .transforms import AbsTransform
from .utils import _full

__all__ = ["HalfCauchy", "HalfNormal"]


class Folded(TransformedDistribution):
    """``|X|``: twice the density of X on the positive side."""

    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative

    def __init__(self, base_dist: Any, validate_args: bool | None = None):
        TransformedDistribution.__init__(self, base_dist, AbsTransform(), validate_args=validate_args)

    @property
    def scale(self) -> Any:
        """The scale of the base distribution."""
        return self.base_dist.scale

    @property
    def mode(self) -> Any:
        return lucid.zeros_like(self.scale)

    def log_prob(self, value: Any) -> Any:
        value = lucid.as_tensor(value, dtype=self.scale.dtype, device=self.scale.device)
        if self._validate_args:
            self._validate_sample(value)
        return lucid.where(value >= 0, self.base_dist.log_prob(value) + math.log(2), -math.inf)

    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, value: Any) -> Any:
        return self.base_dist.icdf((value + 1) / 2)

    def entropy(self) -> Any:
        return self.base_dist.entropy() - math.log(2)


class HalfNormal(Folded):
    """The absolute value of a normal variable of mean 0 and standard deviation ``scale``.

    >>> import lucid
    >>> lucid.distributions.HalfNormal(1.0).mean
    tensor(0.7979)
    """

    def __init__(self, scale: Any, validate_args: bool | None = None):
        super().__init__(Normal(0, scale, validate_args=False), validate_args)

    @property
    def mean(self) -> Any:
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self) -> Any:
        return self.scale.square() * (1 - 2 / math.pi)


class HalfCauchy(Folded):
    """The absolute value of a Cauchy variable of median 0; its mean is infinite.

    >>> import lucid
    >>> lucid.distributions.HalfCauchy(1.0).cdf(lucid.tensor(1.0))
    tensor(0.5000)
    """

    def __init__(self, scale: Any, validate_args: bool | None = None):
        super().__init__(Cauchy(0, scale, validate_args=False), validate_args)

    @property
    def mean(self) -> Any:
        return _full(self, math.inf, self.scale)

    @property
    def variance(self) -> Any:
        return self.base_dist.variance
