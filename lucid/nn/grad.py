"""The gradients of convolutions as functions: ``torch.nn.grad``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.tensor import Tensor
from . import functional as F

__all__ = ["conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight", "conv3d_input", "conv3d_weight"]


def _gradient(conv: Callable, which: int, tensors: tuple, grad_output: Tensor, geometry: tuple) -> Tensor:
    from ..autograd import grad

    x, w = (t.detach() for t in tensors)
    wanted = (x, w)[which].requires_grad_()
    (found,) = grad(conv(x, w, None, *geometry), wanted, grad_output)
    assert found is not None
    return found


def _input(name: str) -> Callable[..., Tensor]:
    conv = getattr(F, name)

    def gradient(
        input_size: Any,
        weight: Tensor,
        grad_output: Tensor,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        x = grad_output.new_zeros(tuple(input_size))  # type: ignore[attr-defined]
        return _gradient(conv, 0, (x, weight), grad_output, (stride, padding, dilation, groups))

    return _named(gradient, f"{name}_input", f"The gradient of ``{name}`` with respect to its input of ``input_size``.")


def _weight(name: str) -> Callable[..., Tensor]:
    conv = getattr(F, name)

    def gradient(
        input: Tensor,
        weight_size: Any,
        grad_output: Tensor,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        w = grad_output.new_zeros(tuple(weight_size))  # type: ignore[attr-defined]
        return _gradient(conv, 1, (input, w), grad_output, (stride, padding, dilation, groups))

    return _named(
        gradient, f"{name}_weight", f"The gradient of ``{name}`` with respect to its weight of ``weight_size``."
    )


def _named(function: Callable[..., Tensor], name: str, doc: str) -> Callable[..., Tensor]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


conv1d_input, conv2d_input, conv3d_input = (_input(f"conv{n}d") for n in (1, 2, 3))
conv1d_weight, conv2d_weight, conv3d_weight = (_weight(f"conv{n}d") for n in (1, 2, 3))
