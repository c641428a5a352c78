"""Special functions on CuPy: the very formulas of numpy_special.py and numpy_bessel.py, traced into one kernel each.

Those files compute with a module named ``np``. Here their functions run once with a tracer in its place, and what it
wrote down becomes C (``cupy_fuse``), computed in float64 and rounded once. The few whose loops look at values are
written in C below.
"""

from __future__ import annotations

import functools
import math
from types import FunctionType
from typing import Any

from . import _cephes as c
from . import _series, numpy_bessel, numpy_special
from .cupy_fuse import Fused, elementwise, wide
from .trace import Symbol, Trace


class NumpyTrace(Trace):
    """What stands for ``np`` while a function of numpy_special.py is traced."""

    inf, nan, pi = math.inf, math.nan, math.pi
    NAMES = {"power": "pow", "absolute": "abs"}

    def __getattr__(self, name: str) -> Any:
        return super().__getattr__(self.NAMES.get(name, name))

    def any(self, x: Any) -> bool:
        return True  # a body that is skipped where no element needs it

    def zeros_like(self, x: Any) -> Symbol:
        return self.constant(0.0)

    def ones_like(self, x: Any) -> Symbol:
        return self.constant(1.0)

    def full_like(self, x: Any, value: float) -> Symbol:
        return self.constant(float(value))


# These names are native functions of the tracer, so that their NumPy bodies are not traced.
NATIVE = ("erf", "erfc", "lgamma")
TRACED = """erfcx ndtr log_ndtr ndtri erfinv i0e i0 i1e i1 bessel_i bessel_j0 bessel_j1 bessel_j bessel_y0 bessel_y1 bessel_k0
    bessel_k1 bessel_k0e bessel_k1e sinc_derivative""".split()


def _bodies(trace: NumpyTrace) -> dict[str, Any]:
    """The functions of these files, without their conversions, computing with ``trace``."""
    scope: dict[str, Any] = {}
    modules = (_series, numpy_special, numpy_bessel)
    for module in modules:
        for name, value in vars(module).items():
            if isinstance(value, FunctionType):
                plain = getattr(value, "__wrapped__", value)
                if plain.__module__ in {m.__name__ for m in modules}:
                    value = FunctionType(plain.__code__, scope, name, plain.__defaults__, plain.__closure__)
            scope[name] = value
    scope["np"] = trace
    scope["choose"] = trace.where  # the one of NumPy asks how many elements there are
    for name in NATIVE:
        scope[name] = functools.partial(trace.emit, name)
    return scope


def _traced(name: str) -> Fused:
    return Fused(name, lambda trace, *args: _bodies(trace)[name](*args), None, NumpyTrace, "double")


FUSED = {name: _traced(name) for name in TRACED}


# ---- what CUDA has itself ----


def _unary(name: str, body: str, always: str | None = None) -> Any:
    def kernel(x: Any) -> Any:
        return elementwise(name, "T x", "T y", f"const W v = (W)x; y = (T)({body})", always or wide(x.dtype))(x)

    kernel.__name__ = name
    return kernel


OWN = {
    "erf": _unary("erf", "erf(v)"),
    "erfc": _unary("erfc", "erfc(v)", "double"),
    "lgamma": _unary("lgamma", "lgamma(v)", "double"),
    "entr": _unary("entr", "v < 0 ? -(W)(1e300 * 1e300) : (v == 0 ? (W)0 : -v * log(v))"),
    "logit": _unary("logit", "log(v / ((W)1 - v))"),
}


def frexp_mantissa(x: Any) -> Any:
    return elementwise("frexp_mantissa", "T x", "T y", "int e; y = (T)frexp((W)x, &e)", wide(x.dtype))(x)


def frexp_exponent(x: Any) -> Any:
    body = "const W v = (W)x; int e = 0; if (v - v == 0) frexp(v, &e); y = e"
    return elementwise("frexp_exponent", "T x", "int32 y", body, wide(x.dtype))(x)


def xlogy(x: Any, y: Any) -> Any:
    body = "const W a = (W)x, b = (W)y; z = (T)(b != b ? b : (a == 0 ? (W)0 : a * log(b)))"
    return elementwise("xlogy", "T x, T y", "T z", body, wide(x.dtype))(x, y)


def xlog1py(x: Any, y: Any) -> Any:
    body = "const W a = (W)x, b = (W)y; z = (T)(b != b ? b : (a == 0 ? (W)0 : a * log1p(b)))"
    return elementwise("xlog1py", "T x, T y", "T z", body, wide(x.dtype))(x, y)


# ---- loops that look at values ----


def _horner(name: str, coefficients: Any) -> str:
    lines = " ".join(f"t = t * x + ({a!r});" for a in coefficients[1:])
    return f"__device__ double {name}(double x) {{ double t = {coefficients[0]!r}; {lines} return t; }}\n"


