"""``make gpu-test``: the tests and some times on a CUDA GPU, written to docs/gpu.md with the date and the card.

Without a GPU it says so and succeeds, and the page stays as it is. Times are of whole pieces of work, waiting at the end;
where torch with CUDA is installed, it does the same work in alternating rounds of the same process.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import lucid  # noqa: E402
from lucid.backends.catalogue import available, cuda_fault  # noqa: E402

ROUNDS = 15


def run_tests(paths: list[str]) -> tuple[bool, str]:
    """Whether pytest succeeded, and its closing lines."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return done.returncode == 0, "\n".join([*failed[:40], *lines[-3:]])


def torch_with_cuda() -> Any:
    """The module torch if it can use the GPU, else None."""
    try:
        import torch
    except ImportError:
        return None
    return torch if torch.cuda.is_available() else None


# ---- the work: each takes the library and returns a step to be timed ----


def matmul(L: Any) -> Callable:
    a, b = L.randn(2048, 2048, device="cuda"), L.randn(2048, 2048, device="cuda")
    return lambda: a @ b


def half_matmul(L: Any) -> Callable:
    a, b = (L.randn(4096, 4096, device="cuda").to(L.float16) for _ in range(2))
    return lambda: a @ b


def gelu(L: Any) -> Callable:
    x = L.randn(4096, 4096, device="cuda", requires_grad=True)
    g = L.ones(4096, 4096, device="cuda")
    return lambda: L.nn.functional.gelu(x).backward(g)


def softmax(L: Any) -> Callable:
    x = L.randn(8192, 1024, device="cuda", requires_grad=True)
    g = L.ones(8192, 1024, device="cuda")
    return lambda: L.softmax(x, -1).backward(g)


def layer_norm(L: Any) -> Callable:
    m = L.nn.LayerNorm(1024).to("cuda")
    x, g = L.randn(8192, 1024, device="cuda", requires_grad=True), L.ones(8192, 1024, device="cuda")
    return lambda: m(x).backward(g)


def batch_norm(L: Any) -> Callable:
    m = L.nn.BatchNorm2d(64).to("cuda")
    x, g = L.randn(32, 64, 56, 56, device="cuda", requires_grad=True), L.ones(32, 64, 56, 56, device="cuda")
    return lambda: m(x).backward(g)


def conv(L: Any) -> Callable:
    m = L.nn.Conv2d(64, 128, 3, padding=1).to("cuda")
    x, g = L.randn(32, 64, 56, 56, device="cuda", requires_grad=True), L.ones(32, 128, 56, 56, device="cuda")
    return lambda: m(x).backward(g)


def embedding(L: Any) -> Callable:
    m = L.nn.Embedding(50000, 512).to("cuda")
    i, g = L.randint(0, 50000, (64, 256), device="cuda"), L.ones(64, 256, 512, device="cuda")
    return lambda: m(i).backward(g)


def attention(L: Any) -> Callable:
    q, k, v = (L.randn(8, 8, 1024, 64, device="cuda", requires_grad=True) for _ in range(3))
    g = L.ones(8, 8, 1024, 64, device="cuda")
    return lambda: L.nn.functional.scaled_dot_product_attention(q, k, v).backward(g)


def _trained(L: Any, model: Any, x: Any, target: Any) -> Callable:
    model = model.to("cuda")
    optimizer = L.optim.Adam(model.parameters())

    def step() -> None:
        optimizer.zero_grad()
        L.nn.functional.cross_entropy(model(x), target).backward()
        optimizer.step()

    return step


def mlp_step(L: Any) -> Callable:
    nn = L.nn
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    return _trained(L, model, L.randn(128, 784, device="cuda"), L.randint(0, 10, (128,), device="cuda"))


def cnn_step(L: Any) -> Callable:
    nn = L.nn
    model = nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(64, 128, 3, padding=1),
        nn.BatchNorm2d(128), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10),
    )  # fmt: skip
    return _trained(L, model, L.randn(128, 3, 32, 32, device="cuda"), L.randint(0, 10, (128,), device="cuda"))


