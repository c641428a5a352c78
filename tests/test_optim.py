"""Trajectories against torch: a hundred steps in float64, every flag alone and in pairs, and awkward courses of events."""

import itertools

import numpy as np
import pytest

import lucid
from reference import needs_torch, torch

SHAPES = ((4, 3), (5,), (1,), (2, 3, 2), (40, 260))
# Optimizer, its base settings, the flags to try alone and in pairs (with their settings).
TABLE = {
    "SGD": ({"lr": 0.1}, [{"momentum": 0.9}, {"weight_decay": 0.1}, {"maximize": True}, {"momentum": 0.8, "nesterov": True},
                          {"momentum": 0.7, "dampening": 0.3}, {"momentum": 0.9, "dampening": 1.0}]),
    "Adam": ({"lr": 0.05}, [{"amsgrad": True}, {"weight_decay": 0.1}, {"maximize": True}, {"betas": (0.0, 0.9)},
                            {"decoupled_weight_decay": True, "weight_decay": 0.2}, {"eps": 1e-3}]),
    "AdamW": ({"lr": 0.05}, [{"amsgrad": True}, {"weight_decay": 0.1}, {"maximize": True}]),
    "Adamax": ({"lr": 0.05}, [{"weight_decay": 0.1}, {"maximize": True}, {"eps": 1e-3}]),
    "NAdam": ({"lr": 0.05}, [{"weight_decay": 0.1}, {"decoupled_weight_decay": True, "weight_decay": 0.2},
                             {"maximize": True}, {"momentum_decay": 0.1}]),
    "RAdam": ({"lr": 0.05}, [{"weight_decay": 0.1}, {"decoupled_weight_decay": True, "weight_decay": 0.2}, {"maximize": True},
                             {"betas": (0.8, 0.99)}]),
    "Adadelta": ({"lr": 1.0}, [{"weight_decay": 0.1}, {"maximize": True}, {"rho": 0.5}, {"eps": 1e-3}]),
    "RMSprop": ({"lr": 0.05}, [{"centered": True}, {"momentum": 0.9}, {"weight_decay": 0.1}, {"maximize": True}, {"alpha": 0.5}]),
    "Rprop": ({"lr": 0.05}, [{"maximize": True}, {"etas": (0.4, 1.5)}, {"step_sizes": (1e-3, 0.1)}]),
    "ASGD": ({"lr": 0.05}, [{"weight_decay": 0.1}, {"maximize": True}, {"t0": 10}, {"lambd": 0.01, "alpha": 0.5}]),
    "Adafactor": ({"lr": 0.05}, [{"weight_decay": 0.1}, {"maximize": True}, {"eps": (1e-3, 1e-2)}, {"d": 2.0}]),
    "Adagrad": ({"lr": 0.05, "decoupled_weight_decay": False}, [{"weight_decay": 0.1}, {"maximize": True}, {"lr_decay": 0.1},
                                                                {"initial_accumulator_value": 0.5}]),
}  # fmt: skip


EDITS = {
    "momentum": 0.5,
    "weight_decay": 0.07,
    "betas": (0.6, 0.7),
    "alpha": 0.6,
    "rho": 0.7,
    "maximize": True,
    "eps": 1e-2,
}
COURSES = [
    "frozen first",
    "comes and goes",
    "lr edited",
    "options edited",
    "two groups",
    "resumed",
    "everything at once",
]


def settings():
    for name, (base, flags) in TABLE.items():
        yield name, base
        for count in (1, 2):
            for some in itertools.combinations(flags, count):
                config = {**base, **{k: v for flag in some for k, v in flag.items()}}
                if not (config.get("nesterov") and config.get("dampening")):  # refused by both
                    yield name, config


def gradient(rng_gradients, step, i, course):
    if (course == "frozen first" and i == 0) or (
        course in ("comes and goes", "everything at once") and ((i == 1 and step % 3 == 1) or (i == 0 and step < 5))
    ):
        return None
    return rng_gradients[step][i]


def run(library, name, config, course="plain", steps=100, dtype="float64", shapes=SHAPES):
    """The parameters after ``steps`` steps with given gradients."""
    rng = np.random.default_rng(7)
    params = [library.tensor(rng.standard_normal(s).astype(dtype), requires_grad=True) for s in shapes]
    gradients = [[rng.standard_normal(s).astype(dtype) for s in shapes] for _ in range(steps)]
    make = getattr(library.optim, name)
    groups = (
        params
        if course not in ("two groups", "everything at once")
        else [{"params": params[:2]}, {"params": params[2:], "lr": config["lr"] / 3}]
    )
    opt = make(groups, **config)
    for step in range(steps):
        if course in ("lr edited", "everything at once") and step == 40:
            opt.param_groups[0]["lr"] *= 0.3
        if course == "options edited" and step == 30:
            for key, value in EDITS.items():
                now = opt.param_groups[0].get(key)
                if type(now) is type(value) and (now or key == "maximize"):  # what was off may lack its state
                    opt.param_groups[0][key] = value
        if course in ("resumed", "everything at once") and step in (1, 50):
            saved = opt.state_dict()
            opt = make(groups, **config)
            opt.load_state_dict(saved)
        for i, p in enumerate(params):
            g = gradient(gradients, step, i, course)
            p.grad = None if g is None else library.tensor(g)
        opt.step()
    return [p.detach().numpy() for p in params]


