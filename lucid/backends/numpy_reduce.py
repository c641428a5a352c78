"""Reductions and running reductions. Half types accumulate in float32."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from .alike import native
from .numpy_ import F32, F64, is_half

_DIRECT = 1024  # elements that einsum may add up one after the other (in 16 lanes) ...
_BLOCK = 512  # ... and above, the length of the blocks whose sums are then added pairwise


def _flat_sum(x: Any, axis: Any, keepdims: bool) -> Any:
    """Sum over trailing axes of a contiguous array with einsum's loop, which is three times as fast as ``add.reduce``'s.

    None where that does not apply. Long rows are summed in blocks, so that rounding errors grow as slowly as pairwise.
    """
    if x.size < 4096 or x.dtype not in (F32, F64):
        return None
    if not x.flags.c_contiguous:
        return _channel_sum(x, keepdims) if x.ndim > 2 and axis == (0, *range(2, x.ndim)) else None
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    if min(axes) < 0:
        axes = [a % x.ndim for a in axes]
    first = x.ndim - len(axes)
    if min(axes) < first:
        return _leading_sum(x, axes, keepdims) if max(axes) < len(axes) else None
    shape = x.shape[:first]
    length = math.prod(x.shape[first:])
    rows = math.prod(shape)
    if length < 8:
        return None
    flat = x.reshape(rows, length)
    if length <= _DIRECT:
        total = np.einsum("ij->i", flat)
    else:
        whole = length - length % _BLOCK
        total = np.add.reduce(
            np.einsum("ijk->ij", flat[:, :whole].reshape(rows, -1, _BLOCK)), 1
        )  # the reshape is a view
        if whole != length:
            total = total + np.add.reduce(flat[:, whole:], 1)
    return total.reshape(shape + (1,) * (x.ndim - first) if keepdims else shape)


def _channel_sum(x: Any, keepdims: bool) -> Any:
    """Sum over all axes but 1 of an array that a convolution made, with its channels next to each other in memory."""
    rows = x.transpose(0, *range(2, x.ndim), 1)
    if not rows.flags.c_contiguous:
        return None
    total = _leading_sum(rows, range(x.ndim - 1), False)
    return total.reshape(1, -1, *(1,) * (x.ndim - 2)) if keepdims else total


def _leading_sum(x: Any, axes: Any, keepdims: bool) -> Any:
    """Sum over leading axes as a product of ones with a matrix: BLAS, in the order of rows as ``add.reduce`` would."""
    lead = len(axes)
    rest = x.shape[lead:]
    flat = x.reshape(math.prod(x.shape[:lead]), math.prod(rest))
    total = np.dot(np.ones(len(flat), x.dtype), flat)
    return total.reshape((1,) * lead + rest if keepdims else rest)


def sum(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    if dtype is not None:
        return np.add.reduce(x, axis, native(dtype), None, keepdims)
    if x.dtype is F32 and x.size < 4096:  # into an array at once where the sum is one number: no scalar in between
        return np.add.reduce(x, axis, None, np.empty((), F32) if axis is None and not keepdims else None, keepdims)
    if is_half(x):
        return np.add.reduce(x, axis, F32, None, keepdims).astype(x.dtype)
    if x.dtype.kind in "bui":
        return np.add.reduce(x, axis, np.int64, None, keepdims)
    if x.size >= 4096:
        total = _flat_sum(x, axis, keepdims)
        if total is not None:
            return total
    return np.add.reduce(x, axis, None, None, keepdims)


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    count = x.size if axis is None else math.prod(x.shape[a] for a in ((axis,) if isinstance(axis, int) else axis))
    if is_half(x):
        return np.asarray(mean(x.astype(F32), axis, keepdims)).astype(x.dtype)
    total = sum(x, axis, keepdims)
    if count == 0:
        return np.full_like(total, math.nan)
    return total / x.dtype.type(count)


def var(x: Any, axis: Any, correction: float, keepdims: bool = False) -> Any:
    """Two passes: the mean first, so that nothing cancels."""
    if is_half(x):
        return np.asarray(var(x.astype(F32), axis, correction, keepdims)).astype(x.dtype)
    count = x.size if axis is None else math.prod(x.shape[a] for a in axis)
    with np.errstate(all="ignore"):
        centred = x - mean(x, axis, True)
        total = sum(np.multiply(centred, centred, centred if x.ndim else None), axis, keepdims)
        free = max(count - correction, 0)
        return total / x.dtype.type(free)


def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    wanted = native(dtype) if dtype is not None else np.dtype(np.int64) if x.dtype.kind in "bui" else None
    if is_half(x) and wanted is None:
        return np.multiply.reduce(x.astype(F32), axis, None, None, keepdims).astype(x.dtype)
    return np.multiply.reduce(x, axis, wanted, None, keepdims)


def amax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.maximum.reduce(x, axis, None, None, keepdims)


def amin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.minimum.reduce(x, axis, None, None, keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.logical_or.reduce(x, axis, None, None, keepdims)


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.logical_and.reduce(x, axis, None, None, keepdims)


def count_nonzero(x: Any, axis: Any = None) -> Any:
    return np.asarray(np.count_nonzero(x, axis), dtype=np.int64)


def argmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.argmax(x if not is_half(x) else x.astype(F32), axis, keepdims=keepdims)


def argmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.argmin(x if not is_half(x) else x.astype(F32), axis, keepdims=keepdims)


# ---- running reductions ----


def _side_by_side(ufunc: Any, x: Any, axis: int) -> Any:
    """``ufunc.accumulate``, which waits for each element before the next (4 ns); many lines go side by side instead."""
    n = x.shape[axis]
    if x.size < 256 * n or n < 2:
        return ufunc.accumulate(x, axis)
    if axis < x.ndim - 1:
        out = np.array(np.moveaxis(x, axis, 0), order="C")
        _accumulate(ufunc, out)
        return np.ascontiguousarray(np.moveaxis(out, 0, axis))
    lines, out = x.reshape(-1, n), np.empty(x.shape, x.dtype)
    width = (
        (n * x.itemsize // 64 + 1 | 1) * 64 // x.itemsize
    )  # an odd number of cache lines, or columns share few of them
    step = max(256, 262_144 // width)
    room = np.empty((min(step, len(lines)), width), x.dtype)
    for i in range(0, len(lines), step):
        part = room[: len(lines) - i, :n]
        part[...] = lines[i : i + step]
        _accumulate(ufunc, part.T)
        out.reshape(-1, n)[i : i + step] = part
    return out


def _accumulate(ufunc: Any, lines: Any) -> None:
    for before, line in itertools.pairwise(lines):
        ufunc(before, line, line)


def _running_extreme(ufunc: Any, x: Any, axis: int) -> Any:
    """``accumulate`` of maximum or minimum by doubling: of 2, 4, 8 ... elements, since extremes may overlap."""
    n, inner = x.shape[axis], math.prod(x.shape[axis + 1 :])
    if x.size < 16_384 or n < 2:
        return ufunc.accumulate(x, axis)
    out = np.empty(x.shape, x.dtype)
    x, whole = np.ascontiguousarray(x).reshape(-1, n * inner), out.reshape(-1, n * inner)
    step = max(1, 65_536 // (n * inner))  # lines that stay in the cache
    for i in range(0, len(x), step):
        now, to = x[i : i + step], whole[i : i + step]
        spare = (np.empty_like(now), to) if (n - 1).bit_length() % 2 == 0 else (to, np.empty_like(now))
        for j in range((n - 1).bit_length()):
            k, to = inner << j, spare[j % 2]
            ufunc(now.reshape(-1)[k:], now.reshape(-1)[:-k], to.reshape(-1)[k:])
            to[:, :k] = now[:, :k]  # there the element before was another line's
            now = to
    return out


def cumulative_prod(x: Any, axis: int) -> Any:
    if x.ndim == 0:
        return x.astype(np.int64) if x.dtype.kind in "bui" else x.copy()
    if is_half(x):
        return cumulative_prod(x.astype(F32), axis).astype(x.dtype)
    return _side_by_side(np.multiply, x.astype(np.int64) if x.dtype.kind in "bui" else x, axis % x.ndim)


def logcumsumexp(x: Any, axis: int) -> Any:
    if x.ndim == 0:
        return x.copy()
    if is_half(x):
        return logcumsumexp(x.astype(F32), axis).astype(x.dtype)
    with np.errstate(all="ignore"):
        return np.logaddexp.accumulate(x, axis)


def _last_best(x: Any, best: Any, axis: int) -> Any:
    """Where the running extreme was last reached (a NaN counts as reached): each such place, repeated up to the next.

    The first element of a line is one, so that lines need no care.
    """
    hit = x == best
    if x.dtype.kind in "fV":
        hit |= x != x
    hit = hit.swapaxes(axis, -1)
    at = hit.reshape(-1).nonzero()[0]
    until = np.empty_like(at)
    until[:-1], until[-1:] = at[1:], hit.size
    found = (at % max(hit.shape[-1], 1)).repeat(until - at).reshape(hit.shape)
    return found if axis % x.ndim == x.ndim - 1 else np.ascontiguousarray(found.swapaxes(axis, -1))


def cumulative_argmax(x: Any, axis: int) -> Any:
    return (
        np.zeros((), np.int64) if x.ndim == 0 else _last_best(x, _running_extreme(np.maximum, x, axis % x.ndim), axis)
    )


def cumulative_argmin(x: Any, axis: int) -> Any:
    return (
        np.zeros((), np.int64) if x.ndim == 0 else _last_best(x, _running_extreme(np.minimum, x, axis % x.ndim), axis)
    )


def linear_scan(x: Any, y: Any, axis: int) -> Any:
    """s_t = x_t s_(t-1) + y_t along ``axis``, from s = 0."""
    x, y = np.moveaxis(x, axis, 0), np.moveaxis(y, axis, 0)
    out = np.empty(y.shape, y.dtype)
    state: Any = 0
    for t in range(len(y)):
        state = np.add(x[t] * state, y[t], out[t, ...])
    return np.moveaxis(out, 0, axis)


# ---- softmax family ----


def logsumexp(x: Any, axis: Any, keepdims: bool = False) -> Any:
    if is_half(x):
        return np.asarray(logsumexp(x.astype(F32), axis, keepdims)).astype(x.dtype)
    with np.errstate(all="ignore"):
        if not x.size:
            return np.log(np.add.reduce(x, axis, None, None, keepdims))
        top = np.maximum.reduce(x.real, axis, None, None, True)
        top = np.where(np.isfinite(top), top, 0).astype(x.real.dtype, copy=False)
        e = x - top
        out = np.log(sum(np.exp(e, e) if e.ndim else np.exp(e), axis, True)) + top
    return out if keepdims else np.squeeze(out, axis)
