"""``weight_norm`` and ``spectral_norm`` as forward pre-hooks: PyTorch's older forms, whose state dicts are still about."""

from __future__ import annotations

from typing import Any

from ...core.modes import no_grad
from ...core.tensor import Tensor
from .. import functional as F
from ..module import Module
from ..parameter import Parameter, is_lazy
from .parametrizations import norm_except_dim

__all__ = ["remove_spectral_norm", "remove_weight_norm", "spectral_norm", "weight_norm"]


def _weight(module: Module, name: str, what: str) -> Parameter:
    weight = module._parameters.get(name)
    if weight is None:
        raise ValueError(f"`{what}` cannot be applied as parameter `{name}` is None")
    if is_lazy(weight):
        raise ValueError(
            f"The module passed to `{what}` can't have uninitialized parameters. Run the dummy forward before applying it"
        )
    return weight


def _only_once(module: Module, kind: type, name: str) -> None:
    if any(isinstance(h, kind) and h.name == name for h in module._forward_pre_hooks.values()):  # type: ignore[attr-defined]
        raise RuntimeError(f"Cannot register two {kind.__name__} hooks on the same parameter {name}")


def _removed(module: Module, kind: type, name: str, what: str) -> Module:
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
    _only_once(module, WeightNorm, name)
    weight = _weight(module, name, "WeightNorm")
    hook = WeightNorm(name, dim)
    del module._parameters[name]
    module.register_parameter(name + "_g", Parameter(norm_except_dim(weight.detach(), hook.dim)))  # type: ignore[attr-defined]
    module.register_parameter(name + "_v", Parameter(weight.detach()))  # type: ignore[attr-defined]
    setattr(module, name, hook.compute_weight(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Make ``weight`` a parameter again. Raises ValueError if there is no weight norm."""
    return _removed(module, WeightNorm, name, "weight_norm")


class SpectralNorm:
    """Computes ``weight`` from ``weight_orig`` and its singular vectors before each forward."""

    _version = 1

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float):
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.name, self.n_power_iterations, self.dim, self.eps = name, n_power_iterations, dim, eps

    def matrix(self, weight: Tensor) -> Tensor:
        if self.dim:
            weight = weight.permute(self.dim, *(d for d in range(weight.ndim) if d != self.dim))  # type: ignore[attr-defined]
        return weight.reshape(weight.shape[0], -1)  # type: ignore[attr-defined]

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Tensor:
        weight = getattr(module, self.name + "_orig")
        u, v = getattr(module, self.name + "_u"), getattr(module, self.name + "_v")
        matrix = self.matrix(weight)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(F.normalize(matrix.detach().mT @ u, dim=0, eps=self.eps))  # type: ignore[attr-defined]
                    u.copy_(F.normalize(matrix.detach() @ v, dim=0, eps=self.eps))  # type: ignore[attr-defined]
            u, v = u.clone(), v.clone()
        return weight / (u * (matrix @ v)).sum()  # type: ignore[operator]

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, module.training))

    def remove(self, module: Module) -> None:
        with no_grad():
            weight = self.compute_weight(module, False)
        for suffix in ("", "_u", "_v", "_orig"):
            delattr(module, self.name + suffix)
        module.register_parameter(self.name, Parameter(weight.detach()))  # type: ignore[attr-defined]

    def note_version(self, module: Module, state_dict: dict, prefix: str, local_metadata: dict) -> None:
        local_metadata.setdefault("spectral_norm", {})[self.name + ".version"] = self._version


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide ``weight`` by its largest singular value; see ``parametrizations.spectral_norm``, which replaces it."""
    from ... import randn

    _only_once(module, SpectralNorm, name)
    weight = _weight(module, name, "SpectralNorm")
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    hook = SpectralNorm(name, n_power_iterations, dim, eps)
    sizes = hook.matrix(weight.detach()).shape  # type: ignore[attr-defined]
    u, v = (F.normalize(randn(n, dtype=weight.dtype, device=weight.device), dim=0, eps=eps) for n in sizes)
    delattr(module, name)
    module.register_parameter(name + "_orig", weight)
    setattr(module, name, weight.detach())  # type: ignore[attr-defined]
    module.register_buffer(name + "_u", u)
    module.register_buffer(name + "_v", v)
    module.register_forward_pre_hook(hook)
    module._register_state_dict_hook(hook.note_version)
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Make ``weight`` a parameter again. Raises ValueError if there is no spectral norm."""
    return _removed(module, SpectralNorm, name, "spectral_norm")
