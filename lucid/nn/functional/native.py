"""Norms, embedding and grid sampling with the arguments that PyTorch's C++ functions take: ``torch.batch_norm`` and the like."""

from __future__ import annotations

from collections.abc import Sequence

from ...core.tensor import Tensor
from .. import functional as F

MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")


def batch_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None, running_var: Tensor | None,
    training: bool, momentum: float, eps: float, cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """``nn.functional.batch_norm`` with ``weight`` and ``bias`` before the running statistics."""
    return F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None, running_var: Tensor | None,
    use_input_stats: bool, momentum: float, eps: float, cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """``nn.functional.instance_norm`` with ``weight`` and ``bias`` before the running statistics."""
    return F.instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


def layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5, cudnn_enable: bool = True,
) -> Tensor:  # fmt: skip
    """``nn.functional.layer_norm``."""
    return F.layer_norm(input, normalized_shape, weight, bias, eps)


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """``nn.functional.group_norm``."""
    return F.group_norm(input, num_groups, weight, bias, eps)


def embedding(
    weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Tensor:
    """``nn.functional.embedding`` with the table first; a negative ``padding_idx`` is none."""
    return F.embedding(
        indices, weight, padding_idx if padding_idx >= 0 else None, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse
    )


def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """``nn.functional.grid_sample`` with numbers for the modes."""
    return F.grid_sample(input, grid, MODES[interpolation_mode], PADDINGS[padding_mode], align_corners)


grid_sampler_2d = grid_sampler_3d = grid_sampler


def native_layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, ...]:
    """``layer_norm``, the means, and one by the standard deviations."""
    dims = tuple(range(-len(normalized_shape), 0))
    return F.layer_norm(input, normalized_shape, weight, bias, eps), *_moments(input, dims, eps)


def native_group_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, N: int, C: int, HxW: int, group: int, eps: float
) -> tuple[Tensor, ...]:
    """``group_norm``, the means, and one by the standard deviations, of shape (N, group)."""
    statistics = _moments(input.reshape(N, group, -1), (2,), eps)
    return F.group_norm(input, group, weight, bias, eps), *(t.reshape(N, group) for t in statistics)


def native_batch_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None, running_var: Tensor | None,
    training: bool, momentum: float, eps: float,
) -> tuple[Tensor, ...]:  # fmt: skip
    """``batch_norm``, the means, and one by the standard deviations of the channels (of no elements in evaluation)."""
    dims = (0, *range(2, input.ndim))
    found = _moments(input, dims, eps) if training else [input.new_empty(0)] * 2
    out = batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)
    return out, *(t.reshape(-1) for t in found)


def native_dropout(input: Tensor, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
    """``input`` with elements left out, the others scaled; and which were kept."""
    kept = F.dropout(input.new_ones(input.shape), p, train is not False).ne(0)
    scale = 1.0 if train is False else 0.0 if p == 1 else 1 / (1 - p)
    return input * kept * scale, kept


def _moments(input: Tensor, dims: tuple[int, ...], eps: float) -> list[Tensor]:
    variance = input.var(dims, correction=0, keepdim=True)
    return [input.mean(dims, keepdim=True), (variance + eps).rsqrt()]
