"""The DataLoader: batches of a dataset, in order or shuffled, prepared by threads if asked.

Workers are threads, not processes: NumPy releases the interpreter lock where the work is, nothing need be pickled, and
interactive programs keep working on every system. They hand over arrays; nothing is computed on a device in them.
"""

from __future__ import annotations

import copy
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from ...backends import loaded
from ...functions.random import initial_seed, own_generators
from .collate import default_collate, default_convert
from .dataset import Dataset, IterableDataset, items, rows_together
from .sampler import BatchSampler, RandomSampler, SequentialSampler

START_METHODS = ("fork", "spawn", "forkserver")  # accepted and not needed: workers are threads
T = TypeVar("T", covariant=True)
FIXED = frozenset(("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"))


@dataclass(frozen=True)
class WorkerInfo:
    """Which worker this is: its ``id``, their number, its ``seed`` and its (shallow) copy of the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_worker = threading.local()


def get_worker_info() -> WorkerInfo | None:
    """The worker that this code runs in; None in the main thread."""
    return getattr(_worker, "info", None)


class DataLoader(Generic[T]):
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
        dataset: Dataset[T],
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
        self._epochs = 0
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
        if self.num_workers:
            return _Workers(self)
        return self._stream(self.dataset) if self._streams else map(partial(self._fetch, self.dataset), self._keys())

    def _keys(self) -> Iterable:
        keys = self.batch_sampler if self.batch_sampler is not None else self.sampler
        assert keys is not None
        return keys

    def _fetch(self, dataset: Any, key: Any) -> Any:
        if self.batch_sampler is None:
            return self.collate_fn(dataset[key])
        if self.collate_fn is default_collate and (rows := rows_together(dataset, key)) is not None:
            return rows
        return self.collate_fn(items(dataset, key))

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


class _Workers:
    """Batches from threads in turn, in order, a few prepared ahead.

    As PyTorch's processes do, each reads its own (shallow) copy of the dataset and draws from its own generators: the same
    seed gives the same batches whichever thread is faster, and an iterable dataset that does not ask ``get_worker_info``
    for its share comes once from each. An error is raised at its batch; the next one follows.
    """

    def __init__(self, loader: DataLoader):
        for backend in loaded():
            backend.hand_over()
        count = loader.num_workers
        loader._epochs += 1
        seed = (
            initial_seed() if loader.generator is None else loader.generator.initial_seed()
        ) + loader._epochs * count
        self.loader = loader
        self.waiting: deque[tuple[tuple, Future]] = deque()
        self.pools = [ThreadPoolExecutor(1, f"lucid-data-{n}") for n in range(count)]
        self.turn = deque((p, p.submit(self._begin, loader, n, (seed + n) % 2**63)) for n, p in enumerate(self.pools))
        self.keys = iter(itertools.repeat(None) if loader._streams else loader._keys())
        for _ in range(count * (loader.prefetch_factor or 2)):
            self._send()

    @staticmethod
    def _begin(loader: DataLoader, number: int, seed: int) -> None:
        own_generators(seed)
        try:
            dataset = copy.copy(loader.dataset)
        except TypeError:  # it holds something that belongs to one process, and was not made to be copied
            dataset = loader.dataset
        _worker.info = WorkerInfo(number, loader.num_workers, seed, dataset)
        if loader.worker_init_fn is not None:
            loader.worker_init_fn(number)
        _worker.batches = loader._stream(dataset) if loader._streams else None

    @staticmethod
    def _work(loader: DataLoader, begun: Future, key: Any) -> Any:
        begun.result()  # raises what happened there
        return next(_worker.batches, _Workers) if loader._streams else loader._fetch(_worker.info.dataset, key)

    def _send(self) -> None:
        for key in itertools.islice(self.keys, 1 if self.turn else 0):
            worker = pool, begun = self.turn[0]
            self.turn.rotate(-1)
            self.waiting.append((worker, pool.submit(self._work, self.loader, begun, key)))

    def __iter__(self) -> Iterator:
        return self

    def __len__(self) -> int:
        return len(self.loader)

    def __next__(self) -> Any:
        while self.waiting:
            worker, future = self.waiting[0]
            try:
                ended = future.exception(self.loader.timeout or None) is None and future.result() is _Workers
            except TimeoutError:
                raise RuntimeError(f"DataLoader timed out after {self.loader.timeout} seconds") from None
            self.waiting.popleft()
            if ended and worker in self.turn:
                self.turn.remove(worker)
            self._send()
            if not ended:
                return future.result()
        raise StopIteration

    def __del__(self) -> None:
        """Also where a loop was left early: what nobody wants is not prepared, and who may be late is not waited for."""
        for pool in self.pools:
            pool.shutdown(not self.loader.timeout, cancel_futures=True)
