"""The CuPy backend: no hidden waiting, indices checked on the device, convolution in blocks, optimizer steps, random numbers.

Runs on a GPU where one is, and else on the imitation of CuPy (lucid.testing.strict), which compiles the kernels with g++.
The rows of the op tables run on CUDA in test_ops.py; here is what they cannot show.
"""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid import nn
from lucid.backends import catalogue, load
from lucid.core.op import OPS
from lucid.testing import strict
from reference import MISSING, needs_strict

FILES = sorted((Path(lucid.__file__).parent / "backends").glob("cupy_*.py"))
ON_IMITATION = MISSING["CuPy tests"] is not None
pytestmark = pytest.mark.filterwarnings("ignore")


def host(x):
    return x.detach().to("cpu").numpy()


def both(f, *arrays, tolerance=1e-5, grad=True):
    """The same function on the CPU and on CUDA: values, and gradients where asked."""
    results = []
    for device in ("cpu", "cuda"):
        xs = [lucid.tensor(a, device=device) for a in arrays]
        leaves = [x.requires_grad_() for x in xs if grad and x.dtype.is_floating_point]
        out = f(*xs)
        outs = out if isinstance(out, tuple) else (out,)
        found = [host(o) for o in outs]
        if leaves:
            weights = [np.cos(np.arange(o.numel(), dtype=np.float32)).reshape(tuple(o.shape)) for o in outs]
            sum((o * lucid.tensor(w, device=device).to(o.dtype)).sum() for o, w in zip(outs, weights)).backward()  # noqa: B905
            found += [host(x.grad) for x in leaves]
        results.append(found)
    for ours, wanted in zip(*results, strict=True):
        assert ours.shape == wanted.shape and ours.dtype == wanted.dtype
        np.testing.assert_allclose(wanted, ours, tolerance, tolerance)


def floats(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


# ---- the table ----


def test_every_op_has_a_kernel(cuda):
    table = load("cuda").table
    assert not [name for name in OPS if not hasattr(table, name) and name != "view_scatter"]


def test_the_documentation_lists_what_goes_through_the_host(cuda):
    from lucid.backends.cupy_linalg import THROUGH_HOST

    page = (Path(__file__).parent.parent / "docs" / "cuda.md").read_text()
    listed = page.split("<!-- through the host -->")[1]
    assert sorted(THROUGH_HOST) == sorted(listed.replace("`", "").replace(",", " ").split())


@needs_strict
@pytest.mark.skipif(not ON_IMITATION, reason="launches are counted on the imitation")
@pytest.mark.parametrize(
    ("name", "f", "most"),
    [
        ("gelu", F.gelu, 1),
        ("silu", F.silu, 1),
        ("softmax", lambda x: F.softmax(x, -1), 2),
        ("layer_norm", lambda x: F.layer_norm(x, (8,), x[0], x[0]), 6),
    ],
)
def test_chains_are_fused(cuda, name, f, most):
    x = lucid.tensor(floats(4, 8), device=cuda)
    f(x)
    strict.counters.reset()
    f(x)
    assert 0 < strict.counters.launches <= most, name


# ---- nothing waits for the device in a training step ----


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.places = nn.Embedding(11, 16), nn.Embedding(8, 16)
        self.block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.head = nn.Linear(16, 11)

    def forward(self, x):
        h = self.tokens(x) + self.places(lucid.arange(x.shape[1], device=x.device))
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], device=x.device)
        return self.head(self.block(h, src_mask=mask, is_causal=True))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells, self.head = nn.LSTM(4, 8, 2, batch_first=True), nn.Linear(8, 5)

    def forward(self, x):
        return self.head(self.cells(x)[0][:, -1])


MODELS = {
    "mlp": (
        lambda: nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Dropout(0.1), nn.LayerNorm(16), nn.Linear(16, 5)),
        lambda: (floats(4, 6), np.array([0, 1, 4, 2])),
    ),
    "cnn": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, groups=8), nn.SiLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
        ),
        lambda: (floats(4, 3, 8, 8), np.array([0, 1, 4, 2])),
    ),
    "gpt": (Transformer, lambda: (np.arange(12).reshape(2, 6) % 11, np.arange(1, 13).reshape(2, 6) % 11)),
    "lstm": (Recurrent, lambda: (floats(3, 6, 4), np.array([0, 1, 4]))),
}  # fmt: skip


