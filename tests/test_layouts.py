"""Kernels with a way of their own for images whose channels are neighbours in memory, and for sampling at points."""

import itertools

import numpy as np
import pytest

import lucid
from lucid.backends import backend_of, compiled, composed_grid, numpy_grid
from lucid.nn import functional as F

RNG = np.random.default_rng(7)
SCALE, SHIFT, MEAN = (RNG.standard_normal(8).astype("f4") for _ in range(3))
OPS = {
    "batch_norm": lambda x: F.batch_norm(x, None, None, lucid.tensor(SCALE), lucid.tensor(SHIFT), training=True),
    "batch_norm, evaluation": lambda x: F.batch_norm(
        x, lucid.tensor(MEAN), lucid.tensor(MEAN) ** 2, lucid.tensor(SCALE), lucid.tensor(SHIFT)
    ),
    "group_norm": lambda x: F.group_norm(x, 4, lucid.tensor(SCALE), lucid.tensor(SHIFT)),
    "instance_norm": lambda x: F.instance_norm(x),
    "nearest": lambda x: F.interpolate(x, scale_factor=2),
    "nearest, one axis": lambda x: F.interpolate(x, scale_factor=(1, 3)),
    "avg_pool2d": lambda x: F.avg_pool2d(x, 2),
}


@pytest.mark.parametrize("offset", [0.0, 1e3])
@pytest.mark.parametrize("name", OPS)
def test_channels_that_are_neighbours_change_nothing(name, offset):
    """13 is prime: no whole number of pixels makes a longer row there."""
    for size in (32, 13):
        x = (RNG.standard_normal((5, size, size, 8)) + offset).astype("f4")
        found = []
        for order in ("last", "first"):
            leaf = lucid.tensor(x, requires_grad=True)
            image = leaf.permute(0, 3, 1, 2)
            out = OPS[name](image if order == "last" else image.contiguous())
            out.backward(lucid.linspace(-1, 1, out.numel()).reshape(out.shape))
            found.append((out.detach().numpy(), leaf.grad.numpy()))
        for one, other in zip(*found, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=(1e-3 if offset else 1e-5) * np.abs(other).max())


CASES = list(itertools.product(("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection"), (True, False)))


@pytest.mark.parametrize("way", ["numpy", "compiled"])
def test_sampling_is_that_of_other_kernels(way, monkeypatch):
    """One image after the other, and all at once; points far outside; no points."""
    if way == "compiled" and not compiled.available():
        pytest.skip("needs numba")
    monkeypatch.setattr(numpy_grid, "available", lambda: way == "compiled")
    monkeypatch.setattr(numpy_grid, "COMPILES", 0)
    table = backend_of(np.zeros(1)).table
    for (mode, padding, align), largest, shape in itertools.product(CASES, (1, 1 << 18), ((4, 3), (3, 2, 4))):
        if mode == "bicubic" and len(shape) == 3:
            continue
        monkeypatch.setattr(numpy_grid, "LARGEST", largest)
        x = RNG.standard_normal((3, 2, *shape))
        for places in ((5, 2), (0, 2)):
            grid = RNG.uniform(-1.7, 1.7, (3, *places, *(1,) * (len(shape) - 2), len(shape)))
            if places[0]:
                grid.reshape(-1)[:3] = 1e9, 1.0, -1.0
            args = (x, grid, mode, padding, align)
            np.testing.assert_allclose(table.grid_sample(*args), composed_grid.grid_sample(table, *args), atol=1e-9)
            g = RNG.standard_normal((3, 2, *grid.shape[1:-1]))
            for needs in ((True, True), (True, False), (False, True)):
                ours = table.grid_sample_grad(g, *args, needs)
                theirs = composed_grid.grid_sample_grad(table, g, *args, needs)
                for a, b in zip(ours, theirs, strict=True):
                    assert (a is None) == (b is None)
                    if a is not None:
                        np.testing.assert_allclose(a, b, atol=1e-9)


def test_a_point_that_is_nan_is_no_zero():
    x, grid = lucid.ones(1, 1, 3, 3), lucid.tensor([[[[lucid.nan, 0.0], [0.0, 0.0]]]])
    assert F.grid_sample(x, grid, align_corners=True).isnan().tolist() == [[[[True, False]]]]


def test_distances_of_points_close_by():
    """Where products would cancel, differences are taken."""
    x = RNG.standard_normal((30, 5)).astype("f4")
    x[3], x[4] = x[7], x[8] * (1 + 1e-6)
    rows, columns = np.triu_indices(30, 1)
    wanted = np.sqrt(((x[rows].astype("f8") - x[columns]) ** 2).sum(1))
    found = lucid.pdist(lucid.tensor(x)).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert found[(rows == 3) & (columns == 7)] == 0
    np.testing.assert_allclose(F.pdist(lucid.tensor(x[:3])).numpy(), wanted[(columns < 3)], rtol=1e-5)
