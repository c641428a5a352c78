"""Sizes, layouts and caches that by chance look like a special case: fast ways must not take them for it."""

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from reference import needs_torch, torch

RNG = np.random.default_rng(0)


@needs_torch
@pytest.mark.parametrize("mask", [(8, 1, 1, 8), (1, 8, 1, 8), (8, 1, 8), (1, 1, 8, 8), (8, 1, 8, 1), (8, 1, 8, 8), (8,)])
def test_attention_with_as_many_rows_as_heads(mask):
    """A mask with a row for each image or head has as many rows as one with a row for each query."""
    arrays = [RNG.normal(size=(8, 8, 8, 4)) for _ in range(3)] + [RNG.normal(size=mask)]
    ours, theirs = ([library.tensor(a).requires_grad_() for a in arrays] for library in (lucid, torch))
    a = F.scaled_dot_product_attention(*ours)
    b = torch.nn.functional.scaled_dot_product_attention(*theirs)
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-10, atol=1e-12)
    a.square().sum().backward()
    b.square().sum().backward()
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-9, atol=1e-11)
