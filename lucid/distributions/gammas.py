"""The gamma distribution and what is made of gamma variables by sums and ratios."""

from __future__ import annotations

import math
from typing import Any

import lucid

from ..core.tensor import Size
from ..nn.functional import one_hot, softmax
from . import constraints
from .distribution import Distribution
from .exp_family import ExponentialFamily
from .utils import _standard_normal, _uniform, broadcast_all

__all__ = ["Beta", "Chi2", "Dirichlet", "Exponential", "FisherSnedecor", "Gamma", "StudentT"]


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


class Chi2(Gamma):
    """The sum of the squares of ``df`` standard normals: ``Gamma(df / 2, 1 / 2)``.

    >>> import lucid
    >>> lucid.distributions.Chi2(3.0).variance
    tensor(6.)
    """

    arg_constraints = {"df": constraints.positive}

    def __init__(self, df: Any, validate_args: bool | None = None):
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    @property
    def df(self) -> Any:
        """The degrees of freedom."""
        return self.concentration * 2


class Exponential(ExponentialFamily):
    """Waiting times of mean ``1 / rate``: density ``rate exp(-rate x)``.

    >>> import lucid
    >>> lucid.distributions.Exponential(2.0).mean
    tensor(0.5000)
    """

    arg_constraints = {"rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0
    rate: Any

    def __init__(self, rate: Any, validate_args: bool | None = None):
        self._broadcast(validate_args, rate=rate)

    @property
    def mean(self) -> Any:
        return self.rate.reciprocal()

    @property
    def mode(self) -> Any:
        return lucid.zeros_like(self.rate)

    @property
    def stddev(self) -> Any:
        return self.rate.reciprocal()

    @property
    def variance(self) -> Any:
        return self.rate.pow(-2)

    def rsample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        empty = lucid.empty(self._extended_shape(sample_shape), dtype=self.rate.dtype, device=self.rate.device)
        return empty.exponential_() / self.rate

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return self.rate.log() - self.rate * value

    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return -lucid.expm1(-self.rate * value)

    def icdf(self, value: Any) -> Any:
        return -lucid.log1p(-value) / self.rate

    def entropy(self) -> Any:
        return 1.0 - lucid.log(self.rate)

    @property
    def _natural_params(self) -> tuple:
        return (-self.rate,)

    def _log_normalizer(self, x: Any) -> Any:
        return -lucid.log(-x)


class Beta(ExponentialFamily):
    """Density proportional to ``x^(concentration1 - 1) (1 - x)^(concentration0 - 1)`` on [0, 1].

    >>> import lucid
    >>> lucid.distributions.Beta(1.0, 3.0).mean
    tensor(0.2500)
    """

    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None):
        self._dirichlet = Dirichlet(lucid.stack(broadcast_all(concentration1, concentration0), -1), validate_args)
        super().__init__(self._dirichlet.batch_shape, validate_args=validate_args)

    @property
    def concentration1(self) -> Any:
        """The exponent of x, plus 1."""
        return self._dirichlet.concentration[..., 0]

    @property
    def concentration0(self) -> Any:
        """The exponent of 1 - x, plus 1."""
        return self._dirichlet.concentration[..., 1]

    @property
    def mean(self) -> Any:
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def mode(self) -> Any:
        return self._dirichlet.mode[..., 0]

    @property
    def variance(self) -> Any:
        total = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (total.square() * (total + 1))

    def rsample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        return self._dirichlet.rsample(sample_shape)[..., 0]

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return self._dirichlet.log_prob(lucid.stack([value, 1.0 - value], -1))

    def entropy(self) -> Any:
        return self._dirichlet.entropy()

    @property
    def _natural_params(self) -> tuple:
        return self.concentration1, self.concentration0

    def _log_normalizer(self, x: Any, y: Any) -> Any:
        return lucid.lgamma(x) + lucid.lgamma(y) - lucid.lgamma(x + y)


