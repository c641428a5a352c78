"""autograd.Function in all its forms, against torch."""

import pytest

import lucid
from leaves import V, close, leaf
from reference import needs_torch, torch


def scaled_exp(m, **more):
    class ScaledExp(m.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x, n):
            return x.exp() * n, x.sin()

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[0], output[0])
            ctx.save_for_forward(inputs[0], output[0])

        @staticmethod
        def backward(ctx, g, h):
            x, out = ctx.saved_tensors
            return g * out + h * x.cos(), None

        @staticmethod
        def jvp(ctx, t, _):
            x, out = ctx.saved_tensors
            return t * out, t * x.cos()

    return ScaledExp


def _function_backward(m):
    x = leaf(m)
    a, b = scaled_exp(m).apply(x, 3.0)
    (a * b).sum().backward()
    return x.grad


def _function_second_order(m):
    x = leaf(m)
    a, b = scaled_exp(m).apply(x, 3.0)
    (g,) = m.autograd.grad((a * b).sum(), x, create_graph=True)
    return m.autograd.grad((g**2).sum(), x)[0]


def _function_one_output_used(m):
    x = leaf(m)
    scaled_exp(m).apply(x, 3.0)[1].sum().backward()
    return x.grad


def _function_jvp(m):
    x = leaf(m).detach()
    return m.func.jvp(lambda t: scaled_exp(m).apply(t, 3.0)[0] * 2, (x,), (x,))[1]


def _function_vmap_of_grad(m):
    return m.func.vmap(m.func.grad(lambda t: scaled_exp(m).apply(t, 3.0)[0].sum()))(leaf(m).detach())


def _function_grad_of_vmap(m):
    return m.func.grad(lambda t: (m.func.vmap(lambda r: scaled_exp(m).apply(r, 3.0)[0])(t) ** 2).sum())(
        leaf(m).detach()
    )


def _function_dirty(m):
    class Double(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return 2 * g

    x = leaf(m)
    y = x * 3
    z = Double.apply(y)
    assert z is y
    (z**2).sum().backward()
    return x.grad


def _function_non_differentiable(m):
    class Order(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            values, order = x.sort(1)
            rounded = values.round()
            ctx.mark_non_differentiable(order, rounded)
            ctx.save_for_backward(order)
            return values, order, rounded

        @staticmethod
        def backward(ctx, g, _, __):
            (order,) = ctx.saved_tensors
            return m.zeros_like(g).scatter(1, order, g)

    x = leaf(m)
    values, order, rounded = Order.apply(x)
    assert not order.requires_grad
    assert not rounded.requires_grad
    (values * m.tensor([1.0, 2.0, 3.0], dtype=m.float64)).sum().backward()
    return x.grad


def _function_needs_and_none(m):
    seen = []

    class Product(m.autograd.Function):
        @staticmethod
        def forward(ctx, x, y, n):
            ctx.set_materialize_grads(False)
            ctx.save_for_backward(x, y)
            return x * y, x + n

        @staticmethod
        def backward(ctx, g, h):
            seen.append((ctx.needs_input_grad, h is None))
            _x, y = ctx.saved_tensors
            return g * y, None, None

    x, y = leaf(m), leaf(m, V).detach()
    Product.apply(x, y, 2)[0].sum().backward()
    assert seen == [((True, False, False), True)]
    return x.grad


FUNCTIONS = [
    _function_backward, _function_second_order, _function_one_output_used, _function_jvp, _function_vmap_of_grad, _function_grad_of_vmap,
    _function_dirty, _function_non_differentiable, _function_needs_and_none,
]  # fmt: skip


@needs_torch
@pytest.mark.parametrize("program", FUNCTIONS, ids=lambda f: f.__name__.strip("_"))
def test_function_agrees_with_torch(program):
    close(program(lucid), program(torch))


def bad_function(backward):
    class Bad(lucid.autograd.Function):
        @staticmethod
        def forward(ctx, x, n=None):
            return x * 2

    Bad.backward = staticmethod(backward)
    return Bad


@pytest.mark.parametrize(
    ("backward", "args", "message"),
    [
        (lambda ctx, g: (g, None, g), 1, "incorrect number of gradients"),
        (lambda ctx, g: (), 1, "incorrect number of gradients"),
        (lambda ctx, g: g[:, :2], 1, "invalid gradient at index 0"),
        (lambda ctx, g: (g, g), 2, "different from None"),
    ],
)
def test_function_errors(backward, args, message):
    y = bad_function(backward).apply(leaf(lucid), *[3] * (args - 1))
    with pytest.raises(RuntimeError, match=message):
        y.sum().backward()


def test_function_that_cannot_be_called_or_transformed():
    cls = bad_function(lambda ctx, g: g)
    with pytest.raises(RuntimeError, match="should not be instantiated"):
        cls()
    with pytest.raises(RuntimeError, match="vmap support"):
        lucid.vmap(cls.apply)(lucid.ones(2))
    with pytest.raises(RuntimeError, match="forward AD"):
        lucid.func.jvp(cls.apply, (lucid.ones(2),), (lucid.ones(2),))


def test_once_differentiable_refuses_the_second_derivative():
    class Square(lucid.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @lucid.autograd.function.once_differentiable
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0]

    x = leaf(lucid)
    (g,) = lucid.autograd.grad((Square.apply(x) * x).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.sum().backward()


def test_function_with_its_own_vmap():
    class Plus(lucid.autograd.Function):
        @staticmethod
        def forward(x, y):
            return x + y

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, g):
            return g, g

        @staticmethod
        def vmap(info, in_dims, x, y):
            assert info.batch_size == 3
            assert in_dims == (0, None)
            return Plus.apply(x, y), 0

    out = lucid.vmap(Plus.apply, (1, None))(lucid.ones(2, 3), lucid.ones(2))
    assert out.tolist() == [[2.0, 2.0]] * 3


def test_a_saved_tensor_that_was_overwritten_is_an_error():
    class Keep(lucid.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0]

    x = leaf(lucid) * 1
    y = Keep.apply(x)
    x.add_(1)
    with pytest.raises(RuntimeError, match="inplace"):
        y.sum().backward()


def test_what_a_vmap_rule_makes_belongs_to_no_batch():
    class Zeros(lucid.autograd.Function):
        @staticmethod
        def forward(x):
            return lucid.zeros(x.shape)

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def vmap(info, in_dims, x):
            return lucid.zeros(x.shape[1:]), None

    assert lucid.vmap(Zeros.apply)(lucid.ones(2, 3)).tolist() == [[0.0] * 3] * 2
    Zeros.vmap = staticmethod(lambda info, in_dims, x: x)
    with pytest.raises(RuntimeError, match="two returns"):
        lucid.vmap(Zeros.apply)(lucid.ones(2, 3))
    Zeros.vmap = staticmethod(lambda info, in_dims, x: (x, (0, 0)))
    with pytest.raises(RuntimeError, match="incompatible"):
        lucid.vmap(Zeros.apply)(lucid.ones(2, 3))
