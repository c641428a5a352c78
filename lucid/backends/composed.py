"""Kernels made of other kernels: what a backend's table lacks of the fused ops, it gets from here.

The ``*_grad`` functions serve derivative rules. On NumPy they have fused kernels; where a derivative shall itself be
differentiable, ``lucid.ops`` has the compositions below, on Tensors, so they need no rules of their own.
"""

from __future__ import annotations

import functools
import math
import operator
from types import SimpleNamespace
from typing import Any

from . import composed_ctc, composed_grid

BYTE = SimpleNamespace(name="uint8")


def cross_entropy(xp: Any, x: Any, target: Any) -> tuple:
    log_sum = xp.logsumexp(x, (1,), False)
    chosen = xp.take_along_axis(x, xp.reshape(target, (target.shape[0], 1)), 1)
    return log_sum - xp.reshape(chosen, (x.shape[0],)), log_sum


def cross_entropy_grad(xp: Any, g: Any, x: Any, log_sum: Any, target: Any) -> Any:
    p = xp.exp(x - xp.reshape(log_sum, (x.shape[0], 1)))
    where = xp.reshape(target, (x.shape[0], 1))
    p = xp.scatter_add(p, where, -xp.ones_like(xp.take_along_axis(p, where, 1)), 1)
    return p * xp.reshape(g, (x.shape[0], 1))


def softmax_grad(xp: Any, g: Any, out: Any, axis: int) -> Any:
    return out * (g - xp.sum(g * out, axis=axis, keepdims=True))


def log_softmax_grad(xp: Any, g: Any, out: Any, axis: int) -> Any:
    return g - xp.exp(out) * xp.sum(g, axis=axis, keepdims=True)


def sigmoid_grad(xp: Any, g: Any, out: Any) -> Any:
    return g * out * (1 - out)


def tanh_grad(xp: Any, g: Any, out: Any) -> Any:
    return g * (1 - out * out)


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


def softplus(xp: Any, x: Any, beta: float, threshold: float) -> Any:
    scaled = x * beta
    return xp.where(scaled > threshold, x, xp.log_sigmoid(-scaled) / -beta)


def huber(xp: Any, x: Any, delta: float) -> Any:
    near = xp.clip(x, -delta, delta)
    return near * (x - near * 0.5)


