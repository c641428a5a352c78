"""Draw a schedule."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from ...functions.creation import zeros
from ..sgd import SGD
from .base import LRScheduler


def trace(schedule: Any, steps: int, lr: float = 1.0) -> list[list[float]]:
    """The rates of all groups before each of ``steps`` steps, without touching the schedule or its optimizer.

    ``schedule`` is a scheduler, or a function that makes one from an optimizer (whose ``lr`` then is the base rate).
    """
    if isinstance(schedule, LRScheduler):
        groups = schedule.optimizer.param_groups
        kept = [{k: copy.copy(v) for k, v in group.items()} for group in groups]
        saved = copy.deepcopy(schedule.state_dict())
        called = schedule.optimizer.__dict__.get("_opt_called")
        schedule.optimizer.__dict__["_opt_called"] = True
        try:
            return _walk(schedule, steps)
        finally:
            schedule.load_state_dict(saved)
            schedule.optimizer.__dict__["_opt_called"] = called
            for group, values in zip(groups, kept, strict=True):
                group.update({k: v for k, v in values.items() if k != "params"})
    optimizer = SGD([zeros(1, requires_grad=True)], lr=lr, momentum=0.9)
    made = schedule(optimizer)
    optimizer.__dict__["_opt_called"] = True
    return _walk(made, steps)


def _walk(schedule: Any, steps: int) -> list[list[float]]:
    result = []
    for i in range(steps):
        result.append([float(group["lr"]) for group in schedule.optimizer.param_groups])
        if i < steps - 1:
            schedule.step()
    return result


def plot(
    schedule: LRScheduler | Callable, steps: int, *, lr: float = 1.0, ax: Any = None, label: str | None = None
) -> Any:
    """Draw the learning rates of the next ``steps`` steps with matplotlib; returns the axes.

    ``schedule`` is a scheduler (it stays as it is) or a function that makes one from an optimizer. Raises ImportError
    without matplotlib (``pip install lucid[viz]``).
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError("lr_scheduler.plot draws with matplotlib: pip install lucid[viz]") from None
    found = trace(schedule, steps, lr)
    if ax is None:
        _, ax = plt.subplots()
    for i, column in enumerate(zip(*found, strict=True)):
        ax.plot(range(steps), column, label=label if len(found[0]) == 1 else f"{label or 'group'} {i}")
    ax.set(xlabel="step", ylabel="learning rate", xlim=(0, max(1, steps - 1)))
    ax.set_ylim(bottom=0)
    return ax
