"""Shapes on MLX. Every result is an array of its own: MLX's slices share nothing (views are kept up in core/view.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np

from .base import load
from .mlx_dtypes import BOUNDS, from_host
from .mlx_index import scatters

FITS = {"repeat_interleave": lambda x, repeats, axis: isinstance(repeats, int)}


def _carries(kernel: Callable) -> Callable:
    """What a kernel returns holds only elements of its input, so the input's bounds hold for it."""

    def run(x: Any, *args: Any) -> Any:
        out = kernel(x, *args)
        BOUNDS.carry(x, out)
        return out

    run.__name__ = kernel.__name__
    run.__module__ = kernel.__module__
    return run


@_carries
def reshape(x: Any, shape: Any) -> Any:
    return mx.reshape(x, shape)


@_carries
def permute_dims(x: Any, axes: Any) -> Any:
    return mx.transpose(x, axes) if x.ndim else x


@_carries
def matrix_transpose(x: Any) -> Any:
    return mx.swapaxes(x, -1, -2)


@_carries
def expand_dims(x: Any, axis: Any) -> Any:
    return mx.expand_dims(x, axis)


@_carries
def broadcast_to(x: Any, shape: Any) -> Any:
    return mx.broadcast_to(x, shape)


@_carries
def take_slice(x: Any, axis: int, start: int, stop: int) -> Any:
    return x[(slice(None),) * axis + (slice(start, stop),)]


@_carries
def flip(x: Any, axis: Any) -> Any:
    axes = {a % x.ndim for a in axis} if x.ndim else ()
    return x[tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(x.ndim))] if x.ndim else x


@_carries
def roll(x: Any, shift: Any, axis: Any) -> Any:
    return mx.roll(x, shift, axis)


@_carries
def getitem(x: Any, index: tuple) -> Any:
    return x[index] if index else x


def concat(*xs: Any) -> Any:
    *arrays, axis = xs
    return mx.concatenate(arrays, axis)


def tril(x: Any, k: int = 0) -> Any:
    return mx.tril(x, k)


def triu(x: Any, k: int = 0) -> Any:
    return mx.triu(x, k)


# ---- diagonals ----


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return mx.diagonal(x, offset, axis1, axis2)


@scatters
def diagonal_put(x: Any, new: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """A copy of ``x`` with ``new`` on a diagonal."""
    moved = _last_two(x, axis1, axis2)
    n, m = moved.shape[-2:]
    length = max(0, min(n + min(offset, 0), m - max(offset, 0)))
    if not length or not x.size:
        return mx.array(x)
    at = mx.arange(length)
    out = mx.array(moved)
    out[..., at + max(-offset, 0), at + max(offset, 0)] = new
    return _back(out, axis1 % x.ndim, axis2 % x.ndim)


def diagonal_place(g: Any, shape: tuple, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Zeros of ``shape`` with ``g`` on a diagonal."""
    return diagonal_put(mx.zeros(shape, g.dtype), g, offset, axis1, axis2)


def _order(ndim: int, axis1: int, axis2: int) -> tuple[int, ...]:
    return (*(i for i in range(ndim) if i not in (axis1, axis2)), axis1, axis2)


def _last_two(x: Any, axis1: int, axis2: int) -> Any:
    return mx.transpose(x, _order(x.ndim, axis1 % x.ndim, axis2 % x.ndim))


def _back(x: Any, axis1: int, axis2: int) -> Any:
    order = _order(x.ndim, axis1, axis2)
    return mx.transpose(x, tuple(order.index(i) for i in range(x.ndim)))


# ---- windows ----


def unfold(x: Any, axis: int, size: int, step: int) -> Any:
    """All windows of ``size`` along ``axis``, ``step`` apart, as a last axis."""
    if not x.ndim:
        return x.reshape(1)[:size].reshape(size)
    axis %= x.ndim
    count = (x.shape[axis] - size) // step + 1
    if not size or not x.size:
        return mx.zeros((*x.shape[:axis], count, *x.shape[axis + 1 :], size), x.dtype)
    lead = (slice(None),) * axis
    return mx.stack([x[(*lead, slice(i, i + step * (count - 1) + 1, step))] for i in range(size)], -1)


@scatters
def fold_windows(g: Any, shape: tuple, axis: int, size: int, step: int) -> Any:
    """Windows added back to where they came from: the transpose of ``unfold``."""
    if not shape:
        return mx.sum(g).reshape(()).astype(g.dtype)
    axis %= len(shape)
    out, lead, count = mx.zeros(shape, g.dtype), (slice(None),) * axis, g.shape[axis]
    for i in range(size if count and g.size else 0):
        out = out.at[(*lead, slice(i, i + step * (count - 1) + 1, step))].add(g[..., i])
    return out


# ---- repetition, and raw memory: an array is its own memory, in row order ----


def repeat_interleave(x: Any, repeats: int, axis: int) -> Any:
    return mx.repeat(x, repeats, axis)


def repeat_positions(x: Any, n: int, repeats: Any) -> Any:
    """Which of ``n`` slices each slice of ``repeat_interleave``'s result came from."""
    return from_host(np.repeat(np.arange(n), np.array(repeats)))


def storage_of(x: Any) -> tuple[int, int]:
    return x.size, 0


def strided_positions(x: Any, size: tuple, stride: tuple, offset: int) -> Any:
    return from_host(load("cpu").table.strided_positions(None, size, stride, offset))


def as_strided(x: Any, size: tuple, stride: tuple, offset: int, geometry: Any = None) -> Any:
    """Elements by their position in memory, which must be inside: MLX would read foreign memory."""
    at = load("cpu").table.strided_positions(None, size, stride, offset)
    if at.size and at.max() >= x.size:
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)} and storage offset {offset} require {at.max() + 1} "
            f"elements, which are out of bounds for storage of {x.size}"
        )
    return mx.take(x.reshape(-1), from_host(at)).reshape(size)
