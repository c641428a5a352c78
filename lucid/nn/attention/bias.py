"""Causal masks as objects: ``torch.nn.attention.bias``."""

from __future__ import annotations

import warnings
from enum import IntEnum, auto
from typing import Any

from ...core.tensor import Tensor
from ...functions.creation import ones

__all__ = ["CausalBias", "CausalVariant", "causal_lower_right", "causal_upper_left"]


class CausalVariant(IntEnum):
    """Where the triangle of what takes part begins: at the upper left corner or at the lower right one."""

    UPPER_LEFT = auto()
    LOWER_RIGHT = auto()


class CausalBias(Tensor):
    """A boolean mask (L, S), True on and below the diagonal; pass it as ``attn_mask``.

    Raises AssertionError unless ``variant`` is a CausalVariant; warns where rows are left without a key.

    >>> from lucid.nn.attention.bias import causal_lower_right
    >>> causal_lower_right(2, 3)
    tensor([[ True,  True, False],
            [ True,  True,  True]])
    """

    __slots__ = ()
    variant: CausalVariant
    seq_len_q: int
    seq_len_kv: int

    def __new__(cls, variant: CausalVariant, seq_len_q: int, seq_len_kv: int) -> CausalBias:
        if not isinstance(variant, CausalVariant):
            raise AssertionError(f"variant must be a CausalVariant, got {type(variant).__name__}")
        lower = variant is CausalVariant.LOWER_RIGHT
        if lower and seq_len_q > seq_len_kv:
            warnings.warn(
                "Lower right causal bias leaves rows without a key when seq_len_q > seq_len_kv!", stacklevel=2
            )
        mask = ones(seq_len_q, seq_len_kv, dtype=bool).tril(seq_len_kv - seq_len_q if lower else 0)  # type: ignore[attr-defined]
        t: Any = mask.as_subclass(cls)
        t.variant, t.seq_len_q, t.seq_len_kv = variant, seq_len_q, seq_len_kv
        return t

    def __init__(self, variant: CausalVariant, seq_len_q: int, seq_len_kv: int):
        pass  # done in __new__

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return self.as_subclass(Tensor).__repr__()  # type: ignore[attr-defined]


def causal_upper_left(*size: int) -> CausalBias:
    """The causal mask of two sequences that start together."""
    return _of(CausalVariant.UPPER_LEFT, size)


def causal_lower_right(*size: int) -> CausalBias:
    """The causal mask of two sequences that end together."""
    return _of(CausalVariant.LOWER_RIGHT, size)


def _of(variant: CausalVariant, size: tuple[int, ...]) -> CausalBias:
    if len(size) != 2:
        raise AssertionError(f"causal masks only support 2D tensors, got {len(size)}D")
    return CausalBias(variant, *size)
