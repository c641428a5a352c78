"""Reductions and normalizations that see only part of a tensor (``torch.masked``): ``masked.mean(x, 1, mask=mask)``.

Where ``mask`` (broadcast to the input) is False, an element counts as what changes nothing: 0 in a sum, 1 in a product,
-inf in a maximum. PyTorch's ``MaskedTensor`` is not here.

>>> import lucid
>>> from lucid import masked
>>> x, mask = lucid.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), lucid.tensor([[True, False, True], [False, False, False]])
>>> masked.sum(x, 1, mask=mask)
tensor([4., 0.])
>>> masked.mean(x, 1, mask=mask)
tensor([2., nan])
>>> masked.softmax(x, 1, mask=lucid.tensor([True, True, False]))
tensor([[0.2689, 0.7311, 0.0000],
        [0.2689, 0.7311, 0.0000]])
"""

from __future__ import annotations

import math
from typing import Any

from . import functions as _functions
from .core.dtypes import as_dtype, float32, iinfo, int64
from .core.tensor import Tensor
from .functions.registry import tensor_arg
from .linalg import vector_norm as _vector_norm
from .nn.functional import softmin as _softmin

_f: Any = _functions
__all__ = """amax amin argmax argmin cumprod cumsum log_softmax logaddexp logsumexp mean median norm normalize prod softmax
softmin std sum var""".split()

# What changes nothing: a number, or the end of the dtype's range.
_LOWEST, _HIGHEST = "lowest", "highest"
_IDENTITY: dict[str, Any] = {
    **dict.fromkeys(("sum", "cumsum", "norm", "normalize", "mean", "var"), 0),
    **dict.fromkeys(("prod", "cumprod"), 1),
    **dict.fromkeys(("amax", "argmax", "softmax", "log_softmax", "logsumexp", "logaddexp"), _LOWEST),
    **dict.fromkeys(("amin", "argmin", "softmin"), _HIGHEST),
    "median": math.nan,
}


def _mask(input: Tensor, mask: Any, name: str) -> Tensor:
    mask = tensor_arg(mask, name, "mask")
    if mask.ndim > input.ndim:
        raise IndexError(
            f"{name}: the mask {tuple(mask.shape)} has more dimensions than the input {tuple(input.shape)}"
        )
    return _f.broadcast_to(mask.bool(), input.shape)


def _seen(name: str, input: Any, mask: Any, identity: Any = None) -> Tensor:
    """``input`` with what ``mask`` hides made to change nothing."""
    x = tensor_arg(input, name)
    if mask is None:
        return x
    identity = _IDENTITY[name] if identity is None else identity
    if isinstance(identity, str):
        low = identity is _LOWEST
        if x.dtype.name == "bool" or (x.dtype.is_complex and name != "logsumexp"):
            raise NotImplementedError(f"identity of {name} on {x.dtype} input")
        if x.dtype.is_floating_point or x.dtype.is_complex:
            identity = -math.inf if low else math.inf
        else:
            identity = iinfo(x.dtype).min if low else iinfo(x.dtype).max
    return _f.where(_mask(x, mask, name), x, x.new_full((), identity))


def _dims(dim: Any, ndim: int) -> tuple[int, ...]:
    if dim is None or dim == ():
        return tuple(range(ndim))
    dims, n = [], max(ndim, 1)
    for d in (dim,) if isinstance(dim, int) else dim:
        if not -n <= d < n:
            raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {d})")
        if d in dims:
            raise RuntimeError(f"dim={d} appears multiple times in the list of dims")
        dims.append(d)
    return tuple(sorted(d % n for d in dims))


def _dtype(input: Tensor, dtype: Any) -> Any:
    return input.dtype if dtype is None else as_dtype(dtype)


def _extreme(name: str, single: bool) -> Any:
    def reduction(
        input: Tensor, dim: Any = None, *, keepdim: Any = False, dtype: Any = None, mask: Any = None
    ) -> Tensor:
        x = _seen(name, input, mask)
        dim = dim if single else _dims(dim, x.ndim)
        return getattr(_f, name)(x, dim, keepdim=bool(keepdim)).to(_dtype(input, dtype))

    return _named(reduction, name)


