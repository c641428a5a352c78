"""Elementwise kernels where one ufunc alone is not right, or not fast."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ._machine import one_pass
from .numpy_ import F32, is_half

ndarray = np.ndarray
SIGNED = {2: np.dtype(np.int16), 4: np.dtype(np.int32), 8: np.dtype(np.int64)}


_BLOCK = 65_536  # elements: 256 kB of float32, so that the next pass over a block finds it in the cache


def _in_blocks(name: str, f: Callable, *arrays: Any) -> Any:
    """``f(out, *parts)`` of several passes, block by block where the arrays are contiguous; half types in float32. Where numba
    is installed, large arrays go to the compiled kernel ``name``."""
    first = arrays[0]
    if is_half(first):
        return _in_blocks(name, f, *(a.astype(F32) for a in arrays)).astype(first.dtype)
    if first.size >= 4096 and (found := one_pass(name, *arrays)) is not None:
        return found
    if any(a.shape != first.shape for a in arrays[1:]):
        arrays = np.broadcast_arrays(*arrays)
    out = np.empty_like(arrays[-1])
    with np.errstate(all="ignore"):
        if out.size <= _BLOCK or not all(a.flags.c_contiguous for a in arrays):
            f(out, *arrays)
            return out
        flat = [a.reshape(-1) for a in (out, *arrays)]
        for i in range(0, out.size, _BLOCK):
            f(*[a[i : i + _BLOCK] for a in flat])
    return out


_RANGES = {
    np.dtype(t): (np.zeros((), t), np.full((), math.inf, t)) for t in ("f2", "f4", "f8")
}  # numbers take 0.3 us more


def relu(x: Any) -> Any:
    above = _RANGES.get(x.dtype)
    if above is None or x.size < 2048:
        if above is None and x.dtype.kind == "b":
            raise TypeError("a tensor of bool numbers")
        return np.maximum(x, 0 if above is None else above[0])
    if (found := one_pass("relu", x)) is not None:
        return found
    return x.clip(*above)  # the clip loop is three times as fast as maximum's; both keep NaN


def relu_grad(g: Any, x: Any) -> Any:
    """``g`` where not x <= 0 (so also where x is NaN), else 0. No product: 0 * inf would be NaN.

    For large arrays a mask of bits and an integer AND: ``where`` and ``copyto`` are ten times slower on random masks.
    """
    if g.size < 1024 or g.dtype.kind != "f" or g.shape != x.shape:
        return np.where(x <= 0, np.zeros((), g.dtype), g)
    if (found := one_pass("relu_grad", g, x)) is not None:
        return found
    whole = SIGNED[g.dtype.itemsize]
    if g.size <= 4 * _BLOCK or not (g.flags.c_contiguous and x.flags.c_contiguous):
        bits = np.subtract((x <= 0).view(np.int8), 1).astype(whole)  # 0 where off, else all ones
        np.bitwise_and(bits, g.view(whole), bits)
        return bits.view(g.dtype)
    out = np.empty(g.shape, g.dtype)
    flat, values, signs = out.reshape(-1).view(whole), g.reshape(-1).view(whole), x.reshape(-1)
    for i in range(0, g.size, _BLOCK):
        part = flat[i : i + _BLOCK]
        part[...] = np.subtract((signs[i : i + _BLOCK] <= 0).view(np.int8), 1)
        np.bitwise_and(part, values[i : i + _BLOCK], part)
    return out


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)): accurate to the last bits on both sides, which (1 + tanh(x / 2)) / 2 is not for negative x."""
    return _in_blocks("sigmoid", _sigmoid, x) if x.dtype.kind != "c" else 1 / (1 + np.exp(-x))


def _sigmoid(out: Any, x: Any) -> None:
    """1 + exp(-x) as 2 + expm1(-x), since NumPy's expm1 is faster than its exp, as ``1 / x`` is than ``reciprocal``."""
    np.negative(x, out)
    np.expm1(out, out)
    np.add(out, 2, out)
    np.divide(1, out, out)


def sigmoid_grad(g: Any, y: Any) -> Any:
    """``g * y * (1 - y)``."""
    return _in_blocks("sigmoid_grad", _sigmoid_grad, g, y)


def _sigmoid_grad(out: Any, g: Any, y: Any) -> None:
    np.subtract(1, y, out)
    np.multiply(out, y, out)
    np.multiply(out, g, out)


def tanh_grad(g: Any, y: Any) -> Any:
    """``g * (1 - y * y)``."""
    return _in_blocks("tanh_grad", _tanh_grad, g, y)


def _tanh_grad(out: Any, g: Any, y: Any) -> None:
    np.multiply(y, y, out)
    np.subtract(1, out, out)
    np.multiply(out, g, out)


def rsqrt(x: Any) -> Any:
    return 1 / np.sqrt(x)


def exp2(x: Any) -> Any:
    return np.exp2(x) if x.dtype.kind != "c" else np.exp(x * math.log(2))


def clip(x: Any, low: Any, high: Any) -> Any:
    if low is None and high is None:
        return x.copy()
    if any(b is not None and b != b for b in (low, high)):  # a NaN bound: everything becomes NaN
        return np.full_like(x, math.nan)
    if x.dtype.kind == "V":
        return clip(x.astype(F32), low, high).astype(x.dtype)
    if low is not None and high is not None and low > high:
        limits = np.iinfo(x.dtype) if x.dtype.kind in "iu" else None
        return np.where(x != x, x, np.full_like(x, high if limits is None else min(max(high, limits.min), limits.max)))
    if x.dtype.kind in "iu":
        limits = np.iinfo(x.dtype)
        low = None if low is None or low <= limits.min else low
        high = None if high is None or high >= limits.max else high
        if low is not None and low > limits.max:
            return np.full_like(x, limits.max)
        if high is not None and high < limits.min:
            return np.full_like(x, limits.min)
        return x.copy() if low is None and high is None else x.clip(low, high)
    if x.dtype.kind == "f":  # with both bounds given NumPy takes its fast loop
        return x.clip(-math.inf if low is None else low, math.inf if high is None else high)
    return np.clip(x, low, high)


