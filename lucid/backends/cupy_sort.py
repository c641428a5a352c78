"""Order on CuPy: sorting, selection, searching, counting. NaN is the largest, as in torch.

``nonzero``, ``unique``, ``unique_consecutive`` and ``bincount`` have results whose size the device must tell, so they wait for it.
"""

from __future__ import annotations

from typing import Any

import cupy as cp
import numpy as np

from .cupy_fuse import elementwise
from .cupy_index import add_at, take_along_axis

I64 = np.dtype(np.int64)


def _plain(x: Any) -> Any:
    """What CuPy sorts: half types as float32, booleans as bytes."""
    if x.dtype.kind == "b":
        return x.view(np.uint8) if x.flags.c_contiguous else x.astype(np.uint8)
    return x.astype(np.float32) if x.dtype.itemsize == 2 and x.dtype.kind in "fV" else x


def sort(x: Any, axis: int, descending: bool = False, stable: bool = True) -> Any:
    return take_along_axis(x, argsort(x, axis, descending, stable), axis) if x.ndim else x.copy()


def argsort(x: Any, axis: int, descending: bool = False, stable: bool = True) -> Any:
    if not x.ndim:
        return cp.zeros((), I64)
    if not x.size:
        return cp.zeros(x.shape, I64)
    x = _plain(x)
    if not descending:
        return cp.argsort(x, axis)
    back = cp.argsort(cp.ascontiguousarray(cp.flip(x, axis)), axis)  # flipping twice keeps equal elements in order
    return cp.ascontiguousarray(cp.flip(x.shape[axis] - 1 - back, axis))


def _part(x: Any, axis: int, start: int, stop: int) -> Any:
    return x[(slice(None),) * (axis % x.ndim) + (slice(start, stop),)]


def topk_indices(x: Any, k: int, axis: int, largest: bool) -> Any:
    """Where the k largest (smallest) are, best first."""
    if not x.ndim:
        return cp.zeros((k,) if k != 1 else (), I64)
    return cp.ascontiguousarray(_part(argsort(x, axis, largest), axis, 0, k))


def kth_index(x: Any, k: int, axis: int) -> Any:
    """Where the element is that comes at place ``k`` (from 0) in ascending order; the axis is kept."""
    return cp.ascontiguousarray(_part(argsort(x, axis), axis, k, k + 1))


def mode_index(x: Any, axis: int) -> Any:
    """Where the last occurrence of the most frequent element is (the smallest of equally frequent); the axis is kept."""
    moved = cp.ascontiguousarray(cp.moveaxis(_plain(x), axis, -1))
    order = argsort(moved, -1)
    ordered = cp.ascontiguousarray(take_along_axis(moved, order, -1))
    out = cp.empty(moved.shape[:-1], I64)
    elementwise(
        "mode", "raw T x, raw int64 order, int64 len", "raw int64 y",
        """
        const long long first = i * len;
        long long best = 0, length = 0, run = 0;
        for (long long t = 0; t < len; ++t) {
            run = t && x[first + t] == x[first + t - 1] ? run + 1 : 1;
            if (run > length) { length = run; best = t; }
        }
        y[i] = order[first + best]""",
    )(ordered, order, moved.shape[-1], out, size=out.size)  # fmt: skip
    return cp.moveaxis(out[..., None], -1, axis)


def nonzero(x: Any) -> tuple:
    x = x if x.ndim else x.reshape(1)
    return tuple(cp.nonzero(x if x.dtype.kind == "b" else x != 0))


def searchsorted(sorted_: Any, values: Any, right: bool = False) -> Any:
    """Along the last axis, row by row where ``sorted_`` has rows."""
    sorted_, values = _plain(sorted_), _plain(values)
    if sorted_.dtype != values.dtype:
        kind = np.result_type(sorted_.dtype, values.dtype)
        sorted_, values = sorted_.astype(kind), values.astype(kind)
    out = cp.empty(values.shape, I64)
    each = 1 if sorted_.ndim == 1 else max(values.shape[-1], 1)
    after = "(v == v || x != x) && !(v < x)" if right else "(x < v) || (v != v && x == x)"
    elementwise(
        f"search_{'right' if right else 'left'}", "raw T row, T v, int64 len, int64 each, int64 stride", "int64 y",
        f"""
        long long low = 0, high = len;
        const long long first = i / each * stride;
        while (low < high) {{
            const long long middle = low + (high - low) / 2;
            const T x = row[first + middle];
            if ({after}) low = middle + 1; else high = middle;
        }}
        y = low""",
    )(cp.ascontiguousarray(sorted_), values, sorted_.shape[-1], each, 0 if sorted_.ndim == 1 else sorted_.shape[-1], out)  # fmt: skip
    return out


