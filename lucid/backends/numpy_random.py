"""Random numbers on NumPy: one PCG64DXSM state per generator; float32 is drawn directly, not rounded from float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from .numpy_ import F32, F64, native


def generator(seed: int, index: int = 0) -> Any:
    return np.random.Generator(np.random.PCG64DXSM(seed))


def get_state(g: Any) -> dict:
    return g.bit_generator.state


def set_state(g: Any, state: dict) -> None:
    g.bit_generator.state = state


def _draw(dtype: Any) -> Any:
    return F64 if native(dtype) == F64 else F32


def uniform(g: Any, shape: Any, dtype: Any) -> Any:
    """In [0, 1)."""
    return np.asarray(g.random(shape, _draw(dtype))).astype(native(dtype), copy=False)


def normal(g: Any, shape: Any, dtype: Any) -> Any:
    return np.asarray(g.standard_normal(shape, _draw(dtype))).astype(native(dtype), copy=False)


def integers(g: Any, low: int, high: int, shape: Any, dtype: Any) -> Any:
    """In [low, high)."""
    return np.asarray(g.integers(low, high, shape, np.int64)).astype(native(dtype), copy=False)


def permutation(g: Any, n: int, dtype: Any) -> Any:
    return g.permutation(n).astype(native(dtype), copy=False)
