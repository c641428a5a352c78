"""``lucid.backends.cudnn``: convolutions run on cuDNN where ``nvidia-cudnn-frontend`` is installed (``cudnn_conv``).

``enabled=False`` leaves it out; ``deterministic=True`` takes no algorithm that sums in any order; ``allow_tf32=True``
lets float32 convolutions use TF32. ``benchmark`` changes nothing: cuDNN's own heuristics choose.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

enabled = True
benchmark = False
deterministic = False
allow_tf32 = False


def _frontend() -> Any:
    from .catalogue import cuda_fault

    if cuda_fault() is not None:
        return None
    from .cudnn_conv import frontend

    return frontend()


def is_available() -> bool:
    """Whether CUDA, NVIDIA's frontend and cuDNN itself are there."""
    return _frontend() is not None


def version() -> int | None:
    """cuDNN's version as a number (91000 for 9.10); None where it is not available."""
    found = _frontend()
    return None if found is None else int(found.backend_version())


@contextmanager
def flags(
    enabled: bool = False, benchmark: bool = False, deterministic: bool = False, allow_tf32: bool = True
) -> Iterator[None]:
    """The switches as arguments of a ``with`` block, with PyTorch's defaults."""
    before = {name: globals()[name] for name in ("enabled", "benchmark", "deterministic", "allow_tf32")}
    globals().update(enabled=enabled, benchmark=benchmark, deterministic=deterministic, allow_tf32=allow_tf32)
    try:
        yield
    finally:
        globals().update(before)
