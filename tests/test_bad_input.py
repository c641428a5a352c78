"""Bad calls, made from good ones by changing one argument at a time, raise in lucid what they raise in torch.

``drawing.ROWS`` gives the good calls. Whatever torch accepts lucid must accept, and a call that torch refuses with an error
lucid must refuse with that type, or accept where that is more than PyTorch and not other than it (``MORE``). A refused
call leaves its arguments as they were.
"""

import functools
import io
import operator
import warnings

import numpy as np
import pytest

import function_table
import function_table_shapes
import lucid
from drawing import ROWS, Draw, In
from reference import needs_torch, torch

assert function_table.ROWS is function_table_shapes.ROWS is ROWS  # they fill it

NAMES = """add sub mul div pow clamp lerp addcmul addmm baddbmm sum mean var amax argmax prod cumsum logsumexp softmax
log_softmax sort topk kthvalue median gather index_select index_add index_fill masked_fill cat
stack chunk roll flip transpose reshape squeeze unsqueeze diag tril diagonal norm cdist isclose
bincount histc where meshgrid linalg.solve linalg.vector_norm fft.fft""".split()
ODD = [None, "a", [0], (), {}, ..., 1.5, True, np.float32(1.0), np.int64(1)]
# What lucid takes beyond PyTorch, and refuses with the other of two types that PyTorch itself uses for such calls.
MORE = {
    *(("logsumexp", 1, "NoneType"), ("prod", 1, "NoneType"), ("median", 1, "NoneType"), ("squeeze", 1, "NoneType")),
    *(("flip", i, kind) for i in (1, 2) for kind in ("bool", "int64", "int")),
    *(("reshape", i, kind) for i in (1, 2) for kind in ("bool", "int64")),
    *(("pow", 0, "float32"), ("pow", 0, "int64"), ("var", 1, "bool"), ("index_fill", 2, "one more dimension")),
    ("linalg.vector_norm", 1, "str"),
}


def function(L, name):
    return functools.reduce(getattr, name.split("."), L)


def given(L, value):
    if isinstance(value, In):
        return L.from_numpy(value.array.copy()).clone()
    return [given(L, v) for v in value] if isinstance(value, list) else value


def called(L, name, args, kwargs):
    made, named = [given(L, a) for a in args], {k: given(L, v) for k, v in kwargs.items()}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            function(L, name)(*made, **named)
        return None, made
    except Exception as error:
        return error, made


def good_call(name):
    for seed in range(40):
        draw = Draw(seed)
        draw.special = False
        args, kwargs = ROWS[name](draw)
        tensors = [a for a in args if isinstance(a, In)]
        if all(a.array.ndim and a.array.size for a in tensors) and called(torch, name, args, kwargs)[0] is None:
            return args, kwargs
    raise AssertionError(f"no good call of {name} in 40 draws")


def mutants(args, kwargs):
    for i, a in enumerate(args):
        for odd in ODD:
            if type(odd) is not type(a):
                yield i, type(odd).__name__, (*args[:i], odd, *args[i + 1 :]), kwargs
        if isinstance(a, In):
            x = a.array
            yield i, "one more dimension", (*args[:i], In(x[None], False), *args[i + 1 :]), kwargs
            yield i, "twice as long", (*args[:i], In(np.concatenate([x, x]), False), *args[i + 1 :]), kwargs
        elif type(a) is int:
            yield i, "far", (*args[:i], 99, *args[i + 1 :]), kwargs
            yield i, "far below", (*args[:i], -99, *args[i + 1 :]), kwargs
    for key, a in kwargs.items():
        for odd in ODD:
            if type(odd) is not type(a):
                yield key, type(odd).__name__, args, kwargs | {key: odd}
    yield "unknown", "keyword", args, kwargs | {"nonsense": 1}
    yield "all", "missing", (), {}


@needs_torch
@pytest.mark.parametrize("name", NAMES)
def test_like_torch(name):
    args, kwargs = good_call(name)
    wrong = []
    for where, what, bad, named in mutants(args, kwargs):
        theirs, _ = called(torch, name, bad, named)
        ours, made = called(lucid, name, bad, named)
        if (ours is None and theirs is None) or (name, where, what) in MORE:
            continue
        kind = TypeError if isinstance(theirs, AttributeError) else type(theirs)
        if not isinstance(ours, kind):
            wrong.append(f"argument {where}, {what}: lucid {ours!r:.150}, torch {theirs!r:.150}")
        elif ours is not None:
            for a, t in zip(bad, made, strict=True):
                if isinstance(a, In):
                    assert t._version == 0 and np.array_equal(t.numpy(), a.array, equal_nan=a.array.dtype.kind in "fc")
    assert not wrong, "\n".join(wrong)


