"""Views: tensors that share memory with another, and keep sharing it after either is written to.

A view remembers its base and the op that made it. When the base's version has moved on (something was written in
place, through the base or through another view), the view rebuilds its value and its node at the next look.
Only views pay for this; a plain Tensor keeps bare slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from sys import getrefcount
from typing import TYPE_CHECKING, Any

from ..backends import backend_of, load
from . import mutation
from .graph import SELECT, Leaf, Node, entitle, make_node, next_seq, retain_from
from .modes import is_grad_enabled, is_inference_mode_enabled, set_grad_enabled
from .record import HOST, OPS, find_kernel
from .tensor import Tensor, new_tensor, wrap
from .tensor_type import Alike

if TYPE_CHECKING:
    from .record import Op


class View(Tensor, metaclass=Alike):
    """A Tensor whose ``value`` and ``node`` follow the tensor it was taken from."""

    __slots__ = ("_node", "_seen", "_value", "op", "params", "root", "source", "stem", "tracks")

    root: Tensor  # the tensor that owns the memory
    source: Tensor  # the tensor this was taken from: the root, or another view of it
    stem: Tensor  # the tensor that the graph knows this as a part of: the root, or a detached view of it
    op: Op | None  # None for detach(), whose value is the source's
    params: tuple
    tracks: (
        bool | None
    )  # whether the graph follows too: not for detach() nor under no_grad (nor in inference mode: None)

    @property
    def value(self) -> Any:  # type: ignore[override]
        if self._seen != self.root._version:
            self._refresh()
        return self._value

    @value.setter
    def value(self, array: Any) -> None:
        self._value = array

    @property
    def node(self) -> Node | None:  # type: ignore[override]
        if self._seen != self.root._version:
            self._refresh()
        return self._node

    @node.setter
    def node(self, node: Node | None) -> None:
        self._node = node

    @property
    def _version(self) -> int:  # type: ignore[override]
        return self.root._version

    @_version.setter
    def _version(self, version: int) -> None:
        self.root._version = version

    @property
    def base(self) -> Tensor | None:
        return self.stem if self.tracks else None

    def is_inference(self) -> bool:
        return self.root._version < 0

    def _refresh(self) -> None:
        if "_changes" in self.source.__dict__:
            self.source = _source_before(self, self._seen)
        self._seen = self.root._version
        source = self.source.value
        if self.op is None:
            self._value = source.detached() if hasattr(source, "level") else source
            return
        self._value = backend_of(source).array(
            (self.op.kernels.get(type(source)) or find_kernel(self.op, type(source)))(source, *self.params)
        )
        if self.tracks:
            before, self._node = self._node, _lineage(self)
            if self._node is not None:
                retain_from(before, self._node)


def _lineage(view: View) -> Node | None:
    """New nodes from the stem to a view: as PyTorch's, they pass by the views between, which may have hooks of their own."""
    source = view.source
    parent = source.node if source is view.stem or source.op is None else _lineage(source)  # type: ignore[arg-type]
    if parent is None:
        return None
    saved = (None, None, (tuple(source.value.shape),))
    return make_node(view.op, (parent,), saved, view.params, view._value.shape)  # type: ignore[arg-type]


View.__name__ = View.__qualname__ = "Tensor"  # users see a Tensor; the class is an inner matter


def new_view(value: Any, node: Node | None, source: Tensor, op: Op | None, params: tuple, tracks: bool | None) -> View:
    t = new_tensor(View)
    t._value = value
    t._node = node
    t._grad = None
    t.source = source
    t.root = root = source.root if type(source) is View else source
    t.stem = source.stem if type(source) is View and source.tracks else source
    t._seen = root._version
    t.op = op
    t.params = params
    t.tracks = tracks
    return t


def detached(x: Tensor) -> View:
    """A tensor outside the graph that shares the memory of ``x``."""
    if hasattr(x.value, "level"):  # inside jvp or vmap: outside every derivative, those of lower levels too
        return new_view(x.value.detached(), None, x, None, (), False)
    return new_view(x.value, None, x, None, (), False)


_UNWATCHED = ("data",)  # the params of a view that `.data` made