def step(model, optimizer, x, target):
    optimizer.zero_grad()
    out = model(x)
    loss = F.cross_entropy(out.reshape(-1, out.shape[-1]), target.reshape(-1))
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.detach()


@needs_strict
@pytest.mark.skipif(not ON_IMITATION, reason="waiting is counted on the imitation")
@pytest.mark.parametrize("name", MODELS)
def test_a_training_step_waits_for_nothing(cuda, name):
    make, data = MODELS[name]
    model = make().to(cuda)
    x, target = (lucid.tensor(a, device=cuda) for a in data())
    optimizer = lucid.optim.Adam(model.parameters(), lr=1e-3)
    with strict.no_sync():
        for _ in range(3):
            loss = step(model, optimizer, x, target)
    strict.counters.reset()
    assert np.isfinite(loss.item()) and strict.counters.syncs >= 1


@pytest.mark.parametrize("name", MODELS)
def test_the_same_losses_as_on_the_cpu(cuda, name):
    make, data = MODELS[name]
    lucid.manual_seed(0)
    model = make().eval()
    state = {k: v.clone() for k, v in model.state_dict().items()}
    losses = {}
    for device in ("cpu", cuda):
        model.load_state_dict(state)
        model.to(device)
        x, target = (lucid.tensor(a, device=device) for a in data())
        optimizer = lucid.optim.Adam(model.parameters(), lr=1e-2)
        losses[device] = [step(model, optimizer, x, target).item() for _ in range(20)]
    np.testing.assert_allclose(losses[cuda], losses["cpu"], 2e-3)


# ---- indices: checked by the kernels, reported at the next wait, once ----

FAR = 1_000_000
BAD = {
    "read": lambda x: x[lucid.tensor([FAR], device="cuda")],
    "read two": lambda x: x[lucid.tensor([0], device="cuda"), lucid.tensor([-5], device="cuda")],
    "gather": lambda x: x.gather(1, lucid.tensor([[4]], device="cuda")),
    "scatter": lambda x: x.scatter(0, lucid.tensor([[FAR]], device="cuda"), 1.0),
    "scatter_add": lambda x: x.scatter_add(0, lucid.tensor([[FAR]], device="cuda"), x[:1, :1]),
    "index_add": lambda x: x.index_add(0, lucid.tensor([3], device="cuda"), x[:1]),
    "embedding": lambda x: F.embedding(lucid.tensor([3], device="cuda"), x),
    "cross_entropy": lambda x: F.cross_entropy(x, lucid.tensor([0, 1, 4], device="cuda")),
    "cross_entropy negative": lambda x: F.cross_entropy(x, lucid.tensor([0, 1, -1], device="cuda")),
}


@pytest.mark.parametrize("name", BAD)
def test_an_index_out_of_range_is_an_error_at_the_next_wait(cuda, name):
    x = lucid.tensor(floats(3, 4), device=cuda)
    with pytest.raises(IndexError):
        BAD[name](x).tolist()
    assert x.sum().isfinite().item() and x[lucid.tensor([-1], device=cuda)].shape == (1, 4)


def test_indices_on_the_host_are_checked_at_once(cuda):
    x = lucid.tensor(floats(3, 4), device=cuda)
    for key in ([3], lucid.tensor([-4]), (0, 4)):
        with pytest.raises(IndexError):
            x[key]
    assert x[[0, 2]].device.type == "cuda" and x[lucid.tensor([True, False, True])].shape == (2, 4)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "int8", "complex64"])
def test_scattering_by_atomics_and_in_order(cuda, dtype):
    rng = np.random.default_rng(0)
    where = rng.integers(0, 3, (5, 4))
    source = (rng.integers(-4, 5, (5, 4)) + (1j if dtype == "complex64" else 0)).astype(dtype)
    wanted = np.zeros((3, 4), dtype)
    np.add.at(wanted, (where, np.arange(4)[None]), source)
    for deterministic in (False, True):
        lucid.use_deterministic_algorithms(deterministic)
        try:
            zeros = lucid.zeros(3, 4, dtype=getattr(lucid, dtype), device=cuda)
            found = zeros.scatter_add(0, lucid.tensor(where, device=cuda), lucid.tensor(source, device=cuda))
        finally:
            lucid.use_deterministic_algorithms(False)
        np.testing.assert_array_equal(host(found), wanted)


