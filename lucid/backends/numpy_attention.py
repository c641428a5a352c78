"""Attention and recurrent cells on NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

LARGEST = 1 << 20  # elements of a block of scores: what stays in the cache, and what peak memory grows by


def attention(q: Any, k: Any, v: Any, mask: Any, scale: float) -> Any:
    """Softmax(q k^T scale + mask) v, a block of heads and rows at a time."""
    if q.dtype.itemsize == 2:
        q32, k32, v32, mask32 = (a.astype(np.float32) for a in (q, k, v, mask))
        return attention(q32, k32, v32, mask32, scale).astype(q.dtype)
    length, source = q.shape[-2], k.shape[-2]
    lead = np.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2], mask.shape[:-2])
    if math.prod(lead) * length * source <= LARGEST:
        return _block(q, k, v, mask, scale)
    out = np.empty((*lead, length, v.shape[-1]), q.dtype)
    q, k, v = (np.broadcast_to(a, (*lead, *a.shape[-2:])) for a in (q, k, v))
    full = np.broadcast_to(mask, (*lead, length, source))
    rows = max(1, LARGEST // max(source, 1))
    for i in np.ndindex(*lead):
        for start in range(0, length, rows):
            part = slice(start, start + rows)
            out[i][part] = _block(q[i][part], k[i], v[i], full[i][part], scale)
    return out


def _block(q: Any, k: Any, v: Any, mask: Any, scale: float) -> Any:
    scores = np.matmul(q, k.swapaxes(-1, -2))
    scores *= scale
    scores = scores + mask if mask.ndim > scores.ndim else np.add(scores, mask, scores) if mask.ndim else scores
    top = (
        np.maximum.reduce(scores, -1, None, None, True)
        if scores.shape[-1]
        else np.zeros((*scores.shape[:-1], 1), q.dtype)
    )
    if mask.ndim:
        top = np.where(np.isinf(top), 0, top).astype(q.dtype, copy=False)
    scores -= top
    np.exp(scores, scores)
    total = np.add.reduce(scores, -1, None, None, True)
    if mask.ndim:
        total[total == 0] = 1
    out = np.matmul(scores, v)
    out /= total
    return out


def _sigmoid(x: Any) -> None:
    """In place, as 1/2 + tanh(x / 2) / 2: NumPy's tanh is fast, and a gate needs no relative accuracy near 0."""
    x *= 0.5
    np.tanh(x, x)
    x *= 0.5
    x += 0.5


def lstm_cell(gates: Any, c: Any) -> tuple:
    size = c.shape[1]
    active = gates.copy()
    _sigmoid(active[:, : 2 * size])
    np.tanh(active[:, 2 * size : 3 * size], active[:, 2 * size : 3 * size])
    _sigmoid(active[:, 3 * size :])
    i, f, n, o = (active[:, k * size : (k + 1) * size] for k in range(4))
    new = f * c
    new += i * n
    return o * np.tanh(new), new, active


def gru_cell(x: Any, h_gates: Any, h: Any) -> tuple:
    size = h.shape[1]
    active = np.empty_like(x)
    np.add(x[:, : 2 * size], h_gates[:, : 2 * size], active[:, : 2 * size])
    _sigmoid(active[:, : 2 * size])
    r, u, n = (active[:, k * size : (k + 1) * size] for k in range(3))
    np.multiply(r, h_gates[:, 2 * size :], n)
    n += x[:, 2 * size :]
    np.tanh(n, n)
    return n + u * (h - n), active
