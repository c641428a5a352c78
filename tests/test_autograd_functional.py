"""functional, forward_ad, checkpoint and gradcheck, against torch."""

import pytest

import lucid
from leaves import V, close, leaf
from lucid.autograd import forward_ad
from reference import needs_torch, torch


def f2(x, y):
    return (x * y).sin() @ y.T


def s2(x, y):
    return ((x * y).sin() * x).sum()


@needs_torch
@pytest.mark.parametrize("options", [{}, {"vectorize": True}, {"create_graph": True}], ids=str)
@pytest.mark.parametrize("name", ["jacobian", "hessian"])
def test_functional_jacobians(name, options):
    def run(m):
        F = m.autograd.functional
        found = getattr(F, name)(f2 if name == "jacobian" else s2, (leaf(m).detach(), leaf(m, V).detach()), **options)
        return [j.detach() for row in ([found] if name == "jacobian" else found) for j in row]

    close(run(lucid), run(torch))


@needs_torch
@pytest.mark.parametrize("name", ["vjp", "jvp", "vhp", "hvp"])
def test_functional_products(name):
    def run(m):
        x, y = leaf(m).detach(), leaf(m, V).detach()
        v = (m.ones(2, 2, dtype=m.float64)) if name == "vjp" else (y, x)
        out, product = getattr(m.autograd.functional, name)(s2 if "h" in name else f2, (x, y), v)
        return [out, *(product if isinstance(product, tuple) else (product,))]

    close(run(lucid), run(torch))


def test_functional_strict_and_errors():
    F = lucid.autograd.functional
    x = lucid.ones(2)
    with pytest.raises(RuntimeError, match="strict"):
        F.vjp(lambda a: lucid.ones(2), x, lucid.ones(2), strict=True)
    with pytest.raises(RuntimeError, match="single element"):
        F.hessian(lambda a: a, x)
    with pytest.raises(TypeError):
        F.jacobian(lambda a: a, 3.0)
    with pytest.raises(RuntimeError, match="size"):
        F.jvp(lambda a: a, x, lucid.ones(3))


@needs_torch
def test_forward_ad():
    def run(m, fw):
        with fw.dual_level():
            x = fw.make_dual(leaf(m).detach(), leaf(m, V).detach())
            y = fw.unpack_dual((x.sin() @ x.T).exp())
        return [y.primal, y.tangent]

    import torch.autograd.forward_ad as other

    close(run(lucid, forward_ad), run(torch, other))
    with pytest.raises(RuntimeError, match="level"):
        forward_ad.make_dual(lucid.ones(1), lucid.ones(1))


@needs_torch
@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpoint_agrees_with_torch(reentrant):
    def run(m, checkpoint):
        x, w = leaf(m), leaf(m, V)
        y = checkpoint(lambda t: ((t * w).sin().exp() @ t.T).softmax(0), x, use_reentrant=reentrant)
        (y**2).sum().backward()
        return [x.grad, w.grad]

    from torch.utils.checkpoint import checkpoint as other

    from lucid.utils.checkpoint import checkpoint

    close(run(lucid, checkpoint), run(torch, other))


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpoint_draws_the_same_numbers_again(reentrant):
    from lucid.utils.checkpoint import checkpoint

    drawn = []

    def part(t):
        drawn.append(lucid.rand(4))
        return (t * drawn[-1]).exp()

    lucid.manual_seed(0)
    x = lucid.ones(4, requires_grad=True)
    y = checkpoint(part, x, use_reentrant=reentrant)
    after = lucid.rand(1)
    y.sum().backward()
    assert lucid.equal(drawn[0], drawn[1])
    lucid.manual_seed(0)
    lucid.rand(4)
    assert lucid.equal(lucid.rand(1), after)
    assert lucid.allclose(x.grad, drawn[0] * drawn[0].exp())


def test_checkpoint_twice_second_order_and_changes():
    from lucid.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential

    x = leaf(lucid)
    y = checkpoint(lambda t: t.sin().exp(), x)
    (g,) = lucid.autograd.grad((y**2).sum(), x, create_graph=True)
    z = x.sin().exp()
    (h,) = lucid.autograd.grad((z**2).sum(), x, create_graph=True)
    assert lucid.allclose(g, h)
    assert lucid.allclose(lucid.autograd.grad((g**2).sum(), x)[0], lucid.autograd.grad((h**2).sum(), x)[0])
    calls = []

    def changing(t):
        calls.append(1)
        return (t.exp() if len(calls) == 1 else t.exp().exp()).sin() if len(calls) == 1 else t[:1].exp().sin()

    y = checkpoint(changing, x)
    with pytest.raises(CheckpointError):
        y.sum().backward()
    layers = [lucid.exp, lucid.sin, lucid.cos, lucid.tanh]
    x.grad = None
    checkpoint_sequential(layers, 2, x, use_reentrant=False).sum().backward()
    g, x.grad = x.grad, None
    x.exp().sin().cos().tanh().sum().backward()
    assert lucid.allclose(g, x.grad)


def test_gradcheck_finds_a_fault_of_one_in_a_thousand():
    check, check2 = lucid.autograd.gradcheck, lucid.autograd.gradgradcheck
    x, y = leaf(lucid), leaf(lucid, V)
    assert check(f2, (x, y), check_forward_ad=True, check_batched_grad=True)
    assert check2(f2, (x, y))
    c = lucid.tensor([0.3 + 0.2j, -0.4 + 1j], dtype=lucid.complex128, requires_grad=True)
    for f in (lambda z: z.exp() * z, lambda z: z.abs(), lambda z: z * z.conj(), lambda z: z.real * 2 + z.imag):
        assert check(f, (c,), check_forward_ad=True)

    class Wrong(lucid.autograd.Function):
        @staticmethod
        def forward(ctx, t):
            ctx.save_for_backward(t)
            return t * t

        @staticmethod
        def backward(ctx, g):
            return 2.002 * g * ctx.saved_tensors[0]

    assert not check(Wrong.apply, (x,), rtol=5e-4, raise_exception=False)
    with pytest.raises(lucid.autograd.GradcheckError, match="Jacobian mismatch"):
        check(Wrong.apply, (x,), rtol=5e-4)
    with pytest.raises(ValueError, match="require"):
        check(f2, (x.detach(), y.detach()))
