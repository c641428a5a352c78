"""Backends: each a table of one library's fastest spellings. Found by ``type(array)``, loaded when asked for.

Nothing outside this folder computes with numpy, cupy or mlx by name.
"""

import importlib

from .base import (
    SCALAR_TYPES,
    Backend,
    backend_of,
    backend_of_type,
    host_array,
    host_cast,
    known_array_types,
    load,
    loaded,
    read_npy,
    register,
)

__all__ = [
    "SCALAR_TYPES", "Backend", "available", "backend_of", "backend_of_type", "host_array", "host_cast", "known_array_types",
    "load", "loaded", "read_npy", "register",
]  # fmt: skip

load("cpu")


def __getattr__(name: str) -> object:
    """What needs more imports than a program should pay for, and PyTorch's switches, on first use."""
    if name == "available":
        from .catalogue import available

        return available
    if name in ("cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp", "opt_einsum"):
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module 'lucid.backends' has no attribute {name!r}")
