"""Which backends this machine has: found out without importing more than is needed, and never by raising."""

from __future__ import annotations

import ctypes
import functools
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
    import importlib.metadata  # 20 ms, which a program that asks for no version need not spend

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
    """Why CUDA cannot be used, in one line with the command that helps; None if it can."""
    if not has_package("cupy"):
        return "CuPy is not installed: pip install lucid[cuda]"
    wheels = [name for name in ("cupy", "cupy-cuda11x", "cupy-cuda12x", "cupy-cuda13x") if _version(name)]
    if len(wheels) > 1:
        return f"several CuPy packages are installed, of which only one may be: pip uninstall {' '.join(wheels[:-1])}"
    try:
        import cupy

        if not cupy.cuda.is_available():
            return _driver_fault((wheels or ["cupy"])[0])
        if getattr(cupy, "__file__", None):  # the imitation of lucid.testing has none, and needs no libraries
            from cupy_backends.cuda.libs import cublas, nvrtc  # noqa: F401
    except ImportError as problem:
        wheel = (wheels or ["cupy-cuda13x"])[0]
        return f"CUDA's libraries are missing ({str(problem).splitlines()[0]}): pip install '{wheel}[ctk]'"
    return None


def _driver_fault(wheel: str) -> str:
    """Why CuPy finds no device, from what the driver says of itself."""
    version = _driver_version()
    if version is None:
        return "no NVIDIA driver was found: install one, then nvidia-smi lists the devices"
    driver, built = version // 1000, {"cupy-cuda11x": 11, "cupy-cuda12x": 12, "cupy-cuda13x": 13}.get(wheel)
    if built is not None and driver < built:
        return (
            f"the driver is for CUDA {driver}.{version % 1000 // 10} and {wheel} needs {built}: "
            f"pip uninstall {wheel}; pip install lucid[cuda{driver}], or update the driver"
        )
    return "CuPy finds no CUDA device: nvidia-smi lists what the driver sees, CUDA_VISIBLE_DEVICES may hide it"


def _driver_version() -> int | None:
    """What the driver supports, as 12040 for CUDA 12.4; None without a driver."""
    try:
        library = ctypes.CDLL("nvcuda.dll" if platform.system() == "Windows" else "libcuda.so.1")
        version = ctypes.c_int()
        return version.value if library.cuDriverGetVersion(ctypes.byref(version)) == 0 else None
    except (OSError, AttributeError):
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
            Status("cuda", "cupy", _version("cupy-cuda13x", "cupy-cuda12x", "cupy"), cuda is None, cuda or "", {"float64": True, "complex128": True, "bfloat16": has_package("ml_dtypes")}),
            Status(
                "mlx", "mlx", _version("mlx"), mlx is None, mlx or ("Apple GPU" if metal else "CPU build"),
                {"float64": not metal, "complex128": False, "bfloat16": True},
            ),
        )
    )  # fmt: skip
