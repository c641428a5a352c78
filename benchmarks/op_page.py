"""The page of single ops: `python -m benchmarks.op_page` measures them all with one thread and writes `docs/op-speed.md`.

Each row above 1.5 times torch needs its reason in ``op_reasons.py``; rows without one are listed at the end of the run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import environment
from benchmarks.op_reasons import REASONS

LIMIT = 1.5
BEGIN = "<!-- op-speed: begin (written by `python -m benchmarks.op_page`) -->"
END = "<!-- op-speed: end -->"
BACKWARD = " + backward"


def measure(rounds: int, seconds: float) -> dict[str, Any]:
    """The report of all sections but convolution (which has a page of its own), each measured in a process of its own:
    thread counts are read when a BLAS loads, and memory that one section left behind is not another's luck."""
    from benchmarks import ops

    report: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder, "ops.json")
        for section in ops.TABLES:
            if section.startswith("Convolution"):
                continue
            command = [sys.executable, "-m", "benchmarks", "ops", "--threads", "1", "--json", str(found)]
            command += ["--rounds", str(rounds), "--time", str(seconds), "--only", section]
            subprocess.run(command, cwd=environment.ROOT, env=environment.wanted_environment(1), check=False)
            report = json.loads(found.read_text())[0]
            rows += [row for row in report["rows"] if row["section"] == section]
    return {**report, "rows": rows}


def _figures(row: dict[str, Any] | None) -> tuple[str, float | None]:
    """Both times, and the ratio as the rounds saw it."""
    from benchmarks.report import duration

    if row is None:
        return "- | -", None
    if "torch" not in row["ratios"]:
        return f"{row['missing'].get('lucid') or row['missing'].get('torch') or '-'} | -", None
    ours, theirs = (duration(row["times"][who]["median"]) for who in ("lucid", "torch"))
    ratio = row["ratios"]["torch"][1]
    shown = f"**{ratio:.2f}x**" if ratio > LIMIT else f"{ratio:.2f}x"
    return f"{ours} / {theirs} | {shown}", ratio


def tables(report: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The lines of the page, and the names of rows above the limit that have no reason."""
    lines, unexplained = [], []
    for section in dict.fromkeys(row["section"] for row in report["rows"]):
        mine = {row["name"]: row for row in report["rows"] if row["section"] == section}
        lines += [f"## {section}", "", "| op | forward: lucid / torch | ratio | with backward | ratio | why |"]
        lines += ["| --- | --- | --- | --- | --- | --- |"]
        for name, row in mine.items():
            if name.endswith(BACKWARD):
                continue
            (forward, a), (both, b) = _figures(row), _figures(mine.get(name + BACKWARD))
            slow = any(ratio is not None and ratio > LIMIT for ratio in (a, b))
            reason = REASONS.get(name, "") if slow else ""
            if slow and not reason:
                unexplained.append(f"{section} / {name}")
            lines.append(f"| {name} | {forward} | {both} | {reason} |")
        lines.append("")
    return lines, unexplained


def publish(path: Path, report: dict[str, Any]) -> list[str]:
    """Write the tables between the marks of the page; returns what lacks a reason."""
    lines, unexplained = tables(report)
    header = ["```text", *environment.header_lines(report), "```", ""]
    before, rest = path.read_text().split(BEGIN, 1)
    text = "\n".join([BEGIN, "", *header, *lines])
    path.write_text(before + text + END + rest.split(END, 1)[1])
    return unexplained


def main(argv: Sequence[str] | None = None) -> int:
    """1 if a row above the limit has no reason."""
    parser = argparse.ArgumentParser(prog="benchmarks.op_page", description=__doc__)
    parser.add_argument("page", nargs="?", type=Path, default=environment.ROOT / "docs" / "op-speed.md")
    parser.add_argument("--rounds", type=int, default=15, help="alternating rounds per row (15)")
    parser.add_argument("--time", type=float, default=0.02, metavar="S", help="seconds per round (0.02)")
    args = parser.parse_args(argv)
    unexplained = publish(args.page, measure(args.rounds, args.time))
    print(f"wrote {args.page}")
    if unexplained:
        print(f"above {LIMIT}x and without a reason in benchmarks/op_reasons.py:", *unexplained, sep="\n  ")
    return int(bool(unexplained))


if __name__ == "__main__":
    sys.exit(main())
