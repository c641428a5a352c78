"""What only a Tensor has: conversion, copying, devices, in-place assignment; operators are in ``operators``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import ops
from ..backends import backend_of
from ..core import dtypes
from ..core.backward import backward as start_backward
from ..core.device import ALIASES as DEVICES
from ..core.device import device as Device
from ..core.errors import ShapeError
from ..core.modes import is_grad_enabled
from ..core.record import FLOATS, HOST, OPS
from ..core.tensor import Tensor, as_tensor
from ..core.transform import frames, made_inside
from ..core.view import View, data_of, detached, is_view, layout, write
from ..ops import shape
from .indexing import overwrite_at_once
from .memory_format import laid, lies, like, order_in
from .outputs import check_leaf, fitted, refuse_expanded, refuse_overlap
from .registry import FUNCTIONS, number_for, public


def method(f: Any) -> Any:
    """Bind a function as a Tensor method only."""
    setattr(Tensor, f.__name__, f)
    return f


# ---- conversion ----


@method
def to(
    self: Tensor,
    *args: Any,
    dtype: Any = None,
    device: Any = None,
    copy: bool = False,
    non_blocking: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """This tensor in another dtype or on another device (or like another tensor); itself if nothing changes.

    >>> import lucid
    >>> lucid.tensor([1, 2]).to(lucid.float64).dtype
    lucid.float64
    """
    for a in args:
        if isinstance(a, Tensor):
            if type(a.value) is HOST is type(self.value) and a.value.dtype is self.value.dtype and len(args) == 1:
                return ops.copy(self) if copy else self
            dtype, device = a.dtype, a.device
        elif isinstance(a, dtypes.dtype):
            dtype = a
        elif isinstance(a, bool) or a is None:
            continue
        elif isinstance(a, Device | int) or (isinstance(a, str) and a.partition(":")[0] in DEVICES):
            device = a
        else:
            dtype = _dtype_arg(a)
    result = self
    if dtype is not None:
        d = dtypes.as_dtype(dtype)
        if d is not self.dtype:
            result = OPS["cast"].call(result, d, self.dtype)
    if device is not None:
        where = Device(device).resolved()
        if where != self.device and not (where.index is None and where.type == self.device.type):
            result = OPS["to_device"].call(result, where, self.device)
    if memory_format is not None:
        result = contiguous(result, memory_format) if memory_format.name != "preserve_format" else result
    return ops.copy(result) if copy and result is self else result


def _dtype_arg(a: Any) -> dtypes.dtype:
    """What ``to`` was given, as a dtype; the error names what else it could have been."""
    try:
        return dtypes.as_dtype(a)
    except TypeError as problem:
        if isinstance(a, str):
            raise RuntimeError(
                f"to: Expected one of {', '.join(DEVICES)} device type at start of device string, or the name of a dtype "
                f"({', '.join(dtypes.NAMES)}): {a}"
            ) from None
        raise TypeError(f"to: expected a device, a dtype or a Tensor: {problem}") from None


def _caster(name: str, dtype: dtypes.dtype) -> None:
    def cast(self: Tensor, memory_format: Any = None) -> Tensor:
        return self if self.dtype is dtype else OPS["cast"].call(self, dtype, self.dtype)

    cast.__name__, cast.__doc__ = name, f"This tensor as {dtype}."
    setattr(Tensor, name, cast)


for _name, _dtype in {
    "float": dtypes.float32, "double": dtypes.float64, "half": dtypes.float16, "bfloat16": dtypes.bfloat16,
    "int": dtypes.int32, "long": dtypes.int64, "short": dtypes.int16, "char": dtypes.int8, "byte": dtypes.uint8,
    "bool": dtypes.bool_, "cfloat": dtypes.complex64, "cdouble": dtypes.complex128,
}.items():  # fmt: skip
    _caster(_name, _dtype)


@method
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """This tensor in the dtype (and on the device) of another."""
    return to(self, other)


def type_or_name(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The type's name (``'lucid.FloatTensor'``), or this tensor in another dtype."""
    if dtype is None:
        where = "" if self.device.type == "cpu" else f"{self.device.type}."
        return f"lucid.{where}{dtypes.TORCH_NAMES[self.dtype.name]}Tensor"
    if isinstance(dtype, str) and dtype.endswith("Tensor"):
        wanted = dtype.rpartition(".")[2].removesuffix("Tensor")
        place = "cuda" if ".cuda." in dtype else "cpu"
        return to(self, place, next(dtypes.NAMES[n] for n, t in dtypes.TORCH_NAMES.items() if t == wanted))
    if dtype is Tensor:  # PyTorch's name of the default type
        return to(self, dtypes.get_default_dtype())
    if hasattr(dtype, "place"):  # FloatTensor, cuda.FloatTensor
        return to(self, dtype.place, dtype.dtype)
    return to(self, getattr(dtype, "dtype", dtype))


