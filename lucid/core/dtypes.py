"""Element types by name, and PyTorch's promotion between them; no array library is needed here."""

from __future__ import annotations

import math
from typing import Any

from .errors import DTypeError

BOOL, INTEGER, FLOAT, COMPLEX = range(4)


class dtype:
    """An element type such as ``lucid.float32``; one object per type, compared by identity."""

    __slots__ = ("__weakref__", "category", "is_signed", "itemsize", "name")

    def __init__(self, name: str, category: int, itemsize: int, is_signed: bool = True):
        self.name, self.category, self.itemsize, self.is_signed = name, category, itemsize, is_signed

    @property
    def is_floating_point(self) -> bool:
        return self.category == FLOAT

    @property
    def is_complex(self) -> bool:
        return self.category == COMPLEX

    def to_real(self) -> dtype:
        return {"complex64": float32, "complex128": float64}.get(self.name, self)

    def to_complex(self) -> dtype:
        return {"float64": complex128, "complex128": complex128}.get(self.name, complex64)

    def __repr__(self) -> str:
        return f"lucid.{self.name}"

    def __reduce__(self) -> Any:
        return by_name, (self.name,)

    def __copy__(self) -> dtype:
        return self

    def __deepcopy__(self, memo: dict) -> dtype:
        return self


bool_ = dtype("bool", BOOL, 1, False)
uint8, uint16, uint32, uint64 = (dtype(f"uint{8 * n}", INTEGER, n, False) for n in (1, 2, 4, 8))
int8, int16, int32, int64 = (dtype(f"int{8 * n}", INTEGER, n) for n in (1, 2, 4, 8))
float16, float32, float64 = (dtype(f"float{8 * n}", FLOAT, n) for n in (2, 4, 8))
bfloat16 = dtype("bfloat16", FLOAT, 2)
complex64, complex128 = dtype("complex64", COMPLEX, 8), dtype("complex128", COMPLEX, 16)

ALL = (
    bool_, uint8, uint16, uint32, uint64, int8, int16, int32, int64,
    float16, bfloat16, float32, float64, complex64, complex128,
)  # fmt: skip
NAMES = {d.name: d for d in ALL}
ALIASES = {"half": "float16", "float": "float32", "double": "float64", "short": "int16", "int": "int32",
           "long": "int64", "cfloat": "complex64", "cdouble": "complex128"}  # fmt: skip
TORCH_NAMES = {  # how PyTorch's messages and `Tensor.type()` spell them
    "float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16", "int64": "Long",
    "int32": "Int", "int16": "Short", "int8": "Char", "uint8": "Byte", "bool": "Bool", "complex64": "ComplexFloat",
    "complex128": "ComplexDouble", "uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64",
}  # fmt: skip
PYTHON_TYPES = {bool: bool_, int: int64, float: float64, complex: complex128}  # what they are in Python, as in PyTorch


class _Default:
    """The dtype that Python floats and integer division give (process-wide, as in PyTorch)."""

    float: dtype = float32


def get_default_dtype() -> dtype:
    """The floating dtype of new tensors made from Python floats (``lucid.float32`` at first)."""
    return _Default.float


class _Restore:
    """What ``set_default_dtype`` returns: used with ``with``, it puts the former default back."""

    def __init__(self, before: dtype):
        self.before = before

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        _Default.float = self.before


def set_default_dtype(d: Any) -> _Restore:
    """Set the floating dtype of new tensors made from Python floats; with ``with``, until the block ends.

    Raises TypeError if ``d`` is not a floating dtype.

    >>> import lucid
    >>> with lucid.set_default_dtype(lucid.float64):
    ...     lucid.tensor(1.0).dtype
    lucid.float64
    """
    d = as_dtype(d)
    if d.category != FLOAT:
        raise TypeError(f"set_default_dtype: only floating dtypes can be the default; got {d}")
    restore = _Restore(_Default.float)
    _Default.float = d
    return restore


def by_name(name: str) -> dtype:
    return NAMES[name]


def as_dtype(d: Any) -> dtype:
    """A dtype from a dtype, a name, a Python type or a NumPy dtype; TypeError otherwise."""
    if type(d) is dtype:
        return d
    found: dtype | None
    if isinstance(d, str):
        word = d.removeprefix("lucid.").removeprefix("torch.")
        found = NAMES.get(ALIASES.get(word, word))
    elif isinstance(d, type) and d in PYTHON_TYPES:
        found = PYTHON_TYPES[d]
    else:
        name = getattr(d, "name", None) or getattr(d, "__name__", None)  # np.dtype('f4'), np.float32
        found = NAMES.get(name) if isinstance(name, str) else None
    if found is None:
        raise TypeError(f"not a dtype: {d!r}; expected one of {', '.join(NAMES)}")
    return found


