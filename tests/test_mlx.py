"""MLX (its CPU build) through lucid: what crashes or corrupts memory in MLX itself, aliasing, dtypes, laziness, models.

The rows of the op tables run on MLX in test_ops.py; here is what they cannot show.
"""

import threading

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid import nn
from reference import needs_mlx

pytestmark = [needs_mlx, pytest.mark.filterwarnings("ignore")]


def on(device, data, dtype=None, grad=False):
    t = lucid.tensor(data, dtype=dtype, device=device)
    return t.requires_grad_() if grad else t


def mlx(data, dtype=None, grad=False):
    return on("mlx", data, dtype, grad)


def host(x):
    return x.detach().to("cpu").numpy()


# ---- what reads or writes foreign memory, or kills the process, in MLX (each reproduced there) ----

FAR = 1_000_000


def _write(x, key, value=5.0):
    x[key] = value


BAD_INDICES = {
    "read int": lambda x: x[FAR],
    "read negative": lambda x: x[-4],
    "read tensor": lambda x: x[mlx([FAR])],
    "read tensor negative": lambda x: x[mlx([-4])],
    "read list": lambda x: x[[0, FAR]],
    "read two tensors": lambda x: x[mlx([0, 1]), mlx([0, FAR])],
    "write int": lambda x: _write(x, FAR),
    "write tensor": lambda x: _write(x, mlx([FAR])),
    "write two tensors": lambda x: _write(x, (mlx([0]), mlx([-FAR]))),
    "gather": lambda x: x.gather(0, mlx([[3]])),
    "gather negative": lambda x: x.gather(0, mlx([[-1]])),
    "take_along_dim": lambda x: lucid.take_along_dim(x, mlx([[FAR]]), 1),
    "take": lambda x: lucid.take(x, mlx([FAR])),
    "index_select": lambda x: x.index_select(1, mlx([4])),
    "scatter": lambda x: x.scatter(0, mlx([[FAR]]), 1.0),
    "scatter_": lambda x: x.scatter_(1, mlx([[FAR]]), 1.0),
    "scatter_add": lambda x: x.scatter_add(0, mlx([[FAR]]), mlx([[1.0]])),
    "scatter_reduce": lambda x: x.scatter_reduce(0, mlx([[FAR]]), mlx([[1.0]]), "amax"),
    "index_add": lambda x: x.index_add(0, mlx([FAR]), mlx([[1.0] * 4])),
    "index_copy": lambda x: x.index_copy(0, mlx([FAR]), mlx([[1.0] * 4])),
    "index_fill": lambda x: x.index_fill(0, mlx([FAR]), 1.0),
    "index_put": lambda x: x.index_put((mlx([FAR]),), mlx([1.0] * 4)),
    "put": lambda x: x.put_(mlx([FAR]), mlx([1.0])),
    "embedding": lambda x: F.embedding(mlx([3]), x),
    "embedding negative": lambda x: F.embedding(mlx([-1]), x),
    "embedding_bag": lambda x: F.embedding_bag(mlx([[FAR]]), x),
    "cross_entropy": lambda x: F.cross_entropy(x, mlx([0, 1, FAR])),
    "cross_entropy negative": lambda x: F.cross_entropy(x, mlx([0, 1, -1])),
    "nll_loss": lambda x: F.nll_loss(x, mlx([0, 1, 4])),
    "ctc_loss": lambda x: F.ctc_loss(x.log_softmax(1), mlx([7, 8]), [3], [2]),
    "ctc_loss negative": lambda x: F.ctc_loss(x.log_softmax(1), mlx([-7]), [3], [1]),
    "max_unpool": lambda x: F.max_unpool1d(x[None], mlx(np.full((1, 3, 4), FAR)), 2),
    "as_strided": lambda x: x.as_strided((FAR,), (1,)),
    "mask of the wrong size": lambda x: x[mlx([True, False])],
}


@pytest.mark.parametrize("name", BAD_INDICES)
def test_indices_out_of_range_are_errors(name):
    x = mlx(np.arange(12.0, dtype=np.float32).reshape(3, 4))
    with pytest.raises((IndexError, RuntimeError)):
        host(BAD_INDICES[name](x))
    assert np.array_equal(host(x), np.arange(12.0).reshape(3, 4))


def test_indices_that_cannot_be_looked_at_stay_inside():
    """Inside vmap bounds are unknown: any value may come, but only from the tensor itself."""
    x = mlx([1.0, 2.0, 3.0])
    out = lucid.func.vmap(lambda i: x.gather(0, i))(mlx([[0], [FAR]]))
    assert set(host(out).reshape(-1)) <= {1.0, 2.0, 3.0}