# ---- convolution, pooling, attention ----

CONVOLUTIONS = [
    # dimensions, input channels, output channels, kernel, stride, padding, dilation, groups
    (1, 2, 4, 3, 1, 1, 1, 1), (1, 4, 4, 2, 2, 0, 2, 2), (2, 3, 5, 3, 1, 1, 1, 1), (2, 4, 6, 3, 2, 1, 1, 2), (2, 4, 4, 3, 1, 2, 2, 4),
    (2, 3, 6, 2, 1, 0, 1, 3), (2, 3, 4, 1, 1, 0, 1, 1), (2, 4, 4, 3, 3, 0, 1, 4), (3, 2, 3, 2, 1, 1, 1, 1),
]  # fmt: skip


@pytest.mark.parametrize("workspace", [1 << 26, 60])
@pytest.mark.parametrize("row", CONVOLUTIONS, ids=lambda row: "x".join(map(str, row)))
def test_convolution(cuda, row, workspace, monkeypatch):
    from lucid.backends import cupy_conv

    monkeypatch.setattr(cupy_conv, "WORKSPACE", workspace)
    nd, inner, outer, kernel, stride, padding, dilation, groups = row
    f = (F.conv1d, F.conv2d, F.conv3d)[nd - 1]
    x, w, b = (
        floats(3, inner, *(7, 6, 5)[:nd]),
        floats(outer, inner // groups, *(kernel,) * nd, seed=1),
        floats(outer, seed=2),
    )
    both(lambda x, w, b: f(x, w, b, stride, padding, dilation, groups), x, w, b, tolerance=2e-4)


def test_transposed_convolution(cuda):
    x, w = floats(2, 4, 5, 5), floats(4, 3, 3, 3, seed=1)
    both(lambda x, w: F.conv_transpose2d(x, w, None, 2, 1, 1, 2), x, np.concatenate([w, w])[:4], tolerance=2e-4)


def test_pooling(cuda):
    x = floats(2, 3, 7, 8)
    x[0, 0, 2, 2] = np.nan
    both(lambda x: F.max_pool2d(x, 3, 2, 1), x)
    both(lambda x: F.max_pool2d(x, 3, 1, 1, 2), x[1:])
    both(lambda x: F.max_pool2d(x, 2, return_indices=True)[1].float(), x, grad=False)
    both(lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), x[1:])
    both(lambda x: F.adaptive_max_pool2d(x, (3, 2)), x[1:])
    both(lambda x: F.fold(F.unfold(x, 3, 1, 1, 2), (7, 8), 3, 1, 1, 2), x[1:], tolerance=1e-4)


@pytest.mark.parametrize("largest", [1 << 27, 40])
def test_attention_in_blocks(cuda, largest, monkeypatch):
    from lucid.backends import cupy_attention

    monkeypatch.setattr(cupy_attention, "LARGEST", largest)
    q, k, v, m = floats(2, 2, 6, 4), floats(2, 2, 5, 4, seed=1), floats(2, 2, 5, 3, seed=2), floats(6, 5, seed=3)
    both(lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m), q, k, v, m, tolerance=1e-4)
    both(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), q, k, v, tolerance=1e-4)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_types_are_computed_in_float32(cuda, dtype):
    x = lucid.tensor(floats(3, 4, 6), device=cuda).to(getattr(lucid, dtype))
    wide = x.float()
    for f in (
        F.gelu, lambda x: F.softmax(x, -1), lambda x: F.layer_norm(x, (6,)), lambda x: x.sum(), lambda x: x.std(0), lambda x: x.exp(),
        lambda x: F.max_pool1d(x, 2), lambda x: lucid.where(x > 0, x, 0.0), lambda x: x.sort(-1)[0], lambda x: x.cumsum(1),
    ):  # fmt: skip
        out = f(x)
        assert out.dtype is x.dtype
        np.testing.assert_allclose(host(out.float()), host(f(wide)), 2e-2, 2e-2)


