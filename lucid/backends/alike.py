"""What NumPy and CuPy spell alike: dtypes, and kernels made of an array's own methods. Both tables hold these."""

from __future__ import annotations

from typing import Any

import numpy as np


class _Native(dict):
    """Dtypes by name; bfloat16 comes from ml_dtypes, imported when first asked for."""

    def __missing__(self, name: str) -> Any:
        if name != "bfloat16":
            raise TypeError(f"dtype {name} is available neither on 'cpu' nor on 'cuda'; they have {', '.join(self)}")
        try:
            import ml_dtypes
        except ImportError:
            raise ImportError("bfloat16 needs the ml_dtypes library here: pip install lucid[bfloat16]") from None
        self[name] = np.dtype(ml_dtypes.bfloat16)
        return self[name]


NATIVE = _Native(
    {
        name: np.dtype(name)
        for name in (
            "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
            "float16", "float32", "float64", "complex64", "complex128",
        )
    }
)  # fmt: skip


def native(dtype: Any) -> Any:
    return NATIVE[dtype.name]


def copy(x: Any) -> Any:
    return x.copy()


def cast(x: Any, dtype: Any, source: Any = None) -> Any:
    wanted = NATIVE[dtype.name]
    if x.dtype.kind == "c" and wanted.kind != "c":
        x = x != 0 if wanted.kind == "b" else x.real
    return x.astype(wanted)


def reshape(x: Any, shape: Any) -> Any:
    return x.reshape(shape)


def matrix_transpose(x: Any) -> Any:
    return x.swapaxes(-1, -2)


def expand_dims(x: Any, axis: int) -> Any:
    sizes = list(x.shape)
    sizes.insert(axis if axis >= 0 else axis + len(sizes) + 1, 1)
    return x.reshape(sizes)


def take_slice(x: Any, axis: int, start: int, stop: int) -> Any:
    return x[(slice(None),) * axis + (slice(start, stop),)]


def setitem(x: Any, new: Any, index: tuple) -> Any:
    out = x.copy()
    out[index] = new
    return out
