"""Chains of elementwise steps as one CUDA kernel each.

A launch costs some microseconds however little it does, so a gelu of eight steps would pay eight times. What
``composed.py``, ``numpy_special.py`` and the optimizer rules say once is traced (``trace.py``), written down as C and
compiled by CuPy at its first use. Half types are computed in float32 and rounded once, as on NumPy.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import cupy as cp

from .trace import ARRAY, MASK, NUMBER, ON_NUMBERS, Symbol, Trace

FLOATS = ("float16", "bfloat16", "float32", "float64")
INFINITY = "(W)(1e300 * 1e300)"
_UNARY = """exp log log1p expm1 log2 log10 sqrt sin cos tan sinh cosh tanh asin acos atan asinh acosh atanh floor ceil trunc rint
    erf erfc lgamma""".split()
TEMPLATES = {
    "add": "{0} + {1}", "subtract": "{0} - {1}", "multiply": "{0} * {1}", "divide": "{0} / {1}", "negative": "-{0}",
    "abs": "fabs({0})", "square": "{0} * {0}", "copy": "{0}", "reciprocal": "(W)1 / {0}", "rsqrt": "(W)1 / sqrt({0})",
    "sign": "(W)({0} > (W)0) - (W)({0} < (W)0)", "sigmoid": "(W)1 / ((W)1 + exp(-{0}))", "pow": "pow({0}, {1})",
    "maximum": "({0} >= {1} || {0} != {0}) ? {0} : {1}", "minimum": "({0} <= {1} || {0} != {0}) ? {0} : {1}",
    "clip": "{0} < {1} ? {1} : ({0} > {2} ? {2} : {0})", "copysign": "copysign({0}, {1})",
    "less": "{0} < {1}", "less_equal": "{0} <= {1}", "greater": "{0} > {1}", "greater_equal": "{0} >= {1}",
    "equal": "{0} == {1}", "not_equal": "{0} != {1}", "logical_and": "{0} && {1}", "logical_or": "{0} || {1}",
    "logical_not": "!{0}", "isnan": "{0} != {0}", "isfinite": f"fabs({{0}}) < {INFINITY}",
    "isinf": f"fabs({{0}}) == {INFINITY}", "where": "{0} ? {1} : {2}",
} | {name: f"{name}({{0}})" for name in _UNARY}  # fmt: skip


def wide(dtype: Any) -> str:
    """The C type that a kernel computes in."""
    return "double" if dtype.kind == "f" and dtype.itemsize == 8 else "float"


def computes(dtype: Any) -> str:
    """The same for kernels that take complex numbers and integers as well."""
    if dtype.kind == "c":
        return f"complex<{'double' if dtype.itemsize == 16 else 'float'}>"
    return "long long" if dtype.kind in "iu" else wide(dtype)


@functools.cache
def elementwise(
    name: str, inputs: str, outputs: str, body: str, computes_in: str = "float", preamble: str = ""
) -> cp.ElementwiseKernel:
    """CuPy's kernel of this source, with ``W`` as the type that it computes in."""
    return cp.ElementwiseKernel(
        inputs, outputs, body, f"lucid_{name}", preamble=f"typedef {computes_in} W;\n{preamble}"
    )


@functools.cache
def reduction(
    name: str, inputs: str, outputs: str, each: str, combine: str, last: str, start: str, computes_in: str = "float",
    preamble: str = "", carries: str | None = None,
) -> cp.ReductionKernel:  # fmt: skip
    """CuPy's reduction of this source; ``carries`` is the C type of the running value.

    ``last`` must be one expression, and with one input ``x`` and one output ``y`` those letters must occur nowhere else in
    ``each`` and ``last``: CuPy puts the first in parentheses and, for its CUB path, replaces the others as text.
    """
    return cp.ReductionKernel(
        inputs, outputs, each, combine, last, start, f"lucid_{name}", reduce_type=carries or computes_in,
        preamble=f"typedef {computes_in} W;\n{preamble}",
    )  # fmt: skip


def literal(value: float) -> str:
    """A number as C, in the type that the kernel computes in."""
    if value != value:
        return f"({INFINITY} - {INFINITY})"
    if value in (float("inf"), float("-inf")):
        return INFINITY if value > 0 else f"(-{INFINITY})"
    return f"(W){value!r}" if value >= 0 else f"(W)({value!r})"


