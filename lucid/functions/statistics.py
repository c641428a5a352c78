"""Statistics: medians and quantiles, norms, NaN-aware reductions, covariance."""

from __future__ import annotations

import math
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.dtypes import as_dtype
from ..core.errors import DTypeError
from ..core.graph import entitle, entitled
from ..core.precision import in_single
from ..core.tensor import Tensor, as_tensor
from ..core.transform import everything
from ..ops import order, reduce
from . import reduction
from .attributes import constant_in
from .checking import Scalar, real_arg
from .outputs import write_out
from .registry import FUNCTIONS, dim_arg, dims_arg, public, return_type, tensor_arg

Median, NanMedian, Mode, KthValue = (
    return_type(name, "values", "indices") for name in ("median", "nanmedian", "mode", "kthvalue")
)
AMinMax = return_type("aminmax", "min", "max")


def _picked(x: Tensor, indices: Tensor, d: int, keepdim: bool, result: Any, title: str) -> Any:
    """Values at ``indices`` (which keep the dimension), differentiable; both squeezed unless ``keepdim``."""
    values = ops.take_along_axis(x, indices, d)
    if not keepdim:
        indices = indices.squeeze(d)
        values = values.reshape(tuple(indices.shape))
    return result(entitled(values, title), indices)


def _need_size(x: Tensor, d: int, name: str) -> None:
    if x.ndim and not x.shape[d]:
        raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")


@public()
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The k-th smallest element along ``dim`` (k counts from 1): a named tuple ``(values, indices)``.

    Raises RuntimeError for a k outside the dimension.

    >>> import lucid
    >>> lucid.kthvalue(lucid.tensor([3.0, 1.0, 2.0]), 2).values
    tensor(2.)
    """
    x = tensor_arg(input, "kthvalue")
    d = dim_arg(dim, x.ndim, "kthvalue")
    _need_size(x, d, "kthvalue")
    if x.dtype is dtypes.bool_:
        raise DTypeError("kthvalue: not implemented for booleans")
    if not 1 <= k <= (x.shape[d] if x.ndim else 1):
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {d}: k={k}")
    if not x.ndim:
        return KthValue(x.clone(), as_tensor(0, like=x))
    return _picked(x, order.kth_index(x, int(k) - 1, d), d, keepdim, KthValue, "KthvalueBackward0")


def _middle(x: Tensor, d: int, skip_nan: bool) -> Tensor:
    """Where the lower median along ``d`` is; the dimension is kept."""
    n = x.shape[d]
    known = x.device.type == "cpu" and not hasattr(x.value, "level")  # whether values can be looked at, at no cost
    if not x.dtype.is_floating_point or (known and not ops.any(ops.isnan(x), None, False)):
        return order.kth_index(x, (n - 1) // 2, d)
    indices = ops.argsort(x, d, False, True)
    nans = reduce.sum(ops.isnan(x).to(dtypes.int64), (d,), True)
    counted = n - nans
    place = ops.floor_divide(counted - 1, 2).clamp(min=0)
    if not skip_nan:  # a NaN is the median; the first NaN is at place `counted`
        place = ops.where(ops.greater(nans, 0), counted, place)
    return ops.take_along_axis(indices, place, d)


def _median(input: Tensor, dim: Any, keepdim: bool, name: str, result: Any) -> Any:
    x = tensor_arg(input, name)
    if x.dtype.is_complex or x.dtype is dtypes.bool_:
        raise DTypeError(f"{name}: not implemented for {x.dtype}")
    if dim is None:
        if not x.shape.numel():
            return x.new_full((), math.nan) if x.dtype.is_floating_point else x.new_full((), dtypes.iinfo(x.dtype).min)
        flat = x.reshape(-1)
        found = ops.take_along_axis(flat, _middle(flat, 0, name == "nanmedian"), 0).reshape(())
        if x.node is None and not hasattr(x.value, "level"):
            return found
        equals = reduce.amax(
            ops.where(ops.equal(flat, found), flat, -math.inf), (0,), False
        )  # which share the gradient
        some_nan = flat.max()  # type: ignore[attr-defined]  # where found is NaN: all of them share its gradient
        return entitled(ops.where(ops.isnan(found), some_nan, equals), f"{name.capitalize()}Backward0")
    d = dim_arg(dim, x.ndim, name)
    _need_size(x, d, name)
    if not x.ndim:
        return result(x.clone(), as_tensor(0, like=x))
    return _picked(x, _middle(x, d, name == "nanmedian"), d, keepdim, result, f"{name.capitalize()}Backward1")


@public()
def median(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The median (the lower one of two); with ``dim`` a named tuple ``(values, indices)``. NaN where there is one.

    >>> import lucid
    >>> lucid.median(lucid.tensor([3.0, 1.0, 2.0, 4.0]))
    tensor(2.)
    """
    return _median(input, dim, keepdim, "median", Median)


