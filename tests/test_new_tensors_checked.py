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
