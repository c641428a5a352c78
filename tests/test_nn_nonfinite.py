"""NaN and infinity in networks: they reach what depends on them, and nothing else."""

import numpy as np
import pytest

import lucid
from reference import needs_torch, torch

RNG = np.random.default_rng(0)
SPREADING = [  # computed as products with matrices that hold zeros
    ("conv2d", (2, 4, 6, 7), lambda F, x, t: F.conv2d(x, t((3, 4, 3, 3)), padding=1)),
    ("conv1d", (2, 4, 7), lambda F, x, t: F.conv1d(x, t((4, 4, 4)), padding="same")),
    ("conv_transpose2d", (2, 4, 5, 6), lambda F, x, t: F.conv_transpose2d(x, t((4, 2, 3, 3)), stride=(2, 1))),
    ("adaptive_avg_pool2d", (2, 3, 7, 9), lambda F, x, t: F.adaptive_avg_pool2d(x, (3, 4))),
    ("bilinear", (2, 3, 5, 6), lambda F, x, t: F.interpolate(x, size=(8, 7), mode="bilinear")),
    ("bicubic", (2, 3, 7, 8), lambda F, x, t: F.interpolate(x, size=(11, 13), mode="bicubic")),
    ("antialias", (2, 3, 9, 8), lambda F, x, t: F.interpolate(x, size=(4, 5), mode="bilinear", antialias=True)),
    ("area", (2, 3, 7, 8), lambda F, x, t: F.interpolate(x, size=(4, 5), mode="area")),
    ("local_response_norm", (2, 5, 4), lambda F, x, t: F.local_response_norm(x, 3)),
]


@needs_torch
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name,shape,f", SPREADING, ids=[row[0] for row in SPREADING])
def test_one_bad_pixel_reaches_its_neighbours_alone(name, shape, f, bad):
    x = RNG.normal(size=shape)
    x[tuple(n // 2 for n in shape)] = bad
    weights = {}

    def made(t):
        return lambda size: t(weights.setdefault(size, RNG.normal(size=size)))

    got = f(lucid.nn.functional, lucid.tensor(x), made(lucid.tensor)).numpy()
    wanted = f(torch.nn.functional, torch.tensor(x), made(torch.tensor)).numpy()
    assert 0 < np.isfinite(wanted).sum() < wanted.size
    np.testing.assert_allclose(got, wanted, rtol=1e-9)


LOSSES = [
    ("margin_ranking_loss", lambda F, x, y, s: F.margin_ranking_loss(x, y, s, margin=1.0, reduction="none")),
    ("triplet_margin_loss", lambda F, x, y, s: F.triplet_margin_loss(x, y, s, reduction="none")),
    ("triplet_swap", lambda F, x, y, s: F.triplet_margin_with_distance_loss(x, y, s, swap=True, reduction="none")),
    ("cosine_embedding_loss", lambda F, x, y, s: F.cosine_embedding_loss(x, y, s[:, 0], reduction="none")),
    ("hinge_embedding_loss", lambda F, x, y, s: F.hinge_embedding_loss(x, s, reduction="none")),
]


@needs_torch
@pytest.mark.parametrize("name,f", LOSSES, ids=[row[0] for row in LOSSES])
def test_margin_losses_of_nan_are_nan(name, f):
    x = np.array([[1.0, np.nan, -2.0], [np.nan, 0.5, 3.0], [1.0, 2.0, 3.0]])
    y = np.array([[1.0, 2.0, -1.0], [0.5, -1.0, 3.0], [0.0, 1.0, np.nan]])
    s = np.array([[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, -1.0]])
    xl, xt = lucid.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    got = f(lucid.nn.functional, xl, lucid.tensor(y), lucid.tensor(s))
    wanted = f(torch.nn.functional, xt, torch.tensor(y), torch.tensor(s))
    assert np.isnan(wanted.detach().numpy()).any()
    np.testing.assert_allclose(got.detach().numpy(), wanted.detach().numpy(), rtol=1e-9)
    got.sum().backward()
    wanted.sum().backward()
    np.testing.assert_allclose(xl.grad.numpy(), xt.grad.numpy(), rtol=1e-7, atol=1e-12)
