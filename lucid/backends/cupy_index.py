"""Gather and scatter on CuPy; ``cupy_faults`` has what becomes of an index that is out of range.

Scattering adds with atomics, whose order differs from run to run; ``lucid.use_deterministic_algorithms(True)`` sorts
the positions instead, and so does every reduction other than a sum. Nothing here waits for the device.
"""

from __future__ import annotations

import math
from typing import Any

import cupy as cp
import numpy as np

from .cupy_faults import INSIDE, check, flag, signed
from .cupy_fuse import elementwise
from .switches import algorithms

I64 = np.dtype(np.int64)


def _check_all(shape: tuple, index: tuple) -> None:
    d = 0
    for k in index:
        if isinstance(k, cp.ndarray) and k.dtype.kind == "b":
            d += k.ndim
        else:
            if isinstance(k, cp.ndarray):
                check(k, shape[d])
            d += k is not None


# ---- sums: in what dtype, and how ----


def _accumulates_in(dtype: Any) -> Any:
    """The dtype that sums are made in: there are no atomics for small integers, and half types would round each time."""
    if dtype.kind in "fV" and dtype.itemsize == 2:
        return np.dtype(np.float32)
    if dtype.kind in "iub" and dtype.itemsize < 4:
        return np.dtype(np.int32)
    if dtype.kind == "i" and dtype.itemsize == 8:
        return np.dtype(np.uint64)  # the same bits: two's complement
    return dtype


def _as(x: Any, dtype: Any) -> Any:
    if x.dtype == dtype:
        return x
    return (
        x.view(dtype)
        if x.dtype.kind in "iu" and x.itemsize == dtype.itemsize and x.flags.c_contiguous
        else x.astype(dtype)
    )


def add_at(out: Any, positions: Any, values: Any) -> Any:
    """Flat ``out`` with ``values[i]`` added at ``positions[i]``, which are known to be inside; returns the sum.

    ``out`` is written unless its dtype cannot be added to in place.
    """
    stored = out.dtype
    if stored.kind == "c":
        part = np.dtype(f"f{stored.itemsize // 2}")
        pairs = (positions.reshape(-1, 1) * 2 + cp.arange(2)).reshape(-1)
        return add_at(out.view(part), pairs, cp.ascontiguousarray(values).view(part)).view(stored)
    kind = _accumulates_in(stored)
    total, values = _as(out, kind), _as(cp.ascontiguousarray(values), kind)
    if algorithms.deterministic:
        _in_order(total, positions, values, "sum")
    else:
        elementwise("add_at", "int64 p, T v", "raw T out", "atomicAdd(&out[p], v)")(positions, values, total)
    if stored.kind == "b":
        return total != 0
    return _as(total, stored)


# Each run of equal positions belongs to the thread at its start: the same order at every run, and no atomics.
_STEPS = {"sum": "s + v", "prod": "s * v", "amax": "(v > s || v != v) ? v : s", "amin": "(v < s || v != v) ? v : s"}


def _in_order(out: Any, positions: Any, values: Any, reduce: str) -> None:
    order = cp.argsort(positions)
    elementwise(
        f"{reduce}_in_order", "raw int64 p, raw int64 order, raw T values, int64 len", "raw T out",
        f"""
        const long long at = p[i];
        if (i == 0 || p[i - 1] != at) {{
            T s = out[at];
            for (long long k = i; k < len && p[k] == at; ++k) {{
                const T v = values[order[k]];
                s = {_STEPS[reduce]};
            }}
            out[at] = s;
        }}""",
    )(positions[order], order, values, positions.size, out, size=positions.size)  # fmt: skip


# ---- rows: embeddings ----


