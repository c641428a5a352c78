"""Rotary position embeddings, and key heads that several query heads share."""

from __future__ import annotations

from ... import ops
from ...core.dtypes import float32, float64
from ...core.errors import ShapeError
from ...core.tensor import Tensor
from ...functions.creation import arange
from ...functions.pieces import cat, stack

__all__ = ["apply_rotary_emb", "repeat_kv", "rotary_pos_embedding"]


def _rotated(x: Tensor, interleaved: bool) -> Tensor:
    """Each pair (a, b) as (-b, a): neighbours if ``interleaved``, else the halves of the last dimension."""
    if interleaved:
        pairs = x.unflatten(-1, (-1, 2))  # type: ignore[attr-defined]
        return stack([-pairs[..., 1], pairs[..., 0]], -1).flatten(-2)  # type: ignore[attr-defined]
    half = x.shape[-1] // 2
    return cat([-x[..., half:], x[..., :half]], -1)  # type: ignore[index]


def apply_rotary_emb(
    q: Tensor, k: Tensor, cos: Tensor, sin: Tensor, position_ids: Tensor | None = None, *, interleaved: bool = False
) -> tuple[Tensor, Tensor]:
    """Turn queries and keys (N, heads, L, d) by angles that grow with the position: ``x cos + rotated(x) sin``.

    ``cos`` and ``sin`` are (positions, d), as ``RotaryEmbedding`` makes them; ``position_ids`` (N, L) or (L,) choose rows,
    the first L by default. Raises RuntimeError for an odd or another d. Su et al., 2021 (arXiv 2104.09864).

    >>> import lucid
    >>> from lucid import nn
    >>> q = lucid.ones(1, 2, 3, 4)
    >>> nn.functional.apply_rotary_emb(q, q, *nn.RotaryEmbedding(4, 8)(3))[0].shape
    lucid.Size([1, 2, 3, 4])
    """
    if q.shape[-1] % 2 or cos.shape[-1] != q.shape[-1] or k.shape[-1] != q.shape[-1]:
        raise ShapeError(
            f"apply_rotary_emb: queries {tuple(q.shape)}, keys {tuple(k.shape)} and cos {tuple(cos.shape)} must share an even last dimension"
        )

    def turned(x: Tensor) -> Tensor:
        if position_ids is None:
            c, s = cos[: x.shape[-2]], sin[: x.shape[-2]]  # type: ignore[index]
        else:
            c, s = cos[position_ids], sin[position_ids]  # type: ignore[index]
            if position_ids.ndim > 1:
                c, s = c.unsqueeze(-3), s.unsqueeze(-3)
        return x * c.to(x.dtype) + _rotated(x, interleaved) * s.to(x.dtype)  # type: ignore[operator]

    return turned(q), turned(k)


def rotary_pos_embedding(input: Tensor, position_ids: Tensor | None = None, interleaved: bool = True) -> Tensor:
    """``apply_rotary_emb`` of one tensor (..., L, d) with base 10,000."""
    if input.shape[-1] % 2:
        raise ShapeError(f"rotary_pos_embedding: the last dimension must be even, got shape {tuple(input.shape)}")
    if position_ids is None:
        return ops.rope(input, interleaved, 10000.0, 1.0)
    size = input.shape[-1]
    wide = float64 if input.dtype is float64 else float32  # angles: half precision does not count to 1,000
    rates = ops.exp(arange(0, size, 2, dtype=wide, device=input.device) * (-9.210340371976184 / size))  # type: ignore[operator]
    angles = position_ids.to(wide).unsqueeze(-1) * rates  # type: ignore[attr-defined]
    angles = angles.repeat_interleave(2, -1) if interleaved else cat([angles, angles], -1)
    if position_ids.ndim > 1 and input.ndim > 3:
        angles = angles.unsqueeze(-3)  # type: ignore[attr-defined]
    return input * ops.cos(angles).to(input.dtype) + _rotated(input, interleaved) * ops.sin(angles).to(input.dtype)  # type: ignore[operator]


def repeat_kv(hidden_states: Tensor, n_rep: int) -> Tensor:
    """Each key or value head ``n_rep`` times in a row: (N, heads, L, d) to (N, heads * n_rep, L, d)."""
    return hidden_states if n_rep == 1 else hidden_states.repeat_interleave(n_rep, 1)  # type: ignore[attr-defined]
