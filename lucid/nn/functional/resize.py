"""Resizing images: every mode is one small matrix per dimension, so its derivative is the same matrix transposed."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from ... import ops
from ...backends import backend_of
from ...core import dtypes
from ...core.errors import ShapeError
from ...core.graph import entitled
from ...core.modes import inference_mode
from ...core.tensor import Tensor
from ...functions.creation import tensor

__all__ = ["interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]
RANKS = {
    "nearest": (3, 4, 5),
    "nearest-exact": (3, 4, 5),
    "area": (3, 4, 5),
    "linear": (3,),
    "bilinear": (4,),
    "bicubic": (4,),
    "trilinear": (5,),
}


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resize the spatial dimensions of (N, C, ...) to ``size`` or by ``scale_factor``.

    Modes: nearest, nearest-exact, linear (3-D), bilinear and bicubic (4-D), trilinear (5-D), area; ``antialias`` widens
    the filter of bilinear and bicubic when shrinking. Raises ValueError for arguments that do not go together.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.interpolate(lucid.tensor([[[1.0, 3.0]]]), size=4, mode="linear", align_corners=False)
    tensor([[[1.0000, 1.5000, 2.5000, 3.0000]]])
    """
    spatial = input.ndim - 2
    if mode not in RANKS:
        raise NotImplementedError(f"Input Error: unknown mode {mode!r}; expected one of {', '.join(RANKS)}")
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear"
            )
    if input.ndim not in RANKS[mode]:
        raise NotImplementedError(
            f"Input Error: mode {mode!r} is for inputs of {' or '.join(map(str, RANKS[mode]))} dimensions, got {input.ndim} dimensions: {tuple(input.shape)}"
        )
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError(
            "Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D tensor as input"
        )
    bytes_fit = input.dtype is dtypes.uint8 and mode not in ("linear", "trilinear", "area")
    if not (input.dtype.is_floating_point or bytes_fit):
        raise NotImplementedError(
            f'interpolate: "upsample_{mode}" not implemented for {input.dtype}; convert the input to a floating dtype'
        )
    sizes, scales = _sizes(input, size, scale_factor, spatial)
    if recompute_scale_factor:
        if size is not None:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        scales = (None,) * spatial
    if any(n <= 0 for n in (*sizes, *input.shape[2:])):
        raise ShapeError(
            f"interpolate: Input and output sizes should be greater than 0, but got input {tuple(input.shape[2:])} and output {sizes}"
        )
    x, way = input, _product if mode.startswith("nearest") else weighing(input)
    axes = list(enumerate(zip(sizes, scales, strict=True), 2))
    for axis, (n, scale) in axes[::-1] if bytes_fit else axes:  # bytes are rounded at each step: width first
        x = _resized(x, axis, n, mode, bool(align_corners), scale, antialias, way)
    if mode == "area":
        return x
    return x if x is input else entitled(x, _title(mode, spatial, antialias))


def _title(mode: str, spatial: int, antialias: bool) -> str:
    kind = "".join(word.capitalize() for word in mode.split("-"))
    return f"Upsample{kind}{spatial}D{'Aa' if antialias else ''}Backward0"


def _sizes(input: Tensor, size: Any, scale_factor: Any, spatial: int) -> tuple[tuple[int, ...], tuple]:
    if (size is None) == (scale_factor is None):
        raise ValueError(
            "only one of size or scale_factor should be defined"
            if size is not None
            else "either size or scale_factor should be defined"
        )
    if size is not None:
        sizes = tuple(size) if isinstance(size, Sequence) else (size,) * spatial
        if len(sizes) != spatial:
            raise ValueError(
                f"Input and output must have the same number of spatial dimensions, but got input with spatial dimensions of {list(input.shape[2:])} and output size of {size}."
            )
        if not all(hasattr(n, "__index__") and type(n) is not bool for n in sizes):
            raise TypeError(f"interpolate(): argument 'size' must be an int or a tuple of ints, got {size!r}")
        return tuple(n.__index__() for n in sizes), (None,) * spatial
    factors = tuple(scale_factor) if isinstance(scale_factor, Sequence) else (scale_factor,) * spatial
    if len(factors) != spatial:
        raise ValueError(
            f"Input and scale_factor must have the same number of spatial dimensions, but got input with spatial dimensions of {list(input.shape[2:])} and scale_factor of shape {scale_factor}."
        )
    return tuple(math.floor(float(n * f)) for n, f in zip(input.shape[2:], factors, strict=True)), tuple(
        float(f) for f in factors
    )


