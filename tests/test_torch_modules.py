"""Modules of PyTorch that programs import around the tensors: profiler, multiprocessing, hub, benchmark, sparse and other paths."""

import gzip
import importlib
import json

import pytest

import lucid
import lucid.multiprocessing as mp
from lucid import nn, paths
from lucid.profiler import (
    ProfilerAction,
    ProfilerActivity,
    profile,
    record_function,
    schedule,
    tensorboard_trace_handler,
)
from lucid.testing import assert_close
from lucid.utils import _pytree, benchmark
from reference import needs_torch, torch


@pytest.mark.parametrize("path", sorted(paths.PATHS))
def test_every_other_path_holds_what_it_names(path):
    module = importlib.import_module(path)
    assert module.__name__ == path
    for name in paths.PATHS[path].split()[1:]:
        assert getattr(module, name.split("=")[0]) is not None


def test_other_paths_by_attribute():
    assert lucid.optim.adamw.AdamW is lucid.optim.AdamW
    assert lucid.utils.data._utils.collate.default_collate is lucid.utils.data.default_collate
    assert lucid.autograd.variable.Variable is lucid.Tensor
    assert lucid.autograd.profiler.record_function is record_function
    assert lucid.backends.mkldnn.is_available() is False and lucid.backends.opt_einsum.enabled is False
    with lucid.backends.cuda.sdp_kernel(enable_flash=False):
        assert not lucid.backends.cuda.flash_sdp_enabled()
    assert lucid.backends.cuda.flash_sdp_enabled()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("lucid.optim.nothing")
    with pytest.raises(AttributeError, match="nothing"):
        _ = lucid.utils.nothing


# ---- trees ----


class Pair:
    def __init__(self, a, b):
        self.a, self.b = a, b


def test_trees():
    tree = {"a": 1, "b": (2, [3, None])}
    leaves, spec = _pytree.tree_flatten(tree)
    assert leaves == [1, 2, 3, None] and spec.num_leaves == 4
    assert _pytree.tree_unflatten(leaves, spec) == tree
    assert _pytree.tree_map(lambda x, y: (x, y), {"a": 1, "b": 2}, {"b": 4, "a": 3}) == {"a": (1, 3), "b": (2, 4)}
    assert _pytree.tree_map(lambda x, y: y, [1, 2], [(3,), {}]) == [(3,), {}]
    assert _pytree.tree_map_only(int, lambda x: -x, [1, "a"]) == [-1, "a"]
    assert _pytree.tree_all(bool, [1, 2]) and not _pytree.tree_any(bool, [0, []])
    with pytest.raises(ValueError, match="length 1 but the spec refers to a pytree that holds 4"):
        _pytree.tree_unflatten([1], spec)
    with pytest.raises(ValueError, match="expected a list of 2"):
        _pytree.tree_map(lambda x, y: x, [1, 2], [1, 2, 3])
    if Pair not in lucid.func.pytree._registered:
        _pytree.register_pytree_node(Pair, lambda p: ([p.a, p.b], None), lambda c, _: Pair(*c))
    doubled = _pytree.tree_map(lambda x: 2 * x, [Pair(1, (2,))])
    assert (doubled[0].a, doubled[0].b) == (2, (4,))
    gradient = lucid.func.grad(lambda p: (p.a * p.b).sum())(Pair(lucid.ones(2), lucid.full((2,), 3.0)))
    assert gradient.a.tolist() == [3.0, 3.0]
    with pytest.raises(ValueError, match="already registered"):
        _pytree.register_pytree_node(Pair, None, None)


# ---- profiler ----


