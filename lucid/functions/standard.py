"""The Python array API standard, 2024.12: what ``lucid.ops`` has besides the ops themselves. Dtypes, devices, attributes.

``lucid.X`` follows PyTorch, ``lucid.ops.X`` the standard (``std`` divides by n there, ``sort`` returns one array). Where a name
is also one that derivative rules use, the function here takes both forms. Exceptions are listed in docs/indexing-and-views.md.
"""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Callable
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.device import device as Device
from ..core.op import OPS
from ..core.tensor import Size, Tensor

__array_api_version__ = "2024.12"
API: dict[str, Any] = {
    "__array_api_version__": __array_api_version__, "e": math.e, "inf": math.inf, "nan": math.nan, "pi": math.pi, "newaxis": None,
    "bool": dtypes.bool_, **{d.name: d for d in dtypes.ALL if d is not dtypes.bool_},
}  # fmt: skip


def standard(f: Callable) -> Callable:
    """Put a function into ``lucid.ops``."""
    API[f.__name__] = f
    setattr(ops, f.__name__, f)
    return f


def call(name: str) -> Callable:
    """The op itself, under its own name (the module's attribute may be replaced by a function here)."""
    return OPS[name].call


def axis_arg(x: Tensor, axis: Any) -> Any:
    """An axis as a non-negative int, several as a tuple."""
    if axis is None:
        return None
    if isinstance(axis, int):
        return one_axis(x.ndim, axis)
    return tuple(one_axis(x.ndim, a) for a in axis)


def one_axis(ndim: int, axis: int) -> int:
    if not -ndim <= axis < ndim:
        raise IndexError(f"axis {axis} is out of bounds for an array of dimension {ndim}")
    return axis % ndim


def cast_to(x: Tensor, dtype: Any) -> Tensor:
    d = dtypes.as_dtype(dtype)
    return x if x.dtype is d else OPS["cast"].call(x, d, x.dtype)


# ---- dtypes ----

KINDS = {
    "bool": (dtypes.BOOL,), "integral": (dtypes.INTEGER,), "real floating": (dtypes.FLOAT,), "complex floating": (dtypes.COMPLEX,),
    "numeric": (dtypes.INTEGER, dtypes.FLOAT, dtypes.COMPLEX),
}  # fmt: skip


@standard
def isdtype(dtype: Any, kind: Any) -> bool:
    if isinstance(kind, tuple):
        return builtins.any(isdtype(dtype, k) for k in kind)
    if isinstance(kind, str):
        if kind in KINDS:
            return dtype.category in KINDS[kind]
        if kind in ("signed integer", "unsigned integer"):
            return dtype.category == dtypes.INTEGER and dtype.is_signed == (kind == "signed integer")
        raise ValueError(
            f"isdtype: unknown kind {kind!r}; expected one of {', '.join(KINDS)}, signed integer, unsigned integer"
        )
    return dtype is dtypes.as_dtype(kind)


@standard
def result_type(*arrays_and_dtypes: Any) -> Any:
    pairs = []
    for a in arrays_and_dtypes:
        if isinstance(a, Tensor):
            pairs.append((a.dtype, 2))
        elif isinstance(a, bool | int | float | complex):
            pairs.append((dtypes.scalar_dtype(a), 0))
        else:
            pairs.append((dtypes.as_dtype(a), 2))
    return dtypes.result_type(*pairs)


@standard
def can_cast(from_: Any, to: Any, /) -> bool:
    source = from_.dtype if isinstance(from_, Tensor) else dtypes.as_dtype(from_)
    target = dtypes.as_dtype(to)
    try:
        return dtypes.promote_types(source, target) is target
    except TypeError:
        return False


@standard
def astype(x: Tensor, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Tensor:
    d = dtypes.as_dtype(dtype)
    if x.dtype.is_complex and not d.is_complex and d is not dtypes.bool_:
        raise TypeError(f"astype: complex to {d} would lose the imaginary part; take real() first")
    result = cast_to(x, d)
    if device is not None:
        result = result.to(device=device)  # type: ignore[attr-defined]
    return result.clone() if copy and result is x else result  # type: ignore[attr-defined]


API["finfo"], API["iinfo"] = dtypes.finfo, dtypes.iinfo


# ---- what the namespace can do ----


class Info:
    """What ``__array_namespace_info__`` returns."""

    def capabilities(self) -> dict[str, Any]:
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> Device:
        from ..core.device import get_default_device

        return get_default_device()

    def devices(self) -> list[Device]:
        from ..backends import loaded

        return [Device(b.name) for b in loaded()]

    def default_dtypes(self, *, device: Any = None) -> dict[str, Any]:
        real = dtypes.get_default_dtype()
        return {
            "real floating": real,
            "complex floating": real.to_complex(),
            "integral": dtypes.int64,
            "indexing": dtypes.int64,
        }

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, Any]:
        listed = [d for d in dtypes.ALL if d not in (dtypes.float16, dtypes.bfloat16)]
        return {d.name: d for d in listed if kind is None or isdtype(d, kind)}


@standard
def __array_namespace_info__() -> Info:
    return Info()


# ---- attributes of arrays ----


class Count(int):
    """The number of elements (``x.size``, the standard), which called gives the shape (``x.size()``, PyTorch)."""

    shape: tuple[int, ...]

    def __call__(self, dim: int | None = None) -> Any:
        if dim is None:
            return Size(self.shape)
        try:
            return self.shape[operator.index(dim)]
        except IndexError:
            bound = builtins.max(len(self.shape), 1)
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-bound}, {bound - 1}], but got {dim})"
            ) from None


def _size(self: Tensor) -> Count:
    """The number of elements; called, the shape or one of its sizes."""
    shape = self.value.shape
    count = Count(math.prod(shape))
    count.shape = shape
    return count


def to_device(self: Tensor, device: Any, /, *, stream: Any = None) -> Tensor:
    """This array on a device."""
    return self.to(device=device)  # type: ignore[attr-defined]


Tensor.size = property(_size)  # type: ignore[attr-defined]
Tensor.to_device = to_device  # type: ignore[attr-defined]
vars(ops).update(API)  # the constants; `standard` has put the functions there
