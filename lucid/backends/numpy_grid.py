"""Sampling images at points on NumPy: the corners of all points in one read, and in one addition back."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ._machine import COMPILES, DTYPES
from .compiled import available

LARGEST = 1 << 18  # values read at a time: what stays in the cache
TAPS = {"nearest": 1, "bilinear": 2, "bicubic": 4}


def grid_sample(x: Any, grid: Any, mode: str, padding: str, align: bool) -> Any:
    """The values of x (N, C, *sizes) at grid (N, *places, axes)."""
    if x.dtype.itemsize == 2:
        return grid_sample(x.astype(np.float32), grid.astype(np.float32), mode, padding, align).astype(x.dtype)
    out = np.empty((*x.shape[:2], *grid.shape[1:-1]), x.dtype)
    for part in _parts(x, grid, mode):
        where, weights, _ = _taps(grid[part], x.shape[2:], mode, padding, align)
        flat, corner = _flat(x[part], mode), _product(weights)
        to = out[part].reshape(-1, len(flat), where.shape[2]).swapaxes(0, 1)
        if _compiles(where, weights, x):
            from . import machine_grid

            machine_grid.sample(flat, where, corner, to)
        else:
            values = flat.take(where, 1)  # (channels, corners, images, places)
            values = values if corner is None else np.multiply(values, corner, values)
            np.add.reduce(values, 1, None, to)
    return out


def grid_sample_grad(g: Any, x: Any, grid: Any, mode: str, padding: str, align: bool, needs: Any) -> tuple:
    """The gradients of x and of the grid, None where they are not needed."""
    if x.dtype.itemsize == 2:
        g32, x32, grid32 = (a.astype(np.float32) for a in (g, x, grid))
        found = grid_sample_grad(g32, x32, grid32, mode, padding, align, needs)
        return tuple(None if a is None else a.astype(x.dtype) for a in found)
    dx: Any = (np.empty if g.size else np.zeros)(x.shape, x.dtype) if needs[0] else None
    dgrid: Any = np.zeros(grid.shape, grid.dtype) if needs[1] else None
    for part in _parts(x, grid, mode):
        image = x[part]
        where, weights, slopes = _taps(grid[part], x.shape[2:], mode, padding, align, needs[1])
        given, corner = g[part].reshape(*image.shape[:2], where.shape[2]).swapaxes(0, 1), _product(weights)
        compiles = _compiles(where, weights, x)
        if compiles:
            from . import machine_grid
        if dx is not None:
            total, inside = _framed(image, mode)
            lines = total.reshape(len(total), math.prod(total.shape[1:]))
            if compiles:
                machine_grid.spread(given, where, corner, lines)
            else:
                shares = given[:, None] if corner is None else given[:, None] * corner
                for line, share in zip(lines, shares, strict=True):
                    np.add.at(line, where.reshape(-1), share.reshape(-1))
            dx[part] = inside.swapaxes(0, 1)
        if slopes is not None:
            flat = _flat(image, mode)
            along = np.zeros(where.shape, x.dtype)
            if compiles:
                machine_grid.correlate(given, where, flat, along)
            else:
                values = flat.take(where, 1)
                np.add.reduce(np.multiply(values, given[:, None], values), 0, None, along)
            to = dgrid[part].reshape(len(image), where.shape[2], x.ndim - 2)
            for axis in range(x.ndim - 2):
                share = _product(weights, slopes, axis)
                np.add.reduce(np.multiply(share, along, share), 0, None, to[..., x.ndim - 3 - axis])
    return dx, dgrid


def _compiles(where: Any, weights: Any, x: Any) -> bool:
    return weights is not None and where.size * x.shape[1] >= COMPILES and x.dtype in DTYPES and available()


def _product(weights: Any, slopes: Any = None, axis: int = -1) -> Any:
    """Of every corner (corners, images, places); along ``axis`` the slopes take the place of the weights."""
    out = None
    for i in range(0 if weights is None else weights.shape[1]):
        w = (slopes if i == axis else weights)[:, i]
        out = w if out is None else (out[:, None] * w).reshape(-1, *w.shape[1:])
    return out


def _parts(x: Any, grid: Any, mode: str) -> list[slice]:
    """Images to take at a time."""
    n, count = len(x), math.prod(grid.shape[:-1]) * x.shape[1] * TAPS[mode] ** (x.ndim - 2)
    if count <= LARGEST:
        return [slice(n)] if count else []
    step = max(1, LARGEST * n // count)
    return [slice(i, i + step) for i in range(0, n, step)]


def _framed(x: Any, mode: str) -> tuple:
    """Zeros (C, N, *sizes) with a frame as wide as there are taps, where corners outside of an image lie; and what is inside."""
    edge = max(TAPS[mode], 2)
    out = np.zeros((x.shape[1], len(x), *[size + 2 * edge for size in x.shape[2:]]), x.dtype)
    return out, out[(..., *[slice(edge, -edge)] * (x.ndim - 2))]


def _flat(x: Any, mode: str) -> Any:
    """For each channel all pixels of all images in a row, framed in zeros."""
    out, inside = _framed(x, mode)
    inside[...] = x.swapaxes(0, 1)
    return out.reshape(len(out), math.prod(out.shape[1:]))


@functools.lru_cache(64)
def _units(sizes: tuple, dtype: Any, mode: str, align: bool) -> tuple:
    """Numbers of each axis (axes, 1, 1): 1, half a side, -1/2 or 0, the last pixel, limits beyond which all corners are outside;
    where a point's first corner is from it, with the frame; and the sides with the frame."""
    n = np.array(sizes, dtype).reshape(-1, 1, 1)
    reach, edge = mode == "bicubic", max(TAPS[mode], 2)
    half, shift = (n - 1 if align else n) * dtype.type(0.5), dtype.type(0 if align else -0.5)
    offsets = np.arange(TAPS[mode], dtype=dtype).reshape(-1, 1, 1, 1) - reach
    sides = [size + 2 * edge for size in sizes]
    return dtype.type(1), half, shift, n - 1, -dtype.type(2 + reach), n + reach, offsets, edge, sides


