"""nn.functional where no layer covers it: resizing, sampling, noise, bad input, and the fused ops' derivatives."""

import warnings

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid import backends
from lucid.backends.composed import COMPOSED
from lucid.testing import case, check_op
from reference import needs_torch, torch

RNG = np.random.default_rng(0)
IMAGE = RNG.standard_normal((2, 3, 6, 5))
VOLUME = RNG.standard_normal((2, 2, 3, 4, 5))


def softmax_nll(x, t):
    log_sum = np.log(np.exp(x).sum(1))
    return log_sum - x[np.arange(len(x)), t], log_sum


def hat(x, axis, eps):
    mean = x.mean(axis, keepdims=True)
    var = x.var(axis, keepdims=True)
    return (x - mean) / np.sqrt(var + eps), mean, var


def project(g, y, z, axis):
    return z * (g - g.mean(axis, keepdims=True) - y * (g * y).mean(axis, keepdims=True))


def bce(x, y):
    return -(y * np.log(x) + (1 - y) * np.log(1 - x))


FUSED = [
    case("leaky_relu", lambda x: np.where(x > 0, x, 0.1 * x), (3, 4), params=(0.1,)),
    case("elu", lambda x: np.where(x > 0, 1.1 * x, 1.3 * 1.1 * np.expm1(0.7 * x)), (3, 4), params=(1.3, 1.1, 0.7)),
    case("silu", lambda x: x / (1 + np.exp(-x)), (3, 4)),
    case("gelu", None, (3, 4), params=("none",)),
    case(
        "gelu", lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))), (3, 4), params=("tanh",)
    ),
    case("log_sigmoid", lambda x: -np.log1p(np.exp(-x)), (3, 4)),
    case("binary_cross_entropy", bce, (3, 4), (3, 4), low=0.1, high=0.9),
    case("scale_shift", lambda x, y, z: x * y + z, (3, 4), (3, 4), (3, 4)),
    case("standardize", lambda x: hat(x, 1, 0.1), (3, 5), params=((1,), 0.1)),
    case("standardize", lambda x: hat(x, 0, 0.1), (4, 3), params=((0,), 0.1)),
    case("hardtanh", lambda x: np.clip(x, -0.6, 0.9), (3, 4), params=(-0.6, 0.9)),
    case("hardswish", lambda x: x * np.clip(x + 3, 0, 6) / 6, (3, 4), low=-5.0, high=5.0, distinct=True),
    case(
        "normalize",
        lambda x, w, b: (hat(x, 1, 0.1)[0] * w + b, *hat(x, 1, 0.1)[1:]),
        (3, 5),
        (5,),
        (5,),
        params=((1,), 0.1),
    ),
    case(
        "normalize",
        lambda x, w, b: (hat(x, 0, 0.1)[0] * w + b, *hat(x, 0, 0.1)[1:]),
        (4, 3),
        (1, 3),
        (1, 3),
        params=((0,), 0.1),
    ),
    case(
        "standardize_grad",
        lambda g, y, z: project(g, y, z, 1),
        (3, 5),
        (3, 5),
        (3, 1),
        params=((1,),),
        low=0.2,
        high=1.5,
    ),
]


@pytest.mark.parametrize("c", FUSED, ids=lambda c: f"{c.name}{c.params}")
def test_fused_op(c):
    check_op(c)


