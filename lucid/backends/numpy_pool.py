"""Pooling on NumPy: one strided slice of the input per tap of the window, in whatever memory order the input has."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .compiled import available
from .numpy_ import F32, is_half
from .numpy_shape import strided

ndarray = np.ndarray
COMPILES = 4096  # elements of input from which pooling runs compiled, where numba is installed
BLOCK = 1 << 16  # elements of output whose gradient is found at once, in the second-level cache
FEW = 16_384  # elements in all windows up to which they are copied out and reduced in one call: a slice for each tap costs 1 us


def _like(x: Any, shape: tuple, dtype: Any = None, make: Any = np.empty) -> ndarray:
    """An array of ``shape`` whose memory is channels-last if that of ``x`` is."""
    order = _order(x)
    if order is None:
        return make(shape, dtype or x.dtype)
    return make((shape[0], *shape[2:], shape[1]), dtype or x.dtype).transpose(order)


def _order(x: Any) -> tuple | None:
    """The transposition that makes (N, *sizes, C) look like (N, C, *sizes), if the memory of ``x`` lies that way."""
    return (0, x.ndim - 1, *range(1, x.ndim - 1)) if x.shape[1] > 1 and x.strides[1] == x.itemsize else None


@functools.lru_cache(1024)
def _taps(
    sizes: tuple, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, places: tuple
) -> tuple[tuple[tuple, tuple | None], ...]:
    """For each tap of the window: where the input is read, and for which outputs that is inside it (None: for all)."""
    taps = []
    for offsets in np.ndindex(*kernel):
        source, target = [], []
        for n, o, s, p, d, m in zip(sizes, offsets, stride, padding, dilation, places, strict=True):
            begin = o * d - p
            first = max(0, -(begin // s))  # the first output whose tap is not before the start
            last = max(min(m, (n - 1 - begin) // s + 1), first)
            source.append(slice(begin + first * s, max(begin + (last - 1) * s + 1, begin + first * s), s))
            target.append(slice(first, last))
        every = all(t == slice(0, m) for t, m in zip(target, places, strict=True))
        taps.append(((Ellipsis, *source), None if every else (Ellipsis, *target)))
    return tuple(taps)


def _compiles(x: Any, size: int, channels: int = 8) -> bool:
    """Whether to pool an array that lies like ``x``, with ``size`` elements, by machine code: channels must come last.

    Of fewer than ``channels`` of them NumPy makes longer loops.
    """
    return (
        size >= COMPILES
        and x.shape[1] >= channels
        and x.size > 0
        and available()
        and x.dtype in (np.dtype(np.float32), np.dtype(np.float64))
        and x.ndim <= 5
        and _rows(x).flags.c_contiguous
    )


def _rows(x: Any) -> ndarray:
    """(N, C, *sizes) as (N, *sizes, C)."""
    return x.transpose((0, *range(2, x.ndim), 1))


def _flat(x: Any) -> ndarray:
    return _rows(x).reshape(-1)


@functools.lru_cache(1024)
def _numbers(sizes: tuple, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, places: tuple) -> ndarray:
    """What the compiled kernels call ``q``."""
    fill = (3 - len(sizes)) * (1,)
    none = (3 - len(sizes)) * (0,)
    return np.array(
        [fill + sizes, fill + places, fill + kernel, fill + stride, none + padding, fill + dilation], np.int64
    )


def _lowest(dtype: Any) -> Any:
    if dtype.kind in "iu":
        return np.iinfo(dtype).min
    return False if dtype.kind == "b" else -np.inf


def max_pool(x: Any, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, places: tuple) -> ndarray:
    out = _like(x, (*x.shape[:2], *places))
    if _compiles(x, x.size) and out.size:
        from . import machine_pool

        q = _numbers(x.shape[2:], kernel, stride, padding, dilation, places)
        machine_pool.max_pool(_flat(x), _flat(out), q, *x.shape[:2])
        return out
    if _are_few(x, out, kernel):
        np.maximum.reduce(_windows(x, _lowest(x.dtype), kernel, stride, padding, dilation, places), 0, None, out)
        return out
    if _tiles(x, kernel, stride, padding, dilation, places):
        return _tiled(x, kernel, places, lambda part, axis: np.maximum.reduce(part, axis))
    taps = _taps(x.shape[2:], kernel, stride, padding, dilation, places)
    whole = [source for source, target in taps if target is None]
    if len(whole) > 1:
        np.maximum(x[whole[0]], x[whole[1]], out=out)
    else:
        out[...] = x[whole[0]] if whole else _lowest(x.dtype)
    for source in whole[2:]:
        np.maximum(out, x[source], out=out)
    for source, target in taps:
        if target is not None:
            part = out[target]
            np.maximum(part, x[source], out=part)
    return out


def _are_few(x: Any, out: ndarray, kernel: tuple) -> bool:
    return out.size * math.prod(kernel) <= FEW and x.dtype.kind != "V" and _order(x) is None


def _windows(x: Any, fill: Any, *window: tuple) -> ndarray:
    """What each tap reads for every output, (taps, N, C, *places), with ``fill`` outside the input: a copy."""
    padded, inside, shape, strides, flat = _geometry(x.shape, x.strides, x.itemsize, *window)
    if padded is not None:
        whole = np.full(padded, fill, x.dtype)
        whole[inside] = x
        x = whole
    return strided(x, shape, strides).reshape(flat)


@functools.lru_cache(1024)
def _geometry(
    shape: tuple,
    strides: tuple,
    itemsize: int,
    kernel: tuple,
    stride: tuple,
    padding: tuple,
    dilation: tuple,
    places: tuple,
) -> tuple:
    """The shape of the padded input and where the input lies in it, if it needs padding; shape and strides of the windows."""
    lead, sizes, padded, inside = shape[:2], shape[2:], None, None
    reach = [(m - 1) * s + (k - 1) * d + 1 for m, s, k, d in zip(places, stride, kernel, dilation, strict=True)]
    if any(padding) or any(r > n for r, n in zip(reach, sizes, strict=True)):
        padded = (*lead, *[max(r, n + p) for r, n, p in zip(reach, sizes, padding, strict=True)])
        inside = (Ellipsis, *[slice(p, p + n) for p, n in zip(padding, sizes, strict=True)])
        strides = tuple(math.prod(padded[i + 1 :]) * itemsize for i in range(len(padded)))
    taps, steps = ([b * n for b, n in zip(strides[2:], each, strict=True)] for each in (dilation, stride))
    return padded, inside, (*kernel, *lead, *places), (*taps, *strides[:2], *steps), (math.prod(kernel), *lead, *places)


def _tiles(x: Any, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, places: tuple) -> bool:
    """Whether windows, few or of more than nine elements, lie side by side and cover all: then nothing goes tap by tap."""
    return (
        (math.prod(kernel) > 9 or x.size <= FEW)
        and kernel == stride
        and not any(padding)
        and all(d == 1 for d in dilation)
        and x.flags.c_contiguous
        and all(k * m == n for k, m, n in zip(kernel, places, x.shape[2:], strict=True))
    )


def _tiled(x: Any, kernel: tuple, places: tuple, reduce: Callable) -> ndarray:
    """Window by window along the last dimension, then (over what is left) along the others."""
    sizes = list(x.shape[2:])
    for d in range(len(kernel) - 1, -1, -1):
        lead, rest = (*x.shape[:2], *sizes[:d]), places[d + 1 :]
        x = reduce(x.reshape(*lead, places[d], kernel[d], *rest), d + 3)
    return x


def _has_nan(out: Any) -> bool:
    return out.dtype.kind in "fV" and out.size > 0 and bool(np.isnan(np.maximum.reduce(out, None)))


def _hits(x: Any, out: Any, window: tuple) -> Iterator[tuple[tuple, tuple, ndarray]]:
    """Per tap, the outputs whose maximum is this element of the input, each output once."""
    free = np.ones_like(out, bool)
    nan = _has_nan(out)
    for source, target in _taps(x.shape[2:], *window):
        target = (Ellipsis,) if target is None else target
        part = x[source]
        hit = part == out[target]
        if nan:
            hit |= np.isnan(part)
        hit &= free[target]
        free[target] ^= hit
        yield source, target, hit


def max_pool_grad(g: Any, x: Any, out: Any, *window: Any) -> ndarray:
    """Each tap takes what is left of the gradient where it is the maximum.

    The gradient is chosen by its bits (``bits & -hit``): a third of the time of ``np.where``, and right for inf and nan.
    """
    if g.size and g.dtype == x.dtype and _compiles(x, x.size, 1) and _rows(out).flags.c_contiguous:
        from . import machine_pool

        dx = _like(x, x.shape, g.dtype)
        machine_pool.max_pool_grad(
            _flat(g), _flat(x), _flat(out), _flat(dx), _numbers(x.shape[2:], *window), *x.shape[:2]
        )
        return dx
    kernel, stride, padding, dilation, _ = window
    few = 0 < g.size <= FEW // 16 and g.dtype.kind == "f" and x.flags.c_contiguous and all(d == 1 for d in dilation)
    if few or (math.prod(kernel) > 9 and _tiles(x, *window)):  # one place in each window takes its gradient
        dx = np.zeros(x.shape, g.dtype)
        where = max_pool_indices(x, *window).reshape(len(x) * x.shape[1], -1)
        where += np.arange(0, x.size, math.prod(x.shape[2:]))[:, None]
        np.add.at(dx.reshape(-1), where.reshape(-1), g.reshape(-1))
        return dx
    tiled = all(s >= k and d == 1 for k, s, d in zip(kernel, stride, dilation, strict=True))
    covered = (
        tiled
        and kernel == stride
        and not np.any(padding)
        and all(m * k == n for m, k, n in zip(out.shape[2:], kernel, x.shape[2:], strict=True))
    )
    taps = _taps(x.shape[2:], *window)
    dx = _like(x, x.shape, g.dtype, np.empty if covered else np.zeros)
    if not g.size:
        return dx
    nan, bits = _has_nan(out), np.dtype(f"i{g.dtype.itemsize}")
    step = max(1, BLOCK // max(out[0].size, 1))
    for start in range(0, len(x), step):
        some = slice(start, start + step)
        xs, outs, to = x[some], out[some], dx[some]
        left = _like(x, outs.shape, g.dtype)
        left[...] = g[some]
        mask, part = _like(x, outs.shape, bits), _like(x, outs.shape, g.dtype)
        left_bits, part_bits, to_bits = left.view(bits), part.view(bits), to.view(bits)
        for k, (source, target) in enumerate(taps):
            whole = target is None
            rest, m, p = (left_bits, mask, part_bits) if whole else (left_bits[target], mask[target], part_bits[target])
            if k == len(taps) - 1 and tiled and whole:
                to_bits[source] = rest
                break
            here = xs[source]
            hit = here == (outs if whole else outs[target])
            if nan:
                hit |= np.isnan(here)
            np.negative(hit.view(np.int8), out=m, dtype=bits, casting="unsafe")
            if tiled:
                p = np.bitwise_and(rest, m, out=to_bits[source])
            else:
                np.bitwise_and(rest, m, out=p)
                share = to[source]
                share += part if whole else part[target]
            np.bitwise_xor(rest, p, out=rest)
    return dx


def max_pool_take(v: Any, x: Any, out: Any, *window: Any) -> ndarray:
    taken = _like(x, out.shape, v.dtype, np.zeros)
    for source, target, hit in _hits(x, out, window):
        np.copyto(taken[target], v[source], where=hit)
    return taken


def max_pool_indices(x: Any, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, places: tuple) -> ndarray:
    """Where each window's maximum lies, counted in the flattened spatial dimensions."""
    if all(d == 1 for d in dilation):
        return adaptive_max_indices(x, *_limits(x.shape[2:], kernel, stride, padding, places))
    window = (kernel, stride, padding, dilation, places)
    where = np.arange(math.prod(x.shape[2:])).reshape(x.shape[2:])
    found = _like(x, (*x.shape[:2], *places), np.int64, np.zeros)
    for source, target, hit in _hits(x, max_pool(x, *window), window):
        np.copyto(found[target], where[source], where=hit)
    return found


