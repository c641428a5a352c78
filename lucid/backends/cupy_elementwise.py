"""Elementwise kernels on CuPy: its ufuncs where they are right, fused kernels for what would be several launches."""

from __future__ import annotations

import builtins
import math
from typing import Any

import cupy as cp
import numpy as np

from . import composed
from .cupy_fuse import FLOATS, Fused, elementwise

# ---- activations and their derivatives: the compositions of composed.py, each one kernel ----


def _on_table(f: Any) -> Any:
    """The composition step by step, for dtypes that have no fused kernel (integers, complex)."""

    def run(*args: Any) -> Any:
        from .base import load

        return f(load("cuda").table, *args)

    return run


def _relu(xp: Any, x: Any) -> Any:
    return xp.where(x <= 0, 0.0, x)


def _relu_grad(xp: Any, g: Any, x: Any) -> Any:
    return xp.where(x <= 0, 0.0, g)


def _sigmoid(xp: Any, x: Any) -> Any:
    return xp.sigmoid(x)


def _softplus(xp: Any, x: Any, beta: float, threshold: float) -> Any:
    scaled = x * beta
    return xp.where(scaled > threshold, x, (xp.maximum(scaled, 0.0) + xp.log1p(xp.exp(-xp.abs(scaled)))) / beta)


def _rsqrt(xp: Any, x: Any) -> Any:
    return xp.rsqrt(x)


FUSED = {
    name: Fused(name, f, _on_table(f))
    for name, f in composed.COMPOSED.items()
    if name in (
        "sigmoid_grad", "tanh_grad", "binary_cross_entropy", "leaky_relu", "elu", "silu", "gelu", "log_sigmoid", "scale_shift",
        "leaky_relu_grad", "elu_grad", "silu_grad", "gelu_grad", "hardtanh", "hardtanh_grad", "hardswish", "hardswish_grad", "softplus_grad", "huber",
    )
} | {
    "relu": Fused("relu", _relu, lambda x: cp.maximum(x, 0)),
    "relu_grad": Fused("relu_grad", _relu_grad, lambda g, x: where(x <= 0, 0, g)),
    "sigmoid": Fused("sigmoid", _sigmoid, lambda x: 1 / (1 + cp.exp(-x))),
    "softplus": Fused("softplus", _softplus, _on_table(composed.softplus)),
    "rsqrt": Fused("rsqrt", _rsqrt, lambda x: 1 / cp.sqrt(x)),
}  # fmt: skip


# ---- choice ----


def where(condition: Any, x: Any, y: Any) -> Any:
    """CuPy's own has no bfloat16."""
    if condition.dtype != bool:
        condition = condition != 0
    if not isinstance(x, cp.ndarray):
        if not isinstance(y, cp.ndarray):
            return cp.where(condition, x, y)
        return elementwise("where_number_left", f"bool c, {_number(x)} x, T y", "T z", "z = c ? (T)x : y")(
            condition, x, y
        )
    if not isinstance(y, cp.ndarray):
        return elementwise("where_number_right", f"bool c, T x, {_number(y)} y", "T z", "z = c ? x : (T)y")(
            condition, x, y
        )
    if x.dtype != y.dtype:
        return cp.where(condition, x, y)
    return elementwise("where", "bool c, T x, T y", "T z", "z = c ? x : y")(condition, x, y)


def _number(value: Any) -> str:
    return "complex128" if isinstance(value, builtins.complex) else "float64" if isinstance(value, float) else "int64"


def clip(x: Any, low: Any, high: Any) -> Any:
    if low is None and high is None:
        return x.copy()
    if any(b is not None and b != b for b in (low, high)):  # a NaN bound: everything becomes NaN
        return cp.full(x.shape, math.nan, x.dtype)
    if x.dtype.kind in "biu":
        return _clip_integers(x.astype(np.int64) if x.dtype.kind == "b" else x, low, high)
    low, high = (-math.inf if low is None else float(low)), (math.inf if high is None else float(high))
    return elementwise(
        "clip", "T x, float64 low, float64 high", "T y",
        "y = x != x ? x : (T)((W)x < (W)low ? ((W)low > (W)high ? (W)high : (W)low) : ((W)x > (W)high ? (W)high : (W)x))",
        "double" if x.dtype.itemsize == 8 else "float",
    )(x, low, high)  # fmt: skip


