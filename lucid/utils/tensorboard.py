"""``SummaryWriter``: log scalars, histograms and images for TensorBoard. Needs ``pip install lucid[tensorboard]``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..core.tensor import Tensor

try:
    import tensorboardX
except ImportError as problem:
    raise ImportError("lucid.utils.tensorboard needs tensorboardX: pip install lucid[tensorboard]") from problem

__all__ = ["SummaryWriter"]


def _host(value: Any) -> Any:
    """Tensors as NumPy arrays, also inside dictionaries and lists."""
    if isinstance(value, Tensor):
        return value.detach().cpu().numpy()
    if isinstance(value, dict):
        return {key: _host(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)) and any(isinstance(v, Tensor) for v in value):
        return [_host(v) for v in value]
    return value


def _taking_tensors(method: Callable) -> Callable:
    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        return method(self, *map(_host, args), **{key: _host(v) for key, v in kwargs.items()})

    return wrapper


class SummaryWriter(tensorboardX.SummaryWriter):  # type: ignore[misc]
    """tensorboardX's writer, whose ``add_*`` methods take Tensors; the names and arguments are PyTorch's."""


for _name in dir(tensorboardX.SummaryWriter):
    if _name.startswith("add_"):
        setattr(SummaryWriter, _name, _taking_tensors(getattr(tensorboardX.SummaryWriter, _name)))
