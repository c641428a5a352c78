"""Discrete Fourier transforms (``lucid.fft``): of complex, real and Hermitian signals, in one or more dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.precision import cast_narrow, current_policy
from ..core.tensor import Tensor
from ..ops import fourier as fft_ops
from .creation import arange
from .pieces import cat
from .registry import dim_arg, public, tensor_arg

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "hfft2", "hfftn", "ifft", "ifft2", "ifftn", "ifftshift", "ihfft", "ihfft2",
    "ihfftn", "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip

published = public(method=False, function=False)


def _scale(norm: str | None, n: int, forward: bool) -> float:
    """The factor of a normalisation mode."""
    if norm not in (None, "backward", "forward", "ortho"):
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    if norm == "ortho":
        return 1.0 / math.sqrt(n)
    return 1.0 / n if forward == (norm == "forward") and n else 1.0


def _input(x: Any, name: str, *, real: bool = False) -> Tensor:
    x = tensor_arg(x, name)
    if real and x.dtype.is_complex:
        raise RuntimeError(f"{name} expects a real input tensor, but got {x.dtype}")
    if x.dtype.itemsize == 2 and current_policy() is not None:
        return cast_narrow(x, dtypes.float32)  # type: ignore[no-any-return]
    if x.dtype.itemsize == 2 and x.dtype.is_floating_point:
        raise RuntimeError(f"Unsupported dtype {x.dtype}: {name} takes float32, float64 and complex dtypes on the CPU")
    return x if x.dtype.category >= dtypes.FLOAT else x.to(dtypes.get_default_dtype())


def _complex(x: Tensor) -> Tensor:
    return x if x.dtype.is_complex else x.to(x.dtype.to_complex())


def _resized(x: Tensor, axes: Sequence[int], sizes: Sequence[int]) -> Tensor:
    """Cropped, or filled with zeros at the end, to the signal sizes asked for."""
    crop, shape = [slice(None)] * x.ndim, list(x.shape)
    for d, n in zip(axes, sizes, strict=True):
        if n < 1:
            raise RuntimeError(f"Invalid number of data points ({n}) specified")
        if n < shape[d]:
            crop[d] = slice(0, n)
        shape[d] = n
    if any(c != slice(None) for c in crop):
        x = ops.getitem(x, tuple(crop))
    if tuple(x.shape) == tuple(shape):
        return x
    return ops.place(x, tuple(shape), tuple(slice(0, n) for n in x.shape))


def _one(x: Tensor, dim: int, name: str) -> int:
    if not x.ndim:
        raise IndexError(f"{name}: Dimension specified as {dim} but tensor has no dimensions")
    return dim_arg(dim, x.ndim, name)


def _axes(x: Tensor, s: Any, dim: Any, name: str) -> tuple[tuple[int, ...], list[int | None]]:
    """The dimensions to transform, and the size wanted for each (None where it stays)."""
    sizes = None if s is None else [s] if isinstance(s, int) else list(s)
    dims = None if dim is None else [dim] if isinstance(dim, int) else list(dim)
    if dims is not None:
        axes = tuple(dim_arg(d, x.ndim, name) for d in dims)
        if len(set(axes)) != len(axes):
            raise RuntimeError("FFT dims must be unique")
        if sizes is not None and len(sizes) != len(axes):
            raise RuntimeError("When given, dim and shape arguments must have the same length")
    elif sizes is not None:
        if len(sizes) > x.ndim:
            raise RuntimeError(f"Got shape with {len(sizes)} values but input tensor only has {x.ndim} dimensions.")
        axes = tuple(range(x.ndim - len(sizes), x.ndim))
    else:
        axes = tuple(range(x.ndim))
    return axes, [None if n == -1 else n for n in sizes] if sizes is not None else [None] * len(axes)


def _known(x: Tensor, axes: Sequence[int], sizes: Sequence[int | None]) -> list[int]:
    found = [x.shape[d] if n is None else n for d, n in zip(axes, sizes, strict=True)]
    for n in found:
        if n < 1:
            raise RuntimeError(f"Invalid number of data points ({n}) specified")
    return found


def _c2c(x: Tensor, axes: tuple[int, ...], sizes: Sequence[int | None], norm: str | None, forward: bool) -> Tensor:
    wanted = _known(x, axes, sizes)
    x = _resized(_complex(x), axes, wanted)
    return fft_ops.fft_c2c(x, axes, _scale(norm, math.prod(wanted), forward), forward)


def _r2c(
    x: Tensor, axes: tuple[int, ...], sizes: Sequence[int | None], norm: str | None, forward: bool, name: str
) -> Tensor:
    """Half spectrum of a real signal; in the inverse direction (ihfft) its conjugate."""
    if not axes:
        raise RuntimeError(f"{name} must transform at least one axis")
    wanted = _known(x, axes, sizes)
    out = fft_ops.fft_r2c(_resized(x, axes, wanted), axes, _scale(norm, math.prod(wanted), forward))
    return out if forward else ops.conj(out)


def _c2r(
    x: Tensor, axes: tuple[int, ...], sizes: Sequence[int | None], norm: str | None, forward: bool, name: str
) -> Tensor:
    """Real signal of a half spectrum; in the forward direction (hfft) of the conjugate."""
    if not axes:
        raise RuntimeError(f"{name} must transform at least one axis")
    last = 2 * (x.shape[axes[-1]] - 1) if sizes[-1] is None else sizes[-1]
    if last < 1:
        raise RuntimeError(f"Invalid number of data points ({last}) specified")
    wanted = [*_known(x, axes[:-1], sizes[:-1]), last]
    x = _resized(_complex(x), axes, [*wanted[:-1], last // 2 + 1])
    return fft_ops.fft_c2r(ops.conj(x) if forward else x, axes, _scale(norm, math.prod(wanted), forward), last)


# ---- one dimension ----


@published
def fft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """``out[k] = sum_j input[j] exp(-2 pi i j k / n)``; the input is cropped or filled with zeros to size ``n``.

    ``norm`` is "backward" (the inverse divides by n; the default), "forward" (this divides) or "ortho" (both by its root).

    >>> import lucid
    >>> lucid.fft.fft(lucid.tensor([1.0, 0.0])).real
    tensor([1., 1.])
    """
    x = _input(input, "fft")
    return _c2c(x, (_one(x, dim, "fft"),), (n,), norm, True)


@published
def ifft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of ``fft``."""
    x = _input(input, "ifft")
    return _c2c(x, (_one(x, dim, "ifft"),), (n,), norm, False)


