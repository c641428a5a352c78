"""Hooks: on tensors, leaves, nodes, several gradients at once, saved values; and detect_anomaly."""

import warnings

import pytest

import lucid
from reference import needs_torch, torch

graph = lucid.autograd.graph


def _order(m):
    """Every kind of hook on one small graph: when each is called, with what."""
    log = []
    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    z = (y * y).sum()
    y.register_hook(lambda g: log.append(("first on y", g.tolist())))
    y.register_hook(lambda g: g * 2)
    y.retain_grad()
    y.register_hook(lambda g: log.append(("third on y", g.tolist())))
    y.grad_fn.register_prehook(lambda gs: log.append(("before y's node", gs[0].tolist())))
    y.grad_fn.register_hook(lambda gi, go: log.append(("after y's node", gi[0].tolist(), go[0].tolist())))
    x.register_hook(lambda g: log.append(("on x", g.tolist(), x.grad is None)) or g + 1)
    x.register_post_accumulate_grad_hook(lambda p: log.append(("x has it", p.grad.tolist())))
    z.backward()
    return log, y.grad.tolist(), x.grad.tolist()


def _replaced_by_node_hooks(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = x.exp()
    y.grad_fn.register_prehook(lambda gs: (gs[0] * 2,))
    y.grad_fn.register_hook(lambda gi, go: (gi[0] * 10,))
    y.sum().backward()
    return [round(v, 4) for v in x.grad.tolist()]


def _removed(m):
    x = m.tensor([1.0], requires_grad=True)
    handle = x.register_hook(lambda g: g * 100)
    handle.remove()
    handle.remove()
    (x * 2).backward()
    return [round(v, 4) for v in x.grad.tolist()]


def _diamond_calls_once(m):
    calls = []
    x = m.tensor([1.0], requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: calls.append(g.item()))
    (y * y + y).backward()
    return calls


def _on_outputs_of_one_node(m):
    log = []
    x = m.tensor([[3.0, 1.0, 2.0]], requires_grad=True)
    top = x.max(1)
    top.values.register_hook(lambda g: log.append(g.tolist()) or g * 5)
    (top.values * 2).sum().backward()
    return log, x.grad.tolist()


def _optimizer_in_backward(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)

    def step(p):
        with m.no_grad():
            p.sub_(0.1 * p.grad)
        p.grad = None

    x.register_post_accumulate_grad_hook(step)
    (x * x).sum().backward()
    return [round(v, 5) for v in x.tolist()], x.grad is None


def _multi(m):
    log = []
    x, y = (m.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    g = m.autograd.graph
    both = g.register_multi_grad_hook([x, y], lambda gs: log.append([None if v is None else v.tolist() for v in gs]))
    first = g.register_multi_grad_hook([x, y], lambda v: log.append(v.tolist()), mode="any")
    (x * y).sum().backward()
    (x * 2).sum().backward()
    both.remove()
    first.remove()
    (x * y).sum().backward()
    return sorted(map(str, log))


PROGRAMS = [
    _order,
    _replaced_by_node_hooks,
    _removed,
    _diamond_calls_once,
    _on_outputs_of_one_node,
    _optimizer_in_backward,
    _multi,
]


@needs_torch
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__.strip("_"))
def test_program_agrees_with_torch(program):
    assert program(lucid) == program(torch)


def test_a_hook_that_returns_nonsense():
    x = lucid.ones(2, requires_grad=True)
    handle = x.register_hook(lambda g: 3)
    with pytest.raises(TypeError, match="Tensor"):
        (x * 2).sum().backward()
    handle.remove()
    x.register_hook(lambda g: g[:1])
    with pytest.raises(RuntimeError, match="size"):
        (x * 2).sum().backward()


def test_saved_tensors_go_through_the_hooks():
    packed, unpacked = [], []
    x = lucid.tensor([1.0, 2.0], requires_grad=True)

    def pack(t):
        packed.append(t.tolist())
        return t.tolist()

    def unpack(values):
        unpacked.append(values)
        return lucid.tensor(values)

    with graph.saved_tensors_hooks(pack, unpack):
        y = (x.exp() * x).sum()
    y.backward()
    assert len(packed) == len(unpacked) == 3
    assert lucid.allclose(x.grad, (x.exp() * (x + 1)).detach())
    (g,) = lucid.autograd.grad(_under(pack, unpack, x), x, create_graph=True)
    (h,) = lucid.autograd.grad(g.sum(), x)
    assert lucid.allclose(h, (6 * x).detach())
    with graph.saved_tensors_hooks(pack, lambda v: v):
        y = (x * x).sum()
    with pytest.raises(TypeError, match="unpack_hook"):
        y.backward()
    with (
        graph.disable_saved_tensors_hooks("not now"),
        pytest.raises(RuntimeError, match="not now"),
        graph.save_on_cpu(),
    ):
        pass


def _under(pack, unpack, x):
    with graph.saved_tensors_hooks(pack, unpack):
        return (x * x * x).sum()


def test_save_on_cpu_and_mutation():
    x = lucid.tensor([1.0, 2.0], requires_grad=True)
    with graph.save_on_cpu():
        y = (x * x).sum()
    y.backward()
    assert x.grad.tolist() == [2.0, 4.0]
    with graph.allow_mutation_on_saved_tensors():
        z = x * 1
        y = (z * z).sum()
        z.add_(5)
        y.backward()
    assert x.grad.tolist() == [4.0, 8.0]


def test_anomaly_names_the_forward_line_and_the_values():
    x = lucid.tensor([0.0, 1.0], requires_grad=True)
    with lucid.autograd.detect_anomaly():
        y = (x.sqrt() * 0).sum()  # the line to be named
        with pytest.raises(RuntimeError) as error:
            y.backward()
    text = str(error.value)
    assert "Function 'SqrtBackward0' returned nan values in its 0th output" in text
    assert "the line to be named" in text
    assert "min 0, max 1" in text
    (x.sqrt() * 0).sum().backward()  # off again: nan, as in PyTorch
    assert x.grad.isnan().any()


def test_anomaly_only_around_backward_and_switched():
    x = lucid.tensor([0.0], requires_grad=True)
    y = (x.sqrt() * 0).sum()
    with (
        lucid.autograd.detect_anomaly(),
        pytest.warns(UserWarning, match="forward pass"),
        pytest.raises(RuntimeError, match="nan"),
    ):
        y.backward()
    with lucid.autograd.set_detect_anomaly(True):
        assert lucid.autograd.is_anomaly_enabled()
        with lucid.autograd.set_detect_anomaly(False):
            assert not lucid.autograd.is_anomaly_enabled()
            (x.sqrt() * 0).sum().backward()
    assert not lucid.autograd.is_anomaly_enabled()
    with lucid.autograd.detect_anomaly(check_nan=False), warnings.catch_warnings():
        warnings.simplefilter("error")
        (x.sqrt() * 0).sum().backward()


def test_global_hooks_live_in_the_module_that_programs_rebind(monkeypatch):
    home, calls = lucid.nn.modules.module, []
    layer = lucid.nn.ReLU()
    home._global_forward_hooks["mine"] = lambda *_: calls.append("put")
    try:
        layer(lucid.ones(1))
    finally:
        del home._global_forward_hooks["mine"]
    monkeypatch.setattr(home, "_global_forward_hooks", {})
    home.register_module_forward_hook(lambda *_: calls.append("forgotten"))
    monkeypatch.setattr(home, "_global_forward_hooks", {})
    layer(lucid.ones(1))
    assert calls == ["put"]


def test_a_removed_hook_leaves_no_flags():
    home, layer = lucid.nn.modules.module, lucid.nn.ReLU()
    for handle, flags in (
        (layer.register_forward_hook(print, with_kwargs=True, always_call=True), layer._forward_hooks_always_called),
        (layer.register_forward_pre_hook(print, with_kwargs=True), layer._forward_pre_hooks_with_kwargs),
        (home.register_module_forward_hook(print, always_call=True), home._global_forward_hooks_always_called),
    ):
        assert len(flags) == 1
        handle.remove()
        assert not flags and not layer._forward_hooks_with_kwargs


def test_a_backward_hook_may_return_the_nones_it_got():
    layer, seen = lucid.nn.Linear(3, 2), []
    layer.register_full_backward_hook(lambda m, grads, _: seen.append(grads) or grads)
    layer(lucid.ones(1, 3)).sum().backward()
    assert seen == [(None,)]
