"""Activations and their derivatives as machine code, where numba is installed: one pass over memory each.

NumPy computes one function at a time over all elements; here a vector of elements stays in registers from the input to
the result. numba has no vector form of the exponential function, so ``exp`` is written here, in LLVM's instructions on
one number, which the compiler turns into instructions on vectors. It is right to a unit of the last place, overflows to
inf, goes down through the denormal numbers to 0, and keeps NaN.

Every kernel takes flat arrays of one dtype, float32 or float64, and writes its last argument.
"""

from __future__ import annotations

import math
from typing import Any

import numba
from llvmlite import ir
from numba.extending import intrinsic

from ._cephes import ERF_T, ERF_U, ERFC_P, ERFC_Q

kernel = numba.njit(error_model="numpy", nogil=True, cache=True, fastmath={"contract"})
part = numba.njit(error_model="numpy", nogil=True, fastmath={"contract"}, inline="always")  # of kernels

# exp(x) = 2^n exp(r) with n = round(x / ln 2): the parts of ln 2, exp's range, and the polynomial of exp(r) - 1 - r over r^2
# (minimax on |r| <= ln 2 / 2 for float32, Taylor's for float64), highest power first.
_EXP: dict[str, dict[str, Any]] = {
    "float": {
        "integer": 32, "mantissa": 23, "bias": 127, "magic": 12582912.0, "low": -104.0, "high": 89.0,
        "ln2": (0.693359375, -2.12194440e-4),
        "series": (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1),
    },
    "double": {
        "integer": 64, "mantissa": 52, "bias": 1023, "magic": 6755399441055744.0, "low": -746.0, "high": 710.0,
        "ln2": (6.93147180369123816490e-01, 1.90821492927058770002e-10),
        "series": tuple(1 / math.factorial(k) for k in range(13, 1, -1)),
    },
}  # fmt: skip


def _times_plus(builder: Any, a: Any, b: Any, c: Any) -> Any:
    return builder.fadd(builder.fmul(a, b, flags=("contract",)), c, flags=("contract",))


def _exp_parts(builder: Any, kind: Any, value: Any) -> tuple[Any, Any, Any]:
    """``exp(x) = a b (1 + p)``: the powers of two a and b, and p, small beside 1."""
    data = _EXP[str(kind)]
    whole = ir.IntType(data["integer"])
    for name, sign in (("low", "<"), ("high", ">")):  # NaN is neither
        limit = ir.Constant(kind, data[name])
        value = builder.select(builder.fcmp_ordered(sign, value, limit), limit, value)
    magic = ir.Constant(kind, data["magic"])  # adding it rounds to an integer, which the low bits of the sum then hold
    shifted = _times_plus(builder, value, ir.Constant(kind, 1 / math.log(2)), magic)
    n = builder.fsub(shifted, magic)
    for part in data["ln2"]:
        value = _times_plus(builder, n, ir.Constant(kind, -part), value)
    series = ir.Constant(kind, data["series"][0])
    for a in data["series"][1:]:
        series = _times_plus(builder, series, value, ir.Constant(kind, a))
    power = builder.sub(builder.bitcast(shifted, whole), builder.bitcast(magic, whole))
    half = builder.ashr(power, ir.Constant(whole, 1))  # 2^128 and 2^-150 are no numbers, their roots are
    factors = []
    for n in (half, builder.sub(power, half)):
        bits = builder.add(n, ir.Constant(whole, data["bias"]))
        factors.append(builder.bitcast(builder.shl(bits, ir.Constant(whole, data["mantissa"])), kind))
    return *factors, _times_plus(builder, builder.fmul(value, value), series, value)


@intrinsic
def exp(typing_context: Any, x: Any) -> Any:
    """The exponential function."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = context.get_value_type(signature.args[0])
        a, b, p = _exp_parts(builder, kind, args[0])
        return builder.fmul(builder.fmul(builder.fadd(p, ir.Constant(kind, 1.0)), a), b)

    return x(x), code


@intrinsic
def expm1(typing_context: Any, x: Any) -> Any:
    """``exp(x) - 1`` for x that do not overflow."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = context.get_value_type(signature.args[0])
        a, b, p = _exp_parts(builder, kind, args[0])
        power = builder.fmul(a, b)
        return _times_plus(builder, p, power, builder.fsub(power, ir.Constant(kind, 1.0)))

    return x(x), code


