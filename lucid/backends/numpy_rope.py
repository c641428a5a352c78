"""Rotary position embedding on NumPy."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .numpy_ import F32, is_half


@functools.lru_cache(8)
def _table(length: int, size: int, base: float, dtype: Any) -> tuple:
    """Cosines and sines of the angles, (L, d / 2) each, computed in float64."""
    rates = base ** (np.arange(0, size, 2) / -size)
    angles = np.arange(length)[:, None] * rates
    return np.cos(angles).astype(dtype), np.sin(angles).astype(dtype)


def rope(x: Any, interleaved: bool, base: float, turn: float) -> Any:
    """Pairs of the last dimension turned by their position in the one before it; ``turn`` is 1 or -1."""
    if is_half(x):
        return rope(x.astype(F32), interleaved, base, turn).astype(x.dtype)
    half = x.shape[-1] // 2
    cos, sin = _table(x.shape[-2], x.shape[-1], base, x.dtype)
    left, right = (np.s_[..., ::2], np.s_[..., 1::2]) if interleaved else (np.s_[..., :half], np.s_[..., half:])
    out = np.empty(x.shape, x.dtype)
    a, b, first, second = x[left], x[right], out[left], out[right]
    np.multiply(a, cos, first)
    np.multiply(b, cos, second)
    if turn > 0:
        first -= b * sin
        second += a * sin
    else:
        first += b * sin
        second -= a * sin
    return out
