"""Factorisations: Cholesky, QR, SVD, eigenvalues, LU, LDL (``lucid.linalg``)."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..core import dtypes, modes
from ..core.errors import LinAlgError, ShapeError
from ..core.tensor import Tensor, as_tensor
from ..ops import matrices as linalg_ops
from .attributes import constant_in
from .linalg_solve import eye_for, matrices, solve_triangular, zeros_info
from .registry import public, return_type, tensor_arg

__all__ = [
    "cholesky", "cholesky_ex", "eig", "eigh", "eigvals", "eigvalsh", "householder_product", "ldl_factor", "ldl_factor_ex", "ldl_solve",
    "lu", "lu_factor", "lu_factor_ex", "lu_solve", "qr", "svd", "svdvals",
]  # fmt: skip

CholeskyEx = return_type("linalg_cholesky_ex", "L", "info")
QR = return_type("linalg_qr", "Q", "R")
SVD = return_type("linalg_svd", "U", "S", "Vh")
OldSVD = return_type("svd", "U", "S", "V")
Eigh = return_type("linalg_eigh", "eigenvalues", "eigenvectors")
Eig = return_type("linalg_eig", "eigenvalues", "eigenvectors")
LU = return_type("linalg_lu", "P", "L", "U")
LUFactor = return_type("linalg_lu_factor", "LU", "pivots")
LUFactorEx = return_type("linalg_lu_factor_ex", "LU", "pivots", "info")
LDLFactor = return_type("linalg_ldl_factor", "LD", "pivots")
LDLFactorEx = return_type("linalg_ldl_factor_ex", "LD", "pivots", "info")


def _wants_grad(x: Tensor) -> bool:
    return hasattr(x.value, "level") or (x.node is not None and modes.is_grad_enabled())


# ---- Cholesky ----


@public(method=False, function=False)
def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """L with A = L L^H for a positive-definite A (of which the lower triangle is read); LinAlgError for any other.

    >>> import lucid
    >>> lucid.linalg.cholesky(lucid.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    x = matrices(A, "cholesky", square=True)
    factor = linalg_ops.cholesky(x.mH if upper else x)
    return factor.mH if upper else factor


def _cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """``linalg.cholesky``."""
    return cholesky(input, upper=upper)


_cholesky.__name__ = "cholesky"
public()(_cholesky)


@public(method=False, function=False)
def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> Any:
    """The factor and, per matrix, 0 or the order of the first minor that is not positive definite: ``(L, info)``."""
    x = matrices(A, "cholesky_ex", square=True)
    try:
        return CholeskyEx(cholesky(x, upper=upper), zeros_info(x))
    except LinAlgError:
        if check_errors:
            raise
        factor, info = linalg_ops.cholesky_ex(x.mH if upper else x)
        return CholeskyEx(factor.mH if upper else factor, info)


# ---- QR ----


@public(method=False, function=False)
def qr(A: Tensor, mode: str = "reduced") -> Any:
    """A = Q R, Q with orthonormal columns, R upper triangular: ``(Q, R)``. ``mode`` is reduced, complete or r.

    >>> import lucid
    >>> lucid.linalg.qr(lucid.ones(3, 2)).R.shape
    lucid.Size([2, 2])
    """
    x = matrices(A, "qr")
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    return QR(*linalg_ops.qr(x, mode))


def _qr(input: Tensor, some: bool = True) -> Any:
    """``linalg.qr``, with ``some`` for reduced."""
    return OldQR(*qr(input, "reduced" if some else "complete"))


OldQR = return_type("qr", "Q", "R")
_qr.__name__ = "qr"
public()(_qr)


@public(method=False, function=False)
def householder_product(A: Tensor, tau: Tensor) -> Tensor:
    """The first columns of the product of reflections ``I - tau_i v_i v_i^H``; v_i is below the diagonal of column i of A."""
    A, tau = matrices(A, "householder_product"), tensor_arg(tau, "householder_product", "tau")
    _check_tau(A, tau, "linalg.householder_product")
    m, n = A.shape[-2:]
    k = tau.shape[-1]
    if m < n:
        raise ShapeError("linalg.householder_product: input.shape[-2] must be greater than or equal to input.shape[-1]")
    if k > n:
        raise ShapeError("linalg.householder_product: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    lower = ops.tril(A, -1)
    eye = eye_for(A, m)
    q = constant_in(ops.broadcast_to(eye[:, :n], (*A.shape[:-2], m, n)), A)
    for i in range(k - 1, -1, -1):
        v = (lower[..., i] + eye[i]).unsqueeze(-1)
        q = q - tau[..., i, None, None] * (v @ (v.mH @ q))
    return q


def _check_tau(A: Tensor, tau: Tensor, name: str) -> None:
    if tuple(tau.shape[:-1]) != tuple(A.shape[:-2]) or not tau.ndim:
        raise ShapeError(
            f"{name}: tau must be of shape {(*A.shape[:-2], 'k')} for input {tuple(A.shape)}, got {tuple(tau.shape)}"
        )


# ---- singular values ----


@public(method=False, function=False)
def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> Any:
    """A = U diag(S) Vh, singular values in falling order: ``(U, S, Vh)``.

    The derivative needs distinct singular values where U or Vh is used.

    >>> import lucid
    >>> lucid.linalg.svd(lucid.tensor([[3.0, 0.0], [0.0, 4.0]])).S
    tensor([4., 3.])
    """
    x = matrices(A, "svd")
    return SVD(*linalg_ops.svd(x, bool(full_matrices), x.dtype))


def _svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> Any:
    """``linalg.svd`` with V instead of its conjugate transpose: ``(U, S, V)``."""
    if not compute_uv:
        m, n = input.shape[-2:]
        blank = ops.zeros_like(input)
        return OldSVD(
            blank.new_zeros((*input.shape[:-2], m, m)), svdvals(input), blank.new_zeros((*input.shape[:-2], n, n))
        )
    u, s, vh = svd(input, not some)
    return OldSVD(u, s, vh.mH)


_svd.__name__ = "svd"
public()(_svd)


@public(method=False, function=False)
def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values, in falling order.

    >>> import lucid
    >>> lucid.linalg.svdvals(lucid.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor([4., 3.])
    """
    x = matrices(A, "svdvals")
    return svd(x, False).S if _wants_grad(x) else linalg_ops.svdvals(x)


# ---- eigenvalues ----


def _uplo(UPLO: str) -> str:
    if not isinstance(UPLO, str) or UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return UPLO.upper()


@public(method=False, function=False)
def eigh(A: Tensor, UPLO: str = "L") -> Any:
    """Eigenvalues in rising order and orthonormal eigenvectors (columns) of a Hermitian matrix; one triangle is read.

    >>> import lucid
    >>> lucid.linalg.eigh(lucid.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    tensor([1., 2.])
    """
    return Eigh(*linalg_ops.eigh(matrices(A, "eigh", square=True), _uplo(UPLO)))


@public(method=False, function=False)
def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of a Hermitian matrix, in rising order."""
    x = matrices(A, "eigvalsh", square=True)
    return eigh(x, UPLO).eigenvalues if _wants_grad(x) else linalg_ops.eigvalsh(x, _uplo(UPLO))


@public(method=False, function=False)
def eig(A: Tensor) -> Any:
    """Eigenvalues and eigenvectors (columns of norm one), complex: ``(eigenvalues, eigenvectors)``."""
    x = matrices(A, "eig", square=True)
    return Eig(*linalg_ops.eig(x, x.dtype))


@public(method=False, function=False)
def eigvals(A: Tensor) -> Tensor:
    """The eigenvalues, complex."""
    return eig(matrices(A, "eigvals", square=True)).eigenvalues


# ---- LU ----


@public(method=False, function=False)
def lu_factor(A: Tensor, *, pivot: bool = True) -> Any:
    """LU in one matrix, and LAPACK's row exchanges counted from 1: ``(LU, pivots)``; LinAlgError for a zero pivot."""
    return LUFactor(*lu_factor_ex(A, pivot=pivot, check_errors=True)[:2])


@public(method=False, function=False)
def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> Any:
    """``lu_factor`` and, per matrix, 0 or the number of the first zero pivot: ``(LU, pivots, info)``."""
    x = matrices(A, "lu_factor")
    packed, pivots = linalg_ops.lu_factor(x, bool(pivot))
    zero = ops.equal(ops.diagonal(packed.detach(), 0, x.ndim - 2, x.ndim - 1), 0)
    n = zero.shape[-1]
    info = (
        ops.where(zero.any(-1), ops.argmax(zero, zero.ndim - 1, False) + 1, 0).to(dtypes.int32) if n else zeros_info(x)
    )
    if check_errors and not hasattr(info.value, "level") and bool(info.any()):
        raise LinAlgError(
            f"linalg.lu_factor: U[{int(info.max())},{int(info.max())}] is zero and using it on lu_solve would result in a division by zero"
        )
    return LUFactorEx(packed, pivots, info)


def unpacked(packed: Tensor, pivots: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(P, L, U) from LAPACK's form."""
    m, n = packed.shape[-2:]
    k = min(m, n)
    eye = eye_for(packed, m)
    lower = ops.tril(packed[..., :, :k], -1) + eye[:, :k]
    upper = ops.triu(packed[..., :k, :], 0)
    order = linalg_ops.pivot_order(pivots, m)
    p = eye[order].mT if m else eye
    return p, lower, upper


@public(method=False, function=False)
def lu(A: Tensor, *, pivot: bool = True) -> Any:
    """A = P L U with a permutation P (empty without pivoting): ``(P, L, U)``."""
    packed, pivots = linalg_ops.lu_factor(matrices(A, "lu"), bool(pivot))
    p, lower, upper = unpacked(packed, pivots)
    return LU(p if pivot else as_tensor([], dtype=A.dtype), lower, upper)


@public(method=False)
def lu_unpack(LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True) -> Any:
    """``(P, L, U)`` from what ``linalg.lu_factor`` returned."""
    p, lower, upper = unpacked(LU_data, LU_pivots)
    empty = as_tensor([], dtype=LU_data.dtype)
    return LUUnpack(p if unpack_pivots else empty, lower if unpack_data else empty, upper if unpack_data else empty)


LUUnpack = return_type("lu_unpack", "P", "L", "U")


@public(method=False, function=False)
def lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False) -> Tensor:
    """X with A X = B (X A = B without ``left``; A^H for A with ``adjoint``), given ``lu_factor(A)``."""
    LU, B = matrices(LU, "lu_solve", square=True, position="LU"), matrices(B, "lu_solve", position="B")
    if not left:
        return lu_solve(LU, pivots, B.mH, adjoint=not adjoint).mH
    if LU.shape[-1] != B.shape[-2]:
        raise ShapeError(f"linalg.lu_solve: Incompatible shapes of LU and B: {tuple(LU.shape)} and {tuple(B.shape)}")
    order = linalg_ops.pivot_order(pivots, LU.shape[-1])
    batch = _batch(LU, B)
    B = ops.broadcast_to(B, (*batch, *B.shape[-2:]))
    if adjoint:
        half = solve_triangular(LU.mH, B, upper=False)
        full = solve_triangular(LU.mH, half, upper=True, unitriangular=True)
        order = ops.argsort(order, order.ndim - 1, False, True)
        return _rows(full, order)
    half = solve_triangular(LU, _rows(B, order), upper=False, unitriangular=True)
    return solve_triangular(LU, half, upper=True)


def _batch(a: Tensor, b: Tensor) -> tuple[int, ...]:
    from .shaping import broadcast_shapes

    return tuple(broadcast_shapes(a.shape[:-2], b.shape[:-2]))


def _rows(x: Tensor, order: Tensor) -> Tensor:
    index = ops.broadcast_to(order.unsqueeze(-1), tuple(x.shape))
    return ops.take_along_axis(x, index, x.ndim - 2)


def _old_lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """``linalg.lu_solve``, right-hand side first."""
    return lu_solve(LU_data, LU_pivots, b)


_old_lu_solve.__name__ = "lu_solve"
public()(_old_lu_solve)


# ---- LDL ----


@public(method=False, function=False)
def ldl_factor(A: Tensor, *, hermitian: bool = False) -> Any:
    """A = L D L^T of a symmetric (or Hermitian) matrix in LAPACK's form (Bunch and Kaufman): ``(LD, pivots)``. No derivative."""
    x = matrices(A, "ldl_factor", square=True)
    return LDLFactor(*linalg_ops.ldl_factor(x, bool(hermitian)))


@public(method=False, function=False)
def ldl_factor_ex(A: Tensor, *, hermitian: bool = False, check_errors: bool = False) -> Any:
    """``ldl_factor`` and, per matrix, 0 or the number of a zero block of D: ``(LD, pivots, info)``."""
    packed, pivots = ldl_factor(A, hermitian=hermitian)
    zero = (ops.diagonal(packed, 0, packed.ndim - 2, packed.ndim - 1) == 0) & (pivots > 0)
    info = (
        ops.where(zero.any(-1), ops.argmax(zero, zero.ndim - 1, False) + 1, 0).to(dtypes.int32)
        if zero.shape[-1]
        else zeros_info(A)
    )
    if check_errors and bool(info.any()):
        raise LinAlgError(f"linalg.ldl_factor_ex: D[{int(info.max())},{int(info.max())}] is zero")
    return LDLFactorEx(packed, pivots, info)


@public(method=False, function=False)
def ldl_solve(LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False) -> Tensor:
    """X with A X = B, given ``ldl_factor(A)``. No derivative."""
    LD, B = matrices(LD, "ldl_solve", square=True, position="LD"), matrices(B, "ldl_solve", position="B")
    return linalg_ops.ldl_solve(LD, pivots, B, bool(hermitian))


# ---- Householder reflections ----

Geqrf = return_type("geqrf", "a", "tau")


@public()
def geqrf(input: Tensor) -> Any:
    """The QR factorisation as LAPACK keeps it: R above, reflections below the diagonal, and their factors. No derivative."""
    return Geqrf(*linalg_ops.geqrf(matrices(input, "geqrf")))


@public()
def orgqr(input: Tensor, input2: Tensor) -> Tensor:
    """``linalg.householder_product``."""
    return householder_product(input, input2)


@public()
def ormqr(input: Tensor, input2: Tensor, input3: Tensor, left: bool = True, transpose: bool = False) -> Tensor:
    """``Q @ input3`` (``input3 @ Q`` without ``left``, Q^H for Q with ``transpose``), Q given by its reflections."""
    a, tau, other = matrices(input, "ormqr"), input2, input3
    _check_tau(a, tau, "ormqr")
    if not left:
        return ormqr(a, tau, other.mH, True, not transpose).mH
    lower, eye = ops.tril(a, -1), eye_for(a, a.shape[-2])
    k = tau.shape[-1]
    for i in range(k) if transpose else range(k - 1, -1, -1):
        v = (lower[..., i] + eye[i]).unsqueeze(-1)
        factor = tau[..., i, None, None]
        other = other - (ops.conj(factor) if transpose and factor.dtype.is_complex else factor) * (v @ (v.mH @ other))
    return other


# ---- low rank, by random projection (Halko, Martinsson and Tropp 2011) ----


def _range(A: Tensor, q: int, niter: int) -> Tensor:
    from .registry import FUNCTIONS

    omega = FUNCTIONS["randn"](*A.shape[:-2], A.shape[-1], q, dtype=A.dtype, device=A.device)
    found = qr(A @ omega).Q
    for _ in range(niter):
        found = qr(A @ qr(A.mH @ found).Q).Q
    return found


@public(method=False, out=False)
def svd_lowrank(A: Tensor, q: int = 6, niter: int = 2, M: Tensor | None = None) -> Any:
    """The ``q`` largest singular values and vectors of A (of A - M), nearly: ``(U, S, V)``."""
    x = matrices(A, "svd_lowrank")
    x = x if M is None else x - M
    basis = _range(x, min(q, *x.shape[-2:]), niter)
    u, s, vh = svd(basis.mH @ x, False)
    return basis @ u, s, vh.mH


@public(method=False, out=False)
def pca_lowrank(A: Tensor, q: int | None = None, center: bool = True, niter: int = 2) -> Any:
    """Principal components of the rows of A: ``svd_lowrank`` of A less its column means."""
    x = matrices(A, "pca_lowrank")
    m, n = x.shape[-2:]
    q = min(6, m, n) if q is None else q
    if not 0 <= q <= min(m, n):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
    return svd_lowrank(x - x.mean(-2, keepdim=True) if center else x, q, niter)


def _old_lu(A: Tensor, pivot: bool = True, get_infos: bool = False) -> Any:
    """``linalg.lu_factor`` (the older form)."""
    found = lu_factor_ex(A, pivot=pivot)
    return found if get_infos else tuple(found[:2])


_old_lu.__name__ = "lu"
public()(_old_lu)
