"""Flatten and its inverse."""

from __future__ import annotations

from typing import Any

from ...core.tensor import Tensor
from .module import Module

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """Join the dimensions ``start_dim`` to ``end_dim`` into one.

    >>> import lucid
    >>> lucid.nn.Flatten()(lucid.ones(2, 3, 4)).shape
    lucid.Size([2, 12])
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)  # type: ignore[attr-defined]

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Split dimension ``dim`` into ``unflattened_size``. Raises TypeError for a size that is no tuple of ints.

    >>> import lucid
    >>> lucid.nn.Unflatten(1, (2, 5))(lucid.ones(3, 10)).shape
    lucid.Size([3, 2, 5])
    """

    def __init__(self, dim: int | str, unflattened_size: Any):
        super().__init__()
        if not hasattr(dim, "__index__"):
            raise TypeError(
                f"unflattened_size must be tuple of tuples, but found type {type(dim).__name__}: named tensors are not supported"
            )
        if not isinstance(unflattened_size, tuple | list):
            raise TypeError(
                f"unflattened_size must be a tuple of ints, but found type {type(unflattened_size).__name__}"
            )
        for i, size in enumerate(unflattened_size):
            if not isinstance(size, int):
                raise TypeError(
                    f"unflattened_size must be tuple of ints, but found element of type {type(size).__name__} at pos {i}"
                )
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        return input.unflatten(self.dim, self.unflattened_size)  # type: ignore[attr-defined]

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
