"""``make_tensor``: random numbers of any dtype, for tests."""

from __future__ import annotations

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
    if d is dtypes.bool_:
        made = FUNCTIONS["randint"](0, 2, sizes, device=device).to(d)
    elif d.category == dtypes.INTEGER:
        start = 0 if not d.is_signed else -9
        made = FUNCTIONS["randint"](
            int(start if low is None else low), int(10 if high is None else high), sizes, device=device
        ).to(d)
    else:
        least, most = (-9.0 if low is None else low), (9.0 if high is None else high)
        parts = [
            least + (most - least) * FUNCTIONS["rand"](sizes, dtype=dtypes.float64, device=device) for _ in range(2)
        ]
        made = (FUNCTIONS["complex"](*parts) if d.is_complex else parts[0]).to(d)
    if exclude_zero:
        made = made.masked_fill(made == 0, 1)
    if noncontiguous and sizes:
        made = made[..., ::2]
    return made.requires_grad_() if requires_grad else made
