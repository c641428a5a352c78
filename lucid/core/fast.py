"""The fast paths of ops: closures with everything looked up beforehand, for tensors that need no care."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..backends import backend_of, backend_of_type
from .apply import WITH_NUMBERS, apply, held, is_inexact, is_negative_zero, recover, refuse_inference, scalars
from .graph import Leaf, Node, next_seq
from .modes import ENTERED, NO_GRAD, current
from .record import FLOATS, HOST, Op, find_kernel
from .tensor import Tensor, new_tensor
from .view import View, new_view, overwritten

NOTHING: dict = {}


def one_input(op: Op) -> Callable:
    """``call(x)`` for ops of one tensor and no parameters."""
    keep_x, keep_out = op.keep[0], op.keep_out
    saves, fast, kernels = op.keeps_values, op.fast, op.kernels
    records = op.kind != "none"

    # Whether the kernel returns several arrays, known after the first call: such ops go the general way.
    several = False

    def call(x):  # type: ignore[no-untyped-def]
        nonlocal several
        mode = current()
        if several or not isinstance(x, Tensor) or (mode is not None and mode is not NO_GRAD):
            return apply(op, (x,))
        value = x.value
        if value.dtype not in fast:
            return apply(op, (x,))
        kind = type(value)
        try:
            out = kernels[kind](value)
        except Exception as problem:
            out = recover(op, (value,), (), problem)
        if type(out) is not kind:
            if type(out) is tuple:
                several = True
                return apply(op, (x,))
            out = backend_of(out).array(out)
        t = new_tensor(Tensor)
        t.value = out
        t._grad = None
        t._version = 0
        parent = x.node
        if parent is not None and mode is None and records:
            node = Node()
            node.op = op
            node.parents = (parent,)
            node.saved = (value if keep_x else None, out if keep_out else None) if saves else ()
            node.params = ()
            node.shape = out.shape
            node.seq = next_seq()
            node.extra = None
            t.node = node
        else:
            t.node = None
        return t

    return call


def two_inputs(op: Op) -> Callable:
    """``call(x, y)`` for ops of two operands and no parameters: the hottest path of all, measured line by line.

    ``x.value`` is simply tried (an operand without it goes the general way), and two arrays of one dtype object are
    taken to be of one library; the kernel refuses the rare others, and ``recover`` says why.
    """
    keep_x, keep_y, keep_out = op.keep[0], op.keep[1], op.keep_out
    saves, fast, kernels = op.keeps_values, op.fast, op.kernels
    keep_both = keep_x and keep_y and not keep_out
    (x_keeps_x, x_keeps_y), x_keeps_out = op.kept((Ellipsis, None))  # only x requires grad
    (y_keeps_x, y_keeps_y), y_keeps_out = op.kept((None, Ellipsis))
    records = op.kind != "none"
    numbers = held if op.name in WITH_NUMBERS else scalars

    def call(x, y):  # type: ignore[no-untyped-def]
        mode = current()
        if mode is not None and mode is not NO_GRAD:
            return apply(op, (x, y)) if is_foreign(y) is None else NotImplemented
        try:
            xv = x.value
            dtype = xv.dtype
        except AttributeError:
            return apply(op, (x, y)) if is_foreign(y) is None else NotImplemented
        if type(y) is Tensor or isinstance(y, Tensor):
            yv = y.value
            y_parent = y.node
            if yv.dtype is not dtype or dtype not in fast or type(yv) is not type(xv):
                # NumPy and CuPy share their dtypes, and a number on the CPU may join a GPU's array.
                return apply(op, (x, y))
        else:
            cache = numbers.get(type(y))
            if cache is None:
                return apply(op, (x, y)) if is_foreign(y) is None else NotImplemented
            yv = cache.get((y, dtype, type(xv)))
            if yv is None or dtype not in fast or (not y and is_negative_zero(y)):
                return apply(op, (x, y))
            y_parent = None
        kind = type(xv)
        try:
            out = kernels[kind](xv, yv)
        except Exception as problem:
            out = recover(op, (xv, yv), (), problem)
        if type(out) is not kind:
            out = backend_of(out).array(out)
        t = new_tensor(Tensor)
        t.value = out
        t._grad = None
        t._version = 0
        if mode is None and records:
            x_parent = x.node
            if x_parent is not None or y_parent is not None:
                node = Node()
                node.op = op
                node.parents = (x_parent, y_parent)
                if not saves:
                    node.saved = ()
                elif y_parent is None:
                    if ENTERED and x_keeps_y and isinstance(y, Tensor) and y._version < 0:
                        refuse_inference(op, y)
                    node.saved = (xv if x_keeps_x else None, yv if x_keeps_y else None, out if x_keeps_out else None)
                elif x_parent is None:
                    if ENTERED and y_keeps_x and x._version < 0:
                        refuse_inference(op, x)
                    node.saved = (xv if y_keeps_x else None, yv if y_keeps_y else None, out if y_keeps_out else None)
                elif keep_both:
                    node.saved = (xv, yv, None)
                else:
                    node.saved = (xv if keep_x else None, yv if keep_y else None, out if keep_out else None)
                node.params = ()
                node.shape = out.shape
                node.seq = next_seq()
                node.extra = None
                t.node = node
                return t
        t.node = None
        return t

    return call


def is_foreign(y: Any) -> Any:
    """Whether an operand is of a foreign class, which may handle the operator itself: Python asks it next."""
    kind = type(y)
    if (
        kind.__module__ in ("builtins", "numpy")
        or isinstance(y, Tensor)
        or hasattr(y, "__array__")
        or hasattr(y, "__dlpack__")
    ):
        return None
    return kind


def with_params(op: Op) -> Callable:
    """``call(x, *params)`` for ops of one tensor with static parameters, and for views."""
    kernels, fast, keep_x, keep_out = op.kernels, op.fast, op.keep[0], op.keep_out
    wants_shapes, is_view, records = op.wants_shapes, op.put is not None, op.kind != "none"
    saves = op.keeps_values or wants_shapes

    several = False  # as in one_input

    def call(x, *params):  # type: ignore[no-untyped-def]
        nonlocal several
        mode = current()
        if several or not isinstance(x, Tensor) or (mode is not None and mode is not NO_GRAD):
            return apply(op, (x,), params)
        value = x.value
        if value.dtype not in fast:
            return apply(op, (x,), params)
        kind = type(value)
        try:
            out = kernels[kind](value, *params)
        except Exception as problem:
            out = recover(op, (value,), params, problem)
        if type(out) is not kind:
            if type(out) is tuple:
                several = True
                return apply(op, (x,), params)
            out = backend_of(out).array(out)
        parent = x.node
        # `cast` to integers leaves nothing to differentiate.
        if parent is not None and mode is None and records and (out.dtype in FLOATS or is_inexact(out)):
            node = Node()
            node.op = op
            node.parents = (parent,)
            if not saves:
                node.saved = ()
            elif wants_shapes:
                node.saved = (value if keep_x else None, out if keep_out else None, (value.shape,))
            else:
                node.saved = (value if keep_x else None, out if keep_out else None)
            node.params = params
            node.shape = out.shape
            node.seq = next_seq()
            node.extra = None
        else:
            node = None
        if is_view and ((kind is HOST and out.base is value) or backend_of_type(kind).aliases(out, value)):
            return new_view(out, node, x, op, params, mode is None)
        t = new_tensor(Tensor)
        t.value = out
        t._grad = None
        t._version = 0
        t.node = node
        return t

    return call


def several_inputs(op: Op) -> Callable:
    """``call(x, y, z, *params)`` for ops of several operands; without parameters the last ones may be left out (a bias).

    The first ``op.promote_from`` of them, such as the condition of ``where``, are tensors of whatever dtype; so are all
    but one where nothing is promoted, such as the indices of ``take_along_axis``.
    """
    kernels, saves, records, start = op.kernels, op.keeps_values, op.kind != "none", op.promote_from
    all_need, arity, wants_shapes = (op.keep, op.keep_out), op.arity, op.wants_shapes
    if op.promote is None:
        start = arity

    several = False  # as in one_input

    def call(*args):  # type: ignore[no-untyped-def]
        nonlocal several
        mode = current()
        xs, params = args[:arity], args[arity:]
        if several or (mode is not None and mode is not NO_GRAD):
            return apply(op, xs, params)
        for x in xs[start:] or xs:
            if isinstance(x, Tensor):
                dtype, kind = x.value.dtype, type(x.value)
                break
        else:
            return apply(op, xs, params)
        if dtype not in op.fast:
            return apply(op, xs, params)
        values, parents, tracked, i = [], [], False, 0
        for x in xs:
            if isinstance(x, Tensor):
                v, parent = x.value, x.node
                if type(v) is not kind or (v.dtype is not dtype and i >= start):
                    return apply(op, xs, params)
                tracked = tracked or parent is not None
            else:
                v = scalars.get(type(x), NOTHING).get((x, dtype, kind)) if i >= start else None
                parent = None
                if v is None or (not x and is_negative_zero(x)):
                    return apply(op, xs, params)
            values.append(v)
            parents.append(parent)
            i += 1
        kernel = kernels.get(kind) or find_kernel(op, kind)
        try:
            out = kernel(*values, *params)
        except Exception as problem:
            out = recover(op, values, params, problem)
        if type(out) is not kind:
            if type(out) is tuple:
                several = True
                return apply(op, xs, params)
            out = backend_of(out).array(out)
        t = new_tensor(Tensor)
        t.value = out
        t._grad = None
        t._version = 0
        if tracked and mode is None and records and (out.dtype in FLOATS or is_inexact(out)):
            node = Node()
            node.op = op
            node.parents = parents
            if saves:
                keep, keep_out = op.kept(parents) if None in parents else all_need
                if ENTERED:
                    for x, k in zip(xs, keep, strict=False):
                        if k and isinstance(x, Tensor) and x._version < 0:
                            refuse_inference(op, x)
                node.saved = (*[v if k else None for v, k in zip(values, keep)], out if keep_out else None)  # noqa: B905
            else:
                node.saved = (None,) * (len(values) + 1) if wants_shapes else ()
            if wants_shapes:
                node.saved = (*node.saved, tuple([tuple(v.shape) for v in values]))
            node.params = params
            node.shape = out.shape
            node.seq = next_seq()
            node.extra = None
            t.node = node
        else:
            t.node = None
        return t

    return call


def many_inputs(op: Op) -> Callable:
    """``call(tensors, *params)`` for ops of any number of tensors whose one rule needs nothing but their shapes."""
    kernels, joint_of_shapes = op.kernels, op.wants_shapes and not op.keeps_values and op.kind != "none"

    def call(xs, *params):  # type: ignore[no-untyped-def]
        mode = current()
        if not joint_of_shapes or not xs or (mode is not None and mode is not NO_GRAD):
            return apply(op, xs, params)
        values, parents, tracked = [], [], False
        dtype: Any = None
        kind: Any = None
        for x in xs:
            if not isinstance(x, Tensor):
                return apply(op, xs, params)
            v, parent = x.value, x.node
            if dtype is None:
                dtype, kind = v.dtype, type(v)
                if dtype not in op.fast:
                    return apply(op, xs, params)
            elif v.dtype is not dtype or type(v) is not kind:
                return apply(op, xs, params)
            tracked = tracked or parent is not None
            values.append(v)
            parents.append(parent)
        try:
            out = kernels[kind](*values, *params)
        except Exception as problem:
            out = recover(op, values, params, problem)
        t = new_tensor(Tensor)
        t.value = out
        t._grad = None
        t._version = 0
        if tracked and mode is None and (out.dtype in FLOATS or is_inexact(out)):
            node = Node()
            node.op = op
            node.parents = tuple(parents)
            node.saved = (*(None,) * (len(values) + 1), tuple([tuple(v.shape) for v in values]))
            node.params = params
            node.shape = out.shape
            node.seq = next_seq()
            node.extra = None
            t.node = node
        else:
            t.node = None
        return t

    return call


def over_first(op: Op, x: Tensor, y: Any) -> bool:
    """Put ``op(x, y)`` straight into the memory of ``x``, if nothing is recorded and the kernel can; False: nothing is done."""
    mode, node = current(), x.node
    if type(x) is View or not (
        (mode is None and node is None) or (mode is NO_GRAD and (node is None or type(node) is Leaf))
    ):
        return False
    xv = x.value
    if type(xv) is not HOST or xv.dtype not in op.fast or x._version < 0:
        return False
    if isinstance(y, Tensor):
        yv = y.value
        if type(yv) is not HOST or yv.dtype is not xv.dtype or (mode is None and y.node is not None):
            return False
        if type(y) is View and y.root is x and yv is not xv:
            return False
    else:
        yv = None if is_negative_zero(y) else held.get(type(y), NOTHING).get((y, xv.dtype, HOST))
    if yv is None or (yv.shape != xv.shape and yv.shape):
        return False
    kernel = op.kernels.get(HOST)
    if getattr(kernel, "nin", 0) != 2:  # NumPy's own take the place for the result as a third argument
        return False
    try:
        kernel(xv, yv, xv)  # type: ignore[misc]
    except (ValueError, TypeError):  # read-only memory, a dtype that this op refuses: the general way says so
        return False
    except RuntimeWarning:  # the user runs with -W error: NumPy warns when all is computed
        pass
    del xv
    overwritten(x)
    return True
