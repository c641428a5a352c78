"""Arithmetic of three tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.graph import entitled
from ..core.tensor import Tensor
from ..ops import elementwise
from .checking import Scalar, Value
from .pointwise import ONE
from .registry import number_first, public, tensor_arg


def _factor(name: str, value: Any, input: Tensor, tensor1: Any, tensor2: Any) -> tuple[Tensor, Any]:
    """``tensor1`` in the dtype of all three, in which the product is computed, and a value for it: cut among integers."""
    tensor1 = tensor_arg(tensor1, name, "tensor1")
    if value is ONE and tensor1.dtype is input.dtype is tensor2.dtype:
        return tensor1, value
    dtype = dtypes.result_type(*((t.dtype, 2 if t.ndim else 1) for t in (input, tensor1, tensor2)))
    if isinstance(value, complex) and not dtype.is_complex:
        raise RuntimeError(f"{name}: value {value} cannot be converted to {dtype} without overflow")
    whole = dtype.category == dtypes.INTEGER and isinstance(value, float)
    return tensor1.to(dtype), int(value) if whole else value  # type: ignore[attr-defined]


def _in_single(f: Callable, *tensors: Any, **options: Any) -> Any:
    """16 bits are computed in float32 and rounded once, as in PyTorch: a square may overflow where the sum does not."""
    kinds = {t.dtype if isinstance(t, Tensor) else None for t in tensors}
    d = kinds.pop()
    if kinds or d not in (dtypes.float16, dtypes.bfloat16):
        return None
    return f(*(t.float() for t in tensors), **options).to(d)


@public(inplace=True)
def addcmul(input: Tensor, tensor1: Any, tensor2: Tensor, tensor: Any = None, *, value: Scalar = 1) -> Tensor:
    """``input + value * tensor1 * tensor2``; ``addcmul(input, value, tensor1, tensor2)`` is PyTorch's older form of it.

    >>> import lucid
    >>> lucid.addcmul(lucid.ones(2), lucid.tensor([1.0, 2.0]), lucid.tensor([3.0, 4.0]), value=0.5)
    tensor([2.5000, 5.0000])
    """
    if tensor is not None:
        value, tensor1, tensor2 = number_first("addcmul", "value", tensor1), tensor2, tensor
    narrow = _in_single(addcmul, input, tensor1, tensor2, value=value)
    if narrow is not None:
        return entitled(narrow, "AddcmulBackward0")
    tensor1, value = _factor("addcmul", value, input, tensor1, tensor2)
    product = elementwise.multiply(tensor1, tensor2)
    return entitled(
        elementwise.add(input, product if value == 1 else elementwise.multiply(product, value)), "AddcmulBackward0"
    )


@public(inplace=True)
def addcdiv(input: Tensor, tensor1: Any, tensor2: Tensor, tensor: Any = None, *, value: Scalar = 1) -> Tensor:
    """``input + value * tensor1 / tensor2``; ``addcdiv(input, value, tensor1, tensor2)`` is PyTorch's older form of it.

    Raises RuntimeError where both are integers (as PyTorch does).

    >>> import lucid
    >>> lucid.addcdiv(lucid.ones(2), lucid.tensor([1.0, 2.0]), lucid.tensor([2.0, 4.0]), value=2)
    tensor([2., 2.])
    """
    if tensor is not None:
        value, tensor1, tensor2 = number_first("addcdiv", "value", tensor1), tensor2, tensor
    narrow = _in_single(addcdiv, input, tensor1, tensor2, value=value)
    if narrow is not None:
        return entitled(narrow, "AddcdivBackward0")
    if all(isinstance(t, Tensor) and t.dtype.category <= dtypes.INTEGER for t in (tensor1, tensor2)):
        raise RuntimeError(
            "addcdiv: integer division with addcdiv is not supported; cast one to a floating dtype first"
        )
    tensor1, value = _factor("addcdiv", value, input, tensor1, tensor2)
    quotient = elementwise.divide(tensor1, tensor2)
    return entitled(
        elementwise.add(input, quotient if value == 1 else elementwise.multiply(quotient, value)), "AddcdivBackward0"
    )


@public(inplace=True)
def lerp(input: Tensor, end: Tensor, weight: Value) -> Tensor:
    """``input + weight * (end - input)``, exact at both ends.

    Raises RuntimeError where the dtypes differ.

    >>> import lucid
    >>> lucid.lerp(lucid.zeros(2), lucid.tensor([10.0, 20.0]), 0.25)
    tensor([2.5000, 5.0000])
    """
    x, y = tensor_arg(input, "lerp"), tensor_arg(end, "lerp", "end")
    if x.dtype is not y.dtype or (isinstance(weight, Tensor) and weight.ndim and weight.dtype is not x.dtype):
        given = f"{x.dtype}, {y.dtype}" + (f" and weight {weight.dtype}" if isinstance(weight, Tensor) else "")
        raise RuntimeError(f"lerp: expected the same dtype for input, end and weight, but got {given}")
    number = not isinstance(weight, Tensor)
    narrow = _in_single(lerp, x, y, weight=weight) if number else _in_single(lerp, x, y, weight)
    if narrow is not None:
        return entitled(narrow, f"LerpBackward{int(not number)}")
    apart = elementwise.subtract(y, x)
    if number:
        if isinstance(weight, complex) and not x.dtype.is_complex:
            raise RuntimeError(f"lerp: weight {weight} cannot be converted to {x.dtype} without overflow")
        return entitled(x + apart * weight if abs(weight) < 0.5 else y - apart * (1 - weight), "LerpBackward0")
    near = elementwise.less(ops.abs(weight), 0.5)
    return entitled(elementwise.where(near, x + weight * apart, y - apart * (1 - weight)), "LerpBackward1")
