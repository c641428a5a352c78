from __future__ import annotations

import math
from typing import Any

import lucid

from ..core.tensor import Size
from ..nn.functional import log_softmax
from . import constraints
from .categorical import Categorical, OverCategorical
from .transformed_distribution import TransformedDistribution
from .transforms import ExpTransform
from .utils import _uniform, broadcast_all, clamp_probs

__all__ = ["ExpRelaxedCategorical", "RelaxedOneHotCategorical"]


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


class RelaxedOneHotCategorical(TransformedDistribution):
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

    @property
    def temperature(self) -> Any:
        """The temperature."""
        return self.base_dist.temperature

    @property
    def logits(self) -> Any:
        """Log probabilities of the categories."""
        return self.base_dist.logits

    @property
    def probs(self) -> Any:
        """Probabilities of the categories."""
        return self.base_dist.probs
