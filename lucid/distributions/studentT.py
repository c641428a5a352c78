from __future__ import annotations

import math
from typing import Any

import lucid

from ..core.tensor import Size
from . import constraints
from .chi2 import Chi2
from .distribution import Distribution
from .utils import _standard_normal

__all__ = ["StudentT"]


class StudentT(Distribution):
    """Student's distribution of ``df`` degrees of freedom, moved by ``loc`` and stretched by ``scale``.

    >>> import lucid
    >>> lucid.distributions.StudentT(4.0).variance
    tensor(2.)
    """

    arg_constraints = {"df": constraints.positive, "loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True
    df: Any
    loc: Any
    scale: Any

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None):
        self._broadcast(validate_args, df=df, loc=loc, scale=scale)
        self._chi2 = Chi2(self.df)

    @property
    def mean(self) -> Any:
        return lucid.where(self.df > 1, self.loc, math.nan)

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        df = self.df
        finite = self.scale.square() * df / (lucid.where(df > 2, df, 3.0) - 2)
        return lucid.where(df > 2, finite, lucid.where(df > 1, math.inf, math.nan))

    def rsample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        x = _standard_normal(self._extended_shape(sample_shape), self.df.dtype, self.df.device)
        return self.loc + self.scale * x * lucid.rsqrt(self._chi2.rsample(sample_shape) / self.df)

    def _log_norm(self) -> Any:
        """log B(df / 2, 1 / 2)."""
        return lucid.lgamma(0.5 * self.df) + 0.5 * math.log(math.pi) - lucid.lgamma(0.5 * (self.df + 1.0))

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        y = (value - self.loc) / self.scale
        norm = self.scale.log() + 0.5 * self.df.log() + self._log_norm()
        return -0.5 * (self.df + 1.0) * lucid.log1p(y * y / self.df) - norm

    def entropy(self) -> Any:
        half = 0.5 * (self.df + 1)
        slope = lucid.digamma(half) - lucid.digamma(0.5 * self.df)
        return self.scale.log() + half * slope + 0.5 * self.df.log() + self._log_norm()
