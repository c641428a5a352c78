"""Single ops at the sizes people use, most of them chosen because NumPy is slow at them: forward, and with backward."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if not __package__:  # python benchmarks/ops.py
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks.harness import Bench, Run
from benchmarks.libraries import Library

Op = Callable[..., Any]


@dataclass(frozen=True)
class Arg:
    """An operand made when its row is timed: normal float32, integers below `below`, or a random mask."""

    shape: tuple[int, ...]
    kind: str = "float"
    below: int = 0
    grad: bool = True

    def array(self, seed: int) -> Any:
        """The same values for every library."""
        import numpy as np

        rng = np.random.default_rng(seed)
        if self.kind == "double":
            return rng.standard_normal(self.shape)
        if self.kind == "int":
            return rng.integers(0, self.below, self.shape)
        if self.kind == "mask":
            return rng.random(self.shape) < 0.5
        return rng.standard_normal(self.shape, dtype=np.float32)


def f(*shape: int) -> Arg:
    """A float operand that wants a gradient."""
    return Arg(shape)


def const(*shape: int) -> Arg:
    """A float operand that wants none, such as the first layer's input."""
    return Arg(shape, grad=False)


def ints(below: int, *shape: int) -> Arg:
    """Indices or classes."""
    return Arg(shape, "int", below, grad=False)


def mask(*shape: int) -> Arg:
    """Half of them true."""
    return Arg(shape, "mask", grad=False)


def double(*shape: int) -> Arg:
    """A float64 operand that wants a gradient."""
    return Arg(shape, "double")


def cell(name: str, size: int) -> Op:
    """One step of a recurrent cell; its operands are the input, the state and the cell's four parameters."""
    made: dict[str, Any] = {}

    def step(L: Library, x: Any, h: Any, *parameters: Any) -> Any:
        if L.name not in made:
            made[L.name] = getattr(L.nn, name)(size, size)
        module = made[L.name]
        module._parameters.update(zip(module._parameters, parameters, strict=True))
        return module(x, h) if name != "LSTMCell" else module(x, (h, h))[0]

    return step


def recurrent(size: int, gates: int, batch: int) -> tuple[Arg, ...]:
    """The operands of ``cell``."""
    return (
        f(batch, size),
        f(batch, size),
        f(gates * size, size),
        f(gates * size, size),
        f(gates * size),
        f(gates * size),
    )


