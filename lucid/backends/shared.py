"""Arrays of the CPU in memory that several processes share: what ``share_memory_`` makes, and how a handle crosses over."""

from __future__ import annotations

import weakref
from multiprocessing.heap import BufferWrapper
from typing import Any

import numpy as np

_blocks: dict[int, BufferWrapper] = {}  # id of the array over a whole block -> the block, which must outlive it


def _root(array: Any) -> Any:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _over(block: Any, count: int) -> np.ndarray:
    """The array of bytes over a block, known by its number while it lives."""
    whole = np.frombuffer(block.create_memoryview(), np.uint8, count)
    _blocks[id(whole)] = block
    weakref.finalize(whole, _blocks.pop, id(whole), None)
    return whole


def is_shared(array: Any) -> bool:
    """Whether an array lies in shared memory."""
    return isinstance(array, np.ndarray) and id(_root(array)) in _blocks


def share(array: Any) -> Any:
    """A copy of an array in shared memory."""
    block = BufferWrapper(max(array.nbytes, 1))
    made = _over(block, array.nbytes).view(array.dtype).reshape(array.shape)
    made[...] = array
    return made


def handle(array: Any) -> tuple:
    """What ``attach`` needs in another process; the block travels by its file."""
    root = _root(array)
    start = array.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    return _blocks[id(root)], root.nbytes, array.dtype, array.shape, array.strides, start


def attach(block: Any, count: int, dtype: Any, shape: tuple, strides: tuple, start: int) -> Any:
    """The array of a handle, over the same memory."""
    if not count:
        return np.empty(shape, dtype)
    whole = _over(block, count)
    return np.ndarray(shape, dtype, whole, start, strides)
