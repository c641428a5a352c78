"""Import time and memory: what lucid costs before and after it computes."""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.core import mlp, small_graph, steps
from benchmarks.harness import Bench
from benchmarks.libraries import Library

# numpy first, in the same process: what is left is what lucid itself adds.
IMPORT = """
import sys, threading, time
start = time.perf_counter(); import numpy; middle = time.perf_counter(); import {name}; end = time.perf_counter()
print(middle - start, end - middle, threading.active_count())
"""


def register(bench: Bench) -> None:
    """All rows, in order."""
    bench.section("Import: fresh processes, median of 9")
    for name, goal in (("lucid", "<= 40 ms over import numpy"), ("torch", "")):
        if name in bench.libraries:
            bench.fact(f"import {name}", partial(import_time, bench.libraries[name]), goal=goal)
    if "lucid" in bench.libraries:
        lucid = bench.libraries["lucid"]
        bench.section("Memory: tracemalloc, garbage collector off")
        bench.fact("300-op graph: peak", lambda: graph_memory(lucid, backward=False)[0])
        bench.fact("300-op graph: left when the loss goes", lambda: graph_memory(lucid, backward=False)[1], goal="0 B")
        bench.fact("300-op graph and backward: peak", lambda: graph_memory(lucid, backward=True)[0])
        bench.fact("300-op graph and backward: left", lambda: graph_memory(lucid, backward=True)[1], goal="0 B")
        bench.fact("30 graphs of 1 MB, dropped: left", lambda: dropped_graphs(lucid), goal="0 B")
        bench.fact("objects in reference cycles after all this", lambda: cycles(lucid), goal="0")


def import_time(library: Library) -> str:
    """Median over fresh processes; the first run is not counted, it fills the disk cache and writes bytecode."""
    env = dict(os.environ, PYTHONPATH=str(library.path.parent))
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # or every run would compile lucid's sources, as no user's does
    command = [sys.executable, "-c", IMPORT.format(name=library.name)]
    lines = []
    for _ in range(10):
        run = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        lines.append([float(word) for word in run.stdout.split()])
    numpy, ours, threads = zip(*lines[1:], strict=True)
    low, *_, high = sorted(ours)
    return (
        f"{statistics.median(ours) * 1e3:.1f} ms over import numpy ({statistics.median(numpy) * 1e3:.0f} ms); "
        f"{low * 1e3:.1f} to {high * 1e3:.1f}; {int(max(threads)) - 1} threads started"
    )


def size(count: int) -> str:
    """Bytes, readable."""
    if abs(count) < 4096:
        return f"{count} B"
    return f"{count / 1024:.1f} KiB" if abs(count) < 4 << 20 else f"{count / 2**20:.1f} MiB"


def held() -> int:
    """Bytes that Python objects and NumPy arrays hold, unused free lists emptied and reference cycles left alone."""
    gc.freeze()  # the full collection empties CPython's free lists, and finds no cycles among frozen objects
    gc.collect()
    gc.unfreeze()
    return tracemalloc.get_traced_memory()[0]


def traced(work: Callable[[], Any], times: int = 10) -> tuple[int, int]:
    """The peak of one `work`, and the bytes that each further one leaves behind, with the collector off."""
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(times):  # NumPy keeps a few small buffers per size
            work()
        first = held()
        tracemalloc.reset_peak()
        for _ in range(times):
            work()
        _, peak = tracemalloc.get_traced_memory()
        last = held()
    finally:
        tracemalloc.stop()
        gc.enable()
    return peak - first, max(0, last - first) // times


def graph_memory(L: Library, *, backward: bool) -> tuple[str, str]:
    """Peak of the small graph while it lives, and what stays of it when the loss goes."""
    forward = small_graph(L)

    def run() -> None:
        loss = forward()
        if backward:
            loss.backward()
            for leaf in forward.leaves:  # type: ignore[attr-defined]
                leaf.grad = None

    peak, left = traced(run)
    return size(peak), size(left)


def dropped_graphs(L: Library) -> str:
    """Lucid 2 held 240 MB after this."""
    import numpy as np

    w = L.tensor(np.ones((512, 512), np.float32), grad=True)

    def run() -> None:
        for _ in range(30):
            y = (w * w).exp()
            (y * y).sum()

    return size(traced(run, 1)[1])


def cycles(L: Library) -> str:
    """Objects that only the cyclic collector can free after a graph, its backward and a training step."""
    import numpy as np

    step = steps(L, mlp(L, 16, 16, 10), np.random.default_rng(0).random((4, 8, 16), dtype=np.float32))
    step()
    gc.collect()
    gc.disable()
    try:
        step()
        return str(gc.collect())
    finally:
        gc.enable()
