"""backward, grad and the modes, and writing and differentiating inside transforms, against torch."""

import asyncio
import threading
import traceback

import numpy as np
import pytest

import lucid
from leaves import V, close, leaf
from lucid.core.op import OPS
from reference import needs_torch, torch

# ---- backward and grad ----


def _twice(m):
    x = leaf(m)
    y = x * 2
    ((y * y) + (y + y)).sum().backward()
    return x.grad


def _diamond(m):
    x = leaf(m)
    a, b = x.sin(), x.cos()
    (a * b + a / (b + 3)).sum().backward()
    return x.grad


def _several_outputs(m):
    x = leaf(m)
    values, _ = x.sort(1)
    top = x.max(1)
    (values * m.tensor([1.0, 2.0, 3.0], dtype=m.float64)).sum().backward(retain_graph=True)
    (top.values**2).sum().backward()
    return x.grad


def _only_inputs(m):
    x, y = leaf(m), leaf(m, V)
    (x * y).sum().backward(inputs=[x])
    return [x.grad, y.grad]


def _input_not_leaf(m):
    x = leaf(m)
    y = x.exp()
    z = (y * y).sum()
    z.backward(inputs=[y])
    return [y.grad, x.grad]


def _grad_of_a_middle(m):
    x = leaf(m)
    y = x.exp()
    z = (y * y).sum()
    (first,) = m.autograd.grad(z, y)
    (second,) = m.autograd.grad(y.sum(), x)  # what lies beyond y was not used up
    return [first, second]


def _several_roots(m):
    x = leaf(m)
    m.autograd.backward([x.sum(), (x * x).sum(), x.exp()], [None, None, m.ones_like(x)])
    return x.grad


def _accumulates(m):
    x = leaf(m)
    for _ in range(3):
        (x * x).sum().backward()
    return x.grad


def _third_order(m):
    x = leaf(m)
    g = (x**4 * x.sin()).sum()
    for _ in range(3):
        (g,) = m.autograd.grad(g.sum(), x, create_graph=True)
    return g.detach()


def _unused(m):
    x, y = leaf(m), leaf(m)
    a = m.autograd.grad((x * 2).sum(), (x, y), allow_unused=True)
    b = m.autograd.grad((x * 2).sum(), (x, y), materialize_grads=True)
    return [*a, *b]


def _batched_vectors(m):
    x = leaf(m)
    y = x.sin()[0] * x[1]
    return m.autograd.grad(y, x, m.eye(3, dtype=m.float64), is_grads_batched=True)[0]


def _base_written(m):
    x = leaf(m)
    y = x * 1
    v = y[0]
    y.mul_(2)
    v.add_(1)
    (y * y).sum().backward()
    return x.grad


def _retained(m):
    x = leaf(m)
    y = x * 2
    y.retain_grad()
    (y**3).sum().backward()
    return [y.grad, x.grad]


def _broadcast(m):
    x, b = leaf(m), leaf(m, [1.0, 2.0, 3.0])
    ((x + b) * b).sum().backward()
    return [x.grad, b.grad]


PROGRAMS = [
    _twice, _diamond, _several_outputs, _only_inputs, _input_not_leaf, _grad_of_a_middle, _several_roots, _accumulates, _third_order, _unused,
    _batched_vectors, _base_written, _retained, _broadcast,
]  # fmt: skip


@needs_torch
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__.strip("_"))
def test_program_agrees_with_torch(program):
    close(program(lucid), program(torch))


