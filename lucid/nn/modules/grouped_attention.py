"""Attention whose query heads share key and value heads, and attention itself as a layer."""

from __future__ import annotations

from typing import Any

from ...core.tensor import Tensor
from .. import functional as F
from .linear import Linear
from .module import Module

__all__ = ["GroupedQueryAttention", "MultiQueryAttention", "ScaledDotProductAttention"]


class ScaledDotProductAttention(Module):
    """``scaled_dot_product_attention`` with its options kept."""

    def __init__(
        self,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
    ):
        super().__init__()
        self.register_buffer("attn_mask", attn_mask, persistent=False)
        self.dropout_p, self.is_causal, self.scale = dropout_p, is_causal, scale

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        drop = self.dropout_p if self.training else 0.0
        return F.scaled_dot_product_attention(query, key, value, self.attn_mask, drop, self.is_causal, self.scale)


class GroupedQueryAttention(Module):
    """Multi-head attention with ``num_kv_heads`` heads of keys and values, each for several heads of queries.

    Takes (L, N, E), or (N, L, E) with ``batch_first``; returns the output and None, as ``MultiheadAttention`` without weights
    does. True in ``key_padding_mask`` means left out, True in a boolean ``attn_mask`` too. Raises ValueError for head counts
    that do not divide each other. Ainslie et al., 2023 (arXiv 2305.13245); one head: Shazeer, 2019 (arXiv 1911.02150).

    >>> import lucid
    >>> x = lucid.ones(2, 5, 8)
    >>> lucid.nn.GroupedQueryAttention(8, 4, 2, batch_first=True)(x, x, x)[0].shape
    lucid.Size([2, 5, 8])
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        num_kv_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        if num_kv_heads <= 0 or num_heads % num_kv_heads or embed_dim % num_heads:
            raise ValueError(
                f"{type(self).__name__}: embed_dim {embed_dim}, {num_heads} heads and {num_kv_heads} key heads must divide one another"
            )
        if add_bias_kv or add_zero_attn:
            raise ValueError(f"{type(self).__name__}: add_bias_kv and add_zero_attn are not for shared key heads")
        self.embed_dim, self.num_heads, self.num_kv_heads = embed_dim, num_heads, num_kv_heads
        self.dropout, self.batch_first, self.head_dim = dropout, batch_first, embed_dim // num_heads
        made: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        width = num_kv_heads * self.head_dim
        self.q_proj = Linear(embed_dim, embed_dim, **made)
        self.k_proj = Linear(embed_dim if kdim is None else kdim, width, **made)
        self.v_proj = Linear(embed_dim if vdim is None else vdim, width, **made)
        self.out_proj = Linear(embed_dim, embed_dim, **made)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = False,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, None]:
        given = (query, key, value) if self.batch_first else tuple(t.transpose(0, 1) for t in (query, key, value))  # type: ignore[attr-defined]
        projections = (self.q_proj, self.k_proj, self.v_proj)
        q, k, v = (
            p(t).unflatten(-1, (-1, self.head_dim)).transpose(1, 2) for p, t in zip(projections, given, strict=True)
        )
        mask = None if attn_mask is None else ~attn_mask if attn_mask.dtype.name == "bool" else attn_mask  # type: ignore[operator]
        if mask is not None and mask.ndim == 3:
            mask = mask.unflatten(0, (-1, self.num_heads))
        if key_padding_mask is not None:
            kept = (~key_padding_mask)[:, None, None, :]  # type: ignore[operator, index]
            mask = kept if mask is None else kept & mask if mask.dtype.name == "bool" else mask.masked_fill(~kept, float("-inf"))  # fmt: skip
        out = F.scaled_dot_product_attention(
            q, k, v, mask, self.dropout if self.training else 0.0, is_causal and mask is None, enable_gqa=True
        )
        out = self.out_proj(out.transpose(1, 2).flatten(2))  # type: ignore[attr-defined]
        return (out if self.batch_first else out.transpose(0, 1)), None


class MultiQueryAttention(GroupedQueryAttention):
    """``GroupedQueryAttention`` with one head of keys and values."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__(
            embed_dim, num_heads, 1, dropout, bias, add_bias_kv, add_zero_attn, kdim, vdim, batch_first, device, dtype
        )
