"""Functions that take functions: gradients, Jacobians, products with them, batches."""

from .grads import grad, grad_and_value, vjp
from .tangents import jvp, linearize

__all__ = ["grad", "grad_and_value", "jvp", "linearize", "vjp"]
