"""Wrong arguments of ``nn.functional``: kinds, dtypes and shapes that do not go together, with PyTorch's types of error."""

import pytest

import lucid
from lucid.nn.functional._checking import EQUAL, FLOATING
from reference import needs_torch, torch

CALLS = {
    "gelu": lambda F, x, L: F.gelu(x),
    "leaky_relu": lambda F, x, L: F.leaky_relu(x),
    "softplus": lambda F, x, L: F.softplus(x),
    "hardshrink": lambda F, x, L: F.hardshrink(x),
    "mish": lambda F, x, L: F.mish(x),
    "glu": lambda F, x, L: F.glu(x),
    "elu": lambda F, x, L: F.elu(x),
    "prelu": lambda F, x, L: F.prelu(x, L.ones(1)),
    "layer_norm": lambda F, x, L: F.layer_norm(x, (4,)),
    "rms_norm": lambda F, x, L: F.rms_norm(x, (4,)),
    "group_norm": lambda F, x, L: F.group_norm(x, 2),
    "batch_norm": lambda F, x, L: F.batch_norm(x, None, None, training=True),
    "cross_entropy": lambda F, x, L: F.cross_entropy(x, L.tensor([0, 1])),
    "nll_loss": lambda F, x, L: F.nll_loss(x, L.tensor([0, 1])),
    "binary_cross_entropy": lambda F, x, L: F.binary_cross_entropy(x, x),
    "mse_loss": lambda F, x, L: F.mse_loss(x, x),
    "huber_loss": lambda F, x, L: F.huber_loss(x, x),
    "smooth_l1_loss": lambda F, x, L: F.smooth_l1_loss(x, x),
    "kl_div": lambda F, x, L: F.kl_div(x, x),
    "cosine_similarity": lambda F, x, L: F.cosine_similarity(x, x),
    "dropout": lambda F, x, L: F.dropout(x, 0.5),
    "interpolate": lambda F, x, L: F.interpolate(x[None], 3),
    "adaptive_max_pool1d": lambda F, x, L: F.adaptive_max_pool1d(x, 2),
}


@needs_torch
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", ["int64", "bool"])
def test_whole_numbers_have_no_kernel(name, dtype):
    with pytest.raises(RuntimeError) as theirs:
        CALLS[name](torch.nn.functional, torch.ones(2, 4, dtype=getattr(torch, dtype)), torch)
    with pytest.raises(type(theirs.value)) as caught:
        CALLS[name](lucid.nn.functional, lucid.ones(2, 4, dtype=getattr(lucid, dtype)), lucid)
    assert "lucid." in str(caught.value) or name in str(caught.value)


@pytest.mark.parametrize("wrong", [None, 2, 1.5, "a", [1.0], {}], ids=str)
@pytest.mark.parametrize("name", [n for n in CALLS if n != "interpolate"])
def test_no_tensor_is_named(name, wrong):
    with pytest.raises(TypeError, match=rf"{name}\(\): argument '\w+' must be Tensor, not {type(wrong).__name__}"):
        CALLS[name](lucid.nn.functional, wrong, lucid)


WRONG = {
    "bias of another dtype": lambda L, F: F.linear(L.ones(2, 3), L.ones(4, 3), L.ones(4, dtype=L.float64)),
    "bias no tensor": lambda L, F: F.linear(L.ones(2, 3), L.ones(4, 3), 1),
    "norm's weight": lambda L, F: F.layer_norm(L.ones(2, 3), (3,), L.ones(3, dtype=L.float64)),
    "slopes": lambda L, F: F.prelu(L.ones(2, 3), L.ones(1, dtype=L.float64)),
    "grid": lambda L, F: F.grid_sample(L.ones(1, 1, 2, 2), L.zeros(1, 2, 2, 2, dtype=L.float64), align_corners=False),
    "class weights": lambda L, F: F.nll_loss(L.ones(2, 3), L.tensor([0, 1]), L.ones(3, dtype=L.float64)),
    "second input": lambda L, F: F.bilinear(L.ones(2, 3), L.ones(2, 3, dtype=L.float64), L.ones(1, 3, 3)),
    "targets of integers": lambda L, F: F.kl_div(L.ones(3), L.ones(3, dtype=L.int64)),
    "labels": lambda L, F: F.multilabel_margin_loss(L.ones(3), L.zeros(3, dtype=L.int32)),
    "larger target": lambda L, F: F.soft_margin_loss(L.ones(3), L.ones(2, 3)),
    "lengths": lambda L, F: F.ctc_loss(L.zeros(4, 1, 3), L.ones(1, 2, dtype=L.int64), [4.0], [2]),
    "size": lambda L, F: F.interpolate(L.ones(1, 1, 4), 2.5),
    "flag": lambda L, F: F.batch_norm(L.ones(2, 3), None, None, training=1),
    "eps": lambda L, F: F.layer_norm(L.ones(2, 3), (3,), eps="a"),
    "dim": lambda L, F: F.glu(L.ones(2, 4), dim=1.0),
    "slope": lambda L, F: F.leaky_relu(L.ones(2), "a"),
    "approximate": lambda L, F: F.gelu(L.ones(2), 1),
    "ignored probabilities": lambda L, F: F.cross_entropy(L.ones(2, 3), L.ones(2, 3), ignore_index=1),
    "rank of norm's weight": lambda L, F: F.group_norm(L.ones(1, 4, 2), 2, L.ones(1, 4)),
    "delta": lambda L, F: F.huber_loss(L.ones(2), L.ones(2), delta=float("nan")),
    "shrinks": lambda L, F: F.softshrink(L.ones(2), float("nan")),
}


@needs_torch
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_does_not_go_together(wrong):
    with pytest.raises(Exception, match=".") as theirs:
        wrong(torch, torch.nn.functional)
    with pytest.raises(type(theirs.value)) as caught:
        wrong(lucid, lucid.nn.functional)
    assert str(caught.value)


@needs_torch
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_norms_of_16_bits_with_parameters_of_32(dtype):
    for library in (lucid, torch):
        x = library.ones(2, 4, dtype=getattr(library, dtype))
        got = library.nn.functional.layer_norm(x, (4,), library.ones(4), library.ones(4))
        assert got.dtype == x.dtype


def test_the_tables_name_functions_that_exist():
    assert all(hasattr(lucid.nn.functional, name) for name in (*FLOATING, *EQUAL))


def test_numpy_arrays_and_their_numbers_are_taken():
    import numpy as np

    x = lucid.ones(2, 4)
    assert lucid.nn.functional.leaky_relu(x, np.float32(0.1)).dtype is lucid.float32
    assert lucid.nn.functional.gelu(np.ones((2, 4), np.float32)).shape == (2, 4)
