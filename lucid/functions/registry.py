"""``@public``: one function, seen as ``lucid.X``, ``Tensor.X``, ``Tensor.X_`` and with ``out=``."""

from __future__ import annotations

import functools
import inspect
import math
import warnings
from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

from ..core import dtypes, modes
from ..core.dtypes import COMPLEX, INTEGER, iinfo
from ..core.fast import over_first
from ..core.graph import Leaf, next_seq
from ..core.op import Op
from ..core.overrides import foreign
from ..core.tensor import Tensor, as_tensor
from ..core.view import View, write
from .checking import explain, fits, kinds_of, refuse_huge, right, with_kernel
from .outputs import check_leaf, fitted, refuse_overlap, write_out

FUNCTIONS: dict[str, Callable] = {}
CONSTANTS: dict[str, Any] = {}  # names of lucid that are not functions: pi, FloatTensor, strided
SPECIAL: dict[str, Callable] = {}  # what lucid.special holds
RETURN_TYPES: dict[str, Any] = {}  # what lucid.return_types holds
# The array API's and NumPy's words for arguments that PyTorch names otherwise.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "axis": ("dim",), "keepdims": ("keepdim",), "x": ("input",), "a": ("input",), "axes": ("dims",), "self": ("input",), "size": ("shape",),
    "split_size": ("split_size_or_sections",), "values": ("other", "input"), "tensor_indices_or_sections": ("indices_or_sections",),
    "k": ("diagonal",), "padding": ("pad",), "indices": ("index",), "start_axis": ("start_dim",), "end_axis": ("end_dim",), "start": ("start_dim",),
    "end": ("end_dim",), "sorted_seq": ("sorted_sequence",), "t1": ("tensor1",), "t2": ("tensor2",), "cond": ("condition",),
    "dim0": ("axis0",), "dim1": ("axis1",), "exponent": ("other",), "element": ("elements",), "test_element": ("test_elements",),
}  # fmt: skip
# What Lucid calls the first and the second argument of a function of one or two tensors, whatever their names here.
FIRST = {"input", "x", "a", "t", "A", "arr", "H", "p", "sequence", "v"}
SECOND = {"other", "y", "b", "B", "q", "mat"}
# What ``*dims`` and the like may also be called by: ``x.flip(dims=(0,))`` is ``x.flip(0)``.
SPREAD = {
    "shape": ("shape", "size"),
    "sizes": ("size", "sizes"),
    "dims": ("dims", "axis", "axes", "reps"),
    "repeats": ("repeats", "dim"),
}
NO_CLASS: set[type] = set()  # what a name that the function has not may be


def return_type(name: str, *fields: str) -> Any:
    """A named tuple as PyTorch's functions of several results return, printed as there: ``lucid.return_types.sort``."""
    kind = namedtuple(name, fields)  # type: ignore[misc]
    kind.__module__ = "lucid.return_types"
    kind.__repr__ = _on_lines  # type: ignore[method-assign, assignment]
    RETURN_TYPES[name] = kind
    return kind


def _on_lines(self: Any) -> str:
    shown = ",\n".join(f"{field}={value!r}" for field, value in zip(self._fields, self, strict=True))
    return f"lucid.return_types.{type(self).__name__}(\n{shown})"


