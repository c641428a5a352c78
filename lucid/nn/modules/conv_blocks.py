"""Lucid's own blocks around convolutions: depth-separable ones, and convolution with batch norm and ReLU."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core.tensor import Tensor
from .activation import ReLU
from .batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from .conv import Conv1d, Conv2d, Conv3d
from .module import Module

__all__ = [
    "ConvBNReLU1d", "ConvBNReLU2d", "ConvBNReLU3d", "DepthSeparableConv1d", "DepthSeparableConv2d", "DepthSeparableConv3d",
]  # fmt: skip


class _DepthSeparable(Module):
    conv: ClassVar[type]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        bias: bool = True,
    ):
        super().__init__()
        make = type(self).conv
        self.depthwise = make(
            in_channels, in_channels, kernel_size, stride, padding, dilation, groups=in_channels, bias=bias
        )
        self.pointwise = make(in_channels, out_channels, 1, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(input))


class DepthSeparableConv1d(_DepthSeparable):
    """One filter per channel, then a mixture of the channels at each position, of signals (N, C, L); arXiv:1610.02357."""

    conv = Conv1d


class DepthSeparableConv2d(_DepthSeparable):
    """One filter per channel, then a mixture of the channels at each position, of images (N, C, H, W).

    Chollet, "Xception", arXiv:1610.02357.

    >>> import lucid
    >>> from lucid import nn
    >>> nn.DepthSeparableConv2d(8, 16, 3, padding=1)(lucid.zeros(1, 8, 6, 6)).shape
    lucid.Size([1, 16, 6, 6])
    """

    conv = Conv2d


class DepthSeparableConv3d(_DepthSeparable):
    """One filter per channel, then a mixture of the channels at each position, of volumes (N, C, D, H, W); arXiv:1610.02357."""

    conv = Conv3d


class _ConvBNReLU(Module):
    parts: ClassVar[tuple[type, type]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        conv_bias: bool = True,
        eps: float = 1e-05,
        momentum: float | None = 0.1,
        bn_affine: bool = True,
        track_running_stats: bool = True,
    ):
        super().__init__()
        conv, norm = type(self).parts
        self.conv = conv(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, conv_bias)
        self.bn = norm(out_channels, eps, momentum, bn_affine, track_running_stats)
        self.relu = ReLU()

    def forward(self, input: Tensor) -> Tensor:
        return self.relu(self.bn(self.conv(input)))


class ConvBNReLU1d(_ConvBNReLU):
    """``Conv1d``, ``BatchNorm1d`` and ``ReLU`` in a row."""

    parts = (Conv1d, BatchNorm1d)


class ConvBNReLU2d(_ConvBNReLU):
    """``Conv2d``, ``BatchNorm2d`` and ``ReLU`` in a row.

    >>> import lucid
    >>> from lucid import nn
    >>> nn.ConvBNReLU2d(3, 8, 3)(lucid.ones(2, 3, 8, 8)).shape
    lucid.Size([2, 8, 6, 6])
    """

    parts = (Conv2d, BatchNorm2d)


class ConvBNReLU3d(_ConvBNReLU):
    """``Conv3d``, ``BatchNorm3d`` and ``ReLU`` in a row."""

    parts = (Conv3d, BatchNorm3d)
