"""One layer of each family at the size that programs use it: forward and backward, in training."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

if not __package__:  # python benchmarks/layers.py
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks.harness import Bench, Build, Run
from benchmarks.libraries import Library

Make = Callable[[Any], Any]  # of `nn` to a layer

# Section: rows of name, layer, inputs. An input is a shape of floats, or (shape, number of classes).
LAYERS: dict[str, list[tuple[str, Make, list[Any]]]] = {
    "linear": [
        ("Linear 512 -> 2048, 256 rows", lambda nn: nn.Linear(512, 2048), [(256, 512)]),
        ("Linear 784 -> 256, 64 rows", lambda nn: nn.Linear(784, 256), [(64, 784)]),
        ("Linear 128 -> 128, 1 row", lambda nn: nn.Linear(128, 128), [(1, 128)]),
        ("Bilinear 32 x 32 -> 16", lambda nn: nn.Bilinear(32, 32, 16), [(64, 32), (64, 32)]),
    ],
    "convolution": [
        ("Conv1d 32 -> 64, k5", lambda nn: nn.Conv1d(32, 64, 5, padding=2), [(16, 32, 256)]),
        ("Conv2d 32 -> 64, k3", lambda nn: nn.Conv2d(32, 64, 3, padding=1), [(16, 32, 16, 16)]),
        ("Conv3d 8 -> 16, k3", lambda nn: nn.Conv3d(8, 16, 3, padding=1), [(4, 8, 8, 16, 16)]),
        ("ConvTranspose2d 32 -> 16, k4 s2", lambda nn: nn.ConvTranspose2d(32, 16, 4, 2, 1), [(8, 32, 16, 16)]),
    ],
    "norm": [
        ("LayerNorm 512, 1024 rows", lambda nn: nn.LayerNorm(512), [(1024, 512)]),
        ("RMSNorm 512, 1024 rows", lambda nn: nn.RMSNorm(512), [(1024, 512)]),
        ("BatchNorm1d 256", lambda nn: nn.BatchNorm1d(256), [(512, 256)]),
        ("BatchNorm2d 64", lambda nn: nn.BatchNorm2d(64), [(16, 64, 16, 16)]),
        ("GroupNorm 8 of 64", lambda nn: nn.GroupNorm(8, 64), [(16, 64, 16, 16)]),
        ("InstanceNorm2d 64", lambda nn: nn.InstanceNorm2d(64, affine=True), [(16, 64, 16, 16)]),
    ],
    "recurrent": [
        ("LSTM 64 -> 128, 32 steps of 16", lambda nn: nn.LSTM(64, 128), [(32, 16, 64)]),
        ("GRU 64 -> 128, 32 steps of 16", lambda nn: nn.GRU(64, 128), [(32, 16, 64)]),
        ("RNN 64 -> 128, 32 steps of 16", lambda nn: nn.RNN(64, 128), [(32, 16, 64)]),
        ("LSTMCell 128 -> 128", lambda nn: nn.LSTMCell(128, 128), [(32, 128)]),
    ],
    "attention": [
        ("scaled_dot_product_attention, causal, 8 heads, 256", lambda nn: Attention(nn, is_causal=True), [(4, 8, 256, 32)] * 3),
        ("scaled_dot_product_attention, 4 heads, 1024", lambda nn: Attention(nn), [(1, 4, 1024, 64)] * 3),
        ("MultiheadAttention 256, 8 heads, 64", lambda nn: Alone(nn.MultiheadAttention(256, 8, batch_first=True)), [(8, 64, 256)]),
        ("TransformerEncoderLayer 256, 64", lambda nn: nn.TransformerEncoderLayer(256, 8, 1024, 0.0, batch_first=True), [(8, 64, 256)]),
    ],
    "embedding": [
        ("Embedding 10000 x 128", lambda nn: nn.Embedding(10000, 128), [((64, 32), 10000)]),
        ("EmbeddingBag 10000 x 128", lambda nn: nn.EmbeddingBag(10000, 128), [((64, 32), 10000)]),
    ],
    "pooling": [
        ("MaxPool2d 2", lambda nn: nn.MaxPool2d(2), [(16, 32, 32, 32)]),
        ("MaxPool2d 3 s2 p1", lambda nn: nn.MaxPool2d(3, 2, 1), [(16, 32, 32, 32)]),
        ("AvgPool2d 2", lambda nn: nn.AvgPool2d(2), [(16, 32, 32, 32)]),
        ("AdaptiveAvgPool2d 1", lambda nn: nn.AdaptiveAvgPool2d(1), [(32, 128, 8, 8)]),
    ],
    "loss": [
        ("CrossEntropyLoss, 1024 x 10", lambda nn: nn.CrossEntropyLoss(), [(1024, 10), ((1024,), 10)]),
        ("CrossEntropyLoss, 256 x 10000", lambda nn: nn.CrossEntropyLoss(), [(256, 10000), ((256,), 10000)]),
        ("CrossEntropyLoss smoothed, 256 x 1000", lambda nn: nn.CrossEntropyLoss(label_smoothing=0.1), [(256, 1000), ((256,), 1000)]),
        ("MSELoss", lambda nn: nn.MSELoss(), [(512, 256), (512, 256)]),
        ("BCEWithLogitsLoss", lambda nn: Targets(nn.BCEWithLogitsLoss()), [(512, 256), ((512, 256), 2)]),
        ("SmoothL1Loss", lambda nn: nn.SmoothL1Loss(), [(512, 256), (512, 256)]),
    ],
    "activation": [
        (name, lambda nn, name=name: getattr(nn, name)(), [(512, 512)])
        for name in ("ReLU", "GELU", "SiLU", "Sigmoid", "Tanh", "LeakyReLU", "ELU", "Softplus", "Hardswish", "Mish")
    ] + [("Softmax", lambda nn: nn.Softmax(-1), [(512, 512)]), ("LogSoftmax", lambda nn: nn.LogSoftmax(-1), [(512, 512)])],
    "dropout": [("Dropout 0.1", lambda nn: nn.Dropout(0.1), [(512, 512)])],
}  # fmt: skip


class Attention:
    """The function as a layer without parameters."""

    def __init__(self, nn: Any, **options: Any) -> None:
        self.attend, self.options = nn.functional.scaled_dot_product_attention, options

    def __call__(self, q: Any, k: Any, v: Any) -> Any:
        return self.attend(q, k, v, **self.options)


class Alone:
    """Self-attention, without the weights."""

    def __init__(self, layer: Any) -> None:
        self.layer, self.parameters = layer, layer.parameters

    def __call__(self, x: Any) -> Any:
        return self.layer(x, x, x, need_weights=False)[0]


class Targets:
    """A loss whose class numbers are taken as floats."""

    def __init__(self, loss: Any) -> None:
        self.loss = loss

    def __call__(self, x: Any, target: Any) -> Any:
        return self.loss(x, target.float())


def layer(make: Make, inputs: list[Any]) -> Build:
    """Forward and backward of a layer: the gradients of its input and its parameters."""

    def build(L: Library) -> Run:
        import numpy as np

        rng = np.random.default_rng(0)
        module = make(L.nn)
        parameters = list(module.parameters()) if hasattr(module, "parameters") else []
        for p in parameters:
            fresh = rng.standard_normal(tuple(p.shape), dtype=np.float32) / max(1.0, float(p.shape[-1])) ** 0.5
            p.data = L.tensor(fresh + (1.0 if p.ndim == 1 else 0.0))
        given = [
            L.tensor(rng.integers(0, spec[1], spec[0]))
            if isinstance(spec[0], tuple)
            else L.tensor(rng.standard_normal(spec, dtype=np.float32), grad=True)
            for spec in inputs
        ]
        wanted = [*(x for x in given if x.requires_grad), *parameters]
        g = first(module(*given))
        g = L.tensor(rng.standard_normal(tuple(g.shape), dtype=np.float32)) if g.ndim else None

        def run() -> tuple[Any, ...]:
            out = first(module(*given))
            return out, *L.T.autograd.grad(out, wanted, g)

        return run

    return build


def first(result: Any) -> Any:
    return result[0] if isinstance(result, tuple) else result


def register(bench: Bench) -> None:
    """Every layer of every family."""
    for family, rows in LAYERS.items():
        bench.section(f"Layer, forward and backward: {family}")
        for name, make, inputs in rows:
            bench.row(name, layer(make, inputs), compare=family != "dropout")


if __name__ == "__main__":
    from benchmarks.cli import main

    sys.exit(main(("layers",)))
