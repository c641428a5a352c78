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
        bench.fact("300-op graph: peak while alive", lambda: graph_memory(lucid)[0])
        bench.fact("300-op graph: left after the loss goes", lambda: graph_memory(lucid)[1], goal="0")
        bench.fact("300-op graph: left after backward, loss kept", lambda: graph_memory(lucid)[2])
        bench.fact("30 graphs of 1 MB, dropped: left", lambda: dropped_graphs(lucid), goal="0")
        bench.fact("objects in reference cycles after all this", lambda: cycles(lucid), goal="0")


def import_time(library: Library) -> str:
    """Median over fresh processes; the first run is not counted, it fills the disk cache and writes bytecode."""
    env = dict(os.environ, PYTHONPATH=str(library.path.parent))
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


def traced(work: Callable[[], Any]) -> tuple[Any, int, int]:
    """What `work` returns, the peak and the bytes still held after it, with the collector off; what tracing itself
    holds is taken off."""
    gc.collect()
    gc.disable()
    work()  # fills CPython's and NumPy's free lists, which the collector has just emptied and which are no leak
    tracemalloc.start()
    try:
        _, idle_peak, idle = _measured(lambda: None)
        result, peak, left = _measured(work)
    finally:
        tracemalloc.stop()
        gc.enable()
    return result, max(0, peak - idle_peak), max(0, left - idle)


def _measured(work: Callable[[], Any]) -> tuple[Any, int, int]:
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    result = work()
    after, peak = tracemalloc.get_traced_memory()
    return result, peak - before, after - before


def graph_memory(L: Library) -> tuple[str, str, str]:
    """Peak of a small graph; what stays when the loss is dropped; what stays when only the saved arrays may go."""
    from benchmarks.core import small_graph

    forward = small_graph(L)

    def run() -> None:
        forward()

    def keep() -> Any:
        loss = forward()
        loss.backward()
        for leaf in forward.leaves:  # type: ignore[attr-defined]
            leaf.grad = None
        return loss

    _, peak, left = traced(run)
    _, _, kept = traced(keep)
    return size(peak), size(left), size(kept)


def dropped_graphs(L: Library) -> str:
    """Lucid 2 held 240 MB after this."""
    import numpy as np

    w = L.tensor(np.ones((512, 512), np.float32), grad=True)

    def run() -> None:
        for _ in range(30):
            y = (w * w).exp()
            (y * y).sum()

    return size(traced(run)[2])


def cycles(L: Library) -> str:
    """Objects that only the cyclic collector can free after a graph, its backward and a training step."""
    import numpy as np

    from benchmarks.core import mlp, steps

    step = steps(L, mlp(L, 16, 16, 10), np.random.default_rng(0).random((4, 8, 16), dtype=np.float32))
    step()
    gc.collect()
    gc.disable()
    try:
        step()
        return str(gc.collect())
    finally:
        gc.enable()
