"""The functions of the imitated module: each takes exactly the arguments of CuPy's, computes with NumPy, and counts."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np

from .array import garbage, lift, ndarray, operand, quietly
from .record import before, check_dtype, counters, record
from .signatures import FUNCTIONS, SUBMODULES
from .ufuncs import TABLE

# Parameters that must be device arrays; numbers pass where CuPy takes them, lists and NumPy's arrays never.
ARRAYS = set(
    "a a1 a2 ar ar1 ar2 arr arr1 arr2 ary array b condition dst element filt m M A mask p src test_elements v val vals values "
    "weights x x1 x2 xp fp y z rhs prototype fweights aweights ind indices sorter".split()
)
NUMBERS = {
    "b",
    "element",
    "fill_value",
    "src",
    "test_elements",
    "v",
    "val",
    "values",
    "x",
    "y",
    "indices",
    "ind",
    "x1",
    "x2",
}
MANY = set(
    "column_stack concat concatenate dstack hstack stack vstack broadcast_arrays atleast_1d atleast_2d atleast_3d".split()
)
MANY |= {"meshgrid", "einsum", "select", "choose", "ravel_multi_index"}
HOST = {"iscomplexobj", "isrealobj", "isfortran"}  # answered without the device
COUNTS = {"vander", "tri", "tril_indices", "triu_indices", "eye", "identity", "diag_indices", "kaiser", "indices"}
# What waits for the device, by CuPy's documentation and source.
WAITS = set(
    "argwhere bincount compress delete digitize_ extract flatnonzero histogram histogram2d histogramdd intersect1d nonzero place "
    "setdiff1d setxor1d trim_zeros union1d unique unique_all unique_counts unique_inverse unique_values".split()
)
NO_LAUNCH = {"reshape", "transpose", "permute_dims", "swapaxes", "moveaxis", "rollaxis", "squeeze", "expand_dims", "broadcast_to",
             "broadcast_arrays", "ravel", "real", "imag", "matrix_transpose", "diagonal", "flip", "split", "array_split"}  # fmt: skip


def lower(name: str, parameter: str, value: Any) -> Any:
    """An argument for NumPy; TypeError for what CuPy does not take."""
    if type(value) is ndarray:
        return value._a
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {np.ndarray} (cupy.{name}: {parameter})")
    if isinstance(value, tuple | list):
        if parameter in ARRAYS and name not in MANY and not name.startswith(("diag_", "tri")):
            raise TypeError(f"cupy.{name}: {parameter} must be a cupy.ndarray, not {type(value)}")
        return type(value)(lower(name, "" if name in MANY else parameter + "[]", v) for v in value)
    if parameter in ARRAYS and parameter not in NUMBERS and name not in COUNTS and value is not None:
        raise TypeError(f"cupy.{name}: {parameter} must be a cupy.ndarray, not {type(value)}")
    return value


def _wrapped(f: Callable, array_at: int, index_at: int) -> Callable:
    """Out of range wraps around: CuPy checks nothing."""

    def run(*args: Any, **kwargs: Any) -> Any:
        args_, axis = list(args), kwargs.get("axis", args[index_at + 1] if len(args) > index_at + 1 else None)
        a = args_[array_at]
        n = a.size if axis is None else a.shape[axis] if a.ndim else 1
        args_[index_at] = np.asarray(args_[index_at]) % n if n else args_[index_at]
        return f(*args_, **kwargs)

    return run


def _argmax(f: Callable) -> Callable:
    return lambda a, dtype=None, **kw: np.asarray(f(a, **kw)).astype(dtype or np.int64)


def _sort(f: Callable) -> Callable:
    def run(a: Any, axis: Any = -1, kind: Any = None) -> Any:
        if kind not in (None, "stable"):
            raise ValueError("kind only can be None or 'stable'")
        return f(a, axis=axis, kind="stable")

    return run


def _repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    if isinstance(repeats, np.ndarray):
        raise ValueError("cupy.repeat: repeats must be an int or a list of ints")
    return np.repeat(a, repeats, axis)


def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if (x is None) != (y is None):
        raise ValueError("Must provide both 'x' and 'y' or neither.")
    if x is not None:
        return np.where(condition, x, y)
    counters.sync("where() of one argument")
    return np.nonzero(condition)


def _bincount(x: Any, weights: Any = None, minlength: Any = None) -> Any:
    return np.bincount(x, weights, minlength or 0)


def _searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    return np.asarray(np.searchsorted(a, v, side, sorter))  # type: ignore[call-overload]


def _copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = None) -> None:
    np.copyto(dst, src, casting, True if where is None else where)


def _diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    out = np.diagonal(a, offset, axis1, axis2)
    if a.flags.writeable:
        out.flags.writeable = True  # as CuPy's; NumPy's is for reading
    return out


SPECIAL: dict[str, Callable] = {
    "take": _wrapped(np.take, 0, 1), "take_along_axis": _wrapped(np.take_along_axis, 0, 1), "put": _wrapped(np.put, 0, 1),
    "put_along_axis": _wrapped(np.put_along_axis, 0, 1), "argmax": _argmax(np.argmax), "argmin": _argmax(np.argmin),
    "nanargmax": _argmax(np.nanargmax), "nanargmin": _argmax(np.nanargmin), "sort": _sort(np.sort), "argsort": _sort(np.argsort),
    "repeat": _repeat, "diagonal": _diagonal, "where": _where, "bincount": _bincount, "searchsorted": _searchsorted, "copyto": _copyto,
    "astype": lambda x, dtype, copy=True: x.astype(dtype, copy=copy),
}  # fmt: skip


def call(
    name: str, f: Callable, must: dict[str, Any], may: dict[str, Any], starred: tuple = (), keywords: dict | None = None
) -> Any:
    """Run one function: ``must`` are the arguments without defaults, ``may`` those that differ from theirs."""
    out = may.pop("out", None)
    if out is not None and type(out) is not ndarray:
        raise TypeError(f"cupy.{name}: out must be a cupy.ndarray, not {type(out)}")
    flat = [s for v in (*must.values(), *may.values(), *starred) for s in (v if isinstance(v, tuple | list) else (v,))]
    args = [*(lower(name, k, v) for k, v in must.items()), *(lower(name, "", v) for v in starred)]
    kwargs = {k: lower(name, k, v) for k, v in (may | (keywords or {})).items()}
    if name in WAITS:
        counters.sync(f"cupy.{name}")
    if name not in NO_LAUNCH:
        counters.launch()
    if out is not None:
        kwargs["out"] = out._a
        before(out._a)
    if name in ("copyto", "put", "put_along_axis", "place", "putmask", "fill_diagonal"):
        before(args[0])
    result = quietly(f, *args, **kwargs)
    if name in HOST or result is None:
        record(f, args, kwargs, None)
        return result
    if not isinstance(result, tuple | list):
        result = np.asarray(result)
    record(f, args, kwargs, None if out is not None else result)
    return out if out is not None else lift(result, *flat)


def make(line: str, namespace: Any, prefix: str = "") -> tuple[str, Callable]:
    """The function of one line of the list, ``sum(a, axis=None, ...)``, over NumPy's function of that name."""
    head = line.partition("(")[0]
    name = head.rpartition(".")[2]
    f = SPECIAL.get(head) or getattr(namespace, name)
    tree = ast.parse(f"def {name}{line[len(head) :]}: pass").body[0]
    assert isinstance(tree, ast.FunctionDef)
    a = tree.args
    named = [p.arg for p in (*a.args, *a.kwonlyargs)]
    must = len(a.args) - len(a.defaults)
    required, optional = named[:must], named[must:]
    source = [f"def {name}{line[len(head) :]}:", "    may = {}"]
    source += [f"    if {p} is not defaults[{p!r}]: may[{p!r}] = {p}" for p in optional]
    must_have = "{" + ", ".join(f"{p!r}: {p}" for p in required) + "}"
    starred = a.vararg.arg if a.vararg else "()"
    keywords = a.kwarg.arg if a.kwarg else "None"
    source.append(f"    return call({prefix + name!r}, f, {must_have}, may, {starred}, {keywords})")
    values = [
        ast.literal_eval(d) if not isinstance(d, ast.Name) else {"float": float, "int": int}[d.id]
        for d in (*a.defaults, *a.kw_defaults)
        if d is not None
    ]
    scope: dict[str, Any] = {"call": call, "f": f, "defaults": dict(zip(optional, values, strict=True))}
    exec("\n".join(source), scope)
    made = scope[name]
    # The defaults of the function itself, so that `is` finds an argument that was not given.
    made.__defaults__ = tuple(scope["defaults"][p.arg] for p in a.args[must:]) or None
    made.__kwdefaults__ = {p.arg: scope["defaults"][p.arg] for p in a.kwonlyargs} or None
    return head, made


