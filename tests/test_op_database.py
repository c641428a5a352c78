"""What PyTorch's own table of ops (``torch.testing._internal``) found: calls where lucid once differed, each against torch."""

import numpy as np
import pytest

import lucid
from reference import needs_torch, torch


def numbers(*shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    if dtype.startswith("complex"):
        return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)
    x = rng.standard_normal(shape) * 3
    return x.astype(dtype) if dtype.startswith("float") else np.abs(x * 9).astype(dtype)


BYTES, WORDS = numbers(2, 1, 2, dtype="uint8"), numbers(1, 1, 1, dtype="uint8")
IMAGE = numbers(1, 1, 6, 6, seed=3, dtype="uint8") * 5
WHOLE, SQUARE = np.arange(-13, 14).reshape(3, 3, 3), numbers(3, 3)
SPECTRUM, ANGLES = numbers(10, 2, dtype="complex128"), 4 * numbers(3, 5, dtype="complex128")

CALLS = {
    "tensordot of bytes, one size 1": lambda m, t: m.tensordot(t(WORDS), t(BYTES), dims=([0, 1], [2, 0])),
    "addr of truth": lambda m, t: m.addr(t(np.eye(2) > 0), t(np.ones(2) > 0), t(np.ones(2) > 0), beta=3, alpha=2),
    "einsum sums bytes in int64": lambda m, t: m.einsum("ij,k->k", t(BYTES[0]), t(BYTES[1, 0])),
    "einsum multiplies bytes as bytes": lambda m, t: m.einsum("ij,ij->", t(BYTES[0]), t(BYTES[0])),
    "bilinear of bytes": lambda m, t: m.nn.functional.bilinear(t(BYTES[0]), t(BYTES[1]), t(numbers(1, 2, 2, dtype="uint8"))),
    "sum_to_size of its own size": lambda m, t: t(BYTES).sum_to_size(2, 1, 2),
    "sum_to_size of truth": lambda m, t: t(BYTES > 3).sum_to_size(1, 1, 2),
    "gather by an empty index of bytes": lambda m, t: m.gather(t(numbers(5)), 0, t(np.zeros(0, "uint8"))),
    "istft of both sides, of a real signal": lambda m, t: m.istft(t(SPECTRUM), n_fft=10, window=m.ones(10, dtype=m.float64)),
    "logsumexp of complex numbers": lambda m, t: m.logsumexp(t(ANGLES), 1),
    "rms_norm of complex numbers": lambda m, t: m.nn.functional.rms_norm(t(ANGLES), (5,), eps=0.5),
    "vander of a number": lambda m, t: m.linalg.vander(t(np.float64(3.0)[None])[0], N=3),
    "matrix_norm of halves": lambda m, t: m.linalg.matrix_norm(t(np.ones((2, 3), "float16"))),
    "matrix_norm of halves, by columns": lambda m, t: m.linalg.matrix_norm(t(np.ones((2, 3), "float16")), 1),
    "arange, whole parts": lambda m, t: m.arange(-0.9, 2.1, 2.0, dtype=m.uint8),
    "arange, a step below one": lambda m, t: m.arange(0.5, 3.7, 0.9, dtype=m.int32),
    "arange, int64 first of all": lambda m, t: m.arange(0.0, -8.000001, -4.0, dtype=m.int64),
    "linspace, whole parts": lambda m, t: m.linspace(0.9, 5.9, 4, dtype=m.int64),
    "logspace, whole parts": lambda m, t: m.logspace(0.5, 2.5, 3, dtype=m.int64),
    "gradient is a tuple": lambda m, t: m.gradient(t(numbers(4, 4))),
    "bicubic bytes beyond 255": lambda m, t: m.nn.functional.interpolate(t(IMAGE), size=(4, 9), mode="bicubic"),
    "int64 baddbmm cuts alpha": lambda m, t: m.baddbmm(t(WHOLE), t(WHOLE), t(WHOLE), beta=1.7, alpha=2.6),
    "int64 addmv cuts beta": lambda m, t: m.addmv(t(WHOLE[0, 0]), t(WHOLE[0]), t(WHOLE[0, 1]), beta=0.7, alpha=1.6),
    "int64 addbmm": lambda m, t: m.addbmm(t(WHOLE[0]), t(WHOLE), t(WHOLE), beta=2.5),
    "int64 averages are cut": lambda m, t: m.nn.functional.avg_pool2d(t(WHOLE), 2, 1, 1),
    "int64 averages, divided by 3": lambda m, t: m.nn.functional.avg_pool3d(t(WHOLE)[None], (1, 2, 2), 1, divisor_override=3),
    "int64 response norm": lambda m, t: m.nn.functional.local_response_norm(t(WHOLE), 2),
    "int64 lp_pool": lambda m, t: m.nn.functional.lp_pool1d(t(WHOLE), 2, 2),
    "int64 to negative int64": lambda m, t: t(WHOLE) ** t(-np.abs(WHOLE)),
    "int64 ranking loss": lambda m, t: m.nn.functional.margin_ranking_loss(t(WHOLE), t(WHOLE[:1]), t(WHOLE)),
    "rsub of a 0-d byte": lambda m, t: m.rsub(m.tensor(3, dtype=m.uint8), 5),
    "rsub loses no digit": lambda m, t: m.rsub(t(SQUARE), 0.123456789012345, alpha=0.1),
    "isin loses no digit": lambda m, t: m.isin(0.1, m.tensor([0.1], dtype=m.float64)),
    "searchsorted loses no digit": lambda m, t: m.searchsorted(m.tensor([0.1, 0.2], dtype=m.float64), 0.1),
    "complex numbers are true": lambda m, t: m.tensor([1j, 0, 1, complex(0, float("nan"))]).bool(),
    "edges of nothing": lambda m, t: m.histogram(m.zeros(0), 2),
    "polynomial of a number": lambda m, t: m.special.hermite_polynomial_h(0.1, t(np.arange(-1.0, 4))),
    "polynomials of high degree": lambda m, t: m.special.chebyshev_polynomial_t(t(np.tile(0.3, 50)), t(np.arange(50.0) * 300)),
    "huber of weights": lambda m, t: m.nn.functional.huber_loss(t(SQUARE), t(SQUARE.T), delta=0.6, weight=t(abs(SQUARE) + 0.1)),
    "l1 of weights": lambda m, t: m.nn.functional.l1_loss(t(SQUARE), t(SQUARE.T), weight=t(abs(SQUARE) + 0.1)),
    "addmm of 0 times NaN": lambda m, t: m.addmm(t(SQUARE), t(SQUARE * np.nan), t(SQUARE), alpha=0),
    "int64 addcmul cuts its value": lambda m, t: m.addcmul(t(WHOLE), t(WHOLE), t(WHOLE), value=1.7),
    "addcmul in the dtype of all": lambda m, t: m.addcmul(t(SQUARE), t(WHOLE), t(SQUARE).float(), value=0.1) * 1e6,
    "addcdiv in the dtype of all": lambda m, t: m.addcdiv(t(SQUARE), t(WHOLE), t(SQUARE).float(), value=0.1) * 1e6,
    "int64 index_add cuts alpha": lambda m, t: m.index_add(t(WHOLE), 0, m.tensor([0, 2, 0]), t(WHOLE), alpha=-1.7),
    "margin of one number": lambda m, t: m.nn.functional.multi_margin_loss(m.tensor(0.3), m.tensor([0]), reduction="none"),
    "margin of one row": lambda m, t: m.nn.functional.multi_margin_loss(m.arange(3.0), m.tensor([1]), reduction="none"),
    "label margin of one number": lambda m, t: m.nn.functional.multilabel_margin_loss(m.tensor(0.3), m.tensor([0])),
    "batch_norm of nothing": lambda m, t: m.nn.functional.batch_norm(m.zeros(0), None, None, training=True),
    "exponential window of one": lambda m, t: m.signal.windows.exponential(1, sym=False),
    "flip of no dimension": lambda m, t: m.flip(t(WHOLE), dims=[]),
    "all of no dimension": lambda m, t: m.all(t(BYTES), dim=[]),
    "lu with infos": lambda m, t: tuple(getattr(m.lu(t(SQUARE), get_infos=True), k) for k in ("LU", "pivots", "info")),
    "fractional samples of more rows": lambda m, t: m.nn.FractionalMaxPool2d(
        2, output_size=2, _random_samples=t(np.linspace(0, 0.9, 12, dtype="float32").reshape(2, 3, 2))
    )(m.arange(75.0).reshape(3, 5, 5)),
    "out of max is named": lambda m, t: m.max(t(SQUARE), 0, out=(m.empty(3, dtype=m.float64), m.empty(3, dtype=m.int64))).values,
    "out of lu is named": lambda m, t: m.linalg.lu(t(SQUARE), out=[m.empty(3, 3, dtype=m.float64) for _ in range(3)]).L,
    "out of gelu": lambda m, t: m.nn.functional.gelu(t(SQUARE), out=m.empty(3, 3, dtype=m.float64)),
    "out of linear": lambda m, t: m.nn.functional.linear(t(SQUARE), t(SQUARE), out=m.empty(0, dtype=m.float64)),
    "out of avg_pool2d": lambda m, t: m.nn.functional.avg_pool2d(t(WHOLE), 2, out=m.empty(0, dtype=m.int64)),
    "bilinear bytes are rounded": lambda m, t: m.nn.functional.interpolate(t(IMAGE), size=(4, 9), mode="bilinear"),
}  # fmt: skip