def take_grad(g: Any, shape: Any, rows: Any, code: int = 2) -> Any:
    """Rows of ``g`` added at ``rows`` of zeros: the gradient of an embedding."""
    width = math.prod(shape[1:])
    rows = signed(rows.reshape(-1))
    if not rows.size or not width:
        return cp.zeros(shape, g.dtype)
    kind = _accumulates_in(g.dtype)
    if g.dtype.kind in "fV" and not algorithms.deterministic:
        out = cp.zeros((shape[0], width), kind)
        elementwise(
            "take_grad", "raw K rows, raw T g, int64 width, int64 len, int32 code", "raw S out, raw int32 fault",
            """
            int bad = 0;
            const long long row = inside(rows[i / width], len, code, bad);
            if (bad) fault[(ptrdiff_t)0] = bad;
            else atomicAdd(&out[row * width + i % width], (S)g[i])""",
            preamble=INSIDE,
        )(rows, cp.ascontiguousarray(g), width, shape[0], code, out, flag(), size=rows.size * width)  # fmt: skip
        return out.reshape(shape).astype(g.dtype, copy=False)
    flat = _positions_of_rows(rows, shape[0], width, code)
    return add_at(cp.zeros(math.prod(shape), g.dtype), flat, g.reshape(-1)).reshape(shape)


def _positions_of_rows(rows: Any, n: int, width: int, code: int) -> Any:
    out = cp.empty(rows.size * width, I64)
    elementwise(
        "positions_of_rows", "raw K rows, int64 width, int64 len, int32 code", "int64 p, raw int32 fault",
        "int bad = 0; p = inside(rows[i / width], len, code, bad) * width + i % width; if (bad) fault[(ptrdiff_t)0] = bad",
        preamble=INSIDE,
    )(rows, width, n, code, out, flag())  # fmt: skip
    return out


# ---- any index: x[index] and its transposes ----


def _native_index(index: tuple) -> tuple:
    return tuple(signed(k) if isinstance(k, cp.ndarray) else k for k in index)


def index(x: Any, index: tuple) -> Any:
    """Indexing with arrays: a copy."""
    axis = _only_axis(index)
    if axis is not None and x.size:
        return _take(x, index[axis], axis)
    _check_all(x.shape, index)
    out = x[_native_index(index)]
    return out if out.base is None else out.copy()


def _take(x: Any, k: Any, axis: int) -> Any:
    """Slices at ``k`` along one axis: bounds are checked by the kernel that copies."""
    x, k = cp.ascontiguousarray(x), signed(cp.ascontiguousarray(k))
    inner, n = math.prod(x.shape[axis + 1 :]), x.shape[axis]
    out = cp.empty((*x.shape[:axis], *k.shape, *x.shape[axis + 1 :]), x.dtype)
    elementwise(
        "take", "raw T x, raw K k, int64 len, int64 many, int64 inner", "T y, raw int32 fault",
        """
        int bad = 0;
        const long long at = inside(k[i / inner % many], len, 1, bad);
        if (bad) fault[(ptrdiff_t)0] = bad;
        y = x[(i / inner / many * len + at) * inner + i % inner]""",
        preamble=INSIDE,
    )(x, k, n, max(k.size, 1), max(inner, 1), out, flag())  # fmt: skip
    return out


def index_put(x: Any, value: Any, index: tuple) -> Any:
    _check_all(x.shape, index)
    out = x.copy()
    out[_native_index(index)] = value
    return out


def _only_axis(index: tuple) -> int | None:
    """The axis of the one integer array in an index that is full slices otherwise."""
    found = None
    for axis, k in enumerate(index):
        if isinstance(k, slice):
            if k != slice(None):
                return None
        elif found is not None or not isinstance(k, cp.ndarray) or k.dtype.kind not in "iu":
            return None
        else:
            found = axis
    return found


def place_add(g: Any, shape: Any, index: tuple) -> Any:
    """Zeros of ``shape`` with ``g`` added at ``index``; repeated positions add up."""
    axis = _only_axis(index)
    if axis == 0:
        return take_grad(g, shape, index[0], 1)
    return index_put_add(cp.zeros(shape, g.dtype), g, index)


def index_put_add(x: Any, value: Any, index: tuple) -> Any:
    """A copy of ``x`` with ``value`` (broadcast) added at ``index``; repeated positions add up."""
    out = x.copy()
    positions = _flat_positions(x.shape, index)
    if not positions.size:
        return out
    if not isinstance(value, cp.ndarray):
        value = cp.full((), value, x.dtype)
    values = cp.broadcast_to(value, positions.shape).reshape(-1)
    return add_at(out.reshape(-1), positions.reshape(-1), values).reshape(x.shape)


