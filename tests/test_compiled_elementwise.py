"""Activations as machine code against the same kernels in NumPy, which other tests compare with torch."""

import numpy as np
import pytest

from lucid.backends import _machine, composed, load, numpy_recurrent

pytest.importorskip("numba")

NUMBERS = {  # kernels of the table: their static arguments
    "sigmoid": [()],
    "sigmoid_grad": [()],
    "tanh_grad": [()],
    "relu": [()],
    "relu_grad": [()],
    "leaky_relu": [(0.01,), (-0.5,), (1.5,)],
    "leaky_relu_grad": [(0.01,), (-0.5,)],
    "elu": [(1.0, 1.0, 1.0), (1.6732632423543772, 1.0507009873554805, 1.0), (2.0, 1.0, 0.5)],
    "elu_grad": [(1.0, 1.0, 1.0), (2.0, 1.0, 0.5)],
    "silu": [()],
    "silu_grad": [()],
    "gelu": [("none",), ("tanh",)],
    "gelu_grad": [("none",), ("tanh",)],
    "erf": [()],
    "hardtanh_grad": [(-1.0, 1.0)],
    "hardswish": [()],
    "hardswish_grad": [()],
    "softplus": [(1.0, 20.0), (2.0, 3.0)],
    "softplus_grad": [(1.0, 20.0), (2.0, 3.0)],
    "huber": [(1.0,), (0.25,)],
    "smooth_l1": [(1.0,), (0.25,)],
    "smooth_l1_grad": [(1.0,), (0.25,)],
    "binary_cross_entropy_logits": [()],
}
CASES = [(name, numbers) for name, every in NUMBERS.items() for numbers in every]


def both(call):
    """What the call gives compiled and in NumPy; that the first was compiled."""
    answers = []
    for least in (1, 1 << 62):
        with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
            patch.setattr(_machine, "COMPILES", least)
            patch.setattr(_machine, "ROWS", least)
            patch.setattr(_machine, "available", lambda: True)
            answers.append(call())
    return answers


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "numbers"), CASES, ids=[f"{n}-{'-'.join(map(str, v))}" for n, v in CASES])
def test_values(name, numbers, dtype):
    kernel = getattr(load("cpu").table, name)
    rng = np.random.default_rng(5)
    special = [0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 1e-30, -1e-30, 40.0, -40.0, 95.0, -95.0, np.inf, -np.inf, np.nan]
    x = np.concatenate([special, 4 * rng.standard_normal(2000), 1e-3 * rng.standard_normal(2081)]).astype(dtype)
    arrays = [x]
    if name in ("smooth_l1", "binary_cross_entropy_logits"):
        arrays = [x, rng.uniform(0, 1, x.size).astype(dtype)]
    elif name == "smooth_l1_grad":
        arrays = [x, *rng.standard_normal((2, x.size)).astype(dtype)]
    elif name in ("sigmoid_grad", "tanh_grad"):  # of the result
        arrays = [rng.standard_normal(x.size).astype(dtype), rng.uniform(-1, 1, x.size).astype(dtype)]
    elif name.endswith("_grad"):
        arrays = [rng.standard_normal(x.size).astype(dtype), x]
    ours, expected = both(lambda: kernel(*arrays, *numbers))
    assert ours.dtype == expected.dtype
    exact = 1e-13 if dtype == "float64" else 2e-6
    np.testing.assert_allclose(ours, expected, exact, 2 * exact if name.startswith("gelu") else exact / 10)


def test_memory_order_and_broadcast_gradients():
    table = load("cpu").table
    rng = np.random.default_rng(6)
    images = rng.standard_normal((2, 16, 16, 12)).transpose(0, 3, 1, 2)  # channels-last
    for x in (images, np.ascontiguousarray(images), images[:, ::2]):
        for g in (rng.standard_normal(x.shape), np.broadcast_to(np.float64(2.0), x.shape)):
            ours, expected = both(lambda g=g, x=x: table.silu_grad(g, x))
            np.testing.assert_allclose(ours, expected, 1e-12)


def test_exponential_to_a_unit_of_the_last_place():
    from lucid.backends import machine_elementwise as machine

    @machine.numba.njit(error_model="numpy")
    def run(x, out):
        for i in range(x.size):
            out[i] = machine.exp(x[i])

    for dtype, low, high in ((np.float32, -110, 95), (np.float64, -750, 715)):
        x = np.linspace(low, high, 20001).astype(dtype)
        out = np.empty_like(x)
        run(x, out)
        with np.errstate(all="ignore"):
            expected = np.exp(x.astype(np.longdouble))
            rounded = expected.astype(dtype)
            error = np.abs(out - expected) / np.spacing(np.minimum(rounded, np.finfo(dtype).max))
        finite = np.isfinite(rounded)
        assert (np.isfinite(out) == finite).all() and error[finite].max() < 1.01