def test_special_functions(cuda):
    x = np.linspace(0.05, 12, 60)
    s = lucid.special
    for f in (
        s.erfcx,
        s.i0e,
        s.i1,
        s.bessel_j0,
        s.bessel_y1,
        s.modified_bessel_k0,
        s.digamma,
        s.gammaln,
        s.ndtr,
        s.log_ndtr,
    ):
        both(f, x, tolerance=1e-10, grad=False)
    both(lambda x: s.polygamma(2, x), x, tolerance=1e-10, grad=False)
    both(lambda x: s.gammainc(x, x.flip(0)), x, tolerance=1e-10, grad=False)
    both(lambda x: s.zeta(x + 1, x - 3.5), x, tolerance=1e-8, grad=False)
    both(lambda x: lucid.erfinv(x / 13), x, tolerance=1e-10, grad=False)


# ---- optimizer steps ----


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Rprop", "Muon"])
def test_optimizer_steps_as_on_the_cpu(cuda, name):
    optimizer = getattr(lucid.optim, name, None)
    if optimizer is None:
        pytest.skip(f"no optimizer {name}")
    shapes = [(3, 2), (2, 2), (600, 500)] if name == "Muon" else [(3,), (4, 2), (), (600, 500)]
    results = []
    for device in ("cpu", cuda):
        params = [lucid.tensor(floats(*s, seed=i), device=device).requires_grad_() for i, s in enumerate(shapes)]
        opt = optimizer(params, lr=1e-2)
        for k in range(3):
            for i, p in enumerate(params):
                p.grad = lucid.tensor(floats(*shapes[i], seed=10 * k + i), device=device)
            opt.step()
        results.append([host(p) for p in params])
        restored = optimizer(params, lr=1e-2)
        restored.load_state_dict(opt.state_dict())
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(b, a, 1e-5, 1e-6)


@needs_strict
@pytest.mark.skipif(not ON_IMITATION, reason="launches are counted on the imitation")
def test_many_small_parameters_are_one_launch(cuda):
    params = [lucid.tensor(floats(5, 3), device=cuda).requires_grad_() for _ in range(20)]
    opt = lucid.optim.Adam(params)
    for _ in range(2):
        for p in params:
            p.grad = p.detach() * 2
        strict.counters.reset()
        opt.step()
    assert strict.counters.launches <= 2


# ---- random numbers ----


def test_random_numbers(cuda):
    g = lucid.Generator(cuda).manual_seed(5)
    state = g.get_state()
    a = lucid.randn(1001, device=cuda, generator=g)
    g.set_state(state)
    assert lucid.equal(a, lucid.randn(1001, device=cuda, generator=g))
    for dtype in (lucid.float32, lucid.float64, lucid.float16, lucid.bfloat16):
        u = lucid.rand(20_001, device=cuda, dtype=dtype).double()
        assert 0 <= u.min().item() and u.max().item() < 1 and abs(u.mean().item() - 0.5) < 0.02
    n = lucid.randn(40_000, device=cuda)
    assert abs(n.mean().item()) < 0.03 and abs(n.std().item() - 1) < 0.03 and abs((n**3).mean().item()) < 0.1
    k = lucid.randint(-3, 4, (20_000,), device=cuda)
    assert k.min().item() == -3 and k.max().item() == 3 and abs(k.float().mean().item()) < 0.1
    assert lucid.equal(lucid.randperm(100, device=cuda).sort()[0], lucid.arange(100, device=cuda))
    for rate in (0.5, 30.0):
        p = lucid.poisson(lucid.full((20_000,), rate, device=cuda))
        assert abs(p.mean().item() / rate - 1) < 0.03 and abs(p.var().item() / rate - 1) < 0.06
    for count, chance in ((10, 0.3), (200, 0.6)):
        b = lucid.binomial(lucid.full((20_000,), float(count), device=cuda), lucid.full((20_000,), chance, device=cuda))
        assert abs(b.mean().item() / (count * chance) - 1) < 0.02
        assert abs(b.var().item() / (count * chance * (1 - chance)) - 1) < 0.06


