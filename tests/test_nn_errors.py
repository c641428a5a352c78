"""Wrong use of layers and functions: an error of PyTorch's type, before any work is done."""

import copy

import numpy as np
import pytest

import lucid
from lucid import nn
from reference import needs_torch, torch

# What is wrong, as one expression in L (lucid or torch).
WRONG = {
    "linear in": lambda L: L.nn.Linear(3, 4)(L.ones(2, 5)),
    "linear dtype": lambda L: L.nn.Linear(3, 4)(L.ones(2, 3, dtype=L.float64)),
    "linear int": lambda L: L.nn.Linear(3, 4)(L.ones(2, 3, dtype=L.int64)),
    "linear str": lambda L: L.nn.Linear(3, 4)("a"),
    "linear neg": lambda L: L.nn.Linear(-3, 4),
    "linear float": lambda L: L.nn.Linear(3.5, 4),
    "conv chan": lambda L: L.nn.Conv2d(3, 4, 3)(L.ones(1, 2, 8, 8)),
    "conv rank": lambda L: L.nn.Conv2d(3, 4, 3)(L.ones(3, 8)),
    "conv kernel>": lambda L: L.nn.Conv2d(3, 4, 9)(L.ones(1, 3, 8, 8)),
    "conv pad str": lambda L: L.nn.Conv2d(3, 4, 3, padding="sam"),
    "conv pad strided": lambda L: L.nn.Conv2d(3, 4, 3, padding="same", stride=2),
    "F conv pad str": lambda L: L.nn.functional.conv2d(L.ones(1, 3, 8, 8), L.ones(4, 3, 3, 3), padding="sam"),
    "conv groups": lambda L: L.nn.Conv2d(3, 4, 3, groups=2),
    "conv groups0": lambda L: L.nn.Conv2d(4, 4, 3, groups=0),
    "conv padmode": lambda L: L.nn.Conv2d(4, 4, 3, padding_mode="zero"),
    "conv stride0": lambda L: L.nn.Conv2d(3, 4, 3, stride=0)(L.ones(1, 3, 8, 8)),
    "conv negpad": lambda L: L.nn.Conv2d(3, 4, 3, padding=-1)(L.ones(1, 3, 8, 8)),
    "conv dil0": lambda L: L.nn.Conv2d(3, 4, 3, dilation=0)(L.ones(1, 3, 8, 8)),
    "conv kneg": lambda L: L.nn.Conv2d(3, 4, -3),
    "conv k0": lambda L: L.nn.Conv2d(3, 4, 0)(L.ones(1, 3, 8, 8)),
    "conv out neg": lambda L: L.nn.Conv2d(3, -4, 3),
    "conv dtype": lambda L: L.nn.Conv2d(3, 4, 3)(L.ones(1, 3, 8, 8, dtype=L.float64)),
    "conv int": lambda L: L.nn.Conv2d(3, 4, 3)(L.ones(1, 3, 8, 8, dtype=L.int64)),
    "conv reflect pad big": lambda L: L.nn.Conv2d(3, 4, 3, padding=8, padding_mode="reflect")(L.ones(1, 3, 8, 8)),
    "convT outpad": lambda L: L.nn.ConvTranspose2d(3, 4, 3, output_padding=1)(L.ones(1, 3, 8, 8)),
    "convT outsize": lambda L: L.nn.ConvTranspose2d(3, 4, 3, 2)(L.ones(1, 3, 8, 8), output_size=[30, 30]),
    "convT outsize len": lambda L: L.nn.ConvTranspose2d(3, 4, 3, 2)(L.ones(1, 3, 8, 8), output_size=[30]),
    "maxpool k0": lambda L: L.nn.functional.max_pool2d(L.ones(1, 3, 8, 8), 0),
    "maxpool kbig": lambda L: L.nn.functional.max_pool2d(L.ones(1, 3, 8, 8), 9),
    "maxpool pad": lambda L: L.nn.functional.max_pool2d(L.ones(1, 3, 8, 8), 2, padding=2),
    "maxpool neg": lambda L: L.nn.functional.max_pool2d(L.ones(1, 3, 8, 8), 2, padding=-1),
    "maxpool stride": lambda L: L.nn.functional.max_pool2d(L.ones(1, 3, 8, 8), 2, stride=0),
    "maxpool rank": lambda L: L.nn.functional.max_pool2d(L.ones(8, 8), 2),
    "maxpool empty": lambda L: L.nn.functional.max_pool2d(L.ones(1, 0, 8, 8), 2),
    "maxpool int": lambda L: L.nn.functional.max_pool2d(L.ones(1, 1, 8, 8, dtype=L.int64), 2),
    "avgpool kbig": lambda L: L.nn.functional.avg_pool2d(L.ones(1, 3, 8, 8), 9),
    "avgpool pad": lambda L: L.nn.functional.avg_pool2d(L.ones(1, 3, 8, 8), 2, padding=2),
    "avgpool div": lambda L: L.nn.functional.avg_pool2d(L.ones(1, 3, 8, 8), 2, divisor_override=0),
    "avgpool rank": lambda L: L.nn.functional.avg_pool1d(L.ones(8), 2),
    "adapt neg": lambda L: L.nn.functional.adaptive_avg_pool2d(L.ones(1, 3, 8, 8), -1),
    "adapt rank": lambda L: L.nn.functional.adaptive_avg_pool2d(L.ones(8), 1),
    "adaptmax len": lambda L: L.nn.functional.adaptive_max_pool2d(L.ones(1, 3, 8, 8), (1, 2, 3)),
    "unpool": lambda L: L.nn.functional.max_unpool2d(L.ones(1, 1, 2, 2), L.full((1, 1, 2, 2), 99), 2),
    "bn rank": lambda L: L.nn.BatchNorm2d(3)(L.ones(2, 3)),
    "bn chan": lambda L: L.nn.BatchNorm2d(3)(L.ones(2, 4, 2, 2)),
    "bn one": lambda L: L.nn.BatchNorm1d(3)(L.ones(1, 3)),
    "ln shape": lambda L: L.nn.LayerNorm(5)(L.ones(2, 4)),
    "ln rank": lambda L: L.nn.LayerNorm((2, 4, 5))(L.ones(5)),
    "gn": lambda L: L.nn.GroupNorm(3, 4),
    "gn in": lambda L: L.nn.GroupNorm(2, 4)(L.ones(2, 6)),
    "in one": lambda L: L.nn.InstanceNorm2d(3)(L.ones(2, 3, 1, 1)),
    "rms": lambda L: L.nn.RMSNorm(5)(L.ones(2, 4)),
    "ce range": lambda L: L.nn.functional.cross_entropy(L.ones(2, 3), L.tensor([0, 3])),
    "ce neg": lambda L: L.nn.functional.cross_entropy(L.ones(2, 3), L.tensor([0, -1])),
    "ce ignore": lambda L: L.nn.functional.cross_entropy(L.ones(2, 3), L.tensor([0, 255]), ignore_index=255),
    "ce batch": lambda L: L.nn.functional.cross_entropy(L.ones(2, 3), L.tensor([0, 1, 2])),
    "ce rank": lambda L: L.nn.functional.cross_entropy(L.ones(2, 3), L.tensor([[0, 1]])),
    "ce dtype": lambda L: L.nn.functional.cross_entropy(L.ones(2, 3), L.tensor([0, 1], dtype=L.int32)),
    "ce float tgt": lambda L: L.nn.functional.cross_entropy(L.ones(2, 3), L.tensor([0.0, 1.0])),
    "ce weight": lambda L: L.nn.functional.cross_entropy(L.ones(2, 3), L.tensor([0, 1]), weight=L.ones(2)),
    "ce smooth": lambda L: L.nn.functional.cross_entropy(L.ones(2, 3), L.tensor([0, 1]), label_smoothing=2.0),
    "ce int in": lambda L: L.nn.functional.cross_entropy(L.ones(2, 3, dtype=L.int64), L.tensor([0, 1])),
    "ce red": lambda L: L.nn.functional.cross_entropy(L.ones(2, 3), L.tensor([0, 1]), reduction="avg"),
    "nll range": lambda L: L.nn.functional.nll_loss(L.ones(2, 3), L.tensor([0, 3])),
    "nll spatial": lambda L: L.nn.functional.nll_loss(L.ones(2, 3, 4, 4), L.zeros(2, 4, 5, dtype=L.int64)),
    "nll spatial range": lambda L: L.nn.functional.nll_loss(L.ones(2, 3, 4, 4), L.full((2, 4, 4), 7)),
    "multimargin range": lambda L: L.nn.functional.multi_margin_loss(L.ones(2, 3), L.tensor([0, 3])),
    "mlm range": lambda L: L.nn.functional.multilabel_margin_loss(L.ones(2, 3), L.tensor([[0, 3, 1], [0, 1, 2]])),
    "bce size": lambda L: L.nn.functional.binary_cross_entropy(L.ones(2, 3), L.ones(2, 2)),
    "bce range": lambda L: L.nn.functional.binary_cross_entropy(L.ones(2, 3) * 2, L.ones(2, 3)),
    "bcel size": lambda L: L.nn.functional.binary_cross_entropy_with_logits(L.ones(2, 3), L.ones(2)),
    "mse size": lambda L: L.nn.functional.mse_loss(L.ones(2, 3), L.ones(4)),
    "gauss var": lambda L: L.nn.functional.gaussian_nll_loss(L.ones(2, 3), L.ones(2, 3), -L.ones(2, 3)),
    "gauss size": lambda L: L.nn.functional.gaussian_nll_loss(L.ones(2, 3), L.ones(2, 3), L.ones(4)),
    "cosemb": lambda L: L.nn.functional.cosine_embedding_loss(L.ones(2, 3), L.ones(2, 3), L.ones(3)),
    "kl red": lambda L: L.nn.functional.kl_div(L.ones(2, 3), L.ones(2, 3), reduction="x"),
    "huber neg": lambda L: L.nn.functional.huber_loss(L.ones(2), L.ones(2), delta=-1.0),
    "sl1 neg": lambda L: L.nn.functional.smooth_l1_loss(L.ones(2), L.ones(2), beta=-1.0),
    "emb range": lambda L: L.nn.Embedding(3, 2)(L.tensor([3])),
    "emb neg": lambda L: L.nn.Embedding(3, 2)(L.tensor([-1])),
    "emb float": lambda L: L.nn.Embedding(3, 2)(L.tensor([1.0])),
    "emb pad": lambda L: L.nn.Embedding(3, 2, padding_idx=3),
    "emb neg size": lambda L: L.nn.Embedding(-3, 2),
    "bag off": lambda L: L.nn.EmbeddingBag(3, 2)(L.tensor([1]), L.tensor([1])),
    "bag range": lambda L: L.nn.EmbeddingBag(3, 2)(L.tensor([[3]])),
    "mha embed": lambda L: L.nn.MultiheadAttention(4, 3),
    "mha in": lambda L: L.nn.MultiheadAttention(4, 2)(L.ones(3, 1, 5), L.ones(3, 1, 5), L.ones(3, 1, 5)),
    "mha mask": lambda L: L.nn.MultiheadAttention(4, 2)(
        L.ones(3, 1, 4), L.ones(3, 1, 4), L.ones(3, 1, 4), attn_mask=L.zeros(2, 2)
    ),
    "mha mask dtype": lambda L: L.nn.MultiheadAttention(4, 2)(
        L.ones(3, 1, 4), L.ones(3, 1, 4), L.ones(3, 1, 4), attn_mask=L.zeros(3, 3, dtype=L.int64)
    ),
    "mha kpm": lambda L: L.nn.MultiheadAttention(4, 2)(
        L.ones(3, 1, 4), L.ones(3, 1, 4), L.ones(3, 1, 4), key_padding_mask=L.zeros(2, 3, dtype=L.bool)
    ),
    "mha causal": lambda L: L.nn.MultiheadAttention(4, 2)(
        L.ones(3, 1, 4), L.ones(3, 1, 4), L.ones(3, 1, 4), is_causal=True
    ),
    "mha kv": lambda L: L.nn.MultiheadAttention(4, 2)(L.ones(3, 1, 4), L.ones(3, 1, 4), L.ones(2, 1, 4)),
    "mha batch": lambda L: L.nn.MultiheadAttention(4, 2)(L.ones(3, 2, 4), L.ones(3, 1, 4), L.ones(3, 1, 4)),
    "mha rank": lambda L: L.nn.MultiheadAttention(4, 2)(L.ones(4), L.ones(4), L.ones(4)),
    "sdpa dims": lambda L: L.nn.functional.scaled_dot_product_attention(
        L.ones(2, 3, 4), L.ones(2, 3, 5), L.ones(2, 3, 4)
    ),
    "sdpa mask": lambda L: L.nn.functional.scaled_dot_product_attention(
        L.ones(2, 3, 4), L.ones(2, 3, 4), L.ones(2, 3, 4), attn_mask=L.ones(2, 2)
    ),
    "sdpa mask lead": lambda L: L.nn.functional.scaled_dot_product_attention(
        L.ones(2, 3, 4), L.ones(2, 3, 4), L.ones(2, 3, 4), attn_mask=L.ones(5, 3, 3)
    ),
    "sdpa mask int": lambda L: L.nn.functional.scaled_dot_product_attention(
        L.ones(2, 3, 4), L.ones(2, 3, 4), L.ones(2, 3, 4), attn_mask=L.ones(3, 3, dtype=L.int64)
    ),
    "sdpa mask f64": lambda L: L.nn.functional.scaled_dot_product_attention(
        L.ones(2, 3, 4), L.ones(2, 3, 4), L.ones(2, 3, 4), attn_mask=L.ones(3, 3, dtype=L.float64)
    ),
    "sdpa both": lambda L: L.nn.functional.scaled_dot_product_attention(
        L.ones(2, 3, 4), L.ones(2, 3, 4), L.ones(2, 3, 4), attn_mask=L.ones(3, 3), is_causal=True
    ),
    "sdpa gqa": lambda L: L.nn.functional.scaled_dot_product_attention(
        L.ones(1, 3, 3, 4), L.ones(1, 2, 3, 4), L.ones(1, 2, 3, 4), enable_gqa=True
    ),
    "sdpa heads": lambda L: L.nn.functional.scaled_dot_product_attention(
        L.ones(1, 4, 3, 4), L.ones(1, 2, 3, 4), L.ones(1, 2, 3, 4)
    ),
    "sdpa p": lambda L: L.nn.functional.scaled_dot_product_attention(
        L.ones(2, 3, 4), L.ones(2, 3, 4), L.ones(2, 3, 4), dropout_p=1.5
    ),
    "tel nhead": lambda L: L.nn.TransformerEncoderLayer(4, 3),
    "tel act": lambda L: L.nn.TransformerEncoderLayer(4, 2, activation="x"),
    "transformer feat": lambda L: L.nn.Transformer(4, 2, 1, 1, 8)(L.ones(3, 1, 5), L.ones(3, 1, 4)),
    "transformer batch": lambda L: L.nn.Transformer(4, 2, 1, 1, 8)(L.ones(3, 1, 4), L.ones(3, 2, 4)),
    "rnn in": lambda L: L.nn.LSTM(3, 4)(L.ones(2, 1, 5)),
    "rnn rank": lambda L: L.nn.LSTM(3, 4)(L.ones(2, 1, 5, 3)),
    "rnn hx": lambda L: L.nn.GRU(3, 4)(L.ones(2, 1, 3), L.ones(1, 2, 4)),
    "rnn hx rank": lambda L: L.nn.GRU(3, 4)(L.ones(2, 1, 3), L.ones(1, 4)),
    "rnn lstm hx": lambda L: L.nn.LSTM(3, 4)(L.ones(2, 1, 3), (L.ones(1, 1, 4), L.ones(1, 1, 5))),
    "rnn drop": lambda L: L.nn.LSTM(3, 4, dropout=2.0),
    "rnn hid0": lambda L: L.nn.LSTM(3, 0),
    "rnn layers0": lambda L: L.nn.LSTM(3, 4, 0),
    "rnn proj": lambda L: L.nn.LSTM(3, 4, proj_size=4),
    "gru proj": lambda L: L.nn.GRU(3, 4, proj_size=2),
    "rnn nonlin": lambda L: L.nn.RNN(3, 4, nonlinearity="x"),
    "rnn dtype": lambda L: L.nn.LSTM(3, 4)(L.ones(2, 1, 3, dtype=L.float64)),
    "cell in": lambda L: L.nn.LSTMCell(3, 4)(L.ones(2, 5)),
    "cell hx": lambda L: L.nn.GRUCell(3, 4)(L.ones(2, 3), L.ones(3, 4)),
    "cell rank": lambda L: L.nn.GRUCell(3, 4)(L.ones(2, 3, 3)),
    "pack len": lambda L: L.nn.utils.rnn.pack_padded_sequence(L.ones(3, 2, 1), [4, 1]),
    "pack sort": lambda L: L.nn.utils.rnn.pack_padded_sequence(L.ones(3, 2, 1), [1, 3]),
    "pack zero": lambda L: L.nn.utils.rnn.pack_padded_sequence(L.ones(3, 2, 1), [3, 0]),
    "pack n": lambda L: L.nn.utils.rnn.pack_padded_sequence(L.ones(3, 2, 1), [3]),
    "dropout p": lambda L: L.nn.Dropout(1.5),
    "F dropout p": lambda L: L.nn.functional.dropout(L.ones(2), -0.1),
    "dropout2d rank": lambda L: L.nn.functional.dropout2d(L.ones(2)),
    "pixshuf": lambda L: L.nn.PixelShuffle(2)(L.ones(1, 3, 2, 2)),
    "pixshuf neg": lambda L: L.nn.PixelShuffle(-2)(L.ones(1, 4, 2, 2)),
    "chanshuf": lambda L: L.nn.ChannelShuffle(2)(L.ones(1, 3, 2, 2)),
    "interp both": lambda L: L.nn.functional.interpolate(L.ones(1, 1, 2, 2), size=3, scale_factor=2),
    "interp none": lambda L: L.nn.functional.interpolate(L.ones(1, 1, 2, 2)),
    "interp mode": lambda L: L.nn.functional.interpolate(L.ones(1, 1, 2, 2), size=3, mode="x"),
    "interp ac": lambda L: L.nn.functional.interpolate(L.ones(1, 1, 2, 2), size=3, mode="nearest", align_corners=True),
    "interp rank": lambda L: L.nn.functional.interpolate(L.ones(1, 1, 2), size=3, mode="bilinear"),
    "interp len": lambda L: L.nn.functional.interpolate(L.ones(1, 1, 2, 2), size=(3,), mode="bilinear"),
    "interp 0": lambda L: L.nn.functional.interpolate(L.ones(1, 1, 2, 2), size=0),
    "fold blocks": lambda L: L.nn.functional.fold(L.ones(1, 4, 5), (3, 3), 2),
    "fold ch": lambda L: L.nn.functional.fold(L.ones(1, 5, 4), (3, 3), 2),
    "unfold": lambda L: L.nn.functional.unfold(L.ones(1, 1, 2, 2), 3),
    "pad refl": lambda L: L.nn.functional.pad(L.ones(1, 1, 3), (3, 0), mode="reflect"),
    "pad circ": lambda L: L.nn.functional.pad(L.ones(1, 1, 3), (4, 0), mode="circular"),
    "pad odd": lambda L: L.nn.functional.pad(L.ones(1, 1, 3), (1,)),
    "pad long": lambda L: L.nn.functional.pad(L.ones(3), (1, 1, 1, 1)),
    "pad mode": lambda L: L.nn.functional.pad(L.ones(1, 1, 3), (1, 1), mode="x"),
    "pad neg": lambda L: L.nn.functional.pad(L.ones(1, 1, 3), (-4, 0)),
    "pad val": lambda L: L.nn.functional.pad(L.ones(1, 1, 3), (1, 1), mode="reflect", value=1.0),
    "softmax dim": lambda L: L.nn.functional.softmax(L.ones(2, 3), 3),
    "glu odd": lambda L: L.nn.functional.glu(L.ones(3)),
    "prelu": lambda L: L.nn.PReLU(3)(L.ones(2, 4)),
    "onehot neg": lambda L: L.nn.functional.one_hot(L.tensor([-1])),
    "onehot small": lambda L: L.nn.functional.one_hot(L.tensor([3]), 2),
    "onehot float": lambda L: L.nn.functional.one_hot(L.tensor([1.0])),
    "grid": lambda L: L.nn.functional.grid_sample(L.ones(1, 1, 2, 2), L.ones(1, 2, 2, 3)),
    "grid mode": lambda L: L.nn.functional.grid_sample(L.ones(1, 1, 2, 2), L.ones(1, 2, 2, 2), mode="x"),
    "affine": lambda L: L.nn.functional.affine_grid(L.ones(1, 2, 2), (1, 1, 2, 2)),
    "ctc": lambda L: L.nn.functional.ctc_loss(L.ones(3, 1, 4), L.tensor([[1]]), [4], [1]),
    "ctc blank": lambda L: L.nn.functional.ctc_loss(L.ones(3, 1, 4), L.tensor([[1]]), [3], [1], blank=4),
    "ctc range": lambda L: L.nn.functional.ctc_loss(L.ones(3, 1, 4), L.tensor([[7]]), [3], [1]),
    "ctc n": lambda L: L.nn.functional.ctc_loss(L.ones(3, 2, 4), L.tensor([[1], [1]]), [3], [1, 1]),
    "bilinear": lambda L: L.nn.Bilinear(2, 3, 4)(L.ones(2, 2), L.ones(2, 4)),
    "cossim": lambda L: L.nn.functional.cosine_similarity(L.ones(2, 3), L.ones(2, 4)),
    "pairwise": lambda L: L.nn.functional.pairwise_distance(L.ones(2, 3), L.ones(2, 4)),
    "triplet": lambda L: L.nn.functional.triplet_margin_loss(L.ones(2, 3), L.ones(2, 4), L.ones(2, 3)),
    "triplet m": lambda L: L.nn.functional.triplet_margin_loss(L.ones(2, 3), L.ones(2, 3), L.ones(2, 3), margin=-1),
    "gumbel": lambda L: L.nn.functional.gumbel_softmax(L.ones(2, 3, dtype=L.int64)),
    "normalize": lambda L: L.nn.functional.normalize(L.ones(2, 3, dtype=L.int64)),
    "asm cut": lambda L: L.nn.AdaptiveLogSoftmaxWithLoss(4, 5, [5]),
    "unflatten": lambda L: L.nn.Unflatten(1, (2, 2))(L.ones(1, 5)),
    "seq idx": lambda L: L.nn.Sequential(L.nn.ReLU())[1],
    "seq type": lambda L: L.nn.Sequential(1),
    "ml type": lambda L: L.nn.ModuleList([1]),
    "md type": lambda L: L.nn.ModuleDict({"a": 1}),
    "md key": lambda L: L.nn.ModuleDict({1: L.nn.ReLU()}),
    "md attr": lambda L: L.nn.ModuleDict({"keys": L.nn.ReLU()}),
    "init fan": lambda L: L.nn.init.xavier_uniform_(L.ones(3)),
    "init gain": lambda L: L.nn.init.calculate_gain("x"),
    "init orth": lambda L: L.nn.init.orthogonal_(L.ones(3)),
    "init dirac": lambda L: L.nn.init.dirac_(L.ones(3)),
    "init eye": lambda L: L.nn.init.eye_(L.ones(3)),
    "init mode": lambda L: L.nn.init.kaiming_uniform_(L.ones(3, 3), mode="x"),
    "init sparse": lambda L: L.nn.init.sparse_(L.ones(3), 0.1),
    "flatten": lambda L: L.nn.Flatten(3)(L.ones(2, 2)),
    "lrn rank": lambda L: L.nn.functional.local_response_norm(
        L.ones(
            2,
        ),
        2,
    ),
    "lppool": lambda L: L.nn.functional.lp_pool2d(L.ones(1, 1, 2, 2), 2, 3),
    "frac": lambda L: L.nn.FractionalMaxPool2d(2),
    "frac both": lambda L: L.nn.FractionalMaxPool2d(2, output_size=2, output_ratio=0.5),
    "frac ratio": lambda L: L.nn.FractionalMaxPool2d(2, output_ratio=1.5),
    "sync": lambda L: L.nn.SyncBatchNorm(3)(L.ones(3)),
    "lazy": lambda L: L.nn.LazyLinear(3)(L.ones(())),
    "lazyconv": lambda L: L.nn.LazyConv2d(3, 2)(L.ones(2, 2)),
    "hardtanh": lambda L: L.nn.Hardtanh(1, -1),
    "rrelu": lambda L: L.nn.functional.rrelu(L.ones(2), 0.5, 0.1),
    "softshrink": lambda L: L.nn.functional.softshrink(L.ones(2), -1.0),
    "call none": lambda L: L.nn.Linear(2, 2)(),
    "kw": lambda L: L.nn.Linear(2, 2)(L.ones(1, 2), foo=1),
    "ctor kw": lambda L: L.nn.Linear(2, 2, foo=1),
}
DIFFERENT = {
    "pack len": "torch reads beyond the padded length",
    "ctc range": "torch reads beyond the row of scores",
    "adapt rank": "torch reports the missing dimension with an IndexError",
}


