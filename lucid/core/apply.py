"""The general path of an op: promotion, devices, watchers, transforms, several outputs. Every op can take it."""

from __future__ import annotations

from collections.abc import Sequence
from math import copysign
from struct import pack, unpack
from typing import Any

from ..backends import backend_of
from . import dtypes, modes
from .errors import DeviceError, DTypeError, OutOfMemoryError, ShapeError
from .graph import Node, Packed, make_node, select
from .modes import current
from .record import FLOATS, HOST, OPS, Op, find_kernel
from .tensor import Tensor, as_tensor, new_tensor, wrap
from .view import View, layout, new_view

# 0-d arrays for Python scalars that repeat: NumPy spends twice as long on a float operand as on a 0-d array.
scalars: dict[type, dict] = {float: {}, int: {}}
held: dict[type, dict] = {float: {}, int: {}}  # those that 16 bits hold, for the ops of WITH_NUMBERS
WITH_NUMBERS = frozenset(("multiply", "divide", "floor_divide"))  # in float32 beside 16 bits


def apply(op: Op, inputs: Sequence[Any], params: tuple = ()) -> Any:
    """Run ``op`` on Tensors, arrays and Python numbers; record it if anything requires grad."""
    mode = current()
    if mode is not None and mode.watchers:
        return _watched(op, inputs, params, mode)
    if _fit(op, inputs):
        return execute(op, inputs, params, mode)
    known = _with_known_numbers(op, inputs)
    if known is not None:
        return execute(op, known, params, mode)
    if op.name in WITH_NUMBERS:
        wide = _in_single(op, inputs)
        if wide is not None:
            return wide
    try:
        tensors = coerce(op, inputs)
    except TypeError:
        from .overrides import foreign

        answer = foreign(op.call, None, (*inputs, *params))
        if answer is None:
            raise
        return answer[0]
    if op.real_only and any(t.dtype.category == dtypes.COMPLEX for t in tensors):
        raise DTypeError(f"{op.name}: not implemented for complex tensors")
    return execute(op, tensors, params, mode)


def _watched(op: Op, inputs: Sequence[Any], params: tuple, mode: modes.Mode) -> Any:
    watch = mode.watchers[-1]
    modes.set_mode(mode.replace(watchers=mode.watchers[:-1]))
    try:
        return watch(op, inputs, params, lambda o=op, i=inputs, p=params: apply(o, i, p))
    finally:
        modes.set_mode(mode)


def _fit(op: Op, inputs: Sequence[Any]) -> bool:
    """Whether these are tensors on the CPU whose dtypes need no promotion: the common case, decided quickly."""
    wanted, promotes = None, op.promote is not None
    for i, t in enumerate(inputs):
        if not isinstance(t, Tensor):
            return False
        value = t.value
        if type(value) is not HOST:
            return False
        if promotes and i >= op.promote_from:
            dtype = value.dtype
            if wanted is None:
                wanted = dtype
                if dtype not in op.fast:
                    return False
            elif dtype is not wanted:
                return False
    return promotes or not op.real_only


def _with_known_numbers(op: Op, inputs: Sequence[Any]) -> list[Tensor] | None:
    """The inputs with Python numbers as the 0-d tensors remembered for them, if that makes all of them fit."""
    like = next((t for t in inputs[op.promote_from :] if isinstance(t, Tensor)), None)
    if like is None or op.promote is None:
        return None
    found = []
    for i, x in enumerate(inputs):
        if not isinstance(x, Tensor):
            cache = (held if op.name in WITH_NUMBERS else scalars).get(type(x))
            if cache is None or i < op.promote_from or is_negative_zero(x):
                return None
            x = cache.get((x, like.value.dtype, type(like.value)))
            if x is None:
                return None
            x = wrap(x)
        found.append(x)
    return found if _fit(op, found) else None


def coerce(op: Op, inputs: Sequence[Any]) -> list[Tensor]:
    """The inputs as Tensors of one device and, if the op wants it, one dtype."""
    tensors: list[Any] = [x if isinstance(x, Tensor) else None for x in inputs]
    for i, x in enumerate(inputs):
        if tensors[i] is None and not _is_number(x):
            if not hasattr(x, "__array__") and not hasattr(x, "__dlpack__"):
                raise TypeError(f"{op.name}: argument {i + 1} must be a Tensor or a number, not {type(x).__name__}")
            if hasattr(x, "__setitem__") or not hasattr(x, "item"):
                tensors[i] = as_tensor(x)
            else:  # NumPy's scalars are numbers without a dtype
                inputs = [*inputs[:i], x.item(), *inputs[i + 1 :]]
        elif type(x) is int and not -(2**63) <= x < 2**64:
            raise OverflowError(f"{op.name}: {x} is too big for any integer dtype")
    present = [t for t in tensors if t is not None]
    if not present:
        raise TypeError(
            f"{op.name}: argument 1 must be a Tensor, not {type(inputs[0]).__name__ if inputs else 'missing'}"
        )
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
    if like.dtype is not target:  # the condition of `where`: numbers are remembered beside a tensor of their dtype
        like = next((t for _, t in pairs[first:] if t is not None and t.dtype is target), like)
    for x, t in pairs[first:]:
        if t is None:
            t = _number(x, target, like)
        elif t.dtype is not target:
            t = OPS["cast"].call(t, target, t.dtype)
        result.append(t)
    return result