LISTED = {
    "an operand that is a list": lambda L: operator.add(L.ones(2), [1]),
    "a list as the first operand": lambda L: operator.add([1], L.ones(2)),
    "out= of an input that requires grad": lambda L: L.exp(L.ones(2, requires_grad=True), out=L.ones(2)),
    "out= that requires grad": lambda L: L.exp(L.ones(2), out=L.ones(2, requires_grad=True)),
    "out= of an integer dtype": lambda L: L.exp(L.ones(2), out=L.ones(2, dtype=L.int64)),
    "out= of another dtype": lambda L: L.mm(L.ones(2, 2), L.ones(2, 2), out=L.ones(2, 2, dtype=L.float64)),
    "out= that is a tuple": lambda L: L.exp(L.ones(2), out=(L.ones(2),)),
    "out= that is too short": lambda L: L.sort(L.ones(2), out=(L.ones(2),)),
    "binary_cross_entropy of integers": lambda L: L.nn.functional.binary_cross_entropy(L.rand(2), L.tensor([0, 1])),
    "logits and integers": lambda L: L.nn.functional.binary_cross_entropy_with_logits(L.rand(2), L.tensor([0, 1])),
    "cross_entropy of int32": lambda L: L.nn.functional.cross_entropy(L.rand(1, 2), L.ones(1, dtype=L.int32)),
    "softmax of integers": lambda L: L.softmax(L.arange(3), 0),
    "histc of integers": lambda L: L.histc(L.arange(3)),
    "a data set of unequal tensors": lambda L: L.utils.data.TensorDataset(L.ones(2), L.ones(3)),
    "text": lambda L: L.tensor(["a"]),
    "text among numbers": lambda L: L.tensor([1, "a"]),
    "None": lambda L: L.tensor([None]),
    "an integer of 71 bits": lambda L: L.tensor(2**70),
    "an operand of 71 bits": lambda L: L.ones(2) + 2**70,
    "300 in 8 bits": lambda L: L.tensor([300], dtype=L.uint8),
    "NaN as an integer": lambda L: L.tensor(float("nan"), dtype=L.int64),
    "an index of 8 bits": lambda L: L.gather(L.ones(2), 0, L.ones(2, dtype=L.uint8)),
    "a state of another size": lambda L: L.nn.GRU(3, 4)(L.ones(5, 2, 3), L.ones(1, 3, 4)),
    "two numbers": lambda L: L.maximum(1, 2),
    "True for a dimension": lambda L: L.ones(2).sum(True),
    "1 for keepdim": lambda L: L.ones(2).sum(0, 1),
}


@needs_torch
@pytest.mark.parametrize("what", LISTED)
def test_listed(what):
    with pytest.raises(Exception) as theirs:
        LISTED[what](torch)
    with pytest.raises(theirs.type):
        LISTED[what](lucid)


def test_cuda_that_is_missing():
    if not lucid.cuda.is_available():
        for call in (lambda: lucid.ones(2).cuda(), lambda: lucid.ones(2, device="cuda"), lucid.cuda.synchronize):
            with pytest.raises(AssertionError, match="not available"):  # as PyTorch
                call()
            with pytest.raises(RuntimeError, match="pip install|driver|device"):
                call()


@pytest.mark.parametrize(
    ("grad", "kind", "says"),
    [
        (lambda p: lucid.ones(3), RuntimeError, "shape"),
        (lambda p: lucid.ones(2, dtype=lucid.float64), RuntimeError, "float64"),
        (lambda p: [1.0, 1.0], TypeError, "list"),
        (lambda p: p, RuntimeError, "its own grad"),
    ],
    ids=["shape", "dtype", "list", "itself"],
)
def test_a_gradient_that_does_not_fit(grad, kind, says):
    p = lucid.ones(2, requires_grad=True)
    p.grad = held = lucid.zeros(2)
    with pytest.raises(kind, match=says):
        p.grad = grad(p)
    assert p.grad is held
    del p.grad
    assert p.grad is None


