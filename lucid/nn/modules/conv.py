"""Convolution layers and their transposes over one, two and three spatial dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from ...core.errors import ShapeError
from ...core.tensor import Tensor
from ...functions.creation import empty
from .. import functional as F
from .. import init
from ..functional.conv import sizes_arg, transposed_sizes
from ..parameter import Parameter, UninitializedParameter
from .lazy import LazyModuleMixin
from .module import Module

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
]


class _ConvNd(Module):
    """What all convolutions share: their attributes, their parameters and how these begin."""

    ndim: ClassVar[int]
    function: ClassVar[Any]
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        transposed: bool,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        n, name = self.ndim, type(self).__name__
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups:
            raise ValueError("out_channels must be divisible by groups")
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {padding!r}, should be one of {{'same', 'valid'}}")
            if padding == "same" and any(s != 1 for s in sizes_arg(stride, n, name, "stride")):
                raise ValueError("padding='same' is not supported for strided convolutions")
        modes = ("zeros", "reflect", "replicate", "circular")
        if padding_mode not in modes:
            raise ValueError(f"padding_mode must be one of {modes}, but got padding_mode='{padding_mode}'")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride = (
            sizes_arg(kernel_size, n, name, "kernel_size"),
            sizes_arg(stride, n, name, "stride"),
        )
        for what, sizes in (("in_channels", (in_channels,)), ("out_channels", (out_channels,)), ("kernel_size", self.kernel_size)):  # fmt: skip
            if min(sizes, default=0) < 0:
                raise ShapeError(
                    f"{name}: {what} must not be negative, got {sizes if what == 'kernel_size' else sizes[0]}"
                )
        self.padding = padding if isinstance(padding, str) else sizes_arg(padding, n, name, "padding")
        self.dilation = sizes_arg(dilation, n, name, "dilation")
        self.transposed, self.output_padding = transposed, sizes_arg(output_padding, n, name, "output_padding")
        self.groups, self.padding_mode = groups, padding_mode
        rows, columns = (in_channels, out_channels) if transposed else (out_channels, in_channels)
        self.weight = Parameter(empty((rows, columns // groups, *self.kernel_size), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty((out_channels,), device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform within 1 / sqrt(fan in), as PyTorch."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = math.prod(self.weight.shape[1:])
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def _pads(self) -> list[int]:
        """The padding as ``F.pad`` wants it: pairs, last dimension first."""
        if isinstance(self.padding, str):
            totals = [
                d * (k - 1) if self.padding == "same" else 0
                for d, k in zip(self.dilation, self.kernel_size, strict=True)
            ]
            return [p for total in reversed(totals) for p in (total // 2, total - total // 2)]
        return [p for p in reversed(self.padding) for _ in range(2)]

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._pads(), mode=self.padding_mode), 0
        return type(self).function(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * len(self.padding):
            text += f", padding={self.padding}"
        if self.dilation != (1,) * len(self.dilation):
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * len(self.output_padding):
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class _Conv(_ConvNd):
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
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            False,
            0,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )


class Conv1d(_Conv):
    """A learned cross-correlation of signals (N, C, L) or (C, L); see ``functional.conv1d``.

    ``padding`` is an int, a 1-tuple, "valid" or "same"; ``padding_mode`` "zeros", "reflect", "replicate" or "circular".

    >>> import lucid
    >>> from lucid import nn
    >>> nn.Conv1d(16, 33, 3, stride=2)(lucid.zeros(20, 16, 50)).shape
    lucid.Size([20, 33, 24])
    """

    ndim, function = 1, F.conv1d


class Conv2d(_Conv):
    """A learned cross-correlation of images (N, C, H, W) or (C, H, W); see ``functional.conv2d``.

    ``padding`` is an int, a pair, "valid" or "same"; ``padding_mode`` "zeros", "reflect", "replicate" or "circular".

    >>> import lucid
    >>> from lucid import nn
    >>> nn.Conv2d(3, 16, 3, padding=1)(lucid.zeros(8, 3, 32, 32)).shape
    lucid.Size([8, 16, 32, 32])
    """

    ndim, function = 2, F.conv2d


class Conv3d(_Conv):
    """A learned cross-correlation of volumes (N, C, D, H, W) or (C, D, H, W); see ``functional.conv3d``.

    >>> import lucid
    >>> from lucid import nn
    >>> nn.Conv3d(2, 4, (3, 1, 1))(lucid.zeros(1, 2, 5, 6, 7)).shape
    lucid.Size([1, 4, 3, 6, 7])
    """

    ndim, function = 3, F.conv3d


class _ConvTransposeNd(_ConvNd):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ):
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        if isinstance(padding, str):
            raise TypeError(f"{type(self).__name__}: padding must be an int or a tuple of ints, not {padding!r}")
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            True,
            output_padding,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _output_padding(
        self,
        input: Tensor,
        output_size: Sequence[int] | None,
        stride: Sequence[int],
        padding: Sequence[int],
        kernel_size: Sequence[int],
        num_spatial_dims: int,
        dilation: Sequence[int] | None = None,
    ) -> tuple[int, ...]:
        """The rows to add at the end so that the output has the wanted size; subclasses call it."""
        if output_size is None:
            return self.output_padding
        n, wanted = num_spatial_dims, list(output_size)
        if len(wanted) in (n + 2, n + 1) and len(wanted) == input.ndim:
            wanted = wanted[-n:]
        if len(wanted) != n:
            raise ValueError(
                f"ConvTranspose{n}D: for {input.ndim}D input, output_size must have {n} or {input.ndim} elements (got {len(wanted)})"
            )
        zero = (0,) * n
        least = transposed_sizes(input.shape[-n:], kernel_size, stride, padding, zero, dilation or (1,) * n)
        most = [size + s - 1 for size, s in zip(least, stride, strict=True)]
        if any(not low <= size <= high for low, size, high in zip(least, wanted, most, strict=True)):
            raise ValueError(
                f"requested an output size of {list(output_size)}, but valid sizes range from {list(least)} to {most} "
                f"(for an input of {list(input.shape[-n:])})"
            )
        return tuple(size - low for size, low in zip(wanted, least, strict=True))

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        padding: Any = self.padding
        extra = self._output_padding(
            input, output_size, self.stride, padding, self.kernel_size, self.ndim, self.dilation
        )
        return type(self).function(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )


class ConvTranspose1d(_ConvTransposeNd):
    """The transpose (gradient) of ``Conv1d`` as a layer, for upsampling; ``forward(x, output_size)`` settles which size.

    >>> import lucid
    >>> from lucid import nn
    >>> nn.ConvTranspose1d(8, 4, 3, stride=2)(lucid.zeros(1, 8, 10)).shape
    lucid.Size([1, 4, 21])
    """

    ndim, function = 1, F.conv_transpose1d


class ConvTranspose2d(_ConvTransposeNd):
    """The transpose (gradient) of ``Conv2d`` as a layer, for upsampling; ``forward(x, output_size)`` settles which size.

    >>> import lucid
    >>> from lucid import nn
    >>> up = nn.ConvTranspose2d(16, 16, 3, stride=2, padding=1)
    >>> up(lucid.zeros(1, 16, 6, 6), output_size=(12, 12)).shape
    lucid.Size([1, 16, 12, 12])
    """

    ndim, function = 2, F.conv_transpose2d


class ConvTranspose3d(_ConvTransposeNd):
    """The transpose (gradient) of ``Conv3d`` as a layer, for upsampling; ``forward(x, output_size)`` settles which size.

    >>> import lucid
    >>> from lucid import nn
    >>> nn.ConvTranspose3d(2, 1, 2, stride=2)(lucid.zeros(1, 2, 3, 3, 3)).shape
    lucid.Size([1, 1, 6, 6, 6])
    """

    ndim, function = 3, F.conv_transpose3d


class _LazyConvXdMixin(LazyModuleMixin):
    def _begin(self: Any, out_channels: int, bias: bool, device: Any, dtype: Any) -> None:
        self.register_parameter("weight", UninitializedParameter(device=device, dtype=dtype))
        self.out_channels = out_channels
        if bias:
            self.register_parameter("bias", UninitializedParameter(device=device, dtype=dtype))

    def reset_parameters(self: Any) -> None:
        if self.in_channels and not self.has_uninitialized_params():
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self: Any, input: Any, *args: Any, **kwargs: Any) -> None:
        """Take the number of channels of the first input."""
        if not self.has_uninitialized_params():
            return
        n = self.ndim
        if input.ndim not in (n + 1, n + 2):
            raise ShapeError(
                f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {type(self).__name__}, but got input of size: {list(input.shape)}"
            )
        channels = input.shape[-n - 1]
        if channels % self.groups:
            raise ValueError("in_channels must be divisible by groups")
        self.in_channels = channels
        rows, columns = (channels, self.out_channels) if self.transposed else (self.out_channels, channels)
        self.weight.materialize((rows, columns // self.groups, *self.kernel_size))
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()


class _LazyForward(_LazyConvXdMixin):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode, device, dtype)
        self._begin(out_channels, bias, device, dtype)


class _LazyTransposed(_LazyConvXdMixin):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__(
            0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation, padding_mode, device, dtype
        )
        self._begin(out_channels, bias, device, dtype)


class LazyConv1d(_LazyForward, Conv1d):
    """A ``Conv1d`` that takes ``in_channels`` from its first input."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyForward, Conv2d):
    """A ``Conv2d`` that takes ``in_channels`` from its first input.

    >>> import lucid
    >>> from lucid import nn
    >>> layer = nn.LazyConv2d(8, 3)
    >>> _ = layer(lucid.zeros(1, 3, 8, 8))
    >>> layer
    Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyForward, Conv3d):
    """A ``Conv3d`` that takes ``in_channels`` from its first input."""

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyTransposed, ConvTranspose1d):
    """A ``ConvTranspose1d`` that takes ``in_channels`` from its first input."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyTransposed, ConvTranspose2d):
    """A ``ConvTranspose2d`` that takes ``in_channels`` from its first input."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyTransposed, ConvTranspose3d):
    """A ``ConvTranspose3d`` that takes ``in_channels`` from its first input."""

    cls_to_become = ConvTranspose3d
