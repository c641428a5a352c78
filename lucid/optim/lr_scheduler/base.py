"""What every schedule shares: base rates, counting, saving, and setting the rates of all groups."""

from __future__ import annotations

import functools
import types
import warnings
import weakref
from collections.abc import Callable
from typing import Any

from ...core.tensor import Tensor
from ..optimizer import Optimizer

Rates = list[Any]
EPOCH_DEPRECATION_WARNING = "the epoch parameter of scheduler.step() is deprecated: call step() without it"
ORDER = "See more details at https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"


def rates(optimizer: Optimizer, key: str = "lr") -> Rates:
    """The values of an option in all groups; tensors as copies."""
    return [
        group[key].detach().clone() if isinstance(group[key], Tensor) else group[key]
        for group in optimizer.param_groups
    ]


def set_option(group: dict[str, Any], key: str, value: Any) -> None:
    """Set an option; a tensor lr is overwritten in place, so that it stays the same object."""
    if isinstance(group.get(key), Tensor):
        group[key].detach().fill_(float(value))
    else:
        group[key] = value


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """A value for each group; ValueError for a list of another length."""
    count = len(optimizer.param_groups)
    if isinstance(value, list | tuple):
        if len(value) != count:
            raise ValueError(
                f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} values, param_groups has {count}."
            )
        return list(value)
    return [value] * count


def check_optimizer(optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


class LRScheduler:
    """Base class of schedules: a subclass computes the rates of all groups in ``get_lr``.

    At construction the first rate is set at once. Call ``step()`` after each ``optimizer.step()`` (or epoch).
    ``last_epoch`` other than -1 resumes, and needs ``initial_lr`` in the groups.

    >>> import lucid
    >>> class Halving(lucid.optim.lr_scheduler.LRScheduler):
    ...     def get_lr(self):
    ...         return [lr * 0.5**self.last_epoch for lr in self.base_lrs]
    >>> opt = lucid.optim.SGD([lucid.ones(1, requires_grad=True)], lr=8.0)
    >>> schedule = Halving(opt)
    >>> opt.step(); schedule.step()
    >>> schedule.get_last_lr()
    [4.0]
    """

    _is_initial = False
    _get_lr_called_within_step = False
    left_out: tuple[str, ...] = ("optimizer",)  # attributes that are not saved

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                lr = group["lr"]
                group.setdefault("initial_lr", lr.detach().clone() if isinstance(lr, Tensor) else lr)
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with last_epoch >= 0; "
                    "load the optimizer's state first, or leave last_epoch at -1"
                )
        self.base_lrs = rates(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        _watch_steps(optimizer)
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_lr(self) -> Rates:
        """The rates of all groups at ``self.last_epoch``; only for subclasses (see ``get_last_lr``)."""
        raise NotImplementedError

    def get_last_lr(self) -> Rates:
        """The rates that were set last."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next rate."""
        if self._step_count == 1:
            if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
                warnings.warn(f"`optimizer.step()` has been overridden after learning rate scheduler initialization. Call it before `lr_scheduler.step()`. {ORDER}", UserWarning, stacklevel=2)  # fmt: skip
            elif not getattr(self.optimizer, "_opt_called", False):
                warnings.warn(f"Detected call of `lr_scheduler.step()` before `optimizer.step()`: the first value of the learning rate schedule is skipped. Call `optimizer.step()` first. {ORDER}", UserWarning, stacklevel=2)  # fmt: skip
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_DEPRECATION_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        closed = getattr(self, "_get_closed_form_lr", None)
        self._get_lr_called_within_step = True
        try:
            values = self.get_lr() if epoch is None or closed is None else closed()
        finally:
            self._get_lr_called_within_step = False
        self._set(values)

    def _set(self, values: Rates) -> None:
        for group, lr in zip(self.optimizer.param_groups, values, strict=True):
            set_option(group, "lr", lr)
        self._last_lr = rates(self.optimizer)

    def _scaled(self, factor: Any) -> Rates:
        """The present rates times a factor."""
        return [lr * factor for lr in rates(self.optimizer)]

    def _same(self) -> Rates:
        return rates(self.optimizer)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key not in self.left_out}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what ``state_dict`` returned."""
        self.__dict__.update(state_dict)


_LRScheduler = LRScheduler


def _watch_steps(optimizer: Optimizer) -> None:
    """Note on the optimizer that ``step`` was called, to warn of a schedule that is stepped first."""
    if hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return
    reference, function = weakref.ref(optimizer), optimizer.step.__func__  # type: ignore[attr-defined]

    @functools.wraps(function)
    def step(*args: Any, **kwargs: Any) -> Any:
        owner = reference()
        owner.__dict__["_opt_called"] = True  # type: ignore[union-attr]
        return function(owner, *args, **kwargs)

    step._wrapped_by_lr_sched = True  # type: ignore[attr-defined]
    optimizer.step = step  # type: ignore[method-assign]


def saved_functions(functions: list[Callable]) -> list[dict[str, Any] | None]:
    """What can be saved of functions: the attributes of callable objects."""
    return [
        None if isinstance(f, types.FunctionType | types.BuiltinFunctionType) else dict(f.__dict__) for f in functions
    ]
