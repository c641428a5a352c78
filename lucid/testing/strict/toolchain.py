"""Kernels to shared libraries: g++ in the place of NVRTC, and a cache on disk."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from .prelude import SOURCE

OPTIONS = ("-std=c++17", "-O1", "-fPIC", "-w", "-fno-math-errno", "-ffp-contract=off")


def compiler() -> str | None:
    """The C++ compiler that stands in for NVRTC; None where there is none."""
    return shutil.which(os.environ.get("CXX", "g++")) or shutil.which("g++")


def cache_folder() -> Path:
    base = os.environ.get("LUCID_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    return Path(base) / "lucid" / "strict" if base else Path(tempfile.gettempdir()) / f"lucid-strict-{os.getuid()}"


class CompileException(Exception):
    """A kernel's source is wrong; as ``cupy.cuda.compiler.CompileException``."""


@functools.cache
def library(source: str) -> ctypes.PyDLL:
    """The shared library of a source; PyDLL, because the prelude's thread indices are global and the GIL guards them."""
    program = compiler()
    if program is None:
        raise RuntimeError("strict: kernels are compiled with g++, which this machine lacks")
    digest = hashlib.sha256("\0".join((SOURCE, source, program, *OPTIONS)).encode()).hexdigest()[:32]
    target = cache_folder() / f"{digest}.so"
    if not target.exists():
        header = _header(program)
        with tempfile.TemporaryDirectory(dir=target.parent) as work:
            code, made = Path(work) / "kernel.cpp", Path(work) / "kernel.so"
            code.write_text(source)
            _compile([program, *OPTIONS, "-shared", "-include", str(header), "-o", str(made), str(code)], source)
            os.replace(made, target)  # another process may have made the same: either will do
    return ctypes.PyDLL(str(target))


def _header(program: str) -> Path:
    """The prelude, compiled once: it takes four times as long as a kernel."""
    digest = hashlib.sha256("\0".join((SOURCE, program, *OPTIONS)).encode()).hexdigest()[:32]
    folder = cache_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    header = folder / f"{digest}.h"
    if not header.with_suffix(".h.gch").exists():
        with tempfile.TemporaryDirectory(dir=folder) as work:
            plain, made = Path(work) / "prelude.h", Path(work) / "prelude.h.gch"
            plain.write_text(SOURCE)
            _compile([program, *OPTIONS, "-x", "c++-header", "-o", str(made), str(plain)], SOURCE)
            os.replace(plain, header)
            os.replace(made, header.with_suffix(".h.gch"))
    return header


def _compile(command: list[str], source: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CompileException(f"{done.stderr[:4000]}\n{source}")
