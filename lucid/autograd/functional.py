"""Jacobians, Hessians and products with them, on functions of tensors (``torch.autograd.functional``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import ops
from ..core import modes
from ..core.tensor import Tensor, wrap
from ..func.grads import alias
from .gradients import grad


def _as_tuple(x: Any, what: str, name: str) -> tuple[bool, tuple]:
    if isinstance(x, Tensor):
        return False, (x,)
    if not isinstance(x, tuple):
        raise TypeError(
            f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but the given {what} has type {type(x)}."
        )
    for i, v in enumerate(x):
        if not isinstance(v, Tensor):
            raise TypeError(
                f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but the value at index {i} has type {type(v)}."
            )
    return True, x


def _fresh(inputs: Sequence[Tensor], connected: bool) -> list[Tensor]:
    """Inputs of our own: copies in the graph of the given ones, or new leaves."""
    if connected:
        return [alias(x)[0] for x in inputs]
    return [wrap(x.value).requires_grad_() for x in inputs]


def _call(func: Callable, inputs: Sequence[Tensor], name: str) -> tuple[bool, tuple]:
    return _as_tuple(func(*inputs), "outputs of the user-provided function", name)


def _vectors(v: Any, like: Sequence[Tensor], is_tuple: bool, name: str, what: str) -> list[Tensor]:
    if v is None:
        if len(like) != 1 or like[0].shape.numel() != 1:
            raise RuntimeError(f"The vector v can only be None if the {what} a single Tensor with a single element.")
        return [ops.ones_like(like[0])]
    _, vs = _as_tuple(v, "v", name)
    if len(vs) != len(like):
        if not is_tuple:
            raise RuntimeError("The given v should contain a single Tensor.")
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(vs)}.")
    for i, (a, b) in enumerate(zip(vs, like, strict=True)):
        if a.shape != b.shape:
            raise RuntimeError(
                f"{f'Entry {i} in ' if is_tuple else ''}v has invalid size: should be {b.shape} but got {a.shape}."
            )
    return list(vs)


def _gradients(
    outs: Sequence[Tensor], inputs: Sequence[Tensor], vectors: Sequence[Tensor], create_graph: bool
) -> list[Tensor | None]:
    pairs = [(o, v) for o, v in zip(outs, vectors, strict=True) if o.requires_grad]
    if not pairs:
        return [None] * len(inputs)
    return list(
        grad(
            [o for o, _ in pairs],
            inputs,
            [v for _, v in pairs],
            create_graph=create_graph,
            retain_graph=True,
            allow_unused=True,
        )
    )


def _strictly(
    found: Sequence[Tensor | None],
    like: Sequence[Tensor],
    strict: bool,
    create_graph: bool,
    what: str,
    by: str = "jacobian",
) -> list[Tensor]:
    """Zeros for what is missing; in strict mode an error for that, and for what no further derivative can be taken of."""
    for i, g in enumerate(found if strict else ()):
        if g is None:
            raise RuntimeError(
                f"{what} of the user-provided function is independent of input {i}. This is not allowed in strict mode."
            )
        if create_graph and not g.requires_grad:
            raise RuntimeError(
                f"The {by} of the user-provided function is independent of input {i}. This is not allowed in strict mode when create_graph=True."
            )
    return [ops.zeros_like(x) if g is None else g for g, x in zip(found, like, strict=True)]


def _differentiable(outs: Sequence[Tensor], strict: bool) -> None:
    for i, out in enumerate(outs if strict else ()):
        if not out.requires_grad:
            raise RuntimeError(
                f"Output {i} of the user-provided function does not require gradients. The outputs must be computed in a "
                "differentiable manner from the input when running in strict mode."
            )


def _curved(slopes: Sequence[Tensor | None], strict: bool) -> None:
    for i, g in enumerate(slopes if strict else ()):
        if g is None:
            raise RuntimeError(
                f"The output of the user-provided function is independent of input {i}. This is not allowed in strict mode."
            )
        if not g.requires_grad:
            raise RuntimeError(
                f"While computing the hessian, found that the jacobian of the user-provided function with respect to input {i} "
                "is independent of the input. This is not allowed in strict mode. You should ensure that your function is twice "
                "differentiable and that the jacobian depends on the inputs (this would be violated by a linear function for example)."
            )


def _finish(t: Tensor, create_graph: bool) -> Tensor:
    return t if create_graph or t.node is None else t.detach()  # type: ignore[attr-defined]


def _shaped(is_tuple: bool, results: Sequence[Any]) -> Any:
    return tuple(results) if is_tuple else results[0]


def vjp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """``func(*inputs)`` and the product of ``v`` with its Jacobian.

    >>> import lucid
    >>> lucid.autograd.functional.vjp(lucid.exp, lucid.zeros(2), lucid.tensor([1.0, 2.0]))[1]
    tensor([1., 2.])
    """
    is_tuple, xs = _as_tuple(inputs, "inputs", "vjp")
    with modes.enable_grad():
        own = _fresh(xs, create_graph)
        out_tuple, outs = _call(func, own, "vjp")
        _differentiable(outs, strict)
        vectors = _vectors(v, outs, out_tuple, "vjp", "user-provided function returns")
        found = _gradients(outs, own, vectors, create_graph)
    results = _strictly(found, own, strict, create_graph, "The output")
    return _shaped(out_tuple, [_finish(o, create_graph) for o in outs]), _shaped(
        is_tuple, [_finish(g, create_graph) for g in results]
    )


def jvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """``func(*inputs)`` and the product of its Jacobian with ``v``, in one forward pass.

    >>> import lucid
    >>> lucid.autograd.functional.jvp(lucid.exp, lucid.zeros(2), lucid.ones(2))[1]
    tensor([1., 1.])
    """
    from ..func.dual import JvpFrame, dual, undual

    is_tuple, xs = _as_tuple(inputs, "inputs", "jvp")
    vectors = _vectors(v, xs, is_tuple, "jvp", "input to the user-provided function is")
    if strict:  # forward mode sees which outputs depend on something, backward which inputs matter
        with modes.enable_grad():
            own = _fresh(xs, False)
            _, outs = _call(func, own, "jvp")
            _differentiable(outs, True)
            _strictly(_gradients(outs, own, [ops.ones_like(o) for o in outs], False), own, True, False, "The output")
    with modes.enable_grad(), JvpFrame() as frame:
        own = [alias(x)[0] if create_graph else wrap(x.value) for x in xs]
        duals = [dual(_lowered(x), t, frame) for x, t in zip(own, vectors, strict=True)]
        out_tuple, outs = _call(func, duals, "jvp")
        pairs = [undual(o, frame) for o in outs]
    _strictly([t for _, t in pairs], outs, strict and create_graph, True, "The output")
    tangents = [ops.zeros_like(p) if t is None else t for p, t in pairs]
    return _shaped(out_tuple, [_finish(p, create_graph) for p, _ in pairs]), _shaped(
        out_tuple, [_finish(t, create_graph) for t in tangents]
    )


def _lowered(x: Tensor) -> Tensor:
    """An alias made inside the frame is a constant of it; what it holds is the tensor below."""
    return getattr(x.value, "primal", x) if hasattr(x.value, "level") else x


def jacobian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of ``func`` at ``inputs``: shape ``(*output, *input)``; tuples for tuples, outputs outermost.

    ``vectorize`` computes all rows at once by vmap; ``strategy="forward-mode"`` (with ``vectorize``) works by columns.

    >>> import lucid
    >>> lucid.autograd.functional.jacobian(lambda x: x * x, lucid.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')
    is_tuple, xs = _as_tuple(inputs, "inputs", "jacobian")
    if strategy == "forward-mode" or vectorize:
        if strategy == "forward-mode" and create_graph:
            raise NotImplementedError(
                'torch.autograd.functional.jacobian: `create_graph=True` and `strategy="forward-mode"` are not supported together (yet). '
                'Please either set `create_graph=False` or `strategy="reverse-mode"`.'
            )
        if strategy == "forward-mode" and not vectorize:
            raise NotImplementedError("Forward-mode needs vectorize=True")
        if strict:
            what = "`vectorized=True`" if strategy == "reverse-mode" else "`strategy='forward-mode'`"
            raise RuntimeError(f"jacobian: `strict=True` and {what} are not supported together")
        return _vectorized(func, xs, is_tuple, create_graph, strategy)
    with modes.enable_grad():
        own = _fresh(xs, create_graph)
        out_tuple, outs = _call(func, own, "jacobian")
        _differentiable(outs, strict)
        table = []
        for i, out in enumerate(outs):
            rows: list[list[Tensor]] = []
            for unit in _units(out):
                found = _gradients([out], own, [unit], create_graph)
                rows.append(_strictly(found, own, strict, create_graph, f"Output {i}"))
            table.append([_stacked([r[k] for r in rows], out, x) for k, x in enumerate(own)])
    table = [[_finish(j, create_graph) for j in row] for row in table]
    return _shaped(out_tuple, [_shaped(is_tuple, row) for row in table])


def _units(out: Tensor) -> list[Tensor]:
    from ..func.jacobians import unit_vectors

    (batch,) = unit_vectors([out])
    return [ops.getitem(batch, (k,)) for k in range(batch.shape[0])]


def _stacked(rows: Sequence[Tensor], out: Tensor, x: Tensor) -> Tensor:
    from ..func.batched import stack

    if not rows:
        return ops.zeros_of((*out.shape, *x.shape), x)
    return ops.reshape(stack(rows, "jacobian"), (*out.shape, *x.shape))


def _vectorized(func: Callable, xs: tuple, is_tuple: bool, create_graph: bool, strategy: str) -> Any:
    from ..func import jacfwd, jacrev

    def checked(*inputs: Tensor) -> Any:
        out_tuple, outs = _call(func, inputs, "jacobian")
        return _shaped(out_tuple, outs)

    positions = tuple(range(len(xs))) if is_tuple else 0
    forward = strategy == "forward-mode"  # as PyTorch's: part of the graph that the inputs are part of
    with modes.enable_grad() if create_graph else modes.Scope() if forward else modes.no_grad():
        own = tuple(_fresh(xs, True)) if create_graph else xs if forward else tuple(wrap(x.value) for x in xs)
        found = (jacrev if strategy == "reverse-mode" else jacfwd)(checked, positions)(*own)  # type: ignore[operator]
    if forward and is_tuple:  # PyTorch's containers
        return [list(row) for row in found] if isinstance(found[0], tuple) else list(found)
    return found


def _scalar(outs: tuple, is_tuple: bool, name: str) -> Tensor:
    if is_tuple:
        raise RuntimeError(f"The function given to {name} should return a single Tensor")
    if outs[0].shape.numel() != 1:
        raise RuntimeError(f"The Tensor returned by the function given to {name} should contain a single element")
    return outs[0].reshape(())  # type: ignore[attr-defined]


def hessian(
    func: Callable, inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """The Hessian of a scalar function: shape ``(*input, *input)``, a tuple of tuples for several inputs.

    >>> import lucid
    >>> lucid.autograd.functional.hessian(lambda x: (x**3).sum(), lucid.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    is_tuple, xs = _as_tuple(inputs, "inputs", "hessian")
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')

    def gradient(*inner: Tensor) -> Any:
        def scalar(*values: Tensor) -> Tensor:
            out_tuple, outs = _call(func, values, "hessian")
            _differentiable(outs, strict)
            return _scalar(outs, out_tuple, "hessian")

        if outer_jacobian_strategy == "forward-mode" or vectorize:
            from ..func import grad as func_grad

            return func_grad(scalar, tuple(range(len(inner))))(*inner)
        slopes = jacobian(scalar, inner, create_graph=True)
        _curved(slopes, strict)
        return slopes

    found = jacobian(
        gradient, xs, create_graph=create_graph, strict=strict, vectorize=vectorize, strategy=outer_jacobian_strategy
    )
    return found if is_tuple else found[0][0]


def vhp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The value of a scalar function, and the product of ``v`` with its Hessian.

    >>> import lucid
    >>> lucid.autograd.functional.vhp(lambda x: (x**3).sum(), lucid.ones(2), lucid.tensor([1.0, 2.0]))[1]
    tensor([ 6., 12.])
    """
    return _hessian_product("vhp", func, inputs, v, create_graph, strict)


def hvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The value of a scalar function, and the product of its Hessian with ``v`` (the Hessian is symmetric: as ``vhp``).

    >>> import lucid
    >>> lucid.autograd.functional.hvp(lambda x: (x**3).sum(), lucid.ones(2), lucid.tensor([1.0, 2.0]))[1]
    tensor([ 6., 12.])
    """
    return _hessian_product("hvp", func, inputs, v, create_graph, strict)


def _hessian_product(
    name: str, func: Callable, inputs: Any, v: Any, create_graph: bool, strict: bool
) -> tuple[Any, Any]:
    is_tuple, xs = _as_tuple(inputs, "inputs", name)
    vectors = _vectors(v, xs, is_tuple, name, "input to the user-provided function is")
    with modes.enable_grad():
        own = _fresh(xs, create_graph)
        out_tuple, outs = _call(func, own, name)
        _differentiable(outs, strict)
        value = _scalar(outs, out_tuple, name)
        slopes = _gradients([value], own, [ops.ones_like(value)], True)
        _curved(slopes, strict)
        first = [ops.zeros_like(x) if g is None else g for g, x in zip(slopes, own, strict=True)]
        found = _gradients(first, own, vectors, create_graph)
    results = _strictly(found, own, strict, create_graph, "The jacobian", "hessian")
    return _finish(outs[0], create_graph), _shaped(is_tuple, [_finish(g, create_graph) for g in results])
