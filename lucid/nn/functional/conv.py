"""Convolution and its transpose over one, two and three spatial dimensions."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from ... import ops
from ...core import dtypes
from ...core.errors import ShapeError
from ...core.precision import autocast_unites
from ...core.tensor import Tensor
from ...functions.registry import tensor_arg

__all__ = ["conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]


def sizes_arg(value: Any, n: int, name: str, argument: str) -> tuple[int, ...]:
    """An int, or one int per dimension (or one for all), as ``n`` ints."""
    if hasattr(value, "__index__") and not isinstance(value, bool):
        return (value.__index__(),) * n
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(hasattr(v, "__index__") for v in value):
        raise TypeError(f"{name}(): argument '{argument}' must be tuple of ints, not {type(value).__name__} {value!r}")
    if len(value) not in (1, n):
        raise RuntimeError(
            f"{name}: expected {argument} to be a single integer value or a list of {n} values, but got {argument}={list(value)}"
        )
    return tuple(v.__index__() for v in value) * (n if len(value) == 1 else 1)


def _geometry(name: str, n: int, stride: Any, padding: Any, dilation: Any, groups: Any) -> tuple:
    """Stride, padding (a tuple, or None for "same") and dilation as tuples of ``n`` positive ints."""
    stride, dilation = sizes_arg(stride, n, name, "stride"), sizes_arg(dilation, n, name, "dilation")
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise RuntimeError(f"{name}: Invalid padding string: {padding!r}; it can be 'valid' or 'same'")
        if padding == "same" and any(s != 1 for s in stride):
            raise RuntimeError(f"{name}: padding='same' is not supported for strided convolutions (stride {stride})")
        padding = None if padding == "same" else (0,) * n
    else:
        padding = sizes_arg(padding, n, name, "padding")
        if any(p < 0 for p in padding):
            raise RuntimeError(f"{name}: negative padding is not supported, got padding={padding}")
    if any(s <= 0 for s in stride):
        raise RuntimeError(f"{name}: non-positive stride is not supported, got stride={stride}")
    if any(d <= 0 for d in dilation):
        raise RuntimeError(f"{name}: dilation should be greater than zero, got dilation={dilation}")
    if not hasattr(groups, "__index__"):
        raise TypeError(f"{name}(): argument 'groups' must be int, not {type(groups).__name__}")
    if groups <= 0:
        raise RuntimeError(f"{name}: non-positive groups is not supported, got groups={groups}")
    return stride, padding, dilation


def _tensors(name: str, n: int, x: Tensor, w: Tensor, bias: Tensor | None) -> None:
    """Ranks and dtypes that belong together."""
    if w.ndim != n + 2:
        raise ShapeError(f"{name}: expected weight to be {n + 2}-dimensional, but got weight of size {list(w.shape)}")
    if x.ndim not in (n + 1, n + 2):
        raise ShapeError(
            f"{name}: Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, but got input of size: {list(x.shape)}"
        )
    for other, what in ((w, "weight"), (bias, "bias")):
        if other is not None and other.dtype is not x.dtype and not autocast_unites(x, other):
            raise RuntimeError(
                f"{name}: Input type ({x.dtype}) and {what} type ({other.dtype}) should be the same; cast one with .to()"
            )
    if x.dtype is dtypes.bool_:
        raise NotImplementedError(f'{name}: "{name}" not implemented for {x.dtype}; convert to another dtype')


def _bias(name: str, weight: Sequence[int], bias: Sequence[int] | None, count: int) -> None:
    if bias is not None and tuple(bias) != (count,):
        raise ShapeError(
            f"{name}: Given weight of size {list(weight)}, expected bias to be 1-dimensional with {count} elements, "
            f"but got bias of size {list(bias)} instead"
        )


def _conv(
    name: str, n: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Tensor:
    x, w = tensor_arg(input, name), tensor_arg(weight, name, "weight")
    b = None if bias is None else tensor_arg(bias, name, "bias")
    stride, padding, dilation = (tuple(v) if isinstance(v, list) else v for v in (stride, padding, dilation))
    _tensors(name, n, x, w, b)
    shapes = x.value.shape, w.value.shape, None if b is None else b.value.shape
    try:
        geometry = _plan(name, n, shapes, stride, padding, dilation, groups)
    except TypeError as unhashable:
        if "unhashable" not in str(unhashable):
            raise
        geometry = _plan.__wrapped__(name, n, shapes, stride, padding, dilation, groups)
    batched = x.value.ndim == n + 2
    if not batched:
        x = ops.reshape(x, (1, *x.shape))
    out = ops.conv(x, w, *geometry) if b is None else ops.conv_bias(x, w, b, *geometry)
    return out if batched else ops.reshape(out, tuple(out.shape[1:]))


@functools.lru_cache(1024, typed=True)  # 1.0 is no int
def _plan(name: str, n: int, shapes: tuple, stride: Any, padding: Any, dilation: Any, groups: int) -> tuple:
    """The checked geometry: stride, a pair of paddings per dimension, dilation, groups. Kept, since layers repeat."""
    x, shape, bias = shapes
    stride, padding, dilation = _geometry(name, n, stride, padding, dilation, groups)
    if shape[0] < groups or shape[0] % groups:
        wrong = "at least" if shape[0] < groups else "divisible by"
        raise ShapeError(
            f"{name}: Given groups={groups}, expected weight to be {wrong} {groups} at dimension 0, "
            f"but got weight of size {list(shape)} instead"
        )
    if x[-n - 1] != shape[1] * groups:
        last = x[-1] == shape[1] * groups  # the mistake of those who come from layouts with channels last
        hint = (
            "; channels come before the spatial dimensions: move the last one with .movedim(-1, " + f"{len(x) - n - 1})"
        )
        raise ShapeError(
            f"{name}: Given groups={groups}, weight of size {list(shape)}, expected input{list(x)} to have "
            f"{shape[1] * groups} channels, but got {x[-n - 1]} channels instead{hint if last else ''}"
        )
    _bias(name, shape, bias, shape[0])
    spans = tuple(d * (k - 1) + 1 for d, k in zip(dilation, shape[2:], strict=True))
    if padding is None:  # "same": what cannot be split evenly goes to the end
        pairs = tuple(((span - 1) // 2, span - 1 - (span - 1) // 2) for span in spans)
    else:
        pairs = tuple((p, p) for p in padding)
    padded = tuple(size + low + high for size, (low, high) in zip(x[-n:], pairs, strict=True))
    if any(k == 0 for k in shape[2:]):
        raise ShapeError(f"{name}: kernel sizes must be positive, but got weight of size {list(shape)}")
    if any(span > size for span, size in zip(spans, padded, strict=True)):
        raise ShapeError(
            f"{name}: Calculated padded input size per channel: ({' x '.join(map(str, padded))}). Kernel size: "
            f"({' x '.join(map(str, spans))}). Kernel size can't be greater than actual input size "
            f"(input {list(x)}, weight {list(shape)})"
        )
    return stride, pairs, dilation, int(groups)


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of signals (N, C, L) or (C, L) with ``weight`` (O, C / groups, K).

    ``padding`` is an int, a 1-tuple, "valid" or "same" (stride 1 only). Raises RuntimeError where shapes or dtypes do not fit.

    >>> import lucid, lucid.nn.functional as F
    >>> F.conv1d(lucid.ones(1, 1, 4), lucid.ones(1, 1, 2))
    tensor([[[2., 2., 2.]]])
    """
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of images (N, C, H, W) or (C, H, W) with ``weight`` (O, C / groups, KH, KW).

    ``out[n, o, i, j] = bias[o] + sum over c, u, v of input[n, c, s i + d u - p, s j + d v - p] * weight[o, c, u, v]``.
    Raises RuntimeError where shapes or dtypes do not fit.

    >>> import lucid, lucid.nn.functional as F
    >>> F.conv2d(lucid.zeros(8, 3, 32, 32), lucid.zeros(16, 3, 3, 3), padding="same").shape
    lucid.Size([8, 16, 32, 32])
    """
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of volumes (N, C, D, H, W) or (C, D, H, W) with ``weight`` (O, C / groups, KD, KH, KW).

    Raises RuntimeError where shapes or dtypes do not fit.

    >>> import lucid, lucid.nn.functional as F
    >>> F.conv3d(lucid.zeros(1, 2, 5, 6, 7), lucid.zeros(4, 1, 3, 3, 3), groups=2).shape
    lucid.Size([1, 4, 3, 4, 5])
    """
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def transposed_sizes(
    sizes: Sequence[int], kernel: Sequence[int], stride: Any, padding: Any, output_padding: Any, dilation: Any
) -> tuple[int, ...]:
    """The spatial shape of a transposed convolution's output."""
    parts = zip(sizes, kernel, stride, padding, output_padding, dilation, strict=True)
    return tuple((n - 1) * s - 2 * p + d * (k - 1) + extra + 1 for n, k, s, p, extra, d in parts)


