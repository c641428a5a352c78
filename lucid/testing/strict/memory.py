"""The device's memory, imitated: blocks that the pool counts, and addresses inside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .record import counters


class Memory:
    """The block that an array owns, on the device that was current; the pool counts it."""

    __slots__ = ("device", "size")

    def __init__(self, size: int):
        self.size, self.device = size, counters.current
        counters.take(size, self.device)
        for hook in counters.hooks:
            hook.malloc_postprocess(device_id=self.device, size=size, mem_size=size, mem_ptr=0, pmem_id=0)

    def __del__(self) -> None:
        if counters is not None:  # not while the interpreter shuts down
            counters.held[self.device] -= self.size


class MemoryHook:
    """Called at every allocation, between ``__enter__`` and ``__exit__``."""

    name = "MemoryHook"

    def __enter__(self) -> MemoryHook:
        counters.hooks.append(self)
        return self

    def __exit__(self, *exc: object) -> None:
        counters.hooks.remove(self)

    def malloc_postprocess(self, **kwargs: Any) -> None:
        """After an allocation."""


class Pointer:
    """``ndarray.data``: an address inside a block."""

    __slots__ = ("keep", "mem", "ptr")

    def __init__(self, ptr: int, mem: Memory | None, keep: Any):
        self.ptr, self.mem, self.keep = ptr, mem, keep

    def __add__(self, offset: int) -> Pointer:
        return Pointer(self.ptr + int(offset), self.mem, self.keep)

    def __int__(self) -> int:
        return self.ptr


class Window:
    """Lets NumPy look at memory that something else keeps alive."""

    def __init__(self, pointer: Pointer, shape: tuple, dtype: np.dtype, strides: tuple | None):
        self.keep = pointer
        self.__array_interface__ = {
            "data": (pointer.ptr, False), "shape": shape, "typestr": dtype.str, "strides": strides, "version": 3,
        }  # fmt: skip
