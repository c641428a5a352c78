"""Layers that pool to a given output size: adaptive and fractional windows."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core.tensor import Tensor
from .. import functional as F
from ..functional.conv import sizes_arg
from ..module import Module

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AdaptiveMaxPool3d",
    "FractionalMaxPool2d", "FractionalMaxPool3d",
]  # fmt: skip


class _AdaptiveAvg(Module):
    function: ClassVar[Any]

    def __init__(self, output_size: Any):
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvg):
    """Averages of windows chosen so that the output has length ``output_size``."""

    function = F.adaptive_avg_pool1d


class AdaptiveAvgPool2d(_AdaptiveAvg):
    """Averages of windows chosen so that the output has the spatial shape ``output_size`` (None keeps a size).

    >>> import lucid
    >>> from lucid import nn
    >>> nn.AdaptiveAvgPool2d((5, None))(lucid.zeros(1, 64, 8, 9)).shape
    lucid.Size([1, 64, 5, 9])
    """

    function = F.adaptive_avg_pool2d


class AdaptiveAvgPool3d(_AdaptiveAvg):
    """Averages of windows chosen so that the output has the spatial shape ``output_size`` (None keeps a size)."""

    function = F.adaptive_avg_pool3d


class _AdaptiveMax(Module):
    function: ClassVar[Any]

    def __init__(self, output_size: Any, return_indices: bool = False):
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input: Tensor) -> Any:
        return type(self).function(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMax):
    """Maxima of windows chosen so that the output has length ``output_size``."""

    function = F.adaptive_max_pool1d


class AdaptiveMaxPool2d(_AdaptiveMax):
    """Maxima of windows chosen so that the output has the spatial shape ``output_size`` (None keeps a size).

    >>> import lucid
    >>> from lucid import nn
    >>> nn.AdaptiveMaxPool2d((5, 7))(lucid.zeros(1, 64, 8, 9)).shape
    lucid.Size([1, 64, 5, 7])
    """

    function = F.adaptive_max_pool2d


class AdaptiveMaxPool3d(_AdaptiveMax):
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
