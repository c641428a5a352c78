"""Making tensors: from data, from values, from ranges. All take ``dtype=``, ``device=`` and ``requires_grad=``."""

from __future__ import annotations

import math
import warnings
from typing import Any

from ..backends import known_array_types
from ..core import dtypes
from ..core.dtypes import as_dtype
from ..core.tensor import Tensor, as_tensor, backend_for, created, wrap
from ..core.transform import each_example, frames, made_inside
from .checking import Scalar
from .memory_format import laid
from .memory_format import like as laid_like
from .outputs import write_out
from .registry import FUNCTIONS, number_for, public, sizes_arg, tensor_arg


def _finish(value: Any, requires_grad: bool) -> Tensor:
    t = created(value)
    if frames():
        t = made_inside(t)
    return t.requires_grad_() if requires_grad else t


def _dtype(dtype: Any) -> dtypes.dtype:
    return dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)


def _check_range(host: Any, dtype: dtypes.dtype) -> None:
    """RuntimeError if a number does not fit the integer dtype asked for; arithmetic wraps, as in PyTorch."""
    kind = host.dtype.kind
    if dtype.category != dtypes.INTEGER or kind not in "iuf" or dtype.name == host.dtype.name or not host.size:
        return
    limits = dtypes.iinfo(dtype)
    least, most = host.min().item(), host.max().item()
    low = -limits.max if kind == "i" and not dtype.is_signed else limits.min  # PyTorch takes -1 for the largest
    if not (low <= least and most <= limits.max):  # NaN, too
        found = least if most <= limits.max else most
        raise RuntimeError(f"tensor: value {found} cannot be converted to type {dtype} without overflow")


@public(method=False, out=False)
def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False
) -> Tensor:
    """A tensor with a copy of ``data``: numbers, nested sequences, or an array of any library.

    Python floats give the default dtype, ints int64, bools bool; arrays keep theirs.
    Raises ValueError for ragged nesting and TypeError for what is not numbers.

    >>> import lucid
    >>> lucid.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than lucid.tensor(sourceTensor).",
            UserWarning,
            stacklevel=3,
        )
    if dtype is not None and not hasattr(data, "__array__"):
        _check_range(as_tensor(data, device="cpu").value, as_dtype(dtype))
    t = as_tensor(
        data,
        dtype=dtype,
        device=device,
        copy=isinstance(data, Tensor) or isinstance(data, known_array_types()) or hasattr(data, "__array__"),
    )
    if dtype is None and t.dtype is dtypes.uint64 and not hasattr(data, "__array__"):
        raise ValueError("tensor: Overflow when unpacking long long: ints of 2**63 and more need dtype=uint64")
    return t.requires_grad_() if requires_grad else t


def _filled(name: str, doc: str) -> None:
    def f(
        *size: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        out: Any = None,
        layout: Any = None,
        pin_memory: bool = False,
        **named: Any,
    ) -> Tensor:
        size = size or (named.get("size", named.get("shape", ())),)
        if isinstance(out, Tensor):
            dtype, device = out.dtype if dtype is None else dtype, out.device
        backend, index = backend_for(device)
        value = getattr(backend.table, name)(sizes_arg(size, name), _dtype(dtype), index)
        if named.get("memory_format"):
            value = laid(wrap(value), named["memory_format"]).value
        if out is not None:
            return write_out(out, lambda: wrap(value), name).requires_grad_(requires_grad)  # type: ignore[no-any-return]
        return _finish(value, requires_grad)

    def like(
        input: Tensor,
        *,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        memory_format: Any = None,
        layout: Any = None,
        pin_memory: bool = False,
    ) -> Tensor:
        x = tensor_arg(input, f"{name}_like")
        out = f(tuple(x.shape), dtype=dtype or x.dtype, device=device or x.device, memory_format=memory_format)
        return (out if memory_format else laid_like(out, x)).requires_grad_(requires_grad)  # type: ignore[attr-defined, no-any-return]

    def new(
        self: Tensor,
        *size: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        layout: Any = None,
        pin_memory: bool = False,
        **named: Any,
    ) -> Tensor:
        if named.keys() - {"size"} or (named and size):
            raise TypeError(f"new_{name}() got an unexpected keyword argument {next(iter(named))!r}")
        return f(*size, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad, **named)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"{doc} ``{name}(2, 3)`` and ``{name}((2, 3))`` are the same."
    like.__name__ = f"{name}_like"
    like.__doc__ = f"{doc} The shape, dtype and device are those of ``input``."
    public(method=False, out=False)(f)
    public(method=False, out=False)(like)
    new.__doc__ = f"{doc} The dtype and device are those of this tensor."
    setattr(Tensor, f"new_{name}", new)


_filled("zeros", "A tensor of zeros.")
_filled("ones", "A tensor of ones.")
_filled("empty", "A tensor with arbitrary contents.")
zeros, ones, empty = (FUNCTIONS[_name] for _name in ("zeros", "ones", "empty"))


@public(method=False)
def full(
    size: Any,
    fill_value: Scalar,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor filled with one value, whose type gives the dtype.

    >>> import lucid
    >>> lucid.full((2,), 7)
    tensor([7, 7])
    """
    value = fill_value.item() if hasattr(fill_value, "item") else fill_value
    backend, index = backend_for(device)
    d = dtypes.as_dtype(dtype) if dtype is not None else dtypes.scalar_dtype(value)
    value = number_for(value, d, "full")
    return _finish(
        backend.table.full(sizes_arg((size,) if isinstance(size, int) else tuple(size), "full"), value, d, index),
        requires_grad,
    )


