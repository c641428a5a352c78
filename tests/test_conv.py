"""Convolution against torch in float64: values, gradients, gradients of gradients, every option, errors, memory order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lucid
import lucid.nn.functional as F
from lucid import nn
from lucid.backends.convolution import compiled
from reference import needs_torch, torch

RNG = np.random.default_rng(0)


@pytest.fixture(params=["numpy", "numba"], scope="module", autouse=True)
def way(request):
    """Every test runs on NumPy's kernels and, where numba is installed, on the compiled ones at every size."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "numba":
            pytest.importorskip("numba")
            patch.setattr(compiled, "WORTHWHILE", 1)
        patch.setattr(compiled, "available", lambda: request.param == "numba")
        yield request.param


def close(ours, theirs, tolerance=1e-10):
    ours, theirs = np.asarray(ours.detach()), theirs.detach().numpy()
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max(initial=0) <= tolerance * max(1.0, np.abs(theirs).max(initial=0))


def pair(array):
    return lucid.tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)


@st.composite
def layers(draw, transposed=False):
    n = draw(st.integers(1, 3))
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    channels, outs = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    if draw(st.booleans()):
        outs = channels = groups  # depthwise
    each = lambda low, high: [draw(st.integers(low, high)) for _ in range(n)]  # noqa: E731
    kernel, stride, dilation = each(1, 3), each(1, 3), each(1, 2)
    padding = each(0, 2)
    if not transposed and draw(st.booleans()):
        padding = draw(st.sampled_from(["valid", "same"])) if stride == [1] * n else "valid"
    extra = [draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)]
    shape = (draw(st.integers(0, 3)), outs if transposed else channels, *each(5, 8))
    if draw(st.integers(0, 4)) == 0:
        shape = shape[1:]
    weight = (outs, channels // groups, *kernel)
    bias = (channels if transposed else outs,)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    if transposed:
        options["output_padding"] = extra
    return n, shape, weight, bias, options


def compare(name, shapes, options):
    rng = np.random.default_rng(1)
    ours, theirs = zip(*(pair(rng.normal(size=s)) for s in shapes), strict=True)
    try:
        expected = getattr(torch.nn.functional, name)(*theirs, **options)
    except RuntimeError:
        with pytest.raises(RuntimeError):
            getattr(F, name)(*ours, **options)
        return
    got = getattr(F, name)(*ours, **options)
    close(got, expected)
    g = rng.normal(size=tuple(expected.shape))
    ours_grads = lucid.autograd.grad(got, ours, lucid.tensor(g), create_graph=True)
    their_grads = torch.autograd.grad(expected, theirs, torch.tensor(g), create_graph=True)
    for a, b in zip(ours_grads, their_grads, strict=True):
        close(a, b)
    if not expected.numel():
        return
    directions = [rng.normal(size=s) for s in shapes[:2]]
    total = sum((a * lucid.tensor(v)).sum() for a, v in zip(ours_grads[:2], directions, strict=True))
    wanted = sum((a * torch.tensor(v)).sum() for a, v in zip(their_grads[:2], directions, strict=True))
    second = lucid.autograd.grad(total, ours[:2])
    for a, b in zip(second, torch.autograd.grad(wanted, theirs[:2]), strict=True):
        close(a, b)


@needs_torch
@settings(max_examples=120, deadline=None, derandomize=True)
@given(layers())
def test_convolution_equals_torch_to_second_order(layer):
    n, shape, weight, bias, options = layer
    compare(f"conv{n}d", (shape, weight, bias), options)


@needs_torch
@settings(max_examples=120, deadline=None, derandomize=True)
@given(layers(transposed=True))
def test_transposed_convolution_equals_torch_to_second_order(layer):
    n, shape, weight, bias, options = layer
    compare(f"conv_transpose{n}d", (shape, weight, bias), options)


# Shapes that take each way through the kernels: strips, stacks of small products, images larger than a block,
# depthwise with and without stride, scattering, pointwise.
@needs_torch
@pytest.mark.parametrize(
    ("shape", "weight", "options"),
    [
        ((5, 1, 28, 28), (6, 1, 5, 5), {"padding": 2}),
        ((3, 3, 16, 16), (16, 3, 3, 3), {"stride": 2, "padding": 1}),
        ((4, 16, 24, 24), (16, 16, 3, 3), {"padding": 1}),
        ((1, 24, 80, 80), (8, 24, 3, 3), {"padding": 1}),
        ((4, 32, 14, 14), (64, 32, 5, 5), {}),
        ((4, 16, 9, 9), (16, 1, 3, 3), {"groups": 16, "padding": 1}),
        ((4, 16, 9, 10), (16, 1, 3, 3), {"groups": 16, "padding": 1, "stride": 2}),
        ((4, 16, 9, 10), (16, 1, 4, 4), {"groups": 16, "padding": 2, "stride": 3, "dilation": 2}),
        ((4, 16, 9, 9), (32, 4, 3, 3), {"groups": 4, "padding": 1}),
        ((4, 16, 9, 9), (32, 16, 1, 1), {}),
        ((4, 16, 9, 9), (32, 16, 1, 1), {"stride": 2}),
        ((4, 8, 3, 3), (8, 8, 3, 3), {"padding": 2}),
        ((2, 8, 100), (8, 8, 7), {"padding": 3, "dilation": 1}),
    ],
)
def test_every_way_through_the_kernels(shape, weight, options):
    n = len(shape) - 2
    compare(f"conv{n}d", (shape, weight, weight[:1]), options)


@needs_torch
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 1e-5), ("float16", 2e-3), ("bfloat16", 2e-2), ("complex64", 1e-5)]
)
def test_dtypes(dtype, tolerance):
    x, w, b = (RNG.normal(size=s).astype("float32") for s in ((2, 4, 6, 6), (6, 2, 3, 3), (6,)))
    theirs = [torch.tensor(a).to(getattr(torch, dtype)).requires_grad_() for a in (x, w, b)]
    ours = [lucid.tensor(a).to(getattr(lucid, dtype)).requires_grad_() for a in (x, w, b)]
    out, expected = F.conv2d(*ours, padding=1, groups=2), torch.nn.functional.conv2d(*theirs, padding=1, groups=2)
    assert out.dtype is getattr(lucid, dtype)
    ours_grads = lucid.autograd.grad(out, ours, lucid.ones_like(out))
    their_grads = torch.autograd.grad(expected, theirs, torch.ones_like(expected))
    for a, e in zip((out, *ours_grads), (expected, *their_grads), strict=True):
        if dtype == "complex64":
            close(a.real, e.real, tolerance)
            close(a.imag, e.imag, tolerance)
        else:
            close(a.to(lucid.float32), e.to(torch.float32), tolerance)


