"""What is refused where tensors and shapes are made, and the functions of lucid that a class holds."""

from __future__ import annotations

import copy
import pickle

import pytest

import lucid
from lucid import nn
from lucid.nn import functional as F

INTS = (lucid.ones(3), [1.5], ["2"], [lucid.tensor(1.5)], [None])


@pytest.mark.parametrize("bad", INTS, ids=str)
def test_a_size_holds_ints(bad):
    with pytest.raises(TypeError, match="takes an iterable of 'int'"):
        lucid.Size(bad)


def test_size_is_a_tuple_of_ints():
    size = lucid.Size([lucid.tensor(2), 3])
    assert size == (2, 3) and type(size[0]) is int
    more = (4,)
    for joined in (size + more, more + size, size * 2, size[1:], copy.deepcopy(size), pickle.loads(pickle.dumps(size))):
        assert type(joined) is lucid.Size
    for join in (lambda: size + list(more), lambda: list(more) + size, lambda: size + tuple("a")):
        with pytest.raises(TypeError):
            join()


@pytest.mark.parametrize("make", [lucid.empty, lucid.zeros, lucid.ones, lucid.rand, lambda s: lucid.full(s, 1.0)])
def test_more_elements_than_addresses(make):
    with pytest.raises(RuntimeError, match="Storage size calculation overflowed"):
        make((2**62, 2**62))


def test_seeds_have_64_bits():
    for seed, kept in ((-1, 2**64 - 1), (2**64 - 1, 2**64 - 1), (-(2**63), 2**63)):
        assert lucid.Generator().manual_seed(seed).initial_seed() == kept
    for seed in (2**64, -(2**63) - 1):
        for start in (lucid.manual_seed, lucid.Generator().manual_seed):
            with pytest.raises(ValueError, match="Overflow"):
                start(seed)
    with pytest.raises(RuntimeError, match="expected a long"):
        lucid.Generator().manual_seed(1.5)


@pytest.mark.parametrize("dtype", [lucid.bool, lucid.int64, lucid.float64], ids=str)
def test_bernoulli_draws_into_any_dtype(dtype):
    out = lucid.empty(2, dtype=dtype)
    assert lucid.bernoulli(lucid.tensor([0.0, 1.0]), out=out) is out
    assert out.tolist() == [0, 1]


def test_memory_that_meets_itself():
    x = lucid.arange(6.0).reshape(3, 2)
    with pytest.raises(RuntimeError, match="single memory location"):
        x[lucid.tensor([0])] = x[1:2]
    assert x.tolist() == [[0, 1], [2, 3], [4, 5]]
    expanded = lucid.zeros(1).expand(3)
    for write in (lambda: expanded.copy_(lucid.tensor(1.0)), lambda: expanded.__setitem__(slice(None), 1.0)):
        with pytest.raises(RuntimeError, match="single memory location"):
            write()
    assert expanded.fill_(2.0).tolist() == [2, 2, 2]
    nothing = lucid.empty(0, 4)
    nothing[:, 1::2] *= 1
    nothing.expand(0, 4).copy_(lucid.ones(4))


def test_a_view_is_not_detached_in_place():
    x = lucid.ones(2, requires_grad=True) * 2
    for view in (x[0], x.view(2), x.split(1)[0]):
        with pytest.raises(RuntimeError, match="Can't detach views in-place"):
            view.detach_()
    assert not x.detach().detach_().requires_grad and not x.detach_().requires_grad


class Holder:
    relu, add, zeros, cat, where, gelu, conv, fft = (
        lucid.relu, lucid.add, lucid.zeros, lucid.cat, lucid.where, F.gelu, F.conv2d, lucid.fft.fft
    )  # fmt: skip
    norm = lucid.linalg.norm


