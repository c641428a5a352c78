"""One row per op: its NumPy reference and the shapes to try. ``test_ops.py`` and ``docs`` read this table."""

import numpy as np

from lucid.testing import case

POSITIVE = {"low": 0.2, "high": 3.0}
UNIT = {"low": -0.9, "high": 0.9}
MASK = np.array([[True, False, True, False]] * 3)
AXIS = ((1,), False)
PADS = ((0, 0), (2, 0), (1, 3))


def unpadded(g, mode):
    """Every element goes back to where ``numpy.pad`` took it from."""
    out, source = np.zeros((2, 3, 4), g.dtype), np.pad(np.arange(24).reshape(2, 3, 4), PADS, mode)
    np.add.at(out.reshape(-1), source, g)
    return out


def log_sum_exp(x):
    return np.log(np.exp(x).sum(1))


def soft(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def put(x, v, where):
    out = x.copy()
    out[where] = v
    return out


def add_at(x, index, v):
    out = x.copy()
    for j in range(index.shape[1]):
        for i in range(index.shape[0]):
            out[i, index[i, j]] += v[i, j]
    return out


def placed(v, shape, where):
    out = np.zeros(shape)
    np.add.at(out, where, v)
    return out


ALONG = np.array([[0, 2], [1, 1], [3, 0]])
ROWS = np.array([0, 2, 2])
TAKEN = (slice(None), slice(0, 4, 2))

OPS = [
    # arithmetic
    case("add", np.add, (3, 4), (3, 4)),
    case("subtract", np.subtract, (3, 4), (3, 4)),
    case("multiply", np.multiply, (3, 4), (3, 4)),
    case("divide", np.divide, (3, 4), (3, 4), **POSITIVE),
    case("pow", np.power, (3, 4), (3, 4), **POSITIVE),
    case("negative", np.negative, (3, 4)),
    case("positive", np.positive, (3, 4)),
    case("reciprocal", lambda x: 1 / x, (3, 4), **POSITIVE),
    case("square", np.square, (3, 4)),
    case("remainder", np.remainder, (3, 4), (3, 4), low=0.55, high=0.95, distinct=True),
    case("fmod", np.fmod, (3, 4), (3, 4), low=0.55, high=0.95, distinct=True),
    case("floor_divide", np.floor_divide, (3, 4), (3, 4), low=0.55, high=0.95, distinct=True),
    case("trunc_divide", lambda x, y: np.trunc(x / y), (3, 4), (3, 4), low=0.55, high=0.95, distinct=True),
    # exponentials and logarithms
    case("exp", np.exp, (3, 4)),
    case("exp2", np.exp2, (3, 4)),
    case("expm1", np.expm1, (3, 4)),
    case("log", np.log, (3, 4), **POSITIVE),
    case("log1p", np.log1p, (3, 4), **POSITIVE),
    case("log2", np.log2, (3, 4), **POSITIVE),
    case("log10", np.log10, (3, 4), **POSITIVE),
    case("sqrt", np.sqrt, (3, 4), **POSITIVE),
    case("rsqrt", lambda x: 1 / np.sqrt(x), (3, 4), **POSITIVE),
    case("logaddexp", np.logaddexp, (3, 4), (3, 4)),
    # trigonometry
    case("sin", np.sin, (3, 4)),
    case("cos", np.cos, (3, 4)),
    case("tan", np.tan, (3, 4), low=-1.2, high=1.2),
    case("asin", np.arcsin, (3, 4), **UNIT),
    case("acos", np.arccos, (3, 4), **UNIT),
    case("atan", np.arctan, (3, 4)),
    case("sinh", np.sinh, (3, 4)),
    case("cosh", np.cosh, (3, 4)),
    case("tanh", np.tanh, (3, 4)),
    case("asinh", np.arcsinh, (3, 4)),
    case("acosh", np.arccosh, (3, 4), low=1.2, high=3.0),
    case("atanh", np.arctanh, (3, 4), **UNIT),
    case("atan2", np.arctan2, (3, 4), (3, 4), **POSITIVE),
    case("hypot", np.hypot, (3, 4), (3, 4), **POSITIVE),
    # magnitude, sign, rounding, choice (values kept apart: no kink within a finite difference)
    case("abs", np.abs, (3, 4), distinct=True),
    case("sign", np.sign, (3, 4), distinct=True),
    case("copysign", np.copysign, (3, 4), (3, 4), low=0.2, high=2.0),
    case("floor", np.floor, (3, 4), distinct=True),
    case("ceil", np.ceil, (3, 4), distinct=True),
    case("trunc", np.trunc, (3, 4), distinct=True),
    case("round_to", np.round, (3, 4), params=(0,), distinct=True),
    case("nan_to_num", lambda x: x, (3, 4), params=(0.0, 1.0, -1.0), distinct=True),
    case("clip", lambda x: np.clip(x, -0.5, 0.7), (3, 4), params=(-0.5, 0.7), distinct=True),
    case("maximum", np.maximum, (3, 4), (3, 4), distinct=True),
    case("minimum", np.minimum, (3, 4), (3, 4), distinct=True),
    case("relu", lambda x: np.maximum(x, 0), (3, 4), distinct=True),
    case("relu_grad", lambda g, x: g * (x > 0), (3, 4), (3, 4), distinct=True),
    case("sigmoid", lambda x: 1 / (1 + np.exp(-x)), (3, 4)),
    case("where", np.where, (3, 4), (3, 4), (3, 4), fixed={0: MASK}),
    # reductions
    case("sum", lambda x: x.sum(1), (3, 4), params=AXIS),
    case("mean", lambda x: x.mean(1), (3, 4), params=AXIS),
    case("mean_square", lambda x: (x * x).mean(1), (3, 4), params=AXIS),
    case("mean_square", lambda x: (x * x).mean(), (3, 4), params=(None, False)),
    case("logsumexp", log_sum_exp, (3, 4), params=AXIS),
    case("amax", lambda x: x.max(1), (3, 4), params=AXIS, distinct=True),
    case("amin", lambda x: x.min(1), (3, 4), params=AXIS, distinct=True),
    case("prod", lambda x: x.prod(1), (3, 4), params=(1, False)),
    case("prod", lambda x: x.prod(), (3, 4), params=(None, False)),
    case("cumulative_sum", lambda x: x.cumsum(1), (3, 4), params=(1,)),
    case("cumulative_prod", lambda x: x.cumprod(1), (3, 4), params=(1,)),
    case("softmax", soft, (3, 4), params=(1,)),
    case("log_softmax", lambda x: np.log(soft(x)), (3, 4), params=(1,)),
    # shape
    case("reshape", lambda x: x.reshape(2, 6), (3, 4), params=((2, 6),)),
    case("permute_dims", lambda x: x.transpose(2, 0, 1), (2, 3, 4), params=((2, 0, 1),)),
    case("matrix_transpose", lambda x: x.swapaxes(-1, -2), (2, 3, 4)),
    case("broadcast_to", lambda x: np.broadcast_to(x, (2, 3, 4)), (3, 1), params=((2, 3, 4),)),
    case("concat", lambda xs: np.concatenate(xs, 1), (3, 2), (3, 1), (3, 4), params=(1,), variadic=True),
    case("flip", lambda x: x[:, ::-1], (3, 4), params=((1,),)),
    case("roll", lambda x: np.roll(x, 2, 1), (3, 4), params=((2,), (1,))),
    case("extend", lambda x: np.pad(x, PADS, "reflect"), (2, 3, 4), params=(PADS[1:], "reflect")),
    case("extend", lambda x: np.pad(x, PADS, "edge"), (2, 3, 4), params=(PADS[1:], "replicate")),
    case("extend", lambda x: np.pad(x, PADS, "wrap"), (2, 3, 4), params=(PADS[1:], "circular")),
    case("extend_grad", lambda g: unpadded(g, "reflect"), (2, 5, 8), params=(PADS[1:], "reflect")),
    case("extend_grad", lambda g: unpadded(g, "edge"), (2, 5, 8), params=(PADS[1:], "replicate")),
    case("extend_grad", lambda g: unpadded(g, "wrap"), (2, 5, 8), params=(PADS[1:], "circular")),
    case("copy", np.copy, (3, 4)),
    # indexing
    case("getitem", lambda x: x[TAKEN], (3, 4), params=(TAKEN,)),
    case("place", lambda v: placed(v, (3, 4), TAKEN), (3, 2), params=((3, 4), TAKEN)),
    case("setitem", lambda x, v: put(x, v, TAKEN), (3, 4), (3, 2), params=(TAKEN,)),
    case("index", lambda x: x[ROWS], (3, 4), params=((ROWS,),)),
    case("place_add", lambda v: placed(v, (4, 2), (ROWS,)), (3, 2), params=((4, 2), (ROWS,))),
    case("index_put", lambda x, v: put(x, v, (ROWS[:2],)), (3, 4), (2, 4), params=((ROWS[:2],),)),
    case("take_along_axis", lambda x, i: np.take_along_axis(x, i, 1), (3, 4), (3, 2), params=(1,), fixed={1: ALONG}),
    case("scatter_add", add_at, (3, 4), (3, 2), (3, 2), params=(1,), fixed={1: ALONG}),
    case("put_along_axis", lambda x, i, v: put(x, v, (np.arange(3)[:, None], i)), (3, 4), (3, 2), (3, 2),
         params=(1,), fixed={1: np.array([[0, 2], [1, 3], [3, 0]])}),
    # products
    case("matmul", np.matmul, (3, 4), (4, 2)),
    case("cross", lambda x, y: np.cross(x, y, axis=1), (2, 3, 2), (2, 3, 2), params=(1,)),
    case("matmul", np.matmul, (2, 1, 3, 4), (5, 4, 2)),
    case("linear", lambda x, w, b: x @ w.T + b, (5, 3), (4, 3), (4,)),
    # no derivative
    case("equal", np.equal, (3, 4), (3, 4)),
    case("not_equal", np.not_equal, (3, 4), (3, 4)),
    case("less", np.less, (3, 4), (3, 4)),
    case("less_equal", np.less_equal, (3, 4), (3, 4)),
    case("greater", np.greater, (3, 4), (3, 4)),
    case("greater_equal", np.greater_equal, (3, 4), (3, 4)),
    case("isnan", np.isnan, (3, 4)),
    case("isinf", np.isinf, (3, 4)),
    case("isfinite", np.isfinite, (3, 4)),
    case("signbit", np.signbit, (3, 4)),
    case("logical_and", np.logical_and, (3, 4), (3, 4)),
    case("logical_or", np.logical_or, (3, 4), (3, 4)),
    case("logical_xor", np.logical_xor, (3, 4), (3, 4)),
    case("logical_not", np.logical_not, (3, 4)),
    case("argmax", lambda x: x.argmax(1), (3, 4), params=(1, False)),
    case("argmin", lambda x: x.argmin(1), (3, 4), params=(1, False)),
    case("argsort", lambda x: x.argsort(1), (3, 4), params=(1, False, True), distinct=True),
    case("searchsorted", lambda s, v: np.searchsorted(s, v), (4,), (3,), params=(False,), fixed={0: np.array([-1.0, 0.0, 0.5, 1.0])}),
]  # fmt: skip
