"""Special functions on NumPy, to within a few units of the last place of float64; SciPy is not needed.

Rational and Chebyshev approximations are those of Cephes (Moshier 1989; coefficients in ``_cephes``), the rest are the
classical series of Abramowitz & Stegun and the DLMF named at each function. Everything is computed in float64 and
rounded once, except ``erf`` and ``erfc`` of float32, which networks call all the time (gelu) and which have a path of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import _cephes as c
from ._machine import one_pass
from ._series import choose, in_double, poly
from .numpy_ import F32, F64

# ---- the error function and the normal distribution ----


def _exp_minus_square(x: Any) -> Any:
    """exp(-x^2) without the error that rounding x^2 would make."""
    x = np.minimum(x, 30.0)  # beyond, the result is 0
    high = np.rint(x * 16.0) / 16.0
    return np.exp(-high * high) * np.exp((high - x) * (high + x))


def _erfcx_positive(x: Any) -> Any:
    """exp(x^2) erfc(x) for x >= 1."""
    near = np.minimum(x, 8.0)
    out = poly(near, c.ERFC_P) / poly(near, c.ERFC_Q)
    if not np.any(x >= 8.0):
        return out
    over = 1 / np.maximum(x, 8.0)  # R(x) / S(x) read from the top: no overflow
    return choose(x < 8.0, out, poly(over, c.ERFC_R[::-1]) / poly(over, c.ERFC_S[::-1]) * over)


def _erf_small(x: Any) -> Any:
    """erf(x) for |x| <= 1."""
    square = x * x
    return x * poly(square, c.ERF_T) / poly(square, c.ERF_U)


def erf(x: Any) -> Any:
    if x.dtype not in (F32, F64):
        return erf(x.astype(F32)).astype(x.dtype)
    if x.size >= 4096 and (found := one_pass("erf32" if x.dtype == F32 else "erf64", x)) is not None:
        return found
    if x.dtype == F32:
        return _blocked(_erf32, x, 32768)
    return _blocked(_erf64, x, 16384)


def _blocked(f: Callable, x: Any, block: int) -> Any:
    """Run ``f(part, out)`` block by block, so that each of its passes finds its data in cache."""
    with np.errstate(all="ignore"):
        flat = np.ascontiguousarray(x).reshape(-1)
        out = np.empty(flat.shape, x.dtype)
        for i in range(0, flat.size, block):
            f(flat[i : i + block], out[i : i + block])
    return out.reshape(x.shape)


# erf(x) = tanh(x p(x^2)): p is fitted to atanh(erf(x)) / x on [0, 4] for the least relative error of erf (1e-7), and stays
# positive beyond, so nothing needs clipping. NumPy's tanh costs four multiplications, so this is 15 passes plus four.
ERF32 = [np.array(a, F32) for a in (
    1.4188077380999254e-07, -5.668989695573091e-06, 8.764058305184809e-05, -0.0006197936525282479,
    -0.00019181991578226548, 0.10276905075505036, 1.1283792748920602,
)]  # fmt: skip


def _erf32(x: Any, out: Any) -> None:
    square = x * x
    np.multiply(square, ERF32[0], out)
    for a in ERF32[1:-1]:
        np.add(out, a, out)
        np.multiply(out, square, out)
    np.add(out, ERF32[-1], out)
    np.multiply(out, x, out)
    np.tanh(out, out)


def _erf64(x: Any, out: Any) -> None:
    size = np.clip(np.abs(x), 1.0, 6.5)  # erf(6) is 1 to the last bit
    large = 1.0 - np.exp(-size * size) * (poly(size, c.ERFC_P) / poly(size, c.ERFC_Q))
    np.copysign(large, x, large)
    out[...] = choose(np.abs(x) <= 1.0, _erf_small(x), large)


@in_double
def erfc(x: Any) -> Any:
    above = np.maximum(np.abs(x), 1.0)
    large = _exp_minus_square(above) * _erfcx_positive(above)
    large = choose(np.isinf(x), 0.0, large)
    return choose(np.abs(x) < 1.0, 1.0 - _erf_small(np.clip(x, -1.0, 1.0)), choose(x > 0, large, 2.0 - large)) + choose(
        np.isnan(x), x, 0
    )


@in_double
def erfcx(x: Any) -> Any:
    above = np.maximum(np.abs(x), 1.0)
    large = _erfcx_positive(above)
    small = np.exp(np.minimum(x * x, 1.0)) * (1.0 - _erf_small(np.clip(x, -1.0, 1.0)))
    return choose(np.abs(x) < 1.0, small, choose(x > 0, large, 2.0 / _exp_minus_square(above) - large)) + choose(
        np.isnan(x), x, 0
    )


@in_double
def ndtr(x: Any) -> Any:
    return 0.5 * erfc(x * -math.sqrt(0.5))


@in_double
def log_ndtr(x: Any) -> Any:
    z = x * -math.sqrt(0.5)
    left = np.log(0.5 * erfcx(np.maximum(z, 0.0))) - z * z
    return choose(x < -1.0, left, np.log1p(-0.5 * erfc(-np.minimum(z, 1.0))))


def _ndtri_central(t: Any) -> Any:
    """The normal quantile of 1/2 + t for |t| <= 1/2 - exp(-2)."""
    square = t * t
    return math.sqrt(2 * math.pi) * (t + t * (square * poly(square, c.NDTRI_P0) / poly(square, c.NDTRI_Q0)))


def _ndtri_tail(p: Any) -> Any:
    """Minus the normal quantile of p for p <= exp(-2)."""
    x = np.sqrt(-2.0 * np.log(p))
    z = 1.0 / x
    near, far = np.maximum(z, 0.125), np.minimum(z, 0.125)
    ratio = poly(near, c.NDTRI_P1) / poly(near, c.NDTRI_Q1)
    if np.any(x >= 8.0):
        ratio = choose(x < 8.0, ratio, poly(far, c.NDTRI_P2) / poly(far, c.NDTRI_Q2))
    return choose(p == 0.0, np.inf, x - np.log(x) / x - z * ratio)


@in_double
def ndtri(p: Any) -> Any:
    edge = math.exp(-2)
    low = np.minimum(p, 1.0 - p)
    tail = _ndtri_tail(choose(low < 0, np.nan, np.minimum(low, edge)))
    return choose(low > edge, _ndtri_central(np.clip(p - 0.5, -0.5, 0.5)), choose(p < 0.5, -tail, tail))


@in_double
def erfinv(y: Any) -> Any:
    """From the normal quantile of (1 + y) / 2, in a form that loses no digits near 0 and 1."""
    edge = math.exp(-2)
    low = 0.5 * (1.0 - np.abs(y))
    tail = np.copysign(_ndtri_tail(choose(low < 0, np.nan, np.minimum(low, edge))), y)
    return choose(low > edge, _ndtri_central(np.clip(0.5 * y, -0.5, 0.5)), tail) * math.sqrt(0.5)


# ---- the gamma function and its derivatives ----


@in_double
def lgamma(x: Any) -> Any:
    """log |gamma(x)|: shifted to [2, 3), or Stirling's series from 13 on; reflected for x < 0 (Cephes ``lgam``)."""
    below = x < 0
    a = choose(below, 1.0 - x, x) if np.any(below) else x
    # [0, 13): gamma(a) = z gamma(u), u in [2, 3)
    u = choose(a < 13.0, a, 2.5)
    z = np.ones_like(u)
    while np.any(step := u >= 3.0):
        u = choose(step, u - 1.0, u)
        z = choose(step, z * u, z)
    while np.any(step := u < 2.0):
        z = choose(step, z / u, z)
        u = choose(step, u + 1.0, u)
    u -= 2.0
    small = np.log(np.abs(z)) + u * poly(u, c.LGAMMA_B) / poly(u, c.LGAMMA_C)
    big = np.maximum(a, 13.0)
    inverse = 1.0 / (big * big)
    large = (big - 0.5) * np.log(big) - big + 0.5 * math.log(2 * math.pi) + poly(inverse, c.LGAMMA_A) / big
    out = choose(a < 13.0, small, choose(np.isinf(a), np.inf, large))
    if np.any(below):
        fraction = np.abs(x - np.rint(x))
        reflected = math.log(math.pi) - np.log(np.sin(math.pi * fraction)) - out
        out = choose(below, choose(fraction == 0, np.inf, reflected), out)
    return choose(np.isinf(x), np.inf, out)


