"""Every layer with options drawn at random, against torch: outputs, gradients, state, names, repr, types of errors."""

import re
import warnings

import numpy as np
import pytest

import lucid
from lucid import nn
from nn_options import FAMILIES, Draw, draws
from reference import needs_torch, torch

pytestmark = [needs_torch, pytest.mark.filterwarnings("ignore")]
DRAWS = 12  # of every class; the search went over 300 (see nn_options.py)


def array(spec, rng):
    kind, shape = spec[0], spec[1]
    if kind == "ints":
        return rng.integers(spec[2], spec[3], shape)
    if kind == "given":
        return np.array(shape)
    if kind == "mask":
        return rng.random(shape) < 0.2
    return rng.standard_normal(shape) if kind == "normal" else rng.uniform(0.05, 0.95, shape)


def is_spec(value):
    return isinstance(value, tuple) and value[:1] in (("normal",), ("unit",), ("mask",), ("ints",))


def value(library, v, rng):
    """An option: a tensor or a layer where it is described as one."""
    if isinstance(v, tuple) and v[:1] == ("layer",):
        return getattr(library.nn, v[1])(*v[2], **v[3])
    return library.tensor(np.array(array(v, rng))) if is_spec(v) else v


def tensors(result):
    """All tensors of a result, in order."""
    if result is None:
        return []
    if isinstance(result, tuple | list):
        return [t for part in result for t in tensors(part)]
    return [result]


def outcome(library, case, weights):
    """What two steps with a layer give, by name; and its first state."""
    rng = np.random.default_rng(1)
    layer = getattr(library.nn, case.name)(
        *[value(library, v, rng) for v in case.args], **{k: value(library, v, rng) for k, v in case.options.items()}
    ).train(case.train)
    call = case.around(library, layer) if case.around else layer
    inputs = [library.tensor(np.array(array(s, rng))) for s in case.inputs]
    if case.name.startswith("Lazy"):
        with library.no_grad():
            call(*[x.to(library.float32) for x in inputs], **case.call)
    layer.double()
    if weights is None:
        for p in layer.parameters():
            p.data.copy_(library.tensor(rng.uniform(-1, 1, tuple(p.shape))))
        weights = {k: v.numpy().copy() for k, v in layer.state_dict().items()}
    else:
        layer.load_state_dict(weights)
    found, rng = {"repr": repr(layer)}, np.random.default_rng(2)
    for step in range(2):
        inputs = [library.tensor(np.array(array(s, rng))) for s in case.inputs]
        for x in inputs:
            x.requires_grad_(x.dtype == library.float64)
        options = {k: value(library, v, rng) for k, v in case.call.items()}
        out = tensors(call(*inputs, **options))
        layer.zero_grad()
        floats = [t for t in out if t.dtype == library.float64 and t.requires_grad]
        total = sum((t * library.tensor(rng.standard_normal(tuple(t.shape)))).sum() for t in floats)
        if floats:
            total.backward()
        found |= {f"output {i} of step {step}": t for i, t in enumerate(out)}
        found |= {f"gradient of input {i}": x.grad for i, x in enumerate(inputs)}
        found |= {f"gradient of {k}": p.grad for k, p in layer.named_parameters()}
    return found | {f"{k} at the end": v for k, v in layer.state_dict().items()}, weights


def difference(case):
    """None where lucid does what torch does, otherwise what differs."""
    try:
        expected, weights = outcome(torch, case, None)
    except Exception as error:
        try:
            outcome(lucid, case, None)
        except Exception as ours:
            return None if isinstance(ours, type(error)) else f"raises {ours!r} where torch raises {error!r}"
        return f"takes what torch refuses: {error!r}"
    found, _ = outcome(lucid, case, weights)
    if list(found) != list(expected):
        return f"names: {list(found)} and {list(expected)}"
    for name, theirs in expected.items():
        ours = found[name]
        if name == "repr":
            if re.sub("0x[0-9a-f]+", "", ours) != re.sub("0x[0-9a-f]+", "", theirs):
                return f"repr: {ours} and {theirs}"
        elif (ours is None) != (theirs is None):
            return f"{name}: {ours} and {theirs}"
        elif ours is not None:
            a, b = ours.detach().numpy(), theirs.detach().numpy()
            if a.shape != b.shape or a.dtype != b.dtype:
                return f"{name}: {a.shape} {a.dtype} and {b.shape} {b.dtype}"
            if not np.allclose(a, b, rtol=1e-6, atol=1e-8, equal_nan=True):
                return f"{name}: differs by {np.abs(a - b).max()}"
    return None


@pytest.mark.parametrize("name", FAMILIES)
def test_options(name):
    for case in draws(name, DRAWS):
        found = difference(case)
        assert found is None, f"{case}: {found}"


def test_the_comparison_sees_differences():
    """A layer with a fault is found out."""
    case = next(
        c for c in draws("LayerNorm", 20) if c.options.get("elementwise_affine", True) and difference(c) is None
    )
    good, nn.LayerNorm.forward = nn.LayerNorm.forward, lambda self, x: x * 1.0
    try:
        assert difference(case) is not None
    finally:
        nn.LayerNorm.forward = good
    assert draws("Conv2d", 3)[2].options == draws("Conv2d", 3)[2].options and Draw("a").one(1) == 1


def search(count, seed="0", *names):
    """The wide comparison: prints every difference, and how many cases there were."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    cases = wrong = 0
    for name in names or FAMILIES:
        for case in draws(name, count, seed):
            cases += 1
            try:
                found = difference(case)
            except Exception as error:
                found = f"raises {error!r}"
            if found is not None:
                wrong += 1
                print(f"{case}: {found}", flush=True)
    print(f"{cases} cases, {wrong} differences")
