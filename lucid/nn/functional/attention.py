"""Attention: scaled dot products, and the many-headed form with its projections."""

from __future__ import annotations

import math
from typing import Any

from ... import ops
from ...core import dtypes
from ...core.errors import ShapeError
from ...core.tensor import Tensor, as_tensor
from ...functions.creation import ones, zeros
from ...functions.pieces import cat
from ...functions.reduction import softmax
from ...functions.shaping import broadcast_shapes
from ..attention import kept
from .dropout import dropout, keep_mask
from .linear import linear

DRAWN = 1 << 20  # random numbers that the dropout of attention draws at once

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]


def additive(mask: Tensor, dtype: dtypes.dtype) -> Tensor:
    """A mask to add to scores: a boolean one (True takes part) becomes 0 and -inf."""
    if mask.dtype is dtypes.bool_:
        return ops.where(mask, as_tensor(0.0, dtype=dtype, device=mask.device), -math.inf)
    return mask.to(dtype)  # type: ignore[attr-defined]


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """``softmax(q k^T scale + mask) v`` with ``scale = 1 / sqrt(d)``: (*, L, d), (*, S, d), (*, S, e) to (*, L, e).

    ``attn_mask`` is boolean (True takes part) or is added to the scores. Backward computes the scores again, so memory
    grows with L, not L^2; with ``dropout_p`` a bit for each weight is kept. Raises RuntimeError for a mask together with
    ``is_causal`` and for shapes that do not fit. Vaswani et al., 2017 (arXiv 1706.03762).

    >>> import lucid
    >>> q = lucid.ones(2, 4, 8)
    >>> lucid.nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True).shape
    lucid.Size([2, 4, 8])
    """
    name = "scaled_dot_product_attention"
    for label, t in (("query", query), ("key", key), ("value", value)):
        if t.ndim < 2:
            raise ShapeError(f"{name}: {label} must be at least 2-D, got shape {tuple(t.shape)}")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ShapeError(
            f"{name}: query {tuple(query.shape)}, key {tuple(key.shape)} and value {tuple(value.shape)} do not fit together"
        )
    if len({query.dtype, key.dtype, value.dtype}) > 1:
        raise RuntimeError(
            f"{name}: Expected query, key, and value to have the same dtype, but got {query.dtype}, {key.dtype}, {value.dtype}"
        )
    length, source = query.shape[-2], key.shape[-2]
    if is_causal:
        if attn_mask is not None:
            raise RuntimeError(f"{name}: Explicit attn_mask should not be set when is_causal=True")
        attn_mask = ones(length, source, dtype=dtypes.bool_, device=query.device).tril()
    if attn_mask is not None:
        if attn_mask.dtype not in (dtypes.bool_, dtypes.float32, query.dtype):
            raise RuntimeError(
                f"{name}: Expected attn_mask dtype to be bool or float or to match query dtype {query.dtype}, got {attn_mask.dtype}"
            )
        if any(m not in (1, n) for m, n in zip(attn_mask.shape[-2:], (length, source)[-attn_mask.ndim :], strict=True)):
            raise ShapeError(
                f"{name}: a mask of shape {tuple(attn_mask.shape)} does not broadcast to (..., {length}, {source})"
            )
    if enable_gqa and query.shape[-3] != key.shape[-3]:
        if query.shape[-3] % key.shape[-3]:
            raise ShapeError(f"{name}: {query.shape[-3]} query heads are not a multiple of {key.shape[-3]} key heads")
        groups = query.shape[-3] // key.shape[-3]
        key, value = key.repeat_interleave(groups, -3), value.repeat_interleave(groups, -3)  # type: ignore[attr-defined]
    if not 0.0 <= dropout_p <= 1.0:
        raise RuntimeError(f"{name}: dropout probability has to be between 0 and 1, but got {dropout_p}")
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    mask = (
        as_tensor(0.0, dtype=query.dtype, device=query.device)
        if attn_mask is None
        else additive(attn_mask, query.dtype)
    )
    if kept() or dropout_p == 1.0:
        scores = query @ key.mT * factor + mask  # type: ignore[attr-defined]
        if attn_mask is None:
            weights = softmax(scores, -1)
        else:  # a row that is masked throughout gets zeros, not NaN
            void = (scores == -math.inf).all(-1, keepdim=True)  # type: ignore[attr-defined]
            weights = ops.where(void, 0.0, softmax(ops.where(void, 0.0, scores), -1))
        return dropout(weights, dropout_p, True) @ value  # type: ignore[operator]
    lead = broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2], mask.shape[:-2])
    shape = (*lead, length, source)
    if dropout_p == 0.0 or not math.prod(shape):
        return ops.attention(query, key, value, mask, factor)
    return ops.attention_dropout(query, key, value, mask, _kept_bits(query, shape, dropout_p), factor, dropout_p)


