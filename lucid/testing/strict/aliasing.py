"""A device whose slices are copies: the contract of MLX, with the strictness of a GPU."""

from __future__ import annotations

from typing import Any


def without_aliasing(backend: Any) -> None:
    """Make every view op of the backend return an array of its own, and say so to the core."""
    from ...core.op import OPS

    backend.writes_in_place = False
    backend.aliases = lambda result, source: True  # views follow their source by the core's bookkeeping
    backend.caps.aliases = False
    for name, op in OPS.items():
        kernel = getattr(backend.table, name, None)
        if op.put is not None and kernel is not None:
            setattr(backend.table, name, _copying(kernel))


def _copying(kernel: Any) -> Any:
    def run(*args: Any) -> Any:
        out = kernel(*args)
        return out.copy() if type(out) is not tuple else tuple(o.copy() for o in out)

    return run
