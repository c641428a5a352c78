"""Elementwise functions with arguments of their own, or made of others: interpolation, special functions, polynomials."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.errors import DTypeError
from ..core.graph import entitled, next_seq
from ..core.tensor import Tensor
from ..core.view import write
from ..ops import elementwise
from .checking import Value, fits
from .registry import FUNCTIONS, SPECIAL, beside, public, return_type, tensor_arg

Frexp = return_type("frexp", "mantissa", "exponent")


def floating(input: Any, name: str) -> Tensor:
    """The argument as a floating (or complex) tensor: integers become the default dtype."""
    x = tensor_arg(input, name)
    return x if x.dtype.category >= dtypes.FLOAT else x.to(dtypes.get_default_dtype())


# ---- rounding, classifying, replacing ----


@public(inplace=True)
def frac(input: Tensor) -> Tensor:
    """``x - trunc(x)``.

    >>> import lucid
    >>> lucid.frac(lucid.tensor([1.5, -2.25]))
    tensor([ 0.5000, -0.2500])
    """
    x = tensor_arg(input, "frac")
    if x.dtype.category < dtypes.FLOAT:
        raise DTypeError(f"frac: not implemented for {x.dtype}")
    return entitled(elementwise.subtract(x, ops.trunc(x)), "FracBackward0")


@public(inplace=True)
def nan_to_num(
    input: Tensor, nan: float | None = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """NaN and infinities replaced: by 0 and the largest finite numbers, or by what is given.

    >>> import lucid
    >>> lucid.nan_to_num(lucid.tensor([float("nan"), float("inf"), 1.0]), posinf=9.0)
    tensor([0., 9., 1.])
    """
    x = tensor_arg(input, "nan_to_num")
    if x.dtype.category < dtypes.FLOAT:
        return x.clone()
    if x.dtype.is_complex:
        parts = (nan_to_num(part, nan, posinf, neginf) for part in (ops.real(x), ops.imag(x)))
        return ops.complex(*parts)
    limits = dtypes.finfo(x.dtype)
    high, low = limits.max if posinf is None else posinf, limits.min if neginf is None else neginf
    return elementwise.nan_to_num(x, 0.0 if nan is None else nan, high, low)


@public()
def isposinf(input: Tensor) -> Tensor:
    """Where x is +inf.

    >>> import lucid
    >>> lucid.isposinf(lucid.tensor([float("inf"), float("-inf")]))
    tensor([ True, False])
    """
    return (
        elementwise.equal(tensor_arg(input, "isposinf"), math.inf)
        if input.dtype.category == dtypes.FLOAT
        else _nowhere(input, "isposinf")
    )


@public()
def isneginf(input: Tensor) -> Tensor:
    """Where x is -inf.

    >>> import lucid
    >>> lucid.isneginf(lucid.tensor([float("inf"), float("-inf")]))
    tensor([False,  True])
    """
    return (
        elementwise.equal(tensor_arg(input, "isneginf"), -math.inf)
        if input.dtype.category == dtypes.FLOAT
        else _nowhere(input, "isneginf")
    )


def _nowhere(x: Tensor, name: str) -> Tensor:
    if x.dtype.is_complex:
        raise RuntimeError(f"{name} does not support complex inputs.")
    return elementwise.not_equal(x, x)


@public(out=False)
def isreal(input: Tensor) -> Tensor:
    """Where the imaginary part is 0.

    >>> import lucid
    >>> lucid.isreal(lucid.tensor([1 + 0j, 1j]))
    tensor([ True, False])
    """
    x = tensor_arg(input, "isreal")
    return (
        elementwise.equal(ops.imag(x), 0)
        if x.dtype.is_complex
        else elementwise.equal(x, x) | elementwise.not_equal(x, x)
    )


@public(method=False)
def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Which elements occur among the test elements.

    >>> import lucid
    >>> lucid.isin(lucid.tensor([1, 2, 3]), lucid.tensor([2, 5]))
    tensor([False,  True, False])
    """
    x = beside(elements, test_elements)
    among = beside(test_elements, x)
    for kind in (x.dtype, among.dtype):
        if kind is dtypes.bool_ or kind.is_complex:
            raise RuntimeError(f"Unsupported input type encountered for isin(): {kind}")
    found = ops.isin(x, among)
    return ops.logical_not(found) if invert else found


