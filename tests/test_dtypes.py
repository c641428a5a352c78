"""Dtypes: promotion of every pair against torch, scalars, limits, defaults, typed constructors, conveniences."""

import copy
import itertools
import math
import pickle

import numpy as np
import pytest

import lucid
from reference import needs_torch, torch
from test_pointwise import name_of

DTYPES = "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128".split()
LIMITED = {"uint16", "uint32", "uint64"}  # torch promotes these with few others; lucid with all but uint64 with signed


def both(name):
    return getattr(lucid, name), getattr(torch, name)


@needs_torch
def test_promotion_table():
    for a, b in itertools.product(DTYPES, DTYPES):
        try:
            expected = name_of(torch.promote_types(both(a)[1], both(b)[1]))
        except RuntimeError:
            assert {a, b} & LIMITED
            continue
        assert lucid.promote_types(both(a)[0], both(b)[0]).name == expected, (a, b)
    assert all(
        lucid.can_cast(both(a)[0], both(b)[0]) == torch.can_cast(both(a)[1], both(b)[1]) for a in DTYPES for b in DTYPES
    )


@needs_torch
@pytest.mark.parametrize("a", DTYPES)
def test_results_of_arrays_scalars_and_numbers(a):
    for b, (first, second) in itertools.product(DTYPES, [((2,), ()), ((), (2,)), ((), ())]):
        if {a, b} & LIMITED:
            continue
        x, y = lucid.ones(first, dtype=both(a)[0]), lucid.ones(second, dtype=both(b)[0])
        expected = name_of(torch.result_type(torch.ones(first, dtype=both(a)[1]), torch.ones(second, dtype=both(b)[1])))
        expected = expected.replace("complex32", "complex64")
        assert (x * y).dtype.name == expected and lucid.result_type(x, y).name == expected, (a, b, first, second)
    for number in (True, 2, 2.5, 1j):
        for shape in ((2,), ()):
            x, t = lucid.ones(shape, dtype=both(a)[0]), torch.ones(shape, dtype=both(a)[1])
            expected = name_of((t * number).dtype) if a not in LIMITED else name_of(torch.result_type(t, number))
            assert (x * number).dtype.name == expected.replace("complex32", "complex64"), (a, number)


@needs_torch
def test_casts_between_all():
    for a, b in itertools.product(DTYPES, DTYPES):
        values = [0, 1, 1] if a == "bool" else [0, 1, 3]
        x, t = lucid.tensor(values).to(both(a)[0]).to(both(b)[0]), torch.tensor(values).to(both(a)[1]).to(both(b)[1])
        assert x.dtype.name == name_of(t.dtype) == b
        assert x.tolist() == t.tolist()


@needs_torch
def test_limits():
    for name in ("float16", "bfloat16", "float32", "float64"):
        ours, theirs = lucid.finfo(both(name)[0]), torch.finfo(both(name)[1])
        for field in ("bits", "eps", "max", "min", "tiny", "smallest_normal", "resolution"):
            assert getattr(ours, field) == getattr(theirs, field), (name, field)
        assert repr(ours) == repr(theirs)
    for name in ("uint8", "int8", "int16", "int32", "int64"):
        ours, theirs = lucid.iinfo(both(name)[0]), torch.iinfo(both(name)[1])
        assert (ours.bits, ours.min, ours.max) == (theirs.bits, theirs.min, theirs.max)
    with pytest.raises(TypeError):
        lucid.finfo(lucid.int64)
    with pytest.raises(TypeError):
        lucid.iinfo(lucid.float32)


def test_default_dtype():
    assert lucid.get_default_dtype() is lucid.float32
    with lucid.set_default_dtype(lucid.float64):
        assert lucid.tensor(1.0).dtype is lucid.float64 and (lucid.tensor([1]) / 2).dtype is lucid.float64
        assert lucid.tensor(1j).dtype is lucid.complex128 and lucid.zeros(1).dtype is lucid.float64
    assert lucid.tensor(1.0).dtype is lucid.float32
    try:
        lucid.set_default_tensor_type(lucid.DoubleTensor)
        assert lucid.ones(1).dtype is lucid.float64
    finally:
        lucid.set_default_dtype(lucid.float32)
    with pytest.raises(TypeError):
        lucid.set_default_dtype(lucid.int64)
    assert lucid.tensor([0.3], dtype=lucid.complex128).item() == 0.3  # not rounded to float32 on the way


