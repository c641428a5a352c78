"""What GSGD and Lion claim, on a small ReLU network: SGD, heavy-ball, signSGD, normalized, clipped, GSGD and Lion.

    python examples/gsgd.py [--epochs 20] [--seeds 7] [--out runs/gsgd]

All train the same network on the same batches of the handwritten digits, with the same schedule: the learning rate
falls as 1/sqrt(epoch), the kind of step for which Xiao, Hu and Toh (arXiv 2307.10053) prove that these methods find
stationary points although ReLU has none of the smoothness that classical proofs need. Each method has the base rate
of a short list with the lowest median loss over the seeds (a seed is another start and another order of batches).
In GSGD and Lion the momentum rises as the rate falls (`scaling`). To see what that alone does, every method with
momentum is run both ways, fixed and rising. Writes `gsgd.png` and prints the table that docs/optim.md shows.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lucid
from lucid.datasets import load_digits
from lucid.optim import GSGD, SGD, Lion, lr_scheduler, maps

FIXED = 1e9  # times 1/lr: 1 - lr * scaling * (1 - momentum) is far below momentum, which therefore stays fixed
Make = Callable[[Any, float, bool], Any]


def with_map(Dphi: Callable) -> Make:
    return lambda p, lr, rising: GSGD(p, lr, scaling=None if rising else FIXED / lr, Dphi_map=Dphi)


# How to make it from (parameters, rate, whether the momentum rises), the base rates to try, and the name of each form.
METHODS: list[tuple[Make, tuple[float, ...], dict[bool, str]]] = [
    (lambda p, lr, rising: SGD(p, lr), (0.3, 1.0, 3.0, 10.0), {False: "SGD"}),
    (with_map(maps.identity), (0.3, 1.0, 3.0, 10.0), {False: "heavy-ball", True: "GSGD"}),
    (with_map(lucid.sign), (3e-3, 0.01, 0.03, 0.1), {False: "signSGD", True: "signSGD, rising"}),
    (with_map(maps.normalized), (0.1, 0.3, 1.0), {False: "normalized", True: "normalized, rising"}),
    (with_map(maps.clipped(0.1)), (1.0, 3.0, 10.0, 30.0), {False: "clipped", True: "clipped, rising"}),
    (lambda p, lr, rising: Lion(p, lr, scaling=None if rising else FIXED / lr), (3e-3, 0.01, 0.03, 0.1),
     {False: "Lion, fixed", True: "Lion"}),
]  # fmt: skip
DRAWN = ("SGD", "heavy-ball", "signSGD", "normalized", "clipped", "GSGD", "Lion")


@dataclass
class Run:
    """One training run: after each epoch the loss on the training data and the norm of its gradient; the last accuracy."""

    losses: list[float]
    slopes: list[float]
    accuracy: float


def digits() -> tuple[Any, Any, Any, Any]:
    """Images in [0, 1], 64 pixels each, and labels: 1,500 to train on and the other 297 to test."""
    images, labels = load_digits()
    lucid.manual_seed(0)
    order = lucid.randperm(len(labels))
    x, y = images.reshape(-1, 64)[order], labels[order]
    return x[:1500], y[:1500], x[1500:], y[1500:]


def network(seed: int) -> list[Any]:
    """Weights and biases of 64-32-10."""
    lucid.manual_seed(seed)
    w1, w2 = lucid.randn(64, 32) / 64**0.5, lucid.randn(32, 10) / 32**0.5
    return [t.requires_grad_() for t in (w1, lucid.zeros(32), w2, lucid.zeros(10))]


def scores(params: list[Any], x: Any) -> Any:
    w1, b1, w2, b2 = params
    return (x @ w1 + b1).relu() @ w2 + b2


def loss_of(params: list[Any], x: Any, y: Any) -> Any:
    return -lucid.log_softmax(scores(params, x), 1)[lucid.arange(len(y)), y].mean()


def train(make: Callable[[Any], Any], data: tuple, epochs: int, seed: int) -> Run:
    x, y, test_x, test_y = data
    params = network(seed)
    opt = make(params)
    batches = len(x) // 64
    schedule = lr_scheduler.LambdaLR(opt, lambda k: 1 / (1 + k / batches) ** 0.5)
    run = Run([], [], 0.0)
    for _ in range(epochs):
        order = lucid.randperm(len(x))
        for i in range(batches):
            rows = order[64 * i : 64 * i + 64]
            opt.zero_grad()
            loss_of(params, x[rows], y[rows]).backward()
            opt.step()
            schedule.step()
        opt.zero_grad()
        loss = loss_of(params, x, y)
        loss.backward()
        run.losses.append(loss.item())
        run.slopes.append(sum((p.grad * p.grad).sum().item() for p in params) ** 0.5)
    with lucid.no_grad():
        run.accuracy = (scores(params, test_x).argmax(1) == test_y).float().mean().item()
    return run


def last(runs: list[Run]) -> float:
    """The median loss at the end, infinite where any run ended in NaN."""
    ends = [run.losses[-1] for run in runs]
    return statistics.median(ends) if all(e == e for e in ends) else float("inf")


def quartiles(values: list[float]) -> tuple[float, float, float]:
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def compare(epochs: int, seeds: int) -> dict[str, tuple[float, list[Run]]]:
    """For each method the best rate of its list, and its runs."""
    data = digits()
    found = {}
    say("| method | rate | training loss, median (quartiles) | gradient norm, first to last epoch | test accuracy |\n")
    say("|---|---|---|---|---|\n")
    for make, rates, forms in METHODS:
        for rising, name in forms.items():
            tried = []
            for lr in rates:
                build = lambda p, lr=lr, rising=rising, make=make: make(p, lr, rising)  # noqa: E731
                tried.append((lr, [train(build, data, epochs, seed) for seed in range(seeds)]))
            lr, runs = min(tried, key=lambda pair: last(pair[1]))
            found[name] = (lr, runs)
            low, middle, high = quartiles([run.losses[-1] for run in runs])
            right = statistics.median(run.accuracy for run in runs)
            first, end = (statistics.median(run.slopes[i] for run in runs) for i in (0, -1))
            say(f"| {name} | {lr:g} | {middle:.2g} ({low:.2g}-{high:.2g}) | {first:.2g} to {end:.2g} | {right:.1%} |\n")
    return found


def say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def draw(found: dict[str, tuple[float, list[Run]]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5.2), layout="constrained")
    for name in DRAWN:
        lr, runs = found[name]
        bold = name in ("GSGD", "Lion")
        style = {"lw": 2.6 if bold else 1.3, "ls": "-" if bold else "--"}
        for ax, what in ((left, "losses"), (right, "slopes")):
            bands = [quartiles(list(values)) for values in zip(*(getattr(run, what) for run in runs), strict=True)]
            epochs = range(1, len(bands) + 1)
            (line,) = ax.semilogy(epochs, [b[1] for b in bands], label=f"{name} (lr {lr:g})", **style)
            ax.fill_between(
                epochs, [b[0] for b in bands], [b[2] for b in bands], color=line.get_color(), alpha=0.12, lw=0
            )
    count = len(found["SGD"][1])
    left.set(xlabel="epoch", ylabel="training loss (1,500 digits)", title=f"Median and quartiles over {count} seeds")
    right.set(xlabel="epoch", ylabel="norm of the full gradient", title="How far from a stationary point")
    for ax in (left, right):
        ax.grid(alpha=0.3)
    left.legend(fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("runs/gsgd"))
    args = parser.parse_args()
    found = compare(args.epochs, args.seeds)
    draw(found, args.out / "gsgd.png")


if __name__ == "__main__":
    main()
