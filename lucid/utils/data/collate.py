"""From a list of items to a batch: tensors stack, numbers become tensors, containers are gone into."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from functools import partial
from typing import Any

from ...core import dtypes
from ...core.tensor import Tensor, as_tensor
from ...functions.pieces import stack


def _rebuilt(data: Any, parts: dict | list) -> Any:
    """A container as ``data`` is, of other parts; a plain one where its class does not make one."""
    try:
        if isinstance(data, MutableMapping | MutableSequence):
            made = copy.copy(data)
            for key, part in parts.items() if isinstance(parts, dict) else enumerate(parts):
                made[key] = part
            return made
        return type(data)(parts)  # type: ignore[call-arg]
    except TypeError:
        return parts


def _through(data: Any, go: Callable, columns: Any) -> Any:
    """``go`` on each part of a container."""
    if isinstance(data, Mapping):
        return _rebuilt(data, {k: go(v) for k, v in columns})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(go, columns))
    return list(map(go, columns)) if isinstance(data, tuple) else _rebuilt(data, list(map(go, columns)))


def default_convert(data: Any) -> Any:
    """Arrays inside as tensors; everything else unchanged."""
    if hasattr(data, "__array__") and not isinstance(data, Tensor | str) and data.dtype.kind not in "SUO":
        return as_tensor(data)
    if not isinstance(data, Mapping | Sequence) or isinstance(data, str | bytes):
        return data
    return _through(data, default_convert, data.items() if isinstance(data, Mapping) else data)


def collate(batch: Sequence[Any], *, collate_fn_map: dict | None = None) -> Any:
    """Items of one structure as one structure of what the functions of ``collate_fn_map`` make of each type of parts.

    >>> import lucid
    >>> from lucid.utils.data._utils.collate import collate
    >>> collate([{"a": 1}, {"a": 2}], collate_fn_map={int: lambda batch, *, collate_fn_map: sum(batch)})
    {'a': 3}
    """
    first, kinds = batch[0], collate_fn_map or {}
    for kind in (type(first), *kinds):
        if kind in kinds and isinstance(first, kind):
            return kinds[kind](batch, collate_fn_map=collate_fn_map)
    if hasattr(first, "__array__") and first.dtype.kind not in "SUO":  # NumPy arrays and scalars
        return collate([as_tensor(b) for b in batch], collate_fn_map=collate_fn_map)
    go = partial(collate, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        return _through(first, go, [(k, [b[k] for b in batch]) for k in first])
    if isinstance(first, Sequence):
        if not hasattr(first, "_fields") and len({len(b) for b in batch}) > 1:
            raise RuntimeError("each element in list of batch should be of equal size")
        return _through(first, go, list(zip(*batch, strict=True)))
    raise TypeError(
        f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {type(first).__name__}"
    )


default_collate_fn_map: dict[Any, Callable] = {
    Tensor: lambda batch, *, collate_fn_map: stack(list(batch), 0),
    float: lambda batch, *, collate_fn_map: as_tensor(list(batch), dtype=dtypes.float64),
    int: lambda batch, *, collate_fn_map: as_tensor(list(batch)),
    str: lambda batch, *, collate_fn_map: batch,
    bytes: lambda batch, *, collate_fn_map: batch,
}


def default_collate(batch: Sequence[Any]) -> Any:
    """Items of one structure as one structure of stacked tensors; more types can be given to ``default_collate_fn_map``.

    Raises RuntimeError for items of different lengths, TypeError for items that are not data.

    >>> import lucid
    >>> lucid.utils.data.default_collate([(1, 2.0), (3, 4.0)])
    [tensor([1, 3]), tensor([2., 4.], dtype=lucid.float64)]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
