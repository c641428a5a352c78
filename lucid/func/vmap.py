"""``vmap``: a function of one example becomes a function of a batch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import ops
from ..core.graph import next_seq
from ..core.tensor import Tensor
from ..functions.random import get_rng_state, set_rng_state
from . import batching, batching_index  # noqa: F401  (their rules register themselves)
from .batched import VmapFrame, batched, full, unbatched
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
        name = getattr(func, "__name__", "function")
        if not all(isinstance(d, int | None) for d in flatten(out_dims)[0]):
            raise ValueError(
                f"vmap({name}, ..., out_dims={out_dims}): `out_dims` must be an int, None or a python collection of ints "
                "representing where in the outputs the vmapped dimension should appear."
            )
        leaves, dims, structure, size = _inputs(args, in_dims, name)
        if chunk_size is None or chunk_size >= size:
            return _run(func, name, leaves, dims, structure, size, out_dims, randomness, kwargs)
        parts = []
        state = get_rng_state()
        for start in range(0, size, chunk_size):
            if randomness == "same":
                set_rng_state(state)
            stop = min(start + chunk_size, size)
            own = [v if d is None else ops.take_slice(v, d, start, stop) for v, d in zip(leaves, dims, strict=True)]
            parts.append(_run(func, name, own, dims, structure, stop - start, out_dims, randomness, kwargs))
        return _joined(parts, out_dims, name)

    return call


def _inputs(args: tuple, in_dims: Any, name: str) -> tuple[list, list, Structure, int]:
    if not args:
        raise ValueError(
            f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or keyword arguments were meant as positional?"
        )
    called = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, int | tuple):
        raise ValueError(
            f"{called}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs, got: {type(in_dims)}"
        )
    leaves, structure = flatten(args)
    dims = broadcast_prefix(in_dims, structure, f"{called}: in_dims is not compatible with the structure of `inputs`")
    fixed: list[int | None] = []
    sizes = {}
    for v, d in zip(leaves, dims, strict=True):
        if d is None:
            fixed.append(None)
            continue
        if not isinstance(d, int):
            raise ValueError(
                f"{called}: Got in_dim={d} for an input but in_dim must be either an integer dimension or None."
            )
        if not isinstance(v, Tensor):
            raise ValueError(
                f"{called}: Got in_dim={d} for an input but the input is of type {type(v)}. We cannot vmap over non-Tensor arguments, "
                "please use None as the respective in_dim"
            )
        if not -v.ndim <= d < v.ndim:
            raise ValueError(
                f"{called}: Got in_dim={d} for some input, but that input is a Tensor of dimensionality {v.ndim}"
            )
        fixed.append(d % v.ndim)
        sizes[v.shape[d]] = v
    if not sizes:
        raise ValueError(f"{called}: Expected at least one Tensor to vmap over; every in_dim is None")
    if len(sizes) > 1:
        raise ValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {list(sizes)} for the mapped dimension"
        )
    return leaves, fixed, structure, next(iter(sizes))


def _run(
    func: Callable,
    name: str,
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
        outs, out_structure = flatten(func(*structure.build(inputs), **kwargs))
        targets = _out_dims(out_dims, out_structure, name)
        for o, d in zip(outs, targets, strict=True):
            if not isinstance(o, Tensor) and d is not None:
                raise ValueError(
                    f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(o)}. Did you mean to set out_dims= to None for output?"
                )
        found = [unbatched(o, frame) if isinstance(o, Tensor) else (o, False) for o in outs]
    for v, d, seen in zip(fronts, dims, inputs, strict=True):
        if d is not None and frame.write_back(v, seen, since):
            found = [
                (v, True) if o is seen else f for o, f in zip(outs, found, strict=True)
            ]  # it shares memory with the input
    return out_structure.build(_placed(t, flag, d, size, name) for (t, flag), d in zip(found, targets, strict=True))


def _out_dims(out_dims: Any, structure: Structure, name: str) -> list:
    """A dimension for each output; a tuple of one entry may stand for the one output that is no tuple."""
    if structure.kind is None and isinstance(out_dims, tuple) and len(out_dims) == 1:
        out_dims = out_dims[0]
    called = f"vmap({name}, ..., out_dims={out_dims})(<inputs>)"
    return broadcast_prefix(
        out_dims, structure, f"{called}: out_dims is not compatible with the structure of `outputs`"
    )


def to_front(x: Tensor, dim: int) -> Tensor:
    return ops.permute_dims(x, (dim, *(i for i in range(x.ndim) if i != dim))) if dim else x


def _placed(t: Any, flag: bool, dim: int | None, size: int, name: str) -> Any:
    if dim is None:
        if flag:
            raise ValueError(f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None")
        return t
    n = t.ndim - flag + 1
    if not -n <= dim < n:
        raise IndexError(
            f"vmap({name}, ...): Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})"
        )
    t = full(t, flag, size)
    dim %= n
    return ops.permute_dims(t, (*range(1, dim + 1), 0, *range(dim + 1, n))) if dim else t


def _joined(parts: list, out_dims: Any, name: str) -> Any:
    flat = [flatten(p) for p in parts]
    structure = flat[0][1]
    groups = zip(*(leaves for leaves, _ in flat), strict=True)
    return structure.build(
        g[0] if d is None else ops.concat(*g, d % g[0].ndim)
        for g, d in zip(groups, _out_dims(out_dims, structure, name), strict=True)
    )


def debug_unwrap(tensor: Tensor, *, recurse: bool = True) -> Tensor:
    """What a tensor of a transform holds: the whole batch inside ``vmap``, the primal inside ``jvp``; for looking at it only.

    >>> import lucid
    >>> lucid.vmap(lambda x: lucid.func.debug_unwrap(x).shape[0] * x)(lucid.ones(2))
    tensor([2., 2.])
    """
    while hasattr(tensor.value, "level"):
        tensor = tensor.value.inner
        if not recurse:
            break
    return tensor