def _flat_positions(shape: tuple, index: tuple) -> Any:
    """Where in memory the elements of ``x[index]`` lie, in its shape."""
    _check_all(shape, index)
    if all(isinstance(k, cp.ndarray) and k.dtype.kind in "iu" for k in index):  # leading axes: arithmetic is enough
        flat: Any = cp.zeros((), I64)
        for n, k in zip(shape, index, strict=False):
            k = signed(k)
            flat = flat * n + cp.where(k < 0, k + n, k)
        rest = shape[len(index) :]
        flat = cp.clip(flat, 0, max(math.prod(shape[: len(index)]) - 1, 0))
        inner = cp.arange(math.prod(rest)).reshape(rest)
        return flat.reshape(flat.shape + (1,) * len(rest)) * inner.size + inner
    return cp.arange(math.prod(shape)).reshape(shape)[_native_index(index)]


# ---- along one axis ----


def _positions(shape: tuple, indices: Any, axis: int) -> Any:
    """Flat positions in a contiguous array of ``shape`` of ``indices`` along ``axis``, checked."""
    indices = signed(cp.ascontiguousarray(indices))
    if not shape or not indices.ndim:
        indices = indices.reshape(-1)
        shape = shape or (1,)
        axis = 0
    if not shape[axis]:
        check(indices, 0)
    out = cp.empty(indices.shape, I64)
    _position_kernel(indices.shape, shape, axis)(indices, shape[axis], out, flag(), size=indices.size)
    return out.reshape(-1)


def _position_kernel(shape: tuple, target: tuple, axis: int) -> Any:
    """Sizes are arguments, so that one compiled kernel serves all shapes of a number of dimensions."""
    stride, sizes, lines, rest = 1, [], [], "i"
    for d in range(len(target) - 1, -1, -1):
        sizes.append((shape[d], stride))
        here = "k" if d == axis else f"({rest} % m{d})"
        lines.append(f"at += {here} * s{d};")
        rest = f"({rest} / m{d})"
        stride *= target[d]
    sizes.reverse()
    parameters = "".join(f", int64 m{d}, int64 s{d}" for d in range(len(target)))
    kernel = elementwise(
        f"positions_{len(target)}_{axis}", f"raw K index, int64 len{parameters}", "raw int64 out, raw int32 fault",
        "int bad = 0; const long long k = inside(index[i], len, 1, bad); if (bad) fault[(ptrdiff_t)0] = bad;\nlong long at = 0;\n"
        + "\n".join(lines) + "\nout[i] = at;",
        preamble=INSIDE,
    )  # fmt: skip
    flat = [v for pair in sizes for v in pair]
    return lambda index, n, out, fault, size: kernel(index, n, *flat, out, fault, size=size)


def take_along_axis(x: Any, indices: Any, axis: int) -> Any:
    if not indices.size:
        return cp.empty(indices.shape, x.dtype)
    where = _positions(x.shape, indices, axis)
    out = cp.empty(indices.shape, x.dtype)
    elementwise("take_flat", "raw T x, raw int64 p", "T y", "y = x[p[i]]")(cp.ascontiguousarray(x), where, out)
    return out


def _fitting(source: Any, indices: Any, dtype: Any) -> Any:
    """``source`` may be larger than ``indices``: its corner counts; flat."""
    if not isinstance(source, cp.ndarray):
        source = cp.full((), source, dtype)
    if source.ndim:
        source = source[tuple(slice(n) for n in indices.shape)] if indices.ndim else source.reshape(-1)[:1].reshape(())
    return cp.broadcast_to(source, indices.shape).reshape(-1)


def scatter_add(x: Any, indices: Any, source: Any, axis: int) -> Any:
    """A copy of ``x`` with ``source`` added at ``indices`` along ``axis``."""
    out = x.copy()
    if not indices.size:
        return out
    where = _positions(x.shape, indices, axis)
    return add_at(out.reshape(-1), where, _fitting(source, indices, x.dtype)).reshape(x.shape)


