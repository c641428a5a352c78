"""A sample of the array API standard on ``lucid.ops``; the public suite runs in ``make test-all`` (ARRAY_API_TESTS_DIR)."""

import inspect
from pathlib import Path

import numpy as np
import pytest

import lucid
from lucid import ops as xp

strict = pytest.importorskip("array_api_strict")

REAL = np.linspace(-2.5, 3.5, 24).reshape(2, 3, 4)
POSITIVE = np.abs(REAL) + 0.1
UNIT = REAL / 4
INTEGERS = np.array([[3, 1, 2], [3, 7, 2]])

ONE = {
    **dict.fromkeys("abs ceil exp expm1 floor negative positive round sign sin cos sinh cosh square tan tanh trunc atan asinh isfinite isinf isnan signbit".split(), REAL),
    **dict.fromkeys("log log10 log1p log2 sqrt reciprocal".split(), POSITIVE),
    **dict.fromkeys("acos asin atanh".split(), UNIT),
    "acosh": POSITIVE + 1,
    "bitwise_invert": INTEGERS,
    "logical_not": INTEGERS > 2,
    "conj": REAL + 1j,
    "real": REAL + 1j,
    "imag": REAL + 1j,
}  # fmt: skip
TWO = {
    **dict.fromkeys("add subtract multiply divide atan2 copysign hypot logaddexp maximum minimum nextafter equal not_equal less less_equal greater greater_equal remainder floor_divide".split(), (REAL, POSITIVE[0])),
    "pow": (POSITIVE, REAL),
    **dict.fromkeys("bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift".split(), (INTEGERS, INTEGERS[0])),
    **dict.fromkeys("logical_and logical_or logical_xor".split(), (INTEGERS > 2, INTEGERS[0] > 1)),
}  # fmt: skip
MORE = {
    "sum": [{}, {"axis": 1}, {"axis": (0, 2), "keepdims": True}, {"dtype": "float32"}],
    "prod": [{}, {"axis": 1}, {"axis": (0, 2), "keepdims": True}],
    "mean": [{}, {"axis": -1}, {"axis": (0, 1), "keepdims": True}],
    "max": [{}, {"axis": 1}, {"axis": (0, 2), "keepdims": True}],
    "min": [{}, {"axis": 1}],
    "std": [{}, {"axis": 1}, {"correction": 1.0, "axis": (0, 2), "keepdims": True}],
    "var": [{}, {"axis": 1}, {"correction": 1.0}],
    "all": [{}, {"axis": 1}],
    "any": [{}, {"axis": (0, 1)}],
    "argmax": [{}, {"axis": 1, "keepdims": True}],
    "argmin": [{}, {"axis": -1}],
    "count_nonzero": [{}, {"axis": 0}],
    "cumulative_sum": [{"axis": 1}, {"axis": -1, "include_initial": True}],
    "cumulative_prod": [{"axis": 0}, {"axis": -1, "include_initial": True}],
    "diff": [{}, {"axis": 0}, {"n": 2}],
    "flip": [{}, {"axis": (0, -1)}],
    "roll": [{"shift": 2}, {"shift": (1, 2), "axis": (0, 2)}, {"shift": 1, "axis": (0, 2)}],
    "sort": [{}, {"axis": 1, "descending": True}],
    "argsort": [{}, {"axis": 0}, {"descending": True}],
    "expand_dims": [{"axis": 0}, {"axis": -1}],
    "tril": [{}, {"k": 1}],
    "triu": [{}, {"k": -1}],
    "matrix_transpose": [{}],
    "nonzero": [{}],
    "repeat": [],
    "reshape": [{"shape": (4, -1)}, {"shape": (24,), "copy": True}],
    "unstack": [{}, {"axis": 1}],
    "clip": [{"min": -1.0}, {"max": 1.0}, {"min": -1.0, "max": 1.0}],
    "zeros_like": [{}, {"dtype": "int64"}],
    "ones_like": [{}],
    "full_like": [{"fill_value": 2.0}],
}


