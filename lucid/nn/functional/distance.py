"""Distances, similarities and normalisation of vectors."""

from __future__ import annotations

from ... import ops
from ...core import dtypes
from ...core.tensor import Tensor
from ...functions.checking import number
from ...functions.linalg_products import pdist
from ...functions.shaping import broadcast_tensors

__all__ = ["cosine_similarity", "normalize", "pairwise_distance", "pdist"]


def _norm(x: Tensor, p: float, dim: int, keepdim: bool) -> Tensor:
    d = dim % x.ndim if x.ndim else 0
    return ops.vector_norm(x, p, (d,), keepdim) if x.ndim else ops.abs(x)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of ``x1 - x2 + eps`` along the last dimension.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.pairwise_distance(lucid.tensor([[3.0, 4.0]]), lucid.zeros(1, 2))
    tensor([5.0000])
    """
    return _norm(x1 - x2 + eps, p, -1, keepdim)  # type: ignore[operator]


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """``x1 . x2 / (max(|x1|, eps) * max(|x2|, eps))`` along ``dim``.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.cosine_similarity(lucid.tensor([[1.0, 0.0]]), lucid.tensor([[1.0, 0.0]]))
    tensor([1.])
    """
    a, b = x1, x2
    if not -max(a.ndim, b.ndim, 1) <= dim < max(a.ndim, b.ndim, 1):
        raise IndexError(
            f"cosine_similarity: Dimension out of range, got {dim} for inputs of {max(a.ndim, b.ndim)} dimensions"
        )
    common = dtypes.promote_types(a.dtype, b.dtype)
    if common.category != dtypes.FLOAT:
        raise RuntimeError(
            f"cosine_similarity: expected common dtype to be floating point, yet common dtype is {common} of {a.dtype} and {b.dtype}"
        )
    if a.dtype is not b.dtype:
        a, b = a.to(common), b.to(common)  # type: ignore[attr-defined]
    a, b = broadcast_tensors(a, b)
    na, nb = (_raised(_norm(x, 2.0, dim, True), eps) for x in (a, b))
    return ((a / na) * (b / nb)).sum(dim)


def _raised(x: Tensor, low: float) -> Tensor:
    """``max(x, low)`` with the gradient of ``x``, as PyTorch's."""
    fixed = x.detach()  # type: ignore[attr-defined]
    return x + (_at_least(fixed, low) - fixed)


def _at_least(x: Tensor, low: float) -> Tensor:
    low = number(low)
    return ops.where(x < low, low, x)  # type: ignore[operator]  # NaN stays


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None) -> Tensor:
    """``x / max(|x|_p, eps)`` along ``dim``.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.normalize(lucid.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    if not -max(input.ndim, 1) <= dim < max(input.ndim, 1):
        raise IndexError(
            f"normalize: Dimension out of range (expected to be in range of [{-input.ndim}, {input.ndim - 1}], but got {dim})"
        )
    if input.dtype.category < dtypes.FLOAT:
        raise RuntimeError(f"normalize: Expected a floating point or complex tensor as input. Got {input.dtype}")
    result = input / _at_least(_norm(input, p, dim, True), eps)  # type: ignore[operator]
    if out is None:
        return result
    from ...functions.outputs import write_out

    return write_out(out, lambda: result, "normalize")
