"""A whole sequence through a recurrent cell on NumPy: one product per step, all else in place, and one product of all steps
for the gradient of the weight."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._machine import COMPILES, DTYPES
from ._workspace import room
from .compiled import available
from .numpy_ import F32, is_half
from .numpy_attention import _lstm_scales


def _kernels(x: Any) -> Any:
    """The compiled steps, where numba is installed and a step has enough to do."""
    if x[0].size < COMPILES or x.dtype not in DTYPES or not available():
        return None
    from . import machine_recurrent

    return machine_recurrent


def lstm_sequence(x: Any, h: Any, c: Any, w: Any, reverse: bool) -> tuple:
    """Gates of the inputs (T, B, 4H), first states (B, H), weight of the recurrence (4H, H): every h, every c and the
    activated gates, from the last step to the first if ``reverse``."""
    if is_half(x):
        x32, h32, c32, w32 = (a.astype(F32) for a in (x, h, c, w))
        found = lstm_sequence(x32, h32, c32, w32, reverse)
        return tuple(a.astype(x.dtype) for a in found)
    (steps, batch, _), size = x.shape, h.shape[1]
    hs, cs = np.empty((steps, batch, size), x.dtype), np.empty((steps, batch, size), x.dtype)
    active, turned = np.empty(x.shape, x.dtype), np.ascontiguousarray(w.T)
    machine, c = _kernels(x), np.ascontiguousarray(c)
    scale, shift = _lstm_scales(size, x.dtype)
    product = room(c, 0)
    for t in range(steps)[:: -1 if reverse else 1]:
        a, h_new, c_new = active[t], hs[t], cs[t]
        np.dot(h, turned, a)
        a += x[t]
        if machine is not None:
            machine.lstm_step(a, c, h_new, c_new)
        else:
            a *= scale
            np.tanh(a, a)
            a *= scale
            a += shift
            i, f, n, o = (a[:, k * size : (k + 1) * size] for k in range(4))
            np.multiply(f, c, c_new)
            np.multiply(i, n, product)
            c_new += product
            np.tanh(c_new, h_new)
            h_new *= o
        h, c = h_new, c_new
    return hs, cs, active


def lstm_sequence_grad(
    to_hs: Any, to_cs: Any, to_active: Any, h: Any, c: Any, w: Any, hs: Any, cs: Any, active: Any, reverse: bool
) -> tuple:
    """The gradients of the gates, of the first states and of the weight; those of outputs may be None."""
    if is_half(hs):
        arrays = (to_hs, to_cs, to_active, h, c, w, hs, cs, active)
        given: Any = [*(None if a is None else a.astype(F32) for a in arrays), reverse]
        found: Any = lstm_sequence_grad(*given)
        return tuple(a.astype(hs.dtype) for a in found)
    steps, batch, size = hs.shape
    to_x = np.empty(active.shape, active.dtype)
    dh, dc = np.zeros((batch, size), hs.dtype), np.zeros((batch, size), hs.dtype)
    machine, c = _kernels(active), np.ascontiguousarray(c)
    slope, part = room(active[0], 0), room(dc, 1)
    order = range(steps) if reverse else range(steps)[::-1]
    for t in order:
        a, d = active[t], to_x[t]
        before = c if t == order[-1] else cs[t + 1 if reverse else t - 1]
        if to_hs is not None:
            dh += to_hs[t]
        if to_cs is not None:
            dc += to_cs[t]
        if machine is not None and to_active is None:
            machine.lstm_step_grad(a, before, cs[t], dh, dc, d)
        else:
            i, f, n, o = (a[:, k * size : (k + 1) * size] for k in range(4))
            di, df, dn, do = (d[:, k * size : (k + 1) * size] for k in range(4))
            new = np.tanh(cs[t])
            np.multiply(dh, new, do)
            new *= new
            np.subtract(1, new, new)
            new *= o
            new *= dh
            dc += new
            np.multiply(dc, n, di)
            np.multiply(dc, before, df)
            np.multiply(dc, i, dn)
            if to_active is not None:
                d += to_active[t]
            np.subtract(1, a, slope)
            slope *= a
            np.multiply(n, n, part)
            np.subtract(1, part, slope[:, 2 * size : 3 * size])
            d *= slope
            dc *= f
        np.dot(d, w, dh)
    earlier = np.concatenate([hs[1:], h[None]] if reverse else [h[None], hs[:-1]])
    to_w = np.dot(to_x.reshape(-1, 4 * size).T, earlier.reshape(-1, size))
    return to_x, dh, dc, to_w