def _real(input: Tensor, name: str) -> Tensor:
    if input.dtype.is_complex:
        raise RuntimeError(f"{name} is not supported for complex tensors.")
    return floating(input, name)


@public(inplace=True)
def deg2rad(input: Tensor) -> Tensor:
    """Degrees to radians.

    >>> import lucid
    >>> lucid.deg2rad(lucid.tensor([180.0]))
    tensor([3.1416])
    """
    return entitled(elementwise.multiply(_real(input, "deg2rad"), math.pi / 180), "Deg2RadBackward0")


@public(inplace=True)
def rad2deg(input: Tensor) -> Tensor:
    """Radians to degrees.

    >>> import lucid
    >>> lucid.rad2deg(lucid.tensor([1.0]))
    tensor([57.2958])
    """
    return entitled(elementwise.multiply(_real(input, "rad2deg"), 180 / math.pi), "Rad2DegBackward0")


# ---- powers and exponents ----


@public()
def float_power(input: Any, exponent: Any) -> Tensor:
    """``input ** exponent`` in float64 (or complex128).

    >>> import lucid
    >>> lucid.float_power(lucid.tensor([2, 3]), -1)
    tensor([0.5000, 0.3333], dtype=lucid.float64)
    """
    is_complex = any(
        isinstance(v, complex) or (isinstance(v, Tensor) and v.dtype.is_complex) for v in (input, exponent)
    )
    wanted = dtypes.complex128 if is_complex else dtypes.float64
    x, y = (v.to(wanted) if isinstance(v, Tensor) else v for v in (input, exponent))
    if (result := elementwise.pow(x, y)) is NotImplemented:
        raise TypeError(f"float_power(): argument 'exponent' must be Tensor or a number, not {type(y).__name__}")
    return result


def _float_power_(self: Tensor, exponent: Any) -> Tensor:
    """In-place form of ``float_power``, for tensors that hold its result."""
    since = next_seq()
    result = float_power(self, exponent)
    if result.dtype is not self.dtype:
        raise DTypeError(
            f"float_power_: the base has dtype {self.dtype} but the operation's result requires dtype {result.dtype}"
        )
    return write(self, result, "float_power_", since)


Tensor.float_power_ = _float_power_  # type: ignore[attr-defined]


@public(inplace=True)
def ldexp(input: Tensor, other: Value) -> Tensor:
    """``input * 2 ** other``.

    >>> import lucid
    >>> lucid.ldexp(lucid.tensor([1.5]), lucid.tensor([3]))
    tensor([12.])
    """
    if isinstance(other, Tensor) and other.dtype is dtypes.bool_ and input.dtype.is_floating_point:
        raise DTypeError("ldexp: not implemented for booleans as exponents")
    return elementwise.multiply(input, elementwise.pow(2.0, other) if isinstance(other, Tensor) else 2.0**other)


@public()
def frexp(input: Tensor) -> Any:
    """Mantissa in [0.5, 1) and exponent with ``input = mantissa * 2 ** exponent``: a named tuple.

    >>> import lucid
    >>> m, e = lucid.frexp(lucid.tensor([12.0]))
    >>> m, e
    (tensor([0.7500]), tensor([4], dtype=lucid.int32))
    """
    x = tensor_arg(input, "frexp")
    if not x.dtype.is_floating_point:
        raise RuntimeError(f"torch.frexp() only supports floating-point dtypes; got {x.dtype}")
    return Frexp(ops.frexp_mantissa(x), ops.frexp_exponent(x))


@public(inplace=True)
def sinc(input: Tensor) -> Tensor:
    """``sin(pi x) / (pi x)``, 1 at 0.

    >>> import lucid
    >>> lucid.sinc(lucid.tensor([0.0, 0.5]))
    tensor([1.0000, 0.6366])
    """
    x = tensor_arg(input, "sinc")
    if x.dtype.is_complex:
        zero = elementwise.equal(x, 0)
        angle = elementwise.where(zero, 1.0, x) * math.pi
        return elementwise.where(zero, 1.0, ops.sin(angle) / angle)
    return ops.sinc_derivative(x, 0)


