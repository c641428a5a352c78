"""Scattering with a reduction, and through a mask. Indices and masks carry no derivative."""

from ..core.op import linear, other


def _scatter_reduce_grads(xp, g, x, y, z, out, axis, reduce, include_self):
    """PyTorch's rules (derivatives of ``scatter_reduce``): to the input, nothing to the index, to the source."""
    fill = xp.zeros_of(tuple(y.shape), g)
    if reduce == "mean":
        count = xp.ones_like(g) if include_self else xp.zeros_like(g)
        count = xp.scatter_add(count, y, xp.ones_like(fill), axis)
        g = g / xp.where(count == 0, 1.0, count)
    if reduce in ("sum", "mean"):
        to_self, to_source = g, xp.take_along_axis(g, y, axis)
    elif reduce == "prod":
        return _scatter_prod_grads(xp, g, x, y, z, out, axis, include_self)
    else:  # ties share
        kept = xp.cast(x == out, g.dtype)
        if not include_self:
            kept = xp.put_along_axis(kept, y, fill, axis)
        chosen = xp.cast(z == xp.take_along_axis(out, y, axis), g.dtype)
        count = xp.scatter_add(kept, y, chosen, axis)
        g = g / xp.where(count == 0, 1.0, count)
        return [kept * g, None, chosen * xp.take_along_axis(g, y, axis)]
    return [to_self if include_self else xp.put_along_axis(to_self, y, fill, axis), None, to_source]


def _scatter_prod_grads(xp, g, x, y, z, out, axis, include_self):
    """Products without one factor: by division where nothing is zero, by a second product where one factor is."""
    start = x if include_self else xp.put_along_axis(x, y, xp.ones_like(z), axis)
    without_self = xp.scatter_reduce(xp.where(x == 0, 1.0, x) * 0.0 + 1.0, y, z, axis, "prod", True)
    to_self = g * without_self
    if not include_self:
        to_self = xp.put_along_axis(to_self, y, xp.zeros_like(z), axis)
    zero = z == 0
    zeros = xp.take_along_axis(xp.scatter_add(xp.zeros_like(x), y, xp.cast(zero, g.dtype), axis), y, axis)
    if hasattr(zeros, "node") and not hasattr(zeros.value, "level") and xp.any(zeros > 1).item():  # with create_graph
        raise RuntimeError(
            "Double backward is unsupported for scatter_reduce prod when >1 zeros in src are scattered to the same position"
        )
    single = xp.logical_and(zero, zeros == 1)
    rest = xp.scatter_reduce(start, y, xp.where(single, 1.0, z), axis, "prod", True)
    to_source = xp.where(
        single,
        xp.take_along_axis(g * rest, y, axis),
        xp.take_along_axis(g * out, y, axis) / xp.where(zero, 1.0, z),
    )
    return [to_self, None, to_source]


scatter_reduce = other(
    "scatter_reduce",
    joint=_scatter_reduce_grads,
    arity=3,
    params=("axis", "reduce", "include_self"),
    promote=None,
)
masked_scatter = linear(
    "masked_scatter",
    lambda xp, g, y: xp.where(y, 0.0, g),
    lambda xp, g: None,
    lambda xp, g, y, z_shape: xp.masked_gather(g, y, z_shape),
)
masked_gather = linear(  # the transpose: the elements where the mask holds, in order, into zeros of a shape
    "masked_gather",
    lambda xp, g, y: xp.masked_scatter(xp.zeros_of(tuple(y.shape), g), y, g),
    lambda xp, g: None,
    params=("shape",),
)
