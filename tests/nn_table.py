"""Rows of layers and options: class, constructor arguments, inputs. ``test_nn_layers.py`` runs each in lucid and in torch."""

N = (4, 6)  # features
S = (3, 4, 10)  # signal
I = (2, 4, 6, 5)  # image  # noqa: E741
V = (2, 4, 3, 4, 5)  # volume


def ints(high, *shape, low=0):
    return ("ints", low, high, shape)


def unit(*shape):
    """Uniform in (0.05, 0.95)."""
    return ("unit", shape)


def signs(*shape):
    return ("signs", shape)


def row(name, *args, inputs=(N,), train=True, **kwargs):
    """``train`` False: compare in evaluation only (random in training)."""
    return (name, args, kwargs, inputs if isinstance(inputs, list) else list(inputs), train)


ACTIVATIONS = [
    row("Threshold", 0.1, 2.0), row("Threshold", 0.1, 2.0, inplace=True), row("ReLU"), row("ReLU", inplace=True),
    row("RReLU", train=False), row("RReLU", 0.1, 0.4, train=False), row("Hardtanh"), row("Hardtanh", -0.5, 0.7),
    row("ReLU6"), row("Sigmoid"), row("Hardsigmoid"), row("Tanh"), row("SiLU"), row("SiLU", inplace=True), row("Mish"),
    row("Hardswish"), row("ELU"), row("ELU", 1.3), row("ELU", 0.7, inplace=True), row("CELU"), row("CELU", 2.0),
    row("SELU"), row("GLU"), row("GLU", 1, inputs=[I]), row("GELU"), row("GELU", "tanh"), row("Hardshrink"),
    row("Hardshrink", 0.2), row("LeakyReLU"), row("LeakyReLU", 0.3), row("LeakyReLU", -0.2), row("LogSigmoid"),
    row("Softplus"), row("Softplus", 2.0, 1.0), row("Softshrink"), row("Softshrink", 0.1), row("PReLU"),
    row("PReLU", 4, inputs=[I]), row("PReLU", 6, 0.1), row("Softsign"), row("Tanhshrink"), row("Softmin", 1),
    row("Softmax", 0), row("Softmax", -1, inputs=[S]), row("Softmax2d", inputs=[I]), row("LogSoftmax", 1), row("Softmax"),
]  # fmt: skip

LINEAR = [
    row("Linear", 6, 3), row("Linear", 6, 3, bias=False), row("Linear", 10, 2, inputs=[S]), row("Linear", 6, 3, inputs=[(6,)]),
    row("Linear", 6, 0), row("Linear", 6, 3, inputs=[(0, 6)]), row("Identity"), row("Bilinear", 6, 5, 3, inputs=[N, (4, 5)]),
    row("Bilinear", 6, 5, 3, bias=False, inputs=[(2, 3, 6), (2, 3, 5)]), row("Flatten", inputs=[I]), row("Flatten", 0, 2, inputs=[I]),
    row("Unflatten", 1, (2, 3)), row("LazyLinear", 3), row("LazyLinear", 3, bias=False, inputs=[S]),
    row("Embedding", 7, 3, inputs=[ints(7, 4, 5)]), row("Embedding", 7, 3, padding_idx=2, inputs=[ints(7, 4, 5)]),
    row("Embedding", 7, 3, padding_idx=-1, max_norm=0.9, inputs=[ints(7, 6)]),
    row("Embedding", 7, 3, max_norm=1.0, norm_type=1.0, inputs=[ints(7, 6)]),
    row("Embedding", 7, 3, scale_grad_by_freq=True, inputs=[ints(4, 9)]),
]  # fmt: skip