ERRORS = {
    "no scalar": (RuntimeError, lambda m: leaf(m).exp().backward()),
    "nothing requires grad": (RuntimeError, lambda m: m.ones(1).backward()),
    "twice": (RuntimeError, lambda m: _backward_twice(m)),
    "gradient of another shape": (RuntimeError, lambda m: leaf(m).exp().backward(m.ones(3))),
    "grad of what requires none": (RuntimeError, lambda m: m.autograd.grad(leaf(m).sum(), m.ones(2))),
    "unused": (RuntimeError, lambda m: m.autograd.grad(leaf(m).sum(), leaf(m))),
    "no inputs": (RuntimeError, lambda m: leaf(m).sum().backward(inputs=[])),
    "grad without inputs": (RuntimeError, lambda m: m.autograd.grad(leaf(m).sum(), [])),
    "materialize and not unused": (
        ValueError,
        lambda m: m.autograd.grad(leaf(m).sum(), leaf(m), allow_unused=False, materialize_grads=True),
    ),
    "integers": (RuntimeError, lambda m: m.ones(2, dtype=m.int64).requires_grad_()),
    "written leaf": (RuntimeError, lambda m: leaf(m).add_(1)),
    "overwritten value": (RuntimeError, lambda m: _overwritten(m)),
    "hook of no gradient": (RuntimeError, lambda m: m.ones(1).register_hook(print)),
    "post hook on no leaf": (RuntimeError, lambda m: leaf(m).exp().register_post_accumulate_grad_hook(print)),
}


def _backward_twice(m):
    y = leaf(m).exp().sum()
    y.backward()
    y.backward()


def _overwritten(m):
    y = leaf(m).exp()
    z = y * y
    y.add_(1)
    z.sum().backward()


@pytest.mark.parametrize("case", ERRORS)
def test_errors_of_torchs_types(case):
    kind, call = ERRORS[case]
    with pytest.raises(kind):
        call(lucid)
    if torch is not None:
        with pytest.raises(kind):
            call(torch)


def test_gradients_never_share_memory():
    x, y = leaf(lucid), leaf(lucid)
    (x + y).backward(lucid.ones(2, 3, dtype=lucid.float64))
    x.grad.add_(1)
    assert y.grad.tolist() == [[1.0] * 3] * 2
    a, b = lucid.autograd.grad((x + y).sum(), (x, y))
    a.add_(1)
    assert b.tolist() == [[1.0] * 3] * 2
    v = lucid.ones(2, 3, dtype=lucid.float64)
    (g,) = lucid.autograd.grad(x + 0, x, v)
    g.add_(5)
    assert v.tolist() == [[1.0] * 3] * 2


def test_readable_graph():
    x = leaf(lucid)
    y = (x * 2).sum()
    assert y.grad_fn.name() == "SumBackward0"
    ((mul, _),) = y.grad_fn.next_functions
    assert mul.name() == "MulBackward0"
    (accumulate, _), (none, _) = mul.next_functions
    assert accumulate.name() == "AccumulateGrad"
    assert accumulate.variable is x
    assert none is None
    edge = lucid.autograd.get_gradient_edge(y)
    (g,) = lucid.autograd.grad(edge, x)
    assert g.tolist() == [[2.0] * 3] * 2


# ---- modes ----


def test_no_grad_is_per_thread_and_per_task():
    seen = []
    with lucid.no_grad():
        thread = threading.Thread(target=lambda: seen.append(lucid.is_grad_enabled()))
        thread.start()
        thread.join()
        assert not lucid.is_grad_enabled()
    assert seen == [True]

    async def quiet():
        with lucid.no_grad():
            await asyncio.sleep(0.001)
            return lucid.is_grad_enabled()

    async def loud():
        await asyncio.sleep(0)
        return lucid.is_grad_enabled()

    async def both():
        return await asyncio.gather(quiet(), loud())

    assert asyncio.run(both()) == [False, True]


def test_modes_as_decorators_and_around_generators():
    @lucid.no_grad()
    def outer():
        @lucid.enable_grad()
        def inner():
            return lucid.is_grad_enabled()

        return lucid.is_grad_enabled(), inner(), lucid.is_grad_enabled()

    assert outer() == (False, True, False)

    @lucid.no_grad()
    def steps():
        yield lucid.is_grad_enabled()
        yield lucid.is_grad_enabled()

    found = []
    for inside in steps():
        found.append((inside, lucid.is_grad_enabled()))
    assert found == [(False, True)] * 2
    with pytest.raises(ValueError, match="on purpose"), lucid.no_grad():
        raise ValueError("on purpose")
    assert lucid.is_grad_enabled()


