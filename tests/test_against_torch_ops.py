"""Calls of every function drawn at random, over every argument that it takes, against torch.

Value, dtype and shape, gradients with respect to every floating tensor, the method, in-place and ``out=`` forms, or the
same error type. Hypothesis draws the seeds, ``function_table.py`` says what each function takes.
"""

import functools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import function_table
import function_table_shapes
import lucid
from drawing import ROWS, Draw, In
from reference import needs_torch, torch

assert function_table.ROWS is function_table_shapes.ROWS is ROWS  # they fill it
TOLERANCE = {"float16": 4e-3, "float32": 1e-4, "complex64": 1e-4}
ACCURACY = {"special.bessel_y0": 1e-6, "special.bessel_y1": 1e-6, "linalg.pinv": 1e-6}  # torch's own, where it is worse
# Where torch refuses a dtype and lucid computes: more than PyTorch, not other than it.
MORE = {"positive", "sign", "trace", "cov", "corrcoef", "clamp", "frac", "argmax", "argmin", "round", "aminmax", "kron"}


# Functions without a derivative, or with one that is 0 for such arguments: torch records a node that raises or gives zeros.
CONSTANT = {"heaviside", "nextafter", "floor_divide"}


def function(L, name):
    return functools.reduce(getattr, name.split("."), L)


def given_to(L, value):
    if isinstance(value, In):
        return value.of(L)
    if isinstance(value, list):
        return [given_to(L, v) for v in value]
    return value


def run(L, name, args, kwargs):
    """(result, inputs that ask for a gradient, error)"""
    made = [given_to(L, a) for a in args]
    kw = {k: given_to(L, v) for k, v in kwargs.items()}
    leaves = [t for t in flat(made) if t.requires_grad]
    try:
        return function(L, name)(*made, **kw), leaves, None
    except Exception as error:
        return None, leaves, error


def flat(value):
    if isinstance(value, tuple | list):
        return [t for v in value for t in flat(v)]
    return [value] if hasattr(value, "requires_grad") else []


def host(t):
    t = t.detach()
    return t.resolve_conj().resolve_neg().numpy(force=True) if isinstance(t, torch.Tensor) else t.numpy()


def agree(ours, theirs, what, tolerance=None):
    if not hasattr(theirs, "shape"):
        if isinstance(theirs, tuple | list):
            assert isinstance(ours, tuple | list) and len(ours) == len(theirs), f"{what}: {type(ours)} {type(theirs)}"
            for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
                agree(a, b, f"{what}[{i}]", tolerance)
        else:
            assert ours == theirs, f"{what}: {ours} and {theirs}"
        return
    assert tuple(ours.shape) == tuple(theirs.shape), f"{what}: shape {tuple(ours.shape)}, torch {tuple(theirs.shape)}"
    kind = str(theirs.dtype).split(".")[-1]
    assert str(ours.dtype).split(".")[-1] == kind, f"{what}: {ours.dtype}, torch {theirs.dtype}"
    t = tolerance or TOLERANCE.get(kind, 1e-8)
    np.testing.assert_allclose(host(ours), host(theirs), rtol=t, atol=t, equal_nan=True, err_msg=what)


def weights(result):
    return [np.cos(np.arange(t.numel()) + i).reshape(tuple(t.shape)) + 1.5 for i, t in enumerate(result)]


def gradients(L, results, leaves):
    total = 0.0
    for t, w in zip(results, weights(results), strict=True):
        part = t * L.tensor(w).to(t.dtype)
        total = total + (part.real if t.is_complex() else part).sum()
    grad = lucid.autograd.grad if L is lucid else torch.autograd.grad
    return grad(total, leaves, allow_unused=True)


def compare(name, args, kwargs):
    ours, x, problem = run(lucid, name, args, kwargs)
    theirs, y, reason = run(torch, name, args, kwargs)
    if reason is not None:
        if name not in MORE or problem is not None:
            assert isinstance(problem, type(reason)), (
                f"torch raises {type(reason).__name__}: {reason}\nlucid: {problem!r}"
            )
        return
    if problem is not None:
        raise AssertionError(f"torch computes, lucid raises {type(problem).__name__}: {problem}") from problem
    tolerance = ACCURACY.get(name)
    agree(ours, theirs, name, tolerance)
    a, b = ([t for t in flat(r) if t.requires_grad] for r in (ours, theirs))
    if not b or not y or name in CONSTANT:
        return
    if not a:
        assert not any(g is not None and np.any(host(g)) for g in gradients(torch, b, y)), f"{name}: no gradient"
        return
    assert len(a) == len(b), f"{name}: {len(a)} results require grad, {len(b)} in torch"
    for i, (p, q) in enumerate(zip(gradients(lucid, a, x), gradients(torch, b, y), strict=True)):
        if p is None or q is None:
            assert all(g is None or not np.any(host(g)) for g in (p, q)), f"{name}: gradient {i} is None in one"
        else:
            agree(p, q, f"{name}: gradient {i}", 1e-6 if tolerance is None else 1e-4)


