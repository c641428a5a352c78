"""Complex numbers. These ops are not holomorphic: their rules are written out and the engine does not conjugate them."""

from ..core.op import elementwise, view
from ..core.record import OPS

conj = elementwise("conj", lambda xp, g: xp.conj(g), holomorphic=False)
OPS["conj"].put = lambda xp, x, new: xp.conj(
    new
)  # the function makes a view of it, which is computed at once but follows
complex = elementwise(
    "complex", lambda xp, g: xp.real(g), lambda xp, g: xp.imag(g), holomorphic=False, node_name="ComplexBackward0"
)
real = view(
    "real",
    lambda xp, g: xp.complex(g, xp.zeros_like(g)),
    put=lambda xp, x, new: xp.complex(new, xp.imag(x)),
    holomorphic=False,
)
imag = view(
    "imag",
    lambda xp, g: xp.complex(xp.zeros_like(g), g),
    put=lambda xp, x, new: xp.complex(xp.real(x), new),
    holomorphic=False,
)
view_as_real = view(
    "view_as_real",
    lambda xp, g: xp.view_as_complex(g),
    put=lambda xp, x, new: xp.view_as_complex(new),
    holomorphic=False,
)
view_as_complex = view(
    "view_as_complex",
    lambda xp, g: xp.view_as_real(g),
    put=lambda xp, x, new: xp.view_as_real(new),
    holomorphic=False,
)


def _sgn_grad(xp, g, x, out):
    """Through x / |x|: the part of ``g`` across ``out``, divided by the size; 0 at 0."""
    size = xp.abs(x)
    along = xp.real(g * xp.conj(out))
    return xp.where(
        size == 0, 0.0, (g - xp.complex(along, xp.zeros_like(along)) * out) / xp.where(size == 0, 1.0, size)
    )


sgn = elementwise("sgn", _sgn_grad, holomorphic=False)  # of complex input; for real input it is `sign`
