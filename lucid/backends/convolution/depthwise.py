"""One filter per channel: sums of shifted products. ``einsum`` multiplies and adds in one pass where two ufuncs need two.

Whole rows of the image (width times channels) are one inner loop: the filter is repeated along the row for that. With a
stride, the columns of each residue are first brought together, so that rows are contiguous again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .layout import image_blocks, ndarray, padded, windows, workspace

OUTER, INNER = "nhdw", "ijl"  # axes of the output before its rows, axes of the kernel


def _rows(x: ndarray, kernel: tuple, stride: tuple, dilation: tuple, out: tuple) -> ndarray:
    """Windows (N, *out[:-1], *kernel, out[-1] * C) of contiguous ``x``, whose last stride is 1."""
    view = windows(x, kernel, stride, dilation, out)
    n = len(out)
    shape = (*view.shape[:n], *view.shape[n + 1 : -1], out[-1] * x.shape[-1])
    return np.ndarray(shape, x.dtype, x, 0, (*view.strides[:n], *view.strides[n + 1 : -1], x.itemsize))


def _parts(x: ndarray, kernel: tuple, stride: tuple, dilation: tuple, out: tuple) -> Iterator[tuple[slice, ndarray]]:
    """Windows for each residue of the columns modulo the stride, and the taps of the last axis that they meet."""
    step, d, k = stride[-1], dilation[-1], kernel[-1]
    if step == 1:
        yield slice(None), _rows(x, kernel, stride, dilation, out)
        return
    cycle = step // math.gcd(step, d)  # taps this far apart meet columns of the same residue
    for first in range(min(cycle, k)):
        count, apart = len(range(first, k, cycle)), cycle * d // step
        begin, width = first * d, out[-1] + apart * (count - 1)
        columns = x[..., begin : begin + step * (width - 1) + 1 : step, :]
        copy = workspace("residue", columns.shape, x.dtype)
        np.copyto(copy, columns)
        yield (
            slice(first, None, cycle),
            _rows(copy, (*kernel[:-1], count), (*stride[:-1], 1), (*dilation[:-1], apart), out),
        )


def forward(
    x: ndarray, w: Any, bias: Any, out: ndarray, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple
) -> None:
    """Fill contiguous ``out`` (N, *places, C); ``w`` is (C, 1, *kernel)."""
    places, c, n = out.shape[1:-1], out.shape[-1], len(kernel)
    taps = np.tile(np.moveaxis(w[:, 0], 0, -1), (1,) * n + (places[-1],))
    outer, inner = OUTER[:n], INNER[:n]
    target = out.reshape(*out.shape[:-2], -1)
    for images in image_blocks(len(x), 2 * math.prod(places) * c):
        part = target[images]
        for k, (chosen, view) in enumerate(_parts(padded(x[images], padding), kernel, stride, dilation, places)):
            sums = part if k == 0 else workspace("sums", part.shape, part.dtype)
            np.einsum(f"{outer}{inner}k,{inner}k->{outer}k", view, taps[..., chosen, :], out=sums)
            if k:
                part += sums
        if bias is not None:
            out[images] += bias


def weight_grad(x: ndarray, g: ndarray, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple) -> ndarray:
    """(*kernel, C); ``g`` is contiguous."""
    places, c, n = g.shape[1:-1], g.shape[-1], len(kernel)
    outer = OUTER[:n]
    rows = g.reshape(*g.shape[:-2], -1)
    total = np.zeros((*kernel, rows.shape[-1]), g.dtype)
    for images in image_blocks(len(x), 2 * math.prod(places) * c):
        for chosen, view in _parts(padded(x[images], padding), kernel, stride, dilation, places):
            sums = total[..., chosen, :]
            for tap in np.ndindex(*view.shape[n:-1]):  # one tap at a time: its sums stay in the first-level cache
                sums[tap] += np.einsum(f"{outer}k,{outer}k->k", view[(slice(None),) * n + tap], rows[images])
    return total.reshape(*kernel, -1, c).sum(-2)
