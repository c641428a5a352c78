"""Pooling and patches on MLX: one strided slice of the padded input per tap of the window. Nothing waits for the device."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import mlx.core as mx
import numpy as np

from .mlx_dtypes import INTEGERS, from_host, inexact
from .mlx_index import scatters
from .numpy_pool import _shares

FITS = dict.fromkeys(
    ("max_pool", "max_pool_grad", "max_pool_take", "max_pool_indices"),
    lambda x, *rest: inexact(x) and x.dtype != mx.complex64 and x.size > 0,
) | {
    "adaptive_max_indices": lambda x, starts, stops: x.size > 0 and all(type(s) is tuple and len(s) for s in starts + stops)
} | dict.fromkeys(("avg_pool", "avg_pool_grad", "im2col", "col2im"), lambda x, *rest: x.size > 0)  # fmt: skip


def _reach(kernel: tuple, stride: tuple, dilation: tuple, places: tuple) -> tuple[int, ...]:
    """How much of the padded input the windows cover."""
    return tuple((m - 1) * s + (k - 1) * d + 1 for k, s, d, m in zip(kernel, stride, dilation, places, strict=True))


def _padded(x: Any, reach: tuple, padding: tuple, fill: float) -> Any:
    """The input with ``padding`` before each size, and as much after it as the windows reach over; what they do not reach is cut off."""
    sizes = x.shape[2:]
    after = [max(0, r - n - p) for r, n, p in zip(reach, sizes, padding, strict=True)]
    if any(padding) or any(after):
        widths = [(0, 0), (0, 0), *zip(padding, after, strict=True)]
        x = mx.pad(x, widths, constant_values=mx.array(fill, x.dtype))
    return x[(slice(None), slice(None), *(slice(r) for r in reach))]


def _taps(kernel: tuple, stride: tuple, dilation: tuple, places: tuple) -> Iterator[tuple[slice, ...]]:
    """Where each tap of the window reads the padded input."""
    for offsets in itertools.product(*(range(k) for k in kernel)):
        yield (
            slice(None), slice(None),
            *(slice(o * d, o * d + (m - 1) * s + 1, s) for o, d, s, m in zip(offsets, dilation, stride, places, strict=True)),
        )  # fmt: skip


def _unpadded(x: Any, sizes: tuple, padding: tuple) -> Any:
    """The transpose of ``_padded``: what lies inside, zeros where no window reached."""
    missing = [max(0, p + n - r) for p, n, r in zip(padding, sizes, x.shape[2:], strict=True)]
    if any(missing):
        x = mx.pad(x, [(0, 0), (0, 0), *((0, m) for m in missing)])
    return x[(slice(None), slice(None), *(slice(p, p + n) for p, n in zip(padding, sizes, strict=True)))]


def max_pool(x: Any, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, places: tuple) -> Any:
    x = _padded(x, _reach(kernel, stride, dilation, places), padding, -math.inf)
    out = None
    for tap in _taps(kernel, stride, dilation, places):
        out = x[tap] if out is None else mx.maximum(out, x[tap])
    return out


def _hits(x: Any, out: Any, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, places: tuple) -> Iterator:
    """Per tap, the outputs whose maximum is this element of the input, each output once. Padding counts as the last
    resort of a window that has nothing but -inf: its first real element is the one."""
    reach = _reach(kernel, stride, dilation, places)
    inside = _padded(mx.ones((1, 1, *x.shape[2:]), mx.bool_), reach, padding, False)
    x = _padded(x, reach, padding, -math.inf)
    free = mx.ones_like(out).astype(mx.bool_)
    for tap in _taps(kernel, stride, dilation, places):
        part = x[tap]
        hit = mx.logical_and(mx.logical_and(mx.logical_or(part == out, mx.isnan(part)), free), inside[tap])
        free = mx.logical_and(free, mx.logical_not(hit))
        yield tap, hit


def max_pool_grad(g: Any, x: Any, out: Any, *window: Any) -> Any:
    kernel, stride, padding, dilation, places = window
    dx = mx.zeros((*x.shape[:2], *_reach(kernel, stride, dilation, places)), g.dtype)
    for tap, hit in _hits(x, out, *window):
        dx = dx.at[tap].add(mx.where(hit, g, mx.zeros_like(g)))
    return _unpadded(dx, x.shape[2:], padding)


def max_pool_take(v: Any, x: Any, out: Any, *window: Any) -> Any:
    kernel, stride, padding, dilation, places = window
    v = _padded(v, _reach(kernel, stride, dilation, places), padding, 0.0)
    taken = mx.zeros(out.shape, v.dtype)
    for tap, hit in _hits(x, out, *window):
        taken = mx.where(hit, v[tap], taken)
    return taken


def max_pool_indices(x: Any, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, places: tuple) -> Any:
    """Where each window's maximum lies, counted in the flattened spatial dimensions."""
    window = (kernel, stride, padding, dilation, places)
    where = mx.arange(math.prod(x.shape[2:]), dtype=mx.int64).reshape(1, 1, *x.shape[2:])
    where = _padded(where, _reach(kernel, stride, dilation, places), padding, 0)
    out = max_pool(x, *window)
    found = mx.zeros(out.shape, mx.int64)
    for tap, hit in _hits(x, out, *window):
        found = mx.where(hit, where[tap], found)
    return found