_INTEGERS = {8: int8, 16: int16, 32: int32, 64: int64}


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest dtype that holds both, by PyTorch's rules (an integer never widens a float)."""
    a, b = as_dtype(type1), as_dtype(type2)
    if a is b:
        return a
    if a.category != b.category:
        if a.category < b.category:
            a, b = b, a
        if a.category == COMPLEX and b is float64:
            return complex128
        return a
    if a.category == INTEGER and a.is_signed != b.is_signed:
        signed, unsigned = (a, b) if a.is_signed else (b, a)
        if unsigned is uint64:
            raise DTypeError(
                f"promotion of {a} and {b} is not defined: no integer dtype holds both; cast one with .to()"
            )
        if unsigned.itemsize >= signed.itemsize:
            return _INTEGERS[16 * unsigned.itemsize]
        return signed
    if a.itemsize == b.itemsize:  # float16 with bfloat16
        return float32
    return a if a.itemsize > b.itemsize else b


def result_type(*operands: tuple[dtype, int]) -> dtype:
    """Promote (dtype, priority) pairs: 2 an array, 1 a 0-d array, 0 a Python scalar.

    A lower priority changes the result only when it is of a higher category.
    """
    best: list[dtype | None] = [None, None, None]
    for d, priority in operands:
        held = best[priority]
        best[priority] = d if held is None else promote_types(held, d)
    result: dtype | None = None
    for d in filter(None, (best[2], best[1], best[0])):
        if result is None:
            result = d
        elif d.category > result.category:
            result = _lift(result, d)
    if result is None:
        raise ValueError("result_type: at least one operand is needed")
    return result


def _lift(result: dtype, d: dtype) -> dtype:
    """The winning dtype when a weaker operand is of a higher category: a float array keeps its precision under a complex."""
    return result.to_complex() if d.category == COMPLEX and result.category == FLOAT else d


def scalar_dtype(value: Any) -> dtype:
    """The dtype that a Python scalar asks for (weakly)."""
    kind = type(value)
    if kind is bool:
        return bool_
    if kind is int:
        return int64
    if isinstance(value, float):
        return _Default.float
    if isinstance(value, complex):
        return _Default.float.to_complex()
    if isinstance(value, int):
        return int64
    if hasattr(value, "item") and value.ndim == 0:  # NumPy's
        return scalar_dtype(value.item())
    raise TypeError(f"not a number: {value!r}")


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether a value of ``from_`` may be written to ``to`` without losing its kind (float to int may not)."""
    return as_dtype(from_).category <= as_dtype(to).category


class finfo:
    """Limits of a floating dtype: ``bits, eps, max, min, tiny, smallest_normal, resolution``."""

    _TABLE = {"float16": (10, 15), "bfloat16": (7, 127), "float32": (23, 127), "float64": (52, 1023)}

    def __init__(self, type: Any = None):
        d = get_default_dtype() if type is None else as_dtype(getattr(type, "dtype", type)).to_real()
        if d.name not in self._TABLE:
            raise TypeError(f"finfo: {d} is not a floating dtype; use iinfo for integers")
        mantissa, exponent = self._TABLE[d.name]
        self.dtype: Any = d
        self.bits = 8 * d.itemsize
        self.eps = 2.0**-mantissa
        self.max = (2.0 - self.eps) * 2.0**exponent
        self.min = -self.max
        self.tiny = self.smallest_normal = 2.0 ** (1 - exponent)
        self.resolution = 10.0 ** -math.floor(mantissa * math.log10(2))

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        return f"finfo({', '.join(f'{name}={getattr(self, name):g}' for name in names)}, dtype={self.dtype.name})"


class iinfo:
    """Limits of an integer dtype: ``bits, min, max``."""

    def __init__(self, type: Any):
        d = as_dtype(getattr(type, "dtype", type))
        if d.category != INTEGER:
            raise TypeError(f"iinfo: {d} is not an integer dtype; use finfo for floats")
        self.dtype: Any = d
        self.bits = 8 * d.itemsize
        self.min = -(2 ** (self.bits - 1)) if d.is_signed else 0
        self.max = 2 ** (self.bits - d.is_signed) - 1

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype.name})"
