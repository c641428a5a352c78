"""One op is one record: its name, its kind, its rules. The declarators here turn that line into everything else.

    exp      = elementwise("exp",      lambda xp, g, out: g * out)
    multiply = elementwise("multiply", lambda xp, g, y: g * y,  lambda xp, g, x: g * x)

A rule says how the gradient ``g`` of the output becomes the gradient of one input. Its parameter names are its save
list: ``x, y, z`` (or ``w``) are the inputs, ``out`` the result, ``x_shape`` the shape of an input, and any name in the op's
``params`` a static argument. ``xp`` is the namespace to compute in: a backend's table on raw arrays, or ``lucid.ops``
on Tensors for derivatives of derivatives.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ..backends import backend_of, backend_of_type
from . import dtypes, modes
from .errors import DeviceError, DTypeError, ShapeError
from .graph import Node, Packed, make_node, next_seq, select
from .modes import NO_GRAD, current
from .tensor import Tensor, as_tensor, new_tensor, wrap
from .view import View, layout, new_view

__all__ = ["OPS", "Op", "apply", "elementwise", "linear", "multilinear", "nondifferentiable", "other", "view"]

INPUTS = ("x", "y", "z", "w", "v", "u")
OPS: dict[str, Op] = {}
Rule = Callable[..., Any]


def find_kernel(op: Op, array_type: type) -> Callable:
    """The op's kernel for arrays of this type, from the backend's table; kept in ``op.kernels``."""
    backend = backend_of_type(array_type)
    kernel = backend.kernel(op.name)
    if kernel is None:
        raise DeviceError(f"{op.name}: not available on {backend.name!r}; move the tensor with .to('cpu')")
    op.kernels[array_type] = kernel
    return kernel


class Op:
    """What the engine knows about an op. Made by a declarator, one per name, listed in ``OPS``."""

    __slots__ = (
        "arity", "call", "complex_form", "derivatives", "fast", "holomorphic", "joint", "jvp", "keep", "keep_out",
        "keeps_values", "kernels", "kind", "masks", "name", "node_name", "params", "private_out", "promote", "promote_from", "put", "rules", "wants_shapes",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        kind: str,
        derivatives: tuple[Rule, ...] = (),
        *,
        joint: Rule | None = None,
        arity: int | None = None,
        params: tuple[str, ...] = (),
        promote: str | None = "same",
        promote_from: int = 0,
        holomorphic: bool = True,
        jvp: Rule | None = None,
        put: Callable | None = None,
        node_name: str | None = None,
        private_out: bool = False,
    ):
        self.name, self.kind, self.derivatives, self.joint, self.params = name, kind, derivatives, joint, params
        self.promote, self.promote_from, self.holomorphic, self.jvp, self.put = (
            promote,
            promote_from,
            holomorphic,
            jvp,
            put,
        )
        self.private_out = private_out  # PyTorch keeps other things here: writing over the output must stay possible
        self.arity = arity if arity is not None else len(derivatives)
        self.node_name = node_name or "".join(w.capitalize() for w in name.split("_")) + "Backward0"
        wanted = [_wanted(rule) for rule in (derivatives if joint is None else (joint,))]
        names = {n for rule_names in wanted for n in rule_names}
        self.keep = tuple(n in names or "xs" in names for n in INPUTS)
        self.keep_out = "out" in names
        self.masks = None if joint is not None else tuple((tuple(n in w for n in INPUTS), "out" in w) for w in wanted)
        self.wants_shapes = "shapes" in names or any(n.endswith("_shape") and n[0] in INPUTS for n in names)
        self.keeps_values = self.keep_out or any(self.keep)
        self.rules = (
            None if joint is not None else tuple(self._bind(r, n) for r, n in zip(derivatives, wanted, strict=True))
        )
        self.kernels: dict[type, Callable] = {}  # array type -> kernel; a plain dict is the fastest look-up
        self.fast: frozenset = frozenset()
        self.complex_form: Op | None = None
        self.call: Callable[..., Any] = lambda *inputs: apply(self, inputs)

    def __repr__(self) -> str:
        return f"<op {self.name} ({self.kind})>"

    def keep_all(self, count: int) -> tuple[bool, ...]:
        """Which of ``count`` inputs are saved (an op of any number of inputs saves all or none)."""
        return self.keep[:count] if count <= len(self.keep) else (self.keep[0],) * count

    def kept(self, parents: Sequence[Node | None]) -> tuple[Sequence[bool], bool]:
        """Which inputs are saved, and whether the output is: what the rules of the inputs that require grad ask for."""
        if self.masks is None or len(parents) == 1:
            return self.keep_all(len(parents)), self.keep_out
        asked = [m for m, p in zip(self.masks, parents, strict=False) if p is not None]
        return [any(m[0][i] for m in asked) for i in range(len(parents))], any(m[1] for m in asked)

    def _source(self, name: str) -> str:
        """Where a rule's argument comes from: ``s`` is the node's saved tuple, ``p`` its static parameters."""
        if name in self.params:
            return f"p[{self.params.index(name)}]"
        if name == "out":
            return f"s[{self.arity}]"
        if name in INPUTS[: self.arity]:
            return f"s[{INPUTS.index(name)}]"
        if name.endswith("_shape") and name[0] in INPUTS[: self.arity]:
            return f"s[{self.arity + 1}][{INPUTS.index(name[0])}]"
        known = (*INPUTS[: self.arity], "out", "x_shape", *self.params)
        raise TypeError(f"op {self.name!r}: a rule asks for {name!r}; it can have xp, g and {', '.join(known)}")

    def _bind(self, rule: Rule, names: tuple[str, ...]) -> Rule:
        """The rule as ``f(xp, g, saved, params)``.

        Written out once per op, because picking arguments at run time costs 0.2 us; and at its first use, because
        writing out all of them would be a third of the time that ``import lucid`` takes.
        """
        sources = ", ".join(self._source(n) for n in names)  # now, so that a wrong name is an error at once

        def first(xp: Any, g: Any, s: tuple, p: tuple) -> Any:
            bound = eval(f"lambda xp, g, s, p: rule(xp, g, {sources})", {"rule": rule})
            assert self.rules is not None
            self.rules = tuple(bound if r is first else r for r in self.rules)
            return bound(xp, g, s, p)

        return first

    def vjp(self, xp: Any, node: Node, g: Any, saved: tuple, create_graph: bool) -> Sequence[Any]:
        """All input gradients at once, for ops whose gradients share work or whose inputs are many."""
        assert self.joint is not None
        n = len(node.parents)
        given: dict[str, Any] = dict(zip(self.params, node.params, strict=True))
        given.update(zip(INPUTS, saved[:n], strict=False))
        given["xs"], given["needs"] = saved[:n], tuple(p is not None for p in node.parents)
        if len(saved) > n:
            given["out"] = saved[n]
        if len(saved) > n + 1:
            given["shapes"] = saved[n + 1]
            given.update((f"{name}_shape", shape) for name, shape in zip(INPUTS, saved[n + 1], strict=False))
        return self.joint(xp, g, *(given[name] for name in _wanted(self.joint)))

    def conjugated(self) -> Op:
        """This op on complex arrays: for a holomorphic function the vjp is conj(rule(conj(g)))."""
        if self.complex_form is None:
            form = object.__new__(Op)
            for slot in Op.__slots__:
                setattr(form, slot, getattr(self, slot))
            if self.rules is not None:
                form.rules = tuple(
                    lambda xp, g, s, p, rule=rule: _conj(xp, rule(xp, xp.conj(g), s, p)) for rule in self.rules
                )
            else:
                joint = self.joint
                assert joint is not None
                form.joint = lambda xp, g, *a: [_conj(xp, r) for r in joint(xp, xp.conj(g), *a)]
                form.joint.names = ("xp", "g", *_wanted(joint))  # type: ignore[attr-defined]
            self.complex_form = form
        return self.complex_form


def _conj(xp: Any, g: Any) -> Any:
    return None if g is None else xp.conj(g)


@functools.cache
def _wanted(rule: Rule) -> tuple[str, ...]:
    names = getattr(rule, "names", None)  # of a wrapper: those of what it wraps
    if names is None:  # `inspect.signature` says the same and would double the time that `import lucid` takes
        code = rule.__code__
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    if names[:2] != ("xp", "g"):
        raise TypeError(f"a derivative rule starts with (xp, g, ...); got ({', '.join(names)})")
    return names[2:]


# ---- the general path: promotion, devices, watchers, transforms; every op can take it ---------------------------------

# 0-d arrays for Python scalars that repeat: NumPy spends twice as long on a float operand as on a 0-d array.
_scalars: dict[type, dict] = {float: {}, int: {}}


def apply(op: Op, inputs: Sequence[Any], params: tuple = ()) -> Any:
    """Run ``op`` on Tensors, arrays and Python numbers; record it if anything requires grad."""
    mode = current()
    if mode is not None and mode.watchers:
        return _watched(op, inputs, params, mode)
    return execute(op, coerce(op, inputs), params, mode)


def _watched(op: Op, inputs: Sequence[Any], params: tuple, mode: modes.Mode) -> Any:
    watch = mode.watchers[-1]
    modes.set_mode(mode.replace(watchers=mode.watchers[:-1]))
    try:
        return watch(op, inputs, params, lambda o=op, i=inputs, p=params: apply(o, i, p))
    finally:
        modes.set_mode(mode)


def coerce(op: Op, inputs: Sequence[Any]) -> list[Tensor]:
    """The inputs as Tensors of one device and, if the op wants it, one dtype."""
    tensors: list[Any] = [x if isinstance(x, Tensor) else None for x in inputs]
    for i, x in enumerate(inputs):
        if tensors[i] is None and not _is_number(x):
            if x is None or isinstance(x, str | bytes | dict | set):
                raise TypeError(f"{op.name}: argument {i + 1} must be a Tensor or a number, not {type(x).__name__}")
            tensors[i] = as_tensor(x)
    present = [t for t in tensors if t is not None]
    if not present:
        present = tensors = [as_tensor(x) for x in inputs]
    like = _one_device(op, present, tensors)
    if op.promote is None:
        return [as_tensor(x, like=like) if t is None else t for x, t in zip(inputs, tensors, strict=True)]
    first = op.promote_from  # the condition of `where` takes no part in promotion
    pairs = list(zip(inputs, tensors, strict=True))
    found = {None if t is None else t.dtype for _, t in pairs[first:]}
    target = (
        found.pop()
        if len(found) == 1 and None not in found
        else dtypes.result_type(
            *((dtypes.scalar_dtype(x), 0) if t is None else (t.dtype, 2 if t.shape else 1) for x, t in pairs[first:])
        )
    )
    assert target is not None
    if op.promote == "float" and target.category < dtypes.FLOAT:
        target = dtypes.get_default_dtype()
    result = [as_tensor(x, like=like) if t is None else t for x, t in pairs[:first]]
    for x, t in pairs[first:]:
        if t is None:
            t = as_tensor(x, dtype=target, like=like)
            cache = _scalars.get(type(x))
            if (
                cache is not None
                and (x or type(x) is int)
                and target is like.dtype
                and not hasattr(like.value, "level")
            ):
                if len(cache) > 4096:
                    cache.clear()
                cache[x, like.value.dtype, type(like.value)] = t.value
        elif t.dtype is not target:
            t = OPS["cast"].call(t, target, t.dtype)
        result.append(t)
    return result


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float | complex)


def _one_device(op: Op, present: list[Tensor], tensors: list[Any]) -> Tensor:
    """Check that all are on one device (a 0-d CPU tensor may join any other); return one that is there."""
    like = max(present, key=lambda t: (t.ndim > 0, t.device.type != "cpu"))
    kind = type(like.value)
    if all(type(t.value) is kind for t in present) and like.device.type == "cpu":
        return like
    where = like.device
    for i, t in enumerate(tensors):
        if t is not None and t.device != where:
            if t.ndim == 0 and t.device.type == "cpu":
                tensors[i] = OPS["to_device"].call(t, where, t.device)
            else:
                raise DeviceError(
                    f"{op.name}: expected all tensors to be on the same device, but found {where} and {t.device}; "
                    f"move one with .to({str(where)!r})"
                )
    return like


def execute(op: Op, tensors: Sequence[Tensor], params: tuple, mode: modes.Mode | None) -> Any:
    """Run the kernel on Tensors that fit together and record the node."""
    values = [t.value for t in tensors]
    first = values[0] if len(values) == 1 else max(values, key=_level)
    lead = type(first)
    if hasattr(first, "level"):  # inside jvp or vmap: the frame computes with Tensors, one level down
        tensors = first.adopt(tensors)
        values = [t.value for t in tensors]
        out = backend_of(first).run(op, values, params)  # type: ignore[attr-defined]
    else:
        kernel = op.kernels.get(lead) or find_kernel(op, lead)
        try:
            out = kernel(*values, *params)
        except Exception as problem:
            out = recover(op, values, params, problem)
    record = (mode is None or mode.record) and op.kind != "none"
    if type(out) is tuple:
        outs = tuple(backend_of(o).array(o) for o in out)
        node = _record(op, tensors, values, outs, params, mode) if record else None
        return tuple(
            wrap(o, None if node is None or not _is_inexact(o) else select(node, k, len(outs), o.shape))
            for k, o in enumerate(outs)
        )
    out = backend_of(out).array(out)
    node = _record(op, tensors, values, out, params, mode) if record else None
    if op.put is not None and backend_of(out).aliases(out, values[0]) and not _copies(op, tensors[0], params):
        return new_view(out, node, tensors[0], op, params, mode is None or mode.record)
    result = wrap(out, node)
    if mode is not None and mode.inference:
        result.__dict__["_inference"] = True
    return result


def _copies(op: Op, x: Tensor, params: tuple) -> bool:
    """Whether reshaping a view needs a copy, as after a transpose; only asked where arrays cannot tell (MLX)."""
    return (
        op.name == "reshape"
        and type(x) is View
        and not backend_of(x.value).writes_in_place
        and layout(x, (op, params)) is None
    )


def _level(value: Any) -> int:
    return getattr(value, "level", -1)


def _is_inexact(array: Any) -> bool:
    return wrap(array).dtype.category >= dtypes.FLOAT


def _record(
    op: Op, tensors: Sequence[Tensor], values: list, out: Any, params: tuple, mode: modes.Mode | None
) -> Node | None:
    parents = tuple(t.node for t in tensors)
    if all(p is None for p in parents):
        return None
    if type(out) is not tuple:
        category = wrap(out).dtype.category
        if category < dtypes.FLOAT:
            return None
        if category == dtypes.COMPLEX and op.holomorphic:
            op = op.conjugated()
    keep, keep_out = op.kept(parents)
    saved: Any = (*(v if k else None for v, k in zip(values, keep, strict=True)), out if keep_out else None)
    if op.wants_shapes:
        saved = (*saved, tuple(tuple(v.shape) for v in values))
    if mode is not None and mode.pack is not None and op.keeps_values:
        saved = Packed(mode.pack(saved, tensors))
    return make_node(op, parents, saved, params, () if type(out) is tuple else out.shape)


def recover(op: Op, values: Sequence[Any], params: tuple, problem: Exception) -> Any:
    """After a kernel failed: compute again without warnings if a warning was all, else raise an error that explains."""
    kind = type(values[0] if len(values) == 1 else max(values, key=_level))
    if isinstance(problem, KeyError) and kind not in op.kernels:  # the first call with arrays of this library
        kernel = find_kernel(op, kind)
        try:
            return kernel(*values, *params)
        except Exception as second:
            problem = second
    backend = backend_of(values[0])
    if isinstance(problem, RuntimeWarning):  # the user runs with -W error; torch does not warn here, nor do we
        with backend.quiet():
            return op.kernels[kind](*values, *params)
    if isinstance(problem, ShapeError | DTypeError | DeviceError | IndexError):
        raise problem.with_traceback(None)
    shapes = ", ".join(str(tuple(v.shape)) for v in values if hasattr(v, "shape"))
    names = ", ".join(str(wrap(v).dtype) for v in values if hasattr(v, "dtype"))
    if isinstance(problem, ValueError):
        if op.kind == "elementwise" and len(values) > 1:
            _explain_broadcast(op, values)
        raise ShapeError(f"{op.name}: {problem} (shapes {shapes}{_shown(op, params)})") from problem
    if (
        isinstance(problem, TypeError)
        and len({type(v) for v in values}) > 1
        and not any(hasattr(v, "level") for v in values)
    ):
        coerce(op, [wrap(v) for v in values])  # raises the error about devices
    if isinstance(problem, TypeError):
        raise DTypeError(f"{op.name}: not defined for {names}{_shown(op, params)} ({problem})") from problem
    if isinstance(problem, MemoryError):
        raise RuntimeError(f"{op.name}: out of memory (shapes {shapes}{_shown(op, params)})") from problem
    raise problem


def _shown(op: Op, params: tuple) -> str:
    return "".join(f", {name}={value!r}" for name, value in zip(op.params, params, strict=False))


def _explain_broadcast(op: Op, values: Sequence[Any]) -> None:
    shapes = [tuple(v.shape) for v in values]
    longest = max(len(s) for s in shapes)
    for back in range(1, longest + 1):
        sizes = {s[-back] for s in shapes if len(s) >= back} - {1}
        if len(sizes) > 1:
            listed = " and ".join(str(s) for s in shapes)
            raise ShapeError(
                f"{op.name}: shapes {listed} do not broadcast: sizes {sorted(sizes)} differ at dimension {longest - back} "
                "(counted in the longest shape); sizes must be equal or 1"
            ) from None


# ---- the fast paths: closures with everything looked up beforehand ------------------------------------------------------


def _one_input(op: Op) -> Callable:
    """``call(x)`` for ops of one tensor and no parameters."""
    keep_x, keep_out = op.keep[0], op.keep_out
    saves, fast, kernels = op.keeps_values, op.fast, op.kernels
    records = op.kind != "none"

    def call(x):  # type: ignore[no-untyped-def]
        mode = current()
        if not isinstance(x, Tensor) or (mode is not None and mode is not NO_GRAD):
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
                return apply(op, (x,))
            out = backend_of(out).array(out)
        t = new_tensor(Tensor)
        t.value = out
        t.grad = None
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


def _two_inputs(op: Op) -> Callable:
    """``call(x, y)`` for ops of two operands and no parameters: the hottest path of all, measured line by line.

    ``x.value`` is simply tried (an operand without it goes the general way), and two arrays of one dtype object are
    taken to be of one library; the kernel refuses the rare others, and ``recover`` says why.
    """
    keep_x, keep_y, keep_out = op.keep[0], op.keep[1], op.keep_out
    saves, fast, kernels = op.keeps_values, op.fast, op.kernels
    keep_both = keep_x and keep_y and not keep_out
    (x_keeps_x, x_keeps_y), x_keeps_out = op.kept((Ellipsis, None))  # type: ignore[arg-type]  # only x requires grad
    (y_keeps_x, y_keeps_y), y_keeps_out = op.kept((None, Ellipsis))  # type: ignore[arg-type]
    records = op.kind != "none"

    def call(x, y):  # type: ignore[no-untyped-def]
        mode = current()
        if mode is not None and mode is not NO_GRAD:
            return apply(op, (x, y)) if _defers(y) is None else NotImplemented
        try:
            xv = x.value
            dtype = xv.dtype
        except AttributeError:
            return apply(op, (x, y)) if _defers(y) is None else NotImplemented
        if type(y) is Tensor or isinstance(y, Tensor):
            yv = y.value
            y_parent = y.node
            if yv.dtype is not dtype or dtype not in fast:
                return apply(op, (x, y))
        else:
            cache = _scalars.get(type(y))
            if cache is None:
                return apply(op, (x, y)) if _defers(y) is None else NotImplemented
            yv = cache.get((y, dtype, type(xv)))
            if yv is None or (not y and type(y) is float) or dtype not in fast:
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
        t.grad = None
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
                    node.saved = (xv if x_keeps_x else None, yv if x_keeps_y else None, out if x_keeps_out else None)
                elif x_parent is None:
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


def _defers(y: Any) -> Any:
    """Whether an operand of a foreign class wants to handle the operator itself (it defines ``__radd__`` and so on)."""
    kind = type(y)
    if (
        kind.__module__ in ("builtins", "numpy")
        or isinstance(y, Tensor)
        or hasattr(y, "__array__")
        or hasattr(y, "__dlpack__")
    ):
        return None
    return getattr(kind, "__radd__", None) or getattr(kind, "__rmul__", None)


def _with_params(op: Op) -> Callable:
    """``call(x, *params)`` for ops of one tensor with static parameters, and for views."""
    kernels, fast, keep_x, keep_out = op.kernels, op.fast, op.keep[0], op.keep_out
    wants_shapes, is_view, records = op.wants_shapes, op.put is not None, op.kind != "none"
    saves = op.keeps_values or wants_shapes

    def call(x, *params):  # type: ignore[no-untyped-def]
        mode = current()
        if not isinstance(x, Tensor) or (mode is not None and mode is not NO_GRAD):
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
                return apply(op, (x,), params)
            out = backend_of(out).array(out)
        parent = x.node
        if parent is not None and mode is None and records:
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
        if is_view and backend_of_type(kind).aliases(out, value):
            return new_view(out, node, x, op, params, mode is None)
        t = new_tensor(Tensor)
        t.value = out
        t.grad = None
        t._version = 0
        t.node = node
        return t

    return call


def _several_inputs(op: Op) -> Callable:
    """``call(x, y, z)`` for ops of three or more tensors and no parameters; the last ones may be left out (a bias)."""
    kernels, keep, keep_out = op.kernels, op.keep, op.keep_out
    saves, records = op.keeps_values, op.kind != "none"

    def call(*xs):  # type: ignore[no-untyped-def]
        mode = current()
        first = xs[0]
        if not isinstance(first, Tensor) or (mode is not None and mode is not NO_GRAD):
            return apply(op, xs)
        value = first.value
        dtype, kind = value.dtype, type(value)
        if dtype not in op.fast:
            return apply(op, xs)
        values, parents, tracked = [value], [first.node], first.node is not None
        for x in xs[1:]:
            if not isinstance(x, Tensor):
                return apply(op, xs)
            v = x.value
            if v.dtype is not dtype or type(v) is not kind:
                return apply(op, xs)
            values.append(v)
            parents.append(x.node)
            tracked = tracked or x.node is not None
        kernel = kernels.get(kind) or find_kernel(op, kind)
        try:
            out = kernel(*values)
        except Exception as problem:
            out = recover(op, values, (), problem)
        if type(out) is not kind:
            out = backend_of(out).array(out)
        t = new_tensor(Tensor)
        t.value = out
        t.grad = None
        t._version = 0
        if tracked and mode is None and records:
            node = Node()
            node.op = op
            node.parents = parents
            if saves:
                saved = [v if k else None for v, k in zip(values, keep, strict=False)]
                saved.append(out if keep_out else None)
                node.saved = tuple(saved)
            else:
                node.saved = ()
            node.params = ()
            node.shape = out.shape
            node.seq = next_seq()
            node.extra = None
            t.node = node
        else:
            t.node = None
        return t

    return call


# ---- the declarators ----------------------------------------------------------------------------------------------------


def declare(name: str, kind: str, rules: tuple[Rule, ...], *, variadic: bool = False, **options: Any) -> Callable:
    """Make the Op and the function that runs it; the declarators below only name the kind."""
    if name in OPS:
        raise ValueError(f"an op named {name!r} exists already; choose another name")
    op = Op(name, kind, rules, **options)
    if op.promote is None:
        op.fast = REAL_AND_COMPLEX if kind == "none" else REAL
    else:
        op.fast = FLOATS if op.promote == "float" else REAL
    if variadic:
        op.call = lambda inputs, *params: apply(op, inputs, params)
    elif op.arity == 1:
        op.call = _with_params(op) if op.params or op.wants_shapes or op.put is not None else _one_input(op)
    elif op.arity == 2 and not op.params and not op.wants_shapes and op.joint is None:
        op.call = _two_inputs(op)
    elif op.arity > 2 and not op.params and not op.wants_shapes and op.joint is None and not op.promote_from:
        op.call = _several_inputs(op)
    else:
        n = op.arity
        op.call = lambda *args: apply(op, args[:n], args[n:])
    op.call.__name__ = op.call.__qualname__ = name
    op.call.op = op  # type: ignore[attr-defined, union-attr]
    OPS[name] = op
    return op.call


def elementwise(name: str, *rules: Rule, **options: Any) -> Callable:
    """Declare an op with a diagonal Jacobian; the engine undoes broadcasting and derives jvp and vmap."""
    return declare(name, "elementwise", rules, **options)


def linear(name: str, *rules: Rule, **options: Any) -> Callable:
    """Declare an op that is linear in its inputs together (reshape, sum, concat): its jvp is itself."""
    return declare(name, "linear", rules, **({"promote": None} | options))


def multilinear(name: str, *rules: Rule, **options: Any) -> Callable:
    """Declare an op that is linear in each input (matmul, conv): its jvp is a sum with one tangent at a time."""
    return declare(name, "multilinear", rules, **options)


def other(name: str, *rules: Rule, **options: Any) -> Callable:
    """Declare an op of no special kind; its jvp is made from two vjps unless ``jvp=`` gives a line."""
    return declare(name, "other", rules, **options)


def nondifferentiable(name: str, arity: int = 1, **options: Any) -> Callable:
    """Declare an op without a derivative (comparisons, argmax): its result never requires grad."""
    return declare(name, "none", (), **({"arity": arity} | options))


def view(name: str, rule: Rule, put: Callable, **options: Any) -> Callable:
    """Declare a linear op whose result shares memory with its input.

    ``put(xp, x, new, *params)`` is ``x`` with the viewed part replaced by ``new``: what writing through the view means.
    """
    return declare(name, "linear", (rule,), **({"promote": None, "put": put} | options))


def _native(*wanted: dtypes.dtype) -> frozenset:
    """The backends' own dtype objects of these dtypes, so that the fast paths need no conversion."""
    from ..backends import loaded

    return frozenset(b.native[d.name] for b in loaded() for d in wanted if d.name in b.native)


FLOATS = _native(dtypes.float32, dtypes.float64)
REAL = _native(*(d for d in dtypes.ALL if d.category != dtypes.COMPLEX))
REAL_AND_COMPLEX = _native(*dtypes.ALL)
