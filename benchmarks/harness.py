"""`Bench`: contestants of one row timed in alternating rounds of one process.

A B A B ... instead of A A ... B B ..., because a shared machine drifts: both see the same weather, and the ratio is
taken round by round, so its quartiles say how far to trust it. Inner loops are calibrated as `timeit` does, and the
garbage collector is off as `timeit` does; what it would have had to collect is counted and printed instead.
"""

from __future__ import annotations

import gc
import itertools
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.libraries import Library

Run = Callable[[], Any]
Build = Callable[[Library], Run]


@dataclass
class Options:
    """How long and how often to measure."""

    rounds: int = 15
    round_seconds: float = 0.02
    gc_off: bool = True
    only: str = ""


@dataclass
class Timing:
    """Seconds per unit of one contestant: median and quartiles over the rounds, the worst round, calls per round."""

    median: float
    low: float
    high: float
    worst: float
    loops: int


@dataclass
class Row:
    """One line of the table."""

    section: str
    name: str
    goal: str = ""
    times: dict[str, Timing] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    ratios: dict[str, tuple[float, ...]] = field(default_factory=dict)
    above_numpy: float | None = None
    value: str = ""
    note: str = ""


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def seconds(run: Run, loops: int) -> float:
    """Wall time of `loops` calls, with timeit's loop."""
    repeat = itertools.repeat(None, loops)
    start = time.perf_counter()
    for _ in repeat:
        run()
    return time.perf_counter() - start


def calibrate(run: Run, wanted: float) -> int:
    """The number of calls that fills one round; also the warm-up."""
    loops = 1
    while (spent := seconds(run, loops)) < wanted / 2:
        loops = max(loops * 2, math.ceil(loops * wanted / max(spent, 1e-9) / 2))
    return max(1, round(loops * wanted / spent))


def difference(ours: Any, theirs: Any) -> float:
    """Largest difference relative to the larger of the two arrays' sizes; inf if shapes differ or NaNs do."""
    import numpy as np

    a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if a.shape != b.shape:
        return math.inf
    if not a.size:
        return 0.0
    scale = max(float(np.abs(b).max()), 1e-30)
    worst = float(np.abs(a - b).max()) / scale
    return worst if worst == worst else math.inf


