"""Discrete Fourier transforms on NumPy: unnormalised transforms times a scale, single precision kept."""

from __future__ import annotations

from typing import Any

import numpy as np


def _wide(x: Any) -> Any:
    return x.astype(np.float32) if x.dtype.itemsize == 2 else x


def _scaled(x: Any, scale: float) -> Any:
    if scale != 1.0:
        x *= scale
    return x


def fft_c2c(x: Any, axes: tuple, scale: float, forward: bool) -> Any:
    """Complex to complex: ``scale * sum x exp(-+ 2 pi i jk / n)`` over each of ``axes``."""
    if not axes or not x.size:
        return x.copy()
    for axis in axes:
        x = _along(x, axis, forward)
    return _scaled(x, scale)


def _along(x: Any, axis: int, forward: bool) -> Any:
    """One axis. NumPy's single-precision complex transforms of many rows take four times as long as those in double."""
    n = x.shape[axis]
    if x.dtype != np.complex64 or x.size < max(8192, 2 * n):
        return np.fft.fft(x, axis=axis) if forward else np.fft.ifft(x, axis=axis, norm="forward")
    lines = np.ascontiguousarray(np.moveaxis(x, axis, -1))
    out, rows = np.empty_like(lines), lines.reshape(-1, n)
    into, step = out.reshape(-1, n), max(1, 32768 // n)
    for i in range(0, len(rows), step):  # in blocks that stay in the cache
        into[i : i + step] = _along(rows[i : i + step].astype(np.complex128), 1, forward)
    return np.moveaxis(out, -1, axis)


def fft_r2c(x: Any, axes: tuple, scale: float) -> Any:
    """Real to complex, half of the last of ``axes``."""
    x = np.fft.rfft(_wide(x), axis=axes[-1])
    for axis in axes[:-1]:
        x = _along(x, axis, True)
    return _scaled(x, scale)


def fft_c2r(x: Any, axes: tuple, scale: float, last: int) -> Any:
    """Half complex to real of size ``last`` along the last of ``axes`` (the backward direction, unnormalised)."""
    for axis in axes[:-1]:
        x = _along(x, axis, False)
    return _scaled(np.fft.irfft(x, last, axis=axes[-1], norm="forward"), scale)
