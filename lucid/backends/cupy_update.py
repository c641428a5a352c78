"""Optimizer rules on CuPy: a traced rule is one kernel, and many small parameters are one launch.

The steps of a rule become C (``cupy_fuse``), the numbers that change per step its arguments. A large parameter is
updated where it lies. Small ones share a launch: their state lies end to end in one buffer per name, and the kernel finds
parameter and gradient of an element through a table of addresses, which is sent only when an address has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cupy as cp
import numpy as np

from . import trace
from .cupy_fuse import FLOATS, Written, elementwise, wide

GATHER = 1 << 18  # elements: a launch of this size takes longer than it takes to issue


class Rule:
    """A traced rule as C, for arrays of one dtype."""

    def __init__(self, rule: Callable, state_count: int, scalars: dict[str, Any]):
        self.program = trace.program(rule, state_count, scalars)
        arrays = {i: f"a{i}" for i in range(len(self.program.arrays))}
        self.written = Written(self.program.trace, arrays, self.program.inputs)
        self.name = f"update_{getattr(rule, '__name__', 'rule')}"
        self.homes = [n for n in range(len(self.program.arrays)) if n != 1]  # p and the states, not g
        results = {h: self.program.targets[self.program.arrays[h]] for h in self.homes}
        self.results = {h: self.written.operand(i) for h, i in results.items()}
        self.changed = [h for h in self.homes if self.results[h] != f"a{h}"]

    def values(self, scalars: dict[str, Any]) -> list[float]:
        return self.written.values(scalars)

    def alone(self, dtype: Any) -> Any:
        """The kernel for one parameter: ``g, numbers, p, states``."""
        loads = ["const W a1 = (W)x1;", *(f"const W a{h} = (W)x{h};" for h in self.homes)]
        ends = [f"x{h} = (T)({self.results[h]});" for h in self.changed]
        return elementwise(
            self.name, f"T x1{self.written.parameters}", ", ".join(f"T x{h}" for h in self.homes),
            "\n".join([*loads, *self.written.lines, *ends]), wide(dtype),
        )  # fmt: skip

    def together(self, dtype: Any) -> Any:
        """The kernel for many: ``like, addresses, ends, count, numbers, states``; element i of the buffers belongs to parameter k."""
        states = [h for h in self.homes if h > 1]
        loads = ["const W a0 = (W)p[at], a1 = (W)g[at];", *(f"const W a{h} = (W)x{h}[i];" for h in states)]
        ends = [f"{'p[at]' if h == 0 else f'x{h}[i]'} = (T)({self.results[h]});" for h in self.changed]
        find = """
        int low = 0, high = count;
        while (low < high) { const int middle = (low + high) / 2; if (ends[middle] <= i) low = middle + 1; else high = middle; }
        const long long at = i - (low ? ends[low - 1] : 0);
        T* p = reinterpret_cast<T*>(addresses[low]);
        const T* g = reinterpret_cast<const T*>(addresses[count + low]);"""
        outputs = ", ".join(["raw T like", *(f"raw T x{h}" for h in states)])
        return elementwise(
            f"{self.name}_together", f"raw uint64 addresses, raw int64 ends, int32 count{self.written.parameters}", outputs,
            "\n".join([find, *loads, *self.written.lines, *ends]), wide(dtype),
        )  # fmt: skip


_rules: dict[int, Rule] = {}


def _rule(rule: Callable, state_count: int, scalars: dict[str, Any]) -> Rule:
    key = id(trace.program(rule, state_count, scalars))  # programs are never dropped, so their ids are good keys
    if key not in _rules:
        _rules[key] = Rule(rule, state_count, scalars)
    return _rules[key]


def apply(
    xp: Any, rule: Callable, params: Sequence[Any], grads: Sequence[Any], states: Sequence[Sequence[Any]],
    scalars: dict[str, Any], cache: dict | None = None,
) -> tuple[Sequence[Any], Sequence[Sequence[Any]]]:  # fmt: skip
    """Update parameters and states where they lie; see ``Backend.apply_update``."""
    if not params:
        return params, states
    if not getattr(rule, "elementwise", False):
        for i, (p, g) in enumerate(zip(params, grads, strict=True)):
            state = [s[i] for s in states]
            for target, result in zip((p, *state), rule(xp, p, g, *state, **scalars), strict=True):
                if result is not target:
                    target[...] = result
        return params, states
    found = _rule(rule, len(states), scalars)
    layout = None if cache is None else cache.get("layout")
    if layout is None or layout.rule is not found:
        layout = Layout(found, params, states, gather=cache is not None)
        if cache is not None:
            cache["layout"] = layout
            states = layout.states
    layout.run(params, grads, scalars)
    return params, states


class Layout:
    """How the parameters of one call are taken: one by one, or many in one launch."""

    def __init__(self, rule: Rule, params: Sequence[Any], states: Sequence[Sequence[Any]], gather: bool):
        self.rule = rule
        self.states = [list(column) for column in states]
        self.alone: list[int] = []
        self.chunks: list[Chunk] = []
        small: dict[Any, list[int]] = {}
        for i, p in enumerate(params):
            arrays = [p, *(column[i] for column in self.states)]
            plain = all(a.flags.c_contiguous and a.dtype == p.dtype and a.shape == p.shape for a in arrays)
            if gather and plain and 0 < p.size <= GATHER and p.dtype.name in FLOATS:
                small.setdefault((p.dtype, p.device.id), []).append(i)
            else:
                self.alone.append(i)
        for rows in small.values():
            if len(rows) > 1:
                self.chunks.append(Chunk(rule, rows, params, self.states))
            else:
                self.alone.extend(rows)

    def run(self, params: Sequence[Any], grads: Sequence[Any], scalars: dict[str, Any]) -> None:
        values = self.rule.values(scalars)
        for chunk in self.chunks:
            chunk.run(grads, values)
        for i in self.alone:
            arrays = [params[i], grads[i].astype(params[i].dtype, copy=False), *(column[i] for column in self.states)]
            if not params[i].size:
                continue
            if params[i].dtype.kind == "c":  # pairs of reals
                self._pairs(arrays, values)
            else:
                p, g, *state = arrays
                self.rule.alone(p.dtype)(g, *values, p, *state)

    def _pairs(self, arrays: list[Any], values: list[float]) -> None:
        kind = np.dtype(f"f{arrays[0].itemsize // 2}")
        whole = [cp.ascontiguousarray(a) for a in arrays]
        p, g, *state = (a.reshape(-1).view(kind) for a in whole)
        self.rule.alone(kind)(g, *values, p, *state)
        for k, (array, copy) in enumerate(zip(arrays, whole, strict=True)):
            if k != 1 and copy is not array:
                array[...] = copy


class Chunk:
    """Small parameters of one dtype on one device that are updated by one launch."""

    def __init__(self, rule: Rule, rows: list[int], params: Sequence[Any], states: list[list[Any]]):
        self.rows, self.rule = rows, rule
        self.params = [params[i] for i in rows]
        sizes = [p.size for p in self.params]
        ends = np.cumsum(sizes)
        self.count = int(ends[-1])
        self.ends = cp.asarray(ends.astype(np.int64))
        self.buffers = []
        for column in states:
            joined = cp.concatenate([column[i].reshape(-1) for i in rows])
            for i, stop, size in zip(rows, ends.tolist(), sizes, strict=True):
                column[i] = joined[stop - size : stop].reshape(column[i].shape)
            self.buffers.append(joined)
        self.kernel = rule.together(self.params[0].dtype)
        self.known: list[int] = []
        self.table: Any = None

    def run(self, grads: Sequence[Any], values: list[float]) -> None:
        dtype = self.params[0].dtype
        gs = [grads[i] for i in self.rows]
        gs = [
            g if g.dtype == dtype and g.flags.c_contiguous else cp.ascontiguousarray(g.astype(dtype, copy=False))
            for g in gs
        ]
        where = [a.data.ptr for a in (*self.params, *gs)]
        if where != self.known:
            self.known, self.table = where, cp.asarray(np.array(where, np.uint64))
        self.kernel(self.table, self.ends, len(self.rows), *values, self.params[0], *self.buffers, size=self.count)
