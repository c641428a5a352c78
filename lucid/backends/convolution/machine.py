"""Convolution as machine code, where numba is installed: one tile of results stays in vector registers.

Every loop nest of a convolution, of its weight gradient and of their depthwise forms is the same sum

    out[to[p] + v] = init[v] + sum over t, k of  x[at[p] + xo[t] + k xk] * w[wo[t] + k wk + v]

for ``P`` rows p and a few vectors v: rows are positions and (t, k) taps and channels, or the other way round. ``at``, ``to``
and ``xo`` are tables (``compiled`` makes them), so that any number of dimensions, strides, dilations and groups are one code. The tile
is written in LLVM's vector types, because nothing else makes a compiler keep its sums in registers; numba compiles and
keeps it on disk. All of it is in one file, since numba asks only this file's date whether what it kept is still right.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from types import FunctionType
from typing import Any

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

I64, I32 = ir.IntType(64), ir.IntType(32)
U = np.uintp  # of an index: it cannot be negative, and the compiler need not ask


@functools.cache
def registers() -> tuple[int, int]:
    """How many bytes a vector register of this machine holds, and how many of them there are."""
    if llvmlite.binding.get_default_triple().startswith(("aarch64", "arm64")):
        return 16, 32
    return (64, 32) if llvmlite.binding.get_host_cpu_features().get("avx512f") else (32, 16)


def rows_per_tile(lanes: int, itemsize: int) -> int:
    """Rows of a tile two vectors wide: its sums fill half the registers, or all but three; of half a vector, half again as many."""
    size, count = registers()
    if count < 32:
        return 6
    return 12 if lanes * itemsize < size else 8


class Vectors:
    """Loads, stores and factors of vectors of ``lanes`` numbers; with ``left``, only that many of them are touched."""

    def __init__(self, context: Any, builder: Any, real: Any, lanes: int) -> None:
        self.builder, self.real, self.lanes = builder, real, lanes
        self.size = context.get_abi_sizeof(real)
        self.type = ir.VectorType(real, lanes)
        self.pointer = ir.PointerType(self.type)
        self.zero = ir.Constant(self.type, [ir.Constant(real, 0.0)] * lanes)
        self.name = f"v{lanes}f{8 * self.size}.p0"

    def spread(self, scalar: Any, kind: Any) -> Any:
        """All lanes equal."""
        vector = ir.VectorType(kind, self.lanes)
        unset, first = ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(I32, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(
            self.builder.insert_element(unset, scalar, ir.Constant(I32, 0)), unset, first
        )

    def below(self, left: Any) -> Any:
        """The mask of the first ``left`` lanes."""
        count = ir.Constant(ir.VectorType(I64, self.lanes), list(range(self.lanes)))
        return self.builder.icmp_signed("<", count, self.spread(left, I64))

    def load(self, address: Any, mask: Any = None) -> Any:
        address = self.builder.bitcast(address, self.pointer)
        if mask is None:
            return self.builder.load(address, align=self.size)
        form = ir.FunctionType(self.type, [self.pointer, I32, mask.type, self.type])
        load = cgutils.get_or_insert_function(self.builder.module, form, f"llvm.masked.load.{self.name}")
        return self.builder.call(load, [address, ir.Constant(I32, self.size), mask, self.zero])

    def store(self, value: Any, address: Any, mask: Any = None) -> None:
        address = self.builder.bitcast(address, self.pointer)
        if mask is None:
            self.builder.store(value, address, align=self.size)
            return
        form = ir.FunctionType(ir.VoidType(), [self.type, self.pointer, I32, mask.type])
        store = cgutils.get_or_insert_function(self.builder.module, form, f"llvm.masked.store.{self.name}")
        self.builder.call(store, [value, address, ir.Constant(I32, self.size), mask])


def make_tile(rows: int, vectors: int, lanes: int, spreads: bool, masks: str) -> Callable:
    """The sum above for ``rows`` rows. ``spreads``: x is one number per row, not a vector; ``masks``: "", "in", "out", "inout"."""

    @intrinsic  # type: ignore[misc]
    def tile(typing, x, at, i, xoff, w, woff, init, ioff, keep, out, to, ooff, xo, wo, terms, inner, xk, wk, left):  # type: ignore[no-untyped-def]
        given = (x, at, i, xoff, w, woff, init, ioff, keep, out, to, ooff, xo, wo, terms, inner, xk, wk, left)

        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            (x, at, i, xoff, w, woff, init, ioff, keep, out, to, ooff, xo, wo, terms, inner, xk, wk, left) = (
                context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
                for kind, value in zip(signature.args, args, strict=True)
            )
            vec = Vectors(context, builder, context.get_value_type(signature.args[0].dtype), lanes)
            add, mul = builder.add, builder.mul

            def number(n: int) -> Any:
                return ir.Constant(I64, n)

            def element(array: Any, *index: Any) -> Any:
                return builder.gep(array, [functools.reduce(add, index)], inbounds=True)

            mask = [vec.below(builder.sub(left, number(v * lanes))) if masks else None for v in range(vectors)]
            reads = mask if "in" in masks else [None] * vectors
            writes = mask if "out" in masks else [None] * vectors
            sources = [element(x, builder.load(element(at, i, number(p))), xoff) for p in range(rows)]
            targets = [builder.load(element(to, i, number(p))) for p in range(rows)]
            sums = {}
            for p in range(rows):
                for v in range(vectors):
                    sums[p, v] = cgutils.alloca_once(builder, vec.type)
                    start = vec.load(element(init, ioff, mul(keep, targets[p]), number(v * lanes)), writes[v])
                    builder.store(start, sums[p, v])
            with cgutils.for_range(builder, terms, intp=I64) as outer:
                dx, dw = builder.load(element(xo, outer.index)), builder.load(element(wo, outer.index))
                dw = add(woff, dw)
                with cgutils.for_range(builder, inner, intp=I64) as loop:
                    xi, wi = add(dx, mul(loop.index, xk)), add(dw, mul(loop.index, wk))
                    factors = [vec.load(element(w, wi, number(v * lanes)), reads[v]) for v in range(vectors)]
                    for p in range(rows):
                        here = element(sources[p], xi)
                        one = (
                            vec.spread(builder.load(here, align=vec.size), vec.real)
                            if spreads
                            else vec.load(here, reads[0])
                        )
                        for v in range(vectors):
                            product = builder.fmul(one, factors[v], flags=("contract",))
                            total = builder.fadd(builder.load(sums[p, v]), product, flags=("contract",))
                            builder.store(total, sums[p, v])
            for p in range(rows):
                for v in range(vectors):
                    where = element(out, targets[p], ooff, number(v * lanes))
                    vec.store(builder.load(sums[p, v]), where, writes[v])
            return context.get_dummy_value()

        return types.void(*(t if isinstance(t, types.Array) else types.int64 for t in given)), code

    return tile


# ---- the loops around the tile; `tile`, `ROWS` and `WIDTH` are put in by `build` ------------------------------------------


@intrinsic  # type: ignore[misc]
def move(typing, x, i, out, o, count):  # type: ignore[no-untyped-def]
    """``count`` elements of x from i into out from o on, as memory."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, i, out, o, count = args
        source, target = (
            builder.gep(context.make_array(signature.args[n])(context, builder, a).data, [at], inbounds=True)
            for n, a, at in ((0, x, i), (2, out, o))
        )
        size = context.get_abi_sizeof(context.get_value_type(signature.args[0].dtype))
        cgutils.raw_memcpy(builder, target, source, count, size)
        return context.get_dummy_value()

    return types.void(x, types.int64, out, types.int64, types.int64), code


