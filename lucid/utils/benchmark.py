"""Times of short statements: ``torch.utils.benchmark``."""

from __future__ import annotations

import itertools
import statistics
import textwrap
import timeit
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Any

from ..threads import get_num_threads, set_num_threads

__all__ = ["Compare", "Measurement", "Timer", "timer"]
timer = timeit.default_timer
_UNITS = ((1e-9, "ns"), (1e-6, "us"), (1e-3, "ms"), (1.0, "s"))


def _unit(seconds: float) -> tuple[float, str]:
    return next(((size, name) for size, name in reversed(_UNITS) if seconds >= size), _UNITS[0])


class Measurement:
    """What a Timer found: ``raw_times`` of runs of ``number_per_run`` calls each; times of a call are in seconds."""

    def __init__(self, number_per_run: int, raw_times: list[float], spec: Timer, metadata: dict | None = None):
        self.number_per_run, self.raw_times, self.task_spec, self.metadata = number_per_run, raw_times, spec, metadata

    @property
    def times(self) -> list[float]:
        """The time of a call in each run, in seconds."""
        return [t / self.number_per_run for t in self.raw_times]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.times)

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    @property
    def iqr(self) -> float:
        """The distance of the quartiles."""
        low, high = self._quartiles()
        return high - low

    def _quartiles(self) -> tuple[float, float]:
        if len(self.times) < 2:
            return self.median, self.median
        low, _, high = statistics.quantiles(self.times, n=4, method="inclusive")
        return low, high

    @property
    def has_warnings(self) -> bool:
        """Whether the runs differ so much (a tenth of the median between quartiles) that the median says little."""
        return self.iqr > 0.1 * self.median

    @property
    def title(self) -> str:
        """Label, sub-label and description."""
        spec = self.task_spec
        label = spec.label or spec.stmt
        return label + (f": {spec.sub_label}" if spec.sub_label else "")

    @staticmethod
    def merge(measurements: Iterable[Measurement]) -> list[Measurement]:
        """Measurements of the same task joined into one."""
        groups: dict[Any, list[Measurement]] = {}
        for m in measurements:
            groups.setdefault(m.task_spec.key, []).append(m)
        return [
            Measurement(1, list(itertools.chain.from_iterable(m.times for m in group)), group[0].task_spec)
            for group in groups.values()
        ]

    def __repr__(self) -> str:
        size, name = _unit(self.median)
        spec, runs = self.task_spec, len(self.times)
        lines = [f"<lucid.utils.benchmark.Measurement object at {id(self):#x}>", self.title]
        lines += [spec.description] if spec.description else []
        if spec.setup not in ("pass", ""):
            lines.append(
                f"setup:\n{textwrap.indent(spec.setup, '  ')}\n" if "\n" in spec.setup else f"setup: {spec.setup}"
            )
        lines.append(f"  {'Median: ' * (runs > 1)}{self.median / size:.2f} {name}")
        if runs >= 4:
            low, high = self._quartiles()
            lines.append(f"  IQR:    {self.iqr / size:.2f} {name} ({low / size:.2f} to {high / size:.2f})")
        lines.append(
            f"  {runs} measurement{'s' * (runs != 1)}, {self.number_per_run} runs {'per measurement,' if runs > 1 else ','} "
            f"{spec.num_threads} thread{'s' * (spec.num_threads != 1)}"
        )
        if self.has_warnings:
            lines.append(
                f"  WARNING: Interquartile range is {100 * self.iqr / self.median:.1f}% of the median measurement."
            )
            gross = self.iqr > 0.25 * self.median
            lines.append(
                f"           This {'suggests significant environmental influence' if gross else 'could indicate system fluctuation'}."
            )
        return "\n".join(lines)


