"""How the special functions on NumPy sum their series: in float64, by Horner's and Clenshaw's rules."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .numpy_ import F64


def in_double(f: Callable) -> Callable:
    """Compute in float64, return the dtype given; no floating-point warnings (torch has none)."""

    @functools.wraps(f)
    def kernel(x: Any, *args: Any) -> Any:
        dtype = x.dtype
        if dtype != F64:
            x = x.astype(F64)
            args = tuple(a.astype(F64) if isinstance(a, np.ndarray | np.generic) else a for a in args)
        with np.errstate(all="ignore"):
            out = f(x, *args)
        return out if dtype == F64 else out.astype(dtype)

    return kernel


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
