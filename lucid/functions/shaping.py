"""Shape: views and rearrangements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import ops
from ..backends import backend_of
from ..core import dtypes
from ..core.errors import ShapeError
from ..core.graph import entitled
from ..core.tensor import Tensor
from ..core.view import View
from ..ops import shape as shape_ops
from .checking import Dims
from .registry import FUNCTIONS, dim_arg, dims_arg, public, shape_arg, tensor_arg


def resolve_shape(x: Tensor, shape: tuple[int, ...], name: str) -> tuple[int, ...]:
    """Replace one -1 by what is left; RuntimeError if the sizes do not fit."""
    total, known, lowest = math.prod(x.value.shape), math.prod(shape), min(shape, default=0)
    if known == total and lowest >= 0:
        return shape
    unknown = shape.count(-1)
    if lowest < -1 or unknown > 1:
        raise ShapeError(f"{name}: invalid shape {list(shape)}: at most one size may be -1, none below it")
    if unknown and known and not total % known:
        at = shape.index(-1)
        return (*shape[:at], total // -known, *shape[at + 1 :])
    if unknown and not known and not total:
        raise ShapeError(
            f"{name}: cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified dimension "
            "size -1 can be any value and is ambiguous"
        )
    raise ShapeError(
        f"{name}: shape '{list(shape)}' is invalid for input of size {total} (input shape {tuple(x.shape)})"
    )


def in_order(x: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Lay the memory of a channels-last convolution result out as PyTorch would, if ``sizes`` takes its channels apart.

    NumPy's convolutions return (N, C, H, W) over channels-last memory, an order that programs neither asked for nor see:
    ``x.view(n, -1)`` works on them and shares their memory. Other views of the tensor follow, as after an in-place write.
    """
    value = x.value
    flags = getattr(value, "flags", None)
    if flags is None or flags.c_contiguous or value.shape[:2] == sizes[:2]:
        return x
    root = x.root if type(x) is View else x
    memory = root.value
    if memory.ndim > 2 and memory.transpose(0, *range(2, memory.ndim), 1).flags.c_contiguous:
        root.value = backend_of(memory).copy(memory)
        root._version += 1
    return x


@public(out=False)
def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The same elements in another shape (one size may be -1); a view where memory allows, else a copy.

    Raises RuntimeError if the number of elements differs.

    >>> import lucid
    >>> lucid.arange(6).reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    x = tensor_arg(input, "reshape")
    sizes = resolve_shape(x, shape_arg(shape, "reshape"), "reshape")
    return shape_ops.reshape(in_order(x, sizes) if x.value.ndim > 2 else x, sizes)


@public(function=False)
def view(input: Tensor, *shape: Any, dtype: Any = None) -> Tensor:
    """``reshape`` that never copies; a dtype instead of a shape reinterprets the bytes.

    Raises RuntimeError where the memory layout would need a copy.

    >>> import lucid
    >>> lucid.arange(6).view(3, 2).shape
    lucid.Size([3, 2])
    """
    shape = shape if dtype is None or shape else (dtype,)
    if len(shape) == 1 and isinstance(shape[0], dtypes.dtype):
        from .strides import view_dtype

        return view_dtype(input, shape[0])
    sizes = resolve_shape(input, shape_arg(shape, "view"), "view")
    result = shape_ops.reshape(in_order(input, sizes) if input.value.ndim > 2 else input, sizes)
    if type(result) is not View and result.base is None and 0 not in sizes:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead."
        )
    return result


@public(function=False)
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """``view`` in the shape of another tensor."""
    return view(input, *other.shape)


@public(function=False)
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """``reshape`` in the shape of another tensor."""
    return reshape(input, *other.shape)


@public(out=False)
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions ``start_dim`` to ``end_dim`` as one.

    >>> import lucid
    >>> lucid.flatten(lucid.zeros(2, 3, 4), 1).shape
    lucid.Size([2, 12])
    """
    x = tensor_arg(input, "flatten")
    sizes = x.value.shape
    ndim = len(sizes)
    first, last = dim_arg(start_dim, ndim, "flatten"), dim_arg(end_dim, ndim, "flatten")
    if not ndim:
        return ops.reshape(x, (1,))
    if first > last:
        raise RuntimeError(f"flatten() has invalid args: start_dim ({start_dim}) cannot come after end_dim ({end_dim})")
    if first == last:
        return x
    sizes = (*sizes[:first], math.prod(sizes[first : last + 1]), *sizes[last + 1 :])
    return shape_ops.reshape(in_order(x, sizes) if ndim > 2 else x, sizes)


@public(out=False)
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One dimension as several (one size may be -1).

    >>> import lucid
    >>> lucid.unflatten(lucid.zeros(2, 12), 1, (3, -1)).shape
    lucid.Size([2, 3, 4])
    """
    d = dim_arg(dim, input.ndim, "unflatten")
    if isinstance(sizes, int | Tensor):
        raise TypeError(f"unflatten(): argument 'sizes' must be tuple of ints, not {type(sizes).__name__}")
    part = list(shape_arg((sizes,), "unflatten"))
    if -1 in part:
        part[part.index(-1)] = input.shape[d] // math.prod(n for n in part if n != -1)
    if math.prod(part) != input.shape[d]:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {d} ({input.shape[d]}) in the input tensor"
        )
    return ops.reshape(input, (*input.shape[:d], *part, *input.shape[d + 1 :]))


