"""lucid.summary: counts as published, a tree, and a table up to the layer that fails."""

import pytest

import lucid
from lucid import nn


def lenet5():
    """LeCun et al., 1998, with full connections in C3: 156 + 2,416 + 48,120 + 10,164 + 850 = 61,706 parameters."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    )  # fmt: skip


class Block(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.relu = nn.ReLU()
        self.downsample = None
        if stride != 1 or c_in != c_out:
            self.downsample = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


def resnet18():
    sizes = [(64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)]
    stages = [nn.Sequential(Block(a, b, s), Block(b, b, 1)) for a, b, s in sizes]
    return nn.Sequential(
        nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1), *stages,
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000),
    )  # fmt: skip


class GPT2Layer(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.ln_1, self.c_attn, self.c_proj = nn.LayerNorm(n), nn.Linear(n, 3 * n), nn.Linear(n, n)
        self.ln_2, self.fc, self.proj = nn.LayerNorm(n), nn.Linear(n, 4 * n), nn.Linear(4 * n, n)

    def forward(self, x):
        q, k, v = (t.unflatten(-1, (12, -1)).transpose(1, 2) for t in self.c_attn(self.ln_1(x)).chunk(3, -1))
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(y.transpose(1, 2).flatten(2))
        return x + self.proj(nn.functional.gelu(self.fc(self.ln_2(x)), approximate="tanh"))


class GPT2(nn.Module):
    """GPT-2 small: 50,257 tokens, 1,024 positions, 12 layers of 768; the head shares the token table."""

    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(50257, 768), nn.Embedding(1024, 768)
        self.h = nn.ModuleList(GPT2Layer(768) for _ in range(12))
        self.ln_f, self.lm_head = nn.LayerNorm(768), nn.Linear(768, 50257, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe(lucid.arange(tokens.shape[1]))
        for layer in self.h:
            x = layer(x)
        return self.lm_head(self.ln_f(x))


class Bert(nn.Module):
    """BERT base."""

    def __init__(self):
        super().__init__()
        self.word, self.position, self.kind = nn.Embedding(30522, 768), nn.Embedding(512, 768), nn.Embedding(2, 768)
        self.norm = nn.LayerNorm(768)
        layer = nn.TransformerEncoderLayer(768, 12, 3072, activation="gelu", batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 12)
        self.pooler = nn.Linear(768, 768)

    def forward(self, tokens):
        x = self.word(tokens) + self.position(lucid.arange(tokens.shape[1])) + self.kind(tokens * 0)
        return self.pooler(self.layers(self.norm(x))[:, 0]).tanh()


def count(model):
    return sum(p.numel() for p in model.parameters())


def test_published_parameter_counts():
    """ResNet-18: `num_params` of ResNet18_Weights in torchvision/models/resnet.py. GPT-2 small and BERT base: what
    `gpt2` (the head shares the token table) and `bert-base-uncased` have in Hugging Face's transformers."""
    from lucid.nn import init

    with init.skipped():  # only sizes matter here
        assert count(lenet5()) == 61_706
        assert count(resnet18()) == 11_689_512
        assert count(GPT2()) == 124_439_808
        assert count(Bert()) == 109_482_240


def test_lenet():
    s = lucid.summary(lenet5(), (1, 1, 28, 28))
    assert s.total_params == s.trainable_params == 61_706
    products = 6 * 25 * 28 * 28 + 16 * 150 * 100 + 400 * 120 + 120 * 84 + 84 * 10
    assert s.total_multiply_adds == products
    assert [r.output for r in s.rows[:3]] == ["[1, 10]", "[1, 6, 28, 28]", "[1, 6, 28, 28]"]
    assert s.rows[0].multiply_adds == products and s.rows[1].params == 156 and s.input_bytes == 28 * 28 * 4
    floats = 2 * 6 * 28 * 28 + 6 * 14 * 14 + 2 * 16 * 100 + 400 + 400 + 2 * 120 + 2 * 84 + 10
    assert s.activation_bytes == 4 * floats
    text = str(s)
    assert "├─ 0: Conv2d" in text and "└─ 11: Linear" in text and "61,706" in text