def collect(lines: str, prefix: str, namespace: Any) -> dict[str, Callable]:
    """The functions of one part of the list."""
    wanted = [line for line in lines.split("\n") if line and line.startswith(prefix)]
    return {head.rpartition(".")[2]: made for head, made in (make(line, namespace, prefix) for line in wanted)}


# ---- conversion and creation: where data of the host may come in ----


def array(
    obj: Any,
    dtype: Any = None,
    copy: Any = True,
    order: Any = "K",
    subok: bool = False,
    ndmin: int = 0,
    *,
    blocking: bool = False,
) -> Any:
    """``cupy.array``: an upload where the data are not on the device."""
    if type(obj) is ndarray:
        if obj._memory.device != counters.current:
            return _from_peer(obj, dtype, ndmin)
        if not copy and (dtype is None or np.dtype(dtype) == obj.dtype) and obj.ndim >= ndmin:
            return obj
        counters.launch()
        result = np.array(obj._a, dtype, copy=True, order=order, ndmin=ndmin)
        record(lambda a: np.array(a, dtype, ndmin=ndmin), (obj._a,), {}, result)
        return lift(result)
    if isinstance(obj, list | tuple) and obj and _device_inside(obj):
        counters.launch()
        return lift(np.array(_host(obj), dtype, ndmin=ndmin))
    counters.uploads += 1
    if counters.capturing is not None:
        raise RuntimeError("cudaErrorStreamCaptureUnsupported: an upload while a graph is captured")
    made = np.array(obj, dtype, order=order, ndmin=ndmin)
    check_dtype(made.dtype)
    return lift(made)