def _transposed(
    name: str,
    n: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Tensor:
    x, w = tensor_arg(input, name), tensor_arg(weight, name, "weight")
    b = None if bias is None else tensor_arg(bias, name, "bias")
    if isinstance(padding, str):
        raise TypeError(f"{name}(): argument 'padding' must be tuple of ints, not str {padding!r}")
    stride, padding, dilation = _geometry(name, n, stride, padding, dilation, groups)
    extra = sizes_arg(output_padding, n, name, "output_padding")
    _tensors(name, n, x, w, b)
    shape, batched, channels = tuple(w.shape), x.ndim == n + 2, x.shape[-n - 1]
    if any(e < 0 for e in extra):
        raise RuntimeError(f"{name}: negative output_padding is not supported, got output_padding={extra}")
    if any(e >= s and e >= d for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise RuntimeError(
            f"{name}: output padding must be smaller than either stride or dilation, but got output_padding {extra}, stride {stride}, dilation {dilation}"
        )
    if channels != shape[0] or shape[0] % groups:
        raise ShapeError(
            f"{name}: Given transposed=1, weight of size {list(shape)}, expected input{list(x.shape)} to have {shape[0]} channels "
            f"(divisible by groups={groups}), but got {channels} channels instead"
        )
    _bias(name, shape, None if b is None else b.value.shape, shape[1] * groups)
    sizes = transposed_sizes(x.shape[-n:], shape[2:], stride, padding, extra, dilation)
    if any(size <= 0 for size in sizes) or 0 in shape[2:]:
        raise ShapeError(
            f"{name}: Given input size per channel: {list(x.shape[-n:])}. Calculated output size per channel: {list(sizes)}. Output size is too small"
        )
    if not batched:
        x = ops.reshape(x, (1, *x.shape))
    # A forward convolution of the result gives one output per input element when the padding at the end is less by the extra rows.
    pairs = tuple((p, p - e) for p, e in zip(padding, extra, strict=True))
    out = ops.conv_input_grad(x, w, sizes, stride, pairs, dilation, groups)
    if b is not None:
        out = out + ops.reshape(b if b.dtype is out.dtype else b.to(out.dtype), (1, -1, *(1,) * n))  # type: ignore[attr-defined]
    return out if batched else ops.reshape(out, tuple(out.shape[1:]))


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The transpose (gradient) of ``conv1d`` as a layer: (N, C, L) with ``weight`` (C, O / groups, K).

    >>> import lucid, lucid.nn.functional as F
    >>> F.conv_transpose1d(lucid.ones(1, 1, 2), lucid.ones(1, 1, 2), stride=2)
    tensor([[[1., 1., 1., 1.]]])
    """
    return _transposed("conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The transpose (gradient) of ``conv2d`` as a layer: (N, C, H, W) with ``weight`` (C, O / groups, KH, KW).

    >>> import lucid, lucid.nn.functional as F
    >>> F.conv_transpose2d(lucid.zeros(1, 8, 4, 4), lucid.zeros(8, 3, 2, 2), stride=2).shape
    lucid.Size([1, 3, 8, 8])
    """
    return _transposed("conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The transpose (gradient) of ``conv3d`` as a layer: (N, C, D, H, W) with ``weight`` (C, O / groups, KD, KH, KW).

    >>> import lucid, lucid.nn.functional as F
    >>> F.conv_transpose3d(lucid.zeros(1, 2, 2, 2, 2), lucid.zeros(2, 1, 2, 2, 2), stride=2).shape
    lucid.Size([1, 1, 4, 4, 4])
    """
    return _transposed("conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """``conv1d`` of (length, N, C_in) with a weight (k, C_in, C_out): (length, N, C_out)."""
    for name, t, ndim in (("input", input, 3), ("weight", weight, 3), ("bias", bias, 1)):
        if t.ndim != ndim:
            raise ShapeError(f"conv_tbc: {name} must be {ndim}-D, got shape {tuple(t.shape)}")
    out = conv1d(ops.permute_dims(input, (1, 2, 0)), ops.permute_dims(weight, (2, 1, 0)), bias, padding=pad)
    return ops.permute_dims(out, (2, 0, 1))
