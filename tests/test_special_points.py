"""First and second derivatives at ties, kinks, zeros, infinities and NaN: PyTorch's, or those docs/autograd.md defends."""

import math

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F

NAN, INF = math.nan, math.inf

CASES = {  # function: (inputs, first derivatives of the sum, second derivatives of the sum, or None)
    "elu": (F.elu, [[0.0, -0.0]], [[1, 1]], [[0, 0]]),
    "selu": (F.selu, [[0.0]], [[1.0507009873554805 * 1.6732632423543772]], [[0]]),
    "hardtanh": (F.hardtanh, [[NAN, -1.0, 1.0, 0.5]], [[0, 0, 0, 1]], None),
    "norm": (lucid.norm, [[0.0, 0.0, 2.0]], [[0, 0, 1]], [[0.5, 0.5, 0]]),
    "norm of zeros": (lucid.norm, [[0.0, 0.0]], [[0, 0]], None),
    "median of ties": (lucid.median, [[0.0, 0.0, 2.0, 0.0]], [[1 / 3, 1 / 3, 0, 1 / 3]], None),
    "median of infinities": (lucid.median, [[INF, 1.0, INF]], [[0.5, 0, 0.5]], None),
    "nanmedian": (lucid.nanmedian, [[NAN, 1.0, 2.0, 1.0]], [[0, 0.5, 0, 0.5]], None),
    "atan2": (lucid.atan2, [[0.0], [0.0]], [[0], [0]], [[NAN], [NAN]]),
    "logaddexp": (lucid.logaddexp, [[INF, -INF, 1.0], [INF, -INF, INF]], [[NAN, 0.5, 0], [NAN, 0.5, 1]], None),
    "logcumsumexp": (lambda x: lucid.logcumsumexp(x, 0), [[INF, 1.0, INF]], [[NAN, 0, NAN]], None),
    "logcumsumexp of nothing": (lambda x: lucid.logcumsumexp(x, 0), [[-INF, -INF, 0.0]], [[0, 0, 1]], None),
    "remainder": (lucid.remainder, [[-1.0, 1.0, -7.0], [INF, INF, 2.0]], [[1] * 3, [1, 0, 4]], [[0] * 3, [0] * 3]),
    "fmod": (lucid.fmod, [[-7.0, 7.0], [2.0, NAN]], [[1, 1], [3, NAN]], [[0, 0], [0, 0]]),
    "pow": (lucid.pow, [[0.0, -0.0, 0.0, 0.0], [NAN, -1.0, -1.0, 2.0]], [[NAN, -INF, -INF, 0], [NAN, INF, -INF, 0]], None),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("create_graph", [False, True])
def test_derivatives_at_special_points(case, create_graph):
    f, inputs, first, second = CASES[case]
    xs = [lucid.tensor(x, dtype=lucid.float64, requires_grad=True) for x in inputs]
    with np.errstate(all="ignore"):
        slopes = lucid.autograd.grad(f(*xs).sum(), xs, create_graph=create_graph)
        for ours, expected in zip(slopes, first, strict=True):
            np.testing.assert_allclose(ours.detach().numpy(), expected, 1e-12)
        if create_graph and second is not None:
            total = sum((g.sum() for g in slopes if g.requires_grad), lucid.zeros((), dtype=lucid.float64))
            for ours, expected in zip(lucid.autograd.grad(total, xs), second, strict=True):
                np.testing.assert_allclose(ours.numpy(), expected, 1e-12)


def test_median_of_a_batch_shares_among_equals():
    x = lucid.tensor([[1.0, 1.0, 0.0, 3.0], [4.0, 2.0, 1.0, 3.0]])
    slopes = lucid.func.vmap(lucid.func.grad(lambda row: row.median()))(x)
    assert slopes.tolist() == [[0.5, 0.5, 0, 0], [0, 1, 0, 0]]
