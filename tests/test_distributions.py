"""lucid.distributions beside torch.distributions: every class, every pair of kl_divergence, every transform."""

import itertools
import math
import pickle
import warnings
import zlib

import numpy as np
import pytest
import scipy.special
import scipy.stats

import lucid
from lucid import distributions as D
from lucid.distributions import constraints
from lucid.distributions.implicit import gamma_slope
from lucid.distributions.kl import _KL_REGISTRY
from reference import needs_mlx, needs_torch, torch

T = torch.distributions if torch else None


def rng(*key):
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


# ---- parameters: (kind, shape of one event of it) ----

KINDS = {
    "real": lambda g, s: g.normal(size=s),
    "positive": lambda g, s: g.uniform(0.4, 3.0, s),
    "large": lambda g, s: g.uniform(4.5, 8.0, s),
    "above": lambda g, s: g.uniform(3.0, 5.0, s),
    "unit": lambda g, s: g.uniform(0.1, 0.9, s),
    "small": lambda g, s: g.uniform(-0.4, 0.4, s),
    "simplex": lambda g, s: g.dirichlet(np.ones(s[-1]) * 2, s[:-1]),
    "tril": lambda g, s: np.tril(g.normal(size=s), -1) + np.eye(s[-1]) * g.uniform(0.5, 2.0, (*s[:-2], 1, s[-1])),
    "spd": lambda g, s: (lambda a: a @ np.swapaxes(a, -1, -2) + 0.5 * np.eye(s[-1]))(g.normal(size=s)),
}

LOC_SCALE = {"loc": "real", "scale": "positive"}
# name of the row: (class, parameters by name: kind or (kind, *event shape), fixed arguments)
ROWS = {
    "Bernoulli": ("Bernoulli", {"probs": "unit"}, {}),
    "Bernoulli logits": ("Bernoulli", {"logits": "real"}, {}),
    "Beta": ("Beta", {"concentration1": "positive", "concentration0": "positive"}, {}),
    "Binomial": ("Binomial", {"probs": "unit"}, {"total_count": 5}),
    "Binomial logits": ("Binomial", {"logits": "real"}, {"total_count": 4}),
    "Categorical": ("Categorical", {"probs": ("simplex", 4)}, {}),
    "Categorical logits": ("Categorical", {"logits": ("real", 4)}, {}),
    "Cauchy": ("Cauchy", LOC_SCALE, {}),
    "Chi2": ("Chi2", {"df": "positive"}, {}),
    "ContinuousBernoulli": ("ContinuousBernoulli", {"probs": "unit"}, {}),
    "ContinuousBernoulli logits": ("ContinuousBernoulli", {"logits": "real"}, {}),
    "Dirichlet": ("Dirichlet", {"concentration": ("positive", 3)}, {}),
    "Exponential": ("Exponential", {"rate": "positive"}, {}),
    "FisherSnedecor": ("FisherSnedecor", {"df1": "positive", "df2": "large"}, {}),
    "Gamma": ("Gamma", {"concentration": "positive", "rate": "positive"}, {}),
    "GeneralizedPareto": ("GeneralizedPareto", {**LOC_SCALE, "concentration": "small"}, {}),
    "Geometric": ("Geometric", {"probs": "unit"}, {}),
    "Geometric logits": ("Geometric", {"logits": "real"}, {}),
    "Gumbel": ("Gumbel", LOC_SCALE, {}),
    "HalfCauchy": ("HalfCauchy", {"scale": "positive"}, {}),
    "HalfNormal": ("HalfNormal", {"scale": "positive"}, {}),
    "InverseGamma": ("InverseGamma", {"concentration": "above", "rate": "positive"}, {}),
    "Kumaraswamy": ("Kumaraswamy", {"concentration1": "above", "concentration0": "above"}, {}),
    "LKJCholesky": ("LKJCholesky", {"concentration": "positive"}, {"dim": 3}),
    "Laplace": ("Laplace", LOC_SCALE, {}),
    "LogNormal": ("LogNormal", LOC_SCALE, {}),
    "LogisticNormal": ("LogisticNormal", {"loc": ("real", 3), "scale": ("positive", 3)}, {}),
    "LowRankMultivariateNormal": (
        "LowRankMultivariateNormal",
        {"loc": ("real", 3), "cov_factor": ("real", 3, 2), "cov_diag": ("positive", 3)},
        {},
    ),
    "Multinomial": ("Multinomial", {"probs": ("simplex", 3)}, {"total_count": 4}),
    "MultivariateNormal": ("MultivariateNormal", {"loc": ("real", 3), "scale_tril": ("tril", 3, 3)}, {}),
    "MultivariateNormal covariance": (
        "MultivariateNormal",
        {"loc": ("real", 3), "covariance_matrix": ("spd", 3, 3)},
        {},
    ),
    "MultivariateNormal precision": (
        "MultivariateNormal",
        {"loc": ("real", 3), "precision_matrix": ("spd", 3, 3)},
        {},
    ),
    "NegativeBinomial": ("NegativeBinomial", {"total_count": "positive", "probs": "unit"}, {}),
    "Normal": ("Normal", LOC_SCALE, {}),
    "OneHotCategorical": ("OneHotCategorical", {"logits": ("real", 4)}, {}),
    "Pareto": ("Pareto", {"scale": "positive", "alpha": "above"}, {}),
    "Poisson": ("Poisson", {"rate": "positive"}, {}),
    "RelaxedBernoulli": ("RelaxedBernoulli", {"logits": "real"}, {"temperature": 0.7}),
    "RelaxedOneHotCategorical": ("RelaxedOneHotCategorical", {"logits": ("real", 3)}, {"temperature": 0.7}),
    "StudentT": ("StudentT", {"df": "above", **LOC_SCALE}, {}),
    "Uniform": ("Uniform", {"low": "real", "high": "above"}, {}),
    "VonMises": ("VonMises", {"loc": "real", "concentration": "positive"}, {}),
    "Weibull": ("Weibull", {"scale": "positive", "concentration": "above"}, {}),
    "Wishart": ("Wishart", {"df": "large", "scale_tril": ("tril", 3, 3)}, {}),
    "Wishart covariance": ("Wishart", {"df": "large", "covariance_matrix": ("spd", 3, 3)}, {}),
}


