"""Bessel and related functions on NumPy: Cephes' approximations and, for integer orders, the series of the DLMF."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import _cephes as c
from ._series import chebyshev, choose, in_double, monic, poly
from .numpy_ import F64


def _i_scaled(x: Any, near: tuple, far: tuple) -> Any:
    """exp(-x) I(x) by Cephes' two Chebyshev series, x >= 0; the first without the factor x of odd orders."""
    return choose(
        x <= 8.0,
        chebyshev(np.minimum(x, 8.0) / 2.0 - 2.0, near),
        chebyshev(32.0 / np.maximum(x, 8.0) - 2.0, far) / np.sqrt(np.maximum(x, 8.0)),
    )


@in_double
def i0e(x: Any) -> Any:
    return _i_scaled(np.abs(x), c.I0E_A, c.I0E_B)


@in_double
def i0(x: Any) -> Any:
    return choose(np.isinf(x), np.inf, np.exp(np.abs(x)) * i0e(x))


@in_double
def i1e(x: Any) -> Any:
    a = np.abs(x)
    out = _i_scaled(a, c.I1E_A, c.I1E_B)
    return choose(x < 0, -1.0, 1.0) * choose(a <= 8.0, a * out, out)


@in_double
def i1(x: Any) -> Any:
    return choose(np.isinf(x), x, np.exp(np.abs(x)) * i1e(x))


def _series(x: Any, order: int, sign: float, terms: int) -> Any:
    """(x/2)^n sum (sign x^2/4)^k / (k! (n+k)!)  (DLMF 10.2.2, 10.25.2)."""
    square = x * x * (0.25 * sign)
    term = np.power(0.5 * x, order) / math.factorial(order)
    total = term
    for k in range(1, terms):
        term = term * square / (k * (k + order))
        total = total + term
    return total


@in_double
def bessel_i(x: Any, order: int, scaled: bool) -> Any:
    """I_n of integer order: the series, or upward recurrence where that is stable (x well above n)."""
    a = np.abs(x)
    small = np.minimum(a, 30.0)
    near = _series(small, order, 1.0, 60) * np.exp(-small)
    low, high = i0e(a), i1e(a)
    for n in range(1, order):
        low, high = high, low - 2.0 * n / np.maximum(a, 1e-300) * high
    out = choose(a < 30.0, near, low if order == 0 else high)
    out = choose((x < 0) & (order % 2 == 1), -out, out)
    return out if scaled else out * np.exp(a)


def _far(x: Any, scale: float, pp: tuple, pq: tuple, qp: tuple, qq: tuple) -> tuple[Any, Any, Any]:
    """Amplitudes of the asymptotic cosine and sine (Cephes ``j0``, ``j1``), x >= 5."""
    w = 5.0 / x
    z = w * w
    return poly(z, pp) / poly(z, pq), w * poly(z, qp) / monic(z, qq), math.sqrt(2 / math.pi) / np.sqrt(x)


@in_double
def bessel_j0(x: Any) -> Any:
    a = np.abs(x)
    z = np.minimum(a, 5.0) ** 2
    near = (z - 5.78318596294678452118) * (z - 30.4712623436620863991) * poly(z, c.J0_RP) / monic(z, c.J0_RQ)
    far = np.maximum(a, 5.0)
    p, q, front = _far(far, 25.0, c.J0_PP, c.J0_PQ, c.J0_QP, c.J0_QQ)
    turned = far - math.pi / 4
    out = choose(a <= 5.0, near, (p * np.cos(turned) - q * np.sin(turned)) * front)
    return choose(np.isinf(x), 0.0, out)


@in_double
def bessel_j1(x: Any) -> Any:
    a = np.abs(x)
    small = np.minimum(a, 5.0)
    z = small * small
    near = poly(z, c.J1_RP) / monic(z, c.J1_RQ) * small * (z - 14.6819706421238932572) * (z - 49.2184563216946036703)
    far = np.maximum(a, 5.0)
    p, q, front = _far(far, 25.0, c.J1_PP, c.J1_PQ, c.J1_QP, c.J1_QQ)
    turned = far - 3 * math.pi / 4
    out = choose(a <= 5.0, near, (p * np.cos(turned) - q * np.sin(turned)) * front)
    return choose(np.isinf(x), 0.0, choose(x < 0, -out, out))


@in_double
def bessel_j(x: Any, order: int) -> Any:
    """J_n of integer order: the series near 0, upward recurrence beyond n."""
    a = np.abs(x)
    limit = float(max(3, order))
    near = _series(np.minimum(a, limit), order, -1.0, 40)
    low, high = bessel_j0(a), bessel_j1(a)
    for n in range(1, order):
        low, high = high, 2.0 * n / np.maximum(a, limit) * high - low
    out = choose(a < limit, near, low if order == 0 else high)
    return choose((x < 0) & (order % 2 == 1), -out, out)


