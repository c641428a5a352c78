"""Pooling and patches on CuPy: a thread per output, and gradients gathered per input, so that nothing needs atomics.

Kernels are written out for a number of spatial dimensions at a time; all sizes are arguments.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import cupy as cp
import numpy as np

from .cupy_fuse import computes, elementwise

FIELDS = ("n", "m", "k", "s", "p", "d")  # per dimension: input size, places, kernel, stride, padding, dilation


def parameters(nd: int) -> str:
    return "".join(f", int32 {f}{a}" for a in range(nd) for f in FIELDS)


def arguments(sizes: tuple, places: tuple, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple) -> list[int]:
    """The sizes as the kernels want them; ``padding`` holds what lies before the start."""
    return [int(v) for row in zip(sizes, places, kernel, stride, padding, dilation, strict=True) for v in row]


def split(name: str, field: str, nd: int, rest: str = "rest") -> str:
    """C that takes the last ``nd`` digits off a flat number: ``name0 .. name(nd-1)``, of sizes ``field0 ..``."""
    lines = [f"const int {name}{a} = {rest} % {field}{a}; {rest} /= {field}{a};" for a in range(nd - 1, -1, -1)]
    return " ".join(lines)


def volume(field: str, nd: int) -> str:
    return " * ".join(["1LL", *(f"{field}{a}" for a in range(nd))])


def flat(names: list[str], field: str) -> str:
    """The flat position of one index per dimension."""
    text = names[0]
    for a, name in enumerate(names[1:], 1):
        text = f"({text} * {field}{a} + {name})"
    return f"(long long)({text})" if len(names) == 1 else text.replace("(", "((long long)", 1)


def over_window(nd: int, body: str) -> str:
    """``body`` for each tap of the window of outputs ``o0 ..`` that lies inside: ``x0 ..`` in the input, ``t`` the tap."""
    head = "".join(
        f"for (int t{a} = 0; t{a} < k{a}; ++t{a}) {{ const int x{a} = o{a} * s{a} - p{a} + t{a} * d{a}; "
        f"if (x{a} < 0 || x{a} >= n{a}) continue;\n"
        for a in range(nd)
    )
    return head + body + "}" * nd


def over_places(nd: int, body: str) -> str:
    """``body`` for each output ``o0 ..`` whose window holds the input ``x0 ..``, with taps ``t0 ..``."""
    head = "".join(
        f"for (int t{a} = 0; t{a} < k{a}; ++t{a}) {{ const int r{a} = x{a} + p{a} - t{a} * d{a}; "
        f"if (r{a} < 0 || r{a} % s{a}) continue; const int o{a} = r{a} / s{a}; if (o{a} >= m{a}) continue;\n"
        for a in range(nd)
    )
    return head + body + "}" * nd


def names(letter: str, nd: int) -> list[str]:
    return [f"{letter}{a}" for a in range(nd)]


# ---- maxima ----


@functools.cache
def _max_kernel(nd: int) -> Any:
    """The first maximum of each window (a NaN is the largest) and where it is."""
    at = flat(names("x", nd), "n")
    body = f"""
    long long rest = i; {split("o", "m", nd)}
    const long long base = rest * ({volume("n", nd)});
    long long best = -1; T top = x[base];
    {over_window(nd, f"const long long at = {at}; const T v = x[base + at]; if (best < 0 || v > top || (v != v && top == top)) {{ top = v; best = at; }}")}
    y[i] = top; where[i] = best"""
    return elementwise(f"max_pool_{nd}", f"raw T x{parameters(nd)}", "raw T y, raw int64 where", body)


def _maxima(x: Any, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, places: tuple) -> tuple[Any, Any]:
    shape = (*x.shape[:2], *places)
    out, where = cp.empty(shape, x.dtype), cp.empty(shape, np.int64)
    if out.size:
        given = arguments(x.shape[2:], places, kernel, stride, padding, dilation)
        _max_kernel(len(kernel))(cp.ascontiguousarray(x), *given, out, where, size=out.size)
    return out, where


def max_pool(x: Any, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, places: tuple) -> Any:
    return _maxima(x, kernel, stride, padding, dilation, places)[0]


def max_pool_indices(x: Any, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, places: tuple) -> Any:
    """Where each window's maximum lies, counted in the flattened spatial dimensions."""
    return _maxima(x, kernel, stride, padding, dilation, places)[1]


