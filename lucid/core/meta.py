"""The device ``"meta"``: tensors that are a shape and a dtype, without memory.

A large model can be built there in no time, and then take its parameters over from a file (``load_state_dict(assign=True)``)
or get memory (``to_empty``). Elementwise ops and products only work out the result's shape; the other kernels are NumPy's, run
on one zero that is shown again and again, so that they take their time and the shape is the one that they really return.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from ..backends import Backend, load
from .errors import LinAlgError
from .record import OPS

HOST = load("cpu")
DEPENDS_ON_VALUES = frozenset(
    "bincount bincount_weighted masked_gather mode_index multinomial_indices nonzero unique unique_consecutive".split()
)
REDUCTIONS = frozenset("all amax amin any argmax argmin logsumexp mean mean_square prod sum var".split())


class Meta:
    """An array without contents."""

    __slots__ = ("__weakref__", "dtype", "shape")

    def __init__(self, shape: Any, dtype: Any):
        self.shape, self.dtype = tuple(shape), dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def shown(self, shape: Any = None) -> Any:
        """A NumPy array of this dtype: one zero, repeated by strides."""
        shape = self.shape if shape is None else tuple(shape)
        zero = HOST.table.zeros((), self.dtype)
        return HOST.table.broadcast_to(zero, shape) if 0 not in shape else HOST.table.zeros(shape, self.dtype)

    def invertible(self) -> Any:
        """The same, of identity matrices where this could be matrices that are to be factored."""
        if self.ndim < 2 or self.shape[-1] != self.shape[-2] or not self.size:
            return self.shown()
        return HOST.table.broadcast_to(HOST.table.eye(self.shape[-1], self.shape[-1], self.dtype), self.shape)

    def __repr__(self) -> str:
        return f"..., size={self.shape}"


def _broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    sizes = []
    for column in itertools.zip_longest(*(s[::-1] for s in shapes), fillvalue=1):
        wide = set(column) - {1}
        if len(wide) > 1:
            raise ValueError(f"shapes {shapes} do not broadcast")
        sizes.append(wide.pop() if wide else 1)
    return tuple(sizes[::-1])


def _down(value: Any, show: Callable = Meta.shown) -> Any:
    if isinstance(value, Meta):
        return show(value)
    return type(value)(_down(v, show) for v in value) if type(value) in (tuple, list) else value


def _up(value: Any) -> Any:
    if type(value) is tuple:
        return tuple(map(_up, value))
    return Meta(value.shape, value.dtype) if hasattr(value, "dtype") else value


def _on_zeros(name: str) -> Callable:
    kernel = getattr(HOST.table, name)

    def run(*args: Any, **kwargs: Any) -> Any:
        if name in DEPENDS_ON_VALUES:
            raise NotImplementedError(f"{name}: the shape of the result depends on values, and meta tensors have none")
        with HOST.quiet():
            try:
                return _up(kernel(*_down(args), **kwargs))
            except LinAlgError:  # zeros have no inverse
                return _up(kernel(*_down(args, Meta.invertible), **kwargs))

    return run


def _elementwise(name: str) -> Callable:
    """Run on one element, which gives the dtype; the shape is that of broadcasting."""
    kernel = getattr(HOST.table, name)

    def run(*args: Any, **kwargs: Any) -> Any:
        shape = _broadcast(*(a.shape for a in args if isinstance(a, Meta)))
        with HOST.quiet():
            out = kernel(*(a.shown((1,) * a.ndim) if isinstance(a, Meta) else a for a in args), **kwargs)
        return tuple(Meta(shape, o.dtype) for o in out) if type(out) is tuple else Meta(shape, out.dtype)

    return run


def _reduction(name: str) -> Callable:
    """Run on one element along the axes that are reduced."""
    kernel = getattr(HOST.table, name)

    def run(x: Meta, axis: Any = None, *args: Any, **kwargs: Any) -> Meta:
        axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        gone = {a % max(x.ndim, 1) for a in axes}
        few = x.shown([min(n, 1) if d in gone else n for d, n in enumerate(x.shape)])
        return _up(kernel(few, axis, *args, **kwargs))

    return run


def _matmul(x: Meta, y: Meta) -> Meta:
    a, b = x.shape, y.shape
    rows, columns = a[-2:-1] if len(a) > 1 else (), b[-1:] if len(b) > 1 else ()
    return Meta((*_broadcast(a[:-2], b[:-2]), *rows, *columns), x.dtype)


def _linear(x: Meta, weight: Meta, bias: Any = None) -> Meta:
    return Meta((*x.shape[:-1], weight.shape[0]), x.dtype)


def _creation(shape: Any, *value_and_dtype: Any) -> Meta:
    *_, dtype, _index = value_and_dtype if isinstance(value_and_dtype[-1], int) else (*value_and_dtype, 0)
    return Meta(shape if isinstance(shape, tuple | list) else (shape,), HOST.native_dtype(dtype.name))


def _like(x: Meta, *_: Any) -> Meta:
    return Meta(x.shape, x.dtype)


KERNELS: dict[str, Callable] = {
    "matmul": _matmul, "linear": _linear, "zeros": _creation, "ones": _creation, "empty": _creation, "full": _creation,
    "zeros_like": _like, "ones_like": _like, "copy": _like, "zeros_of": lambda shape, like: Meta(shape, like.dtype),
    "cast": lambda x, dtype, source=None: Meta(x.shape, HOST.native_dtype(dtype.name)),
    "to_device": lambda x, device, source=None: x if device.type == "meta" else MetaBackend.to_host(META, x),
}  # fmt: skip


class Table:
    """The dialect: each name as it is asked for."""

    def __getattr__(self, name: str) -> Callable:
        if name.startswith("__") or not hasattr(HOST.table, name):
            raise AttributeError(name)
        found = KERNELS.get(name)
        if found is None:
            elementwise = name in OPS and OPS[name].kind == "elementwise"
            found = (_elementwise if elementwise else _reduction if name in REDUCTIONS else _on_zeros)(name)
        setattr(self, name, found)
        return found


class Random:
    """Samplers that draw nothing."""

    def generator(self, seed: int, index: int = 0) -> None:
        return None

    def get_state(self, g: None) -> dict:
        return {}

    def set_state(self, g: None, state: dict) -> None:
        pass

    def __getattr__(self, name: str) -> Callable:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda g, *args: _creation(*args[-2:])


class MetaBackend(Backend):
    name = "meta"
    array_types = (Meta,)
    native = HOST.native
    writes_in_place = False
    caps = SimpleNamespace(float64=True, complex128=True, mask_read=False, aliases=False)

    def __init__(self) -> None:
        super().__init__()
        self.table: Any = Table()
        self.random = Random()

    def native_dtype(self, name: str) -> Any:
        return HOST.native_dtype(name)

    def dtype_name(self, native: Any) -> str:
        return HOST.dtype_name(native)

    def from_host(self, host: Any, index: int = 0, copy: bool = False) -> Meta:
        return Meta(host.shape, host.dtype)

    def to_host(self, array: Any) -> Any:
        raise NotImplementedError(
            "Cannot copy out of meta tensor; no data! A module gets memory by to_empty(device=...), or takes over tensors "
            "by load_state_dict(..., assign=True)"
        )

    def copy(self, array: Meta) -> Meta:
        return Meta(array.shape, array.dtype)

    def known_bounds(self, indices: Any, low: int, high: int) -> tuple[int, int]:
        return low, high  # no values, so none out of range


def _operator(f: Callable, name: str, turned: bool = False) -> Callable:
    def call(x: Meta, y: Any) -> Any:
        if not isinstance(y, Meta) and hasattr(y, "dtype"):
            y = Meta(y.shape, y.dtype)
        if isinstance(y, Meta):
            return getattr(META.table, name)(*((y, x) if turned else (x, y)))
        one = x.shown((1,) * x.ndim)  # a Python number, which takes part in promotion weakly
        with HOST.quiet():
            return Meta(x.shape, (f(y, one) if turned else f(one, y)).dtype)

    return call


def _unary(f: Callable) -> Callable:
    return lambda x: Meta(x.shape, f(x.shown((1,) * x.ndim)).dtype)


BINARY = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide", "mod": "remainder",
    "pow": "pow", "matmul": "matmul", "and_": "bitwise_and", "or_": "bitwise_or", "xor": "bitwise_xor",
    "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift",
    "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal",
}  # fmt: skip
for _name, _kernel in BINARY.items():
    _f, _plain = getattr(operator, _name), _name.rstrip("_")
    setattr(Meta, f"__{_plain}__", _operator(_f, _kernel))
    if len(_plain) > 2 or _plain == "or":
        setattr(Meta, f"__r{_plain}__", _operator(_f, _kernel, turned=True))
for _name in ("neg", "pos", "abs", "invert"):
    setattr(Meta, f"__{_name}__", _unary(getattr(operator, _name)))
Meta.__hash__ = object.__hash__  # type: ignore[method-assign, assignment]

META = MetaBackend()


def backend() -> MetaBackend:
    return META
