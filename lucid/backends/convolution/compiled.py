"""Calls of the compiled convolutions (``machine``): the tables they read, one set per shape, and who may use them.

Numbers differ from NumPy's in the last bits, as sums are taken in another order; so what decides is the shape alone.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from ..compiled import available
from .layout import ndarray, residues, workspace

WORTHWHILE = 30_000  # multiplications; below, all that counts is the number of calls, and nothing need be compiled
CACHED = 1 << 16  # elements of images, padded, and of results that one block of images may have
DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


class Geometry(NamedTuple):
    """One convolution in three dimensions; what each number means is what ``conv`` calls it."""

    images: int
    sizes: tuple
    channels: int
    outs: int
    groups: int
    kernel: tuple
    stride: tuple
    padding: tuple
    dilation: tuple
    places: tuple
    planar: bool  # whether the input lies channels-first
    itemsize: int
    taps: tuple  # where each tap lies in a filter's memory,
    filter: int  # which has so many
    turned: bool  # whether filters are read as (in, out)
    target: tuple  # whole sizes, starts, steps: the part of the output that is computed

    @property
    def depthwise(self) -> bool:
        return self.groups == self.channels == self.outs > 1


def wanted(dtype: Any, multiplications: int, dimensions: int) -> bool:
    """Whether a convolution of this size runs compiled."""
    return multiplications >= WORTHWHILE and available() and dtype in DTYPES and dimensions <= 3


def _three(values: Any, fill: Any) -> tuple:
    return (fill,) * (3 - len(values)) + tuple(values)


def _geometry(
    shape: tuple, planar: bool, itemsize: int, outs: int, groups: int, kernel: tuple, stride: tuple, padding: tuple,
    dilation: tuple, places: tuple, taps: tuple, every: int, turned: bool = False, target: Any = None,
) -> Geometry:  # fmt: skip
    """``shape`` is (N, *sizes, C)."""
    whole, starts, steps = target or (places, (), ())
    return Geometry(
        shape[0], _three(shape[1:-1], 1), shape[-1], outs, groups, _three(kernel, 1), _three(stride, 1),
        _three(padding, (0, 0)), _three(dilation, 1), _three(places, 1), planar, itemsize, taps, every, turned,
        (_three(whole, 1), _three(starts, 0), _three(steps, 1)),
    )  # fmt: skip


def flat(x: ndarray) -> tuple[ndarray, bool]:
    """The memory of (N, *sizes, C) as one row, and whether channels come first in it."""
    if x.flags.c_contiguous:
        return x.reshape(-1), False
    first = x.transpose(0, x.ndim - 1, *range(1, x.ndim - 1))
    return (first.reshape(-1), True) if first.flags.c_contiguous else (np.ascontiguousarray(x).reshape(-1), False)


class Plan(NamedTuple):
    """A compiled loop and its tables."""

    run: Any
    tables: tuple
    packed: int  # elements of workspace
    work: int
    init: int
    outs: int
    groups: int  # of the filled-up bias


def _grid(sizes: tuple, steps: tuple, start: int = 0) -> ndarray:
    """``start`` plus the sum of index times step, over all indices, flattened."""
    total = np.array(start, np.int64)
    for n, step in zip(sizes, steps, strict=True):
        total = np.add.outer(total, np.arange(n, dtype=np.int64) * step)
    return total.reshape(-1)


def _ints(*values: Any) -> ndarray:
    return np.array(values, np.int64)


class _Layout:
    """Where things lie in the padded input, and how many images make a block."""

    def __init__(self, q: Geometry, results: int) -> None:
        self.padded = tuple(max(n + low + high, 0) for n, (low, high) in zip(q.sizes, q.padding, strict=True))
        _, h, w = self.padded
        c = q.channels
        self.steps = (h * w * c, w * c, c)
        self.image = math.prod(self.padded) * c
        self.pads = q.planar or any(p != (0, 0) for p in q.padding)
        most = max(1, CACHED // max(self.image + results, 1))
        self.images = next(b for b in range(min(most, q.images), 0, -1) if q.images % b == 0)
        self.xn = math.prod(q.sizes) * c
        _, h, w = q.sizes
        strides = (h * w, w, 1, math.prod(q.sizes)) if q.planar else (h * w * c, w * c, c, 1)
        self.tail = (_ints(*q.sizes), _ints(*strides), _ints(*(low for low, _ in q.padding)), _ints(*self.padded))
        self.work = self.images * self.image if self.pads else 0
        self.along = tuple(step * s for step, s in zip(self.steps, q.stride, strict=True))
        self.across = tuple(step * d for step, d in zip(self.steps, q.dilation, strict=True))

    def head(self, q: Geometry, on: int) -> tuple:
        return q.images // self.images, self.images, self.xn, int(self.pads), on, q.channels


def _full(rows: int, *tables: ndarray) -> list[ndarray]:
    """The tables with their last entry repeated up to a multiple of ``rows``: the same result is written again."""
    return [np.concatenate([t, np.repeat(t[-1:], -len(t) % rows)]) for t in tables]


def _positions(q: Geometry, where: _Layout, rows: int) -> list[ndarray]:
    """Where the patches of a block of images start, and where their results go."""
    whole, starts, steps = q.target
    out = (whole[1] * whole[2] * q.outs, whole[2] * q.outs, q.outs)
    on = math.prod(whole) * q.outs
    at = _grid((where.images, *q.places), (where.image, *where.along))
    first = sum(a * b for a, b in zip(starts, out, strict=True))
    to = _grid((where.images, *q.places), (on, *(a * b for a, b in zip(steps, out, strict=True))), first)
    return _full(rows, at, to)


def _meet(q: Geometry, where: _Layout, rows: int, per_line: int) -> ndarray:
    """For each tile of ``rows`` positions, the first tap it needs and one past the last: whole lines of padding are left out."""
    bounds = []
    for k, s, d, (low, _), n, m in zip(q.kernel, q.stride, q.dilation, q.padding, q.sizes, q.places, strict=True):
        inside = np.add.outer(np.arange(m) * s - low, np.arange(k) * d)
        inside = (inside >= 0) & (inside < n)
        some = inside.any(1)
        bounds.append((np.where(some, inside.argmax(1), k), np.where(some, k - inside[:, ::-1].argmax(1), 0)))
    (d0, d1), (h0, h1), _ = bounds
    lines = np.stack([np.add.outer(d0 * q.kernel[1], h0), np.add.outer((d1 - 1) * q.kernel[1], h1)])
    lines[:, (d0 >= d1)[:, None] | (h0 >= h1)] = [[q.kernel[0] * q.kernel[1]], [0]]
    every = np.repeat(np.tile(lines.reshape(2, -1), where.images), q.places[2], 1)
    tiles = np.concatenate([every, np.repeat(every[:, -1:], -every.shape[1] % rows, 1)], 1).reshape(2, -1, rows)
    return np.stack([np.minimum(tiles[0].min(1), tiles[1].max(1)), tiles[1].max(1)], 1) * per_line


def _forward_plan(q: Geometry) -> Plan:
    from . import machine

    outs, each, taps = q.outs // q.groups, q.channels // q.groups, len(q.taps)
    vectors, lanes, masked = machine.tile_shape(q.outs if q.depthwise else outs, q.itemsize)
    rows = machine.rows_per_tile(lanes, q.itemsize)
    on = math.prod(q.target[0]) * q.outs
    where = _Layout(q, math.prod(q.places) * q.outs)
    at, to = _positions(q, where, rows)
    wt = _ints(*q.taps)
    if q.depthwise:
        xo, wo = _grid(q.kernel, where.across), np.arange(taps, dtype=np.int64) * q.channels
        run = machine.build("depthwise", rows, 1, lanes, q.channels % lanes != 0)
        meet, p = _meet(q, where, rows, q.kernel[2]), _ints(*where.head(q, on), q.filter)
        tables: tuple = at, to, meet, xo, wo, wt, p, *where.tail
        return Plan(run, tables, taps * q.channels, where.work, -(-q.channels // lanes) * lanes, q.outs, 1)
    width = vectors * lanes
    if q.groups == 1 and q.dilation[2] == 1:  # neighbouring taps of a row are one run of memory
        xo, inner, per_line = _grid(q.kernel[:2], where.across[:2]), q.kernel[2] * each, 1
    else:
        xo, inner, per_line = _grid(q.kernel, where.across), each, q.kernel[2]
    wo = np.arange(len(xo), dtype=np.int64) * (inner * width)
    run = machine.build("forward", rows, vectors, lanes, masked)
    p = _ints(*where.head(q, on), q.groups, outs, each, inner)
    steps = _steps(q.turned, outs, each, q.filter)
    tables = at, to, _meet(q, where, rows, per_line), xo, wo, wt, steps, p, *where.tail
    init = q.groups * -(-outs // width) * width
    return Plan(run, tables, init * taps * each, where.work, init, q.outs, q.groups)


def _steps(turned: bool, outs: int, each: int, taps: int) -> ndarray:
    """Steps in the memory of filters per group, result and channel of a patch."""
    return _ints(outs * each * taps, *((taps, outs * taps) if turned else (each * taps, taps)))


def _run(plan: Plan, x: ndarray, w: ndarray, bias: Any, out: ndarray) -> None:
    dtype = x.dtype
    init = workspace("init", (plan.init,), dtype)
    init.fill(0)
    if bias is not None:
        groups, outs = plan.groups, plan.outs // plan.groups
        init.reshape(groups, -1)[:, :outs] = bias.reshape(groups, outs)
    plan.run(
        x, w, init, out, workspace("padded", (plan.work,), dtype), workspace("packed", (plan.packed,), dtype), *plan.tables
    )  # fmt: skip


@functools.lru_cache(1024)
def _conv_plan(
    shape: tuple, planar: bool, itemsize: int, w: tuple, places: tuple, stride: tuple, padding: tuple, dilation: tuple,
    groups: int,
) -> Plan:  # fmt: skip
    every = math.prod(w[2:])
    q = _geometry(
        shape, planar, itemsize, w[0], groups, w[2:], stride, padding, dilation, places, tuple(range(every)), every
    )
    return _forward_plan(q)


def forward(
    x: ndarray, w: Any, bias: Any, out: ndarray, stride: tuple, padding: tuple, dilation: tuple, groups: int
) -> None:
    """Fill contiguous ``out`` (N, *places, O) from ``x`` (N, *sizes, C)."""
    line, planar = flat(x)
    places = out.shape[1:-1]
    plan = _conv_plan(x.shape, planar, x.itemsize, w.shape, places, stride, padding, dilation, groups)
    _run(plan, line, w.reshape(-1), bias, out.reshape(-1))


@functools.lru_cache(1024)
def _input_plans(
    shape: tuple,
    planar: bool,
    itemsize: int,
    w: tuple,
    sizes: tuple,
    stride: tuple,
    padding: tuple,
    dilation: tuple,
    groups: int,
) -> tuple[tuple[Plan | None, tuple], ...]:
    """One convolution of the output's gradient per residue of the input's position modulo the stride."""
    kernel, channels = w[2:], w[1] * groups
    index = np.arange(math.prod(kernel)).reshape(kernel)
    plans = []
    for target, taps, pads in residues(sizes, shape[1:-1], kernel, stride, padding, dilation):
        places = tuple(len(range(t.start, n, t.step)) for t, n in zip(target, sizes, strict=True))
        some = index[taps]
        if 0 in places:
            continue
        if not some.size:
            plans.append((None, target))
            continue
        q = _geometry(
            shape, planar, itemsize, channels, groups, some.shape, (1,) * len(kernel), pads, dilation, places,
            tuple(some.reshape(-1).tolist()), index.size, True, (sizes, *zip(*((t.start, t.step) for t in target), strict=True)),
        )  # fmt: skip
        plans.append((_forward_plan(q), target))
    return tuple(plans)


def _scatters(sizes: tuple, places: tuple, outs: int, stride: tuple, padding: tuple, dilation: tuple) -> bool | None:
    """Whether to add up the input gradient tap by tap: None means that there is no other way, nor that one.

    A convolution of the padded gradient leaves lines of padding out, but along a line it multiplies with the zeros too;
    adding up costs the loads and stores of a tile, as much as 6 of its ``outs`` steps. Both are needed for stride and dilation.
    """
    positive = all(low >= 0 and high >= 0 for low, high in padding)
    if any(s > 1 and d > 1 for s, d in zip(stride, dilation, strict=True)):
        return True if positive else None
    wide = math.prod(stride) == 1 and sizes[-1] * outs > places[-1] * (outs + 6)
    return wide and positive


@functools.lru_cache(1024)
def _scatter_plan(
    images: int, itemsize: int, w: tuple, sizes: tuple, places: tuple, stride: tuple, padding: tuple, dilation: tuple,
    groups: int,
) -> Plan:  # fmt: skip
    from . import machine

    taps, each, outs = math.prod(w[2:]), w[1], w[0] // groups
    channels = each * groups
    q = _geometry(
        (images, *sizes, channels), False, itemsize, w[0], groups, w[2:], stride, padding, dilation, places,
        tuple(range(taps)), taps, True,
    )  # fmt: skip
    vectors, lanes, masked = machine.tile_shape(each, itemsize)
    rows, where = machine.rows_per_tile(lanes, itemsize), _Layout(q, 1)
    at, to = _full(rows, np.arange(math.prod(places), dtype=np.int64) * w[0], _grid(q.places, where.along))
    p = _ints(images, math.prod(places) * w[0], where.xn, int(where.pads), channels, groups, outs, each)
    sizes_, _, low, padded = where.tail
    tables = (
        at, to, _grid(q.kernel, where.across), _ints(0), _ints(*q.taps), _steps(True, each, outs, taps), p, sizes_, low, padded,
    )  # fmt: skip
    run = machine.build("scatter", rows, vectors, lanes, masked)
    width = vectors * lanes
    packed = groups * -(-each // width) * width * taps * outs
    return Plan(run, tables, packed, where.image if where.pads else 0, 0, channels, groups)


def input_grad(g: ndarray, w: Any, out: ndarray, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> bool:
    """Fill contiguous ``out`` (N, *sizes, C); False where there is no compiled way."""
    sizes, places, depthwise = out.shape[1:-1], g.shape[1:-1], groups == g.shape[-1] == out.shape[-1] > 1
    scatters = _scatters(sizes, places, g.shape[-1] // groups, stride, padding, dilation)
    if scatters is None:
        return False
    filters, to = w.reshape(-1), out.reshape(-1)
    if scatters and not (depthwise and math.prod(stride) == 1):
        plan = _scatter_plan(len(g), g.itemsize, w.shape, sizes, places, stride, padding, dilation, groups)
        work, packed = workspace("padded", (plan.work,), g.dtype), workspace("packed", (plan.packed,), g.dtype)
        plan.run(np.ascontiguousarray(g).reshape(-1), filters, to, work, packed, *plan.tables)
        return True
    line, planar = flat(g)
    for some, target in _input_plans(g.shape, planar, g.itemsize, w.shape, sizes, stride, padding, dilation, groups):
        if some is None:
            out[:, *target] = 0
        else:
            _run(some, line, filters, None, to)
    return True


@functools.lru_cache(1024)
def _weight_plan(
    shape: tuple, planar: bool, itemsize: int, w: tuple, places: tuple, stride: tuple, padding: tuple, dilation: tuple,
    groups: int,
) -> Plan:  # fmt: skip
    from . import machine

    taps = math.prod(w[2:])
    q = _geometry(
        shape, planar, itemsize, w[0], groups, w[2:], stride, padding, dilation, places, tuple(range(taps)), taps
    )
    outs, each = q.outs // groups, q.channels // groups
    vectors, lanes, masked = machine.tile_shape(q.outs if q.depthwise else outs, itemsize)
    gn = math.prod(places) * q.outs
    where = _Layout(q, gn)
    lines = (where.images, *q.places[:2])
    xo = _grid(lines, (where.image, *where.along[:2]))
    wo = _grid(lines, (gn, q.places[1] * q.places[2] * q.outs, q.places[2] * q.outs))
    inner, xk = q.places[2], where.along[2]
    span = max(1, CACHED // max(inner * (xk + q.outs), 1))
    wt, reach = _ints(*q.taps), _grid(q.kernel, where.across)
    if q.depthwise:
        rows, wide = machine.rows_for_taps(taps), -(-q.channels // lanes) * lanes
        at = np.concatenate([reach, np.zeros(-taps % rows, np.int64)])
        to = np.arange(len(at), dtype=np.int64) * wide
        p = _ints(*where.head(q, gn), inner, xk, len(at), wide, span)
        run = machine.build("depthwise_weight_grad", rows, 1, lanes, q.channels % lanes != 0)
        return Plan(run, (at, to, xo, wo, wt, p, *where.tail), len(at) * wide, where.work, 0, q.outs, groups)
    rows, width = machine.rows_per_tile(lanes, q.itemsize), vectors * lanes
    at = np.add.outer(reach, np.arange(each, dtype=np.int64)).reshape(-1)
    at = np.concatenate([at, np.zeros(-len(at) % rows, np.int64)])
    to = np.arange(len(at), dtype=np.int64) * width
    p = _ints(*where.head(q, gn), groups, outs, each, inner, xk, len(at), span)
    run = machine.build("weight_grad", rows, vectors, lanes, masked)
    tables = (at, to, xo, wo, wt, _steps(False, outs, each, taps), p, *where.tail)
    return Plan(run, tables, groups * -(-outs // width) * width * len(at), where.work, 0, q.outs, groups)


def weight_grad(
    x: ndarray, g: ndarray, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int
) -> ndarray:
    """(O, C / groups, *kernel); ``g`` is contiguous."""
    line, planar = flat(x)
    shape = (g.shape[-1], x.shape[-1] // groups, *kernel)
    out = np.empty(shape, g.dtype)
    plan = _weight_plan(x.shape, planar, x.itemsize, shape, g.shape[1:-1], stride, padding, dilation, groups)
    total = workspace("packed", (plan.packed,), x.dtype)
    work = workspace("padded", (plan.work,), x.dtype)
    plan.run(line, g.reshape(-1), total, out.reshape(-1), work, *plan.tables)
    return out
