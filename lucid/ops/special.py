"""Special functions. Derivatives stay inside the family (Bessel functions shift their order), so every order is exact."""

import math

from ..core.op import elementwise, nondifferentiable

TWO_OVER_SQRT_PI = 2 / math.sqrt(math.pi)


def special(name, *rules, **options):
    """An elementwise op of real numbers, whose result is floating: the complex forms of these functions are not here."""
    return elementwise(name, *rules, real_only=True, **options)


# ---- error function, normal distribution ----
erf = special("erf", lambda xp, g, x: g * (xp.exp(-(x * x)) * TWO_OVER_SQRT_PI), promote="float")
erfc = special("erfc", lambda xp, g, x: g * (xp.exp(-(x * x)) * -TWO_OVER_SQRT_PI), promote="float")
erfcx = special("erfcx", lambda xp, g, x, out: g * (2 * x * out - TWO_OVER_SQRT_PI), promote="float")
erfinv = special("erfinv", lambda xp, g, out: g * (xp.exp(out * out) / TWO_OVER_SQRT_PI), promote="float")
ndtr = special("ndtr", lambda xp, g, x: g * (xp.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)), promote="float")
ndtri = special("ndtri", lambda xp, g, out: g * (xp.exp(0.5 * out * out) * math.sqrt(2 * math.pi)), promote="float")
log_ndtr = special(
    "log_ndtr", lambda xp, g, x: g / xp.erfcx(x * -math.sqrt(0.5)) * math.sqrt(2 / math.pi), promote="float"
)

# ---- gamma and zeta ----
lgamma = special("lgamma", lambda xp, g, x: g * xp.digamma(x), promote="float")
digamma = special("digamma", lambda xp, g, x: g * xp.polygamma(x, 1), promote="float")
polygamma = special("polygamma", lambda xp, g, x, n: g * xp.polygamma(x, n + 1), params=("n",), promote="float")


def _unknown(name, argument):
    raise NotImplementedError(f"{name}: the derivative with respect to {argument!r} is not implemented; detach() it")


zeta = special(
    "zeta", lambda xp, g: _unknown("zeta", "input"), lambda xp, g, x, y: -(g * x * xp.zeta(x + 1, y)), promote="float"
)


def gamma_density(xp, a, x):
    """x^(a-1) exp(-x) / gamma(a): the derivative of the regularised incomplete gamma function."""
    return xp.exp(xp.xlogy(a - 1, x) - x - xp.lgamma(a))


gammainc = special(
    "gammainc",
    lambda xp, g: _unknown("gammainc", "input"),
    lambda xp, g, x, y: g * gamma_density(xp, x, y),
    promote="float",
)
gammaincc = special(
    "gammaincc",
    lambda xp, g: _unknown("gammaincc", "input"),
    lambda xp, g, x, y: -(g * gamma_density(xp, x, y)),
    promote="float",
)

# ---- x log y with 0 log 0 = 0 ----
xlogy = elementwise(
    "xlogy",
    lambda xp, g, x, y: g * xp.where(xp.logical_and(x == 0, y <= 0), 0.0, xp.log(y)),
    lambda xp, g, x, y: g * x / y,
    promote="float",
)
xlog1py = elementwise(
    "xlog1py",
    lambda xp, g, x, y: g * xp.where(xp.logical_and(x == 0, y <= -1), 0.0, xp.log1p(y)),
    lambda xp, g, x, y: g * x / (y + 1),
    promote="float",
)
entr = elementwise("entr", lambda xp, g, x: -(g * (xp.log(x) + 1)), promote="float")
logit = elementwise(
    "logit",
    lambda xp, g, x: xp.where(xp.logical_and(x >= 0, x <= 1), g / (x * (1 - x)), math.nan),
    promote="float",
)

# ---- Bessel functions: the derivative of order n is made of orders n - 1 and n + 1 ----
i0 = special("i0", lambda xp, g, x: g * xp.i1(x), promote="float")
i1 = special("i1", lambda xp, g, x: 0.5 * g * (xp.i0(x) + xp.bessel_i(x, 2, False)), promote="float")
i0e = special("i0e", lambda xp, g, x, out: g * (xp.i1e(x) - xp.sgn(x) * out), promote="float")
i1e = special(
    "i1e", lambda xp, g, x, out: g * (0.5 * (xp.i0e(x) + xp.bessel_i(x, 2, True)) - xp.sgn(x) * out), promote="float"
)


def _bessel_i_grad(xp, g, x, out, order, scaled):
    slope = 0.5 * (xp.bessel_i(x, abs(order - 1), scaled) + xp.bessel_i(x, order + 1, scaled))
    return g * (slope - xp.sgn(x) * out) if scaled else g * slope


bessel_i = special("bessel_i", _bessel_i_grad, params=("order", "scaled"), promote="float")
bessel_j0 = special("bessel_j0", lambda xp, g, x: -(g * xp.bessel_j1(x)), promote="float")
bessel_j1 = special("bessel_j1", lambda xp, g, x: 0.5 * g * (xp.bessel_j0(x) - xp.bessel_j(x, 2)), promote="float")
bessel_j = special(
    "bessel_j",
    lambda xp, g, x, order: (
        -(g * xp.bessel_j(x, 1)) if order == 0 else 0.5 * g * (xp.bessel_j(x, order - 1) - xp.bessel_j(x, order + 1))
    ),
    params=("order",),
    promote="float",
)
bessel_y0 = special("bessel_y0", lambda xp, g, x: -(g * xp.bessel_y1(x)), promote="float")
bessel_y1 = special("bessel_y1", lambda xp, g, x, out: g * (xp.bessel_y0(x) - out / x), promote="float")
bessel_k0 = special("bessel_k0", lambda xp, g, x: -(g * xp.bessel_k1(x)), promote="float")
bessel_k1 = special("bessel_k1", lambda xp, g, x, out: -(g * (xp.bessel_k0(x) + out / x)), promote="float")
bessel_k0e = special("bessel_k0e", lambda xp, g, x, out: g * (out - xp.bessel_k1e(x)), promote="float")
bessel_k1e = special("bessel_k1e", lambda xp, g, x, out: g * (out - xp.bessel_k0e(x) - out / x), promote="float")
airy_ai = special(
    "airy_ai",
    lambda xp, g, x, order: g * xp.airy_ai(x, 1) if order == 0 else g * x * xp.airy_ai(x, 0),
    params=("order",),
    promote="float",
)

sinc_derivative = special(  # of order 0: sinc itself
    "sinc_derivative",
    lambda xp, g, x, order: g * xp.sinc_derivative(x, order + 1),
    params=("order",),
    promote="float",
    node_name="SincBackward0",
)

# ---- mantissa and exponent ----
frexp_exponent = nondifferentiable("frexp_exponent", promote="float", real_only=True)
frexp_mantissa = elementwise(
    "frexp_mantissa",
    lambda xp, g, x: g * xp.exp2(-xp.cast(xp.frexp_exponent(x), g.dtype)),
    promote="float",
    node_name="FrexpBackward0",
)
