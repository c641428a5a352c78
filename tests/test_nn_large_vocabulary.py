"""CTC, bags of embeddings, adaptive softmax and linear cross entropy against torch."""

import numpy as np
import pytest

import lucid
from lucid import nn
from lucid.backends import backend_of, composed_ctc
from lucid.nn import functional as F
from reference import needs_torch, torch
from test_nn_sequence import agree, pair, same_weights

pytestmark = needs_torch


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("lengths", [([6, 6, 6], [3, 2, 1]), ([6, 4, 5], [3, 0, 2]), ([3, 2, 6], [3, 3, 3])], ids=str)
def test_ctc_loss(reduction, joined, lengths):
    ins, outs = lengths
    x, tx = pair(6, 3, 5)
    targets = np.array([[1, 1, 2], [3, 4, 3], [2, 2, 2]])
    given = np.concatenate([row[:n] for row, n in zip(targets, outs, strict=True)]) if joined else targets
    options = {"reduction": reduction, "zero_infinity": True}
    ours = F.ctc_loss(lucid.log_softmax(x, 2), lucid.tensor(given), lucid.tensor(ins), lucid.tensor(outs), **options)
    theirs = torch.nn.functional.ctc_loss(
        torch.log_softmax(tx, 2), torch.tensor(given), torch.tensor(ins), torch.tensor(outs), **options
    )
    agree(ours, theirs, [x], [tx])


@needs_torch
def test_ctc_loss_gradient_of_a_leaf():
    """PyTorch's gradient by log-probabilities counts on the log_softmax before them; its own example makes them a leaf."""
    scores = np.random.default_rng(3).standard_normal((9, 3, 5)).astype("f4")
    grads = []
    for library in (lucid, torch):
        x = library.log_softmax(library.tensor(scores), 2).detach().requires_grad_()
        targets, ins, outs = library.tensor([[1, 2, 3], [2, 2, 2], [4, 0, 0]]), (9, 4, 6), (3, 3, 1)
        library.nn.functional.ctc_loss(x, targets, ins, outs, zero_infinity=True).backward()
        grads.append(x.grad.numpy())
    np.testing.assert_allclose(*grads, atol=1e-6)


def test_ctc_loss_other_blank_unbatched_and_impossible():
    x, tx = pair(5, 4)
    args = ([3, 1], (5,), (2,))
    ours = nn.CTCLoss(blank=2)(lucid.log_softmax(x, 1), lucid.tensor(args[0]), args[1], args[2])
    theirs = torch.nn.CTCLoss(blank=2)(torch.log_softmax(tx, 1), torch.tensor(args[0]), args[1], args[2])
    agree(ours, theirs, [x], [tx])
    impossible = F.ctc_loss(lucid.log_softmax(x, 1).unsqueeze(1)[:2], lucid.tensor([[1, 1]]), [2], [2])
    assert impossible.item() == float("inf")


def test_ctc_loss_in_every_order_and_direction():
    rng, targets = np.random.default_rng(0), lucid.tensor([[1, 1], [2, 3], [3, 0]])
    x, v = (lucid.tensor(rng.standard_normal((5, 3, 4))) for _ in range(2))

    def loss(x):
        return F.ctc_loss(lucid.log_softmax(x, 2), targets, [5, 4, 3], [2, 2, 1])

    assert lucid.autograd.gradgradcheck(loss, (x.requires_grad_(),))
    x = x.detach()
    slope, hessian = lucid.func.grad(loss)(x), lucid.func.hessian(loss)(x)
    np.testing.assert_allclose(lucid.func.jvp(loss, (x,), (v,))[1].numpy(), (slope * v).sum().numpy())
    np.testing.assert_allclose(hessian.numpy(), hessian.permute(3, 4, 5, 0, 1, 2).numpy(), atol=1e-12)
    both = lucid.func.vmap(lucid.func.grad(loss))(lucid.stack([x, v]))
    np.testing.assert_allclose(both.numpy(), np.stack([slope.numpy(), lucid.func.grad(loss)(v).numpy()]), atol=1e-12)


