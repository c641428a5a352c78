"""Normalisation on NumPy, in blocks that stay in the cache: each pass over a block costs a fraction of one over memory.

Three layouts cover what matters. Rows: the last axes are reduced (layer norm). Columns: all axes but the channels are,
and the channels lie next to each other in memory. Planes: the same with the channels outside (N, C, ...). Sums along
contiguous axes go through BLAS. Anything else takes the plain formula.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .compiled import available
from .normalization import channels, groups, rows
from .normalization.blocks import COMPILES, SMALL, ndarray
from .numpy_ import F32, is_half


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


def _in_rows(x: Any, axis: tuple) -> Any:
    """A contiguous copy where the last axes are reduced and lie apart, as in what a convolution returns: reducing such axes
    takes ten times as long as the copy."""
    return np.ascontiguousarray(x) if axis == tuple(range(x.ndim - len(axis), x.ndim)) else x


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
        out, mean, var = rows.small(x.reshape(-1, x.shape[-1]), w, b, eps)
        lead = (*x.shape[:-1], 1)
        return out.reshape(x.shape), mean.reshape(lead), var.reshape(lead)
    x = x if small else _in_rows(x, axis)
    layout = "plain" if small else _layout(x, axis)
    if layout == "planes" and x.size <= 4 * SMALL:  # a loop over samples and channels: four calls for each
        layout = "plain"
    grouped = layout == "rows" and w is not None and groups.fits(x, w, axis)
    odd = layout == "rows" and w is not None and not grouped and w.size != math.prod(x.shape[a] for a in axis)
    if layout == "plain" or odd:
        return _plain(x, w, b, axis, eps)
    reduced = tuple(1 if i in axis else n for i, n in enumerate(x.shape))
    if grouped:
        out, mean, var = groups.normalize(x, w.reshape(-1), b.reshape(-1), eps)
    elif layout == "rows":
        out, mean, var = rows.normalize(x.reshape(-1, math.prod(x.shape[a] for a in axis)), w, b, eps)
        out = out.reshape(x.shape)
    elif layout == "columns":
        out, mean, var = channels.columns(channels.as_rows(x), w, b, eps)
        out = channels.from_rows(out, x)
    else:
        out, mean, var = channels.planes(x.reshape(*x.shape[:2], -1), w, b, eps)
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


# ---- derivatives ----


def standardize_grad(g: Any, hat: Any, scale: Any, axis: Any) -> Any:
    """``scale * (g - mean(g) - hat * mean(g * hat))``."""
    if is_half(hat):
        return standardize_grad(g.astype(F32), hat.astype(F32), scale.astype(F32), axis).astype(hat.dtype)
    axis = tuple(axis)
    hat = _in_rows(hat, axis)
    n = math.prod(hat.shape[a] for a in axis)
    if _layout(hat, axis) == "rows" and scale.size * n == hat.size:
        x = hat.reshape(-1, n)
        out = np.empty_like(hat)
        rows.normalize_grad(g.reshape(-1, n), x, None, None, scale.reshape(-1, 1), out.reshape(-1, n))
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
            return rows.small_grad(g, x, w, mean, scale, axis[0] % 2 == 1)
    x = _in_rows(x, axis)
    layout = _layout(x, axis)
    n = math.prod(x.shape[a] for a in axis)
    if layout == "rows" and groups.fits(x, w, axis):
        out = np.empty_like(x)
        to_w, to_b = groups.normalize_grad(
            np.ascontiguousarray(g), x, w.reshape(-1), mean.reshape(-1), scale.reshape(-1), out
        )
        return out, to_w.reshape(w.shape), to_b.reshape(w.shape)
    if layout == "rows" and w.size == n:
        out, flat = np.empty_like(x), (-1, n)  # made here: the engine copies a view where it wants an array of its own
        found = rows.normalize_grad(
            g.reshape(flat), x.reshape(flat), w.reshape(n), mean.reshape(-1, 1), scale.reshape(-1, 1), out.reshape(flat)
        )
        return out, found[0].reshape(w.shape), found[1].reshape(w.shape)
    if layout == "columns":
        found = channels.columns_grad(
            channels.as_rows(g), channels.as_rows(x), w.reshape(-1), mean.reshape(-1), scale.reshape(-1)
        )
        return channels.from_rows(found[0], x), found[1].reshape(w.shape), found[2].reshape(w.shape)
    if layout == "planes":
        shape = (*x.shape[:2], -1)
        out = np.empty_like(x)
        found = channels.planes_grad(
            g.reshape(shape), x.reshape(shape), w.reshape(-1), mean.reshape(-1), scale.reshape(-1), out.reshape(shape)
        )
        return out, found[0].reshape(w.shape), found[1].reshape(w.shape)
    from . import composed
    from .base import load

    return composed.normalize_grad(load("cpu").table, g, x, w, mean, scale, axis)
