"""Objects that are not plain data, such as whole models: pickled inside the archive, and run only if the caller allows it.

Tensors are taken out of the pickle (as persistent ids) and stored beside it like all others. Loading calls only what the
program vouched for: with ``weights_only=True`` the classes given to ``add_safe_globals``, with ``weights_only=False`` anything.
"""

from __future__ import annotations

import importlib
import io
import pickle
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..core import dtypes
from ..core.device import device
from ..core.tensor import Size, Tensor

__all__ = ["add_safe_globals", "clear_safe_globals", "get_safe_globals", "safe_globals"]

# What a pickle of data needs besides its classes; none of these can do harm.
HARMLESS = {
    ("collections", "OrderedDict"): OrderedDict,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "complex"): complex,
    ("builtins", "slice"): slice,
    ("builtins", "range"): range,
    ("builtins", "bytearray"): bytearray,
    ("builtins", "object"): object,
    (Size.__module__, "Size"): Size,
    (dtypes.dtype.__module__, "dtype"): dtypes.dtype,
    (device.__module__, "device"): device,
}
_safe: dict[tuple[str, str], Any] = {}


def _named(safe: Any) -> tuple[tuple[str, str], Any]:
    if isinstance(safe, tuple):
        found, name = safe
        module, _, last = name.rpartition(".")
        return (module, last), found
    return (safe.__module__, safe.__qualname__), safe


def add_safe_globals(safe_globals: list) -> None:
    """Vouch for classes and functions that ``load`` may then call: each itself, or ``(it, "module.name")``.

    >>> import argparse, io, lucid
    >>> file = io.BytesIO()
    >>> lucid.save({"args": argparse.Namespace(lr=0.1)}, file)
    >>> with lucid.serialization.safe_globals([argparse.Namespace]):
    ...     _ = file.seek(0); lucid.load(file)
    {'args': Namespace(lr=0.1)}
    """
    _safe.update(map(_named, safe_globals))


def get_safe_globals() -> list:
    """What ``add_safe_globals`` was given."""
    return list(_safe.values())


def clear_safe_globals() -> None:
    """Vouch for nothing any more."""
    _safe.clear()


@contextmanager
def safe_globals(safe_globals: list) -> Iterator[None]:
    """``add_safe_globals`` for the time of a ``with`` block."""
    before = dict(_safe)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        clear_safe_globals()
        _safe.update(before)


def find_class(module: str, name: str, weights_only: bool) -> Any:
    """The class or function that a pickle names; UnpicklingError where nobody vouched for it."""
    if (module, name) in HARMLESS:
        return HARMLESS[module, name]
    if (module, name) in _safe:
        return _safe[module, name]
    if weights_only:
        raise pickle.UnpicklingError(
            f"Weights only load failed: the file holds a {module}.{name}, which loading would run. If you trust the file, "
            f"load(..., weights_only=False), or vouch for it with lucid.serialization.add_safe_globals([{name}])."
        )
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def dumps(x: Any, store: Callable[[Tensor], Any]) -> bytes:
    """The pickle of an object, each tensor in it replaced by what ``store`` returns for it."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            return store(obj) if isinstance(obj, Tensor) else None

    buffer = io.BytesIO()
    Pickler(buffer, protocol=4).dump(x)
    return buffer.getvalue()


def loads(data: bytes, fetch: Callable[[Any], Tensor], weights_only: bool) -> Any:
    """The object of a pickle; ``fetch`` finds the tensors that ``dumps`` stored."""

    class Unpickler(pickle.Unpickler):
        def persistent_load(self, pid: Any) -> Tensor:
            return fetch(pid)

        def find_class(self, module: str, name: str) -> Any:
            return find_class(module, name, weights_only)

    return Unpickler(io.BytesIO(data)).load()
