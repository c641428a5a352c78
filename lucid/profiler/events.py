"""Events added up by name, as a table or a file for chrome://tracing."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable
from typing import Any

from .trace import FunctionEvent


class FunctionEventAvg:
    """All events of one name (and of one list of input shapes)."""

    def __init__(self, key: str, input_shapes: list):
        self.key, self.input_shapes = key, input_shapes
        self.count = self.cpu_memory_usage = self.flops = 0
        self.cpu_time_total = self.self_cpu_time_total = 0.0
        self.device_time_total = self.self_device_time_total = self.device_time = 0.0  # devices are not timed
        self.cuda_time_total = self.self_cuda_time_total = self.cuda_time = 0.0

    def add(self, event: FunctionEvent) -> None:
        self.count += 1
        self.cpu_time_total += event.cpu_time_total
        self.self_cpu_time_total += event.self_cpu_time_total
        self.cpu_memory_usage += event.cpu_memory_usage
        self.flops += event.flops

    @property
    def name(self) -> str:
        return self.key

    @property
    def self_cpu_memory_usage(self) -> int:
        return self.cpu_memory_usage

    @property
    def cpu_time(self) -> float:
        return self.cpu_time_total / self.count if self.count else 0.0

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={shown_time(self.self_cpu_time_total)} "
            f"cpu_time={shown_time(self.cpu_time)} count={self.count} input_shapes={self.input_shapes}>"
        )


class EventList(list):
    """Events, or averages of them, that can be added up, sorted and printed."""

    def __init__(self, events: Iterable[Any] = (), memory: bool = False, shapes: bool = False, flops: bool = False):
        super().__init__(events)
        self._memory, self._shapes, self._flops = memory, shapes, flops

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> EventList:
        """One row per name, or per name and input shapes."""
        rows: dict[Any, FunctionEventAvg] = {}
        for event in self:
            shapes = event.input_shapes if group_by_input_shape else []
            key = event.name, str(shapes)
            if key not in rows:
                rows[key] = FunctionEventAvg(event.name, shapes)
            rows[key].add(event)
        return EventList(rows.values(), self._memory, group_by_input_shape, self._flops)

    def total_average(self) -> FunctionEventAvg:
        """All events as one."""
        total = FunctionEventAvg("Total", [])
        for event in self:
            total.add(event)
        return total

    @property
    def self_cpu_time_total(self) -> float:
        """The time of all events in us, no moment counted twice."""
        return sum(event.self_cpu_time_total for event in self)

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
    ) -> str:
        """A table in PyTorch's layout; ``sort_by`` is a column such as ``"self_cpu_time_total"`` or ``"count"``.

        AttributeError for what is no column.
        """
        rows = list(self)
        if top_level_events_only:
            rows = [r for r in rows if getattr(r, "depth", 0) == 0]
        if sort_by is not None:
            rows.sort(key=lambda r: getattr(r, sort_by), reverse=True)
        total = self.self_cpu_time_total
        head = ["Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg"]
        head += (
            ["CPU Mem"] * self._memory
            + ["# of Calls"]
            + ["Input Shapes"] * self._shapes
            + ["Total MFLOPs"] * self._flops
        )
        lines = []
        for r in rows[: row_limit if row_limit >= 0 else None]:
            name = r.key if len(r.key) <= max_name_column_width else r.key[: max_name_column_width - 3] + "..."
            line = [name, _share(r.self_cpu_time_total, total), shown_time(r.self_cpu_time_total)]
            line += [_share(r.cpu_time_total, total), shown_time(r.cpu_time_total), shown_time(r.cpu_time)]
            line += [shown_bytes(r.cpu_memory_usage)] * self._memory + [str(getattr(r, "count", 1))]
            line += [str(r.input_shapes)[:max_shapes_column_width]] * self._shapes
            line += [f"{r.flops / 1e6:.3f}" if r.flops else "--"] * self._flops
            lines.append(line)
        widths = [max(len(line[k]) for line in [head, *lines]) for k in range(len(head))]
        rule = "  ".join("-" * w for w in widths)

        def text(line: list[str]) -> str:
            return "  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True))

        out = [rule, text(head), rule, *map(text, lines), rule, f"Self CPU time total: {shown_time(total)}", ""]
        return "\n".join([header, *out] if header else out)

    def __str__(self) -> str:
        return self.table()

    def export_chrome_trace(self, path: str | os.PathLike) -> None:
        """A JSON file for chrome://tracing or Perfetto; compressed if the name ends in ``.gz``."""
        events = [
            {
                "ph": "X", "cat": e.kind, "name": e.name, "pid": os.getpid(), "tid": e.thread, "ts": e.start, "dur": e.cpu_time_total,
                "args": {"Input Dims": e.input_shapes} if e.input_shapes else {},
            }
            for e in self
        ]  # fmt: skip
        text = json.dumps({"schemaVersion": 1, "displayTimeUnit": "ms", "traceEvents": events})
        opened: Any = gzip.open if os.fspath(path).endswith(".gz") else open
        with opened(path, "wt", encoding="utf-8") as file:
            file.write(text)


def shown_time(us: float) -> str:
    """As PyTorch's tables show times: 12.345us, 1.234ms, 2.000s."""
    return f"{us / 1e6:.3f}s" if us >= 1e6 else f"{us / 1e3:.3f}ms" if us >= 1e3 else f"{us:.3f}us"


def shown_bytes(n: int) -> str:
    """As PyTorch's tables show memory: 512 B, 4.00 KB."""
    for size, unit in ((2**30, "GB"), (2**20, "MB"), (2**10, "KB")):
        if abs(n) >= size:
            return f"{n / size:.2f} {unit}"
    return f"{n} B"


def _share(part: float, total: float) -> str:
    return f"{part / total * 100:.2f}%" if total else "NaN"
