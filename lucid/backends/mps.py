"""``lucid.backends.mps``: whether the Apple GPU can be used, through MLX."""

from __future__ import annotations

import platform

from .catalogue import mlx_fault


def is_available() -> bool:
    """Whether MLX is installed and this is Apple Silicon."""
    return mlx_fault() is None and is_built()


def is_built() -> bool:
    """Whether this is Apple Silicon."""
    return platform.system() == "Darwin" and platform.machine() == "arm64"
