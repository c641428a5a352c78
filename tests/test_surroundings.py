"""What programs touch besides tensors and layers: accelerators, DataParallel, assert_close, samplers of several processes."""

import pytest

import lucid
from lucid import nn
from lucid.testing import assert_close
from reference import needs_torch, torch


def test_accelerator_answers_as_torch_does_without_one():
    accelerator = lucid.accelerator
    assert lucid.version.cuda is None or lucid.cuda.is_available()
    if accelerator.is_available():
        assert accelerator.current_accelerator().type in ("cuda", "mlx") and accelerator.device_count() >= 1
        return
    assert accelerator.current_accelerator() is None and accelerator.device_count() == 0
    for call in (accelerator.synchronize, accelerator.current_device_index, lambda: accelerator.set_device_index(0)):
        with pytest.raises(RuntimeError, match="none is available"):
            call()
    with pytest.raises(RuntimeError, match="Apple Silicon"):
        lucid.mps.synchronize()


def test_data_parallel_is_the_model_under_another_name():
    model = nn.Linear(3, 2)
    wrapped = nn.DataParallel(model)
    x = lucid.randn(4, 3)
    assert_close(wrapped(x), model(x))
    assert list(wrapped.state_dict()) == ["module.weight", "module.bias"] and wrapped.module is model
    assert_close(nn.parallel.data_parallel(model, x), model(x))
    with pytest.raises(RuntimeError, match="one device"):
        nn.DataParallel(model, device_ids=[0, 1])


def _pairs(t):
    one = t.tensor([1.0, 2.0])
    return {
        "equal": (one, one.clone(), {}),
        "close": (one, one + 1e-7, {}),
        "apart": (one, one + 1e-3, {}),
        "wide": (one, one + 1e-3, {"rtol": 0.0, "atol": 1e-2}),
        "shape": (one, one[None], {}),
        "dtype": (one, one.double(), {}),
        "dtype ignored": (one, one.double(), {"check_dtype": False}),
        "nan": (one * float("nan"), one * float("nan"), {}),
        "nan equal": (one * float("nan"), one * float("nan"), {"equal_nan": True}),
        "integers": (t.tensor([1, 2]), t.tensor([1, 3]), {}),
        "numbers": (1.0, 1.0 + 1e-9, {}),
        "numbers apart": (1, 2, {}),
        "mapping": ({"a": one}, {"a": one + 1}, {}),
        "keys": ({"a": one}, {"b": one}, {}),
        "lengths": ([one], [one, one], {}),
        "kinds": ("a", one, {}),
        "half": (one.half(), one.half() * 1.0005, {}),
        "half a tolerance": (one, one, {"rtol": 1.0}),
        "none": (None, one, {}),
        "stride": (one.reshape(1, 2).T, one.reshape(2, 1), {"check_stride": True}),
        "infinite": (one / 0, one / 0, {}),
        "complex": (t.tensor([1 + 2j]), t.tensor([1 + 2.1j]), {}),
        "empty": (one[:0], one[:0], {}),
    }


@needs_torch
@pytest.mark.parametrize("name", list(_pairs(lucid)))
def test_assert_close_agrees_with_torch(name):
    def outcome(check, t):
        a, b, options = _pairs(t)[name]
        try:
            check(a, b, **options)
        except Exception as problem:
            return type(problem)

    assert outcome(assert_close, lucid) is outcome(torch.testing.assert_close, torch)


def test_assert_close_says_where():
    with pytest.raises(
        AssertionError, match=r"Mismatched elements: 1 / 2 \(50.0%\)[\s\S]*index \(1,\)[\s\S]*item \['w'\]\[1\]"
    ):
        assert_close({"w": [1, lucid.tensor([1.0, 2.0])]}, {"w": [1, lucid.tensor([1.0, 3.0])]})
    with pytest.raises(AssertionError, match="mine"):
        assert_close(1, 2, msg="mine")


@needs_torch
@pytest.mark.parametrize("n", [1, 5, 8])
@pytest.mark.parametrize("drop_last", [False, True])
def test_distributed_sampler_as_in_torch(n, drop_last):
    from lucid.utils.data.distributed import DistributedSampler

    for rank in range(3):
        ours = DistributedSampler(range(n), 3, rank, shuffle=False, drop_last=drop_last)
        theirs = torch.utils.data.distributed.DistributedSampler(range(n), 3, rank, shuffle=False, drop_last=drop_last)
        assert list(ours) == list(theirs) and len(ours) == len(theirs)
    drawn = [DistributedSampler(range(8), 2, rank, seed=1) for rank in (0, 1)]
    assert sorted(i for s in drawn for i in s) == list(range(8))
    before = list(drawn[0])
    drawn[0].set_epoch(1)
    assert list(drawn[0]) != before
    with pytest.raises(ValueError, match="Invalid rank 2"):
        DistributedSampler(range(8), 2, 2)


