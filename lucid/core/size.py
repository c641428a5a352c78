"""Shapes."""

from __future__ import annotations

from collections.abc import Iterable
from operator import index
from typing import Any

new_size = tuple.__new__  # of ints that are known to be ints


class Size(tuple):
    """A shape: a tuple of ints with ``numel()``, printed as PyTorch prints it.

    Raises TypeError for what is no integer.

    >>> import lucid
    >>> lucid.Size([2, 3]).numel()
    6
    """

    __slots__ = ()

    def __new__(cls, sizes: Iterable = ()) -> Size:
        made = new_size(cls, sizes)
        for n in made:
            if type(n) is not int:
                return new_size(cls, [_int(n, i) for i, n in enumerate(made)])
        return made

    def numel(self) -> int:
        """The number of elements."""
        n = 1
        for size in self:
            n *= size
        return n

    def __repr__(self) -> str:
        return f"lucid.Size([{', '.join(map(str, self))}])"

    def __getitem__(self, key: Any, item: Any = tuple.__getitem__) -> Any:
        part = item(self, key)
        return new_size(Size, part) if type(part) is tuple else part

    def __add__(self, other: Any) -> Size:
        if not isinstance(other, tuple):
            raise TypeError(f"can only concatenate tuple (not {type(other).__name__}) to lucid.Size")
        return Size(tuple.__add__(self, other))

    def __radd__(self, other: Any) -> Size:
        return Size(other).__add__(self) if isinstance(other, tuple) else NotImplemented

    def __mul__(self, times: Any) -> Size:
        return new_size(Size, tuple.__mul__(self, times))

    __rmul__ = __mul__


def _int(n: Any, i: int) -> int:
    try:
        return index(n)
    except (TypeError, RuntimeError):
        raise TypeError(f"lucid.Size() takes an iterable of 'int' (item {i} is '{type(n).__name__}')") from None
