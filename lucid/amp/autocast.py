"""``autocast``: where products are computed in half precision."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from ..backends.catalogue import cuda_fault, mlx_fault
from ..core import dtypes, modes
from ..core.device import ALIASES
from ..core.modes import Scope
from ..core.precision import Policy, cast_narrow, current_policy

DEFAULT = {"cpu": dtypes.NAMES["bfloat16"], "cuda": dtypes.NAMES["float16"], "mlx": dtypes.NAMES["float16"]}
ALLOWED = (dtypes.NAMES["bfloat16"], dtypes.NAMES["float16"])


def _device_type(name: Any) -> str:
    if not isinstance(name, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(name)}`")
    if name not in ALIASES:
        raise RuntimeError(f"autocast: unknown device type {name!r}; expected one of {', '.join(ALIASES)}")
    return ALIASES[name]


class autocast(Scope):
    """Compute products in half precision and what needs the range in float32: context manager or decorator.

    ``matmul``, ``linear``, convolutions and attention cast their floating inputs to ``dtype`` (bfloat16 on the CPU, float16 elsewhere);
    losses and linear algebra, and on accelerators also exponentials, norms and sums, cast theirs to float32; all other ops
    take what comes. float64 is left alone. Parameters keep their dtype and get gradients of it. RuntimeError for an unknown
    device; where the device is missing, or ``dtype`` is no half precision, it warns and does nothing, as PyTorch's does.

    >>> import lucid
    >>> x = lucid.ones(2, 2)
    >>> with lucid.autocast("cpu", dtype=lucid.float16):
    ...     (x @ x).dtype, (x + x).dtype
    (lucid.float16, lucid.float32)
    """

    def __init__(
        self,
        device_type: str,
        dtype: dtypes.dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ):
        super().__init__()
        self.device = _device_type(device_type)
        self.fast_dtype = DEFAULT[self.device] if dtype is None else dtype
        self._enabled = bool(enabled)
        self._cache_enabled = cache_enabled
        if self._enabled and not is_autocast_available(device_type):
            fault = cuda_fault() if self.device == "cuda" else mlx_fault()
            warnings.warn(f"autocast: {device_type!r} is not available ({fault}). Disabling autocast.", stacklevel=2)
            self._enabled = False
        if self._enabled and self.fast_dtype not in ALLOWED:
            warnings.warn(
                f"autocast: the lower precision must be bfloat16 or float16, not {self.fast_dtype}. Disabling autocast.",
                stacklevel=2,
            )
            self._enabled = False

    def __enter__(self) -> Any:
        mode, policy = modes.current(), current_policy()
        lower = {} if policy is None else dict(policy.lower)
        lower.pop(self.device, None)
        if self._enabled:
            lower[self.device] = self.fast_dtype
        others = tuple(w for w in (() if mode is None else mode.watchers) if w is not policy)
        self._changes = {"watchers": (*others, Policy(lower)) if lower else others}
        return super().__enter__()

    def clone(self) -> Scope:
        return autocast(self.device, self.fast_dtype, self._enabled, self._cache_enabled)


def is_autocast_available(device_type: str) -> bool:
    """Whether ``autocast`` can be used with this device here."""
    name = _device_type(device_type)
    return name == "cpu" or (cuda_fault() if name == "cuda" else mlx_fault()) is None


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether this code runs inside ``autocast`` for the device."""
    policy = current_policy()
    return policy is not None and _device_type(device_type) in policy.lower


def get_autocast_dtype(device_type: str) -> dtypes.dtype:
    """The lower precision of the innermost ``autocast`` for the device, else the one that it would use."""
    policy, name = current_policy(), _device_type(device_type)
    return (policy.lower if policy is not None else DEFAULT).get(name, DEFAULT[name])


def custom_fwd(fwd: Callable | None = None, *, device_type: str, cast_inputs: dtypes.dtype | None = None) -> Callable:
    """Decorate the ``forward`` of an ``autograd.Function``: with ``cast_inputs``, cast its tensors and leave ``autocast``."""
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        inside = is_autocast_enabled(device_type)
        args[0]._autocast = (inside and cast_inputs is None, get_autocast_dtype(device_type))
        if cast_inputs is None or not inside:
            return fwd(*args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(
                *(cast_narrow(a, cast_inputs) for a in args),
                **{k: cast_narrow(v, cast_inputs) for k, v in kwargs.items()},
            )

    return wrapper


def custom_bwd(bwd: Callable | None = None, *, device_type: str) -> Callable:
    """Decorate the ``backward`` of an ``autograd.Function``: it runs with the ``autocast`` of its ``forward``."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        enabled, dtype = args[0]._autocast
        with autocast(device_type, dtype, enabled=enabled):
            return bwd(*args, **kwargs)

    return wrapper
