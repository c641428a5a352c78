"""The same program on cpu and on every other device: views and writes, odd values, dtypes, mistakes.

Each is compared in full with what cpu does: values, gradients, dtypes, or the type of the error.
"""

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F

pytestmark = pytest.mark.filterwarnings("ignore")


def on(device, data, dtype=None, grad=False):
    return lucid.tensor(data, dtype=dtype, device=device).requires_grad_(grad)


def host(x):
    return x.detach().to("cpu").numpy()


# ---- views and in-place ----


def _out(x):
    y = x * 1
    lucid.add(x, 1.0, out=y[1])
    return y


def _view_of_view(x):
    y = x * 2
    v = y[1:].T[::2]
    v.mul_(3)
    y[2].add_(v[0, 0])
    return [y, v, v[0]]


def _transpose(x):
    y = x.clone()
    y.T.add_(y.clone())  # y itself overlaps in part: refused where arrays have strides
    return [y, y.T]


def _masked(x):
    y = x.clone()
    v = y.view(-1)
    y[y > 0] = v[3]
    v[mask_like(v)] *= 2
    return [y, v]


def mask_like(v):
    return (lucid.arange(v.numel(), device=v.device) % 2).bool()


def _detached(x):
    y = x * 1
    d = y.detach()
    d.add_(5)
    return [y, d]


def _data(x):
    y = x.detach().clone().requires_grad_()
    z = y[0]
    y.data.mul_(2)
    y.data[1] = 7
    return [y + x, z]


def _pieces(x):
    y = x + 0
    a, b = y.chunk(2, 1) if x.shape[1] % 2 == 0 else (y[:, :1], y[:, 1:])
    a.copy_(b[:, :1].exp())
    b.unbind(0)[1].fill_(2)
    y.diagonal().zero_()
    return [y, a, b]


def _reshaped(x):
    y = x.permute(1, 0).contiguous() * 1
    y.unsqueeze(0).squeeze(0).flatten().add_(1)
    y.transpose_(0, 1)
    y[0, 1] = y[1, 0]
    y.clamp_(min=0)
    return [y, y.expand(2, 3, 3)]


def _copied(x):
    """Writes into what PyTorch copies: the source stays as it was."""
    y = x * 1
    for copy_of in (
        lambda t: t.T.contiguous(),
        lambda t: t.T.reshape(-1),
        lambda t: t[:, 1:].flatten(),
        lambda t: t.expand(2, 3, 3).reshape(-1, 3),
    ):
        copy_of(y).add_(1)
    y.T.view(3, 3, 1).mul_(2)
    y[:, :2].view(3, 2, 1)[1].add_(3)
    return [y]


def _loop(x):
    h = lucid.zeros(3, 3, device=x.device)
    for i in range(3):
        h[i] = h[i - 1] * 0.5 + x[i] ** 2
    return [h]


def _optimizer(x):
    w = x.detach().clone().requires_grad_()
    seen, alias = w[0], w.detach()
    ((w * x).sum() + seen.pow(2).sum()).backward()
    lucid.optim.SGD([w], lr=0.5, momentum=0.9).step()
    return [w.detach() * x, seen.detach(), alias, w.grad]


VIEWS = [_out, _view_of_view, _transpose, _masked, _detached, _data, _pieces, _reshaped, _copied, _loop, _optimizer]


def _run(program, device):
    x = on(device, np.linspace(-1, 1.3, 9, dtype=np.float32).reshape(3, 3), grad=True)
    try:
        out = program(x)
        out = out if isinstance(out, list) else [out]
        sum((o * o).sum() for o in out).backward()
        return [host(o) for o in out] + [host(x.grad)]
    except RuntimeError as problem:
        return type(problem).__name__