def values(row, batch, key=0):
    _, parameters, _ = ROWS[row]
    g = rng(row, batch, key)
    kinds = {k: (v,) if isinstance(v, str) else v for k, v in parameters.items()}
    return {k: KINDS[kind](g, (*batch, *event)) for k, (kind, *event) in kinds.items()}


def make(lib, row, arrays, grad=False, **options):
    """The distribution of a row in one library, and its parameters."""
    name, _, fixed = ROWS[row]
    package = lucid if lib is D else torch
    tensors = {k: package.tensor(v, requires_grad=grad) for k, v in arrays.items()}
    fixed = {k: package.tensor(v, dtype=package.float64) if k == "temperature" else v for k, v in fixed.items()}
    return getattr(lib, name)(**fixed, **tensors, **options), tensors


def both(row, batch=(), key=0, **options):
    arrays = values(row, batch, key)
    return make(D, row, arrays, **options), make(T, row, arrays, **options)


def close(ours, theirs, what, rtol=1e-9, atol=1e-10):
    assert tuple(ours.shape) == tuple(theirs.shape), what
    np.testing.assert_allclose(
        ours.detach().numpy(), theirs.detach().numpy(), rtol=rtol, atol=atol, equal_nan=True, err_msg=what
    )


# What torch computes with less than double precision; the exact values are in test_von_mises_is_exact.
LOOSE = {("VonMises", "log_prob"): 1e-6, ("VonMises", "variance"): 1e-5, ("VonMises", "stddev"): 1e-5}
BATCHES = [(), (2, 3)]
each_row = pytest.mark.parametrize("row", ROWS)


def call(d, name, *args):
    """A method or property, or None where the library has none."""
    try:
        found = getattr(d, name)
        return found(*args) if callable(found) else found
    except NotImplementedError:
        return None


