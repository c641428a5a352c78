"""Forward mode: a ``Dual`` array is a primal with a tangent, and each op computes both, by its kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import ops
from ..backends import backend_of, register
from ..core import dtypes, modes
from ..core.apply import apply
from ..core.backward import run_backward
from ..core.graph import Leaf
from ..core.op import Op
from ..core.tensor import Tensor, unwrap, wrap
from ..core.transform import (
    Frame,
    Lifted,
    LiftedBackend,
    Table,
    flat,
    lifted_to_indices,
    lower_params,
    on_raw,
    with_values,
)
from .pytree import flatten

# Elementwise in the sense of a rule, but the rule maps to the input's dtype or device: forward, the op itself is right.
APPLIED_TO_TANGENTS = {"cast", "to_device"}


class JvpFrame(Frame):
    def __repr__(self) -> str:
        return "jvp"

    def lowered(self, array: Any) -> Tensor:
        return array.primal

    def each(self, f: Callable, args: tuple) -> Any:
        leaves, structure = flatten(args)
        with self.below():
            return f(*structure.build(undual(v, self)[0] if isinstance(v, Tensor) else v for v in leaves))

    def constant(self, t: Tensor) -> Dual:
        return Dual(wrap(t.value, t.node), None, self)  # not the tensor itself, which may be given another array


class Dual(Lifted):
    """``primal + tangent * eps``; a tangent of None is zero."""

    __slots__ = ("primal", "tangent")

    def __init__(self, primal: Tensor, tangent: Tensor | None, frame: Frame):
        self.primal, self.tangent, self.frame, self.level = primal, tangent, frame, frame.level

    @property
    def inner(self) -> Tensor:
        return self.primal

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.primal.shape)

    @property
    def dtype(self) -> dtypes.dtype:
        return self.primal.dtype

    def detached(self) -> Dual:
        return Dual(self.primal.detach(), None, self.frame)  # type: ignore[attr-defined]

    def overwritten(self, new: Dual) -> Dual:
        return Dual(with_values(self.primal, new.primal), self.tangent, self.frame)

    def lower(self) -> Any:
        return self.primal.value

    def __repr__(self) -> str:
        return f"Dual(level={self.level}, primal={self.primal}, tangent={self.tangent})"


class DualBackend(LiftedBackend):
    array_types = (Dual,)

    def __init__(self) -> None:
        self.table = Table(_created)  # type: ignore[assignment]

    def run(self, op: Op, values: Sequence[Dual], params: tuple) -> Any:
        if not isinstance(values[0], Dual):  # of a dual level that was left
            found = apply(op, [wrap(v) for v in values], params)
            return tuple(map(unwrap, found)) if isinstance(found, tuple) else found.value
        frame = values[0].frame
        primals = [v.primal for v in values]
        tangents = [v.tangent for v in values]
        indices = [p for p in flat(params) if isinstance(p, Lifted)]
        if indices:
            params = lower_params(params, frame.level)
            indices = flat(params)
            primals = [lifted_to_indices(p, indices) for p in primals]
            tangents = [None if t is None else lifted_to_indices(t, indices) for t in tangents]
        out = apply(op, primals, params)
        outs = out if isinstance(out, tuple) else (out,)
        if op.kind == "none" or all(t is None for t in tangents):
            results: Sequence[Any] = [None] * len(outs)
        else:
            found = tangent_of(op, primals, tangents, out, params)
            results = found if isinstance(found, tuple | list) else (found,)
        duals = tuple(
            Dual(o, t if o.dtype.category >= dtypes.FLOAT else None, frame) for o, t in zip(outs, results, strict=True)
        )
        return duals if isinstance(out, tuple) else duals[0]

    def to_host(self, array: Any) -> Any:
        return backend_of(array.primal.value).to_host(array.primal.value)


def _created(name: str) -> Callable | None:
    if not name.endswith(("_like", "_of")):
        return None

    def make(*args: Any) -> Any:
        like = next((a for a in args if isinstance(a, Dual)), None)
        if like is None:
            return on_raw(name)(*args)
        return Dual(getattr(ops, name)(*(a.primal if a is like else a for a in args)), None, like.frame)

    return make


def tangent_of(op: Op, primals: Sequence[Tensor], tangents: Sequence[Tensor | None], out: Any, params: tuple) -> Any:
    """The tangent of ``op``'s output (a tuple for several outputs; None is zero)."""
    if op.jvp is not None:
        return op.jvp(ops, tangents, primals, out, *params)
    if op.name in APPLIED_TO_TANGENTS:
        return apply(op, tangents, params)  # type: ignore[arg-type]
    if op.kind == "linear":
        passed = _passed(op, len(primals))
        filled = [
            p if fixed or p.dtype.category < dtypes.FLOAT else ops.zeros_like(p) if t is None else t
            for p, t, fixed in zip(primals, tangents, passed, strict=True)
        ]
        return apply(op, filled, params)
    if op.kind == "multilinear":
        total = None
        for i, t in enumerate(tangents):
            if t is not None:
                part = apply(op, [*primals[:i], t, *primals[i + 1 :]], params)
                total = part if total is None else total + part
        return total
    complex_parts = any(t.dtype.is_complex for t in (*primals, *(out if isinstance(out, tuple) else (out,))))
    if op.kind == "elementwise" and op.rules is not None and (op.holomorphic or not complex_parts):
        return _by_rules(op, primals, tangents, out, params)
    return by_two_vjps(op, primals, tangents, out, params)


