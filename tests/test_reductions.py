"""Reductions, running reductions and statistics against torch: values, named tuples, gradients, NaN, infinities, empty, errors."""

import math

import numpy as np
import pytest

import lucid
from reference import needs_torch, torch
from test_pointwise import host, name_of, same

pytestmark = needs_torch
NAN, INF = math.nan, math.inf
RNG = np.random.default_rng(0)
DATA = RNG.standard_normal((3, 4, 5))
HARD = np.array(
    [[1.0, NAN, 2.0, -1.0], [INF, 1.0, -INF, 0.0], [-INF, -INF, -INF, -INF], [2.0, 2.0, 0.0, 2.0], [INF, 5.0, INF, 1.0]]
)


def flat(result):
    return list(result) if isinstance(result, tuple | list) else [result]


def agree(f, data, dtype="float64", tolerance=1e-11, grad=True, integer_outputs=True):
    """The same values from both libraries, and the same first and second gradients of a weighted sum."""
    results = []
    for library in (lucid, torch):
        x = library.tensor(data, dtype=getattr(library, dtype))
        x.requires_grad_(grad)
        outs = flat(f(library, x))
        grads = []
        if grad:
            floating = [o for o in outs if o.requires_grad]
            total = sum(
                (
                    o * library.tensor(RNG_WEIGHTS[: max(o.numel(), 1)], dtype=o.dtype)[: o.numel()].reshape(o.shape)
                ).sum()
                for o in floating
            )
            (g,) = library.autograd.grad(total, x, create_graph=True)
            grads = [g]
            if g.requires_grad:
                grads += library.autograd.grad((g * g).sum(), x, allow_unused=True)
        results.append((outs, grads))
    (ours, our_grads), (theirs, their_grads) = results
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        if name_of(a.dtype) != "int64" or integer_outputs:
            same(a, b, tolerance)
    for i, b in enumerate(their_grads):
        a = our_grads[i] if i < len(our_grads) else None
        a, b = (np.zeros(1) if v is None else host(v) for v in (a, b))
        np.testing.assert_allclose(*np.broadcast_arrays(a, b), rtol=1e-8, atol=1e-9)


RNG_WEIGHTS = RNG.uniform(0.5, 1.5, 2000)

MANY = [
    "sum",
    "mean",
    "var",
    "std",
    "amax",
    "amin",
    "logsumexp",
    "nansum",
    "nanmean",
    "norm",
    "all",
    "any",
    "count_nonzero",
]
ONE = [
    "max",
    "min",
    "median",
    "nanmedian",
    "mode",
    "prod",
    "argmax",
    "argmin",
    "cumsum",
    "cumprod",
    "logcumsumexp",
    "cummax",
    "cummin",
    "softmax",
    "log_softmax",
]


@pytest.mark.parametrize("dim", [None, 0, -1, (0, 2), (1,), (0, 1, 2)])
@pytest.mark.parametrize("name", MANY)
def test_over_many(name, dim):
    if dim is None and name == "logsumexp":
        dim = (0, 1, 2)
    for keepdim in (False, True):
        options = {"keepdim": keepdim} if name != "count_nonzero" else {}
        args = () if dim is None else (dim,)
        if dim is None and name in ("sum", "mean", "nansum", "all", "any", "norm"):
            options = {}
        grad = name not in ("all", "any", "count_nonzero")
        if name == "norm" and args:
            agree(lambda L, x, a=args, o=options: L.norm(x, 2, a[0], **o), DATA)
        elif args or name not in ("var", "std", "amax", "amin", "nanmean"):
            agree(lambda L, x, a=args, o=options: getattr(L, name)(x, *a, **o), DATA, grad=grad)
        else:
            agree(lambda L, x: getattr(x, name)(), DATA, grad=grad)


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("name", ONE)
def test_along_one(name, dim):
    grad = name not in ("argmax", "argmin")
    agree(lambda L, x: getattr(L, name)(x, dim), DATA, grad=grad)
    if name not in ("cumsum", "cumprod", "logcumsumexp", "cummax", "cummin", "softmax", "log_softmax"):
        agree(lambda L, x: getattr(L, name)(x, dim, keepdim=True), DATA, grad=grad)
    ours = getattr(lucid, name)(lucid.ones(2, 2), 0)
    if isinstance(ours, tuple):
        assert ours._fields == ("values", "indices")


