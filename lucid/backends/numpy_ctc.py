"""The steps of connectionist temporal classification on NumPy, each of all sequences and labels at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from .composed_ctc import NEVER
from .numpy_shape import strided


def ctc_alpha(scores: Any, jumps: Any) -> Any:
    """See ``composed_ctc``; two columns before the first label stand for where no path comes from."""
    if scores.dtype.itemsize == 2:
        return ctc_alpha(scores.astype(np.float32), jumps).astype(scores.dtype)
    frames, n, width = scores.shape
    sums = np.full((frames, n, width + 2), NEVER, scores.dtype)
    alpha = sums[:, :, 2:]
    alpha[0, :, :2] = scores[0, :, :2]
    allowed = _allowed(jumps, scores.dtype)
    three, top = np.empty((3, n, width), scores.dtype), np.empty((n, width), scores.dtype)
    two, one, here = three
    for before, score, to in zip(_threes(sums), scores[1:], alpha[1:], strict=False):
        np.add(before, allowed, three)
        np.fmax(one, here, top)  # NaN comes through the difference; maximum takes 1 us longer
        np.fmax(top, two, top)
        np.subtract(three, top, three)
        np.exp(three, three)
        np.add(here, one, here)
        np.add(here, two, here)
        np.log(here, here)
        np.add(here, top, here)
        np.add(here, score, to)
    return alpha


def ctc_alpha_grad(g: Any, alpha: Any, jumps: Any) -> Any:
    if alpha.dtype.itemsize == 2:
        return ctc_alpha_grad(g.astype(np.float32), alpha.astype(np.float32), jumps).astype(alpha.dtype)
    frames, n, width = alpha.shape
    sums = np.full((frames, n, width + 2), NEVER, alpha.dtype)
    sums[:, :, 2:] = alpha
    shares = _threes(sums)[:-1] + _allowed(jumps, alpha.dtype)
    shares -= np.maximum.reduce(shares, 1, None, None, True)
    np.exp(shares, shares)
    shares /= np.add.reduce(shares, 1, None, None, True)
    out = np.zeros(sums.shape, alpha.dtype)
    out[:, :, 2:] = g
    views = [out[:, :, k : k + width] for k in range(3)]
    part = np.empty((3, n, width), alpha.dtype)
    two, one, here = part
    for share, given, a, b, c in zip(shares[::-1], views[2][:0:-1], *(v[-2::-1] for v in views), strict=True):
        np.multiply(share, given, part)
        np.add(a, two, a)
        np.add(b, one, b)
        np.add(c, here, c)
    return views[2]


def _threes(sums: Any) -> Any:
    """The sums two before, one before and at each label: (T, 3, N, S)."""
    frames, n, width = sums.shape
    t, row, one = sums.strides
    return strided(sums, (frames, 3, n, width - 2), (t, one, row, one))


def _allowed(jumps: Any, dtype: Any) -> Any:
    """What is added to these: ``NEVER`` where a path may not jump."""
    out = np.zeros((3, *jumps.shape), dtype)
    out[0][~jumps] = NEVER
    return out
