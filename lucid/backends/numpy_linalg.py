"""Linear algebra on NumPy: LAPACK through ``numpy.linalg``, and what that lacks (LU, triangular systems, LDL, exp)."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from . import numpy_reduce

linalg = np.linalg


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


def _fail(name: str, why: str) -> Any:
    from ..core.errors import LinAlgError

    return LinAlgError(f"linalg.{name}: {why}")


def _whole(x: Any) -> Any:
    """LAPACK wants whole precision: half types raise here, as in PyTorch."""
    if x.dtype.itemsize == 2 or x.dtype.kind not in "fc":
        raise TypeError("expected float32, float64, complex64 or complex128")
    return x


# ---- systems and inverses ----


def inv(x: Any) -> Any:
    try:
        return linalg.inv(_whole(x))
    except linalg.LinAlgError:
        raise _fail("inv", "the inversion could not be completed because the input matrix is singular") from None


def solve(x: Any, y: Any) -> Any:
    """Stacks of systems; ``y`` holds matrices (columns of right-hand sides)."""
    try:
        return linalg.solve(_whole(x), y)
    except linalg.LinAlgError:
        raise _fail("solve", "The solver failed because the input matrix is singular") from None


def _singular(x: Any, full_matrices: bool = False) -> Any:
    """``numpy.linalg.svd``; some builds of LAPACK never return from infinities, so those are refused first."""
    _finite(x, "svd")
    try:
        return linalg.svd(_whole(x), full_matrices)
    except linalg.LinAlgError:
        raise _fail("svd", "the algorithm failed to converge because the input matrix is ill-conditioned") from None


def _finite(x: Any, name: str) -> None:
    if not np.isfinite(x).all():
        raise _fail(name, "the algorithm failed to converge because the input matrix contained non-finite values")


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
    _whole(x)
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
    return np.asarray(linalg.det(_whole(x))).astype(x.dtype, copy=False)


def slogdet(x: Any, source: Any = None) -> tuple:
    sign, logabs = linalg.slogdet(_whole(x))
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
        return linalg.cholesky(_whole(x))
    except linalg.LinAlgError:
        where = ""
        for i, one in enumerate(x.reshape(-1, *x.shape[-2:])):
            order = _first_bad_minor(one)
            if order:
                where = (
                    f"(Batch element {i}): " if x.ndim > 2 else ""
                ) + f"the leading minor of order {order} is not positive-definite"
                break
        raise _fail(
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
    _whole(x)
    out, info = np.zeros_like(x), np.zeros(x.shape[:-2], np.int32)
    for i in np.ndindex(*x.shape[:-2]):
        info[i] = _first_bad_minor(x[i])
        k = info[i] - 1 if info[i] else x.shape[-1]
        out[i][:k, :k] = linalg.cholesky(x[i][:k, :k])
    return out, info


def inv_ex(x: Any) -> tuple:
    _whole(x)
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
        r = linalg.qr(_whole(x), "r")
        return np.zeros((0,), x.dtype), r
    q, r = linalg.qr(_whole(x), mode)
    return q, r


def svd(x: Any, full_matrices: bool, source: Any = None) -> tuple:
    return tuple(_singular(x, full_matrices))


def svdvals(x: Any) -> Any:
    _finite(x, "svdvals")
    try:
        return linalg.svd(_whole(x), compute_uv=False)
    except linalg.LinAlgError:
        raise _fail("svdvals", "the algorithm failed to converge because the input matrix is ill-conditioned") from None


def eigh(x: Any, uplo: str) -> tuple:
    _finite(x, "eigh")
    try:
        w, v = linalg.eigh(_whole(x), uplo)
    except linalg.LinAlgError:
        raise _fail("eigh", "the algorithm failed to converge") from None
    return w, v


def eigvalsh(x: Any, uplo: str) -> Any:
    _finite(x, "eigvalsh")
    try:
        return linalg.eigvalsh(_whole(x), uplo)
    except linalg.LinAlgError:
        raise _fail("eigvalsh", "the algorithm failed to converge") from None


def eig(x: Any, source: Any = None) -> tuple:
    if not np.isfinite(x).all():
        raise RuntimeError("linalg.eig: input tensor should not contain infs or NaNs.")
    w, v = linalg.eig(_whole(x))
    kind = np.result_type(x.dtype, np.complex64)
    return w.astype(kind, copy=False), v.astype(kind, copy=False)


def lu_factor(x: Any, pivot: bool) -> tuple:
    """LU in one matrix (unit lower, upper) and LAPACK's row exchanges, counted from 1; without an error for zero pivots."""
    _whole(x)
    batch, (m, n) = x.shape[:-2], x.shape[-2:]
    a = np.array(x.reshape(-1, m, n), order="C")
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
                p = j + np.argmax(_size(a[:, j:, j]), axis=1)
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


def _size(x: Any) -> Any:
    """What LAPACK compares pivots by: of a complex number ``|re| + |im|``."""
    return np.abs(x.real) + np.abs(x.imag) if x.dtype.kind == "c" else np.abs(x)


