"""Elementwise functions: arithmetic, exponentials, trigonometry, rounding, comparison, choice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.tensor import Tensor, as_tensor
from .registry import FUNCTIONS, public, tensor_arg


def _operands(name: str, op: Callable, x: Any, y: Any) -> Any:
    result = op(x, y)
    if result is NotImplemented:
        raise TypeError(f"{name}(): argument 'other' must be Tensor or a number, not {type(y).__name__}")
    return result


@public(inplace=True)
def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """``input + alpha * other``, with broadcasting.

    >>> import lucid
    >>> lucid.add(lucid.tensor([1.0, 2.0]), 10, alpha=2)
    tensor([21., 22.])
    """
    return _operands("add", ops.add, input, other if alpha == 1 else _scaled(other, alpha, input))


@public("subtract", inplace=True)
def sub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """``input - alpha * other``, with broadcasting.

    >>> import lucid
    >>> lucid.sub(lucid.tensor([1.0, 2.0]), 1)
    tensor([0., 1.])
    """
    return _operands("sub", subtract, input, other if alpha == 1 else _scaled(other, alpha, input))


def subtract(x: Any, y: Any) -> Tensor:
    """Subtraction; for booleans there is none (as in PyTorch)."""
    if (isinstance(x, Tensor) and x.dtype is dtypes.bool_) and (isinstance(y, bool) or isinstance(y, Tensor) and y.dtype is dtypes.bool_):
        raise RuntimeError("Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead.")
    return ops.subtract(x, y)


def _scaled(other: Any, alpha: Any, input: Any) -> Any:
    if isinstance(alpha, float) and not isinstance(input, float) and _is_integral(input) and _is_integral(other):
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    return other * alpha


def _is_integral(x: Any) -> bool:
    return isinstance(x, int) or (isinstance(x, Tensor) and x.dtype.category <= dtypes.INTEGER)


@public()
def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """``other - alpha * input``.

    >>> import lucid
    >>> lucid.rsub(lucid.tensor([1.0, 2.0]), 1)
    tensor([ 0., -1.])
    """
    return sub(other if isinstance(other, Tensor) else as_tensor(other, like=input), input, alpha=alpha)


@public("multiply", inplace=True)
def mul(input: Any, other: Any) -> Tensor:
    """``input * other``, with broadcasting.

    >>> import lucid
    >>> lucid.mul(lucid.tensor([1, 2]), 2.5)
    tensor([2.5000, 5.0000])
    """
    return _operands("mul", ops.multiply, input, other)


@public("divide", "true_divide", inplace=True)
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """``input / other``; ``rounding_mode`` "trunc" rounds towards zero, "floor" down. Integers give the default float.

    Raises RuntimeError for another rounding mode.

    >>> import lucid
    >>> lucid.div(lucid.tensor([7, -7]), 2)
    tensor([ 3.5000, -3.5000])
    >>> lucid.div(lucid.tensor([7, -7]), 2, rounding_mode="floor")
    tensor([ 3, -4])
    """
    if rounding_mode is None:
        return _operands("div", ops.divide, input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode == "trunc":
        quotient = ops.divide(input, other)
        kind = dtypes.result_type(*[(x.dtype, 2) if isinstance(x, Tensor) else (dtypes.scalar_dtype(x), 0) for x in (input, other)])
        if kind.category <= dtypes.INTEGER:
            x, y = (as_tensor(v) for v in (input, other))
            quotient = ops.floor_divide(x, y)
            off = ops.logical_and(ops.not_equal(ops.remainder(x, y), 0), ops.less(quotient, 0))
            return quotient + off.to(kind)
        return ops.trunc(quotient)
    raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found {rounding_mode!r}")


@public(inplace=True)
def floor_divide(input: Any, other: Any) -> Tensor:
    """``floor(input / other)``.

    >>> import lucid
    >>> lucid.floor_divide(lucid.tensor([7, -7]), 2)
    tensor([ 3, -4])
    """
    return _operands("floor_divide", ops.floor_divide, input, other)


@public("round", inplace=True)
def round_(input: Tensor, *, decimals: int = 0) -> Tensor:
    """To the nearest integer (halves to even), or to ``decimals`` digits.

    >>> import lucid
    >>> lucid.round(lucid.tensor([0.5, 1.5, 2.345]), decimals=2)
    tensor([0.5000, 1.5000, 2.3400])
    """
    x = tensor_arg(input, "round")
    if x.dtype.category <= dtypes.INTEGER:
        return x
    return ops.round_to(x, decimals)


@public("clip", inplace=True)
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """``input`` limited to ``[min, max]``; a bound may be None, a number or a tensor.

    Raises RuntimeError if both are None.

    >>> import lucid
    >>> lucid.clamp(lucid.tensor([-2.0, 0.5, 2.0]), -1, 1)
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    x = tensor_arg(input, "clamp")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        if min is not None:
            x = ops.where(x < min, min, x) if isinstance(min, Tensor) else clamp(x, min=min)
        if max is not None:
            x = ops.where(x > max, max, x) if isinstance(max, Tensor) else clamp(x, max=max)
        return x
    if x.dtype.category <= dtypes.INTEGER and any(isinstance(b, float) for b in (min, max)):
        x = x.to(dtypes.get_default_dtype())
    return ops.clip(x, min, max)


@public(inplace=True)
def clamp_min(input: Tensor, min: Any) -> Tensor:
    """``input`` limited from below."""
    return clamp(input, min=min)


