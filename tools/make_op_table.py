"""Write docs/op-table.md: what every op and every function can do, found out by running each one's row of the tests' tables.

python tools/make_op_table.py
"""

from __future__ import annotations

import ast
import doctest
import itertools
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np  # noqa: E402

import function_table  # noqa: E402, F401  (fills ROWS)
import function_table_shapes  # noqa: E402, F401
import lucid  # noqa: E402
import lucid.nn  # noqa: E402
from drawing import ROWS, Draw, In  # noqa: E402
from lucid import backends  # noqa: E402
from lucid.backends.composed import COMPOSED  # noqa: E402
from lucid.core.op import OPS  # noqa: E402
from lucid.core.tensor import Tensor  # noqa: E402
from lucid.func import jvp, vmap  # noqa: E402
from lucid.func.batched import RULES  # noqa: E402
from lucid.functions.registry import FUNCTIONS  # noqa: E402
from lucid.testing import checks  # noqa: E402
from test_ops import ELSEWHERE, TABLE  # noqa: E402

DTYPES = {
    "f2": "float16",
    "bf": "bfloat16",
    "f4": "float32",
    "f8": "float64",
    "i": "int64",
    "b": "bool",
    "c": "complex64",
}
PAGE = ROOT / "docs" / "op-table.md"
HEAD = """# What every op can do

Made by `python tools/make_op_table.py`, which runs the rows of `tests/op_table*.py` (ops) and `tests/function_table*.py`
(functions); nothing here is written by hand. `yes` was run and held, `example` is the docstring's example, run; `-` does not
apply; an empty cell: no row to run (a file named instead compares the op with torch).

- **vmap**: `elementwise` and `rule` compute the whole batch at once, `parts` is made of ops that do, `loop` goes through the
  batch one by one with a warning, `values` needs numbers that only one element at a time has, and says so.
- **dtypes** of the first input: f2 float16, bf bfloat16, f4 float32, f8 float64, i int64, b bool, c complex64.
- **MLX** was run on MLX's CPU build, against NumPy. **CuPy** was not run here: `kernel` means that its table has the op.
"""


def attempt(f: Callable, *args: Any) -> str:
    """``yes``, or an empty cell where it fails."""
    try:
        f(*args)
    except Exception:
        return ""
    return "yes"


def batched(f: Callable, inputs: list[Tensor]) -> str:
    """How ``f`` runs under vmap over all its inputs; checked against the calls one by one."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            out = vmap(f)(*(lucid.stack([x, x]) for x in inputs))
            single = f(*inputs)
        except (RuntimeError, TypeError, IndexError, ValueError):
            return "values"
    for a, b in zip(_tuple(out), _tuple(single), strict=True):
        if isinstance(b, Tensor):
            np.testing.assert_allclose(a[1].numpy(), b.numpy(), rtol=1e-6, atol=1e-8)
    return "loop" if any("performance drop" in str(w.message) for w in seen) else "parts"


def _tuple(x: Any) -> tuple:
    return tuple(x) if isinstance(x, tuple | list) else (x,)


# ---- ops ----


def names_in(files: Iterator[Path]) -> set[str]:
    """The functions that files define, and the words in their strings: what a backend's table lists without loading it."""
    found: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                found.add(node.name)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= set(node.value.split())
    return found


def op_lines() -> Iterator[str]:
    kernels = ROOT / "lucid" / "backends"
    on_cupy = names_in(itertools.chain(kernels.glob("cupy_*.py"), [kernels / "alike.py"])) | set(COMPOSED)
    has_mlx = any(s.device == "mlx" and s.usable for s in backends.available())
    mlx = backends.load("mlx") if has_mlx else None
    elsewhere = {name: file for file, names in ELSEWHERE.items() for name in names.split()}
    for name in sorted(OPS):
        op = OPS[name]
        rows = [row for row in TABLE if row.name == name]
        cells: list[str] = []
        if rows:
            row = rows[0]
            inputs = checks._inputs(row, lucid.float64, seed=1)
            derived = op.kind != "none" and row.orders > 0
            cells.append(attempt(checks._check_value, row, inputs))
            cells.append(attempt(checks._check_gradient, row, inputs) if derived else "-")
            cells.append(attempt(checks._check_second_order, row, inputs) if derived and row.orders > 1 else "-")
            cells.append(attempt(checks._check_jvp, row, inputs) if derived else "-")
            cells.append(op_under_vmap(row, inputs))
            cells.append(" ".join(k for k, d in DTYPES.items() if attempt(op_in, row, inputs, d)))
            cells.append("yes")
            cells.append(attempt(checks.check_device, row, "mlx") if mlx else "")
        else:
            vmaps = "rule" if name in RULES else "elementwise" if op.kind == "elementwise" else ""
            derivatives = ["-"] * 3 if op.kind == "none" else [""] * 3
            cells = [f"`{elsewhere[name]}`" if name in elsewhere else "", *derivatives, vmaps, "", "kernel"]
            cells.append("kernel" if mlx is not None and hasattr(mlx.table, name) else "")
        cells.append("kernel" if name in on_cupy else "")
        yield f"| `{name}` | {op.kind} | " + " | ".join(cells) + " |\n"


def op_under_vmap(row: Any, inputs: list[Tensor]) -> str:
    free = [x for i, x in enumerate(inputs) if i not in row.fixed]

    def f(*xs: Tensor) -> Any:
        given = iter(xs)
        return checks._call(row, [x if i in row.fixed else next(given) for i, x in enumerate(inputs)])

    how = batched(f, free)
    if how == "parts":
        return "rule" if row.name in RULES else "elementwise" if row.op.kind == "elementwise" else "parts"
    return how


