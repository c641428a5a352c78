"""Ready-made parametrizations: weight norm, spectral norm, orthogonal matrices."""

from __future__ import annotations

from functools import partial
from typing import Any

from ... import ops
from ...core.dtypes import finfo
from ...core.modes import no_grad
from ...core.tensor import Tensor
from ...functions.creation import eye
from ...functions.linalg_factor import qr
from ...functions.linalg_norms import matrix_exp
from ...functions.linalg_solve import solve
from ...functions.pieces import cat
from ...functions.random import randn
from .. import functional as F
from ..modules.module import Module
from .parametrize import register_parametrization

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def norm_except_dim(v: Tensor, dim: int) -> Tensor:
    """The 2-norm over all dimensions but one (-1: over all), with sizes kept as 1; IndexError for one that is not there."""
    if not -v.ndim <= dim < v.ndim:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-v.ndim}, {v.ndim - 1}], but got {dim})"
        )
    axes = tuple(range(v.ndim)) if dim == -1 else tuple(d for d in range(v.ndim) if d != dim % v.ndim)
    return ops.vector_norm(v, 2.0, axes, dim != -1) if axes else ops.abs(v)


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0):
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_v * (weight_g / norm_except_dim(weight_v, self.dim))  # type: ignore[operator]

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except_dim(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Split a weight into length ``original0`` and direction ``original1`` (per slice along ``dim``). Salimans and Kingma, 2016.

    >>> from lucid import nn
    >>> m = nn.utils.parametrizations.weight_norm(nn.Linear(20, 40))
    >>> m.parametrizations.weight.original0.shape
    lucid.Size([40, 1])
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)
    module._register_load_state_dict_pre_hook(partial(_from_old, name))
    return module


def _from_old(name: str, state_dict: dict, prefix: str, *args: Any) -> None:
    """Read what the old ``weight_norm`` saved."""
    keys = [f"{prefix}{name}_g", f"{prefix}{name}_v"]
    if all(key in state_dict for key in keys):
        for i, key in enumerate(keys):
            state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)


class _SpectralNorm(Module):
    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12):
        super().__init__()
        if not -weight.ndim <= dim < weight.ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{weight.ndim}, {weight.ndim - 1}] but got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % weight.ndim
        self.eps = eps
        if weight.ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = self._matrix(weight)
            for name, size in zip(("_u", "_v"), matrix.shape, strict=True):
                start = randn(size, dtype=weight.dtype, device=weight.device)
                self.register_buffer(name, F.normalize(start, dim=0, eps=eps))
            self._power_method(matrix, 15)

    def _matrix(self, weight: Tensor) -> Tensor:
        if self.dim:
            weight = weight.permute(self.dim, *(d for d in range(weight.ndim) if d != self.dim))  # type: ignore[attr-defined]
        return weight.flatten(1)  # type: ignore[attr-defined]

    def _power_method(self, matrix: Tensor, steps: int) -> None:
        with no_grad():
            for _ in range(steps):
                self._u.copy_(F.normalize(matrix.detach() @ self._v, dim=0, eps=self.eps))  # type: ignore[attr-defined]
                self._v.copy_(F.normalize(matrix.detach().mT @ self._u, dim=0, eps=self.eps))  # type: ignore[attr-defined]

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = self._matrix(weight)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()
        return weight / (u * (matrix @ v)).sum()  # type: ignore[operator]

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide a weight by its largest singular value, found by power iteration in training. Miyato et al., 2018.

    Raises ValueError unless the module has such a tensor.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))
    return module


class _Orthogonal(Module):
    def __init__(self, weight: Tensor, orthogonal_map: str, *, use_trivialization: bool = True):
        super().__init__()
        if weight.dtype.is_complex and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = tuple(weight.shape)
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, x: Tensor) -> Tensor:
        transposed = x.shape[-2] < x.shape[-1]
        x = x.mT if transposed else x  # type: ignore[attr-defined]
        n, k = x.shape[-2:]
        if self.orthogonal_map in ("matrix_exp", "cayley"):
            x = x.tril()  # type: ignore[attr-defined]
            if n != k:
                x = cat([x, (x[..., :1] * 0).expand(*x.shape[:-1], n - k)], -1)  # type: ignore[attr-defined, index]
            a = x - x.mT.conj() if x.dtype.is_complex else x - x.mT  # type: ignore[operator, attr-defined]
            if self.orthogonal_map == "matrix_exp":
                q = matrix_exp(a)
            else:
                one = eye(n, dtype=x.dtype, device=x.device)
                q = solve(one - a * 0.5, one + a * 0.5)
            q = q[..., :k] if n != k else q
        else:
            q = _householder(x)
        if "base" in self._buffers:
            q = self.base @ q
        return q.mT if transposed else q

    def right_inverse(self, q: Tensor) -> Tensor:
        if tuple(q.shape) != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape {tuple(q.shape)}."
            )
        if "base" not in self._buffers:
            raise NotImplementedError(
                "It is not possible to assign to an orthogonal parametrization when use_trivialization=False."
            )
        with no_grad():
            tall = q.mT if q.shape[-2] < q.shape[-1] else q  # type: ignore[attr-defined]
            n, k = tall.shape[-2:]
            if n != k:
                tall = cat([tall, randn(*tall.shape[:-1], n - k, dtype=q.dtype, device=q.device)], -1)
            off = (tall.mT @ tall - eye(n, dtype=q.dtype, device=q.device)).abs().max()  # type: ignore[attr-defined]
            self.base = tall.clone() if n == k and float(off) < 10 * n * _eps(q) else _orthogonalised(tall)  # type: ignore[attr-defined]
            return -eye(*q.shape[-2:], dtype=q.dtype, device=q.device).expand(q.shape).clone()


def _eps(x: Tensor) -> float:
    return finfo(x.dtype).eps


def _orthogonalised(x: Tensor) -> Tensor:
    q, r = qr(x)
    return q * r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)


def _householder(x: Tensor) -> Tensor:
    """The product of the reflections whose vectors are the columns below the diagonal, first columns only."""
    n, k = x.shape[-2:]
    below = x.tril(-1)  # type: ignore[attr-defined]
    q = eye(n, k, dtype=x.dtype, device=x.device)
    for j in reversed(range(k)):  # H_0 H_1 ... H_{k-1}, applied from the last to the first
        v = below[..., :, j : j + 1] + eye(n, k, dtype=x.dtype, device=x.device)[:, j : j + 1]
        tau = 2.0 / ops.square(v).sum((-2, -1), keepdim=True)
        q = q - tau * v * (v.mT @ q)
    return q * x.diagonal(dim1=-2, dim2=-1).detach().sign().unsqueeze(-2)  # type: ignore[attr-defined]


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Module:
    """Keep a matrix orthogonal (or its columns or rows orthonormal): maps "matrix_exp", "cayley", "householder".

    Raises ValueError for an unknown map or name, or for a tensor below 2 dimensions. Lezcano-Casado, 2019.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        orthogonal_map = (
            "matrix_exp" if weight.shape[-2] == weight.shape[-1] or weight.dtype.is_complex else "householder"
        )
    if orthogonal_map not in ("matrix_exp", "cayley", "householder"):
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    register_parametrization(
        module, name, _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization), unsafe=True
    )
    return module
