"""Rearrangements of channels and pixels."""

from __future__ import annotations

from ...core.errors import ShapeError
from ...core.graph import entitled
from ...core.tensor import Tensor

__all__ = ["channel_shuffle", "native_channel_shuffle", "pixel_shuffle", "pixel_unshuffle"]


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(*, C r^2, H, W) to (*, C, H r, W r). Shi et al., 2016. Raises RuntimeError unless r^2 divides the channels.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.pixel_shuffle(lucid.ones(1, 8, 2, 3), 2).shape
    lucid.Size([1, 2, 4, 6])
    """
    r = upscale_factor
    if input.ndim < 3:
        raise ShapeError(
            f"pixel_shuffle expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    *lead, c, h, w = input.shape
    if c % (r * r):
        raise ShapeError(
            f"pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but input.size(-3)={c} is not divisible by {r * r}"
        )
    k = len(lead)
    x = input.reshape(*lead, c // (r * r), r, r, h, w)  # type: ignore[attr-defined]
    return entitled(
        x.permute(*range(k), k, k + 3, k + 1, k + 4, k + 2).reshape(*lead, c // (r * r), h * r, w * r),
        "PixelShuffleBackward0",
    )


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(*, C, H r, W r) to (*, C r^2, H, W): the inverse of ``pixel_shuffle``. Raises RuntimeError unless r divides H and W."""
    r = downscale_factor
    if input.ndim < 3:
        raise ShapeError(
            f"pixel_unshuffle expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    *lead, c, h, w = input.shape
    if h % r or w % r:
        raise ShapeError(
            f"pixel_unshuffle expects height and width to be divisible by downscale_factor, but input sizes {h} and {w} are not divisible by {r}"
        )
    k = len(lead)
    x = input.reshape(*lead, c, h // r, r, w // r, r)  # type: ignore[attr-defined]
    return entitled(
        x.permute(*range(k), k, k + 2, k + 4, k + 1, k + 3).reshape(*lead, c * r * r, h // r, w // r),
        "PixelUnshuffleBackward0",
    )


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Interleave the channels of ``groups`` groups: (N, C, ...). Zhang et al., 2017.

    Raises RuntimeError unless ``groups`` divides the channels.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.channel_shuffle(lucid.arange(4).reshape(1, 4, 1), 2).flatten()
    tensor([0, 2, 1, 3])
    """
    if input.ndim < 3:
        raise ShapeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}")
    n, c, *rest = input.shape
    if groups <= 0 or c % groups:
        raise ShapeError(
            f"channel_shuffle: Number of channels must be divisible by groups. Got {c} channels and {groups} groups."
        )
    return input.reshape(n, groups, c // groups, *rest).transpose(1, 2).reshape(n, c, *rest)  # type: ignore[attr-defined]


native_channel_shuffle = channel_shuffle