def test_backward_in_many_threads_adds_up():
    x = lucid.zeros(1000, requires_grad=True)
    threads = [threading.Thread(target=lambda: [(x * 1.0).sum().backward() for _ in range(20)]) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert x.grad.unique().tolist() == [80.0]


# ---- writing and differentiating inside transforms -----------------------------------------------------------------------


def _write_element(x):
    x[0] = 7.0
    return x.sum()


@pytest.mark.parametrize(
    ("call", "given", "written", "result"),  # as torch 2.13 gives them
    [
        (lambda y: lucid.vmap(lambda x: x.add_(1))(y), [[1.0, 1.0]], [[2.0, 2.0]], [[2.0, 2.0]]),
        (lambda y: lucid.vmap(lambda x: x[0].mul_(5))(y), [[1.0, 2.0], [3.0, 4.0]], [[5.0, 2.0], [15.0, 4.0]], [5.0, 15.0]),
        (lambda y: lucid.vmap(lambda x: x[0].mul_(5), 1)(y), [[1.0, 2.0], [3.0, 4.0]], [[5.0, 10.0], [3.0, 4.0]], [5.0, 10.0]),
        (lambda y: lucid.vmap(_write_element)(y), [[1.0, 2.0], [3.0, 4.0]], [[7.0, 2.0], [7.0, 4.0]], [9.0, 11.0]),
        (lambda y: lucid.vmap(_write_element, chunk_size=1)(y), [[1.0, 2.0], [3.0, 4.0]], [[7.0, 2.0], [7.0, 4.0]], [9.0, 11.0]),
        (lambda y: lucid.func.jvp(lambda x: x.mul_(2) * x, (y,), (lucid.ones(2),))[1], [1.0, 3.0], [2.0, 6.0], [8.0, 24.0]),
        (lambda y: lucid.vmap(lucid.vmap(lambda x: x.mul_(x)))(y), [[2.0], [3.0]], [[4.0], [9.0]], [[4.0], [9.0]]),
    ],
    ids=["add_", "part", "part of columns", "setitem", "chunks", "jvp", "nested"],
)  # fmt: skip
def test_what_a_transformed_function_writes_reaches_the_caller(call, given, written, result):
    y = lucid.tensor(given)
    assert call(y).tolist() == result
    assert y.tolist() == written


def test_an_outer_graph_sees_what_a_transformed_function_wrote():
    leaf = lucid.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = leaf * 1.0
    out = lucid.vmap(lambda x, s: x.mul_(x) * s)(y, lucid.tensor([1.0, 2.0]))
    (out.sum() + y.sum()).backward()
    assert y.tolist() == [[1.0, 4.0], [9.0, 16.0]]
    assert leaf.grad.tolist() == [[4.0, 8.0], [18.0, 24.0]]
    with pytest.raises(RuntimeError, match="leaf Variable"):
        lucid.vmap(lambda x: x.add_(1))(leaf)


def test_one_shared_tensor_cannot_take_a_batch_of_values():
    shared = lucid.ones(2)
    with pytest.raises(RuntimeError, match="in_dims=None"):
        lucid.vmap(lambda x, s: x.add_(s), in_dims=(None, 0))(shared, lucid.arange(3.0))
    assert shared.tolist() == [1.0, 1.0]
    for write in (lambda t, s: t.add_(s), lambda t, s: t[0].copy_(s), lambda t, s: t.__setitem__(0, s)):
        with pytest.raises(RuntimeError, match="captured"):
            lucid.vmap(lambda s, write=write: write(shared, s) or s)(lucid.arange(3.0))
    assert shared.tolist() == [1.0, 1.0]
    made_inside = lucid.vmap(lambda s: lucid.zeros(2).add_(s))(lucid.arange(2.0))
    assert made_inside.tolist() == [[0.0, 0.0], [1.0, 1.0]]


@pytest.mark.parametrize("transform", ["vmap", "jvp"])
@pytest.mark.parametrize("how", ["backward", "grad"])
def test_backward_inside_a_transform_through_a_graph_outside(transform, how):
    w = lucid.ones(3, requires_grad=True)

    def f(x):
        loss = (w * x).sum()
        return loss.backward() if how == "backward" else lucid.autograd.grad(loss, w)[0]

    ones = lucid.ones(2, 3)
    if (how, transform) == ("grad", "jvp"):  # forward over reverse
        assert [t.tolist() for t in lucid.func.jvp(f, (ones,), (ones,))] == [[2.0] * 3] * 2
        return
    with pytest.raises(RuntimeError, match="inside vmap or jvp"):
        lucid.vmap(f)(ones) if transform == "vmap" else lucid.func.jvp(f, (ones,), (ones,))
    assert w.grad is None


@pytest.mark.parametrize("argument", ["tpu", "tpu:0", "flaot32"])
def test_a_place_or_dtype_that_nobody_knows(argument):
    with pytest.raises(RuntimeError, match=rf"Expected one of cpu, cuda, mlx.*float32.*: {argument}"):
        lucid.ones(1).to(argument)


def test_which_tensors_inference_mode_marks():
    x = lucid.ones(4, requires_grad=True)
    with lucid.inference_mode():
        made = [x * 2, (x * 2)[1:], (x * 2).sort()[0], x.max(0)[0], lucid.cat([x, x])]
        views = [x.reshape(2, 2), x[1:], x.detach()]
    assert all(t.is_inference() for t in made)
    assert not any(t.is_inference() for t in views)  # they share the memory of a tensor that is none
    for t in made:
        with pytest.raises(RuntimeError, match="inference tensor"):
            t.add_(1)


MADE = {
    "zeros": lambda L: L.zeros(2),
    "tensor": lambda L: L.tensor([1.0]),
    "as_tensor": lambda L: L.as_tensor([1.0]),
    "randn": lambda L: L.randn(2),
    "randint": lambda L: L.randint(0, 3, (2,)),
    "randperm": lambda L: L.randperm(2),
    "arange": lambda L: L.arange(2),
    "class": lambda L: L.Tensor([1.0]),
    "result": lambda L: L.ones(2) + 1,
    "one of several results": lambda L: L.ones(2).sort()[0],
    "view": lambda L: L.ones(2)[0],
    "parameter": lambda L: L.nn.Linear(1, 1).weight,
    "leaf": lambda L: L.ones(2, requires_grad=True),
}


@needs_torch
@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_what_inference_mode_makes_is_marked_as_in_torch(make):
    for library in (lucid, torch):
        with library.inference_mode():
            made = make(library)
        assert made.is_inference()


def _inferred(library):
    with library.inference_mode():
        return library.ones(2)


def _learned(library):
    return library.ones(2, requires_grad=True)


OUTSIDE = {
    "in place": (lambda L, x, w: x.add_(1), True),
    "through a view": (lambda L, x, w: x[0].zero_(), True),
    "by an index": (lambda L, x, w: x.__setitem__(0, 1), True),
    "out=": (lambda L, x, w: L.add(L.ones(2), 1, out=x), True),
    "requires_grad_": (lambda L, x, w: x.requires_grad_(), True),
    "saved, second": (lambda L, x, w: w * x, True),
    "saved, first": (lambda L, x, w: x * w, True),
    "saved of several": (lambda L, x, w: L.addcmul(L.ones(2), w, x), True),
    "saved by a layer": (lambda L, x, w: L.nn.Linear(2, 2)(x), True),
    "not saved": (lambda L, x, w: (w + x).sum().backward(), False),
    "its clone": (lambda L, x, w: (w * x.clone()).sum().backward(), False),
    "without a graph": (lambda L, x, w: x * 2, False),
    "copied from": (lambda L, x, w: L.ones(2).copy_(x), False),
}


@needs_torch
@pytest.mark.parametrize(("use", "refused"), OUTSIDE.values(), ids=OUTSIDE)
def test_inference_tensors_outside(use, refused):
    for library in (lucid, torch):
        x, w = _inferred(library), _learned(library)
        if refused:
            with pytest.raises(RuntimeError, match=r"[Ii]nference"):
                use(library, x, w)
            assert library is torch or x.tolist() == [1, 1]  # PyTorch has written when it raises
        else:
            use(library, x, w)


def test_weights_kept_from_inference_mode_serve_training():
    x = lucid.ones(1, 1, 3, 3, requires_grad=True)
    with lucid.inference_mode():  # the matrices of the resizing are made here and kept
        lucid.nn.functional.interpolate(x, size=(7, 7), mode="bilinear")
        lucid.nn.functional.adaptive_avg_pool2d(x, 2)
    lucid.nn.functional.interpolate(x, size=(7, 7), mode="bilinear").sum().backward()
    lucid.nn.functional.adaptive_avg_pool2d(x, 2).sum().backward()
    assert x.grad is not None


def test_an_error_in_a_rule_shows_the_line_of_the_step_that_called_it():
    def rule(xp, g, x, amount):
        raise ArithmeticError("not today")

    table = lucid.backends.load("cpu").table
    table.refuses = lambda x, amount: x + amount
    try:
        refuses = lucid.autograd.elementwise("refuses", rule, params=("amount",))
        with pytest.raises(ArithmeticError) as caught:
            refuses(lucid.ones(2, requires_grad=True), 1.0).sum().backward()
    finally:
        OPS.pop("refuses", None)
        del table.refuses
    shown = "".join(traceback.format_exception(caught.value))
    assert "<backward of refuses>" in shown
    assert "r = rule0(xp, g, s[0], p[0])" in shown


def test_a_hook_that_overwrites_what_backward_still_needs():
    x, w = lucid.ones(2, requires_grad=True), lucid.full((2,), 3.0)
    h = x * w
    out = h * 2.0
    h.register_hook(lambda g: w.add_(1.0))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()
    assert x.grad is None


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("f", "x", "value", "gradient"),  # recorded from torch 2.13
    [
        (lambda x: lucid.nn.functional.threshold(x, 0.5, 0.2), [NAN, 0.0, 1.0], [NAN, 0.2, 1.0], [1.0, 0.0, 1.0]),
        (lambda x: lucid.nn.functional.normalize(x, dim=0), [NAN, 1.0], [NAN, NAN], [NAN, NAN]),
        (lambda x: x.logsumexp(0), [INF, 1.0], INF, [NAN, 0.0]),
        (lambda x: x.max(), [NAN, 1.0, NAN], NAN, [0.5, 0.0, 0.5]),
    ],
)
def test_at_nan_and_infinity(f, x, value, gradient):
    t = lucid.tensor(x, dtype=lucid.float64, requires_grad=True)
    y = f(t)
    y.sum().backward()
    assert lucid.allclose(y.detach(), lucid.tensor(value, dtype=lucid.float64), equal_nan=True)
    assert lucid.allclose(t.grad, lucid.tensor(gradient, dtype=lucid.float64), equal_nan=True)


