"""Settings of the whole run: threads, hypothesis, and the closing lines that count what could not be compared."""

import os

import numpy  # noqa: F401  (threadpoolctl limits only the libraries that are loaded)
import pytest
import threadpoolctl
from hypothesis import settings

import lucid
from lucid.testing import strict
from reference import MISSING

# One BLAS thread per process: the workers of pytest-xdist would otherwise fight over the cores.
threadpoolctl.threadpool_limits(1)

# The first call of an op may load a backend, so no deadline; on CI the same examples every time.
settings.register_profile("lucid", deadline=None)
settings.register_profile("lucid-ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("lucid-ci" if os.environ.get("CI") else "lucid")


@pytest.fixture(autouse=True)
def same_numbers_every_time():
    """A test that draws numbers without a seed of its own draws the same ones alone, in any order and in any worker."""
    lucid.manual_seed(0)


@pytest.fixture(scope="module")
def mlx():
    if MISSING["MLX tests"]:
        pytest.skip(f"MLX tests: {MISSING['MLX tests']}")
    return "mlx"


@pytest.fixture(scope="module")
def cuda():
    if MISSING["CuPy tests"] is None:
        yield "cuda"
    elif MISSING["strict tests"]:
        pytest.skip(f"strict tests: {MISSING['strict tests']}")
    else:
        with strict.installed():
            yield "cuda"


@pytest.fixture(scope="module", params=["mlx", "cuda"])
def device(request):
    return request.getfixturevalue(request.param)


def pytest_terminal_summary(terminalreporter):
    reasons = [report.longrepr[2] for report in terminalreporter.stats.get("skipped", [])]
    for what, missing in MISSING.items():
        count = sum(reason.removeprefix("Skipped: ").startswith(what) for reason in reasons)
        if count:
            terminalreporter.write_line(f"{count} {what} skipped: {missing}")
    passed = [r.nodeid for r in terminalreporter.stats.get("passed", []) if r.when == "call"]
    count = sum("[cuda" in name or "on_cuda" in name for name in passed)
    if count and MISSING["CuPy tests"]:
        terminalreporter.write_line(
            f"{count} CuPy tests ran on the imitation of CuPy (lucid.testing.strict): {MISSING['CuPy tests']}"
        )
