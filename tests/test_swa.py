"""Averaged models, their schedule and the statistics of batch normalization, against torch."""

import copy

import numpy as np
import pytest

import lucid
from lucid.optim import swa_utils
from reference import needs_torch, torch


def model(L):
    net = L.nn.Sequential(L.nn.Linear(3, 4), L.nn.BatchNorm1d(4), L.nn.ReLU(), L.nn.Linear(4, 2))
    rng = np.random.default_rng(0)
    with L.no_grad():
        for p in net.parameters():
            p.copy_(L.tensor(rng.standard_normal(tuple(p.shape)).astype("float32")))
    return net


def batches(L):
    rng = np.random.default_rng(1)
    return [L.tensor(rng.standard_normal((8, 3)).astype("float32")) for _ in range(6)]


def averaged(L, kind, use_buffers):
    utils = L.optim.swa_utils
    arguments = {
        "mean": {}, "ema": {"multi_avg_fn": utils.get_ema_multi_avg_fn(0.7)}, "ema, one": {"avg_fn": utils.get_ema_avg_fn(0.7)},
        "mean, one": {"avg_fn": utils.get_swa_avg_fn()}, "mean, many": {"multi_avg_fn": utils.get_swa_multi_avg_fn()},
    }[kind]  # fmt: skip
    net = model(L)
    average = utils.AveragedModel(net, use_buffers=use_buffers, **arguments)
    opt = L.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    schedule = utils.SWALR(opt, swa_lr=0.02, anneal_epochs=3)
    rates = []
    for x in batches(L):
        opt.zero_grad()
        (net(x) ** 2).mean().backward()
        opt.step()
        average.update_parameters(net)
        schedule.step()
        rates.append(opt.param_groups[0]["lr"])
    utils.update_bn([(x, None) for x in batches(L)], average)
    average.eval()
    out = average(batches(L)[0])
    return [out.detach().numpy(), np.array(rates), *(v.numpy() for v in average.state_dict().values())], list(
        average.state_dict()
    )


@needs_torch
@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize("kind", ["mean", "ema", "ema, one", "mean, one", "mean, many"])
def test_averages_as_torch(kind, use_buffers):
    if kind == "mean, many" and use_buffers:
        pytest.skip("torch cannot average its integer buffer this way")
    (ours, names), (theirs, their_names) = averaged(lucid, kind, use_buffers), averaged(torch, kind, use_buffers)
    assert names == their_names
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


@needs_torch
@pytest.mark.parametrize("config", [{"anneal_strategy": "linear"}, {"anneal_epochs": 0}, {"anneal_epochs": 5}])
def test_swalr_as_torch(config):
    found = []
    for L in (lucid, torch):
        opt = L.optim.SGD([L.ones(1, requires_grad=True)], lr=0.5)
        schedule = L.optim.swa_utils.SWALR(opt, 0.05, **config)
        rates = []
        for k in range(10):
            opt.step()
            if k == 4:
                state = copy.deepcopy(schedule.state_dict())
                schedule.load_state_dict(state)
            schedule.step()
            rates.append(opt.param_groups[0]["lr"])
        found.append(rates)
    np.testing.assert_allclose(*found, rtol=1e-12)


def test_bad_input():
    opt = lucid.optim.SGD([lucid.ones(1, requires_grad=True)], lr=0.5)
    with pytest.raises(ValueError):
        swa_utils.SWALR(opt, 0.1, anneal_strategy="x")
    with pytest.raises(ValueError):
        swa_utils.SWALR(opt, 0.1, anneal_epochs=-1)
    with pytest.raises(ValueError):
        swa_utils.get_ema_avg_fn(1.5)
    with pytest.raises(AssertionError):
        swa_utils.AveragedModel(lucid.nn.Linear(1, 1), avg_fn=max, multi_avg_fn=max)


def test_resumes_to_the_bit():
    net = lucid.nn.Linear(2, 2)
    whole = swa_utils.AveragedModel(net)
    for k in range(4):
        with lucid.no_grad():
            net.weight.add_(0.1 * k)
        if k == 2:
            part = swa_utils.AveragedModel(net)
            part.load_state_dict(whole.state_dict())
        whole.update_parameters(net)
        if k >= 2:
            part.update_parameters(net)
    assert bool((part.module.weight == whole.module.weight).all())
