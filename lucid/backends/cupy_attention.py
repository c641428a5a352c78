"""Attention on CuPy: products, one sweep for the row sums, one for the weights; rows in blocks, so that memory stays bounded.

The scores of a block are computed again in backward (Dao et al., FlashAttention, 2022, section 3.1, without its tiles).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import cupy as cp
import numpy as np

from .cupy_fuse import elementwise, reduction, wide
from .cupy_reduce import PAIR

LARGEST = 1 << 27  # elements of a block of scores: 512 MB of float32


def _lead(*arrays: Any) -> tuple:
    return tuple(np.broadcast_shapes(*(a.shape[:-2] for a in arrays)))


def _blocks(lead: tuple, length: int, source: int) -> Iterator[slice]:
    step = max(1, LARGEST // max(math.prod(lead) * source, 1))
    for start in range(0, length, step):
        yield slice(start, min(start + step, length))


def _rows(mask: Any, rows: slice, length: int) -> Any:
    """The part of a mask for some rows; one that is the same for all rows has none of its own."""
    return mask[..., rows, :] if mask.ndim > 1 and mask.shape[-2] == length > 1 else mask


def _mT(x: Any) -> Any:
    return x.swapaxes(-1, -2)


def _weights(q: Any, k: Any, mask: Any, scale: float) -> Any:
    """Softmax of the scaled and masked scores; a row that is masked throughout gets zeros, not NaN."""
    scores = cp.matmul(q, _mT(k)).astype(q.dtype, copy=False)
    computes_in = wide(q.dtype)
    total = reduction(
        "attention_sum", "T x, T m, float64 s", f"{'float64' if computes_in == 'double' else 'float32'} y",
        "Pair((W)x * (W)s + (W)m, (W)1)", "together(a, b)", "y = a.top + log(a.total)", "Pair()", computes_in, PAIR, "Pair",
    )(scores, mask, float(scale), axis=(max(scores.ndim, mask.ndim) - 1,), keepdims=True)  # fmt: skip
    body = "y = (W)l == -(W)(1e300 * 1e300) ? (T)0 : (T)exp((W)x * (W)s + (W)m - (W)l)"
    return elementwise("attention_weights", "T x, T m, L l, float64 s", "T y", body, computes_in)(
        scores, mask, total, float(scale)
    )


def attention(q: Any, k: Any, v: Any, mask: Any, scale: float) -> Any:
    """Softmax(q k^T scale + mask) v."""
    lead, length, source = (
        _lead(q, k, v, mask.reshape((1,) * max(2 - mask.ndim, 0) + mask.shape)),
        q.shape[-2],
        k.shape[-2],
    )
    shape = (*lead, length, v.shape[-1])
    if not math.prod(shape) or not source:
        return cp.zeros(shape, q.dtype)
    if math.prod(lead) * length * source <= LARGEST:
        out = cp.matmul(_weights(q, k, mask, scale), v).astype(q.dtype, copy=False)
        return out if out.shape == shape else cp.broadcast_to(out, shape).copy()
    out = cp.empty(shape, q.dtype)
    for rows in _blocks(lead, length, source):
        out[..., rows, :] = cp.matmul(_weights(q[..., rows, :], k, _rows(mask, rows, length), scale), v)
    return out


def attention_grad(g: Any, q: Any, k: Any, v: Any, mask: Any, scale: float, needs: Any) -> tuple:
    """The gradients of q, k, v and the mask; broadcasting is undone by the engine."""
    flat = mask.reshape((1,) * max(2 - mask.ndim, 0) + mask.shape)
    lead, length, source = _lead(q, k, v, flat, g), q.shape[-2], k.shape[-2]
    shapes = [(*lead, *a.shape[-2:]) for a in (q, k, v)] + [(*lead, length, source)]
    if not math.prod(lead) * length * source:
        return tuple(cp.zeros(s, q.dtype) if need else None for s, need in zip(shapes, needs, strict=True))
    blocks = list(_blocks(lead, length, source))
    made: list[Any] = [None] * 4
    for rows in blocks:
        part = _block_grad(g[..., rows, :], q[..., rows, :], k, v, _rows(mask, rows, length), scale, needs)
        for i, found in enumerate(part):
            if found is None:
                continue
            if len(blocks) == 1:
                made[i] = found
            elif i in (1, 2):  # of keys and values: every block adds its share
                made[i] = found if made[i] is None else cp.add(made[i], found, made[i])
            else:
                if made[i] is None:
                    made[i] = cp.empty(shapes[i], q.dtype)
                made[i][..., rows, :] = found
    return tuple(made)


def _block_grad(g: Any, q: Any, k: Any, v: Any, mask: Any, scale: float, needs: Any) -> tuple:
    p = _weights(q, k, mask, scale)
    to_v = cp.matmul(_mT(p), g).astype(q.dtype, copy=False) if needs[2] else None
    if not (needs[0] or needs[1] or needs[3]):
        return None, None, to_v, None
    to_p = cp.matmul(g, _mT(v)).astype(q.dtype, copy=False)
    computes_in = wide(q.dtype)
    dot = reduction(
        "attention_dot", "T x, T p", f"{'float64' if computes_in == 'double' else 'float32'} y", "(W)x * (W)p", "a + b", "y = a",
        "0", computes_in,
    )(to_p, p, axis=(max(p.ndim, to_p.ndim) - 1,), keepdims=True)  # fmt: skip
    body = "y = (T)((W)p * ((W)x - (W)d))"
    scores = elementwise("attention_scores_grad", "T x, T p, D d", "T y", body, computes_in)(to_p, p, dot)
    to_q = (cp.matmul(scores, k) * scale).astype(q.dtype, copy=False) if needs[0] else None
    to_k = (cp.matmul(_mT(scores), q) * scale).astype(q.dtype, copy=False) if needs[1] else None
    return to_q, to_k, to_v, scores if needs[3] else None


def rope(x: Any, interleaved: bool, base: float, turn: float) -> Any:
    """Pairs of the last dimension turned by their position in the one before it; a thread computes the angle of its pair."""
    x, out = cp.ascontiguousarray(x), cp.empty(x.shape, x.dtype)
    body = """
    const long long row = i / half, pair = i % half, first = row * half * 2 + (apart ? pair : pair * 2), second = first + (apart ? half : 1);
    const W angle = (W)(row % len) * pow((W)base, -(W)pair / (W)half) * (W)turn;
    const W c = cos(angle), s = sin(angle), a = (W)x[first], b = (W)x[second];
    y[first] = (T)(a * c - b * s);
    y[second] = (T)(b * c + a * s)"""
    inputs = "raw T x, int64 len, int64 half, bool apart, float64 base, float64 turn"
    elementwise("rope", inputs, "raw T y", body, wide(x.dtype))(
        x, x.shape[-2], x.shape[-1] // 2, not interleaved, float(base), float(turn), out, size=x.size // 2
    )
    return out
