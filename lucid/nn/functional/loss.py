"""Losses between an input and a target of the same shape; see ``classification`` for those over class numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ... import ops
from ...core.errors import ShapeError
from ...core.precision import in_single
from ...core.tensor import Tensor
from ...functions.creation import full_like
from ._reduction import reduced, reduction_arg, warn_sizes
from .distance import pairwise_distance

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cosine_embedding_loss", "gaussian_nll_loss",
    "hinge_embedding_loss", "huber_loss", "kl_div", "l1_loss", "margin_ranking_loss", "mse_loss", "multi_margin_loss",
    "multilabel_margin_loss", "multilabel_soft_margin_loss", "poisson_nll_loss", "smooth_l1_loss", "soft_margin_loss",
    "triplet_margin_loss", "triplet_margin_with_distance_loss",
]  # fmt: skip


def _same_shape(name: str, input: Tensor, target: Tensor) -> None:
    if input.shape != target.shape:
        raise ShapeError(
            f"{name}: Using a target size ({tuple(target.shape)}) that is different to the input size ({tuple(input.shape)}): they must be the same"
        )


def _with_weight(loss: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """Elementwise weights whose sum divides the mean (mse, l1, huber)."""
    if weight is None:
        return reduced(loss, reduction)
    loss = loss * weight  # type: ignore[operator]
    if reduction == "mean":
        return loss.sum() / weight.expand_as(loss).sum()  # type: ignore[attr-defined]
    return reduced(loss, reduction)


@in_single
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """``(input - target)^2``.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.mse_loss(lucid.tensor([1.0, 2.0]), lucid.tensor([1.0, 4.0]))
    tensor(2.)
    """
    reduction = reduction_arg(reduction, size_average, reduce)
    warn_sizes("mse_loss", input, target)
    d = input - target  # type: ignore[operator]
    if weight is None and reduction == "mean" and d.dtype.is_floating_point:
        return ops.mean_square(d, None, False)
    return _with_weight(ops.square(d), weight, reduction)  # type: ignore[operator]


@in_single
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """``|input - target|``."""
    reduction = reduction_arg(reduction, size_average, reduce)
    warn_sizes("l1_loss", input, target)
    return _with_weight(ops.abs(input - target), weight, reduction)  # type: ignore[operator]


@in_single
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """``d^2 / (2 beta)`` where ``|d| < beta``, else ``|d| - beta / 2``. Girshick, 2015. Raises RuntimeError for negative beta."""
    reduction = reduction_arg(reduction, size_average, reduce)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    warn_sizes("smooth_l1_loss", input, target)
    d = input - target  # type: ignore[operator]
    loss = ops.abs(d) if beta == 0 else ops.huber(d, beta) if beta == 1 else ops.huber(d, beta) * (1 / beta)
    return reduced(loss, reduction)


@in_single
def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """``d^2 / 2`` where ``|d| < delta``, else ``delta * (|d| - delta / 2)``. Huber, 1964. Raises RuntimeError unless delta > 0."""
    reduction = reduction_arg(reduction)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    warn_sizes("huber_loss", input, target)
    d = input - target  # type: ignore[operator]
    return _with_weight(ops.huber(d, delta), weight, reduction)


@in_single
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """``-(t log p + (1 - t) log(1 - p))`` of probabilities; the logarithms stop at -100.

    Raises RuntimeError for probabilities outside [0, 1] and ValueError for shapes that differ.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.binary_cross_entropy(lucid.tensor([0.5]), lucid.tensor([1.0]))
    tensor(0.6931)
    """
    reduction = reduction_arg(reduction, size_average, reduce)
    _same_shape("binary_cross_entropy", input, target)
    if input.device.type == "cpu" and not hasattr(input.value, "level") and input.shape.numel():
        if not (float(input.min()) >= 0 and float(input.max()) <= 1):  # type: ignore[attr-defined]
            raise RuntimeError(
                "binary_cross_entropy: all elements of input should be between 0 and 1; for logits use binary_cross_entropy_with_logits"
            )
    loss = ops.binary_cross_entropy(input, target)
    return reduced(loss if weight is None else loss * weight, reduction)


@in_single
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """``binary_cross_entropy(sigmoid(input), target)``, stable at both ends; ``pos_weight`` multiplies the positives.

    Raises ValueError for shapes that differ.
    """
    reduction = reduction_arg(reduction, size_average, reduce)
    _same_shape("binary_cross_entropy_with_logits", input, target)
    if pos_weight is None:
        loss = (1 - target) * input - ops.log_sigmoid(input)  # type: ignore[operator]
    else:
        loss = (1 - target) * input - (1 + (pos_weight - 1) * target) * ops.log_sigmoid(input)  # type: ignore[operator]
    return reduced(loss if weight is None else loss * weight, reduction)


@in_single
def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """``target * (log(target) - input)`` of log-probabilities; "batchmean" divides the sum by the batch size."""
    if reduction == "batchmean":
        total = kl_div(input, target, reduction="sum", log_target=log_target)
        return total / input.shape[0] if input.ndim else total  # type: ignore[operator]
    reduction = reduction_arg(reduction, size_average, reduce)
    loss = ops.exp(target) * (target - input) if log_target else ops.xlogy(target, target) - target * input  # type: ignore[operator]
    return reduced(loss, reduction)


@in_single
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: Any = None,
    eps: float = 1e-8,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """``exp(x) - t x`` (or ``x - t log(x + eps)`` without ``log_input``); ``full`` adds Stirling's term."""
    reduction = reduction_arg(reduction, size_average, reduce)
    loss = ops.exp(input) - target * input if log_input else input - target * ops.log(input + eps)  # type: ignore[operator]
    if full:
        large = target > 1  # type: ignore[operator]
        safe = ops.where(large, target, 1.0)
        loss = loss + ops.where(large, safe * ops.log(safe) - safe + 0.5 * ops.log(safe * (2 * math.pi)), 0.0)
    return reduced(loss, reduction)


