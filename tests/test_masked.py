"""``lucid.masked`` against ``torch.masked``: every function, masks that hide nothing, something, a whole row, everything."""

import numpy as np
import pytest

import lucid
from lucid import masked
from reference import needs_torch, torch

X = np.random.default_rng(0).normal(size=(2, 3, 4))
MASKS = {
    "none": None,
    "some": np.random.default_rng(1).random((2, 3, 4)) < 0.6,
    "row": np.array([True, False, True])[:, None],
    "all": np.zeros(4, bool),
}
REDUCTIONS = {
    **{
        name: [{}, {"dim": 1}, {"dim": (0, -1), "keepdim": True}]
        for name in "sum prod mean amax amin logsumexp".split()
    },
    **{name: [{"dim": -1}, {"dim": 0, "keepdim": True}] for name in ("argmax", "argmin", "median")},
    "norm": [{}, {"ord": 1, "dim": 1}, {"ord": -np.inf, "dim": (0, 2), "keepdim": True}],
    "var": [{}, {"dim": 1, "unbiased": False}, {"dim": (0, 2), "correction": 2, "keepdim": True}],
    "std": [{}, {"dim": 1, "unbiased": True}, {"dim": -1, "correction": 0}],
    **{name: [{"dim": 1}, {"dim": -1}] for name in "cumsum cumprod softmax log_softmax softmin".split()},
    "normalize": [{"ord": 2.0, "dim": 1}, {"ord": 1.0, "dim": -1, "eps": 0.5}],
}
CASES = [(name, options) for name, rows in REDUCTIONS.items() for options in rows]


def both(name, array, mask, options):
    """The result and the gradient of its finite elements, of lucid and of torch."""
    for library, space in ((lucid, masked), (torch, torch.masked)):
        x = library.tensor(array)
        x.requires_grad_(x.dtype.is_floating_point)
        y = getattr(space, name)(x, mask=None if mask is None else library.tensor(mask), **options)
        if y.requires_grad:
            y[library.isfinite(y.detach())].sum().backward()
        yield y.detach().numpy(), None if x.grad is None else x.grad.numpy()


@needs_torch
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(("name", "options"), CASES, ids=[f"{n}-{i}" for i, (n, _) in enumerate(CASES)])
def test_as_torch(name, options, mask):
    (ours, gradient), (theirs, expected) = both(name, X, MASKS[mask], options)
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
    if expected is not None:
        np.testing.assert_allclose(gradient, expected, rtol=1e-10, atol=1e-12)


@needs_torch
@pytest.mark.parametrize("name", ["sum", "prod", "amax", "amin", "argmax", "cumsum", "var", "norm"])
@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool", "float32"])
def test_dtypes(name, dtype):
    array, options = (X * 3).astype(dtype), {"dim": 1}
    kinds = []
    for library, space in ((lucid, masked), (torch, torch.masked)):
        try:
            y = getattr(space, name)(library.tensor(array), mask=library.tensor(MASKS["row"]), **options)
            kinds.append((y.numpy().dtype, y.tolist()))
        except (RuntimeError, TypeError) as error:
            kinds.append(isinstance(error, NotImplementedError))
    assert kinds[0] == pytest.approx(kinds[1]) if isinstance(kinds[0], bool) else kinds[0][0] == kinds[1][0]


def test_two_masks():
    x, y = lucid.tensor([-100.0, -200.0, -300.0]), lucid.tensor([-1.0, -2.0, -3.0])
    mask = lucid.tensor([True, False, True])
    assert masked.logaddexp(x, y, input_mask=mask, other_mask=mask).tolist() == [-1.0, -np.inf, -3.0]  # torch's docs
    assert masked.logaddexp(x, y, other_mask=mask).tolist() == [-1.0, -200.0, -3.0]


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (IndexError, lambda x: masked.sum(x, 3)),
        (RuntimeError, lambda x: masked.sum(x, (0, 0))),
        (IndexError, lambda x: masked.amax(x, mask=lucid.ones(1, 2, 3, 4, dtype=lucid.bool))),
        (RuntimeError, lambda x: masked.amax(x, mask=lucid.ones(5, dtype=lucid.bool))),
        (ValueError, lambda x: masked.mean(x.long())),
        (ValueError, lambda x: masked.median(x.long(), 1, mask=lucid.zeros(4, dtype=lucid.bool))),
        (AssertionError, lambda x: masked.var(x, 0, True, correction=1)),
        (NotImplementedError, lambda x: masked.amax(x > 0, mask=x > 0)),
    ],
)
def test_bad_input(error, call):
    with pytest.raises(error):
        call(lucid.tensor(X))
