"""Every layer that is neither convolution nor sequence model against torch: values, gradients, buffers, names, repr."""

import copy
import warnings

import numpy as np
import pytest

import lucid
from lucid import nn
from nn_table import LAYERS, label
from reference import needs_torch, torch

pytestmark = [needs_torch, pytest.mark.filterwarnings("ignore")]


def made(spec, rng):
    """An array from its row in the table."""
    kind = spec[0] if spec and isinstance(spec[0], str) else "normal"
    if kind == "ints":
        return rng.integers(spec[1], spec[2], spec[3])
    if kind == "unit":
        return rng.uniform(0.05, 0.95, spec[1])
    if kind == "signs":
        return rng.choice([-1, 1], spec[1]).astype(np.float64)
    return rng.standard_normal(spec)


def tensors(library, arrays):
    result = []
    for a in arrays:
        t = library.tensor(np.array(a))
        differentiable = a.dtype.kind == "f" and not (np.abs(a) == 1).all()  # signs are targets without a derivative
        result.append(t.requires_grad_() if differentiable or not a.size else t)
    return result


def built(library, name, args, kwargs):
    def value(v):
        return library.tensor(v[1], dtype=library.float64) if isinstance(v, tuple) and v[:1] == ("tensor",) else v

    return getattr(library.nn, name)(*args, **{k: value(v) for k, v in kwargs.items()})


def close(ours, theirs, what):
    a = ours.detach().numpy()
    b = theirs.detach().numpy()
    assert a.shape == b.shape and a.dtype == b.dtype, (what, a.shape, b.shape, a.dtype, b.dtype)
    np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9, err_msg=what)


def step(library, model, arrays, training, weights):
    model.train(training)
    inputs = tensors(library, arrays)
    given = [t.clone() for t in inputs] if getattr(model, "inplace", False) else inputs
    out = model(*given)
    if weights is None:
        weights = np.random.default_rng(5).standard_normal(tuple(out.shape))
    model.zero_grad()
    if out.requires_grad:
        (out * library.tensor(weights)).sum().backward()
    return out, inputs


@pytest.mark.parametrize("case", LAYERS, ids=label)
def test_like_torch(case):
    name, args, kwargs, specs, train = case
    rng = np.random.default_rng(1)
    batches = [[made(s, rng) for s in specs] for _ in range(3)]
    theirs, ours = built(torch, name, args, kwargs), built(lucid, name, args, kwargs)
    assert ours.extra_repr() == theirs.extra_repr()
    if hasattr(theirs, "cls_to_become"):  # lazy: the first call gives the shapes
        for library, model in ((torch, theirs), (lucid, ours)):
            with library.no_grad():
                model.eval()(
                    *[t.to(library.float32) if t.dtype == library.float64 else t for t in tensors(library, batches[0])]
                )
        assert type(ours).__name__ == type(theirs).__name__
    theirs, ours = theirs.double(), ours.double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for p in theirs.parameters():  # away from the ones and zeros that norms start with
        p.data.uniform_(-1, 1)
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    for i, arrays in enumerate(batches):
        training = train and i < 2
        expected, their_inputs = step(torch, theirs, arrays, training, None)
        weights = np.random.default_rng(5).standard_normal(tuple(expected.shape))
        result, our_inputs = step(lucid, ours, arrays, training, weights)
        close(result, expected, "output")
        for p, q in zip(our_inputs, their_inputs, strict=True):
            if q.grad is not None:
                close(p.grad, q.grad, "input gradient")
        for (key, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
            assert (p.grad is None) == (q.grad is None), key
            if q.grad is not None:
                close(p.grad, q.grad, f"gradient of {key}")
    for (key, p), q in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        close(p, q, f"{key} after three steps")


@pytest.mark.parametrize("case", {c[0]: c for c in LAYERS if not c[0].startswith("Lazy")}.values(), ids=lambda c: c[0])
def test_state_goes_both_ways(case):
    """A lucid state dict loads into torch and a torch one into lucid; deepcopies and float32 behave."""
    name, args, kwargs, _, _ = case
    ours, theirs = built(lucid, name, args, kwargs), built(torch, name, args, kwargs)
    theirs.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in ours.state_dict().items()})
    again = copy.deepcopy(ours)
    assert repr(again) == repr(ours) == repr(theirs)
    assert again.load_state_dict(theirs.state_dict()) == ([], [])
    for key, value in again.state_dict().items():
        assert np.array_equal(value, ours.state_dict()[key], equal_nan=True)
        assert str(value.dtype).split(".")[1] == str(theirs.state_dict()[key].dtype).split(".")[1]


def test_every_class_of_torch_nn_is_there():
    missing = {n for n in dir(torch.nn) if n[:1].isupper()} - set(dir(nn))
    assert missing <= {"Container", "DataParallel", "LinearCrossEntropyOptions"}


INITIAL = [
    ("Linear", (50, 400)), ("Bilinear", (20, 30, 400)), ("Embedding", (200, 50)), ("EmbeddingBag", (200, 50)), ("PReLU", (300,)), ("LayerNorm", (300,)),
    ("RMSNorm", (300,)), ("GroupNorm", (4, 400)), ("BatchNorm2d", (300,)), ("InstanceNorm2d", (300,), {"affine": True}), ("Conv1d", (8, 300, 9)),
    ("Conv2d", (8, 300, 3), {"groups": 4}), ("Conv3d", (4, 300, 3)), ("ConvTranspose1d", (300, 8, 9)), ("ConvTranspose2d", (64, 300, 3)),
    ("ConvTranspose3d", (30, 40, 3)), ("RNN", (100, 200)), ("LSTM", (50, 100, 2), {"bidirectional": True, "proj_size": 30}), ("GRU", (50, 100)),
    ("LSTMCell", (50, 100)), ("GRUCell", (50, 100)), ("RNNCell", (100, 300)), ("MultiheadAttention", (64, 4), {"add_bias_kv": True}),
    ("MultiheadAttention", (64, 4), {"kdim": 30, "vdim": 50}), ("TransformerEncoderLayer", (64, 4, 300)), ("TransformerDecoderLayer", (64, 4, 300)),
    ("Transformer", (64, 4, 1, 1, 300)), ("AdaptiveLogSoftmaxWithLoss", (64, 500, [50, 200])), ("LinearCrossEntropyLoss", (50, 400), {"bias": True}),
]  # fmt: skip


@pytest.mark.parametrize("row", INITIAL, ids=lambda row: f"{row[0]}{row[1]}{row[2] if len(row) > 2 else ''}")
def test_initial_distributions(row):
    """The same mean, spread and bounds as torch's, parameter by parameter: five standard errors, and the ranges."""
    lucid.manual_seed(0)
    torch.manual_seed(0)
    name, args, options = (*row, {})[:3]
    ours, theirs = getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options)
    for (key, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        a, b = p.detach().numpy().ravel(), q.detach().numpy().ravel()
        if b.std() == 0:
            assert np.array_equal(a, b), key
            continue
        error = b.std() / np.sqrt(a.size)
        bounded = abs(np.abs(b).max() / b.std() - np.sqrt(3)) < 0.1  # uniform: the range is sharp
        assert abs(a.mean() - b.mean()) < 7 * error and abs(a.std() - b.std()) < 7 * error, key
        if a.size > 200 and bounded:
            assert abs(np.abs(a).max() - np.abs(b).max()) < 0.05 * np.abs(b).max(), key


def test_making_a_layer_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.Linear(3, 3)
