"""Diagonals and triangles."""

from __future__ import annotations

import functools
from typing import Any

from .. import ops
from ..backends import backend_of
from ..core import dtypes
from ..core.device import device as as_device
from ..core.device import get_default_device
from ..core.tensor import Tensor, backend_for, created
from ..ops import shape as shape_ops
from .registry import dim_arg, public, tensor_arg
from .scatter import number_like


def _pair(dim1: int, dim2: int, ndim: int, name: str) -> tuple[int, int]:
    a, b = dim_arg(dim1, ndim, name), dim_arg(dim2, ndim, name)
    if a == b:
        raise RuntimeError(f"{name}: diagonal dimensions cannot be identical {dim1}, {dim2}")
    return a, b


@public(out=False)
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal between two dimensions, as the last one: a view.

    >>> import lucid
    >>> lucid.diagonal(lucid.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    x = tensor_arg(input, "diagonal")
    a, b = _pair(dim1, dim2, x.ndim, "diagonal")
    return shape_ops.diagonal(x, int(offset), a, b)


@public(out=False)
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices with the last dimension of ``input`` on their diagonal.

    >>> import lucid
    >>> lucid.diag_embed(lucid.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    x = tensor_arg(input, "diag_embed")
    a, b = _pair(dim1, dim2, x.ndim + 1, "diag_embed")
    n = x.shape[-1] + abs(offset)
    sizes = list(x.shape[:-1])
    for d in sorted((a, b)):
        sizes.insert(d, n)
    return shape_ops.diagonal_place(x, tuple(sizes), int(offset), a, b)


@public()
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or the matrix with a vector on its diagonal.

    >>> import lucid
    >>> lucid.diag(lucid.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    x = tensor_arg(input, "diag")
    if x.ndim == 1:
        return diag_embed(x, diagonal)
    if x.ndim != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {x.ndim}D")
    return ops.copy(shape_ops.diagonal(x, int(diagonal), 0, 1))


@public(out=False)
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The matrix with the elements of ``input``, in order, on its diagonal."""
    return diag_embed(ops.reshape(input, (input.shape.numel(),)), offset)


@public(out=False)
def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy of ``input`` with ``src`` on a diagonal."""
    a, b = _pair(dim1, dim2, input.ndim, "diagonal_scatter")
    shown = diagonal(input.detach(), offset, a, b)
    if shown.shape != src.shape:
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = {list(shown.shape)}"
        )
    return shape_ops.diagonal_put(input, src.to(input.dtype), int(offset), a, b)


@public(inplace=True)
def fill_diagonal(input: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """The main diagonal set to one value (of a tall matrix again after each square, with ``wrap``)."""
    if input.ndim < 2:
        raise RuntimeError("dimensions must larger than 1")
    if input.ndim > 2 and len(set(input.shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    step = sum(_strides(tuple(input.shape)))
    total = input.shape.numel()
    stop = total if wrap and input.ndim == 2 else min(total, step * min(input.shape))
    flat, value = ops.reshape(input, (total,)), number_like(fill_value, input)
    return ops.reshape(ops.setitem(flat, value, (slice(0, stop, step),)), tuple(input.shape))


def _strides(shape: tuple[int, ...]) -> list[int]:
    strides = [1] * len(shape)
    for d in range(len(shape) - 2, -1, -1):
        strides[d] = strides[d + 1] * shape[d + 1]
    return strides


def _matrix_arg(x: Any, name: str) -> Tensor:
    x = tensor_arg(x, name)
    if x.ndim < 2:
        raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
    return x


@public(inplace=True)
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle, zeros above.

    >>> import lucid
    >>> lucid.tril(lucid.ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """
    return shape_ops.tril(_matrix_arg(input, "tril"), int(diagonal))


@public(inplace=True)
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle, zeros below.

    >>> import lucid
    >>> lucid.triu(lucid.ones(2, 2))
    tensor([[1., 1.],
            [0., 1.]])
    """
    return shape_ops.triu(_matrix_arg(input, "triu"), int(diagonal))


def _indices(row: int, col: int, offset: int, lower: bool, dtype: Any, device: Any) -> Tensor:
    if dtype is not None and dtypes.as_dtype(dtype).name not in ("int32", "int64"):
        raise NotImplementedError(f"{'tril' if lower else 'triu'}_indices: not implemented for {dtype}")
    if row < 0 or col < 0:
        raise RuntimeError(f"{'row' if row < 0 else 'col'} must be non-negative, got {row if row < 0 else col}")
    where = get_default_device() if device is None else as_device(device).resolved()
    make = _places if row * col <= 16_384 else _places.__wrapped__
    found = make(int(row), int(col), int(offset), lower, where)
    out = created(backend_of(found).copy(found))
    return out if dtype is None else out.to(dtypes.as_dtype(dtype))  # type: ignore[attr-defined]


@functools.lru_cache(32)
def _places(row: int, col: int, offset: int, lower: bool, where: Any) -> Any:
    """The raw array of ``tril_indices`` or ``triu_indices``; programs ask for the same triangle in every step."""
    backend, number = backend_for(where)
    xp = backend.table
    full = xp.full((row, col), True, dtypes.bool_, number)
    found = xp.nonzero(xp.tril(full, offset) if lower else xp.triu(full, offset))
    return xp.concat(*[xp.reshape(v, (1, v.shape[0])) for v in found], 0)


@public(method=False, out=False)
def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, layout: Any = None,
                 pin_memory: bool = False, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """The row and column numbers of the lower triangle of a matrix, as two rows.

    >>> import lucid
    >>> lucid.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    return _indices(row, col, offset, True, dtype, device)


@public(method=False, out=False)
def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, layout: Any = None,
                 pin_memory: bool = False, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """The row and column numbers of the upper triangle of a matrix, as two rows."""
    return _indices(row, col, offset, False, dtype, device)
