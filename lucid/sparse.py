"""Sparse matrices as lists of coordinates: enough for graph networks (``torch.sparse_coo_tensor``, ``torch.sparse.mm``).

A ``SparseTensor`` is not a Tensor: it has the operations below, each made of ops on its values, so gradients flow to the
values and to dense factors. ``to_dense()`` gives the Tensor for everything else. There is no compressed (CSR) form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .core import dtypes
from .core.tensor import Size, Tensor, as_tensor
from .functions import FUNCTIONS as lucid
from .functions.attributes import layout

__all__ = [
    "SparseTensor", "addmm", "log_softmax", "mm", "softmax", "sparse_coo", "sparse_coo_tensor",
    "spmm", "sum", "to_sparse",
]  # fmt: skip

sparse_coo = layout("sparse_coo")


class SparseTensor:
    """Coordinates of shape (d, nnz), their values of shape (nnz, ...), and a size; equal coordinates are added up."""

    is_sparse, layout, grad_fn = True, sparse_coo, None
    __array_ufunc__ = None  # NumPy leaves the operators to us

    def __init__(self, indices: Tensor, values: Tensor, size: Sequence[int], is_coalesced: bool = False):
        self._i, self._v, self.shape, self._unique = indices, values, Size(size), is_coalesced or values.shape[0] < 2

    # ---- what it is ----

    dtype = property(lambda self: self._v.dtype)
    device = property(lambda self: self._v.device)
    requires_grad = property(lambda self: self._v.requires_grad)
    ndim = property(lambda self: len(self.shape))

    def dim(self) -> int:
        return len(self.shape)

    ndimension = dim

    def size(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[dim]

    def numel(self) -> int:
        return math.prod(self.shape)

    def sparse_dim(self) -> int:
        return self._i.shape[0]

    def dense_dim(self) -> int:
        return self._v.dim() - 1  # type: ignore[attr-defined]

    def is_coalesced(self) -> bool:
        return self._unique

    def _nnz(self) -> int:
        return self._i.shape[1]

    def _indices(self) -> Tensor:
        return self._i

    def _values(self) -> Tensor:
        return self._v

    def indices(self) -> Tensor:
        """The coordinates, a column for each value; RuntimeError before ``coalesce``."""
        return self._known(self._i, "indices")

    def values(self) -> Tensor:
        """The values; RuntimeError before ``coalesce``."""
        return self._known(self._v, "values")

    def _known(self, part: Tensor, what: str) -> Tensor:
        if not self._unique:
            raise RuntimeError(f"Cannot get {what} on an uncoalesced tensor, please call .coalesce() first")
        return part

    @property
    def grad(self) -> SparseTensor | None:
        """The gradient of the values, at the same coordinates."""
        return None if self._v.grad is None else self._with(self._v.grad)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        parts = [f"indices={_under(self._i, 15)}", f"values={_under(self._v.detach(), 14)}"]  # type: ignore[attr-defined]
        more = ", requires_grad=True" if self.requires_grad else ""
        size = f"size={tuple(self.shape)}, nnz={self._nnz()}, layout=lucid.sparse_coo{more}"
        return "tensor(" + ",\n       ".join([*parts, size]) + ")"

    # ---- the same coordinates ----

    def _with(self, values: Tensor) -> SparseTensor:
        return SparseTensor(self._i, values, self.shape, self._unique)

    def to(self, *args: Any, **kwargs: Any) -> SparseTensor:
        values = self._v.to(*args, **kwargs)  # type: ignore[attr-defined]
        return SparseTensor(self._i.to(values.device), values, self.shape, self._unique)  # type: ignore[attr-defined]

    def cpu(self) -> SparseTensor:
        return self.to("cpu")

    def cuda(self, device: Any = None) -> SparseTensor:
        return self.to("cuda" if device is None else device)

    def requires_grad_(self, requires_grad: bool = True) -> SparseTensor:
        self._v.requires_grad_(requires_grad)  # type: ignore[attr-defined]
        return self

    def __neg__(self) -> SparseTensor:
        return self._with(-self._v)

    def __truediv__(self, other: Any) -> SparseTensor:
        return self._with(self._v / _number(other, "/"))

    def __mul__(self, other: Any) -> SparseTensor:
        if isinstance(other, SparseTensor):
            raise NotImplementedError("sparse * sparse: multiply to_dense() of one of them")
        if isinstance(other, Tensor) and other.ndim:
            other = lucid["broadcast_to"](other, self.shape)
            return self._with(self._v * other[tuple(self._i)])
        return self._with(self._v * _number(other, "*"))

    __rmul__ = __mul__

    # ---- other coordinates ----

    def coalesce(self) -> SparseTensor:
        """The same with every coordinate once, in row order."""
        if self._unique:
            return self
        n = self.sparse_dim()
        found, place = lucid["unique"](_flat(self._i, self.shape[:n]), return_inverse=True)
        values = lucid["zeros"]((found.shape[0], *self._v.shape[1:]), dtype=self.dtype, device=self.device)
        values = values.index_add(0, place, self._v)  # type: ignore[attr-defined]
        return SparseTensor(_unflat(found, self.shape[:n]), values, self.shape, True)

    def t(self) -> SparseTensor:
        """The transpose of a matrix."""
        return self.transpose(0, 1)

    @property
    def T(self) -> SparseTensor:
        return self.t()

    def transpose(self, dim0: int, dim1: int) -> SparseTensor:
        """Two sparse dimensions exchanged."""
        order = list(range(self.sparse_dim()))
        order[dim0], order[dim1] = order[dim1], order[dim0]
        size = [*(self.shape[d] for d in order), *self.shape[self.sparse_dim() :]]
        return SparseTensor(self._i[lucid["tensor"](order)], self._v, size)

    def to_dense(self, dtype: Any = None) -> Tensor:
        """The Tensor with zeros elsewhere."""
        n = self.sparse_dim()
        rows = math.prod(self.shape[:n])
        out = lucid["zeros"]((rows, *self._v.shape[1:]), dtype=self.dtype, device=self.device)
        out = out.index_add(0, _flat(self._i, self.shape[:n]), self._v)  # type: ignore[attr-defined]
        out = out.reshape(tuple(self.shape))  # type: ignore[attr-defined]
        return out if dtype is None else out.to(dtype)

    def to_sparse(self, *args: Any) -> SparseTensor:
        return self

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, SparseTensor):
            return self.to_dense() + other
        if other.shape != self.shape:
            raise RuntimeError(f"sparse + sparse: sizes differ: {tuple(self.shape)} and {tuple(other.shape)}")
        joined = lucid["cat"]([self._i, other._i], 1), lucid["cat"]([self._v, other._v])
        return SparseTensor(*joined, self.shape).coalesce()

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self + -other

    # ---- products and sums ----

    def matmul(self, other: Any) -> Tensor:
        """The product with a dense matrix or vector."""
        if isinstance(other, SparseTensor):
            other = other.to_dense()
        if self.dim() != 2 or self.dense_dim() or other.ndim not in (1, 2):
            raise RuntimeError(f"sparse @ dense: expected matrices, got {tuple(self.shape)} @ {tuple(other.shape)}")
        if self.shape[1] != other.shape[0]:
            raise RuntimeError(f"sparse @ dense: inner sizes differ: {tuple(self.shape)} @ {tuple(other.shape)}")
        if self.dtype is not other.dtype:
            raise RuntimeError(f"sparse @ dense: dtypes differ: {self.dtype} and {other.dtype}")
        rows, columns = self._i
        values = self._v if other.ndim == 1 else self._v.unsqueeze(1)  # type: ignore[attr-defined]
        out = lucid["zeros"]((self.shape[0], *other.shape[1:]), dtype=self.dtype, device=self.device)
        return out.index_add(0, rows, values * other.index_select(0, columns))  # type: ignore[attr-defined]

    mm = spmm = mv = __matmul__ = matmul

    def __rmatmul__(self, other: Tensor) -> Tensor:
        return self.t().matmul(other.mT).mT  # type: ignore[attr-defined]

    def sum(self, dim: int | Sequence[int] | None = None) -> Any:
        """The sum of all values as a Tensor; over sparse dimensions, a SparseTensor of the others."""
        if dim is None:
            return self._v.sum()  # type: ignore[attr-defined]
        n = self.sparse_dim()
        gone = {d % self.dim() for d in ((dim,) if isinstance(dim, int) else dim)}
        if max(gone) >= n:
            raise NotImplementedError("sparse.sum: over dense dimensions; use to_dense()")
        kept = [d for d in range(n) if d not in gone]
        if not kept:
            return self._v.sum(0)  # type: ignore[attr-defined]
        size = [*(self.shape[d] for d in kept), *self.shape[n:]]
        return SparseTensor(self._i[lucid["tensor"](kept)], self._v, size).coalesce()


def _same(name: str) -> Callable:
    def method(self: SparseTensor, *args: Any, **kwargs: Any) -> SparseTensor:
        return self._with(getattr(self._v, name)(*args, **kwargs))

    method.__name__ = name
    method.__doc__ = f"``{name}`` of the values."
    return method


for _name in ("clone", "detach", "float", "double", "half", "bfloat16"):
    setattr(SparseTensor, _name, _same(_name))


def _number(x: Any, sign: str) -> Any:
    if isinstance(x, SparseTensor) or (isinstance(x, Tensor) and x.ndim):
        raise NotImplementedError(f"sparse {sign} {type(x).__name__}: only numbers; use to_dense()")
    return x


def _under(t: Tensor, width: int) -> str:
    return repr(t).replace("\n", "\n" + " " * width)


def _flat(indices: Tensor, size: Sequence[int]) -> Tensor:
    """Coordinates as one number each, in row order."""
    found: Any = 0
    for row, n in zip(indices, size, strict=True):
        found = found * n + row
    return found


def _unflat(found: Tensor, size: Sequence[int]) -> Tensor:
    rows = []
    for n in reversed(size):
        rows.append(found % n)
        found = found // n
    return lucid["stack"](rows[::-1])


def sparse_coo_tensor(
    indices: Any, values: Any = None, size: Sequence[int] | None = None, *, dtype: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False, check_invariants: bool | None = None, is_coalesced: bool | None = None,
) -> SparseTensor:  # fmt: skip
    """A sparse tensor from coordinates of shape (d, nnz) and values of shape (nnz, ...); the size holds all unless given.

    RuntimeError for coordinates outside the size, and for numbers of coordinates and values that differ.

    >>> import lucid
    >>> a = lucid.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0], (2, 3))
    >>> a @ lucid.ones(3, 1)
    tensor([[3.],
            [9.]])
    """
    if size is None and values is None:  # an empty one: `sparse_coo_tensor(size)`
        size, indices, values = indices, lucid["zeros"]((len(indices), 0), dtype=dtypes.int64), lucid["zeros"](0)
    v = as_tensor(values, dtype=dtype, device=device)
    i = as_tensor(indices, device=v.device).long()  # type: ignore[attr-defined]
    if i.ndim != 2:
        raise RuntimeError(f"indices must be sparse_dim x nnz, but got: {list(i.shape)}")
    v = v.expand(i.shape[1]) if not v.ndim else v  # type: ignore[attr-defined]
    if i.shape[1] != v.shape[0]:
        raise RuntimeError(
            f"number of columns in indices ({i.shape[1]}) does not match the number of values ({v.shape[0]})"
        )
    nnz = i.shape[1]
    if size is None:
        size = [*((i.amax(1) + 1).tolist() if nnz else [0] * i.shape[0]), *v.shape[1:]]  # type: ignore[attr-defined]
    if len(size) != i.shape[0] + v.ndim - 1:
        raise RuntimeError(
            f"number of dimensions must be sparse_dim ({i.shape[0]}) + dense_dim ({v.ndim - 1}), but got {len(size)}"
        )
    for d in range(i.shape[0] if nnz else 0):
        low, high = int(i[d].amin()), int(i[d].amax())  # type: ignore[attr-defined]
        if low < 0:
            raise RuntimeError(f"found negative index {low} for dim {d}")
        if high >= size[d]:
            raise RuntimeError(
                f"size is inconsistent with indices: for dim {d}, size is {size[d]} but found index {high}"
            )
    if requires_grad:
        v = v.detach().clone().requires_grad_()  # type: ignore[attr-defined]
    return SparseTensor(i, v, size, bool(is_coalesced))


def to_sparse(x: Tensor, sparse_dim: int | None = None) -> SparseTensor:
    """A Tensor's elements that are not zero (or slices, with fewer sparse dimensions)."""
    n = x.ndim if sparse_dim is None else sparse_dim
    here = x.detach()  # type: ignore[attr-defined]
    where = (here != 0) if n == x.ndim else (here != 0).flatten(n).any(-1)
    i = where.nonzero().T
    return SparseTensor(i, x[tuple(i)] if n else x.reshape(1, *x.shape)[: i.shape[1]], x.shape, True)  # type: ignore[index]


