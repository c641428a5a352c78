"""Draw every optimizer's path on the Rosenbrock and Beale surfaces into docs/images.

python tools/draw_optimizers.py
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import lucid
from lucid.optim import SGD

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
STEPS = 250
# name: (options, candidate rates); the best rate by the final value is drawn.
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
OPTIONS: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.9}, "GSGD": {}, "ASGD": {}, "LARS": {"trust_coefficient": 0.1}, "SignSGD": {}, "Signum": {}, "Tiger": {"weight_decay": 0.0},
    "Lion": {}, "SGLD": {"temperature": 1e-4, "seed": 0}, "Adam": {}, "AdamW": {"weight_decay": 0.0}, "Adamax": {}, "NAdam": {}, "RAdam": {},
    "SparseAdam": {}, "Adagrad": {}, "Adadelta": {}, "RMSprop": {}, "Rprop": {}, "Adafactor": {}, "LAMB": {}, "Muon": {"weight_decay": 0.0},
    "Shampoo": {}, "SOAP": {"weight_decay": 0.0, "precondition_1d": True}, "AdaBelief": {}, "Yogi": {}, "Adan": {}, "AdEMAMix": {},
    "Sophia": {"weight_decay": 0.0, "bs": 1}, "SGDScheduleFree": {}, "AdamWScheduleFree": {}, "Prodigy": {"d0": 1e-3}, "DAdaptAdam": {"d0": 1e-3},
    "DAdaptSGD": {"d0": 1e-3}, "LBFGS": {"line_search_fn": "strong_wolfe", "max_iter": 1}, "Lookahead": {}, "SAM": {"rho": 0.01},
}  # fmt: skip


def rosenbrock(x: Any, y: Any) -> Any:
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def beale(x: Any, y: Any) -> Any:
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y * y) ** 2 + (2.625 - x + x * y * y * y) ** 2


SURFACES = {
    "rosenbrock": (rosenbrock, (-1.2, 1.5), (1, 1), (-2, 2, -0.8, 3)),
    "beale": (beale, (1.0, 1.5), (3, 0.5), (-0.5, 4.5, -1.5, 2)),
}  # fmt: skip


def path(name: str, surface: Any, start: tuple[float, float], lr: float) -> np.ndarray:
    """The points of one run; Muon needs a matrix, so the point is one for all."""
    p = lucid.tensor(np.array([start]) if name == "Muon" else np.array(start), requires_grad=True)
    options = OPTIONS[name]
    if name == "Lookahead":
        opt: Any = lucid.optim.Lookahead(SGD([p], lr=lr, momentum=0.9))
    elif name == "SAM":
        opt = lucid.optim.SAM([p], SGD, lr=lr, momentum=0.9, **options)
    else:
        opt = getattr(lucid.optim, name)([p], lr=lr, **options)

    def closure() -> Any:
        opt.zero_grad()
        flat = p.reshape(-1)
        loss = surface(flat[0], flat[1])
        loss.backward()
        return loss

    points = [np.array(start)]
    for step in range(STEPS):
        if name == "Sophia" and step % 5 == 0:
            closure()
            opt.update_hessian()
        opt.step(closure)
        points.append(p.detach().numpy().reshape(-1).copy())
    return np.array(points)


def best(name: str, surface: Any, start: tuple[float, float]) -> tuple[float, np.ndarray]:
    """The rate that ends lowest, and its path."""
    runs = [(lr, path(name, surface, start, lr)) for lr in RATES]

    def end(run: tuple[float, np.ndarray]) -> float:
        value = float(surface(*run[1][-1])) if np.isfinite(run[1]).all() and np.abs(run[1]).max() < 50 else math.inf
        return value

    return min(runs, key=end)


def draw(kind: str) -> None:
    surface, start, goal, (x0, x1, y0, y1) = SURFACES[kind]
    x, y = np.meshgrid(np.linspace(x0, x1, 200), np.linspace(y0, y1, 200))
    levels = np.geomspace(0.05, surface(x, y).max(), 22)
    columns = 5
    figure, axes = plt.subplots(
        -(-len(OPTIONS) // columns), columns, figsize=(15, 24), sharex=True, sharey=True, layout="constrained"
    )
    for ax in axes.flat[len(OPTIONS) :]:
        ax.axis("off")
    for ax, name in zip(axes.flat, OPTIONS, strict=False):
        lr, points = best(name, surface, start)
        ax.contour(x, y, surface(x, y), levels=levels, colors="0.72", linewidths=0.6)
        ax.plot(*points.T, color="tab:blue", lw=1.0, marker=".", ms=2.5)
        ax.plot(*start, "o", color="tab:orange", ms=5)
        ax.plot(*goal, "*", color="tab:red", ms=11)
        ax.set(xlim=(x0, x1), ylim=(y0, y1))
        ax.set_title(f"{name}, lr {lr:g}: {float(surface(*points[-1])):.1e}", fontsize=10)
    figure.suptitle(
        f"{kind.capitalize()}, {STEPS} steps from the orange point; the star is the minimum, the number the final value",
        fontsize=13,
    )
    IMAGES.mkdir(parents=True, exist_ok=True)
    figure.savefig(IMAGES / f"optim-{kind}.png", dpi=60)
    plt.close(figure)


if __name__ == "__main__":
    for each in SURFACES:
        draw(each)
