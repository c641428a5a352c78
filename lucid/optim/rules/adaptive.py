"""Steps scaled by what the gradient has been: Adagrad, Adam and their families, one element at a time.

Throughout, ``a = 1 - b``; ``lr`` (with ``eps``, which spares a multiplication, or with ``root``) carries the bias corrections.
"""

from __future__ import annotations

from typing import Any

from .basic import elementwise, gradient

__all__ = [
    "adabelief", "adadelta", "adagrad", "adam", "adamax", "adan", "ademamix", "nadam", "radam", "rmsprop",
    "schedule_free", "schedule_free_adamw", "yogi",
]  # fmt: skip


@elementwise
def adagrad(
    xp: Any, p: Any, g: Any, total: Any, *, lr: Any, eps: Any, wd: Any, keep: Any, maximize: bool, l2: bool, decay: bool
) -> tuple:
    """``sum += g*g;  p -= lr * g / (sqrt(sum) + eps)``."""
    g = gradient(p, g, maximize, l2, wd)
    if decay:
        p = keep * p
    total = total + g * g
    return p - lr * g / (xp.sqrt(total) + eps), total


@elementwise
def adam(
    xp: Any, p: Any, g: Any, m: Any, v: Any, *top: Any, lr: Any, b1: Any, a1: Any, b2: Any, a2: Any, eps: Any,
    wd: Any, keep: Any, maximize: bool, l2: bool, decay: bool, amsgrad: bool,
) -> tuple:  # fmt: skip
    """``m = b1*m + a1*g;  v = b2*v + a2*g*g;  p -= lr * m / (sqrt(v) + eps)``; ``amsgrad`` takes the largest v."""
    g = gradient(p, g, maximize, l2, wd)
    if decay:
        p = keep * p
    m = b1 * m + a1 * g
    v = b2 * v + a2 * (g * g)
    if amsgrad:
        v_max = xp.maximum(top[0], v)
        return p - lr * m / (xp.sqrt(v_max) + eps), m, v, v_max
    return p - lr * m / (xp.sqrt(v) + eps), m, v


@elementwise
def adamax(
    xp: Any,
    p: Any,
    g: Any,
    m: Any,
    u: Any,
    *,
    lr: Any,
    b1: Any,
    a1: Any,
    b2: Any,
    eps: Any,
    wd: Any,
    maximize: bool,
    l2: bool,
) -> tuple:
    """``m = b1*m + a1*g;  u = max(b2*u, |g| + eps);  p -= lr * m / u``."""
    g = gradient(p, g, maximize, l2, wd)
    m = b1 * m + a1 * g
    u = xp.maximum(b2 * u, xp.abs(g) + eps)
    return p - lr * m / u, m, u


@elementwise
def nadam(
    xp: Any, p: Any, g: Any, m: Any, v: Any, *, now: Any, then: Any, b1: Any, a1: Any, b2: Any, a2: Any, eps: Any,
    wd: Any, keep: Any, maximize: bool, l2: bool, decay: bool,
) -> tuple:  # fmt: skip
    """``p -= (now * g + then * m) / (sqrt(v) + eps)``: Adam that looks one step of momentum ahead."""
    g = gradient(p, g, maximize, l2, wd)
    if decay:
        p = keep * p
    m = b1 * m + a1 * g
    v = b2 * v + a2 * (g * g)
    return p - (now * g + then * m) / (xp.sqrt(v) + eps), m, v


@elementwise
def radam(
    xp: Any, p: Any, g: Any, m: Any, v: Any, *, lr: Any, b1: Any, a1: Any, b2: Any, a2: Any, eps: Any,
    wd: Any, keep: Any, maximize: bool, l2: bool, decay: bool, rectified: bool,
) -> tuple:  # fmt: skip
    """Adam's moments; ``p -= lr * m / (sqrt(v) + eps)`` once the variance is known well enough, ``p -= lr * m`` before."""
    g = gradient(p, g, maximize, l2, wd)
    if decay:
        p = keep * p
    m = b1 * m + a1 * g
    v = b2 * v + a2 * (g * g)
    return p - lr * m / (xp.sqrt(v) + eps) if rectified else p - lr * m, m, v


@elementwise
def rmsprop(
    xp: Any, p: Any, g: Any, v: Any, *rest: Any, lr: Any, b: Any, a: Any, eps: Any, momentum: Any, wd: Any,
    maximize: bool, l2: bool, centered: bool, heavy: bool,
) -> tuple:  # fmt: skip
    """``v = b*v + a*g*g;  p -= lr * g / (sqrt(v) + eps)``; ``v - mean(g)^2`` if centered; ``heavy`` adds momentum."""
    g = gradient(p, g, maximize, l2, wd)
    v = b * v + a * (g * g)
    state = [v]
    spread = v
    if centered:
        mean = rest[-1] + a * (g - rest[-1])
        spread = v - mean * mean
    u = g / (xp.sqrt(spread) + eps)
    if heavy:
        u = momentum * rest[0] + u
        state.append(u)
    return (p - lr * u, *state, mean) if centered else (p - lr * u, *state)


