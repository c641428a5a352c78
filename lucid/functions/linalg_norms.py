"""Norms and what follows from singular values: rank, condition; powers and functions of matrices (``lucid.linalg``)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.errors import LinAlgError, ShapeError
from ..core.tensor import Tensor
from ..ops import matrices as linalg_ops
from ..ops import norms as norm_ops
from .attributes import constant_in
from .checking import Scalar, fits, real_arg
from .linalg_factor import eigvalsh, svdvals
from .linalg_solve import eye_for, inv, matrices
from .registry import dim_arg, dims_arg, public, tensor_arg

__all__ = [
    "cond",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "vander",
    "vector_norm",
]


@public(method=False, function=False)
def vector_norm(x: Tensor, ord: Scalar = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """``(sum |x|^ord)^(1/ord)``, with inf for the largest, -inf for the smallest, 0 for the count of nonzeros.

    >>> import lucid
    >>> lucid.linalg.vector_norm(lucid.tensor([3.0, 4.0]))
    tensor(5.)
    """
    x = tensor_arg(x, "linalg.vector_norm", "x")
    if x.dtype.category < dtypes.FLOAT:
        raise RuntimeError(f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {x.dtype}")
    if dtype is not None:
        dtype = dtypes.as_dtype(dtype)
        if dtype.category < dtypes.FLOAT:
            raise RuntimeError(f"linalg.vector_norm: dtype should be floating point or complex, but got {dtype}")
        if dtype.is_complex != x.dtype.is_complex or dtypes.promote_types(x.dtype, dtype) is not dtype:
            raise RuntimeError(
                f"linalg.vector_norm: the dtype of the input ({x.dtype}) should be convertible without narrowing to {dtype}"
            )
        x = x.to(dtype)
    p = real_arg(ord, "linalg.vector_norm", "ord")
    axes = dims_arg(dim, x.ndim, "linalg.vector_norm")
    sizes = [x.shape[d] for d in (range(x.ndim) if axes is None else axes)]
    if 0 in sizes and (p < 0 or p == math.inf):
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {p} norm on an empty tensor because the operation does not have an identity"
        )
    return norm_ops.vector_norm(x, p, axes, bool(keepdim))


@public(method=False, function=False)
def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """A norm of each matrix: "fro", "nuc", inf, -inf (rows), 1, -1 (columns), 2, -2 (singular values).

    >>> import lucid
    >>> lucid.linalg.matrix_norm(lucid.tensor([[1.0, -2.0], [3.0, 4.0]]), 1)
    tensor(6.)
    """
    if not isinstance(ord, str):
        ord = real_arg(ord, "linalg.matrix_norm", "ord")
    small = isinstance(A, Tensor) and A.dtype.itemsize == 2 and A.ndim > 1 and ord not in ("nuc", 2, -2)
    x = A if small else matrices(A, "matrix_norm")  # these need no factorization
    if len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {tuple(dim)}")
    a, b = dim_arg(dim[0], x.ndim, "linalg.matrix_norm"), dim_arg(dim[1], x.ndim, "linalg.matrix_norm")
    if a == b:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    if dtype is not None:
        x = x.to(dtypes.as_dtype(dtype))
    if ord == "fro":
        return vector_norm(x, 2, (a, b), keepdim)
    if ord not in ("nuc", 1, -1, 2, -2, math.inf, -math.inf):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    if ord == "nuc" or abs(ord) == 2:
        last = x.movedim((a, b), (-2, -1))  # type: ignore[attr-defined]
        s = svdvals(last)
        found = (
            s.sum(-1) if ord == "nuc" or (ord == 2 and not s.shape[-1]) else (s.amax(-1) if ord == 2 else s.amin(-1))
        )
    else:
        summed, other = (a, b) if abs(ord) == 1 else (b, a)
        totals = vector_norm(x, 1, summed)
        rest = other - (other > summed)
        if ord > 0 and not totals.shape[rest]:
            found = totals.sum(rest)  # of nothing: 0
        else:
            found = totals.amax(rest) if ord > 0 else totals.amin(rest)
    return ops.reshape(found, tuple(1 if i in (a, b) else n for i, n in enumerate(x.shape))) if keepdim else found


@public(method=False, function=False)
def norm(A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """A vector norm, or a matrix norm where ``dim`` names two dimensions (or, with ``ord``, the input is a matrix)."""
    x = tensor_arg(A, "linalg.norm", "A")
    if ord is not None:
        given = None if dim is None else ((dim,) if isinstance(dim, int) else tuple(dim))
        if given is not None and len(given) not in (1, 2):
            raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(given)}")
        if given is None and x.ndim not in (1, 2):
            raise RuntimeError(
                f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {x.ndim}D."
            )
        if isinstance(ord, str) or len(given if given is not None else x.shape) == 2:
            if given is not None and len(given) == 1:
                raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {given}")
            return matrix_norm(x, ord, given or (0, 1), keepdim, dtype=dtype)
        return vector_norm(x, ord, given, keepdim, dtype=dtype)
    return vector_norm(x, 2, dim, keepdim, dtype=dtype)


def _norm(input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    """A norm over ``dim`` (all dimensions by default): "fro" or a number for vectors, "nuc" for matrices.

    >>> import lucid
    >>> lucid.norm(lucid.tensor([3.0, 4.0]))
    tensor(5.)
    """
    x = tensor_arg(input, "norm")
    dims = None if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    if p == "nuc":
        return matrix_norm(x, "nuc", dims or (-2, -1), keepdim, dtype=dtype)
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f"only valid string values are 'fro' and 'nuc', found {p}")
    return vector_norm(x, 2 if p in ("fro", None) else p, dims, keepdim, dtype=dtype)


_norm.__name__ = "norm"
public()(_norm)


# ---- rank and condition ----


@public(method=False, function=False)
def matrix_rank(A: Tensor, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Tensor:
    """How many singular values exceed ``max(atol, rtol * largest)`` (``tol`` is an absolute tolerance).

    >>> import lucid
    >>> lucid.linalg.matrix_rank(lucid.ones(3, 3))
    tensor(1)
    """
    x = matrices(A, "matrix_rank", square=hermitian).detach()
    s = ops.abs(eigvalsh(x)) if hermitian else svdvals(x)
    if tol is not None:
        return ops.sum(s > _limit(tol, s), (s.ndim - 1,))
    if rtol is None:
        rtol = (
            0.0
            if atol is not None and (isinstance(atol, Tensor) or atol > 0)
            else dtypes.finfo(x.dtype).eps * max(x.shape[-2:])
        )
    if not s.shape[-1]:
        return ops.sum(s > 0, (s.ndim - 1,))
    relative = s.amax(-1, keepdim=True) * (_limit(rtol, s))
    limit = ops.maximum(
        relative,
        _limit(atol, s)
        if isinstance(atol, Tensor) and atol.ndim
        else ops.zeros_like(relative) + (0.0 if atol is None else atol),
    )
    return ops.sum(s > limit, (s.ndim - 1,))


def _limit(tolerance: Any, s: Tensor) -> Any:
    if not isinstance(tolerance, Tensor):
        return tolerance
    return tolerance.to(s.dtype).unsqueeze(-1) if tolerance.ndim else tolerance.to(s.dtype)


@public(method=False, function=False)
def cond(A: Tensor, p: Any = None) -> Tensor:
    """The condition number ``||A|| ||inv(A)||`` in a matrix norm; the ratio of extreme singular values for None, 2, -2.

    >>> import lucid
    >>> lucid.linalg.cond(lucid.tensor([[2.0, 0.0], [0.0, 1.0]]))
    tensor(2.)
    """
    x = matrices(A, "cond")
    if p is None or p in (2, -2):
        s = svdvals(x)
        if not s.shape[-1]:
            return s.sum(-1)  # 0, as PyTorch has it
        largest, smallest = s[..., 0], s[..., -1]
        return smallest / largest if p == -2 else largest / smallest
    if p not in ("fro", "nuc", 1, -1, math.inf, -math.inf):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    matrices(x, "cond", square=True)
    try:
        return matrix_norm(x, p) * matrix_norm(inv(x), p)
    except LinAlgError:
        from .creation import full

        return full(tuple(x.shape[:-2]), math.inf, dtype=x.dtype.to_real(), device=x.device)


# ---- powers, exponentials, chains ----


@public()
def matrix_power(A: Tensor, n: int) -> Tensor:
    """The n-th power of each square matrix, by repeated squaring; of the inverse for negative n.

    >>> import lucid
    >>> lucid.linalg.matrix_power(lucid.tensor([[1.0, 1.0], [0.0, 1.0]]), 5)
    tensor([[1., 5.],
            [0., 1.]])
    """
    x = tensor_arg(A, "matrix_power", "A")
    fits(n, "matrix_power", "n")
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(
            f"linalg.matrix_power: A must be batches of square matrices, but it has shape {tuple(x.shape)}"
        )
    n = n.__index__()
    if n == 0:
        return constant_in(ops.broadcast_to(eye_for(x, x.shape[-1]), tuple(x.shape)).clone(), x)
    if n < 0:
        x, n = inv(x), -n
    out = None
    while n:
        if n & 1:
            out = x if out is None else out @ x
        n >>= 1
        if n:
            x = x @ x
    assert out is not None
    return out.clone() if out is A else out


@public(out=False)
def matrix_exp(A: Tensor) -> Tensor:
    """The exponential of each square matrix (scaling and squaring; Higham, 2005).

    >>> import lucid
    >>> lucid.linalg.matrix_exp(lucid.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    if isinstance(A, Tensor) and A.dtype.itemsize == 2 and A.dtype.is_floating_point:
        return linalg_ops.matrix_exp(matrices(A.float(), "matrix_exp", square=True)).to(A.dtype)  # type: ignore[attr-defined]
    return linalg_ops.matrix_exp(matrices(A, "matrix_exp", square=True))


@public(method=False, function=False)
def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of two or more matrices in the cheapest order; the first and last may be vectors.

    >>> import lucid
    >>> lucid.linalg.multi_dot([lucid.ones(2, 3), lucid.ones(3, 4), lucid.ones(4)])
    tensor([12., 12.])
    """
    items = [tensor_arg(x, "multi_dot", f"tensors[{i}]") for i, x in enumerate(tensors)]
    if len(items) < 2:
        raise RuntimeError("multi_dot(): expected at least 2 tensors but got " + str(len(items)))
    for i, x in enumerate(items):
        wanted = (1, 2) if i in (0, len(items) - 1) else (2,)
        if x.ndim not in wanted:
            raise ShapeError(
                f"multi_dot(): tensor {i} must be {' or '.join(f'{d}D' for d in wanted)} but got {x.ndim}D"
            )
    head, tail = items[0].ndim == 1, items[-1].ndim == 1
    if head:
        items[0] = items[0].unsqueeze(0)
    if tail:
        items[-1] = items[-1].unsqueeze(-1)
    for a, b in itertools.pairwise(items):
        if a.shape[-1] != b.shape[0]:
            raise ShapeError(
                f"multi_dot(): tensors with shapes {tuple(a.shape)} and {tuple(b.shape)} cannot be multiplied"
            )
    out = _chain(items, _best_splits([x.shape[0] for x in items] + [items[-1].shape[1]]), 0, len(items) - 1)
    if head:
        out = out.squeeze(0)
    return out.squeeze(-1) if tail else out


def _best_splits(p: list[int]) -> dict[tuple[int, int], int]:
    """Where to split each run of matrices (matrix chain multiplication by dynamic programming)."""
    n = len(p) - 1
    cost = {(i, i): 0 for i in range(n)}
    split = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i, j], split[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + p[i] * p[k + 1] * p[j + 1], k) for k in range(i, j)
            )
    return split


def _chain(items: list[Tensor], split: dict, i: int, j: int) -> Tensor:
    if i == j:
        return items[i]
    k = split[i, j]
    return _chain(items, split, i, k) @ _chain(items, split, k + 1, j)


@public(method=False)
def chain_matmul(*matrices: Tensor) -> Tensor:
    """``linalg.multi_dot`` of its arguments."""
    return matrices[0] if len(matrices) == 1 else multi_dot(matrices)


@public(method=False, function=False, out=False)
def vander(x: Tensor, N: int | None = None, increasing: bool = True) -> Tensor:
    """The powers ``x^0 ... x^(N-1)`` of each element, along a new last dimension; in reverse without ``increasing``.

    >>> import lucid
    >>> lucid.linalg.vander(lucid.tensor([2, 3]), N=3)
    tensor([[1, 2, 4],
            [1, 3, 9]])
    """
    x = tensor_arg(x, "vander", "x")
    x = x if x.ndim else x.reshape(1)  # type: ignore[attr-defined]
    n = x.shape[-1] if N is None else N
    if n < 1:
        raise RuntimeError(f"N must be greater than 1. Got {n}")
    dtype = dtypes.int64 if x.dtype.category < dtypes.FLOAT else x.dtype
    x = x.to(dtype)
    ones = ops.zeros_like(x).unsqueeze(-1) + 1
    if n == 1:
        return ones.to(dtype)
    powers = ops.broadcast_to(x.unsqueeze(-1), (*x.shape, n - 1)).cumprod(-1)
    from .pieces import cat

    out = cat([ones.to(dtype), powers], -1)
    return out if increasing else out.flip(-1)  # type: ignore[attr-defined]


def _vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """Powers of the elements of a vector, the highest first unless ``increasing``."""
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    n = len(x) if N is None else N
    if not n:
        return x.new_zeros((len(x), 0))
    table = vander(x, n)
    return table if increasing else table.flip(-1)


_vander.__name__ = "vander"
public(method=False)(_vander)