def test_profile_sees_forward_backward_ranges_and_steps(tmp_path):
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    optimizer = lucid.optim.SGD(model.parameters(), lr=0.1)
    x = lucid.ones(2, 3)
    with profile(record_shapes=True, profile_memory=True, with_flops=True) as prof:
        with record_function("forward"):
            loss = model(x).sum()
        loss.backward()
        optimizer.step()
    rows = {row.key: row for row in prof.key_averages()}
    assert {"forward", "linear", "relu", "sum", "AddmmBackward0", "ReluBackward0", "Optimizer.step#SGD.step"} <= set(
        rows
    )
    assert rows["linear"].count == 1 and rows["linear"].flops == 2 * 2 * 3 * 4
    assert rows["linear"].cpu_memory_usage == 2 * 4 * 4
    inside = sum(rows[k].cpu_time_total for k in ("linear", "relu", "sum"))
    assert rows["forward"].self_cpu_time_total == pytest.approx(rows["forward"].cpu_time_total - inside, abs=1e-6)
    shapes = [row.input_shapes for row in prof.key_averages(group_by_input_shape=True) if row.key == "linear"]
    assert shapes == [[[2, 3], [4, 3], [4]]]
    table = prof.key_averages().table(sort_by="self_cpu_time_total", row_limit=2)
    assert "Self CPU time total" in table and "CPU Mem" in table and len(table.splitlines()) == 7
    with pytest.raises(AttributeError):
        prof.key_averages().table(sort_by="nothing")
    for name in ("trace.json", "trace.json.gz"):
        prof.export_chrome_trace(tmp_path / name)
    text = gzip.decompress((tmp_path / "trace.json.gz").read_bytes()).decode()
    assert text == (tmp_path / "trace.json").read_text()
    assert {event["name"] for event in json.loads(text)["traceEvents"]} == set(rows)


def test_profile_ends_when_the_block_raises_and_leaves_nothing_behind():
    with pytest.raises(ZeroDivisionError), profile() as prof, record_function("open"):
        lucid.ones(1) + 1
        raise ZeroDivisionError
    assert [e.name for e in prof.events()] == ["open", "add"]
    lucid.ones(1) + 1
    assert len(prof.events()) == 2 and not lucid.profiler.is_profiling()
    with profile(), pytest.raises(RuntimeError, match="do not nest"), profile():
        pass


@needs_torch
def test_profiler_schedules_are_torchs(tmp_path):
    for options in (dict(wait=1, warmup=1, active=2), dict(wait=0, warmup=1, active=1, repeat=2, skip_first=3)):
        ours, theirs = schedule(**options), torch.profiler.schedule(**options)
        assert [ours(i).name for i in range(15)] == [theirs(i).name for i in range(15)]
    with pytest.raises(AssertionError):
        schedule(wait=0, warmup=0, active=0)
    found = {}
    for t in (lucid, torch):
        seen = found[t.__name__] = []
        with t.profiler.profile(
            activities=[t.profiler.ProfilerActivity.CPU],
            schedule=t.profiler.schedule(wait=1, warmup=1, active=2, repeat=2),
            on_trace_ready=lambda p, seen=seen: seen.append(
                (p.step_num, sorted(e.key for e in p.key_averages() if e.key.startswith("ProfilerStep")))
            ),
        ) as prof:
            for _ in range(11):
                t.ones(2) + 1
                prof.step()
    assert [n for n, _ in found["lucid"]] == [n for n, _ in found["torch"]]
    assert found["lucid"][0][1] == ["ProfilerStep#2", "ProfilerStep#3"]
    with profile(activities=[ProfilerActivity.CPU], on_trace_ready=tensorboard_trace_handler(str(tmp_path))):
        lucid.ones(2) + 1
    assert len(list(tmp_path.glob("*.pt.trace.json"))) == 1
    assert ProfilerAction.RECORD.value == torch.profiler.ProfilerAction.RECORD.value


# ---- processes ----


def _train(rank, weight, bias):
    with lucid.no_grad():
        for _ in range(3):
            weight[rank] += 1.0
        bias.T[rank].add_(rank + 1)  # each its own: adding to one place is a race, in PyTorch too


