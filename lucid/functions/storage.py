"""The memory under tensors, as bytes and as numbers in a row: what views of one tensor share."""

from __future__ import annotations

from typing import Any

from ..core import dtypes
from ..core.mutation import owner
from ..core.tensor import Tensor, as_tensor, device_of
from .attributes import CONSTANTS
from .registry import FUNCTIONS
from .strides import address_of, as_strided, geometry, view_dtype


class _Storage:
    """Numbers in a row, in the memory of a tensor; writing to them writes to all that show that memory."""

    dtype: Any
    _source: Tensor  # any tensor that shows the memory

    @classmethod
    def under(cls, tensor: Tensor) -> Any:
        """The storage of a tensor."""
        made = object.__new__(cls)
        made._source, made.dtype = tensor.detach(), getattr(cls, "dtype", tensor.dtype)  # type: ignore[attr-defined]
        return made

    def elements(self, dtype: Any = None) -> Tensor:
        """The memory as a vector."""
        x = self._source
        row = x if x.ndim == 1 and x.is_contiguous() else as_strided(x, (geometry(x)[0],), (1,), 0)  # type: ignore[attr-defined]
        return row

    @property
    def device(self) -> Any:
        return device_of(self._source.value)

    def __len__(self) -> int:
        return self.nbytes() // self.element_size()

    size = __len__

    def nbytes(self) -> int:
        return int(owner(self._source.value).nbytes)

    def element_size(self) -> int:
        return self.dtype.itemsize  # type: ignore[no-any-return]

    def data_ptr(self) -> int:
        return address_of(owner(self._source.value))

    _cdata = property(data_ptr)

    def __getitem__(self, i: Any) -> Any:
        found = self.elements()[i]
        return found.item() if isinstance(i, int) else type(self).under(found.clone())  # type: ignore[attr-defined]

    def __setitem__(self, i: Any, value: Any) -> None:
        self.elements()[i] = value

    def __iter__(self) -> Any:
        return iter(self.tolist())

    def tolist(self) -> list:
        return self.elements().tolist()  # type: ignore[attr-defined, no-any-return]

    def fill_(self, value: Any) -> Any:
        self.elements().fill_(value)  # type: ignore[attr-defined]
        return self

    def copy_(self, source: Any, non_blocking: bool = False) -> Any:
        self.elements().copy_(source.elements())  # type: ignore[attr-defined]
        return self

    def clone(self) -> Any:
        return type(self).under(self.elements().clone())  # type: ignore[attr-defined]

    def to(self, *args: Any, **kwargs: Any) -> Any:
        return type(self).under(self.elements().to(*args, **kwargs))  # type: ignore[attr-defined]

    def cpu(self) -> Any:
        return self.to("cpu")

    def is_shared(self) -> bool:
        return self._source.is_shared()  # type: ignore[attr-defined, no-any-return]

    def share_memory_(self) -> Any:
        self._source.share_memory_()  # type: ignore[attr-defined]
        return self

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and owner(self._source.value) is owner(other._source.value)

    def __hash__(self) -> int:
        return id(owner(self._source.value))

    def __reduce__(self) -> Any:
        return type(self).under, (self.elements().clone(),)  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        lines = "".join(f" {value}\n" for value in self)
        what = "" if type(self) is UntypedStorage else f"dtype={self.dtype}, "
        return f"{lines}[lucid.storage.{type(self).__name__}({what}device={self.device}) of size {len(self)}]"


class UntypedStorage(_Storage):
    """The bytes under a tensor (``x.untyped_storage()``), or new ones: so many, or these.

    >>> import lucid
    >>> lucid.tensor([1, 256], dtype=lucid.int16).untyped_storage().tolist()
    [1, 0, 0, 1]
    >>> len(lucid.UntypedStorage(8))
    8
    """

    dtype = dtypes.uint8

    def __init__(self, data: Any = 0, *, device: Any = None):
        self._source = _row(data, self.dtype, device)

    def elements(self, dtype: Any = dtypes.uint8) -> Tensor:
        return view_dtype(super().elements(), dtype)

    @staticmethod
    def from_file(filename: str, shared: bool = False, nbytes: int = 0) -> UntypedStorage:
        """The bytes of a file; see ``lucid.from_file``."""
        return UntypedStorage.under(FUNCTIONS["from_file"](filename, shared, nbytes, dtype=dtypes.uint8))  # type: ignore[no-any-return]


class TypedStorage(_Storage):
    """All numbers in the memory under a tensor (``x.storage()``), or new ones: so many, or these.

    >>> import lucid
    >>> x = lucid.tensor([[1, 2], [3, 4]])
    >>> x.T[1].storage().tolist()
    [1, 2, 3, 4]
    """

    def __init__(self, data: Any = 0, *, dtype: Any = None, device: Any = None):
        self.dtype = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
        self._source = _row(data, self.dtype, device)

    def elements(self, dtype: Any = None) -> Tensor:
        if dtype is not None and dtype is not self.dtype:
            raise RuntimeError(
                f"Expected a Storage of type {dtypes.TORCH_NAMES[dtype.name]} or an UntypedStorage, but got "
                f"{dtypes.TORCH_NAMES[self.dtype.name]}"
            )
        return super().elements()

    def untyped(self) -> UntypedStorage:
        """The bytes of these numbers."""
        return UntypedStorage.under(self._source)  # type: ignore[no-any-return]

    _untyped_storage = property(untyped)

    def type(self) -> str:
        return f"lucid.{dtypes.TORCH_NAMES[self.dtype.name]}Storage"


def _row(data: Any, dtype: Any, device: Any) -> Tensor:
    if isinstance(data, int):
        return FUNCTIONS["empty"](data, dtype=dtype, device=device)  # type: ignore[no-any-return]
    return as_tensor(list(data), dtype=dtype, device=device).reshape(-1)  # type: ignore[attr-defined, no-any-return]


class _OfDtype(type):
    """``lucid.FloatStorage``: makes storages of one dtype, and knows them."""

    dtype: Any

    def __call__(cls, data: Any = 0) -> TypedStorage:
        return TypedStorage(data, dtype=cls.dtype)

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, TypedStorage) and x.dtype is cls.dtype

    def from_file(cls, filename: str, shared: bool = False, size: int = 0) -> TypedStorage:
        """The numbers of a file; see ``lucid.from_file``."""
        return TypedStorage.under(FUNCTIONS["from_file"](filename, shared, size, dtype=cls.dtype))  # type: ignore[no-any-return]


OF_DTYPE = {
    f"{name}Storage": _OfDtype(f"{name}Storage", (), {"dtype": dtypes.NAMES[d], "__module__": "lucid"})
    for d, name in dtypes.TORCH_NAMES.items()
    if "UInt" not in name
}
CONSTANTS |= OF_DTYPE | {"UntypedStorage": UntypedStorage, "TypedStorage": TypedStorage}
FUNCTIONS["is_storage"] = lambda obj: isinstance(obj, _Storage)
for _name in "float double half bfloat16 int long short char byte bool cfloat cdouble".split():
    setattr(TypedStorage, _name, lambda self, _n=_name: TypedStorage.under(getattr(self.elements(), _n)()))
Tensor.untyped_storage = lambda self: UntypedStorage.under(self)  # type: ignore[attr-defined]
Tensor.storage = lambda self: TypedStorage.under(self)  # type: ignore[attr-defined]
Tensor.storage_type = lambda self: OF_DTYPE[f"{dtypes.TORCH_NAMES[self.dtype.name]}Storage"]  # type: ignore[attr-defined]
