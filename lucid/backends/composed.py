"""Kernels made of other kernels: what a backend's table lacks of the fused ops, it gets from here."""

from __future__ import annotations

import functools
import math
from types import SimpleNamespace
from typing import Any


def cross_entropy(xp: Any, x: Any, target: Any) -> tuple:
    log_sum = xp.logsumexp(x, (1,), False)
    chosen = xp.take_along_axis(x, xp.reshape(target, (target.shape[0], 1)), 1)
    return log_sum - xp.reshape(chosen, (x.shape[0],)), log_sum


def cross_entropy_grad(xp: Any, g: Any, x: Any, log_sum: Any, target: Any) -> Any:
    p = xp.exp(x - xp.reshape(log_sum, (x.shape[0], 1)))
    where = xp.reshape(target, (x.shape[0], 1))
    p = xp.scatter_add(p, where, -xp.ones_like(xp.take_along_axis(p, where, 1)), 1)
    return p * xp.reshape(g, (x.shape[0], 1))


def standardize(xp: Any, x: Any, axis: Any, eps: float) -> tuple:
    mean = xp.mean(x, axis, True)
    centred = x - mean
    var = xp.mean(centred * centred, axis, True)
    return centred * xp.rsqrt(var + eps), mean, var


def standardize_grad(xp: Any, g: Any, hat: Any, scale: Any, axis: Any) -> Any:
    return scale * (g - xp.mean(g, axis, True) - hat * xp.mean(g * hat, axis, True))


def binary_cross_entropy(xp: Any, x: Any, y: Any) -> Any:
    return (y - 1) * xp.maximum(xp.log1p(-x), -100.0) - y * xp.maximum(xp.log(x), -100.0)


def leaky_relu(xp: Any, x: Any, slope: float) -> Any:
    return xp.where(x > 0, x, x * slope)


def elu(xp: Any, x: Any, alpha: float, scale: float, input_scale: float) -> Any:
    return xp.where(x > 0, x * scale, xp.expm1(xp.minimum(x, 0.0) * input_scale) * (alpha * scale))


def silu(xp: Any, x: Any) -> Any:
    return x * xp.sigmoid(x)


def gelu(xp: Any, x: Any, approximate: str) -> Any:
    if approximate == "tanh":
        return 0.5 * x * (1 + xp.tanh((x + x * x * x * 0.044715) * math.sqrt(2 / math.pi)))
    return 0.5 * x * (1 + xp.erf(x * math.sqrt(0.5)))


def log_sigmoid(xp: Any, x: Any) -> Any:
    return xp.minimum(x, 0.0) - xp.log1p(xp.exp(-xp.abs(x)))


def scale_shift(xp: Any, x: Any, scale: Any, shift: Any) -> Any:
    return x * scale + shift


def attention(xp: Any, q: Any, k: Any, v: Any, mask: Any, scale: float) -> Any:
    scores = xp.matmul(q, xp.matrix_transpose(k)) * scale + mask
    last = (len(scores.shape) - 1,)
    top = xp.amax(scores, last, True)
    e = xp.exp(scores - xp.where(xp.isinf(top), 0.0, top))
    total = xp.sum(e, axis=last, keepdims=True)
    return xp.matmul(e / xp.where(total == 0, 1.0, total), v)


def _parts(xp: Any, x: Any, count: int) -> list:
    size = x.shape[1] // count
    return [xp.take_slice(x, 1, i * size, (i + 1) * size) for i in range(count)]


def lstm_cell(xp: Any, gates: Any, c: Any) -> tuple:
    i, f, n, o = _parts(xp, gates, 4)
    i, f, n, o = xp.sigmoid(i), xp.sigmoid(f), xp.tanh(n), xp.sigmoid(o)
    new = f * c + i * n
    return o * xp.tanh(new), new, xp.concat(i, f, n, o, 1)


def gru_cell(xp: Any, x: Any, h_gates: Any, h: Any) -> tuple:
    (xr, xu, xn), (hr, hu, hn) = _parts(xp, x, 3), _parts(xp, h_gates, 3)
    r, u = xp.sigmoid(xr + hr), xp.sigmoid(xu + hu)
    n = xp.tanh(xn + r * hn)
    return n + u * (h - n), xp.concat(r, u, n, 1)


COMPOSED = {name: f for name, f in globals().items() if callable(f) and getattr(f, "__module__", "") == __name__}


def complete(table: SimpleNamespace) -> None:
    """Fill in what the table lacks."""
    for name, f in COMPOSED.items():
        if not hasattr(table, name):
            setattr(table, name, functools.partial(f, table))
