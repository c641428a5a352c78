"""Reductions, running reductions and the softmax family on CuPy. Half types accumulate in float32."""

from __future__ import annotations

import math
from typing import Any

import cupy as cp
import numpy as np

from .alike import native
from .cupy_fuse import computes, elementwise, reduction, wide

I64 = np.dtype(np.int64)


def _count(x: Any, axis: Any) -> int:
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    return math.prod(x.shape[a] for a in axes)


def _axis(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, list) else axis


def sum(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    wanted = native(dtype) if dtype is not None else I64 if x.dtype.kind in "bui" else None
    if wanted is None and x.dtype.itemsize == 2:
        return reduction("sum", "T x", "T y", "(W)x", "a + b", "y = (T)a", "0", wide(x.dtype))(
            x, axis=_axis(axis), keepdims=keepdims
        )
    return cp.sum(x, _axis(axis), wanted, None, keepdims)


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    count = _count(x, axis)
    if x.dtype.itemsize > 2:
        if not count:
            return cp.full(cp.sum(x, _axis(axis), None, None, keepdims).shape, math.nan, x.dtype)
        return cp.mean(x, _axis(axis), None, None, keepdims)
    return reduction("mean", "T x, float64 len", "T y", "(W)x", "a + b", "y = (T)(a / (W)len)", "0", wide(x.dtype))(
        x, float(count), axis=_axis(axis), keepdims=keepdims
    )


def var(x: Any, axis: Any, correction: float, keepdims: bool = False) -> Any:
    """Two passes: the mean first, so that nothing cancels."""
    free = float(max(_count(x, axis) - correction, 0))
    if x.dtype.kind == "c":
        centred = cp.absolute(x - mean(x, axis, True))
        return cp.sum(centred * centred, _axis(axis), None, None, keepdims) / free
    each = "((W)x - (W)m) * ((W)x - (W)m)"
    if x.size > LARGE and _count(x, axis) == x.size:
        total = mapped_sum("var", "T x, M m", each, x, wide_mean(x, axis)) / free
        return total.reshape((1,) * x.ndim if keepdims else ()).astype(x.dtype, copy=False)
    return reduction(
        "var", "T x, M m, float64 len", "T y", "((W)x - (W)m) * ((W)x - (W)m)", "a + b", "y = (T)(a / (W)len)", "0", wide(x.dtype),
    )(x, wide_mean(x, axis), free, axis=_axis(axis), keepdims=keepdims)  # fmt: skip


def wide_mean(x: Any, axis: Any) -> Any:
    """The mean with sizes 1, in the type that kernels compute in."""
    return wide_sum("mean", "T x", "(W)x", axis, x) / float(_count(x, axis))


def wide_sum(name: str, inputs: str, each: str, axis: Any, x: Any, *others: Any) -> Any:
    """The sum of an expression with sizes 1, in the type that kernels compute in.

    Over the batch and the pixels of (N, C, ...) in two steps, for the same reason as ``LARGE``: rows first, then the batch.
    """
    computes_in = wide(x.dtype)
    kind = "float64" if computes_in == "double" else "float32"
    axis = (
        tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(a % x.ndim for a in axis)
    )
    kernel = reduction(f"wide_{name}", inputs, f"{kind} y", each, "a + b", "y = a", "0", computes_in)
    if x.size > LARGE and 0 in axis and 1 < len(axis):
        part = kernel(x, *others, axis=tuple(a for a in axis if a), keepdims=True)
        return cp.sum(part, 0, None, None, True)
    return kernel(x, *others, axis=axis, keepdims=True)


def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    wanted = native(dtype) if dtype is not None else I64 if x.dtype.kind in "bui" else None
    if wanted is None and x.dtype.itemsize == 2:
        return reduction("prod", "T x", "T y", "(W)x", "a * b", "y = (T)a", "1", wide(x.dtype))(
            x, axis=_axis(axis), keepdims=keepdims
        )
    return cp.prod(x, _axis(axis), wanted, None, keepdims)


def amax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    if x.dtype.kind == "V":
        return amax(x.astype(np.float32), axis, keepdims).astype(x.dtype)
    return cp.amax(x, _axis(axis), None, keepdims)


def amin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    if x.dtype.kind == "V":
        return amin(x.astype(np.float32), axis, keepdims).astype(x.dtype)
    return cp.amin(x, _axis(axis), None, keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return cp.any(x if x.dtype.kind == "b" else x != 0, _axis(axis), None, keepdims)


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return cp.all(x if x.dtype.kind == "b" else x != 0, _axis(axis), None, keepdims)


def count_nonzero(x: Any, axis: Any = None) -> Any:
    return cp.sum(x if x.dtype.kind == "b" else x != 0, _axis(axis), I64)


def argmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x = x.astype(np.float32) if x.dtype.itemsize == 2 and x.dtype.kind in "fV" else x
    return cp.argmax(x, axis, None, None, keepdims).astype(I64, copy=False)


def argmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x = x.astype(np.float32) if x.dtype.itemsize == 2 and x.dtype.kind in "fV" else x
    return cp.argmin(x, axis, None, None, keepdims).astype(I64, copy=False)


# ---- running reductions ----


def _whole(x: Any) -> Any:
    return x.astype(I64) if x.dtype.kind in "bui" else x


def _half(x: Any) -> bool:
    return x.dtype.itemsize == 2 and x.dtype.kind in "fV"


def cumulative_sum(x: Any, axis: int) -> Any:
    if x.ndim == 0:
        return _whole(x).copy()
    if _half(x):
        return cp.cumsum(x.astype(np.float32), axis).astype(x.dtype)
    return cp.cumsum(x, axis, I64 if x.dtype.kind in "bui" else None)


def cumulative_prod(x: Any, axis: int) -> Any:
    if x.ndim == 0:
        return _whole(x).copy()
    if _half(x):
        return cp.cumprod(x.astype(np.float32), axis).astype(x.dtype)
    return cp.cumprod(x, axis, I64 if x.dtype.kind in "bui" else None)


def _along(x: Any, axis: int) -> tuple[Any, int, int, int]:
    """``x`` contiguous, and how many rows come before, how long they are, how far apart their elements."""
    axis %= x.ndim
    inner = math.prod(x.shape[axis + 1 :])
    return cp.ascontiguousarray(x), math.prod(x.shape[:axis]), x.shape[axis], inner


def _scan(name: str, start: str, step: str, x: Any, out: Any, axis: int, *more: Any) -> Any:
    """One thread walks along each row; ``step`` sees the element ``v`` at ``t`` and writes ``y[at]``."""
    x, outer, n, inner = _along(x, axis)
    more = tuple(cp.ascontiguousarray(m) for m in more)
    extra = "".join(f", raw T z{k}" for k in range(len(more)))
    body = f"""
    const long long first = i / inner * len * inner + i % inner;
    {start}
    for (long long t = 0; t < len; ++t) {{
        const long long at = first + t * inner;
        const W v = (W)x[at];
        {step}
    }}"""
    kernel = elementwise(f"{name}_scan", f"raw T x{extra}, int64 len, int64 inner", "raw S y", body, computes(x.dtype))
    kernel(x, *more, n, inner, out, size=outer * inner)
    return out


def logcumsumexp(x: Any, axis: int) -> Any:
    if x.ndim == 0:
        return x.copy()
    start = "W top = 0, total = 0; bool any = false;"
    step = """
        if (!any) { top = v; total = 1; any = true; }
        else if (v != v || top != top) { top = v + top; }
        else if (v > top) { total = total * exp(top - v) + 1; top = v; }
        else if (v == top) { total += 1; }
        else { total += exp(v - top); }
        y[at] = (S)(top + log(total));"""
    return _scan("logcumsumexp", start, step, x, cp.empty(x.shape, x.dtype), axis)


def _extreme(x: Any, axis: int, worse: str) -> Any:
    """Where the running extreme was last reached; a NaN counts as reached and stays."""
    if x.ndim == 0:
        return cp.zeros((), I64)
    kept = x if x.dtype.kind != "b" else x.view(np.uint8)
    kind = kept if kept.dtype.kind in "fV" else kept.astype(np.float64)
    step = f"if (t == 0 || v != v || (best == best && !(v {worse} best))) {{ best = v; where = t; }} y[at] = where;"
    return _scan(f"extreme{len(worse) + ord(worse[0])}", "W best = 0; long long where = 0;", step, kind,
                 cp.empty(x.shape, I64), axis)  # fmt: skip


def cumulative_argmax(x: Any, axis: int) -> Any:
    return _extreme(x, axis, "<")


def cumulative_argmin(x: Any, axis: int) -> Any:
    return _extreme(x, axis, ">")


def linear_scan(x: Any, y: Any, axis: int) -> Any:
    """s_t = x_t s_(t-1) + y_t along ``axis``, from s = 0."""
    x, y = cp.broadcast_arrays(x, y)
    step = "state = v * state + (W)z0[at]; y[at] = (S)state;"
    return _scan("linear", "W state = 0;", step, x, cp.empty(y.shape, y.dtype), axis, y)


# ---- softmax family: one sweep for the logarithm of the sum of exponentials, one for the result ----

PAIR = """
struct Pair {
    W top, total;
    __device__ Pair() : top(0), total(-1) {}
    __device__ Pair(W v, W len) : top(v), total(len) {}
};
__device__ Pair together(const Pair& a, const Pair& b) {
    if (a.total < 0) return b;
    if (b.total < 0) return a;
    if (a.top != a.top || b.top != b.top) return Pair(a.top + b.top, 1);
    if (a.top == b.top) return Pair(a.top, a.total + b.total);
    return a.top > b.top ? Pair(a.top, a.total + b.total * exp(b.top - a.top))
                         : Pair(b.top, b.total + a.total * exp(a.top - b.top));
}
"""


def logsumexp(x: Any, axis: Any, keepdims: bool = False) -> Any:
    """Maximum and sum in one sweep: a pair is rescaled where a larger maximum comes."""
    if x.dtype.kind == "c":
        return _complex_logsumexp(x, _axis(axis), keepdims)
    return reduction(
        "logsumexp", "T x", "T y", "Pair((W)x, (W)1)", "together(a, b)",
        "y = (T)(a.total < 0 ? -(W)(1e300 * 1e300) : a.top + log(a.total))", "Pair()", wide(x.dtype), PAIR, "Pair",
    )(x, axis=_axis(axis), keepdims=keepdims)  # fmt: skip


def _complex_logsumexp(x: Any, axis: Any, keepdims: bool = True) -> Any:
    top = cp.amax(x.real, axis, None, True)
    total = cp.log(cp.sum(cp.exp(x - top), axis, None, None, True)) + top
    return total if keepdims else total.reshape(cp.sum(x.real, axis).shape)


def wide_logsumexp(x: Any, axis: Any) -> Any:
    """The same with sizes 1, in the type that kernels compute in; NaN where it is infinite, as a shifted row would be."""
    kind = "float64" if wide(x.dtype) == "double" else "float32"
    last = "y = a.total < 0 ? -(W)(1e300 * 1e300) : a.top + log(a.total) + (a.top - a.top)"
    return reduction(
        "wide_logsumexp", "T x", f"{kind} y", "Pair((W)x, (W)1)", "together(a, b)", last, "Pair()", wide(x.dtype), PAIR, "Pair"
    )(x, axis=_axis(axis), keepdims=True)  # fmt: skip


def softmax(x: Any, axis: int) -> Any:
    if not x.size:
        return x.copy()
    if x.dtype.kind == "c":
        return cp.exp(x - _complex_logsumexp(x, axis))
    body = "y = (T)exp((W)x - (W)l)"
    return elementwise("softmax", "T x, L l", "T y", body, wide(x.dtype))(x, wide_logsumexp(x, axis))


def log_softmax(x: Any, axis: int) -> Any:
    if not x.size:
        return x.copy()
    if x.dtype.kind == "c":
        return x - _complex_logsumexp(x, axis)
    return elementwise("log_softmax", "T x, L l", "T y", "y = (T)((W)x - (W)l)", wide(x.dtype))(
        x, wide_logsumexp(x, axis)
    )


def softmax_grad(g: Any, out: Any, axis: int) -> Any:
    """``out * (g - sum(g * out))``."""
    if g.dtype.kind == "c":
        return out * (g - cp.sum(g * out, axis, None, None, True))
    total = wide_sum("dot", "T x, T z", "(W)x * (W)z", axis, g, out)
    return elementwise("softmax_grad", "T g, T x, S s", "T y", "y = (T)((W)x * ((W)g - (W)s))", wide(g.dtype))(
        g, out, total
    )


def log_softmax_grad(g: Any, out: Any, axis: int) -> Any:
    """``g - exp(out) * sum(g)``."""
    if g.dtype.kind == "c":
        return g - cp.exp(out) * cp.sum(g, axis, None, None, True)
    total = wide_sum("sum", "T x", "(W)x", axis, g)
    return elementwise("log_softmax_grad", "T g, T x, S s", "T y", "y = (T)((W)g - exp((W)x) * (W)s)", wide(g.dtype))(
        g, out, total
    )


def vector_norm(x: Any, p: float, axis: Any = None, keepdims: bool = False) -> Any:
    if x.dtype.kind == "c":
        return vector_norm(cp.absolute(x), p, axis, keepdims)
    if p in (math.inf, -math.inf):
        return (amax if p > 0 else amin)(cp.absolute(x), axis, keepdims)
    each, last = {
        2: ("(W)x * (W)x", "sqrt(a)"), 1: ("fabs((W)x)", "a"), 0: ("(W)((W)x != 0)", "a"),
    }.get(p, ("pow(fabs((W)x), (W)p)", "pow(a, (W)1 / (W)p)"))  # fmt: skip
    given = () if p in (0, 1, 2) else (float(p),)
    inputs = "T x, float64 p" if given else "T x"
    name = "norm_p" if given else f"norm_{int(p)}"
    if x.size > LARGE and _count(x, axis) == x.size:
        total = mapped_sum(name, inputs, each, x, *given)
        a = last.replace("a", "(W)t")
        out = elementwise(
            f"{name}_last", f"S t, T like{', float64 p' if given else ''}", "T y", f"y = (T)({a})", wide(x.dtype)
        )(total, cp.empty((), x.dtype), *given)
        return out.reshape((1,) * x.ndim) if keepdims else out
    return reduction(name, inputs, "T y", each, "a + b", f"y = (T)({last})", "0", wide(x.dtype))(
        x, *given, axis=_axis(axis), keepdims=keepdims
    )


# A reduction of CuPy's own uses one block of threads per result, so a large array into one number would use one processor
# of many. ``cupy.sum`` has a better way for that.
LARGE = 1 << 16


def mapped_sum(name: str, inputs: str, each: str, *args: Any) -> Any:
    """The sum of all elements of an expression, in the type that kernels compute in: a map and ``cupy.sum``."""
    computes_in = wide(args[0].dtype)
    kind = "float64" if computes_in == "double" else "float32"
    return cp.sum(elementwise(f"{name}_each", inputs, f"{kind} y", f"y = {each}", computes_in)(*args))
