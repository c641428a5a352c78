"""Divergences within one family."""

from __future__ import annotations

import math
from typing import Any

import lucid

from ..nn.functional import softplus
from .categories import Categorical, OneHotCategorical
from .composite import Independent
from .counts import Bernoulli, Binomial, Geometric, Poisson
from .exp_family import ExponentialFamily
from .folded import HalfNormal
from .gammas import Beta, Dirichlet, Exponential, Gamma
from .intervals import Uniform
from .kl import kl_divergence, register_kl
from .location_scale import Cauchy, Gumbel, Laplace, Normal
from .multivariate_normal import LowRankMultivariateNormal, MultivariateNormal, _batch_mahalanobis, _half_log_det
from .relaxed import ContinuousBernoulli
from .transformed import Pareto, TransformedDistribution
from .utils import _sum_rightmost, euler_constant


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Any, q: Any) -> Any:
    one = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    one = lucid.where(p.probs == 0, 0.0, lucid.where(q.probs == 0, math.inf, one))
    zero = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    return one + lucid.where(p.probs == 1, 0.0, lucid.where(q.probs == 1, math.inf, zero))


@register_kl(Binomial, Binomial)
def _binomial(p: Any, q: Any) -> Any:
    if (p.total_count < q.total_count).any():
        raise NotImplementedError("KL between Binomials where q.total_count > p.total_count is not implemented")
    kl = p.total_count * (p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p())
    return lucid.where(p.total_count > q.total_count, math.inf, kl)


@register_kl(Categorical, Categorical)
def _categorical(p: Any, q: Any) -> Any:
    terms = p.probs * (p.logits - q.logits)
    return lucid.where(p.probs == 0, 0.0, lucid.where(q.probs == 0, math.inf, terms)).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot_categorical(p: Any, q: Any) -> Any:
    return _categorical(p._categorical, q._categorical)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoulli(p: Any, q: Any) -> Any:
    own = p._cont_bern_log_norm() + lucid.log1p(-p.probs)
    return p.mean * (p.logits - q.logits) + own - q._cont_bern_log_norm() - lucid.log1p(-q.probs)


@register_kl(Poisson, Poisson)
def _poisson(p: Any, q: Any) -> Any:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Geometric, Geometric)
def _geometric(p: Any, q: Any) -> Any:
    return -p.entropy() - lucid.log1p(-q.probs) / p.probs - q.logits


@register_kl(Exponential, Exponential)
def _exponential(p: Any, q: Any) -> Any:
    ratio = q.rate / p.rate
    return ratio - 1 - ratio.log()


@register_kl(Gamma, Gamma)
def _gamma(p: Any, q: Any) -> Any:
    norm = lucid.lgamma(q.concentration) - lucid.lgamma(p.concentration)
    shape = (p.concentration - q.concentration) * lucid.digamma(p.concentration)
    rates = q.concentration * (p.rate / q.rate).log() + (q.rate - p.rate) * (p.concentration / p.rate)
    return norm + shape + rates


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Any, q: Any) -> Any:
    a, b = p.concentration, q.concentration
    norm = a.sum(-1).lgamma() - b.sum(-1).lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
    return norm + ((a - b) * (a.digamma() - a.sum(-1, True).digamma())).sum(-1)


@register_kl(Beta, Beta)
def _beta(p: Any, q: Any) -> Any:
    return _dirichlet(p._dirichlet, q._dirichlet)


@register_kl(Normal, Normal)
def _normal(p: Any, q: Any) -> Any:
    ratio = (p.scale / q.scale).square()
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).square() - 1 - ratio.log())


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: Any, q: Any) -> Any:
    return _normal(p.base_dist, q.base_dist)


@register_kl(Laplace, Laplace)
def _laplace(p: Any, q: Any) -> Any:
    ratio, distance = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + distance / q.scale + ratio * lucid.exp(-distance / p.scale) - 1


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Any, q: Any) -> Any:
    return ((p.scale + q.scale).square() + (p.loc - q.loc).square()).log() - (4 * p.scale * q.scale).log()


@register_kl(Gumbel, Gumbel)
def _gumbel(p: Any, q: Any) -> Any:
    ratio, shift = p.scale / q.scale, (p.loc - q.loc) / q.scale
    tail = lucid.exp((1 + ratio).lgamma() - shift)
    return -ratio.log() + shift + ratio * euler_constant + tail - (1 + euler_constant)


@register_kl(Pareto, Pareto)
def _pareto(p: Any, q: Any) -> Any:
    ratio = q.alpha / p.alpha
    result = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return lucid.where(p.scale < q.scale, math.inf, result)