def test_out_is_untouched_by_a_failed_call_and_warns_when_resized():
    out, second = lucid.ones(2), lucid.ones(2)
    for call in (
        lambda: lucid.sort(
            lucid.rand(3), out=(out, second)
        ),  # the first fits after a resize, the second has no integers
        lambda: lucid.mm(lucid.ones(2, 3), lucid.ones(2, 3), out=out),
    ):
        with pytest.raises(RuntimeError):
            call()
    assert out.tolist() == second.tolist() == [1.0, 1.0] and out._version == second._version == 0
    with pytest.warns(UserWarning, match="resized"):
        lucid.exp(lucid.zeros(3), out=out)
    assert out.tolist() == [1.0] * 3
    total = lucid.zeros(1, dtype=lucid.int64)
    assert lucid.sum(lucid.tensor([[1.5, 1.5]]), 1, out=total).tolist() == [
        2
    ]  # computed in the dtype of out, as in PyTorch


@pytest.mark.parametrize(
    "call",
    [
        lambda: lucid.nn.Linear(2, 3)(None),
        lambda: lucid.nn.CrossEntropyLoss()(lucid.rand(2, 3), "a"),
        lambda: lucid.nn.Sequential(lucid.nn.LayerNorm(3))([1.0]),
        lambda: lucid.nn.Embedding(3, 4)(2),
    ],
    ids=["None", "text", "list", "number"],
)
def test_a_layer_names_what_is_no_tensor(call):
    with pytest.raises(TypeError, match=r"must be Tensor, not (NoneType|str|list|int)"):
        call()


def test_an_attribute_error_of_a_users_module_stays_one():
    class Mine(lucid.nn.Module):
        def forward(self, x):
            return x.nothing

    with pytest.raises(AttributeError, match="nothing"):
        Mine()(3)


@pytest.mark.parametrize("content", [b"", b"garbage, and no checkpoint", b"PK\x03\x04 a broken archive"])
def test_a_file_that_is_no_checkpoint(content):
    with pytest.raises(ValueError, match="load"):
        lucid.load(io.BytesIO(content))


def test_a_failed_load_leaves_the_optimizer_and_the_tensor():
    p = lucid.nn.Parameter(lucid.ones(2))
    opt = lucid.optim.SGD([p], lr=0.1, momentum=0.9)
    p.grad = lucid.ones(2)
    opt.step()
    before = opt.state_dict()
    with pytest.raises(ValueError, match="param"):
        opt.load_state_dict({"state": {}, "param_groups": []})
    after = opt.state_dict()
    assert after["param_groups"] == before["param_groups"]
    assert (after["state"][0]["momentum_buffer"] == before["state"][0]["momentum_buffer"]).all()
    x = lucid.arange(3)
    for action in (
        lambda: x.add_(0.5),
        lambda: x.div_(2),
        lambda: x.copy_(lucid.ones(4)),
        lambda: x.scatter_(0, x + 5, x),
    ):
        with pytest.raises((RuntimeError, IndexError)):
            action()
    assert x.tolist() == [0, 1, 2] and x._version == 0


