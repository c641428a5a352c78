"""Channels in groups, each group of one sample with a mean and a deviation, each channel with a weight (group norm)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._machine import compiles
from .._workspace import room
from .blocks import blocks, ndarray, near_zero, ones


def fits(x: ndarray, w: Any, axis: tuple) -> bool:
    """Whether this is a group norm: x (N, groups, channels of each, positions), one weight for each channel."""
    return x.ndim == 4 and axis == (2, 3) and w.shape == (1, *x.shape[1:3], 1)


def normalize(x: ndarray, w: ndarray, b: ndarray, eps: float) -> tuple:
    n, groups, each, size = x.shape
    out, mean, var = np.empty_like(x), *np.empty((2, n * groups), x.dtype)
    rows = x.reshape(n * groups, each * size)
    if compiles(x):
        from .. import machine_rows

        eps, to = x.dtype.type(eps), out.reshape(rows.shape)
        machine_rows.normalize_groups(rows, w, b, groups, eps, to, mean, var)
        return out, mean, var
    count = each * size
    over = ones(count, x.dtype) * x.dtype.type(1 / count)
    np.dot(rows, over, mean)
    np.vecdot(rows, rows, var)
    var /= count
    var -= mean * mean
    if near_zero(mean, var):
        source, rest = x, mean
    else:  # centred first; `rest` is by what rounding has missed the mean
        source, rest, flat = out, np.empty_like(mean), out.reshape(rows.shape)
        for at in blocks(n * groups, count):
            y = np.subtract(rows[at], mean[at, None], flat[at])
            np.dot(y, over, rest[at])
            np.vecdot(y, y, var[at])
        var /= count
        var -= rest * rest
        mean += rest
    a = w.reshape(groups, each) / np.sqrt(var + eps).reshape(n, groups, 1)
    shift = b.reshape(groups, each) - a * rest.reshape(n, groups, 1)
    for at in blocks(n, groups * count):
        part = np.multiply(source[at], a[at, ..., None], out[at])
        part += shift[at, ..., None]
    return out, mean, var


def normalize_grad(g: ndarray, x: ndarray, w: ndarray, mean: ndarray, scale: ndarray, out: ndarray) -> tuple:
    """The gradient of x into ``out``; returns those of w and b."""
    n, groups, each, size = x.shape
    if compiles(x):
        from .. import machine_rows

        to_w, to_b = np.empty((2, groups * each), x.dtype)
        flat, o = (a.reshape(n * groups, each * size) for a in (x, out))
        machine_rows.normalize_groups_grad(g.reshape(flat.shape), flat, w, groups, mean, scale, o, to_w, to_b)
        return to_w, to_b
    centred = bool((mean * mean * (scale * scale) <= 4).all())  # nearly: the sums may be centred afterwards
    mean, scale, w = mean.reshape(n, groups, 1), scale.reshape(n, groups, 1), w.reshape(groups, each)
    to_b, to_w = np.empty((2, n, groups, each), x.dtype)  # by sample, to be added up
    for at in blocks(n, groups * each * size):
        hat, m, r = room(x[at], 0), mean[at], scale[at]
        source = x[at] if centred else np.subtract(x[at], m[..., None], hat)
        np.dot(g[at], ones(size, x.dtype), to_b[at])
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
