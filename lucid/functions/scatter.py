"""Writing at indices: scatter, index_add and their family; put, take and masked_scatter. All differentiable, all with ``X_``."""

from __future__ import annotations

import math
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.errors import DTypeError, ShapeError
from ..core.graph import entitled
from ..core.precision import autocast_unites
from ..core.tensor import Tensor, as_tensor
from ..core.transform import frames, lifted_to_indices
from ..ops import indexing as index_ops
from ..ops import scatter as scatter_ops
from .checking import KINDS, Scalar, Value, right
from .indexing import FULL, OutOfRange, getitem, index_arrays, parse, slices_at
from .outputs import fitted
from .picking import check_along, corner, index_arg
from .registry import dim_arg, number_for, public, tensor_arg
from .shaping import expand

REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


def _source(input: Tensor, src: Any, name: str) -> Tensor:
    if src.dtype is not input.dtype:
        raise DTypeError(f"{name}(): Expected self.dtype to be equal to src.dtype; got {input.dtype} and {src.dtype}")
    return src


def number_like(value: Any, x: Tensor) -> Tensor:
    """A number (or 0-d tensor) in the dtype of ``x``, rounded once."""
    if isinstance(value, Tensor):
        return value.to(x.dtype)  # type: ignore[attr-defined]
    return as_tensor(number_for(value, x.dtype, "scalar"), dtype=x.dtype, like=x)


@public(inplace=True)
def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """A copy of ``input`` with ``src`` (a tensor or a number) written at ``index`` along ``dim``.

    ``out[index[i][j]][j] = src[i][j]`` for dim 0. ``reduce`` is "add" or "multiply".

    >>> import lucid
    >>> lucid.zeros(3).scatter(0, lucid.tensor([0, 2]), 5.0)
    tensor([5., 0., 5.])
    """
    d = dim_arg(dim, input.ndim, "scatter")
    if src is None:
        src = right(value, KINDS["Scalar"], "scatter", "value")
    elif not isinstance(src, Tensor):
        value = src = right(src, KINDS["Scalar"], "scatter", "src")
    if 0 in index.value.shape:
        return input.clone()
    check_along(input, index_arg(index, "scatter"), d, "scatter")
    if value is None:
        src = corner(_source(input, src, "scatter"), index, "scatter")
    else:
        src = expand(number_like(src, input), *index.shape)
    if reduce is None:
        return ops.put_along_axis(input, index, src, d)
    if reduce == "add":
        return index_ops.scatter_add(input, index, src, d)
    if reduce == "multiply":
        return scatter_ops.scatter_reduce(input, index, src, d, "prod", True)
    raise RuntimeError("reduce argument must be either add or multiply.")


@public(inplace=True)
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """What falls on each position along ``dim``, reduced: "sum", "prod", "mean", "amax" or "amin"; with or without ``input``.

    >>> import lucid
    >>> lucid.zeros(2).scatter_reduce(0, lucid.tensor([0, 0, 1]), lucid.tensor([1.0, 3.0, 2.0]), "amax")
    tensor([3., 2.])
    """
    d = dim_arg(dim, input.ndim, "scatter_reduce")
    if reduce not in REDUCTIONS:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    _source(input, src, "scatter_reduce")
    _ordered(input, reduce, ("amax", "amin"), "scatter_reduce")
    if index.shape.numel() == 0:
        return input.clone()
    check_along(input, index_arg(index, "scatter_reduce"), d, "scatter_reduce")
    return scatter_ops.scatter_reduce(input, index, corner(src, index, "scatter_reduce"), d, reduce, bool(include_self))


# ---- whole slices at a vector of indices ----


def _vector(input: Tensor, dim: int, index: Tensor, name: str) -> tuple[int, Tensor]:
    d = dim_arg(dim, input.ndim, name)
    if index.dtype is not dtypes.int64 and (name != "index_add" or index.dtype is not dtypes.int32):
        raise OutOfRange(f"{name}_(): Expected dtype int64 for index, got {index.dtype}")
    if index.ndim > 1:
        raise OutOfRange(f"{name}_(): Index is supposed to be a vector, but got dim: {index.ndim}")
    return d, index if index.ndim else index.reshape(1)  # type: ignore[attr-defined]


