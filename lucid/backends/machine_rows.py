"""Softmax, cross entropy and layer norm as machine code, where numba is installed: a row stays in the first-level cache
while it is read two or three times.

Sums along a row may be taken in any order (``reassoc``), in vectors. Sums over rows are folded into double precision every
``PART`` rows. Arrays are (rows, n), contiguous, of one dtype.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from .machine_elementwise import exp, number
from .machine_norm import PART, _fold

kernel = numba.njit(error_model="numpy", nogil=True, cache=True, fastmath={"contract", "reassoc"})
part = numba.njit(error_model="numpy", nogil=True, fastmath={"contract", "reassoc"}, inline="always")


def _whole(kind: Any) -> Any:
    return ir.IntType(32 if isinstance(kind, ir.FloatType) else 64)


def _turned(builder: Any, bits: Any) -> Any:
    """Bits of floats to integers of the same order, and back."""
    size = bits.type.width
    sign = builder.ashr(bits, ir.Constant(bits.type, size - 1))
    return builder.xor(bits, builder.and_(sign, ir.Constant(bits.type, (1 << (size - 1)) - 1)))


@intrinsic
def _ordered(typing_context: Any, x: Any) -> Any:
    """An integer for each float, in the same order; NaN above inf. The compiler takes maxima of floats one by one."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _turned(builder, builder.bitcast(args[0], _whole(args[0].type)))

    return (numba.int32 if x == numba.float32 else numba.int64)(x), code


