"""Nodes and backward: one pass over the graph in reverse order of creation, no recursion.

A node holds its parents, what its rules need, and its output's shape; never its output Tensor. So there are no
reference cycles, and a graph is freed by reference count the moment the loss goes.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from contextvars import ContextVar
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ..backends import backend_of
from . import modes, mutation
from .errors import BackwardError, ShapeError

if TYPE_CHECKING:
    from .op import Op
    from .tensor import Tensor

next_seq = itertools.count(1).__next__
by_seq = attrgetter("seq")


class Pass:
    """One running backward, for hooks that wait for several gradients."""

    def __init__(self, order: list[Node], needed: set[Node] | None):
        self.order, self.needed = order, needed

    def reaches(self, node: Node | None) -> bool:
        """Whether this backward comes to that node."""
        return node in self.order if self.needed is None else node in self.needed


running: ContextVar[Any] = ContextVar("lucid_backward", default=None)
anomaly: ContextVar[bool] = ContextVar("lucid_anomaly", default=False)  # whether backward looks for NaN


class Freed:
    """Stands where saved values were, once backward has used them up."""


FREED = Freed()


class Packed:
    """Saved values held by ``saved_tensors_hooks``: what ``pack`` returned, and how to get the values back."""

    __slots__ = ("restore",)

    def __init__(self, restore: Callable[[], tuple]):
        self.restore = restore


class Extra:
    """The rare things that some nodes carry: hooks, a tensor that wants its gradient, where the node was made."""

    __slots__ = ("post_hooks", "pre_hooks", "retain", "tensor_hooks", "trace")

    def __init__(self) -> None:
        self.tensor_hooks: dict[int, Callable] = {}  # gradient of this node's output -> maybe another gradient
        self.pre_hooks: dict[int, Callable] = {}  # as PyTorch's Node.register_prehook
        self.post_hooks: dict[int, Callable] = {}  # as PyTorch's Node.register_hook
        self.retain: weakref.ref | None = None
        self.trace: str | None = None  # where the op was called, under detect_anomaly


class Node:
    """One recorded op."""

    __slots__ = ("__weakref__", "extra", "op", "params", "parents", "saved", "seq", "shape")

    op: Op
    parents: Sequence[Node | None]
    saved: Any
    params: tuple
    shape: tuple[int, ...]
    seq: int
    extra: Extra | None

    def name(self) -> str:
        """The name that ``grad_fn=<...>`` shows, such as ``MulBackward0``."""
        return self.op.node_name

    @property
    def next_functions(self) -> tuple:
        """The nodes that the gradient goes to next, each with the number of the output it belongs to."""
        return tuple((_skip_select(p), p.params[0] if p is not None and p.op is SELECT else 0) for p in self.parents)

    @property
    def metadata(self) -> dict:
        return {}

    def _hook(self, kind: str, hook: Callable) -> RemovableHandle:
        if self.extra is None:
            self.extra = Extra()
        return RemovableHandle(getattr(self.extra, kind), hook)

    def register_hook(self, hook: Callable) -> RemovableHandle:
        """Call ``hook(grad_inputs, grad_outputs)`` after this node; a returned tuple replaces ``grad_inputs``."""
        return self._hook("post_hooks", hook)

    def register_prehook(self, hook: Callable) -> RemovableHandle:
        """Call ``hook(grad_outputs)`` before this node; a returned tuple replaces ``grad_outputs``."""
        return self._hook("pre_hooks", hook)

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"


def _skip_select(node: Node | None) -> Node | None:
    return node.parents[0] if node is not None and node.op is SELECT else node


class Leaf(Node):
    """Where a gradient ends: a tensor that requires grad and was not made by an op."""

    __slots__ = ("owner", "post_accumulate")

    owner: weakref.ref[Tensor]

    def __init__(self, tensor: Tensor):
        self.op, self.parents, self.saved, self.params = ACCUMULATE, (), (), ()
        self.shape, self.seq, self.extra = tensor.value.shape, next_seq(), None
        self.owner = weakref.ref(tensor)  # weak: the tensor holds its node
        self.post_accumulate: dict[int, Callable] | None = None

    @property
    def variable(self) -> Tensor | None:
        return self.owner()


class _Pseudo:
    """Ops of the engine itself, with no kernel."""

    def __init__(self, name: str, node_name: str):
        self.name, self.node_name = name, node_name
        self.rules = None


ACCUMULATE: Any = _Pseudo("accumulate", "AccumulateGrad")
SELECT: Any = _Pseudo("select_output", "SelectBackward0")  # output k of an op with several outputs


class RemovableHandle:
    """What registering a hook returns; ``remove()`` takes the hook away (also usable with ``with``)."""

    _ids = itertools.count()

    def __init__(self, hooks: dict, hook: Callable, *, prepend: bool = False):
        self.id = next(self._ids)
        self._hooks = hooks
        hooks[self.id] = hook
        if prepend:
            for key in [k for k in hooks if k != self.id]:
                hooks[key] = hooks.pop(key)

    def remove(self) -> None:
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def make_node(op: Op, parents: Sequence[Node | None], saved: Any, params: tuple, shape: tuple[int, ...]) -> Node:
    node = Node()
    node.op = op
    node.parents = parents
    node.saved = saved
    node.params = params
    node.shape = shape
    node.seq = next_seq()
    node.extra = None
    return node


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


def gather(roots: Sequence[Node]) -> list[Node]:
    """Every node reachable from the roots, newest first (creation order is a topological order)."""
    seen = set(roots)
    stack = list(seen)
    order = []
    while stack:
        node = stack.pop()
        order.append(node)
        for parent in node.parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    order.sort(key=by_seq, reverse=True)
    return order


def _needed(order: list[Node], inputs: Sequence[Node]) -> set[Node]:
    """The nodes on a path to one of the inputs: nothing else need be differentiated."""
    needed = set(inputs)
    for node in reversed(order):
        if node not in needed and not needed.isdisjoint(node.parents):
            needed.add(node)
    return needed


def run_backward(
    roots: Sequence[Node],
    gradients: Sequence[Any],
    *,
    create_graph: bool = False,
    retain_graph: bool = False,
    inputs: Sequence[Node] | None = None,
    accumulate: bool = True,
) -> list[Any]:
    """Push gradients from the roots to the leaves.

    With ``inputs`` only paths to those nodes are followed and their gradients are returned (None where there is
    none); with ``accumulate`` gradients are also added to the ``.grad`` of the leaves among them (of all leaves
    without ``inputs``). Gradients are raw arrays, or Tensors with ``create_graph``.
    """
    from .. import ops  # the same rules read with Tensors; ops stand above core

    order = gather(roots)
    if anomaly.get():
        for node in order:
            if node.extra is None:
                node.extra = Extra()
            node.extra.trace = node.extra.trace or ""
    needed = None if inputs is None else _needed(order, inputs)
    wanted = dict.fromkeys(inputs or ())
    backend = backend_of(gradients[0].value if create_graph else gradients[0])
    xp: Any = ops if create_graph else backend.table
    oldest_mutation_risk = mutation.latest()
    before = modes.current()
    if create_graph:
        modes.set_mode((before or modes.NORMAL).replace(record=True, inference=False))
    token = running.set(Pass(order, needed))
    grads: dict[Node, Any] = {}
    shared = {id(g) for g in gradients}  # arrays that more than one place may hold: a leaf must not keep these
    for root, g in zip(roots, gradients, strict=True):
        held = grads.get(root)
        grads[root] = g if held is None else held + g
    try:
        with nullcontext() if create_graph else backend.quiet():
            for node in order:
                g = grads.pop(node, None)
                if g is None or (needed is not None and node not in needed):
                    continue
                op = node.op
                if node.extra is not None:
                    g = _tensor_hooks(node, g, create_graph)
                    shared.add(id(g))
                if node in wanted:
                    wanted[node] = g
                    shared.add(id(g))
                    if needed is not None and op is not ACCUMULATE and needed.isdisjoint(node.parents):
                        continue  # nobody asks for more: the node is not used up either
                if node.extra is not None and node.extra.pre_hooks:
                    g = _pre_hooks(node, g, create_graph)
                    shared.add(id(g))
                if op is ACCUMULATE:
                    if accumulate:
                        _accumulate(node, g, create_graph, id(g) in shared)
                    continue
                if op is SELECT:
                    parent: Any = node.parents[0]
                    outputs = grads.get(parent)
                    if outputs is None:
                        outputs = grads[parent] = [None] * node.params[1]
                    k = node.params[0]
                    outputs[k] = g if outputs[k] is None else outputs[k] + g
                    continue
                saved = node.saved
                if saved is FREED:
                    raise BackwardError(
                        f"backward: the graph of {node.name()} was already used and freed; call the first "
                        "backward(retain_graph=True) if you need to go through it a second time"
                    )
                if type(saved) is Packed:
                    saved = saved.restore()
                if node.seq < oldest_mutation_risk and type(saved) is tuple:
                    mutation.check(node, saved)
                if create_graph:
                    saved = _as_tensors(node, saved)
                rules = op.rules
                parents = node.parents
                hooked = node.extra is not None and (node.extra.post_hooks or node.extra.trace is not None)
                if rules is None or hooked:
                    if rules is None:
                        results = op.vjp(xp, node, g, saved, create_graph)
                    else:
                        results = [None if p is None else r(xp, g, saved, node.params) for p, r in zip(parents, rules)]  # noqa: B905
                    if hooked:
                        results = _post(node, results, g, saved, create_graph)
                    for parent, result in zip(parents, results, strict=True):
                        if parent is not None and result is not None:
                            if result.shape != parent.shape:
                                result = unbroadcast(xp, result, parent.shape)
                            shared.add(id(result))
                            held = grads.get(parent)
                            grads[parent] = result if held is None else held + result
                else:
                    params = node.params
                    for parent, rule in zip(parents, rules):  # noqa: B905  (hot: lengths are equal by construction)
                        if parent is None or (needed is not None and parent not in needed):
                            continue
                        result = rule(xp, g, saved, params)
                        if result is None:
                            continue
                        if result is g:
                            shared.add(id(g))
                        if result.shape != parent.shape:
                            result = unbroadcast(xp, result, parent.shape)
                        held = grads.get(parent)
                        grads[parent] = result if held is None else held + result
                if not retain_graph and op.keeps_values:
                    node.saved = FREED
    finally:
        running.reset(token)
        if create_graph:
            modes.set_mode(before)
    return list(wanted.values()) if inputs is None else [wanted[n] for n in inputs]


def _as_tensors(node: Node, saved: tuple) -> tuple:
    """Saved arrays as Tensors that remember where they came from, so that a rule read on them is recorded."""
    from .tensor import wrap

    op = node.op
    if not op.keeps_values or type(saved) is not tuple:
        return saved  # an op with a vjp of its own (autograd.Function) keeps what it likes
    n = len(node.parents)
    values = [
        wrap(v, p) if keep and v is not None else v
        for v, p, keep in zip(saved, node.parents, op.keep_all(n), strict=False)
    ]
    if op.keep_out and saved[n] is not None:
        out = saved[n]
        if type(out) is tuple:
            values.append(tuple(wrap(v, select(node, k, len(out), v.shape)) for k, v in enumerate(out)))
        else:
            values.append(wrap(out, node))
    else:
        values.append(None)
    return (*values, *saved[n + 1 :])


def select(node: Node, k: int, count: int, shape: tuple[int, ...]) -> Node:
    """The node of output ``k`` of an op with ``count`` outputs."""
    return make_node(SELECT, (node,), (), (k, count), shape)


def _tensor_hooks(node: Node, g: Any, create_graph: bool) -> Any:
    """Run the hooks that see the gradient of this node's output, in order; then keep it for ``retain_grad``."""
    from .tensor import unwrap, wrap

    extra = node.extra
    assert extra is not None
    if isinstance(g, list):  # several outputs: their hooks sit on the select nodes
        return g
    for hook in list(extra.tensor_hooks.values()):
        replaced = hook(g if create_graph else wrap(g))
        if replaced is not None:
            g = _checked_hook(replaced, g) if create_graph else unwrap(_checked_hook(replaced, g))
    tensor = None if extra.retain is None else extra.retain()
    if tensor is not None:
        held = tensor.grad
        fresh = g if create_graph else wrap(backend_of(g).copy(g))
        tensor.grad = fresh if held is None else held + fresh
    return g


