"""Datasets: something with a length and items, or something to iterate over."""

from __future__ import annotations

import bisect
import itertools
import math
import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from ...core.tensor import Tensor
from ...functions.random import Generator
from ...functions.random import randperm as _randperm

T = TypeVar("T", covariant=True)


class Dataset(Generic[T]):
    """Items by index: subclasses define ``__getitem__`` and ``__len__``. ``a + b`` joins two.

    >>> import lucid
    >>> class Squares(lucid.utils.data.Dataset):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, i):
    ...         return i * i
    >>> [x for x in Squares() + Squares()]
    [0, 1, 4, 0, 1, 4]
    """

    def __getitem__(self, index: Any) -> T:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__")

    def __add__(self, other: Dataset) -> ConcatDataset:
        return ConcatDataset([self, other])

    def __iter__(self) -> Iterator:
        return (self[i] for i in range(len(self)))  # type: ignore[arg-type]


class IterableDataset(Dataset[T]):
    """Items in the order of ``__iter__``, whose number may be unknown: streams."""

    def __iter__(self) -> Iterator:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__")

    def __add__(self, other: Dataset) -> ChainDataset:  # type: ignore[override]
        return ChainDataset([self, other])


class SizeMismatch(AssertionError, ValueError):
    """Tensors of different first sizes in one data set: PyTorch asserts, and it is a wrong value."""


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Rows of tensors: item i is ``(a[i], b[i], ...)``.

    Raises AssertionError (also a ValueError) unless all have the same first size.

    >>> import lucid
    >>> data = lucid.utils.data.TensorDataset(lucid.arange(3), lucid.arange(3) * 10)
    >>> data[1]
    (tensor(1), tensor(10))
    """

    def __init__(self, *tensors: Tensor):
        if len({t.shape[0] for t in tensors}) > 1:
            raise SizeMismatch(
                f"TensorDataset: Size mismatch between tensors: first sizes are {[t.shape[0] for t in tensors]}"
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)  # type: ignore[index]

    def __getitems__(self, indices: list[int]) -> list[tuple[Tensor, ...]]:
        return [self[i] for i in indices]

    def __len__(self) -> int:
        return self.tensors[0].shape[0]


class StackDataset(Dataset):
    """Datasets side by side: item i is a tuple (or, from keywords, a dict) of their items i.

    Raises ValueError unless all are of one length.
    """

    def __init__(self, *args: Dataset, **kwargs: Dataset):
        if bool(args) == bool(kwargs):
            raise ValueError(
                "StackDataset: Supported either ``tuple``- (via args) or ``dict``- (via kwargs) like input/output"
                if args
                else "StackDataset: At least one dataset should be passed"
            )
        self.datasets: Any = args or kwargs
        lengths = {len(d) for d in (args or kwargs.values())}  # type: ignore[arg-type]
        if len(lengths) > 1:
            raise ValueError(f"StackDataset: Size mismatch between datasets: {sorted(lengths)}")
        self._length = lengths.pop()

    def __getitem__(self, index: int) -> Any:
        if isinstance(self.datasets, dict):
            return {k: d[index] for k, d in self.datasets.items()}
        return tuple(d[index] for d in self.datasets)

    def __getitems__(self, indices: list[int]) -> list:
        if isinstance(self.datasets, dict):
            columns = [items(d, indices) for d in self.datasets.values()]
            return [dict(zip(self.datasets, row, strict=True)) for row in zip(*columns, strict=True)]
        return list(zip(*(items(d, indices) for d in self.datasets), strict=True))

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[T]):
    """Datasets one after the other."""

    def __init__(self, datasets: Iterable[Dataset]):
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("ConcatDataset: datasets should not be an empty iterable")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset; use ChainDataset")
        self.cumulative_sizes = list(itertools.accumulate(len(d) for d in self.datasets))  # type: ignore[arg-type]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            kind = ValueError if index < 0 else IndexError  # PyTorch's
            raise kind(f"index {index} out of range for a dataset of {len(self)} items")
        index %= len(self)
        which = bisect.bisect_right(self.cumulative_sizes, index)
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]


class ChainDataset(IterableDataset):
    """Iterable datasets one after the other."""

    def __init__(self, datasets: Iterable[Dataset]):
        self.datasets = list(datasets)

    def __iter__(self) -> Iterator:
        for d in self.datasets:
            if not isinstance(d, IterableDataset):
                raise AssertionError(f"ChainDataset only supports IterableDataset, got {type(d).__name__}")
        return itertools.chain.from_iterable(self.datasets)

    def __len__(self) -> int:
        return sum(len(d) for d in self.datasets)  # type: ignore[arg-type, misc]


class Subset(Dataset[T]):
    """The items of a dataset at the given indices."""

    def __init__(self, dataset: Dataset[T], indices: Sequence[int]):
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list:
        return items(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


def items(dataset: Any, keys: Iterable) -> list:
    """The items ``keys`` of a dataset, at once if it can."""
    many = getattr(dataset, "__getitems__", None)
    return many(keys) if callable(many) else [dataset[key] for key in keys]


def rows_together(dataset: Any, keys: Any) -> list[Tensor] | None:
    """What collating the items ``keys`` of a ``TensorDataset`` (or of parts of one) gives, each tensor indexed once; None
    for other datasets and keys."""
    keys = list(keys)
    while type(dataset) is Subset:
        dataset, keys = dataset.dataset, [dataset.indices[k] for k in keys]
    if type(dataset) is not TensorDataset or not keys or not all(type(k) is int for k in keys):
        return None
    return [t[keys] for t in dataset.tensors] if all(isinstance(t, Tensor) for t in dataset.tensors) else None  # type: ignore[index]


def random_split(dataset: Dataset[T], lengths: Sequence[float], generator: Generator | None = None) -> list[Subset[T]]:
    """Split at random into parts of the given lengths, or of the given fractions (which sum to 1).

    Raises ValueError if the lengths do not sum to the size of the dataset.

    >>> import lucid
    >>> data = lucid.utils.data.TensorDataset(lucid.arange(10))
    >>> [len(part) for part in lucid.utils.data.random_split(data, [0.7, 0.3])]
    [7, 3]
    """
    total = len(dataset)  # type: ignore[arg-type]
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        if not all(0 <= f <= 1 for f in lengths):
            raise ValueError(f"random_split: a Fraction is not between 0 and 1: {list(lengths)}")
        sizes = [math.floor(total * f) for f in lengths]
        for i in range(total - sum(sizes)):  # the rest goes round, one each
            sizes[i % len(sizes)] += 1
    else:
        sizes = list(lengths)  # type: ignore[arg-type]
    if sum(sizes) != total:
        raise ValueError(
            f"random_split: Sum of input lengths does not equal the length of the input dataset! "
            f"({sum(sizes)}, not {total})"
        )
    sizes = [operator.index(n) for n in sizes]
    order = _randperm(total, generator=generator).tolist()
    ends = list(itertools.accumulate(sizes))
    return [Subset(dataset, order[end - size : end]) for size, end in zip(sizes, ends, strict=True)]
