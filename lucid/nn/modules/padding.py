"""Padding layers, for one, two and three dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.tensor import Tensor
from .. import functional as F
from .module import Module

__all__ = [
    f"{mode}Pad{n}d" for mode in ("Circular", "Constant", "Reflection", "Replication", "Zero") for n in (1, 2, 3)
]


class _Pad(Module):
    dimensions = 1
    mode = "constant"

    def __init__(self, padding: int | Sequence[int]):
        super().__init__()
        sizes = (padding,) * (2 * self.dimensions) if hasattr(padding, "__index__") else tuple(padding)
        if len(sizes) != 2 * self.dimensions:
            raise ValueError(f"{type(self).__name__}: expected an int or {2 * self.dimensions} ints, got {padding!r}")
        self.padding = sizes

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _CircularPadNd(_Pad):
    mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        ranks = self.dimensions + 1, self.dimensions + 2
        if isinstance(input, Tensor) and input.ndim not in ranks:
            raise ValueError(f"expected {ranks[0]}D or {ranks[1]}D input (got {input.ndim}D input)")
        return F.pad(input, self.padding, self.mode)


class _ReflectionPadNd(_Pad):
    mode = "reflect"


class _ReplicationPadNd(_Pad):
    mode = "replicate"


class _ConstantPadNd(_Pad):
    def __init__(self, padding: int | Sequence[int], value: float):
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_ConstantPadNd):
    def __init__(self, padding: int | Sequence[int]):
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


_KINDS: dict[str, tuple[type, str]] = {
    "Circular": (_CircularPadNd, "Wraps the input around."),
    "Constant": (_ConstantPadNd, "Pads with a value."),
    "Reflection": (_ReflectionPadNd, "Mirrors the input at its edges, without the edge."),
    "Replication": (_ReplicationPadNd, "Repeats the edges."),
    "Zero": (_ZeroPad, "Pads with zeros."),
}
for _name, (_base, _doc) in _KINDS.items():
    for _n in (1, 2, 3):
        _attributes: dict[str, Any] = {
            "dimensions": _n,
            "__module__": __name__,
            "__doc__": f"{_doc} ``padding`` is one size or {2 * _n}: (left, right{', top, bottom' if _n > 1 else ''}{', front, back' if _n > 2 else ''}).",
        }
        globals()[f"{_name}Pad{_n}d"] = type(f"{_name}Pad{_n}d", (_base,), _attributes)
