"""Distributions of counts: a coin, several coins, and waiting for a coin."""

from __future__ import annotations

import math
from typing import Any

import lucid

from ..core.tensor import Size, Tensor
from ..nn.functional import binary_cross_entropy_with_logits, logsigmoid, softplus
from . import constraints
from .distribution import Distribution
from .exp_family import ExponentialFamily
from .gammas import Gamma
from .utils import _uniform, broadcast_all, lazy_property, logits_to_probs, probs_to_logits

__all__ = ["Bernoulli", "Binomial", "Geometric", "NegativeBinomial", "Poisson"]


class ProbsOrLogits(Distribution):
    """Holds ``probs`` or ``logits``, whichever was given."""

    _is_binary = True
    _given: str

    def _choose(self, probs: Any, logits: Any) -> Any:
        """Remember which of the two was given, and return it; ValueError unless it is exactly one."""
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        self._given = "logits" if probs is None else "probs"
        return logits if probs is None else probs

    def _broadcast_choice(self, probs: Any, logits: Any, validate_args: bool | None, **others: Any) -> None:
        param = self._choose(probs, logits)
        if isinstance(param, Tensor):
            others = {k: v.to(param.dtype) if isinstance(v, Tensor) else v for k, v in others.items()}  # type: ignore[attr-defined]
        self._broadcast(validate_args, **{self._given: param}, **others)

    @lazy_property
    def logits(self) -> Any:
        """Log odds, or log probabilities of the categories."""
        return probs_to_logits(self.probs, self._is_binary)

    @lazy_property
    def probs(self) -> Any:
        """Probabilities."""
        return logits_to_probs(self.logits, self._is_binary)

    @property
    def _param(self) -> Any:
        return getattr(self, self._given)

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter that was given."""
        return self._param.shape

    def _new(self, *args: Any, **kwargs: Any) -> Any:
        return self._param.new(*args, **kwargs)


class Bernoulli(ProbsOrLogits, ExponentialFamily):
    """1 with probability ``probs`` (or ``sigmoid(logits)``), else 0.

    Raises ValueError unless exactly one of ``probs`` and ``logits`` is given.

    >>> import lucid
    >>> lucid.distributions.Bernoulli(probs=0.5).entropy()
    tensor(0.6931)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.boolean
    has_enumerate_support = True
    _mean_carrier_measure = 0

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        self._broadcast_choice(probs, logits, validate_args)

    @property
    def mean(self) -> Any:
        return self.probs

    @property
    def mode(self) -> Any:
        return lucid.where(self.probs == 0.5, math.nan, (self.probs >= 0.5).to(self.probs.dtype))

    @property
    def variance(self) -> Any:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        with lucid.no_grad():
            return lucid.bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> Any:
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Any:
        return self._enumerated(lucid.arange(2, dtype=self._param.dtype, device=self._param.device), expand)

    @property
    def _natural_params(self) -> tuple:
        return (lucid.logit(self.probs),)

    def _log_normalizer(self, x: Any) -> Any:
        return lucid.log1p(lucid.exp(x))


