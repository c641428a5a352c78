"""The array API: sorting, searching, sets, taking elements."""

from __future__ import annotations

import builtins
import inspect
from collections import namedtuple
from typing import Any

from ..core import dtypes
from ..core.tensor import Tensor, as_tensor
from .registry import FUNCTIONS as F
from .standard import call, cast_to, one_axis, standard


@standard
def sort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    return F["sort"](x, axis, descending, stable=stable)[0]


@standard
def argsort(x: Tensor, /, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    return call("argsort")(x, one_axis(x.ndim, axis), descending, stable)


@standard
def nonzero(x: Tensor, /) -> tuple[Tensor, ...]:
    if not x.ndim:
        raise ValueError("nonzero: zero-dimensional arrays are not allowed")
    return F["nonzero"](x, as_tuple=True)


@standard
def searchsorted(
    x1: Tensor, x2: Any, /, right: bool = False, *, side: str | None = None, sorter: Tensor | None = None
) -> Tensor:
    if side not in (None, "left", "right"):
        raise ValueError(f"searchsorted: side must be 'left' or 'right', got {side!r}")
    if sorter is not None:
        x1 = x1[sorter]  # type: ignore[index]
    x2 = x2 if isinstance(x2, Tensor) else as_tensor(x2, dtype=x1.dtype, like=x1)
    return call("searchsorted")(x1, x2, right or side == "right")


UniqueAll = namedtuple("UniqueAll", ["values", "indices", "inverse_indices", "counts"])
UniqueCounts = namedtuple("UniqueCounts", ["values", "counts"])
UniqueInverse = namedtuple("UniqueInverse", ["values", "inverse_indices"])


@standard
def unique_all(x: Tensor, /) -> Any:
    values, inverse, counts = F["unique"](x, sorted=True, return_inverse=True, return_counts=True)
    flat = call("reshape")(inverse, (inverse.shape.numel(),))
    n = flat.shape[0]
    first = F["full"]((values.shape[0],), n, dtype=dtypes.int64, device=x.device)
    first = first.scatter_reduce(0, flat, F["arange"](n, device=x.device), "amin")
    return UniqueAll(values, first, inverse, counts)


@standard
def unique_counts(x: Tensor, /) -> Any:
    values, counts = F["unique"](x, sorted=True, return_counts=True)
    return UniqueCounts(values, counts)


@standard
def unique_inverse(x: Tensor, /) -> Any:
    values, inverse = F["unique"](x, sorted=True, return_inverse=True)
    return UniqueInverse(values, inverse)


@standard
def unique_values(x: Tensor, /) -> Tensor:
    return F["unique"](x, sorted=True)


@standard
def isin(x1: Any, x2: Any, /, *, invert: bool = False) -> Tensor:
    found = call("isin")(x1, x2)
    return call("logical_not")(found) if invert else found


@standard
def take(x: Tensor, indices: Tensor, /, *, axis: int | None = None) -> Tensor:
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"take: axis is needed for an array of {x.ndim} dimensions")
        axis = 0
    return x[(slice(None),) * one_axis(x.ndim, axis) + (indices,)]  # type: ignore[index]


@standard
def take_along_axis(x: Tensor, indices: Tensor, /, *dialect: int, axis: int = -1) -> Tensor:
    """By position, ``axis`` is that of the op, whose indices may be smaller than ``x``; by name, the standard's: they broadcast."""
    if dialect:
        return call("take_along_axis")(x, indices, *dialect)
    axis = one_axis(x.ndim, axis)
    if indices.shape.numel() and builtins.bool((indices < 0).any()):  # type: ignore[attr-defined, operator]
        indices = F["where"](indices < 0, indices + x.shape[axis], indices)  # type: ignore[operator]
    return F["take_along_dim"](x, cast_to(indices, dtypes.int64), axis)


take_along_axis.__signature__ = inspect.signature(lambda x, indices, /, *, axis=-1: None)  # type: ignore[attr-defined]
