"""Optimizers that torch has not, against independent implementations.

`make test` compares with numbers recorded from those packages (named in REFERENCES; versions: pytorch_optimizer 4.1.0,
torch-optimizer 0.3.0, optax 0.2.8, schedulefree 1.4.1, prodigyopt 1.1.2, dadaptation 3.2), `make test-all` with the
packages themselves where they are installed. To record anew: `python tests/test_optim_others.py`.
"""

import importlib

import numpy as np
import pytest

import lucid
from reference import needs_torch, torch

START = [np.array([[0.5, -1.0, 2.0], [0.3, 0.1, -0.7]]), np.array([1.5, -0.4, 0.2])]
STEPS = 25


def slope(k, x):
    """A gradient that depends on the point (for the learning-rate-free) and on the step."""
    return 2 * x + np.cos(np.arange(x.size).reshape(x.shape) + 0.7 * k)


# ours, its options, the package and class, its options
REFERENCES = {
    "LAMB": ("LAMB", {"lr": 0.05, "weight_decay": 0.1}, "optax", "lamb", {"learning_rate": 0.05, "weight_decay": 0.1}),
    "LAMB, first form": ("LAMB", {"lr": 0.05, "weight_decay": 0.1, "bias_correction": False, "clamp": 10.0, "eps": 1e-12},
                         "pytorch_optimizer", "Lamb", {"lr": 0.05, "weight_decay": 0.1, "weight_decouple": False, "eps": 1e-12,
                                                    "adam_debias": True}),
    "LARS": ("LARS", {"lr": 0.5, "weight_decay": 0.1, "trust_coefficient": 0.02},
             "pytorch_optimizer", "LARS", {"lr": 0.5, "weight_decay": 0.1, "trust_coefficient": 0.02}),
    "LARS, nesterov": ("LARS", {"lr": 0.5, "trust_coefficient": 0.02, "nesterov": True},
                       "pytorch_optimizer", "LARS", {"lr": 0.5, "trust_coefficient": 0.02, "nesterov": True}),
    "Adan": ("Adan", {"lr": 0.05, "weight_decay": 0.1}, "pytorch_optimizer", "Adan", {"lr": 0.05, "weight_decay": 0.1}),
    "Adan, decoupled": ("Adan", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True},
                        "pytorch_optimizer", "Adan", {"lr": 0.05, "weight_decay": 0.1, "weight_decouple": True}),
    "AdaBelief": ("AdaBelief", {"lr": 0.05, "weight_decay": 0.1}, "pytorch_optimizer", "AdaBelief",
                  {"lr": 0.05, "weight_decay": 0.1, "adam_debias": False}),
    "AdEMAMix": ("AdEMAMix", {"lr": 0.02, "weight_decay": 0.1, "t_alpha_beta3": 20}, "pytorch_optimizer", "AdEMAMix",
                 {"lr": 0.02, "weight_decay": 0.1, "weight_decouple": True, "t_alpha_beta3": 20}),
    "Yogi": ("Yogi", {"lr": 0.05, "weight_decay": 0.1}, "torch_optimizer", "Yogi", {"lr": 0.05, "weight_decay": 0.1}),
    "Lion": ("Lion", {"lr": 0.05, "weight_decay": 0.1}, "optax", "lion", {"learning_rate": 0.05, "weight_decay": 0.1}),
    "Tiger": ("Tiger", {"lr": 0.05, "weight_decay": 0.1}, "pytorch_optimizer", "Tiger", {"lr": 0.05, "weight_decay": 0.1}),
    "Signum": ("Signum", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}, "pytorch_optimizer", "SignSGD",
               {"lr": 0.05, "weight_decay": 0.1}),
    "SignSGD": ("SignSGD", {"lr": 0.05}, "optax", "sign_sgd", {"learning_rate": 0.05}),
    "Shampoo": ("Shampoo", {"lr": 0.1, "momentum": 0.5}, "scipy", "shampoo", {}),
    "SOAP": ("SOAP", {"lr": 0.05, "weight_decay": 0.1, "precondition_frequency": 4}, "pytorch_optimizer", "SOAP",
             {"lr": 0.05, "weight_decay": 0.1, "precondition_frequency": 4}),
    "SGDScheduleFree": ("SGDScheduleFree", {"lr": 0.1, "weight_decay": 0.1, "warmup_steps": 5}, "schedulefree", "SGDScheduleFree",
                        {"lr": 0.1, "weight_decay": 0.1, "warmup_steps": 5, "foreach": False}),
    "AdamWScheduleFree": ("AdamWScheduleFree", {"lr": 0.1, "weight_decay": 0.1, "warmup_steps": 5}, "schedulefree",
                          "AdamWScheduleFree", {"lr": 0.1, "weight_decay": 0.1, "warmup_steps": 5, "foreach": False}),
    "Prodigy": ("Prodigy", {"weight_decay": 0.1}, "prodigyopt", "Prodigy", {"weight_decay": 0.1}),
    "Prodigy, corrected": ("Prodigy", {"use_bias_correction": True, "safeguard_warmup": True, "d0": 1e-2}, "prodigyopt",
                           "Prodigy", {"use_bias_correction": True, "safeguard_warmup": True, "d0": 1e-2}),
    "DAdaptAdam": ("DAdaptAdam", {"weight_decay": 0.1, "d0": 1e-3}, "dadaptation", "DAdaptAdam", {"weight_decay": 0.1, "d0": 1e-3}),
    "DAdaptSGD": ("DAdaptSGD", {"momentum": 0.5, "d0": 1e-3}, "dadaptation", "DAdaptSGD", {"momentum": 0.5, "d0": 1e-3}),
    "DAdaptSGD, decay": ("DAdaptSGD", {"momentum": 0.5, "weight_decay": 0.1, "d0": 1e-3}, "dadaptation", "DAdaptSGD",
                         {"momentum": 0.5, "weight_decay": 0.1, "d0": 1e-3}),
    "Prodigy, L2": ("Prodigy", {"weight_decay": 0.1, "decouple": False, "beta3": 0.9, "d_coef": 2.0, "growth_rate": 1.05}, "prodigyopt",
                    "Prodigy", {"weight_decay": 0.1, "decouple": False, "beta3": 0.9, "d_coef": 2.0, "growth_rate": 1.05}),
    "DAdaptAdam, decoupled": ("DAdaptAdam", {"weight_decay": 0.1, "decouple": True, "use_bias_correction": True, "d0": 1e-3}, "dadaptation",
                              "DAdaptAdam", {"weight_decay": 0.1, "decouple": True, "use_bias_correction": True, "d0": 1e-3}),
    "AdaBelief, amsgrad": ("AdaBelief", {"lr": 0.05, "amsgrad": True, "betas": (0.8, 0.9)}, "pytorch_optimizer", "AdaBelief",
                           {"lr": 0.05, "ams_bound": True, "betas": (0.8, 0.9)}),
    "AdEMAMix, L2": ("AdEMAMix", {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": False, "alpha": 2.0}, "pytorch_optimizer",
                     "AdEMAMix", {"lr": 0.02, "weight_decay": 0.1, "weight_decouple": False, "alpha": 2.0}),
    "LARS, dampening": ("LARS", {"lr": 0.5, "trust_coefficient": 0.02, "dampening": 0.2}, "pytorch_optimizer", "LARS",
                        {"lr": 0.5, "trust_coefficient": 0.02, "dampening": 0.2}),
    "Yogi, accumulator": ("Yogi", {"lr": 0.05, "betas": (0.8, 0.9), "initial_accumulator": 1e-3}, "torch_optimizer", "Yogi",
                          {"lr": 0.05, "betas": (0.8, 0.9), "initial_accumulator": 1e-3}),
    "SGDScheduleFree, r": ("SGDScheduleFree", {"lr": 0.1, "momentum": 0.7, "r": 1.0, "weight_lr_power": 1.0}, "schedulefree",
                           "SGDScheduleFree", {"lr": 0.1, "momentum": 0.7, "r": 1.0, "weight_lr_power": 1.0, "foreach": False}),
    "Lookahead": ("Lookahead", {"k": 3}, "pytorch_optimizer", "Lookahead", {"k": 3}),
    "SAM": ("SAM", {"rho": 0.1}, "pytorch_optimizer", "SAM", {"rho": 0.1}),
}  # fmt: skip


