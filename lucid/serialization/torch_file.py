"""Reading PyTorch's checkpoints (the zip format) without PyTorch and without running what they contain.

The pickle inside is read by an unpickler that knows only how to rebuild tensors and ordered dicts; what else it names is
called only if the caller vouches for it (see ``pickles``).
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from typing import Any

from ..core import dtypes
from ..core.tensor import Tensor
from . import pickles
from .archive import placed
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
    def __init__(self, file: Any, archive: zipfile.ZipFile, folder: str, device: Any, weights_only: bool):
        super().__init__(file, encoding="utf-8")
        self._archive, self._folder, self._device = archive, folder, device
        self._weights_only = weights_only
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in KNOWN:
            return KNOWN[module, name]
        if module == "torch" and name in STORAGES:
            return dtypes.NAMES[STORAGES[name]]
        if module == "torch" and name in dtypes.NAMES:
            return dtypes.NAMES[name]
        if module.split(".")[0] == "torch":
            raise ValueError(f"the file names {module}.{name}, which is PyTorch's code; save a state_dict() instead")
        return pickles.find_class(module, name, self._weights_only)

    def persistent_load(self, pid: Any) -> Tensor:
        kind, dtype, key, location, count = pid
        if kind != "storage":
            raise ValueError(f"unknown persistent object {kind!r}")
        if key not in self._storages:
            data = self._archive.read(f"{self._folder}data/{key}")
            target = None if callable(self._device) else self._device
            t = from_bytes(data[: count * dtype.itemsize], dtype, (count,), target)
            self._storages[key] = placed(t, location, self._device) if callable(self._device) else t
        return self._storages[key]


def read(archive: zipfile.ZipFile, member: str, device: Any, weights_only: bool) -> Any:
    """The object that ``torch.save`` stored."""
    folder = member.removesuffix("data.pkl")
    return _Unpickler(io.BytesIO(archive.read(member)), archive, folder, device, weights_only).load()
