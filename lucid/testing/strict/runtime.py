"""``cupy.cuda`` of the imitation: devices, streams, events, graphs, the memory pool."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from .memory import Memory, Pointer
from .record import counters


class CUDARuntimeError(RuntimeError):
    def __init__(self, name: str):
        super().__init__(name)


def _checked(index: int) -> int:
    if not 0 <= index < counters.devices:
        raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
    return index


class Device:
    """An imitated device; without a number the current one."""

    def __init__(self, device: Any = None):
        self.id = device.id if isinstance(device, Device) else counters.current if device is None else int(device)
        self._before: list[int] = []

    def __int__(self) -> int:
        return self.id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<CUDA Device {self.id}>"

    def __enter__(self) -> Device:
        self._before.append(counters.current)
        self.use()
        return self

    def __exit__(self, *exc: object) -> None:
        counters.current = self._before.pop()

    def use(self) -> None:
        counters.current = _checked(self.id)

    def synchronize(self) -> None:
        _checked(self.id)
        counters.sync("Device.synchronize()")

    @property
    def mem_info(self) -> tuple[int, int]:
        return runtime.memGetInfo()

    @property
    def compute_capability(self) -> str:
        return "90"

    @property
    def attributes(self) -> dict[str, int]:
        return {"MaxThreadsPerBlock": 1024, "WarpSize": 32, "MultiProcessorCount": 2, "MaxSharedMemoryPerBlock": 49152}


def _properties(index: int) -> dict[str, Any]:
    _checked(index)
    return {
        "name": b"strict imitation over NumPy", "major": 9, "minor": 0, "totalGlobalMem": 8 << 30, "multiProcessorCount": 2,
        "warpSize": 32, "maxThreadsPerBlock": 1024, "sharedMemPerBlock": 49152, "maxGridSize": (2**31 - 1, 65535, 65535),
    }  # fmt: skip


def _wait(what: str) -> Callable:
    return lambda *args: counters.sync(what)


runtime = SimpleNamespace(
    CUDARuntimeError=CUDARuntimeError,
    getDeviceCount=lambda: counters.devices,
    getDevice=lambda: counters.current,
    setDevice=lambda index: Device(index).use(),
    getDeviceProperties=_properties,
    deviceSynchronize=_wait("deviceSynchronize()"),
    streamSynchronize=_wait("streamSynchronize()"),
    memGetInfo=lambda: ((8 << 30) - counters.taken[counters.current], 8 << 30),
    runtimeGetVersion=lambda: 13000,
    driverGetVersion=lambda: 13000,
    deviceCanAccessPeer=lambda a, b: 0,
    is_hip=False,
    streamCaptureModeGlobal=0, streamCaptureModeThreadLocal=1, streamCaptureModeRelaxed=2,
)  # fmt: skip


class Graph:
    """What was done while a stream captured; ``launch`` does it again, from and into the same memory."""

    def __init__(self, steps: list):
        self._steps = steps

    def launch(self, stream: Any = None) -> None:
        counters.launch()
        with np.errstate(all="ignore"):
            for f, values, options, result, _ in self._steps:
                new = f(*values, **options)
                _rewrite(result, new)

    def upload(self, stream: Any = None) -> None:
        """Nothing to send."""


def _rewrite(old: Any, new: Any) -> None:
    if isinstance(old, np.ndarray):
        if not np.may_share_memory(old, np.asarray(new)) or old.base is None:
            old[...] = new
    elif isinstance(old, tuple | list):
        for a, b in zip(old, new, strict=True):
            _rewrite(a, b)


class Stream:
    """A stream: work is done at once, so order never matters; capture works as in CUDA."""

    null: ClassVar[Stream]
    ptds: ClassVar[Stream]
    _current: ClassVar[list[Stream]] = []

    def __init__(self, null: bool = False, non_blocking: bool = False, ptds: bool = False, priority: Any = None):
        self._null = null
        self.ptr, self.device_id, self.priority = 0 if null else id(self), counters.current, priority

    def __enter__(self) -> Stream:
        Stream._current.append(self)
        return self

    def __exit__(self, *exc: object) -> None:
        Stream._current.pop()

    def use(self) -> Stream:
        Stream._current[-1:] = [self]
        return self

    def synchronize(self) -> None:
        counters.sync("Stream.synchronize()")

    @property
    def done(self) -> bool:
        return True

    def record(self, event: Any = None) -> Any:
        event = event if event is not None else Event()
        event.record(self)
        return event

    def wait_event(self, event: Any) -> None:
        """Everything is done already."""

    def is_capturing(self) -> bool:
        return counters.capturing is not None

    def begin_capture(self, mode: int | None = None) -> None:
        if self._null:
            raise RuntimeError("cannot capture on the default (legacy) stream")
        if counters.capturing is not None:
            raise CUDARuntimeError("cudaErrorIllegalState: a capture is under way")
        counters.capturing = []
        counters.undo = []

    def end_capture(self) -> Graph:
        steps = counters.capturing
        if steps is None:
            raise CUDARuntimeError("cudaErrorIllegalState: no capture is under way")
        for array, old in reversed(counters.undo):
            array[...] = old
        counters.capturing, counters.undo = None, []
        return Graph(steps)


Stream.null = Stream(null=True)
Stream.ptds = Stream(null=True, ptds=True)


def get_current_stream(device_id: int = -1) -> Stream:
    return Stream._current[-1] if Stream._current else Stream.null


class Event:
    """A mark in a stream."""

    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False):
        self.disable_timing = disable_timing
        self.time: float | None = None

    def record(self, stream: Any = None) -> None:
        self.time = time.perf_counter()

    def synchronize(self) -> None:
        counters.sync("Event.synchronize()")

    @property
    def done(self) -> bool:
        return True


def get_elapsed_time(start_event: Event, end_event: Event) -> float:
    if start_event.time is None or end_event.time is None or start_event.disable_timing or end_event.disable_timing:
        raise CUDARuntimeError("cudaErrorInvalidResourceHandle: invalid resource handle")
    return 1e3 * (end_event.time - start_event.time)


class MemoryPool:
    """Counts what arrays hold; blocks stay reserved until ``free_all_blocks``."""

    def __init__(self, allocator: Any = None):
        self._limit = 0

    def used_bytes(self) -> int:
        return counters.held[counters.current]

    def total_bytes(self) -> int:
        return max(counters.taken[counters.current], counters.held[counters.current])

    def free_bytes(self) -> int:
        return self.total_bytes() - self.used_bytes()

    def n_free_blocks(self) -> int:
        return int(self.free_bytes() > 0)

    def free_all_blocks(self, stream: Any = None) -> None:
        counters.taken[counters.current] = counters.held[counters.current]

    def free_all_free(self) -> None:
        self.free_all_blocks()

    def set_limit(self, size: int | None = None, fraction: float | None = None) -> None:
        self._limit = int(size if size is not None else (fraction or 0) * (8 << 30))

    def get_limit(self) -> int:
        return self._limit

    def malloc(self, size: int) -> Pointer:
        return alloc(size)


class PinnedMemoryPool:
    def free_all_blocks(self) -> None:
        """Pinned memory is ordinary memory here."""

    def n_free_blocks(self) -> int:
        return 0


POOL, PINNED = MemoryPool(), PinnedMemoryPool()


class Allocator:
    """What ``cupy.cuda.get_allocator`` returns and ``set_allocator`` replaces; the arrays of the imitation do without."""

    current: ClassVar[Callable]


def get_allocator() -> Callable:
    return Allocator.__dict__["current"]


def set_allocator(allocator: Callable | None = None) -> None:
    Allocator.current = POOL.malloc if allocator is None else allocator


def alloc(size: int) -> Pointer:
    block = np.full(max(1, size), 255, np.uint8)
    return Pointer(block.__array_interface__["data"][0], Memory(size), block)


set_allocator()
