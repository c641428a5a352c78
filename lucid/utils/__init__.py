"""Helpers around training: data loading, checkpointing, benchmarks, TensorBoard."""

import importlib as _importlib
from typing import Any as _Any

from . import data

__all__ = ["data"]


def __getattr__(name: str) -> _Any:
    """Submodules on first use, as PyTorch imports some of them with ``torch.utils``."""
    if name in ("_pytree", "benchmark", "checkpoint", "collect_env", "deterministic", "dlpack", "hooks", "model_zoo"):
        return _importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module 'lucid.utils' has no attribute {name!r}")
