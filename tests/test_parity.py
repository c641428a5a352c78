"""``lucid.testing.parity``: a planted wrong kernel is found, named, and reproduced by the script; nothing is left behind."""

import subprocess
import sys

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid import backends, nn
from lucid.core.op import OPS
from lucid.testing import ParityError, parity
from reference import needs_mlx

pytestmark = [needs_mlx, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def plant(monkeypatch):
    """Put a wrong kernel into MLX's table, as an op and for the rules; taken away at the end."""
    backend = backends.load("mlx")

    def forget(name):
        for kind in backend.array_types:
            OPS[name].kernels.pop(kind, None)

    planted = []

    def put(name, wrong):
        right = getattr(backend.table, name)
        monkeypatch.setattr(backend.table, name, lambda *a, **k: wrong(right(*a, **k)))
        forget(name)
        planted.append(name)

    yield put
    monkeypatch.undo()
    for name in planted:
        forget(name)


def model(device):
    lucid.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 3)).to(device)
    return net, lucid.tensor(np.random.default_rng(0).standard_normal((5, 4), np.float32), device=device)


def step(net, x):
    opt = lucid.optim.Adam(net.parameters(), lr=0.01)
    loss = F.cross_entropy(net(x), lucid.tensor([0, 1, 2, 0, 1], device=x.device))
    loss.backward()
    opt.step()
    return loss.item()


def test_right_programs_pass_and_get_the_same_numbers():
    expected = step(*model("mlx"))
    with parity("cpu"):
        assert step(*model("mlx")) == expected


def test_a_wrong_kernel_is_named_at_its_first_use(plant, tmp_path):
    plant("tanh", lambda y: y + 1e-2)
    x = lucid.tensor([0.5, -1.0, 2.0], device="mlx")
    x.tanh()  # nobody looks
    with pytest.raises(ParityError, match=r"parity: tanh: on 'mlx' it differs from 'cpu': 3 of 3 elements") as found:
        with parity("cpu", folder=tmp_path):
            (x.exp() * 2).tanh().sum()
    assert found.value.op == "tanh" and isinstance(found.value, AssertionError)
    x.tanh()  # the guard is gone


def test_the_script_fails_while_the_kernel_is_wrong_and_passes_once_it_is_right(plant, tmp_path):
    plant("sqrt", lambda y: y * 1.5)
    with pytest.raises(ParityError) as found, parity("cpu", folder=tmp_path):
        lucid.tensor([[1.0, 4.0]], device="mlx").sqrt()
    (path,) = tmp_path.iterdir()
    assert path.read_text() == found.value.script and str(path) in str(found.value)
    with pytest.raises(AssertionError, match="sqrt on 'mlx' differs from 'cpu'"):
        exec(compile(found.value.script, str(path), "exec"), {})
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True)  # there the kernel is right
    assert done.returncode == 0, done.stderr


def test_large_inputs_are_stored_beside_the_script(plant, tmp_path):
    plant("exp", lambda y: y * 2)
    with pytest.raises(ParityError) as found, parity("cpu", folder=tmp_path):
        lucid.ones(200, 200, device="mlx").exp()
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".npz", ".py"] and len(found.value.script) < 4000
    with pytest.raises(AssertionError, match="exp on 'mlx' differs"):
        exec(found.value.script, {})


def test_a_kernel_that_only_rules_call(plant, tmp_path):
    plant("relu_grad", lambda y: -y)
    x = lucid.tensor([1.0, -2.0], device="mlx", requires_grad=True)
    with pytest.raises(ParityError, match="parity: relu_grad: ") as found, parity("cpu", folder=tmp_path):
        x.relu().sum().backward()
    assert found.value.op == "relu_grad" and x.grad is None


def test_a_wrong_rule(tmp_path, monkeypatch):
    """A rule whose operators differ by backend: what the table cannot show."""
    op = OPS["square"]
    wrong = lambda xp, g, x: 2 * g * x * (1.5 if type(x).__module__.startswith("mlx") else 1)  # noqa: E731
    monkeypatch.setattr(op, "derivatives", (wrong,))
    monkeypatch.setattr(op, "step", None)
    x = lucid.tensor([1.0, -2.0], device="mlx", requires_grad=True)
    with pytest.raises(ParityError, match="parity: derivative 0 of square: ") as found, parity("cpu", folder=tmp_path):
        x.square().sum().backward()
    with pytest.raises(AssertionError, match="derivative of square"):
        exec(found.value.script, {})


