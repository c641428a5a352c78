"""Normalisation over batches, layers, groups and channels; all on fused ops."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ... import ops
from ...core import dtypes
from ...core.errors import ShapeError
from ...core.graph import entitled
from ...core.modes import no_grad
from ...core.tensor import Tensor
from ...functions.checking import number
from ...functions.creation import ones
from ...ops import shape as shape_ops

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "rms_norm"]


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None, shape: tuple[int, ...] | None = None) -> Tensor:
    """``x * weight + bias`` with both laid along ``shape``."""
    if weight is None:
        return x if bias is None else x + (bias if shape is None else bias.reshape(shape))  # type: ignore[attr-defined, operator]
    w = weight if shape is None else weight.reshape(shape)  # type: ignore[attr-defined]
    if bias is None:
        return x * w  # type: ignore[operator]
    return ops.scale_shift(x, w, bias if shape is None else bias.reshape(shape))  # type: ignore[attr-defined]


def _wide(op: Callable, given: Any, axes: tuple[int, ...], eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """``op``'s result, mean and variance; of float16 that is to be differentiated they are taken in float32, because backward
    needs the variance, which overflows where numbers go beyond 256."""
    if given[0].dtype is dtypes.float16 and any(t.node is not None for t in given):
        if all(t.dtype is dtypes.float16 for t in given):
            out, mean, var = op(*(t.to(dtypes.float32) for t in given), axes, number(eps))  # type: ignore[attr-defined]
            return out.to(dtypes.float16), mean, var
    found: tuple[Tensor, Tensor, Tensor] = op(*given, axes, number(eps))
    return found


def _along_channels(ndim: int, count: int) -> tuple[int, ...]:
    return (1, count) + (1,) * (ndim - 2)


def _check_channels(name: str, channels: int, **tensors: Tensor | None) -> None:
    for what, t in tensors.items():
        if t is not None and t.value.shape != (channels,) and (n := math.prod(t.value.shape)) != channels:
            raise ShapeError(
                f"{name}: {what} should contain {channels} elements, one for each channel of the input, not {n}"
            )


def _track(running: Tensor | None, value: Tensor, momentum: float, factor: float = 1.0) -> None:
    """Move the running statistics towards ``factor * value``; to be called under no_grad."""
    if running is not None:
        while hasattr(value.value, "tangent"):  # inside jvp the statistics, which outlive it, are those of the primal
            value = value.value.inner
        if value.value.dtype != running.value.dtype:
            value = value.to(running.dtype)  # type: ignore[attr-defined]
        part = shape_ops.reshape(value * (momentum * factor), tuple(running.value.shape))  # type: ignore[operator]
        running.mul_(1 - momentum).add_(part)  # type: ignore[attr-defined]


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of (N, C, ...) with mean 0 and variance 1 over the batch; in evaluation over the running statistics.

    Training updates the running statistics: ``(1 - momentum) * old + momentum * new``, the variance unbiased.
    Raises ValueError for one value per channel in training, RuntimeError for sizes that do not fit. Ioffe and Szegedy, 2015.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.batch_norm(lucid.tensor([[1.0], [3.0]]), None, None, training=True)
    tensor([[-1.0000],
            [ 1.0000]])
    """
    shape = tuple(input.value.shape)
    if shape == (0,):
        return input.clone()  # type: ignore[attr-defined]
    if len(shape) < 2:
        raise ShapeError(f"batch_norm: expected at least a 2-D input (N, C, ...), got shape {shape}")
    channels = shape[1]
    _check_channels(
        "batch_norm", channels, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
    )
    laid = _along_channels(len(shape), channels)
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError("Expected running_mean and running_var to be defined when training=False")
        if eps < 0.0:
            raise ValueError(f"batch_norm eps must be non-negative, but got {eps}")
        scale = ops.rsqrt(running_var + eps)  # type: ignore[operator]
        if weight is not None:
            scale = scale * weight
        shift = -running_mean * scale if bias is None else bias - running_mean * scale  # type: ignore[operator]
        if scale.dtype is not input.dtype:
            if not input.dtype.is_floating_point:
                raise NotImplementedError(
                    f"batch_norm: not implemented for {input.dtype}; cast the input to a floating dtype"
                )
            scale, shift = scale.to(input.dtype), shift.to(input.dtype)
        return ops.scale_shift(input, scale.reshape(laid), shift.reshape(laid))
    count = math.prod(shape) // max(channels, 1)
    if count == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {shape}")
    if eps <= 0.0:
        raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    if not count:  # no samples: the statistics stay
        return _affine(input * 1.0, weight, bias, laid)  # type: ignore[operator, arg-type]
    axes = (0, *range(2, len(shape)))
    fused = weight is not None and bias is not None
    if fused:
        w, b = (weight, bias) if len(shape) == 2 else (shape_ops.reshape(p, laid) for p in (weight, bias))
        out, mean, var = _wide(ops.normalize, (input, w, b), axes, eps)
    else:
        out, mean, var = _wide(ops.standardize, (input,), axes, eps)
    if running_mean is not None or running_var is not None:
        with no_grad():
            _track(running_mean, mean, momentum)
            _track(running_var, var, momentum, count / (count - 1))
    return out if fused else _affine(out, weight, bias, laid)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of each sample of (N, C, ...) with mean 0 and variance 1. Ulyanov et al., 2016.

    Raises ValueError for one value per channel, RuntimeError for sizes that do not fit.
    """
    if input.ndim < 2:
        raise ShapeError(f"instance_norm: expected at least a 2-D input (N, C, ...), got shape {tuple(input.shape)}")
    shape = tuple(input.shape)
    channels = shape[1]
    _check_channels(
        "instance_norm", channels, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
    )
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    count = math.prod(shape[2:])
    if count <= 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {shape}")
    if weight is not None and bias is not None and shape[0] and channels:
        out, mean, var = _grouped(input, channels, weight, bias, eps)
    else:
        out, mean, var = _wide(ops.standardize, (input,), tuple(range(2, len(shape))), eps)
        out = _affine(out, weight, bias, _along_channels(len(shape), channels))
    if running_mean is not None or running_var is not None:
        with no_grad():
            _track(running_mean, mean.mean(0), momentum)  # type: ignore[attr-defined]
            _track(running_var, var.mean(0), momentum, count / (count - 1))  # type: ignore[attr-defined]
    return out


def _grouped(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Groups of channels normalised and scaled per channel, as one op on (N, groups, channels of each, positions)."""
    shape = tuple(x.value.shape)
    laid = (1, groups, shape[1] // groups, 1)
    w, b = shape_ops.reshape(weight, laid), shape_ops.reshape(bias, laid)
    x = shape_ops.reshape(x, (shape[0], *laid[1:3], -1))
    out, mean, var = _wide(ops.normalize, (x, w, b), (2, 3), eps)
    return shape_ops.reshape(out, shape), mean, var


def _normalized_axes(
    name: str, input: Tensor, normalized_shape: Sequence[int], **tensors: Tensor | None
) -> tuple[int, ...]:
    wanted = (normalized_shape.__index__(),) if hasattr(normalized_shape, "__index__") else tuple(normalized_shape)
    if not wanted:
        raise ShapeError(f"{name}: Expected normalized_shape to be at least 1-dimensional")
    for what, t in tensors.items():
        if t is not None and tuple(t.value.shape) != wanted:
            raise ShapeError(
                f"{name}: Expected {what} to be of same shape as normalized_shape, but got {what} of shape {tuple(t.shape)} and normalized_shape = {list(wanted)}"
            )
    ndim = len(input.value.shape)
    if tuple(input.value.shape)[-len(wanted) :] != wanted:
        raise ShapeError(
            f"{name}: Given normalized_shape={list(wanted)}, expected input with shape [*{''.join(f', {n}' for n in wanted)}], "
            f"but got input of size {list(input.shape)}"
        )
    return tuple(range(ndim - len(wanted), ndim))


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """The last dimensions with mean 0 and variance 1, then ``* weight + bias``. Ba et al., 2016.

    Raises RuntimeError where ``normalized_shape`` is not the end of the input's shape.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.layer_norm(lucid.tensor([1.0, 3.0]), (2,))
    tensor([-1.0000,  1.0000])
    """
    axes = _normalized_axes("layer_norm", input, normalized_shape, weight=weight, bias=bias)
    if weight is not None and bias is not None:
        return _wide(ops.normalize, (input, weight, bias), axes, eps)[0]
    return _affine(_wide(ops.standardize, (input,), axes, eps)[0], weight, bias)


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """``x / sqrt(mean(x^2) + eps) * weight`` over the last dimensions; eps None is the dtype's own. Zhang and Sennrich, 2019."""
    axes = _normalized_axes("rms_norm", input, normalized_shape, weight=weight)
    if eps is None:  # of the dtype that is computed in
        eps = dtypes.finfo(dtypes.float32 if input.dtype.itemsize == 2 else input.dtype).eps
    if weight is None:
        weight = ones(input.shape[axes[0] :], dtype=input.dtype, device=input.device)
    if input.dtype.is_complex:  # PyTorch takes squares here, not those of absolute values
        return input * ops.rsqrt((input * input).mean(axes, keepdim=True) + eps) * weight  # type: ignore[no-any-return, operator]
    return ops.rms_normalize(input, weight, axes, float(eps))


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Groups of channels of (N, C, ...) with mean 0 and variance 1. Wu and He, 2018.

    Raises RuntimeError unless ``num_groups`` divides the channels.
    """
    if input.ndim < 2:
        raise ShapeError(f"group_norm: Expected at least 2 dimensions for input tensor but received {input.ndim}")
    shape = tuple(input.shape)
    if num_groups <= 0 or shape[1] % num_groups:
        raise ShapeError(
            f"group_norm: Expected number of channels in input to be divisible by num_groups, but got input of shape {list(shape)} and num_groups={num_groups}"
        )
    _check_channels("group_norm", shape[1], weight=weight, bias=bias)
    for what, t in (("weight", weight), ("bias", bias)):
        if t is not None and t.ndim != 1:
            raise ShapeError(
                f"group_norm: Expected {what} to be a vector of size equal to the number of channels in input, but got {what} of shape {list(t.shape)}"
            )
    if math.prod(shape[2:]) * shape[0] * shape[1] // num_groups == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {list(shape)}")
    if weight is not None and bias is not None and math.prod(shape):
        return entitled(_grouped(input, num_groups, weight, bias, eps)[0], "NativeGroupNormBackward0")
    if not math.prod(shape):
        return _affine(input * 1.0, weight, bias, _along_channels(len(shape), shape[1]))  # type: ignore[operator, arg-type]
    flat = input.reshape(shape[0], num_groups, -1)  # type: ignore[attr-defined]
    out = _wide(ops.standardize, (flat,), (2,), eps)[0].reshape(shape)
    return _affine(out, weight, bias, _along_channels(len(shape), shape[1]))


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """``x / (k + alpha * mean of x^2 over size neighbouring channels)^beta``. Krizhevsky et al., 2012.

    Raises ValueError below 3 dimensions.
    """
    if input.ndim < 3:
        raise ValueError(
            f"Expected 3D or higher dimensionality                          input (got {input.ndim} dimensions)"
        )
    if not input.shape.numel():
        return input
    channels = input.shape[1]
    square = ops.square(input)
    total = None
    for offset in range(-(size // 2), size - size // 2):  # `size` shifted sums: cheaper than a pooling
        low, high = max(0, offset), min(channels, channels + offset)
        if low >= high:
            continue
        part = _shifted(square, offset, low, high, channels)
        total = part if total is None else total + part
    mean = total // size * alpha if total.dtype is dtypes.int64 else total * (alpha / size)  # type: ignore[union-attr, operator]
    return input / (k + mean) ** beta  # type: ignore[operator]


def _shifted(x: Tensor, offset: int, low: int, high: int, channels: int) -> Tensor:
    """Channel c of the result is channel c + offset of ``x``, 0 outside."""
    part = x.narrow(1, low, high - low)  # type: ignore[attr-defined]
    missing = channels - (high - low)
    if not missing:
        return part
    zeros = ops.zeros_of((x.shape[0], missing, *x.shape[2:]), x)
    return ops.concat(*((part, zeros) if offset > 0 else (zeros, part)), 1)