def in_both(name, arrays, kw=()):
    """The function in lucid and in array_api_strict; results, dtypes and shapes must agree."""
    kw = dict(kw)
    ours = getattr(xp, name)(
        *(xp.asarray(a) for a in arrays), **{k: getattr(xp, v) if k == "dtype" else v for k, v in kw.items()}
    )
    if name == "round":
        theirs = strict.round(*(strict.asarray(a) for a in arrays))
    else:
        theirs = getattr(strict, name)(
            *(strict.asarray(a) for a in arrays),
            **{k: getattr(strict, v) if k == "dtype" else v for k, v in kw.items()},
        )
    pairs = zip(ours, theirs, strict=True) if isinstance(theirs, tuple | list) else [(ours, theirs)]
    for a, b in pairs:
        assert tuple(a.shape) == b.shape, name
        assert str(a.dtype).split(".")[-1] == str(b.dtype).split(".")[-1], (name, a.dtype, b.dtype)
        np.testing.assert_allclose(np.asarray(a), np.asarray(b._array), rtol=1e-6, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("name", ONE)
def test_elementwise_of_one(name):
    in_both(name, [ONE[name]])


@pytest.mark.parametrize("name", TWO)
def test_elementwise_of_two(name):
    in_both(name, TWO[name])


@pytest.mark.parametrize("name", MORE)
def test_with_arguments(name):
    for kw in MORE[name]:
        in_both(name, [REAL > 0 if name in ("all", "any") else REAL], kw)


def test_integer_sums_stay_integers_and_wide():
    for dtype, wide in [("int8", "int64"), ("uint8", "uint64"), ("int32", "int64")]:
        for f in (xp.sum, xp.prod, xp.cumulative_sum):
            assert f(xp.asarray([1, 2], dtype=getattr(xp, dtype))).dtype is getattr(xp, wide)


def test_creation():
    for f, args, kw in [
        ("zeros", (3,), {}), ("ones", ((2, 3),), {"dtype": "int64"}), ("arange", (5,), {}), ("arange", (1, 2, 0.25), {}), ("arange", (5, 1), {}),
        ("linspace", (0, 1, 5), {}), ("linspace", (0, 1, 5), {"endpoint": False}), ("eye", (3, 4), {"k": 1}), ("eye", (3,), {"k": -2}), ("full", ((2,), 7), {}),
    ]:  # fmt: skip
        a = getattr(xp, f)(*args, **{k: getattr(xp, v) if k == "dtype" else v for k, v in kw.items()})
        b = getattr(strict, f)(*args, **{k: getattr(strict, v) if k == "dtype" else v for k, v in kw.items()})
        assert tuple(a.shape) == b.shape, f
        np.testing.assert_allclose(np.asarray(a), np.asarray(b._array), rtol=1e-6)


def test_joining_and_order():
    x, y = xp.asarray(REAL), xp.asarray(REAL * 2)
    assert xp.concat([x, y], axis=1).shape == (2, 6, 4) and xp.concat([x, y], axis=None).shape == (48,)
    assert xp.stack([x, y], axis=-1).shape == (2, 3, 4, 2)
    assert [tuple(g.shape) for g in xp.meshgrid(xp.arange(2), xp.arange(3))] == [(3, 2), (3, 2)]
    assert xp.squeeze(x[:1], axis=0).shape == (3, 4) and xp.moveaxis(x, 0, -1).shape == (3, 4, 2)
    assert xp.tile(x, (2, 1, 1)).shape == (4, 3, 4) and xp.repeat(x, 2, axis=1).shape == (2, 6, 4)
    assert xp.take(x, xp.asarray([2, 0]), axis=1).shape == (2, 2, 4)
    assert xp.broadcast_arrays(x, xp.ones(4))[1].shape == (2, 3, 4)
    with pytest.raises(ValueError, match="size 1"):
        xp.squeeze(x, axis=0)
    assert xp.searchsorted(xp.asarray([1.0, 2.0, 3.0]), xp.asarray([2.0]), side="right").tolist() == [2]


def test_sets():
    x = xp.asarray(INTEGERS)
    found = xp.unique_all(x)
    assert found.values.tolist() == [1, 2, 3, 7] and found.counts.tolist() == [1, 2, 2, 1]
    assert xp.reshape(x, (-1,))[found.indices].tolist() == [1, 2, 3, 7]
    assert bool(xp.all(found.values[found.inverse_indices] == x))
    assert xp.unique_counts(x).counts.tolist() == [1, 2, 2, 1] and xp.unique_values(x).tolist() == [1, 2, 3, 7]
    assert bool(xp.all(xp.unique_inverse(x)[0][xp.unique_inverse(x)[1]] == x))


def test_dtypes():
    assert xp.isdtype(xp.float32, "real floating") and not xp.isdtype(xp.int8, ("bool", "unsigned integer"))
    assert xp.result_type(xp.int8, xp.uint8) is xp.int16 and xp.result_type(xp.ones(1), 1j) is xp.complex64
    assert xp.can_cast(xp.int8, xp.int16) and not xp.can_cast(xp.int16, xp.uint8)
    assert xp.astype(xp.asarray([1.7]), xp.int32).tolist() == [1] and xp.finfo(xp.float32).bits == 32
    with pytest.raises(TypeError):
        xp.astype(xp.asarray([1j]), xp.float32)


def test_linalg_and_fft():
    a = REAL[:, :, :3] + 3 * np.eye(3)
    for name, kw in [("det", {}), ("inv", {}), ("slogdet", {}), ("svdvals", {}), ("matrix_norm", {"ord": 1}), ("matrix_rank", {}), ("pinv", {}),
                     ("trace", {"offset": 1}), ("vector_norm", {"axis": (0, 2)}), ("diagonal", {"offset": -1}), ("matrix_power", None)]:  # fmt: skip
        more = (3,) if kw is None else ()
        ours = getattr(xp.linalg, name)(xp.asarray(a), *more, **(kw or {}))
        theirs = getattr(strict.linalg, name)(strict.asarray(a), *more, **(kw or {}))
        for p, q in zip(ours, theirs, strict=True) if isinstance(theirs, tuple) else [(ours, theirs)]:
            np.testing.assert_allclose(np.asarray(p), np.asarray(q._array), rtol=1e-6, atol=1e-9)
    for name, x in {
        "fft": REAL + 1j,
        "ifft": REAL + 1j,
        "rfft": REAL,
        "fftn": REAL + 1j,
        "irfft": REAL + 1j,
        "fftshift": REAL + 1j,
    }.items():
        ours, theirs = getattr(xp.fft, name)(xp.asarray(x)), getattr(strict.fft, name)(strict.asarray(x))
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs._array), rtol=1e-6, atol=1e-9)
    assert xp.linalg.cross(xp.asarray([1.0, 0.0, 0.0]), xp.asarray([0.0, 1.0, 0.0])).tolist() == [0, 0, 1]


