"""What GSGD and Lion claim, on a small ReLU network: SGD, heavy-ball, signSGD, normalized, clipped, GSGD and Lion.

    python examples/gsgd.py [--epochs 20] [--out runs/gsgd]

All train the same network from the same start on the same batches of the handwritten digits, with the same falling
learning-rate schedule; each has the best base rate of a short list. GSGD's and Lion's momenta rise as the rate
falls (their `scaling`), the others' stay. Writes `gsgd.png`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lucid
from lucid.datasets import load_digits
from lucid.optim import GSGD, SGD, Lion, lr_scheduler, maps

METHODS: dict[str, tuple[Callable[..., Any], tuple[float, ...]]] = {
    "SGD": (lambda p, lr: SGD(p, lr), (1.0, 3.0, 10.0)),
    "heavy-ball": (lambda p, lr: GSGD(p, lr, scaling=FIXED / lr), (1.0, 3.0, 10.0)),
    "signSGD": (lambda p, lr: GSGD(p, lr, scaling=FIXED / lr, Dphi_map=lucid.sign), (3e-3, 0.01, 0.03)),
    "normalized": (lambda p, lr: GSGD(p, lr, scaling=FIXED / lr, Dphi_map=maps.normalized), (0.1, 0.3, 1.0)),
    "clipped": (lambda p, lr: GSGD(p, lr, scaling=FIXED / lr, Dphi_map=maps.clipped(0.1)), (3.0, 10.0, 30.0)),
    "GSGD": (lambda p, lr: GSGD(p, lr), (1.0, 3.0, 10.0)),
    "Lion": (lambda p, lr: Lion(p, lr), (3e-3, 0.01, 0.03)),
}
FIXED = 1e9  # times 1/lr: 1 - lr * scaling * (1 - momentum) is far below momentum, which therefore stays fixed


def digits() -> tuple[Any, Any]:
    """Images in [0, 1], 64 pixels each, and labels."""
    images, labels = load_digits()
    return images.reshape(-1, 64), labels


def network(seed: int) -> list[Any]:
    """Weights and biases of 64-32-10, the same for every method."""
    lucid.manual_seed(seed)
    w1, w2 = lucid.randn(64, 32) / 64**0.5, lucid.randn(32, 10) / 32**0.5
    return [t.requires_grad_() for t in (w1, lucid.zeros(32), w2, lucid.zeros(10))]


def loss_of(params: list[Any], x: Any, y: Any) -> Any:
    w1, b1, w2, b2 = params
    scores = (x @ w1 + b1).relu() @ w2 + b2
    return -lucid.log_softmax(scores, 1)[lucid.arange(len(y)), y].mean()


def train(make: Callable[..., Any], lr: float, x: Any, y: Any, epochs: int, seed: int = 0) -> list[float]:
    """The loss on all the data after each epoch."""
    params = network(seed)
    opt = make(params, lr)
    batches = len(x) // 64
    schedule = lr_scheduler.LambdaLR(opt, lambda k: 1 / (1 + k / batches) ** 0.5)
    losses = []
    for _ in range(epochs):
        order = lucid.randperm(len(x))
        for i in range(batches):
            rows = order[64 * i : 64 * i + 64]
            opt.zero_grad()
            loss_of(params, x[rows], y[rows]).backward()
            opt.step()
            schedule.step()
        with lucid.no_grad():
            losses.append(loss_of(params, x, y).item())
    return losses


def compare(epochs: int) -> dict[str, tuple[float, list[float]]]:
    """For each method the best rate of its list and its losses."""
    x, y = digits()
    found = {}
    for name, (make, rates) in METHODS.items():
        runs = [(lr, train(make, lr, x, y, epochs)) for lr in rates]
        finished = [run for run in runs if run[1][-1] == run[1][-1]]  # NaN: this rate was too large
        lr, losses = min(finished, key=lambda run: run[1][-1])
        found[name] = (lr, losses)
        sys.stdout.write(f"{name:12} lr {lr:<7g} loss after {epochs} epochs {losses[-1]:.5f}\n")
        sys.stdout.flush()
    return found


def draw(found: dict[str, tuple[float, list[float]]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(8, 5), layout="constrained")
    for name, (lr, losses) in found.items():
        bold = name in ("GSGD", "Lion")
        ax.semilogy(
            range(1, len(losses) + 1),
            losses,
            lw=2.6 if bold else 1.4,
            ls="-" if bold else "--",
            label=f"{name} (lr {lr:g})",
        )
    ax.set(
        xlabel="epoch",
        ylabel="training loss (1,797 digits)",
        title="The same ReLU network, the same batches, lr falling like 1/sqrt(epoch)",
    )
    ax.grid(alpha=0.3)
    ax.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("runs/gsgd"))
    args = parser.parse_args()
    found = compare(args.epochs)
    draw(found, args.out / "gsgd.png")


if __name__ == "__main__":
    main()
