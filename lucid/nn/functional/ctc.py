"""Connectionist temporal classification."""

from __future__ import annotations

import math
from typing import Any

from ... import ops
from ...core import dtypes
from ...core.errors import ShapeError
from ...core.tensor import Tensor, as_tensor
from ...core.transform import each_example, everything
from ...functions.creation import arange, full
from ...functions.pieces import cat
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
    longest = max(everything(out_lengths).reshape(-1).tolist(), default=0)  # type: ignore[attr-defined]
    width = 2 * longest + 1
    labels, jumps, start, ends = _spelled(targets, out_lengths, batch, blank, longest, classes)
    scores = ops.take_along_axis(log_probs, labels.unsqueeze(0).expand(frames, batch, width), 2)  # type: ignore[attr-defined]
    never = full((batch, 2), -math.inf, dtype=log_probs.dtype, device=log_probs.device)
    # Of the three states that lead to one, two to its left, one to its left and itself, the first only where a jump may be.
    allowed = ops.where(jumps | as_tensor([[[False]], [[True]], [[True]]], device=log_probs.device), 0.0, never[:1, :1])  # type: ignore[attr-defined]

    alpha, alive, shortest = None, in_lengths.unsqueeze(1), min(ins, default=0)
    for t, score in enumerate(scores.unbind(0)):
        if alpha is None:
            new = ops.where(start, score, -math.inf)
            before = ops.where(
                as_tensor([[i == 0 for i in range(width)]], device=log_probs.device), 0.0 * score.detach(), -math.inf
            )
            alpha = new if shortest else ops.where(alive > t, new, before)
            continue
        from_three = ops.permute_dims(ops.unfold(cat([never, alpha], 1), 1, 3, 1), (2, 0, 1)) + allowed
        new = ops.logsumexp(from_three, 0, False) + score
        alpha = new if t < shortest else ops.where(alive > t, new, alpha)
    assert alpha is not None
    loss = -ops.logsumexp(ops.where(ends, alpha, -math.inf), 1, False)
    if log_probs.requires_grad:
        # PyTorch's gradient holds the probabilities too, as if log_softmax were part of the loss; behind a log_softmax,
        # whose own gradient removes them, it is the same. The value stays.
        within = arange(frames, device=log_probs.device).reshape((-1, 1, 1)) < in_lengths.reshape((1, -1, 1))  # type: ignore[attr-defined]
        total = ops.where(within, ops.exp(log_probs), 0.0).sum((0, 2))
        loss = loss + (total - total.detach())
        if not zero_infinity:  # no path: PyTorch's gradient is NaN
            impossible = ops.isinf(loss)
            factor = ops.where(impossible, 0.0, ops.ones_like(total)).detach()  # 1 elsewhere: no NaN reaches the others
            loss = ops.where(impossible, -ops.log((total + 1.0) * factor), loss)
    if zero_infinity:
        loss = ops.where(ops.isinf(loss), 0.0, loss)
    if unbatched:
        loss = loss.squeeze(0)
        out_lengths = out_lengths.squeeze(0)  # type: ignore[attr-defined]
    if reduction == "mean":
        return (loss / out_lengths.clamp(min=1).to(loss.dtype)).mean()  # type: ignore[attr-defined]
    return loss.sum() if reduction == "sum" else loss


@each_example("ctc_loss")
def _spelled(
    targets: Tensor, lengths: Tensor, batch: int, blank: int, longest: int, classes: int
) -> tuple[Tensor, ...]:
    """The targets with blanks around every label; where a path may jump over a blank (between different labels), start and end."""
    outs: list[int] = lengths.tolist()  # type: ignore[attr-defined]
    rows, device, every = _target_rows(targets, outs, batch), lengths.device, range(2 * longest + 1)
    for label in (label for row in rows for label in row):
        if not 0 <= label < classes:  # PyTorch reads beyond its memory
            raise RuntimeError(
                f"ctc_loss: Target {label} is out of bounds: there are {classes} classes, 0 to {classes - 1}"
            )
    spelled = [[v for label in row + [blank] * (longest - len(row)) for v in (blank, label)] + [blank] for row in rows]
    jumps = [[i > 1 and s[i] != blank and s[i] != s[i - 2] for i in every] for s in spelled]
    start = [[i < min(2, 2 * n + 1) for i in every] for n in outs]
    ends = [[i in (2 * n, 2 * n - 1) for i in every] for n in outs]
    return (
        as_tensor(spelled, dtype=dtypes.int64, device=device),
        *(as_tensor(m, device=device) for m in (jumps, start, ends)),
    )


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