NUMPYS = [
    ("leaky_relu", lambda L: L.nn.functional.leaky_relu(L.ones(3), np.float64(0.1))),
    ("rrelu", lambda L: L.nn.functional.rrelu(L.ones(3), np.float64(0.1), np.float64(0.2))),
    ("threshold", lambda L: L.nn.functional.threshold(L.ones(3), 2, L.tensor(2.0, dtype=L.float64))),
    ("celu", lambda L: L.nn.functional.celu(-L.ones(3), L.tensor(2.0, dtype=L.float64))),
    ("LayerNorm", lambda L: L.nn.LayerNorm(np.int64(3))(L.arange(3.0))),
    ("RMSNorm", lambda L: L.nn.RMSNorm(np.int64(3))(L.arange(3.0))),
    ("ReflectionPad1d", lambda L: L.nn.ReflectionPad1d(np.int64(2))(L.ones(1, 4))),
    ("Unflatten", lambda L: L.nn.Unflatten(np.int64(1), (2, 3))(L.ones(1, 6))),
    ("clamp", lambda L: L.clamp(L.ones(3), np.int64(2))),
    ("clamp_min", lambda L: L.clamp_min(L.ones(3, dtype=L.uint8), np.int64(2))),
    ("rsub", lambda L: np.float64(0.5) - L.tensor(1.0)),
    ("rpow", lambda L: np.float64(0.5) ** L.tensor([1, 2])),
    ("half", lambda L: L.tensor([1, 2]) + np.float16(2)),
    ("squeeze", lambda L: L.ones(2, 1).squeeze(np.int64(1))),
    ("squeeze two", lambda L: L.ones(1, 1, 2).squeeze(0, 1)),
    ("tensor_split", lambda L: L.arange(4).tensor_split(np.int64(2))[1]),
    ("hsplit", lambda L: L.arange(4).hsplit(np.int64(2))[1]),
    ("in", lambda L: L.tensor(np.float32(2.0) in L.tensor([1.0, 2.0]))),
    ("min along a tensor", lambda L: L.tensor([[3, 1]]).min(L.tensor(1), True).values),
    ("normal", lambda L: L.normal(1.5, L.tensor(0.0, dtype=L.float64), (2, 2))),
    ("beta first", lambda L: L.addmm(2.0, L.ones(2, 2), L.eye(2), L.eye(2))),
    ("beta and alpha", lambda L: L.addmv(2.0, L.ones(2), 3, L.eye(2), L.ones(2))),
    ("method", lambda L: L.ones(2, 2).addr(2.0, 3.0, L.ones(2), L.ones(2))),
    ("bmm", lambda L: L.baddbmm(2.0, L.ones(1, 2, 2), L.ones(1, 2, 2), L.ones(1, 2, 2))),
    ("rsub alpha", lambda L: L.rsub(L.ones(2), 2, 3)),
    ("None", lambda L: L.zeros(2, requires_grad=None, pin_memory=None).sort(stable=None).values),
    ("in place by name", lambda L: L.abs_(input=-L.ones(2))),
    ("randint", lambda L: L.randint(high=1, size=(2,))),
    ("randint_like", lambda L: L.randint_like(L.zeros(2), high=1, pin_memory=False)),
    ("sum of bools", lambda L: L.sum(L.ones(3), dtype=L.bool)),
    ("prod of bools", lambda L: L.prod(L.ones(3), dtype=L.bool)),
    ("nansum", lambda L: L.nansum(L.ones(3), dtype=L.int32)),
    ("adjoint", lambda L: L.tensor(1.0).adjoint()),
    ("broadcast_to", lambda L: L.tensor(1.0).broadcast_to(2)),
    ("histogram", lambda L: L.histogram(L.ones(3)).hist),
    ("histogramdd", lambda L: L.histogramdd(L.ones(3, 2), 2, None).hist),
    ("tril_indices", lambda L: L.tril_indices(2, 2, layout=L.strided, pin_memory=False)),
    ("mse of bools", lambda L: L.nn.functional.mse_loss(L.ones(2), L.tensor([True, False]))),
]


@needs_torch
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("f", [f for _, f in NUMPYS], ids=[name for name, _ in NUMPYS])
def test_numbers_of_numpy_and_older_forms(f):
    ours, theirs = f(lucid), f(torch)
    assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-5)


class Items:
    def __len__(self):
        return 3

    def __getitem__(self, i):
        return i


