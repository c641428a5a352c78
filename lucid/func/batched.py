"""``vmap``'s array: a Tensor with one more dimension in front, the batch, that the function does not see."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from .. import ops
from ..backends import backend_of, register
from ..core import dtypes
from ..core.apply import apply
from ..core.op import Op
from ..core.tensor import Tensor, wrap
from ..core.transform import (
    Frame,
    Lifted,
    LiftedBackend,
    Table,
    flat,
    has_lifted,
    lifted_to_indices,
    lower_params,
    on_raw,
    with_values,
)
from ..core.view import put_through
from .pytree import flatten


class VmapFrame(Frame):
    """One running vmap: the batch size and what random functions do."""

    maps = True

    def __init__(self, size: int, randomness: str = "error"):
        self.size, self.randomness = size, randomness

    def __repr__(self) -> str:
        return "vmap"

    def lowered(self, array: Any) -> Tensor:
        return full(array.inner, array.batched, self.size)

    def each(self, f: Callable, args: tuple) -> Any:
        leaves, structure = flatten(args)
        found = [unbatched(v, self) if isinstance(v, Tensor) else (v, False) for v in leaves]
        with self.below():
            if not any(flag for _, flag in found):
                return f(*structure.build(v for v, _ in found))
            about_to_loop(f.__name__, self.size)
            parts = []
            for b in range(self.size):
                own = structure.build(ops.getitem(v, (b,)) if flag else v for v, flag in found)
                parts.append(flatten(f(*own)))
        columns = zip(*(leaves for leaves, _ in parts), strict=True)
        return parts[0][1].build(batched(stack(c, f.__name__), self) for c in columns)

    def constant(self, t: Tensor) -> Batched:
        return Batched(wrap(t.value, t.node), False, self)  # not the tensor itself, which may be given another array

    def example(self, t: Tensor) -> Batched:
        """A tensor with the batch in front as an array of this frame."""
        return Batched(t, True, self)


class Batched(Lifted):
    """``inner`` holds the batch in dimension 0 if ``batched``, else the same value for every element of it."""

    __slots__ = ("batched", "inner")

    def __init__(self, inner: Tensor, batched: bool, frame: Frame):
        self.inner, self.batched, self.frame, self.level = inner, batched, frame, frame.level

    @property
    def shape(self) -> tuple[int, ...]:
        shape = tuple(self.inner.shape)
        return shape[1:] if self.batched else shape

    @property
    def dtype(self) -> dtypes.dtype:
        return self.inner.dtype

    def detached(self) -> Batched:
        return Batched(self.inner.detach(), self.batched, self.frame)  # type: ignore[attr-defined]

    def overwritten(self, new: Batched) -> Batched:
        frame, flag = self.frame, self.batched or new.batched
        old, values = ((full(a.inner, a.batched, frame.size) if flag else a.inner) for a in (self, new))
        return Batched(with_values(old, values), flag, frame)

    def lower(self) -> Any:
        if self.batched:
            raise RuntimeError(
                "vmap: an index that differs along the batch reached an op without a batching rule for it"
            )
        return self.inner.value

    def __repr__(self) -> str:
        return f"Batched(level={self.level}, bdim={0 if self.batched else None}, value={self.inner})"


Rule = Callable[..., Any]  # (op, size, xs, flags, params) -> Tensor with the batch in front, or a tuple of them
RULES: dict[str, Rule] = {}
_INDEXED: set[str] = set()  # the rules that take index arrays which differ along the batch, and the level of these
_DEPENDS = {"unique", "unique_consecutive"}  # the size of the result depends on values: examples need not agree
_warned: set[str] = set()


def rule(*names: str, indexed: bool = False) -> Callable[[Rule], Rule]:
    """Register a batching rule for ops of these names; it returns NotImplemented for a case that it leaves to the loop."""

    def decorate(f: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, f))
        if indexed:
            _INDEXED.update(names)
        return f

    return decorate


class BatchedBackend(LiftedBackend):
    array_types = (Batched,)

    def __init__(self) -> None:
        self.table = Table(_created)  # type: ignore[assignment]

    def run(self, op: Op, values: Sequence[Batched], params: tuple) -> Any:
        frame = values[0].frame
        xs, flags = [v.inner for v in values], [v.batched for v in values]
        if op.name == "view_scatter":  # through the chain of views, step by step
            return put_through(self.table, values[0], values[1], params[0])
        in_params = has_lifted(params, frame.level)
        if in_params and not _varies(params, frame.level):
            params, in_params = lower_params(params, frame.level), False
        if not in_params and any(isinstance(i, Lifted) for i in flat(params)):
            xs = [lifted_to_indices(x, flat(params)) for x in xs]
        if not any(flags) and not in_params:
            out = apply(op, xs, params)
            return (
                tuple(Batched(o, False, frame) for o in out) if isinstance(out, tuple) else Batched(out, False, frame)
            )
        if op.name in _DEPENDS:
            raise RuntimeError(f"vmap: {op.name} has a shape that depends on values, which differ along the batch")
        out = NotImplemented
        if op.name in _INDEXED:
            out = RULES[op.name](op, frame.size, xs, flags, params, frame.level)  # type: ignore[attr-defined]
        elif op.name in RULES and not in_params:
            out = RULES[op.name](op, frame.size, xs, flags, params)  # type: ignore[attr-defined]
        elif op.kind == "elementwise" and not in_params:
            out = elementwise(op, frame.size, xs, flags, params)  # type: ignore[attr-defined]
        if out is NotImplemented:
            out = _loop(op, frame.size, xs, flags, params, frame.level)  # type: ignore[attr-defined]
        return tuple(Batched(o, True, frame) for o in out) if isinstance(out, tuple) else Batched(out, True, frame)

    def to_host(self, array: Any) -> Any:
        if not array.frame.alive:
            raise RuntimeError(
                "vmap: this tensor was made inside vmap, or written to there, with values that differ along the batch, and is "
                "used after that call returned; return it from the function instead"
            )
        if not array.batched:
            return backend_of(array.inner.value).to_host(array.inner.value)
        raise RuntimeError(
            "vmap: It looks like you're either calling .item() on a Tensor (or tolist, numpy) or attempting to use a Tensor in some "
            "data-dependent control flow; inside vmap it is a whole batch of values. Use where() to choose by value."
        )


def _varies(params: Any, level: int) -> bool:
    return any(isinstance(p, Batched) and p.batched and p.level == level for p in flat(params))


def elementwise(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple) -> Any:
    return apply(op, aligned(size, xs, flags), params)


def aligned(size: int, xs: Sequence[Tensor], flags: Sequence[bool], trailing: int = 0) -> list[Tensor]:
    """The inputs with equal ranks behind the batch, so that they broadcast; at least ``trailing`` dimensions each."""
    rank = max(max(x.ndim - f for x, f in zip(xs, flags, strict=True)), trailing)
    return [spread(x, rank) if f else x for x, f in zip(xs, flags, strict=True)]


def spread(x: Tensor, rank: int) -> Tensor:
    """A batched tensor with ones after the batch, up to ``rank`` dimensions without it."""
    missing = rank + 1 - x.ndim
    return ops.reshape(x, (x.shape[0], *(1,) * missing, *x.shape[1:])) if missing > 0 else x


def move(x: Tensor, source: int, count: int, target: int) -> Tensor:
    """Move ``count`` dimensions that start at ``source`` so that they start at ``target``."""
    rest = [i for i in range(x.ndim) if not source <= i < source + count]
    order = (*rest[:target], *range(source, source + count), *rest[target:])
    return ops.permute_dims(x, order) if order != tuple(range(x.ndim)) else x


def full(x: Tensor, flag: bool, size: int) -> Tensor:
    """``x`` with the batch in front, repeated if it was the same for all."""
    return x if flag else ops.broadcast_to(x, (size, *x.shape))


def _loop(op: Op, size: int, xs: Sequence[Tensor], flags: Sequence[bool], params: tuple, level: int) -> Any:
    """Each element by itself, and a stack: slow, never wrong."""
    about_to_loop(op.name, size)
    parts = []
    for b in range(size):
        inner = [ops.getitem(x, (b,)) if f else x for x, f in zip(xs, flags, strict=True)]
        own = _params_at(params, b, level)
        parts.append(apply(op, [lifted_to_indices(x, flat(own)) for x in inner], own))
    if isinstance(parts[0], tuple):
        return tuple(stack(group, op.name) for group in zip(*parts, strict=True))
    return stack(parts, op.name)


def about_to_loop(name: str, size: int) -> None:
    """Warn, once for each name; refuse an empty batch, for which nothing would say the shape of the result."""
    if size == 0:
        raise RuntimeError(f"vmap: {name} has no batching rule, so a batch of size 0 is not supported")
    if name not in _warned:
        _warned.add(name)
        warnings.warn(
            f"There is a performance drop because we have not yet implemented the batching rule for {name}: it runs in a loop.",
            UserWarning,
            stacklevel=7,
        )


def stack(parts: Sequence[Tensor], name: str) -> Tensor:
    if any(p.shape != parts[0].shape for p in parts):
        shapes = sorted({tuple(p.shape) for p in parts})
        raise RuntimeError(f"vmap: {name} has a shape that depends on values; here the examples give {shapes}")
    return ops.concat(*(ops.reshape(p, (1, *p.shape)) for p in parts), 0)


def _params_at(params: Any, b: int, level: int) -> Any:
    if isinstance(params, Batched) and params.level == level:
        return ops.getitem(params.inner, (b,)).value if params.batched else params.inner.value
    if type(params) in (tuple, list):
        return type(params)(_params_at(p, b, level) for p in params)
    return params


def _nonzero(x: Batched) -> Any:
    if x.batched:
        raise RuntimeError(
            "vmap: nonzero, where(condition) and indexing with a boolean mask have shapes that depend on values. Attempted to vmap over aten::nonzero; use where(condition, x, y) instead"
        )
    return backend_of(x.inner.value).table.nonzero(x.inner.value)


def _created(name: str) -> Callable | None:
    if name == "nonzero":
        return _nonzero
    if not name.endswith(("_like", "_of")):
        return None

    def make(*args: Any) -> Any:
        like = next((a for a in args if isinstance(a, Batched)), None)
        if like is None:
            return on_raw(name)(*args)
        keeps = name in ("zeros_like", "ones_like") and like.batched
        return Batched(getattr(ops, name)(*(a.inner if a is like else a for a in args)), keeps, like.frame)

    return make


register(BatchedBackend())


def batched(x: Tensor, frame: VmapFrame) -> Tensor:
    """A tensor whose dimension 0 is the batch of ``frame``."""
    return wrap(Batched(x, True, frame))


def unbatched(t: Tensor, frame: VmapFrame) -> tuple[Tensor, bool]:
    """The tensor below, and whether its dimension 0 is the batch."""
    value = t.value
    if isinstance(value, Batched) and value.frame is frame:
        return value.inner, value.batched
    return t, False
