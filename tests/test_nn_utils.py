"""nn.init and nn.utils, against torch where it is there."""

import copy
import importlib
import pickle

import numpy as np
import pytest

import lucid
from lucid import nn
from reference import needs_torch, torch

RNG = np.random.default_rng(0)


def twins(make):
    """The same small model, with the same weights, in lucid and torch."""
    ours, theirs = make(lucid).double(), make(torch).double()
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    return ours, theirs


def same(a, b, rtol=1e-9, atol=1e-10):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=rtol, atol=atol)


def mlp(lib):
    return lib.nn.Sequential(lib.nn.Linear(4, 6), lib.nn.Tanh(), lib.nn.Linear(6, 3))


# ---- init ----

INITS = [
    ("uniform_", (-2, 3)), ("normal_", (1.0, 2.0)), ("trunc_normal_", (0.0, 1.0, -0.5, 1.0)), ("xavier_uniform_", (1.5,)), ("xavier_normal_", ()),
    ("kaiming_uniform_", (0.2,)), ("kaiming_normal_", (0, "fan_out", "relu")), ("orthogonal_", (2.0,)), ("sparse_", (0.3, 0.5)),
]  # fmt: skip


@needs_torch
@pytest.mark.parametrize(("name", "args"), INITS, ids=[n for n, _ in INITS])
def test_random_init(name, args):
    """Torch's distribution, and the same numbers from the same generator."""
    f = getattr(nn.init, name)
    torch.manual_seed(0)
    theirs = getattr(torch.nn.init, name)(torch.empty(60, 200), *args).numpy()
    draws = [f(lucid.empty(60, 200), *args, generator=lucid.Generator().manual_seed(3)) for _ in range(2)]
    assert draws[0].equal(draws[1])
    ours = draws[0].numpy()
    spread = theirs.std()
    assert abs(ours.mean() - theirs.mean()) < 0.05 * spread and abs(ours.std() - spread) < 0.03 * spread
    assert abs(np.quantile(ours, 0.9) - np.quantile(theirs, 0.9)) < 0.05 * spread
    if name in ("uniform_", "trunc_normal_", "xavier_uniform_", "kaiming_uniform_"):
        assert abs(ours.max() - theirs.max()) < 0.02 * spread and abs(ours.min() - theirs.min()) < 0.02 * spread
    if name == "orthogonal_":
        np.testing.assert_allclose(ours @ ours.T, 4 * np.eye(60), atol=1e-4)
    if name == "sparse_":
        assert ((ours == 0).sum(0) == 18).all()


@needs_torch
def test_fixed_init():
    for name, shape, args in (
        ("eye_", (3, 5), ()),
        ("ones_", (2, 3), ()),
        ("zeros_", (2,), ()),
        ("constant_", (3,), (0.5,)),
        ("dirac_", (4, 2, 3), (2,)),
        ("dirac_", (3, 3, 3, 2), ()),
        ("dirac_", (2, 2, 3, 3, 3), ()),
    ):
        same(
            getattr(nn.init, name)(lucid.empty(*shape), *args), getattr(torch.nn.init, name)(torch.empty(*shape), *args)
        )
    for kind, param in (
        ("relu", None),
        ("tanh", None),
        ("leaky_relu", 0.2),
        ("selu", None),
        ("linear", None),
        ("sigmoid", None),
    ):
        assert nn.init.calculate_gain(kind, param) == torch.nn.init.calculate_gain(kind, param)


@pytest.mark.parametrize(
    "act",
    [
        lambda: nn.init.xavier_uniform_(lucid.empty(3)), lambda: nn.init.eye_(lucid.empty(3)), lambda: nn.init.dirac_(lucid.empty(3, 3)),
        lambda: nn.init.calculate_gain("nothing"), lambda: nn.init.kaiming_normal_(lucid.empty(3, 3), mode="fan"), lambda: nn.init.orthogonal_(lucid.empty(3)),
    ],
)  # fmt: skip
def test_bad_init(act):
    with pytest.raises(ValueError):
        act()


def test_init_leaves_the_graph_alone():
    p = nn.Parameter(lucid.zeros(3, 3))
    nn.init.normal_(p)
    assert p.is_leaf and p.requires_grad
    with pytest.warns(FutureWarning, match="deprecated"):
        nn.init.uniform(p)


# ---- gradients and vectors ----