@pytest.mark.parametrize("shape", [(5, 1), (3, 7), (40, 64), (2, 3, 1000)])
@pytest.mark.parametrize("kind", ["usual", "large", "holes"])
def test_softmax(shape, kind):
    table, rng = load("cpu").table, np.random.default_rng(7)
    x, g = rng.standard_normal((2, *shape)) * (1 if kind == "usual" else 300)
    if kind == "holes":
        x[0, ..., 0] = np.nan
        x[..., -1] = -np.inf
        x[-1, ..., 0] = np.inf
    for name in ("softmax", "log_softmax"):
        ours, expected = both(lambda name=name: getattr(table, name)(x, -1))
        np.testing.assert_allclose(ours, expected, 1e-13, 1e-300)
        y = expected
        ours, expected = both(lambda name=name, y=y: getattr(table, f"{name}_grad")(g, y, -1))
        np.testing.assert_allclose(ours, expected, 1e-11, 1e-11)
    rows = x.reshape(-1, shape[-1])
    target = rng.integers(0, shape[-1], len(rows))
    (loss, log_sum), expected = both(lambda: table.cross_entropy(rows, target))
    for a, b in zip((loss, log_sum), expected, strict=True):
        np.testing.assert_allclose(a, b, 1e-12, 1e-12)
    ours, expected = both(lambda: table.cross_entropy_grad(rows[:, 0], rows, log_sum, target))
    np.testing.assert_allclose(ours, expected, 1e-11, 1e-11)


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize(("shape", "axis", "w_shape"), [
    ((170, 33), (1,), (33,)), ((40, 5, 6, 7), (2, 3), (6, 7)), ((2, 3, 1), (2,), (1,)),
    ((3, 4, 5, 90), (2, 3), (1, 4, 5, 1)), ((7, 3, 1, 400), (2, 3), (1, 3, 1, 1)), ((40, 4, 30, 1), (2, 3), (1, 4, 30, 1)),
])  # fmt: skip
def test_norms_of_rows(shape, axis, w_shape, offset):
    table, rng = load("cpu").table, np.random.default_rng(8)
    x, g = rng.standard_normal((2, *shape)) * 3
    x += offset
    w, b = rng.standard_normal((2, *w_shape))
    exact = 1e-11 if not offset else 1e-7
    ours, expected = both(lambda: table.normalize(x, w, b, axis, 1e-5))
    for a, e in zip(ours, expected, strict=True):
        assert a.shape == e.shape
        np.testing.assert_allclose(a, e, exact, exact)
    mean, scale = expected[1], 1 / np.sqrt(expected[2] + 1e-5)
    ours, expected = both(lambda: table.normalize_grad(g, x, w, mean, scale, axis))
    plain = composed.normalize_grad(table, g, x, w, mean, scale, axis)
    for a, e, p in zip(ours, expected, plain, strict=True):
        assert a.shape == e.shape == p.shape
        np.testing.assert_allclose(a, e, exact, 10 * exact)
        np.testing.assert_allclose(e, p, exact, 10 * exact)


@pytest.mark.parametrize("reverse", [False, True])
def test_lstm_sequence(reverse):
    table, rng = load("cpu").table, np.random.default_rng(9)
    x, h, c, w = (rng.standard_normal(s) for s in ((4, 3, 40), (3, 10), (3, 10), (40, 10)))
    outs, expected = [], None
    for least in (1, 1 << 62):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(numpy_recurrent, "COMPILES", least)
            patch.setattr(numpy_recurrent, "available", lambda: True)
            hs, cs, active = table.lstm_sequence(x, h, c, w, reverse)
            outs.append([hs, cs, active, *table.lstm_sequence_grad(hs, cs, None, h, c, w, hs, cs, active, reverse)])
    expected = list(composed.lstm_sequence(table, x, h, c, w, reverse))
    expected += composed.lstm_sequence_grad(table, *expected[:2], None, h, c, w, *expected, reverse)
    for ours, plain, right in zip(*outs, expected, strict=True):
        np.testing.assert_allclose(ours, right, 1e-11, 1e-11)
        np.testing.assert_allclose(plain, right, 1e-11, 1e-11)


@pytest.mark.parametrize("mask_shape", [(), (50,), (40, 50), (1, 50), (40, 1), (3, 40, 50), (2, 1, 1, 50)])
def test_attention(mask_shape):
    table, rng = load("cpu").table, np.random.default_rng(10)
    q, k, v, g = (rng.standard_normal((2, 3, n, d)) for n, d in ((40, 8), (50, 8), (50, 6), (40, 6)))
    mask = np.asarray(rng.standard_normal(mask_shape))
    mask[mask < -1] = -np.inf
    if mask.ndim == 2:
        mask[0] = -np.inf
    ours, expected = both(lambda: table.attention(q, k, v, mask, 0.3))
    np.testing.assert_allclose(ours, expected, 1e-11, 1e-11)
    for a, b in zip(*both(lambda: table.attention_grad(g, q, k, v, mask, 0.3, (True,) * 4)), strict=True):
        np.testing.assert_allclose(a, b, 1e-11, 1e-11)
