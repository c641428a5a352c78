"""Elementwise functions: arithmetic, exponentials, trigonometry, rounding, comparison, choice."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.errors import DTypeError
from ..core.graph import entitled
from ..core.tensor import Tensor, as_tensor
from ..ops import elementwise
from .checking import Scalar, Value, fits, number, refuse_huge
from .registry import FUNCTIONS, SPECIAL, number_first, public, tensor_arg
from .table import BINARY, SPECIAL_BINARY, SPECIAL_UNARY, UNARY

ONE = 1  # what `alpha` is in most calls: `is` asks for the int, not for 1.0 or True
WITH_NUMBERS_ALONE = ("add", "sub", "mul", "div", "floor_divide")  # PyTorch computes these without any tensor, too


def _operands(name: str, op: Callable, x: Any, y: Any) -> Any:
    if not isinstance(x, Tensor) and not isinstance(y, Tensor):
        numbers = all(isinstance(n, int | float | complex) or hasattr(n, "__array__") for n in (x, y))
        x = as_tensor(x) if numbers and name in WITH_NUMBERS_ALONE else tensor_arg(x, name)
    result = op(x, y)
    if result is NotImplemented:
        raise TypeError(f"{name}(): argument 'other' must be Tensor or a number, not {type(y).__name__}")
    return result


@public(inplace=elementwise.add)
def add(input: Any, other: Any, tensor: Any = None, *, alpha: Scalar = 1) -> Tensor:
    """``input + alpha * other``, with broadcasting; ``add(input, alpha, other)`` is PyTorch's older form of it.

    >>> import lucid
    >>> lucid.add(lucid.tensor([1.0, 2.0]), 10, alpha=2)
    tensor([21., 22.])
    """
    if tensor is not None:
        other, alpha = _older("add", other, tensor, alpha)
    return _operands("add", elementwise.add, input, other if alpha is ONE else _scaled(other, alpha, input))


@public("subtract", inplace=elementwise.subtract)
def sub(input: Any, other: Any, tensor: Any = None, *, alpha: Scalar = 1) -> Tensor:
    """``input - alpha * other``, with broadcasting; ``sub(input, alpha, other)`` is PyTorch's older form of it.

    >>> import lucid
    >>> lucid.sub(lucid.tensor([1.0, 2.0]), 1)
    tensor([0., 1.])
    """
    if tensor is not None:
        other, alpha = _older("sub", other, tensor, alpha)
    if alpha is not ONE and _is_bool(other) and not _is_bool(input):
        return subtract(input, other)  # which says that there is none
    return _operands("sub", subtract, input, other if alpha is ONE else _scaled(other, alpha, input))


def subtract(x: Any, y: Any) -> Tensor:
    """Subtraction; for booleans there is none (as in PyTorch)."""
    if _is_bool(x) or _is_bool(y):
        if _is_bool(x) and _is_bool(y):
            raise RuntimeError(
                "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead."
            )
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use the "
            "`~` or `logical_not()` operator instead."
        )
    return elementwise.subtract(x, y)


subtract.op = elementwise.subtract.op  # type: ignore[attr-defined]


def _is_bool(x: Any) -> bool:
    return x.dtype is dtypes.bool_ if isinstance(x, Tensor) else isinstance(x, bool)


def _older(name: str, second: Any, third: Any, alpha: Any) -> tuple[Any, Any]:
    """(other, alpha) of the forms ``add(input, alpha, tensor)``, which warns, and ``add(input, number, alpha)``."""
    if alpha is not ONE:
        raise TypeError(f"{name}() takes 2 positional arguments beside alpha=, but 3 were given")
    second = number_first(name, "alpha", second)
    return (third, second) if isinstance(third, Tensor) else (second, third)


def _scaled(other: Any, alpha: Any, input: Any) -> Any:
    alpha = number(alpha)
    if isinstance(alpha, float) and not isinstance(input, float) and _is_integral(input) and _is_integral(other):
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    if _is_bool(input) and _is_bool(other):
        alpha = bool(alpha)
    elif isinstance(alpha, bool):
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    if isinstance(alpha, complex) and not any(t.is_complex() for t in (input, other) if isinstance(t, Tensor)):
        raise RuntimeError(f"argument alpha: value {alpha} cannot be converted to a real type without overflow")
    if alpha == 1:
        return other
    # In the dtype of the sum: -1 times uint8 wraps.
    if isinstance(other, Tensor) and other.dtype.category < dtypes.COMPLEX:
        given = (input.dtype, 2 if input.ndim else 1) if isinstance(input, Tensor) else (dtypes.scalar_dtype(input), 0)
        wanted = dtypes.result_type(given, (other.dtype, 2 if other.ndim else 1))
        if wanted.category >= other.dtype.category:
            other = other.to(wanted)  # type: ignore[attr-defined]
    return other * alpha


def _is_integral(x: Any) -> bool:
    return isinstance(x, int) or (isinstance(x, Tensor) and x.dtype.category <= dtypes.INTEGER)


@public(out=False)
def rsub(input: Any, other: Value, alpha: Scalar = 1) -> Tensor:
    """``other - alpha * input``.

    >>> import lucid
    >>> lucid.rsub(lucid.tensor([1.0, 2.0]), 1)
    tensor([ 0., -1.])
    """
    return entitled(subtract(other, _scaled(input, alpha, other)), "RsubBackward1")


@public("multiply", inplace=elementwise.multiply)
def mul(input: Any, other: Any) -> Tensor:
    """``input * other``, with broadcasting.

    >>> import lucid
    >>> lucid.mul(lucid.tensor([1, 2]), 2.5)
    tensor([2.5000, 5.0000])
    """
    return _operands("mul", elementwise.multiply, input, other)


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
        return _operands("div", elementwise.divide, input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode == "trunc":
        if _is_bool(input) and (_is_bool(other) or isinstance(other, bool)):
            raise NotImplementedError("div: truncation is not implemented for bool")
        return _operands("div", elementwise.trunc_divide, input, other)
    raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found {rounding_mode!r}")


@public(inplace=True)
def floor_divide(input: Any, other: Any) -> Tensor:
    """``floor(input / other)``.

    >>> import lucid
    >>> lucid.floor_divide(lucid.tensor([7, -7]), 2)
    tensor([ 3, -4])
    """
    return _operands("floor_divide", elementwise.floor_divide, input, other)


@public("round", inplace=True)
def round_(input: Tensor, *, decimals: int = 0) -> Tensor:
    """To the nearest integer (halves to even), or to ``decimals`` digits.

    >>> import lucid
    >>> lucid.round(lucid.tensor([0.5, 1.5, 2.345]), decimals=2)
    tensor([0.5000, 1.5000, 2.3400])
    """
    x = tensor_arg(input, "round")
    if x.dtype.is_complex:
        raise DTypeError("round: not implemented for complex tensors")
    if x.dtype.category <= dtypes.INTEGER:
        return _whole(x, "round" if not decimals else "round with decimals", not decimals)
    fits(decimals, "round", "decimals")
    return ops.round_to(x, decimals)


def _whole(x: Tensor, name: str, integers: bool = True) -> Tensor:
    """Integers as they are; DTypeError for booleans, which have no rounding."""
    if x.dtype is dtypes.bool_ or not integers:
        raise DTypeError(f"{name}: not implemented for {x.dtype}")
    return x.clone()  # type: ignore[attr-defined, no-any-return]


@public("clip", inplace=True)
def clamp(input: Tensor, min: Value | None = None, max: Value | None = None) -> Tensor:
    """``input`` limited to ``[min, max]``; a bound may be None, a number or a tensor.

    Raises RuntimeError if both are None.

    >>> import lucid
    >>> lucid.clamp(lucid.tensor([-2.0, 0.5, 2.0]), -1, 1)
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if min is None and max is None:
        raise RuntimeError("clamp: At least one of 'min' or 'max' must not be None")
    x = tensor_arg(input, "clamp")
    if isinstance(min, Tensor) is not isinstance(max, Tensor) and min is not None and max is not None:
        min, max = _bound(min, "min"), _bound(max, "max")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        if x.dtype.is_complex:
            raise DTypeError("clamp: not implemented for complex tensors")
        given = x
        if min is not None:
            x = elementwise.where(_beyond(x, min, elementwise.less), min, x)
        if max is not None:
            x = elementwise.where(_beyond(x, max, elementwise.greater), max, x)
        if x.requires_grad and x.dtype.is_floating_point:  # a NaN stays one, and all have gradient 0 as in PyTorch
            for t in (given, min, max):
                if isinstance(t, Tensor) and t.dtype.is_floating_point:
                    x = elementwise.where(ops.isnan(t), math.nan, x)
        return x
    if type(min) is not float and min is not None:
        min = _bound(min, "min")
    if type(max) is not float and max is not None:
        max = _bound(max, "max")
    if x.dtype.category <= dtypes.INTEGER and any(isinstance(b, float) for b in (min, max)):
        x = x.to(dtypes.get_default_dtype())
    elif x.dtype.category == dtypes.INTEGER:
        min, max = (None if b is None else _integer(b, x.dtype) for b in (min, max))
    return ops.clip(x, min, max)