@public(out=False)
def permute(input: Tensor, *dims: Any) -> Tensor:
    """The dimensions in another order: a view.

    Raises RuntimeError unless ``dims`` names each dimension once.

    >>> import lucid
    >>> lucid.permute(lucid.zeros(2, 3, 4), (2, 0, 1)).shape
    lucid.Size([4, 2, 3])
    """
    x = tensor_arg(input, "permute")
    if not dims:
        raise TypeError('permute() missing 1 required positional argument: "dims"')
    axes = shape_arg(dims, "permute")
    ndim = x.ndim
    if len(axes) != ndim:
        raise RuntimeError(
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering of dimensions i.e. input.dim() = {x.ndim} is not equal to len(dims) = {len(axes)}"
        )
    axes = tuple([dim_arg(a, ndim, "permute") for a in axes])
    if len(set(axes)) != len(axes):
        raise RuntimeError(f"permute(): duplicate dims are not allowed: {axes}")
    return shape_ops.permute_dims(x, axes)


@public("swapdims", out=False)
def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """``transpose``."""
    return transpose(input, axis0, axis1)


@public(out=False)
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged: a view.

    >>> import lucid
    >>> lucid.transpose(lucid.zeros(2, 3), 0, 1).shape
    lucid.Size([3, 2])
    """
    x = tensor_arg(input, "transpose")
    ndim = len(x.value.shape)
    a, b = dim_arg(dim0, ndim, "transpose"), dim_arg(dim1, ndim, "transpose")
    axes = list(range(ndim))
    if axes:
        axes[a], axes[b] = axes[b], axes[a]
    return shape_ops.permute_dims(x, tuple(axes))


@public(out=False)
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix (vectors stay); RuntimeError above two dimensions."""
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return input if input.ndim < 2 else shape_ops.permute_dims(input, (1, 0))


@public("moveaxis", out=False)
def movedim(input: Tensor, source: Dims, destination: Dims) -> Tensor:
    """Dimensions moved to other places, the rest in order: a view.

    >>> import lucid
    >>> lucid.movedim(lucid.zeros(2, 3, 4), 0, -1).shape
    lucid.Size([3, 4, 2])
    """
    ndim = input.ndim
    if isinstance(source, int) is not isinstance(destination, int):
        raise TypeError(
            f"movedim(): source and destination must be two ints or two tuples of ints, not {source!r} and {destination!r}"
        )
    src = [dim_arg(d, ndim, "movedim") for d in ([source] if isinstance(source, int) else source)]
    dst = [dim_arg(d, ndim, "movedim") for d in ([destination] if isinstance(destination, int) else destination)]
    if len(src) != len(dst) or len(set(src)) != len(src) or len(set(dst)) != len(dst):
        raise RuntimeError(
            f"movedim: repeated dim or different lengths in source {source} and destination {destination}"
        )
    if not ndim:
        return shape_ops.permute_dims(input, ())
    axes = [d for d in range(ndim) if d not in src]
    for to, d in sorted(zip(dst, src, strict=True)):
        axes.insert(to, d)
    return shape_ops.permute_dims(input, tuple(axes[:ndim]))  # a 0-d tensor may be asked to move its dimension 0


@public(out=False)
def squeeze(input: Tensor, dim: Dims | None = None, *more: int) -> Tensor:
    """Without dimensions of size 1 (all, or those named): a view.

    >>> import lucid
    >>> lucid.squeeze(lucid.zeros(1, 2, 1)).shape
    lucid.Size([2])
    """
    x = tensor_arg(input, "squeeze")
    if more:
        dim = dims_arg((dim, *more), x.ndim, "squeeze")
    sizes = x.value.shape
    ndim = len(sizes)
    dims = (
        range(ndim) if dim is None else [dim_arg(d, ndim, "squeeze") for d in ((dim,) if isinstance(dim, int) else dim)]
    )
    out = shape_ops.reshape(x, tuple([n for i, n in enumerate(sizes) if n != 1 or i not in dims]))
    return (
        out if out is x else entitled(out, f"SqueezeBackward{0 if dim is None else 1 if isinstance(dim, int) else 2}")
    )


