"""Random numbers: one generator per device, or one that is passed; float32 drawn as float32."""

from __future__ import annotations

import functools
import itertools
import math
import time
from contextvars import ContextVar
from typing import Any

from .. import ops
from ..backends import load
from ..core import dtypes
from ..core.device import device as Device
from ..core.errors import DTypeError
from ..core.tensor import Tensor, as_tensor, backend_for, created, wrap
from ..core.transform import frames
from .outputs import write_out
from .registry import FUNCTIONS, public, sizes_arg


class Generator:
    """A stream of random numbers on one device.

    >>> import lucid
    >>> g = lucid.Generator().manual_seed(0)
    >>> a = lucid.rand(2, generator=g)
    >>> bool((lucid.rand(2, generator=g.manual_seed(0)) == a).all())
    True
    """

    def __init__(self, device: Any = "cpu"):
        self.device = Device(device).resolved()
        self.seed()

    def manual_seed(self, seed: int) -> Generator:
        """Restart the stream from ``seed``; returns itself."""
        if not hasattr(seed, "__index__"):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        self._seed = _seed_arg(seed) % 2**64
        self.native = load(self.device.type).random.generator(self._seed, self.device.number)
        return self

    def seed(self) -> int:
        """Restart from a seed taken from the clock; returns it."""
        self.manual_seed(time.time_ns() ^ next(_counter) << 40)
        return self._seed

    def initial_seed(self) -> int:
        """The seed that the stream was last started from."""
        return self._seed

    def clone_state(self) -> Generator:
        """Another generator that will give the same numbers."""
        twin = Generator(self.device)
        twin._seed = self._seed
        return twin.set_state(self.get_state())

    def __reduce__(self) -> Any:
        return _restored, (str(self.device), self._seed, self.get_state())

    def get_state(self) -> Any:
        """The state as a uint8 tensor, for ``set_state``."""
        import json

        state = load(self.device.type).random.get_state(self.native)
        return as_tensor(list(json.dumps(state).encode()), dtype=dtypes.uint8, device="cpu")

    def set_state(self, state: Any) -> Generator:
        import json

        load(self.device.type).random.set_state(self.native, json.loads(bytes(state.tolist()).decode()))
        return self


def _seed_arg(seed: Any) -> int:
    seed = int(seed)
    if not -(2**63) <= seed < 2**64:
        raise ValueError(f"manual_seed: Overflow when unpacking long long, got {seed}")
    return seed


def _restored(device: str, seed: int, state: Any) -> Generator:
    generator = Generator(device).manual_seed(seed)
    return generator.set_state(state)


_counter = itertools.count()
_CPU = Device("cpu")


class _Generators(dict[Device, Generator]):
    """A generator for each device, made when first asked for."""

    seeded: int | None = None

    def __missing__(self, device: Device) -> Generator:
        made = self[device] = Generator(device)
        return made if self.seeded is None else made.manual_seed(self.seeded)


_defaults = _Generators()
_current: ContextVar[_Generators] = ContextVar("lucid_generators", default=_defaults)


def own_generators(seed: int) -> None:
    """From here on this thread draws from generators of its own."""
    _current.set(_Generators())
    manual_seed(seed)


def default_generator(device: Any) -> Generator:
    """The generator of a device that is used where none is passed."""
    return _current.get()[device]


def manual_seed(seed: int) -> Generator:
    """Seed the generators of all devices; the same program then draws the same numbers on one backend.

    >>> import lucid
    >>> _ = lucid.manual_seed(0)
    >>> a = lucid.rand(3)
    >>> _ = lucid.manual_seed(0)
    >>> bool((lucid.rand(3) == a).all())
    True
    """
    generators = _current.get()
    generators.seeded = _seed_arg(seed)
    for g in generators.values():
        g.manual_seed(generators.seeded)
    return default_generator(Device("cpu"))


def seed(seed: int | None = None) -> int:
    """Seed all generators from the clock (or with the number given); returns the seed."""
    value = time.time_ns() % 2**63 if seed is None else int(seed)
    manual_seed(value)
    return value


def initial_seed() -> int:
    """The seed of the CPU generator."""
    return default_generator(Device("cpu")).initial_seed()


