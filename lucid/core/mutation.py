"""Which arrays were overwritten, and when: the version counters of PyTorch at no cost to an ordinary op.

An in-place op notes ``(array, clock)``; the clock is the one that numbers graph nodes. Backward compares: a value
saved by a node older than the last write to its memory is no longer what the node saw. Only nodes older than the
latest write of all are looked at, so a program without in-place ops pays one comparison per node.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from .errors import BackwardError

if TYPE_CHECKING:
    from .graph import Node

_written: dict[int, tuple[weakref.ref, int]] = {}
_latest = 0


def latest() -> int:
    return _latest


def owner(array: Any) -> Any:
    """The array that owns the memory (NumPy and CuPy views point at it; other arrays own their own).

    Between a view and its array there may be a link of another type: ``as_strided`` leaves one.
    """
    base = getattr(array, "base", None)
    while base is not None:
        if type(base) is type(array):
            array = base
        base = getattr(base, "base", None)
    return array


def note(array: Any) -> None:
    """Remember that the memory of ``array`` was overwritten just now."""
    from .graph import next_seq

    global _latest
    array = owner(array)
    key = id(array)
    entry = _written.get(key)
    ref = entry[0] if entry is not None else weakref.ref(array, lambda _, key=key: _written.pop(key, None))
    _latest = next_seq()
    _written[key] = (ref, _latest)


def _stale(value: Any, seq: int) -> bool:
    entry = _written.get(id(owner(value)))
    return entry is not None and entry[1] > seq


def check(node: Node, saved: tuple) -> None:
    """Raise if a value that this node saved has been overwritten since."""
    for i, value in enumerate(saved):
        for part in value if type(value) is tuple else (value,):
            if hasattr(part, "shape") and _stale(part, node.seq):
                what = "its output" if i == len(node.parents) else f"its input {i}"
                raise BackwardError(
                    f"backward: one of the variables needed for gradient computation has been modified by an inplace "
                    f"operation: {node.op.name} ({node.name()}) saved {what} of shape {tuple(part.shape)}, which was "
                    "overwritten later; use the out-of-place form of that operation, or clone() the value first"
                )