@functools.lru_cache(1024)
def _limits(sizes: tuple, kernel: tuple, stride: tuple, padding: tuple, places: tuple) -> tuple[tuple, tuple]:
    """Where windows start and stop inside the input."""
    starts = [[i * s - p for i in range(m)] for s, p, m in zip(stride, padding, places, strict=True)]
    stops = tuple(tuple(min(a + k, n) for a in start) for start, k, n in zip(starts, kernel, sizes, strict=True))
    return tuple(tuple(max(a, 0) for a in start) for start in starts), stops


def adaptive_max_indices(x: Any, starts: tuple, stops: tuple) -> ndarray:
    """The same for windows given by where they start and stop: per dimension, a tuple of ints or an (N, C, places) array."""
    n, c = x.shape[:2]
    same = type(starts[0]) is tuple  # for all images and channels
    flat = _window_elements(x.shape[2:], starts, stops) if same else _elements(x.shape[2:], starts, stops)
    places, each = flat.shape[2:-1], flat.shape[-1]
    if not flat.size or not x.size:
        return np.zeros((n, c, *places), np.int64)
    lines, count = x.reshape(n * c, -1), math.prod(places)
    if same:
        patches = lines.take(flat.reshape(count, each), 1)
    else:
        flat = np.broadcast_to(flat, (n, c, *flat.shape[2:]))
        patches = np.take_along_axis(lines, flat.reshape(n * c, -1), 1).reshape(-1, count, each)
    best = patches.argmax(-1)
    best += np.arange(0, count * each, each)
    if not same:
        best += np.arange(0, n * c * count * each, count * each)[:, None]
    return flat.reshape(-1).take(best).reshape(n, c, *places)


