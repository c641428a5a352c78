"""Names that the earlier Lucid has and PyTorch has not: activations as functions and methods, cubes, in-place extremes."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..core.tensor import Tensor, as_tensor
from .registry import FUNCTIONS, make_inplace, public, tensor_arg

# name here: name in ``nn.functional``
ACTIVATIONS = {
    "gelu": "gelu", "silu": "silu", "mish": "mish", "relu6": "relu6", "softplus": "softplus", "hard_sigmoid": "hardsigmoid",
    "hard_swish": "hardswish", "elu": "elu", "leaky_relu": "leaky_relu", "hardshrink": "hardshrink", "prelu": "prelu", "selu": "selu",
}  # fmt: skip


def _activation(name: str, source: str) -> None:
    def f(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        from .. import nn  # stands above the functions

        return getattr(nn.functional, source)(tensor_arg(input, name), *args, **kwargs)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"``nn.functional.{source}``.\n\n>>> import lucid\n>>> lucid.zeros(2).{name}({'lucid.ones(1)' if name == 'prelu' else ''}).shape\nlucid.Size([2])\n"
    public(function=name not in ("hardshrink", "prelu", "selu"), out=False)(
        f
    )  # those, PyTorch has in nn.functional's form


for _name, _source in ACTIVATIONS.items():
    if not hasattr(Tensor, _name):
        _activation(_name, _source)


@public(inplace=True)
def cube(input: Tensor) -> Tensor:
    """``x^3``.

    >>> import lucid
    >>> lucid.cube(lucid.tensor([2.0, -1.0]))
    tensor([ 8., -1.])
    """
    x = tensor_arg(input, "cube")
    return ops.multiply(ops.square(x), x)


for _name in ("maximum", "minimum"):
    make_inplace(_name, FUNCTIONS[_name])


def to_tensor(
    a: Any, requires_grad: bool = False, keep_grad: bool = False, dtype: Any = None, device: Any = None
) -> Tensor:
    """``as_tensor``; ``keep_grad`` is ``retain_grad``.

    >>> import lucid
    >>> lucid.to_tensor([1.0, 2.0])
    tensor([1., 2.])
    """
    t = as_tensor(a, dtype=dtype, device=device)
    t = t.requires_grad_() if requires_grad else t
    if keep_grad and t.requires_grad:
        t.retain_grad()
    return t


def to_dlpack(tensor: Tensor) -> Any:
    """The tensor's memory as a DLPack capsule."""
    return tensor_arg(tensor, "to_dlpack", "tensor").__dlpack__()


FUNCTIONS["to_tensor"], FUNCTIONS["to_dlpack"] = to_tensor, to_dlpack


def _zero_grad(self: Tensor, set_to_none: bool = True) -> None:
    """Forget the gradient, or make it zeros."""
    if self.grad is not None:
        self.grad = None if set_to_none else ops.zeros_like(self.grad)


Tensor.zero_grad = _zero_grad  # type: ignore[attr-defined]
