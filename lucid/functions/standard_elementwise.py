"""The array API: elementwise functions, where the standard's form or its numbers are not the op's."""

from __future__ import annotations

import math
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.tensor import Tensor, as_tensor
from .standard import call, cast_to, standard


@standard
def clip(x: Tensor, /, min: Any = None, max: Any = None) -> Tensor:
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        low = None if min is None else min if isinstance(min, Tensor) else as_tensor(min, dtype=x.dtype, like=x)
        high = None if max is None else max if isinstance(max, Tensor) else as_tensor(max, dtype=x.dtype, like=x)
        out = x if low is None else call("maximum")(x, cast_to(low, x.dtype))
        out = out if high is None else call("minimum")(out, cast_to(high, x.dtype))
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


TWO = """add subtract multiply divide pow remainder atan2 copysign hypot logaddexp maximum minimum nextafter bitwise_and bitwise_or bitwise_xor
    bitwise_left_shift bitwise_right_shift equal not_equal less less_equal greater greater_equal"""  # fmt: skip


def promoted(x1: Any, x2: Any) -> tuple[Any, Any]:
    """Two operands of one dtype. In the standard 0-d arrays take part in promotion like any other; Python numbers do not."""
    if not isinstance(x1, Tensor):
        return as_tensor(x1, dtype=_number_dtype(x1, x2), like=x2), x2
    if isinstance(x2, Tensor) and x1.dtype is not x2.dtype:
        d = dtypes.promote_types(x1.dtype, x2.dtype)
        return cast_to(x1, d), cast_to(x2, d)
    return x1, x2


def _number_dtype(number: Any, x: Tensor) -> Any:
    return dtypes.result_type((dtypes.scalar_dtype(number), 0), (x.dtype, 2))


def _of_two(name: str) -> None:
    op = call(name)

    def f(x1: Any, x2: Any, /) -> Tensor:
        return op(*promoted(x1, x2))

    f.__name__ = name
    standard(f)


for _name in TWO.split():
    _of_two(_name)


@standard
def where(condition: Tensor, x1: Any, x2: Any, /) -> Tensor:
    if isinstance(x1, Tensor) and isinstance(x2, Tensor):
        x1, x2 = promoted(x1, x2)
    return call("where")(condition, x1, x2)


# ---- other numbers than PyTorch's, which `lucid.X` has ----


@standard
def floor_divide(x1: Any, x2: Any, /) -> Tensor:
    """inf // 2 is inf and 1 // -inf is -0.0; PyTorch (as Python) has nan and -1."""
    x1, x2 = promoted(x1, x2)
    if x1.dtype.category < dtypes.FLOAT:
        return call("floor_divide")(x1, x2)
    ends = ops.logical_or(ops.isinf(x1), ops.isinf(x2) if isinstance(x2, Tensor) else math.isinf(x2))
    return call("where")(ends, call("divide")(x1, x2), call("floor_divide")(x1, x2))


@standard
def sign(x: Tensor, /) -> Tensor:
    """NaN of NaN (PyTorch: 0), and x / |x| of complex numbers."""
    if x.dtype.category < dtypes.FLOAT:
        return call("sign")(x)
    return call("where")(ops.isnan(x), math.nan, ops.sgn(x))


@standard
def expm1(x: Tensor, /) -> Tensor:
    """For complex numbers that are not finite as exp(x) - 1; PyTorch has nan there."""
    if not x.dtype.is_complex:
        return call("expm1")(x)
    out = call("where")(ops.isfinite(x), call("expm1")(x), call("exp")(x) - 1)
    return ops.complex(ops.real(out) + 0.0, ops.imag(out))  # of -0 the standard wants 0


@standard
def tanh(x: Tensor, /) -> Tensor:
    """A zero imaginary part with the sign of x's where the real part is infinite; PyTorch has the sign of sin(2 imag)."""
    if not x.dtype.is_complex:
        return call("tanh")(x)
    real, imag = ops.real(x), ops.imag(x)
    end = ops.complex(call("copysign")(ops.ones_like(real), real), call("copysign")(ops.zeros_like(imag), imag))
    return call("where")(ops.isinf(real), end, call("tanh")(x))