@pytest.mark.parametrize(
    "name",
    [
        "sum",
        "mean",
        "var",
        "std",
        "amax",
        "amin",
        "logsumexp",
        "nansum",
        "nanmean",
        "prod",
        "max",
        "min",
        "median",
        "nanmedian",
        "argmax",
        "argmin",
        "cumsum",
        "cumprod",
        "logcumsumexp",
        "cummax",
        "cummin",
        "softmax",
        "log_softmax",
        "any",
        "all",
        "count_nonzero",
    ],
)
def test_nan_and_infinities(name):
    for dtype in ("float64", "float32", "bfloat16", "float16"):
        if dtype == "bfloat16" and name == "nanmedian":
            continue
        x, t = lucid.tensor(HARD, dtype=getattr(lucid, dtype)), torch.tensor(HARD, dtype=getattr(torch, dtype))
        for a, b in zip(flat(getattr(lucid, name)(x, 1)), flat(getattr(torch, name)(t, 1)), strict=True):
            same(a, b, 1e-12 if dtype == "float64" else 1e-6 if dtype == "float32" else 1e-2)


@pytest.mark.parametrize(
    "name",
    [
        "sum",
        "prod",
        "amax",
        "amin",
        "argmax",
        "argmin",
        "max",
        "min",
        "cumsum",
        "cumprod",
        "any",
        "all",
        "count_nonzero",
        "median",
        "mode",
        "nansum",
    ],
)
def test_integers_and_booleans(name):
    for dtype in ("bool", "uint8", "int8", "int32", "int64"):
        values = [[0, 1, 1], [1, 1, 0]] if dtype == "bool" else [[3, 1, 2], [2, 2, 7]]
        x, t = lucid.tensor(values, dtype=getattr(lucid, dtype)), torch.tensor(values, dtype=getattr(torch, dtype))
        for args in ((), (1,)) if name not in ("cumsum", "cumprod", "mode") else ((1,),):
            try:
                expected = getattr(torch, name)(t, *args)
            except RuntimeError:
                continue
            for a, b in zip(flat(getattr(lucid, name)(x, *args)), flat(expected), strict=True):
                if not (
                    name in ("max", "min", "median", "mode")
                    and args
                    and name_of(a.dtype) == "int64"
                    and a is not flat(getattr(lucid, name)(x, *args))[0]
                    and dtype != "int64"
                ):
                    same(a, b)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_empty(shape):
    x, t = lucid.zeros(*shape), torch.zeros(*shape)
    for name in (
        "sum",
        "prod",
        "mean",
        "any",
        "all",
        "nansum",
        "count_nonzero",
        "logsumexp",
        "var",
        "norm",
        "cumsum",
        "cummax",
        "amax",
        "argmax",
        "max",
        "median",
    ):
        for args in ((), (0,), (len(shape) - 1,)):
            if name == "norm" and args:
                continue
            if not args and name in ("logsumexp", "cumsum", "cummax"):
                continue
            try:
                expected = flat(getattr(torch, name)(t, *args))
            except (RuntimeError, IndexError) as problem:
                with pytest.raises(type(problem)):
                    getattr(lucid, name)(x, *args)
                continue
            for a, b in zip(flat(getattr(lucid, name)(x, *args)), expected, strict=True):
                same(a, b)


@pytest.mark.parametrize(
    "name",
    [
        "sum",
        "mean",
        "prod",
        "max",
        "min",
        "median",
        "argmax",
        "cumsum",
        "cumprod",
        "cummax",
        "logsumexp",
        "softmax",
        "log_softmax",
        "sort",
        "topk",
        "mode",
        "all",
        "var",
    ],
)
def test_scalars(name):
    args = (1, 0) if name == "topk" else (0,)
    same_lists = [flat(getattr(L, name)(L.tensor(2.5), *args)) for L in (lucid, torch)]
    for a, b in zip(*same_lists, strict=True):
        same(a, b)