class Bench:
    """Collects rows, printing each as it is done."""

    def __init__(self, libraries: dict[str, Library], options: Options, show: Callable[[Row], None]) -> None:
        self.libraries = libraries
        self.options = options
        self.show = show
        self.rows: list[Row] = []
        self.failures: list[str] = []
        self.title = ""

    def section(self, title: str) -> None:
        """Starts a table."""
        self.title = title

    def wants(self, name: str) -> bool:
        """Whether `--only` selects this row."""
        return self.options.only.lower() in f"{self.title} {name}".lower()

    def row(
        self,
        name: str,
        build: Build,
        *,
        goal: str = "<= 1.0x",
        per: int = 1,
        numpy: Run | None = None,
        variants: dict[str, Build] | None = None,
        compare: bool = True,
        tolerance: float = 1e-3,
    ) -> None:
        """Times `build(library)()` for every library, a NumPy function beside it, and further builds of torch.

        What the built function returns (a tensor, a tuple of tensors, or None) is compared between lucid and torch
        before any clock starts, to `tolerance` of the largest element: a fast wrong answer is worth nothing. `per`
        divides the time of one call.
        """
        if not self.wants(name):
            return
        row = Row(self.title, name, goal)
        builds: dict[str, tuple[Library, Build]] = {key: (lib, build) for key, lib in self.libraries.items()}
        for key, variant in (variants or {}).items():
            if "torch" in self.libraries:
                builds[key] = self.libraries["torch"], variant
        runs: dict[str, Run] = {}
        answers: dict[str, list[Any]] = {}
        for key, (library, make) in builds.items():
            run = self._prepare(row, key, library, make, answers)
            if run is not None:
                runs[key] = run
        if numpy is not None:
            runs["numpy"] = numpy
        if "lucid" in runs:
            self._count_garbage(row, runs["lucid"])
        if compare and "lucid" in answers and "torch" in answers:
            self._compare(row, answers["lucid"], answers["torch"], tolerance)
        samples = self._measure(row, runs)
        for key, (loops, times) in samples.items():
            times = [t / per for t in times]
            low, middle, high = quartiles(times)
            row.times[key] = Timing(middle, low, high, max(times), loops)
        for key, (_, theirs) in samples.items():
            if "lucid" in samples and key not in ("lucid", "numpy"):
                row.ratios[key] = quartiles([a / b for a, b in zip(samples["lucid"][1], theirs, strict=True)])
        if "lucid" in samples and "numpy" in samples:
            pairs = zip(samples["lucid"][1], samples["numpy"][1], strict=True)
            row.above_numpy = statistics.median((a - b) / per for a, b in pairs)
        self._done(row)

    def fact(self, name: str, value: Callable[[], str], *, goal: str = "", note: str = "") -> None:
        """A row that is not a race: `value` measures and formats by itself."""
        if not self.wants(name):
            return
        row = Row(self.title, name, goal, note=note)
        try:
            row.value = value()
        except Exception as error:  # a fault of one row must not cost the others
            if lacks(self.libraries["lucid"], error):
                row.value = f"not available ({error})"
            else:
                self._fail(row, "lucid", error)
        self._done(row)

    def _prepare(self, row: Row, key: str, library: Library, make: Build, answers: dict[str, list[Any]]) -> Run | None:
        try:
            run = make(library)
            result = run()
            if result is not None:
                parts = result if isinstance(result, tuple) else (result,)
                # Copied: later calls may write into the same memory (an optimizer's parameters).
                answers[key] = [library.array(part).copy() for part in parts]
        except Exception as error:
            if lacks(library, error):
                row.missing[key] = f"not available ({error})"
            else:
                self._fail(row, key, error)
            return None
        return run

    def _measure(self, row: Row, runs: dict[str, Run]) -> dict[str, tuple[int, list[float]]]:
        """Alternating rounds, each led by another contestant: seconds per call of each."""
        gc.collect()
        was_on = gc.isenabled()
        if self.options.gc_off:
            gc.disable()
        try:
            loops = {key: calibrate(run, self.options.round_seconds) for key, run in runs.items()}
            times: dict[str, list[float]] = {key: [] for key in runs}
            order = list(runs)
            for _ in range(self.options.rounds):
                for key in order:
                    runs[key]()  # not timed: the caches are still full of the others' data
                    times[key].append(seconds(runs[key], loops[key]) / loops[key])
                order.append(order.pop(0))  # or one would always run behind the same other
        except Exception as error:  # a second call can fail where the first did not (a freed graph, say)
            self._fail(row, "a later call", error)
            return {}
        finally:
            if was_on:
                gc.enable()
        return {key: (loops[key], times[key]) for key in runs}

    def _count_garbage(self, row: Row, run: Run) -> None:
        """With the collector off, reference cycles would be hidden; one call shows them."""
        gc.collect()
        gc.disable()
        try:
            run()
            found = gc.collect()
        finally:
            gc.enable()
        if found:
            row.note += f"{found} objects in reference cycles per call; "

    def _compare(self, row: Row, ours: list[Any], theirs: list[Any], tolerance: float) -> None:
        worst = max((difference(a, b) for a, b in zip(ours, theirs, strict=True)), default=0.0)
        if worst > tolerance:
            row.note += f"lucid's answer differs from torch's by {worst:.1e}; "
            self.failures.append(f"{row.section} / {row.name}: answers differ by {worst:.1e}")

    def _fail(self, row: Row, who: str, error: Exception) -> None:
        text = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        row.missing[who] = f"error ({text})"
        self.failures.append(f"{row.section} / {row.name}, {who}: {text}")

    def _done(self, row: Row) -> None:
        self.rows.append(row)
        self.show(row)
        sys.stdout.flush()


def lacks(library: Library, error: Exception) -> bool:
    """Whether the error says that lucid has no such name or argument, rather than that something in it is broken."""
    if isinstance(error, AttributeError):
        owner = error.obj
        if owner is None:
            return None in (library.nn, library.F, library.optim)
        return (getattr(owner, "__name__", None) or type(owner).__module__).split(".")[0] == library.name
    return isinstance(error, TypeError) and "unexpected keyword argument" in str(error)


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows as plain data."""
    return [asdict(row) for row in rows]


def from_json(data: dict[str, Any]) -> Row:
    """The row that `as_json` wrote."""
    times = {key: Timing(**timing) for key, timing in data["times"].items()}
    return Row(**{**data, "times": times})