def _log_gamma_sample(concentration: Any) -> Any:
    """log of Gamma(a, 1), which does not underflow: below 1, ``G(a) = G(a + 1) U^(1/a)`` in distribution."""
    small = concentration < 1
    tiny = lucid.finfo(concentration.dtype).tiny
    raised = lucid._standard_gamma(concentration + small.to(concentration.dtype)).clamp(min=tiny).log()
    log_u = _uniform(concentration.shape, concentration).clamp(min=tiny).log()
    return raised + lucid.where(small, log_u / concentration, 0.0)


class Dirichlet(ExponentialFamily):
    """Probability vectors of density proportional to ``prod x_i^(concentration_i - 1)``.

    Raises ValueError for a concentration without dimensions.

    >>> import lucid
    >>> lucid.distributions.Dirichlet(lucid.tensor([1.0, 3.0])).mean
    tensor([0.2500, 0.7500])
    """

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, concentration: Any, validate_args: bool | None = None):
        if concentration.dim() < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        super().__init__(Size(concentration.shape[:-1]), Size(concentration.shape[-1:]), validate_args=validate_args)

    def rsample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        concentration = self.concentration.expand(self._extended_shape(sample_shape))
        info = lucid.finfo(concentration.dtype)  # inside the open interval, where the density is finite
        return softmax(_log_gamma_sample(concentration), dim=-1).clamp(info.tiny, 1 - info.eps / 2)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        a = self.concentration
        return lucid.xlogy(a - 1.0, value).sum(-1) + lucid.lgamma(a.sum(-1)) - lucid.lgamma(a).sum(-1)

    @property
    def mean(self) -> Any:
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self) -> Any:
        above = (self.concentration - 1).clamp(min=0.0)
        interior = above / above.sum(-1, True)
        corner = one_hot(interior.argmax(dim=-1), above.shape[-1]).to(above.dtype)
        return lucid.where((self.concentration < 1).all(-1, True), corner, interior)

    @property
    def variance(self) -> Any:
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total.square() * (total + 1))

    def entropy(self) -> Any:
        a, total = self.concentration, self.concentration.sum(-1)
        spread = (a.shape[-1] - total) * lucid.digamma(total)
        return lucid.lgamma(a).sum(-1) - lucid.lgamma(total) - spread - ((a - 1.0) * lucid.digamma(a)).sum(-1)

    @property
    def _natural_params(self) -> tuple:
        return (self.concentration,)

    def _log_normalizer(self, x: Any) -> Any:
        return x.lgamma().sum(-1) - lucid.lgamma(x.sum(-1))


class FisherSnedecor(Distribution):
    """The F distribution: the ratio of two chi-squared variables, each over its degrees of freedom.

    >>> import lucid
    >>> lucid.distributions.FisherSnedecor(2.0, 4.0).mean
    tensor(2.)
    """

    arg_constraints = {"df1": constraints.positive, "df2": constraints.positive}
    support = constraints.positive
    has_rsample = True
    df1: Any
    df2: Any

    def __init__(self, df1: Any, df2: Any, validate_args: bool | None = None):
        self._broadcast(validate_args, df1=df1, df2=df2)
        self._gamma1 = Gamma(self.df1 * 0.5, self.df1)
        self._gamma2 = Gamma(self.df2 * 0.5, self.df2)

    @property
    def mean(self) -> Any:
        df2 = lucid.where(self.df2 > 2, self.df2, math.nan)
        return df2 / (df2 - 2)

    @property
    def mode(self) -> Any:
        mode = (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2)
        return lucid.where(self.df1 > 2, mode, math.nan)

    @property
    def variance(self) -> Any:
        df2 = lucid.where(self.df2 > 4, self.df2, math.nan)
        return 2 * df2.square() * (self.df1 + df2 - 2) / (self.df1 * (df2 - 2).square() * (df2 - 4))

    def rsample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        ratio = self._gamma1.rsample(sample_shape) / self._gamma2.rsample(sample_shape)
        return ratio.clamp(min=lucid.finfo(ratio.dtype).tiny)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        a, b, ratio = self.df1 * 0.5, self.df2 * 0.5, self.df1 / self.df2
        norm = (a + b).lgamma() - a.lgamma() - b.lgamma()
        powers = a * ratio.log() + (a - 1) * lucid.log(value)
        return norm + powers - (a + b) * lucid.log1p(ratio * value)


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
