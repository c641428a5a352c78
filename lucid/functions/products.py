"""Products of vectors, matrices and stacks of them."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..core.errors import DTypeError, ShapeError
from ..core.fast import is_foreign
from ..core.graph import entitled
from ..core.precision import as_they_come, autocast_unites
from ..core.tensor import Tensor
from ..ops.matrices import matmul as matmul_op
from .registry import public, tensor_arg


@public()
def matmul(input: Any, other: Tensor) -> Tensor:
    """The matrix product, for every rank: vectors, matrices, and stacks of matrices that broadcast.

    Raises RuntimeError where inner sizes differ or an operand is 0-d.

    >>> import lucid
    >>> lucid.matmul(lucid.tensor([[1.0, 2.0]]), lucid.tensor([3.0, 4.0]))
    tensor([11.])
    """
    if not isinstance(input, Tensor) and hasattr(input, "matmul"):  # a sparse matrix
        return input.matmul(other)
    x, y = tensor_arg(input, "matmul"), tensor_arg(other, "matmul", "other")
    a, b = x.value.shape, y.value.shape
    if len(a) == 2 and len(b) == 2 and a[1] == b[0] and x.value.dtype is y.value.dtype:  # the common case first
        return matmul_op(x, y)
    p, q = len(a), len(b)
    if not p or not q:
        raise ShapeError(f"matmul: both arguments need to be at least 1D, but they are {p}D and {q}D")
    inner = b[0] if q == 1 else b[-2]
    if a[-1] != inner:
        if p == q == 2:
            raise ShapeError(
                f"matmul: mat1 and mat2 shapes cannot be multiplied ({a[0]}x{a[1]} and {b[0]}x{b[1]}): "
                f"{tuple(a)} @ {tuple(b)}; {a[1]} != {b[0]}"
            )
        raise ShapeError(f"matmul: inner sizes differ: {tuple(a)} @ {tuple(b)}; {a[-1]} != {inner}")
    if x.dtype is not y.dtype and not autocast_unites(x, y):
        raise DTypeError(
            f"matmul: expected both operands to have the same dtype, but got {x.dtype} and {y.dtype}; cast one with .to()"
        )
    if p == 2 and q == 2:
        return matmul_op(x, y)
    if p == q > 2 and a[:-2] == b[:-2]:
        return matmul_op(x, y)
    if p == 1:
        x = ops.reshape(x, (1, a[0]))
    if q == 1:
        y = ops.reshape(y, (b[0], 1))
    if p > 2 and q <= 2:  # one large product instead of a stack of small ones
        flat = matmul_op(ops.reshape(x, (-1 if a[-1] else row_count(a), a[-1])), y)
        return ops.reshape(flat, (*a[:-1], b[-1]) if q == 2 else tuple(a[:-1]))
    out = matmul_op(x, y)
    if p == 1 or q == 1:
        sizes = list(out.shape)
        if q == 1:
            del sizes[-1]
        if p == 1:
            del sizes[-1 if q == 1 else -2]
        out = ops.reshape(out, tuple(sizes))
    return out


def row_count(shape: tuple[int, ...]) -> int:
    n = 1
    for size in shape[:-1]:
        n *= size
    return n


def _ranks(name: str, x: Tensor, p: int, y: Tensor, q: int) -> None:
    if len(tensor_arg(x, name).value.shape) != p or len(tensor_arg(y, name, "mat2").value.shape) != q:
        raise RuntimeError(
            f"{name}: expected a {p}-D and a {q}-D tensor, got shapes {tuple(x.shape)} and {tuple(y.shape)}"
        )


@public()
def mm(input: Any, mat2: Tensor) -> Tensor:
    """The product of two matrices.

    >>> import lucid
    >>> lucid.mm(lucid.eye(2), lucid.ones(2, 1)).shape
    lucid.Size([2, 1])
    """
    if not isinstance(input, Tensor) and hasattr(input, "matmul"):
        return input.matmul(mat2)
    _ranks("mm", input, 2, mat2, 2)
    return matmul(input, mat2)


@public()
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two stacks of matrices of the same length.

    >>> import lucid
    >>> lucid.bmm(lucid.ones(5, 2, 3), lucid.ones(5, 3, 4)).shape
    lucid.Size([5, 2, 4])
    """
    _ranks("bmm", input, 3, mat2, 3)
    if input.value.shape[0] != mat2.value.shape[0]:
        raise ShapeError(f"bmm: batch sizes differ: {tuple(input.shape)} and {tuple(mat2.shape)}")
    return matmul(input, mat2)


@public()
def mv(input: Any, vec: Tensor) -> Tensor:
    """The product of a matrix and a vector."""
    if not isinstance(input, Tensor) and hasattr(input, "matmul"):
        return input.matmul(vec)
    _ranks("mv", input, 2, vec, 1)
    return entitled(as_they_come(matmul, input, vec), "MvBackward0")


@public()
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The inner product of two vectors of one length.

    >>> import lucid
    >>> lucid.dot(lucid.tensor([1.0, 2.0]), lucid.tensor([3.0, 4.0]))
    tensor(11.)
    """
    if input.ndim != 1 or tensor.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors")
    return entitled(as_they_come(matmul, input, tensor), "DotBackward0")


def _matmul_operator(self: Tensor, other: Any) -> Any:
    return matmul(self, other) if isinstance(other, Tensor) or hasattr(other, "__array__") else NotImplemented


Tensor.__matmul__ = _matmul_operator  # type: ignore[attr-defined]
Tensor.__rmatmul__ = lambda self, other: (  # type: ignore[attr-defined]
    matmul(tensor_arg(other, "matmul"), self) if is_foreign(other) is None else NotImplemented
)
