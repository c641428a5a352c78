"""Gradients, and what users do with the graph: ``grad``, ``Function``, hooks, checkpoints, checks."""

from ..core.graph import Node
from ..core.modes import enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled
from .gradients import GradientEdge, RemovableHandle, backward, get_gradient_edge, grad

__all__ = [
    "GradientEdge", "Node", "RemovableHandle", "backward", "enable_grad", "get_gradient_edge", "grad", "inference_mode", "is_grad_enabled",
    "is_inference_mode_enabled", "no_grad", "set_grad_enabled",
]  # fmt: skip