def public(
    *names: str,
    method: bool = True,
    function: bool = True,
    inplace: bool | Callable = False,
    out: bool = True,
) -> Callable[[Callable], Callable]:
    """Publish a function under its own name and ``names`` (aliases), as function, method and in-place method.

    The wrapped function sees PyTorch's argument names only: ``axis``, ``keepdims`` and ``x`` are translated, and
    ``out=`` is taken care of here. ``inplace=`` an op's function: what ``f(x, y)`` is, written in place without a detour.
    """

    def decorate(f: Callable) -> Callable:
        code = f.__code__  # `inspect.signature` would be a third of the time that `import lucid` takes
        named = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        accepted, first_name, second_name = set(named), *(*named[: code.co_argcount], "", "")[:2]
        takes_any = bool(code.co_flags & inspect.CO_VARARGS)
        spread = SPREAD.get(code.co_varnames[code.co_argcount + code.co_kwonlyargcount], ()) if takes_any else ()
        kinds = kinds_of(f, named)
        checks = [(kinds[n].exact, i) for i, n in enumerate(named[: code.co_argcount]) if n in kinds]
        by_name = {n: kinds[n].exact if n in kinds else None for n in named}
        f = with_kernel(f)

        @functools.wraps(f)
        def call(*args: Any, **kwargs: Any) -> Any:
            for exact, i in checks:
                if i >= len(args):
                    break
                if type(args[i]) not in exact:
                    if hasattr(type(args[i]), "__torch_function__"):
                        answer = foreign(call, f.__name__, args, kwargs)
                        if answer is not None:
                            return answer[0]
                    if unbound(call, args):
                        return call(*args[1:], **kwargs)
                    args = (*args[:i], right(args[i], kinds[named[i]], f.__name__, named[i]), *args[i + 1 :])
            if not kwargs:
                try:
                    return f(*args)
                except (AttributeError, TypeError) as problem:
                    answer = foreign(call, f.__name__, args)
                    if answer is not None:
                        return answer[0]
                    if unbound(call, args):
                        return call(*args[1:])
                    if isinstance(problem, AttributeError):
                        refuse_foreign(args, f.__name__, first_name)
                    raise
                except Exception:
                    explain(f.__name__, dict(zip(named[: code.co_argcount], args, strict=False)), kinds)
                    raise
            for name, value in kwargs.items():
                known = by_name.get(name, NO_CLASS)
                if known is not None and type(value) not in known:
                    break
            else:
                try:
                    return f(*args, **kwargs)
                except Exception:
                    if unbound(call, args):
                        return call(*args[1:], **kwargs)
                    explain(f.__name__, kwargs, kinds)
                    raise
            for name in spread:
                if name in kwargs:
                    given = kwargs.pop(name)
                    leading = (kwargs.pop("input"),) if "input" in kwargs and not args else ()
                    args = (*leading, *args, *(given if given and isinstance(given, tuple | list) else (given,)))
            for name in list(kwargs):
                if name not in accepted:
                    meant = [n for n in SYNONYMS.get(name, ()) if n in accepted and n not in kwargs]
                    if meant:
                        kwargs[meant[0]] = kwargs.pop(name)
                    elif name in FIRST and not args and first_name not in kwargs and not takes_any:
                        kwargs[first_name] = kwargs.pop(name)
                    elif (
                        name in SECOND and len(args) < 2 and second_name and second_name not in kwargs and not takes_any
                    ):
                        kwargs[second_name] = kwargs.pop(name)
            for name in kwargs:
                kind = kinds.get(name)
                if kind is not None and type(kwargs[name]) not in kind.exact:
                    kwargs[name] = right(kwargs[name], kind, f.__name__, name)
            if out and "out" in kwargs and "out" not in accepted:
                target = kwargs.pop("out")
                for t in target if isinstance(target, tuple | list) else (target,):
                    if isinstance(t, Tensor):
                        refuse_overlap(t, (*args, *kwargs.values()), f.__name__)
                return (
                    f(*args, **kwargs)
                    if target is None
                    else write_out(
                        target, lambda **own: f(*args, **(own | kwargs)), f.__name__, accepted, kwargs.get("dtype")
                    )
                )
            return f(*args, **kwargs)

        call.takes_out = out or "out" in accepted  # type: ignore[attr-defined]  # asked by tools/make_op_table.py
        for name in (f.__name__, *names):
            if function:
                FUNCTIONS[name] = call
            if method:
                setattr(Tensor, name, call)
            if inplace:
                make_inplace(name, call, op=getattr(inplace, "op", None))
        return call

    return decorate


def unbound(call: Callable, args: tuple) -> bool:
    """Whether the first argument is there because a class holds the function (``act = lucid.relu``): PyTorch's are no methods."""
    return (
        bool(args)
        and not isinstance(args[0], Tensor)
        and any(
            f is call or getattr(f, "__wrapped__", None) is call
            for c in type(args[0]).__mro__
            for f in vars(c).values()
        )
    )


def make_inplace(name: str, f: Callable, *, function: bool = False, op: Op | None = None) -> None:
    """``Tensor.name_``: compute, then overwrite the tensor with the result; at once where ``op`` can."""

    written, constant = name + "_", name.startswith("logical_")
    op = op or getattr(f, "op", None)

    def inplace(*args: Any, **kwargs: Any) -> Tensor:
        if not args:  # as a function of lucid it may be called by name
            args = (kwargs.pop("input", None),)
        self, args = args[0], args[1:]
        if op is not None and len(args) == 1 and not kwargs and over_first(op, self, args[0]):
            return self
        if constant:  # truth has no derivative: PyTorch writes it into leaves, too
            with modes.no_grad():
                return write(self, fitted(self, f(self, *args, **kwargs), written), written)
        if type(self.node) is Leaf:
            check_leaf(self, written)
        if type(self) is View or any([type(a) is View for a in args]):  # noqa: C419 (a list is quicker for one or two)
            refuse_overlap(self, args, written)
        since = next_seq()
        result = f(self, *args, **kwargs)
        if result is NotImplemented and written.startswith("__"):
            return result
        return write(self, fitted(self, result, written), written, since)

    inplace.__name__ = inplace.__qualname__ = written
    inplace.__doc__ = f"In-place form of ``{name}``."
    setattr(Tensor, name + "_", inplace)
    if function:
        FUNCTIONS[name + "_"] = inplace


def refuse_foreign(args: tuple, name: str, position: str) -> None:
    """TypeError if the first argument is nothing that a function of tensors could work on."""
    if (
        args
        and position not in ("tensors", "args")
        and not isinstance(args[0], Tensor)
        and not hasattr(args[0], "__array__")
    ):
        raise TypeError(f"{name}(): argument '{position}' must be Tensor, not {type(args[0]).__name__}") from None


