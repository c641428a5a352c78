"""Checks for ops, shipped because users add ops too: ``check_op`` derives every test of an op from one line.

>>> import math, lucid
>>> from lucid.testing import case, check_op
>>> check_op(case("exp", lambda x: [math.exp(v) for v in x.tolist()], (3,)))
"""

from .checks import Case, case, check_device, check_op
from .numeric import directional_derivative

__all__ = ["Case", "case", "check_device", "check_op", "directional_derivative"]
