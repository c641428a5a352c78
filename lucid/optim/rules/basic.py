"""Gradient descent with its momenta, signs and averages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["asgd", "elementwise", "gradient", "gsgd", "gsgd_mapped", "lion", "rprop", "sgd", "signum", "sophia"]


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
    m = momentum * state[0] + (g if undamped is None else undamped * g)
    return p - lr * (g + momentum * m if nesterov else m), m


@elementwise
def asgd(
    xp: Any, p: Any, g: Any, ax: Any, *, eta: Any, mu: Any, keep: Any, wd: Any, maximize: bool, l2: bool, copies: bool
) -> tuple:
    """``p = (1 - lambd * eta) * p - eta * g;  ax += mu * (p - ax)`` (a copy of ``p`` while ``mu`` is 1)."""
    p = keep * p - eta * gradient(p, g, maximize, l2, wd)
    return p, p if copies else ax + mu * (p - ax)


@elementwise
def gsgd(
    xp: Any, p: Any, g: Any, *state: Any, lr: Any, fresh: Any, wd: Any, nesterov: Any, l2: bool, ahead: bool, sign: bool
) -> tuple:
    """``m += (1 - beta) * (g - m);  p -= lr * (D(m) + nesterov * g)`` with D the identity or the sign; ``fresh = 1 - beta``."""
    if l2:
        g = g + wd * p
    if not state:
        return (p - lr * g,)
    m = state[0] + fresh * (g - state[0])
    d = xp.sign(m) if sign else m
    return p - lr * (d + nesterov * g if ahead else d), m


def gsgd_mapped(
    xp: Any,
    p: Any,
    g: Any,
    m: Any,
    *,
    lr: Any,
    fresh: Any,
    wd: Any,
    nesterov: Any,
    l2: bool,
    ahead: bool,
    Dphi: Callable,
) -> tuple:
    """``gsgd`` with any other map, which sees the whole array at once."""
    if l2:
        g = g + wd * p
    m = m + fresh * (g - m)
    d = Dphi(xp, m)
    return p - lr * (d + nesterov * g if ahead else d), m


@elementwise
def lion(
    xp: Any, p: Any, g: Any, m: Any, *, lr: Any, b1: Any, a1: Any, b2: Any, a2: Any, keep: Any, nesterov: Any,
    maximize: bool, decay: bool, ahead: bool,
) -> tuple:  # fmt: skip
    """``p = (1 - lr * wd) * p - lr * (sign(b1*m + a1*g) + nesterov * g);  m = b2*m + a2*g``."""
    if maximize:
        g = -g
    if decay:
        p = p * keep
    u = xp.sign(b1 * m + a1 * g)
    if ahead:
        u = u + nesterov * g
    return p - lr * u, b2 * m + a2 * g


@elementwise
def signum(
    xp: Any,
    p: Any,
    g: Any,
    *state: Any,
    lr: Any,
    b: Any,
    a: Any,
    wd: Any,
    keep: Any,
    maximize: bool,
    l2: bool,
    decay: bool,
) -> tuple:
    """``m = b*m + (1-b)*g;  p -= lr * sign(m)``, the sign of the gradient itself without state."""
    g = gradient(p, g, maximize, l2, wd)
    if decay:
        p = keep * p
    if not state:
        return (p - lr * xp.sign(g),)
    m = b * state[0] + a * g
    return p - lr * xp.sign(m), m


@elementwise
def sophia(
    xp: Any,
    p: Any,
    g: Any,
    m: Any,
    h: Any,
    *,
    lr: Any,
    b: Any,
    a: Any,
    keep: Any,
    rho: Any,
    tiny: Any,
    maximize: bool,
    decay: bool,
) -> tuple:
    """``m = b*m + (1-b)*g;  p -= lr * sign(m) * min(|m| / (rho*h + tiny), 1)``."""
    if maximize:
        g = -g
    if decay:
        p = keep * p
    m = b * m + a * g
    return p - lr * (xp.sign(m) * xp.minimum(xp.abs(m) / (rho * h + tiny), 1.0)), m, h


@elementwise
def rprop(
    xp: Any, p: Any, g: Any, prev: Any, size: Any, *moved: Any, low: Any, high: Any, smallest: Any, largest: Any,
    maximize: bool, forget: bool, back: bool,
) -> tuple:  # fmt: skip
    """``size *= high`` where the gradient kept its sign, ``low`` where it changed;  ``p -= sign(g) * size``.

    Where the sign changed, ``forget`` takes no step (the next one starts afresh) and ``back`` undoes the last one.
    """
    if maximize:
        g = -g
    s = g * prev
    turned = s < 0
    size = xp.minimum(xp.maximum(size * xp.where(s > 0, high, xp.where(turned, low, 1.0)), smallest), largest)
    if forget:
        g = xp.where(turned, 0.0, g)
    step = xp.sign(g) * size
    if not moved:
        return p - step, g, size
    if back:
        step = xp.where(turned, -moved[0], step)
    return p - step, g, size, step