@public()
def nanmedian(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The median of what is not NaN; with ``dim`` a named tuple ``(values, indices)``.

    >>> import lucid
    >>> lucid.nanmedian(lucid.tensor([float("nan"), 1.0, 2.0]))
    tensor(1.)
    """
    return _median(input, dim, keepdim, "nanmedian", NanMedian)


@public()
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """The most frequent element along ``dim`` (the smallest of equally frequent), and where it occurs last.

    >>> import lucid
    >>> lucid.mode(lucid.tensor([1, 2, 2, 3])).values
    tensor(2)
    """
    x = tensor_arg(input, "mode")
    d = dim_arg(dim, x.ndim, "mode")
    _need_size(x, d, "mode")
    if not x.ndim:
        return Mode(x.clone(), as_tensor(0, like=x))
    return _picked(x, order.mode_index(x, d), d, keepdim, Mode, "ModeBackward0")


# ---- quantiles ----

INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


@in_single
def _quantile(input: Tensor, q: Any, dim: Any, keepdim: bool, interpolation: str, skip_nan: bool, name: str) -> Tensor:
    x = tensor_arg(input, name)
    if x.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if interpolation not in INTERPOLATIONS:
        raise RuntimeError(
            f"{name}() interpolation must be one of {', '.join(INTERPOLATIONS)}, but got {interpolation}"
        )
    if not isinstance(q, Tensor):
        if isinstance(q, complex):
            raise TypeError(f"{name}(): argument 'q' must be Tensor, float or list of floats, not complex")
        if isinstance(q, float | int) and not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q}")
        q = as_tensor(q, dtype=x.dtype, like=x)
    if q.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if q.dtype is not x.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    given = everything(q)
    if given.shape.numel() and bool((given < 0).any() | (given > 1).any()):
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
    if not x.shape.numel():
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    rank = x.ndim
    if dim is None:
        moved = x.reshape(-1)
    else:
        d = dim_arg(dim, rank, name)
        moved = x.movedim(d, -1) if rank else x.reshape(1)
    n = moved.shape[-1]
    ordered = ops.take_along_axis(moved, ops.argsort(moved, moved.ndim - 1, False, True), moved.ndim - 1)
    nan = ops.isnan(moved)
    nans = reduce.sum(nan.to(dtypes.int64), (moved.ndim - 1,), True).to(x.dtype)
    wanted = q.reshape(-1)
    if skip_nan:
        ranks = ops.multiply(wanted, (n - nans - 1).clamp(min=0.0))
    else:
        ranks = ops.where(ops.greater(nans, 0), float(n - 1), wanted * (n - 1))
    shape = (*moved.shape[:-1], wanted.shape[0])
    ranks = ops.broadcast_to(ranks, shape)
    if interpolation == "lower":
        ranks = ops.floor(ranks)
    elif interpolation == "higher":
        ranks = ops.ceil(ranks)
    elif interpolation == "nearest":
        ranks = ops.round_to(ranks, 0)
    low = ops.floor(ranks)
    values = ops.take_along_axis(ordered, low.to(dtypes.int64), moved.ndim - 1)
    if interpolation in ("linear", "midpoint"):
        weight = ops.subtract(ranks, low) if interpolation == "linear" else ranks * 0.0 + 0.5
        upper = ops.take_along_axis(ordered, ops.ceil(ranks).to(dtypes.int64), moved.ndim - 1)
        values = FUNCTIONS["lerp"](values, upper, weight)
    result = values.movedim(-1, 0)  # q comes first
    if keepdim and rank:
        result = result.reshape(wanted.shape[0], *(1,) * rank) if dim is None else result.unsqueeze(d + 1)
    return result if q.ndim else result.squeeze(0)


@public()
def quantile(input: Tensor, q: Any, dim: Any = None, keepdim: bool = False, *, interpolation: str = "linear") -> Tensor:
    """The q-quantiles along ``dim`` (of all without): ``q`` in [0, 1], a number or a 1-D tensor, which then comes first.

    ``interpolation`` between neighbours is "linear", "lower", "higher", "midpoint" or "nearest".

    >>> import lucid
    >>> lucid.quantile(lucid.tensor([0.0, 1.0, 2.0, 3.0]), 0.5)
    tensor(1.5000)
    """
    return _quantile(input, q, dim, keepdim, interpolation, False, "quantile")


@public()
def nanquantile(
    input: Tensor, q: Any, dim: Any = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """``quantile`` of what is not NaN.

    >>> import lucid
    >>> lucid.nanquantile(lucid.tensor([float("nan"), 1.0, 2.0]), 0.5)
    tensor(1.5000)
    """
    return _quantile(input, q, dim, keepdim, interpolation, True, "nanquantile")


# ---- NaN-aware sums, extremes of both kinds, norms ----


@public()
def nansum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum with NaN counted as 0.

    >>> import lucid
    >>> lucid.nansum(lucid.tensor([1.0, float("nan")]))
    tensor(1.)
    """
    x = tensor_arg(input, "nansum")
    if x.dtype.is_complex:
        raise RuntimeError("nansum does not support complex inputs")
    x = _no_nan(x) if dtype is None else _no_nan(x).to(as_dtype(dtype))
    total = reduce.sum(x, dims_arg(dim, x.ndim, "nansum"), keepdim)
    return entitled(total if dtype is None or total.dtype is x.dtype else total.to(x.dtype), "NansumBackward0")  # type: ignore[attr-defined]


def _no_nan(x: Tensor) -> Tensor:
    return ops.where(ops.isnan(x), 0.0, x) if x.dtype.category >= dtypes.FLOAT else x


@public()
def nanmean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean of what is not NaN.

    >>> import lucid
    >>> lucid.nanmean(lucid.tensor([1.0, float("nan"), 3.0]))
    tensor(2.)
    """
    x = reduction.floating(tensor_arg(input, "nanmean"), "nanmean")
    if dtype is not None and as_dtype(dtype).category < dtypes.FLOAT:
        raise RuntimeError(f"nanmean(): dtype must be floating point or complex, got {dtype}")
    count = reduce.sum(ops.logical_not(ops.isnan(x)), dims_arg(dim, x.ndim, "nanmean"), keepdim)
    return nansum(x, dim, keepdim, dtype=dtype) / count


@public()
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """Smallest and largest element: a named tuple ``(min, max)``.

    >>> import lucid
    >>> lucid.aminmax(lucid.tensor([3.0, 1.0, 2.0])).max
    tensor(3.)
    """
    x = tensor_arg(input, "aminmax")
    if not x.shape.numel() and dim is None:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
        )
    return AMinMax(reduction.amin(x, dim, keepdim), reduction.amax(x, dim, keepdim))


@public()
def norm(
    input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, out: Any = None, dtype: Any = None
) -> Tensor:
    """The p-norm over ``dim``: ``(sum |x|^p)^(1/p)``; "fro" and 2 the Euclidean, "nuc" the nuclear norm of matrices.

    At 0 the gradient of the Euclidean norm is 0, as in PyTorch.

    >>> import lucid
    >>> lucid.norm(lucid.tensor([3.0, 4.0]))
    tensor(5.)
    """
    x = tensor_arg(input, "norm")
    x = reduction.floating(x if dtype is None else x.to(as_dtype(dtype)), "norm")
    if p == "nuc":
        from .. import linalg

        result = linalg.matrix_norm(x, "nuc", dim=(-2, -1) if dim is None else dim, keepdim=keepdim)
    elif isinstance(p, str) and p != "fro":
        raise RuntimeError(f"norm: expected p to be a number, 'fro' or 'nuc', got {p!r}")
    else:
        result = p_norm(
            x, 2.0 if p is None or p == "fro" else real_arg(p, "norm", "p"), dims_arg(dim, x.ndim, "norm"), keepdim
        )
        entitle(result.node, "LinalgVectorNormBackward0")
    if out is not None:
        return write_out(out, lambda: result, "norm")
    return result


def p_norm(x: Tensor, p: float, dims: Any, keepdim: bool) -> Tensor:
    if x.dtype in (dtypes.float16, dtypes.bfloat16):  # powers overflow: as PyTorch, in float32
        return p_norm(x.to(dtypes.float32), p, dims, keepdim).to(x.dtype)
    size = ops.abs(x)
    if p == math.inf or p == -math.inf:
        return (reduce.amax if p > 0 else reduce.amin)(size, dims, keepdim)
    if p == 0:
        return reduce.sum(constant_in(ops.not_equal(size, 0).to(size.dtype), size), dims, keepdim)
    if p == 1:
        return reduce.sum(size, dims, keepdim)
    if p == 2:
        total = reduce.sum(ops.square(size if x.dtype.is_complex else x), dims, keepdim)  # |x| has a kink at 0
        if x.node is None and not hasattr(x.value, "level"):  # no derivative, which at 0 needs care
            return ops.sqrt(total)
        zero = ops.equal(total, 0)
        return ops.where(zero, 0.0, ops.sqrt(ops.where(zero, 1.0, total)))
    zero = ops.equal(size, 0)  # 0 to a power below 1 has no finite slope; its share of the gradient is 0
    powers = ops.where(zero, 0.0 if p > 0 else math.inf, ops.pow(ops.where(zero, 1.0, size), p))
    total = reduce.sum(powers, dims, keepdim)
    none = ops.equal(total, 0)
    return ops.where(none, 0.0, ops.pow(ops.where(none, 1.0, total), 1.0 / p))


@public(out=False)
def dist(input: Tensor, other: Tensor, p: Scalar = 2) -> Tensor:
    """The p-norm of ``input - other``.

    >>> import lucid
    >>> lucid.dist(lucid.tensor([3.0, 0.0]), lucid.tensor([0.0, 4.0]))
    tensor(5.)
    """
    return entitled(
        p_norm(FUNCTIONS["sub"](input, other), real_arg(p, "dist", "p"), None, False),
        "DistBackward0",
    )


@public(inplace=True)
def renorm(input: Tensor, p: Scalar, dim: int, maxnorm: Scalar) -> Tensor:
    """Slices along ``dim`` whose p-norm exceeds ``maxnorm`` scaled down to it.

    >>> import lucid
    >>> lucid.renorm(lucid.tensor([[3.0, 4.0], [0.6, 0.8]]), 2, 0, 1.0)
    tensor([[0.6000, 0.8000],
            [0.6000, 0.8000]])
    """
    x = reduction.floating(tensor_arg(input, "renorm"), "renorm")
    p, maxnorm = real_arg(p, "renorm", "p"), real_arg(maxnorm, "renorm", "maxnorm")
    if not p > 0:
        raise RuntimeError(f"renorm: non-positive-norm not supported, got p={p}")
    if not maxnorm >= 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if x.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {x.ndim} dimensions")
    d = dim_arg(dim, x.ndim, "renorm")
    size = p_norm(x, p, tuple(i for i in range(x.ndim) if i != d), True)
    return x * ops.where(ops.greater(size, maxnorm), maxnorm / (size + 1e-7), 1.0)


# ---- covariance ----


@public(out=False)
def cov(input: Tensor, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Tensor:
    """The covariance matrix of variables in rows, observations in columns.

    ``fweights`` are integer frequencies, ``aweights`` relative weights of observations.

    >>> import lucid
    >>> lucid.cov(lucid.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    x = tensor_arg(input, "cov")
    if x.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {x.ndim} dimensions"
        )
    if x.dtype is dtypes.bool_:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = x if x.dtype.category >= dtypes.FLOAT else x.to(dtypes.get_default_dtype())
    rows = x.reshape(1, -1) if x.ndim < 2 else x
    weights = None
    for w, name in ((fweights, "fweights"), (aweights, "aweights")):
        if w is not None:
            if w.ndim > 1 or w.shape.numel() != rows.shape[1]:
                raise RuntimeError(
                    f"cov(): expected {name} to have the same numel as there are observations in the input, got {tuple(w.shape)}"
                )
            if (w.dtype.category == dtypes.INTEGER) != (name == "fweights"):
                kind = "integral" if name == "fweights" else "floating point"
                raise RuntimeError(f"cov(): expected {name} to have {kind} dtype but got {name} with {w.dtype} dtype")
            if w.shape.numel() and bool((w < 0).any()):
                raise RuntimeError(f"cov(): {name} cannot be negative")
            weights = w if weights is None else weights * w
    if weights is None:
        centred = rows - reduce.mean(rows, (1,), True)
        scaled, free = centred, rows.shape[1] - correction
    else:
        weights = weights if weights.dtype.is_floating_point else weights.to(rows.dtype.to_real())
        total = weights.sum()
        centred = rows - (rows * weights).sum(1, keepdim=True) / total
        scaled = centred * weights
        free = total - correction * ((weights * aweights).sum() / total if aweights is not None else 1)
    free = free.clamp(min=0) if isinstance(free, Tensor) else max(free, 0)
    result = ops.matmul(scaled, ops.conj(centred).mT if x.dtype.is_complex else centred.mT) / free
    return result.squeeze()  # as PyTorch: of one variable a number


@public(out=False)
def corrcoef(input: Tensor) -> Tensor:
    """The matrix of Pearson correlations of variables in rows.

    >>> import lucid
    >>> lucid.corrcoef(lucid.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    c = cov(input)
    if not c.ndim:
        return c / c
    scale = ops.sqrt(ops.real(c.diagonal()) if c.dtype.is_complex else c.diagonal())
    result = c / scale.unsqueeze(1) / scale.unsqueeze(0)
    return result if c.dtype.is_complex else ops.clip(result, -1, 1)
