"""All axes but the channels are reduced (batch norm): the channels lie next to each other, or each is a plane."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._workspace import room
from ..compiled import available
from .blocks import COMPILES, WIDE, blocks, ndarray


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
    total = np.zeros(c, x.dtype)
    for at in blocks(count, c):
        total += np.dot(np.ones(len(x[at]), x.dtype), x[at])
    mean, var = total / count, np.zeros(c, x.dtype)
    out = np.empty_like(x)
    for at in blocks(count, c):
        y = np.subtract(x[at], mean, out[at])
        var += np.einsum("ij,ij->j", y, y)
    var /= count
    a, shift = coefficients(mean, var, w, b, eps)
    for at in blocks(count, c):
        y = out[at]
        y *= a
        if b is not None:
            y += shift
    return out, mean, var


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
    to_w, to_b = np.zeros((2, c), x.dtype)
    for at in blocks(count, c):
        hat = x[at] - mean
        to_w += np.einsum("ij,ij->j", g[at], hat)
        to_b += np.dot(np.ones(len(hat), x.dtype), g[at])
    to_w *= scale
    out = np.empty_like(x)
    a, along, shift = scale * w, scale * scale * w * to_w / count, scale * w * to_b / count
    for at in blocks(count, c):
        o = np.subtract(x[at], mean, out[at])
        o *= along
        np.subtract(g[at] * a, o, o)
        o -= shift
    return out, to_w, to_b


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