def wide(t):
    return "complex128" if t.is_complex() else "float64"


def flat(result):
    return result if isinstance(result, tuple) else (result,)


@needs_torch
@pytest.mark.parametrize("name", CALLS)
def test_calls(name):
    expected, found = CALLS[name](torch, torch.from_numpy), CALLS[name](lucid, lucid.from_numpy)
    assert isinstance(found, tuple) == isinstance(expected, tuple)
    for e, f in zip(flat(expected), flat(found), strict=True):
        assert (f.dtype.name, tuple(f.shape)) == (str(e.dtype)[6:], tuple(e.shape))
        off = (
            1 if "bytes beyond" in name or "rounded" in name else 1e-9
        )  # PyTorch's weights for bytes are not told exactly
        np.testing.assert_allclose(f.numpy().astype(wide(e)), e.numpy().astype(wide(e)), rtol=1e-6, atol=off)


REFUSED = {
    "arange to infinity": (RuntimeError, lambda m: m.arange(0, float("inf"), 2)),
    "arange, int64 step of nothing": ((RuntimeError, ValueError), lambda m: m.arange(0.5, 3.7, 0.9, dtype=m.int64)),
    "avg_pool of int32": (NotImplementedError, lambda m: m.nn.functional.avg_pool1d(m.ones(1, 4, dtype=m.int32), 2)),
    "addr of float alpha": (RuntimeError, lambda m: m.addr(m.ones(2, 2).long(), m.arange(2), m.arange(2), alpha=1.5)),
    "int64 to a negative number": (RuntimeError, lambda m: m.arange(3) ** -1),
    "out of max in another dtype": (RuntimeError, lambda m: m.max(m.eye(2), 0, out=(m.empty(2).double(), m.empty(2).long()))),
    "out of round in another dtype": (RuntimeError, lambda m: m.round(m.eye(2), out=m.empty(2, 2).double())),
    "out and another dtype": (RuntimeError, lambda m: m.sum(m.eye(2), 0, dtype=m.float64, out=m.empty(2))),
    "out of ones and another dtype": (RuntimeError, lambda m: m.ones(2, dtype=m.int64, out=m.empty(2))),
    "weights of another size": (ValueError, lambda m: m.nn.functional.mse_loss(m.eye(2), m.eye(2), weight=m.ones(2))),
    "pdist of complex numbers": (RuntimeError, lambda m: m.pdist(m.ones(3, 2) * 1j)),
    "max_pool padded by more than half": (
        RuntimeError, lambda m: m.nn.functional.max_pool2d(m.ones(1, 8, 8), 3, padding=2, dilation=2)),
    "avg_pool3d of less than a window": (
        RuntimeError, lambda m: m.nn.functional.avg_pool3d(m.ones(1, 3, 7, 6), 4, padding=1)),
    "interpolate int64": (NotImplementedError, lambda m: m.nn.functional.interpolate(m.ones(1, 1, 2, 2, dtype=m.int64), size=3)),
    "einsum of two dtypes after a sum": (
        RuntimeError, lambda m: m.einsum("ij,jk->k", m.ones(2, 3, dtype=m.uint8), m.ones(3, 4, dtype=m.uint8))),
}  # fmt: skip


