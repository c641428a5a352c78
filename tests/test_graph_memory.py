"""A graph is freed by reference count the moment the last tensor goes, however it was made and however deep it is."""

import gc
import weakref

import pytest

import lucid
from lucid.utils.checkpoint import checkpoint


class Cube(lucid.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        out = x**3
        ctx.save_for_backward(x, out)
        return out

    @staticmethod
    def backward(ctx, g):
        x, _ = ctx.saved_tensors
        return 3 * x**2 * g


def _hooked(x):
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g)
    return y.exp()


def _written(x):
    y = x * 2
    y[0] = 3.0
    y.mul_(x)
    return y[1:]


def _packed(x):
    with lucid.autograd.graph.saved_tensors_hooks(lambda t: t.clone(), lambda t: t):
        return (x.exp() * x).sin()


def _watched(x):
    with lucid.autograd.detect_anomaly():
        return (x.exp() * x).sin()


def _second_order(x):
    (g,) = lucid.autograd.grad((x.exp() * x).sum(), x, create_graph=True)
    return g


GRAPHS = {
    "chain": lambda x: (x.exp() * x).sin().sum(),
    "diamond": lambda x: (x * x + x.tanh()) * x,
    "several outputs": lambda x: x.sort().values,
    "Function": Cube.apply,
    "hooks": _hooked,
    "in place": _written,
    "saved_tensors_hooks": _packed,
    "detect_anomaly": _watched,
    "checkpoint": lambda x: checkpoint(lambda t: t.exp() * t, x),
    "reentrant checkpoint": lambda x: checkpoint(lambda t: t.exp() * t, x, use_reentrant=True),
    "create_graph": _second_order,
    "vmap": lambda x: lucid.vmap(lambda t: t.exp() * t)(x),
    "jvp": lambda x: lucid.func.jvp(lambda t: t.exp() * t, (x,), (x * 2,))[1],
    "vjp": lambda x: lucid.func.vjp(lambda t: t.exp() * t, x)[1](x)[0],
}


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("after_backward", [False, True])
def test_freed_with_the_last_reference(name, after_backward, no_collector):
    x = lucid.tensor([0.5, 1.5], requires_grad=True)
    out = GRAPHS[name](x)
    nodes = _nodes(out.node)
    assert nodes
    if after_backward:
        out.sum().backward()
    del out
    assert [n() for n in nodes if n() is not None and n() is not x.node] == []


def _nodes(node):
    from lucid.core.backward import gather

    return [weakref.ref(n) for n in gather([node])]


def test_saved_arrays_go_with_backward(no_collector):
    x = lucid.ones(3, requires_grad=True)
    y = x.exp()
    saved = weakref.ref(y.value)
    z = (y * y).sum()
    del y
    assert saved() is not None
    z.backward()
    assert saved() is None


def test_a_hundred_thousand_ops_run_backward_and_are_freed(no_collector):
    x = lucid.ones(1, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    node = weakref.ref(y.node)
    y.sum().backward()
    assert x.grad.item() == 1.0
    del y
    assert node() is None


def test_dropped_graphs_leave_nothing(no_collector):
    x = lucid.ones(4, requires_grad=True)
    kept = []
    for _ in range(30):
        y = (x.exp() * x).sum()
        kept.append(weakref.ref(y.node))
    del y
    assert all(k() is None for k in kept)