@intrinsic
def _float(typing_context: Any, like: Any, rank: Any) -> Any:
    """The float with this number."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(_turned(builder, args[1]), args[0].type)

    return like(like, rank), code


@part
def _top(x):  # type: ignore[no-untyped-def]
    top = _ordered(x[0])
    for j in range(len(x)):
        top = max(top, _ordered(x[j]))
    return _float(x[0], top)


@kernel
def softmax(x, out):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        row, y = x[i], out[i]
        top = _top(row)
        total = number(top, 0.0)
        for j in range(len(row)):
            e = exp(row[j] - top)
            y[j] = e
            total += e
        scale = number(top, 1.0) / total
        for j in range(len(row)):
            y[j] *= scale


@kernel
def softmax_grad(g, y, out):  # type: ignore[no-untyped-def]
    for i in range(len(y)):
        gp, p, o = g[i], y[i], out[i]
        total = number(p[0], 0.0)
        for j in range(len(p)):
            total += gp[j] * p[j]
        for j in range(len(p)):
            o[j] = (gp[j] - total) * p[j]


@part
def _log_sum(row):  # type: ignore[no-untyped-def]
    top = _top(row)
    total = number(top, 0.0)
    for j in range(len(row)):
        total += exp(row[j] - top)
    return top, math.log(total)


@kernel
def log_softmax(x, out):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        row, y = x[i], out[i]
        top, log = _log_sum(row)
        for j in range(len(row)):
            y[j] = (row[j] - top) - log


@kernel
def log_softmax_grad(g, y, out):  # type: ignore[no-untyped-def]
    for i in range(len(y)):
        gp, p, o = g[i], y[i], out[i]
        total = number(p[0], 0.0)
        for j in range(len(p)):
            total += gp[j]
        for j in range(len(p)):
            o[j] = gp[j] - exp(p[j]) * total


@kernel
def log_sum_rows(x, out):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        top, log = _log_sum(x[i])
        out[i] = top + log


@kernel
def cross_entropy_grad(g, x, log_sum, target, out):  # type: ignore[no-untyped-def]
    """``g * (softmax(x) - one_hot(target))``, row by row; see ``numpy_loss`` for why it sums again."""
    for i in range(len(x)):
        row, y, log = x[i], out[i], log_sum[i]
        total = number(log, 0.0)
        for j in range(len(row)):
            e = exp(row[j] - log)
            y[j] = e
            total += e
        scale = g[i] / total
        for j in range(len(row)):
            y[j] *= scale
        y[target[i]] -= g[i]


@kernel
def exponentials(x, mask, masked, total):  # type: ignore[no-untyped-def]
    """``exp(row + mask - their maximum)`` in place, and its sums; of a row that is masked throughout the sum is 1. Row i has
    row ``i % len(mask)`` of the mask."""
    for i in range(len(x)):
        row, extra = x[i], mask[i % len(mask)]
        rank = _ordered(row[0] + extra[0])
        for j in range(len(row)):
            t = row[j] + extra[j]
            row[j] = t
            rank = max(rank, _ordered(t))
        top = _float(row[0], rank)
        if masked and math.isinf(top):
            top = number(top, 0.0)
        summed = number(top, 0.0)
        for j in range(len(row)):
            e = exp(row[j] - top)
            row[j] = e
            summed += e
        total[i] = number(top, 1.0) if masked and summed == 0 else summed


# ---- normalisation of rows; w and b have the length of a row, or are one number for each of its ``len(w)`` stretches ----


@part
def _moments(row):  # type: ignore[no-untyped-def]
    total = number(row[0], 0.0)
    for j in range(len(row)):
        total += row[j]
    n = number(row[0], float(len(row)))
    mean = total / n
    total, rest = number(row[0], 0.0), number(row[0], 0.0)
    for j in range(len(row)):
        d = row[j] - mean
        total += d * d
        rest += d
    rest /= n  # by what rounding has missed the mean: much beside the deviations, if they are small beside it
    return mean + rest, total / n - rest * rest


@kernel
def normalize(x, w, b, eps, out, mean, var):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        row, y = x[i], out[i]
        m, v = _moments(row)
        mean[i], var[i] = m, v
        r = number(m, 1.0) / math.sqrt(v + eps)
        for j in range(len(row)):
            y[j] = (row[j] - m) * r * w[j] + b[j]


@kernel
def normalize_grad(g, x, w, mean, scale, out, to_w, to_b):  # type: ignore[no-untyped-def]
    """The gradients of x, w and b of ``(x - mean) * scale * w + b``."""
    n = len(w)
    one, two = np.zeros(n, x.dtype), np.zeros(n, x.dtype)
    first, second = np.zeros(n), np.zeros(n)
    for i in range(len(x)):
        row, gp, o, m, r = x[i], g[i], out[i], mean[i], scale[i]
        a, along = number(m, 0.0), number(m, 0.0)
        for j in range(n):
            hat = (row[j] - m) * r
            t = gp[j]
            one[j] += t
            two[j] += t * hat
            t *= w[j]
            along += t
            a += t * hat
        a *= r * r / number(m, float(n))
        along *= r / number(m, float(n))
        for j in range(n):
            o[j] = gp[j] * w[j] * r - (row[j] - m) * a - along
        if i % PART == PART - 1:
            _fold(one, first)
            _fold(two, second)
    _fold(one, first)
    _fold(two, second)
    for j in range(n):
        to_b[j], to_w[j] = first[j], second[j]


@kernel
def normalize_groups(x, w, b, groups, eps, out, mean, var):  # type: ignore[no-untyped-def]
    """Row i is group i % groups of a sample: stretches of one channel each, with one weight and one bias."""
    each = len(w) // groups
    size = x.shape[1] // each
    for i in range(len(x)):
        row, y = x[i], out[i]
        m, v = _moments(row)
        mean[i], var[i] = m, v
        r = number(m, 1.0) / math.sqrt(v + eps)
        for k in range(each):
            channel = i % groups * each + k
            a, shift = r * w[channel], b[channel]
            z, source = y[k * size : k * size + size], row[k * size : k * size + size]
            for j in range(size):
                z[j] = (source[j] - m) * a + shift


@kernel
def normalize_groups_grad(g, x, w, groups, mean, scale, out, to_w, to_b):  # type: ignore[no-untyped-def]
    each = len(w) // groups
    size = x.shape[1] // each
    first, second = np.zeros(len(w)), np.zeros(len(w))
    for i in range(len(x)):
        row, gp, o, m, r = x[i], g[i], out[i], mean[i], scale[i]
        a, along = number(m, 0.0), number(m, 0.0)
        for k in range(each):
            channel = i % groups * each + k
            source, t = row[k * size : k * size + size], gp[k * size : k * size + size]
            one, two = number(m, 0.0), number(m, 0.0)
            for j in range(size):
                one += t[j]
                two += t[j] * (source[j] - m)
            two *= r
            first[channel] += one
            second[channel] += two
            along += one * w[channel]
            a += two * w[channel]
        a *= r * r / number(m, float(x.shape[1]))
        along *= r / number(m, float(x.shape[1]))
        for k in range(each):
            factor = r * w[i % groups * each + k]
            source, t = row[k * size : k * size + size], gp[k * size : k * size + size]
            z = o[k * size : k * size + size]
            for j in range(size):
                z[j] = t[j] * factor - (source[j] - m) * a - along
    for k in range(len(w)):
        to_b[k], to_w[k] = first[k], second[k]
