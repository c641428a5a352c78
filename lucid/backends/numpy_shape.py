"""Shape kernels on NumPy beyond reshape and permute: diagonals, windows, strides, bytes, triangles."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from .alike import native

ndarray = np.ndarray


def strided(x: ndarray, shape: tuple, strides: tuple, start: int = 0) -> ndarray:
    """A view of memory with other strides (in bytes, from the first element of ``x`` plus ``start`` bytes)."""
    try:
        return np.ndarray(shape, x.dtype, x, start, strides)  # eight times faster than as_strided
    except ValueError:  # memory with gaps, a dtype that buffers do not know, steps backwards
        pass
    if start:
        x = np.lib.stride_tricks.as_strided(x.reshape(-1)[start // x.itemsize :], shape, strides)
        return x
    return np.lib.stride_tricks.as_strided(x, shape, strides)


# ---- diagonals ----


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    out = x.diagonal(offset, axis1, axis2)
    if x.flags.writeable:
        out.flags.writeable = True
    return out


def diagonal_place(g: Any, shape: tuple, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Zeros of ``shape`` with ``g`` on a diagonal."""
    out = np.zeros(shape, g.dtype)
    diagonal(out, offset, axis1, axis2)[...] = g
    return out


def diagonal_put(x: Any, new: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """A copy of ``x`` with ``new`` on a diagonal."""
    out = x.copy()
    diagonal(out, offset, axis1, axis2)[...] = new
    return out


# ---- triangles ----


@functools.lru_cache(64)
def _small_tri(n: int, m: int, k: int) -> ndarray:
    mask = np.tri(n, m, k, bool)
    mask.flags.writeable = False
    return mask


def _tri(n: int, m: int, k: int) -> ndarray:
    """The mask of a lower triangle; those of attention and the like are asked for again and again."""
    return _small_tri(n, m, k) if n * m <= 65_536 else np.tri(n, m, k, bool)


def tril(x: Any, k: int = 0) -> Any:
    return np.where(_tri(x.shape[-2], x.shape[-1], k), x, x.dtype.type(0))


def triu(x: Any, k: int = 0) -> Any:
    return np.where(_tri(x.shape[-2], x.shape[-1], k - 1), x.dtype.type(0), x)


def tril_mask_like(x: Any, n: int, m: int, k: int = 0) -> Any:
    return np.tri(n, m, k=k, dtype=bool)


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
    out = strided(x, shape, (*strides, x.strides[axis]))
    if step < size:  # windows overlap: such a view is for reading
        out.flags.writeable = False
    return out


def fold_windows(g: Any, shape: tuple, axis: int, size: int, step: int) -> Any:
    """Windows added back to where they came from: the transpose of ``unfold``."""
    if not shape:
        return g.sum().reshape(()).astype(g.dtype)
    out = np.zeros(shape, g.dtype)
    count = g.shape[axis]
    lead = (slice(None),) * axis
    for i in range(size if count else 0):
        out[(*lead, slice(i, i + step * (count - 1) + 1, step))] += g[..., i]
    return out


# ---- raw memory ----


def _memory(x: ndarray) -> ndarray:
    """The array that owns the memory of ``x``."""
    while x.base is not None:
        base = x.base
        while not isinstance(base, ndarray):
            base = getattr(base, "base", None)
            if base is None:
                return x
        x = base
    return x


def storage_of(x: Any) -> tuple[int, int]:
    """(number of elements in the memory of ``x``, position of its first element in it)."""
    owner = _memory(x)
    if owner.itemsize != x.itemsize and owner.nbytes % x.itemsize:
        return x.size, 0
    start = x.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
    return owner.nbytes // x.itemsize, start // x.itemsize


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
        np.lib.stride_tricks.as_strided(owner, (owner.nbytes // owner.itemsize,), (owner.itemsize,))
        if not owner.flags.c_contiguous
        else owner.reshape(-1)
    )
    flat = flat.view(x.dtype)
    return np.lib.stride_tricks.as_strided(flat[offset:], size, tuple(s * x.itemsize for s in stride))


def strided_positions(x: Any, size: tuple, stride: tuple, offset: int) -> Any:
    """Where in memory the elements of such a view lie, as one flat run of integers."""
    where = np.full((), offset, np.int64)
    for n, s in zip(size, stride, strict=True):
        where = where[..., None] + np.arange(n, dtype=np.int64) * s
    return where.reshape(-1)


def reinterpret(x: Any, dtype: Any, source: Any = None) -> Any:
    """The same bytes as another dtype."""
    wanted = native(dtype)
    if not x.ndim:
        return x.reshape(1).view(wanted).reshape(()) if wanted.itemsize == x.itemsize else x.view(wanted)
    return x.view(wanted)


def repeat_interleave(x: Any, repeats: Any, axis: int) -> Any:
    return np.repeat(x, repeats, axis)


def repeat_positions(x: Any, n: int, repeats: Any) -> Any:
    """Which of ``n`` slices each slice of ``repeat_interleave``'s result came from."""
    return np.repeat(np.arange(n), repeats)


# ---- dimensions extended from their own contents ----


def _edge_slices(n: int, before: int, after: int, mode: str) -> list[tuple[slice, slice]]:
    """Along a dimension that was extended: what was added, and where it comes from; ``n`` is the size it had."""
    end, pairs = before + n, []
    if before:
        source = {
            "reflect": slice(2 * before, before, -1),
            "replicate": slice(before, before + 1),
            "circular": slice(n, end),
        }
        pairs.append((slice(0, before), source[mode]))
    if after:
        stop = end - 2 - after
        source = {
            "reflect": slice(end - 2, stop if stop >= 0 else None, -1),
            "replicate": slice(end - 1, end),
            "circular": slice(before, before + after),
        }
        pairs.append((slice(end, end + after), source[mode]))
    return pairs


@functools.lru_cache(64)
def _extended_positions(sizes: tuple, pads: tuple, mode: str) -> Any:
    """Where the elements of a small extended block come from; None where remembering that is not worth its memory."""
    total = math.prod(n + b + a for n, (b, a) in zip(sizes, pads, strict=True))
    return _extend(np.arange(math.prod(sizes)).reshape(sizes), pads, mode) if 0 < total <= 1024 else None


def extend(x: Any, pads: tuple, mode: str) -> Any:
    first = x.ndim - len(pads)
    if 0 < x.size <= 4096:
        positions = _extended_positions(x.shape[first:], pads, mode)
        if positions is not None:
            return x.reshape(*x.shape[:first], -1).take(positions, first)
    return _extend(x, pads, mode)


def _extend(x: Any, pads: tuple, mode: str) -> Any:
    first = x.ndim - len(pads)
    sizes = x.shape[first:]
    out = np.empty((*x.shape[:first], *(n + b + a for n, (b, a) in zip(sizes, pads, strict=True))), x.dtype)
    where: list = [slice(b, b + n) for n, (b, _) in zip(sizes, pads, strict=True)]
    out[(..., *where)] = x
    for i, (n, (before, after)) in enumerate(zip(sizes, pads, strict=True)):
        for edge, source in _edge_slices(n, before, after, mode):
            where[i] = source
            values = out[(..., *where)]
            where[i] = edge
            out[(..., *where)] = values
        where[i] = slice(None)
    return out


def extend_grad(g: Any, pads: tuple, mode: str) -> Any:
    """The transpose of ``extend``, dimension by dimension from the last."""
    g, first = g.copy(), g.ndim - len(pads)
    where: list = [slice(None)] * len(pads)
    for i in reversed(range(len(pads))):
        before, after = pads[i]
        n = g.shape[first + i] - before - after
        for edge, source in _edge_slices(n, before, after, mode):
            where[i] = edge
            values = g[(..., *where)]
            if mode == "replicate":
                values = values.sum(first + i, keepdims=True)
            where[i] = source
            g[(..., *where)] += values
        where[i] = slice(before, before + n)
    return g[(..., *where)].copy()
