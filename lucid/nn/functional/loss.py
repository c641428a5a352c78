"""Losses between an input and a target of the same shape; see ``margin`` for those with one, ``classification`` for class numbers."""

from __future__ import annotations

import math
from typing import Any

from ... import ops
from ...core import dtypes
from ...core.errors import DTypeError, ShapeError
from ...core.precision import in_single
from ...core.tensor import Tensor
from ...core.transform import everything
from ...functions.checking import number
from ...functions.creation import full_like
from ._reduction import reduced, reduction_arg, warn_sizes

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "gaussian_nll_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "multilabel_soft_margin_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
]


def _same_shape(name: str, input: Tensor, target: Tensor) -> None:
    if input.shape != target.shape:
        raise ShapeError(
            f"{name}: Using a target size ({tuple(target.shape)}) that is different to the input size ({tuple(input.shape)}): they must be the same"
        )


def _with_weight(loss: Tensor, weight: Tensor | None, reduction: str, divides: bool = True) -> Tensor:
    """Elementwise weights, whose sum ``divides`` the mean of mse and l1, but not of huber."""
    if weight is None:
        return reduced(loss, reduction)
    if weight.shape != loss.shape:
        raise ValueError(
            f"Weights and input must have the same size, got {tuple(weight.shape)} and {tuple(loss.shape)}"
        )
    loss = loss * weight  # type: ignore[operator]
    return loss.sum() / weight.sum() if divides and reduction == "mean" else reduced(loss, reduction)  # type: ignore[attr-defined]


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
    d = ops.subtract(input, target)  # of a bool, too, as in PyTorch
    if d.dtype.category != dtypes.FLOAT:
        raise NotImplementedError(
            f'mse_loss: "mse" not implemented for {d.dtype}: the input is {input.dtype}, the target {target.dtype}'
        )
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
    if input.dtype.category != dtypes.FLOAT and target.dtype.category != dtypes.FLOAT:
        raise NotImplementedError(
            f'smooth_l1_loss: "smooth_l1" not implemented for an input of {input.dtype} and a target of {target.dtype}'
        )
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    warn_sizes("smooth_l1_loss", input, target)
    if beta == 0:
        return reduced(ops.abs(input - target), reduction)  # type: ignore[operator]
    loss = ops.smooth_l1(input, target, beta)
    return reduced(loss if beta == 1 else loss * (1 / beta), reduction)


@in_single
def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """``d^2 / 2`` where ``|d| < delta``, else ``delta * (|d| - delta / 2)``. Huber, 1964. Raises RuntimeError unless delta > 0."""
    reduction = reduction_arg(reduction)
    if not delta > 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    warn_sizes("huber_loss", input, target)
    return _with_weight(ops.smooth_l1(input, target, delta), weight, reduction, divides=False)


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
    if target.dtype is not input.dtype:
        raise DTypeError(
            f"binary_cross_entropy: target has dtype {target.dtype}, but {input.dtype} is expected, as of input"
        )
    if input.device.type == "cpu" and input.shape.numel():
        given = everything(input)
        if not (float(given.min()) >= 0 and float(given.max()) <= 1):  # type: ignore[attr-defined]
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
    if target.dtype.category < dtypes.FLOAT:
        raise DTypeError(f"binary_cross_entropy_with_logits: target must be of a floating dtype, got {target.dtype}")
    if pos_weight is None:
        loss = ops.binary_cross_entropy_logits(input, target)
    else:
        loss = (1 - target) * input - (1 + (pos_weight - 1) * target) * ops.log_sigmoid(input)  # type: ignore[operator]
    return reduced(loss if weight is None else loss * weight.expand_as(loss), reduction)  # type: ignore[operator, attr-defined]


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
    if target.dtype.category != dtypes.FLOAT:
        kind = "Complex" if target.dtype.category == dtypes.COMPLEX else "Integral"
        raise DTypeError(f"kl_div: {kind} inputs not supported: the input is {input.dtype}, the target {target.dtype}")
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
    if bool((everything(var) < 0).any()):  # type: ignore[arg-type, operator, union-attr]
        raise ValueError("var has negative entry/entries")
    raised = var + (ops.maximum(var.detach(), number(eps)) - var.detach())  # type: ignore[union-attr, operator]
    loss = 0.5 * (ops.log(raised) + ops.square(input - target) / raised)  # type: ignore[operator]
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


@in_single
def soft_margin_loss(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Tensor:
    """``log(1 + exp(-t x))``."""
    reduction = reduction_arg(reduction, size_average, reduce)
    product = target * input  # type: ignore[operator]
    if product.shape != input.shape:
        raise ShapeError(
            f"soft_margin_loss: output with shape {list(input.shape)} doesn't match the broadcast shape {list(product.shape)} "
            f"of input and target ({tuple(target.shape)})"
        )
    return reduced(-ops.log_sigmoid(product), reduction)


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
    dim = input.ndim - 1
    return reduced(loss.sum(dim) / loss.shape[dim], reduction)