def _slices(input: Tensor, d: int, index: Tensor, source: Tensor, name: str) -> tuple[Tensor, Tensor, tuple]:
    """(input, source) with at least one dimension and the index for the advanced step, all checked."""
    _source(input, source, name)
    flat = not input.ndim
    x = ops.reshape(input, (1,)) if flat else input
    s = ops.reshape(source, (1,)) if source.ndim == 0 and x.ndim == 1 else source
    sizes = x.value.shape
    if tuple(s.value.shape) != (*sizes[:d], len(index), *sizes[d + 1 :]):
        raise OutOfRange(
            f"{name}_(): Source/destination tensor must have same slice shapes. Destination {list(x.shape)}, index {list(index.shape)}, source {list(source.shape)} at dimension {d}"
        )
    return x, s, slices_at(x, d, index, 0)


@public(inplace=True)
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Scalar = 1) -> Tensor:
    """A copy of ``input`` with ``alpha * source`` added to the slices at ``index``; repeated ones add up.

    >>> import lucid
    >>> lucid.zeros(2, 2).index_add(0, lucid.tensor([1, 1]), lucid.ones(2, 2))
    tensor([[0., 0.],
            [2., 2.]])
    """
    d, index = _vector(input, dim, index, "index_add")
    x, source, at = _slices(input, d, index, source, "index_add")
    alpha = int(alpha) if input.dtype.category == dtypes.INTEGER and isinstance(alpha, float) else alpha
    source = source if alpha == 1 else source * alpha
    total = index_ops.index_put_add(lifted_to_indices(x, at), source, at)
    return entitled(ops.reshape(total, tuple(input.shape)), "IndexAddBackward0")


@public(inplace=True)
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """A copy of ``input`` with the slices of ``source`` written at ``index``."""
    if input.dtype is not source.dtype and autocast_unites(input, source):
        both = dtypes.promote_types(input.dtype, source.dtype)
        input, source = input.to(both), source.to(both)
    d, index = _vector(input, dim, index, "index_copy")
    x, source, at = _slices(input, d, index, source, "index_copy")
    return entitled(
        ops.reshape(index_ops.index_put(lifted_to_indices(x, at), source, at), tuple(input.shape)), "IndexCopyBackward0"
    )


@public(inplace=True, out=False)
def index_fill(input: Tensor, dim: int, index: Tensor, value: Value) -> Tensor:
    """A copy of ``input`` with one value in the slices at ``index``."""
    d, index = _vector(input, dim, index, "index_fill")
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(
            f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        )
    x = input if input.ndim else ops.reshape(input, (1,))
    if not isinstance(value, Tensor):
        value = number_for(value, x.dtype, "index_fill")
    elif value.dtype.is_complex and not x.dtype.is_complex:
        raise DTypeError(f"index_fill: value of dtype {value.dtype} cannot be converted to {x.dtype} without loss")
    value = number_like(value, x)
    counted = ops.where(index < 0, index + x.shape[d], index) if value.node is not None or frames() else index
    if hasattr(index.value, "level") or hasattr(value.value, "level"):  # indices may differ along a batch: by a mask
        check_along(ops.zeros_of((x.shape[d],), counted), counted, 0, "index_fill")
        chosen = index_ops.scatter_add(ops.zeros_of((x.shape[d],), counted), counted, ops.ones_like(counted), 0)
        mask = ops.reshape(chosen > 0, tuple(n if i == d else 1 for i, n in enumerate(x.shape)))
        return ops.reshape(ops.where(mask, value, x), tuple(input.shape))
    if value.node is not None:  # a slice named twice takes the value, and gives it a gradient, once
        index = counted.unique()
    return entitled(
        ops.reshape(index_ops.index_put(x, value, slices_at(x, d, index)), tuple(input.shape)), "IndexFillBackward0"
    )


def _ordered(x: Tensor, reduce: str, real: Any, name: str) -> None:
    if (x.dtype.is_complex and reduce in real) or (name == "index_reduce" and x.dtype is dtypes.bool_):
        raise NotImplementedError(f"{name}: {reduce!r} is not implemented for {x.dtype}")


