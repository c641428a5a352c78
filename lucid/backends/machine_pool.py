"""Pooling as machine code, where numba is installed: each window is read once, channels being neighbours in memory.

Arrays are flat (N, D, H, W, C); ``q`` holds the sizes, three numbers each (``numpy_pool`` makes it). As in NumPy's kernels,
no indices are kept: the gradient finds the maxima again.
"""

from __future__ import annotations

import numba
import numpy as np

kernel = numba.njit(error_model="numpy", nogil=True, cache=True)


@kernel
def _tap(q, od, oh, ow, kd, kh, kw):  # type: ignore[no-untyped-def]
    """Which element of an image a tap of a window is, counted in pixels, or -1 in the padding."""
    d = od * q[3, 0] - q[4, 0] + kd * q[5, 0]
    h = oh * q[3, 1] - q[4, 1] + kh * q[5, 1]
    w = ow * q[3, 2] - q[4, 2] + kw * q[5, 2]
    if d < 0 or d >= q[0, 0] or h < 0 or h >= q[0, 1] or w < 0 or w >= q[0, 2]:
        return -1
    return (d * q[0, 1] + h) * q[0, 2] + w


@kernel
def max_pool(x, out, q, images, c):  # type: ignore[no-untyped-def]
    image, o = q[0, 0] * q[0, 1] * q[0, 2] * c, 0
    for n in range(images):
        for od in range(q[1, 0]):
            for oh in range(q[1, 1]):
                for ow in range(q[1, 2]):
                    best, first = out[o : o + c], True
                    for kd in range(q[2, 0]):
                        for kh in range(q[2, 1]):
                            for kw in range(q[2, 2]):
                                at = _tap(q, od, oh, ow, kd, kh, kw)
                                if at < 0:
                                    continue
                                row = x[n * image + at * c : n * image + at * c + c]
                                if first:
                                    for j in range(c):
                                        best[j] = row[j]
                                    first = False
                                else:
                                    for j in range(c):
                                        best[j] = row[j] if row[j] > best[j] or row[j] != row[j] else best[j]
                    o += c


@kernel
def max_pool_grad(g, x, out, dx, q, images, c):  # type: ignore[no-untyped-def]
    """Each tap takes what is left of the gradient where it is the maximum: the first of equals gets all."""
    image, o = q[0, 0] * q[0, 1] * q[0, 2] * c, 0
    left, zero = g[:c].copy(), np.zeros(1, g.dtype)[0]  # not the number 0, which would make all of it double precision
    dx[:] = 0
    for n in range(images):
        for od in range(q[1, 0]):
            for oh in range(q[1, 1]):
                for ow in range(q[1, 2]):
                    best, given = out[o : o + c], g[o : o + c]
                    for j in range(c):
                        left[j] = given[j]
                    for kd in range(q[2, 0]):
                        for kh in range(q[2, 1]):
                            for kw in range(q[2, 2]):
                                at = _tap(q, od, oh, ow, kd, kh, kw)
                                if at < 0:
                                    continue
                                start = n * image + at * c
                                row, to = x[start : start + c], dx[start : start + c]
                                for j in range(c):
                                    hit = row[j] == best[j] or row[j] != row[j]
                                    to[j] += left[j] if hit else zero
                                    left[j] = zero if hit else left[j]
                    o += c


@kernel
def avg_pool(x, share, out, q, images, c):  # type: ignore[no-untyped-def]
    """``share`` is what the sum of each window is multiplied with."""
    image, places, o = q[0, 0] * q[0, 1] * q[0, 2] * c, q[1, 0] * q[1, 1] * q[1, 2], 0
    for n in range(images):
        for p in range(places):
            ow, rest = p % q[1, 2], p // q[1, 2]
            oh, od = rest % q[1, 1], rest // q[1, 1]
            total = out[o : o + c]
            for j in range(c):
                total[j] = 0
            for kd in range(q[2, 0]):
                for kh in range(q[2, 1]):
                    for kw in range(q[2, 2]):
                        at = _tap(q, od, oh, ow, kd, kh, kw)
                        if at >= 0:
                            row = x[n * image + at * c : n * image + at * c + c]
                            for j in range(c):
                                total[j] += row[j]
            for j in range(c):
                total[j] *= share[p]
            o += c


@kernel
def avg_pool_grad(g, share, dx, q, images, c):  # type: ignore[no-untyped-def]
    image, places, o = q[0, 0] * q[0, 1] * q[0, 2] * c, q[1, 0] * q[1, 1] * q[1, 2], 0
    dx[:] = 0
    for n in range(images):
        for p in range(places):
            ow, rest = p % q[1, 2], p // q[1, 2]
            oh, od = rest % q[1, 1], rest // q[1, 1]
            given = g[o : o + c]
            for kd in range(q[2, 0]):
                for kh in range(q[2, 1]):
                    for kw in range(q[2, 2]):
                        at = _tap(q, od, oh, ow, kd, kh, kw)
                        if at >= 0:
                            to = dx[n * image + at * c : n * image + at * c + c]
                            for j in range(c):
                                to[j] += given[j] * share[p]
            o += c