def conv(kernel: int, *, stride: int = 1, groups: int = 1) -> Op:
    """A convolution that keeps the size."""
    return lambda L, x, w, b: L.F.conv2d(x, w, b, stride=stride, padding=kernel // 2, groups=groups)


def ctc(frames: int, batch: int, labels: int) -> Op:
    """The loss of random scores and labels, of which 0 is the blank."""
    lengths = [frames] * batch, [labels] * batch
    return lambda L, x, t: L.F.ctc_loss(x.log_softmax(2), t.clamp(min=1), *lengths, zero_infinity=True)


def images(n: int, c_in: int, size: int, c_out: int, kernel: int, *, first: bool = False) -> tuple[Arg, ...]:
    """Input, weight and bias of a convolution."""
    return Arg((n, c_in, size, size), grad=not first), f(c_out, c_in, kernel, kernel), f(c_out)


# One line per row: name, function of the library and its operands, operands. Rows of one table share a section.
# Why a row is above 1.5 times torch stands in ``op_reasons.py``.
TABLES: dict[str, list[tuple[str, Op, tuple[Arg, ...]]]] = {
    "Elementwise, 1000x100": [
        ("x * y", lambda L, x, y: x * y, (f(1000, 100), f(1000, 100))),
        ("x + row", lambda L, x, y: x + y, (f(1000, 100), f(100))),
        ("x * column", lambda L, x, y: x * y, (f(1000, 100), f(1000, 1))),
        ("x ** 2", lambda L, x: x**2, (f(1000, 100),)),
        ("x ** 3", lambda L, x: x**3, (f(1000, 100),)),
        ("where(random mask, x, y)", lambda L, m, x, y: L.T.where(m, x, y),
         (mask(1000, 100), f(1000, 100), f(1000, 100))),
        ("relu", lambda L, x: L.F.relu(x), (f(1000, 100),)),
        ("leaky_relu", lambda L, x: L.F.leaky_relu(x), (f(1000, 100),)),
        ("gelu", lambda L, x: L.F.gelu(x), (f(1000, 100),)),
        ("gelu, tanh", lambda L, x: L.F.gelu(x, approximate="tanh"), (f(1000, 100),)),
        ("silu", lambda L, x: L.F.silu(x), (f(1000, 100),)),
        ("sigmoid", lambda L, x: L.T.sigmoid(x), (f(1000, 100),)),
        ("softplus", lambda L, x: L.F.softplus(x), (f(1000, 100),)),
        ("erf", lambda L, x: L.T.erf(x), (f(1000, 100),)),
        ("exp", lambda L, x: L.T.exp(x), (f(1000, 100),)),
        ("tanh", lambda L, x: L.T.tanh(x), (f(1000, 100),)),
        ("clamp(-1, 1)", lambda L, x: L.T.clamp(x, -1, 1), (f(1000, 100),)),
        ("maximum(x, y)", lambda L, x, y: L.T.maximum(x, y), (f(1000, 100), f(1000, 100))),
    ],
    "Elementwise, 1024x1024": [
        ("x * y", lambda L, x, y: x * y, (f(1024, 1024), f(1024, 1024))),
        ("relu", lambda L, x: L.F.relu(x), (f(1024, 1024),)),
        ("gelu", lambda L, x: L.F.gelu(x), (f(1024, 1024),)),
        ("sigmoid", lambda L, x: L.T.sigmoid(x), (f(1024, 1024),)),
        ("exp", lambda L, x: L.T.exp(x), (f(1024, 1024),)),
        ("tanh", lambda L, x: L.T.tanh(x), (f(1024, 1024),)),
    ],
    "Reductions, 1000x1000": [
        ("sum, all", lambda L, x: x.sum(), (f(1000, 1000),)),
        ("sum, last axis", lambda L, x: x.sum(-1), (f(1000, 1000),)),
        ("sum, first axis", lambda L, x: x.sum(0), (f(1000, 1000),)),
        ("mean, all", lambda L, x: x.mean(), (f(1000, 1000),)),
        ("mean, last axis", lambda L, x: x.mean(-1), (f(1000, 1000),)),
        ("mean, 64x10", lambda L, x: x.mean(), (f(64, 10),)),
        ("var, last axis", lambda L, x: x.var(-1), (f(1000, 1000),)),
        ("max, last axis: values", lambda L, x: x.max(-1)[0], (f(1000, 1000),)),
        ("amax, last axis", lambda L, x: x.amax(-1), (f(1000, 1000),)),
        ("argmax, last axis", lambda L, x: x.argmax(-1), (const(1000, 1000),)),
        ("argmax, 64x10", lambda L, x: x.argmax(-1), (const(64, 10),)),
        ("cumsum, last axis", lambda L, x: x.cumsum(-1), (f(1000, 1000),)),
        ("logsumexp, last axis", lambda L, x: L.T.logsumexp(x, -1), (f(1000, 1000),)),
        ("sort, last axis: values", lambda L, x: L.T.sort(x, dim=-1)[0], (f(100, 1000),)),
    ],
    "Softmax, losses, norms": [
        ("softmax 64x10", lambda L, x: L.F.softmax(x, dim=-1), (f(64, 10),)),
        ("softmax 512x1000", lambda L, x: L.F.softmax(x, dim=-1), (f(512, 1000),)),
        ("softmax 8x8x128x128", lambda L, x: L.F.softmax(x, dim=-1), (f(8, 8, 128, 128),)),
        ("log_softmax 512x1000", lambda L, x: L.F.log_softmax(x, dim=-1), (f(512, 1000),)),
        ("cross_entropy 64x10", lambda L, x, t: L.F.cross_entropy(x, t), (f(64, 10), ints(10, 64))),
        ("cross_entropy 512x1000", lambda L, x, t: L.F.cross_entropy(x, t), (f(512, 1000), ints(1000, 512))),
        ("smooth_l1_loss 1000x100", lambda L, x, y: L.F.smooth_l1_loss(x, y), (f(1000, 100), const(1000, 100))),
        ("mse_loss 1000x100", lambda L, x, y: L.F.mse_loss(x, y), (f(1000, 100), const(1000, 100))),
        ("layer_norm 64x32x128", lambda L, x, w, b: L.F.layer_norm(x, (128,), w, b), (f(64, 32, 128), f(128), f(128))),
        ("layer_norm 512x768", lambda L, x, w, b: L.F.layer_norm(x, (768,), w, b), (f(512, 768), f(768), f(768))),
        ("batch_norm 32x32x16x16", lambda L, x, w, b: L.F.batch_norm(x, None, None, w, b, training=True),
         (f(32, 32, 16, 16), f(32), f(32))),
    ],
    "Small sizes": [
        ("layer_norm 32x64", lambda L, x, w, b: L.F.layer_norm(x, (64,), w, b), (f(32, 64), f(64), f(64))),
        ("batch_norm 32x64", lambda L, x, w, b: L.F.batch_norm(x, None, None, w, b, training=True),
         (f(32, 64), f(64), f(64))),
        ("group_norm 8x16x16x16", lambda L, x, w, b: L.F.group_norm(x, 4, w, b), (f(8, 16, 16, 16), f(16), f(16))),
        ("nll_loss 64x10", lambda L, x, t: L.F.nll_loss(x, t), (f(64, 10), ints(10, 64))),
        ("mse_loss 64x10", lambda L, x, y: L.F.mse_loss(x, y), (f(64, 10), const(64, 10))),
        ("bce_with_logits 64x10", lambda L, x, y: L.F.binary_cross_entropy_with_logits(x, y), (f(64, 10), const(64, 10))),
        ("gelu 64x64", lambda L, x: L.F.gelu(x), (f(64, 64),)),
        ("ctc_loss 12x2x5, labels 3", ctc(12, 2, 3), (f(12, 2, 5), ints(5, 2, 3))),
        ("grid_sample 1x1x4x4", lambda L, x, g: L.F.grid_sample(x, g, align_corners=False), (f(1, 1, 4, 4), f(1, 4, 4, 2))),
    ],
    "Images and sequences": [
        ("batch_norm 32x32x16x16, channels last", lambda L, x, w, b: L.F.batch_norm(x.permute(0, 3, 1, 2), None, None, w, b, training=True),
         (f(32, 16, 16, 32), f(32), f(32))),
        ("group_norm 8x16x16x16, channels last", lambda L, x, w, b: L.F.group_norm(x.permute(0, 3, 1, 2), 4, w, b),
         (f(8, 16, 16, 16), f(16), f(16))),
        ("interpolate nearest 8x32x16x16 by 2", lambda L, x: L.F.interpolate(x, scale_factor=2), (f(8, 32, 16, 16),)),
        ("interpolate bilinear 8x32x16x16 by 2", lambda L, x: L.F.interpolate(x, scale_factor=2, mode="bilinear"), (f(8, 32, 16, 16),)),
        ("grid_sample 4x3x28x28", lambda L, x, g: L.F.grid_sample(x, g, align_corners=False), (f(4, 3, 28, 28), f(4, 28, 28, 2))),
        ("grid_sample 8x16x64x64", lambda L, x, g: L.F.grid_sample(x, g, align_corners=False), (f(8, 16, 64, 64), f(8, 64, 64, 2))),
        ("ctc_loss 50x16x20, labels 15", ctc(50, 16, 15), (f(50, 16, 20), ints(20, 16, 15))),
        ("ctc_loss 200x16x50, labels 40", ctc(200, 16, 40), (f(200, 16, 50), ints(50, 16, 40))),
        ("pdist 300x64", lambda L, x: L.T.pdist(x), (f(300, 64),)),
        ("cdist 100x16", lambda L, x, y: L.T.cdist(x, y), (f(100, 16), f(100, 16))),
    ],
    "Attention and recurrent cells": [
        *[(f"attention 8x8x{n}x64", lambda L, q, k, v: L.F.scaled_dot_product_attention(q, k, v), (f(8, 8, n, 64),) * 3)
          for n in (64, 128, 256)],
        ("attention 8x8x128x64, causal", lambda L, q, k, v: L.F.scaled_dot_product_attention(q, k, v, is_causal=True),
         (f(8, 8, 128, 64),) * 3),
        ("GRUCell 32x64", cell("GRUCell", 64), recurrent(64, 3, 32)),
        ("GRUCell 64x256", cell("GRUCell", 256), recurrent(256, 3, 64)),
        ("LSTMCell 32x64", cell("LSTMCell", 64), recurrent(64, 4, 32)),
        ("LSTMCell 64x256", cell("LSTMCell", 256), recurrent(256, 4, 64)),
    ],
    "Order, 512x1000": [
        ("topk 5", lambda L, x: x.topk(5)[0], (f(512, 1000),)),
        ("kthvalue 5", lambda L, x: x.kthvalue(5)[0], (f(512, 1000),)),
        ("median", lambda L, x: x.median(-1)[0], (f(512, 1000),)),
        ("argsort", lambda L, x: x.argsort(-1), (const(512, 1000),)),
        ("norm, last axis", lambda L, x: L.T.linalg.vector_norm(x, dim=-1), (f(512, 1000),)),
        ("normalize", lambda L, x: L.F.normalize(x, dim=-1), (f(512, 1000),)),
        ("cumprod", lambda L, x: x.cumprod(-1), (f(512, 1000),)),
        ("cummax", lambda L, x: x.cummax(-1)[0], (f(512, 1000),)),
        ("flip", lambda L, x: x.flip(-1), (f(512, 1000),)),
    ],
    "Linear algebra, transforms, float64": [
        ("qr 64x64", lambda L, x: L.T.linalg.qr(x)[1], (f(64, 64),)),
        ("svdvals 64x64", lambda L, x: L.T.linalg.svdvals(x), (f(64, 64),)),
        ("eigvalsh 64x64", lambda L, x: L.T.linalg.eigvalsh(x + x.mT), (f(64, 64),)),
        ("inv 64x64", lambda L, x: L.T.linalg.inv(x), (f(64, 64),)),
        ("cholesky 64x64", lambda L, x: L.T.linalg.cholesky(x @ x.mT + 64 * L.T.eye(64)), (f(64, 64),)),
        ("lu_factor 64x64", lambda L, x: L.T.linalg.lu_factor(x)[0], (f(64, 64),)),
        ("fft 512x1024", lambda L, x: L.T.fft.fft(x).real, (f(512, 1024),)),
        ("rfft 512x1024", lambda L, x: L.T.fft.rfft(x).real, (f(512, 1024),)),
        ("erf, float64, 1000x100", lambda L, x: L.T.erf(x), (double(1000, 100),)),
        ("gelu, float64, 1000x100", lambda L, x: L.F.gelu(x), (double(1000, 100),)),
    ],
    "Indexing": [
        ("embedding 30000x128, 4096 rows", lambda L, i, w: L.F.embedding(i, w), (ints(30000, 4096), f(30000, 128))),
        ("embedding 1000x64, 32x64 rows", lambda L, i, w: L.F.embedding(i, w), (ints(1000, 32, 64), f(1000, 64))),
        ("x[rows]", lambda L, x, i: x[i], (f(1000, 64), ints(1000, 4096))),
        ("x[rows, columns]", lambda L, x, i, j: x[i, j], (f(1000, 64), ints(1000, 4096), ints(64, 4096))),
        ("x[mask]", lambda L, x, m: x[m], (f(1000, 100), mask(1000, 100))),
        ("masked_fill, 1000x100", lambda L, x, m: x.masked_fill(m, -1.0), (f(1000, 100), mask(1000, 100))),
        ("x[:, 10:20]", lambda L, x: x[:, 10:20], (f(1000, 64),)),
        ("gather", lambda L, x, i: L.T.gather(x, 1, i), (f(1000, 64), ints(64, 1000, 16))),
        ("scatter_add, dim 0", lambda L, x, i, s: L.T.scatter_add(x, 0, i, s),
         (f(1000, 64), ints(1000, 4096, 64), f(4096, 64))),
        ("index_add, dim 0", lambda L, x, i, s: L.T.index_add(x, 0, i, s),
         (f(1000, 64), ints(1000, 4096), f(4096, 64))),
        ("index_select", lambda L, x, i: L.T.index_select(x, 0, i), (f(1000, 64), ints(1000, 4096))),
    ],
    "Shape": [
        ("cat of 4, 250x100", lambda L, *x: L.T.cat(x, 0), (f(250, 100),) * 4),
        ("stack of 4, 250x100", lambda L, *x: L.T.stack(x, 0), (f(250, 100),) * 4),
        ("transpose, contiguous", lambda L, x: x.permute(1, 0).contiguous(), (f(1000, 100),)),
        ("pad 32x16x32x32 by 1", lambda L, x: L.F.pad(x, (1, 1, 1, 1)), (f(32, 16, 32, 32),)),
    ],
    "Matrix products": [
        *[(f"{n}x{n}", lambda L, x, y: x @ y, (f(n, n), f(n, n))) for n in (8, 32, 64, 128, 256, 512, 1024)],
        ("x @ y.T 256", lambda L, x, y: x @ y.T, (f(256, 256), f(256, 256))),
        ("matrix @ vector 1000", lambda L, x, y: x @ y, (f(1000, 1000), f(1000))),
        ("batched 64 of 64x64", lambda L, x, y: x @ y, (f(64, 64, 64), f(64, 64, 64))),
        ("attention q @ k.T 8x8x128x64", lambda L, q, k: q @ k.transpose(-2, -1), (f(8, 8, 128, 64), f(8, 8, 128, 64))),
        ("linear 64x784 to 256", lambda L, x, w, b: L.F.linear(x, w, b), (f(64, 784), f(256, 784), f(256))),
        ("linear 8x128x256 to 256", lambda L, x, w, b: L.F.linear(x, w, b), (f(8, 128, 256), f(256, 256), f(256))),
        ("einsum bij,bjk->bik 64x64x64", lambda L, x, y: L.T.einsum("bij,bjk->bik", x, y),
         (f(64, 64, 64), f(64, 64, 64))),
    ],
    "Convolution and pooling (batch, channels in, size, channels out, kernel)": [
        ("conv2d 64, 1, 28, 32, 5, first layer", conv(5), images(64, 1, 28, 32, 5, first=True)),
        ("conv2d 64, 32, 14, 64, 5", conv(5), images(64, 32, 14, 64, 5)),
        ("conv2d 32, 16, 32, 16, 3", conv(3), images(32, 16, 32, 16, 3)),
        ("conv2d 32, 32, 16, 32, 3", conv(3), images(32, 32, 16, 32, 3)),
        ("conv2d 32, 64, 8, 64, 3", conv(3), images(32, 64, 8, 64, 3)),
        ("conv2d 8, 64, 56, 64, 3", conv(3), images(8, 64, 56, 64, 3)),
        ("conv2d 8, 256, 14, 256, 3", conv(3), images(8, 256, 14, 256, 3)),
        ("conv2d 1, 64, 56, 64, 3", conv(3), images(1, 64, 56, 64, 3)),
        ("conv2d 32, 32, 16, 32, 3, depthwise", conv(3, groups=32), (f(32, 32, 16, 16), f(32, 1, 3, 3), f(32))),
        ("conv2d 32, 16, 32, 32, 3, stride 2", conv(3, stride=2), images(32, 16, 32, 32, 3)),
        ("conv2d 32, 64, 16, 64, 1", conv(1), images(32, 64, 16, 64, 1)),
        ("max_pool2d 2, 32x16x32x32", lambda L, x: L.F.max_pool2d(x, 2), (f(32, 16, 32, 32),)),
        ("max_pool2d 3 stride 2 padding 1, 32x16x32x32", lambda L, x: L.F.max_pool2d(x, 3, 2, 1), (f(32, 16, 32, 32),)),
        ("avg_pool2d 2, 32x16x32x32", lambda L, x: L.F.avg_pool2d(x, 2), (f(32, 16, 32, 32),)),
    ],
}  # fmt: skip


def forward(op: Op, arrays: list[Any], L: Library) -> Run:
    """The op without recording."""
    tensors = [L.tensor(array) for array in arrays]
    return L.T.no_grad()(lambda: op(L, *tensors))


def with_backward(op: Op, arrays: list[Any], grads: list[bool], L: Library) -> Run:
    """The op and the gradients of its operands, for a dense upstream gradient (a sum's would be a constant, which
    some backward formulas get for free)."""
    import numpy as np

    tensors = [L.tensor(array, grad=grad) for array, grad in zip(arrays, grads, strict=True)]
    wanted = [t for t, grad in zip(tensors, grads, strict=True) if grad]
    shape = tuple(op(L, *tensors).shape)
    dtype = next(array.dtype for array, grad in zip(arrays, grads, strict=True) if grad)
    upstream = L.tensor(np.asarray(np.random.default_rng(99).standard_normal(shape), dtype))

    def run() -> tuple[Any, ...]:
        for t in wanted:
            t.grad = None
        out = op(L, *tensors)
        out.backward(upstream)
        return (out, *(t.grad for t in wanted))

    return run


def register(bench: Bench) -> None:
    """All tables."""
    for title, rows in TABLES.items():
        bench.section(title)
        for name, op, args in rows:
            if bench.wants(name):
                race(bench, name, op, args)


def race(bench: Bench, name: str, op: Op, args: tuple[Arg, ...]) -> None:
    """The forward row and, if there is anything to differentiate, the row with backward."""
    seed = zlib.crc32(name.encode())
    arrays = [arg.array(seed + i) for i, arg in enumerate(args)]
    grads = [arg.grad for arg in args]
    bench.row(name, lambda L: forward(op, arrays, L))
    if any(grads):
        bench.row(f"{name} + backward", lambda L: with_backward(op, arrays, grads, L))


if __name__ == "__main__":
    from benchmarks.cli import main

    sys.exit(main(("ops",)))
