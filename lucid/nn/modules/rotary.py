"""Rotary position embeddings as layers. Su et al., 2021 (arXiv 2104.09864)."""

from __future__ import annotations

import math

from ... import ops
from ...core.tensor import Tensor
from ...functions.creation import arange
from ...functions.pieces import cat
from .. import functional as F
from .module import Module

__all__ = ["RotaryEmbedding", "RotaryPosEmbedding"]


class RotaryEmbedding(Module):
    """Tables of cosines and sines for ``apply_rotary_emb``: called with a length or position numbers, gives (L, head_dim) each.

    Raises ValueError for an odd ``head_dim``.

    >>> import lucid
    >>> cos, sin = lucid.nn.RotaryEmbedding(4, 16)(3)
    >>> cos.shape
    lucid.Size([3, 4])
    """

    def __init__(self, head_dim: int, max_position_embeddings: int, base: float = 10000.0):
        super().__init__()
        if head_dim % 2:
            raise ValueError(f"RotaryEmbedding: head_dim must be even, got {head_dim}")
        self.head_dim, self.max_position_embeddings, self.base = head_dim, max_position_embeddings, base
        rates = ops.exp(arange(0, head_dim, 2).float() * (-math.log(base) / head_dim))
        angles = arange(max_position_embeddings).float().unsqueeze(1) * rates
        angles = cat([angles, angles], -1)
        self.register_buffer("cos_cached", ops.cos(angles), persistent=False)
        self.register_buffer("sin_cached", ops.sin(angles), persistent=False)

    def forward(self, positions: int | Tensor) -> tuple[Tensor, Tensor]:
        at = slice(positions) if isinstance(positions, int) else positions
        return self.cos_cached[at], self.sin_cached[at]

    def extra_repr(self) -> str:
        return f"{self.head_dim}, {self.max_position_embeddings}, base={self.base}"


class RotaryPosEmbedding(Module):
    """``rotary_pos_embedding`` of the input; the sizes, if given, are checked. Raises ValueError where they do not fit."""

    def __init__(self, embed_dim: int | None = None, max_seq_len: int | None = None, interleaved: bool = True):
        super().__init__()
        self.embed_dim, self.max_seq_len, self.interleaved = embed_dim, max_seq_len, interleaved

    def forward(self, input: Tensor, position_ids: Tensor | None = None) -> Tensor:
        length, size = input.shape[-2:]
        if self.embed_dim not in (None, size) or (self.max_seq_len is not None and length > self.max_seq_len):
            raise ValueError(
                f"RotaryPosEmbedding({self.embed_dim}, {self.max_seq_len}): got {length} positions of {size} features"
            )
        return F.rotary_pos_embedding(input, position_ids, self.interleaved)
