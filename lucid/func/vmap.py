"""``vmap``: a function of one example becomes a function of a batch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import ops
from ..core.graph import next_seq
from ..core.tensor import Tensor
from . import batching, batching_index  # noqa: F401  (their rules register themselves)
from .batched import VmapFrame, batched, unbatched
from .pytree import Structure, broadcast_prefix, flatten


def vmap(
    func: Callable,
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
    strategy: str = "auto",
) -> Callable:
    """Apply ``func`` to each example of a batch at once.

    ``in_dims`` says which dimension of each argument is the batch (None: the argument is shared), ``out_dims`` where
    it goes in each output; both are ints or pytrees. ``randomness`` is "error", "same" (one draw for all examples)
    or "different". ``chunk_size`` bounds how many examples are computed at once. An op without a batching rule runs
    in a loop and warns once, naming itself. Raises ValueError if the batch sizes differ.

    >>> import lucid
    >>> dot = lambda a, b: (a * b).sum()
    >>> lucid.vmap(dot)(lucid.ones(2, 3), lucid.ones(2, 3))
    tensor([3., 3.])
    """
    if randomness not in ("error", "same", "different"):
        raise RuntimeError(
            f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness!r}"
        )
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0, got {chunk_size}")

    @functools.wraps(func)
    def call(*args: Any, **kwargs: Any) -> Any:
        leaves, dims, structure, size = _inputs(args, in_dims, func)
        if chunk_size is None or chunk_size >= size:
            return _run(func, leaves, dims, structure, size, out_dims, randomness, kwargs)
        parts = []
        for start in range(0, size, chunk_size):
            stop = min(start + chunk_size, size)
            own = [v if d is None else ops.take_slice(v, d, start, stop) for v, d in zip(leaves, dims, strict=True)]
            parts.append(_run(func, own, dims, structure, stop - start, out_dims, randomness, kwargs))
        return _joined(parts, out_dims)

    return call


def _inputs(args: tuple, in_dims: Any, func: Callable) -> tuple[list, list, Structure, int]:
    name = getattr(func, "__name__", "function")
    if not args:
        raise ValueError(
            f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or keyword arguments were meant as positional?"
        )
    if not isinstance(in_dims, int | tuple | list):
        raise ValueError(
            f"vmap({name}, in_dims={in_dims!r}): expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs"
        )
    leaves, structure = flatten(args)
    prefix = in_dims if isinstance(in_dims, int) else tuple(in_dims)
    dims = broadcast_prefix(prefix, structure, f"vmap({name}, in_dims={in_dims!r})")
    fixed: list[int | None] = []
    sizes = {}
    for v, d in zip(leaves, dims, strict=True):
        if d is None:
            fixed.append(None)
            continue
        if not isinstance(v, Tensor):
            raise ValueError(
                f"vmap({name}, in_dims={in_dims!r}): got in_dim={d} for an input but the input is of type {type(v).__name__}. We cannot vmap over "
                "non-Tensor arguments, please use None as the respective in_dim"
            )
        if not -v.ndim <= d < v.ndim:
            raise ValueError(
                f"vmap({name}, in_dims={in_dims!r}): got in_dim={d} for some input, but that input is a Tensor of dimensionality {v.ndim}"
            )
        fixed.append(d % v.ndim)
        sizes[v.shape[d]] = v
    if not sizes:
        raise ValueError(f"vmap({name}, in_dims={in_dims!r}): at least one input must have an in_dim that is not None")
    if len(sizes) > 1:
        raise ValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {list(sizes)} for the mapped dimension"
        )
    return leaves, fixed, structure, next(iter(sizes))


def _run(
    func: Callable,
    leaves: list,
    dims: list,
    structure: Structure,
    size: int,
    out_dims: Any,
    randomness: str,
    kwargs: dict,
) -> Any:
    since = next_seq()
    fronts = [v if d is None else to_front(v, d) for v, d in zip(leaves, dims, strict=True)]
    with VmapFrame(size, randomness) as frame:
        inputs = [v if d is None else batched(v, frame) for v, d in zip(fronts, dims, strict=True)]
        result = func(*structure.build(inputs), **kwargs)
        outs, out_structure = flatten(result)
        for o in outs:
            if not isinstance(o, Tensor):
                raise ValueError(
                    f"vmap({getattr(func, '__name__', 'function')}, ...): must only return Tensors, got type {type(o).__name__}"
                )
        found = [unbatched(o, frame) for o in outs]
    for v, d, seen in zip(fronts, dims, inputs, strict=True):
        if d is not None:
            frame.write_back(v, seen, since)
    targets = broadcast_prefix(_prefix(out_dims, out_structure), out_structure, "vmap: out_dims")
    return out_structure.build(_placed(t, flag, d, size) for (t, flag), d in zip(found, targets, strict=True))


def _prefix(out_dims: Any, structure: Structure) -> Any:
    """A tuple of one entry may stand for the one output that is no tuple."""
    if structure.kind is None and isinstance(out_dims, tuple | list) and len(out_dims) == 1:
        return out_dims[0]
    return out_dims


def to_front(x: Tensor, dim: int) -> Tensor:
    return ops.permute_dims(x, (dim, *(i for i in range(x.ndim) if i != dim))) if dim else x


def _placed(t: Tensor, flag: bool, dim: int | None, size: int) -> Tensor:
    if dim is None:
        if flag:
            raise ValueError("vmap: out_dims is None for an output that differs along the batch; give it a dimension")
        return t
    n = t.ndim - flag + 1
    if not -n <= dim < n:
        raise IndexError(f"vmap: out_dim {dim} is out of range for an output of {n} dimensions (with the batch)")
    if not flag:
        t = ops.broadcast_to(t, (size, *t.shape))
    dim %= n
    return ops.permute_dims(t, (*range(1, dim + 1), 0, *range(dim + 1, n))) if dim else t


def _joined(parts: list, out_dims: Any) -> Any:
    flat = [flatten(p) for p in parts]
    structure = flat[0][1]
    dims = broadcast_prefix(_prefix(out_dims, structure), structure, "vmap: out_dims")
    groups = zip(*(leaves for leaves, _ in flat), strict=True)
    return structure.build(
        g[0] if d is None else ops.concat(*g, d % g[0].ndim) for g, d in zip(groups, dims, strict=True)
    )