def _fail(rank):
    if rank:
        raise ValueError(f"number {rank}")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_share_memory(method):
    model = nn.Linear(2, 2)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    row = model.weight[0]
    assert not model.weight.is_shared() and model.share_memory() is model
    assert model.weight.is_shared() and model.weight.T.is_shared() and model.weight.requires_grad
    mp.start_processes(_train, (model.weight, model.bias), nprocs=2, start_method=method)
    assert model.weight.tolist() == [[3.0, 3.0], [3.0, 3.0]] and row.tolist() == [3.0, 3.0]
    assert model.bias.tolist() == [1.0, 2.0]
    model(lucid.ones(1, 2)).sum().backward()
    lucid.optim.SGD(model.parameters(), lr=1.0).step()
    assert model.weight.is_shared() and model.weight.tolist() == [[2.0, 2.0], [2.0, 2.0]]


def _send(rank, queue):
    queue.put({"rank": rank, "x": nn.Parameter(lucid.full((2,), float(rank)))})


def test_queues_take_tensors_and_failures_are_reported():
    queue = mp.get_context("fork").Queue()
    context = mp.start_processes(_send, (queue,), nprocs=2, join=False, start_method="fork")
    got = sorted((queue.get() for _ in range(2)), key=lambda item: item["rank"])
    while not context.join():
        pass
    assert [item["x"].tolist() for item in got] == [[0.0, 0.0], [1.0, 1.0]] and got[0]["x"].requires_grad
    with pytest.raises(mp.ProcessRaisedException, match="ValueError: number 1") as caught:
        mp.start_processes(_fail, nprocs=2, start_method="fork")
    assert caught.value.error_index == 1


# ---- benchmark ----


def test_timers_and_their_table(capsys):
    clock = iter(range(10**6))
    make = lambda d: benchmark.Timer(  # noqa: E731
        "x + 1", globals={"x": 1}, timer=lambda: float(next(clock)), label="sums", sub_label="int", description=d
    )
    one = make("a").timeit(100)
    assert one.times == [0.01] and one.median == one.mean == 0.01 and "10.00 ms" in repr(one)
    many = make("b").blocked_autorange(min_run_time=2.5)
    assert many.number_per_run == 1 and many.raw_times == [1.0, 1.0, 1.0] and many.iqr == 0.0
    assert make("b").adaptive_autorange(min_run_time=2.0).number_per_run == 1
    benchmark.Compare([one, many]).print()
    lines = capsys.readouterr().out.splitlines()
    assert "sums" in lines[0] and "a" in lines[1] and "1000.0" in lines[3] and "milliseconds" in lines[-1]
    with pytest.raises(ValueError, match="Python"):
        benchmark.Timer("x", language="c++")


# ---- hub, jit and what there is not ----


def test_hub_loads_local_directories_and_checks_hashes(tmp_path, monkeypatch):
    (tmp_path / "parts.py").write_text("import lucid.nn as nn\n")
    (tmp_path / "hubconf.py").write_text(
        'from parts import nn\ndependencies = ["lucid"]\ndef tiny(out=1):\n    "A tiny model."\n    return nn.Linear(2, out)\n'
    )
    assert lucid.hub.load(str(tmp_path), "tiny", out=3, source="local").weight.shape == (3, 2)
    assert lucid.hub.list(str(tmp_path)) == ["tiny"] and lucid.hub.help(str(tmp_path), "tiny") == "A tiny model."
    with pytest.raises(RuntimeError, match="Cannot find callable large"):
        lucid.hub.load(str(tmp_path), "large", source="local")
    with pytest.raises(NotImplementedError, match="clone it"):
        lucid.hub.load("pytorch/vision", "resnet18")
    monkeypatch.setattr(lucid.hub, "_dir", None)
    lucid.hub.set_dir(tmp_path / "hub")
    source = tmp_path / "net-00000000.pt"
    lucid.save({"w": lucid.ones(2)}, source)
    with pytest.raises(RuntimeError, match="invalid hash"):
        lucid.hub.load_state_dict_from_url(source.as_uri(), check_hash=True)
    assert list((tmp_path / "hub" / "checkpoints").iterdir()) == []
    assert lucid.hub.load_state_dict_from_url(source.as_uri())["w"].tolist() == [1.0, 1.0]
    assert (tmp_path / "hub" / "checkpoints" / source.name).exists()