def tensor_arg(x: Any, name: str, position: str = "input") -> Tensor:
    """The argument, which must be a Tensor (or an array that can become one); TypeError otherwise."""
    if isinstance(x, Tensor):
        return x
    if hasattr(x, "__dlpack__") or (
        hasattr(x, "__array__") and hasattr(x, "__setitem__")
    ):  # NumPy's scalars are numbers
        return as_tensor(x)
    raise TypeError(f"{name}(): argument '{position}' must be Tensor, not {type(x).__name__}")


def beside(x: Any, like: Tensor) -> Tensor:
    """A number as a tensor of the dtype that it has beside ``like``: beside float64 it loses no digit."""
    if isinstance(x, Tensor):
        return x
    dtype = dtypes.result_type((like.dtype, 2), (dtypes.scalar_dtype(x), 0))
    return as_tensor(x, dtype=dtype, like=like)


def number_first(name: str, keyword: str, value: Any) -> Any:
    """The number of a call in PyTorch's older form, ``add(input, alpha, other)``: it works and warns, as there."""
    if isinstance(value, Tensor) and value.ndim:
        raise TypeError(f"{name}(): one tensor too many; {keyword} is a number, got shape {tuple(value.shape)}")
    warnings.warn(
        f"This overload of {name} is deprecated: {keyword} comes after the tensors, {name}(..., {keyword}=...)",
        UserWarning,
        stacklevel=4,
    )
    return value


def number_for(value: Any, dtype: Any, name: str) -> Any:
    """A Python number that a tensor of this dtype can hold; RuntimeError otherwise. Unsigned dtypes take -1 as their largest."""
    if isinstance(value, complex) and dtype.category != COMPLEX:
        if value.imag:
            raise RuntimeError(f"{name}: value {value} cannot be converted to type {dtype} without overflow")
        value = value.real
    if dtype.category != INTEGER:
        refuse_huge(value, name, "value")
        return value
    limits = iinfo(dtype)
    low = limits.min if dtype.is_signed else -limits.max
    if not low <= value <= limits.max:  # nor is NaN
        raise RuntimeError(f"{name}: value {value} cannot be converted to type {dtype} without overflow")
    return int(value) % (limits.max + 1) if value < 0 and not dtype.is_signed else value


def dim_arg(dim: Any, ndim: int, name: str) -> int:
    """One dimension as a non-negative int; IndexError outside ``[-ndim, ndim-1]``."""
    try:
        if dim.__class__ is bool:
            raise AttributeError
        dim = dim.__index__()
    except AttributeError:
        raise TypeError(f"{name}(): argument 'dim' must be int, not {type(dim).__name__}") from None
    bound = max(ndim, 1)
    if not -bound <= dim < bound:
        fits(dim, name, "dim")
        raise IndexError(
            f"{name}: Dimension out of range (expected to be in range of [{-bound}, {bound - 1}], but got {dim})"
        )
    return dim % bound


def dims_arg(dim: Any, ndim: int, name: str) -> tuple[int, ...] | None:
    """Several dimensions; None (or an empty sequence) means all. RuntimeError for a repeated one."""
    if dim is None:
        return None
    if isinstance(dim, int) or not isinstance(dim, Sequence):
        found = dim_arg(dim, ndim, name)
        return (found,) if ndim else None
    if not dim:
        return None
    dims = tuple(dim_arg(d, ndim, name) for d in dim)
    if len(set(dims)) != len(dims):
        raise RuntimeError(f"{name}: dim {dims} appears multiple times in the list of dims")
    return dims if ndim else None


def shape_arg(sizes: tuple, name: str) -> tuple[int, ...]:
    """Sizes given as ``f(2, 3)`` or ``f((2, 3))``; 0-d tensors count as ints."""
    if len(sizes) == 1 and type(sizes[0]) is not int and isinstance(sizes[0], Sequence):
        sizes = tuple(sizes[0])
    for s in sizes:
        if type(s) is not int:
            break
    else:
        return sizes
    try:
        if type(sizes[0]) is bool:  # PyTorch looks at the first alone
            raise AttributeError
        return tuple(s if type(s) is int else s.__index__() for s in sizes)
    except AttributeError:
        bad = next((s for s in sizes if not hasattr(s, "__index__")), sizes[0])
        raise TypeError(f"{name}(): sizes must be ints, got {type(bad).__name__} {bad!r}") from None


def sizes_arg(sizes: tuple, name: str) -> tuple[int, ...]:
    """``shape_arg`` for a new tensor; RuntimeError for a negative size, or more elements than memory can be addressed."""
    shape = shape_arg(sizes, name)
    if shape and min(shape) < 0:
        raise RuntimeError(f"{name}: Trying to create tensor with negative dimension {min(shape)}: {list(shape)}")
    if math.prod(shape) >= 2**60:
        raise RuntimeError(f"{name}: Storage size calculation overflowed with sizes={list(shape)}")
    return shape
