"""Elementwise functions against torch: values over dtypes and special values, gradients and second derivatives in float64."""

import math
import warnings

import numpy as np
import pytest

import lucid
from reference import needs_torch, torch

pytestmark = needs_torch
INF, NAN = math.inf, math.nan
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 1e-3, 40.0, INF, -INF, NAN]
SMOOTH = "anywhere", [-2.3, -0.7, 0.4, 1.6, 3.1]
UNIT = "(-1, 1)", [-0.9, -0.3, 0.2, 0.8]
POSITIVE = "positive", [0.1, 0.9, 2.5, 7.0]

# name -> where gradients are compared
UNARY = {
    **dict.fromkeys(
        "abs neg exp exp2 expm1 square sin cos tan atan sinh cosh tanh asinh floor ceil trunc sign sigmoid relu erf erfc "
        "positive sinc frac deg2rad rad2deg nan_to_num sgn i0 round reciprocal".split(),
        SMOOTH[1],
    ),
    **dict.fromkeys("log log1p log2 log10 sqrt rsqrt lgamma digamma".split(), POSITIVE[1]),
    **dict.fromkeys("asin acos atanh erfinv".split(), UNIT[1]),
    "acosh": [1.1, 2.0, 5.0],
    "logit": [0.1, 0.5, 0.8],
    "angle": SMOOTH[1],
}
PREDICATES = ["isnan", "isinf", "isfinite", "signbit", "logical_not", "isposinf", "isneginf", "isreal"]
BINARY = """add sub mul div maximum minimum fmax fmin atan2 hypot remainder fmod copysign logaddexp logaddexp2 xlogy pow
    floor_divide""".split()
COMPARE = "eq ne lt le gt ge logical_and logical_or logical_xor".split()
BITWISE = "bitwise_and bitwise_or bitwise_xor".split()
FLOATS = {"float64": 3e-13, "float32": 2e-6, "float16": 2e-3, "bfloat16": 2e-2}


def host(t):
    """Any tensor as a NumPy array in double precision where it is floating."""
    t = t.detach()
    if not isinstance(t, lucid.Tensor):
        return t.double().numpy(force=True) if t.dtype.is_floating_point else t.resolve_conj().numpy(force=True)
    return np.asarray(t.to(lucid.float64) if t.dtype.is_floating_point else t)


def name_of(dtype):
    return str(dtype).rpartition(".")[2]


def same(ours, theirs, tolerance=1e-12):
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert name_of(ours.dtype) == name_of(theirs.dtype)
    np.testing.assert_allclose(host(ours), host(theirs), rtol=tolerance, atol=tolerance)


def both(values, dtype="float64", **options):
    return (
        lucid.tensor(values, dtype=getattr(lucid, dtype), **options),
        torch.tensor(values, dtype=getattr(torch, dtype), **options),
    )


def call(library, name, *args, **options):
    return getattr(library, name)(*args, **options)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", UNARY)
def test_unary_values(name, dtype):
    x, t = both([SPECIAL, SPECIAL[::-1]], dtype)
    if name in ("tan", "i0"):  # torch's i0 of an infinity is NaN
        x, t = both([SPECIAL[:8]], dtype)
    expected = call(torch, name, t)
    tolerance = FLOATS[dtype]
    got = call(lucid, name, x)
    same(got, expected, tolerance)
    same(call(lucid, name, x.T)[::2], call(torch, name, t.T)[::2], tolerance)
    same(call(lucid, name, x[:0]), call(torch, name, t[:0]))
    same(call(lucid, name, x[0, 2]), call(torch, name, t[0, 2]), tolerance)


@pytest.mark.parametrize("name", UNARY)
def test_unary_integers(name):
    for dtype in ("int64", "uint8", "int32", "bool"):
        x, t = both([0, 1, 1, 0] if dtype == "bool" else [0, 1, 2, 5], dtype)
        try:
            expected = call(torch, name, t)
        except RuntimeError:
            continue
        same(call(lucid, name, x), expected, 3e-6)