def max_pool_grad(g: Any, x: Any, out: Any, *window: Any) -> Any:
    """Each input takes the gradients of the windows whose maximum it is."""
    kernel, stride, padding, dilation, places = window
    dx = cp.empty(x.shape, g.dtype)
    if not g.size or not dx.size:
        return cp.zeros(x.shape, g.dtype)
    where, nd = _maxima(x, *window)[1], len(kernel)
    body = f"""
    long long rest = i; {split("x", "n", nd)}
    const long long base = rest * ({volume("m", nd)}), me = {flat(names("x", nd), "n")};
    W total = 0;
    {over_places(nd, f"const long long at = base + {flat(names('o', nd), 'm')}; if (where[at] == me) total += (W)g[at];")}
    y[i] = (T)total"""
    elementwise(f"max_pool_grad_{nd}", f"raw T g, raw int64 where{parameters(nd)}", "raw T y", body, computes(g.dtype))(
        cp.ascontiguousarray(g),
        where,
        *arguments(x.shape[2:], places, kernel, stride, padding, dilation),
        dx,
        size=dx.size,
    )
    return dx


def max_pool_take(v: Any, x: Any, out: Any, *window: Any) -> Any:
    where = _maxima(x, *window)[1]
    taken = cp.empty(out.shape, v.dtype)
    if taken.size:
        inner = math.prod(window[-1])
        elementwise(
            "max_pool_take", "raw T v, int64 w, int64 inner, int64 whole", "T y", "y = v[i / inner * whole + w]"
        )(cp.ascontiguousarray(v), where, inner, math.prod(x.shape[2:]), taken)
    return taken


def adaptive_max_indices(x: Any, starts: tuple, stops: tuple) -> Any:
    """The same for windows given by where they start and stop: per dimension, a tuple of ints or an (N, C, places) array."""
    n, c = x.shape[:2]
    nd = x.ndim - 2
    begin, end = ([_edges(a, n * c) for a in edges] for edges in (starts, stops))
    places = tuple(a.shape[-1] for a in begin)
    out = cp.empty((n, c, *places), np.int64)
    if not out.size:
        return out
    inputs = "".join(f", raw int64 b{a}, raw int64 e{a}, int32 n{a}, int32 m{a}, int64 j{a}" for a in range(nd))
    loops = "".join(
        f"for (long long x{a} = b{a}[rest * j{a} + o{a}]; x{a} < e{a}[rest * j{a} + o{a}]; ++x{a}) {{\n"
        for a in range(nd)
    )
    at = flat(names("x", nd), "n")
    body = f"""
    long long rest = i; {split("o", "m", nd)}
    const long long base = rest * ({volume("n", nd)});
    long long best = -1; T top = x[base];
    {loops} const long long at = {at}; const T v = x[base + at];
    if (best < 0 || v > top || (v != v && top == top)) {{ top = v; best = at; }} {"}" * nd}
    y[i] = best < 0 ? 0 : best"""
    given: list[Any] = []
    for a in range(nd):  # the step from one (N, C) to the next is 0 where all share the windows
        given += [begin[a], end[a], x.shape[2 + a], places[a], places[a] if begin[a].ndim == 2 else 0]
    elementwise(f"adaptive_max_{nd}", f"raw T x{inputs}", "raw int64 y", body)(
        cp.ascontiguousarray(x), *given, out, size=out.size
    )
    return out


def _edges(edges: Any, rows: int) -> Any:
    if isinstance(edges, cp.ndarray) and edges.ndim > 1:
        return cp.ascontiguousarray(cp.broadcast_to(edges, (*edges.shape[:-1], edges.shape[-1])).reshape(rows, -1))
    return edges if isinstance(edges, cp.ndarray) else _on_device(tuple(int(v) for v in edges))


@functools.lru_cache(256)
def _on_device(values: tuple) -> Any:
    return cp.asarray(np.array(values, np.int64))


# ---- averages ----


def _inverse(nd: int, include: bool, fixed: bool) -> str:
    """C for what a window's sum is multiplied with: 1 / how many of its elements count."""
    if fixed:
        return "const W share = (W)1 / (W)divisor;"
    lines = []
    for a in range(nd):
        lines.append(f"const int from{a} = o{a} * s{a} - p{a}; const int to{a} = min(from{a} + k{a}, n{a} + p{a});")
        counted = f"to{a} - from{a}" if include else f"min(to{a}, n{a}) - max(from{a}, 0)"
        lines.append(f"const int c{a} = {counted};")
    return " ".join(lines) + f" const W share = (W)1 / (W)({volume('c', nd)});"


