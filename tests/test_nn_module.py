"""Module: registration, traversal, hooks, state, conversion and errors, side by side with torch where it is there."""

import copy
import pickle

import numpy as np
import pytest

import lucid
from lucid import nn
from reference import needs_torch, torch

LIBRARIES = [pytest.param(lucid, id="lucid"), pytest.param(torch, id="torch", marks=needs_torch)]
both = pytest.mark.parametrize("lib", LIBRARIES)  # what both must do alike


def small(lib):
    return lib.nn.Sequential(
        lib.nn.Linear(3, 4), lib.nn.ReLU(), lib.nn.Sequential(lib.nn.Linear(4, 4), lib.nn.Linear(4, 2))
    )


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 8)])})
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        for layer in self.encoder["layers"]:
            x = layer(x)
        return self.head(x)


# ---- registration ----


@both
def test_registration_by_assignment(lib):
    m = lib.nn.Module()
    m.w = lib.nn.Parameter(lib.zeros(2))
    m.register_buffer("b", lib.zeros(1))
    m.register_buffer("temporary", lib.zeros(1), persistent=False)
    m.c = lib.nn.Buffer(lib.zeros(3))
    m.child = lib.nn.Linear(1, 1)
    m.plain = lib.zeros(1)
    assert [n for n, _ in m.named_parameters()] == ["w", "child.weight", "child.bias"]
    assert [n for n, _ in m.named_buffers()] == ["b", "temporary", "c"]
    assert list(m.state_dict()) == ["w", "b", "c", "child.weight", "child.bias"]
    m.b = lib.ones(1)  # stays a buffer
    assert float(m.get_buffer("b")) == 1
    m.w = None
    assert [n for n, _ in m.named_parameters()] == ["child.weight", "child.bias"] and m.w is None
    m.child = lib.nn.Parameter(lib.zeros(1))  # takes the module's place
    assert not list(m.children()) and "child" in dict(m.named_parameters())
    del m.child, m.b
    assert "b" not in dir(m) and not list(m.parameters())


@both
@pytest.mark.parametrize(
    ("error", "text", "act"),
    [
        (TypeError, "cannot assign", lambda lib, m: setattr(m, "w", lib.zeros(1))),
        (TypeError, "cannot assign", lambda lib, m: setattr(m, "child", 3)),
        (TypeError, "cannot assign", lambda lib, m: setattr(m, "buf", 3)),
        (KeyError, "already exists", lambda lib, m: m.register_parameter("training", None)),
        (KeyError, r"can\\+'t contain", lambda lib, m: m.register_buffer("a.b", lib.zeros(1))),
        (KeyError, "empty string", lambda lib, m: m.add_module("", None)),
        (TypeError, "not a Module subclass", lambda lib, m: m.add_module("x", 3)),
        (TypeError, "should be a string", lambda lib, m: m.register_buffer(3, None)),
        (ValueError, "non-leaf", lambda lib, m: m.register_parameter("p", _non_leaf(lib))),
        (AttributeError, "has no attribute", lambda lib, m: m.nothing),
        (AttributeError, "no attribute", lambda lib, m: m.get_submodule("child.nothing")),
        (AttributeError, "not a buffer", lambda lib, m: m.get_buffer("w")),
        (AttributeError, "not an nn.Parameter", lambda lib, m: m.get_parameter("buf")),
        (NotImplementedError, "forward", lambda lib, m: m(1)),
        (ValueError, "boolean", lambda lib, m: m.train(1)),
        (TypeError, "unexpected keyword", lambda lib, m: lib.nn.Module(size=1)),
        (TypeError, "floating point", lambda lib, m: m.to(lib.int64)),
        (RuntimeError, "floating point", lambda lib, m: lib.nn.Parameter(lib.zeros(1).long())),
    ],
)
def test_misuse(lib, error, text, act):
    m = lib.nn.Module()
    m.w = lib.nn.Parameter(lib.zeros(1))
    m.child = lib.nn.Module()
    m.register_buffer("buf", lib.zeros(1))
    with pytest.raises(error, match=text):
        act(lib, m)


