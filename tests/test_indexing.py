"""Indexing in every form, and the gather and scatter families, against torch (NumPy where torch lacks the form)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lucid
from against_torch import check, draw
from reference import needs_torch, torch

S = (4, 3, 5)
KEYS = {
    "int": lambda L: 1,
    "negative": lambda L: -1,
    "0-d tensor": lambda L: L.tensor(2),
    "numpy int": lambda L: np.int64(2),
    "slice": lambda L: slice(1, 3),
    "slice step": lambda L: slice(None, None, 2),
    "slice beyond": lambda L: slice(2, 99),
    "slice empty": lambda L: slice(3, 1),
    "slice tensors": lambda L: slice(L.tensor(1), L.tensor(3)),
    "ellipsis": lambda L: ...,
    "ellipsis int": lambda L: (..., 0),
    "none": lambda L: None,
    "nones": lambda L: (None, slice(None), None, 1),
    "tuple": lambda L: (1, slice(None), -2),
    "all ints": lambda L: (1, 2, 3),
    "list": lambda L: [0, 2, 2],
    "array": lambda L: L.tensor([3, -1, 0]),
    "array 2-d": lambda L: L.tensor([[3, 1], [0, 0]]),
    "int32 array": lambda L: L.tensor([3, 1], dtype=L.int32),
    "empty array": lambda L: L.tensor([], dtype=L.int64),
    "empty list": lambda L: [],
    "range": lambda L: range(0, 4, 2),
    "two arrays": lambda L: (L.tensor([0, 1, 1]), L.tensor([2, 0, 0])),
    "broadcast arrays": lambda L: (L.tensor([[0], [1]]), L.tensor([2, 0, 1])),
    "three arrays": lambda L: (L.tensor([0, 1]), L.tensor([2, 0]), L.tensor([4, 4])),
    "array slice": lambda L: (L.tensor([0, 1, 1]), slice(1, 3)),
    "slice array": lambda L: (slice(None), L.tensor([2, 0])),
    "ellipsis array": lambda L: (..., L.tensor([2, 0])),
    "adjacent": lambda L: (slice(None), L.tensor([2, 0]), L.tensor([4, 1])),
    "separated": lambda L: (L.tensor([2, 0]), slice(None), L.tensor([4, 1])),
    "separated by none": lambda L: (L.tensor([2, 0]), None, L.tensor([2, 1])),
    "array and int": lambda L: (L.tensor([2, 0]), 1),
    "int slice array": lambda L: (1, slice(None), L.tensor([4, 1])),
    "none array": lambda L: (None, L.tensor([2, 0])),
    "mask": lambda L: L.tensor([True, False, True, True]),
    "mask all false": lambda L: L.zeros(4, dtype=L.bool),
    "mask list": lambda L: [True, False, True, True],
    "mask second": lambda L: (slice(None), L.tensor([True, False, True])),
    "mask 2-d": lambda L: L.arange(12).reshape(4, 3) % 2 == 0,
    "mask full": lambda L: L.arange(60).reshape(4, 3, 5) % 3 == 0,
    "mask last 2": lambda L: (..., L.arange(15).reshape(3, 5) % 3 == 0),
    "mask and array": lambda L: (L.tensor([True, False, True, False]), L.tensor([0, 2])),
    "true": lambda L: True,
    "false": lambda L: False,
    "true and slice": lambda L: (True, slice(1, 2)),
    "0-d mask": lambda L: L.tensor(True),
}


@needs_torch
@pytest.mark.parametrize("name", KEYS)
def test_read(name):
    check(lambda L, x: x[KEYS[name](L)], draw(*S))
    check(lambda L, x: x.permute(0, 2, 1).contiguous().permute(0, 2, 1)[KEYS[name](L)], draw(*S), second=False)


@needs_torch
@pytest.mark.parametrize("name", KEYS)
def test_write(name):
    x = draw(*S)
    shape = torch.tensor(x)[KEYS[name](torch)].shape

    def number(L, x):
        y = x * 1
        y[KEYS[name](L)] = 2.0
        return y

    def tensor(L, x, v):
        y = x * 1
        y[KEYS[name](L)] = v
        return y

    check(number, x)
    unique = name not in (
        "list",
        "two arrays",
        "broadcast arrays",
        "array 2-d",
        "array slice",
    )  # else the order of writes decides
    if unique:
        check(tensor, x, draw(*shape))
        if shape:
            check(tensor, x, draw(*shape[-1:]))
            check(tensor, x, draw(1, *shape))
    check(tensor, x, np.asarray(3.0))

    def added(L, x):
        y = x * 1
        y[KEYS[name](L)] += 1.5
        return y

    check(added, x)


@needs_torch
def test_errors():
    cases = {
        "too many": lambda L, x: x[0, 0, 0, 0],
        "bounds": lambda L, x: x[4],
        "array bounds": lambda L, x: x[L.tensor([0, 4])],
        "mask size": lambda L, x: x[L.tensor([True, False])],
        "float array": lambda L, x: x[L.tensor([0.0])],
        "broadcast": lambda L, x: x[L.tensor([0, 1]), L.tensor([0, 1, 2])],
        "set size": lambda L, x: x.__setitem__(0, L.zeros(2)),
        "set array size": lambda L, x: x.__setitem__(L.tensor([0, 1]), L.zeros(3, 3, 5)),
        "string": lambda L, x: x["a"],
        "leaf": lambda L, x: L.zeros(3, requires_grad=True).__setitem__(0, 1.0),
        "0-d": lambda L, x: L.tensor(1.0)[0],
    }
    for name, f in cases.items():
        try:
            f(torch, torch.zeros(S))
        except Exception as problem:
            expected = type(problem)
        else:
            pytest.fail(f"torch allows {name}")
        with pytest.raises(expected):
            f(lucid, lucid.zeros(S))


def test_a_list_of_lists_is_one_array():
    """As in NumPy; PyTorch announces the same and still reads it as a tuple."""
    assert lucid.arange(4)[[[0, 1], [2, 3]]].tolist() == [[0, 1], [2, 3]]


@given(st.data())
@settings(max_examples=150)
def test_negative_steps_and_mixed_keys_as_numpy(data):
    """torch has no negative steps; NumPy does."""
    x = np.arange(60).reshape(S)
    key, d = [], 0
    while d < 3 and data.draw(st.booleans()):
        n = S[d]
        part = data.draw(
            st.one_of(
                st.integers(-n, n - 1),
                st.slices(n),
                st.lists(st.integers(-n, n - 1), min_size=2, max_size=2),
                st.none(),
            )
        )
        key.append(part)
        d += part is not None
    used = [k for k in key if k is not None]
    if any(isinstance(k, int) for k in used) and any(isinstance(k, list) for k in used):
        return  # NumPy counts ints as arrays here, which moves dimensions; PyTorch does not
    key = tuple(key)
    np.testing.assert_array_equal(lucid.tensor(x)[key].numpy(), x[key])


@needs_torch
@given(st.data())
@settings(max_examples=100)
def test_random_keys_as_torch(data):
    x = np.arange(60.0).reshape(S)
    key, d = [], 0
    while d < 3 and data.draw(st.booleans()):
        n = S[d]
        kind = data.draw(st.sampled_from(["int", "slice", "array", "mask", "none"]))
        if kind == "none":
            key.append(None)
            continue
        if kind == "int":
            key.append(data.draw(st.integers(-n, n - 1)))
        elif kind == "slice":
            s = data.draw(st.slices(n))
            key.append(slice(s.start, s.stop, abs(s.step) if s.step else None))
        elif kind == "array":
            key.append(np.array(data.draw(st.lists(st.integers(-n, n - 1), min_size=2, max_size=2))))
        else:
            mask = np.zeros(n, bool)
            mask[data.draw(st.lists(st.integers(0, n - 1), min_size=2, max_size=2, unique=True))] = True
            key.append(mask)
        d += 1

    def read(L, x):
        return x[tuple(L.tensor(k) if isinstance(k, np.ndarray) else k for k in key)]

    check(read, x, second=False)


# ---- along a dimension -------------------------------------------------------------------------------------------------------

INDEX = np.array([[0, 2, 1], [1, 1, 3]])


@needs_torch
def test_gather_and_take():
    x = draw(4, 3)
    check(lambda L, x, i: L.gather(x, 0, i), x, INDEX)
    check(lambda L, x, i: x.gather(1, i), x, INDEX.T[:, :1] % 3)
    check(lambda L, x, i: x.gather(-1, i), draw(3, 2, 4), np.zeros((2, 1, 3), int))
    check(lambda L, x: x.gather(0, L.tensor(0)), np.asarray(2.0))
    check(lambda L, x, i: L.take(x, i), x, np.array([[0, -1], [5, 5]]))
    check(lambda L, x, i: L.take_along_dim(x, i, 0), x, INDEX[:, :1])
    check(lambda L, x, i: L.take_along_dim(x, i), x, np.array([[0, 11]]))
    check(lambda L, x, i: x.take_along_dim(i, dim=1), x, np.array([[0, 2]]))
    check(lambda L, x: L.take_along_dim(x, L.argsort(x, dim=0), 0), x)
    check(lambda L, x, i: x.index_select(1, i), x, np.array([2, 0, 2]))
    check(lambda L, x, i: L.index_select(x, 0, i), x, np.asarray(1))
    check(lambda L, x: L.masked_select(x, x > 0), x)
    check(lambda L, x: L.masked_select(x, L.tensor([True, False, True])), x)
    check(lambda L, x: L.nonzero(x > 0), x)
    check(lambda L, x: L.nonzero(x > 0, as_tuple=True), x)
    check(lambda L, x: L.argwhere(x > 0), x)
    check(lambda L, x: L.where(x > 0), x)
    check(lambda L, x: x.nonzero(), np.asarray(1.0))


@needs_torch
def test_scatter():
    x, src = draw(4, 3), draw(2, 3)
    unique = np.array([[0, 2, 1], [1, 0, 3]])
    check(lambda L, x, i, s: x.scatter(0, i, s), x, unique, src)
    check(lambda L, x, i, s: L.scatter(x, 0, i, s), x, unique, draw(3, 4), gradient=False)
    check(lambda L, x, i: x.scatter(0, i, 2.5), x, INDEX)
    check(lambda L, x, i: x.scatter(0, i, value=2.5), x, INDEX)
    check(lambda L, x, i, s: (x * 1).scatter_(0, i, s), x, unique, src)
    check(lambda L, x, i, s: x.detach().scatter(0, i, s.detach(), reduce="add"), x, INDEX, src)
    check(lambda L, x, i, s: x.detach().scatter(0, i, s.detach(), reduce="multiply"), x, INDEX, src)
    check(lambda L, x, i, s: x.scatter_add(0, i, s), x, INDEX, src)
    check(lambda L, x, i, s: (x * 1).scatter_add_(1, i, s), x, INDEX.T[:, :1] % 3, draw(3, 1))
    check(lambda L, x, i, s: x.scatter_add(0, i, s), np.arange(12).reshape(4, 3), INDEX, np.arange(6).reshape(2, 3))
    check(lambda L, x, s: x.scatter_add(0, L.tensor([0, 0]), s), draw(3), draw(2))
    check(lambda L, x, s: x.scatter(0, L.zeros(0, 3, dtype=L.int64), s), x, src, gradient=False)


@needs_torch
@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
@pytest.mark.parametrize("include_self", [True, False])
def test_scatter_reduce(reduce, include_self):
    x, src = draw(4, 3), draw(2, 3)
    second = reduce != "prod"  # torch has no second derivative of prod
    kw = {"include_self": include_self}
    check(lambda L, x, i, s: x.scatter_reduce(0, i, s, reduce, **kw), x, INDEX, src, second=second)
    check(lambda L, x, i, s: (x * 1).scatter_reduce_(0, i, s, reduce, **kw), x, INDEX, draw(2, 3), second=second)
    ties = np.round(draw(2, 3))
    if include_self:  # without it torch counts the input among the ties all the same
        check(lambda L, x, i, s: x.scatter_reduce(0, i, s, reduce, **kw), np.round(x), INDEX, ties, second=False)
    check(
        lambda L, x, i, s: x.scatter_reduce(0, i, s, reduce, **kw),
        np.arange(12).reshape(4, 3),
        INDEX,
        np.arange(6).reshape(2, 3),
    )
    if reduce != "sum":
        check(lambda L, x, s: x.index_reduce(1, L.tensor([0, 2, 0]), s, reduce, **kw), x, 2 * draw(4, 3), second=False)


@needs_torch
def test_scatter_reduce_prod_with_zeros():
    src = np.array([[0.0, 2.0, 0.0], [3.0, 0.0, 0.0]])
    check(
        lambda L, x, i, s: x.scatter_reduce(0, i, s, "prod"),
        draw(4, 3),
        np.array([[0, 2, 1], [0, 2, 1]]),
        src,
        second=False,
    )


@needs_torch
def test_whole_slices():
    x, rows = draw(4, 3), np.array([0, 2, 0])
    check(lambda L, x, i, s: x.index_add(0, i, s), x, rows, draw(3, 3))
    check(lambda L, x, i, s: L.index_add(x, 1, i, s, alpha=-2.0), x, np.array([2, 2]), draw(4, 2))
    check(lambda L, x, i, s: (x * 1).index_add_(0, i, s), x, rows, draw(3, 3))
    check(lambda L, x, i, s: x.index_copy(1, i, s), x, np.array([2, 0]), draw(4, 2))
    check(lambda L, x, i, s: (x * 1).index_copy_(0, i, s), x, np.array([3]), draw(1, 3))
    check(lambda L, x, i: x.index_fill(1, i, 2.0), x, np.array([2, 0]))
    check(lambda L, x, i, v: x.index_fill(0, i, v), x, np.array([2, 0]), np.asarray(1.5))
    check(lambda L, x, i: (x * 1).index_fill_(0, i, 2.0), x, np.array([2, 0]))
    check(lambda L, x, s: x.index_add(0, L.tensor([0]), s), np.asarray(1.0), np.asarray(2.0))
    for n, width in [(300, 40), (2000, 64), (50, 1)]:  # each kernel of the embedding gradient
        ids = np.random.default_rng(0).integers(0, 30, n)
        check(lambda L, x, i: x[i], draw(30, width), ids, second=False)
        check(lambda L, x, i: x[:, i], draw(width, 30), ids, second=False)


@needs_torch
def test_index_put_and_masks():
    x = draw(4, 3)
    at = lambda L: (L.tensor([0, 1, 0]), L.tensor([2, 0, 2]))  # noqa: E731
    check(lambda L, x, v: x.index_put(at(L), v, accumulate=True), x, draw(3))
    check(lambda L, x, v: x.index_put((L.tensor([0, 0, 1]),), v, accumulate=True), x, draw(3))
    check(lambda L, x, v: L.index_put(x, (L.tensor([0, 1]), L.tensor([2, 0])), v), x, draw(2))
    check(lambda L, x, v: (x * 1).index_put_(at(L), v, accumulate=True), x, np.asarray(2.0))
    check(lambda L, x, v: x.index_put((x > 0,), v), x, np.asarray(2.0))
    check(lambda L, x: x.masked_fill(x > 0, 5.0), x)
    check(lambda L, x, v: (x * 1).masked_fill_(L.tensor([True, False, True]), v), x, np.asarray(2.0))
    check(lambda L, x, s: x.masked_scatter(x > 0, s), x, draw(4, 3))
    check(lambda L, x, s: (x * 1).masked_scatter_(L.tensor([True, False, True]), s), x, draw(20))
    check(lambda L, x, s: x.put(L.tensor([[1, 5]]), s), x, draw(1, 2))
    check(lambda L, x, s: x.put(L.tensor([1, 1]), s, accumulate=True), x, draw(2))
    check(lambda L, x, s: (x * 1).put_(L.tensor([1, 3]), s), x, draw(2))
    check(lambda L, x, s: L.select_scatter(x, s, 0, -1), x, draw(3))
    check(lambda L, x, s: x.slice_scatter(s, 1, 0, 3, 2), x, draw(4, 2))
    check(lambda L, x, s: x.diagonal_scatter(s, 1), x, draw(2))
    check(lambda L, x, y: L.where(x > y, x, y), x, draw(3))
    check(lambda L, x: L.where(x > 0, x, 0.0), x)


@needs_torch
def test_scatter_errors():
    cases = [
        lambda L, x: x.gather(0, L.tensor([0, 1])),
        lambda L, x: x.gather(0, L.tensor([[9]])),
        lambda L, x: x.gather(0, L.tensor([[0.0]])),
        lambda L, x: x.gather(2, L.tensor([[0]])),
        lambda L, x: x.scatter(0, L.tensor([[0]]), L.ones(1, 1, dtype=L.int64)),
        lambda L, x: x.scatter_add(0, L.tensor([[7]]), L.ones(1, 1)),
        lambda L, x: x.scatter_reduce(0, L.tensor([[0]]), L.ones(1, 1), "median"),
        lambda L, x: x.scatter(0, L.tensor([[0, 0]]), L.ones(1, 1)),
        lambda L, x: x.index_add(0, L.tensor([0]), L.ones(2, 3)),
        lambda L, x: x.index_select(0, L.tensor([[0]])),
        lambda L, x: x.index_fill(0, L.tensor([0]), L.ones(2)),
        lambda L, x: x.masked_fill(L.tensor([1, 0, 1]), 0.0),
        lambda L, x: x.masked_fill(L.tensor([True, False, True]), L.ones(2)),
        lambda L, x: x.masked_scatter(L.ones(4, 3, dtype=L.bool), L.ones(2)),
        lambda L, x: x.take(L.tensor([0.5])),
        lambda L, x: L.take_along_dim(x, L.tensor([0]), 1),
        lambda L, x: x.select_scatter(L.ones(2), 0, 0),
    ]
    for f in cases:
        with pytest.raises(Exception) as theirs:
            f(torch, torch.zeros(4, 3))
        with pytest.raises(theirs.type):
            f(lucid, lucid.zeros(4, 3))
