"""What is taken from, or added to, places along one dimension or under a mask: gather, scatter_add, index_select, masked_fill."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..backends import backend_of
from ..core import dtypes
from ..core.errors import DTypeError, ShapeError
from ..core.graph import entitled
from ..core.record import FLOATS, HOST
from ..core.tensor import Tensor, as_tensor, wrap
from ..ops import elementwise
from ..ops import indexing as index_ops
from .checking import Value
from .indexing import FULL, OutOfRange, check_bounds, getitem
from .registry import dim_arg, number_for, public


def index_arg(index: Any, name: str) -> Tensor:
    if not isinstance(index, Tensor):
        raise TypeError(f"{name}(): argument 'index' must be Tensor, not {type(index).__name__}")
    if index.dtype is not dtypes.int64 and index.dtype is not dtypes.int32:
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index, got {index.dtype}")
    return index


def check_along(x: Tensor, index: Tensor, d: int, name: str) -> None:
    sizes, shape = index.value.shape, x.value.shape
    if len(sizes) != len(shape):
        raise ShapeError(
            f"{name}(): Index tensor must have the same number of dimensions as input tensor: got {index.ndim} and {x.ndim}"
        )
    for i, (n, m) in enumerate(zip(sizes, shape, strict=True)):
        if n > m and i != d:
            raise ShapeError(
                f"{name}(): Size does not match at dimension {i} expected index {list(index.shape)} to be no larger than self {list(x.shape)} apart from dimension {d}"
            )
    if not hasattr(index.value, "level") and 0 not in sizes:
        n = shape[d] if shape else 1
        low, high = backend_of(index.value).known_bounds(index.value, 0, n - 1) or (0, n - 1)
        if low < 0 or high >= n:
            raise OutOfRange(
                f"{name}(): index {low if low < 0 else high} is out of bounds for dimension {d} with size {n}"
            )


@public()
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """``out[i][j] = input[index[i][j]][j]`` for dim 0, and likewise along other dimensions.

    >>> import lucid
    >>> lucid.gather(lucid.tensor([[1, 2], [3, 4]]), 1, lucid.tensor([[0], [1]]))
    tensor([[1],
            [4]])
    """
    d = dim_arg(dim, input.ndim, "gather")
    if isinstance(index, Tensor) and 0 in index.value.shape:  # PyTorch: of any shape and dtype
        return ops.reshape(ops.getitem(ops.reshape(input, (-1,)), (slice(0, 0),)), tuple(index.shape))
    index = index_arg(index, "gather")
    if input.ndim != index.ndim and input.ndim <= 1 and index.ndim <= 1:  # a 0-d tensor counts as a vector of one
        return ops.reshape(gather(input.reshape(-1), 0, index.reshape(-1)), tuple(index.shape))  # type: ignore[attr-defined]
    check_along(input, index, d, "gather")
    return index_ops.take_along_axis(input, index, d)


@public(inplace=True)
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """A copy of ``input`` with ``src`` added at ``index`` along ``dim``; repeated positions add up.

    >>> import lucid
    >>> lucid.zeros(3).scatter_add(0, lucid.tensor([0, 2, 2]), lucid.ones(3))
    tensor([1., 0., 2.])
    """
    d = dim_arg(dim, input.ndim, "scatter_add")
    check_along(input, index_arg(index, "scatter_add"), d, "scatter_add")
    if src.dtype is not input.dtype:
        raise DTypeError(
            f"scatter_add(): Expected self.dtype to be equal to src.dtype; got {input.dtype} and {src.dtype}"
        )
    return index_ops.scatter_add(input, index, corner(src, index, "scatter_add"), d)


def corner(src: Tensor, index: Tensor, name: str) -> Tensor:
    """The part of ``src`` that belongs to ``index``, which may be smaller."""
    sizes, shape = index.value.shape, src.value.shape
    if shape == sizes:
        return src
    if len(shape) != len(sizes):
        raise OutOfRange(
            f"{name}(): Index tensor must have the same number of dimensions as src tensor: got {len(sizes)} and {len(shape)}"
        )
    if any(n > m for n, m in zip(sizes, shape, strict=True)):
        raise ShapeError(
            f"{name}(): Expected index {list(sizes)} to be no larger than src {list(shape)} size in every dimension"
        )
    return ops.getitem(src, tuple(slice(n) for n in index.shape))


@public(inplace=True, out=False)
def masked_fill(input: Tensor, mask: Tensor, value: Value) -> Tensor:
    """``value`` where the mask holds, ``input`` elsewhere.

    >>> import lucid
    >>> lucid.zeros(2).masked_fill(lucid.tensor([True, False]), 5.0)
    tensor([5., 0.])
    """
    if type(value) is float and mask.dtype is dtypes.bool_ and input.value.dtype in FLOATS:
        return entitled(elementwise.where(mask, value, input), "MaskedFillBackward0")
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(f"masked_fill only supports boolean masks, but got mask with dtype {mask.dtype}")
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(
            f"masked_fill only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        )
    if not isinstance(value, Tensor):
        value = as_tensor(number_for(value, input.dtype, "masked_fill"), dtype=input.dtype, like=input)
    elif value.dtype.category > input.dtype.category and input.dtype is not dtypes.bool_:
        raise DTypeError(f"masked_fill: value of dtype {value.dtype} cannot be converted to {input.dtype} without loss")
    return entitled(ops.where(mask, value.to(input.dtype), input), "MaskedFillBackward0")


@public()
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask holds, as a vector."""
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(f"masked_select: expected BoolTensor for mask, got {mask.dtype}")
    from .shaping import broadcast_tensors

    x, m = broadcast_tensors(input, mask)
    return entitled(getitem(x, m), "MaskedSelectBackward0")


@public()
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices at ``index`` (a vector of ints) along ``dim``.

    >>> import lucid
    >>> lucid.index_select(lucid.tensor([[1, 2], [3, 4]]), 1, lucid.tensor([1, 1]))
    tensor([[2, 2],
            [4, 4]])
    """
    d = dim_arg(dim, input.ndim, "index_select")
    if index_arg(index, "index_select").ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    if not input.ndim:
        if index.shape.numel() != 1:
            raise RuntimeError(
                f"index_select(): Index to scalar can have only 1 value, got {index.shape.numel()} value(s)"
            )
        return input.clone()
    check_bounds(index, input.value.shape[d], d, 0)
    if type(input.value) is HOST and type(index.value) is HOST and len(index.value.shape) == 1:
        return entitled(index_ops.index(input, (*(FULL,) * d, index.value)), "IndexSelectBackward0")
    return entitled(getitem(input, (FULL,) * d + (index if index.ndim else index.reshape(1),)), "IndexSelectBackward0")


@public()
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Where the elements are not zero: a matrix with a row per element, or a tuple of index vectors.

    >>> import lucid
    >>> lucid.nonzero(lucid.tensor([0, 3, 4]))
    tensor([[1],
            [2]])
    """
    found = tuple(wrap(v) for v in backend_of(input.value).table.nonzero(input.value))
    if as_tuple:
        return found
    if not input.ndim:
        return found[0].reshape(-1, 1)[:, :0]
    from .pieces import stack

    return stack(found, 1)
