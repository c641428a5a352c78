"""Spellings of calls that PyTorch takes, shapes it broadcasts or refuses, and ``out=`` that is also an input."""

from __future__ import annotations

import pytest

import lucid
from reference import needs_torch, torch

SAME = {
    "trapezoid of points with more dimensions": lambda t, x: t.trapezoid(x, t.stack([x, x * x])),
    "trapezoid of points with fewer": lambda t, x: t.trapezoid(t.stack([x, x]), x * x, dim=1),
    "trapezoid of one point": lambda t, x: t.trapezoid(x, t.tensor(2.0)),
    "cumulative_trapezoid of points with more": lambda t, x: t.cumulative_trapezoid(x, t.stack([x, x * x])),
    "new_ones(size=)": lambda t, x: x.new_ones(size=(2, 3)),
    "new_zeros(size=)": lambda t, x: x.new_zeros(size=[2], dtype=t.float64),
    "arange(end=)": lambda t, x: t.arange(end=3),
    "view(dtype=)": lambda t, x: x.view(dtype=t.int32),
    "nuclear_norm(x, keepdim)": lambda t, x: t.nuclear_norm(x, True),
    "tensordot(a, b, 1, out)": lambda t, x: t.tensordot(x, x, 1, t.empty(0)),
    "repeat_interleave(output_size=)": lambda t, x: t.repeat_interleave(x, t.tensor([1, 2]), 0, output_size=3),
    "mm(out=) of the input": lambda t, x: t.mm(x.clone(), x, out=t.empty(2, 2)),
}


@needs_torch
@pytest.mark.parametrize("name", SAME)
def test_like_torch(name):
    ours, theirs = (SAME[name](t, t.tensor([[1.0, 2.0], [3.0, 5.0]])) for t in (lucid, torch))
    assert tuple(ours.shape) == tuple(theirs.shape) and str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
    lucid.testing.assert_close(ours, lucid.tensor(theirs.tolist(), dtype=ours.dtype).reshape(ours.shape))


INDEX = [1, 0]
REFUSED = {
    "repeat_interleave of another size": lambda t, x: t.repeat_interleave(x, 2, output_size=3),
    "fill with several values": lambda t, x: t.fill(x, x.clone()),
    "fill_ with several values": lambda t, x: x.fill_(x.clone()),
    "searchsorted by floats": lambda t, x: t.searchsorted(x, x, sorter=x),
    "orgqr of matrices of tau": lambda t, x: t.orgqr(x, x.clone()),
    "ormqr of matrices of tau": lambda t, x: t.ormqr(x, x.clone(), x.clone()),
    "histogram with weights of another shape": lambda t, x: t.histogram(x[0], 2, weight=x),
    "weights that widen the loss": lambda t, x: t.nn.functional.binary_cross_entropy_with_logits(x[0], x[0] / 5, x),
    "feature_alpha_dropout of a vector": lambda t, x: t.nn.functional.feature_alpha_dropout(x[0], 0.5, True),
    "arange of nothing": lambda t, x: t.arange(),
    "tril_indices of floats": lambda t, x: t.tril_indices(2, 2, dtype=t.float32),
    "new_ones of two sizes": lambda t, x: x.new_ones(2, size=(2,)),
    "qr into another dtype": lambda t, x: t.linalg.qr(x, out=(x.double(), x.double())),
    "svd into another dtype": lambda t, x: t.linalg.svd(x, out=(x.double(), x[0].double(), x.double())),
    "slogdet into another dtype": lambda t, x: t.linalg.slogdet(x, out=(x[0, 0].double(), x[0, 0].double())),
    "gather into its input": lambda t, x: t.gather(x, 0, t.tensor([INDEX]), out=x),
    "index_select into its input": lambda t, x: t.index_select(x[0], 0, t.tensor(INDEX), out=x[0]),
    "take into its input": lambda t, x: t.take(x[0], t.tensor(INDEX), out=x[0]),
    "masked_select into its input": lambda t, x: t.masked_select(x[0], x[0] > 0, out=x[0]),
    "hardshrink beside its input": lambda t, x: t.nn.functional.hardshrink(x.view(4)[:3], out=x.view(4)[1:]),
    "add beside its input": lambda t, x: t.add(x.view(4)[:3], 1, out=x.view(4)[1:]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_and_nothing_written(name):
    kinds = (RuntimeError, TypeError)  # NotImplementedError is a RuntimeError
    x = lucid.tensor([[1.0, 2.0], [3.0, 5.0]])
    with pytest.raises(kinds) as ours:
        REFUSED[name](lucid, x)
    assert x.tolist() == [[1.0, 2.0], [3.0, 5.0]]
    if torch is not None:
        with pytest.raises(kinds) as theirs:
            REFUSED[name](torch, torch.tensor([[1.0, 2.0], [3.0, 5.0]]))
        assert isinstance(ours.value, theirs.type)
