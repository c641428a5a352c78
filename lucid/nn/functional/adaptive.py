"""Pooling to a given output size: adaptive and fractional windows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ... import ops
from ...core import dtypes
from ...core.errors import ShapeError
from ...core.graph import entitle, entitled
from ...core.modes import inference_mode
from ...core.tensor import Tensor, as_tensor
from ...core.transform import lifted_to_indices
from ...functions.creation import arange, zeros
from ...functions.random import rand
from .conv import sizes_arg
from .pooling import batched, gather, unbatched
from .resize import weighing

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d", "adaptive_max_pool2d_with_indices", "adaptive_max_pool3d", "adaptive_max_pool3d_with_indices",
    "fractional_max_pool2d", "fractional_max_pool2d_with_indices", "fractional_max_pool3d", "fractional_max_pool3d_with_indices",
]  # fmt: skip


def _wanted(name: str, x: Tensor, n: int, output_size: Any) -> tuple[int, ...]:
    """The output's spatial shape; None keeps the input's size."""
    if isinstance(output_size, Sequence) and len(output_size) == n:
        output_size = [size if want is None else want for size, want in zip(x.shape[2:], output_size, strict=True)]
    elif isinstance(output_size, Sequence) and len(output_size) != n:
        raise RuntimeError(f"{name}: output_size must be {n} ints, but got {list(output_size)}")
    places = sizes_arg(output_size, n, name, "output_size")
    if any(m < 0 for m in places):
        raise RuntimeError(
            f"{name}: elements of output_size must be greater than or equal to 0 but received {list(places)}"
        )
    return places


def _edges(size: int, places: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Where each adaptive window starts and stops."""
    return tuple(i * size // places for i in range(places)), tuple(-(-(i + 1) * size // places) for i in range(places))


def _regular(sizes: Sequence[int], places: Sequence[int]) -> tuple[int, ...] | None:
    """The one window size, if windows tile the input evenly."""
    if all(m and n % m == 0 for n, m in zip(sizes, places, strict=True)):
        return tuple(n // m for n, m in zip(sizes, places, strict=True))
    return None


@lru_cache(maxsize=256)
@inference_mode(False)  # it is kept
def _shares(size: int, places: int, dtype: Any, device: Any) -> Tensor:
    """(places, size): each row averages one window."""
    edges = zip(*_edges(size, places), strict=True)
    rows = [[1.0 / (b - a) if a <= i < b else 0.0 for i in range(size)] for a, b in edges]
    return as_tensor(rows, dtype=dtype, device=device)


def _adaptive_avg(name: str, n: int, input: Any, output_size: Any) -> Tensor:
    x, had_batch = batched(input, n, name)
    places = _wanted(name, x, n, output_size)
    if x.dtype.category < dtypes.FLOAT:
        raise NotImplementedError(f'{name}: "{name}" not implemented for {x.dtype}; convert it to a floating dtype')
    even = _regular(x.shape[2:], places)
    if places == (1,) * n:
        out = ops.mean(x, axis=tuple(range(2, n + 2)), keepdims=True)
    elif even is not None:
        out = ops.avg_pool(x, even, even, (0,) * n, places, True, None)
    else:
        out, way = x, weighing(x)
        for d, (size, m) in enumerate(zip(x.shape[2:], places, strict=True)):
            if m != size:
                weights = _shares(size, m, x.dtype, x.device) if m else ops.zeros_of((0, size), x)
                out = way(out, d + 2, weights)
    if n > 1 and out is not x and places != (1,) * n:
        entitle(out.node, f"AdaptiveAvgPool{n}DBackward0")
    return unbatched(out, had_batch)


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Averages of windows chosen so that the output (N, C, L) has length ``output_size``.

    >>> import lucid, lucid.nn.functional as F
    >>> F.adaptive_avg_pool1d(lucid.tensor([[1.0, 2.0, 3.0]]), 2)
    tensor([[1.5000, 2.5000]])
    """
    return _adaptive_avg("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Averages of windows chosen so that the output (N, C, H, W) has the spatial shape ``output_size`` (None keeps a size).

    >>> import lucid, lucid.nn.functional as F
    >>> F.adaptive_avg_pool2d(lucid.ones(8, 3, 7, 9), (1, None)).shape
    lucid.Size([8, 3, 1, 9])
    """
    return _adaptive_avg("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Averages of windows chosen so that the output (N, C, D, H, W) has the spatial shape ``output_size``."""
    return _adaptive_avg("adaptive_avg_pool3d", 3, input, output_size)


def _adaptive_max(name: str, n: int, input: Any, output_size: Any, return_indices: bool) -> Any:
    x, had_batch = batched(input, n, name)
    places = _wanted(name, x, n, output_size)
    even = _regular(x.shape[2:], places)
    if even is not None:
        geometry = (even, even, (0,) * n, (1,) * n, places)
        if not return_indices:
            return unbatched(ops.max_pool(x, *geometry), had_batch)
        indices = ops.max_pool_indices(x, *geometry)
    elif not x.shape.numel():
        indices = zeros(*x.shape[:2], *places, dtype=dtypes.int64, device=x.device)
    else:
        edges = [_edges(size, m) for size, m in zip(x.shape[2:], places, strict=True)]
        indices = ops.adaptive_max_indices(x, tuple(a for a, _ in edges), tuple(b for _, b in edges))
    values = unbatched(gather(x, indices), had_batch)
    return (values, unbatched(indices, had_batch)) if return_indices else values


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima of windows chosen so that the output (N, C, L) has length ``output_size``; also where they lie.

    >>> import lucid, lucid.nn.functional as F
    >>> F.adaptive_max_pool1d(lucid.tensor([[1.0, 3.0, 2.0]]), 2)
    tensor([[3., 3.]])
    """
    return _adaptive_max("adaptive_max_pool1d", 1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima of windows chosen so that the output (N, C, H, W) has the spatial shape ``output_size``; also where they lie."""
    return _adaptive_max("adaptive_max_pool2d", 2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima of windows chosen so that the output (N, C, D, H, W) has the spatial shape ``output_size``; also where they lie."""
    return _adaptive_max("adaptive_max_pool3d", 3, input, output_size, return_indices)


def adaptive_max_pool1d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """``adaptive_max_pool1d`` and where the maxima lie."""
    return _adaptive_max("adaptive_max_pool1d", 1, input, output_size, True)


def adaptive_max_pool2d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """``adaptive_max_pool2d`` and where the maxima lie."""
    return _adaptive_max("adaptive_max_pool2d", 2, input, output_size, True)


def adaptive_max_pool3d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """``adaptive_max_pool3d`` and where the maxima lie."""
    return _adaptive_max("adaptive_max_pool3d", 3, input, output_size, True)


def _fractional(
    name: str,
    n: int,
    input: Any,
    kernel_size: Any,
    output_size: Any,
    output_ratio: Any,
    return_indices: bool,
    samples: Tensor | None,
) -> Any:
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    x, had_batch = batched(input, n, name)
    kernel = sizes_arg(kernel_size, n, name, "kernel_size")
    if output_size is None:
        ratios = (output_ratio,) * n if isinstance(output_ratio, int | float) else tuple(output_ratio)
        output_size = tuple(int(size * ratio) for size, ratio in zip(x.shape[2:], ratios, strict=True))
    places = sizes_arg(output_size, n, name, "output_size")
    for size, k, m, axis in zip(x.shape[2:], kernel, places, ("time", "height", "width")[-n:], strict=True):
        if m + k - 1 > size or k < 1 or m < 1:
            raise ShapeError(
                f"{name}(): pool {axis} {k} with output size {m} too large relative to input {axis} {size}"
            )
    if samples is None:
        samples = rand((*x.shape[:2], n), dtype=x.dtype, device=x.device)
    elif tuple(samples.shape[1:]) != (x.shape[1], n) or samples.shape[0] < x.shape[0]:
        raise ShapeError(
            f"{name}: Expect _random_samples to have shape {(*x.shape[:2], n)}, but got {tuple(samples.shape)}"
        )
    samples, starts, stops = samples[: x.shape[0]], [], []
    order = range(n) if n == 3 else range(n - 1, -1, -1)  # PyTorch's samples: width, height; but time, height, width
    for d, size, k, m in zip(order, x.shape[2:], kernel, places, strict=True):
        start = _sequence(ops.take_slice(samples, 2, d, d + 1), size, k, m).value
        starts.append(start)
        stops.append(start + k)
    x = lifted_to_indices(x, starts)
    indices = ops.adaptive_max_indices(x, tuple(starts), tuple(stops))
    values = entitled(unbatched(gather(x, indices), had_batch), f"FractionalMaxPool{n}DBackward0")
    return (values, unbatched(indices, had_batch)) if return_indices else values


def _sequence(u: Tensor, size: int, k: int, places: int) -> Tensor:
    """Pseudo-random starts (N, C, places) of windows of ``k``; the last one ends with the input."""
    last = as_tensor(size - k, device=u.device) + ops.cast(u, dtypes.int64) * 0
    if places == 1:
        return last
    alpha = (size - k) / (places - 1)
    i = arange(places - 1, dtype=u.dtype, device=u.device)
    starts = ops.trunc((u + i) * alpha) - ops.trunc(u * alpha)
    return ops.concat(ops.cast(starts, dtypes.int64), last, 2)


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """Maxima of windows at pseudo-random steps between 1 and 2 (or any ratio), of (N, C, H, W) or (C, H, W).

    Give ``output_size`` or ``output_ratio``. Graham, "Fractional Max-Pooling", arXiv:1412.6071.

    >>> import lucid, lucid.nn.functional as F
    >>> F.fractional_max_pool2d(lucid.zeros(1, 2, 10, 10), 2, output_ratio=0.7).shape
    lucid.Size([1, 2, 7, 7])
    """
    return _fractional(
        "fractional_max_pool2d", 2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """``fractional_max_pool2d`` for volumes (N, C, D, H, W) or (C, D, H, W)."""
    return _fractional(
        "fractional_max_pool3d", 3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )


def fractional_max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> tuple[Tensor, Tensor]:
    """``fractional_max_pool2d`` and where the maxima lie."""
    return _fractional("fractional_max_pool2d", 2, input, kernel_size, output_size, output_ratio, True, _random_samples)


def fractional_max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> tuple[Tensor, Tensor]:
    """``fractional_max_pool3d`` and where the maxima lie."""
    return _fractional("fractional_max_pool3d", 3, input, kernel_size, output_size, output_ratio, True, _random_samples)