NORMS = [
    *(
        row(f"{lazy}BatchNorm{n}d", *(() if lazy else (4,)), inputs=[shape], **options)
        for n, shape in ((1, (5, 4)), (1, S), (2, I), (3, V))
        for lazy in ("", "Lazy")
        for options in ({}, {"momentum": None, "eps": 1e-3}, {"affine": False}, {"track_running_stats": False})
        if not (lazy and options)
    ),
    *(
        row(f"{lazy}InstanceNorm{n}d", *(() if lazy else (4,)), inputs=[shape], **options)
        for n, shape in ((1, S), (1, (4, 10)), (2, I), (3, V))
        for lazy in ("", "Lazy")
        for options in ({}, {"affine": True}, {"track_running_stats": True, "affine": True, "momentum": 0.3})
        if not (lazy and (options or shape == (4, 10)))  # torch's lazy form takes the wrong size without a batch
    ),
    row("SyncBatchNorm", 4, inputs=[I], train=False),
    row("LayerNorm", 6), row("LayerNorm", (6, 5), inputs=[I]), row("LayerNorm", 5, 1e-2, inputs=[I]),
    row("LayerNorm", 6, elementwise_affine=False), row("LayerNorm", 6, bias=False), row("GroupNorm", 2, 4, inputs=[I]),
    row("GroupNorm", 4, 4, inputs=[S]), row("GroupNorm", 1, 6), row("GroupNorm", 2, 4, affine=False, eps=0.1, inputs=[V]),
    row("RMSNorm", 6), row("RMSNorm", (6, 5), 1e-3, inputs=[I]), row("RMSNorm", 6, elementwise_affine=False),
    row("LocalResponseNorm", 3, inputs=[I]), row("LocalResponseNorm", 2, 0.1, 0.5, 2.0, inputs=[S]),
    row("LocalResponseNorm", 7, inputs=[V]),
    row("CrossMapLRN2d", 9, inputs=[I]),  # wide enough for all channels: torch's sums are off by a term otherwise
]  # fmt: skip

REDUCTIONS = ("none", "mean", "sum")
W4, W6 = ("tensor", (0.5, 1.5, 1.0, 0.25)), ("tensor", (0.5, 1.5, 1.0, 0.25, 2.0, 0.1))
CLASSES = [
    ([(5, 4), ints(4, 5)], {}), ([(5, 4), ints(4, 5)], {"weight": W4}), ([(5, 4), ints(4, 5)], {"ignore_index": 2}),
    ([(5, 4), ints(4, 5)], {"weight": W4, "ignore_index": 1}), ([(2, 4, 3, 3), ints(4, 2, 3, 3)], {"weight": W4}),
    ([(1, 4, 3, 3), ints(4, 1, 3, 3)], {}), ([(4,), ints(4)], {}), ([(2, 4, 3), ints(4, 2, 3, low=-1)], {"ignore_index": -1}),
]  # fmt: skip
SMOOTHED = [
    *((inputs, options | {"label_smoothing": 0.2}) for inputs, options in CLASSES),
    ([(5, 4), unit(5, 4)], {}), ([(5, 4), unit(5, 4)], {"label_smoothing": 0.1, "weight": W4}), ([(2, 4, 3), unit(2, 4, 3)], {"weight": W4}),
    ([(4,), unit(4)], {"label_smoothing": 0.3}),
]  # fmt: skip
PLAIN = [
    ("L1Loss", [N, N], {}), ("MSELoss", [N, N], {}), ("MSELoss", [(), ()], {}), ("SmoothL1Loss", [N, N], {"beta": 0.3}),
    ("SmoothL1Loss", [N, N], {"beta": 0.0}), ("HuberLoss", [N, N], {"delta": 0.5}), ("BCELoss", [unit(4, 6), unit(4, 6)], {}),
    ("BCELoss", [unit(4, 6), unit(4, 6)], {"weight": W6}), ("BCEWithLogitsLoss", [N, unit(4, 6)], {}),
    ("BCEWithLogitsLoss", [N, unit(4, 6)], {"weight": W6, "pos_weight": W6}), ("KLDivLoss", [N, unit(4, 6)], {}),
    ("KLDivLoss", [N, N], {"log_target": True}), ("PoissonNLLLoss", [N, ints(5, 4, 6)], {}),
    ("PoissonNLLLoss", [unit(4, 6), ints(5, 4, 6)], {"log_input": False, "full": True}),
    ("GaussianNLLLoss", [N, N, unit(4, 6)], {}), ("GaussianNLLLoss", [N, N, unit(4, 1)], {"full": True, "eps": 0.3}),
    ("HingeEmbeddingLoss", [N, signs(4, 6)], {"margin": 0.5}), ("SoftMarginLoss", [N, signs(4, 6)], {}),
    ("MultiLabelSoftMarginLoss", [N, ints(2, 4, 6)], {}), ("MultiLabelSoftMarginLoss", [N, ints(2, 4, 6)], {"weight": W6}),
    ("MultiLabelMarginLoss", [N, ints(6, 4, 6, low=-1)], {}), ("MultiLabelMarginLoss", [(6,), ints(6, 6, low=-1)], {}),
    ("MultiMarginLoss", [N, ints(6, 4)], {}), ("MultiMarginLoss", [N, ints(6, 4)], {"p": 2, "margin": 0.5, "weight": W6}),
    ("MultiMarginLoss", [(6,), ints(6)], {}), ("CosineEmbeddingLoss", [N, N, signs(4)], {"margin": 0.2}),
    ("CosineEmbeddingLoss", [(6,), (6,), signs()], {}), ("MarginRankingLoss", [(6,), (6,), signs(6)], {"margin": 0.3}),
    ("TripletMarginLoss", [N, N, N], {}), ("TripletMarginLoss", [N, N, N], {"p": 1.0, "margin": 0.2, "swap": True}),
    ("TripletMarginWithDistanceLoss", [N, N, N], {"swap": True, "margin": 2.0}),
]  # fmt: skip
LOSSES = [
    *(row("CrossEntropyLoss", inputs=i, reduction=r, **o) for i, o in CLASSES + SMOOTHED for r in REDUCTIONS),
    *(row("NLLLoss", inputs=i, reduction=r, **o) for i, o in CLASSES for r in REDUCTIONS),
    *(row(name, inputs=i, reduction=r, **o) for name, i, o in PLAIN for r in REDUCTIONS),
    row("KLDivLoss", inputs=[N, unit(4, 6)], reduction="batchmean"),
]

