"""NumPy: the table of its fastest spellings. Methods and ``ufunc.reduce`` where the public wrappers are slow."""

from __future__ import annotations

import importlib
import math
import os
import pkgutil
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import numpy as np

from . import alike, numpy_update
from .alike import NATIVE, native
from .base import Backend
from .numpy_shape import strided
from .refusals import COMPLEX, RARE, refuse

ndarray = np.ndarray
F16, F32, F64 = np.dtype("float16"), np.dtype("float32"), np.dtype("float64")


def is_half(x: Any) -> bool:
    return x.dtype.itemsize == 2 and x.dtype.kind not in "iub"


# ---- creation ----


def zeros(shape: Any, dtype: Any, index: int = 0) -> ndarray:
    return np.zeros(shape, native(dtype))


def ones(shape: Any, dtype: Any, index: int = 0) -> ndarray:
    return np.ones(shape, native(dtype))


def empty(shape: Any, dtype: Any, index: int = 0) -> ndarray:
    return np.empty(shape, native(dtype))


def full(shape: Any, value: Any, dtype: Any, index: int = 0) -> ndarray:
    return np.full(shape, value, native(dtype))


def arange(start: Any, stop: Any, step: Any, dtype: Any, index: int = 0) -> ndarray:
    count = max(0, math.ceil((stop - start) / step))
    if count and native(dtype).kind in "fV":  # start + i * step, rounded once, as torch does
        return (start + np.arange(count, dtype=F64) * step).astype(native(dtype))
    return np.arange(start, stop, step).astype(native(dtype))[:count]


def linspace(start: Any, stop: Any, steps: int, dtype: Any, index: int = 0) -> ndarray:
    return np.linspace(start, stop, steps).astype(native(dtype))


def eye(n: int, m: int, dtype: Any, index: int = 0) -> ndarray:
    return np.eye(n, m, dtype=native(dtype))


def zeros_like(x: Any) -> ndarray:
    return np.zeros(x.shape, x.dtype)


def ones_like(x: Any) -> ndarray:
    return np.ones(x.shape, x.dtype)


def zeros_of(shape: Any, like: Any) -> ndarray:
    return np.zeros(shape, like.dtype)


def eye_like(x: Any, n: int) -> ndarray:
    return np.eye(n, dtype=bool)


def triu_mask_like(x: Any, n: int) -> ndarray:
    return np.triu(np.ones((n, n), bool))


def to_device(x: Any, device: Any, source: Any = None) -> Any:
    from .base import load

    return x if device.type == "cpu" else load(device.type).from_host(x, device.number)


# ---- shape ----


def permute_dims(x: Any, axes: Any) -> Any:
    return x.transpose(axes)


def broadcast_to(x: Any, shape: Any) -> Any:
    """Stride-0 views without the overhead of ``np.broadcast_to``; like its result read-only, if an element is repeated."""
    lead = len(shape) - x.ndim
    if lead < 0:
        raise ValueError(f"cannot broadcast shape {x.shape} to {tuple(shape)}: it has more dimensions")
    strides = [0] * lead
    for size, wanted, stride in zip(x.shape, shape[lead:], x.strides, strict=True):
        if size == wanted:
            strides.append(stride)
        elif size == 1:
            strides.append(0)
        else:
            raise ValueError(f"cannot broadcast shape {x.shape} to {tuple(shape)}")
    out = strided(x, tuple(shape), tuple(strides)) if x.size else np.broadcast_to(x, shape)
    if out.size > x.size:
        out.flags.writeable = False
    return out


def concat(*xs: Any) -> Any:
    *arrays, axis = xs
    return np.concatenate(arrays, axis)


def flip(x: Any, axis: Any) -> Any:
    axes = {a % x.ndim for a in axis}
    return x[tuple([slice(None, None, -1) if i in axes else slice(None) for i in range(x.ndim)])].copy()


def roll(x: Any, shift: Any, axis: Any) -> Any:
    pairs = zip(shift, axis, strict=True) if isinstance(shift, tuple) else ((shift, axis),)
    out = x
    for s, a in pairs:
        lead = (slice(None),) * (a % x.ndim)
        cut = -s % max(out.shape[a], 1)
        out = np.concatenate((out[(*lead, slice(cut, None))], out[(*lead, slice(0, cut))]), a)
    return out


# ---- index ----


def getitem(x: Any, index: tuple) -> Any:
    """Basic indexing: always a view, also for one element."""
    return x[(*index, Ellipsis)] if Ellipsis not in index else x[index]


def place(x: Any, shape: Any, index: tuple) -> Any:
    out = np.zeros(shape, x.dtype)
    out[index] = x
    return out


# ---- matrix products ----


def matmul(x: Any, y: Any) -> Any:
    if x.dtype is not F32 and is_half(x):  # half products in float32: 300 times faster and rounded once
        return matmul(x.astype(F32), y.astype(F32)).astype(x.dtype)
    if x.ndim == 2 and y.ndim == 2:
        if x.size == 1 or y.size == 1:  # there `dot` scales a vector, and 0 times inf is 0 in BLAS
            return x * y if x.shape[1] == y.shape[0] else np.matmul(x, y)
        return np.dot(x, y) if x.dtype.kind in "fc" else np.matmul(x, y)
    return np.matmul(x, y)


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """``x @ weight.T + bias`` with the bias added in place.

    OpenBLAS takes up to three times as long for a transposed right operand and few rows as for the product turned around;
    there the transposing copy is one with adding the bias.
    """
    if x.dtype is not F32 and is_half(x):
        return linear(x.astype(F32), weight.astype(F32), None if bias is None else bias.astype(F32)).astype(x.dtype)
    rows = len(x)
    if rows <= 128 and weight.size >= 32_768 and rows * weight.size > 262_144:
        turned = np.dot(weight, x.T).T
        return turned.copy() if bias is None else np.add(turned, bias, np.empty(turned.shape, turned.dtype))
    out = np.dot(x, weight.T)
    if bias is not None:
        out += bias
    return out


