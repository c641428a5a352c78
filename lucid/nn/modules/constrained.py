"""Convolutions whose filters obey a constraint."""

from __future__ import annotations

from typing import Any

from ... import ops
from ...core.modes import no_grad
from ...core.tensor import Tensor
from .conv import Conv1d, Conv2d, Conv3d

__all__ = ["ConstrainedConv1d", "ConstrainedConv2d", "ConstrainedConv3d"]
MODES = ("none", "nonneg", "sum_to_one", "nonneg_sum1", "zero_mean", "unit_l2", "max_l2", "fixed_center")


class _Constrained:
    """The constraint, filter by filter (one output channel; ``fixed_center`` takes every kernel by itself)."""

    weight: Any

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        constraint: str = "none",
        enforce: str = "forward",
        eps: float = 1e-12,
        max_l2: float | None = None,
        center_value: float = -1.0,
        neighbor_sum: float = 1.0,
    ):
        name = type(self).__name__
        if constraint not in MODES:
            raise ValueError(f"{name}: constraint must be one of {', '.join(MODES)}; got {constraint!r}")
        if enforce not in ("forward", "post_step"):
            raise ValueError(f"{name}: enforce must be 'forward' or 'post_step'; got {enforce!r}")
        if constraint == "max_l2" and (max_l2 is None or max_l2 <= 0):
            raise ValueError(f"{name}: constraint 'max_l2' needs a positive max_l2, got {max_l2}")
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)  # type: ignore[call-arg]
        if constraint == "fixed_center" and any(k % 2 == 0 for k in self.weight.shape[2:]):
            raise ValueError(f"{name}: a fixed center needs odd kernel sizes, got {tuple(self.weight.shape[2:])}")
        self.constraint, self.enforce, self.eps, self.max_l2 = constraint, enforce, eps, max_l2
        self.center_value, self.neighbor_sum = center_value, neighbor_sum

    def constrained(self) -> Tensor:
        """The weight as the constraint wants it; gradients flow through."""
        w, mode = self.weight, self.constraint
        axes = tuple(range(1, w.ndim))
        if mode in ("nonneg", "nonneg_sum1"):
            w = ops.relu(w)
        if mode in ("sum_to_one", "nonneg_sum1"):
            total = w.sum(axes, keepdim=True)
            return w / ops.where(total.abs() < self.eps, self.eps, total)
        if mode == "zero_mean":
            return w - w.mean(axes, keepdim=True)
        if mode in ("unit_l2", "max_l2"):
            norm = w.square().sum(axes, keepdim=True).sqrt().clamp(min=self.eps)
            return w / norm if mode == "unit_l2" else w * (self.max_l2 / norm).clamp(max=1.0)
        if mode == "fixed_center":
            inside = w.new_zeros(w.shape[2:], dtype=bool)
            inside[tuple(k // 2 for k in w.shape[2:])] = True
            around = ops.where(inside, 0.0, w)
            total = around.sum(axes[1:], keepdim=True)
            around = around * (self.neighbor_sum / ops.where(total.abs() < self.eps, self.eps, total))
            return ops.where(inside, self.center_value, around)
        return w

    def enforce_(self) -> Any:
        """Write the constrained weight into the parameter: after a step of the optimizer, with ``enforce="post_step"``."""
        with no_grad():
            self.weight.copy_(self.constrained())
        return self

    def forward(self, input: Tensor) -> Tensor:
        weight = self.constrained() if self.enforce == "forward" else self.weight
        return self._conv_forward(input, weight, self.bias)  # type: ignore[attr-defined]


class ConstrainedConv1d(_Constrained, Conv1d):
    """``Conv1d`` with a constraint on its filters; see ``ConstrainedConv2d``."""


class ConstrainedConv2d(_Constrained, Conv2d):
    """``Conv2d`` whose filters are non-negative, sum to one, have mean zero or a bounded norm, or a fixed center.

    ``constraint``: "nonneg", "sum_to_one", "nonneg_sum1", "zero_mean", "unit_l2", "max_l2" or "fixed_center" (the center is
    ``center_value``, its neighbours sum to ``neighbor_sum``: Bayar and Stamm, 2016). It holds in every forward, or with
    ``enforce="post_step"`` after each call of ``enforce_()``. Raises ValueError for other names.

    >>> import lucid
    >>> layer = lucid.nn.ConstrainedConv2d(1, 2, 3, constraint="fixed_center")
    >>> layer.constrained()[0, 0, 1, 1].item()
    -1.0
    """


class ConstrainedConv3d(_Constrained, Conv3d):
    """``Conv3d`` with a constraint on its filters; see ``ConstrainedConv2d``."""
