"""Pooling over one, two and three spatial dimensions: maxima, averages, norms."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from ... import ops
from ...core import dtypes
from ...core.errors import ShapeError
from ...core.tensor import Tensor
from ...functions.registry import tensor_arg
from .conv import sizes_arg

__all__ = [
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "lp_pool1d", "lp_pool2d", "lp_pool3d", "max_pool1d", "max_pool1d_with_indices",
    "max_pool2d", "max_pool2d_with_indices", "max_pool3d", "max_pool3d_with_indices",
]  # fmt: skip


def batched(x: Any, n: int, name: str) -> tuple[Tensor, bool]:
    """The input as (N, C, *sizes), and whether it had its batch dimension."""
    x = tensor_arg(x, name)
    if x.ndim not in (n + 1, n + 2) or any(size == 0 for size in x.shape[x.ndim - n - 1 :]):
        raise ShapeError(
            f"{name}: Expected {n + 1}D or {n + 2}D tensor with optional 0 dim batch size for input, but got: {list(x.shape)}"
        )
    return (x, True) if x.ndim == n + 2 else (ops.reshape(x, (1, *x.shape)), False)


def unbatched(out: Tensor, had_batch: bool) -> Tensor:
    return out if had_batch else ops.reshape(out, tuple(out.shape[1:]))


def window(
    name: str, x: Tensor, n: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> tuple[tuple, tuple, tuple, tuple, tuple]:
    """Kernel, stride, padding, dilation as tuples, and the output's spatial shape."""
    given = (name, tuple(x.shape), n, kernel_size, stride, padding, dilation, ceil_mode)
    try:
        hash(given)
    except TypeError:  # lists
        return _window.__wrapped__(*given)
    return _window(*given)