@functools.lru_cache(256)
def _window_elements(sizes: tuple, starts: tuple, stops: tuple) -> ndarray:
    return _elements(sizes, starts, stops)


def _elements(sizes: tuple, starts: tuple, stops: tuple) -> ndarray:
    """The flat positions of the elements of each window, (N or 1, C or 1, *places, elements): short ones repeat their last."""
    ndim, grids = len(sizes), []
    for d, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        start, stop = (np.asarray(a).reshape((1, 1, -1) if np.ndim(a) == 1 else np.shape(a)) for a in (start, stop))
        index = start[..., None] + np.arange(int((stop - start).max(initial=1)))
        index = np.minimum(index, stop[..., None] - 1)
        grids.append(
            index.reshape(
                *index.shape[:2], *(1,) * d, index.shape[2], *(1,) * (ndim - 1), index.shape[3], *(1,) * (ndim - 1 - d)
            )
        )
    flat: Any = 0
    for size, grid in zip(sizes, grids, strict=True):
        flat = flat * size + grid
    return flat.reshape(*flat.shape[: 2 + ndim], math.prod(flat.shape[2 + ndim :]))


def _counts(sizes: tuple, kernel: tuple, stride: tuple, padding: tuple, places: tuple, include: bool) -> list[ndarray]:
    """Per dimension, how many elements of each window count."""
    counts = []
    for n, k, s, p, m in zip(sizes, kernel, stride, padding, places, strict=True):
        start = np.arange(m) * s - p
        stop = np.minimum(start + k, n + p)
        counts.append(stop - start if include else np.minimum(stop, n) - np.maximum(start, 0))
    return counts


