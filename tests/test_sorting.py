"""Order against torch: sort, topk, kthvalue, unique, searchsorted over dtypes, NaN, ties and strides."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lucid
from reference import needs_torch, torch
from test_pointwise import same
from test_reductions import agree, flat

pytestmark = needs_torch
RNG = np.random.default_rng(1)
DATA = RNG.standard_normal((4, 6, 3))
NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("descending", [False, True])
def test_sort(dim, descending):
    agree(lambda L, x: L.sort(x, dim, descending), DATA)
    agree(lambda L, x: L.argsort(x, dim, descending), DATA, grad=False)
    agree(lambda L, x: L.sort(x.transpose(0, 1), dim=dim, descending=descending, stable=True), DATA)


def test_sort_ties_nan_and_dtypes():
    values = [2.0, NAN, 1.0, 2.0, -INF, INF, NAN, 1.0, -0.0, 0.0]
    for dtype in ("float64", "float32", "float16", "bfloat16"):
        for descending in (False, True):
            ours = lucid.sort(lucid.tensor(values, dtype=getattr(lucid, dtype)), descending=descending, stable=True)
            theirs = torch.sort(torch.tensor(values, dtype=getattr(torch, dtype)), descending=descending, stable=True)
            same(ours.values, theirs.values)
            same(ours.indices, theirs.indices)
    for dtype in ("int64", "uint8", "bool"):
        ours, theirs = (L.sort(L.tensor([1, 0, 1, 0], dtype=getattr(L, dtype)), stable=True) for L in (lucid, torch))
        same(ours.values, theirs.values)
        same(ours.indices, theirs.indices)
    same(lucid.msort(lucid.tensor(DATA)), torch.msort(torch.tensor(DATA)))


@pytest.mark.parametrize("n,k", [(6, 2), (6, 6), (300, 5), (300, 250), (5, 0)])
@pytest.mark.parametrize("largest", [True, False])
def test_topk(n, k, largest):
    x = RNG.permutation(n * 3).reshape(3, n).astype(float)
    agree(lambda L, t: L.topk(t, k, largest=largest), x)
    agree(lambda L, t: L.topk(t, k, 0, largest=largest), x.T.copy())
    x[0, 0], x[1, 1] = NAN, INF
    for a, b in zip(
        lucid.topk(lucid.tensor(x), k, largest=largest), torch.topk(torch.tensor(x), k, largest=largest), strict=True
    ):
        same(a, b)


@settings(max_examples=40)
@given(
    st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=0, max_size=7), st.sampled_from([None, 0, 1])
)
def test_unique(rows, dim):
    data = np.array(rows, dtype=np.int64).reshape(-1, 3)
    x, t = lucid.tensor(data), torch.tensor(data)
    if dim is not None and not len(rows):
        return
    for f in ("unique", "unique_consecutive"):
        ours = getattr(lucid, f)(x, return_inverse=True, return_counts=True, dim=dim)
        theirs = getattr(torch, f)(t, return_inverse=True, return_counts=True, dim=dim)
        for a, b in zip(ours, theirs, strict=True):
            same(a, b)
    same(lucid.unique(x.to(lucid.float32)), torch.unique(t.float()))


def test_unique_keeps_every_nan():
    for f in ("unique", "unique_consecutive"):
        same(
            getattr(lucid, f)(lucid.tensor([NAN, 1.0, 1.0, NAN])), getattr(torch, f)(torch.tensor([NAN, 1.0, 1.0, NAN]))
        )


def test_searching():
    rows = np.sort(RNG.integers(0, 9, (2, 3, 7)), -1)
    values = RNG.integers(-1, 11, (2, 3, 5))
    for right in (False, True):
        same(
            lucid.searchsorted(lucid.tensor(rows), lucid.tensor(values), right=right),
            torch.searchsorted(torch.tensor(rows), torch.tensor(values), right=right),
        )
        same(
            lucid.searchsorted(lucid.tensor(rows[0, 0]), lucid.tensor(values), right=right),
            torch.searchsorted(torch.tensor(rows[0, 0]), torch.tensor(values), right=right),
        )
        same(
            lucid.bucketize(lucid.tensor(values), lucid.tensor(rows[0, 0]), right=right),
            torch.bucketize(torch.tensor(values), torch.tensor(rows[0, 0]), right=right),
        )
    same(
        lucid.searchsorted(lucid.tensor(rows[0, 0]), 4, out_int32=True),
        torch.searchsorted(torch.tensor(rows[0, 0]), 4, out_int32=True),
    )
    shuffled = RNG.permutation(8)
    order = np.argsort(shuffled)
    ours = lucid.searchsorted(lucid.tensor(shuffled), lucid.tensor([3, 7]), side="right", sorter=lucid.tensor(order))
    theirs = torch.searchsorted(torch.tensor(shuffled), torch.tensor([3, 7]), side="right", sorter=torch.tensor(order))
    same(ours, theirs)


ERRORS = [
    lambda L: L.topk(L.ones(3), 4), lambda L: L.sort(L.ones(3), 1), lambda L: L.searchsorted(L.ones(2, 3), L.ones(3, 2)),
    lambda L: L.searchsorted(L.ones(3), L.ones(2), right=True, side="left"), lambda L: L.bucketize(L.ones(2), L.ones(2, 2)),
    lambda L: L.searchsorted(L.ones(3), L.ones(2), side="top"), lambda L: L.sort(L.ones(2, dtype=L.complex64)),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_errors(number):
    with pytest.raises(Exception) as theirs:
        ERRORS[number](torch)
    with pytest.raises(RuntimeError if theirs.type in (ValueError, NotImplementedError) else theirs.type):
        ERRORS[number](lucid)


def test_named_tuples_of_scalars():
    for name, args in (("sort", ()), ("topk", (1,)), ("kthvalue", (1,)), ("mode", ())):
        ours, theirs = (flat(getattr(L, name)(L.tensor(2.0), *args)) for L in (lucid, torch))
        for a, b in zip(ours, theirs, strict=True):
            same(a, b)
    assert lucid.sort(lucid.ones(2))._fields == ("values", "indices")