@pytest.mark.parametrize("program", VIEWS)
def test_views_and_writes(device, program):
    ours, expected = _run(program, device), _run(program, "cpu")
    assert type(ours) is type(expected), (ours, expected)
    if isinstance(ours, str):
        assert ours == expected
    else:
        for a, b in zip(ours, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


# ---- what the libraries do differently from NumPy, each from itself; t(data, dtype) makes a tensor on the device ----

NAN, INF = float("nan"), float("inf")
FACTS = {
    "sign of NaN": lambda t: t([NAN, -0.0, 2.0]).sign(),
    "argmax of NaN": lambda t: t([1.0, NAN, 3.0]).argmax(),
    "max of NaN": lambda t: t([1.0, NAN, 3.0]).max(),
    "max and min with NaN, elementwise": lambda t: [lucid.maximum(t([1.0, NAN]), t([NAN, 2.0])), lucid.fmin(t([1.0, NAN]), t([NAN, 2.0]))],
    "sort with NaN": lambda t: list(t([2.0, NAN, 1.0]).sort()),
    "clamp of NaN": lambda t: t([NAN, 5.0]).clamp(0, 1),
    "relu of NaN": lambda t: F.relu(t([NAN, -1.0, INF])),
    "softmax of infinities": lambda t: t([[-INF, 0.0], [1.0, -INF]]).softmax(1),
    "logsumexp of infinities": lambda t: t([[-INF, -INF], [INF, 0.0]]).logsumexp(1),
    "extremes of float32": lambda t: [t([88.0, 89.0, -104.0]).exp(), t([3e38]) * 10, t([1e-45]) / 2, t([1e20]).sigmoid(), t([-1e3]).sigmoid()],
    "powers": lambda t: [t([0.0, -2.0, 0.0]) ** 0, t([-2.0, -8.0]) ** 3, t([-2.0]) ** 0.5, t([2, 3]) ** 2, t([0.0]) ** -1],
    "integers divided by zero": lambda t: t([1, 2]) // t([0, 1]),
    "remainder of negatives": lambda t: [t([-7, 7]) % 3, t([-7.0, 7.0]) % -3.0, t([-7, 7]).fmod(3)],
    "floor division of floats": lambda t: [t([-7.0, 7.0]) // 2, t([1.0]) // 0.0],
    "shifts": lambda t: [t([1, 2]) << 3, t([-16]) >> 2],
    "integers overflow": lambda t: [t([2**31 - 1], lucid.int32) + 1, t([250], lucid.uint8) + 10, t([127], lucid.int8).sum()],
    "sums of integers": lambda t: [t([2**31 - 1] * 2, lucid.int32).sum(), t([True, True]).sum(), t([200, 200], lucid.uint8).cumsum(0), t([3, 4]).prod()],
    "a product of integer matrices": lambda t: t([[1, 2], [3, 4]]) @ t([[1, 0], [2, 1]]),
    "cumsum of a number": lambda t: t(3.0).cumsum(0),
    "sort of a number": lambda t: list(t(3.0).sort()),
    "matmul of numbers": lambda t: t(3.0) @ t(2.0),
    "in place with another dtype": lambda t: t([1, 2]).add_(1.5),
    "in place with another shape": lambda t: t([[1.0], [2.0]]).add_(t([1.0, 2.0, 3.0])),
    "shapes that do not broadcast": lambda t: t([1.0, 2.0]) + t([1.0, 2.0, 3.0]),
    "sizes of a product that differ": lambda t: t([[1.0, 2.0]]) @ t([[1.0, 2.0]]),
    "a dim that is not there": lambda t: t([1.0]).sum(3),
    "reshape to another size": lambda t: t([1.0, 2.0]).reshape(3),
    "truth of a vector": lambda t: t([float(bool(t([1.0, 2.0])))]),
    "empty sums": lambda t: [t([]).sum(), t([]).prod(), t([]).mean(), lucid.zeros(0, 3, device=t([]).device).sum(0)],
    "empty max": lambda t: t([]).max(),
    "empty products": lambda t: [lucid.zeros(0, 3, device=t([]).device) @ lucid.ones(3, 2, device=t([]).device), lucid.ones(2, 0, device=t([]).device) @ lucid.ones(0, 3, device=t([]).device)],
    "empty convolution": lambda t: F.conv2d(lucid.zeros(0, 2, 4, 4, device=t([]).device), lucid.ones(3, 2, 3, 3, device=t([]).device)),
    "variance far from zero": lambda t: [(t(np.linspace(0, 1, 100_000, dtype=np.float32)) + 1000).var().round(decimals=3), t([5.0]).var()],
    "booleans": lambda t: [t([True, False]) + t([True, True]), ~t([True, False]), t([True, False]).any(), t([2, 0]).all(), t([True]) & t([False])],
    "masks": lambda t: [t([1.0, 2.0, 3.0])[t([True, False, True])], t([[1, 2], [3, 4]])[t([False, True])], t([0.0, 3.0]).nonzero(), lucid.where(t([0.0, 2.0]) > 1)[0]],
    "unique": lambda t: list(lucid.unique(t([3, 1, 3, 2]), return_inverse=True, return_counts=True)),
    "isin, bincount, histc": lambda t: [lucid.isin(t([1, 2, 3]), t([2])), t([1, 1, 3]).bincount(), t([0.0, 1.0, 2.0]).histc(2)],
    "negative steps by flip": lambda t: [t([1, 2, 3]).flip(0), t([[1, 2], [3, 4]]).rot90(), t([1, 2, 3]).roll(-1)],
    "indices that repeat": lambda t: [lucid.zeros(3, device=t([]).device).index_add(0, t([0, 0, 2]), t([1.0, 2.0, 3.0])), lucid.zeros(3, device=t([]).device).scatter_add(0, t([1, 1]), t([1.0, 5.0])), lucid.zeros(3, device=t([]).device).index_put((t([0, 0]),), t([1.0, 1.0]), accumulate=True)],
    "linear algebra of nothing": lambda t: [lucid.linalg.det(lucid.zeros(0, 0, device=t([]).device)), lucid.linalg.inv(lucid.zeros(2, 0, 0, device=t([]).device)), lucid.linalg.svdvals(lucid.zeros(0, 3, device=t([]).device)), lucid.linalg.cholesky(lucid.zeros(0, 0, device=t([]).device))],
    "a singular inverse": lambda t: lucid.linalg.inv(t([[1.0, 2.0], [2.0, 4.0]])),
    "a singular system": lambda t: lucid.linalg.solve(t([[0.0, 0.0], [0.0, 0.0]]), t([1.0, 2.0])),
    "Cholesky of what is not positive": lambda t: lucid.linalg.cholesky(t([[[4.0, 0.0], [0.0, 9.0]], [[1.0, 2.0], [2.0, 1.0]]])),
    "complex numbers": lambda t: [t([1 + 2j, -1j]).abs(), t([1 + 2j]).conj() * 2, t([1 + 2j]).angle(), t([[1j, 2.0], [0.0, 1.0]]) @ t([[1j, 0.0], [2.0, 1.0]]), lucid.view_as_real(t([1 + 2j]))],
    "Fourier": lambda t: [lucid.fft.fft(t([1.0, 2.0, 3.0])), lucid.fft.irfft(lucid.fft.rfft(t([1.0, 2.0, 3.0, 4.0])))],
    "rounding to even": lambda t: [t([0.5, 1.5, 2.5, -0.5]).round(), t([1.26]).round(decimals=1), t([-1.5, 1.5]).trunc()],
    "casts": lambda t: [t([1.9, -1.9]).int(), t([0.0, 2.0, NAN]).bool(), t([300]).to(lucid.uint8), t([True]).float(), t([1.5]).half(), t([1]).double()],
    "int8 and float16 arithmetic": lambda t: [t([100], lucid.int8) * 2, t([1e-4, 300.0], lucid.float16) * 300, t([1.0, 2.0], lucid.float16).mean()],
    "bfloat16 arithmetic": lambda t: [t([1.0, 1.0078125], lucid.bfloat16) + 0.25, (t([[1.0, 2.0]], lucid.bfloat16) @ t([[3.0], [4.0]], lucid.bfloat16))],
    "float16 and bfloat16": lambda t: t([1.0], lucid.float16) + t([1.0], lucid.bfloat16),
    "long sums": lambda t: lucid.full((3_000_000,), 0.1, device=t([]).device).sum().div(3e5).round(decimals=3),
    "bits": lambda t: [t([1, 6]).bitwise_or(t([4, 1])), t([1, 6]).bitwise_xor(t([4, 2])), lucid.lcm(t([4, 6]), t([6, 9])), lucid.nextafter(t([1.0]), t([2.0]))],
    "counts": lambda t: [t([1, 1, 3]).bincount(t([0.5, 1.0, 2.0])), lucid.histogram(t([0.1, 0.6, 0.7]), 2, range=(0.0, 1.0))[0], lucid.histogram(t([0.1, 0.6, 0.7]), 2, range=(0.0, 1.0), weight=t([1.0, 2.0, 3.0]))[0], t([0, 3, 0]).count_nonzero(), t([[1.0, 0.0], [2.0, 2.0]]).count_nonzero(0)],
    "runs and modes": lambda t: [*lucid.unique_consecutive(t([1, 1, 2, 1]), return_inverse=True, return_counts=True), *t([1, 2, 2, 3]).mode(), *t([3.0, 1.0, 2.0]).cummin(0)],
    "memory read otherwise": lambda t: [t([1.0, 2.0, 3.0, 4.0]).as_strided((2, 2), (1, 2)), t([1.0, -2.0]).view(lucid.int32), t([1, 2]).view(lucid.float64) * 0],
    "scatter_reduce": lambda t: [t([1.0, 2.0, 3.0]).scatter_reduce(0, t([0, 0, 2]), t([5.0, 6.0, 7.0]), how) for how in ("sum", "prod", "mean", "amax", "amin")],
    "pooling and back": lambda t: unpooled(t(np.arange(16.0, dtype=np.float32).reshape(1, 1, 4, 4))),
    "special functions": lambda t: [lucid.special.airy_ai(t([0.5, -1.0])), graded(lambda x: lucid.sinc(x).sum(), t([0.3, 0.0, 2.0]))],
    "certain draws": lambda t: t([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]).multinomial(1),
    "factors": lambda t: factors(t(np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]], np.float32)), t([[1.0], [2.0], [3.0]])),
    "item and tolist": lambda t: t([t([1.5]).item(), *t([2.0, 3.0]).tolist(), float(t(4.0)), int(t(5)), len(t([1.0, 2.0]))]),
}  # fmt: skip