@pytest.fixture
def torch_in_double():
    """torch's GeneralizedPareto and Multinomial make constants of the default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@needs_torch
@pytest.mark.usefixtures("torch_in_double")
@pytest.mark.parametrize("batch", BATCHES, ids=str)
@each_row
def test_moments_densities_and_gradients(row, batch):
    (ours, p), (theirs, q) = both(row, batch, grad=True)
    assert (ours.batch_shape, ours.event_shape) == (tuple(theirs.batch_shape), tuple(theirs.event_shape))
    assert (ours.has_rsample, ours.has_enumerate_support) == (theirs.has_rsample, theirs.has_enumerate_support)
    assert set(ours.arg_constraints) == set(theirs.arg_constraints)
    torch.manual_seed(1)
    x = theirs.sample((4,))
    y = lucid.tensor(x.numpy())
    u = rng(row).uniform(0.05, 0.95, (4, *batch))
    results = {
        name: (call(ours, name), call(theirs, name)) for name in ("mean", "variance", "stddev", "mode", "entropy")
    }
    results["log_prob"] = ours.log_prob(y), theirs.log_prob(x)
    results["cdf"] = call(ours, "cdf", y), call(theirs, "cdf", x)
    results["icdf"] = call(ours, "icdf", lucid.tensor(u)), call(theirs, "icdf", torch.tensor(u))
    assert bool(ours.support.check(y).all())
    for name, (a, b) in results.items():
        assert (a is None) <= (b is None), name  # torch's NotImplementedError may be our value, not the reverse
        if b is None:
            continue
        loose = LOOSE.get((row, name), 1e-9)
        close(a, b, name, rtol=loose)
        if b.requires_grad:
            for t in (*p.values(), *q.values()):
                t.grad = None
            try:
                b.sum().backward(retain_graph=True)
            except NotImplementedError:  # gammainc by its first argument
                with pytest.raises(NotImplementedError):
                    a.sum().backward(retain_graph=True)
                continue
            a.sum().backward(retain_graph=True)
            for k in p:
                if k == "scale_tril" and q[k].grad is not None:
                    # torch's cholesky_solve passes gradients to what it does not read
                    p[k].grad, q[k].grad = p[k].grad.tril(), q[k].grad.tril()
                if q[k].grad is not None and bool(q[k].grad.isfinite().all()):
                    # torch clamps probabilities before the logarithm; so do we, with the same constants
                    close(p[k].grad, q[k].grad, f"{name} by {k}", rtol=max(10 * loose, 1e-7), atol=1e-8)


@needs_torch
@pytest.mark.usefixtures("torch_in_double")
@each_row
def test_expand_sample_and_support(row):
    (ours, _), (theirs, _) = both(row, (3,))
    big, theirs_big = ours.expand((2, 3)), theirs.expand((2, 3))
    assert type(big) is type(ours) and big.batch_shape == (2, 3) and big.event_shape == ours.event_shape
    torch.manual_seed(2)
    x = theirs_big.sample((2,))
    y = lucid.tensor(x.numpy())
    close(big.log_prob(y), theirs_big.log_prob(x), "log_prob", rtol=LOOSE.get((row, "log_prob"), 1e-9))
    close(big.expand((4, 2, 3)).log_prob(y[:, None]), theirs_big.log_prob(x)[:, None].expand(2, 4, 2, 3), "twice", 1e-5)
    lucid.manual_seed(0)
    s = big.sample((2, 1))
    assert s.shape == (2, 1, 2, 3, *ours.event_shape) and not s.requires_grad
    assert s.dtype.name == str(theirs_big.sample().dtype).removeprefix("torch.")
    lucid.manual_seed(0)
    assert bool((big.sample((2, 1)) == s).all())
    assert bool(ours.support.check(s).all())
    assert repr(ours).replace("lucid.", "") == repr(theirs).replace("torch.", "")
    if theirs.has_enumerate_support:
        for expand in (True, False):
            close(ours.enumerate_support(expand), theirs.enumerate_support(expand), "enumerate_support")


# ---- samples ----


def scipy_cdf(row, a):
    """The distribution function of a row in scipy, or None."""
    s = scipy.stats
    frozen = {
        "Beta": lambda: s.beta(a["concentration1"], a["concentration0"]),
        "Cauchy": lambda: s.cauchy(a["loc"], a["scale"]),
        "Chi2": lambda: s.chi2(a["df"]),
        "Exponential": lambda: s.expon(scale=1 / a["rate"]),
        "FisherSnedecor": lambda: s.f(a["df1"], a["df2"]),
        "Gamma": lambda: s.gamma(a["concentration"], scale=1 / a["rate"]),
        "GeneralizedPareto": lambda: s.genpareto(a["concentration"], a["loc"], a["scale"]),
        "Gumbel": lambda: s.gumbel_r(a["loc"], a["scale"]),
        "HalfCauchy": lambda: s.halfcauchy(scale=a["scale"]),
        "HalfNormal": lambda: s.halfnorm(scale=a["scale"]),
        "InverseGamma": lambda: s.invgamma(a["concentration"], scale=a["rate"]),
        "Laplace": lambda: s.laplace(a["loc"], a["scale"]),
        "LogNormal": lambda: s.lognorm(a["scale"], scale=np.exp(a["loc"])),
        "Normal": lambda: s.norm(a["loc"], a["scale"]),
        "Pareto": lambda: s.pareto(a["alpha"], scale=a["scale"]),
        "StudentT": lambda: s.t(a["df"], a["loc"], a["scale"]),
        "Uniform": lambda: s.uniform(a["low"], a["high"] - a["low"]),
        "VonMises": lambda: s.vonmises(a["concentration"]),
        "Weibull": lambda: s.weibull_min(a["concentration"], scale=a["scale"]),
    }.get(row)
    return frozen and frozen().cdf


@each_row
def test_samples_follow_the_distribution(row):
    """Kolmogorov and Smirnov against scipy where it has the family; else the mean, within 5 standard errors."""
    arrays = values(row, ())
    ours, _ = make(D, row, arrays)
    lucid.manual_seed(7)
    n = 4000
    x = ours.sample((n,)).numpy()
    cdf = scipy_cdf(row, arrays)
    if row == "VonMises":
        x = (x - arrays["loc"] + np.pi) % (2 * np.pi) - np.pi
    if cdf is not None:
        assert scipy.stats.kstest(x, cdf).pvalue > 1e-3
    elif row.startswith("Categorical"):
        counts = np.bincount(x.astype(int), minlength=4)
        assert scipy.stats.chisquare(counts, n * ours.probs.numpy()).pvalue > 1e-3
    elif call(ours, "mean") is not None:
        error = np.sqrt(ours.variance.numpy() / n)
        assert np.all(np.abs(x.mean(0) - ours.mean.numpy()) < 5 * error + 1e-12)


@pytest.mark.parametrize("dim, concentration", [(2, 0.5), (4, 2.0)])
def test_lkj_correlations_are_beta(dim, concentration):
    """Each correlation of LKJ(c) is, on (-1, 1), Beta(c + dim / 2 - 1) on both sides."""
    lucid.manual_seed(3)
    factor = D.LKJCholesky(dim, concentration).sample((4000,))
    r = (factor @ factor.mT).numpy()[:, dim - 1, 0]
    b = concentration + dim / 2 - 1
    assert scipy.stats.kstest((r + 1) / 2, scipy.stats.beta(b, b).cdf).pvalue > 1e-3


RSAMPLES = [row for row in ROWS if row.split()[0] not in ("HalfCauchy", "Cauchy")]


@each_row
def test_rsample_has_the_gradient_of_the_mean(row):
    """d/dθ E[f(x)] by the samples and by what the class knows of its mean, within 6 standard errors."""
    arrays = values(row, ())
    ours, p = make(D, row, arrays, grad=True)
    if not ours.has_rsample:
        assert not ours.sample().requires_grad
        with pytest.raises(NotImplementedError):
            ours.rsample()
        return
    lucid.manual_seed(5)
    n = 3000
    x = ours.rsample((n,))
    assert x.requires_grad
    if row not in RSAMPLES or call(ours, "mean") is None:
        return
    batched = {k: lucid.tensor(np.broadcast_to(v, (n, *v.shape)).copy(), requires_grad=True) for k, v in arrays.items()}
    name, _, fixed = ROWS[row]
    lucid.manual_seed(5)
    each = getattr(D, name)(**batched, **fixed).rsample()
    weight = lucid.tensor(rng(row, "weight").normal(size=ours.event_shape))
    (each * weight).sum().backward()
    (ours.mean * weight).sum().backward()
    for k, t in p.items():
        if t.grad is None:
            continue
        per_sample, expected = batched[k].grad.numpy(), t.grad.numpy()
        if k == "covariance_matrix":  # a symmetric matrix has a gradient only up to transposition
            per_sample, expected = per_sample + per_sample.swapaxes(-1, -2), expected + expected.swapaxes(-1, -2)
        error = per_sample.std(0) / math.sqrt(n)
        assert np.all(np.abs(per_sample.mean(0) - expected) < 6 * error + 1e-9), k


# ---- the implicit derivative of gamma samples ----


def exact_slope(a, x):
    """dx/da at fixed P(a, x) by central differences of scipy's quantiles, where P is not rounded."""
    p, q = scipy.special.gammainc(a, x), scipy.special.gammaincc(a, x)
    h = 1e-5 * a
    low = scipy.special.gammaincinv if p < 0.5 else scipy.special.gammainccinv
    u = p if p < 0.5 else q
    return (low(a + h, u) - low(a - h, u)) / (2 * h)


@pytest.mark.parametrize("a", [0.02, 0.3, 1.0, 2.5, 10.0, 300.0, 2e4])
def test_gamma_slope_is_exact(a):
    x = scipy.stats.gamma(a).ppf([1e-6, 0.01, 0.2, 0.5, 0.7, 0.99, 1 - 1e-6])
    x = x[x > 1e-290]
    exact = np.array([exact_slope(a, v) for v in x])
    got = gamma_slope(lucid.full((len(x),), a, dtype=lucid.float64), lucid.tensor(x)).numpy()
    np.testing.assert_allclose(got, exact, rtol=1e-6)