@elementwise
def adadelta(
    xp: Any, p: Any, g: Any, v: Any, d: Any, *, lr: Any, b: Any, a: Any, eps: Any, wd: Any, maximize: bool, l2: bool
) -> tuple:
    """``v = b*v + a*g*g;  u = sqrt(d + eps) / sqrt(v + eps) * g;  p -= lr * u;  d = b*d + a*u*u``."""
    g = gradient(p, g, maximize, l2, wd)
    v = b * v + a * (g * g)
    u = xp.sqrt(d + eps) / xp.sqrt(v + eps) * g
    return p - lr * u, v, b * d + a * (u * u)


@elementwise
def adabelief(
    xp: Any, p: Any, g: Any, m: Any, v: Any, *top: Any, lr: Any, b1: Any, a1: Any, b2: Any, a2: Any, root: Any,
    eps: Any, wd: Any, keep: Any, maximize: bool, l2: bool, decay: bool, amsgrad: bool,
) -> tuple:  # fmt: skip
    """Adam with ``v = b2*v + a2*(g - m)^2 + eps``: a small step where the gradient is not what was expected."""
    g = gradient(p, g, maximize, l2, wd)
    if decay:
        p = keep * p
    m = b1 * m + a1 * g
    v = b2 * v + a2 * ((g - m) * (g - m)) + eps
    if amsgrad:
        v_max = xp.maximum(top[0], v)
        return p - lr * m / (root * xp.sqrt(v_max) + eps), m, v, v_max
    return p - lr * m / (root * xp.sqrt(v) + eps), m, v


@elementwise
def yogi(
    xp: Any, p: Any, g: Any, m: Any, v: Any, *, lr: Any, b1: Any, a1: Any, a2: Any, root: Any, eps: Any, wd: Any,
    maximize: bool, l2: bool,
) -> tuple:  # fmt: skip
    """Adam with ``v -= a2 * sign(v - g*g) * g*g``, which moves by no more than the gradient allows."""
    g = gradient(p, g, maximize, l2, wd)
    m = b1 * m + a1 * g
    square = g * g
    v = v - a2 * (xp.sign(v - square) * square)
    return p - lr * m / (root * xp.sqrt(v) + eps), m, v


@elementwise
def adan(
    xp: Any, p: Any, g: Any, m: Any, d: Any, n: Any, previous: Any, *, lr: Any, lr_d: Any, b1: Any, a1: Any, b2: Any,
    a2: Any, b3: Any, a3: Any, root: Any, eps: Any, keep: Any, shrink: Any, later: Any, maximize: bool, decay: bool,
) -> tuple:  # fmt: skip
    """``m`` averages g, ``d`` its differences, ``n`` the square of ``g + b2*(g - previous)``; ``p -= (lr*m + lr_d*d) / sqrt(n)``."""
    if maximize:
        g = -g
    change = later * (g - previous)
    m = b1 * m + a1 * g
    d = b2 * d + a2 * change
    ahead = g + b2 * change
    n = b3 * n + a3 * (ahead * ahead)
    u = (lr * m + lr_d * d) / (root * xp.sqrt(n) + eps)
    return (keep * p - u if decay else (p - u) * shrink), m, d, n, g


@elementwise
def ademamix(
    xp: Any, p: Any, g: Any, m: Any, slow: Any, v: Any, *, lr: Any, c1: Any, b1: Any, a1: Any, b2: Any, a2: Any, b3: Any,
    a3: Any, alpha: Any, root: Any, eps: Any, keep: Any, wd: Any, maximize: bool, l2: bool, decay: bool,
) -> tuple:  # fmt: skip
    """Adam with two means of the gradient: ``p -= lr * (c1*m + alpha*slow) / (root * sqrt(v) + eps)``."""
    g = gradient(p, g, maximize, l2, wd)
    if decay:
        p = keep * p
    m = b1 * m + a1 * g
    slow = b3 * slow + a3 * g
    v = b2 * v + a2 * (g * g)
    return p - lr * (c1 * m + alpha * slow) / (root * xp.sqrt(v) + eps), m, slow, v


@elementwise
def schedule_free(
    xp: Any, p: Any, g: Any, z: Any, *, lr: Any, ck: Any, lr_y: Any, wd: Any, maximize: bool, l2: bool
) -> tuple:
    """``z -= lr * g`` and ``p``, a point between z and its average x, follows both: ``p += ck * (z - p) - lr_y * g``."""
    g = gradient(p, g, maximize, l2, wd)
    return p + ck * (z - p) - lr_y * g, z - lr * g


@elementwise
def schedule_free_adamw(
    xp: Any, p: Any, g: Any, z: Any, v: Any, *, lr: Any, ck: Any, lr_y: Any, b2: Any, a2: Any, root: Any, eps: Any,
    wd: Any, maximize: bool, decay: bool,
) -> tuple:  # fmt: skip
    """``schedule_free`` with the gradient divided by the root of its mean square."""
    if maximize:
        g = -g
    v = b2 * v + a2 * (g * g)
    u = g / (root * xp.sqrt(v) + eps)
    if decay:
        u = u + wd * p
    return p + ck * (z - p) - lr_y * u, z - lr * u, v
