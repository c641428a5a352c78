"""The Python array API standard, 2024.12: what ``lucid.ops`` has besides the ops themselves.

``lucid.X`` follows PyTorch, ``lucid.ops.X`` the standard (``std`` divides by n there, ``sort`` returns one array). Where a name
is also one that derivative rules use, the function here takes both forms. Exceptions are listed in docs/indexing-and-views.md.
"""

from __future__ import annotations

import builtins
import inspect
import math
from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.device import device as Device
from ..core.op import OPS
from ..core.tensor import Size, Tensor, as_tensor, wrap
from .registry import FUNCTIONS as F

__array_api_version__ = "2024.12"
API: dict[str, Any] = {
    "__array_api_version__": __array_api_version__, "e": math.e, "inf": math.inf, "nan": math.nan, "pi": math.pi, "newaxis": None,
    "bool": dtypes.bool_, **{d.name: d for d in dtypes.ALL if d is not dtypes.bool_},
}  # fmt: skip


def standard(f: Callable) -> Callable:
    API[f.__name__] = f
    return f


def call(name: str) -> Callable:
    """The op itself, under its own name (the module's attribute may be replaced by a function here)."""
    return OPS[name].call


def _axis(x: Tensor, axis: Any) -> Any:
    """An axis as a non-negative int, several as a tuple."""
    if axis is None:
        return None
    if isinstance(axis, int):
        return _one(x.ndim, axis)
    return tuple(_one(x.ndim, a) for a in axis)


def _one(ndim: int, axis: int) -> int:
    if not -ndim <= axis < ndim:
        raise IndexError(f"axis {axis} is out of bounds for an array of dimension {ndim}")
    return axis % ndim


def _cast(x: Tensor, dtype: Any) -> Tensor:
    d = dtypes.as_dtype(dtype)
    return x if x.dtype is d else OPS["cast"].call(x, d, x.dtype)


# ---- creation ----


@standard
def arange(start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None) -> Tensor:
    start, stop = (0, start) if stop is None else (start, stop)
    if (stop - start) * step < 0:
        stop = start
    if dtype is None and builtins.any(isinstance(v, float) for v in (start, stop, step)):
        dtype = dtypes.get_default_dtype()
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
    from ..backends import backend_of

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
    result = _cast(x, d)
    if device is not None:
        result = result.to(device=device)  # type: ignore[attr-defined]
    return result.clone() if copy and result is x else result  # type: ignore[attr-defined]


API["finfo"], API["iinfo"] = dtypes.finfo, dtypes.iinfo


# ---- elementwise, where the standard's form is not the op's ----


@standard
def clip(x: Tensor, /, min: Any = None, max: Any = None) -> Tensor:
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        low = None if min is None else min if isinstance(min, Tensor) else as_tensor(min, dtype=x.dtype, like=x)
        high = None if max is None else max if isinstance(max, Tensor) else as_tensor(max, dtype=x.dtype, like=x)
        out = x if low is None else call("maximum")(x, _cast(low, x.dtype))
        out = out if high is None else call("minimum")(out, _cast(high, x.dtype))
        return out.clone() if out is x else out  # type: ignore[attr-defined]
    if min is None and max is None:
        return x.clone()  # type: ignore[attr-defined]
    return call("clip")(x, min, max)


@standard
def round(x: Tensor, /) -> Tensor:
    if x.dtype.category <= dtypes.INTEGER:
        return x.clone()  # type: ignore[attr-defined]
    if x.dtype.is_complex:
        return call("complex")(round(call("real")(x)), round(call("imag")(x)))
    return call("round_to")(x, 0)


def _integers_stay(name: str) -> None:
    op = call(name)

    def f(x: Tensor, /) -> Tensor:
        return x.clone() if x.dtype.category <= dtypes.INTEGER else op(x)  # type: ignore[attr-defined]

    f.__name__ = name
    standard(f)


for _name in ("floor", "ceil", "trunc"):
    _integers_stay(_name)


def _of_numbers_too(name: str) -> None:
    """Two operands, one of which may be a Python number."""
    op = call(name)

    def f(x1: Any, x2: Any, /) -> Tensor:
        return op(x1, x2) if isinstance(x1, Tensor) else op(as_tensor(x1, dtype=_number_dtype(x1, x2), like=x2), x2)

    f.__name__ = name
    standard(f)


def _number_dtype(number: Any, x: Tensor) -> Any:
    return dtypes.result_type((dtypes.scalar_dtype(number), 0), (x.dtype, 2))


