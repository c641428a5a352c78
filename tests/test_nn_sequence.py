"""Recurrent layers, attention and Transformers against torch: outputs, gradients, options, packed sequences."""

import itertools

import numpy as np
import pytest

import lucid
from lucid import nn
from lucid.nn import functional as F
from lucid.nn.utils import rnn as U
from reference import needs_torch, torch

pytestmark = needs_torch
RNG = np.random.default_rng(0)


def pair(*shape):
    a = RNG.standard_normal(shape)
    return lucid.tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)


def same_weights(ours, theirs):
    theirs.double()
    ours.double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({k: lucid.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    assert repr(ours).replace("NonDynamicallyQuantizableLinear", "Linear") == repr(theirs).replace(
        "NonDynamicallyQuantizableLinear", "Linear"
    )


def flat(result):
    if result is None:
        return []
    if isinstance(result, U.PackedSequence) or (torch and isinstance(result, torch.nn.utils.rnn.PackedSequence)):
        return [result.data]
    if isinstance(result, tuple | list):
        return [t for part in result for t in flat(part)]
    return [result]


def agree(ours, theirs, our_leaves=(), their_leaves=(), tolerance=1e-9):
    ours, theirs = flat(ours), flat(theirs)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert tuple(a.shape) == tuple(b.shape)
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), tolerance, tolerance)
    sum((a * (i + 1)).sin().sum() for i, a in enumerate(ours)).backward()
    sum((b * (i + 1)).sin().sum() for i, b in enumerate(theirs)).backward()
    for a, b in zip(our_leaves, their_leaves, strict=True):
        assert (a.grad is None) == (b.grad is None)
        if b.grad is not None:
            np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), 1e-7, 1e-9)


RNN_OPTIONS = [
    {}, {"num_layers": 2}, {"bidirectional": True}, {"bias": False}, {"batch_first": True},
    {"num_layers": 2, "bidirectional": True, "batch_first": True},
]  # fmt: skip


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize(
    "options",
    [*RNN_OPTIONS, {"nonlinearity": "relu"}, {"proj_size": 3, "num_layers": 2, "bidirectional": True}],
    ids=str,
)
def test_recurrent_layers(kind, options):
    if ("nonlinearity" in options and kind != "RNN") or ("proj_size" in options and kind != "LSTM"):
        pytest.skip("not an option of this layer")
    ours, theirs = getattr(nn, kind)(4, 5, **options), getattr(torch.nn, kind)(4, 5, **options)
    same_weights(ours, theirs)
    x, tx = pair(3, 2, 4)
    agree(ours(x), theirs(tx), [x, *ours.parameters()], [tx, *theirs.parameters()])
    u, tu = pair(3, 4)
    agree(ours(u), theirs(tu))
    count = ours.num_layers * (2 if ours.bidirectional else 1)
    h, th = pair(count, 3 if options.get("batch_first") else 2, ours.proj_size or 5)
    c, tc = pair(count, 3 if options.get("batch_first") else 2, 5)
    state, their_state = ((h, c), (th, tc)) if kind == "LSTM" else (h, th)
    agree(ours(x.detach(), state), theirs(tx.detach(), their_state), [h], [th])


@pytest.mark.parametrize(("kind", "both"), list(itertools.product(["RNN", "LSTM", "GRU"], [False, True])))
def test_packed_sequences(kind, both):
    ours, theirs = getattr(nn, kind)(4, 5, 2, bidirectional=both), getattr(torch.nn, kind)(4, 5, 2, bidirectional=both)
    same_weights(ours, theirs)
    x, tx = pair(6, 4, 4)
    lengths = [2, 6, 3, 3]
    packed = U.pack_padded_sequence(x, lucid.tensor(lengths), enforce_sorted=False)
    their_packed = torch.nn.utils.rnn.pack_padded_sequence(tx, torch.tensor(lengths), enforce_sorted=False)
    assert packed.batch_sizes.tolist() == their_packed.batch_sizes.tolist()
    assert sorted(lengths[i] for i in packed.sorted_indices.tolist()) == sorted(lengths)
    out, state = ours(packed)
    their_out, their_state = theirs(their_packed)
    padded, n = U.pad_packed_sequence(out, total_length=7, padding_value=-1.0)
    their_padded, m = torch.nn.utils.rnn.pad_packed_sequence(their_out, total_length=7, padding_value=-1.0)
    assert n.tolist() == m.tolist() == lengths
    agree((padded, state), (their_padded, their_state), [x, *ours.parameters()], [tx, *theirs.parameters()])


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
@pytest.mark.parametrize("bias", [True, False])
def test_cells(kind, bias):
    ours, theirs = getattr(nn, kind)(4, 5, bias), getattr(torch.nn, kind)(4, 5, bias)
    same_weights(ours, theirs)
    (x, tx), (u, tu) = pair(2, 4), pair(4)
    agree(ours(x), theirs(tx), [x, *ours.parameters()], [tx, *theirs.parameters()])
    state, their_state = ours(x.detach()), theirs(tx.detach())
    agree(ours(x.detach(), state), theirs(tx.detach(), their_state))
    agree(ours(u), theirs(tu))


