from __future__ import annotations

import math
from typing import Any

import lucid

from ..core.tensor import Size
from . import constraints
from .distribution import Distribution
from .utils import _uniform, _wide

__all__ = ["VonMises"]


class VonMises(Distribution):
    """Angles of density proportional to ``exp(concentration cos(x - loc))``; samples lie in [-pi, pi).

    ``variance`` is the circular one. Reference for the sampler: Best and Fisher (1979), Efficient simulation of the
    von Mises distribution.

    >>> import lucid
    >>> lucid.distributions.VonMises(0.0, 1.0).log_prob(lucid.tensor(0.0)).exp()
    tensor(0.3417)
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    loc: Any
    concentration: Any

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None):
        self._broadcast(validate_args, loc=loc, concentration=concentration)

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        return 1 - lucid.special.i1e(self.concentration) / lucid.special.i0e(self.concentration)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        # log I0(k) = k + log i0e(k), and cos - 1 does not cancel for a large concentration
        falling = -2 * lucid.sin((value - self.loc) * 0.5).square()
        return self.concentration * falling - math.log(2 * math.pi) - lucid.special.i0e(self.concentration).log()

    def sample(self, sample_shape: Any = Size()) -> Any:  # noqa: B008
        with lucid.no_grad():
            shape = self._extended_shape(sample_shape)
            kappa = _wide(self.concentration)
            tau = 1 + (1 + 4 * kappa * kappa).sqrt()
            rho = (tau - (2 * tau).sqrt()) / (2 * kappa)
            r = lucid.where(kappa < 1e-5, 1 / kappa + kappa, (1 + rho * rho) / (2 * rho))
            x = lucid.zeros(shape, dtype=kappa.dtype, device=kappa.device)
            done = lucid.zeros(shape, dtype=lucid.bool, device=kappa.device)
            while not done.all():
                u1, u2, u3 = (_uniform(shape, kappa) for _ in range(3))
                z = lucid.cos(math.pi * u1)
                f = (1 + r * z) / (r + z)
                c = kappa * (r - f)
                accept = ((c * (2 - c) - u2 > 0) | ((c / u2).log() + 1 - c >= 0)) & ~done
                x = lucid.where(accept, (u3 - 0.5).sign() * f.clamp(min=-1, max=1).acos(), x)
                done = done | accept
            turned = lucid.remainder(x + math.pi + _wide(self.loc), 2 * math.pi) - math.pi
            return turned.to(self.loc.dtype)
