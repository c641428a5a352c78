"""Reductions: sums, means, extremes, norms of statistics; over all dimensions, one, or several."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..core import dtypes
from ..core.dtypes import as_dtype
from ..core.errors import DTypeError
from ..core.graph import entitled
from ..core.tensor import Tensor
from ..core.transform import everything
from ..ops import elementwise, reduce
from ..ops import indexing as index_ops
from ..ops import shape as shape_ops
from .checking import real_arg
from .registry import dim_arg, dims_arg, public, return_type, tensor_arg

Max, Min = (return_type(name, "values", "indices") for name in ("max", "min"))


def floating(x: Tensor, name: str) -> Tensor:
    """``x``, which must be of a floating or complex dtype."""
    if x.dtype.category < dtypes.FLOAT:
        raise RuntimeError(
            f"{name}(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: {x.dtype}"
        )
    return x


@public()
def sum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum over ``dim`` (an int, a tuple, or None for all); integers and booleans sum in int64.

    >>> import lucid
    >>> lucid.sum(lucid.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=0)
    tensor([4., 6.])
    """
    x = tensor_arg(input, "sum")
    if dtype is not None:
        x = x.to(as_dtype(dtype))
    total = reduce.sum(x, None if dim is None else dims_arg(dim, x.ndim, "sum"), keepdim)
    return total if dtype is None or total.dtype is x.dtype else total.to(x.dtype)


@public()
def mean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean over ``dim``; NaN where there is nothing to average.

    Raises RuntimeError for integers (cast first, or pass ``dtype``).

    >>> import lucid
    >>> lucid.mean(lucid.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=1)
    tensor([1.5000, 3.5000])
    """
    x = tensor_arg(input, "mean")
    if dtype is not None:
        x = x.to(as_dtype(dtype))
    return reduce.mean(floating(x, "mean"), dims_arg(dim, x.ndim, "mean"), keepdim)


@public()
def prod(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The product over all elements or along one ``dim``.

    >>> import lucid
    >>> lucid.prod(lucid.tensor([2.0, 3.0, 4.0]))
    tensor(24.)
    """
    x = tensor_arg(input, "prod")
    if dtype is not None:
        x = x.to(as_dtype(dtype))
    axis = None if dim is None else dim_arg(dim, x.ndim, "prod")
    total = reduce.prod(x, axis if x.ndim else None, keepdim)
    return total if dtype is None or total.dtype is x.dtype else total.to(x.dtype)


def _moments(x: Tensor, dim: Any, correction: Any, keepdim: bool, name: str) -> Tensor:
    x = floating(x, name)
    dims = dims_arg(dim, x.ndim, name)
    if not x.dtype.is_complex:
        return reduce.var(x, dims, correction, keepdim)
    free = reduce.size_of(x.shape, dims) - correction
    squares = ops.square(ops.abs(x - reduce.mean(x, dims, True)))
    return reduce.sum(squares, dims, keepdim) / (free if free > 0 else 0.0)


def _correction(unbiased: Any, correction: Any, dim: Any) -> tuple[Any, Any]:
    """``var(x, False)`` means ``unbiased=False``: a bool in the place of ``dim`` is not a dimension."""
    if isinstance(dim, bool):
        if unbiased is not None:
            raise TypeError("unbiased was given twice: in the place of dim and after it")
        dim, unbiased = None, dim
    if unbiased is not None and (type(unbiased) is not bool or correction is not None):
        raise TypeError(f"unbiased must be a bool, without correction= beside it; got {unbiased!r}, {correction!r}")
    if correction is None:
        correction = 1 if unbiased or unbiased is None else 0
    elif type(correction) is not int or correction > 2**62:
        correction = real_arg(correction, "var", "correction")
    return dim, correction


