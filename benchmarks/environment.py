"""The conditions of a measurement: set before NumPy loads, printed with every result.

Only the standard library is imported here: a BLAS reads its variables once, when it loads, so whatever this
module changes has to be changed before anybody imports NumPy.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PREFIXES = ("OPENBLAS_", "OMP_", "MKL_", "GOTO_", "VECLIB_", "BLIS_", "GOMP_", "KMP_", "NUMEXPR_", "MALLOC_")
# Some machines export these; no user has them, and `Haswell` halves OpenBLAS's matmul on some chips with AVX-512.
UNWANTED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
REMOVED = "LUCID_BENCH_REMOVED"  # carries across the restart what was taken away, for the header


def wanted_environment(threads: int | None) -> dict[str, str]:
    """The environment a measurement should run in: `UNWANTED` gone, thread counts set if asked for."""
    env = dict(os.environ)
    removed = [f"{name}={env.pop(name)}" for name in UNWANTED if name in env]
    if removed:
        env[REMOVED] = " ".join(removed)
    if threads is not None:
        env.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    return env


def restart_if_needed(threads: int | None) -> None:
    """Replaces this process by the same command in the wanted environment, unless it is already in it."""
    env = wanted_environment(threads)
    if env == dict(os.environ):
        return
    gone = [name for name in UNWANTED if name in os.environ]
    if gone:
        print(f"benchmarks: {', '.join(gone)} set in this environment; starting again without.", flush=True)
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], env)


def cpu_model() -> str:
    """The processor's name as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    if sys.platform == "darwin":
        return subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False
        ).stdout.strip()
    return platform.processor() or platform.machine()


def cpu_count() -> int:
    """Cores this process may use, which in a container is fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def variables() -> dict[str, str]:
    """Every variable that a BLAS, an OpenMP runtime or the allocator would read."""
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith(PREFIXES)}


def thread_pools() -> list[dict[str, Any]]:
    """threadpoolctl's view of the libraries loaded so far; empty if it is not installed."""
    if importlib.util.find_spec("threadpoolctl") is None:
        return []
    import threadpoolctl

    return threadpoolctl.threadpool_info()


def commit() -> str:
    """The repository's commit, with a + if lucid or the benchmarks differ from it."""

    def git(*args: str) -> str:
        run = subprocess.run(["git", "-C", str(ROOT), *args], capture_output=True, text=True, check=False)
        return run.stdout.strip()

    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "lucid", "benchmarks") else "")


def describe(versions: dict[str, str], *, threads: int | None, gc_off: bool) -> dict[str, Any]:
    """Everything somebody else needs to know before comparing figures with theirs."""
    return {
        "versions": {"python": f"{platform.python_implementation()} {platform.python_version()}", **versions},
        "commit": commit(),
        "system": platform.platform(),
        "cpu": cpu_model(),
        "cores": cpu_count(),
        "load": [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "threads": threads,
        "gc": "off while timing, as in timeit" if gc_off else "on",
        "variables": variables(),
        "removed": os.environ.get(REMOVED, ""),
        "thread_pools": thread_pools(),
    }


def header_lines(env: dict[str, Any]) -> list[str]:
    """The header as text."""
    lines = [
        "  ".join(f"{name} {version}" for name, version in env["versions"].items()) + f"  commit {env['commit']}",
        f"{env['cpu']}, {env['cores']} cores usable, load {env['load']}, {env['system']}",
        f"threads {env['threads'] or 'as the libraries choose'}; garbage collector {env['gc']}",
        "variables: " + (" ".join(f"{k}={v}" for k, v in env["variables"].items()) or "none set"),
    ]
    if env["removed"]:
        lines.append(f"removed before the start: {env['removed']}")
    for pool in env["thread_pools"]:
        lines.append("pool: " + " ".join(f"{key}={pool[key]}" for key in sorted(pool) if key != "filepath"))
        lines.append(f"      {pool.get('filepath')}")
    if not env["thread_pools"]:
        lines.append("pool: unknown, threadpoolctl is not installed")
    return lines
