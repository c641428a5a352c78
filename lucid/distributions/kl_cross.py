"""Divergences between families: ``KL(p || q) = -H(p) - E_p[log q]``, where ``log q`` needs only a few moments of p."""

from __future__ import annotations

import math
from typing import Any

import lucid

from .counts import Bernoulli, Binomial, Poisson
from .gammas import Beta, Exponential, Gamma
from .intervals import Uniform
from .kl import register_kl
from .location_scale import Gumbel, Laplace, Normal
from .relaxed import ContinuousBernoulli
from .transformed import Pareto
from .utils import euler_constant


def _infinite(p: Any, q: Any) -> Any:
    """p has mass where q has none."""
    return lucid.full_like(p.mean + q.mean, math.inf)


_NO_MASS: dict[type, tuple[type, ...]] = {
    Beta: (Pareto,),
    ContinuousBernoulli: (Pareto,),
    Exponential: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gamma: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gumbel: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Laplace: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Normal: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Pareto: (Beta, ContinuousBernoulli, Uniform),
    Poisson: (Bernoulli, Binomial),
}
for _p, _qs in _NO_MASS.items():
    for _q in _qs:
        register_kl(_p, _q)(_infinite)


# ---- moments ----


def _mean_log(p: Any) -> Any:
    """``E[log x]``."""
    if isinstance(p, Beta):
        return p.concentration1.digamma() - (p.concentration1 + p.concentration0).digamma()
    if isinstance(p, Exponential):
        return -p.rate.log() - euler_constant
    if isinstance(p, Gamma):
        return p.concentration.digamma() - p.rate.log()
    if isinstance(p, Pareto):
        return p.scale.log() + p.alpha.reciprocal()
    return _mean_log_between(p.low, p.high)


def _mean_log_between(low: Any, high: Any) -> Any:
    """``E[log x]`` of a uniform variable."""
    return (lucid.xlogy(high, high) - lucid.xlogy(low, low)) / (high - low) - 1


def _mean_exp(p: Any, t: Any) -> Any:
    """``E[exp(-t x)]`` for a positive t."""
    if isinstance(p, Exponential):
        return p.rate / (p.rate + t)
    if isinstance(p, Gamma):
        return (1 + t / p.rate).pow(-p.concentration)
    if isinstance(p, Normal):
        return lucid.exp(t * (0.5 * t * p.variance - p.loc))
    return (lucid.exp(-t * p.low) - lucid.exp(-t * p.high)) / (t * (p.high - p.low))


# ---- the second argument decides the formula ----


def _to_normal(p: Any, q: Any) -> Any:
    square = p.variance + (p.mean - q.loc).square()
    return -p.entropy() + 0.5 * math.log(2 * math.pi) + q.scale.log() + 0.5 * square / q.variance


def _to_exponential(p: Any, q: Any) -> Any:
    return -p.entropy() - q.rate.log() + q.rate * p.mean


def _to_gamma(p: Any, q: Any) -> Any:
    a, b = q.concentration, q.rate
    return -p.entropy() + a.lgamma() - a * b.log() - (a - 1) * _mean_log(p) + b * p.mean


def _to_gumbel(p: Any, q: Any) -> Any:
    shift = (p.mean - q.loc) / q.scale
    return -p.entropy() + q.scale.log() + shift + lucid.exp(q.loc / q.scale) * _mean_exp(p, q.scale.reciprocal())


def _to_continuous_bernoulli(p: Any, q: Any) -> Any:
    return -p.entropy() - p.mean * q.logits - lucid.log1p(-q.probs) - q._cont_bern_log_norm()


def _to_uniform(p: Any, q: Any) -> Any:
    """From what lives on [0, 1]."""
    result = -p.entropy() + (q.high - q.low).log()
    return lucid.where((q.low > 0) | (q.high < 1), math.inf, result)


_BY_MOMENTS: dict[type, tuple[Any, tuple[type, ...]]] = {
    Normal: (_to_normal, (Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace)),
    Exponential: (_to_exponential, (Beta, ContinuousBernoulli, Gamma)),
    Gamma: (_to_gamma, (Beta, Exponential)),
    Gumbel: (_to_gumbel, (Exponential, Gamma, Normal)),
    ContinuousBernoulli: (_to_continuous_bernoulli, (Beta,)),
    Uniform: (_to_uniform, (Beta, ContinuousBernoulli)),
}
for _q, (_formula, _ps) in _BY_MOMENTS.items():
    for _p in _ps:
        register_kl(_p, _q)(_formula)

register_kl(Uniform, Normal)(_to_normal)
register_kl(Uniform, Gumbel)(_to_gumbel)


@register_kl(Normal, Laplace)
def _normal_laplace(p: Any, q: Any) -> Any:
    shift = p.loc - q.loc
    folded = math.sqrt(2 / math.pi) * p.scale * lucid.exp(-0.5 * (shift / p.scale).square())
    distance = folded + shift * lucid.erf(math.sqrt(0.5) * shift / p.scale)  # E|x - q.loc|
    return -p.entropy() + lucid.log(2 * q.scale) + distance / q.scale


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p: Any, q: Any) -> Any:
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


# ---- finite only under a condition on the parameters ----


@register_kl(Pareto, Normal)
def _pareto_normal(p: Any, q: Any) -> Any:
    return lucid.where(p.alpha <= 2, math.inf, _to_normal(p, q))


@register_kl(Pareto, Exponential)
def _pareto_exponential(p: Any, q: Any) -> Any:
    return lucid.where(p.alpha <= 1, math.inf, _to_exponential(p, q))


@register_kl(Pareto, Gamma)
def _pareto_gamma(p: Any, q: Any) -> Any:
    return lucid.where(p.alpha <= 1, math.inf, _to_gamma(p, q))


@register_kl(Uniform, Exponential)
def _uniform_exponential(p: Any, q: Any) -> Any:
    return lucid.where(p.low < 0, math.inf, _to_exponential(p, q))


@register_kl(Uniform, Gamma)
def _uniform_gamma(p: Any, q: Any) -> Any:
    return lucid.where(p.low < 0, math.inf, _to_gamma(p, q))


@register_kl(Uniform, Beta)
def _uniform_beta(p: Any, q: Any) -> Any:
    a, b = q.concentration1, q.concentration0
    norm = a.lgamma() + b.lgamma() - (a + b).lgamma()
    logs = (a - 1) * _mean_log(p) + (b - 1) * _mean_log_between(1 - p.high, 1 - p.low)
    return lucid.where((p.high > 1) | (p.low < 0), math.inf, -p.entropy() + norm - logs)


@register_kl(Uniform, ContinuousBernoulli)
def _uniform_continuous_bernoulli(p: Any, q: Any) -> Any:
    return lucid.where((p.high > 1) | (p.low < 0), math.inf, _to_continuous_bernoulli(p, q))


@register_kl(Uniform, Pareto)
def _uniform_pareto(p: Any, q: Any) -> Any:
    result = -p.entropy() - q.alpha.log() - q.alpha * q.scale.log() + (q.alpha + 1) * _mean_log(p)
    return lucid.where(p.low < q.scale, math.inf, result)