@needs_torch
def test_gamma_slope_beside_torch():
    g = rng("slope")
    a = np.exp(g.uniform(-3, 5, 400))
    x = g.gamma(a)
    a, x = a[x > 1e-30], x[x > 1e-30]
    ours = gamma_slope(lucid.tensor(a), lucid.tensor(x)).numpy()
    theirs = torch._standard_gamma_grad(torch.tensor(a), torch.tensor(x)).numpy()
    error = np.abs(ours / theirs - 1)
    assert np.median(error) < 3e-5 and error.max() < 2e-3  # torch's approximation is off by up to 1e-3


def test_gamma_slope_has_higher_derivatives_and_float32():
    a = lucid.tensor([0.5, 2.0, 30.0], dtype=lucid.float64, requires_grad=True)
    lucid.manual_seed(0)
    x = lucid._standard_gamma(a)
    (first,) = lucid.autograd.grad(x.sum(), a, create_graph=True)
    (second,) = lucid.autograd.grad(first.sum(), a)
    h = 1e-4
    for i in range(3):
        v, w = float(a[i]), float(x[i])
        u = scipy.special.gammainc(v, w)
        q = [scipy.special.gammaincinv(v + k * h * v, u) for k in (-1, 0, 1)]
        assert float(second[i]) == pytest.approx((q[0] - 2 * q[1] + q[2]) / (h * v) ** 2, rel=1e-3)
    single = gamma_slope(a.detach().float(), x.detach().float())
    assert single.dtype is lucid.float32
    np.testing.assert_allclose(single.numpy(), first.detach().numpy(), rtol=1e-5)


def test_dirichlet_of_tiny_concentrations_stays_finite():
    a = lucid.full((500, 3), 1e-3, requires_grad=True)
    x = D.Dirichlet(a).rsample()
    x.log().sum().backward()
    assert bool(x.isfinite().all()) and bool(a.grad.isfinite().all())
    np.testing.assert_allclose(x.sum(-1).detach().numpy(), 1, rtol=1e-6)


# ---- kl_divergence ----

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
        D.register_kl(int, D.Normal)


# ---- transforms ----


def transforms(lib):
    t = torch.tensor if lib is T else lucid.tensor
    c = lib.constraints
    two = t([2.0, -0.5], dtype=torch.float64 if lib is T else lucid.float64)
    made = {
        "exp": (lib.ExpTransform(), "real", (2,)),
        "abs": (lib.AbsTransform(), "real", (2,)),
        "power": (lib.PowerTransform(two), "positive", (2,)),
        "sigmoid": (lib.SigmoidTransform(), "real", (2,)),
        "softplus": (lib.SoftplusTransform(), "real", (2,)),
        "tanh": (lib.TanhTransform(), "real", (2,)),
        "affine": (lib.AffineTransform(0.5, -2.0), "real", (2,)),
        "affine tensors": (lib.AffineTransform(two, two), "real", (2,)),
        "affine event": (lib.AffineTransform(0.5, two, event_dim=1), "real", (2,)),
        "affine event number": (lib.AffineTransform(0.5, 3.0, event_dim=2), "real", (3, 2)),
        "softmax": (lib.SoftmaxTransform(), "real", (3,)),
        "stick breaking": (lib.StickBreakingTransform(), "real", (3,)),
        "lower cholesky": (lib.LowerCholeskyTransform(), "real", (3, 3)),
        "positive definite": (lib.PositiveDefiniteTransform(), "real", (3, 3)),
        "corr cholesky": (lib.CorrCholeskyTransform(), "real", (6,)),
        "cdf": (lib.CumulativeDistributionTransform(lib.Normal(two, two.abs())), "real", (2,)),
        "reshape": (lib.ReshapeTransform((4,), (2, 2)), "real", (4,)),
        "independent": (lib.IndependentTransform(lib.ExpTransform(), 1), "real", (3,)),
        "compose": (lib.ComposeTransform([lib.AffineTransform(1.0, 2.0), lib.StickBreakingTransform()]), "real", (3,)),
        "compose down": (
            lib.ComposeTransform([lib.StickBreakingTransform(), lib.StickBreakingTransform().inv, lib.TanhTransform()]),
            "real",
            (3,),
        ),
        "identity": (lib.transforms.identity_transform, "real", (2,)),
        "cat": (lib.CatTransform([lib.ExpTransform(), lib.TanhTransform()], dim=-1, lengths=[1, 2]), "real", (3,)),
        "cat events": (
            lib.CatTransform([lib.StickBreakingTransform(), lib.StickBreakingTransform()], dim=0, lengths=[1, 1]),
            "real",
            (3,),
        ),
        "stack": (lib.StackTransform([lib.ExpTransform(), lib.SigmoidTransform()], dim=-1), "real", (2,)),
        "biject positive": (lib.biject_to(c.positive), "real", (2,)),
        "biject less": (lib.biject_to(c.less_than(2.0)), "real", (2,)),
        "biject interval": (lib.biject_to(c.interval(-1.0, 3.0)), "real", (2,)),
        "biject unit": (lib.biject_to(c.unit_interval), "real", (2,)),
        "biject simplex": (lib.biject_to(c.simplex), "real", (2,)),
        "to simplex": (lib.transform_to(c.simplex), "real", (2,)),
        "to vectors": (lib.transform_to(c.independent(c.positive, 1)), "real", (2,)),
        "to lower cholesky": (lib.transform_to(c.lower_cholesky), "real", (2, 2)),
        "to corr cholesky": (lib.transform_to(c.corr_cholesky), "real", (3,)),
        "to cat": (lib.transform_to(c.cat([c.positive, c.real], -1, [1, 2])), "real", (3,)),
        "to stack": (lib.biject_to(c.stack([c.positive, c.real], -1)), "real", (2,)),
    }
    return made


