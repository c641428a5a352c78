"""Running reductions and differences along a dimension."""

from __future__ import annotations

import math
from typing import Any

from .. import ops
from ..core.dtypes import BOOL, FLOAT, as_dtype, get_default_dtype, int64
from ..core.errors import DTypeError
from ..core.graph import entitled
from ..core.tensor import Tensor
from ..ops import reduce
from .checking import KINDS, Dims, fits, right
from .registry import FUNCTIONS, dim_arg, public, return_type, tensor_arg

CumMax, CumMin = (return_type(name, "values", "indices") for name in ("cummax", "cummin"))


def _input(input: Any, dtype: Any, name: str) -> Tensor:
    x = tensor_arg(input, name)
    if dtype is not None:
        kind = as_dtype(dtype)
        if kind.category == BOOL:
            raise NotImplementedError(f"{name}: not implemented for {kind}")
        return x.to(kind)
    return x.to(int64) if x.dtype.category == BOOL else x


def _as_asked(result: Tensor, dtype: Any) -> Tensor:
    """Small integers add up in int64; asked for their own dtype they wrap, as in PyTorch."""
    return result if dtype is None else result.to(as_dtype(dtype))


@public(inplace=True)
def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Running sums along ``dim``; integers in int64.

    >>> import lucid
    >>> lucid.cumsum(lucid.tensor([1.0, 2.0, 3.0]), dim=0)
    tensor([1., 3., 6.])
    """
    x = _input(input, dtype, "cumsum")
    return _as_asked(reduce.cumulative_sum(x, dim_arg(dim, x.ndim, "cumsum")), dtype)


@public(inplace=True)
def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Running products along ``dim``; integers in int64. The derivative divides by nothing, so zeros are exact.

    >>> import lucid
    >>> lucid.cumprod(lucid.tensor([1.0, 2.0, 3.0]), dim=0)
    tensor([1., 2., 6.])
    """
    x = _input(input, dtype, "cumprod")
    return _as_asked(reduce.cumulative_prod(x, dim_arg(dim, x.ndim, "cumprod")), dtype)


@public(inplace=True)
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """``log`` of the running sums of ``exp(x)`` along ``dim``, without overflow.

    >>> import lucid
    >>> lucid.logcumsumexp(lucid.tensor([0.0, 0.0, 0.0]), dim=0)
    tensor([0.0000, 0.6931, 1.0986])
    """
    x = tensor_arg(input, "logcumsumexp")
    d = dim_arg(dim, x.ndim, "logcumsumexp")
    if x.dtype.category < FLOAT:
        raise DTypeError(f"logcumsumexp: not implemented for {x.dtype}")
    if x.dtype.is_complex:
        return _complex_logcumsumexp(x, d)
    return reduce.logcumsumexp(x, d)


def _complex_logcumsumexp(x: Tensor, d: int) -> Tensor:
    """Sums of 2, 4, 8, ... neighbours, each taken out of the larger one: no shift would serve a whole row."""
    reach, n = 1, x.shape[d] if x.ndim else 1
    x = ops.where(ops.isnan(x), complex(math.nan, math.nan), x)
    while reach < n:
        longer = FUNCTIONS["logaddexp"](x.narrow(d, reach, n - reach), x.narrow(d, 0, n - reach))
        x = ops.concat(x.narrow(d, 0, reach), longer, d)
        reach *= 2
    return x


def _running(input: Tensor, dim: int, name: str, op: Any, result: Any) -> Any:
    x = tensor_arg(input, name)
    d = dim_arg(dim, x.ndim, name)
    indices = op(x, d)
    return result(
        entitled(ops.take_along_axis(x, indices, d) if x.ndim else x.clone(), f"{name.capitalize()}Backward0"), indices
    )


@public()
def cummax(input: Tensor, dim: int) -> Any:
    """The largest so far along ``dim``, and where it was: a named tuple ``(values, indices)``.

    >>> import lucid
    >>> lucid.cummax(lucid.tensor([1.0, 3.0, 2.0]), dim=0).values
    tensor([1., 3., 3.])
    """
    return _running(input, dim, "cummax", reduce.cumulative_argmax, CumMax)


