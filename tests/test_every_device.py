"""Nothing is left out on any device: every function with arguments drawn at random, every layer with options drawn at
random, and a count of the ops, layers, functionals, optimizers and schedules that ran.

A new op, layer, functional, optimizer or schedule without a row that all devices run makes a test here fail.
"""

import inspect
import sys

import numpy as np
import pytest

import function_table
import function_table_shapes
import lucid
import lucid.nn.functional as F
from drawing import ROWS, Draw, In
from lucid import backends, nn
from lucid.core.op import OPS
from lucid.optim import Optimizer, lr_scheduler
from nn_options import FAMILIES, draws
from nn_table import HEAVY, LAYERS, OWN
from test_lr_scheduler import SCHEDULES
from test_nn_options import array as drawn_array
from test_nn_options import tensors, value
from test_on_devices import SCHEDULES_OF_OUR_OWN, host, passed_through
from test_ops import TABLE
from test_optim_all import CONFIGS
from test_programs_on_devices import FACTS, _outcome

pytestmark = pytest.mark.filterwarnings("ignore")
assert function_table.ROWS is function_table_shapes.ROWS is ROWS  # they fill it


def close(ours, expected, what):
    assert len(ours) == len(expected), what
    for a, b in zip(ours, expected, strict=True):
        assert (a is None) == (b is None), what
        if a is not None:
            assert a.dtype is b.dtype and a.shape == b.shape, f"{what}: {a.dtype} {a.shape}, on cpu {b.dtype} {b.shape}"
            t = 1e-3 if b.dtype.name in ("float16", "bfloat16") else 2e-5
            np.testing.assert_allclose(host(a), host(b), rtol=t, atol=t, equal_nan=True, err_msg=what)


def gradients(out, leaves):
    floats = [t for t in out if t.requires_grad]
    if not floats or not leaves:
        return []
    total = 0.0
    for i, t in enumerate(floats):
        w = np.cos(np.arange(t.numel()) + i).reshape(tuple(t.shape)) + 1.5
        part = t * lucid.tensor(w, device=t.device).to(t.dtype)
        total = total + (part.real if t.is_complex() else part).sum()
    return lucid.autograd.grad(total, leaves, allow_unused=True)


# ---- functions ----

# MLX has no complex128: where it would come in, the call is compared in single precision.
SINGLE = {np.dtype("float64"): np.float32, np.dtype("complex128"): np.complex64}


def placed(value, device, single):
    if isinstance(value, In):
        kind = SINGLE.get(value.array.dtype, value.array.dtype) if single else value.array.dtype
        return lucid.from_numpy(value.array.astype(kind)).to(device).requires_grad_(value.grad)
    return [placed(v, device, single) for v in value] if isinstance(value, list) else value


def called(name, seed, device, single=False):
    """Arguments, results and gradients of one drawn call; or its error."""
    args, kwargs = ROWS[name](Draw(seed))
    try:
        made = [placed(a, device, single) for a in args]
        f = lucid
        for part in name.split("."):
            f = getattr(f, part)
        out = f(*made, **{k: placed(v, device, single) for k, v in kwargs.items()})
        made, out = ([t for t in tensors(v) if isinstance(t, lucid.Tensor)] for v in (made, out))
        return made, out, gradients(out, [t for t in made if t.requires_grad])
    except Exception as error:
        return error


@pytest.mark.parametrize("name", sorted(ROWS))
def test_function(device, name):
    for seed in range(3):
        expected = called(name, seed, "cpu")
        doubles = not isinstance(expected, Exception) and any(
            t.dtype is lucid.complex128 for t in expected[0] + expected[1]
        )
        if single := device == "mlx" and doubles:
            expected = called(name, seed, "cpu", single)
        ours, what = called(name, seed, device, single), f"{name}{ROWS[name](Draw(seed))}, seed {seed}"
        if isinstance(expected, Exception):
            assert isinstance(ours, Exception), f"{what}: on cpu {expected!r}"
            continue
        assert not isinstance(ours, Exception), f"{what}: {ours!r}"
        assert all(t.device.type == device for t in ours[1]), what
        for a, b in zip(ours, expected, strict=True):
            close(a, b, what)


# ---- layers ----


