"""Tensors and modules print as PyTorch prints them."""

import numpy as np
import pytest

import lucid
from reference import needs_torch, torch

RNG = np.random.default_rng(0)
ARRAYS = {
    "floats": RNG.standard_normal((3, 4)).astype("f4"),
    "whole": np.arange(6, dtype="f4").reshape(2, 3),
    "wide": RNG.standard_normal((2, 30)).astype("f4"),
    "long": np.arange(2000, dtype="f4"),
    "large": RNG.standard_normal((40, 50)).astype("f4"),
    "deep": RNG.standard_normal((2, 2, 2, 3)).astype("f4"),
    "many deep": np.zeros((8, 9, 20), "f4"),
    "tiny": np.array([1e-8, 1.0], "f4"),
    "huge": np.array([1e10, 1.5], "f4"),
    "special": np.array([np.nan, np.inf, -np.inf, 1.5], "f4"),
    "only special": np.array([np.nan, np.inf], "f4"),
    "one and infinity": np.array([1, np.inf], "f4"),
    "zero and infinity": np.array([0, -np.inf], "f4"),
    "whole and nan": np.array([1, np.nan, 200], "f4"),
    "mixed range": np.array([0.001, 123.456], "f4"),
    "integers": np.array([[1, -20], [300, 4]]),
    "int32": np.array([1, 2], "i4"),
    "bools": np.array([True, False]),
    "double": np.array([1.5, 2.25]),
    "half": np.array([1.5, 2.0], "f2"),
    "scalar": np.array(3.14159, "f4"),
    "integer scalar": np.array(7),
    "empty": np.zeros((0,), "f4"),
    "empty matrix": np.zeros((2, 0), "f4"),
    "empty ints": np.zeros((0,), "i8"),
    "complex": np.array([1 + 2j, -0.5 - 1j], "c8"),
    "zeros": np.zeros((2, 2), "f4"),
    "negative": np.array([-1.0, -22.5], "f4"),
}


@needs_torch
@pytest.mark.parametrize("name", ARRAYS)
def test_tensors(name):
    assert repr(lucid.from_numpy(ARRAYS[name].copy())) == repr(torch.from_numpy(ARRAYS[name].copy())).replace(
        "torch.", "lucid."
    )


@needs_torch
def test_graph_and_options():
    def shown(L):
        x = L.ones(2, requires_grad=True)
        lines = [x, x * 2, x.exp(), (x * 2).sum(), L.nn.Parameter(L.ones(2)), x.detach(), x.view(1, 2)]
        return [repr(v) for v in lines] + [
            str(L.ones(2)),
            f"{L.tensor(1.5)}",
            f"{L.tensor(1.5):.3f}",
            repr(L.ones(2).shape),
        ]

    assert [s.replace("lucid.", "") for s in shown(lucid)] == [s.replace("torch.", "") for s in shown(torch)]


@needs_torch
def test_print_options():
    for options in (
        {"precision": 2},
        {"threshold": 5},
        {"edgeitems": 1, "threshold": 5},
        {"sci_mode": True},
        {"linewidth": 30},
    ):
        x = ARRAYS["wide"]
        lucid.set_printoptions(**options)
        torch.set_printoptions(**options)
        try:
            assert repr(lucid.tensor(x)) == repr(torch.tensor(x)), options
        finally:
            lucid.set_printoptions(profile="default")
            torch.set_printoptions(profile="default")


@needs_torch
def test_modules():
    def model(L):
        nn = L.nn
        return nn.Sequential(
            nn.Conv2d(1, 2, 3, padding=1), nn.Sequential(nn.ReLU(), nn.Dropout(0.5)), nn.ModuleList([nn.Linear(2, 3)])
        )

    assert repr(model(lucid)) == repr(model(torch))


@needs_torch
def test_optimizers_of_two_groups():
    def written(module):
        a, b = module.nn.Linear(1, 1), module.nn.Linear(1, 1)
        groups = [{"params": a.parameters()}, {"params": b.parameters(), "lr": 0.1}]
        return repr(module.optim.SGD(groups, lr=1.0, momentum=0.9))

    assert written(lucid) == written(torch)
