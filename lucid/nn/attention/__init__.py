"""Which way ``scaled_dot_product_attention`` is computed: ``torch.nn.attention``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum

__all__ = ["WARN_FOR_UNFUSED_KERNELS", "SDPBackend", "sdpa_kernel"]
WARN_FOR_UNFUSED_KERNELS = False


class SDPBackend(IntEnum):
    """PyTorch's ways to compute attention. ``MATH`` keeps the weights for backward, all others compute them again."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


_allowed: ContextVar[tuple[SDPBackend, ...]] = ContextVar("lucid_sdpa", default=tuple(SDPBackend)[:0:-1])


@contextmanager
def sdpa_kernel(backends: list[SDPBackend] | SDPBackend, set_priority: bool = False) -> Iterator[dict]:
    """Allow only the given ways inside the block; the values do not depend on it, memory does.

    With ``MATH`` alone (or first, with ``set_priority``) attention is computed from single ops. Raises AssertionError for
    what is no SDPBackend or list of them.

    >>> import lucid
    >>> from lucid.nn.attention import SDPBackend, sdpa_kernel
    >>> q = lucid.ones(1, 4, 8)
    >>> with sdpa_kernel(SDPBackend.MATH):
    ...     lucid.nn.functional.scaled_dot_product_attention(q, q, q).shape
    lucid.Size([1, 4, 8])
    """
    if not isinstance(backends, list | SDPBackend):
        raise AssertionError(
            f"Backend must be an instance of SDPBackend or a list of SDPBackend instances, got {type(backends).__name__}"
        )
    given = [backends] if isinstance(backends, SDPBackend) else list(dict.fromkeys(backends))
    token = _allowed.set(tuple(given if set_priority else sorted(given, reverse=True)))
    try:
        yield {}
    finally:
        _allowed.reset(token)


def kept() -> bool:
    """Whether the attention weights are to be kept for backward. Raises RuntimeError where nothing is allowed."""
    allowed = _allowed.get()
    if not any(way >= 0 for way in allowed):
        raise RuntimeError("No available kernel. Aborting execution.")
    return allowed[0] is SDPBackend.MATH