@needs_torch
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [n for n in WRONG if n not in DIFFERENT])
def test_wrong_use_raises_the_type_that_torch_raises(name):
    try:
        WRONG[name](torch)
    except Exception as error:
        with pytest.raises(type(error)) as caught:
            WRONG[name](lucid)
        assert str(caught.value)
    else:
        WRONG[name](lucid)


# ---- the path of the layer ----


class Block(nn.Module):
    def __init__(self, wrong=False):
        super().__init__()
        self.linear1 = nn.Linear(4, 8)
        self.linear2 = nn.Linear(9 if wrong else 8, 4)

    def forward(self, x):
        return x + self.linear2(self.linear1(x).relu())


class Stack(nn.Module):
    """Layers in a list, called one by one."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([Block(), Block(wrong=True)])
        self.by_name = nn.ModuleDict({"head": nn.Linear(4, 2)})

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.by_name["head"](x)


class Wrapper(nn.Module):
    """Like DataParallel and other wrappers: hands everything on."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)


def hooked(model):
    for module in model.modules():
        module.register_forward_hook(lambda m, args, out: None)
        module.register_forward_pre_hook(lambda m, args: None)
        module.register_full_backward_hook(lambda m, gi, go: None)
    return model


PATHS = {
    "list": (Stack, "layers.1.linear2"),
    "sequential in sequential": (lambda: nn.Sequential(nn.Identity(), nn.Sequential(nn.ReLU(), nn.Linear(5, 2))), "1.1"),
    "wrapped": (lambda: Wrapper(Wrapper(Stack())), "module.module.layers.1.linear2"),
    "data parallel": (lambda: nn.DataParallel(Stack()), "module.layers.1.linear2"),
    "hooks": (lambda: hooked(Stack()), "layers.1.linear2"),
    "transformer": (lambda: nn.Sequential(nn.Linear(4, 6), nn.TransformerEncoder(broken_layer(), 3)), "1.layers.0.linear2"),
}  # fmt: skip


