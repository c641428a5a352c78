"""What every optimizer must do, found by introspection: minimize, keep dtypes, resume to the bit, write in place."""

import copy
import inspect
import pickle

import numpy as np
import pytest

import lucid
from lucid.optim import Optimizer

CONFIGS = {
    "SGD": {"lr": 0.05, "momentum": 0.9}, "GSGD": {"lr": 0.05}, "ASGD": {"lr": 0.05, "t0": 3}, "LARS": {"lr": 0.01, "trust_coefficient": 1.0},
    "SignSGD": {"lr": 0.02}, "Signum": {"lr": 0.02}, "Tiger": {"lr": 0.02}, "Lion": {"lr": 0.02}, "SGLD": {"lr": 0.02, "temperature": 0.0},
    "Adam": {"lr": 0.05, "amsgrad": True}, "AdamW": {"lr": 0.05}, "Adamax": {"lr": 0.05}, "NAdam": {"lr": 0.05}, "RAdam": {"lr": 0.1},
    "SparseAdam": {"lr": 0.05}, "Adagrad": {"lr": 0.5}, "Adadelta": {"lr": 30.0}, "RMSprop": {"lr": 0.02, "centered": True, "momentum": 0.5},
    "Rprop": {"lr": 0.02, "variant": "Rprop+"}, "Adafactor": {"lr": 0.5}, "LAMB": {"lr": 0.05}, "Muon": {"lr": 0.02}, "Shampoo": {"lr": 0.3, "momentum": 0.5},
    "SOAP": {"lr": 0.05, "precondition_frequency": 3}, "AdaBelief": {"lr": 0.05}, "Yogi": {"lr": 0.05}, "Adan": {"lr": 0.05},
    "AdEMAMix": {"lr": 0.02}, "Sophia": {"lr": 0.02}, "SGDScheduleFree": {"lr": 0.05}, "AdamWScheduleFree": {"lr": 0.1},
    "Prodigy": {"d0": 1e-2}, "DAdaptAdam": {"d0": 1e-2}, "DAdaptSGD": {"d0": 1e-2, "growth_rate": 1.05}, "LBFGS": {"line_search_fn": "strong_wolfe"},
    "Lookahead": {"k": 3}, "SAM": {"rho": 0.05},
}  # fmt: skip
CLOSURE = ("LBFGS", "SAM")


def test_the_table_is_complete():
    found = {
        name for name, x in vars(lucid.optim).items()
        if inspect.isclass(x) and issubclass(x, Optimizer) and x is not Optimizer
    }  # fmt: skip
    assert found == set(CONFIGS)
    assert found <= set(lucid.optim.__all__)


def make(name, params):
    if name == "Lookahead":
        return lucid.optim.Lookahead(lucid.optim.SGD(params, lr=0.03, momentum=0.5), **CONFIGS[name])
    if name == "SAM":
        return lucid.optim.SAM(params, lucid.optim.SGD, lr=0.03, momentum=0.5, **CONFIGS[name])
    return getattr(lucid.optim, name)(params, **CONFIGS[name])


def shapes(name):
    return [(3, 2), (2, 4)] if name == "Muon" else [(3, 2), (4,)]


def start(name, dtype="float64"):
    rng = np.random.default_rng(1)
    return [lucid.tensor((rng.standard_normal(s) / 2).astype(dtype), requires_grad=True) for s in shapes(name)]


def train(name, opt, params, steps, loss_of):
    if hasattr(opt, "train"):
        opt.train()
    losses = []
    for _ in range(steps):

        def closure():
            opt.zero_grad()
            loss = loss_of(params)
            loss.backward()
            return loss

        if name in CLOSURE:
            losses.append(opt.step(closure))
        else:
            losses.append(closure())
            opt.step()
    return losses


def bowl(params):
    return sum(((p - 0.5) ** 2 * (i + 1)).sum() for i, p in enumerate(params))