@published
def rfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """``fft`` of a real signal, without the half that follows by symmetry: ``n // 2 + 1`` numbers."""
    x = _input(input, "rfft", real=True)
    return _r2c(x, (_one(x, dim, "rfft"),), (n,), norm, True, "rfft")


@published
def irfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of ``rfft``: a real signal of size ``n`` (by default even, ``2 * (m - 1)``)."""
    x = _input(input, "irfft")
    return _c2r(x, (_one(x, dim, "irfft"),), (n,), norm, False, "irfft")


@published
def hfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """``fft`` of a signal that is Hermitian in time, given its half: a real spectrum of size ``n``."""
    x = _input(input, "hfft")
    return _c2r(x, (_one(x, dim, "hfft"),), (n,), norm, True, "hfft")


@published
def ihfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of ``hfft``."""
    x = _input(input, "ihfft", real=True)
    return _r2c(x, (_one(x, dim, "ihfft"),), (n,), norm, False, "ihfft")


# ---- more dimensions ----


@published
def fftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """``fft`` over several dimensions (all by default)."""
    x = _input(input, "fftn")
    return _c2c(x, *_axes(x, s, dim, "fftn"), norm, True)


@published
def ifftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """The inverse of ``fftn``."""
    x = _input(input, "ifftn")
    return _c2c(x, *_axes(x, s, dim, "ifftn"), norm, False)


@published
def rfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """``rfft`` over the last of several dimensions, ``fft`` over the others."""
    x = _input(input, "rfftn", real=True)
    return _r2c(x, *_axes(x, s, dim, "rfftn"), norm, True, "rfftn")


@published
def irfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """The inverse of ``rfftn``."""
    x = _input(input, "irfftn")
    return _c2r(x, *_axes(x, s, dim, "irfftn"), norm, False, "irfftn")


@published
def hfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """``hfft`` over the last of several dimensions, ``fft`` over the others."""
    x = _input(input, "hfftn")
    return _c2r(x, *_axes(x, s, dim, "hfftn"), norm, True, "hfftn")


@published
def ihfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """The inverse of ``hfftn``."""
    x = _input(input, "ihfftn", real=True)
    return _r2c(x, *_axes(x, s, dim, "ihfftn"), norm, False, "ihfftn")


def _two(name: str, general: Any) -> Any:
    def f(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Tensor:
        return general(input, s, dim, norm)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"``{name[:-1]}n`` over the last two dimensions."
    return published(f)


fft2, ifft2, rfft2, irfft2, hfft2, ihfft2 = (
    _two(f"{general.__name__[:-1]}2", general) for general in (fftn, ifftn, rfftn, irfftn, hfftn, ihfftn)
)


# ---- frequencies and order ----


@published
def fftfreq(n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """The frequencies of ``fft``'s result: 0, 1, ..., -2, -1, divided by ``n * d``.

    >>> import lucid
    >>> lucid.fft.fftfreq(4)
    tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    kind = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    up, down = arange(0, (n + 1) // 2, dtype=kind, device=device), arange(-(n // 2), 0, dtype=kind, device=device)
    out = cat([up, down]) * (1.0 / (n * d))
    return out.requires_grad_() if requires_grad else out


@published
def rfftfreq(n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """The frequencies of ``rfft``'s result: 0 to ``n // 2``, divided by ``n * d``."""
    kind = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    out = arange(0, n // 2 + 1, dtype=kind, device=device) * (1.0 / (n * d))
    return out.requires_grad_() if requires_grad else out


def _shifted(x: Tensor, dim: Any, sign: int, name: str) -> Tensor:
    x = tensor_arg(x, name)
    axes = (
        tuple(range(x.ndim))
        if dim is None
        else tuple(dim_arg(d, x.ndim, name) for d in ([dim] if isinstance(dim, int) else dim))
    )
    shifts = tuple(x.shape[d] // 2 if sign > 0 else (x.shape[d] + 1) // 2 for d in axes)
    return x.roll(shifts, axes) if axes else x.clone()  # type: ignore[attr-defined]


@public(method=False, function=False, out=False)
def fftshift(input: Tensor, dim: Any = None) -> Tensor:
    """The zero frequency moved to the middle."""
    return _shifted(input, dim, 1, "fftshift")


@public(method=False, function=False, out=False)
def ifftshift(input: Tensor, dim: Any = None) -> Tensor:
    """The inverse of ``fftshift``."""
    return _shifted(input, dim, -1, "ifftshift")