def laid(case, device, weights):
    """Outputs, gradients and state of a layer of `nn_options`, and the state that it began with."""
    rng = np.random.default_rng(1)
    lucid.manual_seed(0)
    layer = getattr(nn, case.name)(
        *[value(lucid, v, rng) for v in case.args], **{k: value(lucid, v, rng) for k, v in case.options.items()}
    ).train(case.train)
    inputs = [lucid.tensor(np.array(drawn_array(s, rng))) for s in case.inputs]
    call = case.around(lucid, layer) if case.around else layer
    if case.name.startswith("Lazy"):
        with lucid.no_grad():
            call(*[x.float() for x in inputs], **case.call)
    layer.double()
    if weights is not None:
        layer.load_state_dict(weights)
    weights = {k: v.clone() for k, v in layer.state_dict().items()}
    layer.to(device)
    inputs = [x.to(device).requires_grad_(x.is_floating_point()) for x in inputs]
    options = {k: value(lucid, v, rng) for k, v in case.call.items()}
    options = {k: v.to(device) if isinstance(v, lucid.Tensor) else v for k, v in options.items()}
    out = tensors(call(*inputs, **options))
    leaves = [*(x for x in inputs if x.requires_grad), *layer.parameters()]
    return [*out, *gradients(out, leaves), *layer.state_dict().values()], weights


@pytest.mark.parametrize("name", FAMILIES)
def test_layer_with_options(device, name):
    for case in draws(name, 3):
        try:
            expected, weights = laid(case, "cpu", None)
        except Exception as error:
            with pytest.raises(type(error)):
                laid(case, device, None)
            continue
        close(laid(case, device, weights)[0], expected, str(case))


# ---- functionals and ops that no layer calls ----

M = np.random.default_rng(3).standard_normal((2, 3, 4, 4))


def _hooked(x):
    layer = nn.Linear(4, 2).double().to(x.device)
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0] * 2,))
    with lucid.no_grad():
        for p in layer.parameters():
            p.fill_(0.5)
    return layer(x * 1)


PROGRAMS = {
    "metrics": lambda x, i: (F.accuracy(x[0, 0], i), F.correct_count(x[0, 0], i)),
    "affine_grid and grid_sample": lambda x, i: F.grid_sample(x, F.affine_grid(x[:, 0, :2, :3], [2, 3, 4, 4], align_corners=False), align_corners=False),
    "ctc_loss": lambda x, i: F.ctc_loss(x[0].log_softmax(-1), lucid.ones_like(i[None, :2]).expand(x.shape[2], 2), [3] * x.shape[2], [2] * x.shape[2]),
    "pooling with indices": lambda x, i: (*F.max_pool2d_with_indices(x, 2), *F.max_pool1d_with_indices(x[0], 2), *F.max_pool3d_with_indices(x, 2), *F.adaptive_max_pool2d_with_indices(x, 2), *F.adaptive_max_pool1d_with_indices(x[0], 2), *F.adaptive_max_pool3d_with_indices(x, 2)),
    "normalize": lambda x, i: (F.normalize(x), F.pdist(x[0, 0]), F.relu6(x), F.symexp(x), F.symlog(x), F.threshold_(x * 1, 0.1, 2.0)),
    "upsample": lambda x, i: (F.upsample(x, scale_factor=2), F.upsample_bilinear(x, scale_factor=2), F.upsample_nearest(x, scale_factor=2)),
    "fused": lambda x, i: (F.fused_linear_gelu(x, x[0, 0]), F.repeat_kv(x, 2), F.conv_tbc(x[0], x[1, :, :, :2], x[0, 0, 0, :2], 1)),
    "embeddings": lambda x, i: (F.apply_rotary_emb(x, x, x[0, 0].cos(), x[0, 0].sin()), F.sinusoidal_pos_embedding(4, 6, device=x.device), F.two_hot(x[0, 0, 0], x[1, 0, 0].sort().values), F.vector_quantize(x[0, 0], x[0, 1])),
    "grouped products": lambda x, i: (F.grouped_mm(x[0], x[1]), F.grouped_mm(x[0, 0], x[1], offs=i[1:].int())),
    "fractional pooling": lambda x, i: (*F.fractional_max_pool2d_with_indices(x, 2, 3, _random_samples=x[:, :, 0, :2].sigmoid()), *F.fractional_max_pool3d_with_indices(x[None], 2, 2, _random_samples=x[:1, :2, 0, :3].sigmoid())),
    "rotate": lambda x, i: F.rotate(x, 30.0),
    "noise": lambda x, i: (F.gumbel_softmax(x).sum(-1), F.scaled_noise(x).abs() * 0),
    "writes through a chain": lambda x, i: _written(x),
    "hooks": lambda x, i: _hooked(x),
    "ops": lambda x, i: (lucid.ops.nonzero(x > 0), lucid.special.i1(x[0, 0]), lucid.linalg.inv_ex(x[0, 0]).inverse),
}  # fmt: skip