def test_ctc_steps_are_those_of_other_kernels():
    rng, table = np.random.default_rng(0), backend_of(np.zeros(1)).table
    scores, g, jumps = rng.standard_normal((4, 2, 7)), rng.standard_normal((4, 2, 7)), np.zeros((2, 7), bool)
    jumps[0, 3:] = True
    alpha = table.ctc_alpha(scores, jumps)
    np.testing.assert_allclose(alpha, composed_ctc.ctc_alpha(table, scores, jumps))
    g[alpha < -1e20] = 0
    found = table.ctc_alpha_grad(g, alpha, jumps)
    np.testing.assert_allclose(found, composed_ctc.ctc_alpha_grad(table, g, alpha, jumps), atol=1e-12)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding", [None, 2])
def test_embedding_bag(mode, padding):
    w, tw = pair(7, 3)
    index, offsets = [1, 2, 2, 4, 5, 4, 6], [0, 3, 3, 5]
    agree(
        F.embedding_bag(lucid.tensor(index), w, lucid.tensor(offsets), mode=mode, padding_idx=padding),
        torch.nn.functional.embedding_bag(torch.tensor(index), tw, torch.tensor(offsets), mode=mode, padding_idx=padding),
        [w], [tw],
    )  # fmt: skip
    square = [[1, 2, 3], [4, 4, 2]]
    agree(
        F.embedding_bag(lucid.tensor(square), w.detach(), mode=mode).requires_grad_(),
        torch.nn.functional.embedding_bag(torch.tensor(square), tw.detach(), mode=mode).requires_grad_(),
    )
    assert repr(nn.EmbeddingBag(7, 3, mode=mode, padding_idx=padding)) == repr(
        torch.nn.EmbeddingBag(7, 3, mode=mode, padding_idx=padding)
    )


def test_embedding_bag_weights_and_last_offset():
    (w, tw), (s, ts) = pair(7, 3), pair(5)
    index, offsets = [1, 2, 2, 4, 5], [0, 2, 5]
    options = {"mode": "sum", "include_last_offset": True}
    agree(
        F.embedding_bag(lucid.tensor(index), w, lucid.tensor(offsets), per_sample_weights=s, **options),
        torch.nn.functional.embedding_bag(torch.tensor(index), tw, torch.tensor(offsets), per_sample_weights=ts, **options),
        [w, s], [tw, ts],
    )  # fmt: skip
    with pytest.raises(NotImplementedError):
        F.embedding_bag(lucid.tensor([[1]]), w, per_sample_weights=lucid.ones(1, 1), mode="max")
    with pytest.raises(ValueError, match="offsets"):
        F.embedding_bag(lucid.tensor([1]), w)
    with pytest.raises(RuntimeError):
        F.embedding_bag(lucid.tensor([[9]]), w)


@pytest.mark.parametrize("bias", [False, True])
def test_adaptive_softmax(bias):
    ours = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10], 2.0, bias)
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10], 2.0, bias)
    same_weights(ours, theirs)
    x, tx = pair(6, 8)
    target = [0, 7, 19, 4, 5, 12]
    agree(
        tuple(ours(x, lucid.tensor(target))),
        tuple(theirs(tx, torch.tensor(target))),
        [x, *ours.parameters()],
        [tx, *theirs.parameters()],
    )
    agree(ours.log_prob(x.detach()), theirs.log_prob(tx.detach()))
    assert ours.predict(x.detach()).tolist() == theirs.predict(tx.detach()).tolist()
    with pytest.raises(RuntimeError, match="Target values"):
        ours(x, lucid.tensor([20] * 6))
    with pytest.raises(ValueError, match="cutoffs"):
        nn.AdaptiveLogSoftmaxWithLoss(8, 20, [10, 5])


@pytest.mark.parametrize(
    "options", [{}, {"bias": True, "label_smoothing": 0.1}, {"reduction": "sum", "ignore_index": 1}], ids=str
)
def test_linear_cross_entropy(options):
    ours, theirs = (
        nn.LinearCrossEntropyLoss(4, 5, **options),
        torch.nn.LinearCrossEntropyLoss(4, 5, **options, options=None),
    )
    theirs.double(), ours.double()
    ours.load_state_dict({k: lucid.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    x, tx = pair(3, 4)
    agree(
        ours(x, lucid.tensor([0, 1, 4])),
        theirs(tx, torch.tensor([0, 1, 4])),
        [x, *ours.parameters()],
        [tx, *theirs.parameters()],
    )