def _number(x: Any, dtype: dtypes.dtype, like: Tensor) -> Tensor:
    """A Python number as a 0-d tensor, remembered if it has the dtype of the tensor that it meets."""
    cache = scalars.get(type(x))
    plain = cache is not None and dtype is like.dtype and not hasattr(like.value, "level")
    if not plain or is_negative_zero(x):
        return as_tensor(x, dtype=dtype, like=like)
    assert cache is not None
    key = (x, like.value.dtype, type(like.value))
    known = cache.get(key)
    if known is not None:
        return wrap(known)
    if len(cache) > 4096:
        cache.clear()
        held[type(x)].clear()
    made = as_tensor(x, dtype=dtype, like=like)
    cache[key] = made.value
    if _holds(dtype, x):
        held[type(x)][key] = made.value
    return made


def _holds(dtype: dtypes.dtype, number: Any) -> bool:
    """Whether a number has so few digits that 16 bits hold it; of other dtypes it is not asked."""
    if dtype.itemsize != 2 or dtype.category != dtypes.FLOAT:
        return True
    try:
        number = float(number)
        if dtype.name == "float16":
            return bool(unpack("<e", pack("<e", number))[0] == number)
        return bool(unpack("<f", b"\0\0" + pack("<f", number)[2:])[0] == number)
    except OverflowError:
        return False


def _in_single(op: Op, inputs: Sequence[Any]) -> Tensor | None:
    """16 bits beside a number that they cannot hold, such as 1e-8: computed in float32 and rounded once, as in PyTorch."""
    x, y = inputs
    t, number = (x, y) if isinstance(x, Tensor) else (y, x)
    if type(number) not in scalars or not isinstance(t, Tensor) or _holds(t.dtype, number):
        return None
    cast = OPS["cast"].call
    wide = cast(t, dtypes.float32, t.dtype)
    result = op.call(*((wide, number) if t is x else (number, wide)))
    return cast(result, t.dtype, dtypes.float32)  # type: ignore[no-any-return]


def is_negative_zero(x: Any) -> bool:
    """Whether this is -0.0, which a dict takes for 0.0."""
    return type(x) is float and x == 0 and copysign(1.0, x) < 0


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
    first = values[0]
    for value in values:
        if type(value) is not HOST:
            first = max(values, key=_level)
            break
    lead = type(first)
    if lead is not HOST and hasattr(
        first, "level"
    ):  # inside jvp or vmap: the frame computes with Tensors, one level down
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
        outs = tuple([o if type(o) is HOST else backend_of(o).array(o) for o in out])
        node = _record(op, tensors, values, outs, params, mode) if record else None
        results = []
        for k, o in enumerate(outs):
            made = new_tensor(Tensor)
            made.value, made._grad = o, None
            made._version = 0 if mode is None or not mode.inference else modes.UNCOUNTED
            tracked = node is not None and (o.dtype in FLOATS or is_inexact(o))
            made.node = select(node, k, len(outs), o.shape) if tracked else None  # type: ignore[arg-type]
            results.append(made)
        return tuple(results)
    if type(out) is not HOST:
        out = backend_of(out).array(out)
    node = _record(op, tensors, values, out, params, mode) if record else None
    if (
        op.put is not None
        and op.kind != "elementwise"
        and backend_of(out).aliases(out, values[0])
        and not _copies(op, tensors[0], params)
    ):
        tracks = mode is None or mode.record or (None if mode.inference else False)
        return new_view(out, node, tensors[0], op, params, tracks)
    result = new_tensor(Tensor)
    result.value, result.node, result._grad = out, node, None
    result._version = 0 if mode is None or not mode.inference else modes.UNCOUNTED
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


def is_inexact(array: Any) -> bool:
    return wrap(array).dtype.category >= dtypes.FLOAT


def _record(
    op: Op, tensors: Sequence[Tensor], values: list, out: Any, params: tuple, mode: modes.Mode | None
) -> Node | None:
    parents = tuple([t.node for t in tensors])  # a list: a generator takes twice as long
    if not any(parents):
        return None
    if type(out) is not tuple and out.dtype not in FLOATS:
        category = wrap(out).dtype.category
        if category < dtypes.FLOAT:
            return None
        if category == dtypes.COMPLEX and op.holomorphic:
            op = op.conjugated()
    saved: Any = ()
    if op.keeps_values:
        keep, keep_out = op.kept(parents)
        for t, p, k in zip(tensors, parents, keep, strict=True):
            if k and p is None and t._version < 0:
                refuse_inference(op, t)
        saved = (*[v if k else None for v, k in zip(values, keep, strict=True)], out if keep_out else None)
    if op.wants_shapes:
        saved = (*(saved or (None,) * (len(values) + 1)), tuple([tuple(v.shape) for v in values]))
    if mode is not None and mode.pack is not None and op.keeps_values:
        saved = Packed(mode.pack(saved, tensors))
    return make_node(op, parents, saved, params, () if type(out) is tuple else out.shape)


def refuse_inference(op: Op, x: Tensor) -> None:
    raise RuntimeError(
        f"{op.name}: Inference tensors cannot be saved for backward: an input of shape {tuple(x.shape)} was made inside "
        "inference_mode; make a clone() of it outside and use that"
    )


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
        why = "" if "ufunc" in str(problem) or "numpy" in str(problem) else f" ({problem})"
        raise DTypeError(f"{op.name}: not defined for {names}{_shown(op, params)}{why}") from problem
    if isinstance(problem, MemoryError):
        raise OutOfMemoryError(f"{op.name}: out of memory (shapes {shapes}{_shown(op, params)})") from problem
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
            met = [s[-back] for s in shapes if len(s) >= back and s[-back] in sizes]
            b = next(size for size in met if size != met[0])
            raise ShapeError(
                f"{op.name}: shapes {listed} do not broadcast: sizes {sorted(sizes)} differ at dimension {longest - back} "
                f"(counted in the longest shape); sizes must be equal or 1. The size of tensor a ({met[0]}) must match the "
                f"size of tensor b ({b}) at non-singleton dimension {longest - back}"
            ) from None
