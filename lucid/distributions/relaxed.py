"""Bernoulli and categorical variables made continuous, so that samples have gradients."""

from __future__ import annotations

import math
from typing import Any

import lucid

from ..core.tensor import Size
from ..nn.functional import binary_cross_entropy_with_logits, log_softmax, softplus
from . import constraints
from .categories import Categorical, OverCategorical
from .counts import ProbsOrLogits
from .exp_family import ExponentialFamily
from .transformed import TransformedDistribution
from .transforms import ExpTransform, SigmoidTransform
from .utils import _uniform, broadcast_all, clamp_probs, lazy_property, logits_to_probs

__all__ = [
    "ContinuousBernoulli",
    "ExpRelaxedCategorical",
    "LogitRelaxedBernoulli",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
]


class LogitRelaxedBernoulli(ProbsOrLogits):
    """The logit of a ``RelaxedBernoulli`` variable: a logistic variable over the temperature.

    Reference: Maddison et al. (2016), https://arxiv.org/abs/1611.00712.

    >>> import lucid
    >>> from lucid.distributions.relaxed_bernoulli import LogitRelaxedBernoulli
    >>> LogitRelaxedBernoulli(lucid.tensor(1.0), probs=0.5).log_prob(lucid.tensor(0.0)).exp()
    tensor(0.2500)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.real
    has_rsample = True
    _shared = ("temperature",)

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        self.temperature = temperature
        self._broadcast_choice(probs, logits, validate_args)

    def rsample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        probs = clamp_probs(self.probs)
        u = clamp_probs(_uniform(self._extended_shape(sample_shape), probs))
        return (u.log() - (-u).log1p() + probs.log() - (-probs).log1p()) / self.temperature

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        temperature = lucid.as_tensor(self.temperature, dtype=value.dtype, device=value.device)
        diff = logits - value * temperature
        return temperature.log() + diff - 2 * softplus(diff)


class Relaxed(TransformedDistribution):
    """A relaxed variable as a transform of its logarithm or logit, whose parameters it shows."""

    @property
    def temperature(self) -> Any:
        """The temperature."""
        return self.base_dist.temperature

    @property
    def logits(self) -> Any:
        """Log odds, or log probabilities of the categories."""
        return self.base_dist.logits

    @property
    def probs(self) -> Any:
        """Probabilities."""
        return self.base_dist.probs


class RelaxedBernoulli(Relaxed):
    """A differentiable relaxation of ``Bernoulli`` on (0, 1); a small temperature is close to 0 and 1.

    Reference: Maddison et al. (2016), https://arxiv.org/abs/1611.00712; Jang et al. (2016), https://arxiv.org/abs/1611.01144.

    >>> import lucid
    >>> lucid.distributions.RelaxedBernoulli(lucid.tensor(2.0), probs=0.5).rsample().shape
    lucid.Size([])
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        base = LogitRelaxedBernoulli(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, SigmoidTransform(), validate_args=validate_args)


class ExpRelaxedCategorical(OverCategorical):
    """The logarithm of a ``RelaxedOneHotCategorical`` variable.

    Reference: Maddison et al. (2016), https://arxiv.org/abs/1611.00712.

    >>> import lucid
    >>> from lucid.distributions.relaxed_categorical import ExpRelaxedCategorical
    >>> ExpRelaxedCategorical(lucid.tensor(1.0), probs=lucid.ones(3)).rsample().shape
    lucid.Size([3])
    """

    support = constraints.real_vector
    has_rsample = True
    _shared = ("temperature",)

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        self.temperature = temperature
        super().__init__(Categorical(probs, logits), validate_args)

    def rsample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        u = clamp_probs(_uniform(self._extended_shape(sample_shape), self.logits))
        return log_softmax((self.logits - (-u.log()).log()) / self.temperature, dim=-1)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        n = self._categorical._num_events
        logits, value = broadcast_all(self.logits, value)
        temperature = lucid.as_tensor(self.temperature, dtype=value.dtype, device=value.device)
        score = log_softmax(logits - value * temperature, dim=-1).sum(-1)
        return score + math.lgamma(n) + (n - 1) * temperature.log()


