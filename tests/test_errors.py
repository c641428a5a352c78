"""Bad input: PyTorch's error type, and a message that says what came and what would be right."""

import numpy as np
import pytest

import lucid

x23, x45 = lucid.ones(2, 3), lucid.ones(4, 5)

CASES = [
    (lambda: lucid.tensor([[1], [2, 3]]), ValueError, "length 1 at dim 1"),
    (lambda: lucid.tensor([1, [2]]), (TypeError, ValueError), "dim 1"),
    (lambda: lucid.tensor(np.array([object()])), TypeError, "dtype object"),
    (lambda: lucid.tensor("text"), TypeError, "str"),
    (lambda: lucid.tensor([1.0], dtype="float99"), TypeError, "float99"),
    (lambda: lucid.tensor([None]), TypeError, "NoneType"),
    (lambda: lucid.tensor([1], requires_grad=True), RuntimeError, "floating point"),
    (lambda: lucid.ones(3, requires_grad=True).backward(), RuntimeError, "scalar"),
    (lambda: lucid.ones(()).backward(), RuntimeError, "does not require grad"),
    (lambda: lucid.ones(3, requires_grad=True).backward(lucid.ones(2)), RuntimeError, "shape"),
    (lambda: x23 @ x45, RuntimeError, r"\(2, 3\) @ \(4, 5\); 3 != 4"),
    (lambda: x23 + x45, RuntimeError, r"\(2, 3\) and \(4, 5\)"),
    (lambda: x23 @ lucid.ones(3, dtype=lucid.float64), RuntimeError, "dtype"),
    (lambda: x23 + "a", TypeError, "str"),
    (lambda: x23 + None, TypeError, "None"),
    (lambda: x23.reshape(4, 2), RuntimeError, r"\[4, 2\]"),
    (lambda: x23.reshape(-1, -1), RuntimeError, "-1"),
    (lambda: x23.sum(2), IndexError, "range of"),
    (lambda: x23.sum((0, 0)), RuntimeError, "multiple times"),
    (lambda: x23[2], IndexError, "out of bounds"),
    (lambda: x23[0, 0, 0], IndexError, "too many indices"),
    (lambda: x23[lucid.tensor([5])], IndexError, "5"),
    (lambda: x23[lucid.tensor([1.0])], IndexError, "float32"),
    (lambda: x23[lucid.tensor([True])], IndexError, "mask"),
    (lambda: x23["a"], (TypeError, IndexError), "str"),
    (lambda: x23.permute(0, 0), RuntimeError, "permute"),
    (lambda: x23.expand(2, 4), RuntimeError, "expand"),
    (lambda: x23.mean(dtype=lucid.int64), RuntimeError, "int64"),
    (lambda: lucid.arange(3).mean(), RuntimeError, "int64"),
    (lambda: bool(x23), RuntimeError, "ambiguous"),
    (lambda: x23.item(), RuntimeError, "6 elements"),
    (lambda: len(lucid.tensor(1.0)), TypeError, "0-d"),
    (lambda: float(x23), RuntimeError, "6 elements"),
    (lambda: [1, 2, 3][lucid.tensor(1.0)], TypeError, "integer"),
    (lambda: lucid.ones(2, requires_grad=True).numpy(), RuntimeError, "detach"),
    (lambda: lucid.ones(-1), RuntimeError, "negative"),
    (lambda: lucid.ones("a"), TypeError, "str"),
    (lambda: lucid.cat([]), RuntimeError, "non-empty"),
    (lambda: lucid.cat([x23, x45]), RuntimeError, "Sizes of tensors must match"),
    (lambda: lucid.stack([x23, x45]), RuntimeError, "equal size"),
    (lambda: lucid.tensor([1]) // 0, RuntimeError, "zero"),
    (lambda: lucid.tensor([2]) ** -1, RuntimeError, "negative"),
    (lambda: lucid.tensor([True]) - lucid.tensor([True]), RuntimeError, "bool"),
    (lambda: lucid.device("tpu"), RuntimeError, "tpu"),
    (lambda: lucid.ones(2, device="nowhere"), RuntimeError, "nowhere"),
    (lambda: lucid.set_default_dtype(lucid.int64), TypeError, "floating"),
    (lambda: lucid.ones(2).requires_grad_() .add_(1), RuntimeError, "leaf"),
    (lambda: lucid.ones(2).add_(lucid.ones(3, 2)), RuntimeError, "broadcast shape"),
    (lambda: lucid.arange(2).add_(0.5), RuntimeError, "can't be cast"),
    (lambda: lucid.ones(1).expand(3).add_(1), RuntimeError, "single memory location"),
    (lambda: lucid.arange(0, 1, 0), RuntimeError, "nonzero"),
    (lambda: lucid.topk(lucid.ones(2), 3), RuntimeError, "out of range"),
    (lambda: lucid.uint64.nothing, AttributeError, "nothing"),
    (lambda: lucid.nothing, AttributeError, "nothing"),
    (lambda: lucid.ones(2).nothing, AttributeError, "nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("action", "kind", "says"), CASES, ids=range(len(CASES)))
def test_bad_input(action, kind, says):
    with pytest.raises(kind, match=says):
        action()


def test_twice_through_a_freed_graph():
    x = lucid.ones(2, requires_grad=True)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4.0, 4.0]
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_a_failed_call_changes_nothing():
    x = lucid.ones(2)
    for action in (
        lambda: x.add_(lucid.ones(3)),
        lambda: x.copy_(lucid.ones(5)),
        lambda: x.__setitem__(5, 1.0),
        lambda: x.mul_("a"),
    ):
        with pytest.raises((RuntimeError, IndexError, TypeError)):
            action()
    assert x.tolist() == [1.0, 1.0] and x._version == 0


def test_an_overwritten_value_that_backward_needs():
    x = lucid.ones(2, requires_grad=True)
    y = x.exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match="exp.*inplace|inplace.*exp"):
        y.sum().backward()


def test_warnings_as_errors_do_not_break_arithmetic():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert lucid.log(lucid.tensor([0.0])).item() == -float("inf")
        assert (lucid.tensor([1.0]) / 0).item() == float("inf")
        x = lucid.tensor([0.0], requires_grad=True)
        x.sqrt().backward()
        assert x.grad.item() == float("inf")
