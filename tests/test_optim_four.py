"""ASGD, Adagrad, GSGD and Lion, each against its formula written out in NumPy; and the few that no package has."""

import copy
import inspect

import numpy as np
import pytest

import lucid
from lucid.optim import GSGD, SGLD, Adagrad, Lion, Rprop, Sophia, maps

RNG = np.random.default_rng(3)
START = RNG.standard_normal((4, 5))
GRADIENTS = RNG.standard_normal((30, 4, 5))


def drive(make, rates=None, start=START, gradients=GRADIENTS):
    p = lucid.tensor(start.copy(), requires_grad=True)
    opt = make([p])
    for k, g in enumerate(gradients):
        if rates is not None:
            opt.param_groups[0]["lr"] = rates[k]
        p.grad = lucid.tensor(g.copy())
        opt.step()
        assert (p.grad.numpy() == g).all()  # the gradient itself is never modified
    return p.detach().numpy(), opt, p


# ---- ASGD ----


def asgd(x, lr=0.05, lambd=0.02, alpha=0.75, t0=10, wd=0.1):
    x, ax, eta, mu = x.copy(), np.zeros_like(x), lr, 1.0
    for t, g in enumerate(GRADIENTS, 1):
        g = g + wd * x
        x = x * (1 - lambd * eta) - eta * g
        ax = x.copy() if mu == 1 else ax + mu * (x - ax)
        eta, mu = lr / (1 + lambd * lr * t) ** alpha, 1 / max(1, t - t0)
    return x, ax, eta, mu


def test_asgd_is_its_formula():
    found, opt, p = drive(lambda ps: lucid.optim.ASGD(ps, 0.05, 0.02, 0.75, 10, 0.1))
    x, ax, eta, mu = asgd(START)
    np.testing.assert_allclose(found, x, rtol=1e-12)
    state = opt.state[p]
    np.testing.assert_allclose(state["ax"].numpy(), ax, rtol=1e-12)
    assert (
        float(state["eta"]) == pytest.approx(eta, rel=1e-15) and float(state["mu"]) == mu and float(state["step"]) == 30
    )
    assert list(state) == ["step", "eta", "mu", "ax"]


def test_the_average_can_be_used():
    found, opt, p = drive(lambda ps: lucid.optim.ASGD(ps, 0.05, t0=5))
    average = opt.state[p]["ax"].numpy().copy()
    running = found.copy()
    assert not np.allclose(average, running)
    with opt.averaged():
        assert (p.detach().numpy() == average).all()
    assert (p.detach().numpy() == running).all()
    with pytest.raises(KeyError), opt.averaged():
        raise KeyError
    assert (p.detach().numpy() == running).all()
    opt.swap_averaged()
    assert (p.detach().numpy() == average).all() and (opt.state[p]["ax"].numpy() == running).all()
    opt.step()


def test_averages_of_several_groups_before_the_first_step_and_after_loading():
    w, u, v = (lucid.tensor(x, requires_grad=True) for x in ([1.0, 2.0], [5.0], [1.0, 1.0, 1.0]))
    groups = lambda: [{"params": [w, u]}, {"params": [v], "lr": 0.5}]  # noqa: E731
    opt = lucid.optim.ASGD(groups(), t0=1)
    with opt.averaged():
        assert w.tolist() == [1.0, 2.0]
    opt.swap_averaged()
    for k in range(6):
        w.grad, v.grad = lucid.tensor([1.0 + k, -2.0]), lucid.ones(3)  # u never has a gradient
        opt.step()
    running, averages = [p.tolist() for p in (w, u, v)], [opt.state[p]["ax"].tolist() for p in (w, v)]
    again = lucid.optim.ASGD(groups(), t0=1)
    again.load_state_dict(copy.deepcopy(opt.state_dict()))
    for each in (opt, again):
        with each.averaged():
            assert [w.tolist(), v.tolist()] == averages != [running[0], running[2]] and u.tolist() == [5.0]
            with pytest.raises(RuntimeError, match="averaged"):  # it would be thrown away at the end
                each.step()
        assert [p.tolist() for p in (w, u, v)] == running
    again.step()
    again.swap_averaged()
    again.swap_averaged()


