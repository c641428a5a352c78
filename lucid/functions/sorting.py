"""Order: sorting, the largest k, distinct elements, searching in sorted sequences."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..core import dtypes
from ..core.errors import DTypeError
from ..core.graph import UNDERIVABLE, entitled, make_node
from ..core.modes import is_grad_enabled
from ..core.tensor import Tensor
from ..ops import indexing as index_ops
from ..ops import order
from .registry import beside, dim_arg, public, return_type, tensor_arg

Sort, TopK = (return_type(name, "values", "indices") for name in ("sort", "topk"))


def _comparable(input: Any, name: str) -> Tensor:
    x = tensor_arg(input, name)
    if x.dtype.is_complex:
        raise RuntimeError(f"{name}(): complex numbers have no order; got {x.dtype}")
    return x


@public()
def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """Sorted along ``dim``: a named tuple ``(values, indices)``; NaN counts as largest. Always stable.

    >>> import lucid
    >>> lucid.sort(lucid.tensor([3.0, 1.0, 2.0])).indices
    tensor([1, 2, 0])
    """
    x = _comparable(input, "sort")
    d = dim_arg(dim, x.ndim, "sort")
    if not x.ndim:
        return Sort(x.clone(), index_ops.argsort(x, 0, False, True))
    indices = index_ops.argsort(x, d, bool(descending), True)
    return Sort(entitled(ops.take_along_axis(x, indices, d), "SortBackward0"), indices)


@public()
def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The indices that would sort along ``dim``.

    >>> import lucid
    >>> lucid.argsort(lucid.tensor([3.0, 1.0, 2.0]))
    tensor([1, 2, 0])
    """
    x = _comparable(input, "argsort")
    return index_ops.argsort(x, dim_arg(dim, x.ndim, "argsort"), bool(descending), True)


@public()
def msort(input: Tensor) -> Tensor:
    """Sorted along the first dimension.

    >>> import lucid
    >>> lucid.msort(lucid.tensor([3, 1, 2]))
    tensor([1, 2, 3])
    """
    return sort(input, 0).values


@public()
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The ``k`` largest (or smallest) elements along ``dim``, best first: a named tuple ``(values, indices)``.

    Raises RuntimeError if ``k`` is larger than the dimension.

    >>> import lucid
    >>> lucid.topk(lucid.tensor([3.0, 1.0, 2.0]), 2).values
    tensor([3., 2.])
    """
    x = _comparable(input, "topk")
    if x.dtype is dtypes.bool_:
        raise DTypeError("topk: not implemented for booleans")
    d = dim_arg(dim, x.ndim, "topk")
    k = k.__index__()
    if not 0 <= k <= (x.shape[d] if x.ndim else 1):
        raise RuntimeError(
            f"selected index k out of range: topk got k={k}, dimension {d} has size {x.shape[d] if x.ndim else 1}"
        )
    if not x.ndim:
        return TopK(x.clone(), index_ops.argsort(x, 0, False, True))
    indices = order.topk_indices(x, k, d, bool(largest))
    return TopK(entitled(ops.take_along_axis(x, indices, d), "TopkBackward0"), indices)


# ---- distinct elements ----


@public(out=False)
def unique(
    input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: Any = None
) -> Any:
    """The distinct elements (slices along ``dim``) in order; on request where each input went, and how often each occurs.

    >>> import lucid
    >>> lucid.unique(lucid.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    x = tensor_arg(input, "unique")
    found = order.unique(x.detach(), None if dim is None else dim_arg(dim, x.ndim, "unique"))
    return _chosen(x, "_unique2" if dim is None else "unique_dim", found, return_inverse, return_counts)


@public(out=False)
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: Any = None
) -> Any:
    """One element of each run of equal neighbours; on request where each input went, and the lengths of the runs.

    >>> import lucid
    >>> lucid.unique_consecutive(lucid.tensor([1, 1, 2, 1]))
    tensor([1, 2, 1])
    """
    x = tensor_arg(input, "unique_consecutive")
    found = order.unique_consecutive(x.detach(), None if dim is None else dim_arg(dim, x.ndim, "unique_consecutive"))
    return _chosen(x, "unique_consecutive", found, return_inverse, return_counts)


def _chosen(x: Tensor, name: str, found: tuple, inverse: bool, counts: bool) -> Any:
    if x.node is not None and is_grad_enabled():
        found[0].node = make_node(UNDERIVABLE, (x.node,), (), (name,), tuple(found[0].shape))
    parts = (found[0], *((found[1],) if inverse else ()), *((found[2],) if counts else ()))
    return parts if len(parts) > 1 else parts[0]


# ---- searching ----


@public(method=False)
def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Any = None,
) -> Tensor:
    """Where to insert values into sorted rows so that they stay sorted: before equal elements, or after with ``right``.

    ``sorted_sequence`` is 1-D, or has the leading dimensions of ``input``; ``sorter`` are the indices that sort it.
    Raises RuntimeError where those differ, or ``side`` contradicts ``right``.

    >>> import lucid
    >>> lucid.searchsorted(lucid.tensor([1, 3, 5]), lucid.tensor([3, 6]))
    tensor([1, 3])
    """
    rows = tensor_arg(sorted_sequence, "searchsorted", "sorted_sequence")
    values = beside(input, rows)
    if side is not None:
        if side not in ("left", "right"):
            raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
        if right and side == "left":
            raise RuntimeError(
                "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True"
            )
        right = side == "right"
    if not rows.ndim:
        raise RuntimeError("torch.searchsorted(): sorted_sequence should have at least one dimension")
    if rows.ndim > 1 and tuple(rows.shape[:-1]) != tuple(values.shape[:-1]):
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor "
            f"and input value tensor must match, but we got boundaries tensor {list(rows.shape)} and input value tensor {list(values.shape)}"
        )
    if sorter is not None:
        if sorter.dtype is not dtypes.int64:
            raise DTypeError(
                f"torch.searchsorted(): sorter must be a tensor of long dtype but got dtype {sorter.dtype}"
            )
        if sorter.shape != rows.shape:
            raise RuntimeError(
                f"torch.searchsorted(): boundary and sorter must have the same size, but got {list(rows.shape)} and {list(sorter.shape)}"
            )
        rows = ops.take_along_axis(rows, sorter, rows.ndim - 1)
    found = index_ops.searchsorted(rows.detach(), values.detach(), bool(right))
    return found.to(dtypes.int32) if out_int32 else found


@public()
def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """The bucket of each value between sorted boundaries: ``boundaries[i-1] < x <= boundaries[i]``.

    >>> import lucid
    >>> lucid.bucketize(lucid.tensor([3, 6, 9]), lucid.tensor([1, 3, 5]))
    tensor([1, 3, 3])
    """
    if boundaries.ndim != 1:
        raise RuntimeError(f"bucketize: boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)
