"""Rules without a learning rate to tune: they estimate the distance to the solution, over all parameters at once.

Each comes in parts, since the estimate needs sums over the whole model between gathering and stepping.
"""

from __future__ import annotations

from typing import Any

from .basic import elementwise

__all__ = ["dadapt_sgd_gather", "dadapt_sgd_step", "estimate_gather", "estimate_step"]


@elementwise
def estimate_gather(
    xp: Any, s: Any, g: Any, m: Any, v: Any, *, b1: Any, a1: Any, b2: Any, a2: Any, b3: Any, a3: Any
) -> tuple:
    """``s = b3*s + a3*g;  m = b1*m + a1*g;  v = b2*v + a2*g*g``: what Prodigy and D-Adapted Adam remember."""
    return b3 * s + a3 * g, b1 * m + a1 * g, b2 * v + a2 * (g * g)


@elementwise
def estimate_step(xp: Any, p: Any, m: Any, v: Any, *, lr: Any, keep: Any, eps: Any, decay: bool) -> tuple:
    """``p -= lr * m / (sqrt(v) + eps)`` after the decay."""
    return (keep * p if decay else p) - lr * m / (xp.sqrt(v) + eps), v


@elementwise
def dadapt_sgd_gather(xp: Any, s: Any, g: Any, *, lr: Any) -> tuple:
    """``s += lr * g``."""
    return (s + lr * g,)


@elementwise
def dadapt_sgd_step(xp: Any, p: Any, s: Any, x0: Any, z: Any, *, momentum: Any, rest: Any) -> tuple:
    """``z = x0 - s;  p = momentum * p + (1 - momentum) * z``."""
    z = x0 - s
    return momentum * p + rest * z, x0, z
