"""Parameters and buffers: tensors that a Module registers when they are assigned to it."""

from __future__ import annotations

from typing import Any

from ..core.dtypes import FLOAT
from ..core.errors import ShapeError
from ..core.graph import Leaf
from ..core.modes import UNCOUNTED
from ..core.overrides import plain
from ..core.tensor import Tensor, as_tensor, new_tensor, wrap
from ..functions.creation import empty

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy"]


def _same_memory(kind: type, data: Any) -> Any:
    """A tensor of class ``kind`` on the memory of ``data``, outside the graph."""
    t: Any = new_tensor(kind)
    given = as_tensor(() if data is None else data)
    t.value = given.value
    t.node = None
    t._grad = None
    t._version = UNCOUNTED if given.is_inference() else 0
    return t


class Parameter(Tensor):
    """A tensor that is to be learned: a leaf that requires grad, registered when assigned to a Module.

    ``data`` is a tensor (or anything that can become one); its memory is shared.
    Raises RuntimeError for an integer dtype unless ``requires_grad=False``.

    >>> import lucid
    >>> lucid.nn.Parameter(lucid.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    __slots__ = ()

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Parameter:
        t = _same_memory(cls, data)
        if requires_grad:
            if t.dtype.category < FLOAT:
                raise RuntimeError(
                    f"Parameter: only Tensors of floating point and complex dtype can require gradients, got {t.dtype}; "
                    "pass requires_grad=False"
                )
            t.node = Leaf(t)
        return t

    def __init__(self, *args: Any, **kwargs: Any):
        pass  # done in __new__, which a subclass may give arguments of its own

    __torch_function__: Any = classmethod(plain)  # what ops make of parameters are plain tensors

    def __deepcopy__(self, memo: dict) -> Parameter:
        made = super().__deepcopy__(memo)
        made._grad = None  # as PyTorch does: copies of a model start without gradients
        return made  # type: ignore[return-value]


class Buffer(Tensor):
    """A tensor that belongs to a Module's state but is not learned; registered when assigned to it.

    ``persistent=False`` leaves it out of ``state_dict``.

    >>> import lucid
    >>> m = lucid.nn.Module()
    >>> m.count = lucid.nn.Buffer(lucid.zeros(1))
    >>> list(m.state_dict())
    ['count']
    """

    __slots__ = ()

    persistent: bool

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Buffer:
        t = _same_memory(cls, data)
        t.persistent = persistent
        return t

    def __init__(self, data: Any = None, *, persistent: bool = True):
        pass


_memory: Any = Tensor.value  # the slot, which what is not initialized does not show


class _Uninitialized:
    """What parameters and buffers of unknown shape share: no data until ``materialize``."""

    __slots__ = ()

    def materialize(self: Any, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Give it a shape; its contents are undefined until they are initialised."""
        fresh = empty(shape, device=device or self.device, dtype=dtype or self.dtype)
        self.__class__ = self.cls_to_become
        self.value = fresh.value
        if self.node is not None:
            self.node = Leaf(self)

    @property
    def value(self) -> Any:
        raise ValueError(
            "Attempted to use an uninitialized parameter. Call `forward` of its lazy module with a dummy batch to "
            "initialize the parameters before calling functions of them."
        )

    @value.setter
    def value(self, array: Any) -> None:
        _memory.__set__(self, array)

    @property
    def data(self) -> Tensor:
        """An empty tensor of the dtype and on the device that it will have."""
        return wrap(_memory.__get__(self))

    @property
    def dtype(self) -> Any:
        return self.data.dtype

    @property
    def device(self) -> Any:
        return self.data.device

    def numel(self) -> Any:
        """Like ``shape``: unknown, a RuntimeError."""
        return self.shape

    @property
    def shape(self) -> Any:
        raise ShapeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
            "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. "
            "Call `forward` to initialize the parameters before accessing their attributes."
        )

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"<{type(self).__name__}>"


class UninitializedParameter(_Uninitialized, Parameter):  # type: ignore[misc]
    """A Parameter whose shape the first forward will tell (lazy modules)."""

    __slots__ = ()
    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> UninitializedParameter:
        return _undefined(cls, requires_grad, device, dtype)

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None):
        pass

    def __deepcopy__(self, memo: dict) -> UninitializedParameter:
        made = memo[id(self)] = type(self)(self.requires_grad, self.device, self.dtype)
        return made

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (self.requires_grad, self.device, self.dtype)


class UninitializedBuffer(_Uninitialized, Tensor):  # type: ignore[misc]
    """A buffer whose shape the first forward will tell (lazy modules)."""

    __slots__ = ()
    cls_to_become = Tensor

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> Any:
        return _undefined(cls, requires_grad, device, dtype)

    def __init__(self, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True):
        self.persistent = persistent

    def __deepcopy__(self, memo: dict) -> UninitializedBuffer:
        made = memo[id(self)] = type(self)(self.requires_grad, self.device, self.dtype, self.persistent)
        return made

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (self.requires_grad, self.device, self.dtype, self.persistent)


def _undefined(kind: type, requires_grad: bool, device: Any, dtype: Any) -> Any:
    t = _same_memory(kind, empty(0, device=device, dtype=dtype))
    if requires_grad:
        t.node = Leaf(t)
    return t


def is_lazy(param: Any) -> bool:
    """Whether a parameter or buffer still waits for its shape."""
    return isinstance(param, _Uninitialized)