def test_what_there_is_not_says_what_to_do():
    model = nn.Linear(1, 1)
    for call in (
        lambda: lucid.onnx.export(model, lucid.ones(1, 1), "x.onnx"),
        lambda: lucid.jit.save(lucid.jit.script(model), "x.pt"),
        lambda: lucid.jit.load("x.pt"),
        lambda: lucid.fx.symbolic_trace(model),
    ):
        with pytest.raises(NotImplementedError, match=r"lucid\.save|hooks"):
            call()
    assert lucid.jit.wait(lucid.jit.fork(lambda x: x + 1, 1)) == 2
    with pytest.raises(RuntimeError, match="eval"):
        lucid.jit.freeze(model)
    assert lucid.jit.freeze(model.eval()) is model and not lucid.xpu.is_available()


# ---- storage and sparse ----


def test_typed_storage_is_the_memory_of_all_views():
    x = lucid.arange(6).reshape(2, 3)
    storage = x.T.storage()
    assert len(storage) == storage.size() == 6 and list(storage) == list(range(6)) and storage.nbytes() == 48
    storage[0] = 7
    assert x[0, 0] == 7 and storage[0] == 7 and storage.data_ptr() == x.data_ptr()
    assert (
        repr(lucid.ones(1).storage()) == " 1.0\n[lucid.storage.TypedStorage(dtype=lucid.float32, device=cpu) of size 1]"
    )


def _coordinates(t, double=False):
    i = t.tensor([[0, 1, 1, 0], [2, 0, 2, 2]])
    v = t.tensor([3.0, 4.0, 5.0, 0.5], dtype=t.float64 if double else t.float32)
    return i, v


SPARSE = {
    "repr": lambda t, a, d: repr(a).replace("torch", "lucid"),
    "coalesce": lambda t, a, d: a.coalesce().values(),
    "indices": lambda t, a, d: a.coalesce().indices(),
    "dense": lambda t, a, d: a.to_dense(),
    "transpose": lambda t, a, d: a.t().to_dense(),
    "mm": lambda t, a, d: t.sparse.mm(a, d),
    "torch.mm": lambda t, a, d: t.mm(a, d),
    "spmm": lambda t, a, d: t.spmm(a, d),
    "matmul": lambda t, a, d: t.matmul(a, d),
    "operator": lambda t, a, d: a @ d,
    "vector": lambda t, a, d: a @ d[:, 0],
    "addmm": lambda t, a, d: t.sparse.addmm(t.ones(2, 2), a, d, beta=2.0, alpha=0.5),
    "sum": lambda t, a, d: t.sparse.sum(a),
    "sum of rows": lambda t, a, d: t.sparse.sum(a, 1).to_dense(),
    "softmax": lambda t, a, d: t.sparse.softmax(a, 1).to_dense(),
    "log_softmax": lambda t, a, d: t.sparse.log_softmax(a, 0).coalesce().values(),
    "scaled": lambda t, a, d: (a * 2.0 / 3.0).to_dense(),
    "added": lambda t, a, d: (a + a).to_dense(),
    "from dense": lambda t, a, d: repr(d.to_sparse()).replace("torch", "lucid"),
    "facts": lambda t, a, d: (
        tuple(a.shape),
        a._nnz(),
        a.is_sparse,
        a.sparse_dim(),
        a.size(1),
        a.is_coalesced(),
        a.dim(),
    ),
}


@needs_torch
@pytest.mark.parametrize("name", SPARSE)
def test_sparse_matrices_compute_as_torchs(name):
    results = []
    for t in (lucid, torch):
        a = t.sparse_coo_tensor(*_coordinates(t), (2, 3))
        results.append(SPARSE[name](t, a, t.arange(6.0).reshape(3, 2)))
    ours, theirs = results
    if isinstance(ours, lucid.Tensor):
        assert_close(ours, lucid.tensor(theirs.numpy()))
    else:
        assert ours == theirs