def _along(name: str, function: Any) -> Any:
    def normalization(input: Tensor, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
        x, dtype = _seen(name, input, mask), _dtype(input, dtype)
        return function(x, _dims(dim, x.ndim)[0], dtype=dtype).to(dtype)

    return _named(normalization, name)


def _named(function: Any, name: str) -> Any:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"``lucid.{name}`` of the elements that ``mask`` shows; see the module."
    return function


amax, amin, logsumexp = (_extreme(name, False) for name in ("amax", "amin", "logsumexp"))
argmax, argmin = (_extreme(name, True) for name in ("argmax", "argmin"))
cumsum, cumprod = _along("cumsum", _f.cumsum), _along("cumprod", _f.cumprod)
softmax, log_softmax = _along("softmax", _f.softmax), _along("log_softmax", _f.log_softmax)
softmin = _along("softmin", _softmin)


def sum(input: Tensor, dim: Any = None, *, keepdim: Any = False, dtype: Any = None, mask: Any = None) -> Tensor:
    """``lucid.sum`` of the elements that ``mask`` shows."""
    x = _seen("sum", input, mask)
    return _f.sum(x, _dims(dim, x.ndim), bool(keepdim), dtype=dtype)


def prod(input: Tensor, dim: Any = None, *, keepdim: Any = False, dtype: Any = None, mask: Any = None) -> Tensor:
    """``lucid.prod`` of the elements that ``mask`` shows, over several dimensions at once."""
    x = _seen("prod", input, mask)
    if dtype is not None or x.dtype.category < float32.category:
        x = x.to(int64 if dtype is None else as_dtype(dtype))
    for d in reversed(_dims(dim, x.ndim)):
        x = _f.prod(x, d, bool(keepdim))
    return x


def mean(input: Tensor, dim: Any = None, *, keepdim: Any = False, dtype: Any = None, mask: Any = None) -> Tensor:
    """``lucid.mean`` of the elements that ``mask`` shows; NaN where it shows none. ValueError for integers."""
    kind = _dtype(input, dtype)
    if not (kind.is_floating_point or kind.is_complex):
        raise ValueError(
            f"mean(): Could not infer output dtype. {'Input' if dtype is None else 'Optional'} dtype must be either "
            f"a floating point or complex dtype. Got: {kind}"
        )
    return sum(input, dim, keepdim=keepdim, dtype=kind, mask=mask) / _count(input, dim, keepdim, mask)


def _count(input: Tensor, dim: Any, keepdim: Any, mask: Any) -> Tensor:
    ones = input.new_ones(input.shape, dtype=as_dtype("bool")) if mask is None else _mask(input, mask, "masked")
    return _f.sum(ones, _dims(dim, input.ndim), bool(keepdim))


def median(input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Tensor:
    """The values of ``lucid.nanmedian`` of the elements that ``mask`` shows; NaN, or ValueError for integers, where it shows none."""
    x = input if input.dtype.is_floating_point else input.to(float32)
    found = _f.nanmedian(_seen("median", x, mask), _dims(dim, x.ndim)[0], keepdim).values
    if x is input:
        return found
    if bool(_f.isnan(found).any()):
        raise ValueError("masked median expects no fully masked out rows if dtype is not floating point")
    return found.to(_dtype(input, dtype))


def logaddexp(
    input: Tensor, other: Tensor, *, dtype: Any = None, input_mask: Any = None, other_mask: Any = None
) -> Tensor:
    """``lucid.logaddexp`` of the elements that the masks show; a hidden one counts as -inf."""
    pair = (_seen("logaddexp", x, mask) for x, mask in ((input, input_mask), (other, other_mask)))
    return _f.logaddexp(*pair).to(_dtype(input, dtype))


def norm(
    input: Tensor,
    ord: float | None = 2.0,
    dim: Any = None,
    *,
    keepdim: Any = False,
    dtype: Any = None,
    mask: Any = None,
) -> Tensor:
    """``lucid.linalg.vector_norm`` of the elements that ``mask`` shows."""
    x = _seen("norm", input, mask, math.inf if ord == -math.inf else None)
    return _vector_norm(x, ord, _dims(dim, x.ndim), bool(keepdim), dtype=_dtype(input, dtype))


def normalize(
    input: Tensor, ord: float, dim: int, *, eps: float = 1e-12, dtype: Any = None, mask: Any = None
) -> Tensor:
    """The elements that ``mask`` shows over their norm, which is at least ``eps``; 0 elsewhere."""
    size = norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return _seen("normalize", input, mask) / _f.maximum(size, size.new_full((), eps))


def var(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    *,
    correction: Any = None,
    keepdim: Any = False,
    dtype: Any = None,
    mask: Any = None,
) -> Tensor:
    """``lucid.var`` of the elements that ``mask`` shows; ``correction`` (1) is what is taken from their count."""
    if unbiased is not None and correction is not None:
        raise AssertionError("Only one of unbiased and correction may be given")
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    dtype = _dtype(input, dtype)
    kind = dtype if dtype.is_floating_point or dtype.is_complex else float32
    count = _count(input, dim, True, mask)
    x = input - sum(input, dim, keepdim=True, dtype=kind, mask=mask) / count
    total = sum(x * x.conj(), dim, keepdim=keepdim, dtype=kind, mask=mask)
    count = count.reshape(total.shape)
    if correction:
        count = _f.clamp_min(count.to(total.real.dtype) - correction, 0)
    return (total / count).to(kind)


def std(input: Tensor, dim: Any = None, unbiased: bool | None = None, **options: Any) -> Tensor:
    """The square root of ``var``."""
    return _f.sqrt(var(input, dim, unbiased, **options))
