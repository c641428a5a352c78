"""Habits of PyTorch's modules, hooks, schedules and gradcheck that its own test files rely on."""

import copy
import gc
import pickle
import warnings
import weakref

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid import nn
from lucid.nn.utils import rnn
from reference import needs_torch, torch


@pytest.mark.parametrize("shape", [(4,), (2, 3), ()])
def test_a_size_is_a_size_to_new(shape):
    size = lucid.zeros(shape).shape
    assert lucid.zeros(1).new(size).shape == size
    assert lucid.FloatTensor(size).shape == size


def test_a_tuple_is_data_to_new():
    assert lucid.zeros(1).new((4,)).tolist() == [4.0]


def test_what_is_no_leaf_is_pickled_as_one():
    x = lucid.ones(2, requires_grad=True)
    again = pickle.loads(pickle.dumps(x * 2))
    assert again.is_leaf and again.requires_grad and again.tolist() == [2.0, 2.0]


def test_gradcheck_of_a_function_that_knows_the_tensor_otherwise():
    layer = nn.Linear(3, 2).double()
    x = lucid.randn(4, 3, dtype=lucid.float64, requires_grad=True)
    before = layer.weight.tolist()
    for fast in (False, True):
        assert lucid.autograd.gradcheck(lambda x, *_: layer(x), (x, *layer.parameters()), fast_mode=fast)
    assert layer.weight.tolist() == before


def test_gradcheck_of_outputs_that_depend_on_requires_grad():
    x = lucid.randn(3, dtype=lucid.float64, requires_grad=True)
    assert lucid.autograd.gradcheck(lambda x: [x * x, *([x.sin()] if x.requires_grad else [])], (x,))
    assert lucid.autograd.gradcheck(lambda x: x, (x,))


def test_gradcheck_sees_a_wrong_gradient():
    class Wrong(lucid.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 3

    x = lucid.randn(3, dtype=lucid.float64, requires_grad=True)
    for fast in (False, True):
        assert not lucid.autograd.gradcheck(Wrong.apply, (x,), fast_mode=fast, raise_exception=False)


def test_parameter_dict_takes_a_plain_dict_in_the_order_of_its_keys():
    made = {key: lucid.ones(1) for key in ("b", "a")}
    assert list(nn.ParameterDict(made)) == ["a", "b"]
    assert list(nn.ParameterDict(list(made.items()))) == ["b", "a"]
    assert list(nn.ParameterDict(list(made.items())).copy()) == ["b", "a"]


def test_backward_hooks_of_a_module_that_returns_a_dict():
    class Net(nn.Module):
        def forward(self, x):
            return {"y": x * 2}

    net, seen = Net(), []
    net.register_full_backward_hook(lambda module, grad_in, grad_out: seen.append(grad_out[0].item()))
    net(lucid.ones(1, requires_grad=True))["y"].backward()
    assert seen == [1.0]


def test_a_buffer_in_a_module_whose_register_buffer_knows_no_persistence():
    class Old(nn.Module):
        def register_buffer(self, name, tensor):
            super().register_buffer(name, tensor)

    module = Old()
    module.table = nn.Buffer(lucid.ones(2))
    assert list(module.state_dict()) == ["table"]


def test_a_loading_hook_does_not_keep_its_module():
    module = nn.Linear(2, 2)
    seen = []
    module.register_load_state_dict_pre_hook(lambda m, *_: seen.append(m))
    other = copy.deepcopy(module)
    other.load_state_dict(module.state_dict())
    assert seen.pop() is other
    gone = weakref.ref(module)
    gc.disable()
    try:
        del module
        assert gone() is None
    finally:
        gc.enable()


def test_handles_know_their_hooks():
    module = nn.Linear(2, 2)
    handle = module.register_forward_hook(lambda *_: None)
    assert handle.id in handle.hooks_dict_ref()
    handle.remove()
    assert handle.id not in handle.hooks_dict_ref()


def test_weight_norm_is_pickled():
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 3))
    again = pickle.loads(pickle.dumps(layer))
    assert again.weight.tolist() == layer.weight.tolist()


@pytest.mark.parametrize(
    ("function", "shape", "words"),
    [(F.dropout2d, (1,) * 5, "5-D input"), (F.dropout2d, (1,) * 3, "3D input"), (F.dropout3d, (1,) * 6, "6-D input")],
)
def test_ranks_that_channel_dropout_warns_of(function, shape, words):
    with pytest.warns(UserWarning, match=words):
        function(lucid.ones(shape))


def test_dropout_keeps_the_layout():
    x = lucid.ones(2, 3, 4, 5).permute(0, 2, 3, 1)
    out = F.dropout(x, 0.5)
    assert out.stride() == x.stride()
    assert set(out.reshape(-1).tolist()) <= {0.0, 2.0}


def test_packed_sequences_move_only_if_they_must():
    packed = rnn.pack_sequence([lucid.ones(2), lucid.ones(1)])
    assert packed.to("cpu") is packed
    assert packed.double().data.dtype == lucid.float64


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: rnn.pad_sequence(5), "Expected iterable"),
        (lambda: rnn.pack_padded_sequence(lucid.randn(0, 0), []), "empty"),
    ],
)
def test_sequences_that_are_none(call, words):
    with pytest.raises(RuntimeError, match=words):
        call()