def test_a_wrong_optimizer_step(monkeypatch, tmp_path):
    backend = type(backends.load("mlx"))
    right = backend.apply_update

    def wrong(self, rule, params, *rest):
        new, states = right(self, rule, params, *rest)
        return [p * 1.01 for p in new], states

    monkeypatch.setattr(backend, "apply_update", wrong)
    with pytest.raises(ParityError, match="parity: optimizer rule "), parity("cpu", folder=tmp_path):
        step(*model("mlx"))


@pytest.mark.parametrize("wrong, problem", [
    (lambda y: y.astype(type(y.dtype) and backends.load("mlx").native["float16"]), "dtype float16 for float32"),
    (lambda y: y[:1], r"shape \(1,\) for \(2,\)"),
    (lambda y: y * float("nan"), "2 of 2 elements"),
])  # fmt: skip
def test_what_counts_as_a_difference(plant, tmp_path, wrong, problem):
    plant("cos", wrong)
    with pytest.raises(ParityError, match=problem), parity("cpu", folder=tmp_path):
        lucid.tensor([1.0, 4.0], device="mlx").cos()


def test_nan_and_infinity_are_equal_to_themselves():
    x = lucid.tensor([np.nan, np.inf, -1.0, 0.0], device="mlx")
    with parity("cpu"):
        assert np.isnan(x.log().to("cpu").numpy()[[0, 2]]).all()


def test_tolerances(plant, tmp_path):
    plant("sin", lambda y: y + 1e-3)
    x = lucid.tensor([1.0, 2.0], device="mlx")
    with parity("cpu", atol=1e-2, rtol=0):
        x.sin()
    with pytest.raises(ParityError), parity("cpu", atol=1e-4, rtol=0, folder=tmp_path):
        x.sin()


def test_nothing_is_left_behind_and_blocks_do_not_nest():
    backend = backends.load("mlx")
    before = dict(vars(backend.table)), [(op.derivatives, op.joint, op.rules, op.step) for op in OPS.values()]
    with pytest.raises(RuntimeError, match="one block is open"), parity("cpu"):
        with parity("cpu"):
            pass
    assert before == (dict(vars(backend.table)), [(op.derivatives, op.joint, op.rules, op.step) for op in OPS.values()])
    assert "apply_update" not in vars(backend)


def test_tensors_on_the_reference_are_left_alone():
    with parity("cpu"):
        assert step(*model("cpu")) == step(*model("cpu"))


@pytest.mark.parametrize("kind", ["Adam", "SGD", "Muon"])
def test_the_script_of_an_optimizer_step_reproduces_it(kind, tmp_path):
    """Whole arguments of the step: parameters, gradients, states and numbers; once the kernel is right the script passes."""
    w = lucid.tensor([[1.0, -2.0], [0.5, 3.0]], device="mlx", requires_grad=True)
    opt = getattr(lucid.optim, kind)([w], lr=0.1)

    def closure():
        opt.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    opt.step(closure)
    module, name = {"Adam": ("adaptive", "adam"), "SGD": ("basic", "sgd"), "Muon": ("whole", "muon")}[kind]
    backend = backends.load("mlx")
    right = type(backend).apply_update

    def wrong(self, rule, params, grads, *rest):
        out, states = right(self, rule, params, grads, *rest)
        return [p + 0.25 for p in out], states

    type(backend).apply_update = wrong
    try:
        with pytest.raises(ParityError, match=f"optimizer rule {name}") as found, parity("cpu", folder=tmp_path):
            opt.step(closure)
        script = found.value.script
        assert f"replay_update('lucid.optim.rules.{module}:{name}'" in script and "print" not in script
        with pytest.raises(AssertionError, match=f"optimizer rule {name} on 'mlx' differs from 'cpu'"):
            exec(compile(script, "script", "exec"), {})
    finally:
        type(backend).apply_update = right
    exec(compile(script, "script", "exec"), {})  # the step is right again
