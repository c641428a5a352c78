"""``x[...]`` and ``x[...] = v`` in every form."""

from __future__ import annotations

import operator
import warnings
from typing import Any

from .. import ops
from ..backends import backend_of
from ..core import dtypes
from ..core.errors import DTypeError, ShapeError
from ..core.modes import NO_GRAD, current
from ..core.op import OPS
from ..core.record import FLOATS, HOST, REAL
from ..core.tensor import Tensor, as_tensor, wrap
from ..core.transform import lifted_to_indices
from ..core.view import View, overwritten, write
from ..ops import indexing as index_ops
from .outputs import check_leaf, fitted, refuse_expanded, refuse_overlap
from .registry import number_for

FULL = slice(None)
_PLAIN = (int, type(None))
_PLAIN_TYPES = {int, type(None), slice}


EMPTY_INDEX = "invalid index of a 0-dim tensor. Use `tensor.item()` to convert a 0-dim tensor to a number"
EMPTY_SLICE = "slice() cannot be applied to a 0-dim tensor."


class OutOfRange(IndexError, RuntimeError):
    """An index outside its dimension, where PyTorch raises RuntimeError."""


def parse(x: Tensor, key: Any) -> tuple[tuple, tuple | None]:
    """A key as (basic, advanced): basic indexing is done first (a view), then the arrays of ``advanced``, or None.

    Bounds are checked here, on all backends alike: CuPy wraps around and MLX reads foreign memory.
    """
    items = list(key) if isinstance(key, tuple) else [key]
    items = [_item(k) for k in items]
    used = sum(
        k.ndim if _is_mask(k) else 1 for k in items if k is not None and k is not Ellipsis and not isinstance(k, bool)
    )
    if sum(k is Ellipsis for k in items) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if used > x.ndim:
        if not x.ndim and len(items) == 1 and isinstance(items[0], int | slice):
            raise IndexError(EMPTY_SLICE if isinstance(items[0], slice) else EMPTY_INDEX)
        raise IndexError(f"too many indices for tensor of dimension {x.ndim}: got {used}")
    if not any(k is Ellipsis for k in items):
        items.append(Ellipsis)
    at = next(i for i, k in enumerate(items) if k is Ellipsis)
    items[at : at + 1] = [FULL] * (x.ndim - used)

    basic: list[Any] = []
    arrays: list[Any] = []  # per dimension of the basic result: an index Tensor or None
    d = 0
    for k in items:
        if k is None:
            basic.append(None)
            arrays.append(None)
        elif isinstance(k, bool):  # a 0-d mask: a new dimension of size 1 or 0
            basic.append(None)
            arrays.append(as_tensor([0] if k else [], dtype=dtypes.int64, device=x.device))
        elif isinstance(k, int):
            n = x.shape[d]
            if not -n <= k < n:
                raise IndexError(f"index {k} is out of bounds for dimension {d} with size {n}")
            basic.append(k)
            d += 1
        elif isinstance(k, slice):
            basic.append(k)
            arrays.append(None)
            d += 1
        elif _is_mask(k):
            if tuple(k.shape) != tuple(x.shape[d : d + k.ndim]):
                raise IndexError(
                    f"The shape of the mask {list(k.shape)} at index {d} does not match the shape of the indexed tensor "
                    f"{list(x.shape)} at index {d}"
                )
            for positions in backend_of(k.value).table.nonzero(k.value):
                basic.append(FULL)
                arrays.append(_beside(x, wrap(positions)))
            d += k.ndim
        else:
            check_bounds(k, x.shape[d], d)
            basic.append(FULL)
            arrays.append(_beside(x, k))
            d += 1
    if all(a is None for a in arrays):
        return tuple(basic), None
    return tuple(basic), tuple(arrays)


def _beside(x: Tensor, k: Tensor) -> Tensor:
    """An index that lies on the CPU joins the tensor that it indexes, as in PyTorch."""
    return k if type(k.value) is type(x.value) or k.device.type != "cpu" else k.to(x.device)  # type: ignore[attr-defined]


def _is_mask(k: Any) -> bool:
    return isinstance(k, Tensor) and k.dtype in (dtypes.bool_, dtypes.uint8)