@public(inplace=True)
def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """``scatter_reduce`` of whole slices: ``reduce`` is "prod", "mean", "amax" or "amin"."""
    d, index = _vector(input, dim, index, "index_reduce")
    if reduce not in REDUCTIONS[1:]:
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    x, source, _ = _slices(input, d, index, source, "index_reduce")
    _ordered(input, reduce, REDUCTIONS, "index_reduce")
    spread = expand(ops.reshape(index, tuple(len(index) if i == d else 1 for i in range(x.ndim))), *source.shape)
    if not spread.shape.numel():
        return input.clone()
    return ops.reshape(scatter_ops.scatter_reduce(x, spread, source, d, reduce, bool(include_self)), tuple(input.shape))


@public(inplace=True, out=False)
def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of ``input`` with ``values`` at ``input[indices]``: written, or added so that repeated positions add up.

    >>> import lucid
    >>> at = (lucid.tensor([0, 0]),)
    >>> lucid.zeros(2).index_put(at, lucid.tensor([1.0, 2.0]), accumulate=True)
    tensor([3., 0.])
    """
    if not isinstance(indices, tuple | list):
        raise TypeError("index_put(): argument 'indices' must be tuple of Tensors")
    if values.dtype is not input.dtype:
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {input.dtype} for the destination and {values.dtype} for the source."
        )
    _, arrays = parse(input, tuple(FULL if i is None else i for i in indices))
    if arrays is None:
        return ops.copy(fitted(input, values, "index_put"))
    put = index_ops.index_put_add if accumulate else index_ops.index_put
    return put(input, values, index_arrays(arrays))


# ---- flat positions ----


def _flat_index(input: Tensor, index: Tensor, name: str) -> Tensor:
    if index_arg(index, name).dtype is not dtypes.int64:
        raise RuntimeError(f"{name}(): Expected a long tensor for index, but got {index.dtype}")
    return index


@public()
def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements at flat positions, in the shape of ``index``.

    >>> import lucid
    >>> lucid.take(lucid.tensor([[1, 2], [3, 4]]), lucid.tensor([3, 0]))
    tensor([4, 1])
    """
    flat = ops.reshape(tensor_arg(input, "take"), (input.shape.numel(),))
    index = _flat_index(input, index, "take")
    if not flat.shape[0] and index.shape.numel():
        raise IndexError("take(): tried to take from an empty tensor")
    return entitled(ops.reshape(getitem(flat, ops.reshape(index, (-1,))), tuple(index.shape)), "TakeBackward0")


@public(inplace=True, out=False)
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of ``input`` with ``source`` at flat positions: written or added."""
    index = _flat_index(input, index, "put")
    _source(input, source, "put")
    if index.shape.numel() != source.shape.numel():
        raise ShapeError(
            f"put_(): Expected source and index to have the same number of elements, but got source.numel() = {source.shape.numel()}, index.numel() = {index.shape.numel()}"
        )
    flat = ops.reshape(input, (input.shape.numel(),))
    return ops.reshape(index_put(flat, (index.reshape(-1),), source.reshape(-1), accumulate), tuple(input.shape))  # type: ignore[attr-defined]


@public()
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """The elements at ``indices`` along ``dim`` (broadcast against ``input``), or at flat positions.

    >>> import lucid
    >>> x = lucid.tensor([[3, 1], [0, 2]])
    >>> lucid.take_along_dim(x, x.argmax(1, keepdim=True), 1)
    tensor([[3],
            [2]])
    """
    x, index = tensor_arg(input, "take_along_dim"), tensor_arg(indices, "take_along_dim", "indices")
    if dim is None:
        index_arg(index, "take_along_dim")
        return ops.take_along_axis(ops.reshape(x, (-1,)), _checked_flat(x, ops.reshape(index, (-1,))), 0)
    if index.dtype is not dtypes.int64:
        raise RuntimeError(f"take_along_dim(): dtype of indices should be Long but got {index.dtype}")
    if x.ndim != index.ndim:
        raise RuntimeError(
            f"torch.take_along_dim(): input and indices should have the same number of dimensions, but got {x.ndim} dimensions for input, and {index.ndim} dimensions for indices"
        )
    from .shaping import broadcast_shapes

    d = dim_arg(dim, x.ndim, "take_along_dim")
    shape = list(
        broadcast_shapes([n for i, n in enumerate(x.shape) if i != d], [n for i, n in enumerate(index.shape) if i != d])
    )
    x = expand(x, *shape[:d], x.shape[d], *shape[d:])
    index = expand(index, *shape[:d], index.shape[d], *shape[d:])
    if index.shape.numel() and (hasattr(index.value, "level") or bool((index < 0).any())):  # type: ignore[operator]
        index = ops.where(index < 0, index + x.shape[d], index)  # type: ignore[operator]
    check_along(x, index, d, "take_along_dim")
    return ops.take_along_axis(x, index, d)


def _checked_flat(x: Tensor, index: Tensor) -> Tensor:
    check_along(ops.reshape(x, (-1,)), index, 0, "take_along_dim")
    return index


# ---- masks ----


@public(inplace=True, out=False)
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """The first elements of ``source``, in order, where the mask holds; ``input`` elsewhere.

    >>> import lucid
    >>> lucid.zeros(3).masked_scatter(lucid.tensor([True, False, True]), lucid.tensor([1.0, 2.0]))
    tensor([1., 0., 2.])
    """
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(f"masked_scatter_ only supports boolean masks, but got mask with dtype {mask.dtype}")
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes but got {input.dtype} and {source.dtype}"
        )
    from .shaping import broadcast_tensors

    x, m = broadcast_tensors(input, mask)
    if not hasattr(m.value, "level") and int(ops.sum(m)) > source.shape.numel():
        raise RuntimeError(
            f"Number of elements of source < number of ones in mask: {source.shape.numel()} < {int(ops.sum(m))}"
        )
    return scatter_ops.masked_scatter(x, m, source)


# ---- a slice replaced, out of place ----


@public(out=False)
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of ``input`` with ``src`` as its slice at ``index``."""
    d = dim_arg(dim, input.ndim, "select_scatter")
    if not -input.shape[d] <= index < input.shape[d]:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(input.shape)} at dimension {d}"
        )
    at = (FULL,) * d + (int(index),)
    return _replaced(input, src, at, (*input.shape[:d], *input.shape[d + 1 :]))


