"""Lucid's own attention layers: shared key and value heads, Lucid 2's many-headed form, attention itself as a layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...core.tensor import Tensor
from ...functions.creation import ones, zeros
from ...functions.pieces import cat
from .. import functional as F
from ..parameter import Parameter
from .cache import KVCache
from .linear import Linear
from .module import Module

__all__ = ["GroupedQueryAttention", "MultiHeadAttention", "MultiQueryAttention", "ScaledDotProductAttention"]


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


class MultiHeadAttention(Module):
    """Lucid 2's many-headed attention: (N, L, E), (N, S, kdim) and (N, S, vdim) to (N, L, E), a tensor alone.

    ``q_proj``, ``k_proj``, ``v_proj`` are layers, or one ``in_proj_weight`` without ``use_separate_proj_weight``. In
    ``attn_mask`` True takes part; in ``key_padding_mask`` (N, S) True is left out. A ``kv_cache`` with ``use_cache`` keeps
    the keys and values of layer ``cache_layer_idx`` from call to call. Raises ValueError for sizes that do not fit.

    >>> import lucid
    >>> x = lucid.ones(2, 5, 8)
    >>> lucid.nn.MultiHeadAttention(8, 2)(x, x, x, is_causal=True).shape
    lucid.Size([2, 5, 8])
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        use_separate_proj_weight: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
    ):
        super().__init__()
        if num_heads <= 0 or embed_dim % num_heads:
            raise ValueError(f"MultiHeadAttention: embed_dim {embed_dim} must be divisible by num_heads {num_heads}")
        widths = {"q_proj": embed_dim, "k_proj": kdim or embed_dim, "v_proj": vdim or embed_dim}
        if not use_separate_proj_weight and set(widths.values()) != {embed_dim}:
            raise ValueError("MultiHeadAttention: in_proj_weight requires kdim and vdim to equal embed_dim")
        self.embed_dim, self.num_heads, self.dropout, self.head_dim = (
            embed_dim,
            num_heads,
            dropout,
            embed_dim // num_heads,
        )
        self.use_separate_proj_weight = use_separate_proj_weight
        self.add_bias_kv, self.add_zero_attn, self.scale = add_bias_kv, add_zero_attn, self.head_dim**-0.5
        for name, width in widths.items():
            setattr(self, name, Linear(width, embed_dim, bias) if use_separate_proj_weight else None)
        whole = None if use_separate_proj_weight else Linear(embed_dim, 3 * embed_dim, bias)
        self.register_parameter("in_proj_weight", None if whole is None else whole.weight)
        self.register_parameter("in_proj_bias", None if whole is None else whole.bias)
        self.out_proj = Linear(embed_dim, embed_dim, bias)
        for name in ("bias_k", "bias_v"):
            self.register_parameter(name, Parameter(zeros(1, 1, embed_dim)) if add_bias_kv else None)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        attn_mask: Tensor | None = None,
        is_causal: bool = False,
        kv_cache: KVCache | None = None,
        use_cache: bool = False,
        cache_position: Tensor | None = None,
        cache_layer_idx: int | None = None,
    ) -> Tensor:
        if use_cache and (kv_cache is None or cache_layer_idx is None):
            raise ValueError("MultiHeadAttention: use_cache=True requires kv_cache and cache_layer_idx")
        q, k, v = (t.unflatten(-1, (-1, self.head_dim)).transpose(1, 2) for t in self._projected(query, key, value))
        if use_cache and kv_cache is not None and cache_layer_idx is not None:
            k, v = kv_cache.update(k, v, cache_layer_idx, *(() if cache_position is None else (cache_position,)))
        if is_causal and attn_mask is None:
            attn_mask = ones(q.shape[2], k.shape[2], dtype="bool", device=q.device).tril(k.shape[2] - q.shape[2])
        batch, more = q.shape[0], []
        if self.bias_k is not None and self.bias_v is not None:
            more.append(
                [b.reshape(1, self.num_heads, 1, -1).expand(batch, -1, -1, -1) for b in (self.bias_k, self.bias_v)]
            )
        if self.add_zero_attn:
            more.append([k.new_zeros(batch, self.num_heads, 1, self.head_dim)] * 2)
        k, v = (cat([t, *(pair[i] for pair in more)], 2) for i, t in enumerate((k, v)))
        mask = None if attn_mask is None else F.attention.additive(attn_mask, q.dtype)
        if key_padding_mask is not None:
            padding = F.attention.additive(~key_padding_mask.bool(), q.dtype)[:, None, None, :]  # type: ignore[attr-defined, index]
            mask = padding if mask is None else mask + padding
        if mask is not None and more:
            mask = F.pad(mask, (0, len(more)))
        drop = self.dropout if self.training else 0.0
        out = F.scaled_dot_product_attention(q, k, v, mask, drop, scale=self.scale)
        return self.out_proj(out.transpose(1, 2).flatten(2))  # type: ignore[attr-defined]

    def _projected(self, *given: Tensor) -> Iterator[Tensor]:
        if self.in_proj_weight is None:
            layers = (self.q_proj, self.k_proj, self.v_proj)
            return (layer(t) for layer, t in zip(layers, given, strict=True))
        biases = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        return (F.linear(t, w, b) for t, w, b in zip(given, self.in_proj_weight.chunk(3), biases, strict=True))

    def extra_repr(self) -> str:
        names = ("embed_dim", "num_heads", "dropout", "use_separate_proj_weight", "add_bias_kv", "add_zero_attn")
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)
