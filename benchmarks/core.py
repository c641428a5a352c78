"""The engine: what one op costs, a small graph, a training step, inference, import, memory."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

if not __package__:  # python benchmarks/core.py
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks.harness import Bench, Build, Run
from benchmarks.libraries import Library

CHAIN = 1000
SMALL = 300


def register(bench: Bench) -> None:
    """All rows, in order."""
    per_op(bench)
    graphs(bench)
    networks(bench)


def small_arrays() -> tuple[Any, Any]:
    """Two 4x4 float32 arrays whose long products neither overflow nor become denormal."""
    import numpy as np

    return np.full((4, 4), 1.5, np.float32), np.ones((4, 4), np.float32)


def per_op(bench: Bench) -> None:
    """us per op: forward alone, forward with backward, without recording; and NumPy doing the same arithmetic."""
    import numpy as np

    bench.section("Per op: 4x4 float32, chains of 1000, time of one op")
    a, b = small_arrays()
    forward_goal = "<= 1.0x, <= 0.5 us above numpy"
    both_goal = "<= 1.0x, <= 2 us above numpy"

    def forward(op: Callable[[Any, Any], Any], *, grad: bool = True, guard: bool = False) -> Build:
        def build(L: Library) -> Run:
            x, y = L.tensor(a, grad=grad), L.tensor(b, grad=grad)

            def run() -> None:
                for _ in range(CHAIN):
                    op(x, y)

            return L.T.no_grad()(run) if guard else run

        return build

    def by_hand(op: Callable[[Any, Any], Any]) -> Run:
        def run() -> None:
            for _ in range(CHAIN):
                op(a, b)

        return run

    def multiply(x: Any, y: Any) -> Any:
        return x * y

    def add(x: Any, y: Any) -> Any:
        return x + y

    def scale(x: Any, _: Any) -> Any:
        return x * 2.0

    def total(x: Any, _: Any) -> Any:
        return x.sum()

    def exp(x: Any, _: Any) -> Any:
        return x.exp()

    def matmul(x: Any, y: Any) -> Any:
        return x @ y

    def reshape(x: Any, _: Any) -> Any:
        return x.reshape(16)

    def part(x: Any, _: Any) -> Any:
        return x[1:3]

    def column(x: Any, _: Any) -> Any:
        return x[:, 1]

    rows = [
        ("x * y, recorded", multiply, multiply),
        ("x + y, recorded", add, add),
        ("x * 2.0, recorded", scale, scale),
        ("x @ y, recorded", matmul, matmul),
        ("x.exp(), recorded", exp, lambda x, _: np.exp(x)),
        ("x.sum(), recorded", total, total),
        ("x.reshape(16), recorded", reshape, reshape),
        ("x[1:3], recorded", part, part),
        ("x[:, 1], recorded", column, column),
    ]
    for name, op, plain in rows:
        bench.row(name, forward(op), goal=forward_goal, per=CHAIN, numpy=by_hand(plain))
    for name, call in several_operands().items():
        bench.row(name, forward_of(call), per=CHAIN)
    bench.row("x * y, no_grad", forward(multiply, guard=True), goal=forward_goal, per=CHAIN, numpy=by_hand(multiply))
    bench.row("x * y, nothing requires grad", forward(multiply, grad=False), goal=forward_goal, per=CHAIN,
              numpy=by_hand(multiply))  # fmt: skip
    bench.row("x * y chain, forward + backward", chain(multiply), goal=both_goal, per=CHAIN, numpy=hand_multiply)
    bench.row("x + y chain, forward + backward", chain(add), goal=both_goal, per=CHAIN, numpy=hand_add)
    bench.row("with no_grad(): one multiply", guarded)


def several_operands() -> dict[str, Callable[[Library, Any, Any, Any], Any]]:
    """Ops of more than two operands, or that join or overwrite."""
    return {
        "F.linear(x, y, bias), recorded": lambda L, x, y, bias: L.F.linear(x, y, bias),
        "where(x > 0, x, y), recorded": lambda L, x, y, _: L.T.where(x > 0, x, y),
        "cat([x, y]), recorded": lambda L, x, y, _: L.T.cat([x, y]),
        "stack([x, y]), recorded": lambda L, x, y, _: L.T.stack([x, y]),
        "z.add_(1.0)": lambda L, x, y, bias: bias.detach().add_(1.0),
    }


def forward_of(call: Callable[[Library, Any, Any, Any], Any]) -> Build:
    """A thousand calls, one like the other, with two matrices and a vector that require grad."""
    a, b = small_arrays()

    def build(L: Library) -> Run:
        x, y, bias = L.tensor(a, grad=True), L.tensor(b, grad=True), L.tensor(b[0], grad=True)

        def run() -> None:
            for _ in range(CHAIN):
                call(L, x, y, bias)

        return run

    return build


def chain(op: Callable[[Any, Any], Any]) -> Build:
    """t = op(t, y) a thousand times, then backward into x and y."""
    a, b = small_arrays()

    def build(L: Library) -> Run:
        x, y = L.tensor(a, grad=True), L.tensor(b, grad=True)
        upstream = L.tensor(b)

        def run() -> tuple[Any, Any]:
            t = x
            for _ in range(CHAIN):
                t = op(t, y)
            x.grad = y.grad = None
            t.backward(upstream)
            return x.grad, y.grad

        return run

    return build


def hand_multiply() -> None:
    """The arithmetic of the multiply chain and its backward, and nothing else."""
    import numpy as np

    a, b = small_arrays()
    t, saved = a, []
    for _ in range(CHAIN):
        saved.append(t)
        t = t * b
    g, total = np.ones_like(a), np.zeros_like(b)
    for t in reversed(saved):
        total = total + g * t
        g = g * b


def hand_add() -> None:
    """The arithmetic of the add chain and its backward."""
    import numpy as np

    a, b = small_arrays()
    t = a
    for _ in range(CHAIN):
        t = t + b
    g, total = np.ones_like(a), np.zeros_like(b)
    for _ in range(CHAIN):
        total = total + g


def guarded(L: Library) -> Run:
    """The context manager itself, as in one step of inference."""
    x, y = (L.tensor(each, grad=True) for each in small_arrays())
    no_grad = L.T.no_grad

    def run() -> None:
        with no_grad():
            x * y

    return run


def small_graph(L: Library) -> Callable[[], Any]:
    """300 ops on 8x8: matmul, tanh, exp, sum, multiply by a 0-d tensor, add; scaled so that gradients stay normal."""
    import numpy as np

    rng = np.random.default_rng(0)
    w = L.tensor((rng.standard_normal((8, 8)) / 160).astype(np.float32), grad=True)
    b = L.tensor(rng.standard_normal((8, 8)).astype(np.float32), grad=True)
    x = L.tensor(rng.standard_normal((8, 8)).astype(np.float32))
    leaves = (w, b)

    def forward() -> Any:
        h = x
        for _ in range(SMALL // 6):
            h = (w @ h).tanh()
            h = h * h.exp().sum() + b
        return h.sum()

    forward.leaves = leaves  # type: ignore[attr-defined]
    return forward


def graphs(bench: Bench) -> None:
    """A graph of many small ops, where only overhead counts."""

    def both(L: Library) -> Run:
        forward = small_graph(L)
        w, b = forward.leaves  # type: ignore[attr-defined]

        def run() -> tuple[Any, Any, Any]:
            w.grad = b.grad = None
            loss = forward()
            loss.backward()
            return loss, w.grad, b.grad

        return run

    def inference(L: Library) -> Run:
        return L.T.no_grad()(small_graph(L))

    bench.section("Small graph: 300 mixed ops on 8x8 float32, the whole graph")
    bench.row("forward", small_graph)
    bench.row("forward + backward", both)
    bench.row("forward, no_grad", inference)


def steps(L: Library, model: Any, images: Any, *, lr: float = 1e-3) -> Run:
    """One training step after another. The labels are noise, in a longer cycle than the images, and so cannot be
    learnt: a network that has learnt its batch has gradients near zero, whose denormals are slow to compute with."""
    import numpy as np

    rng = np.random.default_rng(1)
    state = {k: rng.standard_normal(tuple(v.shape)) / (v.shape[-1] ** 0.5) for k, v in model.state_dict().items()}
    model.load_state_dict({k: L.tensor(v.astype(np.float32) * 0.5) for k, v in state.items()})
    batches = [L.tensor(each) for each in images]
    labels = [L.tensor(rng.integers(0, 10, images.shape[1])) for _ in range(509)]
    opt = L.optim.Adam(model.parameters(), lr=lr)
    cross_entropy = L.F.cross_entropy
    count = 0

    def run() -> Any:
        nonlocal count
        loss = cross_entropy(model(batches[count % len(batches)]), labels[count % len(labels)])
        opt.zero_grad()
        loss.backward()
        opt.step()
        count += 1
        return loss

    return run


def mlp(L: Library, *sizes: int) -> Any:
    """Linear layers with ReLU between."""
    nn = L.nn
    layers: list[Any] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def networks(bench: Bench) -> None:
    """Whole training steps (zero_grad, forward, backward, Adam) and inference of one example."""
    import numpy as np

    rng = np.random.default_rng(0)
    flat = rng.random((16, 64, 784), dtype=np.float32)
    digits = rng.random((16, 32, 1, 8, 8), dtype=np.float32)

    def cnn(L: Library) -> Run:
        nn = L.nn
        model = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * 16, 10),
        )  # fmt: skip
        return steps(L, model, digits)

    def infer(sizes: tuple[int, ...], batch: int) -> Build:
        def build(L: Library) -> Run:
            model, x, no_grad = mlp(L, *sizes), L.tensor(flat[0, :batch, : sizes[0]]), L.T.no_grad

            def run() -> None:
                with no_grad():
                    model(x)

            return run

        return build

    bench.section("Networks: the whole step")
    bench.row("MLP 784-256-10, batch 64, Adam: step", lambda L: steps(L, mlp(L, 784, 256, 10), flat))
    bench.row("MLP 784-256-10, batch 1, no_grad", infer((784, 256, 10), 1))
    bench.row("MLP 784-256-10, batch 64, no_grad", infer((784, 256, 10), 64))
    bench.row("tiny MLP 16-16-16-10, batch 8, Adam: step", lambda L: steps(L, mlp(L, 16, 16, 16, 10), flat[:, :8, :16]))
    bench.row("CNN on 8x8 digits, batch 32, Adam: step", cnn)


if __name__ == "__main__":
    from benchmarks.cli import main

    sys.exit(main(("core",)))
