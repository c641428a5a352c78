"""What Apple wrote by hand: ``mx.fast``. Float32-accurate, so float64 takes the exact way; gradients are lucid's own."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import mlx.core as mx

from . import composed

TABLE = SimpleNamespace()  # filled with the finished table, for the general way


def attention(q: Any, k: Any, v: Any, mask: Any, scale: float) -> Any:
    """Softmax(q k^T scale + mask) v; zeros for a row that is masked throughout, where MLX's kernel has NaN."""
    if q.dtype == mx.float64 or not (q.size and k.size and v.size) or max(q.ndim, k.ndim, v.ndim, mask.ndim) > 4:
        return composed.attention(TABLE, q, k, v, mask, scale)
    ndim = max(q.ndim, k.ndim, v.ndim, mask.ndim)
    lead = mx.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2], *([mask.shape[:-2]] if mask.ndim > 2 else []))
    q4, k4, v4 = (mx.broadcast_to(a, (*lead, *a.shape[-2:])) for a in (q, k, v))
    q4, k4, v4 = (a.reshape((1,) * (4 - a.ndim) + a.shape) for a in (q4, k4, v4))
    out = mx.fast.scaled_dot_product_attention(
        q4, k4, v4, scale=scale, mask=None if not mask.ndim else mask.reshape((1,) * (4 - mask.ndim) + mask.shape)
    )
    if mask.ndim:
        alive = mx.any(mask > -math.inf, -1, keepdims=True)
        out = mx.where(alive if mask.ndim > 1 else alive.reshape(1, 1), out, mx.zeros_like(out))
    return out.reshape(*lead, *out.shape[-2:]) if ndim else out


def normalize(x: Any, w: Any, b: Any, axis: Any, eps: float) -> tuple:
    """Layer norm over the last axis in one kernel; mean and variance are computed only if somebody asks (in backward)."""
    n = x.shape[-1]
    if (
        x.dtype == mx.float64
        or tuple(axis) not in ((-1,), (x.ndim - 1,))
        or not x.size
        or w.shape != (n,)
        or b.shape != (n,)
    ):
        return composed.normalize(TABLE, x, w, b, axis, eps)
    mean = TABLE.mean(x, -1, True)
    centred = x - mean
    return mx.fast.layer_norm(x, w, b, eps), mean, TABLE.mean(centred * centred, -1, True)
