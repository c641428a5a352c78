"""Memory that is written to: parts that meet, expanded tensors, `set_`, resizing views, and operands of foreign classes."""

import operator

import pytest

import lucid


def nine():
    return lucid.arange(9.0).view(3, 3)


MEETS = {
    "transposed": lambda x: x.add_(x.T),
    "shifted": lambda x: x[1:].mul_(x[:-1]),
    "operator": lambda x: operator.isub(x, x[0]),
    "copy_": lambda x: x.copy_(x.T),
    "assigned": lambda x: operator.setitem(x, slice(1, None), x[:-1]),
    "out": lambda x: lucid.sin(x[1:], out=x[:-1]),
    "in a list": lambda x: lucid.cat([x[0], x[1]], out=x.view(-1)[:6]),
    "second operand": lambda x: x.addcmul_(x[0], lucid.ones(3)),
}


@pytest.mark.parametrize("name", MEETS)
def test_an_input_that_shows_part_of_what_is_written_is_refused(name):
    x = nine()
    with pytest.raises(
        RuntimeError, match="some elements of the input tensor and the written-to tensor refer to a single"
    ):
        MEETS[name](x)
    assert x.equal(nine())


def test_the_same_memory_or_other_memory_is_fine():
    x = nine()
    x.add_(x).mul_(x.view(3, 3))
    assert x[1].tolist() == [36, 64, 100]
    x = nine()
    x[0] += x[1]
    x[:] = x[0]
    assert x.tolist() == [[3, 5, 7]] * 3


def test_one_value_may_be_written_to_expanded_memory():
    x = lucid.zeros(1, 3)
    y = x.expand(4, 3)
    y[2] = 5
    assert x.tolist() == [[5, 5, 5]]
    y[0, 1] = 7
    assert x.tolist() == [[5, 7, 5]]
    assert y.zero_().sum() == 0 and x.sum() == 0
    line = lucid.zeros(6)
    line.unfold(0, 3, 1)[1] = 1
    assert line.tolist() == [0, 1, 1, 1, 0, 0]
    for write in (lambda: y.add_(1), lambda: y.copy_(lucid.arange(3.0)), lambda: lucid.add(y, 1, out=y)):
        with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
            write()
    numpy = pytest.importorskip("numpy")
    fixed = numpy.zeros(3)
    fixed.flags.writeable = False
    with pytest.raises(RuntimeError, match="read-only"):
        lucid.as_tensor(fixed).fill_(1)


def test_set_shows_other_memory():
    y = lucid.arange(6.0)
    for source in (y, y.storage(), y.untyped_storage()):
        x = lucid.empty(0).set_(source, 1, (2, 2), (3, 1))
        assert x.tolist() == [[1, 2], [4, 5]]
        x[0, 0] = 9
        assert y[1] == 9
        y[1] = 1
    assert lucid.empty(0).set_(y.untyped_storage(), 2, (2, 2)).tolist() == [[2, 3], [4, 5]]
    assert lucid.ones(2).set_().shape == (0,)
    with pytest.raises(RuntimeError, match="Could not set tensor of type"):
        lucid.empty(0).set_(lucid.arange(3))
    with pytest.raises(RuntimeError, match="out of bounds"):
        lucid.empty(0).set_(y.storage(), 4, (2, 2))
    with pytest.raises(TypeError, match="source"):
        lucid.empty(0).set_([1.0])


def test_a_view_is_resized_within_its_memory():
    x = lucid.arange(6.0)
    y = x[:2]
    assert y.resize_(3).tolist() == [0, 1, 2]
    y.fill_(8)
    assert x.tolist() == [8, 8, 8, 3, 4, 5]
    y = x[:2]
    with pytest.warns(UserWarning, match="resized"):
        lucid.add(lucid.ones(3), 1, out=y)
    assert y.tolist() == [2, 2, 2] and x[2] == 2
    with pytest.raises(RuntimeError, match="no room"):
        y.resize_(7)


class Foreign:
    def __radd__(self, other):
        return "radd"


class Unknown:
    pass


def test_operators_leave_what_they_do_not_know_to_the_other_operand():
    x = lucid.ones(2)
    assert x + Foreign() == "radd"
    assert (x == Unknown()) is False and (x != Unknown()) is True
    for name in ("add", "sub", "mul", "truediv", "pow", "floordiv", "mod", "matmul"):
        for dunder in (f"__{name}__", f"__r{name}__"):
            assert getattr(x, dunder)(Unknown()) is NotImplemented, dunder
        with pytest.raises(TypeError, match="unsupported operand"):
            getattr(operator, name)(x, Unknown())
    with pytest.raises(TypeError):
        x += Unknown()
    for f in (lucid.add, lucid.eq, lucid.pow, lucid.float_power, lucid.maximum):
        with pytest.raises(TypeError):
            f(x, Unknown())


def test_words_of_indexing():
    x = lucid.zeros(3, 0)
    said = {
        "invalid index of a 0-dim tensor": lambda: lucid.zeros(())[0],
        r"slice\(\) cannot be applied to a 0-dim": lambda: lucid.zeros(())[0:1],
        "for dimension with size 0": lambda: x[lucid.tensor([0]), lucid.tensor([0])],
        "too many indices": lambda: x[0, 0, 0],
        "only integers, slices": lambda: x[1.5],
    }
    for words, index in said.items():
        with pytest.raises(IndexError, match=words):
            index()
    with pytest.raises(TypeError, match="slice indices"):
        x["0":"1"]
    with pytest.warns(UserWarning, match="uint8"):
        assert lucid.arange(3)[lucid.tensor([1, 0, 1], dtype=lucid.uint8)].tolist() == [0, 2]
    for shape in ((2.0, 2), lucid.tensor([2, 2])):
        with pytest.raises(TypeError, match="shape"):
            lucid.unravel_index(lucid.tensor([1]), shape)
    with pytest.raises(TypeError, match="integer dtype"):
        lucid.unravel_index(lucid.tensor([0.5]), (2, 2))
