from __future__ import annotations

import math
from typing import Any

import lucid

from ..core.tensor import Size
from . import constraints
from .beta import Beta
from .distribution import Distribution
from .utils import _standard_normal, broadcast_all

__all__ = ["LKJCholesky"]


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
