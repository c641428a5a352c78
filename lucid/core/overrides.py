"""``__torch_function__``: what happens when a function of lucid is given an instance of a user's subclass of Tensor.

Programs without such classes pay nothing, since no op asks: the first definition of a subclass (``activate``) puts wrappers
that look at the classes of the arguments in place of lucid's functions, and each class gets wrapped methods of its own.
A function that was imported by name before that (``from lucid.nn.functional import relu``) stays as it was.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FunctionType, ModuleType
from typing import Any

from .tensor import Tensor
from .view import View

NAMESPACES = ("lucid", "lucid.nn.functional", "lucid.linalg", "lucid.fft", "lucid.special")
# Functions that are about the object or the library, not about what the tensor holds.
ASIDE = frozenset(
    """is_tensor is_storage typename save load compile seed manual_seed initial_seed get_rng_state set_rng_state set_printoptions
    set_default_dtype get_default_dtype set_default_device get_default_device is_grad_enabled set_grad_enabled
    is_inference_mode_enabled vmap summary as_tensor tensor""".split()
)
METHODS_ASIDE = frozenset(
    """__init__ __new__ __class__ __dict__ __weakref__ __slots__ __module__ __doc__ __hash__ __init_subclass__ __torch_function__
    __getattribute__ __setattr__ __delattr__ __reduce_ex__ __reduce__ __array__ __array_namespace__ __dlpack__ __dlpack_device__
    __subclasshook__ __annotations__ __array_priority__ __getattr__ as_subclass _make_subclass _fill requires_grad_ grad_fn""".split()
)
# The methods that operators are told as, where they are not told by their own names.
OPERATORS = {
    "__add__": "add", "__sub__": "sub", "__mul__": "mul", "__truediv__": "div", "__matmul__": "matmul", "__mod__": "remainder",
    "__radd__": "add", "__rmul__": "mul", "__rand__": "bitwise_and", "__ror__": "bitwise_or", "__rxor__": "bitwise_xor",
    "__iadd__": "add_", "__isub__": "sub_", "__imul__": "mul_", "__itruediv__": "div_", "__imod__": "remainder_",
    "__ifloordiv__": "floor_divide_", "__lt__": "lt", "__le__": "le", "__gt__": "gt", "__ge__": "ge", "__ne__": "ne",
    "__neg__": "neg", "__pos__": "positive", "__abs__": "abs",
}  # fmt: skip
VIEWED = ("T", "mT", "H", "mH", "data", "real", "imag")  # properties that give tensors

_off: ContextVar[bool] = ContextVar("lucid_torch_function_off", default=False)
_methods: dict[str, Any] = {}
_active = False


def default(cls: type, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
    """What Tensor does itself: the function, its results as instances of ``cls``."""
    if not all(issubclass(cls, t) for t in types):
        return NotImplemented
    with disabled():
        return converted(func(*args, **(kwargs or {})), cls)


def plain(cls: type, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
    """The ``__torch_function__`` of classes whose ops give plain tensors (``torch._C._disabled_torch_function_impl``)."""
    with disabled():
        return func(*args, **(kwargs or {}))


def converted(result: Any, cls: type) -> Any:
    if cls is Tensor:
        return result
    if isinstance(result, Tensor):
        return result if isinstance(result, cls) else as_subclass(result, cls)
    if isinstance(result, tuple) and hasattr(result, "_make"):
        return result._make(converted(r, cls) for r in result)
    if type(result) in (tuple, list):
        return type(result)(converted(r, cls) for r in result)
    return result


def as_subclass(t: Tensor, cls: type) -> Tensor:
    made: Any = object.__new__(cls)
    made.value, made.node, made._grad, made._version = t.value, t.node, None, 0
    if type(t) is View and (t.node is not None or t.root.node is not None):
        made.__dict__["_copy_of_view"] = True  # writing to it would be lost on the graph, so it is refused
    return made


@contextmanager
def disabled() -> Iterator[None]:
    """While active, functions take instances of subclasses as the plain tensors that they are."""
    token = _off.set(True)
    try:
        yield
    finally:
        _off.reset(token)


def overriding(args: Any) -> list:
    """The arguments, in lists and tuples too, whose class has a ``__torch_function__`` of its own; subclasses first."""
    found: list = []
    for a in args:
        kind = type(a)
        if kind is Tensor or kind is View or kind is int or kind is float or kind is str:
            continue
        if kind is list or kind is tuple:
            candidates = overriding(a)
        elif getattr(kind, "__torch_function__", None) is None or not _overrides(kind):
            continue
        else:
            candidates = [a]
        for c in candidates:
            if not any(type(c) is type(other) for other in found):
                at = next((i for i, other in enumerate(found) if isinstance(c, type(other))), len(found))
                found.insert(at, c)
    return found


def _overrides(kind: type) -> bool:
    own = kind.__torch_function__  # type: ignore[attr-defined]
    return getattr(own, "__func__", own) is not plain and not kind.__module__.startswith("lucid.")


def handle(func: Callable, found: list, args: tuple, kwargs: dict) -> Any:
    """Ask each class in turn; TypeError if none knows the function."""
    types = tuple(type(a) for a in found)
    for a in found:
        result = type(a).__torch_function__(func, types, args, kwargs)
        if result is not NotImplemented:
            return result
    raise TypeError(
        f"no implementation found for '{getattr(func, '__module__', '')}.{getattr(func, '__name__', func)}' on types that implement "
        f"__torch_function__: {list(types)}"
    )


def foreign(f: Callable, name: str | None, args: tuple, kwargs: dict | None = None) -> tuple | None:
    """For a call that met something other than tensors: what its class makes of it, in a tuple; None if it says nothing."""
    found = [] if _off.get() else overriding((*args, *(kwargs or {}).values()))
    if not found:
        return None
    activate()
    func = next((w for w in (_public(space, name, f) for space in NAMESPACES) if w is not None), f)
    return (handle(func, found, args, kwargs or {}),)


def _public(space: str, name: str | None, f: Callable) -> Callable | None:
    """The wrapper that stands for ``f`` in a namespace."""
    module = vars(sys.modules[space])
    candidates = [module.get(name)] if name is not None else list(module.values())
    return next((w for w in candidates if getattr(w, "__wrapped__", None) is f), None)


def dispatching(f: Callable, func: Callable | None = None) -> Callable:
    """``f`` for arguments that may have a ``__torch_function__``, which is told of ``func`` (of the wrapper itself by default)."""

    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not _off.get():
            found = overriding((*args, *kwargs.values()) if kwargs else args)
            if found:
                return handle(func or call, found, args, kwargs)
        return f(*args, **kwargs)

    return call


def operator(name: str, f: Callable) -> Callable:
    """A wrapper for the operator ``f``: ``t + 1`` is told as ``Tensor.add``, ``x - t`` of tensors as ``Tensor.sub`` of x and t."""
    own, straight = getattr(Tensor, OPERATORS.get(name, name)), "__" + name[3:]
    reflected = name[2] == "r" and getattr(Tensor, OPERATORS.get(straight, straight), None)

    @functools.wraps(f)
    def call(*args: Any) -> Any:
        if not _off.get() and (found := overriding(args)):
            if reflected and isinstance(args[1], Tensor):
                return handle(reflected, found, args[::-1], {})
            known = isinstance(args[-1], int | float | complex) or hasattr(args[-1], "__torch_function__")
            try:
                return handle(own if known else f, found, args, {})
            except TypeError:
                if known:
                    raise
                return NotImplemented  # the class of the other operand may know
        return f(*args)

    return call


def adopt(cls: type) -> None:
    """Prepare lucid for a user's new subclass of Tensor."""
    if cls.__torch_function__.__func__ is plain:  # type: ignore[attr-defined]
        return
    activate()
    defined = {name for base in cls.__mro__ if base not in Tensor.__mro__ for name in vars(base)}
    for name, method in _methods.items():
        if name not in defined:
            setattr(cls, name, method)