def _item(k: Any) -> Any:
    """One part of a key as None, Ellipsis, bool, int, slice, or an index Tensor."""
    if k is None or k is Ellipsis or type(k) is int or isinstance(k, bool):
        return k
    if isinstance(k, slice):
        return slice(*(v if v is None or type(v) is int else index_of(v) for v in (k.start, k.stop, k.step)))
    if isinstance(k, Tensor):
        if k.dtype.category > dtypes.INTEGER:
            raise IndexError(f"tensors used as indices must be long, int, byte or bool tensors; got {k.dtype}")
        if k.dtype is dtypes.uint8:
            warnings.warn(
                "indexing with dtype uint8 is deprecated, please use a dtype bool instead.", UserWarning, stacklevel=4
            )
        if k.ndim == 0 and not hasattr(k.value, "level"):
            return bool(k.item()) if k.dtype in (dtypes.bool_, dtypes.uint8) else int(k.item())
        return k
    if isinstance(k, list | tuple | range) or hasattr(k, "__array__"):
        found = as_tensor(k)
        if found.shape.numel() == 0 and not hasattr(k, "dtype"):
            found = found.to(dtypes.int64)
        return _item(found)
    if hasattr(k, "__index__"):
        return k.__index__()
    kind = TypeError if isinstance(k, str) else IndexError  # as PyTorch
    raise kind(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
        f"(got {type(k).__name__})"
    )


def index_of(bound: Any) -> int:
    try:
        return operator.index(bound)
    except TypeError:
        raise TypeError("slice indices must be integers or None or have an __index__ method") from None


def check_bounds(k: Tensor, n: int, d: int, least: int | None = None) -> None:
    if hasattr(k.value, "level") or 0 in k.value.shape:
        return
    least = -n if least is None else least
    bounds = backend_of(k.value).known_bounds(k.value, least, n - 1)
    if bounds is None:
        return
    low, high = bounds
    if low < least or high >= n:
        where = f"for dimension {d} with size {n}" if n else "for dimension with size 0"
        raise OutOfRange(f"index {low if low < least else high} is out of bounds {where}")


def slices_at(x: Tensor, d: int, index: Tensor, least: int | None = None) -> tuple:
    """The index for the advanced step that takes the slices of ``x`` at a vector of positions along ``d``."""
    check_bounds(index, x.value.shape[d], d, least)
    return (*(FULL,) * d, _beside(x, index).value)


def index_arrays(arrays: tuple) -> tuple:
    """The index for the advanced step, as raw arrays."""
    last = max(i for i, a in enumerate(arrays) if a is not None)
    return tuple(FULL if a is None else a.value for a in arrays[: last + 1])


def _from_list(x: Tensor, key: list) -> Any:
    """A key that is a list as PyTorch reads it: a short one of sequences is a tuple, if there are dimensions enough."""
    if len(key) <= min(x.ndim, 31) and any(isinstance(k, list | tuple | range | slice | Tensor) for k in key):
        return tuple(key)
    return key


def getitem(x: Tensor, key: Any) -> Tensor:
    """``x[key]``: a view for ints and slices, a copy for arrays of indices and masks."""
    if type(key) is list:
        key = _from_list(x, key)
    plain = _plain_key(key, x.value.shape)
    if plain is not None:
        return index_ops.getitem(x, plain)
    arrays = _host_index(x, key)
    if arrays is not None:
        try:
            return index_ops.index(x, arrays)
        except IndexError:  # `parse` says it in PyTorch's words
            pass
    basic, arrays = parse(x, key)
    part = x if _is_whole(basic) else ops.getitem(x, basic)
    if arrays is None:
        return ops.getitem(x, ()) if part is x else part
    placed = index_arrays(arrays)
    return index_ops.index(lifted_to_indices(part, placed), placed)


def _plain_key(key: Any, shape: tuple[int, ...]) -> tuple | None:
    """The key as a tuple of nothing but ints in range, slices of ints and None: the common case, five times as fast."""
    if type(key) is not tuple:
        key = (key,)
    d = 0
    for i, k in enumerate(key):
        kind = type(k)
        if kind is int:
            if d >= len(shape) or not -shape[d] <= k < shape[d]:
                return None
        elif k is None:
            continue
        elif k is Ellipsis:
            rest = key[i + 1 :]
            missing = len(shape) - d - len(rest) + rest.count(None) if _PLAIN_TYPES.issuperset(map(type, rest)) else -1
            return None if missing < 0 else _plain_key((*key[:i], *(FULL,) * missing, *rest), shape)
        elif kind is not slice or not (type(k.start) in _PLAIN and type(k.stop) in _PLAIN and type(k.step) in _PLAIN):
            return None
        d += 1
    return key if d <= len(shape) else None


_CHECKED_BELOW = 256  # indices; the kernel for more of them, in several dimensions, does not look at the bounds


def _host_index(x: Tensor, key: Any) -> tuple | None:
    """The raw index of a key of full slices and lists of ints or tensors of int64, where NumPy checks the bounds itself."""
    if type(x.value) is not HOST:
        return None
    key = key if type(key) is tuple else (key,)
    found: list[Any] = []
    shape = None
    for k in key:
        if type(k) is list and set(map(type, k)) == {int}:
            k = as_tensor(k, device="cpu")
        if isinstance(k, Tensor):
            value = k.value
            if type(value) is not HOST or k.dtype is not dtypes.int64 or not value.shape:
                return None
            if shape is not None and (shape != value.shape or value.size >= _CHECKED_BELOW):
                return None
            shape = value.shape
            found.append(value)
        elif type(k) is slice and k == FULL:
            found.append(FULL)
        else:
            return None
    return tuple(found) if shape is not None and len(found) <= x.value.ndim else None


