"""What the imitated device counts and refuses: launches, synchronisations, uploads, memory, float64."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np


class Counters:
    """How often a program made the device work (``launches``), waited for it (``syncs``), or sent it data (``uploads``).

    ``waited`` lists what the last synchronisations were, so that a failing test can say where they came from.
    """

    def __init__(self) -> None:
        self.no_float64 = False
        self.forbidden = 0
        self.capturing: list | None = None  # what a graph does again: (function, arguments, options, result)
        self.undo: list = []  # what memory held before it was written while a graph was captured
        self.devices, self.current = 1, 0  # how many there are, and the number of the current one
        self.hooks: list[Any] = []  # of memory
        self.held: dict[int, int] = defaultdict(int)  # bytes that arrays hold, by device
        self.taken: dict[int, int] = defaultdict(int)  # bytes that the pool holds
        self.reset()

    def reset(self) -> None:
        self.launches = self.syncs = self.uploads = 0
        self.waited: list[str] = []

    def launch(self) -> None:
        self.launches += 1

    def sync(self, what: str) -> None:
        if self.forbidden:
            raise RuntimeError(f"strict: {what} waits for the device inside no_sync()")
        if self.capturing is not None:
            raise RuntimeError(
                f"cudaErrorStreamCaptureUnsupported: {what} waits for the device while a graph is captured"
            )
        self.syncs += 1
        if len(self.waited) < 1000:
            self.waited.append(what)

    def take(self, bytes_: int, device: int) -> None:
        self.held[device] += bytes_
        self.taken[device] = max(self.taken[device], self.held[device])


counters = Counters()


@contextlib.contextmanager
def no_sync() -> Iterator[Counters]:
    """Inside, whatever waits for the device raises RuntimeError; gives the counters.

    >>> import lucid
    >>> from lucid.testing import strict
    >>> with strict.installed(), strict.no_sync():
    ...     y = lucid.ones(3, device="cuda").sum()
    """
    counters.forbidden += 1
    try:
        yield counters
    finally:
        counters.forbidden -= 1


def check_dtype(dtype: np.dtype) -> None:
    """TypeError for what a device array cannot hold."""
    if dtype.kind in "OSUMm" or (dtype.kind == "V" and dtype.name != "bfloat16") or dtype.itemsize > 16:
        raise ValueError(f"Unsupported dtype {dtype}")
    if counters.no_float64 and dtype.char in "dD":
        raise TypeError(f"strict: an array of dtype {dtype} on a device without float64 (option no_float64)")


def before(*arrays: np.ndarray) -> None:
    """Call before arrays are written in place: while a graph is captured, a GPU writes nothing."""
    if counters.capturing is not None:
        counters.undo.extend((a, a.copy()) for a in arrays)


def record(f: Any, values: Any, options: dict, result: Any, keep: Any = ()) -> None:
    """While a graph is captured: what to do again at each launch, into the same memory."""
    if counters.capturing is not None:
        counters.capturing.append((f, tuple(values), dict(options), result, keep))
