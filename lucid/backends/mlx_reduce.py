"""Reductions, running reductions and the softmax family on MLX: int64 where PyTorch has it, long float32 sums in stages."""

from __future__ import annotations

import math
from typing import Any

import mlx.core as mx

from .mlx_dtypes import INTEGERS, ON_GPU, native, not_double

STAGE = (
    256  # MLX's CPU sums float32 one by one, so that long sums lose digits: sums of more than STAGE^2 are made of sums
)


def _filled(x: Any, *rest: Any, **named: Any) -> bool:
    """MLX 0.32 waits for ever, now and then, for the sum of an empty array."""
    return x.size > 0


def _filled_and_narrow(x: Any, *rest: Any, **named: Any) -> bool:
    return x.size > 0 and not_double(x)


FITS = dict.fromkeys(
    "sum mean var prod amax amin any all argmax argmin cumulative_sum cumulative_prod channel_sum count_nonzero vector_norm cumulative_argmax cumulative_argmin".split(),
    _filled,
) | dict.fromkeys("softmax log_softmax logsumexp log_sum_rows logcumsumexp".split(), _filled_and_narrow)  # fmt: skip


def _axes(x: Any, axis: Any) -> tuple[int, ...]:
    return tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)


def sum(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    if dtype is not None:
        x = x.astype(native(dtype))
    elif x.dtype in INTEGERS:
        x = x.astype(mx.int64)
    axes = _axes(x, axis)
    if x.dtype == mx.float32 and not ON_GPU and math.prod(x.shape[a] for a in axes) > STAGE * STAGE:
        return _sum_in_stages(x, tuple(a % x.ndim for a in axes), keepdims)
    return mx.sum(x, axis, keepdims=keepdims)


def _sum_in_stages(x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    """A long sum as sums of short ones."""
    kept = [i for i in range(x.ndim) if i not in axes]
    shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes)
    x = mx.transpose(x, (*kept, *axes)).reshape(*(x.shape[i] for i in kept), -1)
    while x.shape[-1] > STAGE:
        whole = x.shape[-1] // STAGE * STAGE
        parts = mx.sum(x[..., :whole].reshape(*x.shape[:-1], -1, STAGE), -1)
        x = parts if whole == x.shape[-1] else mx.concatenate([parts, x[..., whole:]], -1)
    return mx.sum(x, -1).reshape(shape)


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    count = math.prod(x.shape[a] for a in _axes(x, axis))
    return sum(x, axis, keepdims) / count


def var(x: Any, axis: Any, correction: float, keepdims: bool = False) -> Any:
    centred = x - mean(x, axis, True)
    free = math.prod(x.shape[a] for a in _axes(x, axis)) - correction
    return sum(centred * centred, axis, keepdims) / (free if free > 0 else 0.0)


def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    x = x.astype(native(dtype)) if dtype is not None else x.astype(mx.int64) if x.dtype in INTEGERS else x
    return mx.prod(x, axis, keepdims=keepdims)


def amax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return mx.max(x, axis, keepdims=keepdims)


def amin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return mx.min(x, axis, keepdims=keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return mx.any(x.astype(mx.bool_), axis, keepdims=keepdims)


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return mx.all(x.astype(mx.bool_), axis, keepdims=keepdims)


def count_nonzero(x: Any, axis: Any = None) -> Any:
    return mx.sum((x != 0).astype(mx.int64), axis)


def argmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return mx.argmax(x, axis, keepdims=keepdims).astype(mx.int64)


def argmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return mx.argmin(x, axis, keepdims=keepdims).astype(mx.int64)


def channel_sum(x: Any) -> Any:
    return sum(x, tuple(i for i in range(x.ndim) if i != 1))


def vector_norm(x: Any, p: float, axis: Any = None, keepdims: bool = False) -> Any:
    if x.dtype in (mx.float16, mx.bfloat16):
        return vector_norm(x.astype(mx.float32), p, axis, keepdims).astype(x.dtype)
    size = mx.abs(x)
    if p == math.inf:
        return mx.max(size, axis, keepdims=keepdims)
    if p == -math.inf:
        return mx.min(size, axis, keepdims=keepdims)
    if p == 2:
        return mx.sqrt(sum(size * size, axis, keepdims))
    if p == 1:
        return sum(size, axis, keepdims)
    if p == 0:
        return sum((size != 0).astype(size.dtype), axis, keepdims)
    return mx.power(sum(mx.power(size, p), axis, keepdims), 1.0 / p)


# ---- running reductions ----


def cumulative_sum(x: Any, axis: int) -> Any:
    x = x.astype(mx.int64) if x.dtype in INTEGERS else x
    return mx.cumsum(x, axis) if x.ndim else x


def cumulative_prod(x: Any, axis: int) -> Any:
    x = x.astype(mx.int64) if x.dtype in INTEGERS else x
    return mx.cumprod(x, axis) if x.ndim else x


def logcumsumexp(x: Any, axis: int) -> Any:
    return mx.logcumsumexp(x, axis) if x.ndim else x


def _last_best(x: Any, best: Any, axis: int) -> Any:
    """Where the running extreme was last reached; a NaN counts as reached."""
    place = mx.arange(x.shape[axis], dtype=mx.int64).reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])
    return mx.cummax(mx.where(mx.logical_or(x == best, mx.isnan(x)), place, mx.zeros_like(place)), axis)


def cumulative_argmax(x: Any, axis: int) -> Any:
    return _last_best(x, mx.cummax(x, axis), axis) if x.ndim else mx.zeros((), mx.int64)


def cumulative_argmin(x: Any, axis: int) -> Any:
    return _last_best(x, mx.cummin(x, axis), axis) if x.ndim else mx.zeros((), mx.int64)


def linear_scan(x: Any, y: Any, axis: int) -> Any:
    """s_t = x_t s_(t-1) + y_t along ``axis``, from s = 0."""
    if not y.shape[axis]:
        return y
    x, y = mx.moveaxis(x, axis, 0), mx.moveaxis(y, axis, 0)
    states = [y[0]]
    for t in range(1, y.shape[0]):
        states.append(x[t] * states[-1] + y[t])
    return mx.moveaxis(mx.stack(states), 0, axis)


# ---- softmax family ----


def softmax(x: Any, axis: int) -> Any:
    return mx.softmax(x, axis, precise=True)


def log_softmax(x: Any, axis: int) -> Any:
    return x - mx.logsumexp(x, axis, keepdims=True)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return mx.logsumexp(x, axis, keepdims=keepdims)


def log_sum_rows(x: Any) -> Any:
    return mx.logsumexp(x, 1)
