"""One filter per channel: sums of shifted products. ``einsum`` multiplies and adds in one pass where two ufuncs need two.

Whole rows of the image (width times channels) are one inner loop: the filter is repeated along the row for that.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .layout import image_blocks, ndarray, padded, windows

AXES = "hdw", "ijl"  # spatial axes of the output and of the kernel


def _rows(x: ndarray, kernel: tuple, stride: tuple, dilation: tuple, out: tuple) -> ndarray:
    """Windows (N, *out, *kernel, C) with the last spatial axis and the channels as one where the stride allows."""
    view = windows(x, kernel, stride, dilation, out)
    if stride[-1] != 1:
        return view
    n, c = len(out), x.shape[-1]
    shape = (*view.shape[:n], *view.shape[n + 1 : -1], out[-1] * c)
    return np.ndarray(shape, x.dtype, x, 0, (*view.strides[:n], *view.strides[n + 1 :]))


def _names(n: int, merged: bool) -> tuple[str, str]:
    """The einsum letters of the output's axes before the inner one, and of the kernel's."""
    return "n" + AXES[0][: n - 1 if merged else n], AXES[1][:n]


def forward(x: ndarray, w: Any, bias: Any, out: ndarray, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple) -> None:
    """Fill contiguous ``out`` (N, *places, C); ``w`` is (C, 1, *kernel)."""
    places, c, n = out.shape[1:-1], out.shape[-1], len(kernel)
    merged = stride[-1] == 1
    taps = np.moveaxis(w[:, 0], 0, -1)
    if merged:
        taps = np.tile(taps, (1,) * n + (places[-1],))
    outer, inner = _names(n, merged)
    target = out.reshape(*out.shape[:-2], -1) if merged else out
    for images in image_blocks(len(x), 2 * math.prod(places) * c):
        view = _rows(padded(x[images], padding), kernel, stride, dilation, places)
        np.einsum(f"{outer}{inner}k,{inner}k->{outer}k", view, taps, out=target[images])
        if bias is not None:
            out[images] += bias


def weight_grad(x: ndarray, g: ndarray, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple) -> ndarray:
    """(*kernel, C); ``g`` is contiguous."""
    places, c, n = g.shape[1:-1], g.shape[-1], len(kernel)
    merged = stride[-1] == 1
    outer, _ = _names(n, merged)
    rows = g.reshape(*g.shape[:-2], -1) if merged else g
    total = np.zeros((*kernel, rows.shape[-1]), g.dtype)
    for images in image_blocks(len(x), 2 * math.prod(places) * c):
        view = _rows(padded(x[images], padding), kernel, stride, dilation, places)
        for tap in np.ndindex(*kernel):  # one tap at a time: its sums stay in the first-level cache
            index = (slice(None),) * len(outer) + tap
            total[tap] += np.einsum(f"{outer}k,{outer}k->k", view[index], rows[images])
    return total.reshape(*kernel, -1, c).sum(-2) if merged else total
