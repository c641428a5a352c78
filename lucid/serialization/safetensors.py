"""The safetensors format: a JSON header with names, dtypes, shapes and offsets, then the bytes. Nothing else.

The format's description: https://github.com/huggingface/safetensors (8 bytes of header length, little-endian).
"""

from __future__ import annotations

import json
from typing import Any

from ..backends import backend_of
from ..core import dtypes
from ..core.tensor import Tensor, as_tensor, backend_for, wrap
from .files import reading, replacing

CODES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32", "I32": "int32",
    "U64": "uint64", "I64": "int64", "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
    "C64": "complex64",
}  # fmt: skip
NAMES = {name: code for code, name in CODES.items()}
LARGEST_HEADER = 100_000_000  # bytes, as the reference implementation limits it


def host_bytes(t: Tensor) -> bytes:
    """The elements in row order, little-endian."""
    return backend_of(t.value).to_host(t.value).tobytes()


def from_bytes(data: bytes, dtype: dtypes.dtype, shape: tuple[int, ...], device: Any = None) -> Tensor:
    """The tensor whose elements these bytes are; ValueError if their number is wrong."""
    backend, index = backend_for("cpu")
    count = 1
    for n in shape:
        count *= n
    if len(data) != count * dtype.itemsize:
        raise ValueError(f"{len(data)} bytes for a {dtype} tensor of shape {shape}, which has {count * dtype.itemsize}")
    made = wrap(backend.table.empty(shape, dtype, index))
    if count:
        memoryview(made.value.reshape(-1).view("uint8")).cast("B")[:] = data
    return made if device is None else as_tensor(made, device=device)


def save_safetensors(tensors: dict[str, Tensor], path: Any, metadata: dict[str, str] | None = None) -> None:
    """Write named tensors to a ``.safetensors`` file, atomically.

    Raises TypeError for values that are not tensors and for dtypes that the format lacks.
    """
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    offset, parts = 0, []
    for name, t in tensors.items():
        if not isinstance(t, Tensor):
            raise TypeError(
                f"save_safetensors: {name!r} is a {type(t).__name__}; only tensors can be saved in this format, use lucid.save"
            )
        if t.dtype.name not in NAMES:
            raise TypeError(f"save_safetensors: {name!r} is {t.dtype}, which the format lacks; use lucid.save")
        data = host_bytes(t.detach())  # type: ignore[attr-defined]
        header[name] = {
            "dtype": NAMES[t.dtype.name],
            "shape": list(t.shape),
            "data_offsets": [offset, offset + len(data)],
        }
        offset += len(data)
        parts.append(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for data in parts:
            file.write(data)


def load_safetensors(path: Any, device: Any = None) -> dict[str, Tensor]:
    """The named tensors of a ``.safetensors`` file. Raises ValueError for a damaged file."""
    with reading(path) as file:
        data = file.read()
    try:
        length = int.from_bytes(data[:8], "little")
        if len(data) < 8 or length > min(len(data) - 8, LARGEST_HEADER):
            raise ValueError(f"a header of {length} bytes in a file of {len(data)}")
        header = json.loads(data[8 : 8 + length])
        body = memoryview(data)[8 + length :]
        result = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            start, stop = entry["data_offsets"]
            if not 0 <= start <= stop <= len(body):
                raise ValueError(f"{name!r} lies outside the file")
            result[name] = from_bytes(
                bytes(body[start:stop]), dtypes.NAMES[CODES[entry["dtype"]]], tuple(entry["shape"]), device
            )
        return result
    except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError, ValueError) as problem:
        raise ValueError(f"load_safetensors: {path}: not a safetensors file, or damaged: {problem}") from None
