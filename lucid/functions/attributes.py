"""What programs ask of tensors and the library: kinds and layouts, typed constructors, constants, Python protocols."""

from __future__ import annotations

import math
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.graph import SELECT
from ..core.tensor import Size, Tensor, as_tensor, new_tensor
from ..core.view import View
from ..ops import elementwise
from .registry import CONSTANTS, FUNCTIONS, beside, number_for, public, tensor_arg

# ---- constants; layouts and memory formats are accepted everywhere and change nothing: elements lie in row order ----


class layout:
    """How a tensor is stored: ``lucid.strided`` is the only layout."""

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return f"lucid.{self.name}"

    def __reduce__(self) -> str:
        return self.name


class memory_format(layout):
    """A hint about the order of elements in memory, accepted for PyTorch's sake."""


strided = layout("strided")
contiguous_format, preserve_format, channels_last, channels_last_3d = (
    memory_format(n) for n in ("contiguous_format", "preserve_format", "channels_last", "channels_last_3d")
)
CONSTANTS |= {
    "inf": math.inf, "nan": math.nan, "pi": math.pi, "e": math.e, "newaxis": None, "layout": layout, "memory_format": memory_format,
    "strided": strided, "contiguous_format": contiguous_format, "preserve_format": preserve_format,
    "channels_last": channels_last, "channels_last_3d": channels_last_3d,
}  # fmt: skip

# ---- typed constructors ----


class _TypedMeta(type):
    dtype: dtypes.dtype
    place: str

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, Tensor) and x.dtype is cls.dtype and x.device.type == cls.place

    def __repr__(cls) -> str:
        return f"<class '{cls.__module__}.{cls.__name__}'>"


def _constructed(data: tuple, dtype: dtypes.dtype, device: Any) -> Tensor:
    """What the old constructors make: of sizes an empty tensor; of a storage, a tensor or an array one on the same memory."""
    only = data[0] if len(data) == 1 else None
    if isinstance(only, Size):
        return FUNCTIONS["empty"](only, dtype=dtype, device=device)  # type: ignore[no-any-return]
    if hasattr(only, "elements"):
        return only.elements(dtype)  # type: ignore[union-attr, no-any-return]
    if isinstance(only, Tensor):
        if only.dtype is not dtype:
            raise TypeError(f"expected a tensor of dtype {dtype}, got {only.dtype}")
        return only.to(device).view(only.shape) if device is not None else only.view(only.shape)  # type: ignore[attr-defined]
    if hasattr(only, "__array__"):
        return as_tensor(only, dtype=dtype, device=device)
    if only is not None and not isinstance(only, int):
        return FUNCTIONS["tensor"](only, dtype=dtype, device=device)  # type: ignore[no-any-return]
    return FUNCTIONS["empty"](data or (0,), dtype=dtype, device=device)  # type: ignore[no-any-return]


def typed(name: str, dtype: dtypes.dtype, place: str = "cpu") -> Any:
    """A constructor such as ``FloatTensor``: of one dtype, and unless told otherwise on one kind of device."""

    def __new__(cls: Any, *data: Any, device: Any = None) -> Tensor:
        return _constructed(data, dtype, place if device is None and place != "cpu" else device)

    doc = f"A tensor of dtype {dtype}: of the numbers given, or of the sizes given and uninitialised."
    home = "lucid" if place == "cpu" else f"lucid.{place}"
    body = {"__new__": __new__, "dtype": dtype, "place": place, "__doc__": doc, "__module__": home}
    return _TypedMeta(f"{name}Tensor", (), body)


TYPED = {
    f"{name}Tensor": typed(name, dtypes.NAMES[d])
    for d, name in dtypes.TORCH_NAMES.items()
    if "Complex" not in name and "UInt" not in name
}
CONSTANTS |= TYPED


def set_default_tensor_type(t: Any) -> None:
    """Set the default dtype by a typed constructor or its name: ``set_default_tensor_type(lucid.DoubleTensor)``."""
    if isinstance(t, str):
        t = TYPED.get(t.rpartition(".")[2], t)
    if not isinstance(t, _TypedMeta):
        raise TypeError(f"set_default_tensor_type: invalid type object {t!r}; expected lucid.FloatTensor or another")
    dtypes.set_default_dtype(t.dtype)


# ---- dtypes of results ----


def result_type(tensor1: Any = None, tensor2: Any = None, **named: Any) -> dtypes.dtype:
    """The dtype of an operation on two tensors or numbers.

    >>> import lucid
    >>> lucid.result_type(lucid.tensor([1, 2]), 1.0)
    lucid.float32
    """
    pairs = [
        (x.dtype, 2 if x.ndim else 1) if isinstance(x, Tensor) else (dtypes.scalar_dtype(x), 0)
        for x in (v for v in (tensor1, tensor2, *named.values()) if v is not None)
    ]
    if len(pairs) != 2 or named.keys() - {"tensor", "other", "scalar", "scalar1", "scalar2"}:
        raise TypeError(f"result_type(): expected two tensors or numbers, got {len(pairs)} {', '.join(named)}")
    return dtypes.result_type(*pairs)