def broken_layer():
    layer = nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0)
    layer.linear2 = nn.Linear(7, 6)
    return layer


@pytest.mark.parametrize("name", PATHS)
def test_a_shape_error_names_the_path_of_the_layer(name):
    build, path = PATHS[name]
    with pytest.raises(RuntimeError) as caught:
        build()(lucid.ones(3, 1, 4))
    text = str(caught.value)
    assert f"in {path} (Linear " in text and " -> " in text and "called with (3, 1, " in text
    assert len(text.splitlines()) == 2  # what, where; once


def test_errors_of_other_kinds_get_a_note_with_the_path():
    class Fails(nn.Module):
        def forward(self, x):
            raise KeyError("mine")

    with pytest.raises(KeyError) as caught:
        nn.Sequential(nn.ReLU(), Wrapper(Fails()))(lucid.ones(2))
    assert caught.value.args == ("mine",) and "in 1.module (Fails)" in caught.value.__notes__[0]


def test_an_error_leaves_the_state_as_it_was():
    """A failing call changes neither statistics nor parameters, nor the tensors it was given."""
    bn, x = nn.BatchNorm2d(3), lucid.ones(2, 4, 2, 2)
    before = copy.deepcopy(bn.state_dict())
    with pytest.raises(RuntimeError):
        bn(x)
    assert all(np.array_equal(before[k], v) for k, v in bn.state_dict().items())
    for call in (
        lambda t: nn.functional.relu(t, inplace=3, wrong=1),
        lambda t: nn.functional.cross_entropy(t, lucid.tensor([9, 9])),
        lambda t: nn.init.orthogonal_(t[0]),
        lambda t: nn.init.trunc_normal_(t, generator="none"),
    ):
        t = lucid.ones(2, 3)
        with pytest.raises((TypeError, IndexError, ValueError, AttributeError)):
            call(t)
        assert (t == 1).all()


