"""Write docs/nn-table.md from tests/nn_table.py: what is compared with torch, layer by layer.

python tools/make_nn_table.py
"""

import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from nn_table import LAYERS  # noqa: E402

HEAD = """# Layers compared with torch

`tests/test_nn_layers.py` builds each of these in lucid and in torch 2.13 with the same weights and compares, in float64
to 1e-7: outputs, gradients of inputs and parameters in training and in evaluation mode, buffers after three steps, the
names in the `state_dict`, and `extra_repr`. One line per class; the last column lists the options that were set.

| Layer | Rows | Options |
| --- | ---: | --- |
"""


def main() -> None:
    rows, options = defaultdict(int), defaultdict(set)
    for name, args, kwargs, _, _ in LAYERS:
        rows[name] += 1
        options[name] |= set(kwargs)
        if args:
            options[name].add("positional arguments")
    lines = [
        f"| `{name}` | {rows[name]} | {', '.join(sorted(options[name])) or 'defaults'} |\n" for name in sorted(rows)
    ]
    (ROOT / "docs" / "nn-table.md").write_text(HEAD + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
