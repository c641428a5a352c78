"""Rules without a learning rate to tune: they estimate the distance to the solution, over all parameters at once.

Each comes in two parts, since the estimate needs sums over the whole model between gathering and stepping.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "dadapt_adam_gather",
    "dadapt_adam_step",
    "dadapt_sgd_gather",
    "dadapt_sgd_step",
    "prodigy_gather",
    "prodigy_step",
]


def prodigy_gather(
    xp: Any, p: Any, g: Any, m: Any, v: Any, s: Any, p0: Any, *, b1: Any, b2: Any, b3: Any, d: Any, grow: Any
) -> tuple:
    """``m, v, s`` and the two sums of the estimate: ``<g, p0 - p>`` and ``|s|_1``."""
    s = b3 * s + grow * g
    m = b1 * m + d * (1 - b1) * g
    v = b2 * v + d * d * (1 - b2) * (g * g)
    return m, v, s, xp.sum(g * (p0 - p)), xp.sum(xp.abs(s))


def prodigy_step(xp: Any, p: Any, m: Any, v: Any, *, lr: Any, keep: Any, eps: Any) -> Any:
    """``p -= lr * m / (sqrt(v) + d * eps)`` after the decay."""
    return keep * p - lr * m / (xp.sqrt(v) + eps)


def dadapt_adam_gather(
    xp: Any, g: Any, m: Any, v: Any, s: Any, *, b1: Any, b2: Any, b3: Any, lr: Any, eps: Any
) -> tuple:
    """``m, v, s`` and the sums ``<g, s / sqrt(v)>`` and ``|s|_1``."""
    above = xp.sum(g * (s / (xp.sqrt(v) + eps)))
    m = b1 * m + lr * (1 - b1) * g
    v = b2 * v + (1 - b2) * (g * g)
    s = b3 * s + lr * (1 - b3) * g
    return m, v, s, above, xp.sum(xp.abs(s))


def dadapt_adam_step(xp: Any, p: Any, m: Any, v: Any, *, keep: Any, eps: Any) -> Any:
    """``p -= m / (sqrt(v) + eps)`` after the decay; the rate is in ``m``."""
    return keep * p - m / (xp.sqrt(v) + eps)


def dadapt_sgd_gather(xp: Any, g: Any, s: Any, *, lr: Any) -> tuple:
    """``s += lr * g`` and the sums ``<g, s>`` (before) and ``|s|^2`` (after)."""
    above = xp.sum(g * s)
    s = s + lr * g
    return s, above, xp.sum(s * s)


def dadapt_sgd_step(xp: Any, p: Any, s: Any, x0: Any, *, momentum: Any) -> tuple:
    """``z = x0 - s;  p = momentum * p + (1 - momentum) * z``."""
    z = x0 - s
    return momentum * p + (1 - momentum) * z, z
