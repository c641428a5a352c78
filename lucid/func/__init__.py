"""Functions that take functions: gradients, Jacobians, products with them, batches."""

from .grads import grad, grad_and_value, vjp
from .jacobians import hessian, jacfwd, jacrev
from .tangents import jvp, linearize
from .vmap import vmap

__all__ = ["grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "vjp", "vmap"]
