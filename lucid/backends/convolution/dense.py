"""Convolution as products of matrices: patches copied side by side into a workspace (im2col), block by block.

A block of patches is as large as the second-level cache holds, so it is read from there by the product that follows;
with grouped channels one product per group.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .layout import image_blocks, ndarray, padded, row_blocks, windows, workspace


def weights(w: Any, groups: int) -> ndarray:
    """(O, C / groups, *kernel) as (groups, taps * C / groups, O / groups)."""
    each = w.shape[0] // groups
    w = w.reshape(groups, each, *w.shape[1:])
    return w.transpose(0, *range(3, w.ndim), 2, 1).reshape(groups, -1, each)


def columns(
    x: ndarray, groups: int, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, out: tuple
) -> Iterator[tuple[slice, slice, ndarray]]:
    """Blocks of patches of (N, *sizes, C): (images, rows, (groups, positions, taps * C / groups))."""
    each = math.prod(out[1:]) * math.prod(kernel) * x.shape[-1]  # elements of patches per row of the output
    pointwise = math.prod(kernel) == 1 and stride == (1,) * len(stride) and groups == 1
    for images in image_blocks(len(x), out[0] * each):
        part = padded(x[images], padding)
        if pointwise:
            yield images, slice(0, out[0]), part.reshape(1, -1, part.shape[-1])
            continue
        view = windows(part, kernel, stride, dilation, out)
        if groups > 1:
            view = np.moveaxis(
                view.reshape(*view.shape[:-1], groups, -1) if view.flags.c_contiguous else _split(view, groups), -2, 0
            )
        else:
            view = view[None]
        for rows in row_blocks(out[0], each * len(part)):
            block = view[:, :, rows]
            flat = workspace(
                "columns",
                (groups, math.prod(block.shape[1 : 2 + len(out)]), math.prod(block.shape[2 + len(out) :])),
                x.dtype,
            )
            np.copyto(flat.reshape(block.shape), block)
            yield images, rows, flat


def _split(view: ndarray, groups: int) -> ndarray:
    """The channels as (groups, channels / groups), without a copy."""
    each = view.shape[-1] // groups
    return np.lib.stride_tricks.as_strided(
        view, (*view.shape[:-1], groups, each), (*view.strides[:-1], each * view.strides[-1], view.strides[-1])
    )


def grouped(g: ndarray, groups: int) -> ndarray:
    """(..., C) as (groups, positions, C / groups)."""
    return g.reshape(-1, groups, g.shape[-1] // groups).transpose(1, 0, 2)


@functools.lru_cache(4096)
def strip(channels: int, outs: int, kernel: tuple, stride: tuple, dilation: tuple, groups: int, width: int) -> int:
    """How many neighbouring outputs of a row to compute in one row of the product.

    ``b`` outputs share one patch that is ``stride * (b - 1)`` columns longer: fewer and longer runs to copy and a wider
    product, for multiplications with zeros. It pays where channels are few, as in first layers. Nanoseconds, measured.
    """
    if groups > 1 or dilation[-1] > 1 or math.prod(kernel) == 1:
        return 1
    lines = math.prod(kernel[:-1])

    def cost(b: int) -> float:
        taps = lines * (stride[-1] * (b - 1) + kernel[-1]) * channels
        speed = 100 * (b * outs / (b * outs + 6)) * (taps / (taps + 10))
        return (lines * 5 + taps * 0.07 + 2 * taps * b * outs / speed) / b

    return min((b for b in range(1, 13) if width % b == 0), key=cost)


def finite(x: ndarray) -> bool:
    """Whether zeros times these numbers are zeros (a sum of squares that overflows may say no)."""
    x = x.ravel("K")
    return bool(np.isfinite(np.dot(x, x)))


def spread(wide: ndarray, b: int, kernel: tuple, step: int) -> tuple[ndarray, tuple]:
    """Weights (taps * C, O) and kernel for strips of ``b`` outputs: (longer taps * C, b * O)."""
    outs = wide.shape[-1]
    longer = (*kernel[:-1], step * (b - 1) + kernel[-1])
    wide = wide.reshape(math.prod(kernel[:-1]), kernel[-1], -1, outs)
    out = np.zeros((wide.shape[0], longer[-1], wide.shape[2], b, outs), wide.dtype)
    for i in range(b):
        out[:, i * step : i * step + kernel[-1], :, i] = wide
    return out.reshape(-1, b * outs), longer


def gathered(total: ndarray, b: int, kernel: tuple, step: int) -> ndarray:
    """The transpose of ``spread``."""
    outs = total.shape[-1] // b
    total = total.reshape(math.prod(kernel[:-1]), step * (b - 1) + kernel[-1], -1, b, outs)
    return sum(total[:, i * step : i * step + kernel[-1], :, i] for i in range(b)).reshape(-1, outs)


ROWS_PER_GROUP = 512  # from here on, groups one by one: their channels are brought together once, not in each patch
SMALL = 1_000_000  # multiplications: up to here OpenBLAS does not rearrange the operands first


@functools.lru_cache(4096)
def rows_at_once(rows: int, inner: int, outs: int) -> int:
    """The largest divisor of ``rows`` that makes a small product (107 GFlop/s at 256 x 144 x 16, 78 above), or 0."""
    most = SMALL // (inner * outs)
    return next((r for r in range(min(most, rows), 15, -1) if rows % r == 0), 0) if rows > most else 0


def product(x: ndarray, y: ndarray, out: ndarray) -> None:
    """``out = x @ y`` for tall ``x``: as a stack of small products where that is faster."""
    r = rows_at_once(len(x), *y.shape)
    if r:
        np.matmul(x.reshape(-1, r, x.shape[1]), y, out=out.reshape(-1, r, y.shape[1]))
    else:
        np.dot(x, y, out)


def summed_product(x: ndarray, y: ndarray) -> ndarray:
    """``x.T @ y`` for tall ``x`` and ``y``, likewise."""
    shape = x.shape[1], y.shape[1]
    r = rows_at_once(len(x), *shape) if shape[0] * shape[1] <= 10000 else 0
    if not r:
        return np.dot(x.T, y, workspace("product", shape, y.dtype))
    stack = workspace("products", (len(x) // r, *shape), y.dtype)
    np.matmul(x.reshape(-1, r, shape[0]).swapaxes(1, 2), y.reshape(-1, r, shape[1]), out=stack)
    return np.add.reduce(stack, 0)


def group_slices(channels: int, outs: int, groups: int) -> list[tuple[slice, slice]]:
    """The input and output channels of each group."""
    c, o = channels // groups, outs // groups
    return [(slice(k * c, k * c + c), slice(k * o, k * o + o)) for k in range(groups)]


def forward(
    x: ndarray,
    w: Any,
    bias: Any,
    out: ndarray,
    kernel: tuple,
    stride: tuple,
    padding: tuple,
    dilation: tuple,
    groups: int,
) -> None:
    """Fill ``out`` (N, *places, O)."""
    if groups > 1 and out.size // out.shape[-1] >= ROWS_PER_GROUP:
        for c, o in group_slices(x.shape[-1], out.shape[-1], groups):
            fresh = np.empty((*out.shape[:-1], out.shape[-1] // groups), out.dtype)
            some = None if bias is None else bias[o]
            forward(x[..., c], w[o], some, fresh, kernel, stride, padding, dilation, 1)
            out[..., o] = fresh
        return
    wide = weights(w, groups)
    b = (
        strip(x.shape[-1], out.shape[-1], kernel, stride, dilation, groups, out.shape[-2])
        if out.flags.c_contiguous
        else 1
    )
    if b > 1 and finite(x):
        narrow, kernel = spread(wide[0], b, kernel, stride[-1])
        wide, stride = narrow[None], (*stride[:-1], b * stride[-1])
        out = out.reshape(*out.shape[:-2], out.shape[-2] // b, b * out.shape[-1])
        bias = None if bias is None else np.tile(bias, b)
    for images, rows, flat in columns(x, groups, kernel, stride, padding, dilation, out.shape[1:-1]):
        part = out[images, rows]
        if groups == 1:
            if part.flags.c_contiguous:
                product(flat[0], wide[0], part.reshape(-1, part.shape[-1]))
            else:
                part[...] = np.dot(flat[0], wide[0]).reshape(part.shape)
        elif part.flags.c_contiguous:
            grouped(part, groups)[...] = flat @ wide
        else:
            part[...] = (flat @ wide).transpose(1, 0, 2).reshape(part.shape)
        if bias is not None:
            part += bias


def weight_grad(
    x: ndarray, g: ndarray, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int
) -> ndarray:
    """(groups, taps * C / groups, O / groups); ``g`` is contiguous."""
    if groups > 1 and g.size // g.shape[-1] >= ROWS_PER_GROUP:
        slices = group_slices(x.shape[-1], g.shape[-1], groups)
        parts = [
            weight_grad(x[..., c], np.ascontiguousarray(g[..., o]), kernel, stride, padding, dilation, 1)
            for c, o in slices
        ]
        return np.concatenate(parts)
    b = strip(x.shape[-1], g.shape[-1], kernel, stride, dilation, groups, g.shape[-2])
    if b > 1:
        longer = (*kernel[:-1], stride[-1] * (b - 1) + kernel[-1])
        g = g.reshape(*g.shape[:-2], g.shape[-2] // b, b * g.shape[-1])
        total = _weight_grad(x, g, longer, (*stride[:-1], b * stride[-1]), padding, dilation, groups)
        return gathered(total[0], b, kernel, stride[-1])[None]
    return _weight_grad(x, g, kernel, stride, padding, dilation, groups)


def _weight_grad(
    x: ndarray, g: ndarray, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int
) -> ndarray:
    shape = (groups, math.prod(kernel) * x.shape[-1] // groups, g.shape[-1] // groups)
    total = np.zeros(shape, g.dtype)
    for images, rows, flat in columns(x, groups, kernel, stride, padding, dilation, g.shape[1:-1]):
        part = g[images, rows]
        if groups == 1:
            total[0] += summed_product(flat[0], part.reshape(-1, part.shape[-1]))
        else:
            total += flat.swapaxes(1, 2) @ grouped(part, groups)
    return total
