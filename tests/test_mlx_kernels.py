"""The kernels that MLX lacks and that are made of others: each against NumPy's of the same name, on odd values and shapes."""

import re
from pathlib import Path

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid import backends
from lucid.core.op import OPS
from reference import needs_mlx

pytestmark = [needs_mlx, pytest.mark.filterwarnings("ignore")]

rng = np.random.default_rng(0)
ODD = np.array(
    [0.0, -0.0, 1, -1, 2.5, -2.5, 3, np.inf, -np.inf, np.nan, 3e38, -3e38, 7, 0.1, -0.1], np.float32
)  # fmt: skip
X, Y = (grid.reshape(-1).copy() for grid in np.meshgrid(ODD, ODD))
TIES = rng.integers(0, 4, (5, 6, 7)).astype(np.float32)
NANS = TIES.copy()
NANS[0, 0, 0], NANS[1] = np.nan, -np.inf
BASE, SOURCE = rng.standard_normal((5, 6, 7)).astype(np.float32), rng.standard_normal((4, 6, 7)).astype(np.float32)
AT = rng.integers(0, 5, (3, 6, 7))
ONCE = np.argsort(rng.random((3, 6, 7)), 0)
SORTED = np.sort(rng.integers(0, 9, 20)).astype(np.float32)
WANTED = rng.integers(-2, 12, (4, 4)).astype(np.float32)
MASK = rng.random((5, 6, 7)) > 0.5
WAVES = (rng.standard_normal((3, 12, 5)) + 1j * rng.standard_normal((3, 12, 5))).astype(np.complex64)

EXACT = [
    *((name, X, Y) for name in "fmod floor_divide trunc_divide copysign fmax fmin logical_xor heaviside".split()),
    *((name, ODD) for name in "signbit sign sgn trunc relu count_nonzero".split()),
    *(("bitwise_invert", rng.integers(0, 2, 9).astype(dtype)) for dtype in (bool, np.int8, np.uint8, np.int64)),
    *(("signbit", np.array([1, -1, 0], dtype)) for dtype in (np.float16, np.float64, np.int32)),
    *((name, NANS, axis) for name in ("mode_index", "cumulative_argmax", "cumulative_argmin") for axis in range(3)),
    *(("argsort", TIES.astype(dtype), axis, down) for dtype in (np.float32, np.float16, np.int64, np.int8, bool)
      for axis in (0, 2) for down in (False, True)),
    *((name, ODD, *rest) for name, *rest in (("argsort", 0, False), ("argsort", 0, True), ("sort", 0, True), ("topk_indices", 4, 0, True),
      ("topk_indices", 4, 0, False))),
    *(("repeat_interleave", TIES, 3, axis) for axis in range(3)),
    ("repeat_positions", TIES, 3, np.array([2, 0, 1])),
    *(("diagonal", BASE, k, 0, 2) for k in (-3, 0, 9)), ("diagonal_put", BASE, np.ones((6, 4), np.float32), 1, 2, 0),
    ("diagonal_place", np.ones((6, 4), np.float32), (5, 6, 7), -1, 0, 2), ("unfold", BASE, 1, 3, 2), ("unfold", BASE, 2, 2, 2),
    *(("searchsorted", SORTED.astype(dtype), WANTED.astype(dtype), right) for right in (False, True) for dtype in (np.float32, np.int64)),
    ("searchsorted", np.append(SORTED, np.nan).astype(np.float32), np.array([np.nan, np.inf], np.float32), True),
    *(("isin", WANTED.astype(dtype), SORTED[:5].astype(dtype)) for dtype in (np.float32, np.int64, np.uint8)),
    ("isin", ODD, np.array([np.nan, 0.0, np.inf], np.float32)),
    ("masked_scatter", BASE, MASK, np.arange(300, dtype=np.float32)), ("masked_gather", BASE, MASK, (20, 15)),
    ("complex", ODD, ODD[::-1].copy()), ("view_as_complex", BASE[..., :2].copy()), ("view_as_real", WAVES),
    *(("reinterpret", ODD, dtype) for dtype in (lucid.int32, lucid.int16, lucid.uint8)),
    ("put_along_axis", BASE, ONCE, SOURCE, 0), ("as_strided", BASE, (3, 2), (5, 1), 4), ("strided_positions", BASE, (3, 2), (5, 1), 4),
    ("adaptive_max_indices", TIES[None], ((0, 2), (1, 4, 6)), ((3, 6), (3, 7, 7))),
    ("adaptive_max_indices", TIES[None], ((0,), (0,)), ((6,), (7,))),
]  # fmt: skip
CLOSE = [
    *((name, X, Y) for name in ("hypot", "xlogy", "xlog1py", "remainder")),
    *((name, ODD) for name in ("entr", "logit", "exp2")),
    *(("logcumsumexp", BASE, axis) for axis in range(3)), ("logcumsumexp", NANS[1], 0),
    ("fold_windows", rng.standard_normal((5, 2, 7, 3)), (5, 6, 7), 1, 3, 2),
    ("fft_c2c", WAVES, (1, 2), 0.5, True), ("fft_c2c", WAVES, (0,), 1.0, False), ("fft_c2c", WAVES, (), 1.0, True),
    ("fft_r2c", BASE, (0, 1), 1.0), ("fft_c2r", WAVES, (0, 1), 1.0, 22), ("fft_c2r", WAVES, (0, 1), 1.0, 23),
    *(("scatter_reduce", BASE, AT, SOURCE, 0, reduce, own) for reduce in ("sum", "prod", "mean", "amax", "amin") for own in (True, False)),
    ("scatter_reduce", np.array(3.0), np.array(0), np.array(2.0), 0, "mean", True),
    ("scatter_add", BASE, AT, SOURCE, 0), ("take_grad", BASE, (9, 7), rng.integers(-9, 9, (5, 6))),
    *(("vector_norm", BASE, p, axis, True) for p in (0, 1, 2, 3, 0.5, np.inf, -np.inf) for axis in (None, (1, 2))),
    ("linear_scan", BASE, BASE[::-1].copy(), 1), ("log_sum_rows", BASE[0]),
]  # fmt: skip


