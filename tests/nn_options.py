"""Random options for the layers of torch.nn: what a constructor and a call may be given, drawn class by class.

`test_nn_options.py` compares a few draws of every class with torch; a wide search is

    python tests/nn_options.py 300 [seed] [class ...]
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Sizes = tuple[int, ...]


@dataclass
class Case:
    """A layer with its options, its inputs (kind, shape[, low, high]) and the keyword arguments of the call."""

    name: str
    args: tuple
    options: dict[str, Any]
    inputs: list[tuple]
    call: dict[str, Any] = field(default_factory=dict)
    train: bool = True
    around: Callable | None = None  # (library, layer) -> what is called with the inputs

    def __str__(self):
        shown = [repr(a) for a in self.args] + [f"{k}={v!r}" for k, v in self.options.items()]
        return f"{self.name}({', '.join(shown)}) on {self.inputs} {self.call or ''}{'' if self.train else ' in evaluation'}"


class Draw(random.Random):
    def one(self, *choices):
        return self.choice(choices)

    def flag(self, chance=0.5):
        return self.random() < chance

    def sizes(self, n, *choices):
        """One number, or one per dimension."""
        drawn = tuple(self.choice(choices) for _ in range(n))
        return drawn[0] if self.flag(0.4) else drawn

    def some(self, **choices):
        """Each option with a chance of one half."""
        return {k: self.choice(v) for k, v in choices.items() if self.flag()}


FAMILIES: dict[str, Callable] = {}


def family(*names):
    def register(draw):
        FAMILIES.update(dict.fromkeys(names, draw))
        return draw

    return register


def each(stem):
    return [f"{stem}{n}d" for n in (1, 2, 3)]


def normal(*shape):
    return ("normal", shape)


def ints(low, high, *shape):
    return ("ints", shape, low, high)


def space(d, n, *choices):
    return tuple(d.choice(choices) for _ in range(n))


def batch(d, channels, sizes, n=2):
    """With a batch or without one."""
    return normal(channels, *sizes) if d.flag(0.3) else normal(n, channels, *sizes)


@family(*each("Conv"), *each("ConvTranspose"), *each("LazyConv"), *each("LazyConvTranspose"))
def conv(d, name):
    n, transposed = int(name[-2]), "Transpose" in name
    groups = d.one(1, 1, 2, 3)
    c_in, c_out = groups * d.one(1, 2), groups * d.one(1, 2, 3)
    options = {"stride": d.sizes(n, 1, 2, 3), "padding": d.sizes(n, 0, 1, 2), "dilation": d.sizes(n, 1, 1, 2), "groups": groups, "bias": d.flag()}  # fmt: skip
    call = {}
    sizes = space(d, n, 3, 4, 5, 7)
    if transposed:
        options["output_padding"] = d.sizes(n, 0, 0, 1)
        if d.flag(0.3):
            call["output_size"] = [s * d.one(1, 2) + d.one(0, 1, 2) for s in sizes]
    else:
        options["padding_mode"] = d.one("zeros", "zeros", "reflect", "replicate", "circular")
        if d.flag(0.3):
            options["padding"] = d.one("same", "valid")
    head = () if name.startswith("Lazy") else (c_in + d.flag(0.03),)
    return Case(name, (*head, c_out, d.sizes(n, 1, 2, 3)), options, [batch(d, c_in, sizes)], call)


@family(*each("MaxPool"), *each("AvgPool"), *each("LPPool"))
def pool(d, name):
    n, options = int(name[-2]), {"stride": d.one(None, d.sizes(int(name[-2]), 1, 2, 3)), "ceil_mode": d.flag()}
    if name.startswith("LP"):
        options["stride"] = d.one(None, 1, 2)
        return Case(
            name, (d.one(1, 2, 2.5, 3), d.one(1, 2, 3)), options, [("unit", batch(d, 3, space(d, n, 3, 4, 6))[1])]
        )
    options["padding"] = d.sizes(n, 0, 0, 1)
    if name.startswith("Max"):
        options |= {"dilation": d.sizes(n, 1, 1, 2), "return_indices": d.flag()}
    else:
        options["count_include_pad"] = d.flag()
        if n > 1:
            options["divisor_override"] = d.one(None, None, 3)
    return Case(name, (d.sizes(n, 1, 2, 3),), options, [batch(d, 3, space(d, n, 3, 4, 6, 8))])


@family(*each("AdaptiveMaxPool"), *each("AdaptiveAvgPool"))
def adaptive(d, name):
    n = int(name[-2])
    out = d.one(1, 2, 3, 5) if n == 1 else d.one(1, 2, tuple(d.one(1, 2, 3, 5, None) for _ in range(n)))
    return Case(
        name, (out,), {"return_indices": d.flag()} if "Max" in name else {}, [batch(d, 3, space(d, n, 3, 4, 6, 8))]
    )


@family("FractionalMaxPool2d", "FractionalMaxPool3d")
def fractional(d, name):
    n = int(name[-2])
    options = {"return_indices": d.flag(), "_random_samples": ("unit", (2, 3, n))}
    options |= {"output_size": d.sizes(n, 2, 3)} if d.flag() else {"output_ratio": d.sizes(n, 0.5, 0.6)}
    return Case(name, (d.sizes(n, 1, 2, 3),), options, [normal(2, 3, *space(d, n, 7, 8, 9))])


@family(*each("MaxUnpool"))
def unpool(d, name):
    n, kernel, stride, padding = int(name[-2]), d.one(2, 3), d.one(None, 2, 3), d.one(0, 0, 1)
    sizes = space(d, n, 4, 6, 8)

    def around(library, layer):
        pooling = getattr(library.nn, f"MaxPool{n}d")(kernel, stride, padding, return_indices=True)
        return lambda x, **kwargs: layer(*pooling(x), **kwargs)

    call = {"output_size": list(sizes)} if d.flag(0.4) else {}
    return Case(name, (kernel, stride, padding), {}, [batch(d, 2, sizes)], call, around=around)


@family("Unfold")
def unfold(d, name):
    args = (d.sizes(2, 1, 2, 3), d.sizes(2, 1, 1, 2), d.sizes(2, 0, 1), d.sizes(2, 1, 2))
    return Case(name, args, {}, [batch(d, 3, (5, 6))])


@family("Fold")
def fold(d, name):
    geometry = [tuple(d.one(*c) for _ in range(2)) for c in ((1, 2, 3), (1, 1, 2), (0, 1), (1, 2))]
    out = (5, 6)
    blocks = math.prod((o + 2 * p - e * (k - 1) - 1) // s + 1 for o, k, e, p, s in zip(out, *geometry, strict=True))
    shape = (2 * math.prod(geometry[0]), blocks + d.flag(0.05))
    return Case(name, (out, *geometry), {}, [normal(*shape) if d.flag(0.3) else normal(2, *shape)])


@family("RNN", "LSTM", "GRU")
def recurrent(d, name):
    width, hidden, steps, count = d.one(2, 3), d.one(2, 4), d.one(1, 3, 5), d.one(1, 2)
    options = {"num_layers": d.one(1, 2, 3), "bias": d.flag(), "batch_first": d.flag(), "bidirectional": d.flag()}
    if name == "RNN":
        options["nonlinearity"] = d.one("tanh", "relu")
    if name == "LSTM":
        options |= {"proj_size": d.one(0, 0, 1)}
    unbatched = d.flag(0.3)
    shape = (steps, width) if unbatched else (count, steps, width) if options["batch_first"] else (steps, count, width)
    lead = (options["num_layers"] * (1 + options["bidirectional"]), *(() if unbatched else (count,)))
    inputs = [normal(*shape[:-1], shape[-1] + d.flag(0.03))]
    if d.flag(0.6):
        inputs.append(normal(*lead, options.get("proj_size") or hidden))
        if name == "LSTM":
            inputs.append(normal(*lead, hidden))
    lengths, ordered = None, d.flag()
    if not unbatched and d.flag(0.4):
        lengths = [steps, *(d.randint(1, steps) for _ in range(count - 1))]
        if not ordered:
            d.shuffle(lengths)

    def around(library, layer):
        tools = library.nn.utils.rnn

        def run(x, *state):
            if lengths:
                x = tools.pack_padded_sequence(x, lengths, options["batch_first"], enforce_sorted=ordered)
            out, last = layer(x, *([state if len(state) == 2 else state[0]] if state else []))
            if lengths:
                out = tools.pad_packed_sequence(out, options["batch_first"], 0.5, steps)
            return out, last

        return run

    return Case(name, (width, hidden), options, inputs, around=around)


@family("RNNCell", "LSTMCell", "GRUCell")
def cell(d, name):
    options = {"bias": d.flag()} | ({"nonlinearity": d.one("tanh", "relu")} if name == "RNNCell" else {})
    lead = () if d.flag(0.3) else (d.one(0, 1, 3),)
    inputs = [normal(*lead, 3)]
    if d.flag(0.6):
        inputs += [normal(*lead, 2)] * (2 if name == "LSTMCell" else 1)

    def around(library, layer):
        return lambda x, *state: layer(x, *([state if len(state) == 2 else state[0]] if state else []))

    return Case(name, (3, 2), options, inputs, around=around)


def mask(d, *shape):
    return ("mask", shape) if d.flag() else normal(*shape)


@family("MultiheadAttention")
def attention(d, name):
    width, heads = d.one((4, 2), (6, 3), (4, 1))
    options = {"bias": d.flag(), "add_bias_kv": d.flag(0.3), "add_zero_attn": d.flag(0.3), "batch_first": d.flag()}
    options |= {k: v for k, v in d.some(kdim=(3, 5), vdim=(3, 5)).items() if d.flag()}
    queries, keys, count, unbatched = d.one(1, 3, 4), d.one(2, 3, 5), d.one(1, 2), d.flag(0.25)
    alone = d.flag(0.4) and not {"kdim", "vdim"} & set(options)
    keys = queries if alone else keys

    def shape(length, size):
        return normal(*((length, size) if unbatched else (count, length, size) if options["batch_first"] else (length, count, size)))  # fmt: skip

    call = {"need_weights": d.flag(), "average_attn_weights": d.flag()}
    if d.flag(0.4):
        per_head = (heads * (1 if unbatched else count), queries, keys)
        call["attn_mask"] = mask(d, *d.one((queries + d.flag(0.1), keys), per_head))
    if d.flag(0.3):
        call["key_padding_mask"] = mask(d, *(() if unbatched else (count,)), keys)
    inputs = [shape(queries, width)]
    if not alone:
        inputs += [shape(keys, options.get("kdim", width)), shape(keys, options.get("vdim", width))]
    around = (lambda library, layer: lambda x, **kwargs: layer(x, x, x, **kwargs)) if alone else None
    return Case(name, (width, heads), options, inputs, call, d.flag(), around)


@family("TransformerEncoderLayer", "TransformerDecoderLayer", "TransformerEncoder", "TransformerDecoder", "Transformer")
def transformer(d, name):
    options = {"dim_feedforward": 5, "dropout": 0.0, "activation": d.one("relu", "gelu"), "layer_norm_eps": d.one(1e-5, 1e-2),
               "batch_first": d.flag(), "norm_first": d.flag(), "bias": d.flag()}  # fmt: skip
    unbatched, source, target = d.flag(0.2), 4, 3

    def shape(n):
        return normal(*((n, 4) if unbatched else (2, n, 4) if options["batch_first"] else (n, 2, 4)))

    def padding(n):
        return mask(d, *((n,) if unbatched else (2, n)))

    if "Encoder" in name:
        inputs, masks = [shape(source)], {"src_mask" if "Layer" in name else "mask": mask(d, source, source), "src_key_padding_mask": padding(source)}  # fmt: skip
    else:
        inputs = [shape(source), shape(target)] if name == "Transformer" else [shape(target), shape(source)]
        masks = {"tgt_mask": mask(d, target, target), "memory_mask": mask(d, target, source)}
        masks |= {"tgt_key_padding_mask": padding(target), "memory_key_padding_mask": padding(source)}
        if name == "Transformer":
            masks["src_mask"] = mask(d, source, source)
    call = {k: v for k, v in masks.items() if d.flag(0.4)}
    if name == "Transformer":
        return Case(name, (4, 2, 2, 1), options, inputs, call, d.flag())
    if "Layer" in name:
        return Case(name, (4, 2), options, inputs, call, d.flag())
    layer, norm = f"{name}Layer", d.flag()
    args = (("layer", layer, (4, 2), options), 2)
    extra = {"norm": ("layer", "LayerNorm", (4,), {})} if norm else {}
    return Case(name, args, extra, inputs, call, d.flag())


@family(*each("BatchNorm"), *each("InstanceNorm"))
def channel_norm(d, name):
    n, channels = int(name[-2]), d.one(2, 4)
    options = d.some(eps=(1e-5, 1e-2), momentum=(0.1, 0.5), affine=(True, False), track_running_stats=(True, False), bias=(True, False))  # fmt: skip
    sizes = space(d, n, 1, 2, 3)
    if name.startswith("Batch"):
        options |= {"momentum": None} if d.flag(0.2) else {}
        shape = normal(3, channels) if n == 1 and d.flag(0.3) else normal(3, channels, *sizes)
    else:
        shape = batch(d, channels, sizes, 3)
    if d.flag(0.1):
        shape = d.one(normal(*shape[1], 2), normal(3, channels + 1, *sizes), normal(1, channels, *(1,) * n))
    return Case(name, (channels,), options, [shape], train=d.flag(0.7))


@family("LayerNorm", "RMSNorm", "GroupNorm", "LocalResponseNorm")
def norm(d, name):
    shape = (3, d.one(2, 4), *space(d, d.one(1, 2, 3), 1, 2, 3))
    if name == "GroupNorm":
        return Case(name, (d.one(1, 2, 3), shape[1]), d.some(eps=(1e-5, 0.1), affine=(True, False)), [normal(*shape)])
    if name == "LocalResponseNorm":
        return Case(
            name, (d.one(1, 2, 3, 5),), d.some(alpha=(1e-4, 0.1), beta=(0.5, 0.75), k=(1.0, 2.0)), [normal(*shape)]
        )
    last = shape[-d.one(1, 2, len(shape)) :]
    options = d.some(eps=(1e-5, 0.1), elementwise_affine=(True, False))
    options |= d.some(bias=(True, False)) if name == "LayerNorm" else {}
    return Case(
        name, (last[0] + d.flag(0.05) if len(last) == 1 else d.one(last, list(last)),), options, [normal(*shape)]
    )


@family("CrossEntropyLoss", "NLLLoss")
def classes(d, name):
    n, count, more = d.one(1, 3), d.one(2, 4), d.one((), (2,), (2, 3))
    shape, wanted = ((count,), ()) if d.flag(0.15) else ((n, count, *more), (n, *more))
    options = {"reduction": d.one("none", "mean", "sum")} | ({"weight": ("unit", (count,))} if d.flag() else {})
    soft = name == "CrossEntropyLoss" and d.flag(0.3)
    if not soft:
        options |= d.some(ignore_index=(0, 1, -1, -100))
    if name == "CrossEntropyLoss":
        options |= d.some(label_smoothing=(0.1, 0.5, 1.0))
    low = -1 if options.get("ignore_index") == -1 else 0
    return Case(
        name, (), options, [normal(*shape), ("unit", shape) if soft else ints(low, count + d.flag(0.03), *wanted)]
    )


@family("CTCLoss")
def ctc(d, name):
    frames, longest, n = d.one(6, 7), d.one(1, 2, 3), 2
    targets, joined = [d.randint(1, longest) for _ in range(n)], d.flag(0.3)
    options = {"blank": d.one(0, 0, 1), "reduction": d.one("none", "mean", "sum"), "zero_infinity": d.flag()}
    lengths = [d.randint(2 * longest, frames) for _ in range(n)]  # enough for every alignment

    def around(library, layer):
        return lambda x, t: layer(x.log_softmax(2), t, library.tensor(lengths), library.tensor(targets))

    wanted = ints(options["blank"] + 1, 4, *((sum(targets),) if joined else (n, longest)))
    return Case(name, (), options, [normal(frames, n, 4), wanted], around=around)


@family("AdaptiveLogSoftmaxWithLoss")
def adaptive_softmax(d, name):
    options = {"cutoffs": d.one([5], [3, 10], [2, 5, 12]), "div_value": d.one(2.0, 4.0), "head_bias": d.flag()}
    lead = () if d.flag(0.2) else (5,)
    return Case(name, (8, 20), options, [normal(*lead, 8), ints(0, 20 + d.flag(0.1), *lead)])


@family("LinearCrossEntropyLoss")
def linear_cross_entropy(d, name):
    more, n = d.one((), (2,), (2, 3)), d.one(1, 3)
    options = {"out_features": more, "bias": d.flag(), "reduction": d.one("none", "mean", "sum"), "ignore_index": d.one(None, 1), "label_smoothing": d.one(0.0, 0.2)}  # fmt: skip
    return Case(name, (3, 4), options, [normal(n, 3), ints(0, 4, n, *more)])


@family("EmbeddingBag", "Embedding")
def embedding(d, name):
    options = d.some(max_norm=(0.5, 1.0), norm_type=(1.0, 2.0, 3.0), padding_idx=(0, 2, -1))
    if name == "Embedding":
        options |= d.some(scale_grad_by_freq=(True, False))
        return Case(name, (5, 3), options, [ints(0, 5 + d.flag(0.05), *d.one((), (4,), (2, 3), (0,)))])
    options |= {"mode": d.one("sum", "mean", "max"), "include_last_offset": d.flag()}
    square = d.flag(0.4)
    inputs = [ints(0, 5, 2, 3)] if square else [ints(0, 5, 6)]
    if not square:
        starts = [0, *sorted(d.randint(0, 6) for _ in range(2))]
        inputs.append(("given", starts + [6] * options["include_last_offset"]))
    call = {}
    if options["mode"] == "sum" and d.flag() and "padding_idx" not in options:
        call["per_sample_weights"] = normal(*inputs[0][1])
    return Case(name, (5, 3), options, inputs, call)


@family(
    *(name for mode in ("Circular", "Reflection", "Replication", "Zero", "Constant") for name in each(f"{mode}Pad"))
)
def padding(d, name):
    n = int(name[-2])
    wide = 1 if name.startswith("Circular") else 3  # torch wraps a cropped side into memory that it never wrote
    amount = d.one(0, 1, 2, tuple(d.one(0, 1, wide, -1) for _ in range(2 * n)))
    return Case(
        name, (amount, 1.5) if name.startswith("Constant") else (amount,), {}, [batch(d, 3, space(d, n, 3, 4, 5))]
    )


@family("Upsample")
def upsample(d, name):
    n = d.one(1, 2, 3)
    options = {"mode": d.one("nearest", "nearest-exact", {1: "linear", 2: "bilinear", 3: "trilinear"}[n], "bicubic" if n == 2 else "area")}  # fmt: skip
    if d.flag():
        options["size"] = d.sizes(n, 1, 2, 4, 7)
    else:
        options |= {"scale_factor": d.sizes(n, 0.5, 2.0, 2.7)} | d.some(recompute_scale_factor=(True, False))
    options |= d.some(align_corners=(True, False)) if d.flag() else {}
    return Case(name, (), options, [normal(2, 2, *space(d, n, 1, 2, 3, 5))])


@family("GLU", "PReLU", "Softmax", "LogSoftmax", "Softmin", "Threshold", "Hardtanh", "Softplus", "Softshrink", "GELU")
def activation(d, name):
    args = {
        "GLU": [(0,), (-1,), (1,)], "PReLU": [(1,), (2,), (4,), (4, 0.1)], "Softmax": [(None,), (0,), (-1,), (3,)], "LogSoftmax": [(None,), (0,), (1,)],
        "Softmin": [(None,), (0,), (1,)], "Threshold": [(0.1, 20.0), (-0.5, 0)], "Hardtanh": [(-1, 0.5), (-0.2, 1), (1, -1)],
        "Softplus": [(1, 20), (3.0, 1)], "Softshrink": [(0.2,), (0.0,), (-0.1,)], "GELU": [("none",), ("tanh",), ("x",)],
    }[name]  # fmt: skip
    return Case(name, d.choice(args), {}, [normal(*d.one((4, 3), (2, 4, 4), (2, 4, 2, 3), (4,), ()))])


def draws(name, count, seed=0):
    """Cases of one class: the same for the same seed, on every machine."""
    d = Draw(f"{name} {seed}")
    return [FAMILIES[name](d, name) for _ in range(count)]


if __name__ == "__main__":
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from test_nn_options import search

    search(int(sys.argv[1]), *sys.argv[2:])
