"""Convolution on CuPy: patches as a matrix, in blocks of images, and cuBLAS; depthwise by its own kernel.

CuPy has no cuDNN since version 14; where its frontend is installed that computes instead (``cudnn_conv``). A block of images becomes a matrix of (groups, channels x taps, images x places), one
product with the filters gives (groups, filters, images x places), and one kernel turns that round and adds the bias. The
input gradient multiplies first and gathers the patches back, tap by tap, without atomics; so all of it is repeatable.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import cupy as cp

from . import cudnn_conv
from .convolution.layout import out_sizes
from .cupy_fuse import computes, elementwise
from .cupy_pool import arguments, flat, names, over_places, over_window, parameters, split, volume

WORKSPACE = 1 << 26  # elements of a block's matrix of patches: 256 MB of float32


def _blocks(images: int, each: int) -> Iterator[slice]:
    step = max(1, WORKSPACE // max(each, 1))
    for start in range(0, images, step):
        yield slice(start, min(start + step, images))


def _is_depthwise(channels: int, groups: int) -> bool:
    return groups == channels > 1


def _is_pointwise(kernel: tuple, stride: tuple, padding: tuple) -> bool:
    return all(k == 1 and s == 1 and p == (0, 0) for k, s, p in zip(kernel, stride, padding, strict=True))


# ---- patches of a block of images as (groups x channels x taps, images x places), and back ----


def _patches(x: Any, given: list[int], kernel: tuple, places: tuple) -> Any:
    nd, count = len(kernel), len(x)
    rows, columns = x.shape[1] * math.prod(kernel), count * math.prod(places)
    out = cp.empty((rows, columns), x.dtype)
    where = " ".join(f"const int x{a} = o{a} * s{a} - p{a} + t{a} * d{a};" for a in range(nd))
    inside = " && ".join(f"x{a} >= 0 && x{a} < n{a}" for a in range(nd))
    body = f"""
    long long rest = i; {split("o", "m", nd)}
    const long long image = rest % count; rest /= count; {split("t", "k", nd)}
    {where}
    y[i] = {inside} ? x[(image * channels + rest) * ({volume("n", nd)}) + {flat(names("x", nd), "n")}] : (T)0"""
    elementwise(f"patches_{nd}", f"raw T x, int64 count, int64 channels{parameters(nd)}", "raw T y", body)(
        x, count, x.shape[1], *given, out, size=out.size
    )
    return out


def _gathered(columns: Any, out: Any, given: list[int], kernel: tuple) -> None:
    """Fill ``out`` (images, channels, *sizes) with the sums of what the patches hold of each element."""
    nd, (count, channels) = len(kernel), out.shape[:2]
    tap = flat(names("t", nd), "k")
    column = f"(image * ({volume('m', nd)}) + {flat(names('o', nd), 'm')})"
    body = f"""
    long long rest = i; {split("x", "n", nd)}
    const long long channel = rest % channels, image = rest / channels;
    W total = 0;
    {over_places(nd, f"total += (W)x[(channel * ({volume('k', nd)}) + {tap}) * count * ({volume('m', nd)}) + {column}];")}
    y[i] = (T)total"""
    elementwise(
        f"gathered_{nd}", f"raw T x, int64 count, int64 channels{parameters(nd)}", "raw T y", body, computes(out.dtype)
    )(columns, count, channels, *given, out, size=out.size)


def _turned(y: Any, out: Any, bias: Any) -> None:
    """(filters, images x places) as (images, filters, places), with the bias added."""
    filters, inner = out.shape[1], math.prod(out.shape[2:])
    inputs = "raw T x, int64 count, int64 filters, int64 inner" + (", raw T b" if bias is not None else "")
    value = "(W)x[f * count * inner + i / (filters * inner) * inner + i % inner]"
    body = f"const long long f = i / inner % filters; y[i] = (T)({value}{'' if bias is None else ' + (W)b[f]'})"
    elementwise(f"turned_{int(bias is not None)}", inputs, "raw T y", body, computes(out.dtype))(
        y, len(out), filters, inner, *(() if bias is None else (bias,)), out, size=out.size
    )


def _rows_of(g: Any) -> Any:
    """(images, filters, *places) as (filters, images x places)."""
    return cp.ascontiguousarray(g.reshape(*g.shape[:2], -1).swapaxes(0, 1)).reshape(g.shape[1], -1)


# ---- the three maps ----


def conv(x: Any, w: Any, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> Any:
    return conv_bias(x, w, None, stride, padding, dilation, groups)


def conv_bias(x: Any, w: Any, bias: Any, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> Any:
    kernel, filters = w.shape[2:], w.shape[0]
    places = out_sizes(x.shape[2:], kernel, stride, padding, dilation)
    out = cp.empty((x.shape[0], filters, *places), x.dtype)
    if not out.size:
        return out
    if not x.size or not w.size:
        out[...] = 0 if bias is None else bias.reshape(-1, *(1,) * len(kernel))
        return out
    x, w = cp.ascontiguousarray(x), cp.ascontiguousarray(w)
    given = arguments(x.shape[2:], places, kernel, stride, tuple(p[0] for p in padding), dilation)
    if _is_depthwise(x.shape[1], groups):
        _depthwise(x, w, bias, out, given, len(kernel))
        return out
    if _is_pointwise(kernel, stride, padding):
        split_x = x.reshape(len(x), groups, -1, math.prod(places))
        y = cp.matmul(w.reshape(groups, filters // groups, -1), split_x).reshape(out.shape).astype(x.dtype, copy=False)
        return y if bias is None else y + bias.reshape(-1, *(1,) * len(kernel))
    if cudnn_conv.fill("conv_fprop", x, w, out, stride, padding, dilation):
        return out if bias is None else cp.add(out, bias.reshape(-1, *(1,) * len(kernel)), out)
    rows = x.shape[1] * math.prod(kernel)
    for images in _blocks(len(x), rows * math.prod(places)):
        patches = _patches(x[images], given, kernel, places)
        _turned(_product(w.reshape(filters, -1), patches, groups), out[images], bias)
    return out


def _product(a: Any, b: Any, groups: int) -> Any:
    """Group by group: (G O, K) and (G K, P) give (G O, P)."""
    if groups == 1:
        return cp.matmul(a, b).astype(a.dtype, copy=False)
    return (
        cp.matmul(a.reshape(groups, -1, a.shape[1]), b.reshape(groups, -1, b.shape[1]))
        .reshape(a.shape[0], -1)
        .astype(a.dtype, copy=False)
    )


def conv_input_grad(g: Any, w: Any, sizes: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> Any:
    kernel, channels, places = w.shape[2:], w.shape[1] * groups, g.shape[2:]
    out = cp.empty((g.shape[0], channels, *sizes), g.dtype)
    if not out.size:
        return out
    if not g.size or not w.size:
        out.fill(0)
        return out
    g, w = cp.ascontiguousarray(g), cp.ascontiguousarray(w)
    given = arguments(sizes, places, kernel, stride, tuple(p[0] for p in padding), dilation)
    if _is_depthwise(channels, groups):
        _depthwise_back(g, w, out, given, len(kernel))
        return out
    if cudnn_conv.fill("conv_dgrad", g, w, out, stride, padding, dilation):
        return out
    back = cp.ascontiguousarray(w.reshape(groups, g.shape[1] // groups, -1).swapaxes(1, 2)).reshape(
        -1, g.shape[1] // groups
    )
    for images in _blocks(len(g), len(back) * math.prod(places)):
        columns = _product(back, _rows_of(g[images]), groups)
        _gathered(columns, out[images], given, kernel)
    return out


def conv_weight_grad(x: Any, g: Any, sizes: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int) -> Any:
    filters, each, places = g.shape[1], x.shape[1] // groups, g.shape[2:]
    if not x.size or not g.size:
        return cp.zeros((filters, each, *sizes), g.dtype)
    x, g = cp.ascontiguousarray(x), cp.ascontiguousarray(g)
    given = arguments(x.shape[2:], places, sizes, stride, tuple(p[0] for p in padding), dilation)
    if _is_depthwise(x.shape[1], groups):
        return _depthwise_weights(x, g, sizes, given).reshape(filters, 1, *sizes)
    made = cp.empty((filters, each, *sizes), x.dtype)
    if cudnn_conv.fill("conv_wgrad", x, g, made, stride, padding, dilation):
        return made
    total: Any = None
    for images in _blocks(len(x), x.shape[1] * math.prod(sizes) * math.prod(places)):
        patches, rows = _patches(x[images], given, sizes, places), _rows_of(g[images])
        part = cp.matmul(
            rows.reshape(groups, filters // groups, -1), patches.reshape(groups, -1, patches.shape[1]).swapaxes(1, 2)
        )
        total = part if total is None else cp.add(total, part, total)
    return total.reshape(filters, each, *sizes).astype(x.dtype, copy=False)


# ---- depthwise: each filter sees one channel ----


def _depthwise(x: Any, w: Any, bias: Any, out: Any, given: list[int], nd: int) -> None:
    inputs = f"raw T x, raw T w, int64 filters, int64 each{parameters(nd)}" + (", raw T b" if bias is not None else "")
    tap = flat(names("t", nd), "k")
    body = f"""
    long long rest = i; {split("o", "m", nd)}
    const long long f = rest % filters, base = (rest / filters * (filters / each) + f / each) * ({volume("n", nd)});
    W total = {"(W)0" if bias is None else "(W)b[f]"};
    {over_window(nd, f"total += (W)x[base + {flat(names('x', nd), 'n')}] * (W)w[f * ({volume('k', nd)}) + {tap}];")}
    y[i] = (T)total"""
    elementwise(f"depthwise_{nd}_{int(bias is not None)}", inputs, "raw T y", body, computes(x.dtype))(
        x, w, out.shape[1], out.shape[1] // x.shape[1], *given, *(() if bias is None else (bias,)), out, size=out.size
    )


def _depthwise_back(g: Any, w: Any, out: Any, given: list[int], nd: int) -> None:
    tap, place = flat(names("t", nd), "k"), flat(names("o", nd), "m")
    body = f"""
    long long rest = i; {split("x", "n", nd)}
    const long long channel = rest % channels, image = rest / channels;
    W total = 0;
    for (long long f = channel * each; f < (channel + 1) * each; ++f) {{
        const long long base = (image * channels * each + f) * ({volume("m", nd)});
        {over_places(nd, f"total += (W)g[base + {place}] * (W)w[f * ({volume('k', nd)}) + {tap}];")}
    }}
    y[i] = (T)total"""
    elementwise(
        f"depthwise_back_{nd}",
        f"raw T g, raw T w, int64 channels, int64 each{parameters(nd)}",
        "raw T y",
        body,
        computes(g.dtype),
    )(g, w, out.shape[1], g.shape[1] // out.shape[1], *given, out, size=out.size)


def _depthwise_weights(x: Any, g: Any, kernel: tuple, given: list[int]) -> Any:
    """A sum per image in one thread each, then the sum over images."""
    nd, taps, filters = len(kernel), math.prod(kernel), g.shape[1]
    where = " ".join(
        f"const int x{a} = o{a} * s{a} - p{a} + t{a} * d{a}; if (x{a} < 0 || x{a} >= n{a}) continue;" for a in range(nd)
    )
    loops = " ".join(f"for (int o{a} = 0; o{a} < m{a}; ++o{a}) {{" for a in range(nd))
    body = f"""
    long long rest = i; {split("t", "k", nd)}
    const long long f = rest % filters, image = rest / filters;
    const long long base = (image * (filters / each) + f / each) * ({volume("n", nd)});
    const long long start = (image * filters + f) * ({volume("m", nd)});
    W total = 0;
    {loops} {where} total += (W)x[base + {flat(names("x", nd), "n")}] * (W)g[start + {flat(names("o", nd), "m")}]; {"}" * nd}
    y[i] = total"""
    kind = "float32" if computes(x.dtype) == "float" else "float64"
    part = cp.empty((len(x), filters * taps), x.dtype if x.dtype.kind in "ciu" else kind)
    elementwise(
        f"depthwise_weights_{nd}",
        f"raw T x, raw T g, int64 filters, int64 each{parameters(nd)}",
        "raw S y",
        body,
        computes(x.dtype),
    )(x, g, filters, filters // x.shape[1], *given, part, size=part.size)
    return cp.sum(part, 0).astype(x.dtype, copy=False)


def channel_sum(x: Any) -> Any:
    """Pixels first, then images: a reduction over both would use one block of threads per channel."""
    from .cupy_reduce import wide_sum

    if x.dtype.kind not in "fV":
        return cp.sum(x, (0, *range(2, x.ndim)))
    return wide_sum("sum", "T x", "(W)x", (0, *range(2, x.ndim)), x).reshape(-1).astype(x.dtype, copy=False)
