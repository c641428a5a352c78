"""``autograd.Function``: an op of one's own with a forward and a backward written out."""

from __future__ import annotations

import functools
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from ..backends import backend_of
from ..core import dtypes, modes
from ..core.backward import running
from ..core.graph import Leaf, Node, make_node, select
from ..core.tensor import Tensor, unwrap, wrap
from ..core.transform import Lifted, level_of
from ..core.view import MANY, View, come_from, new_view
from .context import FunctionCtx, Saved


class FunctionOp:
    """Stands for a Function class where the engine expects an op."""

    rules = joint = step = None
    keeps_values = True
    holomorphic = False
    kind = "other"

    def __init__(self, cls: type[Function], specs: list, arg_positions: tuple[int, ...], count: int):
        self.cls, self.specs, self.positions, self.count = cls, specs, arg_positions, count
        self.name = cls.__name__
        self.node_name = f"{cls.__name__}Backward"

    def output_node(self, node: Node, k: int) -> Node | None:
        spec = self.specs[k]
        if spec is None:
            return None
        places = [i for i, s in enumerate(self.specs) if s is not _NOT_TENSOR]
        return node if len(places) == 1 else select(node, places.index(k), len(places), spec[0])

    def vjp(self, xp: Any, node: Node, g: Any, ctx: FunctionCtx, create_graph: bool) -> list:
        parts = iter(g if isinstance(g, list) else [g])
        given = [None if s is _NOT_TENSOR else next(parts) for s in self.specs]
        tensors = [v if v is None or isinstance(v, Tensor) else wrap(v) for v in given]
        if ctx.materialize_grads:
            like = next(t for t in tensors if t is not None)
            tensors = [
                _zeros(s, like) if t is None and s is not _NOT_TENSOR else t
                for t, s in zip(tensors, self.specs, strict=True)
            ]
        run = running.get()
        ctx._spent = run is not None and not run.retain_graph
        backward = backward_of(self.cls)
        lifted = any(t is not None and level_of(t) for t in tensors)
        if create_graph or lifted:  # at a transform's level the levels below may still record
            found = backward(ctx, *tensors)
        else:
            with modes.no_grad():
                found = backward(ctx, *tensors)
        found = found if isinstance(found, tuple | list) else (found,)
        if len(found) < self.count or any(v is not None for v in found[self.count :]):
            raise RuntimeError(
                f"function {self.node_name} returned an incorrect number of gradients (expected {self.count}, got {len(found)})"
            )
        results = []
        for i, v in enumerate(found[: self.count]):
            if i in self.positions:
                results.append(self._one(node, i, v, create_graph))
            elif v is not None:
                raise RuntimeError(
                    f"function {self.node_name} returned a gradient different from None at position {i + 1}, but the corresponding "
                    "forward input was not a Variable"
                )
        return results

    def _one(self, node: Node, i: int, v: Any, create_graph: bool) -> Any:
        if v is None:
            return None
        if not isinstance(v, Tensor):
            raise TypeError(
                f"function {self.node_name}: backward must return Tensors or None, got {type(v).__name__} at index {i}"
            )
        parent = node.parents[self.positions.index(i)]
        if parent is not None and tuple(v.shape) != tuple(parent.shape):
            lead = v.ndim - len(parent.shape)
            if lead < 0 or any(n not in (1, m) for n, m in zip(parent.shape, v.shape[lead:], strict=True)):
                raise RuntimeError(
                    f"Function {self.node_name} returned an invalid gradient at index {i} - got {list(v.shape)} but expected shape "
                    f"compatible with {list(parent.shape)}"
                )
        return v if create_graph else v.value


_NOT_TENSOR: Any = object()


def _zeros(spec: Any, like: Tensor) -> Tensor:
    from .. import ops

    if spec is None:
        return ops.zeros_like(like)
    z = ops.zeros_of(spec[0], like)
    return z if z.dtype is spec[1] else ops.cast(z, spec[1])


class FunctionMeta(type):
    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            f"{cls} should not be instantiated. Methods on autograd functions are all static, so you should invoke them on the class itself: {cls.__name__}.apply(...)"
        )