def _taps(grid: Any, sizes: tuple, mode: str, padding: str, align: bool, sloped: bool = False) -> tuple:
    """Positions (corners, images, places) in ``_flat``, weights (taps, axes, images, places) and their slopes."""
    one, half, shift, last, low, high, offsets, edge, sides = _units(sizes, grid.dtype, mode, align)
    n, axes = len(grid), len(sizes)
    u = np.add(grid.reshape(n, math.prod(grid.shape[1:-1]), axes).transpose(2, 0, 1)[::-1], one, order="C")
    u *= half
    u += shift
    slope, weights = half, None
    if padding == "zeros":
        np.maximum(u, low, u)
        np.minimum(u, high, u)
    elif mode != "bicubic":
        u, sign = _limited(u, last, padding, align)
        slope = half * sign
    if mode == "nearest":
        position, slopes = np.rint(np.fmax(u, low))[None], None
    else:
        base = np.floor(np.fmax(u, low))  # NaN: outside, with weights that are NaN
        u -= base
        weights, slopes = _weights(u, mode, slope if sloped else None)
        position = base + offsets
        if mode == "bicubic" and padding != "zeros":
            position = _limited(position, last, padding, align)[0]
    position = position.astype(np.intp)
    position += edge
    where = position[:, 0]
    for i in range(1, axes):
        where = (where[:, None] * sides[i] + position[:, i]).reshape(-1, *where.shape[1:])
    if n > 1:
        pixels = math.prod(sides)
        where += np.arange(0, n * pixels, pixels)[:, None]
    return where, weights, slopes


def _weights(t: Any, mode: str, slope: Any) -> tuple:
    """The weights of the pixels around a point at ``t`` after the one before it, and their derivatives times ``slope``."""
    if mode == "bilinear":
        w = np.empty((2, *t.shape), t.dtype)
        np.subtract(1, t, w[0])
        w[1] = t
        if slope is None:
            return w, None
        slopes = np.empty_like(w)
        slopes[1] = slope
        np.negative(slopes[1], slopes[0])
        return w, slopes
    a, far, near = -0.75, np.stack([t + 1, 2 - t]), np.stack([t, 1 - t])
    w = np.stack([((a * far - 5 * a) * far + 8 * a) * far - 4 * a, ((a + 2) * near - (a + 3)) * near * near + 1])
    d = (
        np.stack([(3 * a * far - 10 * a) * far + 8 * a, (3 * (a + 2) * near - 2 * (a + 3)) * near])
        if slope is not None
        else w
    )
    w, d = (np.stack([v[0, 0], v[1, 0], v[1, 1], v[0, 1]]) for v in (w, d))
    if slope is None:
        return w, None
    d *= slope
    np.negative(d[2:], d[2:])
    return w, d


def _limited(u: Any, last: Any, padding: str, align: bool) -> tuple:
    """Points moved inside, and the derivative of that: 0 where they stop at the border, -1 where they are reflected."""
    sign = 1
    if padding == "reflection":
        low = 0 if align else -0.5
        span = np.maximum(last - 2 * low, 1)
        u = np.mod(u + (span - low), 2 * span) - span
        sign, u = np.sign(u), np.abs(u) + low
    sign = sign * ((u > 0) & (u < last)).astype(u.dtype)
    return np.fmin(np.fmax(u, 0), last), sign
