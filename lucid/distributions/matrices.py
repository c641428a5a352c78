"""Distributions of matrices."""

from __future__ import annotations

import math
import warnings
from numbers import Number
from typing import Any

import lucid

from ..core.tensor import Size
from . import constraints
from .distribution import Distribution
from .exp_family import ExponentialFamily
from .gammas import Beta, Chi2
from .multivariate_normal import CovarianceChoice, _half_log_det
from .utils import _standard_normal, broadcast_all

__all__ = ["LKJCholesky", "Wishart"]


def _mvdigamma(x: Any, p: int) -> Any:
    return lucid.digamma(x.unsqueeze(-1) - lucid.arange(p, dtype=x.dtype, device=x.device) / 2).sum(-1)


class Wishart(CovarianceChoice, ExponentialFamily):
    """Matrices ``X^T X`` of ``df`` normal vectors: positive definite, of mean ``df * covariance_matrix``.

    Samples by the Bartlett decomposition. Raises AssertionError unless exactly one matrix is given, ValueError where
    ``df <= dimension - 1``.

    >>> import lucid
    >>> lucid.distributions.Wishart(lucid.tensor(3.0), covariance_matrix=lucid.eye(2)).mean.tolist()
    [[3.0, 0.0], [0.0, 3.0]]
    """

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(
        self,
        df: Any,
        covariance_matrix: Any = None,
        precision_matrix: Any = None,
        scale_tril: Any = None,
        validate_args: bool | None = None,
    ):
        name, matrix = self._choose_matrix(AssertionError, covariance_matrix, precision_matrix, scale_tril)
        if isinstance(df, Number):
            df = lucid.tensor(df, dtype=matrix.dtype, device=matrix.device)
        batch_shape = lucid.broadcast_shapes(matrix.shape[:-2], df.shape)
        p = matrix.shape[-1]
        self.df = df.expand(batch_shape)
        if (self.df <= p - 1).any():
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {p - 1}.")
        if (self.df < p).any():
            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for ndim - 1 < df < ndim.",
                stacklevel=2,
            )
        setattr(self, name, matrix.expand((*batch_shape, -1, -1)))
        super().__init__(Size(batch_shape), Size(matrix.shape[-2:]), validate_args=validate_args)
        self._unbroadcasted_scale_tril = self._factor(name, matrix)
        falling = self.df.unsqueeze(-1) - lucid.arange(p, dtype=matrix.dtype, device=matrix.device)
        self._dist_chi2 = Chi2(falling)

    @property
    def arg_constraints(self) -> Any:
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self.event_shape[-1] - 1),
        }

    def _over_matrix(self, x: Any) -> Any:
        return x.unsqueeze(-1).unsqueeze(-1)

    @property
    def mean(self) -> Any:
        return self._over_matrix(self.df) * self.covariance_matrix

    @property
    def mode(self) -> Any:
        factor = self.df - self.event_shape[-1] - 1
        return self._over_matrix(lucid.where(factor > 0, factor, math.nan)) * self.covariance_matrix

    @property
    def variance(self) -> Any:
        v = self.covariance_matrix
        diagonal = v.diagonal(dim1=-2, dim2=-1)
        return self._over_matrix(self.df) * (v.square() + diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2))

    def _bartlett(self, sample_shape: Any) -> Any:
        radii = self._dist_chi2.rsample(sample_shape).sqrt()
        radii = radii.clamp(min=lucid.finfo(radii.dtype).eps)
        below = _standard_normal(self._extended_shape(sample_shape), radii.dtype, radii.device).tril(-1)
        factor = self._unbroadcasted_scale_tril @ (radii.diag_embed() + below)
        return factor @ factor.mT

    def rsample(self, sample_shape: Any = Size(), max_try_correction: int | None = None) -> Any:  # noqa: B008
        """Draw samples; those that rounding made singular are drawn again, ``max_try_correction`` (10) times at most."""
        sample_shape = Size(sample_shape)
        sample = self._bartlett(sample_shape)
        for attempt in range(10 if max_try_correction is None else max_try_correction):
            regular = self.support.check(sample)
            if regular.all():
                break
            if attempt == 0:
                warnings.warn("Singular sample detected.", stacklevel=2)
            sample = lucid.where(self._over_matrix(regular), sample, self._bartlett(sample_shape))
        return sample

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        nu, p = self.df, self._event_shape[-1]
        tril = self._unbroadcasted_scale_tril
        trace = lucid.cholesky_solve(value, tril).diagonal(dim1=-2, dim2=-1).sum(-1)
        norm = nu * (p * math.log(2) / 2 + _half_log_det(tril)) + lucid.mvlgamma(nu / 2, p)
        return (nu - p - 1) / 2 * lucid.linalg.slogdet(value).logabsdet - trace / 2 - norm

    def entropy(self) -> Any:
        nu, p = self.df, self._event_shape[-1]
        spread = (p + 1) * (p * math.log(2) / 2 + _half_log_det(self._unbroadcasted_scale_tril))
        return spread + lucid.mvlgamma(nu / 2, p) - (nu - p - 1) / 2 * _mvdigamma(nu / 2, p) + nu * p / 2

    @property
    def _natural_params(self) -> tuple:
        return -self.precision_matrix / 2, (self.df - self._event_shape[-1] - 1) / 2

    def _log_normalizer(self, x: Any, y: Any) -> Any:
        p = self._event_shape[-1]
        half_nu = y + (p + 1) / 2
        return half_nu * (-lucid.linalg.slogdet(-2 * x).logabsdet + math.log(2) * p) + lucid.mvlgamma(half_nu, p)