def _resized(
    x: Tensor, axis: int, n: int, mode: str, align: bool, scale: float | None, antialias: bool, way: Callable
) -> Tensor:
    old = x.shape[axis]
    if mode.startswith("nearest"):
        return _nearest(x, axis, n, mode, scale)
    if n == old and (scale is None or scale == 1.0):
        return x
    matrix = _matrix(
        old, n, mode, align, scale, antialias, x.dtype if x.dtype.itemsize != 2 else dtypes.float32, x.device
    )
    if matrix.dtype is not x.dtype:
        wide = _resized(x.to(matrix.dtype), axis, n, mode, align, scale, antialias, way)  # type: ignore[attr-defined]
        wide = ops.floor(wide + 0.5).clamp(0, 255) if x.dtype is dtypes.uint8 else wide  # type: ignore[attr-defined, operator]
        return wide.to(x.dtype)  # type: ignore[no-any-return, attr-defined]
    return way(x, axis, matrix)


def weighing(x: Tensor) -> Callable[[Tensor, int, Tensor], Tensor]:
    """How to sum along an axis with weights (n, old), most of them 0, so that NaN and infinity reach only their own sums."""
    if x.device.type != "cpu" or hasattr(x.value, "level"):  # looking would wait for the device, or is not possible
        return _product
    return _product if math.isfinite(backend_of(x.value).table.sum(x.value)) else _picked


def _product(x: Tensor, axis: int, matrix: Tensor) -> Tensor:
    lead, rest = tuple(x.shape[:axis]), tuple(x.shape[axis + 1 :])
    if not rest:
        return x @ matrix.mT  # type: ignore[operator, attr-defined]
    flat = x.reshape(math.prod(lead), matrix.shape[1], math.prod(rest))  # type: ignore[attr-defined]
    return (matrix @ flat).reshape(*lead, matrix.shape[0], *rest)


def _picked(x: Tensor, axis: int, matrix: Tensor) -> Tensor:
    """No products with zeros: the k-th number of each sum at once, a shorter sum sharing out its last."""
    taps = [[(j, w) for j, w in enumerate(row) if w] for row in matrix.tolist()]  # type: ignore[attr-defined]
    most = max(map(len, taps), default=0)
    taps = [t[:-1] + [(t[-1][0], t[-1][1] / (most + 1 - len(t)))] * (most + 1 - len(t)) for t in taps]
    total: Any = 0 if taps else _product(x, axis, matrix)
    for chosen in zip(*taps, strict=True):
        indices, weights = zip(*chosen, strict=True)
        scale = tensor(weights, dtype=x.dtype).reshape(-1, *(1,) * (x.ndim - axis - 1))  # type: ignore[attr-defined]
        total = x.index_select(axis, tensor(indices)) * scale + total  # type: ignore[attr-defined]
    return total  # type: ignore[no-any-return]


