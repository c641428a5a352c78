"""Activations with kernels of their own: one pass over memory instead of four to eight, and one array kept."""

import math

from ..core.op import elementwise

__all__ = ["binary_cross_entropy", "elu", "gelu", "leaky_relu", "log_sigmoid", "scale_shift", "silu"]

ROOT_HALF, DENSITY = math.sqrt(0.5), 1 / math.sqrt(2 * math.pi)
TANH_SCALE, TANH_CUBE = math.sqrt(2 / math.pi), 0.044715  # of the tanh form of GELU

leaky_relu = elementwise("leaky_relu", lambda xp, g, x, slope: xp.where(x > 0, g, g * slope), params=("slope",))


def elu_slope(xp, x, alpha, scale, input_scale):
    below = xp.exp(xp.where(x > 0, 0.0, x) * input_scale) * (alpha * scale * input_scale)
    return xp.where(x > 0, scale, below)


elu = elementwise(
    "elu",
    lambda xp, g, x, alpha, scale, input_scale: g * elu_slope(xp, x, alpha, scale, input_scale),
    params=("alpha", "scale", "input_scale"),
    promote="float",
)


def silu_slope(xp, x):
    s = xp.sigmoid(x)
    return s * (1 + x * (1 - s))


silu = elementwise("silu", lambda xp, g, x: g * silu_slope(xp, x), promote="float")


def gelu_slope(xp, x, approximate):
    """Of ``x * cdf(x)``: ``cdf(x) + x * density(x)``; the tanh form replaces the normal's cdf by a logistic curve."""
    if approximate == "tanh":
        t = xp.tanh((x + x * x * x * TANH_CUBE) * TANH_SCALE)
        return 0.5 * (1 + t) + x * (1 - t * t) * (1 + x * x * (3 * TANH_CUBE)) * (0.5 * TANH_SCALE)
    return 0.5 * (1 + xp.erf(x * ROOT_HALF)) + x * xp.exp(x * x * -0.5) * DENSITY


gelu = elementwise(
    "gelu",
    lambda xp, g, x, approximate: g * gelu_slope(xp, x, approximate),
    params=("approximate",),
    promote="float",
)
log_sigmoid = elementwise("log_sigmoid", lambda xp, g, x: g * xp.sigmoid(-x), promote="float")

# -(y log x + (1 - y) log(1 - x)), the logarithms not below -100, so that 0 and 1 are allowed (as in PyTorch).
binary_cross_entropy = elementwise(
    "binary_cross_entropy",
    lambda xp, g, x, y: g * (x - y) / xp.maximum(x * (1 - x), 1e-12),
    lambda xp, g, x: g * (xp.maximum(xp.log1p(-x), -100.0) - xp.maximum(xp.log(x), -100.0)),
    promote="float",
)
scale_shift = elementwise("scale_shift", lambda xp, g, y: g * y, lambda xp, g, x: g * x, lambda xp, g: g)  # x * y + z