@in_double
def digamma(x: Any) -> Any:
    """Pushed beyond 10 by psi(x) = psi(x + 1) - 1/x, then the asymptotic series; reflected for x < 0."""
    below = x < 0
    a = choose(below, 1.0 - x, x)
    small = a < 10.0
    total = choose(small, -sum(1.0 / (a + k) for k in range(10)), 0.0)
    a = a + 10.0 * small
    z = 1.0 / (a * a)
    out = total + (np.log(a) - 0.5 / a - z * poly(z, c.DIGAMMA_A))
    out = choose(below, out - math.pi / np.tan(math.pi * (x - np.trunc(x))), out)
    out = choose(below & (x == np.trunc(x)), np.nan, out)
    return choose(x == 0, np.copysign(np.inf, -x), choose(x == np.inf, np.inf, out))


@in_double
def zeta(x: Any, q: Any) -> Any:
    """Hurwitz: sum over k >= 0 of (k + q)^-x, by Euler and Maclaurin (DLMF 25.11.28; Cephes ``zeta``)."""
    x, q = np.broadcast_arrays(x, q)
    lowest = np.min(q, initial=0.0, where=np.isfinite(q))
    steps = 10 if lowest >= 0 else min(10 + math.ceil(-lowest), 100_000)
    total = np.zeros(np.shape(q))
    a = q.astype(F64)
    for i in range(steps):
        active = (i < 10) | (a <= 9.0)
        total = choose(active, total + np.power(a, -x), total)
        a = choose(active, a + 1.0, a)
    a = a - 1.0  # the last term that was added
    b = np.power(a, -x)
    total = total + b * a / (x - 1.0) - 0.5 * b
    factor, k = np.ones_like(a), 0.0
    for coefficient in c.ZETA_A:
        factor = factor * (x + k)
        b = b / a
        total = total + factor * b / coefficient
        factor = factor * (x + (k + 1.0))
        b = b / a
        k += 2.0
    total = choose((q <= 0) & (x != np.floor(x)), np.nan, total)
    total = choose((q <= 0) & (q == np.floor(q)), np.inf, total)
    total = choose(np.isinf(q) & (q > 0), 0.0, total)
    return choose(x == 1.0, np.inf, choose(x < 1.0, np.nan, total)) + choose(np.isnan(x + q), np.nan, 0)


