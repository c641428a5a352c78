"""What elementwise functions, reductions and functions of order take: one row per function.

``test_against_torch_ops.py`` compares the calls with torch, ``tools/make_op_table.py`` runs them for docs/op-table.md.
"""

import math

import numpy as np

from drawing import ANY, FLOATS, INTS, NUMBERS, ROWS, In, call, pair, row, rows

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


@row("add", "sub")
def _(d):
    x, y = pair(d)
    return call(x, d.pick(y, y, 2, 1.5), **({"alpha": d.pick(2, -1)} if d.flag() else {}))


rows("mul eq ne lt le gt ge", lambda d: (lambda x, y: call(x, d.pick(y, y, 2, 1.5)))(*pair(d, ANY)))
rows("maximum minimum fmax fmin heaviside", lambda d: call(*pair(d, "float64")))
rows("atan2 hypot copysign logaddexp logaddexp2 nextafter", lambda d: call(*pair(d, "float64", special=False)))
rows("logical_and logical_or logical_xor", lambda d: call(*pair(d, ANY)))
rows("bitwise_and bitwise_or bitwise_xor gcd lcm", lambda d: call(*pair(d, INTS)))
rows("bitwise_left_shift bitwise_right_shift", lambda d: call(*pair(d, "int64", low=0)))
rows("remainder fmod floor_divide", lambda d: call(*pair(d, "float64", low=0.3, special=False)))
rows("xlogy special.xlog1py ldexp", lambda d: call(*pair(d, "float64", low=0.1)))
rows("special.zeta", lambda d: (lambda x, y: call(In(x.array, False), y))(*pair(d, "float64", low=1.1, special=False)))
rows(
    "polar complex",
    lambda d: (lambda x: call(x, d.tensor(x.array.shape, "float64", special=False)))(
        d.tensor(dtype="float64", low=0.1, special=False)
    ),
)
rows("float_power", lambda d: call(d.tensor(low=0.1), d.pick(2, 0.5, -1)))
rows("isclose", lambda d: call(*pair(d, "float64"), rtol=d.pick(1e-5, 0.5), atol=d.pick(1e-8, 1.0), equal_nan=d.flag()))
rows(
    "where",
    lambda d: (lambda x, y: call(d.tensor(d.broadcast(x.array.shape), "bool"), x, d.pick(y, y, 1.5, 0)))(
        *pair(d, "float64")
    ),
)
rows(
    "addcmul addcdiv",
    lambda d: (
        lambda x, y: call(
            x, y, d.tensor(d.broadcast(x.array.shape), "float64", low=0.3, special=False), value=d.pick(1, 0.5)
        )
    )(*pair(d, "float64", special=False)),
)
rows(
    "lerp",
    lambda d: (
        lambda x, y: call(x, y, d.pick(0.25, 0.75, d.tensor(d.broadcast(x.array.shape), "float64", special=False)))
    )(*pair(d, "float64", special=False)),
)
rows("mvlgamma", lambda d: call(d.tensor(low=1.6), d.int(1, 3)))
rows("polygamma", lambda d: call(d.int(0, 3), d.tensor(low=0.3, special=False)))


@row("div")
def _(d):
    x, y = pair(d, "float64", low=0.3, special=False)
    return call(x, d.pick(y, y, 2, -1.5), **({"rounding_mode": d.pick("floor", "trunc", None)} if d.flag() else {}))


@row("pow")
def _(d):
    x, y = pair(d, "float64", low=0.3, special=False)
    return call(x, d.pick(y, 2, 0.5, -1, 3.0, 0))


@row("clamp")
def _(d):
    x = d.tensor(dtype=NUMBERS)
    low, high = d.pick((-1, 1), (None, 0.5), (0, None), (1, 0.5))
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
rows("dist", lambda d: call(*pair(d, "float64", special=False), d.pick(2, 1, 3.0)))
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
rows("isin", lambda d: call(d.tensor(dtype="int64"), d.tensor(d.shape(0, 1), "int64"), invert=d.flag()))
rows("bincount", lambda d: call(In(d.rng.integers(0, 5, d.int(0, 6)), False), minlength=d.int(0, 7)))
rows("histc", lambda d: call(d.tensor(special=False), d.int(1, 5), -2, 2))
rows("nonzero argwhere", lambda d: call(d.tensor(dtype=(*INTS, "bool"))))
rows("combinations", lambda d: call(d.tensor((d.int(0, 4),), special=False), d.int(0, 2), d.flag()))
