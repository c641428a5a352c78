"""Models wrapped for several devices or processes, of which lucid uses one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from .modules.module import Module

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel"]

__path__: list[str] = []  # so that ``lucid.nn.parallel.distributed`` can be asked for (``lucid.paths``)


class DataParallel(Module):
    """A model held as ``.module`` and called on one device, as PyTorch's does where at most one GPU is used.

    The parameters' names begin with ``module.``, so that checkpoints of wrapped PyTorch models load. Models are not copied
    to several devices: RuntimeError where ``device_ids`` names more than one.

    >>> import lucid
    >>> from lucid import nn
    >>> list(nn.DataParallel(nn.Linear(2, 1)).state_dict())
    ['module.weight', 'module.bias']
    """

    def __init__(
        self, module: Module, device_ids: Sequence[Any] | None = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        ids = list(device_ids or ())
        if len(ids) > 1:
            raise RuntimeError(f"DataParallel: lucid runs a model on one device; got device_ids={ids}")
        self.module, self.device_ids, self.output_device, self.dim = module, ids, output_device, dim
        if ids:
            self.module.to(ids[0])

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


class DistributedDataParallel(Module):
    """A model held as ``.module`` in a process group, whose processes share their gradients: here the group of one.

    ValueError before ``lucid.distributed.init_process_group``, as in PyTorch.
    """

    def __init__(self, module: Module, device_ids: Sequence[Any] | None = None, *args: Any, **options: Any) -> None:
        from ..distributed import get_world_size  # stands above nn

        get_world_size()
        super().__init__()
        self.module, self.device_ids, self.require_backward_grad_sync = module, device_ids, True

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)

    def no_sync(self) -> AbstractContextManager[None]:
        """Do not share gradients inside: in a group of one none are."""
        return nullcontext()


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[Any] | None = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """Call a model through ``DataParallel`` once; ``inputs`` is a tuple of arguments or the only one."""
    wrapped = DataParallel(module, device_ids, output_device, dim)
    return wrapped(*(inputs if isinstance(inputs, tuple) else (inputs,)), **(module_kwargs or {}))
