"""Batching rules of slices, index arrays, masks and searches: indices themselves may differ along the batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.apply import apply
from ..core.op import OPS, Op
from ..core.tensor import Tensor, backend_for, wrap
from ..core.transform import lifted_to_indices
from ..functions.shaping import broadcast_shapes
from .batched import Batched, full, move, rule, spread

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


def _is_own(k: Any, level: int) -> bool:
    return isinstance(k, Batched) and k.level == level


def _own_indices(index: tuple, rank: int, level: int) -> tuple[Any, ...]:
    """Index arrays with the batch in front (raw), ones after it up to ``rank``; slices as they are."""
    found: list[Any] = []
    for k in index:
        if isinstance(k, slice):
            found.append(k)
        else:
            t, flag = (k.inner, k.batched) if _is_own(k, level) else (wrap(k), False)
            found.append((spread(t, rank) if flag else t).value)
    return tuple(found)


def _rows(index: tuple, size: int, rank: int, level: int) -> Any:
    """0 .. size-1 along the batch, as a raw array on the device of the index."""
    like = next(k for k in index if not isinstance(k, slice))
    t = like.inner if _is_own(like, level) else wrap(like)
    backend, number = backend_for(t.device)
    return ops.reshape(wrap(backend.table.arange(0, size, 1, dtypes.int64, number)), (size, *(1,) * rank)).value


@rule("index", indexed=True)
def _index(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple, level: int) -> Tensor:
    (x,), (index,) = xs, params
    found = _layout(index)
    if found is None:
        return NotImplemented  # type: ignore[return-value]
    start, together, rank = found
    varies = any(_is_own(k, level) and k.batched for k in index)
    own = _own_indices(index, rank, level)
    if not varies:
        out = _apply_index(op, x, (FULL, *own))
        return out if together else move(out, rank, 1, 0)
    if not flags[0]:
        out = _apply_index(op, x, own)  # the batch stands with the index dimensions
        return move(out, start, 1, 0) if together else out
    out = _apply_index(op, x, (_rows(index, size, rank, level), *own))
    if together and start > 0:  # the slice in between sent the index dimensions to the front
        return move(out, 1, rank, 1 + start)
    return out


def _apply_index(op: Op, x: Tensor, index: tuple, *more: Any) -> Tensor:
    return apply(op, [lifted_to_indices(x, index)], (*more, index))


@rule("place_add", indexed=True)
def _place_add(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple, level: int) -> Tensor:
    (g,), (shape, index) = xs, params
    found = _layout(index)
    if found is None:
        return NotImplemented  # type: ignore[return-value]
    start, together, rank = found
    own = _own_indices(index, rank, level)
    g = full(g, flags[0], size)
    if not any(_is_own(k, level) and k.batched for k in index):
        return _apply_index(op, g if together else move(g, 0, 1, rank), (FULL, *own), (size, *shape))
    if together and start > 0:
        g = move(g, 1 + start, rank, 1)
    return _apply_index(op, g, (_rows(index, size, rank, level), *own), (size, *shape))


@rule("index_put", "index_put_add", indexed=True)
def _index_put(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple, level: int) -> Tensor:
    (x, value), (index,) = xs, params
    found = _layout(index)
    if found is None or not found[1]:
        return NotImplemented  # type: ignore[return-value]
    start, _, rank = found
    varies = any(_is_own(k, level) and k.batched for k in index)
    x = full(x, flags[0], size)
    own = _own_indices(index, rank, level)
    count = sum(not isinstance(k, slice) for k in index)
    result_rank = x.ndim - 1 - count + rank
    if flags[1]:
        value = spread(value, result_rank)
    if varies and start > 0:  # the slice in between sends the index dimensions to the front
        if any(k != FULL for k in index[:start]):
            return NotImplemented  # type: ignore[return-value]
        sizes = broadcast_shapes(*(tuple(k.shape) for k in index if not isinstance(k, slice)))
        shape = (size, *x.shape[1 : 1 + start], *sizes, *x.shape[1 + start + count :])
        value = move(ops.broadcast_to(value, shape), 1 + start, rank, 1)
    whole = (_rows(index, size, rank, level), *own) if varies else (FULL, *own)
    return apply(op, [lifted_to_indices(x, whole), value], (whole,))


# ---- searches and masks ----


@rule("searchsorted")
def _searched(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    rows, values = xs
    if not flags[0] and rows.ndim == 1:
        return apply(op, xs, params)
    rows, values = (full(x, f, size) for x, f in zip(xs, flags, strict=True))
    if rows.ndim == 2:  # one row for each example, and values of any shape
        flat = ops.reshape(values, (size, math.prod(values.shape[1:])))
        return ops.reshape(apply(op, [rows, flat], params), tuple(values.shape))
    return apply(op, [rows, values], params)


@rule("isin")
def _isin(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    return NotImplemented if flags[1] else apply(op, xs, params)


@rule("masked_scatter")
def _masked_scatter(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    x, mask, source = (full(x, f, size) for x, f in zip(xs, flags, strict=True))
    if not math.prod(source.shape[1:]):
        return x
    taken = ops.take_along_axis(ops.reshape(source, (size, math.prod(source.shape[1:]))), _which(mask, size), 1)
    return ops.where(mask, ops.reshape(taken, tuple(mask.shape)), x)


@rule("masked_gather")
def _masked_gather(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    (g, mask), (shape,) = (full(x, f, size) for x, f in zip(xs, flags, strict=True)), params
    zeros = ops.zeros_of((size, math.prod(shape)), g)
    if not zeros.shape[1]:
        return ops.reshape(zeros, (size, *shape))
    kept = ops.reshape(ops.where(mask, g, 0), (size, math.prod(mask.shape[1:])))
    return ops.reshape(OPS["scatter_add"].call(zeros, _which(mask, size), kept, 1), (size, *shape))


def _which(mask: Tensor, size: int) -> Tensor:
    """For each element where the mask holds, how many came before it; 0 or more elsewhere, too."""
    flat = ops.cast(ops.reshape(mask, (size, math.prod(mask.shape[1:]))), dtypes.int64)
    return ops.maximum(OPS["cumulative_sum"].call(flat, 1) - 1, 0)
