"""Batch normalisation as machine code, where numba is installed: two passes over memory each way instead of five.

Arrays are rows of channels, (positions, C). ``LINE`` or more neighbouring elements, whole rows, are one inner loop, with
sums and coefficients repeated for each row: vectors stay full however few channels there are. Sums are taken in double
precision from partial sums of ``PART`` lines.
"""

from __future__ import annotations

import numba
import numpy as np

LINE, PART = 512, 32
NEAR = 16.0  # squared distance of the guessed mean, in variances, up to which sums of squares lose nothing

kernel = numba.njit(error_model="numpy", nogil=True, cache=True, fastmath={"contract"})


@kernel
def _fold(part, total):  # type: ignore[no-untyped-def]
    """Add repeated rows of partial sums to ``total`` and clear them."""
    c = len(total)
    for start in range(0, len(part), c):
        row = part[start : start + c]
        for j in range(c):
            total[j] += row[j]
            row[j] = 0


@kernel
def _sums(x, guess, first, second):  # type: ignore[no-untyped-def]
    """``first += sum of x - guess`` and ``second += sum of (x - guess)^2``; guess is repeated along a line."""
    line = len(guess)
    one, two = np.zeros(line, x.dtype), np.zeros(line, x.dtype)
    for n, start in enumerate(range(0, len(x), line)):
        part = x[start : start + line]
        for j in range(len(part)):
            d = part[j] - guess[j]
            one[j] += d
            two[j] += d * d
        if n % PART == PART - 1:
            _fold(one, first)
            _fold(two, second)
    _fold(one, first)
    _fold(two, second)


@kernel
def normalize(x, w, b, eps, out, mean, var):  # type: ignore[no-untyped-def]
    """``(x - mean) / sqrt(var + eps) * w + b`` of flat rows of channels; also fills mean and variance."""
    c = len(mean)
    count, repeat = len(x) // c, max(1, LINE // c)
    guess = np.zeros(repeat * c, x.dtype)
    first, second = np.zeros(c), np.zeros(c)
    some = min(count, 16)
    for i in range(some):
        row = x[i * c : i * c + c]
        for j in range(c):
            first[j] += row[j]
    for attempt in range(2):  # the mean of the first rows as a guess; where it is far off, what it led to
        for j in range(c):
            guess[j] = first[j] / some if attempt == 0 else mean[j]
        for start in range(c, len(guess), c):
            guess[start : start + c] = guess[:c]
        first[:], second[:] = 0, 0
        _sums(x, guess, first, second)
        far = False
        for j in range(c):
            d = first[j] / count
            v = max(second[j] / count - d * d, 0.0) if second[j] == second[j] else second[j]
            mean[j], var[j] = guess[j] + d, v
            far |= d * d > NEAR * v
        if not far:
            break
    a, shift = np.empty_like(guess), np.empty_like(guess)
    for j in range(len(guess)):
        k = j % c
        a[j], shift[j], guess[j] = w[k] / np.sqrt(var[k] + eps), b[k], mean[k]
    line = len(guess)
    for start in range(0, len(x), line):
        part, y = x[start : start + line], out[start : start + line]
        for j in range(len(part)):
            y[j] = (part[j] - guess[j]) * a[j] + shift[j]


@kernel
def normalize_grad(g, x, w, mean, scale, out, to_w, to_b):  # type: ignore[no-untyped-def]
    """The gradients of x, w and b of ``(x - mean) * scale * w + b``."""
    c = len(mean)
    count, repeat = len(x) // c, max(1, LINE // c)
    line = repeat * c
    m, one, two = np.empty(line, x.dtype), np.zeros(line, x.dtype), np.zeros(line, x.dtype)
    for j in range(line):
        m[j] = mean[j % c]
    first, second = np.zeros(c), np.zeros(c)
    for n, start in enumerate(range(0, len(x), line)):
        part, gp = x[start : start + line], g[start : start + line]
        for j in range(len(part)):
            one[j] += gp[j]
            two[j] += gp[j] * (part[j] - m[j])
        if n % PART == PART - 1:
            _fold(one, first)
            _fold(two, second)
    _fold(one, first)
    _fold(two, second)
    a, along, shift = np.empty(line, x.dtype), np.empty(line, x.dtype), np.empty(line, x.dtype)
    for j in range(c):
        to_b[j], to_w[j] = first[j], second[j] * scale[j]
    for j in range(line):
        k = j % c
        a[j] = scale[k] * w[k]
        along[j] = a[j] * scale[k] * to_w[k] / count
        shift[j] = a[j] * to_b[k] / count
    for start in range(0, len(x), line):
        part, gp, y = x[start : start + line], g[start : start + line], out[start : start + line]
        for j in range(len(part)):
            y[j] = gp[j] * a[j] - (part[j] - m[j]) * along[j] - shift[j]