def mean_square(xp: Any, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return xp.mean(x * x, axis, keepdims)


def scale_shift(xp: Any, x: Any, scale: Any, shift: Any) -> Any:
    return x * scale + shift


def _attention_weights(xp: Any, q: Any, k: Any, mask: Any, scale: float) -> Any:
    """Softmax of the scaled and masked scores; a row that is masked throughout gets zeros, not NaN."""
    scores = xp.matmul(q, xp.matrix_transpose(k)) * scale + mask
    last = (len(scores.shape) - 1,)
    top = xp.amax(scores, last, True)
    e = xp.exp(scores - xp.where(xp.isinf(top), 0.0, top))
    total = xp.sum(e, axis=last, keepdims=True)
    return e / xp.where(total == 0, 1.0, total)


def attention(xp: Any, q: Any, k: Any, v: Any, mask: Any, scale: float) -> Any:
    return xp.matmul(_attention_weights(xp, q, k, mask, scale), v)


def attention_grad(xp: Any, g: Any, q: Any, k: Any, v: Any, mask: Any, scale: float, needs: Any) -> tuple:
    """The gradients of q, k, v and the mask (None where not needed), each still broadcast as the scores are."""
    p = _attention_weights(xp, q, k, mask, scale)
    to_v = xp.matmul(xp.matrix_transpose(p), g) if needs[2] else None
    if not (needs[0] or needs[1] or needs[3]):
        return None, None, to_v, None
    to_p = xp.matmul(g, xp.matrix_transpose(v))
    to_scores = p * (to_p - xp.sum(to_p * p, axis=(len(p.shape) - 1,), keepdims=True))
    to_q = xp.matmul(to_scores, k) * scale if needs[0] else None
    to_k = xp.matmul(xp.matrix_transpose(to_scores), q) * scale if needs[1] else None
    return to_q, to_k, to_v, to_scores if needs[3] else None


def pack_bits(xp: Any, x: Any) -> Any:
    """Eight booleans of the last axis in a byte, the first in its lowest bit."""
    last = len(x.shape) - 1
    missing = -x.shape[last] % 8
    x = xp.cast(x, BYTE)
    if missing:
        x = xp.concat(x, xp.zeros_of((*x.shape[:last], missing), x), last)
    x = xp.reshape(x, (*x.shape[:last], x.shape[last] // 8, 8))
    bits = [xp.take_slice(x, last + 1, k, k + 1) << k for k in range(8)]
    return xp.reshape(functools.reduce(operator.or_, bits), x.shape[:-1])


def unpack_bits(xp: Any, x: Any, count: int) -> Any:
    """The first ``count`` booleans of what ``pack_bits`` made."""
    last = len(x.shape) - 1
    x = xp.reshape(x, (*x.shape, 1))
    bits = xp.concat(*((x >> k) & 1 for k in range(8)), last + 1)
    return xp.take_slice(xp.reshape(bits, (*x.shape[:last], x.shape[last] * 8)), last, 0, count) == 1


def attention_dropout(xp: Any, q: Any, k: Any, v: Any, mask: Any, bits: Any, scale: float, p: float) -> Any:
    keep = xp.unpack_bits(bits, k.shape[-2])
    return xp.matmul(xp.where(keep, _attention_weights(xp, q, k, mask, scale), 0.0), v) * (1 / (1 - p))


def attention_dropout_grad(
    xp: Any, g: Any, q: Any, k: Any, v: Any, mask: Any, bits: Any, scale: float, p: float, needs: Any
) -> tuple:
    """The gradients of q, k, v and the mask where some weights were dropped and the others scaled by 1 / (1 - p)."""
    keep = xp.unpack_bits(bits, k.shape[-2])
    weights = _attention_weights(xp, q, k, mask, scale)
    g = g * (1 / (1 - p))
    to_v = xp.matmul(xp.matrix_transpose(xp.where(keep, weights, 0.0)), g) if needs[2] else None
    if not (needs[0] or needs[1] or needs[3]):
        return None, None, to_v, None
    to_weights = xp.where(keep, xp.matmul(g, xp.matrix_transpose(v)), 0.0)
    dot = xp.sum(to_weights * weights, axis=(len(weights.shape) - 1,), keepdims=True)
    to_scores = weights * (to_weights - dot)
    to_q = xp.matmul(to_scores, k) * scale if needs[0] else None
    to_k = xp.matmul(xp.matrix_transpose(to_scores), q) * scale if needs[1] else None
    return to_q, to_k, to_v, to_scores if needs[3] else None


def _parts(xp: Any, x: Any, count: int) -> list:
    size = x.shape[1] // count
    return [xp.take_slice(x, 1, i * size, (i + 1) * size) for i in range(count)]


def lstm_cell(xp: Any, gates: Any, c: Any) -> tuple:
    i, f, n, o = _parts(xp, gates, 4)
    i, f, n, o = xp.sigmoid(i), xp.sigmoid(f), xp.tanh(n), xp.sigmoid(o)
    new = f * c + i * n
    return o * xp.tanh(new), new, xp.concat(i, f, n, o, 1)


def _step_of(xp: Any, x: Any, t: int) -> Any:
    return xp.reshape(xp.take_slice(x, 0, t, t + 1), tuple(x.shape[1:]))


def _steps(xp: Any, steps: list, reverse: bool) -> Any:
    """The results of all steps, in the order of time."""
    return xp.concat(*(xp.reshape(x, (1, *x.shape)) for x in (steps[::-1] if reverse else steps)), 0)


def lstm_sequence(xp: Any, x: Any, h: Any, c: Any, w: Any, reverse: bool) -> tuple:
    turned, steps = xp.matrix_transpose(w), []
    for t in range(x.shape[0])[:: -1 if reverse else 1]:
        h, c, active = xp.lstm_cell(_step_of(xp, x, t) + xp.matmul(h, turned), c)
        steps.append((h, c, active))
    return tuple(_steps(xp, list(each), reverse) for each in zip(*steps, strict=True))


def lstm_sequence_grad(
    xp: Any,
    to_hs: Any,
    to_cs: Any,
    to_active: Any,
    h: Any,
    c: Any,
    w: Any,
    hs: Any,
    cs: Any,
    active: Any,
    reverse: bool,
) -> tuple:
    """The gradients of the gates, of the first states and of the weight; those of outputs may be None."""
    order, made = list(range(hs.shape[0])[:: 1 if reverse else -1]), []
    dh = dc = None
    for k, t in enumerate(order):
        last = k == len(order) - 1
        before = c if last else _step_of(xp, cs, order[k + 1])
        to_h, to_c, d = (None if g is None else _step_of(xp, g, t) for g in (to_hs, to_cs, to_active))
        dh, dc = _plus(dh, to_h), _plus(dc, to_c)
        i, f, n, o = _parts(xp, _step_of(xp, active, t), 4)
        new = xp.tanh(_step_of(xp, cs, t))
        dh = xp.zeros_like(new) if dh is None else dh
        dc = _plus(dc, dh * o * (1 - new * new))
        d = _plus(xp.concat(dc * n, dc * before, dc * i, dh * new, 1), d)
        d = d * xp.concat(i * (1 - i), f * (1 - f), 1 - n * n, o * (1 - o), 1)
        made.append(d)
        dh, dc = xp.matmul(d, w), dc * f
    to_x = _steps(xp, made, not reverse)
    first = xp.reshape(h, (1, *h.shape))
    n = hs.shape[0]
    parts = (xp.take_slice(hs, 0, 1, n), first) if reverse else (first, xp.take_slice(hs, 0, 0, n - 1))
    flat = xp.reshape(to_x, (-1, to_x.shape[2]))
    to_w = xp.matmul(xp.matrix_transpose(flat), xp.reshape(xp.concat(*parts, 0), (-1, h.shape[1])))
    return to_x, dh, dc, to_w


def _plus(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else a + b


def gru_cell(xp: Any, x: Any, h_gates: Any, h: Any) -> tuple:
    (xr, xu, xn), (hr, hu, hn) = _parts(xp, x, 3), _parts(xp, h_gates, 3)
    r, u = xp.sigmoid(xr + hr), xp.sigmoid(xu + hu)
    n = xp.tanh(xn + r * hn)
    return n + u * (h - n), xp.concat(r, u, n, 1)


def normalize(xp: Any, x: Any, w: Any, b: Any, axis: Any, eps: float) -> tuple:
    hat, mean, var = xp.standardize(x, axis, eps)
    return hat * w + b, mean, var


def nan_to_num(xp: Any, x: Any, nan: float, posinf: float, neginf: float) -> Any:
    x = xp.where(xp.isnan(x), nan, x)
    return xp.where(x == math.inf, posinf, xp.where(x == -math.inf, neginf, x))


def cross(xp: Any, x: Any, y: Any, axis: int) -> Any:
    def turned(v: Any, by: int) -> Any:
        return xp.roll(v, (by,), (axis,))

    return turned(x, -1) * turned(y, -2) - turned(x, -2) * turned(y, -1)


def extend(xp: Any, x: Any, pads: tuple, mode: str) -> Any:
    """The last dimensions longer by (before, after) of each: "reflect", "replicate" or "circular"."""
    for d, (before, after) in enumerate(pads, len(x.shape) - len(pads)):
        n, parts = x.shape[d], [x]
        for size, (start, stop), place in _edges(n, before, after, mode):
            edge = xp.take_slice(x, d, start, stop)
            if mode == "replicate":
                edge = xp.broadcast_to(edge, (*x.shape[:d], size, *x.shape[d + 1 :]))
            parts.insert(place, xp.flip(edge, (d,)) if mode == "reflect" else edge)
        x = xp.concat(*parts, d) if len(parts) > 1 else x
    return x


def extend_grad(xp: Any, g: Any, pads: tuple, mode: str) -> Any:
    """The transpose of ``extend``: what was added goes back to where it came from."""
    for d, (before, after) in enumerate(pads, len(g.shape) - len(pads)):
        n, whole = g.shape[d] - before - after, g
        g = xp.take_slice(whole, d, before, before + n)
        for size, (start, stop), place in _edges(n, before, after, mode):
            edge = xp.take_slice(whole, d, before + n, before + n + size) if place else xp.take_slice(whole, d, 0, size)
            if mode == "replicate":
                edge = xp.sum(edge, axis=(d,), keepdims=True)
            parts = [xp.flip(edge, (d,)) if mode == "reflect" else edge]
            for k, width in ((0, start), (2, n - stop)):
                if width:
                    parts.insert(k, xp.zeros_of((*g.shape[:d], width, *g.shape[d + 1 :]), g))
            g = g + (xp.concat(*parts, d) if len(parts) > 1 else parts[0])
    return g


def _edges(n: int, before: int, after: int, mode: str) -> list[tuple[int, tuple[int, int], int]]:
    """Of both ends: how many are added, where they come from, and 0 for the left end or 2 for the right."""
    sources = {
        "reflect": ((1, before + 1), (n - 1 - after, n - 1)),
        "replicate": ((0, 1), (n - 1, n)),
        "circular": ((n - before, n), (0, after)),
    }[mode]
    return [(size, s, k) for size, s, k in zip((before, after), sources, (0, 2), strict=True) if size]


def rms_normalize(xp: Any, x: Any, w: Any, axis: Any, eps: float) -> Any:
    return x * xp.rsqrt(xp.mean(x * x, axis, True) + eps) * w


def module_boundary(xp: Any, *arrays: Any) -> tuple:
    return arrays


# ---- derivatives ----


def normalize_grad(xp: Any, g: Any, x: Any, w: Any, mean: Any, scale: Any, axis: Any) -> tuple:
    """Of ``(x - mean) * scale * w + b``: the gradients of x, w and b; w has the input's shape at its end, or 1s."""
    hat = (x - mean) * scale
    shape = tuple(w.shape)
    return xp.standardize_grad(g * w, hat, scale, axis), _summed(xp, g * hat, shape), _summed(xp, g, shape)


def _summed(xp: Any, g: Any, shape: tuple) -> Any:
    """Sum over the axes along which ``shape`` was broadcast."""
    lead = len(g.shape) - len(shape)
    axes = tuple(range(lead)) + tuple(i + lead for i, n in enumerate(shape) if n == 1 and g.shape[i + lead] != 1)
    return xp.reshape(xp.sum(g, axis=axes, keepdims=True), shape) if axes else g


def rms_normalize_grad(xp: Any, g: Any, x: Any, w: Any, axis: Any, eps: float) -> tuple:
    """Of ``x / sqrt(mean(x^2) + eps) * w``: the gradients of x and w."""
    scale = xp.rsqrt(xp.mean(x * x, axis=axis, keepdims=True) + eps)
    hat, to_hat = x * scale, g * w
    to_x = scale * (to_hat - hat * xp.mean(to_hat * hat, axis=axis, keepdims=True))
    return to_x, _summed(xp, g * hat, tuple(w.shape))


def leaky_relu_grad(xp: Any, g: Any, x: Any, slope: float) -> Any:
    return xp.where(x > 0, g, g * slope)


def elu_grad(xp: Any, g: Any, x: Any, alpha: float, scale: float, input_scale: float) -> Any:
    below = xp.exp(xp.where(x >= 0, 0.0, x) * input_scale) * (alpha * scale * input_scale)
    return g * xp.where(x > 0, scale, below)


def smooth_l1(xp: Any, x: Any, y: Any, delta: float) -> Any:
    return xp.huber(x - y, delta)


def smooth_l1_grad(xp: Any, g: Any, x: Any, y: Any, delta: float) -> Any:
    """The gradient of x; that of y is its negative."""
    return g * xp.clip(x - y, -delta, delta)


def binary_cross_entropy_logits(xp: Any, x: Any, y: Any) -> Any:
    return (1 - y) * x - xp.log_sigmoid(x)


def nll_rows(xp: Any, x: Any, target: Any) -> Any:
    return -xp.reshape(xp.take_along_axis(x, xp.reshape(target, (-1, 1)), 1), (-1,))


def silu_grad(xp: Any, g: Any, x: Any) -> Any:
    s = xp.sigmoid(x)
    return g * (s * (1 + x * (1 - s)))


def gelu_grad(xp: Any, g: Any, x: Any, approximate: str) -> Any:
    """Of ``x * cdf(x)``: ``cdf(x) + x * density(x)``; the tanh form replaces the normal's cdf by a logistic curve."""
    if approximate == "tanh":
        scale, cube = math.sqrt(2 / math.pi), 0.044715
        t = xp.tanh((x + x * x * x * cube) * scale)
        return g * (0.5 * (1 + t) + x * (1 - t * t) * (1 + x * x * (3 * cube)) * (0.5 * scale))
    return g * (0.5 * (1 + xp.erf(x * math.sqrt(0.5))) + x * xp.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi)))


def cumulative_sum_grad(xp: Any, g: Any, axis: int) -> Any:
    """Running sums from the end."""
    return xp.flip(xp.cumulative_sum(xp.flip(g, (axis,)), axis), (axis,)) if g.shape else xp.copy(g)


def gelu_grad_by_out(xp: Any, g: Any, x: Any, out: Any, approximate: str) -> Any:
    """NumPy's kernel takes the cdf from ``out``; elsewhere it costs nothing to compute it again."""
    return xp.gelu_grad(g, x, approximate)


def softplus_grad(xp: Any, g: Any, x: Any, beta: float, threshold: float) -> Any:
    scaled = x * beta
    return g * xp.where(scaled > threshold, 1.0, xp.sigmoid(scaled))


def hardtanh(xp: Any, x: Any, low: float, high: float) -> Any:
    return xp.where(x <= low, low, xp.where(x >= high, high, x))


def hardtanh_grad(xp: Any, g: Any, x: Any, low: float, high: float) -> Any:
    return xp.where(xp.logical_and(x > low, x < high), g, 0.0)


def hardswish(xp: Any, x: Any) -> Any:
    return x * xp.minimum(xp.maximum(x + 3, 0.0), 6.0) * (1 / 6)


def hardswish_grad(xp: Any, g: Any, x: Any) -> Any:
    return xp.where(x <= -3, 0.0, xp.where(x >= 3, g, g * (x * (1 / 3) + 0.5)))


COMPOSED = {
    name: f
    for name, f in (vars(composed_grid) | vars(composed_ctc) | globals()).items()
    if callable(f) and not name.startswith("_") and getattr(f, "__module__", "").startswith(__name__)
}

DERIVATIVES = (
    "attention_grad", "attention_dropout_grad", "ctc_alpha", "ctc_alpha_grad", "ctc_loss_grad", "cumulative_sum_grad", "elu_grad", "gelu_grad", "gelu_grad_by_out", "grid_sample_grad", "hardswish_grad", "hardtanh_grad", "leaky_relu_grad", "lstm_sequence_grad", "normalize_grad", "silu_grad", "smooth_l1_grad", "softplus_grad",
    "rms_normalize_grad",
)  # fmt: skip


def complete(table: SimpleNamespace) -> None:
    """Fill in what the table lacks."""
    for name, f in COMPOSED.items():
        if not hasattr(table, name):
            setattr(table, name, functools.partial(f, table))
