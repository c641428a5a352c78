"""What published programs take from ``torch._C``; nothing of lucid is in here."""

from .linalg import LinAlgError as _LinAlgError

__all__ = ["_LinAlgError", "_get_tracing_state", "_log_api_usage_once"]


def _log_api_usage_once(name: str) -> None:
    """Accepted: nothing is logged."""


def _get_tracing_state() -> None:
    """None: calls are not traced."""
