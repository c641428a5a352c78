"""Scaled dot-product attention as one op: backward computes the scores again instead of keeping them.

The score matrix of a sequence of length L has L^2 elements per head; inputs and output have L * d. Dao et al.,
FlashAttention, 2022 (arXiv 2205.14135), section 3.1, gives the backward formulas used here.
"""

from ..core.op import nondifferentiable, other

__all__ = ["attention", "attention_dropout", "pack_bits", "unpack_bits"]


attention = other(  # query (*, L, d), key (*, S, d), value (*, S, e), mask to add (broadcast to (*, L, S))
    "attention",
    joint=lambda xp, g, x, y, z, w, needs, scale: list(xp.attention_grad(g, x, y, z, w, scale, needs)),
    arity=4,
    params=("scale",),
    promote="float",
    node_name="ScaledDotProductAttentionBackward0",
)

# Which weights dropout keeps: one bit for each, eight to a byte along the last axis, all that backward needs of the noise.
pack_bits = nondifferentiable("pack_bits", promote=None)
unpack_bits = nondifferentiable("unpack_bits", params=("count",), promote=None)

attention_dropout = (
    other(  # as attention, and bits (*, L, S / 8): weights whose bit is 0 are dropped, with probability p
        "attention_dropout",
        joint=lambda xp, g, x, y, z, w, v, needs, scale, p: [
            *xp.attention_dropout_grad(g, x, y, z, w, v, scale, p, needs),
            None,
        ],
        arity=5,
        params=("scale", "p"),
        promote=None,
        node_name="ScaledDotProductAttentionBackward0",
    )
)