class RelaxedOneHotCategorical(Relaxed):
    """A differentiable relaxation of ``OneHotCategorical`` inside the simplex (Gumbel-softmax).

    Reference: Jang et al. (2016), https://arxiv.org/abs/1611.01144; Maddison et al. (2016),
    https://arxiv.org/abs/1611.00712.

    >>> import lucid
    >>> lucid.distributions.RelaxedOneHotCategorical(lucid.tensor(2.0), probs=lucid.ones(3)).rsample().shape
    lucid.Size([3])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.simplex

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        base = ExpRelaxedCategorical(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, ExpTransform(), validate_args=validate_args)


class ContinuousBernoulli(ProbsOrLogits, ExponentialFamily):
    """Density proportional to ``probs^x (1 - probs)^(1-x)`` on [0, 1]; near ``probs = 1/2`` (``lims``) by Taylor series.

    Reference: Loaiza-Ganem and Cunningham (2019), https://arxiv.org/abs/1907.06845.

    >>> import lucid
    >>> lucid.distributions.ContinuousBernoulli(probs=0.5).mean
    tensor(0.5000)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(
        self,
        probs: Any = None,
        logits: Any = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ):
        self._lims = lims
        self._broadcast_choice(probs, logits, validate_args)
        if probs is not None:
            self.probs = clamp_probs(self.probs)

    @lazy_property
    def probs(self) -> Any:
        """The parameter, inside (0, 1)."""
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    def _outside_unstable_region(self) -> Any:
        return (self.probs <= self._lims[0]) | (self.probs > self._lims[1])

    def _cut_probs(self) -> Any:
        return lucid.where(self._outside_unstable_region(), self.probs, self._lims[0])

    def _stable(self, exact: Any, taylor: Any) -> Any:
        return lucid.where(self._outside_unstable_region(), exact, taylor)

    def _cont_bern_log_norm(self) -> Any:
        """log C with ``C = 2 artanh(1 - 2 p) / (1 - 2 p)``."""
        p = self._cut_probs()
        exact = lucid.log(lucid.abs(lucid.log1p(-p) - lucid.log(p))) - lucid.log(lucid.abs(1 - 2 * p))
        x = (self.probs - 0.5).square()
        return self._stable(exact, math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x)

    @property
    def mean(self) -> Any:
        p = self._cut_probs()
        x = self.probs - 0.5
        exact = p / (2.0 * p - 1.0) + 1.0 / (lucid.log1p(-p) - lucid.log(p))
        return self._stable(exact, 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x * x) * x)

    @property
    def variance(self) -> Any:
        p = self._cut_probs()
        x = (self.probs - 0.5).square()
        exact = p * (p - 1.0) / (1.0 - 2.0 * p).square() + 1.0 / (lucid.log1p(-p) - lucid.log(p)).square()
        return self._stable(exact, 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x)

    def rsample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        return self.icdf(_uniform(self._extended_shape(sample_shape), self.probs))

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none") + self._cont_bern_log_norm()

    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        p = self._cut_probs()
        inside = (lucid.pow(p, value) * lucid.pow(1.0 - p, 1.0 - value) + p - 1.0) / (2.0 * p - 1.0)
        return lucid.where(value <= 0.0, 0.0, lucid.where(value >= 1.0, 1.0, self._stable(inside, value)))

    def icdf(self, value: Any) -> Any:
        p = self._cut_probs()
        rise = lucid.log1p(-p + value * (2.0 * p - 1.0)) - lucid.log1p(-p)
        return self._stable(rise / (lucid.log(p) - lucid.log1p(-p)), value)

    def entropy(self) -> Any:
        log_probs0, log_probs1 = lucid.log1p(-self.probs), lucid.log(self.probs)
        return self.mean * (log_probs0 - log_probs1) - self._cont_bern_log_norm() - log_probs0

    @property
    def _natural_params(self) -> tuple:
        return (self.logits,)

    def _log_normalizer(self, x: Any) -> Any:
        outside = (x <= self._lims[0] - 0.5) | (x > self._lims[1] - 0.5)
        cut = lucid.where(outside, x, self._lims[0] - 0.5)
        exact = lucid.log(lucid.abs(lucid.expm1(cut))) - lucid.log(lucid.abs(cut))
        return lucid.where(outside, exact, 0.5 * x + x.square() / 24.0 - x.pow(4) / 2880.0)
