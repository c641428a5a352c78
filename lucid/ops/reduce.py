"""Reductions. ``axis`` arrives here as a tuple of non-negative ints (``lucid.functions`` sees to that), or one int."""

import math

from ..core.op import linear, nondifferentiable, other


def restore(xp, g, shape, axis, keepdims):
    """A reduced array with its reduced axes back as size 1, so that it broadcasts against the input."""
    if keepdims:
        return g
    axes = {axis} if isinstance(axis, int) else set(range(len(shape)) if axis is None else axis)
    return xp.reshape(g, tuple(1 if i in axes else n for i, n in enumerate(shape)))


def size_of(shape, axis):
    """How many elements are reduced into one."""
    return math.prod(shape[a] for a in ((axis,) if isinstance(axis, int) else range(len(shape)) if axis is None else axis))


AXES = ("axis", "keepdims")
sum = linear("sum", lambda xp, g, x_shape, axis, keepdims: xp.broadcast_to(restore(xp, g, x_shape, axis, keepdims), x_shape), params=AXES)
mean = linear(
    "mean",
    lambda xp, g, x_shape, axis, keepdims: xp.broadcast_to(
        restore(xp, g, x_shape, axis, keepdims) * (1.0 / max(size_of(x_shape, axis), 1)), x_shape
    ),
    params=AXES,
)
logsumexp = other(
    "logsumexp",
    lambda xp, g, x, x_shape, out, axis, keepdims: restore(xp, g, x_shape, axis, keepdims)
    * xp.exp(x - restore(xp, finite(xp, out), x_shape, axis, keepdims)),
    params=AXES,
    promote="float",
)


def finite(xp, x):
    """Infinities as 0, so that ``inf - inf`` does not appear (a log-sum of nothing but -inf has gradient 0)."""
    return xp.where(xp.isinf(x), 0.0, x)


def _even_share(xp, g, x, out, x_shape, axis, keepdims):
    """Equal extremes share the gradient equally, as in PyTorch's amax and amin."""
    hit = xp.where(x == restore(xp, out, x_shape, axis, keepdims), 1.0, 0.0)
    hit = xp.cast(hit, x.dtype)
    return restore(xp, g, x_shape, axis, keepdims) * hit / xp.sum(hit, axis=axis, keepdims=True)


amax = other("amax", lambda xp, g, x, out, x_shape, axis, keepdims: _even_share(xp, g, x, out, x_shape, axis, keepdims), params=AXES, promote=None)
amin = other("amin", lambda xp, g, x, out, x_shape, axis, keepdims: _even_share(xp, g, x, out, x_shape, axis, keepdims), params=AXES, promote=None)


def _others(xp, x, axis):
    """The product of all other elements along ``axis``, without dividing (elements may be 0)."""
    ones = xp.ones_like(xp.take_slice(x, axis, 0, 1))
    before = xp.cumulative_prod(xp.concat(ones, xp.take_slice(x, axis, 0, x.shape[axis] - 1), axis), axis)
    back = xp.flip(x, (axis,))
    after = xp.cumulative_prod(xp.concat(ones, xp.take_slice(back, axis, 0, x.shape[axis] - 1), axis), axis)
    return before * xp.flip(after, (axis,))


def _prod_grad(xp, g, x, x_shape, axis, keepdims):
    if 0 in x_shape:
        return xp.zeros_like(x)
    if axis is None or not isinstance(axis, int):
        flat = xp.reshape(x, (math.prod(x_shape),))
        return xp.reshape(_others(xp, flat, 0), x_shape) * xp.reshape(g, (1,) * len(x_shape))
    return restore(xp, g, x_shape, axis, keepdims) * _others(xp, x, axis)


prod = other("prod", lambda xp, g, x, x_shape, axis, keepdims: _prod_grad(xp, g, x, x_shape, axis, keepdims), params=AXES, promote=None)

cumulative_sum = linear(
    "cumulative_sum",
    lambda xp, g, axis: xp.flip(xp.cumulative_sum(xp.flip(g, (axis,)), axis), (axis,)) if g.shape else g,
    params=("axis",),
    node_name="CumsumBackward0",
)


def _cumprod_grad(xp, g, x, axis):
    """d out_j / d x_i = out_j / x_i for j >= i, computed without division so that zeros are exact.

    With L the matrix of products of the other elements up to j: O(n^2) memory along the axis, as the exact rule needs.
    """
    n = x.shape[axis]
    order = (*(i for i in range(len(x.shape)) if i != axis), axis)
    back = tuple(sorted(range(len(order)), key=order.__getitem__))
    rows = xp.permute_dims(x, order)
    lead = tuple(rows.shape[:-1])
    table = xp.broadcast_to(xp.reshape(rows, (*lead, 1, n)), (*lead, n, n))  # [i, k] = x_k
    eye = xp.eye_like(x, n)
    table = xp.where(eye, 1.0, table)  # leave x_i itself out
    table = xp.cumulative_prod(table, len(lead) + 1)  # [i, j] = prod of x_k, k <= j, k != i
    table = xp.where(xp.triu_mask_like(x, n), table, 0.0)  # only j >= i depend on x_i
    moved = xp.permute_dims(g, order)
    total = xp.sum(table * xp.reshape(moved, (*lead, 1, n)), axis=len(lead) + 1, keepdims=False)
    return xp.permute_dims(total, back)


cumulative_prod = other(
    "cumulative_prod",
    lambda xp, g, x, axis: g if not x.shape else _cumprod_grad(xp, g, x, axis),
    params=("axis",),
    promote=None,
    node_name="CumprodBackward0",
)

argmax, argmin, any, all = (nondifferentiable(name, params=AXES, promote=None) for name in ("argmax", "argmin", "any", "all"))
