"""Derivatives by finite differences, in float64 on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..core.modes import no_grad
from ..core.tensor import Tensor

STEP = 1e-5  # the truncation error is of order STEP**2, the rounding error of order 1e-16 / STEP: both about 1e-10


def directional_derivative(
    f: Callable[..., Tensor], points: Sequence[Tensor], directions: Sequence[Tensor], step: float = STEP
) -> Tensor:
    """``d/dt f(x + t u)`` at ``t = 0`` by Richardson-extrapolated central differences; ``f`` returns one tensor.

    >>> import lucid
    >>> x = lucid.tensor([2.0], dtype=lucid.float64)
    >>> round(directional_derivative(lambda x: x**3, [x], [lucid.ones_like(x)]).item(), 6)
    12.0
    """

    def difference(h: float) -> Tensor:
        with no_grad():
            ahead = f(*(x + h * u for x, u in zip(points, directions, strict=True)))
            behind = f(*(x - h * u for x, u in zip(points, directions, strict=True)))
            return (ahead - behind) / (2 * h)

    return (4 * difference(step / 2) - difference(step)) / 3
