"""Special functions (``torch.special``): error functions, gamma and Bessel functions, orthogonal polynomials.

They are computed to a few units of the last place of float64 without SciPy; see ``docs/ops.md`` for the sources.
"""

from .functions import reduction as _reduction
from .functions.registry import SPECIAL

softmax, log_softmax, logsumexp = _reduction.softmax, _reduction.log_softmax, _reduction.logsumexp
globals().update(SPECIAL)
__all__ = sorted([*SPECIAL, "log_softmax", "logsumexp", "softmax"])
