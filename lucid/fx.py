"""``lucid.fx``: models are not rewritten symbolically; ``symbolic_trace`` says what can be done instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

__all__ = ["symbolic_trace", "wrap"]


def symbolic_trace(root: Any, concrete_args: Any = None) -> NoReturn:
    """Raises NotImplementedError, which says what to do instead."""
    raise NotImplementedError(
        "fx.symbolic_trace: lucid does not trace models into graphs. Inner values can be had with forward hooks "
        "(Module.register_forward_hook), layers replaced by assigning to the model's attributes, and ops counted or "
        "listed with lucid.profiler.profile or lucid.summary"
    )


def wrap(fn_or_name: str | Callable) -> str | Callable:
    """The function itself: nothing is traced."""
    return fn_or_name