def test_second_order_through_the_cells():
    for cell, count in ((nn.LSTMCell(2, 3), 2), (nn.GRUCell(2, 3), 1)):
        cell.double()

        def f(x, h, cell=cell, count=count):
            out = cell(x, (h, h * 2)) if count == 2 else cell(x, h)
            return sum(o.sum() for o in flat(out))

        x, h = pair(2, 2)[0], pair(2, 3)[0]
        assert lucid.autograd.gradcheck(f, (x, h)) and lucid.autograd.gradgradcheck(f, (x, h))


@pytest.mark.parametrize("case", ["plain", "bool", "float", "causal", "broadcast", "gqa", "scale", "row of nothing"])
def test_scaled_dot_product_attention(case):
    heads = 2 if case == "gqa" else 4
    (q, tq), (k, tk), (v, tv) = pair(2, 4, 3, 8), pair(2, heads, 5, 8), pair(2, heads, 5, 6)
    options, theirs = {}, {}
    mask = RNG.standard_normal((3, 5))
    if case in ("bool", "row of nothing"):
        chosen = mask > 0
        chosen[:, 0] = True
        if case == "row of nothing":
            chosen[1] = False
        options["attn_mask"], theirs["attn_mask"] = lucid.tensor(chosen), torch.tensor(chosen)
    elif case in ("float", "broadcast"):
        mask = mask if case == "float" else RNG.standard_normal((2, 1, 1, 5))
        options["attn_mask"], theirs["attn_mask"] = (
            lucid.tensor(mask, requires_grad=True),
            torch.tensor(mask, requires_grad=True),
        )
    elif case == "causal":
        options = theirs = {"is_causal": True}
    elif case == "gqa":
        options = theirs = {"enable_gqa": True}
    elif case == "scale":
        options = theirs = {"scale": 0.3}
    extra = [m for m in options.values() if isinstance(m, lucid.Tensor) and m.requires_grad]
    their_extra = [m for m in theirs.values() if isinstance(m, torch.Tensor) and m.requires_grad]
    agree(F.scaled_dot_product_attention(q, k, v, **options), torch.nn.functional.scaled_dot_product_attention(tq, tk, tv, **theirs),
          [q, k, v, *extra], [tq, tk, tv, *their_extra])  # fmt: skip


def test_attention_keeps_no_score_matrix_and_has_second_derivatives():
    q = lucid.randn(1, 200, 4, requires_grad=True)
    out = F.scaled_dot_product_attention(q, q, q)
    assert all(getattr(v, "size", 0) <= 800 for v in out.grad_fn.saved)
    x = pair(3, 4)[0]
    f = lambda a: F.scaled_dot_product_attention(a, a * 2, a + 1, is_causal=True)  # noqa: E731
    assert lucid.autograd.gradcheck(f, (x,)) and lucid.autograd.gradgradcheck(f, (x,))


