"""Backward: one pass over the graph in reverse order of creation, no recursion."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import nullcontext
from contextvars import ContextVar
from operator import attrgetter
from typing import Any

from ..backends import backend_of
from . import modes, mutation
from .errors import BackwardError
from .graph import ACCUMULATE, FREED, HOOKED, SELECT, Extra, Leaf, Node, Packed, make_node, select
from .node_hooks import anomaly, post_hooks, pre_hooks, tensor_hooks
from .record import HOST
from .step import unbroadcast, write_step
from .tensor import Tensor, as_tensor, wrap
from .view import overwritten

by_seq = attrgetter("seq")
running: ContextVar[Any] = ContextVar("lucid_backward", default=None)  # the Pass of this thread, if any


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
    return _leaves_early(order) if HOOKED else order


def _leaves_early(order: list[Node]) -> list[Node]:
    """The same order with each leaf right after the last node that adds to its gradient, which is when its hooks run.

    A hook may apply and drop the gradient; nobody else can tell, so a program without hooks is spared the work.
    """
    last = {p: node for node in order for p in node.parents if type(p) is Leaf}
    after: dict[Node, list[Node]] = {}
    for leaf, node in last.items():
        after.setdefault(node, []).append(leaf)
    return [n for node in order if node not in last for n in (node, *after.get(node, ()))]


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
    order = gather(roots)
    if anomaly.get():
        for node in order:
            if node.extra is None:
                node.extra = Extra()
            node.extra.trace = node.extra.trace or ""
    backend = backend_of(gradients[0].value if create_graph else gradients[0])
    xp: Any = backend.table
    before = modes.current()
    if create_graph:
        from .. import ops as xp  # type: ignore[no-redef]  # the same rules read with Tensors; ops stand above core

        modes.set_mode((before or modes.NORMAL).replace(record=True, inference=False))
    elif not hasattr(gradients[0], "level"):  # at a transform's level the levels below may still record
        modes.set_mode(modes.NO_GRAD if before is None else before.replace(record=False))  # for hooks
    this = Pass(order, inputs, xp, create_graph, retain_graph, accumulate)
    token = running.set(this)
    grads, shared = this.grads, this.shared
    several = backend.several and not create_graph
    plain, free = inputs is None and not create_graph, not retain_graph
    written = mutation.latest()  # nodes made before this may have saved what was overwritten since
    for root, g in zip(roots, gradients, strict=True):
        shared.add(id(g))
        held = grads.get(root)
        grads[root] = g if held is None else held + g
    try:
        with nullcontext() if create_graph else backend.quiet():
            for node in order:
                g = grads.pop(node, None)
                if g is None:
                    continue
                if several:
                    backend.follow(g)
                step, saved = node.op.step, node.saved
                if plain and step is not None and node.extra is None and node.seq >= written and type(saved) is tuple:
                    step(xp, g, saved, node, node.parents, grads, shared)
                    if free and node.op.keeps_values:
                        node.saved = FREED
                else:
                    this.visit(node, g)
                    written = mutation.latest()  # its hooks may have written to something
    finally:
        running.reset(token)
        modes.set_mode(before)
    return list(this.wanted.values()) if inputs is None else [this.wanted[n] for n in inputs]


class Pass:
    """One running backward: the gradients under way, and all that an ordinary node does not need."""

    def __init__(
        self,
        order: list[Node],
        inputs: Sequence[Node] | None,
        xp: Any,
        create_graph: bool,
        retain_graph: bool,
        accumulate: bool,
    ):
        self.order, self.xp = order, xp
        self.create_graph, self.retain_graph, self.accumulate = create_graph, retain_graph, accumulate
        self.needed = None if inputs is None else _needed(order, inputs)
        self.wanted: dict[Node, Any] = dict.fromkeys(inputs or ())
        self.grads: dict[Node, Any] = {}
        self.shared: set[int] = set()  # arrays (by id) that more than one place may hold: a leaf must not keep these

    def reaches(self, node: Node | None) -> bool:
        """Whether this backward comes to that node (for hooks that wait for several gradients)."""
        return node in self.order if self.needed is None else node in self.needed

    def visit(self, node: Node, g: Any) -> None:
        """Hooks, leaves, outputs asked for; then the rules of the op."""
        needed, create_graph = self.needed, self.create_graph
        if needed is not None and node not in needed:
            return
        op, shared = node.op, self.shared
        if node.extra is not None:
            g = tensor_hooks(node, g, create_graph)
            shared.add(id(g))
        if node in self.wanted:
            self.wanted[node] = g
            shared.add(id(g))
            if not self.accumulate and (op is ACCUMULATE or (needed is not None and needed.isdisjoint(node.parents))):
                return  # nobody asks for more: the node is not used up either
        if node.extra is not None and node.extra.pre_hooks:
            g = pre_hooks(node, g, create_graph)
            shared.add(id(g))
        if op is ACCUMULATE:
            _accumulate(node, g, create_graph, id(g) in shared)
            if node.extra is not None and node.extra.post_hooks:
                post_hooks(node, (), g, (), create_graph)
        elif op is SELECT:
            self._collect(node, g)
        else:
            if create_graph and (op.name in BY_STEPS or type(node).__name__ in BY_STEPS):
                g = wrap(g.value, make_node(BESIDE, (g.node, *node.parents), (), (), g.shape))
            saved = self._saved(node)
            if op.rules is None or (node.extra is not None and (node.extra.post_hooks or node.extra.trace is not None)):
                self._one_by_one(node, g, saved)
            else:
                if op.step is None:
                    op.step = write_step(op)
                parents = node.parents if needed is None else [p if p in needed else None for p in node.parents]
                op.step(self.xp, g, saved, node, parents, self.grads, shared)
            if not self.retain_graph and op.keeps_values:
                node.saved = FREED

    def _collect(self, node: Node, g: Any) -> None:
        """The gradient of one output of an op with several: a list of them waits for the op itself."""
        parent: Any = node.parents[0]
        k, count = node.params
        outputs = self.grads.get(parent)
        if outputs is None:
            outputs = self.grads[parent] = [None] * count
        outputs[k] = g if outputs[k] is None else outputs[k] + g

    def _saved(self, node: Node) -> Any:
        """What the node saved, if it is still there and still what the node saw."""
        saved = node.saved
        if saved is FREED:
            raise BackwardError(
                "Trying to backward through the graph a second time (or directly access saved tensors after they have "
                f"already been freed): what {node.name()} saved is gone. Specify retain_graph=True in the first "
                "backward() or grad() if you need to go through it a second time"
            )
        if type(saved) is Packed:
            saved = saved.restore()
        if node.seq < mutation.latest() and type(saved) is tuple:
            mutation.check(node, saved)
        return _as_tensors(node, saved) if self.create_graph else saved

    def _one_by_one(self, node: Node, g: Any, saved: Any) -> None:
        """The gradients of all inputs as a list, which hooks may see before they are added up."""
        xp, grads = self.xp, self.grads
        results: Sequence[Any]
        if node.op.rules is None:
            results = node.op.vjp(xp, node, g, saved, self.create_graph)
        else:
            rules = zip(node.parents, node.op.rules, strict=False)  # the last inputs may have been left out (a bias)
            results = [None if p is None else rule(xp, g, saved, node.params) for p, rule in rules]
        if node.extra is not None and (node.extra.post_hooks or node.extra.trace is not None):
            results = post_hooks(node, results, g, saved, self.create_graph)
        # What a joint rule of ours made belongs to nobody else, unless it is there twice or came in; users' code may do more.
        own = node.extra is None and getattr(node.op, "joint", None) is not None
        others = [id(v) for v in (*results, *(g if isinstance(g, list) else (g,))) if v is not None] if own else []
        for parent, result in zip(node.parents, results, strict=True):
            if parent is not None and result is not None:
                if not own or others.count(id(result)) > 1:
                    self.shared.add(id(result))
                if result.shape != parent.shape:
                    result = unbroadcast(xp, result, parent.shape)
                    self.shared.add(id(result))
                held = grads.get(parent)
                grads[parent] = result if held is None else held + result


class _Beside:
    """A gradient beside what it depends on by steps only, if at all: zeros go there, as from PyTorch's derivatives of these.

    So a penalty on the slopes of a network fills the ``.grad`` of its biases, and a Laplacian is there.
    """

    name, node_name, rules, step, keeps_values = "beside", "Beside", None, None, False

    def vjp(self, xp: Any, node: Node, g: Any, saved: tuple, create_graph: bool) -> list[Any]:
        return [g, *(None if p is None else xp.zeros_of(p.shape, g) for p in node.parents[1:])]


BESIDE: Any = _Beside()
# Ops, and by PyTorch's names functions made of several, whose slope does not vary and whose derivative there is of the input.
BY_STEPS = frozenset(
    "leaky_relu hardtanh extend avg_pool max_pool nll_rows ThresholdBackward0 SoftshrinkBackward0 HardshrinkBackward0 "
    "RreluWithNoiseBackward0 PreluKernelBackward0 AdaptiveAvgPool2DBackward0 AdaptiveAvgPool3DBackward0 "
    "FractionalMaxPool2DBackward0 FractionalMaxPool3DBackward0 MaxUnpool2DBackward0 MaxUnpool3DBackward0".split()
)


def _as_tensors(node: Node, saved: Any) -> Any:
    """Saved arrays as Tensors that remember where they came from, so that a rule read on them is recorded."""
    op = node.op
    if not op.keeps_values or type(saved) is not tuple:
        return saved  # an op with a vjp of its own (autograd.Function) keeps what it likes
    n = len(node.parents)
    values: list[Any] = [
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


def in_dtype_of(g: Any, tensor: Any) -> Any:
    """A gradient as a raw array of the tensor's dtype; itself if it has that (two names of one dtype are equal, too)."""
    dtype = tensor.dtype
    backend = backend_of(g)
    return g if backend.dtype_name(g.dtype) == dtype.name else backend.table.cast(g, dtype)