def get_rng_state() -> Tensor:
    """The state of the CPU generator, for ``set_rng_state``."""
    return default_generator(Device("cpu")).get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Put the CPU generator into a state that ``get_rng_state`` returned."""
    default_generator(Device("cpu")).set_state(new_state)


class fork_rng:
    """Run a block (or a function) and put the random generators back as they were.

    >>> import lucid
    >>> _ = lucid.manual_seed(0)
    >>> with lucid.random.fork_rng():
    ...     a = lucid.rand(2)
    >>> bool((lucid.rand(2) == a).all())
    True
    """

    def __init__(self, devices: Any = None, enabled: bool = True, device_type: str | None = None):
        self.enabled = enabled
        self._states: list[list] = []

    def __enter__(self) -> None:
        default_generator(Device("cpu"))
        self._states.append([(g, g._seed, g.get_state()) for g in _current.get().values()] if self.enabled else [])

    def __exit__(self, *exc: object) -> None:
        for g, seed, state in self._states.pop():
            g._seed = seed
            g.set_state(state)

    def __call__(self, function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with fork_rng(enabled=self.enabled):
                return function(*args, **kwargs)

        return wrapper


for _f in (manual_seed, seed, initial_seed, get_rng_state, set_rng_state):
    FUNCTIONS[_f.__name__] = _f
FUNCTIONS["Generator"] = Generator


def draw_dtype(x: Tensor) -> dtypes.dtype:
    """In which dtype random numbers for a tensor are drawn."""
    return dtypes.float64 if x.dtype is dtypes.float64 else dtypes.float32


def draw(name: str, shape: Any, dtype: Any, device: Any, generator: Generator | None, *args: Any) -> Any:
    """A raw array of random numbers from the backend's ``random`` table."""
    if generator is not None and device is None:
        device = generator.device
    backend, index = backend_for(device)
    if generator is None:
        where = _CPU if backend.name == "cpu" else Device(backend.name, index if backend.name == "cuda" else None)
        generator = default_generator(where)
    elif generator.device.type != backend.name:
        raise RuntimeError(f"Expected a {backend.name!r} device type for generator but found {generator.device.type!r}")
    if frames():
        return _draw_in_transform(backend, name, generator, shape, dtype, args)
    return getattr(backend.random, name)(generator.native, *args, shape, dtype)


def _draw_in_transform(backend: Any, name: str, generator: Generator, shape: Any, dtype: Any, args: tuple) -> Any:
    """Inside vmap: one draw for all examples, or one for each, as ``randomness`` says."""
    mapped: list[Any] = [f for f in frames() if f.maps]
    if any(f.randomness == "error" for f in mapped):
        raise RuntimeError(
            "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' "
            "randomness flags on vmap or perform the randomness operation out of vmap"
        )
    mapped = [f for f in mapped if f.randomness == "different"]
    sizes = tuple(f.size for f in mapped)
    args = tuple(_lowered(a, mapped) if hasattr(a, "level") else a for a in args)
    if name == "permutation" and sizes:
        keys = backend.random.uniform(generator.native, (*sizes, shape), dtypes.float64)
        value = backend.table.cast(backend.table.argsort(keys, len(sizes), False, True), dtype)
    else:
        value = getattr(backend.random, name)(generator.native, *args, (*sizes, *shape) if sizes else shape, dtype)
    for frame in mapped:  # the outermost first: its batch is dimension 0
        value = frame.example(wrap(value))
    return value


def _lowered(array: Any, mapped: list) -> Any:
    """An array that a kernel draws by (rates, concentrations) with the batches of ``mapped`` in front."""
    t = wrap(array)
    for frame in reversed(frames()):
        own = hasattr(t.value, "level") and t.value.frame is frame
        if frame.maps and frame not in mapped and own and t.value.batched:
            raise RuntimeError(
                "vmap: cannot draw the same random numbers for all examples by parameters that differ along the batch; "
                "use randomness='different'"
            )
        shared = not own or not frame.maps or not t.value.batched
        t = t.value.inner if own else t
        if frame in mapped and shared:
            t = ops.broadcast_to(t, (frame.size, *t.shape))
    return t.value


