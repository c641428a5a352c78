"""Dictionaries that count their changes, so that a step need not look up every entry to know that nothing was replaced."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

MUTATORS = ("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "setdefault", "update")


def _counted(base: type, name: str) -> Callable:
    original = getattr(base, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.changes[0] += 1
        return original(self, *args, **kwargs)

    method.__name__, method.__doc__ = name, original.__doc__
    return method


class Entry(dict):
    """The state of one parameter: an ordinary dict to its users."""

    __slots__ = ("changes",)

    def __init__(self, changes: list[int], *args: Any):
        self.changes = changes
        dict.__init__(self, *args)

    def __reduce__(self) -> Any:
        return dict, (dict(self),)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__reduce__()


class State(defaultdict):
    """``optimizer.state``: per-parameter dicts, made at the first look, as PyTorch's ``defaultdict(dict)``."""

    def __init__(self, *args: Any):
        self.changes = [0]
        super().__init__(dict, *args)

    def __missing__(self, key: Any) -> Entry:
        entry = Entry(self.changes)
        self[key] = entry
        return entry

    def __reduce__(self) -> Any:
        return State, (dict(self),)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__reduce__()

    def track(self, key: Any) -> Any:
        """The entry of ``key``, counted from now on if it is a plain dict that somebody put there."""
        entry = self[key]
        if type(entry) is dict:
            entry = Entry(self.changes, entry)
            self[key] = entry
        return entry


for _name in MUTATORS:
    setattr(Entry, _name, _counted(dict, _name))
    setattr(State, _name, _counted(defaultdict, _name))
