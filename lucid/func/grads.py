"""Reverse mode as functions of functions: ``grad``, ``grad_and_value``, ``vjp``.

The inputs become new leaves (or, if they already depend on something, copies that stay connected to it), so levels nest.
What comes back depends on outer tensors only, and requires grad only if one of those does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from .. import ops
from ..core import dtypes, modes
from ..core.backward import gather, run_backward
from ..core.graph import Leaf, Node, make_node
from ..core.op import OPS
from ..core.tensor import Tensor, wrap
from ..core.transform import frames, level_of, lifted_to, lifted_to_current
from .pytree import Structure, flatten
from .tangents import split_aux, tensor_outputs


def alias(x: Tensor) -> tuple[Tensor, Node]:
    """A tensor that shares the memory of ``x`` with a node of its own in the graph, and the leaf of that node."""
    inner = lifted_to_current(x)
    if inner.node is None:
        holder = wrap(inner.value)
        parent: Node = Leaf(holder)
    else:
        parent = inner.node
    t = wrap(inner.value)
    t.node = make_node(OPS["copy"], (parent,), (), (), tuple(inner.value.shape))
    return t, parent


def _differentiable(name: str, tree: Any) -> tuple[list[Tensor], Structure, list[Node]]:
    """A tree with its tensors replaced by aliases; the leaves that are ours alone."""
    leaves, structure = flatten(tree)
    found: list[Tensor] = []
    own: list[Node] = []
    for v in leaves:
        if not isinstance(v, Tensor):
            raise ValueError(f"{name}: Thing passed to transform API must be Tensor, got {type(v)}")
        if v.dtype.category < dtypes.FLOAT:
            raise RuntimeError(
                f"{name}: only tensors of floating point and complex dtype can require gradients; got {v.dtype}"
            )
        t, parent = alias(v)
        found.append(t)
        if type(parent) is Leaf and starts_graph(v):
            own.append(parent)
    return found, structure, own


def starts_graph(v: Tensor) -> bool:
    """Whether the alias of ``v`` had to start a graph: ``v`` has no node at the current level."""
    return v.node is None or (bool(frames()) and level_of(v) < frames()[-1].level)


def detach_own(t: Tensor, own: set[Node], keep: bool = True) -> Tensor:
    """``t`` outside the graph, unless it also depends on leaves that are not ours."""
    if t.node is None:
        return t
    if keep and any(type(n) is Leaf and n not in own for n in gather([t.node])):
        return t
    return wrap(t.value)


def _outer(nodes: Sequence[Node], own: set[Node]) -> bool:
    """Whether something besides our own leaves could want to differentiate what we compute."""
    return any(type(n) is Leaf and n not in own for n in gather(nodes))


def _detached(tree: Any, own: set[Node], keep: bool) -> Any:
    leaves, structure = flatten(tree)
    return structure.build(detach_own(v, own, keep) if isinstance(v, Tensor) else v for v in leaves)


def argnums_arg(name: str, argnums: int | tuple[int, ...], count: int) -> tuple[int, ...]:
    wanted = argnums if isinstance(argnums, tuple) else (argnums,)
    if not wanted:
        raise RuntimeError(f"{name}: argnums must be non-empty")
    for n in wanted:
        if not isinstance(n, int):
            raise RuntimeError(
                f"{name}: argnums must be int or Tuple[int, ...], got: {type(argnums)}; argnum must be int, got: {type(n)}"
            )
        if not -count <= n < count:
            raise RuntimeError(f"{name}: Got argnum={n}, but only {count} positional inputs")
    fixed = tuple(n % count for n in wanted)
    if len(set(fixed)) != len(fixed):
        raise RuntimeError(f"{name}: argnums elements must be unique, got {argnums!r}")
    return fixed


def grad_and_value(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that returns the gradient of ``func`` (whose output is a scalar) and its value.

    ``argnums`` says which positional arguments (pytrees of tensors) to differentiate; with ``has_aux`` the function
    returns ``(scalar, aux)`` and this one ``(gradient, (scalar, aux))``. Raises RuntimeError if the output is no scalar.

    >>> import lucid
    >>> lucid.func.grad_and_value(lambda x: (x * x).sum())(lucid.tensor([1.0, 2.0]))
    (tensor([2., 4.]), tensor(5.))
    """

    @functools.wraps(func)
    def call(*args: Any, **kwargs: Any) -> tuple:
        chosen = argnums_arg("grad", argnums, len(args))
        recorded = modes.is_grad_enabled()
        with modes.enable_grad():
            inputs, structure, leaves = _differentiable("grad", tuple(args[n] for n in chosen))
            own = set(leaves)
            replaced = list(args)
            for n, v in zip(chosen, structure.build(inputs), strict=True):
                replaced[n] = v
            entry = [x.node for x in inputs]  # an in-place op in the function may move on from these
            result = func(*replaced, **kwargs)
            output, aux = split_aux("grad", result) if has_aux else (result, None)
            if not isinstance(output, Tensor):
                raise RuntimeError(
                    "Expected f(*args) to return a Tensor, got "
                    f"{type(output)}; with has_aux, the first of a tuple of two is the Tensor that is differentiated"
                )
            if output.ndim:
                raise RuntimeError(
                    f"Expected f(*args) to return a scalar tensor, got tensor with {output.ndim} dims, of shape {tuple(output.shape)}. Maybe "
                    "you'd like to sum() or mean() it, or to use the vjp or jacrev APIs instead?"
                )
            if output.dtype.is_complex:
                raise RuntimeError(
                    f"grad can be implicitly created only for real scalar outputs but got {output.dtype}"
                )
            found = pull_back([output], [None], entry, inputs, own)  # type: ignore[arg-type]
        results = [detach_own(g, own, recorded) for g in found]
        tree = structure.build(results)
        gradient = tree[0] if isinstance(argnums, int) else tree
        value = detach_own(output, own, recorded)
        return gradient, ((value, _detached(aux, own, recorded)) if has_aux else value)

    return call


