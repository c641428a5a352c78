"""Functions with the order of arguments of PyTorch's C++: ``torch.batch_norm``, ``torch.native_layer_norm``."""

from __future__ import annotations

import pickle

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
    "affine_grid_generator": lambda t, x, w, b, m, v: t.affine_grid_generator(x[:, :2, :3], [2, 1, 2, 2], False),
    "adaptive_max_pool1d": lambda t, x, w, b, m, v: t.adaptive_max_pool1d(x, 2),
    "feature_dropout": lambda t, x, w, b, m, v: t.feature_dropout(x, 1.0, True),
    "dropout": lambda t, x, w, b, m, v: [
        t.dropout(x, 1.0, True),
        t.alpha_dropout(x, 0.5, False),
        t.dropout(x, p=1.0, train=True),
    ],
    "hinge_embedding_loss": lambda t, x, w, b, m, v: [
        *(t.hinge_embedding_loss(x, t.ones_like(x) * -1, 4.5, r) for r in (0, 1, 2, 3)),
        t.hinge_embedding_loss(x, t.ones_like(x)),
    ],
    "kl_div": lambda t, x, w, b, m, v: [t.kl_div(x, x, 2), t.kl_div(x, x / 7, log_target=True)],
    "cosine_embedding_loss": lambda t, x, w, b, m, v: t.cosine_embedding_loss(
        x[0], x[1], t.tensor([1.0, -1.0, 1.0]), 0.1, 2
    ),
    "margin_ranking_loss": lambda t, x, w, b, m, v: t.margin_ranking_loss(x[0], x[1], t.ones_like(x[0]), 0.3, 0),
    "triplet_margin_loss": lambda t, x, w, b, m, v: t.triplet_margin_loss(x[0], x[1], x[0] + 1, 1.0, 2, 1e-6, True, 2),
    "poisson_nll_loss": lambda t, x, w, b, m, v: t.poisson_nll_loss(x, x + 1, True, True, 1e-8, 2),
    "binary_cross_entropy_with_logits": lambda t, x, w, b, m, v: [
        t.binary_cross_entropy_with_logits(x, x / 7, None, x, 2),
        t.binary_cross_entropy_with_logits(x, x / 7, x),
    ],
    "ctc_loss": lambda t, x, w, b, m, v: [
        t.ctc_loss(x.log_softmax(-1), t.tensor([[1, 2], [2, 1], [1, 3]]), [2] * 3, [2, 1, 2], 0, r, True)
        for r in (0, 2)
    ],
    "celu, selu, rrelu": lambda t, x, w, b, m, v: [t.celu(x - 3, 2.0), t.selu(x - 3), t.rrelu(x - 3, 0.1, 0.3)],
    "embedding_bag": lambda t, x, w, b, m, v: [
        found
        for mode, pad in ((1, None), (2, None), (1, -1), (2, 1))
        for found in t.embedding_bag(
            x[0], t.tensor([0, 1, 2, 1]), t.tensor([0, 3]), False, mode, False, None, False, pad
        )
    ],
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


@pytest.mark.parametrize(
    "call",
    [
        lambda t, x: t.dropout(x),
        lambda t, x: t.dropout(x, 0.5, training=False),
        lambda t, x: t.kl_div(x, x, reduction="sum"),
        lambda t, x: t.kl_div(x, x, None, None, "sum"),
        lambda t, x: t.celu(x, 1.0, True),
    ],
)
def test_what_cpp_does_not_take(call):
    with pytest.raises(TypeError):
        call(lucid, lucid.ones(3))


@pytest.mark.parametrize("name", ["kl_div", "dropout", "batch_norm", "embedding_bag"])
def test_they_pickle(name):
    assert pickle.loads(pickle.dumps(getattr(lucid, name))) is getattr(lucid, name)
