"""lucid.distributions beside torch.distributions: moments, densities, gradients, supports and samples of every class."""

import itertools
import math
import warnings

import numpy as np
import pytest
import scipy.special
import scipy.stats

import lucid
from distribution_table import (
    BATCHES,
    KINDS,
    LOOSE,
    ROWS,
    both,
    call,
    close,
    each_row,
    make,
    rng,
    values,
)
from lucid import distributions as D
from lucid.distributions.implicit import gamma_slope
from reference import needs_mlx, needs_torch, torch


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
