"""Every schedule against torch over a hundred steps: alone, chained, in sequence, with two groups, and resumed."""

import copy
import math
import warnings

import numpy as np
import pytest

import lucid
from lucid.optim import lr_scheduler
from reference import needs_torch, torch

SCHEDULES = {
    "LambdaLR": lambda s, o: s.LambdaLR(o, lambda n: 0.95**n),
    "LambdaLR, a list": lambda s, o: s.LambdaLR(o, [lambda n: 0.95**n, lambda n: 1 / (1 + n)]),
    "MultiplicativeLR": lambda s, o: s.MultiplicativeLR(o, lambda n: 0.95),
    "StepLR": lambda s, o: s.StepLR(o, 7, 0.5),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [3, 10, 10, 40], 0.5),
    "ConstantLR": lambda s, o: s.ConstantLR(o, 0.4, 6),
    "LinearLR": lambda s, o: s.LinearLR(o, 0.2, 0.9, 12),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.93),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, 30, 2.0),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 20, 0.01),
    "CosineAnnealingWarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 5, 2, 0.01),
    "CyclicLR": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 5, 7),
    "CyclicLR, triangular2": lambda s, o: s.CyclicLR(o, [0.01, 0.02], [0.1, 0.3], 5, mode="triangular2"),
    "CyclicLR, exp_range": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 5, mode="exp_range", gamma=0.97),
    "CyclicLR, scale_fn": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 5, scale_fn=lambda x: 1 / x, cycle_momentum=False),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, 0.3, total_steps=100),
    "OneCycleLR, three phases": lambda s, o: s.OneCycleLR(o, [0.3, 0.5], epochs=10, steps_per_epoch=10, three_phase=True, anneal_strategy="linear"),
    "ChainedScheduler": lambda s, o: s.ChainedScheduler([s.ConstantLR(o, 0.1, 10), s.ExponentialLR(o, 0.95)]),
    "chained by hand": lambda s, o: [s.LinearLR(o, 0.2, 1.0, 8), s.StepLR(o, 10, 0.5), s.CosineAnnealingLR(o, 30)],
    "SequentialLR": lambda s, o: s.SequentialLR(o, [s.LinearLR(o, 0.1, 1.0, 10), s.CosineAnnealingLR(o, 30), s.ExponentialLR(o, 0.9)], [10, 60]),
    "SequentialLR, nested": lambda s, o: s.SequentialLR(o, [s.SequentialLR(o, [s.StepLR(o, 3), s.ExponentialLR(o, 0.9)], [20]), s.ConstantLR(o, 0.5, 4)], [50]),
}  # fmt: skip
OPTIMIZERS = {"SGD": {"lr": 0.5, "momentum": 0.9}, "Adam": {"lr": 0.1}}


def optimizer(L, name="SGD"):
    params = [L.ones(2, requires_grad=True) for _ in range(2)]
    for p in params:
        p.grad = L.ones(2)
    return getattr(L.optim, name)([{"params": params[:1]}, {"params": params[1:], "lr": 0.2}], **OPTIMIZERS[name])


def course(L, name, steps=100, optimizer_name="SGD", resume=None):
    """Rates and momenta of all groups, before each step."""
    opt = optimizer(L, optimizer_name)
    made = SCHEDULES[name](L.optim.lr_scheduler, opt)
    schedules = made if isinstance(made, list) else [made]
    found = []
    for step in range(steps):
        if step == resume:
            saved, states = copy.deepcopy(opt.state_dict()), [copy.deepcopy(s.state_dict()) for s in schedules]
            opt = optimizer(L, optimizer_name)
            made = SCHEDULES[name](L.optim.lr_scheduler, opt)
            schedules = made if isinstance(made, list) else [made]
            opt.load_state_dict(saved)
            for s, state in zip(schedules, states, strict=True):
                s.load_state_dict(state)
        found.append([(float(g["lr"]), g["betas"][0] if "betas" in g else g["momentum"]) for g in opt.param_groups])
        opt.step()
        for s in schedules:
            s.step()
        if step:
            assert schedules[-1].get_last_lr() == [g["lr"] for g in opt.param_groups]
    return np.array(found)


