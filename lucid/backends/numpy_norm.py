"""Standardisation on NumPy, in blocks of rows that stay in the cache: each pass over a block costs a fraction of one over memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .numpy_ import F32, is_half

BLOCK = 65_536  # elements: 256 kB of float32, within the second-level cache
RUN = 64  # rows summed one after the other


def standardize(x: Any, axis: Any, eps: float) -> tuple:
    """``(x - mean) / sqrt(var + eps)`` over ``axis``, the mean and the (biased) variance, these with sizes 1."""
    if is_half(x):
        return tuple(a.astype(x.dtype) for a in standardize(x.astype(F32), axis, eps))
    if not x.size:
        return _plain(x, axis, eps)
    if _trailing(x, axis):
        return _rows(x, axis, eps)
    order = _channels_last(x, axis)
    if order is not None:
        return _columns(x, order, eps)
    return _plain(x, axis, eps)


def _trailing(x: Any, axis: Any) -> bool:
    return x.flags.c_contiguous and tuple(axis) == tuple(range(x.ndim - len(axis), x.ndim))


def _channels_last(x: Any, axis: Any) -> tuple | None:
    """All axes but 1 are reduced and the channels lie next to each other in memory: the order that shows it."""
    if x.ndim < 2 or tuple(axis) != (0, *range(2, x.ndim)):
        return None
    order = (0, *range(2, x.ndim), 1)
    return order if x.transpose(order).flags.c_contiguous else None


def _rows(x: Any, axis: Any, eps: float) -> tuple:
    n = math.prod(x.shape[a] for a in axis)
    rows = x.reshape(-1, n)
    out = np.empty_like(rows)
    mean, var = np.empty((2, len(rows), 1), x.dtype)
    step = max(1, BLOCK // n)
    for start in range(0, len(rows), step):
        part, hat = rows[start : start + step], out[start : start + step]
        m, v = mean[start : start + step], var[start : start + step]
        np.add.reduce(part, 1, None, m, True)
        m /= n
        np.subtract(part, m, hat)
        np.einsum("ij,ij->i", hat, hat, out=v[:, 0])
        v /= n
        hat *= 1 / np.sqrt(v + eps)
    small = x.shape[: x.ndim - len(axis)] + (1,) * len(axis)
    return out.reshape(x.shape), mean.reshape(small), var.reshape(small)


def _column_products(x: Any, y: Any) -> Any:
    """The sum of ``x * y`` over rows, in short runs: one long sum in float32 has twenty times the error."""
    whole = len(x) - len(x) % RUN
    parts = [a[:whole].reshape(-1, RUN, a.shape[1]) for a in (x, y)]
    total = np.add.reduce(np.einsum("kij,kij->kj", *parts), 0)
    if whole != len(x):
        total += np.einsum("ij,ij->j", x[whole:], y[whole:])
    return total


def _columns(x: Any, order: tuple, eps: float) -> tuple:
    channels = x.shape[1]
    rows = x.transpose(order).reshape(-1, channels)
    n, step = len(rows), max(1, BLOCK // channels)
    blocks = [slice(start, start + step) for start in range(0, n, step)]
    ones = np.ones(step, x.dtype)
    mean = np.add.reduce([np.dot(ones[: len(rows[b])], rows[b]) for b in blocks], 0)
    mean /= n
    out = np.empty_like(rows)
    var = np.zeros(channels, x.dtype)
    for b in blocks:
        np.subtract(rows[b], mean, out[b])
        var += _column_products(out[b], out[b])
    var /= n
    scale = 1 / np.sqrt(var + eps)
    for b in blocks:
        out[b] *= scale
    back = (0, x.ndim - 1, *range(1, x.ndim - 1))
    small = (1, channels) + (1,) * (x.ndim - 2)
    shape = tuple(x.shape[a] for a in order)
    return out.reshape(shape).transpose(back), mean.reshape(small), var.reshape(small)


def _plain(x: Any, axis: Any, eps: float) -> tuple:
    n = math.prod(x.shape[a] for a in axis)
    mean = np.add.reduce(x, tuple(axis), None, None, True) / x.dtype.type(n)
    out = x - mean
    var = np.add.reduce(out * out, tuple(axis), None, None, True) / x.dtype.type(n)
    out *= 1 / np.sqrt(var + eps)
    return out, mean, var


def standardize_grad(g: Any, hat: Any, scale: Any, axis: Any) -> Any:
    """``scale * (g - mean(g) - hat * mean(g * hat))``."""
    if is_half(hat):
        return standardize_grad(g.astype(F32), hat.astype(F32), scale.astype(F32), axis).astype(hat.dtype)
    n = math.prod(hat.shape[a] for a in axis)
    if hat.size and _trailing(hat, axis):
        return _rows_grad(g.reshape(-1, n), hat.reshape(-1, n), scale.reshape(-1, 1), n).reshape(hat.shape)
    order = _channels_last(hat, axis) if hat.size else None
    if order is not None:
        shape = tuple(hat.shape[a] for a in order)
        rows = [a.transpose(order).reshape(-1, hat.shape[1]) for a in (g, hat)]
        back = (0, hat.ndim - 1, *range(1, hat.ndim - 1))
        return _columns_grad(*rows, scale.reshape(-1)).reshape(shape).transpose(back)
    axis = tuple(axis)
    out = g - hat * (np.add.reduce(g * hat, axis, None, None, True) / n)
    out -= np.add.reduce(g, axis, None, None, True) / n
    out *= scale
    return out


def _rows_grad(g: Any, hat: Any, scale: Any, n: int) -> Any:
    out = np.empty_like(hat)
    step = max(1, BLOCK // n)
    for start in range(0, len(hat), step):
        part, h, o = g[start : start + step], hat[start : start + step], out[start : start + step]
        along = np.einsum("ij,ij->i", part, h)[:, None]
        along /= n
        np.multiply(h, along, o)
        np.subtract(part, o, o)
        o -= np.add.reduce(part, 1, None, None, True) / n
        o *= scale[start : start + step]
    return out


def _columns_grad(g: Any, hat: Any, scale: Any) -> Any:
    n, channels = hat.shape
    step = max(1, BLOCK // channels)
    blocks = [slice(start, start + step) for start in range(0, n, step)]
    ones = np.ones(step, hat.dtype)
    mean = np.add.reduce([np.dot(ones[: len(g[b])], g[b]) for b in blocks], 0) / n
    along = np.add.reduce([_column_products(g[b], hat[b]) for b in blocks], 0) / n
    out = np.empty_like(hat)
    for b in blocks:
        np.multiply(hat[b], along, out[b])
        np.subtract(g[b], out[b], out[b])
        out[b] -= mean
        out[b] *= scale
    return out
