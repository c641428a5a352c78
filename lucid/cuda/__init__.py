"""CUDA through CuPy, with PyTorch's names. Everything here imports and answers on machines without a GPU.

>>> import lucid
>>> isinstance(lucid.cuda.device_count(), int) and lucid.cuda.memory_allocated() >= 0
True
"""

from __future__ import annotations

import importlib
from typing import Any

from ..functions.attributes import TYPED, typed
from .devices import (
    DeviceProperties,
    can_device_access_peer,
    current_device,
    device,
    device_count,
    device_of,
    get_arch_list,
    get_device_capability,
    get_device_name,
    get_device_properties,
    init,
    is_available,
    is_bf16_supported,
    is_initialized,
    is_tf32_supported,
    set_device,
    synchronize,
)
from .memory import (
    OutOfMemoryError,
    empty_cache,
    max_memory_allocated,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_reserved,
    memory_stats,
    memory_summary,
    reset_accumulated_memory_stats,
    reset_max_memory_allocated,
    reset_peak_memory_stats,
    set_per_process_memory_fraction,
)
from .random import (
    get_rng_state,
    get_rng_state_all,
    initial_seed,
    manual_seed,
    manual_seed_all,
    seed,
    seed_all,
    set_rng_state,
    set_rng_state_all,
)
from .streams import (
    CUDAGraph,
    Event,
    Stream,
    StreamContext,
    current_stream,
    default_stream,
    graph,
    is_current_stream_capturing,
    set_stream,
    stream,
)

__all__ = [
    "CUDAGraph", "DeviceProperties", "Event", "OutOfMemoryError", "Stream", "StreamContext", "can_device_access_peer",
    "current_device", "current_stream", "default_stream", "device", "device_count", "device_of", "empty_cache", "get_arch_list",
    "get_device_capability", "get_device_name", "get_device_properties", "get_rng_state", "get_rng_state_all", "graph", "init",
    "initial_seed", "is_available", "is_bf16_supported", "is_current_stream_capturing", "is_initialized", "is_tf32_supported",
    "manual_seed", "manual_seed_all", "max_memory_allocated", "max_memory_reserved", "mem_get_info", "memory_allocated",
    "memory_reserved", "memory_stats", "memory_summary", "reset_accumulated_memory_stats", "reset_max_memory_allocated",
    "reset_peak_memory_stats", "seed", "seed_all", "set_device", "set_per_process_memory_fraction", "set_rng_state",
    "set_rng_state_all", "set_stream", "stream", "synchronize",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "_initialized":  # how reversible networks ask
        return is_initialized()
    if name == "amp":
        return importlib.import_module(".amp", __name__)
    if name in TYPED:  # cuda.FloatTensor and its like
        globals()[name] = typed(name.removesuffix("Tensor"), TYPED[name].dtype, "cuda")
        return globals()[name]
    raise AttributeError(f"module 'lucid.cuda' has no attribute {name!r}")