@register_kl(Uniform, Uniform)
def _uniform(p: Any, q: Any) -> Any:
    result = ((q.high - q.low) / (p.high - p.low)).log()
    return lucid.where((q.low > p.low) | (q.high < p.high), math.inf, result)


@register_kl(ExponentialFamily, ExponentialFamily)
def _exponential_family(p: Any, q: Any) -> Any:
    """The Bregman divergence of the log normaliser."""
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot be computed using Bregman divergences"
        )
    params = [t.detach().requires_grad_() for t in p._natural_params]
    normalizer = p._log_normalizer(*params)
    gradients = lucid.autograd.grad(normalizer.sum(), params, create_graph=True)
    result = q._log_normalizer(*q._natural_params) - normalizer
    for own, other, g in zip(params, q._natural_params, gradients, strict=True):
        result = result - _sum_rightmost((other - own) * g, len(q.event_shape))
    return result


@register_kl(Independent, Independent)
def _independent(p: Any, q: Any) -> Any:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("KL between Independent distributions of different reinterpreted_batch_ndims")
    return _sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: Any, q: Any) -> Any:
    """A bijection changes nothing."""
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError("KL between TransformedDistributions of different transforms")
    return kl_divergence(p.base_dist, q.base_dist)


# ---- normal vectors: log determinant, trace and distance, from whichever form the covariances have ----


def _trace(matrix: Any) -> Any:
    """``trace(X X^T)``."""
    return matrix.square().sum(-1).sum(-1)


def _same_events(p: Any, q: Any) -> None:
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two (Low Rank) Multivariate Normals with different event shapes cannot be computed"
        )


def _assembled(p: Any, log_det: Any, trace: Any, distance: Any) -> Any:
    return 0.5 * (log_det + trace + distance - p.event_shape[0])


def _solved(tril: Any, matrix: Any) -> Any:
    batch = lucid.broadcast_shapes(tril.shape[:-2], matrix.shape[:-2])
    tril, matrix = (x.expand((*batch, *x.shape[-2:])) for x in (tril, matrix))
    return lucid.linalg.solve_triangular(tril, matrix, upper=False)


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate_normal(p: Any, q: Any) -> Any:
    _same_events(p, q)
    p_tril, q_tril = p._unbroadcasted_scale_tril, q._unbroadcasted_scale_tril
    log_det = 2 * (_half_log_det(q_tril) - _half_log_det(p_tril))
    return _assembled(p, log_det, _trace(_solved(q_tril, p_tril)), _batch_mahalanobis(q_tril, q.loc - p.loc))


@register_kl(LowRankMultivariateNormal, MultivariateNormal)
def _low_rank_to_full(p: Any, q: Any) -> Any:
    _same_events(p, q)
    q_tril = q._unbroadcasted_scale_tril
    log_det = 2 * _half_log_det(q_tril) - p._log_det()
    diag = lucid.diag_embed(p._unbroadcasted_cov_diag.sqrt())
    trace = _trace(_solved(q_tril, p._unbroadcasted_cov_factor)) + _trace(_solved(q_tril, diag))
    return _assembled(p, log_det, trace, _batch_mahalanobis(q_tril, q.loc - p.loc))


@register_kl(MultivariateNormal, LowRankMultivariateNormal)
def _full_to_low_rank(p: Any, q: Any) -> Any:
    _same_events(p, q)
    p_tril = p._unbroadcasted_scale_tril
    log_det = q._log_det() - 2 * _half_log_det(p_tril)
    inverse = q._unbroadcasted_cov_diag.rsqrt().unsqueeze(-1)
    trace = _trace(p_tril * inverse) - _trace(q._whitened_factor() @ p_tril)
    return _assembled(p, log_det, trace, q._mahalanobis(q.loc - p.loc))


@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _low_rank(p: Any, q: Any) -> Any:
    _same_events(p, q)
    factor, diag = p._unbroadcasted_cov_factor, p._unbroadcasted_cov_diag
    whitened, q_diag = q._whitened_factor(), q._unbroadcasted_cov_diag
    outer = (diag / q_diag).sum(-1) + _trace(factor * q_diag.rsqrt().unsqueeze(-1))
    inner = _trace(whitened * diag.sqrt().unsqueeze(-2)) + _trace(whitened @ factor)
    return _assembled(p, q._log_det() - p._log_det(), outer - inner, q._mahalanobis(q.loc - p.loc))