@needs_torch
@pytest.mark.parametrize("name", sorted(ROWS))
def test_as_torch(name):
    @settings(max_examples=8, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 2**32 - 1))
    def drawn(seed):
        args, kwargs = ROWS[name](Draw(seed))
        try:
            compare(name, args, kwargs)
        except AssertionError as problem:
            raise AssertionError(f"lucid.{name}({args}, {kwargs}), seed {seed}: {problem}") from problem

    drawn()


@needs_torch
@pytest.mark.parametrize("name", sorted(n for n in ROWS if "." not in n))
def test_other_forms(name):
    """The method, the in-place method and ``out=``: what the function gives, wherever PyTorch has the form."""
    f = function(lucid, name)
    for seed in range(3):
        args, kwargs = ROWS[name](Draw(seed))
        expected, _, problem = run(lucid, name, args, kwargs)
        _, _, refused = run(torch, name, args, kwargs)
        if problem is not None or refused is not None or not isinstance(args[0], In):
            continue

        def made(L, args=args, kwargs=kwargs):
            return [given_to(L, a) for a in args], {k: given_to(L, v) for k, v in kwargs.items()}

        if hasattr(torch.Tensor, name) and name != "where":  # x.where(condition, other)
            (x, *rest), kw = made(lucid)
            member = getattr(x, name)
            if callable(member):
                agree(member(*rest, **kw), torched(expected), f"Tensor.{name}")
        if hasattr(torch.Tensor, name + "_") and isinstance(expected, lucid.Tensor):
            _in_place(name, made)
        if isinstance(expected, lucid.Tensor) and _has_out(name, made):
            target = lucid.empty(0, dtype=expected.dtype)
            (xs, kw) = made(lucid)
            with lucid.no_grad():
                found = f(*[t.detach() if isinstance(t, lucid.Tensor) else t for t in xs], **kw, out=target)
            assert found is target, f"{name}: out= returns another tensor"
            agree(target, torched(expected), f"{name}(out=)")


def torched(value):
    if isinstance(value, tuple | list):
        return type(value)(*map(torched, value)) if hasattr(value, "_fields") else [torched(v) for v in value]
    return torch.from_numpy(np.array(value.detach().numpy())) if isinstance(value, lucid.Tensor) else value


def _in_place(name, made):
    results = []
    for L in (lucid, torch):
        (x, *rest), kw = made(L)
        x = x.detach().clone()
        try:
            assert getattr(x, name + "_")(*rest, **kw) is x
            results.append(x.detach())
        except RuntimeError as error:
            results.append(error)
    if isinstance(results[1], Exception):
        assert isinstance(results[0], RuntimeError), f"{name}_: torch raises {results[1]}, lucid gives {results[0]}"
    else:
        assert not isinstance(results[0], Exception), f"{name}_: {results[0]}"
        agree(results[0], results[1], name + "_", 1e-6)


def _has_out(name, made):
    (xs, kw) = made(torch)
    try:
        with torch.no_grad():
            torch_out = torch.empty(0, dtype=function(torch, name)(*xs, **kw).dtype)
            function(torch, name)(*xs, **kw, out=torch_out)
    except TypeError:
        return False
    return True


@needs_torch
@pytest.mark.parametrize("name", "add sub mul div pow maximum minimum atan2 remainder fmod eq lt hypot".split())
def test_shapes_that_do_not_broadcast(name):
    with pytest.raises(RuntimeError) as caught:
        function(lucid, name)(lucid.ones(2, 3), lucid.ones(4, 3))
    message = str(caught.value)
    assert "(2, 3)" in message and "(4, 3)" in message and "2" in message, message
    with pytest.raises(RuntimeError):
        function(torch, name)(torch.ones(2, 3), torch.ones(4, 3))


DIMS = """sum mean prod var std amax amin any all argmax argmin max min median mode softmax log_softmax cumsum cumprod logcumsumexp
    cummax sort argsort unbind flatten diff logsumexp unsqueeze squeeze count_nonzero kthvalue quantile nansum""".split()


