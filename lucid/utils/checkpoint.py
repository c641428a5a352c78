"""Checkpointing, where PyTorch has it; see ``lucid.autograd.checkpoint``."""

from ..autograd.checkpoint import CheckpointError, checkpoint, checkpoint_sequential

__all__ = ["CheckpointError", "checkpoint", "checkpoint_sequential"]
