"""Rows for special functions, complex parts and the less common elementwise ops; references from SciPy."""

import numpy as np
from scipy import special as sp

from lucid.testing import case

UNIT = {"low": 0.1, "high": 0.9}
POSITIVE = {"low": 0.3, "high": 3.0}


def elu(x):
    return np.where(x > 0, 1.5 * x, 1.2 * 1.5 * np.expm1(x))


SPECIAL = [
    case("leaky_relu", lambda x: np.where(x > 0, x, 0.1 * x), (3, 4), params=(0.1,), distinct=True),
    case("elu", elu, (3, 4), params=(1.2, 1.5, 1.0), distinct=True),
    case("silu", lambda x: x * sp.expit(x), (3, 4)),
    case("softplus", lambda x: np.log1p(np.exp(2 * x)) / 2, (3, 4), params=(2.0, 20.0)),
    case("softplus", lambda x: np.where(x > 0.1, x, np.log1p(np.exp(x))), (3, 4), params=(1.0, 0.1), distinct=True),
    case("huber", lambda x: np.where(abs(x) < 0.5, x * x / 2, 0.5 * (abs(x) - 0.25)), (3, 4), params=(0.5,), distinct=True),
    case("gelu", lambda x: x * sp.ndtr(x), (3, 4), params=("none",)),
    case("gelu", lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))), (3, 4), params=("tanh",)),
    case("log_sigmoid", sp.log_expit, (3, 4)),
    case("smooth_l1", lambda x, y: np.where(abs(x - y) < 0.5, (x - y) ** 2 / 2, 0.5 * (abs(x - y) - 0.25)), (3, 4), (3, 4), params=(0.5,), distinct=True),
    case("binary_cross_entropy_logits", lambda x, y: np.logaddexp(0, x) - x * y, (3, 4), (3, 4)),
    case("binary_cross_entropy", lambda p, y: -(y * np.log(p) + (1 - y) * np.log1p(-p)), (3, 4), (3, 4), **UNIT),
    case("scale_shift", lambda x, a, b: x * a + b, (3, 4), (3, 4), (3, 4)),
    case("logaddexp2", np.logaddexp2, (3, 4), (3, 4)),
    case("fmax", np.fmax, (3, 4), (3, 4), distinct=True),
    case("fmin", np.fmin, (3, 4), (3, 4), distinct=True),
    case("conj", np.conj, (3, 4)),
    case("complex", lambda a, b: a + 1j * b, (3, 4), (3, 4), empty=False),
    case("view_as_complex", lambda x: x[..., 0] + 1j * x[..., 1], (3, 2)),
    case("erf", sp.erf, (3, 4)),
    case("erfc", sp.erfc, (3, 4)),
    case("erfcx", sp.erfcx, (3, 4)),
    case("erfinv", sp.erfinv, (3, 4), low=-0.9, high=0.9),
    case("ndtr", sp.ndtr, (3, 4)),
    case("ndtri", sp.ndtri, (3, 4), **UNIT),
    case("log_ndtr", sp.log_ndtr, (3, 4)),
    case("lgamma", sp.gammaln, (3, 4), **POSITIVE),
    case("digamma", sp.digamma, (3, 4), **POSITIVE),
    case("polygamma", lambda x: sp.polygamma(1, x), (3, 4), params=(1,), **POSITIVE),
    case("zeta", sp.zeta, (3, 4), (3, 4), low=2.1, high=4.0, orders=0),
    case("gammainc", sp.gammainc, (3, 4), (3, 4), orders=0, **POSITIVE),
    case("gammaincc", sp.gammaincc, (3, 4), (3, 4), orders=0, **POSITIVE),
    case("xlogy", sp.xlogy, (3, 4), (3, 4), **POSITIVE),
    case("xlog1py", sp.xlog1py, (3, 4), (3, 4), **POSITIVE),
    case("entr", sp.entr, (3, 4), **POSITIVE),
    case("logit", sp.logit, (3, 4), **UNIT),
    case("i0", sp.i0, (3, 4)),
    case("i1", sp.i1, (3, 4), **POSITIVE),
    case("i0e", sp.i0e, (3, 4), **POSITIVE),
    case("i1e", sp.i1e, (3, 4), **POSITIVE),
    case("bessel_j0", sp.j0, (3, 4), **POSITIVE),
    case("bessel_j1", sp.j1, (3, 4), **POSITIVE),
    case("bessel_y0", sp.y0, (3, 4), orders=1, **POSITIVE),
    case("bessel_y1", sp.y1, (3, 4), orders=1, **POSITIVE),
    case("bessel_k0", sp.k0, (3, 4), orders=1, **POSITIVE),
    case("bessel_k1", sp.k1, (3, 4), orders=1, **POSITIVE),
    case("bessel_k0e", sp.k0e, (3, 4), orders=1, **POSITIVE),
    case("bessel_k1e", sp.k1e, (3, 4), orders=1, **POSITIVE),
    case("frexp_mantissa", lambda x: np.frexp(x)[0], (3, 4), low=1.1, high=1.9),
]  # fmt: skip
