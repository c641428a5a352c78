"""Attention whose scores and mask are given by functions: ``torch.nn.attention.flex_attention``, from single ops.

Dong et al., Flex Attention, 2024 (arXiv 2412.05496). The functions see one score and its place at a time and are mapped over
all of them; the score matrix is made in full. Blocks that a ``BlockMask`` leaves out are masked, not skipped.
"""

from __future__ import annotations

import inspect
import math
import operator
import warnings
from collections.abc import Callable
from functools import reduce
from typing import Any, NamedTuple, TypedDict

from ... import ops
from ...core import dtypes
from ...core.device import device as Device
from ...core.tensor import Tensor
from ...func import vmap
from ...functions.creation import arange, zeros
from ...functions.padding import pad
from ...functions.reduction import softmax
from ._heads import queries_per_key

__all__ = [
    "AuxOutput", "AuxRequest", "BlockMask", "FlexKernelOptions", "and_masks", "create_block_mask", "create_mask",
    "flex_attention", "noop_mask", "or_masks",
]  # fmt: skip


class FlexKernelOptions(TypedDict, total=False):
    """PyTorch's settings of its Triton kernels: accepted, without effect."""


class AuxRequest(NamedTuple):
    """What ``flex_attention`` shall return beside the output."""

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """The logarithm of the sum of the exponentials of each row's scores, and their maximum, where asked for."""

    lse: Tensor | None = None
    max_scores: Tensor | None = None


def noop_mask(batch: Tensor, head: Tensor, token_q: Tensor, token_kv: Tensor) -> Tensor:
    """The mask in which all take part."""
    return batch == batch  # type: ignore[return-value]


def and_masks(*mask_mods: Callable) -> Callable:
    """The mask function that is True where all of these are. Raises RuntimeError for what is no function."""
    return _joined(mask_mods, operator.and_)


def or_masks(*mask_mods: Callable) -> Callable:
    """The mask function that is True where any of these is. Raises RuntimeError for what is no function."""
    return _joined(mask_mods, operator.or_)


def _joined(mask_mods: tuple, join: Callable) -> Callable:
    if not all(callable(mod) for mod in mask_mods):
        raise RuntimeError(f"All inputs should be callable mask_mods: {mask_mods}")

    def mask(b: Tensor, h: Tensor, q_idx: Tensor, kv_idx: Tensor) -> Any:
        return reduce(join, (mod(b, h, q_idx, kv_idx) for mod in mask_mods))

    return mask


def _mapped(mod: Callable, shape: tuple[int, ...], device: Any, scores: Tensor | None = None) -> Tensor:
    """``mod([score,] b, h, q, kv)`` for every place of a (B, H, L, S) array."""
    count = 0 if scores is None else 1
    f: Callable = mod
    for at in (3, 2, 1, 0):  # the innermost map goes over the keys
        f = vmap(f, in_dims=(*(0,) * count, *(0 if i == at else None for i in range(4))))
    places = [arange(n, dtype=dtypes.int32, device=device) for n in shape]
    return f(*places) if scores is None else f(scores, *places)


def create_mask(mod_fn: Callable, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: Any = None) -> Tensor:
    """What a mask function, or a score function that gives -inf, lets take part: a boolean (B, H, Q_LEN, KV_LEN).

    >>> from lucid.nn.attention.flex_attention import create_mask
    >>> create_mask(lambda b, h, q, kv: q >= kv, None, None, 2, 2).tolist()
    [[[[True, False], [True, True]]]]
    """
    shape = (1 if B is None else B, 1 if H is None else H, Q_LEN, KV_LEN)
    required = [p for p in inspect.signature(mod_fn).parameters.values() if p.default is p.empty]
    if len(required) not in (4, 5):
        raise AssertionError(f"Expected 4 or 5 positional args, got {len(required)}")
    if len(required) == 4:
        return _mapped(mod_fn, shape, device)
    return _mapped(mod_fn, shape, device, zeros(*shape, device=device)) != -math.inf  # type: ignore[return-value]