@needs_torch
@pytest.mark.parametrize("norm", [2.0, 1.0, float("inf"), 3.5])
def test_clipping(norm):
    ours, theirs = twins(mlp)
    x = RNG.standard_normal((5, 4))
    for lib, m in ((lucid, ours), (torch, theirs)):
        (m(lib.tensor(x)) ** 2).sum().backward()
    same(
        nn.utils.get_total_norm([p.grad for p in ours.parameters()], norm),
        torch.nn.utils.get_total_norm([p.grad for p in theirs.parameters()], norm),
    )
    same(
        nn.utils.clip_grad_norm_(ours.parameters(), 0.7, norm),
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.7, norm),
    )
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        same(p.grad, q.grad)
    nn.utils.clip_grad_value_(ours.parameters(), 0.05)
    assert max(float(p.grad.abs().max()) for p in ours.parameters()) <= 0.05


def test_clipping_what_is_not_finite():
    p = nn.Parameter(lucid.zeros(2))
    p.grad = lucid.tensor([float("inf"), 1.0])
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    assert p.grad.tolist() == [float("inf"), 1.0]
    assert nn.utils.clip_grad_norm_([nn.Parameter(lucid.zeros(1))], 1.0).item() == 0


def test_vectors():
    m = mlp(lucid)
    v = nn.utils.parameters_to_vector(m.parameters())
    nn.utils.vector_to_parameters(lucid.arange(float(v.numel())), m.parameters())
    assert m[0].weight.detach().flatten()[:3].tolist() == [0, 1, 2] and m[0].weight.requires_grad
    assert nn.utils.parameters_to_vector(m.parameters()).detach().equal(lucid.arange(float(v.numel())))
    with pytest.raises(RuntimeError, match="elements"):
        nn.utils.vector_to_parameters(v[:3], m.parameters())
    with pytest.raises(TypeError):
        nn.utils.vector_to_parameters([1.0], m.parameters())


# ---- parametrization ----


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).mT

    def right_inverse(self, a):
        return a.triu()


class Twice(nn.Module):
    calls = 0

    def forward(self, x):
        type(self).calls += 1
        return 2 * x


def test_parametrize():
    m = nn.Linear(3, 3)
    assert nn.utils.parametrize.register_parametrization(m, "weight", Symmetric()) is m
    assert type(m).__name__ == "ParametrizedLinear" and isinstance(m, nn.Linear)
    assert m.weight.equal(m.weight.mT) and list(dict(m.named_parameters())) == [
        "bias",
        "parametrizations.weight.original",
    ]
    wanted = lucid.eye(3) * 2
    m.weight = wanted
    assert m.weight.detach().equal(wanted)
    nn.utils.parametrize.register_parametrization(m, "weight", Twice())
    assert m.weight.detach().equal(2 * wanted) and len(m.parametrizations["weight"]) == 2
    m(lucid.ones(1, 3)).sum().backward()
    assert m.parametrizations.weight.original.grad is not None
    Twice.calls = 0
    with nn.utils.parametrize.cached():
        assert m.weight is m.weight
    assert Twice.calls == 1
    for again in (copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        assert (
            again.weight.equal(m.weight)
            and again.parametrizations.weight.original is not m.parametrizations.weight.original
        )
    nn.utils.parametrize.remove_parametrizations(m, "weight")
    assert type(m) is nn.Linear and isinstance(m.weight, nn.Parameter) and m.weight.detach().equal(2 * wanted)
    assert not nn.utils.parametrize.is_parametrized(m)


def test_transferring_parametrizations():
    a, b = nn.Linear(3, 3), nn.Linear(3, 3)
    nn.utils.parametrize.register_parametrization(a, "weight", Symmetric())
    nn.utils.parametrize.transfer_parametrizations_and_params(a, b)
    assert b.weight.equal(a.weight) and nn.utils.parametrize.type_before_parametrizations(b) is nn.Linear


def test_bad_parametrizations():
    register = nn.utils.parametrize.register_parametrization
    with pytest.raises(ValueError, match="does not have a parameter"):
        register(nn.Linear(2, 2), "nothing", Symmetric())
    with pytest.raises(ValueError, match="shape"):
        register(nn.Linear(2, 3), "weight", nn.Flatten(0))
    m = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="does not have a parametrization"):
        nn.utils.parametrize.remove_parametrizations(m, "weight")
    assert type(m) is nn.Linear and "weight" in m._parameters


