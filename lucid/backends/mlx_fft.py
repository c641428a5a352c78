"""Discrete Fourier transforms on MLX, in single precision: unnormalised transforms times a scale."""

from __future__ import annotations

from typing import Any

import mlx.core as mx

FITS = dict.fromkeys(
    ("fft_c2c", "fft_r2c", "fft_c2r"), lambda x, *rest: x.dtype in (mx.float32, mx.complex64) and x.size > 0
)


def _along(x: Any, axis: int, forward: bool) -> Any:
    return mx.fft.fft(x, axis=axis) if forward else mx.fft.ifft(x, axis=axis, norm="forward")


def fft_c2c(x: Any, axes: tuple, scale: float, forward: bool) -> Any:
    """Complex to complex: ``scale * sum x exp(-+ 2 pi i jk / n)`` over each of ``axes``."""
    for axis in axes:
        x = _along(x, axis, forward)
    return x * scale


def fft_r2c(x: Any, axes: tuple, scale: float) -> Any:
    """Real to complex, half of the last of ``axes``."""
    x = mx.fft.rfft(x, axis=axes[-1])
    for axis in axes[:-1]:
        x = _along(x, axis, True)
    return x * scale


def fft_c2r(x: Any, axes: tuple, scale: float, last: int) -> Any:
    """Half complex to real of size ``last`` along the last of ``axes`` (the backward direction, unnormalised)."""
    for axis in axes[:-1]:
        x = _along(x, axis, False)
    return mx.fft.irfft(x, last, axis=axes[-1], norm="forward") * scale
