"""Creation and random numbers: values and dtypes against torch, moments of distributions, generators, errors."""

import math
import pickle

import numpy as np
import pytest

import lucid
from reference import needs_torch, torch
from test_pointwise import same

CREATION = {
    "arange": lambda L: L.arange(5), "arange floats": lambda L: L.arange(1, 2.5, 0.5), "arange down": lambda L: L.arange(5, 0, -2),
    "arange dtype": lambda L: L.arange(3, dtype=L.float16), "arange empty": lambda L: L.arange(0), "linspace": lambda L: L.linspace(-1, 2, 7),
    "linspace 1": lambda L: L.linspace(3, 9, 1), "linspace 0": lambda L: L.linspace(3, 9, 0), "logspace": lambda L: L.logspace(-1, 2, 5),
    "logspace 2": lambda L: L.logspace(0, 4, 5, base=2, dtype=L.float64), "eye": lambda L: L.eye(3, 2), "full": lambda L: L.full((2, 2), 7),
    "full float": lambda L: L.full((2,), 0.5), "full bool": lambda L: L.full((2,), True), "full complex": lambda L: L.full((1,), 1j),
    "full_like": lambda L: L.full_like(L.ones(2, dtype=L.int64), 3), "zeros": lambda L: L.zeros(2, 3, dtype=L.int8), "ones": lambda L: L.ones((2,)),
    "zeros 0-d": lambda L: L.zeros(()), "ones_like": lambda L: L.ones_like(L.zeros(2), dtype=L.float64), "scalar": lambda L: L.scalar_tensor(3),
    "tensor": lambda L: L.tensor([[1, 2.5], [3, 4]]), "tensor empty": lambda L: L.tensor([]), "tensor mixed": lambda L: L.tensor([1, 2.0, True]),
    "fill": lambda L: L.fill(L.zeros(2), 3), "hann": lambda L: L.hann_window(7), "hamming": lambda L: L.hamming_window(7, False),
    "blackman": lambda L: L.blackman_window(6), "bartlett": lambda L: L.bartlett_window(7, periodic=False), "kaiser": lambda L: L.kaiser_window(8, True, 5.0),
}  # fmt: skip


@needs_torch
@pytest.mark.parametrize("case", CREATION)
def test_creation(case):
    same(CREATION[case](lucid), CREATION[case](torch), 2e-6)


@needs_torch
@pytest.mark.parametrize(
    "make",
    [
        lambda L: L.arange(0, 5, 0),
        lambda L: L.arange(0, 5, -1),
        lambda L: L.zeros(-1),
        lambda L: L.linspace(0, 1, -1),
        lambda L: L.eye(-1),
        lambda L: L.tensor([[1], [1, 2]]),
        lambda L: L.tensor("a"),
        lambda L: L.randint(5, 5, (2,)),
        lambda L: L.randn(2, dtype=L.int64),
        lambda L: L.randperm(-1),
        lambda L: L.rand(-1),
        lambda L: L.empty(2).uniform_(1, 0),
        lambda L: L.empty(2).normal_(0, -1),
        lambda L: L.bernoulli(L.tensor([2.0])),
        lambda L: L.poisson(L.tensor([-1.0])),
        lambda L: L.multinomial(L.tensor([1.0, 2.0]), 3),
        lambda L: L.multinomial(L.tensor([-1.0, 2.0]), 1),
        lambda L: L.multinomial(L.zeros(2), 1),
        lambda L: L.empty(2).geometric_(1.5),
        lambda L: L.empty(2).exponential_(-1),
        lambda L: L.ones(2, requires_grad=True).uniform_(),
        lambda L: L.normal(L.zeros(2), -1.0),
    ],
)
def test_errors(make):
    with pytest.raises(Exception) as theirs:
        make(torch)
    with pytest.raises(RuntimeError if theirs.type is NotImplementedError else theirs.type):
        make(lucid)


