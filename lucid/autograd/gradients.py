"""``grad`` and ``backward``: the gradients of some tensors with respect to others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..backends import backend_of
from ..core import modes
from ..core.backward import backward as start
from ..core.backward import in_dtype_of, run_backward, start_gradients
from ..core.graph import Node, RemovableHandle
from ..core.tensor import Tensor, wrap
from ..core.transform import level_of


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
    """The sum of gradients of ``outputs`` with respect to each of ``inputs`` (by name, given a dict); no ``.grad`` changes.

    An input that no output depends on is an error unless ``allow_unused`` (None) or ``materialize_grads`` (zeros).
    With ``is_grads_batched`` the first dimension of each of ``grad_outputs`` is a batch of vectors.
    Raises RuntimeError for inputs that do not require grad.

    >>> import lucid
    >>> x = lucid.tensor(3.0, requires_grad=True)
    >>> (dx,) = lucid.autograd.grad(x**3, x, create_graph=True)
    >>> lucid.autograd.grad(dx, x)
    (tensor(18.),)
    """
    if type(inputs) is dict:
        by_name = grad(outputs, tuple(inputs.values()), grad_outputs, retain_graph, create_graph, only_inputs, allow_unused, is_grads_batched, materialize_grads)  # fmt: skip
        return dict(zip(inputs, by_name, strict=True))  # type: ignore[return-value]
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
        for k, (o, v) in enumerate(zip(roots, vectors, strict=False)):
            if v is not None and tuple(v.shape[1:]) != tuple(o.shape):
                raise RuntimeError(
                    "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the batch dimension. The "
                    "sizes of the remaining dimensions are expected to match the shape of corresponding output, but a mismatch was "
                    f"detected: grad_output[{k}] has a shape of {v.shape} and output[{k}] has a shape of {o.shape}."
                )
        present: list[bool] = []

        def one(*vs: Any) -> tuple:
            found = _gradients(roots, wanted, vs, True, create_graph)
            found = _checked(found, wanted, allow_unused, materialize_grads, create_graph)
            present[:] = [g is not None for g in found]
            return tuple(g for g in found if g is not None)

        results = iter(vmap(one, in_dims=tuple(None if v is None else 0 for v in vectors))(*vectors))
        return tuple(next(results) if there else None for there in present)
    frame = getattr(max((r.value for r in roots), key=lambda v: getattr(v, "level", 0), default=None), "frame", None)
    forward = frame is not None and type(frame).__name__ == "JvpFrame"
    here = [k for k, r in enumerate(roots) if r.node is not None or not forward]
    found: list = [None] * len(wanted)
    if here:
        found = _gradients(
            [roots[k] for k in here],
            wanted,
            None if vectors is None else [vectors[k] for k in here],
            create_graph if retain_graph is None else retain_graph,
            create_graph,
        )
    if forward:
        _fill_from_below(found, roots, wanted, vectors, frame)
    return tuple(_checked(found, wanted, allow_unused, materialize_grads, create_graph))


def _fill_from_below(found: list, roots: Sequence[Tensor], wanted: Sequence[Any], vectors: Any, frame: Any) -> None:
    """Gradients with respect to tensors that the innermost jvp, where the roots are, takes as they are.

    For L = Re<v, o>, primal and tangent of dL/dt are dL/dt of the primal and of the tangent of L, which the level below knows.
    """
    places = [
        i
        for i, (t, g) in enumerate(zip(wanted, found, strict=True))
        if g is None and isinstance(t, Tensor) and level_of(t) < frame.level
    ]
    if not places:
        return
    from .. import ops
    from ..func.dual import Dual, undual

    xp: Any = ops
    total: Any = 0.0
    with modes.enable_grad():
        for o, v in zip(roots, vectors or (None,) * len(roots), strict=True):
            part: Any = o if v is None else o * xp.conj(v)
            total = total + xp.sum(xp.real(part) if part.dtype.is_complex else part)
    below = [wanted[i] for i in places]
    primal, tangent = (
        (None,) * len(below)
        if part is None or part.node is None
        else grad(part, below, None, True, True, allow_unused=True)
        for part in undual(total, frame)
    )
    for i, p, t in zip(places, primal, tangent, strict=True):
        if p is not None or t is not None:
            found[i] = wrap(Dual(ops.zeros_like(wanted[i]) if p is None else p, t, frame))


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


def _checked(
    found: Sequence[Any],
    wanted: Sequence[Any],
    allow_unused: bool | None,
    materialize: bool,
    create_graph: bool,
) -> list[Any]:
    result = list(found)
    for i, (t, g) in enumerate(zip(wanted, found, strict=True)):
        if g is not None:
            continue
        if materialize and not isinstance(t, Tensor):
            raise RuntimeError("materialize_grads cannot be used when the given input is a GradientEdge")
        if materialize:
            result[i] = wrap(backend_of(t.value).table.zeros_like(t.value)).requires_grad_(create_graph)
        elif not allow_unused:
            raise RuntimeError(
                f"grad: The differentiated Tensor at index {i} appears to not have been used in the graph. "
                "Set allow_unused=True if this is the desired behavior."
            )
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
