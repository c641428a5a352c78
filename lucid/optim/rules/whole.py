"""Rules that look at a whole parameter: norms, rows and columns, matrices."""

from __future__ import annotations

import math
from typing import Any

from .basic import gradient

__all__ = [
    "adafactor",
    "lamb",
    "lars",
    "muon",
    "orthogonalized",
    "root_mean_square",
    "shampoo",
    "soap",
    "soap_start",
    "sparse_adam",
]


def norm(xp: Any, x: Any) -> Any:
    """The Euclidean norm of all (real) elements."""
    return xp.sqrt(xp.sum(x * x))


def root_mean_square(xp: Any, x: Any, count: float) -> Any:
    """The norm divided by the root of the number of elements."""
    return norm(xp, x) / math.sqrt(count)


def trust(xp: Any, above: Any, below: Any, factor: Any) -> Any:
    """``factor * above / below``, or 1 where either is zero."""
    fine = (above > 0) & (below > 0)
    return xp.where(fine, factor * above / xp.where(fine, below, 1.0), 1.0)


def lamb(
    xp: Any, p: Any, g: Any, m: Any, v: Any, *, lr: Any, b1: Any, a1: Any, b2: Any, a2: Any, c1: Any, root: Any, eps: Any,
    wd: Any, largest: Any, maximize: bool, l2: bool, clamped: bool,
) -> tuple:  # fmt: skip
    """``u = Adam's step + wd * p;  p -= lr * |p| / |u| * u``."""
    if maximize:
        g = -g
    m = b1 * m + a1 * g
    v = b2 * v + a2 * (g * g)
    u = c1 * m / (root * xp.sqrt(v) + eps)
    if l2:
        u = u + wd * p
    size = norm(xp, p)
    if clamped:
        size = xp.minimum(size, largest)
    return p - lr * trust(xp, size, norm(xp, u), 1.0) * u, m, v


def lars(
    xp: Any, p: Any, g: Any, *state: Any, lr: Any, factor: Any, momentum: Any, undamped: Any, wd: Any, eps: Any,
    maximize: bool, l2: bool, adapt: bool, nesterov: bool,
) -> tuple:  # fmt: skip
    """``u = factor * |p| / (|g| + wd * |p|) * (g + wd * p)`` (``g`` for vectors), then SGD with momentum."""
    if maximize:
        g = -g
    if adapt:
        size = norm(xp, p)
        scale = trust(xp, size, norm(xp, g) + wd * size + eps, factor)
        g = scale * (g + wd * p if l2 else g)
    if not state:
        return (p - lr * g,)
    m = momentum * state[0] + (g if undamped is None else undamped * g)
    return p - lr * (g + momentum * m if nesterov else m), m


def adafactor(
    xp: Any, p: Any, g: Any, *state: Any, least: Any, rho: Any, a: Any, keep: Any, eps1: Any, d: Any,
    maximize: bool, decay: bool, count: int, last: int, before: int,
) -> tuple:  # fmt: skip
    """Adam's second moment as an outer product of row and column means; a step relative to the parameter's size."""
    if maximize:
        g = -g
    lr = xp.maximum(root_mean_square(xp, p, count), least) * rho
    if decay:
        p = keep * p
    if len(state) == 2:
        row, col = state
        row = row + a * (xp.sum(g * g, axis=(-1,), keepdims=True) / float(last) - row)
        col = col + a * (xp.sum(g * g, axis=(-2,), keepdims=True) / float(before) - col)
        variance = row * col / xp.maximum(xp.sum(row, axis=(-2,), keepdims=True) / float(before), eps1)
        state = (row, col)
    else:
        variance = state[0] + a * (g * g - state[0])
        state = (variance,)
    u = g / xp.sqrt(xp.maximum(variance, eps1 * eps1))
    return p - lr / xp.maximum(root_mean_square(xp, u, count) / d, 1.0) * u, *state


def orthogonalized(xp: Any, x: Any, coefficients: tuple, steps: int, eps: float, tall: bool) -> Any:
    """The nearest matrix with singular values near 1, by Newton-Schulz iterations of fifth order."""
    a, b, c = coefficients
    if tall:
        x = xp.matrix_transpose(x)
    x = x / xp.maximum(norm(xp, x), eps)
    for _ in range(steps):
        gram = xp.matmul(x, xp.matrix_transpose(x))
        x = a * x + xp.matmul(b * gram + c * xp.matmul(gram, gram), x)
    return xp.matrix_transpose(x) if tall else x


def muon(
    xp: Any, p: Any, g: Any, m: Any, *, lr: Any, keep: Any, momentum: Any, a: Any, nesterov: bool, coefficients: tuple,
    steps: int, eps: tuple, tall: bool,
) -> tuple:  # fmt: skip
    """``m += (1 - momentum) * (g - m);  p = (1 - lr * wd) * p - lr * orthogonalized(m)``."""
    m = m + a * (g - m)
    u = orthogonalized(xp, g + momentum * (m - g) if nesterov else m, coefficients, steps, eps[0], tall)
    return keep * p - lr * u, m


