"""Sampling at points as machine code, where numba is installed: corners are read where they lie, no values are kept."""

from __future__ import annotations

import numba

kernel = numba.njit(error_model="numpy", nogil=True, cache=True)


@kernel
def sample(flat, where, weights, out):  # type: ignore[no-untyped-def]
    """``out`` (channels, images, places): the sum over corners of ``flat`` (channels, pixels) there, times ``weights``."""
    corners, images, places = where.shape
    for n in range(images):
        for c in range(flat.shape[0]):
            for p in range(places):
                total = flat[c, where[0, n, p]] * weights[0, n, p]
                for k in range(1, corners):
                    total += flat[c, where[k, n, p]] * weights[k, n, p]
                out[c, n, p] = total


@kernel
def spread(g, where, weights, out):  # type: ignore[no-untyped-def]
    """The transpose of that in ``flat``, added to ``out``."""
    corners, images, places = where.shape
    for n in range(images):
        for c in range(out.shape[0]):
            for k in range(corners):
                for p in range(places):
                    out[c, where[k, n, p]] += g[c, n, p] * weights[k, n, p]


@kernel
def correlate(g, where, flat, out):  # type: ignore[no-untyped-def]
    """The transpose of that in ``weights``, added to ``out``."""
    corners, images, places = where.shape
    for n in range(images):
        for c in range(flat.shape[0]):
            for k in range(corners):
                for p in range(places):
                    out[k, n, p] += g[c, n, p] * flat[c, where[k, n, p]]
