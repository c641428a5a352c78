"""Pieces: tensors joined and cut along one dimension."""

from __future__ import annotations

from typing import Any

from ..core import dtypes
from ..core.errors import ShapeError
from ..core.graph import entitled
from ..core.record import HOST
from ..core.tensor import Tensor, wrap
from ..core.view import mark_pieces
from ..ops import indexing as index_ops
from ..ops import shape as shape_ops
from .checking import KINDS, fits, right
from .registry import dim_arg, public, shape_arg, tensor_arg


def tensor_list(tensors: Any, name: str) -> list[Tensor]:
    if isinstance(tensors, Tensor | dict | str):
        raise TypeError(f"{name}(): argument 'tensors' must be tuple of Tensors, not {type(tensors).__name__}")
    items = list(tensors)
    for i, x in enumerate(items):
        if not isinstance(x, Tensor):
            items[i] = tensor_arg(x, name, f"tensors[{i}]")
    if not items:
        raise ShapeError(f"{name}(): expected a non-empty list of Tensors")
    return items


@public("concat", "concatenate", method=False)
def cat(tensors: Any, dim: int = 0) -> Tensor:
    """Tensors joined along an existing dimension; dtypes are promoted.

    Raises RuntimeError where other sizes differ.

    >>> import lucid
    >>> lucid.cat([lucid.zeros(2, 1), lucid.ones(2, 2)], dim=1)
    tensor([[0., 1., 1.],
            [0., 1., 1.]])
    """
    items = tensor_list(tensors, "cat")
    shapes = [x.value.shape for x in items]
    if len(shapes[0]) > 1 and shapes.count(shapes[0]) == len(shapes):
        return shape_ops.concat(items, dim_arg(dim, len(shapes[0]), "cat"))
    solid = [x for x in items if tuple(x.value.shape) != (0,)] or items[:1]  # PyTorch lets empty 1-D tensors through
    first = tuple(solid[0].value.shape)
    if not first:
        raise RuntimeError("zero-dimensional tensor (at position 0) cannot be concatenated")
    d = dim_arg(dim, len(first), "cat") if first != (0,) else 0  # PyTorch lets those through with any dim
    for i, x in enumerate(solid):
        shape = tuple(x.value.shape)
        if shape == first:
            continue
        if len(shape) != len(first):
            raise ShapeError(f"cat: Tensors must have same number of dimensions: got {len(first)} and {len(shape)}")
        if any(a != b for k, (a, b) in enumerate(zip(shape, first, strict=True)) if k != d):
            raise ShapeError(
                f"cat: Sizes of tensors must match except in dimension {d}. Expected {first} but got "
                f"{shape} for tensor number {i} in the list."
            )
    if len(solid) < len(items):
        target = dtypes.result_type(*((x.dtype, 2) for x in items))
        solid = [x.to(target) for x in solid]
    return shape_ops.concat(solid, d)


