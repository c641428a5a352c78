"""Counting: how many, how often, and histograms in one and several dimensions."""

from __future__ import annotations

import math
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.errors import DTypeError, ShapeError
from ..core.tensor import Tensor
from ..core.transform import each_example, everything
from ..ops import order, reduce
from .checking import Scalar, fits, real_arg
from .registry import FUNCTIONS, dims_arg, public, return_type, tensor_arg

Histogram = return_type("histogram", "hist", "bin_edges")
HistogramDD = return_type("histogramdd", "hist", "bin_edges")
every = range  # PyTorch names an argument `range`


@public(out=False)
def count_nonzero(input: Tensor, dim: Any = None, *more: int) -> Tensor:
    """How many elements are not 0, along ``dim`` (an int, a tuple, or None for all).

    >>> import lucid
    >>> lucid.count_nonzero(lucid.tensor([[1, 0], [2, 3]]), dim=0)
    tensor([2, 1])
    """
    x = tensor_arg(input, "count_nonzero")
    return reduce.count_nonzero(x, dims_arg((dim, *more) if more else dim, x.ndim, "count_nonzero"))


@public(out=False)
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each integer from 0 occurs, or the sum of the weights of its occurrences.

    Raises RuntimeError for negative elements.

    >>> import lucid
    >>> lucid.bincount(lucid.tensor([0, 1, 1, 3]))
    tensor([1, 2, 0, 1])
    """
    x = tensor_arg(input, "bincount")
    if x.dtype.category != dtypes.INTEGER or x.ndim != 1:
        kind = RuntimeError if x.dtype.category == dtypes.INTEGER else NotImplementedError
        raise kind(f"bincount only supports 1-d non-negative integral inputs; got {x.ndim}-d {x.dtype}")
    if minlength < 0:
        raise RuntimeError("bincount: minlength should be >= 0")
    if x.shape[0] and int(everything(x).min()) < 0:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs; got a negative element")
    if weights is None:
        return order.bincount(x, int(minlength))
    if weights.shape != x.shape:
        raise RuntimeError("bincount: weights should be 1-d and have the same length as input")
    return order.bincount_weighted(x, weights.detach(), int(minlength))


def _limits(x: Tensor, low: float, high: float, name: str) -> tuple[float, float]:
    if low == high and x.shape.numel() and name == "histc":
        low, high = float(x.min()), float(x.max())
    if low == high:
        low, high = low - 0.5 if name == "histogram" else low - 1, high + 0.5 if name == "histogram" else high + 1
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"{name}: range of [{low:g}, {high:g}] is not finite")
    if low > high:
        raise RuntimeError(f"{name}: max must be larger than min; got [{low}, {high}]")
    return low, high


@public()
def histc(input: Tensor, bins: int = 100, min: Scalar = 0, max: Scalar = 0) -> Tensor:
    """Counts in ``bins`` equal bins from ``min`` to ``max`` (of the data where both are 0), in the input's dtype.

    >>> import lucid
    >>> lucid.histc(lucid.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
    tensor([0., 2., 1., 0.])
    """
    x = tensor_arg(input, "histc").detach()
    if not x.dtype.is_floating_point:
        raise DTypeError(f"histc: not implemented for {x.dtype}; cast to a floating dtype first")
    if bins <= 0:
        raise RuntimeError(f"torch.histc(): bins must be > 0, but got {bins}")
    fits(bins, "histc", "bins")
    return _counts(x, int(bins), real_arg(min, "histc", "min"), real_arg(max, "histc", "max"))


@each_example("histc")
def _counts(x: Tensor, bins: int, low: float, high: float) -> Tensor:
    return order.histc(x, bins, *_limits(x, low, high, "histc"))


@public()
def histogram(input: Tensor, bins: Any = 100, *, range: Any = None, weight: Any = None, density: bool = False) -> Any:
    """Counts (or sums of weights) in bins: a number of equal ones or a tensor of edges. A named tuple ``(hist, bin_edges)``.

    >>> import lucid
    >>> lucid.histogram(lucid.tensor([1.0, 2.0, 1.0]), bins=4, range=(0.0, 3.0)).hist
    tensor([0., 2., 1., 0.])
    """
    x = _points(input, "histogram")
    if weight is not None and weight.shape != x.shape:
        raise ShapeError(
            f"histogram: weight must have the shape of input, got {tuple(weight.shape)} and {tuple(x.shape)}"
        )
    return _histogram(x, bins, range, weight, density)


def _points(input: Tensor, name: str) -> Tensor:
    x = tensor_arg(input, name).detach()
    if x.dtype not in (dtypes.float32, dtypes.float64):
        raise NotImplementedError(f"{name}: not implemented for {x.dtype}")
    return x


@each_example("histogram")
def _histogram(x: Tensor, bins: Any, range: Any, weight: Any, density: bool) -> Any:
    edges = _edges(x, bins, range)
    if weight is None:
        hist = order.histogram_counts(x, edges)
    else:
        hist = order.histogram_weights(x, edges, weight.detach())
    if density:
        hist = hist / hist.sum() / (edges[1:] - edges[:-1])
    return Histogram(hist, edges)


def _edges(x: Tensor, bins: Any, span: Any) -> Tensor:
    if isinstance(bins, Tensor) and bins.ndim:
        if bins.dtype is not x.dtype:
            raise RuntimeError(
                f"histogram: input tensor and bins tensors should have the same dtype, but got {x.dtype} and {bins.dtype}"
            )
        return bins
    if bins <= 0:
        raise RuntimeError(f"histogram: bins must be > 0, but got {bins}")
    if span is None and x.shape.numel():
        span = float(x.min()), float(x.max())
    first, last = span or (0.0, 1.0)
    low, high = _limits(x, first, last, "histogram")
    return FUNCTIONS["linspace"](low, high, int(bins) + 1, dtype=x.dtype, device=x.device)


@public(out=False)
def histogramdd(input: Tensor, bins: Any, range: Any = None, weight: Any = None, density: bool = False) -> Any:
    """A histogram in several dimensions, of points in the rows of ``input``: a named tuple ``(hist, bin_edges)``.

    >>> import lucid
    >>> lucid.histogramdd(lucid.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), bins=[2, 2]).hist
    tensor([[0., 1.],
            [1., 1.]])
    """
    x = _points(input, "histogramdd")
    points = x.reshape(-1, x.shape[-1])
    n = points.shape[1]
    per = list(bins) if isinstance(bins, list | tuple) else [bins] * n
    if len(per) != n:
        raise RuntimeError(f"histogramdd: expected {n} sequences of bin edges or counts but got {len(per)}")
    spans = [None if range is None else (float(range[2 * i]), float(range[2 * i + 1])) for i in every(n)]
    edges = [_edges(points[:, i], per[i], spans[i]) for i in every(n)]
    sizes = [e.shape[0] - 1 for e in edges]
    flat: Any = None
    inside: Any = None
    for i, e in enumerate(edges):
        column = points[:, i].contiguous()
        at = FUNCTIONS["searchsorted"](e, column, right=True) - 1
        at = ops.where(ops.equal(column, e[-1]), sizes[i] - 1, at)
        within = (column >= e[0]) & (column <= e[-1])
        flat = at if flat is None else flat * sizes[i] + at
        inside = within if inside is None else inside & within
    total = math.prod(sizes)
    counts = bincount(flat[inside], None if weight is None else weight.reshape(-1)[inside], total)
    hist = counts[:total].reshape(sizes).to(x.dtype)
    if density:
        hist = hist / hist.sum()
        for i, e in enumerate(edges):
            hist = hist / (e[1:] - e[:-1]).reshape([-1 if j == i else 1 for j in every(n)])
    return HistogramDD(hist, tuple(edges))


def histogram2d(x: Tensor, y: Tensor, bins: Any = 10, range: Any = None, density: bool = False) -> Any:
    """``histogramdd`` of the points ``(x_i, y_i)``."""
    span = None if range is None else [v for pair in range for v in pair]
    return histogramdd(FUNCTIONS["stack"]([x.reshape(-1), y.reshape(-1)], 1), bins, range=span, density=density)


FUNCTIONS["histogram2d"] = histogram2d