def adaptive_max_indices(x: Any, starts: tuple, stops: tuple) -> Any:
    """The same for windows given by where they start and stop: per dimension, a tuple of ints."""
    ndim, flat = x.ndim - 2, np.zeros((), np.int64)
    for d, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        first, last = np.asarray(start)[:, None], np.asarray(stop)[:, None] - 1
        grid = np.minimum(first + np.arange(int((last - first).max()) + 1), last)  # shorter windows repeat their last
        shape = [1] * (2 * ndim)
        shape[d], shape[ndim + d] = grid.shape
        flat = flat * x.shape[2 + d] + grid.reshape(shape)
    places = flat.shape[:ndim]
    at = from_host(flat.reshape(*places, -1))
    patches = mx.take(x.reshape(*x.shape[:2], -1), at, 2)
    best = mx.argmax(patches, -1, keepdims=True)
    return mx.take_along_axis(mx.broadcast_to(at, patches.shape), best, -1)[..., 0]


def _share(like: Any, sizes: tuple, *window: Any) -> Any:
    """What a window's sum is multiplied with; not through float64, which an Apple GPU has not."""
    dtype = np.float64 if like.dtype == mx.float64 else np.float32
    share = from_host(np.asarray(_shares(tuple(sizes), np.dtype(dtype), *window)))
    return share.astype(like.dtype) if like.dtype in INTEGERS else share


def avg_pool(
    x: Any, kernel: tuple, stride: tuple, padding: tuple, places: tuple, include: bool, divisor: int | None
) -> Any:
    if x.dtype in (mx.float16, mx.bfloat16):
        return avg_pool(x.astype(mx.float32), kernel, stride, padding, places, include, divisor).astype(x.dtype)
    share = _share(x, x.shape[2:], kernel, stride, padding, places, include, divisor)
    once = (1,) * len(kernel)
    x = _padded(x, _reach(kernel, stride, once, places), padding, 0.0)
    total = None
    for tap in _taps(kernel, stride, once, places):
        total = x[tap] if total is None else total + x[tap]
    return total * share


@scatters
def avg_pool_grad(
    g: Any, sizes: tuple, kernel: tuple, stride: tuple, padding: tuple, places: tuple, include: bool, divisor: int | None
) -> Any:  # fmt: skip
    if g.dtype in (mx.float16, mx.bfloat16):
        wide = avg_pool_grad(g.astype(mx.float32), sizes, kernel, stride, padding, places, include, divisor)
        return wide.astype(g.dtype)
    once = (1,) * len(kernel)
    g = g * _share(g, sizes, kernel, stride, padding, places, include, divisor)
    dx = mx.zeros((*g.shape[:2], *_reach(kernel, stride, once, places)), g.dtype)
    for tap in _taps(kernel, stride, once, places):
        dx = dx.at[tap].add(g)
    return _unpadded(dx, sizes, padding)


def im2col(x: Any, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, places: tuple) -> Any:
    x = _padded(x, _reach(kernel, stride, dilation, places), padding, 0.0)
    columns = mx.stack([x[tap] for tap in _taps(kernel, stride, dilation, places)], 2)
    return columns.reshape(x.shape[0], x.shape[1] * math.prod(kernel), math.prod(places))


@scatters
def col2im(
    x: Any, sizes: tuple, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, places: tuple
) -> Any:  # fmt: skip
    taps = math.prod(kernel)
    columns = x.reshape(x.shape[0], x.shape[1] // taps, taps, *places)
    out = mx.zeros((*columns.shape[:2], *_reach(kernel, stride, dilation, places)), x.dtype)
    for i, tap in enumerate(_taps(kernel, stride, dilation, places)):
        out = out.at[tap].add(columns[:, :, i])
    return _unpadded(out, sizes, padding)
