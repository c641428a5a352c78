"""``autograd.Function`` inside jvp and vmap: one level down, by what the class says of tangents and batches."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.tensor import Tensor, wrap
from ..core.transform import Lifted
from ..func.batched import Batched, VmapFrame, batched, full, unbatched
from ..func.dual import Dual
from .function import Function, FunctionCtx, apply_function, as_tuple, backward_of, separate


def lifted(cls: type[Function], lead: Lifted, args: tuple) -> Any:
    """The outputs of ``cls`` on arrays of one frame."""
    with lead.frame.below():  # what they make belongs to the level below
        return _forward_mode(cls, args) if isinstance(lead, Dual) else _batch(cls, lead.frame, args)


def _forward_mode(cls: type[Function], args: tuple) -> Any:
    frame = next(a.value.frame for a in args if isinstance(a, Tensor))
    inner = tuple(a.value.primal if isinstance(a, Tensor) else a for a in args)
    tangents = [a.value.tangent if isinstance(a, Tensor) else None for a in args]
    result, ctx = apply_function(cls, inner)
    outs = as_tuple(result)
    if all(t is None for t in tangents):
        found: Sequence[Any] = [None] * len(outs)
    else:
        if cls.jvp is Function.jvp:
            raise RuntimeError(
                f"Trying to use forward AD with {cls.__name__} that does not support it because it has not been implemented yet: "
                "define a static jvp(ctx, *tangents)"
            )
        given = [
            ops.zeros_like(p)
            if t is None and ctx.materialize_grads and isinstance(p, Tensor) and p.dtype.category >= dtypes.FLOAT
            else t
            for t, p in zip(tangents, inner, strict=True)
        ]
        found = as_tuple(cls.jvp(ctx, *given))
    if len(found) != len(outs):
        raise RuntimeError(
            f"{cls.__name__}: Function's jvp returned an invalid number of forward gradients (expected {len(outs)} but got {len(found)})"
        )
    made = []
    for k, (o, t) in enumerate(zip(outs, found, strict=True)):
        if t is not None and not isinstance(t, Tensor):
            raise RuntimeError(
                f"{cls.__name__}: expected Variable or None (got {type(t).__name__}) for grad output {k}."
            )
        if t is not None and t.shape != o.shape:
            raise RuntimeError(
                f"{cls.__name__}: Trying to set a forward gradient that has a different size than that of the original Tensor, this "
                f"is not supported. Tensor is of size {list(o.shape)} while the given forward gradient is of size {list(t.shape)}."
            )
        made.append(_result(Dual(o, t, frame), args, _place(o, inner, ctx._dirty)) if isinstance(o, Tensor) else o)
    return tuple(made) if isinstance(result, tuple | list) else made[0]


def _place(o: Tensor, inner: Sequence[Any], dirty: Sequence[Any]) -> int | None:
    """Which input an output is that ``forward`` wrote to, if any."""
    return next((i for i, a in enumerate(inner) if a is o), None) if any(d is o for d in dirty) else None


def _result(value: Lifted, args: tuple, place: int | None) -> Tensor:
    """An output, or the input itself that was written to."""
    if place is None:
        return wrap(value)
    args[place].value = value
    args[place]._version += 1
    return args[place]


def _batch(cls: type[Function], frame: Any, args: tuple) -> Any:
    inner = tuple(a.value.inner if isinstance(a, Tensor) else a for a in args)
    flags = tuple(a.value.batched if isinstance(a, Tensor) else False for a in args)
    own_rule = cls.vmap is not Function.vmap
    if own_rule and cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and an overriden vmap staticmethod. Please set one of them."
        )
    if own_rule:
        info = SimpleNamespace(batch_size=frame.size, randomness=frame.randomness)
        pair = cls.vmap(info, tuple(0 if f else None for f in flags), *inner)
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise RuntimeError(
                f"Expected the vmap staticmethod of {cls.__name__} to have two returns, an output and out_dims with the same structure"
            )
        result, dims = pair
        outs = as_tuple(result)
        if not isinstance(dims, tuple | list):
            dims = (dims,) * len(outs)
        elif type(dims) is not type(result) or len(dims) != len(outs):
            raise RuntimeError(
                f"The vmap staticmethod of {cls.__name__} returned an incompatible (output, out_dims) tuple: {dims}"
            )
        made = [_placed(o, d, frame) if isinstance(o, Tensor) else o for o, d in zip(outs, dims, strict=True)]
        return tuple(made) if isinstance(result, tuple | list) else made[0]
    if not cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please override and implement the vmap "
            "static method or set generate_vmap_rule=True; with the latter it must override the setup_context staticmethod."
        )
    if not any(flags):
        result = cls.apply(*inner)
        made = [wrap(Batched(o, False, frame)) if isinstance(o, Tensor) else o for o in as_tuple(result)]
    else:
        written: list[int | None] = []
        result = _generated(cls, frame.size, frame.randomness, flags, written).apply(*inner)
        made = [
            _result(Batched(o, True, frame), args, i) if isinstance(o, Tensor) else o
            for o, i in zip(as_tuple(result), written, strict=True)
        ]
    return tuple(made) if isinstance(result, tuple | list) else made[0]


def _placed(o: Tensor, dim: int | None, frame: Any) -> Tensor:
    if dim is None:
        return wrap(Batched(o, False, frame))
    dim %= o.ndim
    return batched(ops.permute_dims(o, (dim, *(i for i in range(o.ndim) if i != dim))) if dim else o, frame)


def _generated(
    cls: type[Function], size: int, randomness: str, flags: tuple[bool, ...], written: list[int | None]
) -> type[Function]:
    """The Function one level down whose forward, backward and jvp are those of ``cls`` on a batch.

    ``written`` takes, for each output, which input it is, if ``forward`` wrote to it.
    """

    def raised(values: Sequence[Any], which: Sequence[bool], frame: VmapFrame) -> list:
        return [wrap(Batched(v, f, frame)) if isinstance(v, Tensor) else v for v, f in zip(values, which, strict=True)]

    def forward(ctx: Any, *inner: Any) -> Any:
        with VmapFrame(size, randomness) as frame:
            args = raised(inner, flags, frame)
            ctx.inner = own = FunctionCtx()
            own.needs_input_grad = ctx.needs_input_grad
            if separate(cls):
                result = cls.forward(*args)
                cls.setup_context(own, tuple(args), result)
            else:
                result = cls.forward(own, *args)
            made = {}
            written[:] = [_place(o, args, own._dirty) for o in as_tuple(result)]
            for o in as_tuple(result):
                if isinstance(o, Tensor):
                    t, flag = unbatched(o, frame)
                    made[id(o)] = full(t, flag, size)
            saved = []
            ctx.flags = []
            for v in own._to_save:
                t, flag = (None, False) if v is None else unbatched(v, frame)  # type: ignore[assignment]
                if id(v) in made:
                    t, flag = made[id(v)], True
                elif v is not None:
                    t = next((i for i, a in zip(inner, args, strict=True) if a is v), t)
                saved.append(t)
                ctx.flags.append(flag)
            ctx.save_for_backward(*saved)
            ctx.set_materialize_grads(own.materialize_grads)
            ctx.mark_non_differentiable(*(made[id(o)] for o in own._non_differentiable))
        outs = tuple(made.get(id(o), o) for o in as_tuple(result))
        return outs if isinstance(result, tuple | list) else outs[0]

    def reread(ctx: Any, frame: VmapFrame) -> FunctionCtx:
        own = ctx.inner
        own._node = None
        own._to_save = tuple(raised(ctx.saved_tensors, ctx.flags, frame))
        return own

    def backward(ctx: Any, *grads: Any) -> tuple:
        with VmapFrame(size, randomness) as frame:
            own = reread(ctx, frame)
            found = as_tuple(backward_of(cls)(own, *raised(grads, [True] * len(grads), frame)))
            results: list[Any] = []
            for v, flag in zip(found, flags, strict=False):
                if v is None:
                    results.append(None)
                    continue
                t = full(*unbatched(v, frame), size)
                results.append(t if flag else ops.sum(t, (0,), False))
        return tuple(results)

    def jvp(ctx: Any, *tangents: Any) -> Any:
        with VmapFrame(size, randomness) as frame:
            found = cls.jvp(reread(ctx, frame), *raised(tangents, flags, frame))
            made = tuple(full(*unbatched(t, frame), size) for t in as_tuple(found))
        return made if isinstance(found, tuple | list) else made[0]

    body: dict[str, Any] = {
        "forward": staticmethod(forward),
        "backward": staticmethod(backward),
        "generate_vmap_rule": True,
    }
    if cls.jvp is not Function.jvp:
        body["jvp"] = staticmethod(jvp)
    return type(cls.__name__, (Function,), body)
