"""Helpers around training: data loading, checkpointing, benchmarks, TensorBoard."""

import importlib as _importlib
from typing import Any as _Any
from weakref import ref

from ..core.graph import Leaf
from ..core.tensor import Tensor
from ..core.view import View
from . import data

__all__ = ["data", "swap_tensors"]


def swap_tensors(t1: Tensor, t2: Tensor) -> None:
    """Let two tensors change places: class, contents, graph, gradient and attributes. RuntimeError for views.

    >>> import lucid
    >>> a, b = lucid.ones(2), lucid.zeros(3)
    >>> lucid.utils.swap_tensors(a, b)
    >>> a
    tensor([0., 0., 0.])
    """
    if isinstance(t1, View) or isinstance(t2, View):
        raise RuntimeError("swap_tensors: a view cannot change places, since its base knows nothing of it")
    for name in ("value", "node", "_grad", "_version", "__dict__", "__class__"):
        first, second = getattr(t1, name), getattr(t2, name)
        setattr(t1, name, second)
        setattr(t2, name, first)
    for t in (t1, t2):
        if type(t.node) is Leaf:
            t.node.owner = ref(t)


def __getattr__(name: str) -> _Any:
    """Submodules on first use, as PyTorch imports some of them with ``torch.utils``."""
    if name in (
        "_pytree",
        "benchmark",
        "checkpoint",
        "collect_env",
        "deterministic",
        "dlpack",
        "flop_counter",
        "hooks",
        "model_zoo",
    ):
        return _importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module 'lucid.utils' has no attribute {name!r}")