Tensor.type = type_or_name  # type: ignore[attr-defined]


@method
def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """This tensor on the CPU."""
    return to(self, device="cpu")


@method
def cuda(self: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
    """This tensor on a CUDA device."""
    return to(self, device="cuda" if device is None else device)


@method
def mlx(self: Tensor) -> Tensor:
    """This tensor on MLX."""
    return to(self, device="mlx")


@method
def item(self: Tensor) -> Any:
    """The single element as a Python number.

    Raises RuntimeError unless there is exactly one element.

    >>> import lucid
    >>> lucid.tensor([3.0]).item()
    3.0
    """
    value = self.value
    if value.dtype in FLOATS and value.size == 1:
        return backend_of(value).to_host(value).item()
    if self.shape.numel() != 1:
        raise ShapeError(f"a Tensor with {self.shape.numel()} elements cannot be converted to Scalar")
    return (
        backend_of(value).to_host(value).item()
        if self.dtype is not dtypes.bfloat16
        else float(backend_of(value).to_host(value).astype("float32").item())
    )


@method
def tolist(self: Tensor) -> Any:
    """Nested Python lists of numbers; a number for a 0-d tensor."""
    host = backend_of(self.value).to_host(self.value)
    return (host.astype("float32") if self.dtype is dtypes.bfloat16 else host).tolist()


@method
def numpy(self: Tensor, *, force: bool = False) -> Any:
    """As a NumPy array; on the CPU it shares memory.

    Raises RuntimeError for a tensor that requires grad, and TypeError off the CPU, unless ``force``.
    """
    if force or hasattr(self.value, "level"):
        return backend_of(self.value).to_host(self.value)
    if self.requires_grad and is_grad_enabled():
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
    if self.device.type != "cpu":
        raise TypeError(
            f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first."
        )
    return self.value


# ---- copies and the graph ----


@public(out=False)
def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy, in ``memory_format`` or that of ``input``; gradients flow through it."""
    out = made_inside(ops.copy(input)) if frames() else ops.copy(input)
    if memory_format is None or memory_format.name == "preserve_format":
        return like(out, input)
    return laid(out, memory_format)


@public(out=False)
def detach(input: Tensor) -> Tensor:
    """The same memory, outside the graph."""
    return detached(input)


@method
def backward(
    self: Tensor,
    gradient: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Compute the gradient of this tensor with respect to the leaves, and add it to their ``.grad``.

    ``gradient`` is the vector of the vector-Jacobian product (needed unless this is a scalar);
    ``create_graph`` makes the gradients differentiable; ``inputs`` limits which leaves receive one.

    >>> import lucid
    >>> x = lucid.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """
    start_backward((self,), None if gradient is None else (gradient,), retain_graph, create_graph, inputs)


@method
def detach_(self: Tensor) -> Tensor:
    """Take this tensor out of the graph; returns itself. RuntimeError for a view: what it is a part of stays in the graph."""
    if is_view(self):
        raise RuntimeError("Can't detach views in-place. Use detach() instead.")
    if type(self) is View and self.tracks:  # in name only: nobody holds what it is a view of
        self.stem.node = self.root.node = None
    self.node = None
    return self


def _get_data(self: Tensor) -> Tensor:
    return data_of(self)


def _set_data(self: Tensor, new: Tensor) -> None:
    """Replace the contents (and shape, dtype and device); the graph does not see it."""
    value = as_tensor(new).value
    self.value = value
    self._version += 1
    if self.node is not None and self.is_leaf:
        self.node.shape = value.shape


Tensor.data = property(_get_data, _set_data, doc="The tensor's contents outside the graph; may be set.")  # type: ignore[attr-defined]


@method
def contiguous(self: Tensor, memory_format: Any = None) -> Tensor:
    """This tensor with its elements in row order in memory, or in a memory format; itself if they are already."""
    if order_in(memory_format) is not None:
        return laid(self, memory_format)
    return self if is_contiguous(self) else ops.copy(self)


@method
def is_contiguous(self: Tensor, memory_format: Any = None) -> bool:
    """Whether the elements lie in row order in memory, or in a memory format."""
    array = self.value
    if not hasattr(array, "flags"):
        if type(self) is not View or hasattr(array, "level"):
            return True
        array = layout(self)
    return lies(array, memory_format)


@method
def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Overwrite with the values of another tensor, converted and broadcast; returns itself."""
    check_leaf(self, "copy_")
    refuse_expanded(self, "copy_")
    other = as_tensor(src)
    if type(self.value) is HOST and type(other.value) is HOST and other.value.dtype is self.value.dtype:
        pass
    elif other.device != self.device:
        other = to(other, device=self.device)
    if other.dtype is not self.dtype:
        other = OPS["cast"].call(other, self.dtype, other.dtype)
    elif other.shape == self.shape:
        refuse_overlap(self, (other,), "copy_")
    if other.shape == self.shape and other.node is not None:
        other = ops.copy(other)
    return write(self, fitted(self, other, "copy_"), "copy_")


@method
def module_load(self: Tensor, other: Tensor, assign: bool = False) -> Tensor:
    """What a module puts in this tensor's place when it loads ``other``: this one with its values, or ``other``."""
    return (other if assign else self.copy_(other)).detach()  # type: ignore[attr-defined, no-any-return]


@method
def fill_(self: Tensor, value: Any) -> Tensor:
    """Overwrite every element with one value; returns itself."""
    if not (isinstance(value, Tensor) and value.ndim) and overwrite_at_once(self, (), value):
        return self
    check_leaf(self, "fill_")
    v = value
    if not isinstance(value, Tensor):
        v = as_tensor(number_for(value, self.dtype, "fill_"), dtype=self.dtype, like=self)
    if v.ndim:
        raise RuntimeError(f"fill_ only supports 0-dimension value tensor but got tensor with {v.ndim} dimensions.")
    v = v if v.dtype is self.dtype else OPS["cast"].call(v, self.dtype, v.dtype)
    return write(self, fitted(self, v, "fill_"), "fill_")


@method
def zero_(self: Tensor) -> Tensor:
    """Overwrite with zeros; returns itself."""
    return fill_(self, 0)


# ---- sizes ----


@public(out=False)
def numel(input: Tensor) -> int:
    """The number of elements."""
    return math.prod(input.value.shape)


Tensor.dim = Tensor.ndimension = lambda self: self.ndim  # type: ignore[attr-defined]
Tensor.nelement = Tensor.numel  # type: ignore[attr-defined]
Tensor.element_size = lambda self: self.dtype.itemsize  # type: ignore[attr-defined]
Tensor.nbytes = property(lambda self: self.shape.numel() * self.dtype.itemsize)  # type: ignore[attr-defined]
Tensor.itemsize = property(lambda self: self.dtype.itemsize)  # type: ignore[attr-defined]
Tensor.is_cuda = property(lambda self: self.device.type == "cuda")  # type: ignore[attr-defined]
Tensor.is_mlx = property(lambda self: self.device.type == "mlx")  # type: ignore[attr-defined]
Tensor.is_floating_point = lambda self: self.dtype.is_floating_point  # type: ignore[attr-defined]
Tensor.is_complex = lambda self: self.dtype.is_complex  # type: ignore[attr-defined]
Tensor.is_signed = lambda self: self.dtype.is_signed  # type: ignore[attr-defined]
Tensor.get_device = lambda self: -1 if self.device.type == "cpu" else self.device.index or 0  # type: ignore[attr-defined]
Tensor.T = property(lambda self: shape.permute_dims(self, tuple(range(len(self.value.shape) - 1, -1, -1))))  # type: ignore[attr-defined]


def _matrix(self: Tensor) -> Tensor:
    if self.ndim < 2:
        raise RuntimeError(f"tensor.mT is only supported on matrices or batches of matrices. Got {self.ndim}-D tensor.")
    return ops.matrix_transpose(self)


Tensor.mT = property(_matrix)  # type: ignore[attr-defined]
FUNCTIONS["is_tensor"] = lambda obj: isinstance(obj, Tensor)
FUNCTIONS["is_floating_point"] = lambda input: input.dtype.is_floating_point
FUNCTIONS["is_complex"] = lambda input: input.dtype.is_complex

for _name in ("detach_", "fill_", "zero_"):
    FUNCTIONS[_name] = getattr(Tensor, _name)