PADS = {1: (S, (2, 1)), 2: (I, (2, 1, 0, 3)), 3: (V, (1, 0, 2, 1, 1, 2))}
OTHERS = [
    *(row(f"{mode}Pad{n}d", pad, inputs=[shape]) for mode in ("Circular", "Reflection", "Replication", "Zero") for n, (shape, pad) in PADS.items()),
    *(row(f"ConstantPad{n}d", pad, 1.5, inputs=[shape]) for n, (shape, pad) in PADS.items()),
    row("ZeroPad2d", (-1, 2, 0, -1), inputs=[I]), row("ReflectionPad1d", 2, inputs=[(4, 10)]), row("ReplicationPad2d", 1, inputs=[(4, 6, 5)]),
    row("PixelShuffle", 2, inputs=[(2, 8, 3, 2)]), row("PixelUnshuffle", 2, inputs=[(2, 2, 4, 6)]), row("ChannelShuffle", 2, inputs=[I]),
    row("PairwiseDistance", inputs=[N, N]), row("PairwiseDistance", 1.0, keepdim=True, inputs=[N, N]), row("PairwiseDistance", 3.0, inputs=[N, N]),
    row("CosineSimilarity", inputs=[N, N]), row("CosineSimilarity", 0, 1e-3, inputs=[N, (1, 6)]),
    *(row(name, p, inputs=[shape], train=False) for name, shape in (("Dropout", N), ("Dropout1d", S), ("Dropout2d", I), ("Dropout3d", V), ("AlphaDropout", N), ("FeatureAlphaDropout", I)) for p in (0.5, 0.1)),
    *(row("Upsample", inputs=[shape], mode=mode, **size) for mode, shape in (("nearest", S), ("linear", S), ("nearest", I), ("bilinear", I), ("bicubic", I), ("nearest-exact", I), ("trilinear", V), ("nearest", V)) for size in ({"scale_factor": 2}, {"scale_factor": 1.7}, {"size": 7}, {"size": 3})),
    *(row("Upsample", inputs=[shape], mode=mode, align_corners=True, size=7) for mode, shape in (("linear", S), ("bilinear", I), ("bicubic", I), ("trilinear", V))),
    row("UpsamplingNearest2d", scale_factor=3, inputs=[I]), row("UpsamplingBilinear2d", (9, 4), inputs=[I]),
    row("UpsamplingBilinear2d", scale_factor=2, inputs=[I]),
]  # fmt: skip
# Compared with torch in files of their own (test_conv, test_pooling, test_nn_sequence); here for other devices.
HEAVY = [
    ("Conv1d", (4, 6, 3), {"padding": 1}, [(3, 4, 10)], True), ("Conv1d", (4, 4, 3), {"groups": 4, "dilation": 2}, [(3, 4, 10)], True),
    ("Conv2d", (4, 6, 3), {"stride": 2, "padding": 1}, [(2, 4, 6, 5)], True), ("Conv2d", (4, 6, (3, 2)), {"groups": 2, "bias": False}, [(2, 4, 6, 5)], True),
    ("Conv2d", (4, 6, 3), {"padding": "same", "padding_mode": "reflect"}, [(2, 4, 6, 5)], True), ("Conv3d", (4, 2, 2), {}, [(2, 4, 3, 4, 5)], True),
    ("Conv3d", (4, 4, 2), {"groups": 2}, [(2, 4, 3, 4, 5)], True), ("ConvTranspose1d", (4, 3, 3), {"stride": 2}, [(3, 4, 10)], True),
    ("ConvTranspose2d", (4, 6, 3), {"stride": 2, "padding": 1, "output_padding": 1}, [(2, 4, 6, 5)], True),
    ("ConvTranspose2d", (4, 6, 3), {"groups": 2, "dilation": 2}, [(2, 4, 6, 5)], True),
    ("RNN", (6, 5), {}, [(4, 3, 6)], True), ("LSTM", (6, 5, 2), {"batch_first": True, "bidirectional": True}, [(4, 3, 6)], True),
    ("GRU", (6, 5, 2), {}, [(4, 3, 6)], True), ("LSTMCell", (6, 5), {}, [(4, 6)], True), ("GRUCell", (6, 5), {}, [(4, 6)], True),
    ("MultiheadAttention", (6, 2), {}, [(4, 3, 6)] * 3, True), ("TransformerEncoderLayer", (6, 2, 8), {"dropout": 0.0}, [(4, 3, 6)], True),
    ("MaxPool1d", (2,), {}, [(3, 4, 10)], True), ("MaxPool2d", (3, 2, 1), {}, [(2, 4, 6, 5)], True), ("AvgPool2d", (2,), {}, [(2, 4, 6, 5)], True),
    ("AdaptiveAvgPool2d", (2,), {}, [(2, 4, 6, 5)], True), ("AdaptiveMaxPool2d", (3,), {}, [(2, 4, 6, 5)], True), ("LPPool2d", (2, 2), {}, [(2, 4, 6, 5)], True),
]  # fmt: skip
# Layers that torch has not, under lucid's and the predecessor's names; on other devices compared with cpu.
OWN = [
    *(row(f"{name}{n}d", 4, 6, 3, padding=1, inputs=[shape]) for name in ("ConvBNReLU", "DepthSeparableConv", "ConstrainedConv") for n, shape in ((1, (3, 4, 8)), (2, (2, 4, 5, 6)), (3, (2, 4, 3, 4, 3)))),
    row("ConstrainedConv2d", 4, 2, 3, constraint="nonneg", inputs=[I]),
    row("DropBlock", 2, inputs=[(2, 3, 5, 4)], train=False), row("DropPath", 0.5, inputs=[N], train=False), row("FusedLinear", 6, 5, inputs=[N]),
    row("GlobalResponseNorm", 3, inputs=[(2, 3, 5, 4)]), row("GroupedQueryAttention", 8, 4, 2, inputs=[(5, 3, 8)] * 3), row("MultiQueryAttention", 8, 4, inputs=[(5, 3, 8)] * 3),
    row("MultiHeadAttention", 8, 2, inputs=[(3, 5, 8)] * 3), row("ScaledDotProductAttention", is_causal=True, inputs=[(3, 5, 8)] * 3), row("LearnedPosEmbedding", 9, 6, inputs=[(2, 5, 6)]),
    row("NoisyLinear", 6, 5, inputs=[N], train=False), row("NonDynamicallyQuantizableLinear", 6, 5, inputs=[N]), row("Rearrange", "a (b c) -> b a c", b=2, inputs=[N]),
    row("RotaryEmbedding", 6, 9, inputs=[ints(9, 4)]), row("RotaryPosEmbedding", inputs=[(2, 2, 5, 6)]), row("SEModule", 4, 2, inputs=[(2, 4, 5, 3)]),
    row("SelectiveKernel", 4, 6, [1, 3], inputs=[(2, 4, 5, 5)]), row("SinusoidalEmbedding", 9, 6, inputs=[(2, 5, 6)]), row("SinusoidalEmbedding2D", 4, 3, 8, inputs=[(2, 12, 8)]),
    row("SinusoidalPosEmbedding", inputs=[(2, 5, 6)]), row("TimestepEmbedding", 6, 8, inputs=[unit(4)]), row("VectorQuantizer", 7, 6, inputs=[N]),
    row("HardSigmoid", inputs=[N]), row("HardSwish", inputs=[N]), row("Swish", inputs=[N]), row("MultilabelMarginLoss", inputs=[N, ints(6, 4, 6, low=-1)]), row("NLLLoss2d", inputs=[(2, 3, 4, 5), ints(3, 2, 4, 5)]),
]  # fmt: skip
LAYERS = ACTIVATIONS + LINEAR + NORMS + LOSSES + OTHERS


def label(case):
    name, args, kwargs, inputs, _ = case
    options = [str(a) for a in args] + [
        f"{k}={'w' if isinstance(v, tuple) and v[:1] == ('tensor',) else v}" for k, v in kwargs.items()
    ]
    shapes = " ".join("x".join(map(str, i[-1] if i and isinstance(i[0], str) else i)) or "0d" for i in inputs)
    return f"{name}({', '.join(options)}) {shapes}"
