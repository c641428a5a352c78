"""All axes but the channels are reduced (batch norm): the channels lie next to each other, or each is a plane."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .._workspace import room
from ..compiled import available
from .blocks import COMPILES, WIDE, blocks, ndarray, near_zero, ones

WIDTH = 1024  # elements of a row that several make


def as_rows(x: ndarray) -> ndarray:
    """(N, C, ...), channels last in memory, as (pixels, C)."""
    return x.transpose((0, *range(2, x.ndim), 1)).reshape(-1, x.shape[1])


def from_rows(rows: ndarray, like: ndarray) -> ndarray:
    n, c, *spatial = like.shape
    return rows.reshape(n, *spatial, c).transpose(0, like.ndim - 1, *range(1, like.ndim - 1))


def coefficients(mean: ndarray, var: ndarray, w: Any, b: Any, eps: float) -> tuple:
    """``a, c`` with ``(x - mean) / std * w + b = x * a + c``; c as (x - mean) * a would round it."""
    a = 1 / np.sqrt(var + eps)
    if w is not None:
        a *= w.reshape(a.shape)
    return a, np.zeros_like(a) if b is None else b.reshape(a.shape)


def columns(x: ndarray, w: Any, b: Any, eps: float) -> tuple:
    count, c = x.shape
    if w is not None and x.size >= COMPILES and available():
        from .. import machine_norm

        out, mean, var = np.empty_like(x), *np.empty((2, c), x.dtype)
        machine_norm.normalize(
            x.reshape(-1), w.reshape(-1), b.reshape(-1), x.dtype.type(eps), out.reshape(-1), mean, var
        )
        return out, mean, var
    x, t = widened(x)
    width, (total, squares) = t * c, np.zeros((2, t * c), x.dtype)
    for at in blocks(len(x), width):
        total += np.dot(ones(len(x[at]), x.dtype), x[at])
        squares += np.einsum("ij,ij->j", x[at], x[at])
    mean, var = folded(total, t) / count, folded(squares, t) / count
    var -= mean * mean
    out, source, rest = np.empty_like(x), x, mean
    if not near_zero(mean, var):  # centred first; `rest` is by what rounding has missed the mean
        source, total[...], squares[...] = out, 0, 0
        for at in blocks(len(x), width):
            y = np.subtract(x[at], np.tile(mean, t), out[at])
            total += np.dot(ones(len(y), x.dtype), y)
            squares += np.einsum("ij,ij->j", y, y)
        rest = folded(total, t) / count
        var = np.maximum(folded(squares, t) / count - rest * rest, 0)
        mean = mean + rest
    a, shift = coefficients(rest, var, w, b, eps)
    a, shift = np.tile(a, t), np.tile(shift - rest * a, t)
    for at in blocks(len(x), width):
        y = np.multiply(source[at], a, out[at])
        y += shift
    return out.reshape(count, c), mean, var


@functools.lru_cache(1024)
def _repeats(count: int, c: int) -> int:
    return next((t for t in range(WIDTH // c, 1, -1) if count % t == 0), 1)


def widened(x: ndarray) -> tuple[ndarray, int]:
    """Several rows (pixels, C) as one, and how many: NumPy starts its inner loop anew for every row, 15 ns each."""
    t = _repeats(*x.shape)
    return x.reshape(len(x) // t, t * x.shape[1]), t


def folded(x: ndarray, t: int) -> ndarray:
    """The sum over the rows that were made one."""
    return np.add.reduce(x.reshape(t, -1), 0)


def scale_shift(x: ndarray, scale: ndarray, shift: ndarray) -> ndarray:
    """``x * scale + shift`` with a number of each for every channel."""
    rows, t = widened(as_rows(x))
    scale, shift, out = np.tile(scale.reshape(-1), t), np.tile(shift.reshape(-1), t), np.empty_like(rows)
    for at in blocks(*rows.shape):
        y = np.multiply(rows[at], scale, out[at])
        y += shift
    return from_rows(out, x)


def planes(x: ndarray, w: Any, b: Any, eps: float) -> tuple:
    n, c, s = x.shape
    ones = np.ones(s, x.dtype)
    mean = np.add.reduce(np.dot(x.reshape(-1, s), ones).reshape(n, c), 0) / (n * s)
    var = np.zeros(c, x.dtype)
    out = np.empty_like(x)
    for part, y in zip(x, out, strict=True):
        for at in blocks(c, s):
            np.subtract(part[at], mean[at, None], y[at])
            var[at] += np.vecdot(y[at], y[at])
    var /= n * s
    a, shift = coefficients(mean, var, w, b, eps)
    for y in out:
        for at in blocks(c, s):
            z = y[at]
            z *= a[at, None]
            if b is not None:
                z += shift[at, None]
    return out, mean, var


def columns_grad(g: ndarray, x: ndarray, w: ndarray, mean: ndarray, scale: ndarray) -> tuple:
    count, c = x.shape
    if x.size >= COMPILES and available():
        from .. import machine_norm

        out, to_w, to_b = np.empty_like(x), *np.empty((2, c), x.dtype)
        machine_norm.normalize_grad(g.reshape(-1), x.reshape(-1), w, mean, scale, out.reshape(-1), to_w, to_b)
        return out, to_w, to_b
    (x, t), g = widened(x), widened(g)[0]
    width, (to_w, to_b) = t * c, np.zeros((2, t * c), x.dtype)
    centred = bool((mean * mean * (scale * scale) <= 4).all())  # nearly: the sums may be centred afterwards
    middle = np.tile(mean, t)
    for at in blocks(len(x), width):
        to_w += np.einsum("ij,ij->j", g[at], x[at] if centred else x[at] - middle)
        to_b += np.dot(ones(len(g[at]), x.dtype), g[at])
    to_w, to_b = folded(to_w, t), folded(to_b, t)
    if centred:
        to_w -= mean * to_b
    to_w *= scale
    out = np.empty_like(x)
    a, along = scale * w, scale * scale * w * to_w / count
    shift = scale * w * to_b / count
    if centred:
        shift -= mean * along
    a, along, shift = (np.tile(v, t) for v in (a, along, shift))
    for at in blocks(len(x), width):
        part = room(x[at], 0)
        np.multiply(x[at] if centred else np.subtract(x[at], middle, part), along, part)
        part += shift
        o = np.multiply(g[at], a, out[at])
        o -= part
    return out.reshape(count, c), to_w, to_b


def planes_grad(g: ndarray, x: ndarray, w: ndarray, mean: ndarray, scale: ndarray, out: ndarray) -> tuple:
    n, c, s = x.shape
    g = np.ascontiguousarray(g)
    ones = np.ones(s, x.dtype)
    to_b = np.add.reduce(np.dot(g.reshape(-1, s), ones).reshape(n, c), 0)
    if bool((mean * mean * (scale * scale) <= 4).all()):
        to_w = np.add.reduce(np.vecdot(g, x), 0)
        to_w -= mean * to_b
    else:
        to_w = np.zeros(c, x.dtype)
        for part, gp in zip(x, g, strict=True):
            for at in blocks(c, s):
                to_w[at] += np.vecdot(gp[at], part[at] - mean[at, None])
    to_w *= scale
    a = scale * w
    along, shift = a * scale * to_w / (n * s), a * to_b / (n * s)
    along, shift, a, mean = (v[:, None] for v in (along, shift, a, mean))
    for at in blocks(n, c * s, WIDE):
        o, t = out[at], room(x[at], 0)
        np.subtract(x[at], mean, t)
        np.multiply(t, along, t)
        np.multiply(g[at], a, o)
        np.subtract(o, t, o)
        np.subtract(o, shift, o)
    return to_w, to_b
