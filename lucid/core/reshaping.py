"""Shape changes in place: the tensor becomes a view of what it was."""

from __future__ import annotations

from collections.abc import Callable

from .graph import Leaf
from .modes import is_grad_enabled
from .record import OPS
from .tensor import Tensor, new_tensor
from .view import View, new_view


def reshaped_in_place(target: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Give ``target`` the value and the graph of ``change(target)``, a view of it; views taken before keep looking right.

    A view cannot know that its source has changed shape, so the change is written down, with its date, in the source;
    a view that was last refreshed before that date looks through the source as it was (see ``View._refresh``).
    """
    if type(target) is View and target.tracks and is_grad_enabled() and type(target.stem.node) is Leaf:
        raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")
    if type(target) is View:
        before: Tensor = new_view(target.value, target.node, target.source, target.op, target.params, target.tracks)
    else:
        before = new_tensor(Tensor)
        before.value, before.node, before._grad, before._version = target.value, target.node, None, target._version
    after = change(before)
    if after is before or (after.shape == before.shape and type(after) is not View):
        return target
    back, value, node = _undone(tuple(before.shape), after), after.value, after.node
    if type(target) is View and type(after) is View:
        target.source, target.op, target.params = after.source, after.op, after.params
        target.stem, target.tracks = after.stem, after.tracks
    target._version += 1
    if type(target) is View:
        target._seen = before._seen = target.root._version  # type: ignore[attr-defined]
    target.value = value
    if type(target.node) is Leaf:  # under no_grad: it stays a leaf
        target.node.shape = value.shape
    else:
        target.node = node
    target.__dict__.setdefault("_changes", []).append((target._version, back))
    return target


def _undone(shape: tuple, after: Tensor) -> tuple | None:
    """The op that leads from the changed tensor back to the old shape; None where there is none (as_strided)."""
    if type(after) is View and after.op is not None:
        if after.op.name == "reshape":
            return OPS["reshape"], (shape,)
        if after.op.name == "permute_dims":
            (axes,) = after.params
            return OPS["permute_dims"], (tuple(sorted(range(len(axes)), key=axes.__getitem__)),)
    return None
