"""Probability distributions and the transforms between them (``torch.distributions``).

A distribution draws (``sample``, ``rsample``), measures (``log_prob``, ``cdf``, ``entropy``) and knows its moments and
its support. ``rsample`` is differentiable; where a distribution has only ``sample``, the gradient of an expectation is that
of ``log_prob`` times what is expected (REINFORCE).
"""

import importlib
from typing import Any

from . import constraints, kl_cross, kl_same, transforms
from .categories import Categorical, Multinomial, OneHotCategorical, OneHotCategoricalStraightThrough
from .composite import Independent, MixtureSameFamily
from .constraint_registry import biject_to, transform_to
from .counts import Bernoulli, Binomial, Geometric, NegativeBinomial, Poisson
from .distribution import Distribution
from .exp_family import ExponentialFamily
from .folded import HalfCauchy, HalfNormal
from .gammas import Beta, Chi2, Dirichlet, Exponential, FisherSnedecor, Gamma, StudentT
from .intervals import GeneralizedPareto, Uniform, VonMises
from .kl import kl_divergence, register_kl
from .location_scale import Cauchy, Gumbel, Laplace, Normal
from .matrices import LKJCholesky, Wishart
from .multivariate_normal import LowRankMultivariateNormal, MultivariateNormal
from .relaxed import ContinuousBernoulli, RelaxedBernoulli, RelaxedOneHotCategorical
from .transformed import InverseGamma, Kumaraswamy, LogisticNormal, LogNormal, Pareto, TransformedDistribution, Weibull
from .transforms import *  # noqa: F403

__all__ = [
    "Bernoulli", "Beta", "Binomial", "Categorical", "Cauchy", "Chi2", "ContinuousBernoulli", "Dirichlet",
    "Distribution", "Exponential", "ExponentialFamily", "FisherSnedecor", "Gamma", "GeneralizedPareto", "Geometric",
    "Gumbel", "HalfCauchy", "HalfNormal", "Independent", "InverseGamma", "Kumaraswamy", "LKJCholesky", "Laplace",
    "LogNormal", "LogisticNormal", "LowRankMultivariateNormal", "MixtureSameFamily", "Multinomial",
    "MultivariateNormal", "NegativeBinomial", "Normal", "OneHotCategorical", "OneHotCategoricalStraightThrough",
    "Pareto", "Poisson", "RelaxedBernoulli", "RelaxedOneHotCategorical", "StudentT", "TransformedDistribution",
    "Uniform", "VonMises", "Weibull", "Wishart", "biject_to", "kl_divergence", "register_kl", "transform_to", *transforms.__all__,
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """PyTorch's file names, when asked for."""
    from ..paths import PATHS

    if f"{__name__}.{name}" in PATHS:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
