"""Special functions against SciPy (values) and torch (derivatives); recorded values from mpmath where neither is there."""

import math

import numpy as np
import pytest

import lucid
from reference import needs_torch, torch
from test_pointwise import same_gradients

special = pytest.importorskip("scipy.special")
WIDE = np.concatenate([np.linspace(-30, 30, 1201), np.logspace(-200, 3, 200), -np.logspace(-200, 3, 200)])
RIGHT = np.concatenate([np.linspace(0.01, 60, 1201), np.logspace(-200, 5, 200)])
VALUES = {  # name: SciPy's function, where, relative tolerance
    "erf": (special.erf, WIDE, 1e-15), "erfc": (special.erfc, WIDE, 1e-13), "erfcx": (special.erfcx, WIDE[np.abs(WIDE) < 26], 1e-13),
    "erfinv": (special.erfinv, np.linspace(-1, 1, 2001), 2e-15), "ndtr": (special.ndtr, WIDE, 1e-13),
    "log_ndtr": (special.log_ndtr, WIDE, 1e-13), "ndtri": (special.ndtri, np.linspace(0, 1, 2001), 1e-15),
    "gammaln": (special.gammaln, RIGHT, 1e-13), "digamma": (special.digamma, RIGHT, 1e-12), "i0": (special.i0, WIDE[np.abs(WIDE) < 700], 1e-14),
    "i0e": (special.i0e, WIDE, 1e-15), "i1": (special.i1, WIDE[np.abs(WIDE) < 700], 1e-14), "i1e": (special.i1e, WIDE, 1e-15),
    "bessel_j0": (special.j0, WIDE, 1e-11), "bessel_j1": (special.j1, WIDE, 1e-11), "bessel_y0": (special.y0, RIGHT[RIGHT < 1000], 1e-11),
    "bessel_y1": (special.y1, RIGHT[RIGHT < 1000], 1e-11), "modified_bessel_k0": (special.k0, RIGHT, 2e-15),
    "modified_bessel_k1": (special.k1, RIGHT, 2e-15), "scaled_modified_bessel_k0": (special.k0e, RIGHT, 2e-15),
    "scaled_modified_bessel_k1": (special.k1e, RIGHT, 2e-15), "entr": (special.entr, WIDE, 1e-15), "expit": (special.expit, WIDE, 1e-14),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_values(name):
    exact, x, tolerance = VALUES[name]
    ours = np.asarray(getattr(lucid.special, name)(lucid.tensor(x)))
    np.testing.assert_allclose(ours, exact(x), rtol=tolerance, atol=1e-15 if name.startswith("bessel") else 1e-300)
    x32 = x[np.abs(x) < 1e4].astype("float32")
    if name not in ("log_ndtr", "erfinv", "ndtri", "gammaln", "digamma") and not name.startswith("bessel"):
        ours = getattr(lucid.special, name)(lucid.tensor(x32))
        assert ours.dtype is lucid.float32
        with np.errstate(all="ignore"):
            exact32 = exact(x32.astype(float)).astype("float32")
        np.testing.assert_allclose(np.asarray(ours), exact32, rtol=4e-7, atol=1e-37)


@pytest.mark.parametrize(
    "name", ["erf", "erfc", "erfcx", "ndtr", "log_ndtr", "gammaln", "i0", "i0e", "i1", "i1e", "erfinv", "ndtri", "entr"]
)
def test_ends(name):
    x = np.array([np.inf, -np.inf, np.nan, 0.0, 1.0, -1.0])
    expected = VALUES[name][0](x)
    if name in ("i0", "i1"):  # SciPy says NaN
        expected[:2] = np.inf, np.inf if name == "i0" else -np.inf
    if name == "gammaln":  # SciPy: -inf
        expected[1] = np.inf
    np.testing.assert_allclose(np.asarray(getattr(lucid.special, name)(lucid.tensor(x))), expected, rtol=1e-14)


def test_two_arguments():
    a, x = np.meshgrid(np.linspace(0.1, 120, 30), np.linspace(0.01, 200, 31))
    for name, exact in (("gammainc", special.gammainc), ("gammaincc", special.gammaincc), ("zeta", special.zeta)):
        first = a + 1.05 if name == "zeta" else a
        ours = np.asarray(getattr(lucid.special, name)(lucid.tensor(first), lucid.tensor(x)))
        np.testing.assert_allclose(ours, exact(first, x), rtol=3e-12, atol=1e-300)
    for n in (1, 2, 4):
        x = np.concatenate([np.linspace(0.05, 30, 300), -np.linspace(0.05, 8.97, 200)])
        np.testing.assert_allclose(np.asarray(lucid.polygamma(n, lucid.tensor(x))), special.polygamma(n, x), rtol=1e-12)
    x = np.array([0.0, 0.0, 0.0, 2.0, math.nan, 1.0])
    y = np.array([0.0, math.inf, math.nan, 0.0, 1.0, -1.0])
    for name in ("xlogy", "xlog1py"):
        np.testing.assert_array_equal(
            np.asarray(getattr(lucid.special, name)(lucid.tensor(x), lucid.tensor(y))), getattr(special, name)(x, y)
        )


FAMILIES = {
    "chebyshev_polynomial_t": special.eval_chebyt, "chebyshev_polynomial_u": special.eval_chebyu,
    "shifted_chebyshev_polynomial_t": special.eval_sh_chebyt, "shifted_chebyshev_polynomial_u": special.eval_sh_chebyu,
    "hermite_polynomial_h": special.eval_hermite, "hermite_polynomial_he": special.eval_hermitenorm,
    "laguerre_polynomial_l": special.eval_laguerre, "legendre_polynomial_p": special.eval_legendre,
}  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_polynomials(name):
    x = np.linspace(-0.95, 0.95, 21)
    for n in (0, 1, 2, 5):
        np.testing.assert_allclose(
            np.asarray(getattr(lucid.special, name)(lucid.tensor(x), n)), FAMILIES[name](n, x), rtol=1e-11, atol=1e-12
        )
    mixed = np.arange(21) % 4
    ours = getattr(lucid.special, name)(lucid.tensor(x), lucid.tensor(mixed))
    np.testing.assert_allclose(np.asarray(ours), FAMILIES[name](mixed, x), rtol=1e-11, atol=1e-12)


@needs_torch
@pytest.mark.parametrize("kind", "tuvw")
def test_chebyshev_of_all_kinds(kind):
    x = np.linspace(-0.95, 0.95, 11)
    for prefix in ("", "shifted_"):
        for n in (0, 1, 3):
            name = f"{prefix}chebyshev_polynomial_{kind}"
            ours, theirs = (
                getattr(lucid.special, name)(lucid.tensor(x), n),
                getattr(torch.special, name)(torch.tensor(x), n),
            )
            np.testing.assert_allclose(np.asarray(ours), theirs.numpy(), rtol=1e-11, atol=1e-12)


@needs_torch
@pytest.mark.parametrize(
    "name",
    [
        "erf",
        "erfc",
        "erfcx",
        "erfinv",
        "gammaln",
        "digamma",
        "i0",
        "i0e",
        "i1",
        "i1e",
        "ndtr",
        "ndtri",
        "log_ndtr",
        "entr",
        "expit",
        "sinc",
        "logit",
    ],
)
def test_derivatives(name):
    x = [0.2, 0.5, 0.7, 0.9] if name in ("erfinv", "ndtri", "logit") else [0.3, 1.2, 2.6, 4.0]
    same_gradients(getattr(lucid.special, name), getattr(torch.special, name), x)


def derivative(f, x, order):
    x = lucid.tensor(x, dtype=lucid.float64, requires_grad=True)
    y = f(x)
    for _ in range(order):
        (y,) = lucid.autograd.grad(y.sum(), x, create_graph=True)
    return np.asarray(y.detach())


def test_bessel_derivatives_of_every_order():
    x = [0.0, 0.4, 2.5, 7.5]
    for order in (1, 2, 3, 4):
        np.testing.assert_allclose(
            derivative(lucid.special.bessel_j0, x, order), special.jvp(0, x, order), rtol=1e-10, atol=1e-12
        )
        np.testing.assert_allclose(
            derivative(lucid.special.bessel_j1, x, order), special.jvp(1, x, order), rtol=1e-10, atol=1e-12
        )
        np.testing.assert_allclose(derivative(lucid.i0, x, order), special.ivp(0, x, order), rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(
            derivative(lucid.special.i1, x, order), special.ivp(1, x, order), rtol=1e-12, atol=1e-13
        )
        np.testing.assert_allclose(
            derivative(lucid.special.bessel_y0, x[1:], order), special.yvp(0, x[1:], order), rtol=1e-9
        )
        np.testing.assert_allclose(
            derivative(lucid.special.modified_bessel_k1, x[1:], order), special.kvp(1, x[1:], order), rtol=1e-9
        )


def test_sinc_is_smooth_at_zero():
    # d^n sinc(x) at 0: 0, -pi^2/3, 0, pi^4/5
    got = [derivative(lucid.sinc, [0.0], n)[0] for n in (1, 2, 3, 4)]
    np.testing.assert_allclose(got, [0, -(math.pi**2) / 3, 0, math.pi**4 / 5], atol=1e-12)


def test_incomplete_gamma_derivative():
    x = lucid.tensor([0.5, 2.0, 9.0], dtype=lucid.float64, requires_grad=True)
    a = lucid.tensor([0.7, 2.0, 8.0], dtype=lucid.float64)
    (g,) = lucid.autograd.grad(lucid.special.gammainc(a, x).sum(), x)
    v, h = np.asarray(x.detach()), 1e-6
    slope = (special.gammainc(np.asarray(a), v + h) - special.gammainc(np.asarray(a), v - h)) / (2 * h)
    np.testing.assert_allclose(np.asarray(g), slope, rtol=1e-7)
    with pytest.raises(RuntimeError, match="derivative"):
        lucid.special.gammainc(a.requires_grad_(), x).sum().backward()
