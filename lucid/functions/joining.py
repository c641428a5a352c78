"""Joining and splitting beyond cat and split: the stacks, the h/v/d splits, repeating and turning."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.errors import DTypeError
from ..core.graph import entitled
from ..core.tensor import Tensor, as_tensor
from ..core.transform import each_example, everything
from ..ops import shape as shape_ops
from .checking import Dims, fits
from .creation import arange
from .pieces import cat, piece, split, tensor_list
from .registry import FUNCTIONS, dim_arg, public, shape_arg, tensor_arg
from .shaping import broadcast_shapes, expand

FUNCTIONS["split_with_sizes"] = lambda input, split_sizes, dim=0: split(input, list(split_sizes), dim)
Tensor.split_with_sizes = FUNCTIONS["split_with_sizes"]  # type: ignore[attr-defined]


def _apart(f: Callable) -> Callable:
    """The parts as tensors of their own, which may be written to."""
    return functools.wraps(f)(lambda *args, **kwargs: tuple(ops.copy(part) for part in f(*args, **kwargs)))


for _name in ("split", "chunk", "split_with_sizes"):
    FUNCTIONS["unsafe_" + _name] = _apart(FUNCTIONS[_name])
    setattr(Tensor, "unsafe_" + _name, FUNCTIONS["unsafe_" + _name])
FUNCTIONS["broadcast_shapes"] = broadcast_shapes


def many(tensors: tuple, name: str) -> tuple[list, bool]:
    """Arguments given as ``f(a, b)`` or ``f([a, b])``, and whether there was but one tensor."""
    listed = len(tensors) == 1 and isinstance(tensors[0], list | tuple)
    given = tensors[0] if listed else tensors
    return [tensor_arg(x, name, f"tensors[{i}]") for i, x in enumerate(given)], not listed and len(tensors) == 1


def _at_least(name: str, n: int, widen: Any, doc: str) -> None:
    def f(*tensors: Any) -> Any:
        items, single = many(tensors, name)
        made = tuple(widen(x) for x in items)
        return made[0] if single else made

    f.__name__ = name
    f.__doc__ = doc
    public(method=False, out=False)(f)


def _three(x: Tensor) -> Tensor:
    if x.ndim >= 3:
        return x
    return ops.reshape(x, {0: (1, 1, 1), 1: (1, *x.shape, 1), 2: (*x.shape, 1)}[x.ndim])


_at_least("atleast_1d", 1, lambda x: x if x.ndim else ops.reshape(x, (1,)), "Each tensor with at least one dimension.")
_at_least(
    "atleast_2d", 2, lambda x: x if x.ndim > 1 else ops.reshape(x, (1, *x.shape) if x.ndim else (1, 1)),
    "Each tensor with at least two dimensions (in front).",
)  # fmt: skip
_at_least(
    "atleast_3d",
    3,
    _three,
    "Each tensor with at least three dimensions (a matrix gets one behind, a vector on both sides).",
)
atleast_1d, atleast_2d, atleast_3d = (FUNCTIONS[f"atleast_{n}d"] for n in (1, 2, 3))


# ---- stacks ----


@public(method=False)
def hstack(tensors: Any) -> Tensor:
    """Joined along the second dimension (vectors: the first).

    >>> import lucid
    >>> lucid.hstack([lucid.tensor([1]), lucid.tensor([2, 3])])
    tensor([1, 2, 3])
    """
    items = atleast_1d(tensor_list(tensors, "hstack"))
    return cat(items, 0 if items[0].ndim == 1 else 1)


@public("row_stack", method=False)
def vstack(tensors: Any) -> Tensor:
    """Joined along the first dimension, vectors as rows.

    >>> import lucid
    >>> lucid.vstack([lucid.tensor([1, 2]), lucid.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    return cat(atleast_2d(tensor_list(tensors, "vstack")), 0)


@public(method=False)
def dstack(tensors: Any) -> Tensor:
    """Joined along the third dimension."""
    return cat(atleast_3d(tensor_list(tensors, "dstack")), 2)


@public(method=False)
def column_stack(tensors: Any) -> Tensor:
    """Joined along the second dimension, vectors as columns."""
    items = tensor_list(tensors, "column_stack")
    return cat([ops.reshape(x, (x.shape.numel(), 1)) if x.ndim <= 1 else x for x in items], 1)


# ---- splits ----


@public(out=False)
def tensor_split(
    input: Tensor, indices_or_sections: Any = None, dim: int = 0, *, indices: Any = None, sections: Any = None
) -> tuple[Tensor, ...]:
    """Pieces along ``dim``: so many of nearly equal size, or cut at the indices listed. Views.

    >>> import lucid
    >>> [p.tolist() for p in lucid.tensor_split(lucid.arange(5), 2)]
    [[0, 1, 2], [3, 4]]
    """
    x = tensor_arg(input, "tensor_split")
    if not x.ndim:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    d = dim_arg(dim, x.ndim, "tensor_split")
    n = x.shape[d]
    indices_or_sections = indices if indices is not None else sections if sections is not None else indices_or_sections
    if indices_or_sections is None:
        raise TypeError("tensor_split() missing 1 required argument: indices or sections")
    if isinstance(indices_or_sections, Tensor):
        if indices_or_sections.dtype is not dtypes.int64 or indices_or_sections.ndim > 1:
            got = f"{indices_or_sections.dtype}, {indices_or_sections.ndim}-d"
            raise RuntimeError(f"tensor_split expected long indices in at most one dimension, but got {got}")
        indices_or_sections = indices_or_sections.item() if sections is not None else indices_or_sections.tolist()
    if isinstance(indices_or_sections, bool | dict):
        kind = type(indices_or_sections).__name__
        raise TypeError(f"tensor_split(): argument 'indices_or_sections' must be int or tuple of ints, not {kind}")
    if hasattr(indices_or_sections, "tolist"):
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, int):
        sections = indices_or_sections
        if sections <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {sections}")
        fits(sections, "tensor_split", "sections")
        size, extra = divmod(n, sections)
        cuts = [i * size + min(i, extra) for i in range(sections + 1)]
    else:
        cuts = [0, *indices_or_sections, n]
    pieces = []
    for a, b in itertools.pairwise(cuts):
        start, stop, _ = slice(a, b).indices(n)
        pieces.append(piece(x, d, start, max(start, stop)))
    return tuple(pieces)


def _fixed_split(name: str, dim: int, needed: int) -> None:
    def f(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
        if input.ndim < needed:
            raise RuntimeError(
                f"{name} requires a tensor with at least {needed} dimension, but got a tensor with {input.ndim} dimensions!"
            )
        d = 0 if name == "hsplit" and input.ndim == 1 else dim
        if isinstance(indices_or_sections, Tensor) and indices_or_sections.shape.numel() == 1:
            indices_or_sections = indices_or_sections.tolist()
        if isinstance(indices_or_sections, bool | dict | Tensor):
            raise TypeError(
                f"{name}(): argument 'indices_or_sections' must be int or tuple of ints, not {type(indices_or_sections).__name__}"
            )
        if hasattr(indices_or_sections, "tolist"):
            indices_or_sections = indices_or_sections.tolist()
        if isinstance(indices_or_sections, int):
            fits(indices_or_sections, name, "sections")
        if isinstance(indices_or_sections, int) and (indices_or_sections <= 0 or input.shape[d] % indices_or_sections):
            raise RuntimeError(
                f"{name} attempted to split along dimension {d}, but the size of the dimension {input.shape[d]} is not divisible by the split_size {indices_or_sections}!"
            )
        return tensor_split(input, indices_or_sections, d)

    def call(input: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
        if len(args) > 1:
            args = (args,)
        if "indices" in kwargs or "sections" in kwargs:
            args = (kwargs.get("indices", kwargs.get("sections")),)
            kwargs = {}
        return f(input, *args, **kwargs)

    call.__name__ = name
    call.__doc__ = f"Pieces along dimension {dim}: equal ones, or cut at the indices listed. Views."
    public(out=False)(call)


_fixed_split("hsplit", 1, 1)
_fixed_split("vsplit", 0, 2)
_fixed_split("dsplit", 2, 3)


# ---- repeating and turning ----


@public(out=False)
def tile(input: Tensor, *dims: Any) -> Tensor:
    """Copies laid side by side; missing leading repeats count as 1.

    >>> import lucid
    >>> lucid.tile(lucid.tensor([1, 2]), (2,))
    tensor([1, 2, 1, 2])
    """
    if not dims:
        raise TypeError('tile() missing 1 required positional argument: "dims"')
    times = shape_arg(dims, "tile")
    return input.repeat(*(1,) * (input.ndim - len(times)), *times)  # type: ignore[attr-defined]


@public(out=False)
def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element (slice along ``dim``) repeated, so often in all or so often each; with one argument: indices from counts.

    >>> import lucid
    >>> lucid.repeat_interleave(lucid.tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    """
    x = tensor_arg(input, "repeat_interleave")
    if repeats is None:
        if dim is not None:
            raise TypeError('repeat_interleave() missing 1 required positional argument: "repeats"')
        return repeat_interleave(arange(len(x), device=x.device), x)
    if dim is None:
        x, dim = ops.reshape(x, (x.shape.numel(),)), 0
    d = dim_arg(dim, x.ndim, "repeat_interleave")
    if output_size is not None:
        if (out := repeat_interleave(x, repeats, d)).shape[d] == output_size:
            return out  # type: ignore[no-any-return]
        raise RuntimeError(f"repeat_interleave: Invalid output_size, expected {out.shape[d]} but got {output_size}")
    if isinstance(repeats, list | tuple):
        repeats = as_tensor(list(repeats), device=x.device)
    if isinstance(repeats, Tensor):
        if repeats.dtype is not dtypes.int64 and repeats.dtype is not dtypes.int32:
            raise DTypeError(f"repeat_interleave(): repeats has to be Long or Int tensor, got {repeats.dtype}")
        if repeats.ndim > 1:
            raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
        if repeats.shape.numel() not in (1, x.shape[d]):
            raise RuntimeError(f"repeats must have the same size as input along dim {d}: {len(repeats)}, {x.shape[d]}")
        if repeats.shape.numel() and bool((everything(repeats) < 0).any()):
            raise RuntimeError("repeats can not be negative")
        if hasattr(repeats.value, "level"):  # inside vmap examples may differ
            return x.index_select(d, _sources(repeats, x.shape[d]))  # type: ignore[attr-defined, no-any-return]
        repeats = int(repeats.item()) if repeats.shape.numel() == 1 else repeats.value
    elif isinstance(repeats, bool) or not hasattr(repeats, "__index__"):
        raise TypeError(f"repeat_interleave(): argument 'repeats' must be int or Tensor, not {type(repeats).__name__}")
    elif repeats < 0:
        raise RuntimeError("Repeats must be non-negative")
    else:
        fits(repeats, "repeat_interleave", "repeats")
    if isinstance(repeats, int):
        spread = expand(x.unsqueeze(d + 1), *x.shape[: d + 1], repeats, *x.shape[d + 1 :])
        out = ops.reshape(spread, (*x.shape[:d], x.shape[d] * repeats, *x.shape[d + 1 :]))
        return out.clone() if out.base is not None else out
    return shape_ops.repeat_interleave(x, repeats, d)


@each_example("repeat_interleave")
def _sources(repeats: Tensor, n: int) -> Tensor:
    """Which of ``n`` slices each slice of the result comes from."""
    return repeat_interleave(arange(n, device=repeats.device), repeats)  # type: ignore[no-any-return]


@public(out=False)
def rot90(input: Tensor, k: int = 1, dims: Any = (0, 1)) -> Tensor:
    """Turned by 90 degrees ``k`` times, from the first of ``dims`` towards the second: a copy.

    >>> import lucid
    >>> lucid.rot90(lucid.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    x = tensor_arg(input, "rot90")
    if not isinstance(dims, tuple | list):
        raise TypeError(f"rot90(): argument 'dims' must be tuple of ints, not {type(dims).__name__}")
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if x.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {x.ndim}")
    a, b = dim_arg(dims[0], x.ndim, "rot90"), dim_arg(dims[1], x.ndim, "rot90")
    if a == b:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    fits(k, "rot90", "k")
    k %= 4
    if k == 2:
        return x.flip((a, b))  # type: ignore[attr-defined]
    if k == 0:
        return x.clone()
    return entitled(x.flip(b).transpose(a, b) if k == 1 else x.flip(a).transpose(a, b), "Rot90Backward0")  # type: ignore[attr-defined]


@public(out=False)
def roll(input: Tensor, shifts: Dims, dims: Dims | None = None) -> Tensor:
    """Elements moved along, round the end: along ``dims``, or along the flattened tensor.

    >>> import lucid
    >>> lucid.roll(lucid.arange(4), 1)
    tensor([3, 0, 1, 2])
    """
    x = tensor_arg(input, "roll")
    for position, given in (("shifts", shifts), ("dims", dims)):
        if isinstance(given, Tensor) and given.shape.numel() != 1:
            raise TypeError(
                f"roll(): argument '{position}' must be tuple of ints, not Tensor of shape {tuple(given.shape)}"
            )
    shift = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    axes = () if dims is None else (dims,) if isinstance(dims, int) else tuple(dims)
    for s in shift:
        fits(s, "roll", "shifts")
    if not axes:
        if len(shift) != 1:
            raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shift)}, dims:0")
        flat = ops.reshape(x, (x.shape.numel(),))
        turned = ops.reshape(shape_ops.roll(flat, shift, (0,)), tuple(x.shape)) if x.shape.numel() else x.clone()
        return entitled(turned, "RollBackward0")
    if len(shift) != len(axes):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shift)}, dims:{len(axes)}")
    if not x.ndim:
        raise IndexError("roll: Dimension specified as 0 but tensor has no dimensions")
    return entitled(shape_ops.roll(x, shift, tuple(dim_arg(d, x.ndim, "roll") for d in axes)), "RollBackward0")


@public(out=False)
def fliplr(input: Tensor) -> Tensor:
    """Columns in reverse: a copy."""
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return input.flip(1)  # type: ignore[attr-defined]


@public(out=False)
def flipud(input: Tensor) -> Tensor:
    """Rows in reverse: a copy."""
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return input.flip(0)  # type: ignore[attr-defined]


@public(out=False)
def ravel(input: Tensor) -> Tensor:
    """All elements as a vector; a view where memory allows."""
    return input.contiguous().reshape(-1)  # type: ignore[attr-defined, no-any-return]