@public()
def cummin(input: Tensor, dim: int) -> Any:
    """The smallest so far along ``dim``, and where it was: a named tuple ``(values, indices)``.

    >>> import lucid
    >>> lucid.cummin(lucid.tensor([3.0, 1.0, 2.0]), dim=0).indices
    tensor([0, 1, 1])
    """
    return _running(input, dim, "cummin", reduce.cumulative_argmin, CumMin)


@public()
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Differences of neighbours along ``dim``, taken ``n`` times; for booleans, whether they differ.

    >>> import lucid
    >>> lucid.diff(lucid.tensor([1, 4, 9, 16]))
    tensor([3, 5, 7])
    """
    x = tensor_arg(input, "diff")
    if not x.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    d = dim_arg(dim, x.ndim, "diff")
    if n == 0:
        return x.clone()
    fits(n, "diff", "n")
    if prepend is not None or append is not None:
        for part in (prepend, append):
            if part is not None and part.ndim != x.ndim:
                raise RuntimeError(
                    f"diff expects prepend or append to be the same dimension as input, got {part.ndim} and {x.ndim}"
                )
        parts = [p for p in (prepend, x, append) if p is not None]
        x = ops.concat(*parts, d)
    for _ in range(n):
        m = x.shape[d]
        late, early = x.narrow(d, 1, max(m - 1, 0)) if m else x, x.narrow(d, 0, max(m - 1, 0))
        x = ops.not_equal(late, early) if x.dtype.category == BOOL else ops.subtract(late, early)
    return x


def _widths(y: Tensor, x: Any, dx: Any, dim: int) -> Any:
    """The widths of the intervals: from sample points ``x`` or the constant ``dx``."""
    if x is None:
        return 1.0 if dx is None else dx
    if x.ndim == 1:
        if x.shape[0] != y.shape[dim]:
            raise RuntimeError(
                f"trapezoid(): There must be one `x` value for each sample point: {x.shape[0]} and {y.shape[dim]}"
            )
        return diff(x).reshape((-1,) + (1,) * (y.ndim - dim - 1))
    if x.ndim < y.ndim:
        x = x.reshape((1,) * (y.ndim - x.ndim) + tuple(x.shape))
    return diff(x, dim=dim)  # counted from the first dimension, also where `x` has more of them than `y`


@public("trapz", out=False)
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integral along ``dim`` by the trapezoidal rule, with sample points ``x`` or spacing ``dx``.

    >>> import lucid
    >>> lucid.trapezoid(lucid.tensor([1.0, 2.0, 3.0]))
    tensor(4.)
    """
    return _areas(y, x, dx, dim, "trapezoid").sum(dim_arg(dim, y.ndim, "trapezoid"))


