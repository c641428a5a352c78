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
from ..core.tensor import Tensor, wrap
from .batched import Batched, aligned, elementwise, full, rule, spread

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
    "cumulative_min", "sort", "log_cumsum_exp", "cumulative_logsumexp",
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
    if n == 0 or ("axis" in named and named["axis"] is None):
        return NotImplemented
    for name in ("axis", "axis1", "axis2"):
        if name in named:
            named[name] = _shifted(named[name], n)
    if "shape" in named:
        named["shape"] = (size, *named["shape"])
    return apply(op, everything, tuple(named.values()))


@rule("vector_norm")
def _vector_norm(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    p, axis, keepdims = params
    n = xs[0].ndim - 1
    if n == 0:
        return NotImplemented
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


@rule("take_along_axis", "scatter_add", "put_along_axis")
def _along_axis(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Tensor:
    everything = [full(x, f, size) for x, f in zip(xs, flags, strict=True)]
    if everything[0].ndim == 1:
        return ops.reshape(
            apply(op, [ops.reshape(x, (size, max(1, math.prod(x.shape[1:])))) for x in everything], (1,)), (size,)
        )
    return apply(op, everything, (params[0] + 1,))


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


# ---- slices and index arrays ----

FULL = slice(None)


@rule("getitem")
def _getitem(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Tensor:
    return ops.getitem(xs[0], (FULL, *params[0]))


@rule("place")
def _place(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Tensor:
    return apply(op, xs, ((size, *params[0]), (FULL, *params[1])))


@rule("setitem")
def _setitem(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Tensor:
    (x, new), (index,) = xs, params
    x = full(x, flags[0], size)
    rank = x.ndim - 1 - sum(isinstance(k, int) for k in index) + sum(k is None for k in index)
    return ops.setitem(x, spread(new, rank) if flags[1] else new, (FULL, *index))


def _layout(index: tuple) -> tuple[int, bool, int] | None:
    """Where the index arrays begin, whether they stand together, and the rank of their broadcast shape."""
    where = [i for i, k in enumerate(index) if not isinstance(k, slice)]
    if any(_dtype_name(index[i]) in ("bool", "uint8") for i in where):
        return None
    together = where[-1] - where[0] + 1 == len(where)
    return where[0], together, max(len(index[i].shape) for i in where)


def _dtype_name(k: Any) -> str:
    return getattr(k.dtype, "name", str(k.dtype))


def _move(x: Tensor, source: int, count: int, target: int) -> Tensor:
    """Move ``count`` dimensions that start at ``source`` so that they start at ``target``."""
    rest = [i for i in range(x.ndim) if not source <= i < source + count]
    order = (*rest[:target], *range(source, source + count), *rest[target:])
    return ops.permute_dims(x, order) if order != tuple(range(x.ndim)) else x


def _own_indices(index: tuple, size: int, rank: int) -> tuple[Any, ...]:
    """Index arrays with the batch in front (raw), ones after it up to ``rank``; slices as they are."""
    found: list[Any] = []
    for k in index:
        if isinstance(k, slice):
            found.append(k)
        else:
            t, flag = (k.inner, k.batched) if isinstance(k, Batched) else (wrap(k), False)
            found.append((spread(t, rank) if flag else t).value)
    return tuple(found)


def _rows(index: tuple, size: int, rank: int) -> Any:
    """0 .. size-1 along the batch, as a raw array on the device of the index."""
    like = next(k for k in index if not isinstance(k, slice))
    t = like.inner if isinstance(like, Batched) else wrap(like)
    from ..functions.creation import arange

    return ops.reshape(arange(size, device=t.device), (size, *(1,) * rank)).value


@rule("index")
def _index(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Tensor:
    (x,), (index,) = xs, params
    found = _layout(index)
    if found is None:
        return NotImplemented  # type: ignore[return-value]
    start, together, rank = found
    varies = any(isinstance(k, Batched) and k.batched for k in index)
    own = _own_indices(index, size, rank)
    if not varies:
        out = _apply_index(op, x, (FULL, *own))
        return out if together else _move(out, rank, 1, 0)
    if not flags[0]:
        out = _apply_index(op, x, own)  # the batch stands with the index dimensions
        return _move(out, start, 1, 0) if together else out
    out = _apply_index(op, x, (_rows(index, size, rank), *own))
    if together and start > 0:  # the slice in between sent the index dimensions to the front
        return _move(out, 1, rank, 1 + start)
    return out


def _apply_index(op: Op, x: Tensor, index: tuple, *more: Any) -> Tensor:
    from ..core.transform import lifted_to_indices

    return apply(op, [lifted_to_indices(x, index)], (*more, index))


@rule("place_add")
def _place_add(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Tensor:
    (g,), (shape, index) = xs, params
    found = _layout(index)
    if found is None:
        return NotImplemented  # type: ignore[return-value]
    start, together, rank = found
    own = _own_indices(index, size, rank)
    g = full(g, flags[0], size)
    if not any(isinstance(k, Batched) and k.batched for k in index):
        return _apply_index(op, g if together else _move(g, 0, 1, rank), (FULL, *own), (size, *shape))
    if together and start > 0:
        g = _move(g, 1 + start, rank, 1)
    return _apply_index(op, g, (_rows(index, size, rank), *own), (size, *shape))


@rule("index_put", "index_put_add")
def _index_put(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Tensor:
    (x, value), (index,) = xs, params
    found = _layout(index)
    if found is None or not found[1]:
        return NotImplemented  # type: ignore[return-value]
    start, _, rank = found
    varies = any(isinstance(k, Batched) and k.batched for k in index)
    if varies and start > 0:
        return NotImplemented  # type: ignore[return-value]
    x = full(x, flags[0], size)
    own = _own_indices(index, size, rank)
    result_rank = x.ndim - 1 - sum(not isinstance(k, slice) for k in index) + rank
    if flags[1]:
        value = spread(value, result_rank)
    from ..core.transform import lifted_to_indices

    whole = (_rows(index, size, rank), *own) if varies else (FULL, *own)
    return apply(op, [lifted_to_indices(x, whole), value], (whole,))


# ---- convolution and pooling: the batch joins the samples, or, where weights differ, the channels (as groups) ----


def _joined(x: Tensor) -> Tensor:
    return ops.reshape(x, (x.shape[0] * x.shape[1], *x.shape[2:]))


def _parted(x: Tensor, size: int) -> Tensor:
    return ops.reshape(x, (size, x.shape[0] // size, *x.shape[1:]))


def _in_channels(x: Tensor) -> Tensor:
    """(B, N, C, ...) as (N, B * C, ...)."""
    moved = _move(x, 0, 1, 1)
    return ops.reshape(moved, (moved.shape[0], moved.shape[1] * moved.shape[2], *moved.shape[3:]))


def _out_of_channels(x: Tensor, size: int) -> Tensor:
    parted = ops.reshape(x, (x.shape[0], size, x.shape[1] // size, *x.shape[2:]))
    return _move(parted, 1, 1, 0)


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


@rule("cross_entropy", "cross_entropy_grad", "max_pool", "max_pool_grad", "max_pool_take", "max_pool_indices", "adaptive_max_indices", "avg_pool", "avg_pool_grad",
      "im2col", "col2im")  # fmt: skip
def _pool(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    out = apply(op, [_joined(full(x, f, size)) for x, f in zip(xs, flags, strict=True)], params)
    return tuple(_parted(o, size) for o in out) if isinstance(out, tuple) else _parted(out, size)


@rule("channel_sum")
def _channel_sum(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Tensor:
    return ops.reshape(apply(op, [_in_channels(xs[0])], params), (size, xs[0].shape[2]))