@intrinsic
def number(typing_context: Any, like: Any, value: Any) -> Any:
    """A constant in the dtype of ``like``: numba would compute with it in float64."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.cast(builder, args[1], signature.args[1], signature.return_type)

    return like(like, value), code


@intrinsic
def where(typing_context: Any, condition: Any, yes: Any, no: Any) -> Any:
    """``yes if condition else no`` without a branch, into which the compiler would move what both need."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(*args)

    return yes(condition, yes, no), code


def _series(*coefficients: float) -> Any:
    """The polynomial with these coefficients, highest power first, written out."""

    @intrinsic
    def polynomial(typing_context: Any, x: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = context.get_value_type(signature.args[0])
            total = ir.Constant(kind, coefficients[0])
            for a in coefficients[1:]:
                total = _times_plus(builder, total, args[0], ir.Constant(kind, a))
            return total

        return x(x), code

    return polynomial


# ---- functions of one number ----

# erf(x) = tanh(x p(x^2)) in float32, with the p of `numpy_special`; so the normal distribution function of x is the sigmoid of
# 2 x q(x^2), where q is p with sqrt(1/2) put into its coefficients. In float64 the rational functions of Cephes.
_ERF32 = (
    1.4188077380999254e-07, -5.668989695573091e-06, 8.764058305184809e-05, -0.0006197936525282479,
    -0.00019181991578226548, 0.10276905075505036, 1.1283792748920602,
)  # fmt: skip
_erf32_series = _series(*_ERF32)
_cdf32_series = _series(*(-2 * a * 0.5 ** (6 - i) * math.sqrt(0.5) for i, a in enumerate(_ERF32)))
_erf_t, _erf_u, _erfc_p, _erfc_q = (_series(*a) for a in (ERF_T, ERF_U, ERFC_P, ERFC_Q))
_log1p_series = _series(*(2 / k for k in range(35, 0, -2)))  # 2 artanh(s) / s in s^2


@part
def _tanh(x):  # type: ignore[no-untyped-def]
    size = x if x < 0 else -x
    e = expm1(size + size)
    t = e / (e + number(x, 2.0))
    return math.copysign(t, x)


@part
def _sigmoid(x):  # type: ignore[no-untyped-def]
    one = number(x, 1.0)
    return one / (one + exp(-x))


@part
def _log1p(x):  # type: ignore[no-untyped-def]
    """Of x in [0, 1]."""
    s = x / (x + number(x, 2.0))
    return s * _log1p_series(s * s)


@part
def _erf64(x):  # type: ignore[no-untyped-def]
    square = x * x
    size = abs(x)
    size = size if size > 1.0 else 1.0
    size = size if size < 6.5 else 6.5  # erf(6) is 1 to the last bit
    large = 1.0 - exp(-size * size) * (_erfc_p(size) / _erfc_q(size))
    small = x * (_erf_t(square) / _erf_u(square))
    return where(abs(x) > 1.0, math.copysign(large, x), small)


@part
def _cdf32(x):  # type: ignore[no-untyped-def]
    one = number(x, 1.0)
    return one / (one + exp(x * _cdf32_series(x * x)))


@part
def _gelu_tanh(x):  # type: ignore[no-untyped-def]
    """The factor of x."""
    return _sigmoid((x * number(x, 2 * math.sqrt(2 / math.pi))) * (number(x, 1.0) + number(x, 0.044715) * (x * x)))


# ---- kernels ----


@kernel
def sigmoid(x, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        out[i] = _sigmoid(x[i])


@kernel
def sigmoid_grad(g, y, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        out[i] = g[i] * (y[i] * (number(y[i], 1.0) - y[i]))


@kernel
def tanh_grad(g, y, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        out[i] = g[i] * (number(y[i], 1.0) - y[i] * y[i])


@kernel
def relu(x, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        v = x[i]
        out[i] = number(v, 0.0) if v < 0 else v


@kernel
def relu_grad(g, x, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        out[i] = number(g[i], 0.0) if x[i] <= 0 else g[i]


@kernel
def leaky_relu(x, slope, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        v = x[i]
        out[i] = v if v > 0 else v * slope


@kernel
def leaky_relu_grad(g, x, slope, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        out[i] = g[i] if x[i] > 0 else g[i] * slope


@kernel
def elu(x, alpha, scale, input_scale, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        v = x[i]
        below = expm1(v * input_scale) * (alpha * scale)
        out[i] = v * scale if v > 0 else below


@kernel
def elu_grad(g, x, alpha, scale, input_scale, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        v = x[i]
        below = exp(v * input_scale) * (alpha * scale * input_scale)
        out[i] = g[i] * (scale if v > 0 else below)


@kernel
def silu(x, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        v = x[i]
        out[i] = v / (number(v, 1.0) + exp(-v))


@kernel
def silu_grad(g, x, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        v = x[i]
        one = number(v, 1.0)
        s = _sigmoid(v)
        out[i] = g[i] * (s * (one + v * (one - s)))


@kernel
def gelu32(x, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        out[i] = x[i] * _cdf32(x[i])


@kernel
def gelu64(x, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        out[i] = x[i] * (0.5 + 0.5 * _erf64(x[i] * math.sqrt(0.5)))


@kernel
def gelu_tanh(x, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        out[i] = x[i] * _gelu_tanh(x[i])


@kernel
def gelu_grad_by_out(g, x, y, out):  # type: ignore[no-untyped-def]
    """``y`` is the result of gelu; its ratio to ``x`` is the cdf."""
    for i in range(len(out)):
        v = x[i]
        tiny = number(v, 2.0**-100)
        cdf = (y[i] + number(v, 2.0**-101)) / (v + tiny) if v + tiny != 0 else number(v, 0.5)
        out[i] = g[i] * (cdf + v * number(v, 1 / math.sqrt(2 * math.pi)) * exp(v * v * number(v, -0.5)))


@kernel
def gelu_tanh_grad(g, x, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        v = x[i]
        one, root = number(v, 1.0), number(v, 2 * math.sqrt(2 / math.pi))
        s = _gelu_tanh(v)
        slope = root * (one + number(v, 3 * 0.044715) * (v * v))
        out[i] = g[i] * (s + v * s * (one - s) * slope)


@kernel
def erf32(x, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        out[i] = _tanh(x[i] * _erf32_series(x[i] * x[i]))


@kernel
def erf64(x, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        out[i] = _erf64(x[i])


@kernel
def hardtanh_grad(g, x, low, high, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        v = x[i]
        out[i] = g[i] * (number(v, 1.0) if (v > low and v < high) else number(v, 0.0))


@kernel
def hardswish(x, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        v = x[i]
        t = v + number(v, 3.0)
        t = number(v, 0.0) if t < 0 else t
        t = number(v, 6.0) if t > 6 else t
        out[i] = t * v * number(v, 1 / 6)


@kernel
def hardswish_grad(g, x, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        v = x[i]
        t = v * number(v, 1 / 3) + number(v, 0.5)
        t = number(v, 0.0) if v <= -3 else t
        t = number(v, 1.0) if v >= 3 else t
        out[i] = g[i] * t


@kernel
def softplus(x, beta, threshold, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        v = x[i] * beta
        e = exp(v if v < 0 else -v)
        t = (_log1p(e) + (v if v > 0 else number(v, 0.0))) / beta
        out[i] = x[i] if v > threshold else t


@kernel
def softplus_grad(g, x, beta, threshold, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        v = x[i] * beta
        s = _sigmoid(v)
        out[i] = g[i] if v > threshold else g[i] * s


@kernel
def huber(x, delta, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        v = x[i]
        near = -delta if v < -delta else v
        near = delta if near > delta else near
        out[i] = near * (v - number(v, 0.5) * near)


@kernel
def smooth_l1(x, y, delta, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        v = x[i] - y[i]
        near = -delta if v < -delta else v
        near = delta if near > delta else near
        out[i] = near * (v - number(v, 0.5) * near)


@kernel
def smooth_l1_grad(g, x, y, delta, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        v = x[i] - y[i]
        near = -delta if v < -delta else v
        out[i] = g[i] * (delta if near > delta else near)


@kernel
def binary_cross_entropy_logits(x, y, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        v = x[i]
        below = v if v < 0 else -v
        t = _log1p(exp(below))
        out[i] = (number(v, 1.0) - y[i]) * v + (t - (v if v < 0 else number(v, 0.0)))