_fixed_inputs: dict[str, tuple[bool, ...]] = {}


def _passed(op: Op, count: int) -> tuple[bool, ...]:
    """Which inputs of a linear op it is not linear in: those whose rule is ``lambda xp, g: None``."""
    if op.rules is None:
        return (False,) * count
    found = _fixed_inputs.get(op.name)
    if found is None:
        found = _fixed_inputs[op.name] = tuple(_is_none_rule(r) for r in op.derivatives)
    return found[:count]


def _is_none_rule(rule: Callable) -> bool:
    code = rule.__code__
    return (
        code.co_argcount == 2
        and not code.co_names
        and all(c is None for c in code.co_consts)
        and rule(None, code) is None
    )


def _saved(op: Op, primals: Sequence[Tensor], out: Any) -> tuple:
    kept = (*(p if k else None for p, k in zip(primals, op.keep_all(len(primals)), strict=True)), out)
    return (*kept, tuple(tuple(p.shape) for p in primals))


def _by_rules(
    op: Op, primals: Sequence[Tensor], tangents: Sequence[Tensor | None], out: Tensor, params: tuple
) -> Tensor | None:
    """A diagonal Jacobian is its own transpose: the rule applied to the tangent."""
    saved = _saved(op, primals, out)
    total = None
    assert op.rules is not None
    for rule, t in zip(op.rules, tangents, strict=True):
        if t is None:
            continue
        if t.shape != out.shape:
            t = ops.broadcast_to(t, tuple(out.shape))
        part = rule(ops, t, saved, params)
        if part is not None:
            if part.shape != out.shape:
                part = ops.broadcast_to(part, tuple(out.shape))
            total = part if total is None else total + part
    return total if total is None or total.dtype is out.dtype else ops.cast(total, out.dtype)


def by_two_vjps(op: Op, primals: Sequence[Tensor], tangents: Sequence[Tensor | None], out: Any, params: tuple) -> Any:
    """J t as the vjp, at t, of the linear map ``g -> J^T g``."""
    from ..core.graph import make_node

    outs = out if isinstance(out, tuple) else (out,)
    exact = [o.dtype.category >= dtypes.FLOAT for o in outs]
    probes = [zero_probe(o) if e else None for o, e in zip(outs, exact, strict=True)]
    if any(o.dtype.is_complex for o in outs) and op.holomorphic:
        op = op.conjugated()
    with modes.enable_grad():
        g = list(probes) if isinstance(out, tuple) else probes[0]
        saved = _saved(op, primals, out)
        marks = tuple(None if t is None else Leaf(p) for p, t in zip(primals, tangents, strict=True))
        node = make_node(op, marks, (), params, () if isinstance(out, tuple) else tuple(out.shape))
        if op.rules is not None:
            grads = [None if t is None else r(ops, g, saved, params) for r, t in zip(op.rules, tangents, strict=True)]
        else:
            grads = list(op.vjp(ops, node, g, saved, True))
    pairs = [
        (d, t) for d, t in zip(grads, tangents, strict=True) if t is not None and d is not None and d.node is not None
    ]
    if not pairs:
        return (None,) * len(outs) if isinstance(out, tuple) else None
    pairs = [(_summed(d, t), t) for d, t in pairs]
    wanted: Any = [p.node for p in probes if p is not None]
    found = iter(
        run_backward(
            [d.node for d, _ in pairs],
            [t for _, t in pairs],
            create_graph=True,
            retain_graph=True,
            inputs=wanted,
            accumulate=False,
        )
    )
    results = tuple(next(found) if p is not None else None for p in probes)
    if not modes.is_grad_enabled() or all(t is None or t.node is None for t in (*primals, *tangents)):
        results = tuple(None if r is None else wrap(r.value) for r in results)  # the probes are nobody's business
    return results if isinstance(out, tuple) else results[0]


def zero_probe(out: Tensor) -> Tensor:
    """A tensor like ``out`` that the linear map is differentiated by; its value does not matter."""
    probe = ops.zeros_like(out)
    probe.node = Leaf(probe)
    return probe


def _summed(d: Tensor, t: Tensor) -> Tensor:
    from ..core.step import unbroadcast

    with modes.enable_grad():
        d = d if d.shape == t.shape else unbroadcast(ops, d, tuple(t.shape))
        return d if d.dtype is t.dtype else ops.cast(d, t.dtype)


register(DualBackend())


def dual(primal: Tensor, tangent: Tensor | None, frame: Frame) -> Tensor:
    return wrap(Dual(primal, tangent, frame))


def undual(t: Tensor, frame: Frame) -> tuple[Tensor, Tensor | None]:
    """Primal and tangent of a tensor with respect to one frame."""
    value = t.value
    if isinstance(value, Dual) and value.frame is frame:
        return value.primal, value.tangent
    return t, None
