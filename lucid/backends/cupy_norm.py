"""Normalisation, cross entropy and recurrent cells on CuPy: reductions and fused maps, in float32 for half types.

Each is as few sweeps over memory as two-pass formulas allow: the mean, the variance about it, the result.
"""

from __future__ import annotations

import math
from typing import Any

import cupy as cp

from .cupy_faults import INSIDE, flag, signed
from .cupy_fuse import elementwise, wide
from .cupy_reduce import wide_logsumexp, wide_mean, wide_sum


def _moments(x: Any, axis: Any) -> tuple[Any, Any]:
    mean = wide_mean(x, axis)
    each = "((W)x - (W)m) * ((W)x - (W)m)"
    return mean, wide_sum("variance", "T x, M m", each, axis, x, mean) / float(math.prod(x.shape[a] for a in axis))


def standardize(x: Any, axis: Any, eps: float) -> tuple:
    """``(x - mean) / sqrt(var + eps)`` over ``axis``, the mean and the (biased) variance, these with sizes 1."""
    mean, var = _moments(x, axis)
    body = "y = (T)(((W)x - (W)m) / sqrt((W)v + (W)eps))"
    out = elementwise("standardize", "T x, M m, M v, float64 eps", "T y", body, wide(x.dtype))(x, mean, var, float(eps))
    return out, mean.astype(x.dtype, copy=False), var.astype(x.dtype, copy=False)


def normalize(x: Any, w: Any, b: Any, axis: Any, eps: float) -> tuple:
    """``standardize`` times ``w`` plus ``b``, and the mean and variance."""
    mean, var = _moments(x, axis)
    body = "y = (T)(((W)x - (W)m) / sqrt((W)v + (W)eps) * (W)w + (W)b)"
    out = elementwise("normalize", "T x, T w, T b, M m, M v, float64 eps", "T y", body, wide(x.dtype))(
        x, w, b, mean, var, float(eps)
    )
    return out, mean.astype(x.dtype, copy=False), var.astype(x.dtype, copy=False)


def standardize_grad(g: Any, hat: Any, scale: Any, axis: Any) -> Any:
    """``scale * (g - mean(g) - hat * mean(g * hat))``."""
    n = float(math.prod(hat.shape[a] for a in axis))
    mean_g = wide_sum("sum", "T x", "(W)x", axis, g) / n
    along = wide_sum("dot", "T x, T z", "(W)x * (W)z", axis, g, hat) / n
    body = "y = (T)((W)s * ((W)g - (W)m - (W)h * (W)a))"
    return elementwise("standardize_grad", "T g, T h, S s, M m, M a", "T y", body, wide(g.dtype))(
        g, hat, scale, mean_g, along
    )


def normalize_grad(g: Any, x: Any, w: Any, mean: Any, scale: Any, axis: Any) -> tuple:
    """The gradients of x, w and b of ``(x - mean) * scale * w + b``, mean and scale being functions of x."""
    axis = tuple(axis)
    n = float(math.prod(x.shape[a] for a in axis))
    lead = x.ndim - w.ndim
    over = (*range(lead), *(i + lead for i, size in enumerate(w.shape) if size == 1 and x.shape[i + lead] != 1))
    shift = wide_sum("dot", "T x, T z", "(W)x * (W)z", axis, g, w) / n
    each = "(W)g * (W)w * ((W)x - (W)m) * (W)s"
    along = wide_sum("along", "T x, T g, T w, A m, S s", each, axis, x, g, w, mean, scale) / n
    body = "y = (T)((W)s * ((W)g * (W)w - (W)c - ((W)x - (W)m) * (W)s * (W)a))"
    to_x = elementwise("normalize_grad", "T x, T g, T w, A m, S s, M c, M a", "T y", body, wide(x.dtype))(
        x, g, w, mean, scale, shift, along
    )
    if over:
        each = "(W)g * ((W)x - (W)m) * (W)s"
        to_w = wide_sum("to_w", "T x, T g, A m, S s", each, over, x, g, mean, scale)
        to_b = wide_sum("sum", "T x", "(W)x", over, g)
    else:
        to_w, to_b = g * (x - mean) * scale, g.copy()
    return to_x, to_w.reshape(w.shape).astype(x.dtype, copy=False), to_b.reshape(w.shape).astype(x.dtype, copy=False)


def rms_normalize(x: Any, w: Any, axis: Any, eps: float) -> Any:
    """``x / sqrt(mean(x^2) + eps) * w``, ``w`` having the last axes' shape."""
    square = _mean_square(x, axis)
    body = "y = (T)((W)x / sqrt((W)m + (W)eps) * (W)w)"
    return elementwise("rms_normalize", "T x, T w, M m, float64 eps", "T y", body, wide(x.dtype))(
        x, w, square, float(eps)
    )