def test_seeds_per_device(cuda):
    lucid.manual_seed(3)
    a = lucid.rand(4, device=cuda)
    lucid.cuda.manual_seed_all(3)
    assert lucid.equal(a, lucid.rand(4, device=cuda))
    state = lucid.cuda.get_rng_state()
    b = lucid.rand(4, device=cuda)
    lucid.cuda.set_rng_state(state)
    assert lucid.equal(b, lucid.rand(4, device=cuda)) and state.device.type == "cpu"


# ---- memory, devices, streams ----


def test_views_share_memory_and_expanded_tensors_refuse_writes(cuda):
    x = lucid.zeros(3, 4, device=cuda)
    x.T[1].add_(1)
    x[0, ::2] = 5
    assert x.tolist() == [[5, 1, 5, 0], [0, 1, 0, 0], [0, 1, 0, 0]]
    for view in (lucid.zeros(3, device=cuda).expand(2, 3), lucid.zeros(5, device=cuda).unfold(0, 3, 1)):
        with pytest.raises(RuntimeError, match="single memory location"):
            view.add_(1)


def test_memory_is_counted(cuda):
    before = lucid.cuda.memory_allocated()
    lucid.cuda.reset_peak_memory_stats()
    x = lucid.ones(1 << 20, device=cuda)
    assert lucid.cuda.memory_allocated() >= before + x.nbytes
    assert lucid.cuda.max_memory_allocated() >= before + x.nbytes and lucid.cuda.memory_reserved() >= x.nbytes
    del x
    lucid.cuda.empty_cache()
    assert lucid.cuda.memory_allocated() <= before + 4096 and "allocated" in lucid.cuda.memory_summary()
    free, total = lucid.cuda.mem_get_info()
    assert 0 < free <= total


def test_out_of_memory_has_its_own_error(cuda):
    import cupy as cp

    lucid.ones(1, device=cuda)
    ours = cp.cuda.get_allocator()

    def full(size):
        raise MemoryError("the pool is full")

    from lucid.backends import cupy_

    cp.cuda.set_allocator(full)
    try:
        cupy_._say_when_memory_is_out()
        with pytest.raises(lucid.cuda.OutOfMemoryError, match="out of memory"):
            cp.cuda.get_allocator()(1 << 20)
    finally:
        cp.cuda.set_allocator(ours)
    assert issubclass(lucid.cuda.OutOfMemoryError, RuntimeError)


def test_streams_events_and_graphs(cuda):
    s, start, end = lucid.cuda.Stream(), lucid.cuda.Event(enable_timing=True), lucid.cuda.Event(enable_timing=True)
    x = lucid.ones(4, device=cuda)
    with lucid.cuda.stream(s):
        start.record()
        y = x * 2
        end.record()
        assert lucid.cuda.current_stream() == s != lucid.cuda.default_stream()
    end.synchronize()
    s.synchronize()
    assert start.elapsed_time(end) >= 0 and s.query() and y.tolist() == [2, 2, 2, 2]
    with pytest.raises(ValueError, match="enable_timing"):
        lucid.cuda.Event().elapsed_time(end)
    graph = lucid.cuda.CUDAGraph()
    with pytest.raises(RuntimeError, match="captured"):
        graph.replay()
    z = x * 3 + 1
    with lucid.cuda.graph(graph):
        z = x * 3 + 1
    x.fill_(2.0)
    graph.replay()
    lucid.cuda.synchronize()
    assert z.tolist() == [7, 7, 7, 7] and not lucid.cuda.is_current_stream_capturing()


def test_devices(cuda):
    assert (
        lucid.cuda.device_count() >= 1
        and lucid.cuda.get_device_name()
        and lucid.cuda.get_device_properties(0).total_memory > 0
    )
    assert lucid.cuda.get_device_capability() >= (5, 0) and lucid.cuda.is_initialized()
    with lucid.cuda.device(0):
        assert lucid.cuda.current_device() == 0
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        lucid.ones(1, device="cuda:99")
    with pytest.raises(ValueError, match="Expected a cuda device"):
        lucid.cuda.synchronize("cpu")
    x = lucid.ones(2, device=cuda)
    assert (lucid.tensor(2.0) * x).device == x.device and (x - lucid.tensor(1.0)).tolist() == [0, 0]
    with pytest.raises(RuntimeError, match="same device"):
        x + lucid.ones(2)


