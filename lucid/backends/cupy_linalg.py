"""Linear algebra on CuPy: cuSOLVER and cuBLAS through ``cupy.linalg``; what those lack goes through NumPy and back.

A factorisation that can fail must be asked whether it did, so these wait for the device, as they do in PyTorch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import cupy as cp
import numpy as np

from ._lapack import checked, failure
from .cupy_fuse import elementwise

linalg = cp.linalg


SINGULAR = "the input matrix is singular"
UNFIT = "the algorithm failed to converge because the input matrix is ill-conditioned or holds NaN"


@contextlib.contextmanager
def _raising(name: str, why: str) -> Iterator[None]:
    """CuPy returns NaN for what fails unless it is told to raise."""
    import cupyx

    try:
        with cupyx.errstate(linalg="raise"):
            yield
    except np.linalg.LinAlgError:
        raise failure(name, why) from None


def _finite(x: Any) -> bool:
    """Whether no element is infinite or NaN; waits for the device."""
    return bool(cp.isfinite(x).all())


# ---- systems and inverses ----


def inv(x: Any) -> Any:
    if not checked(x).size:
        return x.copy()
    with _raising("inv", f"the inversion could not be completed because {SINGULAR}"):
        out = linalg.inv(x)
    if not _finite(out) and _finite(x):  # the batched routine reports nothing
        raise failure("inv", f"the inversion could not be completed because {SINGULAR}")
    return out


def solve(x: Any, y: Any) -> Any:
    """Stacks of systems; ``y`` holds matrices (columns of right-hand sides)."""
    checked(x)
    lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    if not x.size or not y.size:
        return cp.zeros((*lead, *y.shape[-2:]), x.dtype)
    x, y = cp.broadcast_to(x, (*lead, *x.shape[-2:])), cp.broadcast_to(y, (*lead, *y.shape[-2:]))
    with _raising("solve", f"The solver failed because {SINGULAR}"):
        out = linalg.solve(cp.ascontiguousarray(x), cp.ascontiguousarray(y))
    if not _finite(out) and _finite(x) and _finite(y):
        raise failure("solve", f"The solver failed because {SINGULAR}")
    return out


def solve_triangular(x: Any, y: Any, upper: bool, unit: bool) -> Any:
    """Back substitution, halved until small: matrix products do the work. A zero on the diagonal gives inf, as in LAPACK."""
    lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    out = cp.broadcast_to(y, (*lead, *y.shape[-2:])).copy()
    x = cp.ascontiguousarray(cp.broadcast_to(x, (*lead, *x.shape[-2:])))
    if out.size:
        _substitute(x, out, upper, unit)
    return out


SMALL = 32


def _substitute(a: Any, b: Any, upper: bool, unit: bool) -> None:
    n = a.shape[-1]
    if n <= SMALL:
        solved = _small_systems(cp.ascontiguousarray(a), cp.ascontiguousarray(b), upper, unit)
        b[...] = solved
        return
    half = n // 2
    top, low = slice(0, half), slice(half, n)
    first, second = (low, top) if upper else (top, low)
    _substitute(a[..., first, first], b[..., first, :], upper, unit)
    rest = b[..., second, :]
    rest -= cp.matmul(a[..., second, first], b[..., first, :])
    _substitute(a[..., second, second], rest, upper, unit)


def _small_systems(a: Any, b: Any, upper: bool, unit: bool) -> Any:
    """One thread per right-hand side."""
    out = cp.empty(b.shape, b.dtype)
    each = "for (long long r = len - 1; r >= 0; --r)" if upper else "for (long long r = 0; r < len; ++r)"
    known = "for (long long k = r + 1; k < len; ++k)" if upper else "for (long long k = 0; k < r; ++k)"
    elementwise(
        f"substitute_{int(upper)}_{int(unit)}", "raw T a, raw T b, int64 len, int64 m", "raw T y",
        f"""
        const long long matrix = i / m * len * len, column = i / m * len * m + i % m;
        {each} {{
            T s = b[column + r * m];
            {known} s -= a[matrix + r * len + k] * y[column + k * m];
            y[column + r * m] = {"s" if unit else "s / a[matrix + r * len + r]"};
        }}""",
    )(a, b, a.shape[-1], b.shape[-1], out, size=b.size // b.shape[-2])  # fmt: skip
    return out


def _mH(x: Any) -> Any:
    return cp.conjugate(x.swapaxes(-1, -2))


def pinv(x: Any, atol: Any, rtol: Any, hermitian: bool) -> Any:
    """The pseudo-inverse, from singular values above ``max(atol, rtol * largest)``."""
    checked(x)
    if not x.size:
        return cp.zeros((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype)
    if hermitian:
        s, u = eigh(x, "L")
        vh, size = _mH(u), cp.absolute(s)
    else:
        u, s, vh = svd(x, False)
        size = s
    top = cp.amax(size, -1)
    cut = cp.maximum(top * rtol, atol) if not isinstance(atol, cp.ndarray) else cp.maximum(atol, top * rtol)
    keep = size > cut[..., None]
    inverse = cp.where(keep, 1 / cp.where(keep, s, 1), 0).astype(s.dtype)
    return cp.matmul(_mH(vh) * inverse[..., None, :], _mH(u))


def lstsq_solution(x: Any, y: Any, rcond: float) -> Any:
    """The least-squares solution of smallest norm."""
    return cp.matmul(pinv(x, 0.0, rcond, False), y)


# ---- determinants ----


def det(x: Any) -> Any:
    if not checked(x).size:
        return cp.ones(x.shape[:-2], x.dtype)
    return linalg.det(x).astype(x.dtype, copy=False)


def slogdet(x: Any, source: Any = None) -> tuple:
    real = x.real.dtype
    if not checked(x).size:
        return cp.ones(x.shape[:-2], x.dtype), cp.zeros(x.shape[:-2], real)
    sign, logabs = linalg.slogdet(x)
    return sign.astype(x.dtype, copy=False), logabs.real.astype(real, copy=False)


def cofactor(x: Any) -> Any:
    """The matrix of cofactors, det(x) inv(x)^T: through singular values, so that singular matrices have one too."""
    if not x.size:
        return x.copy()
    u, s, vh = svd(x, True)
    n = s.shape[-1]
    others = cp.prod(
        cp.where(cp.eye(n, dtype=np.bool_), 1, s[..., None, :]), -1
    )  # product of the other singular values
    phase = linalg.det(u) * linalg.det(vh)
    adjugate = cp.matmul(_mH(vh) * others[..., None, :], _mH(u))
    return (adjugate * phase[..., None, None]).swapaxes(-1, -2).astype(x.dtype)


# ---- factorisations ----


def cholesky(x: Any) -> Any:
    """The lower factor; only the lower triangle is read."""
    if not checked(x).size:
        return x.copy()
    lower = cp.tril(x)
    whole = lower + _mH(cp.tril(x, -1))
    with contextlib.suppress(np.linalg.LinAlgError), _plain_errors():
        out = linalg.cholesky(whole)
        if _finite(out):
            return out
    return through_host("cholesky")(x)  # says which minor is not positive definite, or that all are


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    import cupyx

    with cupyx.errstate(linalg="raise"):
        yield


def qr(x: Any, mode: str) -> tuple:
    checked(x)
    if not x.size:
        return through_host("qr")(x, mode)
    if mode == "r":
        return cp.zeros((0,), x.dtype), linalg.qr(x, "r")
    q, r = linalg.qr(x, mode)
    return q, r


def svd(x: Any, full_matrices: bool, source: Any = None) -> tuple:
    if not checked(x).size:
        return through_host("svd")(x, full_matrices)
    with _raising("svd", UNFIT):
        u, s, vh = linalg.svd(x, full_matrices, True)
    return u, s, vh


def svdvals(x: Any) -> Any:
    if not checked(x).size:
        return through_host("svdvals")(x)
    with _raising("svdvals", UNFIT):
        return linalg.svd(x, False, False)


def eigh(x: Any, uplo: str) -> tuple:
    if not checked(x).size:
        return through_host("eigh")(x, uplo)
    with _raising("eigh", "the algorithm failed to converge"):
        w, v = linalg.eigh(x, uplo)
    return w, v


def eigvalsh(x: Any, uplo: str) -> Any:
    if not checked(x).size:
        return through_host("eigvalsh")(x, uplo)
    with _raising("eigvalsh", "the algorithm failed to converge"):
        return linalg.eigvalsh(x, uplo)


# ---- through NumPy and back: where CuPy has nothing, or nothing for stacks ----


def _down(value: Any) -> Any:
    if isinstance(value, cp.ndarray):
        return value.get()
    return type(value)(_down(v) for v in value) if type(value) in (tuple, list) else value


def _up(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return cp.asarray(np.ascontiguousarray(value).reshape(np.shape(value)))
    return tuple(_up(v) for v in value) if isinstance(value, tuple) else value


def through_host(name: str) -> Any:
    """NumPy's kernel of this name on device arrays; waits for the device."""
    from .base import load

    kernel = getattr(load("cpu").table, name)

    def run(*args: Any, **kwargs: Any) -> Any:
        with np.errstate(all="ignore"):
            return _up(kernel(*map(_down, args), **{k: _down(v) for k, v in kwargs.items()}))

    run.__name__ = name
    return run


THROUGH_HOST = """airy_ai cholesky_ex eig geqrf inv_ex ldl_factor ldl_solve lu_factor matrix_exp pivot_order""".split()