def _written(x):
    y = x * 1
    y[0].T[1:].mul_(2)
    return y


def programmed(name, device):
    x = lucid.tensor(M, device=device, requires_grad=True)
    made = PROGRAMS[name](x, lucid.tensor([0, 1, 2, 3], device=device))
    out = tensors(made)
    return [*out, *gradients(out, [x])]


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(device, name):
    close(programmed(name, device), programmed(name, "cpu"), name)


# ---- what ran ----

CONTAINERS = {"Module", "Container", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict", "DataParallel", "RNNBase", "RNNCellBase"}  # fmt: skip


# Ops that run as kernels of other ops' rules, not by name (`view_scatter` keeps no kernels); complex ones, and draws.
INSIDE = {"avg_pool_grad", "bessel_i", "bessel_j", "cofactor", "col2im", "conv_weight_grad", "cross_entropy_grad", "diagonal_put", "fold_windows", "im2col",
          "inv_ex", "masked_gather", "max_pool_take", "multinomial_indices", "nonzero", "sgn", "view_scatter"}  # fmt: skip


def classes(where, kind):
    return {n for n, c in vars(where).items() if inspect.isclass(c) and issubclass(c, kind) and n[0] != "_"}


def one_of_each():
    return list({case[0]: case for case in (*LAYERS, *HEAVY, *OWN)}.values())


def test_every_op_runs(device):
    """Every op without a row in the op tables runs in one of these programs: its kernel has been looked up for this device."""
    kinds = backends.load(device).array_types
    for op in OPS.values():
        for kind in kinds:
            op.kernels.pop(kind, None)
    for fact in FACTS.values():
        _outcome(fact, device)
    for case in one_of_each():
        passed_through(case, device, None)
    for name in PROGRAMS:
        programmed(name, device)
    for name in ROWS:
        for seed in range(3):
            called(name, seed, device)
    ran = {name for name, op in OPS.items() if any(kind in op.kernels for kind in kinds)}
    assert set(OPS) - {c.name for c in TABLE} - ran <= INSIDE


def test_every_layer_has_a_row():
    assert classes(nn, nn.Module) - CONTAINERS == {case[0] for case in one_of_each()} | set(FAMILIES)


def test_every_optimizer_and_schedule_has_a_row():
    assert classes(lucid.optim, Optimizer) - {"Optimizer"} == set(CONFIGS)
    ran = {name.partition(",")[0] for name in (*SCHEDULES, *SCHEDULES_OF_OUR_OWN)} - {"chained by hand"}
    assert classes(lr_scheduler, lr_scheduler.LRScheduler) - {"LRScheduler"} <= ran


def test_every_functional_runs():
    """On cpu, in the programs that run on all devices."""
    wanted = {inspect.unwrap(f).__code__: n for n, f in vars(F).items() if inspect.isfunction(f) and n[0] != "_"}
    seen = set()
    sys.setprofile(lambda frame, event, arg: seen.add(frame.f_code) if event == "call" else None)
    try:
        for case in one_of_each():
            passed_through(case, "cpu", None)
        for name in FAMILIES:
            for case in draws(name, 3):
                try:
                    laid(case, "cpu", None)
                except Exception:  # a mistake that was drawn
                    continue
        for fact in FACTS.values():
            _outcome(fact, "cpu")
        for name in PROGRAMS:
            programmed(name, "cpu")
    finally:
        sys.setprofile(None)
    assert not {name for code, name in wanted.items() if code not in seen}