N = 40_000
MOMENTS = {  # mean and standard deviation
    "rand": (lambda: lucid.rand(N), 0.5, math.sqrt(1 / 12)),
    "randn": (lambda: lucid.randn(N), 0, 1),
    "randint": (lambda: lucid.randint(2, 10, (N,)).double(), 5.5, math.sqrt(63 / 12)),
    "normal": (lambda: lucid.normal(3.0, 2.0, (N,)), 3, 2),
    "normal tensors": (lambda: lucid.normal(lucid.full((N,), 1.0), lucid.full((N,), 0.5)), 1, 0.5),
    "uniform_": (lambda: lucid.empty(N).uniform_(-1, 3), 1, math.sqrt(16 / 12)),
    "normal_": (lambda: lucid.empty(N, dtype=lucid.float64).normal_(1, 3), 1, 3),
    "bernoulli": (lambda: lucid.bernoulli(lucid.full((N,), 0.3)), 0.3, math.sqrt(0.21)),
    "bernoulli_": (lambda: lucid.empty(N).bernoulli_(0.3), 0.3, math.sqrt(0.21)),
    "exponential_": (lambda: lucid.empty(N).exponential_(2), 0.5, 0.5),
    "geometric_": (lambda: lucid.empty(N).geometric_(0.25), 4, math.sqrt(12)),
    "log_normal_": (lambda: lucid.empty(N).log_normal_(0, 0.25).log(), 0, 0.25),
    "poisson": (lambda: lucid.poisson(lucid.full((N,), 4.0)), 4, 2),
    "binomial": (lambda: lucid.binomial(lucid.full((N,), 10.0), lucid.full((N,), 0.5)), 5, math.sqrt(2.5)),
    "gamma": (lambda: lucid._standard_gamma(lucid.full((N,), 4.0)), 4, 2),
    "random_": (lambda: lucid.empty(N).random_(4, 8), 5.5, math.sqrt(15 / 12)),
    "multinomial": (lambda: lucid.multinomial(lucid.tensor([0.5, 0.0, 0.5]), N, True).double(), 1, 1),
    "cauchy_": (lambda: (lucid.empty(N).cauchy_(1, 2) > 1).double(), 0.5, 0.5),
    "half": (lambda: lucid.rand(N, dtype=lucid.bfloat16).float(), 0.498, math.sqrt(1 / 12)),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_moments(name):
    lucid.manual_seed(7)
    draw, mean, std = MOMENTS[name]
    x = np.asarray(draw(), dtype=float)
    assert x.shape == (N,)
    assert abs(x.mean() - mean) < 5 * std / math.sqrt(N) + 1e-3
    assert abs(x.std() / std - 1) < 0.05


def test_ranges():
    lucid.manual_seed(0)
    for dtype in (lucid.float16, lucid.bfloat16, lucid.float32):
        x = lucid.rand(20_000, dtype=dtype)
        assert x.dtype is dtype and float(x.max()) < 1 and float(x.min()) >= 0
    assert sorted(lucid.randperm(50).tolist()) == list(range(50))
    picked = lucid.multinomial(lucid.rand(5, 20), 20)
    assert all(sorted(row) == list(range(20)) for row in picked.tolist())
    assert 1 not in lucid.multinomial(lucid.tensor([1.0, 0.0, 2.0]), 500, replacement=True).tolist()
    assert lucid.randint_like(lucid.zeros(3, dtype=lucid.int32), 4).dtype is lucid.int32
    assert lucid.rand_like(lucid.zeros(2, 2, dtype=lucid.float64)).dtype is lucid.float64
    assert lucid.randn(3, dtype=lucid.complex64).dtype is lucid.complex64
    out = lucid.empty(2)
    assert lucid.rand(2, out=out) is out


def test_seeds_and_generators():
    draws = []
    for _ in range(2):
        lucid.manual_seed(5)
        draws.append(
            [
                lucid.randn(3).tolist(),
                lucid.randperm(6).tolist(),
                lucid.empty(2).exponential_().tolist(),
                lucid.randint(9, (4,)).tolist(),
            ]
        )
    assert draws[0] == draws[1]
    state = lucid.get_rng_state()
    a = lucid.rand(4)
    lucid.set_rng_state(state)
    assert lucid.equal(a, lucid.rand(4)) and state.dtype is lucid.uint8
    with lucid.random.fork_rng():
        b = lucid.rand(2)
    assert lucid.equal(b, lucid.rand(2))

    @lucid.random.fork_rng()
    def inside():
        return lucid.rand(2)

    assert lucid.equal(inside(), lucid.rand(2))
    g = lucid.Generator().manual_seed(3)
    before = lucid.get_rng_state()
    for f in (
        lambda: lucid.rand(3, generator=g), lambda: lucid.randn(3, generator=g), lambda: lucid.randint(0, 99, (3,), generator=g), lambda: lucid.randperm(9, generator=g),
        lambda: lucid.bernoulli(lucid.full((9,), 0.5), generator=g), lambda: lucid.multinomial(lucid.ones(9), 4, generator=g), lambda: lucid.normal(lucid.zeros(3), 1.0, generator=g),
        lambda: lucid.poisson(lucid.ones(9), generator=g), lambda: lucid.empty(3).uniform_(generator=g), lambda: lucid.empty(3).cauchy_(generator=g), lambda: lucid.empty(9).random_(50, generator=g),
    ):  # fmt: skip
        first = f()
        g.manual_seed(3)
        again = f()
        g.manual_seed(3)
        assert lucid.equal(first, again)
    assert lucid.equal(before, lucid.get_rng_state())  # the default generator was not touched
    twin = pickle.loads(pickle.dumps(g))
    assert lucid.equal(lucid.rand(2, generator=g), lucid.rand(2, generator=twin)) and twin.initial_seed() == 3
    assert lucid.initial_seed() == 5 and g.device.type == "cpu"
    assert lucid.Generator().seed() != lucid.Generator().seed()


def test_recorded_numbers():
    lucid.manual_seed(0)
    rng = np.random.Generator(np.random.PCG64DXSM(0))
    np.testing.assert_array_equal(np.asarray(lucid.rand(4)), rng.random(4, np.float32))  # documented: NumPy's PCG64DXSM


def test_tensor_of_an_array_has_the_default_dtype():
    """``torch.Tensor(obs)`` of reinforcement learning programs: float64 and bool arrays become float32."""
    for array in (np.ones(2), np.ones(2, bool), np.arange(2)):
        assert lucid.Tensor(array).dtype is lucid.float32
    assert lucid.Tensor(lucid.ones(2, dtype=lucid.int64)).dtype is lucid.int64
    assert lucid.Tensor(np.ones(2), dtype=lucid.float64).dtype is lucid.float64