def drive(library, opt, params, name):
    if hasattr(opt, "train"):
        opt.train()
    for k in range(STEPS):

        def closure(k=k):
            for p in params:
                p.grad = library.tensor(slope(k, p.detach().numpy().copy()))
            return library.tensor(0.0)

        closure()
        opt.step(*[closure] if name == "SAM" else [])
    if hasattr(opt, "eval"):
        opt.eval()
    return [p.detach().numpy().copy() for p in params]


def build(library, name, cls, config):
    params = [library.tensor(x.copy(), requires_grad=True) for x in START]
    if name == "Lookahead":
        return cls(library.optim.SGD(params, lr=0.1), **config), params
    if name == "SAM":
        return cls(params, library.optim.SGD, lr=0.1, **config), params
    return cls(params, **config), params


def ours(name):
    cls, config, *_ = REFERENCES[name]
    opt, params = build(lucid, name, getattr(lucid.optim, cls), config)
    return drive(lucid, opt, params, name)


def theirs(name):
    _, _, package, cls, config = REFERENCES[name]
    module = importlib.import_module(package)
    if package == "scipy":
        return with_scipy(module.linalg.fractional_matrix_power)
    if package == "optax":
        return with_optax(getattr(module, cls)(**config))
    opt, params = build(torch, name, getattr(module, cls), config)
    return drive(torch, opt, params, name)


