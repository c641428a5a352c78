"""``lucid.compile`` with PyTorch's arguments. It runs what it is given as it is; recording and replaying is not there yet."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ContextDecorator
from typing import Any

from .nn import Module

__all__ = [
    "OptimizedModule", "allow_in_graph", "assume_constant_result", "compile", "cudagraph_mark_step_begin", "disable",
    "is_compiling", "is_dynamo_compiling", "is_exporting", "list_backends", "reset", "set_stance",
]  # fmt: skip


class OptimizedModule(Module):
    """A module under the name ``_orig_mod``, so that checkpoints have the keys that PyTorch gives compiled modules."""

    def __init__(self, module: Module):
        super().__init__()
        self._orig_mod = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._orig_mod(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "_orig_mod":
            return super().__getattr__(name)
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self._orig_mod, name)


def compile(
    model: Any = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: Any = "eager",
    mode: str | None = None,
    options: dict | None = None,
    disable: bool = False,
) -> Any:
    """A module or function with the same results: it runs as it is, as under PyTorch's ``backend="eager"``.

    Other backends than "eager" are accepted and run the same way; nothing becomes faster yet. TypeError for what cannot be called.

    >>> import lucid
    >>> @lucid.compile
    ... def double(x):
    ...     return x * 2
    >>> double(lucid.ones(1)).item()
    2.0
    """
    if model is None:
        return lambda model: compile(model, fullgraph=fullgraph, dynamic=dynamic, backend=backend, mode=mode)
    if not callable(model):
        raise TypeError(f"compile: expected a module or a function, got {type(model).__name__}")
    return OptimizedModule(model) if isinstance(model, Module) and not disable else model


def disable(fn: Callable | None = None, recursive: bool = True, **options: Any) -> Any:
    """The function itself: nothing is compiled."""
    return fn if fn is not None else lambda fn: fn


def allow_in_graph(fn: Any) -> Any:
    """The function (or list of functions) itself."""
    return fn


def assume_constant_result(fn: Callable) -> Callable:
    """The function itself."""
    return fn


def is_compiling() -> bool:
    """False."""
    return False


def is_dynamo_compiling() -> bool:
    """False."""
    return False


def is_exporting() -> bool:
    """False."""
    return False


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """The names that ``compile(backend=)`` has a meaning for: "eager"."""
    return ["eager"]


def cudagraph_mark_step_begin() -> None:
    """Accepted; nothing changes."""


def reset() -> None:
    """Forget what was compiled: nothing is kept."""


class set_stance(ContextDecorator):
    """How compiled code is to run: a call, a context or a decorator, without effect, since all runs as under "force_eager".

    ValueError for a stance that PyTorch does not know.
    """

    def __init__(self, stance: str = "default", *, skip_guard_eval_unsafe: bool = False, force_backend: Any = None):
        if stance not in _STANCES:
            raise ValueError(f"set_stance: invalid stance {stance!r}; expected one of {', '.join(_STANCES)}")

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        return None


_STANCES = (
    "default",
    "force_eager",
    "eager_on_recompile",
    "fail_on_recompile",
    "eager_then_compile",
    "aot_eager_then_compile",
)
