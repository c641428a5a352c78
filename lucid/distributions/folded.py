"""The absolute value of a distribution that is symmetric about 0."""

from __future__ import annotations

import math
from typing import Any

import lucid

from . import constraints
from .transformed_distribution import TransformedDistribution
from .transforms import AbsTransform


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