@needs_torch
@pytest.mark.parametrize("name", ["mm", "dense", "softmax"])
def test_gradients_of_sparse_products(name):
    values, factors = [], []
    for t in (lucid, torch):
        i, v = _coordinates(t, double=True)
        v.requires_grad_()
        d = t.arange(6.0, dtype=t.float64).reshape(3, 2).requires_grad_()
        (SPARSE[name](t, t.sparse_coo_tensor(i, v, (2, 3)), d) ** 2).sum().backward()
        values.append(v.grad.tolist())
        factors.append(d.grad.tolist() if name == "mm" else [])
    assert_close(*map(lucid.tensor, values))
    assert_close(*map(lucid.tensor, factors))


@needs_torch
@pytest.mark.parametrize(
    "make",
    [
        lambda t: t.sparse_coo_tensor([[0, 3]], [1.0, 2.0], (2,)),
        lambda t: t.sparse_coo_tensor([[0, -1]], [1.0, 2.0], (2,)),
        lambda t: t.sparse_coo_tensor([[0, 1]], [1.0, 2.0, 3.0], (2,)),
        lambda t: t.sparse_coo_tensor([0, 1], [1.0, 2.0], (2,)),
        lambda t: t.sparse_coo_tensor([[0, 1]], [1.0, 2.0], (2, 2)),
        lambda t: t.sparse_coo_tensor([[0, 0]], [1.0, 2.0], (1,)).indices(),
        lambda t: t.sparse.mm(t.eye(2).to_sparse(), t.ones(3, 1)),
        lambda t: t.sparse.mm(t.eye(2).to_sparse(), t.ones(2, 1).double()),
    ],
    ids=["outside", "negative", "lengths", "rank", "dimensions", "uncoalesced", "inner", "dtypes"],
)
def test_wrong_sparse_calls_raise_as_in_torch(make):
    with pytest.raises(RuntimeError), torch.sparse.check_sparse_tensor_invariants(True):
        make(torch)
    with pytest.raises(RuntimeError):
        make(lucid)


# ---- what prints ----

NAMED = {
    "cross_entropy": lambda t, x: t.nn.functional.cross_entropy(x, t.tensor([0, 1, 1])),
    "nll_loss": lambda t, x: t.nn.functional.nll_loss(x, t.tensor([0, 1, 1]), reduction="sum"),
    "mse_loss": lambda t, x: t.nn.functional.mse_loss(x, t.ones(3, 2)),
    "l1_loss": lambda t, x: t.nn.functional.l1_loss(x, t.ones(3, 2)),
    "bce": lambda t, x: t.nn.BCELoss()(x.sigmoid(), t.ones(3, 2)),
    "bce_with_logits": lambda t, x: t.nn.BCEWithLogitsLoss()(x, t.ones(3, 2)),
    "huber": lambda t, x: t.nn.functional.huber_loss(x, t.ones(3, 2)),
    "select": lambda t, x: x[0],
    "select column": lambda t, x: x[:, 1],
    "slice": lambda t, x: x[1:],
    "new axis": lambda t, x: x[:, None],
    "sum": lambda t, x: x.sum(),
    "sum of rows": lambda t, x: x.sum(1),
    "mean": lambda t, x: x.mean(0),
    "max": lambda t, x: x.max(),
    "max of rows": lambda t, x: x.max(1).values,
    "topk": lambda t, x: x.topk(1).values,
    "sort": lambda t, x: x.sort().values,
    "norm": lambda t, x: x.norm(dim=1),
    "std": lambda t, x: x.std(),
    "masked_fill": lambda t, x: x.masked_fill(x > 0, 0.0),
    "stack": lambda t, x: t.stack([x, x]),
    "square": lambda t, x: x**2,
    "clamp": lambda t, x: x.clamp(min=0),
    "bmm": lambda t, x: t.bmm(x[None], x.T[None]),
    "linear": lambda t, x: t.nn.functional.linear(x, x),
}


