"""``lucid.backends.cudnn`` and its like: PyTorch's programs set these and ask them; here most have nothing to switch."""

from __future__ import annotations

import platform
from types import SimpleNamespace

from .catalogue import cuda_fault, mlx_fault


def _mps_is_available() -> bool:
    """Whether the Apple GPU can be used through MLX."""
    return mlx_fault() is None and platform.system() == "Darwin" and platform.machine() == "arm64"


# CuPy has no cuDNN since version 14: these may be set, as programs do for repeatability, and change nothing.
cudnn = SimpleNamespace(
    enabled=False,
    benchmark=False,
    deterministic=False,
    allow_tf32=False,
    is_available=lambda: False,
    version=lambda: None,
)
mps = SimpleNamespace(is_available=_mps_is_available, is_built=_mps_is_available)
cuda = SimpleNamespace(is_built=lambda: cuda_fault() is None, matmul=SimpleNamespace(allow_tf32=False))
mkldnn = SimpleNamespace(enabled=False, is_available=lambda: False)
