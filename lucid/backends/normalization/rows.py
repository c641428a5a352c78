"""The last axes are reduced, and lie next to each other (layer norm): every row has a mean and a deviation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._machine import compiles
from .._workspace import room
from .blocks import BLOCK, WIDE, blocks, ndarray, near_zero, ones


def small(x: ndarray, w: Any, b: Any, eps: float) -> tuple:
    """Few rows: what counts is the number of calls."""
    over = x.dtype.type(1 / x.shape[1])
    mean = (np.dot(x, ones(x.shape[1], x.dtype)) * over)[:, None]
    out = np.subtract(x, mean)
    var = np.vecdot(out, out)[:, None]
    var *= over
    np.divide(out, np.sqrt(var + x.dtype.type(eps)), out)
    if w is not None:
        np.multiply(out, w.reshape(-1), out)
        np.add(out, b.reshape(-1), out)
    return out, mean, var


def small_grad(g: ndarray, x: ndarray, w: ndarray, mean: ndarray, scale: ndarray, rows: bool) -> tuple:
    over = x.dtype.type(1 / x.shape[rows])
    hat = np.subtract(x, mean)
    np.multiply(hat, scale, hat)
    to_w, to_b = np.einsum("ij,ij->j", g, hat), np.dot(ones(len(g), x.dtype), g)
    out = np.multiply(g, w)
    if rows:
        along, a = np.dot(out, ones(x.shape[1], x.dtype))[:, None], np.vecdot(out, hat)[:, None]
    else:
        along, a = to_b * w, to_w * w
    np.multiply(hat, a * over, hat)
    np.subtract(out, hat, out)
    np.subtract(out, along * over, out)
    return np.multiply(out, scale, out), to_w.reshape(w.shape), to_b.reshape(w.shape)


def normalize(x: ndarray, w: Any, b: Any, eps: float) -> tuple:
    count, n = x.shape
    if w is not None and compiles(x):
        from .. import machine_rows

        out, mean, var = np.empty_like(x), *np.empty((2, count), x.dtype)
        machine_rows.normalize(x, w.reshape(n), b.reshape(n), x.dtype.type(eps), out, mean, var)
        return out, mean, var
    if w is not None and x.size >= 16384:
        found = affine(x, w.reshape(n), b.reshape(n), eps, np.ones(n, x.dtype))
        if found is not None:
            return found
    if x.size <= BLOCK:
        return centred(x, w, b, eps)
    out, mean, var = np.empty_like(x), *np.empty((2, count, 1), x.dtype)
    for at in blocks(count, n):
        out[at], mean[at], var[at] = centred(x[at], w, b, eps)
    return out, mean, var


def centred(x: ndarray, w: Any, b: Any, eps: float) -> tuple:
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


def affine(x: ndarray, w: ndarray, b: ndarray, eps: float, ones: ndarray) -> tuple | None:
    """``x * (r w) + (b - m r w)`` for rows with mean m and 1 / std r, both brackets as products of small matrices: BLAS
    lays vectors along rows and columns faster than broadcasting does, and no pass is needed to centre."""
    count, n = x.shape
    mean = np.dot(x, ones)
    mean /= n
    var = np.vecdot(x, x)
    var /= n
    var -= mean * mean
    if not (near_zero(mean, var) and np.dot(w, w) < math.inf):
        return None
    r = 1 / np.sqrt(var + eps)
    ends = np.empty((count, 2), x.dtype)
    np.multiply(mean, -r, ends[:, 0])
    ends[:, 1] = 1
    both = np.stack([w, b])
    out = np.empty_like(x)
    for at in blocks(count, n, WIDE):
        y, factor = out[at], room(x[at], 0)
        np.dot(r[at, None], w[None], factor)
        np.multiply(factor, x[at], factor)
        np.dot(ends[at], both, y)
        np.add(y, factor, y)
    return out, mean[:, None], var[:, None]


def normalize_grad(g: ndarray, x: ndarray, w: Any, mean: Any, scale: ndarray, out: ndarray) -> tuple:
    """The gradient of x into ``out``; returns those of w and b. Without ``mean``, ``x`` is standardized already (and there
    is no w)."""
    count, n = x.shape
    if mean is not None and compiles(x):
        from .. import machine_rows

        to_w, to_b = np.empty((2, n), x.dtype)
        machine_rows.normalize_grad(np.ascontiguousarray(g), x, w, mean[:, 0], scale[:, 0], out, to_w, to_b)
        return to_w, to_b
    if mean is not None and x.size >= 4096 and bool((mean * mean * (scale * scale) <= 4).all()):
        return affine_grad(np.ascontiguousarray(g), x, w, mean, scale, out)
    to_w, to_b = np.zeros((2, n), x.dtype)
    over = 1 / n
    for at in blocks(count, n):
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


def affine_grad(g: ndarray, x: ndarray, w: ndarray, mean: ndarray, scale: ndarray, out: ndarray) -> tuple:
    """``g * (r w) - x * a + d`` with numbers a and d per row. All sums are products of g and of g * x with vectors, where
    means near zero let the centring be done afterwards, on the sums."""
    count, n = x.shape
    sums = np.zeros((2, n), x.dtype)  # of columns: of g, and of g * (x - m) * r
    r = scale[:, 0]
    ends = np.empty((2, count), x.dtype)
    ends[0] = 1
    np.multiply(mean[:, 0], -r, ends[1])
    for at in blocks(count, n, WIDE):
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
