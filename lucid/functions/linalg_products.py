"""Products beyond matmul: addmm and its family, outer, inner, cross, kron, tensordot, distances."""

from __future__ import annotations

import math
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.errors import DTypeError, ShapeError
from ..core.graph import entitled
from ..core.precision import as_they_come, autocast_unites, cast_narrow, in_single, lowered
from ..core.tensor import HOST, Tensor
from ..core.transform import everything
from ..ops import elementwise, matrices
from ..ops import shape as shape_ops
from .checking import KINDS, Scalar, Value, right
from .linalg_norms import vector_norm
from .outputs import refuse_overlap, write_out
from .products import bmm, dot, matmul, mm, mv
from .registry import dim_arg, number_first, public, tensor_arg
from .shaping import broadcast_shapes, expand

__all__ = ["cross", "diagonal", "dot", "inner", "matmul", "matrix_transpose", "outer", "vecdot"]


# ---- beta * input + alpha * product ----


def _scaled_sum(name: str, input: Tensor, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    x = tensor_arg(input, name)
    if x.dtype is not product.dtype and autocast_unites(x, product):
        x = cast_narrow(x, product.dtype)
    if x.dtype is not product.dtype:
        raise RuntimeError(f"{name}: self and mat2 must have the same dtype, but got {x.dtype} and {product.dtype}")
    if product.dtype.category <= dtypes.INTEGER and (isinstance(alpha, float) or isinstance(beta, float)):
        if name == "addr":
            raise RuntimeError("addr: For integral input tensors, argument beta must not be a floating point number.")
        beta, alpha = int(beta), int(alpha)
    if not product.dtype.is_complex and (isinstance(alpha, complex) or isinstance(beta, complex)):
        raise RuntimeError(
            f"{name}: alpha {alpha} or beta {beta} cannot be converted to {product.dtype} without overflow"
        )
    shape, whole = x.value.shape, product.value.shape
    offset = len(whole) - len(shape)
    if offset < 0 or any(n != 1 and n != m for n, m in zip(shape, whole[offset:], strict=True)):
        raise ShapeError(
            f"{name}: The expanded size of the tensor {tuple(product.shape)} must match the existing size {tuple(input.shape)}"
        )
    if alpha == 0 and name in ("addmm", "addmv", "addbmm") and product.dtype.category >= dtypes.FLOAT:
        product = ops.where(True, 0.0, product)  # as BLAS: then NaN and inf of the factors do not count
    product = product if alpha == 1 else product * alpha
    if beta == 0:  # then NaN and inf of the input do not count
        return product
    return elementwise.add(x if beta == 1 else x * beta, product)


def _in_order(name: str, given: tuple, beta: Any, alpha: Any) -> tuple:
    """The three tensors, beta and alpha; PyTorch's older forms have beta before or behind ``input`` and alpha after both."""
    first, rest = given[:-2], list(given[:-2])
    if len(first) > 3:
        raise TypeError(f"{name}() takes 3 tensors, beta and alpha, but {len(given)} arguments were given")
    if len(first) > 1:
        leads = not isinstance(rest[0], Tensor) or (isinstance(rest[1], Tensor) and rest[1].ndim)
        beta = number_first(name, "beta", rest.pop(0 if leads else 1))
    if len(first) > 2:
        alpha = number_first(name, "alpha", rest.pop())
    words = ("input", "the first factor", "the second factor")
    tensors = (tensor_arg(t, name, word) for t, word in zip((*rest, *given[-2:]), words, strict=True))
    return (*tensors, beta, alpha)


@public(inplace=True)
def addmm(input: Value, mat1: Value, mat2: Value, *older: Any, beta: Scalar = 1, alpha: Scalar = 1) -> Tensor:
    """``beta * input + alpha * (mat1 @ mat2)``.

    >>> import lucid
    >>> lucid.addmm(lucid.ones(2, 2), lucid.eye(2), lucid.eye(2))
    tensor([[2., 1.],
            [1., 2.]])
    """
    input, mat1, mat2, beta, alpha = _in_order("addmm", (input, mat1, mat2, *older), beta, alpha)
    return entitled(_scaled_sum("addmm", input, mm(mat1, mat2), beta, alpha), "AddmmBackward0")


@public(inplace=True)
def addmv(input: Value, mat: Value, vec: Value, *older: Any, beta: Scalar = 1, alpha: Scalar = 1) -> Tensor:
    """``beta * input + alpha * (mat @ vec)``."""
    input, mat, vec, beta, alpha = _in_order("addmv", (input, mat, vec, *older), beta, alpha)
    return entitled(_scaled_sum("addmv", input, mv(mat, vec), beta, alpha), "AddmvBackward0")


@public(inplace=True)
def addr(input: Value, vec1: Value, vec2: Value, *older: Any, beta: Scalar = 1, alpha: Scalar = 1) -> Tensor:
    """``beta * input + alpha * outer(vec1, vec2)``."""
    input, vec1, vec2, beta, alpha = _in_order("addr", (input, vec1, vec2, *older), beta, alpha)
    product = outer(vec1, vec2)
    if bool in (type(alpha), type(beta)) and product.dtype is not dtypes.bool_:
        raise RuntimeError("addr: Boolean alpha and beta only supported for Boolean results.")
    both = dtypes.promote_types(input.dtype, product.dtype)  # unlike the products of matrices
    return _scaled_sum("addr", input.to(both), product.to(both), beta, alpha).to(both)


@public(inplace=True)
def baddbmm(input: Value, batch1: Value, batch2: Value, *older: Any, beta: Scalar = 1, alpha: Scalar = 1) -> Tensor:
    """``beta * input + alpha * (batch1 @ batch2)``, a stack of matrices."""
    input, batch1, batch2, beta, alpha = _in_order("baddbmm", (input, batch1, batch2, *older), beta, alpha)
    return entitled(_scaled_sum("baddbmm", input, bmm(batch1, batch2), beta, alpha), "BaddbmmBackward0")


@public(inplace=True)
def addbmm(input: Value, batch1: Value, batch2: Value, *older: Any, beta: Scalar = 1, alpha: Scalar = 1) -> Tensor:
    """``beta * input + alpha * sum_i batch1[i] @ batch2[i]``."""
    input, batch1, batch2, beta, alpha = _in_order("addbmm", (input, batch1, batch2, *older), beta, alpha)
    products = bmm(batch1, batch2)
    return _scaled_sum("addbmm", input, ops.sum(products, (0,)).to(products.dtype), beta, alpha)


# ---- vectors ----


@public("ger")
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """``out[i, j] = input[i] * vec2[j]``.

    >>> import lucid
    >>> lucid.outer(lucid.tensor([1, 2]), lucid.tensor([3, 4]))
    tensor([[3, 4],
            [6, 8]])
    """
    x, y = tensor_arg(input, "outer"), tensor_arg(vec2, "outer", "vec2")
    if x.ndim != 1 or y.ndim != 1:
        raise RuntimeError(f"outer: Expected 1-D arguments self and vec2, but got {x.ndim}-D and {y.ndim}-D")
    return elementwise.multiply(shape_ops.reshape(x, (*x.value.shape, 1)), y)


@public()
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Sums of products over the last dimension of both; a plain product if either is 0-d.

    >>> import lucid
    >>> lucid.inner(lucid.tensor([1, 2]), lucid.tensor([3, 4]))
    tensor(11)
    """
    x, y = tensor_arg(input, "inner"), tensor_arg(other, "inner", "other")
    if not x.ndim or not y.ndim:
        return x * y
    if x.shape[-1] != y.shape[-1]:
        raise ShapeError(
            f"inner() the last dimension must match on both input tensors but got shapes {list(x.shape)} and {list(y.shape)}"
        )
    return tensordot(x, y, dims=([-1], [-1]))


@public()
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """The inner product of two vectors, the first conjugated."""
    return dot(ops.conj(input) if input.dtype.is_complex else input, other)


def _of_one_dtype(x: Tensor, y: Tensor, name: str) -> None:
    if x.dtype is not y.dtype:
        raise DTypeError(f"{name}: Expected both tensors to have the same dtype, but found {x.dtype} and {y.dtype}")


@public(method=False, function=False)
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """``sum(conj(x) * y)`` along ``dim``; the rest broadcasts.

    >>> import lucid
    >>> lucid.linalg.vecdot(lucid.ones(2, 3), lucid.ones(3))
    tensor([3., 3.])
    """
    x, y = tensor_arg(x, "vecdot", "x"), tensor_arg(y, "vecdot", "y")
    _of_one_dtype(x, y, "linalg.vecdot")
    x, y = lowered(x.device.type, x, y) or (x, y)  # type: ignore[assignment]
    product = (ops.conj(x) if x.dtype.is_complex else x) * y
    return product.sum(
        dim_arg(dim, product.ndim, "vecdot"), dtype=product.dtype if product.dtype is not dtypes.bool_ else None
    )


@public(method=False, function=False)
def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The cross product of vectors of length 3 along ``dim``.

    >>> import lucid
    >>> lucid.linalg.cross(lucid.tensor([1, 0, 0]), lucid.tensor([0, 1, 0]))
    tensor([0, 0, 1])
    """
    x, y = tensor_arg(input, "linalg.cross"), tensor_arg(other, "linalg.cross", "other")
    _of_one_dtype(x, y, "linalg.cross")
    if x.dtype is dtypes.bool_:
        raise DTypeError("linalg.cross: not implemented for booleans")
    if x.ndim != y.ndim:
        raise ShapeError("linalg.cross: inputs must have the same number of dimensions.")
    d = dim_arg(dim, x.ndim, "linalg.cross")
    if x.shape[d] != 3 or y.shape[d] != 3:
        raise ShapeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {x.shape[d]} and {y.shape[d]}")
    shape = broadcast_shapes(x.shape, y.shape)
    return matrices.cross(expand(x, *shape), expand(y, *shape), d)


def _cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross product along ``dim`` (by default the first dimension of size 3)."""
    if dim is None:
        dim = next((i for i, n in enumerate(input.shape) if n == 3), None)
        if dim is None:
            raise RuntimeError("no dimension of size 3 in input")
    return cross(input, other, dim=dim)


_cross.__name__ = "cross"
public()(_cross)


@public(method=False, function=False, out=False)
def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of a stack of matrices: a view."""
    from .triangles import diagonal as general

    return general(A, offset, dim1, dim2)


def matrix_transpose(A: Tensor) -> Tensor:
    """The last two dimensions exchanged: a view."""
    return A.mT


@public()
def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product: every element of ``input`` times all of ``other``.

    >>> import lucid
    >>> lucid.kron(lucid.tensor([1, 2]), lucid.tensor([1, 1]))
    tensor([1, 1, 2, 2])
    """
    x, y = tensor_arg(input, "kron"), tensor_arg(other, "kron", "other")
    n = max(x.ndim, y.ndim)
    a, b = (1,) * (n - x.ndim) + tuple(x.shape), (1,) * (n - y.ndim) + tuple(y.shape)
    spread = ops.reshape(x, tuple(s for i in a for s in (i, 1))) * ops.reshape(y, tuple(s for i in b for s in (1, i)))
    return ops.reshape(spread, tuple(i * j for i, j in zip(a, b, strict=True)))


@public(method=False)
def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: Any = None) -> Tensor:
    """Sums of products over pairs of dimensions: the last ``dims`` of ``a`` with the first of ``b``, or those listed.

    >>> import lucid
    >>> lucid.tensordot(lucid.ones(2, 3, 4), lucid.ones(3, 4, 5), dims=2).shape
    lucid.Size([2, 5])
    """
    x, y = tensor_arg(a, "tensordot", "a"), tensor_arg(b, "tensordot", "b")
    if out is not None:
        refuse_overlap(out, (x, y), "tensordot")
        return write_out(out, lambda: tensordot(x, y, dims), "tensordot")  # type: ignore[no-any-return]
    if isinstance(dims, Tensor):
        dims = dims.tolist() if dims.ndim > 1 else int(dims.item())
    if not isinstance(dims, int | tuple | list):
        raise DTypeError(f"tensordot expects dims to be int or two lists of ints, got {type(dims).__name__}")
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(x.ndim, y.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        left, right = list(range(x.ndim - dims, x.ndim)), list(range(dims))
    else:
        left, right = ([d] if isinstance(d, int) else list(d) for d in dims)
    left = [dim_arg(d, x.ndim, "tensordot") for d in left]
    right = [dim_arg(d, y.ndim, "tensordot") for d in right]
    if len(left) != len(right):
        raise RuntimeError(f"both dimension lists should have same length, got {len(left)} and {len(right)}")
    for i, j in zip(left, right, strict=True):
        if x.shape[i] != y.shape[j]:
            if 1 not in (x.shape[i], y.shape[j]):
                raise ShapeError(
                    f"contracted dimensions need to match, but first has size {x.shape[i]} in dim {i} and second has size {y.shape[j]} in dim {j}"
                )
            x = x.sum(i, keepdim=True, dtype=x.dtype) if y.shape[j] == 1 else x
            y = y.sum(j, keepdim=True, dtype=y.dtype) if x.shape[i] == 1 else y
    free_x = [d for d in range(x.ndim) if d not in left]
    free_y = [d for d in range(y.ndim) if d not in right]
    shape = (*(x.shape[d] for d in free_x), *(y.shape[d] for d in free_y))
    k = math.prod(x.shape[d] for d in left)
    rows, cols = math.prod(x.shape[d] for d in free_x), math.prod(y.shape[d] for d in free_y)
    flat_x = ops.reshape(ops.permute_dims(x, (*free_x, *left)), (rows, k))
    flat_y = ops.reshape(ops.permute_dims(y, (*right, *free_y)), (k, cols))
    product = mm(flat_x, flat_y) if free_x or free_y else as_they_come(mm, flat_x, flat_y)  # of all dimensions: a dot
    return ops.reshape(product, shape)


# ---- distances ----


@public(method=False, out=False)
@in_single
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> Tensor:
    """The p-distance of every row of ``x1`` to every row of ``x2``; its gradient is 0 where a distance is 0.

    >>> import lucid
    >>> lucid.cdist(lucid.tensor([[0.0, 0.0]]), lucid.tensor([[3.0, 4.0]]))
    tensor([[5.]])
    """
    x, y = tensor_arg(x1, "cdist", "x1"), tensor_arg(x2, "cdist", "x2")
    p = float(right(p, KINDS["float"], "cdist", "p"))
    if not x.dtype.is_floating_point or x.dtype is not y.dtype:
        raise DTypeError(f"cdist only supports two floating-point tensors of one dtype, got {x.dtype} and {y.dtype}")
    if x.ndim < 2 or y.ndim < 2:
        raise RuntimeError(f"cdist only supports at least 2D tensors, X1 got: {x.ndim}D, X2 got: {y.ndim}D")
    if x.shape[-1] != y.shape[-1]:
        raise ShapeError(f"X1 and X2 must have the same number of columns. X1: {x.shape[-1]} X2: {y.shape[-1]}")
    if not p >= 0:
        raise RuntimeError("cdist only supports non-negative p values")
    modes = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")
    if compute_mode not in modes:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    if (
        p == 2
        and x.shape[-1]
        and compute_mode != modes[2]
        and (compute_mode == modes[1] or max(x.shape[-2], y.shape[-2]) > 25)
    ):
        return _euclidean(x, y)
    if not x.shape[-1] or not x.shape[-2] or not y.shape[-2]:
        batch = broadcast_shapes(x.shape[:-2], y.shape[:-2])
        return (
            ops.matmul(x, ops.matrix_transpose(y)) * 0
            if x.shape[-1]
            else x.new_zeros((*batch, x.shape[-2], y.shape[-2]))
        )
    return entitled(vector_norm(x.unsqueeze(-2) - y.unsqueeze(-3), p, -1), "CdistBackward0")


def _euclidean(x: Tensor, y: Tensor) -> Tensor:
    """Through ``|x|^2 + |y|^2 - 2 x.y``: one matrix product. Rounding may leave small negatives; they are 0."""
    square = (
        ops.sum(x * x, (x.ndim - 1,), True)
        + ops.matrix_transpose(ops.sum(y * y, (y.ndim - 1,), True))
        - 2 * matmul(x, y.mT)
    )
    positive = square > 0
    return ops.where(positive, ops.sqrt(ops.where(positive, square, 1.0)), 0.0)


@public(method=False, out=False)
def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-distances of all pairs of rows, the upper triangle of ``cdist(x, x)``: (N, M) to (N (N - 1) / 2,).

    >>> import lucid
    >>> lucid.pdist(lucid.tensor([[0.0], [1.0], [3.0]]))
    tensor([1., 3., 2.])
    """
    x = tensor_arg(input, "pdist")
    if not x.dtype.is_floating_point:
        raise RuntimeError(f"pdist only supports floating-point dtypes, got {x.dtype}")
    if x.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {x.ndim}D")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    from .triangles import triu_indices

    n = x.shape[0]
    first, second = triu_indices(n, n, 1, device=x.device)
    if not x.shape[1]:
        return x.new_zeros((len(first),))
    if p == 2 and n > 25 and x.dtype is dtypes.float32 and type(x.value) is HOST:
        wide = ops.cast(x, dtypes.float64, x.dtype)  # there a product is as good as differences, but for pairs close by
        products = matmul(wide, wide.mT)
        sums = ops.copy(ops.diagonal(products, 0, 0, 1))
        squares = (sums.unsqueeze(1) + sums - 2 * products).reshape(-1)[first * n + second]
        if bool(everything(ops.amin(squares)) > 1e-6 * everything(ops.amax(sums))):
            return ops.cast(ops.sqrt(squares), x.dtype, wide.dtype)
    return vector_norm(x[first] - x[second], p, -1)


@public(out=False)
@in_single
def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix.

    >>> import lucid
    >>> lucid.trace(lucid.eye(3))
    tensor(3.)
    """
    x = tensor_arg(input, "trace")
    if x.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {x.ndim}")
    if x.dtype is dtypes.bool_:
        raise DTypeError("trace: not implemented for booleans")
    return entitled(ops.diagonal(x, 0, 0, 1).sum(), "TraceBackward0")