@in_single
def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Tensor | float, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """``(log(var) + (input - target)^2 / var) / 2`` with ``var`` at least ``eps``; ``full`` adds ``log(2 pi) / 2``.

    Raises ValueError for a negative or ill-shaped ``var``. Nix and Weigend, 1994.
    """
    if isinstance(var, float | int):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = full_like(input, float(var))
    elif var.shape != input.shape:
        if input.shape[:-1] == var.shape:
            var = var.unsqueeze(-1)  # type: ignore[attr-defined]
        elif not (var.ndim and input.shape[:-1] == var.shape[:-1] and var.shape[-1] == 1) and not (
            input.ndim == var.ndim and all(a == b or b == 1 for a, b in zip(input.shape, var.shape, strict=True))
        ):
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not valid")
    if bool((var < 0).any()):  # type: ignore[operator, union-attr]
        raise ValueError("var has negative entry/entries")
    raised = var + (ops.maximum(var.detach(), eps) - var.detach())  # type: ignore[union-attr, operator]
    loss = 0.5 * (ops.log(raised) + ops.square(input - target) / raised)  # type: ignore[operator]
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


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
    return reduced(_positive(-target * (input1 - input2) + margin), reduction)  # type: ignore[operator]


def _positive(x: Tensor) -> Tensor:
    """``clamp_min(0)``, whose derivative at 0 is 1, as in PyTorch's losses."""
    return ops.where(x >= 0, x, 0.0)  # type: ignore[operator]


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
    if input1.ndim not in (1, 2) or target.ndim != input1.ndim - 1:
        raise ShapeError(
            f"cosine_embedding_loss: {target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found inputs with sizes "
            f"{tuple(input1.shape)} and {tuple(input2.shape)}"
        )
    eps = 1e-12
    dot = (input1 * input2).sum(-1)  # type: ignore[operator]
    cos = dot / ops.sqrt((ops.square(input1).sum(-1) + eps) * (ops.square(input2).sum(-1) + eps))
    loss = ops.where(target == 1, 1 - cos, 0.0) + ops.where(target == -1, _positive(cos - margin), 0.0)
    return reduced(loss, reduction)


