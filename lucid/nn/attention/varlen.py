"""Attention within sequences of different lengths laid end to end: ``torch.nn.attention.varlen``, from single ops."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ... import ops
from ...core.tensor import Tensor, as_tensor
from ...functions.creation import arange
from ...functions.pieces import cat
from ...functions.reduction import softmax
from ._heads import queries_per_key

__all__ = ["AuxRequest", "varlen_attn", "varlen_attn_out"]


class AuxRequest(NamedTuple):
    """What ``varlen_attn`` shall return beside the output."""

    lse: bool = False


def varlen_attn(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cu_seq_q: Tensor,
    cu_seq_k: Tensor | None,
    max_q: int,
    max_k: int,
    *,
    return_aux: AuxRequest | None = None,
    scale: float | None = None,
    window_size: tuple[int, int] = (-1, -1),
    enable_gqa: bool = False,
    seqused_k: Tensor | None = None,
    block_table: Tensor | None = None,
    num_splits: int | None = None,
) -> Any:
    """Attention of every sequence to itself: queries (T_q, H, E), keys and values (T_k, H, E), to (T_q, H, E).

    ``cu_seq_q`` and ``cu_seq_k`` (N + 1,) say where the sequences begin and the last one ends. ``window_size`` is how far a
    query sees to the left and right of its place, counted from the last key; -1 is without limit, so (-1, 0) is causal.
    ``seqused_k`` (N,) is how many keys of each sequence count. Raises ValueError for heads that do not fit,
    NotImplementedError for the paged form, ``block_table``.

    >>> import lucid
    >>> from lucid.nn.attention.varlen import varlen_attn
    >>> x, starts = lucid.ones(5, 2, 4), lucid.tensor([0, 2, 5])
    >>> varlen_attn(x, x, x, starts, starts, 3, 3, window_size=(-1, 0)).shape
    lucid.Size([5, 2, 4])
    """
    if block_table is not None:
        raise NotImplementedError("varlen_attn: lucid has no paged keys; gather them and leave block_table out")
    repeats = queries_per_key(query, key, enable_gqa)
    starts, key_starts = (c.tolist() for c in (cu_seq_q, cu_seq_q if cu_seq_k is None else cu_seq_k))
    used = [None] * (len(starts) - 1) if seqused_k is None else seqused_k.tolist()
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    outputs, sums = [], []
    for i, count in enumerate(used):
        q = query[starts[i] : starts[i + 1]].transpose(0, 1)  # type: ignore[index, attr-defined]
        stop = key_starts[i + 1] if count is None else key_starts[i] + count
        k, v = (
            t[key_starts[i] : stop].transpose(0, 1).repeat_interleave(repeats, 0)  # type: ignore[index]
            for t in (key, value)
        )
        mask = _window(q.shape[1], k.shape[1], window_size, query)
        scores = q @ k.mT * factor + mask
        void = (scores == -math.inf).all(-1, keepdim=True)
        safe = ops.where(void, 0.0, scores)
        outputs.append((ops.where(void, 0.0, softmax(safe, -1)) @ v).transpose(0, 1))
        sums.append(ops.where(void[..., 0], -math.inf, safe.logsumexp(-1)))
    out = cat(outputs)
    return (out, cat(sums, -1).T) if return_aux is not None and return_aux.lse else out  # type: ignore[attr-defined]


def varlen_attn_out(
    out: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cu_seq_q: Tensor,
    cu_seq_k: Tensor | None,
    max_q: int,
    max_k: int,
    *,
    return_aux: AuxRequest | None = None,
    scale: float | None = None,
    window_size: tuple[int, int] = (-1, -1),
    enable_gqa: bool = False,
    seqused_k: Tensor | None = None,
    block_table: Tensor | None = None,
    num_splits: int | None = None,
) -> Any:
    """``varlen_attn`` written into ``out``, which is returned (with the rest, where asked for)."""
    found = varlen_attn(
        query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, return_aux=return_aux, scale=scale, window_size=window_size,
        enable_gqa=enable_gqa, seqused_k=seqused_k, block_table=block_table,
    )  # fmt: skip
    if isinstance(found, tuple):
        return out.copy_(found[0]), *found[1:]  # type: ignore[attr-defined]
    return out.copy_(found)  # type: ignore[attr-defined]


def _window(length: int, source: int, size: tuple[int, int], like: Tensor) -> Tensor:
    """What to add to the scores: 0 inside the window, -inf outside."""
    zero = as_tensor(0.0, dtype=like.dtype, device=like.device)
    left, right = size
    if left < 0 and right < 0:
        return zero
    offset = arange(source, device=like.device) - arange(length, device=like.device)[:, None] - (source - length)
    seen = offset == offset
    if left >= 0:
        seen = seen & (offset >= -left)
    if right >= 0:
        seen = seen & (offset <= right)
    return ops.where(seen, zero, -math.inf)