def same_or_missing(ours, theirs, what, *args):
    """Equal values, or NotImplementedError from both."""
    try:
        expected = theirs(*args[1::2])
    except NotImplementedError:
        with pytest.raises(NotImplementedError):
            ours(*args[::2])
        return
    close(ours(*args[::2]), expected, what, rtol=1e-8)


@needs_torch
@pytest.mark.parametrize("name", list(transforms(D)))
def test_transforms(name):
    ours, kind, event = transforms(D)[name]
    theirs, *_ = transforms(T)[name]
    array = KINDS[kind](rng(name), (2, *event))
    x, x_ = lucid.tensor(array), torch.tensor(array)
    y, y_ = ours(x), theirs(x_)
    close(y, y_, "forward")
    if name != "cdf":  # torch has no inverse beyond what rounding leaves
        same_or_missing(ours.inv, theirs.inv, "inverse", y, y_)
    same_or_missing(ours.log_abs_det_jacobian, theirs.log_abs_det_jacobian, "jacobian", x, x_, y, y_)
    same_or_missing(ours.inv.log_abs_det_jacobian, theirs.inv.log_abs_det_jacobian, "inverse", y, y_, x, x_)
    assert ours.bijective == theirs.bijective and repr(ours) == repr(theirs)
    assert (ours.domain.event_dim, ours.codomain.event_dim) == (theirs.domain.event_dim, theirs.codomain.event_dim)
    assert ours.inv.inv is ours and bool(ours.codomain.check(y).all()) == bool(theirs.codomain.check(y_).all())
    assert tuple(ours.forward_shape(x.shape)) == tuple(theirs.forward_shape(x_.shape))
    assert tuple(ours.inverse_shape(y.shape)) == tuple(theirs.inverse_shape(y_.shape))
    cached = ours.with_cache()
    assert ours.with_cache(0) is ours
    if name not in ("identity", "abs", "softmax"):
        z = cached(x)
        assert cached.inv(z) is x or isinstance(cached, D.ComposeTransform | D.IndependentTransform)


@pytest.mark.parametrize("name", ["exp", "power", "sigmoid", "softplus", "tanh", "affine", "cdf"])
def test_jacobians_are_those_of_autograd(name):
    t, kind, event = transforms(D)[name]
    x = lucid.tensor(KINDS[kind](rng(name, 1), (3, *event)), requires_grad=True)
    y = t(x)
    (g,) = lucid.autograd.grad(y.sum(), x)
    np.testing.assert_allclose(t.log_abs_det_jacobian(x, y).detach().numpy(), np.log(np.abs(g.numpy())), rtol=1e-8)


@pytest.mark.parametrize("name", ["stick breaking", "corr cholesky"])
def test_jacobians_of_vectors(name):
    """The determinant of the free coordinates: all parts but the last, the entries below the diagonal."""
    t, _, (n,) = transforms(D)[name]
    x = lucid.tensor(rng(name, 2).normal(size=n))

    def free(x):
        y = t(x)
        return y[:-1] if y.ndim == 1 else D.utils.tril_matrix_to_vec(y, -1)

    jacobian = lucid.func.jacrev(free)(x)
    expected = np.linalg.slogdet(jacobian.numpy())[1]
    assert float(t.log_abs_det_jacobian(x, t(x))) == pytest.approx(expected, rel=1e-8)


@needs_torch
def test_transformed_distributions():
    array = rng("transformed").normal(size=(4, 3))
    for build in (
        lambda d, t: d.TransformedDistribution(d.Normal(t([0.0, 1.0, 2.0]), 1.5), [d.TanhTransform()]),
        lambda d, t: d.TransformedDistribution(d.Normal(t([0.0, 1.0, 2.0]), 1.0), d.AffineTransform(1.0, -2.0)),
        lambda d, t: d.TransformedDistribution(d.Normal(0.0, 1.0), d.AffineTransform(t([1.0, 2.0, 3.0]), 2.0)),
        lambda d, t: d.TransformedDistribution(d.Independent(d.Normal(t([0.0, 1.0, 2.0]), 1.0), 1), [d.ExpTransform()]),
        lambda d, t: d.TransformedDistribution(d.Normal(t([0.0, 1.0]), 1.0), [d.StickBreakingTransform()]),
        lambda d, t: d.TransformedDistribution(d.Uniform(t([0.0]), 1.0), []),
    ):
        ours, theirs = build(D, lucid.tensor), build(T, torch.tensor)
        assert (ours.batch_shape, ours.event_shape) == (tuple(theirs.batch_shape), tuple(theirs.event_shape))
        assert repr(ours.support) == repr(theirs.support)
        torch.manual_seed(0)
        x = theirs.sample((4,))
        close(ours.log_prob(lucid.tensor(x.numpy())), theirs.log_prob(x), "log_prob", rtol=1e-4, atol=1e-5)
        wide = ours.expand((5, *ours.batch_shape))
        assert wide.rsample().shape == (5, *ours.batch_shape, *ours.event_shape)
        if not ours.event_shape and ours.transforms:
            u = lucid.tensor(scipy.special.expit(array[:, : ours.batch_shape[0]]), dtype=lucid.float32)
            close(ours.icdf(u), theirs.icdf(torch.tensor(u.numpy())), "icdf", rtol=1e-4, atol=1e-5)
            close(ours.cdf(ours.icdf(u)), torch.tensor(u.numpy()), "cdf", rtol=1e-3, atol=1e-4)
    for bad in (3, [D.ExpTransform(), 3]):
        with pytest.raises(ValueError):
            D.TransformedDistribution(D.Normal(0, 1), bad)
    with pytest.raises(ValueError):
        D.TransformedDistribution(D.Normal(0, 1), D.StickBreakingTransform())