@in_single
def soft_margin_loss(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Tensor:
    """``log(1 + exp(-t x))``."""
    reduction = reduction_arg(reduction, size_average, reduce)
    return reduced(-ops.log_sigmoid(target * input), reduction)  # type: ignore[operator]


@in_single
def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over classes (the last dimension) of binary cross entropies of logits."""
    reduction = reduction_arg(reduction, size_average, reduce)
    loss = -(target * ops.log_sigmoid(input) + (1 - target) * ops.log_sigmoid(-input))  # type: ignore[operator]
    if weight is not None:
        loss = loss * weight
    return reduced(loss.sum(-1) / input.shape[-1], reduction)


def _margin_rows(name: str, input: Tensor, target: Tensor, target_ndim: int) -> tuple[Tensor, Tensor]:
    """Input as (N, C); ShapeError where the target does not fit."""
    if (
        input.ndim not in (1, 2)
        or target.ndim != input.ndim - 2 + target_ndim
        or (input.ndim == 2 and input.shape[0] != target.shape[0])
    ):
        raise ShapeError(
            f"{name}: inconsistent target size: {tuple(target.shape)} for input of size: {tuple(input.shape)}"
        )
    return (input, target) if input.ndim == 2 else (input.unsqueeze(0), target.unsqueeze(0))  # type: ignore[attr-defined]


@in_single
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """``sum over j != t of max(0, margin - x_t + x_j)^p / C``. Raises ValueError unless p is 1 or 2."""
    from .embedding import one_hot

    reduction = reduction_arg(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    single = input.ndim == 1
    if single and target.ndim == 1 and target.shape[0] == 1:
        target = target.reshape(())  # type: ignore[attr-defined]
    rows, classes = _margin_rows("multi_margin_loss", input, target, 1)
    from .classification import _check_targets

    try:
        _check_targets("multi_margin_loss", classes, rows.shape[1], -1 - rows.shape[1])
    except IndexError as error:  # PyTorch's type here
        raise RuntimeError(*error.args) from None
    right = rows.gather(1, classes.unsqueeze(1))  # type: ignore[attr-defined]
    loss = _positive_open(margin - right + rows)
    loss = loss if p == 1 else ops.square(loss)
    if weight is not None:
        loss = loss * weight[classes].unsqueeze(1)  # type: ignore[index]
    loss = ops.where(one_hot(classes, rows.shape[1]) == 1, 0.0, loss).sum(1) / rows.shape[1]
    return reduced(loss[0] if single else loss, reduction)


def _positive_open(x: Tensor) -> Tensor:
    """``max(0, x)`` with derivative 0 at 0."""
    return ops.where(x > 0, x, 0.0)  # type: ignore[operator]


@in_single
def multilabel_margin_loss(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Tensor:
    """``sum over i not in target, j in target of max(0, 1 - (x_j - x_i)) / C``; a target row ends at its first -1."""
    reduction = reduction_arg(reduction, size_average, reduce)
    single = input.ndim == 1
    if input.shape != target.shape:
        raise ShapeError(
            f"multilabel_margin_loss: inconsistent target size: {tuple(target.shape)} for input of size: {tuple(input.shape)}"
        )
    rows, labels = _margin_rows("multilabel_margin_loss", input, target, 2)
    valid = (labels < 0).cumsum(1) == 0  # type: ignore[operator]
    safe = ops.where(valid, labels, 0)
    is_target = (valid.to(rows.dtype) * 0).scatter_add(1, safe, valid.to(rows.dtype)) > 0
    chosen = rows.gather(1, safe)  # type: ignore[attr-defined]
    terms = _positive_open(1 - (chosen.unsqueeze(2) - rows.unsqueeze(1)))  # type: ignore[attr-defined]
    counts = valid.unsqueeze(2) & ~is_target.unsqueeze(1)
    loss = ops.where(counts, terms, 0.0).sum((1, 2)) / rows.shape[1]
    return reduced(loss[0] if single else loss, reduction)


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
