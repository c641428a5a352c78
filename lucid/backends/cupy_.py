"""CuPy: CUDA. The table is native functions by name, fused kernels (``cupy_fuse``), and the families ``cupy_*.py``.

Nothing in it waits for the device except what must know a size or a failure (``nonzero``, ``unique``, factorisations; see
docs/cuda.md). Arrays are memory with NumPy's aliasing, so views and writing in place are what they are on the CPU.
"""

from __future__ import annotations

import functools
import importlib
import math
import os
import pkgutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import cupy as cp
import numpy as np

from . import alike
from .alike import NATIVE, native
from .base import Backend, load
from .composed import complete
from .numpy_ import public_functions
from .refusals import BOOL, COMPLEX, FLOAT, refuse
from .switches import CURRENT, algorithms

ndarray = cp.ndarray


@functools.cache
def _devices() -> int:
    return int(cp.cuda.runtime.getDeviceCount())


def _on(index: int) -> AbstractContextManager:
    """The device on which to allocate; cheap where there is only one."""
    if index >= _devices():
        raise RuntimeError(
            f"CUDA error: invalid device ordinal: cuda:{index} was asked for, and there are {_devices()} devices"
        )
    return nullcontext() if _devices() == 1 else cp.cuda.Device(index)


_following: ContextVar[bool] = ContextVar("lucid_cuda_following", default=False)


@contextmanager
def _followed() -> Iterator[None]:
    """A stretch in which ``follow`` may change the current device; at the end it is what it was."""
    token = _following.set(True)
    try:
        with cp.cuda.Device(cp.cuda.get_device_id()):
            yield
    finally:
        _following.reset(token)


# ---- creation ----


def zeros(shape: Any, dtype: Any, index: int = 0) -> Any:
    with _on(index):
        return cp.zeros(shape, native(dtype))


def ones(shape: Any, dtype: Any, index: int = 0) -> Any:
    with _on(index):
        return cp.ones(shape, native(dtype))


def empty(shape: Any, dtype: Any, index: int = 0) -> Any:
    with _on(index):
        return cp.empty(shape, native(dtype))


def full(shape: Any, value: Any, dtype: Any, index: int = 0) -> Any:
    with _on(index):
        return cp.full(shape, value, native(dtype))


def arange(start: Any, stop: Any, step: Any, dtype: Any, index: int = 0) -> Any:
    count = max(0, math.ceil((stop - start) / step))
    wanted = native(dtype)
    with _on(index):
        if all(type(v) is int for v in (start, stop, step)) and wanted.kind in "iu":
            return (cp.arange(count) * step + start).astype(wanted)
        return (start + cp.arange(count).astype(np.float64) * step).astype(wanted)


def linspace(start: Any, stop: Any, steps: int, dtype: Any, index: int = 0) -> Any:
    return _from_host(load("cpu").table.linspace(start, stop, steps, dtype), index)


def eye(n: int, m: int, dtype: Any, index: int = 0) -> Any:
    with _on(index):
        return cp.eye(n, m, dtype=native(dtype))


def zeros_like(x: Any) -> Any:
    return cp.zeros(x.shape, x.dtype)


def ones_like(x: Any) -> Any:
    return cp.ones(x.shape, x.dtype)


def zeros_of(shape: Any, like: Any) -> Any:
    return cp.zeros(shape, like.dtype)


# ---- conversion ----


def _from_host(host: Any, index: int = 0) -> Any:
    from ..core.errors import DTypeError

    host = np.asarray(host)
    if host.dtype.kind in "OSUmM":
        raise DTypeError(f"can't make a tensor of dtype {host.dtype}; the supported dtypes are {', '.join(NATIVE)}")
    if not host.dtype.isnative:
        host = host.astype(host.dtype.newbyteorder("="))
    with _on(index):
        if not host.ndim:  # a number travels as an argument of a kernel: no copy that the host must wait for
            return cp.full((), host.item() if host.dtype.kind != "V" else float(host), host.dtype)
        return cp.asarray(host)


def to_device(x: Any, target: Any, source: Any = None) -> Any:
    if target.type != "cuda":
        return load(target.type).from_host(load("cuda").to_host(x), target.number)
    index = target.number
    if x.device.id == index:
        return x
    with _on(index):
        moved = cp.array(x)
    if _following.get():
        cp.cuda.Device(index).use()  # the gradient is added to others there
    return moved


# ---- matrix products: half types accumulate in float32 inside cuBLAS ----