@public()
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """A copy of ``input`` with ``src`` as its slice ``start:end:step`` along ``dim``."""
    d = dim_arg(dim, input.ndim, "slice_scatter")
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    part = slice(start, end, step)
    count = len(range(*part.indices(input.shape[d])))
    return _replaced(input, src, (FULL,) * d + (part,), (*input.shape[:d], count, *input.shape[d + 1 :]))


def _replaced(input: Tensor, src: Tensor, at: tuple, shape: tuple) -> Tensor:
    if tuple(src.shape) != shape:
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = {list(shape)}"
        )
    return ops.setitem(input, src.to(input.dtype), at)


@public(out=False)
def argwhere(input: Tensor) -> Tensor:
    """Where the elements are not zero, a row of indices each."""
    return input.nonzero()  # type: ignore[attr-defined]


@public(method=False, out=False)
def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Flat positions in a tensor of ``shape`` as one index per dimension.

    Raises TypeError for indices and sizes that are no integers, ValueError for negative sizes.

    >>> import lucid
    >>> [i.tolist() for i in lucid.unravel_index(lucid.tensor([1, 5]), (2, 3))]
    [[0, 1], [1, 2]]
    """
    x = tensor_arg(indices, "unravel_index", "indices")
    if x.dtype.category != dtypes.INTEGER:
        raise TypeError(f"unravel_index: expected 'indices' to be integer dtype, but got {x.dtype}")
    if not isinstance(shape, int | list | tuple):
        raise TypeError(f"unravel_index: expected 'shape' to be int or sequence of ints, but got {type(shape)}")
    x = x.to(dtypes.int64)
    sizes = [shape] if isinstance(shape, int) else list(shape)
    for n in sizes:
        if not isinstance(n, int):
            raise TypeError(f"unravel_index: expected 'shape' sequence to only contain ints, but got {type(n)}")
    if any(n < 0 for n in sizes):
        raise ValueError(f"unravel_index: 'shape' cannot have negative values, but got {tuple(sizes)}")
    total = math.prod(sizes)
    if not total and x.shape.numel():
        raise ValueError(f"unravel_index: no position fits into the empty shape {tuple(sizes)}")
    found = []
    for n in reversed(sizes):
        found.append(ops.remainder(x, n) if n else x)
        x = ops.floor_divide(x, max(n, 1))
    return tuple(reversed(found))
