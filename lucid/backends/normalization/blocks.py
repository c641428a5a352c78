"""What the layouts of normalisation share: sizes of blocks, vectors of ones, when sums need not be centred first."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

ndarray = np.ndarray
BLOCK = 65_536  # elements: 256 kB of float32, so that three blocks fit the second-level cache
WIDE = 1 << 20  # where passes are few: longer blocks, since every call costs half a microsecond
SMALL = 4096  # elements up to which the plain formula is faster than any loop over blocks
COMPILES = 1024  # elements from which normalisation runs compiled, where numba is installed


def blocks(count: int, width: int, size: int = BLOCK) -> Iterator[slice]:
    step = max(1, size // max(width, 1))
    for start in range(0, count, step):
        yield slice(start, start + step)


@functools.lru_cache(64)
def ones(n: int, dtype: Any) -> ndarray:
    out = np.ones(n, dtype)
    out.flags.writeable = False
    return out


def near_zero(mean: ndarray, var: ndarray) -> bool:
    """Whether all means are so small beside the deviations that differences of uncentred sums lose nothing."""
    return bool((mean * mean <= 4 * var).all())
