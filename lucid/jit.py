"""The decorators of ``torch.jit``, which here leave a function as it is, as PyTorch's do under ``PYTORCH_JIT=0``.

Lucid runs Python; there is no second language to script or trace into. Results are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

__all__ = [
    "Final",
    "annotate",
    "export",
    "ignore",
    "is_scripting",
    "is_tracing",
    "script",
    "script_method",
    "trace",
    "unused",
]


def script(obj: Any, *args: Any, **options: Any) -> Any:
    """The function, class or module itself.

    >>> import lucid
    >>> @lucid.jit.script
    ... def double(x):
    ...     return x * 2
    >>> double(lucid.ones(1)).item()
    2.0
    """
    return obj


def trace(func: Callable, example_inputs: Any = None, *args: Any, **options: Any) -> Callable:
    """The function or module itself; it is not run."""
    return func


def script_method(fn: Callable) -> Callable:
    """The method itself."""
    return fn


def export(fn: Callable) -> Callable:
    """The method itself."""
    return fn


def unused(fn: Callable) -> Callable:
    """The method itself."""
    return fn


def ignore(drop: Any = False, **options: Any) -> Any:
    """The method itself; with or without parentheses."""
    return drop if callable(drop) else lambda fn: fn


def annotate(the_type: Any, the_value: Any) -> Any:
    """The value."""
    return the_value


def is_scripting() -> bool:
    """False: this is Python."""
    return False


def is_tracing() -> bool:
    """False: calls are not traced."""
    return False