@public(inplace=True)
def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """``log(x / (1 - x))``; with ``eps`` x is first limited to [eps, 1 - eps].

    >>> import lucid
    >>> lucid.logit(lucid.tensor([0.5, 0.9]))
    tensor([0.0000, 2.1972])
    """
    x = floating(input, "logit")
    return ops.logit(x if eps is None else ops.clip(x, eps, 1 - eps))


# ---- gamma functions ----


@public(method=False)
def polygamma(n: int, input: Tensor) -> Tensor:
    """The n-th derivative of ``digamma``.

    Raises RuntimeError for negative n.

    >>> import lucid
    >>> lucid.polygamma(1, lucid.tensor([1.0, 2.0]))
    tensor([1.6449, 0.6449])
    """
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    x = tensor_arg(input, "polygamma")
    return ops.digamma(x) if n == 0 else ops.polygamma(x, int(n))


@public("polygamma", function=False, inplace=True)
def _polygamma(input: Tensor, n: int) -> Tensor:
    """The n-th derivative of ``digamma``."""
    return polygamma(n, input)


@public(inplace=True)
def mvlgamma(input: Tensor, p: int) -> Tensor:
    """The log of the multivariate gamma function: ``p (p-1) / 4 log(pi) + sum over i < p of lgamma(x - i/2)``.

    >>> import lucid
    >>> lucid.mvlgamma(lucid.tensor([2.0]), 2)
    tensor([0.4516])
    """
    if input.dtype is dtypes.bool_:
        raise RuntimeError("mvlgamma: the input tensor may not be a boolean tensor")
    fits(p, "mvlgamma", "p")
    x = floating(input, "mvlgamma")
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    total = ops.lgamma(x) + p * (p - 1) / 4 * math.log(math.pi)
    for i in range(1, p):
        total = total + ops.lgamma(x - i / 2)
    return total


@public("igamma", function=False, inplace=True)
def _igamma(input: Tensor, other: Tensor) -> Tensor:
    """The regularised lower incomplete gamma function."""
    return ops.gammainc(input, other)


@public("igammac", function=False, inplace=True)
def _igammac(input: Tensor, other: Tensor) -> Tensor:
    """The regularised upper incomplete gamma function."""
    return ops.gammaincc(input, other)


FUNCTIONS["igamma"], FUNCTIONS["igammac"] = SPECIAL["gammainc"], SPECIAL["gammaincc"]


# ---- only in lucid.special ----


def special(*names: str) -> Callable:
    """Publish in ``lucid.special`` alone."""

    def decorate(f: Callable) -> Callable:
        call = public(method=False, function=False)(f)
        for name in (f.__name__, *names):
            SPECIAL[name] = call
        return call

    return decorate


@special()
def spherical_bessel_j0(input: Tensor) -> Tensor:
    """``sin(x) / x``.

    >>> import lucid
    >>> lucid.special.spherical_bessel_j0(lucid.tensor([0.0, 1.0]))
    tensor([1.0000, 0.8415])
    """
    x = floating(input, "spherical_bessel_j0")
    ends = ops.isinf(x)
    inside = elementwise.where(ends, 0.0, x)
    return elementwise.where(ends, 0.0, ops.sinc_derivative(elementwise.multiply(inside, 1 / math.pi), 0))


@special()
def airy_ai(input: Tensor) -> Tensor:
    """The Airy function Ai; on the CPU it needs SciPy."""
    return ops.airy_ai(tensor_arg(input, "airy_ai"), 0)


SPECIAL |= {
    "logit": logit, "polygamma": polygamma, "multigammaln": mvlgamma, "sinc": sinc,
    **{name: FUNCTIONS[name] for name in ("exp2", "expm1", "log1p", "round", "erf", "erfc", "erfinv", "xlogy")},
}  # fmt: skip
for _name in ("deg2rad", "rad2deg", "frac", "ldexp", "logit", "nan_to_num", "sinc"):
    FUNCTIONS[f"{_name}_"] = getattr(Tensor, f"{_name}_")
