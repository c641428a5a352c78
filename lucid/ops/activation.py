"""Activations with kernels of their own: one pass over memory instead of four to eight, and one array kept."""

from ..core.op import elementwise

# The rules call fused kernels (``xp.gelu_grad``); on Tensors these are compositions, see ``namespace.py``.

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_logits",
    "elu",
    "gelu",
    "hardswish",
    "hardtanh",
    "huber",
    "leaky_relu",
    "log_sigmoid",
    "scale_shift",
    "silu",
    "smooth_l1",
    "softplus",
]


leaky_relu = elementwise(
    "leaky_relu",
    lambda xp, g, x, slope: xp.leaky_relu_grad(g, x, slope),
    params=("slope",),
    promote="float",
    real_only=True,
)
elu = elementwise(
    "elu",
    lambda xp, g, x, alpha, scale, input_scale: xp.elu_grad(g, x, alpha, scale, input_scale),
    params=("alpha", "scale", "input_scale"),
    promote="float",
)
silu = elementwise("silu", lambda xp, g, x: xp.silu_grad(g, x), promote="float")
gelu = elementwise(
    "gelu",
    lambda xp, g, x, out, approximate: xp.gelu_grad_by_out(g, x, out, approximate),
    params=("approximate",),
    promote="float",
    private_out=True,
)
softplus = elementwise(
    "softplus",
    lambda xp, g, x, beta, threshold: xp.softplus_grad(g, x, beta, threshold),
    params=("beta", "threshold"),
    promote="float",
)
huber = elementwise(  # x^2 / 2 where |x| < delta, else delta (|x| - delta / 2)
    "huber", lambda xp, g, x, delta: g * xp.clip(x, -delta, delta), params=("delta",), promote="float"
)
smooth_l1 = elementwise(  # huber of x - y
    "smooth_l1",
    lambda xp, g, x, y, delta: xp.smooth_l1_grad(g, x, y, delta),
    lambda xp, g, x, y, delta: -xp.smooth_l1_grad(g, x, y, delta),
    params=("delta",),
    promote="float",
)
hardtanh = elementwise(
    "hardtanh",
    lambda xp, g, x, low, high: xp.hardtanh_grad(g, x, low, high),
    params=("low", "high"),
    real_only=True,
)
hardswish = elementwise("hardswish", lambda xp, g, x: xp.hardswish_grad(g, x), promote="float")
log_sigmoid = elementwise("log_sigmoid", lambda xp, g, x: g * xp.sigmoid(-x), promote="float", real_only=True)

# -(y log x + (1 - y) log(1 - x)), the logarithms not below -100, so that 0 and 1 are allowed (as in PyTorch).
binary_cross_entropy = elementwise(
    "binary_cross_entropy",
    lambda xp, g, x, y: g * (x - y) / xp.maximum(x * (1 - x), 1e-12),
    lambda xp, g, x: g * (xp.maximum(xp.log1p(-x), -100.0) - xp.maximum(xp.log(x), -100.0)),
    promote="float",
)
# (1 - y) x - log(sigmoid(x)): exact at both ends.
binary_cross_entropy_logits = elementwise(
    "binary_cross_entropy_logits",
    lambda xp, g, x, y: g * (xp.sigmoid(x) - y),
    lambda xp, g, x: -(g * x),
    promote="float",
)
scale_shift = elementwise("scale_shift", lambda xp, g, y: g * y, lambda xp, g, x: g * x, lambda xp, g: g)  # x * y + z
