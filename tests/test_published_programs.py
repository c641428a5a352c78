"""What published PyTorch programs do that the tests of single functions miss; each test names where it was met."""

import importlib

import numpy as np
import pytest

import lucid
from lucid import nn
from reference import needs_torch, torch


def test_writes_through_data_are_not_seen_by_backward():
    """torchdiffeq fills a buffer through ``.data`` to sneak past the version check; PyTorch's backward reads what is there then."""
    w = lucid.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = (w * w).sum()
    w.data.mul_(2)
    w.data[0] = 5.0
    w.data.view(-1)[1:2].zero_()
    y.backward()
    assert w.grad.tolist() == [10.0, 0.0, 12.0]


def test_writes_through_detach_are_seen_by_backward():
    w = lucid.tensor([1.0, 2.0], requires_grad=True)
    y = (w * w).sum()
    w.detach().mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def subclasses(torch):
    class Tagged(torch.Tensor):  # fastai's and captum's way
        @staticmethod
        def __new__(cls, x, tag=None):
            made = super().__new__(cls, x)
            made.tag = tag
            return made

    class Manifold(torch.Tensor):  # geoopt's way
        def __new__(cls, x, *, manifold, requires_grad=False):
            made = torch.Tensor._make_subclass(cls, x, requires_grad)
            made.manifold = manifold
            return made

    class Counted(torch.Tensor):
        def __init__(self, x):
            super().__init__()
            self.count = len(x)

    x = torch.ones(2)
    return [
        (type(t).__name__, t.tolist(), t.requires_grad, t.is_leaf, {k: v for k, v in vars(t).items() if k[0] != "_"})
        for t in (Tagged([1.0, 2.0], tag="a"), Manifold(x, manifold=3, requires_grad=True), Counted([3.0]))
    ]


@needs_torch
def test_subclasses_that_make_their_objects_themselves():
    assert subclasses(lucid) == subclasses(torch)


@needs_torch
@pytest.mark.parametrize("dtypes", [("float64", "float32"), ("bfloat16", "float32"), ("int64", "float32")])
def test_einsum_that_sums_nothing_promotes(dtypes):
    """mamba-minimal multiplies bfloat16 activations by float32 parameters in einsum."""
    a, b = dtypes
    mine = lucid.einsum(
        "bl,ld->bld", lucid.ones(2, 3, dtype=getattr(lucid, a)), lucid.ones(3, 4, dtype=getattr(lucid, b))
    )
    theirs = torch.einsum(
        "bl,ld->bld", torch.ones(2, 3, dtype=getattr(torch, a)), torch.ones(3, 4, dtype=getattr(torch, b))
    )
    assert str(mine.dtype)[6:] == str(theirs.dtype)[6:] and mine.tolist() == theirs.tolist()
    with pytest.raises(RuntimeError, match="one dtype"):
        lucid.einsum("bl,ld->bd", lucid.ones(2, 3, dtype=getattr(lucid, a)), lucid.ones(3, 4, dtype=getattr(lucid, b)))


def test_type_of_the_class_tensor_is_the_default_dtype():
    """nflows: ``mask = (inputs < 0).type(torch.Tensor)``."""
    assert (lucid.ones(2) > 0).type(lucid.Tensor).dtype is lucid.float32


def test_a_sparse_matrix_is_a_buffer():
    """whisper keeps its alignment heads, graph networks their adjacency."""
    net = nn.Module()
    net.register_buffer("heads", lucid.eye(2).to_sparse(), persistent=False)
    net.double()
    assert net.heads.to_dense().tolist() == [[1.0, 0.0], [0.0, 1.0]] and not net.state_dict()


def test_reduce_that_repeats():
    """hyper-connections: ``Reduce("b ... -> (b s) ...", "repeat", s=4)``."""
    from lucid.einops.layers.torch import Reduce

    expand = Reduce("b ... -> (b s) ...", "repeat", s=2)
    assert expand(lucid.tensor([[1.0], [2.0]])).tolist() == [[1.0], [1.0], [2.0], [2.0]]


