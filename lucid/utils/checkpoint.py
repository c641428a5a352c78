"""Checkpointing, where PyTorch has it; see ``lucid.autograd.checkpoint``."""

from typing import Any

from .. import cuda
from ..autograd.recompute import CheckpointError, checkpoint, checkpoint_sequential, set_checkpoint_early_stop
from ..core.tensor import Tensor

__all__ = [
    "CheckpointError", "checkpoint", "checkpoint_sequential", "get_device_states", "set_checkpoint_early_stop", "set_device_states",
]  # fmt: skip


def get_device_states(*args: Any) -> tuple[list[int], list[Tensor]]:
    """The CUDA devices of the tensors among the arguments, and the states of their random generators."""
    devices = sorted({a.device.index or 0 for a in args if isinstance(a, Tensor) and a.device.type == "cuda"})
    return devices, [cuda.get_rng_state(n) for n in devices]


def set_device_states(devices: list[int], states: list[Tensor], *, device_type: str | None = None) -> None:
    """Put back what ``get_device_states`` gave."""
    for device, state in zip(devices, states, strict=True):
        cuda.set_rng_state(state, device)
