"""The imitation of ``cupy.ufunc``, and the operators of arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .array import SCALARS, TABLE, here, lift, ndarray, operand, quietly
from .record import before, counters, record
from .signatures import REFUSED, UFUNCS


class ufunc:
    """A ufunc on device arrays and numbers. ``out``, ``dtype`` and ``casting`` are all the options that CuPy has."""

    def __init__(self, name: str, f: Any, refused: str = ""):
        self.__name__ = self.name = name
        self._f, self._refused = f, refused
        self.nin, self.nout = getattr(f, "nin", 1), getattr(f, "nout", 1)
        self.nargs = self.nin + self.nout
        self.types = getattr(f, "types", [])

    def __repr__(self) -> str:
        return f"<ufunc '{self.name}'>"

    def __call__(self, *args: Any, out: Any = None, dtype: Any = None, casting: str = "same_kind") -> Any:
        if not self.nin <= len(args) <= self.nargs:
            raise TypeError(
                f"{self.name}() takes from {self.nin} to {self.nargs} positional arguments but {len(args)} were given"
            )
        given = args[self.nin :] or (out if isinstance(out, tuple) else () if out is None else (out,))
        values = [operand(x) for x in args[: self.nin]]
        for v in values:
            if self._refused and np.asarray(v).dtype.kind in self._refused:
                raise TypeError(
                    f"Wrong type ({[np.asarray(v).dtype for v in values]}) of arguments for cupy_{self.name}"
                )
        for o in given:
            if type(o) is not ndarray:
                raise TypeError(f"return arrays must be of ArrayType, got {type(o)}")
            here(o)
        options: dict[str, Any] = {"casting": casting} if isinstance(self._f, np.ufunc) else {}
        if dtype is not None:
            options["dtype"] = dtype
        if given:
            options["out"] = tuple(o._a for o in given) if self.nout > 1 else given[0]._a
        counters.launch()
        before(*(o._a for o in given))
        try:
            result = quietly(self._f, *values, **options)
        except ValueError as problem:
            if "negative integer powers" not in str(problem):
                raise
            with np.errstate(all="ignore"):  # CuPy computes them: the truncated quotient
                kind = np.result_type(*values)
                result = np.trunc(np.power(np.asarray(values[0], float), values[1])).astype(kind)
        except TypeError as problem:
            raise TypeError(
                f"Wrong type ({[np.asarray(v).dtype for v in values]}) of arguments for cupy_{self.name}: {problem}"
            ) from None
        finished = (given if self.nout > 1 else given[0]) if given else lift(result, *args)
        record(self._f, values, options, result if not given else None)
        return finished

    def _plain(self, f: Callable, array: Any, *args: Any, out: Any = None, **options: Any) -> Any:
        if type(array) is not ndarray:
            raise TypeError(f"Unsupported type {type(array)}")
        counters.launch()
        if out is not None:
            before(out._a)
            options["out"] = out._a
        result = np.asarray(quietly(f, here(array), *args, **options))
        record(f, (array._a, *args), options, None if out is not None else result)
        return lift(result) if out is None else out

    def reduce(self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return self._plain(self._f.reduce, array, axis, dtype, out=out, keepdims=keepdims)

    def accumulate(self, array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        return self._plain(self._f.accumulate, array, axis, dtype, out=out)

    def reduceat(self, array: Any, indices: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        return self._plain(self._f.reduceat, array, operand(indices), axis, dtype, out=out)

    def outer(self, a: Any, b: Any) -> Any:
        return lift(quietly(self._f.outer, operand(a), operand(b)))

    def at(self, a: Any, indices: Any, b: Any = None) -> None:
        if self.name not in ("add", "subtract", "maximum", "minimum", "bitwise_and", "bitwise_or", "bitwise_xor"):
            raise NotImplementedError(f"`{self.name}.at` is not supported yet")
        if self.name in ("add", "subtract", "maximum", "minimum") and a.dtype.name not in SCATTERED:
            raise TypeError(f"{self.name}.at: not for {a.dtype}; CuPy has atomics for {', '.join(sorted(SCATTERED))}")
        counters.launch()
        key = a._key(indices)
        before(a._a)
        quietly(self._f.at, a._a, key, operand(b))
        record(self._f.at, (a._a, key, operand(b)), {}, None)


SCATTERED = {"int32", "float16", "float32", "float64", "complex64", "complex128", "uint32", "uint64"}


def _operator(name: str, reverse: bool = False, inplace: bool = False) -> Callable:
    def run(self: ndarray, other: Any) -> Any:
        if not isinstance(other, (ndarray, *SCALARS)):
            if isinstance(other, np.ndarray | list | tuple | type(None) | str):
                raise TypeError(f"Unsupported type {type(other)}")
            return NotImplemented
        f = TABLE[name]
        return f(self, other, out=self) if inplace else f(other, self) if reverse else f(self, other)

    return run


def _cupy_ufunc(name: str) -> ufunc:
    refused = "".join(kinds for kinds, names in REFUSED.items() if name in names.split())
    return ufunc(name, getattr(np, name), refused)


TABLE.update({name: _cupy_ufunc(name) for name in UFUNCS.split()})
for _name, _call in {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide", "mod": "remainder",
    "pow": "power", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "left_shift",
    "rshift": "right_shift", "divmod": "divmod",
}.items():  # fmt: skip
    setattr(ndarray, f"__{_name}__", _operator(_call))
    setattr(ndarray, f"__r{_name}__", _operator(_call, reverse=True))
    if _name != "divmod":
        setattr(ndarray, f"__i{_name}__", _operator(_call, inplace=True))
for _name, _call in {
    "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal",
}.items():  # fmt: skip
    setattr(ndarray, f"__{_name}__", _operator(_call))
ndarray.__hash__ = None  # type: ignore[method-assign, assignment]  # __eq__ was set after the class was made
