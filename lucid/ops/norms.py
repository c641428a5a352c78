"""Norms of vectors: one op, since the rule knows what to do at zero and at ties."""

from ..core.op import other
from .reduce import restore


def _vector_norm_grad(xp, g, x, out, x_shape, p, axis, keepdims):
    """As PyTorch: 0 where the norm is 0, ties of the largest share."""
    if p == 0:
        return None
    g, norm = restore(xp, g, x_shape, axis, keepdims), restore(xp, out, x_shape, axis, keepdims)
    if p == 2:
        return x * xp.where(norm == 0, 0.0, g / xp.where(norm == 0, 1.0, norm))
    size = xp.abs(x)
    if p in (float("inf"), -float("inf")):
        top = xp.where(
            xp.logical_or(size == norm, xp.logical_and(xp.isnan(size), xp.isnan(norm))), xp.ones_like(size), 0.0
        )
        return xp.sgn(x) * (top * (g / xp.sum(top, axis=axis, keepdims=True)))
    if p == 1:
        return xp.sgn(x) * g
    safe = xp.where(size == 0, 1.0, size)
    share = xp.where(size == 0, 0.0, safe ** (p - 1.0))
    scale = xp.where(norm == 0, 0.0, g * xp.where(norm == 0, 1.0, norm) ** (1.0 - p))
    return xp.sgn(x) * (share * scale)


vector_norm = other(
    "vector_norm",
    _vector_norm_grad,
    params=("p", "axis", "keepdims"),
    promote=None,
    holomorphic=False,
    node_name="LinalgVectorNormBackward0",
)