# One row for each class of mistake that the functions are checked for.
MISTAKES = [
    ("out= where there is none", lambda L: L.flip(L.ones(2), (0,), out=L.ones(2))),
    ("out= of a predicate", lambda L: L.isnan(L.ones(2), out=L.ones(2, dtype=L.bool))),
    ("out= without the dim it needs", lambda L: L.median(L.ones(2), out=L.ones(()))),
    ("a dimension of 71 bits", lambda L: L.sum(L.ones(2), 2**70)),
    ("a count of 71 bits", lambda L: L.topk(L.ones(2), 2**70)),
    ("pieces of 71 bits", lambda L: L.split(L.ones(2), 2**70)),
    ("a bound of 71 bits", lambda L: L.clamp(L.ones(2), 2**70)),
    ("a value of 71 bits", lambda L: L.ones(2).masked_fill(L.tensor([True, False]), 2**70)),
    ("an order of 71 bits", lambda L: L.linalg.vector_norm(L.ones(2), 2**70)),
    ("an order that is text", lambda L: L.linalg.vector_norm(L.ones(2), "a")),
    ("an order that is complex", lambda L: L.dist(L.ones(2), L.ones(2), 1j)),
    ("a complex bound", lambda L: L.clamp(L.ones(2), 1j)),
    ("a complex weight", lambda L: L.lerp(L.ones(2), L.ones(2), 1j)),
    ("a complex factor", lambda L: L.addcmul(L.ones(2), L.ones(2), L.ones(2), value=1j)),
    ("a number and a tensor as bounds", lambda L: L.clamp(L.ones(2), 0, L.ones(2))),
    ("a factor 1.0 of integers", lambda L: L.add(L.arange(2), L.arange(2), alpha=1.0)),
    ("one tensor too many", lambda L: L.add(L.ones(2), L.ones(2), 3)),
    ("unbiased and correction", lambda L: L.std(L.ones(2), 0, True, correction=1)),
    ("two dtypes", lambda L: L.linalg.cross(L.ones(3), L.ones(3, dtype=L.float64))),
    ("two dtypes of a table", lambda L: L.heaviside(L.ones(3), L.ones(3, dtype=L.float64))),
    ("rounding of booleans", lambda L: L.floor(L.tensor([True]))),
    ("the median of booleans", lambda L: L.median(L.tensor([True]))),
    ("the fraction of integers", lambda L: L.frac(L.arange(2))),
    ("a dtype of integers for a norm", lambda L: L.linalg.vector_norm(L.ones(2), dtype=L.int64)),
    ("an index that is negative", lambda L: L.index_select(L.ones(2), 0, L.tensor([-1]))),
    ("a place that is negative", lambda L: L.ones(2).index_add_(0, L.tensor([-1]), L.ones(1))),
    ("an index of 32 bits", lambda L: L.index_copy(L.ones(2), 0, L.tensor([0], dtype=L.int32), L.ones(1))),
    ("an index of floats", lambda L: L.index_fill(L.ones(2), 0, L.ones(1), 2)),
    ("a source smaller than the index", lambda L: L.ones(3).scatter_add(0, L.tensor([0, 1]), L.ones(1))),
    ("a source that is a list", lambda L: L.ones(1).scatter(0, L.tensor([0]), [2.0])),
    ("places for a 0-d tensor", lambda L: L.index_select(L.tensor(1.0), 0, L.tensor([0, 0]))),
    ("a 0-d tensor in pieces", lambda L: L.chunk(L.tensor(1.0), 2)),
    ("an int and a tuple", lambda L: L.movedim(L.ones(2, 2), (0,), 1)),
    ("True for a size", lambda L: L.ones(1).reshape((True, 1))),
    ("True for a count", lambda L: L.ones(2, 2).split(True)),
    ("a dimension twice", lambda L: L.flip(L.ones(2, 2), (0, 0))),
    ("a fraction of repeats", lambda L: L.repeat_interleave(L.ones(2), 1.5)),
    ("text for two dimensions", lambda L: L.rot90(L.ones(2, 2), 1, "ab")),
    ("a number for weights", lambda L: L.bincount(L.arange(2), 3)),
    ("a number for points", lambda L: L.trapezoid(L.ones(2), 3)),
    ("an equation that is None", lambda L: L.einsum(None, L.ones(2))),
    ("an equation without operands", lambda L: L.einsum("i->i")),
    ("a tolerance that is NaN", lambda L: L.isclose(L.ones(2), L.ones(2), rtol=float("nan"))),
    ("renorm of a vector", lambda L: L.renorm(L.ones(2), 2, 0, 1.0)),
]
# Odd, and right all the same: what is strict above must not refuse these.
RIGHT = [
    ("truth into a leaf", lambda L: L.eq(L.ones(2), 1, out=L.zeros(2, requires_grad=True))),
    ("not, in a leaf", lambda L: L.zeros(2, requires_grad=True).logical_not_()),
    ("softmax into out=", lambda L: L.softmax(L.ones(2, requires_grad=True), 0, out=L.ones(2))),
    ("no dimension at all", lambda L: L.any(L.tensor([0.0, 2.0]), ())),
    ("no matrix at all", lambda L: L.linalg.matrix_norm(L.ones(0, 2), 2)),
    ("half precision", lambda L: L.matrix_exp(L.zeros(2, 2, dtype=L.float16))),
    ("two precisions", lambda L: L.linalg.solve_triangular(L.eye(2), L.ones(2, 2).double(), upper=True)),
    ("complex sums", lambda L: L.logcumsumexp(L.tensor([1j, 2.0, -3 + 1j, 0.5]), 0)),
    ("out= of integers", lambda L: L.full((2,), 2.0, out=L.zeros(2, dtype=L.int64))),
    ("one count in a tensor", lambda L: L.arange(4).split(L.tensor([2]))[1]),
    ("one count of NumPy", lambda L: L.split_copy(L.arange(4), np.int64(2))[1]),
    ("a bound that is a tensor", lambda L: L.clamp(L.arange(3), 1, L.tensor(1.5, dtype=L.float64))),
    ("alpha by position", lambda L: L.sub(L.ones(3), 0.5, 2)),
    ("flat places of 32 bits", lambda L: L.take_along_dim(L.arange(4.0), L.tensor([2, 0], dtype=L.int32))),
    ("dims in a tensor", lambda L: L.tensordot(L.ones(2, 2), L.ones(2, 2), L.tensor(1))),
    ("a huge tolerance", lambda L: L.isclose(L.ones(2), L.zeros(2), atol=2**70)),
    ("the shape of a 0-d tensor", lambda L: L.ones(1).reshape_as(L.tensor(1.0))),
]


