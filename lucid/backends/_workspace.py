"""Memory for temporaries, kept per thread: the system hands out fresh arrays of some size page by page, at a cost."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

LARGEST = 262_144  # elements of a room: 1 MB of float32
_rooms = threading.local()


def room(like: Any, number: int) -> Any:
    """An uninitialised array of the shape and dtype of ``like``; the same memory at the next call with this number."""
    if like.size > LARGEST:
        return np.empty(like.shape, like.dtype)
    key = f"{like.dtype.char}{number}"
    memory = getattr(_rooms, key, None)
    if memory is None or memory.size < like.size:
        memory = np.empty(min(LARGEST, max(65_536, 2 * like.size)), like.dtype)
        setattr(_rooms, key, memory)
    return memory[: like.size].reshape(like.shape)
