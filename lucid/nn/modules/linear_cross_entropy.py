"""The last linear layer and its cross entropy in one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.tensor import Tensor
from .. import functional as F
from .linear import Linear
from .module import Module

__all__ = ["LinearCrossEntropyLoss"]


class LinearCrossEntropyLoss(Module):
    """Cross entropy of a linear projection of the input: the last layer and the loss in one.

    Takes ``in_features, num_classes, out_features=(), bias=False`` and the options of ``CrossEntropyLoss``; ``options`` (how
    PyTorch chunks the work) is accepted and changes nothing.

    >>> import lucid
    >>> loss = lucid.nn.LinearCrossEntropyLoss(8, 5)
    >>> loss(lucid.ones(3, 8), lucid.tensor([0, 1, 4])).shape
    lucid.Size([])
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        out_features: Sequence[int] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        weight: Tensor | None = None,
        reduction: str = "mean",
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: Any = None,
    ):
        super().__init__()
        self.in_features, self.num_classes, self.out_features = in_features, num_classes, tuple(out_features)
        count = num_classes
        for n in self.out_features:
            count *= n
        self.linear = Linear(in_features, count, bias=bias, device=device, dtype=dtype)
        self.register_buffer("weight", weight)
        self.reduction, self.ignore_index, self.label_smoothing, self.options = (
            reduction,
            ignore_index,
            label_smoothing,
            options,
        )

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.linear_cross_entropy(
            input, self.linear.weight.reshape(self.num_classes, *self.out_features, self.in_features), target,
            linear_bias=None if self.linear.bias is None else self.linear.bias.reshape(self.num_classes, *self.out_features),
            weight=self.weight, reduction=self.reduction, ignore_index=self.ignore_index, label_smoothing=self.label_smoothing,
        )  # fmt: skip