for _name in ("subtract", "divide", "pow", "remainder", "floor_divide", "atan2", "copysign", "hypot", "logaddexp", "maximum", "minimum",
              "nextafter", "bitwise_left_shift", "bitwise_right_shift"):  # fmt: skip
    _of_numbers_too(_name)


# ---- reductions ----


def _kept(x: Tensor, out: Tensor, axis: Any, keepdims: bool) -> Tensor:
    if not keepdims:
        return out
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    return call("reshape")(out, tuple(1 if i in axes else n for i, n in enumerate(x.shape)))


def _sum_dtype(x: Tensor, dtype: Any) -> Any:
    if dtype is not None:
        return dtypes.as_dtype(dtype)
    if x.dtype.category == dtypes.INTEGER:
        return dtypes.int64 if x.dtype.is_signed else dtypes.uint64
    return dtypes.int64 if x.dtype is dtypes.bool_ else x.dtype


@standard
def sum(x: Tensor, /, axis: Any = None, keepdims: bool = False, *, dtype: Any = None) -> Tensor:
    if dtype is None and x.dtype.category >= dtypes.FLOAT:
        return call("sum")(x, _axis(x, axis), keepdims)
    wanted = _sum_dtype(x, dtype)
    return _cast(call("sum")(_cast(x, wanted), _axis(x, axis), keepdims), wanted)


@standard
def prod(x: Tensor, /, axis: Any = None, keepdims: bool = False, *, dtype: Any = None) -> Tensor:
    wanted = _sum_dtype(x, dtype)
    x = _cast(x, wanted)
    axis = _axis(x, axis)
    if isinstance(axis, tuple):
        out = x
        for a in sorted(axis, reverse=True):
            out = call("prod")(out, a, False)
        return _cast(_kept(x, out, axis, keepdims), wanted)
    return _cast(call("prod")(x, axis, keepdims), wanted)


@standard
def mean(x: Tensor, /, axis: Any = None, keepdims: bool = False) -> Tensor:
    return call("mean")(x, _axis(x, axis), keepdims)


def _whole(name: str) -> None:
    op = call(name)

    def f(x: Tensor, /, axis: Any = None, keepdims: bool = False) -> Tensor:
        return op(x, _axis(x, axis), keepdims)

    f.__name__ = name
    standard(f)


for _name in ("any", "all"):
    _whole(_name)


