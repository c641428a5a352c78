"""``lucid._foreach_add`` and its like: one op over lists of tensors, which many published optimizers are written with.

Each is a loop over the lists; lucid's own optimizers join small tensors instead (see ``optim``). They are made at first use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core.tensor import Tensor

PREFIX = "_foreach_"
# How many arguments follow the list of tensors, at least and at most, and what they may be called.
PLAIN = """abs acos asin atan ceil clone cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 max neg reciprocal
    round rsqrt sigmoid sign sin sinh sqrt tan tanh trunc zero_"""
ARGUMENTS = {
    **dict.fromkeys(PLAIN.split(), (0, 0, ())),
    **dict.fromkeys(
        "add clamp_max clamp_min copy_ div maximum minimum mm mul pow sub".split(),
        (1, 1, ("other", "scalar", "scalars", "exponent", "mat2", "src")),
    ),
    **dict.fromkeys(("norm", "powsum"), (0, 2, ("ord", "dtype"))),
    **dict.fromkeys(("addcdiv", "addcmul"), (2, 3, ("tensor1", "tensor2", "value", "scalars"))),
    "lerp": (2, 2, ("tensors1", "weight", "weights")),
}
NEW_ONLY = frozenset({"clone", "max", "mm", "norm", "powsum"})  # no in-place form
BOUNDS = {"maximum": "clamp_min", "minimum": "clamp_max"}  # with a number
OPTIONS = frozenset({"alpha", "memory_format", "non_blocking"})


def make(name: str) -> Callable:
    """The function of this name, such as ``_foreach_add_``; AttributeError where there is none."""
    method = name.removeprefix(PREFIX)
    base = method.removesuffix("_")
    if method not in ARGUMENTS and (base not in ARGUMENTS or base in NEW_ONLY):
        raise AttributeError(f"module 'lucid' has no attribute {name!r}")
    least, most, words = ARGUMENTS.get(method) or ARGUMENTS[base]

    def foreach(self: Sequence[Tensor], *args: Any, **kwargs: Any) -> Any:
        options = {k: kwargs.pop(k) for k in OPTIONS if k in kwargs}
        args = (*args, *(kwargs.pop(k) for k in words if k in kwargs))
        if kwargs or not least <= len(args) <= most:
            raise TypeError(
                f"{name}() takes a list of tensors and {least} to {most} more, got {len(args)} and {list(kwargs)}"
            )
        if method == "pow" and (
            isinstance(self, int | float | complex) or (isinstance(self, Tensor) and not self.ndim)
        ):
            return tuple(self**t for t in _tensors(name, args[0]))
        tensors = _tensors(name, self)
        parts = [_per_tensor(name, a, len(tensors), i + 1 == len(args), options) for i, a in enumerate(args)]
        results = [_apply(t, method, [p[i] for p in parts], options) for i, t in enumerate(tensors)]
        return self if method.endswith("_") else tuple(results)

    foreach.__name__ = foreach.__qualname__ = name
    foreach.__doc__ = (
        f"``Tensor.{method}`` of every tensor of a list; other arguments are lists as long, or one for all."
    )
    return foreach


def _tensors(name: str, given: Any) -> Sequence[Tensor]:
    if not isinstance(given, list | tuple) or not all(isinstance(t, Tensor) for t in given):
        raise TypeError(f"{name}() takes a list of Tensors, got {type(given).__name__}")
    if not given:
        raise RuntimeError(f"{name}: Tensor list must have at least one tensor.")
    return given


def _per_tensor(name: str, argument: Any, count: int, last: bool, options: dict) -> Sequence[Any]:
    base = name.removeprefix(PREFIX).removesuffix("_")
    if base in ("norm", "powsum"):
        if isinstance(argument, list | tuple | str) or getattr(argument, "ndim", False):
            raise TypeError(f"{name}: the order must be a number, got {type(argument).__name__}")
        return [argument] * count
    whole = base in ("mm", "copy") or not last  # numbers stand only last
    if isinstance(argument, list | tuple):
        if len(argument) != count:
            raise RuntimeError(f"{name}: lists must have the same number of elements, got {count} and {len(argument)}")
        tensors = sum(isinstance(a, Tensor) for a in argument)
        if 0 < tensors < count or (not tensors and (whole or "alpha" in options)):
            raise TypeError(
                f"{name}: expected Tensors alone, or numbers alone where those may stand, in a list of {count}"
            )
        return argument
    if isinstance(argument, Tensor) and not whole:
        if base in ("addcdiv", "addcmul"):  # the numbers of all, as one tensor
            if argument.shape != (count,):
                raise RuntimeError(f"{name}: expected {count} scalars, got a tensor of shape {tuple(argument.shape)}")
            return argument.tolist()
        if argument.ndim:
            kind = RuntimeError if base in ("add", "mul", "div") else TypeError
            raise kind(f"{name}: scalar tensor expected to be 0 dim, but it has {argument.ndim} dimensions")
    elif whole or isinstance(argument, str) or ("alpha" in options and not isinstance(argument, Tensor)):
        raise TypeError(f"{name}: expected a list of {count} Tensors, got {type(argument).__name__}")
    return [argument] * count


def _apply(t: Tensor, method: str, args: list, options: dict) -> Any:
    base = method.removesuffix("_")
    kwargs = {k: v for k, v in options.items() if k == "alpha"}
    if base in BOUNDS and not isinstance(args[0], Tensor):
        method = method.replace(base, BOUNDS[base])
    elif base in ("addcdiv", "addcmul") and len(args) == 3:
        args, kwargs = args[:2], {"value": args[2]}
    elif base in BOUNDS and method.endswith("_"):  # torch has no Tensor.maximum_
        return t.copy_(getattr(t, base)(*args))  # type: ignore[attr-defined]
    elif base in ("norm", "powsum"):
        order, dtype = args[0] if args else 2, args[1] if len(args) > 1 else t.dtype
        t = t.to(dtype)  # type: ignore[attr-defined]
        return t.norm(order) if base == "norm" else (t.abs() ** order).sum()  # type: ignore[attr-defined]
    return getattr(t, method)(*args, **kwargs)