# ---- distinct elements and counts: several results ----


def unique(x: Any, axis: int | None) -> tuple:
    """Distinct elements (or slices along ``axis``) in order, where each input went, and how often each occurs."""
    if axis is None:
        flat = x.reshape(-1)
        order = argsort(flat, 0)
    else:
        flat = cp.ascontiguousarray(cp.moveaxis(x, axis, 0)).reshape(x.shape[axis], -1)
        keys = _plain(flat).T[::-1]
        order = cp.lexsort(cp.ascontiguousarray(keys)) if keys.size else cp.arange(len(flat))
    values, inverse, counts = _runs(flat[order])
    placed = cp.empty(inverse.shape, I64)
    placed[order] = inverse
    if axis is None:
        return values, placed.reshape(x.shape), counts
    shape = (len(values), *(n for d, n in enumerate(x.shape) if d != axis % x.ndim))
    return cp.ascontiguousarray(cp.moveaxis(values.reshape(shape), 0, axis)), placed, counts


def _runs(rows: Any) -> tuple:
    """The first of each run of equal rows, which run each row belongs to, and how long the runs are."""
    n = len(rows)
    if not n:
        return rows, cp.zeros(0, I64), cp.zeros(0, I64)
    change = rows[1:] != rows[:-1]
    if rows.ndim > 1:
        change = cp.any(change, tuple(range(1, rows.ndim)))
    new = cp.concatenate([cp.ones(1, np.bool_), change])
    (starts,) = cp.nonzero(new)
    counts = cp.diff(cp.concatenate([starts, cp.full(1, n, I64)]))
    return rows[starts], cp.cumsum(new, 0, I64) - 1, counts


def unique_consecutive(x: Any, axis: int | None) -> tuple:
    rows = x.reshape(-1) if axis is None else cp.ascontiguousarray(cp.moveaxis(x, axis, 0))
    values, inverse, counts = _runs(rows)
    if axis is not None:
        return cp.ascontiguousarray(cp.moveaxis(values, 0, axis)), inverse, counts
    return values, inverse.reshape(x.shape), counts


def _length(x: Any, minlength: int) -> int:
    return max(int(x.max()) + 1 if x.size else 0, minlength)


def bincount(x: Any, minlength: int) -> Any:
    x = x.reshape(-1).astype(I64, copy=False)
    return add_at(cp.zeros(_length(x, minlength), I64), x, cp.full(x.shape, 1, I64))


def bincount_weighted(x: Any, weights: Any, minlength: int) -> Any:
    x = x.reshape(-1).astype(I64, copy=False)
    kind = weights.dtype if weights.dtype == np.float32 else np.dtype(np.float64)
    return add_at(cp.zeros(_length(x, minlength), kind), x, weights.reshape(-1).astype(kind, copy=False))


def _counted(at: Any, inside: Any, weights: Any, bins: int) -> Any:
    """Sums of weights (or counts) per bin; what is not inside counts for nothing."""
    weights = cp.ones(at.shape, np.float64) if weights is None else weights.reshape(-1).astype(np.float64)
    return add_at(cp.zeros(bins, np.float64), cp.clip(at, 0, max(bins - 1, 0)), cp.where(inside, weights, 0.0))


def histc(x: Any, bins: int, low: float, high: float) -> Any:
    """Counts in ``bins`` equal bins; what lies outside does not count, the upper edge belongs to the last bin."""
    flat = x.reshape(-1).astype(np.float64)
    inside = cp.logical_and(flat >= low, flat <= high)
    at = cp.where(inside, (flat - low) * (bins / (high - low)), 0.0).astype(I64)
    return _counted(at, inside, None, bins).astype(x.dtype)


def histogram_counts(x: Any, edges: Any) -> Any:
    """Counts between consecutive edges; the upper edge belongs to the last bin."""
    return histogram_weights(x, edges, None)


def histogram_weights(x: Any, edges: Any, weights: Any) -> Any:
    flat = x.reshape(-1)
    at = searchsorted(edges, flat, True) - 1
    at = cp.where(flat == edges[-1], len(edges) - 2, at)
    inside = cp.logical_and(flat >= edges[0], flat <= edges[-1])
    return _counted(at, inside, weights, len(edges) - 1).astype(x.dtype)


def multinomial_indices(p: Any, uniform: Any) -> Any:
    """Indices drawn from rows of weights by inverting their running sum."""
    running = cp.cumsum(p, -1, np.float64)
    out = searchsorted(running, uniform * running[..., -1:], True)
    n = p.shape[-1]
    place = cp.arange(n).reshape((1,) * (p.ndim - 1) + (n,))
    last = cp.amax(cp.where(p > 0, place, 0), -1, None, True)  # rounding must not reach a weight of 0
    return cp.minimum(out, last)
