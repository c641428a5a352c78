"""``lucid.cpu``: the processor as a device among others, for programs that treat all alike."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["current_device", "device_count", "is_available", "set_device", "synchronize"]
__path__: list[str] = []  # so that ``lucid.cpu.amp`` can be asked for (``lucid.paths``)


def is_available() -> bool:
    """True."""
    return True


def device_count() -> int:
    """1."""
    return 1


def current_device() -> str:
    """Its name."""
    return "cpu"


def set_device(device: Any) -> None:
    """There is one."""


def synchronize(device: Any = None) -> None:
    """Nothing is left to wait for: ops on the CPU have happened when they return."""


def __getattr__(name: str) -> Any:
    if name == "amp":
        return importlib.import_module(".amp", __name__)
    raise AttributeError(f"module 'lucid.cpu' has no attribute {name!r}")