@public(out=False)
def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The running integral along ``dim`` by the trapezoidal rule.

    >>> import lucid
    >>> lucid.cumulative_trapezoid(lucid.tensor([1.0, 2.0, 3.0]))
    tensor([1.5000, 4.0000])
    """
    return cumsum(_areas(y, x, dx, dim, "cumulative_trapezoid"), dim_arg(dim, y.ndim, "cumulative_trapezoid"))


def _areas(y: Tensor, x: Any, dx: Any, dim: int, name: str) -> Tensor:
    y = tensor_arg(y, name, "y")
    if y.dtype.category == BOOL or (x is not None and x.dtype.category == BOOL):
        raise RuntimeError(f"{name}: received a bool input for `y` or `x`, but bool is not supported")
    if dx is not None:
        if isinstance(dx, complex) and not y.dtype.is_complex:
            raise RuntimeError(f"{name}: expected a real dx for a real input, got {dx}")
        dx = right(dx, KINDS["Scalar"], name, "dx")
    d = dim_arg(dim, y.ndim, name)
    n = y.shape[d]
    return _widths(y, x, dx, d) * (y.narrow(d, min(1, n), max(n - 1, 0)) + y.narrow(d, 0, max(n - 1, 0))) / 2.0


@public(method=False, out=False)
def gradient(input: Tensor, *, spacing: Any = 1, dim: Dims | None = None, edge_order: int = 1) -> tuple[Tensor, ...]:
    """The slope along each of ``dim`` by differences of neighbours, second order inside and ``edge_order`` at the ends.

    ``spacing`` is a number, one number per dimension, or the coordinates of the samples, a vector per dimension.

    >>> import lucid
    >>> lucid.gradient(lucid.tensor([1.0, 4.0, 9.0, 16.0]))[0]
    tensor([3., 4., 6., 7.])
    """
    x = tensor_arg(input, "gradient")
    dims = range(x.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    dims = [dim_arg(d, x.ndim, "gradient") for d in dims]
    if len(set(dims)) != len(dims):
        raise RuntimeError(f"dim {dims} appears multiple times in the list of dims")
    if edge_order not in (1, 2):
        raise RuntimeError(f"torch.gradient only supports edge_order=1 and edge_order=2, got {edge_order}")
    if x.ndim and (x.dtype.category == BOOL or x.dtype.name == "uint8"):
        raise RuntimeError(f"torch.gradient does not support {x.dtype} input")
    if isinstance(spacing, Tensor) and spacing.ndim:
        raise TypeError(f"gradient(): spacing must be a number or a list, not Tensor of shape {tuple(spacing.shape)}")
    spacing = 1 if spacing is None else spacing
    steps = list(spacing) if isinstance(spacing, list | tuple) else [spacing] * len(dims)
    if len(steps) != len(dims):
        raise RuntimeError(
            f"torch.gradient expected spacing to be unspecified, a scalar or a list of length {len(dims)}, got a list of length {len(steps)}"
        )
    for d in dims:
        if x.shape[d] < edge_order + 1:
            raise RuntimeError(
                f"torch.gradient expected each dimension size to be at least edge_order+1, got {x.shape[d]} in dim {d}"
            )
    return tuple(_slope(x, d, step, edge_order) for d, step in zip(dims, steps, strict=True))


def _slope(x: Tensor, d: int, step: Any, edge_order: int) -> Tensor:
    n = x.shape[d]
    if isinstance(step, Tensor) and step.ndim:
        if step.ndim != 1 or step.shape[0] != n:
            raise RuntimeError(
                f"torch.gradient expected each element of spacing to have {n} coordinates, got shape {list(step.shape)}"
            )
        widths = diff(step).reshape((-1,) + (1,) * (x.ndim - d - 1))
    else:
        widths = None
    if x.dtype.category < FLOAT:
        x = x.to(get_default_dtype())

    def part(t: Tensor, a: int, count: int) -> Tensor:
        return t.narrow(d, a, count)

    slopes = part(x, 1, n - 1) - part(x, 0, n - 1)
    slopes = slopes / (step if widths is None else widths)  # between neighbours
    if n == 2:
        inside = part(slopes, 0, 0)
    elif widths is None:
        inside = (part(x, 2, n - 2) - part(x, 0, n - 2)) / (2.0 * step)
    else:
        left, right = widths.narrow(0, 0, n - 2), widths.narrow(0, 1, n - 2)
        inside = (left * part(slopes, 1, n - 2) + right * part(slopes, 0, n - 2)) / (left + right)
    first, last = part(slopes, 0, 1), part(slopes, n - 2, 1)
    if edge_order == 2:  # the slope of the parabola through three points
        share = 0.5 if widths is None else widths.narrow(0, 0, 1) / (widths.narrow(0, 0, 1) + widths.narrow(0, 1, 1))
        first = first + share * (first - part(slopes, 1, 1))
        share = (
            0.5
            if widths is None
            else widths.narrow(0, n - 2, 1) / (widths.narrow(0, n - 3, 1) + widths.narrow(0, n - 2, 1))
        )
        last = last + share * (last - part(slopes, n - 3, 1))
    return ops.concat(first, inside, last, d)
