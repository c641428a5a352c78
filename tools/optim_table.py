"""Write docs/optim-table.md, every optimizer with its flags, state, memory, speed and what it is tested against, and
the table of speeds in docs/optim.md (between the comments that name this file).

python tools/optim_table.py        (needs torch for the speeds, and numba for the columns of compiled loops)

Times are CPU time of one thread, so that other programs on the machine count little, in alternating rounds.
"""

from __future__ import annotations

import gc
import inspect
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import lucid  # noqa: E402
from benchmarks.optim import MODELS, OPTIMIZERS  # noqa: E402
from lucid.backends import compiled  # noqa: E402
from test_optim import TABLE as AGAINST_TORCH  # noqa: E402
from test_optim_all import CONFIGS  # noqa: E402
from test_optim_others import REFERENCES  # noqa: E402

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]
else:
    torch.set_num_threads(1)

HYPER = {"self", "params", "lr", "betas", "eps", "weight_decay", "base_optimizer", "optimizer", "kwargs"}
FORMULA = {"GSGD", "Sophia", "SGLD"}
STAND_IN = {"SignSGD": "SGD", "SGLD": "SGD", "GSGD": "SGD", "Signum": "SGD", "Tiger": "SGD", "LARS": "SGD", "Lookahead": "SGD",
            "SGDScheduleFree": "SGD", "DAdaptSGD": "SGD"}  # fmt: skip
BEGIN, END = "<!-- written by tools/optim_table.py -->", "<!-- end -->"
PAPER = re.compile(r"arXiv \d{4}\.\d{4,5}")


def build(L: Any, name: str, params: list[Any]) -> Any:
    config = {k: v for k, v in CONFIGS[name].items() if L is lucid or name not in STAND_IN}
    if name in ("Lookahead",) and L is lucid:
        return lucid.optim.Lookahead(lucid.optim.SGD(params, lr=0.01), **config)
    if L is lucid:
        return getattr(lucid.optim, name)(params, **config)
    theirs = name if hasattr(torch.optim, name) else STAND_IN.get(name, "AdamW")
    if theirs != name:
        config = {"lr": 1e-3, "momentum": 0.9} if theirs == "SGD" else {"lr": 1e-3}
    config.pop("variant", None)
    return getattr(torch.optim, theirs)(params, **config)


def stepper(L: Any, name: str, shapes: list[tuple[int, ...]]) -> tuple[Any, list[Any]]:
    rng = np.random.default_rng(0)
    params = [L.tensor(rng.standard_normal(s, dtype="f4"), requires_grad=True) for s in shapes]
    for p in params:
        p.grad = L.tensor(rng.standard_normal(tuple(p.shape), dtype="f4"))
    opt = build(L, name, params)
    if name.endswith("ScheduleFree") and L is lucid:
        opt.train()
    opt.step()
    opt.step()
    return opt, params


def least(steps: dict[str, Callable], rounds: int = 15) -> dict[str, float]:
    """Seconds of CPU time of one call of each: the least of alternating rounds, a few calls each."""
    found = dict.fromkeys(steps, float("inf"))
    calls = {}
    for key, run in steps.items():
        for _ in range(3):
            run()
        start = time.thread_time()
        run()
        calls[key] = max(1, int(2e-3 / max(time.thread_time() - start, 1e-7)))
    gc.disable()
    for _ in range(rounds):
        for key, run in steps.items():
            run()  # not timed: the caches are full of the others' data
            start = time.thread_time()
            for _ in range(calls[key]):
                run()
            found[key] = min(found[key], (time.thread_time() - start) / calls[key])
    gc.enable()
    return found


def speed(name: str) -> str:
    if torch is None or name in ("LBFGS", "SAM", "SparseAdam"):
        return ""
    os.environ["LUCID_NUMBA"] = "0"
    compiled.available.cache_clear()
    shapes = [(64, 64)] * 100
    best = least({L.__name__: stepper(L, name, shapes)[0].step for L in (lucid, torch)}, 7)
    theirs = name if hasattr(torch.optim, name) else STAND_IN.get(name, "AdamW")
    return f"{best['lucid'] / best['torch']:.2f}" + ("" if theirs == name else f" ({theirs})")


def fixed_gradients(L: Any, name: str, config: dict[str, Any], shapes: list[tuple[int, ...]]) -> Callable:
    rng = np.random.default_rng(0)
    params = [L.tensor(rng.standard_normal(s, dtype="f4"), requires_grad=True) for s in shapes]
    for p in params:
        p.grad = L.tensor(rng.standard_normal(tuple(p.shape), dtype="f4"))
    return getattr(L.optim, name)(params, **config).step