def data_of(x: Tensor) -> Tensor:
    """As ``detached``, but writing to it, or to views of it, is not seen by backward: what nodes saved may change under them."""
    if hasattr(x.value, "level"):
        return detached(x)
    return new_view(x.value, None, x, None, _UNWATCHED, False)


def _watched(target: Tensor) -> bool:
    while type(target) is View:
        if target.params is _UNWATCHED:
            return False
        target = target.source
    return True


assign_on_host = load("cpu").assign


def overwritten(target: Tensor) -> None:
    """Remember that the memory of a plain tensor was overwritten just now.

    An array that only its tensor holds (and the line that asks) is saved by no node and seen by no view: there is
    nothing to remember, and backward will not look for it. The running statistics of a BatchNorm are such arrays.
    """
    if getrefcount(target.value) > 2 or target.value.base is not None:
        mutation.note(target.value)
    target._version += 1


def write(target: Tensor, source: Tensor, name: str, since: int | None = None) -> Tensor:
    """Overwrite ``target`` with ``source`` (of its shape and dtype): the one way that in-place ops write.

    The memory changes, the version of the root moves on, and the graph sees one node: the root now comes from its old
    self and ``source``. Raises RuntimeError where PyTorch does: on leaves that require grad, while recording.
    ``since`` is the clock when the in-place op began: nodes made after it keep copies of the old contents they saved.
    """
    if (
        type(target) is not View
        and ((target.node is None and source.node is None) or (type(target.node) is Leaf and not is_grad_enabled()))
        and target._version >= 0
    ):
        old, new = target.value, source.value
        if type(old) is HOST and type(new) is HOST:  # memory alone, and nothing to record
            assign_on_host(old, new)
            del old
            overwritten(target)
            return target
    if "_copy_of_view" in target.__dict__:
        raise RuntimeError(
            f"{name}: inside jvp and vmap as_strided gives a copy, so writing to it would be lost; use as_strided_scatter"
        )
    recording = is_grad_enabled()
    root = target.root if type(target) is View else target
    tracked = type(target) is not View or target.tracks
    stem = target.stem if type(target) is View and tracked else target
    if recording:
        if type(stem.node) is Leaf:
            what = "a leaf Variable" if stem is target else "a view of a leaf Variable"
            raise RuntimeError(f"{name}: {what} that requires grad is being used in an in-place operation.")
        if type(target) is View and tracked and target.node is not None:
            _check_pieces(target)
        if type(target) is View:
            _check_made_aside(target, source.node is not None)
    if _level(source) != _level(target):
        source = _on_one_level(target, root, source, since)
    refuse_inference(target, name)
    old_node, new_node = (target.node, source.node) if recording else (None, None)
    if stem.node is not None:
        _keep_own_output(stem.node, mutation.owner(target.value))
    if since is not None and new_node is not None:
        _keep_old_contents(new_node, mutation.owner(target.value), since)
    chain = _chain(target)
    written = _store(root, chain, target.value, source.value, _watched(target), stem is root)
    if recording and (old_node is not None or new_node is not None):
        if (
            stem is not target or new_node is None
        ):  # overwritten by constants, the old contents get zeros (as in PyTorch)
            stem.node = _scatter_node(stem, _chain(target, stem), new_node)
        else:
            target.node = retain_from(old_node, _repointed(new_node, source.value, written))
    root._version += 1
    if old_node is not None and old_node.extra is not None and type(target) is View:
        target._refresh()  # now, for the old node stays in the graph
    if type(target) is View and not tracked:
        target._seen = root._version
        target._value = written
    return target


def _check_made_aside(view: Tensor, tracked: bool) -> None:
    """Raise RuntimeError where what is written, or written to, has a graph that a view made under no_grad is no part of."""
    link = view
    while type(link) is View and link.op is not None:
        if not link.tracks and (tracked or link.stem.node is not None):
            a, b, c = (
                ("inference mode", "normal mode", "inference_mode")
                if link.tracks is None
                else ("no_grad mode", "grad mode enabled", "no_grad")
            )
            raise RuntimeError(
                f"A view {'' if link is view else 'of a view which '}was created in {a} and is being modified inplace {'in' if c[0] == 'i' else 'with'} {b}. "
                "Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the "
                f"view and the inplace either both inside the {c} block (if you don't want the inplace to be tracked) or both outside."
            )
        link = link.source


