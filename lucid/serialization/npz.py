"""NumPy's ``.npz``: a dict of arrays."""

from __future__ import annotations

import io
import zipfile
from typing import Any

from ..backends import read_npy
from ..core.tensor import Tensor, as_tensor


def read(archive: zipfile.ZipFile, device: Any) -> dict[str, Tensor]:
    """The arrays of an archive as tensors; object arrays are refused."""
    return {
        m.removesuffix(".npy"): as_tensor(read_npy(io.BytesIO(archive.read(m))), device=device)
        for m in archive.namelist()
    }
