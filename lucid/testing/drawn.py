"""``make_tensor``: random numbers of any dtype, for tests."""

from __future__ import annotations

import math
from typing import Any

from ..core import dtypes
from ..core.tensor import Tensor
from ..functions import FUNCTIONS


def make_tensor(
    *shape: Any,
    dtype: Any,
    device: Any = None,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor of numbers drawn evenly from [low, high): by default [-9, 9), integers from there, [0, 10) for uint8, or booleans.

    >>> import lucid
    >>> x = lucid.testing.make_tensor(2, 3, dtype=lucid.float32, low=0, high=1)
    >>> x.shape, bool((x >= 0).all())
    (lucid.Size([2, 3]), True)
    """
    sizes = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
    d = dtypes.as_dtype(dtype)
    if noncontiguous and sizes:
        sizes = (*sizes[:-1], 2 * sizes[-1])
    whole = d.category < dtypes.FLOAT
    least, most = _bounds(d, low, high)
    if whole:
        made = FUNCTIONS["randint"](least, most, sizes, device=device).to(d)
    else:
        parts = [
            least + (most - least) * FUNCTIONS["rand"](sizes, dtype=dtypes.float64, device=device) for _ in range(2)
        ]
        made = (FUNCTIONS["complex"](*parts) if d.is_complex else parts[0]).to(d)
        if not d.is_complex and least < most:
            made = made.masked_fill(made >= most, least)  # what was rounded up
    if exclude_zero:
        made = made.masked_fill(made == 0, 1)
    if noncontiguous and sizes:
        made = made[..., ::2]
    return made.requires_grad_() if requires_grad else made


def _bounds(d: Any, low: float | None, high: float | None) -> tuple[Any, Any]:
    """From where to where numbers of a dtype are drawn."""
    whole = d.category < dtypes.FLOAT
    default = (0, 2) if d is dtypes.bool_ else (-9 if d.is_signed else 0, 10 if whole else 9)
    limits: Any = None if d is dtypes.bool_ else (dtypes.iinfo if whole else dtypes.finfo)(d)
    first, last = (0, 2) if limits is None else (limits.min, limits.max + whole)
    if any(v is not None and math.isnan(v) for v in (low, high)):
        raise ValueError(f"make_tensor: `low` and `high` cannot be NaN, but got {low=} and {high=}")
    low, high = default[0] if low is None else low, default[1] if high is None else high
    if low > high or (low == high and whole):
        raise ValueError(f"make_tensor: `low` must be less than `high`, but got {low} >= {high}")
    if high < first or low >= last:
        raise ValueError(f"make_tensor: [{low}, {high}) lies outside [{first}, {last}), which {d} holds")
    low, high = max(low, first), min(high, last)
    return (math.ceil(low), math.ceil(high)) if whole else (low, high)