def mark_pieces(pieces: Sequence[Tensor], name: str) -> None:
    """Let the outputs of one function that returns several views know its name, and which of them they are."""
    for k, piece in enumerate(pieces):
        entitle(piece.node, name)
        piece.__dict__["_piece"] = (name, k)


def _check_pieces(target: Tensor) -> None:
    """Raise RuntimeError where PyTorch does: a view of several that one function returned, and what is taken of it."""
    while type(target) is View:
        if "_piece" in target.__dict__:
            name, k, *why = target.__dict__["_piece"]
            raise RuntimeError(f"Output {k} of {name} is a view and is being modified inplace. " + (why or [MANY])[0])
        target = target.source


MANY = (
    "This view is the output of a function that returns multiple views. Such functions do not allow the output views to be "
    "modified inplace. You should replace the inplace operation by an out-of-place one."
)


def come_from(target: Tensor, node: Node | None) -> None:
    """Let a tensor that was overwritten by other means than ``write`` come from ``node``: where it is a view, its base does."""
    if type(target) is View and target.tracks:
        target.stem.node = _scatter_node(target.stem, _chain(target, target.stem), node)
        target.root._version += 1
    else:
        target.node = None if node is None else retain_from(target.node, node)


def refuse_inference(target: Tensor, name: str) -> None:
    """Raise RuntimeError for an inference tensor outside of inference mode, about to be written to."""
    if target.is_inference() and not is_inference_mode_enabled():
        raise RuntimeError(
            f"Inplace update to inference tensor outside InferenceMode is not allowed by {name}. You can make a clone to get a "
            "normal tensor before doing inplace update."
        )


def is_view(t: Any) -> bool:
    """Whether this shares memory with a tensor that somebody holds. The result of ``a @ b`` may be one in name only."""
    if type(t) is not View or (t.op is None and not t.tracks) or t.is_inference():
        return False
    root, held = t.root, 2  # this name, and the argument of getrefcount
    link: Tensor = t
    while type(link) is View:
        held += (link.source is root) + (link.root is root) + (link.stem is root)
        link = link.source
    del link
    return getrefcount(root) > held


def turned(t: Tensor) -> str | None:
    """What of a view PyTorch would compute later: ``"conj"`` of a conjugate, ``"neg"`` of its imaginary part."""
    odd, found = False, None
    for op, _ in _chain(t):
        odd ^= op.name == "conj"
        found = "neg" if op.name == "imag" and odd else found
    return found if t.dtype.is_floating_point else "conj" if odd else None


def _chain(target: Tensor, start: Tensor | None = None) -> tuple:
    """The ops that lead from the root (or from another start) to this view, in order."""
    steps = []
    while type(target) is View and target is not start:
        if target.op is not None:
            steps.append((target.op, target.params))
        target = target.source
    return tuple(reversed(steps))


def _store(root: Tensor, chain: tuple, old: Any, new: Any, watched: bool, known: bool) -> Any:
    """Write ``new`` over ``old``, a view of the root's array; returns the written array."""
    backend = backend_of(old)
    lazy = "conj" in [op.name for op, _ in chain]  # such a view is an array of its own
    if backend.writes_in_place and not lazy:
        backend.assign(old, new)
        if watched:
            mutation.note(old)
        return old
    if watched:
        mutation.note(root.value)  # the old array lives on in the graph, but PyTorch would call it overwritten
    whole = backend.array(put_through(backend.table, root.value, new, chain))
    if backend.writes_in_place:
        backend.assign(root.value, whole)
        return backend.copy(new)
    root.value = root.value.overwritten(whole) if hasattr(whole, "level") and not known else whole
    return new


def _level(t: Tensor) -> int:
    return getattr(t.value, "level", 0)


