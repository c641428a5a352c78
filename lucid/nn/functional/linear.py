"""Affine maps."""

from __future__ import annotations

import math

from ...core.errors import DTypeError, ShapeError
from ...core.op import OPS
from ...core.precision import lowered
from ...core.tensor import Tensor
from ...functions.outputs import write_out
from ...functions.products import row_count

__all__ = ["bilinear", "linear"]
_linear = OPS["linear"].call
_reshape = OPS["reshape"].call


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None, *, out: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``: (*, in) with weight (out, in) and bias (out,) gives (*, out).

    Raises RuntimeError where the sizes or dtypes do not fit.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.linear(lucid.ones(1, 2), lucid.ones(3, 2), lucid.ones(3))
    tensor([[3., 3., 3.]])
    """
    if out is not None:
        return write_out(out, lambda: linear(input, weight, bias), "linear")
    try:
        x, w = input.value, weight.value
        b = w if bias is None else bias.value
    except AttributeError:
        for name, given in (("input", input), ("weight", weight), ("bias", bias)):
            if not isinstance(given, Tensor) and (given is not None or name != "bias"):
                kind = type(given)
                shown = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
                raise TypeError(f"linear(): argument '{name}' must be Tensor, not {shown}") from None
        raise
    if (
        (x.dtype is not w.dtype and input.dtype is not weight.dtype)
        or (bias is not None and b.dtype is not w.dtype and bias.dtype is not weight.dtype)
        or len(w.shape) != 2
        or not x.shape
        or x.shape[-1] != w.shape[1]
    ):
        return _odd(input, weight, bias)
    ndim = len(x.shape)
    if ndim == 2:
        return _linear(input, weight) if bias is None else _linear(input, weight, bias)
    flat = _reshape(input, (row_count(x.shape), x.shape[-1]))
    out = _linear(flat, weight) if bias is None else _linear(flat, weight, bias)
    return _reshape(out, (*x.shape[:-1], w.shape[0]))


def _odd(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Explain what does not fit; a 1-D weight gives a dot product."""
    x, w = tuple(input.shape), tuple(weight.shape)
    if len(w) not in (1, 2):
        raise ShapeError(f"linear: weight must be 1-D or 2-D, got shape {w}")
    if not x or x[-1] != w[-1]:
        raise ShapeError(
            f"linear: the input has {x[-1] if x else 'no'} features (shape {x}), the weight expects {w[-1]} (shape {w}): "
            f"mat1 and mat2 shapes cannot be multiplied ({math.prod(x[:-1])}x{x[-1] if x else 0} and {'x'.join(map(str, w[::-1]))})"
        )
    if input.dtype is not weight.dtype or (bias is not None and bias.dtype is not weight.dtype):
        lower = lowered(input.device.type, input, weight, bias)
        if lower is not None and len({t.dtype for t in lower if t is not None}) == 1:
            return linear(*lower)  # type: ignore[arg-type]
        raise DTypeError(
            f"linear: mat1 and mat2 must have the same dtype, but the input is {input.dtype}, the weight {weight.dtype}"
            f"{'' if bias is None else f', the bias {bias.dtype}'}; "
            "cast one with .to()"
        )
    if len(w) == 1:
        out = input @ weight  # type: ignore[operator]
        return out if bias is None else out + bias
    raise ShapeError(f"linear: shapes {x} and {w} do not fit")


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``y_k = x1 A_k x2 + b_k``: (*, in1) and (*, in2) with weight (out, in1, in2) give (*, out).

    Raises RuntimeError where the sizes do not fit.
    """
    lead = tuple(input1.shape[:-1])
    if tuple(input2.shape[:-1]) != lead:
        raise ShapeError(f"bilinear: the leading sizes differ: {tuple(input1.shape)} and {tuple(input2.shape)}")
    out_features, in1, in2 = weight.shape
    for x, n, which in ((input1, in1, 1), (input2, in2, 2)):
        if x.shape[-1] != n:
            raise ShapeError(
                f"bilinear: input{which} has {x.shape[-1]} features (shape {tuple(x.shape)}), the weight expects {n}"
            )
    x1, x2 = input1.reshape(-1, in1), input2.reshape(-1, in2)  # type: ignore[attr-defined]
    left = x1 @ weight.permute(1, 0, 2).reshape(in1, out_features * in2)  # type: ignore[attr-defined]
    out = (left.reshape(-1, out_features, in2) * x2.unsqueeze(1)).sum(-1, dtype=left.dtype).reshape(*lead, out_features)
    return out if bias is None else out + bias
