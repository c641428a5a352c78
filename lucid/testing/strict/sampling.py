"""``cupy.random`` of the imitation: CuPy's signatures over NumPy's generators; other numbers than a GPU's for one seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from .array import lift, ndarray, operand
from .record import check_dtype, counters

DTYPES = (np.dtype("float32"), np.dtype("float64"))


def _done(values: Any, dtype: Any = None) -> Any:
    counters.launch()
    made = np.asarray(values)
    return lift(made if dtype is None else made.astype(dtype))


def _real(dtype: Any) -> np.dtype:
    dtype = np.dtype(dtype)
    if dtype not in DTYPES:
        raise TypeError(f"Unsupported dtype {dtype} for a random number: float32 or float64")
    check_dtype(dtype)
    return dtype


def _parameter(value: Any) -> Any:
    return operand(value) if not isinstance(value, list | tuple) else value


class BitGenerator:
    def __init__(self, seed: Any = None, *, size: int = -1):
        if isinstance(seed, np.ndarray | list):
            seed = [int(s) for s in seed]
        self._engine = np.random.PCG64(seed)

    def random_raw(self, size: Any = None, output: bool = True) -> Any:
        return _done(np.asarray(self._engine.random_raw(size)).astype(np.uint32))

    def state(self) -> int:
        return id(self._engine)


class XORWOW(BitGenerator):
    generator = 0


class MRG32k3a(BitGenerator):
    generator = 1


class Philox4x3210(BitGenerator):
    generator = 2


class Generator:
    """``cupy.random.Generator``: only the methods that it has."""

    def __init__(self, bit_generator: BitGenerator):
        self.bit_generator = bit_generator
        self._g = np.random.Generator(bit_generator._engine)

    def _fill(self, values: Any, dtype: Any, out: Any) -> Any:
        if out is None:
            return _done(values, dtype)
        out[...] = lift(np.asarray(values, out.dtype))
        return out

    def random(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        return self._fill(self._g.random(_size(size, out), _real(dtype)), None, out)

    def standard_normal(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        return self._fill(self._g.standard_normal(_size(size, out), _real(dtype)), None, out)

    def standard_exponential(
        self, size: Any = None, dtype: Any = np.float64, method: str = "inv", out: Any = None
    ) -> Any:
        if method != "inv":
            raise NotImplementedError("Ziggurat method is not supported")
        return self._fill(self._g.standard_exponential(_size(size, out), _real(dtype)), None, out)

    def standard_gamma(self, shape: Any, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        return self._fill(self._g.standard_gamma(_parameter(shape), _size(size, out)), _real(dtype), out)

    def integers(
        self, low: Any, high: Any = None, size: Any = None, dtype: Any = np.int64, endpoint: bool = False
    ) -> Any:
        if not isinstance(low, int | np.integer) or not isinstance(high, int | np.integer | None):
            raise NotImplementedError("integers: low and high must be numbers")
        return _done(self._g.integers(low, high, size, dtype, endpoint))

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None, dtype: Any = np.float64) -> Any:
        return _done(self._g.uniform(_parameter(low), _parameter(high), size), _real(dtype))

    def beta(self, a: Any, b: Any, size: Any = None, dtype: Any = np.float64) -> Any:
        return _done(self._g.beta(_parameter(a), _parameter(b), size), _real(dtype))

    def binomial(self, n: Any, p: Any, size: Any = None) -> Any:
        return _done(self._g.binomial(_parameter(n), _parameter(p), size))

    def chisquare(self, df: Any, size: Any = None) -> Any:
        return _done(self._g.chisquare(_parameter(df), size))

    def dirichlet(self, alpha: Any, size: Any = None) -> Any:
        return _done(self._g.dirichlet(_parameter(alpha), size))

    def exponential(self, scale: Any = 1.0, size: Any = None) -> Any:
        return _done(self._g.exponential(_parameter(scale), size))

    def gamma(self, shape: Any, scale: Any = 1.0, size: Any = None) -> Any:
        return _done(self._g.gamma(_parameter(shape), _parameter(scale), size))

    def geometric(self, p: Any, size: Any = None) -> Any:
        return _done(self._g.geometric(_parameter(p), size))

    def poisson(self, lam: Any = 1.0, size: Any = None) -> Any:
        return _done(self._g.poisson(_parameter(lam), size))


def _size(size: Any, out: Any) -> Any:
    return out.shape if out is not None and size is None else size


def default_rng(seed: Any = None) -> Generator:
    return Generator(seed if isinstance(seed, BitGenerator) else XORWOW(seed))


class RandomState:
    """``cupy.random.RandomState``: the older interface."""

    def __init__(self, seed: Any = None, method: Any = None):
        self.seed(seed)

    def seed(self, seed: Any = None) -> None:
        self._g = np.random.default_rng(None if seed is None else int(seed))

    def _draw(self, name: str, args: tuple, size: Any, dtype: Any) -> Any:
        values = getattr(self._g, name)(*(_parameter(a) for a in args), size)
        wanted = np.dtype(dtype)
        return _done(values, wanted if wanted.kind in "iu" else _real(wanted))

    def random_sample(self, size: Any = None, dtype: Any = float) -> Any:
        return _done(self._g.random(size, _real(dtype)))

    def rand(self, *size: int, dtype: Any = float) -> Any:
        return self.random_sample(size, dtype)

    def randn(self, *size: int, dtype: Any = float) -> Any:
        return self.standard_normal(size, dtype)

    def standard_normal(self, size: Any = None, dtype: Any = float) -> Any:
        return _done(self._g.standard_normal(size, _real(dtype)))

    def standard_exponential(self, size: Any = None, dtype: Any = float) -> Any:
        return _done(self._g.standard_exponential(size, _real(dtype)))

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None, dtype: Any = float) -> Any:
        return self._draw("uniform", (low, high), size, dtype)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None, dtype: Any = float) -> Any:
        return self._draw("normal", (loc, scale), size, dtype)

    def exponential(self, scale: Any = 1.0, size: Any = None, dtype: Any = float) -> Any:
        return self._draw("exponential", (scale,), size, dtype)

    def gamma(self, shape: Any, scale: Any = 1.0, size: Any = None, dtype: Any = float) -> Any:
        return self._draw("gamma", (shape, scale), size, dtype)

    def standard_gamma(self, shape: Any, size: Any = None, dtype: Any = float) -> Any:
        return self._draw("standard_gamma", (shape,), size, dtype)

    def poisson(self, lam: Any = 1.0, size: Any = None, dtype: Any = "l") -> Any:
        return self._draw("poisson", (lam,), size, dtype)

    def binomial(self, n: Any, p: Any, size: Any = None, dtype: Any = int) -> Any:
        if type(p) is ndarray or type(n) is ndarray:
            counters.sync("RandomState.binomial checks its arrays")
        return self._draw("binomial", (n, p), size, dtype)

    def randint(self, low: Any, high: Any = None, size: Any = None, dtype: Any = int) -> Any:
        return _done(self._g.integers(low, high, size), dtype)

    def permutation(self, a: Any) -> Any:
        return _done(self._g.permutation(operand(a)))

    def shuffle(self, a: Any) -> None:
        a[...] = self.permutation(a)


class _Default:
    state: RandomState | None = None


def get_random_state() -> RandomState:
    if _Default.state is None:
        _Default.state = RandomState()
    return _Default.state


def functions() -> dict[str, Any]:
    """The functions of the module, over one state."""

    def bound(name: str) -> Any:
        return lambda *args, **kwargs: getattr(get_random_state(), name)(*args, **kwargs)

    names = [n for n in vars(RandomState) if not n.startswith("_")]
    made: dict[str, Any] = {n: bound(n) for n in names}
    made |= {"random": made["random_sample"], "get_random_state": get_random_state, "default_rng": default_rng}
    return made | {k.__name__: k for k in (BitGenerator, XORWOW, MRG32k3a, Philox4x3210, Generator, RandomState)}
