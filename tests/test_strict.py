"""``lucid.testing.strict``: what the imitation of CuPy refuses and counts, its kernels, and that it leaves no trace."""

import subprocess
import sys

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid import backends, nn
from lucid.core.op import OPS
from lucid.testing import strict
from reference import MISSING, needs_strict
from small_models import GPT, batches, cnn

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(MISSING["CuPy tests"] is None, reason="strict tests: the real CuPy is here"),
]


@pytest.fixture
def cp():
    with strict.installed():
        yield sys.modules["cupy"]


# ---- what a GPU refuses ----

REFUSED = {
    "NumPy operand on the right": lambda cp, x: x + np.ones(3),
    "NumPy operand on the left": lambda cp, x: np.ones(3) + x,
    "NumPy operand of a ufunc": lambda cp, x: cp.maximum(x, np.ones(3)),
    "NumPy operand in place": lambda cp, x: x.__iadd__(np.ones(3)),
    "NumPy operand of a function": lambda cp, x: cp.concatenate([x, np.ones(3)]),
    "NumPy array as out": lambda cp, x: cp.exp(x, np.ones(3)),
    "NumPy value written": lambda cp, x: x.__setitem__(0, np.ones(1)),
    "list as operand": lambda cp, x: x.__add__([1, 2, 3]),
    "list as argument": lambda cp, x: cp.sum([1, 2, 3]),
    "list as second argument": lambda cp, x: cp.dot(x, [1, 2, 3]),
    "None as operand": lambda cp, x: x == None,  # noqa: E711
    "conversion": lambda cp, x: np.asarray(x),
    "conversion of a list of arrays": lambda cp, x: np.array([x[0], x[1]]),
    "a function of NumPy": lambda cp, x: np.sum(x),
    "an index of NumPy": lambda cp, x: x[np.array([0])],
    "an index that is a list": lambda cp, x: x[[0, 1]],
    "a slice of arrays": lambda cp, x: x[: cp.asarray(2)],
    "range of an array": lambda cp, x: range(cp.asarray(2)),
    "a mask argument": lambda cp, x: cp.sum(x, where=x > 0),
    "a ufunc's where": lambda cp, x: cp.add(x, x, where=x > 0),
    "casting of a reduction": lambda cp, x: cp.sum(x, casting="unsafe"),
    "initial": lambda cp, x: cp.max(x, initial=0),
    "floor of complex": lambda cp, x: cp.floor(x + 1j),
    "bits of floats": lambda cp, x: cp.bitwise_and(x, x),
    "linear algebra in float16": lambda cp, x: cp.linalg.inv(cp.eye(2, dtype=np.float16)),
    "integer atomics": lambda cp, x: cp.add.at(cp.zeros(3, np.int64), cp.asarray([0]), 1),
    "hash": lambda cp, x: hash(x),
    "int of a vector": lambda cp, x: int(x),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(cp, what):
    with pytest.raises(TypeError):
        REFUSED[what](cp, cp.asarray([1.0, 2.0, 3.0]))


VALUES = {
    "sort of a kind": lambda cp, x: cp.sort(x, kind="quicksort"),
    "repeats in an array": lambda cp, x: cp.repeat(x, cp.asarray([1, 2, 3])),
    "where with two arguments": lambda cp, x: cp.where(x > 0, x),
    "objects": lambda cp, x: cp.asarray([None]),
    "strings": lambda cp, x: cp.asarray(["a"]),
    "truth of a vector": lambda cp, x: bool(x),
    "a launch of nothing": lambda cp, x: cp.RawKernel("", "f")((0,), (1,), ()),
    "DLPack to NumPy": lambda cp, x: np.from_dlpack(x),
}


@pytest.mark.parametrize("what", VALUES)
def test_wrong_values(cp, what):
    with pytest.raises((ValueError, BufferError, RuntimeError)):
        VALUES[what](cp, cp.asarray([1.0, 2.0, 3.0]))


def test_names_that_cupy_lacks_are_missing(cp):
    for name in "einsum_path vecdot matvec insert geomspace nditer block nanquantile errstate float128 object_".split():
        assert not hasattr(cp, name)
    for name in ("multi_dot", "svdvals", "vector_norm"):
        assert not hasattr(cp.linalg, name)
    assert (
        not hasattr(cp.ndarray, "cumulative_sum")
        and not hasattr(cp.ndarray, "__index__")
        and not hasattr(cp.ndarray, "itemset")
    )


def test_out_of_range_wraps_around_and_integers_do_not(cp):
    x = cp.asarray([10.0, 20.0, 30.0])
    assert x[cp.asarray([3, -4, 7])].get().tolist() == [10, 30, 20]
    assert cp.take(x, cp.asarray([4])).get().tolist() == [20]
    x[cp.asarray([5])] = 0.0
    assert x.get().tolist() == [10, 20, 0]
    with pytest.raises(IndexError):
        x[3]


def test_memory_that_nobody_wrote_is_nan(cp):
    assert np.isnan(cp.empty(3).get()).all() and (cp.empty(3, np.int32).get() > 2**29).all()


def test_results_are_arrays_on_the_device(cp):
    x = cp.asarray([[1.0, 2.0], [3.0, 4.0]])
    for y in (
        x.sum(),
        x[0, 0],
        cp.max(x),
        cp.count_nonzero(x),
        cp.allclose(x, x),
        cp.array_equal(x, x),
        x.argmax(),
        cp.dot(x[0], x[0]),
    ):
        assert type(y) is cp.ndarray and y.shape == ()
    assert x[0].base is x and x.T.base is x and (x + 0).base is None and x[0][0].base is x
    x[0][1] = 9.0
    assert x.get()[0, 1] == 9


def test_a_factorisation_that_fails_gives_nan_for_that_matrix(cp):
    a = cp.asarray([[[1.0, 2.0], [2.0, 1.0]], [[4.0, 0.0], [0.0, 9.0]]])
    factor = cp.linalg.cholesky(a).get()
    assert np.isnan(factor[0]).all() and factor[1].tolist() == [[2, 0], [0, 3]]
    with sys.modules["cupyx"].errstate(linalg="raise"), pytest.raises(np.linalg.LinAlgError):
        cp.linalg.cholesky(a)


# ---- counters ----

WAITS = {
    "bool": lambda cp, x: bool(x[0]), "float": lambda cp, x: float(x[0]), "int": lambda cp, x: int(x[0]), "item": lambda cp, x: x[0].item(),
    "get": lambda cp, x: x.get(), "tolist": lambda cp, x: x.tolist(), "repr": lambda cp, x: repr(x), "nonzero": lambda cp, x: cp.nonzero(x),
    "mask read": lambda cp, x: x[x > 0], "unique": lambda cp, x: cp.unique(x), "where": lambda cp, x: cp.where(x > 0),
    "if": lambda cp, x: 1 if x[0] > 0 else 0, "max of two": lambda cp, x: max(x[0], x[1]), "asnumpy": lambda cp, x: cp.asnumpy(x),
    "bincount": lambda cp, x: cp.bincount(x.astype(int)), "synchronize": lambda cp, x: cp.cuda.Device().synchronize(),
}  # fmt: skip


@pytest.mark.parametrize("what", WAITS)
def test_waiting_is_counted_and_can_be_forbidden(cp, what):
    x = cp.asarray([1.0, 2.0, 3.0])
    strict.counters.reset()
    WAITS[what](cp, x)
    assert strict.counters.syncs == len(strict.counters.waited) == 1
    with strict.no_sync(), pytest.raises(RuntimeError, match="inside no_sync"):
        WAITS[what](cp, x)


def test_what_does_not_wait(cp):
    x = cp.asarray([1.0, 2.0, 3.0])
    strict.counters.reset()
    with strict.no_sync() as counters:
        x[x > 1] = 0.0
        y = cp.where(x > 0, x, 1.0) + x.sum() - x[cp.asarray([0])].mean()
        x += y.astype(np.float32)
        x.reshape(3, 1).T.shape, len(x), x.ndim
    assert counters.syncs == 0 and counters.uploads == 1 and counters.launches > 8


def test_views_launch_nothing(cp):
    x = cp.zeros((4, 6))
    strict.counters.reset()
    (
        x[1:, ::2],
        x.T,
        x.reshape(24),
        x.transpose(1, 0),
        cp.broadcast_to(x, (2, 4, 6)),
        cp.expand_dims(x, 0),
        cp.moveaxis(x, 0, 1),
    )
    assert strict.counters.launches == 0
    x.T.reshape(24)
    assert strict.counters.launches == 1


def test_memory_pool(cp):
    pool = cp.get_default_memory_pool()
    before = pool.used_bytes()
    x = cp.zeros(1000)
    y = x[:500]
    assert pool.used_bytes() == before + 8000
    del x, y
    assert pool.used_bytes() == before and pool.total_bytes() >= before + 8000
    pool.free_all_blocks()
    assert pool.total_bytes() == before


# ---- kernels ----


@needs_strict
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int8", "int64", "complex64", "bool"])
def test_elementwise_kernel(cp, dtype):
    if dtype == "bfloat16":
        ml = pytest.importorskip("ml_dtypes")
    native = np.dtype(ml.bfloat16 if dtype == "bfloat16" else dtype)
    x = np.arange(6).reshape(2, 3).astype(native)
    kernel = cp.ElementwiseKernel("T x, T y", "T z", "z = x * y", "product")
    got = kernel(cp.asarray(x), cp.asarray(x[:1].T.reshape(1, 3)))
    assert got.dtype == native and np.array_equal(got.get(), x * x[:1])
    assert np.array_equal(kernel(cp.asarray(x).T, cp.asarray(x).T).get(), (x * x).T)


@needs_strict
def test_elementwise_kernel_raw_and_parts(cp):
    x = cp.arange(5.0)
    kernel = cp.ElementwiseKernel(
        "raw T x, int64 shift, float32 s",
        "T y",
        "y = s * x[(i + shift) % x.size()] + base",
        "f",
        loop_prep="const double base = 100;",
    )
    assert kernel(x, 2, 0.5, size=5).get().tolist() == [101, 101.5, 102, 100, 100.5]
    out = cp.empty(5)
    assert kernel(x, 2, 0.5, out) is out and out.get().tolist() == [101, 101.5, 102, 100, 100.5]
    two = cp.ElementwiseKernel("T x", "T a, bool b", "a = -x; b = isnan(x)", "two")
    a, b = two(cp.asarray([1.0, np.nan]))
    assert a.get()[0] == -1 and b.get().tolist() == [False, True]
    place = cp.ElementwiseKernel("T x", "raw T out", "atomicAdd(&out[0], x)", "total")
    total = cp.zeros(1)
    place(x, total)
    assert total.get()[0] == 10


@needs_strict
def test_elementwise_kernel_mistakes(cp):
    kernel = cp.ElementwiseKernel("T x, T y", "T z", "z = x + y", "f")
    x = cp.ones(3)
    for bad in ((x, x.astype(np.float32)), (x, np.ones(3)), (1.0, 2.0), (x, [1, 2, 3]), (x,)):
        with pytest.raises(TypeError):
            kernel(*bad)
    with pytest.raises(ValueError, match="Loop size"):
        cp.ElementwiseKernel("raw T x", "T y", "y = x[i]", "f")(x)
    with pytest.raises(ValueError, match="'i'"):
        cp.ElementwiseKernel("T i", "T y", "y = i", "f")
    with pytest.raises(cp.cuda.compiler.CompileException, match="undeclared|not declared"):
        cp.ElementwiseKernel("T x", "T y", "y = missing", "f")(x)
    with pytest.raises(cp.cuda.compiler.CompileException):
        cp.ElementwiseKernel("T x", "T y", "x = 1; y = x", "f")(x)  # inputs are const


@needs_strict
def test_reduction_kernel(cp):
    norm = cp.ReductionKernel("T x", "T y", "x * x", "a + b", "y = sqrt(a)", "0", "norm")
    x = np.arange(24.0).reshape(2, 3, 4)
    for axis in (None, 0, 2, (0, 2)):
        for keepdims in (False, True):
            expected = np.sqrt((x * x).sum(axis, keepdims=keepdims))
            np.testing.assert_allclose(norm(cp.asarray(x), axis=axis, keepdims=keepdims).get(), expected)
    top = cp.ReductionKernel("T x", "T y", "x", "max(a, b)", "y = a", None, "top")
    assert top(cp.asarray(x), axis=1).get().tolist() == x.max(1).tolist()
    with pytest.raises(ValueError, match="no identity"):
        top(cp.zeros((0, 3)), axis=0)
    wide = cp.ReductionKernel("T x", "T y", "x", "a + b", "y = a", "0", "wide", "float")
    assert wide(cp.ones(3000, np.float16)).get() == 3000  # summed in float32


ROWS = r"""
#include <cuda_fp16.h>
template <typename T> __global__ void row_sum(const T* x, T* y, int n) {
    extern __shared__ float parts[];
    float s = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) s += (float)x[blockIdx.x * n + i];
    for (int o = 16; o > 0; o >>= 1) s += __shfl_down_sync(0xffffffffu, s, o);
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = s;
    __syncthreads();
    if (threadIdx.x == 0) {
        float t = 0;
        for (int w = 0; w < blockDim.x / 32; ++w) t += parts[w];
        y[blockIdx.x] = (T)t;
    }
}
"""


@needs_strict
def test_raw_module_with_templates_barriers_shuffles_and_shared_memory(cp):
    module = cp.RawModule(code=ROWS, name_expressions=("row_sum<float>", "row_sum<__half>"))
    x = np.random.default_rng(0).random((5, 300), np.float32)
    for name, dtype in (("float", np.float32), ("__half", np.float16)):
        y = cp.empty(5, dtype)
        args = cp.asarray(x.astype(dtype)), y, np.int32(300)
        module.get_function(f"row_sum<{name}>")((5,), (96,), args, shared_mem=12)
        np.testing.assert_allclose(y.get(), x.sum(1), rtol=1e-3)
    with pytest.raises(ValueError):
        module.get_function("row_sum<double>")


@needs_strict
def test_raw_kernel_mistakes(cp):
    kernel = cp.RawKernel(
        'extern "C" __global__ void scale(float* x, float s, int n) { int i = blockIdx.x * blockDim.x + threadIdx.x; if (i < n) x[i] *= s; }',
        "scale",
    )
    x = cp.ones(5, np.float32)
    kernel((2,), (4,), (x, np.float32(3), np.int32(5)))
    assert x.get().tolist() == [3] * 5
    for args in (
        (x, 3.0, np.int32(5)),
        (x, np.float32(3), 5),
        (cp.ones(5), np.float32(3), np.int32(5)),
        (x, np.float32(3)),
        (np.ones(5), np.float32(3), np.int32(5)),
        (x, x, np.int32(5)),
    ):
        with pytest.raises(TypeError):
            kernel((2,), (4,), args)
    with pytest.raises(ValueError):
        kernel((1,), (2048,), (x, np.float32(3), np.int32(5)))
    torn = cp.RawKernel(
        'extern "C" __global__ void torn(float* x) { if (threadIdx.x == 0) __syncthreads(); else __syncwarp(); x[0] = 1; }',
        "torn",
    )
    with pytest.raises(RuntimeError, match="barrier"):
        torn((1,), (2,), (x,))


@needs_strict
def test_libraries_are_kept_on_disk(cp, tmp_path, monkeypatch):
    from lucid.testing.strict import toolchain

    monkeypatch.setenv("LUCID_CACHE_DIR", str(tmp_path))
    source = ("T x", "T y", "y = x + 41", "kept")
    assert cp.ElementwiseKernel(*source)(cp.ones(2)).get().tolist() == [42, 42]
    toolchain.library.cache_clear()
    monkeypatch.setattr(toolchain, "_compile", None)  # a second compilation would fail
    assert cp.ElementwiseKernel(*source)(cp.ones(2)).get().tolist() == [42, 42]


def test_graphs_repeat_into_the_same_memory(cp):
    stream = cp.cuda.Stream(non_blocking=True)
    x, total = cp.ones(3), cp.zeros(3)
    with stream:
        stream.begin_capture()
        y = cp.exp(x) * 0 + x * 2
        total += y
        with pytest.raises(RuntimeError, match="StreamCaptureUnsupported"):
            x.get()
        graph = stream.end_capture()
    assert total.get().tolist() == [0, 0, 0]  # nothing ran
    for value in (5.0, 7.0):
        x[...] = value
        graph.launch(stream)
    assert total.get().tolist() == [24] * 3 and y.get().tolist() == [14] * 3


# ---- coming and going ----


def test_install_and_uninstall_leave_no_trace():
    before = {n for n in sys.modules if "cupy" in n}, dict(backends.base._by_type), dict(backends.base._by_name)
    for _ in range(2):
        with strict.installed():
            assert strict.is_installed() and lucid.cuda.is_available() and lucid.cuda.device_count() == 1
            with pytest.raises(RuntimeError, match="already installed"):
                strict.install()
            x = lucid.rand(3, 3, device="cuda", requires_grad=True)
            (x @ x * 2.5 + 1).exp().sum().backward()
            assert x.grad.device == "cuda" and lucid.backends.available()[1].usable
            kind = type(x.value)
        assert not strict.is_installed() and not lucid.cuda.is_available()
        assert before == ({n for n in sys.modules if "cupy" in n}, backends.base._by_type, backends.base._by_name)
        assert not any(kind in op.kernels for op in OPS.values()) and "cupy" not in vars(backends)
        with pytest.raises(RuntimeError, match="cuda"):
            lucid.ones(1, device="cuda")
    with pytest.raises(RuntimeError, match="not installed"):
        strict.uninstall()


def test_it_gives_way_to_the_real_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", sys)
    with pytest.raises(RuntimeError, match="real CuPy is loaded"):
        strict.install()
    assert not strict.is_installed()


def test_importing_it_costs_and_loads_nothing():
    code = "import sys, lucid.testing.strict as s; print(sorted(m for m in sys.modules if m.split('.')[0] in ('cupy', 'cupyx', 'scipy', 'mlx')))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_lucid_cuda(cp):
    assert lucid.cuda.get_device_capability() == (9, 0) and "strict" in lucid.cuda.get_device_name()
    x = lucid.ones(1000, device="cuda:0")
    assert lucid.cuda.memory_allocated() >= 4000 <= lucid.cuda.memory_reserved()
    del x
    lucid.cuda.synchronize()
    lucid.cuda.empty_cache()
    with pytest.raises(RuntimeError, match="cuda:1|ordinal"):
        lucid.ones(1, device="cuda:1")


# ---- lucid on a strict device ----


def one_step(kind, device="cuda"):
    model = (GPT() if kind == "gpt" else cnn()).to(device)
    params = list(model.parameters())
    opt = lucid.optim.AdamW(params, lr=1e-3) if kind == "gpt" else lucid.optim.SGD(params, lr=0.05, momentum=0.9)
    x, y = next(batches(kind, 1))
    x, y = lucid.tensor(x, device=device), lucid.tensor(y, device=device)
    yield
    for _ in range(2):
        loss = F.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(params, 1.0)
        opt.step()
    yield loss


@needs_strict
@pytest.mark.parametrize("kind", ["gpt", "cnn"])
def test_training_waits_for_nothing(kind):
    with strict.installed() as counters:
        steps = one_step(kind)
        next(steps)
        counters.reset()
        with strict.no_sync():
            loss = next(steps)
        assert counters.syncs == 0 and counters.launches > 50
        assert np.isfinite(loss.item())


@needs_strict
@pytest.mark.parametrize("kind", ["gpt", "cnn"])
def test_training_in_float32_makes_no_float64(kind):
    with strict.installed(no_float64=True):
        steps = one_step(kind)
        next(steps)
        assert np.isfinite(next(steps).item())
        with pytest.raises(TypeError, match="float64"):
            lucid.ones(2, dtype=lucid.float64, device="cuda")


def _row(x):
    y = x * 1
    y[1] = 5.0
    return y


def _through_views(x):
    y = x * 1
    y.view(-1)[2:4].mul_(3)
    y.T[0].add_(y[1, 0])
    return y


def _masked(x):
    y = x * 1
    y[y < 0] = 0.5
    return y.clamp_(max=1.5)


@needs_strict
@pytest.mark.parametrize("no_aliasing", [False, True])
@pytest.mark.parametrize("program", [_row, _through_views, _masked])
def test_views_and_writes_mean_the_same_with_and_without_aliasing(program, no_aliasing):
    data = np.array([[1.0, -2.0, 3.0], [-4.0, 5.0, 0.25]], np.float32)

    def run(device):
        x = lucid.tensor(data, device=device, requires_grad=True)
        y = program(x)
        (y * y).sum().backward()
        return y.detach().cpu().numpy(), x.grad.cpu().numpy()

    expected = run("cpu")
    with strict.installed(no_aliasing=no_aliasing):
        for ours, theirs in zip(run("cuda"), expected, strict=True):
            np.testing.assert_allclose(ours, theirs)
        x = lucid.zeros(4, device="cuda")
        assert (x.value.base is None) and (x[1:].value.base is None) == no_aliasing


@needs_strict
def test_a_model_trains_without_aliasing():
    with strict.installed(no_aliasing=True, no_float64=True):
        steps = one_step("gpt")
        next(steps)
        assert np.isfinite(next(steps).item())
