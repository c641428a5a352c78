"""Lucid's own functions, beyond PyTorch's."""

from __future__ import annotations

import math
from typing import Any

from ... import ops
from ...core import dtypes
from ...core.errors import ShapeError
from ...core.tensor import Tensor, wrap
from ...functions.creation import arange
from ...functions.pieces import cat, stack
from ...functions.random import draw
from .dropout import check_probability, keep_mask
from .linear import linear

__all__ = [
    "accuracy", "correct_count", "drop_block", "drop_path", "fused_linear_gelu", "fused_linear_relu",
    "global_response_norm", "nearest_codebook", "noisy_linear", "scaled_noise", "sinusoidal_embedding",
    "sinusoidal_embedding_2d", "sinusoidal_pos_embedding", "straight_through", "symexp", "symlog", "two_hot",
    "vector_quantize",
]  # fmt: skip


def drop_path(input: Tensor, p: float = 0.1, scale_by_keep: bool = True, training: bool = True) -> Tensor:
    """Zero whole samples with probability ``p`` (stochastic depth); ``scale_by_keep`` keeps the mean. Huang et al., 2016."""
    check_probability(p, "drop_path")
    if not training or p == 0.0:
        return input
    keep = keep_mask(input, (input.shape[0],) + (1,) * (input.ndim - 1), p).to(input.dtype)  # type: ignore[attr-defined]
    return input * (keep / (1 - p) if scale_by_keep and p < 1 else keep)  # type: ignore[operator]


