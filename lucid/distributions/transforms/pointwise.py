"""Transforms of single numbers."""

from __future__ import annotations

import math
from numbers import Number
from typing import Any

import lucid

from ...core.tensor import Size
from ...nn.functional import softplus
from .. import constraints
from ..utils import broadcast_all
from .base import Transform


class _Alike(Transform):
    """Two transforms of one class without parameters are equal."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    __hash__ = object.__hash__


class ExpTransform(_Alike):
    """``y = exp(x)``.

    >>> import lucid
    >>> lucid.distributions.ExpTransform()(lucid.tensor(0.0))
    tensor(1.)
    """

    domain = constraints.real
    codomain = constraints.positive
    bijective = True
    sign = +1

    def _call(self, x: Any) -> Any:
        return x.exp()

    def _inverse(self, y: Any) -> Any:
        return y.log()

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return x


class SigmoidTransform(_Alike):
    """``y = 1 / (1 + exp(-x))``, kept inside (0, 1).

    >>> import lucid
    >>> lucid.distributions.SigmoidTransform()(lucid.tensor(0.0))
    tensor(0.5000)
    """

    domain = constraints.real
    codomain = constraints.unit_interval
    bijective = True
    sign = +1

    def _call(self, x: Any) -> Any:
        return clipped_sigmoid(x)

    def _inverse(self, y: Any) -> Any:
        y = _inside_unit(y)
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return -softplus(-x) - softplus(x)


def _inside_unit(y: Any) -> Any:
    info = lucid.finfo(y.dtype)
    return y.clamp(min=info.tiny, max=1.0 - info.eps)


def clipped_sigmoid(x: Any) -> Any:
    """A sigmoid that never reaches 0 or 1."""
    return _inside_unit(lucid.sigmoid(x))


class SoftplusTransform(_Alike):
    """``y = log(1 + exp(x))``.

    >>> import lucid
    >>> lucid.distributions.SoftplusTransform()(lucid.tensor(0.0))
    tensor(0.6931)
    """

    domain = constraints.real
    codomain = constraints.positive
    bijective = True
    sign = +1

    def _call(self, x: Any) -> Any:
        return softplus(x)

    def _inverse(self, y: Any) -> Any:
        return (-y).expm1().neg().log() + y

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return -softplus(-x)


class TanhTransform(_Alike):
    """``y = tanh(x)``; with ``cache_size=1`` where the inverse of saturated values is needed.

    >>> import lucid
    >>> lucid.distributions.TanhTransform(cache_size=1)(lucid.tensor(0.0))
    tensor(0.)
    """

    domain = constraints.real
    codomain = constraints.interval(-1.0, 1.0)
    bijective = True
    sign = +1

    def _call(self, x: Any) -> Any:
        return x.tanh()

    def _inverse(self, y: Any) -> Any:
        return lucid.atanh(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return 2.0 * (math.log(2.0) - x - softplus(-2.0 * x))  # log(1 - tanh^2) without cancellation


class AbsTransform(_Alike):
    """``y = |x|``; not bijective: the inverse is the positive number.

    >>> import lucid
    >>> lucid.distributions.AbsTransform()(lucid.tensor(-2.0))
    tensor(2.)
    """

    domain = constraints.real
    codomain = constraints.positive

    def _call(self, x: Any) -> Any:
        return x.abs()

    def _inverse(self, y: Any) -> Any:
        return y


class PowerTransform(Transform):
    """``y = x ** exponent`` of positive numbers.

    >>> import lucid
    >>> lucid.distributions.PowerTransform(2.0)(lucid.tensor(3.0))
    tensor(9.)
    """

    domain = constraints.positive
    codomain = constraints.positive
    bijective = True

    def __init__(self, exponent: Any, cache_size: int = 0):
        super().__init__(cache_size)
        (self.exponent,) = broadcast_all(exponent)

    @property
    def sign(self) -> Any:
        return self.exponent.sign()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PowerTransform) and _equal(self.exponent, other.exponent)

    __hash__ = object.__hash__

    def _call(self, x: Any) -> Any:
        return x.pow(self.exponent)

    def _inverse(self, y: Any) -> Any:
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return (self.exponent * y / x).abs().log()

    def forward_shape(self, shape: Any) -> Any:
        return lucid.broadcast_shapes(shape, self.exponent.shape)

    inverse_shape = forward_shape


def _equal(a: Any, b: Any) -> bool:
    return a == b if isinstance(a, Number) and isinstance(b, Number) else bool((a == b).all())


class AffineTransform(Transform):
    """``y = loc + scale x``; the last ``event_dim`` dimensions are one event.

    >>> import lucid
    >>> lucid.distributions.AffineTransform(1.0, 2.0)(lucid.tensor(3.0))
    tensor(7.)
    """

    bijective = True

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0):
        super().__init__(cache_size)
        self.loc, self.scale, self._event_dim = loc, scale, event_dim

    @property
    def event_dim(self) -> int:
        return self._event_dim

    @constraints.dependent_property(is_discrete=False)
    def domain(self) -> Any:  # type: ignore[override]
        return constraints.independent(constraints.real, self.event_dim) if self.event_dim else constraints.real

    @constraints.dependent_property(is_discrete=False)
    def codomain(self) -> Any:  # type: ignore[override]
        return self.domain

    def with_cache(self, cache_size: int = 1) -> Any:
        if self._cache_size == cache_size:
            return self
        return AffineTransform(self.loc, self.scale, self.event_dim, cache_size)

    @property
    def sign(self) -> Any:
        if isinstance(self.scale, Number):
            return (float(self.scale) > 0) - (float(self.scale) < 0)  # type: ignore[arg-type]
        return self.scale.sign()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AffineTransform) and _equal(self.loc, other.loc) and _equal(self.scale, other.scale)

    __hash__ = object.__hash__

    def _call(self, x: Any) -> Any:
        return self.loc + self.scale * x

    def _inverse(self, y: Any) -> Any:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        if isinstance(self.scale, Number):
            result = lucid.full_like(x, math.log(abs(self.scale)))  # type: ignore[arg-type]
        else:
            result = lucid.abs(self.scale).log()
        shape = x.shape
        if self.event_dim:
            result = result.reshape((*Size(result.shape[: -self.event_dim]), -1)).sum(-1)
            shape = shape[: -self.event_dim]
        return result.expand(shape)

    def forward_shape(self, shape: Any) -> Any:
        return lucid.broadcast_shapes(shape, getattr(self.loc, "shape", ()), getattr(self.scale, "shape", ()))

    inverse_shape = forward_shape


class CumulativeDistributionTransform(Transform):
    """The distribution function of a distribution; copulas are made with it.

    >>> import lucid
    >>> d = lucid.distributions
    >>> d.CumulativeDistributionTransform(d.Normal(0.0, 1.0))(lucid.tensor(0.0))
    tensor(0.5000)
    """

    codomain = constraints.unit_interval
    bijective = True
    sign = +1

    def __init__(self, distribution: Any, cache_size: int = 0):
        super().__init__(cache_size)
        self.distribution = distribution

    @property
    def domain(self) -> Any:  # type: ignore[override]
        return self.distribution.support

    def _call(self, x: Any) -> Any:
        return self.distribution.cdf(x)

    def _inverse(self, y: Any) -> Any:
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return self.distribution.log_prob(x)