@needs_torch
@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_padding_modes(mode, n):
    args = (4, 6, 3) if n == 3 else (4, 6, (4, 3)[-n:])
    for padding in (1, "same"):
        theirs = getattr(torch.nn, f"Conv{n}d")(*args, padding=padding, padding_mode=mode, dtype=torch.float64)
        ours = getattr(nn, f"Conv{n}d")(*args, padding=padding, padding_mode=mode, dtype=lucid.float64)
        ours.load_state_dict({k: lucid.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
        x, tx = pair(RNG.normal(size=(2, 4, 6, 5, 7)[: n + 2]))
        out, expected = ours(x), theirs(tx)
        close(out, expected)
        out.square().sum().backward()
        expected.square().sum().backward()
        close(x.grad, tx.grad)
        assert repr(ours) == repr(theirs).replace("torch", "lucid")


@needs_torch
@pytest.mark.parametrize("n", [1, 2, 3])
def test_transposed_modules_with_output_size(n):
    options = {"stride": 2, "padding": 1, "groups": 2}
    theirs = getattr(torch.nn, f"ConvTranspose{n}d")(4, 6, 3, **options, dtype=torch.float64)
    ours = getattr(nn, f"ConvTranspose{n}d")(4, 6, 3, **options, dtype=lucid.float64)
    assert {k: tuple(v.shape) for k, v in ours.state_dict().items()} == {
        k: tuple(v.shape) for k, v in theirs.state_dict().items()
    }
    ours.load_state_dict({k: lucid.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    x = RNG.normal(size=(2, 4, 5, 5, 5)[: n + 2])
    for size in (None, [10] * n, [9] * n, [2, 6, *[10] * n]):
        close(ours(lucid.tensor(x), output_size=size), theirs(torch.tensor(x), output_size=size))
    with pytest.raises(ValueError, match="requested an output size"):
        ours(lucid.tensor(x), output_size=[20] * n)
    assert repr(ours) == repr(theirs)


@needs_torch
@pytest.mark.parametrize(
    "name",
    ["LazyConv1d", "LazyConv2d", "LazyConv3d", "LazyConvTranspose1d", "LazyConvTranspose2d", "LazyConvTranspose3d"],
)
def test_lazy_modules_become_what_torch_makes(name):
    n = int(name[-2])
    ours, theirs = getattr(nn, name)(6, 3, groups=2), getattr(torch.nn, name)(6, 3, groups=2)
    assert repr(ours) == repr(theirs)
    x = np.zeros((1, 4, 6, 6, 6)[: n + 2], "float32")
    assert ours(lucid.tensor(x)).shape == tuple(theirs(torch.tensor(x)).shape)
    assert type(ours) is getattr(nn, name[4:]) and repr(ours) == repr(theirs)
    assert {k: tuple(v.shape) for k, v in ours.state_dict().items()} == {
        k: tuple(v.shape) for k, v in theirs.state_dict().items()
    }


def test_initial_weights_lie_within_the_bound_of_the_fan_in():
    lucid.manual_seed(0)
    layer = nn.Conv2d(16, 64, 3, groups=2)
    bound = 1 / (8 * 9) ** 0.5
    for p in layer.parameters():
        assert 0.9 * bound < float(p.detach().abs().max()) <= bound


def test_depth_separable_and_convbnrelu():
    x = lucid.ones(2, 4, 8, 8)
    block = nn.DepthSeparableConv2d(4, 6, 3, padding=1)
    assert block.depthwise.groups == 4 and block(x).shape == (2, 6, 8, 8)
    assert sum(p.numel() for p in block.parameters()) == 4 * 9 + 4 + 4 * 6 + 6
    out = nn.ConvBNReLU2d(4, 6, 3, stride=2, conv_bias=False)(x)
    assert out.shape == (2, 6, 3, 3) and float(out.min()) >= 0


X = (2, 4, 8, 8)
BAD = [
    ((2, 4, 8), (6, 4, 3, 3), {}, None),  # 3-D is unbatched, so 2 channels come where 4 should
    ((4, 8), (6, 4, 3, 3), {}, "Expected 3D"),
    (X, (6, 3, 3, 3), {}, "channels"),
    (X, (6, 4, 3), {}, "4-dimensional"),
    (X, (6, 4, 9, 9), {}, "Kernel size can't be greater"),
    (X, (6, 4, 3, 3), {"padding": "half"}, "Invalid padding string"),
    (X, (6, 4, 3, 3), {"padding": "same", "stride": 2}, "strided"),
    (X, (6, 4, 3, 3), {"padding": -1}, "negative padding"),
    (X, (6, 4, 3, 3), {"stride": 0}, "non-positive stride"),
    (X, (6, 4, 3, 3), {"dilation": 0}, "dilation"),
    (X, (6, 4, 3, 3), {"groups": 0}, "groups"),
    (X, (6, 1, 3, 3), {"groups": 4}, "divisible"),
    (X, (6, 4, 3, 3), {"stride": (1, 2, 3)}, "stride"),
    (X, (6, 4, 3, 3), {"bias": (5,)}, "bias"),
]


@needs_torch
@pytest.mark.parametrize(("x", "w", "options", "words"), BAD)
def test_bad_input_raises_what_torch_raises(x, w, options, words):
    def run(library, functional):
        given = {k: library.zeros(v) if k == "bias" else v for k, v in options.items()}
        functional.conv2d(library.zeros(x), library.zeros(w), **given)

    with pytest.raises(Exception) as theirs:
        run(torch, torch.nn.functional)
    with pytest.raises(type(theirs.value), match=words):
        run(lucid, F)


def test_mixed_dtypes_and_booleans_are_refused():
    with pytest.raises(RuntimeError, match="should be the same"):
        F.conv2d(lucid.zeros(1, 1, 4, 4), lucid.zeros(1, 1, 2, 2, dtype=lucid.float64))
    with pytest.raises(RuntimeError, match="not implemented"):
        F.conv2d(lucid.zeros(1, 1, 4, 4, dtype=lucid.bool), lucid.zeros(1, 1, 2, 2, dtype=lucid.bool))


@needs_torch
@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
@pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 1}, {"groups": 2}])
def test_integers_as_in_torch(dtype, options):
    rng = np.random.default_rng(0)
    x, w = rng.integers(0, 5, (2, 4, 7, 7)).astype(dtype), rng.integers(0, 3, (4, 4 // options.get("groups", 1), 3, 3))
    ours = F.conv2d(lucid.tensor(x), lucid.tensor(w.astype(dtype)), **options)
    theirs = torch.nn.functional.conv2d(torch.tensor(x), torch.tensor(w.astype(dtype)), **options)
    assert ours.dtype is getattr(lucid, dtype) and ours.tolist() == theirs.tolist()


@pytest.mark.parametrize(
    "error, options",
    [(ValueError, {"groups": 3}), (ValueError, {"padding": "no"}), (ValueError, {"padding_mode": "no"})],
)
def test_bad_constructors(error, options):
    with pytest.raises(error):
        nn.Conv2d(4, 8, 3, **options)


def test_views_of_a_convolution_share_its_memory():
    conv = nn.Conv2d(3, 4, 3)
    with lucid.no_grad():
        y = conv(lucid.ones(2, 3, 6, 6))
        row, flat = y[1], y.view(2, -1)
        flat[1] = 7.0
        assert bool((row == 7).all()) and bool((y[1] == 7).all()) and not bool((y[0] == 7).all())
    y = conv(lucid.ones(2, 3, 6, 6))
    assert y.view(2, -1).shape == y.flatten(1).shape == (2, 64)
    assert np.array_equal(np.asarray(y.detach().flatten(1)), np.asarray(y.detach()).reshape(2, 64))
    y.view(2, -1).sum().backward()
    assert conv.weight.grad.shape == (4, 3, 3, 3)


def test_a_network_stays_channels_last_and_gradients_are_contiguous():
    conv = nn.Conv2d(3, 8, 3, padding=1)
    x = lucid.ones(2, 3, 6, 6, requires_grad=True)
    y = F.relu(conv(x))
    memory = np.asarray(y.detach()).transpose(0, 2, 3, 1)
    assert memory.flags.c_contiguous
    y.sum().backward()
    assert all(np.asarray(t.grad).flags.c_contiguous for t in (x, conv.weight, conv.bias))


def test_input_gradient_is_not_computed_where_nobody_asks(monkeypatch):
    from lucid.core.op import OPS

    conv = nn.Conv2d(1, 2, 3)
    out = conv(lucid.ones(1, 1, 5, 5))
    monkeypatch.setattr(OPS["conv_input_grad"], "kernels", {})
    from lucid.backends import backend_of

    table = backend_of(np.zeros(1)).table
    monkeypatch.setattr(table, "conv_input_grad", None)
    out.sum().backward()
    assert float(conv.weight.grad.sum()) == 2 * 9 * 9
