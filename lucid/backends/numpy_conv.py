"""Convolution on NumPy: which way to compute it, and the input gradient as convolutions of the output's gradient.

Results are arrays of PyTorch's shape (N, C, *sizes) whose memory lies as (N, *sizes, C): NumPy's elementwise functions
keep that order, so a network stays in it and only the first layer pays for a rearrangement.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .convolution import dense, depthwise
from .convolution.layout import channels_first as _channels_first
from .convolution.layout import channels_last as _channels_last
from .convolution.layout import out_sizes as _out_sizes
from .convolution.layout import overlap as _overlap
from .numpy_ import F32, is_half

ndarray = np.ndarray


def _is_depthwise(channels: int, outs: int, groups: int) -> bool:
    return groups == channels == outs > 1


def _forward(x: ndarray, w: Any, bias: Any, out: ndarray, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> None:
    """Fill ``out`` (N, *places, O) from ``x`` (N, *sizes, C)."""
    kernel = w.shape[2:]
    if not out.size:
        return
    if not w.size or not x.size:
        out[...] = 0 if bias is None else bias
    elif _is_depthwise(x.shape[-1], out.shape[-1], groups) and out.flags.c_contiguous and out.dtype == x.dtype:
        depthwise.forward(x, w, bias, out, kernel, stride, padding, dilation)
    else:
        dense.forward(x, w, bias, out, kernel, stride, padding, dilation, groups)


def conv(x: Any, w: Any, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> ndarray:
    return conv_bias(x, w, None, stride, padding, dilation, groups)


def conv_bias(x: Any, w: Any, bias: Any, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> ndarray:
    if is_half(x):
        bias = None if bias is None else bias.astype(F32)
        return conv_bias(x.astype(F32), w.astype(F32), bias, stride, padding, dilation, groups).astype(x.dtype)
    sizes = _out_sizes(x.shape[2:], w.shape[2:], stride, padding, dilation)
    out = np.empty((x.shape[0], *sizes, w.shape[0]), x.dtype)
    _forward(_channels_last(x), w, bias, out, stride, padding, dilation, groups)
    return _channels_first(out)


def conv_input_grad(g: Any, w: Any, sizes: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> ndarray:
    if is_half(g):
        return conv_input_grad(g.astype(F32), w.astype(F32), sizes, stride, padding, dilation, groups).astype(g.dtype)
    channels = w.shape[1] * groups
    out = np.empty((g.shape[0], *sizes, channels), g.dtype)
    g = _channels_last(g)
    if not out.size or not g.size:
        out[...] = 0
    elif any(s > 1 and d > 1 for s, d in zip(stride, dilation, strict=True)):
        _scatter(g, w, out, sizes, stride, padding, dilation, groups)
    else:
        _phases(g, _turned(w, groups), out, stride, padding, dilation, groups)
    return _channels_first(out)


def _turned(w: Any, groups: int) -> ndarray:
    """(O, C / groups, *kernel) as the filters of the way back, (C, O / groups, *kernel), not yet flipped."""
    split = w.reshape(groups, -1, *w.shape[1:])
    return split.swapaxes(1, 2).reshape(-1, split.shape[1], *w.shape[2:])


def _phases(g: ndarray, w: ndarray, out: ndarray, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> None:
    """The input gradient: for each residue of the input's position modulo the stride, a convolution with flipped taps.

    In one dimension, input i = rest + s u meets output u + shift - m with tap first + s m, for m = 0 .. taps - 1.
    """
    ranges = [range(s) for s in stride]
    for rests in itertools.product(*ranges):
        taps, target, pads = [], [], []
        for rest, n, m, k, s, (low, _), d in zip(rests, out.shape[1:-1], g.shape[1:-1], w.shape[2:], stride, padding, dilation, strict=True):
            first = (rest + low) % s
            shift = (rest + low - first) // s
            chosen = range(first, k, s)
            taps.append(slice(chosen[-1], None if first == 0 and s == 1 or chosen[0] - s < 0 else chosen[0] - s, -s) if len(chosen) else slice(0, 0))
            target.append(slice(rest, None, s))
            count, span = len(range(rest, n, s)), d * (len(chosen) - 1)
            pads.append((span - shift, count - m + shift))
        part = out[:, *target]
        if not part.size:
            continue
        filters = w[:, :, *taps]
        if not filters.size:
            part[...] = 0
            continue
        if part.flags.c_contiguous:
            _forward(g, filters, None, part, (1,) * len(stride), tuple(pads), dilation, groups)
        else:
            fresh = np.empty(part.shape, out.dtype)
            _forward(g, filters, None, fresh, (1,) * len(stride), tuple(pads), dilation, groups)
            part[...] = fresh


def _scatter(g: ndarray, w: Any, out: ndarray, sizes: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> None:
    """The input gradient tap by tap, for strides with dilation."""
    wide = dense.weights(w, groups).swapaxes(1, 2)
    places, kernel = g.shape[1:-1], w.shape[2:]
    inner, source = _overlap(sizes, padding)
    out[...] = 0
    whole = np.zeros((len(g), *(n + max(low, 0) + max(high, 0) for n, (low, high) in zip(sizes, padding, strict=True)), out.shape[-1]), out.dtype)
    products = (dense.grouped(g, groups) @ wide).reshape(groups, len(g), *places, -1, out.shape[-1] // groups)
    for tap, offset in enumerate(np.ndindex(*kernel)):
        where = tuple(slice(o * d, o * d + s * n - s + 1, s) for o, d, s, n in zip(offset, dilation, stride, places, strict=True))
        target = whole[:, *where]
        target += np.moveaxis(products[..., tap, :], 0, -2).reshape(target.shape)
    out[:, *source] = whole[:, *inner]


def conv_weight_grad(x: Any, g: Any, sizes: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> ndarray:
    if is_half(x):
        return conv_weight_grad(x.astype(F32), g.astype(F32), sizes, stride, padding, dilation, groups).astype(x.dtype)
    x, g = _channels_last(x), np.ascontiguousarray(_channels_last(g))
    each, outs = x.shape[-1] // groups, g.shape[-1] // groups
    if not x.size or not g.size:
        return np.zeros((groups * outs, each, *sizes), g.dtype)
    if _is_depthwise(x.shape[-1], g.shape[-1], groups):
        total = depthwise.weight_grad(x, g, sizes, stride, padding, dilation)
        return np.ascontiguousarray(np.moveaxis(total, -1, 0))[:, None]
    total = dense.weight_grad(x, g, sizes, stride, padding, dilation, groups).reshape(groups, *sizes, each, outs)
    turned = total.transpose(0, total.ndim - 1, total.ndim - 2, *range(1, total.ndim - 2))
    return np.ascontiguousarray(turned.reshape(groups * outs, each, *sizes))


def channel_sum(x: Any) -> ndarray:
    """One product with a vector of ones where memory is channels-last: a reduction over short rows is slow."""
    if is_half(x):
        return channel_sum(x.astype(F32)).astype(x.dtype)
    rows = _channels_last(x)
    if rows.flags.c_contiguous and x.size:
        return np.dot(np.ones(rows.size // rows.shape[-1], x.dtype), rows.reshape(-1, rows.shape[-1]))
    return np.add.reduce(x, (0, *range(2, x.ndim)))
