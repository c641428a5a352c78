"""RMS norm and rotary embedding on every device: against torch, against plain formulas, and that MLX's own kernels run."""

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid import nn
from reference import needs_mlx, needs_torch, torch

pytestmark = pytest.mark.filterwarnings("ignore")
DEVICES = ["cpu", "mlx", "cuda"]


@pytest.fixture(params=DEVICES)
def place(request):
    return "cpu" if request.param == "cpu" else request.getfixturevalue(request.param)


def host(x):
    return x.detach().float().to("cpu").numpy()


@needs_torch
@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("shape", [((2, 5, 6), (6,)), ((3, 4, 2), (4, 2)), ((4,), (4,)), ((0, 3), (3,))], ids=repr)
@pytest.mark.parametrize("weighted", [True, False])
def test_rms_norm(place, kind, shape, weighted):
    size, normalized = shape
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s).astype(np.float32) for s in (size, normalized, size)]
    arrays[0] *= 300  # its squares overflow in float16

    def run(lib, where):
        x, w, g = (lib.tensor(a, device=where).to(getattr(lib, kind)) for a in arrays)
        x.requires_grad_()
        w.requires_grad_()
        y = lib.nn.functional.rms_norm(x, normalized, w if weighted else None, 1e-5)
        (y * g).sum().backward()
        assert str(y.dtype).endswith(kind)
        return [t.detach().float().cpu().numpy() for t in (y, x.grad, *([w.grad] if weighted else []))]

    tolerance = {"float32": 1e-5, "float16": 4e-3, "bfloat16": 3e-2}[kind]
    for ours, theirs in zip(run(lucid, place), run(torch, "cpu"), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * (abs(theirs).max(initial=0) + 1e-6))


def test_rms_norm_is_differentiable_twice(place):
    x = lucid.tensor(np.random.default_rng(1).standard_normal((3, 4)), device=place, requires_grad=True)
    w = lucid.tensor([1.0, 2.0, 0.5, -1.0], dtype=lucid.float64, device=place, requires_grad=True)
    assert lucid.autograd.gradcheck(lambda a, b: F.rms_norm(a, (4,), b, 0.1), (x, w))
    assert lucid.autograd.gradgradcheck(lambda a, b: F.rms_norm(a, (4,), b, 0.1), (x, w))


def test_per_example_gradients():
    layer = nn.RMSNorm(4)
    x = lucid.randn(5, 3, 4)

    def loss(weight, row):
        return F.rms_norm(row, (4,), weight, 0.1).square().sum()

    each = lucid.func.vmap(lucid.func.grad(loss), in_dims=(None, 0))(layer.weight.detach(), x)
    also = lucid.func.vmap(lucid.func.grad(loss))(layer.weight.detach().expand(5, 4), x)
    one = lucid.stack([lucid.func.grad(loss)(layer.weight.detach(), row) for row in x])
    assert lucid.allclose(each, one, atol=1e-5) and lucid.allclose(also, one, atol=1e-5)


@pytest.mark.parametrize("interleaved", [True, False])
@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
def test_rotary_embedding_is_that_of_given_positions(place, interleaved, kind):
    """The op counts positions itself, and gives what tables and explicit positions give; angles are exact in half precision too."""
    kind = getattr(lucid, kind)
    length = 1500
    x = lucid.tensor(np.random.default_rng(0).standard_normal((2, length, 8)).astype(np.float32), device=place).to(kind)
    ours = F.rotary_pos_embedding(x, None, interleaved)
    assert ours.dtype is kind and ours.shape == x.shape
    explicit = F.rotary_pos_embedding(x, lucid.arange(length, device=place), interleaved)
    exact = F.rotary_pos_embedding(x.to("cpu").double(), None, interleaved)
    tolerance = {"float32": 2e-4, "float16": 5e-3, "bfloat16": 4e-2}[kind.name]
    np.testing.assert_allclose(host(explicit), host(exact), atol=2 * tolerance)
    np.testing.assert_allclose(host(ours), host(exact), atol=tolerance)
    if not interleaved:
        cos, sin = nn.RotaryEmbedding(8, length).to(place)(length)
        np.testing.assert_allclose(host(F.apply_rotary_emb(x, x, cos, sin)[0]), host(exact), atol=2 * tolerance)


def test_rotary_embedding_turns_gradients_back(place):
    x = lucid.randn(3, 4, 6, dtype=lucid.float64).to(place).requires_grad_()
    g = lucid.randn(3, 4, 6, dtype=lucid.float64).to(place)
    (F.rotary_pos_embedding(x) * g).sum().backward()
    assert lucid.allclose(F.rotary_pos_embedding(x.grad), g)
    assert lucid.autograd.gradgradcheck(F.rotary_pos_embedding, (x,))
    assert F.rotary_pos_embedding(lucid.zeros(2, 0, 4, device=place)).shape == (2, 0, 4)
    y = lucid.func.vmap(lambda row: F.rotary_pos_embedding(row))(x.detach())
    assert lucid.allclose(y, F.rotary_pos_embedding(x.detach()))


@needs_mlx
def test_mlx_runs_its_own_kernels(monkeypatch):
    import mlx.core as mx

    calls = []

    def counted(name):
        kernel = getattr(mx.fast, name)
        monkeypatch.setattr(mx.fast, name, lambda *a, **k: (calls.append(name), kernel(*a, **k))[1])

    for name in ("rms_norm", "rope", "layer_norm", "scaled_dot_product_attention"):
        counted(name)
    x = lucid.randn(2, 4, 8, device="mlx", requires_grad=True)
    nn.RMSNorm(8).to("mlx")(x).sum().backward()
    assert calls == ["rms_norm", "rms_norm"]  # once more for the derivative
    F.rotary_pos_embedding(x).sum().backward()
    assert calls[2:] == ["rope", "rope"]
    nn.LayerNorm(8).to("mlx")(x)
    F.scaled_dot_product_attention(x, x, x)
    assert calls[4:] == ["layer_norm", "scaled_dot_product_attention"]
