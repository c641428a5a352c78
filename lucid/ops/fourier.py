"""Discrete Fourier transforms: three ops, closed under differentiation. ``lucid.fft`` is made of them.

Gradients are PyTorch's: of a real loss with respect to the conjugate, so that a step against them goes downhill.
"""

from ..core.op import linear

fft_c2c = linear(
    "fft_c2c",
    lambda xp, g, axes, scale, forward: xp.fft_c2c(g, axes, scale, not forward),
    params=("axes", "scale", "forward"),
    holomorphic=False,
)


def _half_to_full(xp, g, shape, axis):
    """Zeros where a half spectrum leaves the redundant part out."""
    full = (*shape[:axis], shape[axis], *shape[axis + 1 :])
    return xp.place(g, tuple(full), (slice(None),) * axis + (slice(0, g.shape[axis]),))


fft_r2c = linear(
    "fft_r2c",
    lambda xp, g, x_shape, axes, scale: xp.real(
        xp.fft_c2c(_half_to_full(xp, g, x_shape, axes[-1]), axes, scale, False)
    ),
    params=("axes", "scale"),
    holomorphic=False,
)


def _twice_inside(xp, g, axis, last):
    """What a half spectrum shows once stands for two coefficients, except the first and, for even sizes, the last."""
    n = g.shape[axis]
    stop = (last + 1) // 2
    lead = (slice(None),) * axis
    inside = xp.getitem(g, (*lead, slice(1, stop)))
    return g if stop <= 1 else xp.setitem(g, inside * 2, (*lead, slice(1, min(stop, n))))


fft_c2r = linear(
    "fft_c2r",
    lambda xp, g, axes, scale, last: _twice_inside(xp, xp.fft_r2c(g, axes, scale), axes[-1], last),
    params=("axes", "scale", "last"),
    holomorphic=False,
)
