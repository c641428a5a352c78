"""Switches of PyTorch that programs set and ask, and what kernels look at of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace

# What kernels look at: whether sums must not depend on the order in which threads come (`lucid.use_deterministic_algorithms`),
# and whether float32 products may use TF32 (None: as CuPy's own variable CUPY_TF32 says).
algorithms = SimpleNamespace(deterministic=False, tf32=None)

mkldnn = SimpleNamespace(enabled=False, is_available=lambda: False, flags=lambda *args, **options: nullcontext())
mkl = SimpleNamespace(is_available=lambda: False)
openmp = SimpleNamespace(is_available=lambda: False)
opt_einsum = SimpleNamespace(enabled=False, strategy=None, is_available=lambda: False)

CURRENT: dict[str, Callable[[], int]] = {}  # "cuda", once it is loaded and has several cards: which of them is current
