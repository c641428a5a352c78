"""What one profile records: ops of forward by a watcher, those of backward by hooks on their nodes, named ranges, optimizer steps."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Any

from ..core import modes
from ..core.tensor import Tensor
from ..core.view import View
from ..optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook


@dataclass
class FunctionEvent:
    """One op, range or step: when it began (in us, from the start of the profile), how long it took, what went in."""

    name: str
    kind: str  # "cpu_op", "user_annotation"
    start: float = 0.0
    cpu_time_total: float = 0.0
    self_cpu_time_total: float = 0.0
    input_shapes: list = field(default_factory=list)
    cpu_memory_usage: int = 0
    flops: int = 0
    thread: int = 0
    depth: int = 0

    @property
    def key(self) -> str:
        return self.name

    @property
    def cpu_time(self) -> float:
        return self.cpu_time_total


_trace: ContextVar[Trace | None] = ContextVar("lucid_profile", default=None)
current = _trace.get


class Trace:
    """The events of one stretch of one thread, from ``start`` to ``stop``."""

    def __init__(self, record_shapes: bool = False, profile_memory: bool = False, with_flops: bool = False):
        self.record_shapes, self.profile_memory, self.with_flops = record_shapes, profile_memory, with_flops
        self.events: list[FunctionEvent] = []
        self.duration = 0.0
        self._open: list[FunctionEvent] = []
        self._handles: list[Any] = []
        self._outer: Trace | None = None

    def start(self) -> None:
        if current() is not None:
            raise RuntimeError("a profile is already running in this thread; profiles do not nest")
        _trace.set(self)
        mode = modes.current() or modes.NORMAL
        modes.set_mode(mode.replace(watchers=(*mode.watchers, self._watch)))
        self._handles = [
            register_optimizer_step_pre_hook(lambda o, *_: self._push(_step_name(o), "user_annotation") and None),
            register_optimizer_step_post_hook(lambda o, *_: self._close(_step_name(o))),
        ]
        self._began = perf_counter_ns()

    def stop(self) -> None:
        self.duration = (perf_counter_ns() - self._began) / 1e3
        for handle in self._handles:
            handle.remove()
        while self._open:
            self._pop()
        mode = modes.current() or modes.NORMAL
        modes.set_mode(mode.replace(watchers=tuple(w for w in mode.watchers if w != self._watch)))
        _trace.set(None)

    def _push(self, name: str, kind: str, inputs: Sequence[Any] = ()) -> FunctionEvent:
        event = FunctionEvent(name, kind, thread=threading.get_ident(), depth=len(self._open))
        if self.record_shapes:
            event.input_shapes = [list(x.shape) if isinstance(x, Tensor) else [] for x in inputs]
        self.events.append(event)
        self._open.append(event)
        event.start = (perf_counter_ns() - self._began) / 1e3
        return event

    def _pop(self) -> None:
        now = (perf_counter_ns() - self._began) / 1e3
        event = self._open.pop()
        event.cpu_time_total = now - event.start
        event.self_cpu_time_total += event.cpu_time_total  # less what the events inside it took, which is there already
        if self._open:
            self._open[-1].self_cpu_time_total -= event.cpu_time_total

    def _close(self, name: str) -> None:
        """End the innermost event of this name, and what was left open in it."""
        if any(event.name == name for event in self._open):
            while self._open[-1].name != name:
                self._pop()
            self._pop()

    def begin(self, name: str) -> FunctionEvent:
        """Open a named range."""
        return self._push(name, "user_annotation")

    def end(self, event: FunctionEvent) -> None:
        """Close a range, and what was left open in it."""
        if event in self._open:
            while self._open[-1] is not event:
                self._pop()
            self._pop()

    def _watch(self, op: Any, inputs: Sequence[Any], params: tuple, proceed: Callable) -> Any:
        event = self._push(op.name, "cpu_op", inputs)
        try:
            out = proceed()
        finally:
            self.end(event)
        parts = [t for t in (out if isinstance(out, tuple) else (out,)) if isinstance(t, Tensor)]
        if self.profile_memory:
            event.cpu_memory_usage = sum(t.shape.numel() * t.dtype.itemsize for t in parts if not isinstance(t, View))
        if self.with_flops and parts:
            event.flops = _flops(op.name, inputs, parts[0])
        node = parts[0].grad_fn if parts and parts[0].node is not None else None
        if node is not None and node.op is op:
            node.register_prehook(functools.partial(self._before_node, node.name()))
            node.register_hook(functools.partial(self._after_node, node.name()))
        return out

    def _before_node(self, name: str, grads: tuple) -> None:
        if current() is self:
            self._push(name, "cpu_op", grads)

    def _after_node(self, name: str, results: tuple, grads: tuple) -> None:
        if current() is self:
            self._close(name)


def _step_name(optimizer: Any) -> str:
    return f"Optimizer.step#{type(optimizer).__name__}.step"


def _flops(name: str, inputs: Sequence[Any], out: Tensor) -> int:
    from ..model_summary import MULTIPLY_ADDS

    count = MULTIPLY_ADDS.get(name)
    shapes = [tuple(x.shape) for x in inputs if isinstance(x, Tensor)]
    return 0 if count is None else 2 * count(shapes, tuple(out.shape))
