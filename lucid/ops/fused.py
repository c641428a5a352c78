"""Ops that could be composed and are not, because a measurement says that the composition costs too much."""

from ..core.op import other


def _linear_jvp(xp, tangents, primals, out):
    """Bilinear in input and weight, and the bias on top: so not multilinear."""
    (dx, dw, db), (x, w, _) = tangents, primals
    parts = [xp.matmul(dx, xp.matrix_transpose(w))] if dx is not None else []
    parts += [xp.matmul(x, xp.matrix_transpose(dw))] if dw is not None else []
    parts += [xp.broadcast_to(db, tuple(out.shape))] if db is not None else []
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


# One node instead of three and the bias added in place: 0.6 of the composed time at batch 64, 784 -> 256.
linear = other(
    "linear",
    lambda xp, g, y: xp.matmul(g, y),
    lambda xp, g, x: xp.matmul(xp.matrix_transpose(g), x),
    lambda xp, g: xp.sum(g, axis=0),
    jvp=_linear_jvp,
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
