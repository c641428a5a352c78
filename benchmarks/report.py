"""Rows as text while they come, as Markdown for the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import Row

BEGIN = "<!-- benchmarks: begin (written by `python -m benchmarks --markdown docs/benchmarks.md`) -->"
END = "<!-- benchmarks: end -->"


def duration(time: float) -> str:
    """Three digits and a unit."""
    sign, time = ("-", -time) if time < 0 else ("", time)
    for scale, unit in ((1e-9, "ns"), (1e-6, "us"), (1e-3, "ms")):
        if time < 999.5 * scale:
            figure = time / scale
            digits = max(0, 2 - len(str(int(figure))) + (figure >= 1 or figure == 0))
            return f"{sign}{figure:.{digits}f} {unit}"
    return f"{sign}{time:.2f} s"


def ratio(row: Row) -> str:
    """lucid over torch, with its quartiles."""
    if "torch" not in row.ratios:
        return "-"
    low, middle, high = row.ratios["torch"]
    return f"{middle:.2f}x [{low:.2f} {high:.2f}]"


def cell(row: Row, who: str) -> str:
    """One contestant's time, or why there is none."""
    if who in row.times:
        return duration(row.times[who].median)
    return row.missing.get(who, "-").split(" (")[0]


def variant(row: Row, who: str) -> str:
    """Another build of torch: its time, and lucid over it."""
    return cell(row, who) + (f" ({row.ratios[who][1]:.2f}x)" if who in row.ratios else "")


def others(rows: Sequence[Row]) -> list[str]:
    """Contestants besides lucid, numpy and torch, in the order they appear."""
    seen = dict.fromkeys(key for row in rows for key in (*row.times, *row.missing))
    return [key for key in seen if key not in ("lucid", "torch", "numpy", "a later call")]


class Text:
    """Prints rows as they come, with a heading per section."""

    def __init__(self) -> None:
        self.section = ""

    def __call__(self, row: Row) -> None:
        if row.section != self.section:
            self.section = row.section
            columns = "" if row.value else f"{'lucid':>14} {'torch':>14}  {'lucid/torch [quartiles]':<24}"
            columns += f" {'numpy':>8} {'above':>8}" if "numpy" in row.times else ""
            print(f"\n{row.section}" + (f"\n  {'':<45} {columns.rstrip()}" if columns else ""))
        if row.value:
            print(f"  {row.name:<45} {row.value}" + (f"  goal: {row.goal}" if row.goal else ""))
        else:
            line = f"{cell(row, 'lucid'):>14} {cell(row, 'torch'):>14}  {ratio(row):<24}"
            if "numpy" in row.times:
                above = "-" if row.above_numpy is None else duration(row.above_numpy)
                line += f" {cell(row, 'numpy'):>8} {above:>8}"
            extra = "".join(f"; {key} {variant(row, key)}" for key in others([row]))
            print(f"  {row.name:<45} {line}  goal {row.goal}{extra}")
        for who, why in row.missing.items():
            if why.startswith("error"):
                print(f"  {'':<45} {who}: {why}")
        if row.note:
            print(f"  {'':<45} note: {row.note.rstrip('; ')}")


def markdown(report: dict[str, Any], rows: Sequence[Row]) -> str:
    """The conditions and one table per section."""
    from benchmarks.environment import header_lines

    lines = [f"### {report['threads'] or 'Default'} thread(s)", "", "```text", *header_lines(report), "```", ""]
    for section in dict.fromkeys(row.section for row in rows):
        mine = [row for row in rows if row.section == section]
        lines += [f"**{section}**", ""]
        lines += _facts(mine) if all(row.value for row in mine) else _races(mine)
        lines.append("")
    return "\n".join(lines)


def _table(head: list[str], body: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *body)]


def _facts(rows: Sequence[Row]) -> list[str]:
    return _table(["", "measured", "goal"], [[row.name, row.value, row.goal] for row in rows])


def _races(rows: Sequence[Row]) -> list[str]:
    extra = others(rows)
    numpy = any("numpy" in row.times for row in rows)
    head = ["", "lucid", "torch", "lucid/torch [quartiles]", *extra]
    head += ["numpy", "above numpy"] if numpy else []
    body = []
    for row in rows:
        line = [row.name, row.value or cell(row, "lucid"), cell(row, "torch"), ratio(row)]
        line += [variant(row, key) for key in extra]
        if numpy:
            line += [cell(row, "numpy"), "-" if row.above_numpy is None else duration(row.above_numpy)]
        body.append([*line, row.goal + (f" ({row.note.rstrip('; ')})" if row.note else "")])
    return _table([*head, "goal"], body)


def write_markdown(path: Path, text: str) -> None:
    """Replaces what stands between the marks of an existing page; writes a new file otherwise."""
    page = path.read_text() if path.exists() else f"{BEGIN}\n{END}\n"
    if BEGIN not in page or END not in page:
        raise SystemExit(f"{path}: no marks to write the tables between:\n{BEGIN}\n{END}")
    before, rest = page.split(BEGIN, 1)
    path.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{rest.split(END, 1)[1]}")
