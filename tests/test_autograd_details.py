"""Corners of autograd that programs written for PyTorch stand on."""

import pytest

import lucid
from lucid.utils.checkpoint import checkpoint, set_checkpoint_early_stop


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_checkpoint_is_computed_again_in_the_precision_of_its_first_run(reentrant):
    x, y = (lucid.randn(3, 3, requires_grad=True) for _ in range(2))
    seen = []

    def f(a, b):
        z = a @ b
        seen.append(z.dtype)
        return z.float().sin()

    with lucid.autocast("cpu", dtype=lucid.bfloat16):
        expected = lucid.autograd.grad(f(x, y).sum(), [x, y])
        narrow = checkpoint(f, x, y, use_reentrant=reentrant)
    wide = checkpoint(f, x, y, use_reentrant=reentrant)
    seen.clear()
    narrow.sum().backward()
    assert seen == [lucid.bfloat16]
    assert all(lucid.equal(g, t.grad) for g, t in zip(expected, (x, y), strict=True))
    with lucid.autocast("cpu", dtype=lucid.bfloat16):
        wide.sum().backward()
    assert seen == [lucid.bfloat16, lucid.float32]


@pytest.mark.parametrize("early", [True, False])
def test_set_checkpoint_early_stop(early):
    steps = []

    def f(x):
        y = x.sin()
        steps.append("after sin")
        return y.sum()

    with set_checkpoint_early_stop(early):
        out = checkpoint(f, lucid.ones(2, requires_grad=True), use_reentrant=False, early_stop=not early)
    steps.clear()
    out.backward()
    assert steps == ([] if early else ["after sin"])