TAUGHT = [
    (lambda: nn.Conv2d(3, 8, 3)(lucid.zeros(1, 8, 8, 3)), RuntimeError, r"channels come before the spatial dimensions.*movedim\(-1, 1\)"),
    (lambda: nn.Conv2d(3, 8, -1), RuntimeError, "Conv2d: kernel_size must not be negative"),
    (lambda: nn.MultiheadAttention(8, 2)(*(lucid.zeros(3, n, 8) for n in (1, 2, 2))), RuntimeError, "query has a batch of 1, key and value have one of 2"),
    (lambda: nn.MultiheadAttention(8, 2, kdim=5)(*(lucid.zeros(3, 1, 8),) * 3), RuntimeError, "key has 8 features.*expects 5"),
    (lambda: nn.GroupNorm(2, 6)(lucid.zeros(2, 4, 3)), RuntimeError, "weight should contain 4 elements, one for each channel"),
    (lambda: nn.Linear(4, 2)(np.zeros((2, 4))), TypeError, "must be Tensor, not numpy.ndarray"),
    (lambda: nn.BatchNorm1d(3, eps=-1).eval()(lucid.zeros(2, 3)), ValueError, "eps must be non-negative"),
    (lambda: nn.GRUCell(3, 4)(lucid.zeros(3), lucid.zeros(1, 4)), RuntimeError, "does not go with an input without a batch"),
    (lambda: nn.MultiheadAttention(8, 2)(*(lucid.zeros(3, 1, 8),) * 3, attn_mask=lucid.zeros(3)), AssertionError, "2-D or 3-D, got 1-D"),
    (lambda: nn.MultiMarginLoss(weight=lucid.zeros(2))(lucid.zeros(2, 3), lucid.tensor([0, 1])), RuntimeError, "inconsistent weight size, expected 3"),
    (lambda: nn.ModuleList([nn.Linear(2, 2)])(lucid.zeros(2)), NotImplementedError, "only holds modules; call them one by one, or use nn.Sequential"),
    (lambda: nn.LSTM(3, 4)(lucid.zeros(5, 2, 3), lucid.zeros(1, 2, 4)), RuntimeError, "hx is a pair"),
    (lambda: nn.LSTM(3, 4)(lucid.zeros(5, 2, 3), (lucid.zeros(1, 2, 4), lucid.zeros(1, 2, 5))), RuntimeError, r"Expected hidden\[1\] size \(1, 2, 4\)"),
    (lambda: nn.GRU(3, 4)(lucid.zeros(5, 2, 3), [lucid.zeros(1, 2, 4)]), TypeError, "hx must be a tensor, got list"),
]  # fmt: skip


@pytest.mark.parametrize("mistake, error, text", TAUGHT, ids=[text[:24] for *_, text in TAUGHT])
def test_what_is_right_is_said(mistake, error, text):
    with pytest.raises(error, match=text):
        mistake()


@pytest.mark.parametrize("shape, kind", [((0, 4), nn.BatchNorm1d), ((0, 4, 3, 3), nn.BatchNorm2d), ((0, 4, 3), lambda n: nn.GroupNorm(2, n))], ids=["1d", "2d", "groups"])  # fmt: skip
def test_norms_of_no_samples(shape, kind):
    """Nothing comes out, the statistics stay, the parameters have gradients of zero; as in PyTorch."""
    layer = kind(4)
    x = lucid.zeros(*shape, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad.shape == shape and (layer.weight.grad == 0).all() and (layer.bias.grad == 0).all()
    if shape != (0, 4, 3):
        assert (
            (layer.running_mean == 0).all() and (layer.running_var == 1).all() and int(layer.num_batches_tracked) == 1
        )