@needs_torch
def test_mixtures():
    g = rng("mixture")
    logits, loc, scale = g.normal(size=(2, 3)), g.normal(size=(2, 3, 2)), g.uniform(0.5, 2, (2, 3, 2))
    for vector, x in ((False, g.normal(size=(5, 2))), (True, g.normal(size=(5, 2, 2)))):
        made = []
        for d, t in ((D, lucid.tensor), (T, torch.tensor)):
            parts = (
                d.Independent(d.Normal(t(loc), t(scale)), 1) if vector else d.Normal(t(loc[..., 0]), t(scale[..., 0]))
            )
            made.append(d.MixtureSameFamily(d.Categorical(logits=t(logits)), parts))
        ours, theirs = made
        close(ours.log_prob(lucid.tensor(x)), theirs.log_prob(torch.tensor(x)), "log_prob")
        close(ours.mean, theirs.mean, "mean")
        close(ours.variance, theirs.variance, "variance")
        if not vector:
            close(ours.cdf(lucid.tensor(x)), theirs.cdf(torch.tensor(x)), "cdf")
        assert repr(ours.support) == repr(theirs.support)
        lucid.manual_seed(0)
        s = ours.expand((4, 2)).sample((1000,))
        assert s.shape == (1000, 4, 2, *ours.event_shape)
        error = (ours.variance / 4000).sqrt()
        assert bool(((s.mean((0, 1)) - ours.mean).abs() < 5 * error).all())
    c, n = D.Categorical(lucid.ones(3)), D.Normal(lucid.zeros(2), 1.0)
    for bad in ((n, n), (c, c.probs), (c, n), (D.Categorical(lucid.ones(3, 2)), D.Normal(lucid.zeros(4, 2), 1.0))):
        with pytest.raises(ValueError):
            D.MixtureSameFamily(*bad)


@needs_torch
def test_independent():
    loc = rng("independent").normal(size=(2, 3))
    for n in range(3):
        ours = D.Independent(D.Normal(lucid.tensor(loc), 1.0), n)
        theirs = T.Independent(T.Normal(torch.tensor(loc), 1.0), n)
        assert (ours.batch_shape, ours.event_shape) == (tuple(theirs.batch_shape), tuple(theirs.event_shape))
        close(ours.log_prob(lucid.zeros(4, 2, 3)), theirs.log_prob(torch.zeros(4, 2, 3)), "log_prob")
        close(ours.entropy(), theirs.entropy(), "entropy")
        assert ours.expand((5, *ours.batch_shape)).batch_shape == (5, *ours.batch_shape)
        assert repr(ours).replace("lucid.", "") == repr(theirs).replace("torch.", "")
    with pytest.raises(ValueError):
        D.Independent(D.Normal(0, 1), 1)
    with pytest.raises(NotImplementedError):
        D.Independent(D.Bernoulli(lucid.ones(2)), 1).enumerate_support()


# ---- validation ----

BAD = [
    lambda d, t: d.Normal(t([0.0]), t([-1.0])),
    lambda d, t: d.Normal(t([math.nan]), 1.0),
    lambda d, t: d.Normal("a", 1.0),
    lambda d, t: d.Uniform(t([1.0]), t([0.0])),
    lambda d, t: d.Bernoulli(t([1.5])),
    lambda d, t: d.Bernoulli(),
    lambda d, t: d.Bernoulli(probs=0.5, logits=0.5),
    lambda d, t: d.Categorical(t(0.5)),
    lambda d, t: d.Categorical(t([-1.0, 2.0])),
    lambda d, t: d.Categorical(logits=t([math.nan, 2.0])),
    lambda d, t: d.Categorical(),
    lambda d, t: d.Dirichlet(t(1.0)),
    lambda d, t: d.Gamma(t([0.0]), 1.0),
    lambda d, t: d.Geometric(0.0),
    lambda d, t: d.Multinomial(t(3), t([0.5, 0.5])),
    lambda d, t: d.MultivariateNormal(t(0.0), t([[1.0]])),
    lambda d, t: d.MultivariateNormal(t([0.0]), t([1.0])),
    lambda d, t: d.MultivariateNormal(t([0.0]), t([[-1.0]])),
    lambda d, t: d.MultivariateNormal(t([0.0]), t([[1.0]]), t([[1.0]])),
    lambda d, t: d.MultivariateNormal(t([0.0, 1.0]), t([[1.0, 0.5], [0.0, 1.0]])),
    lambda d, t: d.LowRankMultivariateNormal(t([0.0]), t([[1.0], [1.0]]), t([1.0])),
    lambda d, t: d.Wishart(t(0.5), t([[1.0, 0.0], [0.0, 1.0]])),
    lambda d, t: d.Wishart(t(3.0)),
    lambda d, t: d.LKJCholesky(1),
    lambda d, t: d.Normal(0.0, 1.0).log_prob(0.0),
    lambda d, t: d.Normal(0.0, 1.0).log_prob(t(math.nan)),
    lambda d, t: d.Normal(t([0.0, 1.0]), 1.0).log_prob(t([1.0, 2.0, 3.0])),
    lambda d, t: d.Categorical(t([0.5, 0.5])).log_prob(t(2)),
    lambda d, t: d.Bernoulli(0.5).log_prob(t(0.5)),
    lambda d, t: d.Exponential(1.0).log_prob(t(-1.0)),
    lambda d, t: d.Dirichlet(t([1.0, 1.0])).log_prob(t([0.5, 0.6])),
    lambda d, t: d.MultivariateNormal(t([0.0, 0.0]), t([[1.0, 0.0], [0.0, 1.0]])).log_prob(t([0.0])),
    lambda d, t: d.Binomial(t([2, 3]), t([0.5, 0.5])).enumerate_support(),
    lambda d, t: d.Normal(0.0, 1.0).enumerate_support(),
    lambda d, t: d.Categorical(t([0.5, 0.5])).rsample(),
    lambda d, t: d.ExpTransform(cache_size=2),
    lambda d, t: d.AbsTransform().log_abs_det_jacobian(t(1.0), t(1.0)),
    lambda d, t: d.biject_to(d.constraints.positive_definite),
    lambda d, t: d.transform_to.register(3, int),
    lambda d, t: d.constraints.dependent.check(t(1.0)),
    lambda d, t: d.ReshapeTransform((2,), (3,)),
    lambda d, t: d.Distribution.set_default_validate_args("yes"),
    lambda d, t: d.utils.vec_to_tril_matrix(t([1.0, 2.0])),
]


