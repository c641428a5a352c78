"""The tables of ops, layers, optimizers and schedules on every device, against cpu; and two models, trained on all of them.

"mlx" is MLX (its CPU build, or the Apple GPU); "cuda" is a real GPU where there is one, and else lucid's own CuPy backend on
the imitation of CuPy in ``lucid.testing.strict``, which refuses what a GPU refuses (the fixtures are in conftest.py).
"""

import copy

import numpy as np
import pytest

import lucid
from lucid import backends, nn
from lucid.testing import check_device, parity
from nn_table import HEAVY, LAYERS, OWN, label
from small_models import trained
from test_lr_scheduler import SCHEDULES
from test_ops import TABLE
from test_optim_all import CLOSURE, CONFIGS, make, rosenbrock, shapes, train

pytestmark = pytest.mark.filterwarnings("ignore")


def host(x):
    return x.detach().to("cpu").numpy()


def on(device, data, grad=False):
    return lucid.tensor(data, device=device).requires_grad_(grad)


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_op_on_cuda(cuda, row):
    """On MLX: test_ops.py."""
    check_device(row, cuda)


# ---- layers ----


def made(spec, rng):
    kind = spec[0] if spec and isinstance(spec[0], str) else "normal"
    if kind == "ints":
        return rng.integers(spec[1], spec[2], spec[3])
    if kind == "signs":
        return rng.choice([-1.0, 1.0], spec[1]).astype(np.float32)
    return np.asarray(rng.uniform(0.05, 0.95, spec[1]) if kind == "unit" else rng.standard_normal(spec), np.float32)


def passed_through(case, device, start, read=host):
    """Output, gradients and buffers of one layer on one device, as host arrays (or what ``read`` makes of them) with their dtypes."""
    name, args, kwargs, specs, training = case
    rng = np.random.default_rng(1)
    arrays = [made(s, rng) for s in specs]
    given = {k: lucid.tensor(v[1]) if isinstance(v, tuple) and v[:1] == ("tensor",) else v for k, v in kwargs.items()}
    lucid.manual_seed(0)
    model = getattr(nn, name)(*args, **given)
    if name.startswith("Lazy"):
        model.eval()(*[lucid.tensor(a) for a in arrays])
    if start is not None:
        model.load_state_dict(start)
    start = copy.deepcopy(model.state_dict())
    model.to(device).train(training)
    inputs = [on(device, a, bool(a.dtype.kind == "f" and a.size and not (abs(a) == 1).all())) for a in arrays]
    out = model(*([x.clone() for x in inputs] if kwargs.get("inplace") else inputs))
    first = out[0] if isinstance(out, tuple) else out
    assert first.device.type == device
    if first.requires_grad:
        weights = np.random.default_rng(5).standard_normal(tuple(first.shape)).astype(np.float32)
        (first * on(device, weights)).sum().backward()
    tensors = [first, *(x.grad for x in inputs), *(p.grad for p in model.parameters()), *model.buffers()]
    assert all(t is None or t.device.type == device for t in tensors)
    return [None if t is None else (str(t.dtype), read(t)) for t in tensors], start


def looks_at_values(case):
    """The average of all batches, and variances below zero: PyTorch refuses "meta" there too."""
    name, _, kwargs, *_ = case
    return ("momentum" in kwargs and kwargs["momentum"] is None) or name == "GaussianNLLLoss"


@pytest.mark.parametrize("case", [*LAYERS, *HEAVY, *OWN], ids=label)
def test_layer_without_memory(case):
    def shape(t):
        return tuple(t.shape)

    if looks_at_values(case):
        with pytest.raises(NotImplementedError, match=r"no data|depends on values"):
            passed_through(case, "meta", None, shape)
        return
    assert passed_through(case, "meta", None, shape)[0] == passed_through(case, "cpu", None, shape)[0]


