"""What MLX's CPU build gets wrong in numerics and dtypes (sections 1.2 and 1.3 of the measured facts), tried through lucid.

Each program runs on cpu and on mlx: the same values, dtypes and shapes, or errors of the same type.
"""

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid import backends, nn
from lucid.testing import check_device
from reference import needs_mlx
from test_ops import TABLE

pytestmark = [needs_mlx, pytest.mark.filterwarnings("ignore")]


def outcome(program, device):
    try:
        found = program(lambda data, dtype=None: lucid.tensor(data, dtype=dtype, device=device))
    except Exception as error:
        return type(error)
    return [
        (t.dtype, t.detach().to("cpu").numpy()) if isinstance(t, lucid.Tensor) else t
        for t in (found if isinstance(found, tuple) else (found,))
    ]


def same(program, rtol):
    wanted, found = outcome(program, "cpu"), outcome(program, "mlx")
    if isinstance(wanted, type):
        assert isinstance(found, type) and set(wanted.__mro__) & set(found.__mro__) - set(Exception.__mro__), found
        return
    assert not isinstance(found, type), found
    for a, b in zip(wanted, found, strict=True):
        if isinstance(a, tuple):
            assert a[0] is b[0]
            np.testing.assert_allclose(b[1], a[1], rtol=rtol, atol=rtol)
        else:
            assert a == b


WIDE = np.linspace(-30, 30, 25)
UNIT = np.linspace(-0.9, 0.9, 9)
rng = np.random.default_rng(0)
IMAGE, KERNEL = rng.standard_normal((2, 3, 7, 7)), rng.standard_normal((4, 3, 3, 3))
MATRIX = rng.standard_normal((6, 6))

# In float64 MLX's own are accurate to float32 only, or overflow where float32 does.
DOUBLE = {
    "exp": lambda t: t(WIDE).exp(),
    "exp of 500": lambda t: t([89.0, 500.0, -700.0]).exp(),
    "sin": lambda t: t(WIDE).sin(),
    "cos": lambda t: t(WIDE).cos(),
    "sigmoid": lambda t: t(WIDE).sigmoid(),
    "erf": lambda t: t(UNIT).erf(),
    "erfinv": lambda t: t(UNIT).erfinv(),
    "logaddexp": lambda t: lucid.logaddexp(t(WIDE), t(WIDE[::-1].copy())),
    "softmax": lambda t: t(WIDE).softmax(0),
    "log_softmax": lambda t: t(WIDE).log_softmax(0),
    "logsumexp": lambda t: t(WIDE).logsumexp(0),
    "logcumsumexp": lambda t: t(WIDE).logcumsumexp(0),
    "cross_entropy": lambda t: F.cross_entropy(t(WIDE.reshape(5, 5)), t([0, 1, 2, 3, 4])),
    "det": lambda t: lucid.linalg.det(t(rng_matrix(64))).log(),
    "conv1d": lambda t: F.conv1d(t(IMAGE[:, :, 0]), t(KERNEL[:, :, 0])),
    "conv2d": lambda t: F.conv2d(t(IMAGE), t(KERNEL), padding=1, stride=2),
    "conv3d": lambda t: F.conv3d(t(IMAGE[:, :, None]), t(KERNEL[:, :, None])),
    "layer_norm": lambda t: F.layer_norm(t(MATRIX), (6,), t(MATRIX[0]), t(MATRIX[1])),
    "attention": lambda t: F.scaled_dot_product_attention(t(MATRIX), t(MATRIX), t(MATRIX), is_causal=True),
    "gelu": lambda t: F.gelu(t(WIDE)),
    "max_pool2d": lambda t: F.max_pool2d(t(IMAGE), 2),
    "avg_pool2d": lambda t: F.avg_pool2d(t(IMAGE), 3, 2, 1),
    "eigh": lambda t: lucid.linalg.eigvalsh(t(MATRIX + MATRIX.T)),
    "solve": lambda t: lucid.linalg.solve(t(MATRIX), t(MATRIX[0])),
}


def rng_matrix(n):
    return np.random.default_rng(1).standard_normal((n, n)) + 4 * np.eye(n)


@pytest.mark.parametrize("name", DOUBLE)
def test_double_precision_is_double(name):
    same(lambda t: DOUBLE[name](lambda a, dtype=None: t(np.asarray(a), dtype)), 1e-11)