SIGNATURES = {
    "ASGD": "lr=0.01, lambd=0.0001, alpha=0.75, t0=1000000.0, weight_decay=0, *, maximize=False",
    "Adagrad": "lr=0.01, eps=1e-10, weight_decay=0.0, initial_accumulator_value=0.0, *, lr_decay=0.0, "
    "decoupled_weight_decay=True, maximize=False",
    "GSGD": "lr, momentum=0.9, scaling=None, Dphi_map=identity, weight_decay=0, nesterov=0, *, maximize=False",
    "Lion": "lr=0.0001, betas=(0.9, 0.99), scaling=None, weight_decay=0.0, nesterov_momentum=0, *, maximize=False",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name):
    """The order and defaults that issue 5 states; PyTorch's flags that change nothing may follow."""
    words, seen = [], False
    for parameter in list(inspect.signature(getattr(lucid.optim, name)).parameters.values())[1:]:
        if parameter.kind is parameter.KEYWORD_ONLY and not seen:
            words, seen = [*words, "*"], True
        default = getattr(parameter.default, "__name__", repr(parameter.default))
        words.append(parameter.name if parameter.default is parameter.empty else f"{parameter.name}={default}")
    assert ", ".join(words).startswith(SIGNATURES[name])


@pytest.mark.parametrize("name", SIGNATURES)
def test_step_returns_the_loss_of_its_closure_or_nothing(name):
    w = lucid.tensor([1.0], requires_grad=True)
    opt = getattr(lucid.optim, name)([w], lr=0.1)

    def closure():
        opt.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with lucid.no_grad():
        loss = opt.step(closure)
    assert isinstance(loss, lucid.Tensor) and loss.item() == 1.0 and opt.step() is None


# ---- Adagrad ----


def test_adagrad_decays_the_parameter_itself():
    found, opt, p = drive(lambda ps: Adagrad(ps, 0.1, 1e-6, 0.2, 0.5, lr_decay=0.1))
    x, total = START.copy(), np.full_like(START, 0.5)
    for t, g in enumerate(GRADIENTS):
        total = total + g * g
        x = x * (1 - 0.1 * 0.2) - 0.1 / (1 + t * 0.1) * g / (np.sqrt(total) + 1e-6)
    np.testing.assert_allclose(found, x, rtol=1e-12)
    assert list(opt.state[p]) == ["step", "sum"]


def test_adagrad_state_from_torch_loads_as_the_l2_form():
    p = lucid.ones(2, requires_grad=True)
    opt = Adagrad([p])
    assert opt.param_groups[0]["decoupled_weight_decay"] is True and opt.state[p]["sum"].tolist() == [0.0, 0.0]
    saved = opt.state_dict()
    del saved["param_groups"][0]["decoupled_weight_decay"]
    opt.load_state_dict(saved)
    assert opt.param_groups[0]["decoupled_weight_decay"] is False


# ---- GSGD ----


def gsgd(lrs, momentum=0.9, scaling=None, D=lambda m: m, wd=0.0, nesterov=0.0, sign=1.0):
    x, m = START.copy(), None
    scaling = 1 / lrs[0] if scaling is None else scaling
    for lr, g in zip(lrs, GRADIENTS, strict=True):
        g = g + wd * x
        beta = max(momentum, 1 - lr * scaling * (1 - momentum))
        m = g if m is None else m + (1 - beta) * (g - m)
        x = x - sign * lr * (D(m) + nesterov * g if momentum else g)
    return x


