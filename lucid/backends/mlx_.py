"""MLX: the Apple GPU on a Mac, the CPU build elsewhere.

Natively: elementwise ops, reductions, shapes, indexing, products, convolution. What MLX lacks (sorting with PyTorch's
guarantees, ``nonzero``, pooling, factorisations, special functions) goes through NumPy and back, which waits for the
device. Arrays are never written in place: a write puts a new array into the tensor, and views follow (core/view.py).
"""

from __future__ import annotations

import contextlib
import math
import threading
import weakref
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from .base import Backend, load
from .composed import complete

try:
    import mlx.core as mx
except ImportError:
    raise ImportError("the 'mlx' device needs MLX: pip install lucid[mlx]") from None

ON_GPU = mx.metal.is_available() and mx.default_device().type == mx.DeviceType.gpu
STAGE = (
    256  # MLX's CPU sums float32 one by one, so that long sums lose digits: sums of more than STAGE^2 are made of sums
)
NATIVE = {
    "bool": mx.bool_, "uint8": mx.uint8, "uint16": mx.uint16, "uint32": mx.uint32, "uint64": mx.uint64, "int8": mx.int8,
    "int16": mx.int16, "int32": mx.int32, "int64": mx.int64, "float16": mx.float16, "bfloat16": mx.bfloat16,
    "float32": mx.float32, "complex64": mx.complex64,
}  # fmt: skip
if not ON_GPU:
    NATIVE["float64"] = mx.float64
INTEGERS = {mx.bool_, mx.uint8, mx.uint16, mx.uint32, mx.uint64, mx.int8, mx.int16, mx.int32, mx.int64}


def native(dtype: Any) -> Any:
    if isinstance(dtype, mx.Dtype):
        return dtype
    found = NATIVE.get(dtype.name)
    if found is None:
        if dtype.name == "float64":
            raise TypeError("float64 is not available on the Apple GPU: use float32, or keep this tensor on the CPU")
        raise TypeError(f"dtype {dtype.name} is not available on 'mlx': it has {', '.join(NATIVE)}")
    return found


def to_host(x: Any) -> np.ndarray:
    """A NumPy array of its own: a zero-copy one would be overwritten when MLX reuses the memory."""
    if x.dtype == mx.bfloat16:
        import ml_dtypes

        return np.array(x.astype(mx.float32)).astype(ml_dtypes.bfloat16)
    return np.array(x)


def from_host(host: np.ndarray) -> Any:
    name = "complex64" if host.dtype.name == "complex128" else host.dtype.name
    if name == "bfloat16":
        return mx.array(host.astype(np.float32)).astype(mx.bfloat16)
    return mx.array(np.ascontiguousarray(host).reshape(host.shape), dtype=native(np.dtype(name)))


# ---- through NumPy and back ----


def _down(value: Any) -> Any:
    if isinstance(value, mx.array):
        return to_host(value)
    return type(value)(_down(v) for v in value) if type(value) in (tuple, list) else value


