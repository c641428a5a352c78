"""Optimizer rules on NumPy: in place, in blocks that fit the cache, small parameters gathered into one run.

A rule is a pure function of a few arrays. Run on a whole large array it would send every intermediate through main
memory; run block by block, it stays in the cache. Run on forty tiny arrays one by one it would pay forty times for each
NumPy call; gathered, once. And since the rule was traced (``trace``), each line writes into a register that is free:
nothing is allocated. State of gathered parameters lives in one long buffer, of which their arrays are views.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any

import numpy as np

from . import compiled, trace

BLOCK_BYTES = 131_072  # several arrays and registers of this size share the cache; smaller ones pay for more calls
CHUNK_BYTES = 131_072  # small parameters that are gathered into one run
GATHER = 700  # elements per line of the program: a larger parameter costs more to copy than the calls that it saves
F32 = np.dtype("float32")
UFUNCS: dict[str, Callable] = {
    name: getattr(np, name)
    for name in (
        "add", "subtract", "multiply", "divide", "negative", "sqrt", "square", "sign", "maximum", "minimum", "exp", "log",
        "less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "logical_and", "logical_or", "logical_not",
        "isfinite", "tanh", "copysign",
    )
} | {"pow": np.power, "abs": np.absolute}  # fmt: skip
_local = threading.local()
_setitem = np.ndarray.__setitem__


class Kernel:
    """A program as one Python function of its registers."""

    def __init__(self, program: trace.Program):
        self.program = program
        spare = [f"m{program.masks}", f"m{program.masks + 1}"]  # for signs
        self.masks = program.masks + len(spare) * any(name == "sign" for name, _, _ in program.lines)
        registers = [
            *program.arrays,
            *(f"t{i}" for i in range(program.temporaries)),
            *(f"m{i}" for i in range(self.masks)),
        ]
        registers += [f"c{i}" for i in range(len(program.numbers_used))]
        body = "\n".join(f"    {_call(*line, spare)}" for line in program.lines) or "    pass"
        space: dict[str, Any] = {**UFUNCS, "copyto": np.copyto}
        exec(f"def run({', '.join(registers)}):\n{body}", space)
        self.run: Callable = space["run"]
        self.gather = GATHER * len(program.lines)


def _call(name: str, operands: tuple[str, ...], out: str, spare: list[str]) -> str:
    if (
        name == "sign"
    ):  # np.sign branches on each element, which random signs make ten times slower; NaN gives 0 as in torch
        up, down = spare
        steps = f"greater({operands[0]}, 0, {up}); less({operands[0]}, 0, {down}); x = {up}.view('i1')"
        return f"{steps}; subtract(x, {down}.view('i1'), x); copyto({out}, x)"
    if name == "copy":
        return f"copyto({out}, {operands[0]})"
    if name == "where":
        mask, yes, no = operands
        return f"copyto({out}, {no}); copyto({out}, {yes}, where={mask})"
    if name not in UFUNCS:
        raise TypeError(f"optimizer rule: {name} is not available in an elementwise rule on NumPy")
    keyword = "out=" if name in ("maximum", "minimum") else ""  # NumPy deprecates it by position for these two
    return f"{name}({', '.join(operands)}, {keyword}{out})"


_kernels: dict[int, Kernel] = {}


def _kernel(rule: Callable, state_count: int, scalars: dict[str, Any]) -> Kernel:
    program = trace.program(rule, state_count, scalars)
    found = _kernels.get(id(program))  # programs are never dropped, so their ids are good keys
    if found is None:
        found = _kernels[id(program)] = Kernel(program)
    return found


def _constants(kernel: Kernel, scalars: dict[str, Any], dtype: Any) -> list[Any]:
    """The numbers as 0-d arrays, which NumPy takes twice as fast as Python floats; kept while they are the same."""
    values = kernel.program.numbers(scalars)
    known = _local.__dict__.setdefault("constants", {})
    held = known.get((id(kernel), dtype))
    if held is None or held[0] != values:
        held = known[id(kernel), dtype] = (values, [np.asarray(v, dtype) for v in values])
    return held[1]


def _workspace(kernel: Kernel, dtype: Any, extra: int) -> tuple[list[Any], list[Any]]:
    """Block-sized registers of this thread: ``extra`` for copies of arrays, and those of the program with its masks."""
    size = BLOCK_BYTES // dtype.itemsize
    held = _local.__dict__.setdefault("workspace", {})
    floats = held.setdefault(dtype, [])
    masks = held.setdefault(("masks", dtype), [])
    while len(floats) < kernel.program.temporaries + extra:
        floats.append(np.empty(size, dtype))
    while len(masks) < kernel.masks:
        masks.append(np.empty(size, bool))
    return floats[:extra], [*floats[extra : extra + kernel.program.temporaries], *masks[: kernel.masks]]


def apply(
    xp: Any,
    rule: Callable,
    params: Sequence[Any],
    grads: Sequence[Any],
    states: Sequence[Sequence[Any]],
    scalars: dict[str, Any],
    cache: dict | None = None,
) -> tuple[Sequence[Any], Sequence[Sequence[Any]]]:
    """Update parameters and states where they lie; see ``Backend.apply_update``."""
    if not getattr(rule, "elementwise", False):
        for i, (p, g) in enumerate(zip(params, grads, strict=True)):
            state = [s[i] for s in states]
            for target, result in zip((p, *state), rule(xp, p, g, *state, **scalars), strict=True):
                if result is not target:
                    np.copyto(target, result, casting="same_kind")
        return params, states
    if not params:
        return params, states
    kernel = _kernel(rule, len(states), scalars)
    layout = None if cache is None else cache.get("layout")
    if layout is None or layout.kernel is not kernel:
        layout = Layout(kernel, params, states, gather=cache is not None)
        if cache is not None:
            cache["layout"] = layout
            states = layout.states
    layout.run(params, grads, layout.states, scalars)
    return params, states


class Layout:
    """How the parameters of one call are taken: gathered in chunks, cut into blocks, or copied out and back."""

    def __init__(self, kernel: Kernel, params: Sequence[Any], states: Sequence[Sequence[Any]], gather: bool):
        self.kernel = kernel
        stored = params[0].dtype
        half = stored.itemsize == 2
        self.dtype = F32 if half else np.dtype(f"float{4 * stored.itemsize}") if stored.kind == "c" else stored
        self.states = [list(column) for column in states]
        self.alone: list[int] = []
        self.copied: list[int] = []
        self.chunks: list[Chunk] = []
        self.flats: list[tuple] | None = None
        self.loop: Callable | None = None
        if compiled.available() and not half and sum(p.size for p in params) >= compiled.WORTHWHILE:
            self.loop = compiled.loop(kernel.program, self.dtype)
        size = CHUNK_BYTES // self.dtype.itemsize
        limit = min(kernel.gather, size) if gather and len(params) > 1 and not half and self.loop is None else 0
        small: list[int] = []
        filled = 0
        for i, p in enumerate(params):
            arrays = [p, *(column[i] for column in self.states)]
            length = p.size * (2 if stored.kind == "c" else 1)
            if half or not all(a.flags.c_contiguous and a.dtype == stored and a.shape == p.shape for a in arrays):
                self.copied.append(i)
            elif length > limit:
                self.alone.append(i)
            else:
                if filled + length > size:
                    self._close(small, params)
                    small, filled = [], 0
                small.append(i)
                filled += length
        self._close(small, params)

    def _close(self, rows: list[int], params: Sequence[Any]) -> None:
        if len(rows) == 1:
            self.alone.extend(rows)
        elif rows:
            self.chunks.append(Chunk(rows, params, self.states, self.dtype))

    def run(
        self, params: Sequence[Any], grads: Sequence[Any], states: list[list[Any]], scalars: dict[str, Any]
    ) -> None:
        kernel = self.kernel
        if self.loop is not None:
            self._run_compiled(self.loop, params, grads, states, scalars)
            return
        dtype = self.dtype
        constants = _constants(kernel, scalars, dtype)
        if self.chunks:
            (p, g), work = _workspace(kernel, dtype, 2)
            for chunk in self.chunks:
                chunk.run(kernel, p, g, work, constants, grads)
        if self.alone:
            self._run_alone(grads, self._flattened(params, states), _workspace(kernel, dtype, 0)[1], constants)
        for i in self.copied:
            self._copied([params[i], grads[i], *(column[i] for column in states)], constants)

    def _run_alone(self, grads: Sequence[Any], rows: list[tuple], work: list[Any], constants: list[Any]) -> None:
        """One parameter after the other, those larger than a block cut up."""
        run, dtype, size = self.kernel.run, self.dtype, BLOCK_BYTES // self.dtype.itemsize
        fitting: dict[int, list[Any]] = {}  # the rest of the arguments for parameters of one size
        for i, p, state in rows:
            g = grads[i]
            g = g.reshape(-1) if g.dtype == dtype else self._flat(g)
            n = p.size
            if n > size:
                self._cut([p, g, *state], work, constants)
                continue
            rest = fitting.get(n)
            if rest is None:
                rest = fitting[n] = [*(w[:n] for w in work), *constants]
            run(p, g, *state, *rest)

    def _run_compiled(
        self,
        loop: Callable,
        params: Sequence[Any],
        grads: Sequence[Any],
        states: list[list[Any]],
        scalars: dict[str, Any],
    ) -> None:
        """One call of the compiled loop for each parameter: it needs neither blocks nor gathering."""
        numbers = np.array(self.kernel.program.numbers(scalars), self.dtype)
        for i, p, state in self._flattened(params, states):
            g = self._flat(grads[i])
            loop(p, g if g.flags.c_contiguous else np.ascontiguousarray(g), *state, numbers)
        for i in self.copied:
            arrays = [params[i], grads[i], *(column[i] for column in states)]
            self._copied(arrays, _constants(self.kernel, scalars, self.dtype))

    def _flattened(self, params: Sequence[Any], states: list[list[Any]]) -> list[tuple]:
        """Place, parameter and state of those that are taken alone, all flat: the same arrays while this layout lives."""
        if self.flats is None:
            self.flats = [(i, self._flat(params[i]), [self._flat(column[i]) for column in states]) for i in self.alone]
        return self.flats

    def _flat(self, array: Any) -> Any:
        """The elements in a row, complex ones as pairs of reals."""
        array = array.reshape(-1)
        return (
            array
            if array.dtype == self.dtype
            else array.view(self.dtype)
            if array.dtype.kind == "c"
            else array.astype(self.dtype)
        )

    def _cut(self, arrays: list[Any], work: list[Any], constants: list[Any]) -> None:
        run, n = self.kernel.run, arrays[0].size
        size = BLOCK_BYTES // self.dtype.itemsize
        for start in range(0, n, size):
            stop = start + size
            if stop > n:
                work = [w[: n - start] for w in work]
            run(*[a[start:stop] for a in arrays], *work, *constants)

    def _copied(self, arrays: list[Any], constants: list[Any]) -> None:
        """Half precision is computed in float32 and rounded once; what is not contiguous goes through a copy as well."""
        extra, work = _workspace(self.kernel, self.dtype, len(arrays))
        size = BLOCK_BYTES // self.dtype.itemsize
        flat = [np.ascontiguousarray(a).reshape(-1) for a in arrays]
        if flat[0].dtype.kind == "c":
            flat = [a.view(self.dtype) for a in flat]
        n = flat[0].size
        for start in range(0, n, size):
            stop = min(start + size, n)
            parts = [f[start:stop] for f in flat]
            registers = [e[: stop - start] for e in extra]
            for register, part in zip(registers, parts, strict=True):
                register[...] = part
            self.kernel.run(*registers, *(w[: stop - start] for w in work), *constants)
            for k, (register, part) in enumerate(zip(registers, parts, strict=True)):
                if k != 1:  # not the gradient
                    np.copyto(part, register, casting="unsafe")
        for k, (array, part) in enumerate(zip(arrays, flat, strict=True)):
            if k != 1 and not np.shares_memory(array, part):
                array[...] = (part.view(array.dtype) if array.dtype.kind == "c" else part).reshape(array.shape)


class Chunk:
    """Small parameters that are updated as one: copied together and back, while their state lies together for good."""

    def __init__(self, rows: list[int], params: Sequence[Any], states: list[list[Any]], dtype: Any):
        self.rows = rows
        self.params = [params[i] for i in rows]
        ends = np.cumsum([p.size for p in self.params]).tolist()
        self.spans = list(zip([0, *ends], ends, strict=False))
        self.scale = 2 if self.params[0].dtype.kind == "c" else 1
        self.count = ends[-1] * self.scale
        self.states = []
        for column in states:
            joined = np.concatenate([column[i].reshape(-1) for i in rows])
            for i, (start, stop) in zip(rows, self.spans, strict=True):
                column[i] = joined[start:stop].reshape(column[i].shape)
            self.states.append(joined.view(dtype))
        self.held: tuple | None = None
        self.targets = [memoryview(p.reshape(-1).view(dtype)) for p in self.params]

    def _hold(self, p: Any, g: Any, work: list[Any]) -> tuple:
        """Views of the workspace, made again only if another thread (or a larger program) brings another workspace."""
        n, kind = self.count, self.params[0].dtype
        views = [p[:n], g[:n], *self.states, *(w[:n] for w in work)]
        sources = [memoryview(p[a * self.scale : b * self.scale]) for a, b in self.spans]
        gs = g[:n].view(kind)
        shaped = [gs[a:b].reshape(q.shape) for (a, b), q in zip(self.spans, self.params, strict=True)]
        self.held = ([p, g, *work], views, sources, shaped)
        return self.held

    def run(self, kernel: Kernel, p: Any, g: Any, work: list[Any], constants: list[Any], grads: Sequence[Any]) -> None:
        held = self.held
        if (
            held is None
            or len(held[0]) != len(work) + 2
            or any(a is not b for a, b in zip(held[0], (p, g, *work), strict=True))
        ):
            held = self._hold(p, g, work)
        _, views, sources, shaped = held
        if len(self.rows) != len(grads):
            grads = [grads[i] for i in self.rows]
        for source, target in zip(sources, self.targets, strict=True):
            source[:] = target
        deque(map(_setitem, shaped, repeat(...), grads), maxlen=0)
        kernel.run(*views, *constants)
        for source, target in zip(sources, self.targets, strict=True):
            target[:] = source
