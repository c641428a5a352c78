"""The memory under tensors as bytes and numbers, files, and what pickles: functions, storages."""

from __future__ import annotations

import copy
import pickle

import pytest

import lucid
from lucid import nn
from lucid.nn import functional as F


def test_bytes_under_a_tensor():
    x = lucid.tensor([1, 256], dtype=lucid.int16)
    bytes_ = x.untyped_storage()
    assert bytes_.tolist() == [1, 0, 0, 1] and len(bytes_) == bytes_.nbytes() == bytes_.size() == 4
    bytes_[0] = 5
    assert x.tolist() == [5, 256] and bytes_[1:3].tolist() == [0, 0] and bytes_ == x[1:].untyped_storage()
    assert bytes_.data_ptr() == x.data_ptr() and bytes_.clone() != bytes_ and bytes_.clone().tolist() == list(bytes_)
    assert bytes_.fill_(0) is bytes_ and not x.any()


def test_numbers_under_a_tensor():
    x = lucid.arange(4.0).reshape(2, 2)
    numbers = x.T[1].storage()
    assert numbers.tolist() == [0, 1, 2, 3] and len(numbers) == 4 and numbers.nbytes() == 16 and numbers.type()
    numbers[1] = 7
    assert x[0, 1] == 7 and numbers.double().dtype is lucid.float64 and lucid.is_storage(numbers)
    assert numbers.untyped() == x.untyped_storage() and not lucid.is_storage(x)
    for made in (
        copy.deepcopy(numbers),
        pickle.loads(pickle.dumps(numbers)),
        numbers.clone(),
        numbers.to(lucid.float64),
    ):
        assert made.tolist() == [0, 7, 2, 3] and made.fill_(1).tolist() == [1] * 4
    assert x[0, 1] == 7
    numbers.copy_(lucid.zeros(4).storage())
    assert not x.any()


def test_new_storages():
    assert len(lucid.ByteStorage(3)) == 3 and lucid.UntypedStorage([1, 2]).tolist() == [1, 2]
    floats = lucid.FloatStorage([1.0, 2.0])
    assert isinstance(floats, lucid.FloatStorage) and not isinstance(floats, lucid.DoubleStorage)
    assert isinstance(floats, lucid.storage.TypedStorage) and lucid.ones(1).storage_type() is lucid.FloatStorage
    shown = lucid.FloatTensor(floats)
    shown.zero_()
    assert floats.tolist() == [0, 0] and lucid.TypedStorage([1], dtype=lucid.float64).tolist() == [1.0]
    with pytest.raises(RuntimeError, match="Expected a Storage of type Double"):
        lucid.DoubleTensor(floats)


def test_files(tmp_path):
    path = str(tmp_path / "numbers")
    lucid.from_file(path, shared=True, size=3, dtype=lucid.int32).copy_(lucid.tensor([1, 2, 3]))
    own = lucid.from_file(path, size=2, dtype=lucid.int32)
    assert own.tolist() == [1, 2] and own.fill_(0) is own
    assert lucid.IntStorage.from_file(path, False, 3).tolist() == [1, 2, 3]
    assert lucid.UntypedStorage.from_file(path, nbytes=4).tolist() == [1, 0, 0, 0]
    assert lucid.from_file(path, size=0).shape == (0,)
    with pytest.raises(RuntimeError, match="unable to map"):
        lucid.from_file(path, size=100)


@pytest.mark.parametrize("space", [lucid, F, lucid.linalg, lucid.fft, lucid.special], ids=lambda m: m.__name__)
def test_functions_pickle(space):
    for name, f in vars(space).items():
        if getattr(f, "__name__", "") == name and name[0] != "_" and callable(f):
            assert pickle.loads(pickle.dumps(f)) is f, name


