"""The softmax family on NumPy, and as machine code where numba is installed. Half types are computed in float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._machine import by_rows, compiles
from .normalization.blocks import ones
from .numpy_ import F32, is_half
from .numpy_reduce import sum

_SAFE = 30  # exponentials of numbers this size need no shift: neither they nor their sums overflow or vanish in float32


def _is_safe(x: Any) -> bool:
    """Whether exponentials may be taken as they are: two fast passes save two slow ones. Not for NaN."""
    return -_SAFE < np.minimum.reduce(x, None) and np.maximum.reduce(x, None) < _SAFE


def softmax(x: Any, axis: int) -> Any:
    if is_half(x):
        return softmax(x.astype(F32), axis).astype(x.dtype)
    if not x.size:
        return x.copy()
    if x.size < 4096:
        if axis % x.ndim == x.ndim - 1 and x.dtype.kind == "f" and _is_safe(x):
            out = np.exp(x)
            out /= np.dot(out, ones(x.shape[-1], x.dtype))[..., None]
            return out
        out = x - np.maximum.reduce(x, axis, None, None, True)
        np.exp(out, out)
        out /= np.add.reduce(out, axis, None, None, True)
        return out
    if (found := by_rows("softmax", axis, x)) is not None:
        return found
    with np.errstate(all="ignore"):
        if _is_safe(x):
            out = np.exp(x)
        else:
            out = x - np.maximum.reduce(x, axis, None, None, True)
            np.exp(out, out)
        out *= np.reciprocal(sum(out, axis % x.ndim, True))
        return out


def softmax_grad(g: Any, out: Any, axis: int) -> Any:
    """``out * (g - sum(g * out))``."""
    if is_half(out):
        return softmax_grad(g.astype(F32), out.astype(F32), axis).astype(out.dtype)
    if out.size >= 4096 and (found := by_rows("softmax_grad", axis, g, out)) is not None:
        return found
    if axis % out.ndim == out.ndim - 1 and out.dtype.kind == "f":
        result = np.subtract(g, np.vecdot(g, out)[..., None])  # BLAS: no array of products
    else:
        result = np.multiply(g, out)
        np.subtract(g, sum(result, axis % out.ndim, True), result)
    result *= out
    return result


def log_softmax(x: Any, axis: int) -> Any:
    if is_half(x):
        return log_softmax(x.astype(F32), axis).astype(x.dtype)
    if not x.size:
        return x.copy()
    if x.size < 4096:
        if axis % x.ndim == x.ndim - 1 and x.dtype.kind == "f" and _is_safe(x):
            out = np.exp(x)
            return np.subtract(x, np.log(np.dot(out, ones(x.shape[-1], x.dtype)))[..., None], out)
        out = x - np.maximum.reduce(x, axis, None, None, True)
        out -= np.log(np.add.reduce(np.exp(out), axis, None, None, True))
        return out
    if (found := by_rows("log_softmax", axis, x)) is not None:
        return found
    with np.errstate(all="ignore"):
        if _is_safe(x):
            out = np.exp(x)
            return np.subtract(x, np.log(sum(out, axis % x.ndim, True)), out)
        out = x - np.maximum.reduce(x, axis, None, None, True)
        out -= np.log(sum(np.exp(out), axis % x.ndim, True))
        return out


def log_softmax_grad(g: Any, out: Any, axis: int) -> Any:
    """``g - exp(out) * sum(g)``."""
    if is_half(out):
        return log_softmax_grad(g.astype(F32), out.astype(F32), axis).astype(out.dtype)
    if out.size >= 4096 and (found := by_rows("log_softmax_grad", axis, g, out)) is not None:
        return found
    result = np.exp(out)
    result *= sum(g, axis % out.ndim, True)
    return np.subtract(g, result, result)


def log_sum_rows(x: Any) -> Any:
    """``log(sum(exp(row)))`` of each row of logits (not all -inf)."""
    if compiles(x):
        from . import machine_rows

        out = np.empty(len(x), x.dtype)
        machine_rows.log_sum_rows(x, out)
        return out
    if x.size and _is_safe(x):
        return np.log(np.dot(np.exp(x), ones(x.shape[1], x.dtype)))
    with np.errstate(all="ignore"):
        top = np.maximum.reduce(x, 1, None, None, True)
        e = np.subtract(x, top)
        np.exp(e, e)
        out = np.log(np.dot(e, ones(x.shape[1], x.dtype)))
        out += top[:, 0]
    return out
