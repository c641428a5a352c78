"""Embedding and one-hot."""

from __future__ import annotations

from ... import ops
from ...backends import backend_of
from ...core import dtypes
from ...core.errors import ShapeError
from ...core.graph import entitled
from ...core.modes import no_grad
from ...core.tensor import Tensor
from ...functions.creation import arange

__all__ = ["embedding", "one_hot"]


def check_indices(name: str, input: Tensor, count: int) -> None:
    """IndexError for an index that is not there (not on CUDA, where looking waits for the device)."""
    if input.dtype.category != dtypes.INTEGER:
        raise RuntimeError(f"{name}: expected indices of an integer dtype, got {input.dtype}")
    if hasattr(input.value, "level") or not input.shape.numel():
        return
    low, high = backend_of(input.value).known_bounds(input.value, 0, count - 1) or (0, count - 1)
    if low < 0 or high >= count:
        raise IndexError(f"{name}: index out of range in self: {low if low < 0 else high} is not in 0 .. {count - 1}")


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of ``weight`` (V, D) that ``input`` (any shape, integers) names.

    ``padding_idx`` gets no gradient; ``max_norm`` first rescales the rows that are looked up, in place;
    ``scale_grad_by_freq`` divides gradients by how often a row was looked up; ``sparse`` is accepted, gradients are dense.
    Raises IndexError for an index out of range.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.embedding(lucid.tensor([2, 0]), lucid.eye(3))
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    if weight.ndim != 2:
        raise ShapeError(f"embedding: 'weight' must be 2-D, got shape {tuple(weight.shape)}")
    count = weight.shape[0]
    if padding_idx is not None:
        if not -count <= padding_idx < count:
            raise AssertionError(f"Padding_idx must be within num_embeddings: got {padding_idx} for {count} rows")
        padding_idx %= count
    check_indices("embedding", input, count)
    if max_norm is not None:
        renorm_rows_(weight, input, max_norm, norm_type)
    out = weight[input]  # type: ignore[index]
    if padding_idx is not None and weight.node is not None:
        out = ops.where((input == padding_idx).unsqueeze(-1), out.detach(), out)  # type: ignore[attr-defined]
    if scale_grad_by_freq and weight.node is not None:
        flat = input.reshape(-1).long()  # type: ignore[attr-defined]
        seen = (weight.detach()[:, 0] * 0).scatter_add(0, flat, (flat * 0 + 1).to(weight.dtype))  # type: ignore[attr-defined, index]
        out = _scaled_gradient(out, 1.0 / seen[input].unsqueeze(-1))
    return entitled(out, "EmbeddingBackward0")


def _scaled_gradient(x: Tensor, factor: Tensor) -> Tensor:
    """``x``, whose gradient is multiplied by ``factor``."""
    return x.detach() * (1 - factor) + x * factor  # type: ignore[attr-defined, operator]


def renorm_rows_(weight: Tensor, input: Tensor, max_norm: float, norm_type: float) -> None:
    """Rescale, in place, the rows that are looked up and whose norm exceeds ``max_norm``."""
    with no_grad():
        rows = input.reshape(-1)  # type: ignore[attr-defined]
        chosen = weight.detach()[rows]  # type: ignore[attr-defined, index]
        norm = ops.vector_norm(chosen, norm_type, (1,), True)
        scaled = ops.where(norm > max_norm, chosen * (max_norm / (norm + 1e-7)), chosen)
        weight.detach()[rows] = scaled  # type: ignore[attr-defined, index]


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """Class numbers (any shape) as vectors of 0 and 1 in a new last dimension, int64; -1 takes the largest plus one.

    Raises RuntimeError for a class number out of range.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.one_hot(lucid.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if input.dtype is not dtypes.int64:
        raise RuntimeError(f"one_hot is only applicable to index tensor of type LongTensor, got {input.dtype}.")
    if not input.shape.numel():
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
    elif not hasattr(input.value, "level"):
        low, high = None, None
        if num_classes > 0:
            low, high = backend_of(input.value).known_bounds(input.value, 0, num_classes - 1) or (None, None)
        if low is None or high is None:
            low, high = int(input.min()), int(input.max())  # type: ignore[attr-defined]
        if low < 0:
            raise RuntimeError(f"Class values must be non-negative: got {low}.")
        if num_classes == -1:
            num_classes = high + 1
        elif num_classes < 1:
            raise RuntimeError("num_classes should be positive")
        elif high >= num_classes:
            raise RuntimeError(f"Class values must be smaller than num_classes: {high} >= {num_classes}.")
    elif num_classes == -1:
        raise RuntimeError("one_hot: give num_classes inside vmap and jvp")
    return (input.unsqueeze(-1) == arange(num_classes, device=input.device)).long()  # type: ignore[attr-defined]
