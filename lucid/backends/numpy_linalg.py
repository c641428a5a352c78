"""Linear algebra on NumPy: LAPACK through ``numpy.linalg``, and what that lacks (LU, triangular systems, exp)."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from . import numpy_reduce
from ._lapack import checked, failure, pivot_size

linalg = np.linalg


def cross(x: Any, y: Any, axis: int) -> Any:
    """The cross product of vectors of length 3 along ``axis``."""
    a, b = x.swapaxes(axis, 0), y.swapaxes(axis, 0)
    out = np.empty(np.broadcast_shapes(a.shape, b.shape), np.result_type(x, y))
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        part = np.multiply(a[j], b[k], out[i, ...])
        part -= a[k] * b[j]
    return np.ascontiguousarray(out.swapaxes(0, axis))


@functools.cache
def _lapack() -> Any:
    """SciPy's LAPACK where SciPy is installed: LU of a 64 x 64 matrix takes 20 us there, 1.8 ms in NumPy."""
    try:
        from scipy.linalg import lapack
    except ImportError:
        return None
    return lapack


def _routine(name: str, dtype: Any) -> Any:
    """A LAPACK routine by name and dtype; None without SciPy."""
    lapack = _lapack()
    letter = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}[dtype.name]
    return None if lapack is None else getattr(lapack, letter + name)


# ---- systems and inverses ----


def inv(x: Any) -> Any:
    try:
        return linalg.inv(checked(x))
    except linalg.LinAlgError:
        raise failure("inv", "the inversion could not be completed because the input matrix is singular") from None


def solve(x: Any, y: Any) -> Any:
    """Stacks of systems; ``y`` holds matrices (columns of right-hand sides)."""
    try:
        return linalg.solve(checked(x), y)
    except linalg.LinAlgError:
        raise failure("solve", "The solver failed because the input matrix is singular") from None


def _singular(x: Any, full_matrices: bool = False) -> Any:
    """``numpy.linalg.svd``; some builds of LAPACK never return from infinities, so those are refused first."""
    _finite(x, "svd")
    try:
        return linalg.svd(checked(x), full_matrices)
    except linalg.LinAlgError:
        raise failure("svd", "the algorithm failed to converge because the input matrix is ill-conditioned") from None


def _finite(x: Any, name: str) -> None:
    if not np.isfinite(x).all():
        raise failure(name, "the algorithm failed to converge because the input matrix contained non-finite values")


def solve_triangular(x: Any, y: Any, upper: bool, unit: bool) -> Any:
    """Back substitution, halved until small: matrix products do the work. A zero on the diagonal gives inf, as in LAPACK."""
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    out = np.array(np.broadcast_to(y, (*batch, *y.shape[-2:])), order="C")
    trtrs = _routine("trtrs", out.dtype) if not batch and x.shape[-1] > 8 and y.shape[-1] else None
    if trtrs is not None:
        found, info = trtrs(x, y, lower=not upper, unitdiag=unit)
        if not info:
            return np.ascontiguousarray(found)
    with np.errstate(all="ignore"):
        _substitute(x, out, upper, unit)
    return out


def _substitute(a: Any, b: Any, upper: bool, unit: bool) -> None:
    n = a.shape[-1]
    if n <= 8:
        for i in range(n - 1, -1, -1) if upper else range(n):
            if not unit:
                b[..., i, :] /= a[..., i, i, None]
            rest = slice(0, i) if upper else slice(i + 1, n)
            b[..., rest, :] -= a[..., rest, i, None] * b[..., i, None, :]
        return
    half = n // 2
    top, low = slice(0, half), slice(half, n)
    first, second = (low, top) if upper else (top, low)
    _substitute(a[..., first, first], b[..., first, :], upper, unit)
    b[..., second, :] -= np.matmul(a[..., second, first], b[..., first, :])
    _substitute(a[..., second, second], b[..., second, :], upper, unit)


def lstsq_solution(x: Any, y: Any, rcond: float) -> Any:
    """The least-squares solution of smallest norm."""
    return np.matmul(pinv(x, 0.0, rcond, False), y)