def _ufuncs() -> dict[str, Any]:
    """Names whose NumPy ufunc is already right: it keeps dtypes and broadcasts."""
    same = """negative positive exp expm1 log log1p log2 log10 sqrt sin cos tan sinh cosh tanh floor ceil
        add subtract multiply maximum minimum hypot copysign logaddexp logaddexp2 nextafter fmax fmin
        equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor logical_not
        bitwise_and bitwise_or bitwise_xor isnan isinf isfinite signbit reciprocal gcd lcm""".split()
    table = {name: getattr(np, name) for name in same}
    renamed = {
        "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "asinh": np.arcsinh,
        "acosh": np.arccosh, "atanh": np.arctanh, "atan2": np.arctan2, "conj": np.conjugate,
        "bitwise_invert": np.invert, "bitwise_left_shift": np.left_shift, "bitwise_right_shift": np.right_shift,
        "where": np.where,
    }  # fmt: skip
    return table | renamed


def public_functions(module: Any) -> dict[str, Any]:
    """The functions of the dialect that a module defines."""
    skip = {"native", "is_half", "backend", "public_functions"}
    return {
        name: f
        for name, f in vars(module).items()
        if callable(f) and not name.startswith("_") and name not in skip and getattr(f, "__module__", "") == module.__name__
        and not isinstance(f, type)
    }  # fmt: skip


def _families() -> dict[str, Any]:
    """The kernels of this file and of all its neighbours ``numpy_<family>.py``."""
    table: dict[str, Any] = _ufuncs() | public_functions(alike) | public_functions(sys.modules[__name__])
    for found in pkgutil.iter_modules([os.path.dirname(__file__)]):
        if found.name.startswith("numpy_") and found.name not in ("numpy_", "numpy_random", "numpy_update"):
            table |= public_functions(importlib.import_module(f".{found.name}", __package__))
    return table


class NumpyBackend(Backend):
    name = "cpu"
    array_types = (ndarray,)
    native = NATIVE
    caps = SimpleNamespace(float64=True, complex128=True, mask_read=True, aliases=True)

    def __init__(self) -> None:
        super().__init__()
        from . import numpy_random

        self.table = SimpleNamespace(**_families())
        refuse(self.table, lambda dtype: COMPLEX if dtype.kind == "c" else "", RARE)
        self.random = numpy_random

    def native_dtype(self, name: str) -> Any:
        return NATIVE[name]

    def dtype_name(self, native: Any) -> str:
        return native.name

    def array(self, value: Any) -> Any:
        return value if type(value) is ndarray else np.asarray(value)

    def from_host(self, host: ndarray, index: int = 0, copy: bool = False) -> ndarray:
        host = np.asarray(host)
        if not host.dtype.isnative:
            return host.astype(host.dtype.newbyteorder("="))
        return host.copy() if copy or not host.flags.writeable else host

    def to_host(self, array: Any) -> ndarray:
        return array

    def copy(self, array: Any) -> ndarray:
        return np.array(array, order="C")

    def known_bounds(self, indices: Any, low: int, high: int) -> tuple[int, int] | None:
        if low == 0 and indices.dtype == np.int64 and np.maximum.reduce(indices.view(np.uint64), None) <= high:
            return low, high  # seen as unsigned, a negative one is too large as well: one pass
        return super().known_bounds(indices, low, high)

    def own(self, array: Any) -> ndarray:
        """A fresh contiguous result of a rule is taken as it is; a view (a transpose, a broadcast) is copied."""
        if type(array) is ndarray and array.base is None and array.flags.c_contiguous:
            return array
        return np.array(array, order="C")

    def add_into(self, total: ndarray, array: Any) -> ndarray:
        np.add(total, array, total)
        return total

    def assign(self, target: ndarray, source: Any) -> None:
        if not target.flags.writeable:
            target, source = _written_once(target, source)
        np.copyto(target, source, casting="unsafe")

    def aliases(self, result: ndarray, source: ndarray) -> bool:
        base = result.base
        return base is not None and (base is source or base is source.base or np.may_share_memory(result, source))

    def overlap(self, x: ndarray, y: ndarray) -> bool:
        return bool(np.may_share_memory(x, y))

    def quiet(self) -> AbstractContextManager:
        return np.errstate(all="ignore")

    def apply_update(
        self,
        rule: Callable,
        params: Sequence[Any],
        grads: Sequence[Any],
        states: Sequence[Sequence[Any]],
        scalars: dict[str, Any],
        cache: dict | None = None,
    ) -> tuple[Sequence[Any], Sequence[Sequence[Any]]]:
        with np.errstate(all="ignore"):
            return numpy_update.apply(self.table, rule, params, grads, states, scalars, cache)


def _written_once(target: ndarray, source: Any) -> tuple[ndarray, Any]:
    """Expanded memory, each place once, and the one value for all; RuntimeError if several values would meet in one place."""
    source = np.broadcast_to(source, target.shape)
    if any(source.strides):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
            "Please clone() the tensor before performing the operation."
        )
    once = (*(slice(None) if stride else slice(0, 1) for stride in target.strides), ...)
    target = target[once]
    try:
        target.flags.writeable = True
    except ValueError:
        raise RuntimeError("this tensor shows memory that is read-only; clone() it before writing to it") from None
    return target, source[once]


def backend() -> NumpyBackend:
    return NumpyBackend()
