"""Indices out of range on CuPy: met by kernels, told at the next synchronisation.

CuPy lets such an index wrap around. Looking at it from the host would wait for the device at every embedding. So the
kernels look: one that meets such an index takes position 0 instead and raises a flag in device memory, which
``raise_faults`` reads when the program waits for the device anyway (``.item()``, ``.cpu()``, ``synchronize``).
"""

from __future__ import annotations

import threading
from typing import Any

import cupy as cp
import numpy as np

from .cupy_fuse import elementwise

MESSAGES = {
    1: "index out of range in an indexing, gather or scatter operation",
    2: "embedding: index out of range in self",
    3: "cross_entropy: Target is out of bounds",
}


class _Flags(threading.local):
    """A flag per device, and whether a kernel that may raise it has run since it was read (of this thread)."""

    def __init__(self) -> None:
        self.flags: dict[int, Any] = {}
        self.armed: set[int] = set()


_state = _Flags()


def flag() -> Any:
    """The current device's flag, for a kernel that is about to run."""
    device = cp.cuda.get_device_id()
    _state.armed.add(device)
    found = _state.flags.get(device)
    if found is None:
        found = _state.flags[device] = cp.zeros(1, np.int32)
    return found


def raise_faults() -> None:
    """IndexError if a kernel has met an index that is not there; reads the flag only if one might have been raised."""
    for device in list(_state.armed):
        _state.armed.discard(device)
        held = _state.flags[device]
        with cp.cuda.Device(device):
            code = int(held.get()[0])
            if code:
                held.fill(0)
                raise IndexError(
                    f"{MESSAGES[code]} (found on the device; the operation ran some time before this line)"
                )


# What kernels do with an index k of a dimension of size n: negative ones count from the end.
INSIDE = """
template <typename I> __device__ long long inside(I given, long long len, int code, int& fault) {
    long long k = (long long)given;
    if (k < -len || k >= len) { fault = code; return 0; }
    return k < 0 ? k + len : k;
}
"""


def check(indices: Any, n: int, code: int = 1) -> None:
    """Raise the flag if an index is out of range; IndexError at once where any would be, and position 0 is not there."""
    if indices.size and not n:
        raise IndexError(MESSAGES[code] + ": the dimension has size 0")
    if indices.size:
        elementwise(
            "check_indices",
            "K k, int64 len, int32 code",
            "raw int32 fault",
            "if (k < -len || k >= len) fault[(ptrdiff_t)0] = code",
        )(signed(indices), n, code, flag())


def signed(indices: Any) -> Any:
    return indices.astype(np.dtype(np.int64)) if indices.dtype.kind == "u" else indices
