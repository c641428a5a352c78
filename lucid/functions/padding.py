"""Padding in every mode: one function for ``nn.functional.pad`` and the padding layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import ops
from ..core.errors import ShapeError
from ..core.precision import in_single
from ..core.tensor import Tensor
from .pieces import piece
from .registry import FUNCTIONS, public, tensor_arg
from .scatter import number_like

MODES = ("constant", "reflect", "replicate", "circular")


def _no_out(f: Any) -> Any:
    return public(out=False)(f)


@_no_out
def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: Any = None) -> Tensor:
    """``pad[0]`` elements before and ``pad[1]`` after along the last dimension, the next pair along the one before, and so on.

    ``mode`` is constant (with ``value``, 0 by default; negative amounts crop), reflect, replicate or circular; the last
    three take the last 1 to 3 dimensions of a tensor with one or two dimensions more.

    >>> import lucid
    >>> lucid.pad(lucid.tensor([[1.0, 2.0, 3.0]]), (1, 1), mode="reflect")
    tensor([[2., 1., 2., 3., 2.]])
    """
    x = tensor_arg(input, "pad")
    amounts = [p.__index__() for p in pad]
    if len(amounts) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(amounts) // 2 > x.ndim:
        raise RuntimeError(
            f"Padding length should be less than or equal to two times the input dimension but got padding length {len(amounts)} and input of dimension {x.ndim}"
        )
    if mode not in MODES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    pairs = [(x.ndim - 1 - i, amounts[2 * i], amounts[2 * i + 1]) for i in range(len(amounts) // 2)]
    if mode == "constant":
        return _constant(x, pairs, 0 if value is None else value)
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if not (x.ndim in (len(pairs) + 1, len(pairs) + 2) and 1 <= len(pairs) <= 3):
        raise NotImplementedError("Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now")
    return (_extended if mode == "circular" else in_single(_extended))(x, pairs[::-1], mode)  # type: ignore[no-any-return]


def _constant(x: Tensor, pairs: list[tuple[int, int, int]], value: Any) -> Tensor:
    shape, inner, crop = list(x.shape), [slice(None)] * x.ndim, [slice(None)] * x.ndim
    for d, before, after in pairs:
        n = x.shape[d]
        shape[d] = n + before + after
        if shape[d] < 0:
            raise ShapeError(
                f"pad: The input size {n}, plus negative padding {before} and {after}, resulted in a negative output size at dimension {d}"
            )
        crop[d] = slice(max(-before, 0), max(n - max(-after, 0), max(-before, 0)))
        inner[d] = slice(max(before, 0), shape[d] - max(after, 0))
    if any(before < 0 or after < 0 for _, before, after in pairs):
        x = ops.getitem(x, tuple(crop))
        if tuple(x.shape) == tuple(shape):
            return x.clone()
    if tuple(x.shape) == tuple(shape):
        return x.clone()
    if isinstance(value, Tensor) or value != 0:
        start = number_like(value, x).expand(*shape)  # type: ignore[attr-defined]
        return ops.setitem(start, x, tuple(inner))
    return ops.place(x, tuple(shape), tuple(inner))


def _extended(x: Tensor, pairs: list[tuple[int, int, int]], mode: str) -> Tensor:
    """The last dimensions padded from their own contents; negative amounts crop: wrapped ones before, others after."""
    amounts, crops = [], []
    for d, before, after in pairs:
        n = x.shape[d]
        _check_amounts(x, d, before, after, mode)
        low, high = max(before, 0), max(after, 0)
        amounts.append((low, high))
        if before < 0 or after < 0:
            crops.append((d, max(-before, 0), max(-after, 0)))
            left = n + min(before, 0) + min(after, 0)
            if mode == "circular" and max(low, high) > left:  # PyTorch returns memory that it never wrote
                raise RuntimeError(
                    f"Padding value causes wrapping around more than once: {max(low, high)} elements of the {left} that are left at dimension {d}"
                )
    grows = any(low or high for low, high in amounts)
    if grows and mode != "circular":
        x = ops.extend(x, tuple(amounts), mode)
    for d, low, high in crops:
        x = piece(x, d, low, x.shape[d] - high)
    if grows and mode == "circular":
        return ops.extend(x, tuple(amounts), mode)
    return x.clone() if crops or not grows else x  # type: ignore[attr-defined]


def _check_amounts(x: Tensor, d: int, before: int, after: int, mode: str) -> None:
    n = x.shape[d]
    if mode == "reflect" and (before >= n or after >= n):
        raise RuntimeError(
            f"Argument #4: Padding size should be less than the corresponding input dimension, but got: padding ({before}, {after}) at dimension {d} of input {list(x.shape)}"
        )
    if mode == "circular" and (before > n or after > n):
        raise RuntimeError(
            f"Padding value causes wrapping around more than once: padding ({before}, {after}) at dimension {d} of input {list(x.shape)}"
        )
    if mode == "replicate" and not n:
        raise RuntimeError(f"Expected a non-empty dimension {d} for mode 'replicate', got input {list(x.shape)}")
    if n + before + after < 0:
        raise ShapeError(f"pad: input (size {n}) is too small for padding ({before}, {after}) at dimension {d}")


@public(method=False, out=False)
def constant_pad_nd(input: Tensor, pad: Any, value: Any = 0) -> Tensor:
    """``pad`` in mode "constant"."""
    return FUNCTIONS["pad"](input, pad, "constant", value)
