"""What acts on a whole module at once: conversion to a dtype or device, training mode, freezing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..core import dtypes
from ..core.modes import no_grad
from ..core.tensor import Tensor
from ..functions import empty_like  # type: ignore[attr-defined]  # made there by name
from .parameter import is_lazy

C = TypeVar("C", bound="Conversion")


class Conversion:
    """The part of Module that changes all parameters and buffers, or all submodules."""

    training: bool
    children: Callable[[], Any]
    parameters: Callable[[], Any]
    _parameters: dict[str, Any]
    _buffers: dict[str, Any]

    def apply(self: C, fn: Callable[[Any], None]) -> C:
        """Call ``fn`` on every submodule, then on this module (to initialise weights, for example)."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self: C, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> C:
        """Replace the data of every parameter, gradient and buffer by ``fn`` of it; parameters stay the same objects."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for param in self._parameters.values():
            if param is None:
                continue
            with no_grad():
                _replace_data(param, fn)
                if param.grad is not None:
                    _replace_data(param.grad, fn)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                if is_lazy(buffer):
                    _replace_data(buffer, fn)
                else:
                    self._buffers[name] = fn(buffer)
        return self

    def to(self: C, *args: Any, **kwargs: Any) -> C:
        """Move to a device and (floating-point parts) to a dtype, in place: ``to(device)``, ``to(dtype)``, ``to(tensor)``.

        Raises TypeError for an integer dtype.
        """
        device, dtype = _parse_to(args, kwargs)

        def convert(t: Tensor) -> Tensor:
            wanted = dtype if dtype is not None and t.dtype.category >= dtypes.FLOAT else None
            if wanted is not None and t.dtype.is_complex and not wanted.is_complex:
                wanted = wanted.to_complex()
            return t.to(device=device, dtype=wanted)  # type: ignore[attr-defined]

        return self._apply(convert)

    def type(self: C, dst_type: Any) -> C:
        """Cast all parameters and buffers to ``dst_type``."""
        return self._apply(lambda t: t.type(dst_type))  # type: ignore[attr-defined]

    def _cast_floats(self: C, name: str) -> C:
        return self._apply(lambda t: getattr(t, name)() if t.dtype.is_floating_point else t)

    def float(self: C) -> C:
        """Floating-point parameters and buffers as float32."""
        return self._cast_floats("float")

    def double(self: C) -> C:
        """Floating-point parameters and buffers as float64."""
        return self._cast_floats("double")

    def half(self: C) -> C:
        """Floating-point parameters and buffers as float16."""
        return self._cast_floats("half")

    def bfloat16(self: C) -> C:
        """Floating-point parameters and buffers as bfloat16."""
        return self._cast_floats("bfloat16")

    def cpu(self: C) -> C:
        """Move to the CPU."""
        return self._apply(lambda t: t.cpu())  # type: ignore[attr-defined]

    def cuda(self: C, device: Any = None) -> C:
        """Move to a CUDA device."""
        return self._apply(lambda t: t.cuda(device))  # type: ignore[attr-defined]

    def to_empty(self: C, *, device: Any, recurse: bool = True) -> C:
        """Move to a device with undefined contents."""
        return self._apply(lambda t: empty_like(t, device=device), recurse=recurse)

    def share_memory(self: C) -> C:
        """Move parameters and buffers to memory that processes share; see ``lucid.multiprocessing``."""
        return self._apply(lambda t: t.share_memory_())  # type: ignore[attr-defined]

    def train(self: C, mode: bool = True) -> C:
        """Set training mode here and below: dropout drops, batch norm learns its statistics."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: C) -> C:
        """``train(False)``."""
        return self.train(False)

    def requires_grad_(self: C, requires_grad: bool = True) -> C:
        """Freeze or unfreeze all parameters."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop (or zero) the gradients of all parameters."""
        for param in self.parameters():
            if param.grad is not None:
                if set_to_none:
                    param.grad = None
                else:
                    param.grad.detach_().zero_()  # type: ignore[attr-defined]


def _replace_data(t: Tensor, fn: Callable[[Tensor], Tensor]) -> None:
    if is_lazy(t):
        t.value = fn(t.data).value  # type: ignore[attr-defined]
        return
    new = fn(t.detach())  # type: ignore[attr-defined]
    if new.value is not t.value:
        t.data = new  # type: ignore[attr-defined]


def _parse_to(args: tuple, kwargs: dict) -> tuple[Any, Any]:
    """The device and dtype of a call of ``Module.to``."""
    from ..core.device import device as Device

    unknown = set(kwargs) - {"device", "dtype", "tensor", "non_blocking", "memory_format", "copy"}
    if unknown:
        raise TypeError(f"to() received an invalid keyword argument {sorted(unknown)[0]!r}")
    device, dtype = kwargs.get("device"), kwargs.get("dtype")
    for arg in (*args, kwargs.get("tensor")):
        if isinstance(arg, Tensor):
            device, dtype = arg.device, arg.dtype
        elif isinstance(arg, dtypes.dtype) or (isinstance(arg, str) and arg in dtypes.NAMES):
            dtype = arg
        elif isinstance(arg, str | Device) or type(arg) is int:
            device = arg
        elif arg is not None and not isinstance(arg, bool):
            dtype = arg
    if dtype is not None:
        dtype = dtypes.as_dtype(dtype)
        if dtype.category < dtypes.FLOAT:
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
            )
    return (None if device is None else Device(device)), dtype
