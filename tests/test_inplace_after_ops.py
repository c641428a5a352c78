"""In-place ops right after an op: allowed exactly where PyTorch allows it, with PyTorch's gradients."""

import numpy
import pytest

import lucid
from reference import needs_torch, torch

X = [[0.5, -1.0, 2.0, 0.25], [1.5, 0.75, -0.5, 1.0]]
FIRST = {
    "div": lambda L, x: x / (x * x + 1),
    "mul": lambda L, x: x * x,
    "add": lambda L, x: x + 1,
    "exp": lambda L, x: x.exp(),
    "tanh": lambda L, x: x.tanh(),
    "sigmoid": lambda L, x: x.sigmoid(),
    "sqrt": lambda L, x: (x * x + 1).sqrt(),
    "sin": lambda L, x: x.sin(),
    "relu": lambda L, x: x.relu(),
    "softmax": lambda L, x: x.softmax(1),
    "layer_norm": lambda L, x: L.nn.functional.layer_norm(x, (4,)),
    "batch_norm": lambda L, x: L.nn.functional.batch_norm(x, None, None, L.ones(4), L.zeros(4), True),
    "max_pool": lambda L, x: L.nn.functional.max_pool1d(x, 2),
    "linear": lambda L, x: L.nn.functional.linear(x, L.ones(3, 4), L.ones(3)),
    "conv": lambda L, x: L.nn.functional.conv1d(x, L.ones(2, 2, 2)),
    "gelu": lambda L, x: L.nn.functional.gelu(x),
    "silu": lambda L, x: L.nn.functional.silu(x),
    "leaky_relu": lambda L, x: L.nn.functional.leaky_relu(x),
    "elu": lambda L, x: L.nn.functional.elu(x),
    "log_softmax": lambda L, x: x.log_softmax(1),
    "cross_entropy": lambda L, x: L.nn.functional.cross_entropy(x, L.tensor([1, 2]), reduction="none"),
    "matmul": lambda L, x: x @ x.T,
    "clamp": lambda L, x: x.clamp(-0.7, 0.7),
    "where": lambda L, x: L.where(x > 0, x, -x),
    "cat": lambda L, x: L.cat([x, x]),
    "mean": lambda L, x: x.mean(1),
    "pow": lambda L, x: x**3,
    "abs": lambda L, x: x.abs(),
    "var": lambda L, x: x.var(1),
    "logsumexp": lambda L, x: x.logsumexp(1),
    "attention": lambda L, x: L.nn.functional.scaled_dot_product_attention(x, x, x),
    "dropout": lambda L, x: L.nn.functional.dropout(x, 0.0),
    "embedding": lambda L, x: L.nn.functional.embedding(L.tensor([1, 0]), x),
    "view": lambda L, x: (x * 1).view(4, 2),
}
THEN = {
    "add_": lambda y: y.add_(1),
    "mul_": lambda y: y.mul_(2),
    "relu_": lambda y: y.relu_(),
    "write": lambda y: y.__setitem__(0, 0.0),
}


def run(L, first, then):
    x = L.tensor(X, requires_grad=True)
    y = FIRST[first](L, x)
    try:
        THEN[then](y)
        (y * y).sum().backward()
    except RuntimeError:
        return "refused"
    return x.grad.tolist()


@needs_torch
@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("then", THEN)
def test_as_torch(first, then):
    ours, theirs = run(lucid, first, then), run(torch, first, then)
    assert (ours == "refused") == (theirs == "refused"), f"lucid: {ours}, torch: {theirs}"
    if theirs != "refused":
        for a, b in zip(ours, theirs, strict=True):
            assert a == pytest.approx(b, rel=1e-4, abs=1e-5)


def test_only_memory_that_somebody_else_holds_is_remembered():
    from lucid.core import mutation

    alone, before = lucid.ones(3), mutation.latest()
    alone.add_(1).copy_(lucid.zeros(3))
    alone += 1.0
    assert mutation.latest() == before and alone._version == 3 and alone.tolist() == [1, 1, 1]
    x = lucid.ones(3, requires_grad=True)
    y = x * alone
    alone.mul_(2)
    assert mutation.latest() > before
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        y.sum().backward()


@pytest.mark.filterwarnings("error")
def test_in_place_on_odd_memory():
    x = lucid.tensor([1e38, 1.0])
    x.mul_(lucid.tensor([1e38, 2.0]))  # NumPy warns; the product is there once
    assert x.tolist() == [float("inf"), 2]
    fixed = numpy.ones(3)
    fixed.setflags(write=False)
    with pytest.raises(RuntimeError):
        lucid.as_tensor(fixed).add_(1.0)
    with pytest.raises(RuntimeError):
        lucid.tensor([True]).sub_(lucid.tensor([True]))