def _on_one_level(target: Tensor, root: Tensor, source: Tensor, since: int | None) -> Tensor:
    """Inside jvp or vmap: bring what is written, or the tensor written to, to the higher of their two levels, node and all."""
    if _level(source) < _level(target):
        return wrap(target.value.frame.constant(source))
    lead = source.value
    if getattr(lead, "batched", False):
        raise RuntimeError(
            "vmap: inplace arithmetic is not possible because the tensor written to is one for all examples (captured, made of "
            "such ones, or given with in_dims=None), and the values written differ along the batch. Use the out-of-place form, "
            "or make the tensor inside the function"
        )
    mutation.note(root.value, since)  # what this very op saved of it stays as it was
    root.value, root.node = lead.frame.constant(wrap(root.value, root.node)), None
    root._version += 1
    return source


def put_through(xp: Any, x: Any, new: Any, chain: tuple) -> Any:
    """``x`` with the part that a chain of view ops shows replaced by ``new``."""
    if not chain:
        return new
    (op, params), rest = chain[0], chain[1:]
    if rest:
        new = put_through(xp, getattr(xp, op.name)(x, *params), new, rest)
    return op.put(xp, x, new, *params)


def look_through(xp: Any, x: Any, chain: tuple) -> Any:
    """What a chain of view ops shows of ``x``."""
    for op, params in chain:
        x = getattr(xp, op.name)(x, *params)
    return x


def _keep_own_output(node: Node, memory: Any) -> None:
    """Copy the output that the op behind this tensor saved for itself, where PyTorch's op saves other things.

    ``bn(x)`` followed by an in-place relu is everyday code; that our rule looks at the result is our own matter.
    """
    if node.op is SELECT:
        node = node.parents[0]  # type: ignore[assignment]
    if not getattr(node.op, "private_out", False) or type(node.saved) is not tuple:
        return

    def kept(v: Any) -> Any:
        if type(v) is tuple:
            return tuple(kept(part) for part in v)
        return backend_of(v).copy(v) if hasattr(v, "shape") and mutation.owner(v) is memory else v

    node.saved = tuple(kept(v) for v in node.saved)


def layout(view: View, *then: tuple) -> Any:
    """A NumPy array laid out in memory as this view would be in PyTorch, on backends whose arrays hide their strides.

    ``then`` are further (op, params) to look through. What it holds means nothing.
    """
    cpu = load("cpu")
    memory = cpu.table.empty(tuple(view.root.shape), view.root.dtype)
    chain = [step for step in _chain(view) if step[0].name != "conj"]
    seen = look_through(cpu.table, memory, (*chain, *then))
    return seen if not then or cpu.aliases(seen, memory) else None


def _keep_old_contents(node: Node, memory: Any, since: int) -> None:
    """Copy what the nodes of this very op saved of the memory that is about to be overwritten (``x.mul_(y)`` needs old x)."""
    stack = [node]
    while stack:
        node = stack.pop()
        if type(node.saved) is tuple and any(mutation.owner(v) is memory for v in node.saved if hasattr(v, "shape")):
            node.saved = tuple(
                backend_of(v).copy(v) if hasattr(v, "shape") and mutation.owner(v) is memory else v for v in node.saved
            )
        stack.extend(p for p in node.parents if p is not None and p.seq > since)


def _repointed(node: Node, result: Any, written: Any) -> Node:
    """If the op saved its output, let it keep the memory that now holds it: one array less, and overwriting it is seen.

    The node is dated after the write, unless it also saved the old contents: those are gone, and backward shall say so.
    """
    if type(node.saved) is tuple and node.saved:
        memory = mutation.owner(written)
        if not any(mutation.owner(v) is memory for v in node.saved if hasattr(v, "shape")):
            node.saved = tuple(written if v is result else v for v in node.saved)
            node.seq = next_seq()
    return node


def _scatter_node(stem: Tensor, chain: tuple, new_node: Node | None) -> Node:
    saved, shape = (None, None, None), tuple(stem.value.shape)
    return retain_from(stem.node, make_node(OPS["view_scatter"], (stem.node, new_node), saved, (chain,), shape))


def _source_before(view: View, seen: int) -> Tensor:
    """The source of a view as it was when the view was last right: through the changes of shape made since, undone."""
    source = view.source
    for version, back in reversed(source.__dict__["_changes"]):
        if version <= seen:
            break
        if back is None:
            raise RuntimeError("a view cannot follow its base after as_strided_; take the view again")
        op, params = back
        with set_grad_enabled(bool(view.tracks)):
            source = op.call(source, *params)
    return source