WORK = {
    "2048 x 2048 product, float32": matmul, "4096 x 4096 product, float16": half_matmul, "gelu, 16 Mi, with backward": gelu,
    "softmax, 8192 x 1024, with backward": softmax, "layer norm, 8192 x 1024, with backward": layer_norm,
    "batch norm, 32 x 64 x 56 x 56, with backward": batch_norm, "conv 64 to 128, 3 x 3, 32 x 56 x 56, with backward": conv,
    "embedding, 16384 of 50000 x 512, with backward": embedding, "attention, 8 x 8 x 1024 x 64, with backward": attention,
    "training step, MLP 784-512-512-10, batch 128": mlp_step, "training step, small CNN, batch 128": cnn_step,
}  # fmt: skip


def timed(step: Callable, wait: Callable, repeats: int) -> float:
    """Seconds per step of ``repeats`` steps, waiting at the end."""
    wait()
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    wait()
    return (time.perf_counter() - start) / repeats


def measure(name: str, build: Callable, torch: Any) -> str:
    """One row of the table; rounds of lucid and torch alternate, since a shared machine drifts."""
    libraries = [lucid] if torch is None else [lucid, torch]
    try:
        steps = [build(L) for L in libraries]
        waits = [L.cuda.synchronize for L in libraries]
        for step, wait in zip(steps, waits, strict=True):
            for _ in range(3):  # compiles kernels and fills the pool
                step()
            wait()
        repeats = max(1, min(100, int(0.05 / max(timed(steps[0], waits[0], 3), 1e-6))))
        rounds = [[timed(s, w, repeats) for s, w in zip(steps, waits, strict=True)] for _ in range(ROUNDS)]
    except Exception as problem:  # a row that fails must not cost the report
        return f"| {name} | failed: {type(problem).__name__}: {str(problem).splitlines()[0][:100]} | | |"
    ours = statistics.median(r[0] for r in rounds) * 1e3
    if torch is None:
        return f"| {name} | {ours:.3f} | | |"
    theirs = statistics.median(r[1] for r in rounds) * 1e3
    return f"| {name} | {ours:.3f} | {theirs:.3f} | {statistics.median(r[0] / r[1] for r in rounds):.2f} |"


def page(passed: bool, tests: str, rows: list[str], torch: Any) -> str:
    """The report as the page docs/gpu.md."""
    p = lucid.cuda.get_device_properties()
    cupy = next(row.version for row in available() if row.device == "cuda")
    lines = [
        "# Runs on a GPU", "",
        f"Written by `make gpu-test` on {datetime.date.today().isoformat()}: {p.name} (compute capability {p.major}.{p.minor}, "
        f"{p.total_memory / 2**30:.0f} GiB), CuPy {cupy}, lucid {lucid.__version__}, Python {platform.python_version()}, "
        + (f"torch {torch.__version__}." if torch else "no torch with CUDA."), "",
        "## Tests", "", "All passed." if passed else "**Some failed.**", "", "```text", tests, "```", "",
        "## Times", "", "Milliseconds, medians of rounds that alternate with torch's in one process; the ratio is the median of the rounds' ratios.", "",
        "| work | lucid | torch | ratio |", "|---|---|---|---|", *rows, "",
    ]  # fmt: skip
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tests", nargs="*", help="what pytest runs; default: all tests")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "gpu.md")
    parser.add_argument("--no-tests", action="store_true", help="only the times")
    args = parser.parse_args()
    fault = cuda_fault()
    if fault is not None:
        sys.stdout.write(f"gpu-test: no run was made: {fault}\n")
        return 0
    passed, tests = (True, "not run") if args.no_tests else run_tests(args.tests)
    torch = torch_with_cuda()
    rows = [measure(name, build, torch) for name, build in WORK.items()]
    args.output.write_text(re.sub(r"[ \t]+\n", "\n", page(passed, tests, rows, torch)))
    sys.stdout.write(args.output.read_text())
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