class BlockMask:
    """Which blocks of scores are computed, and the function that masks within them; see ``create_block_mask``.

    ``kv_indices`` (*, query blocks, key blocks) lists, for each block of queries, first the ``kv_num_blocks`` blocks of keys
    where ``mask_mod`` decides; ``full_kv_indices`` likewise those where all take part. The ``q_`` fields are the same seen
    from the keys.
    """

    def __init__(
        self, seq_lengths: tuple[int, int], kv_num_blocks: Tensor, kv_indices: Tensor, full_kv_num_blocks: Tensor | None,
        full_kv_indices: Tensor | None, q_num_blocks: Tensor | None, q_indices: Tensor | None, full_q_num_blocks: Tensor | None,
        full_q_indices: Tensor | None, BLOCK_SIZE: tuple[int, int] = (128, 128), mask_mod: Callable = noop_mask,
    ):  # fmt: skip
        if kv_indices.ndim < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        for what, counts, indices in (
            ("kv", full_kv_num_blocks, full_kv_indices),
            ("q", full_q_num_blocks, full_q_indices),
        ):
            if (counts is None) != (indices is None):
                raise AssertionError(f"full_{what}_num_blocks and full_{what}_indices must be both provided or omitted")
        self.seq_lengths, self.BLOCK_SIZE, self.mask_mod = seq_lengths, BLOCK_SIZE, mask_mod
        self.kv_num_blocks, self.kv_indices = kv_num_blocks, kv_indices
        self.full_kv_num_blocks, self.full_kv_indices = full_kv_num_blocks, full_kv_indices
        self.q_num_blocks, self.q_indices = q_num_blocks, q_indices
        self.full_q_num_blocks, self.full_q_indices = full_q_num_blocks, full_q_indices

    @classmethod
    def from_kv_blocks(
        cls, kv_num_blocks: Tensor, kv_indices: Tensor, full_kv_num_blocks: Tensor | None = None,
        full_kv_indices: Tensor | None = None, BLOCK_SIZE: int | tuple[int, int] = 128, mask_mod: Callable | None = None,
        seq_lengths: tuple[int, int] | None = None, compute_q_blocks: bool = True,
    ) -> BlockMask:  # fmt: skip
        """A BlockMask from what it lists of the keys."""
        if kv_indices.ndim < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        size = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
        if seq_lengths is None:
            seq_lengths = (kv_indices.shape[-2] * size[0], kv_indices.shape[-1] * size[1])
        q, full_q = (  # type: ignore[misc]
            (None, None) if counts is None or not compute_q_blocks else _listed(_unlisted(counts, indices).mT)  # type: ignore[arg-type]
            for counts, indices in ((kv_num_blocks, kv_indices), (full_kv_num_blocks, full_kv_indices))
        )
        kv = (kv_num_blocks, kv_indices, full_kv_num_blocks, full_kv_indices)
        return cls(seq_lengths, *kv, *q, *full_q, size, noop_mask if mask_mod is None else mask_mod)  # type: ignore[call-arg]

    def _tensors(self) -> dict[str, Tensor | None]:
        return {n: v for n, v in vars(self).items() if n.endswith(("_blocks", "_indices"))}

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.kv_indices.shape[:-2], *self.seq_lengths)

    def numel(self) -> int:
        """How many scores the mask is for."""
        return math.prod(self.shape)

    def sparsity(self) -> float:
        """The share of scores, in percent, in blocks where none takes part."""
        blocks = int(self.to_dense().sum())  # type: ignore[attr-defined]
        return 100 * (1 - blocks * math.prod(self.BLOCK_SIZE) / self.numel())

    def to_dense(self) -> Tensor:
        """Which blocks are computed, as booleans (*, query blocks, key blocks)."""
        some = _unlisted(self.kv_num_blocks, self.kv_indices)
        if self.full_kv_num_blocks is None:
            return some
        return some | _unlisted(self.full_kv_num_blocks, self.full_kv_indices)  # type: ignore[operator, arg-type]

    def to(self, device: Any) -> BlockMask:
        """The same on another device."""
        return self._changed({n: None if t is None else t.to(device) for n, t in self._tensors().items()})  # type: ignore[attr-defined]

    def __getitem__(self, index: Any) -> BlockMask:
        index = index if isinstance(index, tuple) else (index,)
        index = tuple(slice(i, i + 1 or None) if isinstance(i, int) else i for i in index)
        parts: dict[str, Any] = {n: None if t is None else t[index] for n, t in self._tensors().items() if "kv" in n}  # type: ignore[index]
        return BlockMask.from_kv_blocks(
            **parts, BLOCK_SIZE=self.BLOCK_SIZE, mask_mod=_of_a_part, seq_lengths=self.seq_lengths,
            compute_q_blocks=self.q_indices is not None,
        )  # fmt: skip

    def _changed(self, changes: dict[str, Any]) -> BlockMask:
        new = object.__new__(BlockMask)
        new.__dict__.update(vars(self) | changes)
        return new

    def __repr__(self) -> str:
        shapes = [f"{n}={None if t is None else t.shape}" for n, t in self._tensors().items()]
        name = getattr(self.mask_mod, "__name__", self.mask_mod)
        rest = [
            f"BLOCK_SIZE={self.BLOCK_SIZE}",
            f"shape={self.shape}",
            f"sparsity={self.sparsity():.2f}%",
            f"mask_mod={name}",
        ]
        return "BlockMask(\n    " + ",\n    ".join(shapes + rest) + "\n)"


