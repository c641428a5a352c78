"""What an ``autograd.Function`` keeps between its forward and its backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.graph import FREED, Node
from ..core.tensor import Tensor, wrap
from ..core.view import View


class FunctionCtx:
    """What forward leaves for backward. Any attribute may be set on it; tensors go through ``save_for_backward``."""

    needs_input_grad: tuple[bool, ...] = ()
    materialize_grads = True

    def __init__(self) -> None:
        self._to_save: tuple = ()
        self._for_forward: tuple = ()
        self._saved: list[Saved] = []
        self._node: Any = None
        self._spent = False  # whether a backward that keeps nothing has used it
        self._dirty: tuple = ()
        self._non_differentiable: tuple = ()

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors (inputs, outputs or others; None is allowed) for ``ctx.saved_tensors``."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument is of type {type(t).__name__}"
                )
        self._to_save = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Keep tensors for ``jvp``."""
        self._for_forward = tensors

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say which inputs forward changed in place; they must be returned."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say which outputs have no gradient."""
        self._non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward receives zeros (the default) or None for outputs without gradient."""
        self.materialize_grads = value

    @property
    def saved_tensors(self) -> tuple:
        """The tensors that were saved, with their places in the graph.

        Raises RuntimeError after the graph was freed, or if one was changed in place since.
        """
        if self._node is None:
            return tuple(self._to_save or self._for_forward)
        node = self._node()
        if self._spent if node is None else node.saved is FREED:
            raise RuntimeError(
                "Trying to backward through the graph a second time: the saved tensors were freed; use retain_graph=True"
            )
        return tuple(s.tensor(node) for s in self._saved)

    saved_variables = saved_tensors


class Saved:
    """One saved tensor, held without making a cycle: an output is remembered by its number."""

    __slots__ = ("held", "output", "restore", "version")

    def __init__(self, t: Tensor | None, outputs: Sequence[Any], pack: Any):
        self.output = next((k for k, o in enumerate(outputs) if o is t), None) if t is not None else None
        self.restore = None
        self.held: tuple[Tensor | None, Any, Node | None] | None = None
        if t is None:
            self.version = 0
            return
        is_view_or_owner = t.root if type(t) is View else t
        self.version = is_view_or_owner._version
        self.held = (None, t.value, None) if self.output is not None else (is_view_or_owner, t.value, t.node)
        if pack is not None:
            self.restore = pack((t.value,), (t,))
            self.held = (self.held[0], None, self.held[2])

    def tensor(self, node: Any) -> Tensor | None:
        if self.held is None:
            return None
        owner, value, own_node = self.held
        if owner is not None and owner._version != self.version:
            raise RuntimeError(
                "one of the variables needed for gradient computation has been modified by an inplace operation: a tensor of "
                f"shape {tuple(owner.shape)} that {'a Function' if node is None else node.name()} saved is at version {owner._version}; expected version {self.version}"
            )
        if self.restore is not None:
            (value,) = self.restore()
        if self.output is not None:
            return wrap(value, None if node is None else node.op.output_node(node, self.output))
        return wrap(value, own_node)