DIGAMMA = (
    _horner("digamma_tail", tuple(c.DIGAMMA_A))
    + """
__device__ double digamma(double x) {
    const double inf = 1e300 * 1e300;
    if (x == 0) return copysign(inf, -x);
    if (x == inf) return inf;
    if (x < 0 && x == trunc(x)) return inf - inf;
    double a = x < 0 ? 1 - x : x, total = 0;
    while (a < 10) { total -= 1 / a; a += 1; }
    const double z = 1 / (a * a);
    double out = total + (log(a) - 0.5 / a - z * digamma_tail(z));
    return x < 0 ? out - M_PI / tan(M_PI * (x - trunc(x))) : out;
}
"""
)  # psi(x) = psi(x + 1) - 1/x up to 10, then the asymptotic series; reflected for x < 0

_ZETA = [float(a) for a in c.ZETA_A]
ZETA = """
__device__ double hurwitz(double x, double q) {
    const double inf = 1e300 * 1e300;
    if (x != x || q != q) return x + q;
    if (x == 1) return inf;
    if (x < 1) return inf - inf;
    if (q <= 0 && q == floor(q)) return inf;
    if (q <= 0 && x != floor(x)) return inf - inf;
    if (q == inf) return 0;
    const double A[COUNT] = {COEFFICIENTS};
    double total = 0, a = q;
    for (int i = 0; i < 10 || a <= 9; ++i) { total += pow(a, -x); a += 1; }
    a -= 1;
    double b = pow(a, -x);
    total += b * a / (x - 1) - 0.5 * b;
    double factor = 1, k = 0;
    for (int i = 0; i < COUNT; ++i) {
        factor *= x + k; b /= a; total += factor * b / A[i];
        factor *= x + k + 1; b /= a; k += 2;
    }
    return total;
}
""".replace("COUNT", str(len(_ZETA))).replace(
    "COEFFICIENTS", ", ".join(map(repr, _ZETA))
)  # Euler and Maclaurin, DLMF 25.11.28

GAMMA = """
__device__ double gamma_ratio(double a, double x, bool lower) {
    const double inf = 1e300 * 1e300;
    if (a != a || x != x || a < 0 || x < 0 || (a == 0 && x == 0) || (a == inf && x == inf)) return inf - inf;
    if (a == 0 || x == inf) return lower ? 1 : 0;
    if (x == 0 || a == inf) return lower ? 0 : 1;
    const double front = exp(a * log(x) - x - lgamma(a));
    if (x < a + 1) {
        double term = 1 / a, total = term, k = a;
        for (int i = 0; i < 20000; ++i) { k += 1; term *= x / k; total += term; if (!(term > total * 1e-17)) break; }
        return lower ? front * total : 1 - front * total;
    }
    double b = x + 1 - a, e = 1e300, d = 1 / b, h = d;
    for (int i = 1; i < 20000; ++i) {
        const double len = -i * (i - a);
        b += 2;
        d = len * d + b; d = 1 / (fabs(d) < 1e-300 ? 1e-300 : d);
        e = b + len / e; e = fabs(e) < 1e-300 ? 1e-300 : e;
        h *= d * e;
        if (!(fabs(d * e - 1) > 1e-16)) break;
    }
    return lower ? 1 - front * h : front * h;
}
"""  # a series where x < a + 1 (DLMF 8.11.4), else a continued fraction by Lentz's method (8.9.2)


def digamma(x: Any) -> Any:
    return elementwise("digamma", "T x", "T y", "y = (T)digamma((W)x)", "double", DIGAMMA)(x)


def zeta(x: Any, q: Any) -> Any:
    return elementwise("zeta", "T x, T q", "T y", "y = (T)hurwitz((W)x, (W)q)", "double", ZETA)(x, q)


def polygamma(x: Any, n: int) -> Any:
    """(-1)^(n+1) n! zeta(n + 1, x) (DLMF 5.15.2)."""
    if n == 0:
        return digamma(x)
    scale = (-1.0) ** (n + 1) * math.factorial(n)
    body = "y = (T)(hurwitz(s, (W)x) * f)"
    return elementwise("polygamma", "T x, float64 s, float64 f", "T y", body, "double", ZETA)(x, float(n + 1), scale)


def gammainc(a: Any, x: Any) -> Any:
    return elementwise("gammainc", "T a, T x", "T y", "y = (T)gamma_ratio((W)a, (W)x, true)", "double", GAMMA)(a, x)


def gammaincc(a: Any, x: Any) -> Any:
    return elementwise("gammaincc", "T a, T x", "T y", "y = (T)gamma_ratio((W)a, (W)x, false)", "double", GAMMA)(a, x)
