"""The array API: making arrays."""

from __future__ import annotations

import builtins
import inspect
from typing import Any

from ..backends import backend_of
from ..core import dtypes
from ..core.tensor import Tensor, wrap
from .registry import FUNCTIONS as F
from .standard import call, standard


@standard
def arange(start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None) -> Tensor:
    start, stop = (0, start) if stop is None else (start, stop)
    if dtype is None and builtins.any(isinstance(v, float) for v in (start, stop, step)):
        dtype = dtypes.get_default_dtype()
    if (stop - start) * step < 0:
        stop = start
    return F["arange"](start, stop, step, dtype=dtype, device=device)


@standard
def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Tensor:
    if copy is False and not isinstance(obj, Tensor) and not hasattr(obj, "__dlpack__"):
        raise ValueError("asarray: a new array is needed here, and copy=False")
    if copy is False and dtype is not None and obj.dtype is not dtypes.as_dtype(dtype):
        raise ValueError(f"asarray: {obj.dtype} to {dtype} needs a copy, and copy=False")
    if isinstance(obj, Tensor) and copy:
        obj = obj.clone()  # type: ignore[attr-defined]
    if isinstance(obj, int) and not isinstance(obj, bool) and dtype is None and not -(2**63) <= obj < 2**63:
        raise OverflowError(f"asarray: {obj} is out of the bounds of int64")
    return F["asarray"](obj, dtype=dtype, device=device, copy=copy)


def _creator(name: str) -> None:
    def f(shape: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
        return F[name]((shape,) if isinstance(shape, int) else tuple(shape), dtype=dtype, device=device)

    f.__name__ = name
    standard(f)


for _name in ("zeros", "ones", "empty"):
    _creator(_name)


def _like(name: str) -> None:
    def f(x: Tensor, /, *, dtype: Any = None, device: Any = None) -> Tensor:
        return F[name](x.detach(), dtype=dtype, device=device)  # type: ignore[attr-defined]

    f.__name__ = name
    standard(f)


_like("empty_like")


@standard
def zeros_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    if dtype is None and device is None:
        return wrap(_table(x).zeros_like(x.value))
    return F["zeros_like"](x, dtype=dtype, device=device)


@standard
def ones_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    if dtype is None and device is None:
        return wrap(_table(x).ones_like(x.value))
    return F["ones_like"](x, dtype=dtype, device=device)


def _table(x: Tensor) -> Any:
    return backend_of(x.value).table


@standard
def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    return F["full"](shape, fill_value, dtype=dtype, device=device)


@standard
def full_like(x: Tensor, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    return F["full_like"](x, fill_value, dtype=dtype, device=device)


@standard
def eye(n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: Any = None) -> Tensor:
    m = n_rows if n_cols is None else n_cols
    if k == 0:
        return F["eye"](n_rows, m, dtype=dtype, device=device)
    out = F["zeros"]((n_rows, m), dtype=dtype, device=device)
    if -n_rows < k < m:
        F["diagonal"](out, k).fill_(1)
    return out


@standard
def linspace(
    start: Any, stop: Any, /, num: int, *, dtype: Any = None, device: Any = None, endpoint: bool = True
) -> Tensor:
    if isinstance(start, complex) or isinstance(stop, complex):
        raise TypeError("linspace: complex bounds are not supported")
    if endpoint or not num:
        return F["linspace"](start, stop, num, dtype=dtype, device=device)
    return F["linspace"](start, stop, num + 1, dtype=dtype, device=device)[:-1]


@standard
def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Tensor:
    return F["from_dlpack"](x, device=device, copy=copy)


@standard
def meshgrid(*arrays: Tensor, indexing: str = "xy") -> list[Tensor]:
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing must be 'xy' or 'ij', got {indexing!r}")
    return list(F["meshgrid"](*arrays, indexing=indexing)) if arrays else []


@standard
def tril(x: Tensor, /, *args: int, k: int = 0) -> Tensor:
    return call("tril")(x, args[0] if args else k)


@standard
def triu(x: Tensor, /, *args: int, k: int = 0) -> Tensor:
    return call("triu")(x, args[0] if args else k)


for _f in (tril, triu):
    _f.__signature__ = inspect.signature(lambda x, /, *, k=0: None)  # type: ignore[attr-defined]