def test_tf32_switch(cuda):
    from cupy._core import _routines_linalg as routines

    def kind():
        return routines.get_compute_type(np.dtype(np.float32))

    before, products = kind(), lucid.backends.cuda.matmul
    try:
        products.allow_tf32 = True
        assert products.allow_tf32 and (kind() == routines.COMPUTE_TYPE_TF32 or not lucid.cuda.is_tf32_supported())
        lucid.set_float32_matmul_precision("highest")
        assert not products.allow_tf32 and kind() != routines.COMPUTE_TYPE_TF32
    finally:
        routines.set_compute_type(np.dtype(np.float32), before)


# ---- what is missing is said in one line ----


@pytest.mark.parametrize(
    ("driver", "wheel", "words"),
    [(None, "cupy-cuda13x", "no NVIDIA driver"), (12040, "cupy-cuda13x", r"lucid\[cuda12\]"), (13000, "cupy-cuda13x", "nvidia-smi")],
)  # fmt: skip
def test_faults_say_what_helps(monkeypatch, driver, wheel, words):
    import re

    monkeypatch.setattr(catalogue, "_driver_version", lambda: driver)
    said = catalogue._driver_fault(wheel)
    assert re.search(words, said) and "\n" not in said


# ---- the real CuPy, which imports without a GPU: that it has what is used ----


def _uses():
    """``(path, positional arguments or None, keywords)`` of each use of ``cp.name...`` in the backend's files."""
    found = set()
    for file in FILES:
        tree = ast.parse(file.read_text())
        calls = {id(n.func): n for n in ast.walk(tree) if isinstance(n, ast.Call)}
        for n in ast.walk(tree):
            path, at = [], n
            while isinstance(at, ast.Attribute):
                path.append(at.attr)
                at = at.value
            if path and isinstance(at, ast.Name) and at.id == "cp":
                call = calls.get(id(n))
                plain = call is not None and not any(isinstance(a, ast.Starred) for a in call.args)
                words = tuple(k.arg for k in call.keywords) if plain and all(k.arg for k in call.keywords) else ()
                found.add((".".join(reversed(path)), len(call.args) if plain else None, words))
    return sorted(found, key=str)


CHECK = """
import inspect, json, sys
import cupy as cp
for path, count, words in json.loads(sys.stdin.read()):
    found = cp
    for name in path.split("."):
        assert hasattr(found, name), f"cupy has no {path}"
        found = getattr(found, name)
    if count is None or isinstance(found, type) or isinstance(found, cp.ufunc):
        continue
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):
        continue
    signature.bind(*range(count), **dict.fromkeys(words))
print("ok")
"""


@pytest.mark.skipif(importlib.util.find_spec("cupy") is None, reason="CuPy tests: CuPy is not installed")
def test_the_real_cupy_has_every_name_that_is_used():
    import json

    done = subprocess.run(
        [sys.executable, "-c", CHECK], input=json.dumps(_uses()), capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "ok", done.stderr


def test_dropout_is_one_kernel_for_the_noise_and_one_for_the_product(cuda):
    if not strict.is_installed():
        pytest.skip("CuPy tests: launches are counted on the imitation")
    x = lucid.ones(64, 50, device=cuda, requires_grad=True)
    for p in (0.25, 0.5):
        lucid.nn.functional.dropout(x, p)  # compiles; the probability is an argument of the kernel
        strict.counters.reset()
        y = lucid.nn.functional.dropout(x, p)
        assert strict.counters.launches == 2
        assert (
            sorted(y.unique().tolist()) == pytest.approx([0.0, 1 / (1 - p)])
            and abs((y > 0).float().mean().item() - 1 + p) < 0.03
        )
        (grad,) = lucid.autograd.grad(y.sum(), x)
        assert (grad == y).all()
