"""Window functions of ``M`` points: symmetric by default, periodic with ``sym=False`` (as for a Fourier transform)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.tensor import Tensor
from ..functions.registry import CONSTANTS, FUNCTIONS

__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine", "general_hamming", "hamming", "hann", "kaiser", "nuttall",
]  # fmt: skip


def _made(
    name: str, M: int, sym: bool, shape: Callable, dtype: Any, layout: Any, device: Any, requires_grad: bool
) -> Tensor:
    """``shape(n, last)`` at ``n = 0 ... M - 1`` in float64, where the window ends at ``last``."""
    d = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    if layout not in (None, CONSTANTS["strided"]):
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    if d not in (dtypes.float32, dtypes.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {d}")
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if M <= 1 and name != "exponential":
        t = FUNCTIONS["ones"](M, dtype=d, device=device)
    else:
        t = shape(FUNCTIONS["arange"](M, dtype=dtypes.float64, device=device), M - 1 if sym or M == 1 else M).to(d)
    return t.requires_grad_() if requires_grad else t


def _cosines(n: Tensor, last: int, weights: Sequence[float]) -> Tensor:
    """``a_0 - a_1 cos(w n) + a_2 cos(2 w n) - ...`` with ``w = 2 pi / last``."""
    total: Any = n * 0.0  # type: ignore[operator]
    for k, a in enumerate(weights):
        total = total + ops.cos(n * (2 * math.pi * k / last)) * (a if k % 2 == 0 else -a)  # type: ignore[attr-defined, operator]
    return total


def general_cosine(M: int, *, a: Sequence[float], sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
                   requires_grad: bool = False) -> Tensor:  # fmt: skip
    """``sum over k of (-1)^k a_k cos(2 pi k n / (M - 1))``.

    >>> import lucid
    >>> lucid.signal.windows.general_cosine(3, a=[0.5, 0.5])
    tensor([0., 1., 0.])
    """
    if not isinstance(a, Sequence):
        raise TypeError("Coefficients must be a list/tuple")
    if not a:
        raise ValueError("Coefficients cannot be empty")
    return _made("general_cosine", M, sym, lambda n, last: _cosines(n, last, a), dtype, layout, device, requires_grad)


def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
                    requires_grad: bool = False) -> Tensor:  # fmt: skip
    """``alpha - (1 - alpha) cos(2 pi n / (M - 1))``.

    >>> import lucid
    >>> lucid.signal.windows.general_hamming(3, alpha=0.5)
    tensor([0., 1., 0.])
    """
    return general_cosine(
        M, a=[alpha, 1 - alpha], sym=sym, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad
    )


def hamming(M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """``0.54 - 0.46 cos(2 pi n / (M - 1))``.

    >>> import lucid
    >>> lucid.signal.windows.hamming(3)
    tensor([0.0800, 1.0000, 0.0800])
    """
    return general_hamming(M, sym=sym, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad)


def hann(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """``0.5 - 0.5 cos(2 pi n / (M - 1))``.

    >>> import lucid
    >>> lucid.signal.windows.hann(3)
    tensor([0., 1., 0.])
    """
    return general_hamming(
        M, alpha=0.5, sym=sym, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad
    )


def blackman(M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """``0.42 - 0.5 cos(2 pi n / (M - 1)) + 0.08 cos(4 pi n / (M - 1))``.

    >>> import lucid
    >>> lucid.signal.windows.blackman(5).shape
    lucid.Size([5])
    """
    return general_cosine(
        M, a=[0.42, 0.5, 0.08], sym=sym, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad
    )


def nuttall(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """The minimum four-term Blackman-Harris window of Nuttall (1981).

    >>> import lucid
    >>> lucid.signal.windows.nuttall(5).shape
    lucid.Size([5])
    """
    weights = [0.3635819, 0.4891775, 0.1365995, 0.0106411]
    return general_cosine(M, a=weights, sym=sym, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad)


def bartlett(M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """The triangle ``1 - |2 n / (M - 1) - 1|``.

    >>> import lucid
    >>> lucid.signal.windows.bartlett(3)
    tensor([0., 1., 0.])
    """
    return _made(
        "bartlett", M, sym, lambda n, last: 1 - ops.abs(n * (2 / last) - 1), dtype, layout, device, requires_grad
    )


def cosine(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """``sin(pi (n + 1/2) / M)``.

    >>> import lucid
    >>> lucid.signal.windows.cosine(3)
    tensor([0.5000, 1.0000, 0.5000])
    """
    return _made(
        "cosine",
        M,
        sym,
        lambda n, last: ops.sin((n + 0.5) * (math.pi / (last + 1))),
        dtype,
        layout,
        device,
        requires_grad,
    )


def exponential(M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, dtype: Any = None, layout: Any = None,
                device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """``exp(-|n - center| / tau)``, with the centre in the middle; another one only with ``sym=False``.

    >>> import lucid
    >>> lucid.signal.windows.exponential(3)
    tensor([0.3679, 1.0000, 0.3679])
    """
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")

    def shape(n: Tensor, last: int) -> Tensor:
        return ops.exp(ops.abs(n - (last / 2 if center is None else center)) * (-1 / tau))  # type: ignore[operator]

    return _made("exponential", M, sym, shape, dtype, layout, device, requires_grad)


def gaussian(M: int, *, std: float = 1.0, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
             requires_grad: bool = False) -> Tensor:  # fmt: skip
    """``exp(-((n - middle) / std)^2 / 2)``.

    >>> import lucid
    >>> lucid.signal.windows.gaussian(3)
    tensor([0.6065, 1.0000, 0.6065])
    """
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    shape = lambda n, last: ops.exp(ops.square((n - last / 2) / std) * -0.5)  # noqa: E731
    return _made("gaussian", M, sym, shape, dtype, layout, device, requires_grad)


def kaiser(M: int, *, beta: float = 12.0, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
           requires_grad: bool = False) -> Tensor:  # fmt: skip
    """``i0(beta sqrt(1 - (2 n / (M - 1) - 1)^2)) / i0(beta)``.

    >>> import lucid
    >>> lucid.signal.windows.kaiser(3, beta=0.0)
    tensor([1., 1., 1.])
    """
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")

    def shape(n: Tensor, last: int) -> Tensor:
        inside = ops.clip(1 - ops.square(n * (2 / last) - 1), 0.0, None)  # type: ignore[operator]
        return ops.i0(ops.sqrt(inside) * beta) / ops.i0(n[0] * 0.0 + beta)  # type: ignore[index, operator]

    return _made("kaiser", M, sym, shape, dtype, layout, device, requires_grad)