@needs_torch
@pytest.mark.parametrize("name", DIMS)
def test_a_dimension_that_is_not_there(name):
    more = {"kthvalue": (1,), "diff": (1,), "quantile": (0.5,)}.get(name, ())
    for L in (lucid, torch):
        with pytest.raises(IndexError) as caught:
            function(L, name)(L.ones(2, 3), *more, 5)
        if L is lucid:
            assert name in str(caught.value) and "5" in str(caught.value), caught.value


@needs_torch
def test_what_is_no_tensor_is_a_type_error():
    """The message names the function and the argument."""
    wrong = []
    for name in sorted(ROWS):
        args, kwargs = ROWS[name](Draw(1))
        if not isinstance(args[0], In):
            continue
        rest = [given_to(lucid, a) for a in args[1:]]
        if any(isinstance(a, lucid.Tensor) for a in rest):
            continue
        for bad in ("text", None):
            try:
                function(lucid, name)(bad, *rest, **{k: given_to(lucid, v) for k, v in kwargs.items()})
            except TypeError as error:
                if "Tensor" not in str(error):
                    wrong.append((name, bad, str(error)[:80]))
            except Exception as error:
                wrong.append((name, bad, repr(error)[:80]))
            else:
                wrong.append((name, bad, "no error"))
    assert not wrong, "\n".join(map(str, wrong))


NAN, INF = float("nan"), float("inf")


def gradient(L, f, *values, dtype="float64"):
    xs = [L.tensor(v, dtype=getattr(L, dtype), requires_grad=True) for v in values]
    return (L.autograd.grad if L is lucid else torch.autograd.grad)(f(*xs).sum(), xs)


# Each of these was wrong once; found by torch's own samples of its functions.
FOUND = {
    "gradients of bfloat16 stay bfloat16": lambda L: gradient(L, lambda x: x.clamp(min=0.5).sigmoid() * 3, [0.25, 1.5], dtype="bfloat16")[0].float(),
    "max of NaNs": lambda L: gradient(L, L.max, [1.0, NAN, 2.0, NAN]),
    "clamp of NaN by tensors": lambda L: gradient(L, lambda x, y: L.clamp(x, max=y), [NAN, 3.0], [1.0, 1.0]),
    "atan2 at the origin": lambda L: gradient(L, L.atan2, [0.0, -0.0], [0.0, 0.0]),
    "index_fill with repeated indices": lambda L: gradient(L, lambda x, v: x.index_fill(0, L.tensor([1, 1, 2]), v), [1.0, 2.0, 3.0], 5.0),
    "eigenvectors of a symmetric matrix": lambda L: gradient(L, lambda a: L.linalg.eigh(a)[1].abs() * L.tensor([[1.0, 2], [3, 5]]), [[2.0, 1.0], [1.0, 5.0]]),
    "div that rounds has gradient 0": lambda L: gradient(L, lambda x: L.div(x, 2.0, rounding_mode="floor") * x, [5.0, -3.0]),
    "quantile's gradient in q": lambda L: gradient(L, L.quantile, [1.0, 4.0, 9.0], 0.3),
    "small integers wrap when asked to": lambda L: L.cumsum(L.tensor([200, 100], dtype=L.uint8), 0, dtype=L.uint8),
    "cov of one variable": lambda L: L.cov(L.tensor([[1.0, 2.0, 4.0]])),
    "diff of order 0 ignores what is prepended": lambda L: L.diff(L.tensor([1, 2]), 0, prepend=L.tensor([0])),
    "norms of half precision": lambda L: L.dist(L.full((4,), 90.0, dtype=L.float16), L.zeros(4, dtype=L.float16), 4).float(),
    "complex sinc": lambda L: L.sinc(L.tensor([0.5 + 1j, 0j], dtype=L.complex128)),
    "complex logaddexp": lambda L: L.logaddexp(L.tensor([1 + 2j], dtype=L.complex128), L.tensor([0.5j], dtype=L.complex128)),
    "unsigned dtypes take negative numbers": lambda L: L.full((2,), -9, dtype=L.uint8),
    "0 times infinity in a product of one by one": lambda L: L.mm(L.tensor([[-0.0]]), L.tensor([[-INF, 1.0]])),
    "negative indices along a dimension": lambda L: L.take_along_dim(L.tensor([[1, 2, 3]]), L.tensor([[-1, 0]]), 1),
    "gather of a number": lambda L: L.gather(L.tensor(3.0), 0, L.tensor([0, 0])),
    "isclose of booleans": lambda L: L.isclose(L.tensor([True, False]), L.tensor([True, True])),
    "windows": lambda L: [getattr(L.signal.windows, n)(5, sym=sym) for n in ("hann", "kaiser", "gaussian", "nuttall") for sym in (True, False)],
    "slopes": lambda L: L.gradient(L.tensor([1.0, 4.0, 9.0, 11.0]), spacing=(L.tensor([0.0, 1.0, 3.0, 4.0]),), edge_order=2),
    "flat positions": lambda L: L.unravel_index(L.tensor([1, 5]), (2, 3)),
}  # fmt: skip


