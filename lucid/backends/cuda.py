"""``lucid.backends.cuda``: the precision of products, and PyTorch's switches of attention, which change no value here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .base import loaded
from .catalogue import cuda_fault
from .switches import algorithms


class _Products:
    """``lucid.backends.cuda.matmul``."""

    allow_fp16_reduced_precision_reduction = allow_bf16_reduced_precision_reduction = True  # may be set: cuBLAS decides

    @property
    def allow_tf32(self) -> bool:
        """Whether float32 products on CUDA may round their factors to 10 bits of mantissa."""
        return bool(algorithms.tf32)

    @allow_tf32.setter
    def allow_tf32(self, allowed: bool) -> None:
        algorithms.tf32 = bool(allowed)
        for backend in loaded():
            backend.allow_tf32(algorithms.tf32)

    @property
    def fp32_precision(self) -> str:
        """ "tf32" or "ieee": ``allow_tf32`` by its newer name."""
        return "tf32" if algorithms.tf32 else "ieee"

    @fp32_precision.setter
    def fp32_precision(self, precision: str) -> None:
        if precision not in ("tf32", "ieee", "none"):
            raise RuntimeError(f"fp32_precision: expected 'ieee' or 'tf32', got {precision!r}")
        self.allow_tf32 = precision == "tf32"


matmul = _Products()
_ways = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True}


def is_built() -> bool:
    """Whether CUDA can be used."""
    return cuda_fault() is None


def preferred_linalg_library(backend: Any = None) -> str:
    """The library of decompositions: CuPy's cuSOLVER, whatever is asked for."""
    return "cusolver"


def enable_flash_sdp(enabled: bool) -> None:
    """Remembered; which kernel computes attention changes no value (see ``lucid.nn.attention.sdpa_kernel``)."""
    _ways["flash"] = bool(enabled)


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Remembered, as ``enable_flash_sdp``."""
    _ways["mem_efficient"] = bool(enabled)


def enable_math_sdp(enabled: bool) -> None:
    """Remembered, as ``enable_flash_sdp``."""
    _ways["math"] = bool(enabled)


def enable_cudnn_sdp(enabled: bool) -> None:
    """Remembered, as ``enable_flash_sdp``."""
    _ways["cudnn"] = bool(enabled)


def flash_sdp_enabled() -> bool:
    """What ``enable_flash_sdp`` was given."""
    return _ways["flash"]


def mem_efficient_sdp_enabled() -> bool:
    """What ``enable_mem_efficient_sdp`` was given."""
    return _ways["mem_efficient"]


def math_sdp_enabled() -> bool:
    """What ``enable_math_sdp`` was given."""
    return _ways["math"]


def cudnn_sdp_enabled() -> bool:
    """What ``enable_cudnn_sdp`` was given."""
    return _ways["cudnn"]


@contextmanager
def sdp_kernel(
    enable_flash: bool = True, enable_math: bool = True, enable_mem_efficient: bool = True, enable_cudnn: bool = True
) -> Iterator[dict]:
    """The four switches for a ``with`` block."""
    before = dict(_ways)
    _ways.update(flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient, cudnn=enable_cudnn)
    try:
        yield {}
    finally:
        _ways.update(before)