# ---- questions ----


def is_nonzero(input: Tensor) -> bool:
    """Whether the single element of a tensor is not 0.

    Raises RuntimeError unless there is exactly one.

    >>> import lucid
    >>> lucid.is_nonzero(lucid.tensor([0.0]))
    False
    """
    n = input.shape.numel()
    if n != 1:
        raise RuntimeError(
            f"Boolean value of Tensor with {'no' if not n else 'more than one'} value{'s' if not n else ''} is ambiguous"
        )
    return bool(input)


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one shape."""
    return input.shape == other.shape


def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers."""
    return input.dtype.is_signed


def get_device(input: Tensor) -> int:
    """The number of the CUDA device; -1 on the CPU."""
    return input.get_device()  # type: ignore[attr-defined]


def is_inference(input: Tensor) -> bool:
    """Whether the tensor was made inside ``inference_mode``."""
    return input.is_inference()


def typename(obj: Any) -> str:
    """The name of a tensor's type (``'lucid.FloatTensor'``), of a class or function, or of any other object's class."""
    if isinstance(obj, Tensor):
        return obj.type()  # type: ignore[attr-defined]
    named = obj if hasattr(obj, "__qualname__") else type(obj)
    return f"{named.__module__}.{named.__qualname__}".removeprefix("builtins.")


for _f in (
    set_default_tensor_type,
    result_type,
    is_nonzero,
    is_same_size,
    is_signed,
    get_device,
    is_inference,
    typename,
):
    FUNCTIONS[_f.__name__] = _f
for _f in (is_nonzero, is_same_size):
    setattr(Tensor, _f.__name__, _f)


def _output_nr(self: Tensor) -> int:
    """Which of the outputs of the function that made it."""
    node = self.node
    if node is not None and node.op is SELECT:
        return node.params[0]  # type: ignore[no-any-return]
    return self.__dict__.get("_piece", ("", 0))[1]  # type: ignore[no-any-return]


for _name, _value in {
    "is_cpu": lambda self: self.device.type == "cpu", "is_mps": lambda self: self.device.type == "mlx",
    "is_gpu": lambda self: self.device.type == "cuda", "is_metal": lambda self: self.device.type == "mlx",
    "is_meta": lambda self: self.device.type == "meta",
    "layout": lambda self: strided, "name": lambda self: None, "output_nr": _output_nr, "grad_dtype": lambda self: self.dtype,
}.items():  # fmt: skip
    setattr(Tensor, _name, property(_value))
# Kinds of tensors and of hardware that lucid has not.
for _name in "ipu maia mkldnn mtia nested quantized sparse sparse_csr vulkan xla xpu".split():
    setattr(Tensor, f"is_{_name}", property(lambda self: False))
Tensor.is_pinned = lambda self, device=None: False  # type: ignore[attr-defined]
Tensor.pin_memory = lambda self, device=None: self  # type: ignore[attr-defined]


def is_shared(self: Tensor) -> bool:
    """Whether other processes can see the memory of this tensor; see ``share_memory_``."""
    from ..backends.shared import is_shared as lies_shared

    return lies_shared(self.value)


def share_memory_(self: Tensor) -> Tensor:
    """Move the memory of this tensor (with all its views) to where forked processes, and ``lucid.multiprocessing``, share it.

    NotImplementedError for a device other than the CPU.
    """
    from ..backends import shared

    owner = self.root if isinstance(self, View) else self
    if not shared.is_shared(owner.value):
        if self.device.type != "cpu":
            raise NotImplementedError(f"share_memory_: memory of {str(self.device)!r} is not shared between processes")
        owner.value = shared.share(owner.value)
        owner._version += 1
    return self


Tensor.is_shared, Tensor.share_memory_ = is_shared, share_memory_  # type: ignore[attr-defined]


# ---- methods that few programs need ----


def _result_type_method(self: Tensor, other: Any) -> dtypes.dtype:
    return result_type(self, other)


def _sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """Summed so that it has a shape that broadcasts to this one."""
    from ..ops.shape import sum_to
    from .registry import shape_arg

    wanted = shape_arg(size, "sum_to_size")
    try:
        fits = tuple(FUNCTIONS["broadcast_shapes"](wanted, tuple(self.shape))) == tuple(self.shape)
    except RuntimeError:
        fits = False
    if not fits:
        raise RuntimeError(f"size {{{list(wanted)}}} is not expandable to size {{{list(self.shape)}}}.")
    if wanted and wanted == tuple(self.shape):
        return self
    x = self if self.dtype.category >= dtypes.FLOAT else self.to(dtypes.int64)  # type: ignore[attr-defined]
    return sum_to(ops, x, wanted)


def _apply(self: Tensor, callable: Any) -> Tensor:
    """Every element replaced by ``callable(element)``: slow, on the CPU, outside the graph."""
    flat = [callable(v) for v in self.detach().reshape(-1).tolist()]  # type: ignore[attr-defined]
    return self.copy_(as_tensor(flat, dtype=self.dtype).reshape(self.shape))  # type: ignore[attr-defined]


