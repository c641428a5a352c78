"""Layers and losses for many classes or tokens: bags of embeddings, adaptive softmax, CTC, linear cross entropy."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

from ... import ops
from ...core.tensor import Tensor
from ...functions.creation import empty
from ...functions.shaping import cat
from .. import functional as F
from .. import init
from ..module import Module
from ..parameter import Parameter
from .container import ModuleList, Sequential
from .linear import Linear

__all__ = ["AdaptiveLogSoftmaxWithLoss", "CTCLoss", "EmbeddingBag", "LinearCrossEntropyLoss"]


class EmbeddingBag(Module):
    """Sums, means or maxima of the embeddings of each bag of indices, without the single embeddings in between.

    >>> import lucid
    >>> bag = lucid.nn.EmbeddingBag(10, 3, mode="sum")
    >>> bag(lucid.tensor([1, 2, 4, 5]), lucid.tensor([0, 3])).shape
    lucid.Size([2, 3])
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.num_embeddings, self.embedding_dim, self.max_norm, self.norm_type = (
            num_embeddings,
            embedding_dim,
            max_norm,
            norm_type,
        )
        self.scale_grad_by_freq, self.mode, self.sparse, self.include_last_offset = (
            scale_grad_by_freq,
            mode,
            sparse,
            include_last_offset,
        )
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise AssertionError("padding_idx must be within num_embeddings")
            padding_idx %= num_embeddings
        self.padding_idx = padding_idx
        if _weight is None:
            self.weight = Parameter(empty(num_embeddings, embedding_dim, device=device, dtype=dtype))
            self.reset_parameters()
        else:
            if tuple(_weight.shape) != (num_embeddings, embedding_dim):
                raise AssertionError("Shape of weight does not match num_embeddings and embedding_dim")
            self.weight = Parameter(_weight)

    def reset_parameters(self) -> None:
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0  # type: ignore[attr-defined]

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """A bag around a given table (rows, D), frozen unless ``freeze=False``."""
        made = cls(
            embeddings.shape[0], embeddings.shape[1], max_norm=max_norm, norm_type=norm_type, scale_grad_by_freq=scale_grad_by_freq, mode=mode,
            sparse=sparse, _weight=embeddings, include_last_offset=include_last_offset, padding_idx=padding_idx,
        )  # fmt: skip
        made.weight.requires_grad = not freeze
        return made

    def forward(self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        return F.embedding_bag(
            input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.mode, self.sparse,
            per_sample_weights, self.include_last_offset, self.padding_idx,
        )  # fmt: skip

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.max_norm is not None:
            text += f", max_norm={self.max_norm}"
        if self.norm_type != 2:
            text += f", norm_type={self.norm_type}"
        if self.scale_grad_by_freq:
            text += f", scale_grad_by_freq={self.scale_grad_by_freq}"
        text += f", mode={self.mode!r}"
        return text + (f", padding_idx={self.padding_idx}" if self.padding_idx is not None else "")


class CTCLoss(Module):
    """Connectionist temporal classification; see ``lucid.nn.functional.ctc_loss``.

    >>> import lucid
    >>> log_probs = lucid.log_softmax(lucid.zeros(4, 1, 3), 2)
    >>> lucid.nn.CTCLoss()(log_probs, lucid.tensor([[1, 2]]), [4], [2])
    tensor(0.8432)
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False):
        super().__init__()
        self.blank, self.reduction, self.zero_infinity = blank, reduction, zero_infinity

    def forward(self, log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any) -> Tensor:
        return F.ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )


ASMoutput = namedtuple("ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    """A softmax over very many classes: frequent ones in the head, rare ones in clusters with smaller projections.

    ``cutoffs`` are the class numbers where clusters begin (classes sorted by frequency); cluster i has features
    ``in_features / div_value^(i+1)``. Raises ValueError for bad cutoffs. Grave et al., 2016 (arXiv 1609.04309).

    >>> import lucid
    >>> layer = lucid.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10])
    >>> layer(lucid.ones(3, 8), lucid.tensor([0, 7, 19])).output.shape
    lucid.Size([3])
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if (
            cutoffs != sorted(cutoffs)
            or min(cutoffs) <= 0
            or max(cutoffs) > n_classes - 1
            or len(set(cutoffs)) != len(cutoffs)
            or any(int(c) != c for c in cutoffs)
        ):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each value is between 1 and n_classes-1"
            )
        self.in_features, self.n_classes, self.cutoffs = in_features, n_classes, [*cutoffs, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        factory = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **factory)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            width = int(in_features // (div_value ** (i + 1)))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(
                Sequential(
                    Linear(in_features, width, bias=False, **factory), Linear(width, size, bias=False, **factory)
                )
            )

    def reset_parameters(self) -> None:
        self.head.reset_parameters()
        for layer in self.tail.modules():
            if isinstance(layer, Linear):
                layer.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> ASMoutput:
        if target_.ndim > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if input_.ndim != target_.ndim + 1:
            raise RuntimeError(
                f"{target_.ndim}D target tensor expects {target_.ndim + 1}D input tensors, but found inputs with size {tuple(input_.shape)}"
            )
        batched = target_.ndim == 1
        if batched and input_.shape[0] != target_.shape[0]:
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        low, high = int(target_.min()), int(target_.max())  # type: ignore[attr-defined]
        if low < 0 or high >= self.n_classes:
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range [{low}, {high}] were found. "
            )
        x, target = (input_, target_) if batched else (input_.unsqueeze(0), target_.unsqueeze(0))  # type: ignore[attr-defined]
        head = F.log_softmax(self.head(x), 1)
        index, output = target, None
        for i in range(self.n_clusters):
            inside = (target >= self.cutoffs[i]) & (target < self.cutoffs[i + 1])
            index = ops.where(inside, self.shortlist_size + i, index)
            rows = inside.nonzero().squeeze(1)
            if rows.shape[0]:
                inner = F.log_softmax(self.tail[i](x.index_select(0, rows)), 1)  # type: ignore[attr-defined]
                own = inner.gather(1, (target[rows] - self.cutoffs[i]).unsqueeze(1)).squeeze(1)
                part = x.new_zeros(target.shape[0]).index_add(0, rows, own)  # type: ignore[attr-defined]
                output = part if output is None else output + part
        chosen = head.gather(1, index.unsqueeze(1)).squeeze(1)
        output = chosen if output is None else output + chosen
        loss = (-output).mean()
        return ASMoutput(output if batched else output.squeeze(0), loss)

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes: (N, in_features) to (N, n_classes)."""
        head = F.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]  # type: ignore[index]
        for i, cluster in enumerate(self.tail):
            parts.append(F.log_softmax(cluster(input), 1) + head[:, self.shortlist_size + i].unsqueeze(1))  # type: ignore[index]
        return cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The most likely class of each row."""
        return self.log_prob(input).argmax(1)  # type: ignore[attr-defined]