@needs_torch
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("f", [f for _, f in MISTAKES], ids=[name for name, _ in MISTAKES])
def test_mistakes(f):
    with pytest.raises(Exception) as theirs:
        f(torch)
    with pytest.raises(theirs.type) as ours:
        f(lucid)
    assert str(ours.value)


@needs_torch
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("f", [f for _, f in RIGHT], ids=[name for name, _ in RIGHT])
def test_odd_and_right(f):
    ours, theirs = f(lucid), f(torch)
    assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1] and ours.shape == theirs.shape
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-5, equal_nan=True)


REFUSED = [
    ("relu of complex", lambda L: L.relu(L.ones(2, dtype=L.complex64))),
    ("leaky_relu of complex", lambda L: L.nn.functional.leaky_relu(L.ones(2, dtype=L.complex64))),
    ("hardtanh of complex", lambda L: L.nn.functional.hardtanh(L.ones(2, dtype=L.complex64))),
    ("mish of complex", lambda L: L.nn.functional.mish(L.ones(2, dtype=L.complex64))),
    ("layer_norm of complex", lambda L: L.nn.LayerNorm(2)(L.ones(2, dtype=L.complex64))),
    ("group_norm of complex", lambda L: L.nn.GroupNorm(1, 2)(L.ones(2, 2, dtype=L.complex64))),
    ("batch_norm of ints", lambda L: L.nn.BatchNorm1d(2).eval()(L.ones(2, 2, dtype=L.int64))),
    ("weight_decay None", lambda L: L.optim.Adam([L.nn.Parameter(L.ones(1))], weight_decay=None)),
    ("weight_decay of digits", lambda L: L.optim.SGD([L.nn.Parameter(L.ones(1))], lr=0.1, weight_decay="1")),
    ("betas of digits", lambda L: L.optim.Adam([L.nn.Parameter(L.ones(1))], betas=("0", "0"))),
    ("persistent_workers", lambda L: L.utils.data.DataLoader(Items(), persistent_workers=True)),
    ("prefetch_factor", lambda L: L.utils.data.DataLoader(Items(), prefetch_factor=-1, num_workers=1)),
    ("context", lambda L: L.utils.data.DataLoader(Items(), multiprocessing_context="spawn")),
    ("unknown context", lambda L: L.utils.data.DataLoader(Items(), num_workers=1, multiprocessing_context="x")),
    ("batch_size changed", lambda L: setattr(L.utils.data.DataLoader(Items()), "batch_size", 3)),
    ("nothing to shuffle", lambda L: L.utils.data.DataLoader([], shuffle=True)),
    ("no length to shuffle", lambda L: L.utils.data.DataLoader(iter([]), shuffle=True)),
    ("replacement", lambda L: L.utils.data.WeightedRandomSampler([0.1, 0.9], 5, 1)),
    ("nothing to join", lambda L: L.utils.data.ConcatDataset([])),
    ("too far from the end", lambda L: L.utils.data.ConcatDataset([Items()])[-4]),
    ("chain", lambda L: list(L.utils.data.ChainDataset([Items()]))),
]


@needs_torch
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("f", [f for _, f in REFUSED], ids=[name for name, _ in REFUSED])
def test_layers_optimizers_and_data_refuse(f):
    with pytest.raises(Exception) as theirs:
        f(torch)
    kind = RuntimeError if isinstance(theirs.value, RuntimeError) else type(theirs.value)
    with pytest.raises(kind):
        f(lucid)
