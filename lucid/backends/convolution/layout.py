"""Channels-last memory, padding, windows, and the workspaces that kernels fill again and again."""

from __future__ import annotations

import functools
import itertools
import math
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

ndarray = np.ndarray
BLOCK = 1 << 18  # elements of workspace: a megabyte of float32, which the second-level cache about holds
KEEP = 1 << 22  # elements; a larger workspace is not kept for the next call


class _Workspaces(threading.local):
    def __init__(self) -> None:
        self.buffers: dict[Any, ndarray] = {}


_workspaces = _Workspaces()


def workspace(slot: str, shape: tuple, dtype: Any) -> ndarray:
    """Uninitialised memory of this thread, the same at each call: fresh memory costs a page fault per 4 kB."""
    size = math.prod(shape)
    buffer = _workspaces.buffers.get((slot, dtype))
    if buffer is None or buffer.size < size:
        buffer = np.empty(size, dtype)
        if size <= KEEP:
            _workspaces.buffers[slot, dtype] = buffer
    return buffer[:size].reshape(shape)


def channels_last(x: Any) -> ndarray:
    """(N, C, *sizes) as (N, *sizes, C): a view, whose memory is contiguous if convolutions made it."""
    return x.transpose(0, *range(2, x.ndim), 1)


def channels_first(x: ndarray) -> ndarray:
    """(N, *sizes, C) seen as (N, C, *sizes)."""
    return x.transpose(0, x.ndim - 1, *range(1, x.ndim - 1))


def out_sizes(sizes: tuple, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple) -> tuple[int, ...]:
    return tuple(
        (n + low + high - d * (k - 1) - 1) // s + 1
        for n, k, s, (low, high), d in zip(sizes, kernel, stride, padding, dilation, strict=True)
    )


def overlap(sizes: tuple, padding: tuple) -> tuple[tuple, tuple]:
    """Where an array lies in its padded form, and which part of it that is: negative padding cuts off."""
    inner, source = [], []
    for n, (low, high) in zip(sizes, padding, strict=True):
        start, stop = max(-low, 0), max(n + min(high, 0), 0)
        source.append(slice(min(start, stop), stop))
        inner.append(slice(max(low, 0), max(low, 0) + max(stop - start, 0)))
    return tuple(inner), tuple(source)


def padded(x: ndarray, padding: tuple) -> ndarray:
    """(N, *sizes, C) with zeros around its sizes, contiguous; in a workspace unless it is that already."""
    if all(low == high == 0 for low, high in padding) and x.flags.c_contiguous:
        return x
    sizes = tuple(max(n + low + high, 0) for n, (low, high) in zip(x.shape[1:-1], padding, strict=True))
    out = workspace("padded", (x.shape[0], *sizes, x.shape[-1]), x.dtype)
    inner, source = overlap(x.shape[1:-1], padding)
    if any(low > 0 or high > 0 for low, high in padding):
        out[...] = 0
    out[:, *inner] = x[:, *source]
    return out


def windows(x: ndarray, kernel: tuple, stride: tuple, dilation: tuple, out: tuple) -> ndarray:
    """A view of padded (N, *sizes, C) as (N, *out, *kernel, C)."""
    steps = x.strides[1:-1]
    strides = (
        *(a * s for a, s in zip(steps, stride, strict=True)),
        *(a * d for a, d in zip(steps, dilation, strict=True)),
    )
    return _strided(x, (x.shape[0], *out, *kernel, x.shape[-1]), (x.strides[0], *strides, x.strides[-1]))


def _strided(x: ndarray, shape: tuple, strides: tuple) -> ndarray:
    """``as_strided`` for contiguous memory, without its 5 us."""
    return np.ndarray(shape, x.dtype, x, 0, strides)


def image_blocks(n: int, each: int) -> Iterator[slice]:
    """Slices of ``n`` images, ``each`` elements of workspace per image."""
    step = max(1, BLOCK // max(each, 1))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def row_blocks(rows: int, each: int) -> Iterator[slice]:
    """Slices of the rows of one block of images, where one image alone is too large for the cache."""
    step = max(1, min(rows, BLOCK // max(each, 1)))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


@functools.lru_cache(1024)
def residues(sizes: tuple, places: tuple, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple) -> tuple:
    """For each residue of the input's position modulo the stride: which inputs, which taps (flipped), what padding.

    In one dimension, input i = rest + s u meets output u + shift - m with tap first + s m, for m = 0 .. taps - 1.
    """
    plans = []
    for rests in itertools.product(*(range(s) for s in stride)):
        taps, target, pads = [], [], []
        for rest, n, m, k, s, (low, _), d in zip(rests, sizes, places, kernel, stride, padding, dilation, strict=True):
            first = (rest + low) % s
            shift = (rest + low - first) // s
            chosen = range(first, k, s)
            before = chosen[0] - s if len(chosen) else -1
            taps.append(slice(chosen[-1], None if before < 0 else before, -s) if len(chosen) else slice(0, 0))
            target.append(slice(rest, None, s))
            count, span = len(range(rest, n, s)), d * (len(chosen) - 1)
            pads.append((span - shift, count - m + shift))
        plans.append((tuple(target), tuple(taps), tuple(pads)))
    return tuple(plans)
