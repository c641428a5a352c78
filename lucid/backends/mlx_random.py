"""Random numbers on MLX: a key for each draw. Drawing does not wait for the device."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import mlx.core as mx
import numpy as np

from .mlx_dtypes import BOUNDS, from_host, native
from .mlx_host import TRIPS, down


def _mixed(z: int) -> int:
    """SplitMix64: 64 bits that depend on all 64. Steele, Lea and Flood, Fast splittable pseudorandom number generators, 2014."""
    z = (z + 0x9E3779B97F4A7C15) & _ALL
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & _ALL
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & _ALL
    return z ^ z >> 31


_ALL = (1 << 64) - 1


class Key:
    """A stream of MLX's keys, from a seed and the number of draws so far.

    Both are host numbers. A key that is split on the device would be a recorded array, which no other thread could use.
    """

    def __init__(self, seed: int):
        self.seed, self.drawn, self.lock = seed & _ALL, 0, threading.Lock()

    def next(self) -> Any:
        with self.lock:
            self.drawn += 1
            return mx.random.key(_mixed(_mixed(self.seed) ^ self.drawn))

    def restore(self, state: dict[str, int]) -> None:
        self.seed, self.drawn = state["seed"], state["drawn"]


def _integers(g: Key, low: int, high: int, shape: Any, dtype: Any) -> Any:
    drawn = mx.random.randint(low, high, shape, mx.int64, key=g.next()).astype(native(dtype))
    if drawn.dtype == mx.int64:
        BOUNDS.note(drawn, low, high - 1, False)
    return drawn


def _permutation(g: Key, n: int, dtype: Any) -> Any:
    drawn = mx.random.permutation(n, key=g.next()).astype(native(dtype))
    if drawn.dtype == mx.int64 and n:
        BOUNDS.note(drawn, 0, n - 1)
    return drawn


def _through_numpy(name: str) -> Callable:
    """A distribution that MLX lacks, from a NumPy generator seeded by the key."""
    from . import numpy_random

    def run(g: Key, *args: Any) -> Any:
        TRIPS[name] += 1
        halves: Any = mx.random.randint(0, 2**31 - 1, [2], key=g.next()).tolist()
        seed = halves[0] << 31 | halves[1]
        return from_host(
            np.asarray(getattr(numpy_random, name)(numpy_random.generator(seed), *(down(a) for a in args)))
        )

    return run


def _kept(g: Key, p: float, shape: Any, dtype: Any) -> Any:
    """Noise for dropout: 0 with probability ``p``, else ``1 / (1 - p)``."""
    alive = mx.random.uniform(shape=shape, key=g.next()) >= p
    return mx.where(alive, mx.array(1.0 / (1.0 - p), native(dtype)), mx.array(0.0, native(dtype)))


def _exponential(g: Key, shape: Any, dtype: Any) -> Any:
    """Of rate 1; never 0. MLX's uniform numbers have the resolution of float32."""
    if native(dtype) == mx.float64:
        return _double_exponential(g, shape, dtype)
    drawn = (-mx.log1p(-mx.random.uniform(shape=shape, key=g.next()))).astype(native(dtype))
    return mx.maximum(drawn, mx.finfo(drawn.dtype).smallest_normal)


_double_exponential = _through_numpy("exponential")
RANDOM = SimpleNamespace(
    generator=lambda seed, index=0: Key(seed),
    get_state=lambda g: {"seed": g.seed, "drawn": g.drawn},
    set_state=lambda g, state: g.restore(state),
    uniform=lambda g, shape, dtype: mx.random.uniform(shape=shape, key=g.next()).astype(native(dtype)),
    normal=lambda g, shape, dtype: mx.random.normal(shape, key=g.next()).astype(native(dtype)),
    integers=_integers,
    permutation=_permutation,
    exponential=_exponential,
    kept=_kept,
    **{name: _through_numpy(name) for name in ("poisson", "binomial", "gamma")},
)