def test_a_function_that_a_class_holds_is_no_method():
    held, x = Holder(), lucid.tensor([-1.0, 2.0])
    assert held.relu(x).tolist() == [0, 2] and held.add(x, 1).tolist() == [0, 3] and held.add(x, other=1)[0] == 0
    assert held.zeros(2, 3).shape == held.zeros((2, 3), dtype=lucid.int64).shape == (2, 3)
    assert held.cat([x, x]).shape == held.cat(tensors=[x, x], dim=0).shape == (4,)
    assert (
        held.where(x > 0, x, x).equal(x)
        and held.gelu(x).equal(F.gelu(x))
        and held.norm(x).item() == pytest.approx(5**0.5)
    )
    assert held.conv(lucid.ones(1, 1, 3, 3), lucid.ones(1, 1, 2, 2)).shape == (1, 1, 2, 2)
    assert held.fft(x).shape == (2,)
    with pytest.raises(TypeError):
        held.relu("x")

    class Layer(nn.Module):
        act = lucid.tanh

        def forward(self, x):
            return self.act(x)

    assert Layer()(x).equal(lucid.tanh(x))


@pytest.mark.parametrize(
    "make, row",
    [
        (lambda out: lucid.arange(4, out=out), [0, 1, 2, 3]),
        (lambda out: lucid.linspace(0, 3, 4, out=out), [0, 1, 2, 3]),
        (lambda out: lucid.logspace(0, 3, 4, 2, out=out), [1, 2, 4, 8]),
        (lambda out: lucid.range(0, 3, out=out), [0, 1, 2, 3]),
    ],
    ids=["arange", "linspace", "logspace", "range"],
)
def test_ranges_fill_an_out_of_any_shape(make, row):
    x = lucid.zeros(2, 3)
    make(x.narrow(1, 1, 2))
    assert x.tolist() == [[0, *row[:2]], [0, *row[2:]]]
    assert make(lucid.empty(2, 2)).shape == (2, 2)
    assert make(lucid.empty(0)).shape == (4,)


def test_out_gives_eye_and_arange_their_dtype():
    assert lucid.eye(2, out=lucid.empty(0, dtype=lucid.uint8)).tolist() == [[1, 0], [0, 1]]
    assert lucid.arange(0, 2.5, 1, out=lucid.empty(0, dtype=lucid.int64)).tolist() == [0, 1]
    assert lucid.zeros(2, out=lucid.empty(2), requires_grad=True).requires_grad


def test_complex_ranges():
    for ends in ((1j, 2), (lucid.tensor(1j), 2)):
        found = lucid.linspace(*ends, 3)
        assert found.dtype is lucid.complex64 and found.tolist() == [1j, 1 + 0.5j, 2]
    assert lucid.linspace(0, 2j, 2, dtype=lucid.complex128).dtype is lucid.complex128
    powers = lucid.logspace(0, 1j, 2, dtype=lucid.complex128)
    assert powers[0] == 1 and abs(powers[1].item() - 10**1j) < 1e-12
    for make in (lucid.linspace, lucid.logspace):
        with pytest.raises(RuntimeError, match="can't be safely cast"):
            make(0, 1j, 3, dtype=lucid.float32)


def test_complex_numbers_without_imaginary_part_are_real():
    assert float(lucid.tensor(1.5 + 0j)) == 1.5 and int(lucid.tensor(2 + 0j)) == 2
    for kind in (float, int):
        with pytest.raises(RuntimeError, match="without overflow"):
            kind(lucid.tensor(1.5j))