def _of_a_part(b: Tensor, h: Tensor, q_idx: Tensor, kv_idx: Tensor) -> Tensor:
    raise RuntimeError("Cannot use mask_mod from a sliced BlockMask")


def _listed(dense: Tensor) -> tuple[Tensor, Tensor]:
    """How many are True in each row, and where: those first, in their order."""
    order = ops.argsort(dense.to(dtypes.int32), -1, True, True)  # type: ignore[attr-defined]
    return dense.sum(-1).to(dtypes.int32), order.to(dtypes.int32)  # type: ignore[attr-defined]


def _unlisted(counts: Tensor, indices: Tensor) -> Tensor:
    """The booleans that ``_listed`` made lists of."""
    listed = arange(indices.shape[-1], device=indices.device) < counts.unsqueeze(-1)  # type: ignore[attr-defined, operator]
    return zeros(*indices.shape, dtype=dtypes.int32, device=indices.device).scatter(-1, indices.long(), listed.to(dtypes.int32)) > 0  # type: ignore[attr-defined]  # fmt: skip


def _blocked(dense: Tensor, size: tuple[int, int]) -> Tensor:
    """How many take part in each block of a boolean (B, H, L, S)."""
    length, source = dense.shape[-2:]
    x = pad(dense.to(dtypes.int32), (0, -source % size[1], 0, -length % size[0]))  # type: ignore[attr-defined]
    x = x.unflatten(-2, (-1, size[0])).unflatten(-1, (-1, size[1]))  # type: ignore[attr-defined]
    return x.sum((-3, -1))


def create_block_mask(
    mask_mod: Callable,
    B: int | None,
    H: int | None,
    Q_LEN: int,
    KV_LEN: int,
    device: Any = None,
    BLOCK_SIZE: int | tuple[int, int] = 128,
    _compile: bool = False,
    separate_full_blocks: bool = True,
) -> BlockMask:
    """The BlockMask of a function ``mask_mod(b, h, q_idx, kv_idx)`` that says what takes part.

    >>> from lucid.nn.attention.flex_attention import create_block_mask
    >>> mask = create_block_mask(lambda b, h, q, kv: q >= kv, None, None, 4, 4, BLOCK_SIZE=2)
    >>> mask.to_dense().tolist()
    [[[[True, False], [True, True]]]]
    """
    size = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
    dense = create_mask(mask_mod, B, H, Q_LEN, KV_LEN, device)
    taking_part = _blocked(dense, size)
    full = taking_part == math.prod(size) if separate_full_blocks else taking_part < 0
    some = (taking_part > 0) & ~full  # type: ignore[operator]
    lists: Any = [*_listed(some), *(_listed(full) if separate_full_blocks else (None, None))]  # type: ignore[arg-type]
    return BlockMask.from_kv_blocks(*lists, BLOCK_SIZE=size, mask_mod=mask_mod, seq_lengths=(Q_LEN, KV_LEN))  # type: ignore[misc]


