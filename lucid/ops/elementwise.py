"""Elementwise ops, one line each: name, derivative per input. Broadcasting is undone by the engine."""

import math

from ..core.op import elementwise, nondifferentiable

# ---- arithmetic ----
add = elementwise("add", lambda xp, g: g, lambda xp, g: g, node_name="AddBackward0")
subtract = elementwise("subtract", lambda xp, g: g, lambda xp, g: -g, node_name="SubBackward0")
multiply = elementwise("multiply", lambda xp, g, y: g * y, lambda xp, g, x: g * x, node_name="MulBackward0")
divide = elementwise(
    "divide", lambda xp, g, y: g / y, lambda xp, g, x, y: -(g * (x / y) / y), promote="float", node_name="DivBackward0"
)
pow = elementwise(
    "pow",
    lambda xp, g, x, y: g * pow_grad_base(xp, x, y),
    lambda xp, g, x, y, out: (
        g * xp.where(x == 0, xp.where(xp.isfinite(out), 0.0, -out), out * xp.log(xp.where(x == 0, 1.0, x)))
    ),
)
negative = elementwise("negative", lambda xp, g: -g, node_name="NegBackward0")
positive = elementwise("positive", lambda xp, g: g)
reciprocal = elementwise("reciprocal", lambda xp, g, out: -(g * out * out), promote="float")
square = elementwise("square", lambda xp, g, x: 2 * g * x)
remainder = elementwise("remainder", lambda xp, g: g, lambda xp, g, x, y: -(g * (x // y)))
fmod = elementwise("fmod", lambda xp, g: g, lambda xp, g, x, y: -(g * xp.trunc_divide(x, y)))
floor_divide = elementwise("floor_divide", lambda xp, g: xp.zeros_like(g), lambda xp, g: xp.zeros_like(g))
trunc_divide = elementwise("trunc_divide", lambda xp, g: xp.zeros_like(g), lambda xp, g: xp.zeros_like(g))


def pow_grad_base(xp, x, y):
    """d(x**y)/dx = y * x**(y-1), and 0 where y is 0 (also at x = 0, where the power alone would be infinite)."""
    return xp.where(y == 0, 0.0, y * xp.pow(x, xp.where(y == 0, 1.0, y) - 1))


# ---- exponentials and logarithms ----
exp = elementwise("exp", lambda xp, g, out: g * out, promote="float")
exp2 = elementwise("exp2", lambda xp, g, out: g * out * math.log(2), promote="float")
expm1 = elementwise("expm1", lambda xp, g, out: g * (out + 1), promote="float")
log = elementwise("log", lambda xp, g, x: g / x, promote="float")
log1p = elementwise("log1p", lambda xp, g, x: g / (x + 1), promote="float")
log2 = elementwise("log2", lambda xp, g, x: g / (x * math.log(2)), promote="float")
log10 = elementwise("log10", lambda xp, g, x: g / (x * math.log(10)), promote="float")
sqrt = elementwise("sqrt", lambda xp, g, out: g / (2 * out), promote="float")
rsqrt = elementwise("rsqrt", lambda xp, g, out: -0.5 * g * out * out * out, promote="float")
logaddexp = elementwise(
    "logaddexp",
    lambda xp, g, x, y: g * xp.sigmoid(apart(xp, x, y)),
    lambda xp, g, x, y: g * xp.sigmoid(apart(xp, y, x)),
    promote="float",
)
logaddexp2 = elementwise(
    "logaddexp2",
    lambda xp, g, x, y: g * xp.sigmoid(apart(xp, x, y) * math.log(2)),
    lambda xp, g, x, y: g * xp.sigmoid(apart(xp, y, x) * math.log(2)),
    promote="float",
)


def apart(xp, x, y):
    """x - y, and 0 where both are -inf, two of nothing: of two +inf the derivative is NaN."""
    return xp.where(xp.logical_and(x == -math.inf, y == -math.inf), 0.0, x - y)


nan_to_num = elementwise(
    "nan_to_num",
    lambda xp, g, x: xp.where(xp.isfinite(x), g, 0.0),
    params=("nan", "posinf", "neginf"),
    promote="float",
    real_only=True,
)

# ---- trigonometry ----
sin = elementwise("sin", lambda xp, g, x: g * xp.cos(x), promote="float")
cos = elementwise("cos", lambda xp, g, x: -(g * xp.sin(x)), promote="float")
tan = elementwise("tan", lambda xp, g, out: g * (1 + out * out), promote="float")
asin = elementwise("asin", lambda xp, g, x: g * xp.rsqrt(1 - x * x), promote="float")
acos = elementwise("acos", lambda xp, g, x: -(g * xp.rsqrt(1 - x * x)), promote="float")
atan = elementwise("atan", lambda xp, g, x: g / (1 + x * x), promote="float")
sinh = elementwise("sinh", lambda xp, g, x: g * xp.cosh(x), promote="float")
cosh = elementwise("cosh", lambda xp, g, x: g * xp.sinh(x), promote="float")
tanh = elementwise("tanh", lambda xp, g, out: xp.tanh_grad(g, out), promote="float")
asinh = elementwise("asinh", lambda xp, g, x: g * xp.rsqrt(x * x + 1), promote="float")
acosh = elementwise("acosh", lambda xp, g, x: g * (xp.rsqrt(x - 1) * xp.rsqrt(x + 1)), promote="float")
atanh = elementwise("atanh", lambda xp, g, x: g / (1 - x * x), promote="float")
atan2 = elementwise(
    "atan2",
    lambda xp, g, x, y: g * off_origin(xp, x, y, y),
    lambda xp, g, x, y: -(g * off_origin(xp, x, y, x)),
    promote="float",
    real_only=True,
)


def off_origin(xp, x, y, z):
    """z / (x^2 + y^2), and 0 where both are 0, as in PyTorch; its own derivative is NaN there."""
    square = x * x + y * y
    return xp.where(square == 0, 0.0, z / square)


hypot = elementwise("hypot", lambda xp, g, x, out: g * x / out, lambda xp, g, y, out: g * y / out, promote="float")

# ---- magnitude, sign, rounding ----
abs = elementwise("abs", lambda xp, g, x: g * xp.sgn(x), holomorphic=False)
sign = elementwise("sign", lambda xp, g: xp.zeros_like(g))
copysign = elementwise(
    "copysign", lambda xp, g, x, out: g * xp.sgn(x) * xp.sgn(out), lambda xp, g: xp.zeros_like(g), promote="float"
)
floor = elementwise("floor", lambda xp, g: xp.zeros_like(g))
ceil = elementwise("ceil", lambda xp, g: xp.zeros_like(g))
trunc = elementwise("trunc", lambda xp, g: xp.zeros_like(g))
round_to = elementwise("round_to", lambda xp, g: xp.zeros_like(g), params=("decimals",), node_name="RoundBackward0")
clip = elementwise(
    "clip",
    lambda xp, g, x, low, high: xp.where(within(xp, x, low, high), g, 0.0),
    params=("low", "high"),
    node_name="ClampBackward0",
    real_only=True,
)


def within(xp, x, low, high):
    """Where ``low <= x <= high``; a bound of None does not bind."""
    if low is None:
        return x <= high
    return x >= low if high is None else xp.logical_and(x >= low, x <= high)


# Ties share the gradient, as in PyTorch: half to each.
maximum = elementwise(
    "maximum",
    lambda xp, g, x, y: smaller_off(xp, g, x, y),
    lambda xp, g, x, y: smaller_off(xp, g, y, x),
    real_only=True,
)
minimum = elementwise(
    "minimum",
    lambda xp, g, x, y: smaller_off(xp, g, y, x),
    lambda xp, g, x, y: smaller_off(xp, g, x, y),
    real_only=True,
)
# NaN loses to a number; of equals the first gets the whole gradient.
fmax = elementwise(
    "fmax",
    lambda xp, g, x, y: xp.where(xp.logical_or(x >= y, xp.isnan(y)), g, 0.0),
    lambda xp, g, x, y: xp.where(xp.logical_or(x >= y, xp.isnan(y)), 0.0, g),
    real_only=True,
)
fmin = elementwise(
    "fmin",
    lambda xp, g, x, y: xp.where(xp.logical_or(x <= y, xp.isnan(y)), g, 0.0),
    lambda xp, g, x, y: xp.where(xp.logical_or(x <= y, xp.isnan(y)), 0.0, g),
    real_only=True,
)


def smaller_off(xp, g, x, y):
    """``g`` where x > y, half of it where they are equal, 0 where x < y."""
    return xp.where(x == y, 0.5 * g, xp.where(x < y, 0.0, g))


# ---- activations that earn a kernel of their own ----
relu = elementwise("relu", lambda xp, g, out: xp.relu_grad(g, out), real_only=True)
relu_grad = elementwise("relu_grad", lambda xp, g, y: xp.relu_grad(g, y), lambda xp, g: xp.zeros_like(g))
sigmoid = elementwise("sigmoid", lambda xp, g, out: xp.sigmoid_grad(g, out), promote="float")

# ---- choice ----
where = elementwise(
    "where",
    lambda xp, g: None,
    lambda xp, g, x: xp.where(x, g, 0.0),
    lambda xp, g, x: xp.where(x, 0.0, g),
    promote_from=1,
)

# ---- dtype and device: linear and elementwise, written here since every rule may need them ----
cast = elementwise(
    "cast",
    lambda xp, g, source: xp.cast(g, source),
    params=("dtype", "source"),
    promote=None,
    node_name="ToCopyBackward0",
)
to_device = elementwise(
    "to_device",
    lambda xp, g, source, target: xp.to_device(g, source, target),
    params=("target", "source"),
    promote=None,
    node_name="ToCopyBackward0",
)

# ---- comparisons and predicates: no derivative ----
equal, not_equal = (nondifferentiable(name, 2) for name in ("equal", "not_equal"))
less, less_equal, greater, greater_equal = (
    nondifferentiable(name, 2, real_only=True) for name in ("less", "less_equal", "greater", "greater_equal")
)
logical_and, logical_or, logical_xor = (
    nondifferentiable(name, 2, promote=None) for name in ("logical_and", "logical_or", "logical_xor")
)
bitwise_and, bitwise_or, bitwise_xor, bitwise_left_shift, bitwise_right_shift = (
    nondifferentiable(f"bitwise_{name}", 2) for name in ("and", "or", "xor", "left_shift", "right_shift")
)
gcd, lcm, heaviside = (nondifferentiable(name, 2, real_only=True) for name in ("gcd", "lcm", "heaviside"))
nextafter = elementwise(
    "nextafter",
    lambda xp, g, x, y: xp.where(x == y, 0.0, g),
    lambda xp, g: xp.zeros_like(g),
    real_only=True,
)
isin = nondifferentiable("isin", 2)
logical_not, bitwise_invert, isnan, isinf, isfinite, signbit = (
    nondifferentiable(name) for name in ("logical_not", "bitwise_invert", "isnan", "isinf", "isfinite", "signbit")
)