def _non_leaf(lib):
    p = lib.nn.Parameter(lib.zeros(1)) * 2
    kind = type("Fake", (lib.nn.Parameter,), {"__slots__": ()} if lib is lucid else {})
    if lib is lucid:
        fake = object.__new__(kind)
        fake.value, fake.node, fake.grad, fake._version = p.value, p.node, None, 0
        return fake
    return p.as_subclass(lib.nn.Parameter)


@both
def test_assignment_before_init(lib):
    class Early(lib.nn.Module):
        def __init__(self):
            self.w = lib.nn.Parameter(lib.zeros(1))

    with pytest.raises(AttributeError, match="before Module.__init__"):
        Early()


# ---- traversal ----


@both
def test_traversal(lib):
    m = small(lib)
    m.shared = m[0]
    assert [n for n, _ in m.named_modules()] == ["", "0", "1", "2", "2.0", "2.1"]
    assert "shared" in [n for n, _ in m.named_modules(remove_duplicate=False)]
    assert next(n for n, _ in m.named_parameters(prefix="net", recurse=True)) == "net.0.weight"
    assert len(list(m.named_parameters(remove_duplicate=False))) == 8
    assert list(m[2].named_parameters(recurse=False)) == []
    assert m.get_submodule("2.1") is m[2][1] and m.get_parameter("2.0.weight") is m[2][0].weight
    m.set_submodule("2.1", lib.nn.Identity())
    assert isinstance(m[2][1], lib.nn.Identity)
    order = []
    m.apply(lambda part: order.append(type(part).__name__))
    assert order[-1] == "Sequential" and order[0] == "Linear"
    assert not any(p.requires_grad for p in m.requires_grad_(False).parameters())


@both
def test_containers(lib):
    nn_ = lib.nn
    s = nn_.Sequential(*[nn_.Linear(i + 1, 1) for i in range(4)])
    assert [m.in_features for m in s[1:3]] == [2, 3] and s[-1].in_features == 4
    s.insert(1, nn_.ReLU())
    del s[0]
    s += nn_.Sequential(nn_.Tanh())
    assert [type(m).__name__ for m in s] == ["ReLU", "Linear", "Linear", "Linear", "Tanh"]
    assert [n for n, _ in s.named_children()] == list("01234")
    assert type(s.pop(0)).__name__ == "ReLU" and len(s * 2) == 8 and len(s + s) == 8
    layers = nn_.ModuleList([nn_.Linear(1, 1)])
    layers.extend([nn_.Linear(2, 1)]).append(nn_.ReLU())
    layers.insert(0, nn_.Tanh())
    layers[1] = nn_.Sigmoid()
    assert [type(m).__name__ for m in layers] == ["Tanh", "Sigmoid", "Linear", "ReLU"]
    with pytest.raises(IndexError):
        layers[9]
    d = nn_.ModuleDict({"a": nn_.ReLU()})
    d.update([("b", nn_.Tanh())])
    d["c"] = nn_.Identity()
    assert list(d) == ["a", "b", "c"] and "b" in d and type(d.pop("b")).__name__ == "Tanh" and len(d) == 2
    p = nn_.ParameterList([lib.zeros(1), lib.ones(2)])
    p.append(lib.zeros(3))
    assert len(p) == 3 and [tuple(q.shape) for q in p.parameters()] == [(1,), (2,), (3,)] and len(p[1:]) == 2
    q = nn_.ParameterDict({"x": lib.zeros(1)})
    q["y"] = lib.ones(2)
    q |= nn_.ParameterDict({"z": lib.ones(3)})
    assert sorted(q.keys()) == ["x", "y", "z"] and q["y"].requires_grad and len(q.copy()) == 3
    for bad in (
        lambda: nn_.ModuleList().extend(3),
        lambda: nn_.ModuleDict().update(3),
        lambda: nn_.ParameterList().extend(lib.zeros(1)),
    ):
        with pytest.raises(TypeError):
            bad()


