"""A machine of two cards, imitated: which one is current, what moves, what must not mix, random numbers, memory, training."""

import pytest

import lucid
import lucid.nn.functional as F
from lucid import nn
from lucid.testing import strict
from reference import MISSING

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(
        bool(MISSING["strict tests"]) or not MISSING["CuPy tests"], reason=f"strict tests: {MISSING['strict tests']}"
    ),
]


@pytest.fixture(autouse=True)
def two():
    with strict.installed(devices=2) as counters:
        yield counters


def test_cuda_means_the_current_device():
    assert lucid.cuda.device_count() == 2 and lucid.cuda.current_device() == 0
    assert str(lucid.ones(2, device="cuda").device) == "cuda:0"
    lucid.cuda.set_device(1)
    assert str(lucid.ones(2, device="cuda").device) == "cuda:1"
    x = lucid.ones(2).cuda()
    assert x.get_device() == 1 and lucid.randn(2, device="cuda").device == "cuda:1"
    assert str(lucid.ones(2, device="cuda:0").to("cuda").device) == "cuda:1"
    with lucid.cuda.device(0):
        assert str(lucid.zeros(1, device="cuda").device) == "cuda:0" and lucid.cuda.current_device() == 0
    with lucid.device("cuda"):
        assert str(lucid.zeros(1).device) == "cuda:1"
    assert next(nn.Linear(2, 2).cuda().parameters()).get_device() == 1
    assert next(nn.Linear(2, 2).to("cuda:0").parameters()).get_device() == 0
    with lucid.cuda.device_of(lucid.ones(1, device="cuda:0")):
        assert lucid.cuda.current_device() == 0
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        lucid.ones(1, device="cuda:2")
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        lucid.cuda.set_device(2)


def test_work_is_done_where_the_tensors_are():
    x = lucid.arange(6.0, device="cuda:1").reshape(2, 3).requires_grad_()
    y = (x.T @ x).softmax(0)[lucid.tensor([0, 1], device="cuda:1")] * lucid.tensor(
        2.0
    )  # 0-d tensors of the CPU may join
    z = y.sum() + y[y > 0.5].sum() + y.cumsum(0).max()
    z.backward()
    assert {t.get_device() for t in (y, z, x.grad, y.sort().values, lucid.cat([y, y]), y.half().float())} == {1}
    assert lucid.cuda.current_device() == 0 and lucid.isfinite(x.grad).all()
    y[0] = 1.0
    y.add_(1).view(-1)[2:].zero_()
    assert y.get_device() == 1


def test_devices_do_not_mix():
    a, b = lucid.ones(3, device="cuda:0"), lucid.ones(3, device="cuda:1")
    for op in (lambda: a + b, lambda: lucid.cat([a, b]), lambda: a @ b, lambda: lucid.where(a > 0, a, b), lambda: a.add_(b),
               lambda: F.linear(a, b[None]), lambda: F.mse_loss(a, b), lambda: a.gather(0, b.long())):  # fmt: skip
        with pytest.raises(RuntimeError, match=r"same device, but found cuda:[01] and cuda:[01]"):
            op()
    assert a.sum().item() == 3
    a.copy_(b * 2)
    assert a.tolist() == [2, 2, 2] and a.get_device() == 0
    a[1:] = b[1:]
    assert a.tolist() == [2, 1, 1] and (b.to(a.device) + a).get_device() == 0
    leaf = lucid.ones(2, device="cuda:0", requires_grad=True)
    (leaf.to("cuda:1") * lucid.tensor([1.0, 2.0], device="cuda:1")).sum().backward()  # the gradient travels back
    assert leaf.grad.get_device() == 0 and leaf.grad.tolist() == [1, 2]


def test_each_device_has_its_random_numbers():
    lucid.manual_seed(3)
    first = [lucid.rand(3, device=f"cuda:{i}").tolist() for i in (0, 1)]
    lucid.cuda.set_device(1)
    lucid.cuda.manual_seed(3)  # of the current device
    assert lucid.rand(3, device="cuda").tolist() == first[1]
    assert lucid.rand(3, device="cuda:0").tolist() != first[0]
    state = lucid.cuda.get_rng_state("cuda:1")
    drawn = lucid.randn(2, device="cuda:1").tolist()
    lucid.randn(2, device="cuda:0")
    lucid.cuda.set_rng_state(state, "cuda:1")
    assert lucid.randn(2, device="cuda:1").tolist() == drawn
    lucid.cuda.manual_seed_all(9)
    assert lucid.rand(2, device="cuda:0").tolist() == lucid.rand(2, device="cuda:1").tolist()
    own = lucid.Generator("cuda").manual_seed(1)
    assert own.device == "cuda:1" and lucid.rand(2, generator=own, device="cuda").get_device() == 1


def test_memory_is_counted_per_device():
    lucid.cuda.reset_peak_memory_stats(1)
    before = [lucid.cuda.memory_allocated(i) for i in (0, 1)]
    x = lucid.zeros(1000, device="cuda:1")
    assert lucid.cuda.memory_allocated(1) == before[1] + 4000 and lucid.cuda.memory_allocated(0) == before[0]
    del x
    assert lucid.cuda.memory_allocated(1) == before[1] and lucid.cuda.max_memory_allocated(1) >= before[1] + 4000
    lucid.cuda.set_device(1)
    lucid.cuda.empty_cache()
    assert lucid.cuda.memory_reserved() == lucid.cuda.memory_allocated("cuda:1")
    assert "cuda:1" in lucid.cuda.memory_summary()


@pytest.mark.parametrize("kind", ["Adam", "SGD"])
def test_a_model_on_two_devices_trains(kind):
    """The halves of a network on a card each, as in model parallelism; and all state stays where its parameter is."""
    lucid.manual_seed(0)
    head, tail = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()), nn.Linear(144, 3)
    x, labels = lucid.randn(8, 1, 8, 8), lucid.randint(0, 3, (8,))

    def trained(first, second):
        lucid.manual_seed(0)
        for m, where in ((head, first), (tail, second)):
            m.load_state_dict(states[m])
            m.to(where)
        opt = getattr(lucid.optim, kind)([*head.parameters(), *tail.parameters()], lr=0.05)
        losses = []
        for _ in range(4):
            loss = F.cross_entropy(tail(head(x.to(first)).to(second)), labels.to(second))
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(list(head.parameters()), 5.0)
            opt.step()
            losses.append(loss.item())
        for p in (*head.parameters(), *tail.parameters()):
            assert all(v.device == p.device for v in opt.state[p].values() if isinstance(v, lucid.Tensor) and v.ndim)
        return losses

    states = {m: {k: v.clone() for k, v in m.state_dict().items()} for m in (head, tail)}
    expected = trained("cpu", "cpu")
    assert trained("cuda:0", "cuda:1") == pytest.approx(expected, rel=1e-4)
