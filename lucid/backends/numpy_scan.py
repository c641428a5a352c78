"""Running sums on NumPy: products with triangles of ones.

``add.accumulate`` waits for each addition before it starts the next (3.3 ns an element; torch 0.95). Here lines are cut
into pieces of about 16: what comes before a piece is added to its first element, and a product with a triangle of ones,
which is BLAS, does the rest (1.0 ns). Rounding errors are those of adding up in order.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from .numpy_ import F32, F64, is_half

ndarray = np.ndarray
_LENGTHS = (16, 20, 18, 24, 12, 25, 14, 15, 32, 10, 28, 30)  # of a piece, the best first


def cumulative_sum(x: Any, axis: int) -> Any:
    if x.ndim == 0:
        return x.astype(np.int64) if x.dtype.kind in "bui" else x.copy()
    if is_half(x):
        return cumulative_sum(x.astype(F32), axis).astype(x.dtype)
    return _scan(x, axis % x.ndim, False)


def cumulative_sum_grad(g: Any, axis: int) -> Any:
    """Running sums from the end: the transpose of ``cumulative_sum``."""
    if g.ndim == 0:
        return g.copy()
    if is_half(g):
        return cumulative_sum_grad(g.astype(F32), axis).astype(g.dtype)
    return _scan(g, axis % g.ndim, True)


def _scan(x: ndarray, axis: int, back: bool) -> ndarray:
    n, inner = x.shape[axis], math.prod(x.shape[axis + 1 :])
    if x.size >= 1024 and n > 1 and x.dtype in (F32, F64):
        x = np.ascontiguousarray(x)
        if inner >= 256:
            return _slice_by_slice(x.reshape(-1, n, inner), back).reshape(x.shape)
        if inner == 1:
            found = _by_products(x.reshape(-1, n), back)
        else:
            lines = np.ascontiguousarray(np.moveaxis(x, axis, -1))
            found = _by_products(lines.reshape(-1, n), back)
            found = None if found is None else np.ascontiguousarray(np.moveaxis(found.reshape(lines.shape), -1, axis))
        if found is not None:
            return found.reshape(x.shape)
    return _plain(x, axis, back)


def _plain(x: ndarray, axis: int, back: bool) -> ndarray:
    line = (slice(None),) * axis + (slice(None, None, -1 if back else 1),)
    return np.add.accumulate(x[line], axis, np.int64 if x.dtype.kind in "bui" else None)[line]


def _slice_by_slice(x: ndarray, back: bool) -> ndarray:
    """Along the middle axis, where a slice is long enough to be worth a call."""
    out = np.empty_like(x)
    n = x.shape[1]
    order = range(n - 1, -1, -1) if back else range(n)
    out[:, order[0]] = x[:, order[0]]
    for before, i in itertools.pairwise(order):
        np.add(out[:, before], x[:, i], out[:, i])
    return out


def _triangle(n: int, dtype: Any, back: bool, k: int = 0) -> ndarray:
    ones = np.ones((n, n), dtype)
    return np.tril(ones, -k) if back else np.triu(ones, k)


def _by_products(x: ndarray, back: bool) -> ndarray | None:
    """Along the rows of a matrix. None where an infinity or NaN (0 times which is NaN) forbids products."""
    rows, n = x.shape
    size = n if n <= 32 else next((k for k in _LENGTHS if n % k == 0), 16)
    count, out = n // size, np.empty_like(x)
    whole = slice(n - count * size, n) if back else slice(0, count * size)  # what is left over comes last in order
    pieces = x[:, whole].reshape(-1, size)
    totals = np.dot(pieces, np.ones(size, x.dtype)).reshape(rows, count)
    if not np.isfinite(totals).all():
        return None
    if count > 1:
        if count <= 64:
            before = np.dot(totals, _triangle(count, x.dtype, back, 1))
        else:
            before = _scan(totals, 1, back) - totals
        pieces = pieces.copy() if np.may_share_memory(pieces, x) else pieces
        pieces[:, -1 if back else 0] += before.reshape(-1)
    triangle = _triangle(size, x.dtype, back)
    if count * size == n:
        np.dot(pieces, triangle, out.reshape(-1, size))
        return out
    out[:, whole] = np.dot(pieces, triangle).reshape(rows, -1)
    rest = x[:, : whole.start] if back else x[:, whole.stop :]
    edge = out[:, whole.start] if back else out[:, whole.stop - 1]
    target = out[:, : whole.start] if back else out[:, whole.stop :]
    np.add(_plain(rest, 1, back), edge[:, None], target)
    return out
