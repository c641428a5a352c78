"""Which CUDA devices there are, which is current, what they can do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..backends import load
from ..backends.catalogue import cuda_fault
from ..core.device import device as Device
from ..core.errors import DeviceMissing


def is_available() -> bool:
    """Whether CUDA can be used: CuPy is installed and finds a device.

    >>> import lucid
    >>> lucid.cuda.is_available() in (True, False)
    True
    """
    return cuda_fault() is None


def cupy() -> Any:
    """The module ``cupy``; RuntimeError that says what to install or to check where CUDA cannot be used."""
    fault = cuda_fault()
    if fault is not None:
        raise DeviceMissing(f"CUDA is not available: {fault}")
    load("cuda")
    import cupy as cp

    return cp


def init() -> None:
    """Load CuPy now; otherwise the first use does."""
    cupy()


def is_initialized() -> bool:
    """Whether CuPy has been loaded for lucid."""
    from ..backends import loaded

    return any(b.name == "cuda" for b in loaded())


def device_count() -> int:
    """The number of CUDA devices; 0 without CUDA."""
    return int(cupy().cuda.runtime.getDeviceCount()) if is_available() else 0


def current_device() -> int:
    """The number of the current device."""
    return int(cupy().cuda.runtime.getDevice())


def index_of(device: Any) -> int:
    """The number of a device given as a number, a name, a ``lucid.device``, or None for the current one."""
    if device is None:
        return current_device()
    if isinstance(device, int):
        return device
    d = Device(device)
    if d.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {d}")
    return current_device() if d.index is None else d.index


def set_device(device: Any) -> None:
    """Make a device the current one: where kernels without arrays run, and what ``synchronize()`` waits for.

    ``"cuda"`` without a number means the current device from then on. A negative number changes nothing.
    """
    index = index_of(device)
    if index >= 0:
        cupy().cuda.Device(index).use()


class device:
    """Make a device the current one for a block; ``None`` and negative numbers change nothing."""

    def __init__(self, device: Any):
        self.idx = -1 if device is None else index_of(device)
        self._entered: Any = None

    def __enter__(self) -> device:
        if self.idx >= 0:
            self._entered = cupy().cuda.Device(self.idx)
            self._entered.__enter__()
        return self

    def __exit__(self, *exc: Any) -> None:
        if self._entered is not None:
            self._entered.__exit__(*exc)
            self._entered = None


@contextmanager
def device_of(obj: Any) -> Iterator[None]:
    """Make the device of a tensor the current one for a block, if it is a CUDA tensor."""
    with device(obj.device if getattr(obj, "is_cuda", False) else None):
        yield


@dataclass(frozen=True)
class DeviceProperties:
    """What ``get_device_properties`` returns."""

    name: str
    major: int
    minor: int
    total_memory: int
    multi_processor_count: int
    warp_size: int
    max_threads_per_block: int


def get_device_properties(device: Any = None) -> DeviceProperties:
    """Name, compute capability, memory and processors of a card."""
    found = cupy().cuda.runtime.getDeviceProperties(index_of(device))
    name = found["name"]
    return DeviceProperties(
        name.decode() if isinstance(name, bytes) else name, found["major"], found["minor"], found["totalGlobalMem"],
        found["multiProcessorCount"], found["warpSize"], found["maxThreadsPerBlock"],
    )  # fmt: skip


def get_device_name(device: Any = None) -> str:
    """The card's name."""
    return get_device_properties(device).name


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """The compute capability as (major, minor)."""
    found = get_device_properties(device)
    return found.major, found.minor


def can_device_access_peer(device: Any, peer_device: Any) -> bool:
    """Whether one card can read the memory of another."""
    return bool(cupy().cuda.runtime.deviceCanAccessPeer(index_of(device), index_of(peer_device)))


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether bfloat16 can be used: everywhere with CUDA, in hardware from compute capability 8.0 on."""
    return is_available() and (including_emulation or get_device_capability()[0] >= 8)


def is_tf32_supported() -> bool:
    """Whether float32 products can use TF32: from compute capability 8.0 on."""
    return is_available() and get_device_capability()[0] >= 8


def get_arch_list() -> list[str]:
    """Empty: kernels are compiled for the card at their first use."""
    return []


def synchronize(device: Any = None) -> None:
    """Wait until a device has done all it was asked. Raises IndexError for an index out of range that a kernel met."""
    with cupy().cuda.Device(index_of(device)):
        load("cuda").synchronize()