@needs_torch
@pytest.mark.parametrize("make", [
    lambda lib, m: lib.nn.utils.parametrizations.weight_norm(m),
    lambda lib, m: lib.nn.utils.parametrizations.weight_norm(m, dim=1),
    lambda lib, m: lib.nn.utils.parametrizations.weight_norm(m, dim=None),
    lambda lib, m: lib.nn.utils.parametrizations.spectral_norm(m),
    lambda lib, m: lib.nn.utils.parametrizations.spectral_norm(m, n_power_iterations=3, dim=1),
    lambda lib, m: lib.nn.utils.parametrizations.orthogonal(m, orthogonal_map="cayley"),
    lambda lib, m: lib.nn.utils.parametrizations.orthogonal(m, orthogonal_map="matrix_exp"),
    lambda lib, m: lib.nn.utils.parametrizations.orthogonal(m, orthogonal_map="householder"),
    lambda lib, m: lib.nn.utils.weight_norm(m),
    lambda lib, m: lib.nn.utils.weight_norm(m, dim=None),
    lambda lib, m: lib.nn.utils.spectral_norm(m, n_power_iterations=2),
])  # fmt: skip
@pytest.mark.parametrize("shape", [(5, 3), (3, 5)])
@pytest.mark.filterwarnings("ignore")
def test_norms_and_orthogonal(make, shape):
    """Three training steps with torch's state: values, gradients and buffers."""
    ours, theirs = make(lucid, lucid.nn.Linear(*shape).double()), make(torch, torch.nn.Linear(*shape).double())
    assert set(ours.state_dict()) == set(theirs.state_dict())
    for key, buffer in theirs.named_buffers():
        if key.endswith("base"):
            ours.parametrizations.weight[0].base = lucid.tensor(buffer.numpy())
    ours.load_state_dict({k: v.detach().numpy() for k, v in theirs.state_dict().items()})
    for _ in range(3):
        x = RNG.standard_normal((4, shape[0]))
        outs = [m(lib.tensor(x)) for lib, m in ((lucid, ours), (torch, theirs))]
        same(*outs)
        for out, m in zip(outs, (ours, theirs), strict=True):
            m.zero_grad()
            (out**2).sum().backward()
        mine = dict(ours.named_parameters())
        for key, q in theirs.named_parameters():
            same(mine[key].grad, q.grad, 1e-7, 1e-9)
            with torch.no_grad():
                q -= 0.1 * q.grad
            with lucid.no_grad():
                mine[key] -= 0.1 * mine[key].grad
    for key, value in theirs.state_dict().items():
        same(ours.state_dict()[key], value, 1e-7, 1e-9)


def test_removing_old_norms():
    m = nn.Linear(3, 2)
    weight = m.weight.detach().clone()
    nn.utils.weight_norm(m)
    with pytest.raises(RuntimeError, match="two"):
        nn.utils.weight_norm(m)
    nn.utils.remove_weight_norm(m)
    assert m.weight.detach().allclose(weight) and list(m.state_dict()) == ["bias", "weight"]
    with pytest.raises(ValueError, match="not found"):
        nn.utils.remove_weight_norm(m)
    nn.utils.spectral_norm(m, n_power_iterations=20)(lucid.ones(1, 3))
    nn.utils.remove_spectral_norm(m)
    assert isinstance(m.weight, nn.Parameter)


# ---- pruning ----


@needs_torch
@pytest.mark.filterwarnings("ignore")
def test_pruning():
    importlib.import_module("torch.nn.utils.prune")  # torch does not import it by itself

    ours, theirs = twins(mlp)
    for lib, m in ((lucid, ours), (torch, theirs)):
        prune = lib.nn.utils.prune
        prune.l1_unstructured(m[0], "weight", 0.3)
        prune.ln_structured(m[0], "weight", 0.34, n=2, dim=0)
        heavy = lib.nn.Linear(2, 3, bias=False)  # the second row has the largest norm until it is pruned
        heavy.weight.data.copy_(lib.tensor([[1.0, 2.0], [0.5, 9.0], [3.0, 3.0]]))
        prune.custom_from_mask(heavy, "weight", lib.tensor([[1, 1], [1, 0], [1, 1]]))
        prune.ln_structured(heavy, "weight", 1, n=2, dim=0)
        assert heavy.weight_mask.tolist() == [[1, 1], [0, 0], [1, 1]]
        prune.custom_from_mask(m[2], "bias", lib.tensor([1, 0, 1]))
        prune.l1_unstructured(m[2], "weight", 3)
    assert set(ours.state_dict()) == set(theirs.state_dict())
    for key, value in theirs.state_dict().items():
        same(ours.state_dict()[key], value)
    x = RNG.standard_normal((2, 4))
    same(ours(lucid.tensor(x)), theirs(torch.tensor(x)))
    prune = nn.utils.prune
    assert prune.is_pruned(ours)
    masked = ours[0].weight.detach().clone()
    prune.remove(ours[0], "weight")
    assert isinstance(ours[0].weight, nn.Parameter) and ours[0].weight.detach().equal(masked)
    with pytest.raises(ValueError, match="has to be pruned"):
        prune.remove(ours[0], "weight")


