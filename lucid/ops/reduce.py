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
    return math.prod(
        shape[a] for a in ((axis,) if isinstance(axis, int) else range(len(shape)) if axis is None else axis)
    )


AXES = ("axis", "keepdims")
sum = linear(
    "sum",
    lambda xp, g, x_shape, axis, keepdims: xp.broadcast_to(restore(xp, g, x_shape, axis, keepdims), x_shape),
    params=AXES,
)
mean = linear(
    "mean",
    lambda xp, g, x_shape, axis, keepdims: xp.broadcast_to(
        restore(xp, g, x_shape, axis, keepdims) * (1.0 / max(size_of(x_shape, axis), 1)), x_shape
    ),
    params=AXES,
)
# The mean of squares, for losses: the array of squares is never made, and backward is one product.
mean_square = other(
    "mean_square",
    lambda xp, g, x, x_shape, axis, keepdims: (
        restore(xp, g, x_shape, axis, keepdims) * (2.0 / max(size_of(x_shape, axis), 1)) * x
    ),
    params=AXES,
    promote="float",
)
var = other(
    "var",
    lambda xp, g, x, x_shape, axis, correction, keepdims: (
        restore(xp, g, x_shape, axis, keepdims)
        * (
            (x - xp.mean(x, axis=axis, keepdims=True))
            * (2.0 / max(size_of(x_shape, axis) - correction, 0) if size_of(x_shape, axis) > correction else math.nan)
        )
    ),
    params=("axis", "correction", "keepdims"),
    promote=None,
)
logsumexp = other(
    "logsumexp",
    lambda xp, g, x, x_shape, out, axis, keepdims: (
        restore(xp, g, x_shape, axis, keepdims)
        * xp.exp(x - restore(xp, above_nothing(xp, out), x_shape, axis, keepdims))
    ),
    params=AXES,
    promote="float",
)


def above_nothing(xp, x):
    """-inf as 0: a log-sum of nothing but -inf has gradient 0. One that is inf has gradient 0 where x is finite, else NaN."""
    return xp.where(x == -math.inf, 0.0, x)


def _even_share(xp, g, x, out, x_shape, axis, keepdims):
    """Equal extremes share the gradient equally, as in PyTorch's amax and amin."""
    hit = xp.where(x == restore(xp, out, x_shape, axis, keepdims), xp.ones_like(x), 0.0)
    return restore(xp, g, x_shape, axis, keepdims) * hit / xp.sum(hit, axis=axis, keepdims=True)


amax = other(
    "amax",
    lambda xp, g, x, out, x_shape, axis, keepdims: _even_share(xp, g, x, out, x_shape, axis, keepdims),
    params=AXES,
    promote=None,
    real_only=True,
)
amin = other(
    "amin",
    lambda xp, g, x, out, x_shape, axis, keepdims: _even_share(xp, g, x, out, x_shape, axis, keepdims),
    params=AXES,
    promote=None,
    real_only=True,
)


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


prod = other(
    "prod",
    lambda xp, g, x, x_shape, axis, keepdims: _prod_grad(xp, g, x, x_shape, axis, keepdims),
    params=AXES,
    promote=None,
)

cumulative_sum = linear(
    "cumulative_sum",
    lambda xp, g, axis: xp.cumulative_sum_grad(g, axis),
    params=("axis",),
    node_name="CumsumBackward0",
)


def _shifted(xp, x, axis, step):
    """``x`` moved by one along ``axis``: [0, x_0, x_1, ...] for 1, [x_1, x_2, ..., 0] for -1."""
    n = x.shape[axis]
    zero = xp.zeros_like(xp.take_slice(x, axis, 0, 1))
    if step > 0:
        return xp.concat(zero, xp.take_slice(x, axis, 0, n - 1), axis)
    return xp.concat(xp.take_slice(x, axis, 1, n), zero, axis)


def scan_back(xp, x, g, axis):
    """u_t = g_t + x_(t+1) u_(t+1): the transpose of ``linear_scan``."""
    turned = xp.linear_scan(xp.flip(_shifted(xp, x, axis, -1), (axis,)), xp.flip(g, (axis,)), axis)
    return xp.flip(turned, (axis,))


linear_scan = other(  # s_t = x_t s_(t-1) + y_t
    "linear_scan",
    lambda xp, g, x, out, axis: scan_back(xp, x, g, axis) * _shifted(xp, out, axis, 1),
    lambda xp, g, x, axis: scan_back(xp, x, g, axis),
    params=("axis",),
)


def _cumprod_grad(xp, g, x, out, axis):
    """d out_j / d x_i is the product of all others up to j: those before i times those from i + 1 to j.

    Summed over j the second factor is a linear recurrence from the end, so nothing is divided and zeros are exact.
    """
    if not x.shape[axis]:
        return g
    ones = xp.ones_like(xp.take_slice(x, axis, 0, 1))
    before = xp.concat(ones, xp.take_slice(out, axis, 0, x.shape[axis] - 1), axis)
    return before * scan_back(xp, x, g, axis)


cumulative_prod = other(
    "cumulative_prod",
    lambda xp, g, x, out, axis: xp.copy(g) if not x.shape else _cumprod_grad(xp, g, x, out, axis),
    params=("axis",),
    promote=None,
    node_name="CumprodBackward0",
)


def _falls(xp, out, axis):
    """exp(out_(j-1) - out_j), which is at most 1, for each j but the first."""
    n = out.shape[axis]
    before, after = xp.take_slice(out, axis, 0, n - 1), xp.take_slice(out, axis, 1, n)
    return xp.exp(xp.where(before == after, 0.0, before - after))  # not inf - inf


def _logcumsumexp_grad(xp, g, x, out, axis):
    """exp(x_i) sum over j >= i of g_j exp(-out_j), as a recurrence from the end."""
    if not x.shape or not x.shape[axis]:
        return xp.copy(g)
    decay = xp.concat(_falls(xp, out, axis), xp.zeros_like(xp.take_slice(x, axis, 0, 1)), axis)
    turned = xp.linear_scan(xp.flip(decay, (axis,)), xp.flip(g, (axis,)), axis)
    return xp.exp(x - above_nothing(xp, out)) * xp.flip(turned, (axis,))


def _logcumsumexp_jvp(xp, tangents, primals, out, axis):
    """sum over i <= j of exp(x_i - out_j) t_i, as a recurrence."""
    (t,), (x,) = tangents, primals
    if not x.shape or not x.shape[axis]:
        return t
    decay = xp.concat(xp.zeros_like(xp.take_slice(x, axis, 0, 1)), _falls(xp, out, axis), axis)
    return xp.linear_scan(decay, xp.exp(x - above_nothing(xp, out)) * t, axis)


logcumsumexp = other(
    "logcumsumexp",
    lambda xp, g, x, out, axis: _logcumsumexp_grad(xp, g, x, out, axis),
    params=("axis",),
    promote="float",
    jvp=_logcumsumexp_jvp,
)
cumulative_argmax, cumulative_argmin = (
    nondifferentiable(name, params=("axis",), promote=None, real_only=True)
    for name in ("cumulative_argmax", "cumulative_argmin")
)
count_nonzero = nondifferentiable("count_nonzero", params=("axis",), promote=None)
argmax, argmin = (nondifferentiable(name, params=AXES, promote=None, real_only=True) for name in ("argmax", "argmin"))
any, all = (nondifferentiable(name, params=AXES, promote=None) for name in ("any", "all"))