def _kept_bits(like: Tensor, shape: tuple[int, ...], p: float) -> Tensor:
    """A bit for each weight, 1 with probability ``1 - p``; drawn a part at a time, to hold no number for each."""
    *lead, source = shape
    rows, most = math.prod(lead), max(1, DRAWN // max(source, 1))
    parts = [ops.pack_bits(keep_mask(like, (min(most, rows - i), source), p)) for i in range(0, rows, most)]
    found = cat(parts) if len(parts) != 1 else parts[0]
    return ops.reshape(found, (*lead, -(-source // 8)))


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Project, attend with ``num_heads`` heads, project back: (L, N, E) or (L, E); returns output and weights.

    The masks are boolean (True does *not* take part) or added to the scores. Vaswani et al., 2017, section 3.2.2.
    Raises RuntimeError and AssertionError where PyTorch does.
    """
    unbatched = query.ndim == 2
    if query.ndim not in (2, 3) or key.ndim != query.ndim or value.ndim != query.ndim:
        raise AssertionError(
            f"query, key and value should all be 2-D (unbatched) or 3-D; got {query.ndim}-D, {key.ndim}-D and {value.ndim}-D"
        )
    if unbatched:
        query, key, value = (t.unsqueeze(1) for t in (query, key, value))  # type: ignore[attr-defined]
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)  # type: ignore[attr-defined]
    length, batch, embed = query.shape
    source = key.shape[0]
    if embed != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {embed}")
    if embed % num_heads:
        raise AssertionError(f"embed_dim {embed} not divisible by num_heads {num_heads}")
    if key.shape[:2] != value.shape[:2]:
        raise AssertionError(
            f"key's sequence and batch dims {tuple(key.shape[:2])} do not match value's {tuple(value.shape[:2])}"
        )
    if key.shape[1] != batch:
        raise ShapeError(
            f"multi_head_attention_forward: query has a batch of {batch}, key and value have one of {key.shape[1]} "
            f"(query {tuple(query.shape)}, key {tuple(key.shape)}; laid out as length, batch, features)"
        )
    if is_causal and attn_mask is None:
        raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
    if attn_mask is not None:
        wanted = {2: (length, source), 3: (batch * num_heads, length, source)}
        if attn_mask.ndim not in wanted:
            raise AssertionError(f"expected attn_mask to be None, 2-D or 3-D, got {attn_mask.ndim}-D")
        if tuple(attn_mask.shape) != wanted[attn_mask.ndim]:
            wrong = AssertionError if unbatched and attn_mask.ndim == 3 else RuntimeError
            raise wrong(
                f"The shape of the {attn_mask.ndim}D attn_mask is {tuple(attn_mask.shape)}, but should be {wanted[attn_mask.ndim]}."
            )
    for what, given in (("attn_mask", attn_mask), ("key_padding_mask", key_padding_mask)):
        if given is not None and given.dtype is not dtypes.bool_ and not given.dtype.is_floating_point:
            raise AssertionError(f"only bool and floating types of {what} are supported, got {given.dtype}")
    if key_padding_mask is not None and tuple(key_padding_mask.shape) != (batch, source):
        raise AssertionError(f"key_padding_mask: expected shape {(batch, source)}, got {tuple(key_padding_mask.shape)}")

    if use_separate_proj_weight:
        weights: Any = (q_proj_weight, k_proj_weight, v_proj_weight)
    else:
        assert in_proj_weight is not None
        weights = in_proj_weight.chunk(3)  # type: ignore[attr-defined]
    for what, t, w in zip(("query", "key", "value"), (query, key, value), weights, strict=True):
        if w is not None and t.shape[-1] != w.shape[-1]:
            raise ShapeError(
                f"multi_head_attention_forward: {what} has {t.shape[-1]} features (shape {tuple(t.shape)}), its projection expects {w.shape[-1]}"
            )
    biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)  # type: ignore[attr-defined]
    if not use_separate_proj_weight and query is key and key is value:
        assert in_proj_weight is not None
        q, k, v = linear(query, in_proj_weight, in_proj_bias).chunk(3, dim=-1)  # type: ignore[attr-defined]
    else:
        assert all(w is not None for w in weights)
        q, k, v = (linear(t, w, b) for t, w, b in zip((query, key, value), weights, biases, strict=True))

    padding = None if key_padding_mask is None else _to_add(key_padding_mask, q.dtype).reshape(batch, 1, 1, source)  # type: ignore[attr-defined]
    mask = None if attn_mask is None else _to_add(attn_mask, q.dtype)
    if mask is not None:
        mask = mask.reshape(*((1, 1) if mask.ndim == 2 else (batch, num_heads)), length, source)  # type: ignore[attr-defined]
    if bias_k is not None and bias_v is not None:
        k, v = cat([k, bias_k.expand(1, batch, -1)]), cat([v, bias_v.expand(1, batch, -1)])  # type: ignore[attr-defined]
        mask, padding = _widened(mask), _widened(padding)
    heads = embed // num_heads

    def split(t: Tensor) -> Tensor:
        return t.reshape(t.shape[0], batch, num_heads, heads).permute(1, 2, 0, 3)  # type: ignore[attr-defined]

    q = split(q)
    k = split(k) if static_k is None else static_k.reshape(batch, num_heads, -1, heads)  # type: ignore[attr-defined]
    v = split(v) if static_v is None else static_v.reshape(batch, num_heads, -1, heads)  # type: ignore[attr-defined]
    if add_zero_attn:
        k = cat([k, zeros(batch, num_heads, 1, k.shape[-1], dtype=k.dtype, device=k.device)], 2)
        v = cat([v, zeros(batch, num_heads, 1, v.shape[-1], dtype=v.dtype, device=v.device)], 2)
        mask, padding = _widened(mask), _widened(padding)
    total = mask if padding is None else padding if mask is None else mask + padding  # type: ignore[operator]
    drop = dropout_p if training else 0.0

    found = None
    if need_weights:
        scores = q * (1 / math.sqrt(heads)) @ k.mT  # type: ignore[attr-defined, operator]
        found = softmax(scores if total is None else scores + total, -1)
        found = dropout(found, drop, True) if drop > 0.0 else found
        out = found @ v  # type: ignore[operator]
        if average_attn_weights:
            found = found.mean(1)  # type: ignore[attr-defined]
        if unbatched:
            found = found.squeeze(0)  # type: ignore[attr-defined]
    else:
        out = scaled_dot_product_attention(q, k, v, total, drop)
    out = out.permute(2, 0, 1, 3).reshape(length * batch, embed)
    out = linear(out, out_proj_weight, out_proj_bias).reshape(length, batch, out_proj_weight.shape[0])  # type: ignore[attr-defined]
    return (out.squeeze(1) if unbatched else out), found


def _to_add(mask: Tensor, dtype: dtypes.dtype) -> Tensor:
    """Here True means left out: the other way round than for ``scaled_dot_product_attention``."""
    return additive(~mask if mask.dtype is dtypes.bool_ else mask, dtype)  # type: ignore[operator]


def _widened(mask: Tensor | None) -> Tensor | None:
    """A mask with one more key, which takes part."""
    if mask is None:
        return None
    return cat([mask, zeros(*mask.shape[:-1], 1, dtype=mask.dtype, device=mask.device)], -1)
