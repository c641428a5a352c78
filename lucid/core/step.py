"""One step of backward, written out per op the first time that backward meets it.

``step(xp, g, s, node, parents, grads, shared)`` runs the rules whose gradient is wanted and adds up; ``s`` is what the
node saved. Finding out at run time how many inputs an op has and where each argument of its rules comes from costs
0.3 us per input, as much as the arithmetic on small arrays. For ``multiply`` this is written:

    def step(xp, g, s, node, parents, grads, shared):
        n0, n1 = parents
        if n0 is not None:
            r = rule0(xp, g, s[1])
            if r is not None:
                if r is g: shared.add(id(g))
                if r.shape != n0.shape: r = unbroadcast(xp, r, n0.shape)
                held = grads.get(n0)
                grads[n0] = r if held is None else held + r
        if n1 is not None:
            ...
"""

from __future__ import annotations

import linecache
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .errors import ShapeError
from .tensor import HOST

if TYPE_CHECKING:
    from .record import Op


def write_step(op: Op) -> Callable:
    """The function above for this op; its source is kept where tracebacks look for it."""
    nodes = [f"n{i}" for i in range(op.arity)]
    calls = [op.source_of_rule(i) for i in range(op.arity)]
    lines = ["def step(xp, g, s, node, parents, grads, shared):"]
    if any("p[" in call for call in calls):
        lines.append("    p = node.params")
    if op.arity > 2:  # the last inputs may have been left out (a bias)
        lines.append(f"    parents = (*parents, *(None,) * ({op.arity} - len(parents)))")
    lines.append(f"    {', '.join(nodes)}, = parents")
    for n, call in zip(nodes, calls, strict=True):
        lines += [
            f"    if {n} is not None:",
            f"        r = {call}",
            "        if r is not None:",
            "            if r is g: shared.add(id(g))",
            f"            if r.shape != {n}.shape: r = unbroadcast(xp, r, {n}.shape)",
            f"            held = grads.get({n})",
            f"            grads[{n}] = r if held is None else held + r",
        ]
    name, text = f"<backward of {op.name}>", "\n".join(lines)
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    space: dict[str, Any] = {f"rule{i}": rule for i, rule in enumerate(op.derivatives)}
    space |= {"unbroadcast": unbroadcast, "conj": conj}
    exec(compile(text, name, "exec"), space)
    return space["step"]


MADE: Any = "gradients that slices are being added to"  # a key of ``grads`` beside the nodes


def slice_step(xp: Any, g: Any, s: tuple, node: Any, parents: Any, grads: dict, shared: set) -> None:
    """The step of slicing, ``zeros with g at the slice``, which on the CPU adds later slices of one tensor into the array
    made for the first. A loop over ``x[t]`` would make and add arrays of the size of x at every turn otherwise."""
    (n,) = parents
    if n is None:
        return
    (index,) = node.params
    held = grads.get(n)
    made = grads.get(MADE)
    if held is None:
        grads[n] = r = xp.place(g, n.shape, index)
        if type(r) is HOST:
            if made is None:
                made = grads[MADE] = {}
            made[n] = r  # the array itself: while it is here, no other can take its place
    elif made is not None and made.get(n) is held and type(g) is HOST and g.dtype == held.dtype:
        xp.add_at_slice(held, g, index)
    else:
        grads[n] = held + xp.place(g, n.shape, index)


def conj(xp: Any, g: Any) -> Any:
    return None if g is None else xp.conj(g)


def unbroadcast(xp: Any, g: Any, shape: tuple[int, ...]) -> Any:
    """Sum ``g`` over the axes along which ``shape`` was broadcast."""
    lead = len(g.shape) - len(shape)
    if lead < 0:
        raise ShapeError(f"a derivative of shape {tuple(g.shape)} does not fit its input of shape {tuple(shape)}")
    axes = tuple(range(lead)) + tuple(i + lead for i, n in enumerate(shape) if n == 1 and g.shape[i + lead] != 1)
    if axes:
        g = xp.sum(g, axis=axes, keepdims=True)
    if lead:
        g = xp.reshape(g, tuple(g.shape[lead:]))
    if tuple(g.shape) != tuple(shape):
        raise ShapeError(f"a derivative of shape {tuple(g.shape)} does not fit its input of shape {tuple(shape)}")
    return g