def matmul(x: Any, y: Any) -> Any:
    if x.dtype.kind == "b":
        return cp.matmul(x.astype(np.int32), y.astype(np.int32)) != 0
    if not x.size or not y.size:
        lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        if x.shape[-1] != y.shape[-2]:
            raise ValueError(f"matmul: inner sizes differ: {x.shape} @ {y.shape}")
        return cp.zeros((*lead, x.shape[-2], y.shape[-1]), x.dtype)
    return cp.matmul(x, y).astype(x.dtype, copy=False)


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """``x @ weight.T + bias`` with the bias added in place."""
    out = matmul(x, weight.T)
    return out if bias is None else cp.add(out, bias, out)


# ---- the table ----

SKIPPED = {
    "check", "signed", "add_at", "flag", "raise_faults", "through_host", "elementwise", "reduction", "literal",
    "wide", "wide_mean", "wide_sum", "wide_logsumexp", "mapped_sum", "computes", "apply", "arguments", "parameters", "split", "volume", "flat", "over_window",
    "over_places", "names",
}  # fmt: skip


def _public(module: Any) -> dict[str, Any]:
    """The functions of the dialect that a module defines."""
    return {name: f for name, f in public_functions(module).items() if name not in SKIPPED}


def _table() -> SimpleNamespace:
    from . import cupy_elementwise, cupy_linalg, cupy_special

    table: dict[str, Any] = (
        dict(cupy_elementwise.UFUNCS) | cupy_elementwise.FUSED | cupy_special.FUSED | cupy_special.OWN
    )
    table |= _public(alike) | _public(sys.modules[__name__])
    for found in pkgutil.iter_modules([os.path.dirname(__file__)]):
        if found.name.startswith("cupy_") and found.name not in ("cupy_", "cupy_fuse", "cupy_random", "cupy_update"):
            table |= _public(importlib.import_module(f".{found.name}", __package__))
    for name in ("isnan", "isinf", "isfinite"):
        table[name] = getattr(cupy_elementwise, name)
    table |= {name: cupy_linalg.through_host(name) for name in cupy_linalg.THROUGH_HOST}
    if _devices() > 1:
        table = {name: _where_its_arrays_are(f) for name, f in table.items()}
    made = SimpleNamespace(**table)
    complete(made)
    refuse(made, _category)
    return made


def _category(dtype: Any) -> str:
    return {"b": BOOL, "c": COMPLEX, "i": "int", "u": "int"}.get(dtype.kind, FLOAT)


def _where_its_arrays_are(kernel: Callable) -> Callable:
    """On a machine of several cards an op runs on that of its arrays, whichever is current; a number joins them there."""

    @functools.wraps(kernel, updated=())
    def run(*args: Any, **kwargs: Any) -> Any:
        arrays = [a for a in args if isinstance(a, ndarray)]
        if not arrays:
            return kernel(*args, **kwargs)
        lead = max(arrays, key=lambda a: a.ndim).device.id
        for a in arrays:
            if a.ndim and a.device.id != lead:
                from ..core.errors import DeviceError

                raise DeviceError(
                    f"{kernel.__name__}: expected all tensors to be on the same device, but found cuda:{lead} and "
                    f"cuda:{a.device.id}; move one with .to('cuda:{lead}')"
                )
        if lead == cp.cuda.get_device_id() and all(a.device.id == lead for a in arrays):
            return kernel(*args, **kwargs)
        with cp.cuda.Device(lead):
            moved = [cp.array(a) if isinstance(a, ndarray) and not a.ndim and a.device.id != lead else a for a in args]
            return kernel(*moved, **kwargs)

    return run