def sparse_adam(
    xp: Any, p: Any, g: Any, m: Any, v: Any, *, lr: Any, a1: Any, a2: Any, eps: Any, maximize: bool, axes: tuple
) -> tuple:
    """Adam for the rows that have a gradient; all others keep parameter and state."""
    if maximize:
        g = -g
    hit = xp.sum(xp.abs(g), axis=axes, keepdims=True) > 0 if axes else g != 0
    m_new = m + a1 * (g - m)
    v_new = v + a2 * (g * g - v)
    u = lr * m_new / (xp.sqrt(v_new) + eps)
    return xp.where(hit, p - u, p), xp.where(hit, m_new, m), xp.where(hit, v_new, v)


def unfolded(xp: Any, g: Any, axis: int) -> Any:
    """The array as a matrix whose rows run along ``axis``."""
    order = (axis, *(i for i in range(g.ndim) if i != axis))
    return xp.reshape(xp.permute_dims(g, order), (g.shape[axis], -1))


def along(xp: Any, g: Any, matrix: Any, axis: int) -> Any:
    """``matrix`` applied to ``axis`` of the array."""
    order = (axis, *(i for i in range(g.ndim) if i != axis))
    back = tuple(order.index(i) for i in range(g.ndim))
    moved = tuple(g.shape[i] for i in order)
    return xp.permute_dims(xp.reshape(xp.matmul(matrix, unfolded(xp, g, axis)), moved), back)


def shampoo(
    xp: Any, p: Any, g: Any, *state: Any, lr: Any, momentum: Any, wd: Any, power: Any, maximize: bool, l2: bool,
    heavy: bool, refresh: bool,
) -> tuple:  # fmt: skip
    """``L_i += G_i G_i^T`` for every axis;  ``p -= lr * (L_1^(-1/2k) x ... x L_k^(-1/2k)) g``."""
    g = gradient(p, g, maximize, l2, wd)
    k = g.ndim
    sums, roots, rest = list(state[:k]), list(state[k : 2 * k]), state[2 * k :]
    u = g
    for axis in range(k):
        flat = unfolded(xp, g, axis)
        sums[axis] = sums[axis] + xp.matmul(flat, xp.matrix_transpose(flat))
        if refresh:
            values, vectors = xp.eigh(sums[axis], "L")
            roots[axis] = xp.matmul(vectors * xp.maximum(values, 1e-30) ** power, xp.matrix_transpose(vectors))
        u = along(xp, u, roots[axis], axis)
    if heavy:
        u = momentum * rest[0] + u
        rest = (u,)
    return p - lr * u, *sums, *roots, *rest


def soap_start(xp: Any, p: Any, g: Any, m: Any, v: Any, *state: Any, axes: tuple, a: Any, maximize: bool) -> tuple:
    """The first step only looks: it finds the eigenbases."""
    if maximize:
        g = -g
    n = len(axes)
    sums = []
    for i, axis in enumerate(axes):
        flat = unfolded(xp, g, axis)
        sums.append(state[i] + a * (xp.matmul(flat, xp.matrix_transpose(flat)) - state[i]))
    bases = [xp.flip(xp.eigh(s, "L")[1], (1,)) for s in sums]
    return (p, m, v, *sums, *bases) if n else (p, m, v)


def soap(
    xp: Any, p: Any, g: Any, m: Any, v: Any, *state: Any, lr: Any, b1: Any, a1: Any, b2: Any, a2: Any, eps: Any, keep: Any,
    a: Any, axes: tuple, refresh: bool, maximize: bool, decay: bool,
) -> tuple:  # fmt: skip
    """Adam in the eigenbases of Shampoo's matrices, which are refreshed by a power iteration now and then."""
    if maximize:
        g = -g
    n = len(axes)
    sums, bases = list(state[:n]), list(state[n:])

    def turned(x: Any, back: bool = False) -> Any:
        for q, axis in zip(bases, axes, strict=True):
            x = along(xp, x, q if back else xp.matrix_transpose(q), axis)
        return x

    rotated = turned(g)
    m = b1 * m + a1 * g
    v = b2 * v + a2 * (rotated * rotated)
    p = p - lr * turned(turned(m) / (xp.sqrt(v) + eps), back=True)
    if decay:
        p = keep * p
    for i, axis in enumerate(axes):
        flat = unfolded(xp, g, axis)
        sums[i] = sums[i] + a * (xp.matmul(flat, xp.matrix_transpose(flat)) - sums[i])
    if refresh:
        for i, axis in enumerate(axes):
            product = xp.matmul(sums[i], bases[i])
            order = xp.argsort(xp.sum(bases[i] * product, axis=(0,)), 0, True)
            v = xp.index(v, (slice(None),) * axis + (order,))
            bases[i] = xp.qr(xp.index(product, (slice(None), order)), "reduced")[0]
    return p, m, v, *sums, *bases
