"""Gather and scatter on NumPy. ``np.add.at`` is fast on flat indices only, so everything is brought to those.

Measured (float32, microseconds, torch's index_add in brackets; N rows of width W into V). (4096, 64) into 1000: flat
add.at 406, the same on pairs 284, sort and reduceat 730, rounds 177 [80]. (64, 16) into 100: pairs 6, rounds 21 [9].
(8192, 64) into 27: pairs 533, runs summed one by one 200 [146]. 2-D ``np.add.at``: 5 to 15 times the flat form.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .numpy_ import F32, is_half

ndarray = np.ndarray


# ---- rows: embeddings and index_add ----


_OFTEN = 16  # a row that occurs more often is summed by itself, since every round costs a microsecond


def add_rows(out: ndarray, rows: ndarray, g: ndarray) -> None:
    """``out[rows[i]] += g[i]`` for C-contiguous ``out`` of shape (V, W); repeated rows add up, in order."""
    n, width = g.shape
    if width < 16 or n * width <= 8192:
        _add_few(out, rows, g)
        return
    order, starts, counts = _runs(rows, len(out))
    total = np.empty((len(starts), width), g.dtype)
    often = int(np.count_nonzero(counts > _OFTEN))
    for i in range(often):
        part = g.take(order[starts[i] : starts[i] + counts[i]], 0)
        total[i] = np.dot(np.ones(len(part), g.dtype), part) if g.dtype.kind == "f" else np.add.reduce(part, 0, g.dtype)
    if often < len(starts):
        _add_rounds(total[often:], g, order, starts[often:], counts[often:])
    out[rows[order[starts]]] += total


def _runs(rows: ndarray, limit: int) -> tuple:
    """The order that sorts ``rows`` (all below ``limit``), where its runs of equal rows start, and their lengths, longest
    first. 16-bit keys are sorted by radix, ten times faster than others; wider ones half by half."""
    order = rows.astype(np.uint16).argsort(kind="stable")  # the low halves
    if limit > 65536:
        high = (rows >> 16).astype(np.uint16 if limit <= 1 << 32 else np.int64)
        order = order[high[order].argsort(kind="stable")]
    ordered = rows[order]
    first = np.empty(len(rows), bool)
    first[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    starts = np.flatnonzero(first)
    counts = np.empty_like(starts)
    np.subtract(starts[1:], starts[:-1], out=counts[:-1])
    counts[-1] = len(rows) - starts[-1]
    longest = np.argsort(-counts, kind="stable")
    return order, starts[longest], counts[longest]


def _add_rounds(total: ndarray, g: ndarray, order: ndarray, starts: ndarray, counts: ndarray) -> None:
    """The k-th gradients of all rows at once, for each k. Rows that occur more often come first, so the k-th round is one
    run of the gradients, once they are taken in that order, and goes to the first rows of the total."""
    lengths = np.searchsorted(-counts, -np.arange(counts[0])).tolist()  # how many rows occur more than k times
    taken = g.take(np.concatenate([order[starts[:m] + k] for k, m in enumerate(lengths)]), 0)
    at = lengths[0]
    total[...] = taken[:at]
    for m in lengths[1:]:
        total[:m] += taken[at : at + m]
        at += m


def _add_few(out: ndarray, rows: ndarray, g: ndarray) -> None:
    """Element by element; neighbours in pairs, as the two parts of complex numbers, which takes half as many indices."""
    width = g.shape[1]
    if not width % 2 and g.dtype.kind == "f" and g.dtype.itemsize in (4, 8) and out.dtype == g.dtype:
        pair = np.complex64 if g.dtype.itemsize == 4 else np.complex128
        out, g, width = out.reshape(-1).view(pair), np.ascontiguousarray(g).reshape(-1).view(pair), width // 2
    flat = (rows[:, None] * width + np.arange(width)).reshape(-1) if width > 1 else rows
    _add_at(out.reshape(-1), flat, g.reshape(-1))


def _add_at(out: ndarray, flat: ndarray, values: ndarray) -> None:
    if out.dtype == bool:
        np.logical_or.at(out, flat, values)
    elif out.dtype.itemsize == 2 and out.dtype.kind not in "iu":  # half types: add up in float32, round once
        wide = out.astype(np.float32)
        np.add.at(wide, flat, values.astype(np.float32))
        out[...] = wide.astype(out.dtype)
    else:
        np.add.at(out, flat, values)


def take_grad(g: Any, shape: Any, rows: Any) -> Any:
    """Rows of ``g`` added at ``rows`` of zeros: the gradient of an embedding. Half types add up in float32."""
    if is_half(g):
        return take_grad(g.astype(F32), shape, rows).astype(g.dtype)
    out = np.zeros(shape, g.dtype)
    width = math.prod(shape[1:])
    flat = rows.reshape(-1)
    if not flat.size or not width:
        return out
    if np.minimum.reduce(flat) < 0:
        flat = np.where(flat < 0, flat + shape[0], flat)
    if flat.dtype != np.intp:
        flat = flat.astype(np.intp)
    add_rows(out.reshape(shape[0], width), flat, g.reshape(flat.size, width))
    return out


# ---- any index: x[index] and its transposes ----


def index(x: Any, index: tuple) -> Any:
    """Indexing with arrays: a copy. ``take`` is twice as fast as brackets where it can do the same."""
    if x.flags.c_contiguous:
        axis = _only_axis(index)
        if axis is not None:
            if index[axis].dtype.itemsize < 8 or index[axis].dtype.kind == "i":
                return x.take(index[axis], axis)
        elif len(index) == x.ndim == 2 and _are_integers(index) and index[0].size >= 256:
            return x.reshape(-1).take(_flat_positions(x.shape, index)).reshape(index[0].shape)
    out = x[index]
    return out if out.base is None else out.copy()


def _are_integers(index: tuple) -> bool:
    """Whether all parts are integer arrays of one shape."""
    return all(isinstance(k, ndarray) and k.dtype.kind in "iu" and k.shape == index[0].shape for k in index)


def add_at_slice(total: ndarray, g: ndarray, index: tuple) -> None:
    """``total[index] += g`` for a basic index."""
    part = total[(*index, Ellipsis)] if Ellipsis not in index else total[index]
    np.add(part, g, part)


def index_put(x: Any, value: Any, index: tuple) -> Any:
    out = x.copy()
    out[index] = value
    return out


def _only_axis(index: tuple) -> int | None:
    """The axis of the one integer array in an index that is full slices otherwise."""
    found = None
    for axis, k in enumerate(index):
        if isinstance(k, slice):
            if k != slice(None):
                return None
        elif found is not None or k.dtype.kind not in "iu":
            return None
        else:
            found = axis
    return found


def place_add(g: Any, shape: Any, index: tuple) -> Any:
    """Zeros of ``shape`` with ``g`` added at ``index``; repeated positions add up."""
    axis = _only_axis(index)
    if axis == 0:
        return take_grad(g, shape, index[0])
    if axis is not None and index[axis].ndim == 1:
        moved = (shape[axis], *shape[:axis], *shape[axis + 1 :])
        return np.moveaxis(take_grad(np.moveaxis(g, axis, 0), moved, index[axis]), 0, axis)
    out = np.zeros(shape, g.dtype)
    if len(index) == 1 and index[0].dtype.kind == "b":
        out[index] = g
    else:
        _add_at(
            out.reshape(-1), _flat_positions(shape, index), np.broadcast_to(g, _index_shape(shape, index)).reshape(-1)
        )
    return out


def _index_shape(shape: tuple, index: tuple) -> tuple:
    axis = _only_axis(index)
    if axis is not None:
        return (*shape[:axis], *index[axis].shape, *shape[axis + 1 :])
    return np.broadcast_to(np.empty((), np.int8), shape)[index].shape


def _flat_positions(shape: tuple, index: tuple) -> ndarray:
    if all(isinstance(k, ndarray) and k.dtype.kind in "iu" for k in index):  # leading axes: arithmetic is enough
        flat: Any = None
        for n, k in zip(shape, index, strict=False):
            if k.size and np.minimum.reduce(k, None) < 0:
                k = np.where(k < 0, k + n, k)
            flat = k.astype(np.intp) if flat is None else flat * n + k
        width = math.prod(shape[len(index) :])
        return (flat[..., None] * width + np.arange(width)).reshape(-1) if width != 1 else flat.reshape(-1)
    return np.arange(math.prod(shape)).reshape(shape)[index].reshape(-1)


def index_put_add(x: Any, value: Any, index: tuple) -> Any:
    """A copy of ``x`` with ``value`` (broadcast) added at ``index``; repeated positions add up."""
    out = np.array(x, order="C")
    value = np.broadcast_to(value, _index_shape(x.shape, index))
    if _only_axis(index) == 0 and out.size and value.size:
        rows = index[0].reshape(-1).astype(np.intp, copy=False)
        if np.minimum.reduce(rows) < 0:
            rows = np.where(rows < 0, rows + len(out), rows)
        width = out.size // len(out)
        if out.dtype != bool and not (out.dtype.itemsize == 2 and out.dtype.kind not in "iu"):
            add_rows(out.reshape(len(out), width), rows, value.reshape(rows.size, width))
            return out
    _add_at(out.reshape(-1), _flat_positions(x.shape, index), value.reshape(-1))
    return out


# ---- along one axis ----


def _along(indices: Any, axis: int) -> tuple:
    shape = indices.shape
    grids: list[Any] = [
        np.arange(n).reshape([-1 if j == i else 1 for j in range(len(shape))]) for i, n in enumerate(shape)
    ]
    grids[axis] = indices
    return tuple(grids)


def _flat_along(shape: tuple, indices: ndarray, axis: int) -> ndarray:
    """Flat positions in a C-contiguous array of ``shape`` of ``indices`` along ``axis``."""
    start: Any = None  # of each line along the axis
    stride = 1
    for d in range(len(shape) - 1, -1, -1):
        if d != axis and indices.shape[d] > 1:
            steps = np.arange(0, indices.shape[d] * stride, stride).reshape((-1,) + (1,) * (len(shape) - 1 - d))
            start = steps if start is None else start + steps
        stride *= shape[d]
    flat = indices.astype(np.intp, copy=False)
    step = math.prod(shape[axis + 1 :])
    if step != 1:
        flat = flat * step
    return flat if start is None else flat + start if flat is indices else np.add(flat, start, flat)


def take_along_axis(x: Any, indices: Any, axis: int) -> Any:
    if not x.ndim:
        return np.broadcast_to(x, indices.shape).copy()
    if not indices.ndim:
        return x[indices]
    if x.flags.c_contiguous and indices.size:  # bounds were checked above; "clip" spares NumPy doing it again
        return x.reshape(-1).take(_flat_along(x.shape, indices, axis), mode="clip")
    return x[_along(indices, axis)]


def _fitting(source: Any, indices: ndarray) -> Any:
    """``source`` may be larger than ``indices``: its corner counts."""
    if isinstance(source, ndarray) and source.ndim:
        return source[tuple(slice(n) for n in indices.shape)] if indices.ndim else source.reshape(-1)[0]
    return source


def _laid_out(source: Any, indices: ndarray) -> Any:
    """One element of ``source`` for each of ``indices``, in a row."""
    source = _fitting(source, indices)
    return (
        source.reshape(-1) if np.shape(source) == indices.shape else np.broadcast_to(source, indices.shape).reshape(-1)
    )


def scatter_add(x: Any, indices: Any, source: Any, axis: int) -> Any:
    """A copy of ``x`` with ``source`` added at ``indices`` along ``axis``."""
    out = np.array(x, order="C")
    if indices.size:
        flat = (
            _flat_along(x.shape, indices.reshape(1) if x.ndim and not indices.ndim else indices, axis)
            if x.ndim
            else np.zeros(indices.size, np.intp)
        )
        _add_at(out.reshape(-1), flat.reshape(-1), _laid_out(source, indices))
    return out


def put_along_axis(x: Any, indices: Any, source: Any, axis: int) -> Any:
    """A copy of ``x`` with ``source`` written at ``indices`` along ``axis``; of repeated positions the last wins."""
    out = np.array(x, order="C")
    if not indices.size:
        return out
    source = _fitting(source, indices)
    if not x.ndim:
        out[...] = np.reshape(source, -1)[-1]
    elif not indices.ndim:
        out[indices] = source
    else:
        out[_along(indices, axis)] = source
    return out


def scatter_reduce(x: Any, indices: Any, source: Any, axis: int, reduce: str, include_self: bool) -> Any:
    """``sum``, ``prod``, ``mean``, ``amax`` or ``amin`` of what falls on each position along ``axis``."""
    out = np.array(x, order="C")
    if not indices.size:
        return out
    half = out.dtype.itemsize == 2 and out.dtype.kind not in "iu"
    flat_out = out.reshape(-1).astype(np.float32) if half else out.reshape(-1)
    flat = (
        _flat_along(x.shape, indices, axis).reshape(-1)
        if x.ndim and indices.ndim
        else np.broadcast_to(indices, indices.shape).reshape(-1) * (1 if x.ndim else 0)
    )
    values = _laid_out(source, indices).astype(flat_out.dtype, copy=False)
    if not include_self:
        flat_out[flat] = _neutral(reduce, flat_out.dtype)
    with np.errstate(all="ignore"):
        ufunc = {"sum": np.add, "mean": np.add, "prod": np.multiply, "amax": np.maximum, "amin": np.minimum}[reduce]
        if flat_out.dtype == bool:
            ufunc = {np.add: np.logical_or, np.multiply: np.logical_and}.get(ufunc, ufunc)
        ufunc.at(flat_out, flat, values)
        if reduce == "mean":
            count = np.bincount(flat, minlength=flat_out.size)
            count = np.maximum(count + 1 if include_self else count, 1)
            if not include_self:
                count = np.maximum(count, 1)
            if flat_out.dtype.kind in "iu":
                flat_out //= count.astype(flat_out.dtype)
            else:
                flat_out /= count.astype(flat_out.real.dtype)
    return flat_out.astype(out.dtype, copy=False).reshape(out.shape)


def _neutral(reduce: str, dtype: Any) -> Any:
    if reduce in ("sum", "mean"):
        return 0
    if reduce == "prod":
        return 1
    if dtype.kind == "b":
        return reduce == "amin"
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return info.min if reduce == "amax" else info.max
    return -np.inf if reduce == "amax" else np.inf


def masked_scatter(x: Any, mask: Any, source: Any) -> Any:
    """A copy of ``x`` with the first elements of ``source``, in order, where ``mask`` holds."""
    out = np.array(x, order="C")
    out[mask] = source.reshape(-1)[: np.count_nonzero(mask)]
    return out


def masked_gather(g: Any, mask: Any, shape: tuple) -> Any:
    """The transpose of ``masked_scatter`` in its source."""
    out = np.zeros(math.prod(shape), g.dtype)
    chosen = g[np.broadcast_to(mask, g.shape)]
    out[: chosen.size] = chosen
    return out.reshape(shape)
