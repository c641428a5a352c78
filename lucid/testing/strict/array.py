"""The imitation of ``cupy.ndarray``; its operators are put on it in ``ufuncs``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .memory import Memory, Pointer, Window
from .record import before, check_dtype, counters, record

TABLE: dict[str, Any] = {}  # ufuncs by name, filled in ``ufuncs``
SCALARS = (bool, int, float, complex, np.generic)
CONVERSION = (
    "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array explicitly."
)


def lift(result: Any, *sources: Any) -> Any:
    """A result of NumPy as the device would return it: arrays, also 0-d ones, are device arrays."""
    if isinstance(result, np.ndarray):
        out: Any = object.__new__(ndarray)
        check_dtype(result.dtype)
        out._a = result
        for source in sources:
            if type(source) is ndarray and _shares(result, source._a):
                out._memory = source._memory
                out.base = source if source.base is None else source.base
                return out
        out._memory, out.base = Memory(result.nbytes), None
        return out
    if isinstance(result, np.generic):
        return lift(np.asarray(result))
    if isinstance(result, tuple | list):
        return (tuple if isinstance(result, tuple) else list)(lift(r, *sources) for r in result)
    return result


def _shares(result: np.ndarray, source: np.ndarray) -> bool:
    """Whether one is the other or a view of it; empty views have no memory to share, but a base all the same."""
    if result.size:
        return result is source or np.may_share_memory(result, source)
    return result is source or (result.base is not None and any(result.base is a for a in (source, source.base)))


def here(x: ndarray) -> np.ndarray:
    """The memory of an array for work on the current device: CuPy refuses arrays of another one."""
    if x._memory.device != counters.current:
        raise ValueError(
            "Array device must be same as the current device: "
            f"array device = {x._memory.device} while current = {counters.current}"
        )
    return x._a


def operand(x: Any) -> Any:
    """What a kernel accepts beside arrays: numbers. Nothing of the host."""
    if type(x) is ndarray:
        return here(x)
    if isinstance(x, SCALARS):
        return x
    raise TypeError(f"Unsupported type {type(x)}")


def quietly(f: Callable, *args: Any, **kwargs: Any) -> Any:
    with np.errstate(all="ignore"):
        return f(*args, **kwargs)


class Flags:
    def __init__(self, flags: Any, owner: bool):
        self.c_contiguous, self.f_contiguous, self.owndata = flags.c_contiguous, flags.f_contiguous, owner
        self.fnc = self.f_contiguous and not self.c_contiguous
        self.forc = self.f_contiguous or self.c_contiguous

    def __getitem__(self, name: str) -> bool:
        return getattr(self, name.lower())


class ndarray:
    """An array on the imitated device: see the package's docstring for what it refuses and counts."""

    __module__ = "cupy"
    __slots__ = ("__weakref__", "_a", "_memory", "base")
    __hash__ = None  # type: ignore[assignment]
    __array_priority__ = 100
    _a: np.ndarray
    _memory: Memory
    base: Any

    def __new__(
        cls, shape: Any, dtype: Any = float, memptr: Any = None, strides: Any = None, order: str = "C"
    ) -> ndarray:
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        dtype = np.dtype(dtype)
        if memptr is None:
            return lift(garbage(np.empty(shape, dtype, order)))  # type: ignore[call-overload]
        check_dtype(dtype)
        out = object.__new__(cls)
        window = Window(memptr, shape, np.dtype(f"u{dtype.itemsize}") if dtype.kind == "V" else dtype, strides)
        out._a = np.asarray(window).view(dtype) if dtype.kind == "V" else np.asarray(window)
        out._memory, out.base = memptr.mem, memptr.keep
        return out

    # ---- what is known without asking the device ----

    shape = property(lambda self: self._a.shape)
    dtype = property(lambda self: self._a.dtype)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    strides = property(lambda self: self._a.strides)
    itemsize = property(lambda self: self._a.itemsize)
    nbytes = property(lambda self: self._a.nbytes)
    flags = property(lambda self: Flags(self._a.flags, self.base is None))
    data = property(lambda self: Pointer(self._a.__array_interface__["data"][0], self._memory, self))
    T = property(lambda self: lift(self._a.T, self))
    mT = property(lambda self: lift(self._a.swapaxes(-1, -2), self))
    real = property(
        lambda self: lift(self._a.real, self) if self.dtype.kind == "c" else self,
        lambda self, value: self._part("real", value),
    )
    imag = property(lambda self: lift(self._a.imag, self), lambda self, value: self._part("imag", value))
    flat = property(lambda self: lift(self._a.reshape(-1), self))

    def _part(self, name: str, value: Any) -> None:
        counters.launch()
        before(self._a)
        setattr(self._a, name, operand(value))
        record(setattr, (self._a, name, operand(value)), {}, None)

    @property
    def device(self) -> Any:
        from .runtime import Device

        return Device(self._memory.device)

    @property
    def __cuda_array_interface__(self) -> dict:
        return dict(self._a.__array_interface__)

    def __len__(self) -> int:
        return len(self._a)

    def __iter__(self) -> Iterator:
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    # ---- what waits for the device ----

    def get(self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True) -> Any:
        if blocking:
            counters.sync("get()")
        if out is None:
            return np.array(self._a, order=order)  # type: ignore[call-overload]
        out[...] = self._a
        return out

    def item(self) -> Any:
        counters.sync("item()")
        return self._a.item()

    def tolist(self) -> Any:
        counters.sync("tolist()")
        return self._a.tolist()

    def tobytes(self, order: str = "C") -> bytes:
        counters.sync("tobytes()")
        return self._a.tobytes(order)  # type: ignore[arg-type]

    def __bool__(self) -> bool:
        counters.sync("bool()")
        return bool(self._a)

    def __int__(self) -> int:
        counters.sync("int()")
        return int(self._a)

    def __float__(self) -> float:
        counters.sync("float()")
        return float(self._a)

    def __complex__(self) -> complex:
        counters.sync("complex()")
        return complex(self._a)

    def __repr__(self) -> str:
        counters.sync("repr()")
        return repr(self._a)

    def __str__(self) -> str:
        counters.sync("str()")
        return str(self._a)

    def __format__(self, spec: str) -> str:
        counters.sync("format()")
        return format(self._a.item() if not self.ndim else self._a, spec)

    # ---- what is refused ----

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError(CONVERSION)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        raise TypeError(f"strict: {func.__module__}.{func.__name__} on a CuPy array; call cupy.{func.__name__}")

    def __array_ufunc__(self, f: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or any(isinstance(x, np.ndarray) and x.ndim for x in inputs):
            raise TypeError(f"Unsupported type {np.ndarray}")
        return TABLE[f.__name__](*(x[()] if isinstance(x, np.ndarray) else x for x in inputs), **kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self._memory.device  # kDLCUDA: NumPy refuses it

    def __dlpack__(self, **options: Any) -> Any:
        if options.get("dl_device") != (1, 0):
            raise BufferError("Unsupported device in DLTensor.")
        counters.sync("__dlpack__()")
        return self._a.copy().__dlpack__()

    # ---- indexing ----

    def _key(self, key: Any, reads: bool = False) -> Any:
        """The key for NumPy: index arrays wrap around, as on a GPU; nothing of the host."""
        keys = key if isinstance(key, tuple) else (key,)
        taken = sum(
            k.ndim if _is_mask(k) else 0 if k is None or k is Ellipsis or isinstance(k, bool) else 1 for k in keys
        )
        out: list[Any] = []
        d = 0
        for k in keys:
            if isinstance(k, list | np.ndarray):
                raise TypeError(f"strict: an index of type {type(k)} is a hidden upload; make it a device array first")
            if k is None or isinstance(k, bool | np.bool_):
                out.append(k)
            elif k is Ellipsis:
                out.append(k)
                d += self.ndim - taken
            elif _is_mask(k):
                if reads or len(keys) > 1:
                    counters.sync("a boolean mask as index")
                out.append(k._a)
                d += k.ndim
            else:
                if type(k) is ndarray:
                    if k.dtype.kind not in "iu":
                        raise IndexError(
                            f"arrays used as indices must be of integer or boolean type. (actual: {k.dtype})"
                        )
                    n = self.shape[d] if d < self.ndim else 1
                    k = k._a % n if n else k._a
                elif isinstance(k, slice) and any(type(part) is ndarray for part in (k.start, k.stop, k.step)):
                    raise TypeError("slice indices must be integers or None: a CuPy array has no __index__")
                elif not isinstance(k, slice | int | np.integer):
                    raise IndexError(
                        f"only integers, slices, ellipsis, None and arrays are valid indices, not {type(k)}"
                    )
                out.append(k)
                d += 1
        return tuple(out)

    def __getitem__(self, key: Any) -> Any:
        made = self._key(key, reads=True)
        if any(isinstance(k, np.ndarray) for k in made):
            counters.launch()
            result = np.asarray(here(self)[made])
            record(lambda a, k: np.asarray(a[k]), (self._a, made), {}, result)
            return lift(result)
        return lift(
            self._a[(*made, Ellipsis)] if Ellipsis not in [k for k in made if k is Ellipsis] else self._a[made], self
        )

    def __setitem__(self, key: Any, value: Any) -> None:
        made, value = self._key(key), operand(value)
        counters.launch()
        before(here(self))
        quietly(self._a.__setitem__, made, value)
        record(self._a.__setitem__, (made, value), {}, None)

    def fill(self, value: Any) -> None:
        self[...] = value

    def set(self, arr: np.ndarray, stream: Any = None) -> None:
        if not isinstance(arr, np.ndarray) or arr.dtype != self.dtype or arr.shape != self.shape:
            raise TypeError("set: needs a NumPy array of this shape and dtype")
        counters.uploads += 1
        self._a[...] = arr

    def scatter_add(self, slices: Any, value: Any) -> None:
        TABLE["add"].at(self, slices, value)

    def scatter_max(self, slices: Any, value: Any) -> None:
        TABLE["maximum"].at(self, slices, value)

    def scatter_min(self, slices: Any, value: Any) -> None:
        TABLE["minimum"].at(self, slices, value)

    # ---- views and copies ----

    def astype(
        self, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None, copy: bool = True
    ) -> ndarray:
        dtype = np.dtype(dtype)
        if not copy and dtype == self.dtype:
            return self
        counters.launch()
        result = quietly(here(self).astype, dtype, order)
        record(self._a.astype, (dtype, order), {}, result)
        return lift(result)

    def view(self, dtype: Any = None, type: Any = None) -> ndarray:
        return lift(self._a.view() if dtype is None else self._a.view(dtype), self)

    def transpose(self, *axes: Any) -> ndarray:
        return lift(self._a.transpose(*axes), self)

    def reshape(self, *shape: Any, order: str = "C", copy: Any = None) -> ndarray:
        shape = shape[0] if len(shape) == 1 else shape
        result = self._a.reshape(shape, order=order)  # type: ignore[call-overload]
        if not np.may_share_memory(result, self._a):
            counters.launch()
            record(lambda a: a.reshape(shape, order=order), (self._a,), {}, result)
        return lift(result, self)

    def copy(self, order: str = "C") -> ndarray:
        counters.launch()
        result = here(self).copy(order)  # type: ignore[arg-type]
        record(self._a.copy, (order,), {}, result)
        return lift(result)

    def __copy__(self) -> ndarray:
        return self.copy()

    def __deepcopy__(self, memo: dict) -> ndarray:
        return self.copy()

    def __reduce__(self) -> Any:
        from .functions import array

        return array, (self.get(),)

    def __neg__(self) -> Any:
        return TABLE["negative"](self)

    def __pos__(self) -> Any:
        return TABLE["positive"](self)

    def __abs__(self) -> Any:
        return TABLE["absolute"](self)

    def __invert__(self) -> Any:
        return TABLE["invert"](self)

    def __matmul__(self, other: Any) -> Any:
        return matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return matmul(other, self)


def _is_mask(k: Any) -> bool:
    return type(k) is ndarray and k.dtype.kind == "b"


def garbage(a: np.ndarray) -> np.ndarray:
    """Memory that nobody has written: values that cannot go unnoticed."""
    if a.dtype.kind in "fcV":
        a[...] = np.nan
    else:
        a[...] = 1 if a.dtype.kind == "b" else np.iinfo(a.dtype).max // 3
    return a


def matmul(x1: Any, x2: Any, out: Any = None, **options: Any) -> Any:
    """``cupy.matmul``."""
    for x in (x1, x2):
        if type(x) is not ndarray:
            raise TypeError(f"Unsupported type {type(x)}")
        here(x)
    counters.launch()
    if out is not None:
        before(out._a)
        quietly(np.matmul, x1._a, x2._a, out=out._a, **options)
        record(np.matmul, (x1._a, x2._a), {"out": out._a}, None)
        return out
    result = np.asarray(quietly(np.matmul, x1._a, x2._a, **options))
    record(lambda a, b: np.asarray(np.matmul(a, b)), (x1._a, x2._a), {}, result)
    return lift(result)