class LKJCholesky(Distribution):
    """Cholesky factors of correlation matrices M of density proportional to ``det(M)^(concentration - 1)``.

    Samples by the onion method of Lewandowski, Kurowicka and Joe (2009), Generating random correlation matrices based
    on vines and extended onion method. Raises ValueError for ``dim < 2``.

    >>> import lucid
    >>> lucid.distributions.LKJCholesky(3, 0.5).sample().shape
    lucid.Size([3, 3])
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None):
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        c = self.concentration
        # row i is a direction in i dimensions, times a radius whose square is Beta(i / 2, c + (dim - 1 - i) / 2), as the
        # density of ``log_prob`` demands; torch 2.13 draws from Beta(i - 1 / 2, ...), which is another density for dim > 2
        offset = lucid.arange(dim, dtype=c.dtype, device=c.device).sub(1).clamp(min=0)
        self._beta = Beta(0.5 * offset + 0.5, (c + 0.5 * (dim - 2)).unsqueeze(-1) - 0.5 * offset)
        super().__init__(c.shape, Size((dim, dim)), validate_args)

    def sample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        with lucid.no_grad():
            y = self._beta.sample(sample_shape).unsqueeze(-1)
            normal = _standard_normal(self._extended_shape(sample_shape), y.dtype, y.device).tril(-1)
            tiny = lucid.finfo(y.dtype).tiny
            w = y.sqrt() * normal / normal.square().sum(-1, True).clamp(min=tiny).sqrt()
            return w + lucid.diag_embed((1 - w.square().sum(-1)).clamp(min=tiny).sqrt())

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        rest = self.dim - 1
        order = lucid.arange(2, self.dim + 1, device=self.concentration.device)
        order = 2 * (self.concentration - 1).unsqueeze(-1) + self.dim - order
        log_density = (order * value.diagonal(dim1=-2, dim2=-1)[..., 1:].log()).sum(-1)
        alpha = self.concentration + 0.5 * rest
        norm = 0.5 * rest * math.log(math.pi) + lucid.mvlgamma(alpha - 0.5, rest) - lucid.lgamma(alpha) * rest
        return log_density - norm