def _map(self: Tensor, *given: Any) -> Tensor:
    """Every element ``a`` replaced by ``callable(a, b)``, b the element of the tensor given before ``callable``."""
    *tensors, function = given
    if self.requires_grad or any(t.requires_grad for t in tensors):
        raise RuntimeError("Can't call map_() on Variable that requires grad. Use var.detach().map_() instead.")
    for t in tensors:
        if t.dtype is not self.dtype:
            raise TypeError(f"map_: expected {self.type()} for 'other' (got {t.type()})")  # type: ignore[attr-defined]
    if not callable(function):
        raise TypeError(f"map_(): argument 'callable' must be a function, not {type(function).__name__}")
    flat = map(function, *(t.expand_as(self).reshape(-1).tolist() for t in (self, *tensors)))  # type: ignore[attr-defined]
    return self.copy_(as_tensor(list(flat), dtype=self.dtype).reshape(self.shape))  # type: ignore[attr-defined]


def _new(self: Tensor, *data: Any, size: Any = None, device: Any = None) -> Tensor:
    """A new tensor of this dtype, of data or of sizes."""
    return _constructed(data if size is None else (Size(size),), self.dtype, device or self.device)


def _as_subclass(self: Tensor, cls: type) -> Tensor:
    """The same data as an instance of a subclass of Tensor."""
    t: Any = new_tensor(cls)
    t.value, t.node, t._grad, t._version = self.value, self.node, None, 0
    return t


def _make_subclass(cls: type, data: Tensor, require_grad: bool = False) -> Tensor:
    """The data of a tensor, outside its graph, as an instance of ``cls``: how subclasses with a ``__new__`` of their own are made."""
    t = _as_subclass(data.detach(), cls)  # type: ignore[attr-defined]
    return t.requires_grad_(require_grad)  # type: ignore[attr-defined]


Tensor._make_subclass = staticmethod(_make_subclass)  # type: ignore[attr-defined]

for _name, _value in {  # type: ignore[assignment]
    "sum_to_size": _sum_to_size, "apply_": _apply, "map_": lambda self, tensor, callable: _map(self, tensor, callable),
    "map2_": lambda self, x, y, callable: _map(self, x, y, callable),
    "__reversed__": lambda self: self.flip(0) if self.ndim else self, "new": _new, "as_subclass": _as_subclass,
    "result_type": _result_type_method,
}.items():  # fmt: skip
    setattr(Tensor, _name, _value)


# ---- Python protocols ----


def _divmod(self: Any, other: Any) -> Any:
    return elementwise.floor_divide(self, other), elementwise.remainder(self, other)


Tensor.__divmod__ = _divmod  # type: ignore[attr-defined, operator]


def _rdivmod(self: Tensor, other: Any) -> Any:
    return _divmod(beside(other, self), self)


Tensor.__rdivmod__ = _rdivmod  # type: ignore[attr-defined]
Tensor.__round__ = lambda self, ndigits=None: self.round(decimals=ndigits or 0)  # type: ignore[attr-defined]


@public(out=False)
def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor of the shape and dtype of ``input``, filled with one value.

    >>> import lucid
    >>> lucid.fill(lucid.zeros(2), 3)
    tensor([3., 3.])
    """
    x = tensor_arg(input, "fill")
    v = value if isinstance(value, Tensor) else as_tensor(value, dtype=x.dtype, like=x)
    if v.ndim:
        raise RuntimeError(f"fill only supports 0-dimension value tensor but got tensor with {v.ndim} dimensions.")
    return constant_in(ops.copy(ops.broadcast_to(v.to(x.dtype), tuple(x.shape))), x)  # type: ignore[attr-defined]


def constant_in(out: Tensor, x: Any) -> Tensor:
    """``out`` with a derivative of 0 for ``x``: PyTorch's result requires grad though it does not depend on its input."""
    return ops.where(True, out, x) if isinstance(x, Tensor) and x.requires_grad else out


def scalar_tensor(
    s: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """A 0-d tensor of the default floating dtype.

    >>> import lucid
    >>> lucid.scalar_tensor(2)
    tensor(2.)
    """
    d = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    t = as_tensor(s if isinstance(s, Tensor) else number_for(s, d, "scalar_tensor"), dtype=d, device=device)
    return t.requires_grad_() if requires_grad else t


FUNCTIONS["scalar_tensor"] = scalar_tensor


def to_sparse(self: Tensor, sparse_dim: int | None = None, *, layout: Any = None) -> Any:
    """The elements that are not zero as a ``lucid.sparse.SparseTensor``."""
    from ..sparse import to_sparse as without_zeros

    return without_zeros(self, sparse_dim)


Tensor.to_sparse = Tensor.to_sparse_coo = to_sparse  # type: ignore[attr-defined]
Tensor.to_dense = lambda self, dtype=None, *, masked_grad=None: self if dtype is None else self.to(dtype)  # type: ignore[attr-defined]
