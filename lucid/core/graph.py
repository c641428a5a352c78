"""Nodes: what is recorded of one op.

A node holds its parents, what its rules need, and its output's shape; never its output Tensor. So there are no
reference cycles, and a graph is freed by reference count the moment the loss goes.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .record import Op
    from .tensor import Tensor

next_seq = itertools.count(1).__next__


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
        by_params = NAMES.get(self.op.name)
        return self.op.node_name if by_params is None else by_params(self)

    @property
    def next_functions(self) -> tuple:
        """The nodes that the gradient goes to next, each with the number of the output it belongs to."""
        return tuple(
            (shown(_skip_select(p)), p.params[0] if p is not None and p.op is SELECT else 0)
            for p in NEXT.get(self.op.name, _parents)(self)
        )

    def __getattr__(self, name: str) -> Any:
        """``_saved_self``, ``_saved_other``, ``_saved_result``: what the node keeps for its gradient, None for what it does not."""
        place = _SAVED.get(name)
        if place is None or place >= len(self.parents):
            if name not in Node.__slots__ and hasattr(self.op, "cls") and self.saved is not FREED:
                return getattr(self.saved, name)  # of an autograd.Function: what is on its ctx
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if self.saved is FREED:
            raise RuntimeError(
                "Trying to access saved tensors after they have been freed: backward needs retain_graph=True"
            )
        saved = self.saved.restore() if type(self.saved) is Packed else self.saved
        if place < 0:
            return _as_saved(saved[len(self.parents)], self) if saved else None
        return _as_saved(saved[place], self.parents[place]) if saved else None

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


_SAVED = {"_saved_self": 0, "_saved_other": 1, "_saved_result": -1}


def _as_saved(value: Any, node: Node | None) -> Tensor | None:
    """A saved array as the tensor it was: the leaf itself where there is one."""
    from .tensor import wrap

    leaf = node.owner() if type(node) is Leaf else None
    return leaf if leaf is not None and leaf.value is value else None if value is None else wrap(value, node)


def _parents(node: Node) -> Sequence[Node | None]:
    return node.parents


# Op name -> the nodes that ``next_functions`` shows, where PyTorch's function has other inputs or another order.
NEXT: dict[str, Callable[[Node], Sequence[Node | None]]] = {}
# Op name -> how to name its node, where PyTorch's name depends on more than the op (``ops/names.py``).
NAMES: dict[str, Callable[[Node], str]] = {}
_titles: dict[str, type[Node]] = {}  # the classes of nodes that have a name of their own


def entitle(node: Node | None, name: str) -> None:
    """Give a node a name of its own: that of PyTorch's function, where ours is made of several ops."""
    if type(node) is Node:
        kind = _titles.get(name)
        if kind is None:
            kind = _titles[name] = type(name, (Node,), {"__slots__": (), "name": lambda self: name})
        node.__class__ = kind  # a class costs a node nothing, where an attribute would


def entitled(t: Any, name: str) -> Any:
    """A tensor whose node has a name of its own."""
    entitle(t.node, name)
    return t


def shown(node: Node | None) -> Node | None:
    """A node as users see it: its class has the name of the node, as PyTorch's classes do."""
    if type(node) is Node:
        entitle(node, node.name())
    return node


def _skip_select(node: Node | None) -> Node | None:
    return node.parents[0] if node is not None and node.op is SELECT else node


class Leaf(Node):
    """Where a gradient ends: a tensor that requires grad and was not made by an op."""

    __slots__ = ("owner", "post_accumulate")

    owner: weakref.ref[Tensor]

    def __init__(self, tensor: Tensor):
        self.op, self.parents, self.saved, self.params = ACCUMULATE, (), (), ()
        try:
            self.shape = tensor.value.shape
        except ValueError:  # a parameter that waits for its shape
            self.shape = (0,)
        self.seq, self.extra = next_seq(), None
        self.owner = weakref.ref(tensor)  # weak: the tensor holds its node
        self.post_accumulate: dict[int, Callable] | None = None

    @property
    def variable(self) -> Tensor | None:
        return self.owner()


class _Pseudo:
    """Ops of the engine itself, with no kernel."""

    def __init__(self, name: str, node_name: str):
        self.name, self.node_name = name, node_name
        self.rules = self.step = None


Leaf.__name__ = Leaf.__qualname__ = "AccumulateGrad"  # PyTorch's name, which users see


ACCUMULATE: Any = _Pseudo("accumulate", "AccumulateGrad")


class _Underivable(_Pseudo):
    """What gives a tensor that requires grad, as PyTorch's does, and has no derivative: backward says so."""

    keeps_values = False

    def vjp(self, xp: Any, node: Node, *_: Any) -> Any:
        raise NotImplementedError(f"the derivative for '{node.params[0]}' is not implemented.")


UNDERIVABLE: Any = _Underivable("underivable", "NotImplemented")
SELECT: Any = _Pseudo("select_output", "SelectBackward0")  # output k of an op with several outputs


HOOKED: list[bool] = []  # not empty once there was any hook: only then does the order of leaves show


class RemovableHandle:
    """What registering a hook returns; ``remove()`` takes the hook away (also usable with ``with``)."""

    _ids = itertools.count()

    def __init__(self, hooks: dict, hook: Callable, *, prepend: bool = False, flags: Sequence[dict] = ()):
        self.id = next(self._ids)
        self._hooks, self._flags = hooks, flags
        hooks[self.id] = hook
        for flag in flags:  # what else the hook wants
            flag[self.id] = True
        if not HOOKED:
            HOOKED.append(True)
        if prepend:
            for key in [k for k in hooks if k != self.id]:
                hooks[key] = hooks.pop(key)

    def remove(self) -> None:
        for entries in (self._hooks, *self._flags):
            entries.pop(self.id, None)

    def hooks_dict_ref(self) -> dict:
        """The hooks that this one was put among."""
        return self._hooks

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


def retain_from(old: Node | None, new: Node) -> Node:
    """``new``, where a tensor comes from after a write to it, takes over from ``old`` that the tensor wants its gradient."""
    if old is not None and old.extra is not None and old.extra.retain is not None:
        new.extra = new.extra or Extra()
        new.extra.retain, old.extra.retain = old.extra.retain, None
    return new


def select(node: Node, k: int, count: int, shape: tuple[int, ...]) -> Node:
    """The node of output ``k`` of an op with ``count`` outputs."""
    return make_node(SELECT, (node,), (), (k, count), shape)