def _sampler(name: str, kernel: str, doc: str) -> None:
    def f(
        *size: Any,
        generator: Any = None,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        out: Any = None,
        layout: Any = None,
        pin_memory: bool = False,
        **named: Any,
    ) -> Tensor:
        size = size or (named.get("size", ()),)
        d = (out.dtype if out is not None else dtypes.get_default_dtype()) if dtype is None else dtypes.as_dtype(dtype)
        if d.category < dtypes.FLOAT:
            raise DTypeError(f"{name}: not implemented for {d}; use randint for integers")
        shape = sizes_arg(size, name)
        if d.is_complex:
            parts = [wrap(draw(kernel, shape, d.to_real(), device, generator)) for _ in range(2)]
            t = ops.complex(*parts) if kernel == "uniform" else ops.complex(*parts) * math.sqrt(0.5)
        else:
            t = created(draw(kernel, shape, d, device, generator))
        if out is not None:
            return write_out(out, lambda: t, name)
        return t.requires_grad_() if requires_grad else t

    def like(
        input: Tensor,
        *,
        generator: Any = None,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        memory_format: Any = None,
        layout: Any = None,
        pin_memory: bool = False,
    ) -> Tensor:
        return f(
            tuple(input.shape),
            generator=generator,
            dtype=dtype or input.dtype,
            device=device or input.device,
            requires_grad=requires_grad,
        )

    f.__name__, f.__doc__ = name, f"{doc} Takes ``generator=``."
    like.__name__, like.__doc__ = f"{name}_like", f"{doc} Shape, dtype and device are those of ``input``."
    public(method=False, out=False)(f)
    public(method=False, out=False)(like)


_sampler("rand", "uniform", "Uniform numbers in [0, 1).")
_sampler("randn", "normal", "Normal numbers of mean 0 and variance 1.")
rand, randn = FUNCTIONS["rand"], FUNCTIONS["randn"]


EXACT = {"float16": 2**11, "bfloat16": 2**8, "float32": 2**24, "float64": 2**53}  # all ints up to here are numbers


def check_bounds(low: float, high: float, dtype: dtypes.dtype, words: tuple[str, str] = ("from", "to - 1")) -> None:
    """RuntimeError for a range of random numbers that a dtype does not hold."""
    if dtype.category == dtypes.BOOL:
        least, most = 0, 1
    else:
        limits: Any = dtypes.finfo(dtype) if dtype.is_floating_point else dtypes.iinfo(dtype)
        least, most = limits.min, limits.max
    for value, word in zip((low, high), words, strict=True):
        if not least <= value <= most:
            raise RuntimeError(f"{word} is out of bounds for {dtype}, got {value}")


@public(method=False)
def randint(
    low: int | None = None,
    high: Any = None,
    size: Any = None,
    *,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """Integers in ``[low, high)``: ``randint(high, size)`` or ``randint(low, high, size)``.

    Raises RuntimeError for an empty range.

    >>> import lucid
    >>> int(lucid.randint(0, 10, (100,)).max()) < 10
    True
    """
    if size is None:
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    elif low is None:
        low = 0
    if high is None or size is None:
        raise TypeError("randint(): expected (high, size) or (low, high, size)")
    low, high = (v.__index__() if hasattr(v, "__index__") else int(v) for v in (low, high))
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    d = dtypes.int64 if dtype is None else dtypes.as_dtype(dtype)
    check_bounds(low, high - 1, d)
    t = created(draw("integers", sizes_arg((size,), "randint"), d, device, generator, low, high))
    return t.requires_grad_() if requires_grad else t


@public(method=False, out=False)
def randint_like(
    input: Tensor,
    low: int | None = None,
    high: int | None = None,
    *,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """``randint`` with the shape, dtype and device of ``input``.

    >>> import lucid
    >>> lucid.randint_like(lucid.zeros(2), 1).tolist()
    [0.0, 0.0]
    """
    low, high = (0, low) if high is None else (low or 0, high)
    if high is None:
        raise TypeError("randint_like(): missing argument 'high'")
    return randint(
        low,
        high,
        tuple(input.shape),
        generator=generator,
        dtype=dtype or input.dtype,
        device=device or input.device,
        requires_grad=requires_grad,
    )


@public(method=False)
def randperm(
    n: int,
    *,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """The integers ``0 .. n-1`` in random order.

    >>> import lucid
    >>> sorted(lucid.randperm(4).tolist())
    [0, 1, 2, 3]
    """
    n = n.__index__()
    if n < 0:
        raise RuntimeError(f"randperm: n must be non-negative, got {n}")
    d = dtypes.int64 if dtype is None else dtypes.as_dtype(dtype)
    if d is dtypes.bool_ or d.is_complex:
        raise NotImplementedError(f"randperm: not implemented for {d}")
    if n - 1 > EXACT.get(d.name, n) and d is not dtypes.bfloat16:
        raise RuntimeError(f"randperm: n cannot be greater than {EXACT[d.name] + 1} for {d}")
    check_bounds(0, n - 1, d)
    t = created(draw("permutation", n, d, device, generator))
    return t.requires_grad_() if requires_grad else t