_accumulating = threading.RLock()


def _accumulate(leaf: Any, g: Any, create_graph: bool, is_shared: bool) -> None:
    """Add ``g`` to the gradient of the tensor that owns this leaf."""
    tensor = leaf.owner()
    if tensor is None:
        return
    if not create_graph and g.dtype is not tensor.value.dtype:  # bfloat16 times a Python number is float32 on NumPy
        given, g = g, in_dtype_of(g, tensor)
        is_shared = is_shared and g is given
    with _accumulating:  # two threads may run backward into one leaf
        held = tensor._grad
        if create_graph:
            tensor._grad = g if held is None else held + g
        elif held is None:
            # An array may be shared between parents (`x + y` hands both the same one): each leaf gets its own.
            backend = backend_of(g)
            tensor._grad = wrap(backend.copy(g) if is_shared else backend.own(g))
        elif held.node is None and held.value.dtype == g.dtype and held.shape == g.shape:
            old = held.value
            held.value = backend_of(g).add_into(old, g)
            if type(old) is HOST and type(held) is Tensor:
                del old
                overwritten(held)  # a graph may have saved it
            else:
                mutation.note(old)
                held._version += 1
        else:
            tensor._grad = held + wrap(g)
    if leaf.post_accumulate:
        for hook in list(leaf.post_accumulate.values()):
            answer = hook(tensor)
            if answer is not None and answer is not tensor:
                kind = RuntimeError if isinstance(answer, Tensor) else TypeError
                raise kind("Tensor post accumulate grad hooks should return None.")


