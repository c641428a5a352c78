"""Trees of tuples, lists, dicts and named tuples: their leaves in order, and the way back."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

# Classes of users that are containers: class -> (value to (children, context), (children, context) to value).
_registered: dict[type, tuple[Callable, Callable]] = {}


def register(kind: type, flatten: Callable, unflatten: Callable) -> None:
    """Let instances of a class be containers; ValueError if they are already."""
    if kind in _registered or kind in (tuple, list, dict, OrderedDict, defaultdict):
        raise ValueError(f"{kind} is already registered as pytree node.")
    _registered[kind] = flatten, unflatten


class Structure:
    """The shape of a tree without its leaves."""

    __slots__ = ("children", "keys", "kind")

    def __init__(self, kind: Any, keys: Any = None, children: tuple[Structure, ...] = ()):
        self.kind, self.keys, self.children = kind, keys, children

    def build(self, leaves: Any) -> Any:
        """The tree with these leaves (an iterable that yields as many as the tree has)."""
        return self._build(iter(leaves))

    def _build(self, leaves: Any) -> Any:
        if self.kind is None:
            return next(leaves)
        parts = [c._build(leaves) for c in self.children]
        if self.kind in _registered:
            return _registered[self.kind][1](parts, self.keys)
        if self.kind is defaultdict:
            return defaultdict(self.keys[0], zip(self.keys[1], parts, strict=True))
        if issubclass(self.kind, dict):
            return self.kind(zip(self.keys, parts, strict=True))
        return self.kind(*parts) if hasattr(self.kind, "_fields") else self.kind(parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Structure) and (self.kind, self.keys, self.children) == (
            other.kind,
            other.keys,
            other.children,
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def count(self) -> int:
        return 1 if self.kind is None else sum(c.count for c in self.children)

    num_leaves = count

    def flatten_up_to(self, tree: Any) -> list:
        """The parts of a tree that stand where this structure has leaves; ValueError if it has another structure."""
        if self.kind is None:
            return [tree]
        own = _children(tree)
        if type(tree) is not self.kind or own is None or len(own[1]) != len(self.children):
            raise ValueError(f"expected a {self.kind.__name__} of {len(self.children)}, got {tree!r}")
        context, parts = own
        if issubclass(self.kind, dict) and context != self.keys:
            mine, theirs = (self.keys[1], context[1]) if self.kind is defaultdict else (self.keys, context)
            if set(mine) != set(theirs):
                raise ValueError(f"expected the keys {mine}, got {theirs}")
            parts = [tree[k] for k in mine]
        return [x for c, part in zip(self.children, parts, strict=True) for x in c.flatten_up_to(part)]


LEAF = Structure(None)


def flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list, Structure]:
    """The leaves of a tree in order, and its structure."""
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves, is_leaf)


def _children(tree: Any) -> tuple[Any, list] | None:
    """What else is needed to build a container again, and what it holds; None for a leaf."""
    kind = type(tree)
    if kind in (tuple, list) or (isinstance(tree, tuple) and hasattr(tree, "_fields")):
        return None, list(tree)
    if kind in (dict, OrderedDict, defaultdict):
        keys = list(tree)
        return (tree.default_factory, keys) if kind is defaultdict else keys, list(tree.values())
    if kind in _registered:
        parts, context = _registered[kind][0](tree)
        return context, list(parts)
    return None


def _flatten(tree: Any, leaves: list, is_leaf: Callable[[Any], bool] | None) -> Structure:
    found = None if is_leaf is not None and is_leaf(tree) else _children(tree)
    if found is None:
        leaves.append(tree)
        return LEAF
    context, parts = found
    return Structure(type(tree), context, tuple(_flatten(v, leaves, is_leaf) for v in parts))


def broadcast_prefix(prefix: Any, structure: Structure, problem: str) -> list:
    """One value per leaf from a tree whose leaves may stand for whole subtrees (as ``in_dims`` do)."""
    own = _children(prefix)
    if own is None:
        return [prefix] * structure.count
    try:
        parts = Structure(structure.kind, structure.keys, tuple(LEAF for _ in structure.children)).flatten_up_to(prefix)
        if structure.kind is None:
            raise ValueError(f"got {prefix!r} for one value")
    except ValueError as e:
        raise ValueError(f"{problem}: {e}") from None
    return [d for p, c in zip(parts, structure.children, strict=True) for d in broadcast_prefix(p, c, problem)]
