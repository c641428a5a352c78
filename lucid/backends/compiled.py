"""Traced optimizer rules as machine code, where numba is installed (``pip install lucid[fast]``).

One loop reads each element once and keeps every intermediate in a vector register. It follows IEEE arithmetic as
NumPy does (no reassociation, no fused multiply-add), so that results are the same to the bit with numba and without.
Compiling takes about a second per rule, so only models of ``WORTHWHILE`` elements use it; ``LUCID_NUMBA=0`` forbids it.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from . import trace

WORTHWHILE = 200_000  # elements: below, a step takes less than what compiling costs in a thousand of them
TEMPLATES = {
    "add": "{0} + {1}", "subtract": "{0} - {1}", "multiply": "{0} * {1}", "divide": "{0} / {1}", "negative": "-{0}",
    "sqrt": "np.sqrt({0})", "abs": "abs({0})", "square": "{0} * {0}", "copy": "{0}",
    "sign": "(ONE if {0} > ZERO else (-ONE if {0} < ZERO else ZERO))",
    "maximum": "({0} if ({0} >= {1} or {0} != {0}) else {1})", "minimum": "({0} if ({0} <= {1} or {0} != {0}) else {1})",
    "less": "{0} < {1}", "less_equal": "{0} <= {1}", "greater": "{0} > {1}", "greater_equal": "{0} >= {1}",
    "equal": "{0} == {1}", "not_equal": "{0} != {1}", "logical_and": "({0} and {1})", "logical_or": "({0} or {1})",
    "logical_not": "(not {0})", "where": "({1} if {0} else {2})",
}  # fmt: skip


@functools.cache
def available() -> bool:
    """Whether numba is there and wanted."""
    return os.environ.get("LUCID_NUMBA", "1") != "0" and find_spec("numba") is not None


def source(program: trace.Program) -> str | None:
    """The loop as Python, or None for a rule with an operation that has no template."""
    steps = program.trace.steps
    if any(name not in TEMPLATES for name, _, _ in steps):
        return None
    names = {i: f"{name}_" for i, name in enumerate(program.arrays)}
    names |= {index: f"c{n}" for n, index in enumerate(program.numbers_used)}
    lines = [f"def run({', '.join(program.arrays)}, c):"]
    lines += [f"    c{n} = c[{n}]" for n in range(len(program.numbers_used))]
    lines += ["    for i in range(p.size):"]
    lines += [f"        {name}_ = {name}[i]" for name in program.arrays]
    for name, operands, out in steps:
        names[out] = f"x{out}"
        lines.append(f"        x{out} = {TEMPLATES[name].format(*(names[i] for i in operands))}")
    lines += [
        f"        {home}[i] = {names[index]}" for home, index in program.targets.items() if names[index] != f"{home}_"
    ]
    return "\n".join(lines)


_loops: dict[tuple[int, Any], Callable | None] = {}


def loop(program: trace.Program, dtype: Any) -> Callable | None:
    """The compiled loop ``run(p, g, *state, numbers)`` for flat arrays of one dtype, or None."""
    key = (id(program), dtype)
    if key not in _loops:
        text = source(program)
        if text is None:
            _loops[key] = None
        else:
            import numba
            import numpy as np

            space: dict[str, Any] = {"np": np, "ONE": dtype.type(1), "ZERO": dtype.type(0)}
            exec(text, space)
            _loops[key] = numba.njit(error_model="numpy", nogil=True)(space["run"])
    return _loops[key]
