"""Windows as columns on NumPy, and columns added back (``unfold`` and ``fold`` of images): tap by tap."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .numpy_ import F32, is_half
from .numpy_pool import _taps

ndarray = np.ndarray


def im2col(x: Any, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, places: tuple) -> ndarray:
    out = np.zeros((*x.shape[:2], math.prod(kernel), *places), x.dtype)
    for tap, (source, target) in enumerate(_taps(x.shape[2:], kernel, stride, padding, dilation, places)):
        out[:, :, tap][... if target is None else target] = x[source]
    return out.reshape(x.shape[0], x.shape[1] * math.prod(kernel), math.prod(places))


def col2im(
    x: Any, sizes: tuple, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, places: tuple
) -> ndarray:
    if is_half(x):
        return col2im(x.astype(F32), sizes, kernel, stride, padding, dilation, places).astype(x.dtype)
    taps = math.prod(kernel)
    columns = x.reshape(x.shape[0], x.shape[1] // taps, taps, *places)
    out = np.zeros((x.shape[0], x.shape[1] // taps, *sizes), x.dtype)
    for tap, (source, target) in enumerate(_taps(sizes, kernel, stride, padding, dilation, places)):
        part = out[source]
        part += columns[:, :, tap][... if target is None else target]
    return out
