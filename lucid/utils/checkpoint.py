"""Checkpointing, where PyTorch has it; see ``lucid.autograd.checkpoint``."""

from ..autograd.recompute import CheckpointError, checkpoint, checkpoint_sequential

__all__ = ["CheckpointError", "checkpoint", "checkpoint_sequential"]
