"""Memory of CUDA devices, as CuPy's pool keeps it: freed blocks stay in the pool until ``empty_cache``.

CuPy keeps no peak. It is counted from the first call of ``reset_peak_memory_stats`` or ``max_memory_allocated`` on, by a
hook that costs each allocation a call into Python; before that, the peak is what the pool has taken from the device,
which is never less.
"""

from __future__ import annotations

from typing import Any

from ..core.errors import OutOfMemoryError as OutOfMemoryError
from .devices import cupy, index_of, is_available


class _Peak:
    """The most that was allocated since the last reset, per device."""

    def __init__(self) -> None:
        self.hook: Any = None
        self.most: dict[int, int] = {}
        self.reserved: dict[int, int] = {}


_peak = _Peak()


def forget_peaks() -> None:
    """Begin anew, with another CuPy."""
    _peak.__init__()  # type: ignore[misc]


def _pool(device: Any = None) -> Any:
    cp = cupy()
    with cp.cuda.Device(index_of(device)):
        return cp.get_default_memory_pool()


def _read(what: str, device: Any) -> int:
    cp = cupy()
    with cp.cuda.Device(index_of(device)):
        return int(getattr(cp.get_default_memory_pool(), what)())


def _watch() -> None:
    """Start to count the peak."""
    cp = cupy()
    base = getattr(cp.cuda, "MemoryHook", None)
    if _peak.hook is not None or base is None:
        return

    class Hook(base):  # type: ignore[misc, valid-type]
        name = "lucid peak memory"

        def malloc_postprocess(self, **kwargs: Any) -> None:
            where = kwargs["device_id"]
            used = cp.get_default_memory_pool().used_bytes()
            if used > _peak.most.get(where, 0):
                _peak.most[where] = used

    _peak.hook = Hook()
    _peak.hook.__enter__()


def memory_allocated(device: Any = None) -> int:
    """Bytes that tensors hold; 0 without CUDA."""
    return _read("used_bytes", device) if is_available() else 0


def memory_reserved(device: Any = None) -> int:
    """Bytes that the pool took from the device; 0 without CUDA."""
    return _read("total_bytes", device) if is_available() else 0


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes that tensors held since ``reset_peak_memory_stats``; without it, at most this much was held."""
    if not is_available():
        return 0
    where = index_of(device)
    if where not in _peak.most:
        bound = memory_reserved(device)
        _watch()
        return bound
    return max(_peak.most[where], memory_allocated(device))


def max_memory_reserved(device: Any = None) -> int:
    """The most bytes that the pool was seen to hold: what it holds now or held at the last ``empty_cache``."""
    if not is_available():
        return 0
    where = index_of(device)
    return max(_peak.reserved.get(where, 0), memory_reserved(device))


def reset_peak_memory_stats(device: Any = None) -> None:
    """Count the peak anew from what is allocated now; nothing happens without CUDA."""
    if is_available():
        _watch()
        where = index_of(device)
        _peak.most[where] = memory_allocated(device)
        _peak.reserved[where] = memory_reserved(device)


reset_max_memory_allocated = reset_peak_memory_stats


def reset_accumulated_memory_stats(device: Any = None) -> None:
    """Nothing is accumulated; here because programs call it."""


def empty_cache() -> None:
    """Give freed blocks of the memory pool back to the device; nothing happens without CUDA."""
    if is_available():
        where = index_of(None)
        _peak.reserved[where] = max_memory_reserved()
        cupy().get_default_memory_pool().free_all_blocks()
        cupy().get_default_pinned_memory_pool().free_all_blocks()


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Free and total bytes of the device."""
    cp = cupy()
    with cp.cuda.Device(index_of(device)):
        free, total = cp.cuda.runtime.memGetInfo()
    return int(free), int(total)


def set_per_process_memory_fraction(fraction: float, device: Any = None) -> None:
    """Limit the pool to a share of the device's memory; more raises OutOfMemoryError. ValueError outside (0, 1]."""
    if not isinstance(fraction, int | float) or not 0 <= fraction <= 1:
        raise ValueError(f"Invalid fraction value: {fraction}. Allowed range: 0~1")
    _pool(device).set_limit(fraction=fraction)


def memory_stats(device: Any = None) -> dict[str, int]:
    """The numbers of this page under PyTorch's keys; empty without CUDA."""
    if not is_available():
        return {}
    return {
        "allocated_bytes.all.current": memory_allocated(device),
        "allocated_bytes.all.peak": max_memory_allocated(device),
        "reserved_bytes.all.current": memory_reserved(device),
        "reserved_bytes.all.peak": max_memory_reserved(device),
    }


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """A table of what is allocated and reserved, now and at most."""
    stats = memory_stats(device)
    if not stats:
        return "CUDA is not available"
    lines = [f"CUDA memory of cuda:{index_of(device)}, in MiB", f"{'':12}{'now':>12}{'at most':>12}"]
    for what in ("allocated", "reserved"):
        now, most = (stats[f"{what}_bytes.all.{when}"] / 2**20 for when in ("current", "peak"))
        lines.append(f"{what:12}{now:12.1f}{most:12.1f}")
    return "\n".join(lines)