@pytest.mark.parametrize(
    "draw",
    [
        lambda: lucid.randint(0, 300, (2,), dtype=lucid.uint8),
        lambda: lucid.randint(-1, 3, (2,), dtype=lucid.uint8),
        lambda: lucid.randint(0, 70000, (2,), dtype=lucid.float16),
        lambda: lucid.zeros(2, dtype=lucid.int8).random_(200),
        lambda: lucid.zeros(2, dtype=lucid.int8).random_(-200, 10),
        lambda: lucid.randperm(300, dtype=lucid.uint8),
        lambda: lucid.randperm(3000, dtype=lucid.float16),
        lambda: lucid.zeros(2, dtype=lucid.float16).uniform_(0, 1e6),
        lambda: lucid.zeros(2).uniform_(-3e38, 3e38),
    ],
)
def test_random_numbers_that_the_dtype_does_not_hold(draw):
    with pytest.raises(RuntimeError, match=r"out of bounds|cannot be greater|expects to - from"):
        draw()


def test_bounds_of_random_():
    low = lucid.zeros(200, dtype=lucid.int8).random_(120, None)
    assert low.min() >= 120 and lucid.zeros(200).random_(3).max() < 3 and lucid.zeros(200).random_(2, to=4).min() >= 2
    truth = lucid.zeros(200, dtype=lucid.bool).random_()
    assert truth.any() and not truth.all()


@pytest.mark.parametrize("huge", [2**63, [1, 2**63], 2**64, [2**70]], ids=str)
def test_ints_of_more_than_63_bits(huge):
    with pytest.raises(ValueError, match="Overflow"):
        lucid.tensor(huge)


def test_largest_uint64_and_large_floats():
    assert lucid.tensor([2**64 - 1], dtype=lucid.uint64).tolist() == [2**64 - 1]
    assert lucid.tensor(2**63, dtype=lucid.float32).item() == 2.0**63


def test_asarray():
    import numpy as np

    host = np.zeros(2)
    lucid.asarray(host, copy=False)[0] = 7
    assert host[0] == 7
    for data, how in (([1], {}), (host, {"dtype": lucid.float32}), (lucid.ones(2), {"dtype": lucid.float64})):
        with pytest.raises(ValueError, match="can't alias"):
            lucid.asarray(data, copy=False, **how)
    leaf = lucid.ones(2, requires_grad=True)
    assert not lucid.asarray(leaf).requires_grad and leaf.requires_grad and lucid.as_tensor(leaf) is leaf
    assert lucid.asarray(leaf, requires_grad=True) is leaf and lucid.asarray(leaf * 2).requires_grad
    copied = lucid.asarray(leaf, copy=True)
    assert copied.requires_grad and copied.data_ptr() != leaf.data_ptr()


def test_strides_of_empty_tensors_are_those_of_rows():
    assert lucid.empty(3, 0).stride() == (1, 1) and lucid.empty(2, 0, 3).stride() == (3, 3, 1)


def test_python_types_are_the_dtypes_that_they_are_in_python():
    assert lucid.tensor(1, dtype=float).dtype is lucid.ones(2).to(float).dtype is lucid.float64
    assert lucid.zeros(1, dtype=complex).dtype is lucid.complex128
    assert lucid.tensor(1.0, dtype=int).dtype is lucid.int64 and lucid.tensor(1.0, dtype=bool).dtype is lucid.bool


def test_ravel_shares_the_memory_of_rows_alone():
    x = lucid.arange(6.0)
    x[::2].ravel().zero_()
    assert x.tolist() == [0, 1, 2, 3, 4, 5]
    x.ravel().zero_()
    assert not x.any() and lucid.tensor(3).ravel().shape == (1,) and lucid.ones(0, 3).ravel().shape == (0,)


def test_view_as_complex_is_a_view_or_refused():
    x = lucid.zeros(3, 4, 2)
    lucid.view_as_complex(x[:, ::2]).add_(1j)
    assert x[:, ::2, 1].eq(1).all() and x[:, 1::2].eq(0).all()
    for odd in (lucid.ones(2, 3).t(), lucid.ones(3, 3)[:, :2], lucid.ones(5)[1:].reshape(2, 2)):
        with pytest.raises(RuntimeError, match="stride"):
            lucid.view_as_complex(odd)


