"""Arguments for every distribution, and the helpers that make one in lucid and in torch: for tests/test_distributions*.py."""

import zlib

import numpy as np
import pytest

import lucid
from lucid import distributions as D
from reference import torch

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
