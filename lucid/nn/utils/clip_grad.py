"""Limiting gradients, by their common norm or one by one."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from typing import Any

from ... import ops
from ...core.modes import no_grad
from ...core.tensor import Tensor
from ...functions.creation import tensor
from ...functions.pieces import stack

__all__ = ["clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def _gradients(parameters: Any) -> list[Tensor]:
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p.grad for p in given if p.grad is not None]


def get_total_norm(
    tensors: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """The norm of all elements of all tensors, as if they were one vector.

    Raises RuntimeError for a norm that is not finite if ``error_if_nonfinite``.

    >>> import lucid
    >>> lucid.nn.utils.get_total_norm([lucid.tensor([3.0]), lucid.tensor([4.0])])
    tensor(5.)
    """
    given = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if not given:
        return tensor(0.0)
    norm_type = float(norm_type)
    parts = [ops.vector_norm(t.reshape(-1), norm_type, (0,), False) for t in given]  # type: ignore[attr-defined]
    total = ops.vector_norm(stack([p.to(parts[0]) for p in parts]), norm_type, (0,), False)
    if error_if_nonfinite and not math.isfinite(float(total)):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be clipped. To "
            "disable this error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total


def clip_grads_with_norm_(parameters: Any, max_norm: float, total_norm: Tensor, foreach: bool | None = None) -> None:
    """Scale all gradients by ``max_norm / total_norm`` if that is below 1."""
    with no_grad():
        factor = (float(max_norm) / (total_norm.detach() + 1e-6)).clamp(max=1.0)  # type: ignore[attr-defined, operator]
        for g in _gradients(parameters):
            g.detach().mul_(factor.to(g.device).to(g.dtype))  # type: ignore[attr-defined]


def clip_grad_norm_(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients of all parameters together so that their norm is at most ``max_norm``; returns the norm before.

    Raises RuntimeError for a norm that is not finite if ``error_if_nonfinite``; the gradients stay as they were.

    >>> import lucid
    >>> p = lucid.nn.Parameter(lucid.zeros(2))
    >>> p.grad = lucid.tensor([3.0, 4.0])
    >>> lucid.nn.utils.clip_grad_norm_([p], 1.0), p.grad
    (tensor(5.), tensor([0.6000, 0.8000]))
    """
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    with no_grad():
        total = get_total_norm([g.detach() for g in _gradients(parameters)], norm_type, error_if_nonfinite)  # type: ignore[attr-defined]
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


def clip_grad_norm(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The old name of ``clip_grad_norm_``."""
    warnings.warn(
        "`nn.utils.clip_grad_norm` is now deprecated in favor of `nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite)


def clip_grad_value_(parameters: Iterable[Tensor] | Tensor, clip_value: float, foreach: bool | None = None) -> None:
    """Limit every element of every gradient to ``[-clip_value, clip_value]``."""
    limit = float(clip_value)
    with no_grad():
        for g in _gradients(parameters):
            g.detach().clamp_(-limit, limit)  # type: ignore[attr-defined]


clip_grad_value = clip_grad_value_


def grad_norm(parameters: Any, norm_type: float = 2) -> Tensor:
    """The norm of the gradients of all parameters together."""
    return get_total_norm(_gradients(parameters), norm_type)
