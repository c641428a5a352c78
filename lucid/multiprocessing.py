"""The standard library's ``multiprocessing``, whose queues and pipes take Tensors, with ``spawn`` and shared memory as in PyTorch.

A Tensor on the CPU whose memory is shared (``share_memory_``, ``Module.share_memory``) stays one in all processes: what one
writes, the others see. Every other Tensor is copied when it is sent, where PyTorch would move it to shared memory.
"""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from multiprocessing import *  # noqa: F403
from multiprocessing import connection, get_context
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

from .backends import shared
from .core.graph import Leaf
from .core.tensor import Tensor, new_tensor
from .core.view import View
from .nn.parameter import Buffer, Parameter

__all__ = [
    *multiprocessing.__all__, "ProcessContext", "ProcessExitedException", "ProcessRaisedException", "SpawnContext",
    "get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy", "spawn", "start_processes",
]  # fmt: skip


# ---- tensors between processes ----


def _reduce(t: Tensor) -> Any:
    if t.is_leaf and shared.is_shared(t.value):
        kind = Tensor if isinstance(t, View) else type(t)
        state = dict(t.__dict__)
        return _rebuild, (kind, shared.handle(t.value), t.requires_grad, state)
    return t.__reduce_ex__(pickle.HIGHEST_PROTOCOL)


def _rebuild(kind: type, handle: tuple, requires_grad: bool, state: dict) -> Tensor:
    made: Any = new_tensor(kind)
    made.value, made.node, made._grad, made._version = shared.attach(*handle), None, None, 0
    made.__dict__.update(state)
    if requires_grad:
        made.node = Leaf(made)
    return made


for _kind in (Tensor, View, Parameter, Buffer):
    ForkingPickler.register(_kind, _reduce)


def get_all_sharing_strategies() -> set[str]:
    """Memory is shared through files whose descriptors are passed on."""
    return {"file_descriptor"}


def get_sharing_strategy() -> str:
    """ "file_descriptor"."""
    return "file_descriptor"


def set_sharing_strategy(new_strategy: str) -> None:
    """Accepts PyTorch's two; memory is shared in one way. AssertionError for another."""
    if new_strategy not in ("file_descriptor", "file_system"):
        raise AssertionError(f"set_sharing_strategy: no such strategy: {new_strategy!r}")


# ---- several processes at once ----


class ProcessException(Exception):
    """A process of ``spawn`` failed."""

    def __init__(self, msg: str, error_index: int, pid: int):
        super().__init__(msg)
        self.msg, self.error_index, self.pid = msg, error_index, pid


class ProcessRaisedException(ProcessException):
    """The function raised; the message holds its traceback."""


class ProcessExitedException(ProcessException):
    """The process ended without its function returning."""

    def __init__(self, msg: str, error_index: int, error_pid: int, exit_code: int, signal_name: str | None = None):
        super().__init__(msg, error_index, error_pid)
        self.exit_code, self.signal_name = exit_code, signal_name


def _run(fn: Callable, number: int, args: tuple, error_file: str) -> None:
    try:
        fn(number, *args)
    except KeyboardInterrupt:
        pass
    except Exception:
        Path(error_file).write_text(traceback.format_exc(), encoding="utf-8")
        sys.exit(1)


class ProcessContext:
    """The processes of ``spawn(..., join=False)``."""

    def __init__(self, processes: list, error_files: list[str], folder: Any = None):
        self.processes, self.error_files, self._folder = processes, error_files, folder
        self.sentinels = {p.sentinel: i for i, p in enumerate(processes)}

    def pids(self) -> list[int]:
        """Their numbers."""
        return [int(p.pid) for p in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Wait for one more process to end; whether all have. Ends all others if one fails, and says how it failed."""
        if not self.sentinels:
            return True
        ready = connection.wait(self.sentinels.keys(), timeout=timeout)
        failed = None
        for sentinel in ready:
            i = self.sentinels.pop(sentinel)  # type: ignore[index]
            self.processes[i].join()
            if self.processes[i].exitcode != 0:
                failed = i
                break
        if failed is None:
            return not self.sentinels
        for process in self.processes:
            if process.is_alive():
                process.terminate()
        for process in self.processes:
            process.join(grace_period)
            if process.is_alive():
                process.kill()
                process.join()
        self._raise(failed)
        return True

    def _raise(self, i: int) -> None:
        code, pid = self.processes[i].exitcode, self.processes[i].pid
        file = Path(self.error_files[i])
        if file.exists():
            text = f"\n\n-- Process {i} terminated with the following error:\n{file.read_text(encoding='utf-8')}"
            raise ProcessRaisedException(text, i, pid)
        if code < 0:
            name = signal.Signals(-code).name
            raise ProcessExitedException(f"process {i} terminated with signal {name}", i, pid, code, name)
        raise ProcessExitedException(f"process {i} terminated with exit code {code}", i, pid, code)


SpawnContext = ProcessContext


def start_processes(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Call ``fn(i, *args)`` in ``nprocs`` processes; wait for them, or with ``join=False`` return their ``ProcessContext``."""
    context: Any = get_context(start_method)
    folder = tempfile.TemporaryDirectory(prefix="lucid-processes-")
    files = [str(Path(folder.name, f"{i}.txt")) for i in range(nprocs)]
    processes = [context.Process(target=_run, args=(fn, i, args, file), daemon=daemon) for i, file in enumerate(files)]
    for process in processes:
        process.start()
    started = ProcessContext(processes, files, folder)
    if not join:
        return started
    while not started.join():
        pass
    return None


def spawn(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Call ``fn(i, *args)`` in ``nprocs`` fresh processes. ``fn`` and ``args`` must be picklable.

    Raises ProcessRaisedException, with the traceback, if one raises, and ProcessExitedException if one dies; the others are
    ended. ``lucid.distributed`` has groups of one process only: these processes share memory, files and queues.
    """
    return start_processes(fn, args, nprocs, join, daemon, start_method)
