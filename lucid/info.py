"""``python -m lucid.info``: all that a bug report needs, on one screen."""

from __future__ import annotations

import os
import platform
import sys

from . import __version__
from .backends.catalogue import available

PREFIXES = ("OPENBLAS_", "OMP_", "MKL_", "LUCID_", "CUDA_", "CUPY_", "MLX_")


def report() -> str:
    """Versions, processor, backends and the environment variables that change them."""
    lines = [
        f"lucid     {__version__}",
        f"python    {platform.python_version()} ({sys.executable})",
        f"system    {platform.platform()} {platform.machine()}, {os.cpu_count()} processors",
        "",
        repr(available()),
    ]
    try:
        import threadpoolctl
    except ImportError:
        lines += ["", "threads   unknown (pip install lucid[threads])"]
    else:
        for pool in threadpoolctl.threadpool_info():
            facts = ", ".join(f"{k} {pool[k]}" for k in ("version", "architecture", "num_threads") if pool.get(k))
            lines += ["", f"threads   {pool['internal_api']}: {facts}"]
    found = {k: v for k, v in sorted(os.environ.items()) if k.startswith(PREFIXES)}
    return "\n".join([*lines, "", *(f"{k}={v}" for k, v in found.items())])


if __name__ == "__main__":
    sys.stdout.write(report() + "\n")