def test_summary_writer_takes_tensors(tmp_path):
    pytest.importorskip("tensorboardX", reason="needs lucid[tensorboard]")
    from tensorboardX.proto import event_pb2

    from lucid.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("loss", lucid.tensor(0.5, requires_grad=True), 3)
        writer.add_scalars("both", {"a": lucid.tensor(1.0), "b": 2.0}, 3)
        writer.add_histogram("weights", lucid.randn(10), 3)
        writer.add_image("image", lucid.rand(3, 4, 4), 3)
    (log,) = tmp_path.glob("events*")
    data, events = log.read_bytes(), []
    while data:  # TFRecord: length, its checksum, the event, its checksum
        size = int.from_bytes(data[:8], "little")
        events.append(event_pb2.Event.FromString(data[12 : 12 + size]))
        data = data[16 + size :]
    values = {v.tag: v for e in events for v in e.summary.value}
    assert (
        values["loss"].simple_value == 0.5 and values["weights"].histo.num == 10 and values["image"].image.height == 4
    )


def test_a_group_of_one_process():
    import lucid.distributed as dist

    with pytest.raises(ValueError, match="init_process_group"):
        nn.parallel.DistributedDataParallel(nn.Linear(1, 1))
    with pytest.raises(RuntimeError, match="this group has 2"):
        dist.init_process_group("gloo", world_size=2, rank=0)
    assert dist.is_available() and not dist.is_initialized()
    dist.init_process_group("gloo", world_size=1, rank=0)
    try:
        model = nn.parallel.DistributedDataParallel(nn.Linear(2, 1))
        with model.no_sync():
            model(lucid.ones(1, 2)).sum().backward()
        grad = model.module.weight.grad
        dist.all_reduce(grad, op=dist.ReduceOp.SUM)
        assert grad.tolist() == [[1.0, 1.0]] and dist.get_rank() == 0 and dist.get_world_size() == 1
        parts = [lucid.zeros(2)]
        dist.all_gather(parts, lucid.ones(2))
        assert parts[0].tolist() == [1.0, 1.0] and dist.barrier() is None
        with pytest.raises(ValueError, match="rank 1"):
            dist.broadcast(grad, src=1)
        with pytest.raises(ValueError, match="twice"):
            dist.init_process_group("gloo")
    finally:
        dist.destroy_process_group()
    with pytest.raises(ValueError, match="init_process_group"):
        dist.get_rank()


def test_compile_and_jit_leave_results_alone():
    model = nn.Sequential(nn.Linear(2, 1), nn.Dropout(0.5))
    compiled = lucid.compile(model, mode="max-autotune", fullgraph=True)
    compiled.eval()
    x = lucid.randn(3, 2)
    assert_close(compiled(x), model(x))
    assert (
        next(iter(compiled.state_dict())) == "_orig_mod.0.weight" and not model.training and compiled._orig_mod is model
    )
    assert lucid.compile(lucid.sin) is lucid.sin and not lucid.compiler.is_compiling()
    with pytest.raises(TypeError, match="a module or a function"):
        lucid.compile(3)

    class Block(nn.Module):
        size: lucid.jit.Final[int] = 3

        @lucid.jit.ignore
        def forward(self, x):
            return x if lucid.jit.is_scripting() else x * 2

    assert lucid.jit.script(Block())(lucid.ones(1)).item() == 2.0


def _foreach_cases(t):
    xs = [t.tensor([1.0, -2.0]), t.tensor([[3.0]])]
    ys = [t.tensor([0.5, 4.0]), t.tensor([[2.0]])]
    return {
        "add": (xs, ys, {"alpha": 2.0}),
        "add_": (xs, 3.0),
        "mul_": (xs, [2.0, 5.0]),
        "mul": (xs, t.tensor(3.0)),
        "div_": (xs, ys),
        "addcmul_": (xs, ys, ys, [0.5, 2.0]),
        "addcdiv_": (xs, ys, ys, -0.5),
        "addcdiv": (xs, ys, ys, t.tensor([1.0, 2.0])),
        "lerp_": (xs, ys, 0.25),
        "maximum_": (xs, ys),
        "clamp_min_": (xs, 0.0),
        "maximum": (xs, 0.5),
        "sqrt": (ys,),
        "norm": (xs,),
        "zero_": (xs,),
        "copy_": (xs, ys),
        "sign_": (xs,),
        "pow": (ys, 2.0),
        "powsum": (xs, 3),
        "sub": (xs, ys, {"alpha": 2.0}),
        "mm": ([t.ones(1, 2), t.ones(2, 2)], [t.ones(2, 3), t.ones(2, 1)]),
    }


