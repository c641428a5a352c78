"""Products and convolution on MLX. Gradients of a convolution come from ``mx.vjp``; MLX has the channels last."""

from __future__ import annotations

from typing import Any

import mlx.core as mx

from .mlx_dtypes import inexact


def _matmul_fits(x: Any, y: Any) -> bool:
    return inexact(x) and x.size > 0 and y.size > 0


def _linear_fits(x: Any, weight: Any, bias: Any = None) -> bool:
    return _matmul_fits(x, weight)


def _conv_fits(x: Any, w: Any, *rest: Any) -> bool:
    return x.dtype in (mx.float32, mx.float16, mx.bfloat16) and (x.ndim < 5 or rest[-1] == 1) and x.size > 0


FITS = {"matmul": _matmul_fits, "linear": _linear_fits} | dict.fromkeys(
    ("conv", "conv_bias", "conv_input_grad", "conv_weight_grad"), _conv_fits
)


def matmul(x: Any, y: Any) -> Any:
    return mx.matmul(x, y)


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    return x @ weight.T if bias is None else mx.addmm(bias, x, weight.T)


def _last(x: Any) -> Any:
    return mx.moveaxis(x, 1, -1)


def conv(x: Any, w: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    low, high = [p[0] for p in padding], [p[1] for p in padding]
    out = mx.conv_general(_last(x), _last(w), list(stride), (low, high), list(dilation), 1, groups)
    return mx.moveaxis(out, -1, 1)


def conv_bias(x: Any, w: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    out = conv(x, w, stride, padding, dilation, groups)
    return out if bias is None else out + bias.reshape(-1, *(1,) * (x.ndim - 2))


def conv_input_grad(g: Any, w: Any, sizes: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    x = mx.zeros((g.shape[0], w.shape[1] * groups, *sizes), g.dtype)
    return mx.vjp(lambda v: conv(v, w, stride, padding, dilation, groups), [x], [g])[1][0]


def conv_weight_grad(x: Any, g: Any, sizes: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    w = mx.zeros((g.shape[1], x.shape[1] // groups, *sizes), x.dtype)
    return mx.vjp(lambda v: conv(x, v, stride, padding, dilation, groups), [w], [g])[1][0]