def test_linear_algebra_fails_as_it_should():
    assert lucid.linalg.inv(lucid.zeros(0, 0, device="mlx")).shape == (0, 0)
    with pytest.raises(lucid.linalg.LinAlgError):
        lucid.linalg.cholesky(mlx([[1.0, 2.0], [2.0, 1.0]]))
    with pytest.raises(lucid.linalg.LinAlgError):
        lucid.linalg.cholesky(mlx([[float("nan"), 0.0], [0.0, 1.0]]))
    assert lucid.linalg.lu_factor(lucid.zeros(2, 0, 0, device="mlx"))[1].shape == (2, 0)
    assert lucid.linalg.cond(lucid.zeros(0, 0, device="mlx")).item() == 0
    with pytest.raises(lucid.linalg.LinAlgError):
        lucid.linalg.inv(lucid.zeros(2, 2, device="mlx"))
    a = mlx([[4.0, 1.0], [1.0, 3.0]])
    assert np.allclose(host(a @ lucid.linalg.inv(a)), np.eye(2), atol=1e-6)


@pytest.mark.parametrize(
    "look",
    [lambda x: x.sum().item(), str, np.asarray, lambda x: bool(x.sum() > 0), lambda x: x[x > 0], lambda x: x.cpu()],
)
def test_looking_at_a_value_under_mx_compile_is_an_error(look):
    import mlx.core as mx

    from lucid.core.tensor import wrap

    x = mlx([1.0, 2.0])

    def traced(array):
        look(wrap(array))
        return array

    with pytest.raises((ValueError, RuntimeError), match="function transformations like compile"):
        mx.compile(traced)(x.value)
    assert host(x).tolist() == [1, 2]


@pytest.mark.parametrize(
    "change", [lambda x: x.add_(1), lambda x: x.zero_(), lambda x: _write(x, 0), lambda x: x.mul_(3)]
)
@pytest.mark.parametrize(
    "export", [lambda x: x.to("cpu").numpy(), np.asarray, np.from_dlpack], ids=["numpy", "asarray", "dlpack"]
)
def test_exported_arrays_never_change(export, change):
    import mlx.core as mx

    x = mlx(np.arange(4096, dtype=np.float32)) + 0
    kept = export(x)
    change(x)
    host(x)
    del x
    mx.clear_cache()
    lucid.ones(4096, device="mlx").add_(7).sum().item()
    assert np.array_equal(kept, np.arange(4096))


def test_imported_arrays_are_copies():
    a = np.ones(3, np.float64)
    x = mlx(a)
    a[:] = 5
    assert x.dtype is lucid.float64 and host(x).tolist() == [1, 1, 1]


def test_masks():
    x = mlx([[1.0, -2.0], [-3.0, 4.0]], grad=True)
    y = x * 1
    y[y < 0] = 0.5
    (y[y > 0.7] * mlx([2.0, 3.0])).sum().backward()
    assert host(y).tolist() == [[1, 0.5], [0.5, 4]] and host(x.grad).tolist() == [[2, 0], [0, 3]]
    assert host(
        lucid.zeros(3, device="mlx").index_put((mlx([True, False, True]),), mlx(1.0), accumulate=True)
    ).tolist() == [1, 0, 1]


# ---- dtypes ----


def test_double_precision_on_the_cpu_build():
    for f in (lucid.exp, lucid.sin, lucid.sigmoid, lucid.erf, lambda t: t.softmax(0), lucid.tanh, lambda t: t @ t):
        x = np.linspace(-3, 3, 11)
        ours = f(mlx(x))
        assert ours.dtype is lucid.float64
        np.testing.assert_allclose(host(ours), host(f(lucid.tensor(x))), rtol=1e-13)
    assert np.isfinite(host(mlx([500.0], lucid.float64).exp())).all()


def test_complex128_is_refused():
    with pytest.raises(TypeError, match="complex128 is not available on 'mlx'"):
        mlx(np.array([1j]))
    with pytest.raises(TypeError, match="complex128 is not available on 'mlx'"):
        mlx([1.0]).to(lucid.complex128)
    assert mlx(np.array([1j], np.complex64)).dtype is lucid.complex64


@pytest.mark.parametrize("name", ["argmax", "argmin", "argsort", "nonzero", "sum", "prod", "count_nonzero", "bincount"])
def test_integer_results_are_int64(name):
    x = mlx([3, 1, 2], lucid.int32)
    assert getattr(lucid, name)(x).dtype is lucid.int64
    assert lucid.tensor([2**31 - 1] * 2, dtype=lucid.int32, device="mlx").sum().item() == 2**32 - 2


def test_long_sums_in_float32():
    assert lucid.full((10_000_000,), 0.1, device="mlx").sum().item() == pytest.approx(1e6, rel=1e-5)


# ---- laziness: nothing that is carried across steps may hold the graphs of those steps ----


