"""Reading PyTorch's checkpoints (the zip format) without PyTorch and without running what they contain.

The pickle inside is read by an unpickler that knows only how to rebuild tensors and ordered dicts; anything else that
it names raises an error.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from typing import Any

from ..core import dtypes
from ..core.tensor import Tensor
from .safetensors import from_bytes

STORAGES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8",
    "BoolStorage": "bool", "ComplexFloatStorage": "complex64", "ComplexDoubleStorage": "complex128",
}  # fmt: skip


def _rebuild_tensor(
    storage: Tensor,
    offset: int,
    size: tuple,
    stride: tuple,
    requires_grad: bool = False,
    hooks: Any = None,
    metadata: Any = None,
) -> Tensor:
    flat = storage[offset:] if offset else storage  # type: ignore[index]
    t = flat.as_strided(tuple(size), tuple(stride)).clone() if tuple(size) else flat[:1].reshape(()).clone()  # type: ignore[attr-defined]
    return t.requires_grad_() if requires_grad else t


def _rebuild_parameter(data: Tensor, requires_grad: bool = True, hooks: Any = None) -> Tensor:
    from ..nn import Parameter

    return Parameter(data, requires_grad)


KNOWN = {
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "Size"): tuple,
    ("builtins", "set"): set,
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, archive: zipfile.ZipFile, folder: str, device: Any):
        super().__init__(file, encoding="utf-8")
        self._archive, self._folder, self._device = archive, folder, device
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in KNOWN:
            return KNOWN[module, name]
        if module == "torch" and name in STORAGES:
            return dtypes.NAMES[STORAGES[name]]
        if module == "torch" and name in dtypes.NAMES:
            return dtypes.NAMES[name]
        raise ValueError(f"the file names {module}.{name}, which is not plain data; save a state_dict() instead")

    def persistent_load(self, pid: Any) -> Tensor:
        kind, dtype, key, _location, count = pid
        if kind != "storage":
            raise ValueError(f"unknown persistent object {kind!r}")
        if key not in self._storages:
            data = self._archive.read(f"{self._folder}data/{key}")
            self._storages[key] = from_bytes(data[: count * dtype.itemsize], dtype, (count,), self._device)
        return self._storages[key]


def read(archive: zipfile.ZipFile, member: str, device: Any) -> Any:
    """The object that ``torch.save`` stored."""
    folder = member.removesuffix("data.pkl")
    try:
        return _Unpickler(io.BytesIO(archive.read(member)), archive, folder, device).load()
    except pickle.UnpicklingError as problem:
        raise ValueError(str(problem)) from None
