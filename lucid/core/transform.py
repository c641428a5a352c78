"""Arrays of transforms: what ``jvp`` and ``vmap`` put into ``Tensor.value`` in place of a raw array.

Each running transform is a ``Frame`` with a level; the innermost has the highest. A ``Lifted`` array belongs to one
frame and holds Tensors of the levels below, so an op on it becomes ops on those, and every transform composes with
every other and with the graph. A plain tensor that meets a lifted one is adopted: it becomes a constant of that frame,
with its node, so that nothing of an outer derivative is lost.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Self

from ..backends import Backend, backend_of
from . import dtypes
from .record import OPS
from .tensor import Tensor, unwrap, wrap
from .view import write


class Frame:
    """One running transform; subclasses say what its arrays are."""

    level: int
    alive = True
    maps = False  # whether this is a vmap
    by_hand = False  # whether it is a dual level, whose arrays are ordinary ones once it was left
    size: int  # of the batch, if it is

    def __enter__(self) -> Self:
        outer = _stack.get()
        self.level = len(outer) + 1
        self._token = _stack.set((*outer, self))
        return self

    def __exit__(self, *exc: object) -> None:
        _stack.reset(self._token)
        self.alive = False

    @contextmanager
    def below(self) -> Iterator[None]:
        """While active, this transform and those inside it do not run: for work on what its arrays hold."""
        token = _stack.set(_stack.get()[: self.level - 1])
        try:
            yield
        finally:
            _stack.reset(token)

    def write_back(self, given: Tensor, seen: Tensor, since: int) -> bool:
        """What the function wrote into an input ``seen`` goes into the caller's tensor, once the function has returned; whether it did.

        Until then lifted arrays are never written to, so nothing that ops of the frame saved can change under them.
        """
        if seen._version and isinstance(seen.value, Lifted) and seen.value.frame is self:
            new = self.lowered(seen.value)
            if new.shape == given.shape:  # in-place changes of shape stay inside, as in PyTorch
                if new.node is not None:  # which others may have used already: what is written has a node of its own
                    new = OPS["copy"].call(new)
                write(given, new, f"{self}: in-place", since)
                return True
        return False

    def lowered(self, array: Any) -> Tensor:
        """An array of this frame as a tensor one level down."""
        raise NotImplementedError

    def each(self, f: Callable, args: tuple) -> Any:
        """What ``f``, which has no derivative and needs to see values, gives for arguments of this frame."""
        raise NotImplementedError

    def constant(self, t: Tensor) -> Lifted:
        """A tensor of a lower level as an array of this frame that does not vary here."""
        raise NotImplementedError


_stack: ContextVar[tuple[Frame, ...]] = ContextVar("lucid_transforms", default=())
frames = _stack.get


def settled(t: Tensor) -> Tensor:
    """This tensor without the tangent that it had at a dual level since left."""
    while isinstance(t.value, Lifted) and t.value.frame.by_hand and not t.value.frame.alive:
        below = t.value.inner  # type: ignore[attr-defined]
        t.value, t.node = below.value, below.node
    return t


def level_of(t: Tensor) -> int:
    return getattr(t.value, "level", 0)


def lifted_to(t: Tensor, frame: Frame) -> Tensor:
    """``t`` as a tensor of the frame's level (itself, if it is of that level or a higher one)."""
    return t if level_of(t) >= frame.level else wrap(frame.constant(t))


def with_values(t: Tensor, new: Tensor) -> Tensor:
    """The values of ``new`` where ``t`` is in the graph, and with its tangents."""
    if level_of(t):
        return wrap(t.value.overwritten(lifted_to(new, t.value.frame).value), t.node)
    return wrap(new.value, t.node)


def lifted_to_current(t: Tensor) -> Tensor:
    """``t`` at the level of the innermost transform, so that what is recorded from here belongs to that level."""
    running = frames()
    return lifted_to(t, running[-1]) if running else t


def flat(params: Any) -> list:
    """What static parameters hold, at any depth."""
    return [v for p in params for v in (flat(p) if type(p) in (tuple, list) else [p])]


def lifted_to_indices(t: Tensor, indices: Sequence[Any]) -> Tensor:
    """``t`` at the level of the raw index arrays that an op has among its static parameters."""
    lifted = [i for i in indices if isinstance(i, Lifted)]
    return lifted_to(t, max(lifted, key=lambda i: i.level).frame) if lifted else t


class Lifted:
    """An array of a transform. Operators work on it, since derivative rules are read with it too."""

    __slots__ = ("__weakref__", "frame", "level")
    __array_ufunc__ = None  # `ndarray * lifted` comes to us

    frame: Frame
    level: int

    def adopt(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The inputs of an op at this array's level; those of lower levels become constants, node and all."""
        frame, level = self.frame, self.level
        if not frame.alive:
            if frame.by_hand:
                return [settled(t) for t in tensors]
            raise RuntimeError(
                f"a tensor made inside {frame} is used after that call returned; return it from the function instead"
            )
        return [t if level_of(t) == level else wrap(frame.constant(t)) for t in tensors]

    def detached(self) -> Lifted:
        raise NotImplementedError

    def overwritten(self, new: Any) -> Lifted:
        """The values of ``new`` with the derivatives of this array: what was written through ``x.detach()``."""
        raise NotImplementedError

    def lower(self) -> Any:
        """The raw array one level down, for an index among an op's parameters."""
        raise NotImplementedError

    @property
    def ndim(self) -> int:
        return len(self.shape)  # type: ignore[attr-defined]

    def __bool__(self) -> bool:
        return bool(wrap(self))

    __hash__ = object.__hash__


def _forward(f: Callable) -> Callable:
    return lambda a, b: unwrap(f(wrap(a), _tensor(b)))


def _reflected(f: Callable) -> Callable:
    def call(a: Any, b: Any) -> Any:
        other = _tensor(b)
        if isinstance(other, Tensor):
            other = lifted_to(other, a.frame)
        return unwrap(f(other, wrap(a)))

    return call


def _unary(f: Callable) -> Callable:
    return lambda a: unwrap(f(wrap(a)))


def _tensor(x: Any) -> Any:
    """A raw array as a Tensor; numbers as they are."""
    return wrap(x) if hasattr(x, "shape") and not isinstance(x, Tensor) else x


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor"):
    _f = getattr(operator, _name)
    setattr(Lifted, f"__{_name.rstrip('_')}__", _forward(_f))
    setattr(Lifted, f"__r{_name.rstrip('_')}__", _reflected(_f))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Lifted, f"__{_name}__", _forward(getattr(operator, _name)))