@functools.lru_cache(1024)
def _shares(
    sizes: tuple,
    dtype: Any,
    kernel: tuple,
    stride: tuple,
    padding: tuple,
    places: tuple,
    include: bool,
    divisor: int | None,
) -> Any:
    """What a window's sum is multiplied with: one number, or an array over the places."""
    if divisor is not None:
        return dtype.type(1.0 / divisor)
    counts = _counts(sizes, kernel, stride, padding, places, include)
    if all((c == k).all() for c, k in zip(counts, kernel, strict=True)):
        return dtype.type(1.0 / math.prod(kernel))
    total: Any = 1
    for c in counts:
        total = np.multiply.outer(total, c)
    return (1.0 / total).astype(dtype)


@functools.lru_cache(1024)
def _laid(sizes: tuple, dtype: Any, kernel: tuple, stride: tuple, padding: tuple, places: tuple, *rest: Any) -> ndarray:
    """The same as a flat array."""
    shares = _shares(sizes, dtype, kernel, stride, padding, places, *rest)
    return np.ascontiguousarray(np.broadcast_to(shares, places)).reshape(-1)


def avg_pool(
    x: Any, kernel: tuple, stride: tuple, padding: tuple, places: tuple, include: bool, divisor: int | None
) -> ndarray:
    if is_half(x):
        return avg_pool(x.astype(F32), kernel, stride, padding, places, include, divisor).astype(x.dtype)
    out = _like(x, (*x.shape[:2], *places))
    if _compiles(x, x.size) and out.size:
        from . import machine_pool

        q = _numbers(x.shape[2:], kernel, stride, padding, (1,) * len(kernel), places)
        share = _laid(x.shape[2:], x.dtype, kernel, stride, padding, places, include, divisor)
        machine_pool.avg_pool(_flat(x), share, _flat(out), q, *x.shape[:2])
        return out
    if _are_few(x, out, kernel):
        np.add.reduce(_windows(x, 0, kernel, stride, padding, (1,) * len(kernel), places), 0, None, out)
        out *= _shares(x.shape[2:], out.real.dtype, kernel, stride, padding, places, include, divisor)
        return out
    if _tiles(x, kernel, stride, padding, (1,) * len(kernel), places):
        out = _tiled(x, kernel, places, lambda part, axis: np.add.reduce(part, axis))
        out *= _shares(x.shape[2:], out.real.dtype, kernel, stride, padding, places, include, divisor)
        return out
    taps = _taps(x.shape[2:], kernel, stride, padding, (1,) * len(kernel), places)
    out[...] = x[taps[0][0]] if taps[0][1] is None else 0
    for source, target in taps[1:] if taps[0][1] is None else taps:
        part = out if target is None else out[target]
        part += x[source]
    out *= _shares(x.shape[2:], out.real.dtype, kernel, stride, padding, places, include, divisor)
    return out


