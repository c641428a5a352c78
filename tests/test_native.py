"""Functions with the order of arguments of PyTorch's C++: ``torch.batch_norm``, ``torch.native_layer_norm``."""

from __future__ import annotations

import pytest

import lucid
from reference import needs_torch, torch

CALLS = {
    "batch_norm": lambda t, x, w, b, m, v: (t.batch_norm(x, w, b, m, v, True, 0.1, 1e-5, True), m, v),
    "batch_norm in evaluation": lambda t, x, w, b, m, v: t.batch_norm(x, w, b, m, v, False, 0.1, 1e-5, True),
    "instance_norm": lambda t, x, w, b, m, v: t.instance_norm(x, w, b, None, None, True, 0.1, 1e-5, True),
    "layer_norm": lambda t, x, w, b, m, v: t.layer_norm(x, [4], None, None, 1e-5, True),
    "group_norm": lambda t, x, w, b, m, v: t.group_norm(x, 3, w, b, 1e-5, True),
    "embedding": lambda t, x, w, b, m, v: t.embedding(x[0], t.tensor([0, 2]), -1, False, False),
    "native_layer_norm": lambda t, x, w, b, m, v: t.native_layer_norm(x, [3, 4], None, None, 1e-5),
    "native_group_norm": lambda t, x, w, b, m, v: t.native_group_norm(x, w, b, 2, 3, 4, 3, 1e-5),
    "native_batch_norm": lambda t, x, w, b, m, v: (*t.native_batch_norm(x, w, b, m, v, True, 0.1, 1e-5), m, v),
    "native_dropout of none": lambda t, x, w, b, m, v: t.native_dropout(x, 0.0, True),
    "native_dropout of all": lambda t, x, w, b, m, v: t.native_dropout(x, 1.0, True),
    "native_dropout in evaluation": lambda t, x, w, b, m, v: t.native_dropout(x, 0.5, False),
    "grid_sampler": lambda t, x, w, b, m, v: [
        t.grid_sampler(x[None], x[None, :, :, :2] / 7, mode, padding, align)
        for mode in range(3)
        for padding in range(3)
        for align in (True, False)
    ],
}


def _answers(t, call):
    x = t.arange(24.0).reshape(2, 3, 4) % 7
    found = call(t, x, t.tensor([1.0, 2.0, 3.0]), t.tensor([0.5, 0.0, 1.0]), t.zeros(3), t.ones(3))
    return found if isinstance(found, tuple | list) else (found,)


@needs_torch
@pytest.mark.parametrize("name", CALLS)
def test_like_torch(name):
    ours, theirs = _answers(lucid, CALLS[name]), _answers(torch, CALLS[name])
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert tuple(a.shape) == tuple(b.shape)
        lucid.testing.assert_close(a, lucid.tensor(b.tolist(), dtype=a.dtype).reshape(a.shape))
