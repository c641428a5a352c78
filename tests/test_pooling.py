"""Pooling, unpooling and folding against torch in float64: values, indices, gradients, second order, errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lucid
import lucid.nn.functional as F
from lucid import nn
from reference import needs_torch, torch

RNG = np.random.default_rng(1)


def close(ours, theirs):
    ours, theirs = np.asarray(ours.detach()), theirs.detach().numpy()
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max(initial=0) <= 1e-10 * max(1.0, np.abs(theirs).max(initial=0))


def compare(name, x, *args, more=(), **options):
    """The function on both sides; the same values, gradient and gradient of the gradient, or the same kind of error."""
    ours, theirs = lucid.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    try:
        expected = getattr(torch.nn.functional, name)(theirs, *map(torch.tensor, more), *args, **options)
    except (RuntimeError, ValueError) as error:
        with pytest.raises(type(error)):
            getattr(F, name)(ours, *map(lucid.tensor, more), *args, **options)
        return None
    got = getattr(F, name)(ours, *map(lucid.tensor, more), *args, **options)
    if not isinstance(expected, tuple):
        got, expected = (got,), (expected,)
    for a, b in zip(got, expected, strict=True):
        close(a, b)
    rng = np.random.default_rng(2)
    g = rng.normal(size=tuple(expected[0].shape))
    g1, g2 = lucid.tensor(g, requires_grad=True), torch.tensor(g, requires_grad=True)
    (dx,) = lucid.autograd.grad(got[0], ours, g1, create_graph=True)
    (tx,) = torch.autograd.grad(expected[0], theirs, g2, create_graph=True)
    close(dx, tx)
    if not x.size:
        return expected  # torch has no graph of the gradient here
    v = rng.normal(size=x.shape)
    close(lucid.autograd.grad(dx, g1, lucid.tensor(v))[0], torch.autograd.grad(tx, g2, torch.tensor(v))[0])
    return expected


def some(draw, n, low, high):
    return [draw(st.integers(low, high)) for _ in range(n)]


@st.composite
def inputs(draw):
    n = draw(st.integers(1, 3))
    shape = (draw(st.integers(0, 2)), draw(st.integers(1, 3)), *some(draw, n, 3, 8))
    if draw(st.integers(0, 4)) == 0:
        shape = shape[1:]
    x = np.random.default_rng(draw(st.integers(0, 9))).normal(size=shape).round(1)  # rounded: equal maxima
    if len(shape) == n + 2 and draw(st.booleans()):  # the memory order of convolutions
        x = np.ascontiguousarray(np.moveaxis(x, 1, -1))
        x = np.moveaxis(x, -1, 1)
    return n, x


@needs_torch
@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_windows(data):
    n, x = data.draw(inputs())
    draw = data.draw
    kernel, padding, dilation = some(draw, n, 1, 3), some(draw, n, 0, 1), some(draw, n, 1, 2)
    stride, ceil = draw(st.one_of(st.none(), st.just(some(draw, n, 1, 3)))), draw(st.booleans())
    compare(f"max_pool{n}d", x, kernel, stride, padding, dilation, ceil_mode=ceil, return_indices=draw(st.booleans()))
    options = {"count_include_pad": draw(st.booleans()), "ceil_mode": ceil}
    if n > 1:
        options["divisor_override"] = draw(st.sampled_from([None, 3]))
    compare(f"avg_pool{n}d", x, kernel, stride, padding, **options)
    compare(
        f"lp_pool{n}d",
        np.abs(x) + 0.1,
        draw(st.sampled_from([1.0, 2.0, 3.0])),
        kernel[0],
        None if stride is None else stride[0],
        ceil,
    )


@needs_torch
@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.data())
def test_adaptive(data):
    n, x = data.draw(inputs())
    sizes = [data.draw(st.sampled_from([1, 2, 3, 4, 5, 8] + [None] * (n > 1))) for _ in range(n)]
    compare(f"adaptive_avg_pool{n}d", x, sizes)
    compare(f"adaptive_max_pool{n}d", x, sizes, return_indices=data.draw(st.booleans()))


@needs_torch
@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_unpooling_and_folding(data):
    n, x = data.draw(inputs())
    k, s = data.draw(st.integers(2, 3)), data.draw(st.sampled_from([None, 2, 3]))
    values, where = getattr(torch.nn.functional, f"max_pool{n}d")(torch.tensor(x), k, s, return_indices=True)
    compare(f"max_unpool{n}d", values.numpy(), k, s, more=(where.numpy(),))
    compare(f"max_unpool{n}d", values.numpy(), k, s, 0, list(x.shape[-n:]), more=(where.numpy(),))
    if n == 2:
        kernel, stride = some(data.draw, 2, 1, 3), some(data.draw, 2, 1, 2)
        dilation, padding = data.draw(st.integers(1, 2)), data.draw(st.integers(0, 1))
        columns = compare("unfold", x, kernel, dilation, padding, stride)
        if columns is not None:
            compare("fold", columns[0].detach().numpy(), list(x.shape[-2:]), kernel, dilation, padding, stride)


@needs_torch
@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("how", [{"output_size": 4}, {"output_ratio": 0.6}, {"output_size": 1}])
def test_fractional_with_given_samples(n, how):
    how = {"output_ratio": (0.6,) * n} if "output_ratio" in how else how
    x, samples = RNG.normal(size=(2, 3, 9, 8, 10)[: n + 2]), RNG.random((2, 3, n))
    name = f"fractional_max_pool{n}d"
    expected = getattr(torch.nn.functional, name)(
        torch.tensor(x), 2, **how, return_indices=True, _random_samples=torch.tensor(samples)
    )
    got = getattr(F, name)(lucid.tensor(x), 2, **how, return_indices=True, _random_samples=lucid.tensor(samples))
    for a, b in zip(got, expected, strict=True):
        close(a, b)
    assert getattr(F, name)(lucid.tensor(x), 2, **how).shape == tuple(expected[0].shape)


def test_infinite_gradients_and_nan_stay_where_they_belong():
    x = lucid.tensor([[[[1.0, 2.0, float("nan"), 0.0], [0.0, 0.0, 0.0, 0.0]]]], requires_grad=True)
    out = F.max_pool2d(x, 2)
    (dx,) = lucid.autograd.grad(out, x, lucid.tensor([[[[float("inf"), 3.0]]]]))
    assert dx.tolist() == [[[[0.0, float("inf"), 3.0, 0.0], [0.0] * 4]]]
    assert out[0, 0, 0].isnan().tolist() == [False, True]


@needs_torch
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int64"])
def test_max_pool_of_other_dtypes(dtype):
    x = RNG.integers(-9, 9, (2, 3, 6, 6)).astype("float32")
    got = F.max_pool2d(lucid.tensor(x).to(getattr(lucid, dtype)), 3, 2, 1)
    expected = torch.nn.functional.max_pool2d(torch.tensor(x).to(getattr(torch, dtype)), 3, 2, 1)
    assert got.dtype is getattr(lucid, dtype) and got.tolist() == expected.tolist()


MODULES = [
    ("MaxPool1d", (2,), {}), ("MaxPool2d", (3,), {"stride": 2, "padding": 1, "ceil_mode": True}), ("MaxPool3d", (2,), {"dilation": 2}),
    ("AvgPool1d", (2,), {"padding": 1}), ("AvgPool2d", ((3, 2),), {"count_include_pad": False}), ("AvgPool3d", (2,), {"divisor_override": 3}),
    ("LPPool1d", (2, 3), {}), ("LPPool2d", (2, 3), {"stride": 2}), ("LPPool3d", (2, 2), {"ceil_mode": True}),
    ("AdaptiveAvgPool1d", (3,), {}), ("AdaptiveAvgPool2d", ((3, None),), {}), ("AdaptiveAvgPool3d", (1,), {}),
    ("AdaptiveMaxPool1d", (3,), {}), ("AdaptiveMaxPool2d", ((None, 2),), {}), ("AdaptiveMaxPool3d", (2,), {}),
    ("Unfold2d", ((2, 3),), {"padding": 1}), ("FractionalMaxPool2d", (2, 3), {}), ("FractionalMaxPool3d", (2,), {"output_ratio": 0.5}),
]  # fmt: skip


@needs_torch
@pytest.mark.parametrize(("name", "args", "options"), MODULES)
def test_modules_print_and_compute_as_torch(name, args, options):
    n, kind = int(name[-2]), name.replace("Unfold2d", "Unfold")
    ours, theirs = getattr(nn, kind)(*args, **options), getattr(torch.nn, kind)(*args, **options)
    assert repr(ours) == repr(theirs)
    x = np.abs(RNG.normal(size=(2, 3, 7, 8, 6)[: n + 2]))
    if not kind.startswith("Fractional"):
        close(ours(lucid.tensor(x)), theirs(torch.tensor(x)))
    else:
        assert ours(lucid.tensor(x)).shape == tuple(theirs(torch.tensor(x)).shape)


@needs_torch
@pytest.mark.parametrize("n", [1, 2, 3])
def test_unpool_modules(n):
    x = RNG.normal(size=(2, 3, 7, 8, 6)[: n + 2])
    pool, unpool = getattr(nn, f"MaxPool{n}d")(2, return_indices=True), getattr(nn, f"MaxUnpool{n}d")(2)
    their_pool, their_unpool = (
        getattr(torch.nn, f"MaxPool{n}d")(2, return_indices=True),
        getattr(torch.nn, f"MaxUnpool{n}d")(2),
    )
    assert repr(unpool) == repr(their_unpool)
    size = list(x.shape)
    close(
        unpool(*pool(lucid.tensor(x)), output_size=size), their_unpool(*their_pool(torch.tensor(x)), output_size=size)
    )


BAD = [
    ("max_pool2d", (4, 4), (2,), {}), ("max_pool2d", (1, 1, 4, 4), (5,), {}), ("max_pool2d", (1, 1, 4, 4), (2,), {"padding": 2}),
    ("max_pool2d", (1, 1, 4, 4), (0,), {}), ("max_pool2d", (1, 1, 4, 4), (2,), {"stride": 0}), ("max_pool2d", (1, 0, 4, 4), (2,), {}),
    ("avg_pool2d", (1, 1, 4, 4), (2,), {"divisor_override": 0}), ("avg_pool2d", (1, 1, 4, 4), ((2, 2, 2),), {}),
    ("adaptive_avg_pool2d", (1, 1, 4, 4), ((2, 2, 2),), {}), ("adaptive_max_pool2d", (1, 1, 4, 4), ((-1, 2),), {}),
    ("unfold", (1, 1, 4, 4), (5,), {}), ("fold", (1, 4, 3), ((2, 2), (2, 2)), {}), ("fold", (1, 3, 1), ((2, 2), (2, 2)), {}),
    ("fractional_max_pool2d", (1, 1, 4, 4), (5,), {"output_size": 2}), ("fractional_max_pool2d", (1, 1, 4, 4), (2,), {}),
]  # fmt: skip


@needs_torch
@pytest.mark.parametrize(("name", "shape", "args", "options"), BAD)
def test_bad_input_raises_what_torch_raises(name, shape, args, options):
    with pytest.raises((RuntimeError, ValueError)) as theirs:
        getattr(torch.nn.functional, name)(torch.zeros(shape), *args, **options)
    with pytest.raises(type(theirs.value)):
        getattr(F, name)(lucid.zeros(shape), *args, **options)


def test_unpool_checks_its_indices():
    with pytest.raises(RuntimeError, match="invalid max index"):
        F.max_unpool2d(lucid.ones(1, 1, 1, 1), lucid.tensor([[[[9]]]]), 2)
    with pytest.raises(ValueError, match="invalid output_size"):
        F.max_unpool2d(lucid.ones(1, 1, 1, 1), lucid.tensor([[[[0]]]]), 2, output_size=(9, 9))