# ---- where users come in -------------------------------------------------------------------------------------------------


def backward(
    tensors: Sequence[Tensor],
    gradients: Sequence[Any] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """``Tensor.backward`` for several roots at once (``lucid.autograd.backward``)."""
    value: Any = tensors[0].value if len(tensors) == 1 and tensors[0].node is None else None
    if (
        hasattr(value, "level") and value.frame.by_hand and value.inner.node is not None
    ):  # of the graph below a dual level
        with value.frame.below():
            return backward([value.inner], gradients, retain_graph, create_graph, inputs)
    roots, starts = start_gradients(tensors, gradients, create_graph)
    wanted = None
    if inputs is not None:
        chosen = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        if not chosen:
            raise RuntimeError("backward: `inputs` argument to backward cannot be empty")
        for t in chosen:
            if t.node is None:
                raise RuntimeError("backward: One of the differentiated Tensors does not require grad")
        wanted = [t.node for t in chosen if t.node is not None]
    found = run_backward(
        roots,
        starts,
        create_graph=create_graph,
        retain_graph=create_graph if retain_graph is None else retain_graph,
        inputs=wanted,
    )
    for t, g in zip(chosen, found, strict=True) if wanted else ():
        if type(t.node) is not Leaf and g is not None and isinstance(t, Tensor) and not t.retains_grad:
            fresh = g if create_graph else wrap(backend_of(g).copy(g))
            t._grad = fresh if t._grad is None else t._grad + fresh


def _has_outer_graph(value: Any) -> bool:
    """Whether an array of vmap or jvp comes from a tensor, some levels down, that requires grad."""
    while hasattr(value, "level"):
        if value.inner.node is not None:
            return True
        value = value.inner.value
    return False


def start_gradients(
    tensors: Sequence[Tensor], gradients: Sequence[Any] | None, create_graph: bool
) -> tuple[list[Node], list[Any]]:
    """The nodes to start from and their gradients, checked."""
    if gradients is None and not create_graph and len(tensors) == 1:  # loss.backward()
        (loss,) = tensors
        value, node = loss.value, loss.node
        if node is not None and type(value) is HOST and value.size == 1 and value.dtype.kind != "c":
            return [node], [backend_of(value).table.ones_like(value)]
    given = [None] * len(tensors) if gradients is None else list(gradients)
    if len(given) != len(tensors):
        raise RuntimeError(f"backward: got {len(tensors)} tensors and {len(given)} gradients")
    nodes, starts = [], []
    for k, (t, g) in enumerate(zip(tensors, given, strict=True)):
        if t.node is None:
            if _has_outer_graph(t.value):
                raise BackwardError(
                    "backward: called inside vmap or jvp on a tensor whose graph lies outside of it; call backward() outside, "
                    "or use lucid.func.grad or lucid.func.vjp inside"
                )
            raise BackwardError(
                "backward: element 0 of tensors does not require grad and does not have a grad_fn: no input of this "
                "computation has requires_grad=True, or it ran under no_grad()"
            )
        if g is None:
            if t.shape.numel() != 1:
                raise BackwardError(
                    f"backward: grad can be implicitly created only for scalar outputs; this one has shape {tuple(t.shape)}: "
                    "sum() or mean() it, or pass gradient="
                )
            if t.dtype.is_complex:
                raise BackwardError(
                    f"backward: grad can be implicitly created only for real scalar outputs but got {t.dtype}: pass gradient="
                )
            backend = backend_of(t.value)
            start: Any = wrap(backend.table.ones_like(t.value))
        else:
            start = as_tensor(g, like=t)
            if start.shape != t.shape:
                raise BackwardError(
                    f"Mismatch in shape: grad_output[{k}] has a shape of {start.shape} and output[{k}] has a shape of {t.shape}."
                )
            if start.dtype is not t.dtype:
                start = start.to(t.dtype)  # type: ignore[attr-defined]
        nodes.append(t.node)
        starts.append(start)
    lead: Any = max((v.value for v in (*tensors, *starts)), key=lambda v: getattr(v, "level", 0), default=None)
    if hasattr(lead, "level"):  # inside jvp or vmap: backward computes at the highest level of all
        starts = lead.adopt(starts)
    return nodes, starts if create_graph else [s.value for s in starts]
