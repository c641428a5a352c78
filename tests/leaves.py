"""Leaves in either library, and the comparison of what came of them: for tests/test_autograd*.py."""

from reference import torch

X = [[0.3, -1.2, 2.0], [0.7, 0.1, -0.4]]
V = [[1.0, 0.5, -2.0], [0.2, -0.3, 0.9]]


def leaf(m, data=None):
    return m.tensor(X if data is None else data, dtype=m.float64, requires_grad=True)


def close(a, b, tol=1e-9):
    if isinstance(a, (tuple, list)):
        assert len(a) == len(b)
        for p, q in zip(a, b, strict=True):
            close(p, q, tol)
    elif a is None:
        assert b is None
    else:
        assert tuple(a.shape) == tuple(b.shape)
        assert torch.allclose(torch.tensor(a.tolist(), dtype=torch.float64), b.double(), rtol=tol, atol=tol)
