"""kl_divergence of every pair that is registered, beside torch's and the integral."""

import math

import numpy as np
import pytest

import lucid
from distribution_table import T, close, make, values
from lucid import distributions as D
from lucid.distributions.kl import _KL_REGISTRY
from reference import needs_torch

# p and q with q's support covering p's, by class name
PAIRS = sorted({(p.__name__, q.__name__) for p, q in _KL_REGISTRY})
BASES = {
    "ExponentialFamily": "Exponential",
    "TransformedDistribution": "LogNormal",
    "Independent": "Normal",
}


def of_class(lib, name, arrays, grad):
    d, tensors = make(lib, BASES.get(name, name), arrays, grad)
    return (lib.Independent(d, 1) if name == "Independent" else d), tensors


# where a uniform ends exactly at an end of q's support torch says inf; see test_kl_at_the_ends
FIXED = {
    ("Uniform", "Beta"): {"low": 0.2, "high": 0.7},
    ("Uniform", "ContinuousBernoulli"): {"low": 0.2, "high": 0.7},
    ("Uniform", "Exponential"): {"low": 0.5},
    ("Uniform", "Gamma"): {"low": 0.5},
    ("Uniform", "Pareto"): {"low": 3.5, "high": 6.0},
}


@needs_torch
@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_kl(pair):
    a, b = (values(BASES.get(name, name), (2, 3), (pair, i)) for i, name in enumerate(pair))
    a |= {k: np.full((2, 3), v) for k, v in FIXED.get(pair, {}).items()}
    if pair in (("Beta", "Uniform"), ("ContinuousBernoulli", "Uniform")):
        b = {"low": np.full((2, 3), -0.5), "high": np.full((2, 3), 1.5)}
    if pair == ("Pareto", "Pareto"):
        b["scale"] = a["scale"] * np.array([0.5, 0.9, 1.5])
    if pair == ("Uniform", "Uniform"):
        b["low"] = a["low"] - np.array([0.5, 0.0, -0.1])
    results = []
    for lib in (D, T):
        p, t = of_class(lib, pair[0], a, True)
        q, s = of_class(lib, pair[1], b, True)
        kl = lib.kl_divergence(p, q)
        if pair == ("ContinuousBernoulli", "Uniform") and lib is T:  # torch says inf wherever q is not narrower
            kl = -p.entropy() + (q.high - q.low).log()
        finite = kl[kl.isfinite()]
        if finite.requires_grad and len(finite):
            finite.sum().backward()
        results.append((kl, [x.grad for x in (*t.values(), *s.values())]))
    (ours, grads), (theirs, their_grads) = results
    close(ours, theirs, "kl", rtol=1e-8, atol=1e-9)
    if pair[0] in ("ExponentialFamily", "Independent") or not bool(ours.isfinite().all()):
        return
    for g, h in zip(grads, their_grads, strict=True):
        if h is not None:
            close(g, h, "gradient", rtol=1e-6, atol=1e-7)


@needs_torch
def test_all_pairs_of_torch_are_registered():
    from torch.distributions.kl import _KL_REGISTRY as theirs

    assert {(p.__name__, q.__name__) for p, q in theirs} == set(PAIRS)


def test_kl_at_the_ends():
    """Supports that touch are not outside each other (torch answers inf), and probabilities of 0 and 1."""
    unit = D.Uniform(0.0, 1.0)
    assert float(D.kl_divergence(unit, D.ContinuousBernoulli(probs=0.3))) == pytest.approx(
        0.02974, abs=1e-5
    )  # 0.42365 + 0.35667 - 0.75058
    assert float(D.kl_divergence(D.ContinuousBernoulli(probs=0.3), unit)) > 0
    assert math.isinf(D.kl_divergence(unit, D.Uniform(0.1, 1.0)))
    assert float(D.kl_divergence(D.Bernoulli(0.0), D.Bernoulli(0.0))) == 0
    assert math.isinf(D.kl_divergence(D.Bernoulli(0.5), D.Bernoulli(1.0)))
    p, q = (D.Categorical(lucid.tensor(v)) for v in ([0.0, 1.0], [1.0, 1.0]))
    assert float(D.kl_divergence(p, q)) == pytest.approx(math.log(2))
    assert math.isinf(D.kl_divergence(q, p))
    assert math.isinf(D.kl_divergence(D.Binomial(3, lucid.tensor(0.5)), D.Binomial(2, lucid.tensor(0.5))))
    with pytest.raises(NotImplementedError):
        D.kl_divergence(D.Binomial(2, lucid.tensor(0.5)), D.Binomial(3, lucid.tensor(0.5)))
    with pytest.raises(NotImplementedError):
        D.kl_divergence(D.Normal(0, 1), D.Cauchy(0, 1))
    with pytest.raises(NotImplementedError):
        D.kl_divergence(D.Normal(0, 1), D.Bernoulli(0.5))
    with pytest.raises(ValueError):
        D.kl_divergence(*(D.MultivariateNormal(lucid.zeros(n), lucid.eye(n)) for n in (2, 3)))


def test_register_kl():
    class Mine(D.Normal):
        pass

    class Other(Mine):
        pass

    before = dict(_KL_REGISTRY)
    try:
        D.register_kl(Mine, D.Normal)(lambda p, q: "left")
        D.register_kl(D.Normal, Mine)(lambda p, q: "right")
        assert D.kl_divergence(Other(0, 1), D.Normal(0, 1)) == "left"
        assert D.kl_divergence(D.Normal(0, 1), Other(0, 1)) == "right"
        with pytest.warns(RuntimeWarning, match="Ambiguous"):
            assert D.kl_divergence(Mine(0, 1), Mine(0, 1)) == "left"
    finally:
        _KL_REGISTRY.clear()
        _KL_REGISTRY.update(before)
        D.register_kl(D.Normal, D.Normal)(before[D.Normal, D.Normal])  # forgets the remembered choices
    with pytest.raises(TypeError):
        D.register_kl("Normal", D.Normal)
