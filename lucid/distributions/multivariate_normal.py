"""Normal vectors: with a full covariance, and with one of low rank plus a diagonal."""

from __future__ import annotations

import math
from typing import Any

import lucid

from ..core.tensor import Size
from . import constraints
from .distribution import Distribution
from .utils import _standard_normal, lazy_property

__all__ = ["LowRankMultivariateNormal", "MultivariateNormal"]


def _batch_mv(matrix: Any, vector: Any) -> Any:
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)


def _batch_mahalanobis(tril: Any, x: Any) -> Any:
    """``|L^-1 x|^2`` for factors and vectors whose batches broadcast."""
    if tril.dim() == 2:  # one system with many right-hand sides
        flat = x.reshape((-1, x.shape[-1])).mT
        return lucid.linalg.solve_triangular(tril, flat, upper=False).square().sum(-2).reshape(x.shape[:-1])
    return lucid.linalg.solve_triangular(tril, x.unsqueeze(-1), upper=False).squeeze(-1).square().sum(-1)


def _half_log_det(tril: Any) -> Any:
    """``log det(L L^T) / 2``."""
    return tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _precision_to_scale_tril(precision: Any) -> Any:
    """L with ``L L^T`` the inverse: from the Cholesky factor of the matrix with its rows and columns reversed."""
    reverse = lucid.linalg.cholesky(precision.flip((-2, -1)))
    inverse = reverse.flip((-2, -1)).mT
    identity = lucid.eye(precision.shape[-1], dtype=precision.dtype, device=precision.device)
    return lucid.linalg.solve_triangular(inverse, identity, upper=False)


