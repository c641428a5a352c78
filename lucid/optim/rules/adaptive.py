"""Steps scaled by what the gradient has been: Adam and its family."""

from __future__ import annotations

from typing import Any

from .basic import elementwise, gradient

__all__ = ["adam"]


@elementwise
def adam(
    xp: Any, p: Any, g: Any, m: Any, v: Any, *top: Any, lr: Any, b1: Any, a1: Any, b2: Any, a2: Any, root: Any, eps: Any,
    wd: Any, keep: Any, maximize: bool, l2: bool, decay: bool, amsgrad: bool,
) -> tuple:  # fmt: skip
    """``m = b1*m + a1*g;  v = b2*v + a2*g*g;  p -= lr * m / (root * sqrt(v) + eps)``.

    ``a = 1 - b``; ``lr`` and ``root`` carry the bias corrections; ``amsgrad`` takes the largest ``v`` so far.
    """
    if decay:
        p = keep * p
    g = gradient(p, g, maximize, l2, wd)
    m = b1 * m + a1 * g
    v = b2 * v + a2 * (g * g)
    if amsgrad:
        v_max = xp.maximum(top[0], v)
        return p - lr * m / (root * xp.sqrt(v_max) + eps), m, v, v_max
    return p - lr * m / (root * xp.sqrt(v) + eps), m, v
