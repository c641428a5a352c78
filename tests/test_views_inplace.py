"""Views and in-place ops: random programs run step by step in lucid and torch must agree in values, gradients and refusals."""

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import lucid
from lucid.core.view import _chain
from reference import needs_torch, torch

VIEWS = {
    "first": lambda x: x[0],
    "last": lambda x: x[-1],
    "tail": lambda x: x[1:],
    "every other": lambda x: x[::2],
    "column": lambda x: x[..., 0],
    "transpose": lambda x: x.transpose(0, -1),
    "T": lambda x: x.permute(tuple(reversed(range(x.ndim)))),
    "mT": lambda x: x.mT if x.ndim else x[0],
    "flat": lambda x: x.view(-1),
    "unsqueeze": lambda x: x.unsqueeze(0),
    "squeeze": lambda x: x.squeeze(),
    "diagonal": lambda x: x.diagonal(),
    "narrow": lambda x: x.narrow(0, 0, 1),
    "unfold": lambda x: x.unfold(-1, 1, 1),
    "expand": lambda x: x.unsqueeze(0).expand(2, *x.shape),
    "movedim": lambda x: x.movedim(0, -1),
    "view_as": lambda x: x.view_as(x),
    "reshape": lambda x: x.reshape(-1),
}
WRITES = {
    "add_": lambda x, y: x.add_(1.5),
    "mul_": lambda x, y: x.mul_(0.75),
    "sub_ scalar": lambda x, y: x.sub_(0.25),
    "zero_": lambda x, y: x.zero_(),
    "fill_": lambda x, y: x.fill_(0.5),
    "tanh_": lambda x, y: x.tanh_(),
    "neg_": lambda x, y: x.neg_(),
    "sigmoid_": lambda x, y: x.sigmoid_(),
    "clamp_": lambda x, y: x.clamp_(-0.5, 0.5),
    "square_": lambda x, y: x.square_(),
    "add_ mean": lambda x, y: x.add_(y.mean()),
    "mul_ mean": lambda x, y: x.mul_(y.mean()),
    "copy_ mean": lambda x, y: x.copy_(y.mean()),
    "add_ itself": lambda x, y: x.add_(x),
    "set first": lambda x, y: x.__setitem__(0, 0.3),
    "set first tensor": lambda x, y: x.__setitem__(0, y.sum()),
    "set array": lambda x, y: x.__setitem__([0, -1], 0.2),
    "set mask": lambda x, y: x.__setitem__(x > 0.4, 0.1),
    "iadd": lambda x, y: x.__iadd__(y.sum()),
    "T.add_": lambda x, y: x.transpose(0, -1).add_(0.5),
    "data.mul_": lambda x, y: x.data.mul_(0.5),
    "detach().add_": lambda x, y: x.detach().add_(0.25),
    "masked_fill_": lambda x, y: x.masked_fill_(x < 0, 0.6),
    "index_fill_": lambda x, y: x.index_fill_(0, _index(x), 0.7),
    "unsqueeze_": lambda x, y: x.unsqueeze_(0),
    "transpose_": lambda x, y: x.transpose_(0, -1),
    "squeeze_": lambda x, y: x.squeeze_(),
}
READS = {
    "sin": lambda x, y: x.sin(),
    "mul": lambda x, y: x * y.mean(),
    "square": lambda x, y: x * x,
    "clone": lambda x, y: x.clone(),
    "exp": lambda x, y: (x * 0.1).exp(),
    "gather": lambda x, y: x[[0, 0]],
    "contiguous": lambda x, y: x.contiguous(),
}


def _index(x):
    return (torch if isinstance(x, torch.Tensor) else lucid).tensor([0])


def attempt(f, *args):
    """(result, None) or (None, the exception)."""
    try:
        return f(*args), None
    except (RuntimeError, IndexError, ValueError, TypeError) as problem:
        return None, problem


