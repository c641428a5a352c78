"""``lucid.backends.cudnn``: CuPy has no cuDNN since version 14. Programs may set these, and nothing changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

enabled = False
benchmark = False
deterministic = False
allow_tf32 = False


def is_available() -> bool:
    """False: no computation here runs on cuDNN."""
    return False


def version() -> None:
    """None: there is no cuDNN."""
    return None


@contextmanager
def flags(
    enabled: bool = False, benchmark: bool = False, deterministic: bool = False, allow_tf32: bool = True
) -> Iterator[None]:
    """The switches as arguments of a ``with`` block, for programs that set them so."""
    before = {name: globals()[name] for name in ("enabled", "benchmark", "deterministic", "allow_tf32")}
    globals().update(enabled=enabled, benchmark=benchmark, deterministic=deterministic, allow_tf32=allow_tf32)
    try:
        yield
    finally:
        globals().update(before)