CONSTANT, FALLING = [0.1] * 30, [0.1 * 0.9**k for k in range(30)]
MAPS = {
    "identity": (maps.identity, lambda m: m),
    "sign": (lucid.sign, np.sign),
    "normalized": (maps.normalized, lambda m: m / np.linalg.norm(m)),
    "clipped": (maps.clipped(0.5), lambda m: m * min(1, 0.5 / np.linalg.norm(m))),
    "of one's own": (lambda m: m * m.abs(), lambda m: m * np.abs(m)),
}


@pytest.mark.parametrize("lrs", [CONSTANT, FALLING], ids=["constant", "falling"])
@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("options", [{}, {"nesterov": 0.5, "wd": 0.1}, {"momentum": 0.0}, {"scaling": 3.0}])
def test_gsgd_is_its_formula(name, lrs, options):
    Dphi, D = MAPS[name]
    given = {"weight_decay" if k == "wd" else k: v for k, v in options.items()}
    found, opt, p = drive(lambda ps: GSGD(ps, 0.1, Dphi_map=Dphi, **given), lrs)
    np.testing.assert_allclose(found, gsgd(lrs, D=D, **options), rtol=1e-11, atol=1e-13)
    assert list(opt.state[p]) == ([] if options.get("momentum") == 0 else ["momentum_buffer"])


def test_gsgd_maximizes():
    found, _, _ = drive(lambda ps: GSGD(ps, 0.1, nesterov=0.3, maximize=True))
    np.testing.assert_allclose(found, gsgd(CONSTANT, nesterov=0.3, sign=-1.0), rtol=1e-11)


def test_where_the_released_code_departs():
    """Its in-place arithmetic (written out here) turns the Nesterov term nesterov * g into nesterov * (g - m)."""
    x, m, lr, momentum, nesterov = START.copy(), None, 0.1, 0.9, 0.3
    for g in GRADIENTS:
        if m is None:
            m, ahead = g.copy(), g
        else:
            ahead = g - m  # d_p.add_(buf, alpha=-1): from here on d_p is g - m, not g
            m = m + (1 - momentum) * ahead
        x = x - lr * (m + nesterov * ahead)
    theirs, _, _ = drive(lambda ps: GSGD(ps, 0.1, Dphi_map=maps.identity, nesterov=0.3))
    assert np.abs(theirs - x).max() > 0.1  # ours is the framework as stated
    plain, _, _ = drive(lambda ps: GSGD(ps, 0.1))
    difference = nesterov * lr * sum(GRADIENTS)
    np.testing.assert_allclose(theirs, plain - difference, rtol=1e-10, atol=1e-12)


def test_momentum_rises_as_the_rate_falls():
    p, q = lucid.ones(1, requires_grad=True), lucid.ones(1, requires_grad=True)
    opt = GSGD([{"params": [p]}, {"params": [q], "lr": 0.5}], lr=0.1)
    assert [g["scaling"] for g in opt.param_groups] == [10.0, 2.0]


@pytest.mark.parametrize("arguments", [{"lr": 0.0}, {"lr": -1.0}, {"lr": float("nan")}, {"lr": 0.1, "momentum": 1.0},
                                       {"lr": 0.1, "momentum": -0.1}, {"lr": 0.1, "weight_decay": -1}])  # fmt: skip
def test_gsgd_refuses(arguments):
    with pytest.raises(ValueError):
        GSGD([lucid.ones(1, requires_grad=True)], **arguments)
    with pytest.raises(TypeError):
        GSGD([lucid.ones(1, requires_grad=True)])
    with pytest.raises(ValueError):
        maps.clipped(0.0)


# ---- Lion ----


def lion(lrs, betas=(0.9, 0.99), scaling=None, wd=0.0, nesterov=0.0, constant=False):
    x, m = START.copy(), np.zeros_like(START)
    scaling = 1 / lrs[0] if scaling is None else scaling
    for lr, g in zip(lrs, GRADIENTS, strict=True):
        b1, b2 = betas if constant else (max(1 - lr * (1 - b) * scaling, b) for b in betas)
        x = x * (1 - lr * wd)
        u = np.sign(b1 * m + (1 - b1) * g) + nesterov * g
        x = x - lr * u
        m = b2 * m + (1 - b2) * g
    return x


