"""Trees of containers with PyTorch's names (``torch.utils._pytree``), which many programs import; see ``lucid.func``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from ..func.pytree import LEAF, Structure, flatten, register

__all__ = [
    "LeafSpec", "PyTree", "TreeSpec", "register_pytree_node", "tree_all", "tree_all_only", "tree_any", "tree_any_only", "tree_flatten",
    "tree_iter", "tree_leaves", "tree_map", "tree_map_", "tree_map_only", "tree_map_only_", "tree_structure", "tree_unflatten",
]  # fmt: skip

PyTree: TypeAlias = Any
TreeSpec = Structure


def LeafSpec() -> Structure:
    """The structure of a leaf."""
    return LEAF


def register_pytree_node(cls: type, flatten_fn: Callable, unflatten_fn: Callable, **options: Any) -> None:
    """Let instances of a class be containers: ``flatten_fn(x)`` gives (children, context), ``unflatten_fn(children, context)`` the way back.

    ValueError for a class that is registered.
    """
    register(cls, flatten_fn, unflatten_fn)


_register_pytree_node = register_pytree_node


def tree_flatten(tree: PyTree, is_leaf: Callable | None = None) -> tuple[list, Structure]:
    """The leaves in order, and the structure.

    >>> from lucid.utils._pytree import tree_flatten, tree_unflatten
    >>> leaves, spec = tree_flatten({"a": 1, "b": (2, [3])})
    >>> leaves
    [1, 2, 3]
    >>> tree_unflatten([x * 10 for x in leaves], spec)
    {'a': 10, 'b': (20, [30])}
    """
    return flatten(tree, is_leaf)


def tree_unflatten(leaves: Iterable, treespec: Structure) -> PyTree:
    """The tree of these leaves; TypeError for no structure, ValueError for another number of leaves."""
    if not isinstance(treespec, Structure):
        raise TypeError(
            f"tree_unflatten(leaves, treespec): Expected `treespec` to be instance of TreeSpec but got item of type {type(treespec)}."
        )
    leaves = list(leaves)
    if len(leaves) != treespec.num_leaves:
        raise ValueError(
            f"treespec.unflatten(leaves): `leaves` has length {len(leaves)} but the spec refers to a pytree that holds "
            f"{treespec.num_leaves} items"
        )
    return treespec.build(leaves)


def tree_leaves(tree: PyTree, is_leaf: Callable | None = None) -> list:
    """The leaves in order."""
    return flatten(tree, is_leaf)[0]


def tree_iter(tree: PyTree, is_leaf: Callable | None = None) -> Iterable:
    """The leaves, one after the other."""
    return iter(tree_leaves(tree, is_leaf))


def tree_structure(tree: PyTree, is_leaf: Callable | None = None) -> Structure:
    """The structure alone."""
    return flatten(tree, is_leaf)[1]


def tree_map(func: Callable, tree: PyTree, *rests: PyTree, is_leaf: Callable | None = None) -> PyTree:
    """A tree of the values of ``func`` on the leaves of one tree, or of several with the same structure."""
    leaves, structure = flatten(tree, is_leaf)
    others = [structure.flatten_up_to(rest) for rest in rests]
    return structure.build(map(func, leaves, *others))


def tree_map_(func: Callable, tree: PyTree, *rests: PyTree, is_leaf: Callable | None = None) -> PyTree:
    """Call ``func`` on each leaf, for what it does; the tree itself."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def _only(kinds: Any, func: Callable) -> Callable:
    if isinstance(kinds, type | tuple):
        return lambda x: func(x) if isinstance(x, kinds) else x
    return lambda x: func(x) if kinds(x) else x


def tree_map_only(kinds: Any, func: Callable, tree: PyTree, is_leaf: Callable | None = None) -> PyTree:
    """``tree_map`` on the leaves of a type (or a tuple of types, or for which a function is true)."""
    return tree_map(_only(kinds, func), tree, is_leaf=is_leaf)


def tree_map_only_(kinds: Any, func: Callable, tree: PyTree, is_leaf: Callable | None = None) -> PyTree:
    """``tree_map_`` on the leaves of a type."""
    return tree_map_(_only(kinds, func), tree, is_leaf=is_leaf)


def tree_all(pred: Callable, tree: PyTree, is_leaf: Callable | None = None) -> bool:
    """Whether ``pred`` is true for all leaves."""
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred: Callable, tree: PyTree, is_leaf: Callable | None = None) -> bool:
    """Whether ``pred`` is true for one of the leaves."""
    return any(map(pred, tree_leaves(tree, is_leaf)))


def tree_all_only(kinds: Any, pred: Callable, tree: PyTree, is_leaf: Callable | None = None) -> bool:
    """Whether ``pred`` is true for all leaves of a type."""
    return all(pred(x) for x in tree_leaves(tree, is_leaf) if isinstance(x, kinds))


def tree_any_only(kinds: Any, pred: Callable, tree: PyTree, is_leaf: Callable | None = None) -> bool:
    """Whether ``pred`` is true for one of the leaves of a type."""
    return any(pred(x) for x in tree_leaves(tree, is_leaf) if isinstance(x, kinds))