def test_every_name_of_the_standard_is_there_with_its_arguments():
    assert not [
        n
        for n in strict.__all__
        if not hasattr(xp, n)
        and n
        not in (
            "set_array_api_strict_flags",
            "get_array_api_strict_flags",
            "reset_array_api_strict_flags",
            "ArrayAPIStrictFlags",
            "Device",
            "broadcast_shapes",
            "__version__",
        )
    ]
    for extension in ("linalg", "fft"):
        assert not [n for n in getattr(strict, extension).__all__ if not hasattr(getattr(xp, extension), n)]
    wrong = []
    for name in strict.__all__:
        f, g = getattr(xp, name, None), getattr(strict, name)
        if f is None or not inspect.isfunction(g):
            continue
        theirs = inspect.signature(g).parameters
        ours = inspect.signature(f).parameters
        variadic = any(p.kind is p.VAR_POSITIONAL for p in ours.values())
        wrong += [(name, p.name) for p in theirs.values() if p.kind is p.KEYWORD_ONLY and p.name not in ours]
        wrong += (
            []
            if variadic or hasattr(f, "op") or len(ours) >= sum(p.kind is p.POSITIONAL_ONLY for p in theirs.values())
            else [(name, "too few")]
        )
    assert not wrong


def test_arrays():
    x = xp.asarray(REAL)
    assert x.__array_namespace__() is xp and x.size == 24 and x.size() == (2, 3, 4) and x.size(1) == 3 and x.ndim == 3
    assert x.mT.shape == (2, 4, 3) and xp.asarray(REAL[0]).T.shape == (4, 3)
    assert x.to_device(x.device) is x or bool(xp.all(x.to_device(x.device) == x))
    assert complex(xp.asarray(1 + 2j)) == 1 + 2j and int(xp.asarray(3)) == 3 and bool(xp.asarray(True))
    info = xp.__array_namespace_info__()
    assert (
        info.default_dtypes()["integral"] is xp.int64
        and "float32" in info.dtypes(kind="real floating")
        and info.default_device() in info.devices()
    )
    assert lucid.ops.__array_api_version__ == "2024.12"