@public(method=False, out=False)
def full_like(
    input: Tensor,
    fill_value: Scalar,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """``full`` with the shape, dtype and device of ``input``."""
    return full(
        tuple(input.shape),
        fill_value,
        dtype=dtype or input.dtype,
        device=device or input.device,
        requires_grad=requires_grad,
    )


@public(function=False)
def new_full(
    input: Tensor,
    size: Any,
    fill_value: Scalar,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """``full`` with the dtype and device of this tensor."""
    return full(
        size, fill_value, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad
    )


@public(function=False)
def new_tensor(
    input: Tensor,
    data: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """``tensor`` with the dtype and device of this tensor."""
    return tensor(data, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


@public(method=False)
def arange(
    start: Any = None,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """``start, start + step, ...`` up to but without ``end``: ``ceil((end - start) / step)`` numbers.

    Raises RuntimeError for a zero step or bounds that it leads away from.

    >>> import lucid
    >>> lucid.arange(1, 2.5, 0.5)
    tensor([1.0000, 1.5000, 2.0000])
    """
    if start is None and end is None:
        raise TypeError('arange() missing 1 required positional argument: "end"')
    start, end = (0, start) if end is None else (0 if start is None else start, end)
    start, end, step = (v.item() if hasattr(v, "item") else v for v in (start, end, step))
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"arange: unsupported range: {start} -> {end}")
    d = None if dtype is None else dtypes.as_dtype(dtype)
    if d is dtypes.int64:  # PyTorch takes the whole parts first
        start, end, step = int(start), int(end), int(step)
    if step == 0:
        raise RuntimeError("arange: step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError(
            f"arange: upper bound and lower bound inconsistent with step sign: start={start}, end={end}, step={step}"
        )
    floats = any(isinstance(v, float) for v in (start, end, step))
    if d is None:
        d = dtypes.get_default_dtype() if floats else dtypes.int64
    elif floats and d.category == dtypes.INTEGER:  # as many as the numbers ask for, made of their whole parts
        return arange(math.ceil((end - start) / step), dtype=d, device=device) * int(step) + int(start)  # type: ignore[no-any-return]
    backend, index = backend_for(device)
    return _finish(backend.table.arange(start, end, step, d, index), requires_grad)


def steps_arg(steps: Any, name: str) -> int:
    """How many points: a non-negative int."""
    if not hasattr(steps, "__index__"):
        raise TypeError(f"{name}(): argument 'steps' must be int, not {type(steps).__name__}")
    if steps < 0:
        raise RuntimeError(f"{name}: number of steps must be non-negative, got {steps}")
    return steps.__index__()


@public(method=False)
def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """``steps`` numbers evenly spaced from ``start`` to ``end``, both included.

    >>> import lucid
    >>> lucid.linspace(0, 1, 3)
    tensor([0.0000, 0.5000, 1.0000])
    """
    steps = steps_arg(steps, "linspace")
    if isinstance(start, complex) or isinstance(end, complex):
        d = dtypes.get_default_dtype().to_complex() if dtype is None else dtypes.as_dtype(dtype)
        if not d.is_complex:
            raise RuntimeError(f"linspace(): inferred dtype complex can't be safely cast to passed dtype {d}")
        ends = [(p.real, p.imag) for p in (complex(start), complex(end))]
        parts = [linspace(a, b, steps, dtype=d.to_real(), device=device) for a, b in zip(*ends, strict=True)]
        return FUNCTIONS["complex"](*parts).requires_grad_(requires_grad)  # type: ignore[no-any-return]
    if isinstance(start, Tensor) or isinstance(end, Tensor):
        return _between(start, end, steps, dtype, device, requires_grad)
    backend, index = backend_for(device)
    d = _dtype(dtype)
    if d.category == dtypes.INTEGER:
        start, end = int(start), int(end)
    return _finish(backend.table.linspace(start, end, steps, d, index), requires_grad)


@each_example("linspace")
def _between(start: Any, end: Any, *rest: Any) -> Tensor:
    """``linspace`` between tensors of one element."""
    steps, dtype, device, requires_grad = rest
    numbers = [v.item() if isinstance(v, Tensor) else v for v in (start, end)]
    return linspace(*numbers, steps, dtype=dtype, device=device, requires_grad=requires_grad)  # type: ignore[no-any-return]


@public(method=False)
def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """Ones on the diagonal, zeros elsewhere.

    >>> import lucid
    >>> lucid.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    if n < 0 or (m is not None and m < 0):
        raise RuntimeError(f"{'n' if n < 0 else 'm'} must be greater or equal to 0, got {n if n < 0 else m}")
    backend, index = backend_for(device)
    return _finish(backend.table.eye(n, n if m is None else m, _dtype(dtype), index), requires_grad)


@public("range", method=False)
def _range(start: Any = 0, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
           layout: Any = None, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """``arange`` with the end included, of the default floating dtype; deprecated in PyTorch too.

    >>> import lucid
    >>> lucid.range(1, 2, 0.5)
    tensor([1.0000, 1.5000, 2.0000])
    """
    start, end = (0, start) if end is None else (start, end)
    if not step or (end - start) * step < 0:
        raise RuntimeError(
            f"range: upper bound and lower bound inconsistent with step sign: {start}, {end}, step {step}"
        )
    count = int((end - start) / step) + 1
    return arange(count, dtype=_dtype(dtype), device=device).mul_(step).add_(start).requires_grad_(requires_grad)


FUNCTIONS.pop("_range")


@public(method=False, out=False)
def empty_strided(size: Any, stride: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, layout: Any = None,
                  pin_memory: bool = False) -> Tensor:  # fmt: skip
    """A tensor with arbitrary contents whose elements lie ``stride`` apart in memory.

    >>> import lucid
    >>> lucid.empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    sizes, steps = sizes_arg((tuple(size),), "empty_strided"), tuple(stride)
    if len(sizes) != len(steps):
        raise RuntimeError(f"empty_strided: mismatch in length of strides and shape: {sizes} and {steps}")
    if any(n < 0 for n in steps):
        raise RuntimeError(f"empty_strided: sizes and strides must not be negative: {sizes}, {steps}")
    memory = 1 + sum((n - 1) * s for n, s in zip(sizes, steps, strict=True)) if all(sizes) else 0
    t = empty(memory, dtype=dtype, device=device).as_strided(sizes, steps).detach()
    return t.requires_grad_() if requires_grad else t


@public(method=False, out=False)
def empty_permuted(size: Any, physical_layout: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
                   layout: Any = None, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """A tensor with arbitrary contents whose dimensions lie in memory in the order ``physical_layout``.

    >>> import lucid
    >>> lucid.empty_permuted((2, 3), (1, 0)).stride()
    (1, 2)
    """
    order = tuple(physical_layout)
    if sorted(order) != list(range(len(tuple(size)))):
        raise RuntimeError(f"empty_permuted: physical_layout {order} is not an order of {len(tuple(size))} dimensions")
    t = empty([size[d] for d in order], dtype=dtype, device=device)
    t = t.permute([order.index(d) for d in range(len(order))]).detach()
    return t.requires_grad_() if requires_grad else t