def test_cross_entropy_gradients_of_every_order():
    x = lucid.tensor(RNG.standard_normal((4, 5)), requires_grad=True)
    t = lucid.tensor([1, 0, 4, 2])
    assert lucid.autograd.gradcheck(lambda v: lucid.ops.cross_entropy(v, t), (x,))
    assert lucid.autograd.gradgradcheck(lambda v: lucid.ops.cross_entropy(v, t), (x,))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_kernels_agree_with_their_compositions(dtype):
    """What NumPy computes fast is what other backends compose."""
    table = backends.load("cpu").table
    x, y = RNG.standard_normal((6, 5)).astype(dtype), RNG.uniform(0.1, 0.9, (6, 5)).astype(dtype)
    z = RNG.standard_normal((3, 4, 5, 5)).astype(dtype)
    last = np.ascontiguousarray(z.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    t, c = RNG.integers(0, 5, 6), z[:1, :, :1, :1]
    calls = [
        ("cross_entropy", x, t), ("cross_entropy_grad", y[:, 0], x, np.log(np.exp(x).sum(1)), t), ("binary_cross_entropy", y, y),
        ("leaky_relu", x, 0.1), ("leaky_relu", x, 1.5), ("elu", x, 1.6, 1.05, 0.7), ("silu", x), ("gelu", x, "none"), ("gelu", x, "tanh"),
        ("log_sigmoid", x), ("scale_shift", x, y, y[0]), ("hardtanh", x, -0.5, 0.7), ("hardswish", x * 4),
        ("leaky_relu_grad", y, x, 0.1), ("elu_grad", y, x, 1.6, 1.05, 0.7), ("silu_grad", y, x), ("gelu_grad", y, x, "none"),
        ("gelu_grad", y, x, "tanh"), ("gelu_grad_by_out", y, x, table.gelu(x, "none"), "none"), ("softplus", x, 2.0, 20.0), ("softplus", x, 1.0, 0.3), ("softplus_grad", y, x, 1.0, 0.3),
        ("huber", x, 0.5), ("mean_square", x), ("mean_square", x, (1,), True), ("cumulative_sum_grad", y, 0), ("hardtanh_grad", y, x, -0.5, 0.7), ("hardswish_grad", y, x * 4),
        *(("normalize", a, w, w + 1, axis, 1e-5) for a, w, axis in ((x, y[0], (1,)), (x, y[:1], (0,)), (z, c, (0, 2, 3)), (last, c, (0, 2, 3)), (z[:, :, ::2], c, (0, 2, 3)), (z, c[0], (2, 3)))),
        *(("normalize_grad", a * 0.5, a, w, s, s + 2, axis) for a, w, s, axis in ((x, y[0], y[:, :1], (1,)), (x, y[:1], y[:1], (0,)), (z, c, c, (0, 2, 3)), (last, c, c, (0, 2, 3)), (z[:, :, ::2], c, c, (0, 2, 3)))),
        *(("standardize", a, axis, 1e-5) for a, axis in ((x, (1,)), (x, (0,)), (z, (0, 2, 3)), (last, (0, 2, 3)), (z, (2, 3)), (z, (1, 2, 3)))),
        *(("standardize_grad", a, a * 0.5, s, axis) for a, s, axis in ((x, y[:, :1], (1,)), (x, y[:1], (0,)), (z, z[:1, :, :1, :1], (0, 2, 3)), (last, z[:1, :, :1, :1], (0, 2, 3)), (z, z[:, :, :1, :1], (2, 3)))),
    ]  # fmt: skip
    for name, *args in calls:
        fast, slow = getattr(table, name)(*args), COMPOSED[name](table, *args)
        for a, b in zip(*(v if isinstance(v, tuple) else (v,) for v in (fast, slow)), strict=True):
            assert a.shape == b.shape and a.dtype == b.dtype == dtype, name
            np.testing.assert_allclose(
                a,
                b,
                rtol=3e-5 if dtype == "float32" else 1e-11,
                atol=1e-6 if dtype == "float32" else 1e-12,
                err_msg=name,
            )


# ---- against torch ----


def compare(f, *arrays, rtol=1e-6, atol=1e-8):
    """``f(F, *tensors)`` with values and gradients the same in lucid and torch."""
    results = []
    for lib, functional in ((lucid, F), (torch, torch.nn.functional)):
        tensors = [lib.tensor(a).requires_grad_() if a.dtype.kind == "f" else lib.tensor(a) for a in arrays]
        out = f(functional, *tensors)
        if out.requires_grad:
            (out * lib.tensor(np.random.default_rng(3).standard_normal(tuple(out.shape)))).sum().backward()
        gradients = [
            np.zeros_like(a) if t.grad is None else t.grad.numpy() for t, a in zip(tensors, arrays, strict=True)
        ]
        results.append([out.detach().numpy(), *gradients])
    ours, theirs = results
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


RESIZES = [
    *({"mode": m, "size": s, "antialias": True} for m in ("bilinear", "bicubic") for s in ((3, 2), (9, 8))),
    *({"mode": m, "scale_factor": (0.6, 1.5), "recompute_scale_factor": r} for m in ("nearest", "bilinear", "bicubic", "nearest-exact") for r in (None, True)),
    {"mode": "area", "size": (4, 3)}, {"mode": "area", "size": (7, 9)}, {"mode": "bicubic", "size": (3, 9), "align_corners": True},
]  # fmt: skip


@needs_torch
@pytest.mark.parametrize("options", RESIZES, ids=str)
def test_interpolate(options):
    compare(lambda f, x: f.interpolate(x, **options), IMAGE)


@needs_torch
@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_grid_sample(mode, padding, align):
    grid = RNG.uniform(-1.6, 1.6, (2, 4, 3, 2))
    compare(lambda f, x, g: f.grid_sample(x, g, mode, padding, align), IMAGE, grid)
    if mode != "bicubic":
        compare(
            lambda f, x, g: f.grid_sample(x, g, mode, padding, align), VOLUME, RNG.uniform(-1.6, 1.6, (2, 2, 3, 2, 3))
        )


@needs_torch
@pytest.mark.parametrize("align", [True, False])
def test_affine_grid(align):
    compare(lambda f, t: f.affine_grid(t, (2, 1, 3, 4), align), RNG.standard_normal((2, 2, 3)))
    compare(lambda f, t: f.affine_grid(t, (2, 1, 2, 3, 4), align), RNG.standard_normal((2, 3, 4)))


@needs_torch
def test_the_rest():
    x = RNG.standard_normal((4, 6))
    compare(lambda f, v: f.normalize(v, 3.0, 0), x)
    compare(lambda f, v: f.normalize(v * 0.0, dim=1, eps=0.1), x)
    compare(lambda f, v: f.pdist(v), x)
    compare(lambda f, v: f.pdist(v, 1.0), x)
    compare(lambda f, v, w: f.cosine_similarity(v.unsqueeze(1), w.unsqueeze(0), -1), x, x[::-1].copy())
    compare(lambda f, t: f.one_hot(t, 9), RNG.integers(0, 5, (3, 2)))
    compare(lambda f, t: f.one_hot(t), RNG.integers(0, 5, (3, 2)))
    compare(lambda f, v: f.softmin(v, 1), x)
    compare(lambda f, v, w: f.mse_loss(v, w, weight=w.detach() ** 2), x, x * 2)
    compare(lambda f, v, m, s: f.batch_norm(v, m.detach(), s.detach(), training=False), x, x[0] * 0.1, x[1] ** 2)
    edges = np.array([[-3.0, 3.0, 0.0, -1.0, 1.0, 6.0, 0.5, -0.5]])  # where the formula changes
    for name in (
        "relu",
        "relu6",
        "hardtanh",
        "hardswish",
        "hardsigmoid",
        "elu",
        "selu",
        "leaky_relu",
        "hardshrink",
        "softshrink",
        "celu",
        "softsign",
        "logsigmoid",
    ):
        compare(lambda f, v, name=name: getattr(f, name)(v), edges)


@needs_torch
@pytest.mark.parametrize(
    "name",
    ["gelu", "silu", "mish", "logsigmoid", "softplus", "elu", "selu", "sigmoid", "tanh", "softsign", "hardswish"],
)
def test_extremes(name):
    """Huge, infinite and missing numbers: torch's values and gradients, in float32 too."""
    values = np.array([-1e30, -1e4, -100.0, -20.0, -1e-30, 0.0, 1e-30, 20.0, 100.0, 1e4, np.nan])
    for dtype, rtol in (("float64", 1e-10), ("float32", 2e-6)):
        results = []
        for lib, f in ((lucid, F), (torch, torch.nn.functional)):
            t = lib.tensor(values.astype(dtype), requires_grad=True)
            out = getattr(f, name)(t)
            out.sum().backward()
            results.append((out.detach().numpy(), t.grad.numpy()))
        np.testing.assert_allclose(results[0][0], results[1][0], rtol=rtol, atol=1e-30)
        np.testing.assert_allclose(
            results[0][1][:-1], results[1][1][:-1], rtol=1e-5, atol=1e-12
        )  # torch has 1 or nan for nan


@needs_torch
def test_every_function_of_torch_is_there():
    public = {
        n for n in dir(torch.nn.functional) if not n.startswith("_") and callable(getattr(torch.nn.functional, n))
    }
    public = {
        n
        for n in public
        if getattr(getattr(torch.nn.functional, n), "__module__", "").startswith("torch") or n.islower()
    }
    known = {
        "boolean_dispatch", "handle_torch_function", "has_torch_function", "has_torch_function_unary", "has_torch_function_variadic",
        "assert_int_or_pair", "sym_int", "grouped_mm", "scaled_mm", "scaled_grouped_mm", "BroadcastingList1", "BroadcastingList2",
        "BroadcastingList3", "Tensor", "DType", "Optional", "Callable", "reproducibility_notes", "tf32_notes", "sparse_support_notes",
    }  # fmt: skip
    names = {n for n in public - known - set(dir(F)) if n.islower() and not n.endswith("_notes")}
    assert names <= {"conv_tbc", "linear_cross_entropy", "overload", "importlib", "cast"}


# ---- noise: the right share, the right scale, nothing in evaluation ----


@pytest.mark.parametrize(
    ("name", "shape", "whole"),
    [
        ("dropout", (200, 50), 0),
        ("dropout1d", (40, 50, 3), 1),
        ("dropout2d", (40, 50, 2, 2), 2),
        ("dropout3d", (40, 50, 2, 1, 2), 3),
    ],
)
def test_dropout(name, shape, whole):
    lucid.manual_seed(0)
    x = lucid.ones(shape, requires_grad=True)
    f = getattr(F, name)
    out = f(x, 0.3, True)
    kept = out.detach().numpy() != 0
    assert abs(kept.mean() - 0.7) < 0.03 and np.allclose(out.detach().numpy()[kept], 1 / 0.7)
    if whole:
        assert (kept.reshape(*shape[:2], -1).all(-1) == kept.reshape(*shape[:2], -1).any(-1)).all()
    out.sum().backward()
    assert x.grad.equal(out.detach())
    assert f(x, 0.3, False) is x and float(f(x, 1.0, True).abs().sum()) == 0
    for p in (-0.1, 1.1):
        with pytest.raises(ValueError, match="probability"):
            f(x, p, True)


def test_alpha_dropout_keeps_mean_and_variance():
    lucid.manual_seed(0)
    x = lucid.randn(400, 400)
    for out in (F.alpha_dropout(x, 0.2, True), F.feature_alpha_dropout(x.reshape(400, 400, 1), 0.2, True)):
        assert abs(float(out.mean())) < 0.02 and abs(float(out.std()) - 1) < 0.03


def test_random_functions():
    lucid.manual_seed(0)
    logits = lucid.zeros(3000, 4)
    hard = F.gumbel_softmax(logits, hard=True)
    assert float(hard.sum()) == 3000 and abs(hard.mean(0) - 0.25).max() < 0.03
    leaf = lucid.zeros(5, 4, requires_grad=True)
    (F.gumbel_softmax(leaf, hard=True) * lucid.arange(4.0)).sum().backward()
    assert float(leaf.grad.abs().sum()) > 0
    x = -lucid.ones(5000)
    slopes = -F.rrelu(x, 0.1, 0.3, True)
    assert 0.1 <= float(slopes.min()) and float(slopes.max()) <= 0.3 and abs(float(slopes.mean()) - 0.2) < 0.01
    dropped = F.drop_path(lucid.ones(2000, 2), 0.25)
    assert abs(float((dropped == 0).float().mean()) - 0.25) < 0.04 and abs(float(dropped.mean()) - 1) < 0.05
    blocks = F.drop_block(lucid.ones(50, 4, 16, 16), 3, 0.2)
    assert 0.1 < float((blocks == 0).float().mean()) < 0.25


# ---- bad input ----


@pytest.mark.parametrize(
    ("error", "text", "act"),
    [
        (IndexError, "Target 5 is out of bounds", lambda: F.cross_entropy(lucid.zeros(2, 5), lucid.tensor([0, 5]))),
        (IndexError, "Target -1", lambda: F.nll_loss(lucid.zeros(2, 5), lucid.tensor([0, -1]))),
        (ValueError, "batch_size", lambda: F.cross_entropy(lucid.zeros(2, 5), lucid.tensor([0, 1, 2]))),
        (RuntimeError, "integer", lambda: F.cross_entropy(lucid.zeros(2, 5), lucid.zeros(2))),
        (RuntimeError, "5 classes", lambda: F.cross_entropy(lucid.zeros(2, 5), lucid.tensor([0, 1]), weight=lucid.ones(4))),
        (RuntimeError, "label_smoothing", lambda: F.cross_entropy(lucid.zeros(2, 5), lucid.tensor([0, 1]), label_smoothing=2.0)),
        (ValueError, "reduction", lambda: F.mse_loss(lucid.zeros(2), lucid.zeros(2), reduction="avg")),
        (RuntimeError, "must be equal", lambda: F.mse_loss(lucid.zeros(2), lucid.zeros(3))),
        (RuntimeError, "between 0 and 1", lambda: F.binary_cross_entropy(lucid.tensor([1.5]), lucid.tensor([1.0]))),
        (ValueError, "target size", lambda: F.binary_cross_entropy(lucid.zeros(2), lucid.zeros(3))),
        (RuntimeError, "features", lambda: F.linear(lucid.zeros(2, 3), lucid.zeros(4, 5))),
        (TypeError, "float32", lambda: F.linear(lucid.zeros(2, 3).double(), lucid.zeros(4, 3))),
        (RuntimeError, "normalized_shape", lambda: F.layer_norm(lucid.zeros(2, 3), (4,))),
        (RuntimeError, "divisible by num_groups", lambda: F.group_norm(lucid.zeros(2, 3), 2)),
        (ValueError, "more than 1 value", lambda: F.batch_norm(lucid.zeros(1, 3), None, None, training=True)),
        (RuntimeError, "weight should contain 3", lambda: F.batch_norm(lucid.zeros(2, 3), None, None, lucid.ones(2), training=True)),
        (RuntimeError, "running_mean", lambda: F.batch_norm(lucid.zeros(2, 3), None, None)),
        (IndexError, "7 is not in 0 .. 6", lambda: F.embedding(lucid.tensor([7]), lucid.zeros(7, 2))),
        (RuntimeError, "integer", lambda: F.embedding(lucid.tensor([1.0]), lucid.zeros(7, 2))),
        (RuntimeError, "smaller than num_classes", lambda: F.one_hot(lucid.tensor([3]), 3)),
        (RuntimeError, "must be even", lambda: F.glu(lucid.zeros(2, 3))),
        (NotImplementedError, "unknown mode", lambda: F.interpolate(lucid.zeros(1, 1, 2), 3, mode="cubic")),
        (ValueError, "align_corners", lambda: F.interpolate(lucid.zeros(1, 1, 2), 3, align_corners=True)),
        (ValueError, "only one of size", lambda: F.interpolate(lucid.zeros(1, 1, 2), 3, 2.0)),
        (RuntimeError, "greater than 0", lambda: F.interpolate(lucid.zeros(1, 1, 2), 0)),
        (RuntimeError, "grid", lambda: F.grid_sample(lucid.zeros(1, 1, 2, 2), lucid.zeros(2, 1, 1, 2))),
        (ValueError, "padding_mode", lambda: F.grid_sample(lucid.zeros(1, 1, 2, 2), lucid.zeros(1, 1, 1, 2), padding_mode="x")),
        (RuntimeError, "square of upscale_factor", lambda: F.pixel_shuffle(lucid.zeros(1, 3, 2, 2), 2)),
        (RuntimeError, "divisible by groups", lambda: F.channel_shuffle(lucid.zeros(1, 3, 2, 2), 2)),
        (RuntimeError, "in-place", lambda: F.relu(lucid.zeros(2, requires_grad=True), inplace=True)),
        (RuntimeError, "in-place", lambda: F.elu_(lucid.zeros(2, requires_grad=True))),
        (ValueError, "margin", lambda: F.triplet_margin_loss(lucid.zeros(1, 2), lucid.zeros(1, 2), lucid.zeros(1, 2), margin=-1)),
    ],
)  # fmt: skip
def test_bad_input(error, text, act):
    with pytest.raises(error, match=text):
        act()


def test_in_place_forms_overwrite():
    for name in ("relu_", "elu_", "leaky_relu_", "hardtanh_", "selu_", "celu_", "rrelu_"):
        x = lucid.tensor([-1.0, 2.0])
        memory = x.numpy()
        assert getattr(F, name)(x) is x
        assert np.array_equal(memory, x.numpy()) and (memory[0] != -1 or name == "hardtanh_")
    x = lucid.ones(3, requires_grad=True)
    y = x * -2
    F.leaky_relu(y, 0.5, inplace=True).sum().backward()
    assert x.grad.tolist() == [-1.0, -1.0, -1.0]


def test_losses_on_nothing():
    assert np.isnan(F.cross_entropy(lucid.zeros(0, 3), lucid.zeros(0).long()).item())
    assert np.isnan(F.mse_loss(lucid.zeros(0), lucid.zeros(0)).item())
    assert F.cross_entropy(lucid.zeros(0, 3), lucid.zeros(0).long(), reduction="sum").item() == 0
    ignored = F.cross_entropy(lucid.zeros(2, 3), lucid.tensor([-100, -100]))
    assert np.isnan(ignored.item())


def test_old_flags_warn():
    with pytest.warns(UserWarning, match="reduction='sum'"):
        assert F.mse_loss(lucid.ones(2), lucid.zeros(2), size_average=False).item() == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        F.mse_loss(lucid.ones(2), lucid.zeros(2))
    with pytest.warns(UserWarning, match="broadcasting"):
        F.l1_loss(lucid.ones(2, 1), lucid.zeros(2))


COINCIDING = [
    ("instance_norm", (2, 4, 4), {}, 4),  # as many positions as channels
    ("instance_norm", (4, 64, 8, 8), {}, 64),
    ("instance_norm", (1, 16, 4, 4), {}, 16),
    ("group_norm", (3, 6, 2), {"num_groups": 2}, 6),
    ("group_norm", (16, 64, 4, 4), {"num_groups": 16}, 64),
    ("group_norm", (9, 64, 1, 1), {"num_groups": 1}, 64),
    ("layer_norm", (4, 4, 4), {"normalized_shape": (4, 4)}, (4, 4)),
    ("layer_norm", (64, 64), {"normalized_shape": (64,)}, 64),
    ("batch_norm", (16, 16), {"running_mean": None, "running_var": None, "training": True}, 16),
    ("batch_norm", (2, 16, 4, 4), {"running_mean": None, "running_var": None, "training": True}, 16),
]


@needs_torch
@pytest.mark.parametrize(
    "name, shape, options, size", COINCIDING, ids=lambda v: str(v) if isinstance(v, str | tuple) else ""
)
def test_norms_whose_sizes_coincide(name, shape, options, size):
    """Where a group has as many elements as there are channels, the weight belongs to the channels still."""
    rng, found = np.random.default_rng(0), []
    x, g, w, b = (rng.standard_normal(s) for s in (shape, shape, size, size))
    for lib in (lucid, torch):
        inputs = [lib.tensor(a, requires_grad=True) for a in (x, w, b)]
        out = getattr(lib.nn.functional, name)(inputs[0], weight=inputs[1], bias=inputs[2], **options)
        grads = lib.autograd.grad((out * lib.tensor(g)).sum(), inputs)
        found.append([t.detach().numpy() for t in (out, *grads)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9)


@needs_torch
def test_gradients_where_torch_has_its_own():
    """A norm below eps still passes its gradient; a target without a path gives NaN, in its own sample only."""
    rng, found = np.random.default_rng(0), []
    a, b, scores = rng.standard_normal((3, 5)) * 0.1, rng.standard_normal((1, 5)), rng.standard_normal((3, 2, 4))
    for lib in (lucid, torch):
        functional = lib.nn.functional
        x, y = (lib.tensor(v, requires_grad=True) for v in (a, b))
        grads = list(lib.autograd.grad(functional.cosine_similarity(x, y, dim=1, eps=1.0).square().sum(), (x, y)))
        for zero_infinity in (False, True):
            log_probs = lib.log_softmax(lib.tensor(scores), -1).detach().requires_grad_()
            lengths = lib.tensor([1, 2]), lib.tensor([4, 1])
            labels = lib.tensor([[2, 1, 1, 3], [2, 1, 3, 2]])
            loss = functional.ctc_loss(log_probs, labels, *lengths, reduction="sum", zero_infinity=zero_infinity)
            grads.append(lib.autograd.grad(loss, log_probs)[0])
        half = lib.tensor(a[:, :1]).half().requires_grad_()
        out = functional.rms_norm(half, (1,))
        found.append([t.detach().double().numpy() for t in (*grads, out)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-12)