@public()
def var(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> Tensor:
    """The variance over ``dim``, ``sum((x - mean)^2) / (n - correction)`` with ``correction=1`` by default.

    >>> import lucid
    >>> lucid.var(lucid.tensor([1.0, 2.0, 3.0, 4.0]))
    tensor(1.6667)
    """
    dim, correction = _correction(unbiased, correction, dim)
    return _moments(tensor_arg(input, "var"), dim, correction, keepdim, "var")


@public()
def std(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> Tensor:
    """The standard deviation over ``dim``: the square root of ``var``. Where it is 0, so is its gradient.

    >>> import lucid
    >>> lucid.std(lucid.tensor([1.0, 2.0, 3.0, 4.0]), correction=0)
    tensor(1.1180)
    """
    dim, correction = _correction(unbiased, correction, dim)
    return entitled(root(_moments(tensor_arg(input, "std"), dim, correction, keepdim, "std")), "StdBackward0")


def root(x: Tensor) -> Tensor:
    """The square root, with gradient 0 (not infinite) at 0."""
    if not x.requires_grad:
        return ops.sqrt(x)
    zero = elementwise.equal(x, 0)
    return elementwise.where(zero, 0.0, ops.sqrt(elementwise.where(zero, 1.0, x)))


@public(out=False)
def var_mean(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> Any:
    """The pair of ``var`` and ``mean``.

    >>> import lucid
    >>> lucid.var_mean(lucid.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    dim, correction = _correction(unbiased, correction, dim)
    x = tensor_arg(input, "var_mean")
    return _moments(x, dim, correction, keepdim, "var_mean"), mean(x, dim, keepdim)


@public(out=False)
def std_mean(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> Any:
    """The pair of ``std`` and ``mean``.

    >>> import lucid
    >>> lucid.std_mean(lucid.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    variance, average = var_mean(input, dim, unbiased, keepdim, correction=correction)
    return root(variance), average


def _extreme(input: Tensor, dim: Any, keepdim: bool, name: str) -> Any:
    x = tensor_arg(input, name)
    whole, where, result = (reduce.amax, reduce.argmax, Max) if name == "max" else (reduce.amin, reduce.argmin, Min)
    if isinstance(dim, Tensor) and not (keepdim and dim.ndim == 0):
        return (elementwise.maximum if name == "max" else elementwise.minimum)(x, dim)
    if dim is None:
        if 0 in x.value.shape:
            raise RuntimeError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument."
            )
        out = whole(x, None, False)
        if x.node is not None and x.dtype.is_floating_point and bool(ops.isnan(everything(out)).any()):
            nans, found = ops.isnan(x), ops.isnan(out)  # as PyTorch: the gradient is shared by the NaNs
            count = elementwise.maximum(reduce.sum(nans, None, False), 1)
            shared = reduce.sum(elementwise.where(nans, x, 0.0), None, False) / count
            return elementwise.where(found, shared, whole(elementwise.where(found, 0.0, x), None, False))
        return out
    d = dim_arg(dim, x.ndim, name)
    if not x.ndim:
        return result(x.clone(), where(x, None, False))
    if not x.value.shape[d]:
        raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")
    indices = where(x, d, True)
    values = index_ops.take_along_axis(x, indices, d)
    if not keepdim:
        shape = tuple(x.value.shape)
        shape = shape[:d] + shape[d + 1 :]
        values, indices = shape_ops.reshape(values, shape), shape_ops.reshape(indices, shape)
    return result(entitled(values, f"{name.capitalize()}Backward0"), indices)


@public()
def max(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The largest element; with ``dim`` a named tuple ``(values, indices)``; with a tensor the elementwise maximum.

    >>> import lucid
    >>> lucid.max(lucid.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1).indices
    tensor([1, 0])
    """
    return _extreme(input, dim if other is None else other, keepdim, "max")


@public()
def min(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The smallest element; with ``dim`` a named tuple ``(values, indices)``; with a tensor the elementwise minimum.

    >>> import lucid
    >>> lucid.min(lucid.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1).values
    tensor([1., 2.])
    """
    return _extreme(input, dim if other is None else other, keepdim, "min")


def _check_nonempty(x: Tensor, dims: Any, name: str) -> None:
    if 0 not in x.value.shape:
        return
    if dims is None:
        raise RuntimeError(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument."
        )
    if not reduce.size_of(x.shape, dims):
        raise IndexError(
            f"{name}(): Expected reduction dim to have non-zero size; the input has shape {tuple(x.shape)}"
        )


@public()
def amax(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The largest element over ``dim``; equal ones share the gradient.

    >>> import lucid
    >>> lucid.amax(lucid.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1)
    tensor([5., 7.])
    """
    x = tensor_arg(input, "amax")
    dims = dims_arg(dim, x.ndim, "amax")
    _check_nonempty(x, dims, "amax")
    return entitled(reduce.amax(x, dims, keepdim), "AmaxBackward0")


@public()
def amin(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The smallest element over ``dim``; equal ones share the gradient.

    >>> import lucid
    >>> lucid.amin(lucid.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1)
    tensor([1., 2.])
    """
    x = tensor_arg(input, "amin")
    dims = dims_arg(dim, x.ndim, "amin")
    _check_nonempty(x, dims, "amin")
    return entitled(reduce.amin(x, dims, keepdim), "AminBackward0")


def _arg_extreme(input: Tensor, dim: Any, keepdim: bool, name: str) -> Tensor:
    x = tensor_arg(input, name)
    op = reduce.argmax if name == "argmax" else reduce.argmin
    if dim is None:
        if 0 in x.value.shape:
            raise IndexError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument."
            )
        return op(x, None, keepdim)
    d = dim_arg(dim, x.ndim, name)
    if not x.ndim:
        return op(x, None, False)
    if not x.value.shape[d]:
        raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")
    return op(x, d, keepdim)


@public()
def argmax(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Where the largest element is (the first of equals), as int64; without ``dim`` in the flattened input.

    >>> import lucid
    >>> lucid.argmax(lucid.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1)
    tensor([1, 0])
    """
    return _arg_extreme(input, dim, keepdim, "argmax")


@public()
def argmin(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Where the smallest element is (the first of equals), as int64; without ``dim`` in the flattened input.

    >>> import lucid
    >>> lucid.argmin(lucid.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1)
    tensor([0, 1])
    """
    return _arg_extreme(input, dim, keepdim, "argmin")


def _truth(input: Tensor, dim: Any, keepdim: bool, name: str, op: Any) -> Tensor:
    x = tensor_arg(input, name)
    if type(dim) in (tuple, list) and not dim:  # no dimension, and not all of them: other than sums
        return x.to(dtypes.bool_).to(dtypes.uint8 if x.dtype is dtypes.uint8 else dtypes.bool_)  # type: ignore[attr-defined]
    result = op(x, dims_arg(dim, x.ndim, name), keepdim)
    return result.to(dtypes.uint8) if x.dtype is dtypes.uint8 else result  # as PyTorch


@public()
def all(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Whether all elements are true (nonzero).

    >>> import lucid
    >>> lucid.all(lucid.tensor([[True, True], [True, False]]), dim=1)
    tensor([ True, False])
    """
    return _truth(input, dim, keepdim, "all", reduce.all)


@public()
def any(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Whether any element is true (nonzero).

    >>> import lucid
    >>> lucid.any(lucid.tensor([[False, True], [False, False]]), dim=1)
    tensor([ True, False])
    """
    return _truth(input, dim, keepdim, "any", reduce.any)


@public()
def logsumexp(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """``log(sum(exp(x)))`` over ``dim`` without overflow.

    >>> import lucid
    >>> lucid.logsumexp(lucid.tensor([1000.0, 1000.0]), dim=0)
    tensor(1000.6932)
    """
    x = tensor_arg(input, "logsumexp")
    return reduce.logsumexp(x, dims_arg(dim, x.ndim, "logsumexp"), keepdim)


def _with_float(x: Tensor, name: str) -> Tensor:
    if not x.dtype.is_floating_point:
        raise DTypeError(f"{name}: not implemented for {x.dtype}; pass dtype= or a floating tensor")
    return x


@public()
def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """``exp(x_i) / sum_j exp(x_j)`` along ``dim``.

    >>> import lucid
    >>> lucid.softmax(lucid.tensor([0.0, 0.0]), dim=0)
    tensor([0.5000, 0.5000])
    """
    x = tensor_arg(input, "softmax")
    x = _with_float(x if dtype is None else x.to(as_dtype(dtype)), "softmax")
    dim = dim_arg(dim, x.ndim, "softmax")
    return ops.softmax(x, dim) if x.ndim else ops.exp(x - x)


@public()
def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """``x_i - log(sum_j exp(x_j))`` along ``dim``.

    >>> import lucid
    >>> lucid.log_softmax(lucid.tensor([0.0, 0.0]), dim=0)
    tensor([-0.6931, -0.6931])
    """
    x = tensor_arg(input, "log_softmax")
    x = _with_float(x if dtype is None else x.to(as_dtype(dtype)), "log_softmax")
    dim = dim_arg(dim, x.ndim, "log_softmax")
    return ops.log_softmax(x, dim) if x.ndim else x - x