def curvature(t, f):
    """What the slope depends on by steps only is part of the graph, with zeros for a gradient: a network of ReLUs has a Laplacian."""
    x = t.tensor([[0.5, -1.0], [2.0, 0.25]], requires_grad=True)
    w = t.tensor([[1.0, -2.0], [0.5, 3.0]], requires_grad=True)
    (slope,) = t.autograd.grad(f(t, x @ w).sum(), x, create_graph=True)
    found = [t.autograd.grad(slope.sum(), (x, w), retain_graph=True, allow_unused=unused) for unused in (False, True)]
    return [[g.tolist() for g in gs] for gs in found]


F_STEPS = {
    "relu": lambda F, h: F.relu(h),
    "leaky_relu": lambda F, h: F.leaky_relu(h, 0.2),
    "relu6": lambda F, h: F.relu6(h),
    "hardtanh": lambda F, h: F.hardtanh(h),
    "threshold": lambda F, h: F.threshold(h, 0.5, 1.0),
    "softshrink": lambda F, h: F.softshrink(h),
    "hardshrink": lambda F, h: F.hardshrink(h),
    "rrelu": lambda F, h: F.rrelu(h),
    "rrelu training": lambda F, h: F.rrelu(h, 0.5, 0.5, training=True),
    "prelu": lambda F, h: F.prelu(h, h.detach()[0]),
    "max_pool1d": lambda F, h: F.max_pool1d(h[None], 2),
    "avg_pool1d": lambda F, h: F.avg_pool1d(h[None], 2),
    "avg_pool2d": lambda F, h: F.avg_pool2d(h[None], 2),
    "adaptive_avg_pool2d": lambda F, h: F.adaptive_avg_pool2d(h[None], 3),
    "fractional": lambda F, h: F.fractional_max_pool2d(h[None], 1, 2, _random_samples=h.detach()[None, :1] * 0),
    "max_unpool": lambda F, h: F.max_unpool1d(*F.max_pool1d(h, 2, return_indices=True), 2),
    "pad": lambda F, h: F.pad(h, (1, 1), mode="reflect"),
    "nll_loss": lambda F, h: F.nll_loss(h, h.detach().argmax(1)),
}


