"""Order: sort, argsort, topk."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from .. import ops
from ..core.tensor import Tensor
from ..ops import indexing as index_ops
from .registry import dim_arg, public, tensor_arg

Sort = namedtuple("sort", ["values", "indices"])
TopK = namedtuple("topk", ["values", "indices"])
Sort.__module__ = TopK.__module__ = "lucid.return_types"


@public()
def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """Sorted along ``dim``: a named tuple ``(values, indices)``; NaN counts as largest.

    >>> import lucid
    >>> lucid.sort(lucid.tensor([3.0, 1.0, 2.0])).indices
    tensor([1, 2, 0])
    """
    x = tensor_arg(input, "sort")
    d = dim_arg(dim, x.ndim, "sort")
    if not x.ndim:
        return Sort(x.clone(), index_ops.argsort(x, 0, False, True))
    indices = index_ops.argsort(x, d, descending, True)
    return Sort(ops.take_along_axis(x, indices, d), indices)


@public()
def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The indices that would sort along ``dim``.

    >>> import lucid
    >>> lucid.argsort(lucid.tensor([3.0, 1.0, 2.0]))
    tensor([1, 2, 0])
    """
    return sort(input, dim, descending, stable).indices


@public()
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The ``k`` largest (or smallest) elements along ``dim``: a named tuple ``(values, indices)``.

    Raises RuntimeError if ``k`` is larger than the dimension.

    >>> import lucid
    >>> lucid.topk(lucid.tensor([3.0, 1.0, 2.0]), 2).values
    tensor([3., 2.])
    """
    x = tensor_arg(input, "topk")
    d = dim_arg(dim, x.ndim, "topk")
    if not x.ndim:
        return TopK(x.clone(), index_ops.argsort(x, 0, False, True))
    if not 0 <= k <= x.shape[d]:
        raise RuntimeError(f"topk: selected index k out of range: k={k}, dimension {d} has size {x.shape[d]}")
    indices = index_ops.argsort(x, d, largest, True).narrow(d, 0, k)
    return TopK(ops.take_along_axis(x, indices, d), indices)
