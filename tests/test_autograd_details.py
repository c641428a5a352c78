"""Corners of autograd that programs written for PyTorch stand on."""

import numpy as np
import pytest

import lucid
from lucid.utils.checkpoint import checkpoint, set_checkpoint_early_stop


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_checkpoint_is_computed_again_in_the_precision_of_its_first_run(reentrant):
    x, y = (lucid.randn(3, 3, requires_grad=True) for _ in range(2))
    seen = []

    def f(a, b):
        z = a @ b
        seen.append(z.dtype)
        return z.float().sin()

    with lucid.autocast("cpu", dtype=lucid.bfloat16):
        expected = lucid.autograd.grad(f(x, y).sum(), [x, y])
        narrow = checkpoint(f, x, y, use_reentrant=reentrant)
    wide = checkpoint(f, x, y, use_reentrant=reentrant)
    seen.clear()
    narrow.sum().backward()
    assert seen == [lucid.bfloat16]
    assert all(lucid.equal(g, t.grad) for g, t in zip(expected, (x, y), strict=True))
    with lucid.autocast("cpu", dtype=lucid.bfloat16):
        wide.sum().backward()
    assert seen == [lucid.bfloat16, lucid.float32]


@pytest.mark.parametrize("early", [True, False])
def test_set_checkpoint_early_stop(early):
    steps = []

    def f(x):
        y = x.sin()
        steps.append("after sin")
        return y.sum()

    with set_checkpoint_early_stop(early):
        out = checkpoint(f, lucid.ones(2, requires_grad=True), use_reentrant=False, early_stop=not early)
    steps.clear()
    out.backward()
    assert steps == ([] if early else ["after sin"])


