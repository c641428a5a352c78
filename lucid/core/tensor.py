"""The Tensor: an array, the node that made it, and its gradient. Its methods are bound by ``lucid.functions``."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from .. import backends
from ..backends import backend_of
from . import dtypes, modes
from .device import device as Device
from .device import get_default_device
from .dtypes import dtype as DType
from .errors import DataError
from .graph import SELECT, Extra, Leaf, Node, RemovableHandle, shown
from .size import Size, new_size


class Tensor:
    """A multi-dimensional array that can be differentiated.

    Make one with ``lucid.tensor`` and the other creation functions. ``value`` is the raw array of the backend
    (NumPy, CuPy or MLX), ``node`` the graph node that made it (None if nothing is to be differentiated),
    ``grad`` the gradient that ``backward`` left.
    """

    __slots__ = ("__dict__", "__weakref__", "_grad", "_version", "node", "value")
    __array_priority__ = 1000  # `ndarray * tensor` comes to us

    value: Any
    node: Node | None
    _grad: Tensor | None

    if TYPE_CHECKING:  # bound by lucid.functions, which stands above this file

        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, key: Any) -> Tensor: ...
        def __setitem__(self, key: Any, value: Any) -> None: ...
        def __iter__(self) -> Iterator[Tensor]: ...
        def __bool__(self) -> bool: ...
        def __int__(self) -> int: ...
        def __float__(self) -> float: ...
        def __index__(self) -> int: ...
        def __neg__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __xor__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...

    def __new__(cls, *args: Any, **kwargs: Any) -> Tensor:
        """``Tensor([1, 2])`` holds the data in the default dtype; ``Tensor(2, 3)`` has sizes and arbitrary contents."""
        made = object.__new__(cls)
        made._fill(*args, **kwargs)
        return made

    def __init__(self, *args: Any, **kwargs: Any):
        pass  # done in __new__, so that subclasses may have an __init__ of their own and call it as they like

    def _fill(self, *data: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> None:
        if data and all(type(n) is int or isinstance(n, Size) for n in data):
            sizes = data[0] if isinstance(data[0], Size) else data
            backend, index = backend_for(device)
            made = created(
                backend.table.empty(tuple(sizes), dtypes.as_dtype(dtype or dtypes.get_default_dtype()), index)
            )
        else:
            contents = data[0] if data else ()
            default = None if isinstance(contents, Tensor) else dtypes.get_default_dtype()
            made = as_tensor(contents, dtype=dtype or default, device=device)
        self.value = made.value
        self.node = None
        self._grad = None
        self._version = made._version
        if requires_grad:
            self.requires_grad_()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.__module__.startswith("lucid."):
            from .overrides import adopt

            adopt(cls)

    @classmethod
    def __torch_function__(cls, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """``func(*args, **kwargs)`` with results of this class; subclasses may do otherwise."""
        from .overrides import default

        return default(cls, func, types, args, kwargs)

    # ---- what it is ----

    @property
    def shape(self) -> Size:
        return new_size(Size, self.value.shape)

    @property
    def dtype(self) -> DType:
        return dtype_of(self.value)

    @property
    def device(self) -> Device:
        return device_of(self.value)

    @property
    def ndim(self) -> int:
        return self.value.ndim

    @property
    def base(self) -> Tensor | None:
        return None

    _base = property(lambda self: self.base, doc="The tensor whose memory this one views, or None.")

    # ---- the graph ----

    @property
    def grad(self) -> Tensor | None:
        """The gradient that ``backward`` left, or None; ops of the engine write ``_grad``, which checks nothing."""
        if self._grad is None and not self.is_leaf and not self.retains_grad:
            warnings.warn(NO_GRAD_KEPT, stacklevel=2)
        return self._grad

    @grad.setter
    def grad(self, grad: Tensor | None) -> None:
        if grad is not None:
            self._check_grad(grad)
        self._grad = grad

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def _check_grad(self, grad: Any) -> None:
        if not isinstance(grad, Tensor):
            raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {type(grad).__name__}")
        if grad is self:
            raise RuntimeError("can't assign a Tensor as its own grad")
        held, given = self.value, grad.value
        if type(held) is HOST is type(given) and held.shape == given.shape and held.dtype is given.dtype:
            return
        for what in ("shape", "dtype", "device"):
            mine, came = getattr(self, what), getattr(grad, what)
            if mine != came:
                raise RuntimeError(f"attempting to assign a gradient of {what} {came} to a tensor of {what} {mine}")

    @property
    def requires_grad(self) -> bool:
        return self.node is not None

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        self.requires_grad_(wanted)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Start (or stop) recording ops on this leaf; returns itself.

        Raises RuntimeError for integer dtypes, and for switching it off on a tensor that an op made.
        """
        if not requires_grad:
            if self.node is not None and not self.is_leaf:
                raise RuntimeError(
                    "requires_grad_: you can only change requires_grad flags of leaf variables; "
                    "use detach() for a tensor outside the graph"
                )
            self.node = None
        elif self.node is None:
            if self.dtype.category < dtypes.FLOAT:
                raise RuntimeError(
                    f"requires_grad_: only Tensors of floating point and complex dtype can require gradients; this one is {self.dtype}"
                )
            if self.is_inference() and not modes.is_inference_mode_enabled():
                raise RuntimeError(
                    "requires_grad_: a tensor made in inference_mode cannot require grad; clone() it outside"
                )
            self.node = Leaf(self)
        return self

    def is_inference(self) -> bool:
        """Whether it was made inside ``inference_mode``."""
        return self._version < 0

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded op made it: gradients end here."""
        return self.node is None or type(self.node) is Leaf

    @property
    def grad_fn(self) -> Node | None:
        """The node of the op that made it; None for a leaf."""
        node = self.node
        if node is None or type(node) is Leaf:
            return None
        return shown(node.parents[0] if node.op is SELECT else node)

    def retain_grad(self) -> None:
        """Keep the gradient of this non-leaf in ``.grad`` after backward."""
        node = self.node
        if node is None:
            raise RuntimeError("retain_grad: can't retain_grad on a Tensor that has requires_grad=False")
        if type(node) is not Leaf and not self.retains_grad:
            if node.extra is None:
                node.extra = Extra()
            node.extra.retain = weakref.ref(self)
            self.__dict__["_retains"] = True

    @property
    def retains_grad(self) -> bool:
        return "_retains" in self.__dict__ and not self.is_leaf

    def register_hook(self, hook: Callable) -> RemovableHandle:
        """Call ``hook(grad)`` when this tensor's gradient is known; what it returns, if not None, replaces it."""
        if self.node is None:
            raise RuntimeError("register_hook: cannot register a hook on a tensor that doesn't require gradient")
        if self.node.extra is None:
            self.node.extra = Extra()
        return RemovableHandle(self.node.extra.tensor_hooks, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable) -> RemovableHandle:
        """Call ``hook(param)`` each time a gradient has been added to this leaf's ``.grad``."""
        if type(self.node) is not Leaf:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        if self.node.post_accumulate is None:
            self.node.post_accumulate = {}
        return RemovableHandle(self.node.post_accumulate, hook)

    # ---- Python protocols that need no op ----

    def __hash__(self) -> int:
        return id(self)

    def __len__(self) -> int:
        if not self.value.shape:
            raise TypeError("len() of a 0-d tensor")
        return self.value.shape[0]

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        from ._repr import tensor_repr

        return tensor_repr(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if self.node is not None:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        host = backend_of(self.value).to_host(self.value)
        return backends.host_cast(host, dtype, copy)

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Tensor:
        """What NumPy's functions on a Tensor give back: ``numpy.sqrt(t)`` is a Tensor."""
        return as_tensor(array)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        from .. import ops

        return ops

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: Any = None
    ) -> Any:
        if self.node is not None:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        asked = {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
        return backend_of(self.value).dlpack(self.value, **{k: v for k, v in asked.items() if v is not None})

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.value.__dlpack_device__()

    def __reduce_ex__(self, protocol: Any) -> Any:
        host = backend_of(self.value).to_host(self.value)
        state = {k: v for k, v in self.__dict__.items() if k not in ("_piece", "_retains")}
        return _rebuild, (_own_kind(self), host, self.dtype.name, str(self.device), self.requires_grad, state)

    def __deepcopy__(self, memo: dict) -> Tensor:
        if id(self) in memo:
            return memo[id(self)]
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment; "
                "detach() this one first"
            )
        import copy

        result = new_tensor(Tensor if type(self).__module__ == "lucid.core.view" else type(self))
        result.value = backend_of(self.value).copy(self.value)
        result.node, result._grad, result._version = None, None, 0
        result.__dict__.update(copy.deepcopy(self.__dict__, memo))
        if self.node is not None:
            result.node = Leaf(result)
        if self._grad is not None:
            result._grad = copy.deepcopy(self._grad, memo)
        memo[id(self)] = result
        return result


