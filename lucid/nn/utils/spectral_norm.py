"""``spectral_norm`` as a forward pre-hook: PyTorch's older form, whose state dicts are still about."""

from __future__ import annotations

from typing import Any

from ...core.modes import no_grad
from ...core.tensor import Tensor
from ...functions.random import randn
from .. import functional as F
from ..modules.module import Module
from ..parameter import Parameter
from .weight_norm import hooked_weight, only_once, removed

__all__ = ["SpectralNorm", "remove_spectral_norm", "spectral_norm"]


class SpectralNorm:
    """Computes ``weight`` from ``weight_orig`` and its singular vectors before each forward."""

    _version = 1

    def __init__(self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12):
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
    only_once(module, SpectralNorm, name)
    weight = hooked_weight(module, name, "SpectralNorm")
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
    return removed(module, SpectralNorm, name, "spectral_norm")