for _name in ("neg", "pos", "abs", "invert"):
    setattr(Lifted, f"__{_name}__", _unary(getattr(operator, _name)))


class Table:
    """The dialect on lifted arrays: each name is the function of ``lucid.ops``, which dispatches back to the frame."""

    def __init__(self, created: Callable[[str], Callable | None]):
        self._created = created  # what makes arrays "like" another is not an op and is answered by the backend

    def __getattr__(self, name: str) -> Callable:
        if name.startswith("__"):
            raise AttributeError(name)
        f = self._created(name) or (_positions(name) if name.endswith("_positions") else on_raw(name))
        setattr(self, name, f)
        return f


def _positions(name: str) -> Callable:
    """Index arrays that depend on shapes alone: those of the plain array below, with the shape that the frame shows."""

    def call(x: Any, *args: Any) -> Any:
        from .. import ops

        while hasattr(x, "level"):
            x = ops.zeros_of(x.shape, x.inner).value
        return getattr(backend_of(x).table, name)(x, *args)

    return call


def on_raw(name: str) -> Callable:
    from .. import ops
    from .record import OPS

    f = getattr(ops, name, None) or (OPS[name].call if name in OPS else None)
    if f is None:
        raise AttributeError(name)

    def call(*args: Any, **kwargs: Any) -> Any:
        if name == "cast":  # a rule may say the dtype by a raw array's own
            args = (args[0], dtypes.as_dtype(args[1]), *args[2:])
        out = f(*map(_tensor_or_list, args), **kwargs)
        return tuple(unwrap(o) for o in out) if isinstance(out, tuple | list) else unwrap(out)

    return call


def _tensor_or_list(x: Any) -> Any:
    if isinstance(x, list):
        return [_tensor_or_list(v) for v in x]
    return _tensor(x)


class LiftedBackend(Backend):
    """A backend whose kernels are ops one level down."""

    native: dict[str, Any] = {}
    writes_in_place = False

    def kernel(self, name: str) -> Callable:
        from .record import OPS

        op = OPS[name]

        def call(*args: Any) -> Any:
            n = op.arity or len(args) - len(op.params)
            return self.run(op, args[:n], args[n:])

        return call

    def run(self, op: Any, values: Sequence[Any], params: tuple) -> Any:
        raise NotImplementedError

    def device_of(self, array: Any) -> tuple[str, int]:
        inner = array.inner.value
        return backend_of(inner).device_of(inner)

    def dtype_name(self, native: Any) -> str:
        return native.name

    def native_dtype(self, name: str) -> Any:
        from . import dtypes

        return dtypes.by_name(name)

    def copy(self, array: Any) -> Any:
        return array  # never written to

    def aliases(self, result: Any, source: Any) -> bool:
        return True


def lower_params(params: Any, level: int) -> Any:
    """Static parameters with the index arrays of this level replaced by what they are one level down."""
    if isinstance(params, Lifted):
        return params.lower() if params.level == level else params
    if type(params) in (tuple, list):
        return type(params)(lower_params(p, level) for p in params)
    return params


def has_lifted(params: Any, level: int) -> bool:
    """Whether index arrays of this level are among static parameters."""
    if isinstance(params, Lifted):
        return params.level == level
    return type(params) in (tuple, list) and any(has_lifted(p, level) for p in params)


def each_example(name: str) -> Callable[[Callable], Callable]:
    """Mark a function without a derivative that needs to see values: inside vmap it runs for each example by itself.

    ``name`` is that of the public function, which the warning names.
    """

    def decorate(f: Callable) -> Callable:
        @functools.wraps(f)
        def call(*args: Any) -> Any:
            lifted = [t.value for t in flat(args) if isinstance(t, Tensor) and isinstance(t.value, Lifted)]
            return max(lifted, key=lambda v: v.level).frame.each(call, args) if lifted else f(*args)

        call.__name__ = name
        return call

    return decorate


def made_inside(t: Tensor) -> Tensor:
    """A tensor that a creation function just made: inside vmap it belongs there, and may be written to with a batch of values."""
    mapped = [f for f in frames() if f.maps]
    return lifted_to(t, mapped[-1]) if mapped else t


def everything(t: Tensor) -> Tensor:
    """All that a tensor holds, for checks of values: inside vmap of every example, inside jvp the primal."""
    while hasattr(t.value, "level"):
        t = t.value.inner
    return t.detach() if t.node is not None else t  # type: ignore[attr-defined, no-any-return]
