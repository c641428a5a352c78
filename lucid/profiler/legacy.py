"""``lucid.autograd.profiler``: the profile without a schedule, and named ranges."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ContextDecorator, contextmanager
from typing import Any

from .events import EventList, FunctionEventAvg
from .trace import FunctionEvent, Trace, current

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg", "emit_itt", "emit_nvtx", "profile", "record_function"]


class profile:
    """Times of the ops of a ``with`` block, forward and backward, in this thread.

    Backward is seen of what was recorded inside. On a GPU these are the times until an op is launched, not until it is done.

    >>> import lucid
    >>> x = lucid.ones(3, requires_grad=True)
    >>> with lucid.autograd.profiler.profile() as prof:
    ...     (x * 2).sum().backward()
    >>> sorted(row.key for row in prof.key_averages())
    ['MulBackward0', 'SumBackward0', 'multiply', 'sum']
    """

    def __init__(
        self, enabled: bool = True, *, use_cuda: bool = False, use_device: str | None = None, record_shapes: bool = False,
        with_flops: bool = False, profile_memory: bool = False, with_stack: bool = False, with_modules: bool = False, **options: Any,
    ):  # fmt: skip
        self.enabled = enabled
        self._settings = {"record_shapes": record_shapes, "profile_memory": profile_memory, "with_flops": with_flops}
        self._trace: Trace | None = None

    def _begin(self) -> None:
        self._trace = Trace(**self._settings)
        self._trace.start()

    def _finish(self) -> None:
        if self._trace is not None and current() is self._trace:
            self._trace.stop()

    def __enter__(self) -> Any:
        if self.enabled:
            self._begin()
        return self

    def __exit__(self, *exc: object) -> None:
        self._finish()

    @property
    def _ended(self) -> Trace:
        if self._trace is None:
            raise AssertionError("Profiler didn't finish running")
        return self._trace

    @property
    def function_events(self) -> EventList:
        """All events in order of their beginning."""
        s = self._settings
        return EventList(self._ended.events, s["profile_memory"], s["record_shapes"], s["with_flops"])

    def events(self) -> EventList:
        """All events in order of their beginning."""
        return self.function_events

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> EventList:
        """One row per name (and input shapes): ``print(prof.key_averages().table(sort_by="cpu_time_total"))``."""
        return self.function_events.key_averages(group_by_input_shape, group_by_stack_n)

    def total_average(self) -> FunctionEventAvg:
        """All events as one."""
        return self.function_events.total_average()

    @property
    def self_cpu_time_total(self) -> float:
        """The time of all events in us."""
        return self.function_events.self_cpu_time_total

    def table(self, *args: Any, **options: Any) -> str:
        """All events as a table; see ``EventList.table``."""
        return self.function_events.table(*args, **options)

    def export_chrome_trace(self, path: Any) -> None:
        """A file for chrome://tracing or Perfetto."""
        self.function_events.export_chrome_trace(path)

    def __str__(self) -> str:
        return self.table() if self._trace is not None else "<unfinished profile>"


class record_function(ContextDecorator):
    """A named range in the profile: ``with record_function("forward"):``, or as a decorator. Free without a profile."""

    def __init__(self, name: str, args: str | None = None):
        self.name, self.args = name, args
        self._open: list[tuple[Trace, FunctionEvent] | None] = []

    def __enter__(self) -> record_function:
        trace = current()
        self._open.append(None if trace is None else (trace, trace.begin(self.name)))
        return self

    def __exit__(self, *exc: object) -> None:
        held = self._open.pop()
        if held is not None:
            held[0].end(held[1])


@contextmanager
def emit_nvtx(enabled: bool = True, record_shapes: bool = False) -> Iterator[None]:
    """Does nothing: ranges for NVIDIA's tools are not written."""
    yield


@contextmanager
def emit_itt(enabled: bool = True, record_shapes: bool = False) -> Iterator[None]:
    """Does nothing: ranges for Intel's tools are not written."""
    yield
