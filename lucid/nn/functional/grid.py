"""Sampling an image at any points: spatial transformers."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ... import ops
from ...core.errors import ShapeError
from ...core.graph import entitled
from ...core.modes import inference_mode
from ...core.tensor import Tensor
from ...functions.creation import linspace, ones, tensor, zeros
from ...functions.pieces import stack
from ...functions.shaping import expand

__all__ = ["affine_grid", "grid_sample", "rotate"]


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The points (N, H, W, 2) or (N, D, H, W, 3) that affine maps theta (N, 2, 3) or (N, 3, 4) send an image grid to.

    Raises ValueError and RuntimeError for sizes and shapes that do not fit. Jaderberg et al., 2015.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.affine_grid(lucid.tensor([[[1.0, 0, 0], [0, 1, 0]]]), (1, 1, 2, 2), align_corners=True)[0, 0]
    tensor([[-1., -1.],
            [ 1., -1.]])
    """
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0.", stacklevel=2
        )
        align_corners = False
    if not theta.dtype.is_floating_point:
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    spatial = len(size) - 2
    if spatial not in (2, 3):
        raise NotImplementedError(
            f"affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size {tuple(size)}."
        )
    if theta.ndim != 3 or tuple(theta.shape[1:]) != (spatial, spatial + 1):
        raise ValueError(
            f"Expected a batch of {spatial}D affine matrices of shape Nx{spatial}x{spatial + 1} for size {tuple(size)}. Got {tuple(theta.shape)}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {tuple(size)}")
    sizes = tuple(int(n) for n in size[2:])
    flat = _grid_points(sizes, bool(align_corners), theta.dtype, theta.device)
    return (flat @ theta.mT).reshape(theta.shape[0], *sizes, spatial)  # type: ignore[attr-defined]


@lru_cache(64)
@inference_mode(False)  # it is kept
def _grid_points(sizes: tuple[int, ...], align_corners: bool, dtype: Any, device: Any) -> Tensor:
    """The pixels of an image in the units of ``grid_sample``, with a 1 at the end: (1, pixels, dimensions + 1)."""
    axes = []
    for i, n in enumerate(sizes):
        line = linspace(-1, 1, n, dtype=dtype, device=device) if n > 1 else zeros(1, dtype=dtype, device=device)
        if not align_corners:
            line = line * ((n - 1) / n)
        axes.append(expand(line.reshape([n if j == i else 1 for j in range(len(sizes))]), sizes))
    points = stack([*reversed(axes), ones(sizes, dtype=dtype, device=device)], -1)
    return points.reshape(1, -1, len(sizes) + 1).detach()


def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Tensor:
    """The values of (N, C, H, W) at the points (N, H', W', 2), or of (N, C, D, H, W) at (N, D', H', W', 3).

    A point is (x, y) or (x, y, z) in -1 .. 1. Modes: bilinear, nearest, bicubic (4-D); padding: zeros, border, reflection.
    Raises ValueError for another mode and RuntimeError for shapes that do not fit. Jaderberg et al., 2015.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> image = lucid.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> F.grid_sample(image, lucid.zeros(1, 1, 1, 2), align_corners=True).item()
    2.5
    """
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            f"nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: '{padding_mode}'"
        )
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0.", stacklevel=2
        )
        align_corners = False
    spatial = input.ndim - 2
    if spatial not in (2, 3) or grid.ndim != input.ndim or grid.shape[-1] != spatial or grid.shape[0] != input.shape[0]:
        raise ShapeError(
            f"grid_sample(): expected a 4-D or 5-D input (N, C, ...) and a grid (N, ..., {max(spatial, 2)}) of the same batch size, "
            f"but got input with sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    if mode == "bicubic" and spatial == 3:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    out = ops.grid_sample(input, grid, mode, padding_mode, bool(align_corners))
    return entitled(out, f"GridSampler{spatial}DBackward0")


def rotate(input: Tensor, angle: float, center: tuple[float, float] | None = None) -> Tensor:
    """The images (N, C, H, W) turned counter-clockwise by ``angle`` degrees about ``center`` (x, y; the middle), bilinearly."""
    if input.ndim != 4:
        raise ShapeError(f"rotate: expected (N, C, H, W), got shape {tuple(input.shape)}")
    n, _, h, w = input.shape
    cx, cy = ((w - 1) / 2, (h - 1) / 2) if center is None else center
    x0, y0 = (2 * cx + 1) / w - 1, (2 * cy + 1) / h - 1  # the centre in the units of grid_sample
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    rows = [[cos, -sin * h / w, x0 - cos * x0 + sin * h / w * y0], [sin * w / h, cos, y0 - sin * w / h * x0 - cos * y0]]
    theta = tensor([rows], dtype=input.dtype, device=input.device).expand(n, 2, 3)
    return grid_sample(input, affine_grid(theta, tuple(input.shape), align_corners=False), align_corners=False)