def _extreme(name: str, function: str) -> None:
    def f(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
        axes = _axis(x, axis)
        if axes == ():
            return x.clone()  # type: ignore[attr-defined]
        return F[function](x, () if axes is None else axes, keepdims)

    f.__name__ = name
    standard(f)


_extreme("max", "amax")
_extreme("min", "amin")


def _arg(name: str) -> None:
    op = call(name)

    def f(x: Tensor, /, axis: int | None = None, keepdims: bool = False) -> Tensor:
        return op(x, _axis(x, axis), keepdims)

    f.__name__ = name
    standard(f)


_arg("argmax")
_arg("argmin")


@standard
def var(x: Tensor, /, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    axes = _axis(x, axis)
    center = x - call("mean")(x, axes, True)
    count = math.prod(
        x.shape[a] for a in (range(x.ndim) if axes is None else (axes,) if isinstance(axes, int) else axes)
    )
    total = call("sum")(center * center, axes, keepdims)
    return total / builtins.max(count - correction, 0)


@standard
def std(x: Tensor, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    return call("sqrt")(var(x, axis, correction, keepdims))


@standard
def count_nonzero(x: Tensor, /, axis: Any = None, keepdims: bool = False) -> Tensor:
    return call("sum")(call("not_equal")(x, 0), _axis(x, axis), keepdims)


def _running(name: str, start: int) -> None:
    op = call(name)

    def f(x: Tensor, /, axis: int | None = None, *, dtype: Any = None, include_initial: bool = False) -> Tensor:
        if axis is None:
            if x.ndim > 1:
                raise ValueError(f"{name}: axis is needed for an array of {x.ndim} dimensions")
            axis = 0
        wanted = _sum_dtype(x, dtype)
        x = _cast(x, wanted)
        axis = _axis(x, axis) if x.ndim else 0
        out = _cast(op(x, axis), wanted)
        if not include_initial:
            return out
        first = F["full"]((*x.shape[:axis], 1, *x.shape[axis + 1 :]), start, dtype=wanted, device=x.device)
        return F["cat"]([first, out], axis)

    f.__name__ = name
    standard(f)


_running("cumulative_sum", 0)
_running("cumulative_prod", 1)


@standard
def diff(x: Tensor, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> Tensor:
    return F["diff"](x, n, axis, prepend, append)


# ---- shape ----


@standard
def concat(*arrays: Any, axis: Any = 0) -> Tensor:
    if not isinstance(arrays[0], Tensor):  # the standard's form; rules call concat(x, y, axis)
        items = list(arrays[0])
        if len(arrays) == 2:
            axis = arrays[1]
        if axis is None:
            return F["cat"]([call("reshape")(x, (x.shape.numel(),)) for x in items], 0)
        return F["cat"](items, axis)
    *tensors, axis = arrays
    return call("concat")(tensors, axis)


concat.__signature__ = inspect.signature(lambda arrays, /, *, axis=0: None)  # type: ignore[attr-defined]


@standard
def stack(arrays: Any, /, *, axis: int = 0) -> Tensor:
    return F["stack"](list(arrays), axis)


@standard
def unstack(x: Tensor, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    return F["unbind"](x, axis)


@standard
def expand_dims(x: Tensor, /, axis: int = 0) -> Tensor:
    n = x.ndim + 1
    if not -n <= axis < n:
        raise IndexError(f"expand_dims: axis {axis} is out of bounds for a result of dimension {n}")
    sizes = list(x.shape)
    sizes.insert(axis % n, 1)
    return call("reshape")(x, tuple(sizes))


@standard
def squeeze(x: Tensor, /, axis: Any) -> Tensor:
    axes = _axis(x, axis)
    axes = (axes,) if isinstance(axes, int) else axes
    if builtins.any(x.shape[a] != 1 for a in axes):
        raise ValueError(f"squeeze: axes {axes} of shape {tuple(x.shape)} are not all of size 1")
    return F["squeeze"](x, axes)


@standard
def reshape(x: Tensor, /, shape: Any, *, copy: bool | None = None) -> Tensor:
    if copy is None:
        return call("reshape")(x, tuple(shape))
    if copy:
        return call("reshape")(call("copy")(x), tuple(shape))
    out = call("reshape")(x, tuple(shape))
    if out._base is None and x.shape.numel():
        raise ValueError("reshape: this shape needs a copy, and copy=False")
    return out


@standard
def flip(x: Tensor, /, axis: Any = None) -> Tensor:
    axes = tuple(range(x.ndim)) if axis is None else _axis(x, axis)
    return call("flip")(x, (axes,) if isinstance(axes, int) else axes) if x.ndim else x.clone()  # type: ignore[attr-defined]


@standard
def roll(x: Tensor, /, shift: Any, axis: Any = None) -> Tensor:
    if isinstance(shift, int) and isinstance(axis, tuple | list):
        shift = (shift,) * len(axis)
    return F["roll"](x, shift, axis)


@standard
def repeat(x: Tensor, repeats: Any, /, *, axis: int | None = None) -> Tensor:
    if isinstance(repeats, Tensor) and repeats.dtype.category != dtypes.INTEGER:
        raise TypeError(f"repeat: repeats must be integers, got {repeats.dtype}")
    return F["repeat_interleave"](x, repeats, axis)


@standard
def tile(x: Tensor, repetitions: Sequence[int], /) -> Tensor:
    return F["tile"](x, tuple(repetitions))


@standard
def moveaxis(x: Tensor, source: Any, destination: Any, /) -> Tensor:
    return F["movedim"](x, source, destination)


@standard
def broadcast_arrays(*arrays: Tensor) -> list[Tensor]:
    return list(F["broadcast_tensors"](*arrays))


@standard
def broadcast_to(x: Tensor, /, shape: Any) -> Tensor:
    return x if tuple(shape) == tuple(x.shape) else call("broadcast_to")(x, tuple(shape))


# ---- order, search, sets ----


@standard
def sort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    return F["sort"](x, axis, descending, stable=stable)[0]


@standard
def argsort(x: Tensor, /, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    return call("argsort")(x, _one(x.ndim, axis), descending, stable)


@standard
def nonzero(x: Tensor, /) -> tuple[Tensor, ...]:
    if not x.ndim:
        raise ValueError("nonzero: zero-dimensional arrays are not allowed")
    return F["nonzero"](x, as_tuple=True)


@standard
def searchsorted(
    x1: Tensor, x2: Any, /, right: bool = False, *, side: str | None = None, sorter: Tensor | None = None
) -> Tensor:
    if side not in (None, "left", "right"):
        raise ValueError(f"searchsorted: side must be 'left' or 'right', got {side!r}")
    if sorter is not None:
        x1 = x1[sorter]  # type: ignore[index]
    x2 = x2 if isinstance(x2, Tensor) else as_tensor(x2, dtype=x1.dtype, like=x1)
    return call("searchsorted")(x1, x2, right or side == "right")


UniqueAll = namedtuple("UniqueAll", ["values", "indices", "inverse_indices", "counts"])
UniqueCounts = namedtuple("UniqueCounts", ["values", "counts"])
UniqueInverse = namedtuple("UniqueInverse", ["values", "inverse_indices"])


@standard
def unique_all(x: Tensor, /) -> Any:
    values, inverse, counts = F["unique"](x, sorted=True, return_inverse=True, return_counts=True)
    flat = call("reshape")(inverse, (inverse.shape.numel(),))
    n = flat.shape[0]
    first = F["full"]((values.shape[0],), n, dtype=dtypes.int64, device=x.device)
    first = first.scatter_reduce(0, flat, F["arange"](n, device=x.device), "amin")
    return UniqueAll(values, first, inverse, counts)


@standard
def unique_counts(x: Tensor, /) -> Any:
    values, counts = F["unique"](x, sorted=True, return_counts=True)
    return UniqueCounts(values, counts)


@standard
def unique_inverse(x: Tensor, /) -> Any:
    values, inverse = F["unique"](x, sorted=True, return_inverse=True)
    return UniqueInverse(values, inverse)


@standard
def unique_values(x: Tensor, /) -> Tensor:
    return F["unique"](x, sorted=True)


@standard
def isin(x1: Any, x2: Any, /, *, invert: bool = False) -> Tensor:
    like = x1 if isinstance(x1, Tensor) else x2
    x1, x2 = (x if isinstance(x, Tensor) else as_tensor(x, like=like) for x in (x1, x2))
    found = call("isin")(x1, x2)
    return call("logical_not")(found) if invert else found


API["broadcast_shapes"] = F.get("broadcast_shapes")


@standard
def take(x: Tensor, indices: Tensor, /, *, axis: int | None = None) -> Tensor:
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"take: axis is needed for an array of {x.ndim} dimensions")
        axis = 0
    return x[(slice(None),) * _one(x.ndim, axis) + (indices,)]  # type: ignore[index]


@standard
def take_along_axis(x: Tensor, indices: Tensor, /, *dialect: int, axis: int = -1) -> Tensor:
    """By position, ``axis`` is that of the op, whose indices may be smaller than ``x``; by name, the standard's: they broadcast."""
    if dialect:
        return call("take_along_axis")(x, indices, *dialect)
    axis = _one(x.ndim, axis)
    if indices.shape.numel() and builtins.bool((indices < 0).any()):  # type: ignore[attr-defined, operator]
        indices = F["where"](indices < 0, indices + x.shape[axis], indices)  # type: ignore[operator]
    return F["take_along_dim"](x, _cast(indices, dtypes.int64), axis)


take_along_axis.__signature__ = inspect.signature(lambda x, indices, /, *, axis=-1: None)  # type: ignore[attr-defined]


# ---- products ----


@standard
def matmul(x1: Tensor, x2: Tensor, /) -> Tensor:
    if x1.ndim >= 2 and x2.ndim >= 2:
        return call("matmul")(x1, x2)
    return F["matmul"](x1, x2)


@standard
def tensordot(x1: Tensor, x2: Tensor, /, *, axes: Any = 2) -> Tensor:
    x1, x2 = _promoted(x1, x2)
    return F["tensordot"](x1, x2, axes)


def _promoted(x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor]:
    d = result_type(x1, x2)
    return _cast(x1, d), _cast(x2, d)


@standard
def vecdot(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    from .linalg_products import vecdot as f

    if axis >= 0 or axis < -builtins.min(x1.ndim, x2.ndim):
        raise ValueError(f"vecdot: axis must be negative and in both arrays, got {axis}")
    if x1.shape[axis] != x2.shape[axis]:
        raise ValueError(f"vecdot: sizes {x1.shape[axis]} and {x2.shape[axis]} along axis {axis} differ")
    return f(x1, x2, dim=axis)


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

    shape: Size

    def __call__(self, dim: int | None = None) -> Any:
        if dim is None:
            return self.shape
        n = len(self.shape)
        if not -n <= dim < n:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-builtins.max(n, 1)}, {builtins.max(n, 1) - 1}], but got {dim})"
            )
        return self.shape[dim]


def _size(self: Tensor) -> Count:
    """The number of elements; called, the shape or one of its sizes."""
    count = Count(self.shape.numel())
    count.shape = self.shape
    return count


def to_device(self: Tensor, device: Any, /, *, stream: Any = None) -> Tensor:
    """This array on a device."""
    return self.to(device=device)  # type: ignore[attr-defined]


Tensor.size = property(_size)  # type: ignore[attr-defined]
Tensor.to_device = to_device  # type: ignore[attr-defined]
vars(ops).update(API)