def _up(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return from_host(np.asarray(value))
    return tuple(_up(v) for v in value) if isinstance(value, tuple) else value


def through_host(name: str) -> Callable:
    kernel = getattr(load("cpu").table, name)

    def run(*args: Any, **kwargs: Any) -> Any:
        with np.errstate(all="ignore"):
            return _up(kernel(*(_down(a) for a in args), **{k: _down(v) for k, v in kwargs.items()}))

    run.__name__ = name
    return run


def _or_host(name: str, fits: Callable[..., bool], kernel: Callable) -> Callable:
    """The native kernel where it is right, NumPy's elsewhere."""
    other = through_host(name)

    def run(*args: Any, **kwargs: Any) -> Any:
        return kernel(*args, **kwargs) if fits(*args, **kwargs) else other(*args, **kwargs)

    return run


def _inexact(x: Any, *others: Any, **named: Any) -> bool:
    return x.dtype not in INTEGERS


# ---- creation and conversion ----


def zeros(shape: Any, dtype: Any, index: int = 0) -> Any:
    return mx.zeros(shape, native(dtype))


def ones(shape: Any, dtype: Any, index: int = 0) -> Any:
    return mx.ones(shape, native(dtype))


def full(shape: Any, value: Any, dtype: Any, index: int = 0) -> Any:
    return mx.full(shape, mx.array(value, native(dtype)))


def zeros_of(shape: Any, like: Any) -> Any:
    return mx.zeros(shape, like.dtype)


def _on_cpu_first(name: str) -> Callable:
    kernel = getattr(load("cpu").table, name)
    return lambda *args: from_host(kernel(*args))


def cast(x: Any, dtype: Any, source: Any = None) -> Any:
    wanted = native(dtype)
    return (mx.real(x) if x.dtype == mx.complex64 and wanted != mx.complex64 else x).astype(wanted)


def to_device(x: Any, target: Any, source: Any = None) -> Any:
    return x if target.type == "mlx" else load(target.type).from_host(to_host(x), target.index or 0)


# ---- elementwise ----


def sign(x: Any) -> Any:
    return mx.where(mx.isnan(x), mx.zeros_like(x), mx.sign(x)) if _inexact(x) else mx.sign(x)


def sgn(x: Any) -> Any:
    return mx.sign(x) if x.dtype == mx.complex64 else sign(x)


def trunc(x: Any) -> Any:
    return mx.where(x < 0, mx.ceil(x), mx.floor(x))


def relu(x: Any) -> Any:
    return mx.maximum(x, 0)


def relu_grad(g: Any, x: Any) -> Any:
    return mx.where(x <= 0, mx.zeros_like(g), g)


def round_to(x: Any, decimals: int = 0) -> Any:
    return mx.round(x, decimals)


# ---- reductions ----


def _axes(x: Any, axis: Any) -> tuple[int, ...]:
    return tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)