def test_shapes_have_no_negative_sizes():
    with pytest.raises(RuntimeError, match="negative"):
        lucid.broadcast_shapes((-1, 2))


def test_dim_order_tells_of_other_orders():
    assert lucid.ones(2, 3).t().dim_order(ambiguity_check=True) == (1, 0)
    for unclear in (lucid.ones(2, 1, 5), lucid.ones(1, 3).expand(4, 3)[:, :1]):
        with pytest.raises(RuntimeError, match="unique dim order"):
            unclear.dim_order(ambiguity_check=True)
    for strange in ("x", ["x"]):
        with pytest.raises(TypeError):
            lucid.ones(2).dim_order(ambiguity_check=strange)


def test_a_timer_takes_indented_code():
    timer = lucid.utils.benchmark.Timer("\n        y = x + 1\n", setup="\n        x = 1\n    ")
    assert timer.timeit(2).number_per_run == 2 and timer.setup == "x = 1"


def test_closeness_of_integers_does_not_wrap_around():
    a, b = lucid.tensor([0, 200, 1], dtype=lucid.uint8), lucid.tensor([1, 100, 1], dtype=lucid.uint8)
    assert lucid.isclose(a, b, rtol=0, atol=1).tolist() == [True, False, True]
    assert not lucid.allclose(lucid.tensor([120], dtype=lucid.int8), lucid.tensor([-120], dtype=lucid.int8), atol=50)
    large = lucid.tensor(2**53)
    assert not lucid.isclose(large, large + 1, rtol=0, atol=0) and lucid.isclose(large, large + 1)
    nan = lucid.tensor(float("nan"))
    assert lucid.isclose(nan, nan, 0, 0, equal_nan=True) and not lucid.isclose(nan, nan)


def test_the_state_of_the_generator_lies_on_the_cpu():
    with lucid.device("meta"):
        state = lucid.get_rng_state()
        lucid.set_rng_state(state)
    assert state.device.type == "cpu"


def test_make_tensor_keeps_to_its_bounds():
    make = lucid.testing.make_tensor
    assert make(3, dtype=lucid.bool, low=1).all() and not make(3, dtype=lucid.bool, high=1).any()
    assert make(99, dtype=lucid.bfloat16, low=0.9, high=1).max() < 1
    assert make(99, dtype=lucid.uint8, low=250, high=1000).min() >= 250
    for bounds in ({"low": 2, "high": 1}, {"low": float("nan")}, {"low": 300}):
        with pytest.raises(ValueError):
            make(3, dtype=lucid.uint8, **bounds)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e30], ids=str)
@pytest.mark.parametrize(
    "write",
    [
        lambda x, v: x.fill_(v),
        lambda x, v: x.masked_fill(x == 0, v),
        lambda x, v: x.index_fill(0, lucid.tensor([0]), v),
        lambda x, v: x.scatter(0, lucid.tensor([[0]]), v),
        lambda x, v: x.fill_diagonal_(v),
        lambda x, v: x.__setitem__(0, v),
        lambda x, v: F.pad(x, (1, 1), value=v),
        lambda x, v: lucid.full_like(x, v),
        lambda x, v: lucid.scalar_tensor(v, dtype=x.dtype),
    ],
)
def test_integers_take_no_nan_nor_infinity(write, value):
    x = lucid.zeros(2, 2, dtype=lucid.int64)
    with pytest.raises(RuntimeError, match="without overflow"):
        write(x, value)
    assert not x.any()


@pytest.mark.parametrize("name", ["cpu:", "cpu:-1", "cpu: 0", "cpu:00", "cpu:x", "", "cpu:1.0"])
def test_strings_that_name_no_device(name):
    with pytest.raises(RuntimeError, match="device"):
        lucid.device(name)


def test_devices_have_no_negative_numbers():
    for make in (lambda: lucid.device("cpu", -1), lambda: lucid.device(-1)):
        with pytest.raises(RuntimeError, match="negative"):
            make()