@needs_torch
@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    error, call = REFUSED[name]
    for m in (torch, lucid):
        with pytest.raises(error):
            call(m)


@needs_torch
def test_nextafter_has_the_derivative_of_its_input():
    found = []
    for m in (torch, lucid):
        x, y = (m.tensor(v, dtype=m.float64, requires_grad=True) for v in ([1.0, 2.0], [3.0, 2.0]))
        m.nextafter(x, y).sum().backward()
        found.append((x.grad.tolist(), y.grad.tolist()))
    assert found[0] == found[1]


@pytest.mark.parametrize("bias", [False, True])
def test_linear_pushes_tangents_forward(bias):
    x, w, b = (lucid.from_numpy(numbers(*s)) for s in ((2, 3), (4, 3), (4,)))
    dx, dw, db = (lucid.from_numpy(numbers(*s, seed=1)) for s in ((2, 3), (4, 3), (4,)))
    primals, tangents = ((x, w, b), (dx, dw, db)) if bias else ((x, w), (dx, dw))
    out, tangent = lucid.func.jvp(lucid.nn.functional.linear, primals, tangents)
    np.testing.assert_allclose(out.numpy(), (x @ w.T + (b if bias else 0)).numpy())
    np.testing.assert_allclose(tangent.numpy(), (dx @ w.T + x @ dw.T + (db if bias else 0)).numpy())


