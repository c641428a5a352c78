"""Names of PyTorch for annotations: ``from lucid.types import Number, Device``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO, Any, TypeAlias

from .core.device import device
from .core.dtypes import dtype
from .core.tensor import Size, Tensor
from .functions.storage import UntypedStorage as Storage

__all__ = ["Device", "FileLike", "Number", "Storage"]

Number: TypeAlias = int | float | bool
_int, _float, _bool, _complex, _str, _bytes, _device, _dtype = int, float, bool, complex, str, bytes, device, dtype
Device: TypeAlias = device | str | int | None
FileLike: TypeAlias = str | os.PathLike[str] | IO[bytes]
_Number = (int, float, bool)
_size: TypeAlias = Size | list[int] | tuple[int, ...]
_layout: TypeAlias = Any
_TensorOrTensors: TypeAlias = Tensor | Sequence[Tensor]
_TensorOrOptionalTensors: TypeAlias = Tensor | Sequence[Tensor | None]