def avg_pool_grad(
    g: Any,
    sizes: tuple,
    kernel: tuple,
    stride: tuple,
    padding: tuple,
    places: tuple,
    include: bool,
    divisor: int | None,
) -> ndarray:
    if is_half(g):
        return avg_pool_grad(g.astype(F32), sizes, kernel, stride, padding, places, include, divisor).astype(g.dtype)
    if _compiles(g, math.prod(g.shape[:2]) * math.prod(sizes)):
        from . import machine_pool

        dx = _like(g, (*g.shape[:2], *sizes))
        q = _numbers(sizes, kernel, stride, padding, (1,) * len(kernel), places)
        share = _laid(sizes, g.dtype, kernel, stride, padding, places, include, divisor)
        machine_pool.avg_pool_grad(_flat(g), share, _flat(dx), q, *g.shape[:2])
        return dx
    shared = g if divisor == 1 else g * _shares(sizes, g.real.dtype, kernel, stride, padding, places, include, divisor)
    dx = _like(g, (*g.shape[:2], *sizes), None, np.zeros)
    if kernel == stride and not any(padding) and all(k * m == n for k, m, n in zip(kernel, places, sizes, strict=True)):
        if not dx.flags.c_contiguous:  # the channels are neighbours: copied together
            order = (0, *range(2, dx.ndim), 1)
            apart = [n for pair in zip(places, kernel, strict=True) for n in pair]
            to = dx.transpose(order).reshape(len(g), *apart, g.shape[1])
            to[...] = shared.transpose(order).reshape(len(g), *[n for m in places for n in (m, 1)], g.shape[1])
            return dx
        for axis in range(len(kernel) - 1, -1, -1):
            shared = np.repeat(shared, kernel[axis], axis + 2) if kernel[axis] > 1 else shared
        return shared.copy() if shared is g else shared
    for source, target in _taps(sizes, kernel, stride, padding, (1,) * len(kernel), places):
        part = dx[source]
        part += shared if target is None else shared[target]
    return dx
