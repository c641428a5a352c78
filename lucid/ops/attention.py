"""Scaled dot-product attention as one op: backward computes the scores again instead of keeping them.

The score matrix of a sequence of length L has L^2 elements per head; inputs and output have L * d. Dao et al.,
FlashAttention, 2022 (arXiv 2205.14135), section 3.1, gives the backward formulas used here.
"""

from ..core.op import other

__all__ = ["attention"]


def _weights(xp, q, k, mask, scale):
    """Softmax of the scaled and masked scores; a row that is masked throughout gets zeros, not NaN."""
    scores = xp.matmul(q, xp.matrix_transpose(k)) * scale + mask
    last = (len(scores.shape) - 1,)
    top = xp.amax(scores, last, True)
    e = xp.exp(scores - xp.where(xp.isinf(top), 0.0, top))
    total = xp.sum(e, axis=last, keepdims=True)
    return e / xp.where(total == 0, 1.0, total)


def _backward(xp, g, x, y, z, w, needs, scale):
    p = _weights(xp, x, y, w, scale)
    to_v = xp.matmul(xp.matrix_transpose(p), g) if needs[2] else None
    if not (needs[0] or needs[1] or needs[3]):
        return [None, None, to_v, None]
    to_p = xp.matmul(g, xp.matrix_transpose(z))
    to_scores = p * (to_p - xp.sum(to_p * p, axis=(len(p.shape) - 1,), keepdims=True))
    to_q = xp.matmul(to_scores, y) * scale if needs[0] else None
    to_k = xp.matmul(xp.matrix_transpose(to_scores), x) * scale if needs[1] else None
    return [to_q, to_k, to_v, to_scores if needs[3] else None]


attention = other(  # query (*, L, d), key (*, S, d), value (*, S, e), mask to add (broadcast to (*, L, S))
    "attention",
    joint=_backward,
    arity=4,
    params=("scale",),
    promote="float",
    node_name="ScaledDotProductAttentionBackward0",
)
