"""Layers that take images apart into columns of patches, put them together, and undo max-pooling."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core.tensor import Tensor
from .. import functional as F
from ..functional.conv import sizes_arg
from .module import Module

__all__ = ["Fold", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d", "Unfold"]


class Fold(Module):
    """Columns (N, C * KH * KW, L) added up to images; see ``functional.fold``.

    >>> import lucid
    >>> from lucid import nn
    >>> nn.Fold((4, 5), (2, 2))(lucid.zeros(1, 12, 12)).shape
    lucid.Size([1, 3, 4, 5])
    """

    def __init__(self, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1):
        super().__init__()
        self.output_size, self.kernel_size = output_size, kernel_size
        self.dilation, self.padding, self.stride = dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Unfold(Module):
    """The patches of images as columns (N, C * KH * KW, L); see ``functional.unfold``.

    >>> import lucid
    >>> from lucid import nn
    >>> nn.Unfold((2, 3))(lucid.zeros(2, 5, 3, 4)).shape
    lucid.Size([2, 30, 4])
    """

    def __init__(self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1):
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class _MaxUnpool(Module):
    ndim: ClassVar[int]
    function: ClassVar[Any]

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0):
        super().__init__()
        n, name = self.ndim, type(self).__name__
        self.kernel_size = sizes_arg(kernel_size, n, name, "kernel_size")
        self.stride = sizes_arg(kernel_size if stride is None else stride, n, name, "stride")
        self.padding = sizes_arg(padding, n, name, "padding")

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        return type(self).function(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Maxima put back to where ``MaxPool1d(return_indices=True)`` found them; zeros elsewhere."""

    ndim, function = 1, F.max_unpool1d


class MaxUnpool2d(_MaxUnpool):
    """Maxima put back to where ``MaxPool2d(return_indices=True)`` found them; zeros elsewhere.

    >>> import lucid
    >>> from lucid import nn
    >>> values, where = nn.MaxPool2d(2, return_indices=True)(lucid.arange(16.0).reshape(1, 4, 4))
    >>> nn.MaxUnpool2d(2)(values, where)[0, 1]
    tensor([0., 5., 0., 7.])
    """

    ndim, function = 2, F.max_unpool2d


class MaxUnpool3d(_MaxUnpool):
    """Maxima put back to where ``MaxPool3d(return_indices=True)`` found them; zeros elsewhere."""

    ndim, function = 3, F.max_unpool3d
