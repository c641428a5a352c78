"""One step of a recurrent cell as one op: a dozen small elementwise ops would cost more than the matrix product.

The activated gates are an output of their own, so that backward need not compute them again and second derivatives
stay right (a saved intermediate would be a constant to them).
"""

from ..core.op import other

__all__ = ["gru_cell", "lstm_cell", "lstm_sequence"]


def _parts(xp, x, count):
    size = x.shape[1] // count
    return [xp.take_slice(x, 1, i * size, (i + 1) * size) for i in range(count)]


def _plus(a, b):
    return b if a is None else a if b is None else a + b


def _lstm_backward(xp, g, y, out):
    """i, f, o = sigmoid, n = tanh of the gates; c' = f c + i n; h = o tanh(c')."""
    to_h, to_c, to_gates = g
    i, f, n, o = _parts(xp, out[2], 4)
    tanh_c = xp.tanh(out[1])
    if to_h is not None:
        to_c = _plus(to_c, to_h * o * (1 - tanh_c * tanh_c))
    if to_c is None:
        to_c = xp.zeros_like(y)
    to_o = to_h * tanh_c if to_h is not None else xp.zeros_like(o)
    active = _plus(xp.concat(to_c * n, to_c * y, to_c * i, to_o, 1), to_gates)
    di, df, dn, do = _parts(xp, active, 4)
    inputs = xp.concat(di * i * (1 - i), df * f * (1 - f), dn * (1 - n * n), do * o * (1 - o), 1)
    return [inputs, to_c * f]


lstm_cell = other("lstm_cell", joint=_lstm_backward, arity=2, node_name="LstmCellBackward0", private_out=True)


# All steps of one layer: T times fewer nodes, nothing allocated between the products, and the weight's gradient is one product
# of all steps: half of the time of a node per step.
lstm_sequence = other(
    "lstm_sequence",
    joint=lambda xp, g, y, z, w, out, reverse: list(
        xp.lstm_sequence_grad(g[0], g[1], g[2], y, z, w, out[0], out[1], out[2], reverse)
    ),
    arity=4,
    params=("reverse",),
    node_name="MkldnnRnnLayerBackward0",
    private_out=True,
)


def _gru_backward(xp, g, y, z, out):
    """r, u = sigmoid; n = tanh(x_n + r h_n); h' = n + u (h - n). Inputs: x gates, h gates, h."""
    to_h, to_gates = g
    r, u, n = _parts(xp, out[1], 3)
    *_, h_n = _parts(xp, y, 3)
    if to_h is None:
        to_h = xp.zeros_like(z)
    active = _plus(xp.concat(xp.zeros_like(r), to_h * (z - n), to_h * (1 - u), 1), to_gates)
    dr, du, dn = _parts(xp, active, 3)
    to_n = dn * (1 - n * n)
    to_r = (dr + to_n * h_n) * r * (1 - r)
    to_u = du * u * (1 - u)
    return [xp.concat(to_r, to_u, to_n, 1), xp.concat(to_r, to_u, to_n * r, 1), to_h * u]


gru_cell = other("gru_cell", joint=_gru_backward, arity=3, node_name="GruCellBackward0", private_out=True)
