"""How the special functions on NumPy sum their series: in float64, by Horner's and Clenshaw's rules."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .numpy_ import F64

BLOCK = 16_384  # elements: 128 kB of float64, so that the next pass over a block finds it in the cache


def in_double(f: Callable) -> Callable:
    """Compute in float64, block by block, return the dtype given; no floating-point warnings (torch has none)."""

    @functools.wraps(f)
    def kernel(x: Any, *args: Any) -> Any:
        with np.errstate(all="ignore"):
            if x.size <= BLOCK or any(np.shape(a) not in ((), x.shape) for a in args):
                return np.asarray(f(_wide(x), *map(_wide, args)), x.dtype)
            flat, *rest = (np.reshape(a, -1) if np.shape(a) else a for a in (x, *args))
            out = np.empty(x.size, x.dtype)
            for i in range(0, x.size, BLOCK):
                part = slice(i, i + BLOCK)
                out[part] = f(_wide(flat[part]), *(_wide(a[part] if np.shape(a) else a) for a in rest))
        return out.reshape(x.shape)

    return kernel


def _wide(a: Any) -> Any:
    return a.astype(F64, copy=False) if isinstance(a, np.ndarray | np.generic) else a


def choose(where: Any, yes: Any, no: Any) -> Any:
    """``np.where`` of float64, by bits for many elements: on random masks it mispredicts a branch for every second one."""
    if np.size(where) < 1024:
        return np.where(where, yes, no)
    bits = np.negative(where.view(np.int8), dtype=np.int64)  # all ones, or 0
    yes, no = (np.asarray(a, F64).view(np.int64) for a in (yes, no))
    bits &= yes ^ no
    bits ^= no
    return bits.view(F64)


def poly(x: Any, coefficients: tuple) -> Any:
    """Horner's rule, highest power first."""
    first, second, *rest = coefficients
    total = x * first + second if first != 1.0 else x + second
    for a in rest:
        total *= x
        total += a
    return total


def monic(x: Any, coefficients: tuple) -> Any:
    return poly(x, (1.0, *coefficients))


def chebyshev(x: Any, coefficients: tuple) -> Any:
    """Clenshaw's rule for a Chebyshev series on [-2, 2] (Cephes ``chbevl``)."""
    b0, b1 = np.full_like(x, coefficients[0]), 0.0
    b2: Any = 0.0
    for a in coefficients[1:]:
        b0, b1, b2 = x * b0 - b1 + a, b0, b1
    return 0.5 * (b0 - b2)
