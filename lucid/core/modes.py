"""Is this thread (or async task) recording a graph, and does anything want to see each op?

The whole state is one ``ContextVar``: ``None`` is the normal case (recording, nobody watching), so an op pays
one 14 ns look-up. A ``ContextVar`` is separate per thread and per async task, which a global flag is not.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any


class Mode:
    """What differs from normal: whether ops are recorded, and watchers called around each op.

    A watcher is ``watch(op, inputs, params, proceed) -> result``; the last one added is outermost.
    """

    __slots__ = ("inference", "pack", "record", "watchers")

    def __init__(self, record: bool = True, inference: bool = False, watchers: tuple = (), pack: Any = None):
        self.record, self.inference, self.watchers, self.pack = record, inference, watchers, pack

    def replace(
        self, record: bool | None = None, inference: bool | None = None, watchers: Any = None, pack: Any = ...
    ) -> Mode | None:
        """This mode with some things changed; the shared singletons where nothing else differs."""
        record = self.record if record is None else record
        inference = self.inference if inference is None else inference
        watchers = self.watchers if watchers is None else watchers
        pack = self.pack if pack is ... else pack
        if watchers or pack is not None:
            return Mode(record, inference, watchers, pack)
        if record:
            return None
        return INFERENCE if inference else NO_GRAD


NORMAL = Mode()
NO_GRAD = Mode(record=False)
INFERENCE = Mode(record=False, inference=True)
_mode: ContextVar[Mode | None] = ContextVar("lucid_mode", default=None)
current = _mode.get


def set_mode(mode: Mode | None) -> None:
    _mode.set(mode)


def is_grad_enabled() -> bool:
    """Whether ops on tensors that require grad are recorded in this thread (or async task)."""
    mode = current()
    return mode is None or mode.record


ENTERED: list[bool] = []  # not empty once ``inference_mode`` was used: only then are its tensors looked for
UNCOUNTED = -(1 << 60)  # where the versions of a tensor made inside ``inference_mode`` begin: below 0 says what it is


def is_inference_mode_enabled() -> bool:
    """Whether this thread (or async task) is inside ``inference_mode``."""
    mode = current()
    return mode is not None and mode.inference


class Scope:
    """A context manager and decorator that changes the mode; re-entrant, and right around generators."""

    def __init__(self, **changes: Any):
        self._changes = changes
        self._before: list[Mode | None] = []

    def __enter__(self) -> Any:
        before = current()
        self._before.append(before)
        set_mode((before or NORMAL).replace(**self._changes))
        return self

    def __exit__(self, *exc: object) -> None:
        set_mode(self._before.pop())

    def clone(self) -> Scope:
        return Scope(**self._changes)

    def __call__(self, function: Callable) -> Callable:
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generator(*args: Any, **kwargs: Any) -> Iterator:
                steps = function(*args, **kwargs)
                step: Callable = steps.send
                given: Any = None
                try:
                    while True:
                        with self.clone():  # the mode holds inside the generator only, not between its steps
                            item = step(given)
                        try:
                            step, given = steps.send, (yield item)
                        except GeneratorExit:
                            with self.clone():
                                steps.close()
                            raise
                        except BaseException as problem:
                            step, given = steps.throw, problem
                except StopIteration as stop:
                    return stop.value

            return generator

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def coroutine(*args: Any, **kwargs: Any) -> Any:
                with self.clone():
                    return await function(*args, **kwargs)

            return coroutine

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return function(*args, **kwargs)

        return wrapper


def _scope(name: str, doc: str, changes: Callable[[bool], dict]) -> type:
    """A Scope class with PyTorch's habits: ``@no_grad``, ``@no_grad()`` and ``with no_grad():`` all work."""

    def __new__(cls: type, function: Any = None, *, mode: bool = True) -> Any:
        if isinstance(function, bool):
            function, mode = None, function
        scope: Any = object.__new__(cls)
        Scope.__init__(scope, **changes(mode))
        return scope if function is None else scope(function)

    return type(name, (Scope,), {"__new__": __new__, "__init__": lambda self, *a, **k: None, "__doc__": doc})


no_grad = _scope(
    "no_grad", "Do not record ops: as ``with no_grad():`` or as a decorator.", lambda mode: {"record": False}
)
enable_grad = _scope(
    "enable_grad", "Record ops again inside ``no_grad``: context manager or decorator.", lambda mode: {"record": True}
)


def _inference(mode: bool) -> dict:
    if mode and not ENTERED:
        ENTERED.append(True)
    return {"record": not mode, "inference": mode}


inference_mode = _scope(
    "inference_mode",
    "Like ``no_grad``; tensors made inside can never take part in a graph.",
    _inference,
)


class set_grad_enabled(Scope):
    """Switch recording on or off: at once when called, until the block ends when used with ``with``."""

    def __init__(self, mode: bool):
        super().__init__(record=bool(mode))
        self._outer = current()
        set_mode((self._outer or NORMAL).replace(record=bool(mode)))

    def __enter__(self) -> Any:
        self._before.append(self._outer)
        set_mode((self._outer or NORMAL).replace(**self._changes))
        return self

    def __call__(self, function: Callable) -> Callable:
        set_mode(self._outer)  # a decorator only acts while the function runs
        return super().__call__(function)