def test_typed_constructors():
    assert lucid.FloatTensor([1, 2]).dtype is lucid.float32 and lucid.LongTensor(2, 3).shape == (2, 3)
    assert isinstance(lucid.tensor([1]), lucid.LongTensor) and not isinstance(lucid.tensor([1.0]), lucid.LongTensor)
    x = lucid.tensor([1.5])
    assert (
        x.type() == "lucid.FloatTensor"
        and x.type(lucid.LongTensor).dtype is lucid.int64
        and x.type("lucid.DoubleTensor").dtype is lucid.float64
    )
    assert (
        x.long().tolist() == [1]
        and x.half().dtype is lucid.float16
        and x.bfloat16().dtype is lucid.bfloat16
        and x.cdouble().dtype is lucid.complex128
    )
    assert (
        x.new_zeros(2).dtype is lucid.float32
        and x.new_tensor([1]).dtype is lucid.float32
        and x.new_full((2,), 3).tolist() == [3.0, 3.0]
    )
    assert x.new_ones(2, dtype=lucid.int8).dtype is lucid.int8 and x.new_empty((2, 2)).shape == (2, 2)


def test_scalars_stand_for_numbers():
    n = lucid.tensor(2)
    assert (
        [10, 20, 30][n] == 30
        and list(range(n)) == [0, 1]
        and [1, 2, 3][:n] == [1, 2]
        and int(n) == 2
        and float(n) == 2.0
    )
    assert f"{lucid.tensor(3.14159):.2f}" == "3.14" and f"{n:03d}" == "002" and bool(lucid.tensor(0.0)) is False
    assert (
        divmod(lucid.tensor([7]), 2)[1].item() == 1
        and 2 ** lucid.tensor([3]) == 8
        and round(lucid.tensor([1.6])).item() == 2
    )
    assert (
        math.floor(lucid.tensor(1.7)) == 1 == math.trunc(float(lucid.tensor(1.7)))
        and lucid.is_nonzero(n)
        and complex(lucid.tensor(1 + 2j)) == 1 + 2j
    )
    assert lucid.zeros(n, 3).shape == (2, 3) and lucid.arange(n).tolist() == [0, 1] and len(lucid.zeros(4, 2)) == 4
    assert [row.tolist() for row in lucid.tensor([[1], [2]])] == [[1], [2]] and 2 in lucid.tensor([1, 2])
    assert lucid.pi == math.pi and lucid.inf == math.inf and lucid.newaxis is None and math.isnan(lucid.nan)
    with pytest.raises(TypeError):
        [1, 2][lucid.tensor(1.0)]
    with pytest.raises(RuntimeError, match="ambiguous"):
        bool(lucid.ones(2))
    with pytest.raises(TypeError):
        len(lucid.tensor(1))
    with pytest.raises(RuntimeError):
        lucid.ones(2).item()


def test_data_and_grad():
    p = lucid.tensor([1.0, 2.0], requires_grad=True)
    (p * p).sum().backward()
    p.data.add_(p.grad, alpha=-0.5)
    assert p.tolist() == [0.0, 0.0] and p.requires_grad
    p.grad = None
    p.data = lucid.tensor([3.0, 4.0])
    (p * 2).sum().backward()
    assert p.grad.tolist() == [2.0, 2.0]


def test_pickle_and_deepcopy():
    for dtype in DTYPES:
        x = lucid.ones(2, 3, dtype=getattr(lucid, dtype))
        for twin in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
            assert twin.dtype is x.dtype and lucid.equal(twin, x) and twin is not x
    x = lucid.ones(2, requires_grad=True)
    assert pickle.loads(pickle.dumps(x)).requires_grad and copy.deepcopy(x).is_leaf
    assert (
        pickle.loads(pickle.dumps(lucid.bfloat16)) is lucid.bfloat16 and copy.deepcopy(lucid.float32) is lucid.float32
    )


