"""Calling a module with other parameters than its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...core.tensor import Tensor
from ..modules.module import Module

__all__ = ["functional_call", "swapped"]


def functional_call(
    module: Module,
    parameters_and_buffers: Any,
    args: Any = None,
    kwargs: dict | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """``module(*args, **kwargs)`` with the tensors of a dictionary in place of its parameters and buffers.

    ``tie_weights`` replaces all names of a shared parameter together; ``strict`` wants every name to be given.
    Raises RuntimeError for unexpected names (and missing ones, if strict); the module is as before afterwards.

    >>> import lucid
    >>> m = lucid.nn.Linear(2, 1, bias=False)
    >>> lucid.nn.utils.stateless.functional_call(m, {"weight": lucid.ones(1, 2)}, lucid.tensor([[1.0, 2.0]]))
    tensor([[3.]])
    """
    given: dict[str, Tensor] = {}
    for part in (
        parameters_and_buffers if isinstance(parameters_and_buffers, list | tuple) else (parameters_and_buffers,)
    ):
        repeated = given.keys() & part.keys()
        if repeated:
            raise ValueError(
                f"{sorted(repeated)} appear in multiple dictionaries; behavior of functional call is ambiguous"
            )
        given.update(part)
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with swapped(module, given, tie_weights, strict):
        return module(*args, **(kwargs or {}))


@contextmanager
def swapped(
    module: Module, tensors: dict[str, Tensor], tie_weights: bool = True, strict: bool = False
) -> Iterator[None]:
    """Put tensors in the places of a module's parameters and buffers while the block runs."""
    places: dict[str, tuple[dict, str]] = {}
    for path, part in module.named_modules(remove_duplicate=False):
        for registry in (part._parameters, part._buffers):
            for name, value in registry.items():
                if value is not None:
                    places[f"{path}.{name}" if path else name] = (registry, name)
    unexpected = [name for name in tensors if name not in places]
    missing = [name for name in places if name not in tensors] if strict else []
    if unexpected or missing:
        lines = [
            f"{what} key(s): {', '.join(names)}."
            for what, names in (("Unexpected", unexpected), ("Missing", missing))
            if names
        ]
        raise RuntimeError(f"Error(s) in loading for {type(module).__name__}:\n\t" + "\n\t".join(lines))
    wanted = dict(tensors)
    if tie_weights:
        values = {name: registry[key] for name, (registry, key) in places.items()}
        for name, value in tensors.items():
            for other, held in values.items():
                if held is values[name] and other not in tensors:
                    wanted[other] = value
    before = [(places[name], places[name][0][places[name][1]]) for name in wanted]
    try:
        for name, value in wanted.items():
            registry, key = places[name]
            registry[key] = value
        yield
    finally:
        for (registry, key), value in reversed(before):
            registry[key] = value
