"""What the losses share: the reduction, and PyTorch's two old arguments for it."""

from __future__ import annotations

import warnings
from typing import Any

from ...core.errors import ShapeError
from ...core.tensor import Tensor
from ...functions.shaping import broadcast_shapes

REDUCTIONS = ("none", "mean", "sum")


def reduction_arg(reduction: str, size_average: Any = None, reduce: Any = None) -> str:
    """The checked name; ValueError for an unknown one. The old flags win, with a warning."""
    if size_average is not None or reduce is not None:
        average = True if size_average is None else size_average
        reduction = "none" if reduce is False else "mean" if average else "sum"
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
            stacklevel=3,
        )
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction; expected one of {', '.join(REDUCTIONS)}")
    return reduction


def reduced(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return loss.mean()  # type: ignore[attr-defined]
    return loss.sum() if reduction == "sum" else loss  # type: ignore[attr-defined]


def warn_sizes(name: str, input: Tensor, target: Tensor) -> None:
    """Warn where shapes differ and would broadcast, which is seldom meant; ShapeError where they do not."""
    if input.shape == target.shape:
        return
    try:
        broadcast_shapes(input.shape, target.shape)
    except (RuntimeError, ValueError):
        raise ShapeError(
            f"{name}: the input has shape {tuple(input.shape)}, the target {tuple(target.shape)}; they must be equal"
        ) from None
    warnings.warn(
        f"Using a target size ({tuple(target.shape)}) that is different to the input size ({tuple(input.shape)}). This will "
        "likely lead to incorrect results due to broadcasting. Please ensure they have the same size.",
        stacklevel=4,
    )