def gradients(library, f, *inputs):
    """Value, first and second gradients, each weighted so that nothing cancels."""
    out = f(*inputs)
    weight = library.tensor([0.3, -1.2, 0.7, 2.0, -0.4][: out.shape[-1]], dtype=out.dtype)
    first = library.autograd.grad((out * weight).sum(), inputs, create_graph=True, allow_unused=True)
    total = sum((g * g * weight).sum() for g in first if g is not None)
    wanted = getattr(total, "requires_grad", False)
    second = library.autograd.grad(total, inputs, allow_unused=True) if wanted else [None] * len(inputs)
    return out, first, second


def same_gradients(f, g, *values):
    ours = gradients(lucid, f, *(lucid.tensor(v, dtype=lucid.float64, requires_grad=True) for v in values))
    theirs = gradients(torch, g, *(torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in values))
    same(ours[0], theirs[0])
    for order in (1, 2):
        for a, b in zip(ours[order], theirs[order], strict=True):
            zero = np.zeros(1)
            a, b = (zero if v is None else host(v) for v in (a, b))
            np.testing.assert_allclose(*np.broadcast_arrays(a, b), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", UNARY)
def test_unary_derivatives(name):
    same_gradients(lambda x: call(lucid, name, x), lambda x: call(torch, name, x), UNARY[name])


@pytest.mark.parametrize("name", PREDICATES)
def test_predicates(name):
    for dtype in ("float32", "bfloat16", "int64", "bool"):
        values = SPECIAL if dtype in FLOATS else [0, 1, 0]
        x, t = both(values, dtype)
        same(call(lucid, name, x), call(torch, name, t))


PAIRS = [(a, b) for a in SPECIAL for b in SPECIAL]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", BINARY + COMPARE + ["nextafter", "heaviside", "float_power", "ldexp"])
def test_binary_values(name, dtype):
    if dtype in ("float16", "bfloat16") and name in ("nextafter", "hypot", "logaddexp2", "float_power"):
        pytest.skip("not in torch, or other rounding")
    x, t = both([p[0] for p in PAIRS], dtype)
    y, u = both([p[1] for p in PAIRS], dtype)
    same(call(lucid, name, x, y), call(torch, name, t, u), FLOATS[dtype])


@pytest.mark.parametrize(
    "name", BINARY + COMPARE + BITWISE + ["gcd", "lcm", "bitwise_left_shift", "bitwise_right_shift"]
)
def test_binary_integers(name):
    for a, b in (
        ("int64", "int64"),
        ("int32", "uint8"),
        ("int64", "float32"),
        ("bool", "int8"),
        ("bool", "bool"),
        ("int8", "bfloat16"),
    ):
        x, t = both([1, 0, 1, 1], a)
        y, u = both([1, 1, 1, 1], b)
        try:
            expected = call(torch, name, t, u)
        except RuntimeError:
            continue
        if b == "bool" and "shift" in name:
            continue
        same(call(lucid, name, x, y), expected, 3e-3)
        if name in ("add", "sub", "mul", "div", "remainder", "fmod", "pow", "floor_divide", *COMPARE[:6], *BITWISE):
            same(call(lucid, name, x, 1), call(torch, name, t, 1), 1e-6)
    x, t = both([7, -7, 7, -7, 0], "int64")
    y, u = both([2, 2, -2, -2, 5], "int64")
    if "shift" not in name and name not in ("pow", "hypot", "logaddexp", "logaddexp2"):
        same(call(lucid, name, x, y), call(torch, name, t, u), 1e-6)


@pytest.mark.parametrize("name", [n for n in BINARY if n not in ("floor_divide",)])
def test_binary_derivatives(name):
    x, y = ([0.3, 1.7, 2.2, 4.1], [1.3, 0.6, 2.9, 0.7])
    same_gradients(lambda a, b: call(lucid, name, a, b), lambda a, b: call(torch, name, a, b), x, y)
    same_gradients(
        lambda a, b: call(lucid, name, a, b), lambda a, b: call(torch, name, a, b), [x, y], y[:1]
    )  # broadcasting


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmax", "fmin"])
def test_ties_and_nan_share_as_in_torch(name):
    same_gradients(lambda a, b: call(lucid, name, a, b), lambda a, b: call(torch, name, a, b), [1.0, 2.0], [1.0, 3.0])
    for library in (lucid, torch):
        x = library.tensor([NAN, 1.0, NAN], requires_grad=True)
        y = library.tensor([1.0, NAN, NAN], requires_grad=True)
        call(library, name, x, y).sum().backward()
        result = [x.grad.tolist(), y.grad.tolist()]
        if library is lucid:
            ours = result
    assert ours == result


@pytest.mark.parametrize(
    "name",
    [
        "x ** 0",
        "x ** 1",
        "x ** 2",
        "x ** 3",
        "x ** 0.5",
        "x ** -1",
        "x ** 2.5",
        "2 ** x",
        "0.5 - x",
        "1 / x",
        "x / 3",
        "3 % x",
        "x // 2",
    ],
)
def test_operators_with_numbers(name):
    f = eval(f"lambda x: {name}")
    if "//" not in name and "%" not in name:  # torch has no derivative there
        same_gradients(f, f, [0.4, 1.5, 2.5])
    for dtype in ("float32", "int64", "bool", "bfloat16"):
        x, t = both([1, 1, 1] if dtype == "bool" else [1, 2, 3], dtype)
        try:
            expected = f(t)
        except RuntimeError:
            with pytest.raises(RuntimeError):
                f(x)
            continue
        same(f(x), expected, 1e-2)


def test_relu_gradient_is_exact_for_infinities_and_nan():
    for n in (5, 3000):  # the small and the large path
        values = ([0.0, -0.0, -1.0, NAN, 2.0] * (n // 5))[:n]
        slope = ([INF, NAN, INF, 1.0, -INF] * (n // 5))[:n]
        grads = []
        for library in (lucid, torch):
            x = library.tensor(values, requires_grad=True)
            library.relu(x).backward(library.tensor(slope))
            grads.append(host(x.grad))
        np.testing.assert_array_equal(*grads)


def test_sigmoid_keeps_relative_accuracy():
    x = np.linspace(-80, 80, 5001)
    exact = 1 / (1 + np.exp(-x))
    assert (
        np.max(
            np.abs(
                host(lucid.sigmoid(lucid.tensor(x.astype("float32"))))
                / (1 / (1 + np.exp(-x.astype("float32").astype(float))))
                - 1
            )
        )
        < 5e-7
    )
    assert np.max(np.abs(host(lucid.sigmoid(lucid.tensor(x))) / exact - 1)) < 1e-14


CLAMPS = [dict(min=-1), dict(max=1), dict(min=-1, max=1), dict(min=1, max=-1), dict(min=NAN), dict(min=0.5, max=None)]


@pytest.mark.parametrize("options", CLAMPS)
def test_clamp(options):
    for dtype in ("float32", "bfloat16", "int64"):
        x, t = both(SPECIAL if dtype != "int64" else [-3, 0, 5], dtype)
        if dtype == "int64" and NAN in options.values():
            continue
        same(lucid.clamp(x, **options), torch.clamp(t, **options))
    values = [-2.0, -1.0, 0.3, 1.0, 1.7]
    same_gradients(
        lambda x: lucid.clamp(x, **options), lambda x: torch.clamp(x, **options), values
    ) if NAN not in options.values() else None


def test_clamp_with_tensors():
    same_gradients(lucid.clamp, torch.clamp, [-2.0, 0.3, 1.0, 4.0], [-1.0, -1.0, 1.0, 2.0], [1.0, 1.0, 3.0, 1.0])
    for library in (lucid, torch):
        out = library.clamp(library.tensor([1, 5]), max=library.tensor([2.5, 2.5]))
        assert (name_of(out.dtype), out.tolist()) == ("float32", [1.0, 2.5])
    with pytest.raises(RuntimeError, match="At least one of"):
        lucid.clamp(lucid.ones(1))


MIXED = {
    "addcmul": (lambda L, a, b, c: L.addcmul(a, b, c, value=0.7), 3),
    "addcdiv": (lambda L, a, b, c: L.addcdiv(a, b, c, value=-0.7), 3),
    "lerp": (lambda L, a, b, c: L.lerp(a, b, c), 3),
    "lerp number": (lambda L, a, b: L.lerp(a, b, 0.7), 2),
    "add alpha": (lambda L, a, b: L.add(a, b, alpha=2.5), 2),
    "sub alpha": (lambda L, a, b: L.sub(a, b, alpha=2.5), 2),
    "rsub": (lambda L, a, b: L.rsub(a, b, alpha=2), 2),
    "where": (lambda L, a, b: L.where(a > 1, a * b, b), 2),
    "logit eps": (lambda L, a: L.logit(a / 5, eps=0.2), 1),
    "mvlgamma": (lambda L, a: L.mvlgamma(a + 2, 3), 1),
    "polygamma": (lambda L, a: L.polygamma(2, a), 1),
    "frexp": (lambda L, a: L.frexp(a).mantissa, 1),
    "ldexp": (lambda L, a: L.ldexp(a, L.tensor([1, 2, 3, 0])), 1),
    "div trunc": (lambda L, a, b: L.div(a, b, rounding_mode="trunc") + a, 2),
    "div floor": (lambda L, a, b: L.div(a, b, rounding_mode="floor") + a, 2),
    "round decimals": (lambda L, a: L.round(a, decimals=1) + a, 1),
    "xlog1py": (lambda L, a, b: L.special.xlog1py(a, b), 2),
}


@pytest.mark.parametrize("case", MIXED)
def test_functions_with_arguments(case):
    f, n = MIXED[case]
    values = ([0.3, 1.7, 2.2, 4.1], [1.3, 0.6, 2.9, 0.7], [0.2, 0.9, 0.5, 1.4])[:n]
    same_gradients(lambda *xs: f(lucid, *xs), lambda *xs: f(torch, *xs), *values)


IN_PLACE = [
    ("add_", (2,), {"alpha": 3}), ("sub_", (2,), {}), ("mul_", (2,), {}), ("div_", (2,), {}), ("pow_", (2,), {}), ("clamp_", (0.5, 1), {}),
    ("exp_", (), {}), ("abs_", (), {}), ("neg_", (), {}), ("sqrt_", (), {}), ("eq_", (1,), {}), ("lt_", (2,), {}), ("erf_", (), {}),
    ("nan_to_num_", (), {}), ("logical_not_", (), {}), ("fmod_", (2,), {}), ("remainder_", (2,), {}), ("frac_", (), {}), ("lgamma_", (), {}),
    ("sigmoid_", (), {}), ("float_power_", (2,), {}), ("xlogy_", (2.0,), {}), ("floor_divide_", (2,), {}), ("polygamma_", (1,), {}),
]  # fmt: skip


@pytest.mark.parametrize("name,args,options", IN_PLACE)
def test_in_place(name, args, options):
    dtype = "float64" if name == "float_power_" else "float32"
    x, t = both([0.4, 1.5, 3.0], dtype)
    alias = x
    if name == "xlogy_":
        args = (lucid.tensor(2.0),)
        expected = t.xlogy_(torch.tensor(2.0))
    else:
        expected = getattr(t, name)(*args, **options)
    assert getattr(x, name)(*args, **options) is alias
    same(x, expected, 1e-6)


def test_in_place_keeps_the_dtype_or_refuses():
    for make in (
        lambda L: L.tensor([1, 2]).add_(1.5),
        lambda L: L.tensor([1.0]).mul_(1j),
        lambda L: L.tensor([True]).add_(1),
    ):
        for library in (lucid, torch):
            with pytest.raises(RuntimeError, match="can't be cast"):
                make(library)
    x = lucid.tensor([1, 2], dtype=lucid.int8)
    assert x.add_(lucid.tensor([3, 4])).dtype is lucid.int8
    assert (
        lucid.tensor([1.0], dtype=lucid.float16).add_(lucid.tensor([1.0], dtype=lucid.float64)).dtype is lucid.float16
    )


BAD = [
    lambda L: L.tensor([True]) - L.tensor([True]),
    lambda L: -L.tensor([True]),
    lambda L: L.tensor([1, 2]) ** -1,
    lambda L: L.tensor([1]) // 0,
    lambda L: L.tensor([1]) % 0,
    lambda L: L.div(L.ones(1), 2, rounding_mode="up"),
    lambda L: L.ones(2) + L.ones(3),
    lambda L: L.bitwise_and(L.ones(1), L.ones(1)),
    lambda L: L.add(L.tensor([1]), 1, alpha=0.5),
    lambda L: L.lerp(L.ones(1), L.ones(1, dtype=L.float64), 0.5),
    lambda L: L.where(L.ones(1), 1.0, 2.0),
    lambda L: L.polygamma(-1, L.ones(1)),
    lambda L: L.exp("a"),
    lambda L: L.add(L.ones(1), "a"),
    lambda L: L.exp(None),
]


@pytest.mark.parametrize("number", range(len(BAD)))
def test_bad_input_has_torch_error_types(number):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception) as theirs:
            BAD[number](torch)
    with pytest.raises(RuntimeError if theirs.type is NotImplementedError else theirs.type):
        BAD[number](lucid)


COMPLEX = "neg exp log sqrt sin cos tan tanh sinh cosh asin acos atan square reciprocal sigmoid log1p rsqrt abs angle conj sgn real imag".split()


@pytest.mark.parametrize("name", COMPLEX)
def test_complex(name):
    values = [0.5 + 0.3j, -1.2 + 0.7j, 0.1 - 2.0j]
    results = []
    for library in (lucid, torch):
        x = library.tensor(values, dtype=library.complex128, requires_grad=True)
        out = call(library, name, x)
        weight = library.tensor([0.3, -1.2, 0.7], dtype=out.dtype) * (1 + 0.5j if out.dtype.is_complex else 1)
        size = (out * weight).abs().square().sum() + (out * weight).real.sum()
        (g,) = library.autograd.grad(size, x, create_graph=True)
        (h,) = library.autograd.grad(g.abs().square().sum(), x)
        results.append([np.asarray(v.detach().resolve_conj()) for v in (out, g, h)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


def test_complex_arithmetic_and_views():
    results = []
    for library in (lucid, torch):
        x = library.tensor([1 + 2j, -0.5j], dtype=library.complex64, requires_grad=True)
        r = library.tensor([2.0, 3.0], requires_grad=True)
        y = x * r / (x + 2) + library.polar(r, r) + library.complex(r, -r) ** 2
        z = library.view_as_complex(library.view_as_real(y) * 2)
        (z.real * z.imag).sum().backward()
        w = library.zeros(2, dtype=library.complex64)
        w.real.fill_(3)
        w.imag = library.tensor([1.0, 2.0])
        results.append([np.asarray(v.detach().resolve_conj()) for v in (z, x.grad, r.grad, w)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    for f in (
        lambda L: L.imag(L.ones(1)),
        lambda L: L.view_as_real(L.ones(2)),
        lambda L: L.complex(L.ones(1), L.ones(1, dtype=L.float64)),
    ):
        with pytest.raises(RuntimeError):
            f(lucid)


def test_isin_isclose_equal():
    for invert in (False, True):
        same(
            lucid.isin(lucid.tensor([[1, 2], [3, 4]]), lucid.tensor([2, 3]), invert=invert),
            torch.isin(torch.tensor([[1, 2], [3, 4]]), torch.tensor([2, 3]), invert=invert),
        )
    x, t = both(SPECIAL, "float32")
    y, u = both([1.0, *SPECIAL[1:]], "float32")
    for equal_nan in (False, True):
        same(lucid.isclose(x, y, equal_nan=equal_nan), torch.isclose(t, u, equal_nan=equal_nan))
    assert not lucid.equal(x, y) and lucid.equal(x[:3], x[:3].clone())


# ---- numbers that PyTorch refuses, or makes others of ----


LOST = {
    "add": lambda L, x, v: L.add(x, x, alpha=v),
    "addcmul": lambda L, x, v: L.addcmul(x, x, x, value=v),
    "addcdiv_": lambda L, x, v: x.clone().addcdiv_(x, x, value=v),
    "full": lambda L, x, v: L.full((2,), v),
    "full_like": lambda L, x, v: L.full_like(x, v),
    "elu": lambda L, x, v: L.nn.functional.elu(x, alpha=v),
    "renorm": lambda L, x, v: L.renorm(x, v, 0, 1.0),
}


@pytest.mark.parametrize("name", sorted(LOST))
def test_a_tensor_with_a_gradient_is_no_number(name):
    """Its gradient would be lost without a word."""
    x = lucid.ones(2, 2)
    LOST[name](lucid, x, lucid.tensor(2.0))
    with pytest.raises(TypeError, match="must be"):
        LOST[name](lucid, x, lucid.tensor(2.0, requires_grad=True))


@pytest.mark.parametrize("bounds, expected", [((-1, 1), [1, 1]), ((-1, None), [255, 255]), ((None, -1), [3, 9])])
def test_clamp_of_an_unsigned_tensor_wraps_negative_bounds(bounds, expected):  # recorded from PyTorch 2.13
    assert lucid.clamp(lucid.tensor([3, 9], dtype=lucid.uint8), *bounds).tolist() == expected


@pytest.mark.parametrize("dtype, bound", [("uint8", 256), ("uint8", -256), ("int8", 128), ("int8", -129)])
def test_clamp_refuses_a_bound_that_the_dtype_cannot_hold(dtype, bound):
    with pytest.raises(RuntimeError, match="overflow"):
        lucid.clamp(lucid.ones(2, dtype=getattr(lucid, dtype)), min=bound)


def test_a_bound_that_is_nan_has_no_gradient():
    x, low = lucid.tensor([-1.0, 0.5], requires_grad=True), lucid.tensor([math.nan, 1.0], requires_grad=True)
    out = lucid.clamp(x, low, lucid.tensor(2.0))
    out.sum().backward()
    assert out.isnan().tolist() == [True, False]
    assert low.grad.tolist() == [0, 1] and x.grad.tolist() == [0, 0]


@pytest.mark.parametrize(
    "f",
    [
        lambda b: b // b,
        lambda b: b % True,
        lambda b: b << b,
        lambda b: lucid.div(b, True, rounding_mode="trunc"),
        lambda b: lucid.normal(b.long(), 1.0),
    ],
)
def test_no_kernel_for_these(f):
    with pytest.raises(NotImplementedError, match="implemented for"):
        f(lucid.tensor([True]))


def test_normal_has_the_dtype_of_its_mean_and_stft_wants_floats():
    assert lucid.normal(lucid.zeros(2), lucid.ones(2, dtype=lucid.float64)).dtype is lucid.float32
    with pytest.raises(RuntimeError, match="floating point or complex"):
        lucid.stft(lucid.arange(16), 4, return_complex=True)
    with pytest.raises(RuntimeError, match="unsigned"):
        lucid.nn.functional.hardtanh(lucid.ones(2, dtype=lucid.uint8))


def test_a_sum_of_booleans_is_boolean_whatever_alpha_is():
    m = lucid.tensor([True, False])
    assert lucid.add(m, m.logical_not(), alpha=2).tolist() == [True, True]
    assert lucid.add(m, m, alpha=0).dtype is lucid.bool


@pytest.mark.parametrize("z", [1e-19 + 1e-18j, 1e-18 + 0.1j, -0.3 + 0.2j, 2.0j, 3e30 + 1j])
def test_log1p_of_complex_numbers_keeps_its_real_part(z):
    found = lucid.log1p(lucid.tensor([z], dtype=lucid.complex128)).item()
    real = 0.5 * math.log1p(z.real * (2 + z.real) + z.imag**2)
    assert found.real == pytest.approx(real, rel=1e-12, abs=0)
    assert found.imag == pytest.approx(math.atan2(z.imag, 1 + z.real), rel=1e-12, abs=0)
    assert lucid.log1p(lucid.tensor(z, dtype=lucid.complex128)).item() == found
