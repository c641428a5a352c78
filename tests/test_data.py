"""Datasets, samplers and the loader; orders and errors as PyTorch has them."""

import threading
from collections import UserList, defaultdict, namedtuple

import numpy as np
import pytest

import lucid
from lucid.utils import data as D
from reference import needs_torch, torch

X, Y = lucid.arange(10).float(), lucid.arange(10) * 10
DATA = D.TensorDataset(X, Y)


@needs_torch
@pytest.mark.parametrize("batch_size", [1, 3, 5, 20])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_as_in_torch(batch_size, drop_last, workers):
    theirs = torch.utils.data.TensorDataset(torch.arange(10).float(), torch.arange(10) * 10)
    expected = [[t.tolist() for t in b] for b in torch.utils.data.DataLoader(theirs, batch_size, drop_last=drop_last)]
    loader = D.DataLoader(DATA, batch_size, drop_last=drop_last, num_workers=workers)
    assert [[t.tolist() for t in b] for b in loader] == expected and len(loader) == len(expected)


def test_shuffle_visits_all_and_follows_the_generator():
    def order(seed):
        return [
            int(y)
            for _, batch in D.DataLoader(DATA, 3, shuffle=True, generator=lucid.Generator().manual_seed(seed))
            for y in batch
        ]

    assert sorted(order(1)) == Y.tolist() and order(1) == order(1) != order(2)


def test_rows_of_tensors_are_indexed_together_as_collating_would():
    images = lucid.arange(60.0).reshape(10, 3, 2).transpose(1, 2).requires_grad_()
    data = D.Subset(D.Subset(D.TensorDataset(images, Y), [9, -2, 3, 3, 0]), [4, 3, 0, -4])
    (x, y), wanted = next(iter(D.DataLoader(data, batch_size=4))), D.default_collate([data[i] for i in range(4)])
    assert x.tolist() == wanted[0].tolist() and y.tolist() == wanted[1].tolist() == [0, 30, 90, 80]
    x.sum().backward()
    assert images.grad[[0, 3, 9, 8]].sum().item() == 24 == images.grad.sum().item()
    assert not np.shares_memory(x.detach().numpy(), images.detach().numpy())

    class Doubled(D.TensorDataset):  # a class that makes its items in another way is asked for them
        def __getitem__(self, index):
            return tuple(t * 2 for t in super().__getitem__(index))

    assert next(iter(D.DataLoader(Doubled(Y), batch_size=2)))[0].tolist() == [0, 20]
    with pytest.raises(IndexError):
        list(D.DataLoader(DATA, batch_size=2, sampler=[0, 10]))


def test_endless_sampling_with_replacement():
    """minGPT's trainer asks for 10**10 samples and stops when it likes."""
    sampler = D.RandomSampler(DATA, replacement=True, num_samples=10**10)
    assert len(sampler) == 10**10 and next(iter(D.DataLoader(DATA, 4, sampler=sampler)))[0].shape == (4,)
    assert len(list(D.RandomSampler(DATA, replacement=True, num_samples=2500))) == 2500


def test_collate_structures():
    Point = namedtuple("Point", "x y")
    batch = D.default_collate([{"a": 1, "p": Point(1.0, "s"), "n": np.float32(2), "l": [True, 2]} for _ in range(2)])
    assert batch["a"].dtype is lucid.int64 and batch["p"].x.dtype is lucid.float64 and batch["p"].y == ("s", "s")
    assert batch["n"].dtype is lucid.float32 and batch["l"][0].dtype is lucid.bool
    with pytest.raises(RuntimeError, match="equal size"):
        D.default_collate([[1], [1, 2]])
    with pytest.raises(TypeError, match="object"):
        D.default_collate([object()])


def test_split_subset_concat_stack_chain():
    parts = D.random_split(DATA, [0.55, 0.45], lucid.Generator().manual_seed(0))
    assert [len(p) for p in parts] == [6, 4] and sorted(int(y) for p in parts for _, y in p) == Y.tolist()
    both = parts[0] + parts[1]
    assert len(both) == 10 and both[-1][1] == parts[1][3][1]
    with pytest.raises(IndexError):
        both[10]
    assert D.StackDataset(a=DATA, b=DATA)[2]["b"][0].item() == 2.0
    with pytest.raises(ValueError, match="Sum of input lengths"):
        D.random_split(DATA, [3, 3])
    with pytest.raises(ValueError, match="Fraction"):
        D.random_split(DATA, [1.2, -0.2])
    with pytest.raises(TypeError):
        D.random_split(DATA, [6.0, 4.0])

    class Stream(D.IterableDataset):
        def __iter__(self):
            return iter(range(5))

    assert [b.tolist() for b in D.DataLoader(Stream() + Stream(), 4)] == [[0, 1, 2, 3], [4, 0, 1, 2], [3, 4]]


def test_samplers():
    lucid.manual_seed(0)
    assert sorted(D.RandomSampler(range(4), num_samples=8)) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert set(D.WeightedRandomSampler([0.0, 1.0, 0.0], 5)) == {1}
    assert sorted(D.SubsetRandomSampler([3, 5])) == [3, 5]
    assert list(D.BatchSampler(D.SequentialSampler(range(5)), 2, True)) == [[0, 1], [2, 3]]
    loader: D.DataLoader[tuple] = D.DataLoader(DATA, batch_sampler=[[1, 2], [9]])
    assert [y.tolist() for _, y in loader] == [[10, 20], [90]]


