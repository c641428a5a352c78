"""Distributions given either by probabilities or by logits; the other is computed at first use."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from .distribution import Distribution
from .utils import lazy_property, logits_to_probs, probs_to_logits


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
