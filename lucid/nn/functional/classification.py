"""Losses over class numbers and class probabilities."""

from __future__ import annotations

from typing import Any

from ... import ops
from ...backends import backend_of
from ...core import dtypes
from ...core.errors import DTypeError, ShapeError
from ...core.graph import entitled
from ...core.precision import in_single
from ...core.tensor import Tensor
from ._reduction import reduced, reduction_arg

__all__ = ["cross_entropy", "nll_loss"]


def _concrete(t: Tensor) -> bool:
    """Whether values can be looked at: not inside jvp and vmap, nor on CUDA (it waits); MLX must (it would read foreign memory)."""
    return t.device.type != "cuda" and not hasattr(t.value, "level")


def _class_axis(name: str, input: Tensor, target: Tensor) -> int:
    """Where the classes are; ShapeError where input and target do not fit."""
    x, t = tuple(input.shape), tuple(target.shape)
    if not x:
        raise ShapeError(f"{name}: expected an input of at least 1 dimension (classes), got a 0-d tensor")
    axis = 0 if len(x) == 1 else 1
    if x[:axis] + x[axis + 1 :] != t:
        if len(x) > 1 and t and x[0] != t[0]:
            raise ShapeError(
                f"{name}: Expected input batch_size ({x[0]}) to match target batch_size ({t[0]}): input {x}, target {t}"
            )
        raise ShapeError(
            f"{name}: input {x} and target {t} do not fit; class numbers have the input's shape without its class dimension {axis}: "
            f"{x[:axis] + x[axis + 1 :]}"
        )
    return axis


def check_targets(name: str, target: Tensor, classes: int, ignore_index: int) -> bool:
    """Whether some targets are to be ignored (None known: assume so). IndexError for a class that does not exist."""
    if target.dtype is not dtypes.int64 and target.dtype is not dtypes.uint8:
        raise RuntimeError(f"{name}: expected class numbers of an integer dtype (int64 or uint8), got {target.dtype}")
    if not _concrete(target):
        return True
    if not target.shape.numel():
        return False
    bounds = backend_of(target.value).known_bounds(target.value, 0, classes - 1)
    low, high = bounds or (0, classes - 1)
    if low >= 0 and high < classes:
        return 0 <= ignore_index < classes
    for t in (low, high):
        if not 0 <= t < classes and t != ignore_index:
            raise IndexError(f"{name}: Target {t} is out of bounds: there are {classes} classes, 0 to {classes - 1}")
    wrong = ((target < 0) | (target >= classes)) & (target != ignore_index)  # type: ignore[operator]
    if wrong.any():
        raise IndexError(
            f"{name}: Target {int(target[wrong][0])} is out of bounds: there are {classes} classes, 0 to {classes - 1}"
        )
    return True


def _check_weight(name: str, weight: Tensor | None, classes: int) -> None:
    if weight is not None and tuple(weight.shape) != (classes,):
        raise ShapeError(
            f"{name}: weight tensor should be defined either for all {classes} classes or no classes but got weight tensor of shape: {tuple(weight.shape)}"
        )