def rms_normalize_grad(g: Any, x: Any, w: Any, axis: Any, eps: float) -> tuple:
    """The gradients of x and w: ``r (g w - h mean(g w h))`` with h = x r, and the sum of ``g h`` over the other axes."""
    axis, n = tuple(axis), float(math.prod(x.shape[a] for a in axis))
    square, e = _mean_square(x, axis), float(eps)
    each = "(W)g * (W)w * (W)x"
    along = wide_sum("rms_along", "T x, T g, T w", each, axis, x, g, w) / n
    body = "const W r = 1 / sqrt((W)m + (W)eps); y = (T)(r * ((W)g * (W)w - (W)x * r * r * (W)a))"
    to_x = elementwise("rms_normalize_grad", "T x, T g, T w, M m, M a, float64 eps", "T y", body, wide(x.dtype))(
        x, g, w, square, along, e
    )
    over = tuple(range(x.ndim - w.ndim))
    if not over:
        return to_x, rms_normalize(x, g, axis, eps)
    each = "(W)g * (W)x / sqrt((W)m + (W)eps)"
    to_w = wide_sum("rms_to_w", "T x, T g, M m, float64 eps", each, over, x, g, square, e)
    return to_x, to_w.reshape(w.shape).astype(x.dtype, copy=False)


def _mean_square(x: Any, axis: Any) -> Any:
    return wide_sum("square", "T x", "(W)x * (W)x", axis, x) / float(math.prod(x.shape[a] for a in axis))


# ---- cross entropy of rows of logits and class numbers ----


def cross_entropy(x: Any, target: Any) -> tuple:
    """``log(sum(exp(row))) - row[target]`` and the log-sum; a target that is not a class raises at the next wait."""
    if not x.size:
        return cp.zeros(x.shape[:1], x.dtype), cp.zeros(x.shape[:1], x.dtype)
    log_sum = wide_logsumexp(x, (1,)).reshape(-1)
    loss, kept = cp.empty(x.shape[:1], x.dtype), cp.empty(x.shape[:1], x.dtype)
    elementwise(
        "cross_entropy", "raw T x, K k, L l, int64 len", "T y, T z, raw int32 fault",
        """
        int bad = k < 0 ? 3 : 0;
        const long long at = inside(k, len, 3, bad);
        if (bad) fault[(ptrdiff_t)0] = bad;
        y = (T)((W)l - (W)x[i * len + at]);
        z = (T)l""",
        wide(x.dtype), INSIDE,
    )(cp.ascontiguousarray(x), signed(target), log_sum, x.shape[1], loss, kept, flag())  # fmt: skip
    return loss, kept


def cross_entropy_grad(g: Any, x: Any, log_sum: Any, target: Any) -> Any:
    """``g * (softmax(x) - one_hot(target))``, row by row."""
    body = "y = (T)((W)g * (exp((W)x - (W)l) - (W)(int)(i % len == k)))"
    return elementwise("cross_entropy_grad", "T g, T x, T l, K k, int64 len", "T y", body, wide(x.dtype))(
        g.reshape(-1, 1), x, log_sum.reshape(-1, 1), signed(target).reshape(-1, 1), max(x.shape[1], 1)
    )


# ---- one step of a recurrent cell ----

_SIGMOID = "__device__ W sigmoid(W v) { return (W)1 / ((W)1 + exp(-v)); }\n"


def lstm_cell(gates: Any, c: Any) -> tuple:
    """The new hidden and cell state and the activated gates, from (N, 4 H) and (N, H)."""
    h, new, active = cp.empty(c.shape, c.dtype), cp.empty(c.shape, c.dtype), cp.empty(gates.shape, gates.dtype)
    elementwise(
        "lstm_cell", "raw T x, raw T c, int64 size", "raw T h, raw T d, raw T a",
        """
        const long long at = i / size * 4 * size + i % size;
        const W p = sigmoid((W)x[at]), f = sigmoid((W)x[at + size]), v = tanh((W)x[at + 2 * size]);
        const W o = sigmoid((W)x[at + 3 * size]), s = f * (W)c[i] + p * v;
        a[at] = (T)p; a[at + size] = (T)f; a[at + 2 * size] = (T)v; a[at + 3 * size] = (T)o;
        d[i] = (T)s;
        h[i] = (T)(o * tanh(s))""",
        wide(c.dtype), _SIGMOID,
    )(cp.ascontiguousarray(gates), cp.ascontiguousarray(c), c.shape[1], h, new, active, size=c.size)  # fmt: skip
    return h, new, active


def gru_cell(x: Any, h_gates: Any, h: Any) -> tuple:
    """The new hidden state and the activated gates, from twice (N, 3 H) and (N, H)."""
    new, active = cp.empty(h.shape, h.dtype), cp.empty(x.shape, x.dtype)
    elementwise(
        "gru_cell", "raw T x, raw T y, raw T h, int64 size", "raw T d, raw T a",
        """
        const long long at = i / size * 3 * size + i % size;
        const W r = sigmoid((W)x[at] + (W)y[at]), u = sigmoid((W)x[at + size] + (W)y[at + size]);
        const W v = tanh((W)x[at + 2 * size] + r * (W)y[at + 2 * size]);
        a[at] = (T)r; a[at + size] = (T)u; a[at + 2 * size] = (T)v;
        d[i] = (T)(v + u * ((W)h[i] - v))""",
        wide(h.dtype), _SIGMOID,
    )(cp.ascontiguousarray(x), cp.ascontiguousarray(h_gates), cp.ascontiguousarray(h), h.shape[1], new, active,
      size=h.size)  # fmt: skip
    return new, active
