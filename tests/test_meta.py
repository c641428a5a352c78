"""The device "meta": shapes and dtypes without memory, for every op of the table as on the CPU."""

import copy

import pytest

import lucid
import lucid.nn as nn
from lucid.core import dtypes
from lucid.testing.checks import _differentiable, _inputs, _prepared
from test_ops import TABLE

# The size of the result depends on values.
REFUSED = {"masked_scatter"}


@pytest.mark.parametrize("row", [row for row in TABLE if row.name not in REFUSED], ids=str)
def test_results_and_gradients_are_like_those_of_the_cpu(row):
    drawn = _inputs(row, dtypes.float32, 1)
    given = _prepared(row, drawn)
    wanted = _differentiable(row, drawn) if row.orders else []

    def run(device):
        inputs = [x.detach().to(device).requires_grad_(i in wanted) for i, x in enumerate(given)]
        out = row.op.call(inputs, *row.params) if row.variadic else row.op.call(*inputs, *row.params)
        outs = [o for o in (out if isinstance(out, tuple) else (out,)) if o is not None]
        for o in outs:
            if o.requires_grad:
                o.backward(lucid.ones_like(o), retain_graph=True)
        return [(tuple(t.shape), t.dtype, t.device.type) for t in (*outs, *(x.grad for x in inputs)) if t is not None]

    assert run("meta") == [(shape, dtype, "meta") for shape, dtype, _ in run("cpu")]


def test_a_model_too_large_for_memory_is_built_and_run():
    with lucid.device("meta"):
        model = nn.Sequential(nn.Linear(1_000_000, 1_000_000), nn.ReLU(), nn.Dropout(), nn.Linear(1_000_000, 10))
        out = model(lucid.randn(1_000_000, 1_000_000))
    assert sum(p.numel() for p in model.parameters()) == 1_000_011_000_010
    assert out.shape == (1_000_000, 10) and out.is_meta and out.data_ptr() == 0
    out.sum().backward()
    assert model[0].weight.grad.shape == (1_000_000, 1_000_000)
    lucid.optim.Adam(model.parameters()).step()
    assert copy.deepcopy(model)[0].weight.is_meta


def test_a_state_dict_is_taken_over():
    source = nn.Linear(3, 2)
    model = nn.Linear(3, 2, device="meta")
    with pytest.warns(UserWarning, match="copying from a non-meta parameter .* is a no-op|which is a no-op"):
        model.load_state_dict(source.state_dict())
    assert model.weight.is_meta
    model.load_state_dict(source.state_dict(), assign=True)
    assert lucid.equal(model.weight, source.weight) and isinstance(model.weight, nn.Parameter)
    assert model.weight.requires_grad


def test_memory_comes_with_to_empty():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).to("meta").to_empty(device="cpu")
    assert {t.device.type for t in (*model.parameters(), *model.buffers())} == {"cpu"}


def test_it_prints_without_contents():
    x = lucid.empty(2, 3, device="meta")  # these lines are PyTorch 2.13's
    assert repr(x) == "tensor(..., device='meta', size=(2, 3))"
    assert (
        repr(lucid.zeros(2, dtype=lucid.int64, device="meta"))
        == "tensor(..., device='meta', size=(2,), dtype=lucid.int64)"
    )
    assert repr(x.requires_grad_() * 2) == "tensor(..., device='meta', size=(2, 3), grad_fn=<MulBackward0>)"


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x.to("cpu"), lambda x: x.tolist(), lambda x: x.sum().item(), lambda x: bool(x.sum()),
        lambda x: lucid.ones(3).copy_(x), lambda x: x.nonzero(), lambda x: x[x > 0], lambda x: lucid.unique(x),
        lambda x: nn.Linear(2, 2, device="meta").cpu(),
    ],
)  # fmt: skip
def test_values_are_refused(use):
    with pytest.raises(NotImplementedError, match=r"no data|depends on values"):
        use(lucid.empty(3, device="meta"))


def test_devices_do_not_mix():
    with pytest.raises(RuntimeError, match="same device"):
        lucid.ones(3, device="meta") + lucid.ones(3)
    assert (lucid.ones(3, device="meta") + lucid.tensor(2.0)).is_meta
    with pytest.raises(RuntimeError):
        lucid.ones(3, device="meta") @ lucid.ones(4, device="meta")
