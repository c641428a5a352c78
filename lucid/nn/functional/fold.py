"""Patches as columns, columns back to images, and maxima back to where they came from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ... import ops
from ...core import dtypes
from ...core.errors import ShapeError
from ...core.graph import entitled
from ...core.tensor import Tensor
from ...core.transform import everything
from ...functions.registry import tensor_arg
from .conv import sizes_arg
from .pooling import batched, unbatched

__all__ = ["fold", "max_unpool1d", "max_unpool2d", "max_unpool3d", "unfold"]


def _blocks(
    name: str, sizes: Sequence[int], kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> tuple[tuple, ...]:
    """Kernel, stride, padding, dilation as pairs, and how many blocks lie in each direction."""
    kernel, dilated = sizes_arg(kernel_size, 2, name, "kernel_size"), sizes_arg(dilation, 2, name, "dilation")
    pad, steps = sizes_arg(padding, 2, name, "padding"), sizes_arg(stride, 2, name, "stride")
    for what, values, least in (
        ("kernel_size", kernel, 1),
        ("stride", steps, 1),
        ("dilation", dilated, 1),
        ("padding", pad, 0),
    ):
        if any(v < least for v in values):
            raise RuntimeError(
                f"{name}: {what} should be {'greater than zero' if least else 'non-negative'}, but got {values}"
            )
    parts = zip(sizes, kernel, steps, pad, dilated, strict=True)
    places = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in parts)
    if any(m < 1 for m in places):
        raise ShapeError(
            f"{name}: Given input with spatial size {tuple(sizes)}, kernel_size={kernel}, dilation={dilated}, padding={pad}, "
            f"calculated shape of the array of sliding blocks as {places}, but its components must be at least one."
        )
    return kernel, steps, pad, dilated, places


def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """The patches of images (N, C, H, W) as columns (N, C * KH * KW, L); of (C, H, W) without N.

    Raises RuntimeError where no patch fits.

    >>> import lucid, lucid.nn.functional as F
    >>> F.unfold(lucid.zeros(2, 5, 3, 4), (2, 3)).shape
    lucid.Size([2, 30, 4])
    """
    x, had_batch = batched(input, 2, "unfold")
    return unbatched(ops.im2col(x, *_blocks("unfold", x.shape[2:], kernel_size, dilation, padding, stride)), had_batch)


def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Columns (N, C * KH * KW, L) added up to images (N, C, H, W): the transpose of ``unfold``.

    Raises RuntimeError where the columns do not fit ``output_size``.

    >>> import lucid, lucid.nn.functional as F
    >>> F.fold(lucid.ones(1, 4, 2), (2, 3), (2, 2))
    tensor([[[[1., 2., 1.],
              [1., 2., 1.]]]])
    """
    x = tensor_arg(input, "fold")
    if x.ndim not in (2, 3) or 0 in x.shape[-2:]:
        raise ShapeError(
            f"fold: Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions, but got: {list(x.shape)}"
        )
    sizes = sizes_arg(output_size, 2, "fold", "output_size")
    kernel, steps, pad, dilated, places = _blocks("fold", sizes, kernel_size, dilation, padding, stride)
    rows, columns = x.shape[-2:]
    if rows % math.prod(kernel):
        raise ShapeError(
            f"fold: Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got input.size(1)={rows} and kernel_size={kernel}."
        )
    if columns != math.prod(places):
        raise ShapeError(
            f"fold: Given output_size={sizes}, kernel_size={kernel}, dilation={dilated}, padding={pad}, stride={steps}, expected size of "
            f"input's dimension 2 to match the calculated number of sliding blocks {places[0]} * {places[1]} = {math.prod(places)}, "
            f"but got input.size(2)={columns}."
        )
    had_batch = x.ndim == 3
    if not had_batch:
        x = ops.reshape(x, (1, rows, columns))
    return unbatched(ops.col2im(x, sizes, kernel, steps, pad, dilated, places), had_batch)


def _unpool(
    name: str, n: int, input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> Tensor:
    x, had_batch = batched(input, n, name)
    where = tensor_arg(indices, name, "indices")
    kernel = sizes_arg(kernel_size, n, name, "kernel_size")
    steps = kernel if stride is None else sizes_arg(stride, n, name, "stride")
    pad = sizes_arg(padding, n, name, "padding")
    sizes = tuple((m - 1) * s + k - 2 * p for m, k, s, p in zip(x.shape[2:], kernel, steps, pad, strict=True))
    if output_size is not None:
        wanted = tuple(output_size)[-n:] if len(output_size) in (n, n + 2, n + 1) else tuple(output_size)
        if len(wanted) != n:
            raise ValueError(
                f"output_size should be a sequence containing {n} or {n + 2} elements, but it has a length of '{len(output_size)}'"
            )
        for d, (want, size, s) in enumerate(zip(wanted, sizes, steps, strict=True)):
            if not size - s < want < size + s:
                raise ValueError(
                    f'invalid output_size "{list(wanted)}" (dim {d} must be between {size - s} and {size + s})'
                )
        sizes = wanted
    if where.dtype is not dtypes.int64:
        raise RuntimeError(f"{name}: elements in indices should be type int64 but got: {where.dtype}")
    if tuple(where.shape) != tuple(x.shape if had_batch else x.shape[1:]):
        raise ShapeError(
            f"{name}: Expected shape of indices to be same as that of the input tensor ({list(x.shape)}) but got indices tensor with shape: {list(where.shape)}"
        )
    lead, count, total = tuple(x.shape[:2]), math.prod(x.shape[2:]), math.prod(sizes)
    where = ops.reshape(where, (*lead, count))
    if where.shape.numel():
        given = everything(where)
        low, high = int(ops.amin(given, None, False).value), int(ops.amax(given, None, False).value)
        if low < 0 or high >= total:
            raise RuntimeError(
                f"{name}: Found an invalid max index: {high if high >= total else low} (output volumes are of size {'x'.join(map(str, sizes))})"
            )
    flat = ops.put_along_axis(ops.zeros_of((*lead, total), x), where, ops.reshape(x, (*lead, count)), 2)
    return entitled(unbatched(ops.reshape(flat, (*lead, *sizes)), had_batch), f"MaxUnpool{max(n, 2)}DBackward0")


def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """Maxima put back to where ``max_pool1d(..., return_indices=True)`` found them; zeros elsewhere.

    >>> import lucid, lucid.nn.functional as F
    >>> F.max_unpool1d(*F.max_pool1d(lucid.tensor([[1.0, 3.0, 5.0, 2.0]]), 2, return_indices=True), 2)
    tensor([[0., 3., 5., 0.]])
    """
    return _unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """Maxima put back to where ``max_pool2d(..., return_indices=True)`` found them; zeros elsewhere.

    ``output_size`` settles which of the possible input sizes is meant. Raises RuntimeError for indices out of range.
    """
    return _unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """Maxima put back to where ``max_pool3d(..., return_indices=True)`` found them; zeros elsewhere."""
    return _unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)
