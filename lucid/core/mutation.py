"""Which arrays were overwritten, and when: the version counters of PyTorch at no cost to an ordinary op.

An in-place op notes ``(array, clock)``; the clock is the one that numbers graph nodes. Backward compares: a value
saved by a node older than the last write to its memory is no longer what the node saw. Only nodes older than the
latest write of all are looked at, so a program without in-place ops pays one comparison per node.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from .errors import BackwardError
from .graph import Node, next_seq

_written: dict[int, tuple[weakref.ref, int]] = {}
_latest = 0
_together: dict[int, list[int]] = {}


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


def _forget(key: int) -> Callable:
    """What to do when an array dies: its entry goes, since its number may be given to another array."""
    return lambda _: _written.pop(key, None)


def note(array: Any, since: int | None = None) -> None:
    """Remember that the memory of ``array`` was overwritten just now (or, for whom nothing newer counts, ``since`` then)."""
    global _latest
    array = owner(array)
    key = id(array)
    entry = _written.get(key)
    ref = entry[0] if entry is not None else weakref.ref(array, _forget(key))
    _latest = next_seq()
    _written[key] = (ref, _latest if since is None else since)


def _stale(value: Any, seq: int) -> bool:
    key = id(owner(value))
    entry = _written.get(key)
    if entry is not None and entry[1] > seq:
        return True
    clock = _together.get(key)
    return clock is not None and clock[0] > seq


class Together:
    """Arrays that are always overwritten at once (the parameters of an optimizer): noting them costs one assignment.

    ``release`` must be called when that ends; until then the arrays are kept alive.
    """

    def __init__(self, arrays: Sequence[Any]):
        self._clock = [0]
        self._owners: dict[int, Any] = {}
        self._others: list[Any] = []  # overwritten together with other arrays too: noted one by one
        for array in arrays:
            root = owner(array)
            if _together.setdefault(id(root), self._clock) is self._clock:
                self._owners[id(root)] = root
            else:
                self._others.append(root)

    def note(self) -> None:
        """Remember that all of them were overwritten just now."""
        global _latest
        self._clock[0] = _latest = next_seq()
        for array in self._others:
            note(array)

    def release(self) -> None:
        """Let the arrays go; what was noted stays."""
        for key, array in self._owners.items():
            del _together[key]
            known = _written.get(key)
            if self._clock[0] and (known is None or known[1] < self._clock[0]):
                _written[key] = (weakref.ref(array, _forget(key)), self._clock[0])
        self._owners.clear()

    def __del__(self) -> None:
        if self._owners and _together is not None:  # not while the interpreter shuts down
            self.release()


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
