"""The decorators of ``torch.jit``, which here leave a function as it is, as PyTorch's do under ``PYTORCH_JIT=0``.

Lucid runs Python; there is no second language to script or trace into. Results are the same.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, NamedTuple, NoReturn

from .futures import Future
from .nn.modules.module import Module

__path__: list[str] = []  # so that ``lucid.jit.annotations`` can be asked for (``lucid.paths``)

__all__ = [
    "Attribute", "Final", "Future", "ScriptFunction", "ScriptModule", "annotate", "enable_onednn_fusion", "export", "fork", "freeze",
    "ignore", "interface", "is_scripting", "is_tracing", "isinstance", "load", "optimize_for_inference", "optimized_execution",
    "save", "script", "script_if_tracing", "script_method", "trace", "trace_module", "unused", "wait",
]  # fmt: skip


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


def trace_module(mod: Module, inputs: dict[str, Any], *args: Any, **options: Any) -> Module:
    """The module itself; it is not run."""
    return mod


def script_if_tracing(fn: Callable) -> Callable:
    """The function itself."""
    return fn


BroadcastingList1 = BroadcastingList2 = BroadcastingList3 = list  # in annotations: a list, or one number for all

_script_if_tracing = script_if_tracing  # torchvision's spelling


def _overload(fn: Callable) -> Callable:
    """The function itself: in Python the last definition counts."""
    return fn


_overload_method = _overload


def interface(obj: Any) -> Any:
    """The class itself."""
    return obj


def freeze(mod: Module, preserved_attrs: Any = None, optimize_numerics: bool = True) -> Module:
    """The module itself, which must be in evaluation mode as in PyTorch: RuntimeError."""
    if mod.training:
        raise RuntimeError(
            "Freezing is currently only implemented for modules in eval mode. Please call .eval() on your module before freezing."
        )
    return mod


def optimize_for_inference(mod: Module, other_methods: Any = None) -> Module:
    """The module itself in evaluation mode."""
    return mod.eval()


def enable_onednn_fusion(enabled: bool) -> None:
    """Accepted; nothing changes."""


def optimized_execution(should_optimize: bool) -> AbstractContextManager[None]:
    """Accepted; nothing changes."""
    return nullcontext()


def fork(func: Callable, *args: Any, **kwargs: Any) -> Future:
    """The result of a call, for ``wait``: the call happens at once, as PyTorch's does outside a script."""
    future = Future()
    future.set_result(func(*args, **kwargs))
    return future


def wait(future: Future) -> Any:
    """The result of ``fork``."""
    return future.result()


def isinstance(obj: Any, target_type: Any) -> bool:
    """Python's ``isinstance``."""
    return builtins.isinstance(obj, target_type)


class ScriptModule(Module):
    """A Module: the class is here for programs that derive from it or ask for it."""


class ScriptFunction:
    """A class of no objects: ``script`` returns functions as they are."""


class Attribute(NamedTuple):
    """A value and its type, which a script would need to know."""

    value: Any
    type: Any


_INSTEAD = (
    "lucid does not compile models into files without code. Save the weights, lucid.save(model.state_dict(), path), and load "
    "them into the model's class; or save the whole model, lucid.save(model, path), whose classes must be importable"
)


def save(m: Any, f: Any, **options: Any) -> NoReturn:
    """Raises NotImplementedError, which says what to do instead."""
    raise NotImplementedError(f"jit.save: {_INSTEAD}")


def load(f: Any, map_location: Any = None, **options: Any) -> NoReturn:
    """Raises NotImplementedError, which says what to do instead."""
    raise NotImplementedError(f"jit.load: {_INSTEAD}")


def annotate(the_type: Any, the_value: Any) -> Any:
    """The value."""
    return the_value


def is_scripting() -> bool:
    """False: this is Python."""
    return False


def is_tracing() -> bool:
    """False: calls are not traced."""
    return False
