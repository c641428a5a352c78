"""Convolution as products of matrices: patches copied side by side into a workspace (im2col), block by block.

A block of patches is as large as the second-level cache holds, so it is read from there by the product that follows;
with grouped channels one product per group.
"""

from __future__ import annotations

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
            view = np.moveaxis(view.reshape(*view.shape[:-1], groups, -1) if view.flags.c_contiguous else _split(view, groups), -2, 0)
        else:
            view = view[None]
        for rows in row_blocks(out[0], each * len(part)):
            block = view[:, :, rows]
            flat = workspace("columns", (groups, math.prod(block.shape[1 : 2 + len(out)]), math.prod(block.shape[2 + len(out) :])), x.dtype)
            np.copyto(flat.reshape(block.shape), block)
            yield images, rows, flat


def _split(view: ndarray, groups: int) -> ndarray:
    """The channels as (groups, channels / groups), without a copy."""
    each = view.shape[-1] // groups
    return np.lib.stride_tricks.as_strided(view, (*view.shape[:-1], groups, each), (*view.strides[:-1], each * view.strides[-1], view.strides[-1]))


def grouped(g: ndarray, groups: int) -> ndarray:
    """(..., C) as (groups, positions, C / groups)."""
    return g.reshape(-1, groups, g.shape[-1] // groups).transpose(1, 0, 2)


def forward(x: ndarray, w: Any, bias: Any, out: ndarray, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> None:
    """Fill ``out`` (N, *places, O)."""
    wide = weights(w, groups)
    for images, rows, flat in columns(x, groups, kernel, stride, padding, dilation, out.shape[1:-1]):
        part = out[images, rows]
        if groups == 1:
            if part.flags.c_contiguous:
                np.dot(flat[0], wide[0], part.reshape(-1, part.shape[-1]))
            else:
                part[...] = np.dot(flat[0], wide[0]).reshape(part.shape)
        elif part.flags.c_contiguous:
            grouped(part, groups)[...] = flat @ wide
        else:
            part[...] = (flat @ wide).transpose(1, 0, 2).reshape(part.shape)
        if bias is not None:
            part += bias


def weight_grad(x: ndarray, g: ndarray, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> ndarray:
    """(groups, taps * C / groups, O / groups)."""
    shape = (groups, math.prod(kernel) * x.shape[-1] // groups, g.shape[-1] // groups)
    total = np.zeros(shape, g.dtype)
    for images, rows, flat in columns(x, groups, kernel, stride, padding, dilation, g.shape[1:-1]):
        part = g[images, rows]
        if groups == 1:
            product = np.dot(flat[0].T, part.reshape(-1, part.shape[-1]), workspace("product", shape[1:], g.dtype))
        else:
            product = flat.swapaxes(1, 2) @ grouped(part, groups)
        total += product
    return total
