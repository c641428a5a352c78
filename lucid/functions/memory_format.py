"""Memory formats: images and volumes whose channels lie next to each other in memory, where arrays have strides."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..backends import backend_of
from ..core.errors import ShapeError
from ..core.tensor import Tensor

ORDERS = {"channels_last": (0, 2, 3, 1), "channels_last_3d": (0, 2, 3, 4, 1)}


def order_in(memory_format: Any) -> tuple[int, ...] | None:
    """The dimensions as they follow each other in memory; None for row order."""
    return ORDERS.get(getattr(memory_format, "name", ""))


def lies(array: Any, memory_format: Any) -> bool:
    """Whether an array with strides is laid out in a memory format."""
    order = order_in(memory_format)
    if order is None:
        return bool(array.flags.c_contiguous)
    return len(order) == array.ndim and bool(array.transpose(order).flags.c_contiguous)


def like(x: Tensor, source: Tensor) -> Tensor:
    """``x`` in the memory format of ``source``."""
    array = source.value
    if array.ndim < 4 or not hasattr(array, "flags") or array.flags.c_contiguous:
        return x
    order = ORDERS["channels_last" if array.ndim == 4 else "channels_last_3d"]
    return _laid(x, order) if array.ndim == len(order) and array.transpose(order).flags.c_contiguous else x


def laid(x: Tensor, memory_format: Any) -> Tensor:
    """``x`` in a memory format, itself if it is already. Raises RuntimeError for another rank than the format's."""
    order = order_in(memory_format)
    if order is not None and len(order) != x.ndim:
        raise ShapeError(f"required rank {len(order)} tensor to use {memory_format.name} format")
    value = x.value
    if order is None or not hasattr(value, "flags") or lies(value, memory_format):
        return x
    return _laid(x, order)


def _laid(x: Tensor, order: tuple[int, ...]) -> Tensor:
    out, table = ops.copy(x), backend_of(x.value).table
    back = tuple(sorted(range(x.ndim), key=order.__getitem__))
    out.value = table.permute_dims(table.copy(table.permute_dims(x.value, order)), back)
    return out
