"""``check_op``: one row about an op becomes a dozen checks, each with a message that says what was compared."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .. import backends
from ..core import dtypes
from ..core.modes import enable_grad
from ..core.op import OPS, Op
from ..core.tensor import Tensor, as_tensor
from ..functions.random import Generator, draw
from .numeric import directional_derivative


@dataclass(frozen=True)
class Case:
    """One op, a reference for its value, and the inputs to try."""

    name: str
    reference: Callable[..., Any] | None
    shapes: tuple[tuple[int, ...], ...]
    params: tuple = ()
    low: float = -2.0
    high: float = 2.0
    fixed: dict[int, Any] = field(default_factory=dict)  # inputs that are data (conditions, indices), by position
    orders: int = 2  # how many derivatives to check
    distinct: bool = False  # keep values apart: maxima and ranks must not change within a finite difference
    empty: bool | None = None  # whether an empty input is allowed; None: for elementwise ops
    variadic: bool = False
    prepare: Callable[..., Any] | None = (
        None  # makes the random inputs valid (positive definite, say); differentiated too
    )
    tolerance: float = 1e-5

    @property
    def op(self) -> Op:
        return OPS[self.name]

    def __str__(self) -> str:
        return f"{self.name}-{'-'.join('x'.join(map(str, s)) or '0d' for s in self.shapes)}"


def case(name: str, reference: Callable[..., Any] | None, *shapes: tuple[int, ...], **options: Any) -> Case:
    """A row of an op table: ``case("exp", np.exp, (3, 4))``; more in ``Case``."""
    return Case(name, reference, shapes, **options)


def check_op(c: Case, devices: Sequence[str] = ("cpu",)) -> None:
    """Check an op's value, derivatives of first and second order, jvp, dtypes, layouts, edge shapes and backends.

    Raises AssertionError that names the op and the check. ``devices`` other than "cpu" are compared with it.
    """
    inputs = _inputs(c, dtypes.float64, seed=1)
    _check_value(c, inputs)
    _check_float32(c, inputs)
    _check_layout(c, inputs)
    _check_edges(c)
    if c.op.kind != "none" and c.orders:
        _check_gradient(c, inputs)
        _check_jvp(c, inputs)
        _check_shared(c, inputs)
        _check_broadcast(c)
        if c.orders > 1:
            _check_second_order(c, inputs)
    for device in devices:
        if device != "cpu":
            check_device(c, device)


# ---- inputs and calls ----


def _inputs(
    c: Case, dtype: dtypes.dtype, seed: int = 0, shapes: Sequence[tuple[int, ...]] | None = None
) -> list[Tensor]:
    generator = Generator().manual_seed(seed)
    made = []
    for i, shape in enumerate(c.shapes if shapes is None else shapes):
        if i in c.fixed:
            made.append(as_tensor(c.fixed[i]))
            continue
        count = math.prod(shape)
        if c.distinct:
            order = as_tensor(draw("permutation", count, dtypes.int64, "cpu", generator))
            x = ((order.to(dtypes.float64) + 0.37 + 0.21 * i) / max(count, 1)).reshape(
                shape
            )  # no ties, no round numbers
        else:
            x = as_tensor(draw("uniform", shape, dtypes.float64, "cpu", generator))
        made.append((x * (c.high - c.low) + c.low).to(dtype))
    return made


def _call(c: Case, inputs: Sequence[Tensor]) -> Any:
    inputs = _prepared(c, inputs)
    return c.op.call(list(inputs), *c.params) if c.variadic else c.op.call(*inputs, *c.params)


def _prepared(c: Case, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
    if c.prepare is None:
        return inputs
    made = c.prepare(*inputs)
    return made if isinstance(made, tuple) else (made,)


def _outputs(result: Any) -> tuple[Tensor, ...]:
    return result if isinstance(result, tuple) else (result,)


def _differentiable(c: Case, inputs: Sequence[Tensor]) -> list[int]:
    """The positions of inputs that a gradient flows to."""
    rules = c.op.derivatives
    return [
        i
        for i, x in enumerate(inputs)
        if i not in c.fixed and x.dtype.category >= dtypes.FLOAT and (c.op.joint or i < len(rules))
    ]


def _scalar(c: Case, inputs: Sequence[Tensor]) -> Tensor:
    """A fixed random combination of all outputs: every element of every output counts."""
    total: Any = 0
    generator = Generator().manual_seed(7)
    for out in _outputs(_call(c, inputs)):
        if out.dtype.is_complex:
            out = OPS["real"].call(out) + 0.5 * OPS["imag"].call(out)
        if out.dtype.category >= dtypes.FLOAT:
            weight = as_tensor(draw("uniform", tuple(out.shape), dtypes.float64, "cpu", generator)) + 0.5
            total = total + (out * weight.to(out.dtype).to(out.device)).sum()
    return total


def _leaves(inputs: Sequence[Tensor], where: Sequence[int]) -> list[Tensor]:
    return [x.detach().clone().requires_grad_() if i in where else x for i, x in enumerate(inputs)]


def _gradients(
    c: Case, inputs: Sequence[Tensor], create_graph: bool = False, as_computed: list[dtypes.dtype] | None = None
) -> tuple[list[Tensor], list[Tensor]]:
    """The inputs that a gradient flows to, and their gradients; ``as_computed`` receives the dtypes that rules gave."""
    from ..autograd import grad

    where = _differentiable(c, inputs)
    leaves = _leaves(inputs, where)
    wanted = [leaves[i] for i in where]
    if as_computed is not None:  # seen by a hook, before the engine casts a gradient to the dtype of its tensor
        for x in wanted:
            x.register_hook(lambda g: as_computed.append(g.dtype))
    found = grad(_scalar(c, leaves), wanted, create_graph=create_graph, allow_unused=True)
    return wanted, [g if g is not None else x.detach() * 0 for g, x in zip(found, wanted, strict=True)]


def _directions(xs: Sequence[Tensor], seed: int = 3) -> list[Tensor]:
    generator = Generator().manual_seed(seed)
    return [as_tensor(draw("normal", tuple(x.shape), dtypes.float64, "cpu", generator)) for x in xs]


def _dot(xs: Sequence[Tensor], ys: Sequence[Tensor]) -> float:
    return sum(float((x * y).sum()) for x, y in zip(xs, ys, strict=True))


def _close(c: Case, what: str, got: Any, wanted: Any, tolerance: float) -> None:
    got = as_tensor(got).detach().to("cpu")
    wanted = as_tensor(wanted).detach().to("cpu")
    assert tuple(got.shape) == tuple(wanted.shape), (
        f"{c}: {what}: shape {tuple(got.shape)}, expected {tuple(wanted.shape)}"
    )
    if not got.shape.numel():
        return
    kind = dtypes.promote_types(dtypes.promote_types(got.dtype, wanted.dtype), dtypes.float64)
    a, b = got.to(kind), wanted.to(kind)
    finite = b.where(b.isfinite(), 0.0)
    scale = max(1.0, float(abs(finite).max()))
    assert a.allclose(b, rtol=tolerance, atol=tolerance * scale, equal_nan=True), (
        f"{c}: {what}: largest difference {float(abs(a - b).max()):.3g}\ngot {got}\nexpected {wanted}"
    )


# ---- the checks ----


def _check_value(c: Case, inputs: list[Tensor]) -> None:
    before = [x.clone() for x in inputs]
    result = _outputs(_call(c, inputs))
    for i, (x, old) in enumerate(zip(inputs, before, strict=True)):
        assert x.equal(old), f"{c}: input {i} was changed by the op"
    if c.reference is None:
        return
    arrays = [x.numpy() for x in _prepared(c, inputs)]
    expected = c.reference(arrays) if c.variadic else c.reference(*arrays)
    for out, wanted in zip(result, expected if isinstance(expected, tuple) else (expected,), strict=False):
        if not hasattr(wanted, "dtype"):  # Python numbers, which a tensor would round to float32
            wanted = backends.host_array(wanted, "float64")
        _close(c, "value", out, as_tensor(wanted), 1e-9)


def _check_float32(c: Case, inputs: list[Tensor]) -> None:
    singles = [x.to(dtypes.float32) if x.dtype is dtypes.float64 else x for x in inputs]
    for single, double in zip(_outputs(_call(c, singles)), _outputs(_call(c, inputs)), strict=True):
        if double.dtype is dtypes.float64:
            assert single.dtype is dtypes.float32, f"{c}: float32 inputs gave {single.dtype}"
            _close(c, "float32 value", single, double, 1e-4)
        elif double.dtype is dtypes.complex128:
            assert single.dtype is dtypes.complex64, f"{c}: float32 inputs gave {single.dtype}"
        else:
            assert single.dtype is double.dtype, (
                f"{c}: result dtype {single.dtype} for float32, {double.dtype} for float64"
            )
    if c.op.kind != "none" and c.orders:
        computed: list[dtypes.dtype] = []
        wanted, found = _gradients(c, singles, as_computed=computed)
        for dtype in computed:
            assert dtype is dtypes.float32, f"{c}: the gradient of a {dtypes.float32} input is {dtype}"
        for x, g in zip(wanted, found, strict=True):
            assert g.shape == x.shape, (
                f"{c}: the gradient of an input of shape {tuple(x.shape)} has shape {tuple(g.shape)}"
            )


def _check_layout(c: Case, inputs: list[Tensor]) -> None:
    """Every second element of a larger array: the same values."""
    strided = []
    for i, x in enumerate(inputs):
        if i in c.fixed or not x.ndim:
            strided.append(x)
            continue
        spread = as_tensor(0.0, dtype=x.dtype).expand(*x.shape[:-1], 2 * x.shape[-1]).clone()
        spread[..., ::2] = x
        strided.append(spread[..., ::2])
    for got, wanted in zip(_outputs(_call(c, strided)), _outputs(_call(c, inputs)), strict=True):
        _close(c, "value for non-contiguous inputs", got, wanted, 1e-12)


def _check_edges(c: Case) -> None:
    """0-d and empty inputs, for ops that take any shape."""
    allowed = c.op.kind in ("elementwise", "none") and not c.fixed and not c.params if c.empty is None else c.empty
    if not allowed:
        return
    for shape in ((), (0,), (2, 0, 3)):
        shapes = [shape] * len(c.shapes)
        inputs = _inputs(c, dtypes.float64, 2, shapes)
        result = _call(c, inputs)
        if c.op.kind == "elementwise":
            assert tuple(result.shape) == shape, f"{c}: inputs of shape {shape} gave {tuple(result.shape)}"
        if c.op.kind != "none" and c.orders:
            wanted, found = _gradients(replace(c, shapes=tuple(shapes)), inputs)
            for x, g in zip(wanted, found, strict=True):
                assert g.shape == x.shape, f"{c}: the gradient for shape {shape} has shape {tuple(g.shape)}"


def _check_gradient(c: Case, inputs: list[Tensor]) -> None:
    where = _differentiable(c, inputs)
    wanted, found = _gradients(c, inputs)
    directions = _directions(wanted)

    def along(*points: Tensor) -> Tensor:
        full = list(inputs)
        for i, p in zip(where, points, strict=True):
            full[i] = p
        return _scalar(c, full)

    numeric = directional_derivative(along, [x.detach() for x in wanted], directions)
    _close(
        c,
        "gradient against finite differences",
        as_tensor(_dot(found, directions), dtype=dtypes.float64),
        numeric,
        c.tolerance,
    )


def _check_second_order(c: Case, inputs: list[Tensor]) -> None:
    from ..autograd import grad

    where = _differentiable(c, inputs)
    wanted, found = _gradients(c, inputs, create_graph=True)
    second: Any
    weights = _directions(wanted, seed=5)
    projected: Any = sum((g * w).sum() for g, w in zip(found, weights, strict=True))
    if projected.requires_grad:
        second = grad(projected, wanted, allow_unused=True)
        second = [g if g is not None else x.detach() * 0 for g, x in zip(second, wanted, strict=True)]
    else:
        second = [x.detach() * 0 for x in wanted]
    directions = _directions(wanted, seed=6)

    def along(*points: Tensor) -> Tensor:
        full = list(inputs)
        for i, p in zip(where, points, strict=True):
            full[i] = p
        with enable_grad():
            _, gradients = _gradients(c, full)
        total: Any = sum((g * w).sum() for g, w in zip(gradients, weights, strict=True))
        return total

    numeric = directional_derivative(along, [x.detach() for x in wanted], directions)
    _close(
        c,
        "second derivative against finite differences",
        as_tensor(_dot(second, directions), dtype=dtypes.float64),
        numeric,
        10 * c.tolerance,
    )


def _check_jvp(c: Case, inputs: list[Tensor]) -> None:
    """``<w, J u>`` by forward mode equals ``<J^T w, u>`` by backward: a wrong kind fails here."""
    from ..func import jvp

    where = _differentiable(c, inputs)
    wanted, found = _gradients(c, inputs)
    directions = _directions(wanted, seed=8)

    def f(*points: Tensor) -> Tensor:
        full = list(inputs)
        for i, p in zip(where, points, strict=True):
            full[i] = p
        return _scalar(c, full)

    _, tangent = jvp(f, tuple(x.detach() for x in wanted), tuple(directions))
    _close(c, "jvp against vjp", tangent, as_tensor(_dot(found, directions), dtype=dtypes.float64), c.tolerance)


def _check_shared(c: Case, inputs: list[Tensor]) -> None:
    """One non-leaf in every place: ``op(y, y)`` must add up both gradients."""
    where = _differentiable(c, inputs)
    if len(where) < 2 or len({tuple(inputs[i].shape) for i in where}) != 1:
        return
    from ..autograd import grad

    def shared(x: Tensor) -> Tensor:
        y = x * 1.0
        return _scalar(c, [y if i in where else v for i, v in enumerate(inputs)])

    if c.distinct:
        return  # the op is not differentiable where its operands are equal
    x = inputs[where[0]].detach().clone().requires_grad_()
    found: Any = grad(shared(x), [x])[0]
    direction = _directions([x])
    numeric = directional_derivative(shared, [x.detach()], direction)
    _close(
        c,
        "gradient of a shared operand",
        as_tensor(_dot([found], direction), dtype=dtypes.float64),
        numeric,
        c.tolerance,
    )


def _check_broadcast(c: Case) -> None:
    if c.op.kind != "elementwise" or len(c.shapes) < 2 or c.fixed:
        return
    shapes = [(3, 1, 4), (2, 1), (3, 2, 1)][: len(c.shapes)]
    varied = replace(c, shapes=tuple(shapes))
    _check_gradient(varied, _inputs(varied, dtypes.float64, 4))


def check_device(c: Case, device: str) -> None:
    """Value and gradient on another backend, in float32, against the CPU's."""
    backend = backends.load(device)
    host = [
        x.to(dtypes.float32) if x.dtype is dtypes.float64 else x for x in _prepared(c, _inputs(c, dtypes.float64, 1))
    ]
    c = replace(c, prepare=None)
    away = replace(c, params=_moved(c.params, backend))
    there = [x.to(device) for x in host]
    for got, wanted in zip(_outputs(_call(away, there)), _outputs(_call(c, host)), strict=True):
        assert got.device.type == device, f"{c}: the result on {device} is on {got.device}"
        assert got.dtype is wanted.dtype, f"{c}: {got.dtype} on {device}, {wanted.dtype} on the CPU"
        _close(c, f"value on {device}", got, wanted, 2e-4)
    if c.op.kind != "none" and c.orders:
        for got, wanted in zip(_gradients(away, there)[1], _gradients(c, host)[1], strict=True):
            _close(c, f"gradient on {device}", got, wanted, 5e-4)


def _moved(value: Any, backend: Any) -> Any:
    """Index arrays among static parameters, on the backend's device."""
    if isinstance(value, backends.load("cpu").array_types):
        return backend.from_host(value)
    return tuple(_moved(v, backend) for v in value) if type(value) is tuple else value