class LinearCrossEntropyLoss(Module):
    """Cross entropy of a linear projection of the input: the last layer and the loss in one.

    Takes ``in_features, num_classes, out_features=(), bias=False`` and the options of ``CrossEntropyLoss``; ``options`` (how
    PyTorch chunks the work) is accepted and changes nothing.

    >>> import lucid
    >>> loss = lucid.nn.LinearCrossEntropyLoss(8, 5)
    >>> loss(lucid.ones(3, 8), lucid.tensor([0, 1, 4])).shape
    lucid.Size([])
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        out_features: Sequence[int] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        weight: Tensor | None = None,
        reduction: str = "mean",
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: Any = None,
    ):
        super().__init__()
        self.in_features, self.num_classes, self.out_features = in_features, num_classes, tuple(out_features)
        count = num_classes
        for n in self.out_features:
            count *= n
        self.linear = Linear(in_features, count, bias=bias, device=device, dtype=dtype)
        self.register_buffer("weight", weight)
        self.reduction, self.ignore_index, self.label_smoothing, self.options = (
            reduction,
            ignore_index,
            label_smoothing,
            options,
        )

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.linear_cross_entropy(
            input, self.linear.weight.reshape(self.num_classes, *self.out_features, self.in_features), target,
            linear_bias=None if self.linear.bias is None else self.linear.bias.reshape(self.num_classes, *self.out_features),
            weight=self.weight, reduction=self.reduction, ignore_index=self.ignore_index, label_smoothing=self.label_smoothing,
        )  # fmt: skip