@needs_torch
@pytest.mark.parametrize("what", FOUND)
def test_found_by_random_comparison(what):
    agree(FOUND[what](lucid), FOUND[what](torch), what, 1e-5)


REFUSED = {  # the error, and what must not be computed silently
    "order of complex numbers": (NotImplementedError, lambda L: L.ones(2, dtype=L.complex64) < 1),
    "largest complex number": (RuntimeError, lambda L: L.ones(2, dtype=L.complex64).max()),
    "erf of complex numbers": (NotImplementedError, lambda L: L.erf(L.ones(2, dtype=L.complex64))),
    "a number that does not fit": (RuntimeError, lambda L: L.full((2,), 300, dtype=L.uint8)),
    "a complex value into real memory": (RuntimeError, lambda L: L.ones(2).masked_fill(L.tensor([True, False]), 1j)),
    "unbind of a number": (IndexError, lambda L: L.unbind(L.tensor(1.0))),
    "narrow of a number": (RuntimeError, lambda L: L.narrow(L.tensor(1.0), 0, 0, 1)),
    "half a step": (TypeError, lambda L: L.linspace(0, 3, 1.5)),
    "tolerances below 0": (RuntimeError, lambda L: L.isclose(L.ones(1), L.ones(1), rtol=-1.0)),
    "singular values of NaN": (RuntimeError, lambda L: L.linalg.svd(L.full((2, 2), NAN))),
    "float_power_ on float32": (RuntimeError, lambda L: L.ones(2).float_power_(2)),
}


@needs_torch
@pytest.mark.parametrize("what", REFUSED)
def test_refused_as_in_torch(what):
    kind, f = REFUSED[what]
    for L in (lucid, torch):
        with pytest.raises(kind):
            f(L)


def test_infinities_do_not_hang_the_svd():
    with pytest.raises(RuntimeError, match="non-finite"):
        lucid.linalg.pinv(lucid.tensor([[1.0, INF], [0.0, 1.0]]))


def test_vmap_never_loses_a_write():
    def through_strides(x):
        y = x.clone()
        y.as_strided((2,), (1,), 1).zero_()
        return y

    with pytest.raises(RuntimeError, match="as_strided_scatter"):
        lucid.func.vmap(through_strides)(lucid.ones(2, 3))
    x = lucid.arange(6.0).reshape(2, 3)
    ours = lucid.func.vmap(lambda x: lucid.as_strided_scatter(x, lucid.zeros(2), (2,), (1,), 1))(x)
    assert ours.tolist() == [[0.0, 0.0, 0.0], [3.0, 0.0, 0.0]]
    with pytest.raises(RuntimeError, match="depend on values"):
        lucid.func.vmap(lambda x: x[x > 1])(x)
    taken = lucid.func.vmap(lambda x, i: lucid.take_along_dim(x, i, 0))(x, lucid.tensor([[-1, 0], [1, -3]]))
    assert taken.tolist() == [[2.0, 0.0], [4.0, 3.0]]


def test_named_results_print_as_in_torch():
    shown = repr(lucid.sort(lucid.tensor([2.0, 1.0])))
    assert shown == "lucid.return_types.sort(\nvalues=tensor([1., 2.]),\nindices=tensor([1, 0]))"
    if torch is not None:
        assert shown == repr(torch.sort(torch.tensor([2.0, 1.0]))).replace("torch.", "lucid.")
    import pickle

    assert type(pickle.loads(pickle.dumps(lucid.max(lucid.ones(2, 2), 1)))) is lucid.return_types.max


def test_gradcheck_in_fast_mode():
    x = lucid.tensor([[0.5, 1.5]], dtype=lucid.float64, requires_grad=True)
    check, again = lucid.autograd.gradcheck, lucid.autograd.gradgradcheck
    assert check(lambda a: (a.sin(), a.exp()), (x,), fast_mode=True, check_forward_ad=True, check_grad_dtypes=True)
    assert again(lucid.sin, (x,), fast_mode=True, gen_non_contig_grad_outputs=True, check_fwd_over_rev=True)
    assert check(lucid.sin, (x,), check_forward_ad=True, check_batched_forward_grad=True)
    with pytest.raises(RuntimeError, match="random direction"):
        check(lambda a: a.detach() * a, (x,), fast_mode=True)
