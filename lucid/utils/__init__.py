"""Helpers around training: data loading, checkpointing."""

from . import data

__all__ = ["data"]
