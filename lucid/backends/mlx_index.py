"""Gather and scatter on MLX.

lucid.functions raises IndexError for what is out of range, except inside vmap and jvp, where it cannot look. MLX would
then read and write foreign memory, so every index is clamped too.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import mlx.core as mx

from .mlx_dtypes import inexact, scattering

FITS = {
    "scatter_reduce": lambda x, *rest: inexact(x) and x.dtype != mx.complex64,
    "masked_scatter": lambda x, mask, source: x.size > 0 and source.size > 0,
    "masked_gather": lambda g, mask, shape: g.size > 0 and math.prod(shape) > 0,
}


def scatters(kernel: Callable) -> Callable:
    """A kernel that writes at indices into an array like its first argument."""

    @functools.wraps(kernel)
    def run(x: Any, *args: Any) -> Any:
        with scattering(x):
            return kernel(x, *args)

    return run


def _inside(indices: Any, n: int) -> Any:
    return mx.clip(indices, -n, n - 1) if n else indices


def _safe(shape: Any, index: Any) -> tuple:
    """An index for an array of this shape, with its index arrays (one for each dimension) clamped."""
    index = index if isinstance(index, tuple) else (index,)
    if Ellipsis in [k for k in index if not isinstance(k, mx.array)]:
        return index
    safe: list[Any] = []
    d = 0
    for k in index:
        if k is None:
            safe.append(k)
            continue
        safe.append(_inside(k, shape[d]) if isinstance(k, mx.array) and k.dtype != mx.bool_ else k)
        d += k.ndim if isinstance(k, mx.array) and k.dtype == mx.bool_ else 1
    return tuple(safe)


def index(x: Any, index: tuple) -> Any:
    return x[_safe(x.shape, index)]


@scatters
def setitem(x: Any, new: Any, index: tuple) -> Any:
    out = mx.array(x)
    if not x.size:  # MLX divides by the size, which ends the process
        return out
    out[_safe(x.shape, index) if index else ...] = new
    return out


def place(x: Any, shape: Any, index: tuple) -> Any:
    return setitem(mx.zeros(shape, x.dtype), x, index)


def index_put(x: Any, value: Any, index: tuple) -> Any:
    return setitem(x, value, index)


@scatters
def index_put_add(x: Any, value: Any, index: tuple) -> Any:
    index = _safe(x.shape, index)
    if not (x.size and value.size):
        return mx.array(x)
    if value.ndim > x[index].ndim:
        raise ValueError(f"values of shape {value.shape} do not fit an index of shape {x[index].shape}")
    return x.at[index].add(value)


@scatters
def place_add(g: Any, shape: Any, index: tuple) -> Any:
    out = mx.zeros(shape, g.dtype)
    return out.at[_safe(shape, index)].add(g) if out.size and g.size else out


def take_grad(g: Any, shape: Any, rows: Any) -> Any:
    return place_add(g, shape, (rows,))


# ---- through a mask ----


def masked_scatter(x: Any, mask: Any, source: Any) -> Any:
    """A copy of ``x`` with the first elements of ``source``, in order, where ``mask`` holds."""
    mask = mx.broadcast_to(mask, x.shape)
    return mx.where(mask, mx.take(source.reshape(-1), _ranks(mask, source.size)), x)


@scatters
def masked_gather(g: Any, mask: Any, shape: tuple) -> Any:
    """The transpose of ``masked_scatter`` in its source."""
    mask = mx.broadcast_to(mask, g.shape)
    chosen = mx.where(mask, g, mx.zeros_like(g))
    return mx.zeros(math.prod(shape), g.dtype).at[_ranks(mask, math.prod(shape))].add(chosen).reshape(shape)


def _ranks(mask: Any, n: int) -> Any:
    """How many places before each one the mask holds, below ``n``."""
    return mx.clip(mx.cumsum(mask.reshape(-1).astype(mx.int64), 0).reshape(mask.shape) - 1, 0, n - 1)


# ---- along one axis ----


def _corner(x: Any, indices: Any, axis: int) -> Any:
    """The part of ``x`` that smaller indices refer to, so that MLX does not broadcast them."""
    return x[tuple(slice(None) if i == axis else slice(n) for i, n in enumerate(indices.shape))]


def take_along_axis(x: Any, indices: Any, axis: int) -> Any:
    return mx.take_along_axis(_corner(x, indices, axis), _inside(indices, x.shape[axis]), axis) if x.ndim else x


def _grids(x: Any, indices: Any, axis: int) -> tuple:
    n = indices.ndim
    grids = [mx.arange(s).reshape([-1 if j == i else 1 for j in range(n)]) for i, s in enumerate(indices.shape)]
    grids[axis] = _inside(indices, x.shape[axis])
    return tuple(grids)


def _fitting(source: Any, indices: Any) -> Any:
    """``source`` may be larger than ``indices``: its corner counts."""
    if not source.ndim:
        return mx.broadcast_to(source, indices.shape)
    return mx.broadcast_to(source[tuple(slice(n) for n in indices.shape)], indices.shape)


@scatters
def scatter_add(x: Any, indices: Any, source: Any, axis: int) -> Any:
    if not x.ndim:
        return x + mx.sum(source)
    return x.at[_grids(x, indices, axis)].add(_fitting(source, indices)) if indices.size and x.size else x


@scatters
def put_along_axis(x: Any, indices: Any, source: Any, axis: int) -> Any:
    """A copy of ``x`` with ``source`` written at ``indices`` along ``axis``; of repeated positions any may win."""
    out = mx.array(x)
    if not (indices.size and x.size):
        return out
    if not x.ndim:
        return source.reshape(-1)[-1].reshape(()).astype(x.dtype)
    if not indices.ndim:
        indices, source = indices.reshape(1), source.reshape(-1)
    out[_grids(x, indices, axis % x.ndim)] = _fitting(source, indices)
    return out


@scatters
def scatter_reduce(x: Any, indices: Any, source: Any, axis: int, reduce: str, include_self: bool) -> Any:
    """``sum``, ``prod``, ``mean``, ``amax`` or ``amin`` of what falls on each position along ``axis``."""
    if not (indices.size and x.size):
        return mx.array(x)
    if x.dtype in (mx.float16, mx.bfloat16):
        wide = (x.astype(mx.float32), indices, source.astype(mx.float32))
        return scatter_reduce(*wide, axis, reduce, include_self).astype(x.dtype)
    if not x.ndim or not indices.ndim:
        flat = (x.reshape(-1), indices.reshape(-1), source.reshape(-1)[:1])
        return scatter_reduce(*flat, 0, reduce, include_self).reshape(x.shape)
    at = _grids(x, indices, axis % x.ndim)
    source = _fitting(source, indices)
    if not include_self:
        x = mx.array(x)
        x[at] = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "amax": -mx.inf, "amin": mx.inf}[reduce]
    if reduce in ("sum", "mean"):
        total = x.at[at].add(source)
        if reduce == "sum":
            return total
        start = mx.ones_like(x) if include_self else mx.zeros_like(x)
        return total / mx.maximum(start.at[at].add(mx.ones_like(source)), 1)
    if reduce == "prod":
        return x.at[at].multiply(source)
    return x.at[at].maximum(source) if reduce == "amax" else x.at[at].minimum(source)
