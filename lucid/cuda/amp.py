"""PyTorch's older names for mixed precision on CUDA; new programs write ``lucid.autocast("cuda")``."""

from __future__ import annotations

import functools
from typing import Any

from ..amp import GradScaler as _GradScaler
from ..amp import autocast as _autocast
from ..amp import custom_bwd as _custom_bwd
from ..amp import custom_fwd as _custom_fwd
from ..core import dtypes

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]


class autocast(_autocast):
    """``lucid.autocast("cuda", ...)``."""

    def __init__(self, enabled: bool = True, dtype: dtypes.dtype | None = None, cache_enabled: bool = True):
        super().__init__("cuda", dtype, enabled, cache_enabled)


class GradScaler(_GradScaler):
    """``lucid.amp.GradScaler("cuda", ...)``."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__("cuda", *args, **options)


custom_fwd = functools.partial(_custom_fwd, device_type="cuda")
custom_bwd = functools.partial(_custom_bwd, device_type="cuda")
