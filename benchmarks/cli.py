"""The command line that every benchmark shares.

Without `--threads` the command runs itself twice, with one thread (steady) and with two (what users get, noisy on
shared cores), each in a process of its own because thread counts are read when a BLAS loads.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import environment

SECTIONS = ("core", "footprint", "ops", "optim", "conv", "layers")


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The parsed command line."""
    parser = argparse.ArgumentParser(prog="benchmarks", description="lucid beside torch and NumPy, in one process.")
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], help="default: all")
    parser.add_argument("--threads", type=int, help="one run with this many threads; default: 1, then 2")
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose section or name contains TEXT")
    parser.add_argument("--rounds", type=int, default=15, help="alternating rounds per row (15)")
    parser.add_argument("--time", type=float, default=0.02, metavar="S", help="seconds per round (0.02)")
    parser.add_argument("--quick", action="store_true", help="5 rounds of 5 ms: does everything still run?")
    parser.add_argument("--gc", action="store_true", help="leave the garbage collector on while timing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to FILE")
    parser.add_argument(
        "--markdown", nargs="?", const="-", metavar="FILE", help="tables for a page: into FILE's marks, or printed"
    )
    return parser.parse_args(argv)


def main(sections: Sequence[str] = SECTIONS, argv: Sequence[str] | None = None) -> int:
    """Runs the sections; 0 unless a row raised or lucid's answer was not torch's. Time never fails a run."""
    args = arguments(argv)
    environment.restart_if_needed(args.threads)
    chosen = args.sections or list(sections)
    if args.threads is None:
        status, reports = children(args, chosen)
    else:
        status, reports = measure(args, chosen)
    if args.json:
        args.json.write_text(json.dumps(reports, indent=1) + "\n")
    if args.markdown:
        publish(args.markdown, reports)
    return status


def children(args: argparse.Namespace, sections: Sequence[str]) -> tuple[int, list[dict[str, Any]]]:
    """One process per thread count; their output passes through, their figures come back."""
    status, reports = 0, []
    with tempfile.TemporaryDirectory() as folder:
        for threads in (1, 2):
            found = Path(folder, f"{threads}.json")
            command = [sys.executable, "-m", "benchmarks", *sections, "--threads", str(threads), "--json", str(found)]
            command += ["--only", args.only, "--rounds", str(args.rounds), "--time", str(args.time)]
            command += ["--quick"] * args.quick + ["--gc"] * args.gc
            env = environment.wanted_environment(threads)
            status |= subprocess.run(command, cwd=environment.ROOT, env=env, check=False).returncode
            if not found.exists():
                raise SystemExit(f"benchmarks: the run with {threads} thread(s) left no figures; nothing was written")
            reports += json.loads(found.read_text())
            print(flush=True)
    return status, reports


def measure(args: argparse.Namespace, sections: Sequence[str]) -> tuple[int, list[dict[str, Any]]]:
    """All sections in this process."""
    # Only now: these import NumPy, and the environment had to be right first.
    import numpy

    from benchmarks import harness, libraries, report

    parts = [importlib.import_module(f"benchmarks.{name}") for name in sections]  # all, before anything is measured
    found = libraries.load(threads=args.threads)
    versions = {"numpy": numpy.__version__} | {name: library.version for name, library in found.items()}
    header = environment.describe(versions, threads=args.threads, gc_off=not args.gc)
    print("\n".join(environment.header_lines(header)))
    for name in {"lucid", "torch"} - found.keys():
        print(f"{name} is not installed: its column stays empty")
    options = harness.Options(args.rounds, args.time, not args.gc, args.only)
    if args.quick:
        options.rounds, options.round_seconds = 5, 0.005
    bench = harness.Bench(found, options, report.Text())
    for part in parts:
        part.register(bench)
    if bench.failures:
        print("\nnot a matter of time, but wrong:", *bench.failures, sep="\n  ")
    return int(bool(bench.failures)), [{**header, "rows": harness.as_json(bench.rows)}]


def publish(where: str, reports: Sequence[dict[str, Any]]) -> None:
    """The tables of all runs."""
    from benchmarks import harness, report

    text = "\n".join(report.markdown(each, [harness.from_json(row) for row in each["rows"]]) for each in reports)
    if where == "-":
        print(text)
    else:
        report.write_markdown(Path(where), text)
        print(f"wrote the tables into {where}")