@intrinsic  # type: ignore[misc]
def clear(typing, out, o, count):  # type: ignore[no-untyped-def]
    """``count`` zeros."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        out, o, count = args
        target = builder.gep(context.make_array(signature.args[0])(context, builder, out).data, [o], inbounds=True)
        size = context.get_abi_sizeof(context.get_value_type(signature.args[0].dtype))
        cgutils.memset(builder, target, builder.mul(count, ir.Constant(I64, size)), 0)
        return context.get_dummy_value()

    return types.void(out, types.int64, types.int64), code


@numba.njit(error_model="numpy", nogil=True)
def pad(x, start, out, images, xn, sizes, strides, low, padded, c):  # type: ignore[no-untyped-def]
    """``images`` images of x with zeros around them, channels last, into ``out``."""
    line = padded[2] * c
    first = min(max(low[2], 0), padded[2])
    last = max(min(padded[2], sizes[2] + low[2]), first)
    o = 0
    for n in range(images):
        for d in range(padded[0]):
            sd = d - low[0]
            for h in range(padded[1]):
                sh = h - low[1]
                if sd < 0 or sd >= sizes[0] or sh < 0 or sh >= sizes[1]:
                    clear(out, o, line)  # type: ignore[call-arg]
                    o += line
                    continue
                row = start + n * xn + sd * strides[0] + sh * strides[1] + (first - low[2]) * strides[2]
                at = o + first * c
                clear(out, o, first * c)  # type: ignore[call-arg]
                if strides[3] == 1:
                    move(x, row, out, at, (last - first) * c)  # type: ignore[call-arg]
                else:
                    for i in range(c):
                        for w in range(last - first):
                            out[U(at + w * c + i)] = x[U(row + w * strides[2] + i * strides[3])]
                clear(out, o + last * c, line - last * c)  # type: ignore[call-arg]
                o += line


@numba.njit(error_model="numpy", nogil=True)
def pack(w, wt, steps, packed, groups, outs, each, width):  # type: ignore[no-untyped-def]
    """Filters as (groups, blocks of ``width`` outputs, taps, channels, width), filled up with zeros."""
    taps, blocks, step = len(wt), (outs + width - 1) // width, steps[1]
    for g in range(groups):
        for b in range(blocks):
            base = (g * blocks + b) * taps * each * width
            count = min(width, outs - b * width)
            start = g * steps[0] + b * width * step
            for c in range(each):
                for t in range(taps):
                    at, source = base + (t * each + c) * width, start + c * steps[2] + wt[t]
                    for o in range(count):
                        packed[U(at + o)] = w[U(source + o * step)]
                    for o in range(count, width):
                        packed[U(at + o)] = 0


def forward(x, w, init, out, work, packed, at, to, meet, xo, wo, wt, steps, p, sizes, strides, low, padded):  # type: ignore[no-untyped-def]
    """Patches times filters: rows are positions, the sum runs over taps and channels."""
    blocks_n, images, xn, pads, on, c, groups, outs, each, inner = p
    pack(w, wt, steps, packed, groups, outs, each, WIDTH)
    blocks = (outs + WIDTH - 1) // WIDTH
    for n in range(blocks_n):
        source, start = (work, 0) if pads else (x, n * images * xn)
        if pads:
            pad(x, n * images * xn, work, images, xn, sizes, strides, low, padded, c)
        for g in range(groups):
            for b in range(blocks):
                first = g * outs + b * WIDTH
                filters = (g * blocks + b) * len(wt) * each * WIDTH
                for i in range(0, len(at), ROWS):
                    t, end = meet[i // ROWS]
                    tile(
                        source, at, i, start + g * each, packed, filters, init, (g * blocks + b) * WIDTH, 0,
                        out, to, n * images * on + first, xo[t:], wo[t:], end - t, inner, 1, WIDTH, outs - b * WIDTH,
                    )  # fmt: skip


def scatter(g, w, out, work, packed, at, to, xo, none, wt, steps, p, sizes, low, padded):  # type: ignore[no-untyped-def]
    """The input gradient tap by tap: rows are positions of the output, each adds to the inputs that the tap met."""
    images, gn, on, crops, c, groups, outs, each = p
    pack(w, wt, steps, packed, groups, each, outs, WIDTH)
    blocks, taps = (each + WIDTH - 1) // WIDTH, len(wt)
    for n in range(images):
        target, start = (work, 0) if crops else (out, n * on)
        clear(target, start, padded[0] * padded[1] * padded[2] * c)  # type: ignore[call-arg]
        for k in range(groups):
            for b in range(blocks):
                for t in range(taps):
                    filters = ((k * blocks + b) * taps + t) * outs * WIDTH
                    first = start + xo[t] + k * each + b * WIDTH
                    for i in range(0, len(at), ROWS):
                        tile(
                            g, at, i, n * gn + k * outs, packed, filters, target, first, 1,
                            target, to, first, none, none, 1, outs, 1, WIDTH, each - b * WIDTH,
                        )  # fmt: skip
        if crops:
            o = n * on
            for d in range(sizes[0]):
                for h in range(sizes[1]):
                    line = (((d + low[0]) * padded[1] + h + low[1]) * padded[2] + low[2]) * c
                    move(work, line, out, o, sizes[2] * c)  # type: ignore[call-arg]
                    o += sizes[2] * c


def weight_grad(x, g, total, out, work, at, to, xo, wo, wt, steps, p, sizes, strides, low, padded):  # type: ignore[no-untyped-def]
    """Patches, transposed, times the output's gradient: rows are taps and channels, the sum runs over positions."""
    blocks_n, images, xn, pads, gn, c, groups, outs, each, inner, xk, rows, span = p
    blocks, terms, taps = (outs + WIDTH - 1) // WIDTH, len(xo), len(wt)
    total[:] = 0
    for n in range(blocks_n):
        source, start = (work, 0) if pads else (x, n * images * xn)
        if pads:
            pad(x, n * images * xn, work, images, xn, sizes, strides, low, padded, c)
        for begin in range(0, terms, span):  # as many rows of positions as the cache holds
            some = min(span, terms - begin)
            for k in range(groups):
                for b in range(blocks):
                    base = (k * blocks + b) * rows * WIDTH
                    for i in range(0, rows, ROWS):
                        tile(
                            source, at, i, start + k * each, g, n * images * gn + k * outs + b * WIDTH, total, base, 1,
                            total, to, base, xo[begin:], wo[begin:], some, inner, xk, groups * outs, outs - b * WIDTH,
                        )  # fmt: skip
    for k in range(groups):
        for b in range(blocks):
            base = (k * blocks + b) * rows * WIDTH
            for o in range(min(WIDTH, outs - b * WIDTH)):
                to_w = k * steps[0] + (b * WIDTH + o) * steps[1]
                for i in range(each):
                    for t in range(taps):
                        out[U(to_w + i * steps[2] + wt[t])] = total[U(base + (t * each + i) * WIDTH + o)]


