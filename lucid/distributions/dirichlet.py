from __future__ import annotations

from typing import Any

import lucid

from ..core.tensor import Size
from ..nn.functional import one_hot, softmax
from . import constraints
from .exp_family import ExponentialFamily
from .utils import _uniform

__all__ = ["Dirichlet"]


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
        return softmax(_log_gamma_sample(concentration), dim=-1).clamp(min=lucid.finfo(concentration.dtype).tiny)

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