CASES = {
    "sum dtype": lambda L, x: L.sum(x, 0, dtype=L.float64),
    "var correction 0": lambda L, x: L.var(x, 1, correction=0),
    "var unbiased": lambda L, x: L.var(x, 1, False, True),
    "var half": lambda L, x: L.var(x, (0, 1), correction=2.5),
    "std positional": lambda L, x: x.std(1, False),
    "std all": lambda L, x: x.std(False) if L is torch else x.std(unbiased=False),
    "var_mean": lambda L, x: L.var_mean(x, 1),
    "std_mean": lambda L, x: L.std_mean(x, (0, 2), keepdim=True),
    "aminmax": lambda L, x: tuple(L.aminmax(x, dim=1)),
    "max all": lambda L, x: L.max(x),
    "max two": lambda L, x: L.max(x, x * 0.5),
    "median all": lambda L, x: L.median(x),
    "nanmedian all": lambda L, x: L.nanmedian(x),
    "kthvalue": lambda L, x: L.kthvalue(x, 2, 1),
    "kthvalue keep": lambda L, x: L.kthvalue(x, 3, -1, True),
    "quantile": lambda L, x: L.quantile(x, 0.3),
    "quantile several": lambda L, x: L.quantile(x, L.tensor([0.0, 0.25, 1.0], dtype=x.dtype), dim=1),
    "quantile keep": lambda L, x: L.quantile(x, L.tensor([0.1, 0.6], dtype=x.dtype), dim=-1, keepdim=True),
    "quantile all keep": lambda L, x: L.quantile(x, 0.4, keepdim=True),
    "quantile lower": lambda L, x: L.quantile(x, 0.3, dim=0, interpolation="lower"),
    "quantile higher": lambda L, x: L.quantile(x, 0.3, dim=0, interpolation="higher"),
    "quantile nearest": lambda L, x: L.quantile(x, 0.3, dim=0, interpolation="nearest"),
    "quantile midpoint": lambda L, x: L.quantile(x, 0.3, dim=0, interpolation="midpoint"),
    "nanquantile": lambda L, x: L.nanquantile(x, 0.7, dim=2),
    "norm 1": lambda L, x: L.norm(x, 1, 1),
    "norm 3": lambda L, x: L.norm(x, 3, (0, 1), True),
    "norm inf": lambda L, x: L.norm(x, math.inf, 1),
    "norm -inf": lambda L, x: x.norm(-math.inf, 1),
    "norm half": lambda L, x: x.norm(0.5, 2),
    "norm fro": lambda L, x: x.norm(),
    "dist": lambda L, x: L.dist(x[0], x[1], 3),
    "renorm": lambda L, x: L.renorm(x, 2, 1, 1.5),
    "diff": lambda L, x: L.diff(x),
    "diff 2": lambda L, x: L.diff(x, 2, 1),
    "diff prepend": lambda L, x: L.diff(x, prepend=x[..., :1] * 2, append=x[..., :2]),
    "trapezoid": lambda L, x: L.trapezoid(x, dim=1),
    "trapezoid dx": lambda L, x: L.trapezoid(x, dx=0.3),
    "trapezoid x": lambda L, x: L.trapezoid(x, L.tensor([0.0, 1, 3, 4], dtype=x.dtype), dim=1),
    "cumulative_trapezoid": lambda L, x: L.cumulative_trapezoid(x, dim=0),
    "cov": lambda L, x: L.cov(x[0]),
    "cov weights": lambda L, x: L.cov(
        x[0],
        correction=0,
        fweights=L.tensor([1, 2, 3, 1, 2]),
        aweights=L.tensor([0.1, 0.2, 0.3, 0.4, 0.5], dtype=x.dtype),
    ),
    "cov 1d": lambda L, x: L.cov(x[0, 0]),
    "corrcoef": lambda L, x: L.corrcoef(x[1]),
    "softmax method": lambda L, x: x.softmax(-1),
    "prod all": lambda L, x: L.prod(x),
}


@pytest.mark.parametrize("case", CASES)
def test_arguments(case):
    agree(CASES[case], DATA)


def test_products_with_zeros():
    data = np.array([[1.0, 0.0, 3.0, 2.0], [0.0, 2.0, 0.0, 1.0], [1.0, 2.0, 3.0, 4.0]])
    agree(lambda L, x: L.cumprod(x, 1), data)
    agree(lambda L, x: L.prod(x, 1), data)
    agree(lambda L, x: L.cumprod(x, 0), data)


def test_gradients_at_kinks():
    data = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [2.0, 2.0, 2.0]])
    for name in ("amax", "amin", "max", "min", "norm", "std"):
        for args in ((),) if name in ("norm",) else ((1,),) if name != "max" else ((1,), ()):
            grads = []
            for library in (lucid, torch):
                x = library.tensor(data, requires_grad=True)
                flat(getattr(library, name)(x, *args))[0].sum().backward()
                grads.append(host(x.grad))
            np.testing.assert_allclose(*grads)
    for p in (1.0, 2.0, 3.0, 0.5, math.inf):
        grads = []
        for library in (lucid, torch):
            x = library.zeros(3, requires_grad=True)
            library.norm(x, p).backward()
            grads.append(host(x.grad))
        np.testing.assert_allclose(*grads)