def pivot_order(pivots: Any, m: int) -> Any:
    """The rows of P^T A, as positions, from LAPACK's exchanges."""
    flat = pivots.reshape(-1, pivots.shape[-1])
    order = np.tile(np.arange(m), (len(flat), 1))
    every = np.arange(len(flat))
    for j in range(flat.shape[1]):
        p = flat[:, j] - 1
        held = order[every, p].copy()
        order[every, p] = order[:, j]
        order[:, j] = held
    return order.reshape(*pivots.shape[:-1], m)


# ---- symmetric indefinite (Bunch and Kaufman) ----


def ldl_factor(x: Any, hermitian: bool) -> tuple:
    """LAPACK's ``sytrf`` (lower): L and the blocks of D in one matrix, and pivots (negative twice for a 2x2 block)."""
    _whole(x)
    out, pivots = np.tril(x), np.zeros(x.shape[:-1], np.int32)
    for i in np.ndindex(*x.shape[:-2]):
        _bunch_kaufman(out[i], pivots[i], hermitian and x.dtype.kind == "c")
    return out, pivots


def _bunch_kaufman(a: Any, pivots: Any, hermitian: bool) -> None:
    n, alpha, k = len(a), (1 + 17**0.5) / 8, 0
    conj = np.conjugate if hermitian else (lambda v: v)
    while k < n:
        column = _size(a[k + 1 :, k])
        largest = column.max(initial=0.0)
        r = k + 1 + int(column.argmax()) if len(column) else k
        size, p = 1, k
        own = _size(a[k, k])
        if max(own, largest) > 0 and own < alpha * largest:
            row = max(_size(a[r, k:r]).max(initial=0.0), _size(a[r + 1 :, r]).max(initial=0.0))
            if own * row >= alpha * largest**2:
                pass
            elif _size(a[r, r]) >= alpha * row:
                p = r
            else:
                size, p = 2, r
        q = k + size - 1
        if p != q:
            _exchange(a, q, p, k, conj)
        if size == 1:
            pivots[k] = p + 1
            if a[k, k] != 0:
                a[k + 1 :, k] /= a[k, k]
                scaled = a[k + 1 :, k]
                a[k + 1 :, k + 1 :] -= np.tril(np.outer(scaled, conj(scaled)) * a[k, k])
        else:
            pivots[k] = pivots[k + 1] = -(p + 1)
            d = np.array([[a[k, k], conj(a[k + 1, k])], [a[k + 1, k], a[k + 1, k + 1]]])
            w = a[k + 2 :, k : k + 2] @ np.linalg.inv(d)
            a[k + 2 :, k + 2 :] -= np.tril(w @ d @ conj(w).T)
            a[k + 2 :, k : k + 2] = w
        k += size


def _exchange(a: Any, q: int, p: int, k: int, conj: Any) -> None:
    """Swap rows and columns q < p of a symmetric matrix of which the lower triangle is kept (columns before k as they are)."""
    held = a[p + 1 :, p].copy()
    a[p + 1 :, p] = a[p + 1 :, q]
    a[p + 1 :, q] = held
    held = conj(a[q + 1 : p, q]).copy()
    a[q + 1 : p, q] = conj(a[p, q + 1 : p])
    a[p, q + 1 : p] = held
    a[p, q] = conj(a[p, q])
    a[q, q], a[p, p] = a[p, p], a[q, q]
    if q > k:  # the first column of a 2x2 block
        a[q, k], a[p, k] = a[p, k], a[q, k]


def ldl_solve(ld: Any, pivots: Any, b: Any, hermitian: bool) -> Any:
    """Solve with what ``ldl_factor`` returned."""
    out = np.array(np.broadcast_to(b, (*ld.shape[:-2], *b.shape[-2:])), order="C")
    hermitian = hermitian and ld.dtype.kind == "c"
    for i in np.ndindex(*ld.shape[:-2]):
        _ldl_substitute(ld[i], pivots[i], out[i], np.conjugate if hermitian else (lambda v: v))
    return out


def _ldl_substitute(a: Any, pivots: Any, b: Any, conj: Any) -> None:
    n, k, blocks = len(a), 0, []
    while k < n:
        size = 1 if pivots[k] > 0 else 2
        p, q = abs(int(pivots[k])) - 1, k + size - 1
        b[[p, q]] = b[[q, p]] if p != q else b[[p, q]]
        rows = slice(k, k + size)
        b[k + size :] -= a[k + size :, rows] @ b[rows]
        if size == 1:
            b[k] /= a[k, k]
        else:
            b[rows] = np.linalg.solve(np.array([[a[k, k], conj(a[k + 1, k])], [a[k + 1, k], a[k + 1, k + 1]]]), b[rows])
        blocks.append((k, size, p, q))
        k += size
    for k, size, p, q in reversed(blocks):
        b[k : k + size] -= conj(a[k + size :, k : k + size]).T @ b[k + size :]
        if p != q:
            b[[p, q]] = b[[q, p]]


# ---- functions of matrices ----

_PADE = (64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0, 10559470521600.0,
         670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0)  # fmt: skip


def matrix_exp(x: Any) -> Any:
    """Scaling and squaring with the [13/13] Pade approximant (Higham, 2005)."""
    _whole(x)
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


def geqrf(x: Any) -> tuple:
    """Householder QR as LAPACK keeps it."""
    h, tau = linalg.qr(_whole(x), "raw")
    return np.ascontiguousarray(h.swapaxes(-1, -2)), tau
