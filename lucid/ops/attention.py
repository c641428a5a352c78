"""Scaled dot-product attention as one op: backward computes the scores again instead of keeping them.

The score matrix of a sequence of length L has L^2 elements per head; inputs and output have L * d. Dao et al.,
FlashAttention, 2022 (arXiv 2205.14135), section 3.1, gives the backward formulas used here.
"""

from ..core.op import other

__all__ = ["attention"]


attention = other(  # query (*, L, d), key (*, S, d), value (*, S, e), mask to add (broadcast to (*, L, S))
    "attention",
    joint=lambda xp, g, x, y, z, w, needs, scale: list(xp.attention_grad(g, x, y, z, w, scale, needs)),
    arity=4,
    params=("scale",),
    promote="float",
    node_name="ScaledDotProductAttentionBackward0",
)