@needs_torch
@pytest.mark.parametrize("name", list(_foreach_cases(lucid)))
def test_foreach_as_in_torch(name):
    def run(t):
        first, *args = _foreach_cases(t)[name]
        kwargs = args.pop() if args and isinstance(args[-1], dict) else {}
        made = getattr(t, "_foreach_" + name)(first, *args, **kwargs)
        return [x.tolist() for x in (first if name.endswith("_") else made)]

    assert lucid.tensor(run(lucid)[0]).allclose(lucid.tensor(run(torch)[0])) and run(lucid)[1] == run(torch)[1]


def test_foreach_refuses():
    with pytest.raises(RuntimeError, match="same number"):
        lucid._foreach_add([lucid.ones(1)], [lucid.ones(1)] * 2)
    for name, args in {
        "abs": ([1.0, 2.0],),
        "add": (None,),
        "addcmul": ([1.0, 2.0],),
        "maximum": (lucid.ones(2),),
        "sub": ([1.0, lucid.ones(1)],),
        "copy_": (1.0,),
        "norm": ([1, 2],),
        "lerp": (),
    }.items():
        with pytest.raises(TypeError, match="_foreach_|add"):
            getattr(lucid, f"_foreach_{name}")([lucid.ones(2), lucid.ones(2)], *args)
    for given in (lucid.ones(2, 2), [1.0], None):
        with pytest.raises(TypeError, match="list of Tensors"):
            lucid._foreach_abs(given)
    with pytest.raises(RuntimeError, match="0 dim"):
        lucid._foreach_mul([lucid.ones(2)], lucid.ones(1))
    both = [lucid.ones(2), lucid.ones(1)]
    assert lucid._foreach_sqrt_(both) is both and type(lucid._foreach_sqrt(both)) is tuple
    assert lucid._foreach_pow(2.0, both)[0].tolist() == [2.0, 2.0]
    with pytest.raises(AttributeError, match="_foreach_nothing"):
        _ = lucid._foreach_nothing


def test_kinds_of_tensors_and_their_constructors():
    x = lucid.ones(2)
    assert not any(
        getattr(x, f"is_{kind}") for kind in "xpu xla mps meta sparse quantized nested mkldnn vulkan".split()
    )
    assert x.type(lucid.DoubleTensor).type() == "lucid.DoubleTensor" and isinstance(x, lucid.FloatTensor)
    assert (
        not isinstance(x, lucid.cuda.FloatTensor) and repr(lucid.cuda.FloatTensor) == "<class 'lucid.cuda.FloatTensor'>"
    )
    if not lucid.cuda.is_available():
        with pytest.raises((RuntimeError, ImportError), match="cuda|CuPy"):
            lucid.cuda.FloatTensor([1.0])
        with pytest.raises((RuntimeError, ImportError), match="cuda|CuPy"):
            x.type(lucid.cuda.LongTensor)
    y = lucid.tensor([-1.0, 1.0])
    assert lucid.threshold_(y, 0.0, 5.0) is y and y.tolist() == [5.0, 1.0]


def test_assert_and_library_switches():
    lucid._assert(lucid.tensor(True), "not raised")
    with pytest.raises(AssertionError, match="of two"):
        lucid._assert(lucid.tensor(0), "of two")
    assert not lucid.backends.mkl.is_available() and not lucid.backends.openmp.is_available()


def test_the_older_assert_close():
    with pytest.warns(FutureWarning):
        lucid.testing.assert_allclose(lucid.tensor([1.0, float("nan")]), [1.00009, float("nan")])
        lucid.testing.assert_allclose(lucid.tensor([2], dtype=lucid.int32), [2.0])
        with pytest.raises(AssertionError, match="Mismatched elements: 1 / 2"):
            lucid.testing.assert_allclose([1.0, 2.0], lucid.tensor([1.0, 2.001]))
        with pytest.raises(AssertionError, match="mine"):
            lucid.testing.assert_allclose([1.0], [1.1], rtol=0, atol=0.01, msg="mine")