def drop_block(input: Tensor, block_size: int, p: float = 0.1, eps: float = 1e-7, training: bool = True) -> Tensor:
    """Zero square blocks of (N, C, H, W) and rescale, about a share ``p`` of the pixels. Ghiasi et al., 2018.

    Raises RuntimeError for another rank or a block larger than the image.
    """
    from .pooling import max_pool2d

    check_probability(p, "drop_block")
    if input.ndim != 4:
        raise ShapeError(f"drop_block: expected (N, C, H, W), got shape {tuple(input.shape)}")
    h, w = input.shape[2:]
    if not 0 < block_size <= min(h, w):
        raise ShapeError(
            f"drop_block: block_size must be between 1 and the smaller of height {h} and width {w}, got {block_size}"
        )
    if not training or p == 0.0:
        return input
    rate = p * h * w / block_size**2 / ((h - block_size + 1) * (w - block_size + 1))
    seeds = (~keep_mask(input, tuple(input.shape), min(rate, 1.0))).to(input.dtype)  # type: ignore[operator]
    blocks = max_pool2d(seeds, block_size, 1, block_size // 2)[:, :, :h, :w]
    keep = 1 - blocks
    return input * keep * (keep.shape.numel() / (keep.sum() + eps))


def global_response_norm(input: Tensor, gamma: Tensor, beta: Tensor, eps: float = 1e-6) -> Tensor:
    """``gamma * x * n + beta + x`` with n the norm of each channel over its mean over channels. Woo et al., 2023."""
    if input.ndim != 4:
        raise ShapeError(f"global_response_norm: expected (N, C, H, W), got shape {tuple(input.shape)}")
    norm = ops.vector_norm(input, 2.0, (2, 3), True)
    laid = (1, -1, 1, 1)
    scaled = input * (norm / (ops.mean(norm, (1,), True) + eps))  # type: ignore[operator]
    return gamma.reshape(laid) * scaled + beta.reshape(laid) + input  # type: ignore[attr-defined]


def fused_linear_relu(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``relu(linear(input, weight, bias))``."""
    return ops.relu(linear(input, weight, bias))


def fused_linear_gelu(input: Tensor, weight: Tensor, bias: Tensor | None = None, approximate: str = "tanh") -> Tensor:
    """``gelu(linear(input, weight, bias))``."""
    from .activation import gelu

    return gelu(linear(input, weight, bias), approximate)


def scaled_noise(input: Tensor) -> Tensor:
    """``sign(x) * sqrt(|x|)``: the noise of factorised noisy layers. Fortunato et al., 2017."""
    return ops.sgn(input) * ops.sqrt(ops.abs(input))


def noisy_linear(
    input: Tensor,
    weight_mu: Tensor,
    weight_sigma: Tensor,
    bias_mu: Tensor | None = None,
    bias_sigma: Tensor | None = None,
    epsilon_in: Tensor | None = None,
    epsilon_out: Tensor | None = None,
) -> Tensor:
    """``linear`` with weights ``mu + sigma * noise``; without noise vectors, with ``mu`` alone. Fortunato et al., 2017."""
    weight, bias = weight_mu, bias_mu
    if epsilon_in is not None and epsilon_out is not None:
        e_in, e_out = scaled_noise(epsilon_in), scaled_noise(epsilon_out)
        weight = weight_mu + weight_sigma * (e_out.unsqueeze(1) * e_in.unsqueeze(0))  # type: ignore[operator, attr-defined]
        if bias_mu is not None and bias_sigma is not None:
            bias = bias_mu + bias_sigma * e_out  # type: ignore[operator]
    return linear(input, weight, bias)


def symlog(input: Tensor) -> Tensor:
    """``sign(x) * log(1 + |x|)``. Hafner et al., 2023."""
    return ops.sgn(input) * ops.log1p(ops.abs(input))


def symexp(input: Tensor) -> Tensor:
    """``sign(x) * (exp(|x|) - 1)``, the inverse of ``symlog``."""
    return ops.sgn(input) * ops.expm1(ops.abs(input))


def straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    """The value of ``hard`` with the gradient of ``soft``."""
    return soft + (hard - soft).detach()  # type: ignore[operator]


def two_hot(values: Tensor, bins: Tensor) -> Tensor:
    """Each value as weights on its two neighbours among the sorted ``bins`` (B,): shape (*, B). Hafner et al., 2023.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.two_hot(lucid.tensor([0.25]), lucid.tensor([0.0, 1.0, 2.0]))
    tensor([[0.7500, 0.2500, 0.0000]])
    """
    if bins.ndim != 1 or bins.shape[0] < 2:
        raise ShapeError(f"two_hot: bins must be 1-D with at least 2 elements, got shape {tuple(bins.shape)}")
    v = values.clamp(bins[0].item(), bins[-1].item()).unsqueeze(-1)  # type: ignore[attr-defined, index]
    below = ((bins <= v).to(bins.dtype).sum(-1, keepdim=True) - 1).clamp(0, bins.shape[0] - 2).long()  # type: ignore[operator]
    low, high = bins[below], bins[below + 1]  # type: ignore[index]
    share = (v - low) / (high - low)
    return ops.zeros_like(v - bins).scatter_add(-1, below, 1 - share).scatter_add(-1, below + 1, share)


def nearest_codebook(input: Tensor, codebook: Tensor) -> Tensor:
    """The row of ``codebook`` (K, D) nearest to each vector of (*, D): indices of shape (*)."""
    if input.shape[-1] != codebook.shape[-1]:
        raise ShapeError(f"nearest_codebook: vectors of size {input.shape[-1]} and codes of size {codebook.shape[-1]}")
    distance = ops.square(codebook).sum(-1) - 2 * (input @ codebook.mT)  # type: ignore[operator, attr-defined]
    return distance.argmin(-1)


def vector_quantize(input: Tensor, codebook: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest codes, with the gradient passed straight to ``input``, and their indices. van den Oord et al., 2017."""
    index = nearest_codebook(input.detach(), codebook.detach())  # type: ignore[attr-defined]
    return straight_through(codebook[index], input), index  # type: ignore[index]


def correct_count(logits: Tensor, target: Tensor, *, dim: int = -1) -> Tensor:
    """How many rows of logits are largest at their target."""
    return (logits.argmax(dim) == target).sum()  # type: ignore[attr-defined]


def accuracy(logits: Tensor, target: Tensor, *, dim: int = -1) -> Tensor:
    """The share of rows of logits that are largest at their target.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.accuracy(lucid.tensor([[0.0, 1.0], [2.0, 1.0]]), lucid.tensor([1, 1]))
    tensor(0.5000)
    """
    return (logits.argmax(dim) == target).to(dtypes.get_default_dtype()).mean()  # type: ignore[attr-defined]


def sinusoidal_embedding(
    num_positions: int, embedding_dim: int, *, base: float = 10000.0, device: Any = None, dtype: Any = None
) -> Tensor:
    """(num_positions, embedding_dim): ``sin(p / base^(2i/d))`` in even columns, cosines in odd ones. Vaswani et al., 2017."""
    if embedding_dim % 2:
        raise ValueError(f"sinusoidal_embedding: embedding_dim must be even, got {embedding_dim}")
    position = arange(num_positions, dtype=dtypes.float64).unsqueeze(1)
    rate = ops.exp(arange(0, embedding_dim, 2, dtype=dtypes.float64) * (-math.log(base) / embedding_dim))
    table = stack([ops.sin(position * rate), ops.cos(position * rate)], -1).reshape(num_positions, embedding_dim)
    return table.to(dtypes.get_default_dtype() if dtype is None else dtype).to(device=device)


def sinusoidal_pos_embedding(seq_len: int, embed_dim: int, device: Any = None, dtype: Any = None) -> Tensor:
    """``sinusoidal_embedding`` with Lucid 2's arguments."""
    return sinusoidal_embedding(seq_len, embed_dim, device=device, dtype=dtype)


def sinusoidal_embedding_2d(
    height: int, width: int, embedding_dim: int, *, base: float = 10000.0, device: Any = None
) -> Tensor:
    """(height * width, embedding_dim): the row's embedding in the first half, the column's in the second."""
    if embedding_dim % 4:
        raise ValueError(f"sinusoidal_embedding_2d: embedding_dim must be divisible by 4, got {embedding_dim}")
    half = embedding_dim // 2
    rows = sinusoidal_embedding(height, half, base=base, device=device).unsqueeze(1).expand(height, width, half)  # type: ignore[attr-defined]
    columns = sinusoidal_embedding(width, half, base=base, device=device).unsqueeze(0).expand(height, width, half)  # type: ignore[attr-defined]
    return cat([rows, columns], -1).reshape(height * width, embedding_dim)


def normal_noise(n: int, like: Tensor) -> Tensor:
    """A vector of normal noise on the device of ``like``."""
    return wrap(draw("normal", (n,), dtypes.float32, like.device, None)).to(like.dtype)  # type: ignore[attr-defined]