def depthwise(x, w, init, out, work, packed, at, to, meet, xo, wo, wt, p, sizes, strides, low, padded):  # type: ignore[no-untyped-def]
    """One filter per channel: rows are positions, vectors run along the channels."""
    blocks_n, images, xn, pads, on, c, wc = p
    taps = len(wt)
    for i in range(c):
        for t in range(taps):
            packed[U(t * c + i)] = w[U(i * wc + wt[t])]
    for n in range(blocks_n):
        source, start = (work, 0) if pads else (x, n * images * xn)
        if pads:
            pad(x, n * images * xn, work, images, xn, sizes, strides, low, padded, c)
        for i in range(0, len(at), ROWS):
            t, end = meet[i // ROWS]
            for b in range(0, c, WIDTH):
                tile(
                    source, at, i, start + b, packed, b, init, b, 0,
                    out, to, n * images * on + b, xo[t:], wo[t:], end - t, 1, 1, 1, c - b,
                )  # fmt: skip


def depthwise_weight_grad(x, g, total, out, work, at, to, xo, wo, wt, p, sizes, strides, low, padded):  # type: ignore[no-untyped-def]
    """Rows are taps, the sum runs over positions, vectors along the channels."""
    blocks_n, images, xn, pads, gn, c, inner, xk, rows, wide, span = p
    terms, taps = len(xo), len(wt)
    total[:] = 0
    for n in range(blocks_n):
        source, start = (work, 0) if pads else (x, n * images * xn)
        if pads:
            pad(x, n * images * xn, work, images, xn, sizes, strides, low, padded, c)
        for begin in range(0, terms, span):
            some = min(span, terms - begin)
            for b in range(0, c, WIDTH):
                for i in range(0, rows, ROWS):
                    tile(
                        source, at, i, start + b, g, n * images * gn + b, total, b, 1,
                        total, to, b, xo[begin:], wo[begin:], some, inner, xk, c, c - b,
                    )  # fmt: skip
    for i in range(c):
        for t in range(taps):
            out[U(i * taps + wt[t])] = total[U(t * wide + i)]


ROWS = WIDTH = 0
tile: Callable = make_tile(1, 1, 1, True, "")
LOOPS = {f.__name__: f for f in (forward, scatter, weight_grad, depthwise, depthwise_weight_grad)}
MASKS = {
    "forward": "out", "scatter": "out", "weight_grad": "in", "depthwise": "inout", "depthwise_weight_grad": "inout",
}  # fmt: skip


@functools.cache
def build(kind: str, rows: int, vectors: int, lanes: int, masked: bool) -> Callable:
    """The loops with their tile, compiled at the first call for each dtype and kept on disk under a name of their own."""
    name = f"{kind}_{rows}_{vectors}_{lanes}_{int(masked)}"
    dense = not kind.startswith("depthwise")
    space = dict(globals())
    space |= {
        "ROWS": rows,
        "WIDTH": vectors * lanes,
        "tile": make_tile(rows, vectors, lanes, dense, MASKS[kind] if masked else ""),
    }
    code = LOOPS[kind].__code__.replace(co_name=name, co_qualname=name)
    function = FunctionType(code, space, name)
    try:
        return numba.njit(error_model="numpy", nogil=True, cache=True)(function)
    except RuntimeError:  # no directory to keep it in
        return numba.njit(error_model="numpy", nogil=True)(function)


def tile_shape(outs: int, itemsize: int) -> tuple[int, int, bool]:
    """Vectors per tile, lanes per vector and whether the last lanes must be masked, for ``outs`` neighbouring results."""
    lanes = registers()[0] // itemsize
    if outs <= lanes // 2:
        lanes //= 2
    vectors = 2 if outs > lanes else 1
    return vectors, lanes, outs % (vectors * lanes) != 0


def rows_for_taps(taps: int) -> int:
    """Rows of the tile of a depthwise weight gradient: as few fill-ins as possible."""
    return math.ceil(taps / math.ceil(taps / 12))
