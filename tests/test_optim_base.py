"""The base: groups, hooks, state dicts, names, torch's checkpoints, and optimizers that others wrote for torch."""

import copy
import math

import numpy as np
import pytest

import lucid
from lucid.optim import SGD, Adam, AdamW, Optimizer
from reference import needs_torch, torch


def leaf(*shape, value=1.0):
    return lucid.full(shape or (2,), value, requires_grad=True)


def with_gradients(*params):
    for i, p in enumerate(params):
        p.grad = lucid.full(tuple(p.shape), i + 1.0)
    return params


# ---- groups ----


def test_groups_and_their_options():
    a, b, c = leaf(), leaf(), leaf()
    opt = SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.1, momentum=0.9)
    opt.add_param_group({"params": (x for x in [c]), "momentum": 0.0})
    assert [(g["lr"], g["momentum"], len(g["params"])) for g in opt.param_groups] == [
        (0.1, 0.9, 1),
        (0.5, 0.9, 1),
        (0.1, 0.0, 1),
    ]
    assert "Parameter Group 2" in repr(opt) and repr(opt).startswith("SGD (")


@pytest.mark.parametrize("group, error, words", [
    ([1], TypeError, "must be a dict"),
    ({"params": {1, 2}}, TypeError, "ordered collections"),
    ({"params": ["x"]}, TypeError, "can only optimize Tensors"),
    ({"params": [("n", lucid.ones(1, requires_grad=True))]}, ValueError, "with/without names"),
    ({"params": [lucid.ones(1, requires_grad=True) * 2]}, ValueError, "non-leaf"),
])  # fmt: skip
def test_groups_that_are_refused(group, error, words):
    opt = SGD([leaf()], lr=0.1)
    with pytest.raises(error, match=words):
        opt.add_param_group(group)
    assert len(opt.param_groups) == 1


def test_duplicates():
    p = leaf()
    with pytest.warns(UserWarning, match="duplicate"):
        SGD([p, p], lr=0.1)
    with pytest.raises(ValueError, match="more than one parameter group"):
        SGD([{"params": [p]}, {"params": [p]}], lr=0.1)


def test_options_are_read_at_each_step():  # Lucid 3 ignored them after the first
    (p,) = with_gradients(leaf())
    opt = SGD([p], lr=0.1)
    opt.step()
    opt.param_groups[0]["lr"] = 0.5
    opt.step()
    assert p.tolist() == pytest.approx([0.4, 0.4])
    opt.param_groups[0]["momentum"] = 0.9
    opt.step()
    opt.step()
    assert p.tolist() == pytest.approx([0.4 - 0.5 - 0.5 * 1.9] * 2)


def test_zero_grad():
    (p,) = with_gradients(leaf())
    opt = SGD([p], lr=0.1)
    g = p.grad
    opt.zero_grad(set_to_none=False)
    assert p.grad is g and p.grad.tolist() == [0.0, 0.0]
    opt.zero_grad()
    assert p.grad is None


def test_closures_hooks_and_what_step_returns():
    p = leaf()
    opt = SGD([p], lr=0.25)
    seen = []
    handle = opt.register_step_pre_hook(lambda o, args, kwargs: seen.append("pre"))
    opt.register_step_post_hook(lambda o, args, kwargs: seen.append("post"))
    every = lucid.optim.register_optimizer_step_post_hook(lambda o, args, kwargs: seen.append("global"))

    def closure():
        opt.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with lucid.no_grad():
        loss = opt.step(closure)
    assert isinstance(loss, lucid.Tensor) and loss.item() == 2.0
    assert seen == ["pre", "post", "global"]
    handle.remove()
    every.remove()
    assert opt.step() is None and seen == ["pre", "post", "global", "post"]
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        opt.register_step_pre_hook(lambda *a: 3)
        opt.step()


def test_state_dict_hooks():
    (p,) = with_gradients(leaf())
    opt = SGD([p], lr=0.1)
    seen = []
    opt.register_state_dict_pre_hook(lambda o: seen.append(1))
    opt.register_state_dict_post_hook(lambda o, s: {**s, "more": 1})
    opt.register_load_state_dict_pre_hook(lambda o, s: {k: v for k, v in s.items() if k != "more"})
    opt.register_load_state_dict_post_hook(lambda o: seen.append(2))
    saved = opt.state_dict()
    assert saved["more"] == 1
    opt.load_state_dict(saved)
    assert seen == [1, 2]


