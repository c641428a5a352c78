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


def _on_fast(x: Any, w: Any) -> bool:
    return x.dtype != mx.float64 and x.dtype == w.dtype and x.size > 0


def _rows(x: Any, axis: Any) -> Any:
    """The axes to normalise are the last ones; MLX's kernel takes one."""
    return x if len(axis) == 1 else x.reshape(*x.shape[: x.ndim - len(axis)], -1)


def rms_normalize(x: Any, w: Any, axis: Any, eps: float) -> Any:
    """RMS norm over the last axes."""
    if not _on_fast(x, w):
        return composed.rms_normalize(TABLE, x, w, axis, eps)
    return mx.fast.rms_norm(_rows(x, axis), w.reshape(-1), eps).reshape(x.shape)


def rms_normalize_grad(g: Any, x: Any, w: Any, axis: Any, eps: float) -> tuple:
    """Apple's kernel for the derivative, too."""
    if not _on_fast(x, w):
        return composed.rms_normalize_grad(TABLE, g, x, w, axis, eps)
    rows, factor = _rows(x, axis), w.reshape(-1)
    to_x, to_w = mx.vjp(lambda a, b: mx.fast.rms_norm(a, b, eps), [rows, factor], [g.reshape(rows.shape)])[1]
    return to_x.reshape(x.shape), to_w.reshape(w.shape)


def _rope_fits(x: Any, *rest: Any) -> bool:
    return x.dtype in (mx.float32, mx.float16, mx.bfloat16) and x.size > 0


def rope(x: Any, interleaved: bool, base: float, turn: float) -> Any:
    """Pairs turned by their positions; backwards by negative positions."""
    lead = x if x.ndim > 2 else x[None]
    out = mx.fast.rope(lead, x.shape[-1], traditional=interleaved, base=base, scale=float(turn), offset=0)
    return out.reshape(x.shape)


FITS = {"rope": _rope_fits}
