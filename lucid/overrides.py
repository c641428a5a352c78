"""Classes that say themselves what functions do with them (``__torch_function__``), as in ``torch.overrides``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from .core.overrides import NAMESPACES, activate, handle, overriding
from .core.overrides import disabled as DisableTorchFunctionSubclass
from .core.tensor import Tensor

__all__ = [
    "DisableTorchFunctionSubclass", "get_overridable_functions", "handle_torch_function", "has_torch_function", "is_tensor_like",
    "is_tensor_method_or_property", "resolve_name",
]  # fmt: skip


def has_torch_function(relevant_args: Any) -> bool:
    """Whether one of these arguments has a ``__torch_function__`` of its own.

    >>> import lucid
    >>> lucid.overrides.has_torch_function((lucid.ones(1), 2))
    False
    """
    return bool(overriding(tuple(relevant_args)))


def handle_torch_function(public_api: Callable, relevant_args: Any, *args: Any, **kwargs: Any) -> Any:
    """What the classes of ``relevant_args`` make of ``public_api(*args, **kwargs)``; TypeError if none knows it.

    >>> import lucid
    >>> class Constant:
    ...     __module__ = "yours"  # this example runs inside lucid, whose own classes are not asked
    ...     @classmethod
    ...     def __torch_function__(cls, func, types, args=(), kwargs=None):
    ...         return func.__name__
    >>> def double(x):
    ...     if lucid.overrides.has_torch_function((x,)):
    ...         return lucid.overrides.handle_torch_function(double, (x,), x)
    ...     return x * 2
    >>> double(Constant()), double(lucid.ones(1))
    ('double', tensor([2.]))
    """
    return handle(public_api, overriding(tuple(relevant_args)), args, kwargs)


def is_tensor_like(inp: Any) -> bool:
    """Whether this is a Tensor or says with ``__torch_function__`` that it is like one."""
    return isinstance(inp, Tensor) or hasattr(type(inp), "__torch_function__")


def is_tensor_method_or_property(func: Callable) -> bool:
    """Whether this is a method of Tensor, or the getter of one of its properties."""
    return getattr(func, "__name__", "") == "__get__" or any(func is v for v in vars(Tensor).values())


def get_overridable_functions() -> dict[Any, list]:
    """The functions that ask their arguments, by namespace."""
    activate()
    spaces = {name: sys.modules[name] for name in NAMESPACES}
    found: dict[Any, list] = {
        m: [v for v in vars(m).values() if hasattr(v, "__wrapped__") and v.__code__.co_name == "call"]
        for m in spaces.values()
    }
    found[Tensor] = [v for v in vars(Tensor).values() if callable(v) and not isinstance(v, type)]
    return found


def resolve_name(f: Callable) -> str | None:
    """The full name of a function or a method of Tensor: "lucid.sin", "lucid.Tensor.add"."""
    for name, value in vars(Tensor).items():
        if value is f:
            return f"lucid.Tensor.{name}"
    for space in NAMESPACES:
        name = getattr(f, "__name__", "")
        if getattr(sys.modules.get(space), name, None) is f:
            return f"{space}.{name}"
    return None