def polygamma(x: Any, n: int) -> Any:
    """(-1)^(n+1) n! zeta(n + 1, x) (DLMF 5.15.2)."""
    if n == 0:
        return digamma(x)
    with np.errstate(all="ignore"):
        out = zeta(np.full(x.shape, n + 1.0), x.astype(F64)) * ((-1.0) ** (n + 1) * math.factorial(n))
    return np.asarray(out).astype(x.dtype)


def _gamma_both(a: Any, x: Any) -> tuple[Any, Any]:
    """The regularised incomplete gamma functions P and Q: a series where x < a + 1, else a continued fraction."""
    a, x = np.broadcast_arrays(a, x)
    bad = (a < 0) | (x < 0) | ((a == 0) & (x == 0)) | np.isnan(a) | np.isnan(x)
    shape = np.maximum(choose(bad | (a == 0) | np.isinf(a), 1.0, a), 1e-300)
    at = choose(bad | np.isinf(x), 1.0, x)
    front = np.exp(shape * np.log(at) - at - lgamma(shape))  # x^a e^-x / gamma(a)
    series = at < shape + 1.0
    # P = front * sum x^k / (a (a+1) ... (a+k))  (DLMF 8.11.4)
    xs = choose(series, at, 0.0)
    term = 1.0 / shape
    total, k = term, shape
    for _ in range(20_000):
        k = k + 1.0
        term = term * (xs / k)
        total = total + term
        if not np.any(term > total * 1e-17):
            break
    p = front * total
    # Q = front / (x + 1 - a - 1(1-a)/(x + 3 - a - ...)), by Lentz's method (DLMF 8.9.2)
    xl = choose(series, shape + 2.0, at)
    b = xl + 1.0 - shape
    cc = np.full_like(b, 1e300)
    d = 1.0 / b
    h = d
    for i in range(1, 20_000):
        an = -i * (i - shape)
        b = b + 2.0
        d = an * d + b
        d = 1.0 / choose(np.abs(d) < 1e-300, 1e-300, d)
        cc = b + an / cc
        cc = choose(np.abs(cc) < 1e-300, 1e-300, cc)
        change = d * cc
        h = h * change
        if not np.any(np.abs(change - 1.0) > 1e-16):
            break
    q = front * h
    p, q = choose(series, p, 1.0 - q), choose(series, 1.0 - p, q)
    whole = (a == 0) | (np.isinf(x) & ~np.isinf(a))
    none = (x == 0) | (np.isinf(a) & ~np.isinf(x))
    p = choose(whole, 1.0, choose(none, 0.0, p))
    q = choose(whole, 0.0, choose(none, 1.0, q))
    bad = bad | (np.isinf(a) & np.isinf(x))
    return choose(bad, np.nan, p), choose(bad, np.nan, q)


@in_double
def gammainc(a: Any, x: Any) -> Any:
    return _gamma_both(a, x)[0]


@in_double
def gammaincc(a: Any, x: Any) -> Any:
    return _gamma_both(a, x)[1]


def xlogy(x: Any, y: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.where(np.isnan(y), y, np.where(x == 0, np.zeros((), x.dtype), x * np.log(y)))


def xlog1py(x: Any, y: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.where(np.isnan(y), y, np.where(x == 0, np.zeros((), x.dtype), x * np.log1p(y)))


def entr(x: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.where(x < 0, -np.inf, -xlogy(x, x)).astype(x.dtype, copy=False)


def logit(x: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.log(x / (1 - x))


# ---- mantissa and exponent ----


def frexp_mantissa(x: Any) -> Any:
    return np.frexp(x.astype(F32) if x.dtype.itemsize == 2 else x)[0].astype(x.dtype)


def frexp_exponent(x: Any) -> Any:
    return np.frexp(x.astype(F32) if x.dtype.itemsize == 2 else x)[1].astype(np.int32)
