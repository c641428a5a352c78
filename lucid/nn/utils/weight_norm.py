"""``weight_norm`` as a forward pre-hook: PyTorch's older form, whose state dicts are still about."""

from __future__ import annotations

from typing import Any

from ...core.tensor import Tensor
from ..modules.module import Module
from ..parameter import Parameter, is_lazy
from .parametrizations import norm_except_dim

__all__ = ["WeightNorm", "remove_weight_norm", "weight_norm"]


def hooked_weight(module: Module, name: str, what: str) -> Parameter:
    weight = module._parameters.get(name)
    if weight is None:
        raise ValueError(f"`{what}` cannot be applied as parameter `{name}` is None")
    if is_lazy(weight):
        raise ValueError(
            f"The module passed to `{what}` can't have uninitialized parameters. Run the dummy forward before applying it"
        )
    return weight


def only_once(module: Module, kind: type, name: str) -> None:
    if any(isinstance(h, kind) and h.name == name for h in module._forward_pre_hooks.values()):  # type: ignore[attr-defined]
        raise RuntimeError(f"Cannot register two {kind.__name__} hooks on the same parameter {name}")


def removed(module: Module, kind: type, name: str, what: str) -> Module:
    for key, hook in list(module._forward_pre_hooks.items()):
        if isinstance(hook, kind) and hook.name == name:  # type: ignore[attr-defined]
            hook.remove(module)  # type: ignore[attr-defined]
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"{what} of '{name}' not found in {module}")


class WeightNorm:
    """Computes ``weight`` from ``weight_g`` and ``weight_v`` before each forward."""

    def __init__(self, name: str, dim: int | None):
        self.name, self.dim = name, -1 if dim is None else dim

    def compute_weight(self, module: Module) -> Tensor:
        g, v = getattr(module, self.name + "_g"), getattr(module, self.name + "_v")
        return v * (g / norm_except_dim(v, self.dim))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))

    def remove(self, module: Module) -> None:
        weight = self.compute_weight(module)
        for suffix in ("", "_g", "_v"):
            delattr(module, self.name + suffix)
        setattr(module, self.name, Parameter(weight.detach()))  # type: ignore[attr-defined]


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Split ``weight`` into ``weight_g`` and ``weight_v``; see ``parametrizations.weight_norm``, which replaces it.

    >>> from lucid import nn
    >>> sorted(name for name, _ in nn.utils.weight_norm(nn.Linear(2, 3)).named_parameters())
    ['bias', 'weight_g', 'weight_v']
    """
    only_once(module, WeightNorm, name)
    weight = hooked_weight(module, name, "WeightNorm")
    hook = WeightNorm(name, dim)
    length = norm_except_dim(weight.detach(), hook.dim)  # type: ignore[attr-defined]
    del module._parameters[name]
    module.register_parameter(name + "_g", Parameter(length))
    module.register_parameter(name + "_v", Parameter(weight.detach()))  # type: ignore[attr-defined]
    setattr(module, name, hook.compute_weight(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Make ``weight`` a parameter again. Raises ValueError if there is no weight norm."""
    return removed(module, WeightNorm, name, "weight_norm")