@needs_torch
@pytest.mark.parametrize("number", range(len(BAD)))
def test_errors_are_those_of_torch(number):
    with pytest.raises(Exception) as theirs:
        BAD[number](T, torch.tensor)
    with pytest.raises(theirs.type):
        BAD[number](D, lucid.tensor)


def test_validation_can_be_turned_off():
    assert D.Normal(0.0, -1.0, validate_args=False).scale == -1
    d = D.Exponential(1.0, validate_args=False)
    assert d.expand((2,)).log_prob(lucid.tensor(-1.0)).shape == (2,)
    try:
        D.Distribution.set_default_validate_args(False)
        D.Normal(0.0, -1.0)
    finally:
        D.Distribution.set_default_validate_args(True)
    with pytest.raises(ValueError, match=r"Expected parameter scale \(Tensor of shape \(\)\) of distribution Normal"):
        D.Normal(0.0, -1.0)


CHECKS = {
    "boolean": [0.0, 1.0, 0.5],
    "one_hot": [[0.0, 1.0], [1.0, 1.0], [0.5, 0.5]],
    "nonnegative_integer": [0.0, -1.0, 1.5],
    "positive_integer": [0.0, 1.0],
    "real": [0.0, math.nan, math.inf],
    "real_vector": [[0.0, 1.0], [math.nan, 0.0]],
    "positive": [0.0, 1.0],
    "nonnegative": [0.0, -1.0],
    "unit_interval": [0.0, 1.0, 1.1],
    "simplex": [[0.5, 0.5], [0.5, 0.6], [-0.5, 1.5]],
    "lower_triangular": [[[1.0, 0.0], [1.0, -1.0]], [[1.0, 1.0], [0.0, 1.0]]],
    "lower_cholesky": [[[1.0, 0.0], [1.0, 1.0]], [[1.0, 0.0], [1.0, -1.0]]],
    "corr_cholesky": [[[1.0, 0.0], [0.6, 0.8]], [[1.0, 0.0], [0.5, 0.8]]],
    "square": [[[1.0, 2.0], [3.0, 4.0]]],
    "symmetric": [[[1.0, 2.0], [2.0, 4.0]], [[1.0, 2.0], [3.0, 4.0]]],
    "positive_semidefinite": [[[1.0, 0.0], [0.0, 0.0]], [[1.0, 2.0], [2.0, 1.0]]],
    "positive_definite": [[[1.0, 0.0], [0.0, 1.0]], [[1.0, 2.0], [2.0, 1.0]]],
    "integer_interval(0, 2)": [0.0, 2.0, 3.0, 0.5],
    "half_open_interval(0.0, 1.0)": [0.0, 1.0],
    "interval(-1.0, 1.0)": [-1.0, 1.0, 2.0],
    "greater_than(1.0)": [1.0, 2.0],
    "greater_than_eq(1.0)": [1.0, 0.0],
    "less_than(1.0)": [1.0, 0.0],
    "multinomial(2)": [[1.0, 1.0], [2.0, 1.0], [-1.0, 2.0]],
    "independent(positive, 1)": [[1.0, 2.0], [1.0, 0.0]],
    "cat([positive, real], -1, [1, 1])": [[1.0, -1.0], [-1.0, 1.0]],
    "stack([positive, real], -1)": [[1.0, -1.0], [-1.0, 1.0]],
}


@needs_torch
@pytest.mark.parametrize("expression", CHECKS)
def test_constraints(expression):
    ours, theirs = (eval(expression, vars(m).copy()) for m in (constraints, T.constraints))
    data = CHECKS[expression]
    close(ours.check(lucid.tensor(data)), theirs.check(torch.tensor(data)), expression)
    assert repr(ours) == repr(theirs)
    assert (ours.is_discrete, ours.event_dim) == (theirs.is_discrete, theirs.event_dim)


# ---- subclasses, other behaviour ----


def test_subclasses():
    class Shifted(D.Normal):
        def __init__(self, loc, scale, shift):
            self.shift = shift
            super().__init__(loc, scale)

        def log_prob(self, value):
            return super().log_prob(value - self.shift)

    class Own(D.Distribution):
        arg_constraints = {}

        def rsample(self, sample_shape=()):
            return lucid.zeros(self._extended_shape(sample_shape))

    with pytest.raises(NotImplementedError, match="custom .expand"):
        Shifted(0.0, 1.0, 2.0).expand((3,))
    own = Own((2,), (3,))
    assert own.sample((4,)).shape == (4, 2, 3)
    for missing in ("mean", "variance", "mode", "support"):
        with pytest.raises(NotImplementedError):
            getattr(own, missing)
    with pytest.warns(UserWarning, match="does not define `support`"):
        own._validate_sample(lucid.zeros(2, 3))
    with pytest.warns(FutureWarning):
        assert D.Normal(0, 1).sample_n(3).shape == (3,)
    assert float(D.Bernoulli(0.5).perplexity()) == pytest.approx(2)


def test_caches_pickles_and_module_paths():
    from lucid.distributions.categorical import Categorical
    from lucid.distributions.kl import kl_divergence
    from lucid.distributions.multivariate_normal import MultivariateNormal
    from lucid.distributions.utils import broadcast_all

    assert (Categorical, kl_divergence, MultivariateNormal) == (D.Categorical, D.kl_divergence, D.MultivariateNormal)
    assert broadcast_all(1, 2)[0].dtype is lucid.float32
    d = pickle.loads(
        pickle.dumps(D.TransformedDistribution(D.Normal(0.0, 1.0), [D.ExpTransform().inv, D.TanhTransform(1)]))
    )
    assert d.transforms[0] == D.ExpTransform().inv != D.ExpTransform()
    with lucid.no_grad():
        b = D.Bernoulli(logits=lucid.zeros(2, requires_grad=True))
        assert b.probs.requires_grad  # computed once, and differentiable for later uses