CONSTANTS = {
    "bernoulli": lambda m, x: m.bernoulli(x),
    "normal": lambda m, x: m.normal(x, x),
    "poisson": lambda m, x: m.poisson(x),
    "fill": lambda m, x: m.fill(x, 2),
    "norm": lambda m, x: m.norm(x, p=0),
    "matrix_power": lambda m, x: m.linalg.matrix_power(x, 0),
    "householder_product": lambda m, x: m.linalg.householder_product(x, x[0, :0]),
}


@needs_torch
@pytest.mark.parametrize("name", CONSTANTS)
def test_what_does_not_depend_on_its_input_has_a_gradient_of_zeros(name):
    for m in (torch, lucid):
        x = m.full((3, 3), 0.5, requires_grad=True)
        out = CONSTANTS[name](m, x)
        assert out.requires_grad
        out.sum().backward()
        assert x.grad is None or not x.grad.any()  # PyTorch may leave zeros out


@pytest.mark.parametrize("forward", [False, True])
def test_gradgradcheck_leaves_out_outputs_without_a_derivative(forward):
    x = lucid.tensor([0.5, 2.0], dtype=lucid.float64, requires_grad=True)
    assert lucid.autograd.gradgradcheck(lambda x: (x**3, x.detach() * 2, x.sin()), (x,), check_fwd_over_rev=forward)


@pytest.mark.parametrize("norm, shape", [("batch_norm", (4, 3)), ("instance_norm", (2, 3, 4))])
def test_running_statistics_outlive_jvp(norm, shape):
    x, found = lucid.from_numpy(numbers(*shape)), []
    for outside in (False, True):
        mean, var = lucid.zeros(3, dtype=lucid.float64), lucid.ones(3, dtype=lucid.float64)

        def call(x, mean=mean, var=var):
            return getattr(lucid.nn.functional, norm)(x, mean, var, None, None, True)

        found.append(call(x) if outside else lucid.func.jvp(call, (x,), (x.sin(),))[0])
        found.append(lucid.cat([mean, var]))
    for inside, plain in zip(found[:2], found[2:], strict=True):
        np.testing.assert_allclose(inside.numpy(), plain.numpy())