@public(method=False)
def stack(tensors: Any, dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new dimension.

    >>> import lucid
    >>> lucid.stack([lucid.zeros(2), lucid.ones(2)])
    tensor([[0., 0.],
            [1., 1.]])
    """
    items = tensor_list(tensors, "stack")
    first = tuple(items[0].value.shape)
    for i, x in enumerate(items):
        if tuple(x.value.shape) != first:
            raise ShapeError(
                f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 and {list(x.shape)} at entry {i}"
            )
    d = dim_arg(dim, len(first) + 1, "stack")
    longer = (*first[:d], 1, *first[d:])
    return entitled(shape_ops.concat([_one_longer(x, longer) for x in items], d), "StackBackward0")


def _one_longer(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """``x`` in this shape; no view of it where there is no graph that would need one (batches of data are stacked)."""
    value = x.value
    return wrap(value.reshape(shape)) if x.node is None and type(value) is HOST else shape_ops.reshape(x, shape)


def piece(x: Tensor, d: int, start: int, stop: int) -> Tensor:
    return index_ops.getitem(x, (slice(None),) * d + (slice(start, stop),))


@public(out=False)
def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Consecutive pieces along ``dim``: of one size (the last may be smaller) or of the sizes listed. Views.

    >>> import lucid
    >>> [len(p) for p in lucid.split(lucid.arange(5), 2)]
    [2, 2, 1]
    """
    if not tensor.value.shape:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    d = dim_arg(dim, tensor.ndim, "split")
    n = tensor.value.shape[d]
    if isinstance(split_size_or_sections, bool):
        raise TypeError("split(): argument 'split_size_or_sections' must be int or tuple of ints, not bool")
    if isinstance(split_size_or_sections, Tensor):
        if split_size_or_sections.shape.numel() != 1:
            raise TypeError(
                f"split(): argument 'split_size_or_sections' must be int or tuple of ints, not Tensor of shape "
                f"{tuple(split_size_or_sections.shape)}"
            )
        split_size_or_sections = int(split_size_or_sections.item())
    elif type(split_size_or_sections) is not int and hasattr(split_size_or_sections, "__index__"):
        split_size_or_sections = split_size_or_sections.__index__()
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size > n:
            fits(size, "split", "split_size_or_sections")
        if size < 0 or (size == 0 and n):
            raise RuntimeError(f"split expects split_size be positive, but got split_size={size}")
        sizes = [min(size, n - i) for i in range(0, n, size)] if n else [0]
    else:
        sizes = list(shape_arg((split_size_or_sections,), "split"))
        if sum(sizes) != n or any(s < 0 for s in sizes):
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's size at dimension {d}), but got split_sizes={sizes}"
            )
    pieces, lead, at = [], (slice(None),) * d, 0
    for s in sizes:
        pieces.append(index_ops.getitem(tensor, (*lead, slice(at, at + s))))
        at += s
    if pieces and pieces[0].node is not None:
        mark_pieces(pieces, "SplitBackward0" if isinstance(split_size_or_sections, int) else "SplitWithSizesBackward0")
    return tuple(pieces)


@public(out=False)
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most ``chunks`` consecutive pieces of equal size (the last may be smaller). Views.

    >>> import lucid
    >>> [len(p) for p in lucid.chunk(lucid.arange(5), 2)]
    [3, 2]
    """
    if chunks < 1:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    if not input.value.shape:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks > 2**62:
        fits(chunks, "chunk", "chunks")
    n = input.value.shape[dim_arg(dim, input.ndim, "chunk")]
    if not n:
        return tuple(split(input, 0, dim) * chunks)
    return split(input, -(-n // chunks), dim)


@public(out=False)
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All slices along ``dim``, without it. Views.

    >>> import lucid
    >>> a, b = lucid.unbind(lucid.tensor([[1, 2], [3, 4]]))
    >>> b
    tensor([3, 4])
    """
    d = dim_arg(dim, input.ndim, "unbind")
    if not input.ndim:
        raise IndexError("unbind: Dimension specified as 0 but tensor has no dimensions")
    lead = (slice(None),) * d
    pieces = [index_ops.getitem(input, (*lead, i)) for i in range(input.value.shape[d])]
    if pieces and pieces[0].node is not None:
        mark_pieces(pieces, "UnbindBackward0")
    return tuple(pieces)


@public(out=False)
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice at ``index`` along ``dim``: a view.

    >>> import lucid
    >>> lucid.select(lucid.tensor([[1, 2], [3, 4]]), 1, 0)
    tensor([1, 3])
    """
    d = dim_arg(dim, input.ndim, "select")
    n = input.value.shape[d] if input.ndim else 0
    if not -n <= index < n:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(input.shape)} at dimension {d}"
        )
    return index_ops.getitem(input, (slice(None),) * d + (int(index),))


@public(out=False)
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """``length`` slices from ``start`` along ``dim``: a view.

    >>> import lucid
    >>> lucid.narrow(lucid.arange(5), 0, 1, 3)
    tensor([1, 2, 3])
    """
    d = dim_arg(dim, input.ndim, "narrow")
    if not input.ndim:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if isinstance(start, Tensor) and (start.shape.numel() != 1 or start.dtype.category != dtypes.INTEGER):
        raise RuntimeError(
            f"narrow: start must be an 0-dim integral Tensor, got {start.dtype}, {start.ndim} dimensions"
        )
    if type(start) is not int:
        start = right(start, KINDS["int"], "narrow", "start")
    n = input.value.shape[d]
    if not -n <= start <= n:
        fits(start, "narrow", "start")
        raise IndexError(f"narrow(): start {start} out of range for dimension of size {n}")
    start = start + n if start < 0 else start
    if length < 0 or start + length > n:
        raise RuntimeError(f"narrow(): start ({start}) + length ({length}) exceeds dimension size ({n}).")
    return piece(input, d, start, start + length)