def pinv(x: Any, atol: Any, rtol: Any, hermitian: bool) -> Any:
    """The pseudo-inverse, from singular values above ``max(atol, rtol * largest)``."""
    checked(x)
    if not x.size:
        return np.zeros((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype)
    if hermitian:
        s, u = eigh(x, "L")
        vh, size = np.conjugate(u.swapaxes(-1, -2)), np.abs(s)
    else:
        u, s, vh = _singular(x)
        size = s
    cut = np.maximum(atol, rtol * size.max(-1)) if size.size else np.zeros(size.shape[:-1])
    keep = size > np.asarray(cut)[..., None]
    inverse = np.where(keep, 1 / np.where(keep, s, 1), 0).astype(s.dtype)
    return np.matmul(np.conjugate(vh.swapaxes(-1, -2)) * inverse[..., None, :], np.conjugate(u.swapaxes(-1, -2)))


# ---- determinants ----


def det(x: Any) -> Any:
    return np.asarray(linalg.det(checked(x))).astype(x.dtype, copy=False)


def slogdet(x: Any, source: Any = None) -> tuple:
    sign, logabs = linalg.slogdet(checked(x))
    return np.asarray(sign), np.asarray(logabs)


def cofactor(x: Any) -> Any:
    """The matrix of cofactors, det(x) inv(x)^T: through singular values, so that singular matrices have one too."""
    if not x.size:
        return x.copy()
    u, s, vh = _singular(x, True)
    n = s.shape[-1]
    others = np.where(np.eye(n, dtype=bool), 1, s[..., None, :]).prod(-1)  # product of the other singular values
    phase = linalg.det(u) * linalg.det(vh)
    adjugate = np.matmul(np.conjugate(vh.swapaxes(-1, -2)) * others[..., None, :], np.conjugate(u.swapaxes(-1, -2)))
    return (adjugate * phase[..., None, None]).swapaxes(-1, -2).astype(x.dtype, copy=False)


# ---- factorisations ----


def cholesky(x: Any) -> Any:
    """The lower factor; only the lower triangle is read."""
    try:
        factor = linalg.cholesky(checked(x))
        if not np.isnan(factor.diagonal(0, -2, -1)).any():  # NumPy lets NaN pass where LAPACK's check is fast math
            return factor
        raise linalg.LinAlgError
    except linalg.LinAlgError:
        where = ""
        for i, one in enumerate(x.reshape(-1, *x.shape[-2:])):
            order = _first_bad_minor(one)
            if order:
                where = (
                    f"(Batch element {i}): " if x.ndim > 2 else ""
                ) + f"the leading minor of order {order} is not positive-definite"
                break
        raise failure(
            "cholesky", f"{where}: the factorization could not be completed because the input is not positive-definite"
        ) from None


def _first_bad_minor(x: Any) -> int:
    """The order of the first leading minor that is not positive definite; 0 if all are."""
    for k in range(1, len(x) + 1):
        try:
            factor = linalg.cholesky(x[:k, :k])
        except linalg.LinAlgError:
            return k
        if not np.isfinite(factor).all():
            return k
    return 0


def cholesky_ex(x: Any) -> tuple:
    """(factor, order of the first minor that is not positive definite, per matrix)."""
    checked(x)
    out, info = np.zeros_like(x), np.zeros(x.shape[:-2], np.int32)
    for i in np.ndindex(*x.shape[:-2]):
        info[i] = _first_bad_minor(x[i])
        k = info[i] - 1 if info[i] else x.shape[-1]
        out[i][:k, :k] = linalg.cholesky(x[i][:k, :k])
    return out, info


def inv_ex(x: Any) -> tuple:
    checked(x)
    out, info = np.zeros_like(x), np.zeros(x.shape[:-2], np.int32)
    for i in np.ndindex(*x.shape[:-2]):
        try:
            out[i] = linalg.inv(x[i])
        except linalg.LinAlgError:
            info[i] = _zero_pivot(x[i])
            out[i] = np.nan
    return out, info


def _zero_pivot(x: Any) -> int:
    packed, _ = lu_factor(x, True)
    zero = np.flatnonzero(np.diagonal(packed) == 0)
    return int(zero[0]) + 1 if len(zero) else len(x)


def qr(x: Any, mode: str) -> tuple:
    if mode == "r":
        r = linalg.qr(checked(x), "r")
        return np.zeros((0,), x.dtype), r
    q, r = linalg.qr(checked(x), mode)
    return q, r


def geqrf(x: Any) -> tuple:
    """Householder QR as LAPACK keeps it."""
    h, tau = linalg.qr(checked(x), "raw")
    return np.ascontiguousarray(h.swapaxes(-1, -2)), tau


def svd(x: Any, full_matrices: bool, source: Any = None) -> tuple:
    return tuple(_singular(x, full_matrices))


def svdvals(x: Any) -> Any:
    _finite(x, "svdvals")
    try:
        return linalg.svd(checked(x), compute_uv=False)
    except linalg.LinAlgError:
        raise failure(
            "svdvals", "the algorithm failed to converge because the input matrix is ill-conditioned"
        ) from None


def eigh(x: Any, uplo: str) -> tuple:
    _finite(x, "eigh")
    try:
        w, v = linalg.eigh(checked(x), uplo)
    except linalg.LinAlgError:
        raise failure("eigh", "the algorithm failed to converge") from None
    return w, v


def eigvalsh(x: Any, uplo: str) -> Any:
    _finite(x, "eigvalsh")
    try:
        return linalg.eigvalsh(checked(x), uplo)
    except linalg.LinAlgError:
        raise failure("eigvalsh", "the algorithm failed to converge") from None


def eig(x: Any, source: Any = None) -> tuple:
    if not np.isfinite(x).all():
        raise RuntimeError("linalg.eig: input tensor should not contain infs or NaNs.")
    w, v = linalg.eig(checked(x))
    kind = np.result_type(x.dtype, np.complex64)
    return w.astype(kind, copy=False), v.astype(kind, copy=False)


def lu_factor(x: Any, pivot: bool) -> tuple:
    """LU in one matrix (unit lower, upper) and LAPACK's row exchanges, counted from 1; without an error for zero pivots."""
    checked(x)
    batch, (m, n) = x.shape[:-2], x.shape[-2:]
    a = np.array(x.reshape(math.prod(batch), m, n), order="C")
    k = min(m, n)
    pivots = np.tile(np.arange(1, k + 1, dtype=np.int32), (len(a), 1))
    getrf = _routine("getrf", x.dtype) if pivot and k else None
    if getrf is not None and k * k >= 16 * len(a):
        for i, one in enumerate(a):
            a[i], where, _ = getrf(one)
            pivots[i] = where + 1
        return a.reshape(x.shape), pivots.reshape(*batch, k)
    every = np.arange(len(a))
    with np.errstate(all="ignore"):
        for j in range(k):
            if pivot:
                p = j + np.argmax(pivot_size(a[:, j:, j]), axis=1)
                pivots[:, j] = p + 1
                if (p != j).any():
                    held = a[every, p].copy()
                    a[every, p] = a[:, j]
                    a[:, j] = held
            top = a[:, j, j, None]
            a[:, j + 1 :, j] /= np.where(top == 0, 1, top)
            if j + 1 < n:
                a[:, j + 1 :, j + 1 :] -= a[:, j + 1 :, j, None] * a[:, j, None, j + 1 :]
    return a.reshape(x.shape), pivots.reshape(*batch, k)


def pivot_order(pivots: Any, m: int) -> Any:
    """The rows of P^T A, as positions, from LAPACK's exchanges."""
    flat = pivots.reshape(math.prod(pivots.shape[:-1]), pivots.shape[-1])
    order = np.tile(np.arange(m), (len(flat), 1))
    every = np.arange(len(flat))
    for j in range(flat.shape[1]):
        p = flat[:, j] - 1
        held = order[every, p].copy()
        order[every, p] = order[:, j]
        order[:, j] = held
    return order.reshape(*pivots.shape[:-1], m)


# ---- functions of matrices ----

_PADE = (64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0, 10559470521600.0,
         670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0)  # fmt: skip


def matrix_exp(x: Any) -> Any:
    """Scaling and squaring with the [13/13] Pade approximant (Higham, 2005)."""
    checked(x)
    if not x.size:
        return x.copy()
    n = x.shape[-1]
    norm = np.abs(x).sum(-2).max(-1)
    with np.errstate(all="ignore"):
        s = np.where(norm > 5.37, np.ceil(np.log2(np.where(np.isfinite(norm) & (norm > 0), norm, 1) / 5.37)), 0).astype(
            int
        )
        a = x / np.exp2(s)[..., None, None].astype(x.real.dtype)
        b, eye = _PADE, np.eye(n, dtype=x.dtype)
        a2 = np.matmul(a, a)
        a4 = np.matmul(a2, a2)
        a6 = np.matmul(a4, a2)
        u = np.matmul(
            a, np.matmul(a6, b[13] * a6 + b[11] * a4 + b[9] * a2) + b[7] * a6 + b[5] * a4 + b[3] * a2 + b[1] * eye
        )
        v = np.matmul(a6, b[12] * a6 + b[10] * a4 + b[8] * a2) + b[6] * a6 + b[4] * a4 + b[2] * a2 + b[0] * eye
        bad = ~np.isfinite(norm)[..., None, None]
        out = linalg.solve(np.where(bad, eye, v - u), v + u)
        for k in range(int(s.max(initial=0))):
            out = np.where((s > k)[..., None, None], np.matmul(out, out), out)
    return np.where(bad, np.array(np.nan, x.dtype), out).astype(x.dtype, copy=False)


# ---- norms ----


def vector_norm(x: Any, p: float, axis: Any = None, keepdims: bool = False) -> Any:
    if x.dtype.itemsize == 2:
        return vector_norm(x.astype(np.float32), p, axis, keepdims).astype(x.dtype)
    if p == 2 and x.dtype.kind == "f":
        with np.errstate(all="ignore"):
            if axis in (x.ndim - 1, (x.ndim - 1,)) and x.shape[-1] <= 4096:  # BLAS: no array of squares
                total = np.sqrt(np.vecdot(x, x))
                return total[..., None] if keepdims else total
            return np.sqrt(numpy_reduce.sum(np.multiply(x, x), axis, keepdims))
    size = np.abs(x)
    if p == np.inf:
        return np.maximum.reduce(size, axis, None, None, keepdims)
    if p == -np.inf:
        return np.minimum.reduce(size, axis, None, None, keepdims)
    with np.errstate(all="ignore"):
        if p == 2:
            return np.sqrt(np.add.reduce(size * size, axis, None, None, keepdims))
        if p == 1:
            return np.add.reduce(size, axis, None, None, keepdims)
        if p == 0:
            return np.add.reduce(size != 0, axis, size.dtype, None, keepdims)
        return np.asarray(np.add.reduce(size**p, axis, None, None, keepdims) ** (1.0 / p)).astype(
            size.dtype, copy=False
        )