@functools.lru_cache(1024, typed=True)  # a dozen checks cost as much as pooling a small image
def _window(
    name: str, shape: tuple, n: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> tuple[tuple, tuple, tuple, tuple, tuple]:
    kernel = sizes_arg(kernel_size, n, name, "kernel_size")
    steps = (
        kernel
        if stride is None or (isinstance(stride, Sequence) and not len(stride))
        else sizes_arg(stride, n, name, "stride")
    )
    pad, dilated = sizes_arg(padding, n, name, "padding"), sizes_arg(dilation, n, name, "dilation")
    if any(k <= 0 for k in kernel):
        raise RuntimeError(f"{name}: kernel size should be greater than zero, but got {kernel}")
    if any(s <= 0 for s in steps):
        raise RuntimeError(f"{name}: stride should not be zero, but got {steps}")
    if any(d <= 0 for d in dilated):
        raise RuntimeError(f"{name}: dilation should be greater than zero, but got {dilated}")
    if any(p < 0 for p in pad):
        raise RuntimeError(f"{name}: pad must be non-negative, but got {pad}")
    if any(2 * p > k for p, k in zip(pad, kernel, strict=True)):  # as in PyTorch, whatever the dilation
        raise RuntimeError(
            f"{name}: pad should be at most half of effective kernel size, but got pad={pad}, kernel_size={kernel} and dilation={dilated}"
        )
    places = []
    for size, k, s, p, d in zip(shape[2:], kernel, steps, pad, dilated, strict=True):
        room = size + 2 * p - d * (k - 1) - 1
        count = -(-room // s) + 1 if ceil_mode else room // s + 1
        if ceil_mode and (count - 1) * s >= size + p:  # the last window would start in the padding
            count -= 1
        places.append(count)
    if any(m < 1 for m in places):
        raise ShapeError(
            f"{name}: Given input size: ({shape[1]}x{'x'.join(map(str, shape[2:]))}). Calculated output size: "
            f"({shape[1]}x{'x'.join(map(str, places))}). Output size is too small (kernel {kernel}, padding {pad})"
        )
    return kernel, steps, pad, dilated, tuple(places)


def gather(x: Tensor, indices: Tensor) -> Tensor:
    """The elements of (N, C, *sizes) at flat spatial indices (N, C, *places)."""
    lead, places = tuple(x.shape[:2]), tuple(indices.shape[2:])
    flat = ops.take_along_axis(
        ops.reshape(x, (*lead, _count(x.shape[2:]))), ops.reshape(indices, (*lead, _count(places))), 2
    )
    return ops.reshape(flat, (*lead, *places))


def _count(sizes: Sequence[int]) -> int:
    n = 1
    for size in sizes:
        n *= size
    return n


def _max_pool(
    name: str,
    n: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    x, had_batch = batched(input, n, name)
    if x.dtype.category in (dtypes.COMPLEX, dtypes.BOOL) or (
        n == 1 and x.dtype.category != dtypes.FLOAT and not return_indices
    ):
        raise NotImplementedError(f'{name}: "{name}" not implemented for {x.dtype}')
    geometry = window(name, x, n, kernel_size, stride, padding, dilation, ceil_mode)
    if not return_indices:
        return unbatched(ops.max_pool(x, *geometry), had_batch)
    indices = ops.max_pool_indices(x, *geometry)
    return unbatched(gather(x, indices), had_batch), unbatched(indices, had_batch)


def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window of (N, C, L) or (C, L); with ``return_indices`` also where it lies.

    >>> import lucid, lucid.nn.functional as F
    >>> F.max_pool1d(lucid.tensor([[1.0, 3.0, 2.0, 5.0]]), 2)
    tensor([[3., 5.]])
    """
    return _max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window of (N, C, H, W) or (C, H, W); with ``return_indices`` also where it lies.

    Padding counts as -inf. ``stride`` is ``kernel_size`` unless given; ``ceil_mode`` also keeps windows that reach over the
    end. Equal maxima: the first gets the gradient. Raises RuntimeError for windows that do not fit.

    >>> import lucid, lucid.nn.functional as F
    >>> F.max_pool2d(lucid.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """
    return _max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window of (N, C, D, H, W) or (C, D, H, W); with ``return_indices`` also where it lies.

    >>> import lucid, lucid.nn.functional as F
    >>> F.max_pool3d(lucid.zeros(1, 2, 4, 4, 4), 2).shape
    lucid.Size([1, 2, 2, 2, 2])
    """
    return _max_pool("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """``max_pool1d`` and where the maxima lie."""
    return _max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """``max_pool2d`` and where the maxima lie."""
    return _max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """``max_pool3d`` and where the maxima lie."""
    return _max_pool("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def _avg_pool(
    name: str,
    n: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: Any = None,
) -> Tensor:
    x, had_batch = batched(input, n, name)
    if x.dtype is dtypes.int64:  # averages cut towards zero; a whole one may have been rounded down
        rest = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor)
        return ops.trunc(_avg_pool(name, n, input.double(), *rest) * (1 + 1e-12)).long()
    if x.dtype.category < dtypes.FLOAT:
        raise NotImplementedError(f'{name}: "{name}" not implemented for {x.dtype}; convert it to a floating dtype')
    kernel, steps, pad, _, places = window(name, x, n, kernel_size, stride, padding, 1, ceil_mode)
    if n == 3 and any(m < k for m, k in zip(x.shape[2:], kernel, strict=True)):
        raise RuntimeError(f"{name}: input image {tuple(x.shape[2:])} smaller than kernel size {kernel}")
    if divisor is not None and divisor == 0:
        raise RuntimeError(f"{name}: divisor must be not zero")
    return unbatched(ops.avg_pool(x, kernel, steps, pad, places, bool(count_include_pad), divisor), had_batch)


def avg_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The average of each window of (N, C, L) or (C, L).

    >>> import lucid, lucid.nn.functional as F
    >>> F.avg_pool1d(lucid.tensor([[1.0, 3.0, 2.0, 6.0]]), 2)
    tensor([[2., 4.]])
    """
    return _avg_pool("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The average of each window of (N, C, H, W) or (C, H, W).

    Zeros of the padding count unless ``count_include_pad`` is False; ``divisor_override`` replaces the count.

    >>> import lucid, lucid.nn.functional as F
    >>> F.avg_pool2d(lucid.arange(4.0).reshape(1, 2, 2), 2)
    tensor([[[1.5000]]])
    """
    return _avg_pool(
        "avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def avg_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The average of each window of (N, C, D, H, W) or (C, D, H, W).

    >>> import lucid, lucid.nn.functional as F
    >>> F.avg_pool3d(lucid.ones(1, 2, 4, 4, 4), 2).shape
    lucid.Size([1, 2, 2, 2, 2])
    """
    return _avg_pool(
        "avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def _lp_pool(name: str, n: int, input: Any, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool) -> Tensor:
    x = tensor_arg(input, name)
    kernel = sizes_arg(kernel_size, n, name, "kernel_size")
    out = _avg_pool(name, n, ops.pow(x, norm_type), kernel, stride, 0, ceil_mode, True)
    return ops.pow(ops.sgn(out) * ops.relu(ops.abs(out)) * _count(kernel), 1.0 / norm_type)


def lp_pool1d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """The p-norm of each window, ``(sum of x**p) ** (1/p)``, of (N, C, L) or (C, L).

    >>> import lucid, lucid.nn.functional as F
    >>> F.lp_pool1d(lucid.tensor([[3.0, 4.0]]), 2, 2)
    tensor([[5.]])
    """
    return _lp_pool("lp_pool1d", 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """The p-norm of each window, ``(sum of x**p) ** (1/p)``, of (N, C, H, W) or (C, H, W)."""
    return _lp_pool("lp_pool2d", 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """The p-norm of each window, ``(sum of x**p) ** (1/p)``, of (N, C, D, H, W) or (C, D, H, W)."""
    return _lp_pool("lp_pool3d", 3, input, norm_type, kernel_size, stride, ceil_mode)
