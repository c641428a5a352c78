"""The Apple GPU through MLX, with the names of ``torch.mps``. Everything here imports and answers on other machines."""

from __future__ import annotations

from typing import Any

from .backends import load
from .backends import mps as _switch

__all__ = [
    "current_allocated_memory",
    "device_count",
    "driver_allocated_memory",
    "empty_cache",
    "is_available",
    "manual_seed",
    "synchronize",
]


def is_available() -> bool:
    """Whether the Apple GPU can be used.

    >>> import lucid
    >>> lucid.mps.is_available() in (True, False)
    True
    """
    return _switch.is_available()


def _mlx() -> Any:
    if not is_available():
        raise RuntimeError("the Apple GPU is not available: it needs Apple Silicon and pip install lucid[mlx]")
    import mlx.core

    return mlx.core


def device_count() -> int:
    """1 where the Apple GPU can be used, else 0."""
    return int(is_available())


def synchronize() -> None:
    """Wait until the GPU has done all it was asked."""
    _mlx()
    load("mlx").synchronize()


def empty_cache() -> None:
    """Give cached memory back to the system."""
    _mlx().clear_cache()


def current_allocated_memory() -> int:
    """Bytes that arrays hold."""
    return int(_mlx().get_active_memory())


def driver_allocated_memory() -> int:
    """Bytes that arrays and the cache hold."""
    return int(_mlx().get_active_memory() + _mlx().get_cache_memory())


def manual_seed(seed: int) -> None:
    """Seed all generators (there is one seed)."""
    from .functions.random import manual_seed as seed_all

    seed_all(seed)
