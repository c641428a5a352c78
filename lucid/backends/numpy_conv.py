"""Convolution on NumPy: products of matrices over channels-last memory.

Results are arrays of PyTorch's shape (N, C, *sizes) whose memory lies as (N, *sizes, C): NumPy's elementwise functions
keep that order, so a network stays in it and only the first layer pays for a rearrangement.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .numpy_ import F32, is_half

ndarray = np.ndarray
BLOCK = 1 << 18  # elements of workspace: a megabyte of float32, which stays in the second-level cache


def _channels_last(x: Any) -> ndarray:
    """(N, C, *sizes) as a contiguous (N, *sizes, C): free if its memory lies so already."""
    return np.ascontiguousarray(x.transpose(0, *range(2, x.ndim), 1))


def _channels_first(x: ndarray) -> ndarray:
    """(N, *sizes, C) seen as (N, C, *sizes)."""
    return x.transpose(0, x.ndim - 1, *range(1, x.ndim - 1))


def _out_sizes(sizes: tuple, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple) -> tuple[int, ...]:
    return tuple(
        (n + low + high - d * (k - 1) - 1) // s + 1
        for n, k, s, (low, high), d in zip(sizes, kernel, stride, padding, dilation, strict=True)
    )


def _pad(x: ndarray, padding: tuple) -> ndarray:
    """Zeros around the sizes of (N, *sizes, C); negative padding cuts off."""
    if not np.any(padding):
        return x
    out = np.zeros((x.shape[0], *(n + low + high for n, (low, high) in zip(x.shape[1:-1], padding, strict=True)), x.shape[-1]), x.dtype)
    inner, source = _overlap(x.shape[1:-1], padding)
    out[:, *inner] = x[:, *source]
    return out


def _overlap(sizes: tuple, padding: tuple) -> tuple[tuple, tuple]:
    """Where the array lies in its padded form, and which part of the array that is."""
    pairs = list(zip(sizes, padding, strict=True))
    inner = tuple(slice(max(low, 0), max(low + n + min(high, 0), 0)) for n, (low, high) in pairs)
    source = tuple(slice(max(-low, 0), n + min(high, 0)) for n, (low, high) in pairs)
    return inner, source


def _windows(x: ndarray, kernel: tuple, stride: tuple, dilation: tuple, out: tuple) -> ndarray:
    """A view of padded (N, *sizes, C) as (N, *out, *kernel, C)."""
    steps = x.strides[1:-1]
    strides = (*(a * s for a, s in zip(steps, stride, strict=True)), *(a * d for a, d in zip(steps, dilation, strict=True)))
    return np.lib.stride_tricks.as_strided(x, (x.shape[0], *out, *kernel, x.shape[-1]), (x.strides[0], *strides, x.strides[-1]), writeable=False)


def _columns(x: ndarray, groups: int, kernel: tuple, stride: tuple, dilation: tuple, out: tuple) -> ndarray:
    """The patches of padded (N, *sizes, C) as (groups, N * positions, taps * C / groups)."""
    view = _windows(x, kernel, stride, dilation, out)
    rows, taps, each = x.shape[0] * math.prod(out), math.prod(kernel), x.shape[-1] // groups
    if groups == 1:
        return view.reshape(1, rows, taps * each)
    view = view.reshape(*view.shape[:-1], groups, each)
    return np.moveaxis(view, -2, 0).reshape(groups, rows, taps * each)


def _weights(w: Any, groups: int) -> ndarray:
    """(O, C / groups, *kernel) as (groups, taps * C / groups, O / groups)."""
    each = w.shape[0] // groups
    w = w.reshape(groups, each, *w.shape[1:])
    return w.transpose(0, *range(3, w.ndim), 2, 1).reshape(groups, -1, each)


def _grouped(g: ndarray, groups: int) -> ndarray:
    """(N, *sizes, C) as (groups, N * positions, C / groups)."""
    g = g.reshape(-1, groups, g.shape[-1] // groups)
    return g.transpose(1, 0, 2)


def _blocks(n: int, each: int) -> range:
    """Starts of blocks of images, ``each`` elements of workspace per image."""
    return range(0, n, max(1, BLOCK // max(each, 1)))


def conv(x: Any, w: Any, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> ndarray:
    return conv_bias(x, w, None, stride, padding, dilation, groups)


def conv_bias(x: Any, w: Any, bias: Any, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> ndarray:
    if is_half(x):
        bias = None if bias is None else bias.astype(F32)
        return conv_bias(x.astype(F32), w.astype(F32), bias, stride, padding, dilation, groups).astype(x.dtype)
    kernel = w.shape[2:]
    sizes = _out_sizes(x.shape[2:], kernel, stride, padding, dilation)
    out = np.empty((x.shape[0], *sizes, w.shape[0]), np.result_type(x, w))
    if not out.size:
        return _channels_first(out)
    if not w.size or not x.size:
        out[...] = 0 if bias is None else bias
        return _channels_first(out)
    x, wide = _channels_last(x), _weights(w, groups)
    step = _blocks(len(x), math.prod(sizes) * math.prod(kernel) * x.shape[-1])
    for start in step:
        block = slice(start, start + step.step)
        part = out[block]
        columns = _columns(_pad(x[block], padding), groups, kernel, stride, dilation, sizes)
        if groups == 1:
            np.dot(columns[0], wide[0], part.reshape(-1, part.shape[-1]))
        else:
            _grouped(part, groups)[...] = columns @ wide
        if bias is not None:
            part += bias
    return _channels_first(out)


def conv_input_grad(g: Any, w: Any, sizes: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> ndarray:
    if is_half(g):
        return conv_input_grad(g.astype(F32), w.astype(F32), sizes, stride, padding, dilation, groups).astype(g.dtype)
    kernel, channels = w.shape[2:], w.shape[1] * groups
    out = np.zeros((g.shape[0], *sizes, channels), np.result_type(g, w))
    if not out.size or not g.size:
        return _channels_first(out)
    g, wide = _channels_last(g), _weights(w, groups).swapaxes(1, 2)
    places = g.shape[1:-1]
    step = _blocks(len(g), math.prod(places) * math.prod(kernel) * channels)
    inner, source = _overlap(sizes, padding)
    for start in step:
        block = slice(start, start + step.step)
        part = g[block]
        columns = (_grouped(part, groups) @ wide).reshape(groups, len(part), *places, math.prod(kernel), channels // groups)
        padded = np.zeros((len(part), *(n + low + high for n, (low, high) in zip(sizes, padding, strict=True)), channels), out.dtype)
        for tap, offset in enumerate(np.ndindex(*kernel)):
            where = tuple(slice(o * d, o * d + s * n - s + 1, s) for o, d, s, n in zip(offset, dilation, stride, places, strict=True))
            target = padded[:, *where]
            target = target.reshape(*target.shape[:-1], groups, -1)
            target += np.moveaxis(columns[..., tap, :], 0, -2)
        out[block][:, *source] = padded[:, *inner]
    return _channels_first(out)


def conv_weight_grad(x: Any, g: Any, sizes: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> ndarray:
    if is_half(x):
        return conv_weight_grad(x.astype(F32), g.astype(F32), sizes, stride, padding, dilation, groups).astype(x.dtype)
    x, g = _channels_last(x), _channels_last(g)
    each, outs = x.shape[-1] // groups, g.shape[-1] // groups
    total = np.zeros((groups, math.prod(sizes) * each, outs), np.result_type(x, g))
    if x.size and g.size:
        step = _blocks(len(x), math.prod(g.shape[1:-1]) * math.prod(sizes) * x.shape[-1])
        for start in step:
            block = slice(start, start + step.step)
            columns = _columns(_pad(x[block], padding), groups, sizes, stride, dilation, g.shape[1:-1])
            total += columns.swapaxes(1, 2) @ _grouped(g[block], groups)
    total = total.reshape(groups, *sizes, each, outs)
    return np.ascontiguousarray(total.transpose(0, total.ndim - 1, total.ndim - 2, *range(1, total.ndim - 2)).reshape(groups * outs, each, *sizes))


def channel_sum(x: Any) -> ndarray:
    if is_half(x):
        return channel_sum(x.astype(F32)).astype(x.dtype)
    rows = x.transpose(0, *range(2, x.ndim), 1)
    if rows.flags.c_contiguous and x.size:
        return np.dot(np.ones(rows.size // rows.shape[-1], x.dtype), rows.reshape(-1, rows.shape[-1]))
    return np.add.reduce(x, (0, *range(2, x.ndim)))
