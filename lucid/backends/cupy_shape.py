"""Shape kernels on CuPy: views are views as on NumPy; triangles, diagonals, windows, strides, bytes."""

from __future__ import annotations

import math
from typing import Any

import cupy as cp
import numpy as np

from .alike import native
from .cupy_index import index

I64 = np.dtype(np.int64)


def permute_dims(x: Any, axes: Any) -> Any:
    return x.transpose(axes) if x.ndim else x.reshape(())


def broadcast_to(x: Any, shape: Any) -> Any:
    if tuple(x.shape) == tuple(shape):
        return x.reshape(shape)
    return cp.broadcast_to(x, tuple(shape))


def concat(*xs: Any) -> Any:
    *arrays, axis = xs
    return cp.concatenate(arrays, axis)


def flip(x: Any, axis: Any) -> Any:
    axes = {a % x.ndim for a in axis} if x.ndim else set()
    return x[tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(x.ndim))].copy()


def roll(x: Any, shift: Any, axis: Any) -> Any:
    return cp.roll(x, shift, axis)


def getitem(x: Any, index: tuple) -> Any:
    """Basic indexing: always a view, also for one element."""
    return x[index]


def place(x: Any, shape: Any, index: tuple) -> Any:
    out = cp.zeros(shape, x.dtype)
    out[index] = x
    return out


# ---- diagonals and triangles ----


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return x.diagonal(offset, axis1, axis2)


def diagonal_place(g: Any, shape: tuple, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Zeros of ``shape`` with ``g`` on a diagonal."""
    out = cp.zeros(shape, g.dtype)
    diagonal(out, offset, axis1, axis2)[...] = g
    return out


def diagonal_put(x: Any, new: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """A copy of ``x`` with ``new`` on a diagonal."""
    out = x.copy()
    diagonal(out, offset, axis1, axis2)[...] = new
    return out


def tril(x: Any, k: int = 0) -> Any:
    return _triangle(x, k, True)


def triu(x: Any, k: int = 0) -> Any:
    return _triangle(x, k, False)


def _triangle(x: Any, k: int, lower: bool) -> Any:
    from .cupy_fuse import elementwise

    inside = "column - row <= k" if lower else "column - row >= k"
    return elementwise(
        f"triangle_{int(lower)}", "T x, int64 m, int64 len, int64 k", "T y",
        f"const long long column = i % len, row = i / len % m; y = {inside} ? x : (T)0",
    )(x, max(x.shape[-2], 1), max(x.shape[-1], 1), k)  # fmt: skip


def tril_mask_like(x: Any, n: int, m: int, k: int = 0) -> Any:
    return cp.tri(n, m, k, np.bool_)


def triu_mask_like(x: Any, n: int) -> Any:
    return cp.logical_not(cp.tri(n, n, -1, np.bool_))


def eye_like(x: Any, n: int) -> Any:
    return cp.eye(n, dtype=np.bool_)


# ---- windows ----


def unfold(x: Any, axis: int, size: int, step: int) -> Any:
    """All windows of ``size`` along ``axis``, ``step`` apart, as a last axis: a view."""
    if not x.ndim:
        return x.reshape(1)[:size].reshape(size)
    count = (x.shape[axis] - size) // step + 1
    strides = list(x.strides)
    strides[axis] *= step
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :], size)
    if not math.prod(shape):
        return x.reshape(-1)[:0].reshape(shape)
    return cp.lib.stride_tricks.as_strided(x, shape, (*strides, x.strides[axis]))


def fold_windows(g: Any, shape: tuple, axis: int, size: int, step: int) -> Any:
    """Windows added back to where they came from: the transpose of ``unfold``."""
    if not shape:
        return g.sum().reshape(()).astype(g.dtype)
    out = cp.zeros(shape, g.dtype)
    count = g.shape[axis]
    lead = (slice(None),) * axis
    for i in range(size if count else 0):
        part = out[(*lead, slice(i, i + step * (count - 1) + 1, step))]
        part += g[..., i]
    return out


# ---- raw memory ----


def _memory(x: Any) -> Any:
    """The array that owns the memory of ``x``."""
    while x.base is not None:
        x = x.base
    return x


def storage_of(x: Any) -> tuple[int, int]:
    """(number of elements in the memory of ``x``, position of its first element in it)."""
    owner = _memory(x)
    if owner.itemsize != x.itemsize and owner.nbytes % x.itemsize:
        return x.size, 0
    return owner.nbytes // x.itemsize, (x.data.ptr - owner.data.ptr) // x.itemsize


def as_strided(x: Any, size: tuple, stride: tuple, offset: int, geometry: Any = None) -> Any:
    """Elements of the memory of ``x`` by position: a view."""
    owner = _memory(x)
    total, _ = storage_of(x)
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) if math.prod(size) else 0
    if last >= total and math.prod(size):
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize {x.itemsize} requiring a storage "
            f"size of {(last + 1) * x.itemsize} are out of bounds for storage of size {total * x.itemsize}"
        )
    flat = (
        owner.reshape(-1)
        if owner.flags.c_contiguous
        else cp.lib.stride_tricks.as_strided(owner, (owner.size,), (owner.itemsize,))
    )
    return cp.lib.stride_tricks.as_strided(flat.view(x.dtype)[offset:], size, tuple(s * x.itemsize for s in stride))


def strided_positions(x: Any, size: tuple, stride: tuple, offset: int) -> Any:
    """Where in memory the elements of such a view lie, as one flat run of integers."""
    where = cp.full((), offset, I64)
    for n, s in zip(size, stride, strict=True):
        where = where[..., None] + cp.arange(n) * s
    return where.reshape(-1)


def reinterpret(x: Any, dtype: Any, source: Any = None) -> Any:
    """The same bytes as another dtype."""
    wanted = native(dtype)
    if not x.ndim:
        return x.reshape(1).view(wanted).reshape(()) if wanted.itemsize == x.itemsize else x.view(wanted)
    return x.view(wanted)


def repeat_interleave(x: Any, repeats: Any, axis: int) -> Any:
    """``repeats``: a number, or one per slice, whose sum the device must tell."""
    if isinstance(repeats, int):
        return cp.repeat(x, repeats, axis)
    return index(x, (*(slice(None),) * (axis % max(x.ndim, 1)), repeat_positions(x, x.shape[axis], repeats)))


def repeat_positions(x: Any, n: int, repeats: Any) -> Any:
    """Which of ``n`` slices each slice of ``repeat_interleave``'s result came from."""
    if not isinstance(repeats, cp.ndarray):
        return cp.repeat(cp.arange(n), repeats)
    repeats = cp.broadcast_to(repeats.reshape(-1), (n,))
    ends = cp.cumsum(repeats, 0, I64)
    total = int(ends[-1]) if n else 0
    return cp.searchsorted(ends, cp.arange(total), "right")
