"""Window functions of signal processing, and logarithmic ranges."""

from __future__ import annotations

import math
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.tensor import Tensor
from .checking import number
from .creation import arange, linspace
from .registry import FUNCTIONS, public


@public(method=False)
def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """``steps`` numbers from ``base ** start`` to ``base ** end``, evenly spaced in the exponent.

    >>> import lucid
    >>> lucid.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    start, end = number(start), number(end)
    default = dtypes.get_default_dtype()
    inner = dtypes.float64
    if isinstance(start, complex) or isinstance(end, complex):
        default, inner = default.to_complex(), dtypes.complex128
    d = default if dtype is None else dtypes.as_dtype(dtype)
    if inner.is_complex and not d.is_complex:
        raise RuntimeError(f"logspace(): inferred dtype complex can't be safely cast to passed dtype {d}")
    if d.category == dtypes.INTEGER:
        start, end = int(start), int(end)
    t = ops.pow(float(base), linspace(start, end, steps, dtype=inner, device=device)).to(d)
    return t.requires_grad_() if requires_grad else t


def _window(name: str, what: str, shape: Any, defaults: dict[str, float] | None = None) -> None:
    defaults = defaults or {}

    def f(
        window_length: int,
        periodic: bool = True,
        *args: float,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        layout: Any = None,
        pin_memory: bool = False,
        **named: float,
    ) -> Tensor:
        d = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
        if d.category != dtypes.FLOAT:
            raise RuntimeError(f"{name} expects floating point dtypes, got: {d}")
        if window_length < 0:
            raise RuntimeError(f"{name} requires non-negative window_length, got window_length={window_length}")
        unknown = set(named) - set(defaults)
        if unknown or len(args) > len(defaults):
            raise TypeError(f"{name}() got unexpected arguments {sorted(unknown) or args}")
        values = {**defaults, **dict(zip(defaults, args, strict=False)), **named}
        if window_length <= 1:
            t = FUNCTIONS["ones"](window_length, dtype=d, device=device)
        else:
            n = arange(window_length, dtype=dtypes.float64, device=device)
            t = shape(n, window_length - (0 if periodic else 1), *values.values()).to(d)
        return t.requires_grad_() if requires_grad else t

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"{what} For ``periodic=False`` it is symmetric.\n\n>>> import lucid\n>>> lucid.{name}(4).shape\nlucid.Size([4])\n"
    FUNCTIONS[name] = f


def _cosine(n: Tensor, m: int, k: int = 1) -> Tensor:
    return ops.cos(n * (2 * math.pi * k / m))


_window("hann_window", "``(1 - cos(2 pi n / N)) / 2``.", lambda n, m: 0.5 - 0.5 * _cosine(n, m))
_window(
    "hamming_window",
    "``alpha - beta cos(2 pi n / N)``.",
    lambda n, m, a, b: a - b * _cosine(n, m),
    {"alpha": 0.54, "beta": 0.46},
)
_window(
    "blackman_window",
    "``0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N)``.",
    lambda n, m: 0.42 - 0.5 * _cosine(n, m) + 0.08 * _cosine(n, m, 2),
)
_window("bartlett_window", "The triangle ``1 - |2 n / N - 1|``.", lambda n, m: 1 - ops.abs(n * (2 / m) - 1))
_window(
    "kaiser_window",
    "``i0(beta sqrt(1 - (2 n / N - 1)^2)) / i0(beta)``.",
    lambda n, m, beta: (
        ops.i0(beta * ops.sqrt((1 - ops.square(n * (2 / m) - 1)).clamp(min=0.0))) / ops.i0(n[0] * 0.0 + beta)
    ),
    {"beta": 12.0},
)
