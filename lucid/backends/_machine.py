"""Which kernels run as machine code (``machine_elementwise``, ``machine_rows``), and on what arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import available

COMPILES = 4096  # elements: below, all that counts is the number of calls
ROWS = 1024  # the same for kernels of rows, which take the place of a dozen calls
DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


def in_memory_order(x: Any) -> Any:
    """A flat view of all elements as they lie, for rows and for channels-last images; None for anything else."""
    if x.flags.c_contiguous:
        return x.reshape(-1)
    if x.ndim > 2:
        last = x.transpose((0, *range(2, x.ndim), 1))
        if last.flags.c_contiguous:
            return last.reshape(-1)
    return None


def compiles(x: Any) -> bool:
    """Whether a kernel of rows takes this array."""
    return x.size >= ROWS and x.dtype in DTYPES and x.flags.c_contiguous and available()


def by_rows(name: str, axis: int, *arrays: Any) -> Any:
    """The result of the kernel ``name`` of ``machine_rows`` along the last axis, or None where NumPy's way is to be taken."""
    like = arrays[-1]
    if not compiles(like) or axis % like.ndim != like.ndim - 1:
        return None
    from . import machine_rows

    out = np.empty(like.shape, like.dtype)
    rows = (-1, like.shape[-1])
    parts = [np.ascontiguousarray(a, like.dtype).reshape(rows) for a in arrays]
    getattr(machine_rows, name)(*parts, out.reshape(rows))
    return out


def one_pass(name: str, *arrays: Any, numbers: tuple = ()) -> Any:
    """The result of the compiled kernel ``name``, or None where NumPy's way is to be taken. All arrays have one shape; the
    last says in what order elements lie."""
    like = arrays[-1]
    if like.size < COMPILES or like.dtype not in DTYPES or not available():
        return None
    flat = in_memory_order(like)
    if flat is None:
        return None
    from . import machine_elementwise

    dtype, strides = like.dtype, like.strides
    out = np.empty_like(like)
    parts = []
    for a in arrays[:-1]:
        if a.dtype != dtype or a.shape != like.shape:
            return None
        if a.strides != strides:
            a, copy = np.empty_like(like), a
            a[...] = copy
        parts.append(in_memory_order(a))
    run = getattr(machine_elementwise, name)
    run(*parts, flat, *map(dtype.type, numbers), in_memory_order(out))
    return out