def test_more_pruning():
    prune = nn.utils.prune
    m = mlp(lucid)
    prune.global_unstructured([(m[0], "weight"), (m[2], "weight")], prune.L1Unstructured, amount=10)
    assert sum(int((layer.weight == 0).sum()) for layer in (m[0], m[2])) == 10
    m = nn.Linear(10, 10)
    prune.random_unstructured(m, "weight", 0.5)
    prune.random_structured(m, "weight", 2, dim=1)
    assert int((m.weight.detach() == 0).all(0).sum()) >= 2
    for bad in (-1, 1.5, "x"):
        with pytest.raises((ValueError, TypeError)):
            prune.l1_unstructured(nn.Linear(2, 2), "weight", bad)
    prune.identity(m, "bias")
    assert float(m.bias_mask.sum()) == 10


# ---- fusion, skipping, stateless calls ----


def test_fusion():
    lucid.manual_seed(0)
    conv, bn = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)
    bn(lucid.randn(8, 4, 5, 5) * 3 + 1)
    nn.init.uniform_(bn.weight)
    x = lucid.randn(2, 3, 6, 6)
    fused = nn.utils.fuse_conv_bn_eval(conv.eval(), bn.eval())
    assert fused(x).allclose(bn(conv(x)), atol=1e-5) and conv.bias is None
    linear, bn = nn.Linear(3, 4), nn.BatchNorm1d(4)
    bn(lucid.randn(8, 4))
    assert nn.utils.fuse_linear_bn_eval(linear.eval(), bn.eval())(x[:, :, 0, 0]).allclose(
        bn(linear(x[:, :, 0, 0])), atol=1e-5
    )
    with pytest.raises(AssertionError, match="eval"):
        nn.utils.fuse_linear_bn_eval(linear.train(), bn)


def test_skip_init_and_names():
    state = lucid.get_rng_state()
    m = nn.utils.skip_init(nn.Linear, 3, 4)
    assert m.weight.shape == (4, 3) and lucid.get_rng_state().equal(state)
    with pytest.raises(RuntimeError, match="device"):
        nn.utils.skip_init(nn.ReLU)
    assert type(nn.utils.get_activation_module_from_name("hard_swish")) is nn.Hardswish
    assert nn.utils.get_activation_from_name("relu")(lucid.tensor([-1.0])).item() == 0
    assert nn.utils.get_activation_from_name("nothing") is None
    x = lucid.randn(6, 2)
    assert nn.utils.apply_chunking_to_forward(lambda a: a * 2, 2, 0, x).equal(x * 2)
    with pytest.raises(ValueError, match="multiple"):
        nn.utils.apply_chunking_to_forward(lambda a: a, 4, 0, x)


def test_functional_call():
    m = mlp(lucid)
    before = copy.deepcopy(m.state_dict())
    zeros = {k: lucid.zeros_like(v).requires_grad_() for k, v in before.items()}
    call = nn.utils.stateless.functional_call
    out = call(m, zeros, lucid.ones(1, 4), strict=True)
    assert float(out.abs().sum()) == 0
    out.sum().backward()
    assert zeros["2.bias"].grad.tolist() == [1, 1, 1] and all(p.grad is None for p in m.parameters())
    assert all(v.equal(before[k]) for k, v in m.state_dict().items())
    with pytest.raises(RuntimeError, match="Unexpected key"):
        call(m, {"x": lucid.ones(1)}, lucid.ones(1, 4))
    with pytest.raises(RuntimeError, match="Missing key"):
        call(m, {"2.bias": lucid.ones(3)}, lucid.ones(1, 4), strict=True)
    m.tied = m[0]
    assert (
        float(call(m[0:1], {"0.weight": lucid.zeros(6, 4), "0.bias": lucid.zeros(6)}, lucid.ones(1, 4)).abs().sum())
        == 0
    )


def test_copy_parameters():
    a, b = mlp(lucid), mlp(lucid)
    nn.utils.copy_parameters_and_buffers(a, b)
    assert all(p.equal(q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


@needs_torch
@pytest.mark.parametrize("n", ["fro", "nuc", 1, float("inf")])
def test_norms_that_prune_by(n):
    import torch.nn.utils.prune

    found, weight = [], np.random.default_rng(0).standard_normal((5, 4))
    for lib in (lucid, torch):
        layer = lib.nn.Linear(4, 5).double()
        layer.weight.data.copy_(lib.tensor(weight))
        try:
            found.append(lib.nn.utils.prune.ln_structured(layer, "weight", 0.4, n, 0).weight.detach().numpy())
        except RuntimeError:
            found.append("a matrix norm needs two dimensions")
    np.testing.assert_array_equal(*found)


def test_weight_norm_along_a_dimension_that_is_not_there():
    for norm in (nn.utils.weight_norm, nn.utils.parametrizations.weight_norm):
        layer = nn.Linear(4, 5)
        with pytest.raises(IndexError, match="out of range"):
            norm(layer, dim=2)
        assert sorted(layer.state_dict()) == ["bias", "weight"]
