"""Losses with a margin: zero where one number exceeds another by enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ... import ops
from ...core import dtypes
from ...core.errors import DTypeError, ShapeError
from ...core.precision import in_single
from ...core.tensor import Tensor
from ._reduction import reduced, reduction_arg
from .classification import check_targets
from .distance import pairwise_distance
from .embedding import one_hot

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]


@in_single
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, -t (x1 - x2) + margin)``. Raises RuntimeError for ranks that differ."""
    reduction = reduction_arg(reduction, size_average, reduce)
    if not input1.ndim == input2.ndim == target.ndim:
        raise ShapeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {tuple(input1.shape)}, input2: {tuple(input2.shape)}, target: {tuple(target.shape)} "
        )
    return reduced(_positive(-target * (input1 - input2) + float(margin)), reduction)  # type: ignore[operator]


def _positive(x: Tensor) -> Tensor:
    """``max(0, x)`` with derivative 1 at 0, as in PyTorch's losses."""
    return ops.clip(x, 0.0, None)


@in_single
def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """``x`` where the target is 1, ``max(0, margin - x)`` where it is -1."""
    reduction = reduction_arg(reduction, size_average, reduce)
    far = ops.where(target != 1, _positive(margin - input), 0.0)  # type: ignore[operator]
    near = ops.where(target != -1, input, 0.0)
    return reduced(far + near, reduction)


@in_single
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """``1 - cos(x1, x2)`` where the target is 1, ``max(0, cos(x1, x2) - margin)`` where it is -1.

    Raises RuntimeError for shapes that do not fit.
    """
    reduction = reduction_arg(reduction, size_average, reduce)
    if target.ndim > 1:
        raise ShapeError("cosine_embedding_loss: 0D or 1D target tensor expected, multi-target not supported")
    if input1.ndim not in (1, 2) or target.ndim != input1.ndim - 1 or input2.ndim != input1.ndim:
        raise ShapeError(
            f"cosine_embedding_loss: {target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found inputs with sizes "
            f"{tuple(input1.shape)} and {tuple(input2.shape)}"
        )
    eps = 1e-12
    dot = (input1 * input2).sum(-1)  # type: ignore[operator]
    cos = dot / ops.sqrt((ops.square(input1).sum(-1) + eps) * (ops.square(input2).sum(-1) + eps))
    loss = ops.where(target == 1, 1 - cos, 0.0) + ops.where(target == -1, _positive(cos - margin), 0.0)
    return reduced(loss, reduction)


def _margin_rows(name: str, input: Tensor, target: Tensor, flat: bool) -> Tensor:
    """Input as (N, C); ShapeError where the target, which may be ``flat`` with one number for each of ``n``, does not fit."""
    rows = input if input.ndim == 2 else input.reshape(1, -1)  # type: ignore[attr-defined]
    n = rows.shape[0] if flat else rows.shape[1]
    fits = target.ndim < 2 and target.shape.numel() == n if flat or input.ndim < 2 else target.shape == input.shape
    if input.ndim > 2 or not fits:
        raise ShapeError(
            f"{name}: inconsistent target size: {tuple(target.shape)} for input of size: {tuple(input.shape)}"
        )
    return rows


@in_single
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: float = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """``sum over j != t of max(0, margin - x_t + x_j)^p / C``. Raises ValueError unless p is 1 or 2."""
    reduction = reduction_arg(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    rows, classes = _margin_rows("multi_margin_loss", input, target, True), target.reshape(-1)  # type: ignore[attr-defined]
    try:
        check_targets("multi_margin_loss", classes, rows.shape[1], -1 - rows.shape[1])
    except IndexError as error:  # PyTorch's type here
        raise RuntimeError(*error.args) from None
    if weight is not None and weight.shape[0] != rows.shape[1]:
        raise RuntimeError(
            f"multi_margin_loss: inconsistent weight size, expected {rows.shape[1]} but got {weight.shape[0]}"
        )
    right = rows.gather(1, classes.unsqueeze(1))  # type: ignore[attr-defined]
    loss = _positive_open(margin - right + rows)
    loss = loss if p == 1 else ops.square(loss)
    if weight is not None:
        loss = loss * weight[classes].unsqueeze(1)  # type: ignore[index]
    loss = ops.where(one_hot(classes, rows.shape[1]) == 1, 0.0, loss).sum(1) / rows.shape[1]
    return reduced(loss.reshape(tuple(target.shape)), reduction)


def _positive_open(x: Tensor) -> Tensor:
    """``max(0, x)`` with derivative 0 at 0; NaN counts as 0, as in PyTorch's loops over classes."""
    return ops.where(x > 0, x, 0.0)  # type: ignore[operator]


@in_single
def multilabel_margin_loss(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Tensor:
    """``sum over i not in target, j in target of max(0, 1 - (x_j - x_i)) / C``; a target row ends at its first -1."""
    reduction = reduction_arg(reduction, size_average, reduce)
    if target.dtype is not dtypes.int64:
        raise DTypeError(f"multilabel_margin_loss: expected target of scalar type Long but found {target.dtype}")
    rows = _margin_rows("multilabel_margin_loss", input, target, False)
    labels = target.reshape(tuple(rows.shape))  # type: ignore[attr-defined]
    valid = (labels < 0).cumsum(1) == 0  # type: ignore[operator]
    safe = ops.where(valid, labels, 0)
    is_target = (valid.to(rows.dtype) * 0).scatter_add(1, safe, valid.to(rows.dtype)) > 0
    chosen = rows.gather(1, safe)  # type: ignore[attr-defined]
    terms = _positive_open(1 - (chosen.unsqueeze(2) - rows.unsqueeze(1)))  # type: ignore[attr-defined]
    counts = valid.unsqueeze(2) & ~is_target.unsqueeze(1)
    loss = ops.where(counts, terms, 0.0).sum((1, 2)) / rows.shape[1]
    return reduced(loss if input.ndim == 2 else loss[0], reduction)


@in_single
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, d(a, p) - d(a, n) + margin)``; ``swap`` uses the nearer of anchor and positive. Balntas et al., 2016."""
    reduction = reduction_arg(reduction, size_average, reduce)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ShapeError(
            "triplet_margin_loss: the anchor, positive, and negative tensors are expected to have the same number of dimensions"
        )
    return triplet_margin_with_distance_loss(
        anchor,
        positive,
        negative,
        distance_function=lambda a, b: pairwise_distance(a, b, p, eps),
        margin=margin,
        swap=swap,
        reduction=reduction,
    )


@in_single
def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """``triplet_margin_loss`` with any distance. Raises ValueError unless the margin is positive."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ShapeError(
            "triplet_margin_with_distance_loss: the anchor, positive, and negative tensors must have the same number of dimensions"
        )
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = ops.minimum(far, distance(positive, negative))
    return reduced(_positive(margin + near - far), reduction)