@pytest.mark.parametrize(
    "mask", [None, "causal", "bool", (70, 50), (1, 50), (70, 1), (3, 70, 50), (2, 1, 70, 50), (2, 3, 1, 1)], ids=str
)
@pytest.mark.parametrize("heads", [3, 1])
def test_attention_in_blocks_is_attention(mask, heads, monkeypatch):
    from lucid.backends import numpy_attention

    monkeypatch.setattr(numpy_attention, "LARGEST", 1000)  # blocks of 20 rows
    (q, tq), (k, tk), (v, tv) = pair(2, 3, 70, 4), pair(2, heads, 50, 4), pair(2, heads, 50, 6)
    options, theirs, extra, their_extra = {}, {}, [], []
    if mask == "causal":
        options = theirs = {"is_causal": True}
    elif mask == "bool":
        chosen = RNG.random((70, 50)) < 0.5
        chosen[:, 30:] = False  # columns that no row looks at
        chosen[5:60] = False  # blocks of rows that look at nothing
        options, theirs = {"attn_mask": lucid.tensor(chosen)}, {"attn_mask": torch.tensor(chosen)}
    elif mask is not None:
        (m, tm) = pair(*mask)
        options, theirs, extra, their_extra = {"attn_mask": m}, {"attn_mask": tm}, [m], [tm]
    agree(F.scaled_dot_product_attention(q, k, v, **options), torch.nn.functional.scaled_dot_product_attention(tq, tk, tv, **theirs),
          [q, k, v, *extra], [tq, tk, tv, *their_extra])  # fmt: skip


def test_attention_backward_needs_no_score_matrix():
    """The peak of forward and backward together, above what is there, is a fraction of one score matrix of 2048 positions."""
    import tracemalloc

    q, k, v = (lucid.randn(1, 4, 2048, 16, requires_grad=True) for _ in range(3))
    tracemalloc.start()
    try:
        F.scaled_dot_product_attention(q, k, v).sum().backward()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * 2048 * 2048 * 4 / 4


@pytest.mark.parametrize("way", ["MATH", "EFFICIENT_ATTENTION"])
def test_sdpa_kernel(way):
    """The ways agree, in masks too; MATH keeps the weights, the others compute them again."""
    from lucid.nn.attention import SDPBackend, sdpa_kernel
    from lucid.nn.attention.bias import causal_lower_right, causal_upper_left

    (q, tq), (k, tk), (v, tv) = pair(2, 3, 5, 4), pair(2, 3, 7, 4), pair(2, 3, 7, 4)
    for bias, diagonal in ((causal_lower_right, 2), (causal_upper_left, 0)):
        mask = bias(5, 7)
        expected = torch.ones(5, 7, dtype=torch.bool).tril(diagonal)
        assert np.array_equal(mask, expected)
        with sdpa_kernel(SDPBackend[way]):
            found = F.scaled_dot_product_attention(q, k, v, mask)
        agree(found, torch.nn.functional.scaled_dot_product_attention(tq, tk, tv, expected), [q, k, v], [tq, tk, tv])
        for t in (q, k, v, tq, tk, tv):
            t.grad = None
    nothing = lucid.zeros(5, 7, dtype=bool)
    with sdpa_kernel([SDPBackend[way]], set_priority=True):
        out = F.scaled_dot_product_attention(q, k, v, nothing)
        out.sum().backward()
        assert not out.any() and not q.grad.any()
        kept = F.scaled_dot_product_attention(q, k, v).grad_fn.name() != "ScaledDotProductAttentionBackward0"
        assert kept == (way == "MATH")
    with sdpa_kernel([]), pytest.raises(RuntimeError, match="No available kernel"):
        F.scaled_dot_product_attention(q, k, v)
    with pytest.raises(AssertionError, match="SDPBackend"), sdpa_kernel("math"):
        pass


MHA = [
    {},
    {"bias": False},
    {"add_bias_kv": True},
    {"add_zero_attn": True},
    {"batch_first": True},
    {"kdim": 6, "vdim": 10},
]


