"""Functions that take functions: gradients, Jacobians, products with them, batches."""

from typing import Any as _Any

from .grads import grad, grad_and_value, vjp
from .jacobians import hessian, jacfwd, jacrev
from .modules import functional_call, make_functional, replace_all_batch_norm_modules_, stack_module_state
from .tangents import jvp, linearize
from .vmap import debug_unwrap, vmap


def functionalize(func: _Any, *, remove: str = "mutations") -> _Any:
    """``func`` itself: inside the transforms in-place ops already make new values."""
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(f"functionalize: expected remove to be 'mutations' or 'mutations_and_views', got {remove!r}")
    return func


__all__ = [
    "debug_unwrap", "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "make_functional",
    "replace_all_batch_norm_modules_", "stack_module_state", "vjp", "vmap",
]  # fmt: skip
