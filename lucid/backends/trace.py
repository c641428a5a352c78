"""An elementwise optimizer rule as a straight-line program: traced once, then run without temporaries or even without Python.

The rule is called with symbols instead of arrays. What it does to them is written down as steps on numbered registers;
an analysis of lifetimes then finds, for each step, a register that may be overwritten, the arrays to be updated first
of all. The result is one line of Python per step, which NumPy runs block by block and a compiler can turn into a loop.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

ARRAY, MASK, NUMBER = "array", "mask", "number"
MASKS = {
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "equal",
    "not_equal",
    "logical_and",
    "logical_or",
    "logical_not",
    "isfinite",
}
ON_NUMBERS: dict[str, Callable] = {
    "add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "divide": operator.truediv,
    "pow": operator.pow, "negative": operator.neg, "abs": abs, "sqrt": math.sqrt, "maximum": max, "minimum": min,
}  # fmt: skip


class Symbol:
    """Stands for an array, a mask or a number while a rule is traced."""

    __slots__ = ("index", "kind", "trace")
    __array_ufunc__ = None

    def __init__(self, trace: Trace, index: int, kind: str):
        self.trace, self.index, self.kind = trace, index, kind

    def __bool__(self) -> bool:
        raise TypeError("an optimizer rule must not branch on values; use xp.where")


def _binary(name: str, swapped: bool) -> Callable:
    def method(self: Symbol, other: Any) -> Symbol:
        return self.trace.emit(name, other, self) if swapped else self.trace.emit(name, self, other)

    return method


for _short, _name in {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "pow"}.items():
    setattr(Symbol, f"__{_short}__", _binary(_name, False))
    setattr(Symbol, f"__r{_short}__", _binary(_name, True))
for _short, _name in {
    "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal",
    "and": "logical_and", "or": "logical_or",
}.items():  # fmt: skip
    setattr(Symbol, f"__{_short}__", _binary(_name, False))
Symbol.__neg__ = lambda self: self.trace.emit("negative", self)  # type: ignore[attr-defined, operator]
Symbol.__abs__ = lambda self: self.trace.emit("abs", self)  # type: ignore[attr-defined]


class Trace:
    """The ``xp`` of a rule that is being traced: every name is a function that writes itself down."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.steps: list[tuple[str, tuple[int, ...], int]] = []
        self.on_numbers: list[tuple[str, tuple[int, ...], int]] = []
        self.constants: dict[int, float] = {}
        self._known: dict[tuple, Symbol] = {}

    def symbol(self, kind: str) -> Symbol:
        self.kinds.append(kind)
        return Symbol(self, len(self.kinds) - 1, kind)

    def __getattr__(self, name: str) -> Callable:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args: self.emit(name, *args)

    def constant(self, value: float) -> Symbol:
        symbol = self._known.get(("constant", value))
        if symbol is None:
            symbol = self._known["constant", value] = self.symbol(NUMBER)
            self.constants[symbol.index] = float(value)
        return symbol

    def emit(self, name: str, *args: Any) -> Symbol:
        symbols = [a if isinstance(a, Symbol) else self.constant(a) for a in args]
        indices = tuple(s.index for s in symbols)
        key = (name, *indices)
        if key not in self._known:
            numeric = all(s.kind == NUMBER for s in symbols)
            out = self.symbol(NUMBER if numeric else MASK if name in MASKS else ARRAY)
            (self.on_numbers if numeric else self.steps).append((name, indices, out.index))
            self._known[key] = out
        return self._known[key]


class Program:
    """A traced rule: ``lines`` of ``(name, operands, result)``, all of them names of registers.

    Registers are ``p, g, s0, s1, ...`` (the arrays), ``t0, ...`` (workspace), ``m0, ...`` (workspace for masks) and
    ``c0, ...`` (numbers, computed from the scalars by ``numbers``).
    """

    def __init__(self, rule: Callable, state_count: int, scalars: dict[str, Any]):
        trace = Trace()
        arrays = [trace.symbol(ARRAY) for _ in range(2 + state_count)]
        dynamic = {k: trace.symbol(NUMBER) for k, v in scalars.items() if type(v) is float}
        results = rule(trace, *arrays, **{**scalars, **dynamic})
        self.inputs = [(name, symbol.index) for name, symbol in dynamic.items()]
        self.trace = trace
        self.arrays = ["p", "g", *(f"s{i}" for i in range(state_count))]
        homes = [self.arrays[0], *self.arrays[2:]]
        targets = {
            home: trace.constant(r).index if not isinstance(r, Symbol) else r.index
            for home, r in zip(homes, results, strict=True)
        }
        self.targets = targets
        self.lines = self._allocate(dict(enumerate(self.arrays)), targets)

    def _allocate(self, where: dict[int, str], targets: dict[str, int]) -> list[tuple[str, tuple[str, ...], str]]:
        """Give each result a register: the array that it replaces if that is read no more, else workspace."""
        trace = self.trace
        last: dict[int, int] = {}
        for n, (_, operands, _) in enumerate(trace.steps):
            last.update(dict.fromkeys(operands, n))
        wanted: dict[int, str] = {}
        for target, index in targets.items():
            wanted.setdefault(index, target)
        original = {name: i for i, name in where.items()}
        final = set(targets.values())
        self.numbers_used = sorted({i for _, operands, _ in trace.steps for i in operands if trace.kinds[i] == NUMBER}
                                   | {i for i in final if trace.kinds[i] == NUMBER})  # fmt: skip
        for n, i in enumerate(self.numbers_used):
            where[i] = f"c{n}"
        self.temporaries = self.masks = 0
        free: dict[str, list[str]] = {ARRAY: [], MASK: []}
        lines = []
        for n, (name, operands, out) in enumerate(trace.steps):
            home = wanted.get(out)
            places = tuple(where[i] for i in operands)
            dying = [i for i in set(operands) if last[i] == n and i not in final and where[i][0] in "tm"]
            if name != "where":  # `where` writes its result in two goes, so it must not overwrite an operand
                for i in dying:
                    free[trace.kinds[i]].append(where[i])
            kind = trace.kinds[out]
            if (
                home is not None
                and last.get(original[home], -1) <= n
                and original[home] not in final
                and name != "where"
            ):
                where[out] = home
            elif free[kind]:
                where[out] = free[kind].pop()
            elif kind == MASK:
                where[out], self.masks = f"m{self.masks}", self.masks + 1
            else:
                where[out], self.temporaries = f"t{self.temporaries}", self.temporaries + 1
            if name == "where":
                for i in dying:
                    free[trace.kinds[i]].append(where[i])
            lines.append((name, places, where[out]))
        copies = [("copy", (where[i],), target) for target, i in targets.items() if where[i] != target]
        return lines + sorted(
            copies, key=lambda line: line[1][0][0] in "tmc"
        )  # arrays are read before they are written

    def numbers(self, scalars: dict[str, Any]) -> list[float]:
        """The values of the number registers."""
        values = dict(self.trace.constants)
        for name, index in self.inputs:
            values[index] = scalars[name]
        for name, operands, out in self.trace.on_numbers:
            values[out] = ON_NUMBERS[name](*(values[i] for i in operands))
        return [values[i] for i in self.numbers_used]


_programs: dict[tuple, Program] = {}


def program(rule: Callable, state_count: int, scalars: dict[str, Any]) -> Program:
    """The program of a rule with these fixed scalars; traced at first use."""
    key = (rule, state_count, *((k, float if type(v) is float else v) for k, v in scalars.items()))
    found = _programs.get(key)
    if found is None:
        found = _programs[key] = Program(rule, state_count, scalars)
    return found
