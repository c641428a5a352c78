"""Convolution and pooling layers, and three small networks: forward and backward in training."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

if not __package__:  # python benchmarks/conv.py
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks.harness import Bench, Build, Run
from benchmarks.libraries import Library

# batch, channels in, size, channels out, kernel, padding, stride, groups
LAYERS: list[tuple[int, int, int, int, int, int, int, int]] = [
    (64, 6, 14, 16, 5, 0, 1, 1),
    (64, 32, 14, 64, 5, 0, 1, 1),
    (32, 16, 32, 16, 3, 1, 1, 1),
    (32, 16, 32, 32, 3, 1, 2, 1),
    (32, 32, 16, 32, 3, 1, 1, 1),
    (32, 64, 8, 64, 3, 1, 1, 1),
    (8, 64, 56, 64, 3, 1, 1, 1),
    (1, 64, 8, 64, 3, 1, 1, 1),
    (32, 32, 16, 64, 1, 0, 1, 1),
    (32, 64, 16, 64, 3, 1, 1, 64),
    (32, 64, 16, 64, 3, 1, 1, 8),
]
BATCHES = (1, 32, 64)


def layer(sizes: tuple[int, ...], function: str, *, input_grad: bool = True) -> Build:
    """One convolution, forward and backward, on an input that an earlier layer made."""
    n, c, size, o, k, pad, stride, groups = sizes

    def build(L: Library) -> Run:
        import numpy as np

        rng = np.random.default_rng(0)
        x = L.tensor(rng.standard_normal((n, c, size, size), dtype=np.float32), grad=input_grad)
        w = L.tensor(rng.standard_normal((o, c // groups, k, k), dtype=np.float32), grad=True)
        b = L.tensor(rng.standard_normal(o, dtype=np.float32), grad=True)
        h = x * 1.0 if c == 1 else L.F.conv2d(x, L.tensor(np.eye(c, dtype=np.float32).reshape(c, c, 1, 1)))
        h = h.detach().requires_grad_(input_grad)
        f = getattr(L.F, function)
        g = f(h, w, b, stride, pad, 1, groups).detach()  # in the memory order that a following layer's gradient has
        wanted = (w, b, h) if input_grad else (w, b)

        def run() -> tuple[Any, ...]:
            out = f(h, w, b, stride, pad, 1, groups)
            return out, *L.T.autograd.grad(out, wanted, g)

        return run

    return build


def pool(shape: tuple[int, ...], function: str, *args: int) -> Build:
    """One pooling layer, forward and backward."""

    def build(L: Library) -> Run:
        import numpy as np

        rng = np.random.default_rng(0)
        c = shape[1]
        x = L.F.conv2d(
            L.tensor(rng.standard_normal(shape, dtype=np.float32)),
            L.tensor(np.eye(c, dtype=np.float32).reshape(c, c, 1, 1)),
        )
        x = x.detach().requires_grad_()
        f = getattr(L.F, function)
        g = f(x, *args).detach()

        def run() -> tuple[Any, ...]:
            out = f(x, *args)
            return out, *L.T.autograd.grad(out, (x,), g)

        return run

    return build


def lenet(L: Library) -> Any:
    """LeCun et al., 1998, with ReLU and maxima as it is taught today."""
    nn = L.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def resnet8(L: Library) -> Any:
    """He et al., 2015, the CIFAR family with one block per stage."""
    nn, F = L.nn, L.F

    class Block(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self, c: int, o: int, stride: int) -> None:
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(c, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
            self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
            self.short = nn.Conv2d(c, o, 1, stride, bias=False) if stride > 1 else nn.Identity()

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
            return F.relu(y + self.short(x))

    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


def separable(L: Library) -> Any:
    """Depth-separable stages as in MobileNet (Howard et al., 2017)."""
    nn = L.nn

    def stage(c: int, o: int, stride: int) -> list[Any]:
        return [
            nn.Conv2d(c, c, 3, stride, 1, groups=c, bias=False), nn.BatchNorm2d(c), nn.ReLU(),
            nn.Conv2d(c, o, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU(),
        ]  # fmt: skip

    stages = [*stage(16, 32, 1), *stage(32, 64, 2), *stage(64, 64, 1), *stage(64, 128, 2)]
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), *stages,
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10),
    )  # fmt: skip


def training(make: Any, shape: tuple[int, ...]) -> Build:
    """Forward, loss and backward of a network; the same parameters in both libraries."""

    def build(L: Library) -> Run:
        import numpy as np

        rng = np.random.default_rng(0)
        model = make(L)
        for p in model.parameters():
            fresh = rng.standard_normal(tuple(p.shape), dtype=np.float32) / max(1.0, float(np.prod(p.shape[1:])) ** 0.5)
            p.data = L.tensor(fresh + (1.0 if p.ndim == 1 else 0.0))
        x = L.tensor(rng.standard_normal(shape, dtype=np.float32))
        y = L.tensor(rng.integers(0, 10, shape[0]))
        first = next(iter(model.parameters()))

        def run() -> tuple[Any, ...]:
            model.zero_grad()
            loss = L.F.cross_entropy(model(x), y)
            loss.backward()
            return loss, first.grad

        return run

    return build


NETWORKS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "LeNet 28x28": (lenet, (1, 28, 28)),
    "ResNet-8 32x32": (resnet8, (3, 32, 32)),
    "depth-separable 32x32": (separable, (3, 32, 32)),
}


def register(bench: Bench) -> None:
    """Layers, then networks."""
    bench.section("Convolution, forward and backward")
    bench.row("64x1x28x28 -> 6, 5x5, first layer", layer((64, 1, 28, 6, 5, 2, 1, 1), "conv2d", input_grad=False))
    bench.row("64x1x28x28 -> 32, 5x5, first layer", layer((64, 1, 28, 32, 5, 0, 1, 1), "conv2d", input_grad=False))
    bench.row("32x3x32x32 -> 16, 3x3, first layer", layer((32, 3, 32, 16, 3, 1, 1, 1), "conv2d", input_grad=False))
    for sizes in LAYERS:
        n, c, size, o, k, _, stride, groups = sizes
        extra = (f", stride {stride}" if stride > 1 else "") + (f", groups {groups}" if groups > 1 else "")
        bench.row(f"{n}x{c}x{size}x{size} -> {o}, {k}x{k}{extra}", layer(sizes, "conv2d"))
    bench.section("Pooling, forward and backward")
    for shape, *args in [
        ((64, 6, 28, 28), 2),
        ((32, 64, 16, 16), 2),
        ((1, 64, 16, 16), 2),
        ((32, 64, 32, 32), 3, 2, 1),
    ]:
        label = "x".join(map(str, shape)) + f", {args[0]}x{args[0]}" + (f", stride {args[1]}" if len(args) > 1 else "")
        bench.row(f"max_pool2d {label}", pool(shape, "max_pool2d", *args))
        bench.row(f"avg_pool2d {label}", pool(shape, "avg_pool2d", *args))
    bench.section("Networks, forward, loss and backward")
    for name, (make, shape) in NETWORKS.items():
        for batch in BATCHES:
            # One ReLU that rounds to the other side of 0 is 3e-3 here; over ten seeds it happens to torch (against
            # float64) as often as to lucid, whose median error is half of torch's otherwise.
            bench.row(f"{name}, batch {batch}", training(make, (batch, *shape)), tolerance=1e-2)


if __name__ == "__main__":
    from benchmarks.cli import main

    raise SystemExit(main(("conv",)))
