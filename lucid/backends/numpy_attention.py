"""Attention and recurrent cells on NumPy."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ._machine import compiles

LARGEST = 1 << 19  # elements of a block of scores: what stays in the cache, and what peak memory grows by


def attention(q: Any, k: Any, v: Any, mask: Any, scale: float) -> Any:
    """Softmax(q k^T scale + mask) v, a block of heads and rows at a time."""
    return _attention(q, k, v, mask, None, scale, 0.0)


def attention_dropout(q: Any, k: Any, v: Any, mask: Any, bits: Any, scale: float, p: float) -> Any:
    """The same, of the weights whose bit is set, divided by ``1 - p``."""
    return _attention(q, k, v, mask, bits, scale, p)


def _attention(q: Any, k: Any, v: Any, mask: Any, bits: Any, scale: float, p: float) -> Any:
    if q.dtype.itemsize == 2:
        q32, k32, v32, mask32 = (a.astype(np.float32) for a in (q, k, v, mask))
        return _attention(q32, k32, v32, mask32, bits, scale, p).astype(q.dtype)
    lead = _lead(q, k, v, mask) if bits is None else _lead(q, k, v, mask, bits)
    if math.prod(lead) * q.shape[-2] * k.shape[-2] <= LARGEST:
        return _block(q, k, v, mask, bits, scale, p)
    out = np.empty((*lead, q.shape[-2], v.shape[-1]), q.dtype)
    for i, rows, _, (parts, m) in _blocks(lead, (q, k, v) if bits is None else (q, k, v, bits), mask):
        q_, k_, v_, *bits_ = parts
        _block(q_, k_, v_, m, bits_[0] if bits_ else None, scale, p, out[i][rows])
    return out


def attention_grad(g: Any, q: Any, k: Any, v: Any, mask: Any, scale: float, needs: Any) -> tuple:
    """The gradients of q, k, v and the mask; the scores are computed again, a block at a time."""
    return _attention_grad(g, q, k, v, mask, None, scale, 0.0, needs)


def attention_dropout_grad(
    g: Any, q: Any, k: Any, v: Any, mask: Any, bits: Any, scale: float, p: float, needs: Any
) -> tuple:
    """The same where the weights without a bit were dropped."""
    return _attention_grad(g, q, k, v, mask, bits, scale, p, needs)


def _attention_grad(g: Any, q: Any, k: Any, v: Any, mask: Any, bits: Any, scale: float, p: float, needs: Any) -> tuple:
    if q.dtype.itemsize == 2:
        g32, q32, k32, v32, mask32 = (a.astype(np.float32) for a in (g, q, k, v, mask))
        found = _attention_grad(g32, q32, k32, v32, mask32, bits, scale, p, needs)
        return tuple(None if a is None else a.astype(q.dtype) for a in found)
    given = (q, k, v, g) if bits is None else (q, k, v, g, bits)
    lead = _lead(mask, *given)
    if math.prod(lead) * q.shape[-2] * k.shape[-2] <= LARGEST:
        return _block_grad(g, q, k, v, mask, bits, scale, p, needs)
    made = [
        np.zeros((*lead, *a.shape[-2:]), q.dtype) if need else None for a, need in zip((q, k, v), needs, strict=False)
    ]
    to_q, to_k, to_v = made
    to_mask = np.zeros(mask.shape, q.dtype) if needs[3] else None
    for i, rows, columns, (parts, m) in _blocks(lead, given, mask):
        q_, k_, v_, g_, *bits_ = parts
        dq, dk, dv, scores = _block_grad(g_, q_, k_, v_, m, bits_[0] if bits_ else None, scale, p, needs)
        if to_q is not None:
            to_q[i][rows] = dq
        if to_k is not None:
            to_k[i][columns] += dk
        if to_v is not None:
            to_v[i][columns] += dv
        if to_mask is not None:
            _add_to_mask(to_mask, i, rows, columns, scores)
    return to_q, to_k, to_v, to_mask


def pack_bits(x: Any) -> Any:
    """Eight booleans of the last axis in a byte, the first in its lowest bit."""
    return np.packbits(x, -1, "little")


def unpack_bits(x: Any, count: int) -> Any:
    """The first ``count`` booleans of what ``pack_bits`` made."""
    return np.unpackbits(x, -1, count, "little").view(np.bool_)


def _lead(*arrays: Any) -> tuple:
    return np.broadcast_shapes(*(a.shape[:-2] for a in arrays))


def _blocks(lead: tuple, arrays: tuple, mask: Any) -> Iterator[tuple]:
    """Head, rows and columns of each block of scores, and what belongs to it; columns that are masked for all rows at the end are left out."""
    q, k = arrays[:2]
    length, source = q.shape[-2], k.shape[-2]
    heads = [np.broadcast_to(a, (*lead, *a.shape[-2:])) for a in arrays]
    full = np.broadcast_to(mask, (*lead, length, source))
    size = max(1, min(LARGEST // max(source, 1), 256))
    one = math.prod(mask.shape[:-2]) == 1  # the same mask for all heads: its columns are looked at once
    seen: dict[int, int] = {}
    for i in np.ndindex(*lead):
        for start in range(0, length, size):
            rows = slice(start, min(start + size, length))
            stop = seen.get(start) if one else None
            if stop is None:
                stop = seen[start] = _last_column(full[i][rows]) if mask.ndim else source
            columns = slice(0, stop)
            parts = [a[i][columns] if n in (1, 2) else a[i][rows] for n, a in enumerate(heads)]
            yield i, rows, columns, (parts, full[i][rows, columns] if mask.ndim else mask)


def _last_column(mask: Any) -> int:
    """How many columns there are up to the last that takes part in some row."""
    if mask[-1, -1] != -np.inf:
        return mask.shape[1]
    taking_part = np.nonzero(np.maximum.reduce(mask, 0) != -np.inf)[0]
    return int(taking_part[-1]) + 1 if taking_part.size else 1


def _exponentials(q: Any, k: Any, mask: Any, scale: float) -> tuple:
    """exp(scores - their maximum) and its sums by row, 1 for a row that is masked throughout."""
    scores = np.matmul(q * scale, k.swapaxes(-1, -2))
    if compiles(scores) and scores.dtype == mask.dtype and mask.ndim <= scores.ndim:
        return scores, _compiled_exponentials(scores, mask)
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
    total = np.einsum("...i->...", scores)[..., None]  # einsum's loop is three times as fast as add.reduce's
    if mask.ndim:
        total[total == 0] = 1
    return scores, total


def _compiled_exponentials(scores: Any, mask: Any) -> Any:
    """The same in place, in one sweep over each row; a mask with rows of its own for every head is added before."""
    from . import machine_rows

    length, source = scores.shape[-2:]
    total, masked = np.empty((*scores.shape[:-1], 1), scores.dtype), mask.ndim > 0
    alike = mask.shape[-1:] == (source,) and mask.size == source  # for all rows
    if not (alike or (mask.shape[-2:] == (length, source) and mask.size == length * source)):
        if masked:
            np.add(scores, mask, scores)
        mask = np.zeros(source, scores.dtype)
    rows = np.ascontiguousarray(mask).reshape(-1, source)
    machine_rows.exponentials(scores.reshape(-1, source), rows, masked, total.reshape(-1))
    return total


def _block(q: Any, k: Any, v: Any, mask: Any, bits: Any, scale: float, p: float, out: Any = None) -> Any:
    e, total = _exponentials(q, k, mask, scale)
    if bits is not None:
        e = _dropped(e, bits)
        total *= 1 - p
    out = np.matmul(e, v, out)
    out /= total
    return out


def _dropped(weights: Any, bits: Any) -> Any:
    """Zeros where a bit is missing, written into ``weights`` unless the bits have more dimensions."""
    keep = unpack_bits(bits, weights.shape[-1])
    if np.broadcast_shapes(keep.shape, weights.shape) != weights.shape:
        return np.where(keep, weights, weights.dtype.type(0))
    np.copyto(weights, 0, where=~keep)
    return weights


def _block_grad(g: Any, q: Any, k: Any, v: Any, mask: Any, bits: Any, scale: float, p: float, needs: Any) -> tuple:
    weights, total = _exponentials(q, k, mask, scale)
    weights /= total
    if bits is not None:
        g = g * (1 / (1 - p))
    to_v = None
    if needs[2]:
        kept = weights if bits is None else _dropped(weights.copy(), bits)
        to_v = np.matmul(kept.swapaxes(-1, -2), g)
    if not (needs[0] or needs[1] or needs[3]):
        return None, None, to_v, None
    scores = np.matmul(g, v.swapaxes(-1, -2))
    if bits is not None:
        scores = _dropped(scores, bits)
    scores -= np.einsum("...i,...i->...", scores, weights)[..., None]
    scores = np.multiply(scores, weights, scores) if scores.shape == weights.shape else scores * weights
    to_q = to_k = None
    if needs[0]:
        to_q = np.matmul(scores, k)
        to_q *= scale
    if needs[1]:
        to_k = np.matmul(scores.swapaxes(-1, -2), q)
        to_k *= scale
    return to_q, to_k, to_v, scores if needs[3] else None


def _add_to_mask(total: Any, head: tuple, rows: slice, columns: slice, scores: Any) -> None:
    """Add the gradient of a block of scores to a mask that is broadcast over some dimensions."""
    at = head[len(head) - (total.ndim - 2) :] if total.ndim > 2 else ()
    place = total[tuple(0 if n == 1 else j for n, j in zip(total.shape[:-2], at, strict=True))]
    if place.ndim == 2 and place.shape[-2] == 1:
        scores, rows = np.add.reduce(scores, 0, None, None, True), slice(0, 1)
    if place.shape[-1] == 1:
        scores, columns = np.add.reduce(scores, -1, None, None, True), slice(0, 1)
    if place.ndim == 2:
        place[rows, columns] += scores
    else:
        place[columns] += np.add.reduce(scores, 0)


def _sigmoid(x: Any) -> None:
    """In place, as 1/2 + tanh(x / 2) / 2: NumPy's tanh is fast, and a gate needs no relative accuracy near 0."""
    x *= 0.5
    np.tanh(x, x)
    x *= 0.5
    x += 0.5


@functools.lru_cache(64)
def _lstm_scales(size: int, dtype: Any) -> tuple:
    """``s, t`` with which ``tanh(x * s) * s + t`` is the sigmoid of gates i, f and o and the tanh of n, all in one sweep."""
    scale = np.full(4 * size, 0.5, dtype)
    shift = scale.copy()
    scale[2 * size : 3 * size], shift[2 * size : 3 * size] = 1, 0
    return scale, shift


def lstm_cell(gates: Any, c: Any) -> tuple:
    size = c.shape[1]
    scale, shift = _lstm_scales(size, gates.dtype)
    active = gates * scale
    np.tanh(active, active)
    active *= scale
    active += shift
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
