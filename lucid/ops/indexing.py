"""Indexing and scattering: basic (slices and ints: views), advanced (integer and boolean arrays: copies), along an axis.

The index arrays of ``index``, ``place_add`` and ``index_put`` are raw arrays on the tensor's device, among the static
parameters; those of the ``*_along_axis`` family are inputs. Neither carries a derivative.
"""

from ..backends import backend_of_type
from ..core.op import OPS, linear, nondifferentiable, view
from ..core.step import slice_step
from ..core.view import look_through, put_through

# ---- slices and ints ----
getitem = view(
    "getitem",
    lambda xp, g, x_shape, index: xp.place(g, x_shape, index),
    put=lambda xp, x, new, index: xp.setitem(x, new, index),
    params=("index",),
    node_name="SliceBackward0",
)
OPS["getitem"].step = slice_step
place = linear("place", lambda xp, g, index: xp.getitem(g, index), params=("shape", "index"))  # zeros with x at index
setitem = linear(
    "setitem",
    lambda xp, g, index: xp.setitem(g, 0.0, index),
    lambda xp, g, index: xp.getitem(g, index),
    params=("index",),
    promote="same",
    node_name="CopySlices",
)

# ---- arrays of integers and booleans ----
index = linear("index", lambda xp, g, x_shape, index: xp.place_add(g, x_shape, index), params=("index",))
place_add = linear("place_add", lambda xp, g, index: xp.index(g, index), params=("shape", "index"))  # repeats add up
index_put = linear(
    "index_put",
    lambda xp, g, index: xp.index_put(g, 0.0, index),
    lambda xp, g, index: xp.index(g, index),
    params=("index",),
    promote="same",
)

index_put_add = linear(
    "index_put_add",
    lambda xp, g: g,
    lambda xp, g, index: xp.index(g, index),
    params=("index",),
    promote="same",
    node_name="IndexPutBackward0",
)

# ---- along one axis ----
take_along_axis = linear(
    "take_along_axis",
    lambda xp, g, x_shape, y, axis: xp.scatter_add(xp.zeros_of(x_shape, g), y, g, axis),
    lambda xp, g: None,
    params=("axis",),
    node_name="GatherBackward0",
)
scatter_add = linear(
    "scatter_add",
    lambda xp, g: g,
    lambda xp, g: None,
    lambda xp, g, y, axis: xp.take_along_axis(g, y, axis),
    params=("axis",),
)
put_along_axis = linear(
    "put_along_axis",
    lambda xp, g, y, axis: xp.put_along_axis(g, y, xp.zeros_of(y.shape, g), axis),
    lambda xp, g: None,
    lambda xp, g, y, axis: xp.take_along_axis(g, y, axis),
    params=("axis",),
    node_name="ScatterBackward0",
)

# ---- writing through a chain of views: the graph's side of an in-place op on a view ----
view_scatter = linear(
    "view_scatter",
    lambda xp, g, chain: put_through(xp, g, xp.zeros_like(look_through(xp, g, chain)), chain),
    lambda xp, g, chain: look_through(xp, g, chain),
    params=("chain",),
    node_name="CopySlices",
)


class _ThroughChain(dict):
    """The kernel of ``view_scatter`` is made of other kernels, on every backend alike."""

    def get(self, array_type, default=None):
        table = backend_of_type(array_type).table
        return lambda x, new, chain: put_through(table, x, new, chain)


OPS["view_scatter"].kernels = _ThroughChain()

argsort = nondifferentiable("argsort", params=("axis", "descending", "stable"), promote=None, real_only=True)
nonzero = nondifferentiable("nonzero", promote=None)
searchsorted = nondifferentiable("searchsorted", 2, params=("right",), real_only=True)
