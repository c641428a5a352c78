"""The NumPy kernels that choose between ways: every way, at the sizes where it is taken, against plain NumPy."""

import math

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid.backends import load

TABLE = load("cpu").table
RNG = np.random.default_rng(0)


def close(found, expected, tolerance=1e-5):
    scale = max(1.0, float(np.abs(expected[np.isfinite(expected)]).max(initial=0)))
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * scale)


# ---- rows added up ----


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "float16"])
@pytest.mark.parametrize("width", [1, 3, 16, 64])
@pytest.mark.parametrize("n, rows", [(1, 1), (300, 7), (2000, 3), (2000, 3000), (1200, 70_000)])
def test_rows_added(dtype, width, n, rows):
    at = RNG.integers(0, rows, n)
    g = (RNG.standard_normal((n, width)) * 3).astype(dtype)
    expected = np.zeros((rows, width))
    np.add.at(expected, at, g.astype(np.float64))
    found = TABLE.take_grad(g, (rows, width), at - rows * (at % 2))  # every other index counted from the end
    assert found.dtype == g.dtype
    close(found, expected, {"float16": 5e-3, "int64": 0}.get(dtype, 1e-5))
    close(TABLE.index_put_add(found, g, (at,)), 2 * expected, {"float16": 2e-2, "int64": 0}.get(dtype, 1e-5))


def test_a_few_frequent_rows_among_rare_ones():
    at = np.concatenate([np.full(500, 3), np.arange(200), np.full(40, 9)])
    g = RNG.standard_normal((len(at), 32)).astype(np.float32)
    expected = np.zeros((200, 32))
    np.add.at(expected, at, g.astype(np.float64))
    close(TABLE.take_grad(g, (200, 32), at), expected)


# ---- running sums ----


@pytest.mark.parametrize(
    "shape", [(5,), (4000,), (3, 997), (2048, 16), (40, 1300), (4, 50, 6), (2, 40, 300), (0, 3), (3, 0, 4)]
)
def test_running_sums(shape):
    x = RNG.standard_normal(shape).astype(np.float32)
    for axis in range(len(shape)):
        expected = np.cumsum(x.astype(np.float64), axis)
        close(TABLE.cumulative_sum(x, axis), expected)
        close(TABLE.cumulative_sum(np.asfortranarray(x), axis), expected)
        backwards = np.flip(np.cumsum(np.flip(x, axis).astype(np.float64), axis), axis)
        close(TABLE.cumulative_sum_grad(x, axis), backwards)


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_running_sums_stay_finite_before_what_is_not(bad):
    x = np.ones((64, 64), np.float32)
    x[5, 20] = bad
    found = lucid.cumsum(lucid.tensor(x), 1).numpy()
    np.testing.assert_array_equal(found, np.cumsum(x, 1))


# ---- the best k ----


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("special", [None, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("k", [1, 5, 30])
def test_topk(k, special, largest):
    x = np.round(RNG.standard_normal((7, 200)) * 20).astype(np.float32)
    if special is not None:
        x[2, ::3] = special
        x[3] = special
    values, at = lucid.topk(lucid.tensor(x), k, -1, largest)
    ordered = np.sort(x, -1)  # NaN last, as the largest
    expected = ordered[:, ::-1][:, :k] if largest else ordered[:, :k]
    np.testing.assert_array_equal(values.numpy(), expected)
    np.testing.assert_array_equal(np.take_along_axis(x, at.numpy(), -1), expected)
    assert all(len(set(row)) == k for row in at.tolist())


# ---- norms: means near zero and far from it take different ways ----


@pytest.mark.parametrize(
    "shape, axis", [((8, 16), (1,)), ((300, 100), (1,)), ((4, 3, 5, 40), (0, 2, 3)), ((64, 3), (0,))]
)
@pytest.mark.parametrize("offset", [0.0, 1.0, 300.0])
def test_normalize(shape, axis, offset):
    x = (RNG.standard_normal(shape) + offset).astype(np.float32)
    g = RNG.standard_normal(shape).astype(np.float32)
    small = tuple(1 if (i in axis) == (axis != (1,)) else n for i, n in enumerate(shape))
    w, b = (RNG.standard_normal(small).astype(np.float32) for _ in range(2))
    out, mean, var = TABLE.normalize(x, w, b, axis, 1e-5)
    wide = x.astype(np.float64)
    hat = (wide - wide.mean(axis, keepdims=True)) / np.sqrt(wide.var(axis, keepdims=True) + 1e-5)
    tolerance = 1e-5 + 2e-6 * offset
    close(out, hat * w + b, tolerance)
    t = g * w.astype(np.float64)
    scale = 1 / np.sqrt(wide.var(axis, keepdims=True) + 1e-5)
    expected = scale * (t - t.mean(axis, keepdims=True) - hat * (t * hat).mean(axis, keepdims=True))
    rest = tuple(i for i, n in enumerate(small) if n == 1)
    to_x, to_w, to_b = TABLE.normalize_grad(g, x, w, mean, 1 / np.sqrt(var + np.float32(1e-5)), axis)
    close(to_x, expected, tolerance)
    close(to_w, (g * hat).sum(rest, keepdims=True), tolerance)
    close(to_b, g.astype(np.float64).sum(rest, keepdims=True), tolerance)


# ---- activations and losses at their edges ----


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gelu_where_its_ratio_to_x_says_nothing(dtype):
    """The rule divides the result by x: at 0, at denormal numbers, and where x is exactly minus what it adds."""
    x = lucid.tensor([0.0, -0.0, 1e-42, -1e-45, 2.0**-100, -(2.0**-100), 1e-20], dtype=getattr(lucid, dtype))
    x.requires_grad_()
    F.gelu(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 0.5, 1e-6)


def test_extreme_logits():
    x = lucid.tensor([[1e4, -1e4, 0.0], [math.inf, 0.0, 0.0]] * 1000, requires_grad=True)
    target = lucid.tensor([0, 1] * 1000)
    loss = F.cross_entropy(x, target, reduction="none")
    assert loss[0] == 0 and not lucid.isfinite(loss[1])
    loss[::2].sum().backward()
    assert lucid.isfinite(x.grad[0]).all()


def test_softplus_and_huber_at_infinity():
    x = lucid.tensor([-math.inf, -200.0, 0.0, 200.0, math.inf])
    np.testing.assert_allclose(F.softplus(x).numpy(), [0, 0, math.log(2), 200, math.inf], 1e-6)
    np.testing.assert_allclose(
        F.huber_loss(x, lucid.zeros(5), reduction="none").numpy(), [math.inf, 199.5, 0, 199.5, math.inf]
    )


# ---- slices of one tensor in backward ----


def test_gradients_of_many_slices_of_one_tensor():
    x = lucid.tensor(RNG.standard_normal((5, 6)), requires_grad=True)
    y = x * 1
    seen = []
    y.register_hook(lambda g: seen.append(g.clone()))
    loss = sum((y[i] * i).sum() for i in range(5)) + (y[:, ::2] * 3).sum() + y[1, 2] * 7 + (y * y).sum()
    loss.backward(retain_graph=True)
    expected = np.arange(5.0)[:, None] + 3 * np.array([1, 0] * 3) + 2 * x.detach().numpy()
    expected[1, 2] += 7
    np.testing.assert_allclose(x.grad.numpy(), expected)
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * expected)
    np.testing.assert_allclose(seen[0].numpy(), expected)