def mm(mat1: Any, mat2: Any, reduce: str = "sum") -> Tensor:
    """The product of a sparse and a dense matrix, differentiable in both."""
    if reduce != "sum":
        raise NotImplementedError(f"sparse.mm: reduce={reduce!r}; only 'sum'")
    return mat1 @ mat2


spmm = mm


def addmm(mat: Tensor, mat1: Any, mat2: Any, *, beta: float = 1.0, alpha: float = 1.0) -> Tensor:
    """``beta * mat + alpha * (mat1 @ mat2)`` with a sparse ``mat1``."""
    return beta * mat + alpha * (mat1 @ mat2)


def sum(input: SparseTensor, dim: Any = None, dtype: Any = None) -> Any:  # PyTorch's name
    """``input.sum(dim)``, of values of another dtype if asked."""
    return (input if dtype is None else input.to(dtype)).sum(dim)


def softmax(input: SparseTensor, dim: int, *, dtype: Any = None) -> SparseTensor:
    """The softmax of a sparse matrix along a dimension; what is not there counts as minus infinity."""
    input = (input if dtype is None else input.to(dtype)).coalesce()
    if input.dim() != 2 or input.dense_dim():
        raise NotImplementedError("sparse.softmax: only of matrices without dense dimensions")
    row, v = input._i[1 - dim % 2], input._v
    n = input.shape[1 - dim % 2]
    top = lucid["full"]((n,), -math.inf, dtype=v.dtype, device=v.device).scatter_reduce(0, row, v.detach(), "amax")
    e = (v - top[row]).exp()
    total = lucid["zeros"](n, dtype=v.dtype, device=v.device).index_add(0, row, e)
    return input._with(e / total[row])


def log_softmax(input: SparseTensor, dim: int, *, dtype: Any = None) -> SparseTensor:
    """The logarithm of ``softmax``."""
    found = softmax(input, dim, dtype=dtype)
    return found._with(found._v.log())  # type: ignore[attr-defined]


def _of_dtype(name: str) -> Callable:
    def make(indices: Any, values: Any, size: Sequence[int] | None = None) -> SparseTensor:
        return sparse_coo_tensor(indices, values, size, dtype=dtypes.by_name(name))

    make.__doc__ = f"``sparse_coo_tensor`` of {name} values: PyTorch's older form."
    return make


FloatTensor, DoubleTensor, LongTensor = _of_dtype("float32"), _of_dtype("float64"), _of_dtype("int64")