def check(case, tolerance):
    name, *args = case
    ours, table = backends.load("mlx"), backends.load("cpu").table
    with np.errstate(all="ignore"):
        wanted = np.asarray(getattr(table, name)(*args))
    found = getattr(ours.table, name)(*(ours.from_host(a) if isinstance(a, np.ndarray) else a for a in args))
    found = ours.to_host(found)
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


def label(case):
    return f"{case[0]}-{case[1].dtype}"


@pytest.mark.parametrize("case", EXACT, ids=label)
def test_kernel(case):
    check(case, 0)


@pytest.mark.parametrize("case", CLOSE, ids=label)
def test_kernel_up_to_rounding(case):
    check(case, 2e-5)


WRITES = [
    ("setitem", AT, np.array([7]), (np.array([0, 2]),)), ("index_put_add", AT, np.array([7]), (np.array([0, 0]),)),
    ("scatter_add", AT, AT[:2] % 3, AT[1:], 0), ("put_along_axis", AT, ONCE[:, :2], AT, 0),
    ("diagonal_put", AT, np.ones((7, 3), np.int64), 0, 0, 1), ("masked_gather", AT, AT > 2, (200,)),
]  # fmt: skip


@pytest.mark.parametrize("case", WRITES, ids=label)
def test_eight_bytes_are_scattered_on_the_cpu_stream(monkeypatch, case):
    """Metal has no such kernels: MLX raises there when it evaluates."""
    import mlx.core as mx

    from lucid.backends import mlx_dtypes

    used, stream = [], mx.stream
    monkeypatch.setattr(mlx_dtypes, "ON_GPU", True)
    monkeypatch.setattr(mx, "stream", lambda s: (used.append(s), stream(s))[1])
    name, *args = case
    ours, table = backends.load("mlx"), backends.load("cpu").table
    up = lambda v: ours.from_host(v) if isinstance(v, np.ndarray) else tuple(map(up, v)) if type(v) is tuple else v  # noqa: E731
    found = ours.to_host(getattr(ours.table, name)(*map(up, args)))
    np.testing.assert_array_equal(found, getattr(table, name)(*args))
    assert used == [mx.cpu]


# ---- pooling, attention and norms: outputs, gradients and gradients of gradients ----


def run(f, device, arrays):
    inputs = [lucid.tensor(a, device=device) for a in arrays]
    for x in inputs:
        x.requires_grad_(x.dtype.is_floating_point)
    out = f(*inputs)
    outs = out if isinstance(out, tuple) else (out,)
    smooth, leaves = [o for o in outs if o.requires_grad], [x for x in inputs if x.requires_grad]
    found = list(outs)
    if smooth:
        weights = [lucid.arange(o.shape.numel(), device=device).to(o.dtype).cos().reshape(o.shape) for o in smooth]
        first = lucid.autograd.grad(smooth, leaves, weights, create_graph=True)
        found += first
        total = sum(g.square().sum() for g in first)
        if total.requires_grad:
            found += [g for g in lucid.autograd.grad(total, leaves, allow_unused=True) if g is not None]
    return [t.detach().to("cpu").numpy() for t in found]


def agree(f, *arrays, tolerance=1e-4):
    wanted, found = run(f, "cpu", arrays), run(f, "mlx", arrays)
    assert len(wanted) == len(found)
    for a, b in zip(wanted, found, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance * max(1.0, np.abs(a).max(initial=0)))


IMAGE = rng.standard_normal((2, 3, 9, 11)).astype(np.float32)
WINDOWS = [
    (2, 2, 0, 1, False), (3, 2, 1, 1, False), (3, 2, 1, 1, True), (3, 1, 1, 2, False), ((2, 3), (3, 2), (1, 0), 1, True),
]  # fmt: skip


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("image", [IMAGE, np.round(IMAGE), np.abs(IMAGE.astype(np.float64))], ids=["any", "ties", "f8"])
def test_pooling(window, image):
    kernel, stride, padding, dilation, ceil = window
    agree(lambda x: F.max_pool2d(x, *window, return_indices=True), image)
    agree(lambda x: F.unfold(x, kernel, dilation, padding, stride), image)
    if dilation == 1:
        agree(lambda x: F.avg_pool2d(x, kernel, stride, padding, ceil), image)
        agree(lambda x: F.avg_pool2d(x, kernel, stride, padding, ceil, count_include_pad=False), image)


