"""``lucid.backends.cuda`` and ``mkldnn``: PyTorch's programs set these and ask them."""

from __future__ import annotations

from types import SimpleNamespace

from .catalogue import cuda_fault

cuda = SimpleNamespace(is_built=lambda: cuda_fault() is None, matmul=SimpleNamespace(allow_tf32=False))
mkldnn = SimpleNamespace(enabled=False, is_available=lambda: False)
