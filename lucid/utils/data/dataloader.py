"""The DataLoader: batches of a dataset, in order or shuffled, prepared by threads if asked.

Workers are threads, not processes: NumPy releases the interpreter lock where the work is, nothing need be pickled, and
interactive programs keep working on every system. They hand over arrays; nothing is computed on a device in them.
"""

from __future__ import annotations

import copy
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ...backends import loaded
from .collate import default_collate, default_convert
from .dataset import Dataset, IterableDataset, rows_together
from .sampler import BatchSampler, RandomSampler, SequentialSampler

START_METHODS = ("fork", "spawn", "forkserver")  # accepted and not needed: workers are threads
FIXED = frozenset(("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"))


@dataclass(frozen=True)
class WorkerInfo:
    """Which worker this is: its ``id``, their number, its ``seed`` and the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_worker = threading.local()


def get_worker_info() -> WorkerInfo | None:
    """The worker that this code runs in; None in the main thread."""
    return getattr(_worker, "info", None)


class DataLoader:
    """Iterate over a dataset in batches.

    ``shuffle`` draws a new order each time; ``sampler`` or ``batch_sampler`` decide the order instead; ``collate_fn`` makes a
    batch of a list of items; ``num_workers`` threads prepare ``prefetch_factor`` batches each ahead of time;
    ``batch_size=None`` gives single items. Raises ValueError for options that exclude each other.

    >>> import lucid
    >>> data = lucid.utils.data.TensorDataset(lucid.arange(5))
    >>> [batch.tolist() for (batch,) in lucid.utils.data.DataLoader(data, batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable | None = None,
        batch_sampler: Iterable | None = None,
        num_workers: int = 0,
        collate_fn: Callable | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ):
        if num_workers < 0:
            raise ValueError(
                f"num_workers option should be non-negative, got {num_workers}; use num_workers=0 to load in the main thread"
            )
        if timeout < 0:
            raise ValueError(f"timeout option should be non-negative, got {timeout}")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError("prefetch_factor option could only be specified with num_workers > 0")
        if prefetch_factor is not None and prefetch_factor < 0:
            raise ValueError(f"prefetch_factor option should be non-negative, got {prefetch_factor}")
        if num_workers == 0 and persistent_workers:
            raise ValueError("persistent_workers option needs num_workers > 0")
        if num_workers == 0 and multiprocessing_context is not None:
            raise ValueError("multiprocessing_context can only be used with num_workers > 0")
        if isinstance(multiprocessing_context, str) and multiprocessing_context not in START_METHODS:
            raise ValueError(
                f"multiprocessing_context should be one of {START_METHODS}, got {multiprocessing_context!r}"
            )
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ValueError(
                "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
            )
        if batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
        self._streams = isinstance(dataset, IterableDataset)
        if self._streams and (shuffle or sampler is not None or batch_sampler is not None):
            raise ValueError(
                "DataLoader with IterableDataset: expected unspecified shuffle, sampler and batch_sampler options"
            )
        self.dataset, self.num_workers, self.timeout, self.worker_init_fn = (
            dataset,
            num_workers,
            timeout,
            worker_init_fn,
        )
        self.prefetch_factor = prefetch_factor or (2 if num_workers else None)
        self.pin_memory, self.drop_last, self.generator, self.persistent_workers = (
            pin_memory,
            drop_last,
            generator,
            persistent_workers,
        )
        self.batch_size = None if batch_sampler is not None else batch_size
        if sampler is None and not self._streams:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        self.sampler = sampler
        if batch_sampler is None and batch_size is not None and not self._streams:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)  # type: ignore[arg-type]
        self.batch_sampler = batch_sampler
        self.collate_fn = collate_fn or (
            default_collate if batch_size is not None or batch_sampler is not None else default_convert
        )
        if self._streams and batch_size is not None and (not isinstance(batch_size, int) or batch_size <= 0):
            raise ValueError(f"batch_size should be a positive integer value, but got batch_size={batch_size!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in FIXED and name in self.__dict__:
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    def __len__(self) -> int:
        if self._streams:
            n = len(self.dataset)  # type: ignore[arg-type]
            if self.batch_size is None:
                return n
            return n // self.batch_size if self.drop_last else -(-n // self.batch_size)
        return len(self.batch_sampler if self.batch_sampler is not None else self.sampler)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator:
        if self._streams:
            return self._streamed() if self.num_workers else self._stream(self.dataset)
        keys = self.batch_sampler if self.batch_sampler is not None else self.sampler
        assert keys is not None
        return self._threaded(keys) if self.num_workers else map(self._fetch, keys)

    def _fetch(self, key: Any) -> Any:
        if self.batch_sampler is None:
            return self.collate_fn(self.dataset[key])
        if self.collate_fn is default_collate and (rows := rows_together(self.dataset, key)) is not None:
            return rows
        many = getattr(self.dataset, "__getitems__", None)
        return self.collate_fn(many(key) if many is not None else [self.dataset[i] for i in key])

    def _stream(self, dataset: Any) -> Iterator:
        """Batches of an iterable dataset."""
        if self.batch_size is None:
            yield from map(self.collate_fn, dataset)
            return
        batch = []
        for item in dataset:
            batch.append(item)
            if len(batch) == self.batch_size:
                yield self.collate_fn(batch)
                batch = []
        if batch and not self.drop_last:
            yield self.collate_fn(batch)

    def _streamed(self) -> Iterator:
        """Batches of an iterable dataset from workers in turn, each of which reads all of its own (shallow) copy of the dataset.

        As in PyTorch, a dataset that does not ask ``get_worker_info`` for its share comes once from each worker.
        """
        self._hand_over()
        done = object()

        def begin(number: int) -> None:
            info = WorkerInfo(number, self.num_workers, number, copy.copy(self.dataset))
            _worker.info = info
            if self.worker_init_fn is not None:
                self.worker_init_fn(number)
            _worker.batches = self._stream(info.dataset)

        pools = [
            ThreadPoolExecutor(1, f"lucid-data-{n}", initializer=begin, initargs=(n,)) for n in range(self.num_workers)
        ]
        try:
            waiting = deque(
                (p, deque(p.submit(lambda: next(_worker.batches, done)) for _ in range(self.prefetch_factor or 2)))
                for p in pools
            )
            while waiting:
                pool, ahead = waiting.popleft()
                batch = self._result(ahead.popleft())
                if batch is not done:
                    ahead.append(pool.submit(lambda: next(_worker.batches, done)))
                    waiting.append((pool, ahead))
                    yield batch
        finally:
            for pool in pools:
                pool.shutdown(cancel_futures=True)

    def _hand_over(self) -> None:
        for backend in loaded():
            backend.hand_over()

    def _threaded(self, keys: Iterable) -> Iterator:
        """Batches in order, a few prepared ahead; an error in a worker is raised here, at its batch."""
        numbers = iter(range(self.num_workers))
        lock = threading.Lock()
        self._hand_over()

        def begin() -> None:
            with lock:
                number = next(numbers)
            _worker.info = WorkerInfo(number, self.num_workers, number, self.dataset)
            if self.worker_init_fn is not None:
                self.worker_init_fn(number)

        with ThreadPoolExecutor(self.num_workers, "lucid-data", initializer=begin) as pool:
            ahead: deque[Future] = deque()
            remaining = iter(keys)
            try:
                for key in remaining:
                    ahead.append(pool.submit(self._fetch, key))
                    if len(ahead) >= self.num_workers * (self.prefetch_factor or 2):
                        yield self._result(ahead.popleft())
                while ahead:
                    yield self._result(ahead.popleft())
            finally:  # the loop was left early: do not prepare what nobody wants
                for future in ahead:
                    future.cancel()

    def _result(self, future: Future) -> Any:
        try:
            return future.result(self.timeout or None)
        except TimeoutError:
            raise RuntimeError(f"DataLoader timed out after {self.timeout} seconds") from None
