"""Dtypes for which an op has no meaning: NumPy refuses them by itself, other libraries compute something or fail strangely.

So that a mistake is the same error on every device, the kernels of other backends are put behind a look at the dtypes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

BOOL, FLOAT, COMPLEX = "bool", "float", "complex"
_WORDS = {
    BOOL: "negative subtract positive lerp relu",
    FLOAT: "bitwise_and bitwise_or bitwise_xor bitwise_invert bitwise_left_shift bitwise_right_shift gcd lcm",
    COMPLEX: """bitwise_and bitwise_or bitwise_xor bitwise_invert bitwise_left_shift bitwise_right_shift gcd lcm remainder fmod
    floor_divide trunc_divide floor ceil trunc logaddexp logaddexp2 hypot copysign signbit nextafter heaviside atan2
    logcumsumexp frexp_mantissa frexp_exponent elu silu softplus huber gelu hardswish erf erfc erfinv
    lgamma digamma xlogy xlog1py entr logit standardize normalize rms_normalize attention
    cross_entropy lstm_cell gru_cell""",
}
RARE = (
    "xlogy",
    "xlog1py",
    "entr",
    "logit",
    "logcumsumexp",
)  # NumPy would compute these of complex numbers; PyTorch does not
REFUSED: dict[str, set[str]] = {}
for _what, _names in _WORDS.items():
    for _name in _names.split():
        REFUSED.setdefault(_name, set()).add(_what)


def refuse(table: SimpleNamespace, category: Callable[[Any], str], names: Iterable[str] = tuple(REFUSED)) -> None:
    """Let kernels of a table raise TypeError for what NumPy's refuse; ``category`` of a dtype is one of the above or another word."""
    for name in names:
        kernel, refused = getattr(table, name, None), REFUSED[name]
        if kernel is not None:
            setattr(table, name, _refusing(kernel, refused, category))


def _refusing(kernel: Callable, refused: set[str], category: Callable[[Any], str]) -> Callable:
    known: dict[Any, str | None] = {}

    @functools.wraps(kernel, updated=())
    def run(*args: Any, **kwargs: Any) -> Any:
        dtype = getattr(args[0], "dtype", None) if args else None  # all inputs of an op have one dtype
        if dtype not in known:
            found = None if dtype is None else category(dtype)
            known[dtype] = found if found in refused else None
        if known[dtype] is not None:
            raise TypeError(f"a tensor of {known[dtype]} numbers")
        return kernel(*args, **kwargs)

    return run
