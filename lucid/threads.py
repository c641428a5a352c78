"""How many threads the CPU's matrix library uses: asked of and set through threadpoolctl."""

from __future__ import annotations

from typing import Any


def _pools() -> Any:
    try:
        import threadpoolctl
    except ImportError:
        raise ImportError("set_num_threads needs the threadpoolctl library: pip install lucid[threads]") from None
    return threadpoolctl


def set_num_threads(n: int) -> None:
    """Limit the BLAS and OpenMP libraries of this process to ``n`` threads.

    Raises RuntimeError unless ``n`` is a positive int, ImportError without threadpoolctl.

    >>> import lucid
    >>> lucid.set_num_threads(1)
    >>> lucid.get_num_threads()
    1
    """
    if isinstance(n, bool) or not hasattr(n, "__index__") or n < 1:
        raise RuntimeError(f"set_num_threads expects a positive integer, got {n!r}")
    _pools().threadpool_limits(n.__index__())


def get_num_threads() -> int:
    """The number of threads that the BLAS library of this process uses (1 if it has none that can be asked)."""
    found = [pool["num_threads"] for pool in _pools().threadpool_info() if pool["user_api"] == "blas"]
    return max(found, default=1)
