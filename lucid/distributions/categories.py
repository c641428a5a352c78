"""Distributions over classes: a class number, a one-hot vector, counts of classes."""

from __future__ import annotations

import math
from typing import Any

import lucid

from ..core.tensor import Size
from ..nn.functional import one_hot
from . import constraints
from .counts import Binomial, ProbsOrLogits
from .distribution import Distribution
from .utils import _full, broadcast_all

__all__ = ["Categorical", "Multinomial", "OneHotCategorical", "OneHotCategoricalStraightThrough"]


class Categorical(ProbsOrLogits):
    """Indices ``0 .. K-1`` with probabilities proportional to ``probs`` (or ``exp(logits)``) along the last dimension.

    Raises ValueError unless exactly one of ``probs`` and ``logits`` is given, of one dimension or more.

    >>> import lucid
    >>> d = lucid.distributions.Categorical(logits=lucid.zeros(4))
    >>> d.log_prob(lucid.tensor(2)), d.support
    (tensor(-1.3863), IntegerInterval(lower_bound=0, upper_bound=3))
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True
    _is_binary = False

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        param = self._choose(probs, logits)
        if param.dim() < 1:
            raise ValueError(f"`{self._given}` parameter must be at least one-dimensional.")
        if probs is not None:
            self.probs = probs / probs.sum(-1, keepdim=True)
        else:
            self.logits = logits - logits.logsumexp(dim=-1, keepdim=True)
        self._num_events = param.shape[-1]
        super().__init__(Size(param.shape[:-1]), validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def mean(self) -> Any:
        return _full(self, math.nan, self.probs)

    @property
    def mode(self) -> Any:
        return self.probs.argmax(dim=-1)

    @property
    def variance(self) -> Any:
        return _full(self, math.nan, self.probs)

    def sample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        sample_shape = Size(sample_shape)
        probs = self.probs.detach().reshape(-1, self._num_events)
        drawn = lucid.multinomial(probs, sample_shape.numel(), True)
        return drawn.T.reshape(self._extended_shape(sample_shape))

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        value, log_pmf = lucid.broadcast_tensors(value.long().unsqueeze(-1), self.logits)
        return log_pmf.gather(-1, value[..., :1]).squeeze(-1)

    def entropy(self) -> Any:
        logits = self.logits.clamp(min=lucid.finfo(self.logits.dtype).min)  # 0 log 0 = 0
        return -(logits * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Any:
        return self._enumerated(lucid.arange(self._num_events, device=self._param.device), expand)


class OverCategorical(Distribution):
    """What rests on a ``Categorical`` and has its parameters; one event is a vector over the categories."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(self, categorical: Categorical, validate_args: bool | None = None):
        self._categorical = categorical
        super().__init__(categorical.batch_shape, Size(categorical.param_shape[-1:]), validate_args=validate_args)

    @property
    def probs(self) -> Any:
        """Probabilities of the categories."""
        return self._categorical.probs

    @property
    def logits(self) -> Any:
        """Log probabilities of the categories."""
        return self._categorical.logits

    @property
    def _param(self) -> Any:
        return self._categorical._param

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter that was given."""
        return self._categorical.param_shape

    def _new(self, *args: Any, **kwargs: Any) -> Any:
        return self._categorical._new(*args, **kwargs)


class OneHotCategorical(OverCategorical):
    """One-hot vectors of the categories of ``Categorical``.

    >>> import lucid
    >>> lucid.distributions.OneHotCategorical(probs=lucid.tensor([0.0, 1.0])).sample()
    tensor([0., 1.])
    """

    support = constraints.one_hot
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        super().__init__(Categorical(probs, logits), validate_args)

    @property
    def mean(self) -> Any:
        return self.probs

    @property
    def mode(self) -> Any:
        return one_hot(self._categorical.mode, self._categorical._num_events).to(self.probs.dtype)

    @property
    def variance(self) -> Any:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        indices = self._categorical.sample(sample_shape)
        return one_hot(indices, self._categorical._num_events).to(self.probs.dtype)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return self._categorical.log_prob(value.argmax(-1))

    def entropy(self) -> Any:
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> Any:
        n = self.event_shape[0]
        values = lucid.eye(n, dtype=self._param.dtype, device=self._param.device)
        values = values.reshape((n,) + (1,) * len(self.batch_shape) + (n,))
        return values.expand((n, *self.batch_shape, n)) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """One-hot samples that pass gradients to the probabilities as if they were the probabilities.

    Reference: Bengio et al. (2013), https://arxiv.org/abs/1308.3432.

    >>> import lucid
    >>> p = lucid.tensor([0.5, 0.5], requires_grad=True)
    >>> lucid.distributions.OneHotCategoricalStraightThrough(probs=p).rsample().requires_grad
    True
    """

    has_rsample = True

    def rsample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        return self.sample(sample_shape) + (self.probs - self.probs.detach())


class Multinomial(OverCategorical):
    """How often each category occurs in ``total_count`` independent draws.

    Raises NotImplementedError where ``total_count`` is not an int.

    >>> import lucid
    >>> lucid.distributions.Multinomial(10, lucid.tensor([0.5, 0.5])).mean
    tensor([5., 5.])
    """

    def __init__(self, total_count: int = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        categorical = Categorical(probs, logits)
        self._binomial = Binomial(total_count, probs=categorical.probs)
        super().__init__(categorical, validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:
        return constraints.multinomial(self.total_count)

    @property
    def mean(self) -> Any:
        return self.probs * self.total_count

    @property
    def variance(self) -> Any:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        sample_shape = Size(sample_shape)
        drawn = self._categorical.sample(Size((self.total_count,)) + sample_shape).movedim(0, -1)
        counts = lucid.zeros(self._extended_shape(sample_shape), dtype=self.probs.dtype, device=self.probs.device)
        return counts.scatter_add(-1, drawn, lucid.ones_like(drawn, dtype=counts.dtype))

    def entropy(self) -> Any:
        n = self.total_count
        support = self._binomial.enumerate_support(expand=False)[1:]
        log_factorials = (self._binomial.log_prob(support).exp() * lucid.lgamma(support + 1)).sum([0, -1])
        return n * self._categorical.entropy() - math.lgamma(n + 1) + log_factorials

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        logits = logits.masked_fill((value == 0) & (logits == -math.inf), 0.0)
        ways = lucid.lgamma(value.sum(-1) + 1) - lucid.lgamma(value + 1).sum(-1)
        return ways + (logits * value).sum(-1)
