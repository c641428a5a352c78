"""``lucid._foreach_add`` and its like: one op over lists of tensors, which many published optimizers are written with.

Each is a loop over the lists; lucid's own optimizers join small tensors instead (see ``optim``). They are made at first use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core.tensor import Tensor

PREFIX = "_foreach_"
NAMES = frozenset(
    """abs acos add addcdiv addcmul asin atan ceil clamp_max clamp_min clone copy_ cos cosh div erf erfc exp expm1 floor frac lerp
    lgamma log log10 log1p log2 max maximum minimum mm mul neg norm pow reciprocal round rsqrt sigmoid sign sin sinh sqrt sub
    tan tanh trunc zero_""".split()
)
NEW_ONLY = frozenset({"clone", "max", "mm", "norm"})  # no in-place form
BOUNDS = {"maximum": "clamp_min", "minimum": "clamp_max"}  # with a number


def make(name: str) -> Callable:
    """The function of this name, such as ``_foreach_add_``; AttributeError where there is none."""
    method = name.removeprefix(PREFIX)
    base = method.removesuffix("_")
    if method not in NAMES and (base not in NAMES or base in NEW_ONLY):
        raise AttributeError(f"module 'lucid' has no attribute {name!r}")

    def foreach(self: Sequence[Tensor], *args: Any, **kwargs: Any) -> list[Tensor] | None:
        tensors = list(self)
        if not tensors or not all(isinstance(t, Tensor) for t in tensors):
            raise RuntimeError(
                f"{name}: expected a list of at least one Tensor, got {type(self).__name__} of {len(tensors)}"
            )
        parts = [_per_tensor(name, a, len(tensors)) for a in args]
        named = {k: _per_tensor(name, v, len(tensors)) for k, v in kwargs.items() if k not in ("non_blocking",)}
        results = [
            _apply(t, method, [p[i] for p in parts], {k: v[i] for k, v in named.items()}) for i, t in enumerate(tensors)
        ]
        return None if method.endswith("_") else results

    foreach.__name__ = foreach.__qualname__ = name
    foreach.__doc__ = (
        f"``Tensor.{method}`` of every tensor of a list; other arguments are lists as long, or one for all."
    )
    return foreach


def _per_tensor(name: str, argument: Any, count: int) -> Sequence[Any]:
    if isinstance(argument, (list, tuple)):
        if len(argument) != count:
            raise RuntimeError(f"{name}: lists must have the same number of elements, got {count} and {len(argument)}")
        return argument
    if isinstance(argument, Tensor) and argument.ndim == 1 and len(argument) == count and count > 1:
        return list(argument)  # the numbers of addcdiv and addcmul, as one tensor
    return [argument] * count


def _apply(t: Tensor, method: str, args: list, kwargs: dict) -> Any:
    base = method.removesuffix("_")
    if base in BOUNDS and not isinstance(args[0] if args else kwargs.get("other"), Tensor):
        method = method.replace(base, BOUNDS[base])
    elif base in ("addcdiv", "addcmul") and len(args) == 3:
        args, kwargs = args[:2], {"value": args[2], **kwargs}
    elif base in BOUNDS and method.endswith("_"):  # torch has no Tensor.maximum_
        return t.copy_(getattr(t, base)(*args, **kwargs))  # type: ignore[attr-defined]
    return getattr(t, method)(*args, **kwargs)
