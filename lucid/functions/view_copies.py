"""``X_copy``, the views of PyTorch as copies, and what Lucid and NumPy call by other names: expand_dims, squeeze_all, astype."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..core import dtypes
from ..core.errors import ShapeError
from ..core.tensor import Tensor
from ..core.transform import each_example
from .registry import FUNCTIONS, dim_arg, public, tensor_arg
from .strides import as_strided


def _copied(result: Any) -> Any:
    return tuple(ops.copy(r) for r in result) if isinstance(result, tuple) else ops.copy(result)


def _copy_of(name: str) -> None:
    f = getattr(Tensor, name)

    def copy(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        return _copied(f(tensor_arg(input, f"{name}_copy"), *args, **kwargs))

    copy.__name__ = copy.__qualname__ = f"{name}_copy"
    copy.__doc__ = f"``{name}``, as a copy."
    public(method=name == "narrow")(copy)


for _name in ("narrow", "select", "transpose", "unfold", "expand", "permute", "squeeze", "t", "unsqueeze", "unbind", "split", "split_with_sizes",
              "view", "diagonal", "as_strided", "detach", "view_as_real", "view_as_complex"):  # fmt: skip
    _copy_of(_name)


@public(method=False)
def alias_copy(input: Tensor) -> Tensor:
    """A copy; gradients flow through it."""
    return ops.copy(tensor_arg(input, "alias_copy"))


@public(method=False)
def slice_copy(input: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Tensor:
    """``input[start:end:step]`` along ``dim``, as a copy.

    >>> import lucid
    >>> lucid.slice_copy(lucid.arange(5), 0, 1, 4, 2)
    tensor([1, 3])
    """
    x = tensor_arg(input, "slice_copy")
    if step <= 0:
        raise RuntimeError(f"slice_copy: slice step must be positive, got {step}")
    d = dim_arg(dim, x.ndim, "slice_copy")
    return ops.copy(x[(slice(None),) * d + (slice(start, end, step),)])  # type: ignore[index]


for _name in ("expand", "repeat", "view", "contiguous"):  # functions in Lucid, methods in PyTorch
    FUNCTIONS[_name] = getattr(Tensor, _name)


@public(out=False)
def expand_dims(input: Tensor, dim: int) -> Tensor:
    """``unsqueeze``.

    >>> import lucid
    >>> lucid.expand_dims(lucid.zeros(2), 0).shape
    lucid.Size([1, 2])
    """
    return input.unsqueeze(dim)  # type: ignore[attr-defined]


@public(function=False, out=False)
def squeeze_all(input: Tensor) -> Tensor:
    """``squeeze`` of every dimension of size 1."""
    return input.squeeze()  # type: ignore[attr-defined]


@public(function=False, out=False)
def astype(input: Tensor, dtype: Any) -> Tensor:
    """This tensor in another dtype (NumPy's name of ``to``)."""
    return input.to(dtypes.as_dtype(dtype))  # type: ignore[attr-defined]


@public(method=False, out=False)
def shape(input: Tensor) -> Any:
    """The shape."""
    return input.shape


@public(out=False)
def as_strided_scatter(input: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """A copy of ``input`` with ``src`` written at the elements that ``as_strided`` would show."""
    x, src = tensor_arg(input, "as_strided_scatter"), tensor_arg(src, "as_strided_scatter", "src")
    sizes, steps = tuple(size), tuple(stride)
    if sizes != tuple(src.shape):
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = {list(sizes)}"
        )
    count, offset = x.shape.numel(), storage_offset or 0
    last = offset + sum((n - 1) * s for n, s in zip(sizes, steps, strict=True))
    if all(sizes) and not 0 <= last < count:
        raise RuntimeError(
            f"as_strided_scatter: sizes {list(sizes)}, strides {list(steps)} and offset {offset} reach beyond the {count} elements of input"
        )
    where = FUNCTIONS["arange"](offset, offset + 1, device=x.device)
    for n, s in zip(sizes, steps, strict=True):
        where = ops.reshape(where.unsqueeze(-1) + FUNCTIONS["arange"](n, device=x.device) * s, (-1,))
    flat = ops.put_along_axis(ops.reshape(x, (count,)), where, ops.reshape(src.to(x.dtype), (-1,)), 0)  # type: ignore[attr-defined]
    return ops.reshape(flat, tuple(x.shape))


@public()
def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """The first ``size`` rows of ``nonzero``, filled up with ``fill_value``."""
    if size < 0:
        raise RuntimeError(f"nonzero_static: 'size' must be an non-negative integer, got {size}")
    return _first_places(input, size, fill_value)


@each_example("nonzero_static")
def _first_places(x: Tensor, size: int, fill_value: int) -> Tensor:
    found = x.nonzero()[:size]  # type: ignore[attr-defined]
    missing = size - len(found)
    return found if not missing else FUNCTIONS["cat"]([found, found.new_full((missing, found.shape[1]), fill_value)])


@public(method=False)
def frobenius_norm(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    """The root of the sum of squares, over ``dim`` or all."""
    return FUNCTIONS["norm"](input, "fro", tuple(dim) or None if not isinstance(dim, int) else dim, keepdim)


@public(method=False)
def nuclear_norm(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The sum of the singular values."""
    dim, keepdim = (None, dim) if isinstance(dim, bool) else (dim, keepdim)
    return FUNCTIONS["norm"](input, "nuc", dim, keepdim)


def new_empty_strided(
    self: Tensor,
    size: Any,
    stride: Any,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor with arbitrary contents and the given strides."""
    if len(size) != len(stride):
        raise ShapeError(f"mismatch in length of strides and shape: {list(size)} and {list(stride)}")
    total = 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) if all(size) else 0
    flat = FUNCTIONS["empty"](total, dtype=dtype or self.dtype, device=device or self.device)
    out = as_strided(flat, size, stride)
    return out.requires_grad_() if requires_grad else out


Tensor.new_empty_strided = new_empty_strided  # type: ignore[attr-defined]