def test_kinds_and_layouts():
    x = lucid.zeros(2, 3, layout=lucid.strided, pin_memory=False)
    assert x.stride() == (3, 1) and x.storage_offset() == 0 and x.element_size() == 4 and x.layout is lucid.strided
    assert (
        not x.is_pinned()
        and x.pin_memory() is x
        and x.is_contiguous(memory_format=lucid.contiguous_format)
        and x.is_cpu
    )
    assert (
        x.clone(memory_format=lucid.preserve_format).shape == (2, 3)
        and lucid.is_floating_point(x)
        and lucid.is_tensor(x)
    )
    assert x.nbytes == 24 and x.numel() == lucid.numel(x) == 6 and repr(lucid.channels_last) == "lucid.channels_last"
    assert lucid.frombuffer(np.arange(3, dtype="float32").tobytes(), dtype=lucid.float32).tolist() == [0.0, 1.0, 2.0]
    assert lucid.sum(lucid.ones(2, 3).sum_to_size(1, 3)).item() == 6
    with pytest.raises(RuntimeError):
        lucid.ones(2, 3).sum_to_size(2, 4)


def test_python_and_numpy_protocols():
    t = lucid.tensor([1.0, 4.0])
    root = np.sqrt(t)
    assert isinstance(root, lucid.Tensor) and root.dtype is lucid.float32 and root.tolist() == [1.0, 2.0]
    assert isinstance(np.maximum(np.array([2.0, 2.0]), t), lucid.Tensor) and np.isnan(t).tolist() == [False, False]
    assert isinstance(np.ones(2) * t, lucid.Tensor) and isinstance(np.float32(2) * t, lucid.Tensor)
    out = np.zeros(2)
    assert np.add(1, t, out=out) is out and out.tolist() == [2.0, 5.0]
    with pytest.raises(RuntimeError, match="requires grad"):
        np.sqrt(lucid.ones(2, requires_grad=True))
    assert type(math.floor(t[1] / 3)) is int and math.ceil(t[1] / 3) == 2
    for convert in (int, float, complex):
        with pytest.raises(ValueError):
            convert(t)
    with pytest.raises(TypeError, match="format"):
        f"{t:.2f}"
    assert f"{lucid.tensor(1.5, requires_grad=True)}" == "1.5"
    with pytest.raises(IndexError, match="float"):
        t[1.5]
    with pytest.raises(TypeError, match="str"):
        t["a"]
    n = lucid.tensor(2)
    assert [0] * n == [0, 0] and "=" * n == "==" and (1,) * (n + 1) == (1, 1, 1) and (2 * n).item() == 4
    size = t.shape
    assert repr((3,) + size) == "lucid.Size([3, 2])" and repr(size * 2) == repr(2 * size) == "lucid.Size([2, 2])"  # noqa: RUF005
    assert lucid.full((1,), np.float32(2)).dtype is lucid.float32 and lucid.arange(np.float32(2)).dtype is lucid.float32


MIXED = [
    ([lucid.tensor(1.0), 2], lucid.float32, (2,)),
    ([lucid.ones(1), lucid.ones(1, 1)], lucid.float32, (2,)),
    ([1.0, np.float64(2)], lucid.float64, (2,)),
    ([np.float32(1), 2.0], lucid.float32, (2,)),
    ([2, lucid.tensor(1.0, dtype=lucid.bfloat16)], lucid.bfloat16, (2,)),
    ([np.ones(2, "f4"), [1, 2]], lucid.float32, (2, 2)),
    ([[1, 2], np.ones(2)], lucid.float64, (2, 2)),
    ([np.ones(1), np.ones(1)], lucid.float64, (2, 1)),
    ([lucid.tensor(1, dtype=lucid.uint8), lucid.tensor(1, dtype=lucid.int8)], lucid.int16, (2,)),
    ([np.int32(1), True], lucid.int32, (2,)),
]


@pytest.mark.parametrize("row", range(len(MIXED)))
def test_arrays_tensors_and_numbers_in_one_list(row):
    """Recorded from PyTorch 2.13: tensors of one element are numbers, dtypes promote by category."""
    data, dtype, shape = MIXED[row]
    made = lucid.tensor(data)
    assert made.dtype is dtype and made.shape == shape


def test_integers_require_no_gradient():
    """A float that was cast to integers or bools is cut off, whichever way the cast was spelled."""
    y = lucid.ones(2, requires_grad=True) * 2
    cast = [
        y.long(),
        y.int(),
        y.byte(),
        y.bool(),
        y.to(lucid.int32),
        y.type(lucid.uint8),
        y.round().long().reshape(1, 2),
    ]
    assert not any(x.requires_grad for x in cast) and all(x.numpy().size == 2 for x in cast)
    assert y.half().requires_grad and y.bfloat16().requires_grad and y.to(lucid.complex64).requires_grad
