"""MLX's dtypes, creation, and conversion to and from NumPy. Zero-copy views of MLX's memory are never kept: it is reused."""

from __future__ import annotations

import weakref
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import mlx.core as mx
import numpy as np

from .base import load

ON_GPU = mx.metal.is_available() and mx.default_device().type == mx.DeviceType.gpu
NATIVE = {
    "bool": mx.bool_, "uint8": mx.uint8, "uint16": mx.uint16, "uint32": mx.uint32, "uint64": mx.uint64, "int8": mx.int8,
    "int16": mx.int16, "int32": mx.int32, "int64": mx.int64, "float16": mx.float16, "bfloat16": mx.bfloat16,
    "float32": mx.float32, "complex64": mx.complex64,
}  # fmt: skip
if not ON_GPU:
    NATIVE["float64"] = mx.float64
INTEGERS = {mx.bool_, mx.uint8, mx.uint16, mx.uint32, mx.uint64, mx.int8, mx.int16, mx.int32, mx.int64}


def native(dtype: Any) -> Any:
    if isinstance(dtype, mx.Dtype):
        return dtype
    found = NATIVE.get(dtype.name)
    if found is None:
        if dtype.name == "float64":
            raise TypeError("float64 is not available on the Apple GPU: use float32, or keep this tensor on the CPU")
        if dtype.name == "complex128":
            raise TypeError("complex128 is not available on 'mlx': use complex64, or keep this tensor on the CPU")
        raise TypeError(f"dtype {dtype.name} is not available on 'mlx': it has {', '.join(NATIVE)}")
    return found


def scattering(x: Any) -> AbstractContextManager:
    """Where to scatter into ``x``: Metal has no scatter of eight bytes (int64, complex64), but shares its memory with the CPU."""
    return mx.stream(mx.cpu) if ON_GPU and x.dtype.size == 8 else nullcontext()  # type: ignore[attr-defined]


def inexact(x: Any, *others: Any, **named: Any) -> bool:
    return x.dtype not in INTEGERS


def not_double(x: Any, *others: Any, **named: Any) -> bool:
    """In float64 ``exp`` and what MLX makes of it are only float32-accurate on its CPU."""
    return x.dtype != mx.float64


# ---- bounds of indices ----


class Bounds(dict):
    """The least and the largest element of integer arrays, known without waiting for the device.

    An index must be checked before MLX gets it, and to look at it means to wait. But indices mostly come from the host
    (labels, tokens) and are then only sliced and reshaped, so what was seen there travels with them; for a part it may be
    wider than the truth. By ``id``, until the array dies: (least, largest, whether they occur, a weak reference).
    """

    def note(self, array: Any, low: int, high: int, exact: bool = True) -> None:
        key = id(array)
        self[key] = (low, high, exact, weakref.ref(array, lambda _: self.pop(key, None)))

    def carry(self, source: Any, array: Any) -> None:
        known = self.get(id(source))
        if known is not None and array is not source:
            self.note(array, known[0], known[1], False)


BOUNDS = Bounds()


# ---- to and from NumPy ----


def to_host(x: Any) -> np.ndarray:
    """A NumPy array of its own: a zero-copy one would be overwritten when MLX reuses the memory."""
    if x.dtype == mx.bfloat16:
        import ml_dtypes

        return np.array(x.astype(mx.float32)).astype(ml_dtypes.bfloat16)
    return np.array(x)


def from_host(host: np.ndarray) -> Any:
    name = "complex64" if host.dtype.name == "complex128" else host.dtype.name
    if name == "bfloat16":
        return mx.array(host.astype(np.float32)).astype(mx.bfloat16)
    array = mx.array(np.ascontiguousarray(host).reshape(host.shape), dtype=native(np.dtype(name)))
    if host.dtype.kind in "iu" and host.size:
        BOUNDS.note(array, int(host.min()), int(host.max()))
    return array


def cast(x: Any, dtype: Any, source: Any = None) -> Any:
    wanted = native(dtype)
    if x.dtype == mx.complex64 and wanted != mx.complex64:
        x = x != 0 if wanted == mx.bool_ else mx.real(x)
    out = x.astype(wanted)
    known = BOUNDS.get(id(x))
    if known is not None and (
        wanted == mx.int64 or (wanted == mx.int32 and -(1 << 31) <= known[0] <= known[1] < 1 << 31)
    ):
        BOUNDS.carry(x, out)  # nothing wrapped
    return out


def to_device(x: Any, target: Any, source: Any = None) -> Any:
    return x if target.type == "mlx" else load(target.type).from_host(to_host(x), target.number)


# ---- creation ----


def zeros(shape: Any, dtype: Any, index: int = 0) -> Any:
    return mx.zeros(shape, native(dtype))


def empty(shape: Any, dtype: Any, index: int = 0) -> Any:
    return mx.zeros(shape, native(dtype))


def ones(shape: Any, dtype: Any, index: int = 0) -> Any:
    return mx.ones(shape, native(dtype))


def full(shape: Any, value: Any, dtype: Any, index: int = 0) -> Any:
    return mx.full(shape, mx.array(value, native(dtype)))


def arange(start: Any, stop: Any, step: Any, dtype: Any, index: int = 0) -> Any:
    return from_host(load("cpu").table.arange(start, stop, step, dtype))


def linspace(start: Any, stop: Any, steps: int, dtype: Any, index: int = 0) -> Any:
    return from_host(load("cpu").table.linspace(start, stop, steps, dtype))


def eye(n: int, m: int, dtype: Any, index: int = 0) -> Any:
    return mx.eye(n, m, dtype=native(dtype))


def zeros_of(shape: Any, like: Any) -> Any:
    return mx.zeros(shape, like.dtype)


def eye_like(x: Any, n: int) -> Any:
    return mx.eye(n, dtype=mx.bool_)


def triu_mask_like(x: Any, n: int) -> Any:
    return mx.triu(mx.ones((n, n), mx.bool_))


def tril_mask_like(x: Any, n: int, m: int, k: int = 0) -> Any:
    return mx.tri(n, m, k, dtype=mx.bool_)