def test_pooling_of_other_ranks_and_windows():
    agree(lambda x: F.max_pool1d(x, 3, 2, 1), IMAGE[0])
    agree(lambda x: F.max_pool3d(x, 2, 1, 1), IMAGE)
    agree(lambda x: F.avg_pool3d(x, 2, 1, 1, divisor_override=3), IMAGE)
    agree(lambda x: F.adaptive_max_pool2d(x, (4, 3)), IMAGE)
    agree(lambda x: F.adaptive_avg_pool2d(x, (4, 3)), IMAGE)
    agree(lambda x: F.max_pool2d(x, 2), (np.abs(IMAGE) * 9).astype(np.int64))


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_pooling_of_odd_values(value):
    image = IMAGE.copy()
    image[0, 0, :5, :5] = value
    found = []
    for device in ("cpu", "mlx"):
        x = lucid.tensor(image, device=device, requires_grad=True)
        F.max_pool2d(x, 3, 2, 1).backward(lucid.ones(2, 3, 5, 6, device=device))
        found.append(x.grad.to("cpu").numpy())
    np.testing.assert_array_equal(*found)


HEADS = [rng.standard_normal((2, 4, 5, 8)).astype(np.float32) for _ in range(3)]
HIDDEN = np.where(rng.random((5, 5)) > 0.4, 0, -np.inf).astype(np.float32)
HIDDEN[2] = -np.inf  # a row that is masked throughout: zeros, not NaN
ATTENTION = {
    "plain": lambda q, k, v: F.scaled_dot_product_attention(q, k, v),
    "causal": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
    "added mask": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, lucid.tensor(HIDDEN, device=q.device)),
    "boolean mask": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, lucid.tensor(HIDDEN == 0, device=q.device)),
    "row mask": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, lucid.tensor(HIDDEN[1] == 0, device=q.device)),
    "other length": lambda q, k, v: F.scaled_dot_product_attention(q[:, :, :3], k, v, scale=0.3),
    "grouped queries": lambda q, k, v: F.scaled_dot_product_attention(q, k[:, :2], v[:, :2], enable_gqa=True),
    "one head": lambda q, k, v: F.scaled_dot_product_attention(q[0, 0], k[0, 0], v[0, 0, :, :3]),
    "five dimensions": lambda q, k, v: F.scaled_dot_product_attention(q[None], k[None], v[None]),
    "mask that learns": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, k[..., :5]),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTENTION)
def test_attention(name):
    agree(ATTENTION[name], *HEADS)


def test_attention_in_other_precisions():
    double = [a.astype(np.float64) for a in HEADS]
    agree(ATTENTION["causal"], *double, tolerance=1e-11)
    half = [lucid.tensor(a, dtype=lucid.bfloat16, device="mlx") for a in HEADS]
    out = ATTENTION["added mask"](*half)
    assert out.dtype is lucid.bfloat16
    wanted = ATTENTION["added mask"](*(x.to("cpu").float() for x in half))
    np.testing.assert_allclose(out.to("cpu").float().numpy(), wanted.numpy(), atol=0.02)


def test_norms():
    weight, bias = rng.standard_normal((2, 8)).astype(np.float32)
    agree(lambda x, w, b: F.layer_norm(x, (8,), w, b), HEADS[0], weight, bias)
    agree(lambda x, w, b: F.layer_norm(x * 100 + 1000, (8,), w, b), HEADS[0], weight, bias, tolerance=5e-3)
    agree(lambda x, w: F.layer_norm(x, (8,), w), HEADS[0], weight)
    agree(lambda x: F.layer_norm(x, (5, 8)), HEADS[0])
    agree(lambda x, w: F.rms_norm(x, (8,), w), HEADS[0], weight)
    double = [a.astype(np.float64) for a in (HEADS[0], weight, bias)]
    agree(lambda x, w, b: F.layer_norm(x, (8,), w, b), *double, tolerance=1e-10)
    agree(lambda x, w: F.rms_norm(x, (8,), w), *double[:2], tolerance=1e-10)


# ---- the documentation ----


def page(mark):
    text = (Path(__file__).parent.parent / "docs" / "mlx.md").read_text(encoding="utf-8")
    return sorted(re.findall(r"`(\w+)`", text.split(f"<!-- {mark} -->")[1]))


def made_by(maker):
    table = backends.load("mlx").table
    return [name for name in sorted(OPS) if getattr(getattr(table, name, None), "__qualname__", "").startswith(maker)]


def test_the_documentation_lists_what_goes_through_numpy():
    assert page("through the host") == made_by("through_host.")
    assert page("partly") == made_by("or_host.")