def unpooled(x):
    """Max pooling with its indices, unpooling, and the gradient through both; pooling differentiated twice."""
    x.requires_grad_()
    y, where = F.max_pool2d(x, 2, return_indices=True)
    back = F.max_unpool2d(y, where, 2)
    (g,) = lucid.autograd.grad((back**2).sum() + (F.max_pool2d(x, 3, 1) ** 3).sum(), x, create_graph=True)
    (gg,) = lucid.autograd.grad((g**2).sum(), x)
    return [y.detach(), where, back.detach(), g.detach(), gg]


def graded(f, x):
    return lucid.autograd.grad(f(x.requires_grad_()), x)[0]


def factors(a, b):
    """Linear algebra that has no row in the op tables: results that do not hang on signs."""
    u, s, vh = lucid.linalg.svd(a)
    lu, pivots = lucid.linalg.lu_factor(a)
    ld, order = lucid.linalg.ldl_factor(a)
    r, tau = lucid.geqrf(a)
    return [
        u * s @ vh, lucid.linalg.eigvals(a).abs().sort().values, lucid.linalg.eigvalsh(a), lu, pivots, ld, lucid.linalg.ldl_solve(ld, order, b),
        lucid.linalg.cholesky_ex(a).L, lucid.linalg.cholesky_ex(-a).info, lucid.linalg.inv_ex(a).inverse, *lucid.linalg.slogdet(a),
        lucid.linalg.lstsq(a, b).solution, r.triu().abs(), tau, lucid.lu_solve(b, lu, pivots), *lucid.linalg.lu(a),
    ]  # fmt: skip


