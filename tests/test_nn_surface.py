"""Names, import paths and signatures: what programs take from torch.nn is there, and is called the same way."""

import importlib
import inspect
import pkgutil
import types

import numpy as np
import pytest

import lucid
from lucid import nn
from reference import needs_torch, torch

F = nn.functional
# Quantized, distributed, compiled, or no part of what programs call.
LEFT_OUT = {
    "nn.functional": {"ScalingType", "SwizzleType", "scaled_mm", "scaled_grouped_mm", "boolean_dispatch", "assert_int_or_pair",
                      "handle_torch_function", "has_torch_function", "has_torch_function_unary", "has_torch_function_variadic", "Tensor",
                      "BroadcastingList1", "BroadcastingList2", "BroadcastingList3"},
    "nn.utils.rnn": {"PackedSequence_", "bind", "copy_method_params"},
    "nn.utils.parametrize": {"OpaqueBase", "get_swap_module_params_on_conversion", "is_opaque_reference_type", "is_traceable_wrapper_subclass"},
    "nn.utils.fusion": {"ConvT", "LinearT"},
    "nn.utils.stateless": {"NamedMemberAccessor"},
    "nn.utils.weight_norm": {"T_module", "UninitializedParameter"},
    "nn.utils.spectral_norm": {"T_module", "SpectralNormLoadStateDictPreHook", "SpectralNormStateDictHook"},
    "nn.attention": {"SDPAParams", "can_use_efficient_attention", "can_use_flash_attention", "activate_flash_attention_impl",
                     "current_flash_attention_impl", "list_flash_attention_impls", "register_flash_attention_impl", "restore_flash_attention_impl"},
    "nn.attention.flex_attention": {"GetAttrKey", "TreeSpec", "flex_attention_hop", "setup_compilation_env", "tree_flatten", "tree_map_only", "tree_unflatten"},
    "nn.attention.bias": {"SDPAParams", "can_use_efficient_attention", "can_use_flash_attention", "is_flash_attention_available"},
    "nn.parameter": {"UninitializedTensorMixin"},
}  # fmt: skip
SPACES = [
    "nn", "nn.functional", "nn.init", "nn.utils", "nn.utils.rnn", "nn.utils.prune", "nn.utils.parametrize", "nn.utils.parametrizations", "nn.utils.fusion",
    "nn.utils.stateless", "nn.utils.clip_grad", "nn.utils.convert_parameters", "nn.utils.weight_norm", "nn.utils.spectral_norm", "nn.utils.init",
    "nn.utils.memory_format", "nn.attention", "nn.attention.bias", "nn.attention.flex_attention", "nn.attention.varlen", "nn._reduction", "nn.parameter", "nn.common_types", "nn.grad",
]  # fmt: skip


def public(space):
    """The names that torch's module defines or shows; not the modules below it, nor what it imports from elsewhere."""
    module = importlib.import_module(f"torch.{space}")
    names = {n for n in dir(module) if n[0] != "_" and not isinstance(getattr(module, n), types.ModuleType)}
    return module, {n for n in names if (getattr(getattr(module, n), "__module__", None) or "").startswith("torch")}


@needs_torch
@pytest.mark.parametrize("space", SPACES)
def test_every_name_is_there(space):
    _, names = public(space)
    assert names - LEFT_OUT.get(space, set()) - set(dir(importlib.import_module(f"lucid.{space}"))) == set()


@needs_torch
def test_layers_are_found_in_the_files_of_torch():
    """`from torch.nn.modules.batchnorm import _BatchNorm` and the like."""
    for info in pkgutil.iter_modules(importlib.import_module("torch.nn.modules").__path__):
        theirs = importlib.import_module(f"torch.nn.modules.{info.name}")
        layers = [n for n, v in vars(theirs).items() if isinstance(v, type) and v.__module__ == theirs.__name__]
        layers = [
            n
            for n in layers
            if issubclass(getattr(theirs, n), torch.nn.Module) and n != "Container" and (n[0] != "_" or n in PRIVATE)
        ]
        if layers:
            ours = importlib.import_module(f"lucid.nn.modules.{info.name}")
            assert not [n for n in layers if not hasattr(ours, n)], info.name


