"""Connectionist temporal classification."""

from __future__ import annotations

import math
from typing import Any

from ... import ops
from ...core import dtypes
from ...core.errors import ShapeError
from ...core.tensor import Tensor, as_tensor
from ...core.transform import each_example, everything
from ...functions.creation import arange
from ._reduction import reduction_arg

__all__ = ["ctc_loss"]


def _lengths(x: Any, device: Any) -> Tensor:
    return x.to(device, dtypes.int64) if isinstance(x, Tensor) else as_tensor(x, dtype=dtypes.int64, device=device)  # type: ignore[attr-defined]


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """``-log`` of the probability that the frames spell the target: the sum over all alignments with blanks.

    ``log_probs`` (T, N, C) or (T, C); ``targets`` (N, S), or all targets one after the other; lengths (N,). "mean" divides
    each loss by its target length first. The gradient is that of a log_softmax and this loss, so ``log_probs`` must be
    normalized. ``zero_infinity`` sets impossible alignments (and their gradients) to 0.
    Raises RuntimeError for lengths that do not fit. Graves et al., ICML 2006, equations 6 to 8, in logarithms.

    >>> import lucid
    >>> log_probs = lucid.log_softmax(lucid.zeros(4, 1, 3), 2)
    >>> lucid.nn.functional.ctc_loss(log_probs, lucid.tensor([[1, 2]]), [4], [2])
    tensor(0.8432)
    """
    reduction = reduction_arg(reduction)
    unbatched = log_probs.ndim == 2
    if log_probs.ndim not in (2, 3):
        raise ShapeError(f"ctc_loss: log_probs must be (T, N, C) or (T, C), got shape {tuple(log_probs.shape)}")
    if unbatched:
        log_probs = log_probs.unsqueeze(1)  # type: ignore[attr-defined]
        targets = targets.unsqueeze(0) if targets.ndim == 1 else targets  # type: ignore[attr-defined]
    frames, batch, classes = log_probs.shape
    if not 0 <= blank < classes:
        raise RuntimeError(f"ctc_loss: blank must be in label range: got {blank} for {classes} classes")
    for name, given in (("input_lengths", input_lengths), ("target_lengths", target_lengths)):
        if isinstance(given, list | tuple) and not all(hasattr(n, "__index__") and type(n) is not bool for n in given):
            raise TypeError(f"ctc_loss(): argument '{name}' must be tuple of ints, not {given!r}")
        if isinstance(given, Tensor) and given.dtype.category != dtypes.INTEGER:
            raise RuntimeError(f"ctc_loss: {name} must be integral, got {given.dtype}")
    in_lengths, out_lengths = (_lengths(v, log_probs.device).reshape(-1) for v in (input_lengths, target_lengths))  # type: ignore[attr-defined]
    for name, v in (("input_lengths", in_lengths), ("target_lengths", out_lengths)):
        if v.shape[0] != batch:
            raise RuntimeError(f"ctc_loss: {name} must be of size batch_size {batch}, got {v.shape[0]}")
    ins = everything(in_lengths).reshape(-1).tolist()  # type: ignore[attr-defined]
    if max(ins, default=0) > frames or min(ins, default=0) < 0:
        raise RuntimeError(f"ctc_loss: Expected input_lengths to have value at most {frames}, but got {max(ins)}")
    if not frames:
        raise RuntimeError("ctc_loss: log_probs tensor must not be empty")
    labels, ends, sizes, free = _spelled(targets, in_lengths, out_lengths, batch, blank, frames, classes)
    if min(ins, default=frames) < frames:
        within = arange(frames, device=log_probs.device).reshape((-1, 1, 1)) < in_lengths.reshape((1, -1, 1))  # type: ignore[attr-defined]
        log_probs = ops.where(within, log_probs, -math.inf)
    loss, _ = ops.ctc_loss(log_probs, labels, ends, blank, zero_infinity)
    if 0 in ins:
        loss = ops.where(free == 0, 0.0, loss)
    if reduction == "mean":
        return (loss / sizes.to(loss.dtype)).mean()  # type: ignore[attr-defined]
    if unbatched:
        loss = loss.squeeze(0)
    return loss.sum() if reduction == "sum" else loss


@each_example("ctc_loss")
def _spelled(
    targets: Tensor, frames: Tensor, lengths: Tensor, batch: int, blank: int, most: int, classes: int
) -> tuple[Tensor, ...]:
    """The targets with blanks around every label (N, S); where each ends, two positions in (T, S) laid flat; their lengths, at
    least 1; and 0 where there is nothing to spell in no time."""
    ins, outs = frames.tolist(), lengths.tolist()  # type: ignore[attr-defined]
    rows, device = _target_rows(targets, outs, batch), lengths.device
    for label in (label for row in rows for label in row):
        if not 0 <= label < classes:  # PyTorch reads beyond its memory
            raise RuntimeError(
                f"ctc_loss: Target {label} is out of bounds: there are {classes} classes, 0 to {classes - 1}"
            )
    longest = max(1, *outs)
    width = 2 * longest + 1
    spelled = []
    for row, n, m in zip(rows, outs, ins, strict=True):
        states = [blank] * width
        states[1 : 2 * n : 2] = row
        last = (m - 1) * width + 2 * n
        states += (last if m else 2, last - 1 if m and n else 2)  # nothing comes to the third in the first frame
        spelled.append(states)
    both = as_tensor(spelled, dtype=dtypes.int64, device=device)
    sizes = as_tensor([max(n, 1) for n in outs], device=device)
    return (
        both[:, :width],
        both[:, width:],
        sizes,
        as_tensor([n + m for n, m in zip(outs, ins, strict=True)], device=device),
    )  # type: ignore[index]


def _target_rows(targets: Tensor, lengths: list[int], batch: int) -> list[list[int]]:
    """The labels of each sequence, from a padded matrix or from one long vector."""
    if min(lengths, default=0) < 0:
        raise RuntimeError(f"ctc_loss: target_lengths must not be negative, got {lengths}")
    if targets.ndim == 1:
        if sum(lengths) != targets.shape[0]:
            raise RuntimeError(
                f"ctc_loss: target_lengths sum to {sum(lengths)}, but there are {targets.shape[0]} targets"
            )
        values, rows, at = targets.tolist(), [], 0  # type: ignore[attr-defined]
        for n in lengths:
            rows.append([int(v) for v in values[at : at + n]])
            at += n
        return rows
    if targets.ndim != 2 or targets.shape[0] != batch or max(lengths, default=0) > targets.shape[1]:
        raise RuntimeError(
            f"ctc_loss: targets of shape {tuple(targets.shape)} do not fit a batch of {batch} with lengths {lengths}"
        )
    return [[int(v) for v in row[:n]] for row, n in zip(targets.tolist(), lengths, strict=True)]  # type: ignore[attr-defined]
