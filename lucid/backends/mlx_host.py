"""Kernels that run in NumPy: the arrays go there and back, which waits for the device. Each trip is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np

from .base import load
from .mlx_dtypes import from_host, to_host

TRIPS: Counter[str] = Counter()  # how often each kernel has gone through NumPy, and how often indices were looked at


def down(value: Any) -> Any:
    if isinstance(value, mx.array):
        return to_host(value)
    return type(value)(down(v) for v in value) if type(value) in (tuple, list) else value


def _up(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return from_host(np.asarray(value))
    return tuple(_up(v) for v in value) if isinstance(value, tuple) else value


def through_host(name: str) -> Callable:
    kernel = getattr(load("cpu").table, name)

    def run(*args: Any, **kwargs: Any) -> Any:
        TRIPS[name] += 1
        with np.errstate(all="ignore"):
            return _up(kernel(*(down(a) for a in args), **{k: down(v) for k, v in kwargs.items()}))

    run.__name__ = name
    return run


def or_host(name: str, fits: Callable[..., bool], kernel: Callable) -> Callable:
    """The native kernel where it is right, NumPy's elsewhere."""
    other = through_host(name)

    def run(*args: Any, **kwargs: Any) -> Any:
        return kernel(*args, **kwargs) if fits(*args, **kwargs) else other(*args, **kwargs)

    return run
