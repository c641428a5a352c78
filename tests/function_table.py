"""What each public function takes, so that calls of it can be drawn: one row per function, a function of a ``Draw``.

``test_against_torch_ops.py`` compares the calls with torch, ``tools/make_op_table.py`` runs them for the table in the docs.
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


# ---- elementwise ----
rows(
    """exp exp2 expm1 log log1p log2 log10 sqrt rsqrt square reciprocal sin cos tan asin acos atan sinh cosh tanh asinh
    atanh sigmoid erf erfc lgamma digamma sinc logit deg2rad rad2deg special.i0e special.i1e special.ndtr
    special.entr special.expit special.log_ndtr""",
    lambda d: call(d.tensor(dtype=NUMBERS)),
)
rows("acosh", lambda d: call(d.tensor(low=1.1, special=False)))
rows(
    "i0 special.i1 special.bessel_j0 special.bessel_j1", lambda d: call(d.tensor(special=False))
)  # torch has nan at infinity
rows("special.erfcx special.erfinv special.ndtri", lambda d: call(d.tensor(low=-0.95, high=0.95)))
rows(
    "special.bessel_y0 special.bessel_y1 special.modified_bessel_k0 special.modified_bessel_k1",
    lambda d: call(d.tensor(low=0.1, special=False)),
)
rows(
    "special.scaled_modified_bessel_k0 special.scaled_modified_bessel_k1",
    lambda d: call(d.tensor(low=0.1, special=False)),
)
rows("neg abs ceil floor trunc frac sgn sign positive relu nan_to_num angle", lambda d: call(d.tensor(dtype=FLOATS)))
rows("isnan isinf isfinite isposinf isneginf isreal signbit logical_not conj real", lambda d: call(d.tensor(dtype=ANY)))
rows("bitwise_not", lambda d: call(d.tensor(dtype=(*INTS, "bool"))))
rows("frexp", lambda d: call(d.tensor()))
rows("round", lambda d: call(d.tensor(), decimals=d.int(-1, 2)))
rows("imag sgn_complex", lambda d: call(d.tensor(dtype="complex128")))
ROWS.pop("sgn_complex")


def _pair(d, dtype=NUMBERS, second=None, **options):
    shape = d.shape()
    x = d.tensor(shape, dtype, **options)
    return x, d.tensor(d.broadcast(shape), second or dtype, **options)


@row("add", "sub")
def _(d):
    x, y = _pair(d)
    return call(x, d.pick(y, y, 2, 1.5), **({"alpha": d.pick(2, -1)} if d.flag() else {}))


rows("mul eq ne lt le gt ge", lambda d: (lambda x, y: call(x, d.pick(y, y, 2, 1.5)))(*_pair(d, ANY)))
rows("maximum minimum fmax fmin heaviside", lambda d: call(*_pair(d, "float64")))
rows("atan2 hypot copysign logaddexp logaddexp2 nextafter", lambda d: call(*_pair(d, "float64", special=False)))
rows("logical_and logical_or logical_xor", lambda d: call(*_pair(d, ANY)))
rows("bitwise_and bitwise_or bitwise_xor gcd lcm", lambda d: call(*_pair(d, INTS)))
rows("bitwise_left_shift bitwise_right_shift", lambda d: call(*_pair(d, "int64", low=0)))
rows("remainder fmod floor_divide", lambda d: call(*_pair(d, "float64", low=0.3, special=False)))
rows("xlogy special.xlog1py ldexp", lambda d: call(*_pair(d, "float64", low=0.1)))
rows("special.zeta", lambda d: (lambda x, y: call(In(x.array, False), y))(*_pair(d, "float64", low=1.1, special=False)))
rows(
    "polar complex",
    lambda d: (lambda x: call(x, d.tensor(x.array.shape, "float64", special=False)))(
        d.tensor(dtype="float64", low=0.1, special=False)
    ),
)
rows("float_power", lambda d: call(d.tensor(low=0.1), d.pick(2, 0.5, -1)))
rows(
    "isclose", lambda d: call(*_pair(d, "float64"), rtol=d.pick(1e-5, 0.5), atol=d.pick(1e-8, 1.0), equal_nan=d.flag())
)
rows(
    "where",
    lambda d: (lambda x, y: call(d.tensor(d.broadcast(x.array.shape), "bool"), x, d.pick(y, y, 1.5, 0)))(
        *_pair(d, "float64")
    ),
)
rows(
    "addcmul addcdiv",
    lambda d: (
        lambda x, y: call(
            x, y, d.tensor(d.broadcast(x.array.shape), "float64", low=0.3, special=False), value=d.pick(1, 0.5)
        )
    )(*_pair(d, "float64", special=False)),
)
rows(
    "lerp",
    lambda d: (
        lambda x, y: call(x, y, d.pick(0.25, 0.75, d.tensor(d.broadcast(x.array.shape), "float64", special=False)))
    )(*_pair(d, "float64", special=False)),
)
rows("mvlgamma", lambda d: call(d.tensor(low=1.6), d.int(1, 3)))
rows("polygamma", lambda d: call(d.int(0, 3), d.tensor(low=0.3, special=False)))


@row("div")
def _(d):
    x, y = _pair(d, "float64", low=0.3, special=False)
    return call(x, d.pick(y, y, 2, -1.5), **({"rounding_mode": d.pick("floor", "trunc", None)} if d.flag() else {}))


@row("pow")
def _(d):
    x, y = _pair(d, "float64", low=0.3, special=False)
    return call(x, d.pick(y, 2, 0.5, -1, 3.0, 0))


@row("clamp")
def _(d):
    x = d.tensor(dtype=NUMBERS)
    low, high = d.pick((-1, 1), (None, 0.5), (0, None), (1, -1))
    if d.flag() and x.array.dtype == "float64":
        low = d.tensor(d.broadcast(x.array.shape), "float64")
    return call(x, low, high)


rows("clamp_min clamp_max", lambda d: call(d.tensor(dtype=NUMBERS), d.pick(0, 1)))

# ---- reductions and running reductions ----


def _over_dims(d, dtype=NUMBERS, high=3, empty=True):
    x = d.tensor(d.shape(0, high, empty), dtype)
    return x, d.dims(x.array.ndim), d.flag()


def _over_dim(d, dtype=FLOATS, empty=False, **options):
    x = d.tensor(d.shape(0, 3, empty), dtype, **options)
    return x, d.dim(x.array.ndim), d.flag()


rows("sum nansum", lambda d: (lambda x, dim, keep: call(x, dim, keep))(*_over_dims(d, ANY)))
rows("mean nanmean", lambda d: (lambda x, dim, keep: call(x, dim=dim, keepdim=keep))(*_over_dims(d, FLOATS)))
rows("amax amin", lambda d: (lambda x, dim, keep: call(x, () if dim is None else dim, keep))(*_over_dims(d, NUMBERS)))
rows("any all", lambda d: (lambda x, dim, keep: call(x, dim, keep))(*_over_dims(d, ANY)))
rows("prod", lambda d: (lambda x, dim, keep: d.pick(call(x, dim, keep), call(x)))(*_over_dim(d, NUMBERS, True)))
rows(
    "var std",
    lambda d: (lambda x, dim, keep: call(x, dim, correction=d.pick(0, 1), keepdim=keep))(
        *_over_dims(d, FLOATS, empty=False)
    ),
)
rows(
    "var_mean std_mean",
    lambda d: (lambda x: call(x, d.dims(x.array.ndim), correction=0, keepdim=d.flag()))(
        d.tensor(d.shape(empty=False), special=False)
    ),
)
rows("logsumexp", lambda d: (lambda x, dim, keep: call(x, 0 if dim is None else dim, keep))(*_over_dims(d, FLOATS)))
rows(
    "max min median nanmedian",
    lambda d: (lambda x, dim, keep: d.pick(call(x, dim, keep), call(x)))(*_over_dim(d, distinct=True)),
)
rows("argmax argmin", lambda d: (lambda x, dim, keep: d.pick(call(x, dim, keep), call(x)))(*_over_dim(d, NUMBERS)))
rows("mode", lambda d: (lambda x, dim, keep: call(x, dim, keep))(*_over_dim(d, distinct=True, special=False)))
rows("aminmax", lambda d: (lambda x, dim, keep: call(x, dim=dim, keepdim=keep))(*_over_dim(d)))
rows("count_nonzero", lambda d: (lambda x, dim, keep: call(x, dim))(*_over_dims(d, ANY)))
rows(
    "softmax log_softmax cumsum cumprod logcumsumexp",
    lambda d: (lambda x, dim, keep: call(x, dim))(*_over_dim(d, empty=True)),
)
rows("cummax cummin", lambda d: (lambda x, dim, keep: call(x, dim))(*_over_dim(d, NUMBERS)))
rows("kthvalue", lambda d: (lambda x, dim, keep: call(x, 1, dim, keep))(*_over_dim(d, distinct=True, special=False)))
rows(
    "quantile nanquantile",
    lambda d: (
        lambda x, dim, keep: call(
            x,
            d.pick(0.3, 1.0, In(np.array([0.1, 0.8]), False)),
            dim,
            keep,
            interpolation=d.pick("linear", "lower", "nearest", "midpoint"),
        )
    )(*_over_dim(d, "float64")),
)
rows(
    "norm linalg.vector_norm",
    lambda d: (lambda x, dim, keep: call(x, d.pick(2, 1, math.inf, 0, 3.0), dim, keep))(
        *_over_dims(d, "float64", empty=False)
    ),
)
rows(
    "renorm", lambda d: call(d.tensor(d.shape(2, 3, False), "float64", special=False), d.pick(1, 2), d.int(-2, 1), 0.7)
)
rows("dist", lambda d: call(*_pair(d, "float64", special=False), d.pick(2, 1, 3.0)))
rows("cov corrcoef", lambda d: call(d.tensor((d.int(1, 3), d.int(2, 4)), "float64", special=False)))
rows("diff", lambda d: (lambda x: call(x, d.int(0, 2), d.dim(x.array.ndim)))(d.tensor(d.shape(1, 3, False), ANY)))
rows(
    "trapezoid cumulative_trapezoid",
    lambda d: call(d.tensor((d.int(1, 3), d.int(1, 4)), "float64", special=False), dx=d.pick(1, 0.5), dim=d.int(-2, 1)),
)
rows(
    "gradient",
    lambda d: call(d.tensor((d.int(3, 4), d.int(3, 5)), "float64"), spacing=d.pick(1, 2.0), edge_order=d.int(1, 2)),
)

# ---- order ----
rows(
    "sort argsort",
    lambda d: (lambda x, dim, down: call(x, dim, down))(*_over_dim(d, distinct=True, empty=True, special=False)),
)
rows("msort", lambda d: call(d.tensor(d.shape(1, 3), distinct=True, special=False)))
rows(
    "topk",
    lambda d: (lambda x: call(x, d.int(0, x.array.shape[-1]), -1, d.flag()))(
        d.tensor(d.shape(1, 3, False), distinct=True, special=False)
    ),
)
rows("unique", lambda d: call(d.tensor(dtype=INTS), return_inverse=d.flag(), return_counts=d.flag()))
rows("unique_consecutive", lambda d: call(d.tensor(dtype=INTS), return_inverse=d.flag(), return_counts=d.flag()))
rows(
    "searchsorted",
    lambda d: call(
        In(np.sort(d.rng.uniform(-2, 2, 4)), False), d.tensor(dtype="float64", special=False), right=d.flag()
    ),
)
rows(
    "bucketize",
    lambda d: call(d.tensor(dtype="float64", special=False), In(np.array([-1.0, 0.0, 1.5]), False), right=d.flag()),
)
rows("isin", lambda d: call(d.tensor(dtype="int64"), d.tensor(dtype="int64"), invert=d.flag()))
rows("bincount", lambda d: call(In(d.rng.integers(0, 5, d.int(0, 6)), False), minlength=d.int(0, 7)))
rows("histc", lambda d: call(d.tensor(special=False), d.int(1, 5), -2, 2))
rows("nonzero argwhere", lambda d: call(d.tensor(dtype=(*INTS, "bool"))))
rows("combinations", lambda d: call(d.tensor((d.int(0, 4),), special=False), d.int(0, 2), d.flag()))

# ---- shape ----
rows("flatten", lambda d: (lambda x: call(x, d.dim(x.array.ndim), -1))(d.tensor(dtype=ANY)))
rows("ravel squeeze t_ravel fliplr flipud", lambda d: call(d.tensor(dtype=ANY)))
ROWS.pop("t_ravel")
rows("t", lambda d: call(d.tensor(d.shape(0, 2))))
rows("transpose swapaxes", lambda d: (lambda x: call(x, d.dim(x.array.ndim), d.dim(x.array.ndim)))(d.tensor(dtype=ANY)))
rows("permute", lambda d: (lambda x: call(x, tuple(int(i) for i in d.rng.permutation(x.array.ndim))))(d.tensor()))
rows("movedim", lambda d: (lambda x: call(x, d.dim(x.array.ndim), d.dim(x.array.ndim)))(d.tensor(d.shape(1, 3))))
rows("unsqueeze", lambda d: (lambda x: call(x, d.dim(x.array.ndim + 1)))(d.tensor()))
rows("unbind", lambda d: (lambda x: call(x, d.dim(x.array.ndim)))(d.tensor(d.shape(0, 3))))
rows(
    "reshape",
    lambda d: (lambda x: call(x, d.pick((-1,), (1, -1), x.array.shape[::-1])))(d.tensor(d.shape(0, 3, False))),
)
rows("broadcast_to", lambda d: (lambda s: call(d.tensor(d.broadcast(s)), s))(d.shape()))
rows("flip", lambda d: (lambda x: call(x, tuple(range(-x.array.ndim, 0))[: d.int(0, x.array.ndim)]))(d.tensor()))
rows("rot90", lambda d: call(d.tensor(d.shape(2, 3)), d.int(-3, 5), (0, 1)))
rows(
    "roll",
    lambda d: (lambda x: d.pick(call(x, d.int(-3, 3)), call(x, d.int(-3, 3), d.int(-x.array.ndim, -1))))(
        d.tensor(d.shape(1, 3))
    ),
)
rows("tile", lambda d: call(d.tensor(), d.pick((2,), (1, 3), (2, 1, 2), ())))
rows(
    "repeat_interleave",
    lambda d: (lambda x: call(x, d.int(0, 3), d.pick(None, d.dim(x.array.ndim))))(d.tensor(d.shape(1, 3))),
)
rows("chunk tensor_split", lambda d: (lambda x: call(x, d.int(1, 4), d.dim(x.array.ndim)))(d.tensor(d.shape(1, 3))))
rows("split", lambda d: (lambda x: call(x, d.int(1, 3), d.dim(x.array.ndim)))(d.tensor(d.shape(1, 3))))
rows("narrow", lambda d: (lambda x: call(x, d.dim(x.array.ndim), d.int(0, 1), d.int(0, 2)))(d.tensor(d.shape(1, 3))))
rows("select", lambda d: (lambda x: call(x, d.dim(x.array.ndim), d.int(-2, 1)))(d.tensor(d.shape(1, 3))))
rows("unflatten", lambda d: call(d.tensor((2, 6)), d.pick(1, -1), d.pick((2, 3), (-1, 2), (4, 2))))
rows("cat concat", lambda d: (lambda x: call([x, x, x], d.dim(x.array.ndim)))(d.tensor(d.shape(1, 3), dtype=ANY)))
rows("stack", lambda d: (lambda x: call([x, x], d.dim(x.array.ndim + 1)))(d.tensor(dtype=ANY)))
rows("hstack vstack dstack column_stack", lambda d: (lambda s: call([d.tensor(s), d.tensor(s)]))(d.shape(0, 3)))
rows("block_diag", lambda d: call(d.tensor(d.shape(0, 2)), d.tensor(d.shape(0, 2))))
rows("cartesian_prod", lambda d: call(d.tensor((d.int(0, 3),), "float64"), d.tensor((d.int(0, 3),), "float64")))
rows("broadcast_tensors", lambda d: call(*_pair(d)))
rows("atleast_1d atleast_2d atleast_3d", lambda d: call(d.tensor()))
rows(
    "meshgrid",
    lambda d: call(
        d.tensor((d.int(0, 3),), "float64"), d.tensor((d.int(0, 3),), "float64"), indexing=d.pick("ij", "xy")
    ),
)
rows("hsplit", lambda d: call(d.tensor((2, 6)), d.pick(2, 3, 4, (1, 3))))
rows("vsplit", lambda d: call(d.tensor((4, 3)), d.pick(2, 3, (1, 2))))
rows("diagonal", lambda d: call(d.tensor(d.shape(2, 3)), d.int(-2, 2)))
rows("diag diagflat", lambda d: call(d.tensor(d.shape(1, 2)), d.int(-2, 2)))
rows("diag_embed", lambda d: call(d.tensor(d.shape(1, 2)), d.int(-1, 1)))
rows("tril triu", lambda d: call(d.tensor(d.shape(2, 3), ANY), d.int(-2, 2)))
rows("trace", lambda d: call(d.tensor(d.shape(2, 2), NUMBERS)))
rows("view_as_real resolve_conj", lambda d: call(d.tensor(dtype="complex128")))

# ---- indices ----


@row("gather", "take_along_dim")
def _(d):
    x = d.tensor(d.shape(1, 3, False), "float64")
    dim = d.int(-x.array.ndim, x.array.ndim - 1)
    shape = [n if i == dim % x.array.ndim else n for i, n in enumerate(x.array.shape)]
    shape[dim] = d.int(1, 3)
    index = d.index(shape, x.array.shape[dim])
    return (x, dim, index), {}


ROWS["take_along_dim"] = lambda d: (lambda a: call(a[0], a[2], a[1]))(ROWS["gather"](d)[0])
rows(
    "index_select",
    lambda d: (lambda x: call(x, 0, d.index((d.int(0, 4),), x.array.shape[0])))(d.tensor(d.shape(1, 3, False))),
)
rows("take", lambda d: (lambda x: call(x, d.index(d.shape(), x.array.size)))(d.tensor(d.shape(1, 3, False))))
rows("masked_select", lambda d: (lambda x: call(x, d.tensor(d.broadcast(x.array.shape), "bool")))(d.tensor()))
rows(
    "masked_fill",
    lambda d: (lambda x: call(x, d.tensor(d.broadcast(x.array.shape), "bool"), d.pick(0, 1.5)))(d.tensor()),
)


@row("scatter", "scatter_add")
def _(d):
    x = d.tensor(d.shape(1, 2, False), "float64")
    shape = [d.int(1, n) for n in x.array.shape]
    index = np.argsort(d.rng.random((*shape[1:], x.array.shape[0])), -1)[..., : shape[0]]
    return call(x, 0, In(np.ascontiguousarray(np.moveaxis(index, -1, 0)), False), d.tensor(shape, "float64"))


@row("scatter_reduce")
def _(d):
    (x, dim, index, src), _ = ROWS["scatter"](d)
    return call(x, dim, index, src, d.pick("sum", "prod", "mean", "amax"), include_self=d.flag())


@row("index_add", "index_copy")
def _(d):
    x = d.tensor(d.shape(1, 3, False), "float64")
    count = d.int(0, x.array.shape[0])
    order = In(d.rng.permutation(x.array.shape[0])[:count], False)
    return call(x, 0, order, d.tensor((count, *x.array.shape[1:]), "float64"))


rows(
    "index_fill",
    lambda d: (lambda x: call(x, 0, d.index((d.int(1, 4),), x.array.shape[0]), d.pick(0.5, 2)))(
        d.tensor(d.shape(1, 3, False), "float64")
    ),
)

# ---- products ----
SMALL = {"low": -1.5, "high": 1.5}


def _matrices(d, *chain, batch=()):
    return [d.tensor((*batch, a, b), "float64") for a, b in zip(chain, chain[1:], strict=False)]


@row("matmul")
def _(d):
    n, m, k = d.int(0, 3), d.int(0, 3), d.int(0, 3)
    left, right = d.pick(
        ((n, m), (m, k)),
        ((m,), (m, k)),
        ((n, m), (m,)),
        ((2, n, m), (m, k)),
        ((2, 1, n, m), (3, m, k)),
        ((n, m), (m + 1, k)),
    )
    return call(d.tensor(left, "float64"), d.tensor(right, "float64"))


rows("mm", lambda d: call(*_matrices(d, d.int(0, 3), d.int(0, 3), 2)))
rows("bmm", lambda d: call(*_matrices(d, d.int(0, 3), d.int(0, 3), 2, batch=(d.int(0, 2),))))
rows(
    "mv",
    lambda d: (lambda n, m: call(d.tensor((n, m), "float64"), d.tensor((m,), "float64")))(d.int(0, 3), d.int(0, 3)),
)
rows("dot vdot inner", lambda d: (lambda n: call(d.tensor((n,), "float64"), d.tensor((n,), "float64")))(d.int(0, 4)))
rows("outer", lambda d: call(d.tensor((d.int(0, 3),), "float64"), d.tensor((d.int(0, 3),), "float64")))
rows("kron", lambda d: call(d.tensor(d.shape(0, 2), "float64"), d.tensor(d.shape(0, 2), "float64")))
rows(
    "addmm",
    lambda d: (
        lambda n, m: call(
            d.tensor(d.pick((n, 2), (2,), (1, 2)), "float64"),
            *_matrices(d, n, m, 2),
            beta=d.pick(1, 0.5),
            alpha=d.pick(1, 2),
        )
    )(d.int(1, 3), d.int(0, 3)),
)
rows(
    "addmv",
    lambda d: (
        lambda n, m: call(
            d.tensor((n,), "float64"), d.tensor((n, m), "float64"), d.tensor((m,), "float64"), beta=d.pick(1, 0.5)
        )
    )(d.int(1, 3), d.int(0, 3)),
)
rows(
    "addr",
    lambda d: (
        lambda n, m: call(
            d.tensor((n, m), "float64"), d.tensor((n,), "float64"), d.tensor((m,), "float64"), alpha=d.pick(1, 2)
        )
    )(d.int(1, 3), d.int(1, 3)),
)
rows(
    "baddbmm",
    lambda d: (lambda n: call(d.tensor((2, n, 2), "float64"), *_matrices(d, n, 3, 2, batch=(2,)), beta=d.pick(1, 0.5)))(
        d.int(1, 3)
    ),
)
rows(
    "tensordot",
    lambda d: call(
        d.tensor((2, 3), "float64"), d.tensor((3, 2), "float64"), d.pick(1, 0, ([1], [0]), ([0, 1], [1, 0]))
    ),
)
rows(
    "einsum",
    lambda d: (
        lambda x, y: d.pick(
            call("ij,jk->ik", x, y),
            call("ij,jk", x, y),
            call("ij,jk->", x, y),
            call("ij->ji", x),
            call("...j,jk->k...", x, y),
        )
    )(d.tensor((2, 3), "float64"), d.tensor((3, 2), "float64")),
)
rows(
    "cdist",
    lambda d: call(
        d.tensor((d.int(1, 3), 2), "float64", special=False),
        d.tensor((d.int(1, 3), 2), "float64", special=False),
        d.pick(1.0, 2.0, 3.0),
    ),
)
rows(
    "cross linalg.cross",
    lambda d: (lambda s: call(d.tensor(s, "float64"), d.tensor(s, "float64"), dim=-1))((*d.shape(0, 2), 3)),
)
rows("linalg.vecdot", lambda d: (lambda s: call(d.tensor(s, "float64"), d.tensor(s, "float64"), dim=-1))(d.shape(1, 3)))
rows("linalg.multi_dot chain_matmul", lambda d: call(_matrices(d, 2, 3, 2, 4)))
ROWS.pop("chain_matmul")


def _square(d, shift=4.0, symmetric=False):
    n, batch = d.int(1, 3), d.shape(0, 1, False)
    x = d.rng.uniform(-1, 1, (*batch, n, n))
    x = (x + x.swapaxes(-1, -2)) / 2 if symmetric else x
    return In(x + shift * np.diag(np.arange(1.0, n + 1)), not d.special)


rows("linalg.det linalg.inv linalg.slogdet inverse det logdet matrix_exp", lambda d: call(_square(d)))
rows("linalg.cholesky cholesky", lambda d: call(_square(d, 4.0, True)))
rows(
    "linalg.solve",
    lambda d: (lambda a: call(a, d.tensor((*a.array.shape[:-1], 2), "float64", special=False)))(_square(d)),
)
rows(
    "linalg.solve_triangular",
    lambda d: (lambda a: call(a, d.tensor((*a.array.shape[:-1], 2), "float64", special=False), upper=d.flag()))(
        _square(d)
    ),
)
rows("linalg.matrix_power", lambda d: call(_square(d), d.int(-2, 3)))
rows("linalg.svdvals linalg.eigvalsh", lambda d: call(_square(d, 4.0, True)))
rows("linalg.matrix_norm", lambda d: call(_square(d), d.pick("fro", "nuc", 1, 2, math.inf, -2), keepdim=d.flag()))
rows("linalg.pinv linalg.matrix_rank", lambda d: call(_square(d)))

# ---- Fourier transforms ----
rows(
    "fft.fft fft.ifft fft.rfft fft.ihfft",
    lambda d: (lambda x: call(x, d.pick(None, 3, 5), -1, d.pick(None, "ortho", "forward")))(
        d.tensor(d.shape(1, 3, False), "float64", special=False)
    ),
)
rows(
    "fft.irfft fft.hfft",
    lambda d: call(d.tensor((*d.shape(0, 1, False), 3), "complex128"), d.pick(None, 4, 5), -1, d.pick(None, "ortho")),
)
rows(
    "fft.fft2 fft.ifft2 fft.rfft2 fft.fftn fft.ifftn fft.rfftn",
    lambda d: call(d.tensor((*d.shape(0, 1, False), 3, 4), "float64", special=False), norm=d.pick(None, "ortho")),
)
rows("fft.fftshift fft.ifftshift", lambda d: call(d.tensor(d.shape(1, 3), "float64", special=False)))
