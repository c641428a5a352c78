"""What the linear algebra of more than one file asks and says: which dtypes it takes, how it fails, how pivots compare."""

from __future__ import annotations

from typing import Any

import numpy as np


def failure(name: str, why: str) -> Any:
    from ..core.errors import LinAlgError

    return LinAlgError(f"linalg.{name}: {why}")


def checked(x: Any) -> Any:
    """LAPACK and cuSOLVER want whole precision: half types raise here, as in PyTorch."""
    if x.dtype.itemsize == 2 or x.dtype.kind not in "fc":
        raise TypeError("expected float32, float64, complex64 or complex128")
    return x


def pivot_size(x: Any) -> Any:
    """What LAPACK compares pivots by: of a complex number ``|re| + |im|``."""
    return np.abs(x.real) + np.abs(x.imag) if x.dtype.kind == "c" else np.abs(x)