def _integer(bound: float, dtype: Any) -> float:
    """The bound as PyTorch makes it one of the dtype: below 0 it wraps around where there is no sign."""
    info = dtypes.iinfo(dtype)
    if not (info.min or -info.max) <= bound <= info.max:
        raise RuntimeError(f"clamp: value cannot be converted to type {dtype} without overflow, got {bound}")
    return bound if info.min else bound % (info.max + 1)


def _bound(bound: Any, name: str) -> Any:
    """A real number, also of a 0-d tensor; beside a number the other bound is no tensor of more elements."""
    if isinstance(bound, Tensor) and bound.ndim:
        raise TypeError(
            f"clamp(): min and max must both be Tensors or both Numbers, but {name} has shape {tuple(bound.shape)}"
        )
    bound = number(bound)
    if isinstance(bound, complex):
        raise DTypeError(f"clamp: argument '{name}' is the complex number {bound}, and those have no order")
    refuse_huge(bound, "clamp", name)
    return bound


def _beyond(x: Tensor, bound: Any, compare: Callable) -> Tensor:
    """Where the bound binds, or is NaN."""
    binds = compare(x, bound)
    if isinstance(bound, Tensor) and bound.dtype.is_floating_point:
        binds = ops.logical_or(binds, ops.isnan(bound))
    return binds