def rosenbrock(params):
    x = lucid.cat([p.reshape(-1) for p in params])
    return (2 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


@pytest.mark.parametrize("name", CONFIGS)
def test_minimizes(name):
    for loss_of, wanted in ((bowl, 0.3), (rosenbrock, 0.9)):
        params = start(name)
        opt = make(name, params)
        steps = 8 if name == "LBFGS" else 80
        first = float(loss_of(params).detach())
        train(name, opt, params, steps, loss_of)
        if hasattr(opt, "eval"):
            opt.eval()
        assert float(loss_of(params).detach()) < wanted * first, loss_of.__name__


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("name", CONFIGS)
def test_keeps_dtype_shape_and_memory(name, dtype):
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    if dtype in ("float16", "bfloat16") and name in ("Shampoo", "SOAP", "LBFGS", "SAM", "Prodigy"):
        pytest.skip("no half-precision eigenvectors; line searches and estimates need more range")
    params = [p.detach().to(getattr(lucid, dtype)).requires_grad_() for p in start(name)]
    memory = [p.value for p in params]
    opt = make(name, params)
    train(name, opt, params, 3, bowl)
    for p, array, shape in zip(params, memory, shapes(name), strict=True):
        assert p.value is array and tuple(p.shape) == shape and p.dtype.name == dtype
        assert bool(p.detach().isfinite().all())
        for key, value in opt.state[p].items():
            if isinstance(value, lucid.Tensor) and value.ndim:
                assert value.dtype is p.dtype, key


@pytest.mark.parametrize("how", ["state_dict", "named", "deepcopy", "pickle"])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_resumed_run_is_the_same_to_the_bit(name, how):
    whole, params = start(name), start(name)
    named = [("w", params[0]), ("b", params[1])] if how == "named" else params
    train(name, make(name, whole), whole, 7, rosenbrock)
    opt = make(name, named)
    train(name, opt, params, 3, rosenbrock)
    if how in ("state_dict", "named"):
        saved = copy.deepcopy(opt.state_dict(named=True) if how == "named" else opt.state_dict())
        fresh = start(name)
        with lucid.no_grad():
            for p, q in zip(fresh, params, strict=True):
                p.copy_(q)
        params = fresh
        opt = make(name, [("w", params[0]), ("b", params[1])] if how == "named" else params)
        opt.load_state_dict(saved)
    elif how == "deepcopy":
        params, opt = copy.deepcopy((params, opt))
    elif name not in ("GSGD", "LBFGS"):
        params, opt = pickle.loads(pickle.dumps((params, opt)))
    train(name, opt, params, 4, rosenbrock)
    for p, q in zip(params, whole, strict=True):
        assert (p.detach().numpy() == q.detach().numpy()).all()


@pytest.mark.parametrize(
    "name", [n for n in CONFIGS if "maximize" in inspect.signature(getattr(lucid.optim, n)).parameters]
)
def test_maximizing_is_minimizing_with_the_gradient_turned_round(name):
    gradients = np.random.default_rng(4).standard_normal((9, 24))
    found = []
    for sign in (1.0, -1.0):
        params = start(name)
        extra = {"seed": 3} if name == "SGLD" else {}
        opt = getattr(lucid.optim, name)(params, **CONFIGS[name], **extra, maximize=sign > 0)
        if hasattr(opt, "train"):
            opt.train()
        for row in gradients:
            for p in params:
                p.grad = lucid.tensor(sign * row[: p.numel()].reshape(tuple(p.shape)))
            opt.step(*[lambda sign=sign, row=row: lucid.tensor(sign * row[0])] if name == "Rprop" else [])
        found.append([p.detach().numpy() for p in params])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


VALUES = {"weight_decay": 0.1, "momentum": 0.7, "dampening": 0.3, "scaling": 3.0, "nesterov_momentum": 0.2, "lr_decay": 0.1, "clamp": 2.0,
          "initial_accumulator_value": 0.3, "update_freq": 2, "warmup_steps": 4, "adjust_lr_fn": "match_rms_adamw", "temperature": 0.3,
          "growth_rate": 1.02, "beta3": 0.9, "t_alpha_beta3": 5, "shampoo_beta": 0.8, "root": 3}  # fmt: skip
SCHEDULERS = [lambda s, o: s.StepLR(o, 2, 0.7), lambda s, o: s.CosineAnnealingWarmRestarts(o, 3), lambda s, o: s.OneCycleLR(o, 0.05, 30, cycle_momentum=False),
              lambda s, o: s.SequentialLR(o, [s.LinearLR(o, 0.3, 1.0, 4), s.ExponentialLR(o, 0.9)], [4]), lambda s, o: s.WSDLR(o, 2, 4, 9)]  # fmt: skip


def flags(name):
    """Each option alone, the booleans turned over, beside the settings of CONFIGS."""
    for option in inspect.signature(getattr(lucid.optim, name)).parameters.values():
        if type(option.default) is bool and option.name not in ("capturable", "differentiable"):
            yield {option.name: not CONFIGS[name].get(option.name, option.default)}
        elif option.name in VALUES:
            yield {option.name: VALUES[option.name]}
        elif option.name == "variant":
            yield from ({"variant": variant} for variant in ("Rprop-", "iRprop-"))


@pytest.mark.parametrize("name", [n for n in CONFIGS if n not in ("LBFGS", "SAM", "Lookahead")])
def test_a_resumed_run_with_every_flag_and_a_schedule_is_the_same_to_the_bit(name):
    gradients = np.random.default_rng(2).standard_normal((12, 24))

    def run(extra, make_schedule, resume):
        cls, params = getattr(lucid.optim, name), start(name)
        config = {**CONFIGS[name], **({"seed": 3} if name == "SGLD" else {}), **extra}
        opt = cls([{"params": [params[0]]}, {"params": [params[1]]}], **config)
        schedule = make_schedule(lucid.optim.lr_scheduler, opt)
        for k in range(12):
            if k == resume:
                saved = copy.deepcopy((opt.state_dict(), schedule.state_dict()))
                opt = cls([{"params": [params[0]]}, {"params": [params[1]]}], **config)
                schedule = make_schedule(lucid.optim.lr_scheduler, opt)
                opt.load_state_dict(saved[0])
                schedule.load_state_dict(saved[1])
            if hasattr(opt, "train"):
                opt.train()
            for i, p in enumerate(params):
                p.grad = None if (i + k) % 4 == 3 else lucid.tensor(gradients[k, : p.numel()].reshape(tuple(p.shape)))
            opt.step()
            schedule.step()
        return [p.detach().numpy() for p in params]

    for n, extra in enumerate([{}, *flags(name)]):
        make_schedule = SCHEDULERS[n % len(SCHEDULERS)]
        if name in ("Prodigy", "DAdaptAdam", "DAdaptSGD"):  # they want one rate near 1
            make_schedule = SCHEDULERS[0]
        for a, b in zip(run(extra, make_schedule, None), run(extra, make_schedule, 1 + n % 9), strict=True):
            assert (a == b).all() and np.isfinite(a).all(), extra


@pytest.mark.parametrize("name", [n for n in CONFIGS if n not in ("LBFGS", "SAM", "Lookahead")])
def test_bad_input(name):
    config = CONFIGS[name]
    p = start(name)
    cls = getattr(lucid.optim, name)
    for bad in (-1.0, float("nan")):
        with pytest.raises(ValueError):
            cls(p, **{**config, "lr": bad})
    with pytest.raises(ValueError, match="empty"):
        cls([], **config)
    with pytest.raises(TypeError):
        cls(p[0], **config)
    with pytest.raises(TypeError):
        cls([3.0], **config)
    with pytest.raises(ValueError, match="non-leaf"):
        cls([p[0] * 2], **config)
    if "betas" in inspect.signature(cls).parameters:
        count = len(inspect.signature(cls).parameters["betas"].default)
        for bad in ((1.0,) * count, (0.5,) * (count - 1) + (-0.1,)):
            with pytest.raises(ValueError):
                cls(p, **{**config, "betas": bad})


@pytest.mark.parametrize("name", [n for n in CONFIGS if n not in CLOSURE])
def test_a_gradient_that_does_not_fit_changes_nothing(name):
    params = start(name)
    opt = make(name, params)
    train(name, opt, params, 2, bowl)
    before = [p.detach().numpy().copy() for p in params]
    params[1]._grad = lucid.ones(17, dtype=lucid.float64)  # past the check of `grad`: an optimizer checks, too
    with pytest.raises(RuntimeError, match="shape"):
        opt.step()
    assert all((p.detach().numpy() == b).all() for p, b in zip(params, before, strict=True))


@pytest.mark.parametrize("name", [n for n in CONFIGS if n not in CLOSURE])
def test_frozen_first_parameter_and_backward_through_an_old_graph(name):
    params = start(name)
    opt = make(name, params)
    old = (params[1] ** 2).sum()
    params[1].grad = lucid.ones_like(params[1])
    before = params[0].detach().numpy().copy()
    opt.step()
    opt.step()
    assert (params[0].detach().numpy() == before).all()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        old.backward()


CLOSURES = {
    "LBFGS": lambda o, p: o.LBFGS(p, lr=0.5, max_iter=4),
    "LBFGS, strong Wolfe": lambda o, p: o.LBFGS(p, max_iter=4, line_search_fn="strong_wolfe"),
    "LBFGS, short history": lambda o, p: o.LBFGS(p, lr=0.3, max_iter=3, history_size=2, max_eval=5),
    "SAM": lambda o, p: o.SAM(p, o.SGD, lr=0.01, momentum=0.9),
    "SAM, adaptive": lambda o, p: o.SAM(p, o.Adam, adaptive=True, lr=0.01),
    "Lookahead": lambda o, p: o.Lookahead(o.Adam(p, lr=0.05), k=3),
    "Lookahead of SGD": lambda o, p: o.Lookahead(o.SGD(p, lr=0.01, momentum=0.9), k=4),
}


@pytest.mark.parametrize("name", CLOSURES)
def test_a_resumed_run_with_closures_is_the_same_to_the_bit(name):
    def run(resume):
        params = [lucid.tensor(v, dtype=lucid.float64, requires_grad=True) for v in ([1.0, -1.5, 0.5], [[2.0, 0.3]])]
        opt = CLOSURES[name](lucid.optim, params)

        def closure():
            opt.zero_grad()
            v = lucid.cat([p.reshape(-1) for p in params])
            loss = (1 - v[:-1]).square().sum() + 5 * (v[1:] - v[:-1].square()).square().sum()
            loss.backward()
            return loss

        for k in range(9):
            if k == resume:
                saved = copy.deepcopy(opt.state_dict())
                opt = CLOSURES[name](lucid.optim, params)
                opt.load_state_dict(saved)
            opt.step(closure)
        return [p.detach().numpy() for p in params]

    for resume in (4, 5):
        assert all((a == b).all() for a, b in zip(run(resume), run(None), strict=True))