def test_accumulated_steps_are_those_of_the_whole_batch():
    data = lucid.tensor(np.arange(12.0).reshape(6, 2))
    found = []
    for parts in (1, 3):
        p = lucid.tensor(np.array([1.0, 2.0]), requires_grad=True)
        many = lucid.optim.Accumulation(SGD([p], lr=0.01), parts)
        stepped = []
        for _ in range(2):
            for rows in data.reshape(parts, -1, 2):
                many.backward(((rows @ p) ** 2).mean())
                stepped.append(many.step())
        assert stepped == ([False] * (parts - 1) + [True]) * 2 and p.grad is None
        found.append(p.detach().numpy())
    np.testing.assert_allclose(*found, rtol=1e-12)
    with pytest.raises(ValueError):
        lucid.optim.Accumulation(SGD([p], lr=0.1), 0)
    rest = lucid.optim.Accumulation(SGD([p], lr=0.1), 4)
    rest.backward((p * p).sum())
    assert not rest.step() and rest.flush() and not rest.flush()


# ---- state edited by the user ----


@pytest.mark.parametrize("edit", ["replace", "delete", "in place", "data", "clear", "new dict", "parameter data"])
def test_edits_of_state_are_seen(edit):
    """Gathered state lies in shared buffers; whatever the user does to it must count all the same."""
    found = []
    for L in (lucid, None):
        params = [lucid.tensor(np.arange(3.0) + i, requires_grad=True) for i in range(3)]
        opt = Adam(params, lr=0.1)
        single = [Adam([p], lr=0.1) for p in params] if L is None else None
        for step in range(6):
            for i, p in enumerate(params):
                p.grad = lucid.tensor(np.full(3, 1.0 + i + step))
            if step == 3:
                p, state = params[1], (single[1] if single else opt).state
                if edit == "replace":
                    state[p]["exp_avg"] = lucid.ones_like(p).detach()
                elif edit == "delete":
                    del state[p]
                elif edit == "in place":
                    state[p]["exp_avg"].mul_(0.5)
                    state[p]["step"].fill_(1.0)
                elif edit == "data":
                    state[p]["exp_avg"].data = lucid.ones_like(p).detach()
                elif edit == "clear":
                    state[p].clear()
                elif edit == "new dict":
                    state[p] = {k: v.clone() * 2 if v.ndim else v for k, v in state[p].items()}
                else:
                    p.data = lucid.zeros(3, dtype=lucid.float64)
            for o in single or [opt]:
                o.step()
        found.append([p.tolist() for p in params])
    assert found[0] == found[1]


# ---- state dicts ----


def trained(cls=Adam, names=("a", "b"), steps=3, **config):
    params = [lucid.tensor(np.arange(1.0, 4.0) * (i + 1), requires_grad=True) for i in range(len(names))]
    opt = cls(list(zip(names, params, strict=True)), **{"lr": 0.1, **config})
    for k in range(steps):
        for p in params:
            p.grad = lucid.tensor(np.cos(np.arange(3.0) + k))
        opt.step()
    return opt, params


def test_layout_is_torchs():
    opt, _ = trained()
    saved = opt.state_dict()
    assert list(saved) == ["state", "param_groups"] and list(saved["state"]) == [0, 1]
    assert list(saved["state"][0]) == ["step", "exp_avg", "exp_avg_sq"]
    assert saved["state"][0]["step"].shape == () and saved["state"][0]["step"].item() == 3.0
    assert saved["param_groups"][0]["params"] == [0, 1] and saved["param_groups"][0]["param_names"] == ["a", "b"]
    assert type(saved["state"][0]) is dict


@needs_torch
@pytest.mark.parametrize("name, config", [("Adam", {"amsgrad": True}), ("SGD", {"momentum": 0.9}), ("RMSprop", {"centered": True, "momentum": 0.5}),
                                          ("ASGD", {"t0": 1}), ("NAdam", {}), ("Adagrad", {}), ("Adadelta", {}), ("Rprop", {}), ("Adafactor", {}),
                                          ("Adamax", {}), ("RAdam", {}), ("AdamW", {})])  # fmt: skip