def test_states_of_devices():
    """Reversible networks put the generators' states back; without CUDA there are none."""
    from lucid.utils.checkpoint import get_device_states, set_device_states

    assert get_device_states(lucid.ones(2)) == ([], []) and lucid.cuda._initialized is False
    set_device_states([], [])


def test_names_of_the_compilers_that_leave_functions_alone():
    """einx, torchvision and others decorate with them."""
    for leave in (lucid.compiler.allow_in_graph, lucid.compiler.assume_constant_result, lucid.jit._overload_method):
        assert leave(len) is len
    assert not lucid.compiler.is_dynamo_compiling() and not lucid.compiler.is_exporting()
    assert lucid._C._log_api_usage_once("x") is None and lucid._C._get_tracing_state() is None
    assert lucid._C._nn.gelu is lucid.nn.functional.gelu and lucid._VF.tanh is lucid.tanh


def test_module_load():
    w, other = lucid.nn.Parameter(lucid.zeros(2)), lucid.ones(2)
    with lucid.no_grad():
        loaded = w.module_load(other)
    assert loaded.tolist() == w.tolist() == [1.0, 1.0] and not loaded.requires_grad and loaded is not w
    assert w.module_load(other, assign=True).data_ptr() == other.data_ptr()


def test_flattened_tensors():
    """guided-diffusion joins gradients for one all_reduce."""
    parts = [lucid.ones(2, 2), lucid.zeros(3)]
    flat = lucid._utils._flatten_dense_tensors(parts)
    back = lucid._utils._unflatten_dense_tensors(flat, parts)
    assert [p.tolist() for p in back] == [p.tolist() for p in parts]


def test_futures():
    a, b = lucid.futures.Future(), lucid.futures.Future()
    both, more = lucid.futures.collect_all([a, b]), a.then(lambda f: 1 / f.wait())
    with pytest.raises(RuntimeError, match="not there yet"):
        a.value()
    a.set_result(0)
    assert not both.done()
    b.set_result(2)
    assert lucid.futures.wait_all(both.wait()) == [0, 2] and lucid.futures.collect_all([]).wait() == []
    with pytest.raises(ZeroDivisionError):
        more.wait()


def test_a_path_that_is_a_function_too_stays_one():
    from lucid.autograd.gradcheck import gradcheck

    x = lucid.ones(2, dtype=lucid.float64, requires_grad=True)
    assert gradcheck(lambda x: x * x, x) and lucid.autograd.gradcheck(lambda x: x * x, x)


def test_a_parameter_with_a_new_of_its_own():
    """geoopt: ``ManifoldParameter(x, manifold=Sphere())``."""

    class Manifold(nn.Parameter):
        __torch_function__ = lucid._C._disabled_torch_function_impl

        def __new__(cls, x, manifold=None, requires_grad=True):
            made = lucid.Tensor._make_subclass(cls, x, requires_grad)
            made.manifold = manifold
            return made

    net = nn.Module()
    net.w = Manifold(lucid.ones(2), manifold="sphere")
    (net.w * 3).sum().backward()
    assert (
        type(net.w * 3) is not Manifold
        and net.w.manifold == "sphere"
        and net.w.grad.tolist() == [3.0, 3.0]
        and list(net.state_dict()) == ["w"]
    )


def test_multi_head_attention_with_another_output_size():
    """CLIP pools attention into its embedding: ``out_proj`` maps 4 features to 6."""
    x, w = lucid.randn(3, 2, 4), lucid.randn(6, 4)
    out, _ = nn.functional.multi_head_attention_forward(
        x[:1], x, x, 4, 2, None, lucid.zeros(12), None, None, False, 0.0, w, lucid.zeros(6), use_separate_proj_weight=True,
        q_proj_weight=lucid.eye(4), k_proj_weight=lucid.eye(4), v_proj_weight=lucid.eye(4), need_weights=False,
    )  # fmt: skip
    assert out.shape == (1, 2, 6)
    same, _ = nn.functional.multi_head_attention_forward(
        x[:1], x, x, 4, 2, None, lucid.zeros(12), None, None, False, 0.0, lucid.eye(4), lucid.zeros(4),
        use_separate_proj_weight=True, q_proj_weight=lucid.eye(4), k_proj_weight=lucid.eye(4), v_proj_weight=lucid.eye(4),
    )  # fmt: skip
    assert lucid.allclose(out, same @ w.mT, atol=1e-5)


