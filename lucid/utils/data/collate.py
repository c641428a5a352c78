"""From a list of items to a batch: tensors stack, numbers become tensors, containers are gone into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...core import dtypes
from ...core.tensor import Tensor, as_tensor
from ...functions.pieces import stack


def default_convert(data: Any) -> Any:
    """Arrays inside as tensors; everything else unchanged."""
    if isinstance(data, Tensor) or isinstance(data, str | bytes):
        return data
    if hasattr(data, "__array__"):
        return as_tensor(data)
    if isinstance(data, Mapping):
        return type(data)({k: default_convert(v) for k, v in data.items()})  # type: ignore[call-arg]
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(v) for v in data))
    if isinstance(data, Sequence):
        return [default_convert(v) for v in data]
    return data


def default_collate(batch: Sequence[Any]) -> Any:
    """Items of one structure as one structure of stacked tensors.

    Raises RuntimeError for items of different lengths, TypeError for items that are not data.

    >>> import lucid
    >>> lucid.utils.data.default_collate([(1, 2.0), (3, 4.0)])
    [tensor([1, 3]), tensor([2., 4.], dtype=lucid.float64)]
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return stack(list(batch), 0)
    if hasattr(first, "__array__"):  # NumPy arrays and scalars
        return stack([as_tensor(b) for b in batch], 0)
    if isinstance(first, bool) or isinstance(first, int):
        return as_tensor(list(batch))
    if isinstance(first, float):
        return as_tensor(list(batch), dtype=dtypes.float64)
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        collated = {k: default_collate([b[k] for b in batch]) for k in first}
        return collated if type(first) is dict else type(first)(collated)  # type: ignore[call-arg]
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(default_collate(part) for part in zip(*batch, strict=True)))
    if isinstance(first, Sequence):
        if len({len(b) for b in batch}) > 1:
            raise RuntimeError("each element in list of batch should be of equal size")
        return [default_collate(part) for part in zip(*batch, strict=True)]
    raise TypeError(
        f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {type(first).__name__}"
    )
