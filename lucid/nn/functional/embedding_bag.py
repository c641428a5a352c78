"""Sums, means and maxima of embeddings, bag by bag."""

from __future__ import annotations

from ... import ops
from ...core import dtypes
from ...core.errors import ShapeError
from ...core.tensor import Tensor, as_tensor
from ...functions.creation import zeros
from .embedding import embedding

__all__ = ["embedding_bag"]


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The embeddings of each bag of indices, reduced by ``mode`` ("sum", "mean" or "max"): (bags, D).

    ``input`` is (bags, n), or (count,) with ``offsets`` where each bag starts. ``per_sample_weights`` scale (for "sum");
    ``padding_idx`` does not count. An empty bag gives zeros. Raises ValueError for arguments that exclude each other.

    >>> import lucid
    >>> lucid.nn.functional.embedding_bag(lucid.tensor([[0, 2]]), lucid.eye(3), mode="sum")
    tensor([[1., 0., 1.]])
    """
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"mode has to be one of sum, mean or max; got {mode!r}")
    if weight.ndim != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}")
    if mode == "max" and (scale_grad_by_freq or sparse):
        what = "scaling the gradient by the frequency" if scale_grad_by_freq else "sparse weights"
        raise ValueError(f"max mode does not support {what}")
    if per_sample_weights is not None:
        if mode != "sum":
            raise NotImplementedError(
                f"embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' (got mode={mode!r})"
            )
        if per_sample_weights.shape != input.shape:
            raise ShapeError(
                f"embedding_bag: per_sample_weights has shape {tuple(per_sample_weights.shape)}, input {tuple(input.shape)}"
            )
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length sequences"
            )
        bags, each = input.shape
        if each and mode != "max" and padding_idx is None:  # bags of one size need no scattering
            return _even(input, weight, max_norm, norm_type, scale_grad_by_freq, mode, per_sample_weights)
        starts = [i * each for i in range(bags)]
        ends = [(i + 1) * each for i in range(bags)]
        flat = input.reshape(-1)  # type: ignore[attr-defined]
        per_sample_weights = None if per_sample_weights is None else per_sample_weights.reshape(-1)  # type: ignore[attr-defined]
    elif input.ndim == 1:
        if offsets is None or offsets.ndim != 1:
            raise ValueError(
                "offsets has to be a 1D Tensor but got " + ("None" if offsets is None else f"{offsets.ndim}D")
            )
        starts = [int(v) for v in offsets.tolist()]  # type: ignore[attr-defined]
        count = input.shape[0]
        if starts and starts[0] != 0:
            raise ShapeError(
                f"offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, got {starts[0]}"
            )
        if starts and max(starts) > count:
            raise ShapeError(
                f"offsets[-1] can not be greater than input's length({count}), but got offsets[-1] of {max(starts)}"
            )
        ends = starts[1:] if include_last_offset else [*starts[1:], count]
        starts = starts[: len(ends)]
        flat = input
    else:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}")

    rows = _rows(flat, weight, max_norm, norm_type, scale_grad_by_freq)
    which = as_tensor(
        [b for b, (start, end) in enumerate(zip(starts, ends, strict=True)) for _ in range(start, end)],
        dtype=dtypes.int64,
        device=input.device,
    )
    rows, bags = rows[: which.shape[0]], len(starts)  # type: ignore[index]
    if padding_idx is not None:  # goes into a bag of its own, which is dropped
        which = ops.where(ops.equal(flat[: which.shape[0]], padding_idx % weight.shape[0]), bags, which)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights[: which.shape[0]].unsqueeze(1)  # type: ignore[attr-defined, operator, index]
    empty = zeros(bags + 1, weight.shape[1], dtype=weight.dtype, device=weight.device)
    if mode == "max":
        where = which.unsqueeze(1).expand(-1, weight.shape[1])  # type: ignore[attr-defined]
        return empty.scatter_reduce(0, where, rows, "amax", include_self=False)[:bags]  # type: ignore[attr-defined]
    total = empty.index_add(0, which, rows)[:bags]  # type: ignore[attr-defined]
    if mode == "sum":
        return total
    sizes = ops.zeros_like(empty[:, 0]).index_add(0, which, ops.ones_like(rows[:, 0]))  # type: ignore[index]
    return total / sizes[:bags].clamp(min=1).unsqueeze(1)


def _rows(input: Tensor, weight: Tensor, max_norm: float | None, norm_type: float, by_frequency: bool) -> Tensor:
    try:
        return embedding(input, weight, None, max_norm, norm_type, by_frequency)
    except IndexError as error:  # PyTorch's type here
        raise RuntimeError(*error.args) from None


def _even(
    input: Tensor,
    weight: Tensor,
    max_norm: float | None,
    norm_type: float,
    by_frequency: bool,
    mode: str,
    scales: Tensor | None,
) -> Tensor:
    """Sums or means of bags that have the same size."""
    rows = _rows(input, weight, max_norm, norm_type, by_frequency)
    if scales is not None:
        rows = rows * scales.unsqueeze(-1)  # type: ignore[attr-defined, operator]
    return rows.sum(1) if mode == "sum" else rows.mean(1)  # type: ignore[attr-defined]