def listed(t):
    x = t.arange(64.0).reshape(8, 8)
    x[[[0, 1], [2, 3]]] = -1.0  # two lists in a list: a row index and a column index
    kept = [x, x[[[0, 1], [2, 3]]], x[[[0, 1, 4]]], x[[t.arange(3), t.arange(3)]], x[[0, 1]], x[[slice(0, 2), 1]]]
    return [(list(k.shape), k.tolist()) for k in (*kept, x[[True, False] * 4], x[[range(2), range(2)]])]


@needs_torch
@pytest.mark.filterwarnings("ignore")
def test_a_list_of_lists_is_one_index_for_each_dimension():
    """pytorch-metric-learning's HistogramLoss indexes a matrix by ``tensor.tolist()``."""
    assert listed(lucid) == listed(torch)


def test_two_large_index_arrays_keep_their_shape():
    """kornia's lovasz_softmax_loss: ``target[batch_index, permutations]`` of three dimensions."""
    x = lucid.arange(640).reshape(2, 320)
    rows, columns = lucid.arange(2).reshape(2, 1, 1).expand(2, 3, 320), lucid.arange(320).flip(0).expand(2, 3, 320)
    found = x[rows, columns]
    assert found.shape == (2, 3, 320) and found[1, 2, 0].item() == 639 and found[0, 1, 319].item() == 0


def test_dimensions_of_size_1_that_expand_added_are_no_repetition():
    """BERT keeps ``arange(n).expand((1, -1))`` as a buffer, and loads it from checkpoints."""
    net = nn.Module()
    net.register_buffer("position_ids", lucid.arange(4).expand((1, -1)))
    net.load_state_dict({"position_ids": lucid.tensor([[4, 3, 2, 1]])})
    net.position_ids.add_(1)
    assert net.position_ids.tolist() == [[5, 4, 3, 2]]
    x = lucid.ones(3, requires_grad=True)
    y = x * 1
    y.expand(1, 1, -1).mul_(lucid.tensor([1.0, 2.0, 3.0]))
    y.sum().backward()
    assert y.tolist() == [1.0, 2.0, 3.0] and x.grad.tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(RuntimeError, match="more than one element"):
        lucid.arange(4).expand(2, -1).add_(1)
    with pytest.raises(RuntimeError, match="more than one element"):
        lucid.ones(1, 2).expand(3, 2)[0:2].mul_(0)  # zero_ is allowed: one value, however often it is written


def graphs(torch):
    a, b = torch.arange(3.0, requires_grad=True), torch.ones(3, requires_grad=True)
    y = a * b
    z = y.exp()
    loss = torch.nn.functional.mse_loss(torch.nn.Linear(3, 2)(y.unsqueeze(0)), torch.ones(1, 2))

    def names(node):
        return [type(n).__name__ for n, _ in node.next_functions]

    outcome = [
        (y.grad_fn._saved_self is a, y.grad_fn._saved_other is b, (a * torch.ones(3)).grad_fn._saved_self is None),
        (z.grad_fn._saved_result.equal(z), z.grad_fn._saved_result is z, hasattr(y.grad_fn, "_saved_nothing")),
        (z * y).grad_fn._saved_other.grad_fn.name(),
        names(loss.grad_fn),
        names(loss.grad_fn.next_functions[0][0])[:2],
    ]
    y.sum().backward()
    with pytest.raises(RuntimeError, match="freed"):
        assert y.grad_fn._saved_self
    return outcome


@needs_torch
def test_graphs_are_walked_and_looked_into():
    """The 60-minute blitz follows ``next_functions`` from a loss to its bias; the tutorial on saved tensors reads ``_saved_self``."""
    assert graphs(lucid) == graphs(torch)


