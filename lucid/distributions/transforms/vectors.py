"""Transforms of vectors and matrices: the simplex, triangular factors, correlation matrices."""

from __future__ import annotations

import math
from typing import Any

import lucid

from ...core.tensor import Size
from ...nn.functional import logsigmoid, pad, softmax, softplus
from .. import constraints
from ..utils import tril_matrix_to_vec, vec_to_tril_matrix
from .base import Transform
from .pointwise import _Alike, clipped_sigmoid


def _needs(shape: Any, dims: int) -> None:
    if len(shape) < dims:
        raise ValueError("Too few dimensions on input")


class SoftmaxTransform(_Alike):
    """Weights from their logarithms, normalised; not bijective: an added constant is lost.

    >>> import lucid
    >>> lucid.distributions.SoftmaxTransform()(lucid.zeros(2))
    tensor([0.5000, 0.5000])
    """

    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x: Any) -> Any:
        return softmax(x, dim=-1)

    def _inverse(self, y: Any) -> Any:
        return y.log()

    def forward_shape(self, shape: Any) -> Any:
        _needs(shape, 1)
        return shape

    inverse_shape = forward_shape


class StickBreakingTransform(_Alike):
    """K numbers to a point of the K-simplex: each takes a fraction of the stick that is left; zeros give equal parts.

    >>> import lucid
    >>> lucid.distributions.StickBreakingTransform()(lucid.zeros(1))
    tensor([0.5000, 0.5000])
    """

    domain = constraints.real_vector
    codomain = constraints.simplex
    bijective = True

    @staticmethod
    def _centred(x: Any) -> Any:
        """x minus the logarithm of how many parts are still to be taken."""
        n = x.shape[-1]
        return x - lucid.arange(n, 0, -1, dtype=x.dtype, device=x.device).log()

    def _call(self, x: Any) -> Any:
        z = clipped_sigmoid(self._centred(x))
        return pad(z, [0, 1], value=1.0) * pad((1 - z).cumprod(-1), [1, 0], value=1.0)

    def _inverse(self, y: Any) -> Any:
        taken = y[..., :-1]
        left = (1 - taken.cumsum(-1)).clamp(min=lucid.finfo(y.dtype).tiny)
        n = taken.shape[-1]
        return taken.log() - left.log() + lucid.arange(n, 0, -1, dtype=y.dtype, device=y.device).log()

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        x = self._centred(x)
        return (-x + logsigmoid(x) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        _needs(shape, 1)
        return (*Size(shape[:-1]), shape[-1] + 1)

    def inverse_shape(self, shape: Any) -> Any:
        _needs(shape, 1)
        return (*Size(shape[:-1]), shape[-1] - 1)


class LowerCholeskyTransform(_Alike):
    """Square matrices to lower triangular ones with a positive diagonal, by the exponential.

    >>> import lucid
    >>> lucid.distributions.LowerCholeskyTransform()(lucid.zeros(2, 2)).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x: Any) -> Any:
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y: Any) -> Any:
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(_Alike):
    """Square matrices to positive definite ones: ``L L^T`` of ``LowerCholeskyTransform``.

    >>> import lucid
    >>> lucid.distributions.PositiveDefiniteTransform()(lucid.zeros(1, 1))
    tensor([[1.]])
    """

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def _call(self, x: Any) -> Any:
        factor = LowerCholeskyTransform()(x)
        return factor @ factor.mT

    def _inverse(self, y: Any) -> Any:
        return LowerCholeskyTransform().inv(lucid.linalg.cholesky(y))


class CorrCholeskyTransform(Transform):
    """``D (D - 1) / 2`` numbers to the Cholesky factor of a D x D correlation matrix.

    Each row is a point of the half sphere, built from partial correlations ``tanh(x)`` (Lewandowski, Kurowicka and Joe
    2009, Generating random correlation matrices based on vines and extended onion method).

    >>> import lucid
    >>> lucid.distributions.CorrCholeskyTransform()(lucid.zeros(1)).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky
    bijective = True

    def _call(self, x: Any) -> Any:
        eps = lucid.finfo(x.dtype).eps
        r = vec_to_tril_matrix(lucid.tanh(x).clamp(min=-1 + eps, max=1 - eps), diag=-1)
        left = (1 - r * r).sqrt().cumprod(-1)
        r = r + lucid.eye(r.shape[-1], dtype=r.dtype, device=r.device)
        return r * pad(left[..., :-1], [1, 0], value=1.0)

    def _inverse(self, y: Any) -> Any:
        left = pad(1 - (y * y).cumsum(-1)[..., :-1], [1, 0], value=1.0)
        return lucid.atanh(tril_matrix_to_vec(y, diag=-1) / tril_matrix_to_vec(left, diag=-1).sqrt())

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        left = tril_matrix_to_vec(1 - (y * y).cumsum(-1), diag=-2)
        stick = 0.5 * left.log().sum(-1)
        return stick - 2 * (x + softplus(-2 * x) - math.log(2.0)).sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        _needs(shape, 1)
        n = shape[-1]
        d = round((0.25 + 2 * n) ** 0.5 + 0.5)
        if d * (d - 1) // 2 != n:
            raise ValueError("Input is not a flattened lower-diagonal number")
        return (*Size(shape[:-1]), d, d)

    def inverse_shape(self, shape: Any) -> Any:
        _needs(shape, 2)
        if shape[-2] != shape[-1]:
            raise ValueError("Input is not square")
        return (*Size(shape[:-2]), shape[-1] * (shape[-1] - 1) // 2)
