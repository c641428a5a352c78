"""Lucid's own layers, beyond PyTorch's."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ...core.tensor import Tensor
from ...functions.creation import arange, zeros
from ...functions.pieces import cat, stack
from .. import functional as F
from .. import init
from ..functional.dropout import check_probability
from ..functional.own import normal_noise
from ..parameter import Parameter
from .linear import Linear, empty_parameter
from .module import Module

__all__ = [
    "DropBlock", "DropPath", "FusedLinear", "GlobalResponseNorm", "LearnedPosEmbedding", "NoisyLinear", "Rearrange",
    "SEModule", "SelectiveKernel", "SinusoidalEmbedding", "SinusoidalEmbedding2D", "SinusoidalPosEmbedding",
    "TimestepEmbedding", "VectorQuantizer", "VectorQuantizerOutput", "auto_repr",
    "set_state_dict_pass_attr",
]  # fmt: skip


def auto_repr(*attr_names: str) -> Callable[[type], type]:
    """Give a Module class an ``extra_repr`` that lists these attributes.

    >>> from lucid import nn
    >>> @nn.auto_repr("size")
    ... class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.size = 3
    >>> Net()
    Net(size=3)
    """

    def decorate(cls: type) -> type:
        cls.extra_repr = lambda self: ", ".join(f"{n}={getattr(self, n)!r}" for n in attr_names)  # type: ignore[attr-defined]
        return cls

    return decorate


def set_state_dict_pass_attr(*attr_names: str) -> Callable[[type], type]:
    """Leave these parameters, buffers or submodules of a Module class out of its ``state_dict``; loading keeps them as they are.

    >>> from lucid import nn
    >>> @nn.set_state_dict_pass_attr("teacher")
    ... class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.teacher, self.student = nn.Linear(2, 2), nn.Linear(2, 2)
    >>> list(Net().state_dict())
    ['student.weight', 'student.bias']
    """

    def decorate(cls: type) -> type:
        begin = cls.__init__  # type: ignore[misc]

        @functools.wraps(begin)
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            begin(self, *args, **kwargs)
            self.register_state_dict_post_hook(functools.partial(_leave_out, attr_names))
            self.register_load_state_dict_pre_hook(functools.partial(_put_in, attr_names))

        cls.__init__ = __init__  # type: ignore[misc]
        return cls

    return decorate


def _belongs(key: str, prefix: str, names: tuple[str, ...]) -> bool:
    return key.startswith(prefix) and key[len(prefix) :].partition(".")[0] in names


def _leave_out(names: tuple[str, ...], module: Module, state: dict, prefix: str, local_metadata: Any) -> None:
    for key in [k for k in state if _belongs(k, prefix, names)]:
        del state[key]


def _put_in(names: tuple[str, ...], module: Module, state: dict, prefix: str, *rest: Any) -> None:
    own = {prefix + name: t for name, t in (*module.named_parameters(), *module.named_buffers())}
    for key, value in own.items():
        if _belongs(key, prefix, names):
            state.setdefault(key, value.detach())  # type: ignore[attr-defined]


@auto_repr("drop_prob", "scale_by_keep")
class DropPath(Module):
    """Zero whole samples in training (stochastic depth). Huang et al., 2016.

    >>> import lucid
    >>> lucid.nn.DropPath(0.5).eval()(lucid.ones(1, 2))
    tensor([[1., 1.]])
    """

    def __init__(self, drop_prob: float = 0.1, scale_by_keep: bool = True):
        super().__init__()
        check_probability(drop_prob, "DropPath")
        self.drop_prob = drop_prob
        self.scale_by_keep = scale_by_keep

    def forward(self, input: Tensor) -> Tensor:
        return F.drop_path(input, self.drop_prob, self.scale_by_keep, self.training)


@auto_repr("block_size", "p")
class DropBlock(Module):
    """Zero square blocks of images in training. Ghiasi et al., 2018."""

    def __init__(self, block_size: int, p: float = 0.1, eps: float = 1e-7):
        super().__init__()
        check_probability(p, "DropBlock")
        self.block_size = block_size
        self.p = p
        self.eps = eps

    def forward(self, input: Tensor) -> Tensor:
        return F.drop_block(input, self.block_size, self.p, self.eps, self.training)


@auto_repr("channels", "eps")
class GlobalResponseNorm(Module):
    """Each channel of (N, C, H, W) scaled by its share of the total response; the identity at first. Woo et al., 2023."""

    def __init__(self, channels: int, eps: float = 1e-6):
        super().__init__()
        self.channels = channels
        self.eps = eps
        self.gamma = Parameter(zeros(1, channels, 1, 1))
        self.beta = Parameter(zeros(1, channels, 1, 1))

    def forward(self, input: Tensor) -> Tensor:
        return F.global_response_norm(input, self.gamma, self.beta, self.eps)


class FusedLinear(Linear):
    """``Linear`` followed by "relu" or "gelu". Raises ValueError for another activation."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        activation: str = "relu",
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ):
        if activation not in ("relu", "gelu"):
            raise ValueError(f"FusedLinear: activation must be 'relu' or 'gelu', got {activation!r}")
        super().__init__(in_features, out_features, bias, device, dtype)
        self.activation = activation

    def forward(self, input: Tensor) -> Tensor:
        fused = F.fused_linear_relu if self.activation == "relu" else F.fused_linear_gelu
        return fused(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, activation={self.activation!r}"


class NoisyLinear(Module):
    """A linear layer with learned noise on its weights in training. Fortunato et al., 2017."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        sigma_zero: float = 0.5,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.sigma_zero = sigma_zero
        for name, shape, wanted in (("weight", (out_features, in_features), True), ("bias", (out_features,), bias)):
            for part in ("mu", "sigma"):
                self.register_parameter(f"{name}_{part}", empty_parameter(shape, device, dtype) if wanted else None)
        self.register_buffer("epsilon_in", zeros(in_features, device=device, dtype=dtype))
        self.register_buffer("epsilon_out", zeros(out_features, device=device, dtype=dtype))
        self.reset_parameters()
        self.reset_noise()

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.in_features)
        for name in ("weight", "bias"):
            if getattr(self, f"{name}_mu") is not None:
                init.uniform_(getattr(self, f"{name}_mu"), -bound, bound)
                init.constant_(getattr(self, f"{name}_sigma"), self.sigma_zero * bound)

    def reset_noise(self) -> None:
        """Draw new noise; call it once per step."""
        self.epsilon_in.copy_(normal_noise(self.in_features, self.epsilon_in))
        self.epsilon_out.copy_(normal_noise(self.out_features, self.epsilon_out))

    def forward(self, input: Tensor) -> Tensor:
        noise = (self.epsilon_in, self.epsilon_out) if self.training else (None, None)
        return F.noisy_linear(input, self.weight_mu, self.weight_sigma, self.bias_mu, self.bias_sigma, *noise)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias_mu is not None}"


class Rearrange(Module):
    """``lucid.einops.rearrange`` with a fixed pattern, as a layer.

    >>> import lucid
    >>> lucid.nn.Rearrange("b c h w -> b (c h w)")(lucid.ones(2, 3, 4, 5)).shape
    lucid.Size([2, 60])
    """

    def __init__(self, pattern: str, **shapes: int):
        super().__init__()
        self.pattern = pattern
        self.shapes = shapes

    def forward(self, input: Tensor) -> Tensor:
        from ...einops import rearrange

        return rearrange(input, self.pattern, **self.shapes)

    def extra_repr(self) -> str:
        return ", ".join([repr(self.pattern), *(f"{k}={v}" for k, v in self.shapes.items())])


class SEModule(Module):
    """Squeeze and excitation: channels of (N, C, H, W) weighted by a small network of their means. Hu et al., 2018."""

    def __init__(self, in_channels: int, reduction: int = 16):
        super().__init__()
        self.in_channels = in_channels
        self.reduction = reduction
        hidden = max(1, in_channels // reduction)
        self.fc1 = Linear(in_channels, hidden)
        self.fc2 = Linear(hidden, in_channels)

    def forward(self, input: Tensor) -> Tensor:
        weight = F.sigmoid(self.fc2(F.relu(self.fc1(input.mean((2, 3))))))  # type: ignore[attr-defined]
        return input * weight.reshape(*weight.shape, 1, 1)  # type: ignore[attr-defined, operator]


class SelectiveKernel(Module):
    """Convolutions of several kernel sizes, mixed per channel by attention. Li et al., 2019."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_sizes: list[int],
        stride: int = 1,
        padding: Any = None,
        groups: int = 1,
        reduction: int = 16,
    ):
        from .container import ModuleList
        from .conv_blocks import ConvBNReLU2d

        super().__init__()
        self.branches = ModuleList(
            ConvBNReLU2d(in_channels, out_channels, k, stride, k // 2 if padding is None else padding, groups=groups)
            for k in kernel_sizes
        )
        hidden = max(out_channels // reduction, 4)
        self.fc1 = Linear(out_channels, hidden)
        self.fc2 = Linear(hidden, out_channels * len(kernel_sizes))

    def forward(self, input: Tensor) -> Tensor:
        parts = stack([branch(input) for branch in self.branches], 1)  # (N, branches, C, H, W)
        hidden = F.relu(self.fc1(parts.sum(1).mean((2, 3))))
        weight = self.fc2(hidden).reshape(parts.shape[0], parts.shape[1], parts.shape[2], 1, 1)
        return (parts * weight.softmax(1)).sum(1)  # type: ignore[attr-defined]


class SinusoidalEmbedding(Module):
    """Adds fixed sines and cosines of the position to (*, L, D). Vaswani et al., 2017.

    Raises RuntimeError for a sequence longer than ``num_positions``.
    """

    def __init__(self, num_positions: int, embedding_dim: int, *, base: float = 10000.0):
        super().__init__()
        self.num_positions = num_positions
        self.embedding_dim = embedding_dim
        self.register_buffer("table", F.sinusoidal_embedding(num_positions, embedding_dim, base=base), persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        return input + _start(self.table, input.shape[-2])  # type: ignore[operator]

    def extra_repr(self) -> str:
        return f"{self.num_positions}, {self.embedding_dim}"


class SinusoidalEmbedding2D(SinusoidalEmbedding):
    """Adds fixed sines and cosines of row and column to (*, height * width, D)."""

    def __init__(self, height: int, width: int, embedding_dim: int, *, base: float = 10000.0):
        super().__init__(height * width, 4)
        self.embedding_dim = embedding_dim
        self.register_buffer(
            "table", F.sinusoidal_embedding_2d(height, width, embedding_dim, base=base), persistent=False
        )


class SinusoidalPosEmbedding(Module):
    """Adds sines and cosines for as many positions as the input (*, L, D) has. Vaswani et al., 2017."""

    def __init__(self, seq_len: int | None = None, embed_dim: int | None = None):
        super().__init__()
        self.seq_len = seq_len
        self.embed_dim = embed_dim

    def forward(self, input: Tensor) -> Tensor:
        length, size = self.seq_len or input.shape[-2], self.embed_dim or input.shape[-1]
        table = F.sinusoidal_embedding(length, size, device=input.device, dtype=input.dtype)
        return input + _start(table, input.shape[-2])  # type: ignore[operator]


class LearnedPosEmbedding(Module):
    """Adds a learned vector per position to (*, L, D). Raises RuntimeError for a sequence longer than ``max_len``."""

    def __init__(self, max_len: int, embed_dim: int):
        super().__init__()
        self.max_len = max_len
        self.embed_dim = embed_dim
        self.weight = empty_parameter((max_len, embed_dim))
        init.normal_(self.weight, std=0.02)

    def forward(self, input: Tensor) -> Tensor:
        return input + _start(self.weight, input.shape[-2])  # type: ignore[operator]

    def extra_repr(self) -> str:
        return f"{self.max_len}, {self.embed_dim}"


def _start(table: Tensor, length: int) -> Tensor:
    from ...core.errors import ShapeError

    if length > table.shape[0]:
        raise ShapeError(
            f"position embedding: a sequence of {length} is longer than the {table.shape[0]} positions there are"
        )
    return table[:length]  # type: ignore[index]


class TimestepEmbedding(Module):
    """Sines and cosines of a number per sample (N,), then two linear layers with SiLU: (N, out_dim). Ho et al., 2020."""

    def __init__(self, in_dim: int, out_dim: int, *, base: float = 10000.0, flip_sin_to_cos: bool = True):
        super().__init__()
        if in_dim % 2:
            raise ValueError(f"TimestepEmbedding: in_dim must be even, got {in_dim}")
        self.in_dim = in_dim
        self.base = base
        self.flip_sin_to_cos = flip_sin_to_cos
        self.linear_1 = Linear(in_dim, out_dim)
        self.linear_2 = Linear(out_dim, out_dim)

    def forward(self, timesteps: Tensor) -> Tensor:
        half = self.in_dim // 2
        dtype = self.linear_1.weight.dtype
        rate = (arange(half, dtype=dtype, device=timesteps.device) * (-math.log(self.base) / half)).exp()
        angle = timesteps.to(dtype).unsqueeze(1) * rate  # type: ignore[attr-defined]
        parts = [angle.cos(), angle.sin()] if self.flip_sin_to_cos else [angle.sin(), angle.cos()]
        return self.linear_2(F.silu(self.linear_1(cat(parts, -1))))


class VectorQuantizerOutput(NamedTuple):
    """The quantized vectors, the loss to add, and the numbers of the codes."""

    quantized: Tensor
    loss: Tensor
    indices: Tensor


class VectorQuantizer(Module):
    """Replace each vector of (*, D) by the nearest of ``num_embeddings`` learned codes. van den Oord et al., 2017."""

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        commitment_cost: float = 0.25,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.commitment_cost = commitment_cost
        self.codebook = empty_parameter((num_embeddings, embedding_dim), device, dtype)
        init.uniform_(self.codebook, -1 / num_embeddings, 1 / num_embeddings)

    def forward(self, input: Tensor) -> VectorQuantizerOutput:
        index = F.nearest_codebook(input.detach(), self.codebook.detach())  # type: ignore[attr-defined]
        codes = self.codebook[index]  # type: ignore[index]
        loss = F.mse_loss(codes, input.detach()) + self.commitment_cost * F.mse_loss(input, codes.detach())  # type: ignore[attr-defined, operator]
        return VectorQuantizerOutput(F.straight_through(codes.detach(), input), loss, index)  # type: ignore[attr-defined]

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}, commitment_cost={self.commitment_cost}"
