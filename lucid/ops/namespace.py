"""The dialect as rules call it, on Tensors: thin functions over the ops where the call is not the op itself."""

from ..backends import backend_of
from ..backends.composed import COMPOSED, DERIVATIVES
from ..core.op import OPS
from ..core.tensor import wrap
from . import indexing, reduce, shape


def _axes(x, axis):
    if axis is None or isinstance(axis, int):
        return axis
    return tuple(axis)


def sum(x, axis=None, keepdims=False):
    return reduce.sum(x, _axes(x, axis), keepdims)


def mean(x, axis=None, keepdims=False):
    return reduce.mean(x, _axes(x, axis), keepdims)


def sgn(x):
    """x / |x|; of real numbers the sign, 0 for NaN."""
    return OPS["sgn" if x.dtype.is_complex else "sign"].call(x)


def expand_dims(x, axis):
    sizes = list(x.shape)
    sizes.insert(axis if axis >= 0 else axis + len(sizes) + 1, 1)
    return shape.reshape(x, tuple(sizes))


def concat(*xs):
    *tensors, axis = xs
    return shape.concat(tensors, axis)


def take_slice(x, axis, start, stop):
    return indexing.getitem(x, (slice(None),) * axis + (slice(start, stop),))


def zeros_like(x):
    return wrap(backend_of(x.value).table.zeros_like(x.value))


def ones_like(x):
    return wrap(backend_of(x.value).table.ones_like(x.value))


def zeros_of(shape, like):
    return wrap(backend_of(like.value).table.zeros_of(tuple(shape), like.value))


def eye_like(x, n):
    return wrap(backend_of(x.value).table.eye_like(x.value, n))


def triu_mask_like(x, n):
    return wrap(backend_of(x.value).table.triu_mask_like(x.value, n))


def cast(x, dtype, source=None):
    from .elementwise import cast as op

    return x if x.dtype is dtype else op(x, dtype, x.dtype)


# ---- derivatives with fused kernels: on Tensors compositions of ops, so that they can be differentiated again ----


def softmax_grad(g, out, axis):
    return out * (g - sum(g * out, axis, True))


def log_softmax_grad(g, out, axis):
    return g - OPS["exp"].call(out) * sum(g, axis, True)


def sigmoid_grad(g, out):
    return g * out * (1 - out)


def tanh_grad(g, out):
    return g * (1 - out * out)


# ---- positions: raw integer arrays, which index ops take among their parameters ----


def strided_positions(x, size, stride, offset):
    return backend_of(x.value).table.strided_positions(x.value, size, stride, offset)


def repeat_positions(x, n, repeats):
    return backend_of(x.value).table.repeat_positions(x.value, n, repeats)


# ---- derivatives with fused kernels in the tables: here as compositions, so that they can be differentiated again ----


def _composed(name):
    def compose(*args):
        from .. import ops

        return COMPOSED[name](ops, *args)

    compose.__name__ = compose.__qualname__ = name
    compose.__doc__ = f"See ``lucid.backends.composed.{name}``."
    return compose


globals().update({name: _composed(name) for name in DERIVATIVES})