class Binomial(ProbsOrLogits):
    """The number of successes in ``total_count`` trials of probability ``probs``.

    Raises NotImplementedError where ``entropy`` or ``enumerate_support`` meets different counts in one batch.

    >>> import lucid
    >>> lucid.distributions.Binomial(4, probs=lucid.tensor(0.5)).log_prob(lucid.tensor(2.0)).exp()
    tensor(0.3750)
    """

    arg_constraints = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True
    total_count: Any

    def __init__(self, total_count: Any = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        self._broadcast_choice(probs, logits, validate_args, total_count=total_count)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Any:
        return self.total_count * self.probs

    @property
    def mode(self) -> Any:
        return lucid.minimum(((self.total_count + 1) * self.probs).floor(), self.total_count)

    @property
    def variance(self) -> Any:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        shape = self._extended_shape(sample_shape)
        with lucid.no_grad():
            return lucid.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        n = self.total_count
        ways = lucid.lgamma(n + 1) - lucid.lgamma(value + 1) - lucid.lgamma(n - value + 1)
        return ways + value * self.logits - n * softplus(self.logits, threshold=1e9)

    def _one_count(self, name: str) -> int:
        count = int(self.total_count.max())
        if not self.total_count.min() == count:
            raise NotImplementedError(f"Inhomogeneous total count not supported by `{name}`.")
        return count

    def entropy(self) -> Any:
        self._one_count("entropy")
        log_prob = self.log_prob(self.enumerate_support(False))
        return -(lucid.exp(log_prob) * log_prob).sum(0)

    def enumerate_support(self, expand: bool = True) -> Any:
        count = self._one_count("enumerate_support")
        return self._enumerated(lucid.arange(1 + count, dtype=self._param.dtype, device=self._param.device), expand)


class Geometric(ProbsOrLogits):
    """The number of failures before the first success of probability ``probs``: ``probs (1 - probs)^k``.

    Raises ValueError for a probability of 0.

    >>> import lucid
    >>> lucid.distributions.Geometric(probs=0.25).mean
    tensor(3.)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.nonnegative_integer

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        self._broadcast_choice(probs, logits, validate_args)
        if self._validate_args and probs is not None and not (self.probs > 0).all():
            raise ValueError(
                f"Expected parameter probs of distribution {self!r} to be positive but found invalid values:\n{self.probs}"
            )

    @property
    def mean(self) -> Any:
        return 1.0 / self.probs - 1.0

    @property
    def mode(self) -> Any:
        return lucid.zeros_like(self.probs)

    @property
    def variance(self) -> Any:
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        with lucid.no_grad():
            u = _uniform(self._extended_shape(sample_shape), self.probs).clamp(min=lucid.finfo(self.probs.dtype).tiny)
            return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        failure = lucid.where((probs == 1) & (value == 0), 0.0, probs)  # 0 log 0 = 0
        return value * (-failure).log1p() + self.probs.log()

    def entropy(self) -> Any:
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs


class NegativeBinomial(ProbsOrLogits):
    """The number of successes of probability ``probs`` before ``total_count`` failures.

    >>> import lucid
    >>> lucid.distributions.NegativeBinomial(3, probs=lucid.tensor(0.5)).mean
    tensor(3.)
    """

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer
    total_count: Any

    def __init__(self, total_count: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        self._broadcast_choice(probs, logits, validate_args, total_count=total_count)

    @property
    def mean(self) -> Any:
        return self.total_count * lucid.exp(self.logits)

    @property
    def mode(self) -> Any:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self) -> Any:
        return self.mean / lucid.sigmoid(-self.logits)

    @lazy_property
    def _gamma(self) -> Any:
        return Gamma(self.total_count, lucid.exp(-self.logits), validate_args=False)

    def sample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        with lucid.no_grad():
            return lucid.poisson(self._gamma.sample(sample_shape))

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        n = self.total_count
        powers = n * logsigmoid(-self.logits) + value * logsigmoid(self.logits)
        ways = lucid.lgamma(n + value) - lucid.lgamma(1.0 + value) - lucid.lgamma(n)
        return powers + ways.masked_fill(n + value == 0.0, 0.0)


class Poisson(ExponentialFamily):
    """Counts of mean ``rate``: ``rate^k exp(-rate) / k!``.

    >>> import lucid
    >>> lucid.distributions.Poisson(2.0).log_prob(lucid.tensor(0.0))
    tensor(-2.)
    """

    arg_constraints = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer
    rate: Any

    def __init__(self, rate: Any, validate_args: bool | None = None):
        self._broadcast(validate_args, rate=rate)

    @property
    def mean(self) -> Any:
        return self.rate

    @property
    def mode(self) -> Any:
        return self.rate.floor()

    @property
    def variance(self) -> Any:
        return self.rate

    def sample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        with lucid.no_grad():
            return lucid.poisson(self.rate.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        rate, value = broadcast_all(self.rate, value)
        return value.xlogy(rate) - rate - (value + 1).lgamma()

    @property
    def _natural_params(self) -> tuple:
        return (lucid.log(self.rate),)

    def _log_normalizer(self, x: Any) -> Any:
        return lucid.exp(x)