def sum(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    if dtype is not None:
        x = x.astype(native(dtype))
    elif x.dtype in INTEGERS:
        x = x.astype(mx.int64)
    axes = _axes(x, axis)
    if x.dtype == mx.float32 and not ON_GPU and math.prod(x.shape[a] for a in axes) > STAGE * STAGE:
        return _sum_in_stages(x, tuple(a % x.ndim for a in axes), keepdims)
    return mx.sum(x, axis, keepdims=keepdims)


def _sum_in_stages(x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    """A long sum as sums of short ones."""
    kept = [i for i in range(x.ndim) if i not in axes]
    shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes)
    x = mx.transpose(x, (*kept, *axes)).reshape(*(x.shape[i] for i in kept), -1)
    while x.shape[-1] > STAGE:
        whole = x.shape[-1] // STAGE * STAGE
        parts = mx.sum(x[..., :whole].reshape(*x.shape[:-1], -1, STAGE), -1)
        x = parts if whole == x.shape[-1] else mx.concatenate([parts, x[..., whole:]], -1)
    return mx.sum(x, -1).reshape(shape)


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    count = math.prod(x.shape[a] for a in _axes(x, axis))
    return sum(x, axis, keepdims) / count


def var(x: Any, axis: Any, correction: float, keepdims: bool = False) -> Any:
    centred = x - mean(x, axis, True)
    free = math.prod(x.shape[a] for a in _axes(x, axis)) - correction
    return sum(centred * centred, axis, keepdims) / (free if free > 0 else 0.0)


def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    x = x.astype(native(dtype)) if dtype is not None else x.astype(mx.int64) if x.dtype in INTEGERS else x
    return mx.prod(x, axis, keepdims=keepdims)


def amax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return mx.max(x, axis, keepdims=keepdims)


def amin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return mx.min(x, axis, keepdims=keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return mx.any(x.astype(mx.bool_), axis, keepdims=keepdims)


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return mx.all(x.astype(mx.bool_), axis, keepdims=keepdims)


def argmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return mx.argmax(x, axis, keepdims=keepdims).astype(mx.int64)


def argmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return mx.argmin(x, axis, keepdims=keepdims).astype(mx.int64)


def cumulative_sum(x: Any, axis: int) -> Any:
    return mx.cumsum(x.astype(mx.int64) if x.dtype in INTEGERS else x, axis) if x.ndim else x


def cumulative_prod(x: Any, axis: int) -> Any:
    return mx.cumprod(x.astype(mx.int64) if x.dtype in INTEGERS else x, axis) if x.ndim else x


def softmax(x: Any, axis: int) -> Any:
    return mx.softmax(x, axis, precise=True)


def log_softmax(x: Any, axis: int) -> Any:
    return x - mx.logsumexp(x, axis, keepdims=True)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return mx.logsumexp(x, axis, keepdims=keepdims)


# ---- shape and index ----
# lucid.functions raises IndexError for what is out of range, except inside vmap and jvp, where it cannot look. MLX would
# then read and write foreign memory, so every index is clamped too.


def _inside(indices: Any, n: int) -> Any:
    return mx.clip(indices, -n, n - 1) if n else indices


def _safe(shape: Any, index: Any) -> tuple:
    """An index for an array of this shape, with its index arrays (one for each dimension) clamped."""
    index = index if isinstance(index, tuple) else (index,)
    if Ellipsis in [k for k in index if not isinstance(k, mx.array)]:
        return index
    safe: list[Any] = []
    d = 0
    for k in index:
        if k is None:
            safe.append(k)
            continue
        safe.append(_inside(k, shape[d]) if isinstance(k, mx.array) and k.dtype != mx.bool_ else k)
        d += k.ndim if isinstance(k, mx.array) and k.dtype == mx.bool_ else 1
    return tuple(safe)


def reshape(x: Any, shape: Any) -> Any:
    return mx.reshape(x, shape)


def permute_dims(x: Any, axes: Any) -> Any:
    return mx.transpose(x, axes) if x.ndim else x


def matrix_transpose(x: Any) -> Any:
    return mx.swapaxes(x, -1, -2)


def broadcast_to(x: Any, shape: Any) -> Any:
    return mx.broadcast_to(x, shape)


def concat(*xs: Any) -> Any:
    *arrays, axis = xs
    return mx.concatenate(arrays, axis)


def take_slice(x: Any, axis: int, start: int, stop: int) -> Any:
    return x[(slice(None),) * axis + (slice(start, stop),)]


def flip(x: Any, axis: Any) -> Any:
    return x[tuple(slice(None, None, -1) if i in axis else slice(None) for i in range(x.ndim))] if x.ndim else x


def getitem(x: Any, index: tuple) -> Any:
    return x[index] if index else x


def setitem(x: Any, new: Any, index: tuple) -> Any:
    out = mx.array(x)
    out[_safe(x.shape, index) if index else ...] = new
    return out


def place(x: Any, shape: Any, index: tuple) -> Any:
    return setitem(mx.zeros(shape, x.dtype), x, index)


def index_put(x: Any, value: Any, index: tuple) -> Any:
    return setitem(x, value, index)


def index_put_add(x: Any, value: Any, index: tuple) -> Any:
    return x.at[_safe(x.shape, index)].add(value)


def place_add(g: Any, shape: Any, index: tuple) -> Any:
    return mx.zeros(shape, g.dtype).at[_safe(shape, index)].add(g)


def _corner(x: Any, indices: Any, axis: int) -> Any:
    """The part of ``x`` that smaller indices refer to, so that MLX does not broadcast them."""
    return x[tuple(slice(None) if i == axis else slice(n) for i, n in enumerate(indices.shape))]


def take_along_axis(x: Any, indices: Any, axis: int) -> Any:
    return mx.take_along_axis(_corner(x, indices, axis), _inside(indices, x.shape[axis]), axis) if x.ndim else x


def _grids(indices: Any, axis: int) -> tuple:
    n = indices.ndim
    grids = [mx.arange(s).reshape([-1 if j == i else 1 for j in range(n)]) for i, s in enumerate(indices.shape)]
    grids[axis] = indices
    return tuple(grids)


def scatter_add(x: Any, indices: Any, source: Any, axis: int) -> Any:
    if not x.ndim:
        return x + mx.sum(source)
    return x.at[_grids(_inside(indices, x.shape[axis]), axis)].add(source) if indices.size else x


# ---- products ----


def matmul(x: Any, y: Any) -> Any:
    return mx.matmul(x, y)


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    return x @ weight.T if bias is None else mx.addmm(bias, x, weight.T)


# ---- convolution: MLX has the channels last ----


def _last(x: Any) -> Any:
    return mx.moveaxis(x, 1, -1)


def _convolve(x: Any, w: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    low, high = [p[0] for p in padding], [p[1] for p in padding]
    out = mx.conv_general(_last(x), _last(w), list(stride), (low, high), list(dilation), 1, groups)
    return mx.moveaxis(out, -1, 1)


def _conv_fits(x: Any, w: Any, *rest: Any) -> bool:
    return x.dtype in (mx.float32, mx.float16, mx.bfloat16) and (x.ndim < 5 or rest[-1] == 1) and x.size > 0


def _conv_input_grad(g: Any, w: Any, sizes: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    x = mx.zeros((g.shape[0], w.shape[1] * groups, *sizes), g.dtype)
    return mx.vjp(lambda v: _convolve(v, w, stride, padding, dilation, groups), [x], [g])[1][0]


def _conv_weight_grad(x: Any, g: Any, sizes: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    w = mx.zeros((g.shape[1], x.shape[1] // groups, *sizes), x.dtype)
    return mx.vjp(lambda v: _convolve(x, v, stride, padding, dilation, groups), [w], [g])[1][0]


def channel_sum(x: Any) -> Any:
    return mx.sum(x, tuple(i for i in range(x.ndim) if i != 1))


SAME = """negative exp expm1 log log1p log2 log10 sqrt rsqrt square reciprocal sin cos tan sinh cosh tanh floor ceil
    sigmoid erf erfinv isnan isinf isfinite logical_not add subtract multiply divide maximum minimum logaddexp equal
    not_equal less less_equal greater greater_equal logical_and logical_or bitwise_and bitwise_or bitwise_xor where clip
    zeros_like ones_like roll real imag abs expand_dims tril triu""".split()
RENAMED = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
    "atan2": "arctan2", "pow": "power", "conj": "conjugate", "bitwise_left_shift": "left_shift",
    "bitwise_right_shift": "right_shift",
}  # fmt: skip
# In float64 these are only float32-accurate on MLX's CPU, and exp overflows at 88: NumPy's are right.
NARROW = ("exp", "sin", "cos", "sigmoid", "erf", "erfinv", "logaddexp", "softmax", "log_softmax", "logsumexp")

REDUCTIONS = """sum mean var prod amax amin any all argmax argmin cumulative_sum cumulative_prod softmax log_softmax logsumexp
    channel_sum""".split()

def _table() -> SimpleNamespace:
    table = {name: getattr(mx, name) for name in SAME} | {name: getattr(mx, theirs) for name, theirs in RENAMED.items()}
    own = ("zeros ones full zeros_of cast to_device sign trunc relu relu_grad round_to sum mean var prod amax amin any all "
           "argmax argmin cumulative_sum cumulative_prod softmax log_softmax logsumexp reshape permute_dims matrix_transpose "
           "broadcast_to concat take_slice flip getitem setitem place index_put index_put_add place_add take_along_axis "
           "scatter_add linear channel_sum").split()  # fmt: skip
    table.update({name: globals()[name] for name in own})
    table["index"] = lambda x, index: x[_safe(x.shape, index)]
    table["positive"] = table["copy"] = mx.array
    table["empty"] = zeros
    for name in ("arange", "linspace", "eye"):
        table[name] = _on_cpu_first(name)
    for name in NARROW:
        table[name] = _or_host(name, lambda x, *rest, **named: x.dtype != NATIVE.get("float64"), table[name])
    for name in REDUCTIONS:  # MLX 0.32 waits for ever, now and then, for the sum of an empty array
        table[name] = _or_host(name, lambda x, *rest, **named: x.size > 0, table[name])
    table["pow"] = _or_host("pow", lambda x, y: _inexact(x), table["pow"])
    table["remainder"] = _or_host("remainder", _inexact, mx.remainder)
    table["floor_divide"] = _or_host("floor_divide", _inexact, lambda x, y: mx.floor(x / y))
    table["matmul"] = _or_host("matmul", lambda x, y: _inexact(x) and x.size > 0 and y.size > 0, matmul)
    table["conv"] = _or_host("conv", _conv_fits, _convolve)
    table["conv_input_grad"] = _or_host("conv_input_grad", _conv_fits, _conv_input_grad)
    table["conv_weight_grad"] = _or_host("conv_weight_grad", _conv_fits, _conv_weight_grad)
    made = SimpleNamespace(**table)
    complete(made)
    for name in vars(load("cpu").table):
        if not hasattr(made, name):
            setattr(made, name, through_host(name))
    return made


class Key:
    """A stream of random numbers: MLX's key, split at each draw."""

    def __init__(self, seed: int):
        self.key = mx.random.key(seed)

    def next(self) -> Any:
        self.key, now = mx.random.split(self.key)
        return now


def _integers(g: Key, low: int, high: int, shape: Any, dtype: Any) -> Any:
    return mx.random.randint(low, high, shape, mx.int64, key=g.next()).astype(native(dtype))


def _through_numpy(name: str) -> Callable:
    """A distribution that MLX lacks, from a NumPy generator seeded by the key."""
    from . import numpy_random

    def run(g: Key, *args: Any) -> Any:
        seed = int(mx.random.bits(key=g.next()).item())  # type: ignore[operator]
        return from_host(
            np.asarray(getattr(numpy_random, name)(numpy_random.generator(seed), *(_down(a) for a in args)))
        )

    return run


RANDOM = SimpleNamespace(
    generator=lambda seed, index=0: Key(seed),
    get_state=lambda g: {"key": g.key.tolist()},
    set_state=lambda g, state: setattr(g, "key", mx.array(state["key"], dtype=mx.uint32)),
    uniform=lambda g, shape, dtype: mx.random.uniform(shape=shape, key=g.next()).astype(native(dtype)),
    normal=lambda g, shape, dtype: mx.random.normal(shape, key=g.next()).astype(native(dtype)),
    integers=_integers,
    permutation=lambda g, n, dtype: mx.random.permutation(n, key=g.next()).astype(native(dtype)),
    **{name: _through_numpy(name) for name in ("exponential", "poisson", "binomial", "gamma")},
)


class Pending(threading.local):
    """What this thread has computed and nobody has asked for yet.

    MLX records ops and computes when a value is looked at. An array that is carried from step to step and never looked
    at (a running mean, ``total += loss.detach()``) would hold the graph, and so the data, of every step. Therefore all
    results are remembered weakly, and those still alive are evaluated together: at the end of each optimizer step, and
    whenever ``LIMIT`` ops have been recorded. Dead ones (most: intermediate results) cost nothing.
    """

    LIMIT = 256

    def __init__(self) -> None:
        self.refs: list[weakref.ref] = []
        self.eager = threading.current_thread() is not threading.main_thread()

    def evaluate(self, *more: Any) -> None:
        alive = [array for array in (ref() for ref in self.refs) if array is not None]
        self.refs.clear()
        try:
            mx.eval(alive, *more)
        except ValueError:  # inside mx.compile or mx.vjp nothing can be evaluated, nor need be; the rest can
            for array in alive:
                with contextlib.suppress(ValueError):
                    mx.eval(array)


class MlxBackend(Backend):
    name = "mlx"
    array_types = (mx.array,)
    native = NATIVE
    writes_in_place = False
    caps = SimpleNamespace(float64=not ON_GPU, complex128=False, mask_read=False, aliases=False)

    def __init__(self) -> None:
        super().__init__()
        self.table = _table()
        self.random = RANDOM
        self.pending = Pending()

    def native_dtype(self, name: str) -> Any:
        return native(SimpleNamespace(name=name))

    def array(self, value: Any) -> Any:
        """Every result of an op comes by here: remembered for the next evaluation, see ``Pending``.

        In a thread other than the main one it is evaluated at once: MLX cannot do so later in another thread.
        """
        value = value if isinstance(value, mx.array) else mx.array(value)
        pending = self.pending
        pending.refs.append(weakref.ref(value))
        if pending.eager or len(pending.refs) >= pending.LIMIT:
            pending.evaluate()
        return value

    def from_host(self, host: np.ndarray, index: int = 0, copy: bool = False) -> Any:
        if host.dtype.name == "complex128":
            raise TypeError("complex128 is not available on 'mlx': use complex64, or keep this tensor on the CPU")
        return from_host(host)

    def to_host(self, array: Any) -> np.ndarray:
        return to_host(array)

    def copy(self, array: Any) -> Any:
        return self.array(mx.array(array))

    def own(self, array: Any) -> Any:
        return self.array(array)  # never written in place, so sharing is safe

    def add_into(self, total: Any, array: Any) -> Any:
        return self.array(total + array)

    def synchronize(self) -> None:
        self.pending.evaluate()
        mx.synchronize()

    def apply_update(
        self, rule: Callable, params: Sequence[Any], grads: Sequence[Any], states: Sequence[Sequence[Any]],
        scalars: dict[str, Any], cache: dict | None = None,
    ) -> tuple[Sequence[Any], Sequence[Sequence[Any]]]:  # fmt: skip
        """The rule on each parameter, and one evaluation of everything at the end of the step."""
        results = super().apply_update(rule, params, grads, states, scalars, cache)
        self.pending.evaluate(results)
        return results


def backend() -> MlxBackend:
    return MlxBackend()
