"""Elementwise kernels on MLX: its own by name, and those where its own is missing or not PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx

from .mlx_dtypes import BOUNDS, INTEGERS, inexact, native, not_double

SAME = """negative exp expm1 log log1p log2 log10 sqrt rsqrt square reciprocal sin cos tan sinh cosh tanh floor ceil
    sigmoid erf erfinv isnan isinf isfinite logical_not add subtract multiply divide maximum minimum logaddexp equal
    not_equal less less_equal greater greater_equal logical_and logical_or bitwise_and bitwise_or bitwise_xor where clip
    zeros_like ones_like real imag abs""".split()
RENAMED = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
    "atan2": "arctan2", "pow": "power", "conj": "conjugate", "bitwise_left_shift": "left_shift",
    "bitwise_right_shift": "right_shift",
}  # fmt: skip


def _real_single(x: Any) -> bool:
    return x.dtype not in (mx.complex64, mx.float64)


def _bounds_fit(x: Any, low: Any = None, high: Any = None) -> bool:
    """MLX makes the bounds numbers of the array's dtype first."""
    if inexact(x):
        return True
    return x.dtype != mx.bool_ and all(
        v is None or (type(v) is int and mx.iinfo(x.dtype).min <= v <= mx.iinfo(x.dtype).max) for v in (low, high)
    )


FITS: dict[str, Callable[..., bool]] = {
    **dict.fromkeys(("exp", "sin", "cos", "erf", "erfinv", "logaddexp"), not_double),
    **dict.fromkeys(("pow", "remainder", "floor_divide", "trunc_divide", "fmod"), inexact),
    "exp2": _real_single,
    "sigmoid": _real_single,
    "expm1": lambda x: x.dtype != mx.complex64,
    "relu": lambda x: x.dtype != mx.bool_,
    "square": lambda x: x.dtype != mx.bool_,
    "clip": _bounds_fit,
    "complex": lambda re, im: re.dtype == im.dtype == mx.float32,
    "view_as_complex": lambda x: x.dtype == mx.float32 and x.size > 0,
    "reinterpret": lambda x, *rest: x.ndim > 0 and x.size > 0 and x.dtype != mx.bool_,
}
_BITS = {1: mx.int8, 2: mx.int16, 4: mx.int32, 8: mx.int64}


def copy(x: Any) -> Any:
    out = mx.array(x)
    BOUNDS.carry(x, out)
    return out


def positive(x: Any) -> Any:
    return mx.array(x)


def sign(x: Any) -> Any:
    return mx.where(mx.isnan(x), mx.zeros_like(x), mx.sign(x)) if inexact(x) else mx.sign(x)


def sgn(x: Any) -> Any:
    return mx.sign(x) if x.dtype == mx.complex64 else sign(x)


def signbit(x: Any) -> Any:
    """The bit, so that it is known for zeros and NaN too."""
    if x.dtype in INTEGERS:
        return x < 0
    return (x.reshape(1) if not x.ndim else mx.contiguous(x)).view(_BITS[x.dtype.size]).reshape(x.shape) < 0


def copysign(x: Any, y: Any) -> Any:
    size = mx.abs(x)
    return mx.where(signbit(y), -size, size)


def trunc(x: Any) -> Any:
    return mx.where(x < 0, mx.ceil(x), mx.floor(x))


def round_to(x: Any, decimals: int = 0) -> Any:
    return mx.round(x, decimals)


def exp2(x: Any) -> Any:
    return mx.power(mx.array(2.0, x.dtype), x)


def relu(x: Any) -> Any:
    return mx.maximum(x, 0)


def hardtanh(x: Any, low: float, high: float) -> Any:
    """The bounds as numbers of the input's dtype, which would else widen integers."""
    bottom, top = mx.array(low, x.dtype), mx.array(high, x.dtype)
    return mx.where(x <= bottom, bottom, mx.where(x >= top, top, x))


def relu_grad(g: Any, x: Any) -> Any:
    return mx.where(x <= 0, mx.zeros_like(g), g)


def fmax(x: Any, y: Any) -> Any:
    return mx.where(mx.isnan(x), y, mx.where(mx.isnan(y), x, mx.maximum(x, y)))


def fmin(x: Any, y: Any) -> Any:
    return mx.where(mx.isnan(x), y, mx.where(mx.isnan(y), x, mx.minimum(x, y)))


def hypot(x: Any, y: Any) -> Any:
    """By the larger of the two, so that squares do not overflow."""
    x, y = mx.abs(x), mx.abs(y)
    top = mx.maximum(x, y)
    ratio = mx.minimum(x, y) / mx.where(top == 0, mx.ones_like(top), top)
    infinite = mx.logical_or(mx.isinf(x), mx.isinf(y))
    return mx.where(infinite, mx.full(top.shape, mx.array(mx.inf, top.dtype)), top * mx.sqrt(1 + ratio * ratio))


def heaviside(x: Any, values: Any) -> Any:
    return mx.where(x == 0, values, (x > 0).astype(x.dtype))


def xlogy(x: Any, y: Any) -> Any:
    return mx.where(mx.isnan(y), y, mx.where(x == 0, mx.zeros_like(x), x * mx.log(y)))


def xlog1py(x: Any, y: Any) -> Any:
    return mx.where(mx.isnan(y), y, mx.where(x == 0, mx.zeros_like(x), x * mx.log1p(y)))


def entr(x: Any) -> Any:
    return mx.where(x < 0, mx.array(-mx.inf, x.dtype), -xlogy(x, x))


def logit(x: Any) -> Any:
    return mx.log(x / (1 - x))


def logical_xor(x: Any, y: Any) -> Any:
    return x.astype(mx.bool_) != y.astype(mx.bool_)


def bitwise_invert(x: Any) -> Any:
    return mx.logical_not(x) if x.dtype == mx.bool_ else mx.bitwise_invert(x)


def remainder(x: Any, y: Any) -> Any:
    return mx.remainder(x, y)


def floor_divide(x: Any, y: Any) -> Any:
    """By the remainder, as PyTorch: the quotient's own rounding must not reach the next integer (1 // 0.1 is 9)."""
    if x.dtype in (mx.float16, mx.bfloat16):
        return floor_divide(x.astype(mx.float32), y.astype(mx.float32)).astype(x.dtype)
    rest, plain = fmod(x, y), x / y
    quotient = (x - rest) / y
    quotient = mx.where((rest != 0) & ((rest < 0) != (y < 0)), quotient - 1, quotient)
    whole = mx.floor(quotient)
    whole = mx.where(quotient - whole > 0.5, whole + 1, whole)
    return mx.where(y == 0, plain, mx.where(quotient != 0, whole, copysign(mx.zeros_like(plain), plain)))


def trunc_divide(x: Any, y: Any) -> Any:
    return trunc(x / y)


def fmod(x: Any, y: Any) -> Any:
    return copysign(mx.remainder(mx.abs(x), mx.abs(y)), x)


# ---- complex numbers and bytes ----


def complex(re: Any, im: Any) -> Any:
    return view_as_complex(mx.stack(mx.broadcast_arrays(re, im), -1))


def view_as_complex(x: Any) -> Any:
    return mx.contiguous(x).view(mx.complex64)[..., 0]


def view_as_real(x: Any) -> Any:
    return mx.stack([mx.real(x), mx.imag(x)], -1)


def reinterpret(x: Any, dtype: Any, source: Any = None) -> Any:
    """The same bytes as another dtype."""
    return mx.contiguous(x).view(native(dtype))