def test_the_standard_is_differentiable():
    x = xp.asarray(REAL, dtype=xp.float64).requires_grad_()
    total = (
        xp.sum(xp.std(x, axis=1))
        + xp.sum(xp.take(x, xp.asarray([0, 0]), axis=1))
        + xp.linalg.matrix_norm(x[:, :, :3])[0]
    )
    total.backward()
    assert x.grad is not None and bool(xp.all(xp.isfinite(x.grad)))


def test_the_standards_numbers_where_pytorch_has_others():
    inf, nan = float("inf"), float("nan")
    x1, x2 = xp.asarray([inf, -inf, 1.0, -1.0, inf]), xp.asarray([2.0, 2.0, -inf, inf, inf])
    got = np.asarray(xp.floor_divide(x1, x2))
    np.testing.assert_array_equal(got, [inf, -inf, -0.0, -0.0, nan])
    assert np.signbit(got[2]) and np.isnan(lucid.floor_divide(x1, x2)[0].item())
    assert np.isnan(xp.sign(xp.asarray(nan)).item()) and lucid.sign(xp.asarray(nan)).item() == 0
    z = xp.asarray([complex(inf, 0), complex(-inf, inf), complex(nan, 0)], dtype=xp.complex128)
    np.testing.assert_array_equal(np.asarray(xp.expm1(z)), [complex(inf, 0), complex(-1, 0), complex(nan, 0)])
    assert not np.signbit(np.asarray(xp.tanh(xp.asarray(complex(inf, 2.0)))).imag)
    zero = xp.zeros((), dtype=xp.float64)
    assert xp.multiply(xp.ones(2), zero).dtype is xp.float64 and (xp.ones(2) * zero).dtype is xp.float32
    assert xp.where(xp.asarray([True]), xp.ones(1), zero).dtype is xp.float64
    small = xp.asarray([200, 100], dtype=xp.uint8)
    assert (
        xp.vecdot(small, small).dtype is xp.uint8
        and xp.matmul(small, xp.asarray([1, 1], dtype=xp.uint16)).dtype is xp.uint16
    )
    assert xp.arange(1, 0.0).dtype is xp.float32 and xp.asarray([1, 2**63 + 1], dtype=xp.uint64)[1].item() == 2**63 + 1
    assert list(inspect.signature(lucid.Tensor.__dlpack__).parameters)[1:] == [
        "stream",
        "max_version",
        "dl_device",
        "copy",
    ]


def test_dtypes_that_pytorch_refuses_to_mix():
    assert xp.repeat(xp.asarray([1, 2]), xp.asarray([2, 0], dtype=xp.int8)).tolist() == [1, 1]
    x, y = xp.asarray([1, 0, 0], dtype=xp.uint8), xp.asarray([0, 1, 0], dtype=xp.uint16)
    crossed = xp.linalg.cross(x, y)
    assert crossed.dtype is xp.uint16 and crossed.tolist() == [0, 0, 1]


def test_the_exceptions_name_tests_and_reasons():
    """``make array-api`` hands this file to the suite: a reason above each group of test names."""
    lines = (Path(__file__).parent / "array_api_exceptions.txt").read_text().splitlines()
    groups = [g.splitlines() for g in "\n".join(lines).split("\n\n")]
    assert all(g[0].startswith("# ") and all(t.startswith(("#", "array_api_tests/")) for t in g) for g in groups)
    assert sum(line.startswith("array_api_tests/") for line in lines) < 32


def test_einops_works_unadapted():
    einops = pytest.importorskip("einops")
    from einops import array_api

    x = lucid.tensor(REAL, requires_grad=True)
    out = array_api.rearrange(x, "a b c -> c (a b)")
    np.testing.assert_allclose(out.detach().numpy(), einops.rearrange(REAL, "a b c -> c (a b)"))
    array_api.reduce(x, "a b c -> b", "sum").sum().backward()
    assert x.grad.shape == x.shape