def put_along_axis(x: Any, indices: Any, source: Any, axis: int) -> Any:
    out = x.copy()
    if indices.size:
        where = _positions(x.shape, indices, axis)
        values = cp.ascontiguousarray(_fitting(source, indices, x.dtype))
        elementwise("put_flat", "int64 p, T v", "raw T out", "out[p] = v")(where, values, out.reshape(-1))
    return out


def scatter_reduce(x: Any, indices: Any, source: Any, axis: int, reduce: str, include_self: bool) -> Any:
    """``sum``, ``prod``, ``mean``, ``amax`` or ``amin`` of what falls on each position along ``axis``."""
    if not indices.size:
        return x.copy()
    where = _positions(x.shape, indices, axis)
    stored, boolean = x.dtype, x.dtype.kind == "b"
    kind = (
        np.dtype(np.int32)
        if boolean
        else np.dtype(np.float32)
        if stored.itemsize == 2 and stored.kind in "fV"
        else stored
    )
    flat = x.reshape(-1).astype(kind)
    values = _fitting(source, indices, stored).astype(kind)
    if not include_self:
        put = elementwise("put_number", "int64 p, float64 v", "raw T out", "out[p] = (T)v")
        if reduce in ("amax", "amin") and kind.kind in "iu":
            info = np.iinfo(kind)
            flat = _filled(
                flat, where, (info.min if reduce == "amax" else info.max) if not boolean else int(reduce == "amin")
            )
        else:
            put(where, {"sum": 0.0, "mean": 0.0, "prod": 1.0, "amax": -math.inf, "amin": math.inf}[reduce], flat)
    _in_order(flat, where, values, "sum" if reduce == "mean" else reduce)
    if reduce == "mean":
        ones = cp.full(where.shape, 1, np.int32)
        count = cp.full(flat.shape, int(include_self), np.int32)
        count = cp.maximum(add_at(count, where, ones), 1)
        if kind.kind in "iu":
            flat = cp.floor_divide(flat, count.astype(kind))
        else:
            flat = flat / count.astype(flat.real.dtype)
    if boolean:
        return (flat != 0).reshape(x.shape)
    return flat.astype(stored, copy=False).reshape(x.shape)


def _filled(flat: Any, where: Any, value: int) -> Any:
    elementwise("put_integer", "int64 p, int64 v", "raw T out", "out[p] = (T)v")(where, value, flat)
    return flat


# ---- masks, without asking how many elements they hold ----


def _order_in(mask: Any) -> Any:
    """For each element, how many before it are true."""
    return cp.cumsum(mask.reshape(-1), 0, I64) - 1


def masked_scatter(x: Any, mask: Any, source: Any) -> Any:
    """A copy of ``x`` with the first elements of ``source``, in order, where ``mask`` holds."""
    full = cp.ascontiguousarray(cp.broadcast_to(mask, x.shape))
    out = x.copy()
    if out.size and source.size:
        elementwise(
            "masked_scatter", "raw bool m, raw int64 order, raw T source, int64 len", "raw T out",
            "if (m[i] && order[i] < len) out[i] = source[order[i]]",
        )(full, _order_in(full), cp.ascontiguousarray(source), source.size, out, size=out.size)  # fmt: skip
    return out


def masked_gather(g: Any, mask: Any, shape: tuple) -> Any:
    """The transpose of ``masked_scatter`` in its source."""
    full = cp.ascontiguousarray(cp.broadcast_to(mask, g.shape))
    out = cp.zeros(math.prod(shape), g.dtype)
    if g.size and out.size:
        elementwise(
            "masked_gather", "raw bool m, raw int64 order, raw T g, int64 len", "raw T out",
            "if (m[i] && order[i] < len) out[order[i]] = g[i]",
        )(full, _order_in(full), cp.ascontiguousarray(g), out.size, out, size=g.size)  # fmt: skip
    return out.reshape(shape)
