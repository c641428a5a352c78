"""Argument checks and small helpers that optimizers share; the error types are PyTorch's."""

from __future__ import annotations

import math
from typing import Any

from ..core import dtypes
from ..core.errors import DTypeError
from ..core.tensor import Tensor


def options(scope: dict[str, Any]) -> dict[str, Any]:
    """The arguments of an ``__init__`` (its ``locals()``) as the defaults of the parameter groups."""
    return {k: v for k, v in scope.items() if k not in ("self", "params", "__class__")}


def checked(scope: dict[str, Any], *names: str, betas: int = 2, positive: bool = False) -> dict[str, Any]:
    """The arguments of an ``__init__`` (its ``locals()``) as defaults of the groups, after the checks that most share.

    ValueError for an lr or ``betas`` out of range, and for a negative weight_decay or eps or one of ``names`` (None is fine).
    """
    found = options(scope)
    learning_rate(found["lr"], positive=positive)
    if "betas" in found:
        coefficients(found["betas"], betas)
    if "weight_decay" in found:
        at_least(0, weight_decay=found["weight_decay"])
    numbers = {name: found.get(name) for name in ("eps", *names)}
    at_least(0, **{name: value for name, value in numbers.items() if value is not None})
    return found


def _float(value: Any, name: str) -> float:
    """TypeError for what is no number, a string of digits too."""
    if value is None or isinstance(value, str | bytes):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}")
    return float(value)


def at_least(minimum: float, **values: Any) -> None:
    """Raise ValueError for a value below ``minimum`` (or NaN)."""
    for name, value in values.items():
        if not _float(value, name) >= minimum:
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
        if isinstance(beta, Tensor) and beta.shape.numel() != 1:
            raise ValueError(f"Tensor {name}s[{i}] must be 1-element")
        if not 0.0 <= _float(beta, name) < 1.0:
            raise ValueError(f"Invalid {name} parameter at index {i}: {beta}")


def real_only(opt: Any, error: type[Exception] = DTypeError) -> None:
    """Raise DTypeError for complex parameters."""
    if any(p.dtype.category == dtypes.COMPLEX for group in opt.param_groups for p in group["params"]):
        raise error(f"{type(opt).__name__} does not support complex parameters")


def flags(fused: Any, foreach: Any, differentiable: Any, **tensors: Any) -> None:
    """Raise RuntimeError for flags that exclude each other, ValueError for ``tensors`` that go not together with one, as PyTorch does."""
    for name, value in tensors.items():
        if foreach and isinstance(value, Tensor):
            raise ValueError(f"{name} as a Tensor is not supported for capturable=False and foreach=True")
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


def number(value: Any) -> Any:
    """An option as a float; tensors that require grad stay, since one may differentiate by them."""
    if isinstance(value, Tensor) and value.requires_grad:
        return value
    return float(value)


def root(x: Any) -> Any:
    """The square root of a float or a tensor."""
    return x**0.5 if isinstance(x, Tensor) else math.sqrt(x)


def decays(group: dict[str, Any], lr: Any, decoupled: bool) -> dict[str, Any]:
    """The numbers of weight decay, as an L2 penalty (``l2``) or on the parameter itself (``decay``), and ``maximize``."""
    wd, some = number(group["weight_decay"]), _nonzero(group["weight_decay"])
    return {
        "wd": wd, "keep": 1.0 - lr * wd, "maximize": bool(group["maximize"]),
        "l2": some and not decoupled, "decay": some and bool(decoupled),
    }  # fmt: skip


def l2_only(group: dict[str, Any]) -> dict[str, Any]:
    """The numbers of an L2 penalty, and ``maximize``."""
    return {
        "wd": number(group["weight_decay"]),
        "maximize": bool(group["maximize"]),
        "l2": _nonzero(group["weight_decay"]),
    }


def _nonzero(value: Any) -> bool:
    return isinstance(value, Tensor) or value != 0


def moments(betas: Any) -> dict[str, Any]:
    """``b1, a1, b2, a2`` with ``a = 1 - b``."""
    b1, b2 = map(number, betas)
    return {"b1": b1, "a1": 1.0 - b1, "b2": b2, "a2": 1.0 - b2}
