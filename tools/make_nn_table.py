"""Write docs/nn-table.md from tests/nn_table.py and tests/nn_options.py: what is compared with torch, layer by layer.

python tools/make_nn_table.py
"""

import inspect
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from lucid import nn  # noqa: E402
from nn_options import FAMILIES, draws  # noqa: E402
from nn_table import LAYERS  # noqa: E402
from test_nn_options import DRAWS  # noqa: E402

HEAD = """# Layers compared with torch

Two tests build each of these in lucid and in torch 2.13 with the same weights and compare, in float64, outputs, gradients
of inputs and parameters in training and in evaluation mode, the state after several steps, the names in the `state_dict`,
and what is printed:

- `tests/test_nn_layers.py`, rows with chosen options, to 1e-7 ("Rows");
- `tests/test_nn_options.py`, options drawn at random, inputs with and without a batch, masks, packed sequences, among them
  combinations that torch refuses, where lucid must raise the same type ("Draws"). `python tests/nn_options.py 250` makes
  250 draws of every class: {wide} cases.

The options of a call are in italics. Layers without a computation of their own (`Sequential`, `ModuleList`, ...) are
compared in `tests/test_nn_module.py`, lazy forms of normalisations among the rows.

| Layer | Rows | Draws | Options |
| --- | ---: | ---: | --- |
"""


def names(layer: str, args: tuple) -> list[str]:
    """The options that positional arguments are for."""
    given = [p for p in inspect.signature(getattr(nn, layer)).parameters.values() if p.kind is not p.VAR_POSITIONAL]
    return [p.name for p, _ in zip(given, args, strict=False)]


def main() -> None:
    rows, options, called = defaultdict(int), defaultdict(set), defaultdict(set)
    for name, args, kwargs, _, _ in LAYERS:
        rows[name] += 1
        options[name] |= {*names(name, args), *kwargs}
    for name in FAMILIES:
        for case in draws(name, 100):
            options[name] |= {*names(name, case.args), *case.options} - {"_random_samples"}
            called[name] |= set(case.call)
    lines = []
    for name in sorted({*rows, *FAMILIES}):
        listed = [*sorted(options[name]), *(f"*{k}*" for k in sorted(called[name]))]
        count = DRAWS if name in FAMILIES else "-"
        lines.append(f"| `{name}` | {rows[name] or '-'} | {count} | {', '.join(listed) or 'defaults'} |\n")
    head = HEAD.format(wide=f"{250 * len(FAMILIES):,}")
    (ROOT / "docs" / "nn-table.md").write_text(head + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