def test_large_sums_are_accurate_in_float32():
    x = RNG.standard_normal((7, 9001)).astype("float32") + 0.1
    for axis in (None, 1, (0, 1), 0):
        exact = x.astype("float64").sum(axis)
        np.testing.assert_allclose(np.asarray(lucid.tensor(x).sum(axis)), exact, rtol=3e-6, atol=3e-6)
        np.testing.assert_allclose(
            np.asarray(lucid.tensor(x).mean(axis)), x.astype("float64").mean(axis), rtol=3e-6, atol=1e-6
        )
    big = np.full((1, 3_000_001), 0.1, "float32")
    assert abs(float(lucid.tensor(big).sum()) / (0.1 * 3_000_001) - 1) < 1e-6


def test_softmax_in_blocks():
    x = RNG.standard_normal((700, 300))
    for dim in (0, 1):
        agree(lambda L, t, d=dim: L.softmax(t, d), x[:40, :30])
        ours, theirs = lucid.softmax(lucid.tensor(x), dim), torch.softmax(torch.tensor(x), dim)
        np.testing.assert_allclose(np.asarray(ours), theirs.numpy(), rtol=1e-12)


def test_histograms_and_counts():
    x = RNG.standard_normal(50)
    for options in (dict(bins=7), dict(bins=5, min=-1, max=1), dict(bins=3, min=2, max=2)):
        same(lucid.histc(lucid.tensor(x), **options), torch.histc(torch.tensor(x), **options))
    w = RNG.uniform(size=50)
    for bins, options in ((6, {}), (4, dict(range=(-1.0, 2.0))), (5, dict(density=True))):
        for weight in (None, w):
            extra = {} if weight is None else {"weight": weight}
            ours = lucid.histogram(lucid.tensor(x), bins, **options, **{k: lucid.tensor(v) for k, v in extra.items()})
            theirs = torch.histogram(torch.tensor(x), bins, **options, **{k: torch.tensor(v) for k, v in extra.items()})
            same(ours.hist, theirs.hist)
            same(ours.bin_edges, theirs.bin_edges)
    edges = [-2.0, -0.5, 0.1, 3.0]
    same(
        lucid.histogram(lucid.tensor(x), lucid.tensor(edges, dtype=lucid.float64)).hist,
        torch.histogram(torch.tensor(x), torch.tensor(edges, dtype=torch.float64)).hist,
    )
    points = RNG.standard_normal((40, 2))
    ours, theirs = lucid.histogramdd(lucid.tensor(points), [3, 4]), torch.histogramdd(torch.tensor(points), [3, 4])
    same(ours.hist, theirs.hist)
    n = RNG.integers(0, 6, 30)
    same(lucid.bincount(lucid.tensor(n), minlength=9), torch.bincount(torch.tensor(n), minlength=9))
    same(lucid.bincount(lucid.tensor(n), lucid.tensor(w[:30])), torch.bincount(torch.tensor(n), torch.tensor(w[:30])))


ERRORS = [
    lambda L: L.mean(L.tensor([1, 2])), lambda L: L.sum(L.ones(2), 2), lambda L: L.sum(L.ones(2, 2), (0, 0)), lambda L: L.max(L.ones(0)),
    lambda L: L.max(L.ones(0, 2), 0), lambda L: L.amax(L.ones(0, 2), 0), lambda L: L.argmax(L.ones(0)), lambda L: L.kthvalue(L.ones(3), 4),
    lambda L: L.quantile(L.ones(3), 1.5), lambda L: L.quantile(L.tensor([1, 2]), 0.5), lambda L: L.bincount(L.tensor([-1])),
    lambda L: L.cumsum(L.ones(2), 1), lambda L: L.var(L.tensor([1, 2])), lambda L: L.histc(L.ones(2), bins=0), lambda L: L.diff(L.tensor(1.0)),
    lambda L: L.histogram(L.ones(2), bins=3, range=(2.0, 1.0)), lambda L: L.norm(L.ones(2), "abc"), lambda L: L.mode(L.ones(0, 2), 0),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_errors(number):
    with pytest.raises(Exception) as theirs:
        ERRORS[number](torch)
    kind = RuntimeError if theirs.type in (NotImplementedError, ValueError, AssertionError) else theirs.type
    with pytest.raises(kind):
        ERRORS[number](lucid)


def test_named_and_translated_arguments():
    x = lucid.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert x.sum(axis=0, keepdims=True).tolist() == [[4.0, 6.0]]
    assert lucid.sum(input=x, dim=1).tolist() == [3.0, 7.0]
    values = lucid.empty(0)
    indices = lucid.empty(0, dtype=lucid.int64)
    lucid.max(x, 1, out=(values, indices))
    assert values.tolist() == [2.0, 4.0] and indices.tolist() == [1, 1]
