"""``lucid.backends.cuda``, ``mkl``, ``mkldnn`` and ``openmp``: PyTorch's programs set these and ask them."""

from __future__ import annotations

from types import SimpleNamespace

from .base import loaded
from .catalogue import cuda_fault

# What kernels look at: whether sums must not depend on the order in which threads come (`lucid.use_deterministic_algorithms`),
# and whether float32 products may use TF32 (None: as CuPy's own variable CUPY_TF32 says).
algorithms = SimpleNamespace(deterministic=False, tf32=None)


class _Products:
    """``lucid.backends.cuda.matmul``."""

    @property
    def allow_tf32(self) -> bool:
        """Whether float32 products on CUDA may round their factors to 10 bits of mantissa."""
        return bool(algorithms.tf32)

    @allow_tf32.setter
    def allow_tf32(self, allowed: bool) -> None:
        algorithms.tf32 = bool(allowed)
        for backend in loaded():
            backend.allow_tf32(algorithms.tf32)


cuda = SimpleNamespace(is_built=lambda: cuda_fault() is None, matmul=_Products())
mkldnn = SimpleNamespace(enabled=False, is_available=lambda: False)
mkl = SimpleNamespace(is_available=lambda: False)
openmp = SimpleNamespace(is_available=lambda: False)