def _dense(mask: BlockMask, shape: tuple[int, ...], device: Any) -> Tensor:
    """A BlockMask as booleans that broadcast to (B, H, L, S)."""
    length, source = shape[-2:]

    def spread(blocks: Tensor) -> Tensor:
        for axis in (-2, -1):
            blocks = blocks.repeat_interleave(mask.BLOCK_SIZE[axis], axis)  # type: ignore[attr-defined]
        return blocks[..., :length, :source]  # type: ignore[index]

    inside = spread(_unlisted(mask.kv_num_blocks, mask.kv_indices)) & _mapped(mask.mask_mod, shape, device)  # type: ignore[operator]
    if mask.full_kv_num_blocks is None:
        return inside
    return inside | spread(_unlisted(mask.full_kv_num_blocks, mask.full_kv_indices))  # type: ignore[arg-type]


def flex_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score_mod: Callable | None = None,
    block_mask: BlockMask | None = None,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_lse: bool = False,
    kernel_options: Any = None,
    *,
    return_aux: AuxRequest | None = None,
) -> Any:
    """Attention with ``score_mod(score, b, h, q_idx, kv_idx)`` applied to every score and ``block_mask`` to the places.

    Shapes are (B, H, L, E), (B, H, S, E), (B, H, S, V) to (B, H, L, V). A row that is masked throughout gives zeros. With
    ``return_aux`` an AuxOutput comes too. Raises ValueError for heads, batches and masks that do not fit,
    NotImplementedError unless inputs are 4-D.

    >>> import lucid
    >>> from lucid.nn.attention.flex_attention import flex_attention
    >>> q = lucid.ones(1, 2, 4, 8)
    >>> flex_attention(q, q, q, lambda score, b, h, q_idx, kv_idx: score + (kv_idx - q_idx)).shape
    lucid.Size([1, 2, 4, 8])
    """
    _check(query, key, value, block_mask, enable_gqa)
    if return_lse:
        if return_aux is not None:
            raise ValueError("Cannot specify both return_lse and return_aux: use return_aux=AuxRequest(lse=True)")
        warnings.warn("return_lse is deprecated: use return_aux=AuxRequest(lse=True)", FutureWarning, stacklevel=2)
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)  # type: ignore[attr-defined]
    scores = query @ key.mT * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)  # type: ignore[attr-defined]
    shape = tuple(scores.shape)
    if score_mod is not None:
        scores = _mapped(score_mod, shape, query.device, scores).to(query.dtype)  # type: ignore[attr-defined]
    if block_mask is not None:
        scores = ops.where(_dense(block_mask, shape, query.device), scores, -math.inf)
    void = (scores == -math.inf).all(-1, keepdim=True)  # type: ignore[attr-defined]
    safe = ops.where(void, 0.0, scores)
    out = ops.where(void, 0.0, softmax(safe, -1)) @ value
    if return_aux is None and not return_lse:
        return out
    lse = ops.where(void[..., 0], -math.inf, safe.logsumexp(-1)) if return_lse or return_aux.lse else None  # type: ignore[attr-defined, union-attr]
    if return_aux is None:
        return out, lse
    return out, AuxOutput(lse, scores.amax(-1) if return_aux.max_scores else None)  # type: ignore[attr-defined]


def _check(query: Tensor, key: Tensor, value: Tensor, mask: BlockMask | None, enable_gqa: bool) -> None:
    if not query.dtype is key.dtype is value.dtype:
        raise ValueError(
            f"Expected query, key, and value to have the same dtype, but got {query.dtype}, {key.dtype}, {value.dtype}"
        )
    if query.ndim != 4 or key.ndim != 4 or value.ndim != 4:
        raise NotImplementedError("flex_attention: query, key, and value must be 4D tensors")
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(
            f"Expect query and key to have the same embedding dimension, got {query.shape[-1]} and {key.shape[-1]}"
        )
    queries_per_key(query, key, enable_gqa)
    if query.shape[0] != key.shape[0]:
        raise ValueError(
            f"Expect query and key/value to have the same batch size, got {query.shape[0]} and {key.shape[0]}"
        )
    if mask is None:
        return
    lengths = (query.shape[-2], key.shape[-2])
    if mask.seq_lengths != lengths:
        raise ValueError(
            f"block_mask was created for block_mask.shape={mask.shape} but got q_len={lengths[0]} and kv_len={lengths[1]}; create one for these lengths."
        )
    if Device(mask.kv_num_blocks.device) != query.device:
        raise RuntimeError(
            f"Expect q/k/v and block_mask to be on the same device but got {query.device} and {mask.kv_num_blocks.device}."
        )
