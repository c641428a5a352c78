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
MORE = {"positive", "sign", "trace", "cov", "corrcoef", "clamp", "frac", "argmax", "argmin", "round", "aminmax"}


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
