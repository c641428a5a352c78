"""Different transforms for different parts of a tensor."""

from __future__ import annotations

from typing import Any

import lucid

from .. import constraints
from ..utils import _sum_rightmost
from .base import Transform


class _Joined(Transform):
    def __init__(self, tseq: Any, dim: int, cache_size: int):
        if not all(isinstance(t, Transform) for t in tseq):
            raise AssertionError("All elements of tseq must be Transform instances")
        super().__init__(cache_size)
        self.transforms = [t.with_cache(cache_size) for t in tseq] if cache_size else list(tseq)
        self.dim = dim

    @property
    def bijective(self) -> Any:  # type: ignore[override]
        return all(t.bijective for t in self.transforms)

    def _check(self, size: int, *tensors: Any) -> None:
        for x in tensors:
            if not -x.dim() <= self.dim < x.dim():
                raise AssertionError(f"dim {self.dim} out of range for tensor with {x.dim()} dimensions")
            if x.shape[self.dim] != size:
                raise AssertionError(f"x.size({self.dim}) = {x.shape[self.dim]} must equal {size}")


class CatTransform(_Joined):
    """Transforms of successive pieces, of the given lengths, along ``dim``.

    >>> import lucid
    >>> d = lucid.distributions
    >>> d.CatTransform([d.ExpTransform(), d.AbsTransform()], lengths=[1, 2])(lucid.tensor([0.0, -1.0, 2.0]))
    tensor([1., 1., 2.])
    """

    def __init__(self, tseq: Any, dim: int = 0, lengths: Any = None, cache_size: int = 0):
        super().__init__(tseq, dim, cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.transforms):
            raise AssertionError(f"lengths ({len(self.lengths)}) must match transforms ({len(self.transforms)})")

    @property
    def event_dim(self) -> int:
        return max(t.event_dim for t in self.transforms)

    @property
    def length(self) -> int:
        """The size of the input along ``dim``."""
        return sum(self.lengths)

    def with_cache(self, cache_size: int = 1) -> Any:
        if self._cache_size == cache_size:
            return self
        return CatTransform(self.transforms, self.dim, self.lengths, cache_size)

    def _pieces(self, *tensors: Any) -> Any:
        self._check(self.length, *tensors)
        return zip(self.transforms, *(x.split(self.lengths, self.dim) for x in tensors), strict=True)

    def _call(self, x: Any) -> Any:
        return lucid.cat([t(piece) for t, piece in self._pieces(x)], self.dim)

    def _inverse(self, y: Any) -> Any:
        return lucid.cat([t.inv(piece) for t, piece in self._pieces(y)], self.dim)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        terms = [
            _sum_rightmost(t.log_abs_det_jacobian(px, py), self.event_dim - t.event_dim)
            for t, px, py in self._pieces(x, y)
        ]
        dim = (self.dim - x.dim() if self.dim >= 0 else self.dim) + self.event_dim
        return lucid.cat(terms, dim) if dim < 0 else sum(terms)

    @constraints.dependent_property
    def domain(self) -> Any:  # type: ignore[override]
        return constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths)

    @constraints.dependent_property
    def codomain(self) -> Any:  # type: ignore[override]
        return constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths)


class StackTransform(_Joined):
    """One transform for each slice along ``dim``.

    >>> import lucid
    >>> d = lucid.distributions
    >>> d.StackTransform([d.ExpTransform(), d.AbsTransform()])(lucid.tensor([0.0, -1.0]))
    tensor([1., 1.])
    """

    def __init__(self, tseq: Any, dim: int = 0, cache_size: int = 0):
        super().__init__(tseq, dim, cache_size)

    def with_cache(self, cache_size: int = 1) -> Any:
        return self if self._cache_size == cache_size else StackTransform(self.transforms, self.dim, cache_size)

    def _slices(self, *tensors: Any) -> Any:
        self._check(len(self.transforms), *tensors)
        return zip(self.transforms, *(x.unbind(self.dim) for x in tensors), strict=True)

    def _call(self, x: Any) -> Any:
        return lucid.stack([t(part) for t, part in self._slices(x)], self.dim)

    def _inverse(self, y: Any) -> Any:
        return lucid.stack([t.inv(part) for t, part in self._slices(y)], self.dim)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return lucid.stack([t.log_abs_det_jacobian(px, py) for t, px, py in self._slices(x, y)], self.dim)

    @constraints.dependent_property
    def domain(self) -> Any:  # type: ignore[override]
        return constraints.stack([t.domain for t in self.transforms], self.dim)

    @constraints.dependent_property
    def codomain(self) -> Any:  # type: ignore[override]
        return constraints.stack([t.codomain for t in self.transforms], self.dim)