def _outcome(fact, device):
    def t(data, dtype=None):
        return lucid.tensor(data, dtype=dtype, device=device)

    try:
        found = fact(t)
        found = found if isinstance(found, list) else [found]
        return [(x.dtype.name, host(x.to(lucid.float32) if x.dtype is lucid.bfloat16 else x)) for x in found]
    except Exception as problem:
        return type(problem)


# A GPU cannot raise without waiting for it: torch's does not either.
UNCHECKED = {("cuda", "integers divided by zero")}


@pytest.mark.parametrize("name", FACTS)
def test_odd_values_and_mistakes(device, name):
    ours, expected = _outcome(FACTS[name], device), _outcome(FACTS[name], "cpu")
    if isinstance(expected, type):
        assert ours is expected or (device, name) in UNCHECKED
        return
    assert not isinstance(ours, type), f"{ours} on {device}, on cpu {expected}"
    for (kind, a), (wanted, b) in zip(ours, expected, strict=True):
        assert kind == wanted and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-6)


KINDS = [
    lucid.bool,
    lucid.uint8,
    lucid.int32,
    lucid.int64,
    lucid.float16,
    lucid.bfloat16,
    lucid.float32,
    lucid.float64,
    lucid.complex64,
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_promotion(device, kind):
    def names(device):
        a = on(device, [1, 0, 1]).to(kind)
        others = [
            on(device, v).to(k)
            for k in KINDS
            if lucid.complex64 not in (k, kind) or lucid.float64 not in (k, kind)
            for v in ([1, 1, 1], 1)
        ]
        return [str((a + b).dtype) for b in others] + [str((a * s).dtype) for s in (2, 2.5)] + [str((a / 2).dtype)]

    assert names(device) == names("cpu")
