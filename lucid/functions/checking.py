"""What arguments may be, read from the annotations of the public functions: PyTorch's TypeError before any work is done.

``keepdim: bool`` refuses 1, ``dim: int`` refuses True and 1.0, ``index: Tensor`` refuses lists. An annotation that is not
in ``KINDS`` (``Any`` above all) is not checked here. The usual class of an argument is looked up in a set; only others
are asked what they are. NumPy's integers become ints, its booleans bools, its arrays tensors.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from ..core import dtypes
from ..core.tensor import Tensor, as_tensor
from ..core.view import View

# Annotations: a Python number or something 0-d that is one; that or a tensor; an int or several.
Scalar = Any
Value = Any
Dims = Any


class Kind(NamedTuple):
    """Classes that are right as they are, a function that makes others right or raises TypeError, and how to say it."""

    exact: set[type]
    convert: Callable[[Any], Any]
    word: str


def _tensor(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value
    if hasattr(value, "__dlpack__") or (hasattr(value, "__array__") and hasattr(value, "__setitem__")):
        return as_tensor(value)
    raise TypeError  # NumPy's scalars, too: PyTorch takes them for numbers


def _int(value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError
    return int(value.__index__())


def _bool(value: Any) -> bool:
    if type(value).__name__ not in ("bool", "bool_"):  # NumPy's
        raise TypeError
    return bool(value)


def number(value: Any) -> Any:
    """A Python number for one of NumPy or a 0-d tensor: those would bring a dtype of their own into the result."""
    return value.item() if hasattr(value, "item") else value


def _scalar(value: Any) -> Any:
    if isinstance(value, Tensor):
        if value.ndim == 0 and not value.requires_grad:  # a number has no gradient: that would be lost
            return value
    elif isinstance(value, int | float | complex) or (getattr(value, "ndim", 1) == 0 and hasattr(value, "item")):
        return number(value)
    raise TypeError


def _float(value: Any) -> Any:
    if isinstance(value, complex):
        raise TypeError
    return _scalar(value)


def _value(value: Any) -> Any:
    try:
        return _scalar(value)
    except TypeError:
        return _tensor(value)


def _dims(value: Any) -> Any:
    if isinstance(value, tuple | list) or (hasattr(value, "tolist") and getattr(value, "ndim", 0) == 1):
        return value
    return _int(value)


def _str(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError


KINDS = {
    "Tensor": Kind({Tensor, View}, _tensor, "Tensor"),
    "int": Kind({int}, _int, "int"),
    "bool": Kind({bool}, _bool, "bool"),
    "float": Kind({float, int}, _float, "float"),
    "Scalar": Kind({float, int, bool, complex}, _scalar, "Number"),
    "Value": Kind({Tensor, View, float, int, bool, complex}, _value, "Tensor or Number"),
    "Dims": Kind({int, tuple, list}, _dims, "int or tuple of ints"),
    "str": Kind({str}, _str, "str"),
}
for _name, _kind in list(KINDS.items()):
    KINDS[f"{_name} | None"] = _kind._replace(exact=_kind.exact | {type(None)})


# Switches that PyTorch takes None for, as for False.
NONE_TOO = dict.fromkeys(("requires_grad", "pin_memory", "stable"), " | None")


def kinds_of(f: Callable, names: tuple[str, ...]) -> dict[str, Kind]:
    """The parameters of a function that are checked."""
    found = {name: KINDS.get(f.__annotations__.get(name, "") + NONE_TOO.get(name, "")) for name in names}
    return {name: kind for name, kind in found.items() if kind is not None}


# Booleans (b), integers (i) of both operands for which PyTorch has no kernel.
NO_KERNEL = {
    **dict.fromkeys("hypot nextafter logaddexp logaddexp2 gammainc gammaincc _igamma _igammac dist lerp".split(), "bi"),
    **dict.fromkeys(
        """floor_divide fmod remainder pow addcmul bitwise_left_shift bitwise_right_shift bucketize
        searchsorted""".split(),
        "b",
    ),
}


def with_kernel(f: Callable) -> Callable:
    """``f``, which refuses the dtypes of ``NO_KERNEL``."""
    kinds = NO_KERNEL.get(f.__name__)
    if kinds is None:
        return f

    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        if args and type(args[0]) is Tensor and args[0].dtype.category > dtypes.INTEGER:
            return f(*args, **kwargs)
        operands = (*args, *kwargs.values())[:2]
        first = next((a for a in operands if isinstance(a, Tensor)), None)
        if first is not None and max(map(_letter, operands)) in kinds:
            raise NotImplementedError(f"{f.__name__.lstrip('_')}: not implemented for {first.dtype}")
        return f(*args, **kwargs)

    return call


def _letter(operand: Any) -> str:
    """b, i, or z for what always has a kernel."""
    if isinstance(operand, Tensor):
        return "biz"[min(operand.dtype.category, 2)]
    return "" if operand is None else "b" if isinstance(operand, bool) else "i" if isinstance(operand, int) else "z"


def fits(value: int, name: str, position: str) -> None:
    """ValueError for a Python int of more than 64 bits, as in PyTorch."""
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"{name}(): argument '{position}': Overflow when unpacking long long, got {value}")


def real_arg(value: Any, name: str, position: str) -> float:
    """A Python float; RuntimeError for complex numbers, OverflowError beyond 64 bits, TypeError for what is no number."""
    try:
        value = number(_scalar(value))
    except TypeError:
        raise TypeError(f"{name}(): argument '{position}' must be Number, not {_named(value)}") from None
    if isinstance(value, complex):
        raise RuntimeError(f"{name}(): argument '{position}' must be a real number, got {value}")
    refuse_huge(value, name, position)
    return float(value)


def refuse_huge(value: Any, name: str, position: str) -> None:
    """OverflowError for a Python int of more than 64 bits where PyTorch takes any number."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise OverflowError(f"{name}(): argument '{position}': int too big to convert, got {value}")


def explain(name: str, given: dict[str, Any], kinds: dict[str, Kind]) -> None:
    """A failed call that was given an int of more than 64 bits fails as in PyTorch."""
    for position, value in given.items():
        if type(value) is int and not -(2**63) <= value < 2**63:
            kind = kinds.get(position)
            if kind is not None and kind.word.startswith("int"):
                fits(value, name, position)
            elif kind is not None:
                refuse_huge(value, name, position)


def right(value: Any, kind: Kind, function: str, name: str) -> Any:
    """The argument, or what it stands for; TypeError if it is of another kind."""
    try:
        value = kind.convert(value)
    except TypeError:
        what = f"{function}(): argument '{name}' must be {kind.word}, not {_named(value)}"
        raise TypeError(what) from None
    if isinstance(value, Tensor):
        kind.exact.add(
            type(value)
        ) if kind.word == "Tensor" else None  # Parameter and the like, found at once from now on
    return value


def _named(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return type(value).__name__ + ("" if shape is None else f" of shape {tuple(shape)}")
