"""Shape: views (which share memory with their input) and rearrangements (which copy). All linear."""

from ..core.op import linear, view


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


def _no_put(xp, x, new, shape):
    raise RuntimeError(
        "unsupported operation: more than one element of the written-to tensor refers to a single memory location; "
        "clone() the expanded tensor before writing to it"
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
    put=_no_put,
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
copy = linear("copy", lambda xp, g: g, node_name="CloneBackward0")