@needs_torch
@pytest.mark.parametrize("f", F_STEPS.values(), ids=list(F_STEPS))
def test_second_derivatives_through_steps_are_zero(f):
    ours, theirs = (curvature(t, lambda t, h: f(t.nn.functional, h)) for t in (lucid, torch))
    np.testing.assert_allclose(np.array(ours), np.array(theirs), rtol=1e-5, atol=1e-6)


def penalised(t, f):
    """The gradients that a penalty on the slope of a network leaves; a bias has zeros, so weight decay and momentum move it."""
    linear = t.nn.functional.linear
    w, v, b, x = (t.linspace(-1, k, 4).requires_grad_() for k in (1.0, 2.0, 0.5, 1.5))
    hidden = f(t.nn.functional, linear(x.reshape(2, 2), w.reshape(2, 2), b[:2]))
    (slope,) = t.autograd.grad(linear(hidden, v.reshape(2, 2)).sum(), x, create_graph=True)
    (slope**2).sum().backward()
    return [p.grad.tolist() for p in (w, v, b, x)]


@needs_torch
@pytest.mark.parametrize("name", ["relu", "leaky_relu", "relu6", "threshold", "softshrink"])
def test_a_penalty_on_slopes_reaches_biases_with_zeros(name):
    ours, theirs = penalised(lucid, F_STEPS[name]), penalised(torch, F_STEPS[name])
    np.testing.assert_allclose(np.array(ours), np.array(theirs), rtol=1e-5, atol=1e-6)


def test_an_input_outside_the_graph_is_still_unused():
    x, other = (lucid.ones(2, requires_grad=True) for _ in range(2))
    (slope,) = lucid.autograd.grad(lucid.relu(x).sum(), x, create_graph=True)
    assert lucid.autograd.grad(slope.sum(), (x, other), retain_graph=True, allow_unused=True)[1] is None
    with pytest.raises(RuntimeError, match="at index 1 appears to not have been used"):
        lucid.autograd.grad(slope.sum(), (x, other))


def test_a_custom_function_without_a_gradient_leaves_its_input_unused():
    class Nothing(lucid.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return None

    x = lucid.ones(1, requires_grad=True)
    assert lucid.autograd.grad(Nothing.apply(x), x, allow_unused=True) == (None,)
    with pytest.raises(RuntimeError, match="appears to not have been used"):
        lucid.autograd.grad(Nothing.apply(x), x)