def grad(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that returns the gradient of ``func``, whose output is a scalar; see ``grad_and_value``.

    >>> import lucid
    >>> lucid.func.grad(lucid.func.grad(lambda x: x**3))(lucid.tensor(2.0))
    tensor(12.)
    """

    @functools.wraps(func)
    def call(*args: Any, **kwargs: Any) -> Any:
        gradient, value = grad_and_value(func, argnums, has_aux)(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return call


def start_with(outs: Sequence[Tensor], vectors: Sequence[Tensor | None]) -> tuple[list[Node], list[Any]]:
    """Roots and start gradients (as Tensors) of the outputs that depend on anything."""
    nodes, starts = [], []
    for o, v in zip(outs, vectors, strict=True):
        if o.node is not None:
            nodes.append(o.node)
            v = ops.ones_like(o) if v is None else v
            starts.append(lifted_to(v, o.value.frame) if level_of(o) else v)
    return nodes, starts


def pull_back(
    outs: Sequence[Tensor],
    vectors: Sequence[Tensor | None],
    entry: Sequence[Node],
    inputs: Sequence[Tensor],
    own: set[Node],
) -> list[Tensor]:
    """The vector-Jacobian product; differentiable where something outside could differentiate it."""
    nodes, starts = start_with(outs, vectors)
    if not nodes:
        return [ops.zeros_like(x) for x in inputs]
    again = _outer(nodes, own) or any(s.node is not None for s in starts)
    if not again:
        starts = raw_starts(starts)
    found = run_backward(nodes, starts, create_graph=again, retain_graph=True, inputs=entry, accumulate=False)
    if not again:
        from ..autograd.gradients import own_all

        found = own_all(found, starts)
    return [ops.zeros_like(x) if g is None else g for g, x in zip(found, inputs, strict=True)]


def raw_starts(starts: Sequence[Tensor]) -> list[Any]:
    """Raw start gradients, all at the level of the highest one, which decides where backward computes."""
    top = max(starts, key=level_of)
    if not level_of(top):
        return [s.value for s in starts]
    return [lifted_to(s, top.value.frame).value for s in starts]


def vjp_parts(name: str, func: Callable, primals: tuple, has_aux: bool = False) -> Any:
    with modes.enable_grad():
        inputs, structure, leaves = _differentiable(name, primals)
        entry = [wrap(x.value, x.node) for x in inputs]
        result = func(*structure.build(inputs))
        if has_aux:
            result, aux = split_aux(name, result)
        outs, out_structure = tensor_outputs(name, result)
    if any(o.dtype.category < dtypes.FLOAT for o in outs):
        raise RuntimeError(
            f"{name}: All outputs of f must be floating-point or complex Tensors, got {[o.dtype for o in outs]}"
        )
    return (outs, out_structure, entry, leaves, aux) if has_aux else (outs, out_structure, entry, leaves)


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """``func(*primals)``, and the function that maps vectors like its output to their products with the Jacobian.

    Returns ``(output, vjp_fn)`` or ``(output, vjp_fn, aux)``; ``vjp_fn`` returns a tuple with one entry per primal.

    >>> import lucid
    >>> y, f = lucid.func.vjp(lucid.exp, lucid.zeros(2))
    >>> f(lucid.tensor([1.0, 2.0]))
    (tensor([1., 2.]),)
    """
    recorded = modes.is_grad_enabled()
    outs, structure, inputs, leaves, *aux = vjp_parts("vjp", func, primals, has_aux)
    own = set(leaves)
    _, in_structure = flatten(primals)

    def vjp_fn(*cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> tuple:
        vectors, found = flatten(cotangents[0] if len(cotangents) == 1 else cotangents)
        if found != structure:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to the function; got "
                f"{len(vectors)} cotangents for {len(outs)} outputs, or other containers. vjp_fn takes one argument"
            )
        for i, (o, v) in enumerate(zip(outs, vectors, strict=True)):
            if not isinstance(v, Tensor):
                raise TypeError(f"vjp_fn: cotangents are Tensors, got {type(v).__name__}")
            if v.shape != o.shape:
                raise RuntimeError(
                    f"vjp_fn: a cotangent of shape {tuple(v.shape)} does not fit its output of shape {tuple(o.shape)}"
                )
            vectors[i] = ops.cast(v, o.dtype)
        recording = modes.is_grad_enabled()
        with modes.enable_grad():
            gradients = pull_back(outs, vectors, [x.node for x in inputs], inputs, own)
        return in_structure.build(detach_own(g, own, recording) for g in gradients)

    output = structure.build(detach_own(o, own, recorded) for o in outs)
    return (output, vjp_fn, _detached(aux[0], own, recorded)) if has_aux else (output, vjp_fn)
