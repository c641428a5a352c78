"""Random numbers on MLX: a key, split at each draw. Drawing does not wait for the device."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import mlx.core as mx
import numpy as np

from .mlx_dtypes import BOUNDS, from_host, native
from .mlx_host import TRIPS, down


class Key:
    """A stream of random numbers: MLX's key, split at each draw."""

    def __init__(self, seed: int):
        self.key = mx.random.key(seed)

    def next(self) -> Any:
        self.key, now = mx.random.split(self.key)
        return now


def _integers(g: Key, low: int, high: int, shape: Any, dtype: Any) -> Any:
    drawn = mx.random.randint(low, high, shape, mx.int64, key=g.next()).astype(native(dtype))
    if drawn.dtype == mx.int64:
        BOUNDS.note(drawn, low, high - 1)
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
        seed = int(mx.random.bits(key=g.next()).item())  # type: ignore[operator]
        return from_host(
            np.asarray(getattr(numpy_random, name)(numpy_random.generator(seed), *(down(a) for a in args)))
        )

    return run


RANDOM = SimpleNamespace(
    generator=lambda seed, index=0: Key(seed),
    get_state=lambda g: {"key": g.key.tolist()},
    set_state=lambda g, state: setattr(g, "key", mx.array(state["key"], dtype=mx.uint32)),
    uniform=lambda g, shape, dtype: mx.random.uniform(shape=shape, key=g.next()).astype(native(dtype)),
    normal=lambda g, shape, dtype: mx.random.normal(shape, key=g.next()).astype(native(dtype)),
    integers=_integers,
    permutation=_permutation,
    **{name: _through_numpy(name) for name in ("exponential", "poisson", "binomial", "gamma")},
)