def tangents(torch):
    primal, tangent = torch.ones(2, dtype=torch.float64), torch.ones(2)
    with torch.autograd.forward_ad.dual_level():
        mixed = torch.autograd.forward_ad.unpack_dual(torch.autograd.forward_ad.make_dual(primal, tangent) * 2).tangent
    with pytest.raises(ValueError):
        torch.func.jvp(lambda x: x, (primal,), (torch.ones(2, dtype=torch.int64),))
    return mixed.tolist(), str(torch.func.jvp(lambda x: x * 2, (primal,), (tangent,))[1].dtype).split(".")[1]


@needs_torch
def test_tangents_of_another_width_than_their_primals():
    assert tangents(lucid) == tangents(torch)


def printed(torch):
    importlib.import_module(f"{torch.__name__}.utils.benchmark")
    row = torch.tensor([0.1974, -0.0, 0.1851, 0.0, 0.2, 0.0], requires_grad=True)
    kinds = [torch.Tensor, torch.Size, torch.device, torch.dtype]
    once = torch.utils.benchmark.Timer("x + 1", "x = 1", label="add").timeit(3)
    once = [line for line in repr(once).splitlines()[1:] if line[:2] != "  " or "run" in line]
    return [repr(row * 1), *map(repr, kinds), *once]


@needs_torch
def test_what_tutorials_print():
    assert [line.replace("lucid", "torch") for line in printed(lucid)] == printed(torch)


def stepped_in_backward(torch):
    v = torch.zeros(3, requires_grad=True)
    v.register_post_accumulate_grad_hook(lambda p: p.add_(p.grad, alpha=-0.5))
    v.backward(torch.tensor([1.0, 2.0, 3.0]))
    return v.tolist(), v.requires_grad, torch.is_grad_enabled()


@needs_torch
def test_hooks_step_leaves_inside_backward():
    """The example of ``register_post_accumulate_grad_hook``: hooks run with nothing recorded."""
    assert stepped_in_backward(lucid) == stepped_in_backward(torch)


def test_stances_of_compiled_code():
    """The tutorial on ``torch.compiler.set_stance`` uses it in all three ways."""
    double = lucid.compile(lambda x: x * 2)
    lucid.compiler.set_stance("eager_on_recompile")
    with lucid.compiler.set_stance("force_eager"):
        assert lucid.compiler.set_stance("fail_on_recompile")(double)(lucid.ones(1)).item() == 2
    with pytest.raises(ValueError, match="stance"):
        lucid.compiler.set_stance("lazy")


def test_the_names_of_linear_operator_and_pyro():
    """Batches of sparse matrices ask for ``ndimension`` and ``dsmm``; Pyro annotates with ``MAP_LOCATION``, and registers
    divergences of distributions that are not of this family."""
    sparse = lucid.sparse_coo_tensor([[0, 1], [1, 0]], [2.0, 3.0], (2, 2))
    assert sparse.ndimension() == 2 and lucid.dsmm(sparse, lucid.eye(2)).tolist() == [[0.0, 2.0], [3.0, 0.0]]
    assert importlib.import_module("lucid.serialization").MAP_LOCATION is not None

    class Mine:
        pass

    pair = (Mine, lucid.distributions.Normal)
    lucid.distributions.register_kl(*pair)(lambda p, q: "registered")
    assert lucid.distributions.kl_divergence(Mine(), lucid.distributions.Normal(0.0, 1.0)) == "registered"
    del lucid.distributions.kl._KL_REGISTRY[pair]


@needs_torch
@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (3, 2, 2)])
def test_orthogonal_weights_are_made_of_numbers_drawn_in_the_shape_of_the_weight(shape, monkeypatch):
    """cleanrl's agents begin with these; from the same draws come the same weights."""
    drawn = np.random.default_rng(0).standard_normal((shape[0], int(np.prod(shape[1:]))))
    monkeypatch.setattr(
        importlib.import_module("lucid.nn.init").random, "randn", lambda *s, **k: lucid.tensor(drawn.reshape(s))
    )
    monkeypatch.setattr(
        torch.Tensor, "normal_", lambda self, *a, **k: self.copy_(torch.tensor(drawn.reshape(self.shape)))
    )
    mine, theirs = (t.nn.init.orthogonal_(t.empty(*shape, dtype=t.float64)) for t in (lucid, torch))
    np.testing.assert_allclose(mine.numpy(), theirs.numpy(), atol=1e-12)
