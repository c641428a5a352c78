"""Argument checks that optimizers share; the messages are PyTorch's."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor


def at_least(minimum: float, **values: Any) -> None:
    """Raise ValueError for a value below ``minimum`` (or NaN)."""
    for name, value in values.items():
        if not float(value) >= minimum:
            raise ValueError(f"Invalid {name} value: {value} (must be at least {minimum:g})")


def learning_rate(lr: Any, *, positive: bool = False) -> None:
    """Raise ValueError for a negative (or zero, if ``positive``) or NaN rate, or a tensor of several elements."""
    if isinstance(lr, Tensor) and lr.shape.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if isinstance(lr, str | bytes) or lr is None:
        raise TypeError(f"lr must be a number, not {type(lr).__name__}")
    if not float(lr) >= 0.0 or (positive and float(lr) == 0.0):
        raise ValueError(f"Invalid learning rate: {lr}")


def coefficients(betas: Any, count: int = 2, name: str = "beta") -> None:
    """Raise ValueError unless there are ``count`` numbers in [0, 1)."""
    if len(betas) != count:
        raise ValueError(f"{name}s must be {count} numbers, got {len(betas)}: {betas}")
    for i, beta in enumerate(betas):
        if not 0.0 <= float(beta) < 1.0:
            raise ValueError(f"Invalid {name} parameter at index {i}: {beta}")


def number(value: Any) -> Any:
    """An option as a float; tensors that require grad stay, since one may differentiate by them."""
    if isinstance(value, Tensor):
        return value if value.requires_grad else float(value)
    return float(value)
