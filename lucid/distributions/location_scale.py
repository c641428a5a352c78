"""Location-scale families: a standard variable z, stretched and moved."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Size
from . import constraints
from .distribution import Distribution


class LocationScale(Distribution):
    """``x = loc + scale z``: a subclass describes only the standard variable z (loc 0, scale 1)."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True
    loc: Any
    scale: Any
    _standard_entropy: float

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        self._broadcast(validate_args, loc=loc, scale=scale)

    def _standard_sample(self, shape: Any) -> Any:
        raise NotImplementedError

    def _standard_log_prob(self, z: Any) -> Any:
        raise NotImplementedError

    def _standard_cdf(self, z: Any) -> Any:
        raise NotImplementedError

    def _standard_icdf(self, p: Any) -> Any:
        raise NotImplementedError

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    def rsample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        return self.loc + self.scale * self._standard_sample(self._extended_shape(sample_shape))

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return self._standard_log_prob((value - self.loc) / self.scale) - self.scale.log()

    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return self._standard_cdf((value - self.loc) / self.scale)

    def icdf(self, value: Any) -> Any:
        return self.loc + self.scale * self._standard_icdf(value)

    def entropy(self) -> Any:
        return self.scale.log() + self._standard_entropy
