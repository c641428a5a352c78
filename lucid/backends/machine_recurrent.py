"""One step of an LSTM as machine code, where numba is installed: gates are read once and written once."""

from __future__ import annotations

from .machine_elementwise import _sigmoid, _tanh, kernel, number


@kernel
def lstm_step(gates, c, h_new, c_new):  # type: ignore[no-untyped-def]
    """Activates the gates where they lie; fills the new h and c."""
    size = c.shape[1]
    for b in range(len(c)):
        row, old, h, new = gates[b], c[b], h_new[b], c_new[b]
        i, f, n, o = row[:size], row[size : 2 * size], row[2 * size : 3 * size], row[3 * size :]
        for j in range(size):
            i[j] = _sigmoid(i[j])
        for j in range(size):
            f[j] = _sigmoid(f[j])
        for j in range(size):
            o[j] = _sigmoid(o[j])
        for j in range(size):
            n[j] = _tanh(n[j])
        for j in range(size):
            new[j] = f[j] * old[j] + i[j] * n[j]
        for j in range(size):
            h[j] = o[j] * _tanh(new[j])


@kernel
def lstm_step_grad(active, c, c_new, dh, dc, out):  # type: ignore[no-untyped-def]
    """From the gradients of h and c those of the gates, and in ``dc`` that of the c before."""
    size = c.shape[1]
    for b in range(len(c)):
        row, d = active[b], out[b]
        old, new, to_h, to_c = c[b], c_new[b], dh[b], dc[b]
        i, f, n, o = row[:size], row[size : 2 * size], row[2 * size : 3 * size], row[3 * size :]
        di, df, dn, do = d[:size], d[size : 2 * size], d[2 * size : 3 * size], d[3 * size :]
        for j in range(size):
            one, t = number(new[j], 1.0), _tanh(new[j])
            do[j] = to_h[j] * t * (o[j] * (one - o[j]))
            to_c[j] += to_h[j] * o[j] * (one - t * t)
        for j in range(size):
            one, g = number(new[j], 1.0), to_c[j]
            di[j] = g * n[j] * (i[j] * (one - i[j]))
            df[j] = g * old[j] * (f[j] * (one - f[j]))
            dn[j] = g * i[j] * (one - n[j] * n[j])
            to_c[j] = g * f[j]
