"""Gradient descent and its momenta, signs and averages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["elementwise", "gradient", "sgd"]


def elementwise(rule: Callable) -> Callable:
    """Mark a rule whose every result element depends on the same elements of its arguments only."""
    rule.elementwise = True  # type: ignore[attr-defined]
    return rule


def gradient(p: Any, g: Any, maximize: bool, l2: bool, wd: Any) -> Any:
    """The direction to go against: ``g`` (or ``-g``), plus ``wd * p`` where weight decay is an L2 penalty."""
    if maximize:
        return wd * p - g if l2 else -g
    return g + wd * p if l2 else g


@elementwise
def sgd(
    xp: Any, p: Any, g: Any, *state: Any, lr: Any, wd: Any, momentum: Any, undamped: Any,
    maximize: bool, l2: bool, nesterov: bool,
) -> tuple:  # fmt: skip
    """``m = momentum * m + (1 - dampening) * g;  p -= lr * m``, or ``g + momentum * m`` in its place for Nesterov."""
    g = gradient(p, g, maximize, l2, wd)
    if not state:
        return (p - lr * g,)
    m = momentum * state[0] + undamped * g
    return p - lr * (g + momentum * m if nesterov else m), m
