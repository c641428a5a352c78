"""Random numbers on NumPy: one PCG64DXSM state per generator; float32 is drawn directly, not rounded from float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from .alike import native
from .numpy_ import F32, F64


def generator(seed: int, index: int = 0) -> Any:
    return np.random.Generator(np.random.PCG64DXSM(seed))


def get_state(g: Any) -> dict:
    return g.bit_generator.state


def set_state(g: Any, state: dict) -> None:
    g.bit_generator.state = state


def _draw(dtype: Any) -> Any:
    return F64 if native(dtype) == F64 else F32


_BITS = {"float16": 11, "bfloat16": 8}


def kept(g: Any, p: float, shape: Any, dtype: Any) -> Any:
    """Noise for dropout: 0 with probability ``p``, else ``1 / (1 - p)``."""
    noise = (g.random(shape, F32) >= p).astype(native(dtype))
    noise *= noise.dtype.type(1.0 / (1.0 - p))
    return noise


def uniform(g: Any, shape: Any, dtype: Any) -> Any:
    """In [0, 1): half types get as many bits as they hold, since rounding could give 1."""
    out = np.asarray(g.random(shape, _draw(dtype)))
    bits = _BITS.get(dtype.name)
    if bits is not None:
        out = np.floor(out * 2.0**bits) * 2.0**-bits
    return out.astype(native(dtype), copy=False)


def normal(g: Any, shape: Any, dtype: Any) -> Any:
    return np.asarray(g.standard_normal(shape, _draw(dtype))).astype(native(dtype), copy=False)


def integers(g: Any, low: int, high: int, shape: Any, dtype: Any) -> Any:
    """In [low, high)."""
    wide = np.uint64 if high > 2**63 else np.int64
    return np.asarray(g.integers(low, high, shape, wide)).astype(native(dtype), copy=False)


def permutation(g: Any, n: int, dtype: Any) -> Any:
    return g.permutation(n).astype(native(dtype), copy=False)


def exponential(g: Any, shape: Any, dtype: Any) -> Any:
    """Of rate 1; never 0."""
    out = np.asarray(g.standard_exponential(shape, _draw(dtype)))
    return np.maximum(out, np.finfo(out.dtype).tiny).astype(native(dtype), copy=False)


def poisson(g: Any, rate: Any, shape: Any, dtype: Any) -> Any:
    return np.asarray(g.poisson(rate.astype(F64), shape)).astype(native(dtype), copy=False)


def binomial(g: Any, count: Any, p: Any, shape: Any, dtype: Any) -> Any:
    return np.asarray(g.binomial(count.astype(np.int64), p.astype(F64), shape)).astype(native(dtype), copy=False)


def gamma(g: Any, concentration: Any, shape: Any, dtype: Any) -> Any:
    """Of scale 1."""
    return np.asarray(g.standard_gamma(concentration.astype(F64), shape)).astype(native(dtype), copy=False)