class Programs(RuleBasedStateMachine):
    """The same steps in both libraries, on tensors that see each other's memory."""

    @initialize(leaf_grad=st.booleans(), shape=st.sampled_from([(2, 3), (3, 3), (4,), (2, 1, 2)]))
    def start(self, leaf_grad, shape):
        base = np.random.default_rng(len(shape)).normal(size=shape)
        self.leaves = [(lucid.tensor(base, requires_grad=leaf_grad), torch.tensor(base, requires_grad=leaf_grad))]
        other = np.random.default_rng(9).normal(size=(3,))
        self.leaves.append((lucid.tensor(other, requires_grad=True), torch.tensor(other, requires_grad=True)))
        a, b = self.leaves[0]
        self.tensors = [*self.leaves, (a * 1, b * 1)]
        self.log = []
        self.data_written = False

    def both(self, name, f, i, j=0, keep=True):
        """Run a step in both; both succeed or both refuse."""
        (x, p), (y, q) = self.tensors[i % len(self.tensors)], self.tensors[j % len(self.tensors)]
        if not keep and any(op.name == "broadcast_to" for op, _ in _chain(x)):
            return  # torch refuses some writes to expanded tensors, warns of others: see test_expanded_tensors_refuse_writes
        self.log.append((name, i % len(self.tensors), j % len(self.tensors)))
        self.data_written |= "data" in name
        (ours, a), (theirs, b) = attempt(f, x, y), attempt(f, p, q)
        assert (a is None) == (b is None), (self.log, repr(a), repr(b))
        if a is None and keep and theirs is not None and theirs is not p and theirs.numel() and len(self.tensors) < 12:
            self.tensors.append((ours, theirs))

    @rule(name=st.sampled_from(sorted(VIEWS)), i=st.integers(0, 11))
    def view(self, name, i):
        self.both(name, lambda x, _: VIEWS[name](x), i)

    @rule(name=st.sampled_from(sorted(WRITES)), i=st.integers(0, 11), j=st.integers(0, 11))
    def write(self, name, i, j):
        self.both(name, WRITES[name], i, j, keep=False)

    @rule(name=st.sampled_from(sorted(READS)), i=st.integers(0, 11), j=st.integers(0, 11))
    def read(self, name, i, j):
        self.both(name, READS[name], i, j)

    @rule(
        name=st.sampled_from(sorted(set(WRITES) - {"unsqueeze_", "transpose_", "squeeze_"})),
        i=st.integers(0, 11),
        j=st.integers(0, 11),
    )
    def write_without_recording(self, name, i, j):
        def f(x, y):
            with (torch if isinstance(x, torch.Tensor) else lucid).no_grad():
                return WRITES[name](x, y)

        self.both(f"no_grad {name}", f, i, j, keep=False)

    @rule(i=st.integers(0, 11))
    def detach(self, i):
        self.both("detach", lambda x, _: x.detach(), i)

    @precondition(lambda self: len(self.tensors) > 3)
    @rule(chosen=st.lists(st.integers(0, 11), min_size=1, max_size=3))
    def backward(self, chosen):
        def loss(k):
            parts = [self.tensors[i % len(self.tensors)][k] for i in chosen]
            return sum((t * t).sum() + t.sum() for t in parts)

        a, b = loss(0), loss(1)
        self.log.append(("backward", chosen))
        assert a.requires_grad == b.requires_grad, self.log
        if not b.requires_grad:
            return
        ours = attempt(
            lambda: lucid.autograd.grad(
                a, [x for x, p in self.leaves if p.requires_grad], allow_unused=True, retain_graph=True
            )
        )
        theirs = attempt(
            lambda: torch.autograd.grad(
                b, [p for _, p in self.leaves if p.requires_grad], allow_unused=True, retain_graph=True
            )
        )
        if theirs[1] is not None:
            return  # torch refuses; so do we, or we have kept what was overwritten (an output of a write through a view)
        if self.data_written and ours[1] is not None:
            return  # what was written through .data torch does not see, and would go on with wrong values; we refuse
        assert ours[1] is None, (self.log, repr(ours[1]))
        for g, h in zip(ours[0] or (), theirs[0] or (), strict=True):
            if g is None or h is None:
                assert (g is None or not g.numpy().any()) and (h is None or not h.numpy().any()), self.log
            else:
                np.testing.assert_allclose(g.numpy(), h.numpy(), rtol=1e-8, atol=1e-10, err_msg=str(self.log))

    @invariant()
    def everything_looks_the_same(self):
        for k, (x, p) in enumerate(getattr(self, "tensors", ())):
            assert tuple(x.shape) == tuple(p.shape), (self.log, k)
            np.testing.assert_allclose(
                x.detach().numpy(), p.detach().numpy(), rtol=1e-9, atol=1e-12, err_msg=f"{self.log} tensor {k}"
            )
            assert x.requires_grad == p.requires_grad, (self.log, k)
            assert x.is_leaf == p.is_leaf, (self.log, k)


