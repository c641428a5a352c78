"""Ops that could be composed and are not, because a measurement says that the composition costs too much."""

from ..core.op import multilinear, other

# One node instead of three and the bias added in place: 0.6 of the composed time at batch 64, 784 -> 256.
linear = multilinear(
    "linear",
    lambda xp, g, y: xp.matmul(g, y),
    lambda xp, g, x: xp.matmul(xp.matrix_transpose(g), x),
    lambda xp, g: xp.sum(g, axis=0),
    node_name="AddmmBackward0",
)

softmax = other(
    "softmax",
    lambda xp, g, out, axis: out * (g - xp.sum(g * out, axis=axis, keepdims=True)),
    params=("axis",),
    promote="float",
)
log_softmax = other(
    "log_softmax",
    lambda xp, g, out, axis: g - xp.exp(out) * xp.sum(g, axis=axis, keepdims=True),
    params=("axis",),
    promote="float",
)
