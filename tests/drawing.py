"""Drawing calls of functions: ``Draw`` makes random arguments, ``ROWS`` holds a function of a ``Draw`` per public function.

Tensors are ``In`` (NumPy arrays with a note whether a gradient is asked for) until a library is chosen.
"""

import math

import numpy as np

SIZES = (0, 1, 1, 2, 2, 3, 3)
FLOATS = ("float32", "float64", "float64", "float64")
INTS = ("int64", "int32", "uint8", "int8")
NUMBERS = (*FLOATS, "int64", "uint8")
ANY = (*NUMBERS, "bool")


class In:
    """A tensor argument to be: a NumPy array, maybe strided; ``grad`` if its gradient is to be compared."""

    def __init__(self, array, grad):
        self.array, self.grad = array, grad

    def __repr__(self):
        a = self.array
        shown = a.tolist() if a.size <= 6 else "..."
        return f"{a.dtype}{list(a.shape)}{'' if a.flags.c_contiguous else ' strided'} {shown}"

    def of(self, L):
        t = L.from_numpy(self.array.copy() if self.array.flags.c_contiguous else strided_copy(self.array))
        return t.requires_grad_() if self.grad else t


def strided_copy(a):
    """A copy that keeps the order of dimensions in memory, with gaps between rows."""
    order = sorted(range(a.ndim), key=lambda i: -abs(a.strides[i]))
    whole = np.empty([a.shape[i] * 2 for i in order], a.dtype)
    part = whole[tuple(slice(None, None, 2) for _ in order)].transpose(np.argsort(order))
    part[...] = a
    return part


class Draw:
    """Random choices of arguments."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.special = (
            self.rng.random() < 0.2
        )  # NaN, infinities and zeros among the numbers; then values alone are compared

    def pick(self, *options):
        return options[self.rng.integers(len(options))]

    def int(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def flag(self):
        return bool(self.rng.random() < 0.5)

    def shape(self, low=0, high=3, empty=True):
        sizes = SIZES if empty else SIZES[1:]
        return tuple(self.pick(*sizes) for _ in range(self.int(low, high)))

    def broadcast(self, shape):
        """A shape that broadcasts with ``shape``."""
        kept = shape[self.int(0, len(shape)) :]
        return tuple(1 if self.rng.random() < 0.3 else n for n in kept)

    def tensor(self, shape=None, dtype=FLOATS, low=-2.5, high=2.5, special=True, distinct=False):
        shape = self.shape() if shape is None else tuple(shape)
        dtype = dtype if isinstance(dtype, str) else self.pick(*dtype)
        count = math.prod(shape)
        if dtype.startswith(("float", "complex")):
            x = self.rng.uniform(low, high, count)
            if distinct:
                x = low + (high - low) * (self.rng.permutation(count) + self.rng.uniform(0.1, 0.9)) / max(count, 1)
            if dtype.startswith("complex"):
                x = x + 1j * self.rng.uniform(low, high, count)
            elif self.special and special and count:
                for _ in range(self.int(1, 2)):
                    x[self.int(0, count - 1)] = self.pick(math.nan, math.inf, -math.inf, 0.0, -0.0)
        elif dtype == "bool":
            x = self.rng.random(count) < 0.5
        else:
            x = self.rng.integers(
                max(math.ceil(low * 2), 0 if dtype[0] == "u" else -9), math.floor(high * 2) + 1, count
            )
        x = np.asarray(x).astype(dtype).reshape(shape)
        if x.ndim > 1 and self.rng.random() < 0.4:  # as a transpose, or with gaps
            x = np.ascontiguousarray(x.swapaxes(0, -1)).swapaxes(0, -1) if self.flag() else strided_copy(x)
        return In(x, dtype in ("float64", "complex128") and not self.special)

    def index(self, shape, n):
        """Positions below ``n`` (of which there must be some)."""
        return In(self.rng.integers(0, n, shape), False)

    def dim(self, ndim):
        bound = max(ndim, 1)
        return (
            self.int(-bound, bound - 1) if self.rng.random() < 0.95 else bound + self.int(0, 1)
        )  # now and then out of range

    def dims(self, ndim):
        """One, several, or none."""
        kind = self.rng.random()
        if kind < 0.4 or not ndim:
            return self.dim(ndim)
        if kind < 0.5:
            return None
        chosen = self.rng.permutation(ndim)[: self.int(1, ndim)]
        return tuple(int(c) - ndim * self.flag() for c in chosen)


ROWS = {}


def rows(names, draw):
    for name in names.split():
        ROWS[name] = draw


def row(*names):
    def put(draw):
        for name in names:
            ROWS[name] = draw
        return draw

    return put


def call(*args, **kwargs):
    return args, kwargs


def pair(d, dtype=NUMBERS, second=None, **options):
    shape = d.shape()
    x = d.tensor(shape, dtype, **options)
    return x, d.tensor(d.broadcast(shape), second or dtype, **options)
