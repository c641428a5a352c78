from __future__ import annotations

from typing import Any

import lucid

from ..core.tensor import Size
from ..nn.functional import softplus
from . import constraints
from .probs_or_logits import ProbsOrLogits
from .transformed_distribution import TransformedDistribution
from .transforms import SigmoidTransform
from .utils import _uniform, broadcast_all, clamp_probs

__all__ = ["LogitRelaxedBernoulli", "RelaxedBernoulli"]


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


class RelaxedBernoulli(TransformedDistribution):
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

    @property
    def temperature(self) -> Any:
        """The temperature."""
        return self.base_dist.temperature

    @property
    def logits(self) -> Any:
        """Log odds."""
        return self.base_dist.logits

    @property
    def probs(self) -> Any:
        """Probabilities."""
        return self.base_dist.probs