def test_resnet_multiply_adds():
    from lucid.nn import init

    with init.skipped():
        model = resnet18()
    s = lucid.summary(model, (1, 3, 224, 224), depth=1)
    assert s.total_multiply_adds == 1_814_073_344  # 1.8 billion, He et al., 2015, table 1; 1.814 in torchvision's _ops
    assert max(r.depth for r in s.rows) == 1


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the weights are whatever memory held
def test_bert_multiply_adds():
    """The matrix products of `get_block_flops` in google-research/electra, flops_computation.py (commit 62e478a; Clark et
    al., 2020), for 12 blocks of 768 at 128 tokens, two operations for a multiply-add; and the pooler, on one token."""
    from lucid.nn import init

    with init.skipped():
        model = Bert()
    s = lucid.summary(model, (1, 128), dtypes=lucid.int64)
    h, length = 768, 128
    kqv, attn_output, intermediate, output = 3 * 2 * h * h, 2 * h * h, 2 * h * 4 * h, 2 * h * 4 * h
    attention_scores = attention_weighted_avg_values = 2 * h * length
    block = kqv + attention_scores + attention_weighted_avg_values + attn_output + intermediate + output
    assert 12 * block * length == 22_347_251_712
    assert 2 * s.total_multiply_adds == 12 * block * length + 2 * h * h


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("tokens", [32, pytest.param(1024, marks=pytest.mark.slow)])
def test_gpt2_multiply_adds(tokens):
    """291,648,307,200 operations for 1,024 tokens: nanoGPT, transformer_sizing.ipynb; two for a multiply-add."""
    from lucid.nn import init

    with init.skipped():
        model = GPT2()
    s = lucid.summary(model, (1, tokens), dtypes=lucid.int64, depth=1)
    linear, scores, head = 12 * 12 * 768**2, 12 * 2 * tokens * 768, 50257 * 768
    assert s.total_multiply_adds == tokens * (linear + scores + head)
    assert tokens != 1024 or 2 * s.total_multiply_adds == 291_648_307_200


RECURRENT = [
    (nn.RNN, {}, 4 * 3 + 4 * 4),
    (nn.GRU, {}, 3 * (4 * 3 + 4 * 4)),
    (nn.LSTM, {}, 4 * (4 * 3 + 4 * 4)),
    (nn.LSTM, {"proj_size": 2}, 16 * 3 + 16 * 2 + 2 * 4),
    (nn.LSTM, {"num_layers": 2, "bidirectional": True}, 2 * (16 * 3 + 16 * 4) + 2 * (16 * 8 + 16 * 4)),
]


@pytest.mark.parametrize("kind, options, each", RECURRENT, ids=lambda v: getattr(v, "__name__", str(v)))
def test_recurrent_products(kind, options, each):
    """Per step and sequence: a product with every weight."""
    s = lucid.summary(kind(3, 4, **options), (5, 2, 3))
    assert s.total_multiply_adds == 5 * 2 * each
    weights = sum(p.numel() for name, p in kind(3, 4, **options).named_parameters() if name.startswith("weight"))
    assert each == weights
    assert s.rows[0].output.startswith("[5, 2, ")


def test_other_products():
    s = lucid.summary(nn.MultiheadAttention(8, 2), [(5, 2, 8)] * 3)
    assert s.total_multiply_adds == 10 * 4 * 64 + 2 * 2 * 25 * 8 and s.rows[0].output == "[5, 2, 8], [2, 5, 5]"
    assert lucid.summary(nn.ConvTranspose2d(3, 4, 3, 2), (1, 3, 5, 5)).total_multiply_adds == 25 * 3 * 4 * 9
    assert lucid.summary(nn.Conv2d(4, 6, 3, groups=2), (1, 4, 5, 5)).total_multiply_adds == 9 * 6 * 2 * 9
    assert lucid.summary(nn.LSTMCell(3, 4), (2, 3)).total_multiply_adds == 2 * 16 * 7
    assert lucid.summary(nn.Bilinear(3, 4, 5), [(2, 3), (2, 4)]).total_multiply_adds == 2 * 3 * 4 * 5


FAILING = [
    (nn.Sequential(nn.Linear(4, 6), nn.GRU(5, 3)), "1 (GRU(5, 3))"),
    (nn.Sequential(nn.Linear(4, 6), nn.LSTM(6, 3), nn.Linear(3, 1)), "2 (Linear 3 -> 1)"),  # the tuple goes on
    (nn.Sequential(nn.Linear(4, 6), nn.TransformerEncoderLayer(8, 2)), "1.self_attn (MultiheadAttention)"),
    (nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(5)), "1 (LayerNorm"),
]