class CupyBackend(Backend):
    name = "cuda"
    array_types = (ndarray,)
    native = NATIVE
    caps = SimpleNamespace(float64=True, complex128=True, mask_read=True, aliases=True)

    def __init__(self) -> None:
        super().__init__()
        from . import cupy_random

        self.table = _table()
        self.random = cupy_random
        _say_when_memory_is_out()
        if _devices() > 1:
            self.several = True
            CURRENT["cuda"] = cp.cuda.runtime.getDevice
        if algorithms.tf32 is not None:
            self.allow_tf32(algorithms.tf32)

    def native_dtype(self, name: str) -> Any:
        return NATIVE[name]

    def dtype_name(self, native: Any) -> str:
        return native.name

    def device_of(self, array: Any) -> tuple[str, int]:
        return "cuda", array.device.id

    def array(self, value: Any) -> Any:
        return value if isinstance(value, ndarray) else _from_host(value)

    def from_host(self, host: Any, index: int = 0, copy: bool = False) -> Any:
        return _from_host(host, index)

    def to_host(self, array: Any) -> np.ndarray:
        """Waits for the device; raises what its kernels have found since the last time."""
        from .cupy_faults import raise_faults

        host = array.get()
        raise_faults()
        return host

    def known_bounds(self, indices: Any, low: int, high: int) -> tuple[int, int] | None:
        """Unknown without waiting: the kernels check their indices themselves (``cupy_faults``)."""
        return None

    def copy(self, array: Any) -> Any:
        with _on(array.device.id):
            return cp.array(array, order="C")

    def own(self, array: Any) -> Any:
        """A fresh contiguous result of a rule is taken as it is; a view (a transpose, a broadcast) is copied."""
        if array.base is None and array.flags.c_contiguous:
            return array
        return self.copy(array)

    def add_into(self, total: Any, array: Any) -> Any:
        with _on(total.device.id):
            return cp.add(total, array, total)

    def assign(self, target: Any, source: Any) -> None:
        if _overlaps(target):
            raise RuntimeError(
                "unsupported operation: more than one element of the written-to tensor refers to a single memory "
                "location; clone() the expanded tensor before writing to it"
            )
        if not isinstance(source, ndarray):
            source = _from_host(source, target.device.id)
        if source.dtype.kind == "c" and target.dtype.kind != "c":
            source = source.real
        with _on(target.device.id):
            target[...] = source if source.device.id == target.device.id else cp.array(source)

    def aliases(self, result: Any, source: Any) -> bool:
        base = result.base
        return base is not None and (base is source or base is source.base)

    def overlap(self, x: Any, y: Any) -> bool:
        return bool(cp.may_share_memory(x, y))

    def quiet(self) -> AbstractContextManager:
        return _followed() if self.several else nullcontext()

    def follow(self, array: Any) -> None:
        while isinstance(array, list | tuple):  # the gradients of several outputs: they are on one device
            array = next((a for a in array if a is not None), None)
        if array is not None and array.device.id != cp.cuda.get_device_id():
            array.device.use()

    def synchronize(self) -> None:
        from .cupy_faults import raise_faults

        cp.cuda.Device().synchronize()
        raise_faults()

    def allow_tf32(self, allowed: bool) -> None:
        """As ``CUPY_TF32=1`` in the environment, but at any time; CuPy has no public name for it."""
        from cupy._core import _routines_linalg as routines

        default = routines.COMPUTE_TYPE_DEFAULT if hasattr(routines, "COMPUTE_TYPE_DEFAULT") else 1
        routines.set_compute_type(np.dtype(np.float32), routines.COMPUTE_TYPE_TF32 if allowed else default)

    def apply_update(
        self,
        rule: Callable,
        params: Sequence[Any],
        grads: Sequence[Any],
        states: Sequence[Sequence[Any]],
        scalars: dict[str, Any],
        cache: dict | None = None,
    ) -> tuple[Sequence[Any], Sequence[Sequence[Any]]]:
        from . import cupy_update

        with _on(params[0].device.id) if params else nullcontext():
            return cupy_update.apply(self.table, rule, params, grads, states, scalars, cache)


def _overlaps(x: Any) -> bool:
    """Whether two elements of an array share memory, as after ``expand`` or ``unfold``."""
    if x.flags.c_contiguous or not x.size:
        return False
    reach = x.itemsize
    for stride, n in sorted((abs(s), n) for s, n in zip(x.strides, x.shape, strict=True) if n > 1):
        if stride < reach:
            return True
        reach = stride * (n - 1) + reach
    return False


def _say_when_memory_is_out() -> None:
    """Let every allocation that fails raise lucid's error, in ops, rules and creation alike."""
    from ..core.errors import OutOfMemoryError

    inner = cp.cuda.get_allocator()
    if getattr(inner, "by_lucid", False):
        return

    def allocate(size: int) -> Any:
        try:
            return inner(size)
        except MemoryError as problem:
            raise OutOfMemoryError(f"CUDA out of memory. Tried to allocate {size / 2**20:.2f} MiB. {problem}") from None

    allocate.by_lucid = True  # type: ignore[attr-defined]
    cp.cuda.set_allocator(allocate)


def backend() -> CupyBackend:
    return CupyBackend()