def round_to(x: Any, decimals: int = 0) -> Any:
    if decimals == 0:
        return np.rint(x)
    if is_half(x):
        return round_to(x.astype(F32), decimals).astype(x.dtype)
    ten = x.dtype.type(10.0 ** abs(decimals))
    with np.errstate(all="ignore"):
        return np.asarray(np.rint(x * ten) / ten if decimals > 0 else np.rint(x / ten) * ten).astype(
            x.dtype, copy=False
        )


def sign(x: Any) -> Any:
    """0 for NaN, as in torch."""
    if x.dtype.kind == "b":
        return x.copy()
    out = np.sign(x)
    return np.where(np.isnan(x), np.zeros((), x.dtype), out) if x.dtype.kind in "fV" else out


def nan_to_num(x: Any, nan: float, posinf: float, neginf: float) -> Any:
    out = np.array(x, order="C")
    odd = np.logical_not(np.isfinite(x))
    if odd.any():
        found = out[odd]
        high, low = np.asarray([posinf, neginf], x.dtype)
        out[odd] = np.where(np.isnan(found), x.dtype.type(nan), np.where(found > 0, high, low))
    return out


def sgn(x: Any) -> Any:
    """``sign``, and x / |x| for complex numbers."""
    return np.sign(x) if x.dtype.kind == "c" else sign(x)


def square(x: Any) -> Any:
    return np.square(x if x.dtype.kind != "b" else x.astype(np.int64))


def divide(x: Any, y: Any) -> Any:
    return np.true_divide(x, y)


def pow(x: Any, y: Any) -> Any:
    if x.dtype.kind in "iu" and y.dtype.kind == "i" and np.any(y < 0):
        return np.where(y < 0, np.where(np.abs(x) == 1, np.power(x, y & 1), 0), np.power(x, np.maximum(y, 0)))
    if x.dtype.kind == "b":
        return np.power(x.view(np.uint8), y.view(np.uint8)).view(bool)
    if y.ndim == 0 and x.dtype.kind == "f" and x.ndim:
        exponent = y.item()
        if exponent == 2.0:
            return x * x
        if exponent == 3.0:
            return np.multiply(out := x * x, x, out)
    return np.power(x, y)


def abs(x: Any) -> Any:
    return np.absolute(x)


def log1p(x: Any) -> Any:
    """Of complex numbers near 0 NumPy's loses the real part."""
    out = np.asarray(np.log1p(x))
    if x.dtype.kind != "c":
        return out
    real = np.log1p(x.real * (2 + x.real) + x.imag * x.imag) / 2
    out.real = np.where(np.abs(x) < 0.5, real, out.real)
    return out


def trunc(x: Any) -> Any:
    return np.trunc(x)


def _no_zero(name: str, y: Any) -> None:
    if y.dtype.kind in "iub" and np.count_nonzero(y) != np.size(y):
        raise RuntimeError(f"{name}: ZeroDivisionError: integer division or modulo by zero")


def floor_divide(x: Any, y: Any) -> Any:
    _no_zero("floor_divide", y)
    if x.dtype.kind in "iub":
        return np.floor_divide(x, y)
    with np.errstate(all="ignore"):
        if is_half(x):
            return np.floor_divide(x.astype(F32), y.astype(F32)).astype(x.dtype)
        return np.floor_divide(x, y)


def trunc_divide(x: Any, y: Any) -> Any:
    """Division rounded towards zero."""
    if x.dtype.kind not in "iub":
        return np.trunc(x / y)
    _no_zero("div", y)
    quotient = np.floor_divide(x, y)
    return quotient + ((np.remainder(x, y) != 0) & (quotient < 0)).astype(quotient.dtype)


def remainder(x: Any, y: Any) -> Any:
    _no_zero("remainder", y)
    return np.remainder(x, y)


def fmod(x: Any, y: Any) -> Any:
    _no_zero("fmod", y)
    return np.fmod(x, y)


def heaviside(x: Any, values: Any) -> Any:
    return np.where(x == 0, values, (x > 0).astype(x.dtype))


def isin(x: Any, y: Any) -> Any:
    return np.isin(x, y)


# ---- complex ----


def complex(re: Any, im: Any) -> Any:
    shape = np.broadcast_shapes(re.shape, im.shape)
    out = np.empty(shape, np.complex64 if re.dtype.itemsize < 8 else np.complex128)
    out.real, out.imag = re, im
    return out


def real(x: Any) -> Any:
    return x.real


def imag(x: Any) -> Any:
    return x.imag


def view_as_real(x: Any) -> Any:
    part = np.asarray(x).real  # a scalar holds no memory with both parts in it
    return np.lib.stride_tricks.as_strided(part, (*x.shape, 2), (*x.strides, part.itemsize))


def view_as_complex(x: Any) -> Any:
    if x.strides[-1] != x.itemsize or any(s % (2 * x.itemsize) for s in x.strides[:-1]):
        x = np.ascontiguousarray(x)
    return x.view(np.complex64 if x.dtype == F32 else np.complex128)[..., 0]
