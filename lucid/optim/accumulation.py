"""Gradients of several batches in one step."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from .optimizer import Optimizer


class Accumulation:
    """Let every ``steps`` calls of ``backward`` and ``step`` act as one step with the mean of their losses.

    ``backward(loss)`` adds the gradients of ``loss / steps``; ``step()`` updates and clears them every ``steps``-th time
    and says whether it did; ``flush()`` does so at once if anything is left. Raises ValueError for steps below 1.

    >>> import lucid
    >>> w = lucid.tensor([1.0], requires_grad=True)
    >>> many = lucid.optim.Accumulation(lucid.optim.SGD([w], lr=0.5), steps=2)
    >>> for x in (1.0, 3.0):
    ...     many.backward((w * x).sum())
    ...     many.step()
    False
    True
    >>> w.detach()
    tensor([0.])
    """

    def __init__(self, optimizer: Optimizer, steps: int):
        if steps < 1:
            raise ValueError(f"Accumulation: steps must be at least 1, got {steps}")
        self.optimizer, self.steps, self.count = optimizer, steps, 0

    def backward(self, loss: Tensor, **options: Any) -> None:
        """``(loss / steps).backward()``, with its options."""
        (loss / self.steps).backward(**options)  # type: ignore[operator]

    def step(self) -> bool:
        """Count one batch, and step if it is the last of its group."""
        self.count += 1
        return self.count >= self.steps and self.flush()

    def flush(self) -> bool:
        """Step with what has been gathered, if anything; returns whether there was."""
        if not self.count:
            return False
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.count = 0
        return True
