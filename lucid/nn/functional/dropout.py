"""Dropout and its relatives: noise in training, the identity otherwise."""

from __future__ import annotations

import warnings
from typing import Any

from ...core import dtypes
from ...core.tensor import Tensor, wrap
from ...functions.random import draw

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]


def check_probability(p: float, name: str) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"{name}: dropout probability has to be between 0 and 1, but got {p}")


def keep_mask(x: Tensor, shape: tuple[int, ...], p: float) -> Tensor:
    """True with probability ``1 - p``."""
    return wrap(draw("uniform", shape, dtypes.float32, x.device, None)) >= p  # type: ignore[operator, return-value]


def _floating(x: Tensor) -> None:
    if x.dtype.category < dtypes.FLOAT:
        raise RuntimeError(f"dropout: result type Float can't be cast to the dtype of the input, {x.dtype}")


def _drop(x: Tensor, shape: tuple[int, ...], p: float, inplace: bool) -> Tensor:
    if p == 1.0:
        noise: Tensor | int = 0
    else:
        _floating(x)
        order: Any = range(len(shape))
        if shape == x.shape and not x.is_contiguous():  # type: ignore[attr-defined]
            strides = x.stride()  # type: ignore[attr-defined]
            order = sorted(order, key=lambda d: -strides[d])  # the result lies in memory as the input does
        noise = wrap(draw("kept", tuple(shape[d] for d in order), x.dtype.to_real(), x.device, None, p))
        if type(order) is list:
            noise = noise.permute(*(order.index(d) for d in range(len(shape))))  # type: ignore[attr-defined]
    return x.mul_(noise) if inplace else x * noise  # type: ignore[attr-defined, operator]


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability ``p`` and scale the others by ``1 / (1 - p)``.

    Raises ValueError unless ``0 <= p <= 1``. Srivastava et al., 2014.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.dropout(lucid.ones(2), training=False)
    tensor([1., 1.])
    """
    check_probability(p, "dropout")
    if not training or p == 0.0 or not input.shape.numel():
        return input
    return _drop(input, tuple(input.shape), p, inplace)


def channel_dropout(input: Tensor, p: float, training: bool, inplace: bool, channels: int) -> Tensor:
    check_probability(p, "dropout")
    if input.ndim < 2:
        raise RuntimeError(
            f"Feature dropout requires at least 2 dimensions in the input, got shape {tuple(input.shape)}"
        )
    if not training or p == 0.0 or not input.shape.numel():
        return input
    shape = tuple(input.shape)
    return _drop(input, shape[: channels + 1] + (1,) * (len(shape) - channels - 1), p, inplace)


def _warn_of_rank(input: Tensor, name: str, spatial: int) -> None:
    if input.ndim not in (spatial + 1, spatial + 2):
        warnings.warn(
            f"{name}: Received a {input.ndim}-D input to {name}, which is deprecated and will result in an error in a future "
            f"release. Use dropout instead, which is for any shape; {name} is for {spatial} spatial dimensions.",
            stacklevel=3,
        )
    elif spatial == 2 and input.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired - input "
            "is interpreted as shape (N, C, L). Use dropout1d for that.",
            stacklevel=3,
        )


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of (N, C, L) or (C, L) with probability ``p``. Raises RuntimeError for other ranks."""
    if input.ndim not in (2, 3):
        raise RuntimeError(f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input.")
    return channel_dropout(input, p, training, inplace, input.ndim - 2)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of (N, C, H, W) with probability ``p``. Tompson et al., 2014."""
    _warn_of_rank(input, "dropout2d", 2)
    return channel_dropout(input, p, training, inplace, 1)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of (N, C, D, H, W) or (C, D, H, W) with probability ``p``."""
    _warn_of_rank(input, "dropout3d", 3)
    return channel_dropout(input, p, training, inplace, 0 if input.ndim == 4 else 1)


def _alpha(input: Tensor, p: float, shape: tuple[int, ...]) -> Tensor:
    """Set dropped elements to SELU's negative limit and rescale, so that mean and variance stay."""
    if p == 1.0:
        return input * 0  # type: ignore[operator]
    _floating(input)
    limit = -1.7580993408473766
    a = ((1 - p) * (1 + p * limit**2)) ** -0.5
    keep = keep_mask(input, shape, p).to(input.dtype)  # type: ignore[attr-defined]
    return input * (keep * a) + ((1 - keep) * (limit * a) - p * limit * a)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout that keeps mean and variance of self-normalising networks. Klambauer et al., 2017."""
    check_probability(p, "alpha_dropout")
    if not training or p == 0.0 or not input.shape.numel():
        return input
    out = _alpha(input, p, tuple(input.shape))
    return input.copy_(out) if inplace else out  # type: ignore[attr-defined]


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """``alpha_dropout`` of whole channels."""
    check_probability(p, "feature_alpha_dropout")
    if not training or p == 0.0 or not input.shape.numel():
        return input
    shape = tuple(input.shape)
    if len(shape) < 2 and p < 1:
        raise RuntimeError(
            f"feature_alpha_dropout: Feature dropout requires at least 2 dimensions in the input, got {shape}"
        )
    out = _alpha(input, p, shape[:2] + (1,) * (len(shape) - 2))
    return input.copy_(out) if inplace else out  # type: ignore[attr-defined]