@needs_torch
def test_reprs_match():
    def model(lib):
        n = lib.nn
        m = n.Sequential(
            n.Linear(3, 4), n.ModuleList([n.Linear(2, 2), n.Linear(2, 2), n.ReLU()]), n.ModuleDict({"a": n.ReLU()})
        )
        m.p = n.ParameterList([lib.zeros(2, 3)])
        m.q = n.ParameterDict({"k": lib.zeros(4)})
        m.e = n.ModuleList()
        return m

    assert repr(model(lucid)) == repr(model(torch)).replace("torch.", "lucid.")
    assert repr(nn.Parameter(lucid.ones(2))) == repr(torch.nn.Parameter(torch.ones(2)))


# ---- hooks ----


@both
def test_forward_hooks(lib):
    m, log = lib.nn.Linear(2, 2), []
    x = lib.ones(1, 2)
    first = m.register_forward_hook(lambda mod, args, out: log.append("a"))
    m.register_forward_hook(
        lambda mod, args, kwargs, out: log.append(("b", sorted(kwargs))) or out * 0, with_kwargs=True, prepend=True
    )
    m.register_forward_pre_hook(lambda mod, args: log.append("pre") or (args[0] * 2,))
    m.register_forward_pre_hook(lambda mod, args, kwargs: (args, kwargs), with_kwargs=True)
    assert float(abs(m(x)).sum()) == 0
    assert log == ["pre", ("b", []), "a"]
    first.remove()
    m(x)
    assert log[3:] == ["pre", ("b", [])]


@both
def test_always_called_hooks(lib):
    m, log = lib.nn.Linear(2, 2), []
    m.register_forward_hook(lambda *a: log.append("always"), always_call=True)
    m.register_forward_hook(lambda *a: log.append("never"))
    with pytest.raises(RuntimeError):
        m(lib.ones(1, 5))
    assert log == ["always"]


@both
def test_global_hooks(lib):
    register = lib.nn if lib is lucid else lib.nn.modules.module
    log = []
    handles = [
        register.register_module_forward_pre_hook(lambda m, a: log.append("pre")),
        register.register_module_forward_hook(lambda m, a, o: log.append("post")),
        register.register_module_full_backward_hook(lambda m, gi, go: log.append("back")),
    ]
    lib.nn.Identity()(lib.ones(1, requires_grad=True)).sum().backward()
    for h in handles:
        h.remove()
    lib.nn.Identity()(lib.ones(1))
    assert log == ["pre", "post", "back"]


@both
def test_backward_hooks(lib):
    m, log = lib.nn.Linear(2, 2, bias=False), []
    with lib.no_grad():
        m.weight.copy_(lib.tensor([[1.0, 2.0], [3.0, 4.0]]))
    m.register_full_backward_pre_hook(lambda mod, go: log.append("pre") or (go[0] * 2,))
    m.register_full_backward_hook(lambda mod, gi, go: log.append((gi[0].tolist(), go[0].tolist())) or (gi[0] * 10,))
    x = lib.ones(1, 2, requires_grad=True)
    m(x).sum().backward()
    assert log == ["pre", ([[8.0, 12.0]], [[2.0, 2.0]])]
    assert x.grad.tolist() == [[80.0, 120.0]] and m.weight.grad.tolist() == [[2.0, 2.0], [2.0, 2.0]]


@both
def test_backward_hooks_without_a_differentiable_input(lib):
    m, log = lib.nn.Linear(2, 2), []
    m.register_full_backward_hook(lambda mod, gi, go: log.append((gi, go[0].tolist())))
    m(lib.ones(1, 2)).sum().backward()
    assert log == [((None,), [[1.0, 1.0]])]


@both
def test_backward_hooks_with_several_inputs_and_outputs(lib):
    class Two(lib.nn.Module):
        def forward(self, a, n, b):
            return a * b, n, a + b

    m, log = Two(), []
    m.register_full_backward_hook(
        lambda mod, gi, go: log.append(
            ([None if g is None else g.tolist() for g in gi], [None if g is None else g.tolist() for g in go])
        )
    )
    a, b = lib.tensor([2.0], requires_grad=True), lib.tensor([3.0], requires_grad=True)
    out = m(a, 5, b)
    (out[0] + out[2]).sum().backward()
    assert log == [([[4.0], None, [3.0]], [[1.0], None, [1.0]])]


