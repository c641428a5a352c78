"""Python's operators and protocols on Tensors, bound straight to the ops where nothing needs checking; comparing whole Tensors."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..core import dtypes
from ..core.fast import is_foreign
from ..core.record import FLOATS
from ..core.tensor import Tensor, as_tensor
from ..ops import elementwise
from .checking import with_kernel
from .methods import item
from .pointwise import pow as power
from .pointwise import subtract
from .registry import make_inplace, public, tensor_arg

_numbers: dict[tuple, Tensor] = {}  # `1 - x`: numbers on the left as 0-d tensors of x's dtype, kept because they repeat


def _reflected(f: Any) -> Any:
    """``other <op> self`` for a number, an array or anything else on the left."""

    def operator(self: Tensor, other: Any) -> Any:
        kind = other.__class__
        if (kind is int or kind is float) and other:  # 0.0 and -0.0 are one key and two numbers
            dtype = self.value.dtype
            if dtype in FLOATS:
                number = _numbers.get((other, dtype, type(self.value)))
                if number is None:
                    if len(_numbers) > 4096:
                        _numbers.clear()
                    number = as_tensor(other, dtype=self.dtype, like=self)
                    _numbers[other, dtype, type(self.value)] = number
                return f(number, self)
        if hasattr(other, "__array__"):  # NumPy's scalars are numbers without a dtype, as on the right
            other = as_tensor(other, like=self) if hasattr(other, "__setitem__") else other.item()
        return NotImplemented if is_foreign(other) else f(other, self)

    return operator


_OURS = {Tensor, int, float}


def _power(self: Any, other: Any) -> Any:
    return NotImplemented if type(other) not in _OURS and is_foreign(other) else power(self, other)


for _dunder, _f in {
    "add": elementwise.add, "mul": elementwise.multiply, "truediv": elementwise.divide, "floordiv": elementwise.floor_divide, "mod": elementwise.remainder,
    "sub": subtract, "pow": _power, "and": elementwise.bitwise_and, "or": elementwise.bitwise_or, "xor": elementwise.bitwise_xor,
    "lshift": elementwise.bitwise_left_shift, "rshift": elementwise.bitwise_right_shift,
}.items():  # fmt: skip
    _f = with_kernel(_f)
    setattr(Tensor, f"__{_dunder}__", _f)
    commutes = _dunder in ("add", "mul", "and", "or", "xor")
    setattr(Tensor, f"__r{_dunder}__", _f if commutes else _reflected(_f))


def _times(self: Tensor, other: Any) -> Any:
    """``other * self``; of a list or a string it is Python's repetition, which asks for ``__index__``."""
    kind = other.__class__
    return NotImplemented if kind is list or kind is str or kind is tuple else elementwise.multiply(self, other)


Tensor.__rmul__ = _times  # type: ignore[method-assign]
for _dunder, _op in {
    "lt": elementwise.less,
    "le": elementwise.less_equal,
    "gt": elementwise.greater,
    "ge": elementwise.greater_equal,
}.items():
    setattr(Tensor, f"__{_dunder}__", _op)


_OTHERS = (type(None), str, list, tuple, dict)  # no tensor equals these


def _equal(self: Tensor, other: Any) -> Any:
    return False if isinstance(other, _OTHERS) else elementwise.equal(self, other)


def _not_equal(self: Tensor, other: Any) -> Any:
    return True if isinstance(other, _OTHERS) else elementwise.not_equal(self, other)


Tensor.__eq__ = _equal  # type: ignore[method-assign, assignment]
Tensor.__ne__ = _not_equal  # type: ignore[method-assign, assignment]
Tensor.__neg__ = ops.negative  # type: ignore[attr-defined]
Tensor.__pos__ = lambda self: self  # type: ignore[attr-defined, operator]
Tensor.__abs__ = ops.abs  # type: ignore[attr-defined]
Tensor.__invert__ = ops.bitwise_invert  # type: ignore[attr-defined]

for _name in ("add", "sub", "mul", "truediv", "pow", "and", "or", "xor", "lshift", "rshift", "floordiv", "mod"):
    _source = getattr(Tensor, f"__{_name}__")
    make_inplace(f"__i{_name}_", _source)


# ---- Python protocols ----


def _bool(self: Tensor) -> bool:
    if self.shape.numel() != 1:
        what = "no" if not self.shape.numel() else "more than one"
        raise RuntimeError(
            f"Boolean value of Tensor with {what} value{'s' if not self.shape.numel() else ''} is ambiguous"
        )
    return bool(item(self))


def _index(self: Tensor) -> int:
    if self.dtype.category > dtypes.INTEGER or self.shape.numel() != 1:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(item(self))


def _iter(self: Tensor) -> Any:
    if not self.ndim:
        raise TypeError("iteration over a 0-d tensor")
    return iter(self.unbind(0))  # type: ignore[attr-defined]


def _contains(self: Tensor, element: Any) -> bool:
    if not isinstance(element, Tensor | int | float | complex) and not hasattr(element, "item"):
        raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}.")
    return bool((self == element).any())  # type: ignore[attr-defined]


def _format(self: Tensor, spec: str) -> str:
    if not self.ndim and (spec or type(self).__name__ != "Parameter"):
        return format(item(self), spec)
    if spec:
        raise TypeError(f"unsupported format string {spec!r} passed to Tensor.__format__: only a 0-d tensor takes one")
    return repr(self)


def _real(value: Any) -> Any:
    if type(value) is complex:
        if value.imag:
            raise RuntimeError(f"value {value} cannot be converted to a real number without overflow")
        return value.real
    return value


Tensor.__bool__ = _bool  # type: ignore[attr-defined]
Tensor.__int__ = lambda self: int(_real(item(self)))  # type: ignore[attr-defined]
Tensor.__float__ = lambda self: float(_real(item(self)))  # type: ignore[attr-defined]
Tensor.__complex__ = lambda self: complex(item(self))  # type: ignore[attr-defined]
Tensor.__index__ = _index  # type: ignore[attr-defined]
Tensor.__iter__ = _iter  # type: ignore[attr-defined]
Tensor.__contains__ = _contains  # type: ignore[attr-defined, operator]
Tensor.__format__ = _format  # type: ignore[method-assign, assignment]


@public(out=False)
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and elements."""
    return input.shape == other.shape and bool(elementwise.equal(input, other).all())


@public(out=False)
def isclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Elementwise ``|input - other| <= atol + rtol * |other|``."""
    input, other = tensor_arg(input, "isclose"), tensor_arg(other, "isclose", "other")
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{input.dtype} did not match {other.dtype}")
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if not tolerance >= 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {tolerance}")
    rtol, atol = float(rtol), float(atol)
    same = elementwise.equal(input, other)
    if equal_nan:
        same = ops.logical_or(same, ops.isnan(input) & ops.isnan(other))
    if not rtol and not atol:
        return same
    if input.dtype.category < dtypes.FLOAT:  # whose differences may not be numbers of their dtype
        input, other = input.to(dtypes.get_default_dtype()), other.to(dtypes.get_default_dtype())
    near = elementwise.less_equal(ops.abs(input - other), ops.abs(other) * rtol + atol)
    return ops.logical_or(same, ops.logical_and(near, ops.isfinite(input) & ops.isfinite(other)))


@public(out=False)
def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all elements are close; see ``isclose``.

    >>> import lucid
    >>> lucid.allclose(lucid.tensor([1.0]), lucid.tensor([1.0 + 1e-7]))
    True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan).all())