def _device_inside(data: Any) -> bool:
    return type(data) is ndarray or (isinstance(data, list | tuple) and any(_device_inside(d) for d in data))


def _host(data: Any) -> Any:
    return data._a if type(data) is ndarray else [_host(d) for d in data] if isinstance(data, list | tuple) else data


def _from_peer(x: ndarray, dtype: Any, ndmin: int) -> ndarray:
    """A copy of another device's array here: the one thing that CuPy does across devices."""
    counters.launch()
    return lift(np.array(x._a, dtype, copy=True, ndmin=ndmin))


def asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, blocking: bool = False) -> Any:
    return array(a, dtype, bool(copy), order or "K")


def ascontiguousarray(a: Any, dtype: Any = None) -> Any:
    if type(a) is ndarray and a.flags.c_contiguous and a.ndim and (dtype is None or np.dtype(dtype) == a.dtype):
        return a
    made = array(a, dtype, True, "C")
    return made if made.ndim else made.reshape(1)


def asfortranarray(a: Any, dtype: Any = None) -> Any:
    return array(a, dtype, True, "F")


def empty(shape: Any, dtype: Any = float, order: str = "C") -> Any:
    return lift(garbage(np.empty(shape, dtype, order)))  # type: ignore[call-overload]


def empty_like(prototype: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None) -> Any:
    return lift(garbage(np.empty_like(lower("empty_like", "prototype", prototype), dtype, order, True, shape)))  # type: ignore[call-overload]


def asnumpy(a: Any, stream: Any = None, order: str = "C", out: Any = None, *, blocking: bool = True) -> Any:
    return a.get(stream, order, out, blocking) if type(a) is ndarray else np.asarray(a)


def from_dlpack(x: Any, /, *, device: Any = None, copy: Any = None) -> Any:
    return x.view() if type(x) is ndarray else array(np.from_dlpack(x))


def shape(a: Any) -> tuple:
    return a.shape


def ndim(a: Any) -> int:
    return a.ndim if type(a) is ndarray else np.ndim(a)


def result_type(*arrays_and_dtypes: Any) -> Any:
    return np.result_type(*(x.dtype if type(x) is ndarray else x for x in arrays_and_dtypes))


def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    return np.can_cast(from_.dtype if type(from_) is ndarray else from_, to, casting)


def may_share_memory(a: Any, b: Any, max_work: Any = None) -> bool:
    return np.may_share_memory(operand(a), operand(b))


def shares_memory(a: Any, b: Any, max_work: Any = None) -> bool:
    return np.shares_memory(operand(a), operand(b))


def get_array_module(*args: Any) -> Any:
    import sys

    return sys.modules["cupy"] if any(type(a) is ndarray for a in args) else np


OWN = {f.__name__: f for f in (
    array, asarray, ascontiguousarray, asfortranarray, empty, empty_like, asnumpy, from_dlpack, shape, ndim, result_type, can_cast,
    may_share_memory, shares_memory, get_array_module,
)}  # fmt: skip
FUNCTION_TABLE = collect(FUNCTIONS, "", np) | OWN
LINALG_TABLE = collect(SUBMODULES, "linalg.", np.linalg)
FFT_TABLE = collect(SUBMODULES, "fft.", np.fft)

METHODS = """all any argmax argmin argpartition argsort choose clip compress conj conjugate cumprod cumsum diagonal dot max mean min
    nonzero partition prod ptp put ravel repeat round searchsorted sort squeeze std sum swapaxes take trace var""".split()


def _method(name: str) -> Callable:
    f = FUNCTION_TABLE.get(name) or TABLE[name]

    def method(self: ndarray, *args: Any, **kwargs: Any) -> Any:
        return f(self, *args, **kwargs)

    method.__name__ = name
    return method


for _name in METHODS:
    setattr(ndarray, _name, _method(_name))


def _sort_in_place(self: ndarray, axis: int = -1, kind: Any = None) -> None:
    self[...] = FUNCTION_TABLE["sort"](self, axis, kind)


def _clip(self: ndarray, min: Any = None, max: Any = None, out: Any = None) -> Any:
    return FUNCTION_TABLE["clip"](self, min, max, out)


def _flatten(self: ndarray, order: str = "C") -> Any:
    return self.reshape(-1, order=order).copy()


ndarray.sort, ndarray.clip, ndarray.flatten = _sort_in_place, _clip, _flatten  # type: ignore[attr-defined]
