"""A linear layer and its cross entropy in one call."""

from __future__ import annotations

import math
from typing import Any

from ...core.tensor import Tensor
from .classification import cross_entropy
from .linear import linear

__all__ = ["linear_cross_entropy"]


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """``cross_entropy(linear(input, linear_weight, linear_bias), target)``; weight (C, in) or (C, d_1, ..., in).

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.linear_cross_entropy(lucid.ones(2, 3), lucid.zeros(4, 3), lucid.tensor([0, 1]))
    tensor(1.3863)
    """
    if ignore_index is not None and target.dtype.is_floating_point:
        raise RuntimeError("linear_cross_entropy: ignore_index cannot be specified when target contains probabilities")
    if linear_weight.ndim > 2 and input.ndim == 1:
        raise RuntimeError(
            f"linear_cross_entropy: K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)} requires batched "
            f"input, got unbatched input with shape {tuple(input.shape)}"
        )
    *sizes, features = linear_weight.shape
    bias = None if linear_bias is None else linear_bias.reshape(-1)  # type: ignore[attr-defined]
    logits = linear(input, linear_weight.reshape(math.prod(sizes), features), bias)  # type: ignore[attr-defined]
    logits = logits.reshape(*logits.shape[:-1], *sizes)  # type: ignore[attr-defined]
    return cross_entropy(
        logits,
        target,
        weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