@public(inplace=True)
def clamp_min(input: Tensor, min: Value) -> Tensor:
    """``input`` limited from below.

    >>> import lucid
    >>> lucid.clamp_min(lucid.tensor([-2.0, 0.5]), 0)
    tensor([0.0000, 0.5000])
    """
    return clamp(input, min=min)


@public(inplace=True)
def clamp_max(input: Tensor, max: Value) -> Tensor:
    """``input`` limited from above.

    >>> import lucid
    >>> lucid.clamp_max(lucid.tensor([0.5, 2.0]), 1)
    tensor([0.5000, 1.0000])
    """
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
            raise RuntimeError(
                f"where expected condition to be a boolean tensor, but got a tensor with dtype {c.dtype}"
            )
        c = c.to(dtypes.bool_)
    return elementwise.where(c, input, other)


def _where_method(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """``self`` where the condition holds, ``other`` elsewhere."""
    return where(condition, self, other)


Tensor.where = _where_method  # type: ignore[attr-defined]


@public("power", inplace=True)
def pow(input: Any, exponent: Any) -> Tensor:
    """``input ** exponent``. Small constant powers use products.

    Raises RuntimeError for integers to a negative integer; to a tensor of such they are 0, but for 1 and -1.

    >>> import lucid
    >>> lucid.pow(lucid.tensor([2.0, 3.0]), 2)
    tensor([4., 9.])
    """
    if isinstance(input, Tensor) and type(exponent) in (int, float):
        if (exponent == 2 and type(exponent) is int) or (exponent == 2.0 and input.dtype.category >= dtypes.FLOAT):
            return ops.square(input)
        if input.dtype.category >= dtypes.FLOAT:
            if exponent == 0.5:
                return ops.sqrt(input)
            if exponent == 1:
                return input.clone()
            if exponent == -1:
                return ops.reciprocal(input)
        if type(exponent) is int and exponent < 0 and input.dtype.category <= dtypes.INTEGER:
            raise RuntimeError("Integers to negative integer powers are not allowed.")
    return _operands("pow", elementwise.pow, input, exponent)


_NO_INPLACE = {
    "positive",
    "isnan",
    "isinf",
    "isfinite",
    "signbit",
    "maximum",
    "minimum",
    "fmax",
    "fmin",
    "logaddexp",
    "logaddexp2",
}
_NO_OUT = {"isnan", "isinf", "isfinite", "relu", "positive"}
_ROUNDING = {"floor", "ceil", "trunc", "positive"}


def _unary(name: str, op: Callable) -> Callable:
    if name in _ROUNDING:

        def f(input):  # type: ignore[no-untyped-def]
            x = tensor_arg(input, name)
            return _whole(x, name) if x.dtype.category <= dtypes.INTEGER else op(x)

    else:

        def f(input):  # type: ignore[no-untyped-def]
            x = input if isinstance(input, Tensor) else tensor_arg(input, name)
            return op(x) if name != "sign" or not x.dtype.is_complex else _no_sign()

    return f


def _no_sign() -> Tensor:
    raise DTypeError("sign: not implemented for complex tensors; sgn() is x / |x|")


def _binary(name: str, op: Callable) -> Callable:
    def f(input, other):  # type: ignore[no-untyped-def]
        return _operands(name, op, input, other)

    def of_one_dtype(input, other):  # type: ignore[no-untyped-def]
        if isinstance(input, Tensor) and isinstance(other, Tensor) and input.dtype is not other.dtype:
            raise DTypeError(
                f"{name}: not implemented for tensors of different dtypes, {input.dtype} and {other.dtype}"
            )
        return _operands(name, op, input, other)

    if name == "heaviside":
        return of_one_dtype
    if name.startswith("logaddexp"):
        return _logaddexp(name, op)

    return f


def _logaddexp(name: str, op: Callable) -> Callable:
    base = 1.0 if name == "logaddexp" else math.log(2)

    def f(input, other):  # type: ignore[no-untyped-def]
        if not any(isinstance(v, Tensor) and v.dtype.is_complex for v in (input, other)):
            return _operands(name, op, input, other)
        x, y = FUNCTIONS["broadcast_tensors"](input, other)
        a, b = ops.real(x.detach()), ops.real(y.detach())
        first = elementwise.greater(a, b)
        low, high = elementwise.where(first, y, x), elementwise.where(first, x, y)
        # Two of the same infinity have no difference, and a NaN in one part is one in both.
        same = ops.logical_and(ops.isinf(a), ops.equal(a, b))
        apart = elementwise.where(same, 0, low - high)
        out = high + (ops.log1p(ops.exp(apart)) if base == 1 else ops.log1p(ops.exp(apart * base)) / base)
        out = elementwise.where(same, elementwise.where(a < 0, y, ops.log(ops.exp(x) + ops.exp(y))), out)
        return elementwise.where(ops.logical_or(ops.isnan(x), ops.isnan(y)), complex(math.nan, math.nan), out)

    return f


def _publish(row: tuple, make: Callable, special: bool = False) -> None:
    """One row of the table as ``lucid.name``, ``Tensor.name`` and ``Tensor.name_``, or in ``lucid.special`` alone."""
    name, op, what, *examples, result, aliases = row
    f = make(name, getattr(ops, op))
    f.__name__ = f.__qualname__ = name
    where = "lucid.special" if special else "lucid"
    arguments = ", ".join(f"lucid.tensor({e})" for e in examples)
    f.__doc__ = f"{what}\n\n>>> import lucid\n>>> {where}.{name}({arguments})\ntensor({result})\n"
    names = aliases.split()
    public_names = [a for a in names if not a.startswith("special.")]
    call = public(
        *public_names,
        method=not special,
        function=not special,
        inplace=not special and name not in _NO_INPLACE,
        out=name not in _NO_OUT,
    )(f)
    for alias in (a.removeprefix("special.") for a in names if a not in public_names):
        SPECIAL[alias] = call
    if special:
        SPECIAL[name] = call


for _rows, _make, _special in (
    (UNARY, _unary, False),
    (BINARY, _binary, False),
    (SPECIAL_UNARY, _unary, True),
    (SPECIAL_BINARY, _binary, True),
):
    for _row in _rows:
        _publish(_row, _make, _special)

_FUNCTIONS_IN_PLACE = """abs acos acosh asin asinh atan atanh arccos arccosh arcsin arcsinh arctan arctanh ceil clamp clamp_max clamp_min
    clip cos cosh erf erfc exp exp2 expm1 fix floor gcd i0 lcm log log10 log1p log2 neg negative reciprocal relu round rsqrt sigmoid
    sin sinh sqrt square tan tanh trunc xlogy"""
for _name in _FUNCTIONS_IN_PLACE.split():
    FUNCTIONS[f"{_name}_"] = getattr(Tensor, f"{_name}_")
