"""Averages of models: stochastic weight averaging and exponential moving averages."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from typing import Any

from ..core import dtypes, modes
from ..core.tensor import Tensor
from ..functions.creation import tensor
from ..nn import Module
from .lr_scheduler.base import LRScheduler, Rates, per_group
from .optimizer import Optimizer

__all__ = [
    "SWALR", "AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn", "get_swa_multi_avg_fn",
    "update_bn",
]  # fmt: skip


def get_ema_avg_fn(decay: float = 0.999) -> Callable:
    """The function ``decay * average + (1 - decay) * current`` for ``AveragedModel``; ValueError outside [0, 1]."""
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")

    @modes.no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Callable:
    """The function ``average + (current - average) / (n + 1)`` for ``AveragedModel``: the mean of all."""

    @modes.no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return averaged_param + (current_param - averaged_param) / (int(num_averaged) + 1)

    return swa_update


def _on_lists(one: Callable) -> Callable:
    @modes.no_grad()
    def update(averaged: list[Tensor], current: list[Tensor], num_averaged: Any) -> None:
        for average, now in zip(averaged, current, strict=True):
            average.copy_(one(average, now, num_averaged))

    return update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable:
    """``get_ema_avg_fn`` on lists of parameters, in place."""
    return _on_lists(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Callable:
    """``get_swa_avg_fn`` on lists of parameters, in place."""
    return _on_lists(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of a model whose parameters average those of the model over time.

    Call ``update_parameters(model)`` after each step (or epoch). The mean of all by default; ``avg_fn`` or
    ``multi_avg_fn`` (``get_ema_multi_avg_fn(decay)`` for a moving average) say otherwise. ``use_buffers`` averages the
    buffers too, which are otherwise copied. Raises ValueError if both functions are given.
    Izmailov et al., Averaging weights leads to wider optima, arXiv 1803.05407.
    """

    def __init__(
        self, model: Module, device: Any = None, avg_fn: Callable | None = None, multi_avg_fn: Callable | None = None,
        use_buffers: bool = False,
    ):  # fmt: skip
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, dtype=dtypes.int64))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the model's present parameters into the average."""
        with modes.no_grad():
            first = int(self.n_averaged) == 0
            pairs: list[tuple[Tensor, Tensor]] = list(zip(self.module.parameters(), model.parameters(), strict=True))
            buffers = list(zip(self.module.buffers(), model.buffers(), strict=True))
            if self.use_buffers:
                pairs, buffers = pairs + buffers, []
            ours = [a.detach() for a, _ in pairs]
            theirs = [b.detach().to(a.device) for a, b in pairs]
            if first:
                for a, b in zip(ours, theirs, strict=True):
                    a.copy_(b)
            elif self.avg_fn is not None:
                for a, b in zip(ours, theirs, strict=True):
                    a.copy_(self.avg_fn(a, b, self.n_averaged))
            else:
                _by_kind(self.multi_avg_fn or get_swa_multi_avg_fn(), ours, theirs, self.n_averaged)
            for a, b in buffers:
                a.detach().copy_(b.detach().to(a.device))
            self.n_averaged.add_(1)


def _by_kind(update: Callable, ours: list[Tensor], theirs: list[Tensor], count: Tensor) -> None:
    """Lists of one device and dtype at a time, as PyTorch hands them over."""
    kinds: dict[Any, list[int]] = {}
    for i, a in enumerate(ours):
        kinds.setdefault((a.device, a.dtype), []).append(i)
    for rows in kinds.values():
        update([ours[i] for i in rows], [theirs[i] for i in rows], count)


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Recompute the running statistics of all batch normalizations from the data of ``loader`` (inputs or tuples)."""
    layers = [m for m in model.modules() if hasattr(m, "reset_running_stats") and hasattr(m, "momentum")]
    if not layers:
        return
    kept, training = [m.momentum for m in layers], model.training
    with modes.no_grad():
        for m in layers:
            m.reset_running_stats()
            m.momentum = None
        model.train()
        try:
            for batch in loader:
                x = batch[0] if isinstance(batch, list | tuple) else batch
                model(x if device is None else x.to(device))
        finally:
            for m, momentum in zip(layers, kept, strict=True):
                m.momentum = momentum
            model.train(training)


class SWALR(LRScheduler):
    """Anneal every group's rate to ``swa_lr`` in ``anneal_epochs`` epochs, along a cosine or a line, and stay there.

    Raises ValueError for another strategy or a negative number of epochs.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: Any,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ):
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        for lr, group in zip(per_group("swa_lr", optimizer, swa_lr), optimizer.param_groups, strict=True):
            group["swa_lr"] = lr
        self._anneal_strategy, self.anneal_epochs = anneal_strategy, anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _weight(self, t: float) -> float:
        t = max(0.0, min(1.0, t))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self) -> Rates:
        n = self._step_count - 1
        if self.anneal_epochs == 0:
            n = max(1, n)
        before, now = (self._weight(k / max(1, self.anneal_epochs)) for k in (n - 1, n))
        result = []
        for group in self.optimizer.param_groups:
            lr, swa = group["lr"], group["swa_lr"]
            start = swa if before == 1 else (lr - before * swa) / (1 - before)
            result.append(swa * now + start * (1 - now))
        return result
