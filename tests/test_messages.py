"""What programs look for in the text of an error stays in it, and its class is the one they catch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import lucid
from lucid import nn
from lucid.utils.data import TensorDataset, random_split


def _twice() -> None:
    x = lucid.ones(3, requires_grad=True)
    y = (x * x).sum()
    y.backward()
    y.backward()


def _unused() -> None:
    x, y = lucid.ones(2, requires_grad=True), lucid.ones(2, requires_grad=True)
    lucid.autograd.grad(x.sum(), [x, y])


def _whole_numbers() -> None:
    x = lucid.ones(3, dtype=lucid.int32)
    x += 1.5


SAYS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "twice": (_twice, RuntimeError, "Trying to backward through the graph a second time"),
    "unused": (
        _unused,
        RuntimeError,
        "The differentiated Tensor at index 1 appears to not have been used in the graph",
    ),
    "sizes": (
        lambda: lucid.ones(2) + lucid.ones(3),
        RuntimeError,
        "The size of tensor a (2) must match the size of tensor b (3) at non-singleton dimension 0",
    ),
    "sizes of three": (
        lambda: lucid.where(lucid.ones(4, 1) > 0, lucid.ones(2), lucid.ones(3)),
        RuntimeError,
        "must match the size of tensor b (3) at non-singleton dimension 1",
    ),
    "matmul": (
        lambda: lucid.ones(2, 3) @ lucid.ones(2, 3),
        RuntimeError,
        "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)",
    ),
    "linear": (
        lambda: nn.Linear(4, 5)(lucid.ones(2, 7, 3)),
        RuntimeError,
        "mat1 and mat2 shapes cannot be multiplied (14x3 and 4x5)",
    ),
    "dtypes": (
        lambda: nn.Linear(2, 2)(lucid.ones(1, 2).double()),
        RuntimeError,
        "mat1 and mat2 must have the same dtype",
    ),
    "in place": (
        _whole_numbers,
        RuntimeError,
        "result type Float can't be cast to the desired output type Int",
    ),
    "rand": (lambda: lucid.rand(2, dtype=lucid.int64), NotImplementedError, "not implemented for"),
    "uniform_": (lambda: lucid.ones(2, dtype=lucid.int64).uniform_(), NotImplementedError, "not implemented for"),
    "split": (
        lambda: random_split(range(5), [2, 2]),
        ValueError,
        "Sum of input lengths does not equal the length of the input dataset!",
    ),
    "dataset": (lambda: TensorDataset(lucid.ones(2), lucid.ones(3)), AssertionError, "Size mismatch between tensors"),
    "pad": (lambda: nn.utils.rnn.pad_sequence([]), RuntimeError, "received an empty list of sequences"),
}


@pytest.mark.parametrize("name", SAYS)
def test_the_text_and_the_class(name: str) -> None:
    action, kind, text = SAYS[name]
    with pytest.raises(kind) as caught:
        action()
    assert text in str(caught.value)