def _average(name: str, x: Any, out: Any, body: str, given: list[int], divisor: Any) -> Any:
    nd = len(given) // len(FIELDS)
    if out.size:
        elementwise(name, f"raw T x, float64 divisor{parameters(nd)}", "raw T y", body, computes(x.dtype))(
            cp.ascontiguousarray(x), float(divisor or 1), *given, out, size=out.size
        )
    return out


def avg_pool(
    x: Any, kernel: tuple, stride: tuple, padding: tuple, places: tuple, include: bool, divisor: int | None
) -> Any:
    nd, fixed = len(kernel), divisor is not None
    body = f"""
    long long rest = i; {split("o", "m", nd)}
    const long long base = rest * ({volume("n", nd)});
    {_inverse(nd, include, fixed)}
    W total = 0;
    {over_window(nd, f"total += (W)x[base + {flat(names('x', nd), 'n')}];")}
    y[i] = (T)(total * share)"""
    out = cp.empty((*x.shape[:2], *places), x.dtype)
    given = arguments(x.shape[2:], places, kernel, stride, padding, (1,) * nd)
    return _average(f"avg_pool_{nd}_{int(include)}_{int(fixed)}", x, out, body, given, divisor)


def avg_pool_grad(
    g: Any, sizes: tuple, kernel: tuple, stride: tuple, padding: tuple, places: tuple, include: bool, divisor: int | None
) -> Any:  # fmt: skip
    nd, fixed = len(kernel), divisor is not None
    body = f"""
    long long rest = i; {split("x", "n", nd)}
    const long long base = rest * ({volume("m", nd)});
    W total = 0;
    {over_places(nd, f"{_inverse(nd, include, fixed)} total += (W)x[base + {flat(names('o', nd), 'm')}] * share;")}
    y[i] = (T)total"""
    out = cp.empty((*g.shape[:2], *sizes), g.dtype)
    given = arguments(sizes, places, kernel, stride, padding, (1,) * nd)
    return _average(f"avg_pool_grad_{nd}_{int(include)}_{int(fixed)}", g, out, body, given, divisor)


# ---- patches ----


def im2col(x: Any, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, places: tuple) -> Any:
    nd = len(kernel)
    out = cp.empty((x.shape[0], x.shape[1] * math.prod(kernel), math.prod(places)), x.dtype)
    if out.size:
        inside = " && ".join(f"x{a} >= 0 && x{a} < n{a}" for a in range(nd))
        where = " ".join(f"const int x{a} = o{a} * s{a} - p{a} + t{a} * d{a};" for a in range(nd))
        body = f"""
        long long rest = i; {split("o", "m", nd)} {split("t", "k", nd)}
        {where}
        y[i] = {inside} ? x[rest * ({volume("n", nd)}) + {flat(names("x", nd), "n")}] : (T)0"""
        elementwise(f"im2col_{nd}", f"raw T x{parameters(nd)}", "raw T y", body)(
            cp.ascontiguousarray(x),
            *arguments(x.shape[2:], places, kernel, stride, padding, dilation),
            out,
            size=out.size,
        )
    return out


def col2im(x: Any, sizes: tuple, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, places: tuple) -> Any:
    nd, taps = len(kernel), math.prod(kernel)
    out = cp.empty((x.shape[0], x.shape[1] // taps, *sizes), x.dtype)
    if out.size:
        tap = flat(names("t", nd), "k")
        body = f"""
        long long rest = i; {split("x", "n", nd)}
        const long long base = rest * ({volume("k", nd)});
        W total = 0;
        {over_places(nd, f"total += (W)x[(base + {tap}) * ({volume('m', nd)}) + {flat(names('o', nd), 'm')}];")}
        y[i] = (T)total"""
        elementwise(f"col2im_{nd}", f"raw T x{parameters(nd)}", "raw T y", body, computes(x.dtype))(
            cp.ascontiguousarray(x), *arguments(sizes, places, kernel, stride, padding, dilation), out, size=out.size
        )
    return out
