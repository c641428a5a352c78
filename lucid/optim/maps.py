"""Maps for ``GSGD``: the subdifferentials that make it heavy-ball, sign, normalized or clipped SGD."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..core.tensor import Tensor

__all__ = ["clipped", "identity", "normalized", "sign"]


def identity(m: Tensor) -> Tensor:
    """``m`` itself: heavy-ball SGD."""
    return m


def sign(m: Tensor) -> Tensor:
    """The signs of the elements: signSGD with momentum."""
    from .. import ops

    return ops.sgn(m)


def normalized(m: Tensor) -> Tensor:
    """``m / |m|``, and 0 at 0: normalized SGD, one parameter tensor at a time.

    >>> import lucid
    >>> lucid.optim.maps.normalized(lucid.tensor([3.0, 4.0]))
    tensor([0.6000, 0.8000])
    """
    from .. import ops

    size = ops.sqrt(ops.sum(m * m))
    return m / ops.where(size > 0, size, 1.0)


def _clip(m: Tensor, bound: float) -> Tensor:
    from .. import ops

    size = ops.sqrt(ops.sum(m * m))
    return m * ops.where(size > bound, bound / ops.where(size > 0, size, 1.0), 1.0)


def clipped(bound: float = 1.0) -> Callable[[Tensor], Tensor]:
    """The map ``m * min(1, bound / |m|)``: clipped SGD, one parameter tensor at a time.

    Raises ValueError for a bound that is not positive.

    >>> import lucid
    >>> lucid.optim.maps.clipped(1.0)(lucid.tensor([3.0, 4.0]))
    tensor([0.6000, 0.8000])
    """
    if not bound > 0:
        raise ValueError(f"clipped: the bound must be positive, got {bound}")
    return partial(_clip, bound=float(bound))


def kind(Dphi: Callable) -> str | None:
    """``"identity"`` or ``"sign"`` for the maps that work element by element; None for all others."""
    if Dphi is identity:
        return "identity"
    from ..functions import FUNCTIONS

    return "sign" if Dphi is sign or Dphi in (FUNCTIONS.get("sign"), FUNCTIONS.get("sgn")) else None
