"""Convolution on NumPy: which way to compute it, and the input gradient as convolutions of the output's gradient.

Results are arrays of PyTorch's shape (N, C, *sizes) whose memory lies as (N, *sizes, C): NumPy's elementwise functions
keep that order, so a network stays in it and only the first layer pays for a rearrangement.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from .convolution import compiled, dense, depthwise
from .convolution.layout import channels_first as _channels_first
from .convolution.layout import channels_last as _channels_last
from .convolution.layout import image_blocks as _image_blocks
from .convolution.layout import out_sizes as _out_sizes
from .convolution.layout import overlap as _overlap
from .convolution.layout import residues
from .convolution.layout import workspace as _workspace
from .numpy_ import F32, is_half

ndarray = np.ndarray


def _is_depthwise(channels: int, outs: int, groups: int) -> bool:
    return groups == channels == outs > 1


def _forward(
    x: ndarray, w: Any, bias: Any, out: ndarray, stride: tuple, padding: tuple, dilation: tuple, groups: int
) -> None:
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


@functools.lru_cache(1024)
def _sizes(x: tuple, w: tuple, stride: tuple, padding: tuple, dilation: tuple) -> tuple[tuple, int]:
    """The shape of the output, channels last, and how many multiplications it takes; kept, since layers repeat."""
    shape = (x[0], *_out_sizes(x[2:], w[2:], stride, padding, dilation), w[0])
    return shape, math.prod(shape) * math.prod(w[1:]) if 0 not in x else 0


def conv(x: Any, w: Any, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> ndarray:
    return conv_bias(x, w, None, stride, padding, dilation, groups)


def conv_bias(x: Any, w: Any, bias: Any, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> ndarray:
    if is_half(x):
        bias = None if bias is None else bias.astype(F32)
        return conv_bias(x.astype(F32), w.astype(F32), bias, stride, padding, dilation, groups).astype(x.dtype)
    shape, work = _sizes(x.shape, w.shape, stride, padding, dilation)
    out = np.empty(shape, x.dtype)
    if compiled.wanted(x.dtype, work, len(stride)):
        compiled.forward(_channels_last(x), w, bias, out, stride, padding, dilation, groups)
        return _channels_first(out)
    _forward(_channels_last(x), w, bias, out, stride, padding, dilation, groups)
    return _channels_first(out)


def conv_input_grad(
    g: Any, w: Any, sizes: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int
) -> ndarray:
    if is_half(g):
        return conv_input_grad(g.astype(F32), w.astype(F32), sizes, stride, padding, dilation, groups).astype(g.dtype)
    channels = w.shape[1] * groups
    out = np.empty((g.shape[0], *sizes, channels), g.dtype)
    g = _channels_last(g)
    if not out.size or not g.size:
        out[...] = 0
    elif compiled.wanted(g.dtype, g.size // g.shape[-1] * w.size, len(stride)) and compiled.input_grad(
        g, w, out, stride, padding, dilation, groups
    ):
        pass
    elif _scatters(g, w, out, stride, dilation, groups):
        _scatter(g, w, out, stride, padding, dilation, groups)
    else:
        _phases(g, _turned(w, groups), out, stride, padding, dilation, groups)
    return _channels_first(out)


def _turned(w: Any, groups: int) -> ndarray:
    """(O, C / groups, *kernel) as the filters of the way back, (C, O / groups, *kernel), not yet flipped."""
    split = w.reshape(groups, -1, *w.shape[1:])
    return split.swapaxes(1, 2).reshape(-1, split.shape[1], *w.shape[2:])


def _phases(g: ndarray, w: ndarray, out: ndarray, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> None:
    """The input gradient as a convolution with flipped taps, one for each residue modulo the stride."""
    ones = (1,) * len(stride)
    for target, taps, pads in residues(out.shape[1:-1], g.shape[1:-1], w.shape[2:], stride, padding, dilation):
        part = out[:, *target]
        if not part.size:
            continue
        filters = w[:, :, *taps]
        if not filters.size:
            part[...] = 0
        elif part.flags.c_contiguous:
            _forward(g, filters, None, part, ones, pads, dilation, groups)
        else:
            fresh = np.empty(part.shape, out.dtype)
            _forward(g, filters, None, fresh, ones, pads, dilation, groups)
            part[...] = fresh


def _skips(stride: tuple, dilation: tuple) -> bool:
    return any(s > 1 and d > 1 for s, d in zip(stride, dilation, strict=True))


def _scatters(g: ndarray, w: Any, out: ndarray, stride: tuple, dilation: tuple, groups: int) -> bool:
    """Whether to add products tap by tap: for strides with dilation, and where the output is much smaller than the input.

    A convolution of the padded gradient multiplies with all its zeros; adding up costs some 12 ns per tap and position.
    """
    if _skips(stride, dilation):
        return True
    if groups > 1 or math.prod(stride) > 1:
        return False
    channels, taps = out.shape[-1], math.prod(w.shape[2:])
    surplus = math.prod(out.shape[1:-1]) - math.prod(g.shape[1:-1])
    flops = 2 * taps * channels * g.shape[-1]
    return surplus * flops / 90 > math.prod(g.shape[1:-1]) * taps * (12 + channels * 0.3)


def _scatter(g: ndarray, w: Any, out: ndarray, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> None:
    """The input gradient tap by tap."""
    wide = np.ascontiguousarray(dense.weights(w, groups).swapaxes(1, 2))
    places, sizes, kernel, channels = g.shape[1:-1], out.shape[1:-1], w.shape[2:], out.shape[-1]
    inner, source = _overlap(sizes, padding)
    # What the windows reach, and at least what lies inside the padding.
    reach = tuple(
        max(s * (m - 1) + d * (k - 1) + 1, i.stop)
        for s, m, d, k, i in zip(stride, places, dilation, kernel, inner, strict=True)
    )
    out[...] = 0
    for images in _image_blocks(len(g), math.prod(places) * math.prod(kernel) * channels):
        part = np.ascontiguousarray(g[images])
        products = _workspace("products", (groups, part.size // part.shape[-1], wide.shape[-1]), out.dtype)
        np.matmul(dense.grouped(part, groups), wide, out=products)
        products = products.reshape(groups, len(part), *places, -1, channels // groups)
        whole = _workspace("padded", (len(part), *reach, channels), out.dtype)
        whole[...] = 0
        for tap, offset in enumerate(np.ndindex(*kernel)):
            where = tuple(
                slice(o * d, o * d + s * (n - 1) + 1, s)
                for o, d, s, n in zip(offset, dilation, stride, places, strict=True)
            )
            target = whole[:, *where]
            target += (
                products[0, ..., tap, :]
                if groups == 1
                else np.moveaxis(products[..., tap, :], 0, -2).reshape(target.shape)
            )
        out[images][:, *source] = whole[:, *inner]


def conv_weight_grad(
    x: Any, g: Any, sizes: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int
) -> ndarray:
    if is_half(x):
        return conv_weight_grad(x.astype(F32), g.astype(F32), sizes, stride, padding, dilation, groups).astype(x.dtype)
    x, g = _channels_last(x), np.ascontiguousarray(_channels_last(g))
    each, outs = x.shape[-1] // groups, g.shape[-1] // groups
    if not x.size or not g.size:
        return np.zeros((groups * outs, each, *sizes), g.dtype)
    if compiled.wanted(x.dtype, g.size * each * math.prod(sizes), len(sizes)):
        return compiled.weight_grad(x, g, sizes, stride, padding, dilation, groups)
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
