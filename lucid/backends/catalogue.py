"""Which backends this machine has: found out without importing more than is needed, and never by raising."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import platform
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Status:
    """One row of ``lucid.backends.available()``."""

    device: str
    library: str
    version: str | None
    usable: bool
    note: str
    capabilities: dict[str, Any] = field(default_factory=dict)


class Catalogue(tuple):
    """The rows, printed as a table."""

    def __repr__(self) -> str:
        head = ("device", "library", "version", "usable", "note")
        rows = [head, *((s.device, s.library, s.version or "-", "yes" if s.usable else "no", s.note) for s in self)]
        widths = [max(len(r[i]) for r in rows) for i in range(len(head) - 1)]
        return "\n".join(
            "  ".join([*(c.ljust(w) for c, w in zip(r, widths, strict=False)), r[-1]]).rstrip() for r in rows
        )


def _version(*names: str) -> str | None:
    for name in names:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def has_package(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


@functools.cache
def cuda_fault() -> str | None:
    """Why CUDA cannot be used, with the command that helps; None if it can."""
    if not has_package("lucid.backends.cupy_"):
        return "this version of lucid has no CuPy backend yet"
    if not has_package("cupy"):
        return "CuPy is not installed: pip install lucid[cuda]"
    try:
        import cupy

        if not cupy.cuda.is_available():
            return "CuPy finds no CUDA device or driver: check nvidia-smi"
    except ImportError as problem:
        return f"CuPy does not import ({problem}): install the wheel of your CUDA version, cupy-cuda12x or cupy-cuda13x"
    return None


def mlx_fault() -> str | None:
    """Why MLX cannot be used, with the command that helps; None if it can."""
    if not has_package("mlx"):
        return "MLX is not installed: pip install lucid[mlx]"
    return None


def available() -> Catalogue:
    """The backends of this machine with versions and capabilities, as a tuple that prints as a table.

    >>> import lucid
    >>> [row.device for row in lucid.backends.available()]
    ['cpu', 'cuda', 'mlx']
    """
    cuda, mlx = cuda_fault(), mlx_fault()
    metal = platform.system() == "Darwin" and platform.machine() == "arm64"
    return Catalogue(
        (
            Status("cpu", "numpy", _version("numpy"), True, "", {"float64": True, "complex128": True, "bfloat16": has_package("ml_dtypes")}),
            Status("cuda", "cupy", _version("cupy-cuda13x", "cupy-cuda12x", "cupy"), cuda is None, cuda or "", {"float64": True, "complex128": True}),
            Status(
                "mlx", "mlx", _version("mlx"), mlx is None, mlx or ("Apple GPU" if metal else "CPU build"),
                {"float64": not metal, "complex128": False, "bfloat16": True},
            ),
        )
    )  # fmt: skip