def _second_kind(x: Any, out: Any, at_zero: float) -> Any:
    return choose(x == 0, at_zero, choose(x < 0, np.nan, choose(x == np.inf, 0.0, out)))


@in_double
def bessel_y0(x: Any) -> Any:
    small = np.clip(x, 1e-320, 5.0)
    z = small * small
    near = poly(z, c.Y0_YP) / monic(z, c.Y0_YQ) + 2 / math.pi * np.log(small) * bessel_j0(small)
    far = np.maximum(x, 5.0)
    p, q, front = _far(far, 25.0, c.J0_PP, c.J0_PQ, c.J0_QP, c.J0_QQ)
    turned = far - math.pi / 4
    return _second_kind(x, choose(x <= 5.0, near, (p * np.sin(turned) + q * np.cos(turned)) * front), -np.inf)


@in_double
def bessel_y1(x: Any) -> Any:
    small = np.clip(x, 1e-320, 5.0)
    z = small * small
    near = small * (poly(z, c.Y1_YP) / monic(z, c.Y1_YQ)) + 2 / math.pi * (
        bessel_j1(small) * np.log(small) - 1.0 / small
    )
    far = np.maximum(x, 5.0)
    p, q, front = _far(far, 25.0, c.J1_PP, c.J1_PQ, c.J1_QP, c.J1_QQ)
    turned = far - 3 * math.pi / 4
    return _second_kind(x, choose(x <= 5.0, near, (p * np.sin(turned) + q * np.cos(turned)) * front), -np.inf)


def _k_far(x: Any, coefficients: tuple) -> Any:
    far = np.maximum(x, 2.0)
    return chebyshev(8.0 / far - 2.0, coefficients) / np.sqrt(far)


def _k0_near(x: Any) -> Any:
    small = np.clip(x, 1e-320, 2.0)
    return chebyshev(small * small - 2.0, c.K0_A) - np.log(0.5 * small) * i0(small)


def _k1_near(x: Any) -> Any:
    small = np.clip(x, 1e-320, 2.0)
    return np.log(0.5 * small) * i1(small) + chebyshev(small * small - 2.0, c.K1_A) / small


@in_double
def bessel_k0(x: Any) -> Any:
    return _second_kind(x, choose(x <= 2.0, _k0_near(x), np.exp(-x) * _k_far(x, c.K0_B)), np.inf)


@in_double
def bessel_k1(x: Any) -> Any:
    return _second_kind(x, choose(x <= 2.0, _k1_near(x), np.exp(-x) * _k_far(x, c.K1_B)), np.inf)


@in_double
def bessel_k0e(x: Any) -> Any:
    return _second_kind(x, choose(x <= 2.0, np.exp(np.minimum(x, 2.0)) * _k0_near(x), _k_far(x, c.K0_B)), np.inf)


@in_double
def bessel_k1e(x: Any) -> Any:
    return _second_kind(x, choose(x <= 2.0, np.exp(np.minimum(x, 2.0)) * _k1_near(x), _k_far(x, c.K1_B)), np.inf)


# ---- sin(pi x) / (pi x) and its derivatives ----


@in_double
def sinc_derivative(x: Any, order: int) -> Any:
    """From x f^(n) + n f^(n-1) = pi^(n-1) sin(pi x + n pi/2); near 0 the power series, where that would cancel."""
    u = math.pi * x
    if not order:
        zero = u == 0
        u = choose(zero, 1.0, u)
        return choose(zero, 1.0, np.sin(u) / u)
    limit = 1.0 + order
    near_u = choose(np.abs(u) < limit, u, 0.0)
    squared, near = near_u * near_u, np.zeros_like(x)
    first = (order + 1) // 2
    for k in range(first + 12 + order, first - 1, -1):  # sum (-1)^k u^(2k) / (2k+1)!, differentiated term by term
        near = near * squared + (-1.0) ** k * math.perm(2 * k, order) / math.factorial(2 * k + 1)
    near = near * (near_u if order % 2 else 1.0) * math.pi**order
    far_u = choose(np.abs(u) < limit, limit, u)
    far = np.sin(far_u) / far_u
    for n in range(1, order + 1):
        far = (np.sin(far_u + n * (math.pi / 2)) - n * far) / far_u  # in units of pi^n
    return choose(np.abs(u) < limit, near, far * math.pi**order)


def airy_ai(x: Any, order: int) -> Any:
    """Ai or Ai', by SciPy."""
    try:
        from scipy.special import airy
    except ImportError:
        raise RuntimeError("airy_ai on the CPU needs SciPy: pip install scipy") from None
    return np.asarray(airy(x.astype(F64))[order]).astype(x.dtype)
