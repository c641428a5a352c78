"""The short-time Fourier transform and its inverse, made of windows, pads and ``lucid.fft``."""

from __future__ import annotations

import math
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.tensor import Tensor
from ..core.transform import everything
from ..ops import shape as shape_ops
from .fft import fft, ifft, irfft, rfft
from .padding import pad
from .registry import FUNCTIONS, public, tensor_arg


def _window(window: Any, win_length: int, n_fft: int, x: Tensor, name: str) -> Tensor:
    """The window, centred in ``n_fft`` places; ones if none is given."""
    if not 0 < win_length <= n_fft:
        raise RuntimeError(f"{name}: expected 0 < win_length <= n_fft, but got win_length={win_length}")
    if window is None:
        window = FUNCTIONS["ones"](win_length, dtype=x.dtype.to_real(), device=x.device)
    elif window.ndim != 1 or window.shape[0] != win_length:
        raise RuntimeError(
            f"{name}: expected a 1D window tensor of size equal to win_length={win_length}, but got window with size {list(window.shape)}"
        )
    left = (n_fft - win_length) // 2
    return pad(window, (left, n_fft - win_length - left)) if win_length < n_fft else window


@public(out=False)
def stft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Any = None, center: bool = True,
    pad_mode: str = "reflect", normalized: bool = False, onesided: bool | None = None, return_complex: bool | None = None,
) -> Tensor:  # fmt: skip
    """Fourier transforms of overlapping windows: (..., frequencies, frames), complex.

    Raises RuntimeError for a window that does not fit, and (as PyTorch) unless ``return_complex`` is given for real input.

    >>> import lucid
    >>> lucid.stft(lucid.ones(16), 8, return_complex=True).shape
    lucid.Size([5, 9])
    """
    x = tensor_arg(input, "stft")
    if x.dtype.category <= dtypes.INTEGER:
        raise RuntimeError(f"stft: expected a tensor of floating point or complex values, but got {x.dtype}")
    is_complex = x.dtype.is_complex or (window is not None and window.dtype.is_complex)
    if return_complex is None and not is_complex:
        raise RuntimeError(
            "stft requires the return_complex parameter be given for real inputs, and will further require that return_complex=True in a future PyTorch release."
        )
    if x.ndim not in (1, 2):
        raise RuntimeError(f"stft: expected a 1D or 2D tensor, but got a {x.ndim}D tensor")
    hop = n_fft // 4 if hop_length is None else hop_length
    if hop <= 0:
        raise RuntimeError(f"stft: expected hop_length > 0, but got hop_length={hop}")
    taper = _window(window, win_length or n_fft, n_fft, x, "stft")
    signal = x if x.ndim == 2 else ops.reshape(x, (1, *x.shape))
    if center:
        signal = pad(signal, (n_fft // 2, n_fft // 2), mode=pad_mode)
    if not 0 < n_fft <= signal.shape[-1]:
        raise RuntimeError(f"stft: expected 0 < n_fft < {signal.shape[-1]}, but got n_fft={n_fft}")
    frames = shape_ops.unfold(signal, 1, n_fft, hop) * taper
    half = not is_complex if onesided is None else onesided
    if half and is_complex:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    norm = "ortho" if normalized else None
    out = (rfft if half else fft)(frames, norm=norm)
    out = ops.permute_dims(out, (0, 2, 1))
    out = out if x.ndim == 2 else ops.reshape(out, tuple(out.shape[1:]))
    return out if return_complex or return_complex is None else FUNCTIONS["view_as_real"](out)


@public(out=False)
def istft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Any = None, center: bool = True,
    normalized: bool = False, onesided: bool | None = None, length: int | None = None, return_complex: bool = False,
) -> Tensor:  # fmt: skip
    """The inverse of ``stft``: overlapping windows added up and divided by the sum of the squared windows.

    Raises RuntimeError where that sum is nearly zero.
    """
    x = tensor_arg(input, "istft")
    if not x.dtype.is_complex:
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with return_complex=True."
        )
    spectrum = x if x.ndim == 3 else ops.reshape(x, (1, *x.shape))
    hop = n_fft // 4 if hop_length is None else hop_length
    half = spectrum.shape[1] != n_fft if onesided is None else onesided
    if spectrum.shape[1] != (n_fft // 2 + 1 if half else n_fft):
        raise RuntimeError(
            f"istft: expected the frequency dimension to match n_fft={n_fft}, but got {spectrum.shape[1]}"
        )
    taper = _window(window, win_length or n_fft, n_fft, x, "istft")
    frames = ops.permute_dims(spectrum, (0, 2, 1))
    if not (half or return_complex):  # PyTorch reads one side of the two, of which the other should be the mirror image
        frames = frames[..., : n_fft // 2 + 1]  # type: ignore[index]
    norm = "ortho" if normalized else None
    parts = ifft(frames, norm=norm) if return_complex else irfft(frames, n_fft, norm=norm)
    count = parts.shape[1]
    total = n_fft + hop * (count - 1)
    signal = shape_ops.fold_windows(parts * taper, (parts.shape[0], total), 1, n_fft, hop)
    square = ops.broadcast_to(ops.reshape(taper * taper, (1, 1, n_fft)), (1, count, n_fft))
    envelope = shape_ops.fold_windows(square, (1, total), 1, n_fft, hop)
    start = n_fft // 2 if center else 0
    stop = start + length if length is not None else total - (n_fft // 2 if center else 0)
    signal, envelope = signal[:, start:stop], envelope[:, start:stop]  # type: ignore[index]
    if math.prod(envelope.shape) and float(ops.abs(everything(envelope)).min()) < 1e-11:  # type: ignore[attr-defined]
        raise RuntimeError("window overlap add min: 1")
    out = signal / envelope
    if length is not None and out.shape[1] < length:
        out = pad(out, (0, length - out.shape[1]))
    return out if x.ndim == 3 else ops.reshape(out, tuple(out.shape[1:]))