def _rows(input: Tensor, axis: int) -> Tensor:
    """(N, C, ...) as (rows, C)."""
    if input.ndim == 2:
        return input
    classes = input.shape[axis]
    if input.ndim == 1:
        return input.reshape(1, classes)  # type: ignore[attr-defined]
    order = (0, *range(2, input.ndim), 1)
    return input.permute(order).reshape(input.shape.numel() // max(classes, 1), classes)  # type: ignore[attr-defined]


def _weighted(
    loss: Tensor, target: Tensor, weight: Tensor | None, mask: Tensor | None, shape: Any, reduction: str
) -> Tensor:
    """Loss per row to the reduced loss: class weights, ignored rows, and the mean over the weights that count."""
    w = None if weight is None else weight[target]  # type: ignore[index]
    if w is not None:
        loss = loss * w  # type: ignore[operator]
    if mask is not None:
        loss = ops.where(mask, loss, 0.0)
    if reduction == "none":
        return loss.reshape(shape)  # type: ignore[attr-defined]
    if reduction == "sum" or (w is None and mask is None):
        return reduced(loss, reduction)
    if w is None:
        assert mask is not None
        total = mask.to(loss.dtype).sum()  # type: ignore[attr-defined]
    else:
        total = (w if mask is None else ops.where(mask, w, 0.0)).sum()
    return loss.sum() / total  # type: ignore[attr-defined]


@in_single
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """``-weight[t] * input[t]`` of log-probabilities (N, C, ...) and classes (N, ...); the mean is over the weights.

    Raises IndexError for a class out of range and RuntimeError for shapes that do not fit.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.nll_loss(lucid.tensor([[-0.5, -1.0]]), lucid.tensor([1]))
    tensor(1.)
    """
    reduction = reduction_arg(reduction, size_average, reduce)
    axis = _class_axis("nll_loss", input, target)
    classes = input.shape[axis]
    ignoring = check_targets("nll_loss", target, classes, ignore_index)
    _check_weight("nll_loss", weight, classes)
    shape, rows = tuple(target.shape), _rows(input, axis)
    if target.ndim != 1:
        target = target.reshape(-1)  # type: ignore[attr-defined]
    mask: Any = (target != ignore_index) if ignoring else None
    if mask is not None:
        target = ops.where(mask, target, 0)
    if target.dtype is not dtypes.int64:
        target = target.long()  # type: ignore[attr-defined]
    loss = ops.nll_rows(rows, target)  # bounds were checked above
    return _weighted(loss, target, weight, mask, shape, reduction)


@in_single
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """``-log(softmax(input))[target]`` of logits (N, C, ...) and classes (N, ...), or probabilities of the input's shape.

    ``weight`` is per class, ``ignore_index`` a class number that does not count, ``label_smoothing`` mixes the target
    with the uniform distribution. Raises IndexError for a class out of range, RuntimeError for shapes that do not fit.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.cross_entropy(lucid.tensor([[0.0, 0.0]]), lucid.tensor([1]))
    tensor(0.6931)
    """
    reduction = reduction_arg(reduction, size_average, reduce)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    if input.dtype.category == dtypes.COMPLEX or target.dtype.category == dtypes.COMPLEX:
        raise DTypeError(f"cross_entropy: not implemented for input of {input.dtype} and target of {target.dtype}")
    if target.dtype.category >= dtypes.FLOAT and input.shape == target.shape:
        if ignore_index >= 0:
            raise RuntimeError("cross_entropy: ignore_index is not supported for floating point target")
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    axis = _class_axis("cross_entropy", input, target)
    classes = input.shape[axis]
    ignoring = check_targets("cross_entropy", target, classes, ignore_index)
    _check_weight("cross_entropy", weight, classes)
    shape, rows = tuple(target.shape), _rows(input, axis)
    if target.ndim != 1:
        target = target.reshape(-1)  # type: ignore[attr-defined]
    mask: Any = (target != ignore_index) if ignoring else None
    if mask is not None:
        target = ops.where(mask, target, 0)
    if target.dtype is not dtypes.int64:
        target = target.long()  # type: ignore[attr-defined]
    loss, log_sum = ops.cross_entropy(rows, target)
    out = _weighted(loss, target, weight, mask, shape, reduction)
    if label_smoothing == 0.0:
        return entitled(out, "NllLossBackward0" if len(shape) < 2 else "NllLoss2DBackward0")
    spread = log_sum * classes - rows.sum(1) if weight is None else log_sum * weight.sum() - (rows * weight).sum(1)  # type: ignore[attr-defined, operator]
    if mask is not None:
        spread = ops.where(mask, spread, 0.0)
    if reduction == "none":
        smooth = spread.reshape(shape)
    elif reduction == "sum":
        smooth = spread.sum()
    elif weight is not None:
        w = weight[target]  # type: ignore[index]
        smooth = spread.sum() / (w if mask is None else ops.where(mask, w, 0.0)).sum()
    else:
        smooth = spread.mean() if mask is None else spread.sum() / mask.to(spread.dtype).sum()  # type: ignore[attr-defined]
    return out * (1 - label_smoothing) + smooth * (label_smoothing / classes)  # type: ignore[operator]


def _soft_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float
) -> Tensor:
    axis = 0 if input.ndim == 1 else 1
    classes = input.shape[axis]
    _check_weight("cross_entropy", weight, classes)
    if smoothing > 0:
        target = target * (1 - smoothing) + smoothing / classes  # type: ignore[operator]
    if weight is not None:
        target = target * weight.reshape(classes, *(1,) * (input.ndim - axis - 1))  # type: ignore[attr-defined]
    loss = -(input.log_softmax(axis) * target).sum(axis)  # type: ignore[attr-defined]
    if reduction == "mean":
        return loss.sum() / max(loss.shape.numel(), 1) if loss.shape.numel() else loss.mean()
    return reduced(loss, reduction)