@public(inplace=True)
def clamp_max(input: Tensor, max: Any) -> Tensor:
    """``input`` limited from above."""
    return clamp(input, max=max)


@public()
def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """``input`` where the condition holds, ``other`` elsewhere; with the condition alone, where it holds (``nonzero``).

    >>> import lucid
    >>> lucid.where(lucid.tensor([True, False]), 1.0, lucid.tensor([5.0, 6.0]))
    tensor([1., 6.])
    """
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    c = tensor_arg(condition, "where", "condition")
    if c.dtype is not dtypes.bool_:
        if c.dtype is not dtypes.uint8:
            raise RuntimeError(f"where expected condition to be a boolean tensor, but got a tensor with dtype {c.dtype}")
        c = c.to(dtypes.bool_)
    return ops.where(c, input, other)


def _where_method(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """``self`` where the condition holds, ``other`` elsewhere."""
    return where(condition, self, other)


Tensor.where = _where_method  # type: ignore[attr-defined]


@public("power", inplace=True)
def pow(input: Any, exponent: Any) -> Tensor:
    """``input ** exponent``. Small constant powers use products.

    Raises RuntimeError for an integer to a negative integer power.

    >>> import lucid
    >>> lucid.pow(lucid.tensor([2.0, 3.0]), 2)
    tensor([4., 9.])
    """
    if isinstance(input, Tensor) and type(exponent) in (int, float):
        if exponent == 2 and type(exponent) is int or exponent == 2.0 and input.dtype.category >= dtypes.FLOAT:
            return ops.square(input)
        if input.dtype.category >= dtypes.FLOAT:
            if exponent == 0.5:
                return ops.sqrt(input)
            if exponent == 1:
                return input.clone()
            if exponent == -1:
                return ops.reciprocal(input)
            return power_of(input, exponent)
        if type(exponent) is int and exponent < 0 and input.dtype.category <= dtypes.INTEGER:
            raise RuntimeError("Integers to negative integer powers are not allowed.")
    return _operands("pow", ops.pow, input, exponent)


def power_of(x: Tensor, exponent: float) -> Tensor:
    return ops.pow(x, exponent)


_UNARY = {
    "neg": "negative", "abs": "abs", "exp": "exp", "exp2": "exp2", "expm1": "expm1", "log": "log", "log1p": "log1p",
    "log2": "log2", "log10": "log10", "sqrt": "sqrt", "rsqrt": "rsqrt", "square": "square", "reciprocal": "reciprocal",
    "sin": "sin", "cos": "cos", "tan": "tan", "asin": "asin", "acos": "acos", "atan": "atan", "sinh": "sinh",
    "cosh": "cosh", "tanh": "tanh", "asinh": "asinh", "acosh": "acosh", "atanh": "atanh", "floor": "floor",
    "ceil": "ceil", "trunc": "trunc", "sign": "sign", "sigmoid": "sigmoid", "relu": "relu", "logical_not": "logical_not",
    "bitwise_not": "bitwise_invert", "isnan": "isnan", "isinf": "isinf", "isfinite": "isfinite", "signbit": "signbit",
    "positive": "positive",
}  # fmt: skip
_BINARY = {
    "maximum": "maximum", "minimum": "minimum", "atan2": "atan2", "hypot": "hypot", "remainder": "remainder",
    "fmod": "fmod", "copysign": "copysign", "logaddexp": "logaddexp", "eq": "equal", "ne": "not_equal", "lt": "less",
    "le": "less_equal", "gt": "greater", "ge": "greater_equal", "logical_and": "logical_and", "logical_or": "logical_or",
    "logical_xor": "logical_xor", "bitwise_and": "bitwise_and", "bitwise_or": "bitwise_or", "bitwise_xor": "bitwise_xor",
    "bitwise_left_shift": "bitwise_left_shift", "bitwise_right_shift": "bitwise_right_shift",
}  # fmt: skip
_ALIASES = {
    "neg": ["negative"], "abs": ["absolute"], "asin": ["arcsin"], "acos": ["arccos"], "atan": ["arctan"],
    "asinh": ["arcsinh"], "acosh": ["arccosh"], "atanh": ["arctanh"], "trunc": ["fix"], "atan2": ["arctan2"],
    "ne": ["not_equal"], "lt": ["less"], "le": ["less_equal"], "gt": ["greater"], "ge": ["greater_equal"],
}  # fmt: skip
_NO_INPLACE = {"positive", "isnan", "isinf", "isfinite", "signbit", "maximum", "minimum", "logaddexp"}
_ROUNDING = {"floor", "ceil", "trunc", "positive"}


def _unary(name: str, op: Callable) -> Callable:
    def f(input):  # type: ignore[no-untyped-def]
        x = tensor_arg(input, name)
        if name in _ROUNDING and x.dtype.category <= dtypes.INTEGER:
            return x.clone()
        return op(x)

    return f


def _binary(name: str, op: Callable) -> Callable:
    def f(input, other):  # type: ignore[no-untyped-def]
        return _operands(name, op, input, other)

    return f


for _table, _make in ((_UNARY, _unary), (_BINARY, _binary)):
    for _name, _op in _table.items():
        _f = _make(_name, getattr(ops, _op))
        _f.__name__ = _f.__qualname__ = _name
        _f.__doc__ = f"Elementwise ``{_name}``; see ``lucid.ops.{_op}`` for its derivative."
        public(*_ALIASES.get(_name, ()), inplace=_name not in _NO_INPLACE)(_f)

FUNCTIONS["relu_"] = Tensor.relu_  # type: ignore[attr-defined]
