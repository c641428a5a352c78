"""What PyTorch has no kernel for is refused by its name; complex logarithms of sums at the ends of the range."""

import math

import numpy as np
import pytest

import lucid
from reference import needs_torch, torch

NAMES = """hypot nextafter logaddexp logaddexp2 igamma igammac dist floor_divide fmod remainder pow bitwise_left_shift
    bitwise_right_shift lerp addcmul bucketize searchsorted""".split()
PAIRS = [("bool", "bool"), ("bool", "int64"), ("int64", "int64"), ("int64", "float32"), ("float32", "int64")]


def outcome(library, name, kinds):
    x, y = (library.tensor([1, 2] if k != "bool" else [False, True], dtype=getattr(library, k)) for k in kinds)
    more = {"lerp": (0.5,), "addcmul": (y,)}.get(name, ())
    try:
        return str(getattr(library, name)(x, y, *more).dtype).split(".")[-1]
    except RuntimeError:
        return "refused"


@needs_torch
@pytest.mark.parametrize("name", NAMES)
def test_as_torch(name):
    assert [outcome(lucid, name, p) for p in PAIRS] == [outcome(torch, name, p) for p in PAIRS]


def test_by_its_name():
    with pytest.raises(NotImplementedError, match=r"remainder: not implemented for lucid.bool"):
        lucid.remainder(lucid.tensor([True]), True)
    with pytest.raises(NotImplementedError, match="igamma"):
        lucid.tensor([1]).igamma(lucid.tensor([2]))
    assert lucid.remainder(lucid.tensor([True]), 2).tolist() == [1]


@pytest.mark.parametrize(
    "call",
    [
        lambda z: z.exponential_(),
        lambda z: z.geometric_(0.5),
        lambda z: (z.real > 0).geometric_(0.5),
        lambda z: z.scatter_reduce(0, lucid.tensor([0, 0]), z, "amax"),
        lambda z: z.index_reduce(0, lucid.tensor([0, 0]), z, "prod"),
        lambda z: lucid.histogram(lucid.tensor([1, 2]), 2),
        lambda z: lucid.histogramdd(lucid.ones(2, 2, dtype=lucid.float16), [2, 2]),
        lambda z: lucid.bincount(z.real),
        lambda z: lucid.cumsum(z, 0, dtype=lucid.bool),
    ],
)
def test_refused(call):
    with pytest.raises(NotImplementedError):
        call(lucid.zeros(2, dtype=lucid.complex64))


def test_windows_and_edges():
    with pytest.raises(ValueError, match="float32 or float64"):
        lucid.signal.windows.hann(3, dtype=lucid.float16)
    with pytest.raises(ValueError, match="strided"):
        lucid.signal.windows.hamming(3, layout=lucid.sparse_coo)
    with pytest.raises(RuntimeError, match="bins must be > 0"):
        lucid.histogram(lucid.ones(2), -4)
    with pytest.raises(RuntimeError, match="same dtype"):
        lucid.histogram(lucid.ones(2), lucid.tensor([1, 2]))
    assert lucid.histogramdd(lucid.empty(0, 1), [2]).bin_edges[0].tolist() == [0.0, 0.5, 1.0]
    assert lucid.histogram(lucid.ones(2), 1, range=(0.0, 0.0)).bin_edges.tolist() == [-0.5, 0.5]


PARTS = (-math.inf, math.inf, math.nan, 1.0, -2.0)


@needs_torch
def test_complex_logaddexp_at_the_ends():
    values = [complex(a, b) for a in PARTS for b in (0.0, math.inf, math.nan, 1.0)]
    results = []
    for library in (lucid, torch):
        x = library.tensor(values, dtype=library.complex128)
        y = library.logaddexp(x[:, None], x[None]).numpy()
        results.append(np.where(y.real == -math.inf, -math.inf, y))  # the angle of nothing is any angle
    for part in (np.real, np.imag):
        np.testing.assert_allclose(*map(part, results), rtol=1e-12)


def test_complex_logcumsumexp_at_the_ends():
    inf = math.inf
    y = lucid.logcumsumexp(
        lucid.tensor([-inf + 4j, -inf + 1j, 1.2 + 2.1j, 1e10 + 1j, complex(inf, 0), math.nan + 2j]), 0
    )
    assert y.real.tolist()[:2] == [-inf, -inf]
    assert y[2:5].tolist() == pytest.approx([1.2 + 2.1j, 1e10 + 1j, inf])
    assert math.isnan(y[5].real) and math.isnan(y[5].imag)


HALF = [60000.0, 1.5, 3.14, -7.0]


@needs_torch
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(
    "f",
    [
        lambda t, x, y: x * 1e-4,
        lambda t, x, y: 1e-8 * x,
        lambda t, x, y: x / 70000,
        lambda t, x, y: x.detach() // 0.1,
        lambda t, x, y: x.clone().mul_(3e-7),
        lambda t, x, y: t.addcmul(x, y, y, value=1e-6),
        lambda t, x, y: t.addcdiv(x, y, x, value=0.3),
        lambda t, x, y: t.lerp(x, y, 0.3),
        lambda t, x, y: t.lerp(x, y, t.full_like(x, 0.7)),
    ],
)
def test_sixteen_bits_are_rounded_once(f, dtype):
    """A number that 16 bits cannot hold, 1e-8 or 70000, does its work in float32; so do sums of products."""
    made = []
    for library in (lucid, torch):
        x = library.tensor(HALF, dtype=getattr(library, dtype), requires_grad=True)
        y = f(library, x, library.tensor([-60000.0, 0.3, 0.2, 5.0], dtype=x.dtype))
        (slope,) = library.autograd.grad(y.sum(), x) if y.requires_grad else (x,)
        made.append((y.tolist(), slope.float().tolist(), str(y.dtype).split(".")[-1]))
    assert made[0][0] == made[1][0] and made[0][2] == made[1][2]
    np.testing.assert_allclose(made[0][1], made[1][1], rtol=1e-2 if dtype == "bfloat16" else 2e-3)
