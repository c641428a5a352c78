"""What the tests compare with: torch, and the backends that this machine may lack.

from reference import needs_torch, torch

A test marked `needs_torch` is skipped where torch is missing, and the last lines of the run count what was skipped.
"""

from importlib.util import find_spec

import pytest

from lucid.testing import strict

try:
    import torch
except ImportError:
    torch = None
else:
    torch.set_num_threads(1)  # as tests/conftest.py does for NumPy


def cuda_fault():
    """Why CuPy cannot be tested here, or None."""
    try:
        import cupy

        return None if cupy.cuda.runtime.getDeviceCount() else "no GPU"
    except ImportError:
        return "CuPy is not installed (pip install cupy-cuda13x)"
    except Exception as error:  # CuPy raises its own types where the driver is missing
        return f"no usable GPU: {error}"


# Each reason is a short fixed text, because the closing lines count skips by it.
MISSING = {
    "torch comparisons": "torch is not installed (pip install torch==2.13.0)" if torch is None else None,
    "CuPy tests": cuda_fault(),
    "strict tests": None if strict.compiler() else "g++ is missing, which compiles the kernels of the CuPy backend",
    "MLX tests": None if find_spec("mlx") else "MLX is not installed (pip install 'lucid[mlx]')",
}


def needs(what):
    return pytest.mark.skipif(MISSING[what] is not None, reason=f"{what}: {MISSING[what]}")


needs_torch = needs("torch comparisons")
needs_cupy = needs("CuPy tests")
needs_strict = needs("strict tests")
needs_mlx = needs("MLX tests")