PRIVATE = {
    "_BatchNorm", "_NormBase", "_InstanceNorm", "_ConvNd", "_ConvTransposeNd", "_Loss", "_WeightedLoss", "_DropoutNd", "_MaxPoolNd", "_AvgPoolNd",
    "_LPPoolNd", "_AdaptiveAvgPoolNd", "_AdaptiveMaxPoolNd", "_ConstantPadNd", "_ReflectionPadNd", "_ReplicationPadNd", "_CircularPadNd", "_LazyConvXdMixin",
}  # fmt: skip
PATHS = [
    "nn.modules.module.Module", "nn.modules.module.register_module_forward_hook", "nn.modules.utils._pair", "nn.modules.utils._ntuple",
    "nn.modules.utils._reverse_repeat_tuple", "nn.modules.batchnorm._BatchNorm", "nn.modules.conv._ConvNd", "nn.modules.loss._Loss",
    "nn.modules.loss._WeightedLoss", "nn.modules.container.ModuleList", "nn.modules.activation.MultiheadAttention", "nn.modules.linear.NonDynamicallyQuantizableLinear",
    "nn.parameter.Parameter", "nn.parameter.UninitializedParameter", "nn.common_types._size_2_t", "nn.utils.rnn.PackedSequence", "nn.Parameter",
    "nn.modules.rnn.LSTM", "nn.modules.pooling.AdaptiveAvgPool2d", "nn.modules.lazy.LazyModuleMixin", "nn.modules.transformer.TransformerEncoderLayer",
    "nn.utils.weight_norm", "nn.utils.clip_grad.clip_grad_norm_", "nn.parallel.DataParallel", "nn.modules.utils.consume_prefix_in_state_dict_if_present",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_import_path(path):
    space, name = f"lucid.{path}".rsplit(".", 1)
    assert callable(getattr(importlib.import_module(space), name)) or name.startswith("_size")


# TorchScript's lists, cuDNN's flat weights, the machinery behind a call, PyTorch's devices.
MEMBERS_LEFT_OUT = {
    "__constants__", "__deprecated__", "__jit_unused_properties__", "_init_flat_weights", "_update_flat_weights", "_weights_have_changed",
    "_apply_instance_norm", "_get_no_batch_dim", "_handle_no_batch_input", "_get_in_channels", "_get_num_spatial_dims", "_check_non_zero_input_channels",
    "_fill_padding_idx_with_zero", "_get_abs_string_index", "_get_item_by_idx", "_key_to_attr", "_require_tuple_int", "_adjust", "_ceil_div", "_compute_batch_chunk_size",
    "_resolve_auto_acc_dtype", "T_destination", "_call_impl", "_compiled_call_impl", "_get_backward_hooks", "_get_backward_pre_hooks", "_slow_forward",
    "_maybe_warn_non_full_backward_hook", "_replicate_for_data_parallel", "_wrapped_call_impl", "ipu", "mtia", "xpu", "__slots__", "__parameters__",
    "__orig_bases__", "__class_getitem__", "_is_protocol", "gather", "parallel_apply", "replicate", "scatter",
}  # fmt: skip


@needs_torch
def test_members_of_every_class():
    """Methods and attributes of all modules, of Module itself, and of the objects around them, by name and signature."""
    wrong = []
    for space in ("nn", "nn.utils.rnn", "nn.utils.prune", "nn.utils.parametrize"):
        theirs, names = public(space)
        ours = importlib.import_module(f"lucid.{space}")
        for name in sorted(names & set(dir(ours))):
            a, b = getattr(theirs, name), getattr(ours, name)
            if not isinstance(a, type) or issubclass(a, torch.Tensor):
                continue
            for member in sorted(set(dir(a)) - set(dir(object)) - MEMBERS_LEFT_OUT - {"__annotations__"}):
                if member.startswith("___"):  # left by torch's compiler
                    continue
                if member == "_check_input_dim" and name.startswith("Circular"):
                    continue
                if not hasattr(b, member):
                    wrong.append((name, member))
                elif inspect.isfunction(vars(a).get(member)) and not member.startswith("__"):
                    expected, found = signature(getattr(a, member)), signature(getattr(b, member))
                    if (
                        expected
                        and found
                        and found[: len(expected)] != expected
                        and "args" not in str(expected + found)
                    ):
                        wrong.append((name, member, expected, found))
    assert not wrong


def signature(f):
    try:
        found = inspect.signature(f)
    except (ValueError, TypeError):
        return None  # a builtin: the calls in the other tests say how it is called
    plain = [(p.name, p.kind, p.default if isinstance(p.default, int | float | str | bool | None) else type(p.default).__name__) for p in found.parameters.values()]  # fmt: skip
    return None if plain and plain[0][0] == "args" else plain  # (*args, **kwargs) says nothing


# Ours take less: the order of writes of a deterministic kernel on GPUs, at the end. Or more: Lucid's own defaults, keywords next to positions, classes written with overloads in torch.
WIDER = {"BlockMask", "create_block_mask", "RNN", "NLLLoss2d", "identity", "l1_unstructured", "random_unstructured"}


@needs_torch
@pytest.mark.parametrize("space", [s for s in SPACES if s not in ("nn.common_types",)])
def test_signatures(space):
    """Names, order, defaults and kinds of all parameters, of classes and of their ``forward``; more at the end is allowed."""
    theirs, names = public(space)
    ours = importlib.import_module(f"lucid.{space}")
    wrong = []
    for name in sorted(names & set(dir(ours)) - WIDER - {"Tensor"}):
        pairs = [(name, getattr(theirs, name), getattr(ours, name))]
        if isinstance(pairs[0][1], type) and issubclass(pairs[0][1], torch.nn.Module) and name != "Module":
            pairs.append((f"{name}.forward", pairs[0][1].forward, pairs[0][2].forward))
        for what, a, b in pairs:
            expected, found = signature(a), signature(b)
            if expected is None or found is None or any(k is inspect.Parameter.VAR_POSITIONAL for _, k, _ in expected):
                continue
            if found[: len(expected)] != expected:
                wrong.append((what, expected, found))
    assert not wrong


# ---- what is new with the paths ----


@needs_torch
def test_gradients_of_convolutions_as_functions():
    rng = np.random.default_rng(0)
    for n in (1, 2, 3):
        x, w = rng.standard_normal((2, 4, *(5,) * n)), rng.standard_normal((6, 2, *(3,) * n))
        options = {"stride": 2, "padding": 1, "dilation": 1, "groups": 2}
        g = rng.standard_normal(
            tuple(getattr(torch.nn.functional, f"conv{n}d")(torch.tensor(x), torch.tensor(w), **options).shape)
        )
        for kind, args in (("input", (x.shape, w, g)), ("weight", (x, w.shape, g))):
            found, expected = (
                getattr(library.nn.grad, f"conv{n}d_{kind}")(
                    *(library.tensor(a) if isinstance(a, np.ndarray) else a for a in args), **options
                )
                for library in (lucid, torch)
            )
            np.testing.assert_allclose(found, expected, rtol=1e-9)
    x, w, b = rng.standard_normal((5, 2, 3)), rng.standard_normal((3, 3, 4)), rng.standard_normal(4)
    found, expected = (lib.nn.functional.conv_tbc(*(lib.tensor(a) for a in (x, w, b)), 1) for lib in (lucid, torch))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@needs_torch
def test_prefixes_are_stripped():
    for lib in (lucid, torch):
        model = lib.nn.Sequential(lib.nn.Linear(2, 2))
        wrapped = lib.nn.Module()
        wrapped.module = model
        state = wrapped.state_dict()
        lib.nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
        assert list(state) == ["0.weight", "0.bias"] and sorted(state._metadata) == ["", "0"]
        model.load_state_dict(state)
    assert nn.modules.utils._ntuple(3)(2) == (2, 2, 2) and nn.modules.utils._pair([1, 2]) == (1, 2)
    assert nn.modules.utils._reverse_repeat_tuple((1, 2), 2) == (2, 2, 1, 1)
    assert nn.modules.utils._list_with_default([None, 3], (7, 8, 9)) == [8, 3]
    with pytest.raises(ValueError, match="at least"):
        nn.modules.utils._list_with_default([None, 3], (8, 9))


# ---- Lucid's own around attention ----


def test_rotary_turns_by_the_distance():
    """Scores of turned queries and keys depend on the difference of positions alone, and turning keeps lengths."""
    q, k = lucid.randn(1, 2, 1, 8).expand(1, 2, 6, 8), lucid.randn(1, 2, 1, 8).expand(1, 2, 6, 8)
    for interleaved in (False, True):
        if interleaved:
            tq, tk = (F.rotary_pos_embedding(t) for t in (q, k))
        else:
            tq, tk = F.apply_rotary_emb(q, k, *nn.RotaryEmbedding(8, 32)(lucid.arange(6)))
        scores = (tq @ tk.mT).numpy()
        for offset in range(-5, 6):
            along = np.diagonal(scores, offset, 2, 3)
            np.testing.assert_allclose(along, along[..., :1].repeat(along.shape[-1], -1), atol=1e-4)
        np.testing.assert_allclose(tq.norm(dim=-1), q.norm(dim=-1), rtol=1e-5)
    table = nn.RotaryEmbedding(8, 32)
    late = F.apply_rotary_emb(q, k, *table(32), position_ids=lucid.arange(6) + 3)[0]
    np.testing.assert_allclose(late[..., 0, :], F.apply_rotary_emb(q, k, *table(32))[0][..., 3, :], atol=1e-5)
    np.testing.assert_allclose(nn.RotaryPosEmbedding(8, 6)(q), F.rotary_pos_embedding(q))
    assert F.repeat_kv(lucid.arange(2).reshape(1, 2, 1, 1), 3).flatten().tolist() == [0, 0, 0, 1, 1, 1]
    with pytest.raises(RuntimeError, match="even"):
        F.rotary_pos_embedding(lucid.ones(2, 3))
    with pytest.raises(ValueError, match="head_dim"):
        nn.RotaryEmbedding(3, 4)
    with pytest.raises(ValueError, match="positions"):
        nn.RotaryPosEmbedding(8, 5)(q)


def test_grouped_queries_are_attention_with_repeated_heads():
    x = lucid.randn(5, 2, 8, dtype=lucid.float64)
    shared = nn.GroupedQueryAttention(8, 4, 2, dtype=lucid.float64)
    full = nn.MultiheadAttention(8, 4, dtype=lucid.float64)
    with lucid.no_grad():
        wide = [p.unflatten(0, (2, 2, *(1,) * 0)).repeat_interleave(2, 0).flatten(0, 1) for m in (shared.k_proj, shared.v_proj) for p in (m.weight, m.bias)]  # fmt: skip
        full.in_proj_weight.copy_(lucid.cat([shared.q_proj.weight, wide[0], wide[2]]))
        full.in_proj_bias.copy_(lucid.cat([shared.q_proj.bias, wide[1], wide[3]]))
    full.out_proj.load_state_dict(shared.out_proj.state_dict())
    padding = lucid.tensor([[False] * 5, [False, False, False, True, True]])
    for options in ({}, {"key_padding_mask": padding}, {"attn_mask": lucid.ones(5, 5, dtype=bool).triu(1)}, {"attn_mask": lucid.randn(5, 5, dtype=lucid.float64), "key_padding_mask": padding}):  # fmt: skip
        np.testing.assert_allclose(
            shared(x, x, x, **options)[0].detach(), full(x, x, x, need_weights=False, **options)[0].detach(), rtol=1e-9
        )
    causal = shared(x, x, x, is_causal=True)[0].detach()
    np.testing.assert_allclose(causal, shared(x, x, x, attn_mask=lucid.ones(5, 5, dtype=bool).triu(1))[0].detach())
    assert nn.MultiQueryAttention(8, 4).k_proj.out_features == 2
    q = x.transpose(0, 1)
    np.testing.assert_allclose(
        nn.ScaledDotProductAttention(is_causal=True)(q, q, q), F.scaled_dot_product_attention(q, q, q, is_causal=True)
    )
    with pytest.raises(ValueError, match="divide"):
        nn.GroupedQueryAttention(8, 4, 3)
    with pytest.raises(ValueError, match="shared"):
        nn.GroupedQueryAttention(8, 4, 2, add_zero_attn=True)


@pytest.mark.parametrize("make", [nn.DynamicKVCache, lambda: nn.StaticKVCache(8, 2)], ids=["dynamic", "static"])
def test_caches(make):
    cache, steps = make(), [lucid.randn(2, 3, n, 4) for n in (3, 1, 1)]
    for i, step in enumerate(steps):
        keys, values = cache.update(step, step * 2, 1)
        assert np.array_equal(keys, lucid.cat(steps[: i + 1], -2)) and np.array_equal(values, keys * 2)
    assert cache.get_seq_length(1) == 5 and cache.get_seq_length(0) == 0 and len(cache) == 1
    cache.reorder(lucid.tensor([1, 1]))
    assert np.array_equal(cache.get(1)[0][0], lucid.cat(steps, -2)[1])
    both = nn.EncoderDecoderCache(cache)
    both.reset()
    assert cache.get(1) is None and both.cross_attention_cache.get_seq_length() == 0
    if isinstance(cache, nn.StaticKVCache):
        with pytest.raises(RuntimeError, match="do not fit"):
            cache.update(lucid.ones(1, 1, 9, 1), lucid.ones(1, 1, 9, 1), 0)
        with pytest.raises(IndexError):
            cache.update(steps[0], steps[0], 2)


def test_constrained_convolutions():
    for n, kind in ((1, nn.ConstrainedConv1d), (2, nn.ConstrainedConv2d), (3, nn.ConstrainedConv3d)):
        x, axes = lucid.randn(2, 3, *(5,) * n), tuple(range(1, n + 2))
        made = {mode: kind(3, 4, 3, constraint=mode, max_l2=0.1) for mode in ("none", "nonneg", "sum_to_one", "nonneg_sum1", "zero_mean", "unit_l2", "max_l2", "fixed_center")}  # fmt: skip
        w = {mode: layer.constrained() for mode, layer in made.items()}
        assert (w["nonneg"] >= 0).all() and (w["nonneg_sum1"] >= 0).all() and w["none"] is made["none"].weight
        for mode, total in (("sum_to_one", 1.0), ("nonneg_sum1", 1.0), ("zero_mean", 0.0)):
            np.testing.assert_allclose(w[mode].sum(axes).detach(), total, atol=1e-4)
        np.testing.assert_allclose(w["unit_l2"].square().sum(axes).detach(), 1.0, rtol=1e-5)
        assert (w["max_l2"].square().sum(axes) <= 0.01 + 1e-6).all()
        center = w["fixed_center"][(..., *(1,) * n)]
        np.testing.assert_allclose(center.detach(), -1.0)
        np.testing.assert_allclose(w["fixed_center"].sum(axes[1:]).detach(), 0.0, atol=1e-3)
        for mode, layer in made.items():
            layer(x).square().sum().backward()
            assert layer.weight.grad is not None
            plain = getattr(nn, f"Conv{n}d")(3, 4, 3)
            plain.load_state_dict({"weight": w[mode].detach(), "bias": layer.bias.detach()})
            np.testing.assert_allclose(layer(x).detach(), plain(x).detach(), rtol=1e-4, atol=1e-5)
    late = nn.ConstrainedConv2d(1, 2, 3, constraint="unit_l2", enforce="post_step")
    before = late(lucid.ones(1, 1, 3, 3))
    late.enforce_()
    assert not np.allclose(before.detach(), late(lucid.ones(1, 1, 3, 3)).detach())
    np.testing.assert_allclose(late.weight.square().sum((1, 2, 3)).detach(), 1.0, rtol=1e-5)
    for options in (
        {"constraint": "x"},
        {"enforce": "x"},
        {"constraint": "max_l2"},
        {"constraint": "fixed_center", "kernel_size": 2},
    ):
        with pytest.raises(ValueError, match="Constrained"):
            nn.ConstrainedConv2d(**{"in_channels": 1, "out_channels": 1, "kernel_size": 3, **options})
