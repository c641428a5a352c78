"""Process-wide switches of PyTorch that programs set at their start."""

from __future__ import annotations

from typing import Any

from ..backends.switches import algorithms
from ..core.dtypes import bool_
from ..core.tensor import Tensor
from .registry import FUNCTIONS


class _Settings:
    deterministic = False
    warn_only = False
    matmul_precision = "highest"
    interop_threads = 1
    warn_always = False


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for ops that give the same bits each time: NumPy's always do; scattering on CUDA looks at this switch."""
    _Settings.deterministic, _Settings.warn_only = bool(mode), bool(warn_only)
    algorithms.deterministic = bool(mode)


def are_deterministic_algorithms_enabled() -> bool:
    """What ``use_deterministic_algorithms`` was set to."""
    return _Settings.deterministic


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether a missing deterministic algorithm shall only warn."""
    return _Settings.warn_only


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """0 or "default", 1 or "warn", 2 or "error": ``use_deterministic_algorithms`` by another name."""
    levels = {"default": 0, "warn": 1, "error": 2}
    level = levels.get(debug_mode, -1) if isinstance(debug_mode, str) else debug_mode
    if level not in (0, 1, 2):
        raise RuntimeError(f"set_deterministic_debug_mode: expected 0 to 2 or {', '.join(levels)}, got {debug_mode!r}")
    use_deterministic_algorithms(level > 0, warn_only=level == 1)


def get_deterministic_debug_mode() -> int:
    """0, 1 (warn) or 2 (error)."""
    return 0 if not _Settings.deterministic else 1 if _Settings.warn_only else 2


def set_warn_always(b: bool) -> None:
    """Whether warnings that come once per process shall come each time; only remembered: Python's filters decide."""
    _Settings.warn_always = bool(b)


def is_warn_always_enabled() -> bool:
    """What ``set_warn_always`` was set to."""
    return _Settings.warn_always


def set_float32_matmul_precision(precision: str) -> None:
    """Allow ("high", "medium") or forbid ("highest") shorter mantissas in float32 products; the CPU never uses them.

    Raises RuntimeError for another word.
    """
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(f"set_float32_matmul_precision: expected 'highest', 'high' or 'medium', got {precision!r}")
    _Settings.matmul_precision = precision
    from ..backends.cuda import matmul

    matmul.allow_tf32 = precision != "highest"


def get_float32_matmul_precision() -> str:
    """What ``set_float32_matmul_precision`` was set to."""
    return _Settings.matmul_precision


def set_flush_denormal(mode: bool) -> bool:
    """Whether denormal numbers could be flushed to zero: False, since NumPy has no such switch."""
    return False


def set_num_interop_threads(threads: int) -> None:
    """Set the number of threads between ops; lucid runs ops one after the other, so it is only remembered.

    Raises RuntimeError unless it is positive.
    """
    if threads < 1:
        raise RuntimeError("set_num_interop_threads expects a positive integer")
    _Settings.interop_threads = int(threads)


def get_num_interop_threads() -> int:
    """What ``set_num_interop_threads`` was set to."""
    return _Settings.interop_threads


for _f in (
    use_deterministic_algorithms, are_deterministic_algorithms_enabled, is_deterministic_algorithms_warn_only_enabled,
    set_deterministic_debug_mode, get_deterministic_debug_mode, set_warn_always, is_warn_always_enabled,
    set_float32_matmul_precision, get_float32_matmul_precision, set_flush_denormal, set_num_interop_threads, get_num_interop_threads,
):  # fmt: skip
    FUNCTIONS[_f.__name__] = _f


def _check_with(error_type: type[Exception], cond: bool, message: Any = None) -> None:
    """Raise an error of this type, with what ``message()`` says, unless the condition holds."""
    if not isinstance(cond, bool):
        raise TypeError(f"cond must be a bool, but got {type(cond)}")
    if cond:
        return
    if message is not None and not callable(message):
        raise TypeError("message must be a callable")
    raise error_type("Expected cond to be True, but got False." if message is None else str(message()))


def _check_tensor_all(cond: Any, message: Any = None) -> None:
    """Raise RuntimeError unless all elements of a boolean tensor are true."""
    if not isinstance(cond, Tensor) or cond.dtype is not bool_:
        raise TypeError(f"cond must be a tensor of dtype lucid.bool, but got {getattr(cond, 'dtype', type(cond))}")
    _check_with(RuntimeError, bool(cond.all()), message)  # type: ignore[attr-defined]


def _check_is_size(i: int, message: Any = None, *, max: int | None = None) -> None:
    """Raise RuntimeError unless ``i`` is a possible size."""
    _check_with(RuntimeError, i >= 0 and (max is None or i <= max), message)


def _checker(name: str, error: type[Exception]) -> None:
    def check(cond: bool, message: Any = None) -> None:
        _check_with(error, cond, message)

    check.__name__, check.__doc__ = (
        name,
        f"Raise {error.__name__}, with what ``message()`` says, unless the condition holds.",
    )
    FUNCTIONS[name] = check


for _name, _error in {
    "": RuntimeError, "_index": IndexError, "_value": ValueError, "_type": TypeError, "_not_implemented": NotImplementedError,
}.items():  # fmt: skip
    _checker(f"_check{_name}", _error)
FUNCTIONS |= {f.__name__: f for f in (_check_with, _check_tensor_all, _check_is_size)}


def _assert_async(condition: Any, message: str = "") -> None:
    """Raise RuntimeError unless a tensor of one element is true (at once: there is no later)."""
    if not bool(condition):
        raise RuntimeError(f"Expected Tensor with single nonzero value, but got zero {message}".rstrip())


def _assert(condition: Any, message: str) -> None:
    """Raise AssertionError with the message unless the condition holds; ``python -O`` does not remove it."""
    if not condition:
        raise AssertionError(message)
