"""CUDA through CuPy, with PyTorch's names. Everything here imports and answers on machines without a GPU."""

from __future__ import annotations

import importlib
from typing import Any

from ..backends import load
from ..backends.catalogue import cuda_fault
from ..core.device import device as Device


def is_available() -> bool:
    """Whether CUDA can be used: CuPy is installed and finds a device.

    >>> import lucid
    >>> lucid.cuda.is_available() in (True, False)
    True
    """
    return cuda_fault() is None


def _cupy() -> Any:
    fault = cuda_fault()
    if fault is not None:
        raise RuntimeError(f"CUDA is not available: {fault}")
    load("cuda")
    import cupy

    return cupy


def device_count() -> int:
    """The number of CUDA devices; 0 without CUDA."""
    return int(_cupy().cuda.runtime.getDeviceCount()) if is_available() else 0


def current_device() -> int:
    """The number of the current device."""
    return int(_cupy().cuda.Device().id)


def _index(device: Any) -> int:
    return current_device() if device is None else device if isinstance(device, int) else Device(device).index or 0


def set_device(device: Any) -> None:
    """Make a device the current one."""
    _cupy().cuda.Device(_index(device)).use()


def get_device_name(device: Any = None) -> str:
    """The card's name."""
    return _cupy().cuda.runtime.getDeviceProperties(_index(device))["name"].decode()


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """The compute capability as (major, minor)."""
    properties = _cupy().cuda.runtime.getDeviceProperties(_index(device))
    return properties["major"], properties["minor"]


def synchronize(device: Any = None) -> None:
    """Wait until the device has done all it was asked."""
    _cupy().cuda.Device(_index(device)).synchronize()


def empty_cache() -> None:
    """Give freed blocks of the memory pool back to the device; nothing happens without CUDA."""
    if is_available():
        _cupy().get_default_memory_pool().free_all_blocks()


def memory_allocated(device: Any = None) -> int:
    """Bytes of the pool that arrays hold."""
    return int(_cupy().get_default_memory_pool().used_bytes()) if is_available() else 0


def memory_reserved(device: Any = None) -> int:
    """Bytes that the pool took from the device."""
    return int(_cupy().get_default_memory_pool().total_bytes()) if is_available() else 0


def manual_seed(seed: int) -> None:
    """Seed the CUDA generators (all generators: there is one seed)."""
    if is_available():
        from ..functions.random import manual_seed as seed_all

        seed_all(seed)


manual_seed_all = manual_seed


def __getattr__(name: str) -> Any:
    if name == "amp":
        return importlib.import_module(".amp", __name__)
    raise AttributeError(f"module 'lucid.cuda' has no attribute {name!r}")
