"""The machine's accelerator, whatever it is: CUDA where it can be used, else the Apple GPU (``torch.accelerator``)."""

from __future__ import annotations

from typing import Any

from . import cuda, mps
from .core.device import device as Device

__all__ = [
    "current_accelerator",
    "current_device_index",
    "device_count",
    "is_available",
    "set_device_index",
    "synchronize",
]


def current_accelerator(check_available: bool = False) -> Device | None:
    """The accelerator's device, without an index; None where there is none.

    >>> import lucid
    >>> device = lucid.accelerator.current_accelerator() or lucid.device("cpu")
    >>> lucid.ones(2, device=device).sum().item()
    2.0
    """
    return Device("cuda") if cuda.is_available() else Device("mlx") if mps.is_available() else None


def is_available() -> bool:
    """Whether there is an accelerator."""
    return current_accelerator() is not None


def device_count() -> int:
    """How many accelerators of the current kind there are; 0 without any."""
    return cuda.device_count() or int(is_available())


def _present() -> Device:
    found = current_accelerator()
    if found is None:
        raise RuntimeError("Cannot access accelerator device when none is available.")
    return found


def current_device_index() -> int:
    """The number of the current accelerator; RuntimeError without any."""
    return cuda.current_device() if _present().type == "cuda" else 0


def set_device_index(device: Any, /) -> None:
    """Make the accelerator of this number the current one; RuntimeError without any."""
    if _present().type == "cuda":
        cuda.set_device(device)
    elif (device if isinstance(device, int) else Device(device).index or 0) != 0:
        raise RuntimeError(f"set_device_index: there is one accelerator, number 0; got {device!r}")


def synchronize(device: Any = None, /) -> None:
    """Wait until the accelerator has done all it was asked; RuntimeError without any."""
    if _present().type == "cuda":
        cuda.synchronize(device)
    else:
        mps.synchronize()