class AddThrice(lucid.autograd.Function):
    """Overwrites its first input."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.mark_dirty(x)
        return x.add_(y * 3)

    @staticmethod
    def backward(ctx, g):
        return g, g * 3


def test_a_function_that_overwrites_a_view_changes_its_base():
    a = lucid.randn(3, 4, dtype=lucid.float64, requires_grad=True)
    b = lucid.randn(2, dtype=lucid.float64, requires_grad=True)

    def f(a, b):
        x = a.clone()
        AddThrice.apply(x[1, :2], b)
        AddThrice.apply(x.t()[2:, 0], b * b)
        return x * x

    assert lucid.autograd.gradcheck(f, (a, b))
    assert lucid.autograd.gradgradcheck(f, (a, b))
    with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad"):
        AddThrice.apply(a[1, :2], b)


class Parts(lucid.autograd.Function):
    """Several outputs, one of them no tensor; its backward goes by the other name."""

    @staticmethod
    def forward(x, n=3):
        return x**n, n

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.x, ctx.n = inputs

    @staticmethod
    def vjp(ctx, g, of_n):
        assert of_n is None
        return g * ctx.n * ctx.x ** (ctx.n - 1), None


def test_backward_has_a_gradient_for_each_output_and_setup_context_sees_defaults():
    x = lucid.tensor(2.0, requires_grad=True)
    y, n = Parts.apply(x)
    assert (y.item(), n) == (8.0, 3)
    assert y.grad_fn.n == 3
    assert lucid.autograd.grad(y, x)[0].item() == 12.0
    both = type("Both", (Parts,), {"backward": staticmethod(lambda ctx, *g: (None, None))})
    with pytest.raises(RuntimeError, match="Implementing both 'backward' and 'vjp'"):
        both.apply(x)[0].backward()


@pytest.mark.parametrize("returned", [lambda x: x, lambda x: x[1:], lambda x: x.view_as(x)])
def test_what_a_function_returns_of_its_input_cannot_be_overwritten(returned):
    body = {"forward": staticmethod(lambda ctx, x: returned(x)), "backward": staticmethod(lambda ctx, g: g)}
    alias = type("Alias", (lucid.autograd.Function,), body)
    x = lucid.ones(3, requires_grad=True) * 1
    y = alias.apply(x)
    with pytest.raises(
        RuntimeError, match="Output 0 of Alias is a view and is being modified inplace. This view was created inside"
    ):
        y.add_(1)
    x.mul_(2)
    assert y.tolist() == [2.0] * len(y)


def test_a_context_that_is_kept_outlives_its_graph():
    kept = []

    class Keeps(lucid.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            kept.append(ctx)
            ctx.save_for_backward(x)
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g

    x = lucid.ones(2, requires_grad=True)
    for retain in (True, False):
        Keeps.apply(x).sum().backward(retain_graph=retain)
    assert kept[0].saved_tensors[0].tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="a second time"):
        kept[1].saved_tensors  # noqa: B018


def test_reverse_inside_forward_sees_tensors_of_the_level_below():
    """The tangent of d(wx^2)/dw is 2x dx, whether x has a gradient of its own or not, inside jvp and a dual level."""
    import lucid.autograd.forward_ad as fwAD

    x, dx = (lucid.tensor([v], dtype=lucid.float64) for v in (2.0, 3.0))
    w = lucid.tensor([5.0], dtype=lucid.float64, requires_grad=True)

    def gradients(x, *more):
        return lucid.autograd.grad(w * x**2, [w, *more], lucid.ones(1, dtype=lucid.float64))

    (value,), (tangent,) = lucid.func.jvp(lambda x: gradients(x), (x,), (dx,))
    assert (value.item(), tangent.item()) == (4.0, 12.0)
    values, tangents = lucid.func.jvp(lambda x: gradients(x.requires_grad_(), x), (x,), (dx,))
    assert [v.item() for v in values] == [4.0, 20.0]
    assert [t.item() for t in tangents] == [12.0, 30.0]
    with fwAD.dual_level():
        (g,) = gradients(fwAD.make_dual(x, dx))
        assert fwAD.unpack_dual(g).tangent.item() == 12.0
    a, b = (lucid.randn(2, 2, dtype=lucid.complex128, requires_grad=True) for _ in range(2))
    assert lucid.autograd.gradgradcheck(lucid.matmul, (a, b), check_fwd_over_rev=True, check_rev_over_rev=False)


def test_hooks_run_outside_the_graph_unless_it_is_asked_for():
    p, seen = lucid.ones(2, requires_grad=True), []
    p.register_post_accumulate_grad_hook(lambda p: p.sub_(p.grad))
    q = p * 1
    q.register_hook(lambda g: seen.append(lucid.is_grad_enabled()))
    q.sum().backward()
    assert p.tolist() == [0.0, 0.0]
    lucid.autograd.grad((p * 1).sum(), p, create_graph=True)
    (p * q.detach()).sum().backward(create_graph=False)
    r = p * 2
    r.register_hook(lambda g: seen.append(lucid.is_grad_enabled()))
    lucid.autograd.grad(r.sum(), p, create_graph=True)
    assert seen == [False, True]
    assert lucid.is_grad_enabled()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda y, x: lucid.autograd.grad(y, x, lucid.ones(2)), r"grad_output\[0\] has a shape of .*\[2\].* and output\[0\] has"),
        (lambda y, x: lucid.autograd.grad(y, x, lucid.ones(2, 2), is_grads_batched=True), "If `is_grads_batched=True`, we interpret"),
        (lambda y, x: (y[0] * 1j).backward(), "grad can be implicitly created only for real scalar outputs but got"),
        (
            lambda y, x: lucid.autograd.grad(y.sum(), lucid.autograd.graph.get_gradient_edge(x * 1), materialize_grads=True),
            "materialize_grads cannot be used when the given input is a GradientEdge",
        ),
    ],
)  # fmt: skip
def test_what_grad_refuses(call, message):
    x = lucid.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match=message):
        call(x * 2, x)


def test_materialized_zeros_and_edges_go_on():
    x, a = lucid.tensor(0.5, requires_grad=True), lucid.tensor(1.0, requires_grad=True)
    d1 = lucid.autograd.grad(x * a, x, create_graph=True)
    d2 = lucid.autograd.grad(d1, x, create_graph=True, materialize_grads=True)
    assert lucid.autograd.grad(d2, x, materialize_grads=True)[0].item() == 0.0
    lucid.autograd.backward(x * a, inputs=(lucid.autograd.graph.get_gradient_edge(x), a))
    assert (x.grad.item(), a.grad.item()) == (1.0, 0.5)


@pytest.mark.parametrize("mode, words", [(lucid.no_grad, "no_grad mode"), (lucid.inference_mode, "inference mode")])
def test_a_view_made_aside_takes_no_part_in_a_graph(mode, words):
    """What would be written to it, or to its base, would be lost to backward: the write is refused, and nothing changes."""
    plain, tracked = lucid.zeros(4), lucid.ones(4, requires_grad=True) * 1
    with mode():
        views = plain.view(2, 2), tracked.view(2, 2)
    source = lucid.ones(2, requires_grad=True)
    for write in (
        lambda: views[0].add_(source),
        lambda: views[0].__setitem__(0, source),
        lambda: views[1].add_(1),
        lambda: views[1].view(4).mul_(2),
        lambda: views[1].diagonal().zero_(),
    ):
        with pytest.raises(RuntimeError, match=f"created in {words} and is being modified inplace"):
            write()
    assert plain.tolist() == [0, 0, 0, 0] and tracked.tolist() == [1, 1, 1, 1]
    views[0].add_(1)  # no graph at all: as any other write
    with lucid.no_grad():
        views[1].mul_(3)
    assert plain.tolist() == [1, 1, 1, 1] and tracked.tolist() == [3, 3, 3, 3]


def test_inference_tensors_stay_as_they_are_outside():
    with lucid.inference_mode():
        x = lucid.ones(3)
    for write in (lambda: x.resize_(2), lambda: x.add_(1), lambda: x.__setitem__(0, 2.0)):
        with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside InferenceMode"):
            write()
    assert x.tolist() == [1, 1, 1] and not x.view(3)._is_view()


def test_float_power_in_place_has_the_gradient_of_the_old_contents():
    x = lucid.tensor([2.0, 3.0], dtype=lucid.float64, requires_grad=True)
    exponent = lucid.tensor([2.0, 3.0], dtype=lucid.float64, requires_grad=True)
    y = x * 1
    y.float_power_(exponent).sum().backward()
    np.testing.assert_allclose(x.grad.tolist(), [4, 27])
    np.testing.assert_allclose(exponent.grad.tolist(), [4 * np.log(2), 27 * np.log(3)])


def test_mutation_of_saved_tensors_is_allowed_in_one_block():
    allowed = lucid.autograd.graph.allow_mutation_on_saved_tensors
    x = lucid.ones(2, requires_grad=True)

    def mutated():
        y = x * 1
        z = y.sin()
        y.mul_(5)
        return z.sum()

    with allowed():
        outside = mutated()
        mutated().backward()
        with pytest.raises(RuntimeError, match="cannot be nested"), allowed():
            pass
        mutated().backward()  # the block goes on
    np.testing.assert_allclose(x.grad.tolist(), [2 * np.cos(1)] * 2, rtol=1e-6)
    with pytest.raises(AssertionError, match="outside of the 'allow_mutation_on_saved_tensors' context"):
        outside.backward()
    allowed()(lambda: mutated().backward())()
    np.testing.assert_allclose(x.grad.tolist(), [3 * np.cos(1)] * 2, rtol=1e-6)


def test_a_custom_function_that_returns_one_tensor_twice():
    class Twice(lucid.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            out = x * 2
            return out, out

        @staticmethod
        def backward(ctx, first, second):
            return first + 10 * second

    x = lucid.ones(2, requires_grad=True)
    a, b = Twice.apply(x)
    assert a is b  # and its gradient is that of the last output, as in PyTorch
    a.sum().backward()
    assert x.grad.tolist() == [10, 10]


@pytest.mark.parametrize(
    "tangent, message",
    [
        (3.0, "expected Variable or None"),
        (lucid.ones(7), "a different size than that of the original Tensor"),
        ((lucid.ones(2), lucid.ones(2)), "invalid number of forward gradients .expected 1 but got 2"),
    ],
)
def test_what_a_custom_jvp_may_return(tangent, message):
    class Bad(lucid.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def jvp(ctx, t):
            return tangent

    with pytest.raises(RuntimeError, match=message):
        lucid.func.jvp(Bad.apply, (lucid.ones(2),), (lucid.ones(2),))


def test_a_forward_mode_jacobian_is_part_of_the_graph_of_its_inputs():
    jacobian = lucid.autograd.functional.jacobian
    x = lucid.tensor([1.0, 2.0], requires_grad=True)
    found = jacobian(lambda x: x**3, x, vectorize=True, strategy="forward-mode")
    found.sum().backward()
    assert x.grad.tolist() == [6, 12]
    plain = jacobian(lambda x: x**3, x.detach(), vectorize=True, strategy="forward-mode")
    assert not plain.requires_grad and plain.tolist() == found.tolist()


@pytest.mark.parametrize(
    "parts", [lambda t: t.unsafe_split(1), lambda t: t.unsafe_split_with_sizes((1, 2)), lambda t: t.unsafe_chunk(3)]
)
def test_unsafe_parts_may_be_written_to(parts):
    x = lucid.ones(3, 2, requires_grad=True)
    first, second, *_ = parts(x * 2)
    with pytest.raises(RuntimeError, match="function that returns multiple views"):
        (x * 2).split(1)[0].mul_(1)
    first.mul_(second[:1])
    first.sum().backward()
    assert x.grad.tolist() == [[4, 4], [4, 4], [0, 0]]


def test_backward_at_a_dual_level_is_that_of_the_primal():
    import lucid.autograd.forward_ad as fwAD

    linear, x = lucid.nn.Linear(2, 1), lucid.ones(3, 2)
    with fwAD.dual_level():
        out = linear(fwAD.make_dual(x, x * 5))
        out.sum().backward()
        assert fwAD.unpack_dual(linear.weight.grad).tangent is None
    assert linear.weight.grad.tolist() == [[3, 3]] and linear.bias.grad.tolist() == [3]


def test_integers_have_no_tangent_in_a_custom_jvp():
    seen = []

    class Shifted(lucid.autograd.Function):
        @staticmethod
        def forward(ctx, x, k, y):
            return x + k + y

        @staticmethod
        def jvp(ctx, *tangents):
            seen.extend(tangents)
            return tangents[0]

    lucid.func.jvp(lambda x: Shifted.apply(x, lucid.tensor(3), lucid.ones(2)), (lucid.ones(2),), (lucid.ones(2),))
    assert seen[1] is None and seen[2].tolist() == [0, 0]


@pytest.mark.parametrize(
    "f", [lucid.unique, lucid.unique_consecutive, lambda x: lucid.unique(x, return_inverse=True, dim=0)[0]]
)
def test_unique_says_that_it_has_no_derivative(f):
    """A gradient that stopped there without a word would be a wrong one."""
    x = lucid.tensor([1.0, 2.0, 1.0], requires_grad=True)
    assert not f(x.detach()).requires_grad
    with lucid.no_grad():
        assert not f(x).requires_grad
    with pytest.raises(NotImplementedError, match="the derivative for '.*unique.*' is not implemented"):
        (f(x).sum() + x.sum()).backward()