@pytest.mark.parametrize("f", [lucid.exp, lucid.sin, lucid.tanh, lucid.erf, lambda x: x.softmax(-1)])
def test_central_differences_in_double_precision(f):
    x = lucid.linspace(-2, 2, 5, dtype=lucid.float64, device="mlx", requires_grad=True)
    assert lucid.autograd.gradcheck(f, (x,))


def test_there_is_no_complex128():
    x = lucid.tensor(MATRIX, device="mlx")
    for program in (lambda: lucid.fft.fft(x), lambda: x + lucid.ones(6, dtype=lucid.complex64, device="mlx")):
        with pytest.raises(TypeError, match="complex128 is not available on 'mlx': use complex64, or keep this tensor"):
            program()
    assert lucid.fft.fft(x.float()).dtype is lucid.complex64


NUMERICS = {
    "sum of 1e7 tenths": lambda t: lucid.full_like(t([0.0]), 0.1).expand(10_000_000).sum(),
    "sum of 2**25 ones": lambda t: lucid.ones_like(t([0.0])).expand(2**25).sum(),
    "mean": lambda t: (lucid.full_like(t([0.0]), 0.1).expand(3_000_000)).mean(),
    "var of 1e6 values": lambda t: (t(np.arange(1_000_000, dtype=np.float32) % 7) + 100).var(),
    "rows": lambda t: (t(np.arange(600_000, dtype=np.float32).reshape(2, -1) % 7) + 100).mean(1),
    "sum of float16": lambda t: t(np.ones(20_000, np.float16)).sum(),
    "1 // 0": lambda t: t([1]) // t([0]),
    "1 % 0": lambda t: t([1]) % t([0]),
    "2 ** -1": lambda t: t([2]) ** t([-1]),
    "1 // 0.1": lambda t: t([1.0, 7.0, -1.0, float("inf")]) // t([0.1, 0.1, float("inf"), 2.0]),
    "-7 // 2": lambda t: (t([-7, 7]) // t([2, -2]), t([-7, 7]) % t([2, -2]), t([-7.0, 7.0]) % 2.5),
    "sign of nan": lambda t: t([float("nan"), -0.0, -3.0]).sign(),
    "argmax of nan": lambda t: (t([1.0, float("nan"), 3.0]).argmax(), t([1.0, float("nan"), 3.0]).argmin()),
    "max of nan": lambda t: (t([1.0, float("nan")]).max(), t([1.0, float("nan")]).amin()),
    "sort of nan": lambda t: tuple(t([1.0, float("nan"), -1.0, float("inf")]).sort()),
    "sort down": lambda t: tuple(t([1.0, float("nan"), 1.0, 0.0]).sort(descending=True, stable=True)),
    "sort is stable": lambda t: t([2, 1, 2, 1, 2] * 20).argsort(stable=True),
    "cummax of nan": lambda t: tuple(t([1.0, float("nan"), 3.0]).cummax(0)),
    "sum of nothing": lambda t: (t([]).sum(), t([]).prod(), t([]).any(), t([[]]).sum(1)),
    "max of nothing": lambda t: t([]).max(),
    "0-d": lambda t: (t(2.0).cumsum(0), *t(2.0).sort(), t(2.0).softmax(0), t(2.0).max(), t(2.0).argsort()),
    "matmul of 0-d": lambda t: t(2.0) @ t(3.0),
    "matmul over nothing": lambda t: lucid.zeros_like(t(np.zeros((2, 0)))) @ t(np.zeros((0, 3))),
}  # fmt: skip


@pytest.mark.parametrize("name", NUMERICS)
def test_numerics(name):
    same(NUMERICS[name], 1e-5)


i32, i64, u8 = lucid.int32, lucid.int64, lucid.uint8
f16, bf16, f32, f64 = lucid.float16, lucid.bfloat16, lucid.float32, lucid.float64
PAIRS = [
    (i32, f16), (f16, bf16), (i64, f32), (lucid.bool, lucid.bool), (u8, lucid.int8), (i32, i64), (f32, f64), (bf16, f32),
    (f32, lucid.complex64), (lucid.bool, u8), (i64, bf16),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=lambda d: str(d))
def test_promotion(a, b):
    same(lambda t: t([1, 0], a) + t([1, 1], b), 1e-6)
    same(lambda t: t([1, 0], a) + t(1, b), 1e-6)  # a 0-d tensor does not widen within its category


DTYPES = {
    "Python float": lambda t: t(1.5),
    "Python int": lambda t: t([1, 2]),
    "NumPy float64": lambda t: t(np.array([1.5])),
    "NumPy int64": lambda t: t(np.array([1])),
    "scalars are weak": lambda t: (t([1.0], f16) + 1.5, t([1], u8) + 1, t([1]) + 1.5, t([True]) + 1),
    "a scalar too large": lambda t: t([1], u8) + 300,
    "integer matmul": lambda t: t([[1, 2], [3, 4]]) @ t([[1, 2], [3, 4]]),
    "integer einsum": lambda t: lucid.einsum("ij,jk->ik", t([[1, 2], [3, 4]]), t([[1, 2], [3, 4]])),
    "integer conv": lambda t: F.conv1d(t([[[1, 2, 3]]]), t([[[1, 1]]])),
    "sum of bool": lambda t: t([True, True]).sum(),
    "sum of int8": lambda t: t([100, 100], lucid.int8).sum(),
    "sum of int32": lambda t: t([2**31 - 1] * 2, i32).sum(),
    "prod and cumsum": lambda t: (t([2**31 - 1] * 2, i32).prod(), t([2**31 - 1] * 2, i32).cumsum(0)),
    "argmax": lambda t: (t([1.0, 2.0]).argmax(), t([1.0, 2.0]).argsort(), t([1.0, 2.0]).topk(1).indices),
    "searchsorted": lambda t: lucid.searchsorted(t([1.0, 2.0]), t([1.5])),
    "mean of ints": lambda t: t([1, 2]).mean(),
    "division of ints": lambda t: t([1, 2]) / 2,
    "assignment keeps dtype and shape": lambda t: written(t([1, 2, 3])),
    "in place widening": lambda t: t([1, 2]).add_(1.5),
    "in place growing": lambda t: t([[1.0], [2.0]]).add_(t([[1.0, 2.0, 3.0]])),
    "eleven dimensions": lambda t: (t([1.0, 2.0]).reshape((1,) * 10 + (2,)) + 1).sum(3),
    "wrong axis": lambda t: t([1.0]).sum(3),
    "wrong shapes": lambda t: t([1.0, 2.0]) + t([1.0, 2.0, 3.0]),
    "wrong matmul": lambda t: t([[1.0, 2.0]]) @ t([[1.0, 2.0]]),
    "truth of several": lambda t: bool(t([1.0, 2.0])),
    "is None": lambda t: t([1.0]) == None,  # noqa: E711
}  # fmt: skip


def written(x):
    x[1] = 2.9
    return x


@pytest.mark.parametrize("name", DTYPES)
def test_dtypes_and_errors(name):
    same(DTYPES[name], 1e-5)


def test_more_elements_than_mlx_can_count():
    with pytest.raises((RuntimeError, OverflowError, MemoryError, ValueError, TypeError)):
        lucid.zeros(3_000_000_000, dtype=lucid.bool, device="mlx").sum().item()


# ---- the Apple GPU has no float64: here it is taken away ----


@pytest.fixture
def no_float64(monkeypatch):
    backends.load("mlx")
    from lucid.backends import mlx_dtypes

    monkeypatch.delitem(mlx_dtypes.NATIVE, "float64")


REFUSED = {
    "tensor": lambda: lucid.tensor([1.0], dtype=f64, device="mlx"),
    "NumPy": lambda: lucid.tensor(np.ones(2), device="mlx"),
    "to device": lambda: lucid.ones(2, dtype=f64).to("mlx"),
    "to dtype": lambda: lucid.ones(2, device="mlx").double(),
    "zeros": lambda: lucid.zeros(2, dtype=f64, device="mlx"),
    "rand": lambda: lucid.rand(2, dtype=f64, device="mlx"),
    "sum": lambda: lucid.ones(2, device="mlx").sum(dtype=f64),
    "module": lambda: nn.Linear(2, 2).double().to("mlx"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_float64_is_refused_on_an_apple_gpu(no_float64, name):
    with pytest.raises(
        TypeError, match="float64 is not available on the Apple GPU: use float32, or keep this tensor on"
    ):
        REFUSED[name]()


def test_no_op_needs_float64_in_secret(no_float64):
    """Neither a kernel nor a rule nor an optimizer may pass through it."""
    for row in TABLE:
        check_device(row, "mlx")
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.GELU(), nn.Linear(4, 2)).to("mlx")
    for name in ("Adam", "SGD", "RMSprop", "AdamW"):
        opt = getattr(lucid.optim, name)(model.parameters(), lr=0.01)
        F.cross_entropy(model(lucid.randn(5, 3, device="mlx")), lucid.randint(0, 2, (5,), device="mlx")).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
