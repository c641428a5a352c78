"""Small tools: activations by name, forward in chunks."""

from __future__ import annotations

from collections.abc import Callable

from ...core.tensor import Tensor
from ...functions.pieces import cat
from .. import functional as F
from ..modules.module import Module

__all__ = ["apply_chunking_to_forward", "get_activation_from_name", "get_activation_module_from_name"]
ACTIVATIONS = {
    "relu": "ReLU", "relu6": "ReLU6", "leaky_relu": "LeakyReLU", "elu": "ELU", "selu": "SELU", "gelu": "GELU", "silu": "SiLU",
    "swish": "SiLU", "mish": "Mish", "sigmoid": "Sigmoid", "tanh": "Tanh", "softplus": "Softplus", "hardswish": "Hardswish",
    "hard_swish": "Hardswish", "hardsigmoid": "Hardsigmoid", "hard_sigmoid": "Hardsigmoid", "identity": "Identity",
}  # fmt: skip


def get_activation_module_from_name(act_name: str) -> Module | None:
    """The activation layer of a name such as "relu" or "hard_swish"; None for an unknown one."""
    from .. import modules

    found = ACTIVATIONS.get(act_name.lower())
    return None if found is None else getattr(modules, found)()


def get_activation_from_name(act_name: str) -> Callable[[Tensor], Tensor] | None:
    """The activation function of a name; None for an unknown one."""
    name = act_name.lower()
    return (
        (lambda x: x)
        if name == "identity"
        else getattr(F, name.replace("hard_", "hard"), None)
        if name in ACTIVATIONS
        else None
    )


def apply_chunking_to_forward(
    forward_fn: Callable[..., Tensor], chunk_size: int, chunk_dim: int, *input_tensors: Tensor
) -> Tensor:
    """``forward_fn(*inputs)`` in pieces of ``chunk_size`` along ``chunk_dim``, to save memory; 0 means all at once.

    Raises ValueError for inputs of different lengths or a length that the chunks do not divide.
    """
    if not input_tensors:
        raise ValueError("apply_chunking_to_forward: no input tensors")
    if chunk_size <= 0:
        return forward_fn(*input_tensors)
    lengths = {t.shape[chunk_dim] for t in input_tensors}
    if len(lengths) != 1:
        raise ValueError(f"All inputs have to be of the same size along dimension {chunk_dim}, got {sorted(lengths)}")
    (length,) = lengths
    if length % chunk_size:
        raise ValueError(f"The dimension to be chunked {length} has to be a multiple of the chunk size {chunk_size}")
    pieces = [t.split(chunk_size, chunk_dim) for t in input_tensors]  # type: ignore[attr-defined]
    return cat([forward_fn(*parts) for parts in zip(*pieces, strict=True)], chunk_dim)