@public(out=False)
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a dimension of size 1 inserted: a view.

    >>> import lucid
    >>> lucid.unsqueeze(lucid.zeros(2, 3), -1).shape
    lucid.Size([2, 3, 1])
    """
    x = tensor_arg(input, "unsqueeze")
    sizes = x.value.shape
    d = dim_arg(dim, len(sizes) + 1, "unsqueeze")
    return entitled(shape_ops.reshape(x, (*sizes[:d], 1, *sizes[d:])), "UnsqueezeBackward0")


@public(function=False)
def expand(input: Tensor, *sizes: Any, implicit: bool = False) -> Tensor:
    """Dimensions of size 1 repeated without copying (-1 keeps a size): a view that may not be written to.

    Raises RuntimeError where a size other than 1 would change.

    >>> import lucid
    >>> lucid.tensor([[1], [2]]).expand(2, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    x = tensor_arg(input, "expand")
    wanted = shape_arg(sizes, "expand")
    shape = tuple(x.value.shape)
    lead = len(wanted) - len(shape)
    if lead < 0:
        raise RuntimeError(
            f"expand(): the number of sizes provided ({len(wanted)}) must be greater or equal to the number of dimensions in the tensor ({x.ndim})"
        )
    full = []
    for i, n in enumerate(wanted):
        have = shape[i - lead] if i >= lead else None
        if n == -1:
            if have is None:
                raise RuntimeError(
                    f"expand(): The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension {i}"
                )
            n = have
        if have != n and have is not None and have != 1:
            raise RuntimeError(
                f"expand(): The expanded size of the tensor ({n}) must match the existing size ({have}) at non-singleton "
                f"dimension {i}. Target sizes: {list(wanted)}. Tensor sizes: {list(x.shape)}"
            )
        full.append(n)
    return x if (target := tuple(full)) == shape else shape_ops.broadcast_to(x, target)


@public(function=False)
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """``expand`` to the shape of another tensor."""
    return expand(input, *other.shape)


@public(out=False)
def broadcast_to(input: Tensor, *shape: Any) -> Tensor:
    """``input`` seen in a larger shape: a view."""
    return expand(input, *shape_arg(shape, "broadcast_to"))


def broadcast_shapes(*shapes: Any) -> Any:
    """The shape that shapes broadcast to; RuntimeError where they do not.

    >>> import lucid
    >>> lucid.broadcast_shapes((2, 1), (3,))
    lucid.Size([2, 3])
    """
    from ..core.tensor import Size

    sizes = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    if any(n < 0 for s in sizes for n in s):
        raise ShapeError("broadcast_shapes: attempting to broadcast a dimension with negative length")
    result: list[int] = []
    for back in range(1, max((len(s) for s in sizes), default=0) + 1):
        found = {s[-back] for s in sizes if len(s) >= back} - {1}
        if len(found) > 1:
            raise ShapeError(
                f"broadcast_shapes: shapes {', '.join(map(str, sizes))} do not broadcast: sizes {sorted(found)} differ"
            )
        result.insert(0, found.pop() if found else 1)
    return Size(result)


@public(method=False, out=False)
def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """All tensors expanded to their common shape."""
    items = tensors[0] if len(tensors) == 1 and not isinstance(tensors[0], Tensor) else tensors
    items = [tensor_arg(x, "broadcast_tensors", f"tensors[{i}]") for i, x in enumerate(items)]
    shape = broadcast_shapes(*(x.shape for x in items))
    return tuple(expand(x, *shape) for x in items)


@public(out=False)
def flip(input: Tensor, *dims: Any) -> Tensor:
    """Reversed along the given dimensions: a copy.

    >>> import lucid
    >>> lucid.flip(lucid.arange(3), (0,))
    tensor([2, 1, 0])
    """
    if not dims:
        raise TypeError('flip() missing 1 required positional argument: "dims"')
    axes = tuple(dim_arg(d, input.ndim, "flip") for d in shape_arg(dims, "flip"))
    if len(axes) > 1:
        dims_arg(axes, input.ndim, "flip")
    return shape_ops.flip(input, axes) if input.ndim else input.clone()


@public(function=False)
def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """Copies laid side by side, ``repeats[i]`` times along dimension i (as ``np.tile``).

    >>> import lucid
    >>> lucid.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    times = shape_arg(repeats, "repeat")
    if len(times) < input.ndim:
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    x = ops.reshape(input, (1,) * (len(times) - input.ndim) + tuple(input.shape))
    spread = tuple(s for n in x.shape for s in (1, n))
    target = tuple(s for r, n in zip(times, x.shape, strict=True) for s in (r, n))
    full = ops.broadcast_to(ops.reshape(x, spread), target)
    return entitled(
        ops.reshape(full, tuple(r * n for r, n in zip(times, x.shape, strict=True))).clone(), "RepeatBackward0"
    )


@public(out=False)
def adjoint(input: Tensor) -> Tensor:
    """The last two dimensions exchanged, complex numbers conjugated."""
    if input.ndim == 0:
        return input
    if input.ndim < 2:
        raise RuntimeError(
            f"tensor.adjoint() is only supported on matrices or batches of matrices. Got {input.ndim}-D tensor."
        )
    turned = ops.matrix_transpose(input)
    return FUNCTIONS["conj"](turned)


def _hermitian(self: Tensor) -> Tensor:
    if self.ndim not in (0, 2):
        raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {self.ndim}-D tensor.")
    return adjoint(self) if self.ndim else self


Tensor.mH = property(adjoint)  # type: ignore[attr-defined]
Tensor.H = property(_hermitian)  # type: ignore[attr-defined]