@pytest.mark.parametrize("options", [{}, {"wd": 0.1}, {"nesterov": 0.4, "wd": 0.1}, {"scaling": 2.0}])
def test_lion_is_its_formula(options):
    names = {"wd": "weight_decay", "nesterov": "nesterov_momentum", "scaling": "scaling"}
    given = {names[k]: v for k, v in options.items()}
    found, _, _ = drive(lambda ps: Lion(ps, 0.1, **given), FALLING)
    np.testing.assert_allclose(found, lion(FALLING, **options), rtol=1e-11)


@pytest.mark.parametrize("lr", [1e-4, 0.1, 0.3, 1 / 49])
def test_lion_with_a_constant_rate_is_that_of_chen_et_al_to_the_bit(lr):
    found, opt, p = drive(lambda ps: Lion(ps, lr, weight_decay=0.1))
    assert (found == lion([lr] * 30, wd=0.1, constant=True)).all()
    assert "exp_avg" in opt.state[p]


# ---- Sophia, SGLD, the variants of Rprop ----


def test_sophia_is_the_released_code():
    p = lucid.tensor(START.copy(), requires_grad=True)
    opt = Sophia([p], lr=0.05, betas=(0.9, 0.8), rho=0.04, weight_decay=0.1, bs=10)
    x, m, h = START.copy(), np.zeros_like(START), np.zeros_like(START)
    for k, g in enumerate(GRADIENTS):
        p.grad = lucid.tensor(g)
        if k % 5 == 0:
            opt.update_hessian()
            h = 0.8 * h + 0.2 * g * g
        opt.step()
        x, m = x * (1 - 0.05 * 0.1), 0.9 * m + 0.1 * g
        x = x - 0.05 * np.sign(m) * np.minimum(np.abs(m) / (0.04 * 10 * h + 1e-15), 1)
    np.testing.assert_allclose(p.detach().numpy(), x, rtol=1e-11)


def test_langevin_samples_from_the_posterior():
    p = lucid.zeros(2000, dtype=lucid.float64, requires_grad=True)
    opt = SGLD([p], lr=0.05, seed=1)
    for _ in range(150):  # the posterior is a normal distribution of variance 1/4
        p.grad = p.detach() * 4
        opt.step()
    assert float(p.detach().mean()) == pytest.approx(0, abs=0.05)
    assert float(p.detach().var()) == pytest.approx(0.25, rel=0.25)


def rprop(variant, losses):
    x, prev, size, moved = START.copy(), np.zeros_like(START), np.full_like(START, 0.1), np.zeros_like(START)
    for k, g in enumerate(GRADIENTS):
        s = g * prev
        size = np.clip(size * np.where(s > 0, 1.2, np.where(s < 0, 0.5, 1)), 1e-6, 50)
        worse = k > 0 and losses[k] > losses[k - 1]
        if variant != "Rprop-":
            g = np.where(s < 0, 0, g)
        step = np.sign(g) * size
        if variant == "Rprop+" or (variant == "iRprop+" and worse):
            step = np.where(s < 0, -moved, step)
        x, prev, moved = x - step, g, step
    return x


@pytest.mark.parametrize("variant", ["iRprop-", "Rprop-", "Rprop+", "iRprop+"])
def test_rprop_variants(variant):
    losses = np.cos(np.arange(30) * 1.3)
    p = lucid.tensor(START.copy(), requires_grad=True)
    opt = Rprop([p], lr=0.1, variant=variant)
    for g, loss in zip(GRADIENTS, losses, strict=True):
        p.grad = lucid.tensor(g)
        opt.step(lambda loss=loss: lucid.tensor(loss))
    np.testing.assert_allclose(p.detach().numpy(), rprop(variant, losses), rtol=1e-12)
    if variant == "iRprop+":
        with pytest.raises(RuntimeError, match="closure"):
            copy.deepcopy(opt).step()