def test_von_mises_is_exact():
    k = np.array([1e-3, 0.5, 3.0, 50.0, 1e4])
    d = D.VonMises(lucid.zeros(5, dtype=lucid.float64), lucid.tensor(k))
    np.testing.assert_allclose(
        d.log_prob(lucid.full((5,), 0.3, dtype=lucid.float64)).numpy(), scipy.stats.vonmises(k).logpdf(0.3)
    )
    np.testing.assert_allclose(d.variance.numpy(), 1 - scipy.special.i1e(k) / scipy.special.i0e(k), atol=1e-12)


@pytest.mark.parametrize("batch, many", list(itertools.product([(), (3,), (2, 1)], [(), (3,), (5, 2, 3)])))
def test_multivariate_normals_broadcast(batch, many):
    """Values, means and factors of different batches, beside scipy."""
    g = rng(batch, many)
    tril, loc, x = KINDS["tril"](g, (*batch, 2, 2)), g.normal(size=(3, 2)), g.normal(size=(*many, 2))
    d = D.MultivariateNormal(lucid.tensor(loc), scale_tril=lucid.tensor(tril))
    got = d.log_prob(lucid.tensor(x)).numpy()
    full = np.broadcast_shapes(batch, (3,), many)
    a, m, v = (np.broadcast_to(t, (*full, *t.shape[t.ndim - k :])) for t, k in ((tril, 2), (loc, 1), (x, 1)))
    for i in np.ndindex(*full):
        assert got[i] == pytest.approx(scipy.stats.multivariate_normal(m[i], a[i] @ a[i].T).logpdf(v[i]))


# ---- whole programs ----


def test_reinforce_learns_a_bandit():
    lucid.manual_seed(0)
    logits = lucid.zeros(3, requires_grad=True)
    opt = lucid.optim.Adam([logits], lr=0.1)
    for _ in range(60):
        policy = D.Categorical(logits=logits)
        action = policy.sample((32,))
        reward = (action == 2).float()
        loss = -(policy.log_prob(action) * (reward - reward.mean())).mean() - 0.001 * policy.entropy()
        opt.zero_grad()
        loss.backward()
        opt.step()
    assert float(D.Categorical(logits=logits).probs[2]) > 0.9


def test_tanh_policy_of_soft_actor_critic():
    """The squashed density by TransformedDistribution and by the formula that SAC programs write out."""
    lucid.manual_seed(0)
    mean, log_std = lucid.randn(5, 2, requires_grad=True), lucid.zeros(5, 2, requires_grad=True)
    base = D.Normal(mean, log_std.exp())
    squashed = D.TransformedDistribution(D.Independent(base, 1), [D.TanhTransform(cache_size=1)])
    action = squashed.rsample()
    x = squashed.transforms[0].inv(action)
    by_hand = (base.log_prob(x) - lucid.log(1 - action.pow(2) + 1e-7)).sum(-1)
    np.testing.assert_allclose(squashed.log_prob(action).detach().numpy(), by_hand.detach().numpy(), atol=1e-3)
    squashed.log_prob(action).mean().backward()
    assert bool(mean.grad.isfinite().all()) and bool((log_std.grad != 0).all())


def test_a_mixture_is_fitted():
    g = rng("fit")
    data = lucid.tensor(np.where(g.random(400) < 0.3, g.normal(-2, 0.5, 400), g.normal(3, 1.0, 400)))
    weights = lucid.zeros(2, dtype=lucid.float64, requires_grad=True)
    loc = lucid.tensor([-1.0, 1.0], dtype=lucid.float64, requires_grad=True)
    raw = lucid.zeros(2, dtype=lucid.float64, requires_grad=True)
    opt = lucid.optim.Adam([weights, loc, raw], lr=0.1)
    for _ in range(120):
        scale = D.transform_to(constraints.positive)(raw)
        mixture = D.MixtureSameFamily(D.Categorical(logits=weights), D.Normal(loc, scale))
        opt.zero_grad()
        (-mixture.log_prob(data).mean()).backward()
        opt.step()
    np.testing.assert_allclose(loc.detach().numpy(), [-2, 3], atol=0.2)
    np.testing.assert_allclose(D.Categorical(logits=weights).probs.detach().numpy(), [0.3, 0.7], atol=0.07)


def test_vmap_and_grad_of_log_prob():
    x = lucid.tensor([0.5, 1.0])
    by_func = lucid.func.grad(lambda loc: D.Normal(loc, 1.0, validate_args=False).log_prob(x).sum())(lucid.tensor(0.0))
    assert float(by_func) == pytest.approx(1.5)
    one = lucid.vmap(lambda loc, v: D.Normal(loc, 1.0, validate_args=False).log_prob(v))(lucid.zeros(2), x)
    np.testing.assert_allclose(one.numpy(), scipy.stats.norm.logpdf([0.5, 1.0]), rtol=1e-6)


@needs_mlx
@pytest.mark.parametrize(
    "row", ["Categorical", "Normal", "Beta", "StudentT", "VonMises", "MultivariateNormal", "Poisson"]
)
def test_on_mlx(row):
    """Samples, densities and gradients stay on the device, and are those of the CPU."""
    arrays = {k: v.astype(np.float32) for k, v in values(row, (2,)).items()}
    on = {k: lucid.tensor(v, device="mlx", requires_grad=True) for k, v in arrays.items()}
    ours, cpu = getattr(D, ROWS[row][0])(**on), make(D, row, arrays)[0]
    x = ours.rsample((3,)) if ours.has_rsample else ours.sample((3,))
    density = ours.log_prob(x.detach())
    (density.sum() + x.float().sum()).backward()
    assert x.device.type == density.device.type == "mlx" and all(t.grad.device.type == "mlx" for t in on.values())
    np.testing.assert_allclose(
        density.detach().cpu().numpy(), cpu.log_prob(x.detach().cpu()).numpy(), rtol=2e-4, atol=2e-4
    )


def test_no_warnings_at_import_or_use():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for row in ROWS:
            make(D, row, values(row, (2,)))[0].sample()
