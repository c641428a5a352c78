"""``grad`` and ``backward``: the gradients of some tensors with respect to others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..backends import backend_of
from ..core.backward import backward as start
from ..core.backward import in_dtype_of, run_backward, start_gradients
from ..core.graph import Node, RemovableHandle
from ..core.tensor import Tensor, wrap


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Add the gradients of ``tensors`` to the ``.grad`` of the leaves they depend on.

    ``grad_tensors`` are the vectors of the vector-Jacobian products (None for scalars); ``inputs`` limits which
    tensors receive a gradient. Raises RuntimeError if a tensor requires no grad, or is no scalar and has no vector.

    >>> import lucid
    >>> x = lucid.tensor([1.0, 2.0], requires_grad=True)
    >>> lucid.autograd.backward([(x * x).sum(), x.sum()])
    >>> x.grad
    tensor([3., 5.])
    """
    if grad_variables is not None and grad_tensors is None:
        grad_tensors = grad_variables
    start(
        _sequence(tensors),
        None if grad_tensors is None else _sequence(grad_tensors),
        retain_graph,
        create_graph,
        inputs,
    )


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The sum of gradients of ``outputs`` with respect to each of ``inputs``; no ``.grad`` changes.

    An input that no output depends on is an error unless ``allow_unused`` (None) or ``materialize_grads`` (zeros).
    With ``is_grads_batched`` the first dimension of each of ``grad_outputs`` is a batch of vectors.
    Raises RuntimeError for inputs that do not require grad.

    >>> import lucid
    >>> x = lucid.tensor(3.0, requires_grad=True)
    >>> (dx,) = lucid.autograd.grad(x**3, x, create_graph=True)
    >>> lucid.autograd.grad(dx, x)
    (tensor(18.),)
    """
    roots, wanted = _sequence(outputs), _sequence(inputs)
    if not only_inputs:
        raise ValueError("grad: only_inputs=False is not supported; use backward() to fill the .grad of all leaves")
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "grad: expected allow_unused to be True or not passed when materialize_grads=True, but got False"
        )
    if not wanted:
        raise RuntimeError("grad: `inputs` argument to `grad()` cannot be empty.")
    for t in wanted:
        if not isinstance(t, Tensor | GradientEdge):
            raise TypeError(f"grad: inputs must be Tensors, got {type(t).__name__}")
        if t.node is None:
            raise RuntimeError("grad: One of the differentiated Tensors does not require grad")
    vectors = None if grad_outputs is None else _sequence(grad_outputs)
    roots = tuple(r.tensor_like() if isinstance(r, GradientEdge) else r for r in roots)
    if is_grads_batched:
        from ..func.vmap import vmap

        if vectors is None:
            raise RuntimeError("grad: is_grads_batched=True needs grad_outputs")
        present: list[bool] = []

        def one(*vs: Any) -> tuple:
            found = _checked(_gradients(roots, wanted, vs, True, create_graph), wanted, allow_unused, materialize_grads)
            present[:] = [g is not None for g in found]
            return tuple(g for g in found if g is not None)

        results = iter(vmap(one, in_dims=tuple(None if v is None else 0 for v in vectors))(*vectors))
        return tuple(next(results) if there else None for there in present)
    found = _gradients(roots, wanted, vectors, create_graph if retain_graph is None else retain_graph, create_graph)
    return tuple(_checked(found, wanted, allow_unused, materialize_grads))


def _gradients(
    roots: Sequence[Tensor], wanted: Sequence[Any], vectors: Any, retain: bool, create_graph: bool
) -> list[Any]:
    nodes, starts = start_gradients(roots, vectors, create_graph)
    found = run_backward(
        nodes, starts, create_graph=create_graph, retain_graph=retain, inputs=[t.node for t in wanted], accumulate=False
    )
    if create_graph:
        return found
    found = [
        g if g is None or not isinstance(t, Tensor) else in_dtype_of(g, t) for t, g in zip(wanted, found, strict=True)
    ]
    return own_all(found, starts)


def own_all(found: Sequence[Any], starts: Sequence[Any]) -> list[Any]:
    """Raw gradients as Tensors that share memory with nobody: not with each other, nor with the vectors given."""
    seen = {id(s) for s in starts}
    result: list[Any] = []
    for g in found:
        if g is None:
            result.append(None)
            continue
        backend = backend_of(g)
        result.append(wrap(backend.copy(g) if id(g) in seen else backend.own(g)))
        seen.add(id(g))
    return result


def _checked(found: Sequence[Any], wanted: Sequence[Any], allow_unused: bool | None, materialize: bool) -> list[Any]:
    result = []
    for i, (t, g) in enumerate(zip(wanted, found, strict=True)):
        if g is None and materialize and isinstance(t, Tensor):
            g = wrap(backend_of(t.value).table.zeros_like(t.value))
        elif g is None and not allow_unused:
            raise RuntimeError(
                f"grad: The differentiated Tensor at index {i} appears to not have been used in the graph. "
                "Set allow_unused=True if this is the desired behavior."
            )
        result.append(g)
    return result


def _sequence(x: Any) -> tuple:
    return (x,) if isinstance(x, Tensor | GradientEdge) else tuple(x)


class _Edge(NamedTuple):
    node: Node
    output_nr: int
    ownership_token: Any = None


class GradientEdge(_Edge):
    """A place in the graph that stands for a tensor without keeping it alive: ``node`` and which of its outputs."""

    _dtype: Any = None  # of the tensor; None for an edge made by hand
    _device: Any = None

    def tensor_like(self) -> Tensor:
        """A tensor to start backward from, with this place in the graph."""
        from ..functions.creation import zeros

        t = zeros(tuple(self.node.shape), dtype=self._dtype, device=self._device)
        t.node = self.node
        return t


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """The place in the graph of a tensor that requires grad; ``grad`` takes it as an input or output."""
    if tensor.node is None:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients.")
    node = tensor.node
    edge = GradientEdge(node, node.params[0] if node.op.name == "select_output" else 0)
    edge._dtype, edge._device = tensor.dtype, tensor.device
    return edge


__all__ = ["GradientEdge", "RemovableHandle", "backward", "get_gradient_edge", "grad"]
