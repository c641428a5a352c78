"""Losses and activations on NumPy that earn a kernel: fewer passes over memory, temporaries overwritten."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .numpy_ import F32, is_half


def cross_entropy(x: Any, target: Any) -> tuple:
    """Rows of logits and class numbers: ``log(sum(exp(row))) - row[target]`` and the log-sum."""
    if is_half(x):
        return tuple(a.astype(x.dtype) for a in cross_entropy(x.astype(F32), target))
    top = np.maximum.reduce(x, 1, None, None, True)
    e = np.subtract(x, top)
    np.exp(e, e)
    log_sum = np.log(np.add.reduce(e, 1))
    log_sum += top[:, 0]
    return log_sum - x[np.arange(len(x)), target], log_sum


def cross_entropy_grad(g: Any, x: Any, log_sum: Any, target: Any) -> Any:
    """``g * (softmax(x) - one_hot(target))``, row by row."""
    if is_half(x):
        return cross_entropy_grad(g.astype(F32), x.astype(F32), log_sum.astype(F32), target).astype(x.dtype)
    out = np.subtract(x, log_sum[:, None])
    np.exp(out, out)
    out[np.arange(len(x)), target] -= 1
    out *= g[:, None]
    return out


def binary_cross_entropy(x: Any, y: Any) -> Any:
    return (y - 1) * np.maximum(np.log1p(-x), -100) - y * np.maximum(np.log(x), -100)


def leaky_relu(x: Any, slope: float) -> Any:
    return np.where(x > 0, x, x * slope) if not 0 <= slope <= 1 else np.maximum(x, x * slope)


def elu(x: Any, alpha: float, scale: float, input_scale: float) -> Any:
    below = np.minimum(x, 0)
    below *= input_scale
    np.expm1(below, below)
    below *= alpha * scale
    return np.where(x > 0, x * scale, below)


def silu(x: Any) -> Any:
    if is_half(x):
        return silu(x.astype(F32)).astype(x.dtype)
    with np.errstate(all="ignore"):
        return x / (2 + np.expm1(-x))  # x / (1 + exp(-x)); large negative x divide by infinity


def gelu(x: Any, approximate: str) -> Any:
    if is_half(x):
        return gelu(x.astype(F32), approximate).astype(x.dtype)
    if approximate == "tanh":
        out = x * x
        out *= 0.044715
        out += 1
        out *= x
        out *= math.sqrt(2 / math.pi)
        np.tanh(out, out)
    else:
        from .numpy_special import erf

        out = erf(x * math.sqrt(0.5))
    out += 1
    out *= x
    out *= 0.5
    return out


def log_sigmoid(x: Any) -> Any:
    e = np.asarray(np.exp(-np.abs(x)))  # an array for 0-d input, too
    np.log1p(e, e)
    return np.minimum(x, 0) - e


def scale_shift(x: Any, scale: Any, shift: Any) -> Any:
    """``x * scale + shift``, the sum in place."""
    out = np.multiply(x, scale)
    if type(out) is np.ndarray and out.shape == np.broadcast_shapes(out.shape, shift.shape):
        out += shift
        return out
    return out + shift
