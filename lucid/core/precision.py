"""Mixed precision as a watcher of ops that casts their inputs. Programs that do not use it pay nothing for it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from . import dtypes, modes
from .graph import entitled
from .tensor import Tensor

# Products: computed in the lower precision. Their results have it.
LOWER_ON_CPU = frozenset("matmul linear conv conv_bias conv_input_grad attention attention_dropout".split())
LOWER = LOWER_ON_CPU | {"lstm_cell", "gru_cell"}
# What overflows, cancels or adds up many numbers: computed in float32.
SINGLE_EVERYWHERE = frozenset(
    """prod cross_entropy binary_cross_entropy det slogdet inv inv_ex cholesky cholesky_ex qr svd svdvals eig eigh eigvalsh
    lu_factor solve solve_triangular pinv lstsq_solution matrix_exp fft_c2c fft_c2r fft_r2c view_as_complex""".split()
)
# PyTorch does these in float32 on accelerators, and on the CPU in whatever precision they come.
SINGLE_ON_ACCELERATORS = SINGLE_EVERYWHERE | frozenset(
    """acos asin cosh cumulative_prod cumulative_sum digamma entr erfinv exp expm1 lgamma log log10 log1p log2 log_softmax
    logsumexp normalize pow reciprocal rsqrt sinh softmax standardize sum tan var vector_norm""".split()
)
FLOAT32 = dtypes.NAMES["float32"]


class Policy:
    """The watcher: which precision is the lower one, for each device that has autocast on."""

    __slots__ = ("lower",)

    def __init__(self, lower: dict[str, dtypes.dtype]):
        self.lower = lower

    def __call__(self, op: Any, inputs: Sequence[Any], params: tuple, proceed: Callable) -> Any:
        device = next((x.device.type for x in inputs if isinstance(x, Tensor) and x.shape), "cpu")
        lower = self.lower.get(device)
        if lower is not None:
            if op.name in (LOWER_ON_CPU if device == "cpu" else LOWER):
                inputs = [cast_narrow(x, lower) for x in inputs]
            elif op.name in (SINGLE_EVERYWHERE if device == "cpu" else SINGLE_ON_ACCELERATORS):
                inputs = [cast_narrow(x, FLOAT32) for x in inputs]
        return proceed(op, inputs, params)


def cast_narrow(x: Any, to: dtypes.dtype) -> Any:
    """``x`` in the precision ``to`` if it is a real floating Tensor below float64, which PyTorch leaves alone."""
    return x.to(to) if isinstance(x, Tensor) and x.dtype is not to and _narrow(x) else x


def _narrow(x: Tensor) -> bool:
    return x.dtype.is_floating_point and x.dtype.itemsize < 8


def autocast_unites(x: Tensor, y: Tensor) -> bool:
    """Whether the operands of a product, of two dtypes, will be cast to one."""
    return current_policy() is not None and _narrow(x) and _narrow(y)


def current_policy() -> Policy | None:
    """That of the innermost ``autocast`` of this thread."""
    mode = modes.current()
    return next((w for w in mode.watchers if isinstance(w, Policy)), None) if mode is not None else None


# Losses that are one op in PyTorch, and the names of their nodes.
LOSSES = {
    "binary_cross_entropy": "BinaryCrossEntropyBackward0",
    "binary_cross_entropy_with_logits": "BinaryCrossEntropyWithLogitsBackward0",
    "huber_loss": "HuberLossBackward0",
    "mse_loss": "MseLossBackward0",
    "multi_margin_loss": "MultiMarginLossBackward0",
    "nll_loss": "NllLossBackward0",
    "smooth_l1_loss": "SmoothL1LossBackward0",
    "soft_margin_loss": "SoftMarginLossBackward0",
}


def in_single(function: Callable) -> Callable:
    """A function made of several ops that, inside ``autocast``, takes its tensors as float32: losses and distances."""

    title = LOSSES.get(function.__name__)

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if modes.current() is not None:
            policy = current_policy()
            if policy is not None:
                args = tuple(cast_narrow(a, FLOAT32) for a in args)
                kwargs = {k: cast_narrow(v, FLOAT32) for k, v in kwargs.items()}
        result = function(*args, **kwargs)
        return result if title is None else entitled(result, title)

    return wrapper


def as_they_come(function: Callable, *args: Any) -> Any:
    """A product with a vector, outside of the CPU's ``autocast``, as PyTorch's ``mv`` and ``dot``; accelerators have these in it."""
    mode = modes.current()
    policy = None if mode is None else current_policy()
    if mode is None or policy is None or "cpu" not in policy.lower:
        return function(*args)
    others = {device: lower for device, lower in policy.lower.items() if device != "cpu"}
    rest = (Policy(others),) if others else ()
    modes.set_mode(mode.replace(watchers=(*(w for w in mode.watchers if w is not policy), *rest)))
    try:
        return function(*args)
    finally:
        modes.set_mode(mode)


def lowered(device: str, *tensors: Tensor | None) -> list[Tensor | None] | None:
    """The operands of a product in the lower precision; None outside ``autocast``."""
    policy = current_policy()
    lower = None if policy is None else policy.lower.get(device)
    return None if lower is None else [cast_narrow(t, lower) for t in tensors]