def test_functions_pickle_after_a_class_overrides_them():
    class Told(lucid.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return super().__torch_function__(func, types, args, kwargs or {})

    for space in (lucid, F, lucid.linalg):
        test_functions_pickle(space)


def test_modules_that_hold_functions_pickle():
    layer = nn.TransformerEncoderLayer(8, 2, activation=F.gelu)
    assert pickle.loads(pickle.dumps(layer)).activation is F.gelu


def test_tensor_of_tensors_in_a_graph():
    x = lucid.tensor([1.0, 2.0], requires_grad=True)
    for made in (lucid.tensor([x[0], x[1] * 2]), lucid.ones(1).new_tensor([x[0], x[1] * 2])):
        assert made.tolist() == [1, 4] and not made.requires_grad


def test_swap_tensors():
    a, b = nn.Parameter(lucid.ones(2)), lucid.zeros(3)
    a.mark, ids = 1, (id(a), id(b))
    lucid.utils.swap_tensors(a, b)
    assert (id(a), id(b)) == ids and type(b) is nn.Parameter and type(a) is lucid.Tensor and b.mark == 1
    (b * 2).sum().backward()
    assert b.grad.tolist() == [2, 2] and a.shape == (3,) and not a.requires_grad
    with pytest.raises(RuntimeError, match="view"):
        lucid.utils.swap_tensors(a, a[:1])


def test_checks():
    for check, error in ((lucid._check, RuntimeError), (lucid._check_index, IndexError), (lucid._check_value, ValueError),
                         (lucid._check_type, TypeError), (lucid._check_not_implemented, NotImplementedError)):  # fmt: skip
        check(True, lambda: "never said")
        with pytest.raises(error, match="said"):
            check(False, lambda: "said")
    for wrong in (lambda: lucid._check(1), lambda: lucid._check(False, "no function")):
        with pytest.raises(TypeError):
            wrong()
    lucid._check_is_size(0)
    lucid._check_tensor_all(lucid.tensor([True]))
    for fails in (lambda: lucid._check_is_size(-1), lambda: lucid._check_tensor_all(lucid.tensor([True, False]))):
        with pytest.raises(RuntimeError, match="Expected cond to be True"):
            fails()


def test_maps_and_names():
    x = lucid.arange(3.0)
    assert x.map_(lucid.ones(3), lambda a, b: a + b).tolist() == [1, 2, 3]
    assert x.map2_(lucid.ones(3), lucid.ones(1), lambda a, b, c: a - b - c).tolist() == [-1, 0, 1]
    with pytest.raises(RuntimeError, match="requires grad"):
        lucid.ones(2, requires_grad=True).map_(lucid.ones(2), max)
    with pytest.raises(TypeError):
        x.map_(lucid.ones(3, dtype=lucid.float64), max)
    assert list(reversed(x)) == [1, 0, -1] and reversed(x).tolist() == [1, 0, -1]
    assert lucid.typename(lucid.Tensor) == "lucid.Tensor" and lucid.typename(int) == lucid.typename(3) == "int"


def test_old_constructors_show_the_memory_they_are_given():
    x, host = lucid.ones(2), lucid.ones(2).numpy()
    for made in (
        lucid.FloatTensor(x),
        x.new(x),
        lucid.FloatTensor(host),
        lucid.FloatTensor(lucid.FloatTensor(x).storage()),
    ):
        made.fill_(7)
    assert x.tolist() == [7, 7] and host.tolist() == [7, 7]
    for make in (lucid.FloatTensor, x.new):
        with pytest.raises(TypeError, match="expected a tensor of dtype"):
            make(lucid.ones(2, dtype=lucid.float64))
    assert x.new(size=(3, 4)).shape == x.new(3, 4).shape == (3, 4) and x.new().shape == (0,)
    for sizes in (-1, lucid.Size([-1])):
        with pytest.raises(RuntimeError, match="negative"):
            lucid.FloatTensor(sizes)
    with pytest.raises(RuntimeError, match="without overflow"):
        lucid.ByteTensor([300])