def _clip_integers(x: Any, low: Any, high: Any) -> Any:
    limits = np.iinfo(x.dtype)
    low = (
        limits.min
        if low is None
        else min(max(math.ceil(low) if low != -math.inf else limits.min, limits.min), limits.max)
    )
    high = (
        limits.max
        if high is None
        else min(max(math.floor(high) if high != math.inf else limits.max, limits.min), limits.max)
    )
    kind = "uint64" if x.dtype == np.uint64 else "int64"
    return elementwise(
        "clip_integers", f"T x, {kind} low, {kind} high", "T y",
        "y = x < (T)low ? ((T)low > (T)high ? (T)high : (T)low) : (x > (T)high ? (T)high : x)",
    )(x, low, high)  # fmt: skip


# ---- arithmetic ----


def divide(x: Any, y: Any) -> Any:
    return cp.true_divide(x, y)


def pow(x: Any, y: Any) -> Any:
    """Squares and cubes as products, decided inside the kernel: looking at the exponent would wait for the device."""
    if x.dtype.kind == "b":
        return cp.power(x.view(np.uint8), y.view(np.uint8)).view(np.bool_)
    if x.dtype.name in FLOATS and y.dtype == x.dtype:
        return elementwise(
            "pow", "T x, T y", "T z",
            "const W a = (W)x, b = (W)y; z = (T)(b == (W)2 ? a * a : b == (W)3 ? a * a * a : pow(a, b))",
            "double" if x.dtype.itemsize == 8 else "float",
        )(x, y)  # fmt: skip
    return cp.power(x, y)


def square(x: Any) -> Any:
    return cp.square(x if x.dtype.kind != "b" else x.astype(np.int64))


def abs(x: Any) -> Any:
    return cp.absolute(x)


def exp2(x: Any) -> Any:
    return cp.exp2(x) if x.dtype.kind != "c" else cp.exp(x * math.log(2))


def sign(x: Any) -> Any:
    """0 for NaN, as in torch."""
    if x.dtype.kind == "b":
        return x.copy()
    if x.dtype.kind in "uc":
        return cp.sign(x)
    return elementwise("sign", "T x", "T y", "y = (T)((int)(x > (T)0) - (int)(x < (T)0))")(x)


def sgn(x: Any) -> Any:
    return cp.sign(x) if x.dtype.kind == "c" else sign(x)


def trunc(x: Any) -> Any:
    return cp.trunc(x)


def round_to(x: Any, decimals: int = 0) -> Any:
    if decimals == 0:
        return cp.rint(x)
    body = "rint((W)x * (W)ten) / (W)ten" if decimals > 0 else "rint((W)x / (W)ten) * (W)ten"
    kind = "double" if x.dtype.itemsize == 8 else "float"
    return elementwise(
        f"round_{'up' if decimals > 0 else 'down'}", "T x, float64 ten", "T y", f"y = (T)({body})", kind
    )(x, 10.0 ** builtins.abs(decimals))


def floor_divide(x: Any, y: Any) -> Any:
    """Integers divided by 0 give whatever the device gives, as with torch on CUDA: looking would wait for it."""
    if x.dtype.kind in "bui":
        return cp.floor_divide(x, y)
    return elementwise("floor_divide", "T x, T y", "T z", _FLOOR_DIVIDE, _kind(x))(x, y)


# NumPy's rule: from the remainder, so that rounding of x / y does not matter.
_FLOOR_DIVIDE = """
W a = (W)x, b = (W)y, q;
if (b == (W)0) { q = a / b; }
else {
    W m = fmod(a, b), d = (a - m) / b;
    if (m != (W)0 && (b < (W)0) != (m < (W)0)) d -= (W)1;
    q = d != (W)0 ? floor(d) : copysign((W)0, a / b);
    if (d != (W)0 && d - q > (W)0.5) q += (W)1;
}
z = (T)q"""
_REMAINDER = """
W a = (W)x, b = (W)y, m = fmod(a, b);
if (m != (W)0) { if ((b < (W)0) != (m < (W)0)) m += b; }
else m = copysign((W)0, b);
z = (T)m"""


