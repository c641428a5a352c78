"""Sampling an image at points, made of other kernels, and its derivative: for other libraries than NumPy, and on Tensors."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

INTEGER = SimpleNamespace(name="int64")


def grid_sample(xp: Any, x: Any, grid: Any, mode: str, padding: str, align: bool) -> Any:
    index, inside, axes = _corners(xp, x, grid, mode, padding, align)
    values = xp.where(xp.expand_dims(inside, 1), _picked(xp, x, index), 0.0)
    if axes[0][0] is not None:
        values = values * xp.expand_dims(_product(xp, [w for w, _ in axes]), 1)
    return xp.reshape(xp.sum(values, axis=(2,)), (*x.shape[:2], *grid.shape[1:-1]))


def grid_sample_grad(xp: Any, g: Any, x: Any, grid: Any, mode: str, padding: str, align: bool, needs: Any) -> tuple:
    """The gradients of x and of the grid, None where they are not needed."""
    n, c, *sizes = x.shape
    index, inside, axes = _corners(xp, x, grid, mode, padding, align)
    given = xp.reshape(g, (n, c, 1, index.shape[2]))
    dx = dgrid = None
    if needs[0]:
        weights = xp.ones_like(inside) if axes[0][0] is None else _product(xp, [w for w, _ in axes])
        share = given * xp.expand_dims(xp.where(inside, xp.cast(weights, x.dtype), 0.0), 1)
        zeros = xp.zeros_of((n, c, math.prod(sizes)), x)
        dx = xp.scatter_add(
            zeros, _repeated(xp, x, index), xp.reshape(share, (n, c, index.shape[1] * index.shape[2])), 2
        )
        dx = xp.reshape(dx, tuple(x.shape))
    if needs[1] and axes[0][0] is None:
        dgrid = xp.zeros_of(tuple(grid.shape), grid)
    elif needs[1]:
        along = xp.where(inside, xp.sum(_picked(xp, x, index) * given, axis=(1,)), 0.0)
        parts = []
        for i in reversed(range(len(sizes))):
            slope = _product(xp, [axis[i == k] for k, axis in enumerate(axes)])
            parts.append(xp.expand_dims(xp.sum(along * slope, axis=(1,)), 2))
        dgrid = xp.reshape(xp.concat(*parts, 2), tuple(grid.shape))
    return dx, dgrid


def _corners(xp: Any, x: Any, grid: Any, mode: str, padding: str, align: bool) -> tuple:
    """Which pixel each corner is and whether it is inside (N, corners, P), and weights and slopes of each axis (N, taps, P)."""
    n, _, *sizes = x.shape
    points = xp.reshape(grid, (n, math.prod(grid.shape[1:-1]), len(sizes)))
    index = inside = None
    axes = []
    for i, size in enumerate(sizes):
        k = len(sizes) - 1 - i
        c = xp.reshape(xp.take_slice(points, 2, k, k + 1), (n, 1, points.shape[1]))
        position, weights, slopes = _taps(xp, c, size, mode, padding, align)
        axes.append((weights, slopes))
        inner = xp.logical_and(position >= 0, position <= size - 1)
        here = xp.cast(xp.where(position > 0, xp.where(inner, position, float(size - 1)), 0.0), INTEGER)
        index = here if index is None else _outer(xp, index * size, here, lambda a, b: a + b)
        inside = inner if inside is None else _outer(xp, inside, inner, xp.logical_and)
    return index, inside, axes


def _taps(xp: Any, c: Any, size: int, mode: str, padding: str, align: bool) -> tuple:
    """The pixels (N, taps, P) around points (N, 1, P) of one axis, their weights and the derivatives of these."""
    half, sign = (size - 1 if align else size) / 2, xp.ones_like(c)
    u = (c + 1) * half if align else (c + 1) * half - 0.5
    if padding == "zeros":  # a point that has no corner inside stays near
        u = xp.clip(u, -3.0, size + 1.0) if mode == "bicubic" else xp.clip(u, -2.0, float(size))
    elif mode != "bicubic":
        u, sign = _limited(xp, u, size, padding, align)
    if mode == "nearest":
        return xp.round_to(u, 0), None, None
    base = xp.floor(u)
    t = u - base
    if mode == "bilinear":
        one = sign * half
        return xp.concat(base, base + 1, 1), xp.concat(1 - t, t, 1), xp.concat(-one, one, 1)
    a, far, near = -0.75, xp.concat(t + 1, 2 - t, 1), xp.concat(t, 1 - t, 1)
    w = ((a * far - 5 * a) * far + 8 * a) * far - 4 * a, ((a + 2) * near - (a + 3)) * near * near + 1
    d = (3 * a * far - 10 * a) * far + 8 * a, (3 * (a + 2) * near - 2 * (a + 3)) * near
    order = ((0, 0), (1, 0), (1, 1), (0, 1))
    weights, slopes = ([xp.take_slice(v[i], 1, k, k + 1) for i, k in order] for v in (w, d))
    slopes = [v * (half if k < 2 else -half) for k, v in enumerate(slopes)]
    position = xp.concat(base - 1, base, base + 1, base + 2, 1)
    if padding != "zeros":
        position = _limited(xp, position, size, padding, align)[0]
    return position, xp.concat(*weights, 1), xp.concat(*slopes, 1)


def _limited(xp: Any, u: Any, size: int, padding: str, align: bool) -> tuple:
    """Points moved inside, and the derivative of that: 0 where they stop at the border, -1 where they are reflected."""
    sign = one = xp.ones_like(u)
    if padding == "reflection":
        low = 0.0 if align else -0.5
        span = max(size - 1 - 2 * low, 1.0)
        u = u - low - xp.floor((u + (span - low)) / (2 * span)) * (2 * span)
        sign, u = xp.where(u < 0, -one, one), xp.abs(u) + low
    last = float(size - 1)
    return xp.clip(u, 0.0, last), xp.where(xp.logical_and(u > 0, u < last), sign, 0.0)


def _outer(xp: Any, a: Any, b: Any, combine: Any) -> Any:
    """What the axes before (N, K, P) and one more (N, M, P) say together about every corner."""
    both = combine(xp.expand_dims(a, 2), xp.expand_dims(b, 1))
    return xp.reshape(both, (both.shape[0], both.shape[1] * both.shape[2], both.shape[3]))


def _product(xp: Any, parts: list) -> Any:
    out = parts[0]
    for part in parts[1:]:
        out = _outer(xp, out, part, lambda a, b: a * b)
    return out


def _repeated(xp: Any, x: Any, index: Any) -> Any:
    n, count = index.shape[0], index.shape[1] * index.shape[2]
    return xp.broadcast_to(xp.reshape(index, (n, 1, count)), (n, x.shape[1], count))


def _picked(xp: Any, x: Any, index: Any) -> Any:
    """The pixels of all channels at the corners: (N, C, corners, P)."""
    flat = xp.reshape(x, (*x.shape[:2], math.prod(x.shape[2:])))
    return xp.reshape(xp.take_along_axis(flat, _repeated(xp, x, index), 2), (*x.shape[:2], *index.shape[1:]))
