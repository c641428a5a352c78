"""Complex numbers: making them, taking them apart, conjugates and angles."""

from __future__ import annotations

import math
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.errors import DTypeError
from ..core.graph import entitled
from ..core.modes import is_grad_enabled
from ..core.precision import in_single
from ..core.record import OPS
from ..core.tensor import Tensor
from ..core.view import new_view, turned
from ..ops import elementwise
from .registry import FUNCTIONS, public, tensor_arg
from .strides import geometry


@public(method=False)
def complex(real: Tensor, imag: Tensor) -> Tensor:
    """``real + imag * 1j``.

    Raises RuntimeError unless both have one floating dtype (float32 or float64).

    >>> import lucid
    >>> lucid.complex(lucid.tensor([1.0]), lucid.tensor([2.0]))
    tensor([1.+2.j])
    """
    re, im = tensor_arg(real, "complex", "real"), tensor_arg(imag, "complex", "imag")
    if re.dtype is not im.dtype or re.dtype.category != dtypes.FLOAT or re.dtype is dtypes.bfloat16:
        raise RuntimeError(
            f"complex: Expected both inputs to be Half, Float or Double tensors of one dtype but got {re.dtype} and {im.dtype}"
        )
    return ops.complex(re, im)


@public(method=False)
@in_single
def polar(abs: Tensor, angle: Tensor) -> Tensor:
    """``abs * (cos(angle) + 1j * sin(angle))``.

    >>> import lucid
    >>> lucid.polar(lucid.tensor([2.0]), lucid.tensor([0.0]))
    tensor([2.+0.j])
    """
    if not abs.dtype.is_floating_point or abs.dtype is not angle.dtype:
        raise DTypeError(
            f"polar: expected two real floating tensors of one dtype, but got {abs.dtype} and {angle.dtype}"
        )
    return entitled(complex(abs * ops.cos(angle), abs * ops.sin(angle)), "PolarBackward0")


def _need_complex(x: Tensor, name: str) -> Tensor:
    if not x.dtype.is_complex:
        raise RuntimeError(f"{name} is not implemented for tensors with non-complex dtypes.")
    return x


def real(input: Tensor) -> Tensor:
    """The real part, a view; a real tensor itself.

    >>> import lucid
    >>> lucid.real(lucid.tensor([1 + 2j]))
    tensor([1.])
    """
    x = tensor_arg(input, "real")
    return ops.real(x) if x.dtype.is_complex else x


def imag(input: Tensor) -> Tensor:
    """The imaginary part, a view.

    Raises RuntimeError for a real tensor.

    >>> import lucid
    >>> lucid.imag(lucid.tensor([1 + 2j]))
    tensor([2.])
    """
    return ops.imag(_need_complex(tensor_arg(input, "imag"), "imag"))


FUNCTIONS["real"], FUNCTIONS["imag"] = real, imag


def _write_part(part: Any) -> Any:
    def write(self: Tensor, value: Any) -> None:
        part(self).copy_(value)

    return write


Tensor.real = property(real, _write_part(real), doc=real.__doc__)  # type: ignore[attr-defined]
Tensor.imag = property(imag, _write_part(imag), doc=imag.__doc__)  # type: ignore[attr-defined]


@public(out=False)
def view_as_real(input: Tensor) -> Tensor:
    """A complex tensor seen as real, with a last dimension of real and imaginary parts: a view.

    >>> import lucid
    >>> lucid.view_as_real(lucid.tensor([1 + 2j]))
    tensor([[1., 2.]])
    """
    x = tensor_arg(input, "view_as_real")
    if not x.dtype.is_complex:
        raise RuntimeError("view_as_real is only supported for complex tensors")
    if turned(x) == "conj":
        raise RuntimeError(
            "view_as_real doesn't work on unresolved conjugated tensors. To resolve the conjugate tensor so you can view it as "
            "real, use self.resolve_conj(); however, be warned that the resulting tensor will NOT alias the original."
        )
    return ops.view_as_real(x)


@public(out=False)
def view_as_complex(input: Tensor) -> Tensor:
    """A real tensor whose last dimension has size 2, seen as complex: a view.

    >>> import lucid
    >>> lucid.view_as_complex(lucid.tensor([[1.0, 2.0]]))
    tensor([1.+2.j])
    """
    x = tensor_arg(input, "view_as_complex")
    if not x.dtype.is_floating_point:
        raise RuntimeError(
            f"view_as_complex is only supported for floating point tensors, but got a tensor of dtype {x.dtype}"
        )
    if not x.ndim or x.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    _, (*steps, last), start = geometry(x)
    if last != 1:
        raise RuntimeError("Tensor must have a last dimension with stride 1")
    if start % 2 or any(step % 2 and n > 1 for n, step in zip(x.shape, steps, strict=False)):
        raise RuntimeError(
            "Tensor must have a stride divisible by 2 for all but last dimension, and a storage_offset, too"
        )
    return ops.view_as_complex(x)


@public(out=False)
def conj(input: Tensor) -> Tensor:
    """The complex conjugate, a view that follows and may be written to; a real tensor itself.

    >>> import lucid
    >>> lucid.conj(lucid.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    x = tensor_arg(input, "conj")
    if not x.dtype.is_complex:
        return x
    out = ops.conj(x)
    return out if hasattr(out.value, "level") else new_view(out.value, out.node, x, OPS["conj"], (), is_grad_enabled())


@public(inplace=True)
def conj_physical(input: Tensor) -> Tensor:
    """``conj``, which always computes here.

    >>> import lucid
    >>> lucid.conj_physical(lucid.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    x = tensor_arg(input, "conj_physical")
    return ops.conj(x) if x.dtype.is_complex else x


@public("arg")
def angle(input: Tensor) -> Tensor:
    """The angle of a complex number; for real ones pi where negative, else 0.

    >>> import lucid
    >>> lucid.angle(lucid.tensor([1j, -1.0]))
    tensor([1.5708, 3.1416])
    """
    x = tensor_arg(input, "angle")
    if x.dtype.is_complex:
        return elementwise.atan2(ops.imag(x), ops.real(x))
    x = x if x.dtype.category >= dtypes.FLOAT else x.to(dtypes.get_default_dtype())
    turned = elementwise.where(elementwise.less(x, 0), math.pi, ops.sign(x) * 0.0)
    return entitled(elementwise.where(ops.isnan(x), math.nan, turned), "AngleBackward0")


@public(inplace=True)
def sgn(input: Tensor) -> Tensor:
    """``x / |x|``, 0 at 0: the sign of real numbers.

    >>> import lucid
    >>> lucid.sgn(lucid.tensor([3 + 4j]))
    tensor([0.6000+0.8000j])
    """
    return entitled(ops.sgn(tensor_arg(input, "sgn")), "SgnBackward0")


def _resolve(what: str, kind: str) -> None:
    def resolve(input: Tensor) -> Tensor:
        x = tensor_arg(input, resolve.__name__)
        return ops.copy(x) if turned(x) == what else x

    def is_turned(input: Tensor) -> bool:
        return turned(tensor_arg(input, is_turned.__name__)) == what

    resolve.__name__, is_turned.__name__ = f"resolve_{what}", f"is_{what}"
    resolve.__doc__ = f"The tensor itself; a copy that shares no memory where it is a view of {kind}."
    is_turned.__doc__ = f"Whether this is a view of {kind}."
    for f in (resolve, is_turned):
        public(out=False)(f)


_resolve("conj", "a conjugate")
_resolve("neg", "the imaginary part of a conjugate")