def _kind(x: Any) -> str:
    return "double" if x.dtype.itemsize == 8 else "float"


def remainder(x: Any, y: Any) -> Any:
    if x.dtype.kind in "bui":
        return cp.remainder(x, y)
    return elementwise("remainder", "T x, T y", "T z", _REMAINDER, _kind(x))(x, y)


def fmod(x: Any, y: Any) -> Any:
    if x.dtype.kind in "bui":
        return cp.fmod(x, y)
    return elementwise("fmod", "T x, T y", "T z", "z = (T)fmod((W)x, (W)y)", _kind(x))(x, y)


def trunc_divide(x: Any, y: Any) -> Any:
    """Division rounded towards zero, of integers."""
    if x.dtype.kind in "fV":
        return elementwise("trunc_divide_floats", "T x, T y", "T z", "z = (T)trunc((W)x / (W)y)", _kind(x))(x, y)
    return elementwise("trunc_divide", "T x, T y", "T z", "z = y == 0 ? (T)0 : (T)(x / y)")(x, y)


def heaviside(x: Any, values: Any) -> Any:
    return elementwise("heaviside", "T x, T v", "T y", "y = x == (T)0 ? v : (T)(int)(x > (T)0)")(x, values)


def isin(x: Any, y: Any) -> Any:
    return cp.isin(x, y)


# ---- tests ----


def _of_floats(name: str, answer: bool) -> Any:
    native = getattr(cp, name)

    def test(x: Any) -> Any:
        return native(x) if x.dtype.kind in "fcV" else cp.full(x.shape, answer, np.bool_)

    test.__name__ = name
    return test


isnan, isinf, isfinite = (_of_floats(n, a) for n, a in (("isnan", False), ("isinf", False), ("isfinite", True)))


def signbit(x: Any) -> Any:
    return cp.signbit(x) if x.dtype.kind in "fV" else x < 0


def _truth(x: Any) -> Any:
    return x if x.dtype.kind == "b" else x != 0


def logical_not(x: Any) -> Any:
    return cp.logical_not(_truth(x))


def logical_and(x: Any, y: Any) -> Any:
    return cp.logical_and(_truth(x), _truth(y))


def logical_or(x: Any, y: Any) -> Any:
    return cp.logical_or(_truth(x), _truth(y))


def logical_xor(x: Any, y: Any) -> Any:
    return cp.logical_xor(_truth(x), _truth(y))


# ---- complex ----


def complex(re: Any, im: Any) -> Any:
    kind = np.complex64 if re.dtype.itemsize < 8 else np.complex128
    return elementwise("complex", "T x, T y", f"{np.dtype(kind).name} z", "z = complex<T>(x, y)")(re, im)


def real(x: Any) -> Any:
    return x.real


def imag(x: Any) -> Any:
    return x.imag


def view_as_real(x: Any) -> Any:
    part = x.real
    return cp.lib.stride_tricks.as_strided(part, (*x.shape, 2), (*x.strides, part.itemsize))


def view_as_complex(x: Any) -> Any:
    if x.strides[-1] != x.itemsize or any(s % (2 * x.itemsize) for s in x.strides[:-1]):
        x = cp.ascontiguousarray(x)
    kind = np.dtype(np.complex64 if x.dtype == np.float32 else np.complex128)
    if x.flags.c_contiguous:
        return x.view(kind)[..., 0]
    # CuPy reinterprets contiguous memory only: the pairs by their strides
    base = x[..., 0]
    return cp.ndarray(base.shape, kind, base.data, base.strides)


NATIVE = """negative positive exp expm1 log log1p log2 log10 sqrt sin cos tan sinh cosh tanh floor ceil add subtract multiply
    maximum minimum hypot copysign logaddexp logaddexp2 nextafter fmax fmin equal not_equal less less_equal greater greater_equal
    bitwise_and bitwise_or bitwise_xor reciprocal gcd lcm""".split()
RENAMED = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
    "atan2": "arctan2", "conj": "conjugate", "bitwise_invert": "invert", "bitwise_left_shift": "left_shift",
    "bitwise_right_shift": "right_shift",
}  # fmt: skip
UFUNCS = {name: getattr(cp, name) for name in NATIVE} | {ours: getattr(cp, theirs) for ours, theirs in RENAMED.items()}
