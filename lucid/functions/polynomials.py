"""Orthogonal polynomials (in ``lucid.special``), each by its three-term recurrence, so that derivatives follow."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.tensor import Tensor, as_tensor
from ..core.transform import everything
from .registry import beside, tensor_arg
from .special import floating, special


def _polynomial(
    name: str, what: str, start: Callable, step: Callable, inside: Callable, result: str, at: float = 0.5
) -> None:
    """A family of orthogonal polynomials by its recurrence: ``p0 = 1, p1 = start(x), p(k+1) = step(x, k, pk, p(k-1))``."""

    def terms(x: Tensor) -> Iterator[Tensor]:
        before, last = x * 0.0 + 1.0, start(x)
        yield before
        for k in itertools.count(1):
            yield last
            before, last = last, step(x, k, last, before)

    def f(input: Any, n: Any) -> Tensor:
        x = floating(beside(input, n) if isinstance(n, Tensor) else tensor_arg(input, name), name)
        degrees = n.to(dtypes.int64) if isinstance(n, Tensor) else as_tensor(int(n), like=x)
        total = x * 0.0 + degrees * 0.0
        wanted = set(everything(degrees).reshape(-1).tolist())
        for k, term in zip(range(max(wanted, default=-1) + 1), terms(inside(x)), strict=False):
            if k in wanted:
                total = ops.where(ops.equal(degrees, k), term, total)
        return total

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"{what}, of degree ``n`` (a number or a tensor).\n\n>>> import lucid\n>>> lucid.special.{name}(lucid.tensor([{at}]), 3)\ntensor([{result}])\n"
    special()(f)


def _twice(x: Any, k: int, last: Any, before: Any) -> Any:
    return 2 * x * last - before


for _kind, _start in (
    ("t", lambda x: x),
    ("u", lambda x: 2 * x),
    ("v", lambda x: 2 * x - 1),
    ("w", lambda x: 2 * x + 1),
):
    _what = f"The Chebyshev polynomial {_kind.upper()}"
    _polynomial(f"chebyshev_polynomial_{_kind}", _what, _start, _twice, lambda x: x, "-1.")
    _polynomial(
        f"shifted_chebyshev_polynomial_{_kind}", f"{_what} of 2x - 1", _start, _twice, lambda x: 2 * x - 1, "-1.", 0.75
    )
_polynomial(
    "hermite_polynomial_h",
    "The physicists' Hermite polynomial",
    lambda x: 2 * x,
    lambda x, k, a, b: 2 * x * a - 2 * k * b,
    lambda x: x,
    "-5.",
)
_polynomial(
    "hermite_polynomial_he",
    "The probabilists' Hermite polynomial",
    lambda x: x,
    lambda x, k, a, b: x * a - k * b,
    lambda x: x,
    "-1.3750",
)
_polynomial(
    "laguerre_polynomial_l",
    "The Laguerre polynomial",
    lambda x: 1 - x,
    lambda x, k, a, b: ((2 * k + 1 - x) * a - k * b) / (k + 1),
    lambda x: x,
    "-0.1458",
)
_polynomial(
    "legendre_polynomial_p",
    "The Legendre polynomial",
    lambda x: x,
    lambda x, k, a, b: ((2 * k + 1) * x * a - k * b) / (k + 1),
    lambda x: x,
    "-0.4375",
)