def _own_kind(t: Tensor) -> type:
    """The class of a copy: a view's copy is a tensor of its own."""
    return Tensor if type(t).__module__ == "lucid.core.view" else type(t)


def _rebuild(kind: type, host: Any, dtype: str, device: str, requires_grad: bool, state: dict) -> Tensor:
    made = as_tensor(host, dtype=dtypes.by_name(dtype), device=device)
    result: Any = new_tensor(kind)
    result.value, result.node, result._grad, result._version = made.value, None, None, 0
    result.__dict__.update(state)
    if requires_grad:
        result.node = Leaf(result)
    return result


NO_GRAD_KEPT = (
    "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be populated "
    "during autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf Tensor, use "
    ".retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by mistake, make sure you access the leaf "
    "Tensor instead. See github.com/pytorch/pytorch/pull/30531 for more informations."
)
new_tensor = object.__new__
HOST: Any = backends.load("cpu").array_types[0]  # the type of arrays on the CPU
CPU = Device("cpu")


def wrap(value: Any, node: Node | None = None) -> Tensor:
    """A Tensor around a raw array."""
    t = new_tensor(Tensor)
    t.value = (
        value
        if type(value) is HOST or (hasattr(value, "ndim") and not isinstance(value, backends.SCALAR_TYPES))
        else backend_of(value).array(value)
    )
    t.node = node
    t._grad = None
    t._version = 0
    return t


