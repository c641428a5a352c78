"""The array API: products, and the extensions ``linalg`` and ``fft``, which are attributes of ``lucid.ops``."""

from __future__ import annotations

import builtins
from types import SimpleNamespace
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.tensor import Tensor
from . import fft as _fft
from . import linalg_factor, linalg_norms, linalg_products, linalg_solve
from .registry import FUNCTIONS as F
from .standard import call, cast_to, standard
from .standard_elementwise import promoted
from .standard_reductions import sum as sum_over
from .standard_reductions import sum_dtype


@standard
def matmul(x1: Tensor, x2: Tensor, /) -> Tensor:
    x1, x2 = promoted(x1, x2)
    return call("matmul")(x1, x2) if x1.ndim >= 2 and x2.ndim >= 2 else F["matmul"](x1, x2)


@standard
def tensordot(x1: Tensor, x2: Tensor, /, *, axes: Any = 2) -> Tensor:
    return F["tensordot"](*promoted(x1, x2), axes)


@standard
def vecdot(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    if axis >= 0 or axis < -builtins.min(x1.ndim, x2.ndim):
        raise ValueError(f"vecdot: axis must be negative and in both arrays, got {axis}")
    if x1.shape[axis] != x2.shape[axis]:
        raise ValueError(f"vecdot: sizes {x1.shape[axis]} and {x2.shape[axis]} along axis {axis} differ")
    x1, x2 = promoted(x1, x2)
    product = (ops.conj(x1) if x1.dtype.is_complex else x1) * x2  # type: ignore[operator, attr-defined]
    return cast_to(sum_over(product, axis=axis), product.dtype)


# ---- linalg ----


def cholesky(x: Tensor, /, *, upper: bool = False) -> Tensor:
    return linalg_factor.cholesky(x, upper=upper)


def cross(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    n = builtins.max(x1.ndim, x2.ndim)
    x1, x2 = promoted(x1, x2)
    x1, x2 = (x.reshape(*(1,) * (n - x.ndim), *x.shape) for x in (x1, x2))  # type: ignore[attr-defined]
    return linalg_products.cross(x1, x2, dim=axis)


def det(x: Tensor, /) -> Tensor:
    return linalg_solve.det(x)


def diagonal(x: Tensor, /, *, offset: int = 0) -> Tensor:
    return linalg_products.diagonal(x, offset=offset)


def eig(x: Tensor, /) -> Any:
    return linalg_factor.eig(x)


def eigvals(x: Tensor, /) -> Tensor:
    return linalg_factor.eigvals(x)


def eigh(x: Tensor, /) -> Any:
    return linalg_factor.eigh(x)


def eigvalsh(x: Tensor, /) -> Tensor:
    return linalg_factor.eigvalsh(x)


def inv(x: Tensor, /) -> Tensor:
    return linalg_solve.inv(x)


def matrix_norm(x: Tensor, /, *, keepdims: bool = False, ord: Any = "fro") -> Tensor:
    return linalg_norms.matrix_norm(x, ord, (-2, -1), keepdims)


def matrix_power(x: Tensor, n: int, /) -> Tensor:
    return linalg_norms.matrix_power(x, n)


def matrix_rank(x: Tensor, /, *, rtol: Any = None) -> Tensor:
    return linalg_norms.matrix_rank(x, rtol=rtol)


def outer(x1: Tensor, x2: Tensor, /) -> Tensor:
    return linalg_products.outer(x1, x2)


def pinv(x: Tensor, /, *, rtol: Any = None) -> Tensor:
    return linalg_solve.pinv(x, rtol=rtol)


def qr(x: Tensor, /, *, mode: str = "reduced") -> Any:
    return linalg_factor.qr(x, mode)


def slogdet(x: Tensor, /) -> Any:
    return linalg_solve.slogdet(x)


def solve(x1: Tensor, x2: Tensor, /) -> Tensor:
    x1, x2 = promoted(x1, x2)
    if x2.ndim == 1:
        return linalg_solve.solve(x1, x2.reshape(-1, 1)).squeeze(-1)  # type: ignore[attr-defined]
    return ops.solve(linalg_solve.matrices(x1, "solve", square=True), x2)  # type: ignore[attr-defined]


def svd(x: Tensor, /, *, full_matrices: bool = True) -> Any:
    return linalg_factor.svd(x, full_matrices)


def svdvals(x: Tensor, /) -> Tensor:
    return linalg_factor.svdvals(x)


def trace(x: Tensor, /, *, offset: int = 0, dtype: Any = None) -> Tensor:
    shown = linalg_products.diagonal(x, offset=offset)
    wanted = sum_dtype(x, dtype)
    return sum_over(shown.to(wanted), axis=shown.ndim - 1, dtype=wanted)  # type: ignore[attr-defined]


def vector_norm(x: Tensor, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Tensor:
    if axis == ():
        return ops.abs(x) if ord != 0 else (x != 0).to(x.dtype.to_real())  # type: ignore[attr-defined]
    return linalg_norms.vector_norm(x, ord, axis, keepdims)


linalg = SimpleNamespace(
    **{f.__name__: f for f in (cholesky, cross, det, diagonal, eig, eigvals, eigh, eigvalsh, inv, matrix_norm, matrix_power, matrix_rank,
                               outer, pinv, qr, slogdet, solve, svd, svdvals, trace, vector_norm)},
    matmul=matmul,
    tensordot=tensordot,
    vecdot=vecdot,
    matrix_transpose=ops.matrix_transpose,  # type: ignore[attr-defined]
)  # fmt: skip


# ---- fft ----


def _one(name: str) -> Any:
    function = getattr(_fft, name)

    def f(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
        return function(x, n, axis, norm)

    f.__name__ = name
    return f


def _many(name: str) -> Any:
    function = getattr(_fft, name)

    def f(x: Tensor, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Tensor:
        return function(x, s, axes, norm)

    f.__name__ = name
    return f


def _shift(name: str) -> Any:
    function = getattr(_fft, name)

    def f(x: Tensor, /, *, axes: Any = None) -> Tensor:
        return function(x, axes)

    f.__name__ = name
    return f


def fftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Tensor:
    return _fft.fftfreq(n, d, dtype=_real(dtype), device=device)


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Tensor:
    return _fft.rfftfreq(n, d, dtype=_real(dtype), device=device)


def _real(dtype: Any) -> Any:
    if dtype is not None and not dtypes.as_dtype(dtype).is_floating_point:
        raise ValueError(f"fftfreq: dtype must be a real floating dtype, got {dtype}")
    return dtype


fft = SimpleNamespace(
    **{name: _one(name) for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")},
    **{name: _many(name) for name in ("fftn", "ifftn", "rfftn", "irfftn")},
    **{name: _shift(name) for name in ("fftshift", "ifftshift")},
    fftfreq=fftfreq,
    rfftfreq=rfftfreq,
)
vars(ops).update(linalg=linalg, fft=fft)