@needs_torch
@pytest.mark.parametrize("name", SCHEDULES)
def test_as_torch(name):
    np.testing.assert_allclose(course(lucid, name), course(torch, name), rtol=1e-12, atol=1e-15)


def test_a_sequence_or_chain_later_in_a_sequence():  # torch raises NotImplementedError
    def make(o):
        inner = lr_scheduler.SequentialLR(
            o, [lr_scheduler.ConstantLR(o, 0.5, 9), lr_scheduler.ExponentialLR(o, 0.5)], [2]
        )
        chain = lr_scheduler.ChainedScheduler([lr_scheduler.ConstantLR(o, 0.5, 9), lr_scheduler.ExponentialLR(o, 0.5)])
        return lr_scheduler.SequentialLR(o, [lr_scheduler.ConstantLR(o, 0.25, 9), inner, chain], [2, 6])

    found = [row[0] for row in lr_scheduler.trace(make, 9)]
    assert found == [0.25, 0.25, 0.5, 0.5, 1.0, 0.5, 0.5, 0.25, 0.125]


OTHER = {"OneCycleLR": lambda s, o: s.OneCycleLR(o, 0.9, total_steps=130, three_phase=True),
         "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 77), "MultiStepLR": lambda s, o: s.MultiStepLR(o, [1], 0.9)}  # fmt: skip


@needs_torch
@pytest.mark.parametrize("name", [n for n in SCHEDULES if n != "chained by hand"])
def test_schedules_cross_over(name):
    """Half of the steps in one library, half in the other; where what is saved says it all, even made otherwise there."""

    def moved(value):
        return {k: moved(v) for k, v in value.items()} if isinstance(value, dict) else value

    whole = course(torch, name, 40)
    for first, second in ((torch, lucid), (lucid, torch)):
        opt = optimizer(first)
        schedule = SCHEDULES[name](first.optim.lr_scheduler, opt)
        for step in range(40):
            if step == 17:
                groups, state = moved(opt.state_dict())["param_groups"], copy.deepcopy(schedule.state_dict())
                opt = optimizer(second)
                schedule = OTHER.get(name, SCHEDULES[name])(second.optim.lr_scheduler, opt)
                opt.load_state_dict({"state": {}, "param_groups": groups})
                schedule.load_state_dict(state)
            rates = [(float(g["lr"]), g["momentum"]) for g in opt.param_groups]
            np.testing.assert_allclose(rates, whole[step], rtol=1e-12, atol=1e-15)
            opt.step()
            schedule.step()


def random_schedule(rng):
    """A schedule with drawn arguments, as a function of (lr_scheduler, optimizer)."""
    a, b, n, m = (
        float(rng.uniform(0.05, 1)),
        float(rng.uniform(0.8, 1)),
        int(rng.integers(1, 25)),
        int(rng.integers(1, 25)),
    )
    return [
        lambda s, o: s.StepLR(o, n, a),
        lambda s, o: s.MultiStepLR(o, [n, n, n + m, 90], a),
        lambda s, o: s.ConstantLR(o, a, n),
        lambda s, o: s.LinearLR(o, a, b, n),
        lambda s, o: s.ExponentialLR(o, b),
        lambda s, o: s.PolynomialLR(o, 4 * n, 3 * a),
        lambda s, o: s.CosineAnnealingLR(o, n, a / 50),
        lambda s, o: s.CosineAnnealingWarmRestarts(o, n, 1 + m % 3, a / 50),
        lambda s, o: s.CyclicLR(o, a / 20, a, n, m, mode=["triangular", "triangular2", "exp_range"][n % 3], gamma=b),
        lambda s, o: s.OneCycleLR(o, a, total_steps=100, pct_start=a, three_phase=bool(n % 2), div_factor=1 + n),
        lambda s, o: s.SequentialLR(o, [s.LinearLR(o, a, b, n), s.CosineAnnealingLR(o, m), s.StepLR(o, n, b)], [n, n + m]),
        lambda s, o: s.ChainedScheduler([s.LinearLR(o, a, b, n), s.PolynomialLR(o, 90), s.StepLR(o, m, b)]),
    ][int(rng.integers(0, 12))]  # fmt: skip


@needs_torch
@pytest.mark.parametrize("seed", range(60))
def test_random_arguments(seed, monkeypatch):
    monkeypatch.setitem(SCHEDULES, "random", random_schedule(np.random.default_rng(seed)))
    resume = None if seed % 3 else 10 + seed
    found = [course(L, "random", 100, ["SGD", "Adam"][seed % 2], resume) for L in (lucid, torch)]
    np.testing.assert_allclose(*found, rtol=1e-11, atol=1e-15)


@needs_torch
@pytest.mark.parametrize("name", ["CyclicLR", "OneCycleLR"])
def test_betas_cycle(name):
    np.testing.assert_allclose(course(lucid, name, 50, "Adam"), course(torch, name, 50, "Adam"), rtol=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_resumed_to_the_bit(name):
    assert (course(lucid, name, 40) == course(lucid, name, 40, resume=17)).all()


@needs_torch
@pytest.mark.parametrize("config", [{}, {"mode": "max", "factor": 0.5}, {"threshold_mode": "abs", "threshold": 0.05},
                                    {"cooldown": 3, "min_lr": [0.01, 0.05]}])  # fmt: skip
def test_plateau(config):
    metrics = [math.sin(k / 7) + 1 / (k + 1) for k in range(100)]
    found = []
    for L in (lucid, torch):
        opt = optimizer(L)
        schedule = L.optim.lr_scheduler.ReduceLROnPlateau(opt, patience=2, **config)
        rates = []
        for k, m in enumerate(metrics):
            if k == 30:
                state = schedule.state_dict()
                schedule = L.optim.lr_scheduler.ReduceLROnPlateau(opt, patience=2, **config)
                schedule.load_state_dict(state)
            schedule.step(L.tensor(m))
            rates.append([g["lr"] for g in opt.param_groups])
        found.append(rates)
    np.testing.assert_allclose(*found, rtol=1e-12)


@needs_torch
@pytest.mark.parametrize(
    "name", ["StepLR", "MultiStepLR", "ExponentialLR", "CosineAnnealingLR", "LinearLR", "PolynomialLR", "ConstantLR"]
)
def test_given_epochs(name):
    found = []
    for L in (lucid, torch):
        opt = optimizer(L)
        schedule = SCHEDULES[name](L.optim.lr_scheduler, opt)
        opt.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            schedule.step(13)
        found.append(schedule.get_last_lr())
    np.testing.assert_allclose(*found, rtol=1e-12)


@needs_torch
def test_last_epoch_resumes():
    found = []
    for L in (lucid, torch):
        opt = optimizer(L)
        for group in opt.param_groups:
            group["initial_lr"] = 0.4
        schedule = L.optim.lr_scheduler.CosineAnnealingLR(opt, 10, last_epoch=4)
        found.append(schedule.get_last_lr())
    np.testing.assert_allclose(*found, rtol=1e-12)
    with pytest.raises(KeyError, match="initial_lr"):
        lr_scheduler.StepLR(optimizer(lucid), 3, last_epoch=4)


def test_noam():
    opt = lucid.optim.Adam([lucid.ones(1, requires_grad=True)], lr=2.0)
    found = lr_scheduler.trace(lr_scheduler.NoamScheduler(opt, d_model=64, warmup_steps=4), 10)
    wanted = [2 * 64**-0.5 * min(max(1, t) ** -0.5, max(1, t) * 4**-1.5) for t in range(10)]
    assert [row[0] for row in found] == pytest.approx(wanted)


def test_inverse_square_root():
    found = lr_scheduler.trace(lambda o: lr_scheduler.InverseSqrtLR(o, 4), 17)
    assert [found[i][0] for i in (0, 1, 3, 15)] == pytest.approx([0.25, 0.5, 1.0, 0.5])


@pytest.mark.parametrize("decay, half", [("linear", 0.5), ("cosine", 0.5), ("sqrt", 1 - math.sqrt(0.5))])
def test_warmup_stable_decay(decay, half):
    found = [row[0] for row in lr_scheduler.trace(lambda o: lr_scheduler.WSDLR(o, 4, 5, 10, 0.1, decay), 25)]
    assert found[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert found[4:9] == [1.0] * 5
    assert found[13] == pytest.approx(0.1 + 0.9 * half)
    assert found[18:] == pytest.approx([0.1] * 7)


def test_tensor_rates_stay_the_same_object():
    lr = lucid.tensor(0.5)
    opt = lucid.optim.SGD([lucid.ones(1, requires_grad=True)], lr=lr)
    schedule = lr_scheduler.ExponentialLR(opt, 0.5)
    opt.step()
    schedule.step()
    assert opt.param_groups[0]["lr"] is lr and float(lr) == 0.25


def test_the_first_rate_is_set_at_once():  # Lucid 3 ran its first step at the full rate
    opt = lucid.optim.SGD([lucid.ones(1, requires_grad=True)], lr=1.0)
    lr_scheduler.LinearLR(opt, start_factor=0.25)
    assert opt.param_groups[0]["lr"] == 0.25


def test_wrong_order_warns():
    opt = optimizer(lucid)
    schedule = lr_scheduler.StepLR(opt, 3)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        schedule.step()


@pytest.mark.parametrize("make, error", [
    (lambda o: lr_scheduler.StepLR("no", 3), TypeError),
    (lambda o: lr_scheduler.LambdaLR(o, [lambda n: 1] * 3), ValueError),
    (lambda o: lr_scheduler.MultiplicativeLR(o, 3), TypeError),
    (lambda o: lr_scheduler.ConstantLR(o, 2.0), ValueError),
    (lambda o: lr_scheduler.LinearLR(o, 0.0), ValueError),
    (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 0), ValueError),
    (lambda o: lr_scheduler.OneCycleLR(o, 1.0), ValueError),
    (lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps=10, anneal_strategy="x"), ValueError),
    (lambda o: lr_scheduler.OneCycleLR(o, [1.0], total_steps=10), ValueError),
    (lambda o: lr_scheduler.CyclicLR(o, 0.1, 1.0, mode="x"), ValueError),
    (lambda o: lr_scheduler.ReduceLROnPlateau(o, mode="x"), ValueError),
    (lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=1.0), ValueError),
    (lambda o: lr_scheduler.SequentialLR(o, [], []), ValueError),
    (lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.StepLR(o, 3)], [3]), ValueError),
    (lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.ReduceLROnPlateau(o)]), ValueError),
    (lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.StepLR(o, 3), lr_scheduler.StepLR(optimizer(lucid), 3)]), ValueError),
    (lambda o: lr_scheduler.WSDLR(o, -1, 2, 3), ValueError),
    (lambda o: lr_scheduler.NoamScheduler(o, 0, 3), ValueError),
])  # fmt: skip
def test_bad_input(make, error):
    with pytest.raises(error):
        make(optimizer(lucid))


def test_one_cycle_ends():
    opt = optimizer(lucid)
    schedule = lr_scheduler.OneCycleLR(opt, 1.0, total_steps=3)
    opt.step()
    for _ in range(3):
        schedule.step()
    with pytest.raises(ValueError, match="Tried to step 4 times"):
        schedule.step()


def test_plot_leaves_the_schedule_as_it_is():
    pytest.importorskip("matplotlib").use("Agg")
    opt = optimizer(lucid)
    schedule = lr_scheduler.ExponentialLR(opt, 0.5)
    axes = lr_scheduler.plot(schedule, 5)
    assert axes.lines[0].get_ydata()[:3].tolist() == [0.5, 0.25, 0.125]
    assert schedule.last_epoch == 0 and opt.param_groups[0]["lr"] == 0.5
