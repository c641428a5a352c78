"""RMS norm and rotary position embedding: one op each, because MLX has a kernel of Apple's for each."""

from ..core.op import linear, other

__all__ = ["rms_normalize", "rope"]

# One node instead of six; the last axes of x, and w of their shape. Backward computes the scale again: a sweep, and no memory.
rms_normalize = other(
    "rms_normalize",
    joint=lambda xp, g, x, y, axis, eps: list(xp.rms_normalize_grad(g, x, y, axis, eps)),
    arity=2,
    params=("axis", "eps"),
    promote="float",
    node_name="RmsNormBackward0",
)

# Pairs of the last dimension turned by angles that grow with the position; the derivative turns them back.
rope = linear(
    "rope",
    lambda xp, g, interleaved, base, turn: xp.rope(g, interleaved, base, -turn),
    params=("interleaved", "base", "turn"),
    promote="float",
)
