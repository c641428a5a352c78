"""Schedules that warm up and come down: one formula each."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from ..optimizer import Optimizer
from .base import LRScheduler, Rates, check_optimizer, per_group, rates, saved_functions

Factor = Callable[[int], float]


class LambdaLR(LRScheduler):
    """``lr = base_lr * lr_lambda(epoch)``; a list gives each group its own function. Functions are not saved."""

    left_out = ("optimizer", "lr_lambdas")

    def __init__(self, optimizer: Optimizer, lr_lambda: Factor | list[Factor], last_epoch: int = -1):
        check_optimizer(optimizer)
        if isinstance(lr_lambda, list | tuple) and len(lr_lambda) != len(optimizer.param_groups):
            raise ValueError(f"Expected {len(optimizer.param_groups)} lr_lambdas, but got {len(lr_lambda)}")
        self.lr_lambdas = per_group("lr_lambda", optimizer, lr_lambda)
        for f in self.lr_lambdas:
            if not callable(f):
                raise TypeError(f"lr_lambda should be a function, but got {type(f).__name__}")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> Rates:
        return [lr * f(self.last_epoch) for f, lr in zip(self.lr_lambdas, self.base_lrs, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"lr_lambdas": saved_functions(self.lr_lambdas)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "lr_lambdas"})
        for f, saved in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=True):
            if saved is not None:
                f.__dict__.update(saved)


class MultiplicativeLR(LambdaLR):
    """``lr = lr * lr_lambda(epoch)``: each step multiplies what is there."""

    def get_lr(self) -> Rates:
        if self._is_initial:
            return self._same()
        return [lr * f(self.last_epoch) for f, lr in zip(self.lr_lambdas, rates(self.optimizer), strict=True)]


class StepLR(LRScheduler):
    """Multiply by ``gamma`` every ``step_size`` epochs."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1):
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> Rates:
        due = self.last_epoch != 0 and self.last_epoch % self.step_size == 0
        return self._scaled(self.gamma) if due else self._same()

    def _get_closed_form_lr(self) -> Rates:
        return [lr * self.gamma ** (self.last_epoch // self.step_size) for lr in self.base_lrs]


class MultiStepLR(LRScheduler):
    """Multiply by ``gamma`` at each of the ``milestones`` (twice where one is listed twice)."""

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1):
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> Rates:
        times = self.milestones.get(self.last_epoch, 0)
        return self._scaled(self.gamma**times) if times else self._same()

    def _get_closed_form_lr(self) -> Rates:
        passed = bisect_right(sorted(self.milestones.elements()), self.last_epoch)
        return [lr * self.gamma**passed for lr in self.base_lrs]


class ConstantLR(LRScheduler):
    """``factor`` times the base rate for ``total_iters`` epochs, then the base rate."""

    def __init__(self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1):
        if not 0 <= factor <= 1.0:
            raise ValueError("Constant multiplicative factor expected to be between 0 and 1.")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> Rates:
        if self.last_epoch == 0:
            return self._scaled(self.factor)
        return self._scaled(1.0 / self.factor) if self.last_epoch == self.total_iters else self._same()

    def _get_closed_form_lr(self) -> Rates:
        return [lr * (self.factor + (self.last_epoch >= self.total_iters) * (1 - self.factor)) for lr in self.base_lrs]


class LinearLR(LRScheduler):
    """From ``start_factor`` to ``end_factor`` times the base rate, in ``total_iters`` equal steps.

    >>> import lucid
    >>> opt = lucid.optim.SGD([lucid.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = lucid.optim.lr_scheduler.LinearLR(opt, start_factor=0.5, total_iters=2)
    >>> opt.param_groups[0]["lr"]
    0.5
    """

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1.0 / 3, end_factor: float = 1.0, total_iters: int = 5,
        last_epoch: int = -1,
    ):  # fmt: skip
        if not 0 < start_factor <= 1.0:
            raise ValueError("Starting multiplicative factor expected to be greater than 0 and less or equal to 1.")
        if not 0 <= end_factor <= 1.0:
            raise ValueError("Ending multiplicative factor expected to be between 0 and 1.")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> Rates:
        if self.last_epoch == 0:
            return self._scaled(self.start_factor)
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._same()
        rise = self.end_factor - self.start_factor
        return self._scaled(1.0 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise))

    def _get_closed_form_lr(self) -> Rates:
        done = min(self.total_iters, self.last_epoch) / self.total_iters
        return [lr * (self.start_factor + (self.end_factor - self.start_factor) * done) for lr in self.base_lrs]