@pytest.mark.parametrize("case", [*LAYERS, *HEAVY, *OWN], ids=label)
def test_layer(device, case):
    expected, start = passed_through(case, "cpu", None)
    ours, _ = passed_through(case, device, start)
    for a, b in zip(ours, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert a[0] == b[0]
            np.testing.assert_allclose(a[1], b[1], rtol=1e-4, atol=1e-5)


# ---- optimizers and schedules ----


# Where a step hangs on eigenvectors of a nearly singular matrix, the last bits of float32 decide: compared in float64.
SENSITIVE = ("Muon", "Shampoo", "SOAP", "LBFGS")


def optimized(name, device, dtype="float32"):
    rng = np.random.default_rng(1)
    params = [on(device, (rng.standard_normal(s) / 2).astype(dtype), True) for s in shapes(name)]
    opt = make(name, params)
    losses = train(name, opt, params, 4 if name in CLOSURE else 8, rosenbrock)
    states = [{k: host(v) for k, v in opt.state[p].items() if isinstance(v, lucid.Tensor)} for p in params]
    return [host(v) for v in (*losses, *params)], states, opt


@pytest.mark.parametrize("name", CONFIGS)
def test_optimizer(device, name):
    """Losses, parameters and states of a short run."""
    dtype = "float64" if name in SENSITIVE else "float32"
    if dtype == "float64" and not backends.load(device).caps.float64:
        pytest.skip(f"{name} is compared in float64, which this device lacks")
    ours, theirs = optimized(name, device, dtype), optimized(name, "cpu", dtype)
    for a, b in zip(ours[0], theirs[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    for a, b in zip(ours[1], theirs[1], strict=True):
        assert a.keys() == b.keys()
        for key in a if name not in SENSITIVE else ():  # eigenvectors have no sign
            np.testing.assert_allclose(a[key], b[key], rtol=1e-3, atol=1e-4, err_msg=key)


@pytest.mark.parametrize("name", CONFIGS)
def test_optimizer_state_is_saved_and_moves(device, name):
    """A run that was saved on one device goes on on another."""
    _, _, opt = optimized(name, device)
    saved = opt.state_dict()
    _, _, other = optimized(name, "cpu")
    other.load_state_dict(saved)
    for p in other.param_groups[0]["params"]:
        assert all(v.device.type == "cpu" for v in other.state[p].values() if isinstance(v, lucid.Tensor) and v.ndim)


# Schedules that torch has not, or that look at the loss.
SCHEDULES_OF_OUR_OWN = {
    "NoamScheduler": lambda s, o: s.NoamScheduler(o, 8, 4),
    "WSDLR": lambda s, o: s.WSDLR(o, 3, 4, 5),
    "InverseSqrtLR": lambda s, o: s.InverseSqrtLR(o, 4),
    "ReduceLROnPlateau": lambda s, o: s.ReduceLROnPlateau(o, patience=1),
}


@pytest.mark.parametrize("name", [*SCHEDULES, *SCHEDULES_OF_OUR_OWN])
def test_schedule(device, name):
    def course(where):
        params = [on(where, np.ones(2, np.float32), True) for _ in range(2)]
        opt = lucid.optim.SGD([{"params": params[:1]}, {"params": params[1:], "lr": 0.2}], lr=0.5, momentum=0.9)
        made = (SCHEDULES | SCHEDULES_OF_OUR_OWN)[name](lucid.optim.lr_scheduler, opt)
        for _ in range(12):
            opt.zero_grad()
            loss = sum((p**4).sum() for p in params)
            loss.backward()
            opt.step()
            for s in made if isinstance(made, list) else [made]:
                s.step(*([loss] if name == "ReduceLROnPlateau" else []))
            for p in params:
                p.data.clamp_(-1, 1)
        return [host(p) for p in params]

    np.testing.assert_allclose(course(device), course("cpu"), rtol=1e-3, atol=1e-4)


# ---- models ----


@pytest.mark.parametrize("kind", ["gpt", "cnn"])
def test_the_same_losses_as_on_cpu(device, kind):
    expected, start = trained(kind, "cpu")
    ours, _ = trained(kind, device, start=start)
    np.testing.assert_allclose([v.item() for v in ours], [v.item() for v in expected], rtol=2e-4)


def test_parity_has_no_false_alarm(device):
    """Every row of the op tables, and a step of each model, with every kernel and rule compared on the way."""
    with parity("cpu"):
        for row in TABLE:
            check_device(row, device)
        for kind in ("gpt", "cnn"):
            trained(kind, device, steps=1)
