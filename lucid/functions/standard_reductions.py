"""The array API: reductions and running sums."""

from __future__ import annotations

import builtins
import math
from typing import Any

from ..core import dtypes
from ..core.tensor import Tensor
from .registry import FUNCTIONS as F
from .standard import axis_arg, call, cast_to, standard


def _kept(x: Tensor, out: Tensor, axis: Any, keepdims: bool) -> Tensor:
    if not keepdims:
        return out
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    return call("reshape")(out, tuple(1 if i in axes else n for i, n in enumerate(x.shape)))


def sum_dtype(x: Tensor, dtype: Any) -> Any:
    if dtype is not None:
        return dtypes.as_dtype(dtype)
    if x.dtype.category == dtypes.INTEGER:
        return dtypes.int64 if x.dtype.is_signed else dtypes.uint64
    return dtypes.int64 if x.dtype is dtypes.bool_ else x.dtype


@standard
def sum(x: Tensor, /, axis: Any = None, keepdims: bool = False, *, dtype: Any = None) -> Tensor:
    if dtype is None and x.dtype.category >= dtypes.FLOAT:
        return call("sum")(x, axis_arg(x, axis), keepdims)
    wanted = sum_dtype(x, dtype)
    return cast_to(call("sum")(cast_to(x, wanted), axis_arg(x, axis), keepdims), wanted)


@standard
def prod(x: Tensor, /, axis: Any = None, keepdims: bool = False, *, dtype: Any = None) -> Tensor:
    wanted = sum_dtype(x, dtype)
    x = cast_to(x, wanted)
    axis = axis_arg(x, axis)
    if isinstance(axis, tuple):
        out = x
        for a in sorted(axis, reverse=True):
            out = call("prod")(out, a, False)
        return cast_to(_kept(x, out, axis, keepdims), wanted)
    return cast_to(call("prod")(x, axis, keepdims), wanted)


@standard
def mean(x: Tensor, /, axis: Any = None, keepdims: bool = False) -> Tensor:
    return call("mean")(x, axis_arg(x, axis), keepdims)


def _whole(name: str) -> None:
    op = call(name)

    def f(x: Tensor, /, axis: Any = None, keepdims: bool = False) -> Tensor:
        return op(x, axis_arg(x, axis), keepdims)

    f.__name__ = name
    standard(f)


for _name in ("any", "all"):
    _whole(_name)


def _extreme(name: str, function: str) -> None:
    def f(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
        axes = axis_arg(x, axis)
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
        return op(x, axis_arg(x, axis), keepdims)

    f.__name__ = name
    standard(f)


_arg("argmax")
_arg("argmin")


@standard
def var(x: Tensor, /, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    axes = axis_arg(x, axis)
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
    return call("sum")(call("not_equal")(x, 0), axis_arg(x, axis), keepdims)


def _running(name: str, start: int) -> None:
    op = call(name)

    def f(x: Tensor, /, axis: int | None = None, *, dtype: Any = None, include_initial: bool = False) -> Tensor:
        if axis is None:
            if x.ndim > 1:
                raise ValueError(f"{name}: axis is needed for an array of {x.ndim} dimensions")
            axis = 0
        wanted = sum_dtype(x, dtype)
        x = cast_to(x, wanted)
        axis = axis_arg(x, axis) if x.ndim else 0
        out = cast_to(op(x, axis), wanted)
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
