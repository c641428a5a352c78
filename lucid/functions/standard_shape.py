"""The array API: shapes, joining, repeating."""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Sequence
from typing import Any

from ..core import dtypes
from ..core.tensor import Tensor
from .registry import FUNCTIONS as F
from .standard import axis_arg, call, cast_to, standard


@standard
def concat(*arrays: Any, axis: Any = 0) -> Tensor:
    if not isinstance(arrays[0], Tensor):  # the standard's form; rules call concat(x, y, axis)
        items = list(arrays[0])
        if len(arrays) == 2:
            axis = arrays[1]
        if axis is None:
            return F["cat"]([call("reshape")(x, (x.shape.numel(),)) for x in items], 0)
        return F["cat"](items, axis)
    *tensors, axis = arrays
    return call("concat")(tensors, axis)


concat.__signature__ = inspect.signature(lambda arrays, /, *, axis=0: None)  # type: ignore[attr-defined]


@standard
def stack(arrays: Any, /, *, axis: int = 0) -> Tensor:
    return F["stack"](list(arrays), axis)


@standard
def unstack(x: Tensor, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    return F["unbind"](x, axis)


@standard
def expand_dims(x: Tensor, /, axis: int = 0) -> Tensor:
    n = x.ndim + 1
    if not -n <= axis < n:
        raise IndexError(f"expand_dims: axis {axis} is out of bounds for a result of dimension {n}")
    sizes = list(x.shape)
    sizes.insert(axis % n, 1)
    return call("reshape")(x, tuple(sizes))


@standard
def squeeze(x: Tensor, /, axis: Any) -> Tensor:
    axes = axis_arg(x, axis)
    axes = (axes,) if isinstance(axes, int) else axes
    if builtins.any(x.shape[a] != 1 for a in axes):
        raise ValueError(f"squeeze: axes {axes} of shape {tuple(x.shape)} are not all of size 1")
    return F["squeeze"](x, axes)


@standard
def reshape(x: Tensor, /, shape: Any, *, copy: bool | None = None) -> Tensor:
    if copy is None:
        return call("reshape")(x, tuple(shape))
    if copy:
        return call("reshape")(call("copy")(x), tuple(shape))
    out = call("reshape")(x, tuple(shape))
    if out._base is None and x.shape.numel():
        raise ValueError("reshape: this shape needs a copy, and copy=False")
    return out


@standard
def flip(x: Tensor, /, axis: Any = None) -> Tensor:
    axes = tuple(range(x.ndim)) if axis is None else axis_arg(x, axis)
    return call("flip")(x, (axes,) if isinstance(axes, int) else axes) if x.ndim else x.clone()  # type: ignore[attr-defined]


@standard
def roll(x: Tensor, /, shift: Any, axis: Any = None) -> Tensor:
    if isinstance(shift, int) and isinstance(axis, tuple | list):
        shift = (shift,) * len(axis)
    return F["roll"](x, shift, axis)


@standard
def repeat(x: Tensor, repeats: Any, /, *, axis: int | None = None) -> Tensor:
    if isinstance(repeats, Tensor) and repeats.dtype.category != dtypes.INTEGER:
        raise TypeError(f"repeat: repeats must be integers, got {repeats.dtype}")
    return F["repeat_interleave"](x, cast_to(repeats, dtypes.int64) if isinstance(repeats, Tensor) else repeats, axis)


@standard
def tile(x: Tensor, repetitions: Sequence[int], /) -> Tensor:
    return F["tile"](x, tuple(repetitions))


@standard
def moveaxis(x: Tensor, source: Any, destination: Any, /) -> Tensor:
    return F["movedim"](x, source, destination)


@standard
def broadcast_arrays(*arrays: Tensor) -> list[Tensor]:
    return list(F["broadcast_tensors"](*arrays))


@standard
def broadcast_to(x: Tensor, /, shape: Any) -> Tensor:
    return x if tuple(shape) == tuple(x.shape) else call("broadcast_to")(x, tuple(shape))


@standard
def permute_dims(x: Tensor, /, axes: Sequence[int]) -> Tensor:
    return call("permute_dims")(x, tuple(axes))


standard(F["broadcast_shapes"])
