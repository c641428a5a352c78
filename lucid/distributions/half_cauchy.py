from __future__ import annotations

import math
from typing import Any

from .cauchy import Cauchy
from .folded import Folded
from .utils import _full

__all__ = ["HalfCauchy"]


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