def _carried(name, state, loss, model):
    if name == "total += loss":
        state["total"] = state.get("total", 0) + loss.detach()
    elif name == "in place":
        state.setdefault("total", lucid.zeros((), device="mlx")).add_(loss.detach())
    elif name == "history":
        state.setdefault("losses", []).append(loss.detach())
    elif name == "written":
        state.setdefault("losses", lucid.zeros(2000, device="mlx"))[state["i"]] = loss.detach()
    elif name == "ema of weights":
        with lucid.no_grad():
            for k, p in model.named_parameters():
                state.setdefault(k, p.detach().clone()).mul_(0.9).add_(p.detach(), alpha=0.1)
    elif name == "metric":
        state["hits"] = state.get("hits", 0) + (model.last.argmax(1) == 1).sum()
    elif name == "hidden state":
        cell = state.setdefault("cell", nn.LSTMCell(4, 8).to("mlx"))
        h, c = cell(model.last, state.get("h"))
        state["h"] = h.detach(), c.detach()
    elif name == "averaged model":
        state.setdefault("swa", lucid.optim.swa_utils.AveragedModel(model[0])).update_parameters(model[0])
    elif name == "metric list":
        state.setdefault("correct", []).append((model.last.argmax(1) == 1).float().mean())


def _live_after_each_hundred(name, steps=500, stepping=True):
    import mlx.core as mx

    lucid.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 4)).to("mlx")
    opt = lucid.optim.SGD(model.parameters(), lr=1e-3)
    if kind := {"Adam and a schedule": "Adam", "momentum": "SGD", "Muon": "Muon"}.get(name):
        given = {"momentum": 0.9} if name == "momentum" else {}
        opt = getattr(lucid.optim, kind)(
            [p for p in model.parameters() if kind != "Muon" or p.ndim == 2], lr=1e-3, **given
        )
    schedule = lucid.optim.lr_scheduler.CosineAnnealingLR(opt, 100) if "schedule" in name else None
    state, marks = {}, []
    for i in range(steps):
        state["i"] = i
        x = lucid.tensor(np.full((256, 64), i % 7, np.float32), device="mlx")  # 64 kB: 500 pinned ones are 32 MB
        if stepping:
            model.last = model(x)
            loss = model.last.square().mean()
            opt.zero_grad()
            loss.backward()
            opt.step()
            if schedule is not None:
                schedule.step()
        else:
            with lucid.no_grad():
                model.last = model(x)
                loss = model.last.square().mean()
        _carried(name, state, loss, model)
        if i % 100 == 99:
            marks.append(mx.get_active_memory())
    return marks


CARRIED = ["total += loss", "in place", "history", "written", "ema of weights", "metric", "metric list", "hidden state", "averaged model", "running statistics", "momentum",
           "Adam and a schedule", "Muon"]  # fmt: skip


@pytest.mark.parametrize("name", CARRIED)
def test_careless_loops_do_not_grow(name):
    marks = _live_after_each_hundred(name)
    assert max(marks) - marks[0] < 1e6, marks


@pytest.mark.slow
@pytest.mark.parametrize("name", CARRIED)
def test_careless_loops_do_not_grow_in_two_thousand_steps(name):
    """A batch is 64 kB: 128 MB, were they kept."""
    marks = _live_after_each_hundred(name, steps=2000)
    assert len(marks) == 20 and max(marks) - marks[0] < 1e6, marks


def test_careless_loop_without_an_optimizer_does_not_grow():
    marks = _live_after_each_hundred("total += loss", stepping=False)
    assert max(marks) < 4e6, marks  # at most a few hundred recorded ops are pending, whatever the number of batches


def test_gradients_that_are_accumulated_do_not_grow():
    import mlx.core as mx

    w, marks = lucid.zeros(64, device="mlx", requires_grad=True), []
    for i in range(500):
        (mlx(np.full((256, 64), i, np.float32)) @ w).sum().backward()
        if i % 100 == 99:
            marks.append(mx.get_active_memory())
    assert max(marks) < marks[0] + 8e6, marks


# ---- threads ----


def test_results_of_a_thread_can_be_used_in_another():
    found = []
    worker = threading.Thread(target=lambda: found.append((lucid.ones(3, device="mlx") * 2).exp()))
    worker.start()
    worker.join()
    assert np.allclose(host(found[0] + 1), np.exp(2) + 1)


def test_workers_that_load_for_a_model_on_mlx():
    class Squares(lucid.utils.data.Dataset):
        def __len__(self):
            return 12

        def __getitem__(self, i):
            x = lucid.full((4,), float(i), device="mlx")
            return x * 0.1, (x * x).sum() * 0.01

    model = nn.Linear(4, 1).to("mlx")
    opt = lucid.optim.SGD(model.parameters(), lr=0.01)
    seen = 0
    for x, y in lucid.utils.data.DataLoader(Squares(), batch_size=4, num_workers=2):
        loss = F.mse_loss(model(x)[:, 0], y)
        loss.backward()
        opt.step()
        seen += len(x)
        assert np.isfinite(loss.item())
    assert seen == 12


def test_reductions_of_nothing_end():
    """MLX itself waits for ever in one of some hundred sums of an empty array."""
    import mlx.core as mx

    table = lucid.backends.load("mlx").table
    for _ in range(300):
        e, z = mx.zeros((0,)), mx.zeros((0, 3))
        found = [
            table.sum(e),
            table.prod(e),
            table.any(e),
            table.all(e),
            table.sum(z),
            table.channel_sum(z[:, :, None]),
        ]
        assert [float(v) for v in map(np.sum, map(np.array, found))] == [0, 1, 0, 1, 0, 0]