Programs.TestCase.settings = settings(
    max_examples=120,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


@needs_torch
class TestPrograms(Programs.TestCase):
    pass


# ---- the rules one by one ------------------------------------------------------------------------------------------------


def both(test):
    return pytest.mark.parametrize(
        "L", [pytest.param(lucid, id="lucid"), pytest.param(torch, id="torch", marks=needs_torch)]
    )(test)


@both
def test_writing_through_a_view_is_differentiated(L):
    p = L.tensor([1.0, 2.0, 3.0], requires_grad=True)
    x = L.zeros(3, 3)
    x[1] = p * 2
    x.T[0].add_(p)
    x.diagonal().mul_(3.0)
    (x * x).sum().backward()
    # rows: x[0, 0] = 3 p0, x[1] = (2 p0 + p1, 6 p1, 2 p2), x[2, 0] = p2
    want = [18 * 1 + 4 * (2 * 1 + 2), 2 * (2 * 1 + 2) + 72 * 2, 8 * 3 + 2 * 3]
    assert p.grad.tolist() == want


@both
def test_leaves_refuse(L):
    leaf = L.zeros(3, requires_grad=True)
    for write in (
        lambda: leaf.add_(1),
        lambda: leaf[0].fill_(1.0),
        lambda: leaf.__setitem__(0, 1.0),
        lambda: leaf.copy_(L.ones(3)),
        lambda: leaf.unsqueeze_(0),
        lambda: leaf.view(3).zero_(),
    ):
        with pytest.raises(RuntimeError, match="leaf"):
            write()
    assert leaf.tolist() == [0, 0, 0]
    with L.no_grad():
        leaf.add_(1)
    leaf.data.mul_(2)
    assert leaf.tolist() == [2, 2, 2] and leaf.requires_grad and leaf.is_leaf


@both
def test_iadd_rebinds_nothing_and_keeps_the_graph(L):
    p = L.tensor([2.0], requires_grad=True)
    y = p * 3
    z = y
    y += 1
    y *= p
    assert z is y
    y.sum().backward()
    assert p.grad.item() == 3 * 2 * 2 + 1


@both
def test_overwriting_what_backward_needs_is_refused(L):
    p = L.ones(3, requires_grad=True)
    y = p * 1
    z = y * y
    y[0] = 5.0
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()
    w = p.exp()
    w.detach().add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        w.sum().backward()


@both
def test_overwriting_what_backward_does_not_need_is_fine(L):
    p = L.ones(3, requires_grad=True)
    y = p * 1
    z = y * 2.0
    y.add_(1)
    z.sum().backward()
    assert p.grad.tolist() == [2, 2, 2]


@both
def test_expanded_tensors_refuse_writes(L):
    x = L.zeros(3).expand(2, 3)
    with pytest.raises(RuntimeError, match="single memory location"):
        x.add_(1)


def test_overlapping_windows_refuse_writes():
    with pytest.raises(RuntimeError, match="single memory location"):
        lucid.arange(4.0).unfold(0, 2, 1).mul_(2)


@both
def test_version_counters(L):
    x = L.zeros(2, 2)
    view = x[0]
    assert x._version == 0
    view.add_(1)
    x.detach().add_(1)
    assert x._version == view._version == 2
    x.data.add_(1)
    assert x.tolist() == [[3, 3], [2, 2]]


@both
def test_views_know_their_base(L):
    x = L.zeros(2, 3)
    assert x[0]._is_view() and x[0]._base is x and x.T[0]._base is x
    assert not x._is_view() and not x.clone()._is_view() and x._base is None


@both
def test_detach_shares_memory_and_not_the_graph(L):
    p = L.ones(2, requires_grad=True)
    y = p * 2
    d = y.detach()
    d[0] = 7.0
    assert y.tolist() == [7, 2] and not d.requires_grad and d.is_leaf
    y.sum().backward()
    assert p.grad.tolist() == [2, 2]


@both
def test_out(L):
    x = L.tensor([1.0, 4.0])
    target = L.zeros(2, 2)
    row = target[0]
    assert L.sqrt(x, out=row) is row and target.tolist() == [[1, 2], [0, 0]]
    with pytest.raises(RuntimeError):
        L.add(x, 1, out=L.zeros(2, requires_grad=True))
    with pytest.raises(RuntimeError):
        L.sqrt(x, out=L.zeros(2, dtype=L.int64))


@both
def test_shape_changes_in_place_keep_older_views_right(L):
    x = L.arange(6.0).reshape(2, 3).clone()
    row, column = x[1], x[:, 0]
    x.unsqueeze_(0)
    x.transpose_(0, 2)
    assert tuple(x.shape) == (3, 2, 1)
    x.add_(10)
    assert row.tolist() == [13, 14, 15] and column.tolist() == [10, 13]
    row.zero_()
    assert x.squeeze().tolist() == [[10, 0], [11, 0], [12, 0]]


@both
def test_setting_data(L):
    p = L.zeros(2, requires_grad=True)
    p.data = L.tensor([1.0, 2.0, 3.0])
    (p * p).sum().backward()
    assert p.grad.tolist() == [2, 4, 6]


def test_an_operand_may_be_the_target_itself():
    """PyTorch refuses this backward; here the old contents are kept, and the derivative is right."""
    p = lucid.tensor([3.0], requires_grad=True)
    y = p * 1
    y.mul_(y)
    y.sum().backward()
    assert p.grad.item() == 6.0


def test_x_times_a_number_does_not_keep_x():
    import gc
    import weakref

    p = lucid.ones(1000, requires_grad=True)
    y = p + 0.0
    array = weakref.ref(y.value)
    z = y * 2.0
    del y
    gc.collect()
    assert array() is None and z.requires_grad


def test_what_shows_memory_of_another_is_not_resized_silently():
    x = lucid.zeros(8)
    with pytest.raises(RuntimeError, match="resize_: .*shape \\(4,\\)"):
        x[2:6].resize_(3, 3)
    assert x[2:6].resize_(4).shape == (4,) and x.resize_(3, 3).shape == (3, 3)
    with pytest.warns(UserWarning, match="resized"), pytest.raises(RuntimeError, match="resize_: .*shape \\(2,\\)"):
        lucid.add(lucid.ones(3), 1, out=lucid.zeros(4)[2:4])
    assert lucid.add(lucid.ones(3), 1, out=lucid.empty(0)).shape == (3,)


def test_a_view_is_of_the_class_of_tensors():
    x = lucid.ones(2, 2)
    for view in (x[0], x.T, x.detach(), x.view(4)):
        assert type(view) == lucid.Tensor == type(view) == type(x)  # noqa: E721
        assert type(view) in (int, lucid.Tensor)
        assert {lucid.Tensor: "handler"}[type(view)] == {type(view): "handler"}[lucid.Tensor] == "handler"
        assert type(view) != lucid.nn.Parameter != lucid.Tensor  # noqa: E721
