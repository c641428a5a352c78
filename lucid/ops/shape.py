"""Shape: views (which share memory with their input) and rearrangements (which copy). All linear."""

import math

from ..core.op import declare, linear, view


def inverse(axes):
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


reshape = view(
    "reshape",
    lambda xp, g, x_shape: xp.reshape(g, x_shape),
    put=lambda xp, x, new, shape: xp.reshape(new, x.shape),
    params=("shape",),
    node_name="ViewBackward0",
)
permute_dims = view(
    "permute_dims",
    lambda xp, g, axes: xp.permute_dims(g, inverse(axes)),
    put=lambda xp, x, new, axes: xp.permute_dims(new, inverse(axes)),
    params=("axes",),
    node_name="PermuteBackward0",
)


def _put_unrepeated(xp, x, new, shape):
    if math.prod(shape) == math.prod(x.shape):  # only dimensions of size 1 were added
        return xp.reshape(new, tuple(x.shape))
    raise RuntimeError(
        "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
        "Please clone() the tensor before performing the operation."
    )


def sum_to(xp, g, shape):
    """Sum over the axes along which ``shape`` was broadcast."""
    lead = len(g.shape) - len(shape)
    axes = tuple(range(lead)) + tuple(i + lead for i, n in enumerate(shape) if n == 1 and g.shape[i + lead] != 1)
    if axes:
        g = xp.sum(g, axis=axes, keepdims=True)
    return xp.reshape(g, shape) if lead else g


broadcast_to = view(
    "broadcast_to",
    lambda xp, g, x_shape: sum_to(xp, g, x_shape),
    put=_put_unrepeated,
    params=("shape",),
    node_name="ExpandBackward0",
)


def _split_back(xp, g, shapes, axis):
    start, parts = 0, []
    for shape in shapes:
        parts.append(xp.take_slice(g, axis, start, start + shape[axis]))
        start += shape[axis]
    return parts


concat = linear(
    "concat",
    joint=lambda xp, g, shapes, axis: _split_back(xp, g, shapes, axis),
    params=("axis",),
    promote="same",
    variadic=True,
    node_name="CatBackward0",
)
flip = linear("flip", lambda xp, g, axis: xp.flip(g, axis), params=("axis",))
roll = linear(
    "roll",
    lambda xp, g, shift, axis: xp.roll(g, tuple(-s for s in shift) if isinstance(shift, tuple) else -shift, axis),
    params=("shift", "axis"),
)
# The last dimensions longer by ``pads``, (before, after) of each, filled from their own contents: 0.3 of the time of flips
# and concatenations.
extend = linear("extend", lambda xp, g, pads, mode: xp.extend_grad(g, pads, mode), params=("pads", "mode"))
extend_grad = linear("extend_grad", lambda xp, g, pads, mode: xp.extend(g, pads, mode), params=("pads", "mode"))
copy = linear("copy", lambda xp, g: g, node_name="CloneBackward0")


# ---- diagonals ----
diagonal = view(
    "diagonal",
    lambda xp, g, x_shape, offset, axis1, axis2: xp.diagonal_place(g, x_shape, offset, axis1, axis2),
    put=lambda xp, x, new, offset, axis1, axis2: xp.diagonal_put(x, new, offset, axis1, axis2),
    params=("offset", "axis1", "axis2"),
    node_name="DiagonalBackward0",
)
diagonal_place = linear(
    "diagonal_place",
    lambda xp, g, offset, axis1, axis2: xp.copy(xp.diagonal(g, offset, axis1, axis2)),
    params=("shape", "offset", "axis1", "axis2"),
    node_name="DiagEmbedBackward0",
)
diagonal_put = linear(
    "diagonal_put",
    lambda xp, g, offset, axis1, axis2: xp.diagonal_put(g, 0.0, offset, axis1, axis2),
    lambda xp, g, offset, axis1, axis2: xp.copy(xp.diagonal(g, offset, axis1, axis2)),
    params=("offset", "axis1", "axis2"),
    promote="same",
    node_name="DiagonalScatterBackward0",
)
tril = linear("tril", lambda xp, g, k: xp.tril(g, k), params=("k",))
triu = linear("triu", lambda xp, g, k: xp.triu(g, k), params=("k",))

# ---- windows and raw strides: views whose elements may overlap ----
_OVERLAP = (
    "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
    "Please clone() the tensor before performing the operation."
)


def _unfold_put(xp, x, new, axis, size, step):
    if step < size:
        raise RuntimeError(_OVERLAP)
    shape = tuple(x.shape)
    covered = xp.fold_windows(xp.ones_like(new), shape, axis, size, step) != 0
    return xp.where(covered, xp.fold_windows(new, shape, axis, size, step), x)


unfold = view(
    "unfold",
    lambda xp, g, x_shape, axis, size, step: xp.fold_windows(g, x_shape, axis, size, step),
    put=_unfold_put,
    params=("axis", "size", "step"),
    node_name="UnfoldBackward0",
)
fold_windows = linear(
    "fold_windows",
    lambda xp, g, axis, size, step: xp.copy(xp.unfold(g, axis, size, step)),
    params=("shape", "axis", "size", "step"),
    node_name="UnfoldBackward0",
)


def _as_strided_grad(xp, g, x_shape, size, stride, offset, geometry):
    """Add up what each place in memory received, then look at the places of the input."""
    total, x_stride, x_offset = geometry
    memory = xp.place_add(xp.reshape(g, (-1,)), (total,), (xp.strided_positions(g, size, stride, offset),))
    back = xp.reshape(xp.index(memory, (xp.strided_positions(g, x_shape, x_stride, x_offset),)), x_shape)
    shared = math.prod(n for n, s in zip(x_shape, x_stride, strict=True) if s == 0)
    return back if shared <= 1 else back * (1.0 / shared)  # places that the input itself shows several times


def _as_strided_put(xp, x, new, size, stride, offset, geometry):
    total, x_stride, x_offset = geometry
    if any(s == 0 and n > 1 for n, s in zip(size, stride, strict=True)):
        raise RuntimeError(_OVERLAP)
    where, own = (
        xp.strided_positions(new, size, stride, offset),
        xp.strided_positions(x, tuple(x.shape), x_stride, x_offset),
    )
    memory = xp.index_put(xp.zeros_of((total,), x), xp.reshape(x, (-1,)), (own,))
    memory = xp.index_put(memory, xp.reshape(new, (-1,)), (where,))
    return xp.reshape(xp.index(memory, (own,)), tuple(x.shape))


as_strided = view(
    "as_strided",
    _as_strided_grad,
    put=_as_strided_put,
    params=("size", "stride", "offset", "geometry"),
    node_name="AsStridedBackward0",
)


def _no_bytes(xp, x, new, dtype, source):
    return xp.reinterpret(xp.copy(new), source, dtype)


# The bytes of a tensor as another dtype: a view that writes through, without a derivative (as in PyTorch).
reinterpret = declare("reinterpret", "none", (), arity=1, params=("dtype", "source"), promote=None, put=_no_bytes)
repeat_interleave = linear(
    "repeat_interleave",
    lambda xp, g, x_shape, repeats, axis: xp.place_add(
        g, x_shape, (*(slice(None) for _ in range(axis)), xp.repeat_positions(g, x_shape[axis], repeats))
    ),
    params=("repeats", "axis"),
)
