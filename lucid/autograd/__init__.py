"""Gradients, and what users do with the graph: ``grad``, ``Function``, hooks, checkpoints, checks."""

from typing import Any as _Any

from ..core.graph import Node
from ..core.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from ..core.op import elementwise, linear, multilinear, nondifferentiable, other
from . import function, graph
from .anomaly import detect_anomaly, is_anomaly_check_nan_enabled, is_anomaly_enabled, set_detect_anomaly
from .function import Function, FunctionCtx
from .gradients import GradientEdge, RemovableHandle, backward, get_gradient_edge, grad

__all__ = [
    "Function", "FunctionCtx", "GradientEdge", "Node", "RemovableHandle", "Variable", "backward", "checkpoint", "detect_anomaly",
    "elementwise", "enable_grad", "forward_ad", "function", "functional", "get_gradient_edge", "grad", "gradcheck", "gradgradcheck", "graph",
    "hessian", "inference_mode", "is_anomaly_check_nan_enabled", "is_anomaly_enabled", "is_grad_enabled", "is_inference_mode_enabled",
    "jacobian", "jvp", "linear", "multilinear", "no_grad", "nondifferentiable", "other", "set_detect_anomaly", "set_grad_enabled", "vjp",
]  # fmt: skip

# Loaded when first asked for: they stand on lucid.func, or few programs want them.
_LAZY = {
    "checkpoint": ("recompute", "checkpoint"), "forward_ad": ("forward_ad", None), "functional": ("functional", None),
    "gradcheck": ("finite_differences", "gradcheck"), "gradgradcheck": ("finite_differences", "gradgradcheck"), "hessian": ("functional", "hessian"),
    "jacobian": ("functional", "jacobian"), "jvp": ("functional", "jvp"), "vjp": ("functional", "vjp"), "hvp": ("functional", "hvp"),
    "vhp": ("functional", "vhp"), "GradcheckError": ("finite_differences", "GradcheckError"),
}  # fmt: skip


def __getattr__(name: str) -> _Any:
    if name == "Variable":  # PyTorch's old name of Tensor
        from ..core.tensor import Tensor

        return Tensor
    from importlib import import_module

    if name in ("grad_mode", "profiler", "variable"):
        return import_module(f".{name}", __name__)
    if name not in _LAZY:
        raise AttributeError(f"module 'lucid.autograd' has no attribute {name!r}")
    module, attribute = _LAZY[name]
    found = import_module(f".{module}", __name__)
    found = getattr(found, attribute) if attribute else found
    globals()[name] = found  # also over the submodule of the same name, which importing has put here
    return found