@both
def test_state_dict_hooks(lib):
    m, log = lib.nn.Linear(1, 1), []
    m.register_state_dict_pre_hook(lambda mod, prefix, keep: log.append("pre"))
    m.register_state_dict_post_hook(lambda mod, sd, prefix, meta: sd.update(extra=1))
    assert "extra" in m.state_dict() and log == ["pre"]
    n = lib.nn.Linear(1, 1)
    n.register_load_state_dict_pre_hook(lambda mod, sd, prefix, *rest: sd.pop("extra"))
    n.register_load_state_dict_post_hook(
        lambda mod, keys: log.append(float(mod.bias.detach()[0])) or keys.missing_keys.clear()
    )
    n.load_state_dict(m.state_dict())
    assert log[-1] == float(m.bias.detach()[0])
    state = m.state_dict()
    del state["bias"]
    n.load_state_dict(state)  # the post hook forgives what is missing


# ---- state ----


@both
def test_extra_state_and_metadata(lib):
    class Counter(lib.nn.Module):
        _version = 3
        count = 0

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    a, b = lib.nn.Sequential(Counter()), lib.nn.Sequential(Counter())
    a[0].count = 5
    state = a.state_dict()
    assert list(state) == ["0._extra_state"] and state._metadata["0"] == {"version": 3}
    b.load_state_dict(state)
    assert b[0].count == 5
    with pytest.raises(RuntimeError, match="Missing"):
        b.load_state_dict({})


def test_all_faults_at_once_and_nothing_changed():
    m = Net()
    before = copy.deepcopy(m.state_dict())
    state = {k: v + 1 for k, v in before.items()}
    del state["head.bias"]
    state["extra"] = lucid.zeros(1)
    state["head.weight"] = lucid.zeros(3, 3)
    state["encoder.layers.0.bias"] = "text"
    with pytest.raises(RuntimeError) as caught:
        m.load_state_dict(state)
    for part in ("head.bias", "extra", "head.weight", "Size([3, 3])", "Size([2, 8])", "encoder.layers.0.bias"):
        assert part in str(caught.value)
    assert all(v.equal(before[k]) for k, v in m.state_dict().items())
    del state["head.weight"], state["encoder.layers.0.bias"]
    keys = m.load_state_dict(state, strict=False)
    assert keys.unexpected_keys == ["extra"] and set(keys.missing_keys) == {
        "head.bias",
        "head.weight",
        "encoder.layers.0.bias",
    }
    assert m.state_dict()["encoder.layers.0.weight"].equal(before["encoder.layers.0.weight"] + 1)
    with pytest.raises(TypeError, match="dict-like"):
        m.load_state_dict([1])


@both
def test_load_keeps_or_assigns(lib):
    m = lib.nn.Linear(2, 2)
    weight = m.weight
    m.load_state_dict({"weight": lib.ones(2, 2).double(), "bias": lib.zeros(2)})
    assert m.weight is weight and weight.dtype == lib.float32 and float(weight.sum()) == 4
    m.load_state_dict({"weight": lib.ones(2, 2).double(), "bias": lib.zeros(2)}, assign=True)
    assert m.weight is not weight and m.weight.dtype == lib.float64 and m.weight.requires_grad
    state = m.state_dict()
    assert not state["weight"].requires_grad and m.state_dict(keep_vars=True)["weight"] is m.weight


def test_state_shares_memory():
    m = nn.Linear(2, 2)
    m.state_dict()["weight"].zero_()
    assert float(m.weight.detach().abs().sum()) == 0


