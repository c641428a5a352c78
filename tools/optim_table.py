"""Write docs/optim-table.md: every optimizer with its flags, state, memory, speed and what it is tested against.

python tools/optim_table.py        (speed needs torch; without it the column stays empty)
"""

from __future__ import annotations

import inspect
import re
import sys
import timeit
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import lucid  # noqa: E402
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


def speed(name: str) -> str:
    if torch is None or name in ("LBFGS", "SAM", "SparseAdam"):
        return ""
    shapes = [(64, 64)] * 100
    steps = [stepper(L, name, shapes)[0].step for L in (lucid, torch)]
    best = [min(timeit.repeat(step, number=1, repeat=12)) for step in steps]
    theirs = name if hasattr(torch.optim, name) else STAND_IN.get(name, "AdamW")
    return f"{best[0] / best[1]:.2f}" + ("" if theirs == name else f" ({theirs})")


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
        "time of a step over that of torch's default path (one thread, 100 parameters of 64x64; in brackets the stand-in",
        "where torch lacks the optimizer), *against* what the tests compare with.", "",
        "| optimizer | flags | state | decoupled decay | memory | speed | against | paper |", "|---|---|---|---|---|---|---|---|",
        *(row(name) for name in sorted(CONFIGS, key=str.lower)), "",
    ]  # fmt: skip
    (ROOT / "docs" / "optim-table.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
