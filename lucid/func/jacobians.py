"""Whole Jacobians and Hessians: a vjp per output element or a jvp per input element, all at once by vmap."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from .. import ops
from ..core.tensor import Tensor
from .grads import argnums_arg, vjp
from .pytree import Structure, flatten
from .tangents import jvp
from .vmap import vmap


def unit_vectors(tensors: Sequence[Tensor]) -> list[Tensor]:
    """For all elements of all tensors together, the tensors that are 1 there and 0 elsewhere: a batch in front."""
    counts = [math.prod(t.shape) for t in tensors]
    total, found, start = sum(counts), [], 0
    for t, n in zip(tensors, counts, strict=True):
        rows = ops.cast(ops.eye_like(t, n), t.dtype)
        before, after = ops.zeros_of((start, n), t), ops.zeros_of((total - start - n, n), t)
        found.append(ops.reshape(ops.concat(before, rows, after, 0), (total, *t.shape)))
        start += n
    return found


def _split(rows: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Cut the first dimension, which counts the elements of ``like``, into their shapes."""
    parts, start = [], 0
    for t in like:
        n = math.prod(t.shape)
        part = ops.take_slice(rows, 0, start, start + n)
        parts.append(ops.reshape(part, (*t.shape, *rows.shape[1:])))
        start += n
    return parts


def _check_real(name: str, what: str, tensors: Sequence[Any]) -> None:
    for i, t in enumerate(tensors):
        if isinstance(t, Tensor) and t.dtype.is_complex:
            raise RuntimeError(
                f"{name}: Expected all {what} to be real but received complex tensor at flattened index {i}; use vjp or jvp"
            )


def jacrev(
    func: Callable, argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False, chunk_size: int | None = None
) -> Callable:
    """The Jacobian of ``func`` by reverse mode: shape ``(*output, *input)``, a pytree for pytrees.

    Best when there are fewer outputs than inputs. ``chunk_size`` bounds how many rows are computed at once.

    >>> import lucid
    >>> lucid.func.jacrev(lambda x: x * x)(lucid.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    @functools.wraps(func)
    def call(*args: Any, **kwargs: Any) -> Any:
        chosen = argnums_arg("jacrev", argnums, len(args))

        def partial(*inputs: Any) -> Any:
            replaced = list(args)
            for n, v in zip(chosen, inputs, strict=True):
                replaced[n] = v
            return func(*replaced, **kwargs)

        output, pull, *aux = vjp(partial, *(args[n] for n in chosen), has_aux=has_aux)
        outs, out_structure = flatten(output)
        given = tuple(args[n] for n in chosen)
        _check_real("jacrev", "inputs", flatten(given)[0])
        _check_real("jacrev", "outputs", outs)
        _, in_structure = flatten(given[0] if isinstance(argnums, int) else given)

        def rows(*vectors: Tensor) -> tuple:
            return tuple(flatten(pull(out_structure.build(vectors)))[0])

        found = (
            vmap(rows, chunk_size=chunk_size)(*unit_vectors(outs))
            if sum(math.prod(o.shape) for o in outs)
            else _empty(outs, given)
        )
        columns = [_split(r, outs) for r in found]  # [input][output]
        tree = out_structure.build(in_structure.build(c[k] for c in columns) for k in range(len(outs)))
        return (tree, aux[0]) if has_aux else tree

    return call


def _empty(outs: Sequence[Tensor], given: Any) -> list[Tensor]:
    return [ops.zeros_of((0, *v.shape), v) for v in flatten(given)[0]]


def jacfwd(
    func: Callable,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
    chunk_size: int | None = None,
) -> Callable:
    """The Jacobian of ``func`` by forward mode: shape ``(*output, *input)``; best when there are fewer inputs.

    >>> import lucid
    >>> lucid.func.jacfwd(lambda x: x.sum())(lucid.ones(3))
    tensor([1., 1., 1.])
    """

    @functools.wraps(func)
    def call(*args: Any, **kwargs: Any) -> Any:
        chosen = argnums_arg("jacfwd", argnums, len(args))
        given = tuple(args[n] for n in chosen)
        inputs, structure = flatten(given)
        _, in_structure = flatten(given[0] if isinstance(argnums, int) else given)
        _check_real("jacfwd", "inputs", inputs)
        seen: list[Any] = []

        def column(*tangents: Tensor) -> tuple:
            def partial(*values: Any) -> Any:
                replaced = list(args)
                for n, v in zip(chosen, structure.build(values), strict=True):
                    replaced[n] = v
                return func(*replaced, **kwargs)

            _, tangent, *aux = jvp(partial, tuple(inputs), tangents, has_aux=has_aux)
            leaves, out_structure = flatten(tangent)
            _check_real("jacfwd", "outputs", leaves)
            seen[:] = [out_structure, *aux]
            return (tuple(leaves), aux[0]) if has_aux else tuple(leaves)

        result = vmap(column, randomness=randomness, chunk_size=chunk_size, out_dims=(0, 0) if has_aux else 0)(
            *unit_vectors(inputs)
        )
        columns = result[0] if has_aux else result
        tree = _assembled(columns, inputs, seen[0], in_structure)
        if not has_aux:
            return tree
        leaves, aux_structure = flatten(result[1])
        return tree, aux_structure.build(ops.getitem(v, (0,)) for v in leaves)  # the same for every direction

    return call


def _assembled(
    columns: Sequence[Tensor], inputs: Sequence[Tensor], out_structure: Structure, in_structure: Structure
) -> Any:
    trees = []
    for c in columns:
        parts, start = [], 0
        n_out = c.ndim - 1
        moved = ops.permute_dims(c, (*range(1, n_out + 1), 0))
        for x in inputs:
            n = math.prod(x.shape)
            part = ops.take_slice(moved, n_out, start, start + n)
            parts.append(ops.reshape(part, (*c.shape[1:], *x.shape)))
            start += n
        trees.append(in_structure.build(parts))
    return out_structure.build(trees)


def hessian(func: Callable, argnums: int | tuple[int, ...] = 0) -> Callable:
    """The Hessian of a scalar function: ``jacfwd(jacrev(func))``.

    >>> import lucid
    >>> lucid.func.hessian(lambda x: (x**3).sum())(lucid.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)
