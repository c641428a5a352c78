"""Errors that teach: on its way out of a model, a shape error learns the path of the module that raised it.

Nothing here runs until something has gone wrong. Each module that the error passes through puts the name of its
child in front, so the outermost one leaves the full path in the message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.errors import DeviceError, DTypeError, ShapeError
from ..core.tensor import Tensor

if TYPE_CHECKING:
    from .modules.module import Module

TEACHING = (ShapeError, DTypeError, DeviceError)


class _Trail:
    def __init__(self, module: Module, args: tuple, kwargs: dict, message: str):
        self.module, self.path, self.message = module, "", message
        self.what = describe(module)
        self.got = ", ".join(
            [_shown(a) for a in args] + [f"{k}={_shown(a)}" for k, a in kwargs.items() if a is not None]
        )

    def text(self) -> str:
        where = f"{self.path} ({self.what})" if self.path else self.what
        return f"in {where}, called with {self.got or 'no arguments'}"


def extend(module: Module, args: tuple, kwargs: dict, error: Exception) -> None:
    """Add this module to the path that the error reports; TypeError if a layer of ours asked a non-tensor for a tensor's attribute."""
    strange = getattr(error, "obj", None) if type(error) is AttributeError else error
    if type(module).__module__.startswith("lucid.nn.") and not isinstance(strange, Exception | Tensor):
        for position, value in enumerate((*args, *kwargs.values()), 1):
            if value is strange:
                what = f"{type(module).__name__}(): argument {position} must be Tensor, not {type(value).__name__}"
                raise TypeError(what) from error
    trail = error.__dict__.get("_trail")
    if trail is None:
        message = error.args[0] if len(error.args) == 1 and isinstance(error.args[0], str) else ""
        trail = error._trail = _Trail(module, args, kwargs, message)  # type: ignore[attr-defined]
    elif trail.module is not module:
        name = next((name for name, m in module.named_modules() if m is trail.module), "")
        trail.module = module
        if name:
            trail.path = f"{name}.{trail.path}" if trail.path else name
    else:
        return
    if isinstance(error, TEACHING) and trail.message:
        error.args = (f"{trail.message}\n  {trail.text()}",)
        return
    notes = getattr(error, "__notes__", [])
    if notes and notes[-1].startswith("in "):
        notes[-1] = trail.text()
    else:
        error.add_note(trail.text())


def describe(module: Module) -> str:
    """``Linear 512 -> 2048``, or the class and what its ``extra_repr`` says."""
    name = type(module).__name__
    attributes = module.__dict__
    for kind in ("features", "channels"):
        sizes = attributes.get(f"in_{kind}"), attributes.get(f"out_{kind}")
        if None not in sizes:
            return f"{name} {sizes[0]} -> {sizes[1]}"
    extra = module.extra_repr()
    return f"{name}({extra})" if extra and "\n" not in extra else name


def _shown(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{tuple(value.shape)} {value.dtype.name}"
    if isinstance(value, list | tuple) and len(value) <= 4:
        return f"[{', '.join(_shown(v) for v in value)}]"
    text = repr(value)
    return text if len(text) <= 40 else type(value).__name__