class ExponentialLR(LRScheduler):
    """Multiply by ``gamma`` every epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> Rates:
        return self._same() if self._is_initial else self._scaled(self.gamma)

    def _get_closed_form_lr(self) -> Rates:
        return [lr * self.gamma**self.last_epoch for lr in self.base_lrs]


class PolynomialLR(LRScheduler):
    """``lr = base_lr * (1 - epoch / total_iters)^power``, and 0 after it."""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1):
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> Rates:
        n, total = self.last_epoch, self.total_iters
        if self._is_initial or n > total:
            return self._same()
        return self._scaled(((1.0 - n / total) / (1.0 - (n - 1) / total)) ** self.power)

    def _get_closed_form_lr(self) -> Rates:
        left = 1.0 - min(self.total_iters, self.last_epoch) / self.total_iters
        return [lr * left**self.power for lr in self.base_lrs]


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the base rate to ``eta_min`` in ``T_max`` epochs, and back up in as many.

    Loshchilov and Hutter, SGDR, arXiv 1608.03983.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1):
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> Rates:
        n, T, low = self.last_epoch, self.T_max, self.eta_min
        if self._is_initial:
            return self._same()
        if self._step_count == 1 and n > 0:
            return [low + (lr - low) * (1 + math.cos(n * math.pi / T)) / 2 for lr in self.base_lrs]
        if (n - 1 - T) % (2 * T) == 0:
            rise = (1 - math.cos(math.pi / T)) / 2
            return [lr + (base - low) * rise for base, lr in zip(self.base_lrs, rates(self.optimizer), strict=True)]
        ratio = (1 + math.cos(math.pi * n / T)) / (1 + math.cos(math.pi * (n - 1) / T))
        return [ratio * (lr - low) + low for lr in rates(self.optimizer)]

    def _get_closed_form_lr(self) -> Rates:
        half = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (lr - self.eta_min) * half for lr in self.base_lrs]


class NoamScheduler(LRScheduler):
    """``lr = base_lr * d_model^-0.5 * min(t^-0.5, t * warmup_steps^-1.5)`` with ``t = max(1, epoch)``.

    Raises ValueError for a d_model or warmup_steps that is not positive.
    Vaswani et al., Attention is all you need, arXiv 1706.03762.
    """

    def __init__(self, optimizer: Optimizer, d_model: int, warmup_steps: int, last_epoch: int = -1):
        if d_model < 1 or warmup_steps < 1:
            raise ValueError(f"d_model and warmup_steps must be positive, got {d_model} and {warmup_steps}")
        self.d_model, self.warmup_steps = d_model, warmup_steps
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> Rates:
        t = max(1, self.last_epoch)
        factor = self.d_model**-0.5 * min(t**-0.5, t * self.warmup_steps**-1.5)
        return [lr * factor for lr in self.base_lrs]


class InverseSqrtLR(LRScheduler):
    """Linear warmup to the base rate in ``warmup_steps``, then ``lr = base_lr * sqrt(warmup_steps / epoch)``."""

    def __init__(self, optimizer: Optimizer, warmup_steps: int, last_epoch: int = -1):
        if warmup_steps < 1:
            raise ValueError(f"warmup_steps must be positive, got {warmup_steps}")
        self.warmup_steps = warmup_steps
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> Rates:
        t, w = self.last_epoch + 1, self.warmup_steps
        return [lr * (t / w if t < w else math.sqrt(w / t)) for lr in self.base_lrs]


class WSDLR(LRScheduler):
    """Warmup, stable, decay: linear up to the base rate, constant, and down to ``min_factor`` times it.

    ``decay`` is ``"linear"``, ``"cosine"`` or ``"sqrt"`` (``1 - sqrt(t)``). Raises ValueError for negative lengths and
    another decay. Hu et al., MiniCPM, arXiv 2404.06395.
    """

    def __init__(
        self, optimizer: Optimizer, warmup_steps: int, stable_steps: int, decay_steps: int, min_factor: float = 0.0,
        decay: str = "linear", last_epoch: int = -1,
    ):  # fmt: skip
        if min(warmup_steps, stable_steps, decay_steps) < 0:
            raise ValueError(f"lengths must not be negative, got {warmup_steps}, {stable_steps}, {decay_steps}")
        if decay not in ("linear", "cosine", "sqrt"):
            raise ValueError(f"decay must be 'linear', 'cosine' or 'sqrt', got {decay!r}")
        self.warmup_steps, self.stable_steps, self.decay_steps = warmup_steps, stable_steps, decay_steps
        self.min_factor, self.decay = min_factor, decay
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> Rates:
        return [lr * self._factor(self.last_epoch) for lr in self.base_lrs]

    def _factor(self, n: int) -> float:
        if n < self.warmup_steps:
            return (n + 1) / self.warmup_steps
        n -= self.warmup_steps + self.stable_steps
        if n < 0:
            return 1.0
        done = min(1.0, (n + 1) / self.decay_steps) if self.decay_steps else 1.0
        left = {"linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2, "sqrt": 1 - math.sqrt(done)}[
            self.decay
        ]
        return self.min_factor + (1 - self.min_factor) * left
