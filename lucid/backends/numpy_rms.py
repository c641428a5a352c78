"""RMS norm on NumPy: rows in blocks that stay in the cache, sums of squares through BLAS."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .normalization.blocks import blocks
from .numpy_ import F32, is_half


def _rows(x: Any, axis: Any) -> Any:
    """The array as a matrix whose rows are normalised; the axes are the last ones."""
    return np.ascontiguousarray(x).reshape(-1, math.prod(x.shape[a] for a in axis))


def _scales(x: Any, eps: float) -> Any:
    """``1 / sqrt(mean(x^2) + eps)`` of each row."""
    scale = np.vecdot(x, x)
    scale /= x.shape[1]
    scale += eps
    np.sqrt(scale, scale)
    return np.divide(1, scale, scale)[:, None]


def rms_normalize(x: Any, w: Any, axis: Any, eps: float) -> Any:
    """``x / sqrt(mean(x^2) + eps) * w`` over the last axes; ``w`` has their shape."""
    if is_half(x):
        return rms_normalize(x.astype(F32), w.astype(F32), axis, eps).astype(x.dtype)
    out = np.empty(x.shape, x.dtype)
    if not x.size:
        return out
    rows, flat, w = _rows(x, axis), _rows(out, axis), w.reshape(-1)
    for at in blocks(*rows.shape):
        np.multiply(rows[at], _scales(rows[at], eps), flat[at])
        flat[at] *= w
    return out


def rms_normalize_grad(g: Any, x: Any, w: Any, axis: Any, eps: float) -> tuple:
    """The gradients of x and w: ``r (g w - h mean(g w h))`` with h = x r, and the sum of ``g h`` over the rows."""
    if is_half(x):
        found = rms_normalize_grad(g.astype(F32), x.astype(F32), w.astype(F32), axis, eps)
        return found[0].astype(x.dtype), found[1].astype(x.dtype)
    out, to_w = np.empty(x.shape, x.dtype), np.zeros(w.size, x.dtype)
    if not x.size:
        return out, to_w.reshape(w.shape)
    rows, grads, flat, factor = _rows(x, axis), _rows(g, axis), _rows(out, axis), w.reshape(-1)
    for at in blocks(*rows.shape):
        scale, to_x = _scales(rows[at], eps), flat[at]
        hat = rows[at] * scale
        np.multiply(grads[at], hat, to_x)
        to_w += np.add.reduce(to_x, 0)
        along = np.matmul(to_x, factor)
        along /= -x.dtype.type(rows.shape[1])
        np.multiply(grads[at], factor, to_x)
        hat *= along[:, None]
        to_x += hat
        to_x *= scale
    return out, to_w.reshape(w.shape)
