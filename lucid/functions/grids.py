"""Grids, products and combinations of tensors."""

from __future__ import annotations

import itertools
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.tensor import Tensor, as_tensor
from .joining import atleast_2d, many
from .pieces import cat
from .registry import FUNCTIONS, public, tensor_arg
from .shaping import expand, flatten

zeros = FUNCTIONS["zeros"]


@public(method=False, out=False)
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Vectors expanded against each other: ``"ij"`` in the order given (the default), ``"xy"`` with the first two exchanged.

    >>> import lucid
    >>> a, b = lucid.meshgrid(lucid.arange(2), lucid.arange(3), indexing="ij")
    >>> a.shape
    lucid.Size([2, 3])
    """
    items, _ = many(tensors, "meshgrid")
    if not items:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f"meshgrid: indexing must be one of 'xy' or 'ij', but received: {indexing}")
    if any(x.ndim > 1 for x in items):
        raise RuntimeError(
            f"meshgrid: Expected 0D or 1D tensor in the tensor list but got: {[tuple(x.shape) for x in items]}"
        )
    if len({x.dtype for x in items}) > 1:
        raise RuntimeError("meshgrid expects all tensors to have the same dtype")
    swap = indexing == "xy" and len(items) >= 2
    if swap:
        items[0], items[1] = items[1], items[0]
    shape = tuple(x.shape.numel() for x in items)
    grids = [
        expand(ops.reshape(x, tuple(n if i == k else 1 for k in range(len(items)))), *shape)
        for i, (x, n) in enumerate(zip(items, shape, strict=True))
    ]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


@public(method=False, out=False)
def cartesian_prod(*tensors: Any) -> Tensor:
    """All combinations of one element from each vector, a row each.

    >>> import lucid
    >>> lucid.cartesian_prod(lucid.tensor([1, 2]), lucid.tensor([3, 4])).tolist()
    [[1, 3], [1, 4], [2, 3], [2, 4]]
    """
    items, _ = many(tensors, "cartesian_prod")
    if any(x.ndim != 1 for x in items):
        raise RuntimeError("Expect a 1D vector, but got other shapes")
    if len(items) == 1:
        return items[0]
    from .pieces import stack

    return stack([flatten(x) for x in meshgrid(*items, indexing="ij")], 1)


@public(out=False)
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All combinations of ``r`` elements of a vector, in order, a row each.

    >>> import lucid
    >>> lucid.combinations(lucid.tensor([1, 2, 3])).tolist()
    [[1, 2], [1, 3], [2, 3]]
    """
    x = tensor_arg(input, "combinations")
    if x.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(x.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return zeros(0, dtype=x.dtype, device=x.device)
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(choose(range(len(x)), r))
    if not rows:
        return ops.reshape(x[:0], (0, r))  # type: ignore[index]
    return x[as_tensor(rows, device=x.device)]


@public(method=False, out=False)
def block_diag(*tensors: Any) -> Tensor:
    """A matrix with the given matrices along its diagonal, zeros elsewhere.

    >>> import lucid
    >>> lucid.block_diag(lucid.tensor([[1, 1]]), lucid.tensor([2]))
    tensor([[1, 1, 0],
            [0, 0, 2]])
    """
    items = [tensor_arg(x, "block_diag", f"tensors[{i}]") for i, x in enumerate(tensors)]
    for i, x in enumerate(items):
        if x.ndim > 2:
            raise RuntimeError(
                f"block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {x.ndim} dimensions"
            )
    if not items:
        return zeros(1, 0)
    matrices = atleast_2d(items)
    width = sum(x.shape[1] for x in matrices)
    dtype = dtypes.result_type(*((x.dtype, 2 if x.ndim else 1) for x in items))
    rows, at = [], 0
    for x in matrices:
        index = (slice(None), slice(at, at + x.shape[1]))
        rows.append(ops.place(x.to(dtype), (x.shape[0], width), index))
        at += x.shape[1]
    return cat(rows, 0)