def with_optax(opt):
    import jax

    jax.config.update("jax_enable_x64", True)
    import optax

    params = [jax.numpy.asarray(x) for x in START]
    state = opt.init(params)
    for k in range(STEPS):
        updates, state = opt.update([jax.numpy.asarray(slope(k, np.asarray(p))) for p in params], state, params)
        params = optax.apply_updates(params, updates)
    return [np.asarray(p) for p in params]


def with_scipy(power):
    """Shampoo as in algorithm 2 of the paper, for matrices and vectors."""
    xs, sums, momenta = [x.copy() for x in START], [[np.eye(n) * 1e-4 for n in x.shape] for x in START], [0.0, 0.0]
    for k in range(STEPS):
        for i, x in enumerate(xs):
            g = slope(k, x)
            if x.ndim == 2:
                sums[i] = [sums[i][0] + g @ g.T, sums[i][1] + g.T @ g]
                u = power(sums[i][0], -0.25) @ g @ power(sums[i][1], -0.25)
            else:
                sums[i] = [sums[i][0] + np.outer(g, g)]
                u = power(sums[i][0], -0.5) @ g
            momenta[i] = 0.5 * momenta[i] + u
            x -= 0.1 * momenta[i]
    return xs


# The first element of each parameter after STEPS steps.
RECORDED = {
    "LAMB": [-0.04561202686412389, 0.5167775843008474],
    "LAMB, first form": [-0.05852985210230725, 0.5275644615365644],
    "LARS": [-0.03722133948157855, -0.4881064903350898],
    "LARS, nesterov": [-0.02800739372602482, 0.021784898007888465],
    "Adan": [-0.08257935613649461, 0.27842079502263667],
    "Adan, decoupled": [-0.08361133378460399, 0.2734035474377436],
    "AdaBelief": [-0.07857627767483695, 0.02124604717737124],
    "AdEMAMix": [0.13876501757866094, 0.9639855285141281],
    "Yogi": [-0.07157827244227061, 0.42456268305779515],
    "Lion": [-0.059015364351411435, 0.14553279391121546],
    "Tiger": [-0.24166251147508594, 0.14553279391121426],
    "Signum": [-0.05486360911676064, 0.14553279391121426],
    "SignSGD": [0.15000000000000008, 0.4499999999999992],
    "Shampoo": [0.1850197623907155, 0.41008299985596186],
    "SOAP": [0.13657281556229914, 0.27958923921242407],
    "SGDScheduleFree": [-0.023667373715744316, -0.05981566970815872],
    "AdamWScheduleFree": [-0.006229317032566777, 0.469661743603557],
    "Prodigy": [0.2095790793152148, 0.32603254294653067],
    "Prodigy, corrected": [0.2896154053405204, 1.2264152080414432],
    "DAdaptAdam": [0.3035266727787127, -0.12780140991793165],
    "DAdaptSGD": [0.5744714242816433, 0.5958473269465927],
    "DAdaptSGD, decay": [0.5344203912740305, 0.5454947890929119],
    "Prodigy, L2": [0.4992797482057275, 1.4991578897038995],
    "DAdaptAdam, decoupled": [0.6054915843544064, 0.09518900803461114],
    "AdaBelief, amsgrad": [-0.009672545516732668, 0.11937807086870207],
    "AdEMAMix, L2": [0.154314985401731, 1.0316973421652875],
    "LARS, dampening": [0.02188900688134761, 0.31330118226372977],
    "Yogi, accumulator": [0.018802945605529604, 0.5533491088863386],
    "SGDScheduleFree, r": [-0.001368904547366425, -0.01834010117637925],
    "Lookahead": [0.13135179256350216, 0.2167137471808078],
    "SAM": [0.16691766768697883, 0.16922260113541093],
}  # fmt: skip


@pytest.mark.parametrize("name", REFERENCES)
def test_recorded(name):
    found = ours(name)
    assert [float(p.reshape(-1)[0]) for p in found] == pytest.approx(RECORDED[name], rel=1e-6, abs=1e-9)


@pytest.mark.slow
@needs_torch
@pytest.mark.parametrize("name", REFERENCES)
def test_package(name):
    pytest.importorskip(REFERENCES[name][2])
    for a, b in zip(ours(name), theirs(name), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6 if name in ("SOAP", "Shampoo") else 1e-9, atol=1e-9)


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    for each in REFERENCES:
        print(f'    "{each}": {[float(p.reshape(-1)[0]) for p in theirs(each)]},')
