"""Discrete Fourier transforms on CuPy (cuFFT): unnormalised transforms times a scale, single precision kept."""

from __future__ import annotations

from typing import Any

import cupy as cp
import numpy as np


def _scaled(x: Any, scale: float) -> Any:
    if scale != 1.0:
        x *= scale
    return x


def fft_c2c(x: Any, axes: tuple, scale: float, forward: bool) -> Any:
    """Complex to complex: ``scale * sum x exp(-+ 2 pi i jk / n)`` over each of ``axes``."""
    if not axes or not x.size:
        return x.copy()
    for axis in axes:
        x = cp.fft.fft(x, axis=axis) if forward else cp.fft.ifft(x, axis=axis, norm="forward")
    return _scaled(x, scale)


def fft_r2c(x: Any, axes: tuple, scale: float) -> Any:
    """Real to complex, half of the last of ``axes``."""
    x = cp.fft.rfft(x.astype(np.float32) if x.dtype.itemsize == 2 else x, axis=axes[-1])
    for axis in axes[:-1]:
        x = cp.fft.fft(x, axis=axis)
    return _scaled(x, scale)


def fft_c2r(x: Any, axes: tuple, scale: float, last: int) -> Any:
    """Half complex to real of size ``last`` along the last of ``axes`` (the backward direction, unnormalised)."""
    for axis in axes[:-1]:
        x = cp.fft.ifft(x, axis=axis, norm="forward")
    return _scaled(cp.fft.irfft(x, last, axis=axes[-1], norm="forward"), scale)