def activate() -> None:
    """Put the wrappers in place of lucid's functions, once."""
    global _active
    if _active:
        return
    _active = True
    for name, value in vars(Tensor).items():
        if name in METHODS_ASIDE:
            continue
        if name in VIEWED and isinstance(value, property):
            _methods[name] = property(dispatching(value.fget, value.__get__), value.fset, value.fdel)  # type: ignore[arg-type]
        elif isinstance(value, FunctionType):
            if name[:2] == "__" and name not in OPERATORS:
                value.__name__ = "pow" if name == "__pow__" else name  # operators may be closures and lambdas
            operates = name in OPERATORS or (name[:3] == "__r" and "__" + name[3:] in vars(Tensor))
            _methods[name] = operator(name, value) if operates else dispatching(value, value)
    _methods["__iter__"] = lambda self: iter(self.unbind(0)) if self.ndim else Tensor.__iter__(self)
    wrapped: dict[Callable, Callable] = {}
    for space in NAMESPACES:
        module = importlib.import_module(space)
        for name, value in list(vars(module).items()):
            if isinstance(value, FunctionType) and not name.startswith("_") and name not in ASIDE:
                if value not in wrapped:
                    wrapped[value] = call = dispatching(value)
                    call.__module__, call.__qualname__ = space, name  # where pickle finds it
                setattr(module, name, wrapped[value])
    for name, module in list(sys.modules.items()):
        if name.startswith("lucid.nn.") and not name.startswith("lucid.nn.functional"):
            _replace(module, wrapped)


def _replace(module: ModuleType, wrapped: dict[Callable, Callable]) -> None:
    """Layers call functions by the names they imported."""
    for name, value in list(vars(module).items()):
        if isinstance(value, FunctionType) and value in wrapped:
            setattr(module, name, wrapped[value])