def test_workers_know_themselves_and_errors_arrive():
    seen = set()

    class Named(D.Dataset):
        def __len__(self):
            return 8

        def __getitem__(self, i):
            info = D.get_worker_info()
            seen.add((info.id, info.num_workers, threading.current_thread() is not threading.main_thread()))
            if i == 5:
                raise KeyError("item five")
            return i

    found = []
    with pytest.raises(KeyError, match="item five"):
        for batch in D.DataLoader(Named(), 2, num_workers=2):
            found.append(batch.tolist())
    assert found == [[0, 1], [2, 3]] and D.get_worker_info() is None
    assert all(n == 2 and elsewhere and i in (0, 1) for i, n, elsewhere in seen)


class Failing(D.Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, i):
        if i == 1:
            raise KeyError(i)
        return i


@pytest.mark.parametrize("workers", [0, 2])
def test_the_batch_after_an_error_comes(workers):
    batches, found = iter(D.DataLoader(Failing(), num_workers=workers)), []
    while True:
        try:
            found.append(next(batches).item())
        except KeyError:
            found.append("error")
        except StopIteration:
            break
    assert found == [0, "error", 2, 3, 4, 5]


def test_an_error_in_worker_init_fn_is_the_error_that_arrives():
    def begin(number):
        raise ZeroDivisionError("in the beginning")

    with pytest.raises(ZeroDivisionError, match="in the beginning"):
        next(iter(D.DataLoader(DATA, num_workers=2, worker_init_fn=begin)))


def test_a_late_batch_can_be_waited_for_again():
    go = threading.Event()

    class Late(D.Dataset):
        def __len__(self):
            return 1

        def __getitem__(self, i):
            return go.wait(60)

    batches = iter(D.DataLoader(Late(), num_workers=1, timeout=0.01))
    with pytest.raises(RuntimeError, match="timed out after 0.01 seconds"):
        next(batches)
    batches.loader.timeout = 60
    go.set()
    assert next(batches).tolist() == [True]


def test_workers_draw_from_generators_of_their_own():
    """As PyTorch's processes: a seed gives the same augmentation whichever thread is faster, another one in each epoch."""

    class Noise(D.Dataset):
        def __len__(self):
            return 12

        def __getitem__(self, i):
            info = D.get_worker_info()
            assert lucid.initial_seed() == info.seed and info.dataset is not data
            return float(i + lucid.rand(())), info.id, info.seed

    def epochs():
        lucid.manual_seed(5)
        loader = D.DataLoader(data, 2, num_workers=3)
        assert len(iter(loader)) == 6
        return [[[x.tolist() for x in batch] for batch in loader] for _ in range(2)]

    data = Noise()
    first, second = runs = epochs()
    assert epochs() == runs and first != second
    assert [ids for _, ids, _ in first] == [[n % 3] * 2 for n in range(6)]  # in turn
    assert len({seeds[0] for epoch in runs for _, _, seeds in epoch}) == 6
    lucid.manual_seed(5)
    after = lucid.rand(2)
    lucid.manual_seed(5)
    list(D.DataLoader(data, 2, num_workers=3))
    assert after.tolist() == lucid.rand(2).tolist()  # the program's own numbers do not depend on workers


def test_batches_of_indices_may_be_tuples_and_tensors():
    loader = D.DataLoader(D.Subset(DATA, [3, 4, 5]), batch_sampler=[(0, 1), lucid.tensor([2])])
    assert [y.tolist() for _, y in loader] == [[30, 40], [50]]


def test_items_are_asked_for_together_through_parts_and_stacks():
    class Table(D.Dataset):  # as those of Hugging Face
        def __len__(self):
            return 9

        def __getitem__(self, i):
            raise AssertionError("one by one")

        def __getitems__(self, indices):
            return [10 * int(i) for i in indices]

    part = D.Subset(Table(), [8, 1, 2])
    assert next(iter(D.DataLoader(part, 2))).tolist() == [80, 10]
    assert D.StackDataset(a=part, b=part).__getitems__([1]) == [{"a": 10, "b": 10}]
    assert D.StackDataset(part, D.Subset(Table(), [0, 1, 2])).__getitems__([0, 2]) == [(80, 0), (20, 20)]


def containers(t, collate, convert):
    Pair = namedtuple("Pair", "x y")
    default = defaultdict(list, a=1)
    made = [collate([default, default]), collate([UserList([1, 2]), UserList([3, 4])]), collate([Pair(1, "s")] * 2)]
    made += [collate([range(2), range(2)]), collate([(1, True), (2, False)]), collate([np.str_("s")])]
    made += [convert(x) for x in (default, UserList([np.ones(1)]), Pair(np.ones(1), 1), (1, 2), np.array(["s"]))]
    return repr(made)


@needs_torch
def test_collate_keeps_the_kinds_of_containers():
    from torch.utils.data import default_collate, default_convert

    theirs = containers(torch, default_collate, default_convert)
    assert containers(lucid, D.default_collate, D.default_convert).replace("lucid.", "torch.") == theirs


def test_collate_learns_types():
    from lucid.utils.data._utils.collate import collate, default_collate_fn_map

    kinds = default_collate_fn_map | {Failing: lambda batch, *, collate_fn_map: len(batch)}
    assert collate([(1, Failing())] * 3, collate_fn_map=kinds)[1] == 3
    with pytest.raises(TypeError, match="found ndarray"):
        D.default_collate([np.array(["s"])])


def test_leaving_early_stops_the_workers():
    before = threading.active_count()
    for _ in D.DataLoader(DATA, 1, num_workers=2):
        break
    assert threading.active_count() == before


@pytest.mark.parametrize(
    "options",
    [
        {"num_workers": -1},
        {"batch_size": 0},
        {"shuffle": True, "sampler": [1]},
        {"batch_sampler": [[1]], "batch_size": 2},
        {"batch_size": None, "drop_last": True},
        {"prefetch_factor": 2},
    ],
)
def test_bad_options(options):
    with pytest.raises(ValueError, match=r"."):
        D.DataLoader(DATA, **options)