def op_in(row: Any, inputs: list[Tensor], dtype: str) -> None:
    wanted = getattr(lucid, dtype)
    checks._call(row, [x if i in row.fixed else x.to(wanted) for i, x in enumerate(inputs)])  # type: ignore[attr-defined]


# ---- functions ----


def public_functions() -> dict[str, Callable]:
    """Every public function by its name in lucid; those of ``linalg``, ``fft`` and ``special`` with their namespace."""
    found = {n: f for n, f in FUNCTIONS.items() if callable(f) and not n.startswith("_") and not isinstance(f, type)}
    for space in (lucid.linalg, lucid.fft, lucid.special):
        for n in dir(space):
            f = getattr(space, n)
            if not n.startswith("_") and callable(f) and not isinstance(f, type | ModuleType):
                found[f"{space.__name__.removeprefix('lucid.')}.{n}"] = f
    return found


def function_lines() -> Iterator[str]:
    functions = public_functions()
    same = {id(functions[n]): n for n in ROWS if n in functions}  # `absolute` has the row of `abs`
    for name, f in sorted(functions.items()):
        last = name.rpartition(".")[2]
        cells = run_row(same[id(f)], f) if id(f) in same else [example(name, f), "", "", "", ""]
        cells.append("yes" if "." not in name and hasattr(Tensor, last) else "-")
        cells.append("yes" if "." not in name and hasattr(Tensor, last + "_") else "-")
        cells.append("yes" if getattr(f, "takes_out", False) else "-")
        yield f"| `{name}` | " + " | ".join(cells) + " |\n"


def example(name: str, f: Callable) -> str:
    """``example`` if the function's docstring has one and it prints what it says."""
    test = doctest.DocTestParser().get_doctest(f.__doc__ or "", {}, name, None, 0)
    runner = doctest.DocTestRunner(verbose=False)
    failed = runner.run(test, out=lambda text: None).failed
    return "example" if test.examples and not failed else ""


def run_row(name: str, f: Callable) -> list[str]:
    """forward, gradient, second order, jvp, vmap of the first call drawn that runs."""
    for seed in range(30):
        draw = Draw(seed)
        draw.special = False
        args, kwargs = ROWS[name](draw)
        made = [given(a) for a in args]
        try:
            single = _tuple(f(*made, **{k: given(v) for k, v in kwargs.items()}))
        except Exception:  # an argument out of range, drawn on purpose
            continue
        if any(t.shape.numel() == 0 for t in (*tensors(made), *tensors(list(single)))):
            continue
        free = [t.detach() for t in tensors(made)]
        leaf = [i for i, t in enumerate(tensors(made)) if t.requires_grad]

        def again(*xs: Tensor, args: Any = made, kwargs: Any = kwargs) -> Any:
            rest = iter(xs)
            out = f(*replaced(args, rest), **{k: given(v) for k, v in kwargs.items()})
            return tuple(t for t in _tuple(out) if isinstance(t, Tensor)) if isinstance(out, tuple | list) else out

        recorded = [t for t in single if isinstance(t, Tensor) and t.requires_grad]
        cells = ["yes", "-", "-", "-"]
        if recorded:
            cells[1:3] = derivatives(recorded, [t for t in tensors(made) if t.requires_grad])
            cells[3] = attempt(along, again, free, leaf)
        return [*cells, batched(again, free) if free else "-"]
    return [""] * 5


def derivatives(outputs: list[Tensor], leaves: list[Tensor]) -> list[str]:
    def total(parts: Any) -> Tensor:
        return sum((t * t.detach().cos()).real.sum() for t in parts)  # type: ignore[attr-defined, return-value]

    try:
        first = lucid.autograd.grad(total(outputs), leaves, create_graph=True, allow_unused=True)
    except RuntimeError:
        return ["", ""]
    live = [g for g in first if g is not None and g.requires_grad]
    if not live:
        return ["yes", "yes"]  # linear: the second derivative is 0
    return ["yes", attempt(lambda: lucid.autograd.grad(total(live), leaves, allow_unused=True))]


def along(f: Callable, points: list[Tensor], leaf: list[int]) -> None:
    def g(*xs: Tensor) -> Any:
        mixed = list(points)
        for i, x in zip(leaf, xs, strict=True):
            mixed[i] = x
        return f(*mixed)

    at = tuple(points[i] for i in leaf)
    jvp(g, at, tuple(lucid.ones_like(p) for p in at))


def given(value: Any) -> Any:
    if isinstance(value, In):
        return value.of(lucid)
    return [given(v) for v in value] if isinstance(value, list) else value


def tensors(values: Any) -> list[Tensor]:
    return [t for v in values for t in (tensors(v) if isinstance(v, list | tuple) else [v]) if isinstance(t, Tensor)]


def replaced(values: Any, rest: Iterator[Tensor]) -> list:
    return [replaced(v, rest) if isinstance(v, list) else next(rest) if isinstance(v, Tensor) else v for v in values]


def main() -> None:
    warnings.simplefilter("ignore")
    ops = [
        "\n## Ops\n\n| Op | Kind | Forward | Gradient | Second order | jvp | vmap | dtypes | NumPy | MLX | CuPy |\n",
        "| --- " * 11 + "|\n",
    ]
    functions = [
        "\n## Functions\n\n| Function | Forward | Gradient | Second order | jvp | vmap | Method | In-place | out= |\n",
        "| --- " * 9 + "|\n",
    ]
    text = HEAD + "".join([*ops, *op_lines(), *functions, *function_lines()])
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
