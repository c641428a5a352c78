"""Settings of the whole run: threads, hypothesis, and the closing lines that count what could not be compared."""

import os

import numpy  # noqa: F401  (threadpoolctl limits only the libraries that are loaded)
import threadpoolctl
from hypothesis import settings

from reference import MISSING

# One BLAS thread per process: the workers of pytest-xdist would otherwise fight over the cores.
threadpoolctl.threadpool_limits(1)

# The first call of an op may load a backend, so no deadline; on CI the same examples every time.
settings.register_profile("lucid", deadline=None)
settings.register_profile("lucid-ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("lucid-ci" if os.environ.get("CI") else "lucid")


def pytest_terminal_summary(terminalreporter):
    reasons = [report.longrepr[2] for report in terminalreporter.stats.get("skipped", [])]
    for what, missing in MISSING.items():
        count = sum(reason.removeprefix("Skipped: ").startswith(what) for reason in reasons)
        if count:
            terminalreporter.write_line(f"{count} {what} skipped: {missing}")
