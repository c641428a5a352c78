"""Attention without the weights kept: dropout drawn as bits, held as bits."""

import math
import tracemalloc

import numpy as np
import pytest

import lucid

F = lucid.nn.functional


def plainly(q, k, v, mask, p, causal=False):
    """The same from single operations, with the same random numbers."""
    scores = q @ k.mT * (1 / math.sqrt(q.shape[-1]))
    if causal:
        mask = lucid.ones(*scores.shape[-2:], dtype=bool).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype is lucid.bool else scores + mask
    weights = lucid.softmax(scores, -1)
    return weights * (lucid.rand(*weights.shape) >= p) / (1 - p) @ v


CASES = {
    "one head": ((1, 4), {}),
    "heads": ((2, 3, 5, 4), {}),
    "causal": ((2, 5, 4), {"is_causal": True}),
    "boolean mask": ((2, 5, 4), {"attn_mask": np.tri(5, k=1, dtype=bool)}),
    "added mask": ((2, 5, 4), {"attn_mask": np.linspace(-1, 1, 25).reshape(5, 5)}),
    "in blocks": ((2, 600, 8), {"is_causal": True}),
}


@pytest.mark.parametrize("name", CASES)
def test_dropout_is_that_of_the_weights(name):
    shape, options = CASES[name]
    rng = np.random.default_rng(0)
    inputs = [lucid.tensor(rng.standard_normal(shape), requires_grad=True) for _ in range(3)]
    mask = options.get("attn_mask")
    if mask is not None:
        mask = lucid.tensor(mask, requires_grad=mask.dtype == float)
        options = {"attn_mask": mask}
        inputs += [mask] * mask.requires_grad
    found = []
    for attend in (
        lambda: F.scaled_dot_product_attention(*inputs[:3], dropout_p=0.3, **options),
        lambda: plainly(*inputs[:3], mask, 0.3, "is_causal" in options),
    ):
        lucid.manual_seed(1)
        out = attend()
        small = math.prod(shape) < 200
        grads = lucid.autograd.grad(out.square().sum(), inputs, create_graph=small)
        second = lucid.autograd.grad(sum(g.square().sum() for g in grads), inputs) if small else ()
        found.append([t.detach().numpy() for t in (out, *grads, *second)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


def test_dropout_keeps_bits_for_backward():
    q = lucid.ones(1, 1024, 8, requires_grad=True)
    F.scaled_dot_product_attention(q, q, q, dropout_p=0.1)  # what is made once
    tracemalloc.start()
    out = F.scaled_dot_product_attention(q, q, q, dropout_p=0.1)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert 1024 * 1024 / 8 < held < 1024 * 1024  # of one weight's four bytes, an eighth of one
    out.sum().backward()
    assert q.grad is not None


def test_dropout_of_all_and_of_nothing():
    q = lucid.randn(2, 3, 4)
    assert (F.scaled_dot_product_attention(q, q, q, dropout_p=1.0) == 0).all()
    assert F.scaled_dot_product_attention(q[:0], q[:0], q[:0], dropout_p=0.5).shape == (0, 3, 4)
    assert F.scaled_dot_product_attention(q.half(), q.half(), q.half(), dropout_p=0.5).dtype is lucid.float16
    mean = sum(F.scaled_dot_product_attention(q, q, q, dropout_p=0.5) for _ in range(4000)) / 4000
    np.testing.assert_allclose(mean, F.scaled_dot_product_attention(q, q, q), atol=0.1)
    with pytest.raises(RuntimeError, match="between 0 and 1"):
        F.scaled_dot_product_attention(q, q, q, dropout_p=1.5)
