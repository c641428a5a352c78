"""Pooling and batch normalisation as machine code against the same kernels in NumPy, which other tests compare with torch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lucid.backends import numpy_pool
from lucid.backends.normalization import channels as kernels

pytest.importorskip("numba")


def both(module, call):
    """What the call gives compiled and in NumPy."""
    answers = []
    for least in (1, 1 << 62):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "COMPILES", least)
            patch.setattr(module, "available", lambda: True)
            answers.append(call())
    return answers


def same(ours, theirs, tolerance=1e-12):
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype and a.strides == b.strides
        np.testing.assert_allclose(a, b, tolerance, tolerance)


@st.composite
def windows(draw):
    n = draw(st.integers(1, 3))
    each = lambda low, high: tuple(draw(st.integers(low, high)) for _ in range(n))  # noqa: E731
    sizes, kernel, stride, dilation = each(4, 7), each(1, 3), each(1, 3), each(1, 2)
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    places = tuple(
        (s + 2 * p - d * (k - 1) - 1) // t + 1
        for s, p, d, k, t in zip(sizes, padding, dilation, kernel, stride, strict=True)
    )
    return draw(st.integers(1, 3)), draw(st.sampled_from([8, 16, 19])), sizes, kernel, stride, padding, dilation, places


@settings(max_examples=60, deadline=None, derandomize=True)
@given(windows(), st.booleans(), st.booleans(), st.sampled_from([None, 5]))
def test_pooling(window, holes, include, divisor):
    images, channels, sizes, kernel, stride, padding, dilation, places = window
    if min(places) < 1:
        return
    rng = np.random.default_rng(3)
    order = (0, len(sizes) + 1, *range(1, len(sizes) + 1))
    x = rng.integers(-3, 4, (images, *sizes, channels)).astype(float)  # many of them equal
    if holes:
        x[rng.random(x.shape) < 0.1] = np.nan
        x[rng.random(x.shape) < 0.1] = -np.inf
    x, g = x.transpose(order), rng.normal(size=(images, *places, channels)).transpose(order)
    shape = kernel, stride, padding, dilation, places
    maxima, expected = both(numpy_pool, lambda: numpy_pool.max_pool(x, *shape))
    np.testing.assert_array_equal(maxima, expected)
    same(*both(numpy_pool, lambda: [numpy_pool.max_pool_grad(g, x, expected, *shape)]))
    ones = (1,) * len(sizes)
    places = tuple((s + 2 * p - k) // t + 1 for s, p, k, t in zip(sizes, padding, kernel, stride, strict=True))
    g = rng.normal(size=(images, *places, channels)).transpose(order)
    average = kernel, stride, padding, places, include, divisor
    assert numpy_pool._numbers(sizes, kernel, stride, padding, ones, places).shape == (6, 3)
    same(*both(numpy_pool, lambda: [numpy_pool.avg_pool(np.nan_to_num(x, neginf=-2.0), *average)]))
    same(*both(numpy_pool, lambda: [numpy_pool.avg_pool_grad(g, sizes, *average)]))


@pytest.mark.parametrize("channels", [1, 3, 16, 64, 700])
@pytest.mark.parametrize("count", [2, 17, 5000])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_batch_normalisation(channels, count, offset):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(count, channels)) * rng.uniform(0.1, 3, channels) + offset
    w, b, g = rng.normal(size=channels), rng.normal(size=channels), rng.normal(size=(count, channels))
    same(*both(kernels, lambda: kernels.columns(x, w, b, 1e-5)), tolerance=1e-8 if offset else 1e-11)
    mean, scale = x.mean(0), 1 / np.sqrt(x.var(0) + 1e-5)
    same(*both(kernels, lambda: kernels.columns_grad(g, x, w, mean, scale)), tolerance=1e-7 if offset else 1e-10)


def test_batch_normalisation_in_single_precision_far_from_zero():
    """A mean of ten thousand deviations, first rows like no others, a channel without deviation, and what is not finite."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(4096, 16)).astype(np.float32)
    x[:16] += 300
    x[:, 1] += 10000
    x[:, 2] = 7
    exact = x.astype(np.float64)
    expected = (exact - exact.mean(0)) / np.sqrt(exact.var(0) + 1e-5)
    ones, zeros = np.ones(16, np.float32), np.zeros(16, np.float32)
    (out, mean, var), _ = both(kernels, lambda: kernels.columns(x, ones, zeros, 1e-5))
    np.testing.assert_allclose(mean, exact.mean(0), 1e-6)
    np.testing.assert_allclose(var, exact.var(0), 1e-4, 1e-9)
    np.testing.assert_allclose(out, expected, 1e-3, 2e-3)
    x[5, 3], x[6, 4] = np.nan, np.inf
    with np.errstate(all="ignore"):
        (out, *_), (theirs, *_) = both(kernels, lambda: kernels.columns(x, ones, zeros, 1e-5))
    np.testing.assert_array_equal(np.isnan(out), np.isnan(theirs))