def test_checkpoints_cross_over(name, config):
    """Three steps in one library, three in the other: the same as six in one."""

    def steps(L, opt, params, which):
        for k in which:
            for p in params:
                p.grad = L.tensor(np.cos(np.arange(6.0).reshape(2, 3) + k))
            opt.step()

    def converted(L, value):
        if isinstance(value, dict):
            return {k: converted(L, v) for k, v in value.items()}
        if isinstance(value, list):
            return [converted(L, v) for v in value]
        return L.tensor(value.detach().numpy()) if hasattr(value, "detach") and L is torch else value

    for first, second in ((torch, lucid), (lucid, torch)):
        results = []
        for switch in (False, True):
            extra = {"decoupled_weight_decay": False} if name == "Adagrad" and first is lucid else {}
            params = [first.tensor(np.ones((2, 3)), requires_grad=True)]
            opt = getattr(first.optim, name)(params, lr=0.1, **config, **extra)
            steps(first, opt, params, range(3))
            L = first
            if switch:
                saved = converted(second, opt.state_dict())
                params = [second.tensor(p.detach().numpy(), requires_grad=True) for p in params]
                opt = getattr(second.optim, name)(params, lr=0.1, **config)
                opt.load_state_dict(saved)
                L = second
            steps(L, opt, params, range(3, 6))
            results.append(params[0].detach().numpy())
        np.testing.assert_allclose(*results, rtol=1e-6)


@pytest.mark.parametrize("change, error, words", [
    (lambda s: s["param_groups"].append({"params": []}), ValueError, "different number of parameter groups"),
    (lambda s: s["param_groups"][0]["params"].append(7), ValueError, "doesn't match the size"),
    (lambda s: s["state"][0].update(exp_avg=lucid.ones(7)), ValueError, r"parameter 0: state 'exp_avg' has shape \(7,\)"),
    (lambda s: s["state"].update({0: {"momentum_buffer": lucid.ones(3)}}), ValueError, "'exp_avg' is missing"),
])  # fmt: skip
def test_a_state_dict_that_does_not_fit_changes_nothing(change, error, words):
    opt, _ = trained()
    before = copy.deepcopy(opt.state_dict())
    bad = copy.deepcopy(before)
    bad["param_groups"][0]["lr"] = 77.0
    change(bad)
    with pytest.raises(error, match=words):
        opt.load_state_dict(bad)
    after = opt.state_dict()
    assert after["param_groups"] == before["param_groups"]
    assert all(bool((after["state"][i][k] == before["state"][i][k]).all()) for i in (0, 1) for k in before["state"][i])


def test_named_state_survives_reordering_freezing_and_adding():
    opt, (_, b) = trained(names=("a", "b"))
    saved = copy.deepcopy(opt.state_dict(named=True))
    assert list(saved["state"]) == ["a", "b"] and saved["param_groups"][0]["params"] == ["a", "b"]
    new_a, new_b, c = leaf(3), leaf(3), leaf(5)
    other = Adam([("c", c), ("b", new_b), ("a", new_a)], lr=0.7)
    other.load_state_dict(saved)
    assert other.param_groups[0]["lr"] == 0.1 and c not in other.state
    assert other.state[new_b]["exp_avg"].tolist() == pytest.approx(opt.state[b]["exp_avg"].tolist())
    frozen = Adam([("b", new_b)], lr=0.7)
    frozen.load_state_dict(saved)
    assert frozen.state[new_b]["exp_avg"].tolist() == pytest.approx(opt.state[b]["exp_avg"].tolist())


def test_named_state_lists_every_difference():
    opt, _ = trained(names=("a", "b"))
    saved = opt.state_dict(named=True)
    other = Adam([("a", leaf(4)), ("b", leaf(2, 2)), ("c", leaf())], lr=0.7)
    with pytest.raises(ValueError) as raised:
        other.load_state_dict(saved, strict=True)
    text = str(raised.value)
    assert all(
        words in text for words in ("'c': not in", "'a': state 'exp_avg' has shape (3,)", "'b': state 'exp_avg_sq'")
    )
    assert not other.state and other.param_groups[0]["lr"] == 0.7
    with pytest.raises(ValueError, match="not a parameter of this optimizer"):
        Adam([("x", leaf(3))]).load_state_dict(saved)
    with pytest.raises(ValueError, match="names"):
        Adam([leaf(3)]).state_dict(named=True)


