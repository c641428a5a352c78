"""What published programs take from ``torch._C``; nothing of lucid is in here."""

from typing import Any

from .core.overrides import disabled as DisableTorchFunctionSubclass
from .core.overrides import plain
from .linalg import LinAlgError as _LinAlgError
from .nn import functional as _nn

__all__ = [
    "DisableTorchFunctionSubclass",
    "_LinAlgError",
    "_disabled_torch_function_impl",
    "_get_tracing_state",
    "_log_api_usage_once",
    "_nn",
]

_disabled_torch_function_impl: Any = classmethod(
    plain
)  # a class body says ``__torch_function__ = torch._C._disabled_torch_function_impl``


def _log_api_usage_once(name: str) -> None:
    """Accepted: nothing is logged."""


def _get_tracing_state() -> None:
    """None: calls are not traced."""