def created(value: Any) -> Tensor:
    """A Tensor of the user's around a raw array that no op made: inside ``inference_mode`` it is an inference tensor."""
    t = wrap(value)
    mode = modes.current()
    if mode is not None and mode.inference:
        t._version = modes.UNCOUNTED
    return t


def unwrap(value: Any) -> Any:
    return value.value if isinstance(value, Tensor) else value


_devices: dict[tuple[str, int], Device] = {("cpu", 0): CPU}


def device_of(array: Any) -> Device:
    if type(array) is HOST:
        return CPU
    name, index = backend_of(array).device_of(array)
    found = _devices.get((name, index))
    if found is None:
        found = _devices[name, index] = Device(name) if name != "cuda" else Device(name, index)
    return found


_dtypes: dict[Any, DType] = {}


def dtype_of(array: Any) -> DType:
    """The lucid dtype of a raw array."""
    native = array.dtype
    if type(native) is DType:
        return native
    found = _dtypes.get(native)
    if found is None:
        name = backend_of(array).dtype_name(native)
        if name not in dtypes.NAMES:
            raise DataError(
                f"can't make a tensor of dtype {native}; the supported dtypes are {', '.join(dtypes.NAMES)}"
            )
        found = _dtypes[native] = dtypes.NAMES[name]
    return found


def backend_for(device: Any) -> tuple[backends.Backend, int]:
    """The backend of a device and the device's number on it; loads the backend's library at first use."""
    d = Device(device) if device is not None and type(device) is not Device else (device or get_default_device())
    return backends.load(d.type), d.number


def as_tensor(
    data: Any, *, dtype: Any = None, device: Any = None, like: Tensor | None = None, copy: bool = False
) -> Tensor:
    """A Tensor from a Tensor, an array of any library, or nested Python numbers; shares memory where it can."""
    if isinstance(data, Tensor):
        if dtype is None and device is None and not copy:
            return data
        value = data.value
        where = data.device if device is None else Device(device)
        if where != data.device:
            backend, index = backend_for(where)
            value = backend.from_host(backend_of(value).to_host(value), index)
        elif copy:
            value = backend_of(value).copy(value)
        if dtype is not None and dtype_of(value) is not dtypes.as_dtype(dtype):
            value = cast(value, dtypes.as_dtype(dtype))
        return created(value)
    if like is not None and device is None:
        device = like.device
    backend, index = backend_for(device)
    if type(data) in backend.array_types and not copy:
        value = data
    elif type(data) in backends.known_array_types():
        value = backend.from_host(backend_of(data).to_host(data), index, copy=copy)
    else:
        host = backends.host_array(
            data, dtypes.get_default_dtype().name, None if dtype is None else dtypes.as_dtype(dtype).name
        )
        value = backend.from_host(host, index, copy=copy)
    found = dtype_of(value)  # raises for object arrays, strings, dates
    if dtype is not None and found is not dtypes.as_dtype(dtype):
        value = cast(value, dtypes.as_dtype(dtype))
    return created(value)


def cast(value: Any, dtype: DType) -> Any:
    """A raw array in another dtype."""
    backend = backend_of(value)
    return backend.table.cast(value, dtype)
