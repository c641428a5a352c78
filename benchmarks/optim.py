"""Optimizer steps alone: fixed gradients, `step()` and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

if not __package__:  # python benchmarks/optim.py
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks.harness import Bench, Build, Run
from benchmarks.libraries import Library

MODELS: dict[str, list[tuple[int, ...]]] = {
    "100 parameters of 64x64": [(64, 64)] * 100,
    "4 parameters of 1000x1000": [(1000, 1000)] * 4,
    "40 tiny parameters": [(16, 8), (8,), (3, 4), (1,)] * 10,
}
# Name, arguments, and what stands in torch's column where torch lacks the optimizer: the one that it would replace.
OPTIMIZERS: list[tuple[str, dict[str, Any], tuple[str, dict[str, Any]] | None]] = [
    ("SGD", {"lr": 1e-3}, None),
    ("SGD", {"lr": 1e-3, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}, None),
    ("Adam", {"lr": 1e-3}, None),
    ("Adam", {"lr": 1e-3, "amsgrad": True, "weight_decay": 1e-2}, None),
    ("AdamW", {"lr": 1e-3}, None),
    ("Lion", {"lr": 1e-4, "weight_decay": 1e-2}, ("AdamW", {"lr": 1e-4, "weight_decay": 1e-2})),
    ("GSGD", {"lr": 1e-3, "weight_decay": 1e-4}, ("SGD", {"lr": 1e-3, "weight_decay": 1e-4, "momentum": 0.9})),
    ("ASGD", {"lr": 1e-2}, None),
    ("Adagrad", {"lr": 1e-2}, None),
    ("RMSprop", {"lr": 1e-3}, None),
    ("NAdam", {"lr": 1e-3}, None),
    ("RAdam", {"lr": 1e-3}, None),
    ("Adadelta", {"lr": 1.0}, None),
    ("LAMB", {"lr": 1e-3}, ("AdamW", {"lr": 1e-3})),
]


def step(L: Library, shapes: list[tuple[int, ...]], name: str, **settings: Any) -> Run:
    """The step of one optimizer; answers with a few parameters, which are compared after the first step."""
    import numpy as np

    make = getattr(L.optim, name)
    rng = np.random.default_rng(0)
    parameters = []
    for shape in shapes:
        p = L.tensor(rng.standard_normal(shape, dtype=np.float32), grad=True)
        p.grad = L.tensor(rng.standard_normal(shape, dtype=np.float32))
        parameters.append(p)
    opt = make(parameters, **settings)

    def run() -> tuple[Any, ...]:
        opt.step()
        return tuple(parameters[:4])

    return run


def race(bench: Bench, shapes: list[tuple[int, ...]], name: str, ours: dict[str, Any], stand_in: Any) -> None:
    """lucid, torch as it comes (on a CPU a loop over the parameters), torch's foreach, torch's fused."""
    theirs, settings = stand_in or (name, ours)

    def build(L: Library) -> Run:
        return step(L, shapes, name, **ours) if L.name == "lucid" else step(L, shapes, theirs, **settings)

    def variant(flag: str) -> Build:
        return lambda L: step(L, shapes, theirs, **settings, **{flag: True})

    words = ", ".join(key.replace("_", " ") for key in ours if key != "lr")
    label = name + (f", {words}" if words else "") + (f" (torch: {theirs})" if stand_in else "")
    variants = {"torch foreach": variant("foreach"), "torch fused": variant("fused")}
    bench.row(label, build, goal="<= 0.5x, <= 1.0x fused", compare=not stand_in, variants=variants)


def register(bench: Bench) -> None:
    """Every optimizer on every model."""
    for model, shapes in MODELS.items():
        bench.section(f"Optimizer step, {model}")
        for name, ours, stand_in in OPTIMIZERS:
            race(bench, shapes, name, ours, stand_in)


if __name__ == "__main__":
    from benchmarks.cli import main

    sys.exit(main(("optim",)))