def _checked_hook(replaced: Any, g: Any) -> Any:
    from .tensor import Tensor

    if not isinstance(replaced, Tensor):
        raise TypeError(f"a gradient hook must return None or a Tensor, not {type(replaced).__name__}")
    if tuple(replaced.shape) != tuple(g.shape):
        raise RuntimeError(f"hook has changed the size of value: from {tuple(g.shape)} to {tuple(replaced.shape)}")
    return replaced


def _pre_hooks(node: Node, g: Any, create_graph: bool) -> Any:
    """Run what ``grad_fn.register_prehook`` registered."""
    from .tensor import unwrap, wrap

    assert node.extra is not None
    parts = g if isinstance(g, list) else [g]
    for hook in list(node.extra.pre_hooks.values()):
        replaced = hook(tuple(v if v is None or create_graph else wrap(v) for v in parts))
        if replaced is not None:
            replaced = replaced if isinstance(replaced, tuple | list) else (replaced,)
            if len(replaced) != len(parts):
                raise RuntimeError(
                    f"{node.name()}: a prehook returned {len(replaced)} gradients, expected {len(parts)}"
                )
            parts = [v if v is None or create_graph else unwrap(v) for v in replaced]
    return parts if isinstance(g, list) else parts[0]


def _post(node: Node, results: Sequence[Any], g: Any, saved: Any, create_graph: bool) -> Sequence[Any]:
    """Look for NaN if asked to; then run what ``grad_fn.register_hook`` registered."""
    from .tensor import unwrap, wrap

    assert node.extra is not None
    outputs = tuple(g) if isinstance(g, list) else (g,)
    if node.extra.trace is not None and anomaly.get():
        from ..autograd.anomaly import check_gradients  # the report is for users and stands with them

        check_gradients(node, results, outputs, saved)

    def shown(values: Sequence[Any]) -> tuple:
        return tuple(v if v is None or create_graph else wrap(v) for v in values)

    for hook in list(node.extra.post_hooks.values()):
        replaced = hook(shown(results), shown(outputs))
        if replaced is not None:
            replaced = replaced if isinstance(replaced, tuple | list) else (replaced,)
            if len(replaced) != len(results):
                raise RuntimeError(f"{node.name()}: a hook returned {len(replaced)} gradients, expected {len(results)}")
            results = [v if v is None or create_graph else unwrap(v) for v in replaced]
    return results


_accumulating = threading.RLock()


def _accumulate(leaf: Any, g: Any, create_graph: bool, is_shared: bool) -> None:
    """Add ``g`` to the gradient of the tensor that owns this leaf."""
    from .tensor import wrap

    tensor = leaf.owner()
    if tensor is None:
        return
    with _accumulating:  # two threads may run backward into one leaf
        held = tensor.grad
        if create_graph:
            tensor.grad = g if held is None else held + g
        elif held is None:
            # An array may be shared between parents (`x + y` hands both the same one): each leaf gets its own.
            backend = backend_of(g)
            tensor.grad = wrap(backend.copy(g) if is_shared else backend.own(g))
        elif held.node is None and held.value.dtype == g.dtype and held.shape == g.shape:
            held.value = backend_of(g).add_into(held.value, g)
            held._version += 1
        else:
            tensor.grad = held + wrap(g)
    if leaf.post_accumulate:
        for hook in list(leaf.post_accumulate.values()):
            hook(tensor)
