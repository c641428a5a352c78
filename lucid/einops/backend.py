"""Tensors for the einops library, which finds this class by itself (see ``lucid.interop``)."""

from __future__ import annotations

from typing import Any

from einops._backends import AbstractBackend

import lucid

from ..core.tensor import Tensor


class LucidBackend(AbstractBackend):
    """What einops does with Tensors."""

    framework_name = "lucid"

    def is_appropriate_type(self, tensor: Any) -> bool:
        return isinstance(tensor, Tensor)

    def from_numpy(self, x: Any) -> Any:
        t: Any = lucid.from_numpy(x)  # type: ignore[attr-defined]
        return t.requires_grad_() if self.is_float_type(t) else t

    def to_numpy(self, x: Any) -> Any:
        return x.detach().cpu().numpy()

    def arange(self, start: int, stop: int) -> Any:
        return lucid.arange(start, stop)  # type: ignore[attr-defined]

    def shape(self, x: Any) -> tuple[int, ...]:
        return tuple(x.shape)

    def transpose(self, x: Any, axes: Any) -> Any:
        return x.permute(axes)

    def reduce(self, x: Any, operation: str, reduced_axes: Any) -> Any:
        if operation in ("any", "all", "prod"):
            for axis in sorted(reduced_axes, reverse=True):
                x = getattr(x, operation)(dim=axis)
            return x
        return getattr(x, {"min": "amin", "max": "amax"}.get(operation, operation))(dim=tuple(reduced_axes))

    def stack_on_zeroth_dimension(self, tensors: list) -> Any:
        return lucid.stack(tensors)  # type: ignore[attr-defined]

    def add_axis(self, x: Any, new_position: int) -> Any:
        return x.unsqueeze(new_position)

    def add_axes(self, x: Any, n_axes: int, pos2len: dict[int, int]) -> Any:
        sizes = [-1] * n_axes
        for position, length in pos2len.items():
            x = self.add_axis(x, position)
            sizes[position] = length
        return x.expand(sizes)

    def tile(self, x: Any, repeats: Any) -> Any:
        return x.repeat(repeats)

    def concat(self, tensors: list, axis: int) -> Any:
        return lucid.cat(tensors, dim=axis)  # type: ignore[attr-defined]

    def is_float_type(self, x: Any) -> bool:
        return x.is_floating_point()  # type: ignore[no-any-return]

    def einsum(self, pattern: str, *x: Any) -> Any:
        return lucid.einsum(pattern, *x)  # type: ignore[attr-defined]

    def layers(self) -> Any:
        from . import layers

        return layers
