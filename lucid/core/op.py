"""One op is one record: its name, its kind, its rules. The declarators here turn that line into everything else.

    exp      = elementwise("exp",      lambda xp, g, out: g * out)
    multiply = elementwise("multiply", lambda xp, g, y: g * y,  lambda xp, g, x: g * x)

A rule says how the gradient ``g`` of the output becomes the gradient of one input. Its parameter names are its save
list: ``x, y, z`` (or ``w``) are the inputs, ``out`` the result, ``x_shape`` the shape of an input, and any name in the op's
``params`` a static argument. ``xp`` is the namespace to compute in: a backend's table on raw arrays, or ``lucid.ops``
on Tensors for derivatives of derivatives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .apply import apply
from .fast import many_inputs, one_input, several_inputs, two_inputs, with_params
from .record import FLOATS, OPS, REAL, REAL_AND_COMPLEX, Op, Rule

__all__ = ["OPS", "Op", "declare", "elementwise", "linear", "multilinear", "nondifferentiable", "other", "view"]


def declare(name: str, kind: str, rules: tuple[Rule, ...], *, variadic: bool = False, **options: Any) -> Callable:
    """Make the Op and the function that runs it; the declarators below only name the kind."""
    if name in OPS:
        raise ValueError(f"an op named {name!r} exists already; choose another name")
    op = Op(name, kind, rules, **options)
    if op.promote is None:
        op.fast = REAL_AND_COMPLEX if kind == "none" and not op.real_only else REAL
    else:
        op.fast = FLOATS if op.promote == "float" else REAL
    if variadic:
        op.call = many_inputs(op)
    elif op.arity == 1:
        op.call = with_params(op) if op.params or op.wants_shapes or op.put is not None else one_input(op)
    elif op.arity == 2 and not op.params and not op.wants_shapes and op.joint is None:
        op.call = two_inputs(op)
    elif op.arity > 1 and op.joint is None:
        op.call = several_inputs(op)
    else:
        n = op.arity
        op.call = lambda *args: apply(op, args[:n], args[n:])
    op.call.__name__ = op.call.__qualname__ = name
    op.call.op = op  # type: ignore[attr-defined, union-attr]
    OPS[name] = op
    return op.call


def elementwise(name: str, *rules: Rule, **options: Any) -> Callable:
    """Declare an op with a diagonal Jacobian; the engine undoes broadcasting and derives jvp and vmap."""
    return declare(name, "elementwise", rules, **options)


def linear(name: str, *rules: Rule, **options: Any) -> Callable:
    """Declare an op that is linear in its inputs together (reshape, sum, concat): its jvp is itself."""
    return declare(name, "linear", rules, **({"promote": None} | options))


def multilinear(name: str, *rules: Rule, **options: Any) -> Callable:
    """Declare an op that is linear in each input (matmul, conv): its jvp is a sum with one tangent at a time."""
    return declare(name, "multilinear", rules, **options)


def other(name: str, *rules: Rule, **options: Any) -> Callable:
    """Declare an op of no special kind; its jvp is made from two vjps unless ``jvp=`` gives a line."""
    return declare(name, "other", rules, **options)


def nondifferentiable(name: str, arity: int = 1, **options: Any) -> Callable:
    """Declare an op without a derivative (comparisons, argmax): its result never requires grad."""
    return declare(name, "none", (), **({"arity": arity} | options))


def view(name: str, rule: Rule, put: Callable, **options: Any) -> Callable:
    """Declare a linear op whose result shares memory with its input.

    ``put(xp, x, new, *params)`` is ``x`` with the viewed part replaced by ``new``: what writing through the view means.
    """
    return declare(name, "linear", (rule,), **({"promote": None, "put": put} | options))
