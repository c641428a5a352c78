"""The hooks of nodes, as backward runs them: on the gradient of an output, before a node and after it."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

from ..backends import backend_of
from .graph import Node
from .tensor import Tensor, unwrap, wrap

anomaly: ContextVar[bool] = ContextVar("lucid_anomaly", default=False)  # whether backward looks for NaN


def tensor_hooks(node: Node, g: Any, create_graph: bool) -> Any:
    """Run the hooks that see the gradient of this node's output, in order; then keep it for ``retain_grad``."""
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
        held = tensor._grad
        fresh = g if create_graph else wrap(backend_of(g).copy(g))
        tensor._grad = fresh if held is None else held + fresh
    return g


def _checked_hook(replaced: Any, g: Any) -> Any:
    if not isinstance(replaced, Tensor):
        raise TypeError(f"a gradient hook must return None or a Tensor, not {type(replaced).__name__}")
    if tuple(replaced.shape) != tuple(g.shape):
        raise RuntimeError(f"hook has changed the size of value: from {tuple(g.shape)} to {tuple(replaced.shape)}")
    return replaced


def pre_hooks(node: Node, g: Any, create_graph: bool) -> Any:
    """Run what ``grad_fn.register_prehook`` registered."""
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


def post_hooks(node: Node, results: Sequence[Any], g: Any, saved: Any, create_graph: bool) -> Sequence[Any]:
    """Look for NaN if asked to; then run what ``grad_fn.register_hook`` registered."""
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
