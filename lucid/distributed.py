"""A group of one process, with the names of ``torch.distributed``: programs written for many run unchanged on one.

More processes are not there yet: ``init_process_group`` says so. Every collective of a group of one is what it is in
PyTorch: the process's own tensor.
"""

from __future__ import annotations

import enum
import os
from typing import Any

from .core.tensor import Tensor

__all__ = [
    "ReduceOp", "all_gather", "all_gather_into_tensor", "all_gather_object", "all_reduce", "barrier", "broadcast",
    "broadcast_object_list", "destroy_process_group", "gather", "get_backend", "get_rank", "get_world_size",
    "init_process_group", "is_available", "is_initialized", "reduce", "reduce_scatter_tensor", "scatter",
]  # fmt: skip


class ReduceOp(enum.Enum):
    """How ``all_reduce`` and ``reduce`` combine what the processes hold."""

    SUM = "sum"
    AVG = "avg"
    PRODUCT = "product"
    MIN = "min"
    MAX = "max"


_backend: str | None = None


def is_available() -> bool:
    """True: there is a group of one process."""
    return True


def is_initialized() -> bool:
    """Whether ``init_process_group`` was called."""
    return _backend is not None


def init_process_group(
    backend: str | None = None,
    init_method: str | None = None,
    timeout: Any = None,
    world_size: int = -1,
    rank: int = -1,
    **options: Any,
) -> None:
    """Begin a group of one process; sizes default to the environment's WORLD_SIZE and RANK, as in PyTorch.

    RuntimeError for more than one process, which lucid cannot join yet; ValueError for a rank outside the group or a
    second call.

    >>> import lucid.distributed as dist
    >>> dist.init_process_group("gloo", world_size=1, rank=0)
    >>> dist.get_world_size()
    1
    >>> dist.destroy_process_group()
    """
    global _backend
    if _backend is not None:
        raise ValueError("trying to initialize the default process group twice!")
    size = world_size if world_size > 0 else int(os.environ.get("WORLD_SIZE", "1"))
    number = rank if rank >= 0 else int(os.environ.get("RANK", "0"))
    if size != 1:
        raise RuntimeError(f"init_process_group: lucid runs in one process, and this group has {size}")
    if number != 0:
        raise ValueError(f"init_process_group: rank {number} is outside a group of 1 process")
    _backend = (backend or "gloo").lower()


def destroy_process_group(group: Any = None) -> None:
    """End the group."""
    global _backend
    _backend = None


def _joined() -> None:
    if _backend is None:
        raise ValueError("Default process group has not been initialized, please make sure to call init_process_group.")


def get_backend(group: Any = None) -> str:
    """The name that ``init_process_group`` was given; ValueError before it."""
    _joined()
    return str(_backend)


def get_rank(group: Any = None) -> int:
    """0; ValueError before ``init_process_group``."""
    _joined()
    return 0


def get_world_size(group: Any = None) -> int:
    """1; ValueError before ``init_process_group``."""
    _joined()
    return 1


def barrier(group: Any = None, async_op: bool = False, device_ids: Any = None) -> Any:
    """Wait for all processes: there is no other."""
    _joined()
    return _Done() if async_op else None


class _Done:
    """What ``async_op=True`` returns: everything has happened."""

    def wait(self, timeout: Any = None) -> bool:
        return True

    def is_completed(self) -> bool:
        return True


def _own(rank: int | None, what: str) -> None:
    _joined()
    if rank not in (None, 0):
        raise ValueError(f"{what}: rank {rank} is outside a group of 1 process")


def all_reduce(tensor: Tensor, op: ReduceOp = ReduceOp.SUM, group: Any = None, async_op: bool = False) -> Any:
    """Combine the tensor over all processes, in place: here it stays as it is."""
    _joined()
    return _Done() if async_op else None


def reduce(
    tensor: Tensor, dst: int | None = None, op: ReduceOp = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Any:
    """Combine the tensor over all processes at process ``dst``."""
    _own(dst, "reduce")
    return _Done() if async_op else None


def broadcast(tensor: Tensor, src: int | None = None, group: Any = None, async_op: bool = False) -> Any:
    """Send process ``src``'s tensor to all, in place."""
    _own(src, "broadcast")
    return _Done() if async_op else None


def broadcast_object_list(object_list: list, src: int | None = None, group: Any = None, device: Any = None) -> None:
    """Send process ``src``'s objects to all, in place."""
    _own(src, "broadcast_object_list")


def _copy(target: Tensor, source: Tensor) -> None:
    target.detach().copy_(source.detach())  # type: ignore[attr-defined]


def all_gather(tensor_list: list[Tensor], tensor: Tensor, group: Any = None, async_op: bool = False) -> Any:
    """Write every process's tensor into the list's tensors."""
    _joined()
    if len(tensor_list) != 1:
        raise ValueError(f"all_gather: expected a list of 1 tensor, one per process, got {len(tensor_list)}")
    _copy(tensor_list[0], tensor)
    return _Done() if async_op else None


def all_gather_into_tensor(
    output_tensor: Tensor, input_tensor: Tensor, group: Any = None, async_op: bool = False
) -> Any:
    """Write every process's tensor into one, side by side."""
    _joined()
    _copy(output_tensor.view(input_tensor.shape), input_tensor)  # type: ignore[attr-defined]
    return _Done() if async_op else None


def all_gather_object(object_list: list, obj: Any, group: Any = None) -> None:
    """Write every process's object into the list."""
    _joined()
    object_list[0] = obj


def gather(
    tensor: Tensor,
    gather_list: list[Tensor] | None = None,
    dst: int | None = None,
    group: Any = None,
    async_op: bool = False,
) -> Any:
    """Write every process's tensor into the list of process ``dst``."""
    _own(dst, "gather")
    if gather_list is None or len(gather_list) != 1:
        raise ValueError("gather: process 0 needs a gather_list of 1 tensor, one per process")
    _copy(gather_list[0], tensor)
    return _Done() if async_op else None


def scatter(
    tensor: Tensor,
    scatter_list: list[Tensor] | None = None,
    src: int | None = None,
    group: Any = None,
    async_op: bool = False,
) -> Any:
    """Write the list of process ``src`` into the processes' tensors."""
    _own(src, "scatter")
    if scatter_list is None or len(scatter_list) != 1:
        raise ValueError("scatter: process 0 needs a scatter_list of 1 tensor, one per process")
    _copy(tensor, scatter_list[0])
    return _Done() if async_op else None


def reduce_scatter_tensor(
    output: Tensor, input: Tensor, op: ReduceOp = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Any:
    """Combine the tensors of all processes and give each its part."""
    _joined()
    _copy(output, input.view(output.shape))  # type: ignore[attr-defined]
    return _Done() if async_op else None
