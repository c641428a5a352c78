"""Parameters as one vector, and from module to module."""

from __future__ import annotations

from collections.abc import Iterable

from ...core.modes import no_grad
from ...core.tensor import Tensor
from ...functions.pieces import cat
from ..modules.module import Module

__all__ = ["copy_parameters_and_buffers", "parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters end to end; gradients flow back.

    >>> import lucid
    >>> lucid.nn.utils.parameters_to_vector(lucid.nn.Linear(2, 3).parameters()).shape
    lucid.Size([9])
    """
    return cat([p.reshape(-1) for p in parameters])  # type: ignore[attr-defined]


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Write the parts of a vector into the parameters, in order. Raises TypeError unless it is a Tensor, RuntimeError for a size that does not fit."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected lucid.Tensor, but got: {type(vec).__name__}")
    given = list(parameters)
    needed = sum(p.shape.numel() for p in given)
    if vec.shape.numel() < needed:
        raise RuntimeError(
            f"vector_to_parameters: the vector has {vec.shape.numel()} elements, the parameters {needed}"
        )
    start = 0
    for p in given:
        size = p.shape.numel()
        p.data = vec.detach()[start : start + size].reshape(p.shape)  # type: ignore[attr-defined]
        start += size


def copy_parameters_and_buffers(source: Module, dest: Module) -> None:
    """Copy by name what both modules have. Raises RuntimeError for shapes that differ."""
    with no_grad():
        for members in ("named_parameters", "named_buffers"):
            theirs = dict(getattr(source, members)())
            for name, tensor in getattr(dest, members)():
                if name in theirs:
                    tensor.copy_(theirs[name])
