"""lucid.func against torch.func: gradients, products, Jacobians, nested in every order, in float64."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lucid
from reference import needs_torch, torch

X = [[0.3, -1.2, 2.0], [0.7, 0.1, -0.4]]
V = [[1.0, 0.5, -2.0], [0.2, -0.3, 0.9]]


def tensor(m, data):
    return m.tensor(data, dtype=m.float64)


def func(m):
    return m.func


def close(a, b, tol=1e-9):
    if isinstance(a, (tuple, list)):
        assert len(a) == len(b)
        for p, q in zip(a, b, strict=True):
            close(p, q, tol)
        return
    assert tuple(a.shape) == tuple(b.shape)
    assert torch.allclose(
        torch.tensor(a.detach().tolist(), dtype=torch.float64), b.detach().double(), rtol=tol, atol=tol, equal_nan=True
    )


# Each maps a (2, 3) tensor to a (2, 3) tensor and is smooth at X; `m` is torch or lucid.
STEPS = {
    "sin": lambda m, x: m.sin(x),
    "exp": lambda m, x: (x * 0.3).exp(),
    "square": lambda m, x: x * x,
    "twice": lambda m, x: x + x,
    "tanh": lambda m, x: m.tanh(x) * 2,
    "softmax": lambda m, x: x.softmax(1) * x,
    "logsumexp": lambda m, x: x - m.logsumexp(x, 0, keepdim=True),
    "flip": lambda m, x: x.flip(1) * x,
    "matmul": lambda m, x: (x @ x.T) @ x * 0.1,
    "transpose": lambda m, x: x.T.reshape(2, 3) + x,
    "index": lambda m, x: x[[1, 0]] * x[:, [2, 2, 0]],
    "slice": lambda m, x: m.cat([x[:, 1:], x[:, :1] * 2], 1),
    "cumsum": lambda m, x: x.cumsum(1) * 0.5,
    "divide": lambda m, x: x / (x * x + 1),
    "where": lambda m, x: m.where(x > 0, x * x, x.sin()),
    "inplace": lambda m, x: _inplace(m, x),
    "gather": lambda m, x: x.gather(1, m.tensor([[0, 2, 2], [1, 1, 0]])) * x,
    "mean": lambda m, x: x * x.mean(1, keepdim=True),
    "prod": lambda m, x: x + x.prod(1, keepdim=True) * 0.1,
    "max": lambda m, x: x * x.amax(0),
    "pow": lambda m, x: (x * x + 1) ** 1.5 * 0.2,
    "clamp": lambda m, x: x.clamp(-1.0, 1.5) * x,
}


def _inplace(m, x):
    y = x * 1.0
    y[0] = x[1] * 2
    y[:, 1:] += x[:, :2]
    y.mul_(0.5)
    return y


def program(m, names):
    def f(x):
        for name in names:
            x = STEPS[name](m, x)
        return x

    return f


TRANSFORMS = {
    "grad": lambda m, f: func(m).grad(lambda x: (f(x) ** 2).sum())(tensor(m, X)),
    "grad_and_value": lambda m, f: func(m).grad_and_value(lambda x: f(x).sum())(tensor(m, X)),
    "jvp": lambda m, f: func(m).jvp(f, (tensor(m, X),), (tensor(m, V),)),
    "vjp": lambda m, f: func(m).vjp(f, tensor(m, X))[1](tensor(m, V))[0],
    "jacrev": lambda m, f: func(m).jacrev(f)(tensor(m, X)),
    "jacfwd": lambda m, f: func(m).jacfwd(f)(tensor(m, X)),
    "hessian": lambda m, f: func(m).hessian(lambda x: (f(x) ** 2).sum())(tensor(m, X)),
    "grad of grad": lambda m, f: func(m).grad(lambda x: (func(m).grad(lambda y: (f(y) ** 2).sum())(x) ** 2).sum())(
        tensor(m, X)
    ),
    "grad of jvp": lambda m, f: func(m).grad(lambda x: func(m).jvp(f, (x,), (tensor(m, V),))[1].sum())(tensor(m, X)),
    "jvp of grad": lambda m, f: func(m).jvp(func(m).grad(lambda x: f(x).sum()), (tensor(m, X),), (tensor(m, V),))[1],
    "jvp of jvp": lambda m, f: func(m).jvp(lambda x: func(m).jvp(f, (x,), (x,))[1], (tensor(m, X),), (tensor(m, V),))[
        1
    ],
    "vmap": lambda m, f: func(m).vmap(f)(batch(m)),
    "vmap of grad": lambda m, f: func(m).vmap(func(m).grad(lambda x: (f(x) ** 2).sum()))(batch(m)),
    "grad of vmap": lambda m, f: func(m).grad(lambda x: (func(m).vmap(f)(x) ** 2).sum())(batch(m)),
    "jvp of vmap": lambda m, f: func(m).jvp(func(m).vmap(f), (batch(m),), (batch(m) * 0.5,))[1],
    "vmap of jvp": lambda m, f: func(m).vmap(lambda x: func(m).jvp(f, (x,), (x,))[1])(batch(m)),
    "vmap of vmap": lambda m, f: func(m).vmap(func(m).vmap(f), in_dims=1, out_dims=2)(batch(m).reshape(3, 1, 2, 3)),
    "linearize": lambda m, f: func(m).linearize(f, tensor(m, X))[1](tensor(m, V)),
}


def batch(m):
    return tensor(m, [X, V, [[1.1, 0.4, -0.6], [0.5, 2.0, 1.7]]])


@needs_torch
@pytest.mark.parametrize("transform", TRANSFORMS)
@settings(max_examples=12)
@given(names=st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=3))
def test_random_programs_agree_with_torch(transform, names):
    run = TRANSFORMS[transform]
    if transform == "linearize" and set(names) & {"inplace", "where", "gather", "index"}:
        names = ["sin", "matmul"]  # torch's linearize traces, and does not take these
    close(run(lucid, program(lucid, names)), run(torch, program(torch, names)), 1e-8)


@needs_torch
@pytest.mark.parametrize("name", STEPS)
def test_each_step_through_vmap_of_hessian(name):
    def run(m):
        return func(m).vmap(func(m).hessian(lambda x: STEPS[name](m, x).sin().sum()))(batch(m))

    close(run(lucid), run(torch), 1e-8)


@needs_torch
@pytest.mark.parametrize("argnums", [0, 1, (0, 1), (1, 0)])
@pytest.mark.parametrize("name", ["grad", "jacrev", "jacfwd", "hessian"])
def test_argnums(name, argnums):
    def run(m):
        return getattr(func(m), name)(lambda a, b: (a * b.sin()).sum() * b.sum(), argnums)(
            tensor(m, X[0]), tensor(m, V[0])
        )

    close(run(lucid), run(torch))


@needs_torch
def test_pytrees_and_aux():
    def loss(m):
        def f(p, x):
            y = x @ p["w"] + p["b"][0]
            return (y * y).sum(), {"y": y}

        return f

    def run(m):
        p = {"w": tensor(m, X).T.clone(), "b": [tensor(m, V[0][:2])]}
        g, aux = func(m).grad(loss(m), has_aux=True)(p, tensor(m, V))
        j = func(m).jacrev(lambda q: (q["w"].sin(), q["b"][0] * 2))(p)
        return [g["w"], g["b"][0], aux["y"], j[0]["w"], j[1]["b"][0], j[0]["b"][0]]

    close(run(lucid), run(torch))


def test_what_comes_back_requires_grad_only_if_something_outside_does():
    x, w = lucid.tensor([1.0, 2.0]), lucid.tensor([3.0, 4.0], requires_grad=True)
    assert not lucid.func.grad(lambda t: (t**3).sum())(x).requires_grad
    g = lucid.func.grad(lambda t: (t**2 * w).sum())(x)
    g.sum().backward()
    assert w.grad.tolist() == [2.0, 4.0]
    assert x.grad is None


def test_no_grad_inside_counts_and_outside_does_not():
    x = lucid.tensor([2.0])

    def f(t):
        with lucid.no_grad():
            c = t**2
        return (t**3 - c).sum()

    assert lucid.func.grad(f)(x).tolist() == [12.0]
    with lucid.no_grad():
        g = lucid.func.grad(lambda t: (t**3).sum())(x)
    assert g.tolist() == [12.0]
    assert not g.requires_grad


def test_perturbations_of_nested_levels_are_not_confused():
    # d/dx [x * d/dy (x + y)] = 1, the example of Siskind and Pearlmutter
    assert (
        lucid.func.grad(lambda x: x * lucid.func.grad(lambda y: x + y)(lucid.tensor(1.0)))(lucid.tensor(1.0)).item()
        == 1.0
    )
    one = lucid.tensor(1.0)
    inner = lambda x: lucid.func.jvp(lambda y: x + y, (one,), (one,))[1]  # noqa: E731
    assert lucid.func.jvp(lambda x: x * inner(x), (one,), (one,))[1].item() == 1.0


ERRORS = {
    "grad of a vector": (RuntimeError, lambda: lucid.func.grad(lambda x: x)(lucid.ones(2))),
    "grad of integers": (RuntimeError, lambda: lucid.func.grad(lambda x: x.sum())(lucid.ones(2, dtype=lucid.int64))),
    "grad of a number": (ValueError, lambda: lucid.func.grad(lambda x: x)(2.0)),
    "grad of a complex output": (RuntimeError, lambda: lucid.func.grad(lambda x: x.sum())(lucid.ones(2) + 1j)),
    "jacrev of complex inputs": (RuntimeError, lambda: lucid.func.jacrev(lambda x: x)(lucid.ones(2) + 1j)),
    "jacfwd of complex outputs": (RuntimeError, lambda: lucid.func.jacfwd(lambda x: x * 1j)(lucid.ones(2))),
    "nothing returned": (RuntimeError, lambda: lucid.func.vjp(lambda x: None, lucid.ones(2))),
    "aux that is no tensor": (
        RuntimeError,
        lambda: lucid.func.grad(lambda x: (x.sum(), 1), has_aux=True)(lucid.ones(2)),
    ),
    "argnums that are no ints": (RuntimeError, lambda: lucid.func.grad(lambda x: x.sum(), [0])(lucid.ones(2))),
    "vjp of an integer output": (RuntimeError, lambda: lucid.func.vjp(lambda x: x.long(), lucid.ones(2))),
    "cotangents in another container": (
        RuntimeError,
        lambda: lucid.func.vjp(lambda x: (x, x), lucid.ones(2))[1]([lucid.ones(2)] * 2),
    ),
    "jvp of integers": (ValueError, lambda: lucid.func.jvp(lucid.sin, (lucid.tensor(1),), (lucid.tensor(1),))),
    "linearize with another dtype": (
        RuntimeError,
        lambda: lucid.func.linearize(lucid.sin, lucid.ones(2))[1](lucid.ones(2).double()),
    ),
    "argnum out of range": (RuntimeError, lambda: lucid.func.grad(lambda x: x.sum(), 3)(lucid.ones(2))),
    "jvp with lists": (RuntimeError, lambda: lucid.func.jvp(lucid.sin, [lucid.ones(2)], [lucid.ones(2)])),
    "jvp with a tangent of another shape": (
        RuntimeError,
        lambda: lucid.func.jvp(lucid.sin, (lucid.ones(2),), (lucid.ones(3),)),
    ),
    "vjp with a cotangent of another shape": (
        RuntimeError,
        lambda: lucid.func.vjp(lucid.sin, lucid.ones(2))[1](lucid.ones(3)),
    ),
    "aux missing": (RuntimeError, lambda: lucid.func.grad(lambda x: x.sum(), has_aux=True)(lucid.ones(2))),
}


@pytest.mark.parametrize("case", ERRORS)
def test_bad_input(case):
    kind, call = ERRORS[case]
    with pytest.raises(kind):
        call()


def test_gradients_have_the_dtypes_of_the_inputs():
    x = lucid.ones(2)
    assert lucid.func.vjp(lambda t: t * 2, x)[1](x.double())[0].dtype is lucid.float32
    assert lucid.func.grad(lambda t: t.sum().long())(x).tolist() == [0.0, 0.0]


def _through_detach(x):
    y = x * 2
    y.detach()[0] = 5
    return y * y


@pytest.mark.parametrize("way", ["jvp", "grad of vmap", "vmap of grad", "vmap of jvp", "jvp of vmap"])
def test_writing_through_detach_changes_values_and_keeps_derivatives(way):
    x, f = lucid.tensor([[1.0, 2.0], [3.0, 4.0]]), _through_detach
    vmap, grad, jvp = lucid.vmap, lucid.func.grad, lucid.func.jvp
    found = {
        "jvp": lambda: jvp(vmap(f), (x,), (lucid.ones(2, 2),))[1],
        "grad of vmap": lambda: grad(lambda t: vmap(f)(t).sum())(x),
        "vmap of grad": lambda: vmap(grad(lambda t: f(t).sum()))(x),
        "vmap of jvp": lambda: vmap(lambda t: jvp(f, (t,), (lucid.ones(2),))[1])(x),
        "jvp of vmap": lambda: jvp(lambda t: vmap(f)(t), (x,), (lucid.ones(2, 2),))[1],
    }[way]()
    assert found.tolist() == [[20.0, 16.0], [20.0, 32.0]]  # as PyTorch's: 2 * 2y, where y is 5 in the first column


def test_the_jvp_of_logcumsumexp_is_linear_where_the_tangent_is_zero():
    x, t = lucid.tensor([0.3, -1.0, 2.0], dtype=lucid.float64), lucid.tensor([1.0, 0.0, 0.0], dtype=lucid.float64)
    tangent = lambda x, t: lucid.func.jvp(lambda v: lucid.logcumsumexp(v, 0), (x,), (t,))[1]  # noqa: E731
    expected = lucid.exp(x) * lucid.ones(3, 3).tril() / lucid.exp(x).cumsum(0)[:, None]
    assert lucid.allclose(lucid.func.jacrev(tangent, 1)(x, t), expected)
    twice = lucid.func.jvp(lambda v: tangent(v, t), (x,), (t,))[1]
    share = expected[:, 0]
    assert lucid.allclose(twice, share - share**2)


def test_a_plain_tensor_multiplied_in_place_by_one_of_a_transform():
    v, x, y = (lucid.tensor(a, requires_grad=True) for a in ([1.0, 2.0], [3.0, 4.0], [5.0, 6.0]))

    def f(x):
        z = v.clone()
        z.mul_(x)  # the product saved what z was
        return (z * z).sum()

    g, t = lucid.func.jvp(lucid.func.grad(f), (x,), (y,))  # 2 v^2 x and 2 v^2 y
    assert g.tolist() == [6.0, 32.0]
    assert t.tolist() == [10.0, 48.0]
    assert lucid.func.hessian(f)(x).tolist() == [[2.0, 0.0], [0.0, 8.0]]
    lucid.func.jvp(f, (x,), (y,))[1].backward()  # 2 v^2 x y
    assert v.grad.tolist() == [60.0, 192.0]


@pytest.mark.parametrize("batched", [False, True])
def test_a_custom_function_that_writes_to_its_input(batched):
    class Triple(lucid.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            return x.mul_(3)

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.mark_dirty(inputs[0])

        @staticmethod
        def backward(ctx, g):
            return g * 3

        @staticmethod
        def jvp(ctx, t):
            return t.mul_(3)

    def f(x):
        y = x.clone()
        return Triple.apply(y) * y

    x = lucid.tensor([1.0, 2.0])
    g = lucid.vmap(f) if batched else f
    out, tangent = lucid.func.jvp(g, (x,), (lucid.ones(2),))
    assert out.tolist() == [9.0, 36.0]
    assert tangent.tolist() == lucid.func.grad(lambda t: g(t).sum())(x).tolist() == [18.0, 36.0]


def test_a_tensor_that_escapes_its_transform_is_an_error():
    kept = []
    lucid.func.jvp(lambda x: kept.append(x) or x.sin(), (lucid.ones(2),), (lucid.ones(2),))
    with pytest.raises(RuntimeError, match="after that call returned"):
        kept[0] + 1


def test_functional_call_reaches_attributes_and_parameters_that_are_none():
    layer = lucid.nn.Linear(2, 1, bias=False)
    layer.scale = lucid.ones(1)
    layer.forward = lambda x: lucid.nn.functional.linear(x, layer.weight, layer.bias) * layer.scale
    given = {"weight": lucid.ones(1, 2), "bias": lucid.ones(1), "scale": lucid.full((1,), 2.0), "new": lucid.ones(1)}
    assert lucid.func.functional_call(layer, given, lucid.ones(1, 2)).tolist() == [[6.0]]
    assert layer.bias is None
    assert layer.scale.tolist() == [1.0]
    assert not hasattr(layer, "new")
    with pytest.raises(AttributeError):
        lucid.func.functional_call(layer, {"other.weight": lucid.ones(1)}, lucid.ones(1, 2))
    with pytest.raises(KeyError):
        lucid.func.functional_call(layer, {"": lucid.ones(1)}, lucid.ones(1, 2))


@needs_torch
def test_modules_as_functions():
    net = lucid.nn.Linear(2, 3)
    ref = torch.nn.Linear(2, 3)
    with torch.no_grad():
        ref.weight.copy_(torch.tensor(net.weight.tolist()))
        ref.bias.copy_(torch.tensor(net.bias.tolist()))
    x = [[1.0, 2.0], [3.0, -1.0]]

    def run(m, net):
        params = {k: v.detach() for k, v in net.named_parameters()}
        loss = lambda p, t: (m.func.functional_call(net, p, (t.unsqueeze(0),)) ** 2).sum()  # noqa: E731
        g = m.func.vmap(m.func.grad(loss), (None, 0))(params, m.tensor(x))
        return [g["weight"], g["bias"]]

    close(run(lucid, net), run(torch, ref), 1e-5)
    models = [lucid.nn.Linear(2, 3) for _ in range(3)]
    params, buffers = lucid.func.stack_module_state(models)
    call = lambda p, b, t: lucid.func.functional_call(models[0], (p, b), (t,))  # noqa: E731
    out = lucid.vmap(call, (0, 0, None))(params, buffers, lucid.tensor(x))
    for k, model in enumerate(models):
        assert lucid.allclose(out[k], model(lucid.tensor(x)), atol=1e-6)
    assert models[0].weight.shape == (3, 2)
    with pytest.raises(RuntimeError):
        lucid.func.functional_call(net, {"no": lucid.ones(1)}, (lucid.tensor(x),), strict=True)