@pytest.mark.parametrize("model, where", FAILING, ids=[where for _, where in FAILING])
def test_failing_attention_and_recurrence(model, where):
    s = lucid.summary(model, (5, 2, 4))
    assert s.rows[0].failed and s.rows[-1].failed and not s.rows[1].failed
    assert f"in {where}" in str(s) and "failed" in str(s) and s.total_multiply_adds >= 240


def test_the_model_is_as_before():
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5)).train()
    model[1].eval()
    s = lucid.summary(model, (4, 3))
    assert model.training and model[0].training and not model[1].training
    assert not model[0]._forward_hooks and not model[0]._forward_pre_hooks and int(model[0].num_batches_tracked) == 0
    assert s.buffers_bytes == 3 * 4 * 2 + 8 and lucid.is_grad_enabled()


def test_table_up_to_the_failing_layer():
    model = nn.Sequential(nn.Linear(4, 8), nn.Sequential(nn.ReLU(), nn.Linear(9, 3)), nn.Linear(3, 1))
    s = lucid.summary(model, (2, 4))
    assert [r.failed for r in s.rows] == [True, False, True, False, True]
    assert isinstance(s.error, RuntimeError) and "1.1 (Linear 9 -> 3)" in str(s) and "failed" in str(s)
    assert s.total_params == 40 + 30 + 4
    assert lucid.is_grad_enabled() and not model[0]._forward_hooks


def test_odd_models():
    shared = nn.Linear(4, 4)
    s = lucid.summary(nn.Sequential(shared, nn.ReLU(), shared), (2, 4))  # one module in two places
    assert (
        s.total_params == 20
        and s.total_multiply_adds == 64
        and [r.repeated for r in s.rows] == [False, False, False, True]
    )

    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.unused = nn.Linear(4, 4), nn.Linear(9, 9)

        def forward(self, *, x):
            return {"y": self.layer(x), "more": (None, self.layer(x))}

    s = lucid.summary(Named(), inputs=(), x=lucid.ones(2, 4))
    assert s.total_params == 110 and s.rows[0].output == "[2, 4], [2, 4]" and s.input_bytes == 32
    s = lucid.summary(nn.LSTM(4, 3, batch_first=True).half(), (2, 5, 4))
    assert s.rows[0].output == "[2, 5, 3], [1, 2, 3], [1, 2, 3]" and s.params_bytes == 2 * 108
    s = lucid.summary(nn.ReLU(), (2, 4))
    assert s.total_params == s.total_multiply_adds == 0 and len(s.rows) == 1
    s = lucid.summary(nn.Sequential(nn.LazyLinear(3), nn.Linear(4, 1), nn.LazyLinear(2)), (2, 4))  # fails between
    assert (
        s.total_params == 15 + 5 and [r.failed for r in s.rows] == [True, False, True] and "1 (Linear 4 -> 1)" in str(s)
    )
    s = lucid.summary(nn.DataParallel(nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))), (2, 4))
    assert s.total_params == 18 and s.rows[1].kind == "ParametrizedLinear"
    for wrong in (3, "x", (2.5, 1), [None]):
        with pytest.raises(TypeError, match="input_size"):
            lucid.summary(shared, wrong)


def test_inputs():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(5, 3)
            self.again = nn.Linear(3, 3)

        def forward(self, tokens, x, scale=None):
            return {"out": self.again(self.again(self.table(tokens) + x))}

    s = lucid.summary(Pair(), [(2,), (2, 3)], dtypes=[lucid.int64, None])
    assert [r.repeated for r in s.rows] == [False, False, False, True] and s.rows[0].output == "[2, 3]"
    s = lucid.summary(Pair(), inputs=(lucid.tensor([1, 2]), lucid.ones(2, 3)), scale=lucid.ones(1))
    assert s.rows[0].input == "[2], [2, 3], [1]" and s.error is None
    lazy = nn.Sequential(nn.LazyLinear(3))
    assert lucid.summary(lazy, (1, 4)).rows[1].kind == "Linear"
    with pytest.raises(TypeError, match=r"nn\.Module"):
        lucid.summary(3, (1,))
    with pytest.raises(ValueError, match="either"):
        lucid.summary(lazy)