@pytest.mark.parametrize("options", MHA, ids=str)
@pytest.mark.parametrize("call", [{}, {"need_weights": False}, {"average_attn_weights": False}], ids=str)
def test_multihead_attention(options, call):
    ours, theirs = nn.MultiheadAttention(8, 2, **options), torch.nn.MultiheadAttention(8, 2, **options)
    same_weights(ours, theirs)
    (q, tq), (k, tk), (v, tv) = pair(3, 3, 8), pair(3, 3, options.get("kdim", 8)), pair(3, 3, options.get("vdim", 8))
    agree(
        ours(q, k, v, **call),
        theirs(tq, tk, tv, **call),
        [q, k, v, *ours.parameters()],
        [tq, tk, tv, *theirs.parameters()],
    )
    padding, mask = np.array([[False, True, False]] * 3), np.triu(np.ones((3, 3), bool), 1)
    agree(ours(q, k, v, key_padding_mask=lucid.tensor(padding), attn_mask=lucid.tensor(mask), **call),
          theirs(tq, tk, tv, key_padding_mask=torch.tensor(padding), attn_mask=torch.tensor(mask), **call))  # fmt: skip
    agree(ours(q[:, 0], k[:, 0], v[:, 0], **call), theirs(tq[:, 0], tk[:, 0], tv[:, 0], **call))


@pytest.mark.parametrize(
    "options", [{}, {"norm_first": True}, {"activation": "gelu", "batch_first": True}, {"bias": False}], ids=str
)
def test_transformer(options):
    sizes = {
        "d_model": 8,
        "nhead": 2,
        "num_encoder_layers": 2,
        "num_decoder_layers": 2,
        "dim_feedforward": 12,
        "dropout": 0.0,
    }
    ours, theirs = nn.Transformer(**sizes, **options), torch.nn.Transformer(**sizes, **options)
    same_weights(ours, theirs)
    (s, ts), (t, tt) = pair(3, 3, 8), pair(3, 3, 8)
    mask, their_mask = (
        nn.Transformer.generate_square_subsequent_mask(3).double(),
        torch.nn.Transformer.generate_square_subsequent_mask(3).double(),
    )
    padding = np.array([[0.0, 0.0, -np.inf]] * 3)
    agree(ours(s, t, tgt_mask=mask, src_key_padding_mask=lucid.tensor(padding), tgt_is_causal=True),
          theirs(ts, tt, tgt_mask=their_mask, src_key_padding_mask=torch.tensor(padding), tgt_is_causal=True),
          [s, t, *ours.parameters()], [ts, tt, *theirs.parameters()])  # fmt: skip
    ours.eval(), theirs.eval()
    agree(ours(s[:, 0], t[:, 0]), theirs(ts[:, 0], tt[:, 0]))


BAD = [
    (lambda: nn.LSTM(3, 0), ValueError),
    (lambda: nn.GRU(3, 4, proj_size=2), ValueError),
    (lambda: nn.RNN(3, 4, nonlinearity="sin"), ValueError),
    (lambda: nn.LSTM(3, 4, dropout=2), ValueError),
    (lambda: nn.LSTM(3, 4)(lucid.ones(5, 2, 4)), RuntimeError),
    (lambda: nn.LSTM(3, 4)(lucid.ones(3)), ValueError),
    (lambda: nn.GRU(3, 4)(lucid.ones(5, 2, 3), lucid.ones(1, 3, 4)), RuntimeError),
    (lambda: nn.GRUCell(3, 4)(lucid.ones(2, 3), lucid.ones(3, 4)), RuntimeError),
    (lambda: nn.MultiheadAttention(8, 3), AssertionError),
    (lambda: nn.MultiheadAttention(8, 2)(*[lucid.ones(3, 2, 8)] * 3, attn_mask=lucid.ones(2, 2)), RuntimeError),
    (lambda: F.scaled_dot_product_attention(lucid.ones(3, 4), lucid.ones(3, 5), lucid.ones(3, 5)), RuntimeError),
    (
        lambda: F.scaled_dot_product_attention(*[lucid.ones(3, 4)] * 3, attn_mask=lucid.ones(3, 3), is_causal=True),
        RuntimeError,
    ),
    (lambda: nn.Transformer(8, 2, 1, 1, 8)(lucid.ones(3, 2, 8), lucid.ones(3, 3, 8)), RuntimeError),
    (lambda: nn.TransformerEncoderLayer(8, 2, activation="sin"), RuntimeError),
    (lambda: U.pack_padded_sequence(lucid.ones(3, 2), [1, 3]), RuntimeError),
    (lambda: U.pack_padded_sequence(lucid.ones(3, 2), [0, 0]), RuntimeError),
]


@pytest.mark.parametrize(("action", "kind"), BAD, ids=range(len(BAD)))
def test_bad_input(action, kind):
    with pytest.raises(kind):
        action()