# ---- differentiating through steps ----


@pytest.mark.parametrize("cls", [SGD, Adam, lucid.optim.RMSprop, lucid.optim.Lion])
def test_differentiable_steps(cls):
    """The derivative of the result by the learning rate and by the start, against finite differences."""

    def result(start, rate, tensors=False):
        w = lucid.tensor(np.asarray(start), requires_grad=True)
        lr = lucid.tensor(np.asarray(rate), requires_grad=True) if tensors else rate
        p = w * 1.0
        opt = (
            cls([p], lr=lr, differentiable=True)
            if cls is not SGD
            else cls([p], lr=lr, momentum=0.9, differentiable=True)
        )
        for _ in range(3):
            p.grad = lucid.autograd.grad((p**3).sum(), p, create_graph=True)[0]
            opt.step()
        return (p * p).sum(), w, lr

    start, rate, h = np.array([0.8, 1.3]), 0.05, 1e-6
    loss, w, lr = result(start, rate, tensors=cls in (SGD, Adam))
    loss.backward()
    for i in range(2):
        step = np.eye(2)[i] * h
        slope = (result(start + step, rate)[0].item() - result(start - step, rate)[0].item()) / (2 * h)
        assert w.grad[i].item() == pytest.approx(slope, rel=1e-5)
    if cls in (SGD, Adam):
        slope = (result(start, rate + h)[0].item() - result(start, rate - h)[0].item()) / (2 * h)
        assert lr.grad.item() == pytest.approx(slope, rel=1e-5)


def test_flags_that_exclude_each_other():
    with pytest.raises(RuntimeError, match="differentiable"):
        AdamW([leaf()], fused=True, differentiable=True)
    with pytest.raises(RuntimeError, match="foreach"):
        SGD([leaf()], fused=True, foreach=True)
    (p,) = with_gradients(leaf())
    Adam([p], foreach=True, capturable=True).step()
    half = lucid.tensor(0.5)
    with pytest.raises(ValueError, match="both floats or both Tensors"):
        Adam([leaf()], betas=(0.9, half))
    for tensors in ({"lr": half}, {"betas": (half, half)}):
        with pytest.raises(ValueError, match="capturable=False and foreach=True"):
            Adam([leaf()], foreach=True, **tensors)
        Adam([leaf()], **tensors).step()
    for name, error in (("Muon", RuntimeError), ("Adafactor", RuntimeError), ("SparseAdam", ValueError)):
        with pytest.raises(error, match="complex"):
            getattr(lucid.optim, name)([lucid.ones(2, 2, dtype=lucid.complex64, requires_grad=True)])
    with pytest.raises(RuntimeError, match="leaf"):
        Adam([p], differentiable=True).step()


# ---- optimizers that others wrote for torch ----


def third_party(base, L):
    """As they are found in repositories: written for ``torch.optim.Optimizer``, with the old and the new idioms."""

    class Padam(base):
        def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, partial=0.25, weight_decay=0):
            super().__init__(params, dict(lr=lr, betas=betas, eps=eps, partial=partial, weight_decay=weight_decay))

        def __setstate__(self, state):
            super().__setstate__(state)
            for group in self.param_groups:
                group.setdefault("partial", 0.25)

        def step(self, closure=None):
            loss = None
            if closure is not None:
                with L.enable_grad():
                    loss = closure()
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    grad = p.grad.data
                    state = self.state[p]
                    if len(state) == 0:
                        state["step"] = 0
                        state["exp_avg"] = L.zeros_like(p.data)
                        state["exp_avg_sq"] = L.zeros_like(p.data)
                    m, v = state["exp_avg"], state["exp_avg_sq"]
                    b1, b2 = group["betas"]
                    state["step"] += 1
                    if group["weight_decay"] != 0:
                        grad = grad.add(p.data, alpha=group["weight_decay"])
                    m.mul_(b1).add_(grad, alpha=1 - b1)
                    v.mul_(b2).addcmul_(grad, grad, value=1 - b2)
                    denom = v.sqrt().add_(group["eps"])
                    size = group["lr"] * math.sqrt(1 - b2 ** state["step"]) / (1 - b1 ** state["step"])
                    p.data.addcdiv_(m, denom ** (group["partial"] * 2), value=-size)
            return loss

    class Walker(base):
        def __init__(self, params, lr=1e-3, beta=0.9):
            super().__init__(params, {"lr": lr, "beta": beta})

        @L.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in filter(lambda p: p.grad is not None, group["params"]):
                    state = self.state[p]
                    if "ema" not in state:
                        state["ema"] = (
                            L.zeros_like(p, memory_format=L.preserve_format) if L is torch else L.zeros_like(p)
                        )
                    state["ema"].lerp_(p.grad, 1 - group["beta"])
                    p.add_(state["ema"].sign(), alpha=-group["lr"])
                    p.sub_(p.grad * group["lr"] * 0.1)

    class Elder(base):
        """The spelling of PyTorch before 1.5, a number before the tensors, which torch still takes, with a warning."""

        def __init__(self, params, lr=1e-3):
            super().__init__(params, {"lr": lr})

        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    g, state = p.grad.data, self.state[p]
                    if not state:
                        state.update(step=0, m=L.zeros_like(p.data), v=L.zeros_like(p.data))
                    state["step"] += 1
                    state["m"].mul_(0.9).add_(0.1, g)
                    state["v"].mul_(0.99).addcmul_(0.01, g, g)
                    g = g.add(0.1, p.data).sub(0.05, state["m"])
                    p.data.add_(-group["lr"], g).addcdiv_(-group["lr"], state["m"], state["v"].sqrt().add_(1e-8))

    return Padam, Walker, Elder


