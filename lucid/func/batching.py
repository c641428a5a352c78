"""Batching rules: what an op does when some of its inputs have one more dimension in front.

Rules get ``(op, size, xs, flags, params)``; ``xs`` are Tensors one level down, those with a true flag have the batch in
dimension 0. Elementwise ops need no rule.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import ops
from ..core.apply import apply
from ..core.op import OPS, Op
from ..core.tensor import Tensor
from .batched import Batched, aligned, elementwise, full, move, rule, spread

# Without a derivative, and element by element all the same.
rule(
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and", "logical_or", "logical_xor",
    "logical_not", "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift",
    "bitwise_invert", "isnan", "isinf", "isfinite", "signbit", "copy", "isposinf", "isneginf", "gcd", "lcm",
    "heaviside", "nextafter", "fmax", "fmin", "module_boundary", "real", "imag", "view_as_real", "view_as_complex", "frexp_exponent",
)(elementwise)  # fmt: skip


@rule("reshape")
def _reshape(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Tensor:
    shape = tuple(params[0])
    if -1 in shape:
        known = -math.prod(shape)
        shape = tuple(math.prod(xs[0].shape[1:]) // known if n == -1 else n for n in shape)
    return ops.reshape(xs[0], (size, *shape))


@rule("permute_dims")
def _permute(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Tensor:
    n = xs[0].ndim - 1
    return ops.permute_dims(xs[0], (0, *(a % n + 1 for a in params[0])))


@rule("broadcast_to")
def _broadcast(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Tensor:
    shape = tuple(params[0])
    return ops.broadcast_to(spread(xs[0], len(shape)), (size, *shape))


@rule("count_nonzero")
def _count(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    x, (axis,) = xs[0], params
    n = x.ndim - 1
    if n == 0:
        return apply(op, [ops.reshape(x, (size, 1))], (1,))
    return apply(op, [x], (tuple(range(1, n + 1)) if axis is None else _shifted(axis, n),))


@rule("sum", "mean", "mean_square", "amax", "amin", "prod", "logsumexp", "any", "all", "argmax", "argmin")
def _reduce(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    x = xs[0]
    n = x.ndim - 1
    axis, keepdims, *rest = params
    if n == 0:  # a number per element: reduce a dimension of size 1
        one = 1 if op.name in ("argmax", "argmin") else _same_kind(axis, 1)
        return apply(op, [ops.reshape(x, (size, 1))], (one, False, *rest))
    if axis is None:
        if op.name in ("argmax", "argmin"):
            out = apply(op, [ops.reshape(x, (size, math.prod(x.shape[1:])))], (1, False, *rest))
        else:
            out = apply(op, [x], (tuple(range(1, n + 1)), False, *rest))
        return ops.reshape(out, (size, *(1,) * n)) if keepdims else out
    return apply(op, [x], (_shifted(axis, n), keepdims, *rest))


def _same_kind(axis: Any, value: int) -> Any:
    return value if isinstance(axis, int) else (value,)


def _shifted(axis: Any, n: int) -> Any:
    return axis % n + 1 if isinstance(axis, int) else tuple(a % n + 1 for a in axis)


@rule(
    "topk_indices", "kth_index", "mode_index", "softmax", "log_softmax", "cumulative_sum", "cumulative_prod", "flip", "argsort", "roll", "logcumsumexp", "cumulative_max",
    "cumulative_min", "cumulative_argmax", "cumulative_argmin", "sort", "log_cumsum_exp", "cumulative_logsumexp", "repeat_interleave",
)  # fmt: skip
def _along(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    x = xs[0]
    n = x.ndim - 1
    at = op.params.index("axis")
    axis = params[at]
    if len(xs) != 1 or axis is None:
        return NotImplemented
    if n == 0:
        if axis == ():
            return apply(op, [x], params)
        out = apply(op, [ops.reshape(x, (size, 1))], (*params[:at], _same_kind(axis, 1), *params[at + 1 :]))
        return tuple(ops.reshape(o, (size,)) for o in out) if isinstance(out, tuple) else ops.reshape(out, (size,))
    return apply(op, [x], (*params[:at], _shifted(axis, n), *params[at + 1 :]))


@rule("var", "standardize", "standardize_grad", "diagonal", "diagonal_place", "diagonal_put")
def _shifted_axes(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    """Every input has the batch in front, and all axes move by one."""
    everything = [full(x, f, size) for x, f in zip(xs, flags, strict=True)]
    named = dict(zip(op.params, params, strict=True))
    n = len(named["shape"]) if "shape" in named else everything[0].ndim - 1
    if op.name == "diagonal_put":  # what is put may broadcast
        everything[1] = spread(everything[1], n - 1)
    if n == 0 and op.name == "var":
        everything, n = [ops.reshape(everything[0], (size, 1))], 1
        named.update(axis=(0,), keepdims=False)
    if n == 0:
        return NotImplemented
    if "axis" in named and named["axis"] is None:
        named["axis"] = tuple(range(n))
    for name in ("axis", "axis1", "axis2"):
        if name in named:
            named[name] = _shifted(named[name], n)
    if "shape" in named:
        named["shape"] = (size, *named["shape"])
    return apply(op, everything, tuple(named.values()))


@rule("extend", "extend_grad")
def _last_axes(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    return apply(op, xs, params)


@rule("vector_norm")
def _vector_norm(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    p, axis, keepdims = params
    n = xs[0].ndim - 1
    if n == 0:
        return apply(op, [ops.reshape(xs[0], (size, 1))], (p, (1,), False))
    return apply(op, xs, (p, _shifted(range(n) if axis is None else axis, n), keepdims))


@rule("normalize")
def _normalize(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    axis, eps = params
    own = flags[1] or flags[2]  # kernels take a scale and a shift of one shape
    x, scale, shift = (
        full(v, f, size) if f or own or i == 0 else v for i, (v, f) in enumerate(zip(xs, flags, strict=True))
    )
    x, scale, shift = aligned(size, [x, scale, shift], [True, own, own])
    return apply(op, [x, scale, shift], (_shifted(axis, x.ndim - 1), eps))


@rule("attention", "attention_dropout")
def _attention(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    heads = [full(x, f, size) for x, f in zip(xs[:3], flags, strict=False)]
    return apply(op, aligned(size, [*heads, *xs[3:]], [True, True, True, *flags[3:]]), params)


@rule("pack_bits", "unpack_bits")
def _last_axis(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    return apply(op, xs, params) if xs[0].ndim > 1 else NotImplemented


@rule("rms_normalize")
def _rms_normalize(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    axis, eps = params
    x, w = full(xs[0], flags[0], size), xs[1]
    axis = _shifted(axis, x.ndim - 1)
    if not flags[1]:
        return apply(op, [x, w], (axis, eps))
    plain = apply(op, [x, ops.ones_like(w[0])], (axis, eps))
    return plain * aligned(size, [x, w], [True, True])[1]


@rule("lstm_cell", "gru_cell")
def _cell(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    """Rows are independent: those of all examples are computed at once."""
    rows = [full(x, f, size) for x, f in zip(xs, flags, strict=True)]
    return tuple(_parted(out, size) for out in apply(op, [_joined(x) for x in rows], params))


@rule("fft_c2c", "fft_r2c", "fft_c2r")
def _fourier(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    axes, *rest = params
    return apply(op, xs, (tuple(a % (xs[0].ndim - 1) + 1 for a in axes), *rest))


@rule("take_along_axis", "scatter_add", "put_along_axis", "scatter_reduce")
def _along_axis(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Tensor:
    everything = [full(x, f, size) for x, f in zip(xs, flags, strict=True)]
    axis, *rest = params
    if everything[0].ndim == 1:
        flat = [ops.reshape(x, (size, max(1, math.prod(x.shape[1:])))) for x in everything]
        return ops.reshape(apply(op, flat, (1, *rest)), (size,))
    return apply(op, everything, (axis + 1, *rest))


@rule("linear_scan")
def _scan(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Tensor:
    return apply(op, [full(x, f, size) for x, f in zip(xs, flags, strict=True)], (params[0] + 1,))


@rule("unfold", "fold_windows")
def _windows(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    *shape, axis, width, step = params
    rank = len(shape[0]) if shape else xs[0].ndim - 1
    if not rank:
        return NotImplemented
    return apply(op, xs, (*((size, *s) for s in shape), axis % rank + 1, width, step))


@rule("concat")
def _concat(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Tensor:
    n = max(x.ndim - f for x, f in zip(xs, flags, strict=True))
    return apply(op, [full(x, f, size) for x, f in zip(xs, flags, strict=True)], (params[0] % n + 1,))


@rule("rope", "tril", "triu", "matrix_transpose", "inv", "pinv", "det", "cofactor", "slogdet", "cholesky", "qr", "svd", "eigh",
      "eig", "svdvals", "eigvalsh", "matrix_exp", "lu_factor", "pivot_order", "geqrf", "ldl_factor", "cholesky_ex", "inv_ex")  # fmt: skip
def _matrices(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    """Ops on the last two dimensions take any number of dimensions before them."""
    if op.name == "pinv" and any(getattr(p, "shape", ()) or isinstance(p, Batched) for p in params):
        return NotImplemented  # tolerances per matrix
    return apply(op, xs, params)


@rule("ldl_solve", "lstsq_solution")
def _solve_all(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    if op.name == "ldl_solve":  # pivots have one dimension less than matrices
        packed, pivots, right = (full(x, f, size) for x, f in zip(xs, flags, strict=True))
        rank = max(packed.ndim, right.ndim) - 1
        return apply(op, [spread(packed, rank), spread(pivots, rank - 1), spread(right, rank)], params)
    return apply(op, aligned(size, [full(x, f, size) for x, f in zip(xs, flags, strict=True)], [True] * 2), params)


@rule("solve", "solve_triangular")
def _solve(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    if any(x.ndim - f < 2 for x, f in zip(xs, flags, strict=True)):
        return NotImplemented
    whole = aligned(size, [full(x, f, size) for x, f in zip(xs, flags, strict=True)], [True] * len(xs))
    return apply(op, whole, params)


@rule("matmul")
def _matmul(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Tensor:
    x, y = xs
    if flags[0] and not flags[1] and x.ndim == 3 and y.ndim == 2:  # one product instead of many
        flat = ops.matmul(ops.reshape(x, (size * x.shape[1], x.shape[2])), y)
        return ops.reshape(flat, (size, x.shape[1], y.shape[1]))
    return apply(op, aligned(size, xs, flags), params)


@rule("linear")
def _linear(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Tensor:
    x = xs[0]
    if not any(flags[1:]) and x.ndim == 3:
        flat = apply(op, [ops.reshape(x, (size * x.shape[1], x.shape[2])), *xs[1:]], params)
        return ops.reshape(flat, (size, x.shape[1], flat.shape[1]))
    weight = ops.matrix_transpose(xs[1])
    out = _matmul(OPS["matmul"], size, (x, weight), flags[:2], ())
    batched = flags[0] or flags[1]
    if len(xs) == 3:
        out = elementwise(OPS["add"], size, (out, xs[2]), (batched, flags[2]), ())
        batched = batched or flags[2]
    return out if batched else full(out, False, size)


# ---- convolution and pooling: the batch joins the samples, or, where weights differ, the channels (as groups) ----


def _joined(x: Tensor) -> Tensor:
    return ops.reshape(x, (x.shape[0] * x.shape[1], *x.shape[2:]))


def _parted(x: Tensor, size: int) -> Tensor:
    return ops.reshape(x, (size, x.shape[0] // size, *x.shape[1:]))


def _in_channels(x: Tensor) -> Tensor:
    """(B, N, C, ...) as (N, B * C, ...)."""
    moved = move(x, 0, 1, 1)
    return ops.reshape(moved, (moved.shape[0], moved.shape[1] * moved.shape[2], *moved.shape[3:]))


def _out_of_channels(x: Tensor, size: int) -> Tensor:
    parted = ops.reshape(x, (x.shape[0], size, x.shape[1] // size, *x.shape[2:]))
    return move(parted, 1, 1, 0)


@rule("conv", "conv_input_grad", "conv_weight_grad", "conv_bias")
def _conv(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    if flags[0] and not any(flags[1:]) and op.name != "conv_weight_grad":
        return _parted(apply(op, [_joined(xs[0]), *xs[1:]], params), size)
    if op.name == "conv_bias":
        out = (
            _conv(OPS["conv"], size, xs[:2], flags[:2], params)
            if any(flags[:2])
            else apply(OPS["conv"], xs[:2], params)
        )
        ones = (1,) * (xs[0].ndim - flags[0] - 2)
        bias = ops.reshape(xs[2], (*xs[2].shape, *ones))
        return elementwise(OPS["add"], size, (out, bias), (any(flags[:2]), flags[2]), ())
    x, y = (full(v, f, size) for v, f in zip(xs, flags, strict=True))
    grouped = (*params[:-1], params[-1] * size)
    if op.name == "conv_weight_grad":
        return _parted(apply(op, [_in_channels(x), _in_channels(y)], grouped), size)
    return _out_of_channels(apply(op, [_in_channels(x), _joined(y)], grouped), size)


@rule("cross_entropy", "cross_entropy_grad", "nll_rows", "max_pool", "max_pool_grad", "max_pool_take", "max_pool_indices", "adaptive_max_indices", "avg_pool", "avg_pool_grad",
      "im2col", "col2im", "grid_sample")  # fmt: skip
def _pool(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    out = apply(op, [_joined(full(x, f, size)) for x, f in zip(xs, flags, strict=True)], params)
    return tuple(_parted(o, size) for o in out) if isinstance(out, tuple) else _parted(out, size)


@rule("ctc_loss")
def _ctc(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    x, *rest = (full(v, f, size) for v, f in zip(xs, flags, strict=True))
    loss, alpha = apply(op, [_in_channels(x), *map(_joined, rest)], params)
    return _parted(loss, size), _out_of_channels(alpha, size)


@rule("channel_sum")
def _channel_sum(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Tensor:
    return ops.reshape(apply(op, [_in_channels(xs[0])], params), (size, xs[0].shape[2]))
