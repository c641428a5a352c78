"""Normalisation on NumPy, in blocks that stay in the cache: each pass over a block costs a fraction of one over memory.

Three layouts cover what matters. Rows: the last axes are reduced (layer norm). Columns: all axes but the channels are,
and the channels lie next to each other in memory. Planes: the same with the channels outside (N, C, ...). Sums along
contiguous axes go through BLAS. Anything else takes the plain formula.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ._machine import compiles
from ._workspace import room
from .compiled import available
from .numpy_ import F32, is_half

BLOCK = 65_536  # elements: 256 kB of float32, so that three blocks fit the second-level cache
WIDE = 1 << 20  # where passes are few: longer blocks, since every call costs half a microsecond
SMALL = 4096  # elements up to which the plain formula is faster than any loop over blocks
COMPILES = 1024  # elements from which normalisation runs compiled, where numba is installed
ndarray = np.ndarray


def _layout(x: ndarray, axis: tuple) -> str:
    if x.size and x.dtype.kind == "f":
        if x.flags.c_contiguous and axis == tuple(range(x.ndim - len(axis), x.ndim)):
            return "rows"
        if x.ndim >= 2 and axis == (0, *range(2, x.ndim)):
            if x.transpose((0, *range(2, x.ndim), 1)).flags.c_contiguous:
                return "columns"
            if x.flags.c_contiguous:
                return "planes"
    return "plain"


def _as_rows(x: ndarray) -> ndarray:
    """(N, C, ...), channels last in memory, as (pixels, C)."""
    return x.transpose((0, *range(2, x.ndim), 1)).reshape(-1, x.shape[1])


def _from_rows(rows: ndarray, like: ndarray) -> ndarray:
    n, c, *spatial = like.shape
    return rows.reshape(n, *spatial, c).transpose(0, like.ndim - 1, *range(1, like.ndim - 1))


def _blocks(count: int, width: int, size: int = BLOCK) -> Iterator[slice]:
    step = max(1, size // max(width, 1))
    for start in range(0, count, step):
        yield slice(start, start + step)


def standardize(x: Any, axis: Any, eps: float) -> tuple:
    """``(x - mean) / sqrt(var + eps)`` over ``axis``, the mean and the (biased) variance, these with sizes 1."""
    return _normalized(x, None, None, axis, eps)


def normalize(x: Any, w: Any, b: Any, axis: Any, eps: float) -> tuple:
    """``standardize`` times ``w`` plus ``b``, and the mean and variance."""
    return _normalized(x, w, b, axis, eps)


def _normalized(x: Any, w: Any, b: Any, axis: Any, eps: float) -> tuple:
    if is_half(x):
        w, b = (None if v is None else v.astype(F32) for v in (w, b))
        return tuple(a.astype(x.dtype) for a in _normalized(x.astype(F32), w, b, axis, eps))
    axis = tuple(axis)
    small = x.size <= SMALL and not (x.size >= COMPILES and available())
    if small and axis == (x.ndim - 1,) and (w is None or w.size == x.shape[-1]) and x.dtype.kind == "f" and x.size:
        out, mean, var = _small(x.reshape(-1, x.shape[-1]), w, b, eps)
        lead = (*x.shape[:-1], 1)
        return out.reshape(x.shape), mean.reshape(lead), var.reshape(lead)
    layout = "plain" if small else _layout(x, axis)
    if layout == "planes" and x.size <= 4 * SMALL:  # a loop over samples and channels: four calls for each
        layout = "plain"
    grouped = layout == "rows" and w is not None and _is_grouped(x, w, axis)
    odd = layout == "rows" and w is not None and not grouped and w.size != math.prod(x.shape[a] for a in axis)
    if layout == "plain" or odd:
        return _plain(x, w, b, axis, eps)
    reduced = tuple(1 if i in axis else n for i, n in enumerate(x.shape))
    if grouped:
        out, mean, var = _groups(x, w.reshape(-1), b.reshape(-1), eps)
    elif layout == "rows":
        out, mean, var = _rows(x.reshape(-1, math.prod(x.shape[a] for a in axis)), w, b, eps)
        out = out.reshape(x.shape)
    elif layout == "columns":
        out, mean, var = _columns(_as_rows(x), w, b, eps)
        out = _from_rows(out, x)
    else:
        out, mean, var = _planes(x.reshape(*x.shape[:2], -1), w, b, eps)
        out = out.reshape(x.shape)
    return out, mean.reshape(reduced), var.reshape(reduced)


def _plain(x: Any, w: Any, b: Any, axis: tuple, eps: float) -> tuple:
    n = math.prod([x.shape[a] for a in axis]) or x.dtype.type(0)
    mean = np.add.reduce(x, axis, None, None, True)
    mean /= n
    out = x - mean
    var = np.add.reduce(out * out, axis, None, None, True)
    var /= n
    r = var + eps
    np.sqrt(r, r)
    np.divide(1, r, r)
    if w is None:
        out *= r
    elif r.size == w.size:  # per channel: one factor
        out *= r * w
        out += b
    else:
        out *= r
        out = out * w
        out += b
    return out, mean, var


def _is_grouped(x: ndarray, w: Any, axis: tuple) -> bool:
    """Whether this is a group norm: x (N, groups, channels of each, positions), one weight for each channel."""
    return x.ndim == 4 and axis == (2, 3) and w.shape == (1, *x.shape[1:3], 1)


def _groups(x: ndarray, w: ndarray, b: ndarray, eps: float) -> tuple:
    n, groups, each, size = x.shape
    out, mean, var = np.empty_like(x), *np.empty((2, n * groups), x.dtype)
    rows = x.reshape(n * groups, each * size)
    if compiles(x):
        from . import machine_rows

        eps, to = x.dtype.type(eps), out.reshape(rows.shape)
        machine_rows.normalize_groups(rows, w, b, groups, eps, to, mean, var)
        return out, mean, var
    count = each * size
    over = _ones(count, x.dtype) * x.dtype.type(1 / count)
    np.dot(rows, over, mean)
    np.vecdot(rows, rows, var)
    var /= count
    var -= mean * mean
    if _near_zero(mean, var):
        source, rest = x, mean
    else:  # centred first; `rest` is by what rounding has missed the mean
        source, rest, flat = out, np.empty_like(mean), out.reshape(rows.shape)
        for at in _blocks(n * groups, count):
            y = np.subtract(rows[at], mean[at, None], flat[at])
            np.dot(y, over, rest[at])
            np.vecdot(y, y, var[at])
        var /= count
        var -= rest * rest
        mean += rest
    a = w.reshape(groups, each) / np.sqrt(var + eps).reshape(n, groups, 1)
    shift = b.reshape(groups, each) - a * rest.reshape(n, groups, 1)
    for at in _blocks(n, groups * count):
        part = np.multiply(source[at], a[at, ..., None], out[at])
        part += shift[at, ..., None]
    return out, mean, var


@functools.lru_cache(64)
def _ones(n: int, dtype: Any) -> ndarray:
    out = np.ones(n, dtype)
    out.flags.writeable = False
    return out


def _small(x: ndarray, w: Any, b: Any, eps: float) -> tuple:
    """Few rows: what counts is the number of calls."""
    over = x.dtype.type(1 / x.shape[1])
    mean = (np.dot(x, _ones(x.shape[1], x.dtype)) * over)[:, None]
    out = np.subtract(x, mean)
    var = np.vecdot(out, out)[:, None]
    var *= over
    np.divide(out, np.sqrt(var + x.dtype.type(eps)), out)
    if w is not None:
        np.multiply(out, w.reshape(-1), out)
        np.add(out, b.reshape(-1), out)
    return out, mean, var


def _small_grad(g: ndarray, x: ndarray, w: ndarray, mean: ndarray, scale: ndarray, rows: bool) -> tuple:
    over = x.dtype.type(1 / x.shape[rows])
    hat = np.subtract(x, mean)
    np.multiply(hat, scale, hat)
    to_w, to_b = np.einsum("ij,ij->j", g, hat), np.dot(_ones(len(g), x.dtype), g)
    out = np.multiply(g, w)
    if rows:
        along, a = np.dot(out, _ones(x.shape[1], x.dtype))[:, None], np.vecdot(out, hat)[:, None]
    else:
        along, a = to_b * w, to_w * w
    np.multiply(hat, a * over, hat)
    np.subtract(out, hat, out)
    np.subtract(out, along * over, out)
    return np.multiply(out, scale, out), to_w.reshape(w.shape), to_b.reshape(w.shape)


def _rows(x: ndarray, w: Any, b: Any, eps: float) -> tuple:
    count, n = x.shape
    if w is not None and compiles(x):
        from . import machine_rows

        out, mean, var = np.empty_like(x), *np.empty((2, count), x.dtype)
        machine_rows.normalize(x, w.reshape(n), b.reshape(n), x.dtype.type(eps), out, mean, var)
        return out, mean, var
    if w is not None and x.size >= 16384:
        found = _affine_rows(x, w.reshape(n), b.reshape(n), eps, np.ones(n, x.dtype))
        if found is not None:
            return found
    if x.size <= BLOCK:
        return _centred_rows(x, w, b, eps)
    out, mean, var = np.empty_like(x), *np.empty((2, count, 1), x.dtype)
    for at in _blocks(count, n):
        out[at], mean[at], var[at] = _centred_rows(x[at], w, b, eps)
    return out, mean, var


def _centred_rows(x: ndarray, w: Any, b: Any, eps: float) -> tuple:
    n = x.shape[1]
    mean = np.add.reduce(x, 1, None, None, True)
    mean /= n
    out = np.subtract(x, mean)
    var = np.vecdot(out, out)[:, None]
    var /= n
    r = var + eps
    np.sqrt(r, r)
    np.divide(1, r, r)
    out *= r
    if w is not None:
        out *= w.reshape(n)
        out += b.reshape(n)
    return out, mean, var


def _near_zero(mean: ndarray, var: ndarray) -> bool:
    """Whether all means are so small beside the deviations that differences of uncentred sums lose nothing."""
    return bool((mean * mean <= 4 * var).all())


def _affine_rows(x: ndarray, w: ndarray, b: ndarray, eps: float, ones: ndarray) -> tuple | None:
    """``x * (r w) + (b - m r w)`` for rows with mean m and 1 / std r, both brackets as products of small matrices: BLAS
    lays vectors along rows and columns faster than broadcasting does, and no pass is needed to centre."""
    count, n = x.shape
    mean = np.dot(x, ones)
    mean /= n
    var = np.vecdot(x, x)
    var /= n
    var -= mean * mean
    if not (_near_zero(mean, var) and np.dot(w, w) < math.inf):
        return None
    r = 1 / np.sqrt(var + eps)
    ends = np.empty((count, 2), x.dtype)
    np.multiply(mean, -r, ends[:, 0])
    ends[:, 1] = 1
    both = np.stack([w, b])
    out = np.empty_like(x)
    for at in _blocks(count, n, WIDE):
        y, factor = out[at], room(x[at], 0)
        np.dot(r[at, None], w[None], factor)
        np.multiply(factor, x[at], factor)
        np.dot(ends[at], both, y)
        np.add(y, factor, y)
    return out, mean[:, None], var[:, None]


def _coefficients(mean: ndarray, var: ndarray, w: Any, b: Any, eps: float) -> tuple:
    """``a, c`` with ``(x - mean) / std * w + b = x * a + c``; c as (x - mean) * a would round it."""
    a = 1 / np.sqrt(var + eps)
    if w is not None:
        a *= w.reshape(a.shape)
    return a, np.zeros_like(a) if b is None else b.reshape(a.shape)


def _columns(x: ndarray, w: Any, b: Any, eps: float) -> tuple:
    count, c = x.shape
    if w is not None and x.size >= COMPILES and available():
        from . import machine_norm

        out, mean, var = np.empty_like(x), *np.empty((2, c), x.dtype)
        machine_norm.normalize(
            x.reshape(-1), w.reshape(-1), b.reshape(-1), x.dtype.type(eps), out.reshape(-1), mean, var
        )
        return out, mean, var
    total = np.zeros(c, x.dtype)
    for at in _blocks(count, c):
        total += np.dot(np.ones(len(x[at]), x.dtype), x[at])
    mean, var = total / count, np.zeros(c, x.dtype)
    out = np.empty_like(x)
    for at in _blocks(count, c):
        y = np.subtract(x[at], mean, out[at])
        var += np.einsum("ij,ij->j", y, y)
    var /= count
    a, shift = _coefficients(mean, var, w, b, eps)
    for at in _blocks(count, c):
        y = out[at]
        y *= a
        if b is not None:
            y += shift
    return out, mean, var


def _planes(x: ndarray, w: Any, b: Any, eps: float) -> tuple:
    n, c, s = x.shape
    ones = np.ones(s, x.dtype)
    mean = np.add.reduce(np.dot(x.reshape(-1, s), ones).reshape(n, c), 0) / (n * s)
    var = np.zeros(c, x.dtype)
    out = np.empty_like(x)
    for part, y in zip(x, out, strict=True):
        for at in _blocks(c, s):
            np.subtract(part[at], mean[at, None], y[at])
            var[at] += np.vecdot(y[at], y[at])
    var /= n * s
    a, shift = _coefficients(mean, var, w, b, eps)
    for y in out:
        for at in _blocks(c, s):
            z = y[at]
            z *= a[at, None]
            if b is not None:
                z += shift[at, None]
    return out, mean, var


# ---- derivatives ----


def standardize_grad(g: Any, hat: Any, scale: Any, axis: Any) -> Any:
    """``scale * (g - mean(g) - hat * mean(g * hat))``."""
    if is_half(hat):
        return standardize_grad(g.astype(F32), hat.astype(F32), scale.astype(F32), axis).astype(hat.dtype)
    axis = tuple(axis)
    n = math.prod(hat.shape[a] for a in axis)
    if _layout(hat, axis) == "rows" and scale.size * n == hat.size:
        x = hat.reshape(-1, n)
        out = np.empty_like(hat)
        _rows_grad(g.reshape(-1, n), x, None, None, scale.reshape(-1, 1), out.reshape(-1, n))
        return out
    out = g - hat * (np.add.reduce(g * hat, axis, None, None, True) / n)
    out -= np.add.reduce(g, axis, None, None, True) / n
    out *= scale
    return out


def normalize_grad(g: Any, x: Any, w: Any, mean: Any, scale: Any, axis: Any) -> tuple:
    """The gradients of x, w and b of ``(x - mean) * scale * w + b``, mean and scale being functions of x."""
    if is_half(x):
        half = x.dtype
        g, x, w, mean, scale = (a.astype(F32) for a in (g, x, w, mean, scale))
        return tuple(a.astype(half) for a in normalize_grad(g, x, w, mean, scale, axis))
    axis = tuple(axis)
    if x.ndim == 2 and len(axis) == 1 and 0 < x.size <= SMALL and w.size == x.shape[1] and x.dtype.kind == "f":
        if x.size < COMPILES or not available():
            return _small_grad(g, x, w, mean, scale, axis[0] % 2 == 1)
    layout = _layout(x, axis)
    n = math.prod(x.shape[a] for a in axis)
    if layout == "rows" and _is_grouped(x, w, axis):
        out = np.empty_like(x)
        to_w, to_b = _groups_grad(np.ascontiguousarray(g), x, w.reshape(-1), mean.reshape(-1), scale.reshape(-1), out)
        return out, to_w.reshape(w.shape), to_b.reshape(w.shape)
    if layout == "rows" and w.size == n:
        out, rows = np.empty_like(x), (-1, n)  # made here: the engine copies a view where it wants an array of its own
        found = _rows_grad(
            g.reshape(rows), x.reshape(rows), w.reshape(n), mean.reshape(-1, 1), scale.reshape(-1, 1), out.reshape(rows)
        )
        return out, found[0].reshape(w.shape), found[1].reshape(w.shape)
    if layout == "columns":
        found = _columns_grad(_as_rows(g), _as_rows(x), w.reshape(-1), mean.reshape(-1), scale.reshape(-1))
        return _from_rows(found[0], x), found[1].reshape(w.shape), found[2].reshape(w.shape)
    if layout == "planes":
        shape = (*x.shape[:2], -1)
        out = np.empty_like(x)
        found = _planes_grad(
            g.reshape(shape), x.reshape(shape), w.reshape(-1), mean.reshape(-1), scale.reshape(-1), out.reshape(shape)
        )
        return out, found[0].reshape(w.shape), found[1].reshape(w.shape)
    from . import composed
    from .base import load

    return composed.normalize_grad(load("cpu").table, g, x, w, mean, scale, axis)


def _rows_grad(g: ndarray, x: ndarray, w: Any, mean: Any, scale: ndarray, out: ndarray) -> tuple:
    """The gradient of x into ``out``; returns those of w and b. Without ``mean``, ``x`` is standardized already (and there
    is no w)."""
    count, n = x.shape
    if mean is not None and compiles(x):
        from . import machine_rows

        to_w, to_b = np.empty((2, n), x.dtype)
        machine_rows.normalize_grad(np.ascontiguousarray(g), x, w, mean[:, 0], scale[:, 0], out, to_w, to_b)
        return to_w, to_b
    if mean is not None and x.size >= 4096 and bool((mean * mean * (scale * scale) <= 4).all()):
        return _affine_rows_grad(np.ascontiguousarray(g), x, w, mean, scale, out)
    to_w, to_b = np.zeros((2, n), x.dtype)
    over = 1 / n
    for at in _blocks(count, n):
        part, r, o = g[at], scale[at], out[at]
        if mean is None:
            hat, t = x[at], part
            a, along = np.vecdot(t, hat), np.add.reduce(t, 1)
        else:
            hat = np.subtract(x[at], mean[at])
            hat *= r
            np.multiply(part, hat, o)
            to_w += np.add.reduce(o, 0)
            to_b += np.add.reduce(part, 0)
            a, along = np.dot(o, w), np.dot(part, w)
            t = part * w
        a *= over
        along *= over
        np.multiply(hat, a[:, None], o)
        o += along[:, None]
        np.subtract(t, o, o)
        o *= r
    return to_w, to_b


def _affine_rows_grad(g: ndarray, x: ndarray, w: ndarray, mean: ndarray, scale: ndarray, out: ndarray) -> tuple:
    """``g * (r w) - x * a + d`` with numbers a and d per row. All sums are products of g and of g * x with vectors, where
    means near zero let the centring be done afterwards, on the sums."""
    count, n = x.shape
    sums = np.zeros((2, n), x.dtype)  # of columns: of g, and of g * (x - m) * r
    r = scale[:, 0]
    ends = np.empty((2, count), x.dtype)
    ends[0] = 1
    np.multiply(mean[:, 0], -r, ends[1])
    for at in _blocks(count, n, WIDE):
        part, o, product = g[at], out[at], room(x[at], 0)
        np.multiply(part, x[at], product)
        sums += np.dot(ends[:, at], part)
        sums[1] += np.dot(r[at], product)
        along = np.dot(part, w)  # n times the mean of g * w
        a = np.dot(product, w)
        a -= along * mean[at, 0]
        a *= r[at] ** 3 / n  # r^2 times the mean of g * w * hat
        along *= r[at] / -n
        along += a * mean[at, 0]
        np.dot(scale[at], w[None], o)
        np.multiply(o, part, o)
        np.multiply(x[at], a[:, None], product)
        product -= along[:, None]
        np.subtract(o, product, o)
    return sums[1], sums[0]


def _groups_grad(g: ndarray, x: ndarray, w: ndarray, mean: ndarray, scale: ndarray, out: ndarray) -> tuple:
    """The gradient of x into ``out``; returns those of w and b."""
    n, groups, each, size = x.shape
    if compiles(x):
        from . import machine_rows

        to_w, to_b = np.empty((2, groups * each), x.dtype)
        flat, o = (a.reshape(n * groups, each * size) for a in (x, out))
        machine_rows.normalize_groups_grad(g.reshape(flat.shape), flat, w, groups, mean, scale, o, to_w, to_b)
        return to_w, to_b
    centred = bool((mean * mean * (scale * scale) <= 4).all())  # nearly: the sums may be centred afterwards
    mean, scale, w = mean.reshape(n, groups, 1), scale.reshape(n, groups, 1), w.reshape(groups, each)
    to_b, to_w = np.empty((2, n, groups, each), x.dtype)  # by sample, to be added up
    for at in _blocks(n, groups * each * size):
        hat, m, r = room(x[at], 0), mean[at], scale[at]
        source = x[at] if centred else np.subtract(x[at], m[..., None], hat)
        np.dot(g[at], _ones(size, x.dtype), to_b[at])
        np.vecdot(g[at], source, to_w[at])
        if centred:
            to_w[at] -= m * to_b[at]
        to_w[at] *= r
        along = np.add.reduce(to_b[at] * w, -1, None, None, True) * r / (each * size)
        a = np.add.reduce(to_w[at] * w, -1, None, None, True) * r * r / (each * size)
        if centred:
            along -= a * m
        np.multiply(source, a[..., None], hat)
        hat += along[..., None]
        o = np.multiply(g[at], (r * w)[..., None], out[at])
        o -= hat
    return np.add.reduce(to_w, 0), np.add.reduce(to_b, 0)


def _columns_grad(g: ndarray, x: ndarray, w: ndarray, mean: ndarray, scale: ndarray) -> tuple:
    count, c = x.shape
    if x.size >= COMPILES and available():
        from . import machine_norm

        out, to_w, to_b = np.empty_like(x), *np.empty((2, c), x.dtype)
        machine_norm.normalize_grad(g.reshape(-1), x.reshape(-1), w, mean, scale, out.reshape(-1), to_w, to_b)
        return out, to_w, to_b
    to_w, to_b = np.zeros((2, c), x.dtype)
    for at in _blocks(count, c):
        hat = x[at] - mean
        to_w += np.einsum("ij,ij->j", g[at], hat)
        to_b += np.dot(np.ones(len(hat), x.dtype), g[at])
    to_w *= scale
    out = np.empty_like(x)
    a, along, shift = scale * w, scale * scale * w * to_w / count, scale * w * to_b / count
    for at in _blocks(count, c):
        o = np.subtract(x[at], mean, out[at])
        o *= along
        np.subtract(g[at] * a, o, o)
        o -= shift
    return out, to_w, to_b


def _planes_grad(g: ndarray, x: ndarray, w: ndarray, mean: ndarray, scale: ndarray, out: ndarray) -> tuple:
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
            for at in _blocks(c, s):
                to_w[at] += np.vecdot(gp[at], part[at] - mean[at, None])
    to_w *= scale
    a = scale * w
    along, shift = a * scale * to_w / (n * s), a * to_b / (n * s)
    along, shift, a, mean = (v[:, None] for v in (along, shift, a, mean))
    for at in _blocks(n, c * s, WIDE):
        o, t = out[at], room(x[at], 0)
        np.subtract(x[at], mean, t)
        np.multiply(t, along, t)
        np.multiply(g[at], a, o)
        np.subtract(o, t, o)
        np.subtract(o, shift, o)
    return to_w, to_b
