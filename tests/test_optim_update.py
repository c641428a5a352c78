"""How rules run on NumPy: traced, gathered, in blocks, compiled; always the same to the bit, and without allocation."""

import threading
import tracemalloc

import numpy as np
import pytest

import lucid
from lucid.backends import compiled, load, numpy_update, trace
from lucid.optim import rules
from test_optim_all import CONFIGS

XP = load("cpu").table
# Each elementwise rule with state and numbers that take every branch.
ADAM = {"lr": 0.1, "b1": 0.9, "a1": 0.1, "b2": 0.99, "a2": 0.01, "eps": 1e-8, "wd": 0.1, "keep": 0.99, "maximize": False,
        "l2": True, "decay": False}  # fmt: skip
CASES = {
    "sgd": (rules.sgd, 1, {"lr": 0.1, "wd": 0.1, "momentum": 0.9, "undamped": 1.0, "maximize": True, "l2": True, "nesterov": True}),
    "adam": (rules.adam, 3, {**ADAM, "amsgrad": True}),
    "lion": (rules.lion, 1, {"lr": 0.1, "b1": 0.9, "a1": 0.1, "b2": 0.99, "a2": 0.01, "keep": 0.9, "nesterov": 0.1, "maximize": True,
                             "decay": True, "ahead": True}),
    "asgd": (rules.asgd, 1, {"eta": 0.1, "mu": 0.5, "keep": 0.9, "wd": 0.0, "maximize": False, "l2": False, "copies": True}),
    "rprop": (rules.rprop, 3, {"low": 0.5, "high": 1.2, "smallest": 1e-6, "largest": 50.0, "maximize": False, "forget": True, "back": True}),
    "rmsprop": (rules.rmsprop, 3, {"lr": 0.1, "b": 0.9, "a": 0.1, "eps": 1e-8, "momentum": 0.9, "wd": 0.1, "maximize": False, "l2": True,
                                   "centered": True, "heavy": True}),
    "adagrad": (rules.adagrad, 1, {"lr": 0.1, "eps": 1e-8, "wd": 0.1, "keep": 0.9, "maximize": True, "l2": False, "decay": True}),
    "sophia": (rules.sophia, 2, {"lr": 0.1, "b": 0.9, "a": 0.1, "keep": 0.9, "rho": 0.4, "tiny": 1e-15, "maximize": False, "decay": True}),
    "adadelta": (rules.adadelta, 2, {"lr": 0.1, "b": 0.9, "a": 0.1, "eps": 1e-6, "wd": 0.0, "maximize": False, "l2": False}),
}  # fmt: skip
BLOCK = numpy_update.BLOCK_BYTES // 4
SIZES = [(3, 4), (1,), (70, 90), (5,), (300, 300), (BLOCK,), (BLOCK + 1,), (BLOCK // 2,), (0,)]


def arrays(count, dtype, shapes):
    rng = np.random.default_rng(0)
    """Parameters of both signs; gradients and state positive."""
    found = [[rng.standard_normal(s).astype(dtype) for s in shapes] for _ in range(count)]
    return [found[0], *([np.abs(x) for x in column] for column in found[1:])]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("cached", [False, True])
def test_the_program_is_the_rule_to_the_bit(name, dtype, cached):
    rule, count, numbers = CASES[name]
    p, g, *state = arrays(2 + count, dtype, SIZES)
    g = [x * np.where(np.arange(x.size).reshape(x.shape) % 3 == 0, -1, 1).astype(dtype) for x in g]
    constants = {k: np.asarray(v, dtype) if type(v) is float else v for k, v in numbers.items()}
    wanted = [rule(XP, p[i], g[i], *(s[i] for s in state), **constants) for i in range(len(SIZES))]
    kept = [x.copy() for x in g]
    new_p, new_state = numpy_update.apply(XP, rule, p, g, state, numbers, {} if cached else None)
    for i in range(len(SIZES)):
        for found, right in zip([new_p[i], *(s[i] for s in new_state)], wanted[i], strict=True):
            np.testing.assert_array_equal(found, right)  # NaN where the rule gives NaN
        assert new_p[i] is p[i] and (g[i] == kept[i]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_compiled_loops_are_the_same_to_the_bit(name, dtype):
    pytest.importorskip("numba")
    rule, count, numbers = CASES[name]
    p, g, *state = ([x[0]] for x in arrays(2 + count, dtype, [(50_001,)]))
    constants = {k: np.asarray(v, dtype) if type(v) is float else v for k, v in numbers.items()}
    wanted = rule(XP, p[0], g[0], *(s[0] for s in state), **constants)
    program = trace.program(rule, count, numbers)
    run = compiled.loop(program, np.dtype(dtype))
    run(p[0], g[0], *(s[0] for s in state), np.array(program.numbers(numbers), dtype))
    for found, right in zip([p[0], *(s[0] for s in state)], wanted, strict=True):
        np.testing.assert_array_equal(found, right)


def test_a_number_that_is_sometimes_none_has_two_programs():
    def rule(xp, p, g, *, lr, factor):
        return (p - lr * (g if factor is None else factor * g),)

    found = [trace.program(rule, 0, {"lr": 0.1, "factor": factor}) for factor in (None, 0.5, 0.25, None)]
    assert found[0] is found[3] is not found[1] is found[2]
    assert [len(program.lines) for program in found[:2]] == [2, 3]


def test_a_rule_must_not_branch_on_values():
    def bad(xp, p, g, *, lr):
        return (p - lr * g if lr > 0 else p,)

    with pytest.raises(TypeError, match="must not branch"):
        trace.Program(bad, 0, {"lr": 0.1})


@pytest.mark.parametrize("shapes", [[(64, 64)] * 30, [(600, 600)] * 2])
def test_a_step_allocates_nothing_that_grows_with_the_model(shapes):
    params = [lucid.ones(*s, requires_grad=True) for s in shapes]
    for p in params:
        p.grad = lucid.ones_like(p).detach()
    made = [getattr(lucid.optim, n)(params, 1e-3) for n in ("SGD", "Adam", "AdamW", "Lion", "GSGD", "ASGD", "Adagrad")]
    for opt in (*made, lucid.optim.SGD(params, momentum=0.9, weight_decay=0.1, nesterov=True)):
        opt.step()
        opt.step()
        tracemalloc.start()
        opt.step()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 60_000, type(opt).__name__  # the model: 0.5 and 2.9 MB


def test_threads_do_not_share_their_workspace():
    def train(seed, out):
        rng = np.random.default_rng(seed)
        params = [lucid.tensor(rng.standard_normal(s), requires_grad=True) for s in [(200, 100), (7,), (3, 3)]]
        opt = lucid.optim.Adam(params)
        for _ in range(40):
            for p in params:
                p.grad = lucid.tensor(np.asarray(rng.standard_normal(tuple(p.shape))))
            opt.step()
        out[seed] = [p.detach().numpy() for p in params]

    alone, together = {}, {}
    for seed in range(3):
        train(seed, alone)
    threads = [threading.Thread(target=train, args=(seed, together)) for seed in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all((a == b).all() for seed in range(3) for a, b in zip(alone[seed], together[seed], strict=True))


@pytest.mark.parametrize("name", [n for n in CONFIGS if n not in ("LBFGS", "SAM", "Lookahead", "SGLD")])
def test_mlx_agrees(name):
    pytest.importorskip("mlx.core")
    gradients = np.random.default_rng(0).standard_normal((6, 2, 3, 4)).astype("float32")
    found = []
    for device in ("cpu", "mlx"):
        start = [np.cos(np.arange(12, dtype="float32") + i).reshape(3, 4) for i in range(2)]
        params = [lucid.tensor(x, device=device, requires_grad=True) for x in start]
        opt = getattr(lucid.optim, name)(params, **CONFIGS[name])
        if hasattr(opt, "train"):
            opt.train()
        for some in gradients:
            for p, g in zip(params, some, strict=True):
                p.grad = lucid.tensor(g, device=device)
            opt.step()
        found.append([p.detach().cpu().numpy() for p in params])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
