"""Checks for ops, shipped because users add ops too: ``check_op`` derives every test of an op from one line.

>>> import numpy as np
>>> from lucid.testing import case, check_op
>>> check_op(case("exp", np.exp, (3,)))
"""

from .checks import Case, case, check_device, check_op
from .comparison import assert_allclose, assert_close
from .drawn import make_tensor
from .numeric import directional_derivative
from .parity import ParityError, parity

__all__ = [
    "Case",
    "ParityError",
    "assert_allclose",
    "assert_close",
    "case",
    "check_device",
    "check_op",
    "directional_derivative",
    "make_tensor",
    "parity",
]