def _nearest(x: Tensor, axis: int, n: int, mode: str, scale: float | None) -> Tensor:
    old = x.shape[axis]
    if n % old == 0 and (scale is None or scale == n // old):  # whole repetitions
        k = n // old
        if k == 1:
            return x
        shape = tuple(x.shape)
        if x.dtype.is_floating_point:  # the transpose of sums over windows
            places = shape[2:]
            kernel = tuple(k if i == axis else 1 for i in range(2, x.ndim))
            sizes = (*shape[2:axis], n, *shape[axis + 1 :])
            return ops.avg_pool_grad(x, sizes, kernel, kernel, (0,) * len(places), places, True, 1)  # type: ignore[no-any-return]
        wide = x.unsqueeze(axis + 1).expand(*shape[: axis + 1], k, *shape[axis + 1 :])  # type: ignore[attr-defined]
        return wide.reshape(*shape[:axis], n, *shape[axis + 1 :])
    step = old / n if scale is None else 1.0 / scale
    offset = 0.5 if mode == "nearest-exact" else 0.0
    rows = [min(math.floor((i + offset) * _float32(step)), old - 1) for i in range(n)]
    return x.index_select(axis, tensor(rows, device=x.device))  # type: ignore[attr-defined]


def _float32(v: float) -> float:
    """PyTorch computes nearest neighbours in float32; so that ties fall alike, the step is rounded as there."""
    import struct

    return struct.unpack("f", struct.pack("f", v))[0]


def _cubic(t: float, a: float) -> float:
    t = abs(t)
    if t <= 1:
        return ((a + 2) * t - (a + 3)) * t * t + 1
    return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a if t < 2 else 0.0


@lru_cache(maxsize=256)
@inference_mode(False)  # it is kept
def _matrix(
    old: int, n: int, mode: str, align: bool, scale: float | None, antialias: bool, dtype: Any, device: Any
) -> Tensor:
    """(n, old): each row holds the weights of the input pixels that make one output pixel."""
    rows = []
    for i in range(n):
        row = [0.0] * old
        for j, weight in _taps(i, old, n, mode, align, scale, antialias):
            row[min(max(j, 0), old - 1)] += weight
        rows.append(row)
    if dtype is dtypes.uint8:  # PyTorch's weights for bytes are whole numbers of 16 bits over a power of two
        unit = 2.0 ** (math.frexp(0x7FFF / max(max(row) for row in rows))[1] - 1)
        rows = [[math.copysign(math.floor(abs(w) * unit + 0.5), w) / unit for w in row] for row in rows]
        dtype = dtypes.float32
    return tensor(rows, dtype=dtypes.float64).to(dtype).to(device)


def _taps(
    i: int, old: int, n: int, mode: str, align: bool, scale: float | None, antialias: bool
) -> list[tuple[int, float]]:
    if mode == "area":
        start, stop = i * old // n, -((-(i + 1) * old) // n)
        return [(j, 1.0 / (stop - start)) for j in range(start, stop)]
    step = (old - 1) / (n - 1) if align and n > 1 else 0.0 if align else 1.0 / scale if scale else old / n
    if antialias:
        return _filtered(i, old, mode, step, align)
    at = i * step if align else (i + 0.5) * step - 0.5
    if mode == "bicubic":
        j = math.floor(at)
        return [(j + k, _cubic(at - j - k, -0.75)) for k in (-1, 0, 1, 2)]
    at = max(at, 0.0)
    j = min(int(at), old - 1)
    return [(j, 1 - (at - j)), (j + 1, at - j)]


def _filtered(i: int, old: int, mode: str, step: float, align: bool) -> list[tuple[int, float]]:
    """The triangle or cubic filter, as wide as the output's pixels are in the input."""
    wide = max(step, 1.0)
    support = (2.0 if mode == "bicubic" else 1.0) * wide
    centre = step * (i + 0.5)
    start, stop = max(int(centre - support + 0.5), 0), min(int(centre + support + 0.5), old)
    weights = []
    for j in range(start, stop):
        t = (j - centre + 0.5) / wide
        weights.append(_cubic(t, -0.5) if mode == "bicubic" else max(0.0, 1 - abs(t)))
    total = sum(weights) or 1.0
    return [(j, w / total) for j, w in zip(range(start, stop), weights, strict=True)]


def upsample(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Tensor:
    """The old name of ``interpolate``."""
    warnings.warn("`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """``interpolate(mode="nearest")``."""
    warnings.warn(
        "`nn.functional.upsample_nearest` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2
    )
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """``interpolate(mode="bilinear", align_corners=True)``."""
    warnings.warn(
        "`nn.functional.upsample_bilinear` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2
    )
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)
