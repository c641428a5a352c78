"""Functions of ``nn.functional`` with the arguments that PyTorch's C++ takes: ``torch.batch_norm``, ``torch.kl_div`` and the like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...core.tensor import Tensor
from .. import functional as F
from .dropout import channel_dropout

MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")
REDUCTIONS = ("none", "mean", "sum")
# Their arguments in order: those with a question mark have the default of `nn.functional`.
ORDERS = {
    "alpha_dropout": "input p train",
    "dropout": "input p train",
    "feature_alpha_dropout": "input p train",
    "binary_cross_entropy_with_logits": "input target weight? pos_weight? reduction?",
    "cosine_embedding_loss": "input1 input2 target margin? reduction?",
    "ctc_loss": "log_probs targets input_lengths target_lengths blank? reduction? zero_infinity?",
    "hinge_embedding_loss": "input target margin? reduction?",
    "kl_div": "input target reduction? log_target?",
    "margin_ranking_loss": "input1 input2 target margin? reduction?",
    "poisson_nll_loss": "input target log_input full eps reduction",
    "triplet_margin_loss": "anchor positive negative margin? p? eps? swap? reduction?",
    "celu": "input alpha?",
    "selu": "input",
    "rrelu": "input lower? upper? training?",
}


def _native(name: str) -> Callable:
    words = ORDERS[name].split()
    names, needed = [w.strip("?") for w in words], [w for w in words if "?" not in w]
    f = getattr(F, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        if len(args) > len(names):
            raise TypeError(f"{name}() takes {len(names)} positional arguments, got {len(args)}")
        given = dict(zip(names, args, strict=False))
        for n, value in kwargs.items():
            if n not in names or n in given:
                raise TypeError(
                    f"{name}() got an unexpected keyword argument {n!r}: the arguments are {', '.join(names)}"
                )
            given[n] = value
        for n in needed:
            if n not in given:
                raise TypeError(f"{name}() missing 1 required positional argument: {n!r}")
        if "reduction" in names:
            chosen = given.get("reduction", 0)  # none, whatever PyTorch's stubs say
            if type(chosen) is not int:
                raise TypeError(f"{name}(): argument 'reduction' must be int (0, 1 or 2), not {type(chosen).__name__}")
            # As in PyTorch, any other number asks for no reduction.
            given["reduction"] = REDUCTIONS[chosen] if 0 <= chosen <= 2 else "none"
        if "train" in given:
            given["training"] = given.pop("train")
        return f(given.pop(names[0]), **given)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"``nn.functional.{name}`` of ({', '.join(names)})" + (
        "; a reduction is 0, 1 (mean) or 2 (sum)." if "reduction" in names else "."
    )
    return call


def __getattr__(name: str) -> Any:
    if name not in ORDERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = _native(name)  # one object, which can be pickled by its name
    return found


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


def embedding_bag(
    weight: Tensor, indices: Tensor, offsets: Tensor, scale_grad_by_freq: bool = False, mode: int = 0, sparse: bool = False,
    per_sample_weights: Tensor | None = None, include_last_offset: bool = False, padding_idx: int | None = None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """``nn.functional.embedding_bag`` with the table first, then which bag each index is in, how many count in each bag, and
    for the maximum (``mode=2``) which of the indices it came from."""
    counted = indices.ne(-1 if padding_idx is None else padding_idx % len(weight))
    out = F.embedding_bag(
        indices, weight, offsets, None, 2.0, scale_grad_by_freq, ("sum", "mean", "max")[mode], sparse, per_sample_weights,
        include_last_offset, padding_idx,
    )  # fmt: skip
    bags = indices.new_zeros(len(indices) + 1).index_add(0, offsets, offsets.new_ones(len(offsets))).cumsum(0)[:-1] - 1
    counts = indices.new_zeros(len(out)).index_add(0, bags, counted.to(indices.dtype))
    chosen = counts
    if mode == 2:
        chosen = indices.new_zeros(out.shape)
        for i, n in enumerate(counts.tolist()):
            if n:
                inside = indices[(bags == i) & counted]
                chosen[i] = inside[weight.detach()[inside].argmax(0)]
    return out, bags, counts, chosen


def adaptive_max_pool1d(input: Tensor, output_size: Any) -> tuple[Tensor, Tensor]:
    """``nn.functional.adaptive_max_pool1d`` and where the largest were."""
    return F.adaptive_max_pool1d(input, output_size, True)


def affine_grid_generator(theta: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    """``nn.functional.affine_grid``."""
    return F.affine_grid(theta, size, align_corners)


def feature_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """``dropout`` of whole channels."""
    return channel_dropout(input, p, train, False, 1)


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
