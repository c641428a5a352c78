"""Losses and activations on NumPy that earn a kernel: fewer passes over memory, temporaries overwritten."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ._machine import compiles, one_pass
from ._workspace import room
from .normalization import channels
from .normalization.blocks import ones
from .numpy_ import F32, F64, is_half
from .numpy_elementwise import SIGNED
from .numpy_reduce import mean
from .numpy_softmax import log_sum_rows
from .numpy_special import ERF32, erf


def cross_entropy(x: Any, target: Any) -> tuple:
    """Rows of logits and class numbers: ``log(sum(exp(row))) - row[target]`` and the log-sum."""
    if is_half(x):
        return tuple(a.astype(x.dtype) for a in cross_entropy(x.astype(F32), target))
    log_sum = log_sum_rows(x)
    at = np.arange(0, x.size, x.shape[1])
    at += target
    return log_sum - x.reshape(-1).take(at), log_sum


def cross_entropy_grad(g: Any, x: Any, log_sum: Any, target: Any) -> Any:
    """``g * (softmax(x) - one_hot(target))``, row by row; divided by the sum again, because a log-sum of 700 is rounded
    to 6e-5, and so would be all probabilities."""
    if is_half(x):
        return cross_entropy_grad(g.astype(F32), x.astype(F32), log_sum.astype(F32), target).astype(x.dtype)
    if compiles(x):
        from . import machine_rows

        out = np.empty_like(x)
        machine_rows.cross_entropy_grad(np.ascontiguousarray(g), x, log_sum, target, out)
        return out
    out = np.subtract(x, log_sum[:, None], order="C")  # rows of one image come column by column; `flat` must be a view
    np.exp(out, out)
    out *= (g / np.dot(out, ones(x.shape[1], x.dtype)))[:, None]
    at = np.arange(0, x.size, x.shape[1])
    at += target
    flat = out.reshape(-1)
    flat[at] -= g
    return out


def nll_rows(x: Any, target: Any) -> Any:
    """``-row[target]`` of rows of log-probabilities and class numbers, which are in range."""
    at = np.arange(0, x.size, x.shape[1])
    at += target
    return -x.reshape(-1).take(at)


def binary_cross_entropy(x: Any, y: Any) -> Any:
    return (y - 1) * np.maximum(np.log1p(-x), -100) - y * np.maximum(np.log(x), -100)


# ---- activations, block by block: each pass finds its data in the cache ----

BLOCK = 65_536  # elements


def _blocked(f: Callable, *arrays: Any, name: str, numbers: tuple = ()) -> Any:
    """``f(*parts, out)`` on blocks of arrays of one shape; small or scattered ones in one piece. Where numba is installed,
    large ones go to the compiled kernel ``name``, with these numbers."""
    first = arrays[0]
    if is_half(first):
        return _blocked(f, *(a.astype(F32) for a in arrays), name=name, numbers=numbers).astype(first.dtype)
    if not first.ndim:  # NumPy's 0-d results are scalars, which cannot be written to
        return _blocked(f, *(a.reshape(1) for a in arrays), name=name).reshape(())
    if first.size >= 4096 and (found := one_pass(name, *arrays, numbers=numbers)) is not None:
        return found
    out = np.empty_like(first) if first.dtype.kind == "f" else np.empty_like(first, F32)
    if first.size <= 4096 or not all(a.flags.c_contiguous and a.shape == first.shape for a in arrays):
        f(*arrays, out)
        return out
    flat = [a.reshape(-1) for a in (*arrays, out)]
    for start in range(0, first.size, BLOCK):
        f(*(a[start : start + BLOCK] for a in flat))
    return out


def leaky_relu(x: Any, slope: float) -> Any:
    if is_half(x):
        return leaky_relu(x.astype(F32), slope).astype(x.dtype)
    if x.size >= 4096 and (found := one_pass("leaky_relu", x, numbers=(slope,))) is not None:
        return found
    below = np.multiply(x, slope)
    if not 0 <= slope <= 1:
        return np.where(x > 0, x, below)
    return np.maximum(x, below, out=below if x.ndim else None)


def leaky_relu_grad(g: Any, x: Any, slope: float) -> Any:
    """``g`` where x > 0, else ``g * slope``; the factor is put together from its bits: ``where`` is slow on random masks."""

    def part(g: Any, x: Any, out: Any) -> None:
        whole = SIGNED[x.dtype.itemsize]
        low, one = np.array([slope, 1], x.dtype).view(whole)
        bits = np.subtract(0, (x > 0).view(np.int8)).astype(whole)  # all ones, or 0
        bits &= one ^ low
        bits ^= low
        np.multiply(g, bits.view(x.dtype), out)

    return _blocked(part, g, x, name="leaky_relu_grad", numbers=(slope,))


def elu(x: Any, alpha: float, scale: float, input_scale: float) -> Any:
    def part(x: Any, out: Any) -> None:
        np.minimum(x, 0, out=out)
        out *= 0.5 * input_scale
        np.tanh(out, out)  # expm1(z) = 2 t / (1 - t) with t = tanh(z / 2): as accurate, and NumPy's tanh is fast
        out /= 1 - out
        out *= 2 * alpha * scale
        above = np.maximum(x, 0)
        above *= scale
        out += above

    return _blocked(part, x, name="elu", numbers=(alpha, scale, input_scale))


def elu_grad(g: Any, x: Any, alpha: float, scale: float, input_scale: float) -> Any:
    def part(g: Any, x: Any, out: Any) -> None:
        np.minimum(x, 0, out=out)
        out *= input_scale
        np.exp(out, out)
        out *= alpha * scale * input_scale
        out += (x > 0) * x.dtype.type(scale - alpha * scale * input_scale)  # the exponential is 1 there
        out *= g

    return _blocked(part, g, x, name="elu_grad", numbers=(alpha, scale, input_scale))


def silu(x: Any) -> Any:
    def part(x: Any, out: Any) -> None:
        np.negative(x, out)
        np.exp(out, out)
        out += 1
        np.divide(x, out, out)

    return _blocked(part, x, name="silu")


def silu_grad(g: Any, x: Any) -> Any:
    def part(g: Any, x: Any, out: Any) -> None:
        s = np.negative(x, room(x, 0))
        np.exp(s, s)
        s += 1
        np.divide(1, s, s)
        np.subtract(1, s, out)
        out *= x
        out += 1
        out *= s
        out *= g

    return _blocked(part, g, x, name="silu_grad")


def _tanh_of_gelu(x: Any) -> Any:
    t = np.multiply(x, x, room(x, 1))
    t *= 0.044715
    t += 1
    t *= x
    t *= math.sqrt(2 / math.pi)
    return np.tanh(t, t)


# erf(x / sqrt 2) = tanh(x p(x^2)), with the p of numpy_special's erf, scaled. 0-d arrays, not floats: half the overhead.
_ERF_ROOT_HALF = [np.array(float(a) * math.sqrt(0.5) * 0.5 ** (len(ERF32) - 1 - i), F32) for i, a in enumerate(ERF32)]


def _erf_of_gelu(x: Any) -> Any:
    if x.dtype != F32:
        return erf(x * math.sqrt(0.5))
    square = np.multiply(x, x, room(x, 0))
    t = np.multiply(square, _ERF_ROOT_HALF[0], room(x, 1))
    for a in _ERF_ROOT_HALF[1:-1]:
        np.add(t, a, t)
        np.multiply(t, square, t)
    np.add(t, _ERF_ROOT_HALF[-1], t)
    np.multiply(t, x, t)
    return np.tanh(t, t)


def gelu(x: Any, approximate: str) -> Any:
    def part(x: Any, out: Any) -> None:
        t = _tanh_of_gelu(x) if approximate == "tanh" else _erf_of_gelu(x)
        np.add(t, 1, t)
        np.multiply(t, x, t)
        np.multiply(t, 0.5, out)

    return _blocked(part, x, name="gelu_tanh" if approximate == "tanh" else "gelu64" if x.dtype == F64 else "gelu32")


def gelu_grad_by_out(g: Any, x: Any, y: Any, approximate: str) -> Any:
    """From ``y = gelu(x)``, whose ratio to ``x`` is the cdf: a division where the error function takes 15 passes."""
    if approximate == "tanh":
        return gelu_grad(g, x, approximate)
    tiny = 2.0**-100  # y + tiny / 2 over x + tiny: the same for every x that matters, and 1/2 at 0 and for denormal x

    def part(g: Any, x: Any, y: Any, out: Any) -> None:
        cdf, t = np.add(x, tiny, room(x, 0)), room(x, 1)
        np.add(y, 0.5 * tiny, t)
        np.divide(t, cdf, cdf)
        if not np.add.reduce(cdf, None) < math.inf:  # NaN somewhere: perhaps there is an x of -tiny
            np.copyto(cdf, 0.5, where=x == -tiny)
        np.multiply(x, x, out)
        np.multiply(out, -0.5, out)
        np.exp(out, out)
        np.multiply(out, x, out)
        np.multiply(out, 1 / math.sqrt(2 * math.pi), out)
        np.add(out, cdf, out)
        np.multiply(out, g, out)

    return _blocked(part, g, x, y, name="gelu_grad_by_out")


def gelu_grad(g: Any, x: Any, approximate: str) -> Any:
    if approximate != "tanh":
        return gelu_grad_by_out(g, x, gelu(x, approximate), approximate)

    def tanh_form(g: Any, x: Any, out: Any) -> None:
        t = _tanh_of_gelu(x)
        slope = np.multiply(x, x, room(x, 0))
        slope *= 3 * 0.044715
        slope += 1
        slope *= x
        slope *= 0.5 * math.sqrt(2 / math.pi)
        np.multiply(t, t, out)
        np.subtract(1, out, out)
        out *= slope
        t += 1
        t *= 0.5
        out += t
        out *= g

    return _blocked(tanh_form, g, x, name="gelu_tanh_grad")


def hardtanh(x: Any, low: float, high: float) -> Any:
    return np.clip(x, low, high).astype(x.dtype, copy=False)


def hardtanh_grad(g: Any, x: Any, low: float, high: float) -> Any:
    if x.size >= 4096 and (found := one_pass("hardtanh_grad", g, x, numbers=(low, high))) is not None:
        return found
    return g * ((x > low) & (x < high))


def hardswish(x: Any) -> Any:
    def part(x: Any, out: Any) -> None:
        np.add(x, 3, out)
        np.clip(out, 0, 6, out)
        out *= x
        out *= 1 / 6

    return _blocked(part, x, name="hardswish")


def hardswish_grad(g: Any, x: Any) -> Any:
    def part(g: Any, x: Any, out: Any) -> None:
        np.clip(x, -3, 3, out)
        out *= 1 / 3
        out -= 0.5
        out *= x < 3
        out += 1
        out *= x > -3
        out *= g

    return _blocked(part, g, x, name="hardswish_grad")


def log_sigmoid(x: Any) -> Any:
    e = np.asarray(np.exp(-np.abs(x)))  # an array for 0-d input, too
    np.log1p(e, e)
    return np.minimum(x, 0) - e


def softplus(x: Any, beta: float, threshold: float) -> Any:
    """log(1 + exp(beta x)) / beta; x itself above the threshold, where float32 sees no difference from 18 on."""

    def part(x: Any, out: Any) -> None:
        scaled = np.multiply(x, beta, room(x, 0))
        np.abs(scaled, out=out)
        np.negative(out, out)
        np.exp(out, out)
        np.log1p(out, out)
        out += np.maximum(scaled, 0, out=room(x, 1))
        if beta != 1:
            np.divide(out, beta, out)
        if threshold < 18 or x.dtype != F32:
            np.copyto(out, x, where=scaled > threshold)

    with np.errstate(all="ignore"):
        return _blocked(part, x, name="softplus", numbers=(beta, threshold))


def softplus_grad(g: Any, x: Any, beta: float, threshold: float) -> Any:
    def part(g: Any, x: Any, out: Any) -> None:
        scaled = np.multiply(x, -beta, room(x, 0))
        np.exp(scaled, out)
        out += 1
        np.divide(g, out, out)
        if threshold < 18 or x.dtype != F32:
            np.copyto(out, g, where=scaled < -threshold)

    with np.errstate(all="ignore"):
        return _blocked(part, g, x, name="softplus_grad", numbers=(beta, threshold))


def huber(x: Any, delta: float) -> Any:
    def part(x: Any, out: Any) -> None:
        near = np.clip(x, -delta, delta, out=room(x, 0))
        np.multiply(near, -0.5, out)
        out += x
        out *= near

    return _blocked(part, x, name="huber", numbers=(delta,))


def smooth_l1(x: Any, y: Any, delta: float) -> Any:
    """``huber`` of the difference."""

    def part(x: Any, y: Any, out: Any) -> None:
        d = np.subtract(x, y, room(x, 1))
        near = np.clip(d, -delta, delta, out=room(x, 0))
        np.multiply(near, -0.5, out)
        out += d
        out *= near

    if x.shape != y.shape:
        return huber(x - y, delta)
    return _blocked(part, x, y, name="smooth_l1", numbers=(delta,))


def smooth_l1_grad(g: Any, x: Any, y: Any, delta: float) -> Any:
    def part(g: Any, x: Any, y: Any, out: Any) -> None:
        np.subtract(x, y, out)
        np.clip(out, -delta, delta, out)
        out *= g

    if not x.shape == y.shape == g.shape:
        return g * np.clip(x - y, -delta, delta)
    return _blocked(part, g, x, y, name="smooth_l1_grad", numbers=(delta,))


def binary_cross_entropy_logits(x: Any, y: Any) -> Any:
    """``(1 - y) x - log(sigmoid(x))``, the logarithm as ``min(x, 0) - log(1 + exp(-|x|))``."""

    def part(x: Any, y: Any, out: Any) -> None:
        t = np.abs(x, room(x, 0))
        np.negative(t, t)
        np.exp(t, t)
        np.log1p(t, t)
        t -= np.minimum(x, 0, out=room(x, 1))
        np.subtract(1, y, out)
        out *= x
        out += t

    if x.shape != y.shape:
        return (1 - y) * x - log_sigmoid(x)
    with np.errstate(all="ignore"):
        return _blocked(part, x, y, name="binary_cross_entropy_logits")


def mean_square(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Rows of up to 2048 squares by BLAS, and the sum of those pairwise: as accurate as the sum of an array of squares."""
    if (
        axis is None
        and not keepdims
        and x.size >= 4096
        and x.dtype.kind == "f"
        and x.flags.c_contiguous
        and not is_half(x)
    ):
        flat = x.reshape(-1)
        whole = x.size - x.size % 2048
        rows = flat[:whole].reshape(-1, 2048)
        total = np.add.reduce(np.vecdot(rows, rows)) + np.vecdot(flat[whole:], flat[whole:])
        return total / x.dtype.type(x.size)
    if is_half(x):
        return np.asarray(mean_square(x.astype(F32), axis, keepdims)).astype(x.dtype)
    return mean(np.multiply(x, x), axis, keepdims)


def scale_shift(x: Any, scale: Any, shift: Any) -> Any:
    """``x * scale + shift``, the sum in place."""
    if scale.shape == shift.shape == (1, *x.shape[1:2], *(1,) * (x.ndim - 2)) and x.size > 4096 and x.dtype.kind == "f":
        if not x.flags.c_contiguous and x.transpose((0, *range(2, x.ndim), 1)).flags.c_contiguous:
            return channels.scale_shift(x, scale, shift)
    out = np.multiply(x, scale)
    if type(out) is np.ndarray and out.shape == np.broadcast_shapes(out.shape, shift.shape):
        out += shift
        return out
    return out + shift
