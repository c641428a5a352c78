"""Attention without the weights kept: dropout drawn as bits, held as bits."""

import importlib
import math
import tracemalloc

import numpy as np
import pytest

import lucid
from reference import needs_torch, torch

F = lucid.nn.functional


def plainly(q, k, v, mask, p, causal=False):
    """The same from single operations, with the same random numbers."""
    scores = q @ k.mT * (1 / math.sqrt(q.shape[-1]))
    if causal:
        mask = lucid.ones(*scores.shape[-2:], dtype=bool).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype is lucid.bool else scores + mask
    weights = lucid.softmax(scores, -1)
    return weights * (lucid.rand(*weights.shape) >= p) / (1 - p) @ v


CASES = {
    "one head": ((1, 4), {}),
    "heads": ((2, 3, 5, 4), {}),
    "causal": ((2, 5, 4), {"is_causal": True}),
    "boolean mask": ((2, 5, 4), {"attn_mask": np.tri(5, k=1, dtype=bool)}),
    "added mask": ((2, 5, 4), {"attn_mask": np.linspace(-1, 1, 25).reshape(5, 5)}),
    "in blocks": ((2, 600, 8), {"is_causal": True}),
}


@pytest.mark.parametrize("name", CASES)
def test_dropout_is_that_of_the_weights(name):
    shape, options = CASES[name]
    rng = np.random.default_rng(0)
    inputs = [lucid.tensor(rng.standard_normal(shape), requires_grad=True) for _ in range(3)]
    mask = options.get("attn_mask")
    if mask is not None:
        mask = lucid.tensor(mask, requires_grad=mask.dtype == float)
        options = {"attn_mask": mask}
        inputs += [mask] * mask.requires_grad
    found = []
    for attend in (
        lambda: F.scaled_dot_product_attention(*inputs[:3], dropout_p=0.3, **options),
        lambda: plainly(*inputs[:3], mask, 0.3, "is_causal" in options),
    ):
        lucid.manual_seed(1)
        out = attend()
        small = math.prod(shape) < 200
        grads = lucid.autograd.grad(out.square().sum(), inputs, create_graph=small)
        second = lucid.autograd.grad(sum(g.square().sum() for g in grads), inputs) if small else ()
        found.append([t.detach().numpy() for t in (out, *grads, *second)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


def test_dropout_keeps_bits_for_backward():
    q = lucid.ones(1, 1024, 8, requires_grad=True)
    F.scaled_dot_product_attention(q, q, q, dropout_p=0.1)  # what is made once
    tracemalloc.start()
    out = F.scaled_dot_product_attention(q, q, q, dropout_p=0.1)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert 1024 * 1024 / 8 < held < 1024 * 1024  # of one weight's four bytes, an eighth of one
    out.sum().backward()
    assert q.grad is not None


def test_dropout_of_all_and_of_nothing():
    q = lucid.randn(2, 3, 4)
    assert (F.scaled_dot_product_attention(q, q, q, dropout_p=1.0) == 0).all()
    assert F.scaled_dot_product_attention(q[:0], q[:0], q[:0], dropout_p=0.5).shape == (0, 3, 4)
    assert F.scaled_dot_product_attention(q.half(), q.half(), q.half(), dropout_p=0.5).dtype is lucid.float16
    mean = sum(F.scaled_dot_product_attention(q, q, q, dropout_p=0.5) for _ in range(4000)) / 4000
    np.testing.assert_allclose(mean, F.scaled_dot_product_attention(q, q, q), atol=0.1)
    with pytest.raises(RuntimeError, match="between 0 and 1"):
        F.scaled_dot_product_attention(q, q, q, dropout_p=1.5)


# ---- attention whose scores and mask are functions ----


def from_flex(lib, score, mask, inputs, **options):
    """``flex_attention`` of a library, with what it says of the rows."""
    flex = importlib.import_module(f"{lib.__name__}.nn.attention.flex_attention")
    bias, doc = lib.tensor(BIAS), lib.tensor(np.array([0, 0, 0, 1, 1, 1, 1, 2, 2, 2]))
    scores = {
        "plain": None,
        "relative": lambda s, b, h, i, j: s + bias[h, i - j + 9],
        "capped": lambda s, b, h, i, j: 10 * lib.tanh(s / 10) * (b + 1),
    }
    masks = {
        "all": None,
        "documents": lambda b, h, i, j: doc[i] == doc[j],
        "window": flex.and_masks(lambda b, h, i, j: i >= j, lambda b, h, i, j: i - j <= 3),
        "row without keys": lambda b, h, i, j: (i >= j) & (i != 3),
        "either": flex.or_masks(lambda b, h, i, j: i == j, lambda b, h, i, j: h > 1),
    }
    made = None
    if masks[mask] is not None:
        made = flex.create_block_mask(masks[mask], None, 4, 10, 10, device="cpu", BLOCK_SIZE=4)
    aux = flex.AuxRequest(lse=True)
    out, more = flex.flex_attention(*(lib.tensor(a) for a in inputs), scores[score], made, return_aux=aux, **options)
    lists = [] if made is None else [made.kv_num_blocks, made.kv_indices, made.full_kv_num_blocks, made.q_num_blocks, made.to_dense()]  # fmt: skip
    facts = () if made is None else (made.shape, made.sparsity(), made.numel(), made[0, 1].shape)
    return [out, more.lse, *lists], facts


BIAS = np.random.default_rng(3).standard_normal((4, 19))


@needs_torch
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mask", ["all", "documents", "window", "row without keys", "either"])
@pytest.mark.parametrize("score", ["plain", "relative", "capped"])
def test_flex_attention(score, mask):
    rng = np.random.default_rng(0)
    for heads, options in ((4, {}), (2, {"enable_gqa": True, "scale": 0.3})):
        inputs = [rng.standard_normal((2, h, 10, 8)) for h in (4, heads, heads)]
        found, expected = (from_flex(lib, score, mask, inputs, **options) for lib in (lucid, torch))
        assert found[1] == expected[1]
        for a, b in zip(found[0], expected[0], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


def test_flex_attention_has_gradients():
    """Of the inputs and of what the score function holds: as from plain operations."""
    from lucid.nn.attention.flex_attention import create_block_mask, flex_attention

    rng = np.random.default_rng(1)
    q, table = (
        lucid.tensor(rng.standard_normal((1, 4, 10, 8)), requires_grad=True),
        lucid.tensor(BIAS, requires_grad=True),
    )
    mask = create_block_mask(lambda b, h, i, j: i >= j, 1, 4, 10, 10)
    place = lucid.arange(10)
    bias = table[:, place[:, None] - place + 9].masked_fill(~lucid.ones(10, 10, dtype=bool).tril(), -math.inf)
    for got in zip(
        *(
            lucid.autograd.grad(out.square().sum(), (q, table))
            for out in (
                flex_attention(q, q, q, lambda s, b, h, i, j: s + table[h, i - j + 9], mask),
                F.scaled_dot_product_attention(q, q, q, bias),
            )
        ),
        strict=True,
    ):
        np.testing.assert_allclose(*got, rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match="block_mask"):
        flex_attention(q[:, :, :5], q, q, block_mask=mask)
    with pytest.raises(RuntimeError, match="sliced"):
        flex_attention(q, q, q, block_mask=mask[0])
    with pytest.raises(NotImplementedError, match="4D"):
        flex_attention(q[0], q[0], q[0])
    with pytest.raises(ValueError, match="enable_gqa"):
        flex_attention(q, q[:, :2], q[:, :2])


def test_sequences_of_different_lengths():
    from lucid.nn.attention.varlen import AuxRequest, varlen_attn, varlen_attn_out

    rng = np.random.default_rng(0)
    q, k, v = (lucid.tensor(rng.standard_normal((9, h, 4)), requires_grad=True) for h in (4, 2, 2))
    starts = lucid.tensor([0, 2, 5, 9], dtype=lucid.int32)
    for window in ((-1, -1), (-1, 0), (1, 0), (2, 1)):
        out, lse = varlen_attn(
            q, k, v, starts, starts, 4, 4, window_size=window, enable_gqa=True, return_aux=AuxRequest(True)
        )
        assert lse.shape == (9, 4)
        for a, b in ((0, 2), (2, 5), (5, 9)):
            place = lucid.arange(b - a)
            offset = place - place[:, None]
            mask = (offset >= -window[0] if window[0] >= 0 else offset == offset) & (
                offset <= window[1] if window[1] >= 0 else offset == offset
            )
            parts = (t[a:b].transpose(0, 1) for t in (q, k, v))
            alone = F.scaled_dot_product_attention(*parts, mask, enable_gqa=True).transpose(0, 1)
            np.testing.assert_allclose(out[a:b].detach(), alone.detach(), rtol=1e-9)
    out.sum().backward()
    assert k.grad.shape == k.shape
    into = lucid.zeros(9, 4, 4, dtype=lucid.float64)
    with lucid.no_grad():
        assert varlen_attn_out(into, q, k, v, starts, starts, 4, 4, enable_gqa=True) is into and into.abs().sum() > 0
        fewer = varlen_attn(q, k, v, starts, starts, 4, 4, enable_gqa=True, seqused_k=lucid.tensor([1, 3, 4]))
    np.testing.assert_allclose(fewer[0].reshape(2, 2, 4), v[0].unsqueeze(1).expand(2, 2, 4).detach())
    with pytest.raises(ValueError, match="enable_gqa"):
        varlen_attn(q, k, v, starts, starts, 4, 4)


# ---- products of groups ----

GROUPED = [((6, 16), (3, 16, 8), [2, 4, 6]), ((3, 6, 16), (3, 16, 8), None), ((16, 24), (24, 8), [8, 8, 24]), ((3, 6, 16), (16, 24), [8, 16, 24])]  # fmt: skip


@needs_torch
@pytest.mark.parametrize("a, b, ends", GROUPED)
def test_grouped_mm(a, b, ends):
    rng, found = np.random.default_rng(0), []
    arrays = [rng.standard_normal(s).astype(np.float32) for s in (a, b)]
    for lib in (lucid, torch):
        offs = None if ends is None else lib.tensor(ends, dtype=lib.int32)
        x, y = (lib.tensor(t).to(lib.bfloat16).requires_grad_() for t in arrays)
        out = lib.nn.functional.grouped_mm(x, y, offs=offs)
        out.float().square().sum().backward()
        assert str(out.dtype).endswith("bfloat16")
        found.append([t.detach().float().numpy() for t in (out, x.grad, y.grad)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0.03, atol=0.3)
    if ends:
        with pytest.raises(RuntimeError, match="int32"):
            F.grouped_mm(x_ := lucid.ones(*a), lucid.ones(*b), offs=lucid.tensor(ends))
        with pytest.raises(RuntimeError, match="offsets have to grow"):
            F.grouped_mm(x_, lucid.ones(*b), offs=lucid.tensor([99, *ends[1:]], dtype=lucid.int32))
    with pytest.raises(RuntimeError, match="contraction"):
        F.grouped_mm(lucid.ones(*a[:-1], 5), lucid.ones(*b), offs=None)


def test_grouped_mm_beyond_the_last_group():
    offs = lucid.tensor([1, 3], dtype=lucid.int32)
    out = F.grouped_mm(lucid.ones(5, 2), lucid.ones(2, 2, 3), offs=offs, bias=lucid.ones(3), out_dtype=lucid.float64)
    assert out.tolist() == [[3.0] * 3] * 3 + [[0.0] * 3] * 2 and out.dtype is lucid.float64
    assert F.grouped_mm(lucid.ones(2, 4, 2), lucid.ones(2, 5), offs=offs)[:, 3:].abs().sum() == 0


# ---- Lucid 2's layer ----


@pytest.mark.parametrize("separate", [True, False])
def test_lucid_2_attention_is_multihead_attention(separate):
    ours = lucid.nn.MultiHeadAttention(
        8, 2, use_separate_proj_weight=separate, add_bias_kv=True, add_zero_attn=True
    ).double()
    theirs = lucid.nn.MultiheadAttention(8, 2, batch_first=True, add_bias_kv=True, add_zero_attn=True).double()
    state = ours.state_dict()
    if separate:
        for kind in ("weight", "bias"):
            state[f"in_proj_{kind}"] = lucid.cat([state.pop(f"{p}_proj.{kind}") for p in "qkv"])
    theirs.load_state_dict(state)
    q, kv = lucid.randn(2, 3, 8, dtype=lucid.float64), lucid.randn(2, 5, 8, dtype=lucid.float64)
    padding = lucid.tensor([[False] * 5, [False, False, True, True, False]])
    mask = lucid.tensor(np.tri(3, 5, 1, dtype=bool))
    for options in ({}, {"key_padding_mask": padding}, {"attn_mask": mask, "key_padding_mask": padding}):
        turned = options | ({"attn_mask": ~mask} if "attn_mask" in options else {})
        np.testing.assert_allclose(
            ours(q, kv, kv, **options).detach(), theirs(q, kv, kv, need_weights=False, **turned)[0].detach(), rtol=1e-9
        )
    causal = ours(q, q, q, is_causal=True).detach()
    np.testing.assert_allclose(causal, ours(q, q, q, attn_mask=lucid.ones(3, 3, dtype=bool).tril()).detach())
    with pytest.raises(ValueError, match="divisible"):
        lucid.nn.MultiHeadAttention(8, 3)
    with pytest.raises(ValueError, match="kdim"):
        lucid.nn.MultiHeadAttention(8, 2, use_separate_proj_weight=False, kdim=4)


def test_lucid_2_attention_with_a_cache():
    layer, cache, x = lucid.nn.MultiHeadAttention(8, 2), lucid.nn.DynamicKVCache(), lucid.randn(1, 4, 8)
    whole = layer(x, x, x, is_causal=True)
    steps = [
        layer(x[:, [t]], x[:, [t]], x[:, [t]], is_causal=True, kv_cache=cache, use_cache=True, cache_layer_idx=0)
        for t in range(4)
    ]
    np.testing.assert_allclose(lucid.cat(steps, 1).detach(), whole.detach(), rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="kv_cache"):
        layer(x, x, x, use_cache=True)