@both
def test_conversions(lib):
    m = lib.nn.BatchNorm1d(2)
    p = m.weight
    m(lib.ones(2, 2)).sum().backward()
    m.double()
    assert m.weight is p and p.dtype == lib.float64 and p.grad.dtype == lib.float64 and p.requires_grad
    assert m.running_mean.dtype == lib.float64 and m.num_batches_tracked.dtype == lib.int64
    assert m.half().weight.dtype == lib.float16 and m.to(lib.float32).weight.dtype == lib.float32
    assert m.to("cpu", lib.float64).weight.dtype == lib.float64 and m.to(lib.zeros(1)).weight.dtype == lib.float32
    m.zero_grad(set_to_none=False)
    assert float(p.grad.abs().sum()) == 0
    m.zero_grad()
    assert p.grad is None and not m.eval().training


@both
def test_copies(lib):
    m = small(lib)
    m.register_buffer("count", lib.zeros(1))
    for again in (copy.deepcopy(m), pickle.loads(pickle.dumps(m)), copy.copy(m)):
        assert repr(again) == repr(m) and list(again.state_dict()) == list(m.state_dict())
    again = copy.deepcopy(m)
    with lib.no_grad():
        again[0].weight.zero_()
    assert float(m[0].weight.detach().abs().sum()) > 0 and again[0].weight.requires_grad


@both
def test_lazy(lib):
    m = lib.nn.Sequential(lib.nn.LazyLinear(4), lib.nn.ReLU(), lib.nn.LazyLinear(2))
    with pytest.raises(RuntimeError):
        m[0].weight.shape  # noqa: B018
    other = small(lib)
    other.load_state_dict(other.state_dict())
    m(lib.ones(1, 3))
    assert type(m[0]).__name__ == "Linear" and m[2].in_features == 4
    fresh = lib.nn.Sequential(lib.nn.LazyLinear(4), lib.nn.ReLU(), lib.nn.LazyLinear(2))
    fresh.load_state_dict(m.state_dict())  # shapes come from the state dict
    assert tuple(fresh[0].weight.shape) == (4, 3)
    fresh(lib.ones(1, 3))


# ---- errors that teach ----


def test_a_shape_error_names_the_module():
    with pytest.raises(RuntimeError) as caught:
        Net()(lucid.ones(5, 3))
    assert isinstance(caught.value, ValueError)
    message = str(caught.value)
    assert "encoder.layers.0 (Linear 4 -> 4)" in message and "(5, 3)" in message and "3" in message.split("\n")[0]
    model = nn.Sequential(nn.Sequential(nn.BatchNorm2d(3)))
    with pytest.raises(ValueError, match=r"in 0\.0 \(BatchNorm2d\(3, "):
        model(lucid.ones(1, 4, 2, 2))


def test_other_errors_keep_their_message_and_get_a_note():
    class Odd(nn.Module):
        def forward(self, x):
            raise KeyError("mine")

    with pytest.raises(KeyError) as caught:
        nn.Sequential(Odd())(lucid.ones(1))
    assert caught.value.args == ("mine",)
    assert caught.value.__notes__ == ["in 0 (Odd), called with (1,) float32"]


def test_parameter_shares_memory_and_is_a_leaf():
    t = lucid.zeros(2)
    p = nn.Parameter(t)
    t[0] = 5
    assert p.tolist() == [5, 0] and p.is_leaf and p.requires_grad
    assert type(copy.deepcopy(p)) is nn.Parameter and type(p * 1) is lucid.Tensor
    assert np.shares_memory(p.detach().numpy(), t.numpy())
    assert type(pickle.loads(pickle.dumps(nn.Buffer(t)))) is nn.Buffer


def test_a_copy_of_a_model_has_no_gradients():
    m = nn.Linear(2, 1)
    m(lucid.ones(1, 2)).sum().backward()
    m.weight.tag = "mine"
    again = copy.deepcopy(m)
    assert again.weight.grad is None and m.weight.grad is not None and again.weight.tag == "mine"
    tied = nn.Sequential(m, m)
    again = copy.deepcopy(tied)
    assert again[0] is again[1] and again[0].weight is again[1].weight


def test_a_lazy_parameter_has_no_size_yet():
    for wrong in (RuntimeError, ValueError):  # torch raises the one for shape, the other for numel
        with pytest.raises(wrong, match="uninitialized"):
            nn.LazyLinear(3).weight.numel()