def test_schedules_warn_of_their_order():
    def pair():
        opt = lucid.optim.SGD([lucid.ones(1, requires_grad=True)], lr=1.0)
        return opt, lucid.optim.lr_scheduler.StepLR(opt, 3)

    opt, schedule = pair()
    with pytest.warns(UserWarning, match="how-to-adjust-learning-rate"):
        schedule.step()
    opt, schedule = pair()
    step = opt.step
    opt.step = lambda: step()
    opt.step()
    with pytest.warns(UserWarning, match="overridden"):
        schedule.step()
    opt, schedule = pair()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opt.step()
        schedule.step()


def test_grid_sample_at_no_points():
    image, grid = lucid.ones(2, 3, 4, 4, 4, requires_grad=True), lucid.zeros(2, 2, 0, 3, 3)
    assert F.grid_sample(image, grid, align_corners=False).shape == (2, 3, 2, 0, 3)


def test_a_mask_of_a_pruning_container_has_the_dtype_of_the_tensor():
    prune = nn.utils.prune
    method = prune.L1Unstructured(1)
    method._tensor_name = "w"
    mask = prune.PruningContainer(method).compute_mask(lucid.tensor([1.0, 2.0]), lucid.tensor([1, 1]))
    assert mask.dtype == lucid.float32 and mask.tolist() == [0.0, 1.0]


def test_whole_maxima_in_one_dimension_and_sizes_of_none_are_refused():
    with pytest.raises(NotImplementedError, match="max_pool1d"):
        F.max_pool1d(lucid.ones(1, 1, 4, dtype=lucid.int64), 2)
    assert F.max_pool2d(lucid.ones(1, 4, 4, dtype=lucid.int64), 2).dtype is lucid.int64
    with pytest.raises(TypeError, match="output_size"):
        F.adaptive_avg_pool2d(lucid.ones(1, 1, 4, 4), None)
    with pytest.raises(ValueError, match="Expected input to be 4D"):
        nn.CrossMapLRN2d(2)(lucid.ones(2, 3, 4))


def test_gradients_of_convolutions_are_found_in_functional_too():
    w, g = lucid.randn(2, 3, 2, 2), lucid.randn(1, 2, 3, 3)
    x = lucid.randn(1, 3, 4, 4, requires_grad=True)
    F.conv2d(x, w).backward(g)
    found = F.grad.conv2d_input((1, 3, 4, 4), w, g)
    lucid.testing.assert_close(found, x.grad)


def test_global_hooks_can_be_counted_and_cleared():
    module, seen = nn.modules.module, []
    handle = module.register_module_forward_hook(lambda m, args, out: seen.append(type(m).__name__))
    assert len(module._global_forward_hooks) == 1
    nn.Identity()(lucid.ones(1))
    module._global_forward_hooks.clear()
    nn.Identity()(lucid.ones(1))
    handle.remove()
    assert seen == ["Identity"]


def test_lazy_models_exchange_what_they_do_not_know_yet():
    model, other = nn.LazyLinear(3), nn.LazyLinear(3)
    model.load_state_dict(other.state_dict())
    assert model.has_uninitialized_params()
    assert model(lucid.ones(2, 4)).shape == (2, 3)


@needs_torch
@pytest.mark.parametrize("name", ["mish", "hardsigmoid"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_activations_are_rounded_once(name, dtype):
    x = torch.linspace(-5, 5, 501).to(getattr(torch, dtype))
    ours = lucid.tensor(x.double().numpy()).to(getattr(lucid, dtype)).requires_grad_()
    getattr(F, name)(ours).sum().backward()
    x.requires_grad_()
    getattr(torch.nn.functional, name)(x).sum().backward()
    tolerance = 1e-2 if dtype == "bfloat16" else 2e-3
    np.testing.assert_allclose(ours.grad.double().numpy(), x.grad.double().numpy(), rtol=tolerance, atol=tolerance)


def test_what_waits_for_its_shape_cannot_be_computed_with():
    model = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
    with pytest.raises(ValueError, match="uninitialized parameter"):
        sum(p.pow(2).sum() for p in model.parameters())
    model.double().requires_grad_(False).requires_grad_(True)
    twin = pickle.loads(pickle.dumps(copy.deepcopy(model)))
    optimizer = lucid.optim.SGD(twin.parameters(), lr=0.1)
    assert twin(lucid.ones(2, 4, dtype=lucid.float64)).dtype is lucid.float64
    twin(lucid.randn(2, 4, dtype=lucid.float64)).sum().backward()
    optimizer.step()
    assert twin[1].running_mean.dtype is lucid.float64 and model[0].has_uninitialized_params()


@pytest.mark.parametrize("relu", [lucid.relu, F.relu, lucid.nn.ReLU(), lambda x: F.relu(x, inplace=True)])
def test_relu_of_booleans_is_refused(relu):
    with pytest.raises(RuntimeError, match="bool"):
        relu(lucid.tensor([True, False]))
