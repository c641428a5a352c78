"""Pooling layers: maxima, averages and norms of windows."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core.tensor import Tensor
from .. import functional as F
from ..functional.conv import sizes_arg
from .module import Module

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


class _MaxPoolNd(Module):
    function: ClassVar[Any]

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride if stride is not None else kernel_size
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Any:
        return type(self).function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """The maximum of each window of (N, C, L) or (C, L); see ``functional.max_pool1d``."""

    function = F.max_pool1d


class MaxPool2d(_MaxPoolNd):
    """The maximum of each window of (N, C, H, W) or (C, H, W); see ``functional.max_pool2d``.

    >>> import lucid
    >>> from lucid import nn
    >>> nn.MaxPool2d(2)(lucid.zeros(1, 8, 28, 28)).shape
    lucid.Size([1, 8, 14, 14])
    """

    function = F.max_pool2d


class MaxPool3d(_MaxPoolNd):
    """The maximum of each window of (N, C, D, H, W) or (C, D, H, W); see ``functional.max_pool3d``."""

    function = F.max_pool3d


class _AvgPoolNd(Module):
    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPoolNd):
    """The average of each window of (N, C, L) or (C, L); see ``functional.avg_pool1d``."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ):
        super().__init__()
        self.kernel_size, self.stride, self.padding = (
            (v,) if isinstance(v, int) else v for v in (kernel_size, kernel_size if stride is None else stride, padding)
        )
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class _AvgPool(_AvgPoolNd):
    function: ClassVar[Any]

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        super().__init__()
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = stride if stride is not None else kernel_size
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool2d(_AvgPool):
    """The average of each window of (N, C, H, W) or (C, H, W); see ``functional.avg_pool2d``.

    >>> import lucid
    >>> from lucid import nn
    >>> nn.AvgPool2d(2)(lucid.ones(1, 8, 4, 4)).shape
    lucid.Size([1, 8, 2, 2])
    """

    function = F.avg_pool2d


class AvgPool3d(_AvgPool):
    """The average of each window of (N, C, D, H, W) or (C, D, H, W); see ``functional.avg_pool3d``."""

    function = F.avg_pool3d


class _LPPoolNd(Module):
    function: ClassVar[Any]

    def __init__(self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False):
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, ceil_mode={self.ceil_mode}"


class LPPool1d(_LPPoolNd):
    """The p-norm of each window of (N, C, L) or (C, L); see ``functional.lp_pool1d``."""

    function = F.lp_pool1d


class LPPool2d(_LPPoolNd):
    """The p-norm of each window of (N, C, H, W) or (C, H, W); see ``functional.lp_pool2d``."""

    function = F.lp_pool2d


class LPPool3d(_LPPoolNd):
    """The p-norm of each window of (N, C, D, H, W) or (C, D, H, W); see ``functional.lp_pool3d``."""

    function = F.lp_pool3d


class _AdaptiveAvgPoolNd(Module):
    function: ClassVar[Any]

    def __init__(self, output_size: Any):
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """Averages of windows chosen so that the output has length ``output_size``."""

    function = F.adaptive_avg_pool1d


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """Averages of windows chosen so that the output has the spatial shape ``output_size`` (None keeps a size).

    >>> import lucid
    >>> from lucid import nn
    >>> nn.AdaptiveAvgPool2d((5, None))(lucid.zeros(1, 64, 8, 9)).shape
    lucid.Size([1, 64, 5, 9])
    """

    function = F.adaptive_avg_pool2d


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """Averages of windows chosen so that the output has the spatial shape ``output_size`` (None keeps a size)."""

    function = F.adaptive_avg_pool3d


class _AdaptiveMaxPoolNd(Module):
    function: ClassVar[Any]

    def __init__(self, output_size: Any, return_indices: bool = False):
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input: Tensor) -> Any:
        return type(self).function(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """Maxima of windows chosen so that the output has length ``output_size``."""

    function = F.adaptive_max_pool1d


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """Maxima of windows chosen so that the output has the spatial shape ``output_size`` (None keeps a size).

    >>> import lucid
    >>> from lucid import nn
    >>> nn.AdaptiveMaxPool2d((5, 7))(lucid.zeros(1, 64, 8, 9)).shape
    lucid.Size([1, 64, 5, 7])
    """

    function = F.adaptive_max_pool2d


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """Maxima of windows chosen so that the output has the spatial shape ``output_size`` (None keeps a size)."""

    function = F.adaptive_max_pool3d


class _FractionalMax(Module):
    ndim: ClassVar[int]
    function: ClassVar[Any]

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ):
        super().__init__()
        n, name = self.ndim, type(self).__name__
        self.kernel_size, self.return_indices = sizes_arg(kernel_size, n, name, "kernel_size"), return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else sizes_arg(output_size, n, name, "output_size")
        self.output_ratio = (output_ratio,) * n if isinstance(output_ratio, int | float) else output_ratio
        if output_size is None and output_ratio is None:
            raise ValueError(f"{name} requires specifying either an output size, or a pooling ratio")
        if output_size is not None and output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        if self.output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")

    def forward(self, input: Tensor) -> Any:
        return type(self).function(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=self._random_samples,
        )


class FractionalMaxPool2d(_FractionalMax):
    """Maxima of windows at pseudo-random steps, to an ``output_size`` or by an ``output_ratio``; arXiv:1412.6071.

    >>> import lucid
    >>> from lucid import nn
    >>> nn.FractionalMaxPool2d(3, output_size=(13, 12))(lucid.zeros(2, 4, 50, 32)).shape
    lucid.Size([2, 4, 13, 12])
    """

    ndim, function = 2, F.fractional_max_pool2d


class FractionalMaxPool3d(_FractionalMax):
    """Maxima of windows at pseudo-random steps in volumes, to an ``output_size`` or by an ``output_ratio``; arXiv:1412.6071."""

    ndim, function = 3, F.fractional_max_pool3d


class _MaxUnpoolNd(Module):
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


class MaxUnpool1d(_MaxUnpoolNd):
    """Maxima put back to where ``MaxPool1d(return_indices=True)`` found them; zeros elsewhere."""

    ndim, function = 1, F.max_unpool1d


class MaxUnpool2d(_MaxUnpoolNd):
    """Maxima put back to where ``MaxPool2d(return_indices=True)`` found them; zeros elsewhere.

    >>> import lucid
    >>> from lucid import nn
    >>> values, where = nn.MaxPool2d(2, return_indices=True)(lucid.arange(16.0).reshape(1, 4, 4))
    >>> nn.MaxUnpool2d(2)(values, where)[0, 1]
    tensor([0., 5., 0., 7.])
    """

    ndim, function = 2, F.max_unpool2d


class MaxUnpool3d(_MaxUnpoolNd):
    """Maxima put back to where ``MaxPool3d(return_indices=True)`` found them; zeros elsewhere."""

    ndim, function = 3, F.max_unpool3d