def config_for(library, name, config):
    return {
        k: v
        for k, v in config.items()
        if not (library is torch and name == "Adagrad" and k == "decoupled_weight_decay")
    }


@pytest.fixture
def exact_scalars():
    """torch keeps `mu_product` and its like in the default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@needs_torch
@pytest.mark.parametrize("name", TABLE)
def test_every_flag_alone_and_in_pairs(name, exact_scalars):
    for other, config in settings():
        if other == name:
            ours, theirs = (run(L, name, config_for(L, name, config), shapes=SHAPES[:4]) for L in (lucid, torch))
            for a, b in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11, err_msg=str(config))


@needs_torch
@pytest.mark.parametrize("course", COURSES)
@pytest.mark.parametrize("name", TABLE)
def test_courses_of_events(name, course, exact_scalars):
    config = {**TABLE[name][0], **TABLE[name][1][0], **TABLE[name][1][1]}
    ours, theirs = (run(L, name, config_for(L, name, config), course) for L in (lucid, torch))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11)


@needs_torch
@pytest.mark.parametrize("name", TABLE)
def test_float32_and_default_scalars(name):
    config = TABLE[name][0]
    ours, theirs = (run(L, name, config_for(L, name, config), "comes and goes", 30, "float32") for L in (lucid, torch))
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


@needs_torch
@pytest.mark.parametrize("config", [{}, {"nesterov": False, "weight_decay": 0.0}, {"adjust_lr_fn": "match_rms_adamw"}])
def test_muon(config, monkeypatch):
    # torch rounds the iteration to bfloat16; without that the two agree
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda self: self.clone())
    shapes = ((4, 3), (3, 4), (6, 6))
    ours, theirs = (run(L, "Muon", {"lr": 0.02, **config}, steps=50, shapes=shapes) for L in (lucid, torch))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11)


@needs_torch
@pytest.mark.parametrize("name", ["SGD", "Adam", "Adagrad", "RMSprop", "ASGD", "NAdam"])
def test_complex_parameters(name):
    rng = np.random.default_rng(0)
    start, g = rng.standard_normal((2, 3, 4)) + 1j * rng.standard_normal((2, 3, 4))
    found = []
    for L in (lucid, torch):
        p = L.tensor(start, requires_grad=True)
        config = {"decoupled_weight_decay": False} if L is lucid and name == "Adagrad" else {}
        opt = getattr(L.optim, name)([p], lr=0.1, weight_decay=0.1, **config)
        for k in range(5):
            p.grad = L.tensor(g * (k + 1))
            opt.step()
        found.append(p.detach().numpy())
    np.testing.assert_allclose(*found, rtol=1e-6)


@needs_torch
def test_sparse_adam():
    rng = np.random.default_rng(0)
    start, rows = rng.standard_normal((6, 3)), [[0, 2, 2], [5], [1, 2]]
    found = []
    for L in (lucid, torch):
        weight = L.tensor(start, requires_grad=True)
        opt = L.optim.SparseAdam([weight], lr=0.1)
        for some in rows * 5:
            opt.zero_grad()
            if L is torch:
                out = torch.nn.functional.embedding(torch.tensor(some), weight, sparse=True)
            else:
                out = weight[lucid.tensor(some)]
            (out * out).sum().backward()
            opt.step()
        found.append(weight.detach().numpy())
    np.testing.assert_allclose(*found, rtol=1e-12)


@needs_torch
@pytest.mark.parametrize("config", [{"lr": 0.05}, {"line_search_fn": "strong_wolfe"}, {"lr": 0.3, "history_size": 3, "max_iter": 6},
                                    {"line_search_fn": "strong_wolfe", "max_iter": 7, "history_size": 2}])  # fmt: skip
def test_lbfgs(config):
    found = []
    for L in (lucid, torch):
        w = L.tensor(np.array([-1.2, 1.0, 0.5, 2.0]), requires_grad=True)
        opt = L.optim.LBFGS([w], **config)

        def closure(opt=opt, w=w):
            opt.zero_grad()
            loss = (10 * (w[1:] - w[:-1] ** 2) ** 2 + (1 - w[:-1]) ** 2).sum()
            loss.backward()
            return loss

        losses = [opt.step(closure).item() for _ in range(4)]
        state = opt.state[w]
        found.append([*losses, *w.detach().tolist(), state["func_evals"], state["n_iter"]])
    np.testing.assert_allclose(*found, rtol=1e-6, atol=1e-9)


# ---- fixed numbers: what torch 2.13.0 (CPU, float64) gave after 10 steps with the gradients of `sequence` ----

RECORDED = {
    "SGD": 0.16587954685009404, "Adam": 0.47063169221708595,
}  # fmt: skip


def sequence(k):
    return np.cos(np.arange(3) + 0.7 * k)


def recorded_run(library, name):
    p = library.tensor(np.array([0.5, -1.0, 2.0]), requires_grad=True)
    config = {"momentum": 0.9, "nesterov": True} if name == "SGD" else {"amsgrad": True, "weight_decay": 0.1}
    opt = getattr(library.optim, name)([p], lr=0.1 if name == "SGD" else 0.01, **config)
    for k in range(10):
        p.grad = library.tensor(sequence(k))
        opt.step()
    return float(p.detach()[0])


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_numbers(name):
    assert recorded_run(lucid, name) == pytest.approx(RECORDED[name], rel=1e-12)