class Timer:
    """Times a statement, with one thread unless asked for more; ops on a device are waited for.

    >>> import lucid
    >>> from lucid.utils.benchmark import Timer
    >>> t = Timer("x @ x", globals={"x": lucid.ones(8, 8)}, label="product")
    >>> t.timeit(10).number_per_run
    10
    """

    def __init__(
        self, stmt: str = "pass", setup: str = "pass", global_setup: str = "", timer: Callable[[], float] = timer,
        globals: dict[str, Any] | None = None, label: str | None = None, sub_label: str | None = None, description: str | None = None,
        env: str | None = None, num_threads: int = 1, language: str = "py",
    ):  # fmt: skip
        if str(getattr(language, "value", language)).lower() not in ("py", "python", "0"):
            raise ValueError(f"Timer: lucid times Python, not {language!r}")
        if not isinstance(stmt, str):
            raise ValueError("Currently only a `str` stmt is supported.")
        stmt, setup = (textwrap.dedent(code).strip() for code in (stmt, setup))
        self.stmt, self.setup, self.label, self.sub_label, self.description = stmt, setup, label, sub_label, description
        self.env, self.num_threads = env, num_threads
        space = dict(globals or {})
        space.setdefault("lucid", __import__("lucid"))
        space.setdefault(
            "torch", space["lucid"]
        )  # in a program whose import lines were changed, statements may say torch
        exec(textwrap.dedent(global_setup), space)
        self._timer = timeit.Timer(stmt, setup, _after_devices(timer), space)

    @property
    def key(self) -> tuple:
        """What tells one task from another."""
        return self.label, self.sub_label, self.description, self.env, self.num_threads, self.stmt, self.setup

    def _run(self, number: int) -> float:
        if find_spec("threadpoolctl") is None:  # the number of threads cannot be set then (pip install lucid[threads])
            return max(self._timer.timeit(number), 1e-9)
        before = get_num_threads()
        set_num_threads(self.num_threads)
        try:
            return max(self._timer.timeit(number), 1e-9)
        finally:
            set_num_threads(before)

    def timeit(self, number: int = 1_000_000) -> Measurement:
        """One run of ``number`` calls, after a hundredth of them to warm up."""
        self._run(max(number // 100, 2))
        return Measurement(number, [self._run(number)], self)

    def repeat(self, repeat: int = -1, number: int = -1) -> None:
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def autorange(self, callback: Callable | None = None) -> None:
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def blocked_autorange(
        self, callback: Callable[[int, float], Any] | None = None, min_run_time: float = 0.2
    ) -> Measurement:
        """Runs of as many calls as make the clock's own time small, until ``min_run_time`` seconds have passed."""
        number = self._calls_per_run(min_run_time)
        return self._until(number, callback, lambda times: sum(times) >= min_run_time)

    def adaptive_autorange(
        self, threshold: float = 0.1, *, min_run_time: float = 0.01, max_run_time: float = 10.0,
        callback: Callable[[int, float], Any] | None = None,
    ) -> Measurement:  # fmt: skip
        """As ``blocked_autorange``, until the quartiles lie within ``threshold`` of the median or the time is up."""
        number = self._calls_per_run(0.05)

        def enough(times: list[float]) -> bool:
            steady = (
                len(times) > 3 and Measurement(number, times, self).iqr < threshold * statistics.median(times) / number
            )
            return sum(times) >= max_run_time or (steady and sum(times) >= min_run_time)

        return self._until(number, callback, enough)

    def _calls_per_run(self, min_run_time: float) -> int:
        number = 1
        while True:
            taken = self._run(number)
            if taken >= min(min_run_time / 1000, 1e-3) * 10 or taken >= min_run_time:
                return number
            number *= 10

    def _until(
        self, number: int, callback: Callable[[int, float], Any] | None, enough: Callable[[list[float]], bool]
    ) -> Measurement:
        times: list[float] = []
        while not times or not enough(times):
            times.append(self._run(number))
            if callback is not None:
                callback(number, times[-1])
        return Measurement(number, times, self)


def _after_devices(clock: Callable[[], float]) -> Callable[[], float]:
    """A clock that first waits for what is still running on a device."""
    from ..backends import loaded

    def wait() -> float:
        for backend in loaded():
            backend.synchronize()
        return clock()

    return wait


class Compare:
    """A table of measurements: a column per description, a row per sub-label (and number of threads).

    >>> from lucid.utils.benchmark import Compare, Timer
    >>> found = [Timer("1 + 1", label="sums", sub_label="ints", description=d).timeit(9) for d in ("a", "b")]
    >>> str(Compare(found)).splitlines()[0].strip(" [-]")
    'sums'
    """

    def __init__(self, results: list[Measurement]):
        self._results: list[Measurement] = list(results)
        self._trim = False

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """More measurements."""
        self._results.extend(results)

    def trim_significant_figures(self) -> None:
        """Show three digits."""
        self._trim = True

    def colorize(self, rowwise: bool = False) -> None:
        """Accepted; the table has no colours."""

    def highlight_warnings(self) -> None:
        """Accepted; nothing is marked."""

    def print(self) -> None:
        """Print the table."""
        import sys

        sys.stdout.write(str(self) + "\n")

    def __str__(self) -> str:
        found = Measurement.merge(self._results)
        labels = dict.fromkeys(m.task_spec.label for m in found)
        return "\n".join(self._table([m for m in found if m.task_spec.label == label]) for label in labels)

    def _table(self, found: list[Measurement]) -> str:
        size, name = _unit(min(m.median for m in found))
        columns = list(dict.fromkeys(m.task_spec.description or "" for m in found))
        cells: dict[Any, dict[str, str]] = {}
        for m in found:
            spec = m.task_spec
            text = f"{m.median / size:.3g}" if self._trim else f"{m.median / size:.1f}"
            cells.setdefault((spec.num_threads, spec.env, spec.sub_label or spec.stmt), {})[spec.description or ""] = (
                text
            )
        first = max(len(f"{env or ''} {row}") for _, env, row in cells) + 6
        widths = [max(len(c), *(len(line.get(c, "")) for line in cells.values())) for c in columns]
        head = " " * first + "".join(f"  |  {c:^{w}}" for c, w in zip(columns, widths, strict=True))
        title = f"[{(' ' + (found[0].task_spec.label or found[0].task_spec.stmt) + ' '):-^{max(len(head) - 2, 8)}}]"
        lines, threads = [title, head], None
        for (number, env, row), line in sorted(cells.items(), key=lambda item: item[0][0]):
            if number != threads:
                threads = number
                lines.append(f"{number} threads: ".ljust(len(head), "-"))
            label = f"{env + ' ' if env else ''}{row}"
            lines.append(
                f"      {label}".ljust(first)
                + "".join(f"  |  {line.get(c, ''):>{w}}" for c, w in zip(columns, widths, strict=True))
            )
        return "\n".join([*lines, "", f"Times are in {_NAMES[name]} ({name})."])


_NAMES = {"ns": "nanoseconds", "us": "microseconds", "ms": "milliseconds", "s": "seconds"}
