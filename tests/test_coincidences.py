"""Sizes, layouts and caches that by chance look like a special case: fast ways must not take them for it."""

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from reference import needs_torch, torch

RNG = np.random.default_rng(0)


@needs_torch
@pytest.mark.parametrize(
    "mask", [(8, 1, 1, 8), (1, 8, 1, 8), (8, 1, 8), (1, 1, 8, 8), (8, 1, 8, 1), (8, 1, 8, 8), (8,)]
)
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


def _two_steps(library, optimizer, make):
    params = make(library)
    opt = getattr(library.optim, optimizer)(params, lr=0.1)
    for _ in range(2):
        opt.zero_grad()
        sum((p * (i + 1)).sum() for i, p in enumerate(params)).backward()
        opt.step()
    return params


@needs_torch
@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
@pytest.mark.parametrize("shared", ["whole", "part"])
def test_parameters_that_share_memory_are_updated_in_turn(optimizer, shared):
    """Weights tied by their data: small parameters are gathered into one run, where the last one would win."""

    def make(library):
        base = library.ones(6)
        a, b = (base, base) if shared == "whole" else (base[:4], base[2:])
        return [library.nn.Parameter(a), library.nn.Parameter(library.ones(3)), library.nn.Parameter(b)]

    for p, q in zip(_two_steps(lucid, optimizer, make), _two_steps(torch, optimizer, make), strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-5)


def test_a_gradient_that_a_graph_saved_is_added_to():
    """Adding to ``p.grad`` is writing to it: a graph that saved it says so, instead of giving a wrong gradient."""
    w, p = lucid.tensor([1.0, 2.0], requires_grad=True), lucid.tensor([3.0, 4.0], requires_grad=True)
    (p * 2).sum().backward()
    loss = (p.grad * w).sum()
    (p * 2).sum().backward()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
    loss = (p.grad * w).sum()
    loss.backward()
    np.testing.assert_array_equal(w.grad.numpy(), [4.0, 4.0])


@needs_torch
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("norm", ["layer_norm", "group_norm", "instance_norm", "batch_norm"])
def test_norms_of_large_float16(norm, affine):
    """The variance of numbers above 256 is no float16; the gradient needs it."""
    x, g = 1000 * RNG.normal(size=(4, 16, 3)), RNG.normal(size=(4, 16, 3))
    weights = [RNG.normal(size=3 if norm == "layer_norm" else 16) for _ in range(2 * affine)]
    first = {"layer_norm": ((3,),), "group_norm": (2,), "batch_norm": (None, None), "instance_norm": (None, None)}[norm]
    grads = []
    for library, dtype in ((lucid, lucid.float16), (torch, torch.float64)):
        t, *wb, to = (library.tensor(np.float16(a)).to(dtype) for a in (x, *weights, g))
        t.requires_grad_()
        f = getattr(library.nn.functional, norm)
        y = f(t, *first, *wb, **({"training": True} if norm == "batch_norm" else {}))
        assert y.dtype == dtype
        y.backward(to)
        grads.append(t.grad.double().numpy())
    np.testing.assert_allclose(*grads, atol=0.03 * np.abs(grads[1]).max())