def overwrite_at_once(x: Tensor, key: Any, value: Any) -> bool:
    """``x[key] = value`` where that is a matter of memory alone: a plain tensor of floats on the CPU, nothing recorded."""
    if type(x) is View or x.node is not None or current() not in (None, NO_GRAD) or x._version < 0:
        return False
    array = x.value
    if type(array) is not HOST or array.dtype not in REAL:
        return False
    if type(value) is Tensor:
        if value.node is not None or type(value.value) is not HOST or value.value.dtype is not array.dtype:
            return False
        value = value.value
    elif type(value) is not int and not (type(value) is float and array.dtype in FLOATS):
        return False
    if type(key) is Tensor and type(key.value) is HOST and key.dtype is dtypes.bool_ and key.value.shape == array.shape:
        if hasattr(value, "shape") and value.shape:
            return False
        plain = key.value
    else:
        plain = _plain_key(key, array.shape)
        if plain is None:
            return False
    try:
        array[plain] = value
    except (ValueError, OverflowError):  # shapes that do not fit, memory that is read-only: the general way says so
        return False
    del array
    overwritten(x)
    return True


def _is_whole(basic: tuple) -> bool:
    return all(k == FULL for k in basic if k is not None) and None not in basic


def setitem(x: Tensor, key: Any, value: Any) -> None:
    """``x[key] = value``: writes into the memory of ``x`` and is differentiated."""
    if type(key) is list:
        key = _from_list(x, key)
    if overwrite_at_once(x, key, value):
        return
    check_leaf(x, "__setitem__")
    if not isinstance(value, Tensor):
        value = (
            as_tensor(value, device=x.device)
            if not isinstance(value, int | float | complex)
            else as_tensor(number_for(value, x.dtype, "__setitem__"), dtype=x.dtype, like=x)
        )
    elif value.device != x.device and value.ndim == 0:
        value = value.to(x.device)
    if value.dtype is not x.dtype:
        if value.dtype.is_complex and not x.dtype.is_complex:
            raise DTypeError(f"__setitem__: can't write {value.dtype} values into a {x.dtype} tensor")
        value = OPS["cast"].call(value, x.dtype, value.dtype)
    basic, arrays = parse(x, key)
    part = x if _is_whole(basic) else ops.getitem(x, basic)
    if arrays is None:
        write_into(part, value)
        return
    refuse_overlap(part, (value,) if value.shape.numel() != 1 else (), "__setitem__")
    try:
        placed = index_arrays(arrays)
        result = index_ops.index_put(lifted_to_indices(part, placed), _fit_value(part, value, arrays), placed)
    except ShapeError:
        raise ShapeError(
            f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to indexing result of shape "
            f"{list(index_ops.index(part.detach(), index_arrays(arrays)).shape)}"
        ) from None
    write(part, result, "__setitem__")


def indexed_ndim(arrays: tuple, ndim: int) -> int:
    """How many dimensions ``part[arrays]`` has."""
    used = [a for a in arrays if a is not None]
    return ndim - len(used) + max(a.ndim for a in used)


def _fit_value(part: Tensor, value: Tensor, arrays: tuple) -> Tensor:
    ndim = indexed_ndim(arrays, part.ndim)
    while value.ndim > ndim and value.shape[0] == 1:
        value = value.squeeze(0)
    return value


def write_into(part: Tensor, value: Tensor) -> None:
    """Overwrite a view with a value that broadcasts to it."""
    refuse_expanded(part, "__setitem__") if part.ndim else None
    while value.ndim > part.ndim and value.shape[0] == 1:  # as in PyTorch, leading ones are dropped
        value = value.squeeze(0)
    if value.shape == part.shape and not value.requires_grad and not part.requires_grad:
        refuse_overlap(part, (value,), "__setitem__")
        write(part, value, "__setitem__")
        return
    try:
        write(
            part,
            fitted(part, value if value.requires_grad or value.shape != part.shape else value.clone(), "__setitem__"),
            "__setitem__",
        )
    except ShapeError:
        raise ShapeError(
            f"The expanded size of the tensor {list(part.shape)} must match the existing size: value of shape {list(value.shape)} does not broadcast"
        ) from None


Tensor.__getitem__ = getitem  # type: ignore[attr-defined]
Tensor.__setitem__ = setitem  # type: ignore[attr-defined]