@needs_torch
@pytest.mark.parametrize("name", NAMED)
def test_nodes_have_pytorchs_names_and_still_differentiate(name):
    nodes, gradients = [], []
    for t in (lucid, torch):
        x = (t.arange(6.0).reshape(3, 2) / 7 - 0.3).requires_grad_()
        out = NAMED[name](t, x)
        nodes.append((out.grad_fn.name(), type(out.grad_fn).__name__, f"grad_fn=<{out.grad_fn.name()}>" in repr(out)))
        out.sum().backward()
        gradients.append(x.grad.tolist())
    assert nodes[0] == nodes[1]
    assert_close(*map(lucid.tensor, gradients))


class Share(lucid.utils.data.IterableDataset):
    def __iter__(self):
        info = lucid.utils.data.get_worker_info()
        return iter(range(6)) if info is None else iter(range(3 * info.id, 3 * info.id + 3))


class Whole(lucid.utils.data.IterableDataset):
    stop = 3

    def __iter__(self):
        return iter(range(self.stop))


def _shorten(number):
    lucid.utils.data.get_worker_info().dataset.stop = number + 1


def test_workers_read_iterable_datasets_as_pytorchs_processes_do():
    load = lambda *args, **options: [b.tolist() for b in lucid.utils.data.DataLoader(*args, **options)]  # noqa: E731
    assert load(Share(), 2, num_workers=2) == [[0, 1], [3, 4], [2], [5]]
    assert load(Share(), 2, num_workers=2, drop_last=True) == [[0, 1], [3, 4]]
    assert load(Whole(), 3, num_workers=2) == [[0, 1, 2], [0, 1, 2]]
    assert load(Whole(), 1, num_workers=2, worker_init_fn=_shorten) == [[0], [0], [1]] and Whole.stop == 3


@needs_torch
def test_order_of_dimensions_in_memory():
    shapes = [
        lambda t: t.ones(2, 3),
        lambda t: t.ones(2, 3).T,
        lambda t: t.ones(2, 3, 4).permute(1, 2, 0),
        lambda t: t.tensor(1),
    ]
    assert [f(lucid).dim_order() for f in shapes] == [f(torch).dim_order() for f in shapes]


@pytest.mark.parametrize("name", ["bool", "uint8", "int64", "float32", "float16", "complex64"])
def test_make_tensor_draws_what_was_asked_for(name):
    dtype = getattr(lucid, name)
    for x in (
        lucid.testing.make_tensor((40, 3), dtype=dtype),
        lucid.testing.make_tensor(40, 3, dtype=dtype, noncontiguous=True),
    ):
        assert x.shape == (40, 3) and x.dtype is dtype and len(set(x.flatten().tolist())) > 1
    assert not x.is_contiguous()
    if name in ("int64", "float32"):
        y = lucid.testing.make_tensor(100, dtype=dtype, low=0, high=2, exclude_zero=True)
        assert 0 < y.min() and y.max() < 2


@needs_torch
def test_assert_close_reports_as_torch_does():
    def pairs(t):
        yield t.tensor(1.0), t.tensor(2.0)
        yield 1.0, 2.0
        yield 1, 2
        yield t.tensor([1, 2]), t.tensor([1, 3])
        yield t.tensor([[0.0, 1.0]]), t.tensor([[0.0, 0.0]])
        yield {"a": t.ones(2)}, {"a": t.zeros(2)}

    for ours, theirs in zip(pairs(lucid), pairs(torch), strict=True):
        with pytest.raises(AssertionError) as expected:
            torch.testing.assert_close(*theirs)
        with pytest.raises(AssertionError) as got:
            assert_close(*ours)
        assert str(got.value).replace("0.3333333333333333", "0.3333333432674408") == str(expected.value)


def test_capsules_of_dlpack():
    x = lucid.arange(3)
    y = lucid.utils.dlpack.from_dlpack(lucid.utils.dlpack.to_dlpack(x))
    assert y.tolist() == [0, 1, 2] and y.dtype is lucid.int64
