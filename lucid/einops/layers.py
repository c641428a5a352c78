"""``Rearrange`` and ``Reduce`` as modules, as ``einops.layers.torch`` has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.tensor import Tensor
from ..nn import Module
from . import rearrange, reduce

__all__ = ["Rearrange", "Reduce"]
__path__: list[str] = []  # so that ``lucid.einops.layers.torch`` can be asked for (``lucid.paths``)


class Rearrange(Module):
    """``rearrange`` with a fixed pattern.

    >>> import lucid
    >>> from lucid.einops.layers import Rearrange
    >>> lucid.nn.Sequential(Rearrange("b (h w) -> b h w", h=2))(lucid.zeros(1, 6)).shape
    lucid.Size([1, 2, 3])
    """

    def __init__(self, pattern: str, **axes_lengths: int):
        super().__init__()
        self.pattern, self.axes_lengths = pattern, axes_lengths

    def forward(self, input: Any) -> Tensor:
        return rearrange(input, self.pattern, **self.axes_lengths)

    def extra_repr(self) -> str:
        return ", ".join([repr(self.pattern), *(f"{k}={v}" for k, v in self.axes_lengths.items())])


class Reduce(Module):
    """``reduce`` with a fixed pattern and reduction.

    >>> import lucid
    >>> from lucid.einops.layers import Reduce
    >>> Reduce("b c h w -> b c", "mean")(lucid.ones(2, 3, 4, 4)).shape
    lucid.Size([2, 3])
    """

    def __init__(self, pattern: str, reduction: str | Callable, **axes_lengths: int):
        super().__init__()
        self.pattern, self.reduction, self.axes_lengths = pattern, reduction, axes_lengths

    def forward(self, input: Any) -> Tensor:
        return reduce(input, self.pattern, self.reduction, **self.axes_lengths)

    def extra_repr(self) -> str:
        parts = [repr(self.pattern), repr(self.reduction), *(f"{k}={v}" for k, v in self.axes_lengths.items())]
        return ", ".join(parts)
