"""Sorting on MLX. Its sort promises no order of equal elements, so ranks of distinct values break the ties. NaN is the largest."""

from __future__ import annotations

from typing import Any

import mlx.core as mx

FITS = dict.fromkeys(
    ("argsort", "topk_indices", "kth_index", "sort", "mode_index"),
    lambda x, *rest, **named: x.size > 0 and x.dtype != mx.complex64,
) | {
    "searchsorted": lambda s, values, *rest: s.ndim == 1 and s.size > 0 and values.size > 0 and s.dtype == values.dtype,
    "isin": lambda x, y: x.size > 0 and y.size > 0 and x.dtype == y.dtype and x.dtype != mx.complex64,
}


def argsort(x: Any, axis: int, descending: bool = False, stable: bool = True) -> Any:
    """Stable. After one sort each element knows its place among distinct values; (that place, its index) as one number is
    sorted again, and has no ties."""
    if not x.ndim:
        return mx.zeros((), mx.int64)
    if descending:  # flipping twice keeps equal elements in order
        back = argsort(_flipped(x, axis), axis)
        return _flipped(x.shape[axis] - 1 - back, axis)
    axis %= x.ndim
    x = mx.moveaxis(x.astype(mx.uint8) if x.dtype == mx.bool_ else x, axis, -1)
    n = x.shape[-1]
    order = mx.argsort(x, -1).astype(mx.int64)
    ordered = mx.take_along_axis(x, order, -1)
    before, after = ordered[..., :-1], ordered[..., 1:]
    new = (before != after) & ~(mx.isnan(before) & mx.isnan(after))
    run = mx.concatenate([mx.zeros((*x.shape[:-1], 1), mx.int64), mx.cumsum(new.astype(mx.int64), -1)], -1)
    return mx.moveaxis(mx.sort(run * n + order, -1) % n, -1, axis)


def _flipped(x: Any, axis: int) -> Any:
    return x[(slice(None),) * (axis % x.ndim) + (slice(None, None, -1),)]


def sort(x: Any, axis: int, descending: bool = False, stable: bool = True) -> Any:
    return mx.take_along_axis(x, argsort(x, axis, descending), axis) if x.ndim else mx.array(x)


def topk_indices(x: Any, k: int, axis: int, largest: bool) -> Any:
    """Where the k largest (smallest) are, best first; of equals the first."""
    return argsort(x, axis, largest)[(slice(None),) * (axis % x.ndim) + (slice(k),)]


def kth_index(x: Any, k: int, axis: int) -> Any:
    """Where the element is that comes at place ``k`` (from 0) in ascending order; the axis is kept."""
    return argsort(x, axis)[(slice(None),) * (axis % x.ndim) + (slice(k, k + 1),)]


def mode_index(x: Any, axis: int) -> Any:
    """Where the last occurrence of the most frequent element is (the smallest of equally frequent); the axis is kept."""
    x = mx.moveaxis(x, axis, -1)
    order = argsort(x, -1)
    ordered = mx.take_along_axis(x, order, -1)
    place = mx.arange(x.shape[-1], dtype=mx.int64)
    same = mx.concatenate([mx.zeros((*x.shape[:-1], 1), mx.bool_), ordered[..., 1:] == ordered[..., :-1]], -1)
    length = place - mx.cummax(mx.where(same, mx.zeros_like(place), place), -1)
    best = mx.argmax(length, -1, keepdims=True)
    return mx.moveaxis(mx.take_along_axis(order, best, -1), -1, axis)


def searchsorted(sorted_: Any, values: Any, right: bool = False) -> Any:
    return mx.searchsorted(sorted_, values, "right" if right else "left").astype(mx.int64)


def isin(x: Any, y: Any) -> Any:
    y = mx.sort(y.reshape(-1))
    return mx.take(y, mx.clip(mx.searchsorted(y, x), 0, y.size - 1)) == x