class Written:
    """A trace as C: ``lines`` compute from the arrays' names; numbers that may change are arguments ``c0, c1, ...``."""

    def __init__(self, trace: Trace, arrays: dict[int, str], numbers: Sequence[tuple[Any, int]]):
        self.trace, self.inputs = trace, list(numbers)
        self.names = dict(arrays)
        self.arguments: list[int] = []
        self.lines: list[str] = []
        for name, operands, out in trace.steps:
            if name not in TEMPLATES:
                raise TypeError(f"{name} has no form in C for a fused kernel")
            kind = "bool" if trace.kinds[out] == MASK else "W"
            text = TEMPLATES[name].format(*(self.operand(i) for i in operands))
            self.lines.append(f"const {kind} v{out} = {text};")
            self.names[out] = f"v{out}"

    def operand(self, index: int) -> str:
        if index not in self.names:
            constant = self.trace.constants.get(index)
            if constant is None:
                self.names[index] = f"(W)c{len(self.arguments)}"
                self.arguments.append(index)
            else:
                self.names[index] = literal(constant)
        return self.names[index]

    def result(self, value: Any) -> str:
        return self.operand(value.index) if isinstance(value, Symbol) else literal(float(value))

    @property
    def parameters(self) -> str:
        return "".join(f", float64 c{n}" for n in range(len(self.arguments)))

    def values(self, given: dict[Any, float]) -> list[float]:
        """What to pass for ``c0, c1, ...``, computed on the host from the numbers given."""
        if not self.arguments:
            return []
        known = dict(self.trace.constants)
        for name, index in self.inputs:
            known[index] = given[name]
        for name, operands, out in self.trace.on_numbers:
            known[out] = ON_NUMBERS[name](*(known[i] for i in operands))
        return [float(known[i]) for i in self.arguments]


class Fused:
    """``f(xp, *args)`` on arrays of one floating dtype as one kernel; other dtypes take ``otherwise``, step by step."""

    def __init__(self, name: str, f: Callable, otherwise: Callable | None = None, trace: type[Trace] = Trace,
                 computes_in: str | None = None):  # fmt: skip
        self.name, self.f, self.otherwise, self.trace, self.computes_in = name, f, otherwise, trace, computes_in
        self.kernels: dict[tuple, tuple] = {}

    def __call__(self, *args: Any) -> Any:
        arrays: list[Any] = []
        key: list[Any] = []
        numbers: dict[Any, float] = {}
        for i, a in enumerate(args):
            if isinstance(a, cp.ndarray):
                arrays.append(a)
                key.append(ARRAY)
            elif type(a) is float:
                numbers[i] = a
                key.append(NUMBER)
            else:
                key.append((type(a), a))
        dtype = arrays[0].dtype
        if self.otherwise is not None and (dtype.name not in FLOATS or any(a.dtype != dtype for a in arrays)):
            return self.otherwise(*args)
        known = (self.computes_in or wide(dtype), *key)
        found = self.kernels.get(known)
        if found is None:
            found = self.kernels[known] = self._written(args, known[0])
        kernel, written = found
        return kernel(*arrays, *written.values(numbers))

    def _written(self, args: Sequence[Any], computes_in: str) -> tuple[cp.ElementwiseKernel, Written]:
        trace = self.trace()
        symbols: list[Any] = []
        arrays: dict[int, str] = {}
        numbers: list[tuple[Any, int]] = []
        for i, a in enumerate(args):
            if isinstance(a, cp.ndarray):
                symbol = trace.symbol(ARRAY)
                arrays[symbol.index] = f"a{len(arrays)}"
                symbols.append(symbol)
            elif type(a) is float:
                symbol = trace.symbol(NUMBER)
                numbers.append((i, symbol.index))
                symbols.append(symbol)
            else:
                symbols.append(a)
        result = self.f(trace, *symbols)
        results = result if isinstance(result, tuple) else (result,)
        written = Written(trace, arrays, numbers)
        ends = [f"y{k} = (T)({written.result(r)});" for k, r in enumerate(results)]
        body = "\n".join([*(f"const W a{k} = (W)x{k};" for k in range(len(arrays))), *written.lines, *ends])
        inputs = ", ".join(f"T x{k}" for k in range(len(arrays))) + written.parameters
        outputs = ", ".join(f"T y{k}" for k in range(len(results)))
        return elementwise(self.name, inputs, outputs, body, computes_in), written
