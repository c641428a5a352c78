"""Raw strides, windows, bytes, and the in-place forms of shape changes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import eq
from typing import Any

from .. import ops
from ..backends import backend_of
from ..core import dtypes
from ..core.reshaping import reshaped_in_place
from ..core.tensor import Tensor, wrap
from ..core.view import View, is_view, refuse_inference
from ..ops import shape as shape_ops
from .outputs import check_leaf
from .registry import FUNCTIONS, dim_arg, public, tensor_arg
from .shaping import squeeze, swapaxes, t, transpose, unsqueeze


def row_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides of row order, in elements."""
    strides = [1] * len(shape)
    for d in range(len(shape) - 2, -1, -1):
        strides[d] = strides[d + 1] * max(shape[d + 1], 1)
    return tuple(strides)


def geometry(x: Tensor) -> tuple[int, tuple[int, ...], int]:
    """(elements in the memory of ``x``, its strides in elements, the position of its first element)."""
    value = x.value
    strides = getattr(value, "strides", None)
    table = backend_of(value).table
    if strides is None or not hasattr(table, "storage_of"):
        return x.shape.numel(), row_strides(x.shape), 0
    total, start = table.storage_of(value)
    if 0 in value.shape:
        return total, row_strides(value.shape), start
    return total, tuple(s // value.itemsize for s in strides), start


@public(out=False)
def as_strided(input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Tensor:
    """Elements of the memory under ``input``, by strides counted in elements: a view.

    Raises RuntimeError for lengths that differ, negative strides, and positions outside the memory.

    >>> import lucid
    >>> lucid.arange(6).as_strided((2, 2), (2, 1))
    tensor([[0, 1],
            [2, 3]])
    """
    x = tensor_arg(input, "as_strided")
    size, stride = tuple(s.__index__() for s in size), tuple(s.__index__() for s in stride)
    if len(size) != len(stride):
        raise RuntimeError(f"mismatch in length of strides and shape: {list(size)} and {list(stride)}")
    if any(s < 0 for s in stride):
        raise RuntimeError(f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}")
    if hasattr(x.value, "level"):  # inside jvp or vmap there is no one memory: row order is what counts
        flat = ops.reshape(x, (x.shape.numel(),))
        where: Any = 0 if storage_offset is None else storage_offset
        for n, s in zip(size, stride, strict=True):
            steps = FUNCTIONS["arange"](n, device=x.device) * s
            where = (where.unsqueeze(-1) if isinstance(where, Tensor) else where) + steps
        part = flat[where]  # type: ignore[index]
        part.__dict__["_copy_of_view"] = True
        return part
    total, own, start = geometry(x)
    offset = start if storage_offset is None else int(storage_offset)
    if offset < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {offset}")
    return shape_ops.as_strided(x, size, stride, offset, (total, own, start))


@public(function=False, out=False)
def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All windows of ``size`` along a dimension, ``step`` apart, as a new last dimension: a view.

    >>> import lucid
    >>> lucid.arange(5).unfold(0, 2, 2)
    tensor([[0, 1],
            [2, 3]])
    """
    x = tensor_arg(input, "unfold")
    d = dim_arg(dimension, x.ndim, "unfold")
    n = x.shape[d] if x.ndim else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > n:
        raise RuntimeError(f"maximum size for tensor at dimension {d} is {n} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    return shape_ops.unfold(x, d, int(size), int(step))


def view_dtype(x: Tensor, dtype: Any) -> Tensor:
    """The bytes of ``x`` as another dtype: ``Tensor.view(dtype)``."""
    d = dtypes.as_dtype(dtype)
    if d is x.dtype:
        return ops.reshape(x, tuple(x.shape))
    ours, theirs = x.dtype.itemsize, d.itemsize
    if ours != theirs:
        if not x.ndim:
            raise RuntimeError(f"self.dim() cannot be 0 to view {x.dtype} as {d} (different element sizes)")
        if theirs > ours and (x.shape[-1] * ours) % theirs:
            raise RuntimeError(
                f"self.size(-1) must be divisible by {theirs // ours} to view {x.dtype} as {d} (different element sizes), but got {x.shape[-1]}"
            )
        if geometry(x)[1][-1] != 1:
            raise RuntimeError(
                f"self.stride(-1) must be 1 to view {x.dtype} as {d} (different element sizes), but got {geometry(x)[1][-1]}"
            )
    return shape_ops.reinterpret(x, d, x.dtype)


# ---- shape changes in place ----


def _inplace(name: str, f: Callable) -> None:
    def inplace(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        check_leaf(self, name)
        return reshaped_in_place(self, lambda x: f(x, *args, **kwargs))

    inplace.__name__ = inplace.__qualname__ = name
    inplace.__doc__ = f"``{name[:-1]}``, of this very tensor."
    setattr(Tensor, name, inplace)


for _name, _f in {"squeeze_": squeeze, "unsqueeze_": unsqueeze, "transpose_": transpose, "swapaxes_": swapaxes, "swapdims_": swapaxes,
                  "t_": t, "as_strided_": as_strided}.items():  # fmt: skip
    _inplace(_name, _f)
FUNCTIONS["as_strided_"] = Tensor.as_strided_  # type: ignore[attr-defined]


def resize_(self: Tensor, *sizes: Any, memory_format: Any = None) -> Tensor:
    """This tensor with another shape, in row order: the elements stay as far as they fit, new ones are arbitrary (here 0)."""
    from .registry import shape_arg

    if self.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    refuse_inference(self, "resize_")
    shape = shape_arg(sizes, "resize_")
    have, want = self.shape.numel(), math.prod(shape)
    if want >= 2**60:
        raise RuntimeError(f"resize_: Storage size calculation overflowed with sizes={list(shape)}")
    if isinstance(self, View):
        if tuple(self.shape) == shape:
            return self
        total, _, start = geometry(self)
        if start + want > total:
            raise RuntimeError(
                f"resize_: this tensor of shape {tuple(self.shape)} shows memory of another, which has no room for the shape "
                f"{shape}; resize a clone(), or give out= a tensor of its own"
            )
        return reshaped_in_place(self, lambda x: as_strided(x, shape, row_strides(shape), start))
    flat = ops.reshape(self.detach(), (have,))  # type: ignore[attr-defined]
    if want > have:
        flat = ops.place(flat, (want,), (slice(0, have),))
    self.value = ops.reshape(flat[:want], shape).value  # type: ignore[index]
    self._version += 1
    return self


Tensor.resize_ = resize_  # type: ignore[attr-defined]
Tensor.resize_as_ = lambda input, the_template, **_: resize_(input, *the_template.shape)  # type: ignore[attr-defined]


# ---- memory ----


def set_(
    self: Tensor,
    source: Any = None,
    storage_offset: int = 0,
    size: Sequence[int] | None = None,
    stride: Sequence[int] | None = None,
) -> Tensor:
    """Show the memory of another tensor or of a storage, or a part of it by its strides; nothing without a source.

    Raises RuntimeError for a source of another dtype and positions outside the memory.

    >>> import lucid
    >>> x = lucid.arange(6)
    >>> lucid.tensor([], dtype=x.dtype).set_(x.untyped_storage(), 1, (2, 2), (3, 1))
    tensor([[1, 2],
            [4, 5]])
    """
    if source is None:
        found = self.new_empty(0)  # type: ignore[attr-defined]
    elif hasattr(source, "elements"):  # a storage
        found = source.elements(self.dtype)
    elif isinstance(source, Tensor):
        found = source
    else:
        raise TypeError(f"set_(): argument 'source' must be Tensor or Storage, not {type(source).__name__}")
    if found.dtype is not self.dtype:
        raise RuntimeError(f"Could not set tensor of type {found.dtype} to a tensor of type {self.dtype}")
    if size is not None:
        found = as_strided(found, size, row_strides(size) if stride is None else stride, storage_offset)
    self.data = found  # type: ignore[attr-defined]
    return self


Tensor.set_ = set_  # type: ignore[attr-defined]


def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether both show the same memory in the same way."""
    return address(self) == address(tensor) and self.shape == tensor.shape and geometry(self)[1] == geometry(tensor)[1]


def address(x: Tensor) -> int:
    return address_of(x.value)


def address_of(array: Any) -> int:
    interface = getattr(array, "__array_interface__", None) or getattr(array, "__cuda_array_interface__", None)
    if interface is not None:
        return interface["data"][0]  # type: ignore[no-any-return]
    return 0 if wrap(array).device.type == "meta" else id(array)


Tensor.is_set_to = is_set_to  # type: ignore[attr-defined]
Tensor.data_ptr = address  # type: ignore[attr-defined]
Tensor._is_view = is_view  # type: ignore[attr-defined]
Tensor.storage_offset = lambda self: geometry(self)[2]  # type: ignore[attr-defined]


def stride(self: Tensor, dim: int | None = None) -> Any:
    """How far apart neighbours along each dimension lie in memory, in elements."""
    strides = geometry(self)[1]
    return strides if dim is None else strides[dim_arg(dim, self.ndim, "stride")]


def dim_order(self: Tensor, *, ambiguity_check: Any = False) -> tuple[int, ...]:
    """The dimensions from the one whose neighbours lie farthest apart in memory to the one whose lie closest.

    With ``ambiguity_check=True`` RuntimeError if another order would do as well.
    """
    strides = geometry(self)[1]
    formats = ambiguity_check if isinstance(ambiguity_check, list) else []
    if not isinstance(ambiguity_check, bool | list) or not all(type(f).__name__ == "memory_format" for f in formats):
        raise TypeError("The ambiguity_check argument must be a bool or a list of memory formats.")
    if ambiguity_check is True and (1 in self.shape or any(map(eq, strides, strides[1:]))):
        raise RuntimeError("The tensor does not have unique dim order.")
    return tuple(sorted(range(self.ndim), key=lambda d: -strides[d]))


Tensor.dim_order = dim_order  # type: ignore[attr-defined]

if not hasattr(Tensor, "stride"):
    Tensor.stride = stride  # type: ignore[attr-defined]
