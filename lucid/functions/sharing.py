"""Tensors on memory that others made: arrays, buffers, files, DLPack."""

from __future__ import annotations

import mmap
import os
from typing import Any

from ..backends import backend_of
from ..core import dtypes
from ..core.tensor import Tensor, as_tensor, wrap
from .registry import FUNCTIONS, public


@public(method=False, out=False)
def as_tensor_(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """``data`` as a tensor, sharing memory where it can; a tensor stays in its graph."""
    if not isinstance(data, Tensor):
        return as_tensor(data, dtype=dtype, device=device)
    t = data.to(device) if device is not None else data
    return t if dtype is None else t.to(dtypes.as_dtype(dtype))


FUNCTIONS["as_tensor"] = FUNCTIONS.pop("as_tensor_")


@public(method=False, out=False)
def asarray(
    obj: Any, dtype: Any = None, device: Any = None, *, copy: bool | None = None, requires_grad: bool = False
) -> Tensor:
    """``obj`` as a tensor: of its own memory if ``copy``, of that of ``obj`` if not (ValueError where it cannot), else if it can.

    A leaf that requires grad is detached unless ``requires_grad`` asks for it; what an op made stays in its graph.

    >>> import lucid
    >>> lucid.asarray([1.0, 2.0])
    tensor([1., 2.])
    """
    if isinstance(obj, Tensor):
        t = as_tensor_(obj.detach() if obj.is_leaf and not (requires_grad or copy) else obj, dtype, device)
        t = t.clone() if copy and t is obj else t
        shares = t.data_ptr() == obj.data_ptr()
    else:
        source = from_dlpack(obj) if type(obj).__name__ == "PyCapsule" else obj
        t = as_tensor(source, dtype=dtype, device=device, copy=bool(copy))
        shares = hasattr(obj, "__array__") or hasattr(obj, "__dlpack__") or t.value is getattr(source, "value", None)
        shares = shares and (dtype is None or t.data_ptr() == as_tensor(source, device=device).data_ptr())
    if copy is False and not shares:
        raise ValueError(f"asarray: can't alias {type(obj).__name__} into a tensor of {t.dtype} on {t.device}")
    return t.requires_grad_() if requires_grad and not t.requires_grad else t


@public(method=False, out=False)
def from_numpy(ndarray: Any) -> Tensor:
    """A CPU tensor that shares memory with a NumPy array.

    >>> import lucid, numpy as np
    >>> a = np.zeros(2)
    >>> lucid.from_numpy(a).add_(1)
    tensor([1., 1.], dtype=lucid.float64)
    >>> a
    array([1., 1.])
    """
    if type(ndarray).__module__.partition(".")[0] != "numpy" or not hasattr(ndarray, "shape"):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    return as_tensor(ndarray, device="cpu")


@public(method=False, out=False)
def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor from any object that speaks DLPack, or from a capsule of the CPU's memory (``to_dlpack``)."""
    if type(ext_tensor).__name__ == "PyCapsule":
        ext_tensor = _Capsule(ext_tensor)
    t = ext_tensor if isinstance(ext_tensor, Tensor) else as_tensor(ext_tensor, device=device, copy=bool(copy))
    return t.to(device) if device is not None else t


class _Capsule:
    """A bare DLPack capsule as an object that hands it out, once."""

    def __init__(self, capsule: Any):
        self._capsule = capsule

    def __dlpack__(self, **asked: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


def frombuffer(buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A 1-D CPU tensor on the memory of a buffer (bytes, bytearray, array).

    >>> import lucid
    >>> lucid.frombuffer(bytearray([1, 2, 3]), dtype=lucid.uint8)
    tensor([1, 2, 3], dtype=lucid.uint8)
    """
    d = dtypes.as_dtype(dtype)
    view = memoryview(buffer).cast("B")[offset:]
    if count >= 0:
        if count * d.itemsize > len(view):
            raise ValueError(
                f"requested buffer length ({count * d.itemsize} bytes) after offset ({offset}) is greater than the buffer"
            )
        view = view[: count * d.itemsize]
    if not len(view) or len(view) % d.itemsize:
        raise ValueError(
            f"buffer length ({len(view)} bytes) after offset ({offset}) must be a positive multiple of element size ({d.itemsize})"
        )
    raw = as_tensor(view, device="cpu")
    t = wrap(backend_of(raw.value).table.reinterpret(raw.value, d)) if d is not dtypes.uint8 else raw
    return t.requires_grad_() if requires_grad else t


def from_file(
    filename: str,
    shared: bool | None = None,
    size: int | None = 0,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """A CPU tensor of ``size`` numbers on the contents of a file; what is written to it goes to the file if ``shared``.

    A shared file is made, or made longer, where needed.

    >>> import lucid, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "numbers")
    >>> lucid.from_file(path, shared=True, size=2).fill_(3)
    tensor([3., 3.])
    >>> lucid.from_file(path, size=1)
    tensor([3.])
    """
    d = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    count = (size or 0) * d.itemsize
    if not count:
        return FUNCTIONS["empty"](0, dtype=d)  # type: ignore[no-any-return]
    try:
        with open(filename, "r+b" if shared and os.path.exists(filename) else "w+b" if shared else "rb") as file:
            if shared and os.fstat(file.fileno()).st_size < count:
                file.truncate(count)
            memory = mmap.mmap(file.fileno(), count, access=mmap.ACCESS_WRITE if shared else mmap.ACCESS_COPY)
    except (OSError, ValueError) as problem:
        raise RuntimeError(f"from_file: unable to map {count} bytes of {str(filename)!r}: {problem}") from None
    return frombuffer(memory, dtype=d, requires_grad=requires_grad)


FUNCTIONS["frombuffer"], FUNCTIONS["from_file"] = frombuffer, from_file