@pytest.mark.filterwarnings("ignore:.*deprecated:UserWarning")
@needs_torch
@pytest.mark.parametrize("which", [0, 1, 2])
def test_optimizers_written_for_torch(which):
    found = []
    for L in (lucid, torch):
        cls = third_party(L.optim.Optimizer, L)[which]
        p = L.tensor(np.array([1.0, -2.0, 3.0]), requires_grad=True)
        opt = cls([p], lr=0.1)
        schedule = L.optim.lr_scheduler.StepLR(opt, 2)
        for k in range(6):
            opt.zero_grad()
            (p * p * (k + 1)).sum().backward()
            opt.step()
            schedule.step()
            if k == 2:
                saved = opt.state_dict()
                opt = cls([p], lr=0.1)
                schedule = L.optim.lr_scheduler.StepLR(opt, 2)
                opt.load_state_dict(saved)
        found.append(p.detach().numpy())
    np.testing.assert_allclose(*found, rtol=1e-12)


def test_a_number_before_the_tensors():
    x, t = lucid.ones(2), lucid.tensor([1.0, 2.0])
    with pytest.warns(UserWarning, match="deprecated"):
        assert lucid.add(x, 2, t).tolist() == [3.0, 5.0]
    with pytest.raises(TypeError, match="one tensor too many"):
        x.addcmul_(t, t, t)
    with pytest.raises(RuntimeError, match="only supports Tensor or scalar"):
        "lr" in x  # noqa: B015


def test_required_options():
    class Own(Optimizer):
        def __init__(self, params, lr=lucid.optim.required):
            super().__init__(params, {"lr": lr})

    with pytest.raises(ValueError, match="required optimization parameter lr"):
        Own([leaf()])
    with pytest.raises(NotImplementedError):
        Own([leaf()], lr=1.0).step()


def test_a_user_subclass_of_a_shipped_optimizer():
    class Mine(Adam):
        def step(self, closure=None):
            for group in self.param_groups:
                group["lr"] *= 0.5
            return super().step(closure)

    (p,) = with_gradients(leaf())
    opt = Mine([p], lr=0.2)
    seen = []
    opt.register_step_post_hook(lambda *a: seen.append(1))
    opt.step()
    assert p.tolist() == pytest.approx([0.9, 0.9]) and seen[0] == 1


def test_views_and_transposed_parameters():
    base = lucid.tensor(np.arange(6.0).reshape(2, 3))
    view = base[0].detach().requires_grad_()
    turned = lucid.tensor(np.arange(6.0).reshape(2, 3).T, requires_grad=True)
    for p in (view, turned):
        p.grad = lucid.ones_like(p).detach()
    Adam([view, turned], lr=0.5).step()
    np.testing.assert_allclose(base.numpy(), [[-0.5, 0.5, 1.5], [3.0, 4.0, 5.0]])
    np.testing.assert_allclose(turned.detach().numpy(), np.arange(6.0).reshape(2, 3).T - 0.5)
