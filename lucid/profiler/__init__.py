"""Where a program spends its time, op by op: ``torch.profiler``."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from .legacy import profile as _profile
from .legacy import record_function
from .trace import FunctionEvent, Trace, current

__all__ = [
    "ProfilerAction", "ProfilerActivity", "is_profiling", "profile", "record_function", "schedule", "supported_activities",
    "tensorboard_trace_handler",
]  # fmt: skip


class ProfilerActivity(Enum):
    """What to time. Only the CPU's time is taken: on a GPU, that until an op is launched."""

    CPU = 0
    XPU = 1
    CUDA = 2
    MTIA = 3


class ProfilerAction(Enum):
    """What a schedule says for a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


_RECORDING = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


def supported_activities() -> set[ProfilerActivity]:
    """The CPU."""
    return {ProfilerActivity.CPU}


def is_profiling() -> bool:
    """Whether a profile is recording in this thread."""
    return current() is not None


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0
) -> Callable[[int], ProfilerAction]:
    """Which steps to record: after ``skip_first``, in turns, skip ``wait``, skip ``warmup`` more, record ``active``.

    ``repeat`` is the number of turns, 0 for as long as the program runs. AssertionError for negative numbers or no active step.

    >>> from lucid.profiler import schedule
    >>> [schedule(wait=1, warmup=1, active=2)(i).name for i in range(4)]
    ['NONE', 'WARMUP', 'RECORD', 'RECORD_AND_SAVE']
    """
    if min(wait, warmup, repeat, skip_first) < 0 or active <= 0:
        raise AssertionError("Invalid profiler schedule arguments")
    turn = wait + warmup + active

    def action(step: int) -> ProfilerAction:
        step -= skip_first
        if step < 0 or (repeat and step // turn >= repeat):
            return ProfilerAction.NONE
        place = step % turn
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if place < turn - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[Any], None]:
    """For ``on_trace_ready``: write each trace to a file of this directory, in Chrome's format."""

    def handler(prof: Any) -> None:
        os.makedirs(dir_name, exist_ok=True)
        name = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        ending = ".gz" if use_gzip else ""
        prof.export_chrome_trace(os.path.join(dir_name, f"{name}.{time.time_ns()}.pt.trace.json{ending}"))

    return handler


class profile(_profile):
    """Times, counts, shapes, memory and multiply-adds of the ops of a ``with`` block, or of the steps that a schedule names.

    ``record_shapes`` keeps input shapes, ``profile_memory`` the bytes of new results, ``with_flops`` counts products. A
    program with a ``schedule`` calls ``step()`` after each step; ``on_trace_ready(prof)`` is called when a turn is over.
    Ops of this thread are seen, and backward of what was recorded inside; ``with_stack`` and ``activities`` change nothing.

    >>> import lucid
    >>> from lucid.profiler import profile, record_function
    >>> with profile(record_shapes=True) as prof, record_function("mine"):
    ...     y = lucid.ones(2, 3) @ lucid.ones(3, 4)
    >>> [(row.key, row.count, row.input_shapes) for row in prof.key_averages(group_by_input_shape=True)]
    [('mine', 1, []), ('matmul', 1, [[2, 3], [3, 4]])]
    """

    def __init__(
        self, *, activities: Iterable[ProfilerActivity] | None = None, schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[Any], None] | None = None, record_shapes: bool = False, profile_memory: bool = False,
        with_stack: bool = False, with_flops: bool = False, with_modules: bool = False, experimental_config: Any = None,
        execution_trace_observer: Any = None, acc_events: bool = False, use_cuda: bool | None = None, **options: Any,
    ):  # fmt: skip
        super().__init__(record_shapes=record_shapes, profile_memory=profile_memory, with_flops=with_flops)
        self.schedule: Callable[[int], ProfilerAction] = schedule or (lambda step: ProfilerAction.RECORD)
        self.on_trace_ready, self._marks_steps = on_trace_ready, schedule is not None
        self.step_num, self.current_action = 0, self.schedule(0)
        self._mark: FunctionEvent | None = None

    def start(self) -> None:
        """Begin, as ``with`` does."""
        self._enter_step(ProfilerAction.NONE)

    def stop(self) -> None:
        """End, as the end of ``with`` does."""
        if self.current_action in _RECORDING and self._trace is not None and current() is self._trace:
            self._save()

    def step(self) -> None:
        """A step is over: record, save or rest as the schedule says for the next."""
        before = self.current_action
        if self._mark is not None and self._trace is not None:
            self._trace.end(self._mark)
        self.step_num += 1
        if before is ProfilerAction.RECORD_AND_SAVE:
            self._save()
        self.current_action = self.schedule(self.step_num)
        if before is ProfilerAction.RECORD and self.current_action not in _RECORDING:
            self._save()  # a schedule of the program's own, which stopped without saving
        self._enter_step(before)

    def _enter_step(self, before: ProfilerAction) -> None:
        self._mark = None
        if self.current_action not in _RECORDING:
            return
        if before is not ProfilerAction.RECORD:
            self._begin()
        if self._marks_steps and isinstance(self._trace, Trace):
            self._mark = self._trace.begin(f"ProfilerStep#{self.step_num}")

    def _save(self) -> None:
        self._finish()
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def __enter__(self) -> Any:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def add_metadata(self, key: str, value: str) -> None:
        """Accepted; traces have no metadata."""