class CovarianceChoice(Distribution):
    """A matrix parameter given as ``covariance_matrix``, ``precision_matrix`` or ``scale_tril``."""

    _shared = ("_unbroadcasted_scale_tril",)
    _matrices = ("covariance_matrix", "precision_matrix", "scale_tril")
    _unbroadcasted_scale_tril: Any

    def _choose_matrix(self, error: type[Exception], *matrices: Any) -> tuple[str, Any]:
        given = [(name, m) for name, m in zip(self._matrices, matrices, strict=True) if m is not None]
        if len(given) != 1:
            raise error("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        name, matrix = given[0]
        if matrix.dim() < 2:
            raise ValueError(f"{name} must be at least two-dimensional, with optional leading batch dimensions")
        return name, matrix

    @staticmethod
    def _factor(name: str, matrix: Any) -> Any:
        if name == "scale_tril":
            return matrix
        return lucid.linalg.cholesky(matrix) if name == "covariance_matrix" else _precision_to_scale_tril(matrix)

    def _over_batch(self, matrix: Any) -> Any:
        return matrix.expand((*self._batch_shape, *matrix.shape[-2:]))

    @lazy_property
    def scale_tril(self) -> Any:
        """The Cholesky factor of the covariance."""
        return self._over_batch(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Any:
        """The covariance."""
        return self._over_batch(self._unbroadcasted_scale_tril @ self._unbroadcasted_scale_tril.mT)

    @lazy_property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance."""
        return self._over_batch(lucid.cholesky_inverse(self._unbroadcasted_scale_tril))


class MultivariateNormal(CovarianceChoice):
    """Normal vectors of mean ``loc``, given by their covariance, its inverse, or its Cholesky factor (fastest).

    Raises ValueError unless exactly one matrix is given, or where it is not positive definite.

    >>> import lucid
    >>> d = lucid.distributions.MultivariateNormal(lucid.zeros(2), lucid.eye(2))
    >>> d.log_prob(lucid.zeros(2))
    tensor(-1.8379)
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Any,
        covariance_matrix: Any = None,
        precision_matrix: Any = None,
        scale_tril: Any = None,
        validate_args: bool | None = None,
    ):
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        name, matrix = self._choose_matrix(ValueError, covariance_matrix, precision_matrix, scale_tril)
        batch_shape = lucid.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        setattr(self, name, matrix.expand((*batch_shape, -1, -1)))
        self.loc = loc.expand((*batch_shape, -1))
        super().__init__(Size(batch_shape), Size(self.loc.shape[-1:]), validate_args=validate_args)
        self._unbroadcasted_scale_tril = self._factor(name, matrix)

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        return self._unbroadcasted_scale_tril.square().sum(-1).expand(self._batch_shape + self._event_shape)

    def rsample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        eps = _standard_normal(self._extended_shape(sample_shape), self.loc.dtype, self.loc.device)
        return self.loc + _batch_mv(self._unbroadcasted_scale_tril, eps)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        distance = _batch_mahalanobis(self._unbroadcasted_scale_tril, value - self.loc)
        norm = self._event_shape[0] * math.log(2 * math.pi)
        return -0.5 * (norm + distance) - _half_log_det(self._unbroadcasted_scale_tril)

    def entropy(self) -> Any:
        half = _half_log_det(self._unbroadcasted_scale_tril)
        return (0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + half).expand(self._batch_shape)


def _capacitance_tril(factor: Any, diag: Any) -> Any:
    """The Cholesky factor of ``I + W^T D^-1 W``, a small matrix."""
    inner = (factor.mT / diag.unsqueeze(-2)) @ factor
    return lucid.linalg.cholesky(inner + lucid.eye(inner.shape[-1], dtype=inner.dtype, device=inner.device))


class LowRankMultivariateNormal(Distribution):
    """Normal vectors of covariance ``W W^T + D``, W = ``cov_factor`` with few columns and D = ``cov_diag`` diagonal.

    Inverse and determinant by the Woodbury identity and the matrix determinant lemma. Raises ValueError for shapes that
    do not fit.

    >>> import lucid
    >>> d = lucid.distributions.LowRankMultivariateNormal(lucid.zeros(2), lucid.ones(2, 1), lucid.ones(2))
    >>> d.covariance_matrix.tolist()
    [[2.0, 1.0], [1.0, 2.0]]
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True
    _shared = ("_unbroadcasted_cov_factor", "_unbroadcasted_cov_diag", "_capacitance_tril")

    def __init__(self, loc: Any, cov_factor: Any, cov_diag: Any, validate_args: bool | None = None):
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        n = loc.shape[-1]
        if cov_factor.dim() < 2:
            raise ValueError("cov_factor must be at least two-dimensional, with optional leading batch dimensions")
        if cov_factor.shape[-2] != n:
            raise ValueError(f"cov_factor must be a batch of matrices with shape {n} x m")
        if tuple(cov_diag.shape[-1:]) != (n,):
            raise ValueError(f"cov_diag must be a batch of vectors with shape {loc.shape[-1:]}")
        try:
            batch_shape = lucid.broadcast_shapes(loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1])
        except RuntimeError as e:
            raise ValueError(
                f"Incompatible batch shapes: loc {loc.shape}, cov_factor {cov_factor.shape}, cov_diag {cov_diag.shape}"
            ) from e
        self.loc = loc.expand((*batch_shape, n))
        self.cov_factor = cov_factor.expand((*batch_shape, *cov_factor.shape[-2:]))
        self.cov_diag = cov_diag.expand((*batch_shape, n))
        self._unbroadcasted_cov_factor = cov_factor
        self._unbroadcasted_cov_diag = cov_diag
        self._capacitance_tril = _capacitance_tril(cov_factor, cov_diag)
        super().__init__(Size(batch_shape), Size((n,)), validate_args=validate_args)

    def _over_batch(self, x: Any, event_dim: int) -> Any:
        return x.expand((*self._batch_shape, *x.shape[x.dim() - event_dim :]))

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @lazy_property
    def variance(self) -> Any:
        return self._over_batch(self._unbroadcasted_cov_factor.square().sum(-1) + self._unbroadcasted_cov_diag, 1)

    @lazy_property
    def scale_tril(self) -> Any:
        """The Cholesky factor of the covariance."""
        return lucid.linalg.cholesky(self.covariance_matrix)

    @lazy_property
    def covariance_matrix(self) -> Any:
        """The covariance."""
        w = self._unbroadcasted_cov_factor
        return self._over_batch(w @ w.mT + lucid.diag_embed(self._unbroadcasted_cov_diag), 2)

    @lazy_property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance."""
        a = self._whitened_factor()
        return self._over_batch(lucid.diag_embed(self._unbroadcasted_cov_diag.reciprocal()) - a.mT @ a, 2)

    def _whitened_factor(self) -> Any:
        """A with ``D^-1 - A^T A`` the precision."""
        scaled = self._unbroadcasted_cov_factor.mT / self._unbroadcasted_cov_diag.unsqueeze(-2)
        return lucid.linalg.solve_triangular(self._capacitance_tril, scaled, upper=False)

    def _log_det(self) -> Any:
        return 2 * _half_log_det(self._capacitance_tril) + self._unbroadcasted_cov_diag.log().sum(-1)

    def _mahalanobis(self, x: Any) -> Any:
        scaled = self._unbroadcasted_cov_factor.mT / self._unbroadcasted_cov_diag.unsqueeze(-2)
        outer = (x.square() / self._unbroadcasted_cov_diag).sum(-1)
        return outer - _batch_mahalanobis(self._capacitance_tril, _batch_mv(scaled, x))

    def rsample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        shape = self._extended_shape(sample_shape)
        inner = Size(shape[:-1]) + Size(self.cov_factor.shape[-1:])
        eps_w = _standard_normal(inner, self.loc.dtype, self.loc.device)
        eps_d = _standard_normal(shape, self.loc.dtype, self.loc.device)
        along = _batch_mv(self._unbroadcasted_cov_factor, eps_w)
        return self.loc + along + self._unbroadcasted_cov_diag.sqrt() * eps_d

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        distance = self._mahalanobis(value - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + self._log_det() + distance)

    def entropy(self) -> Any:
        norm = self._event_shape[0] * (1.0 + math.log(2 * math.pi))
        return (0.5 * (norm + self._log_det())).expand(self._batch_shape)