class Function(metaclass=FunctionMeta):
    """Base class of one's own differentiable functions: static ``forward`` and ``backward``, called by ``apply``.

    ``forward(ctx, *args)`` computes and may call ``ctx.save_for_backward``; or ``forward(*args)`` computes and
    ``setup_context(ctx, inputs, output)`` saves. ``backward(ctx, *grads)`` returns one gradient (or None) per input.
    A static ``jvp(ctx, *tangents)`` serves forward mode; ``vmap(info, in_dims, *args)`` or
    ``generate_vmap_rule = True`` serves vmap.

    >>> import lucid
    >>> class Cube(lucid.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return 3 * x**2 * g
    >>> x = lucid.tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)
    """

    generate_vmap_rule = False

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> Any:
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with backward mode AD."
        )

    vjp = backward  # another name: a class may define either

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple, *args: Any) -> Any:
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap static method or set generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run forward and record backward."""
        if kwargs:
            raise TypeError(f"{cls.__name__}.apply() takes no keyword arguments")
        return apply_function(cls, args)[0]


def separate(cls: type[Function]) -> bool:
    return cls.setup_context is not Function.setup_context


def backward_of(cls: type[Function]) -> Callable:
    if cls.vjp is Function.vjp:
        return cls.backward
    if cls.backward is not Function.backward:
        raise RuntimeError(
            "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only implement one of them."
        )
    return cls.vjp


def _with_defaults(forward: Any, args: tuple) -> tuple:
    """The arguments that ``setup_context`` sees: those of ``forward``, left out or not."""
    defaults, code = getattr(forward, "__defaults__", None), getattr(forward, "__code__", None)
    if not defaults or code is None:
        return args
    missing = code.co_argcount - hasattr(forward, "__self__") - len(args)
    return args + defaults[-missing:] if 0 < missing <= len(defaults) else args


def apply_function(cls: type[Function], args: tuple) -> tuple[Any, FunctionCtx]:
    """The outputs, and the context that a jvp wants."""
    ctx = FunctionCtx()
    if separate(cls):
        args = _with_defaults(cls.forward, args)
    ctx.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
    lead = max((a.value for a in args if isinstance(a, Tensor)), key=lambda v: getattr(v, "level", 0), default=None)
    recording = modes.is_grad_enabled() and any(ctx.needs_input_grad)
    if isinstance(lead, Lifted):
        from .function_transforms import lifted

        positions = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        adopted = list(args)
        for i, t in zip(positions, lead.adopt([args[i] for i in positions]), strict=True):
            adopted[i] = t
        args = tuple(adopted)
        ctx.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        recording = modes.is_grad_enabled() and any(ctx.needs_input_grad)
        result = lifted(cls, lead, args)
        plain = tuple(wrap(a.value) if isinstance(a, Tensor) else a for a in args)
        if separate(cls):
            cls.setup_context(ctx, args, result)
        elif recording:  # what it saves, at this level; the result is the one above
            own = as_tuple(cls.forward(ctx, *plain))
            swap = {id(o): r for o, r in zip(own, as_tuple(result), strict=True)}
            swap |= {id(p): a for p, a in zip(plain, args, strict=True)}
            for kept in ("_to_save", "_non_differentiable", "_dirty"):
                setattr(ctx, kept, tuple(swap.get(id(t), t) for t in getattr(ctx, kept)))
    else:
        with modes.no_grad():
            if separate(cls):
                result = cls.forward(*args)
                cls.setup_context(ctx, args, result)
            else:
                result = cls.forward(ctx, *args)
    outputs = as_tuple(result)
    _check_dirty(cls, ctx, args, outputs, recording)
    made = _record(cls, ctx, args, outputs) if recording else _unrecorded(ctx, args, outputs)
    return (made if isinstance(result, tuple | list) else made[0]), ctx


def as_tuple(result: Any) -> tuple:
    return tuple(result) if isinstance(result, tuple | list) else (result,)


def _check_dirty(cls: type, ctx: FunctionCtx, args: tuple, outputs: tuple, recording: bool) -> None:
    if not all(_member(d, args) for d in ctx._dirty):
        warnings.warn(
            "Only input Tensors should be given to ctx.mark_dirty(). If a Tensor is not an input, there is no need to pass it to "
            "mark_dirty().",
            stacklevel=4,
        )
        ctx._dirty = tuple(d for d in ctx._dirty if _member(d, args))
    for d in ctx._dirty:
        if not any(d is o for o in outputs):
            raise RuntimeError(
                "Some elements marked as dirty during the forward method were not returned as output. "
                "The inputs that are modified inplace must all be outputs of the Function."
            )
        if recording and type(d.stem.node if type(d) is View and d.tracks else d.node) is Leaf:
            what = "a view of a leaf Variable" if type(d) is View else "a leaf Variable"
            raise RuntimeError(f"{what} that requires grad is being used in an in-place operation.")


def _member(t: Any, group: Sequence[Any]) -> bool:
    return any(t is m for m in group)


def _unrecorded(ctx: FunctionCtx, args: tuple, outputs: tuple) -> tuple:
    return tuple(
        wrap(o.value) if _member(o, args) and not _member(o, ctx._dirty) and isinstance(o, Tensor) else o
        for o in outputs
    )


def _record(cls: type[Function], ctx: FunctionCtx, args: tuple, outputs: tuple) -> tuple:
    specs: list[Any] = []
    for o in outputs:
        if not isinstance(o, Tensor):
            specs.append(_NOT_TENSOR)
        elif _member(o, ctx._non_differentiable) or o.dtype.category < dtypes.FLOAT:
            specs.append(None)
        else:
            specs.append((tuple(o.shape), o.dtype))
    positions = tuple(i for i, a in enumerate(args) if isinstance(a, Tensor))
    parents = tuple(args[i].node for i in positions)
    op: Any = FunctionOp(cls, specs, positions, len(args))
    node = make_node(op, parents, ctx, (), ())
    mode = modes.current()
    pack = None if mode is None else mode.pack
    ctx._node = weakref.ref(node)  # weak: the node holds the context
    ctx._saved = [Saved(t, outputs, pack) for t in ctx._to_save]
    ctx._to_save = ()
    places = [i for i, s in enumerate(specs) if s is not _NOT_TENSOR]
    if len(places) == 1 and specs[places[0]] is not None:
        node.shape = specs[places[0]][0]
    made: list[Any] = []
    for k, (o, spec) in enumerate(zip(outputs, specs, strict=True)):
        if spec is _NOT_TENSOR or not isinstance(o, Tensor):
            made.append(o)
            continue
        own = None if spec is None else op.output_node(node, k)
        if _member(o, ctx._dirty):
            come_from(o, own)
            made.append(o)
        elif type(o) is View or _member(o, args):  # it shares memory with what this node knows nothing of
            t: Tensor = new_view(o.value, own, o, None, (), True)
            t.__dict__["_piece"] = (cls.__name__, k, MANY if len(places) > 1 else _FOREIGN)
            made.append(t)
        else:
            t = o if o.node is None or any(o is m for m in made) else wrap(o.value)  # twice the same stays the same
            if own is not None:
                t.node = own
            made.append(t)
    return tuple(made)


_FOREIGN = (
    "This view was created inside a custom Function (or because an input was returned as-is) and the autograd logic to handle "
    "view+inplace would override the custom backward associated with the custom Function, leading to incorrect gradients. This "
    "behavior is forbidden. You can fix this by cloning the output of the custom Function."
)


def once_differentiable(f: Callable) -> Callable:
    """Mark a ``backward`` whose result must not be differentiated again: trying to is an error, not a wrong number.

    >>> import lucid
    >>> lucid.autograd.function.once_differentiable(lambda ctx, g: g * 2)(None, lucid.ones(1))
    tensor([2.])
    """

    @functools.wraps(f)
    def call(ctx: Any, *grads: Any) -> Any:
        with modes.no_grad():
            result = f(ctx, *grads)
        if not modes.is_grad_enabled():
            return result
        parents = tuple(g.node for g in grads if isinstance(g, Tensor) and g.node is not None)
        if not parents:
            saved = ctx.saved_tensors if isinstance(ctx, FunctionCtx) else ()
            parents = tuple(t.node for t in saved if isinstance(t, Tensor) and t.node is not None)
        if not parents:
            return result
        outs = [_refusing(o, parents) if isinstance(o, Tensor) else o for o in as_tuple(result)]
        return tuple(outs) if isinstance(result, tuple | list) else outs[0]

    return call


class _Refusal:
    """The op of a result that refuses to be differentiated."""

    rules = joint = step = None
    keeps_values = False
    name = "once_differentiable"
    node_name = "DelayedError"

    def vjp(self, *args: Any) -> Any:
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


_REFUSAL: Any = _Refusal()


def _refusing(o: Tensor, parents: tuple) -> Tensor:
    return wrap(backend_of(o.value).copy(unwrap(o)), make_node(_REFUSAL, parents, (), (), tuple(o.shape)))
