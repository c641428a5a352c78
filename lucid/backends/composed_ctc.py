"""Connectionist temporal classification: the sums over alignments step by step, made of other kernels."""

from __future__ import annotations

import math
from typing import Any

NEVER = -1e30  # the logarithm of a probability of 0: finite, so that differences are no NaN


def ctc_loss(xp: Any, x: Any, labels: Any, ends: Any, blank: int, zero_infinity: bool) -> tuple:
    """``-log p`` of each sequence and the sums ``ctc_alpha``; labels (N, S) with blanks between, ends (N, 2) in (T, S) laid flat."""
    scores = xp.take_along_axis(x, _of_all_frames(xp, x, labels), 2)
    alpha = xp.ctc_alpha(xp.maximum(scores, NEVER), _jumps(xp, labels, blank))
    loss = -xp.logsumexp(_at_ends(xp, alpha, ends), (1,), False)
    return xp.where(loss > -NEVER / 2, 0.0 if zero_infinity else math.inf, loss), alpha


def ctc_loss_grad(
    xp: Any, to_loss: Any, to_alpha: Any, x: Any, labels: Any, ends: Any, alpha: Any, blank: int, zero_infinity: bool
) -> Any:
    """As of a log_softmax and the loss: probabilities less how often each label is expected; NaN where there is no path."""
    frames, n, width = alpha.shape
    total = None
    if to_loss is not None:
        last = _at_ends(xp, alpha, ends)
        log_sum = xp.logsumexp(last, (1,), True)
        to_loss = xp.reshape(to_loss, (n, 1))
        to_loss = xp.where(log_sum < NEVER / 2, 0.0 if zero_infinity else math.nan, to_loss)
        flat = xp.scatter_add(xp.zeros_of((n, frames * width), x), ends, -xp.exp(last - log_sum) * to_loss, 1)
        total = xp.permute_dims(xp.reshape(flat, (n, frames, width)), (1, 0, 2))
    if to_alpha is not None:
        to_alpha = xp.where(alpha < NEVER / 2, 0.0, to_alpha)
    both = total if to_alpha is None else to_alpha if total is None else total + to_alpha
    both = xp.ctc_alpha_grad(both, alpha, _jumps(xp, labels, blank))
    found = xp.scatter_add(xp.zeros_of(tuple(x.shape), x), _of_all_frames(xp, x, labels), both, 2)
    return found if to_loss is None else found + xp.exp(x) * to_loss


def ctc_alpha(xp: Any, scores: Any, jumps: Any) -> Any:
    """Log of the sum over paths up to each frame and label (T, N, S) that stay, go one on or, where they may, two."""
    steps = [_frame(xp, scores, t) for t in range(scores.shape[0])]
    first = steps[0] * 0 + NEVER
    alpha = xp.concat(xp.take_slice(steps[0], 1, 0, 2), xp.take_slice(first, 1, 2, first.shape[1]), 1)
    made = [alpha]
    for score in steps[1:]:
        here, one, two = _before(xp, alpha, jumps)
        alpha = xp.logaddexp(xp.logaddexp(here, one), two) + score
        made.append(alpha)
    return xp.concat(*(xp.expand_dims(a, 0) for a in made), 0)


def ctc_alpha_grad(xp: Any, g: Any, alpha: Any, jumps: Any) -> Any:
    """Of the scores: what arrives at a label is shared among the three it came from, as their sums are."""
    last = alpha.shape[0] - 1
    carry = _frame(xp, g, last)
    made = [carry]
    for t in range(last - 1, -1, -1):
        before = _before(xp, _frame(xp, alpha, t), jumps)
        top = xp.maximum(xp.maximum(*before[:2]), before[2])
        shares = [xp.exp(b - top) for b in before]
        carry = carry / (shares[0] + shares[1] + shares[2])
        here, one, two = (carry * share for share in shares)
        carry = _frame(xp, g, t) + here + _moved(xp, one, 1) + _moved(xp, two, 2)
        made.append(carry)
    return xp.concat(*(xp.expand_dims(a, 0) for a in made[::-1]), 0)


def _frame(xp: Any, x: Any, t: int) -> Any:
    return xp.reshape(xp.take_slice(x, 0, t, t + 1), tuple(x.shape[1:]))


def _before(xp: Any, alpha: Any, jumps: Any) -> tuple:
    """The sums at the same label, one before and two before, where a path may come from there."""
    never = xp.zeros_of((alpha.shape[0], 2), alpha) + NEVER
    wide = xp.concat(never, alpha, 1)
    width = alpha.shape[1]
    return alpha, xp.take_slice(wide, 1, 1, 1 + width), xp.where(jumps, xp.take_slice(wide, 1, 0, width), NEVER)


def _moved(xp: Any, x: Any, by: int) -> Any:
    """``by`` labels to the left."""
    return xp.concat(xp.take_slice(x, 1, by, x.shape[1]), xp.zeros_of((x.shape[0], by), x), 1)


def _jumps(xp: Any, labels: Any, blank: int) -> Any:
    """Where a path may come from two labels before: not to a blank, and not to the same label."""
    width = labels.shape[1]
    here, before = xp.take_slice(labels, 1, 2, width), xp.take_slice(labels, 1, 0, width - 2)
    first = xp.take_slice(labels, 1, 0, 2)
    return xp.concat(first != first, xp.logical_and(here != blank, here != before), 1)


def _of_all_frames(xp: Any, x: Any, labels: Any) -> Any:
    return xp.broadcast_to(xp.expand_dims(labels, 0), (x.shape[0], *labels.shape))


def _at_ends(xp: Any, alpha: Any, ends: Any) -> Any:
    """The sums at the last label and at the blank after it, in the last frame."""
    frames, n, width = alpha.shape
    return xp.take_along_axis(xp.reshape(xp.permute_dims(alpha, (1, 0, 2)), (n, frames * width)), ends, 1)
