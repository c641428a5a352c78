"""Order on NumPy: sorting, selection, searching, counting. NaN is the largest, as in torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from .numpy_ import F32, is_half


def _plain(x: Any) -> Any:
    """Half types as float32: NumPy compares those without conversions."""
    return x.astype(F32) if is_half(x) else x


def sort(x: Any, axis: int, descending: bool = False, stable: bool = True) -> Any:
    return np.take_along_axis(x, argsort(x, axis, descending, stable), axis) if x.ndim else x.copy()


def argsort(x: Any, axis: int, descending: bool = False, stable: bool = True) -> Any:
    if not x.ndim:
        return np.zeros((), np.int64)
    x = _plain(x)
    if not descending:
        return x.argsort(axis, kind="stable")
    turned = (slice(None),) * (axis % x.ndim) + (slice(None, None, -1),)
    back = x[turned].argsort(axis, kind="stable")  # turning twice keeps equal elements in order
    return np.subtract(x.shape[axis] - 1, back[turned])


def topk_indices(x: Any, k: int, axis: int, largest: bool) -> Any:
    """Where the k largest (smallest) are, best first: a partition, then a sort of the k."""
    n = x.shape[axis]
    x = _plain(x)
    if 4 * k > n or n < 64:
        order = argsort(x, axis, largest)
        return order[(slice(None),) * (axis % x.ndim) + (slice(0, k),)].copy()
    if k <= 64 and x.dtype.kind in "f":
        found = _best_one_by_one(x, k, axis, largest)
        if found is not None:
            return found
    at = np.argpartition(x, n - k if largest else k - 1, axis)
    at = np.take(at, np.arange(n - k, n) if largest else np.arange(k), axis)
    at = np.sort(at, axis)  # the first of equals comes first
    order = argsort(np.take_along_axis(x, at, axis), axis, largest)
    return np.take_along_axis(at, order, axis)


def _best_one_by_one(x: Any, k: int, axis: int, largest: bool) -> Any:
    """The best, then the best of the others, and so on: ``argmax`` is 100 times as fast as a partition. None where fewer
    than k elements are better than the worst there is, which takes the place of those found."""
    left = np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])
    left = np.negative(left) if not largest else left.copy()  # argmin would find NaN first, but NaN is the largest
    if not largest and np.isnan(np.add.reduce(left, None)):
        left[np.isnan(left)] = -np.inf
    flat, start = left.reshape(-1), np.arange(0, left.size, left.shape[1])
    out, taken = np.empty((len(left), k), np.intp), np.empty((k, len(left)), left.dtype)
    for i in range(k):
        at = left.argmax(1)
        out[:, i] = at
        at += start
        taken[i] = flat[at]
        flat[at] = -np.inf
    if np.minimum.reduce(taken, None, initial=np.inf) == -np.inf:
        return None
    return np.moveaxis(out.reshape(*np.delete(x.shape, axis), k), -1, axis)


def kth_index(x: Any, k: int, axis: int) -> Any:
    """Where the element is that comes at place ``k`` (from 0) in ascending order; the axis is kept."""
    return np.take(np.argpartition(_plain(x), k, axis), [k], axis)


def mode_index(x: Any, axis: int) -> Any:
    """Where the last occurrence of the most frequent element is (the smallest of equally frequent); the axis is kept."""
    moved = np.moveaxis(_plain(x), axis, -1)
    order = np.argsort(moved, -1, kind="stable")
    ordered = np.take_along_axis(moved, order, -1)
    n = ordered.shape[-1]
    place = np.arange(n)
    new = np.concatenate([np.ones((*ordered.shape[:-1], 1), bool), ordered[..., 1:] != ordered[..., :-1]], -1)
    start = np.maximum.accumulate(np.where(new, place, 0), -1)
    length = place - start  # grows along each run of equals: the first longest run ends at the first maximum
    best = np.argmax(length, -1)[..., None]
    return np.moveaxis(np.take_along_axis(order, best, -1), -1, axis)


def nonzero(x: Any) -> tuple:
    if x.ndim < 2 or x.size < 1024:
        return np.nonzero(x if x.ndim else x.reshape(1))
    places, axes = np.nonzero(x.reshape(-1))[0], []  # of one dimension, three times as fast
    for size in x.shape[:0:-1]:
        rows = places // size
        axes.append(places - rows * size)
        places = rows
    return places, *axes[::-1]


def searchsorted(sorted_: Any, values: Any, right: bool = False) -> Any:
    """Along the last axis, row by row where ``sorted_`` has rows."""
    side = "right" if right else "left"
    sorted_, values = _plain(sorted_), _plain(values)
    if sorted_.ndim == 1:
        return np.asarray(np.searchsorted(sorted_, values, side), dtype=np.int64)
    out = np.empty(values.shape, np.int64)
    if out.size:
        rows = sorted_.reshape(-1, sorted_.shape[-1])
        wanted, found = values.reshape(-1, values.shape[-1]), out.reshape(-1, values.shape[-1])
        for i, row in enumerate(rows):
            found[i] = np.searchsorted(row, wanted[i], side)
    return out


# ---- distinct elements and counts: several results ----


def unique(x: Any, axis: int | None) -> tuple:
    """Distinct elements (or slices along ``axis``) in order, where each input went, and how often each occurs."""
    if x.dtype.kind == "V":
        values, inverse, counts = unique(x.astype(F32), axis)
        return values.astype(x.dtype), inverse, counts
    values, inverse, counts = np.unique(x, return_inverse=True, return_counts=True, axis=axis, equal_nan=False)
    inverse = inverse.reshape(x.shape if axis is None else -1)
    return values, inverse.astype(np.int64, copy=False), counts.astype(np.int64, copy=False)


def unique_consecutive(x: Any, axis: int | None) -> tuple:
    rows = x.reshape(-1) if axis is None else np.moveaxis(x, axis, 0)
    n = len(rows)
    change = rows[1:] != rows[:-1]
    if rows.ndim > 1:
        change = change.any(tuple(range(1, rows.ndim)))
    starts = np.flatnonzero(np.concatenate([np.ones(min(n, 1), bool), change]))
    inverse = np.zeros(n, np.int64)
    inverse[starts[1:]] = 1
    inverse = np.cumsum(inverse)
    counts = np.diff(np.append(starts, n))
    values = rows[starts]
    if axis is not None:
        return np.ascontiguousarray(np.moveaxis(values, 0, axis)), inverse, counts
    return values, inverse.reshape(x.shape), counts


def bincount(x: Any, minlength: int) -> Any:
    return np.bincount(x.astype(np.int64, copy=False), minlength=minlength).astype(np.int64, copy=False)


def bincount_weighted(x: Any, weights: Any, minlength: int) -> Any:
    out = np.bincount(x.astype(np.int64, copy=False), weights, minlength)
    return out.astype(weights.dtype if weights.dtype == F32 else np.float64, copy=False)


def histc(x: Any, bins: int, low: float, high: float) -> Any:
    """Counts in ``bins`` equal bins; what lies outside does not count, the upper edge belongs to the last bin."""
    flat = x.reshape(-1).astype(np.float64, copy=False) if not is_half(x) else x.reshape(-1).astype(np.float64)
    flat = flat[(flat >= low) & (flat <= high)]
    at = ((flat - low) * (bins / (high - low))).astype(np.int64)
    return np.bincount(np.minimum(at, bins - 1), minlength=bins).astype(x.dtype)


def histogram_counts(x: Any, edges: Any) -> Any:
    """Counts between consecutive edges; the upper edge belongs to the last bin."""
    return histogram_weights(x, edges, None)


def histogram_weights(x: Any, edges: Any, weights: Any) -> Any:
    flat = x.reshape(-1)
    at = np.searchsorted(edges, flat, "right") - 1
    at = np.where(flat == edges[-1], len(edges) - 2, at)
    inside = (flat >= edges[0]) & (flat <= edges[-1])
    w = None if weights is None else weights.reshape(-1)[inside].astype(np.float64)
    return np.bincount(at[inside], w, len(edges) - 1).astype(x.dtype)


def multinomial_indices(p: Any, uniform: Any) -> Any:
    """Indices drawn from rows of weights by inverting their running sum."""
    running = np.cumsum(p, -1, dtype=np.float64)
    total = running[..., -1:]
    out = searchsorted(running, uniform * total, True)
    last = p.shape[-1] - 1 - np.argmax(np.flip(p, -1) > 0, -1)[..., None]  # rounding must not reach a weight of 0
    return np.minimum(out, last)