def against_torch(shapes: list[tuple[int, ...]], name: str, config: dict[str, Any], stand_in: Any) -> str:
    """Our time over that of torch's default and fused path."""
    theirs, settings = stand_in or (name, config)
    steps = {
        "lucid": fixed_gradients(lucid, name, config, shapes),
        "torch": fixed_gradients(torch, theirs, settings, shapes),
    }
    if "fused" in inspect.signature(getattr(torch.optim, theirs)).parameters:
        steps["fused"] = fixed_gradients(torch, theirs, {**settings, "fused": True}, shapes)
    best = least(steps)
    ratios = [best["lucid"] / best[key] for key in ("torch", "fused") if key in best]
    return " / ".join([f"{r:.2f}" for r in ratios] + ["-"] * (2 - len(ratios)))


SHOWN = ("SGD", "Adam", "AdamW", "Adagrad", "ASGD", "Lion", "GSGD")


def speeds() -> list[str]:
    """The table of docs/optim.md."""
    kinds = ["NumPy"] + ["numba"] * (compiled.find_spec("numba") is not None)
    models = list(MODELS)
    columns = [(model, kind) for model in models for kind in kinds if not (kind == "numba" and model == models[2])]
    lines = [
        "| | " + " | ".join(f"{model}, {kind}" for model, kind in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for name, config, stand_in in OPTIMIZERS:
        if name not in SHOWN or "amsgrad" in config:
            continue
        cells = []
        for model, kind in columns:
            os.environ["LUCID_NUMBA"] = "1" if kind == "numba" else "0"
            compiled.available.cache_clear()
            cells.append(against_torch(MODELS[model], name, config, stand_in))
        words = ", ".join(key.replace("_", " ") for key in config if key != "lr")
        label = name + (f", {words}" if words else "") + (f" (over {stand_in[0]})" if stand_in else "")
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return lines


def memory(name: str) -> tuple[str, str]:
    """Names of the state, and how many numbers it holds for each number of a 64x64 parameter."""
    if name == "LBFGS":
        return "old_dirs, old_stps, d, prev_flat_grad, ...", "2 x history_size + 2"
    if name == "SAM":
        return "old_p between its two steps", "1"
    opt, params = stepper(lucid, name, [(64, 64)])
    entry = dict(opt.state[params[0]]) | dict(getattr(opt, "slow", {}).get(params[0], {}))
    return ", ".join(entry) or "none", f"{sum(t.value.size for t in entry.values() if t.ndim) / 4096:.3g}"


def row(name: str) -> str:
    cls = getattr(lucid.optim, name)
    options = inspect.signature(cls).parameters
    flags = ", ".join(f"`{o}`" for o in options if o not in HYPER and o not in ("foreach", "fused", "capturable"))
    decay = "no decay"
    if "weight_decay" in options:
        both = "decoupled_weight_decay" in options or "decouple" in options
        always = name in ("AdamW", "Lion", "Tiger", "Muon", "SOAP", "Sophia", "Adafactor")
        decay = "either" if both else "yes" if always else "no"
    if name in ("SAM", "Lookahead"):
        decay = "as inside"
    others = {ours: package for ours, _, package, *_ in REFERENCES.values()}
    if name in AGAINST_TORCH or name in ("Muon", "LBFGS", "SparseAdam"):
        tested = "torch 2.13"
    elif name in FORMULA:
        tested = "its formula in NumPy"
    else:
        tested = others[name].replace("_", "-")
    paper = PAPER.search(cls.__doc__ or "")
    state, size = memory(name)
    return f"| `{name}` | {flags} | {state} | {decay} | {size} | {speed(name)} | {tested} | {paper[0] if paper else 'see its docstring'} |"


def main() -> None:
    lines = [
        "# Every optimizer", "",
        "Written by `python tools/optim_table.py`. *Memory* counts numbers of state for each number of a 64x64 parameter; *speed* is the",
        "time of a step on NumPy over that of torch's default path (one thread, 100 parameters of 64x64; in brackets the",
        "stand-in where torch lacks the optimizer), *against* what the tests compare with. Shampoo's and SOAP's time is that of",
        "LAPACK's eigenvectors and QR: `update_freq` and `precondition_frequency` say how often.", "",
        "| optimizer | flags | state | decoupled decay | memory | speed | against | paper |", "|---|---|---|---|---|---|---|---|",
        *(row(name) for name in sorted(CONFIGS, key=str.lower)), "",
    ]  # fmt: skip
    (ROOT / "docs" / "optim-table.md").write_text("\n".join(lines), encoding="utf-8")
    if torch is not None:
        table = "\n".join(["", "", *speeds(), "", ""])
        page = ROOT / "docs" / "optim.md"
        before, rest = page.read_text(encoding="utf-8").split(BEGIN)
        page.write_text(before + BEGIN + table + END + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
