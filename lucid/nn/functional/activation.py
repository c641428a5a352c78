"""Activations. Those with ``inplace`` (or a trailing underscore) overwrite their input."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from ... import ops
from ...core import dtypes
from ...core.errors import ShapeError
from ...core.graph import entitled
from ...core.op import OPS
from ...core.precision import lowered
from ...core.tensor import Tensor, wrap
from ...functions.checking import number
from ...functions.random import draw, draw_dtype
from ...functions.registry import dim_arg, tensor_arg

__all__ = [
    "celu", "celu_", "elu", "elu_", "gelu", "glu", "gumbel_softmax", "hardshrink", "hardsigmoid", "hardswish", "hardtanh",
    "hardtanh_", "leaky_relu", "leaky_relu_", "log_softmax", "logsigmoid", "mish", "prelu", "relu", "relu6", "relu_",
    "rrelu", "rrelu_", "selu", "selu_", "sigmoid", "silu", "softmax", "softmin", "softplus", "softshrink", "softsign",
    "swish", "tanh", "tanhshrink", "threshold", "threshold_",
]  # fmt: skip

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
_relu = OPS["relu"].call


def _finish(input: Tensor, out: Tensor, inplace: bool) -> Tensor:
    """The result, or the input overwritten by it."""
    return _overwritten(input, out) if inplace else out


def _overwritten(input: Tensor, out: Tensor) -> Tensor:
    from ...core.graph import next_seq
    from ...core.view import write
    from ...functions.outputs import check_leaf

    check_leaf(input, "inplace activation")
    return write(input, out, "inplace activation", next_seq())


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(x, 0)``.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.relu(lucid.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return input.relu_() if inplace else _relu(input)  # type: ignore[attr-defined]


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """``x`` where ``x > threshold``, else ``value``."""
    value = number(value) if input.dtype.category >= dtypes.FLOAT else int(value)
    out = ops.where(input <= number(threshold), value, input)  # type: ignore[operator]  # NaN stays
    return _finish(input, entitled(out, "ThresholdBackward0"), inplace)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """``x`` limited to ``[min_val, max_val]``. Raises ValueError if the bounds are in the wrong order."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    if min_val < 0 and input.dtype.name.startswith("u"):
        raise RuntimeError("cannot do hardtanh on an unsigned type with negative limits")
    return _finish(input, ops.hardtanh(input, number(min_val), number(max_val)), inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """``min(max(x, 0), 6)``."""
    return hardtanh(input, 0.0, 6.0, inplace)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``x`` where ``x > 0``, else ``alpha * (exp(x) - 1)``. Clevert et al., 2015.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.elu(lucid.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    return _finish(input, ops.elu(input, number(alpha), 1.0, 1.0), inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """ELU scaled so that activations normalise themselves. Klambauer et al., 2017."""
    return _finish(input, ops.elu(input, SELU_ALPHA, SELU_SCALE, 1.0), inplace)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))``. Barron, 2017. Raises RuntimeError for alpha 0."""
    alpha = number(alpha)
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _finish(input, entitled(ops.elu(input, alpha, 1.0, 1.0 / alpha), "CeluBackward0"), inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """``x`` where ``x > 0``, else ``negative_slope * x``."""
    return _finish(input, ops.leaky_relu(input, number(negative_slope)), inplace)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """``leaky_relu`` with a learned slope, one for all or one per channel (dimension 1). He et al., 2015.

    Raises RuntimeError where the number of slopes does not fit.
    """
    count = weight.shape.numel()
    if weight.ndim > 1:
        raise ShapeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}")
    if count != 1:
        channels = input.shape[1] if input.ndim > 1 else 1
        if not input.ndim or channels != count:
            raise ShapeError(
                f"prelu: Mismatch of parameter numbers and input channel size. Found parameter numbers = {count}, and channel size = {channels}."
            )
        weight = weight.reshape(count, *(1,) * (input.ndim - 2))  # type: ignore[attr-defined]
    elif weight.ndim > input.ndim:
        weight = weight.reshape(())  # type: ignore[attr-defined]
    narrow = lowered(input.device.type, input, weight)
    input, weight = (input, weight) if narrow is None else narrow  # type: ignore[assignment]
    return entitled(ops.where(input > 0, input, input * weight), "PreluKernelBackward0")  # type: ignore[operator]


def rrelu(
    input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """``leaky_relu`` with a slope drawn from [lower, upper) per element in training, their mean otherwise. Xu et al., 2015."""
    lower, upper = number(lower), number(upper)
    if lower > upper:
        raise RuntimeError("rrelu: Lower bound should be less than or equal to the upper bound")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    slope = wrap(draw("uniform", tuple(input.shape), draw_dtype(input), input.device, None)) * (upper - lower) + lower  # type: ignore[operator]
    out = ops.where(input > 0, input, input * slope.to(input.dtype))  # type: ignore[operator]
    return _finish(input, entitled(out, "RreluWithNoiseBackward0"), inplace)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """``a * sigmoid(b)`` with ``a, b`` the halves along ``dim``. Dauphin et al., 2016.

    Raises RuntimeError for a 0-d input or an odd size.
    """
    if not input.ndim:
        raise ShapeError("glu does not support 0-dimensional tensors")
    d = dim_arg(dim, input.ndim, "glu")
    n = input.shape[d]
    if n % 2:
        raise ShapeError(f"glu: Halving dimension must be even, but dimension {d} is size {n}")
    return entitled(input.narrow(d, 0, n // 2) * ops.sigmoid(input.narrow(d, n // 2, n // 2)), "GluBackward0")  # type: ignore[attr-defined]


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """``x * cdf(x)`` of the normal distribution; "tanh" approximates it. Hendrycks and Gimpel, 2016.

    Raises RuntimeError for another ``approximate``.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.gelu(lucid.tensor([-1.0, 2.0]))
    tensor([-0.1587,  1.9545])
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    return ops.gelu(input, approximate)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * sigmoid(x)``, also called swish. Elfwing et al., 2017."""
    if input.is_complex():
        return _finish(input, input * ops.sigmoid(input), inplace)  # type: ignore[operator]
    return _finish(input, ops.silu(input), inplace)


swish = silu


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * tanh(softplus(x))``. Misra, 2019."""
    x = input.float() if input.dtype.itemsize == 2 else input  # type: ignore[attr-defined]
    out = (x * ops.tanh(-ops.log_sigmoid(-x))).to(input.dtype)
    return _finish(input, entitled(out, "MishBackward0"), inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """``relu6(x + 3) / 6``."""
    return _finish(input, entitled(hardtanh(input, -3.0, 3.0) / 6 + 0.5, "HardsigmoidBackward0"), inplace)  # type: ignore[operator]


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * relu6(x + 3) / 6``. Howard et al., 2019."""
    return _finish(input, ops.hardswish(input), inplace)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """``x`` outside ``[-lambd, lambd]``, 0 inside."""
    return entitled(ops.where((input >= -lambd) & (input <= lambd), 0.0, input), "HardshrinkBackward0")  # type: ignore[operator]


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """``x`` moved towards 0 by ``lambd``. Raises RuntimeError for a negative ``lambd``."""
    if not lambd >= 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    return entitled(
        ops.where(input > lambd, input - lambd, ops.where(input < -lambd, input + lambd, input * 0.0)),
        "SoftshrinkBackward0",
    )  # type: ignore[operator]


def tanhshrink(input: Tensor) -> Tensor:
    """``x - tanh(x)``."""
    return input - ops.tanh(input)  # type: ignore[operator]


def softsign(input: Tensor) -> Tensor:
    """``x / (1 + |x|)``."""
    return input / (ops.abs(input) + 1)  # type: ignore[operator]


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """``log(1 + exp(beta * x)) / beta``, and ``x`` itself where ``beta * x > threshold``.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.softplus(lucid.tensor([0.0, 30.0]))
    tensor([ 0.6931, 30.0000])
    """
    return ops.softplus(input, number(beta), number(threshold))


def logsigmoid(input: Tensor) -> Tensor:
    """``log(sigmoid(x))``, accurate at both ends."""
    return ops.log_sigmoid(input)


def sigmoid(input: Tensor) -> Tensor:
    """``1 / (1 + exp(-x))``."""
    return ops.sigmoid(input)


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return ops.tanh(input)


def _softmax_dim(name: str, ndim: int, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """``exp(x) / sum(exp(x))`` along ``dim``; ``dtype`` casts first.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> F.softmax(lucid.tensor([1.0, 1.0]), dim=0)
    tensor([0.5000, 0.5000])
    """
    x = tensor_arg(input, "softmax")
    return x.softmax(_softmax_dim("softmax", x.ndim, _stacklevel) if dim is None else dim, dtype)  # type: ignore[attr-defined]


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """``softmax(-x)`` along ``dim``."""
    x = tensor_arg(input, "softmin")
    return (-x).softmax(_softmax_dim("softmin", x.ndim, _stacklevel) if dim is None else dim, dtype)  # type: ignore[operator]


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """``x - log(sum(exp(x)))`` along ``dim``."""
    x = tensor_arg(input, "log_softmax")
    return x.log_softmax(_softmax_dim("log_softmax", x.ndim, _stacklevel) if dim is None else dim, dtype)  # type: ignore[attr-defined]


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A sample of a relaxed categorical; ``hard`` gives one-hot vectors with the gradient of the soft ones.

    Jang et al., 2016; Maddison et al., 2016.
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    if not logits.dtype.is_floating_point:
        raise RuntimeError(f"gumbel_softmax: dtype must be a floating point, got {logits.dtype}")
    u = wrap(draw("uniform", tuple(logits.shape), draw_dtype(logits), logits.device, None))
    tiny = dtypes.finfo(u.dtype).tiny
    noise = -ops.log(-ops.log(u + tiny) + tiny)  # type: ignore[operator]
    soft = ((logits + noise.to(logits.dtype)) / tau).softmax(dim)  # type: ignore[operator]
    if not hard:
        return soft
    index = soft.argmax(dim, keepdim=True)
    one_hot = (soft * 0.0).detach().scatter(dim, index, 1.0)
    return one_hot - soft.detach() + soft


def _inplace(f: Callable) -> Callable:
    """The form with an underscore, which overwrites its input."""

    def overwrite(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return f(input, *args, inplace=True, **kwargs)

    overwrite.__name__ = overwrite.__qualname__ = f.__name__ + "_"
    overwrite.__doc__ = f"In-place form of ``{f.__name__}``."
    return overwrite


relu_, threshold_, hardtanh_, elu_ = _inplace(relu), _inplace(threshold), _inplace(hardtanh), _inplace(elu)
selu_, celu_, leaky_relu_, rrelu_ = _inplace(selu), _inplace(celu), _inplace(leaky_relu), _inplace(rrelu)
