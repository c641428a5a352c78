"""The random generators of CUDA devices. They are lucid's own (Philox), so a seed gives other numbers than in PyTorch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..core.device import device as Device
from .devices import cupy, device_count, index_of, is_available


def _generator(device: Any) -> Any:
    from ..functions.random import default_generator

    cupy()
    return default_generator(Device("cuda", index_of(device)))


def manual_seed(seed: int) -> None:
    """Seed the generator of the current device; nothing happens without CUDA."""
    if is_available():
        _generator(None).manual_seed(seed)


def manual_seed_all(seed: int) -> None:
    """Seed the generators of all CUDA devices; nothing happens without CUDA."""
    for index in range(device_count()):
        _generator(index).manual_seed(seed)


def seed() -> None:
    """Seed the generator of the current device from the clock; nothing happens without CUDA."""
    if is_available():
        _generator(None).seed()


def seed_all() -> None:
    """Seed the generators of all CUDA devices from the clock."""
    for index in range(device_count()):
        _generator(index).seed()


def initial_seed() -> int:
    """The seed of the current device's generator."""
    return _generator(None).initial_seed()


def get_rng_state(device: Any = "cuda") -> Any:
    """The state of a device's generator as a uint8 tensor on the CPU, for ``set_rng_state``."""
    return _generator(device).get_state()


def get_rng_state_all() -> list:
    """The states of all devices' generators."""
    return [get_rng_state(index) for index in range(device_count())]


def set_rng_state(new_state: Any, device: Any = "cuda") -> None:
    """Put a device's generator into a state that ``get_rng_state`` returned."""
    _generator(device).set_state(new_state)


def set_rng_state_all(new_states: Iterable[Any]) -> None:
    """The same for all devices."""
    for index, state in enumerate(new_states):
        set_rng_state(state, index)
